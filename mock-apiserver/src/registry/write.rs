//! POST, PUT, PATCH and DELETE (apiserver, `handlers/{create,update,patch,
//! delete}.go`, `registry/rest` and `registry/generic/registry/store.go`).

use bytes::Bytes;
use http::StatusCode;
use http::header::CONTENT_TYPE;
use serde_json::{Value, json};

use super::admission::{self, canonical, has_finalizers, mark_deleted};
use super::kind::{Action, Form, Id, Kind};
use super::object::{self, at, copy_meta, copy_top, meta, remove_meta, set, set_meta, text};
use super::query::{FieldValidation, check_dry_run, invalid_options};
use super::read::{ListOptions, page};
use super::schema::{Decoded, Message, schema};
use super::store::{State, Stored, key};
use super::{Answer, Call, Inner, as_item, defaults, list_of, patch, rbac, validate};
use crate::wire::{self, Cause, Details, Fault, Status, protobuf};

const OPTIMISTIC_LOCK: &str =
    "the object has been modified; please apply your changes to the latest version and try again";

/// A body that was read as an object of the call's kind, defaults put in.
struct Input {
    object: Value,
    warnings: Vec<String>,
}

impl Inner {
    pub(super) fn create(&self, call: &Call<'_>, body: &Bytes) -> Result<Answer, Status> {
        let dry_run = call.query.dry_run("CreateOptions")?;
        let validation = call.query.field_validation("CreateOptions")?;
        let Input {
            mut object,
            warnings,
        } = read_object(call, body, validation)?;
        for field in [
            "creationTimestamp",
            "uid",
            "deletionTimestamp",
            "deletionGracePeriodSeconds",
            "selfLink",
        ] {
            remove_meta(&mut object, field);
        }
        match_namespace(&mut object, call.namespace)?;
        call.audit(&object);
        let stored = self
            .store
            .with(|state| self.create_in(state, call, object, dry_run))?;
        Ok(Answer {
            code: StatusCode::CREATED,
            body: stored,
            warnings,
        })
    }

    /// Creates an object whose metadata is clean.
    fn create_in(
        &self,
        state: &mut State,
        call: &Call<'_>,
        mut object: Value,
        dry_run: bool,
    ) -> Result<Value, Status> {
        let kind = call.kind;
        admission::check_namespace(state, kind, call.namespace, meta(&object, "name"))?;
        admission::mutate_new(state, kind.id, &mut object)?;
        let base = meta(&object, "generateName").to_owned();
        if meta(&object, "name").is_empty() && !base.is_empty() {
            set_meta(&mut object, "name", object::generate_name(&base));
        }
        self.check_escalation(call, &object, None)?;
        admission::prepare_new(kind.id, &mut object);
        let causes = validate::create(kind, &object);
        if !causes.is_empty() {
            return Err(invalid(kind, meta(&object, "name"), causes));
        }
        if kind.id == Id::Service {
            admission::allocate(state, &mut object, None)?;
        }
        // The storage layer refuses this one, without a reason of its own.
        if !matches!(meta(&object, "resourceVersion"), "" | "0") {
            return Err(Status {
                code: 500,
                reason: String::new(),
                message: "resourceVersion should not be set on objects to be created".to_owned(),
                details: None,
            });
        }
        let key = key(call.namespace, meta(&object, "name"));
        if state.get(kind.id, &key).is_some() {
            return Err(Status::already_exists(
                kind.group,
                kind.plural,
                meta(&object, "name"),
            ));
        }
        set_meta(&mut object, "uid", object::new_uid());
        set_meta(&mut object, "creationTimestamp", self.now());
        if dry_run {
            remove_meta(&mut object, "resourceVersion");
            return Ok(canonical(kind.id, object));
        }
        set_meta(&mut object, "resourceVersion", "0");
        let stored = state.put(kind.id, canonical(kind.id, object));
        rbac::written(&self.authorizer, state, kind.id, &stored.value);
        if kind.id == Id::Namespace {
            let now = self.now();
            admission::furnish_namespace(state, meta(&stored.value, "name"), &now);
        }
        Ok(stored.value.clone())
    }

