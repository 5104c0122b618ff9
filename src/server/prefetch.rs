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
use crate::store::entry::Object;
use crate::store::member::Member;
use crate::store::table::Table;
use crate::store::types::sorted_set::Ahead;
use crate::text::double;

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

/// A large collection that a command names.
#[derive(Clone, Copy)]
struct Collection<'a> {
    table: &'a Table<Member>,
    /// Where its scores are, if it has some.
    scores: Option<Ahead<'a>>,
}

impl<'a> Collection<'a> {
    fn of(object: &'a Object) -> Option<Self> {
        let scores = match object {
            Object::SortedSet(set) => set.ahead(),
            _ => None,
        };
        object.table().map(|table| Collection { table, scores })
    }
}

/// The element that a command names, and what is to be done with it.
#[derive(Clone, Copy)]
struct Element<'a> {
    collection: Collection<'a>,
    hash: u64,
    /// The score that it gets.
    score: Option<f64>,
}

/// The steps for elements of large collections.
fn fetch_elements<'r>(
    gate: &Gate<'_>,
    requests: impl Iterator<Item = Request<'r>>,
    found: &Found<'_>,
    hashes: &[Option<u64>; WINDOW],
) {
    let mut elements: [Option<Element<'_>>; WINDOW] = [None; WINDOW];
    let mut moves = false;
    // Most batches that name elements go to one collection.
    let mut last: Option<(&[u8], Option<Collection<'_>>)> = None;
    for (slot, request) in requests.enumerate().take(WINDOW) {
        let (Some(command), Some(hash)) = (found[slot], hashes[slot]) else {
            continue;
        };
        let places = word(command.first_key, request).zip(word(command.spec.element, request));
        let Some((key_at, element_at)) = places else {
            continue;
        };
        let key = request.get(key_at);
        let collection = match last {
            Some((known, collection)) if known == key => collection,
            _ => gate
                .db
                .large_collection(gate.session.db, hash, key)
                .and_then(Collection::of),
        };
        last = Some((key, collection));
        if let Some(collection) = collection {
            let hash = collection.table.hash(request.get(element_at));
            collection.table.prefetch_bucket(hash);
            let score = word(command.spec.score, request)
                .filter(|_| collection.scores.is_some())
                .and_then(|at| double::parse(request.get(at)));
            moves |= score.is_some();
            elements[slot] = Some(Element {
                collection,
                hash,
                score,
            });
        }
    }
    for element in elements.iter().flatten() {
        element.collection.table.prefetch_node(element.hash);
    }
    if moves && crate::store::types::sorted_set::variant() > 0 {
        fetch_places(&elements);
    }
}

/// The steps for elements that get a score: the nodes and then the scores of the chunks that they leave and go to.
fn fetch_places(elements: &[Option<Element<'_>>; WINDOW]) {
    let mut chunks = [None; WINDOW];
    for (slot, element) in elements.iter().enumerate() {
        chunks[slot] = element.and_then(|element| {
            let scores = element.collection.scores?;
            Some(scores.chunks(element.hash, element.score?))
        });
    }
    if crate::store::types::sorted_set::variant() < 2 { return; }
    for chunks in chunks.iter().flatten() {
        chunks.fetch_scores();
    }
}
