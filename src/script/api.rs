//! What scripts find under the names `redis` and `server`, beside the calls of commands.
//!
//! The functions are made once for an interpreter. To add one, add it to [`common`], or to [`debugging`] where only
//! EVAL's scripts have it.

use mlua::{Function, IntoLuaMulti, Lua, LuaString, MultiValue, Result, Table, Value};

use super::cache::sha1_hex;
use super::call;
use super::convert;
use super::ffi;
use super::host::Host;
use super::raise;
use super::sandbox::{self, Missing};
use crate::instance::REDIS_VERSION;
use crate::resp::{CommandQueue, Protocol};
use crate::store::effects::Readers;

/// The names of the table: the first is Redis's, the second Valkey's.
const NAMES: [&str; 2] = ["redis", "server"];
/// The bits of `redis.set_repl`.
const REPLICATION_BITS: f64 = 3.0;

/// Puts the table into an interpreter for EVAL's scripts.
///
/// # Errors
/// Out of memory.
pub fn install_for_scripts(lua: &Lua, host: &Host) -> Result<()> {
    let table = common(lua, host)?;
    debugging(lua, &table)?;
    publish(lua, table)
}

/// Puts the table into an interpreter for functions.
///
/// # Errors
/// Out of memory.
pub fn install_for_functions(lua: &Lua, host: &Host) -> Result<()> {
    let table = common(lua, host)?;
    publish(lua, table)
}

/// All that a library finds while it is loaded: the table alone, with `register` in it.
///
/// # Errors
/// Out of memory.
pub fn globals_for_loading(lua: &Lua, register: Function) -> Result<Table> {
    let table = lua.create_table()?;
    table.raw_set("register_function", register)?;
    add_log(lua, &table)?;
    add_version(&table)?;
    let table = sandbox::protect(lua, table, Missing::Error)?;
    let globals = lua.create_table()?;
    for name in NAMES {
        globals.raw_set(name, table.clone())?;
    }
    sandbox::protect(lua, globals, Missing::Error)
}

fn publish(lua: &Lua, table: Table) -> Result<()> {
    let table = sandbox::protect(lua, table, Missing::Nil)?;
    NAMES
        .into_iter()
        .try_for_each(|name| sandbox::set_global(lua, name, table.clone()))
}

fn common(lua: &Lua, host: &Host) -> Result<Table> {
    let table = lua.create_table()?;
    for (name, raises) in [("call", true), ("pcall", false)] {
        let ground = host.clone();
        let function = ffi::whole(lua, move |lua, words: MultiValue| {
            call::call(lua, &ground, &words, raises)
        })?;
        table.raw_set(name, ffi::with_short_way(lua, host, &function)?)?;
    }
    add_log(lua, &table)?;
    add_version(&table)?;
    table.raw_set("sha1hex", ffi::function(lua, sha1hex)?)?;
    table.raw_set("error_reply", ffi::function(lua, error_reply)?)?;
    table.raw_set("status_reply", ffi::function(lua, status_reply)?)?;
    add_with_host(lua, host, &table, "setresp", set_protocol)?;
    add_with_host(lua, host, &table, "set_repl", set_replication)?;
    add_with_host(lua, host, &table, "acl_check_cmd", check_command)?;
    for (name, bits) in [
        ("REPL_NONE", 0),
        ("REPL_AOF", 1),
        ("REPL_SLAVE", 2),
        ("REPL_REPLICA", 2),
        ("REPL_ALL", 3),
    ] {
        table.raw_set(name, bits)?;
    }
    Ok(table)
}

/// What is there for scripts that were written for Redis's debugger, which does nothing outside of it, and for older
/// ways of replication.
fn debugging(lua: &Lua, table: &Table) -> Result<()> {
    table.raw_set(
        "breakpoint",
        ffi::function(lua, |_, _: MultiValue| Ok(false))?,
    )?;
    table.raw_set("debug", ffi::function(lua, |_, _: MultiValue| Ok(()))?)?;
    table.raw_set(
        "replicate_commands",
        ffi::function(lua, |_, _: MultiValue| Ok(true))?,
    )
}

fn add_with_host<R: IntoLuaMulti + 'static>(
    lua: &Lua,
    host: &Host,
    table: &Table,
    name: &str,
    function: fn(&Lua, &Host, MultiValue) -> Result<R>,
) -> Result<()> {
    let host = host.clone();
    let function = ffi::function(lua, move |lua, arguments| function(lua, &host, arguments))?;
    table.raw_set(name, function)
}

fn add_version(table: &Table) -> Result<()> {
    table.raw_set("REDIS_VERSION", REDIS_VERSION)?;
    let number = REDIS_VERSION
        .split('.')
        .filter_map(|part| part.parse::<u32>().ok())
        .fold(0, |number, part| number << 8 | part);
    table.raw_set("REDIS_VERSION_NUM", number)
}

fn add_log(lua: &Lua, table: &Table) -> Result<()> {
    table.raw_set("log", ffi::function(lua, log)?)?;
    for (name, level) in [
        ("LOG_DEBUG", 0),
        ("LOG_VERBOSE", 1),
        ("LOG_NOTICE", 2),
        ("LOG_WARNING", 3),
    ] {
        table.raw_set(name, level)?;
    }
    Ok(())
}

