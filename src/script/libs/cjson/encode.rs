//! Values as JSON.
//!
//! Nesting is kept in a list instead of on the stack, whose size is not ours to choose. So a table is written up to the
//! first table in it, and gone on with after that.

use mlua::{Error, Function, Lua, Result, Table, Value};

use super::{InvalidNumbers, MAX_DEPTH, NEXT, Settings};
use crate::script::libs::arguments::type_name;
use crate::script::libs::{MAX_TEXT_BYTES, out_of_memory};
use crate::script::{raise, sandbox};
use crate::text::double;

/// The JSON text of a value.
pub(super) fn encode(lua: &Lua, value: &Value, settings: &Settings) -> Result<Value> {
    let mut encoder = Encoder {
        lua,
        settings,
        text: Vec::new(),
        open: Vec::new(),
    };
    let mut nested = encoder.value(value)?;
    loop {
        nested = match nested {
            Some(table) => encoder.open(table)?,
            None if encoder.open.is_empty() => break,
            None => encoder.advance()?,
        };
    }
    Ok(Value::String(lua.create_string(encoder.text)?))
}

struct Encoder<'a> {
    lua: &'a Lua,
    settings: &'a Settings,
    text: Vec<u8>,
    open: Vec<Open>,
}

/// A table that is not written completely.
struct Open {
    table: Table,
    place: Place,
}

/// Where writing a table goes on.
enum Place {
    /// With the element of this index; the array ends after the second.
    Element(i64, i64),
    /// At the beginning of an object.
    Begin,
    /// Behind the pair with this key.
    Behind(Value),
}

