//! OAuth scopes, and which attributes they let through.

use std::fmt;

/// The scope of tokens from the API: what `GetUser` asks for.
pub const USER_ADMIN: &str = "aws.cognito.signin.user.admin";

/// Without it there is no ID token (OpenID Connect Core section 3.1.2.1).
pub const OPENID: &str = "openid";

/// The scopes every pool has.
pub const STANDARD: [&str; 5] = [OPENID, "email", "phone", "profile", USER_ADMIN];

/// A list of scopes, in the order granted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Scopes(Vec<String>);

impl Scopes {
    /// The scope of the API's own tokens.
    pub fn user_admin() -> Self {
        Self(vec![USER_ADMIN.into()])
    }

    /// Splits a `scope` parameter at its spaces, dropping repetitions.
    pub fn parse(scope: &str) -> Self {
        scope.split(' ').filter(|s| !s.is_empty()).collect()
    }

    /// Whether `scope` is among them.
    pub fn contains(&self, scope: &str) -> bool {
        self.0.iter().any(|s| s == scope)
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The scopes in order.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(String::as_str)
    }

    /// Whether an ID token or userInfo with these scopes may carry
    /// `attribute`. `openid` alone stands for all that the client can read;
    /// each of `email`, `phone` and `profile` beside it narrows to its group
    /// (Cognito developer guide, userInfo endpoint).
    pub fn admit(&self, attribute: &str) -> bool {
        let narrowed = ["email", "phone", "profile"]
            .iter()
            .any(|scope| self.contains(scope));
        if !narrowed {
            return true;
        }
        match attribute {
            "sub" => true,
            "email" | "email_verified" => self.contains("email"),
            "phone_number" | "phone_number_verified" => self.contains("phone"),
            _ => self.contains("profile"),
        }
    }
}

impl<S: Into<String>> FromIterator<S> for Scopes {
    fn from_iter<I: IntoIterator<Item = S>>(scopes: I) -> Self {
        let mut list: Vec<String> = Vec::new();
        for scope in scopes {
            let scope = scope.into();
            if !list.contains(&scope) {
                list.push(scope);
            }
        }
        Self(list)
    }
}

/// Separated by spaces, as RFC 6749 section 3.3 writes them.
impl fmt::Display for Scopes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.join(" "))
    }
}
