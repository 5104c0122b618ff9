//! DEBUG's looks at how things are stored: OBJECT, HTSTATS, LISTPACK, QUICKLIST.
//!
//! They look at what lies there, expired or not, and leave no trace.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use crate::command::{Args, CommandError, CommandResult, Context};
use crate::commands::generic::object::encoding_name;
use crate::observe::log;
use crate::resp::Request;
use crate::store::db::{EntryRef, Keyspace};
use crate::store::encoding::flat::Item;
use crate::store::entry::{Object, Value};
use crate::store::table::{Chains, KeyHash, Node, Table, TableStats};
use crate::store::types::hash::Hash;
use crate::store::types::list::{ChunkRef, List};
use crate::text::number::parse_i64;

/// The access clock counts seconds in so many bits.
const CLOCK_MASK: u32 = 0x00ff_ffff;
/// A listpack has a head of 6 bytes and an end of 1 around its entries.
const LISTPACK_OVERHEAD: usize = 7;

/// The entry of the key that is the third word.
fn entry<'c>(context: &'c Context<'_>, request: Request<'_>) -> Result<EntryRef<'c>, CommandError> {
    context
        .db
        .keyspace(context.session.db)
        .table()
        .get(request.get(2))
        .ok_or(CommandError::NoSuchKey)
}

pub(super) fn object(context: &mut Context<'_>, request: Request<'_>) -> CommandResult {
    let entry = entry(context, request)?;
    let idle_s = context.db.access_clock().wrapping_sub(entry.access()) & CLOCK_MASK;
    let mut line = format!(
        "Value at:{:p} refcount:1 encoding:{} serializedlength:{} lru:{} lru_seconds_idle:{idle_s}",
        entry.as_raw(),
        encoding_name(entry),
        serialized_bytes(entry.value()),
        entry.access(),
    );
    if let Value::Object(Object::List(list)) = entry.value()
        && is_large(list)
    {
        let (nodes, bytes) = list.chunks().fold((0, 0), |(nodes, bytes), chunk| {
            (nodes + 1, bytes + chunk_bytes(chunk))
        });
        let fill = context.db.limits.list_max_listpack_size;
        let average = list.len() as f64 / f64::from(nodes);
        // Writing to a string cannot fail.
        let _ = write!(
            line,
            " ql_nodes:{nodes} ql_avg_node:{average:.2} ql_listpack_max:{fill} ql_compressed:0 ql_uncompressed_size:{bytes}"
        );
    }
    context.reply.simple(&line);
    Ok(())
}

fn is_large(list: &List) -> bool {
    list.encoding_name() == "quicklist"
}

fn chunk_bytes(chunk: ChunkRef<'_>) -> usize {
    match chunk {
        ChunkRef::Flat(flat) => flat.bytes() + LISTPACK_OVERHEAD,
        ChunkRef::Plain(bytes) => bytes.len(),
    }
}

/// Bytes of a value as a dump file has it, without compression and without its type.
fn serialized_bytes(value: Value<'_>) -> usize {
    match value {
        Value::Int(number) => integer_bytes(number),
        Value::Inline(bytes) => string_bytes(bytes),
        Value::Object(Object::String(bytes)) => string_bytes(bytes),
        Value::Object(Object::List(list)) => {
            let with_length = |bytes: usize| length_bytes(bytes) + bytes;
            let chunks = list
                .chunks()
                .map(|chunk| 1 + with_length(chunk_bytes(chunk)));
            length_bytes(list.chunks().count()) + chunks.sum::<usize>()
        }
        Value::Object(Object::Set(set)) => match set.blob_bytes() {
            Some(bytes) => length_bytes(bytes) + bytes,
            None => {
                let members = set.iter().map(|member| match member {
                    Item::Bytes(bytes) => string_bytes(bytes),
                    Item::Int(number) => integer_bytes(number),
                });
                length_bytes(set.len()) + members.sum::<usize>()
            }
        },
        Value::Object(Object::Hash(hash)) => hash_bytes(hash),
        Value::Object(Object::SortedSet(set)) => match set.flat() {
            Some(flat) => {
                let bytes = flat.bytes() + LISTPACK_OVERHEAD;
                length_bytes(bytes) + bytes
            }
            None => {
                let members = set.iter().map(|(member, _)| match member {
                    Item::Bytes(bytes) => string_bytes(bytes) + size_of::<f64>(),
                    Item::Int(number) => integer_bytes(number) + size_of::<f64>(),
                });
                length_bytes(set.len()) + members.sum::<usize>()
            }
        },
        Value::Object(Object::Stream(stream)) => stream.memory_bytes(0),
    }
}

