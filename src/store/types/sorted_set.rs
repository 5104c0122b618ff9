//! [`SortedSet`]: members ordered by their scores.
use triomphe::Arc;

use crate::store::encoding::flat::Flat;

/// The value of a sorted set key. Cloning is O(1) and shares everything; a writer copies what it touches.
#[derive(Clone, Debug, Default)]
pub struct SortedSet(Arc<Repr>);

#[derive(Clone, Debug, Default)]
struct Repr {
    flat: Flat,
}

impl SortedSet {
    /// Number of elements.
    pub fn len(&self) -> usize {
        self.0.flat.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// What OBJECT ENCODING calls its form.
    pub fn encoding_name(&self) -> &'static str {
        "listpack"
    }

    /// Bytes that it takes on the heap, estimated from `samples` of its elements (0 for all).
    pub fn memory_bytes(&self, _samples: usize) -> usize {
        size_of::<Repr>() + self.0.flat.heap_bytes()
    }
}
