//! Kubeconfig files: written fresh for an administrator, and a login's entries
//! put into a file that is there; [`read`] takes in those of others.

pub mod exec;
pub mod read;

use std::fmt::Write as _;
use std::io::Write as _;
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use foundation::pki::Leaf;
use foundation::secret::Secret;
use serde_json::{Value, json};

/// One cluster, one user, one context.
#[derive(Clone, Debug)]
pub struct Kubeconfig {
    /// The name of the cluster and the context.
    pub name: String,
    /// The API server's base URL.
    pub server: String,
    /// PEM.
    pub ca_pem: String,
    /// The user entry's name.
    pub user: String,
    /// How the user proves who they are.
    pub credential: Credential,
}

/// A kubeconfig's user entry.
#[derive(Clone, Debug)]
pub enum Credential {
    /// PEM of a client certificate and of its key.
    ClientCertificate {
        /// PEM.
        certificate: String,
        /// PEM, PKCS #8.
        key: Secret<String>,
    },
    /// A bearer token.
    Token(Secret<String>),
}

impl Kubeconfig {
    /// That of the administrator whose certificate is `admin`.
    pub fn of_admin(name: &str, server: &str, ca_pem: &str, admin: &Leaf) -> Self {
        Self {
            name: name.to_owned(),
            server: server.to_owned(),
            ca_pem: ca_pem.to_owned(),
            user: "kubernetes-admin".to_owned(),
            credential: Credential::ClientCertificate {
                certificate: admin.certificate_pem.clone(),
                key: Secret::new(admin.key_pem()),
            },
        }
    }

    /// The file's text, YAML as `kubectl config` writes it.
    pub fn render(&self) -> String {
        let base64 = |pem: &str| STANDARD.encode(pem);
        let mut user = String::new();
        match &self.credential {
            Credential::ClientCertificate { certificate, key } => {
                let _ = writeln!(user, "    client-certificate-data: {}", base64(certificate));
                let _ = write!(user, "    client-key-data: {}", base64(key.expose()));
            }
            Credential::Token(token) => {
                let _ = write!(user, "    token: {}", quote(token.expose()));
            }
        }
        let (name, user_name) = (quote(&self.name), quote(&self.user));
        format!(
            "apiVersion: v1\n\
             kind: Config\n\
             clusters:\n\
             - name: {name}\n  \
               cluster:\n    \
                 server: {server}\n    \
                 certificate-authority-data: {ca}\n\
             contexts:\n\
             - name: {name}\n  \
               context:\n    \
                 cluster: {name}\n    \
                 user: {user_name}\n\
             current-context: {name}\n\
             users:\n\
             - name: {user_name}\n  \
               user:\n\
             {user}\n",
            server = self.server,
            ca = base64(&self.ca_pem),
        )
    }
}

/// Who logs in by kubelogin, as the exec credential plugin has it
/// (client.authentication.k8s.io/v1beta1), and where: the entries that the
/// tutorial's step 9 makes with `kubectl config`.
#[derive(Clone, Debug)]
pub struct KubeloginEntry {
    /// The cluster's name.
    pub cluster: String,
    /// The API server's base URL.
    pub server: String,
    /// Base64 of the cluster's CA's PEM.
    pub ca_data: String,
    /// The issuer, as the cluster has it.
    pub issuer: String,
    /// The app client.
    pub client_id: String,
    /// The file of the issuer's CA: Go on macOS does not read `SSL_CERT_FILE`.
    pub issuer_ca: String,
    /// The proxy to both, where there is one.
    pub proxy: Option<String>,
    /// The user entry's name.
    pub user: String,
    /// The context's name.
    pub context: String,
}

impl KubeloginEntry {
    /// `existing` with these entries in it, in place of those of the same
    /// names, and the context as the current one.
    ///
    /// # Errors
    /// When `existing` is no kubeconfig.
    pub fn put_into(&self, existing: &str) -> Result<String, String> {
        let mut config: Value = if existing.trim().is_empty() {
            json!({"apiVersion": "v1", "kind": "Config"})
        } else {
            // The lines around an error would show keys.
            serde_saphyr::from_str(existing)
                .map_err(|error: serde_saphyr::Error| error.without_snippet().to_string())?
        };
        if !config.is_object() || config["kind"] != "Config" {
            return Err("it is no kubeconfig: its kind is not Config".to_owned());
        }
        let mut cluster =
            json!({"server": self.server, "certificate-authority-data": self.ca_data});
        if let Some(proxy) = &self.proxy {
            cluster["proxy-url"] = Value::from(proxy.as_str());
        }
        put(&mut config, "clusters", &self.cluster, "cluster", cluster);
        put(
            &mut config,
            "users",
            &self.user,
            "user",
            json!({"exec": self.exec()}),
        );
        let context = json!({"cluster": self.cluster, "user": self.user});
        put(&mut config, "contexts", &self.context, "context", context);
        config["current-context"] = Value::from(self.context.as_str());
        serde_saphyr::to_string(&config).map_err(|error| error.to_string())
    }

