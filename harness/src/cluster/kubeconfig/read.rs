//! One context of a kubeconfig, as somebody else wrote it.

use std::fmt;
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use foundation::pki;
use foundation::secret::Secret;
use rustls::RootCertStore;
use serde_json::Value;

use crate::client::{Proxy, over};

/// A kubeconfig's context.
#[derive(Clone, Debug, Default)]
pub struct Kubeconfig {
    /// The file.
    pub path: PathBuf,
    /// The context's name.
    pub context: String,
    /// The API server.
    pub server: Server,
    /// The user entry's name.
    pub user: String,
    /// Its program.
    pub exec: Option<Exec>,
    /// Its token.
    pub token: Option<Secret<String>>,
    /// The file with a token that is newer.
    pub token_file: Option<PathBuf>,
    /// Its client certificate.
    pub certificate: Option<Result<Certificate, String>>,
    /// What stands there that only kubectl goes by, the field's name.
    pub beyond: Option<&'static str>,
}

/// Clients of a context's API server.
pub struct Clients {
    /// Shows nothing by itself.
    pub bearer: reqwest::Client,
    /// Shows the user's certificate, where there is one.
    pub certified: Option<reqwest::Client>,
}

/// Where an API server is, as a kubeconfig says.
#[derive(Clone, Debug, Default)]
pub struct Server {
    /// Its base URL.
    pub url: String,
    /// Its CA, PEM; none: the system's.
    pub ca_pem: Option<String>,
    /// The kubeconfig's `proxy-url`.
    pub proxy: Option<String>,
    /// Whether the kubeconfig says not to look at its certificate.
    pub unverified: bool,
}

/// Why no token is sent to an API server.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoRoots {
    /// Anybody could be there.
    #[error(
        "{0} was not asked: the kubeconfig does not verify its certificate, and a token is not sent to just anybody"
    )]
    Unverified(String),
    /// Whose certificates are to be trusted cannot be read.
    #[error("the kubeconfig's CA of {url} cannot be read: {reason}")]
    Unreadable {
        /// The API server.
        url: String,
        /// Why.
        reason: String,
    },
}

impl Server {
    /// Whose certificates are trusted there.
    ///
    /// # Errors
    /// [`NoRoots`].
    pub fn roots(&self) -> Result<RootCertStore, NoRoots> {
        let url = self.url.trim_end_matches('/').to_owned();
        if self.unverified || !url.starts_with("https://") {
            return Err(NoRoots::Unverified(url));
        }
        match self.ca_pem.as_deref().map(pki::roots_from_pem) {
            None => Ok(crate::client::system_roots()),
            Some(Ok(roots)) => Ok(roots),
            Some(Err(error)) => Err(NoRoots::Unreadable {
                url,
                reason: error.to_string(),
            }),
        }
    }

    /// The way there: the kubeconfig's own proxy, or else `otherwise`.
    pub fn way(&self, otherwise: &Proxy) -> Proxy {
        match &self.proxy {
            Some(url) => Proxy {
                url: Some(url.clone()),
                except: String::new(),
            },
            None => otherwise.clone(),
        }
    }
}

/// A client certificate with its key, both PEM.
#[derive(Clone, Debug, Default)]
pub struct Certificate {
    /// The chain, leaf first.
    pub chain: String,
    /// The private key.
    pub key: Secret<String>,
}

/// A program that fetches credentials. Its arguments may hold secrets.
#[derive(Clone, Default)]
pub struct Exec {
    /// `client.authentication.k8s.io/…`.
    pub api_version: String,
    /// Where the kubeconfig is.
    pub folder: PathBuf,
    /// Whether it is told of the cluster.
    pub provide_cluster_info: bool,
    /// Whether it only runs where somebody types.
    pub needs_a_terminal: bool,
    /// The program; with a slash in it, relative to the kubeconfig.
    pub command: String,
    /// Its arguments.
    pub args: Vec<String>,
    /// Additions to its environment.
    pub env: Vec<(String, String)>,
}

/// Which program, without its arguments and environment.
impl fmt::Debug for Exec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.command)
    }
}

impl Kubeconfig {
    /// The user's token, out of its file where there is one.
    ///
    /// # Errors
    /// Why the file cannot be read.
    pub fn current_token(&self) -> Result<Option<Secret<String>>, String> {
        match &self.token_file {
            None => Ok(self.token.clone()),
            Some(file) => match std::fs::read_to_string(file) {
                Ok(text) => Ok(Some(text.trim().to_owned().into())),
                Err(error) => Err(format!("its tokenFile {}: {error}", file.display())),
            },
        }
    }

