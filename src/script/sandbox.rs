//! The interpreter as scripts see it: few libraries, and globals that no script can change.
//!
//! Redis carries a Lua with one addition, a mark on a table that makes it read-only. The Lua used here has no such
//! mark, so a protected table is an empty one whose metatable looks everything up in another table, out of reach, and
//! refuses every assignment. Functions that would go around metatables are replaced (`sandbox.lua`):
//!
//! * those that write without them (`rawset`, `table.insert`, `setmetatable`) refuse a protected table with Redis's
//!   error; `table.remove` and `table.sort` find nothing to do in it;
//! * those that read without them (`next`, `pairs`, `rawget`, `table.foreach`, and the libraries that walk tables)
//!   look at the table behind ([`behind`]);
//! * those that catch errors (`pcall`, `xpcall`, `coroutine.resume`, `coroutine.wrap`, `load`) turn the errors that mlua
//!   raises into the values that scripts expect ([`raise`]);
//! * those by which a script could end the process or hold it have limits ([`library`]);
//! * `load` and `loadstring` take source text alone;
//! * those that match patterns do it in bounded space ([`patterns`]).
//!
//! What a script can still tell: `pairs` of a table hands out another `next` than the global; the functions above are
//! written in Lua, so that an error of theirs has no place when they are called in a `return` (a tail call leaves no
//! trace of the caller); a protected table used as the metatable of another has no effect.
//!
//! Life cycle: [`new_vm`] builds an interpreter; whoever adds a library to it puts it through [`protect`] and
//! [`set_global`]; a script is run by [`call`].

use mlua::state::{GcIncParams, GcMode};
use mlua::{
    FromLua, Function, IntoLua, IntoLuaMulti, Lua, LuaOptions, LuaString, MultiValue, Result,
    StdLib, Table, Value, Variadic,
};

use super::ffi::{self, library};
use super::hook;
use super::libs;
use super::patterns::Iteration;
use super::raise::{self, Place};
use super::{patterns, random};

const PRELUDE: &str = include_str!("sandbox.lua");
const READ_ONLY: &str = "Attempt to modify a readonly table";
/// Named values of the registry: the table of the globals, the map from protected tables to what they show, and the
/// functions that protect a table.
const STORE: &str = "ruddle.globals";
const CONTENTS: &str = "ruddle.contents";
const PROTECT: &str = "ruddle.protect";
const PROTECT_STRICT: &str = "ruddle.protect_strict";
/// The level of the script's function in a Rust function that a function of the sandbox's called, which in turn was
/// called by another in its last statement: such a call leaves a level of its own.
const BEHIND_TAIL_CALL: usize = 3;
const COMPILE: &str = "ruddle.compile";
const HANDLER: &str = "ruddle.handler";

/// The collector begins anew when memory has grown to so many percent of what was left the last time. An interpreter's own
/// functions and libraries are most of what lives, so Lua's 200 would let as much garbage lie as they take.
const COLLECTOR_PAUSE: i32 = 130;
/// How much it looks at for each byte that is made while it works, in percent: Lua's 200 lets half as much come as there was.
const COLLECTOR_SPEED: i32 = 400;

/// An interpreter with the libraries that scripts may use, all globals protected.
///
/// # Errors
/// Out of memory.
pub fn new_vm() -> Result<Lua> {
    let libraries = StdLib::TABLE | StdLib::STRING | StdLib::MATH | StdLib::OS;
    let lua = Lua::new_with(libraries, LuaOptions::new())?;
    libs::install(&lua)?;
    random::install(&lua)?;
    library::bound(&lua)?;
    let iteration = patterns::install(&lua)?;
    install_prelude(&lua, iteration)?;
    lua.gc_set_mode(GcMode::Incremental(
        GcIncParams::default()
            .pause(COLLECTOR_PAUSE)
            .step_multiplier(COLLECTOR_SPEED),
    ));
    Ok(lua)
}

/// What a script can ask for that it lacks: nothing, or the error of a nonexistent global.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Missing {
    /// It is `nil`.
    Nil,
    /// It is an error.
    Error,
}

