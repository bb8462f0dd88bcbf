//! AWS Signature Version 4: the scope of a signed request, signing our own
//! requests, and checking a presigned URL.
//!
//! Source: AWS General Reference, "Signature Version 4 signing process".

use std::fmt::Write as _;

use aws_lc_rs::{digest, hmac};
use foundation::secret::{Secret, constant_time_eq};
use jiff::{SignedDuration, Timestamp};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use url::Url;

/// RFC 3986's unreserved characters, which Signature Version 4 leaves as they are.
const UNRESERVED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');

const ALGORITHM: &str = "AWS4-HMAC-SHA256";

/// The credential scope of a signed request: who signed, when, and for which
/// region and service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Scope {
    /// The access key's id.
    pub access_key_id: String,
    /// `YYYYMMDD`.
    pub date: String,
    /// For example `eu-west-2`.
    pub region: String,
    /// For example `eks`.
    pub service: String,
}

impl Scope {
    /// Reads `AKID/20261123/eu-west-2/eks/aws4_request`.
    pub fn parse(credential: &str) -> Option<Self> {
        let mut parts = credential.rsplitn(5, '/');
        let (terminator, service, region, date, id) = (
            parts.next()?,
            parts.next()?,
            parts.next()?,
            parts.next()?,
            parts.next()?,
        );
        (terminator == "aws4_request" && !id.is_empty()).then(|| Self {
            access_key_id: id.to_owned(),
            date: date.to_owned(),
            region: region.to_owned(),
            service: service.to_owned(),
        })
    }

    /// Reads the scope out of an `Authorization` header; nothing is verified.
    pub fn of_authorization(header: &str) -> Option<Self> {
        let rest = header.strip_prefix(ALGORITHM)?;
        let credential = rest
            .split(',')
            .find_map(|part| part.trim().strip_prefix("Credential="))?;
        Self::parse(credential)
    }

    fn tail(&self) -> String {
        format!(
            "{}/{}/{}/aws4_request",
            self.date, self.region, self.service
        )
    }
}

/// The two headers that sign a request of our own: `(x-amz-date,
/// authorization)`. `host` and `x-amz-date` are the signed headers.
pub fn sign(
    key_id: &str,
    secret: &Secret<String>,
    (region, service): (&str, &str),
    (method, url): (&str, &Url),
    body: &[u8],
    now: Timestamp,
) -> (String, String) {
    let date = amz_date(now);
    let scope = Scope {
        access_key_id: key_id.to_owned(),
        date: date[..8].to_owned(),
        region: region.to_owned(),
        service: service.to_owned(),
    };
    let canonical = format!(
        "{method}\n{}\n{}\nhost:{}\nx-amz-date:{date}\n\nhost;x-amz-date\n{}",
        canonical_path(url, service),
        canonical_query(url, None),
        authority(url),
        hex(digest::digest(&digest::SHA256, body).as_ref()),
    );
    let signature = signature(secret, &scope, &date, &canonical);
    let authorization = format!(
        "{ALGORITHM} Credential={key_id}/{}, SignedHeaders=host;x-amz-date, Signature={signature}",
        scope.tail()
    );
    (date, authorization)
}

/// A URL that carries its own signature (`X-Amz-*` in the query).
#[derive(Debug)]
pub struct Presigned {
    url: Url,
    /// Who signed.
    pub scope: Scope,
    /// The names of the headers under the signature, lower case.
    pub signed_headers: Vec<String>,
    signed_at: Timestamp,
    date: String,
    /// What the URL says of its own lifetime.
    pub expires: SignedDuration,
    signature: String,
}

/// Why a presigned URL is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// A parameter is missing, given twice or malformed.
    #[error("{0}")]
    Malformed(String),
    /// The signature is not the key's.
    #[error("the signature does not match")]
    BadSignature,
    /// Signed too long ago, or in the future.
    #[error("the signature's time is outside its window")]
    Expired,
}

