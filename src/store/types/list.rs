//! [`List`]: the value of a list key.
//!
//! # Life cycle
//! A list begins small, as one [`Flat`] ("listpack"). When what is to be added would take it over the limit that
//! `list-max-listpack-size` sets ([`Fill`]), its buffer becomes the first chunk of a [`Tree`] ("quicklist"). It goes
//! back when removals have left a single chunk of at most half that limit, so that a list at the limit does not
//! change with every operation. These are the rules of Redis 7.2 and later, down to the estimates it makes, because
//! `OBJECT ENCODING` shows them.
//!
//! In a tree, an element larger than half a chunk lives alone, by itself on the heap and reference-counted
//! ([`ListChunk::Plain`]): a reply can be written from it after the list has been unlocked or changed, and copying
//! the list does not copy it.
//!
//! Cloning is O(1) and shares everything; a writer copies what it touches.
//!
//! Operations count from the front, from 0. Wherever an operation could change the encoding it takes the limit as a
//! parameter. A list that has become empty is still a list here; that an empty list's key is removed is the
//! keyspace's business. To add an operation, write it for both of `Repr`'s forms, in terms of the tree's own
//! operations for the large one, and end it with `shrink` if it removes anything.
mod builder;

use std::ops::Range;
use std::sync::Arc;

use triomphe::Arc as NodeArc;

use crate::store::encoding::flat::{self, Encoded, Flat, Item, Needle};
use crate::store::tree::{Chunk, ChunkLimit, Cursor, End, Tree};
pub use builder::Builder;

/// Bytes that a listpack has besides its entries, which count for the limits: header and final byte.
const LISTPACK_OVERHEAD: usize = 7;
/// The most bytes of a chunk when the limit is a number of elements.
const SAFETY_BYTES: usize = 8192;
/// From this size on an element lives alone, however large chunks may be.
const PLAIN_BYTES: usize = 8192;

/// The value of `list-max-listpack-size`: a positive number of elements for a chunk, or -1 to -5 for 4, 8, 16, 32 or
/// 64 kilobytes. 0 counts as 1, anything below -5 as -5.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fill(pub i32);

impl Default for Fill {
    fn default() -> Fill {
        Fill(-2)
    }
}

impl Fill {
    /// Bytes of a listpack with its header, and number of elements; the first is nothing for a limit of elements.
    fn parts(self) -> (Option<usize>, usize) {
        match self.0 {
            0.. => (None, self.0.max(1) as usize),
            negative => (
                Some(4096 << (negative.max(-5) + 1).unsigned_abs()),
                usize::MAX,
            ),
        }
    }

    /// The limit for chunks in a tree.
    pub fn chunk_limit(self) -> ChunkLimit {
        let (bytes, elements) = self.parts();
        ChunkLimit {
            bytes: bytes.unwrap_or(SAFETY_BYTES) - LISTPACK_OVERHEAD,
            elements,
        }
    }

    /// Whether a small list of so many bytes (as a listpack) and elements is too large to be small.
    fn is_exceeded(self, bytes: usize, elements: usize) -> bool {
        let (most_bytes, most_elements) = self.parts();
        bytes > most_bytes.unwrap_or(SAFETY_BYTES) || elements > most_elements
    }

    /// Whether a single chunk of this size is small enough to be a small list: within the limit, or within half of
    /// it after a removal.
    fn allows_small(self, bytes: usize, elements: usize, removed: bool) -> bool {
        let (most_bytes, most_elements) = self.parts();
        let part = if removed { 2 } else { 1 };
        bytes <= most_bytes.unwrap_or(usize::MAX) / part && elements <= most_elements / part
    }
}

/// A sequence of byte strings. See the module's head.
#[derive(Clone, Debug)]
pub struct List(Repr);

#[derive(Clone)]
enum Repr {
    Small(NodeArc<Flat>),
    Large(Tree<ListChunk>),
}

