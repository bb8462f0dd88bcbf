//! The file that kube-apiserver's `--authentication-config` names: read at the
//! start, and again whenever it changes (kubernetes,
//! `pkg/kubeapiserver/options/authentication.go: ApplyTo`).

use std::fmt;
use std::path::{Path, PathBuf};

use kube_authn::ConfigError;
use kube_authn::config::AuthenticationConfiguration;
use kube_rbac::Version;

use super::authn_version;
use super::issuer::egress_refusal;
use super::reload::ANONYMOUS_CHANGED;
use crate::SERVICE_ACCOUNT_ISSUER;
use crate::wire::{aggregate, yaml};

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
    faultless(load(text, version)?, |configuration| {
        configuration.validate(&[])
    })
}

fn faultless(
    configuration: AuthenticationConfiguration,
    faults: impl FnOnce(&AuthenticationConfiguration) -> Vec<String>,
) -> Result<AuthenticationConfiguration, String> {
    match &*faults(&configuration) {
        [] => Ok(configuration),
        faults => Err(faults.join("\n")),
    }
}

/// What keeps the API server here from starting with `configuration`: its faults, and
/// what is sound and needs something that is not there.
fn faults(configuration: &AuthenticationConfiguration) -> Vec<String> {
    let faults = configuration.validate(&[SERVICE_ACCOUNT_ISSUER.to_owned()]);
    if !faults.is_empty() {
        return faults;
    }
    let entries = configuration.jwt.iter().enumerate();
    let lacking = entries.flat_map(|(i, jwt)| {
        let cel = jwt.first_expression().map(ConfigError::Cel);
        let cel = cel.map(|error| error.of_entry(i).to_string());
        let egress = egress_refusal(jwt).map(|error| format!("jwt[{i}]: {error}"));
        [cel, egress]
    });
    lacking.flatten().collect()
}

/// An AuthenticationConfiguration in a file.
#[derive(Clone, Debug)]
pub struct ConfigFile {
    path: PathBuf,
    version: Version,
    /// What was read at the start.
    configuration: AuthenticationConfiguration,
    /// What the last look saw; none where there is nothing to look at again, as in a
    /// pipe.
    seen: Option<Result<String, String>>,
}

impl ConfigFile {
    /// Takes `text`, which was read from `path`, as an API server of `version` does
    /// when it starts.
    ///
    /// # Errors
    /// Why it would not start: its faults, a line each.
    pub fn new(path: &Path, text: String, version: Version) -> Result<Self, String> {
        Ok(Self {
            path: path.to_owned(),
            version,
            configuration: faultless(load(&text, version)?, faults)?,
            seen: path.is_file().then_some(Ok(text)),
        })
    }

    /// The same file, read anew by an API server of `version` that starts.
    ///
    /// # Errors
    /// Why it would not.
    pub fn anew(&self, version: Version) -> Result<Self, String> {
        if self.seen.is_none() {
            return Ok(self.clone());
        }
        let named = |why| format!("{}: {why}", self.path.display());
        read(&self.path).and_then(|text| Self::new(&self.path, text, version).map_err(named))
    }

    /// What was read at the start.
    pub fn configuration(&self) -> &AuthenticationConfiguration {
        &self.configuration
    }

    /// Looks at it again: what is new.
    ///
    /// # Errors
    /// What could not be done, in Kubernetes' words, and why; once for each change.
    pub(crate) fn look(&mut self) -> Option<Result<AuthenticationConfiguration, Fault>> {
        let seen = self.seen.as_ref()?;
        let now = read(&self.path);
        if *seen == now {
            return None;
        }
        self.seen = Some(now.clone());
        Some(now.map_err(Fault::Read).and_then(|text| {
            let new = load(&text, self.version).map_err(Fault::Load)?;
            let mut faults = faults(&new);
            if new.anonymous != self.configuration.anonymous {
                faults.push(ANONYMOUS_CHANGED.to_owned());
            }
            match faults.is_empty() {
                true => Ok(new),
                false => Err(Fault::Validate(aggregate(faults))),
            }
        }))
    }
}

