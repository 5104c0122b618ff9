//! The operations of a small hash, on the entries of its [`Block`]: field, value, field, value and so on, or with a
//! deadline behind each value (0 for none), which is how Redis lays out its "listpack" and "listpackex".
//!
//! Everything is found by going through the entries, of which the limits allow few.

use super::block::Block;
use super::{Field, Ttl};
use crate::store::encoding::flat::{Encoded, Hit, Item, Iter, Needle, search};
use crate::store::table::NO_DEADLINE;

/// A field within a block: its index, and where its entries lie.
#[derive(Clone, Copy)]
pub(super) struct Found<'a> {
    /// Where the entry of the field begins.
    start: usize,
    /// Where the entry of the value begins.
    value_at: usize,
    /// Behind all of its entries.
    end: usize,
    /// What they say.
    pub(super) field: Field<'a>,
}

/// Entries that each field takes.
fn width(block: &Block) -> u32 {
    if block.is_timed() { 3 } else { 2 }
}

/// Number of fields.
#[inline]
pub(super) fn len(block: &Block) -> usize {
    (block.count() / width(block)) as usize
}

/// The deadline that an entry stands for.
fn deadline_of(item: Option<Item<'_>>) -> u64 {
    match item {
        Some(Item::Int(ms)) if ms > 0 => ms as u64,
        _ => NO_DEADLINE,
    }
}

/// The entry of a deadline; [`NO_DEADLINE`] and what no clock reaches are none.
fn encoded_deadline(deadline_ms: u64) -> Encoded<'static> {
    Encoded::int(i64::try_from(deadline_ms).unwrap_or(0))
}

/// All fields in order.
#[derive(Clone)]
pub(super) struct Fields<'a> {
    entries: Iter<'a>,
    timed: bool,
    /// Bytes of all the entries.
    total: usize,
}

impl<'a> Fields<'a> {
    pub(super) fn of(block: &'a Block) -> Self {
        Fields {
            entries: block.iter(),
            timed: block.is_timed(),
            total: block.entries().len(),
        }
    }

    /// The field that has been found, and those behind it.
    #[inline]
    fn from(block: &'a Block, hit: Hit) -> Self {
        let rest = block.entries().split_at(hit.start).1;
        Fields {
            entries: Iter::over(rest, block.count() - hit.index as u32),
            ..Fields::of(block)
        }
    }

    fn offset(&self) -> usize {
        self.total - self.entries.rest_bytes()
    }

    #[inline]
    fn next_found(&mut self) -> Option<Found<'a>> {
        let start = self.offset();
        let name = self.entries.next()?;
        let value_at = self.offset();
        let value = self.entries.next()?;
        let deadline_ms = if self.timed {
            deadline_of(self.entries.next())
        } else {
            NO_DEADLINE
        };
        Some(Found {
            start,
            value_at,
            end: self.offset(),
            field: Field {
                name,
                value,
                deadline_ms,
            },
        })
    }
}

impl<'a> Iterator for Fields<'a> {
    type Item = Field<'a>;

    #[inline]
    fn next(&mut self) -> Option<Field<'a>> {
        self.next_found().map(|found| found.field)
    }
}

/// The field called `name`.
#[inline]
pub(super) fn find<'a>(block: &'a Block, name: &[u8]) -> Option<Found<'a>> {
    let hit = search(block.entries(), &Needle::new(name), width(block) as usize)?;
    Fields::from(block, hit).next_found()
}

/// Sets a field; true if it is new. The deadline of one that has expired at `now_ms` is not kept.
pub(super) fn set(block: &mut Block, name: &[u8], value: &[u8], ttl: Ttl, now_ms: u64) -> bool {
    if matches!(ttl, Ttl::At(_)) && !block.is_timed() {
        add_deadlines(block);
    }
    let timed = block.is_timed();
    let value = Encoded::new(value);
    let Some(found) = find(block, name) else {
        let end = block.entries().len();
        let new = [
            Encoded::new(name),
            value,
            encoded_deadline(ttl.or(NO_DEADLINE)),
        ];
        block.splice(end..end, 0, if timed { &new } else { &new[..2] });
        return true;
    };
    let (old_ms, range) = (found.field.deadline_ms, found.value_at..found.end);
    let kept_ms = if old_ms <= now_ms {
        NO_DEADLINE
    } else {
        old_ms
    };
    let new = [value, encoded_deadline(ttl.or(kept_ms))];
    block.splice(
        range,
        width(block) - 1,
        if timed { &new } else { &new[..1] },
    );
    false
}

/// Sets or removes the deadline of a field, which must be there.
pub(super) fn set_deadline(block: &mut Block, name: &[u8], deadline_ms: u64) -> bool {
    if !block.is_timed() && deadline_ms != NO_DEADLINE {
        add_deadlines(block);
    }
    let Some(found) = find(block, name) else {
        return false;
    };
    if block.is_timed() {
        let old = encoded_deadline(match found.field.deadline_ms {
            NO_DEADLINE => 0,
            old_ms => old_ms,
        });
        let range = found.end - old.size()..found.end;
        block.splice(range, 1, &[encoded_deadline(deadline_ms)]);
    }
    true
}

/// Removes a field; false if there is none.
pub(super) fn remove(block: &mut Block, name: &[u8]) -> bool {
    let Some(found) = find(block, name) else {
        return false;
    };
    let range = found.start..found.end;
    block.splice(range, width(block), &[]);
    true
}

/// A lower bound of all deadlines, which is exact here.
pub(super) fn earliest_ms(block: &Block) -> u64 {
    if !block.is_timed() {
        return NO_DEADLINE;
    }
    Fields::of(block)
        .map(|field| field.deadline_ms)
        .min()
        .unwrap_or(NO_DEADLINE)
}

/// Removes all fields that are due, shows `gone` the name of each, and answers how many there were.
pub(super) fn remove_due(block: &mut Block, now_ms: u64, gone: &mut dyn FnMut(&[u8])) -> usize {
    let (mut due, mut digits) = (0, itoa::Buffer::new());
    for field in Fields::of(block).filter(|field| field.deadline_ms <= now_ms) {
        gone(field.name.text(&mut digits));
        due += 1;
    }
    if due > 0 {
        let living = Fields::of(block).filter(|field| field.deadline_ms > now_ms);
        *block = rebuilt(living, block.entries().len());
    }
    due
}

/// Puts an empty deadline behind each value.
fn add_deadlines(block: &mut Block) {
    // An empty deadline takes two bytes.
    let bytes = block.entries().len() + 2 * len(block);
    *block = rebuilt(Fields::of(block), bytes);
}

/// A block with deadlines of these fields; they take about so many bytes.
fn rebuilt<'a>(fields: impl Iterator<Item = Field<'a>>, bytes: usize) -> Block {
    let (mut entries, mut count) = (Vec::with_capacity(bytes), 0);
    let mut digits = [itoa::Buffer::new(), itoa::Buffer::new()];
    for field in fields {
        let [name, value] = &mut digits;
        for element in [
            Encoded::new(field.name.text(name)),
            Encoded::new(field.value.text(value)),
            encoded_deadline(field.deadline_ms),
        ] {
            let at = entries.len();
            entries.resize(at + element.size(), 0);
            element.write(&mut entries[at..]);
            count += 1;
        }
    }
    Block::new(&entries, count, true)
}
