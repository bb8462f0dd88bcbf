//! The rules of `metadata`, which are the same for every kind (apimachinery,
//! `pkg/api/validation/objectmeta.go`, and Kubernetes' `pkg/apis/core/validation`).

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::{FieldError, FieldErrorKind, IMMUTABLE};
use crate::names::{NameRule, label, label_key, label_value};
use crate::quote::quote;
use crate::version::Version;
use crate::wire::{Fields, ParseError};

/// The faults of labels that stand at `field`.
pub fn check_labels(
    version: Version,
    labels: &BTreeMap<String, String>,
    field: &str,
) -> Vec<FieldError> {
    let mut errors = Vec::new();
    for (key, value) in labels {
        errors.extend(
            label_key(version, key)
                .iter()
                .map(|f| FieldError::invalid(field, key, f)),
        );
        let faults = label_value(version, value);
        errors.extend(faults.iter().map(|f| FieldError::invalid(field, value, f)));
    }
    errors
}

/// `metadata` of an object of any kind, as far as it is checked.
pub struct Metadata {
    pub(super) version: Version,
    name: String,
    generate_name: String,
    namespace: String,
    resource_version: String,
    uid: String,
    generation: i64,
    labels: BTreeMap<String, String>,
    annotations: BTreeMap<String, String>,
    owner_references: Vec<OwnerReference>,
    finalizers: Vec<String>,
    creation_timestamp: Value,
    deletion_timestamp: Value,
    deletion_grace_period_seconds: Value,
}

struct OwnerReference {
    api_version: String,
    kind: String,
    name: String,
    uid: String,
    is_controller: bool,
    json: Value,
}

impl Metadata {
    /// That of `json`, an object of `kind`.
    ///
    /// # Errors
    /// A field of another type, in Go's words.
    pub fn of(version: Version, kind: &'static str, json: &Value) -> Result<Self, ParseError> {
        let fields = Fields::root(kind, json).child("metadata", "ObjectMeta")?;
        let owner_references =
            fields.each("ownerReferences", "OwnerReference", OwnerReference::of)?;
        let as_is = |name: &str| fields.get(name).cloned().unwrap_or_default();
        Ok(Metadata {
            version,
            name: fields.string("name")?,
            generate_name: fields.string("generateName")?,
            namespace: fields.string("namespace")?,
            resource_version: fields.string("resourceVersion")?,
            uid: fields.string("uid")?,
            generation: fields
                .get("generation")
                .and_then(Value::as_i64)
                .unwrap_or_default(),
            labels: fields.strings_by_key("labels")?,
            annotations: fields.strings_by_key("annotations")?,
            owner_references,
            finalizers: fields.strings("finalizers")?,
            creation_timestamp: as_is("creationTimestamp"),
            deletion_timestamp: as_is("deletionTimestamp"),
            deletion_grace_period_seconds: as_is("deletionGracePeriodSeconds"),
        })
    }

    /// Its faults whatever was there before, with the names' own rule
    /// (`ValidateObjectMeta` of `k8s.io/apimachinery/pkg/api/validation`).
    pub fn check(&self, namespaced: bool, names: NameRule) -> Vec<FieldError> {
        let mut errors = Vec::new();
        let base = Some(&self.generate_name).filter(|base| !base.is_empty());
        for fault in base.map_or_else(Vec::new, |base| names.prefix_faults(base)) {
            errors.push(FieldError::invalid(
                "metadata.generateName",
                &self.generate_name,
                &fault,
            ));
        }
        if self.name.is_empty() {
            errors.push(FieldError::required(
                "metadata.name",
                "name or generateName is required",
            ));
        }
        let name = Some(&self.name).filter(|name| !name.is_empty());
        for fault in name.map_or_else(Vec::new, |name| names.faults(name)) {
            errors.push(FieldError::invalid("metadata.name", &self.name, &fault));
        }
        let namespace = "metadata.namespace";
        match (namespaced, self.namespace.as_str()) {
            (true, "") => errors.push(FieldError::required(namespace, "")),
            (true, name) => errors.extend(
                label(name)
                    .iter()
                    .map(|f| FieldError::invalid(namespace, name, f)),
            ),
            (false, "") => {}
            (false, _) => errors.push(FieldError::forbidden(namespace, "not allowed on this type")),
        }
        errors.extend(self.check_generation());
        errors.extend(check_labels(self.version, &self.labels, "metadata.labels"));
        errors.extend(self.check_annotations());
        errors.extend(self.check_owner_references());
        errors.extend(self.check_finalizers());
        errors
    }

