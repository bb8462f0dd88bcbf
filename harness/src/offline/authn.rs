//! How a token becomes an identity under an API server's configuration.

use foundation::clock::Clock;
use jiff::Timestamp;
use kube_authn::config::AuthenticationConfiguration;
use kube_authn::{Authenticator, ConfigError, KeySet, KeyState, Outcome, Step, StepName, User};
use kube_rbac::Version;
pub use mock_apiserver::authn::sound;
use mock_apiserver::authn::{AUTHENTICATED, authn_version, load};

use super::eks;
use super::place::Places;

/// The issuers that a configuration trusts, and keys.
pub struct Judge {
    authenticators: Vec<Authenticator>,
    keys: KeySet,
}

/// Why tokens cannot be judged.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unusable {
    /// Kubernetes' words for which it would not start with the configuration,
    /// or an expression in CEL, which is not evaluated here.
    #[error("{0}")]
    Configuration(String),
    /// What is wrong with the key set.
    #[error("it is no JSON Web Key Set: {0}")]
    Keys(String),
}

/// What became of a token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Judgement {
    /// Who it is, as `kubectl auth whoami` would say; none where it is refused.
    pub user: Option<User>,
    /// The step that refused it.
    pub refused_at: Option<StepName>,
    /// The API server's own words then; empty where it is accepted.
    pub error: String,
    /// The way, step by step, up to the one that decides.
    pub steps: Vec<Step>,
}

/// What of a user's names a token should not give anybody: those that Kubernetes has
/// for its own (`system:masters`), but for the group of all who are known.
pub fn of_kubernetes(user: &User) -> Vec<&str> {
    let names = std::iter::once(&user.username).chain(&user.groups);
    let theirs = names.filter(|name| name.starts_with("system:") && *name != AUTHENTICATED);
    theirs.map(String::as_str).collect()
}

impl Judge {
    /// A judge of tokens by an `AuthenticationConfiguration`, YAML or JSON, and
    /// the JSON Web Key Set (RFC 7517 section 5) of the token's issuer; as an API
    /// server of that minor.
    ///
    /// # Errors
    /// [`Unusable`], with which of the two it is about.
    pub fn new(configuration: &str, jwks: &[u8], version: Version) -> Result<Self, Unusable> {
        let unusable = Unusable::Configuration;
        let configuration = sound(configuration, version).map_err(unusable)?;
        let version = authn_version(version);
        let authenticators = configuration
            .jwt
            .iter()
            .enumerate()
            .map(|(i, jwt)| {
                let made = Authenticator::new(jwt, None).map(|made| made.of(version));
                made.map_err(|error| unusable(error.of_entry(i).to_string()))
            })
            .collect::<Result<_, _>>()?;
        let keys = KeySet::parse(jwks).map_err(|error| Unusable::Keys(error.to_string()))?;
        Ok(Self {
            authenticators,
            keys,
        })
    }

    /// Judges a token, now or at another time. The keys count as those of the
    /// issuer that the token names.
    pub fn judge(&self, token: &str, at: Option<Timestamp>) -> Judgement {
        let at = at.unwrap_or_else(|| Clock::system().now());
        let keys = KeyState::Fetched(&self.keys);
        // Two entries never have the same issuer, so at most one does not pass
        // a token over.
        let (responsible, outcome) = self
            .authenticators
            .iter()
            .map(|one| (Some(one), one.authenticate(token, keys, at)))
            .find(|(_, outcome)| *outcome != Outcome::NotMine)
            .unwrap_or((self.authenticators.first(), Outcome::NotMine));
        let steps = responsible.map_or_else(Vec::new, |one| one.explain(token, keys, at));
        match outcome {
            Outcome::Accepted(user) => Judgement {
                user: Some(mock_apiserver::authn::with_authenticated(user)),
                refused_at: None,
                error: String::new(),
                steps,
            },
            outcome => {
                let last = steps.last();
                Judgement {
                    user: None,
                    // Nobody is trusted, where there was no step.
                    refused_at: Some(last.map_or(StepName::UntrustedIssuer, |step| step.name)),
                    error: match outcome {
                        Outcome::Rejected(error) => error.to_string(),
                        // What the union of all authenticators says, then.
                        _ => "invalid bearer token".to_owned(),
                    },
                    steps,
                }
            }
        }
    }
}

/// For whom a configuration is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Profile {
    /// A kube-apiserver of one's own.
    #[default]
    Kubernetes,
    /// EKS, which takes some of it, by AssociateIdentityProviderConfig.
    Eks,
}

/// Why an API server would not start with a configuration, or EKS has no word
/// for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// Who takes it not.
    pub by: Profile,
    /// What is wrong: the API server's own words.
    pub text: String,
    /// The line in the file, from one, of the field that it names.
    pub line: Option<usize>,
}

