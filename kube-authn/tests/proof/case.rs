//! One question, asked of this crate and of Kubernetes alike, and the answers.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::Timestamp;
use kube_authn::config::{JwtAuthenticator, OidcFlags};
use kube_authn::{
    Authenticator, ClaimState, ConfigError, KeySet, KeyState, Needed, Outcome, StepName, Version,
    claim_response, jwks_response, provider_response, well_known,
};
use serde_json::{Map, Value, json};

/// A token, what it is judged by, and when.
#[derive(Debug, Clone, PartialEq)]
pub struct Case {
    /// RFC 3339 with up to nine digits of a second's fraction.
    pub now: String,
    pub token: String,
    /// The body of the answer at `jwks_uri`, word for word.
    pub keys: String,
    /// `{"jwt": …, "algs"?: […], "others"?: [{"jwt": …, "keys": …}]}` or
    /// `{"flags": …}`, as the oracle takes them: others come before `jwt`.
    pub configuration: Value,
    /// What else is to be had: URL → `{"status"?, "contentType"?, "body",
    /// "authorization"?}`, or null.
    pub http: Value,
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

/// Kubernetes' answers: the newest minor's, and those of older ones that answer
/// otherwise.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verdicts {
    pub newest: Verdict,
    pub older: BTreeMap<Version, Verdict>,
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

    /// What this crate says, as that minor.
    pub fn judge(&self, version: Version) -> Ours {
        self.judge_with(version, |_| {})
    }

    /// Whether an answer of Kubernetes' is one that this crate gives too.
    ///
    /// Kubernetes goes through required claims in Go's random order of maps:
    /// where several fail, any one may be named.
    pub fn agrees(&self, version: Version, ours: &Ours, theirs: &Verdict) -> bool {
        if ours.verdict == *theirs {
            return true;
        }
        if ours.step != Some(StepName::RequiredClaims) {
            return false;
        }
        (1..8).any(|n| {
            let rotated = self.judge_with(version, |jwt| {
                let rules = &mut jwt.claim_validation_rules;
                let by = n % rules.len().max(1);
                rules.rotate_left(by);
            });
            rotated.verdict == *theirs
        })
    }

    fn judge_with(&self, version: Version, change: impl Fn(&mut JwtAuthenticator)) -> Ours {
        let invalid = |text: String| Ours {
            verdict: Verdict::InvalidConfig(format!(
                "invalid authentication configuration: {text}"
            )),
            step: None,
        };
        let (entries, algorithms) = match self.configuration() {
            Ok(configuration) => configuration,
            Err(text) => return invalid(text),
        };
        let others = self.others().iter().map(|other| match &other["keys"] {
            Value::String(body) => body.clone(),
            keys => keys.to_string(),
        });
        let keys = others.chain([self.keys.clone()]);
        let prepared = entries.into_iter().zip(keys).map(|(mut jwt, keys)| {
            change(&mut jwt);
            let authenticator = Authenticator::new(&jwt, algorithms.as_deref())?;
            Ok((authenticator.of(version), keys))
        });
        let prepared: Vec<_> = match prepared.collect::<Result<_, ConfigError>>() {
            Ok(prepared) => prepared,
            Err(error) => {
                return Ours {
                    verdict: Verdict::InvalidConfig(error.to_string()),
                    step: None,
                };
            }
        };
        // The first whose issuer the token names decides.
        let mut judged = prepared.iter().map(|(authenticator, keys)| {
            let network = Network { case: self, keys };
            network.authenticate(authenticator)
        });
        let outcome = judged.find(|outcome| *outcome != Outcome::NotMine);
        match outcome.unwrap_or(Outcome::NotMine) {
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

    fn others(&self) -> &[Value] {
        let others = self.configuration.get("others").and_then(Value::as_array);
        others.map_or(&[], Vec::as_slice)
    }

    /// The entries, this case's own last, and the algorithms of all.
    fn configuration(&self) -> Result<(Vec<JwtAuthenticator>, Option<Vec<String>>), String> {
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
            return Ok((configuration.jwt, Some(parsed.signing_algs)));
        }
        let others = self.others().iter().map(|other| &other["jwt"]);
        let entries: Vec<&Value> = others.chain([&self.configuration["jwt"]]).collect();
        let file = json!({
            "apiVersion": "apiserver.config.k8s.io/v1",
            "kind": "AuthenticationConfiguration",
            "jwt": entries,
        });
        let file = kube_authn::config::AuthenticationConfiguration::from_value(&file)
            .map_err(|e| e.to_string())?;
        let errors = file.validate(&[]);
        if !errors.is_empty() {
            return Err(ConfigError::Invalid(errors).to_string());
        }
        Ok((file.jwt, self.configuration.get("algs").and_then(strings)))
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
        if !self.http.is_null() {
            line.insert("http".into(), self.http.clone());
        }
        Value::Object(line)
    }
}

/// Where the oracle serves the issuer's keys.
const JWKS_URL: &str = "https://jwks.oracle.invalid/keys";

/// What the oracle serves, to this crate.
struct Network<'a> {
    case: &'a Case,
    /// The body of the answer at the authenticator's own `jwks_uri`.
    keys: &'a str,
}

