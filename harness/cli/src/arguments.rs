//! The command line.

use std::net::Ipv4Addr;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand};
use harness::cluster::Version;
use harness::rig::{Names, Pins};

/// As in `0.1.0 (0123456789abcdef)`.
const VERSION: &str = concat!(
    env!("CARGO_PKG_VERSION"),
    " (",
    env!("ROLECALL_FINGERPRINT"),
    ")"
);

/// If this person logs in through Cognito, what may they do in the cluster,
/// and why? Offline.
#[derive(Parser)]
#[command(name = "rolecall", version = VERSION, max_term_width = 100)]
pub struct Arguments {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// Everything that the program does.
#[derive(Subcommand)]
pub enum Command {
    /// Plays the tutorial: a pool, a person, a login, a token, an identity, its rights.
    Demo(Demo),
    /// Runs scenario files.
    Test(Test),
    /// Runs a mock Cognito and a cluster in the foreground, for other programs.
    Up(Box<Up>),
    /// Prints shell exports for the running instance: eval "$(rolecall env)".
    Env(Json),
    /// Starts a shell under the running instance.
    Shell(Instance),
    /// Starts a program under the running instance.
    Run(Run),
    /// Writes kubeconfig entries for people who log in.
    Kubeconfig(Kubeconfig),
    /// Opens a browser of its own that trusts the running instance, and does not wait for it.
    Browse(Browse),
    /// Says what runs where, and whom the clusters trust.
    Status(Json),
    /// Shows the messages that Cognito would have sent.
    Outbox(Json),
    /// Shows the requests to the clusters, with user, decision and reason.
    Audit(Json),
    /// Says why a login fails: issuer, certificate, keys, token, mapping, cluster, kubelogin.
    Doctor(Box<Doctor>),
    /// Sends forged tokens to a cluster and says what was let in.
    Attack(Box<Attack>),
    /// Says how tokens become identities, without a server.
    #[command(subcommand)]
    Authn(Authn),
    /// Says what RBAC files allow, without a server.
    #[command(subcommand)]
    Rbac(Rbac),
    /// Kubernetes' own programs, for --cluster control-plane and kind.
    #[command(subcommand)]
    Assets(Assets),
    /// Prints what `kind create cluster --config` takes, for a cluster that trusts an issuer.
    KindConfig(Box<KindConfig>),
    /// Removes what earlier runs left behind: kind clusters, or objects in a cluster.
    Clean(Clean),
    /// Stops the running instance.
    Down(Instance),
    /// Prints completions for a shell.
    Completions {
        /// Which shell.
        shell: clap_complete::Shell,
    },
}

/// Where an instance is.
#[derive(Args, Clone)]
pub struct Instance {
    /// The instance's folder.
    #[arg(long, default_value = ".rolecall", env = "ROLECALL_DIR")]
    pub dir: PathBuf,
}

/// Where an instance is, and for whom its answer is.
#[derive(Args, Clone)]
pub struct Json {
    /// Where.
    #[command(flatten)]
    pub instance: Instance,
    /// Print JSON.
    #[arg(long)]
    pub json: bool,
}

/// `rolecall kubeconfig`.
#[derive(Args)]
pub struct Kubeconfig {
    /// Where.
    #[command(flatten)]
    pub instance: Instance,
    /// How the user logs in.
    #[arg(long, value_enum)]
    pub login: LoginBy,
    /// The cluster, where there are several.
    #[arg(long, value_name = "NAME")]
    pub cluster: Option<String>,
    /// The user entry's name.
    #[arg(long, default_value = "oidc")]
    pub user: String,
    /// The context's name; it becomes the current one.
    #[arg(long, default_value = "default")]
    pub context: String,
    /// The file that gets the entries, - for standard output [default: the instance's working kubeconfig].
    #[arg(long, short, value_name = "FILE")]
    pub output: Option<PathBuf>,
}

/// How the user of a kubeconfig logs in.
#[derive(Clone, Copy, clap::ValueEnum)]
pub enum LoginBy {
    /// kubelogin, as kubectl's exec credential plugin.
    Kubelogin,
}

/// `rolecall run`.
#[derive(Args)]
pub struct Run {
    /// Where.
    #[command(flatten)]
    pub instance: Instance,
    /// The program and its arguments.
    #[arg(required = true, last = true, value_name = "COMMAND")]
    pub command: Vec<String>,
}

/// `rolecall browse`.
#[derive(Args)]
pub struct Browse {
    /// Where.
    #[command(flatten)]
    pub instance: Instance,
    /// Without a window, for tests; it ends with the instance.
    #[arg(long)]
    pub headless: bool,
    /// What to open; else the sign-in page, if there is exactly one.
    #[arg(value_parser = web_address)]
    pub url: Option<String>,
}

/// `rolecall doctor`. Flags are spelt as kube-apiserver's `--oidc-*` are.
#[derive(Args)]
pub struct Doctor {
    /// Where.
    #[command(flatten)]
    pub instance: Instance,
    /// Look at this issuer, ours or anybody's, and not at those of the instance's clusters.
    #[arg(long, value_name = "URL", requires = "client_id")]
    pub issuer_url: Option<String>,
    /// The audience that the cluster asks for.
    #[arg(long, value_name = "ID")]
    pub client_id: Option<String>,
    /// The claim that becomes the user [kube-apiserver's default: sub].
    #[arg(long, value_name = "CLAIM")]
    pub username_claim: Option<String>,
    /// What comes before the user; - for nothing.
    #[arg(long, value_name = "PREFIX", allow_hyphen_values = true)]
    pub username_prefix: Option<String>,
    /// The claim that becomes the groups.
    #[arg(long, value_name = "CLAIM")]
    pub groups_claim: Option<String>,
    /// What comes before a group.
    #[arg(long, value_name = "PREFIX")]
    pub groups_prefix: Option<String>,
    /// The issuer's CA, as in --oidc-ca-file; nothing else is trusted then.
    #[arg(long, value_name = "FILE")]
    pub ca: Option<PathBuf>,
    /// A token to walk through the mapping and to ask the cluster about; - reads standard input.
    #[arg(long, value_name = "TOKEN", allow_hyphen_values = true)]
    pub token: Option<String>,
    /// The kubeconfig to look at [default: KUBECONFIG's first file, else ~/.kube/config].
    #[arg(long, value_name = "FILE")]
    pub kubeconfig: Option<PathBuf>,
    /// A context of it other than the current one.
    #[arg(long, value_name = "NAME")]
    pub context: Option<String>,
    /// kubelogin's cache [default: as its arguments say].
    #[arg(long, value_name = "FOLDER")]
    pub token_cache_dir: Option<PathBuf>,
    /// Print JSON.
    #[arg(long)]
    pub json: bool,
}

/// `rolecall clean`.
#[derive(Args)]
pub struct Clean {
    /// Also those that `up --keep` left on purpose.
    #[arg(long)]
    pub kept: bool,
    /// Instead, take out of this context's cluster what `rolecall test --allow-writes` put there, also in a run that is going on.
    #[arg(long, value_name = "NAME", conflicts_with = "kept")]
    pub context: Option<String>,
    /// The kubeconfig that has the context [default: KUBECONFIG's files, else ~/.kube/config].
    #[arg(long, value_name = "FILE", requires = "context")]
    pub kubeconfig: Option<PathBuf>,
    /// Print JSON.
    #[arg(long)]
    pub json: bool,
}

/// `rolecall kind-config`. Flags are spelt as kube-apiserver's `--oidc-*` are.
#[derive(Args)]
pub struct KindConfig {
    /// The folder of the instance that says whom to trust (`up --for-kind`), where no issuer is named.
    #[arg(long, default_value = ".rolecall", env = "ROLECALL_DIR")]
    pub dir: PathBuf,
    /// The issuer.
    #[arg(long, value_name = "URL", requires = "client_id")]
    pub issuer_url: Option<String>,
    /// The audience.
    #[arg(long, value_name = "ID", requires = "issuer_url")]
    pub client_id: Option<String>,
    /// The claim that becomes the user [kube-apiserver's default: sub].
    #[arg(long, value_name = "CLAIM", requires = "issuer_url")]
    pub username_claim: Option<String>,
    /// What comes before the user; - for nothing.
    #[arg(
        long,
        value_name = "PREFIX",
        requires = "issuer_url",
        allow_hyphen_values = true
    )]
    pub username_prefix: Option<String>,
    /// The claim that becomes the groups.
    #[arg(long, value_name = "CLAIM", requires = "issuer_url")]
    pub groups_claim: Option<String>,
    /// What comes before a group.
    #[arg(long, value_name = "PREFIX", requires = "issuer_url")]
    pub groups_prefix: Option<String>,
    /// A claim that a token must have, and its value.
    #[arg(long, value_name = "CLAIM=VALUE", requires = "issuer_url", value_parser = claim)]
    pub required_claim: Vec<(String, String)>,
    /// The issuer's CA.
    #[arg(long, value_name = "FILE", requires = "issuer_url")]
    pub ca: Option<PathBuf>,
    /// How the API server is told.
    #[arg(long, value_enum, default_value_t)]
    pub spelling: Spelling,
    /// Where its AuthenticationConfiguration is written, which the node mounts; without an issuer, an instance's folder that has one [default: kind in --dir].
    #[arg(long, value_name = "FOLDER")]
    pub folder: Option<PathBuf>,
}