impl Encoder<'_> {
    /// Writes a value that is no table; gives a table back.
    fn value(&mut self, value: &Value) -> Result<Option<Table>> {
        match value {
            Value::Table(table) => return Ok(Some(table.clone())),
            Value::String(text) => self.string(&text.as_bytes()),
            Value::Integer(number) => self.number(*number as f64, value)?,
            Value::Number(number) => self.number(*number, value)?,
            Value::Boolean(true) => self.text.extend_from_slice(b"true"),
            Value::Boolean(false) => self.text.extend_from_slice(b"false"),
            Value::Nil => self.text.extend_from_slice(b"null"),
            Value::LightUserData(pointer) if pointer.0.is_null() => {
                self.text.extend_from_slice(b"null");
            }
            _ => return Err(self.refusal(value, "type not supported")),
        }
        match self.text.len() > MAX_TEXT_BYTES {
            true => Err(out_of_memory(self.lua)),
            false => Ok(None),
        }
    }

    /// Begins a table and writes it up to the first table in it, which is given back, or to its end.
    fn open(&mut self, mut table: Table) -> Result<Option<Table>> {
        let depth = self.open.len() + 1;
        if depth > self.settings.encode_max_depth.min(MAX_DEPTH) as usize {
            let text = format!("Cannot serialise, excessive nesting ({depth})");
            return Err(raise::error(self.lua, &text));
        }
        let place = match self.shape(&table)? {
            Shape::Array(length) => {
                self.text.push(b'[');
                Place::Element(1, length)
            }
            shape => {
                if matches!(shape, Shape::Empty) && table.has_metatable() {
                    table = sandbox::behind(self.lua, &table)?;
                }
                self.text.push(b'{');
                Place::Begin
            }
        };
        self.open.push(Open { table, place });
        self.advance()
    }

    /// Goes on with the innermost table, up to a table in it or to its end.
    fn advance(&mut self) -> Result<Option<Table>> {
        let open = self.open.pop().expect("there is a table to go on with");
        match open.place {
            Place::Element(index, last) => self.elements(open.table, index, last),
            Place::Begin => self.pairs(open.table),
            Place::Behind(key) => self.pairs_behind(open.table, key),
        }
    }

    fn elements(&mut self, table: Table, first: i64, last: i64) -> Result<Option<Table>> {
        for index in first..=last {
            if index > 1 {
                self.text.push(b',');
            }
            if let Some(nested) = self.value(&table.raw_get(index)?)? {
                let place = Place::Element(index + 1, last);
                self.open.push(Open { table, place });
                return Ok(Some(nested));
            }
        }
        self.text.push(b']');
        Ok(None)
    }

    fn pairs(&mut self, table: Table) -> Result<Option<Table>> {
        let mut is_first = true;
        for pair in table.pairs::<Value, Value>() {
            let (key, value) = pair?;
            if !is_first {
                self.text.push(b',');
            }
            is_first = false;
            self.key(&key)?;
            if let Some(nested) = self.value(&value)? {
                let place = Place::Behind(key);
                let table = table.clone();
                self.open.push(Open { table, place });
                return Ok(Some(nested));
            }
        }
        self.text.push(b'}');
        Ok(None)
    }

    /// As [`Encoder::pairs`], from the pair after `key` on.
    fn pairs_behind(&mut self, table: Table, mut key: Value) -> Result<Option<Table>> {
        let following: Function = self.lua.named_registry_value(NEXT)?;
        loop {
            let (next, value): (Value, Value) = following.call((&table, &key))?;
            if next.is_nil() {
                self.text.push(b'}');
                return Ok(None);
            }
            self.text.push(b',');
            self.key(&next)?;
            if let Some(nested) = self.value(&value)? {
                let place = Place::Behind(next);
                self.open.push(Open { table, place });
                return Ok(Some(nested));
            }
            key = next;
        }
    }

    /// What the keys make of a table.
    fn shape(&self, table: &Table) -> Result<Shape> {
        let (mut largest, mut count) = (0_i64, 0_i64);
        let mut is_array = true;
        let seen = table.for_each(|key: Value, _: bool| {
            let index = match key {
                Value::Integer(index) if index >= 1 => index,
                // Too large for an index of the library's; it takes the smallest one in its place.
                Value::Number(index) if index >= 1.0 && index.fract() == 0.0 => i64::from(i32::MIN),
                _ => {
                    is_array = false;
                    // It ends the loop; nobody sees it.
                    return Err(Error::BindError);
                }
            };
            let index = if index > i64::from(i32::MAX) {
                i64::from(i32::MIN)
            } else {
                index
            };
            if index > largest || index < 0 {
                largest = index;
            }
            count += 1;
            Ok(())
        });
        if !is_array {
            return Ok(Shape::Object);
        }
        seen?;
        let settings = self.settings;
        let has_holes = settings.sparse_ratio > 0
            && largest > count * i64::from(settings.sparse_ratio)
            && largest > i64::from(settings.sparse_safe);
        match largest {
            _ if has_holes && settings.sparse_convert => Ok(Shape::Object),
            _ if has_holes => {
                Err(self.refusal(&Value::Table(table.clone()), "excessively sparse array"))
            }
            0 => Ok(Shape::Empty),
            length if length < 0 => Ok(Shape::Object),
            length => Ok(Shape::Array(length)),
        }
    }

    fn key(&mut self, key: &Value) -> Result<()> {
        let number = match key {
            Value::String(text) => {
                self.string(&text.as_bytes());
                self.text.push(b':');
                return Ok(());
            }
            Value::Integer(number) => *number as f64,
            Value::Number(number) => *number,
            _ => return Err(self.refusal(key, "table key must be a number or string")),
        };
        self.text.push(b'"');
        self.number(number, key)?;
        self.text.extend_from_slice(b"\":");
        Ok(())
    }

    fn string(&mut self, text: &[u8]) {
        self.text.reserve(text.len() + 2);
        self.text.push(b'"');
        let mut plain = 0;
        for (index, &byte) in text.iter().enumerate() {
            if !is_escaped(byte) {
                continue;
            }
            self.text.extend_from_slice(&text[plain..index]);
            self.escape(byte);
            plain = index + 1;
        }
        self.text.extend_from_slice(&text[plain..]);
        self.text.push(b'"');
    }

    fn escape(&mut self, byte: u8) {
        let letter = match byte {
            b'"' | b'\\' | b'/' => byte,
            8 => b'b',
            b'\t' => b't',
            b'\n' => b'n',
            12 => b'f',
            b'\r' => b'r',
            _ => {
                let digit = |value: u8| b"0123456789abcdef"[usize::from(value)];
                self.text.extend_from_slice(b"\\u00");
                self.text.extend([digit(byte >> 4), digit(byte & 15)]);
                return;
            }
        };
        self.text.extend([b'\\', letter]);
    }

    fn number(&mut self, number: f64, value: &Value) -> Result<()> {
        if !number.is_finite() {
            match self.settings.encode_invalid {
                InvalidNumbers::Refused => {
                    return Err(self.refusal(value, "must not be NaN or Inf"));
                }
                InvalidNumbers::Null => self.text.extend_from_slice(b"null"),
                InvalidNumbers::Written => {
                    self.text
                        .extend_from_slice(double::Buffer::new().format(number).as_bytes());
                }
            }
            return Ok(());
        }
        let digits = self.settings.number_precision.unsigned_abs();
        match double::integral(number) {
            Some(integer) if integer.unsigned_abs() < 10_u64.pow(digits) => {
                self.text
                    .extend_from_slice(itoa::Buffer::new().format(integer).as_bytes());
            }
            _ => self
                .text
                .extend_from_slice(double::general(number, digits as usize).as_bytes()),
        }
        Ok(())
    }

    fn refusal(&self, value: &Value, reason: &str) -> Error {
        let text = format!("Cannot serialise {}: {reason}", type_name(value));
        raise::error(self.lua, &text)
    }
}

/// What a table is as JSON.
enum Shape {
    Empty,
    Object,
    /// With the largest index.
    Array(i64),
}

/// Whether a byte is not written as it is; the solidus and DEL are among them.
fn is_escaped(byte: u8) -> bool {
    byte < 0x20 || matches!(byte, b'"' | b'\\' | b'/' | 0x7f)
}
