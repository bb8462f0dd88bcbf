//! A token's claims, twice: those of a fixed type as go-oidc's `idToken` struct
//! takes them (keys in any case, the last duplicate wins, strict about types),
//! and all of them as a map (keys exactly as written).

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use crate::distributed::DistributedClaim;
use crate::go::base64::{Corrupt, decode_raw_url};
use crate::go::json::{self, Kind, Mismatch, Raw};
use crate::go::quote::quote_bytes;
use crate::go::time::Time;
use crate::verifier::{GOOGLE, GOOGLE_WITHOUT_SCHEME};

/// The `iss` of a token that nobody has verified (`oidc.go: untrustedIssuer`).
pub(crate) fn untrusted_issuer(token: &str) -> Result<String, Unreadable> {
    if token.trim_start().starts_with('{') {
        return Err(Unreadable::NotCompact);
    }
    let mut parts = token.split('.');
    let (Some(_), Some(payload), Some(_), None) =
        (parts.next(), parts.next(), parts.next(), parts.next())
    else {
        return Err(Unreadable::Parts);
    };
    let payload = decode_raw_url(payload.as_bytes()).map_err(Unreadable::Payload)?;
    match issuer_of(&payload).map_err(Unreadable::Claims)? {
        issuer if issuer == GOOGLE_WITHOUT_SCHEME => Ok(GOOGLE.to_owned()),
        issuer => Ok(issuer.into_owned()),
    }
}

/// Why a token's issuer cannot be told. Displayed as Go has it.
#[derive(Debug)]
pub(crate) enum Unreadable {
    NotCompact,
    Parts,
    Payload(Corrupt),
    Claims(String),
}

impl Unreadable {
    /// For people, who see no more of it.
    pub(crate) fn in_words(&self) -> &'static str {
        match self {
            Self::NotCompact => "the token is no compact JWT",
            Self::Parts => "the token has no three parts separated by dots",
            Self::Payload(_) => "the payload is not base64url",
            Self::Claims(_) => "the payload is no JSON object with a string as iss",
        }
    }
}

impl fmt::Display for Unreadable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotCompact => f.write_str("token is not compact JWT"),
            Self::Parts => f.write_str("malformed token"),
            Self::Payload(why) => write!(f, "error decoding token: {why}"),
            Self::Claims(why) => write!(f, "while unmarshaling token: {why}"),
        }
    }
}

fn issuer_of(payload: &[u8]) -> Result<Cow<'_, str>, String> {
    let raw = json::parse(payload)?;
    if !matches!(raw.kind(), Kind::Object | Kind::Null) {
        let go_type = r#"struct { Issuer string "json:\"iss\"" }"#;
        return Err(raw.kind().mismatch(go_type));
    }
    let mut issuer = Cow::Borrowed("");
    let mut mismatch = None;
    for (key, value) in raw.members() {
        if json::folds_to(&key, "iss") {
            match value.kind() {
                Kind::String => issuer = value.text(),
                Kind::Null => {}
                kind => {
                    mismatch.get_or_insert_with(|| kind.field_mismatch(".iss", "string"));
                }
            }
        }
    }
    mismatch.map_or(Ok(issuer), Err)
}

/// go-oidc's `idToken`, without what nobody asks for.
#[derive(Default)]
pub(crate) struct Typed<'a> {
    pub(crate) issuer: Cow<'a, str>,
    pub(crate) audience: Vec<String>,
    pub(crate) expiry: Time,
    pub(crate) not_before: Option<Time>,
    /// `_claim_names`: claim to source.
    pub(crate) claim_names: BTreeMap<Cow<'a, str>, Cow<'a, str>>,
    /// The names in `_claim_sources`.
    pub(crate) claim_sources: BTreeSet<Cow<'a, str>>,
}

const FIELDS: [&str; 10] = [
    "iss",
    "sub",
    "aud",
    "exp",
    "iat",
    "nbf",
    "nonce",
    "at_hash",
    "_claim_names",
    "_claim_sources",
];

impl<'a> Typed<'a> {
    /// Decodes the payload; the error is `json.Unmarshal`'s.
    ///
    /// Go remembers the first value of a wrong type and goes on, but stops at
    /// once where a type decodes itself, as the audience and the dates do.
    pub(crate) fn decode(raw: Raw<'a>) -> Result<Self, String> {
        let mut typed = Self::default();
        let mut mismatch: Option<String> = None;
        for (key, value) in raw.members() {
            let Some(field) = FIELDS.into_iter().find(|field| json::folds_to(&key, field)) else {
                continue;
            };
            let mut note = |m: Mismatch, field: &str| {
                mismatch.get_or_insert_with(|| m.0.field_mismatch(field, m.1));
            };
            match field {
                "aud" => {
                    typed.audience =
                        audience(value).map_err(|m| m.0.field_mismatch("idToken.aud", m.1))?
                }
                "exp" => typed.expiry = date(value, "idToken.exp")?,
                "iat" => {
                    date(value, "idToken.iat")?;
                }
                "nbf" if value.kind() == Kind::Null => typed.not_before = None,
                "nbf" => typed.not_before = Some(date(value, "idToken.nbf")?),
                "_claim_names" => typed.take_claim_names(value, note),
                "_claim_sources" => typed.take_claim_sources(value, note),
                _ => match value.kind() {
                    Kind::String if field == "iss" => typed.issuer = value.text(),
                    Kind::String | Kind::Null => {}
                    kind => note(Mismatch(kind, "string"), &format!("idToken.{field}")),
                },
            }
        }
        mismatch.map_or(Ok(typed), Err)
    }

