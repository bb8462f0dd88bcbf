//! Runs a plan on a rig and says in events what came of it.
//!
//! Every line of a report stems from an answer that came over HTTPS from one
//! of the two listeners; the runner decides nothing about identity or RBAC
//! itself, it only compares, and explains a denial from the objects that the
//! cluster hands out.

use std::collections::BTreeMap;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use foundation::clock::{Clock, Stopwatch, pause};
use foundation::secret::Secret;
use http::{Method, StatusCode};
use kube_rbac::{Policy, User, Version};
use mock_idp::forge::Forgery;
use serde_json::{Value, json};

use crate::aws::eks::CLUSTER_UNREACHABLE;
use crate::client::{As, AwsClient, AwsError, Broken, KubeClient, Refused, lacks_keys};
use crate::cluster::existing::Made;
use crate::cluster::{Cluster, Identities, Writes};
use crate::control::{Control, NotForged, Order};
use crate::event::Event;
use std::sync::Arc;

use crate::login::http::HttpLogin;
use crate::login::{self, Login, Refusal, Session};
use crate::resources::Resources;
use crate::scenario::file::v1::{self, LoginOutcome};
use crate::scenario::plan::{
    Action, Expectation, KUBELOGIN_CALLBACKS, Outcome, Person, Plan, PlannedStep, PoolRef,
    TokenKind,
};
use crate::scenario::question::{Question, Target};
use crate::verdict::Verdict;

/// What people choose when they are asked for a new password.
const NEW_PASSWORD: &str = "Rolecall-1!changed";
/// How long an association may take: kube-apiserver gives a reload a minute.
const UPDATE_LIMIT: Duration = Duration::from_secs(150);
const AUTHORIZATION: &str = "authorization.k8s.io";

/// What a runner works on: the two APIs, the pages, and the clock.
pub struct Bench {
    /// The provider's control calls, which forge tokens.
    pub control: Control,
    /// Cognito and EKS.
    pub aws: AwsClient,
    /// The cluster.
    pub kube: KubeClient,
    /// The login driver.
    pub login: Arc<dyn Login>,
    /// What exchanges refresh tokens.
    pub refresh: Arc<HttpLogin>,
    /// The time line that everything of the rig follows.
    pub clock: Clock,
    /// The cluster's name at EKS.
    pub cluster_name: String,
    /// `ISSUER` of a pool's id.
    pub issuer_base: String,
    /// The cluster itself: what it cannot do, and whether it still works.
    pub cluster: Arc<dyn Cluster>,
}

/// Why a step is not a pass; becomes a [`Verdict`].
#[derive(Debug)]
enum Trouble {
    Fail(String),
    Skip(String),
    Broken(String),
}

impl From<Broken> for Trouble {
    fn from(broken: Broken) -> Self {
        Self::Broken(broken.to_string())
    }
}

impl From<Refusal> for Trouble {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::Refused { because, .. } => Self::Fail(because),
            Refusal::Unable(why) => Self::Skip(why),
            Refusal::Broken(broken) => broken.into(),
        }
    }
}

impl From<Trouble> for Verdict {
    fn from(trouble: Trouble) -> Self {
        match trouble {
            Trouble::Fail(because) => Self::Fail { because },
            Trouble::Skip(missing) => Self::Skip { missing },
            Trouble::Broken(place) => Self::Broken { r#where: place },
        }
    }
}

type Details = Vec<String>;

/// Runs `plan` and reports to `sink`; returns the scenario's verdict. `label`
/// is the cluster's kind, where there are several.
pub async fn run(
    plan: Plan,
    target: Bench,
    label: Option<&'static str>,
    sink: &mut (dyn FnMut(Event) + Send),
) -> Verdict {
    sink(Event::ScenarioStarted {
        name: plan.name.clone(),
        file: plan.file.clone(),
        steps: plan
            .steps
            .iter()
            .filter(|step| !step.title.is_empty())
            .count(),
        cluster: label,
    });
    let started = Stopwatch::start();
    let cluster = Arc::clone(&target.cluster);
    let mut runner = Runner::new(target);
    let mut worst = Verdict::Pass;
    let mut number = 0;
    for step in plan.steps {
        let begun = Stopwatch::start();
        let PlannedStep {
            title,
            action,
            essential,
        } = step;
        let mut details = Details::new();
        let outcome = tokio::select! {
            biased;
            // What a broken cluster answers, or does not, is no verdict.
            why = cluster.broken() => Err(Trouble::Broken(why)),
            outcome = runner.step(action, &mut details) => outcome,
        };
        let verdict = match outcome {
            Ok(()) => Verdict::Pass,
            Err(trouble) => trouble.into(),
        };
        let broken = matches!(verdict, Verdict::Broken { .. });
        let stop = broken || verdict != Verdict::Pass && essential;
        worst = worst.worst(verdict.clone());
        if !title.is_empty() {
            number += 1;
            sink(Event::StepFinished {
                number,
                title,
                verdict,
                details,
                seconds: begun.elapsed().as_secs_f64(),
            });
        }
        if stop {
            break;
        }
    }
    if let Writes::Noted(made) = cluster.writes() {
        worst = worst.worst(tidy_up(&made, number + 1, sink).await);
    }
    sink(Event::ScenarioFinished {
        name: plan.name,
        file: plan.file,
        verdict: worst.clone(),
        seconds: started.elapsed().as_secs_f64(),
        cluster: label,
        identities: cluster.identities().said().map(str::to_owned),
    });
    worst
}

/// Takes out of somebody else's cluster what was put into it, as a step of its
/// own, where there was something.
async fn tidy_up(made: &Made, number: usize, sink: &mut (dyn FnMut(Event) + Send)) -> Verdict {
    let begun = Stopwatch::start();
    let removed = made.remove().await;
    let verdict = if removed.left.is_empty() {
        Verdict::Pass
    } else {
        Verdict::Broken {
            r#where: format!(
                "still in the cluster: {}; `rolecall clean --context` takes out what is ours",
                removed.left.join("; ")
            ),
        }
    };
    if !removed.gone.is_empty() || verdict != Verdict::Pass {
        let gone = removed.gone.iter().map(|path| format!("removed {path}"));
        sink(Event::StepFinished {
            number,
            title: "remove what was made in the cluster".to_owned(),
            verdict: verdict.clone(),
            details: gone.collect(),
            seconds: begun.elapsed().as_secs_f64(),
        });
    }
    verdict
}

