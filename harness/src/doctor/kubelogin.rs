//! kubelogin (int128/kubelogin, `kubectl oidc-login`) in a kubeconfig's user
//! entry: the program, its arguments and its cached token.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use jiff::Timestamp;

use super::cache::{self, Key, Secretive};
use super::difference::difference;
use super::finding::{Finding, excerpt};
use super::issuer::{duration, pool_of};
use super::keys::Keys;
use super::pool::Client;
use crate::client::Proxy;
use crate::cluster::authn::Trust;
use crate::cluster::kubeconfig::read::Exec;

const CHECK: &str = "kubelogin";

/// The flags of `get-token` in v1.28.0 that take a value, and those of later
/// releases.
const WITH_VALUE: [&str; 34] = [
    "oidc-issuer-url",
    "oidc-client-id",
    "oidc-client-secret",
    "oidc-extra-scope",
    "token-cache-dir",
    "certificate-authority",
    "certificate-authority-data",
    "grant-type",
    "listen-address",
    "listen-port",
    "browser-command",
    "authentication-timeout-sec",
    "local-server-cert",
    "local-server-key",
    "open-url-after-authentication",
    "oidc-redirect-url-hostname",
    "oidc-redirect-url-authcode-keyboard",
    "oidc-auth-request-extra-params",
    "username",
    "password",
    // Later.
    "oidc-pkce-method",
    "oidc-redirect-url",
    "oidc-request-header",
    "token-cache-storage",
    // klog's.
    "v",
    "vmodule",
    "log_dir",
    "log_file",
    "log_file_max_size",
    "log_backtrace_at",
    "stderrthreshold",
    "kubeconfig",
    "context",
    "user",
];

/// Those that stand alone.
const ALONE: [&str; 15] = [
    "oidc-use-pkce",
    "force-refresh",
    "insecure-skip-tls-verify",
    "tls-renegotiation-once",
    "tls-renegotiation-freely",
    "skip-open-browser",
    "oidc-use-access-token",
    "help",
    "add_dir_header",
    "alsologtostderr",
    "logtostderr",
    "one_output",
    "skip_headers",
    "skip_log_headers",
    "version",
];

/// What is looked at beside the entry itself.
pub struct Beside<'a> {
    /// The cluster's side.
    pub trust: &'a Trust,
    /// The issuer's client, where it is known.
    pub client: Option<&'a Client>,
    /// `PATH`.
    pub path: &'a OsString,
    /// The kubeconfig's folder.
    pub folder: &'a Path,
    /// The proxy that leads to the issuer.
    pub needed: &'a Proxy,
    /// The environment's.
    pub surrounding: &'a Proxy,
}

/// The arguments, sorted.
#[derive(Debug, Default)]
pub struct Arguments {
    /// Name and value, in order; a flag that stands alone is `true`.
    flags: Vec<(String, String)>,
    /// Arguments that are no flags.
    words: Vec<String>,
}

/// Whether kubelogin asks the proxy that leads to the issuer: its entry's own
/// environment goes before the one around it.
fn proxied(exec: &Exec, beside: &Beside<'_>) -> Option<Finding> {
    let needed = beside.needed.url.as_deref()?;
    let own = exec
        .env
        .iter()
        .find(|(name, _)| name.eq_ignore_ascii_case("https_proxy"))
        .map(|(_, value)| value.as_str());
    let asked = own.or(beside.surrounding.url.as_deref());
    if asked == Some(needed) {
        return None;
    }
    let what = match asked {
        Some(other) => {
            format!("kubelogin asks the proxy {other}, and {needed} leads to the issuer")
        }
        None => format!("kubelogin asks no proxy, and {needed} leads to the issuer"),
    };
    Some(Finding::problem(
        "kubelogin's proxy",
        what,
        "write the entry anew with rolecall kubeconfig --login kubelogin, or set HTTPS_PROXY with eval \"$(rolecall env)\"",
    ))
}

