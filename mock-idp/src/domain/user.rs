//! Users: their names, attributes and state.

use std::time::Duration;

use jiff::Timestamp;

use super::error::Error;
use super::id::{PoolId, UserId};
use super::password::PasswordHash;
use super::pool::{AliasAttribute, AttributeType, Pool, SchemaAttribute, UsernameAttribute};

/// A user of a pool.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct User {
    /// The `sub`.
    pub id: UserId,
    /// The pool.
    pub pool: PoolId,
    /// The canonical user name: the `sub` again where the pool has username
    /// attributes.
    pub username: String,
    /// The attributes, `sub` first.
    pub attributes: Attributes,
    /// Where the user stands.
    pub status: UserStatus,
    /// Whether an administrator has disabled the user.
    pub enabled: bool,
    /// The password, if one was ever set.
    pub password: Option<PasswordHash>,
    /// Until when a temporary password can be used.
    pub temporary_until: Option<Timestamp>,
    /// Failed passwords in a row, and until when no more are looked at.
    pub failures: Failures,
    /// When all tokens were last called off, by `AdminUserGlobalSignOut` or
    /// by disabling.
    pub signed_out: Option<Timestamp>,
    /// When the user was made.
    pub created: Timestamp,
    /// When the user was last changed.
    pub modified: Timestamp,
}

/// `UserStatus`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "the variants are AWS's values")]
pub enum UserStatus {
    Unconfirmed,
    Confirmed,
    ResetRequired,
    ForceChangePassword,
}

impl User {
    /// Every name by which the pool finds the user, folded: the user name,
    /// the `sub`, and the aliases that are in force. An alias of
    /// `AliasAttributes` needs verification, one of `UsernameAttributes` does
    /// not (Cognito developer guide, "User pool attributes").
    pub fn names(&self, pool: &Pool) -> Vec<String> {
        let mut names = vec![pool.fold(&self.username)];
        let mut add = |name: Option<&str>| {
            if let Some(name) = name {
                let name = pool.fold(name);
                if !names.contains(&name) {
                    names.push(name);
                }
            }
        };
        add(Some(self.id.as_str()));
        for attribute in &pool.username_attributes {
            add(self.attributes.get(match attribute {
                UsernameAttribute::Email => "email",
                UsernameAttribute::PhoneNumber => "phone_number",
            }));
        }
        for attribute in &pool.alias_attributes {
            let (name, verified) = match attribute {
                AliasAttribute::Email => ("email", Some("email_verified")),
                AliasAttribute::PhoneNumber => ("phone_number", Some("phone_number_verified")),
                AliasAttribute::PreferredUsername => ("preferred_username", None),
            };
            if verified.is_none_or(|flag| self.attributes.is_true(flag)) {
                add(self.attributes.get(name));
            }
        }
        names
    }
}

/// A user's attributes, in the order set.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Attributes(Vec<(String, String)>);

impl Attributes {
    /// The attributes of a new user.
    pub fn of(sub: &UserId) -> Self {
        Self(vec![("sub".into(), sub.as_str().into())])
    }

    /// The value of `name`.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.iter()
            .find_map(|(n, value)| (n == name).then_some(value))
    }

    /// Whether `name` is there and true.
    pub fn is_true(&self, name: &str) -> bool {
        self.get(name)
            .is_some_and(|value| value.eq_ignore_ascii_case("true"))
    }

    /// Sets `name`; an empty value deletes it, as in Cognito.
    pub fn set(&mut self, name: &str, value: &str) {
        if value.is_empty() {
            self.0.retain(|(n, _)| n != name);
        } else if let Some((_, old)) = self.0.iter_mut().find(|(n, _)| n == name) {
            value.clone_into(old);
        } else {
            self.0.push((name.to_owned(), value.to_owned()));
        }
    }

    /// Names and values in order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(n, v)| (n.as_str(), v.as_str()))
    }
}

/// When attributes are set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// With a new user, when immutable attributes can still be set.
    Creation,
    /// Later.
    Update,
}

