//! [`Trim`]: removing entries from the front of a stream.
use std::ops::Range;

use super::id::StreamId;
use super::log::NodeLimit;
use super::{Repr, Stream};
use crate::store::tree::Chunk;

/// So many entries take long to drop.
const MANY: usize = 10_000;

/// How much of a stream is to be left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Threshold {
    /// So many entries.
    MaxLen(u64),
    /// The entries from this id on.
    MinId(StreamId),
}

/// What becomes of the references that groups hold to deleted entries.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum References {
    /// They stay.
    #[default]
    Keep,
    /// They are removed too.
    Delete,
    /// Only what no group refers to or waits for is deleted.
    Acked,
}

/// What a trim is to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Trim {
    /// What is to be left.
    pub threshold: Threshold,
    /// Whether only whole chunks are worth the effort.
    pub approximate: bool,
    /// The most entries that go, 0 for no limit. Of use with `approximate` alone.
    pub limit: usize,
    /// What becomes of references.
    pub references: References,
}

/// What a trim has done.
#[derive(Debug, Default)]
pub struct Trimmed {
    /// How many entries went.
    pub removed: usize,
    /// If they are many, what still holds them: to be dropped where that hurts nobody.
    pub remains: Option<Stream>,
}

/// Entries that no group needs any more.
struct Unneeded {
    /// Their places.
    runs: Vec<Range<usize>>,
    count: usize,
    /// The last of them that has one in front of it that stays.
    hole: Option<StreamId>,
}

impl Stream {
    /// Removes entries from the front.
    pub fn trim(&mut self, trim: &Trim, limit: NodeLimit) -> Trimmed {
        let candidates = self.0.candidates(trim);
        if candidates == 0 {
            return Trimmed::default();
        }
        if trim.references == References::Acked && !self.0.groups.is_empty() {
            return self.trim_acked(trim, candidates, limit);
        }
        let remains = (candidates > MANY).then(|| self.clone());
        let repr = self.repr_mut();
        if trim.references == References::Delete {
            repr.drop_references(candidates);
        }
        repr.log.tree.remove(0..candidates, limit.chunk_limit());
        Trimmed {
            removed: candidates,
            remains,
        }
    }

    /// Removes entries that no group needs any more: as many as `candidates`, which may lie behind others that stay. Behind a
    /// backlog there often are none, and then nothing is copied for the sake of a snapshot.
    fn trim_acked(&mut self, trim: &Trim, candidates: usize, limit: NodeLimit) -> Trimmed {
        let Unneeded { runs, count, hole } = self.0.unneeded(trim, candidates);
        if count == 0 {
            return Trimmed::default();
        }
        let remains = (count > MANY).then(|| self.clone());
        let repr = self.repr_mut();
        for run in runs.into_iter().rev() {
            repr.log.tree.remove(run, limit.chunk_limit());
        }
        // What is missing between others shows in what groups can know of their lag, as with XDEL.
        if let Some(id) = hole {
            repr.max_deleted_id = repr.max_deleted_id.max(id);
        }
        Trimmed {
            removed: count,
            remains,
        }
    }
}

impl Repr {
    /// How many entries are to go from the front.
    fn candidates(&self, trim: &Trim) -> usize {
        match trim.threshold {
            _ if trim.approximate => self.whole_chunks(trim),
            Threshold::MaxLen(most) => {
                let most = usize::try_from(most).unwrap_or(usize::MAX);
                self.log.len().saturating_sub(most)
            }
            Threshold::MinId(id) => self.log.position(id),
        }
    }

    /// The number of entries in the first chunks that can go as a whole.
    fn whole_chunks(&self, trim: &Trim) -> usize {
        let len = self.log.len() as u64;
        let mut count = 0;
        for chunk in self.log.chunks() {
            let with = count + chunk.len();
            let goes = match trim.threshold {
                Threshold::MaxLen(most) => len - with as u64 >= most && len - count as u64 > most,
                Threshold::MinId(id) => chunk.last_id() < id,
            };
            if !goes || (trim.limit > 0 && with > trim.limit) {
                break;
            }
            count = with;
        }
        count
    }

    /// Removes what groups hold of the first `count` entries.
    fn drop_references(&mut self, count: usize) {
        if self.groups.iter().all(|group| group.pending().is_empty()) {
            return;
        }
        let ids: Vec<StreamId> = self
            .log
            .iter_from(0)
            .take(count)
            .map(|entry| entry.id)
            .collect();
        for id in ids {
            self.ack_everywhere(id);
        }
    }

    /// The first entries that no group needs any more, up to `candidates` of them.
    fn unneeded(&self, trim: &Trim, candidates: usize) -> Unneeded {
        let seen_by_all = self.seen_by_all();
        // An exact trim to a length goes on behind what has to stay; the others have their end.
        let end = match trim.threshold {
            Threshold::MaxLen(_) if !trim.approximate => self.log.len(),
            _ => candidates,
        };
        let mut runs: Vec<Range<usize>> = Vec::new();
        let mut removed = 0;
        let mut hole = None;
        for (index, entry) in self.log.iter_from(0).take(end).enumerate() {
            if removed == candidates || entry.id > seen_by_all {
                break;
            }
            if self.is_pending(entry.id) {
                continue;
            }
            removed += 1;
            if index >= removed {
                hole = Some(entry.id);
            }
            match runs.last_mut() {
                Some(run) if run.end == index => run.end += 1,
                _ => runs.push(index..index + 1),
            }
        }
        Unneeded {
            runs,
            count: removed,
            hole,
        }
    }
}
