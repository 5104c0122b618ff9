//! How long a match may take at most, told by the pattern and the length of the text.

/// Longer patterns are not looked at.
const MOST_PATTERN_BYTES: usize = 64;

/// At most so many bytes are compared in a search through a text of `len` bytes for each item of `pattern`. It may be far too
/// high.
///
/// Each place at which a match may begin, each length that an item may have, and each choice multiplies it, and so does the
/// longest set.
pub(crate) fn steps(pattern: &[u8], len: usize) -> u64 {
    match pattern.strip_prefix(b"^") {
        Some(rest) => steps_at(rest, len),
        None => steps_anywhere(pattern, len),
    }
}

/// As [`steps`], where `^` at the beginning is a byte as any other, as it is for `gmatch`.
pub(crate) fn steps_anywhere(pattern: &[u8], len: usize) -> u64 {
    steps_at(pattern, len).saturating_mul(len as u64 + 1)
}

/// For matches that begin at one place.
fn steps_at(pattern: &[u8], len: usize) -> u64 {
    if pattern.len() > MOST_PATTERN_BYTES {
        return u64::MAX;
    }
    let lengths = len as u64 + 1;
    let (mut rest, mut steps, mut longest_set) = (pattern, 1_u64, 1);
    while let Some((&item, behind)) = rest.split_first() {
        let factor = match item {
            b'*' | b'+' | b'-' => lengths,
            b'?' => 2,
            b'%' if behind
                .first()
                .is_some_and(|&class| class == b'b' || class.is_ascii_digit()) =>
            {
                lengths
            }
            _ => 1,
        };
        steps = factor.saturating_mul(steps);
        rest = match (item, behind.first()) {
            // Two bytes are what it begins and ends with, whatever else they stand for.
            (b'%', Some(b'b')) => behind.get(3..).unwrap_or_default(),
            (b'%', _) => behind.get(1..).unwrap_or_default(),
            (b'[', _) => {
                let after = behind_set(behind);
                longest_set = longest_set.max(behind.len() - after.len());
                after
            }
            _ => behind,
        };
    }
    steps.saturating_mul(longest_set as u64)
}

/// What comes behind a set, of what comes behind its opening bracket.
fn behind_set(set: &[u8]) -> &[u8] {
    let mut rest = set.strip_prefix(b"^").unwrap_or(set);
    // A closing bracket at the beginning is one of the set.
    let mut is_first = true;
    while let Some((&byte, behind)) = rest.split_first() {
        rest = match byte {
            b']' if !is_first => return behind,
            b'%' => behind.get(1..).unwrap_or_default(),
            _ => behind,
        };
        is_first = false;
    }
    rest
}

/// At most so many bytes are the result of a replacement in a text of `len` bytes.
pub(crate) fn result(len: usize, replacement: &[u8]) -> u64 {
    let matches = len as u64 + 1;
    let each = match replacement.contains(&b'%') {
        true => matches.saturating_mul(replacement.len() as u64),
        false => replacement.len() as u64,
    };
    matches.saturating_mul(each).saturating_add(len as u64)
}