    /// Its faults as what takes the place of `old` (`ValidateObjectMetaUpdate`).
    pub fn check_update(&self, old: &Metadata) -> Vec<FieldError> {
        let mut errors = Vec::new();
        if !old.deletion_timestamp.is_null() {
            let mut added: Vec<&String> = self
                .finalizers
                .iter()
                .filter(|f| !old.finalizers.contains(f))
                .collect();
            added.sort();
            added.dedup();
            if !added.is_empty() {
                let list: Vec<String> = added.iter().map(|f| quote(f)).collect();
                let detail = format!(
                    "no new finalizers can be added if the object is being deleted, \
                     found new finalizers []string{{{}}}",
                    list.join(", ")
                );
                errors.push(FieldError::forbidden("metadata.finalizers", &detail));
            }
        }
        if self.resource_version.is_empty() {
            let detail = "must be specified for an update";
            errors.push(FieldError::invalid("metadata.resourceVersion", "", detail));
        }
        if self.version.has_declarable_metadata() {
            errors.extend(self.check_generation());
        }
        if self.generation < old.generation {
            let (field, value) = ("metadata.generation", self.generation.into());
            errors.push(FieldError::invalid_json(
                field,
                &value,
                "must not be decremented",
            ));
        }
        let fixed = [
            ("metadata.name", &self.name, &old.name),
            ("metadata.namespace", &self.namespace, &old.namespace),
            ("metadata.uid", &self.uid, &old.uid),
        ];
        for (field, new, _) in fixed.into_iter().filter(|(_, new, old)| new != old) {
            errors.push(FieldError::invalid(field, new, IMMUTABLE));
        }
        for (field, new, old) in self.settings_of_the_server(old) {
            if new != old {
                let field = format!("metadata.{field}");
                errors.push(FieldError::invalid_json(field, new, IMMUTABLE));
            }
        }
        errors.extend(check_labels(self.version, &self.labels, "metadata.labels"));
        errors.extend(self.check_annotations());
        errors.extend(self.check_owner_references());
        errors
    }

    /// What a server puts back before it looks, so that no client is told.
    fn settings_of_the_server<'m>(
        &'m self,
        old: &'m Metadata,
    ) -> [(&'static str, &'m Value, &'m Value); 3] {
        [
            (
                "creationTimestamp",
                &self.creation_timestamp,
                &old.creation_timestamp,
            ),
            (
                "deletionTimestamp",
                &self.deletion_timestamp,
                &old.deletion_timestamp,
            ),
            (
                "deletionGracePeriodSeconds",
                &self.deletion_grace_period_seconds,
                &old.deletion_grace_period_seconds,
            ),
        ]
    }

    fn check_generation(&self) -> Option<FieldError> {
        let detail = "must be greater than or equal to 0";
        (self.generation < 0).then(|| {
            FieldError::invalid_json("metadata.generation", &self.generation.into(), detail)
        })
    }

    fn check_annotations(&self) -> Vec<FieldError> {
        let field = "metadata.annotations";
        let mut errors = Vec::new();
        for key in self.annotations.keys() {
            let faults = label_key(self.version, &key.to_lowercase());
            errors.extend(faults.iter().map(|f| FieldError::invalid(field, key, f)));
        }
        let size: usize = self
            .annotations
            .iter()
            .map(|(k, v)| k.len() + v.len())
            .sum();
        if size > 256 << 10 {
            let detail = "may not be more than 262144 bytes";
            let kind = FieldErrorKind::TooLong;
            errors.push(FieldError::new(kind, field, String::new(), detail));
        }
        errors
    }

    fn check_owner_references(&self) -> Vec<FieldError> {
        let mut errors = Vec::new();
        let mut controller: Option<String> = None;
        for (i, reference) in self.owner_references.iter().enumerate() {
            errors.extend(if self.version.has_declarable_metadata() {
                reference.check(&format!("metadata.ownerReferences[{i}]"))
            } else {
                reference.check_as_before("metadata.ownerReferences")
            });
            if !reference.is_controller {
                continue;
            }
            let this = format!("{}/{}", reference.kind, reference.name);
            match &controller {
                None => controller = Some(this),
                Some(first) => {
                    let all = self
                        .owner_references
                        .iter()
                        .map(|r| r.json.clone())
                        .collect();
                    let detail = format!(
                        "Only one reference can have Controller set to true. \
                         Found \"true\" in references for {first} and {this}"
                    );
                    let field = "metadata.ownerReferences";
                    errors.push(FieldError::invalid_json(field, &all, &detail));
                }
            }
        }
        errors
    }

    fn check_finalizers(&self) -> Vec<FieldError> {
        let field = "metadata.finalizers";
        let mut errors = Vec::new();
        for name in &self.finalizers {
            let faults = label_key(self.version, name);
            errors.extend(faults.iter().map(|f| FieldError::invalid(field, name, f)));
        }
        let has = |name: &str| self.finalizers.iter().any(|f| f == name);
        if has("orphan") && has("foregroundDeletion") {
            let value = self.finalizers.clone().into();
            let detail = "finalizer orphan and foregroundDeletion cannot be both set";
            errors.push(FieldError::invalid_json(field, &value, detail));
        }
        errors
    }

    /// Finalizers that are neither standard nor qualified
    /// (`ValidateFinalizerName` of `pkg/apis/core/validation`).
    pub fn check_finalizer_names(&self) -> Vec<FieldError> {
        let standard = ["kubernetes", "orphan", "foregroundDeletion"];
        let detail = "name is neither a standard finalizer name nor is it fully qualified";
        self.finalizers
            .iter()
            .enumerate()
            .filter(|(_, name)| !name.contains('/') && !standard.contains(&name.as_str()))
            .map(|(i, name)| FieldError::invalid(format!("metadata.finalizers[{i}]"), name, detail))
            .collect()
    }
}

