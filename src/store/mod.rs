//! The data set.
pub mod table;
