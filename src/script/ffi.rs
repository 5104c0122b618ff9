//! Lua's C interface, on the two ways that every script takes: into the script, and from it to a command and back; for
//! libraries that make or read values of many parts ([`Builder`], [`Walker`]); and for functions of Lua's that scripts call
//! often ([`library`]).
//!
//! mlua keeps each value that Rust sees in a slot of its own, counts who holds it, and guards what is made of it: for an EVAL
//! of one INCR that was a fifth of the server's time, and of decoding a short JSON text three quarters. Here words are read
//! where Lua has them and results are pushed where Lua expects them. Everything else goes through mlua, and so does what is not
//! plain on these two ways.
//!
//! What makes it sound:
//! - An error leaves C functions by a jump, over all that lies between. So what may raise one is done where nothing is left to
//!   be dropped and no lock is held: [`call_command`] first has the command run, which raises nothing, then pushes.
//! - A panic does not pass Lua: it is caught, kept in the host, and goes on in the function that mlua made.
//! - What allocates outside of a protected call does so while the interpreter has no bound, as mlua's own functions do then:
//!   without one, Lua finds memory or the process ends. Its collector may run meanwhile, but no code of a script's: `newproxy`,
//!   the one thing with a finalizer that a script could make, is not there.
//! - The collector calls the finalizers of mlua's own objects, and raises an error where a script has left no room for one more
//!   call. So what lets it run tries a call first ([`Frame::with_call`]).

use std::ffi::{c_int, c_void};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::slice;

use mlua::state::RawLua;
use mlua::{
    Error, FromLua, FromLuaMulti, Function, IntoLua, IntoLuaMulti, LightUserData, Lua, MaybeSend,
    MultiValue, Result, Table, Value, ffi, lua_CFunction, lua_State,
};
use parking_lot::Mutex;

use super::call::{self, Answer, Word};
use super::hook;
use super::host::{Host, State};
use super::raise;

pub mod library;

/// Slots of the stack that are enough for what is pushed here, arguments of a function of a script's included.
const ROOM: c_int = 16;
/// The upvalues of a closure with a short way: that of the function that mlua made, what the short way needs, and what that
/// function is in C.
const NEED: c_int = 2;
const WHOLE: c_int = 3;

/// A function that is made by mlua and raises no errors itself: it is only to be called in the place of another ([`before`]),
/// which does.
#[derive(Debug)]
pub struct Whole(Function);

/// The whole way of a function.
///
/// # Errors
/// Out of memory.
pub fn whole<A: FromLuaMulti, R: IntoLuaMulti>(
    lua: &Lua,
    function: impl Fn(&Lua, A) -> Result<R> + MaybeSend + 'static,
) -> Result<Whole> {
    let whole = lua.create_function(move |lua, arguments: A| {
        match function(lua, arguments) {
            Ok(results) => Ok(Outcome::Results(results)),
            // mlua raises its own, for which it has room in advance: where one is without a value, that is for want of room.
            Err(error) => match raise::thrown(&error) {
                Some(value) => Ok(Outcome::Raised(value)),
                None => Err(error),
            },
        }
    })?;
    Ok(Whole(whole))
}

/// A function of Rust's. Its errors are raised as those of a C function, which costs little: mlua would make an object of each,
/// that describes all calls that led there and keeps one of the few references to Lua's values for as long as it lives.
///
/// # Errors
/// Out of memory.
pub fn function<A: FromLuaMulti, R: IntoLuaMulti>(
    lua: &Lua,
    function: impl Fn(&Lua, A) -> Result<R> + MaybeSend + 'static,
) -> Result<Function> {
    before(
        lua,
        &whole(lua, function)?,
        go_whole_way,
        std::ptr::null_mut(),
    )
}

/// Sees to it that the collector may run now: it calls finalizers.
///
/// # Errors
/// There is no room for one more call, or no memory.
pub fn room_for_finalizers(lua: &Lua) -> Result<()> {
    lua.exec_raw_lua(|raw| Frame::with_call(raw.state()).map(drop))
}

