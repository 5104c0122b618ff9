//! Lua: the interpreter in which scripts and functions run.
//!
//! [`sandbox`] builds it, [`libs`] are the libraries that scripts find beside the language's own, and [`raise`] is how
//! Rust raises errors there.

pub mod libs;
#[cfg(test)]
mod oracle;
mod patterns;
pub mod raise;
mod random;
pub mod sandbox;
#[cfg(test)]
mod sandbox_tests;
