//! Redis's glob-style patterns (KEYS, SCAN MATCH, CONFIG GET, PSUBSCRIBE).
//!
//! `?` any byte, `*` any run, `[abc]`, `[a-c]`, `[^a]` classes, `\` takes the next byte as it is. It works
//! on bytes and never fails: a class that is not closed ends with the pattern. This is why the
//! `glob` crate, which is for paths, does not serve here.

/// Whether `text` as a whole matches `pattern`.
pub fn matches(pattern: &[u8], text: &[u8]) -> bool {
    find(pattern, text, false)
}

/// As [`matches`](fn@matches), without regard to ASCII case.
pub fn matches_ignoring_case(pattern: &[u8], text: &[u8]) -> bool {
    find(pattern, text, true)
}

/// Where to resume after a mismatch: behind the last `*`, with one byte more given to it.
struct Retry<'a> {
    pattern: &'a [u8],
    text: &'a [u8],
}

/// Only the last `*` needs to be retried, so the time is bounded by the product of the two lengths.
fn find<'a>(mut pattern: &'a [u8], mut text: &'a [u8], fold: bool) -> bool {
    let mut retry: Option<Retry<'_>> = None;
    loop {
        match pattern.first() {
            Some(b'*') => {
                while let [b'*', rest @ ..] = pattern {
                    pattern = rest;
                }
                if pattern.is_empty() {
                    return true;
                }
                retry = Some(Retry { pattern, text });
                continue;
            }
            None if text.is_empty() => return true,
            Some(_) => {
                if let [byte, rest @ ..] = text
                    && let Some(next) = match_one(pattern, *byte, fold)
                {
                    (pattern, text) = (next, rest);
                    continue;
                }
            }
            None => {}
        }
        match &mut retry {
            Some(Retry {
                pattern: from,
                text: [_, rest @ ..],
            }) => {
                (pattern, text) = (from, rest);
                retry = Some(Retry { pattern, text });
            }
            _ => return false,
        }
    }
}

/// Matches one byte against the pattern's first element and returns the pattern behind it.
fn match_one(pattern: &[u8], byte: u8, fold: bool) -> Option<&[u8]> {
    match pattern {
        [b'?', rest @ ..] => Some(rest),
        [b'[', rest @ ..] => {
            let (inside, rest) = match_class(rest, byte, fold);
            inside.then_some(rest)
        }
        [b'\\', literal, rest @ ..] | [literal, rest @ ..] => {
            same(*literal, byte, fold).then_some(rest)
        }
        [] => None,
    }
}

/// Matches a class whose `[` has been read; returns whether it holds `byte`, and the pattern behind it.
fn match_class(mut class: &[u8], byte: u8, fold: bool) -> (bool, &[u8]) {
    let negated = class.first() == Some(&b'^');
    if negated {
        class = &class[1..];
    }
    let mut found = false;
    loop {
        class = match class {
            [] => break,
            [b']', rest @ ..] => {
                class = rest;
                break;
            }
            [b'\\', literal, rest @ ..] => {
                found |= same(*literal, byte, fold);
                rest
            }
            [from, b'-', to, rest @ ..] => {
                found |= within(*from, *to, byte, fold);
                rest
            }
            [literal, rest @ ..] => {
                found |= same(*literal, byte, fold);
                rest
            }
        };
    }
    (found != negated, class)
}

fn same(a: u8, b: u8, fold: bool) -> bool {
    a == b || (fold && a.eq_ignore_ascii_case(&b))
}

fn within(from: u8, to: u8, byte: u8, fold: bool) -> bool {
    let lower = |value: u8| {
        if fold {
            value.to_ascii_lowercase()
        } else {
            value
        }
    };
    let (from, to, byte) = (lower(from), lower(to), lower(byte));
    (from.min(to)..=from.max(to)).contains(&byte)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_match_as_redis_does() {
        let cases: &[(&str, &str, bool)] = &[
            ("", "", true),
            ("", "a", false),
            ("*", "", true),
            ("*", "anything", true),
            ("h?llo", "hello", true),
            ("h?llo", "hllo", false),
            ("h*llo", "heeello", true),
            ("h[ae]llo", "hallo", true),
            ("h[ae]llo", "hillo", false),
            ("h[^e]llo", "hallo", true),
            ("h[^e]llo", "hello", false),
            ("h[a-c]llo", "hbllo", true),
            ("h[c-a]llo", "hbllo", true),
            ("a\\*b", "a*b", true),
            ("a\\*b", "axb", false),
            ("[\\]]", "]", true),
            ("[ab", "a", true),
            ("*a*b*c", "xxaxxbxxc", true),
            ("*a*b*c", "xxaxxbxx", false),
            ("**a", "ba", true),
            ("a*", "b", false),
            ("foo\\", "foo\\", true),
        ];
        for (pattern, text, want) in cases {
            assert_eq!(
                matches(pattern.as_bytes(), text.as_bytes()),
                *want,
                "{pattern} on {text}"
            );
        }
        assert!(matches_ignoring_case(b"MaxMem*", b"maxmemory"));
        assert!(matches_ignoring_case(b"[A-C]x", b"bX"));
    }

    #[test]
    fn many_stars_do_not_take_exponential_time() {
        let pattern = b"a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*b".as_slice();
        assert!(!matches(pattern, &[b'a'; 2000]));
    }
}
