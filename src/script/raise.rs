//! Errors that Rust raises in Lua, as scripts see those of a C function.
//!
//! mlua gives a script the error of a Rust function as userdata, where C functions raise strings or tables. So an error
//! to be raised is a [`Thrown`] that carries the value, which [`ffi::function`] raises in its place. What else mlua raises
//! (want of memory, the end of a script by its hook), [`super::sandbox`] makes a value with [`value_of`] wherever Lua catches
//! an error: `pcall`, `xpcall`, coroutines, `load`, and the call of the script itself.
//!
//! A text begins with the place from which the function was called (`user_script:1: `), and an argument's error names
//! the function as the script does. What Lua's `luaL_error` and `luaL_argerror` find on the stack is found here
//! through [`Lua::inspect_stack`].

use std::fmt;

use mlua::{Error, Lua, Result, Value};

use super::ffi;

/// The source of the functions that the sandbox defines in Lua; they pass for C functions.
pub(super) const INTERNAL_SOURCE: &str = "=[C]";

/// A Lua value on its way through Rust as an error.
#[derive(Debug)]
pub struct Thrown(Value);

impl fmt::Display for Thrown {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Value::String(text) => write!(out, "{}", text.display()),
            other => write!(out, "error object is a {}", other.type_name()),
        }
    }
}

impl std::error::Error for Thrown {}

/// The error that raises `value` in Lua.
pub fn throw(value: Value) -> Error {
    Error::external(Thrown(value))
}

/// The error that raises `text` as it is.
pub fn plain(lua: &Lua, text: impl AsRef<[u8]>) -> Error {
    if ffi::room_for_finalizers(lua).is_err() {
        return Error::RuntimeError(String::from_utf8_lossy(text.as_ref()).into_owned());
    }
    match lua.create_string(text) {
        Ok(text) => throw(Value::String(text)),
        Err(error) => error,
    }
}

/// The error that raises `text` behind the place from which the running function was called.
pub fn error(lua: &Lua, text: &str) -> Error {
    error_bytes(lua, text.as_bytes())
}

/// As [`error`], for a text in any encoding.
pub fn error_bytes(lua: &Lua, text: &[u8]) -> Error {
    error_at(lua, 1, text)
}

/// As [`error_bytes`], with the place where the function at `level` stands.
pub(super) fn error_at(lua: &Lua, level: usize, text: &[u8]) -> Error {
    let mut full = place(lua, level).into_bytes();
    full.extend_from_slice(text);
    plain(lua, full)
}

/// The error of the running function's argument `index`, counted from 1.
pub fn argument(lua: &Lua, index: usize, text: &str) -> Error {
    argument_bytes(lua, index, text.as_bytes())
}

/// As [`argument`], for a text in any encoding.
pub fn argument_bytes(lua: &Lua, index: usize, text: &[u8]) -> Error {
    argument_of(lua, 0, None, index, text)
}

/// The error of an argument of the function at `level`, whose own name serves where its last call has left no trace.
pub(super) fn argument_of(
    lua: &Lua,
    level: usize,
    own_name: Option<&str>,
    index: usize,
    text: &[u8],
) -> Error {
    let names = lua.inspect_stack(level, |frame| {
        let names = frame.names();
        (
            names.name.map(String::from),
            names.name_what == Some("method"),
        )
    });
    let (name, is_method) = names.unwrap_or_default();
    let is_tail_call = || {
        lua.inspect_stack(level + 1, |frame| frame.source().what == "tail")
            .unwrap_or_default()
    };
    let own_name = own_name.filter(|_| name.is_none() && is_tail_call());
    let name = name.as_deref().or(own_name).unwrap_or("?");
    let subject = match (is_method, index) {
        (true, 1) => format!("calling '{name}' on bad self ("),
        (true, _) => format!("bad argument #{} to '{name}' (", index.saturating_sub(1)),
        (false, _) => format!("bad argument #{index} to '{name}' ("),
    };
    error_bytes(lua, &[subject.as_bytes(), text, b")"].concat())
}

/// The value that an error carries.
pub(super) fn thrown(error: &Error) -> Option<Value> {
    let thrown: Option<&Thrown> = error.downcast_ref();
    thrown.map(|Thrown(value)| value.clone())
}

/// The value that an error is to a script.
///
/// # Errors
/// Out of memory.
pub fn value_of(lua: &Lua, error: &Error) -> Result<Value> {
    if let Some(value) = thrown(error) {
        return Ok(value);
    }
    let text = match innermost(error) {
        // Behind an error of Lua's own mlua puts all calls that led there.
        Error::RuntimeError(text) | Error::MemoryError(text) => {
            let end = text.find("\nstack traceback:");
            text[..end.unwrap_or(text.len())].to_owned()
        }
        Error::SyntaxError { message, .. } => message.clone(),
        other => other.to_string(),
    };
    Ok(Value::String(lua.create_string(text)?))
}

/// The place in a script where a function was called.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// The chunk's name with its mark: `@user_script`.
    pub source: String,
    /// Its name as errors show it: `user_script`.
    pub short_source: String,
    /// The line, from 1.
    pub line: usize,
}

/// Where the function at `level` stands; 0 is the function that runs now. Nothing for one that is not Lua's.
///
/// Functions of the sandbox that are written in Lua are not counted.
pub fn position(lua: &Lua, mut level: usize) -> Option<Place> {
    loop {
        let frame = lua.inspect_stack(level, |frame| {
            let source = frame.source();
            let is_lua = matches!(source.what, "Lua" | "main");
            (
                is_lua && source.source.as_deref() == Some(INTERNAL_SOURCE),
                is_lua.then(|| Place {
                    source: source.source.unwrap_or_default().into_owned(),
                    short_source: source.short_src.unwrap_or_default().into_owned(),
                    line: frame.current_line().unwrap_or(0),
                }),
            )
        })?;
        match frame {
            (true, _) => level += 1,
            (false, place) => return place.filter(|place| place.line > 0),
        }
    }
}

/// How a text begins that is raised for the function at `level`.
fn place(lua: &Lua, level: usize) -> String {
    position(lua, level)
        .map(|place| format!("{}:{}: ", place.short_source, place.line))
        .unwrap_or_default()
}

fn innermost(error: &Error) -> &Error {
    match error {
        Error::CallbackError { cause, .. }
        | Error::BadArgument { cause, .. }
        | Error::WithContext { cause, .. } => innermost(cause),
        other => other,
    }
}
