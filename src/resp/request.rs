//! Finding the commands in a connection's read buffer.
//!
//! The parser never copies what it finds: an argument is a [`Span`] of the buffer. Its state survives
//! a buffer that ends anywhere (in the middle of a length, between `\r` and `\n`, in a value), and
//! the bytes that it has looked at are not looked at again. One kind of argument leaves the buffer:
//! a value of at least [`LARGE_ARGUMENT`] bytes that has not arrived whole is gathered in a buffer of
//! its own, which the data set can then keep as it is, without a second copy.
//!
//! The limits and the texts of the errors are those of Redis (`networking.c`).

use std::fmt;
use std::sync::Arc;

use bytes::buf::Limit;
use bytes::{BufMut, BytesMut};

use crate::text::number::parse_i64;
use crate::text::words;

/// A value that long is gathered outside the read buffer when it arrives in pieces.
pub const LARGE_ARGUMENT: usize = 32 * 1024;
/// The longest inline command, and the longest line that holds a length.
pub const MAX_INLINE: usize = 64 * 1024;
/// Before authentication: the most arguments a command may have.
const UNAUTHENTICATED_MULTIBULK: i64 = 10;
/// Before authentication: the longest argument.
const UNAUTHENTICATED_BULK: i64 = 16384;
/// A large argument's buffer starts with room for no more than this, and then grows as bytes arrive.
const LARGE_INITIAL: usize = 1024 * 1024;
/// What may lie in a read buffer, whatever the configuration says: a [`Span`] must be able to name all of it.
const MAX_BUFFERED: usize = 1 << 31;
/// Before authentication: the most that may have come and not be executed.
const UNAUTHENTICATED_QUERY: usize = 1024 * 1024;
/// Commands in a batch, at the most; bounds the time that a batch holds the data set's lock.
const MAX_BATCH: usize = 512;

/// What the parser allows; the connection changes it on authentication and configuration.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// `proto-max-bulk-len`: the longest argument, in bytes.
    pub max_bulk: i64,
    /// `client-query-buffer-limit`: how much may have come that is not executed, in bytes.
    pub max_query: usize,
    /// Whether the smaller limits for clients that have yet to authenticate hold.
    pub unauthenticated: bool,
}

impl Limits {
    /// Whether so much may wait to be executed: bytes of the read buffer, and of arguments beside it.
    pub fn allow(&self, buffered: usize, beside: usize) -> bool {
        let max_query = if self.unauthenticated {
            self.max_query.min(UNAUTHENTICATED_QUERY)
        } else {
            self.max_query
        };
        buffered <= MAX_BUFFERED && buffered.saturating_add(beside) <= max_query
    }
}

impl Default for Limits {
    fn default() -> Self {
        Limits {
            max_bulk: 512 * 1024 * 1024,
            max_query: 1024 * 1024 * 1024,
            unauthenticated: false,
        }
    }
}

/// Where an argument is: in the read buffer, or among the large arguments.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    /// Offset in the buffer, or [`Span::LARGE`].
    start: u32,
    /// Length in bytes, or the index among the large arguments.
    len: u32,
}

impl Span {
    const LARGE: u32 = u32::MAX;

    /// The span of `len` bytes from `start` on.
    pub fn new(start: usize, len: usize) -> Self {
        // The limit of what lies in a buffer keeps both below 4 GiB; saturating makes a breach of that
        // an out-of-range slice (caught) and never a wrong one.
        Span {
            start: u32::try_from(start).unwrap_or(Self::LARGE - 1),
            len: u32::try_from(len).unwrap_or(u32::MAX),
        }
    }

    pub(super) fn large(index: usize) -> Self {
        Span {
            start: Self::LARGE,
            len: index as u32,
        }
    }

    fn shift(&mut self, by: usize) {
        if self.start != Self::LARGE {
            self.start -= by as u32;
        }
    }
}

/// One command's arguments (its name first), borrowed from where they arrived.
#[derive(Clone, Copy)]
pub struct Request<'a> {
    buffer: &'a [u8],
    spans: &'a [Span],
    large: &'a [Arc<Vec<u8>>],
}

impl<'a> Request<'a> {
    /// A view of `spans` within `buffer`, with the large arguments that they may name.
    pub fn new(buffer: &'a [u8], spans: &'a [Span], large: &'a [Arc<Vec<u8>>]) -> Self {
        Request {
            buffer,
            spans,
            large,
        }
    }

    /// How many arguments there are, the command's name included.
    #[inline]
    pub fn len(&self) -> usize {
        self.spans.len()
    }

