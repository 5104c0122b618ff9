//! Scripts and functions: EVAL and its kin, SCRIPT, FUNCTION, FCALL.

use crate::command::CommandSpec;

/// The family's commands.
pub static COMMANDS: &[&CommandSpec] = &[];
