//! `redis.call` and `redis.pcall`: a script's command, from its words to its reply as a Lua value.
//!
//! The words go straight into a queue that is used again for each call, the reply into a buffer that is too. What the
//! gate asks of a client's command is asked here of a script's ([`refuse`]); a rule that holds for scripts alone goes
//! there.

use std::sync::atomic::Ordering;

use mlua::{Lua, MultiValue, Result, Value};

use super::convert;
use super::hook;
use super::host::{Host, KEPT_BYTES, Run, State};
use super::raise;
use crate::command::call::{call as run_command, write_error};
use crate::command::{Command, CommandError, Context, Flags};
use crate::instance::attention::{FILE_FAILS, WRITES_STOPPED};
use crate::resp::{CommandQueue, Reply};
use crate::text::double;
use crate::text::number::parse_i64;

/// A word of at least that length is given to the command as a buffer that it may keep.
const SHARED_WORD: usize = 32 * 1024;
const NO_WORDS: &[u8] = b"Please specify at least one argument for this redis lib call";
const BAD_WORD: &[u8] = b"Lua redis lib command arguments must be strings or integers";

/// Calls the command of `words`. An error is raised, or with `raises` false returned as a table.
///
/// # Errors
/// The command's, or out of memory.
pub fn call(lua: &Lua, host: &Host, words: &MultiValue, raises: bool) -> Result<Value> {
    let Some(mut state) = host.try_state() else {
        return fail(lua, b"redis.call cannot be used within another command");
    };
    let state = &mut *state;
    if state.run.is_none() {
        return fail(
            lua,
            b"redis.call/pcall can only be called inside a script invocation",
        );
    }
    if let Err(text) = gather(&mut state.queue, words) {
        let table = Value::Table(convert::error_table(lua, text)?);
        return if raises {
            Err(raise::throw(table))
        } else {
            Ok(table)
        };
    }
    state.out.clear();
    state.blobs.clear();
    let Some(run) = &mut state.run else {
        return Ok(Value::Nil);
    };
    if run.busy && run.instance.scripts.running.is_killed() {
        return Err(hook::killed(lua)?);
    }
    let request = state.queue.get(0);
    let reply = Reply::new(&mut state.out, &mut state.blobs, run.session.protocol);
    execute(run, request, reply);
    if let Some(number) = integer(&state.out) {
        return Ok(Value::Integer(number));
    }
    let failed = state.out.first() == Some(&b'-');
    // What is made of the reply is bounded by the reply.
    lua.set_memory_limit(0)?;
    let value = convert::to_lua(lua, &state.out, &state.blobs);
    lua.set_memory_limit(super::MEMORY_LIMIT)?;
    trim(state);
    let value = value?;
    if failed && raises {
        return Err(raise::throw(value));
    }
    Ok(value)
}

/// The reply, if it is an integer: of all replies the one that takes nothing to be made.
fn integer(reply: &[u8]) -> Option<i64> {
    parse_i64(reply.strip_prefix(b":")?.strip_suffix(b"\r\n")?)
}

/// Raises an error that has nothing to do with a command.
fn fail(lua: &Lua, text: &[u8]) -> Result<Value> {
    let table = convert::error_table(lua, text)?;
    Err(raise::throw(Value::Table(table)))
}

/// Gives back what one large reply has taken.
fn trim(state: &mut State) {
    if state.out.capacity() > KEPT_BYTES {
        state.out = bytes::BytesMut::new();
    }
    state.blobs.clear();
}

/// Puts the words into `queue`.
fn gather(queue: &mut CommandQueue, words: &MultiValue) -> std::result::Result<(), &'static [u8]> {
    queue.clear(KEPT_BYTES);
    if words.is_empty() {
        return Err(NO_WORDS);
    }
    for word in words {
        match word {
            Value::String(text) if text.as_bytes().len() >= SHARED_WORD => {
                queue.push_shared(std::sync::Arc::new(text.as_bytes().to_vec()));
            }
            Value::String(text) => queue.push_word(&text.as_bytes()),
            Value::Integer(number) if number.unsigned_abs() < 100_000_000_000_000_000 => {
                queue.push_word(itoa::Buffer::new().format(*number).as_bytes());
            }
            Value::Integer(number) => {
                queue.push_word(double::seventeen_digits(*number as f64).as_bytes());
            }
            Value::Number(number) => queue.push_word(double::seventeen_digits(*number).as_bytes()),
            _ => return Err(BAD_WORD),
        }
    }
    queue.end_command();
    Ok(())
}

/// The command that words name, for `redis.acl_check_cmd` too.
pub fn known<'a>(
    run: &'a Run,
    queue: &mut CommandQueue,
    words: &MultiValue,
) -> std::result::Result<Option<&'a Command>, &'static [u8]> {
    gather(queue, words)?;
    Ok(run.instance.registry.resolve(queue.get(0)))
}

fn execute(run: &mut Run, request: crate::resp::Request<'_>, mut reply: Reply<'_>) {
    let instance = &*run.instance;
    let Some(command) = instance.registry.resolve(request) else {
        let error = CommandError::fixed("ERR Unknown Redis command called from script");
        return write_error(instance, &error, &mut reply);
    };
    let allow_all = instance.scripts.allow_all.load(Ordering::Relaxed);
    let refused = refuse(command, request.len(), run.read_only, allow_all).or_else(|| {
        let stops = WRITES_STOPPED | FILE_FAILS;
        if !instance.attention.has(stops) || !command.spec.flags.has(Flags::WRITE) {
            return None;
        }
        if instance.attention.has(WRITES_STOPPED) {
            return Some(CommandError::Unsaved);
        }
        instance.aof.error().map(CommandError::FileFails)
    });
    if let Some(error) = refused {
        instance.stats.commands[command.id].rejected.add(1);
        return write_error(instance, &error, &mut reply);
    }
    if command.spec.flags.has(Flags::WRITE) && !run.wrote {
        run.wrote = true;
        if run.busy {
            // Between this and the look at the wish that it may end nobody can be told that it will.
            instance.scripts.running.set_wrote();
        }
    }
    let mut context = Context {
        db: &mut run.db,
        session: &mut run.session,
        instance,
        reply,
        command,
    };
    run_command(&mut context, request);
}

/// Why a script may not run a command, if so.
fn refuse(
    command: &Command,
    words: usize,
    read_only: bool,
    allow_all: bool,
) -> Option<CommandError> {
    let flags = command.spec.flags;
    let text = if !command.spec.accepts(words) {
        "ERR Wrong number of args calling Redis command from script"
    } else if flags.has(Flags::NOSCRIPT) && !allow_all {
        "ERR This Redis command is not allowed from script"
    } else if read_only && (flags.has(Flags::WRITE) || flags.has(Flags::MAY_REPLICATE)) {
        "ERR Write commands are not allowed from read-only scripts."
    } else {
        return None;
    };
    Some(CommandError::fixed(text))
}
