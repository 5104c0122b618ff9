//! Integers of any width within a string: BITFIELD and BITFIELD_RO.
//!
//! A request is read as a whole first, so that a mistake in its last operation leaves the string as it was; then the
//! string grows once, as far as the farthest write reaches, and the operations run in their order.

use super::{bits, parse_offset};
use crate::command::{
    Arg, Args, CommandError, CommandResult, CommandSpec, Context, Flags, Group, KeyAt, KeyFlags,
    KeySpec, Misfit,
};
use crate::commands::string::{Str, edit};
use crate::resp::Request;
use crate::store::journal::Events;
use crate::text::number::parse_i64;

const TYPE: CommandError = CommandError::fixed(
    "ERR Invalid bitfield type. Use something like i16 u8. Note that u64 is not supported but i64 is.",
);

const GET_ARGS: &[Arg] = &[Arg::string("encoding"), Arg::integer("offset")];
const WRITE_OPERATIONS: &[Arg] = &[
    Arg::block(
        "set-block",
        &[
            Arg::string("encoding"),
            Arg::integer("offset"),
            Arg::integer("value"),
        ],
    )
    .with_token("SET"),
    Arg::block(
        "incrby-block",
        &[
            Arg::string("encoding"),
            Arg::integer("offset"),
            Arg::integer("increment"),
        ],
    )
    .with_token("INCRBY"),
];
const OVERFLOWS: &[Arg] = &[
    Arg::token("wrap", "WRAP"),
    Arg::token("sat", "SAT"),
    Arg::token("fail", "FAIL"),
];
const OPERATIONS: &[Arg] = &[
    Arg::block("get-block", GET_ARGS).with_token("GET"),
    Arg::block(
        "write",
        &[
            Arg::one_of("overflow-block", OVERFLOWS)
                .with_token("OVERFLOW")
                .optional(),
            Arg::one_of("write-operation", WRITE_OPERATIONS),
        ],
    ),
];

/// BITFIELD key [GET type offset | [OVERFLOW WRAP | SAT | FAIL] SET type offset value | INCRBY type offset increment ...]
pub static BITFIELD: CommandSpec = CommandSpec::new("BITFIELD", Group::Bitmap, bitfield)
    .doc(
        "Reads, writes and counts up integers of any width within the string stored at a key.",
        "3.2.0",
        "O(1) an operation",
    )
    .arity(-2)
    .flags(&[Flags::WRITE, Flags::DENYOOM])
    .keys(&[KeySpec::at(
        1,
        KeyFlags::RW
            .with(KeyFlags::UPDATE)
            .with(KeyFlags::ACCESS)
            .with(KeyFlags::VARIABLE_FLAGS),
    )
    .notes("This command allows both access and modification of the key")])
    .key_finder(bitfield_key)
    .args(&[
        Arg::key("key", 0),
        Arg::one_of("operation", OPERATIONS).optional().multiple(),
    ]);

/// With nothing but GET the value is only read.
fn bitfield_key(request: Request<'_>) -> Result<Vec<KeyAt>, Misfit> {
    let mut args = Args::new(request, 2);
    let mut writes = false;
    while !args.is_empty() && !writes {
        let skipped = if args.keyword("GET") {
            2
        } else if args.keyword("OVERFLOW") {
            1
        } else {
            writes = true;
            0
        };
        writes |= (0..skipped).any(|_| args.bytes().is_err());
    }
    let flags = if writes {
        KeyFlags::RW | KeyFlags::ACCESS | KeyFlags::UPDATE
    } else {
        KeyFlags::RO | KeyFlags::ACCESS
    };
    Ok(vec![KeyAt { index: 1, flags }])
}

fn bitfield(context: &mut Context<'_>, request: Request<'_>) -> CommandResult {
    let operations = parse(context, request)?;
    if operations.iter().all(Operation::only_reads) {
        return read(context, request.get(1), &operations);
    }
    write(context, request.get(1), &operations)
}

/// BITFIELD_RO key [GET type offset ...]
pub static BITFIELD_RO: CommandSpec = CommandSpec::new("BITFIELD_RO", Group::Bitmap, bitfield_ro)
    .doc(
        "Reads integers of any width within the string stored at a key.",
        "6.0.0",
        "O(1) an operation",
    )
    .arity(-2)
    .flags(&[Flags::READONLY, Flags::FAST])
    .keys(&[KeySpec::at(1, KeyFlags::RO.with(KeyFlags::ACCESS))])
    .args(&[
        Arg::key("key", 0),
        Arg::block("get-block", GET_ARGS)
            .with_token("GET")
            .optional()
            .multiple_token(),
    ]);