impl Presigned {
    /// Reads a presigned URL.
    ///
    /// # Errors
    /// [`Refusal::Malformed`] naming what is missing.
    pub fn parse(url: &str) -> Result<Self, Refusal> {
        let url = Url::parse(url).map_err(|error| malformed(format!("not a URL: {error}")))?;
        let get = |name: &str| -> Result<String, Refusal> {
            let mut values = url.query_pairs().filter(|(n, _)| n == name);
            match (values.next(), values.next()) {
                (Some((_, value)), None) => Ok(value.into_owned()),
                (None, _) => Err(malformed(format!("{name} is missing"))),
                (Some(_), Some(_)) => Err(malformed(format!("{name} is given twice"))),
            }
        };
        if get("X-Amz-Algorithm")? != ALGORITHM {
            return Err(malformed(
                "X-Amz-Algorithm is not AWS4-HMAC-SHA256".to_owned(),
            ));
        }
        let scope = Scope::parse(&get("X-Amz-Credential")?)
            .ok_or_else(|| malformed("X-Amz-Credential has no scope".to_owned()))?;
        let date = get("X-Amz-Date")?;
        let signed_at = parse_amz_date(&date)
            .ok_or_else(|| malformed("X-Amz-Date is not YYYYMMDDTHHMMSSZ".to_owned()))?;
        if !date.starts_with(&scope.date) {
            return Err(malformed(
                "X-Amz-Date and the scope's date differ".to_owned(),
            ));
        }
        let expires = get("X-Amz-Expires")?
            .parse::<u32>()
            .map_err(|_| malformed("X-Amz-Expires is not a number of seconds".to_owned()))?;
        let signed_headers = get("X-Amz-SignedHeaders")?
            .split(';')
            .map(str::to_ascii_lowercase)
            .collect();
        let signature = get("X-Amz-Signature")?;
        Ok(Self {
            scope,
            signed_headers,
            signed_at,
            date,
            expires: SignedDuration::from_secs(expires.into()),
            signature,
            url,
        })
    }

    /// The URL that was signed.
    pub fn url(&self) -> &Url {
        &self.url
    }

    /// Checks the signature with `secret` and the values of the signed
    /// headers, and that `now` lies within `window` after the signing.
    ///
    /// # Errors
    /// [`Refusal::BadSignature`] or [`Refusal::Expired`]; the signature is
    /// looked at first, so that nobody learns of a clock by guessing.
    pub fn verify(
        &self,
        secret: &Secret<String>,
        header: impl Fn(&str) -> Option<String>,
        now: Timestamp,
        window: SignedDuration,
    ) -> Result<(), Refusal> {
        let mut headers = String::new();
        for name in &self.signed_headers {
            let value = match name.as_str() {
                "host" => authority(&self.url),
                _ => header(name)
                    .ok_or_else(|| malformed(format!("header {name} is signed but absent")))?,
            };
            let _ = writeln!(headers, "{name}:{}", value.trim());
        }
        let canonical = format!(
            "GET\n{}\n{}\n{headers}\n{}\n{}",
            canonical_path(&self.url, &self.scope.service),
            canonical_query(&self.url, Some("X-Amz-Signature")),
            self.signed_headers.join(";"),
            hex(digest::digest(&digest::SHA256, b"").as_ref()),
        );
        let expected = signature(secret, &self.scope, &self.date, &canonical);
        if !constant_time_eq(expected.as_bytes(), self.signature.as_bytes()) {
            return Err(Refusal::BadSignature);
        }
        let age = now.duration_since(self.signed_at);
        // AWS lets clocks differ by five minutes.
        if age > window || age < SignedDuration::from_mins(-5) {
            return Err(Refusal::Expired);
        }
        Ok(())
    }
}