    fn take_claim_names(&mut self, value: Raw<'a>, mut note: impl FnMut(Mismatch, &str)) {
        match value.kind() {
            Kind::Null => self.claim_names.clear(),
            // A second object is merged into the first.
            Kind::Object => {
                for (claim, source) in value.members() {
                    let text = match source.kind() {
                        Kind::String => source.text(),
                        Kind::Null => Cow::Borrowed(""),
                        kind => {
                            note(Mismatch(kind, "string"), "idToken._claim_names");
                            Cow::Borrowed("")
                        }
                    };
                    self.claim_names.insert(claim, text);
                }
            }
            kind => note(Mismatch(kind, "map[string]string"), "idToken._claim_names"),
        }
    }

    fn take_claim_sources(&mut self, value: Raw<'a>, mut note: impl FnMut(Mismatch, &str)) {
        match value.kind() {
            Kind::Null => self.claim_sources.clear(),
            Kind::Object => {
                for (name, source) in value.members() {
                    match source.kind() {
                        Kind::Object => {
                            check_strings(source, &["endpoint", "access_token"], |kind, field| {
                                note(
                                    Mismatch(kind, "string"),
                                    &format!("claimSource._claim_sources.{field}"),
                                );
                            })
                        }
                        Kind::Null => {}
                        kind => note(Mismatch(kind, "oidc.claimSource"), "idToken._claim_sources"),
                    }
                    self.claim_sources.insert(name);
                }
            }
            kind => note(
                Mismatch(kind, "map[string]oidc.claimSource"),
                "idToken._claim_sources",
            ),
        }
    }
}

/// Reports the members of a struct of strings that are none.
fn check_strings(object: Raw<'_>, fields: &[&str], mut report: impl FnMut(Kind, &str)) {
    for (key, value) in object.members() {
        if let Some(field) = fields.iter().find(|field| json::folds_to(&key, field))
            && !matches!(value.kind(), Kind::String | Kind::Null)
        {
            report(value.kind(), field);
        }
    }
}

/// `audience.UnmarshalJSON`: a string or a list of strings; null is `[""]`.
fn audience(value: Raw<'_>) -> Result<Vec<String>, Mismatch> {
    match value.kind() {
        Kind::String => Ok(vec![value.text().into_owned()]),
        Kind::Null => Ok(vec![String::new()]),
        _ => value.as_strings().map(Option::unwrap_or_default),
    }
}

/// `jsonTime.UnmarshalJSON`: a number, or a number in a string.
fn date(value: Raw<'_>, field: &str) -> Result<Time, String> {
    let text = match value.kind() {
        Kind::Number => value.text(),
        Kind::Null => Cow::Borrowed(""),
        Kind::String => {
            let text = value.text();
            if !json::is_valid_number(&text) {
                let literal = quote_bytes(value.bytes());
                return Err(format!(
                    "json: invalid number literal, trying to unmarshal {literal} into Number"
                ));
            }
            text
        }
        kind => return Err(kind.field_mismatch(field, "json.Number")),
    };
    let seconds = match json::parse_int(&text) {
        Some(seconds) => seconds,
        None => truncate(json::parse_float(&text)?),
    };
    Ok(Time::unix(seconds))
}

/// Go's `int64(f)` on amd64: what does not fit becomes the smallest number.
#[expect(
    clippy::cast_possible_truncation,
    reason = "truncation towards zero is what is wanted"
)]
fn truncate(value: f64) -> i64 {
    const LIMIT: f64 = 9_223_372_036_854_775_808.0;
    if (-LIMIT..LIMIT).contains(&value) {
        value as i64
    } else {
        i64::MIN
    }
}

/// All claims, as `map[string]json.RawMessage` has them.
pub(crate) struct Claims<'a>(Vec<(Cow<'a, str>, Raw<'a>)>);

impl<'a> Claims<'a> {
    pub(crate) fn of(payload: Raw<'a>) -> Self {
        Self(payload.members().collect())
    }

