//! The issuer: its URL, whether it answers, its certificate, its discovery
//! document and this machine's clock beside its own.

use jiff::Timestamp;
use rustls::CertificateError;
use serde_json::Value;
use url::Url;

use super::difference::difference;
use super::finding::{Finding, excerpt};
use super::web::{Answer, Trouble};

/// The part of the issuer's path that names a user pool, as in
/// `eu-west-2_Tj3uyJm1Q`; none where the issuer is not Cognito's.
pub fn pool_of(issuer: &str) -> Option<&str> {
    let last = issuer.trim_end_matches('/').rsplit('/').next()?;
    let (region, id) = last.split_once('_')?;
    let label = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric());
    let number = region.rsplit('-').next()?;
    let cognito = region.split('-').count() > 2
        && region.split('-').all(label)
        && number.bytes().all(|b| b.is_ascii_digit())
        && label(id);
    cognito.then_some(last)
}

/// Whether the URL can be an issuer's. None: Kubernetes would refuse it.
pub fn form(issuer: &str) -> (Finding, Option<Url>) {
    const CHECK: &str = "issuer URL";
    let refused = |why: &str, remedy: &str| {
        let shown = Url::parse(issuer).map_or_else(|_| issuer.to_owned(), bare);
        let what = format!("the issuer URL {shown} {why}, and Kubernetes refuses it");
        (Finding::problem(CHECK, what, remedy), None)
    };
    let whole = "write it as in https://cognito-idp.REGION.amazonaws.com/POOL_ID";
    let Ok(url) = Url::parse(issuer) else {
        return refused("is no URL", whole);
    };
    if url.scheme() != "https" {
        return refused("does not begin with https://", whole);
    }
    if !url.username().is_empty() || url.password().is_some() {
        return refused(
            "holds a user name or a password",
            "take out what stands before the @",
        );
    }
    if url.query().is_some() || url.fragment().is_some() {
        return refused("has a query or a fragment", "end it before the ? or #");
    }
    if issuer.trim() != issuer {
        return refused("has white space around it", "take it out");
    }
    let finding = if issuer.ends_with('/') && pool_of(issuer).is_some() {
        Finding::warning(
            CHECK,
            format!(
                "the issuer URL {issuer} ends with a slash, and the issuer of a user pool has none"
            ),
            "take the slash out, of --oidc-issuer-url (EKS: issuerUrl) and of kubelogin's arguments",
        )
    } else {
        Finding::ok(CHECK, format!("{issuer} has the form of an issuer"))
    };
    (finding, Some(url))
}

/// The URL without what nobody should read.
fn bare(mut url: Url) -> String {
    let _ = url.set_username("");
    let _ = url.set_password(None);
    url.set_query(None);
    url.set_fragment(None);
    url.to_string()
}

/// What it means that `url` was not answered. `authority` says whose
/// certificates were trusted.
pub fn unreachable(trouble: &Trouble, url: &str, authority: &str) -> Finding {
    let host = Url::parse(url).map_or_else(
        |_| url.to_owned(),
        |url| {
            let port = url.port_or_known_default().unwrap_or_default();
            format!("{}:{port}", url.host_str().unwrap_or_default())
        },
    );
    let (what, remedy) = match trouble {
        Trouble::Certificate(why) => return certificate(why, &host, authority),
        Trouble::Name(why) => (
            format!("the name of {host} has no address: {}", excerpt(why)),
            "look at the spelling of the issuer, the network and the VPN; names of a `rolecall up --aws-hosts` exist only behind its proxy: eval \"$(rolecall env)\"",
        ),
        Trouble::Refused => (
            format!("nobody listens at {host}: connection refused"),
            "start the issuer, or correct host and port of the issuer URL",
        ),
        Trouble::Proxy(why) => (
            format!("the proxy does not lead to {host}: {}", excerpt(why)),
            "let the proxy lead there, or except the host in NO_PROXY",
        ),
        Trouble::Silent => (
            format!("{host} does not answer in time"),
            "look at firewall, VPN and proxy: an API server needs the issuer reachable from where it runs, too",
        ),
        Trouble::Other(why) => (
            format!("{host} cannot be spoken to: {}", excerpt(why)),
            "see whether HTTPS is spoken at that address, for example with curl -v",
        ),
    };
    Finding::problem("reachable", what, remedy)
}

