//! The commands, one family a file (a folder where it outgrows that): each spec above its handler, one list a family.
//!
//! To add a command: write its spec and handler in its family's file, name the spec in the family's `COMMANDS`,
//! add its test and a line in CHANGELOG.md. COMMAND, key extraction, ACL categories and the tables in the
//! documentation follow from the spec.

pub mod bitmap;
pub mod connection;
pub mod expiry;
pub mod generic;
pub mod geo;
pub mod hash;
pub mod hyperloglog;
pub mod introspection;
pub mod list;
pub mod pubsub;
pub mod scan_options;
pub mod scripting;
pub mod server;
pub mod set;
pub mod sorted_set;
pub mod stream;
pub mod string;
pub mod transaction;
pub mod waiting;

use crate::command::CommandSpec;

/// Every command that the server knows.
pub fn all() -> impl Iterator<Item = &'static CommandSpec> + Clone {
    [
        bitmap::COMMANDS,
        connection::COMMANDS,
        generic::COMMANDS,
        geo::COMMANDS,
        hash::COMMANDS,
        hyperloglog::COMMANDS,
        introspection::COMMANDS,
        list::COMMANDS,
        pubsub::COMMANDS,
        scripting::COMMANDS,
        server::COMMANDS,
        set::COMMANDS,
        sorted_set::COMMANDS,
        stream::COMMANDS,
        string::COMMANDS,
        transaction::COMMANDS,
    ]
    .into_iter()
    .flatten()
    .copied()
}
