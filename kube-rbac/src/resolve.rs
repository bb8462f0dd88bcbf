//! From who asks to what is allowed: the walk over bindings, roles and rules.
//!
//! The walk ([`visit`]) is Kubernetes' `VisitRulesFor`
//! (`pkg/registry/rbac/validation/rule.go`) and is generic over who looks on:
//! [`decide`] keeps nothing, [`explain`](mod@crate::explain) keeps the way.
//! Where Kubernetes takes bindings in the order of a Go map, that is in none,
//! this takes them by name.

use crate::attributes::{Attributes, User};
use crate::objects::{Binding, PolicyRule, Role, RoleRef, SubjectRef};
use crate::policy::{Placed, Policy, Posting, Postings, RoleKey};
use crate::quote::push_quoted;
use crate::rules;
use crate::version::Version;
use std::ops::ControlFlow;

/// The answer to a request.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Decision {
    /// RBAC only allows or has no opinion; it never denies.
    pub allowed: bool,
    /// Kubernetes' own words: `RBAC: allowed by …`; when not allowed, the
    /// roles that were not found, or nothing.
    pub reason: String,
}

/// Decides by RBAC alone (`plugin/pkg/auth/authorizer/rbac`).
pub fn decide(policy: &Policy, request: &Attributes<'_>) -> Decision {
    let mut deciding = Deciding {
        request,
        allowed_by: None,
        errors: Vec::new(),
    };
    visit(policy, &request.user, request.namespace(), &mut deciding);
    if let Some(source) = deciding.allowed_by {
        return Decision {
            allowed: true,
            reason: source.reason(),
        };
    }
    Decision {
        allowed: false,
        reason: denial_reason(&deciding.errors),
    }
}

/// Decides as a server with `--authorization-mode=RBAC` does: members of
/// `system:masters` are allowed everything, without a reason; then RBAC.
pub fn authorize(policy: &Policy, request: &Attributes<'_>, version: Version) -> Decision {
    if is_privileged(&request.user) {
        return Decision {
            allowed: true,
            reason: String::new(),
        };
    }
    let mut decision = decide(policy, request);
    if !decision.allowed && !decision.reason.is_empty() {
        decision.reason.insert_str(0, version.no_opinion_prefix());
    }
    decision
}

/// Whether the user is in `system:masters`, above all authorization.
pub fn is_privileged(user: &User<'_>) -> bool {
    user.groups.iter().any(|group| group == "system:masters")
}

/// The rules that apply to a user, as SelfSubjectRulesReview lists them: all
/// of them, duplicates too.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RulesFor {
    /// The rules about resources; their `non_resource_urls` are empty.
    pub resource_rules: Vec<PolicyRule>,
    /// The rules about paths; of these only `verbs` and `non_resource_urls`
    /// are filled.
    pub non_resource_rules: Vec<PolicyRule>,
    /// One text per binding whose role could not be found.
    pub errors: Vec<String>,
}

/// The rules that apply to the user in the namespace, and cluster-wide.
pub fn rules_for(policy: &Policy, user: &User<'_>, namespace: &str) -> RulesFor {
    let (rules, errors) = all_rules(policy, user, namespace);
    let mut result = RulesFor {
        errors: errors
            .iter()
            .map(|e| e.text(NotFoundStyle::Lister))
            .collect(),
        ..RulesFor::default()
    };
    for rule in rules {
        if !rule.resources.is_empty() {
            let rule = PolicyRule {
                non_resource_urls: Vec::new(),
                ..rule.clone()
            };
            result.resource_rules.push(rule);
        }
        if !rule.non_resource_urls.is_empty() {
            result.non_resource_rules.push(PolicyRule {
                verbs: rule.verbs.clone(),
                non_resource_urls: rule.non_resource_urls.clone(),
                ..PolicyRule::default()
            });
        }
    }
    result
}

