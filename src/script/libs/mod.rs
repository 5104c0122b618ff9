//! The libraries that Redis gives to its scripts: `cjson`, `cmsgpack`, `struct`, `bit`.
//!
//! Each is a file with a function `install`, which makes the library's table a global of an interpreter. They behave as
//! the C libraries that Redis carries: same results, same limits, same texts of errors. [`arguments`] reads the
//! arguments of their functions.

use mlua::{Error, Lua};

use super::raise;

pub(super) mod arguments;
pub mod bit;
pub mod cjson;
pub mod cmsgpack;
pub mod structs;

/// The most bytes that a library makes of a script's values; what would be longer ends as if memory were out.
/// Tests come there sooner.
pub(super) const MAX_TEXT_BYTES: usize = if cfg!(test) { 16 << 20 } else { 512 << 20 };
/// Slots that a function of Lua's may use for its results, short of those that calling it takes.
const MAX_RESULTS: usize = 7800;

/// Makes all libraries globals of `lua`.
///
/// # Errors
/// Out of memory.
pub fn install(lua: &Lua) -> mlua::Result<()> {
    bit::install(lua)?;
    cjson::install(lua)?;
    cmsgpack::install(lua)?;
    structs::install(lua)
}

/// Lua's own error for a lack of memory.
pub(super) fn out_of_memory(lua: &Lua) -> Error {
    raise::plain(lua, "not enough memory")
}
