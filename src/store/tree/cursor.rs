//! [`Cursor`]: reading a tree chunk by chunk.

use triomphe::Arc;

use super::{Chunk, Kid, Node, Tree};

/// A place among the chunks of a [`Tree`], from which one can go on in both directions.
#[derive(Clone)]
pub struct Cursor<'a, C: Chunk> {
    pub(super) tree: &'a Tree<C>,
    /// The chunk and those beside it below the same parent: among them a step is O(1), beyond it is a new descent.
    pub(super) siblings: Siblings<'a, C>,
    pub(super) at: usize,
    /// Index of the chunk's first element.
    pub(super) start: usize,
}

#[derive(Clone)]
pub(super) enum Siblings<'a, C: Chunk> {
    Root(&'a Arc<Node<C>>),
    Kids(&'a [Kid<C>]),
}

impl<'a, C: Chunk> Cursor<'a, C> {
    /// The chunk at this place.
    pub fn chunk(&self) -> &'a C {
        let node = match self.siblings {
            Siblings::Root(node) => node,
            Siblings::Kids(kids) => &kids[self.at].node,
        };
        // A cursor is on a leaf, whose last chunk is itself.
        node.last_chunk()
    }

    /// Index of the chunk's first element.
    pub fn start(&self) -> usize {
        self.start
    }

    /// Goes to the next chunk; false (and no move) on the last.
    #[allow(
        clippy::should_implement_trait,
        reason = "a cursor moves both ways and yields nothing"
    )]
    pub fn next(&mut self) -> bool {
        let end = self.start + self.chunk().len();
        if let Siblings::Kids(kids) = self.siblings
            && self.at + 1 < kids.len()
        {
            self.at += 1;
            self.start = end;
            return true;
        }
        self.tree.cursor(end).map(|next| *self = next).is_some()
    }

    /// Goes to the chunk in front; false (and no move) on the first.
    pub fn prev(&mut self) -> bool {
        if let (Siblings::Kids(kids), 1..) = (&self.siblings, self.at) {
            self.at -= 1;
            self.start -= kids[self.at].len;
            return true;
        }
        let before = self
            .start
            .checked_sub(1)
            .and_then(|index| self.tree.cursor(index));
        before.map(|before| *self = before).is_some()
    }
}
