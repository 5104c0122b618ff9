//! `struct`: numbers and texts packed into bytes by a format, as Roberto Ierusalimschy's library of that name does.
//!
//! A format is a run of letters: `b B h H l L T i I` for integers (`i` and `I` with a size in bytes), `f` and `d` for
//! floats, `s` for a text that a zero byte ends, `c` for bytes of a given number (`c0`: all, or as many as the number
//! before says), `x` for a byte of padding. `<` and `>` choose the order of bytes from there on, `!` the alignment.
//! [`Format`] reads one; packing, unpacking and sizing walk it the same way.

use mlua::{Lua, LuaString, MultiValue, Result, Value, Variadic};

use super::arguments::{self, Arguments, to_integer};
use super::{MAX_RESULTS, MAX_TEXT_BYTES, out_of_memory};
use crate::script::{ffi, raise};

/// The most bytes of an integer.
const MAX_INTEGER_BYTES: usize = 32;
/// The alignment that `!` alone means.
const NATIVE_ALIGNMENT: usize = 8;

/// Makes the library the global `struct`.
///
/// # Errors
/// Out of memory.
pub fn install(lua: &Lua) -> Result<()> {
    let functions = [
        (
            "pack",
            ffi::function(lua, |lua, mut values: Variadic<Value>| {
                // The library puts a mark behind its arguments, which it takes for one more.
                if !values.is_empty() {
                    values.push(Value::Nil);
                }
                pack(&Arguments::new(lua, &values))
            })?,
        ),
        (
            "unpack",
            ffi::function(lua, |lua, values: Variadic<Value>| {
                unpack(&Arguments::new(lua, &values))
            })?,
        ),
        (
            "size",
            ffi::function(lua, |lua, values: Variadic<Value>| {
                size(&Arguments::new(lua, &values))
            })?,
        ),
    ];
    lua.globals()
        .raw_set("struct", arguments::table(lua, &functions)?)
}

fn pack(arguments: &Arguments<'_>) -> Result<LuaString> {
    let lua = arguments.lua();
    let text = arguments.string(1)?;
    let text = text.as_bytes();
    let mut format = Format::new(lua, &text);
    let mut packed = Vec::new();
    let mut next = 2;
    while let Some(item) = format.next(packed.len())? {
        if packed.len() + item.padding + item.size > MAX_TEXT_BYTES {
            return Err(out_of_memory(lua));
        }
        packed.resize(packed.len() + item.padding, 0);
        match item.letter {
            b'x' => packed.push(0),
            b'c' | b's' => {
                let value = arguments.string(next)?;
                next += 1;
                let value = value.as_bytes();
                let size = if item.size == 0 {
                    value.len()
                } else {
                    item.size
                };
                if value.len() < size {
                    return Err(arguments.error(next, "string too short"));
                }
                packed.extend_from_slice(&value[..size]);
                if item.letter == b's' {
                    packed.push(0);
                }
            }
            letter if is_value(letter) => {
                let number = arguments.number(next)?;
                next += 1;
                format.order.append(&mut packed, letter, number, item.size);
            }
            letter => format.control(letter)?,
        }
    }
    lua.create_string(packed)
}

fn unpack(arguments: &Arguments<'_>) -> Result<MultiValue> {
    let lua = arguments.lua();
    let text = arguments.string(1)?;
    let text = text.as_bytes();
    let data = arguments.string(2)?;
    let data = data.as_bytes();
    let start = arguments.optional_integer(3, 1)?;
    if start == 0 {
        return Err(arguments.error(3, "offset must be 1 or greater"));
    }
    // A negative offset is a very large one, behind any data.
    let mut position = (start as u64 as usize).wrapping_sub(1);
    let mut format = Format::new(lua, &text);
    let mut results = Vec::new();
    while let Some(item) = format.next(position)? {
        position = position.wrapping_add(item.padding);
        let mut rest = taken(arguments, &data, position, item.size)?;
        if results.len() >= MAX_RESULTS {
            return Err(raise::error(lua, "stack overflow (too many results)"));
        }
        let mut size = item.size;
        match item.letter {
            b'x' => (),
            b'c' => {
                if size == 0 {
                    size = counted(lua, &mut results)?;
                    rest = taken(arguments, &data, position, size)?;
                }
                results.push(Value::String(lua.create_string(&rest[..size])?));
            }
            b's' => {
                let Some(end) = rest.iter().position(|&byte| byte == 0) else {
                    return Err(raise::error(lua, "unfinished string in data"));
                };
                results.push(Value::String(lua.create_string(&rest[..end])?));
                size = end + 1;
            }
            letter if is_value(letter) => {
                let number = format.order.read(&rest[..size], letter);
                results.push(Value::Number(number));
            }
            letter => format.control(letter)?,
        }
        position += size;
    }
    results.push(Value::Integer(position.wrapping_add(1) as i64));
    Ok(MultiValue::from_vec(results))
}

