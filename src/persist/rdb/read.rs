//! [`read_value`]: a value of any kind, checked, in the form that the store's limits ask for.
//!
//! A collection that comes in one string is taken over as it is where the store has the same form: its entries are checked
//! one by one, and its members for being different. What is out of order, or too large for the small form, is built anew.

use std::sync::Arc;

use super::input::Input;
use super::source::Source;
use super::{Error, VERSION_VALKEY, kind, legacy, listpack, stream};
use crate::store::db::EncodingLimits;
use crate::store::encoding::flat::{Flat, Item};
use crate::store::entry::{Entry, MAX_INLINE, NEVER, NewValue, Object};
use crate::store::member::{Member, Word};
use crate::store::types::hash::{Builder as HashBuilder, Hash, HashLimits};
use crate::store::types::list::{Builder as ListBuilder, Fill};
use crate::store::types::set::{Set, SetLimits};
use crate::store::types::sorted_set::{Limits as SortedSetLimits, SortedSet};
use crate::text::double;

/// Fields have no later deadlines than this, in Unix milliseconds: Redis stores them in 48 bits. Valkey's may be later, and
/// then are this one.
const MAX_FIELD_DEADLINE_MS: u64 = (1 << 48) - 2;
/// A part of a list that is one element.
const PLAIN: u64 = 1;
/// A part of a list that is a listpack.
const PACKED: u64 = 2;

/// A value that was read.
#[derive(Debug)]
pub enum Loaded {
    /// A string.
    String(Vec<u8>),
    /// A collection.
    Object(Object),
}

impl Loaded {
    /// The value under a key; `deadline_ms` is [`NEVER`] for one that does not expire.
    pub fn into_entry(self, key: &[u8], deadline_ms: u64) -> Entry {
        match self {
            Loaded::String(text) if text.len() <= MAX_INLINE => {
                Entry::new(key, NewValue::String(&text), deadline_ms)
            }
            Loaded::String(text) => {
                let object = Object::String(Arc::new(text));
                Entry::new(key, NewValue::Object(object), deadline_ms)
            }
            Loaded::Object(object) => Entry::new(key, NewValue::Object(object), deadline_ms),
        }
    }
}

/// Reads a value of this kind.
pub fn read_value<S: Source>(
    input: &mut Input<S>,
    kind: u8,
    limits: &EncodingLimits,
) -> Result<Loaded, Error> {
    let object = match kind {
        kind::STRING => return Ok(Loaded::String(input.string()?)),
        kind::LIST | kind::LIST_ZIPLIST | kind::LIST_QUICKLIST | kind::LIST_QUICKLIST_2 => {
            list(input, kind, Fill(limits.list_max_listpack_size))?
        }
        kind::SET | kind::SET_INTSET | kind::SET_LISTPACK => {
            Object::Set(set(input, kind, set_limits(limits))?)
        }
        kind::SORTED_SET
        | kind::SORTED_SET_2
        | kind::SORTED_SET_ZIPLIST
        | kind::SORTED_SET_LISTPACK => {
            Object::SortedSet(sorted_set(input, kind, sorted_set_limits(limits))?)
        }
        kind::HASH
        | kind::HASH_ZIPMAP
        | kind::HASH_ZIPLIST
        | kind::HASH_LISTPACK
        | kind::HASH_DEADLINES_OLD
        | kind::HASH_LISTPACK_DEADLINES_OLD
        | kind::HASH_DEADLINES
        | kind::HASH_LISTPACK_DEADLINES => Object::Hash(hash(input, kind, hash_limits(limits))?),
        kind::STREAM | kind::STREAM_2 | kind::STREAM_3 => {
            Object::Stream(stream::read(input, kind)?)
        }
        kind::MODULE => return Err(Error::Module("of a release candidate of 4.0".into())),
        kind::MODULE_2 => return Err(Error::Module(module_name(input.number()?))),
        unknown => return Err(Error::Unknown(unknown)),
    };
    Ok(Loaded::Object(object))
}

