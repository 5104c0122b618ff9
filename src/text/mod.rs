//! Texts that every layer reads by the same rules: numbers, quoted words, key patterns, doubles, names in
//! any case, and whether short ones are the same.
//!
//! A leaf: it uses nothing else of the crate.

pub mod double;
pub mod folded;
pub mod long_double;
pub mod number;
pub mod pattern;
pub mod short;
pub mod words;