/// The read-only table that shows what `table` holds; `table` itself is not to be given to a script.
///
/// # Errors
/// Out of memory.
pub fn protect(lua: &Lua, table: Table, missing: Missing) -> Result<Table> {
    let name = match missing {
        Missing::Nil => PROTECT,
        Missing::Error => PROTECT_STRICT,
    };
    lua.named_registry_value::<Function>(name)?.call(table)
}

/// Makes `value` the global `name`; `nil` takes it away.
///
/// # Errors
/// Out of memory.
pub fn set_global(lua: &Lua, name: &str, value: impl IntoLua) -> Result<()> {
    shown_globals(lua)?.raw_set(name, value)
}

/// The table that the globals show: for who sets some of them often. It is not to be given to a script.
///
/// # Errors
/// Out of memory.
pub fn shown_globals(lua: &Lua) -> Result<Table> {
    lua.named_registry_value(STORE)
}

/// The table that `table` shows if it is a protected one, else itself.
///
/// # Errors
/// Out of memory.
pub fn behind(lua: &Lua, table: &Table) -> Result<Table> {
    let contents: Option<Table> = lua.named_registry_value(CONTENTS)?;
    match contents {
        Some(contents) => Ok(contents
            .raw_get::<Option<Table>>(table)?
            .unwrap_or_else(|| table.clone())),
        None => Ok(table.clone()),
    }
}

/// Compiles source text, whose chunk has this name for errors.
///
/// It is Lua's own function that does it, as mlua would take the bytes of an error for UTF-8.
///
/// # Errors
/// What is wrong with the text, in the compiler's words.
pub fn compile(lua: &Lua, code: &[u8], name: &str) -> std::result::Result<Function, Vec<u8>> {
    let compiled = lua
        .named_registry_value::<Function>(COMPILE)
        .and_then(|compile| {
            let code = lua.create_string(code)?;
            compile.call::<(Option<Function>, Option<LuaString>)>((code, name))
        });
    match compiled {
        Ok((Some(chunk), _)) => Ok(chunk),
        Ok((None, problem)) => Err(problem.map_or_else(Vec::new, |text| text.as_bytes().to_vec())),
        Err(error) => Err(error.to_string().into_bytes()),
    }
}

/// Starts `math.random` as in a new interpreter. Redis's goes on from script to script since version 7.
pub fn reseed(lua: &Lua) {
    random::reseed(lua);
}

/// Bounds what the interpreter may allocate, in bytes; 0 for no bound. A script that needs more fails with
/// `not enough memory`.
///
/// # Errors
/// Where the interpreter does not count its memory.
pub fn set_memory_limit(lua: &Lua, bytes: usize) -> Result<()> {
    lua.set_memory_limit(bytes).map(drop)
}

/// What ended a script.
#[derive(Clone, Debug)]
pub struct Failure {
    /// The error: mostly a text, or a table with the field `err`.
    pub value: Value,
    /// Where the script was.
    pub place: Option<Place>,
}

/// Calls a function of a script with at most two arguments.
///
/// # Errors
/// The outer ones are of the interpreter itself; the script's own is the inner.
pub fn call<R: FromLua>(
    lua: &Lua,
    function: &Function,
    arguments: impl IntoLuaMulti,
) -> Result<std::result::Result<R, Failure>> {
    Entry::of(lua, 0)?.call(lua, function, arguments)
}

/// How scripts are entered, and what they may allocate.
///
/// The bound holds while a script's own code runs. Outside of it there is none, for then the interpreter needs no guard
/// around each value that is made in it, which would cost more than a small script.
#[derive(Clone, Debug)]
pub struct Entry {
    handler: Function,
    globals: Table,
    memory_limit: usize,
}

impl Entry {
    /// Of an interpreter that [`new_vm`] has built; a bound of 0 bytes leaves the one that it has.
    ///
    /// # Errors
    /// Out of memory.
    pub fn of(lua: &Lua, memory_limit: usize) -> Result<Self> {
        Ok(Entry {
            handler: lua.named_registry_value(HANDLER)?,
            globals: shown_globals(lua)?,
            memory_limit,
        })
    }

