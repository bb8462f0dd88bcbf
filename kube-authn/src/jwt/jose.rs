//! The compact serialization as go-jose v2.6.3 reads it.
//!
//! Three habits of it decide verdicts: white space is stripped from the whole
//! token first; the header is read by a JSON parser that compares keys exactly
//! and refuses duplicates; and what was signed is taken to be the canonical
//! encoding of the decoded parts, so that a token whose base64 has stray bits in
//! its last character still verifies.

use std::borrow::Cow;

use super::keys::Jwk;
use crate::go::base64::decode_raw_url;
use crate::go::json::{self, Kind, Raw};
use crate::go::quote::quote_bytes;

/// A parsed token, not yet verified.
pub(crate) struct Jws {
    pub(crate) header: Header,
    pub(crate) payload: Vec<u8>,
    pub(crate) signature: Vec<u8>,
    protected: Vec<u8>,
}

/// The header's values that matter for verification.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Header {
    pub(crate) algorithm: String,
    pub(crate) key_id: String,
    /// A `crit` that is no list of strings, or names anything but `b64`, makes
    /// every verification fail, yet parsing succeed.
    pub(crate) critical_understood: bool,
    /// RFC 7797: whether the payload is encoded before it is signed. go-jose
    /// goes by the value even where `crit` does not name it.
    pub(crate) base64_payload: bool,
}

impl Jws {
    /// Parses a token; the error is go-jose's.
    pub(crate) fn parse(token: &str) -> Result<Self, String> {
        let token = strip_white_space(token);
        let parts: Vec<&str> = token.splitn(4, '.').collect();
        let [protected, payload, signature] = parts[..] else {
            return Err("go-jose/go-jose: compact JWS format must have three parts".to_owned());
        };
        let decode = |part: &str| decode_raw_url(part.as_bytes()).map_err(|e| e.to_string());
        let protected = decode(protected)?;
        let payload = decode(payload)?;
        let signature = decode(signature)?;
        let header = Header::parse(&protected)?;
        Ok(Self {
            header,
            payload,
            signature,
            protected,
        })
    }

    /// The octets that the signature covers.
    pub(crate) fn signing_input(&self) -> Vec<u8> {
        let mut input = Vec::with_capacity((self.protected.len() + self.payload.len()) * 4 / 3 + 8);
        push_base64(&mut input, &self.protected);
        input.push(b'.');
        if self.header.base64_payload {
            push_base64(&mut input, &self.payload);
        } else {
            input.extend_from_slice(&self.payload);
        }
        input
    }
}

impl Header {
    fn parse(protected: &[u8]) -> Result<Self, String> {
        let mut header = Self {
            critical_understood: true,
            base64_payload: true,
            ..Self::default()
        };
        if protected.is_empty() {
            return Ok(header);
        }
        let raw = json::parse_jose(protected)?;
        match raw.kind() {
            Kind::Object | Kind::Null => {}
            kind => return Err(kind.mismatch("jose.rawHeader")),
        }
        let members = raw.unique_members().collect::<Result<Vec<_>, _>>()?;
        let mut embeddable = true;
        for (key, value) in members {
            if value.kind() != Kind::Null {
                header.take(&key, value, &mut embeddable)?;
            }
        }
        if !embeddable {
            return Err("go-jose/go-jose: invalid embedded jwk, must be public key".to_owned());
        }
        Ok(header)
    }

    /// One value that is not null. Where several are wrong, which one go-jose
    /// reports is up to Go's random order of map keys.
    fn take(&mut self, key: &str, value: Raw<'_>, embeddable: &mut bool) -> Result<(), String> {
        let failed = |what: &str, why: &str| {
            format!(
                "failed to unmarshal {what}: {why}: {}",
                quote_bytes(value.bytes())
            )
        };
        let string = |what: &str| {
            value
                .as_string()
                .map(Cow::into_owned)
                .map_err(|e| failed(what, &e))
        };
        match key {
            "jwk" => {
                let jwk = Jwk::parse(value).map_err(|e| failed("JWK", &e))?;
                *embeddable = jwk.may_be_embedded();
            }
            "kid" => self.key_id = string("key ID")?,
            "alg" => self.algorithm = string("algorithm")?,
            "nonce" => {
                string("nonce")?;
            }
            "x5c" => {
                let chain = value
                    .as_strings()
                    .map_err(|e| failed("x5c header", &e.text()))?;
                super::keys::parse_chain(&chain.unwrap_or_default())
                    .map_err(|e| failed("x5c header", &e))?;
            }
            _ => {
                json::check_jose_any(value).map_err(|e| failed("value", &e))?;
                if key == "crit" {
                    let names = value.as_strings();
                    self.critical_understood = names.is_ok_and(|names| {
                        names.unwrap_or_default().iter().all(|name| name == "b64")
                    });
                } else if key == "b64" {
                    self.base64_payload = value.as_bool().unwrap_or(true);
                }
            }
        }
        Ok(())
    }
}

