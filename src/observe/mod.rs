//! What the server says of itself: its log, its slow log, and what the system says of its process.

pub mod log;
pub mod process;
pub mod slowlog;
pub mod zone;
