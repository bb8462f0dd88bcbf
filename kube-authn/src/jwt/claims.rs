//! A token's claims, twice: those of a fixed type as go-oidc's `idToken` struct
//! takes them (keys in any case, the last duplicate wins, strict about types),
//! and all of them as a map (keys exactly as written).

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use crate::go::json::{self, Kind, Mismatch, Raw};
use crate::go::quote::quote_bytes;
use crate::go::time::Time;

/// The `iss` of a token that nobody has verified, or nothing where the token
/// cannot be read (`untrustedIssuer`).
pub(crate) fn untrusted_issuer(payload: &[u8]) -> Option<Cow<'_, str>> {
    let raw = json::parse(payload).ok()?;
    if !matches!(raw.kind(), Kind::Object | Kind::Null) {
        return None;
    }
    let mut issuer = Cow::Borrowed("");
    for (key, value) in raw.members() {
        if json::folds_to(&key, "iss") {
            match value.kind() {
                Kind::String => issuer = value.text(),
                Kind::Null => {}
                _ => return None,
            }
        }
    }
    Some(issuer)
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

    /// `claimResolver.expand` up to the point where it would ask the network.
    ///
    /// # Errors
    /// Its errors, and one of ours for a source that would have to be fetched.
    pub(crate) fn check_distributed(&self, groups_claim: &str) -> Result<(), String> {
        if self.get(groups_claim).is_some() {
            return Ok(());
        }
        let Some(names) = self.get("_claim_names") else {
            return Ok(());
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
        let Some(source) = last(names, groups_claim) else {
            return Ok(());
        };
        let source = source.as_string()?;
        let Some(endpoint) = last(sources, &source) else {
            return Err(format!(
                "id token _claim_names contained a source {source} missing in _claims_sources"
            ));
        };
        let mut url = Cow::Borrowed("");
        for (key, value) in endpoint.members() {
            if json::folds_to(&key, "endpoint") && value.kind() == Kind::String {
                url = value.text();
            }
        }
        if url.is_empty() {
            return Ok(()); // an aggregated claim, which Kubernetes ignores
        }
        Err(format!(
            "while getting distributed claim {}: distributed claims are not fetched by rolecall",
            crate::go::quote::quote(groups_claim)
        ))
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
