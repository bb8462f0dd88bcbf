//! A rig that stays up for other programs: its folder, and finding it again.

use std::fs::{File, TryLockError};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use foundation::clock::{Clock, Stopwatch, limit, pause};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::aws::keys::AccessKey;
use crate::browse;
use crate::client::{AwsClient, Endpoint};
use crate::cluster::kind::by_hand;
use crate::cluster::kubeconfig::KubeloginEntry;
use crate::control::Control;
use crate::files;
use crate::process;
use crate::rig::{self, Audit, Rig};

/// What `ready.json` says: where an instance is and how to use it.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Ready {
    /// The front door: Cognito, its pages, EKS, STS.
    pub origin: String,
    /// `ISSUERBASE/POOL_ID` is a pool's issuer.
    pub issuer_base: String,
    /// The ready cluster's API server.
    pub api_server: String,
    /// The ready cluster's name at EKS.
    pub cluster_name: String,
    /// What the ready cluster is, as `--cluster` has it.
    #[serde(default)]
    pub cluster_kind: String,
    /// What the ready cluster cannot do, a sentence each.
    #[serde(default)]
    pub limits: Vec<String>,
    /// The release that it is or answers as, for example `v1.37.2`.
    #[serde(default)]
    pub kubernetes: String,
    /// Where requests without a credential scope belong.
    pub region: String,
    /// Twelve digits.
    pub account: String,
    /// The process.
    pub pid: u32,
    /// The folder, absolute.
    pub dir: String,
    /// `http://127.0.0.1:PORT` of the proxy to AWS' own names; none where
    /// everything has an address of its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub proxy: Option<String>,
    /// Whether that proxy leads to other hosts, too.
    #[serde(default)]
    pub other_hosts: bool,
    /// SHA-256 of the edge CA's public key, base64: whom a browser is to trust.
    #[serde(default)]
    pub edge_spki: String,
    /// Its files by what they are.
    pub paths: Paths,
    /// What control calls must show.
    pub control_token: String,
    /// The access key of the ready cluster's creator.
    pub access_key_id: String,
    /// Its secret.
    pub secret_access_key: String,
    /// An access key of somebody else.
    pub other_access_key_id: String,
    /// Its secret.
    pub other_secret_access_key: String,
}

/// The files of an instance, absolute.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Paths {
    /// The CA of the front door.
    pub ca: PathBuf,
    /// The system's roots and that CA.
    pub roots: PathBuf,
    /// Of group `system:masters`; never touched again.
    pub admin_kubeconfig: PathBuf,
    /// The working copy.
    pub kubeconfig: PathBuf,
    /// audit.k8s.io/v1 events, JSON lines.
    pub audit_log: PathBuf,
    /// Shell exports.
    pub env: PathBuf,
    /// Opens its argument in a browser: a program for kubelogin's
    /// `--browser-command`, which takes no arguments of its own.
    #[serde(default)]
    pub browse: PathBuf,
    /// What `rolecall browse` keeps, outside of the folder.
    #[serde(default)]
    pub browser_profile: PathBuf,
}

impl Ready {
    /// A client of its Cognito and EKS that sends through `http`, as the ready
    /// cluster's creator.
    pub fn aws(&self, http: reqwest::Client) -> AwsClient {
        let key = AccessKey {
            id: self.access_key_id.clone(),
            secret: self.secret_access_key.clone().into(),
            arn: String::new(),
            user_id: String::new(),
        };
        let endpoint = Endpoint::Origin(self.origin.clone());
        AwsClient::new(http, endpoint, &self.region, key, Clock::system())
    }
}

/// The files that go when the instance goes; `audit.log` stays.
const FILES: [&str; 10] = [
    "ready.json",
    "ca.crt",
    "roots.crt",
    "admin.kubeconfig",
    "kubeconfig",
    "env",
    "browse",
    "aws-config",
    "aws-credentials",
    ".gitignore",
];

/// The folder that a kind cluster made by hand mounts.
pub const FOR_KIND: &str = "kind";