struct Pool {
    id: String,
    client_id: String,
    name: String,
}

struct Runner {
    target: Bench,
    /// What the cluster was told last.
    trust: v1::Trust,
    pools: BTreeMap<PoolRef, Pool>,
    passwords: BTreeMap<Person, String>,
    sessions: BTreeMap<Person, Session>,
    provider: Option<String>,
    resources: Option<Resources>,
    /// When an RBAC object was written last.
    rbac_changed: Option<Stopwatch>,
}

impl Runner {
    fn new(target: Bench) -> Self {
        Self {
            target,
            trust: v1::Trust::default(),
            pools: BTreeMap::new(),
            passwords: BTreeMap::new(),
            sessions: BTreeMap::new(),
            provider: None,
            resources: None,
            rbac_changed: None,
        }
    }

    async fn step(&mut self, action: Action, details: &mut Details) -> Result<(), Trouble> {
        match action {
            Action::Cognito {
                pool,
                operation,
                input,
                outcome,
            } => {
                self.cognito(&pool, operation, input, &outcome, details)
                    .await
            }
            Action::Password { person, password } => {
                self.passwords.insert(person, password);
                Ok(())
            }
            Action::Associate(trust) => self.associate(trust, details).await,
            Action::Disassociate => self.disassociate(details).await,
            Action::Create(object) => self.create(&object, details).await,
            Action::Delete {
                resource,
                name,
                namespace,
            } => self.delete(&resource, &name, &namespace, details).await,
            Action::Advance(by) => {
                let capabilities = self.target.cluster.capabilities();
                if !capabilities.follows_our_clock {
                    return Err(Trouble::Skip(format!(
                        "the {} cluster does not follow our clock",
                        capabilities.name
                    )));
                }
                self.target
                    .clock
                    .advance(by)
                    .map_err(|error| Trouble::Broken(error.to_string()))?;
                details.push(format!(
                    "it is {} now",
                    self.target.clock.now().strftime("%F %T UTC")
                ));
                Ok(())
            }
            Action::Login(person) => {
                self.sessions.remove(&person);
                self.session(&person, details).await.map(drop)
            }
            Action::Refresh { person, outcome } => self.refresh(&person, &outcome, details).await,
            Action::Expect(expectation) => self.expect(&expectation, details).await,
        }
    }

    // ---- the identity provider ----

    async fn cognito(
        &mut self,
        pool: &PoolRef,
        operation: &'static str,
        mut input: Value,
        outcome: &Outcome,
        details: &mut Details,
    ) -> Result<(), Trouble> {
        if let Some(pool) = self.pools.get(pool) {
            input["UserPoolId"] = Value::from(pool.id.as_str());
        }
        let answer = match (
            self.target.aws.cognito(operation, &input).await,
            outcome.refused,
        ) {
            (Err(AwsError::Broken(broken)), _) => return Err(broken.into()),
            (Err(AwsError::Refused { kind, message }), true) => {
                details.push(format!("{kind}: {message}"));
                return because(outcome.because.as_deref(), &format!("{kind}: {message}"));
            }
            (Err(refused), false) => return Err(Trouble::Fail(refused.to_string())),
            (Ok(_), true) => {
                return Err(Trouble::Fail(format!(
                    "{operation} was to be refused and was not"
                )));
            }
            (Ok(answer), false) => answer,
        };
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        match operation {
            "CreateUserPool" => {
                let id = text(&answer["UserPool"]["Id"]);
                details.push(format!("pool {id}, issuer {}", self.issuer(&id)));
                self.pools.insert(
                    pool.clone(),
                    Pool {
                        id,
                        client_id: String::new(),
                        name: text(&answer["UserPool"]["Name"]),
                    },
                );
            }
            "CreateUserPoolClient" => {
                let id = text(&answer["UserPoolClient"]["ClientId"]);
                details.push(format!("client {id}"));
                if let Some(pool) = self.pools.get_mut(pool) {
                    pool.client_id = id;
                }
            }
            "AdminCreateUser" => details.push(describe_user(&answer["User"])),
            _ => {}
        }
        Ok(())
    }

    fn issuer(&self, pool_id: &str) -> String {
        format!("{}/{pool_id}", self.target.issuer_base)
    }

    fn pool(&self, pool: &PoolRef) -> Result<&Pool, Trouble> {
        self.pools
            .get(pool)
            .ok_or_else(|| Trouble::Broken("the pool was not created".to_owned()))
    }

    /// The person's session; a login when there is none.
    async fn session(
        &mut self,
        person: &Person,
        details: &mut Details,
    ) -> Result<&Session, Trouble> {
        if !self.sessions.contains_key(person) {
            let request = self.login_request(person, None)?;
            let session = self
                .log_in(person, &request, details)
                .await
                .map_err(|refusal| match refusal {
                    Refusal::Refused { because, .. } => {
                        Trouble::Fail(format!("{} cannot log in: {because}", person.username))
                    }
                    other => other.into(),
                })?;
            self.sessions.insert(person.clone(), session);
        }
        Ok(&self.sessions[person])
    }

