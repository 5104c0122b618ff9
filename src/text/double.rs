//! Doubles as commands read them and replies print them: what C's `strtod` takes, and the shortest text that reads
//! back as the same number.
//!
//! An integral value of up to 62 bits is printed as that integer. Of other numbers the shortest digits are printed, and
//! an exponent (`1e+20`, `1.5e-7`) only where plain digits would be much longer: Redis's rules since version 7.2.

/// The longest text: 17 digits with sign, point, leading zeros and an exponent.
const MAX_TEXT: usize = 32;
/// An integer of so many digits is a double exactly.
const EXACT_DIGITS: usize = 15;
/// Integral values up to this size are printed as integers.
const MAX_INTEGER: f64 = (i64::MAX / 2) as f64;

/// Room for the text of one double.
#[derive(Clone, Debug)]
pub struct Buffer {
    bytes: [u8; MAX_TEXT],
    len: usize,
}

impl Default for Buffer {
    fn default() -> Self {
        Self::new()
    }
}

impl Buffer {
    /// An empty one.
    pub const fn new() -> Self {
        Buffer {
            bytes: [0; MAX_TEXT],
            len: 0,
        }
    }

    /// The text of `value`.
    pub fn format(&mut self, value: f64) -> &str {
        self.len = 0;
        if value.is_nan() {
            return "nan";
        }
        if value.is_infinite() {
            return if value > 0.0 { "inf" } else { "-inf" };
        }
        if let Some(integer) = integral(value) {
            self.push(itoa::Buffer::new().format(integer).as_bytes());
        } else {
            self.push_digits(value);
        }
        std::str::from_utf8(&self.bytes[..self.len]).expect("only ASCII was written")
    }

    fn push(&mut self, text: &[u8]) {
        self.bytes[self.len..self.len + text.len()].copy_from_slice(text);
        self.len += text.len();
    }

    fn push_zeros(&mut self, count: i32) {
        (0..count).for_each(|_| self.push(b"0"));
    }

    /// Writes a number that is not printed as an integer; -0 is one.
    fn push_digits(&mut self, value: f64) {
        if value.is_sign_negative() {
            self.push(b"-");
        }
        if value == 0.0 {
            return self.push(b"0");
        }
        let shortest = Digits::of(value.abs());
        let digits = shortest.as_slice();
        let count = digits.len() as i32;
        let scale = shortest.scale;
        let exponent = scale + count - 1;
        if scale >= 0 && exponent.abs() < count + 7 {
            self.push(digits);
            self.push_zeros(scale);
        } else if scale < 0 && (scale > -7 || exponent.abs() < 4) {
            let whole = count + scale;
            if whole <= 0 {
                self.push(b"0.");
                self.push_zeros(-whole);
                self.push(digits);
            } else {
                self.push(&digits[..whole as usize]);
                self.push(b".");
                self.push(&digits[whole as usize..]);
            }
        } else {
            self.push(&digits[..1]);
            if count > 1 {
                self.push(b".");
                self.push(&digits[1..]);
            }
            self.push(if exponent < 0 { b"e-" } else { b"e+" });
            self.push(itoa::Buffer::new().format(exponent.abs()).as_bytes());
        }
    }
}

/// `value` as an integer, if it is one of those that are printed so.
#[inline]
pub fn integral(value: f64) -> Option<i64> {
    let is_minus_zero = value == 0.0 && value.is_sign_negative();
    (value.abs() <= MAX_INTEGER && !is_minus_zero && value as i64 as f64 == value)
        .then_some(value as i64)
}

/// The text that C's `%.17g` makes of a number.
pub fn seventeen_digits(value: f64) -> String {
    general(value, 17)
}

/// The text that C's `%g` makes of a number with so many significant digits, 1 at least.
pub fn general(value: f64, digits: usize) -> String {
    if !value.is_finite() {
        return Buffer::new().format(value).to_owned();
    }
    short_general(value, digits).unwrap_or_else(|| long_general(value, digits))
}