/// Every rule that applies to the user, in the order of the walk, and what
/// could not be resolved.
pub fn all_rules<'p>(
    policy: &'p Policy,
    user: &User<'_>,
    namespace: &str,
) -> (Vec<&'p PolicyRule>, Vec<ResolveError<'p>>) {
    let mut collecting = Collecting::default();
    visit(policy, user, namespace, &mut collecting);
    (collecting.rules, collecting.errors)
}

/// Looks on while [`visit`] walks.
pub trait Visitor<'p> {
    /// A rule that applies; `index` is its place in the role.
    fn rule(&mut self, source: Source<'p>, index: usize, rule: &'p PolicyRule) -> ControlFlow<()>;
    /// A binding that applies, but whose role cannot be had.
    fn error(&mut self, source: Source<'p>, error: ResolveError<'p>) -> ControlFlow<()>;
}

/// The binding a rule comes from, and the first subject by which it applies.
#[derive(Clone, Copy, Debug)]
pub struct Source<'p> {
    /// The binding.
    pub binding: &'p Binding,
    /// The place of the subject in the binding.
    pub subject: usize,
}

/// Walks over every rule that applies to the user: those of the
/// ClusterRoleBindings and, if the namespace is not empty, of its
/// RoleBindings. The visitor may end it.
pub fn visit<'p, V: Visitor<'p>>(
    policy: &'p Policy,
    user: &User<'_>,
    namespace: &str,
    visitor: &mut V,
) {
    let bound = Bound::new(policy, user);
    let local = (!namespace.is_empty()).then_some(Some(namespace));
    for namespace in std::iter::once(None).chain(local) {
        if visit_scope(policy, &bound, namespace, visitor).is_break() {
            return;
        }
    }
}

/// The role's rules, or why there are none (`GetRoleReferenceRules`).
pub fn referenced_role<'p>(
    policy: &'p Policy,
    binding: &'p Binding,
) -> Result<&'p Role, ResolveError<'p>> {
    role_of(policy, &binding.role_ref, binding.namespace.as_deref())
}

/// The role that the reference means in a binding of that namespace.
pub(crate) fn role_of<'p, 'b>(
    policy: &'p Policy,
    role_ref: &'b RoleRef,
    namespace: Option<&str>,
) -> Result<&'p Role, ResolveError<'b>> {
    let (kind, name) = (role_ref.kind.as_str(), role_ref.name.as_str());
    let found = match kind {
        "Role" => namespace.and_then(|ns| policy.role(Some(ns), name)),
        "ClusterRole" => policy.role(None, name),
        kind => return Err(ResolveError::UnsupportedKind(kind)),
    };
    found
        .map(AsRef::as_ref)
        .ok_or(ResolveError::NotFound { kind, name })
}

/// Why a binding's role cannot be had.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ResolveError<'p> {
    /// There is no such role.
    NotFound {
        /// `Role` or `ClusterRole`
        kind: &'p str,
        /// The name that was looked for.
        name: &'p str,
    },
    /// The reference names another kind.
    UnsupportedKind(&'p str),
}

/// Kubernetes names what was not found by the singular where it asked its
/// informers, and by the plural where it asked the storage.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotFoundStyle {
    /// As when requests are decided.
    Lister,
    /// As when roles and bindings are written.
    Storage,
}

impl ResolveError<'_> {
    /// The error's text in Kubernetes.
    pub fn text(&self, style: NotFoundStyle) -> String {
        let mut text = String::new();
        match self {
            ResolveError::NotFound { kind, name } => {
                text.push_str(if *kind == "Role" {
                    "role"
                } else {
                    "clusterrole"
                });
                if style == NotFoundStyle::Storage {
                    text.push('s');
                }
                text.push_str(".rbac.authorization.k8s.io ");
                push_quoted(&mut text, name);
                text.push_str(" not found");
            }
            ResolveError::UnsupportedKind(kind) => {
                text.push_str("unsupported role reference kind: ");
                push_quoted(&mut text, kind);
            }
        }
        text
    }
}

