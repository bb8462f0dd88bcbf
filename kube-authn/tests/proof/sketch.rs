//! A case in parts, each of which can be left out: what a case on which the
//! answers differ is made smaller by. The token is signed anew each time.

use std::rc::Rc;

use oracle::Smaller;
use serde_json::{Map, Value};

use super::case::Case;
use super::signing::Key;
use super::token::Draft;

/// A case before anything is signed.
#[derive(Clone)]
pub struct Sketch {
    pub now: String,
    pub token: Token,
    /// The body of the answer at `jwks_uri`, word for word.
    pub keys: String,
    /// As in [`Case`].
    pub configuration: Value,
    pub served: Vec<Served>,
}

/// A token in parts, or as it stands.
#[derive(Clone)]
pub enum Token {
    Signed {
        draft: Draft,
        key: Rc<Key>,
        bends: Vec<Rc<dyn Fn(String) -> String>>,
    },
    Text(String),
}

/// What is to be had at another URL.
#[derive(Clone)]
pub struct Served {
    pub url: String,
    /// `status`, `contentType` and `authorization`, as the oracle takes them.
    pub how: Map<String, Value>,
    pub body: Token,
}

impl Sketch {
    pub fn case(&self) -> Case {
        let served = self.served.iter().map(|served| {
            let mut answer = served.how.clone();
            answer.insert("body".to_owned(), served.body.text().into());
            (served.url.clone(), Value::Object(answer))
        });
        let http: Map<String, Value> = served.collect();
        Case {
            now: self.now.clone(),
            token: self.token.text(),
            keys: self.keys.clone(),
            configuration: self.configuration.clone(),
            http: if http.is_empty() {
                Value::Null
            } else {
                http.into()
            },
        }
    }
}

impl Token {
    fn text(&self) -> String {
        match self {
            Self::Signed { draft, key, bends } => bends
                .iter()
                .fold(draft.token(key), |token, bend| bend(token)),
            Self::Text(text) => text.clone(),
        }
    }
}

impl Smaller for Sketch {
    fn smaller(&self) -> Vec<Self> {
        let served = self.served.smaller().into_iter().map(|served| Self {
            served,
            ..self.clone()
        });
        let token = self.token.smaller().into_iter().map(|token| Self {
            token,
            ..self.clone()
        });
        let configuration = self
            .configuration
            .smaller()
            .into_iter()
            // One of the two has to be there.
            .filter(|value| value.get("jwt").is_some() || value.get("flags").is_some())
            .map(|configuration| Self {
                configuration,
                ..self.clone()
            });
        // Keys that are no JSON, or that matter word for word, stay as they are.
        let keys = serde_json::from_str::<Value>(&self.keys).unwrap_or_default();
        let keys = keys.smaller().into_iter().map(|keys| Self {
            keys: keys.to_string(),
            ..self.clone()
        });
        served
            .chain(token)
            .chain(configuration)
            .chain(keys)
            .collect()
    }
}

impl Smaller for Token {
    fn smaller(&self) -> Vec<Self> {
        let Self::Signed { draft, key, bends } = self else {
            return Vec::new();
        };
        let made = |draft: Draft, bends: Vec<Rc<dyn Fn(String) -> String>>| Self::Signed {
            draft,
            key: Rc::clone(key),
            bends,
        };
        let without = |i: usize| {
            let mut bends = bends.clone();
            bends.remove(i);
            made(draft.clone(), bends)
        };
        let straighter = (0..bends.len()).map(without);
        let shorter = draft.smaller().into_iter();
        straighter
            .chain(shorter.map(|draft| made(draft, bends.clone())))
            .collect()
    }
}

impl Smaller for Served {
    fn smaller(&self) -> Vec<Self> {
        let how = (0..self.how.len()).map(|i| {
            let how = self.how.clone().into_iter().enumerate();
            Self {
                how: how
                    .filter(|(at, _)| *at != i)
                    .map(|(_, kept)| kept)
                    .collect(),
                ..self.clone()
            }
        });
        let body = self.body.smaller().into_iter().map(|body| Self {
            body,
            ..self.clone()
        });
        how.chain(body).collect()
    }
}

/// Without a claim, a member of the header, or what is odd about it.
impl Smaller for Draft {
    fn smaller(&self) -> Vec<Self> {
        let mut all = Vec::new();
        let mut add = |change: &dyn Fn(&mut Draft)| {
            let mut draft = self.clone();
            change(&mut draft);
            all.push(draft);
        };
        if self.raw_payload.is_some() {
            add(&|draft| draft.raw_payload = None);
        }
        if self.raw_header.is_some() {
            add(&|draft| draft.raw_header = None);
        }
        if self.oddity != super::signing::Oddity::None {
            add(&|draft| draft.oddity = super::signing::Oddity::None);
        }
        for i in 0..self.claims.len() {
            add(&|draft| {
                draft.claims.remove(i);
            });
        }
        for i in 0..self.header.len() {
            add(&|draft| {
                draft.header.remove(i);
            });
        }
        all
    }
}

#[cfg(test)]
mod tests {
    use kube_authn::Version;

    use super::*;
    use crate::proof::case::Verdict;
    use crate::proof::generator;

    /// Wrong: whoever shows a `nonce` is let in as it, whatever else is the case.
    fn wrong(case: &Case) -> Verdict {
        let payload = case.token.split('.').nth(1).unwrap_or_default();
        let bytes =
            base64::Engine::decode(&base64::engine::general_purpose::URL_SAFE_NO_PAD, payload);
        let claims: Value = bytes
            .ok()
            .and_then(|bytes| serde_json::from_slice(&bytes).ok())
            .unwrap_or_default();
        match claims["nonce"].as_str() {
            Some(nonce) => Verdict::Rejected(nonce.to_owned()),
            None => case.judge(Version::V1_37).verdict,
        }
    }

    #[test]
    fn a_wrong_verdict_comes_down_to_the_claim_that_it_is_about() {
        let differ = |sketch: &Sketch| {
            let case = sketch.case();
            wrong(&case) != case.judge(Version::V1_37).verdict
        };
        let found = generator::sketches(400, 0)
            .into_iter()
            .filter(differ)
            .max_by_key(|sketch| sketch.case().to_oracle(0).to_string().len())
            .expect("some token has a nonce");
        let least = oracle::smallest(found, |sketches| {
            Ok::<_, String>(sketches.iter().map(differ).collect())
        })
        .expect("nothing fails");
        let Token::Signed { draft, bends, .. } = &least.token else {
            panic!("the token has parts");
        };
        let left: Vec<&str> = draft.claims.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(left, ["\"nonce\""]);
        assert!(draft.header.is_empty() && bends.is_empty() && least.served.is_empty());
        let configuration = least.configuration.to_string();
        assert!(
            configuration.matches(':').count() <= 3,
            "little of it is left: {configuration}"
        );
    }
}