    /// Whether there is not even a name.
    pub fn is_empty(&self) -> bool {
        self.spans.is_empty()
    }

    /// The argument at `index`; panics beyond [`Request::len`], which arity has checked before.
    #[inline]
    pub fn get(&self, index: usize) -> &'a [u8] {
        let span = self.spans[index];
        if span.start == Span::LARGE {
            return &self.large[span.len as usize];
        }
        &self.buffer[span.start as usize..span.start as usize + span.len as usize]
    }

    /// The argument at `index` as a buffer that can be kept without a copy, where it arrived as one.
    #[inline]
    pub fn shared(&self, index: usize) -> Option<&'a Arc<Vec<u8>>> {
        let span = self.spans[index];
        (span.start == Span::LARGE).then(|| &self.large[span.len as usize])
    }

    /// All arguments from `from` on.
    pub fn iter_from(
        &self,
        from: usize,
    ) -> impl ExactSizeIterator<Item = &'a [u8]> + Clone + use<'a> {
        let request = *self;
        (from.min(request.len())..request.len()).map(move |index| request.get(index))
    }

    /// The same command without its first `count` words, as a container's subcommand sees it.
    pub fn skip(&self, count: usize) -> Request<'a> {
        Request {
            spans: &self.spans[count.min(self.spans.len())..],
            ..*self
        }
    }
}

impl fmt::Debug for Request<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list()
            .entries(self.iter_from(0).map(String::from_utf8_lossy))
            .finish()
    }
}

/// What a peer did wrong; the connection answers it and closes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProtocolError {
    /// An inline command longer than [`MAX_INLINE`].
    InlineTooLong,
    /// An inline command whose quotes do not balance.
    UnbalancedQuotes,
    /// A line with a count of arguments that does not end.
    MultibulkCountTooLong,
    /// A count of arguments that is no number or too large.
    InvalidMultibulk,
    /// More arguments than a client may send before it has authenticated.
    UnauthenticatedMultibulk,
    /// A line with a length that does not end.
    BulkLengthTooLong,
    /// Another byte where an argument's `$` was due.
    ExpectedDollar(u8),
    /// A length that is no number, negative or above `proto-max-bulk-len`.
    InvalidBulk,
    /// A longer argument than a client may send before it has authenticated.
    UnauthenticatedBulk,
}

impl ProtocolError {
    /// The error line for the peer, without `-` and line end. A byte of the peer's is given back as it came.
    pub fn wire_text(&self) -> Vec<u8> {
        match self {
            Self::ExpectedDollar(got) => [
                b"ERR Protocol error: expected '$', got '".as_slice(),
                &[*got],
                b"'",
            ]
            .concat(),
            _ => format!("ERR {self}").into_bytes(),
        }
    }

    /// Whether the same bytes would be allowed to a client that has authenticated.
    fn depends_on_authentication(self) -> bool {
        matches!(
            self,
            Self::UnauthenticatedMultibulk | Self::UnauthenticatedBulk
        )
    }
}

impl fmt::Display for ProtocolError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Protocol error: ")?;
        f.write_str(match self {
            Self::InlineTooLong => "too big inline request",
            Self::UnbalancedQuotes => "unbalanced quotes in request",
            Self::MultibulkCountTooLong => "too big mbulk count string",
            Self::InvalidMultibulk => "invalid multibulk length",
            Self::UnauthenticatedMultibulk => "unauthenticated multibulk length",
            Self::BulkLengthTooLong => "too big bulk count string",
            Self::ExpectedDollar(got) => {
                return write!(f, "expected '$', got '{}'", got.escape_ascii());
            }
            Self::InvalidBulk => "invalid bulk length",
            Self::UnauthenticatedBulk => "unauthenticated bulk length",
        })
    }
}

impl std::error::Error for ProtocolError {}

/// A complete command within a batch.
#[derive(Clone, Copy, Debug)]
struct Command {
    first_span: u32,
    spans: u32,
}

/// The parser's place within a command that has not arrived whole.
#[derive(Debug)]
struct Partial {
    /// Arguments still to come; 0 between commands.
    missing: usize,
    /// The length of the argument that is being read, once its header has been.
    bulk: Option<usize>,
    /// A large argument, as far as it has come.
    gathering: Option<Vec<u8>>,
    /// Memory of the command's large arguments that have come whole.
    held: usize,
    /// The next byte to look at.
    at: usize,
    /// The command's first span.
    first_span: usize,
    /// Bytes already searched for the end of a line from `at` on.
    searched: usize,
}

