//! [`Tree`]: a copy-on-write B+tree of chunks with counts in its inner nodes.
//!
//! It keeps a sequence of elements: a list, a sorted set by score and member, a stream by id. The elements live in
//! chunks of some kilobytes, whose form the user of the tree chooses by implementing [`Chunk`]; inner nodes of up to
//! [`MAX_KIDS`] kids know how many elements lie below each of them, and a [key](Chunk::Key) for ordered sequences.
//! So index, rank, range, push and pop at both ends, insertion and removal anywhere are all O(log n), and moving
//! on from an element to the next is O(1).
//!
//! # Sharing
//! Nodes are reference-counted and [`Tree::clone`] shares the root. A writer that meets a shared node copies that
//! node alone (`Arc::make_mut`), so a clone is a snapshot that costs nothing until something is written, and then
//! one chunk and the few nodes above it. All of it is safe code. The counters are triomphe's: having no weak
//! references, its `make_mut` tests for a lone owner by a plain load, where the standard library's takes an atomic
//! exchange for each node of the path, which was a quarter of a push and a third of a pop.
//!
//! # Shape
//! All chunks lie at one depth and none is empty. A node that outgrows its limit is split: in halves if it grew in
//! the middle, but at its end if it grew there, so that nodes filled by pushes stay full. What a removal leaves
//! nearly empty is merged with a neighbour; pops at the ends skip that, for there the next pops empty the chunk
//! anyway. A root with one kid gives way to it, and the last element takes the last node with it. The depth is
//! at most five or so for anything that fits into memory, therefore recursion over it is harmless.
//!
//! Limits are passed in with each call and not stored, because configuration may change them at any time. Chunks
//! over a limit that was lowered stay as they are until somebody inserts into them.
//!
//! To keep a new kind of sequence in a tree, implement [`Chunk`] beside its type, and if it is an ordered one [`Point`]
//! for what is looked for in it; nothing changes here.
mod ahead;
mod cursor;
mod ends;
mod ordered;

use std::ops::Range;

use triomphe::Arc;

pub use ahead::{Ahead, Leaf};
pub use cursor::Cursor;
use cursor::Siblings;
pub use ordered::Point;

/// The most kids that an inner node has between two operations. Few in tests, so that some hundred elements make a
/// tree of several levels.
pub const MAX_KIDS: usize = if cfg!(test) { 8 } else { 64 };
/// An inner node with fewer kids after a removal is merged with a neighbour if both fit into one.
const FEW_KIDS: usize = MAX_KIDS / 4;

/// How large a chunk may grow. A chunk of one element may be larger than `bytes`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ChunkLimit {
    /// Bytes of the chunk's content.
    pub bytes: usize,
    /// Number of elements, at least 1.
    pub elements: usize,
}

/// One of the two ends of a sequence.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// Where index 0 is; a list's head or left.
    Front,
    /// Behind the highest index; a list's tail or right.
    Back,
}

/// A run of consecutive elements of a [`Tree`].
///
/// `Clone` is what a writer pays for a shared chunk. The tree never asks for anything of an empty chunk but its
/// length, and drops it.
#[allow(clippy::len_without_is_empty, reason = "no chunk in a tree is empty")]
pub trait Chunk: Clone {
    /// An element to be put in.
    type New<'a>;
    /// A small copy of what the chunk's last element is ordered by (a score, an id), kept in the inner nodes to
    /// guide [`Tree::seek`]; `()` where there is no order.
    type Key: Clone;

