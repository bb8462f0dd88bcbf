//! One context of a kubeconfig, as far as a login goes by it.

use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use foundation::secret::Secret;
use serde_json::Value;

use super::cluster::Server;

/// A kubeconfig's context.
#[derive(Clone, Debug, Default)]
pub struct Kubeconfig {
    /// The file.
    pub path: PathBuf,
    /// The API server.
    pub server: Server,
    /// The user entry's name.
    pub user: String,
    /// Its program.
    pub exec: Option<Exec>,
    /// Its token.
    pub token: Option<Secret<String>>,
    /// Its client certificate.
    pub certificate: Option<Result<Certificate, String>>,
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
#[derive(Clone, Debug, Default)]
pub struct Exec {
    /// `client.authentication.k8s.io/…`.
    pub api_version: String,
    /// The program; with a slash in it, relative to the kubeconfig.
    pub command: String,
    /// Its arguments.
    pub args: Vec<String>,
    /// Additions to its environment.
    pub env: Vec<(String, String)>,
}

/// Reads `context` (by default the current one) of the file at `path`.
///
/// # Errors
/// What is missing, in words without values that could be secret.
pub fn read(path: &Path, context: Option<&str>) -> Result<Kubeconfig, String> {
    let text = std::fs::read_to_string(path).map_err(|error| error.to_string())?;
    // The parser's own text may quote a line, and a line may hold a token.
    let file: Value = serde_saphyr::from_str(&text).map_err(|_| "it is no YAML".to_owned())?;
    parse(&file, path, context)
}

fn parse(file: &Value, path: &Path, context: Option<&str>) -> Result<Kubeconfig, String> {
    let current = file["current-context"]
        .as_str()
        .filter(|name| !name.is_empty());
    let name = context
        .or(current)
        .ok_or("it has no current-context; name one with --context")?;
    let context = entry(file, "contexts", "context", name)?;
    let named = |part: &str| {
        let name = context[part].as_str();
        name.ok_or_else(|| format!("its context {name:?} names no {part}"))
    };
    let (cluster, user) = (named("cluster")?, named("user")?);
    let entries = entry(file, "users", "user", user)?;
    let folder = path.parent().unwrap_or(Path::new("."));
    Ok(Kubeconfig {
        path: path.to_owned(),
        server: server(entry(file, "clusters", "cluster", cluster)?, folder)?,
        user: user.to_owned(),
        exec: entries
            .get("exec")
            .filter(|exec| exec.is_object())
            .map(exec),
        token: entries["token"]
            .as_str()
            .map(|token| token.to_owned().into()),
        certificate: certificate(entries, folder),
    })
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

fn entry<'a>(file: &'a Value, list: &str, part: &str, name: &str) -> Result<&'a Value, String> {
    let mut all = file[list].as_array().into_iter().flatten();
    all.find(|entry| entry["name"] == name)
        .map(|entry| &entry[part])
        .ok_or_else(|| format!("there is no {name:?} among its {list}"))
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

fn exec(value: &Value) -> Exec {
    let text = |value: &Value| match value {
        Value::String(text) => text.clone(),
        Value::Null => String::new(),
        other => other.to_string(),
    };
    let list = |name: &str| value[name].as_array().into_iter().flatten();
    Exec {
        api_version: text(&value["apiVersion"]),
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
        let found = parse(&file, Path::new("/x/config"), None).expect("a context");
        assert_eq!(found.server.ca_pem.as_deref(), Some("PEM"));
        assert_eq!(found.exec.expect("exec").args, ["oidc-login", "get-token"]);
        let missing = parse(&file, Path::new("config"), Some("b")).expect_err("no user");
        assert_eq!(missing, "there is no \"gone\" among its users");
    }
}
