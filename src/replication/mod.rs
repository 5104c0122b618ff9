//! What goes to others in the order in which it happened: the log of writes. Replicas are still to come.
//!
//! * [`log`]: every write of the data set, as bytes at growing offsets.

pub mod log;
