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
//! * those that catch errors (`pcall`, `xpcall`, `coroutine.resume`, `coroutine.wrap`, `load`) turn the errors of Rust
//!   functions into the values that scripts expect ([`raise`]);
//! * `load` and `loadstring` take source text alone;
//! * those that match patterns do it in bounded space ([`patterns`]).
//!
//! What a script can still tell: `pairs` of a table hands out another `next` than the global; the functions above are
//! written in Lua, so that an error of theirs has no place when they are called in a `return` (a tail call leaves no
//! trace of the caller); a protected table used as the metatable of another has no effect.
//!
//! Life cycle: [`new_vm`] builds an interpreter; whoever adds a library to it puts it through [`protect`] and
//! [`set_global`]; a script is run by [`call`].

use mlua::{
    FromLuaMulti, Function, IntoLua, IntoLuaMulti, Lua, LuaOptions, LuaString, MultiValue, Result,
    StdLib, Table, Value, Variadic,
};

use super::libs;
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
const RUN: &str = "ruddle.run";

/// An interpreter with the libraries that scripts may use, all globals protected.
///
/// # Errors
/// Out of memory.
pub fn new_vm() -> Result<Lua> {
    let libraries = StdLib::TABLE | StdLib::STRING | StdLib::MATH | StdLib::OS;
    let lua = Lua::new_with(libraries, LuaOptions::new())?;
    libs::install(&lua)?;
    random::install(&lua)?;
    let next_match = patterns::install(&lua)?;
    install_prelude(&lua, next_match)?;
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
pub fn call<R: FromLuaMulti>(
    lua: &Lua,
    function: &Function,
    arguments: impl IntoLuaMulti,
) -> Result<std::result::Result<R, Failure>> {
    let run: Function = lua.named_registry_value(RUN)?;
    let mut call = MultiValue::from_vec(vec![Value::Function(function.clone())]);
    call.extend(arguments.into_lua_multi(lua)?);
    let mut results: MultiValue = match run.call(call) {
        Ok(results) => results,
        // An error on the way out of another one, as where the stack is used up.
        Err(error) => {
            let value = raise::value_of(lua, &error)?;
            return Ok(Err(Failure { value, place: None }));
        }
    };
    if results.pop_front() == Some(Value::Boolean(true)) {
        return R::from_lua_multi(results, lua).map(Ok);
    }
    let value = results.pop_front().unwrap_or_default();
    if let Value::String(text) = &value
        && text == "not enough memory"
    {
        lua.gc_collect()?;
    }
    let mut place = None;
    if let Some(Value::Table(found)) = results.pop_front() {
        place = Some(Place {
            source: found.raw_get("source")?,
            short_source: found.raw_get("short_source")?,
            line: found.raw_get("line")?,
        });
    }
    Ok(Err(Failure { value, place }))
}

/// Runs the part that is written in Lua and keeps what it returns.
fn install_prelude(lua: &Lua, next_match: Function) -> Result<()> {
    let globals = lua.globals();
    let pcall: Function = globals.raw_get("pcall")?;
    let xpcall: Function = globals.raw_get("xpcall")?;
    let kind: Function = globals.raw_get("type")?;
    let prelude = lua
        .load(PRELUDE)
        .set_name(raise::INTERNAL_SOURCE)
        .into_function()?;
    let (store, contents, protect, protect_strict): (Table, Table, Function, Function) = prelude
        .call((
            globals,
            lua.create_function(move |lua, (name, original): (String, Function)| {
                forward(lua, name, original, pcall.clone())
            })?,
            lua.create_function(|lua, _: MultiValue| Err::<(), _>(raise::error(lua, READ_ONLY)))?,
            lua.create_function(|lua, _: MultiValue| Err::<(), _>(raise::plain(lua, READ_ONLY)))?,
            lua.create_function(|lua, arguments: Variadic<Value>| missing_global(lua, &arguments))?,
            lua.create_function(|lua, problem: Value| opened(lua, problem))?,
            lua.create_function(|lua, problem: Value| Err::<(), _>(rethrown(lua, problem)))?,
            lua.create_function(|lua, text: LuaString| moved(lua, &text))?,
            next_match,
        ))?;
    lua.set_named_registry_value(STORE, store)?;
    lua.set_named_registry_value(CONTENTS, contents)?;
    lua.set_named_registry_value(PROTECT, protect)?;
    lua.set_named_registry_value(PROTECT_STRICT, protect_strict)?;
    install_run(lua, xpcall, kind)
}

/// The function behind [`call`]: an error leaves it as `false`, its value and the place.
fn install_run(lua: &Lua, xpcall: Function, kind: Function) -> Result<()> {
    let handler = lua.create_function(|lua, problem: Value| {
        let found = lua.create_table()?;
        found.raw_set(1, opened(lua, problem)?)?;
        if let Some(place) = raise::position(lua, 1).or_else(|| raise::position(lua, 2)) {
            found.raw_set("source", place.source)?;
            found.raw_set("short_source", place.short_source)?;
            found.raw_set("line", place.line)?;
        }
        Ok(found)
    })?;
    let source = "local xpcall, handler, type = ...
        local function finish(ok, ...)
          if ok then return true, ... end
          local found = ...
          if type(found) ~= 'table' then return false, found end
          return false, found[1], found.line and found
        end
        return function(body, first, second)
          return finish(xpcall(function() return body(first, second) end, handler))
        end";
    let run: Function = lua
        .load(source)
        .set_name(raise::INTERNAL_SOURCE)
        .call((xpcall, handler, kind))?;
    lua.set_named_registry_value(RUN, run)
}

/// The slow twin of a function of Lua's: it calls the original and raises its errors for the place in the script.
fn forward(lua: &Lua, name: String, original: Function, pcall: Function) -> Result<Function> {
    lua.create_function(move |lua, arguments: MultiValue| {
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
    let name = name.to_string_lossy();
    let text = format!("Script attempted to access nonexistent global variable '{name}'");
    Err(raise::error(lua, &text))
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