/// What a whole way leads to.
enum Outcome<R> {
    Results(R),
    /// An error, to be raised by the function in whose place this one ran.
    Raised(Value),
}

/// Stands in front of the value that is to be raised; nothing else has its address.
static RAISED: u8 = 0;

fn mark() -> *mut c_void {
    &raw const RAISED as *mut c_void
}

impl<R: IntoLuaMulti> IntoLuaMulti for Outcome<R> {
    fn into_lua_multi(self, lua: &Lua) -> Result<MultiValue> {
        match self {
            Outcome::Results(results) => results.into_lua_multi(lua),
            Outcome::Raised(value) => {
                let mark = Value::LightUserData(LightUserData(mark()));
                Ok(MultiValue::from_iter([mark, value]))
            }
        }
    }

    unsafe fn push_into_stack_multi(self, raw: &RawLua) -> Result<c_int> {
        // SAFETY: the caller's promise. A function of Rust's has room for twenty values.
        unsafe {
            match self {
                Outcome::Results(results) => results.push_into_stack_multi(raw),
                Outcome::Raised(value) => {
                    raw.push(LightUserData(mark()))?;
                    raw.push(value)?;
                    Ok(2)
                }
            }
        }
    }
}

/// A function that does what `whole` does, by `short` where that can, which needs what is at `need`.
///
/// # Errors
/// Out of memory.
fn before(lua: &Lua, whole: &Whole, short: lua_CFunction, need: *mut c_void) -> Result<Function> {
    // SAFETY: the closure runs in a protected call, with `whole` as its only value on the stack, and has nothing to be
    // dropped. mlua's functions are C closures with one upvalue, which keeps what they hold alive; it is the first one of the
    // new closure too, where `whole` finds it when it runs in the new one's place. A function that is made otherwise is left
    // as it is.
    unsafe {
        lua.exec_raw(&whole.0, |state| {
            if let Some(function) = ffi::lua_tocfunction(state, 1)
                && !ffi::lua_getupvalue(state, 1, 1).is_null()
            {
                if ffi::lua_getupvalue(state, 1, 2).is_null() {
                    ffi::lua_pushlightuserdata(state, need);
                    ffi::lua_pushlightuserdata(state, function as *mut c_void);
                    ffi::lua_pushcclosure(state, short, WHOLE);
                    ffi::lua_replace(state, 1);
                }
                ffi::lua_settop(state, 1);
            }
        })
    }
}

/// Runs the function that mlua made in the place of the running one, and raises what it says is to be raised.
///
/// # Safety
/// `state` is that of a closure which [`before`] has made, and nothing is to be dropped.
unsafe extern "C-unwind" fn go_whole_way(state: *mut lua_State) -> c_int {
    // SAFETY: the caller's promise. A function's results are the uppermost values on the stack.
    unsafe {
        let whole = ffi::lua_touserdata(state, ffi::lua_upvalueindex(WHOLE));
        let results = std::mem::transmute::<*mut c_void, lua_CFunction>(whole)(state);
        if results == 2
            && ffi::lua_type(state, -2) == ffi::LUA_TLIGHTUSERDATA
            && ffi::lua_touserdata(state, -2) == mark()
        {
            ffi::lua_error(state);
        }
        results
    }
}

/// A function that calls commands as `whole` does, which stands on `host`, without it where the words and the answer are
/// plain.
///
/// # Errors
/// Out of memory.
pub fn with_short_way(lua: &Lua, host: &Host, whole: &Whole) -> Result<Function> {
    let host: *const Mutex<State> = host.ground();
    before(lua, whole, call_command, host as *mut c_void)
}

