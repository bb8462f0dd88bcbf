//! A small P-256 certificate authority.
//!
//! rolecall has two kinds of CA and never lets one stand in for the other:
//! the *edge* CA of the identity provider and the AWS fronts, which people may
//! put into a browser's trust, and one CA a cluster, for its serving and
//! client certificates. Keys live in memory and are made anew at every start.

use std::collections::HashMap;
use std::fmt;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa,
    Issuer, KeyPair, KeyUsagePurpose, PKCS_ECDSA_P256_SHA256,
};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::server::{ClientHello, ResolvesServerCert, WebPkiClientVerifier};
use rustls::sign::CertifiedKey;
use rustls::{RootCertStore, ServerConfig};

use crate::clock::Clock;

/// How far before `now` a certificate starts: clients whose clock is a little
/// behind accept it too.
const BACKDATE: Duration = Duration::from_secs(3600);
/// Chromium refuses leaves that live longer than 398 days.
const LEAF_LIFETIME: Duration = Duration::from_secs(397 * 24 * 3600);
/// Certificates made on demand that are kept at once.
const NAMES_KEPT: usize = 1024;
const CA_LIFETIME: Duration = Duration::from_secs(10 * 365 * 24 * 3600);

/// A certificate authority that issues serving and client certificates.
pub struct Ca {
    name: String,
    pem: String,
    der: CertificateDer<'static>,
    issuer: Issuer<'static, KeyPair>,
}

/// A certificate with its private key.
pub struct Leaf {
    /// The leaf alone.
    pub certificate: CertificateDer<'static>,
    /// The CA's certificate, which goes along with it: most clients have it,
    /// and a browser that was told the CA's key looks for it in the chain.
    root: CertificateDer<'static>,
    /// PEM of the certificate.
    pub certificate_pem: String,
    key: KeyPair,
}

/// Why a certificate could not be made; with valid names it never happens.
#[derive(Debug)]
pub struct Error(String);

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "cannot make a certificate: {}", self.0)
    }
}

impl std::error::Error for Error {}

impl From<rcgen::Error> for Error {
    fn from(error: rcgen::Error) -> Self {
        Self(error.to_string())
    }
}

impl From<rustls::Error> for Error {
    fn from(error: rustls::Error) -> Self {
        Self(error.to_string())
    }
}

impl fmt::Debug for Ca {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ca").field("name", &self.name).finish()
    }
}

impl fmt::Debug for Leaf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Leaf")
    }
}

