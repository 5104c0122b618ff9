//! Lua's C interface, on the two ways that every script takes: into the script, and from it to a command and back.
//!
//! mlua keeps each value that Rust sees in a slot of its own, counts who holds it, and guards what is made of it: for an EVAL
//! of one INCR that was a fifth of the server's time. Here words are read where Lua has them and results are pushed where Lua
//! expects them. Everything else goes through mlua, and so does what is not plain on these two ways.
//!
//! What makes it sound:
//! - An error leaves C functions by a jump, over all that lies between. So what may raise one is done where nothing is left to
//!   be dropped and no lock is held: [`call_command`] first has the command run, which raises nothing, then pushes.
//! - A panic does not pass Lua: it is caught, kept in the host, and goes on in the function that mlua made.
//! - What allocates outside of a protected call does so while the interpreter has no bound, as mlua's own functions do then:
//!   without one, Lua finds memory or the process ends. Its collector may run meanwhile, but no code of a script's: `newproxy`,
//!   the one thing with a finalizer that a script could make, is not there.

use std::ffi::{c_int, c_void};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::slice;

use mlua::{
    Error, Function, IntoLua, IntoLuaMulti, Lua, Result, Table, Value, ffi, lua_CFunction,
    lua_State,
};
use parking_lot::Mutex;

use super::call::{self, Answer, Word};
use super::host::{Host, State};

/// Slots of the stack that are enough for what is pushed here, arguments of a function of a script's included.
const ROOM: c_int = 16;
/// The upvalues of [`call_command`]: that of the function that mlua made, the host, and what that function is in C.
const HOST: c_int = 2;
const WHOLE: c_int = 3;

/// A function that calls commands as `whole` does, which stands on `host`, without it where the words and the answer are
/// plain.
///
/// # Errors
/// Out of memory.
pub fn with_short_way(lua: &Lua, host: &Host, whole: &Function) -> Result<Function> {
    let host: *const Mutex<State> = host.ground();
    // SAFETY: the closure runs in a protected call, with `whole` as its only value on the stack, and has nothing to be
    // dropped. mlua's functions are C closures with one upvalue, which keeps what they hold alive, the host here; it is the
    // first one of the new closure too, where `whole` finds it when it runs in the new one's place. A function that is made
    // otherwise is left as it is.
    unsafe {
        lua.exec_raw(whole, |state| {
            if let Some(function) = ffi::lua_tocfunction(state, 1)
                && !ffi::lua_getupvalue(state, 1, 1).is_null()
            {
                if ffi::lua_getupvalue(state, 1, 2).is_null() {
                    ffi::lua_pushlightuserdata(state, host as *mut c_void);
                    ffi::lua_pushlightuserdata(state, function as *mut c_void);
                    ffi::lua_pushcclosure(state, call_command, WHOLE);
                    ffi::lua_replace(state, 1);
                }
                ffi::lua_settop(state, 1);
            }
        })
    }
}

/// `redis.call` and `redis.pcall` as Lua calls them.
unsafe extern "C-unwind" fn call_command(state: *mut lua_State) -> c_int {
    // SAFETY: only `with_short_way` makes closures of this function, with these upvalues; the first keeps the host alive. Lua
    // gives a C function twenty slots beside its arguments. What is pushed may raise an error: nothing is to be dropped by
    // then. A text lies in the host's buffer, which the next command is the first to touch.
    unsafe {
        let host = &*ffi::lua_touserdata(state, ffi::lua_upvalueindex(HOST)).cast();
        match run(state, host) {
            Answer::Integer(number) => ffi::lua_pushinteger(state, number as ffi::lua_Integer),
            Answer::Nothing => ffi::lua_pushboolean(state, 0),
            Answer::Text(text) => push_text(state, text),
            Answer::Status(text) => {
                ffi::lua_createtable(state, 0, 1);
                push_text(state, b"ok");
                push_text(state, text);
                ffi::lua_rawset(state, -3);
            }
            Answer::Other => {
                let whole = ffi::lua_touserdata(state, ffi::lua_upvalueindex(WHOLE));
                return std::mem::transmute::<*mut c_void, lua_CFunction>(whole)(state);
            }
        }
    }
    1
}

/// Runs the command whose words are the arguments of the running C function.
///
/// # Safety
/// `state` is that function's.
unsafe fn run(state: *mut lua_State, host: &Mutex<State>) -> Answer {
    let attempt = AssertUnwindSafe(|| {
        let Some(mut held) = host.try_lock() else {
            return Answer::Other;
        };
        // SAFETY: the caller's promise; a text stays where it is while it is an argument.
        let words = unsafe {
            let count = ffi::lua_gettop(state);
            (1..=count).map(|index| word(state, index))
        };
        call::call_plain(&mut held, words)
    });
    catch_unwind(attempt).unwrap_or_else(|panic| {
        host.lock().panic = Some(panic);
        Answer::Other
    })
}

