//! Sorted sets.

use crate::command::CommandSpec;

/// The family's commands.
pub static COMMANDS: &[&CommandSpec] = &[];
