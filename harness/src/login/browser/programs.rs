//! Where the browser and its driver are, and what a browser of ours is told.

use std::path::{Path, PathBuf};

use crate::process::on_path;

/// What Chromium and Chrome are called.
const BROWSERS: [&str; 4] = [
    "chromium",
    "chromium-browser",
    "google-chrome",
    "google-chrome-stable",
];

/// Where they are on macOS, which has no such names on the PATH.
const APPLICATIONS: [&str; 2] = [
    "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
    "/Applications/Chromium.app/Contents/MacOS/Chromium",
];

/// Chromium or Chrome, and the chromedriver of the same version.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Programs {
    /// The browser.
    pub browser: PathBuf,
    /// What drives it.
    pub driver: PathBuf,
}

/// A program that is not here, and how to get it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Missing(pub String);

/// Finds both: `CHROME` and `CHROMEDRIVER` where they are set, else on the
/// PATH.
///
/// # Errors
/// [`Missing`], with the remedy.
pub fn find() -> Result<Programs, Missing> {
    Ok(Programs {
        browser: find_browser()?,
        driver: named_by("CHROMEDRIVER")?
            .or_else(|| on_path("chromedriver"))
            .ok_or_else(|| {
                Missing(
                    "no chromedriver on the PATH; install it (Debian: apt-get install chromium-driver), or name one of the browser's version in CHROMEDRIVER"
                        .to_owned(),
                )
            })?,
    })
}

/// Finds the browser alone.
///
/// # Errors
/// [`Missing`], with the remedy.
pub fn find_browser() -> Result<PathBuf, Missing> {
    let applications = || {
        APPLICATIONS
            .map(PathBuf::from)
            .into_iter()
            .find(|path| path.is_file())
    };
    named_by("CHROME")?
        .or_else(|| BROWSERS.into_iter().find_map(on_path))
        .or_else(applications)
        .ok_or_else(|| {
            Missing(format!(
                "no Chromium or Chrome on the PATH ({}); install one (Debian: apt-get install chromium), or name it in CHROME",
                BROWSERS.join(", ")
            ))
        })
}

fn named_by(variable: &str) -> Result<Option<PathBuf>, Missing> {
    let Some(value) = std::env::var_os(variable).filter(|value| !value.is_empty()) else {
        return Ok(None);
    };
    let path = PathBuf::from(&value);
    if path.is_file() {
        return Ok(Some(path));
    }
    on_path(&value).map(Some).ok_or_else(|| {
        Missing(format!(
            "{variable}={} is no program; name an existing one, or unset it",
            path.display()
        ))
    })
}

/// Whom a browser trusts, and how it finds what is not on loopback.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Trust {
    /// The edge CA's public key, as [`foundation::pki::Ca::spki_sha256`] has
    /// it and `ready.json` calls it `edgeSpki`.
    pub spki: String,
    /// The proxy to AWS' own names, as `http://127.0.0.1:PORT`.
    pub proxy: Option<String>,
}

impl Trust {
    /// The arguments for a browser with the profile `folder`, which it makes
    /// its own, and which asks for nothing of its own accord.
    pub fn arguments(&self, folder: &Path) -> Vec<String> {
        let mut arguments = vec![
            format!("--user-data-dir={}", folder.display()),
            format!("--ignore-certificate-errors-spki-list={}", self.spki),
        ];
        arguments.extend(
            self.proxy
                .iter()
                .map(|proxy| format!("--proxy-server={proxy}")),
        );
        arguments.extend(
            [
                "--no-first-run",
                "--no-default-browser-check",
                "--disable-background-networking",
                "--disable-component-update",
                "--disable-sync",
                "--disable-quic",
            ]
            .map(str::to_owned),
        );
        if belongs_to_root(folder) {
            // Chromium does not start as root otherwise.
            arguments.push("--no-sandbox".to_owned());
        }
        arguments
    }
}

/// Whether we, who made `folder`, are root.
fn belongs_to_root(folder: &Path) -> bool {
    use std::os::unix::fs::MetadataExt as _;
    folder.metadata().is_ok_and(|metadata| metadata.uid() == 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_browser_is_told_whom_to_trust_and_where_to_ask() {
        let folder = tempfile::tempdir().expect("a folder");
        let mut trust = Trust {
            spki: "abc=".to_owned(),
            proxy: None,
        };
        let local = trust.arguments(folder.path());
        assert!(local.contains(&"--ignore-certificate-errors-spki-list=abc=".to_owned()));
        assert!(
            !local
                .iter()
                .any(|argument| argument.starts_with("--proxy-server"))
        );
        trust.proxy = Some("http://127.0.0.1:3128".to_owned());
        let aws = trust.arguments(folder.path());
        assert!(aws.contains(&"--proxy-server=http://127.0.0.1:3128".to_owned()));
    }
}
