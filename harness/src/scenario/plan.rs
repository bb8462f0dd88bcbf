//! From what a file says to what is done, in order: every name is looked up
//! here, so that the runner meets no surprise of the file's making.

use std::collections::BTreeMap;
use std::time::Duration;

use mock_idp::forge::Forgery;
use serde_json::{Map, Value, json};

use super::file::v1::{self, LoginOutcome};
use super::load::Loaded;
use super::question::Question;
use crate::login::Driver;

/// A scenario, ready to run.
#[derive(Clone, Debug)]
pub struct Plan {
    /// What it claims.
    pub name: String,
    /// Where it stands.
    pub file: String,
    /// Who logs in; none: whoever is usual.
    pub driver: Option<Driver>,
    /// What is done, in order.
    pub steps: Vec<PlannedStep>,
}

/// One thing to do.
#[derive(Clone, Debug)]
pub struct PlannedStep {
    /// In a few words.
    pub title: String,
    /// What exactly.
    pub action: Action,
    /// Whether what follows makes no sense when this does not work.
    pub essential: bool,
}

/// A pool of the scenario: the one that the cluster trusts, or another by name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum PoolRef {
    /// `idp.pool`.
    Main,
    /// `idp.otherPools.NAME`.
    Other(String),
}

/// A person, and the pool they are in.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Person {
    /// The name that they sign in with.
    pub username: String,
    /// Where they are known.
    pub pool: PoolRef,
}

/// What the runner knows how to do.
#[derive(Clone, Debug)]
pub enum Action {
    /// A Cognito operation about a pool. `UserPoolId` is filled in, and
    /// `ClientId` of what comes back is kept.
    Cognito {
        /// Which pool.
        pool: PoolRef,
        /// For example `CreateGroup`.
        operation: &'static str,
        /// Its input without the pool's id.
        input: Value,
        /// How it must come out.
        outcome: Outcome,
    },
    /// Remembers what somebody signs in with.
    Password {
        /// Who.
        person: Person,
        /// What they type in.
        password: String,
    },
    /// Tells the cluster of the main pool.
    Associate(v1::Trust),
    /// Tells the cluster to forget it.
    Disassociate,
    /// Creates an object as the cluster's administrator.
    Create(Value),
    /// Deletes an object as the cluster's administrator.
    Delete {
        /// For example `clusterrolebinding`.
        resource: String,
        /// Its name.
        name: String,
        /// Empty for cluster-scoped objects.
        namespace: String,
    },
    /// Moves the clock.
    Advance(Duration),
    /// Logs in anew.
    Login(Person),
    /// Refreshes somebody's tokens.
    Refresh {
        /// Who.
        person: Person,
        /// How it must come out.
        outcome: Outcome,
    },
    /// Asks and compares.
    Expect(Box<Expectation>),
}

/// How a call must come out.
#[derive(Clone, Debug, Default)]
pub struct Outcome {
    /// Whether it must be refused.
    pub refused: bool,
    /// Part of the refusal's text.
    pub because: Option<String>,
}

/// An expectation about one person.
#[derive(Clone, Debug)]
pub struct Expectation {
    /// Whom it is about.
    pub person: Person,
    /// A fresh login, and how it must come out.
    pub login: Option<LoginOutcome>,
    /// Sign in with this instead.
    pub password: Option<String>,
    /// Choose this when asked for a new password.
    pub new_password: Option<String>,
    /// OAuth scopes.
    pub scope: Option<String>,
    /// Where to come back to.
    pub redirect_uri: Option<String>,
    /// Which token is shown to the cluster.
    pub token: TokenKind,
    /// The status that the cluster must answer.
    pub cluster: Option<u16>,
    /// Part of the reason of a refusal.
    pub because: Option<String>,
    /// Who the cluster must say they are.
    pub is: Option<v1::Identity>,
    /// What must be allowed.
    pub can: Vec<Question>,
    /// What must be denied.
    pub cannot: Vec<Question>,
    /// Rows of the list of rules.
    pub rules: Vec<String>,
    /// Claims of the ID token.
    pub claims: BTreeMap<String, Value>,
}