/// `redis.call` and `redis.pcall` as Lua calls them.
unsafe extern "C-unwind" fn call_command(state: *mut lua_State) -> c_int {
    // SAFETY: only `with_short_way` makes closures of this function, which need a host; the first upvalue keeps it alive. Lua
    // gives a C function twenty slots beside its arguments. What is pushed may raise an error: nothing is to be dropped by
    // then. A text lies in the host's buffer, which the next command is the first to touch.
    unsafe {
        let host = &*ffi::lua_touserdata(state, ffi::lua_upvalueindex(NEED)).cast();
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
            Answer::Other => return go_whole_way(state),
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
    /// As [`Frame::begin`], if there is room for one more call, which finalizers need.
    fn with_call(state: *mut lua_State) -> Result<Self> {
        // SAFETY: the state is that of an interpreter that is locked, and the call is a protected one: its error is a value on the
        // stack, which is taken off.
        unsafe {
            match ffi::lua_cpcall(state, nothing, std::ptr::null_mut()) {
                ffi::LUA_OK => Self::begin(state),
                status => {
                    ffi::lua_settop(state, -2);
                    Err(match status {
                        ffi::LUA_ERRMEM => not_enough_memory(),
                        _ => Error::StackError,
                    })
                }
            }
        }
    }

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

/// What [`Frame::with_call`] calls.
unsafe extern "C-unwind" fn nothing(_: *mut lua_State) -> c_int {
    0
}

impl Drop for Frame {
    fn drop(&mut self) {
        // SAFETY: what was below the frame is there still: nothing here pops more than it has pushed.
        unsafe { ffi::lua_settop(self.state, self.top) };
    }
}

/// Has `build` make a value on Lua's stack.
///
/// # Errors
/// Those of `build`.
pub fn build(lua: &Lua, build: impl FnOnce(&mut Builder<'_>) -> Result<()>) -> Result<Value> {
    lua.exec_raw_lua(|raw| {
        let frame = Frame::with_call(raw.state())?;
        let bound = lua.set_memory_limit(0)?;
        let mut builder = Builder {
            lua,
            frame,
            bound,
            pushed: 0,
        };
        // What was made before may have gone beyond the bound by as much as one is not looked at for.
        builder.look()?;
        build(&mut builder)?;
        assert!(builder.height() > 0, "a value has been made");
        // SAFETY: there is a value above what was on the stack before.
        unsafe { raw.pop() }
    })
}

/// Makes a value: what is pushed last is on top, and goes from there into the table below it.
///
/// The interpreter has no bound meanwhile, so that nothing here raises an error; what it takes is looked at instead.
pub struct Builder<'l> {
    lua: &'l Lua,
    frame: Frame,
    /// The interpreter's own bound in bytes; 0 for none.
    bound: usize,
    pushed: usize,
}

/// Room that a table gets from the start; it grows beyond that.
const MOST_ROOM: usize = 1 << 20;
/// After so many values a builder looks at the memory that they take.
const LOOKS_AFTER: usize = 256;

impl Builder<'_> {
    /// Values that are on the stack.
    fn height(&self) -> c_int {
        // SAFETY: the state is that of an interpreter that is locked.
        unsafe { ffi::lua_gettop(self.frame.state) - self.frame.top }
    }

    /// Pushes a text.
    ///
    /// # Errors
    /// As those of [`Builder::table`].
    pub fn text(&mut self, text: &[u8]) -> Result<()> {
        let state = self.room()?;
        // SAFETY: there is room for it.
        unsafe { push_text(state, text) };
        Ok(())
    }

    /// Pushes a number.
    ///
    /// # Errors
    /// As those of [`Builder::table`].
    pub fn number(&mut self, number: f64) -> Result<()> {
        let state = self.room()?;
        // SAFETY: there is room for it.
        unsafe { ffi::lua_pushnumber(state, number) };
        Ok(())
    }

    /// Pushes a truth value.
    ///
    /// # Errors
    /// As those of [`Builder::table`].
    pub fn boolean(&mut self, value: bool) -> Result<()> {
        let state = self.room()?;
        // SAFETY: there is room for it.
        unsafe { ffi::lua_pushboolean(state, c_int::from(value)) };
        Ok(())
    }

    /// Pushes a null pointer, which libraries have for what is nothing and yet there.
    ///
    /// # Errors
    /// As those of [`Builder::table`].
    pub fn null(&mut self) -> Result<()> {
        let state = self.room()?;
        // SAFETY: there is room for it.
        unsafe { ffi::lua_pushlightuserdata(state, std::ptr::null_mut()) };
        Ok(())
    }

    /// Pushes `nil`.
    ///
    /// # Errors
    /// As those of [`Builder::table`].
    pub fn nil(&mut self) -> Result<()> {
        let state = self.room()?;
        // SAFETY: there is room for it.
        unsafe { ffi::lua_pushnil(state) };
        Ok(())
    }

    /// Pushes an empty table with room for so many elements and other pairs.
    ///
    /// # Errors
    /// Lua's stack is full, or the interpreter takes more memory than it may.
    pub fn table(&mut self, elements: usize, pairs: usize) -> Result<()> {
        let state = self.room()?;
        let room = |count: usize| count.min(MOST_ROOM) as c_int;
        // SAFETY: there is room for it, and the table is one that Lua can make.
        unsafe { ffi::lua_createtable(state, room(elements), room(pairs)) };
        Ok(())
    }

    /// Takes the value on top off again.
    pub fn drop_top(&mut self) {
        assert!(self.height() > 0, "there is a value");
        // SAFETY: the value is above what was on the stack before.
        unsafe { ffi::lua_settop(self.frame.state, -2) };
    }

    /// Makes the value on top the element `index` of the table below it.
    pub fn put_element(&mut self, index: i64) {
        let state = self.frame.state;
        // SAFETY: value and table are there, as is checked; without a bound on memory nothing is raised.
        unsafe {
            assert!(self.height() >= 2 && ffi::lua_type(state, -2) == ffi::LUA_TTABLE);
            ffi::lua_rawseti(state, -2, index as ffi::lua_Integer);
        }
    }

    /// Puts the value on top into the table two below it, under the key between them. Nothing is put under `nil` and what
    /// is no number, which no table takes for a key.
    pub fn put_pair(&mut self) {
        let state = self.frame.state;
        // SAFETY: value, key and table are there, as is checked, and the key is one that a table takes; without a bound on
        // memory nothing is raised.
        unsafe {
            assert!(self.height() >= 3 && ffi::lua_type(state, -3) == ffi::LUA_TTABLE);
            let is_key = match ffi::lua_type(state, -2) {
                ffi::LUA_TNIL => false,
                ffi::LUA_TNUMBER => !ffi::lua_tonumber(state, -2).is_nan(),
                _ => true,
            };
            if is_key {
                ffi::lua_rawset(state, -3);
            } else {
                ffi::lua_settop(state, -3);
            }
        }
    }

    /// Makes room for one more value.
    fn room(&mut self) -> Result<*mut lua_State> {
        self.pushed += 1;
        if self.pushed.is_multiple_of(LOOKS_AFTER) {
            self.look()?;
        }
        room(self.frame.state)
    }

    /// Fails if the interpreter takes more memory than it may.
    fn look(&self) -> Result<()> {
        if self.bound > 0 && self.lua.used_memory() > self.bound {
            return Err(not_enough_memory());
        }
        Ok(())
    }
}

fn not_enough_memory() -> Error {
    Error::MemoryError("not enough memory".to_owned())
}

impl Drop for Builder<'_> {
    fn drop(&mut self) {
        // It fails where the interpreter does not count its memory, and then there was no bound.
        let _ = self.lua.set_memory_limit(self.bound);
    }
}

