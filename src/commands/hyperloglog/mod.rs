//! HyperLogLogs: counting distinct elements approximately ([`count`]), and looking into one ([`debug`]).
//!
//! A HyperLogLog is a string, so GET, SET and COPY work on it; its bytes are the business of
//! [`crate::store::encoding::hyperloglog`]. Here it is decided when a string is taken for one ([`hyperloglog_of`]) and
//! how it is changed ([`change`]). To add a command, write its spec and its handler in the file of its kind and name it
//! in [`COMMANDS`].

pub mod count;
pub mod debug;

use std::sync::Arc;

use super::string::{Str, set_bytes};
use crate::command::{CommandError, CommandSpec, Context};
use crate::store::encoding::hyperloglog::{self, Corrupted};
use crate::store::entry::{NEVER, Object};

/// The family's commands.
pub static COMMANDS: &[&CommandSpec] = &[
    &count::PFADD,
    &count::PFCOUNT,
    &debug::PFDEBUG,
    &count::PFMERGE,
    &debug::PFSELFTEST,
];

const NOT_ONE: CommandError =
    CommandError::fixed("WRONGTYPE Key is not a valid HyperLogLog string value.");

impl From<Corrupted> for CommandError {
    fn from(_: Corrupted) -> Self {
        CommandError::fixed("INVALIDOBJ Corrupted HLL object detected")
    }
}

/// The HyperLogLog that `text` is, or the error for another string.
fn hyperloglog_of(text: Str<'_>) -> Result<&[u8], CommandError> {
    let bytes: &[u8] = match text {
        Str::Int(_) => return Err(NOT_ONE),
        Str::Bytes(bytes) => bytes,
        Str::Shared(bytes) => bytes,
    };
    if hyperloglog::is_valid(bytes) {
        Ok(bytes)
    } else {
        Err(NOT_ONE)
    }
}

/// How long a sparse one may get.
fn sparse_max_bytes(context: &Context<'_>) -> usize {
    context.instance.config().hll_sparse_max_bytes()
}

/// Lets `change` work on the HyperLogLog at `key`, an empty one if there is none, and stores it unless that fails.
fn change<R>(
    context: &mut Context<'_>,
    key: &[u8],
    change: impl FnOnce(&mut Vec<u8>) -> Result<R, Corrupted>,
) -> Result<R, CommandError> {
    let index = context.index();
    let (mut bytes, deadline_ms) = match context.db.write(index, key) {
        Some(mut slot) => {
            let text = Str::of(slot.value())?;
            let bytes = hyperloglog_of(text)?;
            if matches!(text, Str::Bytes(_)) {
                (bytes.to_vec(), slot.deadline_ms())
            } else if let Some(Object::String(shared)) = slot.object_mut() {
                return Ok(change(Arc::make_mut(shared))?);
            } else {
                return Err(NOT_ONE);
            }
        }
        None => (hyperloglog::new(), NEVER),
    };
    let result = change(&mut bytes)?;
    set_bytes(context, key, bytes, deadline_ms);
    Ok(result)
}
