//! A browser for people at a running instance: with a profile of its own,
//! which knows the instance's CA and proxy and goes when the instance goes.

use std::io;
use std::os::unix::fs::DirBuilderExt as _;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use foundation::clock::{Stopwatch, pause};
use serde_json::{Value, json};
use url::Url;

use crate::client::AwsClient;
use crate::instance::{Ready, Running};
use crate::login::browser::Trust;

/// A browser that fails does so within this time, and one that is open
/// already has been told.
const FAILS_WITHIN: Duration = Duration::from_millis(400);

/// How long a browser may take to end.
const ENDS_WITHIN: Duration = Duration::from_secs(2);

/// The profile for the instance whose edge CA has this public key: in the
/// user's cache folder, or beside other temporary files.
pub fn profile(edge_spki: &str) -> PathBuf {
    let name = edge_spki.replace('+', "-").replace('/', "_");
    crate::cache_folder("browser")
        .unwrap_or_else(|| std::env::temp_dir().join("rolecall-browser"))
        .join(name.trim_end_matches('='))
}

/// What is worth opening: the sign-in page of the only client that has one,
/// else the origin.
pub async fn start_page(running: &Running) -> String {
    let origin = running.ready().origin.clone();
    only_sign_in_page(running).await.unwrap_or(origin)
}

async fn only_sign_in_page(running: &Running) -> Option<String> {
    let ready = running.ready();
    let mut pages = sign_in_pages(&running.aws()).await?.into_iter();
    let (page, None) = (pages.next()?, pages.next()) else {
        return None;
    };
    let issuer = format!("{}/{}", ready.issuer_base, page.pool);
    let discovery: Value = running
        .https()
        .get(crate::login::discovery_url(&issuer))
        .send()
        .await
        .ok()?
        .json()
        .await
        .ok()?;
    let mut url = Url::parse(discovery["authorization_endpoint"].as_str()?).ok()?;
    url.query_pairs_mut().extend_pairs([
        ("response_type", "code"),
        ("client_id", page.client.as_str()),
        ("redirect_uri", &page.redirect_uri),
        ("scope", "openid"),
    ]);
    Some(url.into())
}

/// A client with a place to return to, of a pool with a domain.
struct SignInPage {
    pool: String,
    client: String,
    redirect_uri: String,
}

async fn sign_in_pages(aws: &AwsClient) -> Option<Vec<SignInPage>> {
    let mut pages = Vec::new();
    let pools = aws
        .cognito("ListUserPools", &json!({"MaxResults": 60}))
        .await
        .ok()?;
    for pool in names(&pools["UserPools"], "Id") {
        let found = aws
            .cognito("DescribeUserPool", &json!({"UserPoolId": pool}))
            .await
            .ok()?;
        let described = &found["UserPool"];
        if described["Domain"].is_null() && described["CustomDomain"].is_null() {
            continue;
        }
        let clients = aws
            .cognito("ListUserPoolClients", &json!({"UserPoolId": pool}))
            .await
            .ok()?;
        for client in names(&clients["UserPoolClients"], "ClientId") {
            let which = json!({"UserPoolId": pool, "ClientId": client});
            let found = aws.cognito("DescribeUserPoolClient", &which).await.ok()?;
            let to = &found["UserPoolClient"]["CallbackURLs"][0];
            if let Some(redirect_uri) = to.as_str().map(str::to_owned) {
                pages.push(SignInPage {
                    pool: pool.clone(),
                    client,
                    redirect_uri,
                });
            }
        }
    }
    Some(pages)
}

fn names(list: &Value, name: &str) -> Vec<String> {
    let list = list.as_array().into_iter().flatten();
    list.filter_map(|entry| Some(entry[name].as_str()?.to_owned()))
        .collect()
}

/// Opens `url` in `browser`, in a window unless it is to be `headless`, and
/// does not wait for it to be closed. One that is open already shows it.
///
/// # Errors
/// The operating system's, or that the browser failed.
pub async fn open(browser: &Path, ready: &Ready, url: &str, headless: bool) -> io::Result<()> {
    let profile = &ready.paths.browser_profile;
    std::fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(profile)?;
    let trust = Trust {
        spki: ready.edge_spki.clone(),
        proxy: ready.proxy.clone(),
    };
    let mut command = Command::new(browser);
    command.args(trust.arguments(profile));
    if headless {
        if user_of(profile).is_some() {
            return show(profile, url).await;
        }
        command.args(["--headless", "--disable-gpu", "--remote-debugging-port=0"]);
    }
    let child = command
        .arg(url)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        // Ctrl-C in the terminal is not meant for it.
        .process_group(0)
        .spawn()?;
    watch(ready.pid, child.id(), profile)?;
    started(child).await
}

