//! Bitmaps: strings as arrays of bits ([`bit`], [`scan`]), whole bitmaps combined ([`combine`]), and strings as arrays
//! of integers of any width ([`field`]).
//!
//! Bit 0 is the highest bit of the first byte. What lies behind the end of a string, or at a missing key, reads as
//! zero, and a write there makes the string as long as it needs to be. Writes change the string where it lies
//! ([`crate::commands::string::edit`]). What the commands do to bytes is in [`bits`], which knows no command. To add a
//! command, write its spec and its handler in the file of its kind and name it in [`COMMANDS`].

pub mod bit;
pub mod bits;
pub mod combine;
pub mod field;
pub mod scan;

use crate::command::{CommandError, CommandSpec, Context};
use crate::text::number::parse_i64;

/// The family's commands.
pub static COMMANDS: &[&CommandSpec] = &[
    &scan::BITCOUNT,
    &field::BITFIELD,
    &field::BITFIELD_RO,
    &combine::BITOP,
    &scan::BITPOS,
    &bit::GETBIT,
    &bit::SETBIT,
];

const OFFSET: CommandError =
    CommandError::fixed("ERR bit offset is not an integer or out of range");

/// Reads the offset of a bit; with a `width`, a number behind `#` counts fields of so many bits. The byte in which the
/// bit lies is within `proto-max-bulk-len`.
fn parse_offset(
    context: &Context<'_>,
    word: &[u8],
    width: Option<u32>,
) -> Result<u64, CommandError> {
    let (digits, unit) = match (word, width) {
        ([b'#', digits @ ..], Some(width)) => (digits, i64::from(width)),
        _ => (word, 1),
    };
    let limit = context.instance.config().proto_max_bulk_len() as u64;
    parse_i64(digits)
        .and_then(|offset| offset.checked_mul(unit))
        .and_then(|offset| u64::try_from(offset).ok())
        .filter(|offset| offset / 8 < limit)
        .ok_or(OFFSET)
}