/// The first file to come and the last to go: what lies beside it is ours. It
/// keeps git from taking the folder's secrets along, too.
const MARK: &str = "# A folder of `rolecall up`.\n*\n";

/// Why an instance cannot be started or found.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The rig does not stand.
    #[error(transparent)]
    Rig(#[from] rig::Error),
    /// A file of the folder cannot be written or read.
    #[error("{path}: {reason}")]
    File {
        /// The file.
        path: String,
        /// The operating system's reason.
        reason: String,
    },
    /// Somebody is there already.
    #[error(
        "an instance{} is using {dir}; stop it with `rolecall down --dir {}`, or choose another --dir",
        pid.map(|pid| format!(" (pid {pid})")).unwrap_or_default(),
        process::quote(dir)
    )]
    Taken {
        /// The folder.
        dir: String,
        /// Its process, where it is up.
        pid: Option<u32>,
    },
    /// Its name cannot be written into `KUBECONFIG`.
    #[error("--dir {dir}: KUBECONFIG is a list that colons divide; choose a folder without one")]
    Colon {
        /// The folder.
        dir: String,
    },
    /// The folder is somebody else's.
    #[error("{dir} has {stranger} in it, which no instance made; choose another --dir")]
    NotOurs {
        /// The folder.
        dir: String,
        /// A file of it.
        stranger: String,
    },
    /// Nobody is there.
    #[error(
        "no instance is running in {dir}; start one with `rolecall up`, or name its folder with --dir"
    )]
    NotRunning {
        /// The folder.
        dir: String,
    },
    /// Nobody can log in to the cluster.
    #[error("cluster {cluster}: {reason}")]
    NoLogin {
        /// Its name.
        cluster: String,
        /// Why, and what to do.
        reason: String,
    },
    /// It does not answer as it should.
    #[error("the instance at {origin} does not answer: {reason}")]
    Silent {
        /// The front door.
        origin: String,
        /// Why.
        reason: String,
    },
}

/// A rig with a folder.
pub struct Instance {
    rig: Rig,
    dir: PathBuf,
    ready: Ready,
    /// Held as long as the process lives, however it ends.
    _lock: File,
}

/// The folder of an instance that is not up yet: its files go where it fails, or
/// is given up.
struct Unfinished<'a>(&'a Path);

impl Drop for Unfinished<'_> {
    fn drop(&mut self) {
        remove_files(self.0);
    }
}

impl Instance {
    /// Starts a rig and describes it in `dir`; `ready.json` comes last. Whoever
    /// drops the future gives it up, and nothing is left of it.
    ///
    /// # Errors
    /// [`Error`], naming the file or port in question.
    pub async fn start(dir: &Path, mut config: rig::Config) -> Result<Self, Error> {
        require_ours(dir)?;
        let dir = prepare(dir)?;
        let lock = lock(&dir)?;
        remove_files(&dir);
        let unfinished = Unfinished(&dir);
        config.audit = Audit::File(dir.join("audit.log"));
        let rig = Rig::start(config).await?;
        let ready = describe(&rig, &dir);
        write_files(&rig, &dir, &ready)?;
        if rig.config().for_kind {
            write_for_kind(&rig, &dir)?;
        }
        std::mem::forget(unfinished);
        Ok(Self {
            rig,
            dir,
            ready,
            _lock: lock,
        })
    }

    /// What `ready.json` says.
    pub fn ready(&self) -> &Ready {
        &self.ready
    }

    /// Whether its cluster is one that was kept.
    pub fn reused(&self) -> bool {
        self.rig.reused()
    }

    /// Waits until somebody asks for the end over the control interface.
    pub async fn asked_to_stop(&self) {
        self.rig.shutdown().cancelled().await;
    }

    /// Returns when the ready cluster is found broken, with why.
    pub async fn broken(&self) -> String {
        self.rig.ready_cluster().broken().await
    }