    fn login_request(
        &self,
        person: &Person,
        expectation: Option<&Expectation>,
    ) -> Result<login::Request, Trouble> {
        let pool = self.pool(&person.pool)?;
        let own = self.passwords.get(person).cloned().unwrap_or_default();
        let given = |pick: fn(&Expectation) -> &Option<String>, default: &str| {
            expectation
                .and_then(|e| pick(e).clone())
                .unwrap_or_else(|| default.to_owned())
        };
        Ok(login::Request {
            issuer: self.issuer(&pool.id),
            client_id: pool.client_id.clone(),
            username: person.username.clone(),
            password: Secret::new(given(|e| &e.password, &own)),
            new_password: Secret::new(given(|e| &e.new_password, NEW_PASSWORD)),
            scope: given(|e| &e.scope, "openid"),
            redirect_uri: given(|e| &e.redirect_uri, KUBELOGIN_CALLBACKS[0]),
        })
    }

    async fn log_in(
        &mut self,
        person: &Person,
        request: &login::Request,
        details: &mut Details,
    ) -> Result<Session, Refusal> {
        let session = self.target.login.login(request).await?;
        let pages = session.trace.len();
        details.push(if session.password_changed {
            format!("logged in over {pages} requests; a new password was asked for and set")
        } else {
            format!("logged in over {pages} requests")
        });
        if session.password_changed {
            self.passwords
                .insert(person.clone(), request.new_password.expose().clone());
        }
        details.push(describe_claims(&session.id_token));
        Ok(session)
    }

    async fn refresh(
        &mut self,
        person: &Person,
        outcome: &Outcome,
        details: &mut Details,
    ) -> Result<(), Trouble> {
        let pool = self.pool(&person.pool)?;
        let (issuer, client) = (self.issuer(&pool.id), pool.client_id.clone());
        let token = self
            .session(person, details)
            .await?
            .refresh_token
            .clone()
            .ok_or_else(|| Trouble::Fail("the login brought no refresh token".to_owned()))?;
        match (
            self.target.refresh.refresh(&issuer, &client, &token).await,
            outcome.refused,
        ) {
            (Ok(session), false) => {
                details.push(describe_claims(&session.id_token));
                self.sessions.insert(person.clone(), session);
                Ok(())
            }
            (Ok(_), true) => Err(Trouble::Fail(
                "the refresh was to be refused and was not".to_owned(),
            )),
            (Err(Refusal::Refused { because: text, .. }), true) => {
                details.push(text.clone());
                because(outcome.because.as_deref(), &text)
            }
            (Err(Refusal::Refused { because, .. }), false) => {
                Err(Trouble::Fail(format!("the refresh was refused: {because}")))
            }
            (Err(other), _) => Err(other.into()),
        }
    }

    // ---- the cluster ----

    async fn associate(&mut self, trust: v1::Trust, details: &mut Details) -> Result<(), Trouble> {
        let pool = self.pool(&PoolRef::Main)?;
        let issuer = self.issuer(&pool.id);
        let name = trust.name.clone().unwrap_or_else(|| pool.name.clone());
        let mut oidc = json!({
            "identityProviderConfigName": name,
            "issuerUrl": issuer,
            "clientId": pool.client_id,
        });
        let members = [
            ("usernameClaim", &trust.username),
            ("usernamePrefix", &trust.username_prefix),
            ("groupsClaim", &trust.groups),
            ("groupsPrefix", &trust.groups_prefix),
        ];
        for (member, value) in members {
            if let Some(value) = value {
                oidc[member] = Value::from(value.as_str());
            }
        }
        if !trust.required_claims.is_empty() {
            oidc["requiredClaims"] = json!(trust.required_claims);
        }
        let base = format!(
            "/clusters/{}/identity-provider-configs",
            self.target.cluster_name
        );
        let associate = format!("{base}/associate");
        let oidc = json!({ "oidc": oidc });
        let answer = self.eks(Method::POST, &associate, &oidc).await?;
        self.await_update(&answer["update"]).await?;
        details.push(format!("{name} is ACTIVE"));
        if let Some(said) = self.target.cluster.identities().said() {
            details.push(format!("identities {said}"));
        }
        self.provider = Some(name);
        self.trust = trust;
        Ok(())
    }

    async fn disassociate(&mut self, details: &mut Details) -> Result<(), Trouble> {
        if self.is_elsewhere() {
            return Err(Trouble::Skip(
                "whom a cluster trusts that was there before is not changed".to_owned(),
            ));
        }
        let name = self.provider.take().ok_or_else(|| {
            Trouble::Fail("there is nothing associated that could be disassociated".to_owned())
        })?;
        let base = format!(
            "/clusters/{}/identity-provider-configs",
            self.target.cluster_name
        );
        let config = json!({"identityProviderConfig": {"type": "oidc", "name": name}});
        let answer = self
            .eks(Method::POST, &format!("{base}/disassociate"), &config)
            .await?;
        self.await_update(&answer["update"]).await?;
        details.push(format!("{name} is gone"));
        Ok(())
    }

