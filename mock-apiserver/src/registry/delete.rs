//! DELETE, and what else takes objects away (apiserver, `handlers/delete.go`;
//! kubernetes, `registry/core/pod/storage/eviction.go`).

use bytes::Bytes;
use http::StatusCode;
use http::header::CONTENT_TYPE;
use jiff::Timestamp;
use serde_json::{Value, json};

use super::admission::{self, canonical, has_finalizers, mark_deleted};
use super::body::{Input, read_object};
use super::kind::{Id, Kind};
use super::object::{at, meta, remove_meta, set, set_meta, text};
use super::query::{check_dry_run, invalid_options};
use super::read::{ListOptions, page};
use super::schema::newest;
use super::store::{State, key};
use super::write::{existing, match_namespace};
use super::{Answer, Call, Inner, as_item, list_of, rbac};
use crate::wire::{self, Cause, Details, Fault, Status, protobuf};

impl Inner {
    pub(super) fn delete(&self, call: &Call<'_>, body: &Bytes) -> Result<Answer, Status> {
        let options = DeleteOptions::read(call, body)?;
        self.store.with(|state| {
            let old = existing(state, call)?;
            options.check(call.kind, &old.value)?;
            if call.kind.id == Id::Namespace {
                admission::check_mortal(call.name)?;
            }
            let (last, gone) = self.delete_in(state, call.kind, &old.value, options.dry_run);
            let body = if let Some(finalizer) = options.finalizer {
                // The garbage collector takes it off at once: nothing depends on
                // anything here.
                held_by(call.kind, &old.value, finalizer, self.clock.now())
            } else if call.kind.returns_deleted || !gone {
                last
            } else {
                Status::success(Some(Details {
                    name: call.name.to_owned(),
                    group: call.kind.group.to_owned(),
                    kind: call.kind.plural.to_owned(),
                    uid: meta(&old.value, "uid").to_owned(),
                    ..Details::default()
                }))
                .to_value()
            };
            Ok(Answer::ok(body))
        })
    }

    pub(super) fn delete_collection(
        &self,
        call: &Call<'_>,
        body: &Bytes,
    ) -> Result<Answer, Status> {
        let list = ListOptions::parse(call)?;
        let options = DeleteOptions::read(call, body)?;
        self.store.with(|state| {
            let page = page(state, call, &list)?;
            let mut items = Vec::new();
            for object in page.items {
                options.check(call.kind, &object.value)?;
                self.delete_in(state, call.kind, &object.value, options.dry_run);
                items.push(as_item(&object.value));
            }
            Ok(Answer::ok(list_of(call.kind, page.metadata, items)))
        })
    }

    /// `pods/eviction`: there are no disruption budgets to stand in the way.
    pub(super) fn evict(&self, call: &Call<'_>, body: &Bytes) -> Result<Answer, Status> {
        let Input {
            mut object,
            dry_run,
        } = read_object(call, body, "CreateOptions")?;
        match_namespace(&mut object, call.namespace)?;
        if meta(&object, "name") != call.name {
            return Err(Status::bad_request(
                "name in URL does not match name in Eviction object",
            ));
        }
        let options = DeleteOptions::of(at(&object, &["deleteOptions"]))?;
        self.store.with(|state| {
            let old = existing(state, call)?;
            options.check(call.kind, &old.value)?;
            self.delete_in(state, call.kind, &old.value, dry_run || options.dry_run);
            let mut body = Status::success(None).to_value();
            body["code"] = 201.into();
            Ok(Answer {
                code: StatusCode::CREATED,
                body,
            })
        })
    }

    /// Deletes an object, or marks it where finalizers keep it. Its last
    /// state, and whether it is gone.
    fn delete_in(
        &self,
        state: &mut State,
        kind: &'static Kind,
        old: &Value,
        dry_run: bool,
    ) -> (Value, bool) {
        let key = key(meta(old, "namespace"), meta(old, "name"));
        let waits = kind.id == Id::Namespace || has_finalizers(old);
        if !waits {
            if dry_run {
                return (old.clone(), true);
            }
            let last = self.remove(state, kind, &key);
            return (last.unwrap_or_else(|| old.clone()), true);
        }
        let mut marked = old.clone();
        mark_deleted(&mut marked, self.clock.now());
        if kind.id == Id::Namespace {
            remove_meta(&mut marked, "deletionGracePeriodSeconds");
            set(&mut marked, &["status"], "phase", "Terminating");
        }
        let marked = canonical(kind.id, marked);
        if dry_run || marked == *old {
            return (marked, false);
        }
        let stored = state.put(kind.id, marked);
        if kind.id == Id::Namespace {
            self.finish_namespace(state, meta(old, "name"));
        }
        (stored.value.clone(), false)
    }

