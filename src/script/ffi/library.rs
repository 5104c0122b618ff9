//! Functions of Lua's libraries that scripts call often, served in C where their arguments are plain: operations on bits
//! ([`on_bits`]), matches of patterns that cannot take long ([`search`], [`substitute`], [`iterate`]), and changes of tables
//! that nobody protects ([`insert`], [`set_metatable`]); and limits to some others ([`bound`]).
//!
//! Called by way of mlua, a function costs a hundred nanoseconds more, and a match over a microsecond. What is not plain
//! goes the whole way. What makes it sound stands at the head of the module above; nothing here has anything to be dropped
//! when it calls what may raise an error.

use std::cell::Cell;
use std::ffi::{c_int, c_void};

use mlua::{Function, Lua, MultiValue, Result, Table, Value, ffi, lua_CFunction, lua_State};

use super::{NEED, Whole, before, go_whole_way, whole, word};
use crate::script::call::Word;
use crate::script::patterns::cost;

/// An operation on the 32 low bits of numbers.
#[derive(Debug)]
pub struct BitOperation {
    /// So many numbers it takes, the rest not being looked at.
    pub numbers: std::ops::RangeInclusive<usize>,
    /// What it does.
    pub run: fn(&[u32]) -> u32,
}

/// At most so many numbers are taken on the short way.
const MOST_NUMBERS: usize = 8;

/// Added to a number it leaves the integer next to it in the low bits of the mantissa.
const SHIFT: f64 = 6_755_399_441_055_744.0;

/// The 32 low bits of the integer next to a number.
pub fn low_bits(number: f64) -> u32 {
    (number + SHIFT).to_bits() as u32
}

/// A function that does what `whole` does, which is that operation.
///
/// # Errors
/// Out of memory.
pub fn on_bits(lua: &Lua, whole: &Whole, operation: &'static BitOperation) -> Result<Function> {
    before(
        lua,
        whole,
        operate,
        std::ptr::from_ref(operation) as *mut c_void,
    )
}

unsafe extern "C-unwind" fn operate(state: *mut lua_State) -> c_int {
    // SAFETY: only `on_bits` makes closures of this function, with an operation that lives for ever. Lua gives a C function
    // twenty slots beside its arguments.
    unsafe {
        let operation: &BitOperation =
            &*ffi::lua_touserdata(state, ffi::lua_upvalueindex(NEED)).cast();
        let given = ffi::lua_gettop(state) as usize;
        let count = given.min(*operation.numbers.end());
        let mut bits = [0; MOST_NUMBERS];
        if !is_open() || count > MOST_NUMBERS || count < *operation.numbers.start() {
            return go_whole_way(state);
        }
        for (at, bits) in bits[..count].iter_mut().enumerate() {
            let Word::Number(number) = word(state, at as c_int + 1) else {
                return go_whole_way(state);
            };
            *bits = low_bits(number);
        }
        let result = (operation.run)(&bits[..count]) as i32;
        ffi::lua_pushnumber(state, f64::from(result));
    }
    1
}

/// `string.find` or `string.match`: Lua's `original` where that is sure to be done soon, or else `whole`.
///
/// # Errors
/// Out of memory.
pub fn search(lua: &Lua, original: &Function, whole: &Whole) -> Result<Function> {
    in_place_of(lua, original, whole, find)
}

/// As [`search`], for `string.gsub`.
///
/// # Errors
/// Out of memory.
pub fn substitute(lua: &Lua, original: &Function, whole: &Whole) -> Result<Function> {
    in_place_of(lua, original, whole, gsub)
}

/// `string.gmatch` where it is sure that its iterator is done soon; or else the function returns nothing.
///
/// # Errors
/// Out of memory.
pub fn iterate(lua: &Lua, original: &Function) -> Result<Function> {
    in_place_of(lua, original, &nothing(lua)?, gmatch)
}

fn nothing(lua: &Lua) -> Result<Whole> {
    whole(lua, |_, _: MultiValue| Ok(Value::Nil))
}

