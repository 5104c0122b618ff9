//! Values on their way between commands and scripts: a command's reply as a Lua value, and a script's result as a reply.
//!
//! | reply | Lua |
//! |---|---|
//! | integer | number |
//! | bulk string | string |
//! | array | table |
//! | simple string, error | `{ok=...}`, `{err=...}` |
//! | null of RESP2, null of RESP3 | `false`, `nil` |
//! | map, set | `{map={key=value}}`, `{set={member=true}}` |
//! | double, big number | `{double=number}`, `{big_number=text}` |
//! | verbatim string | `{verbatim_string={string=..., format=...}}` |
//! | boolean | boolean |
//!
//! The other way the same holds, and a number loses its fraction, an array ends at its first `nil`, and what has no
//! reply of its own (a function) is null.

use bytes::BytesMut;
use mlua::{Lua, Result, Table, Value};

use crate::resp::{Blob, Protocol, Reply};
use crate::text::double;
use crate::text::number::parse_i64;

/// Nesting that a result may have; a script's tables can contain themselves.
const MAX_DEPTH: usize = 200;
/// A result of more bytes ends with an error in the place of the rest.
const MAX_REPLY_BYTES: usize = 512 << 20;
const LIMIT: &[u8] = b"ERR reached lua stack limit";

/// Reads one reply that is in `out`, its large values in `blobs`.
///
/// # Errors
/// Out of memory.
pub fn to_lua(lua: &Lua, out: &BytesMut, blobs: &[Blob]) -> Result<Value> {
    let mut reader = Reader {
        lua,
        out,
        blobs,
        at: 0,
    };
    reader.value()
}

/// The table that an error is to a script, of a text without code: it gets ERR.
///
/// # Errors
/// Out of memory.
pub fn error_table(lua: &Lua, text: &[u8]) -> Result<Table> {
    let table = lua.create_table_with_capacity(0, 2)?;
    table.raw_set("err", lua.create_string([b"ERR ", text].concat())?)?;
    Ok(table)
}

/// The table that an error is to a script, of a text that begins with its code; a single word is none.
///
/// # Errors
/// Out of memory.
pub fn coded_error(lua: &Lua, text: &[u8]) -> Result<Table> {
    let text = trim(text);
    if !text.contains(&b' ') {
        return error_table(lua, text);
    }
    let table = lua.create_table_with_capacity(0, 2)?;
    table.raw_set("err", lua.create_string(text)?)?;
    Ok(table)
}

fn trim(text: &[u8]) -> &[u8] {
    let is_end = |byte: &u8| matches!(byte, b'\r' | b'\n');
    let start = text.iter().take_while(|byte| is_end(byte)).count();
    let text = &text[start..];
    let end = text.iter().rev().take_while(|byte| is_end(byte)).count();
    &text[..text.len() - end]
}

/// Reads replies that this server has written itself, and so are well-formed.
struct Reader<'a> {
    lua: &'a Lua,
    out: &'a [u8],
    blobs: &'a [Blob],
    at: usize,
}

impl<'a> Reader<'a> {
    fn value(&mut self) -> Result<Value> {
        let lua = self.lua;
        let Some((kind, line)) = self.line() else {
            return Ok(Value::Nil);
        };
        let count = || usize::try_from(parse_i64(line).unwrap_or(-1)).ok();
        Ok(match kind {
            b':' => Value::Integer(parse_i64(line).unwrap_or(0)),
            b'$' => match count() {
                Some(len) => Value::String(lua.create_string(self.bulk(len))?),
                None => Value::Boolean(false),
            },
            b'*' | b'>' => match count() {
                Some(len) => self.array(len)?,
                None => Value::Boolean(false),
            },
            b'+' => single(lua, "ok", Value::String(lua.create_string(line)?))?,
            b'-' => {
                let table = coded_error(lua, line)?;
                // The command that answered it has counted it.
                table.raw_set("ignore_error_stats_update", true)?;
                Value::Table(table)
            }
            b'#' => Value::Boolean(line == b"t"),
            b',' => single(lua, "double", Value::Number(number(line)))?,
            b'(' => single(lua, "big_number", Value::String(lua.create_string(line)?))?,
            b'=' => self.verbatim(count().unwrap_or(0))?,
            b'%' => self.map(count().unwrap_or(0))?,
            b'~' => self.set(count().unwrap_or(0))?,
            b'|' => {
                // Scripts are not shown attributes.
                for _ in 0..2 * count().unwrap_or(0) {
                    self.value()?;
                }
                self.value()?
            }
            _ => Value::Nil,
        })
    }