    /// Ends the rig and removes its files but the audit log.
    pub async fn stop(self) {
        // `ready.json` goes first: nobody is to find what is about to end.
        remove_files(&self.dir);
        browse::close(&self.ready.paths.browser_profile).await;
        self.rig.stop().await;
    }
}

/// Whom a cluster of [`Running::status`] trusts: whom EKS told it, or its own file.
pub fn trusted(cluster: &Value) -> Vec<&Value> {
    let told = Some(&cluster["identityProvider"]).filter(|told| !told.is_null());
    let by_file = cluster["authenticationConfiguration"].as_array();
    told.into_iter()
        .chain(by_file.into_iter().flatten())
        .collect()
}

fn describe(rig: &Rig, dir: &Path) -> Ready {
    let (admin, other) = (rig.keys().admin(), rig.keys().other());
    let edge_spki = rig.edge_ca().spki_sha256().unwrap_or_default();
    Ready {
        origin: rig.origin().to_owned(),
        issuer_base: rig.issuer_base(),
        proxy: rig.proxy().map(str::to_owned),
        other_hosts: rig.config().names.allow_other_hosts(),
        api_server: rig.ready_cluster().endpoint().to_owned(),
        cluster_name: rig.config().cluster_name.clone(),
        cluster_kind: rig.config().cluster.name().to_owned(),
        limits: rig.ready_cluster().capabilities().limits(),
        kubernetes: rig.ready_cluster().release().to_owned(),
        region: rig.config().region.clone(),
        account: rig.config().account.clone(),
        pid: std::process::id(),
        dir: dir.display().to_string(),
        paths: Paths {
            ca: dir.join("ca.crt"),
            roots: dir.join("roots.crt"),
            admin_kubeconfig: dir.join("admin.kubeconfig"),
            kubeconfig: dir.join("kubeconfig"),
            audit_log: dir.join("audit.log"),
            env: dir.join("env"),
            browse: dir.join("browse"),
            browser_profile: browse::profile(&edge_spki),
        },
        edge_spki,
        control_token: rig.control_token().expose().clone(),
        access_key_id: admin.id.clone(),
        secret_access_key: admin.secret.expose().clone(),
        other_access_key_id: other.id.clone(),
        other_secret_access_key: other.secret.expose().clone(),
    }
}

/// Whom a kind cluster made by hand is to trust, in a folder that it mounts.
fn write_for_kind(rig: &Rig, dir: &Path) -> Result<(), Error> {
    let config = rig.config();
    let pool = config
        .pins
        .pool
        .clone()
        .unwrap_or_else(|| format!("{}_{}", config.region, by_hand::POOL));
    let client = config.pins.client.as_deref().unwrap_or(by_hand::CLIENT);
    let trust = by_hand::trust(&rig.issuer_base(), &pool, client);
    let folder = dir.join(FOR_KIND);
    by_hand::write(&folder, &trust, Some(rig.edge_ca().pem())).map_err(|reason| Error::File {
        path: folder.display().to_string(),
        reason,
    })
}

fn write_files(rig: &Rig, dir: &Path, ready: &Ready) -> Result<(), Error> {
    let edge = rig.edge_ca().pem();
    let kubeconfig = rig.ready_cluster().admin_kubeconfig();
    let kubeconfig = kubeconfig.map(|admin| admin.render()).unwrap_or_default();
    let roots = format!("{}{edge}", crate::client::system_roots_pem());
    let exports = process::exports_for_later(ready);
    let credentials = format!(
        "[default]\naws_access_key_id = {}\naws_secret_access_key = {}\n\n\
         [other]\naws_access_key_id = {}\naws_secret_access_key = {}\n",
        ready.access_key_id,
        ready.secret_access_key,
        ready.other_access_key_id,
        ready.other_secret_access_key
    );
    let config = format!(
        "[default]\nregion = {0}\ncli_follow_urlparam = false\n\n[profile other]\nregion = {0}\ncli_follow_urlparam = false\n",
        ready.region
    );
    let browse = format!(
        "#!/bin/sh\nexec {} browse --dir {} \"$@\"\n",
        quote_path(&std::env::current_exe().unwrap_or_default()),
        quote_path(dir)
    );
    let json = serde_json::to_string_pretty(ready).unwrap_or_default();
    for (name, text) in [
        (".gitignore", MARK),
        ("ca.crt", edge),
        ("roots.crt", &roots),
        ("admin.kubeconfig", &kubeconfig),
        ("kubeconfig", &kubeconfig),
        ("env", &exports),
        ("browse", &browse),
        ("aws-config", &config),
        ("aws-credentials", &credentials),
        ("ready.json.part", &json),
    ] {
        write_private(&dir.join(name), text)?;
    }
    let program = dir.join("browse");
    std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o700))
        .map_err(|error| file_error(&program, &error))?;
    let done = dir.join("ready.json");
    std::fs::rename(dir.join("ready.json.part"), &done).map_err(|error| file_error(&done, &error))
}