/// The name of a module's type: nine characters of six bits each, above ten bits of its version.
pub(super) fn module_name(id: u64) -> String {
    const CHARACTERS: &[u8; 64] =
        b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let character = |at: u32| CHARACTERS[(id >> (10 + 6 * at)) as usize & 63] as char;
    (0..9).rev().map(character).collect()
}

fn set_limits(limits: &EncodingLimits) -> SetLimits {
    SetLimits {
        intset_entries: limits.set_max_intset_entries,
        listpack_entries: limits.set_max_listpack_entries,
        listpack_value: limits.set_max_listpack_value,
    }
}

fn sorted_set_limits(limits: &EncodingLimits) -> SortedSetLimits {
    SortedSetLimits {
        entries: limits.zset_max_listpack_entries,
        value_bytes: limits.zset_max_listpack_value,
    }
}

fn hash_limits(limits: &EncodingLimits) -> HashLimits {
    HashLimits {
        entries: limits.hash_max_listpack_entries,
        value: limits.hash_max_listpack_value,
    }
}

fn list<S: Source>(input: &mut Input<S>, kind: u8, fill: Fill) -> Result<Object, Error> {
    let mut list = ListBuilder::new(fill);
    if kind == kind::LIST_ZIPLIST {
        let ziplist = legacy::ziplist(&input.string()?);
        list.push_flat(ziplist.ok_or(Error::Corrupt("List ziplist integrity check failed."))?);
    } else {
        for _ in 0..input.count()? {
            list_part(input, kind, &mut list)?;
        }
    }
    let list = list.finish();
    if list.is_empty() {
        return Err(Error::Empty);
    }
    Ok(Object::List(list))
}

/// Reads an element, or a chunk of elements.
fn list_part<S: Source>(
    input: &mut Input<S>,
    kind: u8,
    list: &mut ListBuilder,
) -> Result<(), Error> {
    let container = match kind {
        kind::LIST => PLAIN,
        kind::LIST_QUICKLIST_2 => input.number()?,
        _ => PACKED,
    };
    let bytes = input.string()?;
    match (container, kind) {
        (PLAIN, kind::LIST) => list.push(Arc::new(bytes)),
        (PLAIN, _) if !bytes.is_empty() => list.push(Arc::new(bytes)),
        (PACKED, kind::LIST_QUICKLIST) => {
            let elements = legacy::ziplist(&bytes);
            list.push_flat(elements.ok_or(Error::Corrupt("Ziplist integrity check failed."))?);
        }
        (PACKED, _) => {
            let elements = listpack::parse(bytes);
            list.push_flat(elements.ok_or(Error::Corrupt("Listpack integrity check failed."))?);
        }
        _ => return Err(Error::Corrupt("Quicklist integrity check failed.")),
    }
    Ok(())
}

fn set<S: Source>(input: &mut Input<S>, kind: u8, limits: SetLimits) -> Result<Set, Error> {
    match kind {
        kind::SET_LISTPACK => {
            let members = listpack::parse(input.string()?)
                .filter(|members| listpack::are_distinct(members, 1))
                .ok_or(Error::Corrupt("Set listpack integrity check failed."))?;
            not_empty(&members)?;
            Ok(Set::from_listpack(members, limits))
        }
        kind::SET_INTSET => {
            let bytes = input.string()?;
            let integers =
                legacy::intset(&bytes).ok_or(Error::Corrupt("Intset integrity check failed."))?;
            let mut set = Set::new();
            for value in integers {
                set.insert_item(Item::Int(value), limits);
            }
            if set.is_empty() {
                return Err(Error::Empty);
            }
            Ok(set)
        }
        _ => {
            let count = input.count()?;
            let mut member = input.string()?;
            let expected = usize::try_from(count).unwrap_or(usize::MAX);
            let mut set = Set::for_members(&member, expected, limits);
            set.insert(&member, limits);
            for _ in 1..count {
                input.string_into(&mut member)?;
                if !set.insert(&member, limits) {
                    return Err(Error::Corrupt("Duplicate set members detected"));
                }
            }
            Ok(set)
        }
    }
}