    /// Clients that go the way that kubectl would: by the kubeconfig's proxy, or
    /// else by `otherwise`.
    ///
    /// # Errors
    /// A sentence: the API server's certificate is not to be verified, or a file
    /// cannot be read.
    pub fn clients(&self, otherwise: &Proxy) -> Result<Clients, String> {
        let roots = self.server.roots().map_err(|why| why.to_string())?;
        let way = self.server.way(otherwise);
        let client = |tls| over(tls, way.url.as_deref(), &way.except).map_err(|e| e.to_string());
        let text = |error: pki::Error| error.to_string();
        let certified = match self.certificate.clone().transpose()? {
            None => None,
            Some(identity) => {
                let key = identity.key.expose();
                let tls = pki::client_config_with_pem(roots.clone(), &identity.chain, key);
                Some(client(tls.map_err(text)?)?)
            }
        };
        Ok(Clients {
            bearer: client(pki::client_config(roots).map_err(text)?)?,
            certified,
        })
    }
}

/// Reads `context` (by default the current one) of the file at `path`.
///
/// # Errors
/// What is missing, in words without values that could be secret.
pub fn context(path: &Path, context: Option<&str>) -> Result<Kubeconfig, String> {
    Documents(vec![(path.to_owned(), document(path)?)]).context(context)
}

/// Kubeconfig files, merged as kubectl merges those of `KUBECONFIG`: of entries
/// with one name the first counts.
pub struct Documents(Vec<(PathBuf, Value)>);

impl Documents {
    /// Reads `files`; those of several that are not there count as empty.
    ///
    /// # Errors
    /// Why one cannot be read, and which.
    pub fn read(files: &[PathBuf]) -> Result<Self, String> {
        let mut all = Vec::new();
        for path in files {
            if files.len() > 1 && !path.exists() {
                continue;
            }
            let named = |why: String| format!("{}: {why}", path.display());
            all.push((path.clone(), document(path).map_err(named)?));
        }
        Ok(Self(all))
    }

    /// The contexts' names.
    pub fn contexts(&self) -> Vec<&str> {
        let files = self.0.iter();
        let all = files.flat_map(|(_, file)| file["contexts"].as_array().into_iter().flatten());
        all.filter_map(|entry| entry["name"].as_str()).collect()
    }

    /// One context (by default the current one).
    ///
    /// # Errors
    /// What is missing, in words without values that could be secret.
    pub fn context(&self, context: Option<&str>) -> Result<Kubeconfig, String> {
        let mut currents = self.0.iter().map(|(_, file)| &file["current-context"]);
        let current = currents.find_map(|name| name.as_str().filter(|name| !name.is_empty()));
        let name = context
            .or(current)
            .ok_or("it has no current-context; name one with --context")?;
        let (path, context) = self.entry("contexts", "context", name)?;
        let named = |part: &str| {
            let found = context[part].as_str();
            found.ok_or_else(|| format!("its context {name:?} names no {part}"))
        };
        let (cluster, user) = (named("cluster")?, named("user")?);
        let (cluster_path, cluster) = self.entry("clusters", "cluster", cluster)?;
        let (user_path, entries) = self.entry("users", "user", user)?;
        let (server_folder, folder) = (folder(cluster_path), folder(user_path));
        let has = |entry: &Value, field: &str| entry.get(field).is_some_and(|v| !v.is_null());
        let of_user = BEYOND.into_iter().find(|field| has(entries, field));
        let of_cluster = Some("tls-server-name").filter(|field| has(cluster, field));
        let (token, token_file) = token(entries, folder);
        Ok(Kubeconfig {
            path: path.to_owned(),
            context: name.to_owned(),
            beyond: of_user.or(of_cluster),
            server: server(cluster, server_folder)?,
            user: user.to_owned(),
            exec: entries
                .get("exec")
                .filter(|exec| exec.is_object())
                .map(|value| exec(value, folder)),
            token,
            token_file,
            certificate: certificate(entries, folder),
        })
    }

    /// The first entry of a name, and the file that it stands in.
    fn entry(&self, list: &str, part: &str, name: &str) -> Result<(&Path, &Value), String> {
        for (path, file) in &self.0 {
            let mut all = file[list].as_array().into_iter().flatten();
            if let Some(entry) = all.find(|entry| entry["name"] == name) {
                return Ok((path, &entry[part]));
            }
        }
        Err(format!("there is no {name:?} among its {list}"))
    }
}

/// What paths in a file are relative to.
fn folder(path: &Path) -> &Path {
    path.parent().unwrap_or(Path::new("."))
}

fn document(path: &Path) -> Result<Value, String> {
    let text = std::fs::read_to_string(path).map_err(|error| error.to_string())?;
    // The parser's own text may quote a line, and a line may hold a token.
    serde_saphyr::from_str(&text).map_err(|_| "it is no YAML".to_owned())
}

/// Ways of a user entry that only kubectl goes.
const BEYOND: [&str; 7] = [
    "as",
    "as-uid",
    "as-groups",
    "as-user-extra",
    "username",
    "password",
    "auth-provider",
];

/// The token, and the file that has a newer one, where the user has one.
fn token(user: &Value, folder: &Path) -> (Option<Secret<String>>, Option<PathBuf>) {
    let file = user["tokenFile"].as_str().filter(|file| !file.is_empty());
    let token = user["token"].as_str().filter(|token| !token.is_empty());
    let token = token.map(|token| token.to_owned().into());
    (token, file.map(|file| folder.join(file)))
}

