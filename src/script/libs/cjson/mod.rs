//! `cjson`: Lua values as JSON and back, as Mark Pulford's library does it.
//!
//! [`Settings`] are those of one instance of the library, changed by its functions and kept from script to script, as
//! in Redis; `cjson.new` makes another instance. [`encode`] writes, [`decode`] reads. `cjson.null` is a null pointer.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use mlua::{Lua, Result, Table, Value, Variadic};

use super::arguments::{self, Arguments};
use crate::script::ffi;

mod decode;
mod encode;

/// Deeper nesting is refused whatever the settings allow: Lua's stack has 8000 slots for a function, and each level takes
/// up to two.
const MAX_DEPTH: i32 = 2000;

/// What a script can choose.
#[derive(Clone, Copy, Debug)]
struct Settings {
    /// Whether an array with too many holes becomes an object instead of an error.
    sparse_convert: bool,
    /// An array has too many holes if its largest index is more than so many times the number of elements; 0 for never.
    sparse_ratio: i32,
    /// Up to this index holes do not matter.
    sparse_safe: i32,
    encode_max_depth: i32,
    decode_max_depth: i32,
    encode_invalid: InvalidNumbers,
    /// Whether the decoder takes what `strtod` takes: hexadecimal numbers, infinities, no number.
    decode_invalid: bool,
    /// Significant digits.
    number_precision: i32,
    /// Without effect here: a buffer is made for each text.
    keep_buffer: bool,
}

impl Default for Settings {
    fn default() -> Self {
        Settings {
            sparse_convert: false,
            sparse_ratio: 2,
            sparse_safe: 10,
            encode_max_depth: 1000,
            decode_max_depth: 1000,
            encode_invalid: InvalidNumbers::Refused,
            decode_invalid: true,
            number_precision: 14,
            keep_buffer: true,
        }
    }
}

/// What the encoder does with infinities and what is no number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum InvalidNumbers {
    Refused,
    Written,
    Null,
}

/// The settings of one instance, shared by its functions.
#[derive(Clone, Default)]
struct Shared(Arc<Mutex<Settings>>);

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Settings> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Makes the library the global `cjson`.
///
/// # Errors
/// Out of memory.
pub fn install(lua: &Lua) -> Result<()> {
    lua.globals().raw_set("cjson", instance(lua)?)
}

/// A table of functions with settings of their own.
///
/// The functions hold no Lua values: an interpreter can give out only some thousand references to its values, and a
/// script may make any number of instances.
fn instance(lua: &Lua) -> Result<Table> {
    let shared = Shared::default();
    let function = |body: fn(&Arguments<'_>, &mut Settings) -> Result<Answer>| {
        let shared = shared.clone();
        ffi::function(lua, move |lua, values: Variadic<Value>| {
            body(&Arguments::new(lua, &values), &mut shared.lock())
        })
    };
    let whole = |body: fn(&Lua, &Value, &Settings) -> Result<Value>| {
        let shared = shared.clone();
        ffi::function(lua, move |lua, values: Variadic<Value>| {
            let arguments = Arguments::new(lua, &values);
            if arguments.len() != 1 {
                return Err(arguments.error(1, "expected 1 argument"));
            }
            // A copy, so that the lock is not held while a text is made.
            let settings = *shared.lock();
            body(lua, arguments.get(1), &settings)
        })
    };
    let functions = [
        ("encode", whole(encode::encode)?),
        ("decode", whole(decode::decode)?),
        ("encode_sparse_array", function(encode_sparse_array)?),
        (
            "encode_max_depth",
            function(|arguments, settings| depth(arguments, &mut settings.encode_max_depth))?,
        ),
        (
            "decode_max_depth",
            function(|arguments, settings| depth(arguments, &mut settings.decode_max_depth))?,
        ),
        (
            "encode_number_precision",
            function(encode_number_precision)?,
        ),
        (
            "encode_keep_buffer",
            function(|arguments, settings| switch(arguments, &mut settings.keep_buffer))?,
        ),
        ("encode_invalid_numbers", function(encode_invalid_numbers)?),
        (
            "decode_invalid_numbers",
            function(|arguments, settings| switch(arguments, &mut settings.decode_invalid))?,
        ),
        ("new", ffi::function(lua, |lua, ()| instance(lua))?),
    ];
    let library = arguments::table(lua, &functions)?;
    library.raw_set("null", Value::NULL)?;
    library.raw_set("_NAME", "cjson")?;
    library.raw_set("_VERSION", "2.1.0")?;
    Ok(library)
}