fn size(arguments: &Arguments<'_>) -> Result<f64> {
    let text = arguments.string(1)?;
    let text = text.as_bytes();
    let mut format = Format::new(arguments.lua(), &text);
    let mut total = 0_usize;
    while let Some(item) = format.next(total)? {
        total += item.padding + item.size;
        match (item.letter, item.size) {
            (b's', _) => return Err(arguments.error(1, "option 's' has no fixed size")),
            (b'c', 0) => return Err(arguments.error(1, "option 'c0' has no fixed size")),
            // Letters that mean nothing are passed over here, as Redis's library does.
            (letter, _) if !letter.is_ascii_alphanumeric() => format.control(letter)?,
            _ => (),
        }
    }
    Ok(total as f64)
}

/// What lies at `position`, which must be `size` bytes at least.
fn taken<'d>(
    arguments: &Arguments<'_>,
    data: &'d [u8],
    position: usize,
    size: usize,
) -> Result<&'d [u8]> {
    match data.get(position..) {
        Some(rest) if rest.len() >= size => Ok(rest),
        _ => Err(arguments.error(2, "data string too short")),
    }
}

/// Takes the number that was unpacked last, for it is the size of what follows.
fn counted(lua: &Lua, results: &mut Vec<Value>) -> Result<usize> {
    let number = match results.pop() {
        Some(Value::Number(number)) => Some(number),
        Some(text @ Value::String(_)) => lua.coerce_number(text)?,
        _ => None,
    };
    match number {
        Some(number) => Ok(to_integer(number) as u64 as usize),
        None => Err(raise::error(lua, "format 'c0' needs a previous size")),
    }
}

fn is_value(letter: u8) -> bool {
    b"bBhHlLTiIfd".contains(&letter)
}

/// One item of a format.
struct Item {
    letter: u8,
    /// Zero bytes before it.
    padding: usize,
    /// Its bytes; 0 for what has no size of its own.
    size: usize,
}

/// A format as it is read.
struct Format<'a> {
    lua: &'a Lua,
    rest: &'a [u8],
    order: Order,
    alignment: usize,
}

impl<'a> Format<'a> {
    fn new(lua: &'a Lua, text: &'a [u8]) -> Self {
        let end = text.iter().position(|&byte| byte == 0);
        Format {
            lua,
            rest: &text[..end.unwrap_or(text.len())],
            order: Order::Little,
            alignment: 1,
        }
    }

    /// The next item, which is to stand at `position`.
    fn next(&mut self, position: usize) -> Result<Option<Item>> {
        let Some((&letter, rest)) = self.rest.split_first() else {
            return Ok(None);
        };
        self.rest = rest;
        let size = match letter {
            b'b' | b'B' | b'x' => 1,
            b'h' | b'H' => 2,
            b'f' => 4,
            b'l' | b'L' | b'T' | b'd' => 8,
            b'c' => self.number(1)?,
            b'i' | b'I' => self.integer_size()?,
            _ => 0,
        };
        let padding = match size.min(self.alignment) {
            0 => 0,
            _ if letter == b'c' => 0,
            // An odd size is taken for a power of two, which makes its padding what Redis's library makes of it.
            unit => unit.wrapping_sub(position & (unit - 1)) & (unit - 1),
        };
        Ok(Some(Item {
            letter,
            padding,
            size,
        }))
    }

