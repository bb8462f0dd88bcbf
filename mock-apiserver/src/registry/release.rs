//! What Kubernetes publishes of itself, minor by minor: the texts that
//! `dump-schema` writes (`kubernetes/README.md`), and a place for what is made
//! of them.

use std::sync::OnceLock;

use kube_rbac::Version;

/// The texts of one minor, in JSON.
pub struct Texts {
    /// Discovery, in the aggregated form.
    pub resources: &'static str,
    /// What the documents of OpenAPI say besides schemas.
    pub openapi_paths: &'static str,
    /// The schemas of OpenAPI by name.
    pub openapi_schemas: &'static str,
    /// The Go types of what is stored.
    pub types: &'static str,
    /// The columns in which kinds are printed.
    pub columns: &'static str,
}

macro_rules! texts_of {
    ($folder:literal) => {{
        static TEXTS: Texts = Texts {
            resources: include_str!(concat!("../../data/", $folder, "/resources.json")),
            openapi_paths: include_str!(concat!("../../data/", $folder, "/openapi-paths.json")),
            openapi_schemas: include_str!(concat!("../../data/", $folder, "/openapi-schemas.json")),
            types: include_str!(concat!("../../data/", $folder, "/protobuf.json")),
            columns: include_str!(concat!("../../data/", $folder, "/columns.json")),
        };
        &TEXTS
    }};
}

/// What `minor` says of itself.
pub fn texts(minor: Version) -> &'static Texts {
    match minor {
        Version::V1_34 => texts_of!("v1.34"),
        Version::V1_35 => texts_of!("v1.35"),
        Version::V1_36 => texts_of!("v1.36"),
        Version::V1_37 => texts_of!("v1.37"),
    }
}

/// One value for each minor, made when it is first asked for.
pub struct PerMinor<T>([OnceLock<T>; Version::ALL.len()]);

impl<T> Default for PerMinor<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T> PerMinor<T> {
    /// None is made yet.
    pub const fn new() -> Self {
        Self([const { OnceLock::new() }; Version::ALL.len()])
    }

    /// That of `minor`, which `make` makes where there is none.
    pub fn get(&self, minor: Version, make: impl FnOnce() -> T) -> &T {
        self.0[minor as usize].get_or_init(make)
    }
}
