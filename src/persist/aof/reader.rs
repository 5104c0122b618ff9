//! [`Reader`]: the commands of a file, one after the other.
//!
//! Two kinds of faults are told apart. A file that **ends too early**, within a command or a line, is what is left when the
//! power went while it was written: it can be cut behind its last whole command. Bytes that **cannot be part of a command**
//! are no such thing, and nobody can say what stood there.
//!
//! A command's words are gathered in one buffer that grows as they are read.

use std::fmt;
use std::io::{self, BufRead, BufReader, Read};

/// The longest line that holds a number, with its end.
const MAX_NUMBER_LINE: usize = 32;
/// The longest line that begins with `#`; what a line says beyond that is nothing to us.
const MAX_NOTE_BYTES: usize = 1024;
/// Bytes that are asked for at once.
const BUFFER_BYTES: usize = 256 * 1024;
/// A buffer of more bytes is not kept for the next command.
const KEPT_BYTES: usize = 1024 * 1024;

/// Why a file cannot be read on.
#[derive(Debug)]
pub enum ReadError {
    /// It ends within a command or a line.
    CutOff,
    /// At this offset is what cannot be there.
    Format(u64),
    /// The bytes could not be had.
    Io(io::Error),
}

impl fmt::Display for ReadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ReadError::CutOff => f.write_str("it ends too early"),
            ReadError::Format(offset) => write!(f, "no command at offset {offset}"),
            ReadError::Io(error) => write!(f, "it cannot be read: {error}"),
        }
    }
}

impl std::error::Error for ReadError {}

/// One command's words.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Words {
    bytes: Vec<u8>,
    ends: Vec<usize>,
}

impl Words {
    /// How many there are.
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// The words in order, the command's name first.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &[u8]> + Clone {
        let mut start = 0;
        self.ends.iter().map(move |&end| {
            let word = &self.bytes[start..end];
            start = end;
            word
        })
    }

    fn clear(&mut self) {
        self.bytes.clear();
        self.ends.clear();
        if self.bytes.capacity() > KEPT_BYTES {
            self.bytes = Vec::new();
        }
        if self.ends.capacity() > KEPT_BYTES / size_of::<usize>() {
            self.ends = Vec::new();
        }
    }
}

/// What stands in a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Item {
    /// A command, whose words are in [`Reader::words`].
    Command,
    /// When what follows happened, in Unix seconds.
    Time(i64),
    /// A line that is nothing to us.
    Note,
}

/// A file that is being read.
#[derive(Debug)]
pub struct Reader<R> {
    input: BufReader<R>,
    offset: u64,
    words: Words,
    line: Vec<u8>,
}

impl<R: Read> Reader<R> {
    /// Reads `inner`, whose first byte has the offset `start` in its file.
    pub fn new(inner: R, start: u64) -> Self {
        Reader {
            input: BufReader::with_capacity(BUFFER_BYTES, inner),
            offset: start,
            words: Words::default(),
            line: Vec::new(),
        }
    }

    /// The offset behind what was read last.
    pub fn offset(&self) -> u64 {
        self.offset
    }

    /// The words of the command that was read last.
    pub fn words(&self) -> &Words {
        &self.words
    }

    /// Reads what comes next; none at the end.
    pub fn read(&mut self) -> Result<Option<Item>, ReadError> {
        let start = self.offset;
        match self.peek()? {
            None => Ok(None),
            Some(b'#') => self.note().map(Some),
            Some(b'*') => {
                self.command(start)?;
                Ok(Some(Item::Command))
            }
            Some(_) => Err(ReadError::Format(start)),
        }
    }

    /// Reads the next command, and goes over lines; false at the end.
    pub fn read_command(&mut self) -> Result<bool, ReadError> {
        loop {
            match self.read()? {
                None => return Ok(false),
                Some(Item::Command) => return Ok(true),
                Some(Item::Time(_) | Item::Note) => {}
            }
        }
    }