fn in_place_of(
    lua: &Lua,
    original: &Function,
    whole: &Whole,
    short: lua_CFunction,
) -> Result<Function> {
    let mut address = None;
    // SAFETY: the closure runs in a protected call, and has nothing to be dropped.
    unsafe {
        lua.exec_raw::<()>(original, |state| {
            address = ffi::lua_tocfunction(state, 1);
            ffi::lua_settop(state, 0);
        })?;
    }
    let short = if address.is_some() {
        short
    } else {
        go_whole_way
    };
    let original = address.map_or(std::ptr::null_mut(), |address| address as *mut c_void);
    before(lua, whole, short, original)
}

unsafe extern "C-unwind" fn find(state: *mut lua_State) -> c_int {
    // SAFETY: only `in_place_of` makes closures of this function.
    unsafe { find_at(state, cost::steps) }
}

unsafe extern "C-unwind" fn gmatch(state: *mut lua_State) -> c_int {
    // SAFETY: as in `find`.
    unsafe { find_at(state, cost::steps_anywhere) }
}

/// Searches a text for a pattern at that cost.
///
/// # Safety
/// `state` is that of a closure which [`in_place_of`] has made.
unsafe fn find_at(state: *mut lua_State, cost: fn(&[u8], usize) -> u64) -> c_int {
    // SAFETY: the caller's promise: the closure has a function of Lua's own as what it needs. That one finds its arguments where
    // they are, and raises its errors as for this one.
    unsafe {
        match (word(state, 1), word(state, 2)) {
            (Word::Text(text), Word::Text(pattern)) if may_take(cost(pattern, text.len())) => {
                original(state)
            }
            _ => go_whole_way(state),
        }
    }
}

unsafe extern "C-unwind" fn gsub(state: *mut lua_State) -> c_int {
    // SAFETY: as in `find`.
    unsafe {
        match (word(state, 1), word(state, 2), word(state, 3)) {
            (Word::Text(text), Word::Text(pattern), Word::Text(replacement))
                if cost::result(text.len(), replacement) <= MOST_BYTES
                    && may_take(cost::steps(pattern, text.len())) =>
            {
                original(state)
            }
            _ => go_whole_way(state),
        }
    }
}

/// Runs the function that the closure needs, in its place.
///
/// # Safety
/// `state` is that of a closure which [`in_place_of`] has made.
unsafe fn original(state: *mut lua_State) -> c_int {
    // SAFETY: the caller's promise.
    unsafe {
        let original = ffi::lua_touserdata(state, ffi::lua_upvalueindex(NEED));
        std::mem::transmute::<*mut c_void, lua_CFunction>(original)(state)
    }
}

/// One match may take so many steps on the short way, which are some milliseconds.
const MOST_STEPS: u64 = 1 << 22;
/// After so many a match goes the whole way, which looks whether the script is to end.
const STEPS_BETWEEN_LOOKS: u64 = 1 << 26;
/// A result is at most so long on the short way.
const MOST_BYTES: u64 = 1 << 20;

thread_local! {
    /// The steps that matches may have taken since one went the whole way.
    static STEPS: Cell<u64> = const { Cell::new(0) };
    /// Whether the script of this thread is to end: each match goes the whole way then, which ends at its first step.
    static IS_ENDING: Cell<bool> = const { Cell::new(false) };
}

/// Says whether the script that runs on this thread is to end.
pub fn set_ending(is_ending: bool) {
    IS_ENDING.set(is_ending);
}

fn may_take(steps: u64) -> bool {
    if !is_open() || steps > MOST_STEPS || IS_ENDING.get() {
        return false;
    }
    STEPS.with(|taken| {
        let total = taken.get() + steps;
        let may = total <= STEPS_BETWEEN_LOOKS;
        taken.set(if may { total } else { 0 });
        may
    })
}

/// Puts limits to functions of Lua's own by which a script could end the process or hold it.
///
/// # Errors
/// Out of memory.
pub fn bound(lua: &Lua) -> Result<()> {
    let globals = lua.globals();
    let unpack: Function = globals.raw_get("unpack")?;
    globals.raw_set(
        "unpack",
        in_place_of(lua, &unpack, &nothing(lua)?, unpack_range)?,
    )?;
    let string: Table = globals.raw_get("string")?;
    let rep: Function = string.raw_get("rep")?;
    string.raw_set("rep", in_place_of(lua, &rep, &nothing(lua)?, repeat)?)
}