/// Waits for the end of the instance, however it comes, and takes the profile
/// along, and the browser where it was not closed before: its number may be
/// somebody else's after that.
const WATCH: &str = r#"open=yes
while kill -s 0 "$1"; do kill -s 0 -- "-$2" || open=; sleep 1; done
[ -z "$open" ] || { kill -s KILL -- "-$2"; sleep 1; }
rm -rf -- "$ROLECALL_PROFILE""#;

fn watch(instance: u32, browser: u32, profile: &Path) -> io::Result<()> {
    Command::new("/bin/sh")
        .args(["-c", WATCH, "rolecall-watch"])
        .args([instance.to_string(), browser.to_string()])
        .env("ROLECALL_PROFILE", profile)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .process_group(0)
        .spawn()
        .map(drop)
}

/// Tells the headless browser that is open already: unlike one with windows it
/// does not listen to a second one, but it can be driven.
async fn show(profile: &Path, url: &str) -> io::Result<()> {
    let port = std::fs::read_to_string(profile.join("DevToolsActivePort"))?;
    let port = port.lines().next().unwrap_or_default().to_owned();
    let address = format!("http://127.0.0.1:{port}/json/new?{url}");
    let client = crate::client::plain(ENDS_WITHIN * 5).map_err(io::Error::other)?;
    let answer = client.put(address).send().await;
    answer
        .and_then(reqwest::Response::error_for_status)
        .map(drop)
        .map_err(|error| io::Error::other(crate::client::chain(&error)))
}

async fn started(mut child: Child) -> io::Result<()> {
    let watch = Stopwatch::start();
    while watch.elapsed() < FAILS_WITHIN {
        match child.try_wait()? {
            Some(status) if status.success() => return Ok(()),
            Some(status) => return Err(io::Error::other(format!("it ended with {status}"))),
            None => pause(Duration::from_millis(20)).await,
        }
    }
    Ok(())
}

/// Closes the browser that uses a profile and removes the profile, as far as
/// that can be done.
pub async fn close(profile: &Path) {
    if !profile.exists() {
        return;
    }
    let watch = Stopwatch::start();
    if let Some(pid) = user_of(profile) {
        kill("TERM", &pid);
        while uses(&pid, profile) && watch.elapsed() < ENDS_WITHIN {
            pause(Duration::from_millis(20)).await;
        }
        // What it started is of its group, and may still write.
        kill("KILL", &format!("-{pid}"));
    }
    while std::fs::remove_dir_all(profile).is_err()
        && profile.exists()
        && watch.elapsed() < ENDS_WITHIN
    {
        pause(Duration::from_millis(20)).await;
    }
}

fn kill(signal: &str, whom: &str) {
    let mut kill = Command::new("kill");
    let _ = kill
        .args(["-s", signal, "--", whom])
        .stderr(Stdio::null())
        .status();
}

/// The process that Chromium's lock in the profile names (`HOST-PID`), if it
/// still is a browser with that profile.
fn user_of(profile: &Path) -> Option<String> {
    let lock = std::fs::read_link(profile.join("SingletonLock")).ok()?;
    let pid = lock.to_str()?.rsplit_once('-')?.1.to_owned();
    uses(&pid, profile).then_some(pid)
}

/// Whether a process is there and was started with the profile.
fn uses(pid: &str, profile: &Path) -> bool {
    let mut ps = Command::new("ps");
    let said = ps.args(["-o", "args=", "-p", pid]).output();
    let said = said.map(|output| String::from_utf8_lossy(&output.stdout).into_owned());
    said.is_ok_and(|said| said.contains(&profile.display().to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_ca_has_a_profile_whose_name_is_one_folder() {
        let (one, other) = (profile("a/b+c="), profile("a/b+d="));
        assert_ne!(one, other);
        assert_eq!(one.parent(), other.parent());
        assert!(one.ends_with("a_b-c"));
    }
}
