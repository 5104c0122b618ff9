//! Fetching ahead: before the first commands of a batch run, the cache lines that they will touch are asked for, so that
//! the misses of several commands overlap instead of following each other.
//!
//! Each step needs what the one before has fetched: the bucket of each key, the entry, and, where the command names one
//! element of a large collection, the element's bucket and the element itself. If it gives an element of a sorted set a
//! score, four more go to the places of the old and the new score ([`Move`]).
//!
//! A command takes part by its key specs; for the steps that follow its spec says where the element is
//! ([`element_at`](crate::command::CommandSpec::element_at)) and its score ([`score`](crate::command::CommandSpec::score)).

use super::dispatch::Gate;
use crate::command::{Command, CommandSpec, NewScore};
use crate::resp::Request;
use crate::store::entry::Object;
use crate::store::member::Member;
use crate::store::table::Table;
use crate::store::types::sorted_set::{Ahead, Move};
use crate::text::double;
use crate::text::short::same;

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
    // Most batches say the same again and again, of one key or of several.
    let mut last: Option<(&[u8], &Command)> = None;
    let mut last_key: Option<(&[u8], u64)> = None;
    for (slot, request) in requests.clone().enumerate().take(WINDOW) {
        let name = request.get(0);
        let command = match last {
            Some((known, command)) if same(known, name) => command,
            _ => match gate.instance.registry.find(name) {
                Some(command) => command,
                None => continue,
            },
        };
        last = Some((name, command));
        found[slot] = Some(command);
        if let Some(at) = word(command.first_key, request) {
            let key = request.get(at);
            let hash = match last_key {
                Some((known, hash)) if same(known, key) => hash,
                _ => gate.db.prefetch_bucket(index, key),
            };
            last_key = Some((key, hash));
            hashes[slot] = Some(hash);
            names_elements |= command.spec.element.is_some();
        }
    }
    let mut last = None;
    for &hash in hashes.iter().flatten() {
        if last != Some(hash) {
            gate.db.prefetch_entry(index, hash);
        }
        last = Some(hash);
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
    score: Option<Score>,
}

/// The score that an element gets.
#[derive(Clone, Copy)]
enum Score {
    This(f64),
    IncreasedBy(f64),
}

impl Score {
    /// What the request says in the place that the command's spec names; nothing if that is no number.
    #[inline]
    fn of(spec: &CommandSpec, request: Request<'_>) -> Option<Score> {
        let number = |at| double::parse(request.get(word(Some(at), request)?));
        match spec.score? {
            NewScore::At(at) => number(at).map(Score::This),
            NewScore::IncreasedBy(at) => number(at).map(Score::IncreasedBy),
        }
    }
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
            Some((known, collection)) if same(known, key) => collection,
            _ => gate
                .db
                .large_collection(gate.session.db, hash, key)
                .and_then(Collection::of),
        };
        last = Some((key, collection));
        if let Some(collection) = collection {
            let hash = collection.table.hash(request.get(element_at));
            collection.table.prefetch_bucket(hash);
            let score = collection
                .scores
                .and_then(|_| Score::of(command.spec, request));
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
    if moves {
        fetch_places(&elements);
    }
}

/// The steps for elements that get a score: what lies where they are and where they go.
fn fetch_places(elements: &[Option<Element<'_>>; WINDOW]) {
    let mut moves: [Option<Move<'_>>; WINDOW] = [const { None }; WINDOW];
    for (slot, element) in elements.iter().enumerate() {
        moves[slot] = element.and_then(|element| {
            let score = element.score?;
            let new = |old: Option<f64>| match score {
                Score::This(score) => score,
                Score::IncreasedBy(increment) => old.unwrap_or(0.0) + increment,
            };
            Some(element.collection.scores?.start(element.hash, new))
        });
    }
    for one in moves.iter().flatten() {
        one.fetch_scores();
    }
    for one in moves.iter_mut().flatten() {
        one.fetch_references();
    }
    for one in moves.iter().flatten() {
        one.fetch_ties();
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
