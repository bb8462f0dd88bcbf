//! kubelogin's token cache.
//!
//! A file is named by the SHA-256 of the login's settings in Go's gob format
//! (kubelogin v1.28.0, `pkg/tokencache/repository`), and holds the tokens as
//! JSON. Its token is shown until it expires, whatever became of the keys. As
//! other releases name the files in other ways, they are also looked through.

use std::path::{Path, PathBuf};

use serde_json::Value;

use super::token::{self, Decoded};

/// The settings that a file is named by.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[allow(missing_docs, reason = "named as in kubelogin's tokencache.Key")]
pub struct Key {
    pub issuer_url: String,
    pub client_id: String,
    pub client_secret: Secretive,
    pub username: String,
    pub extra_scopes: Vec<String>,
    pub ca_cert_filename: String,
    pub ca_cert_data: String,
    pub skip_tls_verify: bool,
}

/// A text that its `Debug` does not show.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Secretive(pub String);

impl std::fmt::Debug for Secretive {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("…")
    }
}

/// How gob describes the type, before the value: the same for all values.
const DESCRIPTION: &[u8] = b"\xff\x8e\x7f\x03\x01\x01\x03Key\x01\xff\x80\x00\x01\x08\
    \x01\x09IssuerURL\x01\x0c\x00\x01\x08ClientID\x01\x0c\x00\x01\x0cClientSecret\x01\x0c\x00\
    \x01\x08Username\x01\x0c\x00\x01\x0bExtraScopes\x01\xff\x82\x00\x01\x0eCACertFilename\x01\x0c\x00\
    \x01\x0aCACertData\x01\x0c\x00\x01\x0dSkipTLSVerify\x01\x02\x00\x00\x00\
    \x16\xff\x81\x02\x01\x01\x08[]string\x01\xff\x82\x00\x01\x0c\x00\x00";

impl Key {
    /// The name of the file.
    pub fn file_name(&self) -> String {
        let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, &self.gob());
        crate::aws::sigv4::hex(digest.as_ref())
    }

    fn gob(&self) -> Vec<u8> {
        let mut value = vec![0xff, 0x80];
        let mut last = 0;
        let mut field = |number: u64, bytes: Option<Vec<u8>>| {
            if let Some(bytes) = bytes {
                value.extend(unsigned(number - last));
                value.extend(bytes);
                last = number;
            }
        };
        let text = |text: &str| (!text.is_empty()).then(|| string(text));
        field(1, text(&self.issuer_url));
        field(2, text(&self.client_id));
        field(3, text(&self.client_secret.0));
        field(4, text(&self.username));
        field(
            5,
            (!self.extra_scopes.is_empty()).then(|| strings(&self.extra_scopes)),
        );
        field(6, text(&self.ca_cert_filename));
        field(7, text(&self.ca_cert_data));
        field(8, self.skip_tls_verify.then(|| vec![1]));
        value.push(0);
        let mut all = DESCRIPTION.to_vec();
        all.extend(unsigned(value.len() as u64));
        all.extend(value);
        all
    }
}

/// gob's unsigned integer: itself below 128, else the negated count of its
/// bytes and then these.
fn unsigned(number: u64) -> Vec<u8> {
    if number < 128 {
        return vec![number as u8];
    }
    let bytes = number.to_be_bytes();
    let used = &bytes[number.leading_zeros() as usize / 8..];
    let mut all = vec![(used.len() as u8).wrapping_neg()];
    all.extend(used);
    all
}

fn string(text: &str) -> Vec<u8> {
    let mut all = unsigned(text.len() as u64);
    all.extend(text.as_bytes());
    all
}

fn strings(texts: &[String]) -> Vec<u8> {
    let mut all = unsigned(texts.len() as u64);
    texts.iter().for_each(|text| all.extend(string(text)));
    all
}

/// A file of the cache.
#[derive(Debug)]
pub struct Entry {
    /// The file.
    pub path: PathBuf,
    /// The ID token in it.
    pub token: Decoded,
}

/// The file that kubelogin would read for `key`; where there is none of that
/// name, all with a token of the same issuer and client.
pub fn find(folder: &Path, key: &Key) -> Vec<Entry> {
    if let Some(entry) = read(folder.join(key.file_name())) {
        return vec![entry];
    }
    let Ok(files) = std::fs::read_dir(folder) else {
        return Vec::new();
    };
    let mut paths: Vec<PathBuf> = files.flatten().map(|file| file.path()).collect();
    paths.sort();
    paths
        .into_iter()
        .filter_map(read)
        .filter(|entry| {
            entry.token.text("iss") == Some(&key.issuer_url)
                && entry.token.audiences().contains(&key.client_id.as_str())
        })
        .collect()
}

fn read(path: PathBuf) -> Option<Entry> {
    let text = std::fs::read_to_string(&path).ok()?;
    let value: Value = serde_json::from_str(&text).ok()?;
    let raw = value["id_token"].as_str()?;
    Some(Entry {
        token: token::decode(raw)?,
        path,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    fn key() -> Key {
        Key {
            issuer_url: "https://issuer.example".to_owned(),
            client_id: "abc".to_owned(),
            ..Key::default()
        }
    }

    fn scopes() -> Key {
        Key {
            extra_scopes: vec!["email".to_owned(), "profile".to_owned()],
            ca_cert_filename: "/tmp/ca.crt".to_owned(),
            skip_tls_verify: true,
            ..key()
        }
    }

    fn long() -> Key {
        Key {
            issuer_url: format!("https://issuer.example/{}", "x".repeat(300)),
            client_secret: Secretive("s".to_owned()),
            username: "u".to_owned(),
            ca_cert_data: "d".to_owned(),
            ..key()
        }
    }

    /// By kubelogin's `computeFilename`, Go 1.26.8; the program itself finds
    /// the first in `tests/doctor.rs`.
    #[rstest]
    #[case(
        key(),
        "2bf2f20958c3984fca0891b7bedfac729081ad0f39d7cec6aaaa85292a26962b"
    )]
    #[case(
        scopes(),
        "8647000561f1be291cd428ba57e98ec01c5ae814071f7591d61757ebc33af650"
    )]
    #[case(
        long(),
        "3b22be7ba3ae4bbcc56c05ff7aff6a3e5b9b24daa7ab0c8eb85a03a15508ae8c"
    )]
    fn files_are_named_as_kubelogin_names_them(#[case] key: Key, #[case] name: &str) {
        assert_eq!(key.file_name(), name);
    }
}