    /// The claim of exactly that name; of several the last.
    pub(crate) fn get(&self, name: &str) -> Option<Raw<'a>> {
        self.0
            .iter()
            .rev()
            .find(|(key, _)| key == name)
            .map(|(_, value)| *value)
    }

    /// `unmarshalClaim` into a string.
    pub(crate) fn string(&self, name: &str) -> Result<Cow<'a, str>, String> {
        self.get(name)
            .ok_or_else(|| "claim not present".to_owned())?
            .as_string()
    }

    /// Puts a claim in, in the place of any that there is.
    pub(crate) fn insert(&mut self, name: &'a str, value: Raw<'a>) {
        self.0.push((Cow::Borrowed(name), value));
    }

    /// Where a claim is to be had that is not there: `claimResolver.expand` up
    /// to the point where it asks the network.
    ///
    /// # Errors
    /// Its errors.
    pub(crate) fn distributed(&self, claim: &str) -> Result<Option<DistributedClaim>, String> {
        if claim.is_empty() || self.get(claim).is_some() {
            return Ok(None);
        }
        let Some(names) = self.get("_claim_names") else {
            return Ok(None);
        };
        // The typed claims have been decoded by now, so the names are strings.
        let sources = self.get("_claim_sources").ok_or("oidc: no claim sources")?;
        let mut mismatch = None;
        for (_, source) in sources.members() {
            check_strings(
                source,
                &["endpoint", "access_token", "JWT"],
                |kind, field| {
                    mismatch.get_or_insert_with(|| {
                        kind.field_mismatch(&format!("endpoint.{field}"), "string")
                    });
                },
            );
        }
        if let Some(error) = mismatch {
            return Err(format!("oidc: could not parse claim sources: {error}"));
        }
        let last = |object: Raw<'a>, key: &str| {
            object
                .members()
                .filter(|(k, _)| k == key)
                .last()
                .map(|(_, v)| v)
        };
        let Some(source) = last(names, claim) else {
            return Ok(None);
        };
        let source = source.as_string()?;
        let Some(endpoint) = last(sources, &source) else {
            return Err(format!(
                "id token _claim_names contained a source {source} missing in _claims_sources"
            ));
        };
        let text = |field: &str| {
            let named = |(key, value): (Cow<'_, str>, Raw<'a>)| {
                (json::folds_to(&key, field) && value.kind() == Kind::String).then(|| value.text())
            };
            let last = endpoint.members().filter_map(named).last();
            last.unwrap_or_default().into_owned()
        };
        let claim = DistributedClaim {
            endpoint: text("endpoint"),
            access_token: text("access_token"),
        };
        // Without an endpoint it is perhaps an aggregated claim, which Kubernetes
        // ignores.
        Ok((!claim.endpoint.is_empty()).then_some(claim))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    fn decode(text: &str) -> Result<Typed<'_>, String> {
        Typed::decode(json::parse(text.as_bytes()).unwrap())
    }

    #[rstest]
    #[case(
        r#"{"sub":1}"#,
        "json: cannot unmarshal number into Go struct field idToken.sub of type string"
    )]
    #[case(
        r#"{"AUD":1}"#,
        "json: cannot unmarshal number into Go struct field idToken.aud of type []string"
    )]
    #[case(
        r#"{"aud":["a",[]]}"#,
        "json: cannot unmarshal array into Go struct field idToken.aud of type string"
    )]
    #[case(
        r#"{"exp":true}"#,
        "json: cannot unmarshal bool into Go struct field idToken.exp of type json.Number"
    )]
    #[case(r#"{"exp":null}"#, r#"strconv.ParseFloat: parsing "": invalid syntax"#)]
    #[case(
        r#"{"exp":1e400}"#,
        r#"strconv.ParseFloat: parsing "1e400": value out of range"#
    )]
    #[case(
        r#"{"exp":"1x"}"#,
        r#"json: invalid number literal, trying to unmarshal "\"1x\"" into Number"#
    )]
    #[case(
        r#"{"_claim_names":[]}"#,
        "json: cannot unmarshal array into Go struct field idToken._claim_names of type map[string]string"
    )]
    #[case(
        r#"{"_claim_sources":{"s":1}}"#,
        "json: cannot unmarshal number into Go struct field idToken._claim_sources of type oidc.claimSource"
    )]
    #[case(
        r#"{"_claim_sources":{"s":{"endpoint":1}}}"#,
        "json: cannot unmarshal number into Go struct field claimSource._claim_sources.endpoint of type string"
    )]
    #[case(
        r#"{"sub":1,"exp":null}"#,
        r#"strconv.ParseFloat: parsing "": invalid syntax"#
    )]
    fn a_typed_claim_of_another_type_is_refused(#[case] text: &str, #[case] error: &str) {
        assert_eq!(decode(text).err().as_deref(), Some(error));
    }

    #[rstest]
    #[case(r#"{"exp":"12"}"#, 12)]
    #[case(r#"{"exp":12.9}"#, 12)]
    #[case(r#"{"exp":-1.5e1}"#, -15)]
    #[case(r#"{"exp":9223372036854775808}"#, i64::MIN)]
    #[case(r#"{"exp":1,"EXP":2}"#, 2)]
    fn dates_are_read_leniently(#[case] text: &str, #[case] seconds: i64) {
        assert_eq!(decode(text).unwrap().expiry, Time::unix(seconds));
    }

    #[test]
    fn null_means_something_else_for_each_claim() {
        let typed = decode(r#"{"iss":"a","iss":null,"aud":null,"nbf":5,"nbf":null}"#).unwrap();
        assert_eq!(typed.issuer, "a");
        assert_eq!(typed.audience, [""]);
        assert_eq!(typed.not_before, None);
    }
}