/// A run of elements of a large list.
#[derive(Clone, Debug)]
pub enum ListChunk {
    /// Some elements in one buffer.
    Flat(Flat),
    /// One large element.
    Plain(Arc<Vec<u8>>),
}

/// One element, borrowed from its list.
#[derive(Clone, Copy, Debug)]
pub enum Element<'a> {
    /// A byte string.
    Bytes(&'a [u8]),
    /// A byte string that is the decimal form of an integer.
    Int(i64),
    /// A large byte string, which may be kept by cloning the counter.
    Shared(&'a Arc<Vec<u8>>),
}

/// An element to be put into a list.
#[derive(Clone, Debug)]
pub enum Value<'a> {
    /// A byte string, copied into the list.
    Bytes(&'a [u8]),
    /// An integer, for its decimal form.
    Int(i64),
    /// A byte string that the list may share, and does if it is large.
    Shared(Arc<Vec<u8>>),
}

impl<'a> Element<'a> {
    fn from_item(item: Item<'a>) -> Element<'a> {
        match item {
            Item::Bytes(bytes) => Element::Bytes(bytes),
            Item::Int(value) => Element::Int(value),
        }
    }

    /// The element's text; integers are printed into `scratch`.
    pub fn text<'s>(&self, scratch: &'s mut itoa::Buffer) -> &'s [u8]
    where
        'a: 's,
    {
        match self {
            Element::Bytes(bytes) => bytes,
            Element::Int(value) => scratch.format(*value).as_bytes(),
            Element::Shared(bytes) => bytes,
        }
    }

    /// Length of the text in bytes.
    #[allow(
        clippy::len_without_is_empty,
        reason = "the length of a text, not of a container"
    )]
    pub fn len(&self) -> usize {
        match self {
            Element::Bytes(bytes) => bytes.len(),
            Element::Int(value) => Item::Int(*value).len(),
            Element::Shared(bytes) => bytes.len(),
        }
    }

    /// Appends the text to `out`.
    pub fn write_to(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(self.text(&mut itoa::Buffer::new()));
    }

    /// The text as a vector of its own.
    pub fn to_vec(&self) -> Vec<u8> {
        self.text(&mut itoa::Buffer::new()).to_vec()
    }

    fn is(&self, needle: &Needle<'_>) -> bool {
        match *self {
            Element::Bytes(bytes) => needle.matches(Item::Bytes(bytes)),
            Element::Int(value) => needle.matches(Item::Int(value)),
            Element::Shared(bytes) => needle.matches_bytes(bytes),
        }
    }
}

impl<'a> From<Element<'a>> for Value<'a> {
    fn from(element: Element<'a>) -> Value<'a> {
        match element {
            Element::Bytes(bytes) => Value::Bytes(bytes),
            Element::Int(value) => Value::Int(value),
            Element::Shared(bytes) => Value::Shared(Arc::clone(bytes)),
        }
    }
}

impl<'a> From<&'a [u8]> for Value<'a> {
    fn from(bytes: &'a [u8]) -> Value<'a> {
        Value::Bytes(bytes)
    }
}

impl From<Arc<Vec<u8>>> for Value<'_> {
    fn from(bytes: Arc<Vec<u8>>) -> Self {
        Value::Shared(bytes)
    }
}

impl Value<'_> {
    /// Length of the text in bytes.
    fn len(&self) -> usize {
        match self {
            Value::Bytes(bytes) => bytes.len(),
            Value::Int(value) => Item::Int(*value).len(),
            Value::Shared(bytes) => bytes.len(),
        }
    }

    #[inline(always)]
    fn encoded(&self) -> Encoded<'_> {
        match self {
            Value::Bytes(bytes) => Encoded::new(bytes),
            Value::Int(value) => Encoded::int(*value),
            Value::Shared(bytes) => Encoded::new(bytes),
        }
    }

    /// Hands the form in which a tree takes the element to `take`.
    #[inline(always)]
    fn with_new<R>(self, limit: ChunkLimit, take: impl FnOnce(NewElement<'_>) -> R) -> R {
        if self.len() <= PLAIN_BYTES.min(limit.bytes / 2) {
            return take(NewElement(Form::Small(self.encoded())));
        }
        take(NewElement(Form::Large(match self {
            Value::Shared(bytes) => bytes,
            Value::Bytes(bytes) => Arc::new(bytes.to_vec()),
            Value::Int(value) => Arc::new(value.to_string().into_bytes()),
        })))
    }
}

