//! What outlives the process: the formats of files, and of values on their way to another server.
//!
//! * [`rdb`]: Redis's dump format, for whole files and for single values.
//!
//! Beside the data set this layer knows bytes alone: a `Read` or `Write` that its users bring, no paths, no commands, no
//! clock.

pub mod rdb;