/// The arguments of an entry that calls kubelogin; none where it calls
/// something else.
pub fn arguments(exec: &Exec) -> Option<Arguments> {
    let program = exec.command.rsplit('/').next().unwrap_or_default();
    let arguments = match program {
        "kubectl" if exec.args.first().is_some_and(|word| word == "oidc-login") => &exec.args[1..],
        "kubelogin" | "kubectl-oidc_login" => &exec.args[..],
        _ => return None,
    };
    Some(Arguments::parse(arguments))
}

impl Arguments {
    /// As pflag reads them.
    fn parse(arguments: &[String]) -> Self {
        let mut parsed = Self::default();
        let mut rest = arguments.iter();
        while let Some(argument) = rest.next() {
            let Some(flag) = argument.strip_prefix("--") else {
                match argument.strip_prefix("-v") {
                    Some("") => drop(rest.next()),
                    Some(_) => {}
                    None => parsed.words.push(argument.clone()),
                }
                continue;
            };
            let (name, value) = match flag.split_once('=') {
                Some((name, value)) => (name, value.to_owned()),
                None if WITH_VALUE.contains(&flag) => {
                    (flag, rest.next().cloned().unwrap_or_default())
                }
                None => (flag, "true".to_owned()),
            };
            parsed.flags.push((name.to_owned(), value));
        }
        parsed
    }

    fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.flags
            .iter()
            .filter(move |(flag, _)| flag == name)
            .map(|(_, value)| value.as_str())
    }

    /// The last one counts.
    pub fn value<'a>(&'a self, name: &'a str) -> Option<&'a str> {
        self.all(name).last()
    }

    /// The values of a flag that is a list divided by commas.
    fn list(&self, name: &str) -> Vec<String> {
        self.all(name)
            .flat_map(|value| value.split(','))
            .map(str::to_owned)
            .collect()
    }

    /// The files with CAs, as given.
    pub fn authorities(&self) -> Vec<&str> {
        self.all("certificate-authority").collect()
    }

    /// Whether the issuer's certificate is looked at by other roots than the
    /// system's, or not at all.
    pub fn has_own_roots(&self) -> bool {
        self.value("certificate-authority-data").is_some()
            || self.value("insecure-skip-tls-verify") == Some("true")
    }

    /// Where the tokens are.
    pub fn cache_folder(&self, home: Option<&Path>) -> Option<PathBuf> {
        let folder = self
            .value("token-cache-dir")
            .unwrap_or("~/.kube/cache/oidc-login");
        expand(folder, home)
    }

    /// What the cached token is named by.
    pub fn key(&self, home: Option<&Path>) -> Key {
        let text = |name: &str| self.value(name).unwrap_or_default().to_owned();
        let by_password = matches!(
            (self.value("grant-type"), self.value("username")),
            (Some("password"), _) | (None | Some("auto"), Some(_))
        );
        let authorities: Vec<String> = self
            .authorities()
            .into_iter()
            .filter_map(|file| Some(expand(file, home)?.display().to_string()))
            .collect();
        let data: Vec<&str> = self.all("certificate-authority-data").collect();
        Key {
            issuer_url: text("oidc-issuer-url"),
            client_id: text("oidc-client-id"),
            client_secret: Secretive(text("oidc-client-secret")),
            username: if by_password {
                text("username")
            } else {
                String::new()
            },
            extra_scopes: self.list("oidc-extra-scope"),
            ca_cert_filename: authorities.join(","),
            ca_cert_data: data.join(","),
            skip_tls_verify: self.value("insecure-skip-tls-verify") == Some("true"),
        }
    }
}

/// `~` is the home folder, as kubelogin has it.
pub fn expand(path: &str, home: Option<&Path>) -> Option<PathBuf> {
    match path.strip_prefix('~') {
        None => Some(PathBuf::from(path)),
        Some(rest) => Some(home?.join(rest.trim_start_matches('/'))),
    }
}

