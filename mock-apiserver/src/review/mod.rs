//! The reviews: who am I, who is this token, may I, may they (Kubernetes,
//! `pkg/registry/authentication` and `pkg/registry/authorization`). Nothing
//! of them is kept.

mod selector;
mod wire;

use bytes::Bytes;
use http::request::Parts;
use jiff::Timestamp;
use kube_authn::User;
use kube_rbac::{Target, Version};
use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};

use crate::audit;
use crate::authn::Authenticators;
use crate::authz::{Authorizer, Request};
use crate::registry::{Form, create_options, decode_body};
use crate::request::RequestInfo;
use crate::wire::{Cause, Fault, Kind, Status, cannot_be_handled, with_type};
use selector::Which;
use wire::{
    AccessReviewSpec, AccessReviewStatus, NonResourceRule, ResourceRule, RulesReviewSpec,
    RulesReviewStatus, TokenReviewSpec, TokenReviewStatus,
};

/// One of the six kinds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Review {
    /// `SelfSubjectReview`.
    SelfSubject,
    /// `TokenReview`.
    Token,
    /// `SelfSubjectAccessReview`.
    SelfAccess,
    /// `SelfSubjectRulesReview`.
    SelfRules,
    /// `SubjectAccessReview`.
    Access,
    /// `LocalSubjectAccessReview`.
    LocalAccess,
}

const AUTHENTICATION: &str = "authentication.k8s.io";
const AUTHORIZATION: &str = "authorization.k8s.io";

impl Review {
    /// The review that a request's path names.
    pub fn of(info: &RequestInfo) -> Option<Self> {
        if !info.is_resource_request || info.api_version != "v1" || !info.subresource.is_empty() {
            return None;
        }
        let review = match (info.api_group.as_str(), info.resource.as_str()) {
            (AUTHENTICATION, "selfsubjectreviews") => Self::SelfSubject,
            (AUTHENTICATION, "tokenreviews") => Self::Token,
            (AUTHORIZATION, "selfsubjectaccessreviews") => Self::SelfAccess,
            (AUTHORIZATION, "selfsubjectrulesreviews") => Self::SelfRules,
            (AUTHORIZATION, "subjectaccessreviews") => Self::Access,
            (AUTHORIZATION, "localsubjectaccessreviews") => Self::LocalAccess,
            _ => return None,
        };
        let namespaced = !info.namespace.is_empty();
        (namespaced == (review == Self::LocalAccess)).then_some(review)
    }

    fn form(self) -> Form {
        let (group, kind, message) = match self {
            Self::SelfSubject => (
                AUTHENTICATION,
                "SelfSubjectReview",
                "k8s.io.api.authentication.v1.SelfSubjectReview",
            ),
            Self::Token => (
                AUTHENTICATION,
                "TokenReview",
                "k8s.io.api.authentication.v1.TokenReview",
            ),
            Self::SelfAccess => (
                AUTHORIZATION,
                "SelfSubjectAccessReview",
                "k8s.io.api.authorization.v1.SelfSubjectAccessReview",
            ),
            Self::SelfRules => (
                AUTHORIZATION,
                "SelfSubjectRulesReview",
                "k8s.io.api.authorization.v1.SelfSubjectRulesReview",
            ),
            Self::Access => (
                AUTHORIZATION,
                "SubjectAccessReview",
                "k8s.io.api.authorization.v1.SubjectAccessReview",
            ),
            Self::LocalAccess => (
                AUTHORIZATION,
                "LocalSubjectAccessReview",
                "k8s.io.api.authorization.v1.LocalSubjectAccessReview",
            ),
        };
        let kind = Kind {
            group,
            version: "v1",
            kind,
        };
        Form { kind, message }
    }
}

/// What a review is answered from.
pub struct Reviewer<'a> {
    pub(crate) authenticators: &'a Authenticators,
    pub(crate) authorizer: &'a Authorizer,
    pub(crate) now: Timestamp,
    pub(crate) user: &'a User,
    pub(crate) info: &'a RequestInfo,
}

