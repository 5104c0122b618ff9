//! Whether two replies say the same, given the command that they answer.
//!
//! Replies are equal byte for byte, but for what the command's tips leave open: the order
//! (`nondeterministic_output_order`), or all but the form (`nondeterministic_output`); times, which pass; and cursors,
//! which are each server's own. What is different on purpose is in [`crate::known`].

use crate::grammar::Command;
use crate::known;
use crate::peer::{Reply, Words};

/// Times may be so far apart, in milliseconds: both servers are asked one after the other.
const TIME_TOLERANCE_MS: i64 = 5000;

/// How the replies to a command are compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mode {
    Exact,
    /// The elements in any order.
    Unordered,
    /// Elements in pairs, the pairs in any order.
    UnorderedPairs,
    /// Types and lengths alone.
    Shape,
    /// Integers that say a time, in units of so many milliseconds.
    Time(i64),
    /// A cursor and elements, in pairs or not; comparable only if they are all.
    Scan(bool),
    /// Streams: exact but for how long something is idle.
    Idle,
}

/// The command's description, if it is one of the table.
pub(crate) fn find<'t>(table: &'t [Command], words: &Words) -> Option<&'t Command> {
    let is = |name: &str, word: Option<&Vec<u8>>| {
        word.is_some_and(|word| word.eq_ignore_ascii_case(name.as_bytes()))
    };
    table
        .iter()
        .filter(|command| {
            let mut pairs = command.words.iter().zip(0..);
            pairs.all(|(name, at)| is(name, words.get(at)))
        })
        .max_by_key(|command| command.words.len())
}

/// Whether both replies are what this command may answer in the same state.
pub(crate) fn same(table: &[Command], words: &Words, reference: &Reply, subject: &Reply) -> bool {
    if reference == subject {
        return !matches!(reference, Reply::Lost(_));
    }
    let is_error = |reply: &Reply| matches!(reply, Reply::Line(b'-', _) | Reply::Bulk(b'!', _));
    if is_error(reference) || is_error(subject) {
        return false;
    }
    match mode(table, words) {
        Mode::Exact => false,
        Mode::Unordered => parts(reference, subject, |a, b| sorted(a, 1) == sorted(b, 1)),
        Mode::UnorderedPairs => parts(reference, subject, |a, b| sorted(a, 2) == sorted(b, 2)),
        Mode::Shape => shape(reference, subject),
        Mode::Time(unit_ms) => time(reference, subject, unit_ms),
        Mode::Scan(pairs) => scan(reference, subject, words, pairs),
        Mode::Idle => idle(reference, subject, false),
    }
}

fn mode(table: &[Command], words: &Words) -> Mode {
    let Some(command) = find(table, words) else {
        return Mode::Exact;
    };
    match command.name().as_str() {
        // Their tips allow for what is not sent here: ids and times that the server makes, trims of about a length.
        "OBJECT ENCODING" | "XADD" | "XTRIM" | "XCLAIM" | "XAUTOCLAIM" => Mode::Exact,
        // It is told to pop all that there is.
        "SPOP" => Mode::Unordered,
        "TTL" | "EXPIRETIME" | "OBJECT IDLETIME" => Mode::Time(1000),
        "PTTL" | "PEXPIRETIME" => Mode::Time(1),
        "SORT" | "SORT_RO" if known::is_unsorted(words) => Mode::Unordered,
        "HGETALL" => Mode::UnorderedPairs,
        "SCAN" | "SSCAN" => Mode::Scan(false),
        "HSCAN" | "ZSCAN" => Mode::Scan(true),
        name if name.starts_with("XINFO") || name == "XPENDING" => Mode::Idle,
        _ if command.tip("nondeterministic_output") => Mode::Shape,
        _ if command.tip("nondeterministic_output_order") => Mode::Unordered,
        _ => Mode::Exact,
    }
}

/// Holds the parts of two groups of the same type against each other.
fn parts(a: &Reply, b: &Reply, same: impl Fn(&[Reply], &[Reply]) -> bool) -> bool {
    match (a, b) {
        (Reply::Group(kind, a), Reply::Group(other, b)) => kind == other && same(a, b),
        _ => false,
    }
}

fn sorted(parts: &[Reply], each: usize) -> Vec<&[Reply]> {
    let mut chunks: Vec<&[Reply]> = parts.chunks(each).collect();
    chunks.sort();
    chunks
}

fn shape(a: &Reply, b: &Reply) -> bool {
    match (a, b) {
        (Reply::Line(kind, a), Reply::Line(other, b)) => {
            kind == other && (matches!(kind, b':' | b',' | b'#') || a == b)
        }
        (Reply::Bulk(kind, _), Reply::Bulk(other, _)) => kind == other,
        _ => parts(a, b, |a, b| {
            a.len() == b.len() && a.iter().zip(b).all(|(a, b)| shape(a, b))
        }),
    }
}

fn integer(reply: &Reply) -> Option<i64> {
    match reply {
        Reply::Line(b':', text) => ruddle::text::number::parse_i64(text),
        _ => None,
    }
}

fn time(a: &Reply, b: &Reply, unit_ms: i64) -> bool {
    match (integer(a), integer(b)) {
        (Some(a), Some(b)) => a >= 0 && b >= 0 && (a - b).abs() <= TIME_TOLERANCE_MS / unit_ms,
        _ => false,
    }
}

/// Two scans say the same if both went from the beginning to the end in one step; else there is no telling.
fn scan(a: &Reply, b: &Reply, words: &Words, pairs: bool) -> bool {
    let from_the_start = words.iter().skip(1).take(2).any(|word| word == b"0");
    parts(a, b, |a, b| {
        let (
            [Reply::Bulk(_, cursor), Reply::Group(kind, a)],
            [Reply::Bulk(_, other_cursor), Reply::Group(other, b)],
        ) = (a, b)
        else {
            return false;
        };
        let whole = from_the_start && cursor == b"0" && other_cursor == b"0";
        let each = if pairs { 2 } else { 1 };
        kind == other && (!whole || sorted(a, each) == sorted(b, each))
    })
}

/// Whether the replies are equal but for idle times: those after the word for it in a map, and the third of four
/// parts in the row of an entry that is pending.
pub(crate) fn idle(a: &Reply, b: &Reply, is_time: bool) -> bool {
    if a == b || (is_time && time(a, b, 1)) {
        return true;
    }
    parts(a, b, |a, b| {
        a.len() == b.len()
            && (0..a.len()).all(|at| {
                let named = at > 0
                    && matches!(&a[at - 1], Reply::Bulk(_, name)
                        if matches!(name.as_slice(), b"idle" | b"seen-time" | b"active-time" | b"inactive"));
                let row = at == 2 && a.len() == 4 || at == 1 && a.len() == 3;
                idle(&a[at], &b[at], named || row)
            })
    })
}
