//! A private RSA key in a key set: what Go has against it (Go 1.26, crypto/rsa
//! `PrivateKey.Validate` and crypto/internal/fips140/rsa). It verifies nothing,
//! but a bad one makes the whole set unusable.

use std::cmp::Ordering;

use rsa::BoxedUint;

/// Big-endian numbers, and the values of the Chinese remainder theorem (`dp`,
/// `dq`, `qi`) where the key has all three.
pub(super) struct PrivateNumbers<'a> {
    pub(super) n: &'a [u8],
    pub(super) e: i64,
    pub(super) d: &'a [u8],
    pub(super) p: &'a [u8],
    pub(super) q: &'a [u8],
    pub(super) precomputed: Option<[&'a [u8]; 3]>,
}

impl PrivateNumbers<'_> {
    /// `Validate`: Go's words, in the order of its checks.
    pub(super) fn check(&self) -> Result<(), &'static str> {
        let [n, p, q] = [self.n, self.p, self.q].map(|bytes| Modulus::new(number(bytes)));
        let (n, p, q) = (n?, p?, q?);
        let d = n.below(number(self.d))?;
        let (dp, dq, qi) = match self.precomputed {
            Some([dp, dq, qi]) => (number(dp), number(dq), p.below(number(qi))?),
            None => {
                let (dp, dq) = (p.less_one()?.rem(&d), q.less_one()?.rem(&d));
                if !is_odd(&p.0) {
                    return Err("crypto/rsa: p is even");
                }
                (dp, dq, p.inverse(&q.0))
            }
        };
        self.check_public(&n)?;
        for prime in [&p, &q] {
            if n.below(prime.0.clone()).is_err() {
                return Err("crypto/rsa: invalid prime");
            }
        }
        if !bool::from(n.rem(&product(&p.0, &q.0)).is_zero()) {
            return Err("crypto/rsa: p * q != n");
        }
        let e = BoxedUint::from(self.e.cast_unsigned());
        let mut matches = Vec::new();
        for (prime, exponent) in [(&p, dp), (&q, dq)] {
            let less = prime.less_one().map_err(|_| "crypto/rsa: invalid prime")?;
            let exponent = less.below(exponent);
            let exponent = exponent.map_err(|_| "crypto/rsa: invalid CRT exponent")?;
            if !is_one(&less.rem(&product(&e, &exponent))) {
                return Err("crypto/rsa: invalid CRT exponent");
            }
            matches.push(less.rem(&d) == exponent);
        }
        if !is_one(&p.rem(&product(&q.0, &qi))) {
            return Err("crypto/rsa: invalid CRT coefficient");
        }
        if !matches[0] {
            return Err("crypto/rsa: d does not match dP");
        }
        if !matches[1] {
            return Err("crypto/rsa: d does not match dQ");
        }
        let distance = match p.0.cmp_vartime(&q.0) {
            Ordering::Equal => return Err("crypto/rsa: p == q"),
            Ordering::Less => difference(&q.0, &p.0),
            Ordering::Greater => difference(&p.0, &q.0),
        };
        let half = i64::from(n.0.bit_width_vartime() / 2);
        if i64::from(distance.bit_width_vartime()) <= half - 100 {
            return Err("crypto/rsa: |p - q| too small");
        }
        if i64::from(d.bit_width_vartime()) <= half {
            return Err("crypto/rsa: d too small");
        }
        Ok(())
    }

    /// `checkPublicKey`.
    fn check_public(&self, n: &Modulus) -> Result<(), &'static str> {
        if !is_odd(&n.0) {
            Err("crypto/rsa: public modulus is even")
        } else if self.e < 2 {
            Err("crypto/rsa: public exponent too small or negative")
        } else if self.e % 2 == 0 {
            Err("crypto/rsa: public exponent is even")
        } else if self.e > i64::from(i32::MAX) {
            Err("crypto/rsa: public exponent too large")
        } else {
            Ok(())
        }
    }
}

/// `bigmod.Modulus`: a number above one.
struct Modulus(BoxedUint);

impl Modulus {
    fn new(number: BoxedUint) -> Result<Self, &'static str> {
        if bool::from(number.is_zero()) || is_one(&number) {
            return Err("modulus must be > 1");
        }
        Ok(Self(number))
    }

    fn less_one(&self) -> Result<Self, &'static str> {
        Self::new(difference(&self.0, &BoxedUint::one()))
    }

    /// `Nat.SetBytes`: a number that is below it.
    fn below(&self, found: BoxedUint) -> Result<BoxedUint, &'static str> {
        // Go's numbers are as many words of 64 bits long as the modulus.
        let words = |number: &BoxedUint| number.bit_width_vartime().div_ceil(64);
        if words(&found) > words(&self.0) {
            Err("input overflows the modulus size")
        } else if found < self.0 {
            Ok(found)
        } else {
            Err("input overflows the modulus")
        }
    }

    fn rem(&self, number: &BoxedUint) -> BoxedUint {
        match self.0.as_nz_vartime() {
            Some(modulus) => number.rem_vartime(modulus),
            // It is above one.
            None => BoxedUint::zero(),
        }
    }

    /// By Fermat's little theorem, as Go does it, which is none where the modulus
    /// is no prime.
    fn inverse(&self, number: &BoxedUint) -> BoxedUint {
        let exponent = difference(&self.0, &BoxedUint::from(2_u64));
        let base = self.rem(number);
        let mut power = BoxedUint::one();
        for bit in (0..exponent.bit_width_vartime()).rev() {
            power = self.rem(&product(&power, &power));
            if exponent.bit_vartime(bit) {
                power = self.rem(&product(&power, &base));
            }
        }
        power
    }
}

fn number(bytes: &[u8]) -> BoxedUint {
    BoxedUint::from_be_slice_vartime(bytes)
}

fn product(one: &BoxedUint, other: &BoxedUint) -> BoxedUint {
    let room = one.bits_precision() + other.bits_precision();
    BoxedUint::from_words_with_precision(one.to_words(), room).wrapping_mul(other)
}

/// `more` is not less.
fn difference(more: &BoxedUint, less: &BoxedUint) -> BoxedUint {
    more.wrapping_sub(less)
}

fn is_odd(number: &BoxedUint) -> bool {
    number.bit_vartime(0)
}

fn is_one(number: &BoxedUint) -> bool {
    bool::from(number.is_one())
}
