//! A compact JWS taken apart, and put together in whatever way.

use base64::Engine as _;
use base64::alphabet::URL_SAFE;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use serde_json::{Map, Value};

use super::Impossible;

/// base64url as issuers other than ours may write it: bits that are left over
/// at the end are let be.
const LENIENT: GeneralPurpose = GeneralPurpose::new(
    &URL_SAFE,
    GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::RequireNone)
        .with_decode_allow_trailing_bits(true),
);

/// A real token.
pub(super) struct Jws<'a> {
    /// Its three parts as they are written: header, payload, signature.
    pub(super) parts: [&'a str; 3],
    /// The header.
    pub(super) header: Object,
    /// The payload.
    pub(super) claims: Object,
    /// The signature.
    pub(super) signature: Vec<u8>,
}

impl<'a> Jws<'a> {
    /// Takes a token apart (RFC 7515 section 7.1).
    ///
    /// # Errors
    /// [`Impossible`]: it is no token of that form.
    pub(super) fn parse(token: &'a str) -> Result<Self, Impossible> {
        let none = || Impossible::new("the token is no JWT of three parts");
        let parts: Vec<&str> = token.trim().split('.').collect();
        let parts: [&str; 3] = parts.try_into().map_err(|_| none())?;
        let [header, payload, signature] = parts.map(|part| LENIENT.decode(part));
        Ok(Self {
            parts,
            header: header.ok().and_then(Object::parse).ok_or_else(none)?,
            claims: payload.ok().and_then(Object::parse).ok_or_else(none)?,
            signature: signature.map_err(|_| none())?,
        })
    }

    /// The real token with another header under the real signature.
    pub(super) fn relabelled(&self, header: &Object) -> String {
        let [_, payload, signature] = self.parts;
        join(&[&encode(header.bytes()), payload, signature])
    }

    /// The real token with another signature.
    pub(super) fn resigned(&self, signature: &[u8]) -> String {
        let [header, payload, _] = self.parts;
        join(&[header, payload, &encode(signature)])
    }

    /// The header's `kid`, as JSON.
    pub(super) fn kid(&self) -> &str {
        self.header.json("kid").unwrap_or("null")
    }
}

/// Puts a token together that `sign` signs.
pub(super) fn compact(
    header: &[u8],
    payload: &[u8],
    sign: impl FnOnce(&[u8]) -> Vec<u8>,
) -> String {
    let input = join(&[&encode(header), &encode(payload)]);
    let signature = encode(sign(input.as_bytes()));
    join(&[&input, &signature])
}

/// Parts with dots between them.
pub(super) fn join(parts: &[&str]) -> String {
    parts.join(".")
}

/// base64url without padding.
pub(super) fn encode(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

/// A JSON object as it is written: in its order, with names that may be there
/// twice, and values that need be no JSON.
#[derive(Clone)]
pub(super) struct Object(Vec<(String, String)>);

impl Object {
    fn parse(bytes: Vec<u8>) -> Option<Self> {
        let members: Map<String, Value> = serde_json::from_slice(&bytes).ok()?;
        let written = |(name, value): (String, Value)| (name, value.to_string());
        Some(Self(members.into_iter().map(written).collect()))
    }

    /// A member's value as it is written.
    pub(super) fn json(&self, name: &str) -> Option<&str> {
        let found = self.0.iter().find(|(member, _)| member == name);
        found.map(|(_, value)| value.as_str())
    }

    /// A member that is a string.
    pub(super) fn text(&self, name: &str) -> Option<String> {
        serde_json::from_str(self.json(name)?).ok()
    }

    /// A member that is an integer.
    pub(super) fn integer(&self, name: &str) -> Option<i64> {
        self.json(name)?.parse().ok()
    }

    /// With a member in place of its like, or at the end.
    pub(super) fn set(mut self, name: &str, value: impl ToString) -> Self {
        let value = value.to_string();
        match self.0.iter_mut().find(|(member, _)| member == name) {
            Some(member) => member.1 = value,
            None => self.0.push((name.to_owned(), value)),
        }
        self
    }

    /// With one more member at the end, whatever is there already.
    pub(super) fn with(mut self, name: &str, value: impl ToString) -> Self {
        self.0.push((name.to_owned(), value.to_string()));
        self
    }

    /// Without a member.
    pub(super) fn without(mut self, name: &str) -> Self {
        self.0.retain(|(member, _)| member != name);
        self
    }

    /// With another name for a member.
    pub(super) fn renamed(mut self, name: &str, new: &str) -> Self {
        for (member, _) in &mut self.0 {
            if member == name {
                new.clone_into(member);
            }
        }
        self
    }

    /// As JSON, where the values are.
    pub(super) fn bytes(&self) -> Vec<u8> {
        let written =
            |(name, value): &(String, String)| format!("{}:{value}", Value::from(name.as_str()));
        let members: Vec<String> = self.0.iter().map(written).collect();
        format!("{{{}}}", members.join(",")).into_bytes()
    }
}