/// How an API server is told whom to trust.
#[derive(Clone, Copy, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum Spelling {
    /// In an AuthenticationConfiguration of a mounted folder, which it reads anew when it changes.
    #[default]
    File,
    /// By --oidc-* flags.
    Flags,
}

fn claim(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((claim, value)) if !claim.is_empty() => Ok((claim.to_owned(), value.to_owned())),
        _ => Err("write it as CLAIM=VALUE".to_owned()),
    }
}

/// `rolecall attack`.
#[derive(Args)]
pub struct Attack {
    /// Where.
    #[command(flatten)]
    pub instance: Instance,
    /// The cluster, where the instance has several.
    #[arg(long, value_name = "NAME", conflicts_with = "kubeconfig")]
    pub cluster: Option<String>,
    /// Who logs in for the real token that everything is made of.
    #[arg(long, value_name = "NAME", requires = "password", conflicts_with_all = ["token", "kubeconfig"])]
    pub user: Option<String>,
    /// Their password; - reads standard input.
    #[arg(
        long,
        value_name = "TEXT",
        requires = "user",
        allow_hyphen_values = true
    )]
    pub password: Option<String>,
    /// A file with a real token, in place of a login; - reads standard input.
    #[arg(long, value_name = "FILE")]
    pub token: Option<PathBuf>,
    /// A file with the access token of the same login.
    #[arg(long, value_name = "FILE", requires = "token")]
    pub access_token: Option<PathBuf>,
    /// Attack the cluster of this kubeconfig, and no instance's: without what only the issuer can forge.
    #[arg(long, value_name = "FILE", requires = "token")]
    pub kubeconfig: Option<PathBuf>,
    /// A context of it other than the current one.
    #[arg(long, value_name = "NAME", requires = "kubeconfig")]
    pub context: Option<String>,
    /// The CA of the token's issuer, which is asked for its public keys.
    #[arg(long, value_name = "FILE", requires = "kubeconfig")]
    pub ca: Option<PathBuf>,
    /// Say what came of every token.
    #[arg(long, short)]
    pub verbose: bool,
    /// Print JSON.
    #[arg(long)]
    pub json: bool,
    /// The forged tokens to try, such as expired or alg-none [default: all].
    #[arg(value_name = "WORD")]
    pub words: Vec<String>,
}