fn sorted_set<S: Source>(
    input: &mut Input<S>,
    kind: u8,
    limits: SortedSetLimits,
) -> Result<SortedSet, Error> {
    let pairs = match kind {
        kind::SORTED_SET_ZIPLIST => {
            let pairs = legacy::ziplist(&input.string()?).filter(are_scored);
            pairs.ok_or(Error::Corrupt("Zset ziplist integrity check failed."))?
        }
        kind::SORTED_SET_LISTPACK => {
            let pairs = listpack::parse(input.string()?).filter(are_scored);
            pairs.ok_or(Error::Corrupt("Zset listpack integrity check failed."))?
        }
        _ => return scored_members(input, kind, limits),
    };
    not_empty(&pairs)?;
    Ok(
        SortedSet::from_listpack(pairs, limits).unwrap_or_else(|pairs| {
            let mut items = pairs.iter();
            let mut digits = itoa::Buffer::new();
            let mut members = Vec::with_capacity(pairs.len() / 2);
            while let (Some(member), Some(score)) = (items.next(), items.next()) {
                let word = Word::Score(score_of(score).unwrap_or_default());
                members.push(Member::new(member.text(&mut digits), &[], word));
            }
            SortedSet::from_members(members, limits)
        }),
    )
}

/// Whether these are members, each once, and scores.
fn are_scored(pairs: &Flat) -> bool {
    pairs.len().is_multiple_of(2)
        && pairs
            .iter()
            .skip(1)
            .step_by(2)
            .all(|item| score_of(item).is_some())
        && listpack::are_distinct(pairs, 2)
}

fn score_of(item: Item<'_>) -> Option<f64> {
    match item {
        Item::Int(value) => Some(value as f64),
        Item::Bytes(text) => double::parse(text).filter(|score| !score.is_nan()),
    }
}

fn scored_members<S: Source>(
    input: &mut Input<S>,
    kind: u8,
    limits: SortedSetLimits,
) -> Result<SortedSet, Error> {
    let mut members = Vec::new();
    let mut member = Vec::new();
    for _ in 0..input.count()? {
        input.string_into(&mut member)?;
        let score = match kind {
            kind::SORTED_SET => input.double_text()?,
            _ => input.double()?,
        };
        if score.is_nan() {
            return Err(Error::Corrupt("Zset with NAN score detected"));
        }
        members.push(Member::new(&member, &[], Word::Score(score)));
    }
    let count = members.len();
    let set = SortedSet::from_members(members, limits);
    // A large one has found members that it has already; a small one has not looked.
    let is_small_with_duplicates = set
        .flat()
        .is_some_and(|pairs| !listpack::are_distinct(pairs, 2));
    if set.len() != count || is_small_with_duplicates {
        return Err(Error::Corrupt("Duplicate zset fields detected"));
    }
    Ok(set)
}

fn hash<S: Source>(input: &mut Input<S>, kind: u8, limits: HashLimits) -> Result<Hash, Error> {
    match kind {
        kind::HASH | kind::HASH_DEADLINES_OLD | kind::HASH_DEADLINES => {
            return hash_fields(input, kind, limits);
        }
        kind::HASH_LISTPACK_DEADLINES | kind::HASH_LISTPACK_DEADLINES_OLD => {
            return hash_triples(input, kind, limits);
        }
        _ => {}
    }
    let bytes = input.string()?;
    let (pairs, what) = match kind {
        kind::HASH_ZIPMAP => (legacy::zipmap(&bytes), "Zipmap integrity check failed."),
        kind::HASH_ZIPLIST => (
            legacy::ziplist(&bytes),
            "Hash ziplist integrity check failed.",
        ),
        _ => (
            listpack::parse(bytes),
            "Hash listpack integrity check failed.",
        ),
    };
    let pairs = pairs
        .filter(|pairs| pairs.len().is_multiple_of(2) && listpack::are_distinct(pairs, 2))
        .ok_or(Error::Corrupt(what))?;
    not_empty(&pairs)?;
    if kind != kind::HASH_ZIPMAP {
        return Ok(Hash::from_listpack(&pairs, limits));
    }
    // Redis looks at the lengths in a zipmap, which it has to read as a whole anyway.
    let mut hash = HashBuilder::new(pairs.len() as u64 / 2, false, limits);
    let mut items = pairs.iter();
    let mut digits = [itoa::Buffer::new(), itoa::Buffer::new()];
    while let (Some(name), Some(value)) = (items.next(), items.next()) {
        let [name_digits, value_digits] = &mut digits;
        hash.push(name.text(name_digits), value.text(value_digits), NEVER);
    }
    Ok(hash.finish())
}

