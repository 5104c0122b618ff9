//! Bitmaps: strings as arrays of bits and of small integers.

use crate::command::CommandSpec;

/// The family's commands.
pub static COMMANDS: &[&CommandSpec] = &[];