/// As [`general`], where the shortest text that makes the number has no more digits: rounded to so many, the number is those
/// digits and zeros.
fn short_general(value: f64, digits: usize) -> Option<String> {
    /// The number and its shortest text are too close for another text of so many digits to be between them.
    const MAX_DIGITS: usize = 15;
    if digits > MAX_DIGITS || !(1e-4..1e15).contains(&value.abs()) {
        return None;
    }
    let mut text = ryu::Buffer::new();
    let text = text.format_finite(value);
    let text = text.strip_suffix(".0").unwrap_or(text);
    let significant = text.trim_start_matches(['-', '0', '.']);
    let count = significant.len() - usize::from(significant.contains('.'));
    (count <= digits && !text.contains('e')).then(|| text.to_owned())
}

fn long_general(value: f64, digits: usize) -> String {
    let text = format!("{value:.*e}", digits - 1);
    let (mantissa, exponent) = text.split_once('e').unwrap_or((&text, "0"));
    let exponent: i32 = exponent.parse().expect("the exponent of a double is small");
    let trimmed = |text: &str| match text.contains('.') {
        true => text.trim_end_matches('0').trim_end_matches('.').to_owned(),
        false => text.to_owned(),
    };
    if (-4..digits as i32).contains(&exponent) {
        let decimals = (digits as i32 - 1 - exponent).unsigned_abs() as usize;
        return trimmed(&format!("{value:.decimals$}"));
    }
    let sign = if exponent < 0 { '-' } else { '+' };
    format!("{}e{sign}{:02}", trimmed(mantissa), exponent.abs())
}

/// The number that a text begins with, in C's way, and how many bytes of the text it takes; 0 bytes if there is none.
pub fn parse_beginning(text: &[u8]) -> (f64, usize) {
    let number = Prefix::of(text);
    (number.value, number.len)
}

/// The shortest digits that make a number: it is the integer that they spell, times ten to the power of `scale`.
struct Digits {
    bytes: [u8; MAX_TEXT],
    from: usize,
    to: usize,
    scale: i32,
}

impl Digits {
    /// Of a finite positive number.
    fn of(value: f64) -> Digits {
        let mut text = ryu::Buffer::new();
        let text = text.format_finite(value);
        let (mantissa, exponent) = text.split_once('e').unwrap_or((text, "0"));
        let mut digits = Digits {
            bytes: [0; MAX_TEXT],
            from: 0,
            to: 0,
            scale: exponent.parse().expect("ryu prints a small exponent"),
        };
        let mut behind_point = false;
        for byte in mantissa.bytes() {
            if byte == b'.' {
                behind_point = true;
                continue;
            }
            digits.bytes[digits.to] = byte;
            digits.to += 1;
            digits.scale -= i32::from(behind_point);
        }
        while digits.bytes[digits.to - 1] == b'0' {
            digits.to -= 1;
            digits.scale += 1;
        }
        while digits.bytes[digits.from] == b'0' {
            digits.from += 1;
        }
        digits
    }

    fn as_slice(&self) -> &[u8] {
        &self.bytes[self.from..self.to]
    }
}

/// Reads all of `text` as a number in C's way: decimal or hexadecimal, with an exponent or without, `inf`, `infinity`
/// and `nan` in any case. Nothing for anything else, a space in front or behind included, nor for a number that is too
/// large or too small for a double.
pub fn parse(text: &[u8]) -> Option<f64> {
    if let Some(integer) = short_integer(text) {
        return Some(integer);
    }
    if text.first().is_none_or(|&byte| is_space(byte)) {
        return None;
    }
    let number = Prefix::of(text);
    (number.len == text.len() && !number.out_of_range).then_some(number.value)
}

/// An integer that is a double exactly, in digits alone.
#[inline]
fn short_integer(text: &[u8]) -> Option<f64> {
    if text.is_empty() || text.len() > EXACT_DIGITS {
        return None;
    }
    let mut value = 0u64;
    for &byte in text {
        if !is_digit(byte) {
            return None;
        }
        value = value * 10 + u64::from(byte - b'0');
    }
    Some(value as f64)
}

