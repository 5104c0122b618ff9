//! The arguments of a library's function, read as C libraries of Lua read theirs: numbers and texts stand for each
//! other, and what does not fit is an error that names the argument and the function.

use mlua::{Error, Lua, LuaString, Result, Table, Value};

use crate::script::raise;

/// The arguments of one call; they are counted from 1.
pub(in crate::script) struct Arguments<'a> {
    lua: &'a Lua,
    values: &'a [Value],
}

impl<'a> Arguments<'a> {
    pub(in crate::script) fn new(lua: &'a Lua, values: &'a [Value]) -> Self {
        Arguments { lua, values }
    }

    pub(in crate::script) fn lua(&self) -> &'a Lua {
        self.lua
    }

    pub(in crate::script) fn len(&self) -> usize {
        self.values.len()
    }

    /// The value, `nil` where there is none.
    pub(in crate::script) fn get(&self, index: usize) -> &'a Value {
        self.values.get(index - 1).unwrap_or(&Value::Nil)
    }

    /// An error of argument `index`.
    pub(in crate::script) fn error(&self, index: usize, text: &str) -> Error {
        raise::argument(self.lua, index, text)
    }

    /// The error of an argument that is not what it ought to be.
    pub(in crate::script) fn mismatch(&self, index: usize, expected: &str) -> Error {
        let found = match self.values.get(index - 1) {
            Some(value) => type_name(value),
            None => "no value",
        };
        self.error(index, &format!("{expected} expected, got {found}"))
    }

    pub(in crate::script) fn string(&self, index: usize) -> Result<LuaString> {
        match self.get(index) {
            Value::String(text) => Ok(text.clone()),
            number @ (Value::Integer(_) | Value::Number(_)) => self
                .lua
                .coerce_string(number.clone())?
                .ok_or_else(|| self.mismatch(index, "string")),
            _ => Err(self.mismatch(index, "string")),
        }
    }

    /// The number, if it is one or a text that spells one.
    pub(in crate::script) fn try_number(&self, index: usize) -> Option<f64> {
        match self.get(index) {
            Value::Integer(value) => Some(*value as f64),
            Value::Number(value) => Some(*value),
            text @ Value::String(_) => self.lua.coerce_number(text.clone()).ok().flatten(),
            _ => None,
        }
    }

    pub(in crate::script) fn number(&self, index: usize) -> Result<f64> {
        self.try_number(index)
            .ok_or_else(|| self.mismatch(index, "number"))
    }

    pub(in crate::script) fn integer(&self, index: usize) -> Result<i64> {
        self.number(index).map(to_integer)
    }

    /// The integer, or `default` for `nil` and no value.
    pub(in crate::script) fn optional_integer(&self, index: usize, default: i64) -> Result<i64> {
        match self.get(index) {
            Value::Nil => Ok(default),
            _ => self.integer(index),
        }
    }

    /// The place of argument `index` among `options`.
    pub(in crate::script) fn option(&self, index: usize, options: &[&str]) -> Result<usize> {
        let text = self.string(index)?;
        options
            .iter()
            .position(|option| text == *option)
            .ok_or_else(|| {
                self.error(
                    index,
                    &format!("invalid option '{}'", text.to_string_lossy()),
                )
            })
    }
}

/// The type as scripts know it.
pub(in crate::script) fn type_name(value: &Value) -> &'static str {
    match value {
        Value::Nil => "nil",
        Value::Boolean(_) => "boolean",
        Value::LightUserData(_) => "userdata",
        Value::Integer(_) | Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Table(_) => "table",
        Value::Function(_) => "function",
        Value::Thread(_) => "thread",
        _ => "userdata",
    }
}

/// A number as C's cast makes an integer of it on x86: what does not fit is the smallest one.
pub(in crate::script) fn to_integer(value: f64) -> i64 {
    const LIMIT: f64 = 9_223_372_036_854_775_808.0;
    match (-LIMIT..LIMIT).contains(&value) {
        true => value as i64,
        false => i64::MIN,
    }
}

/// Makes a table of functions, to be a library.
pub(super) fn table(lua: &Lua, functions: &[(&str, mlua::Function)]) -> Result<Table> {
    let table = lua.create_table_with_capacity(0, functions.len())?;
    for (name, function) in functions {
        table.raw_set(*name, function)?;
    }
    Ok(table)
}
