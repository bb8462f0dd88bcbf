//! Who asks: client certificates, bearer tokens, anonymous, in the order of
//! `pkg/kubeapiserver/authenticator/config.go`.
//!
//! A credential that is there and is refused ends in 401, never in
//! anonymous. Why it is refused is in the log and in TokenReview; the token
//! itself is in neither.

mod bearer;
mod cache;
mod config_file;
mod egress;
mod fetch;
mod freshness;
mod issuer;
mod keys;
mod reload;
mod webhook;
mod x509;

pub use config_file::{ConfigFile, load, sound};
pub use egress::Egress;
pub use issuer::authn_version;
pub use keys::Progress;
pub use webhook::{Review, TokenWebhook};

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use arc_swap::{ArcSwap, ArcSwapOption};
use foundation::clock::Clock;
use foundation::listen::Peer;
use http::HeaderMap;
use http::header::AUTHORIZATION;
use kube_authn::config::{AnonymousAuthConfig, AuthenticationConfiguration, JwtAuthenticator};
use kube_authn::{ConfigError, Outcome, User};
use kube_rbac::Version;
use rustls::RootCertStore;

use crate::wire::aggregate;
use cache::TokenCache;
use config_file::Fault;
use issuer::Issuer;
use kube_rbac::names;
use reload::{File, Issuers, Reload};

/// Who has no credential.
pub const ANONYMOUS: &str = "system:anonymous";
/// The group of everybody with a credential.
pub const AUTHENTICATED: &str = "system:authenticated";
/// The group of everybody without.
pub const UNAUTHENTICATED: &str = "system:unauthenticated";

/// What everybody says of a token that nobody knows.
const INVALID_TOKEN: &str = "invalid bearer token";

/// The API server's own loopback token is looked for in front of all other
/// authenticators, by one that says so of every other token in a header
/// (`pkg/server/config.go: AuthorizeClientBearerToken`).
const NOT_LOOPBACK: &str = INVALID_TOKEN;

/// How long [`crate::ApiServer::issuers_ready`] waits for an issuer.
const READY_LIMIT: Duration = Duration::from_secs(10);

/// With or without Kubernetes' own delays, both on the injected clock.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Timing {
    /// No caches: every change takes effect with the next request.
    #[default]
    Instant,
    /// A token that was accepted stays so for ten seconds, and after the first
    /// configuration a new one takes over only when all its issuers are
    /// healthy.
    Kubernetes,
}

/// An issuer as it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IssuerStatus {
    /// As the configuration has it.
    pub configuration: JwtAuthenticator,
    /// How far its initialisation is.
    pub progress: Progress,
}

/// What authentication found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Authenticated {
    /// Who asks, with `system:authenticated` among the groups where due.
    pub user: User,
    /// A warning for the client, where its credential was passed over.
    pub warning: Option<&'static str>,
}

/// All authenticators of one cluster; a cheap handle.
#[derive(Clone)]
pub struct Authenticators(Arc<Inner>);

struct Inner {
    version: Version,
    clock: Clock,
    timing: Timing,
    egress: Egress,
    /// Where requests without credentials are let in.
    anonymous: ArcSwap<AnonymousAuthConfig>,
    /// The same as long as no file says anything of it: `--anonymous-auth`.
    anonymous_by_flag: AnonymousAuthConfig,
    /// Held by who replaces the authenticators, so that all of it is of one file.
    configuring: Mutex<()>,
    /// The audiences of the API server itself: its service account issuers.
    audiences: Vec<String>,
    issuers: ArcSwap<Vec<Arc<Issuer>>>,
    /// The latest configuration, which may be waiting to take over.
    latest: ArcSwap<Vec<Arc<Issuer>>>,
    /// How it takes over, with Kubernetes' timing.
    reload: Reload,
    webhook: ArcSwapOption<Arc<dyn TokenWebhook>>,
    cache: TokenCache,
}

