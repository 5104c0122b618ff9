//! [`struct@Hash`]: the value of a hash key: fields with values, each of which may have a deadline of its own.
//!
//! # Life cycle
//! A hash begins small, as one [`Block`] of fields and values ("listpack"). The first deadline gives each field room
//! for one ("listpackex"). A hash that would exceed a limit becomes a [`Table`] of [`Member`]s ("hashtable"). There is
//! no way back, as in Redis, whose rules these are because `OBJECT ENCODING` shows them.
//!
//! A field with a deadline is there until somebody removes it: readers that are not to see what has expired pass the
//! time, [`Hash::remove_due`] removes what is due. [`Hash::earliest_deadline_ms`] says when that is worth a try; the
//! keyspace keeps it for every hash with deadlines ([`crate::store::db`]).
//!
//! Cloning is O(1) and shares everything; a writer copies what it touches. That an empty hash's key is removed is the
//! keyspace's business. To add an operation, write it for both forms.

mod block;
mod builder;
mod small;
#[cfg(test)]
mod tests;

use std::fmt;
use std::marker::PhantomData;
use std::mem::ManuallyDrop;
use std::ptr::NonNull;

use triomphe::Arc;

use crate::store::encoding::flat::Item;
use crate::store::member::{Member, Word};
use crate::store::table::{self, DueBudget, HashSeed, NO_DEADLINE, NodeRef, Table};
use block::Block;
pub use builder::Builder;

/// No small hash takes more bytes than that, whatever its limits: 1 GiB, as in Redis.
const MAX_SMALL_BYTES: usize = 1 << 30;
/// The table of a larger hash is estimated and not measured, unless all of it is asked for.
const MEASURED_FIELDS: usize = 1 << 16;
/// Bytes that a table takes for each of many fields: its slots are nine tenths full.
const SLOT_BYTES: usize = 10;
/// A removal of due fields looks at so many for each that it may remove.
const VISITS_PER_REMOVAL: usize = 8;
/// The bit of the pointer that says that the hash is a table.
const LARGE: usize = 1;

/// The limits of the small encoding, from the configuration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HashLimits {
    /// `hash-max-listpack-entries`, in fields.
    pub entries: usize,
    /// `hash-max-listpack-value`, in bytes, for fields as for values.
    pub value: usize,
}

/// What becomes of a field's deadline when its value is set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ttl {
    /// It is removed.
    Clear,
    /// It stays.
    Keep,
    /// It is this one, in Unix milliseconds.
    At(u64),
}

impl Ttl {
    /// The new deadline of a field whose deadline is `old_ms`.
    fn or(self, old_ms: u64) -> u64 {
        match self {
            Ttl::Clear => NO_DEADLINE,
            Ttl::Keep => old_ms,
            Ttl::At(deadline_ms) => deadline_ms,
        }
    }
}

/// A field, borrowed from its hash.
#[derive(Clone, Copy, Debug)]
pub struct Field<'a> {
    /// Its name.
    pub name: Item<'a>,
    /// Its value.
    pub value: Item<'a>,
    /// When it expires, in Unix milliseconds; [`NO_DEADLINE`] for never.
    pub deadline_ms: u64,
}

impl Field<'_> {
    /// Whether it is still there at `now_ms`.
    #[inline]
    pub fn lives_at(&self, now_ms: u64) -> bool {
        self.deadline_ms > now_ms
    }
}

/// What [`Hash::remove_due`] has done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Removed {
    /// Fields removed.
    pub fields: usize,
    /// Whether the limit ended it, so that more may be due.
    pub more: bool,
}

/// Fields with values. See the module's head.
///
/// One pointer: to the block of a small hash, or, with [`LARGE`] set, to the [`Large`] of another.
pub struct Hash {
    raw: NonNull<u8>,
    owns: PhantomData<(Block, Arc<Large>)>,
}

// SAFETY: a hash owns a block or a counted table, both of which may be sent and shared.
unsafe impl Send for Hash {}
// SAFETY: as above.
unsafe impl Sync for Hash {}

const _: () = assert!(align_of::<Large>() > LARGE && size_of::<Block>() == size_of::<Hash>());

#[derive(Clone)]
struct Large {
    table: Table<Member>,
    /// How many fields have a deadline.
    timed: usize,
}

