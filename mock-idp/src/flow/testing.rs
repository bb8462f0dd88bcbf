//! What tests of the flows share: an identity provider with the tutorial's
//! pool, client and user, and a reader of tokens that is not ours.

use std::collections::BTreeMap;
use std::time::Duration;

use foundation::clock::Clock;
use foundation::secret::Secret;
use jiff::Timestamp;
use jsonwebtoken::{Algorithm, DecodingKey, Validation};
use serde_json::Value;

use super::admin::{CreatePool, CreateUser, NewClient, NewGroup};
use super::{AuthFlow, AuthOutcome, Idp, InitiateAuth};
use crate::domain::client::{ClientSettings, ExplicitAuthFlow, OAuthFlow};
use crate::domain::pool::UsernameAttribute;
use crate::domain::{ClientId, Error, PoolId, TokenSet};
use crate::{Address, Config, KeyBank, Origin, Pins};

pub(crate) const REGION: &str = "eu-west-2";
pub(crate) const ADA: &str = "ada@example.com";
pub(crate) const PASSWORD: &str = "H3lloW@rlD";

pub(crate) fn start() -> Timestamp {
    "2026-11-23T22:00:00Z".parse().expect("a time")
}

pub(crate) fn config() -> Config {
    Config {
        clock: Clock::fixed(start()),
        region: REGION.into(),
        account: "123456789012".into(),
        address: Address::Local(Origin::parse("https://127.0.0.1:8443").expect("an origin")),
        pins: Pins::default(),
        seed: None,
        keybank: KeyBank::for_tests(),
        control_token: Secret::new("control".into()),
    }
}

pub(crate) fn idp() -> Idp {
    Idp::new(config())
}

pub(crate) fn secret(text: &str) -> Secret<String> {
    Secret::new(text.to_owned())
}

/// An e-mail pool with a domain and the group `admins`, a client that signs in
/// by the API and the hosted pages, and nobody in it.
pub(crate) struct Site {
    pub(crate) idp: Idp,
    pub(crate) pool: PoolId,
    pub(crate) client: ClientId,
}

pub(crate) fn email_pool() -> CreatePool {
    CreatePool {
        name: "kubedemy".into(),
        username_attributes: vec![UsernameAttribute::Email],
        ..CreatePool::default()
    }
}

pub(crate) fn client_settings() -> ClientSettings {
    ClientSettings {
        explicit_auth_flows: Some(vec![
            ExplicitAuthFlow::AllowUserPasswordAuth,
            ExplicitAuthFlow::AllowAdminUserPasswordAuth,
            ExplicitAuthFlow::AllowRefreshTokenAuth,
        ]),
        callback_urls: vec!["http://localhost:8000".into()],
        logout_urls: vec!["http://localhost:8000/bye".into()],
        allowed_oauth_flows: vec![OAuthFlow::Code],
        allowed_oauth_scopes: ["openid", "profile", "email"].map(str::to_owned).into(),
        oauth_enabled: true,
        identity_providers: vec!["COGNITO".into()],
        ..ClientSettings::default()
    }
}

impl Site {
    pub(crate) fn new() -> Self {
        Self::with(email_pool(), client_settings())
    }

    pub(crate) fn with(pool: CreatePool, settings: ClientSettings) -> Self {
        let idp = idp();
        let pool = idp.create_pool(REGION, pool).expect("a pool").id.clone();
        idp.create_domain(&pool, "kubedemy", None, None)
            .expect("a domain");
        let new = NewClient {
            name: "eks".into(),
            settings,
            ..NewClient::default()
        };
        let client = idp.create_client(&pool, new).expect("a client").id.clone();
        let site = Self { idp, pool, client };
        site.group("admins", None);
        site
    }

    pub(crate) fn group(&self, name: &str, precedence: Option<u32>) {
        let new = NewGroup {
            name: name.into(),
            precedence,
            ..NewGroup::default()
        };
        self.idp.create_group(&self.pool, new).expect("a group");
    }