/// Reads a number as C does from a text that it takes to end at a zero byte: spaces in front are skipped, no text at
/// all is 0, and what is too large is infinite. Nothing for `nan` and for anything behind the number.
pub fn parse_lenient(text: &[u8]) -> Option<f64> {
    let end = text.iter().position(|&byte| byte == 0);
    let text = &text[..end.unwrap_or(text.len())];
    let number = Prefix::of(text);
    (number.len == text.len() && !number.value.is_nan()).then_some(number.value)
}

/// As [`parse_lenient`], but nothing for what C's `strtod` calls out of range: too large, or next to zero.
pub fn parse_in_range(text: &[u8]) -> Option<f64> {
    let end = text.iter().position(|&byte| byte == 0);
    let text = &text[..end.unwrap_or(text.len())];
    let number = Prefix::of(text);
    let fits = !number.out_of_range && !number.value.is_subnormal();
    (number.len == text.len() && !number.value.is_nan() && fits).then_some(number.value)
}

/// The number at the beginning of a text.
struct Prefix {
    value: f64,
    /// Bytes of the text that it takes; 0 if there is none, whose value is 0.
    len: usize,
    /// Whether the value is infinite or 0 because the number is too large or too small.
    out_of_range: bool,
}

impl Prefix {
    fn of(text: &[u8]) -> Prefix {
        let spaces = count(text, is_space);
        let signed = &text[spaces..];
        let (negative, unsigned) = match signed {
            [b'-', rest @ ..] => (true, rest),
            [b'+', rest @ ..] => (false, rest),
            rest => (false, rest),
        };
        let Some((size, len, out_of_range)) = special(unsigned)
            .or_else(|| hexadecimal(unsigned))
            .or_else(|| decimal(unsigned))
        else {
            return Prefix {
                value: 0.0,
                len: 0,
                out_of_range: false,
            };
        };
        Prefix {
            value: if negative { -size } else { size },
            len: text.len() - unsigned.len() + len,
            out_of_range,
        }
    }
}

/// Whether C counts the byte as white space.
pub fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t'..=b'\r')
}

fn is_digit(byte: u8) -> bool {
    byte.is_ascii_digit()
}

fn is_hex_digit(byte: u8) -> bool {
    byte.is_ascii_hexdigit()
}

/// How many bytes at the beginning are such ones.
fn count(text: &[u8], is: impl Fn(u8) -> bool) -> usize {
    text.iter()
        .position(|&byte| !is(byte))
        .unwrap_or(text.len())
}

fn special(text: &[u8]) -> Option<(f64, usize, bool)> {
    [
        ("infinity", f64::INFINITY),
        ("inf", f64::INFINITY),
        ("nan", f64::NAN),
    ]
    .into_iter()
    .find(|(word, _)| {
        text.get(..word.len())
            .is_some_and(|head| head.eq_ignore_ascii_case(word.as_bytes()))
    })
    .map(|(word, value)| (value, word.len(), false))
}

/// Bytes of the exponent that begins with one of the two letters; 0 if there is none.
fn exponent_len(text: &[u8], letters: [u8; 2]) -> usize {
    match text {
        [letter, rest @ ..] if letters.contains(letter) => {
            let sign = usize::from(matches!(rest, [b'+' | b'-', ..]));
            match count(&rest[sign..], is_digit) {
                0 => 0,
                digits => 1 + sign + digits,
            }
        }
        _ => 0,
    }
}

/// Bytes of digits with an optional point, and how many of them are behind the point; nothing without any digit.
fn mantissa_len(text: &[u8], is: impl Fn(u8) -> bool + Copy) -> Option<(usize, usize)> {
    let whole = count(text, is);
    let (point, fraction) = match &text[whole..] {
        [b'.', rest @ ..] => (1, count(rest, is)),
        _ => (0, 0),
    };
    (whole + fraction > 0).then_some((whole + point + fraction, fraction))
}

fn decimal(text: &[u8]) -> Option<(f64, usize, bool)> {
    let (mantissa, _) = mantissa_len(text, is_digit)?;
    let len = mantissa + exponent_len(&text[mantissa..], [b'e', b'E']);
    let value: f64 = std::str::from_utf8(&text[..len]).ok()?.parse().ok()?;
    let is_zero = text[..mantissa]
        .iter()
        .all(|byte| matches!(byte, b'0' | b'.'));
    Some((
        value,
        len,
        value.is_infinite() || (value == 0.0 && !is_zero),
    ))
}

