//! Bits looked at in a row: BITCOUNT and BITPOS.

use std::ops::Range;

use super::bits;
use crate::command::{
    Arg, Args, CommandError, CommandResult, CommandSpec, Context, Flags, Group, KeyFlags, KeySpec,
};
use crate::commands::string::Str;
use crate::resp::Request;

const READ_KEY: &[KeySpec] = &[KeySpec::at(1, KeyFlags::RO.with(KeyFlags::ACCESS))];
const UNITS: &[Arg] = &[Arg::token("byte", "BYTE"), Arg::token("bit", "BIT")];
const UNIT: Arg = Arg::one_of("unit", UNITS).optional().since("7.0.0");
const UNIT_HISTORY: &[(&str, &str)] = &[("7.0.0", "Takes `BYTE` and `BIT`.")];

/// BITCOUNT key [start end [BYTE | BIT]]
pub static BITCOUNT: CommandSpec = CommandSpec::new("BITCOUNT", Group::Bitmap, bitcount)
    .doc(
        "Answers how many bits are set in the string stored at a key, or in a part of it.",
        "2.6.0",
        "O(N), N being the bytes looked at.",
    )
    .arity(-2)
    .flags(&[Flags::READONLY])
    .keys(READ_KEY)
    .args(&[
        Arg::key("key", 0),
        Arg::block("range", &[Arg::integer("start"), Arg::integer("end"), UNIT]).optional(),
    ])
    .history(UNIT_HISTORY);

fn bitcount(context: &mut Context<'_>, request: Request<'_>) -> CommandResult {
    let count = match context.read(request.get(1)) {
        Some(entry) => {
            let text = Str::of(entry.value())?;
            let mut digits = itoa::Buffer::new();
            count_in(text.bytes(&mut digits), request)?
        }
        None => 0,
    };
    context.reply.integer(count as i64);
    Ok(())
}

fn count_in(bytes: &[u8], request: Request<'_>) -> Result<u64, CommandError> {
    if !matches!(request.len(), 2 | 4 | 5) {
        return Err(CommandError::Syntax);
    }
    if request.len() == 2 {
        return Ok(bits::count(bytes));
    }
    let mut args = Args::new(request, 2);
    let (start, end) = (args.integer()?, args.integer()?);
    if start < 0 && end < 0 && start > end {
        return Ok(0);
    }
    let unit = Unit::parse(&args)?;
    Ok(bits::count_range(bytes, unit.range(bytes, start, end)))
}

/// BITPOS key bit [start [end [BYTE | BIT]]]
pub static BITPOS: CommandSpec = CommandSpec::new("BITPOS", Group::Bitmap, bitpos)
    .doc(
        "Answers where the first set or the first clear bit is in the string stored at a key, or in a part of it.",
        "2.8.7",
        "O(N), N being the bytes looked at.",
    )
    .arity(-3)
    .flags(&[Flags::READONLY])
    .keys(READ_KEY)
    .args(&[
        Arg::key("key", 0),
        Arg::integer("bit"),
        Arg::block(
            "range",
            &[
                Arg::integer("start"),
                Arg::block("end-unit-block", &[Arg::integer("end"), UNIT]).optional(),
            ],
        )
        .optional(),
    ])
    .history(UNIT_HISTORY);

fn bitpos(context: &mut Context<'_>, request: Request<'_>) -> CommandResult {
    let bit = match Args::new(request, 2).integer()? {
        bit @ 0..=1 => bit == 1,
        _ => {
            return Err(CommandError::fixed("ERR The bit argument must be 1 or 0."));
        }
    };
    let position = match context.read(request.get(1)) {
        Some(entry) => {
            let text = Str::of(entry.value())?;
            let mut digits = itoa::Buffer::new();
            position_in(text.bytes(&mut digits), bit, request)?
        }
        // Zeros without end.
        None => (!bit).then_some(0),
    };
    context.reply.integer(position.map_or(-1, |at| at as i64));
    Ok(())
}

fn position_in(bytes: &[u8], bit: bool, request: Request<'_>) -> Result<Option<u64>, CommandError> {
    let mut args = Args::new(request, 3);
    let start = if args.is_empty() { 0 } else { args.integer()? };
    // The unit stands behind the end, but is found wrong before it.
    let unit = match request.len() {
        6 => Unit::parse(&Args::new(request, 5))?,
        3..=5 => Unit::Byte,
        _ => return Err(CommandError::Syntax),
    };
    let end = if args.is_empty() {
        None
    } else {
        Some(args.integer()?)
    };
    let range = unit.range(bytes, start, end.unwrap_or(-1));
    let open_end = (!bit && end.is_none() && !range.is_empty()).then_some(range.end);
    // Without an end the string goes on with zeros.
    Ok(bits::find(bytes, range, bit).or(open_end))
}

/// What a range counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Unit {
    Byte,
    Bit,
}

impl Unit {
    /// Reads BYTE or BIT, if anything is left.
    fn parse(args: &Args<'_>) -> Result<Unit, CommandError> {
        let mut args = *args;
        if args.is_empty() || args.keyword("BYTE") {
            Ok(Unit::Byte)
        } else if args.keyword("BIT") {
            Ok(Unit::Bit)
        } else {
            Err(CommandError::Syntax)
        }
    }

    /// The bits of `bytes` from unit `start` to unit `end`, both included, negative ones counted from the end.
    fn range(self, bytes: &[u8], start: i64, end: i64) -> Range<u64> {
        let (total, width) = match self {
            Unit::Byte => (bytes.len() as i64, 8),
            Unit::Bit => (bytes.len() as i64 * 8, 1),
        };
        let from_end = |index: i64| {
            if index < 0 {
                index.saturating_add(total).max(0)
            } else {
                index
            }
        };
        let (start, end) = (from_end(start), from_end(end).min(total - 1));
        if start > end {
            return 0..0;
        }
        start as u64 * width..(end as u64 + 1) * width
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_clamped_to_the_string() {
        let cases = [
            (Unit::Byte, 0, -1, 0..24),
            (Unit::Byte, 1, 1, 8..16),
            (Unit::Byte, -2, 100, 8..24),
            (Unit::Byte, -100, -3, 0..8),
            (Unit::Byte, 2, 1, 0..0),
            (Unit::Byte, 3, 5, 0..0),
            (Unit::Bit, 0, -1, 0..24),
            (Unit::Bit, 5, 5, 5..6),
            (Unit::Bit, -3, i64::MAX, 21..24),
            (Unit::Bit, i64::MIN, i64::MIN, 0..1),
        ];
        for (unit, start, end, want) in cases {
            assert_eq!(
                unit.range(b"abc", start, end),
                want,
                "{unit:?} {start} {end}"
            );
        }
        assert_eq!(Unit::Byte.range(b"", 0, -1), 0..0);
    }
}
