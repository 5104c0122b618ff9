//! [`write_value`]: a value in the oldest kind that Redis 7.0 reads and that holds it.

use std::io::{self, Write};

use super::output::Output;
use super::{VERSION, VERSION_FIELD_DEADLINES, kind, listpack, stream};
use crate::store::encoding::flat::{Encoded, Flat, Item};
use crate::store::entry::{NEVER, Object, Value};
use crate::store::types::hash::Hash;
use crate::store::types::list::{ChunkRef, List};
use crate::store::types::set::Set;
use crate::store::types::sorted_set::SortedSet;

/// A part of a list that is one element, and one that is a listpack.
const PLAIN: u64 = 1;
const PACKED: u64 = 2;
/// From so many bytes on an element of a list is no part of a listpack, as in Redis.
const MIN_PLAIN: usize = 1 << 30;

/// The kind that a value is written as.
pub fn kind_of(value: Value<'_>) -> u8 {
    match value {
        Value::Int(_) | Value::Inline(_) | Value::Object(Object::String(_)) => kind::STRING,
        Value::Object(Object::List(_)) => kind::LIST_QUICKLIST_2,
        Value::Object(Object::Set(set)) => match set.integers() {
            Some(_) => kind::SET_INTSET,
            None => kind::SET,
        },
        Value::Object(Object::SortedSet(set)) => match set.flat() {
            Some(_) => kind::SORTED_SET_LISTPACK,
            None => kind::SORTED_SET_2,
        },
        Value::Object(Object::Hash(hash)) => kind_of_hash(hash),
        Value::Object(Object::Stream(_)) => kind::STREAM_2,
    }
}

fn kind_of_hash(hash: &Hash) -> u8 {
    if hash.earliest_deadline_ms() != NEVER {
        kind::HASH_DEADLINES
    } else if hash.encoding_name() == "listpack" {
        kind::HASH_LISTPACK
    } else {
        kind::HASH
    }
}

/// The oldest version, from [`VERSION`] on, whose readers know the kind that a value is written as.
pub fn version_of(value: Value<'_>) -> u16 {
    match kind_of(value) {
        kind::HASH_DEADLINES => VERSION_FIELD_DEADLINES,
        _ => VERSION,
    }
}

/// Writes a value as [`kind_of`] says, without that byte.
pub fn write_value<W: Write>(output: &mut Output<W>, value: Value<'_>) -> io::Result<()> {
    match value {
        Value::Int(number) => output.integer(number),
        Value::Inline(text) => output.string(text),
        Value::Object(object) => match object {
            Object::String(text) => output.string(text),
            Object::List(list) => write_list(output, list),
            Object::Set(set) => write_set(output, set),
            Object::SortedSet(set) => write_sorted_set(output, set),
            Object::Hash(hash) => write_hash(output, hash),
            Object::Stream(stream) => stream::write(output, stream),
        },
    }
}

fn write_item<W: Write>(output: &mut Output<W>, item: Item<'_>) -> io::Result<()> {
    match item {
        Item::Int(value) => output.integer(value),
        Item::Bytes(bytes) => output.string(bytes),
    }
}

fn write_listpack<W: Write>(
    output: &mut Output<W>,
    entries: &[u8],
    count: usize,
    room: &mut Vec<u8>,
) -> io::Result<()> {
    if !listpack::write(&[entries], count, room) {
        return Err(io::Error::other("a collection in one buffer is too large"));
    }
    output.string(room)
}

fn write_list<W: Write>(output: &mut Output<W>, list: &List) -> io::Result<()> {
    output.number(list.chunks().count() as u64)?;
    let mut room = Vec::new();
    for chunk in list.chunks() {
        match chunk {
            ChunkRef::Flat(flat) => {
                output.number(PACKED)?;
                write_listpack(output, flat.entries(), flat.len(), &mut room)?;
            }
            // Redis 7.0 itself makes elements of their own only from this size on.
            ChunkRef::Plain(bytes) if bytes.len() < MIN_PLAIN => {
                let mut alone = Flat::new();
                alone.push_back(&Encoded::new(bytes));
                output.number(PACKED)?;
                write_listpack(output, alone.entries(), 1, &mut room)?;
            }
            ChunkRef::Plain(bytes) => {
                output.number(PLAIN)?;
                output.string(bytes)?;
            }
        }
    }
    Ok(())
}

fn write_set<W: Write>(output: &mut Output<W>, set: &Set) -> io::Result<()> {
    if let Some(integers) = set.integers() {
        return write_integers(output, integers, set.len());
    }
    output.number(set.len() as u64)?;
    set.iter().try_for_each(|member| write_item(output, member))
}

/// Integers as an intset: in as few bytes each as the largest takes.
fn write_integers<W: Write>(
    output: &mut Output<W>,
    integers: impl Iterator<Item = i64> + Clone,
    count: usize,
) -> io::Result<()> {
    let width = |value: i64| match value {
        -0x8000..=0x7fff => 2,
        -0x8000_0000..=0x7fff_ffff => 4,
        _ => 8,
    };
    let width: usize = integers.clone().map(width).max().unwrap_or(2);
    let mut bytes = Vec::with_capacity(8 + count * width);
    bytes.extend((width as u32).to_le_bytes());
    bytes.extend((count as u32).to_le_bytes());
    for value in integers {
        bytes.extend_from_slice(&value.to_le_bytes()[..width]);
    }
    output.string(&bytes)
}

/// A large set goes from its end to its beginning, in which order Redis puts it together fastest.
fn write_sorted_set<W: Write>(output: &mut Output<W>, set: &SortedSet) -> io::Result<()> {
    if let Some(flat) = set.flat() {
        return write_listpack(output, flat.entries(), flat.len(), &mut Vec::new());
    }
    output.number(set.len() as u64)?;
    for (member, score) in set.iter_back_from(set.len()) {
        write_item(output, member)?;
        output.double(score)?;
    }
    Ok(())
}

fn write_hash<W: Write>(output: &mut Output<W>, hash: &Hash) -> io::Result<()> {
    match (kind_of_hash(hash), hash.listpack_entries()) {
        (kind::HASH_LISTPACK, Some(entries)) => {
            return write_listpack(output, entries, 2 * hash.len(), &mut Vec::new());
        }
        (kind::HASH_DEADLINES, _) => return write_deadlines(output, hash),
        _ => {}
    }
    output.number(hash.len() as u64)?;
    for field in hash.iter() {
        write_item(output, field.name)?;
        write_item(output, field.value)?;
    }
    Ok(())
}

/// Each field's deadline is written as what it is above the earliest, and 1 more: 0 stands for none.
fn write_deadlines<W: Write>(output: &mut Output<W>, hash: &Hash) -> io::Result<()> {
    let deadlines = hash.iter().map(|field| field.deadline_ms);
    let earliest_ms = deadlines.min().unwrap_or(NEVER);
    output.time_ms(earliest_ms)?;
    output.number(hash.len() as u64)?;
    for field in hash.iter() {
        output.number(match field.deadline_ms {
            NEVER => 0,
            deadline_ms => deadline_ms - earliest_ms + 1,
        })?;
        write_item(output, field.name)?;
        write_item(output, field.value)?;
    }
    Ok(())
}