fn bitfield_ro(context: &mut Context<'_>, request: Request<'_>) -> CommandResult {
    let operations = parse(context, request)?;
    if !operations.iter().all(Operation::only_reads) {
        return Err(CommandError::fixed(
            "ERR BITFIELD_RO only supports the GET subcommand",
        ));
    }
    read(context, request.get(1), &operations)
}

fn read(context: &mut Context<'_>, key: &[u8], operations: &[Operation]) -> CommandResult {
    let Context {
        db, session, reply, ..
    } = context;
    let mut digits = itoa::Buffer::new();
    let text = match db.read(session.db, key) {
        Some(entry) => Str::of(entry.value())?,
        None => Str::Bytes(b""),
    };
    let bytes = text.bytes(&mut digits);
    reply.array(operations.len());
    for operation in operations {
        reply.integer(operation.field.get(bytes));
    }
    Ok(())
}

fn write(context: &mut Context<'_>, key: &[u8], operations: &[Operation]) -> CommandResult {
    let written = operations
        .iter()
        .filter(|operation| !operation.only_reads());
    let end = written.map(|operation| operation.field.end()).max();
    let len = end.unwrap_or(0).div_ceil(8) as usize;
    let (mut changes, mut is_longer) = (0, false);
    let answers: Vec<Option<i64>> = edit(context, key, len, |bytes, grown| {
        is_longer = grown;
        let run = |operation: &Operation| {
            let (answer, changed) = operation.run(bytes);
            changes += u64::from(changed || (grown && answer.is_some() && !operation.only_reads()));
            answer
        };
        operations.iter().map(run).collect()
    })?;
    if changes > 0 {
        // Every change counts, but the key has changed once.
        context.changed(key);
        context.db.dirty += changes - 1;
        context.event(Events::STRING, "setbit", key);
    } else if is_longer {
        // Every field has overflowed, but the string has room for them now.
        context.changed(key);
    }
    context.reply.array(answers.len());
    for answer in answers {
        match answer {
            Some(value) => context.reply.integer(value),
            None => context.reply.null(),
        }
    }
    Ok(())
}

/// What becomes of a result that the field cannot hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Overflow {
    Wrap,
    Saturate,
    Fail,
}