/// Which token is shown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TokenKind {
    /// The ID token.
    #[default]
    Id,
    /// The access token, by mistake.
    Access,
    /// One made of the ID token.
    Forged(Forgery),
}

/// What is wrong with a scenario, all of it.
#[derive(Debug, thiserror::Error)]
#[error("{file}: {}", .problems.join(&format!("\n{file}: ")))]
pub struct Invalid {
    /// The file.
    pub file: String,
    /// A sentence each.
    pub problems: Vec<String>,
}

/// What kubelogin listens on, in its order.
pub const KUBELOGIN_CALLBACKS: [&str; 2] = ["http://localhost:8000", "http://localhost:18000"];

/// What people sign in with when the file does not say.
const DEFAULT_PASSWORD: &str = "Rolecall-0!";

/// Plans a scenario.
///
/// # Errors
/// Everything in the file that cannot be meant.
pub fn plan(loaded: Loaded) -> Result<Plan, Invalid> {
    let file = loaded.path.display().to_string();
    let mut planner = Planner::new(&loaded.scenario);
    planner.identity_provider(&loaded.scenario.idp);
    planner.cluster(&loaded);
    for expect in loaded.scenario.expect {
        planner.expect(expect);
    }
    for step in loaded.scenario.steps {
        planner.step(step);
    }
    planner.require_a_question();
    if planner.problems.is_empty() {
        Ok(Plan {
            name: loaded.scenario.name,
            file,
            driver: loaded.scenario.driver.map(|driver| match driver {
                v1::Driver::Http => Driver::Http,
                v1::Driver::Browser => Driver::Browser,
                v1::Driver::Kubelogin => Driver::Kubelogin,
            }),
            steps: planner.steps,
        })
    } else {
        Err(Invalid {
            file,
            problems: planner.problems,
        })
    }
}

struct Planner {
    people: Vec<Person>,
    groups: BTreeMap<PoolRef, Vec<String>>,
    steps: Vec<PlannedStep>,
    problems: Vec<String>,
}

impl Planner {
    fn new(scenario: &v1::Scenario) -> Self {
        let main = std::iter::once((PoolRef::Main, &scenario.idp.pool, &scenario.idp.people));
        let others = scenario
            .idp
            .other_pools
            .iter()
            .map(|(name, other)| (PoolRef::Other(name.clone()), &other.pool, &other.people));
        let mut planner = Self {
            people: Vec::new(),
            groups: BTreeMap::new(),
            steps: Vec::new(),
            problems: Vec::new(),
        };
        for (pool, spec, people) in main.chain(others) {
            planner.groups.insert(pool.clone(), spec.groups.clone());
            planner.people.extend(people.keys().map(|username| Person {
                username: username.clone(),
                pool: pool.clone(),
            }));
        }
        planner
    }

    fn push(&mut self, title: impl Into<String>, action: Action) {
        self.steps.push(PlannedStep {
            title: title.into(),
            essential: !matches!(action, Action::Expect(_)),
            action,
        });
    }

    fn cognito(&mut self, title: String, pool: &PoolRef, operation: &'static str, input: Value) {
        self.push(
            title,
            Action::Cognito {
                pool: pool.clone(),
                operation,
                input,
                outcome: Outcome::default(),
            },
        );
    }

    /// A scenario that asks nothing would pass whatever is wrong.
    fn require_a_question(&mut self) {
        let asks = self.steps.iter().any(|step| match &step.action {
            Action::Expect(_) => true,
            Action::Cognito { outcome, .. } | Action::Refresh { outcome, .. } => outcome.refused,
            _ => false,
        });
        if !asks && self.problems.is_empty() {
            self.problems.push(
                "nothing is expected, so nothing could fail: add `expect`, or `steps` with an expectation"
                    .to_owned(),
            );
        }
    }

    fn identity_provider(&mut self, idp: &v1::Idp) {
        self.pool(&PoolRef::Main, &idp.pool, &idp.client, &idp.people);
        for (name, other) in &idp.other_pools {
            let pool = PoolRef::Other(name.clone());
            self.pool(&pool, &other.pool, &other.client, &other.people);
        }
    }