/// Several errors in one text, each said once, as apimachinery's aggregate
/// prints them; empty for none.
pub fn aggregate_text(errors: &[ResolveError<'_>], style: NotFoundStyle) -> String {
    let mut texts: Vec<String> = Vec::new();
    for text in errors.iter().map(|e| e.text(style)) {
        if !texts.contains(&text) {
            texts.push(text);
        }
    }
    match texts.as_slice() {
        [] => String::new(),
        [one] => one.clone(),
        several => format!("[{}]", several.join(", ")),
    }
}

impl Source<'_> {
    /// The subject by which the binding applies.
    pub fn subject_ref(&self) -> &SubjectRef {
        &self.binding.subjects[self.subject]
    }

    /// `RBAC: allowed by ClusterRoleBinding "x" of ClusterRole "y" to Group "z"`
    pub fn reason(&self) -> String {
        let binding = self.binding;
        let subject = self.subject_ref();
        let mut text = String::with_capacity(160);
        text.push_str("RBAC: allowed by ");
        text.push_str(binding.kind());
        text.push(' ');
        push_named(&mut text, &binding.name, binding.namespace.as_deref());
        text.push_str(" of ");
        text.push_str(&binding.role_ref.kind);
        text.push(' ');
        push_quoted(&mut text, &binding.role_ref.name);
        text.push_str(" to ");
        text.push_str(&subject.kind);
        text.push(' ');
        let namespace = (subject.kind == "ServiceAccount").then(|| {
            if subject.namespace.is_empty() {
                binding.namespace.as_deref().unwrap_or_default()
            } else {
                &subject.namespace
            }
        });
        push_named(&mut text, &subject.name, namespace);
        text
    }
}

/// Kubernetes prints what lives in a namespace as "name/namespace" here.
fn push_named(text: &mut String, name: &str, namespace: Option<&str>) {
    match namespace {
        None => push_quoted(text, name),
        Some(namespace) => push_quoted(text, &[name, "/", namespace].concat()),
    }
}

fn denial_reason(errors: &[ResolveError<'_>]) -> String {
    if errors.is_empty() {
        return String::new();
    }
    format!("RBAC: {}", aggregate_text(errors, NotFoundStyle::Lister))
}

struct Deciding<'r, 'p> {
    request: &'r Attributes<'r>,
    allowed_by: Option<Source<'p>>,
    errors: Vec<ResolveError<'p>>,
}

impl<'p> Visitor<'p> for Deciding<'_, 'p> {
    fn rule(&mut self, source: Source<'p>, _: usize, rule: &'p PolicyRule) -> ControlFlow<()> {
        if rules::allows(rule, self.request) {
            self.allowed_by = Some(source);
            return ControlFlow::Break(());
        }
        ControlFlow::Continue(())
    }

    fn error(&mut self, _: Source<'p>, error: ResolveError<'p>) -> ControlFlow<()> {
        self.errors.push(error);
        ControlFlow::Continue(())
    }
}

#[derive(Default)]
struct Collecting<'p> {
    rules: Vec<&'p PolicyRule>,
    errors: Vec<ResolveError<'p>>,
}

impl<'p> Visitor<'p> for Collecting<'p> {
    fn rule(&mut self, _: Source<'p>, _: usize, rule: &'p PolicyRule) -> ControlFlow<()> {
        self.rules.push(rule);
        ControlFlow::Continue(())
    }

    fn error(&mut self, _: Source<'p>, error: ResolveError<'p>) -> ControlFlow<()> {
        self.errors.push(error);
        ControlFlow::Continue(())
    }
}