impl Inner {
    /// The issuers of a file, who begin to look for their keys. With `keeping`,
    /// one whose part of the latest file is the same keeps them.
    fn make(&self, file: &File, keeping: bool) -> Result<Issuers, ConfigError> {
        let known = self.latest.load_full();
        let algs = file.signing_algs.as_deref();
        let make = |(i, jwt)| {
            let same = |issuer: &&Arc<Issuer>| keeping && issuer.is_same(jwt, algs, &file.roots);
            if let Some(issuer) = known.iter().find(same) {
                return Ok(Arc::clone(issuer));
            }
            let (version, clock) = (self.version, self.clock.clone());
            Issuer::new(version, jwt, algs, &file.roots, &self.egress, clock)
                .map(Arc::new)
                .map_err(|error| error.of_entry(i))
        };
        let entries = file.configuration.jwt.iter().enumerate();
        let issuers: Result<_, _> = entries.map(make).collect();
        issuers.map(Arc::new)
    }
}

impl Authenticators {
    pub(crate) fn new(
        version: Version,
        clock: Clock,
        timing: Timing,
        egress: Egress,
        anonymous: bool,
        audiences: Vec<String>,
    ) -> Self {
        let anonymous_by_flag = AnonymousAuthConfig {
            enabled: anonymous,
            conditions: Vec::new(),
        };
        Self(Arc::new(Inner {
            version,
            clock,
            timing,
            egress,
            anonymous: ArcSwap::from_pointee(anonymous_by_flag.clone()),
            anonymous_by_flag,
            configuring: Mutex::default(),
            audiences,
            issuers: ArcSwap::default(),
            latest: ArcSwap::default(),
            reload: Reload::default(),
            webhook: ArcSwapOption::empty(),
            cache: TokenCache::new(),
        }))
    }

    /// Replaces all JWT authenticators: at once, or as [`reload`] has it.
    pub(crate) fn configure(
        &self,
        configuration: &AuthenticationConfiguration,
        signing_algs: Option<&[String]>,
        roots: &RootCertStore,
    ) -> Result<(), ConfigError> {
        let inner = &self.0;
        let _one_by_one = inner
            .configuring
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let instant = inner.timing == Timing::Instant;
        let mut errors = configuration.validate(&inner.audiences);
        if !instant {
            errors.extend(inner.reload.check(configuration));
        }
        if !errors.is_empty() {
            return Err(ConfigError::Invalid(errors));
        }
        let file = File {
            configuration: configuration.clone(),
            signing_algs: signing_algs.map(<[_]>::to_vec),
            roots: roots.clone(),
        };
        let issuers = inner.make(&file, instant)?;
        if !instant && !inner.reload.start(&file, inner.clock.now()) {
            Reload::begin(inner, file, issuers);
            return Ok(());
        }
        let said = configuration.anonymous.as_ref();
        let anonymous = said.unwrap_or(&inner.anonymous_by_flag);
        inner.anonymous.store(Arc::new(anonymous.clone()));
        inner.latest.store(Arc::clone(&issuers));
        inner.issuers.store(issuers);
        Ok(())
    }

    /// Looks at the file that it was started with, and takes over what is new in it.
    pub(crate) fn look_at(&self, file: &mut ConfigFile, roots: &RootCertStore) {
        let Some(new) = file.look() else { return };
        let configured = new.and_then(|configuration| {
            self.configure(&configuration, None, roots)
                .map_err(|error| Fault::Validate(error.to_string()))
        });
        match configured {
            // With Kubernetes' timing it is not in force yet.
            Ok(()) if self.0.timing == Timing::Instant => {
                tracing::info!("reloaded authentication config");
            }
            Ok(()) => {}
            Err(fault) => {
                self.0.reload.forget();
                tracing::error!("{fault}");
            }
        }
    }

    pub(crate) fn set_webhook(&self, webhook: Option<Arc<dyn TokenWebhook>>) {
        self.0.webhook.store(webhook.map(Arc::new));
        self.0.cache.clear();
    }

    /// The issuers of the latest configuration, and how far each is.
    pub(crate) fn issuers(&self) -> Vec<IssuerStatus> {
        let latest = self.0.latest.load();
        latest
            .iter()
            .map(|issuer| IssuerStatus {
                configuration: issuer.configuration().clone(),
                progress: issuer.progress().borrow().clone(),
            })
            .collect()
    }

    /// Waits until the latest configuration is in force, or was not for a minute.
    pub(crate) async fn in_force(&self) -> Result<(), String> {
        self.0.reload.in_force().await
    }