    fn pool(
        &mut self,
        pool: &PoolRef,
        spec: &v1::Pool,
        client: &v1::Client,
        people: &BTreeMap<String, v1::Person>,
    ) {
        let name = pool_name(pool, spec);
        self.cognito(
            format!("create user pool {name}"),
            pool,
            "CreateUserPool",
            create_pool(&name, spec),
        );
        let domain = spec.domain.clone().unwrap_or_else(|| domain_of(&name));
        self.cognito(
            format!("give it the domain {domain}"),
            pool,
            "CreateUserPoolDomain",
            json!({ "Domain": domain }),
        );
        for group in &spec.groups {
            self.cognito(
                format!("create group {group}"),
                pool,
                "CreateGroup",
                json!({ "GroupName": group }),
            );
        }
        for (username, person) in people {
            self.person(pool, username, person);
        }
        let client_name = client.name.as_deref().unwrap_or("eks");
        match create_client(client_name, client) {
            Ok(input) => self.cognito(
                format!("create app client {client_name}"),
                pool,
                "CreateUserPoolClient",
                input,
            ),
            Err(problem) => self.problems.push(problem),
        }
    }

    fn person(&mut self, pool: &PoolRef, username: &str, person: &v1::Person) {
        let attributes: Vec<Value> = person
            .attributes
            .iter()
            .map(|(name, value)| json!({"Name": name, "Value": value}))
            .collect();
        let mut input = json!({ "Username": username });
        if !attributes.is_empty() {
            input["UserAttributes"] = Value::from(attributes);
        }
        self.cognito(
            format!("create user {username}"),
            pool,
            "AdminCreateUser",
            input,
        );
        for group in &person.groups {
            self.known_group(pool, group);
            self.cognito(
                format!("add {username} to group {group}"),
                pool,
                "AdminAddUserToGroup",
                json!({"Username": username, "GroupName": group}),
            );
        }
        if person.password.is_some() && person.temporary_password.is_some() {
            self.problems.push(format!(
                "idp.people.{username}: `password` and `temporaryPassword` exclude each other"
            ));
        }
        let permanent = person.temporary_password.is_none();
        let password = person
            .temporary_password
            .as_deref()
            .or(person.password.as_deref())
            .unwrap_or(DEFAULT_PASSWORD);
        let kind = if permanent {
            "password"
        } else {
            "temporary password"
        };
        self.cognito(
            format!("set a {kind} for {username}"),
            pool,
            "AdminSetUserPassword",
            json!({"Username": username, "Password": password, "Permanent": permanent}),
        );
        self.push(
            String::new(),
            Action::Password {
                person: Person {
                    username: username.to_owned(),
                    pool: pool.clone(),
                },
                password: password.to_owned(),
            },
        );
    }

    fn cluster(&mut self, loaded: &Loaded) {
        if let Some(trust) = &loaded.scenario.trust {
            self.associate(trust.clone());
        }
        for object in &loaded.rbac {
            self.create(object.clone());
        }
    }

    fn associate(&mut self, trust: v1::Trust) {
        self.push(
            "associate the pool with the cluster",
            Action::Associate(trust),
        );
    }

    fn create(&mut self, object: Value) {
        let kind = object["kind"].as_str().unwrap_or_default();
        let name = object["metadata"]["name"].as_str().unwrap_or_default();
        if kind.is_empty() || name.is_empty() {
            self.problems.push(format!(
                "an object needs `kind` and `metadata.name`: {}",
                shorten(&object.to_string())
            ));
            return;
        }
        self.push(
            format!("create {} {name}", kind.to_lowercase()),
            Action::Create(object),
        );
    }