/// Everything about the entry but its certificates and its cache.
pub fn examine(exec: &Exec, arguments: &Arguments, beside: &Beside<'_>) -> Vec<Finding> {
    let mut findings = vec![program(exec, beside)];
    findings.extend(words(arguments));
    findings.extend(api_version(exec));
    findings.extend(misspelt(arguments));
    findings.extend(proxied(exec, beside));
    findings.push(same_issuer(arguments, beside.trust));
    findings.push(same_client(arguments, beside.trust));
    findings.extend(secret(arguments, beside.client));
    findings.extend(redirects(arguments, beside.client));
    findings.extend(unsuited(arguments, beside.trust));
    findings
}

/// kubectl finds a plugin under its name on the PATH.
fn program(exec: &Exec, beside: &Beside<'_>) -> Finding {
    let wanted = match exec.command.as_str() {
        "kubectl" => vec!["kubectl", "kubectl-oidc_login"],
        command => vec![command],
    };
    let missing = wanted.into_iter().find(|name| {
        if name.contains('/') {
            return !is_program(&beside.folder.join(name));
        }
        !std::env::split_paths(beside.path).any(|folder| is_program(&folder.join(name)))
    });
    match missing {
        None => Finding::ok(CHECK, format!("{} is there to be run", exec.command)),
        Some(name) => Finding::problem(
            CHECK,
            format!(
                "the kubeconfig calls {}, and there is no {name} on the PATH",
                exec.command
            ),
            "install kubelogin and see that kubectl oidc-login --help answers: kubectl krew install oidc-login, or its release from github.com/int128/kubelogin as kubectl-oidc_login on the PATH",
        ),
    }
}

fn is_program(path: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt as _;
    std::fs::metadata(path)
        .is_ok_and(|file| file.is_file() && file.permissions().mode() & 0o111 != 0)
}

fn words(arguments: &Arguments) -> Option<Finding> {
    let words = &arguments.words;
    if words.len() == 1 && words[0] == "get-token" {
        return None;
    }
    // Words that follow may be values, and values may be secret.
    let what = match words.first().map(String::as_str) {
        Some("get-token") => "get-token is followed by words that are no flags",
        _ => "the first argument is not get-token",
    };
    Some(Finding::problem(
        CHECK,
        what,
        "write the arguments as get-token and then --flag=value, each an item of the list",
    ))
}

/// kubelogin up to 1.28 always answers in v1beta1, and kubectl wants the
/// version that its configuration names.
fn api_version(exec: &Exec) -> Option<Finding> {
    let version = exec.api_version.as_str();
    if version == "client.authentication.k8s.io/v1beta1" {
        return None;
    }
    let remedy = "set the user entry's apiVersion to client.authentication.k8s.io/v1beta1";
    if version == "client.authentication.k8s.io/v1" {
        return Some(Finding::warning(
            CHECK,
            "the user entry wants apiVersion v1, and kubelogin up to 1.28 answers in v1beta1, which kubectl then refuses",
            remedy,
        ));
    }
    Some(Finding::problem(
        CHECK,
        format!(
            "the user entry's apiVersion is {}, which kubectl does not know",
            excerpt(version)
        ),
        remedy,
    ))
}

fn misspelt(arguments: &Arguments) -> Vec<Finding> {
    let known: Vec<&str> = WITH_VALUE.into_iter().chain(ALONE).collect();
    let mut findings = Vec::new();
    for (flag, value) in &arguments.flags {
        if let Some((name, _)) = flag.split_once(char::is_whitespace) {
            findings.push(Finding::problem(
                CHECK,
                format!("--{} and its value are one argument divided by white space, which is a flag of that whole name", excerpt(name)),
                format!("write it as --{}=VALUE", excerpt(name)),
            ));
        } else if WITH_VALUE.contains(&flag.as_str()) && value.is_empty() {
            findings.push(Finding::problem(
                CHECK,
                format!("--{flag} has no value"),
                "give it one, or take it out",
            ));
        } else if !known.contains(&flag.as_str()) {
            findings.push(unknown(flag, &known));
        }
    }
    findings
}

