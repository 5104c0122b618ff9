//! The types of value: each holds its data in the encoding that fits its size, and knows no protocol.
//!
//! * [`hash`]: fields with values, each of which may expire.
//! * [`list`]: a sequence of byte strings with two ends.
//! * [`set`]: byte strings, each once.
//! * [`sorted_set`]: byte strings in the order of their scores.
//! * [`stream`]: entries in the order of their ids, and the groups that consume them.
//!
//! A new type is a new file here; its limits come in as parameters, since configuration may change them at any time.
pub mod hash;
pub mod list;
pub mod set;
pub mod sorted_set;
pub mod stream;