    fn step(&mut self, step: v1::Step) {
        match step {
            v1::Step::Expect(expect) => self.expect(*expect),
            v1::Step::Login(who) => {
                if let Some(person) = self.find(&who) {
                    self.push(format!("{who} logs in"), Action::Login(person));
                }
            }
            v1::Step::Refresh(step) => {
                if let Some(person) = self.find(&step.who) {
                    let outcome = outcome(step.outcome, step.because);
                    let title = if outcome.refused {
                        format!("{} is refused a refresh", step.who)
                    } else {
                        format!("refresh the tokens of {}", step.who)
                    };
                    self.push(title, Action::Refresh { person, outcome });
                }
            }
            v1::Step::Advance(text) => match crate::parse_duration(&text) {
                Ok(by) => self.push(format!("let {text} go by"), Action::Advance(by)),
                Err(problem) => self.problems.push(problem),
            },
            v1::Step::AddToGroup(m) => self.membership(m, "AdminAddUserToGroup", "put", "into"),
            v1::Step::RemoveFromGroup(m) => {
                self.membership(m, "AdminRemoveUserFromGroup", "take", "out of");
            }
            v1::Step::Disable(who) => self.about(&who, "disable", "AdminDisableUser", json!({})),
            v1::Step::Enable(who) => self.about(&who, "enable", "AdminEnableUser", json!({})),
            v1::Step::SetAttributes(step) => {
                let attributes: Vec<Value> = step
                    .attributes
                    .iter()
                    .map(|(name, value)| json!({"Name": name, "Value": value}))
                    .collect();
                self.about(
                    &step.who,
                    "change the attributes of",
                    "AdminUpdateUserAttributes",
                    json!({ "UserAttributes": attributes }),
                );
            }
            v1::Step::SetPassword(step) => self.set_password(step),
            v1::Step::Create(object) => self.create(Value::Object(object)),
            v1::Step::Delete(text) => match delete(&text) {
                Ok(action) => self.push(format!("delete {text}"), action),
                Err(problem) => self.problems.push(problem),
            },
            v1::Step::Associate(trust) => self.associate(trust),
            v1::Step::Disassociate(v1::Empty {}) => {
                self.push(
                    "disassociate the pool from the cluster",
                    Action::Disassociate,
                );
            }
        }
    }

    fn set_password(&mut self, step: v1::PasswordStep) {
        let Some(person) = self.find(&step.who) else {
            return;
        };
        let outcome = outcome(step.outcome, step.because);
        let title = if outcome.refused {
            format!("Cognito refuses a password for {}", step.who)
        } else {
            format!("set a password for {}", step.who)
        };
        let refused = outcome.refused;
        self.push(
            title,
            Action::Cognito {
                pool: person.pool.clone(),
                operation: "AdminSetUserPassword",
                input: json!({
                    "Username": person.username, "Password": step.password, "Permanent": step.permanent,
                }),
                outcome,
            },
        );
        if !refused {
            self.push(
                String::new(),
                Action::Password {
                    person,
                    password: step.password,
                },
            );
        }
    }

    fn membership(&mut self, m: v1::Membership, operation: &'static str, verb: &str, into: &str) {
        if let Some(person) = self.find(&m.who) {
            self.known_group(&person.pool, &m.group);
            self.cognito(
                format!("{verb} {} {into} group {}", m.who, m.group),
                &person.pool,
                operation,
                json!({"Username": person.username, "GroupName": m.group}),
            );
        }
    }

    fn about(&mut self, who: &str, verb: &str, operation: &'static str, mut input: Value) {
        if let Some(person) = self.find(who) {
            input["Username"] = Value::from(person.username.as_str());
            self.cognito(format!("{verb} {who}"), &person.pool, operation, input);
        }
    }

    fn expect(&mut self, expect: v1::Expect) {
        let questions = |texts: &[String], problems: &mut Vec<String>| -> Vec<Question> {
            texts
                .iter()
                .filter_map(|text| Question::parse(text).map_err(|p| problems.push(p)).ok())
                .collect()
        };
        let token = match expect.token.as_deref() {
            None | Some("id") => TokenKind::Id,
            Some("access") => TokenKind::Access,
            Some(word) => match forgery(word, &["id", "access"]) {
                Ok(forgery) => TokenKind::Forged(forgery),
                Err(problem) => {
                    self.problems.push(format!("token: {problem}"));
                    TokenKind::default()
                }
            },
        };
        let can = questions(&expect.can, &mut self.problems);
        let cannot = questions(&expect.cannot, &mut self.problems);
        for who in expect.who.as_slice() {
            let Some(person) = self.find(who) else {
                continue;
            };
            let expectation = Expectation {
                person,
                login: expect.login,
                password: expect.password.clone(),
                new_password: expect.new_password.clone(),
                scope: expect.scope.clone(),
                redirect_uri: expect.redirect_uri.clone(),
                token,
                cluster: expect.cluster,
                because: expect.because.clone(),
                is: expect.is.clone(),
                can: can.clone(),
                cannot: cannot.clone(),
                rules: expect.rules.clone(),
                claims: expect.claims.clone(),
            };
            if expectation.asks_nothing() {
                self.problems.push(format!(
                    "expect about {who} asks nothing: add is, can, cannot, rules, claims, cluster or login"
                ));
            }
            self.push(expectation.title(), Action::Expect(Box::new(expectation)));
        }
    }

