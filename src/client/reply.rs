//! Replies of RESP2 and RESP3, read from a stream.
//!
//! [`read`] takes exactly one reply from its source and holds it against [`Limits`]: nothing is allocated for a
//! length before the bytes are there, and all of a reply, what is nested in it and the attributes in front of it
//! included, draws on one budget of memory. The format is that of <https://github.com/redis/redis-specifications>,
//! without the streamed types, which no server sends. A new type is a variant of [`Reply`] and an arm of
//! `Reader::typed`.

use std::fmt;
use std::io::{self, BufRead, Read};

use crate::client::ClientError;
use crate::text::number;

/// Elements that are made room for before they arrive.
const ROOM_AHEAD: usize = 16;
/// Bytes of a verbatim string before its text: the format and a colon.
const VERBATIM_HEAD_BYTES: usize = 4;

/// A reply. A map's entries are in the order in which they came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reply {
    /// A simple string (`+`).
    Simple(Vec<u8>),
    /// An error, simple (`-`) or bulk (`!`): its code and text.
    Error(Vec<u8>),
    /// An integer (`:`).
    Integer(i64),
    /// A bulk string (`$`).
    Bulk(Vec<u8>),
    /// A verbatim string (`=`): its format, such as `txt`, and its text.
    Verbatim([u8; 3], Vec<u8>),
    /// A double (`,`) as the server wrote it; `f64` can be parsed from it.
    Double(String),
    /// A big number (`(`): decimal digits, with a sign if negative.
    BigNumber(String),
    /// A boolean (`#`).
    Boolean(bool),
    /// Any of the three nulls (`_`, and the bulk string and the array of length -1).
    Nil,
    /// An array (`*`).
    Array(Vec<Reply>),
    /// A set (`~`).
    Set(Vec<Reply>),
    /// A message that answers no command (`>`).
    Push(Vec<Reply>),
    /// A map (`%`).
    Map(Vec<(Reply, Reply)>),
}

/// What a reply may cost at most.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Aggregates within aggregates.
    pub depth: usize,
    /// Bytes of a line, which holds a simple string, an error, a number or a length.
    pub line_bytes: usize,
    /// Bytes of memory for the reply and all in it, give or take the room that vectors have to grow.
    pub memory_bytes: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Limits {
            depth: 128,
            line_bytes: 1 << 20,
            memory_bytes: 4 << 30,
        }
    }
}

/// What is wrong with the bytes that a server sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Violation {
    /// No type of reply begins with this byte.
    UnknownType(u8),
    /// A line or a string does not end in CR LF.
    Unterminated,
    /// A line is longer than [`Limits::line_bytes`].
    LongLine,
    /// A length is not a number, or negative.
    BadLength,
    /// A number, boolean, null or verbatim string does not read as one.
    BadValue(u8),
    /// Aggregates are nested deeper than [`Limits::depth`].
    TooDeep,
    /// The reply needs more than [`Limits::memory_bytes`].
    TooLarge,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Violation::UnknownType(byte) => {
                write!(f, "got \"{}\" as reply type byte", byte.escape_ascii())
            }
            Violation::Unterminated => f.write_str("a reply does not end in CR LF"),
            Violation::LongLine => f.write_str("a line is too long"),
            Violation::BadLength => f.write_str("invalid length"),
            Violation::BadValue(byte) => write!(
                f,
                "invalid value of a reply of type \"{}\"",
                byte.escape_ascii()
            ),
            Violation::TooDeep => f.write_str("aggregates are nested too deep"),
            Violation::TooLarge => f.write_str("a reply is too large"),
        }
    }
}

impl From<Violation> for ClientError {
    fn from(violation: Violation) -> Self {
        ClientError::Protocol(violation)
    }
}

/// Reads one reply. The end of the source, before or within it, is [`ClientError::Closed`].
pub fn read(source: &mut impl BufRead, limits: Limits) -> Result<Reply, ClientError> {
    let mut reader = Reader {
        source,
        depth_left: limits.depth,
        line_bytes: limits.line_bytes,
        memory_left: limits.memory_bytes,
    };
    reader.reply()
}

/// A reply being read, and what it may still cost.
struct Reader<'a, R> {
    source: &'a mut R,
    depth_left: usize,
    line_bytes: usize,
    memory_left: u64,
}

