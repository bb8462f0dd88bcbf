//! Kubernetes' own control plane as child processes: etcd, kube-apiserver and
//! kube-controller-manager, on loopback, without containers or root.
//!
//! Whom it trusts is in a file that the API server watches, so a change needs
//! no restart. There are no workloads: the controllers are those that the
//! embedded cluster has, too.

pub mod assets;
mod children;
mod settings;
mod watch;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use foundation::clock::{Stopwatch, pause};
use foundation::listen::ReservedPort;
use foundation::pki::{self, Leaf};
use futures_util::future::BoxFuture;
use tokio::sync::watch as channel;

use super::api_server::{self, Webhook};
use super::authn::Trust;
use super::kubeconfig::Kubeconfig;
use super::reload::{self, Reload};
use super::{Capabilities, Cluster, TrustError};
use crate::child::TempFolder;
use assets::Programs;
use children::Process;
use settings::{Certificates, Folder, SERVICE_ACCOUNT_ISSUER};

/// How long the programs may take until they answer.
const START_LIMIT: Duration = Duration::from_secs(60);
/// How a control plane is started.
#[derive(Clone, Debug)]
pub struct Config {
    /// The cluster's name in its kubeconfig.
    pub name: String,
    /// The host of its endpoint, where that is another than its address.
    pub host: Option<String>,
    /// Its port on loopback; 0: a free one.
    pub port: u16,
    /// Where its requests are recorded.
    pub audit: Option<PathBuf>,
    /// Which of them, and how fully.
    pub audit_policy: mock_apiserver::audit::Policy,
    /// PEM of whom it trusts as issuers' CAs.
    pub issuer_roots: String,
    /// The proxy that issuers are asked through, instead of the environment's.
    pub proxy: Option<String>,
    /// Who else is asked about tokens.
    pub webhook: Option<Webhook>,
}

/// A running control plane.
pub struct ControlPlane {
    name: String,
    release: String,
    endpoint: String,
    address: SocketAddr,
    certificates: Certificates,
    reload: tokio::sync::Mutex<Reload>,
    broken: channel::Receiver<Option<String>>,
    processes: Arc<Processes>,
    watch: tokio::task::JoinHandle<()>,
}

/// The children, in the order in which they go, and their folder after them.
#[derive(Debug)]
struct Processes {
    controllers: Process,
    api_server: Process,
    etcd: Process,
    folder: Mutex<Option<TempFolder>>,
    /// Kept until the programs have them, and from others ever after.
    _ports: [ReservedPort; 2],
}

impl Processes {
    /// Why one of them is not running any more.
    fn ended(&self) -> Option<String> {
        [&self.etcd, &self.api_server, &self.controllers]
            .into_iter()
            .find_map(Process::ended)
    }

    fn kill(&self) {
        for process in [&self.controllers, &self.api_server, &self.etcd] {
            process.kill();
        }
        let folder = self.folder.lock();
        drop(folder.unwrap_or_else(PoisonError::into_inner).take());
    }
}