fn hexadecimal(text: &[u8]) -> Option<(f64, usize, bool)> {
    let [b'0', b'x' | b'X', digits @ ..] = text else {
        return None;
    };
    let (mantissa, fraction) = mantissa_len(digits, is_hex_digit)?;
    let exponent_len = exponent_len(&digits[mantissa..], [b'p', b'P']);
    let mut exponent = match exponent_len {
        0 => 0,
        len => saturating_exponent(&digits[mantissa + 1..mantissa + len]),
    }
    .saturating_sub(4 * fraction as i64);
    let mut significand = 0u64;
    for digit in digits[..mantissa].iter().filter(|&&byte| byte != b'.') {
        let digit = u64::from(char::from(*digit).to_digit(16).unwrap_or(0));
        if significand >> 60 == 0 {
            significand = significand << 4 | digit;
        } else {
            // Below the bits that a double holds all that matters is whether there is something.
            significand |= u64::from(digit != 0);
            exponent = exponent.saturating_add(4);
        }
    }
    let value = scale(significand as f64, exponent);
    let lost = significand != 0 && (value == 0.0 || value.is_infinite());
    Some((value, 2 + mantissa + exponent_len, lost))
}

fn saturating_exponent(text: &[u8]) -> i64 {
    const FAR: i64 = 1 << 40;
    let (negative, digits) = match text {
        [b'-', rest @ ..] => (true, rest),
        [b'+', rest @ ..] => (false, rest),
        rest => (false, rest),
    };
    let size = digits.iter().fold(0i64, |size, &digit| {
        (size * 10 + i64::from(digit.wrapping_sub(b'0'))).min(FAR)
    });
    if negative { -size } else { size }
}