/// Where a field is, and how its bits are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Field {
    offset: u64,
    /// In bits: 1 to 64, without a sign to 63.
    width: u32,
    signed: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Action {
    Get,
    Set(i64, Overflow),
    Add(i64, Overflow),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Operation {
    field: Field,
    action: Action,
}

fn parse(context: &Context<'_>, request: Request<'_>) -> Result<Vec<Operation>, CommandError> {
    let mut args = Args::new(request, 2);
    let mut overflow = Overflow::Wrap;
    let mut operations = Vec::new();
    while !args.is_empty() {
        let (get, set) = (args.keyword("GET"), args.keyword("SET"));
        let writes = set || (!get && args.keyword("INCRBY"));
        if !get && !writes {
            overflow = parse_overflow(&mut args)?;
            continue;
        }
        if args.remaining() < 2 + usize::from(writes) {
            return Err(CommandError::Syntax);
        }
        let (signed, width) = parse_type(args.bytes()?)?;
        let offset = parse_offset(context, args.bytes()?, Some(width))?;
        let action = match (get, set) {
            (true, _) => Action::Get,
            (_, true) => Action::Set(args.integer()?, overflow),
            _ => Action::Add(args.integer()?, overflow),
        };
        let field = Field {
            offset,
            width,
            signed,
        };
        operations.push(Operation { field, action });
    }
    Ok(operations)
}

fn parse_overflow(args: &mut Args<'_>) -> Result<Overflow, CommandError> {
    if !args.keyword("OVERFLOW") || args.is_empty() {
        return Err(CommandError::Syntax);
    }
    if args.keyword("WRAP") {
        Ok(Overflow::Wrap)
    } else if args.keyword("SAT") {
        Ok(Overflow::Saturate)
    } else if args.keyword("FAIL") {
        Ok(Overflow::Fail)
    } else {
        Err(CommandError::fixed("ERR Invalid OVERFLOW type specified"))
    }
}

/// Reads `i` or `u` and a width.
fn parse_type(word: &[u8]) -> Result<(bool, u32), CommandError> {
    let (signed, digits, most) = match word {
        [b'i', digits @ ..] => (true, digits, 64),
        [b'u', digits @ ..] => (false, digits, 63),
        _ => return Err(TYPE),
    };
    match parse_i64(digits) {
        Some(width) if (1..=most).contains(&width) => Ok((signed, width as u32)),
        _ => Err(TYPE),
    }
}

impl Field {
    /// The bit behind the last one.
    fn end(self) -> u64 {
        self.offset + u64::from(self.width)
    }

    fn get(self, bytes: &[u8]) -> i64 {
        self.interpret(bits::field(bytes, self.offset, self.width))
    }

    /// The integer that the lowest bits of `raw` mean.
    fn interpret(self, raw: u64) -> i64 {
        let spare = u64::BITS - self.width;
        if self.signed {
            ((raw << spare) as i64) >> spare
        } else {
            ((raw << spare) >> spare) as i64
        }
    }

    fn limits(self) -> (i128, i128) {
        let values = 1i128 << self.width;
        if self.signed {
            (-values / 2, values / 2 - 1)
        } else {
            (0, values - 1)
        }
    }

    /// What is stored of `value`; `None` for nothing.
    fn fit(self, value: i128, overflow: Overflow) -> Option<i64> {
        let (least, most) = self.limits();
        if (least..=most).contains(&value) {
            return Some(value as i64);
        }
        match overflow {
            Overflow::Wrap => Some(self.interpret(value as u64)),
            Overflow::Saturate => Some(value.clamp(least, most) as i64),
            Overflow::Fail => None,
        }
    }
}

impl Operation {
    fn only_reads(&self) -> bool {
        self.action == Action::Get
    }

    /// Its answer (`None` for a null), and whether it has changed the field.
    fn run(&self, bytes: &mut [u8]) -> (Option<i64>, bool) {
        let field = self.field;
        let old = field.get(bytes);
        let new = match self.action {
            Action::Get => return (Some(old), false),
            Action::Add(increment, overflow) => {
                field.fit(i128::from(old) + i128::from(increment), overflow)
            }
            // A negative number for a field without a sign is meant as the large one of the same bits.
            Action::Set(value, overflow) if !field.signed => {
                field.fit(i128::from(value as u64), overflow)
            }
            Action::Set(value, overflow) => field.fit(i128::from(value), overflow),
        };
        let Some(new) = new else {
            return (None, false);
        };
        bits::set_field(bytes, field.offset, field.width, new as u64);
        let answer = if matches!(self.action, Action::Add(..)) {
            new
        } else {
            old
        };
        (Some(answer), old != new)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_does_not_fit_wraps_saturates_or_fails() {
        let field = |signed, width| Field {
            offset: 0,
            width,
            signed,
        };
        let cases = [
            (field(false, 8), 256, [Some(0), Some(255), None]),
            (field(false, 8), -1, [Some(255), Some(0), None]),
            (field(true, 8), 128, [Some(-128), Some(127), None]),
            (field(true, 8), -129, [Some(127), Some(-128), None]),
            (
                field(true, 64),
                i128::from(i64::MAX) + 1,
                [Some(i64::MIN), Some(i64::MAX), None],
            ),
            (
                field(false, 63),
                i128::from(u64::MAX),
                [Some(i64::MAX), Some(i64::MAX), None],
            ),
            (field(true, 1), 1, [Some(-1), Some(0), None]),
            (field(true, 1), -1, [Some(-1); 3]),
            (field(false, 1), 1, [Some(1); 3]),
        ];
        for (field, value, want) in cases {
            let all = [Overflow::Wrap, Overflow::Saturate, Overflow::Fail];
            let got = all.map(|overflow| field.fit(value, overflow));
            assert_eq!(got, want, "{value} in {field:?}");
        }
    }

    #[test]
    fn types_are_a_sign_and_a_width() {
        let good = [("i1", (true, 1)), ("i64", (true, 64)), ("u63", (false, 63))];
        for (word, want) in good {
            assert_eq!(parse_type(word.as_bytes()), Ok(want));
        }
        for word in [
            "",
            "i",
            "u0",
            "i0",
            "i65",
            "u64",
            "I8",
            "8",
            "i-1",
            "i08",
            "u9999999999999999999",
        ] {
            assert_eq!(parse_type(word.as_bytes()), Err(TYPE), "{word}");
        }
    }
}
