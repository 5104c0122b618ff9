//! What the server says of itself: its log; later its statistics and latencies.

pub mod log;
