//! Whole files: read as a sequence of [`Record`]s ([`Reader`]), and written record by record ([`Writer`]).
//!
//! Both sides keep to the order of the format: what is about the file ([`Record::Aux`]), functions, and for each database its
//! number, its sizes and its keys; a key's deadline and access come with it. The checksum is that of all bytes in front of
//! it; one of 0 says that none was made.

mod reader;
#[cfg(test)]
mod tests;
mod writer;

pub use reader::Reader;
pub use writer::{Writer, write_key};

use super::{VERSION, VERSION_FIELD_DEADLINES};
use crate::store::db::Keyspace;
use crate::store::entry::Entry;

/// The magic words at the beginning, with as many digits of the version behind them as make nine bytes.
const MAGIC: &[u8] = b"REDIS";
/// That of Valkey, from version 80 on.
const MAGIC_VALKEY: &[u8] = b"VALKEY";
/// Bytes of a magic word with its version.
const HEAD_BYTES: usize = 9;
/// The first version whose files end with a checksum.
const FIRST_SUMMED: u16 = 5;

/// What a file says of a key's uses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Seconds since the last one.
    IdleS(u64),
    /// The counter of their frequency.
    Frequency(u8),
}

/// A part of a file.
#[derive(Debug)]
pub enum Record {
    /// A name and a value about the file: the server's version, the time, the end of the append-only file's beginning.
    Aux(Vec<u8>, Vec<u8>),
    /// The number of the database of the keys that follow.
    Database(u64),
    /// How many keys it will have, and how many of them with deadlines.
    Sizes(u64, u64),
    /// The code of a library of functions.
    Function(Vec<u8>),
    /// What a module kept beside the keys was gone over; the module's type.
    ModuleAux(String),
    /// A key.
    Key(Key),
    /// The name of a key whose collection has no elements; there is no such key.
    Empty(Vec<u8>),
}

/// A key of a file.
#[derive(Debug)]
pub struct Key {
    /// Its name, value and deadline.
    pub entry: Entry,
    /// Its uses, where the file tells.
    pub access: Option<Access>,
}

/// The oldest version of a file, from [`VERSION`] on, that can hold these keyspaces.
pub fn version_for(keyspaces: &[Keyspace]) -> u16 {
    let has_deadlines = |keyspace: &Keyspace| keyspace.hashes_with_deadlines() > 0;
    if keyspaces.iter().any(has_deadlines) {
        VERSION_FIELD_DEADLINES
    } else {
        VERSION
    }
}
