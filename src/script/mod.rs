//! Lua: the interpreter in which scripts and functions run.
//!
//! [`libs`] are the libraries that scripts find beside the language's own.

pub mod libs;
