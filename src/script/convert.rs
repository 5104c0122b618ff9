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

use std::borrow::Cow;

use bytes::BytesMut;
use mlua::{Error, Lua, Result, Table, Value};

use super::ffi::{self, Builder, View, Walker};
use crate::resp::{Blob, Protocol, Reply};
use crate::text::double;
use crate::text::number::parse_i64;

/// Nesting that a result may have; a script's tables can contain themselves.
const MAX_DEPTH: usize = 200;
/// A result of more bytes ends with an error in the place of the rest.
const MAX_REPLY_BYTES: usize = 512 << 20;
const LIMIT: &str = "reached lua stack limit";

/// Reads one reply that is in `out`, its large values in `blobs`.
///
/// # Errors
/// Out of memory.
pub fn to_lua(lua: &Lua, out: &BytesMut, blobs: &[Blob]) -> Result<Value> {
    let mut reader = Reader { out, blobs, at: 0 };
    ffi::build(lua, |builder| reader.value(builder))
}

/// The table that an error is to a script, of a text without code: it gets ERR.
///
/// # Errors
/// Out of memory.
pub fn error_table(lua: &Lua, text: &[u8]) -> Result<Table> {
    ffi::room_for_finalizers(lua)?;
    let table = lua.create_table_with_capacity(0, 2)?;
    table.raw_set("err", lua.create_string([b"ERR ", text].concat())?)?;
    Ok(table)
}

/// The table that an error is to a script, of a text that begins with its code; a single word is none.
///
/// # Errors
/// Out of memory.
pub fn coded_error(lua: &Lua, text: &[u8]) -> Result<Table> {
    ffi::room_for_finalizers(lua)?;
    let table = lua.create_table_with_capacity(0, 2)?;
    table.raw_set("err", lua.create_string(coded(text))?)?;
    Ok(table)
}

/// A text that begins with its code: a single word is none, and gets ERR.
fn coded(text: &[u8]) -> Cow<'_, [u8]> {
    let text = trim(text);
    match text.contains(&b' ') {
        true => Cow::Borrowed(text),
        false => Cow::Owned([b"ERR ", text].concat()),
    }
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
    out: &'a [u8],
    blobs: &'a [Blob],
    at: usize,
}

