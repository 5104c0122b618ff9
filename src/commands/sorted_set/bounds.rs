//! The ends of ranges as arguments: ranks, scores (`(1.5`, `-inf`) and texts (`[a`, `(b`, `-`, `+`).

use std::ops::Range;

use crate::command::CommandError;
use crate::store::types::sorted_set::{LexBound, ScoreBound, SortedSet};
use crate::text::double;
use crate::text::number::parse_i64;

const NOT_A_SCORE: CommandError = CommandError::fixed("ERR min or max is not a float");
const NOT_A_TEXT: CommandError = CommandError::fixed("ERR min or max not valid string range item");

/// What a range is one of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum By {
    /// Indexes, negative ones from the end.
    Rank,
    /// Scores.
    Score,
    /// Texts, where all scores are equal.
    Lex,
}

/// A range of members.
#[derive(Clone, Copy, Debug)]
pub enum Bounds<'a> {
    /// From an index to an index, inclusive.
    Rank(i64, i64),
    /// From a score to a score.
    Score(ScoreBound, ScoreBound),
    /// From a text to a text.
    Lex(LexBound<'a>, LexBound<'a>),
}

impl<'a> Bounds<'a> {
    /// Reads the two ends of a range.
    pub fn parse(by: By, min: &'a [u8], max: &'a [u8]) -> Result<Bounds<'a>, CommandError> {
        match by {
            By::Rank => {
                let index = |text| parse_i64(text).ok_or(CommandError::NotInteger);
                Ok(Bounds::Rank(index(min)?, index(max)?))
            }
            By::Score => {
                let bound = |text| score_bound(text).ok_or(NOT_A_SCORE);
                Ok(Bounds::Score(bound(min)?, bound(max)?))
            }
            By::Lex => {
                let bound = |text| lex_bound(text).ok_or(NOT_A_TEXT);
                Ok(Bounds::Lex(bound(min)?, bound(max)?))
            }
        }
    }

    /// The indexes of the range in `set`; if `from_end`, ranks count from the highest score.
    pub fn resolve(&self, set: &SortedSet, from_end: bool) -> Range<usize> {
        match *self {
            Bounds::Rank(start, stop) => {
                let len = set.len();
                let range = clamp(start, stop, len);
                if from_end {
                    len - range.end..len - range.start
                } else {
                    range
                }
            }
            Bounds::Score(min, max) => set.score_range(min, max),
            Bounds::Lex(min, max) => set.lex_range(min, max),
        }
    }
}

/// Reads an end of a range by score. Redis reads it as C does: spaces in front and no text at all are taken.
fn score_bound(text: &[u8]) -> Option<ScoreBound> {
    match text {
        [b'(', rest @ ..] => double::parse_lenient(rest).map(ScoreBound::Excluded),
        text => double::parse_lenient(text).map(ScoreBound::Included),
    }
}

/// Reads an end of a range by text.
fn lex_bound(text: &[u8]) -> Option<LexBound<'_>> {
    match text {
        // The zero byte ends a word for C.
        [b'-'] | [b'-', 0, ..] => Some(LexBound::First),
        [b'+'] | [b'+', 0, ..] => Some(LexBound::Last),
        [b'[', rest @ ..] => Some(LexBound::Included(rest)),
        [b'(', rest @ ..] => Some(LexBound::Excluded(rest)),
        _ => None,
    }
}

/// The range of `len` elements that Redis means by `start` and `stop` (inclusive, negative from the end).
fn clamp(start: i64, stop: i64, len: usize) -> Range<usize> {
    let from_end = |index: i64| match index {
        0.. => index,
        _ => index.saturating_add(len as i64),
    };
    let start = from_end(start).max(0) as usize;
    let end = (from_end(stop).saturating_add(1).max(0) as usize).min(len);
    if start < end { start..end } else { 0..0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranks_are_clamped_to_the_set() {
        let cases = [
            (0, -1, 5, 0..5),
            (1, 3, 5, 1..4),
            (-3, -2, 5, 2..4),
            (-100, 2, 5, 0..3),
            (3, 1, 5, 0..0),
            (5, 10, 5, 0..0),
            (0, -6, 5, 0..0),
            (i64::MIN, i64::MAX, 5, 0..5),
            (i64::MAX, i64::MIN, 5, 0..0),
            (0, 0, 0, 0..0),
        ];
        for (start, stop, len, want) in cases {
            assert_eq!(clamp(start, stop, len), want, "{start} {stop} of {len}");
        }
    }

    #[test]
    fn ends_are_read_as_redis_reads_them() {
        assert_eq!(score_bound(b"(1.5"), Some(ScoreBound::Excluded(1.5)));
        assert_eq!(score_bound(b" 1"), Some(ScoreBound::Included(1.0)));
        assert_eq!(score_bound(b""), Some(ScoreBound::Included(0.0)));
        assert_eq!(score_bound(b"nan"), None);
        assert_eq!(score_bound(b"((1"), None);
        assert_eq!(lex_bound(b"+"), Some(LexBound::Last));
        assert_eq!(lex_bound(b"["), Some(LexBound::Included(b"")));
        assert_eq!(lex_bound(b"(a"), Some(LexBound::Excluded(b"a")));
        assert_eq!(lex_bound(b"+a"), None);
        assert_eq!(lex_bound(b"a"), None);
        assert_eq!(lex_bound(b""), None);
    }
}
