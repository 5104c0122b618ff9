//! Taking a table apart, a segment at a time, by whoever has a snapshot and wants each element once ([`Table::into_parts`]).
//!
//! A part that was taken is no longer the snapshot's, and where it has been dropped the table that the snapshot is of may
//! change it in place again. So a writer beside the taking apart copies less the further that is, and what it has copied
//! is freed soon.

use super::segment::Segment;
use super::walk::end_of;
use super::{KeyHash, Node, NodeRef, Table};

/// A segment that was taken out of a table.
pub struct Part<N: Node>(Segment<N>);

impl<N: Node> Part<N> {
    /// How many elements there are.
    pub fn len(&self) -> usize {
        self.0.count()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.count() == 0
    }

    /// Calls `visit` for each element, in no order, until it fails.
    pub fn try_for_each<E>(
        &self,
        mut visit: impl FnMut(NodeRef<'_, N>) -> Result<(), E>,
    ) -> Result<(), E> {
        let buckets = self.0.bucket_count();
        self.0.prefetch_nodes(0);
        self.0.prefetch_nodes(1);
        for bucket in 0..buckets {
            self.0.prefetch_nodes(bucket + 2);
            self.0.nodes_of(bucket).try_for_each(&mut visit)?;
        }
        Ok(())
    }
}

/// The segments of a table, from the first to the last.
pub struct Parts<N: Node, H: KeyHash> {
    table: Table<N, H>,
    /// Where the next one begins; none after the last.
    position: Option<u64>,
}

impl<N: Node, H: KeyHash> Iterator for Parts<N, H> {
    type Item = Part<N>;

    fn next(&mut self) -> Option<Part<N>> {
        let position = self.position?;
        let depth = self.table.segment(position)?.depth();
        self.position = match end_of(depth, position) {
            0 => None,
            next => Some(next),
        };
        let segment = self.table.own_page(position, |page| {
            page.modify(position, |segment| {
                std::mem::replace(segment, Segment::empty(depth, 1))
            })
        })?;
        Some(Part(segment))
    }
}

impl<N: Node, H: KeyHash> Table<N, H> {
    /// Takes this table apart; what it shares with others stays theirs.
    pub fn into_parts(self) -> Parts<N, H> {
        Parts {
            table: self,
            position: Some(0),
        }
    }
}
