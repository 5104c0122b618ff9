//! The server itself: its figures ([`info`], [`memory`], [`slowlog`], [`status`]), its configuration ([`config`]), its
//! data set as a whole ([`flush`], [`rewrite`], [`save`]), its end ([`shutdown`]), and looking inside ([`debug`]).

pub mod config;
pub mod debug;
pub mod flush;
pub mod info;
pub mod lolwut;
pub mod memory;
pub mod monitor;
pub mod rewrite;
pub mod save;
pub mod shutdown;
pub mod slowlog;
pub mod status;

use crate::command::{CommandResult, CommandSpec, Context};
use crate::resp::Request;

/// The family's commands.
pub static COMMANDS: &[&CommandSpec] = &[
    &rewrite::BGREWRITEAOF,
    &save::BGSAVE,
    &config::CONFIG,
    &flush::DBSIZE,
    &debug::DEBUG,
    &flush::FLUSHALL,
    &flush::FLUSHDB,
    &info::INFO,
    &status::LASTSAVE,
    &lolwut::LOLWUT,
    &memory::MEMORY,
    &monitor::MONITOR,
    &status::ROLE,
    &save::SAVE,
    &shutdown::SHUTDOWN,
    &slowlog::SLOWLOG,
    &flush::SWAPDB,
    &status::TIME,
];

/// The handler of a container. The gate finds the subcommands; what comes here has none.
fn container(context: &mut Context<'_>, _request: Request<'_>) -> CommandResult {
    Err(context.wrong_arity())
}
