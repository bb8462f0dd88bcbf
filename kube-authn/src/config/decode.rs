//! Strict decoding as `sigs.k8s.io/json` does it for Kubernetes: keys compared
//! exactly, a value of a wrong type an error, and then all fields that are
//! unknown or come twice reported together.

use std::borrow::Cow;
use std::collections::HashSet;

use super::{
    AnonymousAuthConfig, AuthenticationConfiguration, ClaimMappings, ClaimOrExpression,
    ClaimValidationRule, ExtraMapping, Issuer, JwtAuthenticator, PrefixedClaimOrExpression,
    UserValidationRule,
};
use crate::go::json::{self, Kind, Raw};
use crate::go::quote::quote;
use crate::version::Version;

const GROUP: &str = "apiserver.config.k8s.io";
const KIND: &str = "AuthenticationConfiguration";
const OTHER_KIND: &str = "AuthorizationConfiguration";

pub(super) fn configuration(
    text: &str,
    release: Version,
) -> Result<AuthenticationConfiguration, String> {
    if text.is_empty() {
        return Err("empty config data".to_owned());
    }
    converted(text, text, None, release)
}

/// `json` is what was made of `text`, and `strict` what was wrong with that.
pub(super) fn converted(
    json: &str,
    text: &str,
    strict: Option<String>,
    release: Version,
) -> Result<AuthenticationConfiguration, String> {
    let (raw, header) =
        header(json).map_err(|e| format!("couldn't get version/kind; json parse error: {e}"))?;
    let (group, version) = match header.api_version.split('/').collect::<Vec<_>>()[..] {
        [version] => ("", version),
        [group, version] => (group, version),
        _ => {
            return Err(format!(
                "unexpected GroupVersion string: {}",
                header.api_version
            ));
        }
    };
    if header.kind.is_empty() {
        return Err(format!("Object 'Kind' is missing in '{text}'"));
    }
    if version.is_empty() {
        return Err(format!("Object 'apiVersion' is missing in '{text}'"));
    }
    match (group, version, header.kind.as_str()) {
        (GROUP, "v1" | "v1beta1" | "v1alpha1", KIND) => {}
        (GROUP, "v1" | "v1beta1" | "v1alpha1", OTHER_KIND) => return Err(other_kind(raw)),
        (_, _, kind) => {
            let (kind, version) = (quote(kind), quote(&header.api_version));
            let scheme = quote(release.scheme());
            return Err(format!(
                "no kind {kind} is registered for version {version} in scheme {scheme}"
            ));
        }
    }
    let mut decoder = Decoder {
        version,
        strict: strict.into_iter().collect(),
        ..Decoder::default()
    };
    let mut configuration = AuthenticationConfiguration::default();
    decoder.object(raw, &Place::root(), KIND, |d, key, value, place| {
        match key {
            "kind" | "apiVersion" => d.string(value, place, &mut String::new()),
            "jwt" => d.list(
                value,
                place,
                "JWTAuthenticator",
                &mut configuration.jwt,
                Decoder::jwt,
            ),
            "anonymous" if value.kind() == Kind::Null => configuration.anonymous = None,
            "anonymous" => d.anonymous(
                value,
                place,
                configuration.anonymous.get_or_insert_default(),
            ),
            _ => return false,
        }
        true
    });
    decoder.finish(configuration)
}

/// What is said of the scheme's other kind: it is decoded before anybody looks
/// whether it is the one that was expected.
fn other_kind(raw: Raw<'_>) -> String {
    let mut decoder = Decoder::default();
    decoder.object(raw, &Place::root(), OTHER_KIND, |_, key, _, _| {
        matches!(key, "kind" | "apiVersion" | "authorizers")
    });
    match decoder.finish(()) {
        Err(error) => error,
        Ok(()) => format!("expected {KIND}, got *apiserver.{OTHER_KIND}"),
    }
}

#[derive(Default)]
struct Header {
    kind: String,
    api_version: String,
}

/// Kind and version, read leniently (`SimpleMetaFactory`).
fn header(text: &str) -> Result<(Raw<'_>, Header), String> {
    let raw = json::parse(text.as_bytes())?;
    let mut header = Header::default();
    let go_type = r#"struct { APIVersion string "json:\"apiVersion,omitempty\""; Kind string "json:\"kind,omitempty\"" }"#;
    if !matches!(raw.kind(), Kind::Object | Kind::Null) {
        return Err(raw.kind().mismatch(go_type));
    }
    let mut mismatch = None;
    for (key, value) in raw.members() {
        let (field, target) = if json::folds_to(&key, "apiVersion") {
            (".apiVersion", &mut header.api_version)
        } else if json::folds_to(&key, "kind") {
            (".kind", &mut header.kind)
        } else {
            continue;
        };
        match value.kind() {
            Kind::String => *target = value.text().into_owned(),
            Kind::Null => {}
            kind => {
                mismatch.get_or_insert_with(|| kind.field_mismatch(field, "string"));
            }
        }
    }
    mismatch.map_or(Ok((raw, header)), Err)
}

