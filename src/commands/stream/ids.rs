//! How ids are written: `ms-seq`, `ms` alone, `-` and `+` for the lowest and the highest, `(id` for an open end of a
//! range, and for XADD `*` and `ms-*`.

use crate::command::CommandError;
use crate::store::types::stream::StreamId;
use crate::text::number::parse_i64;

/// The error for what is no id.
pub(super) const INVALID_ID: CommandError =
    CommandError::fixed("ERR Invalid stream ID specified as stream command argument");
const INVALID_START: CommandError = CommandError::fixed("ERR invalid start ID for the interval");
const INVALID_END: CommandError = CommandError::fixed("ERR invalid end ID for the interval");
/// A text that is longer is no id, however many zeros it begins with.
const MAX_ID_TEXT: usize = 127;

/// The id that XADD is to give.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NewId {
    /// `*`: the time now, or what follows the last id.
    Auto,
    /// `ms-*`: the next number in that millisecond.
    AutoSeq(u64),
    /// Just this one.
    Given(StreamId),
}

/// What stands behind the dash.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Seq {
    Missing,
    Star,
    Number(u64),
}

/// An unsigned number as Redis reads it here: canonical, or what C's `strtoull` takes as a whole, which allows white
/// space and a sign in front, and zeros.
fn parse_unsigned(text: &[u8]) -> Option<u64> {
    if let Some(value) = parse_i64(text) {
        return u64::try_from(value).ok();
    }
    let is_space = |byte: &u8| matches!(byte, b' ' | b'\t'..=b'\r');
    let start = text.iter().position(|byte| !is_space(byte))?;
    let (negative, digits) = match &text[start..] {
        [b'-', digits @ ..] => (true, digits),
        [b'+', digits @ ..] => (false, digits),
        digits => (false, digits),
    };
    if digits.is_empty() {
        return None;
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
    Some(if negative {
        value.wrapping_neg()
    } else {
        value
    })
}

fn parse_parts(text: &[u8]) -> Option<(u64, Seq)> {
    if text.len() > MAX_ID_TEXT {
        return None;
    }
    match text.iter().position(|&byte| byte == b'-') {
        None => Some((parse_unsigned(text)?, Seq::Missing)),
        Some(dash) => {
            let ms = parse_unsigned(&text[..dash])?;
            match &text[dash + 1..] {
                b"*" => Some((ms, Seq::Star)),
                seq => Some((ms, Seq::Number(parse_unsigned(seq)?))),
            }
        }
    }
}

fn parse_with(text: &[u8], missing_seq: u64) -> Result<StreamId, CommandError> {
    match parse_parts(text) {
        Some((ms, Seq::Number(seq))) => Ok(StreamId::new(ms, seq)),
        Some((ms, Seq::Missing)) => Ok(StreamId::new(ms, missing_seq)),
        _ => Err(INVALID_ID),
    }
}

/// Reads an id; a missing number is 0.
pub(super) fn parse_id(text: &[u8]) -> Result<StreamId, CommandError> {
    parse_with(text, 0)
}

/// Reads an id, or `-` or `+`.
fn parse_end_or(text: &[u8], missing_seq: u64) -> Result<StreamId, CommandError> {
    match text {
        b"-" => Ok(StreamId::MIN),
        b"+" => Ok(StreamId::MAX),
        _ => parse_with(text, missing_seq),
    }
}

/// Reads an id, or `-` or `+`; a missing number is 0.
pub(super) fn parse_id_or_end(text: &[u8]) -> Result<StreamId, CommandError> {
    parse_end_or(text, 0)
}

/// Reads the lower end of a range.
pub(super) fn parse_start(text: &[u8]) -> Result<StreamId, CommandError> {
    match text {
        [b'(', id @ ..] if !id.is_empty() => parse_with(id, 0)?.next().ok_or(INVALID_START),
        _ => parse_end_or(text, 0),
    }
}

/// Reads the upper end of a range; a missing number is the highest.
pub(super) fn parse_end(text: &[u8]) -> Result<StreamId, CommandError> {
    match text {
        [b'(', id @ ..] if !id.is_empty() => parse_with(id, u64::MAX)?.prev().ok_or(INVALID_END),
        _ => parse_end_or(text, u64::MAX),
    }
}

/// Reads the id of a new entry.
pub(super) fn parse_new_id(text: &[u8]) -> Result<NewId, CommandError> {
    match parse_parts(text) {
        _ if text == b"*" => Ok(NewId::Auto),
        Some((ms, Seq::Number(seq))) => Ok(NewId::Given(StreamId::new(ms, seq))),
        Some((ms, Seq::Missing)) => Ok(NewId::Given(StreamId::new(ms, 0))),
        Some((ms, Seq::Star)) => Ok(NewId::AutoSeq(ms)),
        None => Err(INVALID_ID),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TOP: u64 = u64::MAX;

    #[test]
    fn ids_are_read_as_redis_reads_them() {
        for (text, want) in [
            ("1-2", Some((1, 2))),
            ("7", Some((7, 0))),
            (
                "18446744073709551615-18446744073709551615",
                Some((TOP, TOP)),
            ),
            ("007-08", Some((7, 8))),
            (" 7", Some((7, 0))),
            ("+7-+8", Some((7, 8))),
            ("1--01", Some((1, TOP))),
            ("1--1", None),
            ("18446744073709551616", None),
            ("", None),
            ("-", None),
            ("+", None),
            ("*", None),
            ("1-*", None),
            ("1-", None),
            ("-1", None),
            ("1-2-3", None),
            ("1-2 ", None),
            ("abc", None),
            ("(1-2", None),
        ] {
            let id = want.map(|(ms, seq)| StreamId::new(ms, seq));
            assert_eq!(parse_id(text.as_bytes()).ok(), id, "{text:?}");
        }
        assert_eq!(parse_id(&[b'0'; 127]), Ok(StreamId::MIN));
        assert_eq!(parse_id(&[b'0'; 128]), Err(INVALID_ID));
    }

    #[test]
    fn ends_of_ranges_may_be_open() {
        let id = StreamId::new;
        for (text, start, end) in [
            ("-", Ok(StreamId::MIN), Ok(StreamId::MIN)),
            ("+", Ok(StreamId::MAX), Ok(StreamId::MAX)),
            ("5", Ok(id(5, 0)), Ok(id(5, TOP))),
            ("(5", Ok(id(5, 1)), Ok(id(5, TOP - 1))),
            ("(5-7", Ok(id(5, 8)), Ok(id(5, 6))),
            ("(5-0", Ok(id(5, 1)), Ok(id(4, TOP))),
            ("(0-0", Ok(id(0, 1)), Err(INVALID_END)),
            ("(", Err(INVALID_ID), Err(INVALID_ID)),
            ("(-", Err(INVALID_ID), Err(INVALID_ID)),
            ("(+", Err(INVALID_ID), Err(INVALID_ID)),
        ] {
            assert_eq!(parse_start(text.as_bytes()), start, "{text}");
            assert_eq!(parse_end(text.as_bytes()), end, "{text}");
        }
        let top = b"(18446744073709551615-18446744073709551615";
        assert_eq!(parse_start(top), Err(INVALID_START));
    }

    #[test]
    fn new_ids_may_be_left_to_the_stream() {
        for (text, want) in [
            ("*", Ok(NewId::Auto)),
            ("5-*", Ok(NewId::AutoSeq(5))),
            ("5", Ok(NewId::Given(StreamId::new(5, 0)))),
            ("5-6", Ok(NewId::Given(StreamId::new(5, 6)))),
            ("*-5", Err(INVALID_ID)),
            ("5-**", Err(INVALID_ID)),
            ("+", Err(INVALID_ID)),
        ] {
            assert_eq!(parse_new_id(text.as_bytes()), want, "{text}");
        }
    }
}