    /// The person called `who`, or `POOL:NAME` where several pools know the name.
    fn find(&mut self, who: &str) -> Option<Person> {
        let by_name: Vec<&Person> = self
            .people
            .iter()
            .filter(|person| match &person.pool {
                PoolRef::Other(pool) if who == format!("{pool}:{}", person.username) => true,
                _ => person.username == who,
            })
            .collect();
        match by_name.as_slice() {
            [person] => Some((*person).clone()),
            [] => {
                let names = self.people.iter().map(|p| p.username.as_str());
                let hint = closest(who, names)
                    .map(|name| format!("; did you mean {name}?"))
                    .unwrap_or_default();
                self.problems
                    .push(format!("{who} is not among the people{hint}"));
                None
            }
            // The main pool's person goes by the bare name.
            several => several
                .iter()
                .find(|person| person.pool == PoolRef::Main)
                .map(|person| (*person).clone()),
        }
    }

    fn known_group(&mut self, pool: &PoolRef, group: &str) {
        let groups = self.groups.get(pool).cloned().unwrap_or_default();
        if !groups.iter().any(|known| known == group) {
            let hint = closest(group, groups.iter().map(String::as_str))
                .map(|name| format!("; did you mean {name}?"))
                .unwrap_or_default();
            self.problems.push(format!(
                "group {group} is not among the groups of its pool{hint}"
            ));
        }
    }
}

impl Expectation {
    fn asks_nothing(&self) -> bool {
        self.login.is_none()
            && self.cluster.is_none()
            && self.is.is_none()
            && self.can.is_empty()
            && self.cannot.is_empty()
            && self.rules.is_empty()
            && self.claims.is_empty()
    }

    /// Whether a token must be shown to the cluster.
    pub fn asks_the_cluster(&self) -> bool {
        self.cluster.is_some()
            || self.is.is_some()
            || !(self.can.is_empty() && self.cannot.is_empty() && self.rules.is_empty())
    }

    fn title(&self) -> String {
        let who = &self.person.username;
        let mut parts = Vec::new();
        match self.login {
            Some(LoginOutcome::Refused) => parts.push("cannot log in".to_owned()),
            Some(LoginOutcome::Ok) => parts.push("logs in".to_owned()),
            None => {}
        }
        if let Some(status) = self.cluster {
            let token = match self.token {
                TokenKind::Id => String::new(),
                TokenKind::Access => " for the access token".to_owned(),
                TokenKind::Forged(word) => format!(" for the forged token {word}"),
            };
            parts.push(format!("gets {status} from the cluster{token}"));
        }
        if let Some(name) = self.is.as_ref().and_then(|is| is.username.as_ref()) {
            parts.push(format!("is {name}"));
        } else if self.is.is_some() {
            parts.push("is who they should be".to_owned());
        }
        let list = |questions: &[Question]| {
            questions
                .iter()
                .map(ToString::to_string)
                .collect::<Vec<_>>()
                .join(", ")
        };
        if !self.can.is_empty() {
            parts.push(format!("can {}", list(&self.can)));
        }
        if !self.cannot.is_empty() {
            parts.push(format!("cannot {}", list(&self.cannot)));
        }
        if !self.rules.is_empty() {
            parts.push(format!("has {}", self.rules.join(", ")));
        }
        if !self.claims.is_empty() {
            let names: Vec<_> = self.claims.keys().map(String::as_str).collect();
            parts.push(format!("has the claims {}", names.join(", ")));
        }
        format!("{who} {}", parts.join(" and "))
    }
}