fn certificate(why: &CertificateError, host: &str, authority: &str) -> Finding {
    let (what, remedy) = match why {
        CertificateError::UnknownIssuer | CertificateError::BadSignature => (
            format!("the certificate of {host} is not signed by {authority}"),
            "give its CA to everyone who asks: kube-apiserver with --oidc-ca-file, kubelogin with --certificate-authority (or SSL_CERT_FILE, but not on macOS), this command with --ca",
        ),
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => (
            format!("the certificate of {host} is for other names: {why}"),
            "use the name that the certificate has, or get one for the issuer's name",
        ),
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => (
            format!("the certificate of {host} has expired: {why}"),
            "renew the issuer's certificate; if it is new, look at this machine's clock",
        ),
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => (
            format!("the certificate of {host} is not valid yet: {why}"),
            "look at this machine's clock and at the issuer's",
        ),
        why => (
            format!("the certificate of {host} is refused: {why}"),
            "have the issuer's certificate made anew by a CA that is given with --oidc-ca-file, --certificate-authority or SSL_CERT_FILE",
        ),
    };
    Finding::problem("certificate", what, remedy)
}

/// The discovery document, as go-oidc reads it in kube-apiserver and
/// kubelogin. With the address of the keys where it can be used.
pub fn discovery(answer: &Answer, url: &str, issuer: &str) -> (Vec<Finding>, Option<String>) {
    const CHECK: &str = "discovery";
    let verdict = kube_authn::discovery_response(
        &answer.status,
        answer.content_type.as_deref(),
        &answer.body,
        issuer,
    );
    let document: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
    match verdict {
        Ok(discovery) => {
            let mut findings = vec![
                Finding::ok(CHECK, format!("{url} is a discovery document")),
                Finding::ok("issuer", format!("it names {issuer}, byte for byte")),
            ];
            findings.push(endpoints(&document, issuer));
            (findings, Some(discovery.jwks_uri))
        }
        Err(error) => (
            vec![no_discovery(
                answer,
                &document,
                url,
                issuer,
                &error.to_string(),
            )],
            None,
        ),
    }
}

fn no_discovery(
    answer: &Answer,
    document: &Value,
    url: &str,
    issuer: &str,
    error: &str,
) -> Finding {
    const CHECK: &str = "discovery";
    if !answer.status.starts_with("200") {
        return Finding::problem(
            CHECK,
            format!("{url} answers {}", excerpt(&answer.status)),
            "correct the issuer URL: the document lies beneath it; that of a user pool is https://cognito-idp.REGION.amazonaws.com/POOL_ID",
        );
    }
    let named = document["issuer"].as_str();
    if let Some(named) = named
        && let Some(how) = difference(issuer, named)
    {
        return Finding::problem(
            "issuer",
            format!(
                "the issuer calls itself {}, which is not {issuer}: {how}",
                excerpt(named)
            ),
            format!(
                "give the cluster (--oidc-issuer-url, EKS: issuerUrl) and kubelogin exactly {}",
                excerpt(named)
            ),
        );
    }
    Finding::problem(
        CHECK,
        format!("{url} is no discovery document: {}", excerpt(error)),
        "see with curl what answers there: a proxy, a login page or another service",
    )
}

/// Where a browser logs in. A user pool without a domain names endpoints
/// beside its issuer, and nobody is there.
fn endpoints(document: &Value, issuer: &str) -> Finding {
    const CHECK: &str = "login pages";
    let Some(authorization) = document["authorization_endpoint"].as_str() else {
        return Finding::warning(
            CHECK,
            "the discovery document names no authorization_endpoint",
            "kubelogin cannot log in with a browser at this issuer; get tokens in another way",
        );
    };
    let shown = excerpt(authorization);
    match pool_of(issuer) {
        Some(pool) if authorization.starts_with(issuer) => Finding::problem(
            CHECK,
            format!(
                "the user pool {pool} has no domain: its login page would be {shown}, where nobody is"
            ),
            format!(
                "aws cognito-idp create-user-pool-domain --user-pool-id {pool} --domain PREFIX"
            ),
        ),
        _ => Finding::ok(CHECK, format!("people log in at {shown}")),
    }
}

/// The two clocks, from what the answer to a request says of the other one.
pub fn skew(theirs: Timestamp, ours: Timestamp, whose: &str) -> Finding {
    const CHECK: &str = "clock";
    let ahead = theirs.as_second() - ours.as_second();
    let apart = ahead.unsigned_abs();
    if apart <= 30 {
        return Finding::ok(
            CHECK,
            format!("{whose} and this machine's agree to {apart} s"),
        );
    }
    let side = if ahead > 0 { "ahead of" } else { "behind" };
    let what = format!("{whose} is {} {side} this machine's", duration(apart));
    let remedy = "set the clock that is wrong (timedatectl set-ntp true): tokens are judged by the API server's clock, and kubelogin keeps them by this machine's";
    if apart > 300 {
        Finding::problem(CHECK, what, remedy)
    } else {
        Finding::warning(CHECK, what, remedy)
    }
}

/// As in `2 h 5 min`.
pub fn duration(seconds: u64) -> String {
    match seconds {
        0..=119 => format!("{seconds} s"),
        120..=7199 => format!("{} min", seconds / 60),
        7200..=172_799 => format!("{} h {} min", seconds / 3600, seconds % 3600 / 60),
        _ => format!("{} days", seconds / 86_400),
    }
}
