//! Notices within five seconds that a program is gone, or hangs.

use std::net::SocketAddr;
use std::time::Duration;

use foundation::clock::{Stopwatch, pause};

use super::Processes;
use crate::cluster::health::{ANSWER_LIMIT, PERIOD, trouble};

/// Between two looks at a process that may be about to end.
const SOON: Duration = Duration::from_millis(50);

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
        let looked = Stopwatch::start();
        let (livez, healthz) = tokio::join!(
            trouble(http, format!("https://{api_server}/livez")),
            trouble(http, format!("https://{controllers}/healthz"))
        );
        // Who is gone answers nothing, but that it is gone says more. Who crashes
        // resets its connections first, and may have much to write before its end.
        while livez.is_some() || healthz.is_some() {
            if let Some(why) = processes.ended() {
                return why;
            }
            if looked.elapsed() >= ANSWER_LIMIT {
                break;
            }
            pause(SOON).await;
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
