//! HyperLogLog: strings that estimate how many different elements they have seen.

use crate::command::CommandSpec;

/// The family's commands.
pub static COMMANDS: &[&CommandSpec] = &[];