impl<R: BufRead> Reader<'_, R> {
    /// A reply; attributes in front of it are read and dropped.
    fn reply(&mut self) -> Result<Reply, ClientError> {
        loop {
            let mut line = self.line()?;
            let kind = if line.is_empty() {
                return Err(Violation::UnknownType(b'\r').into());
            } else {
                line.remove(0)
            };
            if kind != b'|' {
                return self.typed(kind, line);
            }
            self.pairs(&line)?;
        }
    }

    fn typed(&mut self, kind: u8, line: Vec<u8>) -> Result<Reply, ClientError> {
        let bad = Violation::BadValue(kind);
        Ok(match kind {
            b'+' => Reply::Simple(line),
            b'-' => Reply::Error(line),
            b':' => Reply::Integer(number::parse_i64(&line).ok_or(bad)?),
            b'$' | b'*' if line == b"-1" => Reply::Nil,
            b'_' if line.is_empty() => Reply::Nil,
            b'#' if line == b"t" => Reply::Boolean(true),
            b'#' if line == b"f" => Reply::Boolean(false),
            b',' => Reply::Double(double(line).ok_or(bad)?),
            b'(' => Reply::BigNumber(big_number(line).ok_or(bad)?),
            b'$' => Reply::Bulk(self.bulk(&line)?),
            b'!' => Reply::Error(self.bulk(&line)?),
            b'=' => verbatim(self.bulk(&line)?).ok_or(bad)?,
            b'*' => Reply::Array(self.elements(&line)?),
            b'~' => Reply::Set(self.elements(&line)?),
            b'>' => Reply::Push(self.elements(&line)?),
            b'%' => Reply::Map(self.pairs(&line)?),
            b'_' | b'#' => return Err(bad.into()),
            _ => return Err(Violation::UnknownType(kind).into()),
        })
    }

    fn elements(&mut self, length: &[u8]) -> Result<Vec<Reply>, ClientError> {
        let count = self.enter(length, size_of::<Reply>())?;
        let mut elements = Vec::with_capacity(count.min(ROOM_AHEAD));
        for _ in 0..count {
            elements.push(self.reply()?);
        }
        self.depth_left += 1;
        Ok(elements)
    }

    fn pairs(&mut self, length: &[u8]) -> Result<Vec<(Reply, Reply)>, ClientError> {
        let count = self.enter(length, size_of::<(Reply, Reply)>())?;
        let mut pairs = Vec::with_capacity(count.min(ROOM_AHEAD));
        for _ in 0..count {
            pairs.push((self.reply()?, self.reply()?));
        }
        self.depth_left += 1;
        Ok(pairs)
    }

    /// Enters an aggregate and takes its elements out of the budget; returns their number.
    fn enter(&mut self, length: &[u8], element_bytes: usize) -> Result<usize, ClientError> {
        let count = parse_length(length)?;
        let bytes = count
            .checked_mul(element_bytes as u64)
            .ok_or(Violation::TooLarge)?;
        self.spend(bytes)?;
        self.depth_left = self.depth_left.checked_sub(1).ok_or(Violation::TooDeep)?;
        Ok(usize::try_from(count).map_err(|_| Violation::TooLarge)?)
    }

    /// The string of this length, and the CR LF after it.
    fn bulk(&mut self, length: &[u8]) -> Result<Vec<u8>, ClientError> {
        let len = parse_length(length)?;
        self.spend(len)?;
        let mut bytes = Vec::new();
        // It grows with what arrives, so a length alone costs nothing.
        (&mut *self.source).take(len).read_to_end(&mut bytes)?;
        let mut end = [0; 2];
        if (bytes.len() as u64) < len {
            return Err(ClientError::Closed);
        }
        self.source.read_exact(&mut end).map_err(closed_at_end)?;
        if end != *b"\r\n" {
            return Err(Violation::Unterminated.into());
        }
        Ok(bytes)
    }

    /// A line without its CR LF.
    fn line(&mut self) -> Result<Vec<u8>, ClientError> {
        let most = self.line_bytes as u64 + 2;
        let mut line = Vec::new();
        (&mut *self.source)
            .take(most)
            .read_until(b'\n', &mut line)?;
        if !line.ends_with(b"\n") {
            return Err(if line.len() as u64 == most {
                Violation::LongLine.into()
            } else {
                ClientError::Closed
            });
        }
        line.pop();
        if line.pop() != Some(b'\r') {
            return Err(Violation::Unterminated.into());
        }
        self.spend(line.len() as u64)?;
        Ok(line)
    }

    fn spend(&mut self, bytes: u64) -> Result<(), Violation> {
        self.memory_left = self
            .memory_left
            .checked_sub(bytes)
            .ok_or(Violation::TooLarge)?;
        Ok(())
    }
}

