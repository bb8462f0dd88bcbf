//! The file that kube-apiserver's `--authentication-config` names: read at the
//! start, and again whenever it changes (kubernetes,
//! `pkg/kubeapiserver/options/authentication.go: ApplyTo`).

use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::time::Duration;

use foundation::clock::pause;
use kube_authn::config::AuthenticationConfiguration;
use kube_rbac::Version;

use super::authn_version;
use crate::wire::yaml;

/// Between two looks at the file; Kubernetes is told by the kernel.
const LOOK: Duration = Duration::from_millis(500);

/// Reads an AuthenticationConfiguration, YAML or JSON. What is JSON is read as it
/// stands; YAML becomes JSON first, as in Kubernetes.
///
/// # Errors
/// The API server's words for what it cannot decode.
pub fn load(text: &str, version: Version) -> Result<AuthenticationConfiguration, String> {
    let version = authn_version(version);
    let read = if text.is_empty() || text.trim_start().starts_with('{') {
        AuthenticationConfiguration::from_json_of(text, version)
    } else {
        let document = yaml::read(text).map_err(|fault| fault.to_string())?;
        let (json, strict) = (document.value.to_string(), document.strict_error());
        AuthenticationConfiguration::from_converted(&json, text, strict, version)
    };
    read.map_err(|error| error.to_string())
}

/// Reads a configuration that an API server would start with.
///
/// # Errors
/// Its faults, a line each.
pub fn sound(text: &str, version: Version) -> Result<AuthenticationConfiguration, String> {
    let configuration = load(text, version)?;
    match &*configuration.validate(&[]) {
        [] => Ok(configuration),
        faults => Err(faults.join("\n")),
    }
}

/// An AuthenticationConfiguration in a file.
#[derive(Clone, Debug)]
pub struct ConfigFile {
    path: PathBuf,
    version: Version,
    /// What the last look saw.
    seen: Result<String, String>,
    configuration: AuthenticationConfiguration,
}

impl ConfigFile {
    /// Reads it as an API server of `version` does when it starts.
    ///
    /// # Errors
    /// Why it would not start, with the file's name: it cannot be read, or its
    /// faults, a line each.
    pub fn read(path: &Path, version: Version) -> Result<Self, String> {
        let text = text(path)?;
        let configuration =
            sound(&text, version).map_err(|faults| format!("{}: {faults}", path.display()))?;
        Ok(Self {
            path: path.to_owned(),
            version,
            seen: Ok(text),
            configuration,
        })
    }

    /// What was read at the start.
    pub fn configuration(&self) -> &AuthenticationConfiguration {
        &self.configuration
    }

    /// Gives `replace` what is new in the file, until that breaks off. What is wrong
    /// with it is logged in Kubernetes' words, once, and what was before stays.
    pub async fn follow<E: std::fmt::Display>(
        mut self,
        replace: impl Fn(AuthenticationConfiguration) -> Result<ControlFlow<()>, E>,
    ) {
        loop {
            pause(LOOK).await;
            match self.look() {
                None => {}
                Some(Err((what, err))) => tracing::error!(%err, "failed to {what}"),
                Some(Ok(configuration)) => match replace(configuration) {
                    Ok(ControlFlow::Continue(())) => {}
                    Ok(ControlFlow::Break(())) => return,
                    Err(err) => {
                        tracing::error!(%err, "failed to validate authentication config");
                    }
                },
            }
        }
    }

    /// What is new; what could not be done, and why.
    fn look(&mut self) -> Option<Result<AuthenticationConfiguration, (&'static str, String)>> {
        let now = text(&self.path);
        if now == self.seen {
            return None;
        }
        self.seen = now;
        Some(match &self.seen {
            Err(why) => Err(("read authentication config file", why.clone())),
            Ok(text) => load(text, self.version).map_err(|why| ("load authentication config", why)),
        })
    }
}

fn text(path: &Path) -> Result<String, String> {
    std::fs::read_to_string(path).map_err(|why| format!("{}: {why}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    const FIRST: &str =
        "apiVersion: apiserver.config.k8s.io/v1\nkind: AuthenticationConfiguration\n";

    fn read(path: &Path) -> Result<ConfigFile, String> {
        ConfigFile::read(path, Version::default())
    }

    #[test]
    fn each_change_of_a_file_is_seen_once_and_what_is_wrong_with_it_too() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("authn.yaml");
        let write = |text: &str| std::fs::write(&path, text).expect("a file");
        write(FIRST);
        let mut file = read(&path).expect("it is sound");
        assert!(file.look().is_none());
        write(&format!("{FIRST}anonymous: {{enabled: false}}\n"));
        let new = file.look().expect("it is another").expect("it is sound");
        assert!(!new.anonymous.expect("it says so").enabled);
        assert!(file.look().is_none());
        write("kind: Nothing\n");
        let (what, why) = file
            .look()
            .expect("it is another")
            .expect_err("it is none of ours");
        assert!(what.starts_with("load") && why.contains("Nothing"), "{why}");
        assert!(file.look().is_none());
        std::fs::remove_file(&path).expect("it is there");
        let (what, _) = file.look().expect("it is gone").expect_err("it is gone");
        assert!(what.starts_with("read"), "{what}");
        assert!(file.look().is_none());
        write(FIRST);
        assert!(file.look().is_some_and(|new| new.is_ok()));
    }

    #[test]
    fn nothing_starts_by_a_file_that_is_not_sound() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("authn.yaml");
        std::fs::write(&path, format!("{FIRST}jwt: [{{}}]\n")).expect("a file");
        let why = read(&path).expect_err("it is not sound");
        assert!(
            why.contains("authn.yaml: jwt[0].issuer.url: Required value"),
            "{why}"
        );
        let why = read(&folder.path().join("none")).expect_err("it is not there");
        assert!(why.contains("none: No such file"), "{why}");
    }
}