/// Checks a request that is signed in its `Authorization` header.
///
/// The time is not looked at: the caller's clock is the machine's, ours may
/// have been moved.
pub fn verify_headers(
    secret: &Secret<String>,
    scope: &Scope,
    authorization: &str,
    request: &http::Request<bytes::Bytes>,
    origin: &str,
) -> bool {
    let part = |name: &str| {
        authorization
            .trim_start_matches(ALGORITHM)
            .split(',')
            .find_map(|part| part.trim().strip_prefix(name))
    };
    let (Some(signed), Some(given)) = (part("SignedHeaders="), part("Signature=")) else {
        return false;
    };
    let Ok(url) = Url::parse(&format!("{origin}{}", request.uri())) else {
        return false;
    };
    let header = |name: &str| {
        let values: Vec<&str> = request
            .headers()
            .get_all(name)
            .iter()
            .filter_map(|value| value.to_str().ok())
            .map(str::trim)
            .collect();
        (!values.is_empty()).then(|| values.join(","))
    };
    let mut headers = String::new();
    for name in signed.split(';') {
        let value = match (name, header(name)) {
            // HTTP/2 carries the host in `:authority`.
            ("host", None) => authority(&url),
            (_, Some(value)) => value,
            (_, None) => return false,
        };
        let _ = writeln!(headers, "{name}:{value}");
    }
    let Some(date) = header("x-amz-date") else {
        return false;
    };
    let canonical = format!(
        "{}\n{}\n{}\n{headers}\n{signed}\n{}",
        request.method(),
        canonical_path(&url, &scope.service),
        canonical_query(&url, None),
        hex(digest::digest(&digest::SHA256, request.body()).as_ref()),
    );
    constant_time_eq(
        signature(secret, scope, &date, &canonical).as_bytes(),
        given.as_bytes(),
    )
}

fn malformed(text: String) -> Refusal {
    Refusal::Malformed(text)
}

fn signature(secret: &Secret<String>, scope: &Scope, date: &str, canonical: &str) -> String {
    let to_sign = format!(
        "{ALGORITHM}\n{date}\n{}\n{}",
        scope.tail(),
        hex(digest::digest(&digest::SHA256, canonical.as_bytes()).as_ref())
    );
    let mut key = mac(format!("AWS4{}", secret.expose()).as_bytes(), &scope.date);
    for part in [scope.region.as_str(), &scope.service, "aws4_request"] {
        key = mac(key.as_ref(), part);
    }
    hex(mac(key.as_ref(), &to_sign).as_ref())
}

fn mac(key: &[u8], data: &str) -> hmac::Tag {
    hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), data.as_bytes())
}

/// The path as the signature sees it. Every service but S3 encodes the
/// already encoded path once more.
fn canonical_path(url: &Url, service: &str) -> String {
    let path = if url.path().is_empty() {
        "/"
    } else {
        url.path()
    };
    if service == "s3" {
        return path.to_owned();
    }
    path.split('/')
        .map(|segment| utf8_percent_encode(segment, UNRESERVED).to_string())
        .collect::<Vec<_>>()
        .join("/")
}

fn canonical_query(url: &Url, without: Option<&str>) -> String {
    let encode = |text: &str| utf8_percent_encode(text, UNRESERVED).to_string();
    let mut pairs: Vec<(String, String)> = url
        .query_pairs()
        .filter(|(name, _)| Some(name.as_ref()) != without)
        .map(|(name, value)| (encode(&name), encode(&value)))
        .collect();
    pairs.sort();
    pairs
        .iter()
        .map(|(name, value)| format!("{name}={value}"))
        .collect::<Vec<_>>()
        .join("&")
}

fn authority(url: &Url) -> String {
    let host = url.host_str().unwrap_or_default();
    url.port()
        .map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"))
}

fn amz_date(at: Timestamp) -> String {
    at.strftime("%Y%m%dT%H%M%SZ").to_string()
}

fn parse_amz_date(text: &str) -> Option<Timestamp> {
    let valid = text.len() == 16
        && text.bytes().enumerate().all(|(i, b)| match i {
            8 => b == b'T',
            15 => b == b'Z',
            _ => b.is_ascii_digit(),
        });
    if !valid {
        return None;
    }
    let (d, t) = (&text[..8], &text[9..15]);
    format!(
        "{}-{}-{}T{}:{}:{}Z",
        &d[..4],
        &d[4..6],
        &d[6..],
        &t[..2],
        &t[2..4],
        &t[4..]
    )
    .parse()
    .ok()
}