/// The state of one connection's parser, with the batch that it found last.
#[derive(Debug)]
pub struct Parser {
    commands: Vec<Command>,
    spans: Vec<Span>,
    large: Vec<Arc<Vec<u8>>>,
    partial: Partial,
    /// The end of the last complete command: what [`Parser::finish_batch`] frees.
    batch_end: usize,
    failed: Option<ProtocolError>,
}

/// The outcome of one step of the parser.
enum Step {
    Command,
    NeedMore,
}

impl Default for Parser {
    fn default() -> Self {
        Parser {
            commands: Vec::new(),
            spans: Vec::new(),
            large: Vec::new(),
            partial: Partial {
                missing: 0,
                bulk: None,
                gathering: None,
                held: 0,
                at: 0,
                first_span: 0,
                searched: 0,
            },
            batch_end: 0,
            failed: None,
        }
    }
}

impl Parser {
    /// Reads on in `buffer` and returns how many complete commands there now are.
    ///
    /// Commands that precede a fault are returned first, the fault by the next call.
    pub fn parse(&mut self, buffer: &mut BytesMut, limits: Limits) -> Result<usize, ProtocolError> {
        while self.failed.is_none() && self.commands.len() < MAX_BATCH {
            match self.step(buffer, limits) {
                Ok(Step::Command) => self.end_command(),
                Ok(Step::NeedMore) => break,
                // One of the commands in this batch may be the AUTH that lifts the limit: look again after them.
                Err(fault) if fault.depends_on_authentication() && !self.commands.is_empty() => {
                    break;
                }
                Err(fault) => self.failed = Some(fault),
            }
        }
        match self.failed {
            Some(fault) if self.commands.is_empty() => Err(fault),
            _ => Ok(self.commands.len()),
        }
    }

    /// The command at `index` of the batch, as a view of `buffer`.
    #[inline]
    pub fn request<'a>(&'a self, buffer: &'a [u8], index: usize) -> Request<'a> {
        let command = self.commands[index];
        let first = command.first_span as usize;
        Request::new(
            buffer,
            &self.spans[first..first + command.spans as usize],
            &self.large,
        )
    }

    /// How many commands the batch holds.
    pub fn batch_len(&self) -> usize {
        self.commands.len()
    }

    /// How many bytes of the buffer the batch takes.
    pub fn batch_bytes(&self) -> usize {
        self.batch_end
    }

    /// Forgets the batch and returns how many bytes of the buffer it took; the caller drops them.
    #[must_use]
    pub fn finish_batch(&mut self) -> usize {
        let taken = self.batch_end;
        if !self.commands.is_empty() {
            // What is left behind a batch holds nothing yet: see `read_argument`.
            self.partial.held = 0;
        }
        self.commands.clear();
        self.spans.drain(..self.partial.first_span);
        self.partial.first_span = 0;
        // A partial command can own large arguments too; they are the newest, and stay.
        let kept = self
            .spans
            .iter()
            .filter(|span| span.start == Span::LARGE)
            .count();
        self.large.drain(..self.large.len() - kept);
        let mut index = 0;
        for span in &mut self.spans {
            span.shift(taken);
            if span.start == Span::LARGE {
                span.len = index;
                index += 1;
            }
        }
        self.partial.at -= taken;
        self.batch_end = 0;
        taken
    }

    /// How many bytes of the buffer the batch's commands before `index` take, but for what frames a large argument.
    pub fn bytes_before(&self, index: usize) -> usize {
        let Some(last) = index
            .checked_sub(1)
            .and_then(|last| self.commands.get(last))
        else {
            return 0;
        };
        let spans = &self.spans[..(last.first_span + last.spans) as usize];
        let in_buffer = spans.iter().rev().find(|span| span.start != Span::LARGE);
        in_buffer.map_or(0, |span| span.start as usize + span.len as usize + 2)
    }

    /// Memory that the arguments of a command that has not arrived whole take beside the read buffer.
    pub fn argument_bytes(&self) -> usize {
        self.partial.held + self.partial.gathering.as_ref().map_or(0, Vec::capacity)
    }

    /// Whether a command that has not arrived whole is more than a peer may send, with `buffered` bytes in the read buffer.
    /// A large argument counts as long as it was announced.
    pub fn is_too_much(&self, buffered: usize, limits: Limits) -> bool {
        let Partial {
            gathering,
            bulk,
            held,
            ..
        } = &self.partial;
        let announced = gathering.as_ref().and(*bulk).unwrap_or(0);
        !limits.allow(buffered, held.saturating_add(announced))
    }

