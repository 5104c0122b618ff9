//! Ruddle: a Redis-compatible in-memory server.
//!
//! The layers, from the inside out; each may use only those above it in this list:
//!
//! * [`store`]: the data set: tables, trees, entries, expiry. Synchronous; knows neither tokio nor RESP.
//! * [`resp`]: the protocol: decoding requests, encoding replies. Knows nothing of the server.
pub mod resp;
pub mod store;
