//! The protocol: RESP2, RESP3 and inline commands, as bytes in and bytes out.
//!
//! Life cycle of a request: the connection's [`codec::RespCodec`] finds every complete command in
//! the read buffer ([`request`]) and leaves the bytes where they are; handlers see them as
//! [`request::Request`] views and write their answers with [`reply::Reply`]. Nothing here knows
//! what a command means, so a change to the meaning of a command never touches this module, and
//! a change to the wire format touches nothing else.

pub mod codec;
pub mod queue;
pub mod reply;
pub mod request;

pub use codec::{Decoded, RespCodec};
pub use queue::CommandQueue;
pub use reply::{Blob, Protocol, Reply};
pub use request::{Limits, ProtocolError, Request};