/// Every fault of an `AuthenticationConfiguration`, YAML or JSON
/// (`ValidateAuthenticationConfiguration`), or the number of issuers that it
/// trusts. `own` are the API server's own, `--service-account-issuer`, which
/// none may be.
///
/// # Errors
/// The faults, and CEL expressions, of which it is not known here whether the
/// API server takes them. For [`Profile::Eks`] also what EKS has no word for.
pub fn validate(
    text: &str,
    profile: Profile,
    own: &[String],
    version: Version,
) -> Result<usize, Vec<Fault>> {
    let (configuration, mut refused) = read(text, version, own);
    for (i, jwt) in configuration.jwt.iter().enumerate() {
        let expressions = jwt.expressions().into_iter();
        refused.extend(expressions.map(|field| ConfigError::Cel(field).of_entry(i).to_string()));
    }
    let forbidden = match profile {
        Profile::Eks => eks::forbids(&configuration),
        Profile::Kubernetes => Vec::new(),
    };
    let places = Places::of(text);
    let fault = |by, text: String| Fault {
        by,
        line: line_of(&text, &places),
        text,
    };
    let refused = refused.iter().flat_map(|text| each(text));
    let refused = refused.map(|text| fault(Profile::Kubernetes, text));
    let forbidden = forbidden
        .into_iter()
        .map(|(path, why)| fault(Profile::Eks, format!("{path}: {why}")));
    let faults: Vec<Fault> = refused.chain(forbidden).collect();
    if faults.is_empty() {
        Ok(configuration.jwt.len())
    } else {
        Err(faults)
    }
}

/// The single faults of a text: the fields that strict decoding lists in one.
fn each(text: &str) -> Vec<String> {
    const STRICT: &str = "strict decoding error: ";
    const NEXT: [&str; 2] = [", unknown field \"", ", duplicate field \""];
    let Some((before, mut rest)) = text.split_once(STRICT) else {
        return vec![text.to_owned()];
    };
    let mut found = Vec::new();
    while let Some(at) = NEXT.iter().filter_map(|next| rest.find(next)).min() {
        found.push(format!("{before}{STRICT}{}", &rest[..at]));
        rest = &rest[at + 2..];
    }
    found.push(format!("{before}{STRICT}{rest}"));
    found
}

/// The configuration, and the API server's words against it.
fn read(
    text: &str,
    version: Version,
    own: &[String],
) -> (AuthenticationConfiguration, Vec<String>) {
    match load(text, version) {
        Err(error) => (AuthenticationConfiguration::default(), vec![error]),
        Ok(configuration) => {
            let faults = configuration.validate(own);
            (configuration, faults)
        }
    }
}

/// The line of the field that an error is about. Errors of Go's decoder have
/// its struct before the path and no indices in it: `json: cannot unmarshal
/// number into Go struct field Issuer.jwt.issuer.url of type string`.
fn line_of(error: &str, places: &Places) -> Option<usize> {
    if let Some((_, rest)) = error.split_once("yaml: ")
        && let Some((_, rest)) = rest.split_once("line ")
        && let Some((line, _)) = rest.split_once(": ")
        && let Ok(line) = line.parse()
    {
        return Some(line);
    }
    let of_decoder = error.split_once("cannot unmarshal ").and_then(|(_, rest)| {
        let (found, rest) = rest.split_once(" into Go struct field ")?;
        let (_, path) = rest.split_once(" of type ")?.0.split_once('.')?;
        places.line_of_kind(path, found.split(' ').next()?)
    });
    of_decoder.or_else(|| path_in(error).and_then(|path| places.line(path)))
}