impl Ca {
    /// Makes a CA called `name` (its common name), valid from shortly before
    /// `now` for ten years.
    ///
    /// # Errors
    /// When the name cannot be written into a certificate.
    pub fn new(name: &str, now: Timestamp) -> Result<Self, Error> {
        let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256)?;
        let mut params = ca_params(name);
        set_validity(&mut params, now, CA_LIFETIME);
        let certificate = params.self_signed(&key)?;
        Ok(Self {
            name: name.to_owned(),
            pem: certificate.pem(),
            der: certificate.der().clone(),
            issuer: Issuer::new(params, key),
        })
    }

    /// The CA called `name` once more: its certificate and its key, as
    /// [`Ca::pem`] and [`Ca::key_pem`] gave them.
    ///
    /// # Errors
    /// When they are no PEM.
    pub fn again(name: &str, pem: &str, key_pem: &str) -> Result<Self, Error> {
        let der = CertificateDer::from_pem_slice(pem.as_bytes())
            .map_err(|error| Error(error.to_string()))?;
        Ok(Self {
            name: name.to_owned(),
            pem: pem.to_owned(),
            der,
            issuer: Issuer::new(ca_params(name), KeyPair::from_pem(key_pem)?),
        })
    }

    /// PEM of the CA's certificate: what clients are told to trust.
    pub fn pem(&self) -> &str {
        &self.pem
    }

    /// PEM of its private key (PKCS #8), for programs that issue in its name.
    pub fn key_pem(&self) -> String {
        self.issuer.key().serialize_pem()
    }

    /// DER of the CA's certificate.
    pub fn der(&self) -> &CertificateDer<'static> {
        &self.der
    }

    /// A root store with this CA alone.
    ///
    /// # Errors
    /// Never for a certificate that this type made.
    pub fn roots(&self) -> Result<RootCertStore, Error> {
        let mut roots = RootCertStore::empty();
        roots.add(self.der.clone())?;
        Ok(roots)
    }

    /// A serving certificate for `names` (host names and IP addresses).
    ///
    /// # Errors
    /// When a name is not a valid DNS name.
    pub fn issue_server(&self, names: &[&str], now: Timestamp) -> Result<Leaf, Error> {
        let mut params = CertificateParams::new(
            names
                .iter()
                .map(|name| (*name).to_owned())
                .collect::<Vec<_>>(),
        )?;
        params.distinguished_name = common_name(names.first().unwrap_or(&"rolecall"), None);
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        self.issue(params, now)
    }

    /// SHA-256 of the CA's public key (SubjectPublicKeyInfo), base64, as
    /// Chromium's `--ignore-certificate-errors-spki-list` takes it.
    ///
    /// # Errors
    /// Never for a certificate that this type made.
    pub fn spki_sha256(&self) -> Result<String, Error> {
        use x509_parser::prelude::{FromDer as _, X509Certificate};
        let (_, parsed) =
            X509Certificate::from_der(&self.der).map_err(|error| Error(error.to_string()))?;
        Ok(spki_sha256(parsed.public_key().raw))
    }

    /// A TLS server that makes its certificates as they are asked for, one
    /// for each name that `serves` says yes to. Like [`Leaf::server_config`]
    /// it never asks for a client certificate.
    ///
    /// # Errors
    /// When rustls does not support TLS 1.2 or 1.3, which it does.
    pub fn server_config_by_name(
        self: &Arc<Self>,
        serves: impl Fn(&str) -> bool + Send + Sync + 'static,
    ) -> Result<Arc<ServerConfig>, Error> {
        let config = ServerConfig::builder_with_provider(provider())
            .with_safe_default_protocol_versions()?
            .with_no_client_auth()
            .with_cert_resolver(Arc::new(ByName {
                ca: Arc::clone(self),
                serves: Box::new(serves),
                made: Mutex::default(),
            }));
        Ok(with_alpn(config))
    }

    /// A client certificate as Kubernetes reads it: the common name is the
    /// user, the organization a group. (rcgen keeps one value an attribute, so
    /// one group is all there is room for.)
    ///
    /// # Errors
    /// When a name cannot be written into a certificate.
    pub fn issue_client(
        &self,
        user: &str,
        group: Option<&str>,
        now: Timestamp,
    ) -> Result<Leaf, Error> {
        let mut params = CertificateParams::default();
        params.distinguished_name = common_name(user, group);
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        self.issue(params, now)
    }

    fn issue(&self, mut params: CertificateParams, now: Timestamp) -> Result<Leaf, Error> {
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.use_authority_key_identifier_extension = true;
        set_validity(&mut params, now, LEAF_LIFETIME);
        let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256)?;
        let certificate = params.signed_by(&key, &self.issuer)?;
        Ok(Leaf {
            certificate: certificate.der().clone(),
            root: self.der.clone(),
            certificate_pem: certificate.pem(),
            key,
        })
    }
}

fn ca_params(name: &str) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name = common_name(name, None);
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params
}

/// A certificate that the key in `pkcs8` signs for itself: nobody vouches for it.
///
/// # Errors
/// When there is no private key in `pkcs8`.
pub fn self_signed(
    name: &str,
    pkcs8: &[u8],
    now: Timestamp,
) -> Result<CertificateDer<'static>, Error> {
    let key = KeyPair::try_from(pkcs8)?;
    let mut params = CertificateParams::new(Vec::new())?;
    params.distinguished_name = common_name(name, None);
    set_validity(&mut params, now, LEAF_LIFETIME);
    Ok(params.self_signed(&key)?.der().clone())
}

