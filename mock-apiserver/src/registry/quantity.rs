//! `resource.Quantity`: what the API server writes back for `500m` or
//! `1024Mi` (apimachinery, `pkg/api/resource`).

/// How a quantity was written, which decides how it is printed.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Format {
    DecimalSi,
    DecimalExponent,
    BinarySi,
}

const WRONG: &str =
    "quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'";
const SUFFIX: &str = "unable to parse quantity's suffix";
const NUMERIC: &str = "unable to parse numeric part of quantity";

/// Kubernetes counts in billionths and rounds what is smaller up.
const NANO: i32 = -9;

/// The canonical spelling of `text`.
///
/// # Errors
/// Kubernetes' sentence about what is wrong with it.
pub fn canonical(text: &str) -> Result<String, &'static str> {
    let text = text.trim();
    if text.is_empty() {
        return Err(WRONG);
    }
    let (negative, rest) = match text.as_bytes()[0] {
        b'-' => (true, &text[1..]),
        b'+' => (false, &text[1..]),
        _ => (false, text),
    };
    let whole_end = digits(rest);
    let whole = &rest[..whole_end];
    let mut rest = &rest[whole_end..];
    let mut fraction = "";
    if let Some(after) = rest.strip_prefix('.') {
        let end = digits(after);
        fraction = &after[..end];
        rest = &after[end..];
    }
    if whole.is_empty() && fraction.is_empty() {
        return Err(WRONG);
    }
    let (base, exponent, format) = suffix(rest)?;
    let number: i128 = format!("{whole}{fraction}").parse().map_err(|_| NUMERIC)?;
    // value = number * 10^scale, made of whole billionths.
    let mut scale = -i32::try_from(fraction.len()).map_err(|_| NUMERIC)?;
    let mut number = number;
    if base == 10 {
        scale += exponent;
    } else {
        number = number.checked_mul(1_i128 << exponent).ok_or(NUMERIC)?;
    }
    if scale < NANO {
        let divisor = 10_i128
            .checked_pow(u32::try_from(NANO - scale).map_err(|_| NUMERIC)?)
            .unwrap_or(i128::MAX);
        number = number.div_euclid(divisor) + i128::from(number.rem_euclid(divisor) != 0);
        scale = NANO;
    }
    if number == 0 {
        return Ok("0".to_owned());
    }
    let sign = if negative { "-" } else { "" };
    Ok(format!(
        "{sign}{}",
        print(number, scale, format).ok_or(NUMERIC)?
    ))
}

fn digits(text: &str) -> usize {
    text.bytes().take_while(u8::is_ascii_digit).count()
}

fn suffix(text: &str) -> Result<(u32, i32, Format), &'static str> {
    let known = match text {
        "Ki" => (2, 10, Format::BinarySi),
        "Mi" => (2, 20, Format::BinarySi),
        "Gi" => (2, 30, Format::BinarySi),
        "Ti" => (2, 40, Format::BinarySi),
        "Pi" => (2, 50, Format::BinarySi),
        "Ei" => (2, 60, Format::BinarySi),
        "n" => (10, -9, Format::DecimalSi),
        "u" => (10, -6, Format::DecimalSi),
        "m" => (10, -3, Format::DecimalSi),
        "" => (10, 0, Format::DecimalSi),
        "k" => (10, 3, Format::DecimalSi),
        "M" => (10, 6, Format::DecimalSi),
        "G" => (10, 9, Format::DecimalSi),
        "T" => (10, 12, Format::DecimalSi),
        "P" => (10, 15, Format::DecimalSi),
        "E" => (10, 18, Format::DecimalSi),
        _ => {
            let Some(exponent) = text.strip_prefix(['e', 'E']) else {
                // What the pattern does not even allow has another sentence.
                let plausible = text
                    .bytes()
                    .all(|b| b"eEinumkKMGTP+-0123456789".contains(&b));
                return Err(if plausible { SUFFIX } else { WRONG });
            };
            let exponent: i32 = exponent.parse().map_err(|_| SUFFIX)?;
            if exponent.abs() > 30 {
                return Err(NUMERIC);
            }
            (10, exponent, Format::DecimalExponent)
        }
    };
    Ok(known)
}

/// Nothing where the number does not fit.
fn print(number: i128, scale: i32, format: Format) -> Option<String> {
    if format == Format::BinarySi {
        let whole = whole(number, scale);
        if let Some(mut amount) = whole
            && amount >= 1024
        {
            let mut power = 0;
            while amount % 1024 == 0 && power < 6 {
                amount /= 1024;
                power += 1;
            }
            let suffix = ["", "Ki", "Mi", "Gi", "Ti", "Pi", "Ei"][power];
            return Some(format!("{amount}{suffix}"));
        }
    }
    let (mut amount, mut scale) = (number, scale);
    while amount % 10 == 0 {
        amount /= 10;
        scale += 1;
    }
    while scale.rem_euclid(3) != 0 || (format != Format::DecimalExponent && scale > 18) {
        amount = amount.checked_mul(10)?;
        scale -= 1;
    }
    if format == Format::DecimalExponent {
        return Some(if scale == 0 {
            amount.to_string()
        } else {
            format!("{amount}e{scale}")
        });
    }
    let suffix = match scale {
        -9 => "n",
        -6 => "u",
        -3 => "m",
        3 => "k",
        6 => "M",
        9 => "G",
        12 => "T",
        15 => "P",
        18 => "E",
        _ => "",
    };
    Some(format!("{amount}{suffix}"))
}

/// The value as a whole number, if it is one.
fn whole(number: i128, scale: i32) -> Option<i128> {
    if scale >= 0 {
        number.checked_mul(10_i128.checked_pow(u32::try_from(scale).ok()?)?)
    } else {
        let divisor = 10_i128.checked_pow(u32::try_from(-scale).ok()?)?;
        (number % divisor == 0).then_some(number / divisor)
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("0", "0")]
    #[case("1", "1")]
    #[case("0.5", "500m")]
    #[case("1000m", "1")]
    #[case("100m", "100m")]
    #[case("1024Mi", "1Gi")]
    #[case("1536Mi", "1536Mi")]
    #[case("1.5Gi", "1536Mi")]
    #[case("128Mi", "128Mi")]
    #[case("0.5Ki", "512")]
    #[case("1000", "1k")]
    #[case("12e6", "12e6")]
    #[case("1e3", "1e3")]
    #[case("-2500m", "-2500m")]
    #[case("0.1n", "1n")]
    #[case("1000E", "1000E")]
    fn quantities_are_written_back_in_canonical_form(#[case] text: &str, #[case] expected: &str) {
        assert_eq!(canonical(text), Ok(expected.to_owned()));
    }

    #[rstest]
    #[case("", WRONG)]
    #[case("abc", WRONG)]
    #[case("1 Gi", WRONG)]
    #[case("1mm", SUFFIX)]
    #[case("1KiB", WRONG)]
    #[case("17000000000000000000000000000000000000.1", NUMERIC)]
    fn what_is_no_quantity_is_refused(#[case] text: &str, #[case] error: &str) {
        assert_eq!(canonical(text), Err(error));
    }
}
