//! One question, asked of this crate and of Kubernetes alike, and the answers.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::Timestamp;
use kube_authn::config::{JwtAuthenticator, OidcFlags};
use kube_authn::{Authenticator, KeyState, Outcome, StepName, jwks_response};
use serde_json::{Map, Value, json};

/// A token, what it is judged by, and when.
#[derive(Debug, Clone, PartialEq)]
pub struct Case {
    /// RFC 3339 with up to nine digits of a second's fraction.
    pub now: String,
    pub token: String,
    /// The body of the answer at `jwks_uri`, word for word.
    pub keys: String,
    /// `{"jwt": …, "algs"?: […]}` or `{"flags": …}`, as the oracle takes them.
    pub configuration: Value,
}

/// An answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    Accepted {
        username: String,
        uid: String,
        groups: Vec<String>,
        extra: BTreeMap<String, Vec<String>>,
    },
    Rejected(String),
    NotMine,
    InvalidConfig(String),
}

/// Our answer, and the step that gave it where there is one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ours {
    pub verdict: Verdict,
    pub step: Option<StepName>,
}

impl Case {
    /// The `alg` of the token's header; empty where only Go's decoder of base64
    /// reads it.
    pub fn algorithm(&self) -> String {
        let header = self.token.split('.').next().unwrap_or_default();
        let bytes = URL_SAFE_NO_PAD.decode(header).unwrap_or_default();
        let header: Value = serde_json::from_slice(&bytes).unwrap_or_default();
        header["alg"].as_str().unwrap_or_default().to_owned()
    }

    /// What this crate says.
    pub fn judge(&self) -> Ours {
        self.judge_with(|_| {})
    }

    /// Whether an answer of Kubernetes' is one that this crate gives too.
    ///
    /// Kubernetes goes through required claims in Go's random order of maps:
    /// where several fail, any one may be named.
    pub fn agrees(&self, ours: &Ours, theirs: &Verdict) -> bool {
        if ours.verdict == *theirs {
            return true;
        }
        if ours.step != Some(StepName::RequiredClaims) {
            return false;
        }
        (1..8).any(|n| {
            let rotated = self.judge_with(|jwt| {
                let rules = &mut jwt.claim_validation_rules;
                let by = n % rules.len().max(1);
                rules.rotate_left(by);
            });
            rotated.verdict == *theirs
        })
    }

    fn judge_with(&self, change: impl Fn(&mut JwtAuthenticator)) -> Ours {
        let invalid = |text: String| Ours {
            verdict: Verdict::InvalidConfig(format!(
                "invalid authentication configuration: {text}"
            )),
            step: None,
        };
        let (mut jwt, algorithms) = match self.configuration() {
            Ok(configuration) => configuration,
            Err(text) => return invalid(text),
        };
        change(&mut jwt);
        let authenticator = match Authenticator::new(&jwt, algorithms.as_deref()) {
            Ok(authenticator) => authenticator,
            Err(error) => {
                return Ours {
                    verdict: Verdict::InvalidConfig(error.to_string()),
                    step: None,
                };
            }
        };
        let now: Timestamp = self.now.parse().expect("now is a timestamp");
        let fetched = jwks_response("200 OK", Some("application/json"), self.keys.as_bytes());
        let failure = fetched.as_ref().err().map(ToString::to_string);
        let state = match (&fetched, &failure) {
            (Ok(keys), _) => KeyState::Fetched(keys),
            (_, Some(text)) => KeyState::FetchFailed(text),
            (Err(_), None) => KeyState::NotInitialized,
        };
        match authenticator.authenticate(&self.token, state, now) {
            Outcome::Accepted(user) => Ours {
                verdict: Verdict::Accepted {
                    username: user.username,
                    uid: user.uid,
                    groups: user.groups,
                    extra: user.extra,
                },
                step: None,
            },
            Outcome::NotMine => Ours {
                verdict: Verdict::NotMine,
                step: Some(StepName::UntrustedIssuer),
            },
            Outcome::Rejected(error) => Ours {
                verdict: Verdict::Rejected(error.to_string()),
                step: Some(error.step()),
            },
            Outcome::NeedsKeys => unreachable!("the keys are final"),
        }
    }