/// When certificates begin: now, by the machine's clock, whatever the rig's
/// says. It is the clock of the clients that look at them.
pub fn today() -> Timestamp {
    Clock::system().now()
}

/// Certificates that were asked for, by the name in the client's hello.
struct ByName {
    ca: Arc<Ca>,
    serves: Box<dyn Fn(&str) -> bool + Send + Sync>,
    made: Mutex<HashMap<String, Arc<CertifiedKey>>>,
}

impl fmt::Debug for ByName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ByName").finish_non_exhaustive()
    }
}

impl ByName {
    fn issue(&self, name: &str) -> Result<Arc<CertifiedKey>, Error> {
        let leaf = self.ca.issue_server(&[name], today())?;
        let key = provider().key_provider.load_private_key(leaf.key_der())?;
        Ok(Arc::new(CertifiedKey::new(leaf.chain(), key)))
    }
}

impl ResolvesServerCert for ByName {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let name = hello.server_name()?.to_ascii_lowercase();
        if !(self.serves)(&name) {
            return None;
        }
        let mut made = self.made.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(key) = made.get(&name) {
            return Some(Arc::clone(key));
        }
        // Whoever asks for names without end gets them, but they are not kept.
        if made.len() >= NAMES_KEPT {
            made.clear();
        }
        let key = self.issue(&name).ok()?;
        made.insert(name, Arc::clone(&key));
        Some(key)
    }
}

impl Leaf {
    /// PEM of the private key (PKCS #8), for a kubeconfig.
    pub fn key_pem(&self) -> String {
        self.key.serialize_pem()
    }

    fn chain(&self) -> Vec<CertificateDer<'static>> {
        vec![self.certificate.clone(), self.root.clone()]
    }

    fn key_der(&self) -> PrivateKeyDer<'static> {
        PrivatePkcs8KeyDer::from(self.key.serialize_der()).into()
    }

    /// A TLS server that never asks for a client certificate: browsers would
    /// prompt for one on the login page.
    ///
    /// # Errors
    /// When rustls refuses the key, which it does not for ours.
    pub fn server_config(&self) -> Result<Arc<ServerConfig>, Error> {
        let config = ServerConfig::builder_with_provider(provider())
            .with_safe_default_protocol_versions()?
            .with_no_client_auth()
            .with_single_cert(self.chain(), self.key_der())?;
        Ok(with_alpn(config))
    }

    /// A TLS server that asks for a client certificate of `client_ca` and also
    /// serves clients that have none, as kube-apiserver does.
    ///
    /// # Errors
    /// When the CA's certificate cannot be used as a root.
    pub fn server_config_with_client_auth(
        &self,
        client_ca: &Ca,
    ) -> Result<Arc<ServerConfig>, Error> {
        let verifier =
            WebPkiClientVerifier::builder_with_provider(Arc::new(client_ca.roots()?), provider())
                .allow_unauthenticated()
                .build()
                .map_err(|error| Error(error.to_string()))?;
        let config = ServerConfig::builder_with_provider(provider())
            .with_safe_default_protocol_versions()?
            .with_client_cert_verifier(verifier)
            .with_single_cert(self.chain(), self.key_der())?;
        Ok(with_alpn(config))
    }
}

/// The one crypto provider of the program.
pub fn provider() -> Arc<rustls::crypto::CryptoProvider> {
    static PROVIDER: std::sync::OnceLock<Arc<rustls::crypto::CryptoProvider>> =
        std::sync::OnceLock::new();
    PROVIDER
        .get_or_init(|| Arc::new(rustls::crypto::aws_lc_rs::default_provider()))
        .clone()
}

