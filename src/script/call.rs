//! `redis.call` and `redis.pcall`: a script's command, from its words to its reply as a Lua value.
//!
//! The words go straight into a queue that is used again for each call, the reply into a buffer that is too. What the
//! gate asks of a client's command is asked here of a script's ([`refuse`]); a rule that holds for scripts alone goes
//! there.
//!
//! Most calls go the short way ([`call_plain`], from `ffi`); [`call`] does what is left.

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
/// Beyond a reply of so many bytes it is looked whether the script is to end.
const LARGE_REPLY: usize = 64 * 1024;
const NO_WORDS: &[u8] = b"Please specify at least one argument for this redis lib call";
const BAD_WORD: &[u8] = b"Lua redis lib command arguments must be strings or integers";

/// A word of a command, as a script gives it.
#[derive(Clone, Copy, Debug)]
pub enum Word<'a> {
    /// A text.
    Text(&'a [u8]),
    /// A number.
    Number(f64),
    /// What no command takes.
    Other,
}

/// The answer to a script's call, where it takes little to be made a value.
#[derive(Clone, Copy, Debug)]
pub enum Answer {
    /// An integer.
    Integer(i64),
    /// A text, in the host's buffer until the next call.
    Text(*const [u8]),
    /// A simple string, as a text is.
    Status(*const [u8]),
    /// A null.
    Nothing,
    /// [`call`] is to be asked for it.
    Other,
}

/// Calls the command of `words` if nothing about them or the script is out of the ordinary.
pub fn call_plain<'w>(state: &mut State, words: impl Iterator<Item = Word<'w>>) -> Answer {
    state.has_reply = false;
    if state.run.as_ref().is_none_or(|run| run.busy) {
        return Answer::Other;
    }
    state.queue.clear(KEPT_BYTES);
    let mut count = 0;
    for word in words {
        if matches!(word, Word::Other) {
            return Answer::Other;
        }
        push(&mut state.queue, word);
        count += 1;
    }
    if count == 0 {
        return Answer::Other;
    }
    state.queue.end_command();
    execute_queued(state);
    let answer = plain(&state.out);
    state.has_reply = matches!(answer, Answer::Other);
    answer
}

/// Reads a reply that is plain and whole in `out`.
fn plain(out: &[u8]) -> Answer {
    let Some((&kind, rest)) = out.split_first() else {
        return Answer::Other;
    };
    let line = || rest.strip_suffix(b"\r\n");
    match kind {
        b':' => line()
            .and_then(parse_i64)
            .map_or(Answer::Other, Answer::Integer),
        b'+' => line().map_or(Answer::Other, |text| Answer::Status(text)),
        b'$' if rest == b"-1\r\n" => Answer::Nothing,
        b'$' => {
            let end = rest.iter().position(|&byte| byte == b'\r');
            let text = end
                .and_then(|end| rest.get(end + 2..))
                .and_then(|text| text.strip_suffix(b"\r\n"));
            let len = end.and_then(|end| parse_i64(&rest[..end]));
            match text {
                // A large value lies elsewhere.
                Some(text) if len == i64::try_from(text.len()).ok() => Answer::Text(text),
                _ => Answer::Other,
            }
        }
        _ => Answer::Other,
    }
}

/// Calls the command of `words`, or goes on with a call that [`call_plain`] has left. An error is raised, or with `raises`
/// false returned as a table.
///
/// # Errors
/// The command's, or out of memory.
pub fn call(lua: &Lua, host: &Host, words: &MultiValue, raises: bool) -> Result<Value> {
    let (value, bytes) = call_whole(lua, host, words, raises)?;
    if bytes > LARGE_REPLY
        && let Some(why) = hook::why_to_end(lua)
    {
        return Err(hook::end_of(lua, why)?);
    }
    Ok(value)
}

