//! Commands for keys of any type: asking about, deleting and listing keys ([`keys`]), giving them another name or place
//! ([`relocate`]), expiry ([`expire`]), iteration ([`scan`]), sorting ([`sort`]), values as bytes
//! ([`dump`]), keys to other servers ([`migrate`]), introspection ([`object`]), and waiting for replicas and the disk
//! ([`wait`]).
//!
//! What they know of a value is its type, its encoding and how to copy it, all of which [`crate::store::entry`]
//! answers; so a new type of value needs no change here but for its encodings in [`object`].

pub mod dump;
pub mod expire;
pub mod keys;
pub mod migrate;
pub mod object;
pub mod relocate;
pub mod scan;
pub mod sort;
pub mod wait;

use crate::command::{CommandError, CommandSpec};

/// The family's commands.
pub static COMMANDS: &[&CommandSpec] = &[
    &relocate::COPY,
    &keys::DEL,
    &dump::DUMP,
    &keys::EXISTS,
    &expire::EXPIRE,
    &expire::EXPIREAT,
    &expire::EXPIRETIME,
    &keys::KEYS,
    &migrate::MIGRATE,
    &relocate::MOVE,
    &object::OBJECT,
    &expire::PERSIST,
    &expire::PEXPIRE,
    &expire::PEXPIREAT,
    &expire::PEXPIRETIME,
    &expire::PTTL,
    &keys::RANDOMKEY,
    &relocate::RENAME,
    &relocate::RENAMENX,
    &dump::RESTORE,
    &dump::RESTORE_ASKING,
    &scan::SCAN,
    &sort::SORT,
    &sort::SORT_RO,
    &keys::TOUCH,
    &expire::TTL,
    &keys::TYPE,
    &keys::UNLINK,
    &wait::WAIT,
    &wait::WAITAOF,
];

/// Checks that an integer lies between two others, which the error names.
fn within(value: i64, min: i64, max: i64) -> Result<i64, CommandError> {
    if (min..=max).contains(&value) {
        Ok(value)
    } else {
        Err(CommandError::err(format_args!(
            "value is out of range, value must between {min} and {max}"
        )))
    }
}