    fn exec(&self) -> Value {
        let mut exec = json!({
            "apiVersion": "client.authentication.k8s.io/v1beta1",
            "command": "kubectl",
            "args": [
                "oidc-login",
                "get-token",
                format!("--oidc-issuer-url={}", self.issuer),
                format!("--oidc-client-id={}", self.client_id),
                format!("--certificate-authority={}", self.issuer_ca),
            ],
            "interactiveMode": "IfAvailable",
        });
        if let Some(proxy) = &self.proxy {
            exec["env"] = json!([{"name": "HTTPS_PROXY", "value": proxy}]);
        }
        exec
    }
}

/// Writes a kubeconfig, mode 0600, in one step: who reads it meanwhile reads
/// the old one or the new one.
///
/// # Errors
/// The operating system's.
pub fn save(path: &Path, text: &str) -> std::io::Result<()> {
    // A link is followed: what it leads to is the file.
    let real = path.canonicalize().unwrap_or_else(|_| path.to_owned());
    let path = real.as_path();
    let folder = path
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty());
    // A temporary file is for its owner alone.
    let mut file = tempfile::NamedTempFile::new_in(folder.unwrap_or(Path::new(".")))?;
    file.write_all(text.as_bytes())?;
    file.persist(path).map_err(|error| error.error)?;
    Ok(())
}

/// Puts `{name, [key]: value}` into a list, in place of the entry of that name.
fn put(config: &mut Value, list: &str, name: &str, key: &str, value: Value) {
    if !config[list].is_array() {
        config[list] = Value::Array(Vec::new());
    }
    if let Some(entries) = config[list].as_array_mut() {
        entries.retain(|entry| entry["name"] != name);
        entries.push(json!({"name": name, key: value}));
    }
}

/// A YAML double-quoted scalar; JSON's escapes are a subset of YAML's.
fn quote(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry() -> KubeloginEntry {
        KubeloginEntry {
            cluster: "kubedemy".to_owned(),
            server: "https://127.0.0.1:6443".to_owned(),
            ca_data: "UEVN".repeat(300),
            issuer: "https://127.0.0.1:8443/eu-west-2_A".to_owned(),
            client_id: "abc".to_owned(),
            issuer_ca: "/tmp/it's/ca.crt".to_owned(),
            proxy: Some("http://127.0.0.1:3128".to_owned()),
            user: "oidc".to_owned(),
            context: "default".to_owned(),
        }
    }

    #[test]
    fn a_login_is_put_beside_what_is_there_and_in_place_of_its_like() {
        let existing = "apiVersion: v1\nkind: Config\nusers:\n- name: admin\n  user: {token: x}\n- name: oidc\n  user: {token: old}\ncurrent-context: admin\n";
        let text = entry().put_into(existing).expect("a kubeconfig");
        let again = entry().put_into(&text).expect("a kubeconfig");
        assert_eq!(text, again);
        let value: Value = serde_saphyr::from_str(&text).expect("YAML");
        let names: Vec<&str> = value["users"]
            .as_array()
            .expect("users")
            .iter()
            .filter_map(|user| user["name"].as_str())
            .collect();
        assert_eq!(names, ["admin", "oidc"]);
        assert_eq!(value["current-context"], "default");
        let exec = &value["users"][1]["user"]["exec"];
        assert_eq!(exec["args"][4], "--certificate-authority=/tmp/it's/ca.crt");
        let cluster = &value["clusters"][0]["cluster"];
        assert_eq!(cluster["certificate-authority-data"], entry().ca_data);
    }

    #[test]
    fn what_is_no_kubeconfig_is_left_alone() {
        for text in ["[1]", "kind: List", "a: [", "\"text\""] {
            assert!(entry().put_into(text).is_err(), "{text}");
        }
        assert!(entry().put_into("").is_ok());
    }

    #[test]
    fn a_kubeconfig_reads_back_as_yaml() {
        let text = Kubeconfig {
            name: "kubedemy: \"quoted\"".to_owned(),
            server: "https://127.0.0.1:6443".to_owned(),
            ca_pem: "PEM".to_owned(),
            user: "oidc".to_owned(),
            credential: Credential::Token(Secret::new("a.b.c".to_owned())),
        }
        .render();
        let value: serde_json::Value = serde_saphyr::from_str(&text).expect("YAML");
        assert_eq!(value["clusters"][0]["name"], "kubedemy: \"quoted\"");
        assert_eq!(
            value["clusters"][0]["cluster"]["certificate-authority-data"],
            "UEVN"
        );
        assert_eq!(value["users"][0]["user"]["token"], "a.b.c");
        assert_eq!(value["current-context"], value["contexts"][0]["name"]);
    }
}
