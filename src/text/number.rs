//! Numbers as the protocol and the data set read and print them.
//!
//! Redis is strict when it reads an integer: no sign but a leading minus, no spaces, no leading
//! zeros, no overflow. The protocol's lengths, commands' arguments and the "int" encoding of
//! strings all share that one rule, so that a text is an integer exactly when it prints back the same.

/// The longest decimal text of an `i64`, sign included.
pub const MAX_I64_LEN: usize = 20;

/// Parses `text` if it is the canonical decimal form of an `i64`, else `None`.
#[inline]
pub fn parse_i64(text: &[u8]) -> Option<i64> {
    // Most byte strings are told from a number by their first byte alone.
    match text.first()? {
        b'-' | b'0'..=b'9' if text.len() <= MAX_I64_LEN => parse_digits(text),
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
    for &byte in digits {
        let digit = byte.wrapping_sub(b'0');
        if digit > 9 {
            return None;
        }
        value = value.checked_mul(10)?.checked_add(u64::from(digit))?;
    }
    if negative {
        0i64.checked_sub_unsigned(value)
    } else {
        i64::try_from(value).ok()
    }
}

/// Parses the canonical decimal form of a `u64` (cursors), else `None`.
pub fn parse_u64(text: &[u8]) -> Option<u64> {
    match text {
        [] | [b'0', _, ..] => return None,
        _ if text.len() > MAX_I64_LEN => return None,
        _ => {}
    }
    text.iter().try_fold(0u64, |value, &byte| {
        let digit = byte.wrapping_sub(b'0');
        if digit > 9 {
            return None;
        }
        value.checked_mul(10)?.checked_add(u64::from(digit))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn integers_are_read_only_in_their_canonical_form() {
        for value in [
            0,
            1,
            -1,
            9,
            10,
            42,
            127,
            -128,
            4096,
            i64::MAX,
            i64::MIN,
            i64::MIN + 1,
        ] {
            assert_eq!(parse_i64(value.to_string().as_bytes()), Some(value));
        }
        for text in [
            "",
            "-",
            "+1",
            " 1",
            "1 ",
            "01",
            "-0",
            "-01",
            "00",
            "--1",
            "1a",
            "1.0",
            "0x1",
            "9223372036854775808",
            "-9223372036854775809",
            "99999999999999999999",
            "111111111111111111111",
            "1\0",
        ] {
            assert_eq!(parse_i64(text.as_bytes()), None, "{text:?}");
        }
    }

    #[test]
    fn unsigned_integers_reach_the_top_of_their_range() {
        assert_eq!(parse_u64(b"18446744073709551615"), Some(u64::MAX));
        assert_eq!(parse_u64(b"0"), Some(0));
        for text in ["", "18446744073709551616", "00", "-1", "a"] {
            assert_eq!(parse_u64(text.as_bytes()), None, "{text:?}");
        }
    }
}
