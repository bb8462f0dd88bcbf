//! What kubectl asks for: its requests, recorded on their way to a cluster of
//! their own.

use std::path::Path;
use std::process::Stdio;
use std::sync::{Arc, Mutex, PoisonError};

use axum::body::{Body, to_bytes};
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse as _, Response};
use foundation::listen::Listener;
use harness::rig::{Config, Rig};
use tokio_util::sync::CancellationToken;

use crate::Error;
use crate::requests::{Request, Who};

/// A day's work. Files are those of [`FILES`].
const LINES: &[&str] = &[
    "version",
    "api-resources",
    "api-versions",
    "cluster-info",
    "explain deployment.spec.replicas",
    "create namespace team",
    "create configmap settings --from-literal=colour=blue --namespace=team",
    "create secret generic hidden --from-literal=a=b --namespace=team",
    "create serviceaccount robot --namespace=team",
    "create token robot --namespace=team",
    "create deployment web --image=nginx --namespace=team",
    "create role reader --verb=get,list --resource=configmaps --namespace=team",
    "create rolebinding readers --role=reader --user=jane --namespace=team",
    "create clusterrole nodes --verb=get --resource=nodes",
    "create clusterrolebinding nodes --clusterrole=nodes --group=staff",
    "create clusterrolebinding wrong --clusterrole=nodes --serviceaccount=team:robot --dry-run=server",
    "run pod --image=busybox --namespace=team --restart=Never",
    "expose deployment web --port=80 --namespace=team",
    "get configmaps,secrets,serviceaccounts,roles,rolebindings --namespace=team",
    "get configmap settings --namespace=team --output=yaml",
    "get deployments --all-namespaces --output=wide",
    "get clusterroles --selector=kubernetes.io/bootstrapping=rbac-defaults",
    "get pods --field-selector=metadata.name=pod --namespace=team --output=json",
    "get configmap missing --namespace=team",
    "get pods --as=jane --namespace=team",
    "get configmaps --as=jane --namespace=team",
    "get nodes --as=jane --as-group=staff",
    "get nodes --as=jane --as-group=staff --as-uid=7 --as-user-extra=scopes=view",
    "get --raw=/healthz?verbose",
    "get --raw=/apis/apps/v1",
    "describe configmap settings --namespace=team",
    "describe rolebinding readers --namespace=team",
    "label configmap settings a=b --namespace=team",
    "annotate configmap settings note=x --namespace=team",
    "patch configmap settings --namespace=team --patch={\"data\":{\"colour\":\"red\"}}",
    "patch configmap settings --namespace=team --type=json --patch=[{\"op\":\"remove\",\"path\":\"/data/colour\"}]",
    "patch role reader --namespace=team --type=merge --patch={\"rules\":[]}",
    "scale deployment web --replicas=3 --namespace=team",
    "set image deployment/web nginx=nginx:2 --namespace=team",
    "apply --filename=first.yaml",
    "apply --filename=first.yaml",
    "apply --filename=second.yaml",
    "apply --filename=wrong.yaml",
    "apply --filename=second.yaml --dry-run=server",
    "replace --filename=second.yaml",
    "auth can-i get configmaps --namespace=team --as=jane",
    "auth can-i delete nodes --as=jane",
    "auth can-i get /metrics --as=jane",
    "auth can-i --list --namespace=team --as=jane",
    "auth whoami",
    "auth whoami --as=jane --as-group=staff",
    "auth reconcile --filename=rbac.yaml",
    "auth reconcile --filename=rbac.yaml --remove-extra-permissions",
    "events --namespace=team",
    "wait configmap/settings --for=jsonpath={.metadata.name}=settings --namespace=team --timeout=2s",
    "delete configmap settings --namespace=team",
    "delete configmap settings --namespace=team --ignore-not-found",
    "delete rolebindings --all --namespace=team",
    "delete clusterrole nodes",
    "delete --filename=second.yaml",
];

const FILES: [(&str, &str); 4] = [
    (
        "first.yaml",
        "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: applied, namespace: team}\ndata: {a: b}\n",
    ),
    (
        "second.yaml",
        "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: applied, namespace: team, labels: {x: y}}\ndata: {c: d}\n",
    ),
    (
        "wrong.yaml",
        "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: applied, namespace: team}\ndatta: {c: d}\n",
    ),
    (
        "rbac.yaml",
        "apiVersion: rbac.authorization.k8s.io/v1\nkind: Role\nmetadata: {name: reader, namespace: team}\nrules:\n- apiGroups: ['']\n  resources: [configmaps]\n  verbs: [get]\n",
    ),
];

