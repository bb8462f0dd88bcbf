//! Kinds that Kubernetes serves and this cluster does not store. Who may do
//! what with them is decided as for any other; then lists of them are empty, a
//! name is not found, and making one is refused with the reason.

use axum::response::Response;
use http::Method;
use http::header::WARNING;
use kube_rbac::Version;

use super::kind::{Action, BASE, Id, KINDS, Kind};
use super::release::PerMinor;
use super::{Call, served};
use crate::wire::{self, Status};

/// What kubectl prints above an empty list. It is the same for all kinds, so
/// that it comes once for `kubectl get all`.
const NONE: &str = "this cluster does not store some of the kinds that were asked for: there are none, and none can be created";

/// Groups of reviews, which are answered before the registry is asked.
const REVIEWS: [&str; 2] = ["authentication.k8s.io", "authorization.k8s.io"];

/// All of them in `minor`, made of discovery.
pub fn kinds(minor: Version) -> &'static [Kind] {
    static UNSTORED: PerMinor<Vec<Kind>> = PerMinor::new();
    UNSTORED.get(minor, || {
        let mut kinds = Vec::new();
        for group in served::groups(minor) {
            for version in &group.versions {
                let resources = version.resources.iter();
                kinds.extend(resources.filter_map(|r| kind(group.name(), &version.version, r)));
            }
        }
        kinds
    })
}

fn kind(
    group: &'static str,
    version: &'static str,
    resource: &'static served::Resource,
) -> Option<Kind> {
    let plural = resource.resource.as_str();
    let stored = KINDS.iter().any(|k| k.group == group && k.plural == plural);
    let not_stored = !stored && !REVIEWS.contains(&group);
    not_stored.then(|| Kind {
        id: Id::Unstored,
        group,
        version,
        kind: &resource.response_kind.kind,
        plural,
        namespaced: resource.namespaced(),
        fields: fields(group, plural),
        ..BASE
    })
}

/// The fields that a selector may name besides the general two, where there are
/// any (kubernetes, `pkg/apis/*/v1/conversion.go`).
fn fields(group: &str, plural: &str) -> Option<&'static [&'static str]> {
    Some(match (group, plural) {
        ("", "events") => &[
            "involvedObject.kind",
            "involvedObject.namespace",
            "involvedObject.name",
            "involvedObject.uid",
            "involvedObject.apiVersion",
            "involvedObject.resourceVersion",
            "involvedObject.fieldPath",
            "reason",
            "reportingComponent",
            "source",
            "type",
        ],
        ("events.k8s.io", "events") => &[
            "regarding.kind",
            "regarding.namespace",
            "regarding.name",
            "regarding.uid",
            "regarding.apiVersion",
            "regarding.resourceVersion",
            "regarding.fieldPath",
            "reason",
            "reportingController",
            "type",
        ],
        ("", "replicationcontrollers") => &["status.replicas"],
        ("batch", "jobs") => &["status.successful"],
        ("certificates.k8s.io", "certificatesigningrequests" | "clustertrustbundles") => {
            &["spec.signerName"]
        }
        ("certificates.k8s.io", "podcertificaterequests") => {
            &["spec.signerName", "spec.podName", "spec.nodeName"]
        }
        ("resource.k8s.io", "resourceslices") => {
            &["spec.nodeName", "spec.driver", "spec.pool.name"]
        }
        _ => return None,
    })
}

/// Subresources that give a stream of their own, not an object.
pub fn streams(subresource: &str) -> bool {
    matches!(
        subresource,
        "log" | "exec" | "attach" | "portforward" | "proxy"
    )
}

/// Whether PUT of a missing one would make it (`AllowCreateOnUpdate` of
/// kubernetes, `pkg/registry/*/strategy.go`).
pub fn made_by_update(kind: &Kind) -> bool {
    matches!(
        (kind.group, kind.plural),
        ("", "endpoints" | "events" | "limitranges")
            | ("coordination.k8s.io", "leases")
            | ("events.k8s.io", "events")
            | ("node.k8s.io", "runtimeclasses")
    )
}

/// The refusal of what would need something that is not there.
pub fn refusal(call: &Call<'_>) -> Status {
    let resource = call.info.full_resource();
    let mut status = Status::method_not_allowed(call.kind.group, &resource, &call.info.verb);
    status.message.push_str(match call.action {
        Some(Action::Unserved) => ": this cluster does not serve it",
        _ => ": this cluster does not store them",
    });
    status
}

/// `response` to a question about objects that are not stored, with warnings
/// that they are not, and that Kubernetes has given their kind up.
pub fn warned(call: &Call<'_>, mut response: Response) -> Response {
    // Whoever deletes all that there are is told of none, too.
    let answered = matches!(call.parts.method, Method::GET | Method::DELETE);
    if answered && call.kind.id == Id::Unstored && !asked_by_the_way(call.kind) {
        let told = deprecation(call.kind).into_iter().chain([NONE]);
        for warning in told.filter_map(wire::warning) {
            response.headers_mut().append(WARNING, warning);
        }
    }
    response
}

/// `APILifecycleDeprecated` of the stable versions.
fn deprecation(kind: &Kind) -> Option<&'static str> {
    match (kind.group, kind.plural) {
        ("", "componentstatuses") => Some("v1 ComponentStatus is deprecated in v1.19+"),
        ("", "endpoints") => {
            Some("v1 Endpoints is deprecated in v1.33+; use discovery.k8s.io/v1 EndpointSlice")
        }
        _ => None,
    }
}

/// kubectl lists these on its own account: events when it describes something,
/// definitions before it takes a file with an unknown kind.
fn asked_by_the_way(kind: &Kind) -> bool {
    matches!(
        (kind.group, kind.plural),
        ("" | "events.k8s.io", "events") | ("apiextensions.k8s.io", "customresourcedefinitions")
    )
}
