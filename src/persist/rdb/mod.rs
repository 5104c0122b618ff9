//! Redis's dump format (RDB): read in every version and encoding that Redis 1.3 to 8.2 and Valkey 7.2 to 9.1 have written,
//! written in the oldest one that holds the data.
//!
//! * [`dataset`]: a whole data set, saved and loaded.
//! * [`mod@file`]: a whole file, read as records and written.
//! * [`payload`]: one value with its footer, as DUMP answers it and RESTORE takes it.
//! * [`read`], [`mod@write`]: a value of any type.
//! * [`input`], [`output`]: lengths and strings, of which everything is made; [`source`]: where the bytes come from.
//! * [`listpack`], [`legacy`]: small collections in one string, today's and former ones.
//! * [`lzf`]: compression. The checksum is the store's [`crc64`](crate::store::crc64).
//!
//! # The format
//! (From Redis's `rdb.h` and `rdb.c`.) A **length** is one of
//!
//! | first byte in bits | bytes | meaning |
//! |---|---|---|
//! | `00llllll` | 1 | a length of 6 bits |
//! | `01llllll` | 2 | of 14 bits, high bits first |
//! | `0x80` | 5 | of 32 bits, big-endian |
//! | `0x81` | 9 | of 64 bits, big-endian |
//! | `11kkkkkk` | 1 | no length but a string in another form: an integer of 8, 16 or 32 bits (kinds 0, 1, 2), little-endian, or compressed (3): a length of the compressed bytes, one of the text, the compressed bytes |
//!
//! A **string** is a length and its bytes, or one of those forms. A **value** is a [`kind`] in one byte and what that kind
//! says. A **file** is a magic word with a version of four digits (`REDIS0010`; Valkey 9 writes `VALKEY080`), records, each
//! an [`opcode`] or a key (kind, name, value), and after the last opcode a [`crc64`](crate::store::crc64) in eight bytes, of all in front of it.
//!
//! # What is not trusted
//! Everything that is read. Nothing in the input panics, makes a loop without end or an allocation that is not paid for by
//! input: elements are counted by reading them. A value that is returned keeps all the rules of its type: no member twice,
//! members in order, entries well formed. So it is whatever `sanitize-dump-payload` says, which in Redis chooses between this
//! and trust, for loading and for RESTORE: here every value from a file, from RESTORE and from MIGRATE is checked, and the
//! parameter is taken for the sake of configurations that have it.
//!
//! To add a kind, add its number here, its arm in [`read`] and, if it is ever to be written, in [`mod@write`], with the version
//! from which on readers know it.

pub mod dataset;
pub mod file;
pub mod input;
pub mod legacy;
pub mod listpack;
pub mod lzf;
pub mod output;
pub mod payload;
pub mod read;
pub mod source;
mod stream;
#[cfg(test)]
mod tests;
pub mod write;

use std::{fmt, io};

/// The version that is written where nothing asks for a newer one: that of Redis 7.0.
pub const VERSION: u16 = 10;
/// The version of Redis 7.4, which knows deadlines of fields.
pub const VERSION_FIELD_DEADLINES: u16 = 12;
/// The version of Valkey 9, which is also the newest that is read. From it on kind 22 is Valkey's.
pub const VERSION_VALKEY: u16 = 80;