    /// Looks at an update until it is over, jumping over the wait each time.
    async fn await_update(&self, update: &Value) -> Result<(), Trouble> {
        let path = format!(
            "/clusters/{}/updates/{}",
            self.target.cluster_name,
            update["id"].as_str().unwrap_or_default()
        );
        let watch = Stopwatch::start();
        loop {
            let answer = self.eks(Method::GET, &path, &Value::Null).await?;
            let update = &answer["update"];
            match update["status"].as_str() {
                Some("Successful") => return Ok(()),
                Some("InProgress") if watch.elapsed() <= UPDATE_LIMIT => {}
                Some("Failed") => {
                    let error = &update["errors"][0];
                    let why = error["errorMessage"].as_str().unwrap_or_default();
                    return Err(if error["errorCode"] == CLUSTER_UNREACHABLE {
                        Trouble::Broken(why.to_owned())
                    } else {
                        Trouble::Fail(why.to_owned())
                    });
                }
                status => {
                    return Err(Trouble::Broken(format!(
                        "the change of whom the cluster trusts stays {}",
                        status.unwrap_or("without a status")
                    )));
                }
            }
            // The clock does what on AWS a quarter of an hour does; what is
            // left is the cluster fetching the keys, in real time.
            if self.target.cluster.capabilities().follows_our_clock {
                let _ = self.target.clock.advance(Duration::from_secs(1));
                pause(Duration::from_millis(3)).await;
            } else {
                pause(Duration::from_millis(100)).await;
            }
        }
    }

    async fn eks(&self, method: Method, path: &str, input: &Value) -> Result<Value, Trouble> {
        self.target
            .aws
            .eks(method, path, input)
            .await
            .map_err(|error| match error {
                AwsError::Refused { kind, message } => Trouble::Fail(format!("{kind}: {message}")),
                AwsError::Broken(broken) => broken.into(),
            })
    }

    async fn create(&mut self, object: &Value, details: &mut Details) -> Result<(), Trouble> {
        let kind = object["kind"].as_str().unwrap_or_default().to_owned();
        let resources = self.resources().await?;
        let resource = resources
            .by_kind(&kind, object["apiVersion"].as_str())
            .ok_or_else(|| Trouble::Fail(format!("the cluster serves no kind {kind}")))?;
        let namespace = object["metadata"]["namespace"]
            .as_str()
            .unwrap_or("default");
        let path = resource.collection(namespace);
        let name = object["metadata"]["name"].as_str().unwrap_or_default();
        let own_path = resource.object(namespace, name);
        let made = match self.target.cluster.writes() {
            Writes::Free => None,
            Writes::Forbidden => return self.is_there(&own_path, object, details).await,
            Writes::Noted(made) => Some(made),
        };
        let labelled = made.as_ref().map(|made| {
            made.note(&own_path);
            made.label(object)
        });
        let body = labelled.as_ref().unwrap_or(object);
        let (status, answer) = self
            .target
            .kube
            .request(&As::Admin, Method::POST, &path, Some(body))
            .await?;
        if let Some(made) = &made {
            made.answered(&own_path, status == StatusCode::CREATED);
            if status == StatusCode::CONFLICT {
                return self.is_there(&own_path, object, details).await;
            }
        }
        if status != StatusCode::CREATED {
            return Err(self.refused(&Refused::of(status, &answer)));
        }
        self.note_change(&path);
        if let Some(text) = describe_binding(&answer) {
            details.push(text);
        }
        if made.is_some() {
            details.push(format!("made {own_path}, which goes at the end"));
        }
        Ok(())
    }

    /// Whether the cluster was there before us.
    fn is_elsewhere(&self) -> bool {
        self.target.cluster.identities() != Identities::Told
    }

    /// What the refusal of a request of the administrator's is: of a cluster of ours
    /// a verdict; of another it says what somebody may not do who is not asked about.
    fn refused(&self, refused: &Refused) -> Trouble {
        match refused.code {
            401 if self.is_elsewhere() => Trouble::Broken(refused.to_string()),
            403 if self.is_elsewhere() => Trouble::Skip(refused.to_string()),
            _ => Trouble::Fail(refused.to_string()),
        }
    }

    /// Whether an object is in a cluster that is not ours, and grants what the
    /// scenario says.
    async fn is_there(
        &self,
        path: &str,
        object: &Value,
        details: &mut Details,
    ) -> Result<(), Trouble> {
        let asked = self
            .target
            .kube
            .request(&As::Admin, Method::GET, path, None);
        let (status, mut there) = asked.await?;
        match status {
            StatusCode::OK => {}
            StatusCode::NOT_FOUND => {
                return Err(Trouble::Skip(format!(
                    "{path} is not in the cluster, and nothing is made there without --allow-writes"
                )));
            }
            _ => return Err(self.refused(&Refused::of(status, &there))),
        }
        for member in ["kind", "apiVersion"] {
            there[member] = object[member].clone();
        }
        details.extend(describe_binding(&there));
        match (
            kube_rbac::parse_object(object),
            kube_rbac::parse_object(&there),
        ) {
            (Ok(wanted), Ok(there)) if !grants_the_same(&wanted, &there) => {
                return Err(Trouble::Fail(format!(
                    "{path} is in the cluster, and says something else than the scenario"
                )));
            }
            (Ok(_), Ok(_)) => details.push(format!("{path} is there already, and stays as it is")),
            _ => details.push(format!(
                "{path} is there already, and stays as it is; what it says was not compared"
            )),
        }
        Ok(())
    }