impl Network<'_> {
    /// Judges the token, and fetches what is needed, in go-oidc's way.
    fn authenticate(&self, authenticator: &Authenticator) -> Outcome {
        let now: Timestamp = self.case.now.parse().expect("now is a timestamp");
        let keys = jwks_response("200 OK", Some("application/json"), self.keys.as_bytes());
        let keys = keys.map_err(|error| error.to_string());
        let judge = |claim| authenticator.judge(&self.case.token, state(Some(&keys)), claim, now);
        let claim = match judge(ClaimState::Unknown) {
            Ok(outcome) => return outcome,
            Err(Needed::Claim(claim)) => claim,
            Err(Needed::ClaimKeys(_)) => unreachable!("no claim has been fetched"),
        };
        let fetched = self
            .get(authenticator, &claim.endpoint, &claim.access_token)
            .and_then(|answer| {
                claim_response(&answer.status, answer.body.as_bytes()).map_err(|e| e.to_string())
            });
        let token = match &fetched {
            Ok(token) => token,
            Err(why) => return judge(ClaimState::FetchFailed(why)).expect("all is known"),
        };
        let issuer = match judge(ClaimState::Fetched(token, None)) {
            Ok(outcome) => return outcome,
            Err(Needed::ClaimKeys(issuer)) => issuer,
            Err(Needed::Claim(_)) => unreachable!("the claim has been fetched"),
        };
        let keys = self.keys_of(authenticator, &issuer);
        let known = ClaimState::Fetched(token, Some(state(keys.as_ref())));
        judge(known).expect("all is known")
    }

    /// Another issuer's keys; nothing where its discovery fails.
    fn keys_of(
        &self,
        authenticator: &Authenticator,
        issuer: &str,
    ) -> Option<Result<KeySet, String>> {
        let answer = self.get(authenticator, &well_known(issuer), "").ok()?;
        let discovery = provider_response(
            &answer.status,
            Some(&answer.content_type),
            answer.body.as_bytes(),
            issuer,
        )
        .ok()?;
        let keys = self.get(authenticator, &discovery.jwks_uri, "");
        Some(match keys {
            Err(error) => Err(format!("oidc: get keys failed {error}")),
            Ok(answer) => jwks_response(
                &answer.status,
                Some(&answer.content_type),
                answer.body.as_bytes(),
            )
            .map_err(|error| error.to_string()),
        })
    }

    fn get(
        &self,
        authenticator: &Authenticator,
        url: &str,
        access_token: &str,
    ) -> Result<Answer, String> {
        let ok = |body: String| Answer {
            status: "200 OK".to_owned(),
            content_type: "application/json".to_owned(),
            body,
        };
        let own = well_known(authenticator.issuer_url());
        let url = if url == own {
            authenticator.discovery_url()
        } else {
            url.to_owned()
        };
        if url == JWKS_URL {
            return Ok(ok(self.keys.to_owned()));
        }
        if url == authenticator.discovery_url() {
            let document = json!({"issuer": authenticator.issuer_url(), "jwks_uri": JWKS_URL});
            return Ok(ok(document.to_string()));
        }
        let Some(served) = self.case.http.get(&url) else {
            let host = url.split('/').nth(2).unwrap_or_default();
            let host = host.split(':').next().unwrap_or_default();
            return Err(format!(
                "Get \"{url}\": dial tcp: lookup {host}: no such host"
            ));
        };
        let authorization = match access_token {
            "" => String::new(),
            token => format!("Bearer {token}"),
        };
        let wanted = served["authorization"].as_str();
        let code = match wanted {
            Some(wanted) if wanted != authorization => 401,
            _ => served["status"].as_u64().unwrap_or(200),
        };
        let reason = match code {
            200 => "OK",
            201 => "Created",
            226 => "IM Used",
            302 => "Found",
            401 => "Unauthorized",
            404 => "Not Found",
            500 => "Internal Server Error",
            other => panic!("what is {other}?"),
        };
        let text = |name: &str| served[name].as_str().map(str::to_owned);
        Ok(Answer {
            status: format!("{code} {reason}"),
            content_type: text("contentType").unwrap_or_else(|| "application/json".to_owned()),
            body: text("body").unwrap_or_default(),
        })
    }
}

