//! The types of value: each holds its data in the encoding that fits its size, and knows no protocol.
//!
//! * [`list`]: a sequence of byte strings with two ends.
//!
//! A new type is a new file here; its limits come in as parameters, since configuration may change them at any time.
pub mod list;
