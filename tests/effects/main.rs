//! What each command puts into the log of writes: that it says so ([`table`]), and that repeating what was logged gives the
//! same data ([`sequences`]).
//!
//! Both run a data set within the test, past sockets and through the gate. A new command that writes needs a row in the
//! table; random sequences have it from then on.
//!
//! ```text
//! EFFECTS_SEQUENCES=20000 EFFECTS_SEED=7 cargo test --test effects sequences
//! ```

#[path = "../differential/generate.rs"]
mod generate;
mod grammar;
mod sequences;
mod server;
mod state;
mod table;
#[path = "../differential/values.rs"]
mod values;

/// What the generator, which is that of the differential test, asks of those who use it.
mod known {
    pub(crate) use crate::sequences::admissible;
}

/// As [`known`].
mod peer {
    pub(crate) use crate::server::{PROFILES, Words};
}
