//! Trees whose elements are in an order: looking for a place by what the elements are ordered by.
//!
//! A [`Point`] lies somewhere between the elements of such a tree. Insertion and change at a point go down from the root
//! once, guided by the keys in the inner nodes; no index is calculated.

use triomphe::Arc;

use crate::store::table::prefetch;

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

    /// Fetches ahead what operations at two points will read, so that they need not wait for one after the other: a move
    /// from one point to the other. In a tree of one chunk there is nothing to gain.
    #[inline]
    pub fn prefetch_both(&self, one: &impl Point<C>, other: &impl Point<C>) {
        let depth = self.depth();
        let leaves = (self.leaf_at(one, depth), self.leaf_at(other, depth));
        let (Some(one), Some(other)) = leaves else {
            return;
        };
        if Arc::ptr_eq(one, other) {
            return;
        }
        prefetch(Arc::as_ptr(one).cast());
        prefetch(Arc::as_ptr(other).cast());
        for node in [one, other] {
            if let Node::Leaf(chunk) = &**node {
                chunk.prefetch();
            }
        }
    }

    /// The leaf in which a point lies, in a tree of this depth, found without looking into it.
    #[inline]
    fn leaf_at(&self, point: &impl Point<C>, depth: usize) -> Option<&Arc<Node<C>>> {
        let mut node = self.root.as_ref()?;
        for _ in 1..depth {
            let Node::Inner(inner) = &**node else { break };
            node = &inner.kids[At(point).kid(inner).0].node;
        }
        Some(node)
    }

    /// Levels of nodes: all leaves lie at one depth.
    fn depth(&self) -> usize {
        let (mut depth, mut node) = (0, self.root.as_deref());
        while let Some(here) = node {
            depth += 1;
            node = match here {
                Node::Leaf(_) => None,
                Node::Inner(inner) => inner.kids.first().map(|kid| &*kid.node),
            };
        }
        depth
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