/// The form of a hash, borrowed.
enum Form<'a> {
    Small(&'a Block),
    Large(&'a Large),
}

/// The form of a hash, to be changed.
enum FormMut<'a> {
    Small(&'a mut Block),
    Large(&'a mut Large),
}

/// The pointer, and what owns what it points to.
impl Hash {
    fn of_block(block: Block) -> Self {
        // SAFETY: a block is transparent over its pointer, which becomes that of the hash with its ownership.
        let raw = unsafe { std::mem::transmute::<Block, NonNull<u8>>(block) };
        debug_assert!(raw.addr().get() & LARGE == 0);
        Hash {
            raw,
            owns: PhantomData,
        }
    }

    fn of_large(large: Arc<Large>) -> Self {
        let raw = Arc::into_raw(large).cast::<u8>().cast_mut();
        let raw = NonNull::new(raw.map_addr(|address| address | LARGE))
            .expect("the pointer of an Arc is not null");
        Hash {
            raw,
            owns: PhantomData,
        }
    }

    #[inline]
    fn is_large(&self) -> bool {
        self.raw.addr().get() & LARGE != 0
    }

    #[inline]
    fn large_pointer(&self) -> *const Large {
        self.raw
            .as_ptr()
            .map_addr(|address| address & !LARGE)
            .cast_const()
            .cast()
    }

    #[inline]
    fn form(&self) -> Form<'_> {
        // SAFETY: the pointer's bit says what it is: that of an Arc whose count self holds, or a block, which is
        // transparent over it.
        unsafe {
            if self.is_large() {
                Form::Large(&*self.large_pointer())
            } else {
                Form::Small(&*(&raw const self.raw).cast::<Block>())
            }
        }
    }

    fn form_mut(&mut self) -> FormMut<'_> {
        if !self.is_large() {
            // SAFETY: as for `form`; the block may put another pointer in its place, which is one to a block too.
            return FormMut::Small(unsafe { &mut *(&raw mut self.raw).cast::<Block>() });
        }
        // SAFETY: the pointer came from an Arc, whose count stays with self: it is not dropped here.
        let mut large = unsafe { ManuallyDrop::new(Arc::from_raw(self.large_pointer())) };
        if !Arc::is_unique(&large) {
            let copy = Hash::of_large(Arc::new(Large::clone(&large)));
            // Drops the count of the shared one.
            *self = copy;
            // SAFETY: as above, for the copy.
            large = unsafe { ManuallyDrop::new(Arc::from_raw(self.large_pointer())) };
        }
        let inner: *mut Large = Arc::get_mut(&mut large).expect("it is unique or a fresh copy");
        // SAFETY: the value lies on the heap and not in the handle; self has its only count and is borrowed mutably.
        FormMut::Large(unsafe { &mut *inner })
    }
}

impl Hash {
    /// The table of a large hash: its fields are the members.
    #[inline]
    pub fn table(&self) -> Option<&Table<Member>> {
        match self.form() {
            Form::Large(large) => Some(&large.table),
            Form::Small(_) => None,
        }
    }
}

impl Clone for Hash {
    fn clone(&self) -> Self {
        match self.form() {
            Form::Small(block) => Hash::of_block(block.clone()),
            Form::Large(_) => {
                // SAFETY: the pointer came from an Arc, whose count stays with self.
                let large = unsafe { ManuallyDrop::new(Arc::from_raw(self.large_pointer())) };
                Hash::of_large(Arc::clone(&large))
            }
        }
    }
}

impl Drop for Hash {
    fn drop(&mut self) {
        // SAFETY: self owned what its pointer leads to, and nobody uses it again.
        unsafe {
            if self.is_large() {
                drop(Arc::from_raw(self.large_pointer()));
            } else {
                (&raw mut self.raw).cast::<Block>().drop_in_place();
            }
        }
    }
}

impl Default for Hash {
    fn default() -> Self {
        Hash::new()
    }
}

impl fmt::Debug for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}

impl Large {
    fn new() -> Self {
        Large {
            table: Table::new(HashSeed::of_process()),
            timed: 0,
        }
    }

    fn set(&mut self, name: &[u8], value: &[u8], ttl: Ttl, now_ms: u64) -> bool {
        let first_ms = ttl.or(NO_DEADLINE);
        let (mut slot, inserted) = self
            .table
            .find_or_insert_with(name, || Member::new(name, value, Word::Deadline(first_ms)));
        if inserted {
            self.timed += usize::from(first_ms != NO_DEADLINE);
            return true;
        }
        let old_ms = slot.deadline_ms();
        let new_ms = ttl.or(if old_ms <= now_ms {
            NO_DEADLINE
        } else {
            old_ms
        });
        if new_ms == old_ms {
            slot.set_value(value);
        } else {
            self.timed -= usize::from(old_ms != NO_DEADLINE);
            self.timed += usize::from(new_ms != NO_DEADLINE);
            *slot = Member::new(name, value, Word::Deadline(new_ms));
        }
        false
    }

