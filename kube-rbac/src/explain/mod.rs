//! Why a request is allowed, or what single change would allow it.

mod distance;
mod edit;
mod miss;
mod subject;
mod words;

pub use edit::{BindingEdit, Edit, RequestEdit};

use crate::attributes::{Attributes, User};
use crate::objects::{Binding, PolicyRule, SubjectRef};
use crate::policy::Policy;
use crate::resolve::{Decision, NotFoundStyle, ResolveError, Source, Visitor, decide, visit};
use crate::rules;
use std::ops::ControlFlow;

/// What [`explain`] found out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Explanation {
    /// The same as [`decide`] gives.
    pub decision: Decision,
    /// The way to the rule that allowed it.
    pub path: Option<Path>,
    /// The bindings that name the user but did not allow the request, in the
    /// order in which they were asked.
    pub passed_over: Vec<PassedOver>,
    /// When not allowed: the smallest single edit that would have allowed it.
    /// `None` when there is none worth telling: by the default roles and
    /// bindings of Kubernetes only near misses are told.
    pub nearest_miss: Option<NearestMiss>,
}

/// Binding → role → rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Path {
    /// The binding.
    pub binding: BindingName,
    /// The first subject of the binding that applies.
    pub subject: SubjectRef,
    /// Its place in the binding.
    pub subject_index: usize,
    /// What of the user the subject matched.
    pub via: Via,
    /// `Role` or `ClusterRole`
    pub role_kind: String,
    /// The role's name; a Role is in the binding's namespace.
    pub role_name: String,
    /// The rule's place in the role.
    pub rule_index: usize,
    /// The rule.
    pub rule: PolicyRule,
}

/// What of the user a subject matched.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Via {
    /// The user name.
    User,
    /// This group.
    Group(String),
    /// The user name, as that of a service account.
    ServiceAccount,
}

/// Which binding is meant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BindingName {
    /// `None` for a ClusterRoleBinding.
    pub namespace: Option<String>,
    /// The name.
    pub name: String,
}

/// A binding that applies to the user and does not allow the request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PassedOver {
    /// The binding.
    pub binding: BindingName,
    /// The subject by which it applies.
    pub subject: SubjectRef,
    /// The number of rules that were looked at, or why there were none.
    pub outcome: Result<usize, String>,
}

/// The smallest single edit that turns no into yes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NearestMiss {
    /// The edit; applied, the request is allowed.
    pub edit: Edit,
    /// What is wrong, for people.
    pub sentence: String,
    /// How far it is: comparable between misses of one request, and no more.
    pub distance: u32,
}

/// Decides, and tells the way or the nearest miss.
pub fn explain(policy: &Policy, request: &Attributes<'_>) -> Explanation {
    let mut tracing = Tracing {
        request,
        path: None,
        passed: Vec::new(),
    };
    visit(policy, &request.user, request.namespace(), &mut tracing);
    let nearest_miss = match tracing.path {
        Some(_) => None,
        None => miss::nearest(policy, request),
    };
    let passed_over = tracing
        .passed
        .iter()
        .map(|passed| PassedOver {
            binding: BindingName::of(passed.source.binding),
            subject: passed.source.subject_ref().clone(),
            outcome: match passed.error {
                Some(error) => Err(error.text(NotFoundStyle::Lister)),
                None => Ok(passed.rules),
            },
        })
        .collect();
    Explanation {
        decision: decide(policy, request),
        path: tracing.path,
        passed_over,
        nearest_miss,
    }
}

impl Explanation {
    /// One sentence for people.
    pub fn sentence(&self, user: &User<'_>) -> String {
        match (&self.path, &self.nearest_miss) {
            (Some(path), _) => path.sentence(),
            (None, Some(miss)) => miss.sentence.clone(),
            (None, None) if self.passed_over.is_empty() => {
                format!(
                    "no binding that reaches here names user `{}` or a group of theirs",
                    user.name
                )
            }
            (None, None) => format!(
                "none of the {} bindings that name user `{}` or a group of theirs allows this",
                self.passed_over.len(),
                user.name
            ),
        }
    }
}

