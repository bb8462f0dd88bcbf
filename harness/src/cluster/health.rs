//! Whether a server of a cluster still answers.

use std::time::Duration;

use foundation::clock::limit;

use crate::client::chain;

/// Between two looks.
pub const PERIOD: Duration = Duration::from_secs(1);
/// How long an answer may take; with the period less than five seconds.
pub const ANSWER_LIMIT: Duration = Duration::from_secs(3);

/// What is wrong with the answer to a health check; nothing for `ok`.
pub async fn trouble(http: &reqwest::Client, url: String) -> Option<String> {
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
