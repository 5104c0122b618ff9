//! [`Ahead`]: fetching from memory what will be asked for in an ordered tree, for several points at once.
//!
//! Inner nodes are few and stay in the processor's caches, chunks do not. So the way down is taken by the inner nodes' keys
//! alone, and the chunk at its end is asked for and not looked at; it is the caller who goes on when it has asked for all
//! that it needs.

use super::{Chunk, Node, Point, Tree};
use crate::store::table::prefetch;

/// A tree to be looked ahead in.
pub struct Ahead<'a, C: Chunk> {
    root: &'a Node<C>,
    /// Inner nodes above each chunk: without it each chunk would have to be asked whether it is one.
    depth: usize,
}

/// A chunk that has been asked for; looking at it waits until it has arrived.
pub struct Leaf<'a, C: Chunk>(&'a Node<C>);

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
}

impl<'a, C: Chunk> Ahead<'a, C> {
    /// Fetches the node of the chunk in which a point lies, as far as keys can tell.
    #[inline]
    pub fn leaf(&self, point: &impl Point<C>) -> Leaf<'a, C> {
        let mut node = self.root;
        for _ in 0..self.depth {
            let Node::Inner(inner) = node else { break };
            let before_last = &inner.keys[..inner.keys.len() - 1];
            node = &inner.kids[point.keys_in_front(before_last)].node;
        }
        prefetch(std::ptr::from_ref(node).cast());
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

// Derived, they would ask for chunks that can be copied.
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
