//! EVAL and its kin: a script by its text or by its hash, which may write or may not.

use super::{NOTED_READ_KEYS, NOTED_WRITTEN_KEYS, READ_KEYS, WRITTEN_KEYS};
use super::{call_args, call_of, caller};
use crate::command::{CommandError, CommandResult, CommandSpec, Context, Flags};
use crate::instance::Instance;
use crate::resp::Request;
use crate::script::flags;

/// Digits of a hash.
const SHA_LEN: usize = 40;
const COST: &str = "That of the script.";

/// EVAL script numkeys [key ...] [arg ...]
pub static EVAL: CommandSpec = caller("EVAL", eval)
    .doc("Runs a script.", "2.6.0", COST)
    .flags(&[Flags::MAY_REPLICATE])
    .keys(NOTED_WRITTEN_KEYS)
    .flags_on(flags_of_text)
    .args(const { &call_args("script") });

fn eval(context: &mut Context<'_>, request: Request<'_>) -> CommandResult {
    run_text(context, request, false)
}

/// EVAL_RO script numkeys [key ...] [arg ...]
pub static EVAL_RO: CommandSpec = caller("EVAL_RO", eval_ro)
    .doc("Runs a script that may only read.", "7.0.0", COST)
    .flags(&[Flags::READONLY])
    .keys(NOTED_READ_KEYS)
    .flags_on(flags_of_text)
    .args(const { &call_args("script") });

fn eval_ro(context: &mut Context<'_>, request: Request<'_>) -> CommandResult {
    run_text(context, request, true)
}

/// EVALSHA sha1 numkeys [key ...] [arg ...]
pub static EVALSHA: CommandSpec = caller("EVALSHA", evalsha)
    .doc("Runs a script that is known by its hash.", "2.6.0", COST)
    .flags(&[Flags::MAY_REPLICATE])
    .keys(WRITTEN_KEYS)
    .flags_on(flags_of_known)
    .args(const { &call_args("sha1") });

fn evalsha(context: &mut Context<'_>, request: Request<'_>) -> CommandResult {
    run_known(context, request, false)
}

/// EVALSHA_RO sha1 numkeys [key ...] [arg ...]
pub static EVALSHA_RO: CommandSpec = caller("EVALSHA_RO", evalsha_ro)
    .doc(
        "Runs a script that is known by its hash and may only read.",
        "7.0.0",
        COST,
    )
    .flags(&[Flags::READONLY])
    .keys(READ_KEYS)
    .flags_on(flags_of_known)
    .args(const { &call_args("sha1") });

fn evalsha_ro(context: &mut Context<'_>, request: Request<'_>) -> CommandResult {
    run_known(context, request, true)
}

fn run_text(context: &mut Context<'_>, request: Request<'_>, read_only: bool) -> CommandResult {
    let call = call_of(request, read_only, CommandError::NotInteger)?;
    let scripts = &context.instance.scripts;
    let mut engine = scripts.engine();
    let vm = engine.eval()?;
    let learned = vm.learn(request.get(1), &scripts.figures.evicted);
    let result = learned.and_then(|sha| vm.run(context, request, &sha, &call));
    scripts.publish_run(&engine);
    result
}

fn run_known(context: &mut Context<'_>, request: Request<'_>, read_only: bool) -> CommandResult {
    if request.get(1).len() != SHA_LEN {
        // Before anything is said about the keys.
        return Err(CommandError::NoScript);
    }
    let call = call_of(request, read_only, CommandError::NotInteger)?;
    let mut digits = [0; SHA_LEN];
    let sha = hash_of(request, &mut digits).ok_or(CommandError::NoScript)?;
    let scripts = &context.instance.scripts;
    let mut engine = scripts.engine();
    if engine.known_eval().is_none() {
        return Err(CommandError::NoScript);
    }
    let result = engine.eval()?.run(context, request, sha, &call);
    scripts.publish_run(&engine);
    result
}

/// The hash that a request names, in lower case, if it can be one.
fn hash_of<'d>(request: Request<'_>, digits: &'d mut [u8; SHA_LEN]) -> Option<&'d str> {
    *digits = request.get(1).try_into().ok()?;
    digits.make_ascii_lowercase();
    std::str::from_utf8(digits).ok()
}

/// What the command is on a script's text.
fn flags_of_text(_: &Instance, request: Request<'_>, flags: Flags) -> Flags {
    match flags::split(request.get(1)) {
        Ok((declared, _)) => declared.of_command(flags),
        Err(_) => flags,
    }
}

/// What the command is on a script's hash.
fn flags_of_known(instance: &Instance, request: Request<'_>, flags: Flags) -> Flags {
    let mut digits = [0; SHA_LEN];
    let engine = instance.scripts.engine();
    let declared = hash_of(request, &mut digits)
        .zip(engine.known_eval())
        .and_then(|(sha, vm)| vm.scripts.flags(sha));
    declared.map_or(flags, |declared| declared.of_command(flags))
}
