//! Hashes, whose fields may expire one by one.

use crate::command::CommandSpec;

/// The family's commands.
pub static COMMANDS: &[&CommandSpec] = &[];
