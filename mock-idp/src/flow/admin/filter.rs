//! The filter of `ListUsers`: one attribute, `=` or `^=`, a quoted value
//! (service model, `ListUsers`).

use crate::domain::Error;
use crate::domain::user::{User, UserStatus};

/// What can be searched for; custom attributes cannot.
const SEARCHABLE: [&str; 10] = [
    "username",
    "email",
    "phone_number",
    "name",
    "given_name",
    "family_name",
    "preferred_username",
    "cognito:user_status",
    "status",
    "sub",
];

#[derive(Debug)]
pub(super) struct Filter {
    attribute: String,
    prefix: bool,
    value: String,
}

impl Filter {
    /// Parses `ATTRIBUTE = "VALUE"` or `ATTRIBUTE ^= "VALUE"`.
    pub(super) fn parse(text: &str) -> Result<Self, Error> {
        let unparsable = || Error::invalid("Error while parsing filter");
        let (attribute, value) = text.split_once('=').ok_or_else(unparsable)?;
        let (attribute, prefix) = match attribute.strip_suffix('^') {
            Some(attribute) => (attribute, true),
            None => (attribute, false),
        };
        let attribute = attribute.trim().trim_matches('"');
        let value = value.trim();
        let value = value
            .strip_prefix('"')
            .and_then(|value| value.strip_suffix('"'))
            .ok_or_else(unparsable)?;
        if attribute.is_empty() {
            return Err(unparsable());
        }
        if !SEARCHABLE.contains(&attribute) {
            return Err(Error::invalid(format!(
                "Invalid search attribute: {attribute}"
            )));
        }
        Ok(Self {
            attribute: attribute.to_owned(),
            prefix,
            value: unescaped(value).ok_or_else(unparsable)?,
        })
    }

    pub(super) fn admits(&self, user: &User) -> bool {
        let found = match self.attribute.as_str() {
            "username" => Some(user.username.as_str()),
            "cognito:user_status" => Some(match user.status {
                UserStatus::Unconfirmed => "UNCONFIRMED",
                UserStatus::Confirmed => "CONFIRMED",
                UserStatus::ResetRequired => "RESET_REQUIRED",
                UserStatus::ForceChangePassword => "FORCE_CHANGE_PASSWORD",
            }),
            "status" => Some(if user.enabled { "Enabled" } else { "Disabled" }),
            attribute => user.attributes.get(attribute),
        };
        // The service model marks these as compared by case, the others not.
        let exact = matches!(self.attribute.as_str(), "username" | "sub");
        found.is_some_and(|found| {
            if exact {
                self.fits(found, &self.value)
            } else {
                self.fits(&found.to_lowercase(), &self.value.to_lowercase())
            }
        })
    }

    fn fits(&self, found: &str, wanted: &str) -> bool {
        if self.prefix {
            found.starts_with(wanted)
        } else {
            found == wanted
        }
    }
}

/// The text between the quotes: quotes and backslashes in it are escaped.
fn unescaped(text: &str) -> Option<String> {
    let mut plain = String::with_capacity(text.len());
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        match c {
            '\\' => plain.push(chars.next()?),
            '"' => return None,
            c => plain.push(c),
        }
    }
    Some(plain)
}