    /// Removes an object, what the policy says because of it, and the
    /// namespace that only waited for it.
    pub(super) fn remove(
        &self,
        state: &mut State,
        kind: &'static Kind,
        key: &str,
    ) -> Option<Value> {
        let gone = state.remove(kind.id, key)?;
        rbac::removed(&self.authorizer, state, kind.id, &gone.value);
        if kind.namespaced {
            let name = meta(&gone.value, "namespace");
            let going = state
                .get(Id::Namespace, name)
                .is_some_and(|ns| !meta(&ns.value, "deletionTimestamp").is_empty());
            if going {
                self.finish_namespace(state, name);
            } else {
                self.refurnish(state, kind.id, &gone.value);
            }
        }
        Some(gone.value.clone())
    }

    /// The controllers put back what every namespace has.
    fn refurnish(&self, state: &mut State, id: Id, gone: &Value) {
        let back = matches!(
            (id, meta(gone, "name")),
            (Id::ServiceAccount, "default") | (Id::ConfigMap, "kube-root-ca.crt")
        );
        if back {
            self.furnish_namespace(state, meta(gone, "namespace"), &self.now());
        }
    }

    pub(super) fn furnish_namespace(&self, state: &mut State, name: &str, created: &str) {
        admission::furnish_namespace(state, name, created, &self.cluster_ca_pem);
    }

    fn finish_namespace(&self, state: &mut State, name: &str) {
        for (id, gone) in admission::finish_namespace(state, name, self.clock.now()) {
            rbac::removed(&self.authorizer, state, id, &gone);
        }
    }
}

/// An object that is being deleted, and that the garbage collector holds by
/// `finalizer` until it has looked at what depends on it.
fn held_by(kind: &'static Kind, old: &Value, finalizer: &str, now: Timestamp) -> Value {
    let mut held = old.clone();
    mark_deleted(&mut held, now);
    let finalizers = at(old, &["metadata", "finalizers"]).as_array();
    let mut finalizers = finalizers.cloned().unwrap_or_default();
    finalizers.push(finalizer.into());
    set_meta(&mut held, "finalizers", finalizers);
    canonical(kind.id, held)
}

/// `meta/v1 DeleteOptions`, from the body or, without one, from the query.
struct DeleteOptions {
    dry_run: bool,
    uid: Option<String>,
    resource_version: Option<String>,
    /// The garbage collector's, for dependents that go first, or stay.
    finalizer: Option<&'static str>,
}

impl DeleteOptions {
    fn read(call: &Call<'_>, body: &Bytes) -> Result<Self, Status> {
        let options = if body.is_empty() {
            let mut options = json!({"dryRun": call.query.all("dryRun")});
            for key in [
                "propagationPolicy",
                "orphanDependents",
                "gracePeriodSeconds",
            ] {
                let value = call.query.get(key);
                if !value.is_empty() {
                    let typed = match key {
                        "propagationPolicy" => Value::from(value),
                        "orphanDependents" => Value::from(call.query.flag(key)),
                        _ => call.query.number(key).map_err(Status::bad_request)?.into(),
                    };
                    set(&mut options, &[], key, typed);
                }
            }
            options
        } else {
            let options = decode_delete_options(call.header(CONTENT_TYPE), body)?;
            call.audit_body(|| encoded(&options));
            options
        };
        Self::of(&options)
    }