/// An element on its way into a [`ListChunk`]; made from a [`Value`] by the list.
#[derive(Debug)]
pub struct NewElement<'a>(Form<'a>);

#[derive(Debug)]
enum Form<'a> {
    Small(Encoded<'a>),
    Large(Arc<Vec<u8>>),
}

impl Chunk for ListChunk {
    type New<'a> = NewElement<'a>;
    type Key = ();

    #[inline]
    fn len(&self) -> usize {
        match self {
            ListChunk::Flat(flat) => flat.len(),
            ListChunk::Plain(_) => 1,
        }
    }

    #[inline]
    fn bytes(&self) -> usize {
        match self {
            ListChunk::Flat(flat) => flat.bytes(),
            ListChunk::Plain(bytes) => bytes.len(),
        }
    }

    fn heap_bytes(&self) -> usize {
        match self {
            ListChunk::Flat(flat) => flat.heap_bytes(),
            ListChunk::Plain(bytes) => plain_heap_bytes(bytes),
        }
    }

    #[inline]
    fn key(&self) {}

    #[inline]
    fn fits(&self, new: &NewElement<'_>, limit: ChunkLimit) -> bool {
        match (self, &new.0) {
            (ListChunk::Flat(flat), Form::Small(element)) => {
                flat.bytes() + element.size() <= limit.bytes && flat.len() < limit.elements
            }
            _ => false,
        }
    }

    fn alone(new: &NewElement<'_>, _limit: ChunkLimit) -> bool {
        matches!(new.0, Form::Large(_))
    }

    fn single(new: NewElement<'_>, room: Option<(End, usize)>) -> ListChunk {
        match new.0 {
            Form::Large(bytes) => ListChunk::Plain(bytes),
            Form::Small(element) => {
                let (mut flat, end) = match room {
                    Some((End::Front, bytes)) => (Flat::with_room_in_front(bytes), End::Front),
                    Some((End::Back, bytes)) => (Flat::with_room_behind(bytes), End::Back),
                    None => (Flat::new(), End::Back),
                };
                push_flat(&mut flat, end, &element);
                ListChunk::Flat(flat)
            }
        }
    }

    #[inline(always)]
    fn insert(&mut self, at: usize, new: NewElement<'_>) {
        match (self, new.0) {
            (ListChunk::Flat(flat), Form::Small(element)) if at == 0 => flat.push_front(&element),
            (ListChunk::Flat(flat), Form::Small(element)) => flat.insert(at, &element),
            // Neither a large element nor one beside it fits into a chunk.
            _ => unreachable!("elements are only inserted where they fit"),
        }
    }

    #[inline]
    fn remove(&mut self, range: Range<usize>) {
        match self {
            ListChunk::Flat(flat) => flat.remove(range),
            ListChunk::Plain(_) if range.is_empty() => {}
            ListChunk::Plain(_) => *self = ListChunk::Flat(Flat::new()),
        }
    }

    fn split_off(&mut self, at: usize) -> ListChunk {
        match self {
            ListChunk::Flat(flat) => ListChunk::Flat(flat.split_off(at)),
            ListChunk::Plain(_) => unreachable!("a single element is not split"),
        }
    }

    fn mergeable(&self, right: &ListChunk) -> bool {
        matches!((self, right), (ListChunk::Flat(_), ListChunk::Flat(_)))
    }