impl Reviewer<'_> {
    /// Answers the review in a request's body. What was wrong with it and let
    /// pass goes to `warnings`, be it answered or refused.
    ///
    /// # Errors
    /// 400, 415 or 422.
    pub async fn answer(
        &self,
        review: Review,
        parts: &Parts,
        body: &Bytes,
        warnings: &mut Vec<String>,
    ) -> Result<Value, Status> {
        let form = review.form();
        let kind = form.kind;
        let content_type = parts
            .headers
            .get(http::header::CONTENT_TYPE)
            .and_then(|v| v.to_str().ok());
        let validation = create_options(parts)?.validation;
        let warn = |faults| *warnings = faults;
        let minor = self.authorizer.version();
        let object = decode_body(minor, content_type, body, form, validation, warn)?;
        let object = with_type(object, kind);
        if let Some(context) = parts.extensions.get::<audit::Context>() {
            context.object(minor, &object);
        }
        let object = Object {
            kind,
            value: object,
            namespace: &self.info.namespace,
        };
        if !object.is_in_its_namespace() {
            return Err(Status::bad_request(
                "the namespace of the provided object does not match the namespace sent on the request",
            ));
        }
        let object = match review {
            Review::SelfSubject => self.who_am_i(),
            Review::Token => self.token(&object).await?,
            Review::SelfRules => self.rules(&object)?,
            Review::SelfAccess | Review::Access | Review::LocalAccess => {
                self.access(review, &object)?
            }
        };
        Ok(object)
    }

    fn who_am_i(&self) -> Value {
        json!({
            "kind": "SelfSubjectReview",
            "apiVersion": "authentication.k8s.io/v1",
            "metadata": {"creationTimestamp": seconds(self.now)},
            "status": {"userInfo": audit::user(self.user)},
        })
    }

    async fn token(&self, object: &Object<'_>) -> Result<Value, Status> {
        let spec: TokenReviewSpec = object.spec()?;
        if spec.token.is_empty() {
            return Err(Status::bad_request(
                "token is required for TokenReview in authentication",
            ));
        }
        let own = self.authenticators.audiences();
        let asked = if spec.audiences.is_empty() {
            own
        } else {
            &spec.audiences
        };
        let mut status = TokenReviewStatus {
            user: json!({}),
            ..TokenReviewStatus::default()
        };
        match self.authenticators.review(&spec.token, asked).await {
            Ok(Some(user)) => {
                status.authenticated = true;
                status.user = audit::user(&user);
                status.audiences = own.iter().filter(|a| asked.contains(a)).cloned().collect();
            }
            Ok(None) => {}
            Err(error) => status.error = error,
        }
        Ok(object.answer(&spec, &status))
    }

    fn rules(&self, object: &Object<'_>) -> Result<Value, Status> {
        let spec: RulesReviewSpec = object.spec()?;
        if spec.namespace.is_empty() {
            return Err(Status::bad_request("no namespace on request"));
        }
        let found = self.authorizer.rules_for(self.user, &spec.namespace);
        let status = RulesReviewStatus {
            resource_rules: found
                .resource_rules
                .into_iter()
                .map(|rule| ResourceRule {
                    verbs: rule.verbs,
                    api_groups: rule.api_groups,
                    resources: rule.resources,
                    resource_names: rule.resource_names,
                })
                .collect(),
            non_resource_rules: found
                .non_resource_rules
                .into_iter()
                .map(|rule| NonResourceRule {
                    verbs: rule.verbs,
                    non_resource_urls: rule.non_resource_urls,
                })
                .collect(),
            incomplete: false,
            evaluation_error: if found.errors.is_empty() {
                String::new()
            } else {
                crate::wire::aggregate(found.errors)
            },
        };
        // Upstream answers with a fresh object: neither metadata nor spec come
        // back.
        let empty = Object {
            kind: object.kind,
            value: json!({}),
            namespace: "",
        };
        Ok(empty.answer(&json!({}), &status))
    }

    fn access(&self, review: Review, object: &Object<'_>) -> Result<Value, Status> {
        let spec: AccessReviewSpec = object.spec()?;
        let causes = validate(self.authorizer.version(), review, object, &spec);
        if !causes.is_empty() {
            // Upstream takes the kind of its internal object, which has none;
            // so the message starts with a dot.
            return Err(Status::invalid(object.kind.group, "", "", causes));
        }
        let other = User {
            username: spec.user.clone(),
            uid: spec.uid.clone(),
            groups: spec.groups.clone(),
            extra: spec.extra.clone(),
        };
        let user = if review == Review::SelfAccess {
            self.user
        } else {
            &other
        };
        let decision = self.authorizer.authorize(user, &request(&spec));
        let status = AccessReviewStatus {
            allowed: decision.allowed,
            reason: decision.reason,
            evaluation_error: evaluation_error(&spec),
        };
        let spec = if review == Review::SelfAccess {
            AccessReviewSpec {
                resource_attributes: spec.resource_attributes,
                non_resource_attributes: spec.non_resource_attributes,
                ..AccessReviewSpec::default()
            }
        } else {
            spec
        };
        Ok(object.answer(&spec, &status))
    }
}