    /// The kind of the next reply and its first line.
    fn line(&mut self) -> Option<(u8, &'a [u8])> {
        let rest = self.out.get(self.at..)?;
        let (&kind, line) = rest.split_first()?;
        let len = line.iter().position(|&byte| byte == b'\r')?;
        self.at += len + 3;
        Some((kind, &line[..len]))
    }

    fn bulk(&mut self, len: usize) -> &'a [u8] {
        if let Some((blob, rest)) = self.blobs.split_first()
            && blob.at == self.at
        {
            self.blobs = rest;
            self.at += 2;
            return &blob.bytes;
        }
        let bytes = self.out.get(self.at..self.at + len).unwrap_or_default();
        self.at += len + 2;
        bytes
    }

    fn array(&mut self, len: usize) -> Result<Value> {
        let table = self.lua.create_table_with_capacity(len, 0)?;
        for index in 1..=len {
            table.raw_set(index, self.value()?)?;
        }
        Ok(Value::Table(table))
    }

    fn map(&mut self, pairs: usize) -> Result<Value> {
        let table = self.lua.create_table_with_capacity(0, pairs)?;
        for _ in 0..pairs {
            let key = self.value()?;
            table.raw_set(key, self.value()?)?;
        }
        single(self.lua, "map", Value::Table(table))
    }

    fn set(&mut self, len: usize) -> Result<Value> {
        let table = self.lua.create_table_with_capacity(0, len)?;
        for _ in 0..len {
            table.raw_set(self.value()?, true)?;
        }
        single(self.lua, "set", Value::Table(table))
    }

    fn verbatim(&mut self, len: usize) -> Result<Value> {
        let bytes = self.bulk(len);
        let table = self.lua.create_table_with_capacity(0, 2)?;
        let text = bytes.get(4..).unwrap_or_default();
        let format = bytes.get(..3).unwrap_or_default();
        table.raw_set("string", self.lua.create_string(text)?)?;
        table.raw_set("format", self.lua.create_string(format)?)?;
        single(self.lua, "verbatim_string", Value::Table(table))
    }
}

fn number(text: &[u8]) -> f64 {
    double::parse_lenient(text).unwrap_or(f64::NAN)
}

/// A table of one field.
fn single(lua: &Lua, field: &str, value: Value) -> Result<Value> {
    let table = lua.create_table_with_capacity(0, 1)?;
    table.raw_set(field, value)?;
    Ok(Value::Table(table))
}

/// Told of each error within a result: its text, and whether it was counted when a command answered it.
pub type OnError<'a> = &'a mut dyn FnMut(&[u8], bool);

/// Writes a script's result. `protocol` is what the script has chosen with `redis.setresp`; `on_error` is told of
/// each error.
///
/// # Errors
/// Out of memory.
pub fn to_reply(
    value: &Value,
    reply: &mut Reply<'_>,
    protocol: Protocol,
    on_error: OnError<'_>,
) -> Result<()> {
    Writer {
        limit: reply.pending_bytes().saturating_add(MAX_REPLY_BYTES),
        reply: reply.reborrow(),
        protocol,
        on_error,
    }
    .value(value, 0)
}

struct Writer<'a, 'e> {
    reply: Reply<'a>,
    protocol: Protocol,
    on_error: OnError<'e>,
    /// Pending bytes that are not to be exceeded.
    limit: usize,
}

impl Writer<'_, '_> {
    fn value(&mut self, value: &Value, depth: usize) -> Result<()> {
        match value {
            Value::String(text) => self.reply.bulk(&text.as_bytes()),
            Value::Boolean(truth) if self.protocol == Protocol::Resp3 => self.reply.boolean(*truth),
            Value::Boolean(true) => self.reply.integer(1),
            Value::Integer(number) => self.reply.integer(*number),
            Value::Number(number) => self.reply.integer(truncated(*number)),
            Value::Table(table) => self.table(table, depth + 1)?,
            _ => self.reply.null(),
        }
        Ok(())
    }