    /// Waits until every issuer of the latest configuration can verify
    /// tokens, or the latest attempt of one has failed.
    pub(crate) async fn ready(&self) -> Result<(), String> {
        let latest = self.0.latest.load_full();
        for issuer in latest.iter() {
            let mut progress = issuer.progress();
            // Somebody sits and waits for this, so the limit is real time.
            let settled = progress.wait_for(|p| *p != Progress::Starting);
            let Ok(settled) = foundation::clock::limit(READY_LIMIT, settled).await else {
                return Err(format!("{}: no answer yet", issuer.url()));
            };
            if let Ok(progress) = settled
                && let Progress::Failed(error) = &*progress
            {
                return Err(format!("{}: {error}", issuer.url()));
            }
        }
        Ok(())
    }

    /// The audiences of the API server itself.
    pub(crate) fn audiences(&self) -> &[String] {
        &self.0.audiences
    }

    /// Finds out who sends a request. What was used is taken out of the
    /// headers.
    ///
    /// # Errors
    /// Why the credentials were refused; several reasons are joined.
    pub(crate) async fn request(
        &self,
        path: &str,
        headers: &mut HeaderMap,
        peer: Option<&Peer>,
    ) -> Result<Authenticated, String> {
        let mut warning = None;
        let found = self.credentials(headers, peer, &mut warning).await;
        remove_front_proxy_headers(headers);
        let user = match found? {
            Some(user) => with_authenticated(user),
            None if self.lets_anonymous_in(path) => anonymous(),
            None => return Err("no credentials provided".to_owned()),
        };
        Ok(Authenticated { user, warning })
    }

    /// Conditions are exact paths (`AnonymousAuthConditions`).
    fn lets_anonymous_in(&self, path: &str) -> bool {
        let anonymous = self.0.anonymous.load();
        anonymous.enabled
            && (anonymous.conditions.is_empty() || anonymous.conditions.iter().any(|c| c == path))
    }

    /// The union of client certificate, header and websocket protocol: the
    /// first that knows the client decides, and refusals count only where
    /// none does.
    async fn credentials(
        &self,
        headers: &mut HeaderMap,
        peer: Option<&Peer>,
        warning: &mut Option<&'static str>,
    ) -> Result<Option<User>, String> {
        let mut errors = Vec::new();
        if let Some(leaf) = peer.and_then(|peer| peer.certificates.first()) {
            match x509::user(leaf) {
                Ok(Some(user)) => {
                    headers.remove(AUTHORIZATION);
                    return Ok(Some(user));
                }
                Ok(None) => {}
                Err(error) => errors.push(error),
            }
        }
        let authorization = bearer::authorization(headers).into_owned();
        let token = match bearer::header(&authorization) {
            bearer::Header::Nothing => None,
            bearer::Header::ExtraSpace => {
                *warning = Some(bearer::EXTRA_SPACE);
                None
            }
            bearer::Header::Token(token) => Some(token),
        };
        if let Some(token) = token {
            match self.token(token).await {
                Ok(user) => {
                    headers.remove(AUTHORIZATION);
                    return Ok(Some(user));
                }
                Err(refused) => {
                    errors.insert(0, NOT_LOOPBACK.to_owned());
                    errors.extend(refused);
                }
            }
        }
        match bearer::websocket(headers) {
            Ok(None) => {}
            Ok(Some(token)) => match self.token(&token).await {
                Ok(user) => {
                    bearer::remove_websocket_token(headers);
                    return Ok(Some(user));
                }
                Err(refused) => errors.extend(refused),
            },
            Err(error) => errors.push(error.to_owned()),
        }
        if errors.is_empty() {
            Ok(None)
        } else {
            Err(aggregate(errors))
        }
    }