    /// Number of elements.
    fn len(&self) -> usize;
    /// Bytes of the content, to be held against [`ChunkLimit::bytes`].
    fn bytes(&self) -> usize;
    /// Bytes of the heap that the chunk owns, slack included.
    fn heap_bytes(&self) -> usize;
    /// The key of the last element.
    fn key(&self) -> Self::Key;
    /// Whether `new` may be put into this chunk.
    fn fits(&self, new: &Self::New<'_>, limit: ChunkLimit) -> bool;
    /// Whether `new` is to be the only element of its chunk.
    fn alone(_new: &Self::New<'_>, _limit: ChunkLimit) -> bool {
        false
    }
    /// A chunk with this one element. `room` is given when pushes are going on: more elements are expected at that
    /// end of the chunk, about so many bytes of them.
    fn single(new: Self::New<'_>, room: Option<(End, usize)>) -> Self;
    /// Puts `new` in front of the element at `at`, or behind all if there are only `at`.
    fn insert(&mut self, at: usize, new: Self::New<'_>);
    /// Removes elements.
    fn remove(&mut self, range: Range<usize>);
    /// Keeps the elements in front of `at` and returns the others; both parts get some.
    fn split_off(&mut self, at: usize) -> Self;
    /// Whether this chunk and the one behind it can be one, apart from the limit.
    fn mergeable(&self, right: &Self) -> bool;
    /// Adds the elements of a [mergeable](Self::mergeable) chunk behind the last.
    fn append(&mut self, right: &Self);
    /// Pushes have filled this chunk and go on in another: slack may be given back.
    fn complete(&mut self) {}
}

/// A sequence of elements in chunks. See the module's head.
pub struct Tree<C: Chunk> {
    root: Option<Arc<Node<C>>>,
}

enum Node<C: Chunk> {
    Leaf(C),
    /// In a box, lest the leaves, which are far more, be as large.
    Inner(Box<Inner<C>>),
}

struct Inner<C: Chunk> {
    /// Number of elements below: the sum of the kids' counts.
    len: usize,
    /// The key of the last chunk below each kid: side by side, so that a search reads a few lines.
    keys: Vec<C::Key>,
    kids: Vec<Kid<C>>,
}

struct Kid<C: Chunk> {
    /// Number of elements below the node.
    len: usize,
    node: Arc<Node<C>>,
}

/// Where an operation made a node grow; it decides where the node is split.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Growth {
    Front,
    Middle,
    Back,
}

/// How an operation goes down from a node to the element, or to the gap between two, that it is about.
trait Locate<C: Chunk>: Copy {
    /// The kid to go on in, and how to go on there.
    fn kid(self, inner: &Inner<C>) -> (usize, Self);
    /// The place in the chunk.
    fn place(self, chunk: &C) -> usize;
}

/// To the gap in front of the element of an index, or behind all.
#[derive(Clone, Copy)]
struct Gap(usize);

impl<C: Chunk> Locate<C> for Gap {
    #[inline]
    fn kid(self, inner: &Inner<C>) -> (usize, Self) {
        let (at, rest) = inner.locate_gap(self.0);
        (at, Gap(rest))
    }

    #[inline]
    fn place(self, _chunk: &C) -> usize {
        self.0
    }
}

/// To the element of an index that is below the length.
#[derive(Clone, Copy)]
struct Element(usize);

impl<C: Chunk> Locate<C> for Element {
    #[inline]
    fn kid(self, inner: &Inner<C>) -> (usize, Self) {
        let (at, rest) = inner.locate(self.0);
        (at, Element(rest))
    }

    #[inline]
    fn place(self, _chunk: &C) -> usize {
        self.0
    }
}

impl<C: Chunk> Tree<C> {
    /// An empty tree, which owns no memory.
    pub const fn new() -> Tree<C> {
        Tree { root: None }
    }

    /// Number of elements.
    #[inline]
    pub fn len(&self) -> usize {
        self.root.as_ref().map_or(0, |root| root.len())
    }

    /// Whether there is no element.
    pub fn is_empty(&self) -> bool {
        self.root.is_none()
    }

    /// The chunk that holds the element at `index`, and the element's place in it.
    #[inline]
    pub fn get(&self, index: usize) -> Option<(&C, usize)> {
        let mut node = self.root.as_deref().filter(|root| index < root.len())?;
        let mut at = index;
        loop {
            match node {
                Node::Leaf(chunk) => return Some((chunk, at)),
                Node::Inner(inner) => {
                    let (kid, rest) = inner.locate(at);
                    (node, at) = (&inner.kids[kid].node, rest);
                }
            }
        }
    }

    /// The chunk that holds all elements, if there is only one.
    pub fn only_chunk(&self) -> Option<&C> {
        match self.root.as_deref()? {
            Node::Leaf(chunk) => Some(chunk),
            Node::Inner(_) => None,
        }
    }

    /// Takes the chunk out that holds all elements, if there is only one; otherwise the tree comes back.
    pub fn into_only_chunk(self) -> Result<C, Tree<C>> {
        match self.root {
            Some(root) if matches!(*root, Node::Leaf(_)) => match Arc::unwrap_or_clone(root) {
                Node::Leaf(chunk) => Ok(chunk),
                Node::Inner(inner) => Err(Tree {
                    root: Some(Arc::new(Node::Inner(inner))),
                }),
            },
            root => Err(Tree { root }),
        }
    }

    /// A reader of the chunks, placed on the one that holds the element at `index`.
    pub fn cursor(&self, index: usize) -> Option<Cursor<'_, C>> {
        let mut start = 0;
        let mut here = self.root.as_ref().filter(|root| index < root.len())?;
        loop {
            match &**here {
                Node::Leaf(_) => {
                    return Some(Cursor {
                        tree: self,
                        siblings: Siblings::Root(here),
                        at: 0,
                        start,
                    });
                }
                Node::Inner(inner) => {
                    let (kid, rest) = inner.locate(index - start);
                    start = index - rest;
                    let node = &inner.kids[kid].node;
                    if matches!(**node, Node::Leaf(_)) {
                        let siblings = Siblings::Kids(&inner.kids);
                        return Some(Cursor {
                            tree: self,
                            siblings,
                            at: kid,
                            start,
                        });
                    }
                    here = node;
                }
            }
        }
    }

    /// A reader placed on the first chunk that does not lie wholly in front of some point of an ordered sequence;
    /// nothing if all do.
    ///
    /// `is_behind` gets the key of a chunk's last element and says whether that element lies in front of the point: true
    /// for some first keys and false for all that follow. O(log n) calls.
    pub fn seek(&self, is_behind: impl Fn(&C::Key) -> bool) -> Option<Cursor<'_, C>> {
        let mut node = self.root.as_ref()?;
        let mut start = 0;
        if let Node::Leaf(chunk) = &**node {
            let siblings = Siblings::Root(node);
            return (!is_behind(&chunk.key())).then_some(Cursor {
                tree: self,
                siblings,
                at: 0,
                start,
            });
        }
        while let Node::Inner(inner) = &**node {
            let at = inner.keys.partition_point(&is_behind);
            let kid = inner.kids.get(at)?;
            start += inner.count_in_front(at);
            if matches!(*kid.node, Node::Leaf(_)) {
                return Some(Cursor {
                    tree: self,
                    siblings: Siblings::Kids(&inner.kids),
                    at,
                    start,
                });
            }
            node = &kid.node;
        }
        None
    }