/// Lower-case hexadecimal.
pub fn hex(bytes: &[u8]) -> String {
    bytes
        .iter()
        .fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
            let _ = write!(text, "{byte:02x}");
            text
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secret() -> Secret<String> {
        Secret::new("wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY".to_owned())
    }

    /// AWS's published test suite for Signature Version 4, `get-vanilla`.
    #[test]
    fn signs_as_the_published_test_vector() {
        let url = Url::parse("https://example.amazonaws.com/").expect("a URL");
        let now = "2015-08-30T12:36:00Z".parse().expect("a timestamp");
        let (date, authorization) = sign(
            "AKIDEXAMPLE",
            &secret(),
            ("us-east-1", "service"),
            ("GET", &url),
            b"",
            now,
        );
        assert_eq!(date, "20150830T123600Z");
        assert!(
            authorization.ends_with(
                "Signature=5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31"
            ),
            "{authorization}"
        );
        let scope = Scope::of_authorization(&authorization).expect("a scope");
        assert_eq!(
            (scope.region.as_str(), scope.service.as_str()),
            ("us-east-1", "service")
        );
    }

    fn presign(host: &str, cluster: &str, at: &str) -> String {
        let base = format!(
            "https://{host}/?Action=GetCallerIdentity&Version=2011-06-15\
             &X-Amz-Algorithm=AWS4-HMAC-SHA256\
             &X-Amz-Credential=AKIDEXAMPLE%2F{}%2Feu-west-2%2Fsts%2Faws4_request\
             &X-Amz-Date={at}&X-Amz-Expires=60&X-Amz-SignedHeaders=host%3Bx-k8s-aws-id",
            &at[..8]
        );
        let url = Url::parse(&base).expect("a URL");
        let scope = Scope::parse(&format!(
            "AKIDEXAMPLE/{}/eu-west-2/sts/aws4_request",
            &at[..8]
        ))
        .expect("a scope");
        let canonical = format!(
            "GET\n/\n{}\nhost:{host}\nx-k8s-aws-id:{cluster}\n\nhost;x-k8s-aws-id\n{}",
            canonical_query(&url, None),
            hex(digest::digest(&digest::SHA256, b"").as_ref())
        );
        format!(
            "{base}&X-Amz-Signature={}",
            signature(&secret(), &scope, at, &canonical)
        )
    }

    #[test]
    fn a_presigned_url_is_checked_for_signature_time_and_signed_headers() {
        let url = presign("127.0.0.1:8443", "kubedemy", "20261123T101500Z");
        let presigned = Presigned::parse(&url).expect("parsed");
        let at = |text: &str| text.parse::<Timestamp>().expect("a timestamp");
        let window = SignedDuration::from_mins(15);
        let check = |cluster: &str, now: &str, key: &Secret<String>| {
            presigned.verify(key, |_| Some(cluster.to_owned()), at(now), window)
        };
        assert_eq!(check("kubedemy", "2026-11-23T10:20:00Z", &secret()), Ok(()));
        assert_eq!(
            check("other", "2026-11-23T10:20:00Z", &secret()),
            Err(Refusal::BadSignature)
        );
        assert_eq!(
            check(
                "kubedemy",
                "2026-11-23T10:20:00Z",
                &Secret::new("x".to_owned())
            ),
            Err(Refusal::BadSignature)
        );
        assert_eq!(
            check("kubedemy", "2026-11-23T10:30:01Z", &secret()),
            Err(Refusal::Expired)
        );
        assert_eq!(
            check("kubedemy", "2026-11-23T10:09:59Z", &secret()),
            Err(Refusal::Expired)
        );
        let tampered = url.replace("GetCallerIdentity", "GetSessionToken");
        assert_eq!(
            Presigned::parse(&tampered).expect("parsed").verify(
                &secret(),
                |_| Some("kubedemy".to_owned()),
                at("2026-11-23T10:20:00Z"),
                window
            ),
            Err(Refusal::BadSignature)
        );
    }

    #[test]
    fn a_parameter_that_is_missing_or_doubled_is_named() {
        let url = presign("h", "c", "20261123T101500Z");
        let missing = url.replace("X-Amz-Date=", "X-Other=");
        assert_eq!(
            Presigned::parse(&missing).expect_err("missing"),
            Refusal::Malformed("X-Amz-Date is missing".to_owned())
        );
        let doubled = format!("{url}&X-Amz-Expires=900");
        assert_eq!(
            Presigned::parse(&doubled).expect_err("doubled"),
            Refusal::Malformed("X-Amz-Expires is given twice".to_owned())
        );
    }
}
