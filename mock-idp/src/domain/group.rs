//! Groups, and what a user's groups say together.

use std::sync::Arc;

use jiff::Timestamp;

use super::id::PoolId;

/// A group of a pool.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Group {
    /// Its pool.
    pub pool: PoolId,
    /// Its name, case-sensitive, without white space.
    pub name: String,
    /// Free text.
    pub description: Option<String>,
    /// The IAM role that `cognito:roles` and `cognito:preferred_role` name.
    pub role_arn: Option<String>,
    /// 0 is best; none is last.
    pub precedence: Option<u32>,
    /// When it was made.
    pub created: Timestamp,
    /// When it was last changed.
    pub modified: Timestamp,
}

/// Sorts a user's groups for the claims: best precedence first, groups
/// without one last, and by name where that leaves a tie.
pub fn by_precedence(groups: &mut [Arc<Group>]) {
    groups.sort_by(|a, b| {
        let rank = |group: &Group| group.precedence.map_or((1, 0), |p| (0, p));
        rank(a).cmp(&rank(b)).then_with(|| a.name.cmp(&b.name))
    });
}

/// The role of the group with the best precedence that has one; none where
/// two groups tie for it with different roles (Cognito developer guide,
/// "Adding groups to a user pool"). `groups` are sorted.
pub fn preferred_role(groups: &[Arc<Group>]) -> Option<&str> {
    let best = groups.iter().find(|group| group.role_arn.is_some())?;
    let role = best.role_arn.as_deref()?;
    let tied = groups
        .iter()
        .filter(|group| group.precedence == best.precedence)
        .filter_map(|group| group.role_arn.as_deref());
    tied.into_iter().all(|other| other == role).then_some(role)
}
