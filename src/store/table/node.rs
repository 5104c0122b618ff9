//! What a table stores: [`Node`], a counted pointer to an element, [`NodeRef`], a borrowed one, and
//! [`KeyHash`], which turns keys into hashes.
//!
//! The table keeps nothing but pointers. Elements carry their own key and deadline, so that one allocation
//! holds all of an element and an overwrite touches no table memory.

use std::hash::{BuildHasher, Hasher};
use std::marker::PhantomData;
use std::ops::Deref;
use std::ptr::NonNull;
use std::sync::OnceLock;

use foldhash::SharedSeed;
use foldhash::quality::{FoldHasher, SeedableRandomState};

/// The deadline of an element that never expires.
pub const NO_DEADLINE: u64 = u64::MAX;

/// A reference-counted pointer to an element. `Clone` counts one reference more, `Drop` one less.
///
/// # Safety
/// An implementation promises all of this:
/// * The type is `#[repr(transparent)]` over one non-null pointer, whose bits are those that
///   [`into_raw`](Node::into_raw) answers: the table reads a pointer in its memory as the type itself.
/// * The pointer has an address below 2^48, stays valid while a reference is held, and a clone has the same
///   address as its original.
/// * `key`, `deadline_ms`, `clone` and `drop` do not panic and do not reach back into the table.
/// * What `key` answers never changes while the element is in a table.
pub unsafe trait Node: Clone + Send + Sync {
    /// Gives the reference up for its pointer, without changing the count.
    fn into_raw(self) -> NonNull<u8>;

    /// Takes back a reference that [`into_raw`](Node::into_raw) gave up.
    ///
    /// # Safety
    /// `raw` came from `into_raw` of the same type, and its reference has not been taken back before.
    unsafe fn from_raw(raw: NonNull<u8>) -> Self;

    /// The element's key, any bytes.
    fn key(&self) -> &[u8];

    /// When the element expires, in milliseconds of Unix time; [`NO_DEADLINE`] for never.
    fn deadline_ms(&self) -> u64;
}

/// A node borrowed from a table for `'a`: a plain pointer, copied freely, that counts no reference.
///
/// It stands in for `&'a N`, which cannot point into the table because slots hold hash bits beside the pointer.
pub struct NodeRef<'a, N> {
    raw: NonNull<u8>,
    table: PhantomData<&'a N>,
}

impl<N> Clone for NodeRef<'_, N> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<N> Copy for NodeRef<'_, N> {}

// SAFETY: a `NodeRef` gives access to nothing but `&N`, so it goes wherever `&N` may go.
unsafe impl<N: Sync> Send for NodeRef<'_, N> {}
// SAFETY: as above.
unsafe impl<N: Sync> Sync for NodeRef<'_, N> {}

impl<'a, N: Node> NodeRef<'a, N> {
    /// Borrows the node behind `raw`.
    ///
    /// # Safety
    /// `raw` belongs to a reference to an `N` that is held during `'a`.
    pub(super) unsafe fn new(raw: NonNull<u8>) -> Self {
        const { assert!(size_of::<N>() == size_of::<NonNull<u8>>()) };
        NodeRef {
            raw,
            table: PhantomData,
        }
    }

    /// The element's pointer. It is valid for all of `'a`, which lets the element's own module hand out
    /// parts of it that outlive this borrow of the `NodeRef`.
    #[inline]
    pub fn as_raw(self) -> NonNull<u8> {
        self.raw
    }
}

impl<N: Node> Deref for NodeRef<'_, N> {
    type Target = N;

    #[inline]
    fn deref(&self) -> &N {
        // SAFETY: `N` is transparent over a non-null pointer with these very bits (contract of `Node`), and
        // the reference that `new` was promised outlives this borrow.
        unsafe { &*(&raw const self.raw).cast::<N>() }
    }
}

/// Turns a key into the 64 bits that place it in the table.
///
/// The table relies on all bits being well mixed for its speed and for the fairness of
/// [`random`](super::Table::random), never for its correctness.
pub trait KeyHash: Copy {
    /// The hash of `key`: always the same for the same key and hasher.
    fn hash(&self, key: &[u8]) -> u64;
}

/// The seeds of the keyed hash that tables use (foldhash, its `quality` variant).
///
/// Copying it is free. Tables with the same seed agree on the hash of every key.
#[derive(Clone, Copy)]
pub struct HashSeed {
    own: u64,
    shared: &'static SharedSeed,
}

impl HashSeed {
    /// A seed that differs in each process and each call, drawn from the operating system's randomness, so that
    /// nobody can prepare keys that collide.
    pub fn random() -> Self {
        static SHARED: OnceLock<SharedSeed> = OnceLock::new();
        let draw = || std::hash::RandomState::new().build_hasher().finish();
        HashSeed {
            own: draw(),
            shared: SHARED.get_or_init(|| SharedSeed::from_u64(draw())),
        }
    }

    /// The seed that all collections of this process share.
    pub fn of_process() -> Self {
        static SEED: OnceLock<HashSeed> = OnceLock::new();
        *SEED.get_or_init(HashSeed::random)
    }

    /// The same seed for the same number, for tests and measurements that must repeat.
    pub fn fixed(number: u64) -> Self {
        HashSeed {
            own: number,
            shared: SharedSeed::global_fixed(),
        }
    }
}

impl Default for HashSeed {
    /// [`HashSeed::of_process`], for maps beside the data set whose keys are named by clients.
    fn default() -> Self {
        HashSeed::of_process()
    }
}

impl KeyHash for HashSeed {
    #[inline]
    fn hash(&self, key: &[u8]) -> u64 {
        let mut hasher = self.build_hasher();
        hasher.write(key);
        hasher.finish()
    }
}

impl BuildHasher for HashSeed {
    type Hasher = FoldHasher<'static>;

    #[inline]
    fn build_hasher(&self) -> FoldHasher<'static> {
        SeedableRandomState::with_seed(self.own, self.shared).build_hasher()
    }
}

/// Asks the processor to fetch the cache line of `pointer`. Any address is allowed: nothing is read.
#[inline(always)]
pub(in crate::store) fn prefetch(pointer: *const u8) {
    #[cfg(all(target_arch = "x86_64", not(miri)))]
    // SAFETY: a prefetch is a hint that never faults, whatever the address.
    unsafe {
        use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
        _mm_prefetch::<_MM_HINT_T0>(pointer.cast());
    }
    #[cfg(all(target_arch = "aarch64", not(miri)))]
    // SAFETY: as above; the instruction changes neither memory nor flags.
    unsafe {
        std::arch::asm!("prfm pldl1keep, [{0}]", in(reg) pointer, options(nostack, readonly, preserves_flags));
    }
    #[cfg(any(miri, not(any(target_arch = "x86_64", target_arch = "aarch64"))))]
    let _ = pointer;
}