fn closed_at_end(error: io::Error) -> ClientError {
    match error.kind() {
        io::ErrorKind::UnexpectedEof => ClientError::Closed,
        _ => ClientError::Io(error),
    }
}

fn parse_length(text: &[u8]) -> Result<u64, Violation> {
    number::parse_i64(text)
        .and_then(|len| u64::try_from(len).ok())
        .ok_or(Violation::BadLength)
}

fn double(line: Vec<u8>) -> Option<String> {
    let text = String::from_utf8(line).ok()?;
    text.parse::<f64>().is_ok().then_some(text)
}

fn big_number(line: Vec<u8>) -> Option<String> {
    let text = String::from_utf8(line).ok()?;
    let digits = text.strip_prefix(['-', '+']).unwrap_or(&text);
    let sound = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    sound.then_some(text)
}

fn verbatim(mut bytes: Vec<u8>) -> Option<Reply> {
    let format = match bytes.get(..VERBATIM_HEAD_BYTES)? {
        [a, b, c, b':'] => [*a, *b, *c],
        _ => return None,
    };
    Some(Reply::Verbatim(
        format,
        bytes.split_off(VERBATIM_HEAD_BYTES),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn parse(bytes: &[u8]) -> Result<Reply, ClientError> {
        read(&mut &bytes[..], Limits::default())
    }

    fn violation(bytes: &[u8], limits: Limits) -> Option<Violation> {
        match read(&mut &bytes[..], limits) {
            Err(ClientError::Protocol(violation)) => Some(violation),
            _ => None,
        }
    }

    fn text(text: &str) -> Reply {
        Reply::Bulk(text.into())
    }

    fn samples() -> Vec<(&'static str, Reply)> {
        vec![
            ("+OK\r\n", Reply::Simple(b"OK".to_vec())),
            ("+\r\n", Reply::Simple(Vec::new())),
            ("-ERR no\r\n", Reply::Error(b"ERR no".to_vec())),
            ("!6\r\nERR\r\nx\r\n", Reply::Error(b"ERR\r\nx".to_vec())),
            (":-12\r\n", Reply::Integer(-12)),
            ("$4\r\na\r\nb\r\n", text("a\r\nb")),
            ("$0\r\n\r\n", text("")),
            ("$-1\r\n", Reply::Nil),
            ("*-1\r\n", Reply::Nil),
            ("_\r\n", Reply::Nil),
            ("#t\r\n", Reply::Boolean(true)),
            ("#f\r\n", Reply::Boolean(false)),
            (",1.50\r\n", Reply::Double("1.50".into())),
            (",-inf\r\n", Reply::Double("-inf".into())),
            (",nan\r\n", Reply::Double("nan".into())),
            ("(-123\r\n", Reply::BigNumber("-123".into())),
            (
                "=7\r\ntxt:abc\r\n",
                Reply::Verbatim(*b"txt", b"abc".to_vec()),
            ),
            ("*0\r\n", Reply::Array(Vec::new())),
            (
                "*2\r\n:1\r\n*1\r\n$1\r\na\r\n",
                Reply::Array(vec![Reply::Integer(1), Reply::Array(vec![text("a")])]),
            ),
            ("~1\r\n_\r\n", Reply::Set(vec![Reply::Nil])),
            (
                ">1\r\n+x\r\n",
                Reply::Push(vec![Reply::Simple(b"x".to_vec())]),
            ),
            (
                "%1\r\n+k\r\n%0\r\n",
                Reply::Map(vec![(Reply::Simple(b"k".to_vec()), Reply::Map(Vec::new()))]),
            ),
            ("|1\r\n+ttl\r\n:3\r\n$1\r\nv\r\n", text("v")),
            (
                "*1\r\n|1\r\n+ttl\r\n:3\r\n:7\r\n",
                Reply::Array(vec![Reply::Integer(7)]),
            ),
        ]
    }

    #[test]
    fn every_type_is_read() {
        for (bytes, reply) in samples() {
            let source = [bytes.as_bytes(), b"+rest"].concat();
            let mut rest = &source[..];
            let read = read(&mut rest, Limits::default()).expect(bytes);
            assert_eq!((read, rest), (reply, &b"+rest"[..]), "{bytes:?}");
        }
    }

    #[test]
    fn a_reply_cut_anywhere_is_a_closed_connection() {
        for (bytes, _) in samples() {
            for cut in 0..bytes.len() {
                let outcome = parse(&bytes.as_bytes()[..cut]);
                assert!(
                    matches!(outcome, Err(ClientError::Closed)),
                    "{bytes:?} cut at {cut}: {outcome:?}"
                );
            }
        }
    }

    #[test]
    fn what_is_no_reply_is_refused() {
        let cases: &[(&str, Violation)] = &[
            ("\r\n", Violation::UnknownType(b'\r')),
            ("HTTP/1.1 400\r\n", Violation::UnknownType(b'H')),
            ("$?\r\n", Violation::BadLength),
            ("$-2\r\n", Violation::BadLength),
            ("*x\r\n", Violation::BadLength),
            ("%-1\r\n", Violation::BadLength),
            (":1.5\r\n", Violation::BadValue(b':')),
            (":\r\n", Violation::BadValue(b':')),
            (",1,5\r\n", Violation::BadValue(b',')),
            ("(1a\r\n", Violation::BadValue(b'(')),
            ("(-\r\n", Violation::BadValue(b'(')),
            ("#x\r\n", Violation::BadValue(b'#')),
            ("_x\r\n", Violation::BadValue(b'_')),
            ("=3\r\ntxt\r\n", Violation::BadValue(b'=')),
            ("+OK\n", Violation::Unterminated),
            ("$1\r\nabc", Violation::Unterminated),
        ];
        for (bytes, expected) in cases {
            let found = violation(bytes.as_bytes(), Limits::default());
            assert_eq!(found, Some(*expected), "{bytes:?}");
        }
    }

    #[test]
    fn limits_hold_before_the_bytes_arrive() {
        let limits = Limits {
            depth: 3,
            line_bytes: 10,
            memory_bytes: 1000,
        };
        let cases: &[(&str, Option<Violation>)] = &[
            ("+0123456789\r\n", Some(Violation::LongLine)),
            ("+012345678\r\n", None),
            ("*1\r\n*1\r\n*1\r\n:1\r\n", None),
            ("*1\r\n%1\r\n~1\r\n>1\r\n", Some(Violation::TooDeep)),
            // The depth is that of nesting, not the number of aggregates.
            ("*4\r\n*0\r\n*0\r\n*0\r\n*1\r\n*0\r\n", None),
            ("$999999999\r\n", Some(Violation::TooLarge)),
            ("*99999999\r\n", Some(Violation::TooLarge)),
            ("*1\r\n$900\r\n", None),
            ("$1001\r\n", Some(Violation::TooLarge)),
        ];
        for (bytes, expected) in cases {
            assert_eq!(violation(bytes.as_bytes(), limits), *expected, "{bytes:?}");
        }
        let endless = "|0\r\n".repeat(1001);
        assert_eq!(
            violation(endless.as_bytes(), limits),
            Some(Violation::TooLarge),
            "attributes draw on the budget too"
        );
        let most = format!("*{}\r\n", i64::MAX);
        let found = violation(most.as_bytes(), Limits::default());
        assert_eq!(found, Some(Violation::TooLarge));
    }

    #[test]
    fn the_deepest_reply_is_read_and_one_deeper_is_not() {
        let nested = |depth: usize| format!("{}:1\r\n", "*1\r\n".repeat(depth));
        let depth = Limits::default().depth;
        assert!(parse(nested(depth).as_bytes()).is_ok());
        let found = violation(nested(depth + 1).as_bytes(), Limits::default());
        assert_eq!(found, Some(Violation::TooDeep));
    }

    proptest! {
        #[test]
        fn no_bytes_make_reading_panic(bytes in "[-+:$*%~>|#_,(=!0-9a\r\n]{0,64}") {
            let _ = parse(bytes.as_bytes());
        }
    }
}