fn outcome(wanted: Option<LoginOutcome>, because: Option<String>) -> Outcome {
    Outcome {
        refused: wanted == Some(LoginOutcome::Refused),
        because,
    }
}

fn pool_name(pool: &PoolRef, spec: &v1::Pool) -> String {
    spec.name.clone().unwrap_or_else(|| match pool {
        PoolRef::Main => "rolecall".to_owned(),
        PoolRef::Other(name) => name.clone(),
    })
}

/// A domain prefix: lower case, without the words that Cognito reserves.
fn domain_of(name: &str) -> String {
    let mut domain: String = name
        .chars()
        .filter_map(|c| {
            let c = c.to_ascii_lowercase();
            (c.is_ascii_alphanumeric() || c == '-').then_some(c)
        })
        .take(50)
        .collect();
    for reserved in ["cognito", "amazon", "aws"] {
        domain = domain.replace(reserved, "");
    }
    format!("{}-login", domain.trim_matches('-'))
        .trim_matches('-')
        .to_owned()
}

fn create_pool(name: &str, spec: &v1::Pool) -> Value {
    let mut input = Map::new();
    input.insert("PoolName".to_owned(), Value::from(name));
    if let Some(policy) = spec.password_policy {
        let members = json!({
            "MinimumLength": policy.minimum_length,
            "RequireUppercase": policy.require_uppercase,
            "RequireLowercase": policy.require_lowercase,
            "RequireNumbers": policy.require_numbers,
            "RequireSymbols": policy.require_symbols,
            "TemporaryPasswordValidityDays": policy.temporary_password_validity_days,
        });
        input.insert(
            "Policies".to_owned(),
            json!({ "PasswordPolicy": without_nulls(members) }),
        );
    }
    if !spec.username_attributes.is_empty() {
        input.insert(
            "UsernameAttributes".to_owned(),
            json!(spec.username_attributes),
        );
    }
    if let Some(sensitive) = spec.case_sensitive {
        input.insert(
            "UsernameConfiguration".to_owned(),
            json!({ "CaseSensitive": sensitive }),
        );
    }
    if let Some(only) = spec.admin_create_user_only {
        input.insert(
            "AdminCreateUserConfig".to_owned(),
            json!({ "AllowAdminCreateUserOnly": only }),
        );
    }
    Value::Object(input)
}

fn create_client(name: &str, client: &v1::Client) -> Result<Value, String> {
    let mut input = json!({
        "ClientName": name,
        "GenerateSecret": false,
        "ReadAttributes": client.read_attributes,
        "WriteAttributes": client.write_attributes,
        "SupportedIdentityProviders": ["COGNITO"],
        "CallbackURLs": client.callback_urls.clone()
            .unwrap_or_else(|| KUBELOGIN_CALLBACKS.map(str::to_owned).to_vec()),
        "AllowedOAuthFlows": ["code"],
        "AllowedOAuthScopes": client.scopes.clone()
            .unwrap_or_else(|| ["openid", "profile", "email"].map(str::to_owned).to_vec()),
        "AllowedOAuthFlowsUserPoolClient": true,
    });
    if let Some(text) = &client.token_validity {
        let seconds = crate::parse_duration(text)?.as_secs();
        input["IdTokenValidity"] = Value::from(seconds);
        input["AccessTokenValidity"] = Value::from(seconds);
        input["TokenValidityUnits"] = json!({"IdToken": "seconds", "AccessToken": "seconds"});
    }
    Ok(without_nulls(input))
}

fn without_nulls(value: Value) -> Value {
    match value {
        Value::Object(members) => members.into_iter().filter(|(_, v)| !v.is_null()).collect(),
        other => other,
    }
}

fn delete(text: &str) -> Result<Action, String> {
    let words: Vec<&str> = text.split_whitespace().collect();
    let (resource, name, namespace) = match words.as_slice() {
        [resource, name] => (resource, name, ""),
        [resource, name, "-n", namespace] => (resource, name, *namespace),
        _ => {
            return Err(format!(
                "delete: {text:?} is not understood; write it as in \"clusterrolebinding oidc:admins\" or \"rolebinding devs -n dev\""
            ));
        }
    };
    Ok(Action::Delete {
        resource: (*resource).to_owned(),
        name: (*name).to_owned(),
        namespace: namespace.to_owned(),
    })
}

