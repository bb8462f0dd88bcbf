//! Groups that are to be had elsewhere: what a token says about where, and what
//! is there. Most of it is right, so that each way to fail is met by itself.

use std::rc::Rc;

use proptest::prelude::*;
use proptest::sample::select;
use serde_json::{Map, json};

use super::signing::Key;
use super::sketch::{Served, Token};
use super::token::{Draft, text};

/// Who signs a claim where the token's own issuer does not.
const OTHER: &str = "https://claims.example";
const OTHER_KEYS: &str = "https://claims.example/keys";

/// The choices that make a distributed claim.
#[derive(Debug, Clone)]
pub struct Fetch {
    /// Whether the claim is in the token all the same, and so is not fetched.
    pub stays: bool,
    endpoint: &'static str,
    /// What the endpoint is called.
    member: &'static str,
    /// Of the other issuer's discovery document and keys, where it is another.
    content_type: Option<&'static str>,
    /// The access token's JSON; empty where there is none.
    access: &'static str,
    /// The Authorization that is wanted at the endpoint, if it is looked at.
    wanted: Option<&'static str>,
    answer: Answer,
    status: u64,
    issuer: Issuer,
    claims: Claims,
    signature: Signature,
}

#[derive(Debug, Clone)]
enum Answer {
    Token,
    /// The body as it stands.
    Body(&'static str),
    Nothing,
}

/// Who signs the claim, and what is known of it.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Issuer {
    /// The issuer of the token that refers to it.
    Own,
    Other,
    /// Without the scheme; it stands for Google's with it.
    Google,
    /// Its discovery document cannot be had, or is not right.
    Undiscovered(&'static str),
    /// Its keys cannot be had, or are not right.
    Keyless(&'static str),
    /// What stands in `iss`, as JSON.
    Odd(&'static str),
}

#[derive(Debug, Clone)]
struct Claims {
    /// The value of the claim; empty where it is missing.
    groups: &'static str,
    /// `aud` and `exp`, where they are not right.
    audience: Option<&'static str>,
    expires: Option<i64>,
    more: Option<(&'static str, &'static str)>,
}

#[derive(Debug, Clone, Copy)]
enum Signature {
    Right,
    /// By a key that the issuer has not.
    OtherKey,
    /// By this algorithm, of name.
    Named(&'static str),
    Cut,
}

/// What of its token's case the claim has to fit.
pub struct Context<'a> {
    pub claim: &'static str,
    pub issuer: &'static str,
    pub audience: &'static str,
    pub now: i64,
    /// The key and key id that sign the token.
    pub key: &'a Rc<Key>,
    pub kid: Option<String>,
    pub algorithm: &'static str,
    /// Some other key.
    pub other: &'a Rc<Key>,
    /// An algorithm of that key's that is allowed, if there is one.
    pub other_algorithm: &'static str,
}

pub fn fetch() -> impl Strategy<Value = Fetch> {
    let endpoint = prop_oneof![
        20 => select(vec!["https://claims.example/groups", "https://issuer.example:8443/a/b?c=d&e"]),
        1 => select(vec![
            "",
            "https://claims .example/",
            "https://claims.example/%zz",
            "://claims.example",
            "https://nobody.example/",
            "https://claims.example:port/",
            "\u{7f}",
        ]),
    ];
    let access = prop_oneof![
        3 => Just(("", None)),
        3 => Just(("\"secret\"", Some("Bearer secret"))),
        1 => select(vec![
            ("\"\"", Some("")),
            ("null", Some("")),
            ("", Some("Bearer secret")),
            ("\"other\"", Some("Bearer secret")),
            ("\"se cret\"", Some("Bearer se cret")),
            ("7", None),
        ]),
    ];
    let answer = prop_oneof![
        12 => Just(Answer::Token),
        1 => select(vec![
            "",
            "{}",
            " {\"payload\":\"\"}",
            "a.b",
            "a.b.c.d",
            "..",
            "a.!.c",
            "e30.W10.",
            "e30.bnVsbA.",
            "e30.eyJpc3MiOjd9.",
            "e30.eyJpc3MiOltdfQ.x",
            "e30.eyJpc3Mi.",
            "not found\n",
        ])
        .prop_map(Answer::Body),
        1 => Just(Answer::Nothing),
    ];
    let status = prop_oneof![
        14 => Just(200u64),
        1 => select(vec![201, 226, 302, 401, 404, 500]),
    ];
    let issuer = prop_oneof![
        4 => Just(Issuer::Own),
        4 => Just(Issuer::Other),
        1 => Just(Issuer::Google),
        1 => select(vec!["", "404", "<html>", "null", "{}", "other", "no keys"])
            .prop_map(Issuer::Undiscovered),
        1 => select(vec!["", "404", "<html>", "{\"keys\":[]}", "{\"keys\":7}"])
            .prop_map(Issuer::Keyless),
        1 => select(vec!["\"\"", "null", "\"https://z\u{fc}rich\u{200b}.example\"", "\"a\\\"b\"", "7"])
            .prop_map(Issuer::Odd),
    ];
    let groups = prop_oneof![
        8 => select(vec!["[\"admins\",\"dev\"]", "\"admins\"", "[]"]),
        3 => select(vec!["", "", "null", "7", "[7]", "\"\"", "[null]", "{}"]),
    ];
    let audience = prop_oneof![
        10 => Just(None),
        1 => select(vec!["\"other\"", "[\"other\",\"another\"]", "", "null", "7"]).prop_map(Some),
    ];
    let expires = prop_oneof![
        10 => Just(None),
        1 => select(vec![-3600, -1, 0, 1]).prop_map(Some),
    ];
    let more = proptest::option::weighted(
        0.15,
        select(vec![
            ("nbf", "99999999999"),
            ("sub", "7"),
            ("exp", "\"soon\""),
            ("_claim_names", "{\"groups\":\"src\"}"),
            ("_claim_sources", "{\"src\":{}}"),
            ("ISS", "\"https://another.example\""),
        ]),
    );
    let claims =
        (groups, audience, expires, more).prop_map(|(groups, audience, expires, more)| Claims {
            groups,
            audience,
            expires,
            more,
        });
    let signature = prop_oneof![
        12 => Just(Signature::Right),
        1 => Just(Signature::OtherKey),
        1 => select(vec!["none", "HS256", "RS256", "ES512"]).prop_map(Signature::Named),
        1 => Just(Signature::Cut),
    ];
    let member = prop_oneof![
        20 => Just("endpoint"),
        1 => select(vec!["ENDPOINT", "endPoint", "end\u{200b}point"]),
    ];
    let content_type = proptest::option::weighted(
        0.2,
        select(vec![
            "json",
            "text/html",
            "Application/JSON",
            "application/json;",
            "application/json; ;",
            "application/json; charset=utf-8",
            "application/json; charset",
            "application/json; a=\"b",
            "application/json; a=1; A=2",
            "application/jwk-set+json",
        ]),
    );
    (
        proptest::bool::weighted(0.05),
        (endpoint, member, content_type),
        access,
        (answer, status, issuer, claims, signature),
    )
        .prop_map(
            |(stays, (endpoint, member, content_type), (access, wanted), rest)| {
                let (answer, status, issuer, claims, signature) = rest;
                Fetch {
                    stays,
                    endpoint,
                    member,
                    content_type,
                    access,
                    wanted,
                    answer,
                    status,
                    issuer,
                    claims,
                    signature,
                }
            },
        )
}

impl Fetch {
    /// Puts into the token where the claim is, and gives what is to be had there.
    pub fn apply(&self, draft: &mut Draft, context: &Context<'_>) -> Vec<Served> {
        if !self.stays {
            draft.remove(context.claim);
        }
        let mut source = format!("{}:{}", text(self.member), text(self.endpoint));
        if !self.access.is_empty() {
            source = format!("{source},\"access_token\":{}", self.access);
        }
        draft.set("_claim_names", &json!({ context.claim: "src" }).to_string());
        draft.set("_claim_sources", &format!("{{\"src\":{{{source}}}}}"));

        let mut how = Map::new();
        if self.status != 200 {
            how.insert("status".into(), self.status.into());
        }
        if let Some(wanted) = self.wanted {
            how.insert("authorization".into(), wanted.into());
        }
        let body = match self.answer {
            Answer::Nothing => return self.issuers_own(context),
            Answer::Body(body) => Token::Text(body.to_owned()),
            Answer::Token => self.token(context),
        };
        let mut served = vec![Served {
            url: self.endpoint.to_owned(),
            how,
            body,
        }];
        // Go keeps an answer's last one by URL, and so does a map.
        served.extend(self.issuers_own(context));
        served
    }

    fn token(&self, context: &Context<'_>) -> Token {
        let own = self.issuer == Issuer::Own;
        let (key, algorithm, kid) = match self.signature {
            Signature::OtherKey if own => {
                (context.other, context.other_algorithm, context.kid.clone())
            }
            Signature::OtherKey => (context.key, context.algorithm, None),
            _ if own => (context.key, context.algorithm, context.kid.clone()),
            _ => (
                context.other,
                context.other_algorithm,
                Some("other".to_owned()),
            ),
        };
        let mut draft = Draft::new(algorithm, kid.as_deref());
        match self.issuer {
            Issuer::Own => draft.set("iss", &text(context.issuer)),
            Issuer::Other | Issuer::Undiscovered(_) | Issuer::Keyless(_) => {
                draft.set("iss", &text(OTHER));
            }
            Issuer::Google => draft.set("iss", "\"accounts.google.com\""),
            Issuer::Odd(json) => draft.set("iss", json),
        }
        match self.claims.audience {
            None => draft.set("aud", &text(context.audience)),
            Some("") => {}
            Some(audience) => draft.set("aud", audience),
        }
        let expires = self.claims.expires.unwrap_or(1800);
        draft.set("exp", &(context.now + expires).to_string());
        if !self.claims.groups.is_empty() {
            draft.set(context.claim, self.claims.groups);
        }
        if let Some((name, value)) = self.claims.more {
            draft.set(name, value);
        }
        if let Signature::Named(name) = self.signature {
            draft.head("alg", &text(name));
        }
        let cut: Vec<Rc<dyn Fn(String) -> String>> = match self.signature {
            Signature::Cut => vec![Rc::new(|token: String| {
                token[..token.len().saturating_sub(3)].to_owned()
            })],
            _ => Vec::new(),
        };
        Token::Signed {
            draft,
            key: Rc::clone(key),
            bends: cut,
        }
    }

    /// The other issuer's discovery document and keys.
    fn issuers_own(&self, context: &Context<'_>) -> Vec<Served> {
        let issuer = match self.issuer {
            Issuer::Google => "https://accounts.google.com",
            _ => OTHER,
        };
        // The oracle serves those of the configured issuer itself.
        if issuer == context.issuer {
            return Vec::new();
        }
        let served = |url: String, status: u64, body: String| {
            let mut how = Map::new();
            if status != 200 {
                how.insert("status".into(), status.into());
            }
            if let Some(content_type) = self.content_type {
                how.insert("contentType".into(), content_type.into());
            }
            let body = Token::Text(body);
            Served { url, how, body }
        };
        let well_known = format!("{issuer}/.well-known/openid-configuration");
        let document =
            |issuer: &str, keys: &str| json!({"issuer": issuer, "jwks_uri": keys}).to_string();
        let mut jwk = context.other.jwk();
        jwk["kid"] = "other".into();
        let keys = json!({ "keys": [jwk] }).to_string();
        let good = document(issuer, OTHER_KEYS);
        let (discovery, keys) = match self.issuer {
            Issuer::Undiscovered("") => (None, Some((200, keys))),
            Issuer::Undiscovered("404") => (Some((404, good)), Some((200, keys))),
            Issuer::Undiscovered("other") => {
                let other = document("https://claims.example/", OTHER_KEYS);
                (Some((200, other)), Some((200, keys)))
            }
            Issuer::Undiscovered("no keys") => (Some((200, document(issuer, ""))), None),
            Issuer::Undiscovered(body) => (Some((200, body.to_owned())), None),
            Issuer::Keyless("") => (Some((200, good)), None),
            Issuer::Keyless("404") => (Some((200, good)), Some((404, "gone".to_owned()))),
            Issuer::Keyless(body) => (Some((200, good)), Some((200, body.to_owned()))),
            _ => (Some((200, good)), Some((200, keys))),
        };
        let discovery = discovery.map(|(status, body)| served(well_known, status, body));
        let keys = keys.map(|(status, body)| served(OTHER_KEYS.to_owned(), status, body));
        discovery.into_iter().chain(keys).collect()
    }
}
