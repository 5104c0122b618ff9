//! Loading a library: what its code registers with `redis.register_function`.

use std::time::Instant;

use mlua::{Function, Lua, MultiValue, RegistryKey, Result, Table, Value};

use super::convert;
use super::ffi;
use super::flags::ScriptFlags;
use super::host::Host;
use super::raise;

/// Functions that a library may register.
const MAX_FUNCTIONS: usize = 10_000;
/// Flags that a function may declare; there are fewer.
const MAX_FLAGS: usize = 64;
/// What names of libraries and functions are made of.
pub const BAD_NAME: &str = "Library names can only contain letters, numbers, or underscores(_) and must be at least \
                            one character long";

/// A function as its library has registered it.
#[derive(Debug)]
pub struct Registered {
    /// Its name.
    pub name: Vec<u8>,
    /// What it is for.
    pub description: Option<Vec<u8>>,
    /// What it declares.
    pub flags: ScriptFlags,
    /// Its code.
    pub function: RegistryKey,
}

/// A library that is being loaded.
#[derive(Debug)]
pub struct Load {
    /// When that began.
    pub started: Instant,
    /// What it has registered.
    pub functions: Vec<Registered>,
}

impl Load {
    /// A library of which nothing is registered yet.
    pub fn begin() -> Self {
        Load {
            started: Instant::now(),
            functions: Vec::new(),
        }
    }
}

/// Whether a library or a function may have that name.
pub fn is_name(name: &[u8]) -> bool {
    !name.is_empty()
        && name
            .iter()
            .all(|byte| byte.is_ascii_alphanumeric() || *byte == b'_')
}

/// The function `redis.register_function`.
///
/// # Errors
/// Out of memory.
pub fn register_function(lua: &Lua, host: &Host) -> Result<Function> {
    let host = host.clone();
    ffi::function(lua, move |lua, arguments: MultiValue| {
        register(lua, &host, &arguments)?.map_err(|text| {
            match convert::error_table(lua, text.as_bytes()) {
                Ok(table) => raise::throw(Value::Table(table)),
                Err(error) => error,
            }
        })
    })
}

/// A text for the script's author, where he has made a mistake.
type Checked<T> = std::result::Result<T, &'static str>;

fn register(lua: &Lua, host: &Host, arguments: &MultiValue) -> Result<Checked<()>> {
    if host.state().load.is_none() {
        return Ok(Err(
            "redis.register_function can only be called on FUNCTION LOAD command",
        ));
    }
    let declared = match (arguments.len(), arguments.front()) {
        (1, Some(Value::Table(named))) => named_arguments(lua, named)?,
        (1, _) => Err(
            "calling redis.register_function with a single argument is only applicable to Lua table \
                       (representing named arguments).",
        ),
        (2, _) => positional_arguments(lua, arguments)?,
        _ => Err("wrong number of arguments to redis.register_function"),
    };
    let declared = match declared {
        Ok(declared) => declared,
        Err(text) => return Ok(Err(text)),
    };
    let mut state = host.state();
    let Some(load) = &mut state.load else {
        return Ok(Ok(()));
    };
    if !is_name(&declared.name) {
        return Ok(Err(BAD_NAME));
    }
    if load
        .functions
        .iter()
        .any(|known| known.name == declared.name)
    {
        return Ok(Err("Function already exists in the library"));
    }
    if load.functions.len() >= MAX_FUNCTIONS {
        return Ok(Err("Too many functions in the library"));
    }
    load.functions.push(declared);
    Ok(Ok(()))
}

fn positional_arguments(lua: &Lua, arguments: &MultiValue) -> Result<Checked<Registered>> {
    let Some(name) = text(lua, &arguments[0])? else {
        return Ok(Err(
            "first argument to redis.register_function must be a string",
        ));
    };
    let Value::Function(function) = &arguments[1] else {
        return Ok(Err(
            "second argument to redis.register_function must be a function",
        ));
    };
    Ok(Ok(Registered {
        name,
        description: None,
        flags: ScriptFlags::default(),
        function: lua.create_registry_value(function)?,
    }))
}

fn named_arguments(lua: &Lua, named: &Table) -> Result<Checked<Registered>> {
    let (mut name, mut description, mut function) = (None, None, None);
    let mut flags = ScriptFlags::default();
    for pair in named.pairs::<Value, Value>() {
        let (key, value) = pair?;
        let Some(key) = text(lua, &key)? else {
            return Ok(Err(
                "named argument key given to redis.register_function is not a string",
            ));
        };
        match key.to_ascii_lowercase().as_slice() {
            b"function_name" => match text(lua, &value)? {
                Some(text) => name = Some(text),
                None => {
                    return Ok(Err(
                        "function_name argument given to redis.register_function must be a string",
                    ));
                }
            },
            b"description" => match text(lua, &value)? {
                Some(text) => description = Some(text),
                None => {
                    return Ok(Err(
                        "description argument given to redis.register_function must be a string",
                    ));
                }
            },
            b"callback" => match value {
                Value::Function(callback) => function = Some(callback),
                _ => {
                    return Ok(Err(
                        "callback argument given to redis.register_function must be a function",
                    ));
                }
            },
            b"flags" => match flags_of(lua, &value)? {
                Ok(declared) => flags = declared,
                Err(text) => return Ok(Err(text)),
            },
            _ => return Ok(Err("unknown argument given to redis.register_function")),
        }
    }
    let Some(name) = name else {
        return Ok(Err(
            "redis.register_function must get a function name argument",
        ));
    };
    let Some(function) = function else {
        return Ok(Err("redis.register_function must get a callback argument"));
    };
    Ok(Ok(Registered {
        name,
        description,
        flags,
        function: lua.create_registry_value(function)?,
    }))
}

fn flags_of(lua: &Lua, value: &Value) -> Result<Checked<ScriptFlags>> {
    let Value::Table(names) = value else {
        return Ok(Err(
            "flags argument to redis.register_function must be a table representing function flags",
        ));
    };
    let mut flags = ScriptFlags::default();
    for index in 1..=MAX_FLAGS {
        let name: Value = names.get(index)?;
        if name.is_nil() {
            break;
        }
        let known =
            text(lua, &name)?.and_then(|name| ScriptFlags::by_name(&name.to_ascii_lowercase()));
        let Some(flag) = known else {
            return Ok(Err("unknown flag given"));
        };
        flags.add(flag);
    }
    Ok(Ok(flags))
}

/// A string, or a number as one.
fn text(lua: &Lua, value: &Value) -> Result<Option<Vec<u8>>> {
    let is_text = matches!(
        value,
        Value::String(_) | Value::Integer(_) | Value::Number(_)
    );
    if !is_text {
        return Ok(None);
    }
    let text = lua.coerce_string(value.clone())?;
    Ok(text.map(|text| text.as_bytes().to_vec()))
}
