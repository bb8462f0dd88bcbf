//! The only place that knows how Kubernetes' minor releases differ.

use std::fmt;
use std::str::FromStr;

/// A Kubernetes minor release whose behaviour is imitated.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Version {
    /// Kubernetes 1.34, as in v1.34.4.
    V1_34,
    /// Kubernetes 1.35, as in v1.35.4.
    V1_35,
    /// Kubernetes 1.36, as in v1.36.3.
    V1_36,
    /// Kubernetes 1.37, as in v1.37.2.
    #[default]
    V1_37,
}

impl Version {
    /// All of them, oldest first.
    pub const ALL: [Self; 4] = [Self::V1_34, Self::V1_35, Self::V1_36, Self::V1_37];

    /// The minor of a release such as `v1.37.2`, if it is one of these.
    pub fn of_release(release: &str) -> Option<Self> {
        let (major, rest) = release.strip_prefix('v')?.split_once('.')?;
        let (minor, _) = rest.split_once('.')?;
        format!("{major}.{minor}").parse().ok()
    }

    /// Its name, as in `1.37`.
    pub fn minor(self) -> &'static str {
        match self {
            Self::V1_34 => "1.34",
            Self::V1_35 => "1.35",
            Self::V1_36 => "1.36",
            Self::V1_37 => "1.37",
        }
    }

    /// The release that it is proven against, as in `v1.37.2`.
    pub fn release(self) -> &'static str {
        match self {
            Self::V1_34 => "v1.34.4",
            Self::V1_35 => "v1.35.4",
            Self::V1_36 => "v1.36.3",
            Self::V1_37 => "v1.37.2",
        }
    }

    /// The objects that kube-apiserver creates in an empty cluster, aggregated,
    /// as a `v1` List in JSON.
    pub(crate) fn bootstrap_json(self) -> &'static str {
        match self {
            Self::V1_34 => include_str!("bootstrap/v1.34.json"),
            Self::V1_35 => include_str!("bootstrap/v1.35.json"),
            Self::V1_36 => include_str!("bootstrap/v1.36.json"),
            Self::V1_37 => include_str!("bootstrap/v1.37.json"),
        }
    }

    /// What the union of authorizers puts before the reason of an authorizer
    /// that had no opinion (`k8s.io/apiserver/pkg/authorization/union`; new in
    /// 1.37).
    pub(crate) fn no_opinion_prefix(self) -> &'static str {
        match self {
            Self::V1_34 | Self::V1_35 | Self::V1_36 => "",
            Self::V1_37 => "rbac: ",
        }
    }

    /// Whether `--as` is first tried under constrained impersonation (KEP-5284;
    /// beta and on since 1.36).
    pub fn constrains_impersonation(self) -> bool {
        self >= Self::V1_36
    }

    /// Whether an access review with both kinds of attributes, or with neither,
    /// is faulty as a whole (`pkg/apis/authorization/validation`; since 1.37)
    /// and not in one of the two fields.
    pub fn faults_the_whole_access_review(self) -> bool {
        self >= Self::V1_37
    }

    /// Whether declarative rules count. They stand beside the hand-written ones
    /// since 1.35 and change an answer since 1.37, when the registry began to
    /// join both (`k8s.io/apiserver/pkg/registry/rest/validate.go`).
    pub(crate) fn heeds_declared_rules(self) -> bool {
        self >= Self::V1_37
    }

    /// How often a kind's own rules look at an updated object: until 1.34 the
    /// strategy asked for them and then for those of updates, which contain them
    /// (`pkg/registry/rbac/*/strategy.go`).
    pub(crate) fn looks_at_updates(self) -> usize {
        if self == Self::V1_34 { 2 } else { 1 }
    }

    /// Whether an update looks at the generation by itself, and owner references
    /// are worded as declarative rules word them and counted in the path
    /// (`k8s.io/apimachinery/pkg/api/validation/objectmeta.go`; since 1.37).
    pub(crate) fn has_declarable_metadata(self) -> bool {
        self >= Self::V1_37
    }

    /// What a key of labels is called (`k8s.io/apimachinery/pkg/util/validation`,
    /// since 1.35 `pkg/api/validate/content`).
    pub(crate) fn label_key(self) -> &'static str {
        match self {
            Self::V1_34 => "a qualified name",
            Self::V1_35 | Self::V1_36 | Self::V1_37 => "a valid label key",
        }
    }

    /// What the length of labels is counted in, which is bytes in all of them.
    pub(crate) fn label_unit(self) -> &'static str {
        match self {
            Self::V1_34 => "characters",
            Self::V1_35 | Self::V1_36 | Self::V1_37 => "bytes",
        }
    }

    /// Whether the table of service accounts has a column for their secrets
    /// (`pkg/printers/internalversion`; until 1.34).
    pub fn prints_secrets_of_accounts(self) -> bool {
        self == Self::V1_34
    }

    /// Whether a node's kernel is printed with its architecture (the same; since
    /// 1.36).
    pub fn prints_architecture(self) -> bool {
        self >= Self::V1_36
    }

    /// What is said of a binding whose role has changed
    /// (`pkg/apis/rbac/validation`).
    pub(crate) fn role_ref_changed(self) -> &'static str {
        match self {
            Self::V1_34 | Self::V1_35 | Self::V1_36 => "cannot change roleRef",
            Self::V1_37 => "field is immutable",
        }
    }
}

/// As in `1.37`.
impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.minor())
    }
}

impl FromStr for Version {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Self::ALL
            .into_iter()
            .find(|version| version.minor() == text)
            .ok_or_else(|| format!("{text:?} is none of 1.34, 1.35, 1.36 and 1.37"))
    }
}
