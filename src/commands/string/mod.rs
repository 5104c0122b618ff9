//! Strings: GET and SET with their kin ([`get_set`]), several at once ([`multi`]), compare and set ([`compare`]), counters
//! ([`counter`]), parts of strings ([`range`]), what two strings have in common ([`lcs`]).
//!
//! A string is stored as an integer, in its entry or in a buffer of its own ([`Str`]); commands that change one where it
//! lies do so through [`edit()`]. To add a command, write its spec and its handler in the file of its kind and name it in
//! [`COMMANDS`].

pub mod compare;
pub mod counter;
mod edit;
pub mod get_set;
pub mod lcs;
pub mod multi;
pub mod range;

use crate::command::{CommandError, CommandResult, CommandSpec, Context};
use crate::resp::Reply;
use crate::store::entry::{Object, Value};

pub(crate) use edit::{edit, set_bytes};

/// The family's commands.
pub static COMMANDS: &[&CommandSpec] = &[
    &range::APPEND,
    &counter::DECR,
    &counter::DECRBY,
    &compare::DELEX,
    &compare::DELIFEQ,
    &compare::DIGEST,
    &get_set::GET,
    &get_set::GETDEL,
    &get_set::GETEX,
    &range::GETRANGE,
    &get_set::GETSET,
    &counter::INCR,
    &counter::INCRBY,
    &counter::INCRBYFLOAT,
    &lcs::LCS,
    &multi::MGET,
    &multi::MSET,
    &multi::MSETEX,
    &multi::MSETNX,
    &get_set::PSETEX,
    &get_set::SET,
    &get_set::SETEX,
    &get_set::SETNX,
    &range::SETRANGE,
    &range::STRLEN,
    &range::SUBSTR,
];

/// A string value, borrowed.
#[derive(Clone, Copy)]
pub(crate) enum Str<'a> {
    /// Stored as an integer.
    Int(i64),
    /// Stored as bytes.
    Bytes(&'a [u8]),
    /// Stored as a buffer that can be shared.
    Shared(&'a std::sync::Arc<Vec<u8>>),
}

impl<'a> Str<'a> {
    /// The string that `value` is, or the error for another type.
    #[inline]
    pub(crate) fn of(value: Value<'a>) -> Result<Self, CommandError> {
        match value {
            Value::Int(number) => Ok(Str::Int(number)),
            Value::Inline(bytes) => Ok(Str::Bytes(bytes)),
            Value::Object(Object::String(shared)) => Ok(Str::Shared(shared)),
            Value::Object(_) => Err(CommandError::WrongType),
        }
    }

    /// The bytes; an integer is printed into `digits`.
    pub(crate) fn bytes<'b>(&'b self, digits: &'b mut itoa::Buffer) -> &'b [u8] {
        match self {
            Str::Int(number) => digits.format(*number).as_bytes(),
            Str::Bytes(bytes) => bytes,
            Str::Shared(shared) => shared,
        }
    }

    /// The length of the text in bytes.
    pub(crate) fn len(&self) -> usize {
        self.bytes(&mut itoa::Buffer::new()).len()
    }
}

/// Answers with the string at `key`, or null.
#[inline]
fn reply_value(context: &mut Context<'_>, key: &[u8]) -> CommandResult {
    let Context {
        db, session, reply, ..
    } = context;
    match db.read(session.db, key) {
        Some(entry) => reply_str(reply, Str::of(entry.value())?),
        None => reply.null(),
    }
    Ok(())
}

/// Answers with a string.
#[inline]
fn reply_str(reply: &mut Reply<'_>, value: Str<'_>) {
    match value {
        Str::Int(number) => reply.bulk_integer(number),
        Str::Bytes(bytes) => reply.bulk(bytes),
        Str::Shared(shared) => reply.shared(shared),
    }
}

/// Checks that a string of `len` bytes may be made.
fn check_length(context: &Context<'_>, len: usize) -> CommandResult {
    if len > context.instance.config().proto_max_bulk_len() {
        return Err(CommandError::StringTooLong);
    }
    Ok(())
}
