//! Lists in pages.

use std::sync::Arc;

use super::ids;
use crate::domain::Error;
use crate::store::Listing;

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
    /// Cuts the page out of `all`. The token holds the place of the last item
    /// of the page before, so that each item that stays is seen once, whatever
    /// comes and goes between two pages.
    pub(super) fn of<T>(&self, all: Listing<T>) -> Result<Paged<Arc<T>>, Error> {
        let after = self.token.as_deref().map(place).transpose()?;
        let limit = self.limit.filter(|limit| *limit > 0).unwrap_or(MOST);
        let mut rest = all
            .into_iter()
            .skip_while(|(place, _)| after.is_some_and(|after| *place <= after))
            .peekable();
        let mut page = Paged {
            items: Vec::new(),
            next: None,
        };
        for (place, item) in rest.by_ref().take(limit.min(MOST) as usize) {
            page.items.push(item);
            page.next = Some(ids::opaque(&place.to_string()));
        }
        page.next = page.next.filter(|_| rest.peek().is_some());
        Ok(page)
    }
}

fn place(token: &str) -> Result<u64, Error> {
    ids::readable(token)
        .and_then(|text| text.parse().ok())
        .ok_or_else(|| Error::invalid("Invalid pagination token."))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page(all: &[u64], token: Option<String>) -> (Vec<u64>, Option<String>) {
        let page = Page {
            limit: Some(2),
            token,
        };
        let listing = all.iter().map(|n| (*n, Arc::new(*n))).collect();
        let page = page.of(listing).expect("a page");
        let items = page.items.iter().map(|item| **item);
        (items.collect(), page.next)
    }

    #[test]
    fn pages_follow_each_other() {
        let all = [0, 1, 2, 3, 4];
        let (first, next) = page(&all, None);
        assert_eq!(first, [0, 1]);
        let (second, next) = page(&all, next);
        assert_eq!(second, [2, 3]);
        assert_eq!(page(&all, next), (vec![4], None));
        assert_eq!(page(&all[..2], None), (vec![0, 1], None), "no empty page");
    }

    #[test]
    fn what_stays_is_seen_once_whatever_goes_between_two_pages() {
        let (first, next) = page(&[0, 1, 2, 3, 4], None);
        assert_eq!(first, [0, 1]);
        for left in [&[0, 2, 3, 4][..], &[1, 2, 3, 4], &[2, 3, 4]] {
            assert_eq!(page(left, next.clone()).0, [2, 3], "{left:?}");
        }
        assert_eq!(page(&[0, 1], next), (vec![], None));
    }

    #[test]
    fn a_made_up_token_is_refused() {
        let page = Page {
            limit: None,
            token: Some("x".into()),
        };
        assert!(page.of(vec![(0, Arc::new(0))]).is_err());
    }
}
