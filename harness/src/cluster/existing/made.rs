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
const LABEL: (&str, &str) = ("app.kubernetes.io/managed-by", "rolecall");
/// Which run made it.
const RUN: &str = "rolecall.dev/run";
/// How long something may take to be gone: a namespace goes last of all that is
/// in it.
const GONE: Duration = Duration::from_secs(90);
/// How long a request may take to have an effect that nobody waited for.
const LATE: Duration = Duration::from_secs(2);
const LOOK: Duration = Duration::from_millis(100);

/// What one run made.
pub struct Made {
    kube: KubeClient,
    run: String,
    /// In order.
    paths: Mutex<Vec<Noted>>,
}

/// Something that was to be made.
#[derive(Clone)]
struct Noted {
    path: String,
    /// Whether the cluster has answered; else it may be made yet.
    answered: bool,
}

/// What became of what was made.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Removed {
    /// The paths of what is gone.
    pub gone: Vec<String>,
    /// What is still there, and why.
    pub left: Vec<String>,
}

impl Removed {
    /// Takes in what became of one: whether it was there and ours, or why it stays.
    fn note(&mut self, path: String, outcome: Result<bool, String>) {
        match outcome {
            Ok(true) => self.gone.push(path),
            Ok(false) => {}
            Err(why) => self.left.push(format!("{path}: {why}")),
        }
    }
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

    /// Notes what is about to be made. Whether it was is told by its labels, so what
    /// comes between does no harm.
    pub fn note(&self, path: &str) {
        self.paths().push(Noted {
            path: path.to_owned(),
            answered: false,
        });
    }

    /// Notes that the cluster has answered: it was made, or else it is not ours.
    pub fn answered(&self, path: &str, made: bool) {
        let mut paths = self.paths();
        if made {
            let all = paths.iter_mut();
            all.filter(|one| one.path == path)
                .for_each(|one| one.answered = true);
        } else {
            paths.retain(|one| one.path != path);
        }
    }

    /// Removes one object, if this run made it; whether it did.
    ///
    /// # Errors
    /// Why it is still there.
    pub async fn remove_one(&self, path: &str) -> Result<bool, String> {
        if !self.paths().iter().any(|one| one.path == path) {
            return Ok(false);
        }
        let removed = remove(&self.kube, path, Some(&self.run)).await?;
        self.answered(path, false);
        Ok(removed)
    }

    /// Removes all that was made, the last first, and waits until it is gone.
    /// Whoever drops the future may ask again.
    pub async fn remove(&self) -> Removed {
        let mut removed = Removed::default();
        let all = self.paths().clone();
        for one in all.into_iter().rev() {
            let path = one.path;
            let outcome = match remove(&self.kube, &path, Some(&self.run)).await {
                Ok(false) if !one.answered => self.late(&path).await,
                outcome => outcome,
            };
            if outcome.is_ok() {
                self.answered(&path, false);
            }
            removed.note(path, outcome);
        }
        removed
    }

    /// Looks for what may be made yet: whoever asked for it did not wait.
    async fn late(&self, path: &str) -> Result<bool, String> {
        let watch = Stopwatch::start();
        while watch.elapsed() < LATE {
            pause(LOOK).await;
            if remove(&self.kube, path, Some(&self.run)).await? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    fn paths(&self) -> std::sync::MutexGuard<'_, Vec<Noted>> {
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
        let selector = format!("{all}?labelSelector={}%3D{}%2C{RUN}", LABEL.0, LABEL.1);
        let asked = kube.request(&As::Admin, Method::GET, &selector, None).await;
        let (status, list) = match asked {
            Ok(answer) => answer,
            // An aggregated API may be away without the others being so.
            Err(broken) => {
                removed.left.push(broken.to_string());
                continue;
            }
        };
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
                let outcome = remove(kube, &path, None).await;
                removed.note(path, outcome);
            }
        }
    }
    // They take along what is in them.
    for path in namespaces {
        let outcome = remove(kube, &path, None).await;
        removed.note(path, outcome);
    }
    Ok(removed)
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
    let of_run = match run {
        Some(run) => labels[RUN] == run,
        None => labels[RUN].is_string(),
    };
    let ours = labels[LABEL.0] == LABEL.1 && of_run;
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
