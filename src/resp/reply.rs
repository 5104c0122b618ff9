//! Writing replies: one method a RESP type, each answering in the client's protocol version.
//!
//! A [`Reply`] appends to the connection's write buffer. RESP3's types fall back to what RESP2
//! clients expect of the same command (a map becomes a flat array, a double a bulk string), so a
//! handler states its meaning once. A large value is not copied: it is remembered as a [`Blob`] with
//! its place in the buffer, and the connection writes it from where it lies.

use std::sync::Arc;

use bytes::BytesMut;

use crate::text::double;

/// A value at least that long is written from where it lies instead of being copied.
pub const BLOB_MIN: usize = 16 * 1024;

/// The version of the protocol that a client has chosen with HELLO.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Protocol {
    /// RESP2, the default.
    #[default]
    Resp2,
    /// RESP3.
    Resp3,
}

/// A large value within a reply: its bytes belong at offset `at` of the write buffer.
#[derive(Clone, Debug)]
pub struct Blob {
    /// Offset in the write buffer before which the value goes.
    pub at: usize,
    /// The value.
    pub bytes: Arc<Vec<u8>>,
}

/// The writer of one client's replies.
pub struct Reply<'a> {
    out: &'a mut BytesMut,
    blobs: &'a mut Vec<Blob>,
    protocol: Protocol,
}

impl<'a> Reply<'a> {
    /// A writer that appends to `out` and `blobs`.
    pub fn new(out: &'a mut BytesMut, blobs: &'a mut Vec<Blob>, protocol: Protocol) -> Self {
        Reply {
            out,
            blobs,
            protocol,
        }
    }

    /// The buffers behind, for what is encoded already.
    pub fn buffers(&mut self) -> (&mut BytesMut, &mut Vec<Blob>) {
        (self.out, self.blobs)
    }

