//! Numbers as the C type `long double` of x86-64 holds and prints them.
//!
//! INCRBYFLOAT and HINCRBYFLOAT calculate with it in Redis, and their results are stored as text, so a
//! drop-in has to round where it rounds: to a significand of 64 bits. The arithmetic is that of
//! `rustc_apfloat`; printing follows `%.17Lf` with the trailing zeros taken off.

use std::ops::Add;

use num_bigint::BigUint;
use rustc_apfloat::ieee::X87DoubleExtended;
use rustc_apfloat::{Float, Round, Status, StatusAnd};

/// Digits after the decimal point before trailing zeros are taken off.
const FRACTION_DIGITS: u32 = 17;
/// The longest text that is read as a number; Redis's own buffer for it is that long.
const MAX_TEXT: usize = 5 * 1024;
/// Bias of the exponent and place of the binary point of the 80-bit format.
const EXPONENT_BIAS: i32 = 16383 + 63;

/// An 80-bit floating-point number.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LongDouble(X87DoubleExtended);

impl LongDouble {
    /// Zero.
    pub const ZERO: LongDouble = LongDouble(X87DoubleExtended::ZERO);

    /// Reads a decimal number, a hexadecimal one (`0x1.8p3`), `inf` or `infinity`; `None` for anything else, a number out of range included.
    pub fn parse(text: &[u8]) -> Option<LongDouble> {
        let text = std::str::from_utf8(text)
            .ok()
            .filter(|text| text.len() <= MAX_TEXT)?;
        let digits = text.strip_prefix(['+', '-']).unwrap_or(text);
        if digits.eq_ignore_ascii_case("inf") || digits.eq_ignore_ascii_case("infinity") {
            let infinity = X87DoubleExtended::INFINITY;
            return Some(LongDouble(if text.starts_with('-') {
                -infinity
            } else {
                infinity
            }));
        }
        if is_decimal(digits)
            && let Some(value) = short_decimal(text)
        {
            return Some(LongDouble(value));
        }
        let parsed = if is_decimal(digits) {
            X87DoubleExtended::from_str_r(text, Round::NearestTiesToEven)
        } else {
            X87DoubleExtended::from_str_r(&hexadecimal(text)?, Round::NearestTiesToEven)
        };
        let StatusAnd { status, value } = parsed.ok()?;
        // What is too small to be told from zero is out of range as well.
        if value.is_zero() && status != Status::OK {
            return None;
        }
        value.is_finite().then_some(LongDouble(value))
    }

    /// This number unless it is infinite or not a number.
    pub fn finite(self) -> Option<LongDouble> {
        self.0.is_finite().then_some(self)
    }

    /// The decimal text, with at most 17 digits after the point. The number must be finite.
    pub fn to_text(self) -> String {
        let bits = self.0.to_bits();
        let exponent = ((bits >> 64) & 0x7fff) as i32 - EXPONENT_BIAS;
        let padded = scaled((bits & u128::from(u64::MAX)) as u64, exponent);
        let (whole, fraction) = padded.split_at(padded.len() - FRACTION_DIGITS as usize);
        let fraction = fraction.trim_end_matches('0');
        let point = if fraction.is_empty() { "" } else { "." };
        let sign = if self.0.is_negative() && (whole != "0" || !fraction.is_empty()) {
            "-"
        } else {
            ""
        };
        format!("{sign}{whole}{point}{fraction}")
    }
}

impl Add for LongDouble {
    type Output = LongDouble;

    fn add(self, other: LongDouble) -> LongDouble {
        LongDouble((self.0 + other.0).value)
    }
}

/// The digits of `significand` times two to the power of `exponent` with those behind the point, and one before it at least.
fn scaled(significand: u64, exponent: i32) -> String {
    const WIDTH: usize = FRACTION_DIGITS as usize + 1;
    // The product takes 121 bits at most.
    let product = u128::from(significand) * 10_u128.pow(FRACTION_DIGITS);
    if !(-127..0).contains(&exponent) {
        let scaled = scale(BigUint::from(product), exponent).to_string();
        return format!("{scaled:0>WIDTH$}");
    }
    let shift = exponent.unsigned_abs();
    let (whole, rest) = (product >> shift, product & ((1 << shift) - 1));
    let half = 1 << (shift - 1);
    let is_odd = whole & 1 == 1;
    let rounded = whole + u128::from(rest > half || (rest == half && is_odd));
    format!("{rounded:0>WIDTH$}")
}

/// A plain decimal number of not too many digits: two integers of which the quotient is rounded once. Others take the long
/// way.
fn short_decimal(text: &str) -> Option<X87DoubleExtended> {
    /// A number of so many digits fits in 128 bits.
    const MAX_DIGITS: usize = 36;
    /// As many as a sum has, and one.
    const MAX_FRACTION: usize = 18;
    /// Those of a significand and one that decides how it is rounded.
    const QUOTIENT_BITS: u32 = 65;
    let digits = text.strip_prefix(['+', '-']).unwrap_or(text);
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    if whole.len() + fraction.len() > MAX_DIGITS || fraction.len() > MAX_FRACTION {
        return None;
    }
    let mut digits = whole.bytes().chain(fraction.bytes());
    let number = digits.try_fold(0_u128, |number, byte| {
        byte.is_ascii_digit()
            .then(|| number * 10 + u128::from(byte - b'0'))
    })?;
    let power = 10_u128.pow(fraction.len() as u32);
    let value = if number == 0 {
        X87DoubleExtended::ZERO
    } else {
        let bits = |number: u128| u128::BITS - number.leading_zeros();
        let shift = (bits(power) + QUOTIENT_BITS).checked_sub(bits(number))?;
        let shifted = number << shift;
        // The last bit stands for all that are cut off.
        let quotient = (shifted / power) << 1 | u128::from(shifted % power != 0);
        let exponent = -(shift.cast_signed() + 1);
        X87DoubleExtended::from_u128(quotient)
            .value
            .scalbn(exponent)
    };
    Some(if text.starts_with('-') { -value } else { value })
}