/// Makes room for one more value; answers the state, for there it goes.
fn room(state: *mut lua_State) -> Result<*mut lua_State> {
    // SAFETY: the state is that of an interpreter that is locked and without a bound on its memory.
    match unsafe { ffi::lua_checkstack(state, 1) } {
        0 => Err(Error::StackError),
        _ => Ok(state),
    }
}

/// Has `walk` go through `value`, which lies on Lua's stack meanwhile.
///
/// # Errors
/// Those of `walk`.
pub fn walk<R>(
    lua: &Lua,
    value: &Value,
    walk: impl FnOnce(&mut Walker<'_>) -> Result<R>,
) -> Result<R> {
    lua.exec_raw_lua(|raw| {
        let frame = Frame::with_call(raw.state())?;
        // SAFETY: there is room for it.
        unsafe { raw.push(value)? };
        let bound = lua.set_memory_limit(0)?;
        walk(&mut Walker {
            lua,
            frame,
            bound,
            open: Vec::new(),
            steps: 0,
        })
    })
}

/// A value on the stack.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum View<'s> {
    /// `nil`.
    Nil,
    /// A truth value.
    Boolean(bool),
    /// A number.
    Number(f64),
    /// A string.
    Text(&'s [u8]),
    /// A table.
    Table,
    /// A null pointer.
    Null,
    /// Anything else: the name of its type.
    Other(&'static str),
}

impl View<'_> {
    /// The name of its type.
    pub fn type_name(self) -> &'static str {
        match self {
            View::Nil => "nil",
            View::Boolean(_) => "boolean",
            View::Number(_) => "number",
            View::Text(_) => "string",
            View::Table => "table",
            View::Null => "userdata",
            View::Other(name) => name,
        }
    }
}