fn visit_scope<'p, V: Visitor<'p>>(
    policy: &'p Policy,
    bound: &Bound<'p>,
    namespace: Option<&str>,
    visitor: &mut V,
) -> ControlFlow<()> {
    let mut merge = Merge(bound.in_namespace(namespace));
    while let Some((posting, subject)) = merge.next() {
        let source = Source {
            binding: &posting.binding,
            subject: subject as usize,
        };
        match rules_of(policy, posting) {
            Err(error) => visitor.error(source, error)?,
            Ok(rules) => {
                for (index, rule) in rules.iter().enumerate() {
                    visitor.rule(source, index, rule)?;
                }
            }
        }
    }
    ControlFlow::Continue(())
}

/// The rules of the [`referenced_role`] of the posting's binding, into which
/// it looks only if there are none.
fn rules_of<'p>(
    policy: &'p Policy,
    posting: &'p Posting,
) -> Result<&'p [PolicyRule], ResolveError<'p>> {
    let found = match &posting.role {
        RoleKey::ClusterRole(name) => policy.rules(None, name),
        RoleKey::Role(name) => {
            let namespace = posting.binding.namespace.as_deref();
            namespace.and_then(|namespace| policy.rules(Some(namespace), name))
        }
        RoleKey::Unsupported => None,
    };
    match found {
        Some(rules) => Ok(rules),
        None => referenced_role(policy, &posting.binding).map(|role| role.rules.as_slice()),
    }
}

/// A list that is seldom long, kept without allocating.
struct Few<T> {
    few: [Option<T>; 6],
    used: usize,
    more: Vec<T>,
}

impl<T: Copy> Few<T> {
    fn new() -> Self {
        Few {
            few: [None; 6],
            used: 0,
            more: Vec::new(),
        }
    }

    fn push(&mut self, value: T) {
        match self.few.get_mut(self.used) {
            Some(place) => {
                *place = Some(value);
                self.used += 1;
            }
            None => self.more.push(value),
        }
    }

    fn iter(&self) -> impl Iterator<Item = &T> {
        self.few[..self.used].iter().flatten().chain(&self.more)
    }

    fn iter_mut(&mut self) -> impl Iterator<Item = &mut T> {
        let few = self.few[..self.used].iter_mut().flatten();
        few.chain(&mut self.more)
    }
}

/// Where the user is bound, and where each of their groups.
struct Bound<'p>(Few<&'p Placed<Postings>>);

impl<'p> Bound<'p> {
    fn new(policy: &'p Policy, user: &User<'_>) -> Self {
        let mut bound = Few::new();
        let groups = user.groups.iter().filter_map(|g| policy.of_group(g));
        for placed in policy.of_user(user.name).into_iter().chain(groups) {
            bound.push(placed);
        }
        Bound(bound)
    }

    fn in_namespace(&self, namespace: Option<&str>) -> Few<&'p [Posting]> {
        let mut lists = Few::new();
        for postings in self.0.iter().filter_map(|placed| placed.get(namespace)) {
            lists.push(postings.as_slice());
        }
        lists
    }
}

/// The bindings that apply to a user in one place, by name: the merged
/// postings of the user and of each group.
struct Merge<'p>(Few<&'p [Posting]>);

impl<'p> Merge<'p> {
    /// The next binding by name, and the subject it applies by. The same
    /// binding may head several lists; Kubernetes reports the first subject
    /// that applies.
    fn next(&mut self) -> Option<(&'p Posting, u32)> {
        let lists = &mut self.0;
        if let ([Some(list)], true) = (&mut lists.few[..lists.used], lists.more.is_empty()) {
            let (head, rest) = list.split_first()?;
            *list = rest;
            return Some((head, head.subject));
        }
        let heads = || lists.iter().filter_map(|list| list.first());
        let first = heads().min_by(|a, b| a.binding.name.cmp(&b.binding.name))?;
        let name = first.binding.name.as_str();
        let same = |posting: &Posting| posting.binding.name == name;
        let subject = heads().filter(|p| same(p)).map(|p| p.subject).min()?;
        for list in lists.iter_mut() {
            if list.first().is_some_and(same) {
                *list = &list[1..];
            }
        }
        Some((first, subject))
    }
}