    async fn delete(
        &mut self,
        resource: &str,
        name: &str,
        namespace: &str,
        details: &mut Details,
    ) -> Result<(), Trouble> {
        let resources = self.resources().await?;
        let resource = resources
            .find(resource, None)
            .ok_or_else(|| Trouble::Fail(format!("the cluster serves no resource {resource}")))?;
        let namespace = if namespace.is_empty() {
            "default"
        } else {
            namespace
        };
        let path = resource.object(namespace, name);
        let ours = match self.target.cluster.writes() {
            Writes::Free => return self.delete_freely(&path, details).await,
            Writes::Forbidden => false,
            Writes::Noted(made) => made.remove_one(&path).await.map_err(Trouble::Broken)?,
        };
        if !ours {
            return Err(Trouble::Skip(format!(
                "{path} was not made here, and only such are deleted in a cluster that was there before"
            )));
        }
        self.note_change(&path);
        details.push(format!("removed {path}"));
        Ok(())
    }

    async fn delete_freely(&mut self, path: &str, details: &mut Details) -> Result<(), Trouble> {
        let (status, answer) = self
            .target
            .kube
            .request(&As::Admin, Method::DELETE, path, None)
            .await?;
        if !status.is_success() {
            return Err(Trouble::Fail(Refused::of(status, &answer).to_string()));
        }
        self.note_change(path);
        details.push(format!("removed {path}"));
        Ok(())
    }

    fn note_change(&mut self, path: &str) {
        if path.contains("/apis/rbac.authorization.k8s.io/") {
            self.rbac_changed = Some(Stopwatch::start());
        }
    }

    async fn resources(&mut self) -> Result<&Resources, Trouble> {
        if self.resources.is_none() {
            self.resources = Some(Resources::discover(&self.target.kube).await?);
        }
        self.resources
            .as_ref()
            .ok_or_else(|| Trouble::Broken("discovery came to nothing".to_owned()))
    }

    // ---- expectations ----

    async fn expect(&mut self, e: &Expectation, details: &mut Details) -> Result<(), Trouble> {
        if e.login == Some(LoginOutcome::Refused) {
            return self.expect_refused_login(e, details).await;
        }
        if e.login == Some(LoginOutcome::Ok) || e.password.is_some() || e.scope.is_some() {
            let request = self.login_request(&e.person, Some(e))?;
            let session = self
                .log_in(&e.person, &request, details)
                .await
                .map_err(|r| match r {
                    Refusal::Refused { because, .. } => {
                        Trouble::Fail(format!("the login was refused: {because}"))
                    }
                    other => other.into(),
                })?;
            self.sessions.insert(e.person.clone(), session);
        }
        let session = self.session(&e.person, details).await?.clone();
        let mut wrong: Vec<String> = check_claims(&e.claims, &session.id_token);
        if e.asks_the_cluster() {
            self.target.cluster.meet(&session.id_token).await?;
            let token = match e.token {
                TokenKind::Id => session.id_token,
                TokenKind::Access => session.access_token.ok_or_else(|| {
                    Trouble::Skip("this login driver gets to see no access token".to_owned())
                })?,
                TokenKind::Forged(word) => self.forged(word, &session).await?,
            };
            self.ask_the_cluster(e, token, details, &mut wrong).await?;
        }
        if wrong.is_empty() {
            Ok(())
        } else {
            Err(Trouble::Fail(wrong.join("; ")))
        }
    }

    /// The person's token with one thing changed, by the provider itself.
    async fn forged(&self, word: Forgery, session: &Session) -> Result<Secret<String>, Trouble> {
        let capabilities = self.target.cluster.capabilities();
        if capabilities.takes_all_algorithms && word == Forgery::OtherAlgorithm {
            return Err(Trouble::Skip(format!(
                "the {} cluster takes all nine signing algorithms, where EKS takes RS256 alone",
                capabilities.name
            )));
        }
        let order = Order {
            word,
            id: &session.id_token,
            access: session.access_token.as_ref(),
            username_claim: self.trust.username.as_deref().unwrap_or("sub"),
            groups_claim: self.trust.groups.as_deref(),
        };
        let forged = self.target.control.forge(&order).await;
        let forged = forged.map_err(|why| match why {
            NotForged::Impossible(missing) => Trouble::Skip(missing),
            NotForged::Broken(broken) => broken.into(),
        })?;
        let first = forged.into_iter().next();
        first
            .map(|forged| forged.token)
            .ok_or_else(|| Trouble::Broken(format!("the provider forged no token for {word}")))
    }

    async fn expect_refused_login(
        &mut self,
        e: &Expectation,
        details: &mut Details,
    ) -> Result<(), Trouble> {
        let request = self.login_request(&e.person, Some(e))?;
        match self.target.login.login(&request).await {
            Ok(_) => Err(Trouble::Fail(
                "the login was to be refused and was not".to_owned(),
            )),
            Err(Refusal::Refused { because: text, .. }) => {
                details.push(text.clone());
                because(e.because.as_deref(), &text)
            }
            Err(other) => Err(other.into()),
        }
    }