/// The error of a function's wrong use.
fn misuse(lua: &Lua, text: &str) -> mlua::Error {
    match convert::error_table(lua, text.as_bytes()) {
        Ok(table) => raise::throw(Value::Table(table)),
        Err(error) => error,
    }
}

/// An argument as a number, where it is one or a text of one.
fn number(lua: &Lua, value: &Value) -> Result<Option<f64>> {
    lua.coerce_number(value.clone())
}

fn log(lua: &Lua, arguments: MultiValue) -> Result<()> {
    if arguments.len() < 2 {
        return Err(misuse(lua, "redis.log() requires two arguments or more."));
    }
    let Some(level) = number(lua, &arguments[0])? else {
        return Err(misuse(lua, "First argument must be a number (log level)."));
    };
    let mut texts = Vec::with_capacity(arguments.len() - 1);
    for argument in arguments.iter().skip(1) {
        if let Some(text) = lua.coerce_string(argument.clone())? {
            texts.push(text.to_string_lossy());
        }
    }
    let line = texts.join(" ");
    // No number is no level.
    match if level.is_nan() { -1 } else { level as i64 } {
        0 => tracing::trace!("{line}"),
        1 => tracing::debug!("{line}"),
        2 => tracing::info!("{line}"),
        3 => tracing::warn!("{line}"),
        _ => return Err(misuse(lua, "Invalid debug level.")),
    }
    Ok(())
}

fn sha1hex(lua: &Lua, arguments: MultiValue) -> Result<String> {
    if arguments.len() != 1 {
        return Err(misuse(lua, "wrong number of arguments"));
    }
    let text = lua.coerce_string(arguments[0].clone())?;
    Ok(text.map_or_else(|| sha1_hex(b""), |text| sha1_hex(&text.as_bytes())))
}

/// The only argument, if it is a string.
fn only_string(arguments: &MultiValue) -> Option<&LuaString> {
    match arguments.front() {
        Some(Value::String(text)) if arguments.len() == 1 => Some(text),
        _ => None,
    }
}

fn error_reply(lua: &Lua, arguments: MultiValue) -> Result<Table> {
    let Some(text) = only_string(&arguments) else {
        return convert::error_table(lua, b"wrong number or type of arguments");
    };
    let text = text.as_bytes();
    convert::coded_error(lua, text.strip_prefix(b"-").unwrap_or(&text))
}

fn status_reply(lua: &Lua, arguments: MultiValue) -> Result<Table> {
    let Some(text) = only_string(&arguments) else {
        return convert::error_table(lua, b"wrong number or type of arguments");
    };
    let table = lua.create_table_with_capacity(0, 1)?;
    table.raw_set("ok", text)?;
    Ok(table)
}

fn set_protocol(lua: &Lua, host: &Host, arguments: MultiValue) -> Result<()> {
    let mut state = host.state();
    let Some(run) = &mut state.run else {
        let text = "redis.setresp can only be called inside a script invocation";
        return Err(misuse(lua, text));
    };
    if arguments.len() != 1 {
        return Err(misuse(lua, "redis.setresp() requires one argument."));
    }
    run.session.protocol = match number(lua, &arguments[0])?.map(f64::trunc) {
        Some(2.0) => Protocol::Resp2,
        Some(3.0) => Protocol::Resp3,
        _ => return Err(misuse(lua, "RESP version must be 2 or 3.")),
    };
    Ok(())
}

/// Chooses who gets the effects of what the script does from now on.
fn set_replication(lua: &Lua, host: &Host, arguments: MultiValue) -> Result<()> {
    let mut state = host.state();
    let Some(run) = &mut state.run else {
        let text = "redis.set_repl can only be called inside a script invocation";
        return Err(misuse(lua, text));
    };
    if arguments.len() != 1 {
        return Err(misuse(lua, "redis.set_repl() requires two arguments."));
    }
    let bits = number(lua, &arguments[0])?.map_or(0.0, f64::trunc);
    if !(0.0..=REPLICATION_BITS).contains(&bits) {
        let text = "Invalid replication flags. Use REPL_AOF, REPL_REPLICA, REPL_ALL or REPL_NONE.";
        return Err(misuse(lua, text));
    }
    run.db.effects.set_readers(match bits as u8 {
        0 => Readers::NONE,
        1 => Readers::FILE,
        2 => Readers::REPLICAS,
        _ => Readers::ALL,
    });
    Ok(())
}

/// Whether the caller may run a command.
fn check_command(lua: &Lua, host: &Host, arguments: MultiValue) -> Result<bool> {
    let state = host.state();
    let Some(run) = &state.run else {
        let text = "redis.acl_check_cmd can only be called inside a script invocation";
        return Err(misuse(lua, text));
    };
    let mut queue = CommandQueue::default();
    match call::known(run, &mut queue, &arguments) {
        // Who may run a script may run every command.
        Ok(Some(_)) => Ok(true),
        Ok(None) => Err(misuse(
            lua,
            "Invalid command passed to redis.acl_check_cmd()",
        )),
        Err(text) => Err(misuse(lua, &String::from_utf8_lossy(text))),
    }
}