    /// The same writer, lent.
    pub fn reborrow(&mut self) -> Reply<'_> {
        Reply {
            out: self.out,
            blobs: self.blobs,
            protocol: self.protocol,
        }
    }

    /// The protocol version in which this writer answers.
    pub fn protocol(&self) -> Protocol {
        self.protocol
    }

    /// Answers in another version from now on (HELLO, RESET).
    pub fn set_protocol(&mut self, protocol: Protocol) {
        self.protocol = protocol;
    }

    /// A place to which [`Reply::rewind`] can go back.
    pub fn mark(&self) -> (usize, usize) {
        (self.out.len(), self.blobs.len())
    }

    /// Takes back everything written since `mark` (CLIENT REPLY, an error after a part of an answer).
    pub fn rewind(&mut self, mark: (usize, usize)) {
        self.out.truncate(mark.0);
        self.blobs.truncate(mark.1);
    }

    /// `+OK`.
    #[inline]
    pub fn ok(&mut self) {
        self.out.extend_from_slice(b"+OK\r\n");
    }

    /// A simple string; `text` must not hold a line break.
    pub fn simple(&mut self, text: &str) {
        self.line(b'+', text.as_bytes());
    }

    /// An error line, with its code (`ERR ...`); line breaks within it become spaces.
    pub fn error(&mut self, text: &[u8]) {
        self.out.reserve(text.len() + 3);
        self.out.extend_from_slice(b"-");
        let from = self.out.len();
        self.out.extend_from_slice(text);
        for byte in &mut self.out[from..] {
            if matches!(byte, b'\r' | b'\n') {
                *byte = b' ';
            }
        }
        self.out.extend_from_slice(b"\r\n");
    }

    /// An integer.
    #[inline]
    pub fn integer(&mut self, value: i64) {
        self.number(b':', value);
    }

    /// A count or a length as an integer.
    pub fn count(&mut self, value: usize) {
        self.number(b':', value as i64);
    }

    /// A truth value as the integer 1 or 0, as Redis's older commands answer.
    #[inline]
    pub fn flag(&mut self, value: bool) {
        self.out
            .extend_from_slice(if value { b":1\r\n" } else { b":0\r\n" });
    }

    /// A bulk string.
    #[inline]
    pub fn bulk(&mut self, bytes: &[u8]) {
        self.out.reserve(bytes.len() + 16);
        self.number(b'$', bytes.len() as i64);
        self.out.extend_from_slice(bytes);
        self.out.extend_from_slice(b"\r\n");
    }

    /// A bulk string from text.
    pub fn text(&mut self, text: &str) {
        self.bulk(text.as_bytes());
    }

    /// A bulk string from a value that may be shared: a large one is not copied.
    pub fn shared(&mut self, bytes: &Arc<Vec<u8>>) {
        if bytes.len() < BLOB_MIN {
            return self.bulk(bytes);
        }
        self.number(b'$', bytes.len() as i64);
        self.blobs.push(Blob {
            at: self.out.len(),
            bytes: Arc::clone(bytes),
        });
        self.out.extend_from_slice(b"\r\n");
    }

    /// An integer as a bulk string (a string value that is stored as a number).
    #[inline]
    pub fn bulk_integer(&mut self, value: i64) {
        let mut digits = itoa::Buffer::new();
        self.bulk(digits.format(value).as_bytes());
    }

    /// The absent value.
    #[inline]
    pub fn null(&mut self) {
        self.out.extend_from_slice(match self.protocol {
            Protocol::Resp2 => b"$-1\r\n",
            Protocol::Resp3 => b"_\r\n",
        });
    }

    /// The absent array.
    pub fn null_array(&mut self) {
        self.out.extend_from_slice(match self.protocol {
            Protocol::Resp2 => b"*-1\r\n",
            Protocol::Resp3 => b"_\r\n",
        });
    }

    /// The head of an array of `len` replies that follow.
    #[inline]
    pub fn array(&mut self, len: usize) {
        self.number(b'*', len as i64);
    }

    /// The head of a map of `pairs` keys and values; a flat array in RESP2.
    pub fn map(&mut self, pairs: usize) {
        match self.protocol {
            Protocol::Resp2 => self.array(pairs * 2),
            Protocol::Resp3 => self.number(b'%', pairs as i64),
        }
    }

    /// The head of a set of `len` members; an array in RESP2.
    pub fn set(&mut self, len: usize) {
        match self.protocol {
            Protocol::Resp2 => self.array(len),
            Protocol::Resp3 => self.number(b'~', len as i64),
        }
    }

    /// The head of an out-of-band push of `len` replies; an array in RESP2.
    pub fn push(&mut self, len: usize) {
        match self.protocol {
            Protocol::Resp2 => self.array(len),
            Protocol::Resp3 => self.number(b'>', len as i64),
        }
    }

    /// A truth value; 1 or 0 in RESP2.
    pub fn boolean(&mut self, value: bool) {
        match self.protocol {
            Protocol::Resp2 => self.flag(value),
            Protocol::Resp3 => {
                self.out
                    .extend_from_slice(if value { b"#t\r\n" } else { b"#f\r\n" })
            }
        }
    }

    /// A floating-point number as [`crate::text::double`] prints it; a bulk string in RESP2.
    pub fn double(&mut self, value: f64) {
        let mut buffer = double::Buffer::new();
        let text = buffer.format(value);
        match self.protocol {
            Protocol::Resp2 => self.bulk(text.as_bytes()),
            Protocol::Resp3 => self.line(b',', text.as_bytes()),
        }
    }

    /// An integer of any size, given as its decimal text; a bulk string in RESP2.
    pub fn big_number(&mut self, digits: &str) {
        match self.protocol {
            Protocol::Resp2 => self.text(digits),
            Protocol::Resp3 => self.line(b'(', digits.as_bytes()),
        }
    }

    /// Text with a three-letter format (`txt`, `mkd`); a bulk string in RESP2.
    pub fn verbatim(&mut self, format: &str, text: &[u8]) {
        match self.protocol {
            Protocol::Resp2 => self.bulk(text),
            Protocol::Resp3 => {
                self.number(b'=', (format.len() + 1 + text.len()) as i64);
                self.out.extend_from_slice(format.as_bytes());
                self.out.extend_from_slice(b":");
                self.out.extend_from_slice(text);
                self.out.extend_from_slice(b"\r\n");
            }
        }
    }

    /// The head of `pairs` attributes before the reply proper; RESP2 has none, and the caller skips them.
    pub fn attribute(&mut self, pairs: usize) {
        debug_assert_eq!(
            self.protocol,
            Protocol::Resp3,
            "attributes exist in RESP3 alone"
        );
        self.number(b'|', pairs as i64);
    }

    /// Bytes that are a reply already.
    #[inline]
    pub fn raw(&mut self, bytes: &[u8]) {
        self.out.extend_from_slice(bytes);
    }

    /// Writes something in front of what was written since `mark`: the head of an array whose length shows only when its
    /// elements are written. The bytes behind it are moved once.
    pub fn insert_before(&mut self, mark: (usize, usize), write: impl FnOnce(&mut Self)) {
        let (end, blobs) = (self.out.len(), self.blobs.len());
        write(self);
        debug_assert_eq!(self.blobs.len(), blobs, "a head holds no large value");
        let added = self.out.len() - end;
        self.out[mark.0..].rotate_right(added);
        for blob in &mut self.blobs[mark.1..] {
            blob.at += added;
        }
    }

    fn line(&mut self, kind: u8, text: &[u8]) {
        self.out.reserve(text.len() + 3);
        self.out.extend_from_slice(&[kind]);
        self.out.extend_from_slice(text);
        self.out.extend_from_slice(b"\r\n");
    }

    #[inline]
    fn number(&mut self, kind: u8, value: i64) {
        // Nearly all counts and lengths are short; an array of known size is written without a call.
        let digit = |value: u32| b'0' + (value % 10) as u8;
        match value {
            0..=9 => self.raw(&[kind, digit(value as u32), b'\r', b'\n']),
            10..=99_999_999 => self.short_number(kind, value as u32),
            _ => self.line(kind, itoa::Buffer::new().format(value).as_bytes()),
        }
    }

    /// A number from 1 to 99,999,999: all its digits are found at once, in the parts of a register.
    #[inline]
    fn short_number(&mut self, kind: u8, value: u32) {
        // Two numbers of four digits, then four of two, then eight of one, the first in the lowest byte.
        let fours = u64::from(value / 10_000) | u64::from(value % 10_000) << 32;
        let hundreds = ((fours * 10_486) >> 20) & 0x7f_0000_007f;
        let twos = hundreds | (fours - 100 * hundreds) << 16;
        let tens = ((twos * 103) >> 10) & 0x000f_000f_000f_000f;
        let ones = tens | (twos - 10 * tens) << 8;
        let leading = ones.trailing_zeros() & !7;
        let digits = (ones | 0x3030_3030_3030_3030) >> leading;
        let len = 8 - leading as usize / 8;
        let line = u128::from(kind)
            | u128::from(digits) << 8
            | u128::from(u16::from_le_bytes(*b"\r\n")) << (8 * (len + 1));
        let end = self.out.len() + len + 3;
        self.raw(&line.to_le_bytes());
        self.out.truncate(end);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Checks what `write` puts out in RESP2 and in RESP3.
    fn check(write: impl Fn(&mut Reply), resp2: &str, resp3: &str) {
        for (protocol, want) in [(Protocol::Resp2, resp2), (Protocol::Resp3, resp3)] {
            let (mut out, mut blobs) = (BytesMut::new(), Vec::new());
            write(&mut Reply::new(&mut out, &mut blobs, protocol));
            assert_eq!(String::from_utf8_lossy(&out), want, "{protocol:?}");
        }
    }

    #[test]
    fn a_head_is_inserted_before_what_is_written() {
        let (mut out, mut blobs) = (BytesMut::new(), Vec::new());
        let mut reply = Reply::new(&mut out, &mut blobs, Protocol::Resp2);
        reply.integer(7);
        let mark = reply.mark();
        reply.shared(&Arc::new(vec![b'x'; BLOB_MIN]));
        reply.bulk(b"ab");
        reply.insert_before(mark, |reply| reply.array(2));
        assert_eq!(
            out,
            format!(":7\r\n*2\r\n${BLOB_MIN}\r\n\r\n$2\r\nab\r\n").as_bytes()
        );
        let head = format!(":7\r\n*2\r\n${BLOB_MIN}\r\n");
        assert_eq!(blobs[0].at, head.len());
    }

    #[test]
    fn each_type_has_its_form_in_both_versions() {
        check(|r| r.ok(), "+OK\r\n", "+OK\r\n");
        for value in [
            0,
            1,
            9,
            10,
            19,
            99,
            100,
            101,
            987,
            999,
            1000,
            -1,
            -12,
            i64::MAX,
        ] {
            let line = format!(":{value}\r\n");
            check(|r| r.integer(value), &line, &line);
        }
        check(
            |r| r.integer(i64::MIN),
            ":-9223372036854775808\r\n",
            ":-9223372036854775808\r\n",
        );
        check(|r| r.bulk(b"ab"), "$2\r\nab\r\n", "$2\r\nab\r\n");
        check(|r| r.bulk_integer(1234), "$4\r\n1234\r\n", "$4\r\n1234\r\n");
        check(|r| r.null(), "$-1\r\n", "_\r\n");
        check(|r| r.null_array(), "*-1\r\n", "_\r\n");
        check(|r| r.map(2), "*4\r\n", "%2\r\n");
        check(|r| r.set(12), "*12\r\n", "~12\r\n");
        check(|r| r.push(3), "*3\r\n", ">3\r\n");
        check(|r| r.boolean(true), ":1\r\n", "#t\r\n");
        check(|r| r.double(1.5), "$3\r\n1.5\r\n", ",1.5\r\n");
        check(|r| r.double(-3.0), "$2\r\n-3\r\n", ",-3\r\n");
        check(|r| r.double(f64::INFINITY), "$3\r\ninf\r\n", ",inf\r\n");
        check(|r| r.big_number("123"), "$3\r\n123\r\n", "(123\r\n");
        check(
            |r| r.verbatim("txt", b"hi"),
            "$2\r\nhi\r\n",
            "=6\r\ntxt:hi\r\n",
        );
    }

    #[test]
    fn numbers_of_every_length_are_written_whole() {
        let powers = (0..18).map(|zeros| 10i64.pow(zeros));
        let near = powers.flat_map(|power| power - 2..power + 3);
        let spread = (0..2000).map(|at| at * 50_123 + at * at * 7);
        for value in near.chain(spread) {
            let line = format!(":{value}\r\n");
            check(|r| r.integer(value), &line, &line);
        }
    }

    #[test]
    fn an_error_stays_on_one_line() {
        check(|r| r.error(b"ERR a\r\nb"), "-ERR a  b\r\n", "-ERR a  b\r\n");
    }

    #[test]
    fn a_large_value_is_referred_to_and_not_copied() {
        let value = Arc::new(vec![b'x'; BLOB_MIN]);
        let (mut out, mut blobs) = (BytesMut::new(), Vec::new());
        let mut reply = Reply::new(&mut out, &mut blobs, Protocol::Resp2);
        reply.shared(&value);
        assert_eq!(&out[..], b"$16384\r\n\r\n");
        assert_eq!(blobs[0].at, 8);
        assert!(Arc::ptr_eq(&blobs[0].bytes, &value));
    }
}
