//! Transactions: MULTI, EXEC, DISCARD, WATCH, UNWATCH.

use crate::command::CommandSpec;

/// The family's commands.
pub static COMMANDS: &[&CommandSpec] = &[];