/// Runs kubectl, line by line, and says what it sent. Watches end after a
/// second when they are asked again; answers are asked for as JSON.
///
/// # Errors
/// There is no kubectl, or no cluster for it. That kubectl says no to a line is
/// none.
pub async fn record(kubectl: &Path) -> Result<Vec<Request>, Error> {
    let folder = tempfile::tempdir()?;
    for (name, text) in FILES {
        std::fs::write(folder.path().join(name), text)?;
    }
    let rig = Rig::start(Config::default()).await?;
    let cluster = rig.ready_cluster();
    let roots = foundation::pki::roots_from_pem(cluster.ca_pem())?;
    let way = Way {
        client: harness::client::https(roots, cluster.admin(), None)?,
        origin: cluster.endpoint().to_owned(),
        sent: Arc::default(),
    };
    let listener = Listener::bind(([127, 0, 0, 1], 0).into()).await?;
    let server = format!("--server=http://{}", listener.addr());
    let shutdown = CancellationToken::new();
    let service = axum::Router::new()
        .fallback(forward)
        .with_state(way.clone());
    let serving = tokio::spawn(listener.serve_plain(service, shutdown.clone()));
    for line in LINES {
        let status = tokio::process::Command::new(kubectl)
            .args([&server, "--kubeconfig=/dev/null"])
            .args(line.split(' '))
            .current_dir(folder.path())
            .env("HOME", folder.path())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .status()
            .await;
        status.map_err(|error| format!("{}: {error}", kubectl.display()))?;
    }
    shutdown.cancel();
    serving.await?;
    rig.stop().await;
    let sent = way.sent.lock().unwrap_or_else(PoisonError::into_inner);
    Ok(sent.clone())
}

#[derive(Clone)]
struct Way {
    client: reqwest::Client,
    origin: String,
    sent: Arc<Mutex<Vec<Request>>>,
}

async fn forward(
    State(way): State<Way>,
    request: axum::extract::Request,
) -> Result<Response, Response> {
    let broken = |error: &dyn std::fmt::Display| {
        (StatusCode::BAD_GATEWAY, error.to_string()).into_response()
    };
    let (parts, body) = request.into_parts();
    let body = to_bytes(body, usize::MAX)
        .await
        .map_err(|error| broken(&error))?;
    way.sent
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .push(recorded(
            &parts.method,
            &parts.uri.to_string(),
            &parts.headers,
            &body,
        ));
    let mut headers = parts.headers;
    headers.remove("host");
    let answer = way
        .client
        .request(parts.method, format!("{}{}", way.origin, parts.uri))
        .headers(headers)
        .body(body)
        .send()
        .await
        .map_err(|error| broken(&error))?;
    let (status, headers) = (answer.status(), answer.headers().clone());
    let chunks = futures_util::stream::unfold(answer, |mut answer| async {
        let chunk = answer.chunk().await.transpose()?;
        Some((chunk, answer))
    });
    let mut response = Response::new(Body::from_stream(chunks));
    *response.status_mut() = status;
    *response.headers_mut() = headers;
    response.headers_mut().remove("transfer-encoding");
    Ok(response)
}

fn recorded(
    method: &axum::http::Method,
    target: &str,
    headers: &HeaderMap,
    body: &[u8],
) -> Request {
    let watches = target.contains("watch=true") || target.contains("watch=1");
    let target = match target.split_once("timeoutSeconds=") {
        Some((before, after)) if watches => {
            let rest = after.trim_start_matches(|c: char| c.is_ascii_digit());
            format!("{before}timeoutSeconds=1{rest}")
        }
        None if watches => format!("{target}&timeoutSeconds=1"),
        _ => target.to_owned(),
    };
    // Which document it is that is kept, each server says itself.
    let target = match target.split_once("hash=") {
        Some((before, after)) => format!("{before}{}", after.split_once('&').unwrap_or_default().1),
        None => target,
    };
    let headers = headers
        .iter()
        .filter(|(name, _)| {
            let name = name.as_str();
            matches!(name, "accept" | "content-type" | "user-agent")
                || name.starts_with("impersonate-")
        })
        .filter_map(|(name, value)| Some((name.to_string(), value.to_str().ok()?.to_owned())))
        .map(
            |(name, value)| match value.contains("protobuf") && name == "accept" {
                true => (name, "application/json".to_owned()),
                false => (name, value),
            },
        )
        .collect();
    Request {
        who: Who::Admin,
        method: method.to_string(),
        target,
        headers,
        body: (!body.is_empty()).then(|| body.to_vec()),
    }
}