    /// The number that follows a letter, `default` if none does.
    fn number(&mut self, default: usize) -> Result<usize> {
        let digits = self
            .rest
            .iter()
            .take_while(|byte| byte.is_ascii_digit())
            .count();
        let (number, rest) = self.rest.split_at(digits);
        self.rest = rest;
        if number.is_empty() {
            return Ok(default);
        }
        number
            .iter()
            .try_fold(0_i32, |value, digit| {
                value.checked_mul(10)?.checked_add(i32::from(digit - b'0'))
            })
            .map(|value| value as usize)
            .ok_or_else(|| raise::error(self.lua, "integral size overflow"))
    }

    fn integer_size(&mut self) -> Result<usize> {
        let size = self.number(4)?;
        if size > MAX_INTEGER_BYTES {
            let text = format!("integral size {size} is larger than limit of {MAX_INTEGER_BYTES}");
            return Err(raise::error(self.lua, &text));
        }
        Ok(size)
    }

    /// Does what a letter says that stands for no value.
    fn control(&mut self, letter: u8) -> Result<()> {
        match letter {
            b' ' => (),
            b'<' => self.order = Order::Little,
            b'>' => self.order = Order::Big,
            b'!' => {
                let alignment = self.number(NATIVE_ALIGNMENT)?;
                if !alignment.is_power_of_two() {
                    let text = format!("alignment {alignment} is not a power of 2");
                    return Err(raise::error(self.lua, &text));
                }
                self.alignment = alignment;
            }
            letter => {
                let mut text = b"invalid format option '".to_vec();
                text.extend([letter, b'\'']);
                return Err(raise::argument_bytes(self.lua, 1, &text));
            }
        }
        Ok(())
    }
}

/// The order of a number's bytes.
#[derive(Clone, Copy)]
enum Order {
    Little,
    Big,
}

impl Order {
    /// Appends a number in `size` bytes.
    fn append(self, packed: &mut Vec<u8>, letter: u8, number: f64, size: usize) {
        let start = packed.len();
        match letter {
            b'f' => packed.extend_from_slice(&(number as f32).to_le_bytes()),
            b'd' => packed.extend_from_slice(&number.to_le_bytes()),
            _ => {
                let bytes = to_bits(number).to_le_bytes();
                // Wider integers are filled with zeros, negative ones too.
                packed.extend((0..size).map(|index| bytes.get(index).copied().unwrap_or(0)));
            }
        }
        if let Order::Big = self {
            packed[start..].reverse();
        }
    }

    fn read(self, bytes: &[u8], letter: u8) -> f64 {
        let mut little = [0; MAX_INTEGER_BYTES];
        little[..bytes.len()].copy_from_slice(bytes);
        if let Order::Big = self {
            little[..bytes.len()].reverse();
        }
        match letter {
            b'f' => f64::from(f32::from_le_bytes(first(&little))),
            b'd' => f64::from_le_bytes(first(&little)),
            _ => integer(
                u64::from_le_bytes(first(&little)),
                bytes.len(),
                letter.is_ascii_lowercase(),
            ),
        }
    }
}

fn first<const N: usize>(bytes: &[u8; MAX_INTEGER_BYTES]) -> [u8; N] {
    let mut first = [0; N];
    first.copy_from_slice(&bytes[..N]);
    first
}

/// An integer of `size` bytes, of which those past the eighth are lost.
fn integer(bits: u64, size: usize, is_signed: bool) -> f64 {
    if !is_signed {
        return bits as f64;
    }
    // C's shift takes the count modulo 64, also for sizes of 0 and past 8.
    let mask = u64::MAX << ((size * 8).wrapping_sub(1) & 63);
    let extended = if bits & mask != 0 { bits | mask } else { bits };
    extended as i64 as f64
}

/// A number as C's casts make 64 bits of it on x86.
fn to_bits(number: f64) -> u64 {
    const HALF: f64 = 9_223_372_036_854_775_808.0;
    match number < HALF {
        true => to_integer(number) as u64,
        false if number.is_nan() => 1 << 63,
        false => (to_integer(number - HALF) as u64) ^ (1 << 63),
    }
}

#[cfg(test)]
mod tests {
    use crate::script::oracle::{HEX, check, check_with};

