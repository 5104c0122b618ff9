//! `cmsgpack`: Lua values as MessagePack, byte for byte as Salvatore Sanfilippo's library makes them.
//!
//! [`pack`] writes the smallest form that keeps a value, [`unpack`] reads what that form and its older readers know.
//! Strings are "raw", there is no binary type and no extension. Format: the MessagePack specification.

use mlua::{Lua, LuaString, MultiValue, Result, Value, Variadic};

use super::arguments::{self, Arguments};
use crate::script::{ffi, raise};

mod pack;
mod unpack;

/// The most values that can be packed at once.
const MAX_VALUES: usize = 4000;

/// Makes the library the global `cmsgpack`.
///
/// # Errors
/// Out of memory.
pub fn install(lua: &Lua) -> Result<()> {
    let functions = [
        (
            "pack",
            ffi::function(lua, |lua, values: Variadic<Value>| {
                pack_all(&Arguments::new(lua, &values))
            })?,
        ),
        (
            "unpack",
            ffi::function(lua, |lua, values: Variadic<Value>| {
                unpack_some(&Arguments::new(lua, &values), 0, 0)
            })?,
        ),
        (
            "unpack_one",
            ffi::function(lua, |lua, values: Variadic<Value>| {
                let arguments = Arguments::new(lua, &values);
                unpack_some(&arguments, 1, arguments.optional_integer(2, 0)?)
            })?,
        ),
        (
            "unpack_limit",
            ffi::function(lua, |lua, values: Variadic<Value>| {
                let arguments = Arguments::new(lua, &values);
                let limit = arguments.integer(2)?;
                unpack_some(&arguments, limit, arguments.optional_integer(3, 0)?)
            })?,
        ),
    ];
    let library = arguments::table(lua, &functions)?;
    library.raw_set("_NAME", "cmsgpack")?;
    library.raw_set("_VERSION", "lua-cmsgpack 0.4.0")?;
    library.raw_set("_COPYRIGHT", "Copyright (C) 2012, Salvatore Sanfilippo")?;
    library.raw_set("_DESCRIPTION", "MessagePack C implementation for Lua")?;
    lua.globals().raw_set("cmsgpack", library)
}

/// The arguments one behind the other.
fn pack_all(arguments: &Arguments<'_>) -> Result<LuaString> {
    if arguments.len() == 0 {
        return Err(arguments.error(0, "MessagePack pack needs input."));
    }
    if arguments.len() > MAX_VALUES {
        return Err(arguments.error(0, "Too many arguments for MessagePack pack."));
    }
    let lua = arguments.lua();
    let mut packed = Vec::new();
    for index in 1..=arguments.len() {
        pack::append(lua, &mut packed, arguments.get(index))?;
    }
    lua.create_string(packed)
}

/// At most `limit` values from the byte at `offset` on, behind the offset of what follows them: -1 at the end. All
/// values alone if both are 0.
fn unpack_some(arguments: &Arguments<'_>, limit: i64, offset: i64) -> Result<MultiValue> {
    let lua = arguments.lua();
    let text = arguments.string(1)?;
    let text = text.as_bytes();
    let length = text.len();
    if offset < 0 || limit < 0 {
        let text = format!(
            "Invalid request to unpack with offset of {} and limit of {}.",
            offset as i32, length as i32
        );
        return Err(raise::error(lua, &text));
    }
    if offset > length as i64 {
        let text = format!(
            "Start offset {} greater than input length {length}.",
            offset as i32
        );
        return Err(raise::error(lua, &text));
    }
    let is_all = limit == 0 && offset == 0;
    let limit = if is_all { i64::from(i32::MAX) } else { limit };
    let (mut values, next) = unpack::values(lua, &text, offset as usize, limit)?;
    if !is_all {
        let next = if next == length { -1 } else { next as i64 };
        values.push_front(Value::Integer(next));
    }
    Ok(values)
}

#[cfg(test)]
mod tests;