fn unknown(flag: &str, known: &[&str]) -> Finding {
    let nearest = known.iter().min_by_key(|name| distance(flag, name));
    let shown = excerpt(flag);
    match nearest.filter(|name| distance(flag, name) <= 3) {
        Some(name) => Finding::problem(
            CHECK,
            format!("there is no flag --{shown}, and kubelogin ends at once"),
            format!("write --{name}, if that was meant"),
        ),
        None => Finding::warning(
            CHECK,
            format!(
                "kubelogin 1.28.0 knows no flag --{shown}, and ends at one that it does not know"
            ),
            "see kubectl oidc-login get-token --help, or take it out",
        ),
    }
}

/// Levenshtein's.
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.chars().enumerate() {
        let mut diagonal = std::mem::replace(&mut row[0], i + 1);
        for (j, y) in b.iter().enumerate() {
            let substituted = diagonal + usize::from(x != *y);
            diagonal = row[j + 1];
            row[j + 1] = substituted.min(diagonal + 1).min(row[j] + 1);
        }
    }
    row[b.len()]
}

fn same_issuer(arguments: &Arguments, trust: &Trust) -> Finding {
    const CHECK: &str = "kubelogin's issuer";
    let wanted = &trust.issuer_url;
    let remedy = format!("set --oidc-issuer-url={wanted}");
    match arguments.value("oidc-issuer-url") {
        None => Finding::problem(CHECK, "--oidc-issuer-url is missing", remedy),
        Some(given) => match difference(wanted, given) {
            None => Finding::ok(CHECK, "it is the cluster's, byte for byte"),
            Some(how) => Finding::problem(
                CHECK,
                format!(
                    "it is {}, and the cluster's is {wanted}: {how}",
                    excerpt(given)
                ),
                remedy,
            ),
        },
    }
}

fn same_client(arguments: &Arguments, trust: &Trust) -> Finding {
    const CHECK: &str = "kubelogin's client";
    let wanted = &trust.client_id;
    let remedy = format!("set --oidc-client-id={wanted}");
    match arguments.value("oidc-client-id") {
        None => Finding::problem(CHECK, "--oidc-client-id is missing", remedy),
        Some(given) if given == wanted => Finding::ok(CHECK, "it is the cluster's"),
        Some(given) => Finding::problem(
            CHECK,
            format!("it is {}, and the cluster's is {wanted}", excerpt(given)),
            remedy,
        ),
    }
}

fn secret(arguments: &Arguments, client: Option<&Client>) -> Option<Finding> {
    let has = arguments.value("oidc-client-secret").is_some();
    match (client?.has_secret, has) {
        (true, false) => Some(Finding::problem(
            CHECK,
            "the client has a secret, and --oidc-client-secret is missing",
            "make a client with --no-generate-secret, for a secret in a kubeconfig is none, or give it",
        )),
        (false, true) => Some(Finding::warning(
            CHECK,
            "--oidc-client-secret is given, and the client has none",
            "take it out",
        )),
        _ => None,
    }
}

