//! The bearer tokens of `aws eks get-token`: a presigned STS URL in base64url
//! behind `k8s-aws-v1.`, checked as EKS' webhook (aws-iam-authenticator) does.
//!
//! The identity that created the cluster is its administrator; another
//! identity of the account is a stranger, and so is an unknown key: both get
//! 401, because no access entry names them.

use base64::Engine as _;
use base64::engine::DecodePaddingMode;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig};
use jiff::{SignedDuration, Timestamp};
use mock_idp::address::region_of;

use super::keys::AccessKeys;
use super::sigv4::Presigned;
use super::sts;

/// How long a token is good for after it was signed, whatever its
/// `X-Amz-Expires` says (aws-iam-authenticator, `presignedURLExpiration`).
pub const LIFETIME: SignedDuration = SignedDuration::from_mins(15);

const PREFIX: &str = "k8s-aws-v1.";
/// aws-iam-authenticator's `maxTokenLenBytes`.
const MAX_LENGTH: usize = 1024 * 4;

/// What a valid token says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IamIdentity {
    /// `arn:aws:iam::ACCOUNT:user/NAME`.
    pub arn: String,
    /// Twelve digits.
    pub account: String,
    /// `AIDA…`.
    pub user_id: String,
    /// Which key signed.
    pub access_key_id: String,
}

/// Whether `token` is meant for this check at all.
pub fn is_iam_token(token: &str) -> bool {
    token.starts_with(PREFIX)
}

/// Checks a token for `cluster`: form, action, cluster name, key, signature,
/// time.
///
/// # Errors
/// A sentence for the log; the client learns no more than 401.
pub fn verify(
    keys: &AccessKeys,
    sts_origin: &str,
    cluster: &str,
    token: &str,
    now: Timestamp,
) -> Result<IamIdentity, String> {
    if token.len() > MAX_LENGTH {
        return Err("token is too large".to_owned());
    }
    let encoded = token
        .strip_prefix(PREFIX)
        .ok_or_else(|| format!("token is missing expected \"{PREFIX}\" prefix"))?;
    const LENIENT: GeneralPurpose = GeneralPurpose::new(
        &base64::alphabet::URL_SAFE,
        GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
    );
    let url = LENIENT
        .decode(encoded)
        .ok()
        .and_then(|bytes| String::from_utf8(bytes).ok())
        .ok_or_else(|| "token is not base64url of a URL".to_owned())?;
    let presigned = Presigned::parse(&url).map_err(|refusal| refusal.to_string())?;
    check_target(presigned.url(), sts_origin)?;
    if !presigned
        .signed_headers
        .iter()
        .any(|name| name == "x-k8s-aws-id")
    {
        return Err("client did not sign the x-k8s-aws-id header in the pre-signed URL".to_owned());
    }
    let key = sts::identity_of_presigned(
        keys,
        &presigned,
        |name| (name == "x-k8s-aws-id").then(|| cluster.to_owned()),
        now,
        LIFETIME,
    )?;
    Ok(IamIdentity {
        arn: key.arn.clone(),
        account: keys.account().to_owned(),
        user_id: key.user_id.clone(),
        access_key_id: key.id.clone(),
    })
}

/// The URL must be STS' own (ours or AWS') and ask for nothing but the
/// caller's identity: whatever else it named would be called on the signer's
/// behalf.
fn check_target(url: &url::Url, sts_origin: &str) -> Result<(), String> {
    let ours = url::Url::parse(sts_origin).is_ok_and(|origin| origin.origin() == url.origin());
    let host = url.host_str().unwrap_or_default();
    let theirs = url.scheme() == "https"
        && url.port().is_none()
        && (host == "sts.amazonaws.com" || region_of(host, "sts").is_some());
    if !(ours || theirs) {
        return Err(format!("unexpected hostname {host:?} in pre-signed URL"));
    }
    if url.path() != "/" {
        return Err("unexpected path in pre-signed URL".to_owned());
    }
    let mut actions = url
        .query_pairs()
        .filter(|(name, _)| name.eq_ignore_ascii_case("action"));
    match (actions.next(), actions.next()) {
        (Some((_, action)), None) if action == "GetCallerIdentity" => Ok(()),
        _ => Err("unexpected action parameter in pre-signed URL".to_owned()),
    }
}
