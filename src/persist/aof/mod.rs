//! The append-only file as Redis 7 lays it out: what changed the data set, as commands, in several files.
//!
//! * [`manifest`]: which files there are, and in which order they are read.
//! * [`reader`]: the commands of a file, each with its place.
//! * [`rewrite`]: a data set as the commands that make it.
//!
//! # The files
//! All lie in one directory. A **base** is the data set at some time, as a dump file or as commands; **increments** are what
//! came after, in the order of their numbers; **history** is what a newer base has made superfluous, and is removed. The
//! manifest names them, one a line:
//!
//! ```text
//! file appendonly.aof.2.base.rdb seq 2 type b
//! file appendonly.aof.5.incr.aof seq 5 type h
//! file appendonly.aof.6.incr.aof seq 6 type i
//! ```
//!
//! A file of commands has them one after the other as clients send them, arrays of bulk strings; what happened together
//! stands between MULTI and EXEC. Between commands there may be lines that begin with `#`; `#TS:1700000000` says when what
//! follows it happened, in Unix seconds.
//!
//! # What is not trusted
//! Any of it: see [`reader`] for what is told apart, and nothing in a file makes an allocation that it does not pay for.

pub mod manifest;
pub mod reader;
pub mod rewrite;