    /// Puts an element in front of the one at `index`, or behind all for an index of `len()` or more.
    pub fn insert(&mut self, index: usize, new: C::New<'_>, limit: ChunkLimit) {
        let len = self.len();
        match index {
            _ if index >= len => self.insert_grown(Gap(len), new, limit, Growth::Back),
            0 => self.insert_grown(Gap(0), new, limit, Growth::Front),
            _ => self.insert_grown(Gap(index), new, limit, Growth::Middle),
        }
    }

    fn insert_grown(
        &mut self,
        to: impl Locate<C>,
        new: C::New<'_>,
        limit: ChunkLimit,
        growth: Growth,
    ) {
        let Some(root) = &mut self.root else {
            self.root = Some(Arc::new(Node::Leaf(C::single(new, None))));
            return;
        };
        if let Node::Leaf(chunk) = &**root
            && !chunk.fits(&new, limit)
        {
            lift(root);
        }
        match Arc::make_mut(root) {
            Node::Leaf(chunk) => chunk.insert(to.place(chunk), new),
            Node::Inner(inner) => {
                inner.insert(to, new, limit, growth);
                if inner.kids.len() > MAX_KIDS {
                    lift(root);
                    inner_of(root).split_kid(0, growth);
                }
            }
        }
    }

    /// Adds a whole chunk behind the last. It is not merged with the one before; an empty one is dropped.
    pub fn push_chunk(&mut self, chunk: C) {
        if chunk.len() == 0 {
            return;
        }
        let leaf = Arc::new(Node::Leaf(chunk));
        let Some(root) = &mut self.root else {
            self.root = Some(leaf);
            return;
        };
        if matches!(**root, Node::Leaf(_)) {
            lift(root);
        }
        let inner = inner_of(root);
        inner.push_leaf(leaf);
        if inner.kids.len() > MAX_KIDS {
            lift(root);
            inner_of(root).split_kid(0, Growth::Back);
        }
    }

