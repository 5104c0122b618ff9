//! Trees whose elements are in an order: looking for a place by what the elements are ordered by.
//!
//! A [`Point`] lies somewhere between the elements of such a tree. Insertion and change at a point go down from the root
//! once, guided by the keys in the inner nodes; no index is calculated.

use std::ops::Range;

use triomphe::Arc;

use super::{Chunk, ChunkLimit, Growth, Inner, Locate, Node, Tree};

/// A point in an ordered sequence: some first elements lie in front of it and all that follow do not.
///
/// Where the elements are not in the order that the point supposes, its place is any; nothing worse happens.
pub trait Point<C: Chunk> {
    /// Whether an element with this key lies in front of the point; nothing if the key alone cannot tell.
    fn is_behind_key(&self, key: &C::Key) -> Option<bool>;
    /// How many of some keys, which are in order, lie in front of the point for sure.
    #[inline]
    fn keys_in_front(&self, keys: &[C::Key]) -> usize {
        keys.partition_point(|key| self.is_behind_key(key) == Some(true))
    }
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
        let last = inner.kids.len() - 1;
        let at = self.0.keys_in_front(&inner.keys[..last]);
        if at < last && self.0.is_behind_key(&inner.keys[at]).is_none() {
            return (at + count_behind(inner, at..last, self.0), self);
        }
        (at, self)
    }

    #[inline]
    fn place(self, chunk: &C) -> usize {
        self.0.place(chunk)
    }
}

/// How many of some kids, which are in order and begin with one of which the key cannot tell, lie in front of a point.
#[cold]
fn count_behind<C: Chunk>(inner: &Inner<C>, kids: Range<usize>, point: &impl Point<C>) -> usize {
    let unsure =
        inner.keys[kids.clone()].partition_point(|key| point.is_behind_key(key) != Some(false));
    let kids = &inner.kids[kids.start..kids.start + unsure];
    kids.partition_point(|kid| point.is_behind_last(kid.node.last_chunk()))
}

impl<C: Chunk> Tree<C> {
    /// How many elements lie in front of `point`.
    pub fn rank(&self, point: &impl Point<C>) -> usize {
        let Some(mut node) = self.root.as_deref() else {
            return 0;
        };
        let mut before = 0;
        loop {
            match node {
                Node::Leaf(chunk) => return before + point.place(chunk),
                Node::Inner(inner) => {
                    let (at, _) = At(point).kid(inner);
                    before += inner.count_in_front(at);
                    node = &inner.kids[at].node;
                }
            }
        }
    }

    /// Puts an element in at `point`.
    #[inline]
    pub fn insert_at(&mut self, point: &impl Point<C>, new: C::New<'_>, limit: ChunkLimit) {
        let growth = match self.root.as_deref() {
            Some(Node::Inner(inner))
                if inner
                    .keys
                    .last()
                    .is_some_and(|last| point.is_behind_key(last) == Some(true)) =>
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