/// Far more results than Lua's stack has room for, and few enough to be counted by C's `int`.
const TOO_MANY_RESULTS: i64 = 1 << 30;

/// `unpack`, whose count of a range overflows in Lua 5.1 (CVE-2025-46817).
unsafe extern "C-unwind" fn unpack_range(state: *mut lua_State) -> c_int {
    // SAFETY: as in `find`. The numbers are cut to C's `int`, as Lua cuts them.
    unsafe {
        let integer = |index, otherwise| match ffi::lua_type(state, index) {
            ffi::LUA_TNONE | ffi::LUA_TNIL => otherwise,
            _ => ffi::lua_tointeger(state, index) as i32,
        };
        if ffi::lua_type(state, 1) == ffi::LUA_TTABLE {
            let first = i64::from(integer(2, 1));
            let last = i64::from(integer(3, ffi::lua_rawlen(state, 1) as i32));
            if last - first >= TOO_MANY_RESULTS {
                return ffi::luaL_error(state, c"too many results to unpack".as_ptr());
            }
        }
        original(state)
    }
}

/// `string.rep`, which would take its time over a billion empty texts.
unsafe extern "C-unwind" fn repeat(state: *mut lua_State) -> c_int {
    // SAFETY: as in `find`.
    unsafe {
        if matches!(word(state, 1), Word::Text(b"")) && ffi::lua_isnumber(state, 2) != 0 {
            ffi::lua_pushvalue(state, 1);
            return 1;
        }
        original(state)
    }
}

/// Appends a value to a table as `table.insert` does, if it is a plain table; whether that was so.
///
/// # Errors
/// Out of memory.
pub fn insert(lua: &Lua) -> Result<Function> {
    before(lua, &nothing(lua)?, append, std::ptr::null_mut())
}

unsafe extern "C-unwind" fn append(state: *mut lua_State) -> c_int {
    // SAFETY: what raises an error, for want of memory, is the last thing done.
    unsafe {
        if !is_open() || ffi::lua_gettop(state) != 2 || !is_plain_table(state, 1) {
            return go_whole_way(state);
        }
        let end = ffi::lua_rawlen(state, 1) as ffi::lua_Integer + 1;
        ffi::lua_rawseti(state, 1, end);
        ffi::lua_pushboolean(state, 1);
    }
    1
}

/// Gives a plain table a plain metatable; whether they were plain.
///
/// # Errors
/// Out of memory.
pub fn set_metatable(lua: &Lua) -> Result<Function> {
    before(lua, &nothing(lua)?, give_metatable, std::ptr::null_mut())
}

unsafe extern "C-unwind" fn give_metatable(state: *mut lua_State) -> c_int {
    // SAFETY: nothing here raises an error.
    unsafe {
        if !is_open()
            || ffi::lua_gettop(state) != 2
            || !is_plain_table(state, 1)
            || !is_plain_table(state, 2)
        {
            return go_whole_way(state);
        }
        ffi::lua_setmetatable(state, 1);
        ffi::lua_pushboolean(state, 1);
    }
    1
}

/// Whether the argument is a table without a metatable, as each protected one has it.
///
/// # Safety
/// `state` is that of a C function with such an argument.
unsafe fn is_plain_table(state: *mut lua_State, index: c_int) -> bool {
    // SAFETY: the caller's promise.
    unsafe {
        if ffi::lua_type(state, index) != ffi::LUA_TTABLE {
            return false;
        }
        let has_metatable = ffi::lua_getmetatable(state, index) != 0;
        if has_metatable {
            ffi::lua_pop(state, 1);
        }
        !has_metatable
    }
}

/// Whether the short ways are open.
#[cfg(not(test))]
const fn is_open() -> bool {
    true
}

#[cfg(test)]
fn is_open() -> bool {
    !closed::IS.get()
}

/// For tests, which have both ways do the same.
#[cfg(test)]
pub mod closed {
    use std::cell::Cell;

    thread_local! {
        pub(super) static IS: Cell<bool> = const { Cell::new(false) };
    }

    /// Does something while every call of this thread goes the whole way.
    pub fn during<R>(work: impl FnOnce() -> R) -> R {
        IS.set(true);
        let result = work();
        IS.set(false);
        result
    }
}
