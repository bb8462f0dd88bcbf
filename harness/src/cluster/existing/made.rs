//! What was made in somebody else's cluster: it has labels, is known by its
//! path, and goes.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use foundation::clock::{Stopwatch, pause};
use http::{Method, StatusCode};
use serde_json::{Value, json};

use crate::client::{As, Broken, KubeClient, Refused};
use crate::resources::Resources;

/// Has whatever any run made (`app.kubernetes.io/managed-by`).
pub const LABEL: (&str, &str) = ("app.kubernetes.io/managed-by", "rolecall");
/// Which run made it.
const RUN: &str = "rolecall.dev/run";
/// How long something may take to be gone: a namespace goes last of all that is
/// in it.
const GONE: Duration = Duration::from_secs(90);
const LOOK: Duration = Duration::from_millis(100);

/// What one run made.
pub struct Made {
    kube: KubeClient,
    run: String,
    /// In order.
    paths: Mutex<Vec<String>>,
}

/// What became of what was made.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Removed {
    /// The paths of what is gone.
    pub gone: Vec<String>,
    /// What is still there, and why.
    pub left: Vec<String>,
}

impl Made {
    /// Nothing yet.
    pub fn new(kube: KubeClient) -> Self {
        Self {
            kube,
            run: uuid::Uuid::new_v4().simple().to_string(),
            paths: Mutex::default(),
        }
    }

    /// `object` with the labels of this run.
    pub fn label(&self, object: &Value) -> Value {
        let mut object = object.clone();
        object["metadata"]["labels"][LABEL.0] = Value::from(LABEL.1);
        object["metadata"]["labels"][RUN] = Value::from(self.run.as_str());
        object
    }

    /// Notes what is about to be made. That it was is told by its label, so what
    /// comes between does no harm.
    pub fn note(&self, path: &str) {
        self.paths().push(path.to_owned());
    }

    /// Whether it was noted.
    pub fn has(&self, path: &str) -> bool {
        self.paths().iter().any(|one| one == path)
    }

    /// Removes all that was made, the last first, and waits until it is gone.
    pub async fn remove(&self) -> Removed {
        let mut removed = Removed::default();
        let paths = std::mem::take(&mut *self.paths());
        for path in paths.into_iter().rev() {
            match remove(&self.kube, &path, Some(&self.run)).await {
                Ok(true) => removed.gone.push(path),
                Ok(false) => {}
                Err(why) => {
                    removed.left.push(format!("{path}: {why}"));
                    // Whoever asks again has another chance.
                    self.note(&path);
                }
            }
        }
        removed
    }

    fn paths(&self) -> std::sync::MutexGuard<'_, Vec<String>> {
        self.paths.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Removes what any run made, also one that is going on.
///
/// # Errors
/// [`Broken`]: the cluster does not say what is there.
pub async fn remove_all_of_any_run(kube: &KubeClient) -> Result<Removed, Broken> {
    let mut removed = Removed::default();
    let resources = Resources::discover(kube).await?;
    let mut namespaces = Vec::new();
    for resource in resources.removable() {
        let all = resource.everywhere();
        let selector = format!("{all}?labelSelector={}%3D{}", LABEL.0, LABEL.1);
        let (status, list) = kube
            .request(&As::Admin, Method::GET, &selector, None)
            .await?;
        // What may not be listed was not made by whoever asks.
        if !status.is_success() {
            continue;
        }
        for item in list["items"].as_array().into_iter().flatten() {
            let text = |name: &str| item["metadata"][name].as_str().unwrap_or_default();
            let path = resource.object(text("namespace"), text("name"));
            if resource.plural == "namespaces" {
                namespaces.push(path);
            } else {
                take(kube, path, &mut removed).await;
            }
        }
    }
    // They take along what is in them.
    for path in namespaces {
        take(kube, path, &mut removed).await;
    }
    Ok(removed)
}

async fn take(kube: &KubeClient, path: String, removed: &mut Removed) {
    match remove(kube, &path, None).await {
        Ok(true) => removed.gone.push(path),
        Ok(false) => {}
        Err(why) => removed.left.push(format!("{path}: {why}")),
    }
}

/// Removes one object if it is ours, of `run` where one is named; whether it was.
async fn remove(kube: &KubeClient, path: &str, run: Option<&str>) -> Result<bool, String> {
    let text = |broken: Broken| broken.to_string();
    let get = async || kube.request(&As::Admin, Method::GET, path, None).await;
    let (status, object) = get().await.map_err(text)?;
    if status == StatusCode::NOT_FOUND {
        return Ok(false);
    }
    if !status.is_success() {
        return Err(Refused::of(status, &object).to_string());
    }
    let labels = &object["metadata"]["labels"];
    let ours = labels[LABEL.0] == LABEL.1 && run.is_none_or(|run| labels[RUN] == run);
    if !ours {
        return Ok(false);
    }
    let options = json!({
        "apiVersion": "v1", "kind": "DeleteOptions",
        // Of the same name there may be another by now.
        "preconditions": {"uid": object["metadata"]["uid"]},
        "propagationPolicy": "Background",
    });
    let (status, answer) = kube
        .request(&As::Admin, Method::DELETE, path, Some(&options))
        .await
        .map_err(text)?;
    if !status.is_success() && status != StatusCode::NOT_FOUND {
        return Err(Refused::of(status, &answer).to_string());
    }
    let watch = Stopwatch::start();
    loop {
        let (status, now) = get().await.map_err(text)?;
        if status == StatusCode::NOT_FOUND || now["metadata"]["uid"] != object["metadata"]["uid"] {
            return Ok(true);
        }
        if watch.elapsed() > GONE {
            return Err(format!("it is still there after {} s", GONE.as_secs()));
        }
        pause(LOOK).await;
    }
}