    fn append(&mut self, right: &ListChunk) {
        match (self, right) {
            (ListChunk::Flat(left), ListChunk::Flat(right)) => left.append(right),
            _ => unreachable!("only mergeable chunks are merged"),
        }
    }

    fn complete(&mut self) {
        if let ListChunk::Flat(flat) = self
            && flat.heap_bytes() - flat.bytes() > flat.bytes() / 16
        {
            flat.shrink_to_fit();
        }
    }
}

fn push_flat(flat: &mut Flat, end: End, element: &Encoded<'_>) {
    match end {
        End::Front => flat.push_front(element),
        End::Back => flat.push_back(element),
    }
}

/// The element itself, the vector that holds it, and the two counters in front of that.
fn plain_heap_bytes(bytes: &Vec<u8>) -> usize {
    bytes.capacity() + size_of::<Vec<u8>>() + 2 * size_of::<usize>()
}

impl ListChunk {
    fn get(&self, at: usize) -> Option<Element<'_>> {
        match self {
            ListChunk::Flat(flat) => flat.get(at).map(Element::from_item),
            ListChunk::Plain(bytes) => (at == 0).then_some(Element::Shared(bytes)),
        }
    }
}

impl Default for List {
    fn default() -> List {
        List::new()
    }
}

impl List {
    /// An empty list, small.
    pub fn new() -> List {
        List(Repr::Small(NodeArc::new(Flat::new())))
    }

    /// A list of whole chunks, as a dump file has them. Empty chunks are dropped.
    pub fn from_chunks(chunks: impl IntoIterator<Item = ListChunk>, fill: Fill) -> List {
        let mut tree = Tree::new();
        chunks.into_iter().for_each(|chunk| tree.push_chunk(chunk));
        let mut list = List(Repr::Large(tree));
        list.shrink_within(fill, false);
        list
    }