/// The argument at `index`.
///
/// # Safety
/// `state` is that of a C function which has so many, and which keeps them for the time of the word.
unsafe fn word<'a>(state: *mut lua_State, index: c_int) -> Word<'a> {
    // SAFETY: the caller's promise; `lua_tolstring` changes nothing that is a text.
    unsafe {
        match ffi::lua_type(state, index) {
            ffi::LUA_TSTRING => {
                let mut len = 0;
                let start = ffi::lua_tolstring(state, index, &mut len);
                Word::Text(slice::from_raw_parts(start.cast(), len))
            }
            ffi::LUA_TNUMBER => Word::Number(ffi::lua_tonumber(state, index)),
            _ => Word::Other,
        }
    }
}

/// Pushes a text that Lua copies.
///
/// # Safety
/// There is a slot for it, and what `text` points to is there.
unsafe fn push_text(state: *mut lua_State, text: *const [u8]) {
    // SAFETY: the caller's promise.
    unsafe { ffi::lua_pushlstring(state, text.cast(), text.len()) };
}

/// Sets `KEYS` of `globals`, to the first `keys` of `words`, and `ARGV`, to the others. For an interpreter without a bound
/// on its memory.
///
/// # Errors
/// Lua's stack is full.
pub fn show_words<'w>(
    lua: &Lua,
    globals: &Table,
    keys: usize,
    words: impl ExactSizeIterator<Item = &'w [u8]>,
) -> Result<()> {
    debug_assert_eq!(lua.set_memory_limit(0).ok(), Some(0), "a bound");
    lua.exec_raw_lua(|raw| {
        let frame = Frame::begin(raw.state())?;
        let state = frame.state;
        let args = words.len() - keys;
        let mut words = words;
        // SAFETY: there is room on the stack, and what allocates raises nothing (see the head of this file). Keys that are
        // texts are always found or added. The words come from an iterator of slices, which does not touch the interpreter.
        unsafe {
            raw.push(globals)?;
            for (name, count) in [(b"KEYS", keys), (b"ARGV", args)] {
                push_text(state, name);
                ffi::lua_createtable(state, c_int::try_from(count).unwrap_or(c_int::MAX), 0);
                for (at, word) in words.by_ref().take(count).enumerate() {
                    push_text(state, word);
                    ffi::lua_rawseti(state, -2, (at + 1) as ffi::lua_Integer);
                }
                ffi::lua_rawset(state, -3);
            }
        }
        Ok(())
    })
}

/// Calls `function`; an error of its own is what `handler` makes of it, and the inner one here.
///
/// # Errors
/// There is no room for a value: on Lua's stack, or where mlua keeps those that Rust sees.
pub fn call_protected(
    lua: &Lua,
    handler: &Function,
    function: impl IntoLua,
    arguments: impl IntoLuaMulti,
) -> Result<std::result::Result<Value, Value>> {
    lua.exec_raw_lua(|raw| {
        let frame = Frame::begin(raw.state())?;
        // SAFETY: there is room on the stack for the handler, the function and its arguments, of which callers here give two
        // at most. The protected call leaves one value in their place, whatever comes.
        unsafe {
            raw.push(handler)?;
            raw.push(function)?;
            let count = arguments.push_into_stack_multi(raw)?;
            let status = ffi::lua_pcall(frame.state, count, 1, frame.top + 1);
            let value = raw.pop()?;
            Ok(match status {
                ffi::LUA_OK => Ok(value),
                _ => Err(value),
            })
        }
    })
}

/// A part of Lua's stack that is given up when this is dropped.
struct Frame {
    state: *mut lua_State,
    top: c_int,
}

impl Frame {
    /// Begins above what is on the stack, with [`ROOM`].
    fn begin(state: *mut lua_State) -> Result<Self> {
        // SAFETY: the state is that of an interpreter that is locked.
        unsafe {
            match ffi::lua_checkstack(state, ROOM) {
                0 => Err(Error::StackError),
                _ => Ok(Frame {
                    state,
                    top: ffi::lua_gettop(state),
                }),
            }
        }
    }
}

impl Drop for Frame {
    fn drop(&mut self) {
        // SAFETY: what was below the frame is there still: nothing here pops more than it has pushed.
        unsafe { ffi::lua_settop(self.state, self.top) };
    }
}
