//! Bytes as values.
//!
//! Nesting is kept in a list instead of on the stack: its depth is up to the bytes.

use mlua::{Error, Lua, MultiValue, Result};

use crate::script::ffi::{self, Builder};
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
        let value = ffi::build(lua, |to| reader.value(to))?;
        values.push_back(value);
        reader.slots += 1;
    }
    Ok((values, reader.at))
}

/// What the head of a value says.
enum Head {
    /// That it is read, and what it is as a key.
    Whole(Key),
    Array(usize),
    Map(usize),
}

/// What a value is as the key of a table.
#[derive(Clone, Copy)]
enum Key {
    Good,
    Nil,
    Nan,
}

/// An array or map that is not complete.
struct Open {
    /// Values that are still to come; a pair of a map counts once, with its key.
    left: usize,
    kind: Kind,
}

enum Kind {
    /// With the index of the next element.
    Array(i64),
    /// With the key whose value comes next, which lies above its table.
    Map(Option<Key>),
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
    /// Makes the next value, complete.
    fn value(&mut self, to: &mut Builder<'_>) -> Result<()> {
        loop {
            let mut complete = match self.head(to)? {
                Head::Whole(key) => key,
                Head::Array(0) | Head::Map(0) => {
                    to.table(0, 0)?;
                    Key::Good
                }
                Head::Array(left) => {
                    self.begin(to, left, Kind::Array(1))?;
                    continue;
                }
                Head::Map(left) => {
                    self.begin(to, left, Kind::Map(None))?;
                    continue;
                }
            };
            loop {
                let Some(open) = self.open.last_mut() else {
                    return Ok(());
                };
                self.slots = self.slots + open.slots_after() - open.slots_before();
                open.take(self.lua, to, complete)?;
                if open.left > 0 {
                    break;
                }
                let closed = self.open.pop().expect("there is one, for it was looked at");
                self.slots -= closed.kind.slots();
                complete = Key::Good;
            }
        }
    }

    fn begin(&mut self, to: &mut Builder<'_>, left: usize, kind: Kind) -> Result<()> {
        self.slots += kind.slots();
        if matches!(kind, Kind::Array(_)) && self.slots > MAX_RESULTS {
            let text = "stack overflow (in function mp_decode_to_lua_array)";
            return Err(raise::error(self.lua, text));
        }
        to.table(0, 0)?;
        self.open.push(Open { left, kind });
        Ok(())
    }

    /// Reads a value that is no table, or the head of one that is.
    fn head(&mut self, to: &mut Builder<'_>) -> Result<Head> {
        let head = self.bytes::<1>()?[0];
        if self.slots + 1 > MAX_RESULTS {
            let text = "stack overflow (too many return values at once; use unpack_one or unpack_limit instead.)";
            return Err(raise::error(self.lua, text));
        }
        let integer = match head {
            0x00..=0x7f => i64::from(head),
            0x80..=0x8f => return Ok(Head::Map(usize::from(head & 0xf))),
            0x90..=0x9f => return Ok(Head::Array(usize::from(head & 0xf))),
            0xa0..=0xbf => return self.raw(to, usize::from(head & 0x1f)),
            0xc0 => {
                to.nil()?;
                return Ok(Head::Whole(Key::Nil));
            }
            0xc2 | 0xc3 => {
                to.boolean(head == 0xc3)?;
                return Ok(Head::Whole(Key::Good));
            }
            0xca => return number(to, f64::from(f32::from_be_bytes(self.bytes()?))),
            0xcb => return number(to, f64::from_be_bytes(self.bytes()?)),
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
                return self.raw(to, usize::from(length));
            }
            0xda => {
                let length = self.size16()?;
                return self.raw(to, length);
            }
            0xdb => {
                let length = self.size32()?;
                return self.raw(to, length);
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
        number(to, integer as f64)
    }

    fn raw(&mut self, to: &mut Builder<'_>, length: usize) -> Result<Head> {
        let end = self.at.checked_add(length);
        let Some(bytes) = end.and_then(|end| self.text.get(self.at..end)) else {
            return Err(self.missing());
        };
        self.at += length;
        to.text(bytes)?;
        Ok(Head::Whole(Key::Good))
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

    /// Takes the element, key, or value that is on top.
    fn take(&mut self, lua: &Lua, to: &mut Builder<'_>, value: Key) -> Result<()> {
        match &mut self.kind {
            Kind::Array(index) => {
                to.put_element(*index);
                *index += 1;
            }
            Kind::Map(key @ None) => {
                *key = Some(value);
                return Ok(());
            }
            Kind::Map(key) => match key.take() {
                Some(Key::Good) => to.put_pair(),
                Some(Key::Nan) => return Err(raise::plain(lua, "table index is NaN")),
                Some(Key::Nil) | None => return Err(raise::plain(lua, "table index is nil")),
            },
        }
        self.left -= 1;
        Ok(())
    }
}

fn number(to: &mut Builder<'_>, value: f64) -> Result<Head> {
    to.number(value)?;
    Ok(Head::Whole(if value.is_nan() {
        Key::Nan
    } else {
        Key::Good
    }))
}
