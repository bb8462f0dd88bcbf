//! IP addresses and their ranges: which are valid, and what Kubernetes says
//! about those that are not (`k8s.io/apimachinery/pkg/util/validation/ip.go`).

use std::net::IpAddr;

/// What is wrong with an IP address.
pub fn address_fault(text: &str) -> Option<&'static str> {
    match text.parse::<IpAddr>() {
        Ok(address) if is_mapped(address) => Some("must not be an IPv4-mapped IPv6 address"),
        Ok(_) => None,
        Err(_) if without_zeros(text).parse::<IpAddr>().is_ok() => Some("must not have leading 0s"),
        Err(_) => Some("must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)"),
    }
}

/// What is wrong with a range of addresses, such as `10.0.0.0/24`.
pub fn range_fault(text: &str) -> Option<&'static str> {
    const MALFORMED: &str = "must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)";
    let Some((address, length)) = text.split_once('/') else {
        return Some(MALFORMED);
    };
    let digits = !length.is_empty() && length.bytes().all(|b| b.is_ascii_digit());
    let (Ok(parsed), Ok(bits)) = (
        without_zeros(address).parse::<IpAddr>(),
        length.parse::<u32>(),
    ) else {
        return Some(MALFORMED);
    };
    if !digits || bits > width(parsed) {
        return Some(MALFORMED);
    }
    if address.parse::<IpAddr>().is_err() || (length.len() > 1 && length.starts_with('0')) {
        return Some("must not have leading 0s in IP or prefix length");
    }
    if is_mapped(parsed) {
        return Some("must not have an IPv4-mapped IPv6 address");
    }
    has_bits_beyond(parsed, bits).then_some("must not have bits set beyond the prefix length")
}

fn is_mapped(address: IpAddr) -> bool {
    matches!(address, IpAddr::V6(v6) if v6.to_ipv4_mapped().is_some())
}

const fn width(address: IpAddr) -> u32 {
    match address {
        IpAddr::V4(_) => 32,
        IpAddr::V6(_) => 128,
    }
}

fn has_bits_beyond(address: IpAddr, length: u32) -> bool {
    let bits = match address {
        IpAddr::V4(v4) => u128::from(v4.to_bits()),
        IpAddr::V6(v6) => v6.to_bits(),
    };
    let beyond = width(address) - length;
    bits.trailing_zeros() < beyond && bits != 0
}

/// An IPv4 address as Kubernetes used to read it, zeros in front skipped.
fn without_zeros(address: &str) -> String {
    if address.contains(':') {
        return address.to_owned();
    }
    let parts = address.split('.').map(|part| {
        let digits = part.trim_start_matches('0');
        if digits.is_empty() && !part.is_empty() {
            "0"
        } else {
            digits
        }
    });
    parts.collect::<Vec<_>>().join(".")
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("10.96.0.5", None)]
    #[case("::1", None)]
    #[case("010.1.1.1", Some("must not have leading 0s"))]
    #[case("::ffff:1.2.3.4", Some("must not be an IPv4-mapped IPv6 address"))]
    #[case(
        "10.0.0.300",
        Some("must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)")
    )]
    #[case(
        "1.2.3.4/24",
        Some("must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)")
    )]
    #[case(
        "1..2.3",
        Some("must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)")
    )]
    fn an_address_is_looked_at(#[case] text: &str, #[case] fault: Option<&str>) {
        assert_eq!(address_fault(text), fault);
    }

    #[rstest]
    #[case("10.0.0.0/24", None)]
    #[case("0.0.0.0/0", None)]
    #[case("fd00::/64", None)]
    #[case("10.0.0.5/24", Some("must not have bits set beyond the prefix length"))]
    #[case(
        "10.00.0.0/24",
        Some("must not have leading 0s in IP or prefix length")
    )]
    #[case("10.0.0.0/08", Some("must not have leading 0s in IP or prefix length"))]
    #[case(
        "::ffff:1.2.3.0/120",
        Some("must not have an IPv4-mapped IPv6 address")
    )]
    #[case(
        "10.0.0.0/33",
        Some("must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)")
    )]
    #[case(
        "10.0.0.0/+8",
        Some("must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)")
    )]
    #[case(
        "10.0.0.0",
        Some("must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)")
    )]
    #[case(
        "x",
        Some("must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)")
    )]
    fn a_range_is_looked_at(#[case] text: &str, #[case] fault: Option<&str>) {
        assert_eq!(range_fault(text), fault);
    }
}
