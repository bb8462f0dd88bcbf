//! How many slips of the fingers lie between two names.

/// Letters added, left out, changed or swapped with their neighbour; counted
/// up to `limit`, and `None` beyond.
pub(crate) fn slips(a: &str, b: &str, limit: usize) -> Option<usize> {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    if a.len().abs_diff(b.len()) > limit {
        return None;
    }
    let mut before_last = vec![0; b.len() + 1];
    let mut last: Vec<usize> = (0..=b.len()).collect();
    for i in 1..=a.len() {
        let mut row = vec![i; b.len() + 1];
        for j in 1..=b.len() {
            let changed = last[j - 1] + usize::from(a[i - 1] != b[j - 1]);
            row[j] = changed.min(last[j] + 1).min(row[j - 1] + 1);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                row[j] = row[j].min(before_last[j - 2] + 1);
            }
        }
        if row.iter().all(|&cost| cost > limit) {
            return None;
        }
        before_last = std::mem::replace(&mut last, row);
    }
    last.last().copied().filter(|&cost| cost <= limit)
}

/// What one name is to another that it was meant to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Likeness {
    /// The same but for upper and lower case.
    Case,
    /// `wanted` is this prefix and then `written`.
    PrefixMissing(usize),
    /// `written` is a prefix of so many bytes and then `wanted`.
    PrefixTooMany(usize),
    /// So many slips.
    Slips(usize),
}

impl Likeness {
    pub(crate) fn cost(self) -> u32 {
        match self {
            Likeness::Case => 1,
            Likeness::PrefixMissing(_) | Likeness::PrefixTooMany(_) => 2,
            Likeness::Slips(n) => 2 + u32::try_from(n).unwrap_or(u32::MAX / 2),
        }
    }
}

/// How `written` may have been meant to be `wanted`; `None` when they are not
/// alike, or equal.
pub(crate) fn likeness(written: &str, wanted: &str) -> Option<Likeness> {
    if written == wanted || written.is_empty() || wanted.is_empty() {
        return None;
    }
    if written.to_lowercase() == wanted.to_lowercase() {
        return Some(Likeness::Case);
    }
    if let Some(prefix) = prefix_of(wanted, written) {
        return Some(Likeness::PrefixMissing(prefix));
    }
    if let Some(prefix) = prefix_of(written, wanted) {
        return Some(Likeness::PrefixTooMany(prefix));
    }
    let shorter = written.chars().count().min(wanted.chars().count());
    slips(written, wanted, (shorter / 4).clamp(1, 3)).map(Likeness::Slips)
}

/// The length of the prefix that `long` has before `short`, where it ends in
/// a sign that prefixes end in.
fn prefix_of(long: &str, short: &str) -> Option<usize> {
    let prefix = long.strip_suffix(short)?;
    prefix
        .ends_with([':', '/', '#', '-', '_', '.', '|'])
        .then_some(prefix.len())
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case("admins", "admins", Some(0))]
    #[case("admin", "admins", Some(1))]
    #[case("amdins", "admins", Some(1))]
    #[case("admiral", "admins", Some(3))]
    #[case("ädmins", "admins", Some(1))]
    #[case("view", "cluster-admin", None)]
    fn slips_are_counted(#[case] a: &str, #[case] b: &str, #[case] expected: Option<usize>) {
        assert_eq!(slips(a, b, 3), expected);
        assert_eq!(slips(b, a, 3), expected);
    }

    #[rstest]
    #[case("admins", "oidc:admins", Some(Likeness::PrefixMissing(5)))]
    #[case("oidc:admins", "admins", Some(Likeness::PrefixTooMany(5)))]
    #[case("OIDC:admins", "oidc:Admins", Some(Likeness::Case))]
    #[case("oidc:admin", "oidc:admins", Some(Likeness::Slips(1)))]
    #[case("dev", "prod", None)]
    #[case("same", "same", None)]
    fn names_are_alike_in_these_ways(
        #[case] written: &str,
        #[case] wanted: &str,
        #[case] expected: Option<Likeness>,
    ) {
        assert_eq!(likeness(written, wanted), expected);
    }
}