impl OwnerReference {
    fn of(fields: &Fields<'_>) -> Result<Self, ParseError> {
        let (api_version, kind) = (fields.string("apiVersion")?, fields.string("kind")?);
        let (name, uid) = (fields.string("name")?, fields.string("uid")?);
        // As Go prints the type, whose optional fields are two.
        let mut json = json!({ "apiVersion": api_version, "kind": kind, "name": name, "uid": uid });
        for field in ["controller", "blockOwnerDeletion"] {
            if let Some(value) = fields.get(field).filter(|value| value.is_boolean()) {
                json[field] = value.clone();
            }
        }
        Ok(Self {
            api_version,
            kind,
            name,
            uid,
            is_controller: json["controller"] == true,
            json,
        })
    }

    fn check(&self, field: &str) -> Vec<FieldError> {
        let mut errors = Vec::new();
        let must = "must not be empty";
        let parts: Vec<&str> = self.api_version.split('/').collect();
        let version = parts.last().copied().unwrap_or_default();
        if self.api_version.is_empty() {
            errors.push(FieldError::required(format!("{field}.apiVersion"), must));
        } else if parts.len() > 2 || version.is_empty() {
            let detail = "must be <group>/<version> or <version>";
            let field = format!("{field}.apiVersion");
            errors.push(FieldError::invalid(field, &self.api_version, detail));
        }
        for (name, value) in [
            ("kind", &self.kind),
            ("name", &self.name),
            ("uid", &self.uid),
        ] {
            if value.is_empty() {
                errors.push(FieldError::required(format!("{field}.{name}"), must));
            }
        }
        errors.extend(self.check_owner(field));
        errors
    }

    /// The rules and words of the releases without declarable metadata.
    fn check_as_before(&self, field: &str) -> Vec<FieldError> {
        let version = match self.api_version.split('/').collect::<Vec<_>>()[..] {
            [version] | [_, version] => version,
            _ => "",
        };
        let (empty, must) = ("version must not be empty", "must not be empty");
        let faults = [
            ("apiVersion", self.api_version.as_str(), version, empty),
            ("kind", &self.kind, &self.kind, must),
            ("name", &self.name, &self.name, must),
            ("uid", &self.uid, &self.uid, must),
        ];
        let mut errors: Vec<FieldError> = faults
            .into_iter()
            .filter(|(_, _, wanted, _)| wanted.is_empty())
            .map(|(name, value, _, detail)| {
                FieldError::invalid(format!("{field}.{name}"), value, detail)
            })
            .collect();
        errors.extend(self.check_owner(field));
        errors
    }

    fn check_owner(&self, field: &str) -> Option<FieldError> {
        let detail = "/v1, Kind=Event is disallowed from being an owner";
        (matches!(self.api_version.as_str(), "v1" | "/v1") && self.kind == "Event")
            .then(|| FieldError::invalid_json(field, &self.json, detail))
    }
}
