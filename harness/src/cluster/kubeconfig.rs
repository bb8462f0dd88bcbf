//! Kubeconfig files, written fresh and never edited in place.

use std::fmt::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use foundation::secret::Secret;

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

/// A YAML double-quoted scalar; JSON's escapes are a subset of YAML's.
fn quote(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

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