fn quote_path(path: &Path) -> String {
    process::quote(&path.display().to_string())
}

/// Refuses a folder with files of somebody else: some of ours have common
/// names, and would take the place of theirs.
fn require_ours(dir: &Path) -> Result<(), Error> {
    let Ok(entries) = std::fs::read_dir(dir) else {
        return Ok(());
    };
    // What lies beside an audit log of ours was put there later, and only
    // what would be overwritten counts.
    let ours = is_audit_log(&dir.join("audit.log"));
    let stranger = entries
        .flatten()
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .find(|name| {
            let taken = FILES.contains(&name.as_str());
            name != "audit.log" && name != FOR_KIND && (taken || !ours)
        });
    // Looked for after the listing: our files come after the mark and go
    // before it, so whoever starts or ends meanwhile is no stranger.
    let marked = std::fs::read_to_string(dir.join(".gitignore")).is_ok_and(|text| text == MARK);
    match stranger {
        Some(stranger) if !marked => Err(Error::NotOurs {
            dir: dir.display().to_string(),
            stranger,
        }),
        _ => Ok(()),
    }
}

/// Whether a file is empty or begins like an audit log.
fn is_audit_log(path: &Path) -> bool {
    use std::io::Read as _;
    let mut start = [0; 64];
    let Ok(read) = File::open(path).and_then(|mut file| file.read(&mut start)) else {
        return false;
    };
    read == 0 || String::from_utf8_lossy(&start[..read]).contains("audit.k8s.io/v1")
}

/// Makes the folder, mode 0700.
fn prepare(dir: &Path) -> Result<PathBuf, Error> {
    std::fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(dir)
        .and_then(|()| std::fs::set_permissions(dir, std::fs::Permissions::from_mode(0o700)))
        .and_then(|()| dir.canonicalize())
        .map_err(|error| file_error(dir, &error))
        .and_then(|dir| {
            let text = dir.display().to_string();
            if text.contains(':') {
                Err(Error::Colon { dir: text })
            } else {
                Ok(dir)
            }
        })
}

/// What an instance wrote into its folder.
fn described(dir: &Path) -> Option<Ready> {
    let text = std::fs::read_to_string(dir.join("ready.json")).ok()?;
    serde_json::from_str(&text).ok()
}

/// One instance a folder: whoever holds the lock on the audit log, the one
/// file that stays, is it.
fn lock(dir: &Path) -> Result<File, Error> {
    let path = dir.join("audit.log");
    let file = std::fs::OpenOptions::new()
        .create(true)
        .append(true)
        .mode(0o600)
        .open(&path)
        .and_then(|file| {
            // An earlier one may have another mode.
            file.set_permissions(std::fs::Permissions::from_mode(0o600))?;
            Ok(file)
        })
        .map_err(|error| file_error(&path, &error))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(Error::Taken {
            dir: dir.display().to_string(),
            pid: described(dir).map(|ready| ready.pid),
        }),
        Err(TryLockError::Error(error)) => Err(file_error(&path, &error)),
    }
}

fn write_private(path: &Path, text: &str) -> Result<(), Error> {
    files::write_private(path, text).map_err(|error| file_error(path, &error))
}