    /// Removes the elements in `range`, as far as there are such. Chunks and subtrees that lie in it are dropped
    /// without being looked at.
    pub fn remove(&mut self, range: Range<usize>, limit: ChunkLimit) {
        let len = self.len();
        let range = range.start..range.end.min(len);
        if range.is_empty() {
            return;
        }
        if range.len() == len {
            self.root = None;
            return;
        }
        if let Some(root) = &mut self.root {
            Node::remove(root, range, limit);
            self.settle_root();
        }
    }

    /// Lets `edit` change the chunk that holds the element at `index` as it likes, down to emptying it, and then puts
    /// the tree in order. `edit` gets the element's place in the chunk. Nothing happens without such an element.
    pub fn update<R>(
        &mut self,
        index: usize,
        limit: ChunkLimit,
        edit: impl FnOnce(&mut C, usize) -> R,
    ) -> Option<R> {
        let root = self.root.as_mut().filter(|root| index < root.len())?;
        let result = Node::update(root, Element(index), limit, edit);
        self.settle_updated(limit);
        Some(result)
    }

    /// Puts the root in order after a change below it.
    fn settle_updated(&mut self, limit: ChunkLimit) {
        if let Some(root) = &mut self.root
            && root.is_overfull(limit)
        {
            lift(root);
            inner_of(root).split_kid(0, Growth::Middle);
        }
        self.settle_root();
    }

    /// Drops an empty root and lets a lone kid take its parent's place.
    #[inline]
    fn settle_root(&mut self) {
        while let Some(root) = &self.root {
            match &**root {
                _ if root.len() == 0 => self.root = None,
                Node::Inner(inner) if inner.kids.len() == 1 => {
                    self.root = Some(Arc::clone(&inner.kids[0].node));
                }
                _ => return,
            }
        }
    }

    /// Number of chunks. The chunks themselves are not looked at where there are many.
    pub fn chunk_count(&self) -> usize {
        self.root.as_ref().map_or(0, |root| root.chunk_count())
    }

    /// Estimate of the heap bytes of the whole tree, from the first `samples` chunks (0 for all) and the exact size
    /// of the nodes.
    pub fn heap_bytes(&self, samples: usize) -> usize {
        let Some(root) = &self.root else { return 0 };
        let (mut chunks, mut nodes) = (0, 0);
        root.count_nodes(&mut chunks, &mut nodes);
        let samples = if samples == 0 {
            chunks
        } else {
            samples.min(chunks)
        };
        let mut sampled = 0;
        let mut cursor = self.cursor(0);
        for _ in 0..samples {
            let Some(reader) = &mut cursor else { break };
            sampled += reader.chunk().heap_bytes();
            if !reader.next() {
                break;
            }
        }
        nodes + (sampled as f64 / samples as f64 * chunks as f64) as usize
    }
}

/// Puts a new inner node with the one kid above `root`.
#[cold]
fn lift<C: Chunk>(root: &mut Arc<Node<C>>) {
    let mut inner = Inner {
        len: 0,
        keys: Vec::new(),
        kids: Vec::new(),
    };
    inner.add_kid(0, Arc::clone(root));
    *root = Arc::new(Node::Inner(Box::new(inner)));
}

