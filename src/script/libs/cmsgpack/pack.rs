//! Values as bytes.

use mlua::{Lua, Result, Value};

use crate::script::ffi::{self, View, Walker};
use crate::script::libs::arguments::to_integer;
use crate::script::libs::{MAX_TEXT_BYTES, out_of_memory};
use crate::script::sandbox;

/// Tables nested deeper than this are packed as nil, so that a cycle ends.
const MAX_NESTING: usize = 16;

/// Appends a value.
pub(super) fn append(lua: &Lua, packed: &mut Vec<u8>, value: &Value) -> Result<()> {
    ffi::walk(lua, value, |from| Packer { lua, packed }.value(from, 0))
}

struct Packer<'a> {
    lua: &'a Lua,
    packed: &'a mut Vec<u8>,
}

impl Packer<'_> {
    /// Appends the value on top, which lies in `level` tables.
    fn value(&mut self, from: &mut Walker<'_>, level: usize) -> Result<()> {
        if self.packed.len() > MAX_TEXT_BYTES {
            return Err(out_of_memory(self.lua));
        }
        match from.value() {
            View::Text(text) => append_text(self.packed, text),
            View::Boolean(value) => self.packed.push(0xc2 + u8::from(value)),
            View::Number(value) => append_number(self.packed, value),
            View::Table if level < MAX_NESTING => self.table(from, level)?,
            _ => self.packed.push(0xc0),
        }
        Ok(())
    }

    /// An array if the keys are the integers from 1 on without a gap, a map otherwise.
    fn table(&mut self, from: &mut Walker<'_>, level: usize) -> Result<()> {
        let mut shape = Shape::of(from)?;
        if shape.count == 0 {
            from.exchange(|table| match table.has_metatable() {
                true => sandbox::behind(self.lua, table),
                false => Ok(table.clone()),
            })?;
            shape = Shape::of(from)?;
        }
        if shape.is_array && shape.largest == shape.count {
            append_size(self.packed, shape.count, 0x90, 0xdc);
            for index in 1..=shape.count {
                from.element(index as i64)?;
                self.value(from, level + 1)?;
                from.leave();
            }
            return Ok(());
        }
        append_size(self.packed, shape.count, 0x80, 0xde);
        from.pairs()?;
        while from.pair()? {
            from.copy_key()?;
            self.value(from, level + 1)?;
            from.leave();
            self.value(from, level + 1)?;
            from.leave();
        }
        Ok(())
    }
}

/// What the keys of a table are.
struct Shape {
    /// Whether all are positive integers of 32 bits.
    is_array: bool,
    count: usize,
    largest: usize,
}

impl Shape {
    /// Of the table on top.
    fn of(from: &mut Walker<'_>) -> Result<Shape> {
        let mut shape = Shape {
            is_array: true,
            count: 0,
            largest: 0,
        };
        from.pairs()?;
        while from.pair()? {
            shape.count += 1;
            match from.key() {
                View::Number(key)
                    if (1.0..=2_147_483_647.0).contains(&key) && key.fract() == 0.0 =>
                {
                    shape.largest = shape.largest.max(key as usize);
                }
                _ => shape.is_array = false,
            }
            from.leave();
        }
        Ok(shape)
    }
}

/// The head of an array or map: up to 15 elements in the byte `small`, else `large` and 16 bits or the next and 32.
fn append_size(packed: &mut Vec<u8>, count: usize, small: u8, large: u8) {
    match count {
        0..=15 => packed.push(small | count as u8),
        16..=0xffff => {
            packed.push(large);
            packed.extend_from_slice(&(count as u16).to_be_bytes());
        }
        _ => {
            packed.push(large + 1);
            packed.extend_from_slice(&(count as u32).to_be_bytes());
        }
    }
}

fn append_text(packed: &mut Vec<u8>, text: &[u8]) {
    match text.len() {
        length @ 0..=31 => packed.push(0xa0 | length as u8),
        length @ 32..=0xff => packed.extend_from_slice(&[0xd9, length as u8]),
        length => append_size(packed, length, 0, 0xda),
    }
    packed.extend_from_slice(text);
}

/// An integer where the number is one, else the narrowest float that is the same number.
fn append_number(packed: &mut Vec<u8>, value: f64) {
    let integer = to_integer(value);
    if integer as f64 == value {
        return append_integer(packed, integer);
    }
    let narrow = value as f32;
    if f64::from(narrow) == value {
        packed.push(0xca);
        packed.extend_from_slice(&narrow.to_be_bytes());
    } else {
        packed.push(0xcb);
        packed.extend_from_slice(&value.to_be_bytes());
    }
}

fn append_integer(packed: &mut Vec<u8>, value: i64) {
    let (head, width) = match value {
        -32..=127 => return packed.push(value as u8),
        128..=0xff => (0xcc, 1),
        0x100..=0xffff => (0xcd, 2),
        0x1_0000..=0xffff_ffff => (0xce, 4),
        0x1_0000_0000.. => (0xcf, 8),
        -0x80..=-33 => (0xd0, 1),
        -0x8000..=-0x81 => (0xd1, 2),
        -0x8000_0000..=-0x8001 => (0xd2, 4),
        _ => (0xd3, 8),
    };
    packed.push(head);
    packed.extend_from_slice(&value.to_be_bytes()[8 - width..]);
}
