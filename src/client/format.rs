//! Replies as text, in the two shapes of redis-cli.
//!
//! [`human`] shows types, quotes strings and numbers elements, so that a reply can be understood; [`raw`] shows
//! nothing but the values, so that a program can use them. Both are bytes, since strings are.

use crate::client::Reply;
use crate::text::words;

/// The reply for people, with a line break at its end.
///
/// Nested elements are aligned below the first of their aggregate; arrays are numbered `1)`, maps `1#`, sets `1~`.
pub fn human(reply: &Reply) -> Vec<u8> {
    let mut out = Vec::new();
    write_human(&mut out, reply, 0);
    out
}

/// The reply for programs, without a line break at its end: elements in lines, a map's keys and values in pairs.
///
/// An error has a line break of its own, so that at the end of a reply an empty line follows it.
pub fn raw(reply: &Reply) -> Vec<u8> {
    let mut out = Vec::new();
    write_raw(&mut out, reply);
    out
}

/// Writes the reply where the cursor is; its further lines are indented by so many columns.
fn write_human(out: &mut Vec<u8>, reply: &Reply, indent: usize) {
    match reply {
        Reply::Simple(text) | Reply::Verbatim(_, text) => line(out, "", text),
        Reply::Error(text) => line(out, "(error) ", text),
        Reply::Integer(value) => line(out, "(integer) ", value.to_string().as_bytes()),
        Reply::Double(text) => line(out, "(double) ", text.as_bytes()),
        Reply::BigNumber(digits) => line(out, "(big number) ", digits.as_bytes()),
        Reply::Bulk(bytes) => line(out, "", &words::quote(bytes)),
        Reply::Nil => line(out, "(nil)", b""),
        Reply::Boolean(true) => line(out, "(true)", b""),
        Reply::Boolean(false) => line(out, "(false)", b""),
        Reply::Array(elements) => write_elements(out, elements, ')', "(empty array)", indent),
        Reply::Set(elements) => write_elements(out, elements, '~', "(empty set)", indent),
        Reply::Push(elements) => write_elements(out, elements, ')', "(empty push)", indent),
        Reply::Map(pairs) => write_pairs(out, pairs, indent),
    }
}

fn line(out: &mut Vec<u8>, label: &str, text: &[u8]) {
    out.extend_from_slice(label.as_bytes());
    out.extend_from_slice(text);
    out.push(b'\n');
}

fn write_elements(out: &mut Vec<u8>, elements: &[Reply], mark: char, empty: &str, indent: usize) {
    if elements.is_empty() {
        return line(out, empty, b"");
    }
    let width = elements.len().to_string().len();
    for (index, element) in elements.iter().enumerate() {
        write_number(out, index, width, mark, indent);
        write_human(out, element, indent + width + 2);
    }
}

fn write_pairs(out: &mut Vec<u8>, pairs: &[(Reply, Reply)], indent: usize) {
    if pairs.is_empty() {
        return line(out, "(empty hash)", b"");
    }
    let width = pairs.len().to_string().len();
    let inner = indent + width + 2;
    for (index, (key, value)) in pairs.iter().enumerate() {
        write_number(out, index, width, '#', indent);
        write_human(out, key, inner);
        out.pop();
        out.extend_from_slice(b" => ");
        if has_lines(value) {
            out.push(b'\n');
            out.resize(out.len() + inner, b' ');
        }
        write_human(out, value, inner);
    }
}

/// The number of an element. The first follows on the line of what it is in, the others begin their own.
fn write_number(out: &mut Vec<u8>, index: usize, width: usize, mark: char, indent: usize) {
    let indent = if index == 0 { 0 } else { indent };
    let number = index + 1;
    out.extend_from_slice(format!("{:indent$}{number:width$}{mark} ", "").as_bytes());
}

/// Whether the reply has elements in lines of their own, which a map's value begins on a new line.
fn has_lines(reply: &Reply) -> bool {
    match reply {
        Reply::Array(elements) | Reply::Set(elements) | Reply::Push(elements) => {
            match elements.as_slice() {
                [] => false,
                [element] => has_lines(element),
                _ => true,
            }
        }
        Reply::Map(pairs) => match pairs.as_slice() {
            [] => false,
            [(_, value)] => has_lines(value),
            _ => true,
        },
        _ => false,
    }
}

