//! Which requests are recorded, how fully and at which stages (apiserver,
//! `pkg/audit/policy/checker.go`). Reading a policy is [`super::load`]'s.

use kube_authn::User;

use super::event::Stage;
use crate::request::RequestInfo;

/// `audit.k8s.io/v1 Policy`. The default one records all requests with their
/// metadata, once they are answered:
///
/// ```yaml
/// apiVersion: audit.k8s.io/v1
/// kind: Policy
/// omitStages: [RequestReceived]
/// rules: [{level: Metadata}]
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Policy {
    pub(super) omit_stages: Stages,
    pub(super) omit_managed_fields: bool,
    pub(super) rules: Vec<Rule>,
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            omit_stages: [Stage::RequestReceived].into_iter().collect(),
            omit_managed_fields: false,
            rules: vec![Rule {
                level: Level::Metadata,
                ..Rule::default()
            }],
        }
    }
}

/// How fully a request is recorded; each level has what is in those before it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// Not at all.
    #[default]
    None,
    /// Who asked for what.
    Metadata,
    /// And with which object.
    Request,
    /// And which object was answered.
    RequestResponse,
}

/// Some of the stages.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stages(u8);

/// `audit.k8s.io/v1 PolicyRule`. What is empty matches everything.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Rule {
    pub level: Level,
    pub users: Vec<String>,
    pub user_groups: Vec<String>,
    pub verbs: Vec<String>,
    pub resources: Vec<GroupResources>,
    pub namespaces: Vec<String>,
    pub non_resource_urls: Vec<String>,
    pub omit_stages: Stages,
    pub omit_managed_fields: Option<bool>,
}

/// `audit.k8s.io/v1 GroupResources`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct GroupResources {
    pub group: String,
    pub resources: Vec<String>,
    pub resource_names: Vec<String>,
}

/// Requests of which nothing is recorded.
#[derive(Clone, Copy, Debug)]
pub enum Unrecorded<'a> {
    /// Those of these users.
    Users(&'a [&'a str]),
    /// Those of members of one of these groups.
    Groups(&'a [&'a str]),
    /// A kubelet's, which shows no certificate.
    Probes,
}

impl Unrecorded<'_> {
    fn rule(&self) -> Rule {
        let owned = |names: &[&str]| names.iter().map(|&name| name.to_owned()).collect();
        match self {
            Self::Users(users) => Rule {
                users: owned(users),
                ..Rule::default()
            },
            Self::Groups(groups) => Rule {
                user_groups: owned(groups),
                ..Rule::default()
            },
            Self::Probes => Rule {
                users: owned(&["system:anonymous"]),
                non_resource_urls: owned(&["/livez*", "/readyz*", "/healthz*"]),
                ..Rule::default()
            },
        }
    }
}

/// What the policy says of one request.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Recording {
    /// How fully it is recorded.
    pub level: Level,
    /// At which stages it is not.
    pub omit_stages: Stages,
    /// Whether objects are recorded without `managedFields`.
    pub omit_managed_fields: bool,
}

impl Level {
    /// All levels with their names.
    pub(super) const NAMES: [(&str, Self); 4] = [
        ("None", Self::None),
        ("Metadata", Self::Metadata),
        ("Request", Self::Request),
        ("RequestResponse", Self::RequestResponse),
    ];

    pub(super) fn name(self) -> &'static str {
        let found = Self::NAMES.iter().find(|(_, level)| *level == self);
        found.map_or("", |(name, _)| name)
    }
}

impl Stages {
    /// No stage.
    pub const NONE: Self = Self(0);

    /// Whether `stage` is among them.
    pub fn contains(self, stage: Stage) -> bool {
        self.0 & Self::bit(stage) != 0
    }

    fn union(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    const fn bit(stage: Stage) -> u8 {
        1 << stage as u8
    }
}

impl FromIterator<Stage> for Stages {
    fn from_iter<I: IntoIterator<Item = Stage>>(stages: I) -> Self {
        Self(
            stages
                .into_iter()
                .fold(0, |bits, stage| bits | Self::bit(stage)),
        )
    }
}

impl Policy {
    /// The same policy for everything but `unrecorded`.
    #[must_use]
    pub fn without(mut self, unrecorded: &[Unrecorded<'_>]) -> Self {
        let rules = unrecorded.iter().map(Unrecorded::rule);
        self.rules.splice(0..0, rules);
        self
    }

    /// What is recorded of a request of `user`, who is nobody where
    /// authentication has failed. The first rule that matches decides; a
    /// request that none matches is not recorded.
    pub fn evaluate(&self, user: Option<&User>, info: &RequestInfo) -> Recording {
        let rule = self.rules.iter().find(|rule| rule.matches(user, info));
        match rule {
            Some(rule) => Recording {
                level: rule.level,
                omit_stages: self.omit_stages.union(rule.omit_stages),
                omit_managed_fields: rule.omit_managed_fields.unwrap_or(self.omit_managed_fields),
            },
            None => Recording {
                level: Level::None,
                omit_stages: self.omit_stages,
                omit_managed_fields: self.omit_managed_fields,
            },
        }
    }
}

impl Rule {
    fn matches(&self, user: Option<&User>, info: &RequestInfo) -> bool {
        let of_user =
            self.users.is_empty() || user.is_some_and(|user| self.users.contains(&user.username));
        let of_group = self.user_groups.is_empty()
            || user.is_some_and(|user| {
                let mut groups = user.groups.iter();
                groups.any(|group| self.user_groups.contains(group))
            });
        let of_verb = self.verbs.is_empty() || self.verbs.contains(&info.verb);
        let of_target = if !self.namespaces.is_empty() || !self.resources.is_empty() {
            self.matches_resource(info)
        } else {
            self.non_resource_urls.is_empty() || self.matches_path(info)
        };
        of_user && of_group && of_verb && of_target
    }

    fn matches_path(&self, info: &RequestInfo) -> bool {
        let matches = |spec: &String| {
            let prefix = spec.ends_with('*').then(|| spec.trim_end_matches('*'));
            *spec == info.path || prefix.is_some_and(|prefix| info.path.starts_with(prefix))
        };
        !info.is_resource_request && self.non_resource_urls.iter().any(matches)
    }

    fn matches_resource(&self, info: &RequestInfo) -> bool {
        info.is_resource_request
            && (self.namespaces.is_empty() || self.namespaces.contains(&info.namespace))
            && (self.resources.is_empty() || self.resources.iter().any(|r| r.matches(info)))
    }
}

impl GroupResources {
    fn matches(&self, info: &RequestInfo) -> bool {
        let of_group = self.group == "*" || self.group == info.api_group;
        let of_name = self.resource_names.is_empty() || self.resource_names.contains(&info.name);
        let combined = info.full_resource();
        let matches = |spec: &String| {
            let of_subresource = spec.strip_prefix("*/");
            spec == "*"
                || *spec == combined
                || of_subresource.is_some_and(|s| !s.is_empty() && s == info.subresource)
                || spec.strip_suffix("/*").is_some_and(|r| r == info.resource)
        };
        of_group && (self.resources.is_empty() || (of_name && self.resources.iter().any(matches)))
    }
}
