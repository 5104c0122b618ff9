//! Streams, read and written.
//!
//! | part | what |
//! |---|---|
//! | chunks | their number; of each the id that its entries' ids are differences to (a string of two big-endian numbers), and its listpack |
//! | past | number of entries, last id; from [`kind::STREAM_2`] on the first id, the highest deleted id, the number of entries ever added |
//! | groups | their number; of each the name, the last id, from [`kind::STREAM_2`] on the number of entries read (-1 for unknown), what is pending, the consumers |
//! | pending | the number; of each the id (16 bytes), the time in 8 bytes, the count |
//! | consumers | their number; of each the name, the time it was seen, from [`kind::STREAM_3`] on that of its last success (-1 for none), and the ids that are pending for it |
//!
//! Groups, consumers and deliveries are collected before they are made, in order: in any order making each would take time
//! in proportion to those there are already.

use std::io::{self, Write};

use super::input::Input;
use super::output::Output;
use super::source::Source;
use super::{Error, kind, listpack};
use crate::store::encoding::flat::{Encoded, Flat};
use crate::store::types::stream::{Consumer, Delivery, EntryChunk, Group, Stream, StreamId};

/// A group that was read.
struct NewGroup {
    name: Vec<u8>,
    last_id: StreamId,
    entries_read: Option<i64>,
    /// In the order of the ids, with the number of the consumer once that is known.
    pending: Vec<Pending>,
    consumers: Vec<NewConsumer>,
}

struct NewConsumer {
    name: Vec<u8>,
    seen_ms: u64,
    active_ms: Option<u64>,
    pending: Vec<StreamId>,
}

struct Pending {
    id: StreamId,
    time_ms: u64,
    count: u64,
    consumer: Option<usize>,
}

/// Reads a stream of one of the three kinds.
pub(super) fn read<S: Source>(input: &mut Input<S>, kind: u8) -> Result<Stream, Error> {
    let mut stream = Stream::new();
    for _ in 0..input.number()? {
        let base = chunk_id(&input.string()?)?;
        let chunk = listpack::parse(input.string()?)
            .and_then(|listpack| EntryChunk::from_listpack(base, listpack))
            .ok_or(Error::Corrupt("Stream listpack integrity check failed."))?;
        if !stream.push_chunk(chunk) {
            return Err(Error::Corrupt("Stream entries are not in order"));
        }
    }
    read_past(input, kind, &mut stream)?;
    let mut groups = Vec::new();
    for _ in 0..input.number()? {
        groups.push(read_group(input, kind, &stream)?);
    }
    groups.sort_unstable_by(|a, b| a.name.cmp(&b.name));
    for group in groups {
        if !stream.create_group(&group.name, group.last_id, group.entries_read) {
            return Err(Error::Corrupt("Duplicated consumer group name"));
        }
        if let Some((_, new)) = stream.group_mut(&group.name) {
            fill_group(new, group)?;
        }
    }
    Ok(stream)
}

fn chunk_id(bytes: &[u8]) -> Result<StreamId, Error> {
    const WRONG: &str = "Stream node key entry is not the size of a stream ID";
    let bytes = bytes.try_into().map_err(|_| Error::Corrupt(WRONG))?;
    let both = u128::from_be_bytes(bytes);
    Ok(StreamId::new((both >> 64) as u64, both as u64))
}

fn read_id<S: Source>(input: &mut Input<S>) -> Result<StreamId, Error> {
    Ok(StreamId::new(input.number()?, input.number()?))
}

fn read_raw_id<S: Source>(input: &mut Input<S>) -> Result<StreamId, Error> {
    Ok(StreamId::new(
        input.u64_big_endian()?,
        input.u64_big_endian()?,
    ))
}

/// A time; one before 1970 counts as its beginning.
fn read_time_ms<S: Source>(input: &mut Input<S>) -> Result<u64, Error> {
    Ok(u64::try_from(input.i64()?).unwrap_or(0))
}

fn read_past<S: Source>(input: &mut Input<S>, kind: u8, stream: &mut Stream) -> Result<(), Error> {
    let length = input.number()?;
    // The last id may be that of a deleted entry, but never lower than that of one which is there.
    let last_id = read_id(input)?.max(stream.last_id());
    let (mut max_deleted_id, mut entries_added) = (StreamId::MIN, stream.len() as u64);
    if kind != kind::STREAM {
        read_id(input)?;
        max_deleted_id = read_id(input)?;
        entries_added = input.number()?;
    }
    if length > 0 && stream.is_empty() {
        return Err(Error::Corrupt(
            "Stream length inconsistent with its entries",
        ));
    }
    stream.set_past(last_id, Some(entries_added), Some(max_deleted_id));
    Ok(())
}

fn read_group<S: Source>(
    input: &mut Input<S>,
    kind: u8,
    stream: &Stream,
) -> Result<NewGroup, Error> {
    let name = input.string()?;
    let last_id = read_id(input)?;
    let entries_read = if kind == kind::STREAM {
        stream.extent().entries_up_to(last_id)
    } else {
        Some(input.number()? as i64).filter(|&read| read != -1)
    };
    let mut pending = Vec::new();
    for _ in 0..input.number()? {
        pending.push(Pending {
            id: read_raw_id(input)?,
            time_ms: read_time_ms(input)?,
            count: input.number()?,
            consumer: None,
        });
    }
    pending.sort_unstable_by_key(|pending| pending.id);
    if !pending.is_sorted_by(|a, b| a.id < b.id) {
        return Err(Error::Corrupt(
            "Duplicated global PEL entry loading stream consumer group",
        ));
    }
    let mut consumers = Vec::new();
    for _ in 0..input.number()? {
        consumers.push(read_consumer(input, kind)?);
    }
    Ok(NewGroup {
        name,
        last_id,
        entries_read,
        pending,
        consumers,
    })
}

