//! The words that the commands on fields' deadlines share: `FIELDS numfields field ...`, and times.

use crate::command::{Arg, Args, CommandError};
use crate::commands::expiry::Unit;
use crate::resp::Request;
use crate::text::number::parse_i64;

/// No deadline of a field is later, in Unix milliseconds: Redis keeps them in fewer bits.
const MAX_DEADLINE_MS: i64 = (1 << 46) - 1;

/// `FIELDS numfields field [field ...]`
pub(super) const FIELDS: Arg = Arg::block(
    "fields",
    &[Arg::integer("numfields"), Arg::string("field").multiple()],
)
.with_token("FIELDS");

const NO_FIELDS: CommandError =
    CommandError::fixed("ERR Mandatory argument FIELDS is missing or not at the right position");
const MISMATCH: CommandError =
    CommandError::fixed("ERR The `numfields` parameter must match the number of arguments");
const NEGATIVE: CommandError = CommandError::fixed("ERR invalid expire time, must be >= 0");

/// The error of most commands for a number of fields that is none.
pub(super) const NOT_POSITIVE: CommandError =
    CommandError::fixed("ERR Number of fields must be a positive integer");

/// Reads `FIELDS numfields`, behind which there must be exactly so many words, and leaves `args` there. `bad_number` is
/// for a number that is none or not positive.
pub(super) fn parse_fields(
    args: &mut Args<'_>,
    bad_number: CommandError,
) -> Result<(), CommandError> {
    if !args.keyword("FIELDS") {
        return Err(NO_FIELDS);
    }
    let number = args.bytes().ok().and_then(parse_i64);
    match number.filter(|&number| number > 0) {
        None => Err(bad_number),
        Some(number) if usize::try_from(number) != Ok(args.remaining()) => Err(MISMATCH),
        Some(_) => Ok(()),
    }
}

/// The word at `index` as a deadline in Unix milliseconds; it may have passed.
pub(super) fn parse_deadline(
    request: Request<'_>,
    index: usize,
    unit: Unit,
    now_ms: u64,
    command: &'static str,
) -> Result<u64, CommandError> {
    let time = parse_i64(request.get(index)).ok_or(CommandError::NotInteger)?;
    if time < 0 {
        return Err(NEGATIVE);
    }
    let deadline_ms = unit.deadline_ms(time, now_ms, command)?;
    if deadline_ms > MAX_DEADLINE_MS {
        return Err(CommandError::InvalidExpire(command));
    }
    u64::try_from(deadline_ms).map_err(|_| CommandError::InvalidExpire(command))
}
