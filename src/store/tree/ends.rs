//! The two ends of a [`Tree`]: push and pop.
//!
//! Nearly every one of them finds room, or leaves something, in the chunk at its end. Then no node is made, split or dropped,
//! and one loop goes down and counts on its way; what changes the shape takes the recursion that insertion and removal
//! anywhere take.
use triomphe::Arc;

use super::{Chunk, ChunkLimit, End, Gap, Growth, Node, Tree};

impl<C: Chunk> Tree<C> {
    /// The chunk at an end.
    #[inline]
    pub fn end_chunk(&self, end: End) -> Option<&C> {
        let mut node = self.root.as_deref()?;
        loop {
            match node {
                Node::Leaf(chunk) => return Some(chunk),
                Node::Inner(inner) => node = &inner.kids[inner.end_kid(end)].node,
            }
        }
    }

    /// Adds an element at an end.
    #[inline(always)]
    pub fn push(&mut self, end: End, new: C::New<'_>, limit: ChunkLimit) {
        if let Some(chunk) = self.end_chunk(end)
            && chunk.fits(&new, limit)
        {
            return self.push_within(end, new);
        }
        match end {
            End::Front => self.insert_grown(Gap(0), new, limit, Growth::Front),
            End::Back => self.insert_grown(Gap(self.len()), new, limit, Growth::Back),
        }
    }

    /// Adds an element to the chunk at an end, which has room for it: nothing is split, so that the way down can count it.
    #[inline(always)]
    fn push_within(&mut self, end: End, new: C::New<'_>) {
        let Some(chunk) = self.end_chunk_mut(end, |len| *len += 1) else {
            return;
        };
        let at = match end {
            End::Front => 0,
            End::Back => chunk.len(),
        };
        chunk.insert(at, new);
        let key = chunk.key();
        self.keep_key(end, &key);
    }

    /// The chunk at an end, to be made longer or shorter; `count` changes the numbers on the way as that will.
    #[inline(always)]
    fn end_chunk_mut(&mut self, end: End, count: impl Fn(&mut usize)) -> Option<&mut C> {
        let mut node = self.root.as_mut()?;
        loop {
            match Arc::make_mut(node) {
                Node::Leaf(chunk) => return Some(chunk),
                Node::Inner(inner) => {
                    let at = inner.end_kid(end);
                    count(&mut inner.len);
                    count(&mut inner.kids[at].len);
                    node = &mut inner.kids[at].node;
                }
            }
        }
    }

    /// Brings the keys on the way to the chunk at an end up to date, where they tell of its last element, which has changed.
    #[inline(always)]
    fn keep_key(&mut self, end: End, key: &C::Key) {
        if end == End::Back && size_of::<C::Key>() > 0 {
            self.set_last_key(key);
        }
    }

    /// Brings the keys on the way to the last chunk up to date. The nodes there are not shared.
    fn set_last_key(&mut self, key: &C::Key) {
        let mut node = self.root.as_mut();
        while let Some(Node::Inner(inner)) = node.map(Arc::make_mut) {
            if let Some(last) = inner.keys.last_mut() {
                *last = key.clone();
            }
            node = inner.kids.last_mut().map(|kid| &mut kid.node);
        }
    }

    /// Removes the element at an end, after showing `read` its chunk and its place there.
    #[inline]
    pub fn pop<R>(&mut self, end: End, read: impl FnOnce(&C, usize) -> R) -> Option<R> {
        if self.end_chunk(end)?.len() > 1 {
            return self.pop_within(end, read);
        }
        let root = self.root.as_mut()?;
        let result = Node::pop(root, end, read);
        self.settle_root();
        Some(result)
    }

    /// Removes the element at an end from a chunk that has others: no node is dropped, so that the way down can count it.
    #[inline]
    fn pop_within<R>(&mut self, end: End, read: impl FnOnce(&C, usize) -> R) -> Option<R> {
        let chunk = self.end_chunk_mut(end, |len| *len -= 1)?;
        let result = take_from(chunk, end, read);
        let key = chunk.key();
        self.keep_key(end, &key);
        Some(result)
    }
}

impl<C: Chunk> Node<C> {
    fn pop<R>(this: &mut Arc<Self>, end: End, read: impl FnOnce(&C, usize) -> R) -> R {
        match Arc::make_mut(this) {
            Node::Leaf(chunk) => take_from(chunk, end, read),
            Node::Inner(inner) => {
                let at = inner.end_kid(end);
                let result = Node::pop(&mut inner.kids[at].node, end, read);
                if inner.kids[at].node.len() == 0 {
                    inner.drop_kids(at..at + 1);
                } else {
                    inner.refresh(at);
                }
                result
            }
        }
    }
}

/// Removes a chunk's element at an end, after showing it to `read`.
#[inline(always)]
fn take_from<C: Chunk, R>(chunk: &mut C, end: End, read: impl FnOnce(&C, usize) -> R) -> R {
    let at = match end {
        End::Front => 0,
        End::Back => chunk.len() - 1,
    };
    let result = read(chunk, at);
    chunk.remove(at..at + 1);
    result
}