/// The inner node that the caller has put here, to be written to.
#[inline]
fn inner_of<C: Chunk>(node: &mut Arc<Node<C>>) -> &mut Inner<C> {
    match Arc::make_mut(node) {
        Node::Inner(inner) => inner,
        Node::Leaf(_) => unreachable!("the caller has looked or has just made it one"),
    }
}

impl<C: Chunk> Node<C> {
    #[inline]
    fn len(&self) -> usize {
        match self {
            Node::Leaf(chunk) => chunk.len(),
            Node::Inner(inner) => inner.len,
        }
    }

    fn key(&self) -> Option<C::Key> {
        match self {
            Node::Leaf(chunk) => Some(chunk.key()),
            Node::Inner(inner) => inner.keys.last().cloned(),
        }
    }

    fn last_chunk(&self) -> &C {
        let mut node = self;
        loop {
            match node {
                Node::Leaf(chunk) => return chunk,
                Node::Inner(inner) => node = &inner.kids[inner.end_kid(End::Back)].node,
            }
        }
    }

    fn is_overfull(&self, limit: ChunkLimit) -> bool {
        match self {
            Node::Leaf(chunk) => {
                let len = chunk.len();
                len > 1 && (chunk.bytes() > limit.bytes || len > limit.elements)
            }
            Node::Inner(inner) => inner.kids.len() > MAX_KIDS,
        }
    }

    fn is_underfull(&self, limit: ChunkLimit) -> bool {
        match self {
            Node::Leaf(chunk) => {
                chunk.bytes() < limit.bytes / 3 && chunk.len() <= limit.elements / 3
            }
            Node::Inner(inner) => inner.kids.len() < FEW_KIDS,
        }
    }

    /// Whether this node and the one behind it fit into one.
    fn can_take(&self, right: &Node<C>, limit: ChunkLimit) -> bool {
        match (self, right) {
            (Node::Leaf(left), Node::Leaf(right)) => {
                left.mergeable(right)
                    && left.bytes() + right.bytes() <= limit.bytes
                    && left.len() + right.len() <= limit.elements
            }
            (Node::Inner(left), Node::Inner(right)) => {
                left.kids.len() + right.kids.len() <= MAX_KIDS
            }
            _ => false,
        }
    }

    fn remove(this: &mut Arc<Self>, range: Range<usize>, limit: ChunkLimit) {
        match Arc::make_mut(this) {
            Node::Leaf(chunk) => chunk.remove(range),
            Node::Inner(inner) => inner.remove(range, limit),
        }
    }

    fn update<R>(
        this: &mut Arc<Self>,
        to: impl Locate<C>,
        limit: ChunkLimit,
        edit: impl FnOnce(&mut C, usize) -> R,
    ) -> R {
        match Arc::make_mut(this) {
            Node::Leaf(chunk) => {
                let at = to.place(chunk);
                edit(chunk, at)
            }
            Node::Inner(inner) => {
                let (at, to) = to.kid(inner);
                let result = Node::update(&mut inner.kids[at].node, to, limit, edit);
                inner.settle(at, limit);
                result
            }
        }
    }

    fn chunk_count(&self) -> usize {
        match self {
            Node::Leaf(_) => 1,
            Node::Inner(inner) => match inner.kids.first() {
                Some(kid) if matches!(*kid.node, Node::Inner(_)) => {
                    inner.kids.iter().map(|kid| kid.node.chunk_count()).sum()
                }
                _ => inner.kids.len(),
            },
        }
    }

    /// Adds the number of chunks and the bytes of all nodes below and including this one.
    fn count_nodes(&self, chunks: &mut usize, bytes: &mut usize) {
        // A counter precedes what an Arc points to.
        *bytes += size_of::<Self>() + size_of::<usize>();
        match self {
            Node::Leaf(_) => *chunks += 1,
            Node::Inner(inner) => {
                *bytes += size_of::<Inner<C>>();
                *bytes += inner.kids.capacity() * size_of::<Kid<C>>();
                *bytes += inner.keys.capacity() * size_of::<C::Key>();
                inner
                    .kids
                    .iter()
                    .for_each(|kid| kid.node.count_nodes(chunks, bytes));
            }
        }
    }
}