    fn set_deadline(&mut self, name: &[u8], deadline_ms: u64) -> bool {
        let Some(mut slot) = self.table.get_mut(name) else {
            return false;
        };
        self.timed -= usize::from(slot.deadline_ms() != NO_DEADLINE);
        self.timed += usize::from(deadline_ms != NO_DEADLINE);
        slot.set_word(Word::Deadline(deadline_ms));
        true
    }

    fn remove(&mut self, name: &[u8]) -> bool {
        let Some(member) = self.table.remove(name) else {
            return false;
        };
        self.timed -= usize::from(member.deadline_ms() != NO_DEADLINE);
        true
    }
}

fn field_of(member: NodeRef<'_, Member>) -> Field<'_> {
    Field {
        name: Item::Bytes(member.key()),
        value: Item::Bytes(member.value()),
        deadline_ms: member.deadline_ms(),
    }
}

impl Hash {
    /// An empty hash, small.
    pub fn new() -> Self {
        Hash::of_block(Block::new(&[], 0, false))
    }

    /// Number of fields, those included that have expired and are not removed yet.
    #[inline]
    pub fn len(&self) -> usize {
        match self.form() {
            Form::Small(block) => small::len(block),
            Form::Large(large) => large.table.len(),
        }
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// What OBJECT ENCODING calls its form.
    pub fn encoding_name(&self) -> &'static str {
        match self.form() {
            Form::Small(block) if block.is_timed() => "listpackex",
            Form::Small(_) => "listpack",
            Form::Large(_) => "hashtable",
        }
    }

    /// The entries of a small hash, as a listpack has them.
    pub fn listpack_entries(&self) -> Option<&[u8]> {
        match self.form() {
            Form::Small(block) => Some(block.entries()),
            Form::Large(_) => None,
        }
    }

    /// Bytes that it takes on the heap, estimated from `samples` of its fields (0 for all).
    pub fn memory_bytes(&self, samples: usize) -> usize {
        let table = match self.form() {
            Form::Small(block) => return block.heap_bytes(),
            Form::Large(large) => &large.table,
        };
        let len = table.len();
        let samples = if samples == 0 { len } else { samples.min(len) };
        let sampled: usize = table
            .iter()
            .take(samples)
            .map(|member| member.block_bytes())
            .sum();
        let slots = if samples == len || len <= MEASURED_FIELDS {
            table.allocated_bytes()
        } else {
            len * SLOT_BYTES
        };
        let members = (sampled as u128 * len as u128).checked_div(samples as u128);
        size_of::<Large>() + slots + members.unwrap_or(0) as usize
    }

    /// The value of a field that is there at `now_ms`.
    #[inline]
    pub fn get(&self, name: &[u8], now_ms: u64) -> Option<Item<'_>> {
        self.field(name)
            .filter(|field| field.lives_at(now_ms))
            .map(|field| field.value)
    }

    /// A field, expired or not.
    #[inline]
    pub fn field(&self, name: &[u8]) -> Option<Field<'_>> {
        match self.form() {
            Form::Small(block) => small::find(block, name).map(|found| found.field),
            Form::Large(large) => large.table.get(name).map(field_of),
        }
    }

    /// All fields, expired ones too: a small hash's in the order of their insertion, another's in that of its table.
    pub fn iter(&self) -> Iter<'_> {
        Iter(match self.form() {
            Form::Small(block) => Source::Small(small::Fields::of(block)),
            Form::Large(large) => Source::Large(large.table.iter()),
        })
    }

    /// One step of a scan by cursor, as [`Table::scan`] goes; a small hash is visited as a whole.
    pub fn scan(&self, cursor: u64, visit: &mut dyn FnMut(Field<'_>)) -> u64 {
        match self.form() {
            Form::Small(block) => {
                small::Fields::of(block).for_each(visit);
                0
            }
            Form::Large(large) => large
                .table
                .scan(cursor, &mut |member| visit(field_of(member))),
        }
    }

    /// A field drawn at random, each with the same chance; it may have expired.
    pub fn random(&self, rng: &mut fastrand::Rng) -> Option<Field<'_>> {
        match self.form() {
            Form::Small(block) if block.count() > 0 => {
                small::Fields::of(block).nth(rng.usize(..small::len(block)))
            }
            Form::Small(_) => None,
            Form::Large(large) => large.table.random(rng).map(field_of),
        }
    }

    /// A lower bound of the deadlines of all fields, in Unix milliseconds; [`NO_DEADLINE`] exactly if none has one.
    #[inline]
    pub fn earliest_deadline_ms(&self) -> u64 {
        match self.form() {
            Form::Small(block) => small::earliest_ms(block),
            Form::Large(large) if large.timed == 0 => NO_DEADLINE,
            Form::Large(large) => large.table.earliest_deadline_ms(),
        }
    }

    /// Makes a hash that is about to get so many fields at once large if they alone exceed the limit. They count
    /// although some may be there already, as in Redis.
    pub fn prepare(&mut self, new_fields: usize, limits: HashLimits) {
        if new_fields > limits.entries {
            self.enlarge();
        }
    }

    /// Sets a field's value; true if the field is new. The deadline of one that has expired at `now_ms` is not kept.
    pub fn set(
        &mut self,
        name: &[u8],
        value: &[u8],
        ttl: Ttl,
        now_ms: u64,
        limits: HashLimits,
    ) -> bool {
        if let Form::Small(block) = self.form() {
            let bytes = block.entries().len() + name.len() + value.len();
            if name.len() > limits.value || value.len() > limits.value || bytes > MAX_SMALL_BYTES {
                self.enlarge();
            }
        }
        let is_new = match self.form_mut() {
            FormMut::Small(block) => small::set(block, name, value, ttl, now_ms),
            FormMut::Large(large) => return large.set(name, value, ttl, now_ms),
        };
        if self.len() > limits.entries {
            self.enlarge();
        }
        is_new
    }

    /// Sets or, with [`NO_DEADLINE`], removes the deadline of a field, expired or not; false if there is none.
    pub fn set_deadline(&mut self, name: &[u8], deadline_ms: u64) -> bool {
        match self.form_mut() {
            FormMut::Small(block) => small::set_deadline(block, name, deadline_ms),
            FormMut::Large(large) => large.set_deadline(name, deadline_ms),
        }
    }

    /// Removes a field, expired or not; false if there is none.
    pub fn remove(&mut self, name: &[u8]) -> bool {
        match self.form_mut() {
            FormMut::Small(block) => small::remove(block, name),
            FormMut::Large(large) => large.remove(name),
        }
    }

    /// Removes fields whose deadline is `now_ms` or earlier: all of a small hash, at most `limit` of another. `gone` is
    /// shown the name of each.
    pub fn remove_due(
        &mut self,
        now_ms: u64,
        limit: usize,
        gone: &mut dyn FnMut(&[u8]),
    ) -> Removed {
        if self.earliest_deadline_ms() > now_ms {
            return Removed {
                fields: 0,
                more: false,
            };
        }
        match self.form_mut() {
            FormMut::Small(block) => Removed {
                fields: small::remove_due(block, now_ms, gone),
                more: false,
            },
            FormMut::Large(large) => {
                let budget = DueBudget {
                    removals: limit,
                    visits: limit.saturating_mul(VISITS_PER_REMOVAL),
                };
                let mut due = Vec::new();
                let swept = large.table.pop_due(now_ms, budget, &mut due);
                large.timed -= due.len();
                due.iter().for_each(|member| gone(member.key()));
                Removed {
                    fields: due.len(),
                    more: swept.more,
                }
            }
        }
    }

    /// Becomes a table, if it is none.
    #[cold]
    fn enlarge(&mut self) {
        let Form::Small(block) = self.form() else {
            return;
        };
        let mut large = Large::new();
        let mut digits = [itoa::Buffer::new(), itoa::Buffer::new()];
        for field in small::Fields::of(block) {
            let [name, value] = &mut digits;
            let word = Word::Deadline(field.deadline_ms);
            let member = Member::new(field.name.text(name), field.value.text(value), word);
            large.timed += usize::from(field.deadline_ms != NO_DEADLINE);
            large.table.insert(member);
        }
        *self = Hash::of_large(Arc::new(large));
    }
}

/// Fields of a hash, one after the other.
pub struct Iter<'a>(Source<'a>);

enum Source<'a> {
    Small(small::Fields<'a>),
    Large(table::Iter<'a, Member, HashSeed>),
}

impl<'a> Iterator for Iter<'a> {
    type Item = Field<'a>;

    #[inline]
    fn next(&mut self) -> Option<Field<'a>> {
        match &mut self.0 {
            Source::Small(fields) => fields.next(),
            Source::Large(members) => members.next().map(field_of),
        }
    }
}