/// Whether `text` is digits with an optional point and exponent; at least one digit.
fn is_decimal(text: &str) -> bool {
    let (mantissa, exponent) = text
        .split_once(['e', 'E'])
        .map_or((text, None), |(m, e)| (m, Some(e)));
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let all_digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
    let exponent_fits = exponent.is_none_or(|exponent| {
        let digits = exponent.strip_prefix(['+', '-']).unwrap_or(exponent);
        !digits.is_empty() && digits.len() <= 6 && all_digits(digits)
    });
    all_digits(whole) && all_digits(fraction) && whole.len() + fraction.len() > 0 && exponent_fits
}

/// The text of a hexadecimal number with the exponent that C lets be left out; `None` for anything else.
fn hexadecimal(text: &str) -> Option<String> {
    let digits = text.strip_prefix(['+', '-']).unwrap_or(text);
    let digits = digits
        .strip_prefix("0x")
        .or_else(|| digits.strip_prefix("0X"))?;
    let (mantissa, exponent) = digits.split_once(['p', 'P']).unwrap_or((digits, "0"));
    let number = exponent.strip_prefix(['+', '-']).unwrap_or(exponent);
    let exponent_fits =
        (1..=6).contains(&number.len()) && number.bytes().all(|byte| byte.is_ascii_digit());
    let mut parts = mantissa.splitn(2, '.');
    let sound = parts.all(|part| part.bytes().all(|byte| byte.is_ascii_hexdigit()))
        && mantissa.bytes().any(|byte| byte.is_ascii_hexdigit());
    let sign = if text.starts_with('-') { "-" } else { "" };
    (sound && exponent_fits).then(|| format!("{sign}0x{mantissa}p{exponent}"))
}

/// `value` times two to the power of `exponent`, rounded to the nearest integer, ties to even.
fn scale(value: BigUint, exponent: i32) -> BigUint {
    if exponent >= 0 {
        return value << exponent as u32;
    }
    let shift = u64::from(exponent.unsigned_abs());
    let whole = &value >> shift;
    let rest = value - (&whole << shift);
    let half = BigUint::from(1u32) << (shift - 1);
    let odd = whole.bit(0);
    if rest > half || (rest == half && odd) {
        whole + 1u32
    } else {
        whole
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_print_as_redis_prints_them() {
        let cases = [
            ("3", "1.1", "4.1"),
            ("0.1", "0.2", "0.3"),
            ("5.0e3", "2.0e2", "5200"),
            ("17179869184", "1.5", "17179869185.5"),
            ("1.23", "-1.23", "0"),
            ("-1", "-0.5", "-1.5"),
            ("10.50", "0.1", "10.6"),
            ("1", "1e-18", "1"),
            ("-0", "0", "0"),
            ("999999999999999999", "1", "1000000000000000000"),
            (".5", "5.", "5.5"),
            ("0x10", "-0X.8p1", "15"),
        ];
        for (a, b, want) in cases {
            let sum =
                LongDouble::parse(a.as_bytes()).unwrap() + LongDouble::parse(b.as_bytes()).unwrap();
            assert_eq!(sum.to_text(), want, "{a} + {b}");
        }
    }

    #[test]
    fn the_short_ways_agree_with_the_long_ones() {
        let (mut rng, mut taken) = (fastrand::Rng::with_seed(7), 0);
        for _ in 0..5000 {
            let most = 10_u128.pow(rng.u32(1..=36));
            let mut text = rng.u128(..most).to_string();
            text.insert(text.len() - rng.usize(..=text.len().min(18)), '.');
            let sign = ["", "-", "+"][rng.usize(..3)];
            let text = format!("{sign}{text}");
            let long = X87DoubleExtended::from_str_r(&text, Round::NearestTiesToEven);
            let (short, long) = (short_decimal(&text), long.expect("a number").value);
            assert!(short.is_none_or(|short| short == long), "{text}");
            taken += usize::from(short.is_some());

            let (significand, exponent) = (rng.u64(1 << 63..), rng.i32(-127..0));
            let product = BigUint::from(significand) * BigUint::from(10u32).pow(FRACTION_DIGITS);
            let long = scale(product, exponent).to_string();
            assert_eq!(scaled(significand, exponent), format!("{long:0>18}"));
        }
        assert!(taken > 3000, "{taken}");
        assert_eq!(short_decimal("0.1234567890123456789"), None);
        assert_eq!(short_decimal("1e5"), None);
    }

    #[test]
    fn what_is_no_number_is_refused() {
        for text in [
            "",
            " 1",
            "1 ",
            "abc",
            "1a",
            "nan",
            ".",
            "e5",
            "1e",
            "--1",
            "0x",
            "0x.",
            "0xg",
            "0x1p",
            "1e9999999",
            "1e5000",
            "5e-32421",
            "1\0",
        ] {
            assert_eq!(LongDouble::parse(text.as_bytes()), None, "{text:?}");
        }
        assert!(LongDouble::parse(b"-inf").unwrap().finite().is_none());
    }
}
