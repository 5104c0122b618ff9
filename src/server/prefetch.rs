//! Fetching ahead: before the first commands of a batch run, the cache lines that they will touch are asked for, so that
//! the misses of several commands overlap instead of following each other.
//!
//! Four steps, each of which needs what the one before has fetched: the bucket of each key, the entry, and, where the
//! command names one element of a large collection, the element's bucket and the element itself.
//!
//! A command takes part by its key specs; for the last two steps its spec says where the element is
//! ([`element_at`](crate::command::CommandSpec::element_at)).

use super::dispatch::Gate;
use crate::command::Command;
use crate::resp::Request;
use crate::store::member::Member;
use crate::store::table::Table;

/// How many commands are looked at ahead.
pub const WINDOW: usize = 16;

/// What the names of the commands ahead have been found to be, so that the gate need not look again.
pub type Found<'a> = [Option<&'a Command>; WINDOW];

/// Looks ahead at up to [`WINDOW`] requests.
pub fn look_ahead<'a, 'r>(
    gate: &Gate<'a>,
    requests: impl Iterator<Item = Request<'r>> + Clone,
) -> Found<'a> {
    let index = gate.session.db;
    let mut found: Found<'a> = [None; WINDOW];
    let mut hashes = [None; WINDOW];
    let mut names_elements = false;
    for (slot, request) in requests.clone().enumerate().take(WINDOW) {
        let Some(command) = gate.instance.registry.find(request.get(0)) else {
            continue;
        };
        found[slot] = Some(command);
        if let Some(at) = word(command.first_key, request) {
            hashes[slot] = Some(gate.db.prefetch_bucket(index, request.get(at)));
            names_elements |= command.spec.element.is_some();
        }
    }
    for hash in hashes.iter().flatten() {
        gate.db.prefetch_entry(index, *hash);
    }
    if names_elements {
        fetch_elements(gate, requests, &found, &hashes);
    }
    found
}

/// The word at a place that a spec names, if the request has so many.
#[inline]
fn word(at: Option<u16>, request: Request<'_>) -> Option<usize> {
    at.map(usize::from).filter(|&at| at < request.len())
}

/// The steps for elements of large collections.
fn fetch_elements<'r>(
    gate: &Gate<'_>,
    requests: impl Iterator<Item = Request<'r>>,
    found: &Found<'_>,
    hashes: &[Option<u64>; WINDOW],
) {
    let mut elements: [Option<(&Table<Member>, u64)>; WINDOW] = [None; WINDOW];
    // Most batches that name elements go to one collection.
    let mut last: Option<(&[u8], Option<&Table<Member>>)> = None;
    for (slot, request) in requests.enumerate().take(WINDOW) {
        let (Some(command), Some(hash)) = (found[slot], hashes[slot]) else {
            continue;
        };
        let places = word(command.first_key, request).zip(word(command.spec.element, request));
        let Some((key_at, element_at)) = places else {
            continue;
        };
        let key = request.get(key_at);
        let table = match last {
            Some((known, table)) if known == key => table,
            _ => gate.db.large_collection(gate.session.db, hash, key),
        };
        last = Some((key, table));
        if let Some(table) = table {
            let hash = table.hash(request.get(element_at));
            table.prefetch_bucket(hash);
            elements[slot] = Some((table, hash));
        }
    }
    for (table, hash) in elements.iter().flatten() {
        table.prefetch_node(*hash);
    }
}

#[cfg(test)]
mod tests {
    use crate::command::Registry;

    #[test]
    fn the_first_key_is_found_without_reading_the_words_before_it() {
        let registry = Registry::new(crate::commands::all(), &[]);
        for (name, want) in [
            ("get", Some(1)),
            ("eval", Some(3)),
            ("fcall", Some(3)),
            ("zunion", Some(2)),
            ("object", None),
            ("ping", None),
        ] {
            let command = registry.find(name.as_bytes());
            let first_key = command.expect("it is there").first_key;
            assert_eq!(first_key, want, "{name}");
        }
    }
}