impl<'a> Reader<'a> {
    /// Pushes the next reply.
    fn value(&mut self, to: &mut Builder<'_>) -> Result<()> {
        let Some((kind, line)) = self.line() else {
            return to.nil();
        };
        let count = || usize::try_from(parse_i64(line).unwrap_or(-1)).ok();
        match kind {
            b':' => to.number(parse_i64(line).unwrap_or(0) as f64),
            b'$' => match count() {
                Some(len) => to.text(self.bulk(len)),
                None => to.boolean(false),
            },
            b'*' | b'>' => match count() {
                Some(len) => self.array(to, len),
                None => to.boolean(false),
            },
            b'+' => single(to, b"ok", |to| to.text(line)),
            b'-' => {
                single(to, b"err", |to| to.text(&coded(line)))?;
                // The command that answered it has counted it.
                field(to, b"ignore_error_stats_update", |to| to.boolean(true))
            }
            b'#' => to.boolean(line == b"t"),
            b',' => single(to, b"double", |to| to.number(number(line))),
            b'(' => single(to, b"big_number", |to| to.text(line)),
            b'=' => self.verbatim(to, count().unwrap_or(0)),
            b'%' => single(to, b"map", |to| self.map(to, count().unwrap_or(0))),
            b'~' => single(to, b"set", |to| self.set(to, count().unwrap_or(0))),
            b'|' => {
                // Scripts are not shown attributes.
                for _ in 0..2 * count().unwrap_or(0) {
                    self.value(to)?;
                    to.drop_top();
                }
                self.value(to)
            }
            _ => to.nil(),
        }
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

    fn array(&mut self, to: &mut Builder<'_>, len: usize) -> Result<()> {
        to.table(len, 0)?;
        for index in 1..=len {
            self.value(to)?;
            to.put_element(index as i64);
        }
        Ok(())
    }

    fn map(&mut self, to: &mut Builder<'_>, pairs: usize) -> Result<()> {
        to.table(0, pairs)?;
        for _ in 0..pairs {
            self.value(to)?;
            self.value(to)?;
            to.put_pair();
        }
        Ok(())
    }

    fn set(&mut self, to: &mut Builder<'_>, len: usize) -> Result<()> {
        to.table(0, len)?;
        for _ in 0..len {
            self.value(to)?;
            to.boolean(true)?;
            to.put_pair();
        }
        Ok(())
    }

    fn verbatim(&mut self, to: &mut Builder<'_>, len: usize) -> Result<()> {
        let bytes = self.bulk(len);
        let text = bytes.get(4..).unwrap_or_default();
        let format = bytes.get(..3).unwrap_or_default();
        single(to, b"verbatim_string", |to| {
            single(to, b"string", |to| to.text(text))?;
            field(to, b"format", |to| to.text(format))
        })
    }
}

/// Pushes a table of one field.
fn single(
    to: &mut Builder<'_>,
    name: &[u8],
    value: impl FnOnce(&mut Builder<'_>) -> Result<()>,
) -> Result<()> {
    to.table(0, 1)?;
    field(to, name, value)
}

/// Puts a field into the table on top.
fn field(
    to: &mut Builder<'_>,
    name: &[u8],
    value: impl FnOnce(&mut Builder<'_>) -> Result<()>,
) -> Result<()> {
    to.text(name)?;
    value(to)?;
    to.put_pair();
    Ok(())
}

fn number(text: &[u8]) -> f64 {
    double::parse_lenient(text).unwrap_or(f64::NAN)
}

/// Told of each error within a result: its text, and whether it was counted when a command answered it.
pub type OnError<'a> = &'a mut dyn FnMut(&[u8], bool);

/// Writes a script's result. `protocol` is what the script has chosen with `redis.setresp`; `on_error` is told of
/// each error.
///
/// # Errors
/// Out of memory, or the result is too long.
pub fn to_reply(
    lua: &Lua,
    value: &Value,
    reply: &mut Reply<'_>,
    protocol: Protocol,
    on_error: OnError<'_>,
) -> Result<()> {
    let mut writer = Writer {
        limit: reply.mark().0.saturating_add(MAX_REPLY_BYTES),
        reply: reply.reborrow(),
        protocol,
        on_error,
    };
    ffi::walk(lua, value, |from| writer.value(from, 0))
}

struct Writer<'a, 'e> {
    reply: Reply<'a>,
    protocol: Protocol,
    on_error: OnError<'e>,
    /// The length of the buffer that is not to be exceeded. What a script answers is copied into it.
    limit: usize,
}

impl Writer<'_, '_> {
    /// Writes the value on top, where it stays.
    fn value(&mut self, from: &mut Walker<'_>, depth: usize) -> Result<()> {
        match from.value() {
            // A table within itself several times may stand for more than could ever be written.
            _ if self.reply.mark().0 > self.limit => return Err(Error::external(LIMIT)),
            View::Text(text) => self.reply.bulk(text),
            View::Boolean(truth) if self.protocol == Protocol::Resp3 => self.reply.boolean(truth),
            View::Boolean(true) => self.reply.integer(1),
            View::Number(number) => self.reply.integer(truncated(number)),
            View::Table => self.table(from, depth + 1)?,
            _ => self.reply.null(),
        }
        Ok(())
    }

    fn refuse(&mut self) {
        let text = ["ERR ", LIMIT].concat();
        (self.on_error)(text.as_bytes(), false);
        self.reply.error(text.as_bytes());
    }

    fn table(&mut self, from: &mut Walker<'_>, depth: usize) -> Result<()> {
        if depth > MAX_DEPTH {
            self.refuse();
            return Ok(());
        }
        if let Some(text) = text_of(from, b"err")? {
            let counted = in_field(from, b"ignore_error_stats_update", |from| {
                Ok(from.value() == View::Boolean(true))
            })?;
            (self.on_error)(&text, counted);
            self.reply.error(&text);
            return Ok(());
        }
        let is_written = in_field(from, b"ok", |from| {
            let View::Text(text) = from.value() else {
                return Ok(false);
            };
            self.reply.raw(b"+");
            self.reply.raw(&one_line(text));
            self.reply.raw(b"\r\n");
            Ok(true)
        })?;
        if is_written || self.typed(from, depth)? {
            return Ok(());
        }
        self.array(from, depth)
    }

    /// Writes a table that stands for a type of RESP3; false if it stands for none.
    fn typed(&mut self, from: &mut Walker<'_>, depth: usize) -> Result<bool> {
        let is_double = in_field(from, b"double", |from| {
            let View::Number(number) = from.value() else {
                return Ok(false);
            };
            self.reply.double(number);
            Ok(true)
        })?;
        if is_double {
            return Ok(true);
        }
        if let Some(digits) = text_of(from, b"big_number")? {
            let digits = one_line(&digits);
            self.reply.big_number(&String::from_utf8_lossy(&digits));
            return Ok(true);
        }
        let parts = in_field(from, b"verbatim_string", |from| {
            Ok(match from.value() {
                View::Table => text_of(from, b"format")?.zip(text_of(from, b"string")?),
                _ => None,
            })
        })?;
        if let Some((format, text)) = parts {
            self.reply.verbatim(&format_of(&format), &text);
            return Ok(true);
        }
        let is_map = in_field(from, b"map", |from| self.pairs(from, depth, true))?;
        Ok(is_map || in_field(from, b"set", |from| self.pairs(from, depth, false))?)
    }

    /// Writes the keys of the table on top, and with `values` those as well: a map, or else a set. False if it is no table.
    fn pairs(&mut self, from: &mut Walker<'_>, depth: usize, values: bool) -> Result<bool> {
        if from.value() != View::Table {
            return Ok(false);
        }
        let (mark, mut count) = (self.reply.mark(), 0);
        from.pairs()?;
        while from.pair()? {
            count += 1;
            from.copy_key()?;
            self.value(from, depth)?;
            from.leave();
            if values {
                self.value(from, depth)?;
            }
            from.leave();
        }
        self.reply.insert_before(mark, |reply| match values {
            true => reply.map(count),
            false => reply.set(count),
        });
        Ok(true)
    }

    fn array(&mut self, from: &mut Walker<'_>, depth: usize) -> Result<()> {
        let len = length(from)?;
        self.reply.array(len);
        for index in 1..=len {
            from.element(index as i64)?;
            self.value(from, depth)?;
            from.leave();
        }
        Ok(())
    }
}

/// The elements of the table on top before the first `nil`.
fn length(from: &mut Walker<'_>) -> Result<usize> {
    let len = from.raw_len();
    // A table with holes may claim a length that reaches beyond one, or end before it.
    for index in 1..=len {
        from.element(index as i64)?;
        let is_nil = from.value() == View::Nil;
        from.leave();
        if is_nil {
            return Ok(index - 1);
        }
    }
    Ok(len)
}

/// Has `read` look at the field `name` of the table on top.
fn in_field<R>(
    from: &mut Walker<'_>,
    name: &[u8],
    read: impl FnOnce(&mut Walker<'_>) -> Result<R>,
) -> Result<R> {
    from.field(name)?;
    let found = read(from)?;
    from.leave();
    Ok(found)
}

/// The text that is the field `name` of the table on top.
fn text_of(from: &mut Walker<'_>, name: &[u8]) -> Result<Option<Vec<u8>>> {
    in_field(from, name, |from| {
        Ok(match from.value() {
            View::Text(text) => Some(text.to_vec()),
            _ => None,
        })
    })
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
