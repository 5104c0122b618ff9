//! What outlives the process: the formats of files, and of values on their way to another server.
//!
//! * [`rdb`]: Redis's dump format, for whole files and for single values.
//! * [`aof`]: the files of an append-only file.
//! * [`disk`]: the file system that they lie in, passed in.
//!
//! Beside the data set this layer knows bytes alone: a `Read` or `Write`, or a [`disk::Disk`], that its users bring, no
//! commands, no clock.

pub mod aof;
pub mod disk;
pub mod rdb;