fn read_consumer<S: Source>(input: &mut Input<S>, kind: u8) -> Result<NewConsumer, Error> {
    let name = input.string()?;
    let seen_ms = read_time_ms(input)?;
    let active_ms = match kind {
        kind::STREAM_3 => u64::try_from(input.i64()?).ok(),
        // Redis takes the one time that it has for the other.
        _ => Some(seen_ms),
    };
    let mut pending = Vec::new();
    for _ in 0..input.number()? {
        pending.push(read_raw_id(input)?);
    }
    Ok(NewConsumer {
        name,
        seen_ms,
        active_ms,
        pending,
    })
}

/// Gives a new group its consumers, and these what is pending for them.
fn fill_group(group: &mut Group, mut new: NewGroup) -> Result<(), Error> {
    new.consumers.sort_unstable_by(|a, b| a.name.cmp(&b.name));
    let mut ids = Vec::with_capacity(new.consumers.len());
    for (number, consumer) in new.consumers.iter().enumerate() {
        let (id, is_new) = group.find_or_create_consumer(&consumer.name, consumer.seen_ms);
        if !is_new {
            return Err(Error::Corrupt("Duplicate stream consumer detected."));
        }
        if let Some(active_ms) = consumer.active_ms {
            group.mark_active(id, active_ms);
        }
        ids.push(id);
        for &entry in &consumer.pending {
            let place = new
                .pending
                .binary_search_by_key(&entry, |pending| pending.id);
            let place = place
                .map_err(|_| Error::Corrupt("Consumer entry not found in group global PEL"))?;
            if new.pending[place].consumer.replace(number).is_some() {
                return Err(Error::Corrupt(
                    "Duplicated consumer PEL entry loading a stream consumer group",
                ));
            }
        }
    }
    for pending in new.pending {
        let number = pending
            .consumer
            .ok_or(Error::Corrupt("Stream CG PEL entry without consumer"))?;
        group.claim(Delivery {
            id: pending.id,
            time_ms: pending.time_ms,
            count: pending.count,
            consumer: ids[number],
        });
    }
    Ok(())
}

/// Writes a stream as [`kind::STREAM_2`].
pub(super) fn write<W: Write>(output: &mut Output<W>, stream: &Stream) -> io::Result<()> {
    output.number(stream.log().chunk_count() as u64)?;
    let mut listpack = Vec::new();
    for chunk in stream.log().chunks() {
        output.string(&raw_id(chunk.base_id()))?;
        write_chunk(output, chunk, &mut listpack)?;
    }
    output.number(stream.len() as u64)?;
    for id in [stream.last_id(), stream.first_id(), stream.max_deleted_id()] {
        output.number(id.ms)?;
        output.number(id.seq)?;
    }
    output.number(stream.entries_added())?;
    output.number(stream.groups().len() as u64)?;
    for group in stream.groups() {
        write_group(output, group)?;
    }
    Ok(())
}

fn raw_id(id: StreamId) -> [u8; 16] {
    (u128::from(id.ms) << 64 | u128::from(id.seq)).to_be_bytes()
}

/// The elements behind the two that the store does not keep: how many entries there are, and how many deleted ones.
fn write_chunk<W: Write>(
    output: &mut Output<W>,
    chunk: &EntryChunk,
    listpack: &mut Vec<u8>,
) -> io::Result<()> {
    let mut counts = Flat::new();
    counts.push_back(&Encoded::int(chunk.count() as i64));
    counts.push_back(&Encoded::int(0));
    let elements = chunk.elements();
    let count = counts.len() + elements.len();
    if !listpack::write(&[counts.entries(), elements.entries()], count, listpack) {
        return Err(io::Error::other("a chunk of a stream is too large"));
    }
    output.string(listpack)
}

fn write_group<W: Write>(output: &mut Output<W>, group: &Group) -> io::Result<()> {
    output.string(group.name())?;
    output.number(group.last_id.ms)?;
    output.number(group.last_id.seq)?;
    output.number(group.entries_read.unwrap_or(-1) as u64)?;
    output.number(group.pending().len() as u64)?;
    for delivery in group.pending().iter() {
        output.raw(&raw_id(delivery.id))?;
        output.time_ms(delivery.time_ms)?;
        output.number(delivery.count)?;
    }
    output.number(group.consumer_count() as u64)?;
    group
        .consumers()
        .try_for_each(|consumer| write_consumer(output, consumer))
}

fn write_consumer<W: Write>(output: &mut Output<W>, consumer: &Consumer) -> io::Result<()> {
    output.string(consumer.name())?;
    output.time_ms(consumer.seen_ms)?;
    output.number(consumer.pending().len() as u64)?;
    consumer
        .pending()
        .iter()
        .try_for_each(|id| output.raw(&raw_id(id)))
}