    /// The list as it is stored, chunk by chunk: a small list is one.
    pub fn chunks(&self) -> Chunks<'_> {
        Chunks(match &self.0 {
            Repr::Small(flat) => Left::Small((!flat.is_empty()).then_some(flat)),
            Repr::Large(tree) => Left::Large(tree.cursor(0)),
        })
    }

    /// Number of elements.
    #[inline]
    pub fn len(&self) -> usize {
        match &self.0 {
            Repr::Small(flat) => flat.len(),
            Repr::Large(tree) => tree.len(),
        }
    }

    /// Whether there is no element.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The name that `OBJECT ENCODING` gives.
    pub fn encoding_name(&self) -> &'static str {
        match self.0 {
            Repr::Small(_) => "listpack",
            Repr::Large(_) => "quicklist",
        }
    }

    /// Turns an index that counts from the end if it is negative into one from the front; nothing if there is no
    /// such element.
    pub fn resolve(&self, index: i64) -> Option<usize> {
        let len = self.len();
        if index < 0 {
            len.checked_sub(usize::try_from(index.unsigned_abs()).ok()?)
        } else {
            usize::try_from(index).ok().filter(|&index| index < len)
        }
    }

    /// The element at `index`.
    pub fn get(&self, index: usize) -> Option<Element<'_>> {
        match &self.0 {
            Repr::Small(flat) => flat.get(index).map(Element::from_item),
            Repr::Large(tree) => tree.get(index).and_then(|(chunk, at)| chunk.get(at)),
        }
    }

    /// The elements from `index` to the last.
    pub fn iter_from(&self, index: usize) -> Iter<'_> {
        let index = index.min(self.len());
        let (here, cursor) = match &self.0 {
            Repr::Small(flat) => (Run::Items(flat.iter_from(index)), None),
            Repr::Large(tree) => match tree.cursor(index) {
                None => (Run::One(None), None),
                Some(cursor) => {
                    let at = index - cursor.start();
                    let run = match cursor.chunk() {
                        ListChunk::Flat(flat) => Run::Items(flat.iter_from(at)),
                        plain => Run::of(plain),
                    };
                    (run, Some(cursor))
                }
            },
        };
        Iter {
            here,
            cursor,
            backwards: false,
            left: self.len() - index,
        }
    }

    /// The elements in front of `index` (all, if there are fewer), from there to the first.
    pub fn iter_back_from(&self, index: usize) -> Iter<'_> {
        let index = index.min(self.len());
        let (here, cursor) = match &self.0 {
            Repr::Small(flat) => (Run::Items(flat.iter_until(index)), None),
            Repr::Large(tree) => match index.checked_sub(1).and_then(|last| tree.cursor(last)) {
                None => (Run::One(None), None),
                Some(cursor) => {
                    let end = index - cursor.start();
                    let run = match cursor.chunk() {
                        ListChunk::Flat(flat) => Run::Items(flat.iter_until(end)),
                        plain => Run::of(plain),
                    };
                    (run, Some(cursor))
                }
            },
        };
        Iter {
            here,
            cursor,
            backwards: true,
            left: index,
        }
    }

    /// All elements in order.
    pub fn iter(&self) -> Iter<'_> {
        self.iter_from(0)
    }

    /// The elements of `range` in order, as far as there are such.
    pub fn range(&self, range: Range<usize>) -> std::iter::Take<Iter<'_>> {
        self.iter_from(range.start).take(range.len())
    }

    /// Adds an element at an end.
    #[inline]
    pub fn push<'a>(&mut self, end: End, value: impl Into<Value<'a>>, fill: Fill) {
        let value = value.into();
        self.grow(value.len(), 1, fill);
        self.push_unchecked(end, value, fill);
    }

    /// Adds elements at an end, one after the other. Whether the list is to be a large one is decided once for all of
    /// them.
    pub fn push_all<'a, V: Into<Value<'a>>>(
        &mut self,
        end: End,
        values: impl Iterator<Item = V> + Clone,
        fill: Fill,
    ) {
        if matches!(self.0, Repr::Small(_)) {
            let (mut bytes, mut count) = (0, 0);
            for value in values.clone() {
                bytes += value.into().len();
                count += 1;
            }
            self.grow(bytes, count, fill);
        }
        values.for_each(|value| self.push_unchecked(end, value.into(), fill));
    }

    #[inline(always)]
    fn push_unchecked(&mut self, end: End, value: Value<'_>, fill: Fill) {
        match &mut self.0 {
            Repr::Small(flat) => push_flat(NodeArc::make_mut(flat), end, &value.encoded()),
            Repr::Large(tree) => {
                let limit = fill.chunk_limit();
                value.with_new(limit, |new| tree.push(end, new, limit));
            }
        }
    }

    /// Removes the element at an end, after showing it to `read`.
    pub fn pop<R>(
        &mut self,
        end: End,
        fill: Fill,
        read: impl FnOnce(Element<'_>) -> R,
    ) -> Option<R> {
        match &mut self.0 {
            Repr::Small(flat) => {
                let item = match end {
                    End::Front => flat.first(),
                    End::Back => flat.last(),
                };
                let result = read(Element::from_item(item?));
                let flat = NodeArc::make_mut(flat);
                match end {
                    End::Front => flat.pop_front(),
                    End::Back => flat.pop_back(),
                };
                Some(result)
            }
            Repr::Large(tree) => {
                let result = tree.pop(end, |chunk, at| chunk.get(at).map(read)).flatten();
                self.shrink(fill);
                result
            }
        }
    }

    /// Removes up to `count` elements at an end, after showing them to `each`, the outermost first. Returns how many
    /// there were.
    pub fn pop_many(
        &mut self,
        end: End,
        count: usize,
        fill: Fill,
        mut each: impl FnMut(Element<'_>),
    ) -> usize {
        let len = self.len();
        let count = count.min(len);
        match end {
            End::Front => {
                self.iter().take(count).for_each(&mut each);
                self.remove(0..count, fill);
            }
            End::Back => {
                self.iter_back_from(len).take(count).for_each(&mut each);
                self.remove(len - count..len, fill);
            }
        }
        count
    }

    /// Moves the element at the end `from` of this list to the end `to` of another. False if there is none.
    pub fn move_to(&mut self, from: End, other: &mut List, to: End, fill: Fill) -> bool {
        self.pop(from, fill, |element| other.push(to, element, fill))
            .is_some()
    }

    /// Moves the element at the end `from` to the end `to` of the same list. False if there is none.
    pub fn rotate(&mut self, from: End, to: End, fill: Fill) -> bool {
        if self.len() < 2 || from == to {
            return !self.is_empty();
        }
        let element = self.pop(from, fill, |element| match element {
            Element::Shared(bytes) => Arc::clone(bytes),
            small => Arc::new(small.to_vec()),
        });
        element
            .map(|element| self.push(to, element, fill))
            .is_some()
    }

    /// Puts `value` in the place of the element at `index`; false if there is none.
    pub fn set<'a>(&mut self, index: usize, value: impl Into<Value<'a>>, fill: Fill) -> bool {
        if index >= self.len() {
            return false;
        }
        let value = value.into();
        self.grow(value.len(), 1, fill);
        match &mut self.0 {
            Repr::Small(flat) => {
                NodeArc::make_mut(flat).replace(index, &value.encoded());
            }
            Repr::Large(tree) => {
                let limit = fill.chunk_limit();
                value.with_new(limit, |new| replace(tree, index, new, limit));
                self.shrink(fill);
            }
        }
        true
    }

    /// Puts `value` in front of the element at `index`, or behind all for an index of `len()` or more.
    pub fn insert<'a>(&mut self, index: usize, value: impl Into<Value<'a>>, fill: Fill) {
        let value = value.into();
        self.grow(value.len(), 1, fill);
        match &mut self.0 {
            Repr::Small(flat) => NodeArc::make_mut(flat).insert(index, &value.encoded()),
            Repr::Large(tree) => {
                let limit = fill.chunk_limit();
                value.with_new(limit, |new| tree.insert(index, new, limit));
            }
        }
    }

    /// Puts `value` in front of the first element that equals `pivot`, or behind it. False if there is none.
    pub fn insert_at_pivot<'a>(
        &mut self,
        pivot: &[u8],
        behind: bool,
        value: impl Into<Value<'a>>,
        fill: Fill,
    ) -> bool {
        let pivot = Needle::new(pivot);
        let Some(index) = self.iter().position(|element| element.is(&pivot)) else {
            return false;
        };
        self.insert(index + usize::from(behind), value, fill);
        true
    }

    /// Removes the elements in `range`, as far as there are such.
    pub fn remove(&mut self, range: Range<usize>, fill: Fill) {
        if range.is_empty() {
            return;
        }
        match &mut self.0 {
            Repr::Small(flat) => NodeArc::make_mut(flat).remove(range),
            Repr::Large(tree) => {
                tree.remove(range, fill.chunk_limit());
                self.shrink(fill);
            }
        }
    }

    /// Removes all elements outside of `range`.
    pub fn trim(&mut self, range: Range<usize>, fill: Fill) {
        self.remove(range.end.max(range.start)..self.len(), fill);
        self.remove(0..range.start, fill);
    }

    /// Removes elements that equal `value`: the first `count` of them, the last `-count` if it is negative, or all if
    /// it is 0. Returns how many there were.
    pub fn remove_equal(&mut self, value: &[u8], count: i64, fill: Fill) -> usize {
        let most = match usize::try_from(count.unsigned_abs()) {
            Ok(0) | Err(_) => usize::MAX,
            Ok(most) => most,
        };
        let from_end = count < 0;
        let mut found = self.find(value, from_end, 0, most, usize::MAX);
        if !from_end {
            found.reverse();
        }
        // Each removal is a descent; when many elements go it is cheaper to copy the others.
        if found.len() > 16 && found.len() > self.len() / 8 {
            self.rebuild_without(&found, fill);
        } else {
            found
                .iter()
                .for_each(|&index| self.remove(index..index + 1, fill));
        }
        found.len()
    }

    /// Builds the list anew without the elements at `indexes`, which descend.
    fn rebuild_without(&mut self, indexes: &[usize], fill: Fill) {
        let mut rest = match self.0 {
            Repr::Small(_) => List::new(),
            Repr::Large(_) => List(Repr::Large(Tree::new())),
        };
        let mut gone = indexes.iter().rev().peekable();
        for (index, element) in self.iter().enumerate() {
            if gone.next_if(|&&at| at == index).is_none() {
                rest.push_unchecked(End::Back, element.into(), fill);
            }
        }
        *self = rest;
        self.shrink(fill);
    }

    /// Indexes of the elements that equal `value`, in the order in which the search meets them: from the front, or
    /// from the back for a negative `rank`. The search skips `|rank| - 1` of them, ends after `count` (0: no limit),
    /// and looks at `max_compared` elements at most (0: all).
    pub fn positions(
        &self,
        value: &[u8],
        rank: i64,
        count: usize,
        max_compared: usize,
    ) -> Vec<usize> {
        let unlimited = |limit| if limit == 0 { usize::MAX } else { limit };
        let skip = usize::try_from(rank.unsigned_abs())
            .unwrap_or(usize::MAX)
            .saturating_sub(1);
        self.find(
            value,
            rank < 0,
            skip,
            unlimited(count),
            unlimited(max_compared),
        )
    }

    fn find(
        &self,
        value: &[u8],
        from_end: bool,
        skip: usize,
        count: usize,
        max_compared: usize,
    ) -> Vec<usize> {
        let len = self.len();
        let needle = Needle::new(value);
        let elements = if from_end {
            self.iter_back_from(len)
        } else {
            self.iter()
        };
        elements
            .take(max_compared)
            .enumerate()
            .filter(|(_, element)| element.is(&needle))
            .map(|(met, _)| if from_end { len - 1 - met } else { met })
            .skip(skip)
            .take(count)
            .collect()
    }

    /// Heap bytes that the list owns, its share in other lists included, estimated from `samples` chunks (0: all).
    pub fn memory_bytes(&self, samples: usize) -> usize {
        match &self.0 {
            Repr::Small(flat) => size_of::<Flat>() + size_of::<usize>() + flat.heap_bytes(),
            Repr::Large(tree) => tree.heap_bytes(samples),
        }
    }

    /// Makes the list large if it would be too large for a small one with so many bytes of text and elements more.
    #[inline]
    fn grow(&mut self, bytes: usize, elements: usize, fill: Fill) {
        if let Repr::Small(flat) = &mut self.0
            && fill.is_exceeded(
                flat.bytes()
                    .saturating_add(LISTPACK_OVERHEAD)
                    .saturating_add(bytes),
                flat.len().saturating_add(elements),
            )
        {
            let flat = NodeArc::unwrap_or_clone(std::mem::take(flat));
            let mut tree = Tree::new();
            tree.push_chunk(ListChunk::Flat(flat));
            self.0 = Repr::Large(tree);
        }
    }

    /// Makes the list small if a removal has left little enough of it.
    #[inline]
    fn shrink(&mut self, fill: Fill) {
        self.shrink_within(fill, true);
    }

    fn shrink_within(&mut self, fill: Fill, removed: bool) {
        let Repr::Large(tree) = &mut self.0 else {
            return;
        };
        if tree.is_empty() {
            *self = List::new();
            return;
        }
        let Some(ListChunk::Flat(flat)) = tree.only_chunk() else {
            return;
        };
        if !fill.allows_small(flat.bytes() + LISTPACK_OVERHEAD, flat.len(), removed) {
            return;
        }
        match std::mem::take(tree).into_only_chunk() {
            Ok(ListChunk::Flat(flat)) => self.0 = Repr::Small(NodeArc::new(flat)),
            Ok(plain) => tree.push_chunk(plain),
            Err(whole) => *tree = whole,
        }
    }
}