/// The path of the field that an error is about: what stands before the colon
/// (`jwt[0].issuer.url: Required value`), or in quotes after "field".
fn path_in(error: &str) -> Option<&str> {
    if let Some((_, rest)) = error.split_once(" field \"") {
        return rest.split_once('"').map(|(path, _)| path);
    }
    let (path, _) = error.split_once(": ")?;
    let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '[' | ']');
    path.chars().all(fits).then_some(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEYS: &[u8] = br#"{"keys": []}"#;

    fn configuration(jwt: &str) -> String {
        format!("apiVersion: apiserver.config.k8s.io/v1\nkind: AuthenticationConfiguration\n{jwt}")
    }

    fn fault(text: &str, keys: &[u8]) -> String {
        let fault = Judge::new(text, keys, Version::default()).err();
        fault.map(|fault| fault.to_string()).unwrap_or_default()
    }

    #[test]
    fn what_the_api_server_would_not_start_with_is_said_in_its_words() {
        let wrong = configuration(
            "jwt: [{issuer: {url: 'http://x', audiences: [a]}, claimMappings: {username: {claim: sub, prefix: ''}}}]",
        );
        assert!(fault(&wrong, KEYS).contains("jwt[0].issuer.url: Invalid value"));
        let unknown = configuration("jwt: []\nissuers: []");
        assert!(fault(&unknown, KEYS).contains(r#"unknown field "issuers""#));
        let cel = configuration(
            "jwt: [{issuer: {url: 'https://x', audiences: [a]}, claimMappings: {username: {expression: claims.sub}}}]",
        );
        assert_eq!(
            fault(&cel, KEYS),
            "jwt[0].claimMappings.username.expression: CEL expressions are not supported yet"
        );
        let sound = configuration(
            "jwt: [{issuer: {url: 'https://x', audiences: [a]}, claimMappings: {username: {claim: sub, prefix: ''}}}]",
        );
        assert!(fault(&sound, b"no keys").contains("no JSON Web Key Set"));
        assert_eq!(fault(&sound, KEYS), "");
    }

    fn validate(text: &str, profile: Profile) -> Result<usize, Vec<Fault>> {
        super::validate(text, profile, &[], Version::default())
    }

    /// What Kubernetes says of YAML texts (`corpus/generate.py`); with
    /// `ROLECALL_YAML_CASES` also of those in that file.
    #[test]
    fn yaml_is_read_as_kubernetes_reads_it() {
        let mut cases = include_str!("corpus/yaml.jsonl").to_owned();
        if let Some(file) = std::env::var_os("ROLECALL_YAML_CASES") {
            cases = std::fs::read_to_string(file).expect("cases");
        }
        let (mut differing, mut of_another_grammar) = (Vec::new(), 0);
        for line in cases.lines() {
            let case: serde_json::Value = serde_json::from_str(line).expect("a case");
            let text = case["config"].as_str().expect("a text");
            let theirs = case["error"].as_str().expect("words");
            let theirs = theirs
                .strip_prefix("invalid authentication configuration: ")
                .unwrap_or(theirs);
            let ours = match read(text, Version::default(), &[]).1 {
                several if several.len() > 1 => format!("[{}]", several.join(", ")),
                one => one.concat(),
            };
            // A parser's own words are its own, and YAML 1.2 has another grammar.
            let parser = |text: &str| text.starts_with("yaml: ") || text.contains(" map key ");
            let same = ours == theirs || parser(&ours) && parser(theirs);
            if !same && case["grammar"] == true {
                of_another_grammar += 1;
            } else if !same {
                differing.push(format!("{text:?}\n  theirs: {theirs}\n  ours:   {ours}"));
            }
        }
        assert_eq!(differing, Vec::<String>::new(), "{}", differing.join("\n"));
        let most = cases.lines().count() / 10;
        assert!(of_another_grammar <= most, "{of_another_grammar}");
    }

    #[test]
    fn where_nobody_is_trusted_nobody_is_let_in() {
        let judge = Judge::new(&configuration("jwt: []"), KEYS, Version::default());
        let judgement = judge.expect("an API server starts").judge("a.b.c", None);
        assert_eq!(judgement.user, None);
        assert_eq!(judgement.refused_at, Some(StepName::UntrustedIssuer));
        assert_eq!(judgement.error, "invalid bearer token");
    }

    #[test]
    fn older_minors_have_their_own_words_and_order() {
        let entry = "jwt: [{issuer: {url: 'https://x', audiences: [a]}, claimMappings: {username: {claim: sub, prefix: ''}}}]";
        // {"alg":"RS256"} and {"iss":"https://x"}
        let token = "eyJhbGciOiJSUzI1NiJ9.eyJpc3MiOiJodHRwczovL3gifQ.AAAA";
        for (version, step) in [
            (Version::V1_35, StepName::Audience),
            (Version::V1_36, StepName::Signature),
        ] {
            let judge = Judge::new(&configuration(entry), KEYS, version).expect("sound");
            let judgement = judge.judge(token, Some(Timestamp::UNIX_EPOCH));
            assert_eq!(judgement.refused_at, Some(step), "{version}");
        }
        for wrong in [
            r#"{"apiVersion": "apiserver.config.k8s.io/v7", "kind": "AuthenticationConfiguration"}"#,
            "apiVersion: apiserver.config.k8s.io/v7\nkind: AuthenticationConfiguration\n",
        ] {
            let faults = super::validate(wrong, Profile::Kubernetes, &[], Version::V1_34);
            let faults = faults.expect_err("no such version");
            assert!(faults[0].text.contains("scheme.go:110"), "{faults:?}");
        }
    }

    #[test]
    fn whose_words_a_fault_has_is_said() {
        let text = configuration(
            "jwt:\n- issuer: {url: 'https://own.example.com/id', audiences: [a, b], audienceMatchPolicy: MatchAny}\n  claimMappings: {username: {claim: sub, prefix: ''}}\n",
        );
        assert_eq!(validate(&text, Profile::Kubernetes), Ok(1));
        let own = ["https://own.example.com/id".to_owned()];
        let faults = super::validate(&text, Profile::Eks, &own, Version::default());
        let faults = faults.expect_err("its own issuer, and two audiences");
        let by: Vec<Profile> = faults.iter().map(|fault| fault.by).collect();
        assert_eq!(by, [Profile::Kubernetes, Profile::Eks], "{faults:?}");
        assert!(
            faults[0]
                .text
                .contains("must not overlap with disallowed issuers")
        );
    }

    #[test]
    fn faults_have_lines() {
        let text = configuration(
            "jwt:\n- issuer:\n    url: http://x\n    audiences: [a]\n  claimMappings:\n    username: {claim: sub}\n",
        );
        let faults = validate(&text, Profile::Kubernetes).expect_err("faults");
        let lines: Vec<_> = faults.iter().map(|fault| fault.line).collect();
        assert_eq!(lines, [Some(5), Some(8)], "{faults:?}");
        let faults = validate(&configuration("issuers: []\njwt: []"), Profile::Kubernetes)
            .expect_err("faults");
        assert_eq!(faults[0].line, Some(3), "{faults:?}");
        let faults = validate("jwt: [", Profile::Kubernetes).expect_err("no YAML");
        assert!(faults[0].text.contains("line"), "{faults:?}");
        let cel = "jwt:\n- issuer: {url: 'https://x', audiences: [a]}\n  claimMappings:\n    username:\n      expression: claims.sub\n";
        let faults = validate(&configuration(cel), Profile::Kubernetes).expect_err("not known");
        assert_eq!(faults.len(), 1);
        assert_eq!(faults[0].line, Some(7), "{faults:?}");
        let lines = |text: &str| {
            let faults = validate(&configuration(text), Profile::Kubernetes);
            let faults = faults.expect_err("faults").into_iter();
            faults.map(|fault| fault.line).collect::<Vec<_>>()
        };
        // Each of several fields that nobody knows, in the order of their names,
        // in which Kubernetes makes JSON of YAML.
        let unknown = "foo: 1\njwt:\n- issuer:\n    url: https://x\n    bar: 2\n  baz: 3\n";
        assert_eq!(lines(unknown), [Some(3), Some(8), Some(7)]);
        // Each of several expressions.
        let cel = "jwt:\n- issuer: {url: 'https://x', audiences: [a]}\n  claimMappings:\n    username:\n      expression: claims.sub\n    groups:\n      expression: claims.groups\n";
        assert_eq!(lines(cel), [Some(7), Some(9)]);
        // What is of the wrong type, in the second of two.
        let entry = |url: &str| format!("- issuer:\n    url: {url}\n    audiences: [a]\n");
        let typed = format!("jwt:\n{}{}", entry("https://x"), entry("5"));
        assert_eq!(lines(&typed), [Some(8)]);
        assert_eq!(lines("jwt: x\n"), [Some(3)]);
        let none = configuration("jwt: []\nanonymous: {enabled: false}");
        assert_eq!(validate(&none, Profile::Kubernetes), Ok(0));
        let faults = validate(&none, Profile::Eks).expect_err("EKS decides");
        assert_eq!(faults[0].line, Some(4), "{faults:?}");
    }

    #[test]
    fn of_several_issuers_the_tokens_own_judges_it() {
        let entry = |url: &str| {
            format!(
                "{{issuer: {{url: '{url}', audiences: [a]}}, claimMappings: {{username: {{claim: sub, prefix: ''}}}}}}"
            )
        };
        let both = configuration(&format!(
            "jwt: [{}, {}]",
            entry("https://x"),
            entry("https://y")
        ));
        let judge = Judge::new(&both, KEYS, Version::default()).expect("sound");
        let at = Some(Timestamp::UNIX_EPOCH);
        // {"alg":"RS256"} and {"iss":"https://y"}
        let token = "eyJhbGciOiJSUzI1NiJ9.eyJpc3MiOiJodHRwczovL3kifQ.AAAA";
        let judgement = judge.judge(token, at);
        assert_eq!(judgement.refused_at, Some(StepName::Signature));
        assert!(
            judgement.error.contains("failed to verify"),
            "{judgement:?}"
        );
        let judgement = judge.judge("no token", at);
        assert_eq!(judgement.refused_at, Some(StepName::UntrustedIssuer));
        assert_eq!(judgement.error, "invalid bearer token");
        assert_eq!(judgement.user, None);
    }
}