    /// Judges a token for TokenReview: as one in a header, but for
    /// `audiences`, which must meet the API server's own.
    ///
    /// # Errors
    /// Why it was refused.
    pub(crate) async fn review(
        &self,
        token: &str,
        audiences: &[String],
    ) -> Result<Option<User>, String> {
        // Upstream puts the token into a made-up request's header, which nobody
        // sends; so a token with spaces in it is read as there, and one with
        // line breaks is one.
        let authorization = format!("Bearer {token}");
        let bearer::Header::Token(token) = bearer::header(&authorization) else {
            // The made-up request has no path.
            return Ok(self.lets_anonymous_in("").then(anonymous));
        };
        let meant_for_us = audiences.is_empty()
            || self.0.audiences.is_empty()
            || audiences.iter().any(|a| self.0.audiences.contains(a));
        if !meant_for_us {
            return Err(INVALID_TOKEN.to_owned());
        }
        match self.token(token).await {
            Ok(user) => Ok(Some(with_authenticated(user))),
            Err(refused) => Err(aggregate(
                std::iter::once(NOT_LOOPBACK.to_owned()).chain(refused),
            )),
        }
    }

    /// The union of what judges tokens, behind the token cache: the user, or
    /// each one's refusal.
    async fn token(&self, token: &str) -> Result<User, Vec<String>> {
        let inner = &self.0;
        let caches = inner.timing == Timing::Kubernetes;
        if caches && let Some(user) = inner.cache.get(token, inner.clock.now()) {
            return Ok(user);
        }
        let user = self.judge(token).await?;
        if caches {
            inner.cache.put(token, &user, inner.clock.now());
        }
        Ok(user)
    }

    async fn judge(&self, token: &str) -> Result<User, Vec<String>> {
        let mut errors = Vec::new();
        // Among the JWT authenticators the first refusal ends it; only the
        // one whose issuer the token names can refuse it.
        for issuer in self.0.issuers.load_full().iter() {
            match issuer.authenticate(token).await {
                Outcome::Accepted(user) => return Ok(user),
                Outcome::NotMine => {}
                Outcome::Rejected(error) => {
                    errors.push(error.to_string());
                    break;
                }
                // Answered to cached keys only, which are not the last word.
                Outcome::NeedsKeys => break,
            }
        }
        if let Some(webhook) = self.0.webhook.load_full() {
            match webhook.review(token).await {
                Ok(Some(user)) => return Ok(user),
                Ok(None) => {}
                Err(error) => errors.push(error),
            }
        }
        if errors.is_empty() {
            errors.push(INVALID_TOKEN.to_owned());
        }
        Err(errors)
    }
}

/// Who a request without credentials comes from.
fn anonymous() -> User {
    User {
        username: ANONYMOUS.to_owned(),
        groups: vec![UNAUTHENTICATED.to_owned()],
        ..User::default()
    }
}

/// The namespace and name in `system:serviceaccount:NAMESPACE:NAME`.
pub fn service_account_of(username: &str) -> Option<(&str, &str)> {
    let (namespace, name) = username
        .strip_prefix("system:serviceaccount:")?
        .split_once(':')?;
    let sound = names::label(namespace).is_empty() && names::subdomain(name).is_empty();
    sound.then_some((namespace, name))
}

/// The groups of a namespace's service accounts.
pub fn service_account_groups(namespace: &str) -> Vec<String> {
    vec![
        "system:serviceaccounts".to_owned(),
        format!("system:serviceaccounts:{namespace}"),
    ]
}

/// Adds `system:authenticated`, last, where neither it nor its opposite is
/// there (`authentication/group/authenticated_group_adder.go`).
pub fn with_authenticated(mut user: User) -> User {
    let told = |group: &String| group == AUTHENTICATED || group == UNAUTHENTICATED;
    if user.username != ANONYMOUS && !user.groups.iter().any(told) {
        user.groups.push(AUTHENTICATED.to_owned());
    }
    user
}

/// Adds the group that says whether somebody is known, last, where it is not there:
/// of whoever is impersonated (`endpoints/filters/impersonation`).
pub fn with_standard_group(mut user: User) -> User {
    if user.username == ANONYMOUS && !user.groups.iter().any(|group| group == UNAUTHENTICATED) {
        user.groups.push(UNAUTHENTICATED.to_owned());
    }
    with_authenticated(user)
}

/// These name a user where a front proxy is configured, which is never here.
fn remove_front_proxy_headers(headers: &mut HeaderMap) {
    let names: Vec<_> = headers
        .keys()
        .filter(|name| {
            let name = name.as_str();
            matches!(name, "x-remote-user" | "x-remote-uid" | "x-remote-group")
                || name.starts_with("x-remote-extra-")
        })
        .cloned()
        .collect();
    for name in names {
        headers.remove(name);
    }
}
