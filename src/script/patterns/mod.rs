//! `string.find`, `match`, `gmatch` and `gsub`: Lua's own functions, with a matcher that no pattern can make overflow
//! the stack (Lua's ends the process at a pattern of some hundred kilobytes, as `("a?"):rep(400000)`), and that looks
//! whether the script is to end, however long a match takes. What cannot take long, by its [`cost`], is left to Lua's own.
//!
//! [`matcher`] matches; here the functions read their arguments and give out captures. `gmatch` keeps its place in Lua
//! (`sandbox.lua`), for a function of Rust that held the text would keep one of the few references to Lua's values.

use memchr::memmem;
use mlua::{Function, Lua, LuaString, MultiValue, Result, Table, Value, Variadic};

use self::matcher::{Capture, Fault, Matcher};
use super::ffi::{self, library};
use super::libs::arguments::{Arguments, type_name};
use super::libs::{MAX_TEXT_BYTES, out_of_memory};
use super::{hook, raise};

pub(super) mod cost;
mod matcher;

/// The name in the registry of Lua's own `pcall`.
const PCALL: &str = "ruddle.pcall";
/// The name in the registry of a function that indexes a table.
const INDEX: &str = "ruddle.index";

/// What `gmatch` is made of.
pub(super) struct Iteration {
    /// `gmatch` itself where that is sure to be done soon; nothing comes of it else.
    pub(super) short: Function,
    /// Takes a text, a pattern and an offset, and gives the next offset and the captures.
    pub(super) next_match: Function,
}

/// Puts the functions into the table `string`, but `gmatch`, which is completed by the sandbox with what this returns.
pub(super) fn install(lua: &Lua) -> Result<Iteration> {
    let globals = lua.globals();
    lua.set_named_registry_value(PCALL, globals.raw_get::<Function>("pcall")?)?;
    let index: Function = lua
        .load("local t, k = ... return t[k]")
        .set_name(raise::INTERNAL_SOURCE)
        .into_function()?;
    lua.set_named_registry_value(INDEX, index)?;
    let string: Table = globals.raw_get("string")?;
    let places = ffi::whole(lua, |lua, values: Variadic<Value>| {
        find(&Arguments::new(lua, &values), true)
    })?;
    let first = ffi::whole(lua, |lua, values: Variadic<Value>| {
        find(&Arguments::new(lua, &values), false)
    })?;
    let gsub = ffi::whole(lua, |lua, values: Variadic<Value>| {
        gsub(&Arguments::new(lua, &values))
    })?;
    let own = |name: &str| string.raw_get::<Function>(name);
    string.raw_set("find", library::search(lua, &own("find")?, &places)?)?;
    string.raw_set("match", library::search(lua, &own("match")?, &first)?)?;
    string.raw_set("gsub", library::substitute(lua, &own("gsub")?, &gsub)?)?;
    let next = ffi::function(
        lua,
        |lua, (text, pattern, at): (LuaString, LuaString, usize)| {
            next_match(lua, &text.as_bytes(), &pattern.as_bytes(), at)
        },
    )?;
    Ok(Iteration {
        short: library::iterate(lua, &own("gmatch")?)?,
        next_match: next,
    })
}

/// `string.find`, or `string.match`, which gives no places.
fn find(arguments: &Arguments<'_>, with_places: bool) -> Result<MultiValue> {
    let lua = arguments.lua();
    let text = arguments.string(1)?;
    let text = text.as_bytes();
    let pattern = arguments.string(2)?;
    let pattern = pattern.as_bytes();
    let start = start(arguments.optional_integer(3, 1)?, text.len());
    let is_plain = with_places && (is_true(arguments.get(4)) || !has_specials(&pattern));
    if is_plain {
        let found = memmem::find(&text[start..], &pattern);
        return Ok(match found {
            Some(offset) => places(start + offset, start + offset + pattern.len()),
            None => MultiValue::from_iter([Value::Nil]),
        });
    }
    let why_to_end = || hook::why_to_end(lua);
    let mut matcher = Matcher::new(&text, &pattern, &why_to_end);
    let is_anchored = matcher.take_anchor();
    let last = if is_anchored { start } else { text.len() };
    for at in start..=last {
        let Some(end) = matcher.find(at).map_err(|fault| raised(lua, fault))? else {
            continue;
        };
        if !with_places {
            return captures(lua, &matcher, matcher.count(), at, end);
        }
        let mut results = places(at, end);
        results.extend(captures(lua, &matcher, matcher.captured(), at, end)?);
        return Ok(results);
    }
    Ok(MultiValue::from_iter([Value::Nil]))
}

