//! The data set: everything that a server keeps in memory for its users.
//!
//! * [`db`]: numbered keyspaces with expiry on access; what handlers work on.
//! * [`entry`]: a key with its value, one allocation.
//! * [`table`]: the copy-on-write hash table; [`tree`]: the copy-on-write counted tree.
//! * [`member`]: an element of a large set, hash or sorted set, one allocation.
//! * [`types`]: the collections, made of flat buffers ([`encoding`]) while small and of table and tree when large.
//! * [`access`]: what an entry remembers of its uses.
//! * [`journal`]: what has happened to keys that somebody follows.
//! * [`crc64`]: the checksum of files and payloads.
//! * [`alloc`]: the allocator's wrapper that counts the memory in use.
//! * [`huge_pages`]: asks the kernel for huge pages where the heap is full.
//!
//! Synchronous, without I/O, without knowledge of commands or the protocol. All `unsafe` code of the project is below
//! this module.

pub mod access;
pub mod alloc;
pub mod crc64;
pub mod db;
pub mod effects;
pub mod encoding;
pub mod entry;
pub mod huge_pages;
pub mod journal;
pub mod member;
pub mod table;
pub mod tree;
pub mod types;
