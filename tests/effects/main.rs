//! What each command puts into the log of writes: that it says so ([`table`]), and that repeating it gives the same data
//! ([`sequences`]).
//!
//! Both run a data set within the test, past sockets and through the gate. A new command that writes needs a row in the
//! table; random sequences have it from then on.

mod generate;
mod sequences;
mod server;
mod state;
mod table;