impl<C: Chunk> Kid<C> {
    fn new(node: Arc<Node<C>>) -> Kid<C> {
        Kid {
            len: node.len(),
            node,
        }
    }
}

impl<C: Chunk> Inner<C> {
    /// The kid that holds the element at `index`, and the element's index below that kid.
    #[inline]
    fn locate(&self, index: usize) -> (usize, usize) {
        let mut rest = index;
        for (at, kid) in self.kids.iter().enumerate() {
            if rest < kid.len {
                return (at, rest);
            }
            rest -= kid.len;
        }
        unreachable!("the caller has checked that the index is below the length")
    }

    /// Number of elements below the kids in front of one.
    #[inline]
    fn count_in_front(&self, at: usize) -> usize {
        self.kids[..at].iter().map(|kid| kid.len).sum()
    }

    /// The kid into which an element is to be put for it to get `index`; at a boundary the one in front of it.
    #[inline]
    fn locate_gap(&self, index: usize) -> (usize, usize) {
        if index == 0 {
            return (0, 0);
        }
        if index == self.len {
            let last = self.kids.len() - 1;
            return (last, self.kids[last].len);
        }
        let (at, rest) = self.locate(index - 1);
        (at, rest + 1)
    }

    #[inline]
    fn end_kid(&self, end: End) -> usize {
        match end {
            End::Front => 0,
            End::Back => self.kids.len() - 1,
        }
    }

    /// Brings the count and key of a kid up to date.
    #[inline]
    fn refresh(&mut self, at: usize) {
        let kid = &mut self.kids[at];
        let len = kid.node.len();
        self.len = self.len - kid.len + len;
        kid.len = len;
        // An empty chunk has no key; it is about to be dropped.
        if len > 0
            && let Some(key) = kid.node.key()
        {
            self.keys[at] = key;
        }
    }

    fn add_kid(&mut self, at: usize, node: Arc<Node<C>>) {
        let key = node.key().expect("no node in a tree is empty");
        let kid = Kid::new(node);
        self.len += kid.len;
        if self.kids.len() == self.kids.capacity() {
            // Small steps, since trees of a few chunks are many, and the last one exactly to the limit and one more.
            let more = self.kids.len().clamp(4, 16);
            let more = more
                .min((MAX_KIDS + 1).saturating_sub(self.kids.len()))
                .max(1);
            self.kids.reserve_exact(more);
            self.keys.reserve_exact(more);
        }
        self.kids.insert(at, kid);
        self.keys.insert(at, key);
    }

    fn drop_kids(&mut self, range: Range<usize>) {
        self.keys.drain(range.clone());
        self.len -= self.kids.drain(range).map(|kid| kid.len).sum::<usize>();
    }

    /// The chunk of a kid one level above the chunks.
    fn chunk(&self, at: usize) -> Option<&C> {
        match &*self.kids.get(at)?.node {
            Node::Leaf(chunk) => Some(chunk),
            Node::Inner(_) => None,
        }
    }

    /// Changes the chunk of a kid one level above the chunks.
    #[inline]
    fn with_chunk<R>(&mut self, at: usize, change: impl FnOnce(&mut C) -> R) -> R {
        let Node::Leaf(chunk) = Arc::make_mut(&mut self.kids[at].node) else {
            unreachable!("all kids of a node are of one kind");
        };
        let result = change(chunk);
        self.refresh(at);
        result
    }

    fn insert(&mut self, to: impl Locate<C>, new: C::New<'_>, limit: ChunkLimit, growth: Growth) {
        let (at, to) = to.kid(self);
        match &*self.kids[at].node {
            Node::Leaf(chunk) => {
                let place = to.place(chunk);
                if chunk.fits(&new, limit) {
                    self.with_chunk(at, |chunk| chunk.insert(place, new));
                } else {
                    self.insert_beside(at, place, new, limit, growth);
                }
            }
            Node::Inner(_) => {
                inner_of(&mut self.kids[at].node).insert(to, new, limit, growth);
                self.refresh(at);
                if self.kids[at].node.is_overfull(limit) {
                    self.split_kid(at, growth);
                }
            }
        }
    }