/// As [`call`], with the length of the reply.
fn call_whole(lua: &Lua, host: &Host, words: &MultiValue, raises: bool) -> Result<(Value, usize)> {
    let Some(mut state) = host.try_state() else {
        return fail(lua, b"redis.call cannot be used within another command");
    };
    if let Some(panic) = state.panic.take() {
        drop(state);
        std::panic::resume_unwind(panic);
    }
    let state = &mut *state;
    if std::mem::take(&mut state.has_reply) {
        return deliver(lua, state, raises);
    }
    let Some(run) = &state.run else {
        return fail(
            lua,
            b"redis.call/pcall can only be called inside a script invocation",
        );
    };
    let is_killed = run.busy && run.instance.scripts.running.is_killed();
    if let Err(text) = gather(&mut state.queue, words) {
        let table = Value::Table(convert::error_table(lua, text)?);
        return if raises {
            Err(raise::throw(table))
        } else {
            Ok((table, 0))
        };
    }
    if is_killed {
        return Err(hook::killed(lua)?);
    }
    execute_queued(state);
    deliver(lua, state, raises)
}

/// Makes the reply a value.
fn deliver(lua: &Lua, state: &mut State, raises: bool) -> Result<(Value, usize)> {
    let bytes = state.out.len();
    let failed = state.out.first() == Some(&b'-');
    let value = convert::to_lua(lua, &state.out, &state.blobs);
    trim(state);
    let value = value?;
    if failed && raises {
        return Err(raise::throw(value));
    }
    Ok((value, bytes))
}

/// Raises an error that has nothing to do with a command.
fn fail<T>(lua: &Lua, text: &[u8]) -> Result<T> {
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
            Value::String(text) => push(queue, Word::Text(&text.as_bytes())),
            Value::Integer(number) => push(queue, Word::Number(*number as f64)),
            Value::Number(number) => push(queue, Word::Number(*number)),
            _ => return Err(BAD_WORD),
        }
    }
    queue.end_command();
    Ok(())
}

/// Puts one word into `queue`; a number as Redis has written it since version 7.2.
fn push(queue: &mut CommandQueue, word: Word<'_>) {
    match word {
        Word::Text(text) if text.len() >= SHARED_WORD => {
            queue.push_shared(std::sync::Arc::new(text.to_vec()));
        }
        Word::Text(text) => queue.push_word(text),
        Word::Number(number) => {
            // Adding it makes zero of the negative zero, which is written as an integer here.
            queue.push_word(double::Buffer::new().format(number + 0.0).as_bytes());
        }
        Word::Other => {}
    }
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

/// Runs the command that was put into the queue; its reply replaces the last one.
fn execute_queued(state: &mut State) {
    state.out.clear();
    state.blobs.clear();
    let Some(run) = &mut state.run else {
        return;
    };
    let request = state.queue.get(0);
    let reply = Reply::new(&mut state.out, &mut state.blobs, run.session.protocol);
    execute(run, request, reply);
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

#[cfg(test)]
mod tests {
    use super::*;

    /// The answer as a text, with its kind in front.
    fn shown(out: &[u8]) -> String {
        let within = |text: *const [u8]| {
            let start = text.cast::<u8>().addr() - out.as_ptr().addr();
            String::from_utf8_lossy(&out[start..start + text.len()]).into_owned()
        };
        match plain(out) {
            Answer::Integer(number) => format!("integer {number}"),
            Answer::Text(text) => format!("text {}", within(text)),
            Answer::Status(text) => format!("status {}", within(text)),
            Answer::Nothing => "nothing".to_owned(),
            Answer::Other => "other".to_owned(),
        }
    }

    #[test]
    fn only_whole_and_simple_replies_are_plain() {
        for (out, want) in [
            (":0\r\n", "integer 0"),
            (":-9223372036854775808\r\n", "integer -9223372036854775808"),
            ("$3\r\na\r\n\r\n", "text a\r\n"),
            ("$0\r\n\r\n", "text "),
            ("$-1\r\n", "nothing"),
            ("+OK\r\n", "status OK"),
            // A large value is not in the buffer.
            ("$100000\r\n\r\n", "other"),
            ("-ERR no\r\n", "other"),
            ("*0\r\n", "other"),
            ("*-1\r\n", "other"),
            ("_\r\n", "other"),
            (",1\r\n", "other"),
            ("", "other"),
            (":", "other"),
            ("$", "other"),
            ("$3\r", "other"),
        ] {
            assert_eq!(shown(out.as_bytes()), want, "{out:?}");
        }
    }
}