    /// Gives the next script its `KEYS`, the first `keys` of `words`, and its `ARGV`, the others. Only for an entry with a
    /// bound of its own.
    ///
    /// # Errors
    /// Out of memory.
    pub fn stage<'w>(
        &self,
        lua: &Lua,
        keys: usize,
        words: impl ExactSizeIterator<Item = &'w [u8]>,
    ) -> Result<()> {
        ffi::show_words(lua, &self.globals, keys, words)
    }

    /// As [`call`].
    ///
    /// # Errors
    /// As those of [`call`].
    pub fn call<R: FromLua>(
        &self,
        lua: &Lua,
        function: impl IntoLua,
        arguments: impl IntoLuaMulti,
    ) -> Result<std::result::Result<R, Failure>> {
        if self.memory_limit > 0 {
            lua.set_memory_limit(self.memory_limit)?;
        }
        let outcome = ffi::call_protected(lua, &self.handler, function, arguments);
        if self.memory_limit > 0 {
            lua.set_memory_limit(0)?;
        }
        match outcome {
            Ok(Ok(value)) => R::from_lua(value, lua).map(Ok),
            Ok(Err(found)) => failure(lua, found).map(Err),
            Err(error) => failure(lua, Value::Error(Box::new(error))).map(Err),
        }
    }
}

/// The first `keys` of `words` and the others as tables.
///
/// # Errors
/// Out of memory.
pub fn tables<'w>(
    lua: &Lua,
    keys: usize,
    words: impl ExactSizeIterator<Item = &'w [u8]>,
) -> Result<(Table, Table)> {
    let first = lua.create_table_with_capacity(keys, 0)?;
    let others = lua.create_table_with_capacity(words.len() - keys, 0)?;
    for (at, word) in words.enumerate() {
        let word = lua.create_string(word)?;
        match at.checked_sub(keys) {
            None => first.raw_set(at + 1, word)?,
            Some(at) => others.raw_set(at + 1, word)?,
        }
    }
    Ok((first, others))
}

/// What has ended a call, of what the handler has found: nothing but the error where it could not run.
fn failure(lua: &Lua, found: Value) -> Result<Failure> {
    if let Value::Table(found) = &found
        && let Ok(failure) = described(found)
    {
        return Ok(failure);
    }
    // What the script has used up, memory or room for values that Rust sees, is needed for the answer.
    lua.gc_collect()?;
    match found {
        Value::Table(found) => described(&found),
        other => Ok(Failure {
            value: opened(lua, other)?,
            place: None,
        }),
    }
}

/// Reads what the handler makes of an error.
fn described(found: &Table) -> Result<Failure> {
    let line: Option<usize> = found.raw_get("line")?;
    let place = line.map(|line| -> Result<Place> {
        Ok(Place {
            source: found.raw_get("source")?,
            short_source: found.raw_get("short_source")?,
            line,
        })
    });
    Ok(Failure {
        value: found.raw_get(1)?,
        place: place.transpose()?,
    })
}

/// What the part that is written in Lua returns.
type Prelude = (Table, Table, Function, Function, Function);

/// Runs the part that is written in Lua and keeps what it returns.
fn install_prelude(lua: &Lua, iteration: Iteration) -> Result<()> {
    let globals = lua.globals();
    let pcall: Function = globals.raw_get("pcall")?;
    let prelude = lua
        .load(PRELUDE)
        .set_name(raise::INTERNAL_SOURCE)
        .into_function()?;
    let (store, contents, protect, protect_strict, compile): Prelude = prelude.call((
        globals,
        ffi::function(lua, move |lua, (name, original): (String, Function)| {
            forward(lua, name, original, pcall.clone())
        })?,
        ffi::function(lua, |lua, _: MultiValue| {
            Err::<(), _>(raise::error(lua, READ_ONLY))
        })?,
        ffi::function(lua, |lua, _: MultiValue| {
            Err::<(), _>(raise::plain(lua, READ_ONLY))
        })?,
        ffi::function(lua, |lua, arguments: Variadic<Value>| {
            missing_global(lua, &arguments)
        })?,
        ffi::function(lua, |lua, problem: Value| opened(lua, problem))?,
        ffi::function(lua, |lua, problem: Value| {
            Err::<(), _>(rethrown(lua, problem))
        })?,
        ffi::function(lua, |lua, text: LuaString| moved(lua, &text))?,
        iteration.next_match,
        iteration.short,
        library::insert(lua)?,
        library::set_metatable(lua)?,
        ffi::function(lua, |lua, ()| Ok(hook::why_to_end(lua).is_some()))?,
    ))?;
    lua.set_named_registry_value(STORE, store)?;
    lua.set_named_registry_value(CONTENTS, contents)?;
    lua.set_named_registry_value(PROTECT, protect)?;
    lua.set_named_registry_value(PROTECT_STRICT, protect_strict)?;
    lua.set_named_registry_value(COMPILE, compile)?;
    install_handler(lua)
}