fn hash_bytes(hash: &Hash) -> usize {
    if let Some(entries) = hash.listpack_entries() {
        let bytes = entries.len() + LISTPACK_OVERHEAD;
        return length_bytes(bytes) + bytes;
    }
    let mut digits = itoa::Buffer::new();
    let fields: usize = hash
        .iter()
        .map(|field| {
            string_bytes(field.name.text(&mut digits)) + string_bytes(field.value.text(&mut digits))
        })
        .sum();
    length_bytes(hash.len()) + fields
}

/// A string that is the text of a small integer is written as that.
fn string_bytes(bytes: &[u8]) -> usize {
    const LONGEST: usize = 11;
    match parse_i64(bytes).filter(|number| bytes.len() <= LONGEST && i32::try_from(*number).is_ok())
    {
        Some(number) => integer_bytes(number),
        None => length_bytes(bytes.len()) + bytes.len(),
    }
}

fn integer_bytes(number: i64) -> usize {
    if i8::try_from(number).is_ok() {
        2
    } else if i16::try_from(number).is_ok() {
        3
    } else if i32::try_from(number).is_ok() {
        5
    } else {
        1 + itoa::Buffer::new().format(number).len()
    }
}

/// Bytes of a length in front of what is so long.
fn length_bytes(length: usize) -> usize {
    match length {
        0..0x40 => 1,
        0x40..0x4000 => 2,
        0x4000..=0xffff_ffff => 5,
        _ => 9,
    }
}

/// The form is Redis's, the figures are those of this server's table: `table size` is its home buckets, and a chain is
/// what has one home.
pub(super) fn htstats(context: &mut Context<'_>, request: Request<'_>) -> CommandResult {
    let index = Args::new(request, 2).integer()?;
    let index = usize::try_from(index)
        .ok()
        .filter(|&index| index < context.db.databases());
    let Some(index) = index else {
        return Err(CommandError::fixed("ERR Out of range database"));
    };
    let keyspace = context.db.keyspace(index);
    let text = format!(
        "[Dictionary HT]\n{}[Expires HT]\n{}",
        table_text(keyspace.table(), is_full(request)),
        expires_text(keyspace)
    );
    context.reply.verbatim("txt", text.as_bytes());
    Ok(())
}

/// Whether chains are asked for too, which takes a look at every element's bucket.
fn is_full(request: Request<'_>) -> bool {
    request.len() > 3 && request.get(3).eq_ignore_ascii_case(b"full")
}

const EMPTY: &str =
    "Hash table 0 stats (main hash table):\nNo stats available for empty dictionaries\n";
/// Longer chains are counted with those of this length.
const LONGEST_TOLD: usize = 50;

fn table_text<N: Node, H: KeyHash>(table: &Table<N, H>, full: bool) -> String {
    let stats = table.stats();
    if stats.elements == 0 {
        return EMPTY.to_owned();
    }
    let mut text = format!(
        "Hash table 0 stats (main hash table):\n table size: {}\n number of elements: {}\n",
        stats.homes, stats.elements
    );
    if full {
        append_chains(&table.chains(), stats, &mut text).expect("writing to a string cannot fail");
    }
    text
}

