//! What the families' blocking commands have in common: their timeouts.

use crate::command::{CommandError, Context};
use crate::instance::waiters::NO_DEADLINE;
use crate::text::double;

/// Reads a timeout in seconds with a fraction, and answers the deadline in Unix milliseconds; zero waits without end.
pub fn deadline(context: &Context<'_>, word: &[u8]) -> Result<u64, CommandError> {
    let seconds = double::parse_in_range(word)
        .filter(|seconds| !seconds.is_nan())
        .ok_or(NOT_FLOAT)?;
    deadline_after(context, (seconds * 1000.0).ceil())
}

/// The deadline so many milliseconds from now.
pub fn deadline_after(context: &Context<'_>, milliseconds: f64) -> Result<u64, CommandError> {
    if milliseconds < 0.0 {
        return Err(NEGATIVE);
    }
    if milliseconds == 0.0 {
        return Ok(NO_DEADLINE);
    }
    let now_ms = context.now_ms();
    if milliseconds + now_ms as f64 > i64::MAX as f64 {
        return Err(TOO_FAR);
    }
    Ok(now_ms + milliseconds as u64)
}

const NOT_FLOAT: CommandError = CommandError::fixed("ERR timeout is not a float or out of range");
const NEGATIVE: CommandError = CommandError::fixed("ERR timeout is negative");
const TOO_FAR: CommandError = CommandError::fixed("ERR timeout is out of range");
