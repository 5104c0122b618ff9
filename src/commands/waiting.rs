//! What the families' blocking commands have in common: their timeouts, and waiting for the first of some keys.

use std::ops::Range;

use crate::command::{Arg, ArgKind, CommandError, Context};
use crate::instance::waiters::{NO_DEADLINE, Wait, WaitsFor};
use crate::resp::{CommandQueue, Request};
use crate::text::double;
use crate::text::number::{parse_i64, parse_u64};

/// The timeout in the commands' grammars.
pub const TIMEOUT: Arg = Arg::new("timeout", ArgKind::Double);

/// Blocks the client until one of the keys in `keys` holds what the command waits for; in vain it gets the null array.
pub fn block(
    context: &mut Context<'_>,
    request: Request<'_>,
    keys: Range<usize>,
    on: WaitsFor,
    deadline_ms: u64,
) {
    context.block(|_| Wait {
        request: CommandQueue::of(request),
        keys,
        on,
        deadline_ms,
        in_vain: |reply| reply.null_array(),
    });
}

/// Reads a timeout in seconds with a fraction, and answers the deadline in Unix milliseconds; zero waits without end.
pub fn deadline(context: &Context<'_>, word: &[u8]) -> Result<u64, CommandError> {
    // Nearly all are whole seconds, and few.
    if let Some(seconds) = parse_u64(word).and_then(|seconds| u32::try_from(seconds).ok()) {
        return deadline_after(context, i64::from(seconds) * 1000);
    }
    // No text is no number here, and nor is what begins with a space.
    let begins = word.first().is_some_and(|&first| !double::is_space(first));
    let seconds = double::parse_in_range(word)
        .filter(|seconds| begins && !seconds.is_nan())
        .ok_or(NOT_FLOAT)?;
    let milliseconds = (seconds * 1000.0).ceil();
    if milliseconds > i64::MAX as f64 {
        return Err(TOO_FAR);
    }
    deadline_after(context, milliseconds as i64)
}

/// Reads a timeout in milliseconds, and answers the deadline in Unix milliseconds; zero waits without end.
pub fn deadline_in_ms(context: &Context<'_>, word: &[u8]) -> Result<u64, CommandError> {
    deadline_after(context, parse_i64(word).ok_or(NOT_INTEGER)?)
}

/// The deadline so many milliseconds from now.
fn deadline_after(context: &Context<'_>, milliseconds: i64) -> Result<u64, CommandError> {
    let milliseconds = u64::try_from(milliseconds).map_err(|_| NEGATIVE)?;
    if milliseconds == 0 {
        return Ok(NO_DEADLINE);
    }
    let deadline_ms = context.now_ms() + milliseconds;
    if deadline_ms > i64::MAX as u64 {
        return Err(TOO_FAR);
    }
    Ok(deadline_ms)
}

const NOT_FLOAT: CommandError = CommandError::fixed("ERR timeout is not a float or out of range");
const NOT_INTEGER: CommandError =
    CommandError::fixed("ERR timeout is not an integer or out of range");
const NEGATIVE: CommandError = CommandError::fixed("ERR timeout is negative");
const TOO_FAR: CommandError = CommandError::fixed("ERR timeout is out of range");