    async fn ask_the_cluster(
        &mut self,
        e: &Expectation,
        token: Secret<String>,
        details: &mut Details,
        wrong: &mut Vec<String>,
    ) -> Result<(), Trouble> {
        let expected = e.cluster.unwrap_or(200);
        let impersonated = matches!(
            self.target.cluster.identities(),
            Identities::Impersonated(_)
        );
        if impersonated && (expected != 200 || e.token != TokenKind::Id) {
            return Err(Trouble::Skip(
                "whether the cluster refuses a token cannot be seen: it does not trust our issuer"
                    .to_owned(),
            ));
        }
        let who = match self.target.cluster.identify(&token).await? {
            Ok(who) => who,
            Err(reason) => {
                wrong.push(format!(
                    "the scenario's own trust makes the token nobody's, so the cluster was not asked: {reason}"
                ));
                return Ok(());
            }
        };
        let answer = self.target.kube.who_is(&who).await?;
        let user = match answer {
            Err(refused) if impersonated => {
                let text = format!("identities are by impersonation, and {refused}");
                return Err(if refused.code == 403 {
                    Trouble::Skip(text)
                } else {
                    Trouble::Broken(text)
                });
            }
            Err(refused) => {
                let reason = self.why_unauthenticated(&token).await?;
                details.push(format!("{refused}: {reason}"));
                if refused.code != expected {
                    wrong.push(format!(
                        "expected {expected}, the cluster answered {refused}: {reason}"
                    ));
                } else if let Err(Trouble::Fail(text)) = because(e.because.as_deref(), &reason) {
                    wrong.push(text);
                }
                return Ok(());
            }
            Ok(_) if expected != 200 => {
                wrong.push(format!("expected {expected}, the cluster took the token"));
                return Ok(());
            }
            Ok(status) => status["userInfo"].clone(),
        };
        let identity = Identity::of(&user);
        if let As::Impersonated(user) = &who
            && !identity.is(user)
        {
            return Err(Trouble::Broken(format!(
                "{} was to be impersonated, and the cluster knows {identity}: something on the way takes Impersonate- headers out",
                user.username
            )));
        }
        details.push(format!("the cluster knows {identity}"));
        if let Some(expected) = &e.is {
            identity.compare(expected, wrong);
        }
        for question in &e.can {
            let answer = self.may(&who, &identity, question).await?;
            details.push(answer.line(question));
            if !answer.allowed {
                let why = self.explain(&identity, question).await?;
                wrong.push(format!(
                    "{question} is denied: {}",
                    join(&answer.reason, why.as_deref())
                ));
            }
        }
        for question in &e.cannot {
            let answer = self.may(&who, &identity, question).await?;
            let mut reason = answer.reason.clone();
            if !answer.allowed {
                let why = self.explain(&identity, question).await?;
                reason = join(&reason, why.as_deref());
            }
            details.push(
                Answer {
                    reason: reason.clone(),
                    ..answer
                }
                .line(question),
            );
            if answer.allowed {
                wrong.push(format!("{question} is allowed: {reason}"));
            } else if let Err(Trouble::Fail(text)) = because(e.because.as_deref(), &reason) {
                wrong.push(text);
            }
        }
        if !e.rules.is_empty() {
            self.expect_rules(&who, &e.rules, details, wrong).await?;
        }
        Ok(())
    }

    /// What the log of the API server would say: TokenReview, asked by the
    /// administrator, carries it to the outside.
    async fn why_unauthenticated(&self, token: &Secret<String>) -> Result<String, Trouble> {
        let answer = self
            .target
            .kube
            .review_token(token.expose())
            .await?
            .map_err(|refused| Trouble::Broken(format!("TokenReview: {refused}")))?;
        let reason = answer["error"].as_str().unwrap_or("no reason given");
        // The cluster never learnt the issuer's keys: whose token it is was
        // not even looked at.
        if lacks_keys(reason) {
            return Err(Trouble::Broken(format!(
                "the cluster cannot reach the issuer: {reason}"
            )));
        }
        Ok(reason.to_owned())
    }

    /// What the cluster says, once it has taken note of what was written: a
    /// real one's authorizer follows its storage by some milliseconds, and an
    /// answer from before would be taken for one about now.
    async fn may(
        &mut self,
        who: &As,
        identity: &Identity,
        question: &Question,
    ) -> Result<Answer, Trouble> {
        let settles = self.target.cluster.capabilities().settles;
        loop {
            let answer = self.ask(who, question).await?;
            let fresh = |changed: &Stopwatch| changed.elapsed() < settles;
            if !self.rbac_changed.as_ref().is_some_and(fresh)
                || self.stored(identity, question).await? == answer.allowed
            {
                return Ok(answer);
            }
            pause(Duration::from_millis(20)).await;
        }
    }

    /// What the objects say that the cluster hands out.
    async fn stored(&mut self, identity: &Identity, question: &Question) -> Result<bool, Trouble> {
        let policy = self.policy().await?;
        let (group, resource) = self.resolve(question).await?;
        let user = identity.as_user();
        Ok(kube_rbac::decide(&policy, &question.asked_by(user, &group, &resource)).allowed)
    }

    async fn ask(&mut self, who: &As, question: &Question) -> Result<Answer, Trouble> {
        let spec = match &question.target {
            Target::Path(path) => json!({
                "nonResourceAttributes": {"verb": question.verb, "path": path},
            }),
            Target::Resource {
                name,
                subresource,
                namespace,
                ..
            } => {
                let (group, resource) = self.resolve(question).await?;
                json!({"resourceAttributes": {
                    "verb": question.verb, "group": group, "resource": resource,
                    "subresource": subresource, "name": name, "namespace": namespace,
                }})
            }
        };
        let review = json!({
            "apiVersion": "authorization.k8s.io/v1", "kind": "SelfSubjectAccessReview", "spec": spec,
        });
        let answer = self
            .target
            .kube
            .review(who, AUTHORIZATION, "selfsubjectaccessreviews", &review)
            .await?
            .map_err(|refused| Trouble::Fail(refused.to_string()))?;
        Ok(Answer {
            allowed: answer["allowed"].as_bool().unwrap_or_default(),
            reason: answer["reason"].as_str().unwrap_or_default().to_owned(),
        })
    }