    /// How many more bytes the argument that is being gathered wants, as a hint for the next read.
    pub fn wanted(&self) -> usize {
        match (&self.partial.gathering, self.partial.bulk) {
            (Some(have), Some(len)) => len - have.len(),
            _ => 0,
        }
    }

    /// Calls `read` with room for the rest of the argument that is being gathered, to fill it straight from where it comes.
    /// None where no argument is.
    pub fn read_wanted<R>(
        &mut self,
        read: impl FnOnce(&mut Limit<&mut Vec<u8>>) -> R,
    ) -> Option<R> {
        let wanted = self.wanted();
        let have = self.partial.gathering.as_mut()?;
        if have.capacity() == have.len() {
            // Doubling, as in `gather`.
            have.reserve_exact(have.capacity().min(wanted));
        }
        let room = wanted.min(have.capacity() - have.len());
        Some(read(&mut have.limit(room)))
    }

    fn end_command(&mut self) {
        let first = self.partial.first_span;
        if self.spans.len() > first {
            self.commands.push(Command {
                first_span: first as u32,
                spans: (self.spans.len() - first) as u32,
            });
        }
        self.partial.first_span = self.spans.len();
        self.batch_end = self.partial.at;
    }

    /// Reads a command of a few short arguments that has arrived whole, which nearly all are; false, and nothing is done, where
    /// another one is next.
    #[inline]
    fn read_short(&mut self, buffer: &[u8], limits: Limits) -> bool {
        let [b'*', count @ b'1'..=b'9', b'\r', b'\n', rest @ ..] = &buffer[self.partial.at..]
        else {
            return false;
        };
        let mut rest = rest;
        for _ in b'0'..*count {
            let (len, value) = match rest {
                [b'$', ones @ b'0'..=b'9', b'\r', b'\n', value @ ..] => (ones - b'0', value),
                [
                    b'$',
                    tens @ b'1'..=b'9',
                    ones @ b'0'..=b'9',
                    b'\r',
                    b'\n',
                    value @ ..,
                ] => ((tens - b'0') * 10 + (ones - b'0'), value),
                _ => return self.is_not_short(),
            };
            let Some(next) = value.get(usize::from(len) + 2..) else {
                return self.is_not_short();
            };
            if i64::from(len) > limits.max_bulk {
                return self.is_not_short();
            }
            let start = buffer.len() - value.len();
            self.spans.push(Span::new(start, len.into()));
            rest = next;
        }
        self.partial.at = buffer.len() - rest.len();
        // The line may have been begun when the rest had not come.
        self.partial.searched = 0;
        true
    }

    #[cold]
    fn is_not_short(&mut self) -> bool {
        self.spans.truncate(self.partial.first_span);
        false
    }

    fn step(&mut self, buffer: &mut BytesMut, limits: Limits) -> Result<Step, ProtocolError> {
        if self.partial.missing == 0 {
            if self.read_short(buffer, limits) {
                return Ok(Step::Command);
            }
            match buffer.get(self.partial.at) {
                None => return Ok(Step::NeedMore),
                Some(b'*') => match self.read_count(buffer, limits)? {
                    None => return Ok(Step::NeedMore),
                    Some(0) => return Ok(Step::Command),
                    Some(count) => self.partial.missing = count,
                },
                Some(_) => return self.read_inline(buffer),
            }
        }
        while self.partial.missing > 0 {
            if !self.read_argument(buffer, limits)? {
                return Ok(Step::NeedMore);
            }
            self.partial.missing -= 1;
        }
        Ok(Step::Command)
    }

    fn read_count(
        &mut self,
        buffer: &[u8],
        limits: Limits,
    ) -> Result<Option<usize>, ProtocolError> {
        let from = self.partial.at;
        let Some(line) = self.read_line(buffer, ProtocolError::MultibulkCountTooLong)? else {
            return Ok(None);
        };
        let count = parse_i64(&line[1..])
            .filter(|&count| count <= i64::from(i32::MAX))
            .ok_or(ProtocolError::InvalidMultibulk)?;
        if limits.unauthenticated && count > UNAUTHENTICATED_MULTIBULK {
            self.partial.at = from;
            return Err(ProtocolError::UnauthenticatedMultibulk);
        }
        Ok(Some(count.max(0) as usize))
    }

