//! POST, PUT and PATCH (apiserver, `handlers/{create,update,patch}.go`,
//! `registry/rest` and `registry/generic/registry/store.go`).

use bytes::Bytes;
use http::StatusCode;
use http::header::CONTENT_TYPE;
use serde_json::{Value, json};

use super::admission::{self, canonical, has_finalizers};
use super::body::{Input, decode_patched, read_object};
use super::kind::{Action, Id, Kind};
use super::object::{self, at, copy_meta, copy_top, meta, remove_meta, set, set_meta};
use super::query::{WriteOptions, parse_uint};
use super::schema::schema;
use super::store::{State, Stored, key};
use super::{Answer, Call, Inner, patch, rbac, unstored, validate};
use crate::audit;
use crate::wire::{Cause, Fault, Status};

const OPTIMISTIC_LOCK: &str =
    "the object has been modified; please apply your changes to the latest version and try again";

impl Inner {
    pub(super) fn create(&self, call: &Call<'_>, body: &Bytes) -> Result<Answer, Status> {
        let Input {
            mut object,
            dry_run,
        } = read_object(call, body, "CreateOptions")?;
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
        let stored = self
            .store
            .with(|state| self.create_in(state, call, object, dry_run))?;
        Ok(Answer {
            code: StatusCode::CREATED,
            body: stored,
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
        let causes = validate::create(self.authorizer.version(), kind, &object);
        if !causes.is_empty() {
            return Err(invalid(kind, meta(&object, "name"), causes));
        }
        if kind.id == Id::Service {
            admission::allocate(state, &mut object, None)?;
        }
        if kind.id == Id::Pod {
            // PodSecurity, with the policy of namespaces without labels for it.
            let policy = "privileged:latest";
            call.audit_annotation("pod-security.kubernetes.io/enforce-policy", policy);
        }
        // The storage layer refuses this one, without a reason of its own.
        let version = parse_uint(meta(&object, "resourceVersion"));
        if !dry_run && version.is_ok_and(|version| version != 0) {
            return Err(Status::unclassified(
                "resourceVersion should not be set on objects to be created",
            ));
        }
        let key = key(call.namespace, meta(&object, "name"));
        if let Some(there) = state.get(kind.id, &key) {
            let name = meta(&object, "name");
            let mut status = Status::already_exists(kind.group, kind.plural, name);
            if !base.is_empty() {
                status = Status::generate_name_conflict(kind.group, kind.plural, name);
            } else if !meta(&there.value, "deletionTimestamp").is_empty() {
                status.message.insert_str(0, "object is being deleted: ");
            }
            return Err(status);
        }
        set_meta(&mut object, "uid", object::new_uid());
        set_meta(&mut object, "creationTimestamp", self.now());
        if dry_run {
            // What the storage layer refuses else it hands back as it came.
            return Ok(canonical(kind.id, object));
        }
        set_meta(&mut object, "resourceVersion", "0");
        let stored = state.put(kind.id, canonical(kind.id, object));
        rbac::written(&self.authorizer, state, kind.id, &stored.value);
        if kind.id == Id::Namespace {
            self.furnish_namespace(state, meta(&stored.value, "name"), &self.now());
        }
        Ok(stored.value.clone())
    }

    pub(super) fn update(&self, call: &Call<'_>, body: &Bytes) -> Result<Answer, Status> {
        let Input { object, dry_run } = read_update(call, body)?;
        self.store.with(|state| {
            if call.action == Some(Action::Scale) {
                let old = existing(state, call)?;
                return self.scale(state, call, &object, &old, dry_run);
            }
            let Some(old) = state.get(call.kind.id, &call.key()).cloned() else {
                return self.create_by_update(state, call, object, dry_run);
            };
            let body = self.replace(state, call, object, &old, dry_run)?;
            Ok(Answer {
                code: StatusCode::OK,
                body,
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
    ) -> Result<Answer, Status> {
        let makes = match call.kind.id {
            Id::Unstored => unstored::made_by_update(call.kind),
            id => id.is_rbac() || id == Id::Service,
        };
        if !makes || call.action.is_some() {
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
        if call.kind.id == Id::Unstored {
            return Err(unstored::refusal(call));
        }
        for field in [
            "creationTimestamp",
            "deletionTimestamp",
            "deletionGracePeriodSeconds",
            "selfLink",
        ] {
            remove_meta(&mut object, field);
        }
        if !dry_run {
            remove_meta(&mut object, "resourceVersion");
        }
        let body = self.create_in(state, call, object, dry_run)?;
        Ok(Answer {
            code: StatusCode::CREATED,
            body,
        })
    }

    pub(super) fn patch(&self, call: &Call<'_>, body: &Bytes) -> Result<Answer, Status> {
        let media = patch::media(call.header(CONTENT_TYPE))?;
        let WriteOptions {
            dry_run,
            validation,
        } = call.query.write_options("PatchOptions")?;
        let sent = patch::Sent::read(media, body)?;
        call.audit_body(|| sent.value().clone());
        self.store.with(|state| {
            let old = existing(state, call)?;
            let patch = patch::Patch::decode(sent, validation)?;
            let scaling = call.action == Some(Action::Scale);
            let schema = schema(call.minor);
            let message = schema.message(call.form().message);
            let patched = if scaling {
                patch.apply(&scale_of(&old.value), schema, message)?
            } else {
                patch.apply(&old.value, schema, message)?
            };
            let mut object = decode_patched(call, patched, validation)?;
            match_namespace(&mut object, call.namespace)?;
            check_name(&object, call)?;
            if scaling {
                return self.scale(state, call, &object, &old, dry_run);
            }
            let body = self.replace(state, call, object, &old, dry_run)?;
            Ok(Answer {
                code: StatusCode::OK,
                body,
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
    ) -> Result<Answer, Status> {
        let new = scaled(call, &old.value, scale)?;
        let stored = self.replace(state, call, new, old, dry_run)?;
        Ok(Answer {
            code: StatusCode::OK,
            body: scale_of(&stored),
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
        if call.action.is_none() {
            let causes = validate::update(self.authorizer.version(), kind, &new, &old.value);
            if !causes.is_empty() {
                return Err(invalid(kind, call.name, causes));
            }
            if kind.id == Id::Service {
                admission::allocate(state, &mut new, Some(&old.value))?;
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

    pub(super) fn now(&self) -> String {
        object::time(self.clock.now())
    }
}

impl Call<'_> {
    /// Tells the audit event what the request was about.
    pub(super) fn audit(&self, object: &Value) {
        if let Some(context) = self.audit_context() {
            context.object(self.minor, object);
        }
    }

    /// Tells the audit event of a body that is no such object.
    pub(super) fn audit_body(&self, body: impl FnOnce() -> Value) {
        if let Some(context) = self.audit_context() {
            context.body(body);
        }
    }

    fn audit_annotation(&self, key: &str, value: &str) {
        if let Some(context) = self.audit_context() {
            context.annotate(key, value);
        }
    }

    fn audit_context(&self) -> Option<&audit::Context> {
        self.parts.extensions.get()
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

pub fn existing(state: &State, call: &Call<'_>) -> Result<std::sync::Arc<Stored>, Status> {
    state
        .get(call.kind.id, &call.key())
        .cloned()
        .ok_or_else(|| call.not_found())
}

/// # Errors
/// 400 where the object says another namespace than the path.
pub fn match_namespace(object: &mut Value, namespace: &str) -> Result<(), Status> {
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

/// The body of an update, which names what the path does.
pub fn read_update(call: &Call<'_>, body: &Bytes) -> Result<Input, Status> {
    let mut input = read_object(call, body, "UpdateOptions")?;
    match_namespace(&mut input.object, call.namespace)?;
    check_name(&input.object, call)?;
    Ok(input)
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
    match call.action {
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
        Some(Action::Scale | Action::Evict | Action::Unserved) | None => {}
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