/// Puts an element of a large list in the place of another.
fn replace(tree: &mut Tree<ListChunk>, index: usize, new: NewElement<'_>, limit: ChunkLimit) {
    let Some((chunk, _)) = tree.get(index) else {
        return;
    };
    match (chunk, new) {
        (chunk, new) if chunk.len() == 1 => {
            tree.update(index, limit, |chunk, _| {
                *chunk = ListChunk::single(new, None)
            });
        }
        (_, NewElement(Form::Small(element))) => {
            tree.update(index, limit, |chunk, at| {
                if let ListChunk::Flat(flat) = chunk {
                    flat.replace(at, &element);
                }
            });
        }
        (_, large) => {
            tree.remove(index..index + 1, limit);
            tree.insert(index, large, limit);
        }
    }
}

impl std::fmt::Debug for Repr {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Repr::Small(flat) => flat.fmt(f),
            Repr::Large(tree) => write!(f, "Tree of {} elements", tree.len()),
        }
    }
}

/// The elements of a list in one direction.
pub struct Iter<'a> {
    here: Run<'a>,
    cursor: Option<Cursor<'a, ListChunk>>,
    backwards: bool,
    left: usize,
}

/// What is left of one chunk.
enum Run<'a> {
    Items(flat::Iter<'a>),
    One(Option<&'a Arc<Vec<u8>>>),
}

impl<'a> Run<'a> {
    fn of(chunk: &'a ListChunk) -> Run<'a> {
        match chunk {
            ListChunk::Flat(flat) => Run::Items(flat.iter()),
            ListChunk::Plain(bytes) => Run::One(Some(bytes)),
        }
    }
}

impl<'a> Iterator for Iter<'a> {
    type Item = Element<'a>;

    #[inline]
    fn next(&mut self) -> Option<Element<'a>> {
        loop {
            let element = match &mut self.here {
                Run::Items(items) if self.backwards => items.next_back().map(Element::from_item),
                Run::Items(items) => items.next().map(Element::from_item),
                Run::One(one) => one.take().map(Element::Shared),
            };
            if element.is_some() {
                self.left -= 1;
                return element;
            }
            let cursor = self.cursor.as_mut()?;
            if !(if self.backwards {
                cursor.prev()
            } else {
                cursor.next()
            }) {
                return None;
            }
            self.here = Run::of(cursor.chunk());
        }
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.left, Some(self.left))
    }
}