    /// Reads one argument; false when it has not arrived whole.
    #[inline]
    fn read_argument(
        &mut self,
        buffer: &mut BytesMut,
        limits: Limits,
    ) -> Result<bool, ProtocolError> {
        let len = match self.partial.bulk {
            Some(len) => len,
            None => match self.read_bulk_header(buffer, limits)? {
                Some(len) => len,
                None => return Ok(false),
            },
        };
        let at = self.partial.at;
        if self.partial.gathering.is_none() {
            if buffer.len() >= at + len + 2 {
                self.spans.push(Span::new(at, len));
                self.partial.at = at + len + 2;
                self.partial.bulk = None;
                return Ok(true);
            }
            self.partial.bulk = Some(len);
            // While commands wait in this buffer it must not be changed; they are executed first.
            if len < LARGE_ARGUMENT || !self.commands.is_empty() {
                return Ok(false);
            }
            self.partial.gathering = Some(Vec::with_capacity(len.min(LARGE_INITIAL)));
        }
        Ok(self.gather(buffer, len))
    }

    /// Moves what has come of a large argument out of the buffer; true when it is complete.
    fn gather(&mut self, buffer: &mut BytesMut, len: usize) -> bool {
        let at = self.partial.at;
        let Some(have) = &mut self.partial.gathering else {
            return false;
        };
        let take = (len - have.len()).min(buffer.len() - at);
        if have.capacity() - have.len() < take {
            // Doubling, but never past the announced length: the buffer will be kept as the value.
            let target = (have.capacity() * 2).clamp(have.len() + take, len);
            have.reserve_exact(target - have.len());
        }
        have.extend_from_slice(&buffer[at..at + take]);
        let rest = buffer.len() - at - take;
        buffer.copy_within(at + take.., at);
        buffer.truncate(at + rest);
        if have.len() < len || rest < 2 {
            return false;
        }
        let value = self.partial.gathering.take().unwrap_or_default();
        self.spans.push(Span::large(self.large.len()));
        self.partial.held += value.capacity();
        self.large.push(Arc::new(value));
        self.partial.bulk = None;
        self.partial.at = at + 2;
        true
    }

    #[inline]
    fn read_bulk_header(
        &mut self,
        buffer: &[u8],
        limits: Limits,
    ) -> Result<Option<usize>, ProtocolError> {
        let from = self.partial.at;
        let Some(line) = self.read_line(buffer, ProtocolError::BulkLengthTooLong)? else {
            return Ok(None);
        };
        let digits = match line {
            [b'$', digits @ ..] => digits,
            _ => {
                return Err(ProtocolError::ExpectedDollar(
                    line.first().copied().unwrap_or(b'\r'),
                ));
            }
        };
        let len = parse_i64(digits)
            .filter(|&len| len >= 0 && len <= limits.max_bulk)
            .ok_or(ProtocolError::InvalidBulk)?;
        if limits.unauthenticated && len > UNAUTHENTICATED_BULK {
            self.partial.at = from;
            return Err(ProtocolError::UnauthenticatedBulk);
        }
        Ok(Some(len as usize))
    }

    /// The line at the parser's place without its `\r\n`, once it is there whole.
    #[inline]
    fn read_line<'b>(
        &mut self,
        buffer: &'b [u8],
        too_long: ProtocolError,
    ) -> Result<Option<&'b [u8]>, ProtocolError> {
        let from = self.partial.at;
        let rest = &buffer[from..];
        let searched = self.partial.searched.min(rest.len());
        match rest[searched..].iter().position(|&byte| byte == b'\r') {
            Some(found) if searched + found + 1 < rest.len() => {
                let end = searched + found;
                self.partial.at = from + end + 2;
                self.partial.searched = 0;
                Ok(Some(&rest[..end]))
            }
            Some(found) => {
                self.partial.searched = searched + found;
                Ok(None)
            }
            None if rest.len() > MAX_INLINE => Err(too_long),
            None => {
                self.partial.searched = rest.len();
                Ok(None)
            }
        }
    }

    fn read_inline(&mut self, buffer: &mut BytesMut) -> Result<Step, ProtocolError> {
        let from = self.partial.at;
        let rest = &buffer[from..];
        let searched = self.partial.searched.min(rest.len());
        let Some(found) = rest[searched..].iter().position(|&byte| byte == b'\n') else {
            if rest.len() > MAX_INLINE {
                return Err(ProtocolError::InlineTooLong);
            }
            self.partial.searched = rest.len();
            return Ok(Step::NeedMore);
        };
        let end = searched + found;
        let line = rest[..end].strip_suffix(b"\r").unwrap_or(&rest[..end]);
        let words = words::split(line).map_err(|_| ProtocolError::UnbalancedQuotes)?;
        for word in words {
            self.spans.push(Span::large(self.large.len()));
            self.large.push(Arc::new(word));
        }
        self.partial.at = from + end + 1;
        self.partial.searched = 0;
        Ok(Step::Command)
    }
}

#[cfg(test)]
mod tests;