fn append_chains(chains: &Chains, stats: TableStats, text: &mut String) -> std::fmt::Result {
    let used = chains.used();
    let average = stats.elements as f64 / used as f64;
    writeln!(text, " different slots: {used}")?;
    writeln!(text, " max chain length: {}", chains.longest())?;
    writeln!(text, " avg chain length (counted): {average:.2}")?;
    writeln!(text, " avg chain length (computed): {average:.2}")?;
    writeln!(text, " Chain length distribution:")?;
    let mut told = BTreeMap::<usize, usize>::new();
    for (&length, &count) in &chains.by_length {
        *told.entry(length.min(LONGEST_TOLD)).or_default() += count;
    }
    for (length, count) in told {
        let percent = count as f64 * 100.0 / stats.homes as f64;
        writeln!(text, "   {length}: {count} ({percent:.2}%)")?;
    }
    writeln!(text, " segments: {}", stats.segments)?;
    writeln!(text, " crowded segments: {}", stats.crowded_segments)?;
    writeln!(text, " buckets: {}", stats.buckets)?;
    writeln!(text, " slots: {}", stats.slots)?;
    writeln!(text, " deepest segment, bits: {}", stats.deepest)?;
    writeln!(text, " bytes: {}", stats.bytes)
}

/// Deadlines are in the entries; there is no table of them.
fn expires_text(keyspace: &Keyspace) -> String {
    match keyspace.expires() {
        0 => EMPTY.to_owned(),
        count => format!("Hash table 0 stats (main hash table):\n number of elements: {count}\n"),
    }
}

pub(super) fn htstats_key(context: &mut Context<'_>, request: Request<'_>) -> CommandResult {
    let table = match entry(context, request)?.value() {
        Value::Object(Object::Set(set)) => set.table(),
        Value::Object(Object::Hash(hash)) => hash.table(),
        Value::Object(Object::SortedSet(set)) => set.table(),
        _ => None,
    };
    let Some(table) = table else {
        return Err(CommandError::fixed(
            "ERR The value stored at the specified key is not represented using an hash table",
        ));
    };
    let text = table_text(table, is_full(request));
    context.reply.verbatim("txt", text.as_bytes());
    Ok(())
}

pub(super) fn listpack(context: &mut Context<'_>, request: Request<'_>) -> CommandResult {
    match entry(context, request)?.value() {
        Value::Object(Object::List(list)) if !is_large(list) => print_list(list, true),
        Value::Object(Object::Hash(hash)) if hash.listpack_entries().is_some() => {
            print_hash(hash);
        }
        _ => return Err(CommandError::fixed("ERR Not a listpack encoded object.")),
    }
    context.reply.simple("Listpack structure printed on stdout");
    Ok(())
}

pub(super) fn quicklist(context: &mut Context<'_>, request: Request<'_>) -> CommandResult {
    let full = request.len() > 3 && super::is_on(request.get(3));
    match entry(context, request)?.value() {
        Value::Object(Object::List(list)) if is_large(list) => print_list(list, full),
        _ => return Err(CommandError::fixed("ERR Not a quicklist encoded object.")),
    }
    context
        .reply
        .simple("Quicklist structure printed on stdout");
    Ok(())
}

/// Prints the fields of a hash to where the log goes, each with its value.
fn print_hash(hash: &Hash) {
    let mut text = String::new();
    for (number, field) in hash.iter().enumerate() {
        // Writing to a string cannot fail.
        let _ = writeln!(
            text,
            "{{{number}}} {} {}",
            String::from_utf8_lossy(&field.name.to_vec()),
            String::from_utf8_lossy(&field.value.to_vec())
        );
    }
    log::raw(&text);
}

/// Prints the chunks of a list to where the log goes, with their elements if `full`.
fn print_list(list: &List, full: bool) {
    let mut text = String::new();
    for (number, chunk) in list.chunks().enumerate() {
        let (kind, elements) = match chunk {
            ChunkRef::Flat(flat) => ("flat", flat.len()),
            ChunkRef::Plain(_) => ("plain", 1),
        };
        // Writing to a string cannot fail.
        let _ = writeln!(
            text,
            "{{chunk {number}}} {kind}, {elements} elements, {} bytes",
            chunk_bytes(chunk)
        );
    }
    if full {
        for (number, element) in list.iter().enumerate() {
            let _ = writeln!(
                text,
                "{{{number}}} {}",
                String::from_utf8_lossy(&element.to_vec())
            );
        }
    }
    log::raw(&text);
}
