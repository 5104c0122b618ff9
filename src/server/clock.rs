//! The time of day, read once a batch.

pub use crate::instance::unix_ms;
