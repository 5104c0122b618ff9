//! [`Builder`]: a hash that is read from elsewhere, in the form that its size asks for. It takes time proportional to the
//! number of its fields, whatever the limits are.

use std::collections::HashSet;

use super::{Block, Hash, HashLimits, MAX_SMALL_BYTES, Ttl};
use crate::store::encoding::flat::{Encoded, Flat};
use crate::store::table::NO_DEADLINE;

/// A hash that is being made. See the module's head.
pub struct Builder {
    limits: HashLimits,
    /// Whether the small form has room for deadlines.
    timed: bool,
    form: Form,
}

enum Form {
    /// The entries of a small hash, their number, and the names among them.
    Small {
        entries: Vec<u8>,
        count: u32,
        names: HashSet<Vec<u8>, foldhash::quality::RandomState>,
    },
    Large(Hash),
}

impl Builder {
    /// The beginning of a hash that is to have `fields` fields. If it is small it has room for deadlines if `timed`
    /// says so, and no field may have one otherwise.
    pub fn new(fields: u64, timed: bool, limits: HashLimits) -> Builder {
        let form = if usize::try_from(fields).is_ok_and(|fields| fields <= limits.entries) {
            Form::Small {
                entries: Vec::new(),
                count: 0,
                names: HashSet::default(),
            }
        } else {
            large()
        };
        Builder {
            limits,
            timed,
            form,
        }
    }

    /// Adds a field; false if there is one of that name. `deadline_ms` is [`NO_DEADLINE`] for a field without one.
    pub fn push(&mut self, name: &[u8], value: &[u8], deadline_ms: u64) -> bool {
        debug_assert!(self.timed || deadline_ms == NO_DEADLINE);
        if let Form::Small {
            entries,
            count,
            names,
        } = &mut self.form
        {
            let bytes = entries.len().saturating_add(name.len()) + value.len();
            let longest = name.len().max(value.len());
            if longest <= self.limits.value
                && bytes <= MAX_SMALL_BYTES
                && names.len() < self.limits.entries
            {
                // Zero stands for no deadline.
                let deadline = i64::try_from(deadline_ms).unwrap_or(0);
                let new = [
                    Encoded::new(name),
                    Encoded::new(value),
                    Encoded::int(deadline),
                ];
                let new = if self.timed { &new } else { &new[..2] };
                new.iter().for_each(|element| append(entries, element));
                *count += new.len() as u32;
                return names.insert(name.to_vec());
            }
            self.enlarge();
        }
        match &mut self.form {
            Form::Large(hash) => set(hash, name, value, deadline_ms, self.limits),
            Form::Small { .. } => unreachable!("it has just been made large"),
        }
    }

    fn enlarge(&mut self) {
        let Form::Small { entries, count, .. } = std::mem::replace(&mut self.form, large()) else {
            return;
        };
        let small = Hash::of_block(Block::new(&entries, count, self.timed));
        if let Form::Large(hash) = &mut self.form {
            copy(&small, hash, self.limits);
        }
    }

    /// The hash.
    pub fn finish(self) -> Hash {
        match self.form {
            Form::Small { entries, count, .. } => {
                Hash::of_block(Block::new(&entries, count, self.timed))
            }
            Form::Large(hash) => hash,
        }
    }
}

impl Hash {
    /// The hash of the fields and values that a listpack has in turn, each field once.
    pub fn from_listpack(pairs: &Flat, limits: HashLimits) -> Hash {
        debug_assert!(pairs.len().is_multiple_of(2));
        let small = Hash::of_block(Block::new(pairs.entries(), pairs.len() as u32, false));
        if small.len() <= limits.entries {
            return small;
        }
        let mut hash = Hash::new();
        hash.enlarge();
        copy(&small, &mut hash, limits);
        hash
    }
}

fn large() -> Form {
    let mut hash = Hash::new();
    hash.enlarge();
    Form::Large(hash)
}

fn copy(from: &Hash, to: &mut Hash, limits: HashLimits) {
    let mut digits = [itoa::Buffer::new(), itoa::Buffer::new()];
    for field in from.iter() {
        let [name, value] = &mut digits;
        set(
            to,
            field.name.text(name),
            field.value.text(value),
            field.deadline_ms,
            limits,
        );
    }
}

fn set(hash: &mut Hash, name: &[u8], value: &[u8], deadline_ms: u64, limits: HashLimits) -> bool {
    let ttl = if deadline_ms == NO_DEADLINE {
        Ttl::Clear
    } else {
        Ttl::At(deadline_ms)
    };
    hash.set(name, value, ttl, 0, limits)
}

fn append(entries: &mut Vec<u8>, element: &Encoded<'_>) {
    let at = entries.len();
    entries.resize(at + element.size(), 0);
    element.write(&mut entries[at..]);
}