/// The object of a review, as it was sent.
struct Object<'a> {
    kind: Kind<'static>,
    value: Value,
    /// The request's; empty at the cluster scope.
    namespace: &'a str,
}

impl Object<'_> {
    fn spec<T: DeserializeOwned + Default>(&self) -> Result<T, Status> {
        match self.value.get("spec") {
            None | Some(Value::Null) => Ok(T::default()),
            Some(spec) => T::deserialize(spec)
                .map_err(|error| cannot_be_handled(self.kind, &format!("json: {error}"))),
        }
    }

    fn metadata(&self, key: &str) -> &str {
        self.value
            .get("metadata")
            .and_then(|metadata| metadata.get(key))
            .and_then(Value::as_str)
            .unwrap_or_default()
    }

    /// A namespace in the object is overwritten at the cluster scope, and
    /// must be the request's else.
    fn is_in_its_namespace(&self) -> bool {
        let own = self.metadata("namespace");
        self.namespace.is_empty() || own.is_empty() || own == self.namespace
    }

    /// The metadata, where more is given than a review may have. What the
    /// server would overwrite anyway does not count; the namespace of the
    /// request is told with the rest.
    fn forbidden_metadata(&self) -> Option<Value> {
        let metadata = self.value.get("metadata")?.as_object()?;
        let mut kept: Map<String, Value> = metadata
            .iter()
            .filter(|(key, value)| {
                let empty = match value {
                    Value::Null => true,
                    Value::String(text) => text.is_empty(),
                    Value::Object(map) => map.is_empty(),
                    Value::Array(list) => list.is_empty(),
                    Value::Number(number) => number.as_f64() == Some(0.0),
                    Value::Bool(_) => false,
                };
                !empty
                    && !matches!(
                        key.as_str(),
                        "managedFields"
                            | "creationTimestamp"
                            | "deletionTimestamp"
                            | "deletionGracePeriodSeconds"
                            | "uid"
                            | "selfLink"
                            | "namespace"
                    )
            })
            .map(|(key, value)| (key.clone(), value.clone()))
            .collect();
        if kept.is_empty() {
            return None;
        }
        if !self.namespace.is_empty() {
            let before = ["name", "generateName"];
            let at = before.iter().filter(|key| kept.contains_key(**key)).count();
            kept.shift_insert(at, "namespace".to_owned(), json!(self.namespace));
        }
        Some(Value::Object(kept))
    }

    fn answer(&self, spec: &impl serde::Serialize, status: &impl serde::Serialize) -> Value {
        let metadata = match self.namespace {
            "" => json!({}),
            namespace => json!({"namespace": namespace}),
        };
        json!({
            "kind": self.kind.kind,
            "apiVersion": self.kind.api_version(),
            "metadata": metadata,
            "spec": spec,
            "status": status,
        })
    }
}