/// Why a file does not take the place of what is in force.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    Read(String),
    Load(String),
    Validate(String),
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (what, why) = match self {
            Self::Read(why) => ("read authentication config file", why),
            Self::Load(why) => ("load authentication config", why),
            Self::Validate(why) => ("validate authentication config", why),
        };
        write!(f, "failed to {what}: {why}")
    }
}

fn read(path: &Path) -> Result<String, String> {
    // Who opens a pipe waits for somebody to write to it, and everybody here with him.
    if path.metadata().is_ok_and(|found| !found.is_file()) {
        return Err(format!("{}: it is no file", path.display()));
    }
    std::fs::read_to_string(path).map_err(|why| format!("{}: {why}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    const FIRST: &str =
        "apiVersion: apiserver.config.k8s.io/v1\nkind: AuthenticationConfiguration\n";
    const ISSUER: &str = "jwt: [{issuer: {url: 'https://a.example', audiences: [a]}, \
        claimMappings: {username: {claim: sub, prefix: ''}}}]\n";

    #[test]
    fn each_change_of_a_file_is_seen_once_and_what_is_wrong_with_it_too() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("authn.yaml");
        let write = |text: &str| std::fs::write(&path, text).expect("a file");
        write(FIRST);
        let mut file =
            ConfigFile::new(&path, FIRST.to_owned(), Version::default()).expect("it is sound");
        assert!(file.look().is_none());
        let sound = format!("{FIRST}{ISSUER}");
        write(&sound);
        let new = file.look().expect("it is another").expect("it is sound");
        assert_eq!(new.jwt[0].issuer.url, "https://a.example");
        assert!(file.look().is_none());
        for (text, words) in [
            ("kind: Nothing\n".to_owned(), "failed to load"),
            (
                sound.replace("https", "http"),
                "failed to validate authentication config: jwt[0].issuer.url: Invalid value",
            ),
            (
                format!("{sound}anonymous: {{enabled: false}}\n"),
                "failed to validate authentication config: anonymous: Forbidden: \
                 changed from initial configuration file",
            ),
        ] {
            write(&text);
            let why = file.look().expect("it is another").expect_err(words);
            assert!(why.to_string().starts_with(words), "{why}");
            assert!(file.look().is_none());
        }
        std::fs::remove_file(&path).expect("it is there");
        let why = file.look().expect("it is gone").expect_err("it is gone");
        assert!(
            why.to_string().contains("authn.yaml: No such file"),
            "{why}"
        );
        assert!(file.look().is_none());
        write(&sound);
        assert!(file.look().is_some_and(|new| new.is_ok()));
        let anew = file.anew(Version::default()).expect("it is sound");
        assert_eq!(anew.configuration().jwt.len(), 1);
    }

    #[test]
    fn nothing_starts_by_what_is_not_sound_and_a_pipe_is_read_once() {
        let started = |path: &str, text: &str| {
            ConfigFile::new(Path::new(path), text.to_owned(), Version::default())
        };
        let why = started("-", &format!("{FIRST}jwt: [{{}}]\n")).expect_err("it is not sound");
        assert!(
            why.starts_with("jwt[0].issuer.url: Required value"),
            "{why}"
        );
        let folder = tempfile::tempdir().expect("a folder");
        let pipe = folder.path().join("pipe");
        let made = std::process::Command::new("mkfifo").arg(&pipe).status();
        assert!(made.is_ok_and(|made| made.success()));
        let (says, said) = std::sync::mpsc::channel();
        // A look at it would wait for ever.
        std::thread::spawn(move || {
            let pipe = ConfigFile::new(&pipe, FIRST.to_owned(), Version::default());
            let mut pipe = pipe.expect("it is sound");
            says.send(pipe.look().is_none() && pipe.anew(Version::default()).is_ok())
        });
        let said = said.recv_timeout(std::time::Duration::from_secs(20));
        assert_eq!(said, Ok(true));
    }
}