/// A hash whose fields are strings of their own.
fn hash_fields<S: Source>(
    input: &mut Input<S>,
    kind: u8,
    limits: HashLimits,
) -> Result<Hash, Error> {
    let is_valkey = kind == kind::HASH_DEADLINES_OLD && input.version >= VERSION_VALKEY;
    // Deadlines are written as what they are above the earliest, and 1 more.
    let base_ms = match kind {
        kind::HASH_DEADLINES => u64::try_from(input.i64()?)
            .map_err(|_| Error::Corrupt("Hash read invalid minExpire value"))?,
        _ => 1,
    };
    let count = input.count()?;
    let mut hash = HashBuilder::new(count, kind != kind::HASH, limits);
    let (mut name, mut value) = (Vec::new(), Vec::new());
    for _ in 0..count {
        let mut deadline_ms = match kind {
            kind::HASH => NEVER,
            _ if is_valkey => NEVER,
            _ => field_deadline(input.number()?, base_ms)?,
        };
        input.string_into(&mut name)?;
        input.string_into(&mut value)?;
        if is_valkey && let Ok(ms) = u64::try_from(input.i64()?) {
            deadline_ms = ms.clamp(1, MAX_FIELD_DEADLINE_MS);
        }
        if !hash.push(&name, &value, deadline_ms) {
            return Err(Error::Corrupt("Duplicate hash fields detected"));
        }
    }
    Ok(hash.finish())
}

/// The deadline that `number` stands for: none if it is 0.
fn field_deadline(number: u64, base_ms: u64) -> Result<u64, Error> {
    match number.checked_sub(1) {
        None => Ok(NEVER),
        Some(above_ms) => above_ms
            .checked_add(base_ms)
            .filter(|&deadline_ms| deadline_ms <= MAX_FIELD_DEADLINE_MS)
            // In a listpack 0 stands for none.
            .map(|deadline_ms| deadline_ms.max(1))
            .ok_or(Error::Corrupt("invalid expireAt time")),
    }
}

/// A hash in one listpack of fields, values and deadlines.
fn hash_triples<S: Source>(
    input: &mut Input<S>,
    kind: u8,
    limits: HashLimits,
) -> Result<Hash, Error> {
    const WRONG: Error = Error::Corrupt("Hash listpack integrity check failed.");
    if kind == kind::HASH_LISTPACK_DEADLINES {
        // The earliest deadline, which shows in the fields as well.
        input.i64()?;
    }
    let triples = listpack::parse(input.string()?)
        .filter(|triples| triples.len().is_multiple_of(3))
        .ok_or(WRONG)?;
    not_empty(&triples)?;
    let mut hash = HashBuilder::new(triples.len() as u64 / 3, true, limits);
    let mut items = triples.iter();
    let mut digits = [itoa::Buffer::new(), itoa::Buffer::new()];
    while let (Some(name), Some(value), Some(deadline)) = (items.next(), items.next(), items.next())
    {
        let deadline_ms = match deadline {
            Item::Int(ms) => field_deadline(u64::try_from(ms).map_err(|_| WRONG)?, 1)?,
            Item::Bytes(_) => return Err(WRONG),
        };
        let [name_digits, value_digits] = &mut digits;
        if !hash.push(
            name.text(name_digits),
            value.text(value_digits),
            deadline_ms,
        ) {
            return Err(WRONG);
        }
    }
    Ok(hash.finish())
}

fn not_empty(elements: &Flat) -> Result<(), Error> {
    if elements.is_empty() {
        return Err(Error::Empty);
    }
    Ok(())
}
