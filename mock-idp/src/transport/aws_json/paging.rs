//! Page tokens: where a list goes on, sealed together with the list it is of,
//! so that a token opens nothing else, and with an hour in which it does
//! (`API_ListUsers`, "PaginationToken").

use std::sync::LazyLock;

use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::Timestamp;

use crate::domain::Error;
use crate::flow::{Page, Paged};

/// Another one in each process: a token outlives none.
static KEY: LazyLock<Option<hmac::Key>> = LazyLock::new(|| {
    hmac::Key::generate(hmac::HMAC_SHA256, &aws_lc_rs::rand::SystemRandom::new()).ok()
});
const TAG: usize = 16;
const STAMP: usize = 8;
const VALID_SECONDS: i64 = 3600;

/// One list: the operation, and what it lists.
pub(super) struct List<'a> {
    pub(super) of: &'a [&'a str],
    pub(super) now: Timestamp,
}

impl List<'_> {
    /// The page that a request asks for.
    ///
    /// # Errors
    /// [`Error::InvalidParameter`] for a token that is not of this list.
    pub(super) fn page(&self, limit: Option<u32>, token: Option<&str>) -> Result<Page, Error> {
        let token = token
            .map(|token| {
                self.open(token)
                    .ok_or_else(|| Error::invalid("Invalid pagination token."))
            })
            .transpose()?;
        Ok(Page { limit, token })
    }

    /// The token of the page after `page`.
    pub(super) fn next<T>(&self, page: &Paged<T>) -> Option<String> {
        let place = page.next.as_deref()?;
        let stamp = self.now.as_second().to_be_bytes();
        let tag = self.tag(&stamp, place)?;
        // The stamp comes first, because its first byte makes an "A" of the
        // first letter: clients take what starts with "-" for an option.
        let mut token = stamp.to_vec();
        token.extend(&tag.as_ref()[..TAG]);
        token.extend(place.as_bytes());
        Some(URL_SAFE_NO_PAD.encode(token))
    }

    fn open(&self, token: &str) -> Option<String> {
        let token = URL_SAFE_NO_PAD.decode(token).ok()?;
        let (stamp, rest) = token.split_first_chunk::<STAMP>()?;
        let (tag, place) = rest.split_at_checked(TAG)?;
        let place = std::str::from_utf8(place).ok()?;
        let expected = self.tag(stamp, place)?;
        aws_lc_rs::constant_time::verify_slices_are_equal(&expected.as_ref()[..TAG], tag).ok()?;
        let made = i64::from_be_bytes(*stamp);
        let valid = made.saturating_add(VALID_SECONDS) >= self.now.as_second();
        valid.then(|| place.to_owned())
    }

    fn tag(&self, stamp: &[u8; STAMP], place: &str) -> Option<hmac::Tag> {
        let mut context = hmac::Context::with_key(KEY.as_ref()?);
        context.update(stamp);
        for part in self.of.iter().copied().chain([place]) {
            context.update(&part.len().to_be_bytes());
            context.update(part.as_bytes());
        }
        Some(context.sign())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::SignedDuration;

    fn list<'a>(of: &'a [&'a str], now: Timestamp) -> List<'a> {
        List { of, now }
    }

    fn token_of(list: &List<'_>) -> String {
        let page = Paged {
            items: vec![()],
            next: Some("60 ada".to_owned()),
        };
        list.next(&page).expect("a token")
    }

    #[test]
    fn a_token_opens_its_own_list_for_an_hour() {
        let now = Timestamp::UNIX_EPOCH;
        let users = ["ListUsers", "r_1", ""];
        let token = token_of(&list(&users, now));
        let later = |seconds| list(&users, now + SignedDuration::from_secs(seconds));
        assert_eq!(later(3600).open(&token).as_deref(), Some("60 ada"));
        assert_eq!(later(3601).open(&token), None);
    }

    #[test]
    fn a_token_is_no_option_of_a_command_line() {
        let now = Timestamp::constant(4_102_444_800, 0);
        for n in 0..1_000 {
            let pool = format!("r_{n}");
            let token = token_of(&list(&["ListUsers", &pool], now));
            assert!(token.starts_with('A'), "{token}");
        }
    }

    #[test]
    fn a_token_opens_no_other_list() {
        let now = Timestamp::UNIX_EPOCH;
        let token = token_of(&list(&["ListUsers", "r_1", "x"], now));
        for other in [
            ["ListUsers", "r_2", "x"],
            ["ListUsers", "r_1", "y"],
            ["ListUsers", "r_1x", ""],
            ["ListGroups", "r_1", "x"],
        ] {
            assert_eq!(list(&other, now).open(&token), None);
        }
    }

    #[test]
    fn a_token_with_one_bit_changed_opens_nothing() {
        let now = Timestamp::UNIX_EPOCH;
        let of = ["ListUsers"];
        let list = list(&of, now);
        let bytes = URL_SAFE_NO_PAD.decode(token_of(&list)).expect("base64");
        for at in 0..bytes.len() {
            let mut forged = bytes.clone();
            forged[at] ^= 1;
            assert_eq!(list.open(&URL_SAFE_NO_PAD.encode(forged)), None, "{at}");
        }
        for made_up in ["", "x", "AAAA", "not base64!"] {
            assert_eq!(list.open(made_up), None);
        }
    }
}