/// Reads a value, and what is in it where that is a table: what is reached lies on top, above the tables that lead there.
///
/// Nothing that it does raises an error: the interpreter has no bound meanwhile, which is for the stack alone, and the pairs
/// of a table are visited by keys that came from it.
pub struct Walker<'l> {
    lua: &'l Lua,
    frame: Frame,
    /// The interpreter's own bound in bytes; 0 for none.
    bound: usize,
    /// Where the tables lie whose pairs are being visited; above each lies the key of the pair.
    open: Vec<c_int>,
    /// How many values were gone to.
    steps: u64,
}

/// After so many values it is looked whether the script is to end: a table within itself several times has no end in sight.
const VALUES_BETWEEN_LOOKS: u64 = 1 << 16;

impl Walker<'_> {
    fn step(&mut self) -> Result<()> {
        self.steps += 1;
        if self.steps.is_multiple_of(VALUES_BETWEEN_LOOKS)
            && let Some(why) = hook::why_to_end(self.lua)
        {
            return Err(hook::end_of(self.lua, why)?);
        }
        Ok(())
    }

    /// The value on top.
    pub fn value(&self) -> View<'_> {
        self.view(-1)
    }

    /// The key of the pair whose value is on top.
    pub fn key(&self) -> View<'_> {
        self.view(-2)
    }

    fn view(&self, index: c_int) -> View<'_> {
        let state = self.frame.state;
        // SAFETY: there is a value, as is checked; a text stays where it is while it is on the stack, from which only
        // `&mut self` takes it.
        unsafe {
            assert!(ffi::lua_gettop(state) + index >= self.frame.top);
            match ffi::lua_type(state, index) {
                ffi::LUA_TNIL => View::Nil,
                ffi::LUA_TBOOLEAN => View::Boolean(ffi::lua_toboolean(state, index) != 0),
                ffi::LUA_TNUMBER => View::Number(ffi::lua_tonumber(state, index)),
                ffi::LUA_TSTRING => match word(state, index) {
                    Word::Text(text) => View::Text(text),
                    _ => View::Nil,
                },
                ffi::LUA_TTABLE => View::Table,
                ffi::LUA_TLIGHTUSERDATA if ffi::lua_touserdata(state, index).is_null() => {
                    View::Null
                }
                ffi::LUA_TFUNCTION => View::Other("function"),
                ffi::LUA_TTHREAD => View::Other("thread"),
                _ => View::Other("userdata"),
            }
        }
    }

    /// Goes back from the value on top to the table in which it is.
    pub fn leave(&mut self) {
        let state = self.frame.state;
        // SAFETY: there is a value above the frame, and it is not the key that the next pair is found by.
        unsafe {
            let top = ffi::lua_gettop(state);
            let lowest = self.open.last().map_or(self.frame.top, |table| table + 1);
            assert!(top > lowest, "a value is left");
            ffi::lua_settop(state, top - 1);
        }
    }

    /// Goes to the element `index` of the table on top.
    ///
    /// # Errors
    /// Lua's stack is full, or the script is to end.
    pub fn element(&mut self, index: i64) -> Result<()> {
        self.step()?;
        let state = room(self.frame.state)?;
        // SAFETY: there is a table, as is checked, and room for the element.
        unsafe {
            assert_eq!(ffi::lua_type(state, -1), ffi::LUA_TTABLE);
            ffi::lua_rawgeti(state, -1, index as ffi::lua_Integer);
        }
        Ok(())
    }

    /// Goes to the field `name` of the table on top.
    ///
    /// # Errors
    /// Lua's stack is full.
    pub fn field(&mut self, name: &[u8]) -> Result<()> {
        let state = room(self.frame.state)?;
        // SAFETY: there is a table, as is checked, and room for the name, in whose place the field comes.
        unsafe {
            assert_eq!(ffi::lua_type(state, -1), ffi::LUA_TTABLE);
            push_text(state, name);
            ffi::lua_rawget(state, -2);
        }
        Ok(())
    }

    /// The length that the table on top claims; if there are holes, it is one of those that it could have.
    pub fn raw_len(&self) -> usize {
        // SAFETY: there is a value on top, and of what is no table the length is of no harm.
        unsafe { ffi::lua_objlen(self.frame.state, -1) }
    }

    /// Begins with the pairs of the table on top: [`Walker::pair`] goes to the first.
    ///
    /// # Errors
    /// Lua's stack is full.
    pub fn pairs(&mut self) -> Result<()> {
        let state = room(self.frame.state)?;
        // SAFETY: there is a table, as is checked, and room for the key.
        unsafe {
            assert_eq!(ffi::lua_type(state, -1), ffi::LUA_TTABLE);
            self.open.push(ffi::lua_gettop(state));
            ffi::lua_pushnil(state);
        }
        Ok(())
    }

    /// Goes to the value of the next pair, the one before having been left; behind the last one back to the table, with an
    /// answer of false.
    ///
    /// # Errors
    /// Lua's stack is full, or the script is to end.
    pub fn pair(&mut self) -> Result<bool> {
        self.step()?;
        let state = room(self.frame.state)?;
        let table = *self.open.last().expect("pairs have been begun with");
        // SAFETY: the table is there, and above it the key that this put there the last time, or nil. No table changes while
        // it is visited.
        unsafe {
            assert_eq!(ffi::lua_gettop(state), table + 1);
            let is_there = ffi::lua_next(state, table) != 0;
            if !is_there {
                self.open.pop();
            }
            Ok(is_there)
        }
    }

    /// Goes from the value of a pair to its key, of which this is a copy: leaving it leads back to the value.
    ///
    /// # Errors
    /// Lua's stack is full.
    pub fn copy_key(&mut self) -> Result<()> {
        let state = room(self.frame.state)?;
        let table = *self.open.last().expect("pairs have been begun with");
        // SAFETY: the key lies above its table, and there is room for the copy.
        unsafe { ffi::lua_pushvalue(state, table + 1) };
        Ok(())
    }

    /// Goes back to the table whose pairs are being visited.
    pub fn end_pairs(&mut self) {
        let table = self.open.pop().expect("pairs have been begun with");
        // SAFETY: the table lies above the frame.
        unsafe { ffi::lua_settop(self.frame.state, table) };
    }

    /// Puts another table in the place of the one on top, which is not being visited.
    ///
    /// # Errors
    /// Those of `exchange`, or there is no room where mlua keeps values that Rust sees.
    pub fn exchange(&mut self, exchange: impl FnOnce(&Table) -> Result<Table>) -> Result<()> {
        let state = room(self.frame.state)?;
        self.lua.exec_raw_lua(|raw| {
            // SAFETY: there is a table, as is checked, and room for a copy.
            let table = unsafe {
                assert_eq!(ffi::lua_type(state, -1), ffi::LUA_TTABLE);
                ffi::lua_pushvalue(state, -1);
                Table::from_lua(raw.pop()?, self.lua)?
            };
            let table = exchange(&table)?;
            self.leave();
            // SAFETY: the place that has been left has room.
            unsafe { raw.push(table) }
        })
    }
}

impl Drop for Walker<'_> {
    fn drop(&mut self) {
        // It fails where the interpreter does not count its memory, and then there was no bound.
        let _ = self.lua.set_memory_limit(self.bound);
    }
}
