//! Kubernetes' own tables, with keys of this run.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Map, Value};

use crate::proof::case::Case;
use crate::proof::signing::{Key, Oddity, base64 as encode};
use crate::proof::upstream::{Row, What};

/// The same cases with keys and signatures of this run. The id of a key says
/// of which kind it is; a token is signed by the key of its header's `kid`.
pub fn signed(mut rows: Vec<Row>) -> Vec<Row> {
    let mut keys = Keys::default();
    for row in &mut rows {
        if let What::Asked(asked) = &mut row.what {
            keys.sign(&mut asked.case);
        }
    }
    rows
}

#[derive(Default)]
struct Keys(BTreeMap<String, Key>);

impl Keys {
    fn named(&mut self, kid: &str) -> &Key {
        self.0.entry(kid.to_owned()).or_insert_with(|| {
            match kid.split_once('-').map(|(kind, _)| kind) {
                Some("rsa") => Key::rsa(2048),
                Some("p256") => Key::ec("P-256"),
                Some("p521") => Key::ec("P-521"),
                _ => panic!("no kind of key: {kid}"),
            }
        })
    }

    fn sign(&mut self, case: &mut Case) {
        case.token = self.text(&case.token);
        case.keys = self.text(&case.keys);
        let answers = case.http.as_object_mut();
        for (_, answer) in answers.into_iter().flatten() {
            answer["body"] = self.text(answer["body"].as_str().expect("a body")).into();
        }
    }

    /// A token or a key set; anything else stays as it is.
    fn text(&mut self, text: &str) -> String {
        if let Ok(mut set) = serde_json::from_str::<Value>(text)
            && let Some(members) = set["keys"].as_array_mut()
        {
            for jwk in members {
                let kid = jwk["kid"].as_str().expect("a kid").to_owned();
                let known = jwk.as_object_mut().expect("a key is an object");
                let public = self.named(&kid).jwk();
                known.extend(public.as_object().expect("a key is an object").clone());
            }
            return set.to_string();
        }
        let Some((input, _)) = text.rsplit_once('.') else {
            return text.to_owned();
        };
        let header = input.split('.').next().unwrap_or_default();
        let header = URL_SAFE_NO_PAD.decode(header).expect("a header is base64");
        let header: Value = serde_json::from_slice(&header).expect("a header is JSON");
        let of = |member: &str| {
            header[member]
                .as_str()
                .expect("a header says so")
                .to_owned()
        };
        let signature = self
            .named(&of("kid"))
            .sign(&of("alg"), input.as_bytes(), Oddity::None);
        format!("{input}.{}", encode(&signature))
    }
}

/// The members of its line that say what is special about a case.
pub fn members(row: &Row) -> Map<String, Value> {
    let (name, special) = match &row.what {
        What::Asked(asked) => ("notYet", asked.not_yet.as_deref()),
        What::Elsewhere(place) => ("elsewhere", Some(place.as_str())),
    };
    let special = special.map(|text| (name.to_owned(), text.into()));
    std::iter::once(("name".to_owned(), row.name.as_str().into()))
        .chain(special)
        .collect()
}
