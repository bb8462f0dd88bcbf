//! Programs that run under an instance: with its environment, and nothing
//! that could lead them to a real account.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use crate::instance::Ready;

/// One change of the environment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// Set to this value.
    Set(&'static str, String),
    /// Not set at all.
    Unset(String),
}

/// Variables that would lead an AWS client elsewhere: another identity, or
/// another endpoint for a single service.
const ELSEWHERE: [&str; 15] = [
    "AWS_PROFILE",
    "AWS_DEFAULT_PROFILE",
    "AWS_SESSION_TOKEN",
    "AWS_SECURITY_TOKEN",
    "AWS_ROLE_ARN",
    "AWS_WEB_IDENTITY_TOKEN_FILE",
    "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
    "AWS_CONTAINER_CREDENTIALS_FULL_URI",
    "AWS_CONTAINER_AUTHORIZATION_TOKEN",
    "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE",
    // With a date of the past every call ends before it is sent.
    "AWS_CREDENTIAL_EXPIRATION",
    "AWS_ROLE_SESSION_NAME",
    // Hosts of other names.
    "AWS_USE_FIPS_ENDPOINT",
    "AWS_USE_DUALSTACK_ENDPOINT",
    "AWS_ACCOUNT_ID",
];

/// The services that the front door answers for, as botocore spells them in
/// `AWS_ENDPOINT_URL_…`.
const SERVICES: [&str; 3] = ["COGNITO_IDENTITY_PROVIDER", "EKS", "STS"];

/// What must change for a program to use `instance`; `present` is the
/// environment that it would have otherwise.
pub fn changes(instance: &Ready, present: impl Iterator<Item = (String, String)>) -> Vec<Change> {
    let dir = Path::new(&instance.dir);
    let file = |name: &str| dir.join(name).display().to_string();
    let mut no_proxy = Vec::new();
    let mut unset: Vec<String> = ELSEWHERE.iter().map(|name| (*name).to_owned()).collect();
    unset.extend(
        SERVICES
            .iter()
            .map(|service| format!("AWS_ENDPOINT_URL_{service}")),
    );
    for (name, value) in present {
        // A name that no shell can set would be code in an export.
        let plain = name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
        if name.starts_with("AWS_ENDPOINT_URL_") && plain && !unset.contains(&name) {
            unset.push(name);
        } else if name.eq_ignore_ascii_case("no_proxy") {
            // Some programs divide by commas, some by bars or spaces.
            let hosts = value.split([',', '|', ' ', '\t']);
            no_proxy.extend(hosts.map(|host| host.trim().to_owned()));
        }
    }
    if instance.proxy.is_some() {
        // What is excepted from the proxy would be looked for at AWS itself.
        no_proxy.retain(|host| !excepts_aws(host));
        unset.push("AWS_ENDPOINT_URL".to_owned());
    }
    no_proxy.extend(["127.0.0.1", "localhost", "::1"].map(str::to_owned));
    // Where containers reach it, too, its address is another.
    let origin = url::Url::parse(&instance.origin).ok();
    no_proxy.extend(
        origin
            .iter()
            .filter_map(url::Url::host_str)
            .map(str::to_owned),
    );
    let mut seen = BTreeSet::new();
    no_proxy.retain(|host| !host.is_empty() && seen.insert(host.clone()));
    let no_proxy = no_proxy.join(",");
    let mut changes: Vec<Change> = unset.into_iter().map(Change::Unset).collect();
    changes.extend([
        Change::Set("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS", "false".to_owned()),
        Change::Set("AWS_CA_BUNDLE", file("ca.crt")),
        Change::Set("AWS_ACCESS_KEY_ID", instance.access_key_id.clone()),
        Change::Set("AWS_SECRET_ACCESS_KEY", instance.secret_access_key.clone()),
        Change::Set("AWS_REGION", instance.region.clone()),
        Change::Set("AWS_DEFAULT_REGION", instance.region.clone()),
        Change::Set("AWS_CONFIG_FILE", file("aws-config")),
        Change::Set("AWS_SHARED_CREDENTIALS_FILE", file("aws-credentials")),
        Change::Set("AWS_EC2_METADATA_DISABLED", "true".to_owned()),
        Change::Set("AWS_PAGER", String::new()),
        Change::Set("SSL_CERT_FILE", file("roots.crt")),
        Change::Set("KUBECONFIG", file("kubeconfig")),
        Change::Set("NO_PROXY", no_proxy.clone()),
        Change::Set("no_proxy", no_proxy),
    ]);
    match &instance.proxy {
        None => changes.push(Change::Set("AWS_ENDPOINT_URL", instance.origin.clone())),
        Some(proxy) => changes.extend(through(proxy, instance.other_hosts, &file)),
    }
    changes
}