/// The first match from `at` on: where to go on, and its captures. Nothing if there is none.
fn next_match(lua: &Lua, text: &[u8], pattern: &[u8], at: usize) -> Result<MultiValue> {
    let why_to_end = || hook::why_to_end(lua);
    let mut matcher = Matcher::new(text, pattern, &why_to_end);
    for start in at..=text.len() {
        if let Some(end) = matcher.find(start).map_err(|fault| raised(lua, fault))? {
            let next = if end == start { end + 1 } else { end };
            let mut results = captures(lua, &matcher, matcher.count(), start, end)?;
            results.push_front(Value::Integer(next as i64));
            return Ok(results);
        }
    }
    Ok(MultiValue::from_iter([Value::Integer(
        text.len() as i64 + 1,
    )]))
}

fn gsub(arguments: &Arguments<'_>) -> Result<(LuaString, i64)> {
    let lua = arguments.lua();
    let text = arguments.string(1)?;
    let text = text.as_bytes();
    let pattern = arguments.string(2)?;
    let pattern = pattern.as_bytes();
    let limit = arguments.optional_integer(4, text.len() as i64 + 1)? as i32;
    let replacement = Replacement::of(arguments)?;
    let why_to_end = || hook::why_to_end(lua);
    let mut matcher = Matcher::new(&text, &pattern, &why_to_end);
    let is_anchored = matcher.take_anchor();
    let mut result = Vec::with_capacity(text.len());
    let (mut at, mut count) = (0, 0);
    while count < limit {
        let found = matcher.find(at).map_err(|fault| raised(lua, fault))?;
        if let Some(end) = found {
            count += 1;
            replacement.append(lua, &mut result, &matcher, &text, at, end)?;
        }
        match found {
            Some(end) if end > at => at = end,
            _ if at < text.len() => {
                result.push(text[at]);
                at += 1;
            }
            _ => break,
        }
        if is_anchored {
            break;
        }
        if result.len() > MAX_TEXT_BYTES {
            return Err(out_of_memory(lua));
        }
    }
    result.extend_from_slice(&text[at..]);
    Ok((lua.create_string(result)?, i64::from(count)))
}

/// What comes in place of a match.
enum Replacement {
    /// A text with `%` and digits for captures.
    Template(LuaString),
    /// What a function gives for the captures.
    Function(Function, Function),
    /// What a table has for the first capture.
    Table(Table),
}

impl Replacement {
    fn of(arguments: &Arguments<'_>) -> Result<Self> {
        match arguments.get(3) {
            Value::String(_) | Value::Integer(_) | Value::Number(_) => {
                arguments.string(3).map(Replacement::Template)
            }
            Value::Function(function) => {
                let pcall = arguments.lua().named_registry_value(PCALL)?;
                Ok(Replacement::Function(function.clone(), pcall))
            }
            Value::Table(table) => Ok(Replacement::Table(table.clone())),
            _ => Err(arguments.error(3, "string/function/table expected")),
        }
    }

    /// Appends what replaces the match from `start` to `end`.
    fn append(
        &self,
        lua: &Lua,
        result: &mut Vec<u8>,
        matcher: &Matcher<'_>,
        text: &[u8],
        start: usize,
        end: usize,
    ) -> Result<()> {
        let value = match self {
            Replacement::Template(template) => {
                return fill(lua, result, &template.as_bytes(), matcher, start, end);
            }
            Replacement::Function(function, pcall) => {
                let mut call = captures(lua, matcher, matcher.count(), start, end)?;
                call.push_front(Value::Function(function.clone()));
                protected(pcall, call)?
            }
            Replacement::Table(table) => {
                let key = captures(lua, matcher, 1, start, end)?
                    .pop_front()
                    .unwrap_or_default();
                match table.has_metatable() {
                    false => table.raw_get(key)?,
                    true => {
                        let index: Function = lua.named_registry_value(INDEX)?;
                        let pcall: Function = lua.named_registry_value(PCALL)?;
                        let call = [Value::Function(index), Value::Table(table.clone()), key];
                        protected(&pcall, MultiValue::from_iter(call))?
                    }
                }
            }
        };
        match value {
            Value::Nil | Value::Boolean(false) => result.extend_from_slice(&text[start..end]),
            Value::String(text) => result.extend_from_slice(&text.as_bytes()),
            number @ (Value::Integer(_) | Value::Number(_)) => append_number(lua, result, number)?,
            other => {
                let text = format!("invalid replacement value (a {})", type_name(&other));
                return Err(raise::error(lua, &text));
            }
        }
        Ok(())
    }
}

