//! Notices within five seconds that a program is gone, or hangs.

use std::net::SocketAddr;

use foundation::clock::pause;

use super::Processes;
use crate::cluster::health::{PERIOD, trouble};

/// Looks at the three until one does not work any more, and says why, with the
/// end of its log.
pub(super) async fn watch(
    processes: &Processes,
    http: &reqwest::Client,
    api_server: SocketAddr,
    controllers: SocketAddr,
) -> String {
    loop {
        if let Some(why) = processes.ended() {
            return why;
        }
        let (livez, healthz) = tokio::join!(
            trouble(http, format!("https://{api_server}/livez")),
            trouble(http, format!("https://{controllers}/healthz"))
        );
        // Who is gone answers nothing, but that it is gone says more.
        if let Some(why) = processes.ended() {
            return why;
        }
        if let Some(why) = livez {
            // Its own check waits for etcd two seconds.
            let etcd = why.contains("[-]etcd");
            let process = if etcd {
                &processes.etcd
            } else {
                &processes.api_server
            };
            return process.with_log(&if etcd {
                format!("etcd does not answer: {why}")
            } else {
                format!("kube-apiserver does not answer: {why}")
            });
        }
        if let Some(why) = healthz {
            return processes
                .controllers
                .with_log(&format!("kube-controller-manager does not answer: {why}"));
        }
        pause(PERIOD).await;
    }
}
