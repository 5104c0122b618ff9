//! [`StreamId`]: what orders the entries of a stream.
use std::fmt;

/// An entry's id: a time and a number within it, written `ms-seq`. Ids order by the time first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StreamId {
    /// Unix milliseconds, or any number that the client gave.
    pub ms: u64,
    /// The number among the ids of the same time.
    pub seq: u64,
}

/// Room for the text of an id, see [`StreamId::text`].
pub type IdText = [u8; 41];

impl StreamId {
    /// The lowest id, which no entry has.
    pub const MIN: StreamId = StreamId::new(0, 0);
    /// The highest id.
    pub const MAX: StreamId = StreamId::new(u64::MAX, u64::MAX);

    /// The id `ms-seq`.
    pub const fn new(ms: u64, seq: u64) -> StreamId {
        StreamId { ms, seq }
    }

    /// The id behind this one; none behind the highest.
    #[inline]
    pub fn next(self) -> Option<StreamId> {
        match self.seq.checked_add(1) {
            Some(seq) => Some(StreamId::new(self.ms, seq)),
            None => Some(StreamId::new(self.ms.checked_add(1)?, 0)),
        }
    }

    /// The id in front of this one; none in front of the lowest.
    pub fn prev(self) -> Option<StreamId> {
        match self.seq.checked_sub(1) {
            Some(seq) => Some(StreamId::new(self.ms, seq)),
            None => Some(StreamId::new(self.ms.checked_sub(1)?, u64::MAX)),
        }
    }

    /// The text `ms-seq`, written into `room`.
    #[inline]
    pub fn text(self, room: &mut IdText) -> &[u8] {
        let mut digits = itoa::Buffer::new();
        let ms = digits.format(self.ms).as_bytes();
        let dash = ms.len();
        room[..dash].copy_from_slice(ms);
        room[dash] = b'-';
        let seq = digits.format(self.seq).as_bytes();
        let end = dash + 1 + seq.len();
        room[dash + 1..end].copy_from_slice(seq);
        &room[..end]
    }
}

impl fmt::Display for StreamId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.ms, self.seq)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_have_neighbours_and_texts() {
        let top = u64::MAX;
        for (id, prev, next, text) in [
            (StreamId::MIN, None, Some((0, 1)), "0-0"),
            (StreamId::new(1, 0), Some((0, top)), Some((1, 1)), "1-0"),
            (
                StreamId::new(7, top),
                Some((7, top - 1)),
                Some((8, 0)),
                "7-18446744073709551615",
            ),
            (
                StreamId::MAX,
                Some((top, top - 1)),
                None,
                "18446744073709551615-18446744073709551615",
            ),
        ] {
            let pair = |id: Option<StreamId>| id.map(|id| (id.ms, id.seq));
            assert_eq!((pair(id.prev()), pair(id.next())), (prev, next), "{id}");
            assert_eq!(id.text(&mut [0; 41]), text.as_bytes());
            assert_eq!(id.to_string(), text);
        }
    }
}