pub(super) fn jwt_authenticator(text: &str) -> Result<JwtAuthenticator, String> {
    let raw = json::parse(text.as_bytes())?;
    let mut decoder = Decoder::default();
    let mut jwt = JwtAuthenticator::default();
    decoder.jwt(raw, &Place::root(), &mut jwt);
    decoder.finish(jwt)
}

/// Where a value stands: `jwt[0].issuer` in strict errors, and in a type error
/// the names of the fields alone after the struct that holds the value.
#[derive(Clone)]
struct Place {
    path: String,
    fields: String,
    within: &'static str,
}

impl Place {
    fn root() -> Self {
        Self {
            path: String::new(),
            fields: String::new(),
            within: "",
        }
    }

    fn field(&self, name: &str, within: &'static str) -> Self {
        let join = |base: &str| {
            if base.is_empty() {
                name.to_owned()
            } else {
                format!("{base}.{name}")
            }
        };
        Self {
            path: join(&self.path),
            fields: join(&self.fields),
            within,
        }
    }

    fn index(&self, i: usize) -> Self {
        Self {
            path: format!("{}[{i}]", self.path),
            ..self.clone()
        }
    }
}

struct Decoder<'v> {
    version: &'v str,
    mismatch: Option<String>,
    strict: Vec<String>,
}

impl Default for Decoder<'_> {
    fn default() -> Self {
        Self {
            version: "v1",
            mismatch: None,
            strict: Vec::new(),
        }
    }
}