/// Why one cannot be read is for who needs it.
fn certificate(user: &Value, folder: &Path) -> Option<Result<Certificate, String>> {
    let read = |name| pem(user, name, folder).transpose();
    let (chain, key) = (read("client-certificate")?, read("client-key")?);
    Some(chain.and_then(|chain| {
        Ok(Certificate {
            chain,
            key: key?.into(),
        })
    }))
}

/// What stands in `NAME-data`, or else in the file that `NAME` names.
fn pem(entry: &Value, name: &str, folder: &Path) -> Result<Option<String>, String> {
    let data = format!("{name}-data");
    if let Some(base64) = entry[&data].as_str().filter(|data| !data.is_empty()) {
        let bytes = STANDARD.decode(base64.trim()).ok();
        let text = bytes.and_then(|bytes| String::from_utf8(bytes).ok());
        return match text {
            Some(text) => Ok(Some(text)),
            None => Err(format!("its {data} is no base64 of a PEM file")),
        };
    }
    let Some(file) = entry[name].as_str() else {
        return Ok(None);
    };
    let file = folder.join(file);
    match std::fs::read_to_string(&file) {
        Ok(text) => Ok(Some(text)),
        Err(error) => Err(format!("{}: {error}", file.display())),
    }
}

fn server(cluster: &Value, folder: &Path) -> Result<Server, String> {
    Ok(Server {
        url: cluster["server"].as_str().unwrap_or_default().to_owned(),
        ca_pem: pem(cluster, "certificate-authority", folder)?,
        proxy: cluster["proxy-url"]
            .as_str()
            .filter(|url| !url.is_empty())
            .map(str::to_owned),
        unverified: cluster["insecure-skip-tls-verify"] == true,
    })
}

fn exec(value: &Value, folder: &Path) -> Exec {
    let text = |value: &Value| match value {
        Value::String(text) => text.clone(),
        Value::Null => String::new(),
        other => other.to_string(),
    };
    let list = |name: &str| value[name].as_array().into_iter().flatten();
    Exec {
        api_version: text(&value["apiVersion"]),
        folder: folder.to_owned(),
        provide_cluster_info: value["provideClusterInfo"] == true,
        needs_a_terminal: value["interactiveMode"] == "Always",
        command: text(&value["command"]),
        args: list("args").map(text).collect(),
        env: list("env")
            .map(|pair| (text(&pair["name"]), text(&pair["value"])))
            .collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: &str = "
current-context: a
contexts: [{name: a, context: {cluster: c, user: u}}, {name: b, context: {cluster: c, user: gone}}]
clusters: [{name: c, cluster: {server: 'https://c', certificate-authority-data: UEVN}}]
users:
- name: u
  user:
    exec: {apiVersion: client.authentication.k8s.io/v1beta1, command: kubectl, args: [oidc-login, get-token], env: null}
";

    #[test]
    fn a_context_is_found() {
        let file = serde_saphyr::from_str(FILE).expect("YAML");
        let files = Documents(vec![("/x/config".into(), file)]);
        let found = files.context(None).expect("a context");
        assert_eq!(found.server.ca_pem.as_deref(), Some("PEM"));
        assert_eq!(found.exec.expect("exec").args, ["oidc-login", "get-token"]);
        let missing = files.context(Some("b")).expect_err("no user");
        assert_eq!(missing, "there is no \"gone\" among its users");
    }

    /// As kubectl merges them (`ClientConfigLoadingRules`).
    #[test]
    fn of_entries_with_one_name_the_first_counts() {
        let read = |text: &str| serde_saphyr::from_str::<Value>(text).expect("YAML");
        let second = "
contexts: [{name: a, context: {cluster: d, user: gone}}, {name: z, context: {cluster: c, user: u}}, {name: b2, context: {cluster: d, user: v}}]
clusters: [{name: c, cluster: {server: 'https://other'}}, {name: d, cluster: {server: 'https://d'}}]
users: [{name: v, user: {tokenFile: token}}]
";
        let files = Documents(vec![
            ("/x/config".into(), read(FILE)),
            ("/y/config".into(), read(second)),
        ]);
        assert_eq!(files.contexts(), ["a", "b", "a", "z", "b2"]);
        let server = |name| files.context(Some(name)).expect("a context").server.url;
        assert_eq!(server("a"), "https://c");
        assert_eq!(server("z"), "https://c");
        let found = files.context(Some("b2")).expect("a context");
        assert_eq!(found.server.url, "https://d");
        assert_eq!(found.token_file.expect("a file"), Path::new("/y/token"));
    }

    #[test]
    fn what_a_program_is_called_with_is_not_shown() {
        let file = serde_saphyr::from_str(FILE).expect("YAML");
        let found = Documents(vec![("/x/config".into(), file)]).context(None);
        let shown = format!("{:?}", found.expect("a context"));
        assert!(!shown.contains("oidc-login"), "{shown}");
    }
}