impl Path {
    /// As "group `oidc:admins` has ClusterRole `cluster-admin` by
    /// ClusterRoleBinding `oidc:admins`; its rule 1 allows …".
    pub fn sentence(&self) -> String {
        let who = match &self.via {
            Via::User => format!("user `{}`", self.subject.name),
            Via::Group(group) => format!("group `{group}`"),
            Via::ServiceAccount => format!("service account `{}`", self.subject.name),
        };
        format!(
            "{who} has {} `{}` by {}; its rule {} allows {}",
            self.role_kind,
            self.role_name,
            self.binding,
            self.rule_index + 1,
            describe_rule(&self.rule)
        )
    }
}

impl BindingName {
    fn of(binding: &Binding) -> Self {
        BindingName {
            namespace: binding.namespace.clone(),
            name: binding.name.clone(),
        }
    }
}

impl std::fmt::Display for BindingName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.namespace {
            None => write!(f, "ClusterRoleBinding `{}`", self.name),
            Some(namespace) => write!(f, "RoleBinding `{}` in `{namespace}`", self.name),
        }
    }
}

/// A rule in words: "get, list on pods, pods/log in the core group".
pub fn describe_rule(rule: &PolicyRule) -> String {
    let list = |items: &[String], all: &str| {
        if items.iter().any(|item| item == "*") {
            all.to_owned()
        } else {
            items.join(", ")
        }
    };
    let verbs = list(&rule.verbs, "every verb");
    if !rule.non_resource_urls.is_empty() {
        return format!("{verbs} on {}", list(&rule.non_resource_urls, "every path"));
    }
    let groups: Vec<String> = rule
        .api_groups
        .iter()
        .map(|group| match group.as_str() {
            "" => "the core group".to_owned(),
            "*" => "every API group".to_owned(),
            group => group.to_owned(),
        })
        .collect();
    let resources = list(&rule.resources, "every resource");
    let mut text = format!("{verbs} on {resources} in {}", groups.join(", "));
    if !rule.resource_names.is_empty() {
        text.push_str(&format!(
            ", by the names {}",
            rule.resource_names.join(", ")
        ));
    }
    text
}

struct Tracing<'r, 'p> {
    request: &'r Attributes<'r>,
    path: Option<Path>,
    passed: Vec<Passed<'p>>,
}

struct Passed<'p> {
    source: Source<'p>,
    rules: usize,
    error: Option<ResolveError<'p>>,
}

impl<'p> Visitor<'p> for Tracing<'_, 'p> {
    fn rule(&mut self, source: Source<'p>, index: usize, rule: &'p PolicyRule) -> ControlFlow<()> {
        if rules::allows(rule, self.request) {
            self.passed
                .pop_if(|passed| std::ptr::eq(passed.source.binding, source.binding));
            self.path = Some(path(source, index, rule, &self.request.user));
            return ControlFlow::Break(());
        }
        match self.passed.last_mut() {
            Some(last) if std::ptr::eq(last.source.binding, source.binding) => last.rules += 1,
            _ => self.passed.push(Passed {
                source,
                rules: 1,
                error: None,
            }),
        }
        ControlFlow::Continue(())
    }

    fn error(&mut self, source: Source<'p>, error: ResolveError<'p>) -> ControlFlow<()> {
        self.passed.push(Passed {
            source,
            rules: 0,
            error: Some(error),
        });
        ControlFlow::Continue(())
    }
}

fn path(source: Source<'_>, rule_index: usize, rule: &PolicyRule, user: &User<'_>) -> Path {
    let subject = source.subject_ref();
    let via = match subject.kind.as_str() {
        "Group" => Via::Group(subject.name.clone()),
        "ServiceAccount" => Via::ServiceAccount,
        _ => Via::User,
    };
    debug_assert!(via != Via::User || subject.name == user.name);
    Path {
        binding: BindingName::of(source.binding),
        subject: subject.clone(),
        subject_index: source.subject,
        via,
        role_kind: source.binding.role_ref.kind.clone(),
        role_name: source.binding.role_ref.name.clone(),
        rule_index,
        rule: rule.clone(),
    }
}
