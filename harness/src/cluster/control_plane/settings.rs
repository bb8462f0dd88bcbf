//! What the three programs are told: files in the cluster's own folder, and
//! flags.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::Command;

use foundation::pki::{Ca, Error, Leaf};
use jiff::Timestamp;
use mock_apiserver::audit::Unrecorded;

use super::Config;
use super::assets::Programs;
use crate::cluster::api_server::{self, PROBE};
use crate::cluster::kubeconfig::Kubeconfig;
use crate::files::write_private;

/// The controllers' user; not in the audit log.
const CONTROLLERS: &str = "system:kube-controller-manager";
/// The API server's audience and service account issuer.
pub const SERVICE_ACCOUNT_ISSUER: &str = "https://kubernetes.default.svc";
/// Whom the embedded cluster has as controllers, too.
const CONTROLLER_NAMES: &str = "clusterrole-aggregation-controller,namespace-controller,\
     root-ca-certificate-publisher-controller,serviceaccount-controller";

/// The cluster's folder.
///
/// etcd listens on sockets in it, which its clients find by names relative to
/// it: so nobody else on the machine reaches it, and no port is taken.
#[derive(Clone, Debug)]
pub struct Folder(pub PathBuf);

impl Folder {
    /// A file or folder of it.
    pub fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    fn flag(&self, flag: &str, name: &str) -> String {
        format!("--{flag}={}", self.path(name).display())
    }

    /// The file that is watched for whom to trust.
    pub fn authentication(&self) -> PathBuf {
        self.path("authentication/config.json")
    }
}

/// Everybody's certificates.
pub struct Certificates {
    /// The cluster's CA.
    pub ca: Ca,
    /// For people: `kubernetes-admin` of `system:masters`.
    pub admin: Leaf,
    /// For our own looks.
    pub probe: Leaf,
    serving: Leaf,
    controllers: Leaf,
    /// Signs the tokens of service accounts.
    service_accounts: Leaf,
}

impl Certificates {
    /// Makes them all.
    ///
    /// # Errors
    /// When `host` cannot be written into a certificate.
    pub fn new(name: &str, host: Option<&str>, now: Timestamp) -> Result<Self, Error> {
        let ca = Ca::new(&format!("rolecall cluster {name}"), now)?;
        let masters = Some("system:masters");
        Ok(Self {
            admin: ca.issue_client("kubernetes-admin", masters, now)?,
            probe: ca.issue_client(PROBE, masters, now)?,
            serving: ca.issue_server(&crate::cluster::serving_names(host), now)?,
            controllers: ca.issue_client(CONTROLLERS, masters, now)?,
            service_accounts: ca.issue_client("service-accounts", None, now)?,
            ca,
        })
    }
}

/// Writes the files that the programs read at their start.
///
/// # Errors
/// The operating system's, with the file in it.
pub fn write(
    folder: &Folder,
    certificates: &Certificates,
    config: &Config,
    endpoint: SocketAddr,
) -> Result<(), String> {
    let controllers = Kubeconfig::of_admin(
        &config.name,
        &format!("https://{endpoint}"),
        certificates.ca.pem(),
        &certificates.controllers,
    );
    let (serving, accounts) = (&certificates.serving, &certificates.service_accounts);
    let mut files = vec![
        ("ca.crt", certificates.ca.pem().to_owned()),
        ("serving.crt", serving.certificate_pem.clone()),
        ("serving.key", serving.key_pem()),
        ("service-accounts.crt", accounts.certificate_pem.clone()),
        ("service-accounts.key", accounts.key_pem()),
        ("roots.crt", config.issuer_roots.clone()),
        ("controllers.kubeconfig", controllers.render()),
        (
            "audit-policy.json",
            api_server::audit_policy(&config.audit_policy, &[Unrecorded::Users(&[CONTROLLERS])]),
        ),
    ];
    if let Some(webhook) = &config.webhook {
        files.push(("webhook.kubeconfig", webhook.kubeconfig()));
    }
    for (name, text) in files {
        let path = folder.path(name);
        write_private(&path, &text).map_err(|error| format!("{}: {error}", path.display()))?;
    }
    Ok(())
}

/// How etcd is started.
pub fn etcd(programs: &Programs, folder: &Folder) -> Command {
    let mut command = Command::new(&programs.etcd);
    command.current_dir(&folder.0).args([
        "--name=rolecall",
        &folder.flag("data-dir", "etcd"),
        "--listen-client-urls=unix://etcd:1",
        "--advertise-client-urls=unix://etcd:1",
        "--listen-peer-urls=unix://etcd:2",
        // It has no peers, and asks nobody.
        "--initial-advertise-peer-urls=http://127.0.0.1:1",
        "--initial-cluster=rolecall=http://127.0.0.1:1",
        // What is in it is gone with it anyway.
        "--unsafe-no-fsync",
        "--log-level=warn",
    ]);
    command
}

/// How kube-apiserver is started.
pub fn kube_apiserver(
    programs: &Programs,
    folder: &Folder,
    config: &Config,
    address: SocketAddr,
) -> Command {
    let mut command = Command::new(&programs.kube_apiserver);
    command
        .current_dir(&folder.0)
        .env("SSL_CERT_FILE", folder.path("roots.crt"))
        .args([
            "--etcd-servers=unix://etcd:1",
            &format!("--bind-address={}", address.ip()),
            &format!("--secure-port={}", address.port()),
            "--permit-port-sharing",
            // A machine may have no address but loopback.
            "--advertise-address=127.0.0.1",
            "--endpoint-reconciler-type=none",
            // As on EKS.
            "--service-cluster-ip-range=10.100.0.0/16",
            &folder.flag("tls-cert-file", "serving.crt"),
            &folder.flag("tls-private-key-file", "serving.key"),
            &folder.flag("client-ca-file", "ca.crt"),
            &format!("--service-account-issuer={SERVICE_ACCOUNT_ISSUER}"),
            &folder.flag("service-account-key-file", "service-accounts.crt"),
            &folder.flag("service-account-signing-key-file", "service-accounts.key"),
            "--authorization-mode=RBAC",
            &format!(
                "--authentication-config={}",
                folder.authentication().display()
            ),
        ]);
    let asked = config
        .webhook
        .as_ref()
        .map(|_| folder.path("webhook.kubeconfig"));
    let policy = folder.path("audit-policy.json");
    let recorded = config.audit.as_deref().map(|log| (policy.as_path(), log));
    let flags = api_server::flags(asked.as_deref(), recorded);
    command.args(flags.map(|(name, value)| format!("--{name}={value}")));
    if let Some(proxy) = &config.proxy {
        api_server::ask_through(&mut command, proxy);
    }
    command
}

/// How kube-controller-manager is started.
pub fn kube_controller_manager(
    programs: &Programs,
    folder: &Folder,
    address: SocketAddr,
) -> Command {
    let mut command = Command::new(&programs.kube_controller_manager);
    command.current_dir(&folder.0).args([
        &folder.flag("kubeconfig", "controllers.kubeconfig"),
        &format!("--controllers={CONTROLLER_NAMES}"),
        &folder.flag("root-ca-file", "ca.crt"),
        "--leader-elect=false",
        &format!("--bind-address={}", address.ip()),
        &format!("--secure-port={}", address.port()),
        "--permit-port-sharing",
        &folder.flag("tls-cert-file", "serving.crt"),
        &folder.flag("tls-private-key-file", "serving.key"),
    ]);
    command
}
