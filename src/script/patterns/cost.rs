//! How long a match may take at most, told by the pattern and the length of the text.

/// Longer patterns are not looked at.
const MOST_PATTERN_BYTES: usize = 64;

/// At most so many times an item of `pattern` is looked at in a search through a text of `len` bytes, up to a factor that
/// depends on the length of the pattern alone. It may be far too high.
///
/// Each place at which a match may begin, each length that an item may have, and each choice multiplies it.
pub(crate) fn steps(pattern: &[u8], len: usize) -> u64 {
    if pattern.len() > MOST_PATTERN_BYTES {
        return u64::MAX;
    }
    let lengths = len as u64 + 1;
    let (mut rest, mut steps) = match pattern.strip_prefix(b"^") {
        Some(rest) => (rest, 1),
        None => (pattern, lengths),
    };
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
        rest = match item {
            b'%' => behind.get(1..).unwrap_or_default(),
            b'[' => behind_set(behind),
            _ => behind,
        };
    }
    steps
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
