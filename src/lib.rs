//! Ruddle: a Redis-compatible in-memory server.
//!
//! The layers, from the inside out; each may use only those above it in this list:
//!
//! * [`text`]: numbers, quoted words and patterns, read by the same rules everywhere. A leaf.
//! * [`store`]: the data set: tables, trees, entries, expiry. Synchronous; knows neither tokio nor RESP.
//! * [`resp`]: the protocol: decoding requests, encoding replies. Knows nothing of the server.
//! * [`command`]: what a command is: its spec, its arguments, its context, its errors.
//! * [`commands`]: the commands, one family a file, each spec beside its handler.
//! * [`server`]: listeners, connections, the gate, background work, shutdown.

pub mod resp;
pub mod store;
pub mod text;
