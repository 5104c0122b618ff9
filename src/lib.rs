//! Ruddle: a Redis-compatible in-memory server.
//!
//! The layers, from the inside out; each may use only those above it in this list:
//!
//! * [`text`]: numbers, quoted words and patterns, read by the same rules everywhere. A leaf.
//! * [`store`]: the data set: tables, trees, entries, expiry. Synchronous; knows neither tokio nor RESP.
//! * [`resp`]: the protocol: decoding requests, encoding replies. Knows nothing of the server.
//! * [`config`] and [`observe`]: the parameters and the log. Know nothing of commands.
//! * [`persist`]: the formats of files. Knows the store and nothing above it.
//! * [`replication`]: the log of writes. Knows the store and nothing above it.
//! * [`command`] and [`instance`]: what a command is (spec, arguments, context, errors), and what a running
//!   server shares beside the data set (clients, counters).
//! * [`script`]: Lua, for scripts and functions.
//! * [`commands`]: the commands, one family a file, each spec beside its handler.
//! * [`server`]: listeners, connections, the gate, background work, shutdown.
//!
//! Apart from them stands [`client`], a blocking client, which uses [`text`] alone.

pub mod client;
pub mod command;
pub mod commands;
pub mod config;
pub mod instance;
pub mod observe;
pub mod persist;
pub mod replication;
pub mod resp;
pub mod script;
pub mod server;
pub mod store;
pub mod text;