/// Reads the word for a forged token; `others` may have been meant as well.
///
/// # Errors
/// A sentence with what may have been meant.
pub fn forgery(word: &str, others: &[&'static str]) -> Result<Forgery, String> {
    word.parse().map_err(|unknown| {
        let words = Forgery::ALL.iter().map(|forgery| forgery.word());
        match closest(word, words.chain(others.iter().copied())) {
            Some(meant) => format!("{unknown}; did you mean {meant}?"),
            None => {
                let words: Vec<&str> = Forgery::ALL.iter().map(|one| one.word()).collect();
                format!("{unknown}; there are {}", words.join(", "))
            }
        }
    })
}

/// The name among `names` that is at most a third of its letters away.
pub fn closest<'n>(name: &str, names: impl Iterator<Item = &'n str>) -> Option<&'n str> {
    names
        .map(|candidate| (distance(name, candidate), candidate))
        .filter(|(distance, candidate)| *distance <= candidate.chars().count().div_ceil(3))
        .min()
        .map(|(_, candidate)| candidate)
}

/// Levenshtein's distance.
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, y) in b.iter().enumerate() {
            let substituted = diagonal + usize::from(x != *y);
            diagonal = row[j + 1];
            row[j + 1] = substituted.min(row[j] + 1).min(row[j + 1] + 1);
        }
    }
    row[b.len()]
}

fn shorten(text: &str) -> String {
    text.chars().take(120).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::PathBuf;

    fn plan_text(text: &str) -> Result<Plan, Invalid> {
        plan(Loaded {
            path: PathBuf::from("s.yaml"),
            scenario: serde_saphyr::from_str(text).expect("a scenario"),
            rbac: Vec::new(),
        })
    }

    const BASE: &str = "
rolecall: 1
name: x
idp:
  pool: { usernameAttributes: [email], groups: [admins] }
  people:
    ada@example.com: { groups: [admins] }
trust: { username: email }
";

    #[test]
    fn the_order_is_provider_cluster_expectations() {
        let plan = plan_text(&format!(
            "{BASE}expect: [{{ who: ada@example.com, can: [get pods] }}]"
        ))
        .expect("a plan");
        let titles: Vec<&str> = plan
            .steps
            .iter()
            .map(|step| step.title.as_str())
            .filter(|title| !title.is_empty())
            .collect();
        assert_eq!(
            titles,
            [
                "create user pool rolecall",
                "give it the domain rolecall-login",
                "create group admins",
                "create user ada@example.com",
                "add ada@example.com to group admins",
                "set a password for ada@example.com",
                "create app client eks",
                "associate the pool with the cluster",
                "ada@example.com can get pods",
            ]
        );
    }

    #[test]
    fn a_scenario_that_asks_nothing_is_refused() {
        let invalid = plan_text(BASE).expect_err("refused");
        assert!(
            invalid.to_string().contains("nothing is expected"),
            "{invalid}"
        );
    }

    #[test]
    fn all_problems_are_said_at_once_with_what_was_meant() {
        let invalid = plan_text(&format!(
            "{BASE}
expect:
  - {{ who: adda@example.com, can: [get pods] }}
  - {{ who: ada@example.com }}
  - {{ who: ada@example.com, can: [get] }}
  - {{ who: ada@example.com, token: expird, cluster: 401 }}
steps:
  - removeFromGroup: {{ who: ada@example.com, group: admin }}
  - advance: soon
  - delete: clusterrolebinding
"
        ))
        .expect_err("refused");
        let text = invalid.to_string();
        for needle in [
            "did you mean ada@example.com?",
            "asks nothing",
            "names no resource",
            "did you mean admins?",
            "token: there is no forged token called \"expird\"; did you mean expired?",
            "not a duration",
            "delete: \"clusterrolebinding\" is not understood",
        ] {
            assert!(text.contains(needle), "{needle} in {text}");
        }
        assert_eq!(invalid.problems.len(), 8);
    }
}