    /// Inserts where the chunk of kid `at`, in which the element's place is `rest`, has no room for it.
    #[cold]
    fn insert_beside(
        &mut self,
        at: usize,
        rest: usize,
        new: C::New<'_>,
        limit: ChunkLimit,
        growth: Growth,
    ) {
        let len = self.kids[at].len;
        if rest == len
            && self
                .chunk(at + 1)
                .is_some_and(|chunk| chunk.fits(&new, limit))
        {
            return self.with_chunk(at + 1, |chunk| chunk.insert(0, new));
        }
        if rest == 0 || rest == len {
            let room = self.room(at, growth);
            let place = if rest == 0 { at } else { at + 1 };
            return self.add_kid(place, Arc::new(Node::Leaf(C::single(new, room))));
        }
        let alone = C::alone(&new, limit);
        let middle = if alone { rest } else { len / 2 };
        let right = self.with_chunk(at, |chunk| chunk.split_off(middle));
        self.add_kid(at + 1, Arc::new(Node::Leaf(right)));
        // The part may still have no room if its elements are of very different sizes. It is smaller than before in
        // any case, and a new element at the boundary of a part always finds a place.
        let (at, rest) = if rest <= middle {
            (at, rest)
        } else {
            (at + 1, rest - middle)
        };
        if self.chunk(at).is_some_and(|chunk| chunk.fits(&new, limit)) {
            self.with_chunk(at, |chunk| chunk.insert(rest, new));
        } else {
            self.insert_beside(at, rest, new, limit, Growth::Middle);
        }
    }

    /// What to reserve in a new chunk beside the full one of kid `at`: its size if elements are pushed there one
    /// after the other, but for a short sequence only a part, lest it be mostly reserve.
    fn room(&mut self, at: usize, growth: Growth) -> Option<(End, usize)> {
        let end = match growth {
            Growth::Front => End::Front,
            Growth::Middle => return None,
            Growth::Back => End::Back,
        };
        // A shared chunk is not worth a copy for the sake of its slack.
        if let Some(Node::Leaf(chunk)) = Arc::get_mut(&mut self.kids[at].node) {
            chunk.complete();
        }
        let full = self.chunk(at)?.bytes();
        Some((end, if self.kids.len() < 4 { full / 4 } else { full }))
    }

    /// Adds a leaf below the last kids, which may leave this node with one kid too many.
    fn push_leaf(&mut self, leaf: Arc<Node<C>>) {
        let last = self.kids.len() - 1;
        if matches!(*self.kids[last].node, Node::Leaf(_)) {
            return self.add_kid(last + 1, leaf);
        }
        let inner = inner_of(&mut self.kids[last].node);
        inner.push_leaf(leaf);
        let wide = inner.kids.len() > MAX_KIDS;
        self.refresh(last);
        if wide {
            self.split_kid(last, Growth::Back);
        }
    }

    /// Splits kid `at` in two.
    fn split_kid(&mut self, at: usize, growth: Growth) {
        let right = match Arc::make_mut(&mut self.kids[at].node) {
            Node::Leaf(chunk) => Node::Leaf(chunk.split_off(chunk.len() / 2)),
            Node::Inner(inner) => {
                let kids = inner.kids.len();
                let middle = match growth {
                    Growth::Front => kids.saturating_sub(MAX_KIDS).max(1),
                    Growth::Middle => kids / 2,
                    Growth::Back => MAX_KIDS.min(kids - 1),
                };
                let (keys, kids) = (inner.keys.split_off(middle), inner.kids.split_off(middle));
                let len = kids.iter().map(|kid| kid.len).sum();
                inner.len -= len;
                inner.kids.shrink_to(inner.kids.len() + 1);
                inner.keys.shrink_to(inner.kids.len() + 1);
                Node::Inner(Box::new(Inner { len, keys, kids }))
            }
        };
        self.refresh(at);
        self.add_kid(at + 1, Arc::new(right));
    }

