//! Values as JSON.
//!
//! Nesting is kept in a list instead of on the stack, whose size is not ours to choose.

use mlua::{Error, Lua, Result, Value};

use super::{InvalidNumbers, MAX_DEPTH, Settings};
use crate::script::ffi::{self, View, Walker};
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
    ffi::walk(lua, value, |walker| {
        encoder.value(walker)?;
        while let Some(open) = encoder.open.last().copied() {
            encoder.advance(walker, open)?;
        }
        encoder.check_length()
    })?;
    Ok(Value::String(lua.create_string(encoder.text)?))
}

struct Encoder<'a> {
    lua: &'a Lua,
    settings: &'a Settings,
    text: Vec<u8>,
    /// The tables that are not written completely.
    open: Vec<Open>,
}

/// Where writing a table goes on.
#[derive(Clone, Copy)]
enum Open {
    /// With the element of this index; the array ends after the second.
    Array(i64, i64),
    /// With the next pair, which is the first or is not.
    Object(bool),
}

impl Encoder<'_> {
    /// Writes the value on top and leaves it, or begins with it if it is a table.
    fn value(&mut self, walker: &mut Walker<'_>) -> Result<()> {
        match walker.value() {
            View::Table => return self.open(walker),
            View::Text(text) => self.string(text),
            view @ View::Number(number) => self.number(number, view)?,
            View::Boolean(true) => self.text.extend_from_slice(b"true"),
            View::Boolean(false) => self.text.extend_from_slice(b"false"),
            View::Nil | View::Null => self.text.extend_from_slice(b"null"),
            view @ View::Other(_) => return Err(self.refusal(view, "type not supported")),
        }
        walker.leave();
        Ok(())
    }

    fn check_length(&self) -> Result<()> {
        match self.text.len() > MAX_TEXT_BYTES {
            true => Err(out_of_memory(self.lua)),
            false => Ok(()),
        }
    }

    /// Begins with the table on top.
    fn open(&mut self, walker: &mut Walker<'_>) -> Result<()> {
        let depth = self.open.len() + 1;
        if depth > self.settings.encode_max_depth.min(MAX_DEPTH) as usize {
            let text = format!("Cannot serialise, excessive nesting ({depth})");
            return Err(raise::error(self.lua, &text));
        }
        match self.shape(walker)? {
            Shape::Array(length) => {
                self.text.push(b'[');
                self.open.push(Open::Array(1, length));
            }
            shape => {
                if matches!(shape, Shape::Empty) {
                    walker.exchange(|table| match table.has_metatable() {
                        true => sandbox::behind(self.lua, table),
                        false => Ok(table.clone()),
                    })?;
                }
                self.text.push(b'{');
                walker.pairs()?;
                self.open.push(Open::Object(true));
            }
        }
        Ok(())
    }

    /// Goes on with the innermost table, which is on top.
    fn advance(&mut self, walker: &mut Walker<'_>, open: Open) -> Result<()> {
        self.check_length()?;
        match open {
            Open::Array(index, last) if index <= last => {
                if index > 1 {
                    self.text.push(b',');
                }
                self.set_open(Open::Array(index + 1, last));
                walker.element(index)?;
                return self.value(walker);
            }
            Open::Object(is_first) if walker.pair()? => {
                if !is_first {
                    self.text.push(b',');
                }
                self.set_open(Open::Object(false));
                self.key(walker.key())?;
                return self.value(walker);
            }
            Open::Array(..) => self.text.push(b']'),
            Open::Object(_) => self.text.push(b'}'),
        }
        self.open.pop();
        walker.leave();
        Ok(())
    }

    fn set_open(&mut self, open: Open) {
        *self
            .open
            .last_mut()
            .expect("there is a table to go on with") = open;
    }

    /// What the keys make of the table on top.
    fn shape(&self, walker: &mut Walker<'_>) -> Result<Shape> {
        let (mut largest, mut count) = (0_i64, 0_i64);
        walker.pairs()?;
        while walker.pair()? {
            let index = match walker.key() {
                // Too large for an index of the library's; it takes the smallest one in its place.
                View::Number(index) if index >= 1.0 && index.fract() == 0.0 => {
                    i32::try_from(index as i64).unwrap_or(i32::MIN).into()
                }
                _ => {
                    walker.end_pairs();
                    return Ok(Shape::Object);
                }
            };
            if index > largest || index < 0 {
                largest = index;
            }
            count += 1;
            walker.leave();
        }
        let settings = self.settings;
        let has_holes = settings.sparse_ratio > 0
            && largest > count * i64::from(settings.sparse_ratio)
            && largest > i64::from(settings.sparse_safe);
        match largest {
            _ if has_holes && settings.sparse_convert => Ok(Shape::Object),
            _ if has_holes => Err(self.refusal(View::Table, "excessively sparse array")),
            0 => Ok(Shape::Empty),
            length if length < 0 => Ok(Shape::Object),
            length => Ok(Shape::Array(length)),
        }
    }

    fn key(&mut self, key: View<'_>) -> Result<()> {
        match key {
            View::Text(text) => {
                self.string(text);
                self.text.push(b':');
            }
            View::Number(number) => {
                self.text.push(b'"');
                self.number(number, key)?;
                self.text.extend_from_slice(b"\":");
            }
            _ => return Err(self.refusal(key, "table key must be a number or string")),
        }
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

    fn number(&mut self, number: f64, value: View<'_>) -> Result<()> {
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

    fn refusal(&self, value: View<'_>, reason: &str) -> Error {
        let text = format!("Cannot serialise {}: {reason}", value.type_name());
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