/// The faults of an access review (`pkg/apis/authorization/validation`).
fn validate(
    version: Version,
    review: Review,
    object: &Object<'_>,
    spec: &AccessReviewSpec,
) -> Vec<Cause> {
    let mut causes = Vec::new();
    let resource = spec.resource_attributes.as_ref();
    let non_resource = spec.non_resource_attributes.as_ref();
    if resource.is_some() == non_resource.is_some() {
        let either = "exactly one of nonResourceAttributes or resourceAttributes must be specified";
        let (field, detail) = if version.faults_the_whole_access_review() {
            ("spec", either)
        } else if resource.is_none() {
            ("spec.resourceAttributes", either)
        } else {
            let both = "cannot be specified in combination with resourceAttributes";
            ("spec.nonResourceAttributes", both)
        };
        causes.push(Cause::new(
            field,
            Fault::Invalid,
            Some(&non_resource.map_or(Value::Null, internal)),
            detail,
        ));
    }
    let anonymous = spec.user.is_empty() && spec.groups.is_empty();
    if review != Review::SelfAccess && anonymous {
        causes.push(Cause::new(
            "spec.user",
            Fault::Invalid,
            Some(&json!("")),
            "at least one of user or group must be specified",
        ));
    }
    if let Some(attributes) = resource {
        for (given, which) in [
            (&attributes.field_selector, Which::Field),
            (&attributes.label_selector, Which::Label),
        ] {
            causes.extend(
                given
                    .iter()
                    .flat_map(|s| selector::validate(version, s, which)),
            );
        }
    }
    let local = review == Review::LocalAccess;
    if let Some(metadata) = object.forbidden_metadata() {
        let detail = if local {
            "must be empty except for namespace"
        } else {
            "must be empty"
        };
        causes.push(Cause::new(
            "metadata",
            Fault::Invalid,
            Some(&metadata),
            detail,
        ));
    }
    if local {
        if let Some(attributes) = resource
            && attributes.namespace != object.namespace
        {
            causes.push(Cause::new(
                "spec.resourceAttributes.namespace",
                Fault::Invalid,
                Some(&json!(attributes.namespace)),
                "must match metadata.namespace",
            ));
        }
        if let Some(attributes) = non_resource {
            causes.push(Cause::new(
                "spec.nonResourceAttributes",
                Fault::Invalid,
                Some(&internal(attributes)),
                "disallowed on this kind of request",
            ));
        }
    }
    causes
}

/// The attributes a spec asks about; it has exactly one kind of them.
fn request(spec: &AccessReviewSpec) -> Request<'_> {
    match (&spec.resource_attributes, &spec.non_resource_attributes) {
        (Some(attributes), _) => Request {
            verb: &attributes.verb,
            target: Target::Resource {
                api_group: &attributes.group,
                resource: &attributes.resource,
                subresource: &attributes.subresource,
                name: &attributes.name,
                namespace: &attributes.namespace,
            },
        },
        (None, attributes) => Request {
            verb: attributes.as_ref().map_or("", |a| &a.verb),
            target: Target::NonResource {
                path: attributes.as_ref().map_or("", |a| &a.path),
            },
        },
    }
}

fn evaluation_error(spec: &AccessReviewSpec) -> String {
    let Some(attributes) = &spec.resource_attributes else {
        return String::new();
    };
    let errors: Vec<String> = [
        (&attributes.field_selector, Which::Field),
        (&attributes.label_selector, Which::Label),
    ]
    .into_iter()
    .filter_map(|(given, which)| selector::evaluation_error(given.as_ref()?, which))
    .collect();
    errors.join("; ")
}

/// The attributes as messages print them: upstream's internal type has no
/// JSON names, so Go's field names appear.
fn internal(attributes: &wire::NonResourceAttributes) -> Value {
    json!({"Path": attributes.path, "Verb": attributes.verb})
}

/// `meta/v1 Time`: whole seconds.
fn seconds(at: Timestamp) -> String {
    Timestamp::from_second(at.as_second())
        .unwrap_or(at)
        .to_string()
}
