//! Trees whose elements are in an order: looking for a place by what the elements are ordered by.
//!
//! A [`Point`] lies somewhere between the elements of such a tree. Insertion and change at a point go down from the root
//! once, guided by the keys in the inner nodes; no index is calculated.

use triomphe::Arc;

use super::{Chunk, ChunkLimit, Growth, Inner, Kid, Locate, Node, Tree};
use crate::store::table::prefetch;

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
        let at = first_by_key(before_last, self.0);
        let Some(kid) = before_last.get(at) else {
            return (at, self);
        };
        if self.0.is_behind_key(&kid.key).is_some() {
            return (at, self);
        }
        (at + count_behind(&before_last[at..], self.0), self)
    }

    #[inline]
    fn place(self, chunk: &C) -> usize {
        self.0.place(chunk)
    }
}

/// The first of some kids that does not lie in front of a point for sure. A search by the keys alone takes no branches
/// that depend on them, which a processor would have to guess.
#[inline]
fn first_by_key<C: Chunk>(kids: &[Kid<C>], point: &impl Point<C>) -> usize {
    kids.partition_point(|kid| point.is_behind_key(&kid.key) == Some(true))
}

/// How many of some kids lie in front of a point, looking at chunks where a key cannot tell.
#[cold]
fn count_behind<C: Chunk>(kids: &[Kid<C>], point: &impl Point<C>) -> usize {
    kids.partition_point(|kid| {
        point
            .is_behind_key(&kid.key)
            .unwrap_or_else(|| point.is_behind_last(kid.node.last_chunk()))
    })
}

/// Looks for the chunks of points that will be asked for soon, and fetches them.
pub struct Ahead<'a, C: Chunk> {
    root: &'a Node<C>,
    /// Inner nodes above each chunk.
    depth: usize,
}

/// A chunk that has been asked for and need not have arrived yet.
pub struct Leaf<'a, C: Chunk>(&'a Node<C>);

impl<C: Chunk> Clone for Ahead<'_, C> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<C: Chunk> Copy for Ahead<'_, C> {}

impl<C: Chunk> Clone for Leaf<'_, C> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<C: Chunk> Copy for Leaf<'_, C> {}

impl<'a, C: Chunk> Ahead<'a, C> {
    /// Fetches the node of the chunk in which a point lies, as far as keys tell, without looking at any chunk.
    #[inline]
    pub fn leaf(&self, point: &impl Point<C>) -> Leaf<'a, C> {
        let mut node = self.root;
        for _ in 0..self.depth {
            let Node::Inner(inner) = node else { break };
            let before_last = &inner.kids[..inner.kids.len() - 1];
            node = &inner.kids[first_by_key(before_last, point)].node;
        }
        prefetch(std::ptr::from_ref(node).cast());
        prefetch(std::ptr::from_ref(node).cast::<u8>().wrapping_sub(size_of::<usize>()));
        Leaf(node)
    }
}

impl<'a, C: Chunk> Leaf<'a, C> {
    /// The chunk.
    #[inline]
    pub fn chunk(self) -> Option<&'a C> {
        match self.0 {
            Node::Leaf(chunk) => Some(chunk),
            Node::Inner(_) => None,
        }
    }
}

impl<C: Chunk> Tree<C> {
    /// For looking ahead; nothing for an empty tree.
    pub fn ahead(&self) -> Option<Ahead<'_, C>> {
        let root = self.root.as_deref()?;
        let (mut depth, mut node) = (0, root);
        while let Node::Inner(inner) = node {
            depth += 1;
            node = &inner.kids[0].node;
        }
        Some(Ahead { root, depth })
    }

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