    pub(super) fn update(&self, call: &Call<'_>, body: &Bytes) -> Result<Answer, Status> {
        let dry_run = call.query.dry_run("UpdateOptions")?;
        let validation = call.query.field_validation("UpdateOptions")?;
        let Input {
            mut object,
            warnings,
        } = read_object(call, body, validation)?;
        match_namespace(&mut object, call.namespace)?;
        check_name(&object, call)?;
        call.audit(&object);
        self.store.with(|state| {
            if call.action() == Some(Action::Scale) {
                let old = existing(state, call)?;
                return self.scale(state, call, &object, &old, dry_run, warnings);
            }
            let Some(old) = state.get(call.kind.id, &call.key()).cloned() else {
                return self.create_by_update(state, call, object, dry_run, warnings);
            };
            let body = self.replace(state, call, object, &old, dry_run)?;
            Ok(Answer {
                code: StatusCode::OK,
                body,
                warnings,
            })
        })
    }

    /// PUT makes objects of some kinds, for those who may create them.
    fn create_by_update(
        &self,
        state: &mut State,
        call: &Call<'_>,
        mut object: Value,
        dry_run: bool,
        warnings: Vec<String>,
    ) -> Result<Answer, Status> {
        let allowed = call.kind.id.is_rbac() || call.kind.id == Id::Service;
        if !allowed || call.subresource.is_some() {
            return Err(call.not_found());
        }
        if !meta(&object, "uid").is_empty() {
            let why = format!(
                "Precondition failed: UID in precondition: {}, UID in object meta: ",
                meta(&object, "uid")
            );
            return Err(invalid_object(call, &why));
        }
        let mut request = call.info.authz();
        request.verb = "create";
        self.authorizer.check(call.user, &request)?;
        for field in [
            "creationTimestamp",
            "deletionTimestamp",
            "deletionGracePeriodSeconds",
            "selfLink",
            "resourceVersion",
        ] {
            remove_meta(&mut object, field);
        }
        let body = self.create_in(state, call, object, dry_run)?;
        Ok(Answer {
            code: StatusCode::CREATED,
            body,
            warnings,
        })
    }

    pub(super) fn patch(&self, call: &Call<'_>, body: &Bytes) -> Result<Answer, Status> {
        let content_type = call.header(CONTENT_TYPE);
        let patch = patch::Patch::parse(content_type, body)?;
        if call.query.has("force") && !call.query.get("force").is_empty() {
            return Err(invalid_options(
                "PatchOptions",
                Cause::new(
                    "force",
                    Fault::Forbidden,
                    None,
                    "may not be specified for non-apply patch",
                ),
            ));
        }
        let dry_run = call.query.dry_run("PatchOptions")?;
        let validation = call.query.field_validation("PatchOptions")?;
        self.store.with(|state| {
            let old = existing(state, call)?;
            let scaling = call.action() == Some(Action::Scale);
            let message = schema().message(call.form().message);
            let patched = if scaling {
                patch.apply(&scale_of(&old.value), message)?
            } else {
                patch.apply(&old.value, message)?
            };
            let Input {
                mut object,
                warnings,
            } = decode_patched(call, patched, validation)?;
            match_namespace(&mut object, call.namespace)?;
            check_name(&object, call)?;
            call.audit(&object);
            if scaling {
                return self.scale(state, call, &object, &old, dry_run, warnings);
            }
            let body = self.replace(state, call, object, &old, dry_run)?;
            Ok(Answer {
                code: StatusCode::OK,
                body,
                warnings,
            })
        })
    }

    /// Gives a deployment the replicas that a `Scale` asks for.
    fn scale(
        &self,
        state: &mut State,
        call: &Call<'_>,
        scale: &Value,
        old: &Stored,
        dry_run: bool,
        warnings: Vec<String>,
    ) -> Result<Answer, Status> {
        let new = scaled(call, &old.value, scale)?;
        let stored = self.replace(state, call, new, old, dry_run)?;
        Ok(Answer {
            code: StatusCode::OK,
            body: scale_of(&stored),
            warnings,
        })
    }