impl Decoder<'_> {
    fn finish<T>(self, decoded: T) -> Result<T, String> {
        match self.mismatch {
            Some(error) => Err(error),
            None if self.strict.is_empty() => Ok(decoded),
            None => Err(format!("strict decoding error: {}", self.strict.join(", "))),
        }
    }

    /// The members of a struct of that type; `field` says whether it knows the key.
    fn object<'a>(
        &mut self,
        raw: Raw<'a>,
        place: &Place,
        go_struct: &'static str,
        mut field: impl FnMut(&mut Self, &str, Raw<'a>, &Place) -> bool,
    ) {
        match raw.kind() {
            Kind::Object => {}
            Kind::Null => return,
            kind => {
                let go_type = format!("{}.{go_struct}", self.version);
                return self.mismatch(kind, place, &go_type);
            }
        }
        let mut known: HashSet<Cow<'_, str>> = HashSet::new();
        for (key, value) in raw.members() {
            let place = place.field(&key, go_struct);
            if known.contains(&key) {
                self.strict(format!("duplicate field {}", quote(&place.path)));
                field(self, &key, value, &place);
            } else if field(self, &key, value, &place) {
                known.insert(key);
            } else {
                self.strict(format!("unknown field {}", quote(&place.path)));
            }
        }
    }

    fn strict(&mut self, error: String) {
        if !self.strict.contains(&error) {
            self.strict.push(error);
        }
    }

    fn mismatch(&mut self, kind: Kind, place: &Place, go_type: &str) {
        let error = if place.fields.is_empty() {
            kind.mismatch(go_type)
        } else {
            kind.field_mismatch(&format!("{}.{}", place.within, place.fields), go_type)
        };
        self.mismatch.get_or_insert(error);
    }

    fn string(&mut self, value: Raw<'_>, place: &Place, target: &mut String) {
        match value.kind() {
            Kind::String => *target = value.text().into_owned(),
            Kind::Null => {}
            kind => self.mismatch(kind, place, "string"),
        }
    }

    fn list<T: Default>(
        &mut self,
        value: Raw<'_>,
        place: &Place,
        element: &'static str,
        target: &mut Vec<T>,
        decode: impl Fn(&mut Self, Raw<'_>, &Place, &mut T),
    ) {
        match value.kind() {
            Kind::Array => {}
            Kind::Null => return,
            kind => {
                let go_type = if element == "string" {
                    "[]string".to_owned()
                } else {
                    format!("[]{}.{element}", self.version)
                };
                return self.mismatch(kind, place, &go_type);
            }
        }
        for (i, raw) in value.elements().enumerate() {
            let mut item = T::default();
            decode(self, raw, &place.index(i), &mut item);
            target.push(item);
        }
    }

    fn anonymous(&mut self, value: Raw<'_>, place: &Place, target: &mut AnonymousAuthConfig) {
        self.object(
            value,
            place,
            "AnonymousAuthConfig",
            |d, key, value, place| {
                match key {
                    "enabled" => match value.as_bool() {
                        Ok(enabled) => target.enabled = enabled,
                        Err(_) => d.mismatch(value.kind(), place, "bool"),
                    },
                    "conditions" => {
                        d.list(
                            value,
                            place,
                            "AnonymousAuthCondition",
                            &mut target.conditions,
                            |d, raw, place, path| {
                                d.object(
                                    raw,
                                    place,
                                    "AnonymousAuthCondition",
                                    |d, key, value, place| {
                                        let known = key == "path";
                                        if known {
                                            d.string(value, place, path);
                                        }
                                        known
                                    },
                                );
                            },
                        );
                    }
                    _ => return false,
                }
                true
            },
        );
    }

    fn jwt(&mut self, value: Raw<'_>, place: &Place, jwt: &mut JwtAuthenticator) {
        self.object(value, place, "JWTAuthenticator", |d, key, value, place| {
            match key {
                "issuer" => d.issuer(value, place, &mut jwt.issuer),
                "claimValidationRules" => d.list(
                    value,
                    place,
                    "ClaimValidationRule",
                    &mut jwt.claim_validation_rules,
                    Self::claim_validation_rule,
                ),
                "claimMappings" => d.claim_mappings(value, place, &mut jwt.claim_mappings),
                "userValidationRules" => d.list(
                    value,
                    place,
                    "UserValidationRule",
                    &mut jwt.user_validation_rules,
                    Self::user_validation_rule,
                ),
                _ => return false,
            }
            true
        });
    }

    fn issuer(&mut self, value: Raw<'_>, place: &Place, issuer: &mut Issuer) {
        self.object(value, place, "Issuer", |d, key, value, place| {
            let target = match key {
                "url" => &mut issuer.url,
                "discoveryURL" => &mut issuer.discovery_url,
                "certificateAuthority" => &mut issuer.certificate_authority,
                "audienceMatchPolicy" => {
                    let go_type = format!("{}.AudienceMatchPolicyType", d.version);
                    return d.named_string(
                        value,
                        place,
                        &go_type,
                        &mut issuer.audience_match_policy,
                    );
                }
                "egressSelectorType" => {
                    let go_type = format!("{}.EgressSelectorType", d.version);
                    return d.named_string(
                        value,
                        place,
                        &go_type,
                        &mut issuer.egress_selector_type,
                    );
                }
                "audiences" => {
                    d.list(value, place, "string", &mut issuer.audiences, Self::string);
                    return true;
                }
                _ => return false,
            };
            d.string(value, place, target);
            true
        });
    }

    /// A string that has a type of its own in Go.
    fn named_string(
        &mut self,
        value: Raw<'_>,
        place: &Place,
        go_type: &str,
        target: &mut String,
    ) -> bool {
        match value.kind() {
            Kind::String | Kind::Null => self.string(value, place, target),
            kind => self.mismatch(kind, place, go_type),
        }
        true
    }

    /// A struct of nothing but strings.
    fn strings<const N: usize>(
        &mut self,
        value: Raw<'_>,
        place: &Place,
        within: &'static str,
        mut fields: [(&str, &mut String); N],
    ) {
        self.object(value, place, within, |d, key, value, place| {
            let field = fields.iter_mut().find(|(name, _)| *name == key);
            field.is_some_and(|(_, target)| {
                d.string(value, place, target);
                true
            })
        });
    }

    fn claim_validation_rule(
        &mut self,
        value: Raw<'_>,
        place: &Place,
        rule: &mut ClaimValidationRule,
    ) {
        let fields = [
            ("claim", &mut rule.claim),
            ("requiredValue", &mut rule.required_value),
            ("expression", &mut rule.expression),
            ("message", &mut rule.message),
        ];
        self.strings(value, place, "ClaimValidationRule", fields);
    }

    fn user_validation_rule(
        &mut self,
        value: Raw<'_>,
        place: &Place,
        rule: &mut UserValidationRule,
    ) {
        let fields = [
            ("expression", &mut rule.expression),
            ("message", &mut rule.message),
        ];
        self.strings(value, place, "UserValidationRule", fields);
    }

    fn claim_mappings(&mut self, value: Raw<'_>, place: &Place, mappings: &mut ClaimMappings) {
        self.object(value, place, "ClaimMappings", |d, key, value, place| {
            match key {
                "username" => d.prefixed(value, place, &mut mappings.username),
                "groups" => d.prefixed(value, place, &mut mappings.groups),
                "uid" => {
                    let ClaimOrExpression { claim, expression } = &mut mappings.uid;
                    let fields = [("claim", claim), ("expression", expression)];
                    d.strings(value, place, "ClaimOrExpression", fields);
                }
                "extra" => d.list(
                    value,
                    place,
                    "ExtraMapping",
                    &mut mappings.extra,
                    Self::extra,
                ),
                _ => return false,
            }
            true
        });
    }

    fn extra(&mut self, value: Raw<'_>, place: &Place, extra: &mut ExtraMapping) {
        let fields = [
            ("key", &mut extra.key),
            ("valueExpression", &mut extra.value_expression),
        ];
        self.strings(value, place, "ExtraMapping", fields);
    }

    fn prefixed(&mut self, value: Raw<'_>, place: &Place, mapping: &mut PrefixedClaimOrExpression) {
        self.object(
            value,
            place,
            "PrefixedClaimOrExpression",
            |d, key, value, place| {
                match key {
                    "claim" => d.string(value, place, &mut mapping.claim),
                    "expression" => d.string(value, place, &mut mapping.expression),
                    "prefix" if value.kind() == Kind::Null => mapping.prefix = None,
                    "prefix" => d.string(value, place, mapping.prefix.get_or_insert_default()),
                    _ => return false,
                }
                true
            },
        );
    }
}
