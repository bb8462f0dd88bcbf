//! Sets of rights, to be joined and compared.
//!
//! A set is kept as rules of one verb, one group, one resource and at most
//! one name each (or one URL), none of which another one covers.

use crate::attributes::Attributes;
use crate::escalation::{break_down, compact, covers};
use crate::objects::PolicyRule;
use crate::rules;

/// What somebody may do, wherever the rules came from.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rights {
    atoms: Vec<PolicyRule>,
}

impl Rights {
    /// No rights.
    pub fn none() -> Self {
        Rights::default()
    }

    /// The rights that the rules give together.
    pub fn of<'a>(rules: impl IntoIterator<Item = &'a PolicyRule>) -> Self {
        let mut atoms: Vec<PolicyRule> = rules.into_iter().flat_map(break_down).collect();
        atoms.sort();
        atoms.dedup();
        let is_needed = |(i, atom): &(usize, &PolicyRule)| {
            // Two different atoms that cover each other do not exist but for
            // URLs that differ in their stars; of those the first stays.
            !atoms.iter().enumerate().any(|(j, other)| {
                j != *i && covers_one(other, atom) && (j < *i || !covers_one(atom, other))
            })
        };
        let kept: Vec<bool> = atoms
            .iter()
            .enumerate()
            .map(|pair| is_needed(&pair))
            .collect();
        let mut kept = kept.into_iter();
        atoms.retain(|_| kept.next() == Some(true));
        Rights { atoms }
    }

    /// What either set allows.
    pub fn union(&self, other: &Rights) -> Rights {
        Rights::of(self.atoms.iter().chain(&other.atoms))
    }

    /// What this set allows and the other does not. A right that the other
    /// set has in part only, such as `*` of which it has `get`, is left whole.
    pub fn difference(&self, other: &Rights) -> Rights {
        match covers(&other.atoms, &self.atoms) {
            Ok(()) => Rights::none(),
            Err(atoms) => Rights { atoms },
        }
    }

    /// Whether everything that the other set allows is allowed here.
    pub fn covers(&self, other: &Rights) -> bool {
        covers(&self.atoms, &other.atoms).is_ok()
    }

    /// Whether the request is allowed; who asks is not looked at.
    pub fn allows(&self, request: &Attributes<'_>) -> bool {
        self.atoms.iter().any(|rule| rules::allows(rule, request))
    }

    /// Whether there are no rights at all.
    pub fn is_empty(&self) -> bool {
        self.atoms.is_empty()
    }

    /// The rights as rules, with verbs joined where the rest is the same.
    pub fn rules(&self) -> Vec<PolicyRule> {
        compact(&self.atoms)
    }
}

fn covers_one(owner: &PolicyRule, atom: &PolicyRule) -> bool {
    covers(std::slice::from_ref(owner), std::slice::from_ref(atom)).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule(verbs: &[&str], resources: &[&str]) -> PolicyRule {
        let list = |l: &[&str]| l.iter().map(|s| s.to_string()).collect();
        PolicyRule {
            verbs: list(verbs),
            api_groups: list(&[""]),
            resources: list(resources),
            ..PolicyRule::default()
        }
    }

    #[test]
    fn a_union_drops_what_a_wider_right_covers() {
        let narrow = Rights::of([&rule(&["get", "list"], &["pods"])]);
        let wide = Rights::of([&rule(&["*"], &["pods"])]);
        assert_eq!(narrow.union(&wide), wide);
        assert!(wide.covers(&narrow) && !narrow.covers(&wide));
    }

    #[test]
    fn a_difference_is_what_the_other_set_lacks() {
        let have = Rights::of([&rule(&["get", "list", "delete"], &["pods", "secrets"])]);
        let had = Rights::of([&rule(&["get", "list"], &["pods", "secrets"])]);
        let expected = [
            rule(&["delete"], &["pods"]),
            rule(&["delete"], &["secrets"]),
        ];
        assert_eq!(have.difference(&had).rules(), expected);
        assert!(had.difference(&have).is_empty());
    }

    #[test]
    fn urls_that_mean_the_same_are_kept_once() {
        let url = |u: &str| PolicyRule {
            verbs: vec!["get".into()],
            non_resource_urls: vec![u.into()],
            ..PolicyRule::default()
        };
        let rights = Rights::of([&url("/x*"), &url("/x**"), &url("/x/y")]);
        assert_eq!(rights.rules(), [url("/x*")]);
    }
}