    /// Puts `new` in the place of `old`, as far as the call may change it.
    fn replace(
        &self,
        state: &mut State,
        call: &Call<'_>,
        mut new: Value,
        old: &Stored,
        dry_run: bool,
    ) -> Result<Value, Status> {
        let kind = call.kind;
        let uid = meta(&new, "uid");
        if !uid.is_empty() && uid != meta(&old.value, "uid") {
            let why = format!(
                "Precondition failed: UID in precondition: {uid}, UID in object meta: {}",
                meta(&old.value, "uid")
            );
            return Err(invalid_object(call, &why));
        }
        self.check_escalation(call, &new, Some(&old.value))?;
        let version = meta(&new, "resourceVersion");
        if !matches!(version, "" | "0") && version != meta(&old.value, "resourceVersion") {
            return Err(Status::conflict(
                kind.group,
                kind.plural,
                call.name,
                OPTIMISTIC_LOCK,
            ));
        }
        for field in ["resourceVersion", "uid", "creationTimestamp", "generation"] {
            copy_meta(&mut new, &old.value, field);
        }
        for field in ["deletionTimestamp", "deletionGracePeriodSeconds"] {
            copy_meta(&mut new, &old.value, field);
        }
        prepare_update(call, &mut new, &old.value);
        if kind.id == Id::Service && call.subresource.is_none() {
            // Addresses are kept before the object is looked at as a whole.
            let causes = validate::update(kind, &new, &old.value);
            if !causes.is_empty() {
                return Err(invalid(kind, call.name, causes));
            }
            admission::allocate(state, &mut new, Some(&old.value))?;
        } else if call.subresource.is_none() {
            let causes = validate::update(kind, &new, &old.value);
            if !causes.is_empty() {
                return Err(invalid(kind, call.name, causes));
            }
        }
        let new = canonical(kind.id, new);
        if dry_run {
            return Ok(new);
        }
        // The last finalizer is gone from an object that is being deleted.
        if !meta(&new, "deletionTimestamp").is_empty() && !has_finalizers(&new) {
            let waits_for_content = kind.id == Id::Namespace
                && at(&new, &["spec", "finalizers"])
                    .as_array()
                    .is_some_and(|f| !f.is_empty());
            if !waits_for_content {
                self.remove(state, kind, &call.key());
                return Ok(new);
            }
        }
        if new == old.value {
            return Ok(new);
        }
        let stored = state.put(kind.id, new);
        rbac::written(&self.authorizer, state, kind.id, &stored.value);
        Ok(stored.value.clone())
    }

