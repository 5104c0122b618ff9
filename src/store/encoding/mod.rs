//! Compact encodings: how small things are laid out in one buffer.
//!
//! * [`flat`]: a sequence of byte strings and integers in one allocation, for every small collection and for the
//!   chunks of a long list.
//! * [`hyperloglog`]: a set counted approximately, in Redis's own bytes.
//!
//! An encoding knows bytes only, no type of value and no limit: when a collection has outgrown its encoding is for
//! the type in `store/types` to say. A new encoding is a new file here with its layout in its head.

pub mod flat;
pub mod hyperloglog;
