//! Identifiers, each a type of its own so that they cannot be mixed up.

use std::borrow::Borrow;
use std::fmt;
use std::sync::Arc;

macro_rules! id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(Arc<str>);

        impl $name {
            /// The identifier as it is written.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl From<&str> for $name {
            fn from(id: &str) -> Self {
                Self(id.into())
            }
        }

        impl From<String> for $name {
            fn from(id: String) -> Self {
                Self(id.into())
            }
        }

        impl Borrow<str> for $name {
            fn borrow(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

id! {
    /// A user pool's id, `REGION_` and nine letters or digits.
    PoolId
}
id! {
    /// An app client's id, 26 lower-case letters or digits. It is unique over
    /// all pools, because unsigned calls name nothing else.
    ClientId
}
id! {
    /// A user's `sub`: a UUID that never changes.
    UserId
}

impl PoolId {
    /// The region the id begins with, if it has the form `REGION_SUFFIX`.
    pub fn region(&self) -> Option<&str> {
        self.0.rsplit_once('_').map(|(region, _)| region)
    }

    /// What follows the underscore: the "pool name" that SRP hashes.
    pub fn suffix(&self) -> &str {
        self.0
            .rsplit_once('_')
            .map_or(self.as_str(), |(_, suffix)| suffix)
    }
}
