//! Lists in pages.

use super::ids;
use crate::domain::Error;

/// Which part of a list is wanted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Page {
    /// At most so many; 0 and none are [`MOST`].
    pub limit: Option<u32>,
    /// What the page before gave as `next`.
    pub token: Option<String>,
}

/// A page never has more items (service model, `QueryLimitType`).
pub const MOST: u32 = 60;

/// One page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Paged<T> {
    /// Its items.
    pub items: Vec<T>,
    /// Where the next one begins, if there is one.
    pub next: Option<String>,
}

impl Page {
    /// Cuts the page out of `all`, whose items are told apart by `key`. The
    /// token names the last item of the page before, and its place for the
    /// case that it is gone.
    pub(super) fn of<T>(&self, all: Vec<T>, key: impl Fn(&T) -> &str) -> Result<Paged<T>, Error> {
        let start = match &self.token {
            None => 0,
            Some(token) => {
                let (place, last) = parse(token)?;
                let found = all.iter().position(|item| key(item) == last);
                found.map_or(place, |at| at + 1)
            }
        };
        let limit = self.limit.filter(|limit| *limit > 0).unwrap_or(MOST);
        let end = start.saturating_add(limit.min(MOST) as usize);
        let next = match all.get(end.saturating_sub(1)) {
            Some(last) if end < all.len() => Some(ids::opaque(&format!("{end} {}", key(last)))),
            _ => None,
        };
        let items = all.into_iter().skip(start).take(end - start).collect();
        Ok(Paged { items, next })
    }
}

fn parse(token: &str) -> Result<(usize, String), Error> {
    ids::readable(token)
        .and_then(|text| {
            let (place, last) = text.split_once(' ')?;
            Some((place.parse().ok()?, last.to_owned()))
        })
        .ok_or_else(|| Error::invalid("Invalid pagination token."))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_follow_each_other_even_when_their_last_item_goes() {
        let mut all: Vec<String> = (0..5).map(|n| n.to_string()).collect();
        let page = |all: &[String], token: Option<String>| {
            let page = Page {
                limit: Some(2),
                token,
            };
            page.of(all.to_vec(), |s| s).expect("a page")
        };
        let first = page(&all, None);
        assert_eq!(first.items, ["0", "1"]);
        let second = page(&all, first.next.clone());
        assert_eq!(second.items, ["2", "3"]);
        let third = page(&all, second.next);
        assert_eq!((third.items, third.next), (vec!["4".to_owned()], None));
        all.remove(0);
        assert_eq!(page(&all, first.next).items, ["2", "3"]);
    }

    #[test]
    fn a_made_up_token_is_refused() {
        let page = Page {
            limit: None,
            token: Some("x".into()),
        };
        assert!(page.of(vec!["a".to_owned()], |s| s).is_err());
    }
}