/// Whether the issuer leads back to where kubelogin listens.
fn redirects(arguments: &Arguments, client: Option<&Client>) -> Option<Finding> {
    const CHECK: &str = "redirect";
    let client = client?;
    if matches!(arguments.value("grant-type"), Some(grant) if grant != "auto" && grant != "authcode")
    {
        return None;
    }
    let host = arguments
        .value("oidc-redirect-url-hostname")
        .unwrap_or("localhost");
    let mut ports: Vec<String> = arguments.list("listen-port");
    if ports.is_empty() {
        ports = arguments
            .list("listen-address")
            .iter()
            .filter_map(|address| Some(address.rsplit_once(':')?.1.to_owned()))
            .collect();
    }
    if ports.is_empty() {
        ports = vec!["8000".to_owned(), "18000".to_owned()];
    }
    let uris: Vec<String> = ports
        .iter()
        .map(|port| format!("http://{host}:{port}"))
        .collect();
    let missing: Vec<&String> = uris
        .iter()
        .filter(|uri| !client.callbacks.contains(uri))
        .collect();
    let remedy = format!(
        "add {} to the client's callback URLs (aws cognito-idp update-user-pool-client; name its other settings again, or they are lost)",
        uris.join(" and ")
    );
    Some(match missing.as_slice() {
        [] => Finding::ok(
            CHECK,
            format!("the client leads back to {}", uris.join(" and ")),
        ),
        some if some.len() < uris.len() => Finding::warning(
            CHECK,
            format!(
                "the client does not lead back to {}, where kubelogin listens when the other is taken",
                some[0]
            ),
            remedy,
        ),
        _ => Finding::problem(
            CHECK,
            format!(
                "the client leads back to {}, and kubelogin listens at {}",
                excerpt(&client.callbacks.join(", ")),
                uris.join(" and ")
            ),
            remedy,
        ),
    })
}

/// What Cognito or a cluster has no use for.
fn unsuited(arguments: &Arguments, trust: &Trust) -> Vec<Finding> {
    let mut findings = Vec::new();
    if arguments.value("oidc-use-access-token") == Some("true") {
        findings.push(Finding::problem(
            CHECK,
            "--oidc-use-access-token shows the cluster access tokens, and Cognito's have no aud",
            "take it out",
        ));
    }
    let grant = arguments.value("grant-type").unwrap_or("auto");
    let password =
        grant == "password" || (grant == "auto" && arguments.value("username").is_some());
    if pool_of(&trust.issuer_url).is_some() && (password || grant == "device-code") {
        findings.push(Finding::problem(
            CHECK,
            "its grant is password or device-code, and Cognito's token endpoint has neither",
            "take out --grant-type and --username: authcode is the default",
        ));
    }
    findings
}

/// What the cached token would come to. `cluster` is the API server's clock,
/// `ours` is kubelogin's.
pub fn cached(
    entry: &cache::Entry,
    trust: &Trust,
    keys: &Keys,
    cluster: Timestamp,
    ours: Timestamp,
) -> Finding {
    const CHECK: &str = "kubelogin's cache";
    let file = entry.path.display();
    let remedy = format!("rm {}", crate::process::quote(&file.to_string()));
    let token = &entry.token;
    let left = token.expired_for(ours).unwrap_or(1);
    if left > 0 {
        return Finding::ok(
            CHECK,
            format!(
                "{file} has a token that expired {} ago: kubelogin fetches another",
                duration(left.unsigned_abs())
            ),
        );
    }
    let until = duration(left.unsigned_abs());
    if let Keys::Had { kids, .. } = keys
        && !kids.iter().any(|kid| kid == token.kid())
    {
        return Finding::problem(
            CHECK,
            format!(
                "{file} has a token signed by key {}, which is gone; kubelogin shows it for another {until}",
                excerpt(token.kid())
            ),
            remedy,
        );
    }
    if token.expired_for(cluster).is_some_and(|since| since > 0) {
        return Finding::problem(
            CHECK,
            format!(
                "{file} has a token that has expired by the cluster's clock, and kubelogin shows it for another {until} by this machine's"
            ),
            remedy,
        );
    }
    if let Some(claim) = trust.groups_claim.as_deref()
        && token.claims[claim].is_null()
    {
        return Finding::warning(
            CHECK,
            format!(
                "{file} has a token without {claim}, and kubelogin shows it for another {until}: whoever joined a group since is not in it"
            ),
            remedy,
        );
    }
    Finding::ok(
        CHECK,
        format!("{file} has a token that lasts another {until}"),
    )
}
