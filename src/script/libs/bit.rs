//! `bit`: operations on the bits of numbers, as Mike Pall's BitOp library has them.
//!
//! A number stands for the 32 low bits of the integer next to it; a result is those bits as a signed integer.

use mlua::{Lua, Result, Value, Variadic};

use super::arguments::{self, Arguments};
use crate::script::ffi;
use crate::script::ffi::library::{self, BitOperation, low_bits};

/// The operations, by their names. A count of bits to shift by is taken modulo 32.
static OPERATIONS: [(&str, BitOperation); 11] = [
    ("tobit", one(|bits| bits[0])),
    ("bnot", one(|bits| !bits[0])),
    ("bswap", one(|bits| bits[0].swap_bytes())),
    ("band", all(|bits| fold(bits, |left, right| left & right))),
    ("bor", all(|bits| fold(bits, |left, right| left | right))),
    ("bxor", all(|bits| fold(bits, |left, right| left ^ right))),
    ("lshift", two(|bits| bits[0] << (bits[1] & 31))),
    ("rshift", two(|bits| bits[0] >> (bits[1] & 31))),
    (
        "arshift",
        two(|bits| (bits[0] as i32 >> (bits[1] & 31)) as u32),
    ),
    ("rol", two(|bits| bits[0].rotate_left(bits[1] & 31))),
    ("ror", two(|bits| bits[0].rotate_right(bits[1] & 31))),
];

/// Makes the library the global `bit`.
///
/// # Errors
/// Out of memory.
pub fn install(lua: &Lua) -> Result<()> {
    let mut functions = Vec::new();
    for (name, operation) in &OPERATIONS {
        let whole = ffi::whole(lua, move |lua, values: Variadic<Value>| {
            operate(operation, &Arguments::new(lua, &values))
        })?;
        functions.push((*name, library::on_bits(lua, &whole, operation)?));
    }
    let to_hex = ffi::function(lua, |lua, values: Variadic<Value>| {
        to_hex(&Arguments::new(lua, &values))
    })?;
    functions.push(("tohex", to_hex));
    lua.globals()
        .raw_set("bit", arguments::table(lua, &functions)?)
}

const fn one(run: fn(&[u32]) -> u32) -> BitOperation {
    BitOperation {
        numbers: 1..=1,
        run,
    }
}

const fn two(run: fn(&[u32]) -> u32) -> BitOperation {
    BitOperation {
        numbers: 2..=2,
        run,
    }
}

const fn all(run: fn(&[u32]) -> u32) -> BitOperation {
    BitOperation {
        numbers: 1..=usize::MAX,
        run,
    }
}

fn fold(bits: &[u32], operation: impl Fn(u32, u32) -> u32) -> u32 {
    bits.iter().copied().reduce(operation).unwrap_or_default()
}

fn operate(operation: &BitOperation, arguments: &Arguments<'_>) -> Result<i32> {
    let (least, most) = (*operation.numbers.start(), *operation.numbers.end());
    let count = arguments.len().clamp(least, most);
    let mut all = vec![0; count];
    all[0] = bits(arguments, 1)?;
    // From the last to the first, which decides whose error is raised.
    for index in (2..=count).rev() {
        all[index - 1] = bits(arguments, index)?;
    }
    Ok((operation.run)(&all) as i32)
}

/// The last digits of a number in base 16: 8 of them, or as many as the second argument says; capitals for a negative
/// count.
fn to_hex(arguments: &Arguments<'_>) -> Result<String> {
    let value = bits(arguments, 1)?;
    let count = match arguments.len() {
        1 => 8,
        _ => bits(arguments, 2)? as i32,
    };
    let digits = match count < 0 {
        true => format!("{value:08X}"),
        false => format!("{value:08x}"),
    };
    let count = count.unsigned_abs().min(8) as usize;
    Ok(digits[8 - count..].to_owned())
}

/// The bits of argument `index`.
fn bits(arguments: &Arguments<'_>, index: usize) -> Result<u32> {
    Ok(low_bits(arguments.number(index)?))
}

#[cfg(test)]
mod tests {
    use crate::script::oracle::check;

    #[test]
    fn operations_work_on_32_bits() {
        check(&[
            ("return bit.tobit(0xffffffff)", "-1"),
            ("return bit.tobit(0xffffffff + 1)", "0"),
            ("return bit.tobit(2^40 + 1234)", "1234"),
            (
                "return bit.tobit(1.5) .. ' ' .. bit.tobit(2.5) .. ' ' .. bit.tobit(-1.5)",
                "2 2 -2",
            ),
            ("return bit.tobit('12')", "12"),
            ("return bit.tobit('0x10')", "16"),
            ("return bit.tobit(0/0)", "0"),
            ("return bit.bnot(0)", "-1"),
            ("return bit.bnot(0x12345678)", "-305419897"),
            ("return bit.bswap(0x12345678)", "2018915346"),
            ("return bit.band(0x12345678, 0xff)", "120"),
            ("return bit.band(0xff, 0xf0, 0x30)", "48"),
            ("return bit.band(7)", "7"),
            ("return bit.bor(1, 2, 4, 8)", "15"),
            ("return bit.bxor(0xa5a5f0f0, 0xaa55ff00)", "267390960"),
            ("return bit.lshift(1, 31)", "-2147483648"),
            ("return bit.lshift(1, 32)", "1"),
            ("return bit.rshift(-256, 8)", "16777215"),
            ("return bit.arshift(-256, 8)", "-1"),
            ("return bit.rol(0x12345678, 12)", "1164411171"),
            ("return bit.ror(0x12345678, 12)", "1736516421"),
            ("return bit.rol(5, 0)", "5"),
        ]);
    }

    #[test]
    fn hexadecimal_texts() {
        check(&[
            ("return bit.tohex(1)", "00000001"),
            ("return bit.tohex(-1)", "ffffffff"),
            ("return bit.tohex(0xffff, 4)", "ffff"),
            ("return bit.tohex(0xabcdef, -6)", "ABCDEF"),
            ("return bit.tohex(0xabcdef, 3)", "def"),
            ("return bit.tohex(1, 20)", "00000001"),
            ("return bit.tohex(1, 0)", ""),
            ("return bit.tohex(1, -2147483648)", "00000001"),
        ]);
    }

    #[test]
    fn what_is_no_number_is_an_error() {
        check(&[
            (
                "bit.band()",
                "ERR user_script:1: bad argument #1 to 'band' (number expected, got no value)",
            ),
            (
                "bit.band(1, {}, 'x')",
                "ERR user_script:1: bad argument #3 to 'band' (number expected, got string)",
            ),
            (
                "bit.lshift(1)",
                "ERR user_script:1: bad argument #2 to 'lshift' (number expected, got no value)",
            ),
            (
                "bit.tohex(1, nil)",
                "ERR user_script:1: bad argument #2 to 'tohex' (number expected, got nil)",
            ),
            (
                "local f = bit.bnot f(true)",
                "ERR user_script:1: bad argument #1 to 'f' (number expected, got boolean)",
            ),
            (
                "return select(2, pcall(bit.bnot))",
                "bad argument #1 to '?' (number expected, got no value)",
            ),
            (
                "local t = {b = bit.bnot} t:b()",
                "ERR user_script:1: calling 'b' on bad self (number expected, got table)",
            ),
        ]);
    }
}