    #[test]
    fn values_are_packed_in_both_orders() {
        check_with(
            HEX,
            &[
                (
                    "return hex(struct.pack('bBhHlLT', -1, 255, -2, 2, -3, 3, 4))",
                    "fffffeff0200fdffffffffffffff03000000000000000400000000000000",
                ),
                (
                    "return hex(struct.pack('>hHlI', -2, 258, 1, 66051))",
                    "fffe0102000000000000000100010203",
                ),
                (
                    "return hex(struct.pack('<i3>i3', 66051, 66051))",
                    "030201010203",
                ),
                (
                    "return hex(struct.pack('i12', -1))",
                    "ffffffffffffffff00000000",
                ),
                (
                    "return hex(struct.pack('>I32', 1))",
                    "0000000000000000000000000000000000000000000000000000000000000001",
                ),
                (
                    "return hex(struct.pack('fd>fd', 1.5, -0.1, 1.5, -0.1))",
                    "0000c03f9a9999999999b9bf3fc00000bfb999999999999a",
                ),
                (
                    "return hex(struct.pack('sc3c0', 'ab', 'cdefg', 'hi'))",
                    "6162006364656869",
                ),
                ("return hex(struct.pack('bxxb', 1, 2))", "01000002"),
                (
                    "return hex(struct.pack('!bhbl', 1, 2, 3, 4))",
                    "01000200030000000400000000000000",
                ),
                (
                    "return hex(struct.pack('!4bd', 1, 0))",
                    "010000000000000000000000",
                ),
                ("return hex(struct.pack('!2bi3b', 1, 2, 3))", "010002000003"),
                (
                    "return hex(struct.pack('!8bi3i5', 1, 2, 3))",
                    "0100000200000300000000",
                ),
                ("return hex(struct.pack('L', 2^64))", "0000000000000000"),
                ("return hex(struct.pack('L', 2^63))", "0000000000000080"),
                ("return hex(struct.pack('L', 1e30))", "0000000000000000"),
                ("return hex(struct.pack('l', -1e30))", "0000000000000080"),
                ("return hex(struct.pack('l', 0/0))", "0000000000000080"),
                ("return hex(struct.pack('h', '12'))", "0c00"),
                ("return hex(struct.pack('h', 70000))", "7011"),
                ("return hex(struct.pack('i0', 7))", ""),
                ("return hex(struct.pack('b\\0h', 7))", "07"),
            ],
        );
    }

    #[test]
    fn values_are_unpacked() {
        check(&[
            (
                "return table.concat({struct.unpack('bBhH', '\\255\\255\\254\\255\\254\\255')}, ' ')",
                "-1 255 -2 65534 7",
            ),
            (
                "return table.concat({struct.unpack('>i3I3', '\\255\\0\\1\\255\\0\\1')}, ' ')",
                "-65535 16711681 7",
            ),
            (
                "return table.concat({struct.unpack('sc2', 'ab\\0cde')}, ' ')",
                "ab cd 6",
            ),
            (
                "return table.concat({struct.unpack('bc0b', '\\3abcd')}, ' ')",
                "abc 100 6",
            ),
            (
                "return table.concat({struct.unpack('c1c0b', '3abcd')}, ' ')",
                "abc 100 6",
            ),
            (
                "return table.concat({struct.unpack('h', '\\0\\0\\1\\2', 3)}, ' ')",
                "513 5",
            ),
            (
                "return table.concat({struct.unpack('!bl', '\\1' .. ('\\0'):rep(7) .. '\\2' .. ('\\0'):rep(7))}, ' ')",
                "1 2 17",
            ),
            (
                "return table.concat({struct.unpack('lL', ('\\255'):rep(16))}, ' ')",
                "-1 1.844674407371e+19 17",
            ),
            (
                "return table.concat({struct.unpack('i12', ('\\254'):rep(12))}, ' ')",
                "-16843010 13",
            ),
            (
                "return table.concat({struct.unpack('>I9', ('\\1'):rep(9))}, ' ')",
                "7.2340172838077e+16 10",
            ),
            (
                "return table.concat({struct.unpack('fd', struct.pack('fd', 0.1, 0.1))}, ' ')",
                "0.10000000149012 0.1 13",
            ),
            ("return table.concat({struct.unpack('', 'x')}, ' ')", "1"),
            (
                "return table.concat({struct.unpack('i0', 'x')}, ' ')",
                "0 1",
            ),
            ("return table.concat({struct.unpack('xx', 'xy')}, ' ')", "3"),
            (
                "return table.concat({struct.unpack('', '', -5)}, ' ')",
                "-5",
            ),
        ]);
    }

