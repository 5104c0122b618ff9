//! Trees whose elements are in an order: looking for a place by what the elements are ordered by.
//!
//! A [`Point`] lies somewhere between the elements of such a tree. Insertion and change at a point go down from the root
//! once, guided by the keys in the inner nodes; no index is calculated.

use triomphe::Arc;

use super::{Chunk, ChunkLimit, Growth, Inner, Locate, Node, Tree};

/// A point in an ordered sequence: some first elements lie in front of it and all that follow do not.
///
/// Where the elements are not in the order that the point supposes, its place is any; nothing worse happens.
pub trait Point<C: Chunk> {
    /// Whether an element with this key lies in front of the point; nothing if the key alone cannot tell.
    fn is_behind_key(&self, key: &C::Key) -> Option<bool>;
    /// Whether the chunk's last element lies in front of the point.
    fn is_behind_last(&self, chunk: &C) -> bool;
    /// How many of the chunk's elements lie in front of the point.
    fn place(&self, chunk: &C) -> usize;
}

/// Goes down to the chunk in which a point lies.
struct At<'p, P>(&'p P);

impl<P> Clone for At<'_, P> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<P> Copy for At<'_, P> {}

impl<C: Chunk, P: Point<C>> Locate<C> for At<'_, P> {
    #[inline]
    fn kid(self, inner: &Inner<C>) -> (usize, Self) {
        // Behind the last element is a place in the last chunk.
        let before_last = &inner.kids[..inner.kids.len() - 1];
        let at = before_last.partition_point(|kid| {
            self.0
                .is_behind_key(&kid.key)
                .unwrap_or_else(|| self.0.is_behind_last(kid.node.last_chunk()))
        });
        (at, self)
    }

    #[inline]
    fn place(self, chunk: &C) -> usize {
        self.0.place(chunk)
    }
}

impl<C: Chunk> Tree<C> {
    /// How many elements lie in front of `point`.
    pub fn rank(&self, point: &impl Point<C>) -> usize {
        let by_key = |key: &C::Key| point.is_behind_key(key);
        self.seek(by_key, |chunk| point.is_behind_last(chunk))
            .map_or(self.len(), |cursor| {
                cursor.start() + point.place(cursor.chunk())
            })
    }

    /// Puts an element in at `point`.
    #[inline]
    pub fn insert_at(&mut self, point: &impl Point<C>, new: C::New<'_>, limit: ChunkLimit) {
        let growth = match self.root.as_deref() {
            Some(Node::Inner(inner))
                if inner
                    .kids
                    .last()
                    .is_some_and(|last| point.is_behind_key(&last.key) == Some(true)) =>
            {
                Growth::Back
            }
            _ => Growth::Middle,
        };
        self.insert_grown(At(point), new, limit, growth);
    }

    /// Lets `edit` change the chunk in which `point` lies as it likes, down to emptying it, and then puts the tree in
    /// order. `edit` gets the place of the first element that does not lie in front of the point: the chunk's length
    /// if all of the tree's do. Nothing happens in an empty tree.
    pub fn update_at<R>(
        &mut self,
        point: &impl Point<C>,
        limit: ChunkLimit,
        edit: impl FnOnce(&mut C, usize) -> R,
    ) -> Option<R> {
        let root: &mut Arc<Node<C>> = self.root.as_mut()?;
        let result = Node::update(root, At(point), limit, edit);
        self.settle_updated(limit);
        Some(result)
    }
}
