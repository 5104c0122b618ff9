//! The codec that `tokio_util::codec::Framed` drives: bytes in, batches of commands out.
//!
//! A decoded item is not a command but the news that a batch of complete commands lies in the read
//! buffer. The connection executes them where they are and then calls [`RespCodec::finish_batch`];
//! so a command costs no allocation and no copy on its way in. On the way out replies are
//! written straight into the framed write buffer.

use std::io;

use bytes::buf::Limit;
use bytes::{Buf, Bytes, BytesMut};
use tokio_util::codec::{Decoder, Encoder};

use super::request::{Limits, Parser, ProtocolError, Request};

/// Room for reading that a connection has at first, and keeps while it is small.
pub const READ_BUFFER: usize = 16 * 1024;
/// Room for reading that a connection gets whose peer fills the buffer.
const READ_BUFFER_BUSY: usize = 64 * 1024;
/// Room for reading that a connection has at least after a large argument, as others may follow; it is given back when they do not.
const READ_BUFFER_LARGE: usize = 40 * 1024;
/// So much of a large argument must have yet to come for it to be read into its own buffer.
const READ_STRAIGHT: usize = 16 * 1024;

/// What [`RespCodec`] found.
#[derive(Debug, PartialEq, Eq)]
pub enum Decoded {
    /// So many complete commands; [`RespCodec::request`] gives each.
    Batch(usize),
    /// Much of a large argument has yet to come: [`RespCodec::read_wanted`] reads it without a detour by the read buffer.
    Large,
    /// What has come of a command is more than a peer may send: close, unless the limits are others by now.
    TooMuch,
    /// The peer broke the protocol: answer and close.
    Fault(ProtocolError),
}

/// One connection's codec.
#[derive(Debug, Default)]
pub struct RespCodec {
    parser: Parser,
    limits: Limits,
    /// Set once the peer has broken the protocol: nothing it sends is read any more.
    closed: bool,
}

impl RespCodec {
    /// A codec with the given limits.
    pub fn new(limits: Limits) -> Self {
        RespCodec {
            parser: Parser::default(),
            limits,
            closed: false,
        }
    }

    /// Changes the limits (after authentication, after a change of the configuration).
    pub fn set_limits(&mut self, limits: Limits) {
        self.limits = limits;
    }

    /// The command at `index` of the batch, as a view of the read buffer.
    #[inline]
    pub fn request<'a>(&'a self, buffer: &'a [u8], index: usize) -> Request<'a> {
        self.parser.request(buffer, index)
    }

    /// How many commands the batch holds.
    pub fn batch_len(&self) -> usize {
        self.parser.batch_len()
    }

    /// How many bytes of the read buffer the batch takes.
    pub fn batch_bytes(&self) -> usize {
        self.parser.batch_bytes()
    }

    /// Forgets the batch; the caller drops as many bytes from the front of the read buffer.
    #[must_use]
    pub fn finish_batch(&mut self) -> usize {
        self.parser.finish_batch()
    }

    /// How many more bytes the large argument wants that is being read.
    pub fn wanted(&self) -> usize {
        self.parser.wanted()
    }

    /// Calls `read` with room for them; see [`Parser::read_wanted`].
    pub fn read_wanted<R>(
        &mut self,
        read: impl FnOnce(&mut Limit<&mut Vec<u8>>) -> R,
    ) -> Option<R> {
        self.parser.read_wanted(read)
    }

    /// How many bytes of the read buffer the batch's commands before `index` take; see [`Parser::bytes_before`].
    pub fn bytes_before(&self, index: usize) -> usize {
        self.parser.bytes_before(index)
    }

    /// Memory that the arguments of a command that has not arrived whole take beside the read buffer.
    pub fn argument_bytes(&self) -> usize {
        self.parser.argument_bytes()
    }

    /// Whether what has come of a command is more than a peer may send, with `buffered` bytes in the read buffer.
    pub fn is_too_much(&self, buffered: usize) -> bool {
        self.parser.is_too_much(buffered, self.limits)
    }
}

impl Decoder for RespCodec {
    type Item = Decoded;
    type Error = io::Error;

    fn decode(&mut self, buffer: &mut BytesMut) -> io::Result<Option<Decoded>> {
        if self.closed {
            buffer.clear();
            return Ok(None);
        }
        let filled = buffer.len() == buffer.capacity();
        match self.parser.parse(buffer, self.limits) {
            Ok(0) => {
                // Nothing complete is in the buffer; drop what was skipped (empty lines, `*0`).
                let skipped = self.parser.finish_batch();
                buffer.advance(skipped);
                if self.is_too_much(buffer.len()) {
                    return Ok(Some(Decoded::TooMuch));
                }
                if self.parser.wanted() >= READ_STRAIGHT {
                    buffer.reserve(READ_BUFFER_LARGE.saturating_sub(buffer.len()));
                    return Ok(Some(Decoded::Large));
                }
                let room = if filled || self.parser.wanted() > 0 {
                    READ_BUFFER_BUSY
                } else {
                    READ_BUFFER / 2
                };
                if buffer.capacity() - buffer.len() < room / 2 {
                    buffer.reserve(room);
                }
                Ok(None)
            }
            Ok(commands) => Ok(Some(Decoded::Batch(commands))),
            Err(fault) => {
                self.closed = true;
                buffer.clear();
                Ok(Some(Decoded::Fault(fault)))
            }
        }
    }

    /// At the end of the stream an unfinished command is dropped: its sender is gone.
    fn decode_eof(&mut self, buffer: &mut BytesMut) -> io::Result<Option<Decoded>> {
        let decoded = self.decode(buffer)?;
        if decoded.is_none() {
            buffer.clear();
        }
        Ok(decoded)
    }
}

/// Bytes that are encoded already: messages from other connections.
impl Encoder<Bytes> for RespCodec {
    type Error = io::Error;

    fn encode(&mut self, message: Bytes, buffer: &mut BytesMut) -> io::Result<()> {
        buffer.extend_from_slice(&message);
        Ok(())
    }
}

#[cfg(test)]
mod tests;
