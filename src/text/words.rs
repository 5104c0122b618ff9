//! Splitting a line (of a configuration, of an inline command) into words and quoting a word so that splitting gives it back.
//!
//! The grammar is Redis's: words are separated by white space; within double quotes `\xHH`, `\n`, `\r`, `\t`, `\b`, `\a` and
//! `\` before any other byte are escapes; within single quotes only `\'` is; a closing quote ends the word and must be
//! followed by white space or the end.

/// The quotes of a line do not match.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unbalanced;

/// Splits a line into words; a NUL ends the line.
pub fn split(line: &[u8]) -> Result<Vec<Vec<u8>>, Unbalanced> {
    let mut rest = until_nul(line);
    let mut words = Vec::new();
    loop {
        let blanks = rest.iter().take_while(|byte| is_space(**byte)).count();
        rest = &rest[blanks..];
        if rest.is_empty() {
            return Ok(words);
        }
        let mut word = Vec::new();
        rest = take_word(rest, &mut word)?;
        words.push(word);
    }
}

/// Puts a word between double quotes, with escapes for all that is not printable.
pub fn quote(word: &[u8]) -> Vec<u8> {
    let mut quoted = Vec::with_capacity(word.len() + 2);
    quoted.push(b'"');
    for &byte in word {
        match byte {
            b'\\' | b'"' => quoted.extend([b'\\', byte]),
            b'\n' => quoted.extend(b"\\n"),
            b'\r' => quoted.extend(b"\\r"),
            b'\t' => quoted.extend(b"\\t"),
            7 => quoted.extend(b"\\a"),
            8 => quoted.extend(b"\\b"),
            b' '..=b'~' => quoted.push(byte),
            _ => quoted.extend(format!("\\x{byte:02x}").bytes()),
        }
    }
    quoted.push(b'"');
    quoted
}

/// The bytes before the first NUL.
pub fn until_nul(bytes: &[u8]) -> &[u8] {
    bytes.split(|&byte| byte == 0).next().unwrap_or_default()
}

/// Without the white space that surrounds a line of a file.
pub fn trim(line: &[u8]) -> &[u8] {
    let blank = |byte: &u8| matches!(byte, b' ' | b'\t' | b'\r' | b'\n');
    let start = line.iter().take_while(|byte| blank(byte)).count();
    let line = &line[start..];
    let end = line.iter().rev().take_while(|byte| blank(byte)).count();
    &line[..line.len() - end]
}

/// Appends the word at the start of `rest` to `word` and returns what follows it. Quotes may begin within a word.
fn take_word<'a>(mut rest: &'a [u8], word: &mut Vec<u8>) -> Result<&'a [u8], Unbalanced> {
    loop {
        let Some((&byte, after)) = rest.split_first() else {
            return Ok(rest);
        };
        match byte {
            b' ' | b'\n' | b'\r' | b'\t' => return Ok(after),
            b'"' => return after_quote(take_double_quoted(after, word)?),
            b'\'' => return after_quote(take_single_quoted(after, word)?),
            _ => word.push(byte),
        }
        rest = after;
    }
}

fn after_quote(rest: &[u8]) -> Result<&[u8], Unbalanced> {
    match rest.first() {
        Some(byte) if !is_space(*byte) => Err(Unbalanced),
        _ => Ok(rest),
    }
}

fn take_double_quoted<'a>(mut rest: &'a [u8], word: &mut Vec<u8>) -> Result<&'a [u8], Unbalanced> {
    loop {
        rest = match rest {
            [b'"', after @ ..] => return Ok(after),
            [b'\\', b'x', high, low, after @ ..]
                if high.is_ascii_hexdigit() && low.is_ascii_hexdigit() =>
            {
                word.push(hex(*high) << 4 | hex(*low));
                after
            }
            [b'\\', escaped, after @ ..] => {
                word.push(unescape(*escaped));
                after
            }
            [byte, after @ ..] => {
                word.push(*byte);
                after
            }
            [] => return Err(Unbalanced),
        };
    }
}

fn take_single_quoted<'a>(mut rest: &'a [u8], word: &mut Vec<u8>) -> Result<&'a [u8], Unbalanced> {
    loop {
        rest = match rest {
            [b'\'', after @ ..] => return Ok(after),
            [b'\\', b'\'', after @ ..] => {
                word.push(b'\'');
                after
            }
            [byte, after @ ..] => {
                word.push(*byte);
                after
            }
            [] => return Err(Unbalanced),
        };
    }
}

fn unescape(byte: u8) -> u8 {
    match byte {
        b'n' => b'\n',
        b'r' => b'\r',
        b't' => b'\t',
        b'b' => 8,
        b'a' => 7,
        other => other,
    }
}

fn hex(digit: u8) -> u8 {
    match digit {
        b'0'..=b'9' => digit - b'0',
        _ => (digit | 0x20) - b'a' + 10,
    }
}

fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t'..=b'\r')
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn words_are_split_as_redis_does() {
        let cases: &[(&str, Option<&[&str]>)] = &[
            ("", Some(&[])),
            (" \t ", Some(&[])),
            ("a", Some(&["a"])),
            ("save  900\t1 ", Some(&["save", "900", "1"])),
            (r#"a "b c" d"#, Some(&["a", "b c", "d"])),
            (r#"a "" b"#, Some(&["a", "", "b"])),
            (r#""\x41\n\r\t\b\a\q\"""#, Some(&["A\n\r\t\u{8}\u{7}q\""])),
            (r#""\x4""#, Some(&["x4"])),
            (r"'a\n\'b'", Some(&[r"a\n'b"])),
            (r#"ab"c d""#, Some(&["abc d"])),
            ("a\0b", Some(&["a"])),
            (r#""a"b"#, None),
            ("'a'b", None),
            (r#""a"#, None),
            ("'a", None),
            (r#""a\"#, None),
        ];
        for (line, expected) in cases {
            let words = split(line.as_bytes()).ok();
            let expected = expected.map(|words| -> Vec<Vec<u8>> {
                words.iter().map(|word| word.as_bytes().to_vec()).collect()
            });
            assert_eq!(words, expected, "{line:?}");
        }
    }

    #[test]
    fn quoting_escapes_what_can_not_be_printed() {
        assert_eq!(quote(b"a\"\\\n\x01\xff b"), br#""a\"\\\n\x01\xff b""#);
    }

    proptest! {
        #[test]
        fn no_bytes_make_splitting_panic(line in proptest::collection::vec(any::<u8>(), 0..64)) {
            let _ = split(&line);
        }

        #[test]
        fn splitting_undoes_quoting(word in proptest::collection::vec(any::<u8>(), 0..64)) {
            prop_assert_eq!(split(&quote(&word)), Ok(vec![word]));
        }
    }
}
