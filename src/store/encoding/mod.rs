//! Compact encodings: how small things are laid out in one buffer.
//!
//! * [`flat`]: a sequence of byte strings and integers in one allocation, for every small collection and for the
//!   chunks of a long list.
//! * [`hyperloglog`]: a set counted approximately, in Redis's own bytes.
//!
//! An encoding knows bytes only, no type of value and no limit: when a collection has outgrown its encoding is for
//! the type in `store/types` to say. A new encoding is a new file here with its layout in its head.
pub mod flat;
pub mod hyperloglog;

/// Reads `text` as a signed 64-bit integer if it is exactly what printing that integer gives.
///
/// So `"12"` and `"-7"` are integers, `"012"`, `"+5"`, `"-0"`, `" 1"` and the empty string are not: only what comes
/// back unchanged may be stored as a number.
#[inline]
pub fn parse_canonical_i64(text: &[u8]) -> Option<i64> {
    // Nineteen digits and a sign are the longest there is. Most byte strings are told from a number by this alone.
    match text.first()? {
        b'-' | b'0'..=b'9' if text.len() <= 20 => parse_digits(text),
        _ => None,
    }
}

fn parse_digits(text: &[u8]) -> Option<i64> {
    let (negative, digits) = match text {
        [b'-', rest @ ..] => (true, rest),
        rest => (false, rest),
    };
    match digits {
        [b'0'] if !negative => return Some(0),
        [b'1'..=b'9', ..] => {}
        _ => return None,
    }
    let mut value: u64 = 0;
    for &digit in digits {
        if !digit.is_ascii_digit() {
            return None;
        }
        value = value
            .checked_mul(10)?
            .checked_add(u64::from(digit - b'0'))?;
    }
    if negative {
        0i64.checked_sub_unsigned(value)
    } else {
        i64::try_from(value).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_canonical_integers_are_integers() {
        for value in [
            0,
            1,
            -1,
            9,
            10,
            127,
            128,
            -128,
            4095,
            4096,
            i64::MAX,
            i64::MIN,
            i64::MIN + 1,
        ] {
            assert_eq!(
                parse_canonical_i64(value.to_string().as_bytes()),
                Some(value),
                "{value}"
            );
        }
        for text in [
            "",
            "-",
            "-0",
            "00",
            "01",
            "+1",
            " 1",
            "1 ",
            "1a",
            "--1",
            "0x1",
            "1.0",
            "9223372036854775808",
            "-9223372036854775809",
            "18446744073709551616",
            "99999999999999999999",
            "111111111111111111111",
        ] {
            assert_eq!(parse_canonical_i64(text.as_bytes()), None, "{text:?}");
        }
    }
}
