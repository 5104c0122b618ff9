//! The keys that clients have read, with the clients: who is to be told when one of them changes.
//!
//! A key is here from the first read to its next change, or until the table has grown beyond `tracking-table-max-keys`.
//! Clients are known by their numbers: those that have left stay in the table until their keys change, as to look for
//! them would cost more than it gives back.

use std::collections::HashMap;
use std::sync::Arc;

/// A key, and the clients that have read it in ascending order.
#[derive(Debug)]
struct Place {
    key: Arc<[u8]>,
    readers: Vec<u64>,
}

/// The table. Keys are named by peers, so its hash is the keyed one of the standard library.
#[derive(Debug, Default)]
pub(super) struct ReadKeys {
    /// All keys in no order, so that one can be chosen at random.
    places: Vec<Place>,
    index: HashMap<Arc<[u8]>, usize>,
    items: usize,
}

impl ReadKeys {
    /// How many keys there are.
    pub(super) fn len(&self) -> usize {
        self.places.len()
    }

    /// How many pairs of a key and a client there are.
    pub(super) fn items(&self) -> usize {
        self.items
    }

    /// Notes that a client has read `key`.
    pub(super) fn add(&mut self, key: &[u8], reader: u64) {
        let Some(&at) = self.index.get(key) else {
            let key: Arc<[u8]> = Arc::from(key);
            self.index.insert(Arc::clone(&key), self.places.len());
            let readers = vec![reader];
            self.places.push(Place { key, readers });
            self.items += 1;
            return;
        };
        let readers = &mut self.places[at].readers;
        if let Err(before) = readers.binary_search(&reader) {
            readers.insert(before, reader);
            self.items += 1;
        }
    }

    /// Takes `key` out: the clients that have read it.
    pub(super) fn take(&mut self, key: &[u8]) -> Vec<u64> {
        match self.index.get(key) {
            Some(&at) => self.take_at(at).1,
            None => Vec::new(),
        }
    }

    /// Takes a random key out, with the clients that have read it.
    pub(super) fn take_random(&mut self, rng: &mut fastrand::Rng) -> Option<(Arc<[u8]>, Vec<u64>)> {
        (!self.places.is_empty()).then(|| self.take_at(rng.usize(..self.places.len())))
    }

    fn take_at(&mut self, at: usize) -> (Arc<[u8]>, Vec<u64>) {
        let Place { key, readers } = self.places.swap_remove(at);
        self.index.remove(&key);
        if let Some(moved) = self.places.get(at)
            && let Some(place) = self.index.get_mut(&moved.key)
        {
            *place = at;
        }
        self.items -= readers.len();
        (key, readers)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_taken_out_with_all_who_have_read_it() {
        let mut keys = ReadKeys::default();
        for (key, reader) in [("a", 2), ("b", 1), ("a", 1), ("a", 2), ("c", 3)] {
            keys.add(key.as_bytes(), reader);
        }
        assert_eq!((keys.len(), keys.items()), (3, 4));
        assert_eq!(keys.take(b"a"), [1, 2]);
        assert_eq!(keys.take(b"a"), [0; 0], "it is told once");
        assert_eq!((keys.len(), keys.items()), (2, 2));
        assert_eq!(keys.take(b"c"), [3], "the one that took its place");
        assert_eq!(keys.take(b"b"), [1]);
        assert_eq!((keys.len(), keys.items()), (0, 0));
    }

    #[test]
    fn random_keys_are_taken_until_none_is_left() {
        let mut keys = ReadKeys::default();
        for number in 0..100u64 {
            keys.add(&number.to_le_bytes(), number);
        }
        let mut rng = fastrand::Rng::with_seed(7);
        let mut seen = Vec::new();
        while let Some((key, readers)) = keys.take_random(&mut rng) {
            assert_eq!(key[..], readers[0].to_le_bytes());
            seen.push(readers[0]);
        }
        assert!(!seen.is_sorted(), "in no order");
        seen.sort_unstable();
        assert!(seen.into_iter().eq(0..100));
        assert_eq!(keys.items(), 0);
    }
}