    fn remove(&mut self, range: Range<usize>, limit: ChunkLimit) {
        let (first, from) = self.locate(range.start);
        let (last, to) = self.locate(range.end - 1);
        let keeps_head = from > 0;
        let keeps_tail = to + 1 < self.kids[last].len;
        if first == last && (keeps_head || keeps_tail) {
            Node::remove(&mut self.kids[first].node, from..to + 1, limit);
            return self.settle(first, limit);
        }
        if keeps_tail {
            Node::remove(&mut self.kids[last].node, 0..to + 1, limit);
            self.refresh(last);
        }
        if keeps_head {
            let len = self.kids[first].len;
            Node::remove(&mut self.kids[first].node, from..len, limit);
            self.refresh(first);
        }
        let dropped = first + usize::from(keeps_head)..last + usize::from(!keeps_tail);
        let behind = dropped.start;
        self.drop_kids(dropped);
        // The kid behind first: it may be merged into the one in front, whose place does not change by that.
        if keeps_tail {
            self.settle(behind, limit);
        }
        if keeps_head {
            self.settle(first, limit);
        }
    }

    /// Puts kid `at` in order after a change below it: drops it, splits it, or merges it with a neighbour.
    fn settle(&mut self, at: usize, limit: ChunkLimit) {
        self.refresh(at);
        let node = &self.kids[at].node;
        if node.len() == 0 {
            self.drop_kids(at..at + 1);
        } else if node.is_overfull(limit) {
            self.split_kid(at, Growth::Middle);
        } else if node.is_underfull(limit) {
            let takes = |left: usize| {
                let right = self.kids.get(left + 1);
                right.is_some_and(|right| self.kids[left].node.can_take(&right.node, limit))
            };
            if takes(at) {
                self.merge(at);
            } else if at > 0 && takes(at - 1) {
                self.merge(at - 1);
            }
        }
    }

    /// Makes one kid of `at` and the one behind it.
    fn merge(&mut self, at: usize) {
        let right = self.kids.remove(at + 1);
        self.keys.remove(at + 1);
        self.len -= right.len;
        match (Arc::make_mut(&mut self.kids[at].node), &*right.node) {
            (Node::Leaf(left), Node::Leaf(right)) => left.append(right),
            (Node::Inner(left), Node::Inner(right)) => {
                left.kids.extend(right.kids.iter().cloned());
                left.keys.extend(right.keys.iter().cloned());
                left.len += right.len;
            }
            _ => unreachable!("all kids of a node are of one kind"),
        }
        self.refresh(at);
    }
}

impl<C: Chunk> Clone for Tree<C> {
    /// Shares all nodes: O(1).
    fn clone(&self) -> Tree<C> {
        Tree {
            root: self.root.clone(),
        }
    }
}

impl<C: Chunk> Default for Tree<C> {
    fn default() -> Tree<C> {
        Tree::new()
    }
}

impl<C: Chunk> Clone for Node<C> {
    fn clone(&self) -> Node<C> {
        match self {
            Node::Leaf(chunk) => Node::Leaf(chunk.clone()),
            Node::Inner(inner) => {
                // Room for one more kid, since a node is only cloned to be written to.
                let mut kids = Vec::with_capacity(inner.kids.len() + 1);
                kids.extend(inner.kids.iter().cloned());
                let mut keys = Vec::with_capacity(inner.keys.len() + 1);
                keys.extend(inner.keys.iter().cloned());
                Node::Inner(Box::new(Inner {
                    len: inner.len,
                    keys,
                    kids,
                }))
            }
        }
    }
}

impl<C: Chunk> Clone for Kid<C> {
    fn clone(&self) -> Kid<C> {
        Kid {
            len: self.len,
            node: Arc::clone(&self.node),
        }
    }
}

#[cfg(test)]
mod tests;
