//! The data set.