/// `rolecall authn`.
#[derive(Subcommand)]
pub enum Authn {
    /// Walks a token through an AuthenticationConfiguration, step by step.
    Explain(AuthnExplain),
    /// Says for what an API server would not start with an AuthenticationConfiguration.
    Validate(AuthnValidate),
    /// Turns kube-apiserver's --oidc-* flags into an AuthenticationConfiguration, and back.
    Convert(AuthnConvert),
}

/// `rolecall authn validate`.
#[derive(Args)]
pub struct AuthnValidate {
    /// The AuthenticationConfiguration, YAML or JSON; - reads standard input.
    #[arg(value_name = "FILE")]
    pub config: PathBuf,
    /// For whom it is: for eks, also say what EKS has no word for.
    #[arg(long, value_enum, default_value_t)]
    pub profile: ProfileName,
    /// The API server's own issuer, which the file may not name.
    #[arg(long, value_name = "URL")]
    pub service_account_issuer: Vec<String>,
    /// Of which Kubernetes minor the API server is.
    #[arg(long, value_name = "VERSION", value_parser = version(), default_value_t)]
    pub kubernetes_version: Version,
    /// Print JSON.
    #[arg(long)]
    pub json: bool,
}

/// For whom a configuration is.
#[derive(Clone, Copy, Default, clap::ValueEnum)]
pub enum ProfileName {
    /// A kube-apiserver of one's own.
    #[default]
    Kubernetes,
    /// EKS.
    Eks,
}

