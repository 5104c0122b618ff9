//! [`Slot`]: an element of a table that is being changed.

use std::marker::PhantomData;
use std::ops::{Deref, DerefMut};
use std::ptr::NonNull;

use super::bucket::{pack, unpack, window_of};
use super::node::{Node, NodeRef};
use super::{Root, lower_bounds};

/// An element of a table, borrowed for changing it. It reads as `&N`, and as `&mut N` it may be changed or be
/// replaced by a node with the same key. When the guard goes, the bounds of deadlines above are lowered to the
/// node's deadline.
///
/// Once `&mut N` has been used, the slot holds the plain pointer until the guard goes. A guard that is leaked in that
/// state leaves an element that lookups no longer find; the table still owns and drops it.
pub struct Slot<'a, N: Node> {
    root: &'a Root<N>,
    hash: u64,
    slot: NonNull<*mut u8>,
    state: State,
    table: PhantomData<&'a mut N>,
}

/// What the slot in the table holds.
#[derive(Clone, Copy)]
enum State {
    /// The pointer with hash bits above it; here it is without them.
    Packed(NonNull<u8>),
    /// The plain pointer; here are the bits to put back.
    Plain(u16),
}

impl<'a, N: Node> Slot<'a, N> {
    /// The guard of the element that `slot` of the segment for `hash` holds.
    ///
    /// # Safety
    /// The path from the root to the segment has no other owner, and the table is borrowed mutably for `'a`.
    #[inline]
    pub(super) unsafe fn new(root: &'a Root<N>, hash: u64, slot: NonNull<*mut u8>) -> Self {
        // SAFETY: the slot is within the segment's allocation, which the table keeps.
        let pointer = unpack(unsafe { slot.read() });
        Slot {
            root,
            hash,
            slot,
            state: State::Packed(NonNull::new(pointer).expect("the place holds an element")),
            table: PhantomData,
        }
    }

    /// The element for as long as the table is borrowed, giving up the right to change it.
    #[inline]
    pub fn into_ref(mut self) -> NodeRef<'a, N> {
        self.close();
        let State::Packed(raw) = self.state else {
            unreachable!("a closed slot is packed")
        };
        // SAFETY: the table owns the element and is borrowed mutably during `'a` for this guard, which ends here.
        unsafe { NodeRef::new(raw) }
    }

    /// Takes the hash bits off the slot, so that it can be used as an `N`.
    #[inline]
    fn open(&mut self) {
        if let State::Packed(raw) = self.state {
            // SAFETY: the slot is within the segment's allocation, and nobody else looks at it during `'a`.
            let packed = unsafe { self.slot.replace(raw.as_ptr()) };
            self.state = State::Plain(window_of(packed));
        }
    }

    /// Puts the hash bits back and lowers the bounds to the node's deadline.
    #[inline]
    fn close(&mut self) {
        if let State::Plain(window) = self.state {
            // SAFETY: as in `open`.
            let raw = unsafe { self.slot.cast::<NonNull<u8>>().read() };
            // SAFETY: as in `open`.
            unsafe { self.slot.write(pack(raw.as_ptr(), window)) };
            self.state = State::Packed(raw);
            lower_bounds(self.root, self.hash, self.deadline_ms());
        }
    }
}

impl<N: Node> Deref for Slot<'_, N> {
    type Target = N;

    #[inline]
    fn deref(&self) -> &N {
        let plain = match &self.state {
            State::Packed(raw) => raw,
            // SAFETY: the slot holds a plain pointer that is not null, and is borrowed through this guard.
            State::Plain(_) => unsafe { self.slot.cast::<NonNull<u8>>().as_ref() },
        };
        // SAFETY: an `N` is transparent over its plain pointer, and the table keeps the reference meanwhile.
        unsafe { NonNull::from(plain).cast::<N>().as_ref() }
    }
}

impl<N: Node> DerefMut for Slot<'_, N> {
    #[inline]
    fn deref_mut(&mut self) -> &mut N {
        self.open();
        // SAFETY: the slot now holds a plain pointer, which is what an `N` is, and nobody else looks at it while
        // this guard borrows the table mutably.
        unsafe { self.slot.cast::<N>().as_mut() }
    }
}

impl<N: Node> Drop for Slot<'_, N> {
    #[inline]
    fn drop(&mut self) {
        self.close();
    }
}