    fn table(&mut self, table: &Table, depth: usize) -> Result<()> {
        if depth > MAX_DEPTH || self.reply.pending_bytes() > self.limit {
            (self.on_error)(LIMIT, false);
            self.reply.error(LIMIT);
            return Ok(());
        }
        if let Value::String(text) = table.raw_get("err")? {
            let counted = matches!(
                table.raw_get("ignore_error_stats_update")?,
                Value::Boolean(true)
            );
            (self.on_error)(&text.as_bytes(), counted);
            self.reply.error(&text.as_bytes());
            return Ok(());
        }
        if let Value::String(text) = table.raw_get("ok")? {
            self.line(b"+", &text.as_bytes());
            return Ok(());
        }
        match table.raw_get("double")? {
            Value::Number(number) => {
                self.reply.double(number);
                return Ok(());
            }
            Value::Integer(number) => {
                self.reply.double(number as f64);
                return Ok(());
            }
            _ => {}
        }
        if let Value::String(digits) = table.raw_get("big_number")? {
            let digits = one_line(&digits.as_bytes());
            self.reply.big_number(&String::from_utf8_lossy(&digits));
            return Ok(());
        }
        if let Value::Table(parts) = table.raw_get("verbatim_string")?
            && let (Value::String(format), Value::String(text)) =
                (parts.raw_get("format")?, parts.raw_get("string")?)
        {
            let format = format_of(&format.as_bytes());
            self.reply.verbatim(&format, &text.as_bytes());
            return Ok(());
        }
        if let Value::Table(map) = table.raw_get("map")? {
            return self.map(&map, depth);
        }
        if let Value::Table(set) = table.raw_get("set")? {
            return self.set(&set, depth);
        }
        self.array(table, depth)
    }

    fn map(&mut self, map: &Table, depth: usize) -> Result<()> {
        let (mark, mut pairs) = (self.reply.mark(), 0);
        map.for_each(|key: Value, value: Value| {
            pairs += 1;
            self.value(&key, depth)?;
            self.value(&value, depth)
        })?;
        self.reply.insert_before(mark, |reply| reply.map(pairs));
        Ok(())
    }

    fn set(&mut self, set: &Table, depth: usize) -> Result<()> {
        let (mark, mut members) = (self.reply.mark(), 0);
        set.for_each(|key: Value, _: Value| {
            members += 1;
            self.value(&key, depth)
        })?;
        self.reply.insert_before(mark, |reply| reply.set(members));
        Ok(())
    }

    fn array(&mut self, table: &Table, depth: usize) -> Result<()> {
        let len = length(table)?;
        self.reply.array(len);
        for index in 1..=len {
            self.value(&table.raw_get(index)?, depth)?;
        }
        Ok(())
    }

    fn line(&mut self, kind: &[u8], text: &[u8]) {
        self.reply.raw(kind);
        self.reply.raw(&one_line(text));
        self.reply.raw(b"\r\n");
    }
}

/// The elements before the first `nil`.
fn length(table: &Table) -> Result<usize> {
    let len = table.raw_len();
    // A table with holes may claim a length that reaches beyond one, or end before it.
    for index in 1..=len {
        if table.raw_get::<Value>(index)?.is_nil() {
            return Ok(index - 1);
        }
    }
    Ok(len)
}

fn one_line(text: &[u8]) -> Vec<u8> {
    let plain = |&byte: &u8| {
        if matches!(byte, b'\r' | b'\n') {
            b' '
        } else {
            byte
        }
    };
    text.iter().map(plain).collect()
}

/// A verbatim string's format has three letters.
fn format_of(format: &[u8]) -> String {
    let mut letters: Vec<u8> = format.iter().copied().take(3).collect();
    letters.resize(3, b' ');
    String::from_utf8_lossy(&letters).into_owned()
}

/// A number without its fraction; what no integer can hold is the smallest, as the processors that Redis runs on
/// make it.
fn truncated(number: f64) -> i64 {
    if number.is_nan() || number >= 9_223_372_036_854_775_808.0 {
        return i64::MIN;
    }
    number as i64
}