fn remove_files(dir: &Path) {
    // kubectl's lock, should it have been killed.
    let _ = std::fs::remove_file(dir.join("kubeconfig.lock"));
    for name in FILES {
        let _ = std::fs::remove_file(dir.join(name));
    }
}

fn file_error(path: &Path, error: &std::io::Error) -> Error {
    Error::File {
        path: path.display().to_string(),
        reason: error.to_string(),
    }
}

/// How long an instance may take to say that it is there.
const PROBE_LIMIT: Duration = Duration::from_secs(5);

/// An instance that somebody else started.
pub struct Running {
    ready: Ready,
    http: reqwest::Client,
}

impl Running {
    /// Finds the instance that `dir` describes.
    ///
    /// # Errors
    /// [`Error::NotRunning`] when there is none or it is gone.
    pub async fn find(dir: &Path) -> Result<Self, Error> {
        let gone = || Error::NotRunning {
            dir: dir.display().to_string(),
        };
        let ready = described(dir).ok_or_else(gone)?;
        let ca = std::fs::read_to_string(dir.join("ca.crt")).map_err(|_| gone())?;
        let roots = foundation::pki::roots_from_pem(&ca).map_err(|_| gone())?;
        let http = crate::client::https(roots, None, ready.proxy.as_deref()).map_err(|_| gone())?;
        let running = Self { ready, http };
        // A ready.json that outlived a killed process describes nobody; the
        // lock tells who lives but does not answer.
        let answer = limit(PROBE_LIMIT, running.status()).await;
        match answer {
            Ok(Ok(_)) => Ok(running),
            _ if running.lives() => Err(Error::Silent {
                origin: running.ready.origin.clone(),
                reason: match answer {
                    Ok(Err(error)) => error.to_string(),
                    _ => format!("no answer within {} s", PROBE_LIMIT.as_secs()),
                },
            }),
            _ => Err(gone()),
        }
    }

    /// What its `ready.json` says.
    pub fn ready(&self) -> &Ready {
        &self.ready
    }

    /// A client that trusts its CA, and goes through its proxy where that is
    /// how everything is found.
    pub fn https(&self) -> &reqwest::Client {
        &self.http
    }

    /// Its clusters and whom they trust.
    ///
    /// # Errors
    /// [`Error::Silent`].
    pub async fn status(&self) -> Result<Value, Error> {
        self.ask(http::Method::GET, "/_rolecall/rig/status").await
    }

    /// How somebody logs in to `cluster` (the ready one, if none is named) by
    /// kubelogin; the names of the entries are the caller's.
    ///
    /// # Errors
    /// [`Error::Silent`], [`Error::NoLogin`].
    pub async fn kubelogin_entry(
        &self,
        cluster: Option<&str>,
        user: &str,
        context: &str,
    ) -> Result<KubeloginEntry, Error> {
        let name = cluster.unwrap_or(&self.ready.cluster_name);
        let none = |reason: &str| Error::NoLogin {
            cluster: name.to_owned(),
            reason: reason.to_owned(),
        };
        let status = self.status().await?;
        let mut clusters = status["clusters"].as_array().into_iter().flatten();
        let found = clusters
            .find(|cluster| {
                cluster["name"] == name && cluster["region"] == self.ready.region.as_str()
            })
            .ok_or_else(|| none("there is no such cluster; `aws eks list-clusters` names them"))?;
        let text = |value: &Value, missing: &str| {
            let text = value.as_str().map(str::to_owned);
            text.ok_or_else(|| none(missing))
        };
        let all = self.trusted_by(found).await;
        // Who names no other logs in at the instance's own pages.
        let ours = format!("{}/", self.ready.issuer_base);
        let is_ours = |trust: &&Value| {
            trust["issuer"]
                .as_str()
                .unwrap_or_default()
                .starts_with(&ours)
        };
        let trust = all.iter().find(is_ours).or(all.first());
        let trust = trust.unwrap_or(&Value::Null);
        let untrusting =
            "it trusts no issuer yet; `aws eks associate-identity-provider-config` tells it of one";
        Ok(KubeloginEntry {
            cluster: name.to_owned(),
            server: text(&found["endpoint"], "it does not run yet")?,
            ca_data: text(&found["certificateAuthorityData"], "it does not run yet")?,
            issuer: text(&trust["issuer"], untrusting)?,
            client_id: text(&trust["clientId"], untrusting)?,
            issuer_ca: self.ready.paths.ca.display().to_string(),
            proxy: self.ready.proxy.clone(),
            user: user.to_owned(),
            context: context.to_owned(),
        })
    }