/// Checks `given` against the schema.
///
/// # Errors
/// [`Error::InvalidParameter`] in Cognito's words for the first attribute that
/// is unknown, cannot change, or has no value of its type.
pub fn check_attributes(
    pool: &Pool,
    given: &[(String, String)],
    change: Change,
) -> Result<(), Error> {
    for (name, value) in given {
        let refuse = |problem: &str| {
            Err(Error::invalid(format!(
                "Invalid user attributes: user.{name}: {problem}\n"
            )))
        };
        let Some(entry) = pool.attribute(name) else {
            return refuse("Attribute does not exist in the schema.");
        };
        if name == "sub" || name == "identities" || (change == Change::Update && !entry.mutable) {
            return Err(Error::invalid(format!(
                "user.{name}: Attribute cannot be updated."
            )));
        }
        if let Some(problem) = violation(entry, value) {
            return refuse(problem);
        }
    }
    let value = |name: &str| given.iter().find(|(n, _)| n == name).map(|(_, v)| v);
    if let Some(email) = value("email")
        && !email.is_empty()
        && !looks_like_email(email)
    {
        return Err(Error::invalid("Invalid email address format."));
    }
    if let Some(phone) = value("phone_number")
        && !phone.is_empty()
        && !looks_like_phone(phone)
    {
        return Err(Error::invalid("Invalid phone number format."));
    }
    Ok(())
}

fn violation(entry: &SchemaAttribute, value: &str) -> Option<&'static str> {
    if value.is_empty() {
        return None;
    }
    let bound = |text: &Option<String>| text.as_deref().and_then(|t| t.parse::<i64>().ok());
    let (min, max) = (bound(&entry.min), bound(&entry.max));
    match entry.data_type {
        AttributeType::Boolean => (!matches!(value, "true" | "false" | "True" | "False"))
            .then_some("The value is not a valid boolean."),
        AttributeType::Number => match value.parse::<i64>() {
            Err(_) => Some("The value is not a valid number."),
            Ok(n) if min.is_some_and(|m| n < m) => Some("Number value not large enough."),
            Ok(n) if max.is_some_and(|m| n > m) => Some("Number value too large."),
            Ok(_) => None,
        },
        AttributeType::String => {
            let length = value.chars().count() as i64;
            if min.is_some_and(|m| length < m) {
                Some("String value is not long enough.")
            } else if max.is_some_and(|m| length > m) {
                Some("String value is too long.")
            } else {
                None
            }
        }
        AttributeType::DateTime => None,
    }
}

/// One `@` with something on either side, and no white space.
pub fn looks_like_email(text: &str) -> bool {
    text.split_once('@')
        .is_some_and(|(local, host)| !local.is_empty() && !host.is_empty() && !host.contains('@'))
        && !text.contains(char::is_whitespace)
}

/// `+` and 1 to 15 digits, as E.164 has it.
pub fn looks_like_phone(text: &str) -> bool {
    text.strip_prefix('+').is_some_and(|digits| {
        (1..=15).contains(&digits.len()) && digits.bytes().all(|b| b.is_ascii_digit())
    })
}

/// Failed passwords in a row.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Failures {
    count: u32,
    locked_until: Option<Timestamp>,
}

/// After this many failures each further one locks.
const FREE_FAILURES: u32 = 5;
const LONGEST_LOCK: Duration = Duration::from_secs(15 * 60);

impl Failures {
    /// Whether passwords are not looked at now.
    pub fn locked(&self, now: Timestamp) -> bool {
        self.locked_until.is_some_and(|until| now < until)
    }

    /// Whether nothing is remembered.
    pub fn is_clear(&self) -> bool {
        self.count == 0
    }

    /// One more failure: from the fifth on a lock of one second that doubles
    /// up to about 15 minutes (Cognito developer guide, "Lockout behavior").
    pub fn record(&mut self, now: Timestamp) {
        self.count += 1;
        if let Some(doublings) = self.count.checked_sub(FREE_FAILURES) {
            let lock = Duration::from_secs(1 << doublings.min(10)).min(LONGEST_LOCK);
            self.locked_until = now.checked_add(lock).ok();
        }
    }
}