/// Makes [`provider`] the process default, for libraries that ask for one.
/// Safe to call more than once.
pub fn install_provider() {
    // The second caller gets an error that says that the first one was there.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
}

/// A TLS client configuration that trusts `roots` and nothing else.
///
/// # Errors
/// When the provider does not support TLS 1.2 or 1.3, which ours does.
pub fn client_config(roots: RootCertStore) -> Result<rustls::ClientConfig, Error> {
    Ok(rustls::ClientConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_no_client_auth())
}

/// As [`client_config`], with a client certificate to show.
///
/// # Errors
/// When rustls refuses the key, which it does not for ours.
pub fn client_config_with_identity(
    roots: RootCertStore,
    identity: &Leaf,
) -> Result<rustls::ClientConfig, Error> {
    with_client_auth(
        roots,
        vec![identity.certificate.clone()],
        identity.key_der(),
    )
}

fn with_client_auth(
    roots: RootCertStore,
    chain: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
) -> Result<rustls::ClientConfig, Error> {
    Ok(rustls::ClientConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_client_auth_cert(chain, key)?)
}

/// As [`client_config`], with a client certificate of somebody else's to show: a
/// chain and a private key, both PEM.
///
/// # Errors
/// When they are not that, or do not belong together.
pub fn client_config_with_pem(
    roots: RootCertStore,
    certificate: &str,
    key: &str,
) -> Result<rustls::ClientConfig, Error> {
    let pem = |error| Error(format!("not PEM: {error}"));
    let chain = CertificateDer::pem_slice_iter(certificate.as_bytes())
        .collect::<Result<_, _>>()
        .map_err(pem)?;
    let key = PrivateKeyDer::from_pem_slice(key.as_bytes()).map_err(pem)?;
    with_client_auth(roots, chain, key)
}

/// The certificates of a PEM file as roots.
///
/// # Errors
/// When there is none in it.
pub fn roots_from_pem(pem: &str) -> Result<RootCertStore, Error> {
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(pem.as_bytes()) {
        roots.add(certificate.map_err(|error| Error(format!("not PEM: {error}")))?)?;
    }
    if roots.is_empty() {
        return Err(Error("no certificate in the PEM".to_owned()));
    }
    Ok(roots)
}

fn spki_sha256(spki: &[u8]) -> String {
    use base64::Engine as _;
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, spki);
    base64::engine::general_purpose::STANDARD.encode(digest)
}

fn with_alpn(mut config: ServerConfig) -> Arc<ServerConfig> {
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Arc::new(config)
}

fn common_name(name: &str, organization: Option<&str>) -> DistinguishedName {
    let mut dn = DistinguishedName::new();
    if let Some(organization) = organization {
        dn.push(DnType::OrganizationName, organization);
    }
    dn.push(DnType::CommonName, name);
    dn
}

fn set_validity(params: &mut CertificateParams, now: Timestamp, lifetime: Duration) {
    let second =
        |at: Timestamp| time_of(at.as_second()).unwrap_or(rcgen::date_time_ymd(1975, 1, 1));
    params.not_before = second(now - BACKDATE);
    params.not_after = second(now.saturating_add(lifetime).unwrap_or(now));
}

fn time_of(unix: i64) -> Option<time::OffsetDateTime> {
    time::OffsetDateTime::from_unix_timestamp(unix).ok()
}