    /// Whom a cluster trusts, as [`trusted`] has it; of a file's audiences `clientId` is
    /// the first that is a client of the instance's own pool.
    pub async fn trusted_by(&self, cluster: &Value) -> Vec<Value> {
        let mut all: Vec<Value> = trusted(cluster).into_iter().cloned().collect();
        for issuer in &mut all {
            if let Some(client) = self.client_among(issuer).await {
                issuer["clientId"] = client;
            }
        }
        all
    }

    async fn client_among(&self, issuer: &Value) -> Option<Value> {
        let url = issuer["issuer"].as_str()?;
        let pool = url
            .strip_prefix(&self.ready.issuer_base)?
            .strip_prefix('/')?;
        let aws = self.aws();
        for audience in issuer["audiences"].as_array()? {
            let input = serde_json::json!({"UserPoolId": pool, "ClientId": audience});
            let known = aws.cognito("DescribeUserPoolClient", &input).await;
            if known.is_ok() {
                return Some(audience.clone());
            }
        }
        None
    }

    /// What its clock says, which its cluster goes by.
    ///
    /// # Errors
    /// [`Error::Silent`].
    pub async fn now(&self) -> Result<jiff::Timestamp, Error> {
        let clock = self.ask(http::Method::GET, "/_rolecall/clock").await?;
        let now = clock["now"].as_str().and_then(|now| now.parse().ok());
        now.ok_or_else(|| Error::Silent {
            origin: self.ready.origin.clone(),
            reason: format!("no time in {clock}"),
        })
    }

    /// A client of its AWS APIs, as the ready cluster's creator.
    pub fn aws(&self) -> AwsClient {
        self.ready.aws(self.http.clone())
    }

    /// The messages that Cognito would have sent.
    ///
    /// # Errors
    /// [`Error::Silent`].
    pub async fn outbox(&self) -> Result<Value, Error> {
        self.ask(http::Method::GET, "/_rolecall/outbox").await
    }

    /// Waits until its folder is free, ten seconds at most; false when it is
    /// not.
    pub async fn ended(&self) -> bool {
        let watch = Stopwatch::start();
        while watch.elapsed() < Duration::from_secs(10) {
            if !self.lives() {
                return true;
            }
            pause(Duration::from_millis(10)).await;
        }
        false
    }

    /// Whether somebody holds the folder. Where it is gone there is nobody.
    fn lives(&self) -> bool {
        matches!(lock(Path::new(&self.ready.dir)), Err(Error::Taken { .. }))
    }

    /// Asks it to end.
    ///
    /// # Errors
    /// [`Error::Silent`].
    pub async fn stop(&self) -> Result<(), Error> {
        self.ask(http::Method::POST, "/_rolecall/rig/shutdown")
            .await
            .map(drop)
    }

    /// Its control calls.
    pub fn control(&self) -> Control {
        let token = self.ready.control_token.clone().into();
        Control::new(self.http.clone(), &self.ready.origin, token)
    }

    async fn ask(&self, method: http::Method, path: &str) -> Result<Value, Error> {
        let silent = |reason: String| Error::Silent {
            origin: self.ready.origin.clone(),
            reason,
        };
        match self.control().call(method, path, None).await {
            Ok((status, value)) if status.is_success() => Ok(value),
            Ok((status, value)) => Err(silent(format!("{status}: {value}"))),
            Err(broken) => Err(silent(broken.reason)),
        }
    }
}