impl ControlPlane {
    /// Starts `programs`; returns when the API server is ready and the
    /// controllers work.
    ///
    /// # Errors
    /// A sentence, with the end of a log: what does not start.
    pub async fn start(programs: &Programs, config: Config) -> Result<Self, String> {
        let certificates = Certificates::new(&config.name, config.host.as_deref(), pki::today())
            .map_err(|error| error.to_string())?;
        let folder = TempFolder::new("rolecall-cluster-")
            .map_err(|error| format!("a folder for the cluster: {error}"))?;
        let port = |port| ReservedPort::bind(SocketAddr::from(([127, 0, 0, 1], port)));
        let ports = [port(config.port), port(0)];
        let [Ok(api), Ok(controllers)] = ports else {
            let errors = ports.into_iter().filter_map(Result::err);
            return Err(errors.map(|error| error.to_string()).collect());
        };
        let ports = [api, controllers];
        let (address, controllers_address) = (ports[0].addr(), ports[1].addr());
        let place = Folder(folder.path().to_owned());
        settings::write(&place, &certificates, &config, address)?;
        reload::trust_nobody(&place.authentication())?;
        let reload = Reload::new(
            place.authentication(),
            reload::ApiServer {
                origin: format!("https://{address}"),
                ca_pem: certificates.ca.pem(),
                probe: &certificates.probe,
                service_account_issuer: SERVICE_ACCOUNT_ISSUER,
            },
        )?;

        let start = |name, command| Process::start(name, command, &place.0);
        let etcd = start("etcd", settings::etcd(programs, &place))?;
        let command = settings::kube_apiserver(programs, &place, &config, address);
        let api_server = start("kube-apiserver", command)?;
        until(&api_server, &[&etcd, &api_server], || reload.is_ready()).await?;
        let command = settings::kube_controller_manager(programs, &place, controllers_address);
        let controllers = start("kube-controller-manager", command)?;
        let all = [&etcd, &api_server, &controllers];
        until(&controllers, &all, || reload.has_what_namespaces_have()).await?;

        let processes = Arc::new(Processes {
            controllers,
            api_server,
            etcd,
            folder: Mutex::new(Some(folder)),
            _ports: ports,
        });
        let (tell, broken) = channel::channel(None);
        let watch = tokio::spawn({
            let (processes, http) = (Arc::clone(&processes), reload.http().clone());
            async move {
                let why = watch::watch(&processes, &http, address, controllers_address).await;
                let _ = tell.send(Some(why));
                // Whoever asks later is told, too.
                tell.closed().await;
            }
        });
        Ok(Self {
            endpoint: match &config.host {
                Some(host) => format!("https://{host}"),
                None => format!("https://{address}"),
            },
            name: config.name,
            release: programs.release.clone(),
            address,
            certificates,
            reload: tokio::sync::Mutex::new(reload),
            broken,
            processes,
            watch,
        })
    }
}

/// Waits until `process` is `ready`, as long as all that it takes are up.
async fn until<F: Future<Output = bool>>(
    process: &Process,
    up: &[&Process],
    ready: impl Fn() -> F,
) -> Result<(), String> {
    let watch = Stopwatch::start();
    loop {
        if let Some(why) = up.iter().find_map(|process| process.ended()) {
            return Err(why);
        }
        if ready().await {
            return Ok(());
        }
        if watch.elapsed() > START_LIMIT {
            let seconds = START_LIMIT.as_secs();
            return Err(process.with_log(&format!("not ready within {seconds} s")));
        }
        pause(Duration::from_millis(50)).await;
    }
}

impl Drop for ControlPlane {
    fn drop(&mut self) {
        // It holds the processes, which end with their last holder.
        self.watch.abort();
    }
}

impl Cluster for ControlPlane {
    fn endpoint(&self) -> &str {
        &self.endpoint
    }

    fn address(&self) -> Option<SocketAddr> {
        Some(self.address)
    }

    fn ca_pem(&self) -> &str {
        self.certificates.ca.pem()
    }

    fn admin_kubeconfig(&self) -> Option<Kubeconfig> {
        Some(Kubeconfig::of_admin(
            &self.name,
            &self.endpoint,
            self.ca_pem(),
            &self.certificates.admin,
        ))
    }

    fn admin(&self) -> Option<&Leaf> {
        Some(&self.certificates.admin)
    }

    fn release(&self) -> &str {
        &self.release
    }

    fn trust<'a>(&'a self, trust: Option<&'a Trust>) -> BoxFuture<'a, Result<(), TrustError>> {
        Box::pin(async move {
            let mut reload = self.reload.lock().await;
            let asked = reload.trust(trust, &self.processes.api_server);
            super::unless_broken(asked, self.broken()).await
        })
    }

    fn capabilities(&self) -> Capabilities {
        api_server::capabilities(super::Kind::ControlPlane)
    }

    fn broken(&self) -> BoxFuture<'_, String> {
        super::told(&self.broken)
    }

    fn stop(&self) -> BoxFuture<'_, ()> {
        Box::pin(async move {
            self.watch.abort();
            let processes = Arc::clone(&self.processes);
            // A panic of it was counted by the panic hook.
            let _ = tokio::task::spawn_blocking(move || processes.kill()).await;
        })
    }
}