impl ExactSizeIterator for Iter<'_> {}

/// The chunks of a list in order.
pub struct Chunks<'a>(Left<'a>);

enum Left<'a> {
    Small(Option<&'a Flat>),
    Large(Option<Cursor<'a, ListChunk>>),
}

/// One chunk of a list, borrowed.
#[derive(Clone, Copy, Debug)]
pub enum ChunkRef<'a> {
    /// Some elements in one buffer, whose [entries](Flat::entries) are those of a listpack.
    Flat(&'a Flat),
    /// One large element.
    Plain(&'a Arc<Vec<u8>>),
}

impl<'a> Iterator for Chunks<'a> {
    type Item = ChunkRef<'a>;

    fn next(&mut self) -> Option<ChunkRef<'a>> {
        match &mut self.0 {
            Left::Small(flat) => flat.take().map(ChunkRef::Flat),
            Left::Large(cursor) => {
                let reader = cursor.as_mut()?;
                let chunk = match reader.chunk() {
                    ListChunk::Flat(flat) => ChunkRef::Flat(flat),
                    ListChunk::Plain(bytes) => ChunkRef::Plain(bytes),
                };
                if !reader.next() {
                    *cursor = None;
                }
                Some(chunk)
            }
        }
    }
}

#[cfg(test)]
mod tests;