/// What leads programs to AWS' names by way of the proxy. Plain HTTP goes
/// there, too, so that it does not leave this machine, unless other hosts are
/// allowed: the proxy carries HTTPS alone.
fn through(proxy: &str, other_hosts: bool, file: &impl Fn(&str) -> String) -> Vec<Change> {
    let mut names = vec!["HTTPS_PROXY", "https_proxy"];
    if !other_hosts {
        names.extend(["HTTP_PROXY", "http_proxy"]);
    }
    let roots = [
        "REQUESTS_CA_BUNDLE",
        "NODE_EXTRA_CA_CERTS",
        "CURL_CA_BUNDLE",
    ];
    let proxies = names
        .into_iter()
        .map(|name| Change::Set(name, proxy.to_owned()));
    let roots = roots
        .into_iter()
        .map(|name| Change::Set(name, file("roots.crt")));
    proxies.chain(roots).collect()
}

/// Whether an entry of `NO_PROXY` would keep a host of AWS' from the proxy.
fn excepts_aws(entry: &str) -> bool {
    let host = entry.rsplit_once(':').map_or(entry, |(host, port)| {
        if port.bytes().all(|b| b.is_ascii_digit()) {
            host
        } else {
            entry
        }
    });
    let domain = host.trim_start_matches(['*', '.']).trim_end_matches('.');
    let domain = format!(".{}", domain.to_ascii_lowercase());
    let below = || crate::proxy::is_aws(&domain);
    let above = || crate::proxy::AWS.iter().any(|aws| aws.ends_with(&domain));
    entry == "*" || below() || above()
}

/// This process' environment, as far as it is text: what is not cannot name
/// anything that matters here.
pub fn environment() -> impl Iterator<Item = (String, String)> {
    std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
}

/// The changes as lines for a POSIX shell.
pub fn exports(changes: &[Change]) -> String {
    changes
        .iter()
        .map(|change| match change {
            Change::Set(name, value) => format!("export {name}={}\n", quote(value)),
            Change::Unset(name) => format!("unset {name}\n"),
        })
        .collect()
}

/// As [`exports`], for a file that is read by whatever shell, later: what
/// depends on the reader's own environment is found out there.
pub fn exports_for_later(instance: &Ready) -> String {
    let mut text = String::from(
        "for name in $(env | sed -n 's/^\\(AWS_ENDPOINT_URL_[A-Za-z0-9_]*\\)=.*/\\1/p'); do unset \"$name\"; done\n",
    );
    // Under AWS' names what the reader excepts might be AWS.
    let appends = instance.proxy.is_none();
    for change in changes(instance, std::iter::empty()) {
        text.push_str(&match &change {
            Change::Set(name, value) if appends && name.eq_ignore_ascii_case("no_proxy") => {
                let value = quote(value);
                format!("export {name}=\"${{{name}:+${name},}}\"{value}\n")
            }
            change => exports(std::slice::from_ref(change)),
        });
    }
    text
}

