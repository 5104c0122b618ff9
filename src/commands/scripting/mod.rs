//! Scripts and functions: calling them ([`eval`], [`fcall`]), and what is kept of them ([`script`], [`function`]).
//!
//! How a script runs is the business of [`crate::script`]; here are the commands' words, checks and replies.

pub mod eval;
pub mod fcall;
pub mod function;
pub mod script;

use crate::command::{
    Arg, Args, CommandError, CommandSpec, Context, Flags, Group, Handler, KeyFlags, KeySpec,
};
use crate::resp::Request;
use crate::script::engine::{Call, Engine};
use crate::text::number::parse_i64;

/// The family's commands.
pub static COMMANDS: &[&CommandSpec] = &[
    &eval::EVAL,
    &eval::EVALSHA,
    &eval::EVALSHA_RO,
    &eval::EVAL_RO,
    &fcall::FCALL,
    &fcall::FCALL_RO,
    &function::FUNCTION,
    &script::SCRIPT,
];

const WRITES: KeyFlags = KeyFlags::RW.with(KeyFlags::ACCESS).with(KeyFlags::UPDATE);
const READS: KeyFlags = KeyFlags::RO.with(KeyFlags::ACCESS);

/// What all commands that call a script have in common; `by` names the script.
const fn caller(name: &'static str, handler: Handler) -> CommandSpec {
    CommandSpec::new(name, Group::Scripting, handler)
        .arity(-3)
        .flags(&[
            Flags::NOSCRIPT,
            Flags::SKIP_MONITOR,
            Flags::NO_MANDATORY_KEYS,
            Flags::STALE,
        ])
}

/// The arguments of such a command.
const fn call_args(by: &'static str) -> [Arg; 4] {
    [
        Arg::string(by),
        Arg::integer("numkeys"),
        Arg::key("key", 0).optional().multiple(),
        Arg::string("arg").optional().multiple(),
    ]
}

/// Where the keys are of a command whose script may write.
const WRITTEN_KEYS: &[KeySpec] = &[KeySpec::counted(2, 1, WRITES)];
/// The same with a remark.
const NOTED_WRITTEN_KEYS: &[KeySpec] = &[KeySpec::counted(2, 1, WRITES)
    .notes("We cannot tell how the keys will be used so we assume the worst, RW and UPDATE")];
/// Where the keys are of a command whose script only reads.
const READ_KEYS: &[KeySpec] = &[KeySpec::counted(2, 1, READS)];
/// The same with a remark.
const NOTED_READ_KEYS: &[KeySpec] = &[KeySpec::counted(2, 1, READS)
    .notes("We cannot tell how the keys will be used so we assume the worst, RO and ACCESS")];

/// Reads the number of keys; `no_number` is the error where there is none.
fn call_of(
    request: Request<'_>,
    read_only: bool,
    no_number: CommandError,
) -> Result<Call<'_>, CommandError> {
    let keys = parse_i64(request.get(2)).ok_or(no_number)?;
    let given = request.len() - 3;
    match usize::try_from(keys) {
        Ok(keys) if keys <= given => Ok(Call::new(request, keys, read_only)),
        Ok(_) => Err(CommandError::fixed(
            "ERR Number of keys can't be greater than number of args",
        )),
        Err(_) => Err(CommandError::fixed("ERR Number of keys can't be negative")),
    }
}

/// Reads the mode of a FLUSH: whether what is dropped may be dropped elsewhere. `wrong` is the error for another word.
fn is_async(
    context: &Context<'_>,
    request: Request<'_>,
    wrong: &'static str,
) -> Result<bool, CommandError> {
    let mut args = Args::new(request, 2);
    let is_async = if args.is_empty() {
        context.instance.config().lazyfree_lazy_user_flush()
    } else if args.keyword("ASYNC") {
        true
    } else if args.keyword("SYNC") {
        false
    } else {
        return Err(CommandError::fixed(wrong));
    };
    match args.is_empty() {
        true => Ok(is_async),
        false => Err(CommandError::fixed(wrong)),
    }
}

/// The words of a FLUSH's mode.
const FLUSH_MODES: &[Arg] = &[Arg::token("async", "ASYNC"), Arg::token("sync", "SYNC")];

/// Drops an interpreter, elsewhere if that is wished.
fn drop_vm<T: Send + 'static>(context: &Context<'_>, vm: Option<T>, elsewhere: bool) {
    if elsewhere && let Some(vm) = vm {
        context.instance.reclaim(vm);
    }
}

/// Does something with the interpreters, and has INFO show what there is then.
fn with_engine<T>(
    context: &mut Context<'_>,
    body: impl FnOnce(&mut Context<'_>, &mut Engine) -> T,
) -> T {
    let scripts = &context.instance.scripts;
    let mut engine = scripts.engine();
    let result = body(context, &mut engine);
    scripts.publish(&engine);
    result
}
