//! [`Builder`]: a list that is read from elsewhere, in chunks or element by element, in the form that its size asks for.

use super::{Fill, List, ListChunk, PLAIN_BYTES, Repr, Value};
use crate::store::encoding::flat::Flat;
use crate::store::tree::{End, Tree};

/// A chunk of more bytes than so many times the limit is taken apart, whatever wrote it.
const MOST_LIMITS: usize = 2;

/// A list that is being made. See the module's head.
pub struct Builder {
    tree: Tree<ListChunk>,
    fill: Fill,
}

impl Builder {
    /// The beginning of a list with this limit for its chunks.
    pub fn new(fill: Fill) -> Builder {
        Builder {
            tree: Tree::new(),
            fill,
        }
    }

    /// Adds an element behind the last.
    pub fn push<'a>(&mut self, value: impl Into<Value<'a>>) {
        let limit = self.fill.chunk_limit();
        let tree = &mut self.tree;
        value
            .into()
            .with_new(limit, |new| tree.push(End::Back, new, limit));
    }

    /// Adds elements behind the last: as a chunk where they are of a chunk's size, else one by one, so that large
    /// elements live alone.
    pub fn push_flat(&mut self, flat: Flat) {
        let limit = self.fill.chunk_limit();
        if flat.bytes() <= limit.bytes.max(PLAIN_BYTES).saturating_mul(MOST_LIMITS) {
            self.tree.push_chunk(ListChunk::Flat(flat));
            return;
        }
        flat.iter().for_each(|item| {
            self.push(match item {
                crate::store::encoding::flat::Item::Bytes(bytes) => Value::Bytes(bytes),
                crate::store::encoding::flat::Item::Int(value) => Value::Int(value),
            });
        });
    }

    /// The list.
    pub fn finish(self) -> List {
        let mut list = List(Repr::Large(self.tree));
        list.shrink_within(self.fill, false);
        list
    }
}