/// `program` with the instance's environment.
pub fn command(instance: &Ready, program: &str, arguments: &[String]) -> std::process::Command {
    let mut command = std::process::Command::new(program);
    command.args(arguments);
    for change in changes(instance, environment()) {
        match change {
            Change::Set(name, value) => command.env(name, value),
            Change::Unset(name) => command.env_remove(name),
        };
    }
    command
}

/// `value` as one word of a POSIX shell.
pub fn quote(value: &str) -> String {
    let plain = !value.is_empty()
        && value
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || "-_./:,@+=".contains(c));
    if plain {
        value.to_owned()
    } else {
        format!("'{}'", value.replace('\'', r"'\''"))
    }
}

/// A program on `PATH`.
pub(crate) fn on_path(name: impl AsRef<Path>) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path)
        .map(|folder| folder.join(name.as_ref()))
        .find(|file| file.is_file())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn instance() -> Ready {
        Ready {
            origin: "https://127.0.0.1:8443".to_owned(),
            dir: "/tmp/it's/.rolecall".to_owned(),
            access_key_id: "AKIA1".to_owned(),
            secret_access_key: "a+b/c".to_owned(),
            region: "eu-west-2".to_owned(),
            ..Ready::default()
        }
    }

    #[test]
    fn nothing_leads_to_a_real_account() {
        let present = [
            ("no_proxy", "lower.example.com"),
            ("AWS_ENDPOINT_URL_$(touch pwned)", "x"),
            ("AWS_PROFILE", "prod"),
            ("AWS_ENDPOINT_URL_S3", "https://s3.example.com"),
            ("NO_PROXY", "corp.example.com, 127.0.0.1"),
        ];
        let changes = changes(
            &instance(),
            present
                .iter()
                .map(|(n, v)| ((*n).to_owned(), (*v).to_owned())),
        );
        for name in [
            "AWS_PROFILE",
            "AWS_SESSION_TOKEN",
            "AWS_ENDPOINT_URL_S3",
            "AWS_ENDPOINT_URL_EKS",
            "AWS_USE_FIPS_ENDPOINT",
            "AWS_USE_DUALSTACK_ENDPOINT",
        ] {
            assert!(changes.contains(&Change::Unset(name.to_owned())), "{name}");
        }
        assert!(changes.contains(&Change::Set(
            "NO_PROXY",
            "lower.example.com,corp.example.com,127.0.0.1,localhost,::1".to_owned()
        )));
        assert!(!exports(&changes).contains("pwned"));
    }

    #[test]
    fn under_aws_names_nothing_is_excepted_from_the_proxy_that_is_aws() {
        let instance = Ready {
            proxy: Some("http://127.0.0.1:3128".to_owned()),
            ..instance()
        };
        let no_proxy = "corp.example.com,.amazonaws.com,*.eks.amazonaws.com,amazoncognito.com,com,.amazonaws.com:443,amazonaws.com.|eks.amazonaws.com *";
        let present = [("NO_PROXY".to_owned(), no_proxy.to_owned())];
        let changes = changes(&instance, present.into_iter());
        let is = |name: &'static str, value: &str| {
            changes.contains(&Change::Set(name, value.to_owned()))
        };
        assert!(is("NO_PROXY", "corp.example.com,127.0.0.1,localhost,::1"));
        assert!(is("HTTPS_PROXY", "http://127.0.0.1:3128"));
        assert!(is("HTTP_PROXY", "http://127.0.0.1:3128"));
        assert!(changes.contains(&Change::Unset("AWS_ENDPOINT_URL".to_owned())));
    }

    #[test]
    fn exports_are_quoted_for_a_shell() {
        let text = exports(&changes(&instance(), std::iter::empty()));
        assert!(text.contains("export AWS_ENDPOINT_URL=https://127.0.0.1:8443\n"));
        assert!(
            text.contains(r"export KUBECONFIG='/tmp/it'\''s/.rolecall/kubeconfig'"),
            "{text}"
        );
        assert!(text.contains("unset AWS_PROFILE\n"));
    }
}