    fn of(options: &Value) -> Result<Self, Status> {
        let mut causes = Vec::new();
        let policy = at(options, &["propagationPolicy"]);
        if !policy.is_null() && at(options, &["orphanDependents"]).is_boolean() {
            causes.push(Cause::new(
                "propagationPolicy",
                Fault::Invalid,
                Some(policy),
                "orphanDependents and deletionPropagation cannot be both set",
            ));
        }
        if let Some(name) = policy.as_str()
            && !matches!(name, "Foreground" | "Background" | "Orphan")
        {
            causes.push(Cause::new(
                "propagationPolicy",
                Fault::NotSupported,
                Some(policy),
                r#"supported values: "Foreground", "Background", "Orphan", "nil""#,
            ));
        }
        let listed = at(options, &["dryRun"]).as_array().into_iter().flatten();
        let listed: Vec<&str> = listed.filter_map(Value::as_str).collect();
        let dry_run = check_dry_run(&listed, &mut causes);
        if !causes.is_empty() {
            return Err(invalid_options("DeleteOptions", causes));
        }
        let precondition = |key: &str| {
            at(options, &["preconditions", key])
                .as_str()
                .map(str::to_owned)
        };
        Ok(Self {
            dry_run,
            uid: precondition("uid"),
            resource_version: precondition("resourceVersion"),
            finalizer: match (policy.as_str(), at(options, &["orphanDependents"])) {
                (Some("Foreground"), _) => Some("foregroundDeletion"),
                (Some("Orphan"), _) | (_, Value::Bool(true)) => Some("orphan"),
                _ => None,
            },
        })
    }

    /// # Errors
    /// 409 where a precondition does not hold.
    fn check(&self, kind: &Kind, object: &Value) -> Result<(), Status> {
        let conflict = |why: &str| {
            // Upstream says the kind here and not the resource.
            Err(Status::conflict(
                kind.group,
                kind.kind,
                meta(object, "name"),
                why,
            ))
        };
        let uid = meta(object, "uid");
        if let Some(wanted) = self.uid.as_deref().filter(|wanted| *wanted != uid) {
            return conflict(&format!(
                "the UID in the precondition ({wanted}) does not match the UID in record ({uid}). The object might have been deleted and then recreated"
            ));
        }
        let version = meta(object, "resourceVersion");
        if let Some(wanted) = self
            .resource_version
            .as_deref()
            .filter(|wanted| *wanted != version)
        {
            return conflict(&format!(
                "the ResourceVersion in the precondition ({wanted}) does not match the ResourceVersion in record ({version}). The object might have been modified"
            ));
        }
        Ok(())
    }
}

/// Options as audit events have them, whatever version they came in.
fn encoded(options: &Value) -> Value {
    const INTERNAL: wire::Kind<'static> = wire::Kind {
        group: "meta.k8s.io",
        version: "__internal",
        kind: "DeleteOptions",
    };
    let message = newest().message("k8s.io.apimachinery.pkg.apis.meta.v1.DeleteOptions");
    let decoded = message.and_then(|message| newest().decode(message, options).ok());
    wire::with_type(
        decoded.map_or_else(|| options.clone(), |d| d.value),
        INTERNAL,
    )
}

/// Clients send these options with the group and version of whatever they
/// delete, so neither is looked at.
fn decode_delete_options(content_type: Option<&str>, body: &Bytes) -> Result<Value, Status> {
    let media = wire::Media::of_content_type(content_type)
        .ok_or_else(|| Status::unsupported_media_type(&wire::SUPPORTED))?;
    let options = match media {
        wire::Media::Protobuf => protobuf::open(body)
            .ok()
            .and_then(|envelope| envelope.decode_as("v1", "DeleteOptions"))
            .and_then(Result::ok)
            .map(Value::Object),
        wire::Media::Json => serde_json::from_slice(body).ok(),
        wire::Media::Yaml => wire::decode_body(
            content_type,
            body,
            wire::Kind {
                group: "",
                version: "v1",
                kind: "DeleteOptions",
            },
        )
        .ok()
        .map(|decoded| decoded.object),
    };
    let unlike = || Status::bad_request("decoded object cannot be converted to DeleteOptions");
    let options = options.filter(Value::is_object).ok_or_else(unlike)?;
    match (text(&options, &["kind"]), text(&options, &["apiVersion"])) {
        ("" | "DeleteOptions", _) => Ok(options),
        (kind, _) if META_KINDS.contains(&kind) => Err(unlike()),
        (kind, version) => Err(Status::bad_request(wire::not_registered(
            kind,
            if version.is_empty() { "v1" } else { version },
            "pkg/apis/meta/internalversion/scheme/register.go:27",
        ))),
    }
}

/// What options are read with (`pkg/apis/meta/internalversion/scheme`).
const META_KINDS: [&str; 9] = [
    "CreateOptions",
    "GetOptions",
    "ListOptions",
    "PatchOptions",
    "PartialObjectMetadata",
    "Status",
    "Table",
    "UpdateOptions",
    "WatchEvent",
];
