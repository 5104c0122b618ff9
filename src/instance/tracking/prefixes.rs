//! Broadcasting: the prefixes of keys' names that clients follow, and the keys below each that have changed.
//!
//! A client's prefixes do not overlap, so that it is told of a key once ([`find_overlap`]). The keys that change are
//! gathered, and told together when a batch of commands is done.

use std::collections::{BTreeMap, BTreeSet};

/// A prefix that somebody follows.
#[derive(Debug, Default)]
pub(super) struct Followed {
    /// The clients.
    pub(super) clients: BTreeSet<u64>,
    /// The keys that have changed since the clients were last told, each with the client that changed it last.
    pub(super) changed: BTreeMap<Vec<u8>, Option<u64>>,
}

/// All prefixes.
#[derive(Debug, Default)]
pub(super) struct Prefixes {
    followed: BTreeMap<Vec<u8>, Followed>,
    /// How many prefixes have each length: a key is looked up once for each length, not compared with each prefix.
    lengths: BTreeMap<usize, usize>,
    has_changes: bool,
}

impl Prefixes {
    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.followed.len()
    }

    /// Has a client follow `prefix`.
    pub(super) fn follow(&mut self, prefix: &[u8], client: u64) {
        if !self.followed.contains_key(prefix) {
            self.followed.insert(prefix.to_vec(), Followed::default());
            *self.lengths.entry(prefix.len()).or_default() += 1;
        }
        if let Some(followed) = self.followed.get_mut(prefix) {
            followed.clients.insert(client);
        }
    }

    /// Has a client follow `prefix` no more.
    pub(super) fn leave(&mut self, prefix: &[u8], client: u64) {
        let Some(followed) = self.followed.get_mut(prefix) else {
            return;
        };
        followed.clients.remove(&client);
        if followed.clients.is_empty() {
            self.followed.remove(prefix);
            if let Some(count) = self.lengths.get_mut(&prefix.len()) {
                *count -= 1;
                if *count == 0 {
                    self.lengths.remove(&prefix.len());
                }
            }
        }
    }

    /// Notes that `key` has changed, by a client if it was one.
    pub(super) fn note(&mut self, key: &[u8], by: Option<u64>) {
        for &length in self.lengths.range(..=key.len()).map(|(length, _)| length) {
            if let Some(followed) = self.followed.get_mut(&key[..length]) {
                followed.changed.insert(key.to_vec(), by);
                self.has_changes = true;
            }
        }
    }

    /// Whether somebody is to be told of changes.
    pub(super) fn has_changes(&self) -> bool {
        self.has_changes
    }

    /// Takes out what has changed, prefix by prefix: the keys, and the clients to be told of them.
    pub(super) fn take_changes(&mut self) -> Vec<(BTreeMap<Vec<u8>, Option<u64>>, BTreeSet<u64>)> {
        self.has_changes = false;
        self.followed
            .values_mut()
            .filter(|followed| !followed.changed.is_empty())
            .map(|followed| {
                let changed = std::mem::take(&mut followed.changed);
                (changed, followed.clients.clone())
            })
            .collect()
    }
}

/// Two prefixes of which one begins with the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Overlap<'a> {
    /// The first of the new prefixes that overlaps with another.
    pub prefix: &'a [u8],
    /// The other.
    pub other: &'a [u8],
    /// Whether the other one is followed already, and not new as well.
    pub exists: bool,
}