    async fn resolve(&mut self, question: &Question) -> Result<(String, String), Trouble> {
        let Target::Resource {
            resource, group, ..
        } = &question.target
        else {
            return Ok(Default::default());
        };
        let group = group.as_deref();
        // What is allowed does not depend on what is served.
        let known = self.resources().await?.resolve(resource, group);
        // Of Kubernetes' own the newest minor has all that is stable.
        let own = Resources::of_kubernetes(Version::default());
        known
            .or_else(|| own.resolve(resource, group))
            .or_else(|| Some((group?.to_owned(), resource.clone())))
            .ok_or_else(|| {
                Trouble::Fail(format!(
                    "neither the cluster nor Kubernetes has a resource {resource}; for one of a CustomResourceDefinition write RESOURCE.GROUP"
                ))
            })
    }

    /// The nearest miss, found in the objects that the cluster hands out.
    async fn explain(
        &mut self,
        identity: &Identity,
        question: &Question,
    ) -> Result<Option<String>, Trouble> {
        let policy = match self.policy().await {
            Ok(policy) => policy,
            // Whoever may not read them has no explanation, and an answer all the same.
            Err(Trouble::Skip(_)) => return Ok(None),
            Err(trouble) => return Err(trouble),
        };
        let (group, resource) = self.resolve(question).await?;
        let asked = question.asked_by(identity.as_user(), &group, &resource);
        Ok(crate::explain::nearest_miss(&policy, &asked))
    }

    /// The RBAC objects that the cluster hands out.
    async fn policy(&self) -> Result<Policy, Trouble> {
        let kinds = [
            ("clusterroles", "ClusterRole"),
            ("clusterrolebindings", "ClusterRoleBinding"),
            ("roles", "Role"),
            ("rolebindings", "RoleBinding"),
        ];
        let lists = kinds.map(|(plural, kind)| self.rbac_objects(plural, kind));
        let objects = futures_util::future::try_join_all(lists).await?;
        Ok(crate::explain::policy(&objects.concat()))
    }

    async fn rbac_objects(&self, plural: &str, kind: &str) -> Result<Vec<Value>, Trouble> {
        let path = format!("/apis/rbac.authorization.k8s.io/v1/{plural}");
        let asked = self
            .target
            .kube
            .request(&As::Admin, Method::GET, &path, None);
        let (status, mut list) = asked.await?;
        if !status.is_success() {
            let refused = Refused::of(status, &list);
            if status == StatusCode::FORBIDDEN && self.is_elsewhere() {
                return Err(Trouble::Skip(refused.to_string()));
            }
            return Err(Trouble::Broken(format!("{path}: {refused}")));
        }
        let mut items = list["items"].as_array_mut().map(std::mem::take);
        for item in items.iter_mut().flatten() {
            item["kind"] = Value::from(kind);
            item["apiVersion"] = Value::from("rbac.authorization.k8s.io/v1");
        }
        Ok(items.unwrap_or_default())
    }

    async fn expect_rules(
        &self,
        who: &As,
        expected: &[String],
        details: &mut Details,
        wrong: &mut Vec<String>,
    ) -> Result<(), Trouble> {
        let settles = self.target.cluster.capabilities().settles;
        let fresh = |changed: &Stopwatch| changed.elapsed() < settles;
        let mut rows = self.rules(who).await?;
        while !expected.iter().all(|row| rows.contains(row))
            && self.rbac_changed.as_ref().is_some_and(fresh)
        {
            pause(Duration::from_millis(20)).await;
            rows = self.rules(who).await?;
        }
        details.extend(rows.iter().map(|row| format!("may {row}")));
        for row in expected {
            if !rows.contains(row) {
                wrong.push(format!("the list of rules has no row {row:?}"));
            }
        }
        Ok(())
    }

    /// As `kubectl auth can-i --list` shows them.
    async fn rules(&self, who: &As) -> Result<Vec<String>, Trouble> {
        let review = json!({
            "apiVersion": "authorization.k8s.io/v1", "kind": "SelfSubjectRulesReview",
            "spec": {"namespace": "default"},
        });
        let answer = self
            .target
            .kube
            .review(who, AUTHORIZATION, "selfsubjectrulesreviews", &review)
            .await?
            .map_err(|refused| Trouble::Fail(refused.to_string()))?;
        Ok(rule_rows(&answer))
    }
}

/// Whether two RBAC objects say the same, whatever labels they have.
fn grants_the_same(a: &kube_rbac::Object, b: &kube_rbac::Object) -> bool {
    use kube_rbac::Object;
    match (a, b) {
        (Object::Role(a), Object::Role(b)) => match (&a.aggregation, &b.aggregation) {
            // Its rules are the controller's to fill in.
            (Some(a), Some(b)) => a == b,
            // In whatever order: all of them are asked.
            (None, None) => has_all(&a.rules, &b.rules) && has_all(&b.rules, &a.rules),
            _ => false,
        },
        (Object::Binding(a), Object::Binding(b)) => {
            a.role_ref == b.role_ref
                && has_all(&a.subjects, &b.subjects)
                && has_all(&b.subjects, &a.subjects)
        }
        _ => false,
    }
}

fn has_all<T: PartialEq>(all: &[T], some: &[T]) -> bool {
    some.iter().all(|one| all.contains(one))
}

struct Answer {
    allowed: bool,
    reason: String,
}

impl Answer {
    fn line(&self, question: &Question) -> String {
        let word = if self.allowed { "allowed" } else { "denied" };
        if self.reason.is_empty() {
            format!("{question}: {word}")
        } else {
            format!("{question}: {word}, {}", self.reason)
        }
    }
}

/// `UserInfo` as the cluster told it.
struct Identity {
    username: String,
    /// Without `system:authenticated`.
    groups: Vec<String>,
    all_groups: Vec<String>,
}