fn write_raw(out: &mut Vec<u8>, reply: &Reply) {
    match reply {
        Reply::Simple(text) | Reply::Bulk(text) | Reply::Verbatim(_, text) => {
            out.extend_from_slice(text);
        }
        Reply::Error(text) => line(out, "", text),
        Reply::Integer(value) => out.extend_from_slice(value.to_string().as_bytes()),
        Reply::Double(text) | Reply::BigNumber(text) => out.extend_from_slice(text.as_bytes()),
        Reply::Nil => {}
        Reply::Boolean(true) => out.extend_from_slice(b"(true)"),
        Reply::Boolean(false) => out.extend_from_slice(b"(false)"),
        Reply::Array(elements) | Reply::Set(elements) | Reply::Push(elements) => {
            for (index, element) in elements.iter().enumerate() {
                separate(out, index);
                write_raw(out, element);
            }
        }
        Reply::Map(pairs) => {
            for (index, (key, value)) in pairs.iter().enumerate() {
                separate(out, index);
                write_raw(out, key);
                out.push(b' ');
                write_raw(out, value);
            }
        }
    }
}

fn separate(out: &mut Vec<u8>, index: usize) {
    if index > 0 {
        out.push(b'\n');
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::reply::{self, Limits};

    /// A reply on the wire, its text for people and its text for programs.
    const SHAPES: &[(&str, &str, &str)] = &[
        ("+OK\r\n", "OK\n", "OK"),
        ("-ERR no\r\n", "(error) ERR no\n", "ERR no\n"),
        (":7\r\n", "(integer) 7\n", "7"),
        ("$4\r\na\n\"b\r\n", "\"a\\n\\\"b\"\n", "a\n\"b"),
        ("$-1\r\n", "(nil)\n", ""),
        ("#t\r\n", "(true)\n", "(true)"),
        ("#f\r\n", "(false)\n", "(false)"),
        (",1.5\r\n", "(double) 1.5\n", "1.5"),
        ("(12\r\n", "(big number) 12\n", "12"),
        ("=7\r\ntxt:a\nb\r\n", "a\nb\n", "a\nb"),
        ("*0\r\n", "(empty array)\n", ""),
        ("~0\r\n", "(empty set)\n", ""),
        (">0\r\n", "(empty push)\n", ""),
        ("%0\r\n", "(empty hash)\n", ""),
        (
            "~2\r\n:1\r\n:2\r\n",
            "1~ (integer) 1\n2~ (integer) 2\n",
            "1\n2",
        ),
        (
            "*4\r\n:1\r\n*0\r\n*2\r\n:2\r\n*3\r\n:3\r\n$1\r\na\r\n-ERR x\r\n$1\r\nb\r\n",
            concat!(
                "1) (integer) 1\n",
                "2) (empty array)\n",
                "3) 1) (integer) 2\n",
                "   2) 1) (integer) 3\n",
                "      2) \"a\"\n",
                "      3) (error) ERR x\n",
                "4) \"b\"\n",
            ),
            "1\n\n2\n3\na\nERR x\n\nb",
        ),
        (
            "%2\r\n$1\r\na\r\n%1\r\n$1\r\nb\r\n*2\r\n:1\r\n:2\r\n$1\r\nc\r\n~1\r\n$1\r\nd\r\n",
            concat!(
                "1# \"a\" => \n",
                "   1# \"b\" => \n",
                "      1) (integer) 1\n",
                "      2) (integer) 2\n",
                "2# \"c\" => 1~ \"d\"\n",
            ),
            "a b 1\n2\nc d",
        ),
        (
            "%1\r\n+k\r\n%1\r\n+l\r\n:1\r\n",
            "1# k => 1# l => (integer) 1\n",
            "k l 1",
        ),
    ];

    #[test]
    fn the_shapes_are_those_of_redis_cli() {
        for (wire, for_people, for_programs) in SHAPES {
            let reply = reply::read(&mut wire.as_bytes(), Limits::default()).expect(wire);
            let texts = (human(&reply), raw(&reply));
            let texts = (
                String::from_utf8_lossy(&texts.0),
                String::from_utf8_lossy(&texts.1),
            );
            assert_eq!(texts, ((*for_people).into(), (*for_programs).into()));
        }
    }

    #[test]
    fn numbers_are_aligned_to_the_right() {
        let mut elements = vec![Reply::Nil; 10];
        elements[0] = Reply::Array(vec![Reply::Nil, Reply::Nil]);
        let text = human(&Reply::Array(elements));
        let text = String::from_utf8_lossy(&text);
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines[0], " 1) 1) (nil)");
        assert_eq!(lines[1], "    2) (nil)");
        assert_eq!(lines[2], " 2) (nil)");
        assert_eq!(lines[10], "10) (nil)");
    }
}