    fn configuration(&self) -> Result<(JwtAuthenticator, Option<Vec<String>>), String> {
        let strings = |value: &Value| -> Option<Vec<String>> {
            value.as_array().map(|list| {
                list.iter()
                    .map(|v| v.as_str().unwrap_or_default().to_owned())
                    .collect()
            })
        };
        if let Some(flags) = self.configuration.get("flags") {
            let mut parsed = OidcFlags::default();
            for (name, value) in flags.as_object().expect("flags are an object") {
                let text = value.as_str().unwrap_or_default().to_owned();
                match name.as_str() {
                    "issuerURL" => parsed.issuer_url = text,
                    "clientID" => parsed.client_id = text,
                    "usernameClaim" => parsed.username_claim = text,
                    "usernamePrefix" => parsed.username_prefix = text,
                    "groupsClaim" => parsed.groups_claim = text,
                    "groupsPrefix" => parsed.groups_prefix = text,
                    "signingAlgs" => parsed.signing_algs = strings(value).unwrap_or_default(),
                    "requiredClaims" => {
                        let pairs = value
                            .as_object()
                            .expect("required claims are an object")
                            .iter();
                        parsed.required_claims = pairs
                            .map(|(k, v)| (k.clone(), v.as_str().unwrap_or_default().to_owned()))
                            .collect();
                    }
                    other => panic!("no such flag: {other}"),
                }
            }
            let configuration = parsed.to_configuration().map_err(|e| e.to_string())?;
            let jwt = configuration
                .jwt
                .into_iter()
                .next()
                .expect("flags make one authenticator");
            return Ok((jwt, Some(parsed.signing_algs)));
        }
        let jwt = &self.configuration["jwt"];
        let file = json!({
            "apiVersion": "apiserver.config.k8s.io/v1",
            "kind": "AuthenticationConfiguration",
            "jwt": [jwt],
        });
        let file = kube_authn::config::AuthenticationConfiguration::from_value(&file)
            .map_err(|e| e.to_string())?;
        let errors = file.validate(&[]);
        if !errors.is_empty() {
            return Err(kube_authn::ConfigError::Invalid(errors).to_string());
        }
        let jwt = file.jwt.into_iter().next().expect("there is one entry");
        Ok((jwt, self.configuration.get("algs").and_then(strings)))
    }

    /// The case as the oracle reads it.
    pub fn to_oracle(&self, id: usize) -> Value {
        let mut line = Map::new();
        line.insert("id".into(), id.into());
        line.insert("now".into(), self.now.clone().into());
        line.insert("token".into(), self.token.clone().into());
        line.insert("keys".into(), self.keys.clone().into());
        for (key, value) in self
            .configuration
            .as_object()
            .expect("a configuration is an object")
        {
            line.insert(key.clone(), value.clone());
        }
        Value::Object(line)
    }
}

impl Verdict {
    /// Reads the oracle's answer, or a verdict in the corpus.
    pub fn from_json(value: &Value) -> Self {
        let error = || value["error"].as_str().unwrap_or_default().to_owned();
        let strings = |value: &Value| -> Vec<String> {
            let list = value.as_array().map(Vec::as_slice).unwrap_or_default();
            list.iter()
                .map(|v| v.as_str().unwrap_or_default().to_owned())
                .collect()
        };
        match value["result"].as_str() {
            Some("accepted") => {
                let user = &value["user"];
                let extra = user["extra"].as_object().cloned().unwrap_or_default();
                Self::Accepted {
                    username: user["username"].as_str().unwrap_or_default().to_owned(),
                    uid: user["uid"].as_str().unwrap_or_default().to_owned(),
                    groups: strings(&user["groups"]),
                    extra: extra.iter().map(|(k, v)| (k.clone(), strings(v))).collect(),
                }
            }
            Some("rejected") => Self::Rejected(without_monotonic(&error())),
            Some("not-mine") => Self::NotMine,
            Some("invalid-config") => Self::InvalidConfig(error()),
            _ => panic!("no verdict: {value}"),
        }
    }
}

/// Go prints a clock's own time with its monotonic reading, `m=+0.123`.
fn without_monotonic(text: &str) -> String {
    match text.split_once(" m=+") {
        Some((before, after)) => {
            let rest = after.find(' ').map_or("", |i| &after[i..]);
            format!("{before}{rest}")
        }
        None => text.to_owned(),
    }
}