impl Identity {
    fn of(user: &Value) -> Self {
        let all_groups: Vec<String> = user["groups"]
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(|group| group.as_str().map(str::to_owned))
            .collect();
        Self {
            username: user["username"].as_str().unwrap_or_default().to_owned(),
            groups: all_groups
                .iter()
                .filter(|group| *group != "system:authenticated")
                .cloned()
                .collect(),
            all_groups,
        }
    }

    fn as_user(&self) -> User<'_> {
        User {
            name: &self.username,
            groups: &self.all_groups,
        }
    }

    /// Whether it is `user`, who may be in groups beside theirs.
    fn is(&self, user: &kube_authn::User) -> bool {
        self.username == user.username
            && user
                .groups
                .iter()
                .all(|group| self.all_groups.contains(group))
    }

    fn compare(&self, expected: &v1::Identity, wrong: &mut Vec<String>) {
        if let Some(username) = expected
            .username
            .as_ref()
            .filter(|name| **name != self.username)
        {
            wrong.push(format!(
                "the user name is {:?}, expected {username:?}",
                self.username
            ));
        }
        if let Some(groups) = &expected.groups {
            let (mut have, mut want) = (self.groups.clone(), groups.clone());
            have.sort();
            want.sort();
            if have != want {
                wrong.push(format!("the groups are {have:?}, expected {want:?}"));
            }
        }
        for group in &expected.groups_include {
            if !self.all_groups.contains(group) {
                wrong.push(format!(
                    "group {group:?} is not among {:?}",
                    self.all_groups
                ));
            }
        }
    }
}

impl std::fmt::Display for Identity {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} in {}", self.username, self.all_groups.join(", "))
    }
}

fn because(wanted: Option<&str>, received: &str) -> Result<(), Trouble> {
    match wanted {
        Some(wanted) if !received.contains(wanted) => Err(Trouble::Fail(format!(
            "the reason is {received:?}, expected {wanted:?} in it"
        ))),
        _ => Ok(()),
    }
}

fn join(reason: &str, why: Option<&str>) -> String {
    match (reason, why) {
        ("", None) => "no binding grants it".to_owned(),
        ("", Some(why)) => why.to_owned(),
        (reason, None) => reason.to_owned(),
        (reason, Some(why)) => format!("{reason}; {why}"),
    }
}

fn check_claims(expected: &BTreeMap<String, Value>, id_token: &Secret<String>) -> Vec<String> {
    let claims = claims(id_token);
    expected
        .iter()
        .filter_map(|(name, value)| match (claims.get(name), value) {
            (None, Value::Null) => None,
            (Some(have), want) if have == want => None,
            (Some(have), Value::Null) => Some(format!("claim {name} is {have}, expected absent")),
            (Some(have), want) => Some(format!("claim {name} is {have}, expected {want}")),
            (None, want) => Some(format!("claim {name} is absent, expected {want}")),
        })
        .collect()
}

/// The payload of a token, unverified: the cluster verifies.
fn claims(token: &Secret<String>) -> Value {
    token
        .expose()
        .split('.')
        .nth(1)
        .and_then(|payload| URL_SAFE_NO_PAD.decode(payload).ok())
        .and_then(|bytes| serde_json::from_slice(&bytes).ok())
        .unwrap_or_default()
}

fn describe_claims(token: &Secret<String>) -> String {
    let claims = claims(token);
    let shown: Vec<String> = [
        "email",
        "email_verified",
        "cognito:groups",
        "aud",
        "token_use",
    ]
    .iter()
    .map(|name| match claims.get(name) {
        Some(value) => format!("{name}={}", value.to_string().replace('"', "")),
        None => format!("no {name}"),
    })
    .collect();
    format!("ID token: {}", shown.join(", "))
}

fn describe_user(user: &Value) -> String {
    let attributes: Vec<&str> = user["Attributes"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(|attribute| attribute["Name"].as_str())
        .collect();
    format!(
        "{}, {}, has {}",
        user["Username"].as_str().unwrap_or_default(),
        user["UserStatus"].as_str().unwrap_or_default(),
        attributes.join(", ")
    )
}

fn describe_binding(object: &Value) -> Option<String> {
    let role = &object["roleRef"];
    let subjects: Vec<String> = object["subjects"]
        .as_array()?
        .iter()
        .map(|subject| {
            format!(
                "{} {}",
                subject["kind"].as_str().unwrap_or_default(),
                subject["name"].as_str().unwrap_or_default()
            )
        })
        .collect();
    Some(format!(
        "{} {} to {}",
        role["kind"].as_str()?,
        role["name"].as_str()?,
        subjects.join(", ")
    ))
}

/// Rows as a scenario spells them: `get,list pods`, `* *.*`, `get [/healthz]`.
fn rule_rows(status: &Value) -> Vec<String> {
    let texts = |value: &Value| -> Vec<String> {
        value
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(|text| text.as_str().map(str::to_owned))
            .collect()
    };
    let mut rows = Vec::new();
    for rule in status["resourceRules"].as_array().into_iter().flatten() {
        let verbs = texts(&rule["verbs"]).join(",");
        for group in texts(&rule["apiGroups"]) {
            for resource in texts(&rule["resources"]) {
                let qualified = if group.is_empty() {
                    resource
                } else {
                    format!("{resource}.{group}")
                };
                rows.push(format!("{verbs} {qualified}"));
            }
        }
    }
    for rule in status["nonResourceRules"].as_array().into_iter().flatten() {
        let verbs = texts(&rule["verbs"]).join(",");
        rows.extend(
            texts(&rule["nonResourceURLs"])
                .into_iter()
                .map(|url| format!("{verbs} [{url}]")),
        );
    }
    rows.sort();
    rows.dedup();
    rows
}
