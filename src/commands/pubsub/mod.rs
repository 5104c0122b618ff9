//! Publish and subscribe: channels, patterns, shard channels.

use crate::command::CommandSpec;

/// The family's commands.
pub static COMMANDS: &[&CommandSpec] = &[];
