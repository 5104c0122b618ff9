//! Splitting a line into arguments by Redis's quoting rules (inline commands, configuration lines).
//!
//! Words are separated by white space. In double quotes `\n \r \t \b \a \xHH` and `\c` escape;
//! in single quotes only `\'` does. A closing quote must be followed by white space or the end.

/// Splits `line` into its words, or returns `None` when its quotes do not balance.
pub fn split_words(line: &[u8]) -> Option<Vec<Vec<u8>>> {
    let mut words = Vec::new();
    let mut at = 0;
    loop {
        while at < line.len() && is_space(line[at]) {
            at += 1;
        }
        if at == line.len() {
            return Some(words);
        }
        let (word, next) = read_word(line, at)?;
        words.push(word);
        at = next;
    }
}

/// C's `isspace`, with the NUL byte that ends a line in Redis's reader.
fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\n' | b'\r' | 0x0b | 0x0c | 0)
}

fn read_word(line: &[u8], mut at: usize) -> Option<(Vec<u8>, usize)> {
    let mut word = Vec::new();
    while at < line.len() && !is_space(line[at]) {
        at = match line[at] {
            b'"' => read_double_quoted(line, at + 1, &mut word)?,
            b'\'' => read_single_quoted(line, at + 1, &mut word)?,
            byte => {
                word.push(byte);
                at + 1
            }
        };
    }
    Some((word, at))
}

/// Reads up to the closing quote and returns the position after it.
fn read_double_quoted(line: &[u8], mut at: usize, word: &mut Vec<u8>) -> Option<usize> {
    loop {
        match *line.get(at)? {
            b'"' => return closed(line, at + 1),
            b'\\' => {
                if let (Some(b'x'), Some(high), Some(low)) =
                    (line.get(at + 1), hex_at(line, at + 2), hex_at(line, at + 3))
                {
                    word.push(high * 16 + low);
                    at += 4;
                    continue;
                }
                word.push(match *line.get(at + 1)? {
                    b'n' => b'\n',
                    b'r' => b'\r',
                    b't' => b'\t',
                    b'b' => 0x08,
                    b'a' => 0x07,
                    other => other,
                });
                at += 2;
            }
            byte => {
                word.push(byte);
                at += 1;
            }
        }
    }
}

fn read_single_quoted(line: &[u8], mut at: usize, word: &mut Vec<u8>) -> Option<usize> {
    loop {
        match *line.get(at)? {
            b'\\' if line.get(at + 1) == Some(&b'\'') => {
                word.push(b'\'');
                at += 2;
            }
            b'\'' => return closed(line, at + 1),
            byte => {
                word.push(byte);
                at += 1;
            }
        }
    }
}

fn closed(line: &[u8], at: usize) -> Option<usize> {
    match line.get(at) {
        Some(&byte) if !is_space(byte) => None,
        _ => Some(at),
    }
}

fn hex_at(line: &[u8], at: usize) -> Option<u8> {
    char::from(*line.get(at)?).to_digit(16).map(|digit| digit as u8)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_follow_the_quoting_rules() {
        let cases: &[(&str, Option<&[&str]>)] = &[
            ("", Some(&[])),
            ("  set  a\tb ", Some(&["set", "a", "b"])),
            (r#"set "a b" 'c d'"#, Some(&["set", "a b", "c d"])),
            (r#""\x41\n\t\\\"""#, Some(&["A\n\t\\\""])),
            (r#""\xZZ""#, Some(&["xZZ"])),
            (r"'it\'s' 'a\n'", Some(&["it's", r"a\n"])),
            (r#""""#, Some(&[""])),
            (r#"pre"fix""#, Some(&["prefix"])),
            (r#""a"b"#, None),
            (r#"'a'b"#, None),
            (r#""open"#, None),
            ("'open", None),
            (r#""a\"#, None),
        ];
        for (line, want) in cases {
            let got = split_words(line.as_bytes());
            let want = want.map(|words| words.iter().map(|w| w.as_bytes().to_vec()).collect::<Vec<_>>());
            assert_eq!(got, want, "{line}");
        }
    }
}