/// `value` times two to the power of `exponent`, in steps that do not lose bits on the way.
fn scale(mut value: f64, exponent: i64) -> f64 {
    let mut left = exponent.clamp(-2200, 2200) as i32;
    while left != 0 {
        let step = left.clamp(-1000, 1000);
        value *= 2f64.powi(step);
        left -= step;
    }
    value
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_short_way_to_few_digits_agrees_with_the_long_one() {
        let mut rng = fastrand::Rng::with_seed(7);
        let mut short = 0;
        for _ in 0..20_000 {
            let (digits, places) = (rng.usize(1..=17), rng.i32(0..=8));
            let value = rng.i64(-10_000_000..10_000_000) as f64 / 10_f64.powi(places);
            for value in [value, value * (1.0 + f64::EPSILON), rng.f64()] {
                let found = short_general(value, digits);
                short += usize::from(found.is_some());
                assert_eq!(
                    general(value, digits),
                    long_general(value, digits),
                    "{value}"
                );
            }
        }
        assert!(short > 1000, "{short}");
        assert_eq!(short_general(1.5, 14).as_deref(), Some("1.5"));
    }

    #[test]
    fn significant_digits_are_those_asked_for() {
        for (value, digits, text) in [
            (0.1, 14, "0.1"),
            (1.0 / 3.0, 14, "0.33333333333333"),
            (1.0 / 3.0, 3, "0.333"),
            (-2.0 / 3.0, 1, "-0.7"),
            (1e14, 14, "1e+14"),
            (99_999_999_999_999.0, 14, "99999999999999"),
            (1e-5, 14, "1e-05"),
            (0.00012345, 14, "0.00012345"),
            (9.5, 1, "1e+01"),
            (-0.0, 14, "-0"),
            (5e-324, 14, "4.9406564584125e-324"),
        ] {
            assert_eq!(general(value, digits), text);
        }
    }

    #[test]
    fn a_number_at_the_beginning_is_read_up_to_its_end() {
        for (text, value, length) in [
            ("12", 12.0, 2),
            ("1.5e3]", 1500.0, 5),
            ("1e", 1.0, 1),
            ("-x", 0.0, 0),
            ("0x1f,", 31.0, 4),
            ("", 0.0, 0),
            ("-Infinity!", f64::NEG_INFINITY, 9),
        ] {
            assert_eq!(parse_beginning(text.as_bytes()), (value, length), "{text}");
        }
    }

    #[test]
    fn doubles_print_in_their_shortest_form() {
        let cases = [
            (0.0, "0"),
            (-0.0, "-0"),
            (1.0, "1"),
            (-17.0, "-17"),
            (1.5, "1.5"),
            (3.3, "3.3"),
            (0.1 + 0.2, "0.30000000000000004"),
            (1e15, "1000000000000000"),
            (1e18, "1000000000000000000"),
            (1e19, "1e+19"),
            (1e20, "1e+20"),
            (-1.5e300, "-1.5e+300"),
            (12345678901234567890.0, "12345678901234567000"),
            (f64::MAX, "1.7976931348623157e+308"),
            (f64::MIN_POSITIVE, "2.2250738585072014e-308"),
            (5e-324, "5e-324"),
            (0.001, "0.001"),
            (0.000001, "0.000001"),
            (0.0000001, "1e-7"),
            (1.5e-7, "1.5e-7"),
            (0.00012345678, "1.2345678e-4"),
            (0.0012345678, "0.0012345678"),
            (123456.789, "123456.789"),
            (f64::INFINITY, "inf"),
            (f64::NEG_INFINITY, "-inf"),
            (f64::NAN, "nan"),
        ];
        for (value, text) in cases {
            assert_eq!(Buffer::new().format(value), text);
        }
    }

    #[test]
    fn seventeen_digits_are_those_of_c() {
        let cases = [
            (0.0, "0"),
            (-0.0, "-0"),
            (3.3, "3.2999999999999998"),
            (1e16, "10000000000000000"),
            (1e17, "1e+17"),
            (1.5e-7, "1.4999999999999999e-07"),
            (0.0001, "0.0001"),
            (1e300, "1.0000000000000001e+300"),
            (f64::NEG_INFINITY, "-inf"),
        ];
        for (value, text) in cases {
            assert_eq!(seventeen_digits(value), text);
        }
    }

    #[test]
    fn numbers_are_read_as_strtod_reads_them() {
        let cases = [
            ("1", Some(1.0)),
            ("+1.5", Some(1.5)),
            (".5", Some(0.5)),
            ("5.", Some(5.0)),
            ("1e3", Some(1000.0)),
            ("-INF", Some(f64::NEG_INFINITY)),
            ("Infinity", Some(f64::INFINITY)),
            ("0x10", Some(16.0)),
            ("-0x1.8p1", Some(-3.0)),
            ("0x.8", Some(0.5)),
            ("0x1p-1074", Some(5e-324)),
            ("0xfffffffffffffffff", Some(295147905179352825855.0)),
            ("", None),
            (" 1", None),
            ("1 ", None),
            ("1e", None),
            (".", None),
            ("0x", None),
            ("1a", None),
            ("--1", None),
            ("1e999", None),
            ("1e-999", None),
            ("0x1p99999999999999999999", None),
            ("0e-999", Some(0.0)),
            ("1\0", None),
        ];
        for (text, value) in cases {
            assert_eq!(parse(text.as_bytes()), value, "{text:?}");
        }
        assert!(parse(b"nan").is_some_and(f64::is_nan));
    }

    #[test]
    fn a_lenient_reader_takes_spaces_and_nothing() {
        let cases = [
            ("", Some(0.0)),
            (" 1", Some(1.0)),
            ("1 ", None),
            ("1\0rest", Some(1.0)),
            ("1e999", Some(f64::INFINITY)),
            ("nan", None),
            ("a", None),
        ];
        for (text, value) in cases {
            assert_eq!(parse_lenient(text.as_bytes()), value, "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn what_is_printed_reads_back(bits in any::<u64>()) {
            let value = f64::from_bits(bits);
            prop_assume!(!value.is_nan());
            prop_assert_eq!(parse(Buffer::new().format(value).as_bytes()), Some(value));
        }

        #[test]
        fn no_bytes_make_a_reader_panic(text in prop::collection::vec(any::<u8>(), 0..24)) {
            let _ = (parse(&text), parse_lenient(&text));
        }
    }
}