/// What a function answers that changes settings: their values.
type Answer = Variadic<Value>;

fn encode_sparse_array(arguments: &Arguments<'_>, settings: &mut Settings) -> Result<Answer> {
    at_most(arguments, 3)?;
    set_switch(arguments, &mut settings.sparse_convert)?;
    set_integer(arguments, 2, &mut settings.sparse_ratio, 0, i32::MAX)?;
    set_integer(arguments, 3, &mut settings.sparse_safe, 0, i32::MAX)?;
    Ok(Variadic::from_iter([
        Value::Boolean(settings.sparse_convert),
        Value::Integer(settings.sparse_ratio.into()),
        Value::Integer(settings.sparse_safe.into()),
    ]))
}

fn encode_number_precision(arguments: &Arguments<'_>, settings: &mut Settings) -> Result<Answer> {
    at_most(arguments, 1)?;
    set_integer(arguments, 1, &mut settings.number_precision, 1, 14)?;
    Ok(one(Value::Integer(settings.number_precision.into())))
}

fn encode_invalid_numbers(arguments: &Arguments<'_>, settings: &mut Settings) -> Result<Answer> {
    at_most(arguments, 1)?;
    let choice = match arguments.get(1) {
        Value::Nil => None,
        Value::Boolean(is_on) => Some(usize::from(*is_on)),
        _ => Some(arguments.option(1, &["off", "on", "null"])?),
    };
    if let Some(choice) = choice {
        settings.encode_invalid = [
            InvalidNumbers::Refused,
            InvalidNumbers::Written,
            InvalidNumbers::Null,
        ][choice];
    }
    Ok(one(match settings.encode_invalid {
        InvalidNumbers::Refused => Value::Boolean(false),
        InvalidNumbers::Written => Value::Boolean(true),
        InvalidNumbers::Null => Value::String(arguments.lua().create_string("null")?),
    }))
}

fn depth(arguments: &Arguments<'_>, setting: &mut i32) -> Result<Answer> {
    at_most(arguments, 1)?;
    set_integer(arguments, 1, setting, 1, i32::MAX)?;
    Ok(one(Value::Integer((*setting).into())))
}

fn switch(arguments: &Arguments<'_>, setting: &mut bool) -> Result<Answer> {
    at_most(arguments, 1)?;
    set_switch(arguments, setting)?;
    Ok(one(Value::Boolean(*setting)))
}

fn one(value: Value) -> Answer {
    Variadic::from_iter([value])
}

fn at_most(arguments: &Arguments<'_>, count: usize) -> Result<()> {
    match arguments.len() <= count {
        true => Ok(()),
        false => Err(arguments.error(count + 1, "found too many arguments")),
    }
}

/// Takes the first argument for a setting that is on or off; `nil` leaves it.
fn set_switch(arguments: &Arguments<'_>, setting: &mut bool) -> Result<()> {
    match arguments.get(1) {
        Value::Nil => (),
        Value::Boolean(value) => *setting = *value,
        _ => *setting = arguments.option(1, &["off", "on"])? == 1,
    }
    Ok(())
}

/// Takes argument `index` for a setting that is a number; `nil` leaves it.
fn set_integer(
    arguments: &Arguments<'_>,
    index: usize,
    setting: &mut i32,
    min: i32,
    max: i32,
) -> Result<()> {
    if let Value::Nil = arguments.get(index) {
        return Ok(());
    }
    let value = arguments.integer(index)? as i32;
    if !(min..=max).contains(&value) {
        // The library names the first argument whichever it is.
        return Err(arguments.error(1, &format!("expected integer between {min} and {max}")));
    }
    *setting = value;
    Ok(())
}

#[cfg(test)]
mod tests;