    /// Invites somebody with the temporary password [`PASSWORD`].
    pub(crate) fn invite(&self, name: &str, attributes: &[(&str, &str)]) {
        let own = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        let new = CreateUser {
            username: name.into(),
            attributes: attributes.iter().map(own).collect(),
            temporary_password: Some(secret(PASSWORD)),
            ..CreateUser::default()
        };
        self.idp.create_user(&self.pool, new).expect("a user");
    }

    /// Makes a confirmed user with the password [`PASSWORD`].
    pub(crate) fn confirmed(&self, name: &str, attributes: &[(&str, &str)]) {
        self.invite(name, attributes);
        self.idp
            .set_user_password(&self.pool, name, &secret(PASSWORD), true)
            .expect("a password");
    }

    pub(crate) fn join(&self, name: &str, group: &str) {
        self.idp
            .add_user_to_group(&self.pool, name, group)
            .expect("a member");
    }

    pub(crate) fn call(&self, name: &str, password: &str) -> InitiateAuth {
        InitiateAuth {
            pool: None,
            client: self.client.clone(),
            flow: AuthFlow::UserPassword,
            username: Some(name.into()),
            password: Some(secret(password)),
            refresh_token: None,
            secret_hash: None,
        }
    }

    pub(crate) async fn initiate(&self, name: &str, password: &str) -> Result<AuthOutcome, Error> {
        self.idp.initiate_auth(self.call(name, password)).await
    }

    pub(crate) async fn tokens(&self, name: &str) -> TokenSet {
        match self.initiate(name, PASSWORD).await {
            Ok(AuthOutcome::Tokens(tokens)) => tokens,
            other => panic!("no tokens: {other:?}"),
        }
    }

    pub(crate) async fn refresh(&self, tokens: &TokenSet) -> Result<TokenSet, Error> {
        let call = InitiateAuth {
            flow: AuthFlow::Refresh,
            username: None,
            password: None,
            refresh_token: tokens.refresh.clone(),
            ..self.call("", "")
        };
        match self.idp.initiate_auth(call).await? {
            AuthOutcome::Tokens(tokens) => Ok(tokens),
            other => panic!("no tokens: {other:?}"),
        }
    }

    pub(crate) async fn id_claims(&self, tokens: &TokenSet) -> Claims {
        let id = tokens.id.as_ref().expect("an ID token");
        self.verify(id.expose(), Some(self.client.as_str())).await.1
    }

    pub(crate) async fn access_claims(&self, tokens: &TokenSet) -> Claims {
        self.verify(tokens.access.expose(), None).await.1
    }

    /// Header and claims of a token, verified by the jsonwebtoken crate with
    /// the pool's published keys.
    pub(crate) async fn verify(&self, token: &str, audience: Option<&str>) -> (Claims, Claims) {
        let keys = self.idp.keys(&self.pool).await.expect("keys");
        let header = jsonwebtoken::decode_header(token).expect("a header");
        let kid = header.kid.as_deref().expect("a kid");
        let key = keys.by_kid(kid).expect("a published key");
        let key = DecodingKey::from_rsa_components(key.modulus(), key.exponent()).expect("a key");
        let mut validation = Validation::new(Algorithm::RS256);
        // Tests live in their own time.
        validation.validate_exp = false;
        match audience {
            Some(audience) => validation.set_audience(&[audience]),
            None => validation.validate_aud = false,
        }
        validation.set_issuer(&[self.idp.address().issuer(&self.pool)]);
        let claims = jsonwebtoken::decode::<Claims>(token, &key, &validation).expect("verified");
        let header = token.split('.').next().expect("a header");
        let header =
            base64::Engine::decode(&base64::engine::general_purpose::URL_SAFE_NO_PAD, header);
        let header = serde_json::from_slice(&header.expect("base64")).expect("JSON");
        (header, claims.claims)
    }

    pub(crate) fn advance(&self, by: Duration) {
        self.idp.clock().advance(by).expect("a clock that moves");
    }
}

pub(crate) type Claims = BTreeMap<String, Value>;