/// The first overlap of new prefixes with those that a client follows, or with each other. The time it takes is that of
/// sorting them, however many there are.
pub fn find_overlap<'a>(existing: &'a BTreeSet<Vec<u8>>, new: &[&'a [u8]]) -> Option<Overlap<'a>> {
    let overlaps = |one: &[u8], other: &[u8]| one.starts_with(other) || other.starts_with(one);
    let at = first_overlapping(existing, new)?;
    let prefix = new[at];
    let followed = existing.iter().find(|other| overlaps(other, prefix));
    let exists = followed.is_some();
    let other = match followed {
        Some(other) => other,
        None => *new[at + 1..].iter().find(|other| overlaps(other, prefix))?,
    };
    Some(Overlap {
        prefix,
        other,
        exists,
    })
}

/// The place of the first new prefix that overlaps with another one. In sorted order those that begin with a prefix
/// follow it at once, so a stack of the prefixes of the current one shows every overlap.
fn first_overlapping(existing: &BTreeSet<Vec<u8>>, new: &[&[u8]]) -> Option<usize> {
    let mut sorted: Vec<(&[u8], Option<usize>)> = existing
        .iter()
        .map(|prefix| (&prefix[..], None))
        .chain(new.iter().zip(0..).map(|(prefix, at)| (*prefix, Some(at))))
        .collect();
    sorted.sort_unstable();
    let mut first = None;
    let mut note = |place: Option<usize>| {
        if let Some(at) = place {
            first = Some(first.map_or(at, |first: usize| first.min(at)));
        }
    };
    let mut within: Vec<(&[u8], Option<usize>)> = Vec::new();
    for (prefix, place) in sorted {
        while within
            .pop_if(|(outer, _)| !prefix.starts_with(outer))
            .is_some()
        {}
        if let Some((_, outer)) = within.last() {
            note(*outer);
            note(place);
        }
        within.push((prefix, place));
    }
    first
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn overlaps_are_found_in_the_order_of_the_words() {
        for (existing, new, want) in [
            ("", "a b c", None),
            ("", "foobar foo", Some(("foobar", "foo", false))),
            ("", "x foo foobar", Some(("foo", "foobar", false))),
            ("", "x y x", Some(("x", "x", false))),
            ("bar foo", "fo", Some(("fo", "foo", true))),
            ("bar foo", "z barb", Some(("barb", "bar", true))),
            ("bar foo", "ba fo", Some(("ba", "bar", true))),
            ("bar foo", "q qq foo", Some(("q", "qq", false))),
            ("b bb", "a c", None),
            ("b bb", "bbb", Some(("bbb", "b", true))),
            ("ab ad", "a x", Some(("a", "ab", true))),
        ] {
            let existing: BTreeSet<Vec<u8>> = existing
                .split_whitespace()
                .map(|prefix| prefix.as_bytes().to_vec())
                .collect();
            let words: Vec<&[u8]> = new.split(' ').map(str::as_bytes).collect();
            let want = want.map(|(prefix, other, exists): (&str, &str, bool)| {
                (prefix.as_bytes(), other.as_bytes(), exists)
            });
            let found = find_overlap(&existing, &words)
                .map(|found| (found.prefix, found.other, found.exists));
            assert_eq!(found, want, "{existing:?} {new}");
        }
    }

    #[test]
    fn overlaps_among_a_great_many_are_found_by_sorting() {
        let none = BTreeSet::new();
        let words: Vec<String> = (0..200_000u32).map(|n| format!("{n:06}")).collect();
        let mut new: Vec<&[u8]> = words.iter().map(|word| word.as_bytes()).collect();
        assert_eq!(find_overlap(&none, &new), None);
        new.push(b"1234");
        let found = find_overlap(&none, &new).map(|found| (found.prefix, found.other));
        assert_eq!(found, Some((b"123400".as_slice(), b"1234".as_slice())));
    }

    #[test]
    fn changes_are_gathered_below_every_prefix_of_the_key() {
        let mut prefixes = Prefixes::default();
        prefixes.follow(b"", 1);
        prefixes.follow(b"a:", 2);
        prefixes.follow(b"a:", 3);
        prefixes.follow(b"b:", 2);
        for (key, by) in [("a:1", Some(2)), ("c", None), ("a:1", Some(3)), ("a", None)] {
            prefixes.note(key.as_bytes(), by);
        }
        assert!(prefixes.has_changes());
        let all = BTreeMap::from([
            (b"a".to_vec(), None),
            (b"a:1".to_vec(), Some(3)),
            (b"c".to_vec(), None),
        ]);
        let below = BTreeMap::from([(b"a:1".to_vec(), Some(3))]);
        assert_eq!(
            prefixes.take_changes(),
            [(all, BTreeSet::from([1])), (below, BTreeSet::from([2, 3]))]
        );
        assert!(!prefixes.has_changes() && prefixes.take_changes().is_empty());
        prefixes.leave(b"", 1);
        prefixes.leave(b"a:", 2);
        prefixes.leave(b"unknown", 2);
        prefixes.note(b"c", None);
        assert!(!prefixes.has_changes());
        prefixes.leave(b"a:", 3);
        prefixes.leave(b"b:", 2);
        assert_eq!((prefixes.len(), prefixes.lengths.len()), (0, 0));
    }
}
