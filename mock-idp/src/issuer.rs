//! The single mint: a grant, keys and the time become tokens. Claims, their
//! types and what is left out follow the Cognito developer guide, "Using
//! tokens with user pools".
//!
//! Claims are written straight into a string: at thousands of sign-ins a
//! second nothing but the two signatures should be felt.

use std::sync::Arc;
use std::time::Duration;

use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use foundation::secret::Secret;
use jiff::Timestamp;
use serde_json::{Map, Value};

use crate::domain::grant::{Grant, Via};
use crate::domain::group::preferred_role;
use crate::domain::keys::{Key, PoolKeys};
use crate::domain::scope::{OPENID, Scopes};
use crate::domain::{Client, ClientId, Error, Group, PoolId, User, UserId};

/// Whom and what to mint tokens for.
#[derive(Debug)]
pub struct Mint<'a> {
    /// The pool's issuer.
    pub issuer: &'a str,
    /// The client.
    pub client: &'a Client,
    /// The user.
    pub user: &'a User,
    /// The user's groups, sorted by precedence.
    pub groups: &'a [Arc<Group>],
    /// The sign-in.
    pub grant: &'a Grant,
    /// Whether the OAuth endpoints answer: only they add `at_hash`.
    pub front: Via,
    /// The `jti` of the ID token.
    pub id_jti: &'a str,
    /// The `jti` of the access token.
    pub access_jti: &'a str,
}

/// What was minted.
#[derive(Debug)]
pub struct Minted {
    /// The ID token; an OAuth grant without `openid` has none.
    pub id: Option<Secret<String>>,
    /// The access token.
    pub access: Secret<String>,
    /// How long the access token is valid.
    pub expires_in: Duration,
}

/// Mints the tokens of one answer.
pub fn mint(mint: &Mint<'_>, keys: &PoolKeys, now: Timestamp) -> Minted {
    let access = sign(&keys.access, &mint.access_claims(now.as_second()));
    let wanted = mint.grant.via == Via::Api || mint.grant.scopes.contains(OPENID);
    let id = wanted.then(|| sign(&keys.id, &mint.id_claims(now.as_second(), &access)));
    Minted {
        id: id.map(Secret::new),
        access: Secret::new(access),
        expires_in: mint.client.access_validity(),
    }
}

fn sign(key: &Key, claims: &str) -> String {
    let header = key.header();
    // RS256 over 2,048 bits makes 342 characters.
    let mut token = String::with_capacity(header.len() + claims.len() * 4 / 3 + 352);
    token.push_str(header);
    token.push('.');
    URL_SAFE_NO_PAD.encode_string(claims, &mut token);
    let signature = key.sign(token.as_bytes());
    token.push('.');
    URL_SAFE_NO_PAD.encode_string(signature, &mut token);
    token
}

impl Mint<'_> {
    fn access_claims(&self, now: i64) -> String {
        let mut claims = Claims::new();
        claims.string("sub", self.user.id.as_str());
        self.write_groups(&mut claims);
        claims.string("iss", self.issuer);
        if self.grant.via == Via::OAuth {
            claims.integer("version", 2);
        }
        claims.string("client_id", self.client.id.as_str());
        if self.client.revokes() {
            claims.string("origin_jti", &self.grant.origin_jti);
        }
        claims.string("event_id", &self.grant.event_id);
        claims.string("token_use", "access");
        claims.string("scope", &self.grant.scopes.to_string());
        claims.integer("auth_time", self.grant.auth_time.as_second());
        claims.integer("exp", later(now, self.client.access_validity()));
        claims.integer("iat", now);
        if self.client.revokes() {
            claims.string("jti", self.access_jti);
        }
        claims.string("username", &self.user.username);
        claims.finish()
    }

    fn id_claims(&self, now: i64, access: &str) -> String {
        let mut claims = Claims::new();
        if self.front == Via::OAuth {
            claims.string("at_hash", &at_hash(access));
        }
        claims.string("sub", self.user.id.as_str());
        self.write_groups(&mut claims);
        if let Some(role) = preferred_role(self.groups) {
            claims.string("cognito:preferred_role", role);
        }
        claims.string("iss", self.issuer);
        claims.string("cognito:username", &self.user.username);
        if let Some(nonce) = &self.grant.nonce {
            claims.string("nonce", nonce);
        }
        if self.client.revokes() {
            claims.string("origin_jti", &self.grant.origin_jti);
        }
        let roles = self.groups.iter().filter_map(|g| g.role_arn.as_deref());
        claims.strings("cognito:roles", roles);
        claims.string("aud", self.client.id.as_str());
        claims.string("event_id", &self.grant.event_id);
        claims.string("token_use", "id");
        claims.integer("auth_time", self.grant.auth_time.as_second());
        claims.integer("exp", later(now, self.client.id_validity()));
        claims.integer("iat", now);
        if self.client.revokes() {
            claims.string("jti", self.id_jti);
        }
        self.write_attributes(&mut claims);
        claims.finish()
    }

    fn write_groups(&self, claims: &mut Claims) {
        let names = self.groups.iter().map(|group| group.name.as_str());
        claims.strings("cognito:groups", names);
    }

    fn write_attributes(&self, claims: &mut Claims) {
        let narrowed = self.grant.via == Via::OAuth;
        for (name, value) in self.user.attributes.iter() {
            let shown = name != "sub"
                && self.client.reads(name)
                && (!narrowed || self.grant.scopes.admit(name));
            if !shown {
                continue;
            }
            match name {
                "email_verified" | "phone_number_verified" => {
                    claims.boolean(name, value.eq_ignore_ascii_case("true"));
                }
                "updated_at" => match value.parse() {
                    Ok(number) => claims.integer(name, number),
                    Err(_) => claims.string(name, value),
                },
                // OpenID Connect Core section 5.1.1: an object.
                "address" => claims.formatted(name, value),
                _ => claims.string(name, value),
            }
        }
    }
}