fn strip_white_space(token: &str) -> Cow<'_, str> {
    // The white space of Rust's char is Unicode's White_Space, as Go's unicode.IsSpace.
    if token.contains(char::is_whitespace) {
        Cow::Owned(token.chars().filter(|c| !c.is_whitespace()).collect())
    } else {
        Cow::Borrowed(token)
    }
}

fn push_base64(out: &mut Vec<u8>, bytes: &[u8]) {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    for chunk in bytes.chunks(3) {
        let bits =
            chunk.iter().fold(0u32, |bits, &b| bits << 8 | u32::from(b)) << (8 * (3 - chunk.len()));
        for i in 0..=chunk.len() {
            out.push(ALPHABET[(bits >> (18 - 6 * i) & 0x3f) as usize]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    fn header(text: &[u8]) -> Result<Header, String> {
        Header::parse(text)
    }

    #[rstest]
    #[case(br#"{"alg":"a","alg":"b"}"#, "json: duplicate key 'alg' in object")]
    #[case(
        b"[]",
        "json: cannot unmarshal array into Go value of type jose.rawHeader"
    )]
    #[case(b"{", "unexpected end of JSON input")]
    #[case(
        br#"{"kid":1}"#,
        "failed to unmarshal key ID: json: cannot unmarshal number into Go value of type string: \"1\""
    )]
    #[case(
        br#"{"alg":["RS256"]}"#,
        "failed to unmarshal algorithm: json: cannot unmarshal array into Go value of type string: \"[\\\"RS256\\\"]\""
    )]
    #[case(
        br#"{"x":{"a":1,"a":2}}"#,
        "failed to unmarshal value: json: duplicate key 'a' in object: \"{\\\"a\\\":1,\\\"a\\\":2}\""
    )]
    #[case(
        br#"{"jwk":{"kty":"oct","k":"AA"}}"#,
        "go-jose/go-jose: invalid embedded jwk, must be public key"
    )]
    fn a_header_is_refused(#[case] text: &[u8], #[case] error: &str) {
        assert_eq!(header(text), Err(error.to_owned()));
    }

    #[test]
    fn header_keys_are_compared_exactly() {
        let header = header(br#"{"ALG":"RS256","Kid":"a"}"#).unwrap();
        assert_eq!(
            (header.algorithm.as_str(), header.key_id.as_str()),
            ("", "")
        );
    }

    #[rstest]
    #[case(br#"{"crit":["exp"]}"#, false, true)]
    #[case(br#"{"crit":[]}"#, true, true)]
    #[case(br#"{"crit":null}"#, true, true)]
    #[case(br#"{"crit":"b64"}"#, false, true)]
    #[case(br#"{"crit":["b64"],"b64":false}"#, true, false)]
    #[case(br#"{"b64":false}"#, true, false)]
    #[case(br#"{"b64":"false"}"#, true, true)]
    fn crit_and_b64(#[case] text: &[u8], #[case] understood: bool, #[case] encoded: bool) {
        let header = header(text).unwrap();
        assert_eq!(
            (header.critical_understood, header.base64_payload),
            (understood, encoded)
        );
    }

    #[test]
    fn the_signing_input_is_the_canonical_encoding() {
        // "e31" and "e30" both decode to "{}"; white space is stripped.
        let jws = Jws::parse(" e31.aGl\n.\u{a0}").unwrap();
        assert_eq!(jws.signing_input(), b"e30.aGk");
    }
}