impl From<ProfileName> for harness::offline::authn::Profile {
    fn from(name: ProfileName) -> Self {
        match name {
            ProfileName::Kubernetes => Self::Kubernetes,
            ProfileName::Eks => Self::Eks,
        }
    }
}

/// `rolecall authn convert`.
#[derive(Args)]
pub struct AuthnConvert {
    /// An AuthenticationConfiguration, YAML or JSON, to become flags; - reads standard input.
    #[arg(value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// kube-apiserver's --oidc-* flags, to become a file.
    #[arg(last = true, value_name = "FLAG", conflicts_with = "config")]
    pub flags: Vec<String>,
}

/// `rolecall authn explain`.
#[derive(Args)]
pub struct AuthnExplain {
    /// The API server's AuthenticationConfiguration, YAML or JSON; - reads standard input.
    #[arg(long, value_name = "FILE")]
    pub config: PathBuf,
    /// The issuer's JSON Web Key Set, as its jwks_uri gives it; - reads standard input.
    #[arg(long, value_name = "FILE")]
    pub jwks: PathBuf,
    /// When it is judged, as in 2026-11-25T18:00:00Z or in seconds since 1970 [default: now].
    #[arg(long, value_name = "TIME", value_parser = timestamp)]
    pub at: Option<jiff::Timestamp>,
    /// Of which Kubernetes minor the API server is.
    #[arg(long, value_name = "VERSION", value_parser = version(), default_value_t)]
    pub kubernetes_version: Version,
    /// Print JSON, one token a line.
    #[arg(long)]
    pub json: bool,
    /// The token; without one, or for -, they are read from standard input, one a line.
    #[arg(allow_hyphen_values = true)]
    pub token: Option<String>,
}

/// `rolecall rbac`.
#[derive(Subcommand)]
pub enum Rbac {
    /// Says yes or no, as kubectl auth can-i does, and the API server's reason.
    Can(Box<RbacQuestion>),
    /// Says by which binding, role and rule, or what is missing.
    Explain(Box<RbacQuestion>),
}

/// `rolecall rbac can` and `rolecall rbac explain`. The words are those of
/// `kubectl auth can-i`.
#[derive(Args)]
pub struct RbacQuestion {
    /// RBAC objects: a file, a folder, or - for standard input. Kubernetes' own roles are there, too.
    #[arg(long, value_name = "PATH", required = true)]
    pub rbac: Vec<PathBuf>,
    /// Who asks.
    #[arg(long, value_name = "NAME")]
    pub user: String,
    /// A group of theirs, as the cluster sees it; system:authenticated comes by itself.
    #[arg(long, value_name = "NAME")]
    pub group: Vec<String>,
    /// In which namespace [default: default].
    #[arg(long, short, value_name = "NS")]
    pub namespace: Option<String>,
    /// Of which Kubernetes minor the API server is.
    #[arg(long, value_name = "VERSION", value_parser = version(), default_value_t)]
    pub kubernetes_version: Version,
    /// In all namespaces.
    #[arg(long, short = 'A', conflicts_with = "namespace")]
    pub all_namespaces: bool,
    /// A part of the resource, such as log or scale.
    #[arg(
        long,
        value_name = "NAME",
        default_value = "",
        hide_default_value = true
    )]
    pub subresource: String,
    /// Print JSON, one answer a line.
    #[arg(long)]
    pub json: bool,
    /// What is to be done; without it, questions such as "get secrets -n prod" or "get pods --as jane --as-group dev" are read from standard input, one a line.
    #[arg(requires = "what")]
    pub verb: Option<String>,
    /// To what: RESOURCE[.GROUP][/NAME], or a path such as /metrics.
    #[arg(value_name = "RESOURCE")]
    pub what: Option<String>,
}

