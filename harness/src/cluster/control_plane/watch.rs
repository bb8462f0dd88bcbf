//! Notices within five seconds that a program is gone, or hangs.

use std::net::SocketAddr;
use std::time::Duration;

use foundation::clock::{limit, pause};

use super::Processes;
use crate::client::chain;

/// Between two looks.
const PERIOD: Duration = Duration::from_secs(1);
/// How long an answer may take; with the period less than five seconds.
const ANSWER_LIMIT: Duration = Duration::from_secs(3);

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

/// What is wrong with the answer to a health check; nothing for `ok`.
async fn trouble(http: &reqwest::Client, url: String) -> Option<String> {
    let ask = async {
        let answer = http.get(&url).send().await?;
        let status = answer.status();
        Ok::<_, reqwest::Error>((status, answer.text().await?))
    };
    match limit(ANSWER_LIMIT, ask).await {
        Err(_) => Some(format!(
            "{url}: nothing within {} ms",
            ANSWER_LIMIT.as_millis()
        )),
        Ok(Err(error)) => Some(format!("{url}: {}", chain(&error))),
        Ok(Ok((status, _))) if status.is_success() => None,
        Ok(Ok((status, body))) => {
            let failing: Vec<&str> = body.lines().filter(|l| l.starts_with("[-]")).collect();
            Some(format!("{url}: {status} {}", failing.join("; ")))
        }
    }
}