/// The handler of a script's errors: what it makes of one is a table of the error and its place.
fn install_handler(lua: &Lua) -> Result<()> {
    let handler = ffi::function(lua, |lua, problem: Value| {
        let found = lua.create_table()?;
        found.raw_set(1, opened(lua, problem)?)?;
        // Of the raising function, or of who called that, which may be the sandbox on behalf of a coroutine.
        let mut levels = [1, 2, 1 + BEHIND_TAIL_CALL].into_iter();
        if let Some(place) = levels.find_map(|level| raise::position(lua, level)) {
            found.raw_set("source", place.source)?;
            found.raw_set("short_source", place.short_source)?;
            found.raw_set("line", place.line)?;
        }
        Ok(found)
    })?;
    lua.set_named_registry_value(HANDLER, handler)
}

/// The slow twin of a function of Lua's: it calls the original and raises its errors for the place in the script.
fn forward(lua: &Lua, name: String, original: Function, pcall: Function) -> Result<Function> {
    ffi::function(lua, move |lua, arguments: MultiValue| {
        let mut call = arguments;
        call.push_front(Value::Function(original.clone()));
        let mut results: MultiValue = pcall.call(call)?;
        if results.pop_front() == Some(Value::Boolean(true)) {
            return Ok(results);
        }
        let problem = results.pop_front().unwrap_or_default();
        let Value::String(text) = &problem else {
            return Err(raise::throw(opened(lua, problem)?));
        };
        let text = text.to_string_lossy();
        Err(misuse(lua, &name, &text))
    })
}

/// An error of one of Lua's functions that Rust called, raised for the function of the sandbox in its place.
fn misuse(lua: &Lua, name: &str, text: &str) -> mlua::Error {
    if let Some((index, rest)) = text
        .strip_prefix("bad argument #")
        .and_then(|rest| rest.split_once(" to '?' ("))
        && let Ok(index) = index.parse()
    {
        let reason = rest.strip_suffix(')').unwrap_or(rest);
        return raise::argument_of(lua, 1, Some(name), index, reason.as_bytes());
    }
    match text.starts_with("wrong number") || text.starts_with("cannot change") {
        true => raise::error(lua, text),
        false => raise::plain(lua, text),
    }
}

/// What reading a global that does not exist does.
fn missing_global(lua: &Lua, arguments: &[Value]) -> Result<()> {
    let [_, name] = arguments else {
        let text = "Wrong number of arguments to luaProtectedTableError";
        return Err(raise::error(lua, text));
    };
    let Some(name) = lua.coerce_string(name.clone())? else {
        let text = "Second argument to luaProtectedTableError must be a string or number";
        return Err(raise::error(lua, text));
    };
    let name = name.as_bytes();
    let start = b"Script attempted to access nonexistent global variable '";
    let text = [start, &name[..], b"'"].concat();
    Err(raise::error_bytes(lua, &text))
}

/// An error as a script is to see it.
fn opened(lua: &Lua, problem: Value) -> Result<Value> {
    match problem {
        Value::Error(error) => raise::value_of(lua, &error),
        other => Ok(other),
    }
}

/// The error of a coroutine raised in the one that resumed it: a text gets the place in front.
fn rethrown(lua: &Lua, problem: Value) -> mlua::Error {
    match &problem {
        Value::String(text) => raise::error_at(lua, BEHIND_TAIL_CALL, &text.as_bytes()),
        _ => raise::throw(problem),
    }
}

/// An error's text with the place of a function of the sandbox's in front, as one with the place of its caller.
fn moved(lua: &Lua, text: &LuaString) -> Result<Value> {
    let text = text.as_bytes();
    let end = text.windows(2).position(|pair| pair == b": ");
    let rest = &text[end.map_or(0, |end| end + 2)..];
    raise::value_of(lua, &raise::error_at(lua, BEHIND_TAIL_CALL, rest))
}
