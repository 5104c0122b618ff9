//! `bit`: operations on the bits of numbers, as Mike Pall's BitOp library has them.
//!
//! A number stands for the 32 low bits of the integer next to it; a result is those bits as a signed integer.

use mlua::{Function, Lua, Result, Value, Variadic};

use super::arguments::{self, Arguments};

/// Makes the library the global `bit`.
///
/// # Errors
/// Out of memory.
pub fn install(lua: &Lua) -> Result<()> {
    let functions = [
        ("tobit", one(lua, |bits| bits)?),
        ("bnot", one(lua, |bits| !bits)?),
        ("bswap", one(lua, u32::swap_bytes)?),
        ("band", fold(lua, |left, right| left & right)?),
        ("bor", fold(lua, |left, right| left | right)?),
        ("bxor", fold(lua, |left, right| left ^ right)?),
        ("lshift", shift(lua, |bits, count| bits << count)?),
        ("rshift", shift(lua, |bits, count| bits >> count)?),
        (
            "arshift",
            shift(lua, |bits, count| (bits as i32 >> count) as u32)?,
        ),
        ("rol", shift(lua, u32::rotate_left)?),
        ("ror", shift(lua, u32::rotate_right)?),
        (
            "tohex",
            lua.create_function(|lua, values: Variadic<Value>| {
                to_hex(&Arguments::new(lua, &values))
            })?,
        ),
    ];
    lua.globals()
        .raw_set("bit", arguments::table(lua, &functions)?)
}

fn one(lua: &Lua, operation: impl Fn(u32) -> u32 + Send + Sync + 'static) -> Result<Function> {
    lua.create_function(move |lua, values: Variadic<Value>| {
        let bits = bits(&Arguments::new(lua, &values), 1)?;
        Ok(operation(bits) as i32)
    })
}

fn fold(
    lua: &Lua,
    operation: impl Fn(u32, u32) -> u32 + Send + Sync + 'static,
) -> Result<Function> {
    lua.create_function(move |lua, values: Variadic<Value>| {
        let arguments = Arguments::new(lua, &values);
        let mut result = bits(&arguments, 1)?;
        // From the last to the first, which decides whose error is raised.
        for index in (2..=arguments.len()).rev() {
            result = operation(result, bits(&arguments, index)?);
        }
        Ok(result as i32)
    })
}

fn shift(
    lua: &Lua,
    operation: impl Fn(u32, u32) -> u32 + Send + Sync + 'static,
) -> Result<Function> {
    lua.create_function(move |lua, values: Variadic<Value>| {
        let arguments = Arguments::new(lua, &values);
        let value = bits(&arguments, 1)?;
        Ok(operation(value, bits(&arguments, 2)? & 31) as i32)
    })
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
    /// Added to a number it leaves the integer next to it in the low bits of the mantissa.
    const SHIFT: f64 = 6_755_399_441_055_744.0;
    Ok((arguments.number(index)? + SHIFT).to_bits() as u32)
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