/// `rolecall demo`.
#[derive(Args)]
pub struct Demo {
    /// Print JSON, one event a line.
    #[arg(long)]
    pub json: bool,
}

/// `rolecall test`.
#[derive(Args)]
pub struct Test {
    /// Scenario files, or folders of them.
    #[arg(default_value = "scenarios")]
    pub paths: Vec<PathBuf>,
    /// Also write a report, as in junit=report.xml.
    #[arg(long, value_name = "KIND=FILE", value_parser = report)]
    pub report: Vec<PathBuf>,
    /// Who logs in for the people of scenarios that do not say.
    #[arg(long, value_enum, default_value_t)]
    pub driver: DriverName,
    /// On which clusters; with several, how their answers differ is shown, too.
    #[arg(long, value_enum, value_delimiter = ',', default_value = "embedded")]
    pub cluster: Vec<ClusterName>,
    /// The minor that they answer as.
    #[arg(long, value_name = "VERSION", value_parser = version())]
    pub kubernetes_version: Option<Version>,
    /// The image of kind's nodes [default: ours, where it is loaded, else kind's own].
    #[arg(long, value_name = "IMAGE", env = "ROLECALL_KIND_IMAGE")]
    pub kind_image: Option<String>,
    /// The kubeconfig of --cluster kubeconfig, which is never written [default: KUBECONFIG's files, else ~/.kube/config].
    #[arg(long, value_name = "FILE")]
    pub kubeconfig: Option<PathBuf>,
    /// Its context; none is used that was not named.
    #[arg(long, value_name = "NAME")]
    pub context: Option<String>,
    /// Let --cluster kubeconfig make what scenarios say, labelled, and remove it at their end; else it is only read.
    #[arg(long)]
    pub allow_writes: bool,
    /// With --cluster kubeconfig: it is a kind cluster by kind-config.yaml. Take the port and ids that go with it, and write to --dir whom it trusts, as `up --for-kind` does.
    #[arg(long)]
    pub for_kind: bool,
    /// The folder beside which that kind cluster was made.
    #[arg(long, default_value = ".rolecall", env = "ROLECALL_DIR")]
    pub dir: PathBuf,
    /// Run everything under AWS' own host names.
    #[arg(long)]
    pub aws_hosts: bool,
    /// Say every step, not only what is wrong.
    #[arg(long, short)]
    pub verbose: bool,
    /// A skipped scenario is a failure of the rig (exit code 3).
    #[arg(long)]
    pub no_skip: bool,
    /// Print JSON, one event a line.
    #[arg(long)]
    pub json: bool,
}

impl Test {
    /// Under which names everything is found.
    pub fn names(&self) -> Names {
        if self.aws_hosts {
            Names::Aws {
                proxy_port: 0,
                allow_other_hosts: false,
            }
        } else {
            Names::Local
        }
    }
}

/// What stands in the chain as "the cluster".
#[derive(Clone, Copy, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum ClusterName {
    /// Our own API server, in this process.
    #[default]
    Embedded,
    /// Kubernetes' own programs, as child processes (see `rolecall assets`).
    ControlPlane,
    /// A cluster that kind makes in Docker.
    Kind,
    /// One that is there already, by a --context; for `rolecall test`.
    Kubeconfig,
}

impl From<ClusterName> for harness::cluster::Kind {
    fn from(name: ClusterName) -> Self {
        match name {
            ClusterName::Embedded => Self::Embedded,
            ClusterName::ControlPlane => Self::ControlPlane,
            ClusterName::Kind => Self::Kind,
            ClusterName::Kubeconfig => Self::Existing,
        }
    }
}