    fn command(&mut self, start: u64) -> Result<(), ReadError> {
        self.words.clear();
        let count = self.number(b'*')?;
        if count == 0 {
            return Err(ReadError::Format(start));
        }
        for _ in 0..count {
            let len = self.number(b'$')?;
            self.word(len)?;
        }
        Ok(())
    }

    /// Reads a line of `kind` and a number, which must not be negative.
    fn number(&mut self, kind: u8) -> Result<u64, ReadError> {
        let start = self.offset;
        let mut value = None;
        for at in 0..MAX_NUMBER_LINE {
            let byte = self.byte()?;
            match byte {
                _ if at == 0 && byte == kind => {}
                b'0'..=b'9' if at > 0 => {
                    let digit = i64::from(byte - b'0');
                    let grown = value.unwrap_or(0_i64).checked_mul(10);
                    let grown = grown.and_then(|grown| grown.checked_add(digit));
                    value = Some(grown.ok_or(ReadError::Format(start))?);
                }
                b'\r' => {
                    let value = value.ok_or(ReadError::Format(start))?;
                    self.expect(b'\n')?;
                    return Ok(value.unsigned_abs());
                }
                _ => return Err(ReadError::Format(start)),
            }
        }
        Err(ReadError::Format(start))
    }

    fn word(&mut self, len: u64) -> Result<(), ReadError> {
        let before = self.words.bytes.len();
        // What a length says is not believed: the buffer grows by what is there.
        let mut left = len;
        while left > 0 {
            let found = self.input.fill_buf().map_err(ReadError::Io)?;
            if found.is_empty() {
                return Err(ReadError::CutOff);
            }
            let part = found.len().min(usize::try_from(left).unwrap_or(usize::MAX));
            self.words.bytes.extend_from_slice(&found[..part]);
            self.advance(part);
            left -= part as u64;
        }
        debug_assert_eq!((self.words.bytes.len() - before) as u64, len);
        self.words.ends.push(self.words.bytes.len());
        self.expect(b'\r')?;
        self.expect(b'\n')
    }

    /// Reads a line that begins with `#`.
    fn note(&mut self) -> Result<Item, ReadError> {
        self.line.clear();
        loop {
            let byte = self.byte()?;
            if byte == b'\n' {
                break;
            }
            if self.line.len() < MAX_NOTE_BYTES {
                self.line.push(byte);
            }
        }
        let line = self.line.strip_suffix(b"\r").unwrap_or(&self.line);
        let time = line.strip_prefix(b"#TS:").and_then(|digits| {
            let digits = std::str::from_utf8(digits).ok()?;
            digits.parse().ok()
        });
        Ok(time.map_or(Item::Note, Item::Time))
    }

    fn expect(&mut self, wanted: u8) -> Result<(), ReadError> {
        let start = self.offset;
        if self.byte()? != wanted {
            return Err(ReadError::Format(start));
        }
        Ok(())
    }

    fn byte(&mut self) -> Result<u8, ReadError> {
        let byte = self.peek()?.ok_or(ReadError::CutOff)?;
        self.advance(1);
        Ok(byte)
    }

    fn peek(&mut self) -> Result<Option<u8>, ReadError> {
        loop {
            match self.input.fill_buf() {
                Ok(found) => return Ok(found.first().copied()),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(ReadError::Io(error)),
            }
        }
    }