/// Whether `name` is an IP address, which certificates and URLs spell
/// differently from host names.
pub fn is_ip(name: &str) -> bool {
    name.parse::<IpAddr>().is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use x509_parser::prelude::{FromDer, X509Certificate};

    fn now() -> Timestamp {
        "2026-11-23T00:00:00Z".parse().expect("a valid timestamp")
    }

    #[test]
    fn a_client_certificate_names_the_user_and_the_group() {
        let ca = Ca::new("cluster", now()).expect("a CA");
        let leaf = ca
            .issue_client("kubernetes-admin", Some("system:masters"), now())
            .expect("a leaf");
        let (_, parsed) = X509Certificate::from_der(&leaf.certificate).expect("DER");
        let subject = parsed.subject();
        let cn = subject.iter_common_name().next().expect("a CN");
        assert_eq!(cn.as_str().expect("text"), "kubernetes-admin");
        let groups: Vec<_> = subject
            .iter_organization()
            .map(|o| o.as_str().expect("text"))
            .collect();
        assert_eq!(groups, ["system:masters"]);
    }

    #[test]
    fn two_fresh_cas_share_no_key() {
        let a = Ca::new("edge", now()).expect("a CA");
        let b = Ca::new("edge", now()).expect("a CA");
        assert_ne!(a.pem(), b.pem());
    }

    #[test]
    fn a_leaf_of_one_ca_is_not_trusted_by_another() {
        let edge = Ca::new("edge", now()).expect("a CA");
        let cluster = Ca::new("cluster", now()).expect("a CA");
        let leaf = edge
            .issue_server(&["127.0.0.1", "localhost"], now())
            .expect("a leaf");
        let trusted_by = |ca: &Ca| {
            let verifier = rustls::client::WebPkiServerVerifier::builder_with_provider(
                Arc::new(ca.roots().expect("roots")),
                provider(),
            )
            .build()
            .expect("a verifier");
            use rustls::client::danger::ServerCertVerifier;
            verifier
                .verify_server_cert(
                    &leaf.certificate,
                    &[],
                    &"127.0.0.1".try_into().expect("a name"),
                    &[],
                    rustls::pki_types::UnixTime::since_unix_epoch(Duration::from_secs(
                        now().as_second().unsigned_abs(),
                    )),
                )
                .is_ok()
        };
        assert!(trusted_by(&edge));
        assert!(!trusted_by(&cluster));
    }

    /// What the server shows a client that asks for `name` by TLS.
    fn shown(server: &Arc<ServerConfig>, edge: &Ca, name: &'static str) -> Result<(), String> {
        let config = client_config(edge.roots().expect("roots")).expect("a client");
        let name = name.try_into().expect("a name");
        let mut client = rustls::ClientConnection::new(Arc::new(config), name).expect("a client");
        let mut server = rustls::ServerConnection::new(Arc::clone(server)).expect("a server");
        while client.is_handshaking() {
            let mut wire = Vec::new();
            client.write_tls(&mut wire).expect("memory");
            server.read_tls(&mut wire.as_slice()).expect("memory");
            let refused = server.process_new_packets().err();
            let mut wire = Vec::new();
            server.write_tls(&mut wire).expect("memory");
            client.read_tls(&mut wire.as_slice()).expect("memory");
            client
                .process_new_packets()
                .map_err(|error| error.to_string())?;
            if let Some(error) = refused {
                return Err(error.to_string());
            }
        }
        Ok(())
    }

    #[test]
    fn certificates_are_made_by_name_for_what_is_served_and_nothing_else() {
        install_provider();
        let edge = Arc::new(Ca::new("edge", today()).expect("a CA"));
        let server = edge
            .server_config_by_name(|name| name.ends_with(".example.com"))
            .expect("a server");
        // Twice: made, and kept.
        for name in ["a.example.com", "b.example.com", "a.example.com"] {
            assert_eq!(shown(&server, &edge, name), Ok(()), "{name}");
        }
        assert!(shown(&server, &edge, "example.org").is_err());
        let other = Ca::new("edge", today()).expect("a CA");
        assert!(shown(&server, &other, "a.example.com").is_err());
    }

    #[test]
    fn private_keys_do_not_print() {
        let ca = Ca::new("edge", now()).expect("a CA");
        let leaf = ca.issue_server(&["localhost"], now()).expect("a leaf");
        assert_eq!(format!("{ca:?} {leaf:?}"), "Ca { name: \"edge\" } Leaf");
    }
}
