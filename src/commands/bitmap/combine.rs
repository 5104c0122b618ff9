//! Whole bitmaps: BITOP.

use std::sync::Arc;

use super::bits::{self, Operation};
use crate::command::{
    Arg, CommandError, CommandResult, CommandSpec, Context, Flags, Group, KeyFlags, KeySpec,
};
use crate::commands::string::{Str, set_bytes};
use crate::resp::Request;
use crate::store::db::type_name;
use crate::store::entry::NEVER;
use crate::store::journal::Events;

const OPERATIONS: &[Arg] = &[
    Arg::token("and", "AND"),
    Arg::token("or", "OR"),
    Arg::token("xor", "XOR"),
    Arg::token("not", "NOT"),
    Arg::token("diff", "DIFF").since("8.2.0"),
    Arg::token("diff1", "DIFF1").since("8.2.0"),
    Arg::token("andor", "ANDOR").since("8.2.0"),
    Arg::token("one", "ONE").since("8.2.0"),
];

/// BITOP operation destkey key [key ...]
pub static BITOP: CommandSpec = CommandSpec::new("BITOP", Group::Bitmap, bitop)
    .doc(
        "Combines the strings stored at several keys bit by bit and stores the result.",
        "2.6.0",
        "O(N), N being the bytes of all strings.",
    )
    .arity(-4)
    .flags(&[Flags::WRITE, Flags::DENYOOM])
    .keys(&[
        KeySpec::at(2, KeyFlags::OW.with(KeyFlags::UPDATE)),
        KeySpec::range(3, -1, 1, KeyFlags::RO.with(KeyFlags::ACCESS)),
    ])
    .args(&[
        Arg::one_of("operation", OPERATIONS),
        Arg::key("destkey", 0),
        Arg::key("key", 1).multiple(),
    ])
    .history(&[("8.2.0", "Takes `DIFF`, `DIFF1`, `ANDOR` and `ONE`.")]);

fn bitop(context: &mut Context<'_>, request: Request<'_>) -> CommandResult {
    let target = request.get(2);
    let operation = parse_operation(request)?;
    let mut sources = Vec::with_capacity(request.len() - 3);
    for key in request.iter_from(3) {
        sources.push(match context.read(key) {
            Some(entry) => Source::of(Str::of(entry.value())?),
            None => Source::Short(Vec::new()),
        });
    }
    let slices: Vec<&[u8]> = sources.iter().map(Source::bytes).collect();
    let result = bits::combine(operation, &slices);
    let len = result.len();
    if len > 0 {
        let old = context.db.peek(context.session.db, target);
        let old_type = old.map(|entry| type_name(entry.value()));
        set_bytes(context, target, result, NEVER);
        context.overwritten(target, old_type, "string");
        context.changed(target);
        context.event(Events::STRING, "set", target);
    } else if let Some(entry) = context.db.delete(context.session.db, target) {
        context.discard(entry);
        context.changed(target);
        context.event(Events::GENERIC, "del", target);
    }
    context.reply.count(len);
    Ok(())
}

fn parse_operation(request: Request<'_>) -> Result<Operation, CommandError> {
    let (name, sources) = (request.get(1), request.len() - 3);
    let known = [
        ("AND", Operation::And),
        ("OR", Operation::Or),
        ("XOR", Operation::Xor),
        ("NOT", Operation::Not),
        ("DIFF", Operation::Diff),
        ("DIFF1", Operation::Diff1),
        ("ANDOR", Operation::AndOr),
        ("ONE", Operation::One),
    ];
    let (word, operation) = known
        .into_iter()
        .find(|(word, _)| word.as_bytes().eq_ignore_ascii_case(name))
        .ok_or(CommandError::Syntax)?;
    let needs_two = matches!(
        operation,
        Operation::Diff | Operation::Diff1 | Operation::AndOr
    );
    if operation == Operation::Not && sources != 1 {
        return Err(CommandError::fixed(
            "ERR BITOP NOT must be called with a single source key.",
        ));
    }
    if needs_two && sources < 2 {
        return Err(CommandError::err(format_args!(
            "BITOP {word} must be called with at least two source keys."
        )));
    }
    Ok(operation)
}

/// A string to combine, taken out of the data set because several are needed at once: a long one is only shared.
enum Source {
    Short(Vec<u8>),
    Long(Arc<Vec<u8>>),
}

impl Source {
    fn of(text: Str<'_>) -> Self {
        match text {
            Str::Shared(shared) => Source::Long(Arc::clone(shared)),
            text => Source::Short(text.bytes(&mut itoa::Buffer::new()).to_vec()),
        }
    }

    fn bytes(&self) -> &[u8] {
        match self {
            Source::Short(bytes) => bytes,
            Source::Long(bytes) => bytes,
        }
    }
}
