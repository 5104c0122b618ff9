//! The connection itself: greeting and state ([`basic`]), authentication and protocol ([`auth`]), CLIENT ([`client`] and
//! the modules beside it).
//!
//! What these commands change is the [`crate::command::Session`]; what other clients may see of it goes into the
//! client's handle too.

pub mod auth;
pub mod basic;
pub mod client;
pub mod client_filter;
pub mod client_line;
pub mod client_list;
pub mod client_pause;
pub mod client_unblock;
pub mod tracking;

use crate::command::{CommandError, CommandResult, CommandSpec};

/// The family's commands.
pub static COMMANDS: &[&CommandSpec] = &[
    &auth::AUTH,
    &client::CLIENT,
    &basic::ECHO,
    &auth::HELLO,
    &basic::PING,
    &basic::QUIT,
    &basic::RESET,
    &basic::SELECT,
];

/// Refuses a client's name that would break the lines of CLIENT LIST; the empty name takes the name away.
fn check_name(name: &[u8]) -> CommandResult {
    if is_printable_word(name) {
        return Ok(());
    }
    Err(CommandError::fixed(
        "ERR Client names cannot contain spaces, newlines or special characters.",
    ))
}

/// Whether `text` can stand as a value in a line of CLIENT LIST.
fn is_printable_word(text: &[u8]) -> bool {
    text.iter().all(u8::is_ascii_graphic)
}