struct Answer {
    status: String,
    content_type: String,
    body: String,
}

/// Keys that are final, or why there are none.
fn state(keys: Option<&Result<KeySet, String>>) -> KeyState<'_> {
    match keys {
        None => KeyState::NotInitialized,
        Some(Ok(keys)) => KeyState::Fetched(keys),
        Some(Err(why)) => KeyState::FetchFailed(why),
    }
}

impl Verdicts {
    pub fn of(&self, version: Version) -> &Verdict {
        self.older.get(&version).unwrap_or(&self.newest)
    }

    /// Keeps what that minor answers now.
    pub fn answered(&mut self, version: Version, now: Verdict) {
        if version == Version::default() {
            self.newest = now;
        } else if now == self.newest {
            self.older.remove(&version);
        } else {
            self.older.insert(version, now);
        }
    }
}

impl Verdict {
    /// Reads a verdict in the corpus.
    pub fn from_json(value: &Value) -> Self {
        Self::of_answer(value).unwrap_or_else(|| panic!("no verdict: {value}"))
    }

    /// Reads the oracle's answer, which need not be one where a case is no case.
    pub fn of_answer(value: &Value) -> Option<Self> {
        let error = || value["error"].as_str().unwrap_or_default().to_owned();
        let strings = |value: &Value| -> Vec<String> {
            let list = value.as_array().map(Vec::as_slice).unwrap_or_default();
            list.iter()
                .map(|v| v.as_str().unwrap_or_default().to_owned())
                .collect()
        };
        Some(match value["result"].as_str()? {
            "accepted" => {
                let user = &value["user"];
                let extra = user["extra"].as_object().cloned().unwrap_or_default();
                Self::Accepted {
                    username: user["username"].as_str().unwrap_or_default().to_owned(),
                    uid: user["uid"].as_str().unwrap_or_default().to_owned(),
                    groups: strings(&user["groups"]),
                    extra: extra.iter().map(|(k, v)| (k.clone(), strings(v))).collect(),
                }
            }
            "rejected" => Self::Rejected(without_monotonic(&error())),
            "not-mine" => Self::NotMine,
            "invalid-config" => Self::InvalidConfig(error()),
            _ => return None,
        })
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