/// How quickly the embedded cluster takes what it is told.
#[derive(Clone, Copy, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum TimingName {
    /// With the next request.
    #[default]
    Instant,
    /// As Kubernetes does, by our clock: another issuer takes it ten seconds to trust, and a token that it accepted it accepts for ten more.
    Kubernetes,
}

impl From<TimingName> for harness::rig::Timing {
    fn from(name: TimingName) -> Self {
        match name {
            TimingName::Instant => Self::Instant,
            TimingName::Kubernetes => Self::Kubernetes,
        }
    }
}

/// `rolecall assets`.
#[derive(Subcommand)]
pub enum Assets {
    /// Says which of Kubernetes' programs are found where.
    List {
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
    /// Builds them out of Kubernetes' own modules; needs Go.
    Build {
        /// What: a control plane's programs, or kind.
        #[arg(value_enum, default_value_t)]
        what: Built,
        /// Of which minor the control plane is.
        #[arg(long, value_name = "VERSION", value_parser = version(), default_value_t)]
        kubernetes_version: Version,
    },
}

/// What `rolecall assets build` builds.
#[derive(Clone, Copy, Default, clap::ValueEnum)]
pub enum Built {
    /// etcd, kube-apiserver and kube-controller-manager.
    #[default]
    ControlPlane,
    /// The kind program, for --cluster kind.
    Kind,
}

/// A login driver.
#[derive(Clone, Copy, Default, clap::ValueEnum)]
pub enum DriverName {
    /// The pages without a browser.
    #[default]
    Http,
    /// A headless Chromium, through chromedriver.
    Browser,
    /// The real kubelogin, from the PATH.
    Kubelogin,
}

impl From<DriverName> for harness::login::Driver {
    fn from(name: DriverName) -> Self {
        match name {
            DriverName::Http => Self::Http,
            DriverName::Browser => Self::Browser,
            DriverName::Kubelogin => Self::Kubelogin,
        }
    }
}

/// `rolecall up`.
#[derive(Args)]
pub struct Up {
    /// Where.
    #[command(flatten)]
    pub instance: Instance,
    /// The front door's port (Cognito, its pages, EKS, STS); 0 takes a free one.
    #[arg(long, default_value_t = 0)]
    pub port: u16,
    /// Also listen on this address of the machine, under which the front door, the proxy and an embedded cluster are found then; auto takes the one that leads to other machines.
    #[arg(long, value_name = "ADDRESS", value_parser = own_address)]
    pub listen: Option<Ipv4Addr>,
    /// The API server's port; 0 takes a free one.
    #[arg(long, default_value_t = 0)]
    pub api_port: u16,
    /// The region of requests that name none.
    #[arg(long, default_value = "eu-west-2", value_parser = region)]
    pub region: String,
    /// The AWS account's number.
    #[arg(long, default_value = "123456789012", value_parser = account)]
    pub account: String,
    /// What the cluster is.
    #[arg(long, value_enum, default_value_t)]
    pub cluster: ClusterName,
    /// The Kubernetes minor that it answers as.
    #[arg(long, value_name = "VERSION", value_parser = version())]
    pub kubernetes_version: Option<Version>,
    /// The image of kind's nodes [default: ours, where it is loaded, else kind's own].
    #[arg(long, value_name = "IMAGE", env = "ROLECALL_KIND_IMAGE")]
    pub kind_image: Option<String>,
    /// Also listen where containers on kind's network find it, for a kind cluster of your own: with port 9443 and pinned ids, which kind-config.yaml goes by.
    #[arg(long)]
    pub for_kind: bool,
    /// Leave the kind cluster for a later --reuse; `rolecall clean --kept` removes it.
    #[arg(long)]
    pub keep: bool,
    /// Take the kind cluster that --keep left, with what is in it, in place of a new one.
    #[arg(long)]
    pub reuse: bool,
    /// The cluster that stands ready.
    #[arg(long, default_value = "kubedemy", value_parser = cluster_name)]
    pub cluster_name: String,
    /// How long associating an identity provider takes, as in 1s or 10m.
    #[arg(long, default_value = "1s", value_parser = duration)]
    pub association_delay: Duration,
    /// The id that the next pool, client or cluster endpoint gets, as in pool=eu-west-2_Tj3uyJm1Q.
    #[arg(long, value_name = "WHAT=ID")]
    pub pin: Vec<String>,
    /// Everything under AWS' own host names, through a proxy that `env`, `shell` and `run` set.
    #[arg(long)]
    pub aws_hosts: bool,
    /// The proxy's port; 0 takes a free one.
    #[arg(long, default_value_t = 0, requires = "aws_hosts")]
    pub proxy_port: u16,
    /// Let the proxy lead to other hosts, too.
    #[arg(long, requires = "aws_hosts")]
    pub allow_other_hosts: bool,
    /// Make ids reproducible, for snapshots.
    #[arg(long, value_name = "N")]
    pub seeded_ids: Option<u64>,
    /// Users, groups and clients to begin with.
    #[arg(long, value_name = "FILE")]
    pub seed: Option<PathBuf>,
    /// Which requests the audit log has, and how fully: a Policy of audit.k8s.io/v1.
    #[arg(long, value_name = "FILE")]
    pub audit_policy_file: Option<PathBuf>,
    /// Whom the embedded cluster trusts from its start on, until an identity provider is associated: an AuthenticationConfiguration, YAML or JSON, which it follows when it changes.
    #[arg(long, value_name = "FILE")]
    pub authentication_config: Option<PathBuf>,
    /// How quickly an embedded cluster takes what it is told; the others have Kubernetes' timing anyway.
    #[arg(long, value_enum, default_value_t)]
    pub timing: TimingName,
    /// Print addresses, folder and pid as JSON, once, when it answers.
    #[arg(long)]
    pub json: bool,
}

impl Up {
    /// Under which names everything is found.
    pub fn names(&self) -> Names {
        if self.aws_hosts {
            Names::Aws {
                proxy_port: self.proxy_port,
                allow_other_hosts: self.allow_other_hosts,
            }
        } else {
            Names::Local
        }
    }