    fn advance(&mut self, bytes: usize) {
        self.input.consume(bytes);
        self.offset += bytes as u64;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const FILE: &[u8] = b"#TS:1700000000\r\n*2\r\n$6\r\nSELECT\r\n$1\r\n0\r\n#other\r\n\
                          *3\r\n$3\r\nSET\r\n$1\r\nk\r\n$0\r\n\r\n";

    /// The commands of a file, with the offset behind each, and how it ended.
    fn read(bytes: &[u8]) -> (Vec<(String, u64)>, Option<ReadError>) {
        let mut reader = Reader::new(bytes, 0);
        let mut found = Vec::new();
        loop {
            match reader.read() {
                Ok(None) => return (found, None),
                Ok(Some(Item::Command)) => {
                    let words: Vec<_> =
                        reader.words().iter().map(String::from_utf8_lossy).collect();
                    found.push((words.join(" "), reader.offset()));
                }
                Ok(Some(item)) => found.push((format!("{item:?}"), reader.offset())),
                Err(error) => return (found, Some(error)),
            }
        }
    }

    #[test]
    fn commands_and_lines_are_read_with_their_places() {
        let (found, error) = read(FILE);
        let want = [
            ("Time(1700000000)", 16),
            ("SELECT 0", 39),
            ("Note", 47),
            ("SET k ", FILE.len() as u64),
        ];
        let want: Vec<_> = want.map(|(text, offset)| (text.to_owned(), offset)).into();
        assert_eq!(found, want);
        assert!(error.is_none());
    }

    #[test]
    fn a_file_cut_at_any_byte_ends_too_early_or_between_two_commands() {
        let (whole, _) = read(FILE);
        for cut in 0..FILE.len() {
            let (found, error) = read(&FILE[..cut]);
            assert!(whole.starts_with(&found), "cut at {cut}");
            let read_up_to = found.last().map_or(0, |last| last.1);
            match error {
                None => assert_eq!(read_up_to, cut as u64),
                Some(ReadError::CutOff) => assert!(read_up_to < cut as u64, "cut at {cut}"),
                Some(error) => panic!("cut at {cut}: {error}"),
            }
        }
    }

    #[test]
    fn what_is_no_command_is_refused_with_its_offset() {
        for (bytes, offset) in [
            (b"SET k v\r\n".as_slice(), 0),
            (b"\0\0\0\0", 0),
            (b"*0\r\n", 0),
            (b"*-1\r\n", 0),
            (b"*1a\r\n$1\r\nk\r\n", 0),
            (b"*\r\n", 0),
            (b"*1\n$1\r\nk\r\n", 0),
            (b"*1\r\nk", 4),
            (b"*1\r\n$-1\r\n", 4),
            (b"*1\r\n$1\r\nkk\r\n", 9),
            (b"*99999999999999999999\r\n", 0),
            (b"*00000000000000000000000000000000000001\r\n", 0),
            (b"*1\r\n$4\r\nPING\r\n\r\n", 14),
        ] {
            let (_, error) = read(bytes);
            assert!(
                matches!(error, Some(ReadError::Format(at)) if at == offset),
                "{}: {error:?}",
                String::from_utf8_lossy(bytes)
            );
        }
    }

    #[test]
    fn a_length_costs_nothing_before_its_bytes_are_there() {
        let (_, error) = read(b"*9223372036854775807\r\n$9223372036854775807\r\nshort");
        assert!(matches!(error, Some(ReadError::CutOff)));
    }

    #[test]
    fn a_file_may_begin_behind_something_else() {
        let mut reader = Reader::new(&FILE[16..], 16);
        assert!(reader.read_command().expect("it is whole"));
        assert_eq!(reader.offset(), 39);
        assert_eq!(reader.words().len(), 2);
        assert!(reader.read_command().expect("it is whole"));
        assert!(!reader.read_command().expect("it is whole"));
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_to_an_end(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let (found, _) = read(&bytes);
            prop_assert!(found.len() <= bytes.len());
        }

        #[test]
        fn words_come_back(words in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..40), 1..6)) {
            let mut bytes = format!("*{}\r\n", words.len()).into_bytes();
            for word in &words {
                bytes.extend(format!("${}\r\n", word.len()).into_bytes());
                bytes.extend(word);
                bytes.extend(b"\r\n");
            }
            let mut reader = Reader::new(bytes.as_slice(), 0);
            prop_assert!(matches!(reader.read_command(), Ok(true)));
            prop_assert!(reader.words().iter().eq(words.iter().map(Vec::as_slice)));
        }
    }
}