    #[test]
    fn sizes() {
        check(&[
            ("return struct.size('bhlTfd')", "31"),
            ("return struct.size('!bhlTfd')", "40"),
            ("return struct.size('c12i5x')", "18"),
            ("return struct.size('z')", "0"),
            ("return struct.size('<>! ')", "0"),
        ]);
    }

    const FAULTS_ARE_NAMED: &[(&str, &str)] = &[
        (
            "struct.pack()",
            "ERR user_script:1: bad argument #1 to 'pack' (string expected, got no value)",
        ),
        (
            "struct.pack('z', 1)",
            "ERR user_script:1: bad argument #1 to 'pack' (invalid format option 'z')",
        ),
        (
            "struct.pack('h')",
            "ERR user_script:1: bad argument #2 to 'pack' (number expected, got nil)",
        ),
        (
            "struct.pack('h', 'x')",
            "ERR user_script:1: bad argument #2 to 'pack' (number expected, got string)",
        ),
        (
            "struct.pack('c3', 'ab')",
            "ERR user_script:1: bad argument #3 to 'pack' (string too short)",
        ),
        (
            "struct.pack('s', nil)",
            "ERR user_script:1: bad argument #2 to 'pack' (string expected, got nil)",
        ),
        (
            "struct.pack('i33', 1)",
            "ERR user_script:1: integral size 33 is larger than limit of 32",
        ),
        (
            "struct.pack('i99999999999', 1)",
            "ERR user_script:1: integral size overflow",
        ),
        (
            "struct.pack('!3', 1)",
            "ERR user_script:1: alignment 3 is not a power of 2",
        ),
        (
            "struct.pack('!0', 1)",
            "ERR user_script:1: alignment 0 is not a power of 2",
        ),
        (
            "struct.unpack('h', 'x')",
            "ERR user_script:1: bad argument #2 to 'unpack' (data string too short)",
        ),
        (
            "struct.unpack('h', 'xyz', 3)",
            "ERR user_script:1: bad argument #2 to 'unpack' (data string too short)",
        ),
        (
            "struct.unpack('h', 'xyz', 0)",
            "ERR user_script:1: bad argument #3 to 'unpack' (offset must be 1 or greater)",
        ),
        (
            "struct.unpack('h', 'xyz', -1)",
            "ERR user_script:1: bad argument #2 to 'unpack' (data string too short)",
        ),
        (
            "struct.unpack('h')",
            "ERR user_script:1: bad argument #2 to 'unpack' (string expected, got no value)",
        ),
        (
            "struct.unpack('s', 'xyz')",
            "ERR user_script:1: unfinished string in data",
        ),
        (
            "struct.unpack('c0', 'xyz')",
            "ERR user_script:1: format 'c0' needs a previous size",
        ),
        (
            "struct.unpack('bc0', '\\5xyz')",
            "ERR user_script:1: bad argument #2 to 'unpack' (data string too short)",
        ),
        (
            "struct.unpack('bc0', '\\254xyz')",
            "ERR user_script:1: bad argument #2 to 'unpack' (data string too short)",
        ),
        (
            "struct.unpack('c2147483647', 'xyz')",
            "ERR user_script:1: bad argument #2 to 'unpack' (data string too short)",
        ),
        (
            "struct.unpack('c2147483648', 'xyz')",
            "ERR user_script:1: integral size overflow",
        ),
        (
            "return struct.unpack('%', 'xyz')",
            "ERR user_script:1: bad argument #1 to 'unpack' (invalid format option '%')",
        ),
        (
            "struct.unpack(('b'):rep(9000), ('x'):rep(9000))",
            "ERR user_script:1: stack overflow (too many results)",
        ),
        (
            "struct.size('s')",
            "ERR user_script:1: bad argument #1 to 'size' (option 's' has no fixed size)",
        ),
        (
            "struct.size('c0')",
            "ERR user_script:1: bad argument #1 to 'size' (option 'c0' has no fixed size)",
        ),
        (
            "struct.size('?')",
            "ERR user_script:1: bad argument #1 to 'size' (invalid format option '?')",
        ),
        (
            "struct.size({})",
            "ERR user_script:1: bad argument #1 to 'size' (string expected, got table)",
        ),
    ];

    #[test]
    fn faults_are_named() {
        check(FAULTS_ARE_NAMED);
    }
}
