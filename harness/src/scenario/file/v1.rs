//! Version 1 of the scenario file (`rolecall: 1`).
//!
//! The types are the schema: every word has one meaning, and a word that is
//! not here is an error.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;

/// One scenario: who exists, whom the cluster trusts, what is bound, and what
/// is expected of it.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Scenario {
    /// The format's version: 1.
    pub rolecall: u32,
    /// What the scenario claims, as a sentence.
    pub name: String,
    /// Who logs in for the people: `http` (the pages without a browser; the
    /// default), `browser` (a headless Chromium) or `kubelogin`.
    pub driver: Option<Driver>,
    /// The user pool, its client and the people in it.
    pub idp: Idp,
    /// What the cluster is told of the issuer; without it nothing is associated.
    pub trust: Option<Trust>,
    /// RBAC objects: files (globs, relative to the scenario) or objects written out.
    #[serde(default)]
    pub rbac: Vec<RbacSource>,
    /// What must hold once all of the above stands.
    #[serde(default)]
    pub expect: Vec<Expect>,
    /// What happens next, in order, where time matters.
    #[serde(default)]
    pub steps: Vec<Step>,
}

/// A login driver.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Driver {
    /// The pages without a browser.
    Http,
    /// A headless Chromium.
    Browser,
    /// The real kubelogin.
    Kubelogin,
}

/// The identity provider's side.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Idp {
    /// The user pool that the cluster is to trust.
    #[serde(default)]
    pub pool: Pool,
    /// Its app client.
    #[serde(default)]
    pub client: Client,
    /// Who is in the pool, by username.
    #[serde(default)]
    pub people: BTreeMap<String, Person>,
    /// Pools that the cluster is not told of, by a name of your choice.
    #[serde(default)]
    pub other_pools: BTreeMap<String, OtherPool>,
}

/// A pool that the cluster does not trust.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct OtherPool {
    /// As the main pool.
    #[serde(default)]
    pub pool: Pool,
    /// As the main client.
    #[serde(default)]
    pub client: Client,
    /// Who is in it.
    #[serde(default)]
    pub people: BTreeMap<String, Person>,
}

/// A user pool, in Cognito's words.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Pool {
    /// `PoolName`; default: `rolecall`.
    pub name: Option<String>,
    /// `UsernameAttributes`; default: none, so usernames are free.
    #[serde(default)]
    pub username_attributes: Vec<String>,
    /// `UsernameConfiguration.CaseSensitive`; default: Cognito's.
    pub case_sensitive: Option<bool>,
    /// `Policies.PasswordPolicy`.
    pub password_policy: Option<PasswordPolicy>,
    /// `AdminCreateUserConfig.AllowAdminCreateUserOnly`.
    pub admin_create_user_only: Option<bool>,
    /// The groups that exist.
    #[serde(default)]
    pub groups: Vec<String>,
    /// The hosted pages' domain prefix; default: one made of the pool's name.
    pub domain: Option<String>,
}

/// `PasswordPolicyType`.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PasswordPolicy {
    /// Characters.
    pub minimum_length: Option<u32>,
    /// A–Z needed.
    pub require_uppercase: Option<bool>,
    /// a–z needed.
    pub require_lowercase: Option<bool>,
    /// 0–9 needed.
    pub require_numbers: Option<bool>,
    /// A symbol needed.
    pub require_symbols: Option<bool>,
    /// Days that a temporary password is good for.
    pub temporary_password_validity_days: Option<u32>,
}

/// An app client, in Cognito's words. The defaults are the tutorial's: a
/// public client with the code grant and kubelogin's two callback URLs.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Client {
    /// `ClientName`; default: `eks`.
    pub name: Option<String>,
    /// `ReadAttributes`; default: all standard ones.
    pub read_attributes: Option<Vec<String>>,
    /// `WriteAttributes`.
    pub write_attributes: Option<Vec<String>>,
    /// `CallbackURLs`; default: kubelogin's.
    pub callback_urls: Option<Vec<String>>,
    /// `AllowedOAuthScopes`; default: openid, profile, email.
    pub scopes: Option<Vec<String>>,
    /// `IdTokenValidity` and `AccessTokenValidity`, as in `5m` or `1h`; default: Cognito's hour.
    pub token_validity: Option<String>,
}

/// A person in a pool.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Person {
    /// The groups they are in.
    #[serde(default)]
    pub groups: Vec<String>,
    /// User attributes beside what Cognito fills in.
    #[serde(default)]
    pub attributes: BTreeMap<String, String>,
    /// What they sign in with first; they are asked for a new one then.
    pub temporary_password: Option<String>,
    /// What they sign in with; default: one that fits the default policy.
    pub password: Option<String>,
}

/// What the cluster is told of the issuer, in EKS' terms.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Trust {
    /// `usernameClaim`; default `sub`.
    pub username: Option<String>,
    /// `usernamePrefix`; default `ISSUER#` unless the claim is `email`.
    pub username_prefix: Option<String>,
    /// `groupsClaim`.
    pub groups: Option<String>,
    /// `groupsPrefix`.
    pub groups_prefix: Option<String>,
    /// `requiredClaims`.
    #[serde(default)]
    pub required_claims: BTreeMap<String, String>,
    /// `identityProviderConfigName`; default: the pool's name.
    pub name: Option<String>,
}

