//! `encoding/base64` as Go decodes it: carriage returns and line feeds are
//! skipped anywhere, bits left over in the last character are ignored, and an
//! error names the byte at which decoding gave up.

const URL: [u8; 256] = table(b'-', b'_');
const STD: [u8; 256] = table(b'+', b'/');
const INVALID: u8 = 0xff;

/// A failed decoding; the text is `base64.CorruptInputError`'s.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Corrupt(usize);

impl std::fmt::Display for Corrupt {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "illegal base64 data at input byte {}", self.0)
    }
}

/// `base64.RawURLEncoding.DecodeString`: no padding, `-` and `_`.
///
/// # Errors
/// [`Corrupt`].
pub fn decode_raw_url(text: &[u8]) -> Result<Vec<u8>, Corrupt> {
    let mut out = Vec::with_capacity(text.len() / 4 * 3 + 3);
    let plain = decode_plain(text, &mut out);
    let mut quantum = Quantum::default();
    for (i, &byte) in text.iter().enumerate().skip(plain) {
        match byte {
            b'\r' | b'\n' => {}
            _ => match URL[usize::from(byte)] {
                INVALID => return Err(Corrupt(i)),
                value => quantum.push(value, &mut out),
            },
        }
    }
    match quantum.len {
        // A lone character holds six bits, too few for a byte. Go reports the
        // position it would have read next, less the one it had read.
        1 => Err(Corrupt(text.len() - 1)),
        _ => {
            quantum.flush(&mut out);
            Ok(out)
        }
    }
}

/// Decodes as far as four characters after four hold nothing but values, which
/// is all of most tokens; returns how far that is.
fn decode_plain(text: &[u8], out: &mut Vec<u8>) -> usize {
    let mut at = 0;
    for four in text.chunks_exact(4) {
        let [a, b, c, d] = [0, 1, 2, 3].map(|i| URL[usize::from(four[i])]);
        if (a | b | c | d) == INVALID {
            break;
        }
        out.extend_from_slice(&[a << 2 | b >> 4, b << 4 | c >> 2, c << 6 | d]);
        at += 4;
    }
    at
}

/// `base64.StdEncoding.DecodeString`: padding is required, `+` and `/`.
///
/// # Errors
/// [`Corrupt`].
pub fn decode_std(text: &[u8]) -> Result<Vec<u8>, Corrupt> {
    let mut out = Vec::with_capacity(text.len() / 4 * 3);
    let mut quantum = Quantum::default();
    let mut i = 0;
    while i < text.len() {
        let byte = text[i];
        i += 1;
        if byte == b'\r' || byte == b'\n' {
            continue;
        }
        match STD[usize::from(byte)] {
            INVALID if byte == b'=' => {
                padding(text, i, quantum.len)?;
                quantum.flush(&mut out);
                return Ok(out);
            }
            INVALID => return Err(Corrupt(i - 1)),
            value => quantum.push(value, &mut out),
        }
    }
    match quantum.len {
        0 => Ok(out),
        len => Err(Corrupt(text.len() - len)),
    }
}

/// Checks what follows the first `=`, which stands at `next - 1` after `len`
/// characters of its quantum.
fn padding(text: &[u8], next: usize, len: usize) -> Result<(), Corrupt> {
    let skip = |mut at: usize| {
        while at < text.len() && matches!(text[at], b'\r' | b'\n') {
            at += 1;
        }
        at
    };
    let mut at = next;
    match len {
        0 | 1 => return Err(Corrupt(next - 1)),
        2 => {
            at = skip(at);
            if at == text.len() {
                return Err(Corrupt(text.len()));
            }
            if text[at] != b'=' {
                return Err(Corrupt(at - 1));
            }
            at += 1;
        }
        _ => {}
    }
    at = skip(at);
    if at < text.len() {
        return Err(Corrupt(at));
    }
    Ok(())
}

#[derive(Default)]
struct Quantum {
    bits: u32,
    len: usize,
}

impl Quantum {
    fn push(&mut self, value: u8, out: &mut Vec<u8>) {
        self.bits = self.bits << 6 | u32::from(value);
        self.len += 1;
        if self.len == 4 {
            out.extend_from_slice(&self.bits.to_be_bytes()[1..]);
            *self = Self::default();
        }
    }

    fn flush(&mut self, out: &mut Vec<u8>) {
        let bytes = (self.bits << (6 * (4 - self.len))).to_be_bytes();
        match self.len {
            2 => out.push(bytes[1]),
            3 => out.extend_from_slice(&bytes[1..3]),
            _ => {}
        }
    }
}

const fn table(c62: u8, c63: u8) -> [u8; 256] {
    let mut table = [INVALID; 256];
    let mut i = 0u8;
    while i < 26 {
        table[(b'A' + i) as usize] = i;
        table[(b'a' + i) as usize] = 26 + i;
        i += 1;
    }
    i = 0;
    while i < 10 {
        table[(b'0' + i) as usize] = 52 + i;
        i += 1;
    }
    table[c62 as usize] = 62;
    table[c63 as usize] = 63;
    table
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case("", b"")]
    #[case("aGk", b"hi")]
    #[case("aGl", b"hi")] // left-over bits
    #[case("aG\r\nk", b"hi")]
    #[case("_-8", b"\xff\xef")]
    fn lenient_input_is_decoded(#[case] text: &str, #[case] bytes: &[u8]) {
        assert_eq!(decode_raw_url(text.as_bytes()).as_deref(), Ok(bytes));
    }

    #[rstest]
    #[case("aGk=", 3)]
    #[case("a+k", 1)]
    #[case("aGkxx", 4)]
    #[case("!", 0)]
    fn an_error_names_the_byte(#[case] text: &str, #[case] at: usize) {
        assert_eq!(decode_raw_url(text.as_bytes()), Err(Corrupt(at)));
    }

    #[rstest]
    #[case("aGk=", Ok(b"hi".to_vec()))]
    #[case("aA==", Ok(b"h".to_vec()))]
    #[case("aA=", Err(Corrupt(3)))]
    #[case("aGk", Err(Corrupt(0)))]
    #[case("aGk=x", Err(Corrupt(4)))]
    #[case("a-k=", Err(Corrupt(1)))]
    #[case("aA=x", Err(Corrupt(2)))]
    fn the_padded_alphabet(#[case] text: &str, #[case] bytes: Result<Vec<u8>, Corrupt>) {
        assert_eq!(decode_std(text.as_bytes()), bytes);
    }
}