    /// The pins, sorted by what they are for.
    pub fn pins(&self) -> Result<Pins, String> {
        let mut pins = Pins::default();
        for pin in &self.pin {
            let known = "pool=ID, client=ID or cluster-endpoint=ID";
            let (what, id) = pin
                .split_once('=')
                .filter(|(_, id)| !id.is_empty())
                .ok_or_else(|| format!("--pin {pin}: write it as {known}"))?;
            let slot = match what {
                "pool" => &mut pins.pool,
                "client" => &mut pins.client,
                "cluster-endpoint" => &mut pins.cluster_endpoint,
                _ => {
                    return Err(format!(
                        "--pin {pin}: there is no {what} to pin, only {known}"
                    ));
                }
            };
            if slot.replace(id.to_owned()).is_some() {
                return Err(format!("--pin {what}: given twice"));
            }
        }
        if let Some(pool) = &pins.pool {
            let region = pool
                .split_once('_')
                .filter(|(_, id)| !id.is_empty() && id.chars().all(|c| c.is_ascii_alphanumeric()))
                .and_then(|(name, _)| region(name).ok())
                .ok_or_else(|| {
                    format!("--pin pool={pool}: a pool's id looks like eu-west-2_Tj3uyJm1Q")
                })?;
            if region != self.region {
                return Err(format!(
                    "--pin pool={pool}: pools of {} begin with it; add --region {region}",
                    self.region
                ));
            }
        }
        let all = |text: &Option<String>, fits: fn(char) -> bool| {
            text.as_deref().is_none_or(|text| text.chars().all(fits))
        };
        if !all(&pins.client, |c| {
            c.is_ascii_alphanumeric() || c == '_' || c == '+'
        }) {
            return Err("--pin client: a client's id has letters and digits, as in ganda06c18isdkrj0i8f9g0gj".to_owned());
        }
        if !all(&pins.cluster_endpoint, |c| c.is_ascii_hexdigit()) {
            return Err(
                "--pin cluster-endpoint: it is hexadecimal, as in CB99422E7A48EA91F00A17D969FB455C"
                    .to_owned(),
            );
        }
        Ok(pins)
    }
}

/// An address that others find.
fn own_address(text: &str) -> Result<Ipv4Addr, String> {
    if text == "auto" {
        return harness::rig::outward_address()
            .map_err(|error| format!("no way leads to other machines: {error}"));
    }
    match text.parse::<Ipv4Addr>() {
        Ok(address) if address.is_loopback() => Err("it listens on loopback anyway".to_owned()),
        Ok(address) if !address.is_unspecified() => Ok(address),
        _ => Err("name an IPv4 address of this machine, or auto".to_owned()),
    }
}

/// The minors, in help and completion, too.
fn version() -> impl clap::builder::TypedValueParser<Value = Version> {
    use clap::builder::TypedValueParser as _;
    clap::builder::PossibleValuesParser::new(Version::ALL.map(Version::minor))
        .try_map(|text| text.parse::<Version>())
}

/// Whatever else there is would be an option to the browser, or a search.
fn web_address(text: &str) -> Result<String, String> {
    if text.starts_with("http://") || text.starts_with("https://") {
        Ok(text.to_owned())
    } else {
        Err("an address begins with http:// or https://".to_owned())
    }
}

fn timestamp(text: &str) -> Result<jiff::Timestamp, String> {
    let seconds = || {
        text.parse()
            .ok()
            .and_then(|s| jiff::Timestamp::from_second(s).ok())
    };
    text.parse()
        .ok()
        .or_else(seconds)
        .ok_or_else(|| "a time looks like 2026-11-25T18:00:00Z or 1795629600".to_owned())
}

fn duration(text: &str) -> Result<Duration, String> {
    harness::parse_duration(text)
}

fn cluster_name(text: &str) -> Result<String, String> {
    harness::aws::eks::state::check_cluster_name(text).map_err(|error| error.to_string())?;
    Ok(text.to_owned())
}

fn report(text: &str) -> Result<PathBuf, String> {
    match text.split_once('=') {
        Some(("junit", file)) if !file.is_empty() => Ok(PathBuf::from(file)),
        _ => Err("the one kind of report is junit=FILE".to_owned()),
    }
}

fn account(text: &str) -> Result<String, String> {
    if text.len() == 12 && text.bytes().all(|b| b.is_ascii_digit()) {
        Ok(text.to_owned())
    } else {
        Err("an AWS account number has twelve digits".to_owned())
    }
}

fn region(text: &str) -> Result<String, String> {
    let valid = text.contains('-')
        && text
            .bytes()
            .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
    if valid {
        Ok(text.to_owned())
    } else {
        Err("a region looks like eu-west-2".to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory as _;

    #[test]
    fn the_command_line_is_sound() {
        Arguments::command().debug_assert();
    }

    fn up(arguments: &[&str]) -> Result<Pins, String> {
        let all = ["rolecall", "up"].iter().chain(arguments);
        match Arguments::try_parse_from(all)
            .map_err(|e| e.to_string())?
            .command
        {
            Command::Up(up) => up.pins(),
            _ => unreachable!("up was given"),
        }
    }

    #[test]
    fn pins_are_sorted_and_checked() {
        let pins = up(&[
            "--pin",
            "pool=eu-west-2_Tj3uyJm1Q",
            "--pin",
            "cluster-endpoint=CB99",
        ])
        .expect("pins");
        assert_eq!(pins.pool.as_deref(), Some("eu-west-2_Tj3uyJm1Q"));
        assert_eq!(pins.cluster_endpoint.as_deref(), Some("CB99"));
        for wrong in [
            "pool",
            "pool=",
            "pool=x",
            "pool=../x_A",
            "pool=us-east-1_A",
            "user=a",
            "client=UP/!",
            "cluster-endpoint=../x",
        ] {
            assert!(up(&["--pin", wrong]).is_err(), "{wrong}");
        }
        assert!(up(&["--account", "12"]).is_err());
        assert!(up(&["--association-delay", "soon"]).is_err());
    }
}