fn later(now: i64, validity: Duration) -> i64 {
    now.saturating_add_unsigned(validity.as_secs())
}

/// The left half of the access token's hash (OpenID Connect Core section
/// 3.1.3.6).
fn at_hash(access: &str) -> String {
    let hash = digest(&SHA256, access.as_bytes());
    URL_SAFE_NO_PAD.encode(&hash.as_ref()[..16])
}

/// A JSON object being written.
struct Claims(String);

impl Claims {
    fn new() -> Self {
        let mut json = String::with_capacity(1024);
        json.push('{');
        Self(json)
    }

    fn name(&mut self, name: &str) {
        if self.0.len() > 1 {
            self.0.push(',');
        }
        quote(&mut self.0, name);
        self.0.push(':');
    }

    fn string(&mut self, name: &str, value: &str) {
        self.name(name);
        quote(&mut self.0, value);
    }

    fn integer(&mut self, name: &str, value: i64) {
        self.name(name);
        self.0.push_str(&value.to_string());
    }

    fn boolean(&mut self, name: &str, value: bool) {
        self.name(name);
        self.0.push_str(if value { "true" } else { "false" });
    }

    /// An array; nothing at all where it would be empty.
    fn strings<'a>(&mut self, name: &str, values: impl Iterator<Item = &'a str>) {
        let mut values = values.peekable();
        if values.peek().is_none() {
            return;
        }
        self.name(name);
        for (at, value) in values.enumerate() {
            self.0.push(if at == 0 { '[' } else { ',' });
            quote(&mut self.0, value);
        }
        self.0.push(']');
    }

    fn formatted(&mut self, name: &str, value: &str) {
        self.name(name);
        self.0.push_str(r#"{"formatted":"#);
        quote(&mut self.0, value);
        self.0.push('}');
    }

    fn finish(mut self) -> String {
        self.0.push('}');
        self.0
    }
}

/// Writes a JSON string (RFC 8259 section 7).
fn quote(json: &mut String, text: &str) {
    json.push('"');
    let plain = |b: u8| b >= 0x20 && b != b'"' && b != b'\\';
    if text.bytes().all(plain) {
        json.push_str(text);
    } else {
        for c in text.chars() {
            match c {
                '"' => json.push_str("\\\""),
                '\\' => json.push_str("\\\\"),
                '\n' => json.push_str("\\n"),
                '\r' => json.push_str("\\r"),
                '\t' => json.push_str("\\t"),
                c if u32::from(c) < 0x20 => {
                    json.push_str(&format!("\\u{:04x}", u32::from(c)));
                }
                c => json.push(c),
            }
        }
    }
    json.push('"');
}

/// What an access token of ours says.
#[derive(Clone, Debug)]
pub struct AccessToken {
    /// The pool that issued it.
    pub pool: PoolId,
    /// The client it was issued to.
    pub client: ClientId,
    /// Whose it is.
    pub user: UserId,
    /// Its scopes.
    pub scopes: Scopes,
    /// What the tokens of one sign-in share, where tokens can be revoked.
    pub origin_jti: Option<String>,
    /// When it was issued, in seconds.
    pub issued: i64,
    /// When it expires, in seconds.
    pub expires: i64,
}

/// A token's `iss`, not verified: it names the keys to verify with.
pub fn unverified_issuer(token: &str) -> Option<String> {
    Some(unverified_claim(token, "iss")?.as_str()?.to_owned())
}

/// A claim of a token, not verified.
pub(crate) fn unverified_claim(token: &str, name: &str) -> Option<Value> {
    let claims = token.split('.').nth(1)?;
    let claims: Value = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(claims).ok()?).ok()?;
    claims.get(name).cloned()
}

/// Reads back an access token that `keys` of `pool` signed.
///
/// # Errors
/// [`Error::NotAuthorized`] in Cognito's words for what is no such token or
/// has expired.
pub fn read_access_token(
    token: &str,
    pool: &PoolId,
    keys: &PoolKeys,
    now: Timestamp,
) -> Result<AccessToken, Error> {
    let read = verified_claims(token, keys)
        .and_then(|claims| access_token(pool, &claims))
        .ok_or_else(|| Error::not_authorized("Invalid Access Token"))?;
    if read.expires <= now.as_second() {
        return Err(Error::not_authorized("Access Token has expired"));
    }
    Ok(read)
}

fn verified_claims(token: &str, keys: &PoolKeys) -> Option<Map<String, Value>> {
    let (signed, signature) = token.rsplit_once('.')?;
    let (header, claims) = signed.split_once('.')?;
    let header: Value = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(header).ok()?).ok()?;
    let key = keys.by_kid(header.get("kid")?.as_str()?)?;
    let signature = URL_SAFE_NO_PAD.decode(signature).ok()?;
    if header.get("alg")? != "RS256" || !key.verifies(signed.as_bytes(), &signature) {
        return None;
    }
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(claims).ok()?).ok()
}

fn access_token(pool: &PoolId, claims: &Map<String, Value>) -> Option<AccessToken> {
    let text = |name: &str| claims.get(name).and_then(Value::as_str);
    if text("token_use")? != "access" {
        return None;
    }
    Some(AccessToken {
        pool: pool.clone(),
        client: text("client_id")?.into(),
        user: text("sub")?.into(),
        scopes: Scopes::parse(text("scope")?),
        origin_jti: text("origin_jti").map(str::to_owned),
        issued: claims.get("iat")?.as_i64()?,
        expires: claims.get("exp")?.as_i64()?,
    })
}