/// The numbers of the kinds of values.
pub mod kind {
    /// A string.
    pub const STRING: u8 = 0;
    /// Elements one after the other.
    pub const LIST: u8 = 1;
    /// Members one after the other.
    pub const SET: u8 = 2;
    /// Members with their scores as texts.
    pub const SORTED_SET: u8 = 3;
    /// Fields with their values.
    pub const HASH: u8 = 4;
    /// Members with their scores as doubles of 8 bytes.
    pub const SORTED_SET_2: u8 = 5;
    /// A module's value, as release candidates of Redis 4.0 wrote it.
    pub const MODULE: u8 = 6;
    /// A module's value.
    pub const MODULE_2: u8 = 7;
    /// A hash in one string, as Redis 2.4 wrote it.
    pub const HASH_ZIPMAP: u8 = 9;
    /// A list in one string, as Redis 3.0 wrote it.
    pub const LIST_ZIPLIST: u8 = 10;
    /// A set of integers in one string.
    pub const SET_INTSET: u8 = 11;
    /// A sorted set in one string, up to Redis 6.2.
    pub const SORTED_SET_ZIPLIST: u8 = 12;
    /// A hash in one string, up to Redis 6.2.
    pub const HASH_ZIPLIST: u8 = 13;
    /// A list in strings of several elements, up to Redis 6.2.
    pub const LIST_QUICKLIST: u8 = 14;
    /// A stream, up to Redis 6.2.
    pub const STREAM: u8 = 15;
    /// A hash in one listpack.
    pub const HASH_LISTPACK: u8 = 16;
    /// A sorted set in one listpack.
    pub const SORTED_SET_LISTPACK: u8 = 17;
    /// A list in listpacks, and large elements of their own.
    pub const LIST_QUICKLIST_2: u8 = 18;
    /// A stream that remembers its past, from Redis 7.0 on.
    pub const STREAM_2: u8 = 19;
    /// A set in one listpack, from Redis 7.2 on.
    pub const SET_LISTPACK: u8 = 20;
    /// A stream whose consumers have two times, from Redis 7.2 on.
    pub const STREAM_3: u8 = 21;
    /// Fields with deadlines and values, as release candidates of Redis 7.4 wrote them; in Valkey 9
    /// ([`super::VERSION_VALKEY`]) fields with values and deadlines.
    pub const HASH_DEADLINES_OLD: u8 = 22;
    /// A hash with deadlines in one listpack, as release candidates of Redis 7.4 wrote it.
    pub const HASH_LISTPACK_DEADLINES_OLD: u8 = 23;
    /// The earliest deadline, and fields with deadlines and values.
    pub const HASH_DEADLINES: u8 = 24;
    /// The earliest deadline, and a hash with deadlines in one listpack.
    pub const HASH_LISTPACK_DEADLINES: u8 = 25;
}

/// What stands in the place of a kind and is no value.
pub mod opcode {
    /// Slots that a node of a cluster is taking over, whose keys are in the file. Valkey 9.
    pub const SLOT_IMPORT: u8 = 243;
    /// Figures of a slot of a cluster: number, keys, keys with deadlines. Valkey 8, Redis 8.
    pub const SLOT_INFO: u8 = 244;
    /// A library of functions: its code.
    pub const FUNCTION: u8 = 245;
    /// The same as release candidates of Redis 7.0 wrote it, which no release reads.
    pub const FUNCTION_OLD: u8 = 246;
    /// What a module keeps beside the keys.
    pub const MODULE_AUX: u8 = 247;
    /// Seconds since the next key's last use.
    pub const IDLE: u8 = 248;
    /// The counter of the next key's uses.
    pub const FREQUENCY: u8 = 249;
    /// A name and a value about the file.
    pub const AUX: u8 = 250;
    /// How many keys, and how many with deadlines, the database has.
    pub const SIZES: u8 = 251;
    /// The next key's deadline in Unix milliseconds.
    pub const DEADLINE_MS: u8 = 252;
    /// The next key's deadline in Unix seconds.
    pub const DEADLINE_S: u8 = 253;
    /// The number of the database of the keys that follow.
    pub const DATABASE: u8 = 254;
    /// The end, and in files from version 5 on the checksum.
    pub const END: u8 = 255;
}

/// Why something cannot be read.
#[derive(Debug)]
pub enum Error {
    /// The bytes could not be had.
    Io(io::Error),
    /// The input ends within something.
    CutOff,
    /// It is not what it should be; the words are Redis's where its log has some.
    Corrupt(&'static str),
    /// A collection without elements, of which older servers have written some. What follows it can be read.
    Empty,
    /// A value of a module, of which there are none here; the module's type as it calls it.
    Module(String),
    /// A kind of value, or a record, of a later version.
    Unknown(u8),
    /// A file of a version that is not known.
    Version(u16),
    /// A file that does not begin as one.
    NoDump,
    /// The checksum at the end is not that of the file.
    Checksum,
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Error::Io(error) => write!(f, "it cannot be read: {error}"),
            Error::CutOff => f.write_str("it ends too early"),
            Error::Corrupt(what) => f.write_str(what),
            Error::Empty => f.write_str("a collection without elements"),
            Error::Module(name) => {
                write!(
                    f,
                    "data of the module type '{name}', and modules are not supported"
                )
            }
            Error::Unknown(number) => {
                write!(f, "a type of value or record that is not known: {number}")
            }
            Error::Version(version) => write!(f, "can't handle RDB format version {version}"),
            Error::NoDump => f.write_str("wrong signature: this is no RDB file"),
            Error::Checksum => f.write_str("wrong RDB checksum"),
        }
    }
}

impl std::error::Error for Error {}

impl From<io::Error> for Error {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::UnexpectedEof => Error::CutOff,
            _ => Error::Io(error),
        }
    }
}