/// Where RBAC objects come from.
#[derive(Clone, Debug, Deserialize)]
#[serde(untagged)]
pub enum RbacSource {
    /// A glob, relative to the scenario file.
    Files(String),
    /// The object itself.
    Object(serde_json::Map<String, Value>),
}

/// One name or several.
#[derive(Clone, Debug, Deserialize)]
#[serde(untagged)]
pub enum OneOrMany {
    /// One.
    One(String),
    /// Several.
    Many(Vec<String>),
}

impl OneOrMany {
    /// All of them.
    pub fn as_slice(&self) -> &[String] {
        match self {
            Self::One(one) => std::slice::from_ref(one),
            Self::Many(many) => many,
        }
    }
}

/// An expectation about one or several people.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Expect {
    /// Whom it is about. Who has no session yet is logged in first.
    pub who: OneOrMany,
    /// `ok` or `refused`: a fresh login must come out so.
    pub login: Option<LoginOutcome>,
    /// Sign in with this instead of the person's own password.
    pub password: Option<String>,
    /// When asked for a new password, choose this one.
    pub new_password: Option<String>,
    /// Ask for these scopes; default: `openid` alone, as kubelogin does.
    pub scope: Option<String>,
    /// Come back to this URI; default: kubelogin's.
    pub redirect_uri: Option<String>,
    /// Which token is shown to the cluster: the person's `id` (the default) or
    /// `access` token, or a forged one, such as `expired`.
    pub token: Option<String>,
    /// The status of a request to the cluster: 200 or 401.
    pub cluster: Option<u16>,
    /// Part of the reason of a refusal: the page's, TokenReview's, or the explanation's.
    pub because: Option<String>,
    /// Who the cluster says they are.
    pub is: Option<Identity>,
    /// What they may do, as `kubectl auth can-i` takes it.
    #[serde(default)]
    pub can: Vec<String>,
    /// What they may not do.
    #[serde(default)]
    pub cannot: Vec<String>,
    /// Rows that `kubectl auth can-i --list` shows: verbs, then a resource or `[a path]`.
    #[serde(default)]
    pub rules: Vec<String>,
    /// Claims of the ID token with their values; `null`: the claim is absent.
    #[serde(default)]
    pub claims: BTreeMap<String, Value>,
}

/// How a login comes out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum LoginOutcome {
    /// With tokens.
    Ok,
    /// Without.
    Refused,
}

/// A Kubernetes identity.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Identity {
    /// The user name, exactly.
    pub username: Option<String>,
    /// All groups, without `system:authenticated`, in any order.
    pub groups: Option<Vec<String>>,
    /// Some of the groups.
    #[serde(default)]
    pub groups_include: Vec<String>,
}

/// Something that happens.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Step {
    /// See [`Expect`].
    Expect(Box<Expect>),
    /// Someone logs in anew.
    Login(String),
    /// Someone's tokens are refreshed.
    Refresh(RefreshStep),
    /// The clock moves forward, as in `61m`.
    Advance(String),
    /// AdminAddUserToGroup.
    AddToGroup(Membership),
    /// AdminRemoveUserFromGroup.
    RemoveFromGroup(Membership),
    /// AdminDisableUser.
    Disable(String),
    /// AdminEnableUser.
    Enable(String),
    /// AdminUpdateUserAttributes.
    SetAttributes(AttributesStep),
    /// AdminSetUserPassword.
    SetPassword(PasswordStep),
    /// An object is created in the cluster, by its administrator.
    Create(serde_json::Map<String, Value>),
    /// An object is deleted, as in `clusterrolebinding oidc:admins`.
    Delete(String),
    /// The provider is associated with the cluster.
    Associate(Trust),
    /// The provider is disassociated.
    Disassociate(Empty),
}

/// Nothing to say: `{}`.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Empty {}

/// Who and which group.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Membership {
    /// The person.
    pub who: String,
    /// The Cognito group.
    pub group: String,
}

/// A refresh, and how it must come out.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RefreshStep {
    /// The person.
    pub who: String,
    /// Default `ok`.
    pub outcome: Option<LoginOutcome>,
    /// Part of the refusal.
    pub because: Option<String>,
}

/// New attribute values.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AttributesStep {
    /// The person.
    pub who: String,
    /// An empty value deletes.
    pub attributes: BTreeMap<String, String>,
}

/// A new password, by the administrator.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PasswordStep {
    /// The person.
    pub who: String,
    /// The password.
    pub password: String,
    /// Whether the person may keep it; default false.
    #[serde(default)]
    pub permanent: bool,
    /// `refused`: Cognito must not take it.
    pub outcome: Option<LoginOutcome>,
    /// Part of the refusal.
    pub because: Option<String>,
}
