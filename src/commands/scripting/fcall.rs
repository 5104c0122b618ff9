//! FCALL and FCALL_RO: calling a function by its name.

use std::sync::Arc;

use super::{NOTED_READ_KEYS, NOTED_WRITTEN_KEYS, call_args, call_of, caller};
use crate::command::{CommandError, CommandResult, CommandSpec, Context, Flags};
use crate::instance::Instance;
use crate::resp::Request;

const NOT_FOUND: CommandError = CommandError::fixed("ERR Function not found");
const COST: &str = "That of the function.";

/// FCALL function numkeys [key ...] [arg ...]
pub static FCALL: CommandSpec = caller("FCALL", fcall)
    .doc("Calls a function.", "7.0.0", COST)
    .flags(&[Flags::MAY_REPLICATE])
    .keys(NOTED_WRITTEN_KEYS)
    .flags_on(flags_of)
    .args(const { &call_args("function") });

fn fcall(context: &mut Context<'_>, request: Request<'_>) -> CommandResult {
    run(context, request, false)
}

/// FCALL_RO function numkeys [key ...] [arg ...]
pub static FCALL_RO: CommandSpec = caller("FCALL_RO", fcall_ro)
    .doc("Calls a function that may only read.", "7.0.0", COST)
    .flags(&[Flags::READONLY])
    .keys(NOTED_READ_KEYS)
    .flags_on(flags_of)
    .args(const { &call_args("function") });

fn fcall_ro(context: &mut Context<'_>, request: Request<'_>) -> CommandResult {
    run(context, request, true)
}

fn run(context: &mut Context<'_>, request: Request<'_>, read_only: bool) -> CommandResult {
    let scripts = &context.instance.scripts;
    let mut engine = scripts.engine();
    let known = engine
        .known_functions()
        .and_then(|vm| vm.libraries.function(request.get(1)))
        .map(Arc::clone);
    let function = known.ok_or(NOT_FOUND)?;
    let no_number = CommandError::fixed("ERR Bad number of keys provided");
    let call = call_of(request, read_only, no_number)?;
    let result = engine.functions()?.run(context, request, &function, &call);
    scripts.publish_run(&engine);
    result
}

/// What the command is on a function.
fn flags_of(instance: &Instance, request: Request<'_>, flags: Flags) -> Flags {
    let engine = instance.scripts.engine();
    let function = engine
        .known_functions()
        .and_then(|vm| vm.libraries.function(request.get(1)));
    function.map_or(flags, |function| function.flags.of_command(flags))
}
