//! Bytes as values.
//!
//! Nesting is kept in a list instead of on the stack: its depth is up to the bytes.

use mlua::{Error, Lua, MultiValue, Result, Table, Value};

use crate::script::libs::MAX_RESULTS;
use crate::script::raise;

/// The values from `start` on, `limit` at most, and where they end.
pub(super) fn values(
    lua: &Lua,
    text: &[u8],
    start: usize,
    limit: i64,
) -> Result<(MultiValue, usize)> {
    let mut reader = Reader {
        lua,
        text,
        at: start,
        open: Vec::new(),
        slots: 1,
    };
    let mut values = MultiValue::new();
    while reader.at < text.len() && (values.len() as i64) < limit {
        let value = reader.value()?;
        values.push_back(value);
        reader.slots += 1;
    }
    Ok((values, reader.at))
}

/// What the head of a value says.
enum Head {
    Whole(Value),
    Array(usize),
    Map(usize),
}

/// An array or map that is not complete.
struct Open {
    table: Table,
    /// Values that are still to come; a pair of a map counts once, with its key.
    left: usize,
    kind: Kind,
}

enum Kind {
    /// With the index of the next element.
    Array(i64),
    /// With the key whose value comes next.
    Map(Option<Value>),
}

struct Reader<'a> {
    lua: &'a Lua,
    text: &'a [u8],
    at: usize,
    open: Vec<Open>,
    /// Slots of Lua's stack that the C library would have in use; it fails when they are too many.
    slots: usize,
}

impl Reader<'_> {
    /// The next value, complete.
    fn value(&mut self) -> Result<Value> {
        loop {
            let mut complete = match self.head()? {
                Head::Whole(value) => value,
                Head::Array(0) | Head::Map(0) => Value::Table(self.lua.create_table()?),
                Head::Array(left) => {
                    self.begin(left, Kind::Array(1))?;
                    continue;
                }
                Head::Map(left) => {
                    self.begin(left, Kind::Map(None))?;
                    continue;
                }
            };
            loop {
                let Some(open) = self.open.last_mut() else {
                    return Ok(complete);
                };
                self.slots = self.slots + open.slots_after() - open.slots_before();
                open.take(self.lua, complete)?;
                if open.left > 0 {
                    break;
                }
                let closed = self.open.pop().expect("there is one, for it was looked at");
                self.slots -= closed.kind.slots();
                complete = Value::Table(closed.table);
            }
        }
    }

    fn begin(&mut self, left: usize, kind: Kind) -> Result<()> {
        self.slots += kind.slots();
        if matches!(kind, Kind::Array(_)) && self.slots > MAX_RESULTS {
            let text = "stack overflow (in function mp_decode_to_lua_array)";
            return Err(raise::error(self.lua, text));
        }
        let table = self.lua.create_table()?;
        self.open.push(Open { table, left, kind });
        Ok(())
    }

    fn head(&mut self) -> Result<Head> {
        let head = self.bytes::<1>()?[0];
        if self.slots + 1 > MAX_RESULTS {
            let text = "stack overflow (too many return values at once; use unpack_one or unpack_limit instead.)";
            return Err(raise::error(self.lua, text));
        }
        let number = match head {
            0x00..=0x7f => i64::from(head),
            0x80..=0x8f => return Ok(Head::Map(usize::from(head & 0xf))),
            0x90..=0x9f => return Ok(Head::Array(usize::from(head & 0xf))),
            0xa0..=0xbf => return self.raw(usize::from(head & 0x1f)),
            0xc0 => return Ok(Head::Whole(Value::Nil)),
            0xc2 | 0xc3 => return Ok(Head::Whole(Value::Boolean(head == 0xc3))),
            0xca => return Ok(float(f64::from(f32::from_be_bytes(self.bytes()?)))),
            0xcb => return Ok(float(f64::from_be_bytes(self.bytes()?))),
            0xcc => i64::from(self.bytes::<1>()?[0]),
            0xcd => i64::from(u16::from_be_bytes(self.bytes()?)),
            0xce => i64::from(u32::from_be_bytes(self.bytes()?)),
            // As in the C library, the upper half of the unsigned integers comes out negative.
            0xcf | 0xd3 => i64::from_be_bytes(self.bytes()?),
            0xd0 => i64::from(i8::from_be_bytes(self.bytes()?)),
            0xd1 => i64::from(i16::from_be_bytes(self.bytes()?)),
            0xd2 => i64::from(i32::from_be_bytes(self.bytes()?)),
            0xd9 => {
                let length = self.bytes::<1>()?[0];
                return self.raw(usize::from(length));
            }
            0xda => {
                let length = self.size16()?;
                return self.raw(length);
            }
            0xdb => {
                let length = self.size32()?;
                return self.raw(length);
            }
            0xdc => return Ok(Head::Array(self.size16()?)),
            0xdd => return Ok(Head::Array(self.size32()?)),
            0xde => return Ok(Head::Map(self.size16()?)),
            0xdf => return Ok(Head::Map(self.size32()?)),
            0xe0..=0xff => i64::from(head as i8),
            0xc1 | 0xc4..=0xc9 | 0xd4..=0xd8 => {
                return Err(raise::error(self.lua, "Bad data format in input."));
            }
        };
        Ok(Head::Whole(Value::Integer(number)))
    }

    fn raw(&mut self, length: usize) -> Result<Head> {
        let end = self.at.checked_add(length);
        let Some(bytes) = end.and_then(|end| self.text.get(self.at..end)) else {
            return Err(self.missing());
        };
        self.at += length;
        Ok(Head::Whole(Value::String(self.lua.create_string(bytes)?)))
    }

    fn size16(&mut self) -> Result<usize> {
        Ok(usize::from(u16::from_be_bytes(self.bytes()?)))
    }

    fn size32(&mut self) -> Result<usize> {
        Ok(u32::from_be_bytes(self.bytes()?) as usize)
    }

    fn bytes<const N: usize>(&mut self) -> Result<[u8; N]> {
        let Some((bytes, _)) = self.text[self.at..].split_first_chunk() else {
            return Err(self.missing());
        };
        self.at += N;
        Ok(*bytes)
    }

    fn missing(&self) -> Error {
        raise::error(self.lua, "Missing bytes in input.")
    }
}

impl Kind {
    /// Slots that the C library uses for one of these: its table, and an array's index.
    fn slots(&self) -> usize {
        match self {
            Kind::Array(_) => 2,
            Kind::Map(_) => 1,
        }
    }
}

impl Open {
    /// Slots for the key that waits for its value.
    fn slots_before(&self) -> usize {
        usize::from(matches!(self.kind, Kind::Map(Some(_))))
    }

    /// The same after the next value.
    fn slots_after(&self) -> usize {
        usize::from(matches!(self.kind, Kind::Map(None)))
    }

    /// Takes the next element, key, or value.
    fn take(&mut self, lua: &Lua, value: Value) -> Result<()> {
        match &mut self.kind {
            Kind::Array(index) => {
                self.table.raw_set(*index, value)?;
                *index += 1;
            }
            Kind::Map(key @ None) => {
                *key = Some(value);
                return Ok(());
            }
            Kind::Map(key) => match key.take() {
                Some(Value::Number(number)) if number.is_nan() => {
                    return Err(raise::plain(lua, "table index is NaN"));
                }
                Some(Value::Nil) | None => return Err(raise::plain(lua, "table index is nil")),
                Some(key) => self.table.raw_set(key, value)?,
            },
        }
        self.left -= 1;
        Ok(())
    }
}

fn float(value: f64) -> Head {
    Head::Whole(Value::Number(value))
}
