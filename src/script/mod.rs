//! Lua: the interpreter in which scripts and functions run.
//!
//! [`sandbox`] builds it, [`libs`] are the libraries that scripts find beside the language's own, and [`raise`] is how
//! Rust raises errors there. [`engine`] runs scripts and functions for the commands that call them, with [`api`] as
//! the table `redis` that they see, [`call`] for the commands that they call, [`convert`] for values on their way in
//! and out, [`cache`] for EVAL's scripts, [`functions`] for libraries, and [`hook`] and [`running`] for scripts that
//! take long. [`ffi`] is a shorter way to what scripts do most.

pub mod api;
pub mod cache;
pub mod call;
pub mod convert;
pub mod engine;
pub mod ffi;
pub mod flags;
pub mod functions;
pub mod hook;
pub mod host;
pub mod libs;
pub mod load;
#[cfg(test)]
mod oracle;
mod patterns;
pub mod payload;
pub mod raise;
mod random;
pub mod running;
pub mod sandbox;
#[cfg(test)]
mod sandbox_tests;

/// Bytes that an interpreter may take.
const MEMORY_LIMIT: usize = 1 << 30;
