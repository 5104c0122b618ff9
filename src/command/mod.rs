//! What a command is: its spec, its keys, its arguments, the context that it runs in, and its errors.
//!
//! To add a command see `commands`; this module changes only when every command gets something new.

pub mod args;
pub mod call;
pub mod context;
pub mod error;
pub mod flags;
pub mod keys;
pub mod reads;
pub mod redact;
pub mod registry;
pub mod replay;
pub mod session;
pub mod spec;
pub mod transaction;
pub mod waiting;

pub use args::Args;
pub use context::Context;
pub use error::{CommandError, CommandResult};
pub use flags::{Categories, Flags, Group};
pub use keys::{Begin, Find, KeyAt, KeyFlags, KeyRange, KeySpec, Misfit};
pub use registry::{Command, Registry};
pub use session::Session;
pub use spec::{Arg, ArgKind, CommandSpec, Handler, NewScore};
