//! Tokens put together from parts that need not fit.

use super::signing::{Key, Oddity, base64};

/// A token before it is signed. `claims` and `header` are members in order, key
/// and value both as JSON text, so that duplicates and oddities can be written.
#[derive(Clone)]
pub struct Draft {
    pub header: Vec<(String, String)>,
    pub claims: Vec<(String, String)>,
    /// Bytes to stand for the whole header or payload instead.
    pub raw_header: Option<Vec<u8>>,
    pub raw_payload: Option<Vec<u8>>,
    /// Signs the payload as it is (RFC 7797).
    pub unencoded: bool,
    pub algorithm: String,
    pub oddity: Oddity,
}

impl Draft {
    pub fn new(algorithm: &str, kid: Option<&str>) -> Self {
        let mut header = vec![(text("alg"), text(algorithm))];
        header.extend(kid.map(|kid| (text("kid"), text(kid))));
        Self {
            header,
            claims: Vec::new(),
            raw_header: None,
            raw_payload: None,
            unencoded: false,
            algorithm: algorithm.to_owned(),
            oddity: Oddity::None,
        }
    }

    /// Adds a claim; `value` is JSON.
    pub fn claim(mut self, key: &str, value: &str) -> Self {
        self.claims.push((text(key), value.to_owned()));
        self
    }

    /// Sets a claim or adds it.
    pub fn set(&mut self, key: &str, value: &str) {
        let key = text(key);
        match self.claims.iter_mut().find(|(k, _)| *k == key) {
            Some(claim) => value.clone_into(&mut claim.1),
            None => self.claims.push((key, value.to_owned())),
        }
    }

    pub fn remove(&mut self, key: &str) {
        let key = text(key);
        self.claims.retain(|(k, _)| *k != key);
    }

    /// Adds a header member; `value` is JSON.
    pub fn head(&mut self, key: &str, value: &str) {
        let key = text(key);
        self.header.retain(|(k, _)| *k != key);
        self.header.push((key, value.to_owned()));
    }

    pub fn header_bytes(&self) -> Vec<u8> {
        self.raw_header
            .clone()
            .unwrap_or_else(|| object(&self.header))
    }

    pub fn payload_bytes(&self) -> Vec<u8> {
        self.raw_payload
            .clone()
            .unwrap_or_else(|| object(&self.claims))
    }

    /// Signs and serializes.
    pub fn token(&self, key: &Key) -> String {
        let (header, payload) = (self.header_bytes(), self.payload_bytes());
        let mut input = base64(&header).into_bytes();
        input.push(b'.');
        if self.unencoded {
            input.extend_from_slice(&payload);
        } else {
            input.extend_from_slice(base64(&payload).as_bytes());
        }
        let signature = key.sign(&self.algorithm, &input, self.oddity);
        format!(
            "{}.{}.{}",
            base64(&header),
            base64(&payload),
            base64(&signature)
        )
    }
}

/// A string as JSON.
pub fn text(value: &str) -> String {
    serde_json::Value::from(value).to_string()
}

fn object(members: &[(String, String)]) -> Vec<u8> {
    let members: Vec<_> = members.iter().map(|(k, v)| format!("{k}:{v}")).collect();
    format!("{{{}}}", members.join(",")).into_bytes()
}