    pub(super) fn delete(&self, call: &Call<'_>, body: &Bytes) -> Result<Answer, Status> {
        let options = DeleteOptions::read(call, body)?;
        self.store.with(|state| {
            let old = existing(state, call)?;
            options.check(call.kind, &old.value)?;
            if call.kind.id == Id::Namespace {
                admission::check_mortal(call.name)?;
            }
            let last = self.delete_in(state, call.kind, &old.value, options.dry_run);
            let (last, gone) = (last.0, last.1);
            let body = if call.kind.returns_deleted || !gone {
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
        let options = DeleteOptions::read(call, body)?;
        let list = ListOptions::parse(call)?;
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
    fn remove(&self, state: &mut State, kind: &'static Kind, key: &str) -> Option<Value> {
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
            admission::furnish_namespace(state, meta(gone, "namespace"), &self.now());
        }
    }

    fn finish_namespace(&self, state: &mut State, name: &str) {
        for (id, gone) in admission::finish_namespace(state, name, self.clock.now()) {
            rbac::removed(&self.authorizer, state, id, &gone);
        }
    }

    fn now(&self) -> String {
        object::time(self.clock.now())
    }
}

impl Call<'_> {
    /// Tells the audit event what the request was about.
    fn audit(&self, object: &Value) {
        if let Some(context) = self.parts.extensions.get::<crate::audit::Context>() {
            context.object(object);
        }
    }
}

fn invalid(kind: &Kind, name: &str, causes: Vec<Cause>) -> Status {
    Status::invalid(kind.group, kind.kind, name, causes)
}

/// 409 as the storage layer words a failed precondition.
fn invalid_object(call: &Call<'_>, why: &str) -> Status {
    let resource = match call.kind.id {
        Id::Service => "services/specs",
        Id::Node => "minions",
        _ => call.kind.plural,
    };
    Status::conflict(
        call.kind.group,
        call.kind.plural,
        call.name,
        &format!(
            "StorageError: invalid object, Code: 4, Key: /registry/{resource}/{}, ResourceVersion: 0, AdditionalErrorMsg: {why}",
            call.key()
        ),
    )
}

fn existing(state: &State, call: &Call<'_>) -> Result<std::sync::Arc<Stored>, Status> {
    state
        .get(call.kind.id, &call.key())
        .cloned()
        .ok_or_else(|| call.not_found())
}

fn read_object(
    call: &Call<'_>,
    body: &Bytes,
    validation: FieldValidation,
) -> Result<Input, Status> {
    let form = call.form();
    let decoded = wire::decode_body(call.header(CONTENT_TYPE), body, form.kind)?;
    let cannot = |why: &str| {
        Status::bad_request(format!(
            "{} in version {} cannot be handled as a {}: {why}",
            form.kind.kind,
            wire::quote(form.kind.version),
            form.kind.kind
        ))
    };
    let schema = schema();
    let message = schema
        .message(form.message)
        .ok_or_else(Status::generic_method_not_allowed)?;
    let typed = schema
        .decode(message, &decoded.object)
        .map_err(|why| cannot(&why))?;
    let mut faults = decoded.duplicates;
    faults.extend(typed.unknown);
    let warnings = match validation {
        FieldValidation::Strict if !faults.is_empty() => {
            return Err(cannot(&strict_error(&faults)));
        }
        FieldValidation::Warn => faults,
        _ => Vec::new(),
    };
    Ok(Input {
        object: defaulted(call, typed.value),
        warnings,
    })
}

/// What was read, with its type and the kind's defaults put in.
fn defaulted(call: &Call<'_>, object: Value) -> Value {
    let form = call.form();
    let mut object = wire::with_type(object, form.kind);
    if form.message == call.kind.message {
        defaults::apply(call.kind.id, &mut object);
    }
    object
}

fn strict_error(faults: &[String]) -> String {
    format!("strict decoding error: {}", faults.join(", "))
}

/// Reads the outcome of a patch back into the kind's type.
fn decode_patched(
    call: &Call<'_>,
    patched: patch::Patched,
    validation: FieldValidation,
) -> Result<Input, Status> {
    let form = call.form();
    let schema = schema();
    let message = schema
        .message(form.message)
        .ok_or_else(Status::generic_method_not_allowed)?;
    let refused = |why: &str| {
        // Strategic patches are shown themselves, the others as what they
        // made of the object.
        let shown = patched.shown.clone().unwrap_or_else(|| {
            String::from_utf8_lossy(&wire::json::bare(&patched.value)).into_owned()
        });
        Status::invalid(
            "",
            "",
            "",
            vec![Cause::new(
                "patch",
                Fault::Invalid,
                Some(&shown.into()),
                why,
            )],
        )
    };
    let typed = match &patched.shown {
        Some(_) => schema.convert(message, &patched.value),
        None => decode_typed(form, message, &patched.value),
    }
    .map_err(|why| refused(&why))?;
    let mut faults = patched.faults.clone();
    faults.extend(typed.unknown);
    match validation {
        FieldValidation::Strict if !faults.is_empty() => {
            return Err(refused(&strict_error(&faults)));
        }
        FieldValidation::Ignore => faults.clear(),
        _ => {}
    }
    Ok(Input {
        object: defaulted(call, typed.value),
        warnings: faults,
    })
}

/// Reads the text that a patch left, going by the type it says it is.
///
/// # Errors
/// The first fault, in Kubernetes' words.
fn decode_typed(form: Form, message: &Message, value: &Value) -> Result<Decoded, String> {
    let (kind, api_version) = wire::type_of(value)?;
    // Without a version, upstream reads into its internal type, none of whose
    // fields has a JSON name.
    if api_version.is_empty() {
        let fields = value.as_object().into_iter().flatten();
        let unknown = fields
            .filter(|(key, _)| *key != "kind" && *key != "apiVersion")
            .map(|(key, _)| format!("unknown field \"{key}\""));
        return Ok(Decoded {
            value: json!({}),
            unknown: unknown.collect(),
        });
    }
    let kind = if kind.is_empty() {
        form.kind.kind
    } else {
        kind
    };
    wire::check_conversion(kind, api_version, form.kind)?;
    schema().decode(message, value)
}

/// # Errors
/// 400 where the object says another namespace than the path.
fn match_namespace(object: &mut Value, namespace: &str) -> Result<(), Status> {
    let own = meta(object, "namespace");
    if own == namespace {
        return Ok(());
    }
    if own.is_empty() {
        set_meta(object, "namespace", namespace);
        return Ok(());
    }
    if namespace.is_empty() {
        remove_meta(object, "namespace");
        return Ok(());
    }
    Err(Status::bad_request(
        "the namespace of the provided object does not match the namespace sent on the request",
    ))
}

fn check_name(object: &Value, call: &Call<'_>) -> Result<(), Status> {
    let name = meta(object, "name");
    if name.is_empty() {
        return Err(Status::bad_request(format!(
            "the name of the object ({} based on URL) was undeterminable: name must be provided",
            call.name
        )));
    }
    if name != call.name {
        return Err(Status::bad_request(format!(
            "the name of the object ({name}) does not match the name on the URL ({})",
            call.name
        )));
    }
    Ok(())
}

/// What an update may not change is put back, and the generation counted
/// (the kinds' `strategy.go`: `PrepareForUpdate`).
fn prepare_update(call: &Call<'_>, new: &mut Value, old: &Value) {
    let id = call.kind.id;
    match call.action() {
        Some(Action::Status) => {
            let status = at(new, &["status"]).clone();
            let metadata = at(new, &["metadata"]).clone();
            *new = old.clone();
            new["metadata"] = metadata;
            new["status"] = status;
            return;
        }
        Some(Action::Finalize) => {
            let finalizers = at(new, &["spec", "finalizers"]).clone();
            *new = old.clone();
            set(new, &["spec"], "finalizers", finalizers);
            return;
        }
        Some(Action::Scale) | None => {}
    }
    match id {
        Id::Pod | Id::Node | Id::Namespace | Id::Service | Id::Deployment => {
            copy_top(new, old, "status");
        }
        _ => {}
    }
    if id == Id::Namespace {
        let finalizers = at(old, &["spec", "finalizers"]).clone();
        set(new, &["spec"], "finalizers", finalizers);
    }
    if matches!(id, Id::Pod | Id::Deployment) {
        let changed = canonical(id, new.clone())["spec"] != old["spec"];
        let annotated = id == Id::Deployment
            && at(new, &["metadata", "annotations"]) != at(old, &["metadata", "annotations"]);
        if changed || annotated {
            let generation = at(old, &["metadata", "generation"]).as_u64().unwrap_or(0);
            set_meta(new, "generation", generation + 1);
        }
    }
}

/// A deployment's `autoscaling/v1 Scale`.
pub fn scale_of(deployment: &Value) -> Value {
    let metadata = at(deployment, &["metadata"]);
    let mut out = serde_json::Map::new();
    for field in [
        "name",
        "namespace",
        "uid",
        "resourceVersion",
        "creationTimestamp",
    ] {
        if let Some(value) = metadata.get(field) {
            out.insert(field.to_owned(), value.clone());
        }
    }
    let mut scale = json!({
        "kind": "Scale",
        "apiVersion": "autoscaling/v1",
        "metadata": out,
        "spec": {},
        "status": {"replicas": at(deployment, &["status", "replicas"]).as_i64().unwrap_or(0)},
    });
    // Zero is left out, as Go does.
    if let Some(replicas) = at(deployment, &["spec", "replicas"])
        .as_i64()
        .filter(|n| *n != 0)
    {
        set(&mut scale, &["spec"], "replicas", replicas);
    }
    let selector = super::table::format_selector(at(deployment, &["spec", "selector"]));
    set(&mut scale, &["status"], "selector", selector);
    scale
}

/// `deployment` as the `Scale` wants it. The resource version comes along,
/// for whoever stores it to compare.
fn scaled(call: &Call<'_>, deployment: &Value, scale: &Value) -> Result<Value, Status> {
    let replicas = at(scale, &["spec", "replicas"]).as_i64().unwrap_or(0);
    if replicas < 0 {
        return Err(Status::invalid(
            "autoscaling",
            "Scale",
            meta(deployment, "name"),
            vec![Cause::new(
                "spec.replicas",
                Fault::Invalid,
                Some(&replicas.into()),
                "must be greater than or equal to 0",
            )],
        ));
    }
    let (uid, own) = (meta(scale, "uid"), meta(deployment, "uid"));
    if !uid.is_empty() && uid != own {
        return Err(Status::conflict(
            call.kind.group,
            &format!("{}/scale", call.kind.plural),
            call.name,
            &format!("Precondition failed: UID in precondition: {uid}, UID in object meta: {own}"),
        ));
    }
    let mut deployment = deployment.clone();
    set(&mut deployment, &["spec"], "replicas", replicas);
    set_meta(
        &mut deployment,
        "resourceVersion",
        meta(scale, "resourceVersion"),
    );
    Ok(deployment)
}

/// `meta/v1 DeleteOptions`, from the body or, without one, from the query.
struct DeleteOptions {
    dry_run: bool,
    uid: Option<String>,
    resource_version: Option<String>,
}

impl DeleteOptions {
    fn read(call: &Call<'_>, body: &Bytes) -> Result<Self, Status> {
        let options = if body.is_empty() {
            let mut options = json!({});
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
                        _ => call.query.number(key)?.into(),
                    };
                    set(&mut options, &[], key, typed);
                }
            }
            options
        } else {
            decode_delete_options(call.header(CONTENT_TYPE), body)?
        };
        let listed: Vec<&str> = at(&options, &["dryRun"])
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(Value::as_str)
            .collect();
        let dry_run = check_dry_run(&listed, "DeleteOptions")?
            || (body.is_empty() && call.query.dry_run("DeleteOptions")?);
        let refused = |cause| Err(invalid_options("DeleteOptions", cause));
        let policy = at(&options, &["propagationPolicy"]);
        if !policy.is_null() && at(&options, &["orphanDependents"]).is_boolean() {
            return refused(Cause::new(
                "propagationPolicy",
                Fault::Invalid,
                Some(policy),
                "orphanDependents and deletionPropagation cannot be both set",
            ));
        }
        if let Some(name) = policy.as_str()
            && !matches!(name, "Foreground" | "Background" | "Orphan")
        {
            return refused(Cause::new(
                "propagationPolicy",
                Fault::NotSupported,
                Some(policy),
                r#"supported values: "Foreground", "Background", "Orphan", "nil""#,
            ));
        }
        let precondition = |key: &str| {
            at(&options, &["preconditions", key])
                .as_str()
                .map(str::to_owned)
        };
        Ok(Self {
            dry_run,
            uid: precondition("uid"),
            resource_version: precondition("resourceVersion"),
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
    options
        .filter(Value::is_object)
        .filter(|options| matches!(text(options, &["kind"]), "" | "DeleteOptions"))
        .ok_or_else(|| Status::bad_request("decoded object cannot be converted to DeleteOptions"))
}