/// Appends a template with its captures.
fn fill(
    lua: &Lua,
    result: &mut Vec<u8>,
    template: &[u8],
    matcher: &Matcher<'_>,
    start: usize,
    end: usize,
) -> Result<()> {
    let mut rest = template;
    while let Some(mark) = rest.iter().position(|&byte| byte == b'%') {
        result.extend_from_slice(&rest[..mark]);
        // At the end of the template stands the zero byte that ends C's strings.
        let letter = rest.get(mark + 1).copied().unwrap_or(0);
        rest = rest.get(mark + 2..).unwrap_or_default();
        let capture = match letter {
            b'0' => {
                result.extend_from_slice(matcher.whole(start, end));
                continue;
            }
            b'1'..=b'9' => matcher.capture(usize::from(letter - b'1'), start, end),
            other => {
                result.push(other);
                continue;
            }
        };
        match capture.map_err(|fault| raised(lua, fault))? {
            Capture::Text(text) => result.extend_from_slice(text),
            Capture::Position(at) => append_number(lua, result, Value::Integer(at as i64))?,
        }
    }
    result.extend_from_slice(rest);
    Ok(())
}

fn append_number(lua: &Lua, result: &mut Vec<u8>, number: Value) -> Result<()> {
    if let Some(text) = lua.coerce_string(number)? {
        result.extend_from_slice(&text.as_bytes());
    }
    Ok(())
}

/// The first result of a call through Lua's `pcall`, so that an error keeps its value.
fn protected(pcall: &Function, call: MultiValue) -> Result<Value> {
    match pcall.call::<(Value, Value)>(call)? {
        (Value::Boolean(true), value) => Ok(value),
        (_, Value::Error(error)) => Err(*error),
        (_, problem) => Err(raise::throw(problem)),
    }
}

/// The first `count` captures as values.
fn captures(
    lua: &Lua,
    matcher: &Matcher<'_>,
    count: usize,
    start: usize,
    end: usize,
) -> Result<MultiValue> {
    (0..count)
        .map(|index| {
            match matcher
                .capture(index, start, end)
                .map_err(|fault| raised(lua, fault))?
            {
                Capture::Text(text) => Ok(Value::String(lua.create_string(text)?)),
                Capture::Position(at) => Ok(Value::Integer(at as i64)),
            }
        })
        .collect()
}

fn raised(lua: &Lua, fault: Fault) -> mlua::Error {
    match hook::why_to_end(lua) {
        Some(why) if why == fault => hook::end_of(lua, why).unwrap_or_else(|error| error),
        _ => raise::error(lua, fault),
    }
}

/// A place as scripts count it: from 1, and with the last byte instead of the end.
fn places(start: usize, end: usize) -> MultiValue {
    MultiValue::from_iter([Value::Integer(start as i64 + 1), Value::Integer(end as i64)])
}

/// The offset that a script's index means, a negative one from the end.
fn start(index: i64, length: usize) -> usize {
    let length = length as i64;
    let from_one = if index < 0 {
        index.saturating_add(length + 1)
    } else {
        index
    };
    (from_one - 1).clamp(0, length) as usize
}

fn is_true(value: &Value) -> bool {
    !matches!(value, Value::Nil | Value::Boolean(false))
}

/// Whether a pattern, up to its first zero byte, is more than a text to look for.
fn has_specials(pattern: &[u8]) -> bool {
    pattern
        .iter()
        .take_while(|&&byte| byte != 0)
        .any(|byte| b"^$*+?.([%-".contains(byte))
}

/// Where `wanted` is in a text.
#[cfg(test)]
mod tests;
