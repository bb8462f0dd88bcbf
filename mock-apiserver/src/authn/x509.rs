//! Who a client certificate speaks for (apiserver,
//! `authentication/request/x509: CommonNameUserConversion`). The listener
//! has verified it against the cluster's CA already, and refuses others
//! during the handshake.

use std::collections::{BTreeMap, HashMap};
use std::fmt::Write as _;
use std::sync::{LazyLock, Mutex, PoisonError};

use kube_authn::{CREDENTIAL_ID_KEY, User};
use sha2::{Digest, Sha256};
use x509_parser::prelude::{FromDer, X509Certificate};

/// The attribute that carries a user's uid (apimachinery, `apis/asn1`).
const UID: &str = "1.3.6.1.4.1.57683.2";

/// Certificates whose users are remembered: each request of a connection has
/// the same one, and reading it takes a tenth of answering.
const REMEMBERED: usize = 64;

type Read = Result<Option<User>, String>;

/// The user of a certificate: its common name, its organizations as groups.
/// `None` where it has no common name.
///
/// # Errors
/// A sentence for a certificate that cannot be read.
pub fn user(der: &[u8]) -> Read {
    static KNOWN: LazyLock<Mutex<HashMap<Vec<u8>, Read>>> = LazyLock::new(Mutex::default);
    let mut known = KNOWN.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(read) = known.get(der) {
        return read.clone();
    }
    // Who comes with new ones without end has them read anew.
    if known.len() >= REMEMBERED {
        known.clear();
    }
    let read = read(der);
    known.insert(der.to_vec(), read.clone());
    read
}

fn read(der: &[u8]) -> Read {
    let (_, certificate) = X509Certificate::from_der(der)
        .map_err(|error| format!("x509: malformed certificate: {error}"))?;
    let subject = certificate.subject();
    // Of several common names Go keeps the last.
    let name = subject.iter_common_name().last().map(|cn| cn.as_str());
    let Some(Ok(name)) = name.filter(|name| *name != Ok("")) else {
        return Ok(None);
    };
    let groups = subject
        .iter_organization()
        .filter_map(|o| o.as_str().ok())
        .map(str::to_owned)
        .collect();
    let uids: Vec<&str> = subject
        .iter_attributes()
        .filter(|attribute| attribute.attr_type().to_id_string() == UID)
        .filter_map(|attribute| attribute.as_str().ok())
        .collect();
    let uid = match uids.as_slice() {
        [] => "",
        [""] => return Err("UID cannot be an empty string".to_owned()),
        [uid] => uid,
        _ => return Err("expected 1 UID, but found multiple".to_owned()),
    };
    let mut id = String::from("X509SHA256=");
    for byte in Sha256::digest(der) {
        let _ = write!(id, "{byte:02x}");
    }
    Ok(Some(User {
        username: name.to_owned(),
        uid: uid.to_owned(),
        groups,
        extra: BTreeMap::from([(CREDENTIAL_ID_KEY.to_owned(), vec![id])]),
    }))
}

#[cfg(test)]
mod tests {
    use foundation::pki::Ca;

    use super::*;

    #[test]
    fn the_common_name_is_the_user_and_organizations_are_groups() {
        let now = foundation::clock::Clock::system().now();
        let ca = Ca::new("cluster", now).expect("a CA");
        let leaf = ca
            .issue_client("kubernetes-admin", Some("system:masters"), now)
            .expect("a leaf");
        let user = user(&leaf.certificate).expect("readable").expect("a user");
        assert_eq!(user.username, "kubernetes-admin");
        assert_eq!(user.groups, ["system:masters"]);
        let id = &user.extra[CREDENTIAL_ID_KEY][0];
        assert!(id.starts_with("X509SHA256=") && id.len() == "X509SHA256=".len() + 64);
    }

    #[test]
    fn a_certificate_that_cannot_be_read_is_an_error() {
        assert!(user(b"nonsense").is_err());
    }
}
