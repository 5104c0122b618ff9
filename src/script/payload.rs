//! The payload of FUNCTION DUMP and FUNCTION RESTORE, which is a piece of Redis's RDB format.
//!
//! For each library the byte 245 and its text as an RDB string; then the version of the format (16 bits) and the
//! checksum CRC-64 of all before it (64 bits), both little-endian. An RDB string is a length and its bytes; the two high
//! bits of the first byte say how the length is written (0: in the low six; 1: in fourteen, big-endian; 2: 0x80 and 32
//! bits, 0x81 and 64 bits, big-endian; 3: no length but a number of 8, 16 or 32 bits, little-endian, or text that is
//! compressed by LZF). What is written here is not compressed. Source: `rdb.h` and `rdb.c` of Redis, `lzf_d.c` of
//! LibLZF.

use std::fmt;

/// The byte before a library.
const LIBRARY: u8 = 245;
/// The byte before a library of the release candidates of Redis 7.0.
const OLD_LIBRARY: u8 = 246;
/// The version of the format that is written: Redis 7.0's.
const VERSION: u16 = 10;
/// The newest version that is read: Redis 8.2's.
const MAX_VERSION: u16 = 12;
/// Version and checksum.
const FOOTER: usize = 10;
/// A text may be so long.
const MAX_TEXT: usize = 512 << 20;

/// What is wrong with a payload, in Redis's words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Its end is not that of a payload that can be read.
    Footer,
    /// It holds something else.
    NotAFunction,
    /// It holds a library in a format that was never released.
    OldLibrary,
    /// A library is not whole.
    Broken,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Fault::Footer => "DUMP payload version or checksum are wrong",
            Fault::NotAFunction => "given type is not a function",
            Fault::OldLibrary => "Pre-GA function format not supported",
            Fault::Broken => "Failed loading library payload",
        })
    }
}

impl std::error::Error for Fault {}

/// The payload of libraries with these texts.
pub fn write<'a>(codes: impl Iterator<Item = &'a [u8]>) -> Vec<u8> {
    let mut payload = Vec::new();
    for code in codes {
        payload.push(LIBRARY);
        write_length(&mut payload, code.len());
        payload.extend_from_slice(code);
    }
    payload.extend_from_slice(&VERSION.to_le_bytes());
    let checksum = crc64(&payload);
    payload.extend_from_slice(&checksum.to_le_bytes());
    payload
}

fn write_length(payload: &mut Vec<u8>, len: usize) {
    match len {
        0..=0x3f => payload.push(len as u8),
        0x40..=0x3fff => payload.extend_from_slice(&(len as u16 | 0x4000).to_be_bytes()),
        _ => match u32::try_from(len) {
            Ok(len) => {
                payload.push(0x80);
                payload.extend_from_slice(&len.to_be_bytes());
            }
            Err(_) => {
                payload.push(0x81);
                payload.extend_from_slice(&(len as u64).to_be_bytes());
            }
        },
    }
}

/// The texts of a payload's libraries.
///
/// # Errors
/// What is wrong with it.
pub fn read(payload: &[u8]) -> Result<Vec<Vec<u8>>, Fault> {
    let (checked, checksum) = payload.split_last_chunk().ok_or(Fault::Footer)?;
    let (body, version) = checked.split_last_chunk().ok_or(Fault::Footer)?;
    if u16::from_le_bytes(*version) > MAX_VERSION || u64::from_le_bytes(*checksum) != crc64(checked)
    {
        return Err(Fault::Footer);
    }
    debug_assert_eq!(payload.len(), body.len() + FOOTER);
    let mut reader = Reader(body);
    let mut codes = Vec::new();
    while let Some((&kind, rest)) = reader.0.split_first() {
        reader.0 = rest;
        match kind {
            LIBRARY => codes.push(reader.string().ok_or(Fault::Broken)?),
            OLD_LIBRARY => return Err(Fault::OldLibrary),
            _ => return Err(Fault::NotAFunction),
        }
    }
    Ok(codes)
}

/// A length, or what stands in its place.
enum Length {
    Bytes(usize),
    /// A number of so many bytes.
    Number(usize),
    Compressed,
}

struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn take(&mut self, len: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(len)?;
        self.0 = rest;
        Some(taken)
    }

    fn big_endian(&mut self, len: usize) -> Option<usize> {
        let bytes = self.take(len)?;
        let value = bytes
            .iter()
            .fold(0u64, |value, &byte| value << 8 | u64::from(byte));
        usize::try_from(value).ok()
    }

    fn length(&mut self) -> Option<Length> {
        let first = self.take(1)?[0];
        Some(match first {
            0x00..=0x3f => Length::Bytes(usize::from(first)),
            0x40..=0x7f => Length::Bytes(usize::from(first & 0x3f) << 8 | self.big_endian(1)?),
            0x80 => Length::Bytes(self.big_endian(4)?),
            0x81 => Length::Bytes(self.big_endian(8)?),
            0xc0 => Length::Number(1),
            0xc1 => Length::Number(2),
            0xc2 => Length::Number(4),
            0xc3 => Length::Compressed,
            _ => return None,
        })
    }

    fn bytes(&mut self) -> Option<usize> {
        match self.length()? {
            Length::Bytes(len) => Some(len),
            Length::Number(_) | Length::Compressed => None,
        }
    }

    fn string(&mut self) -> Option<Vec<u8>> {
        match self.length()? {
            Length::Bytes(len) => self.take(len).map(<[u8]>::to_vec),
            Length::Number(len) => {
                let bytes = self.take(len)?;
                let number = match *bytes {
                    [byte] => i32::from(byte as i8),
                    [low, high] => i32::from(i16::from_le_bytes([low, high])),
                    [a, b, c, d] => i32::from_le_bytes([a, b, c, d]),
                    _ => return None,
                };
                Some(number.to_string().into_bytes())
            }
            Length::Compressed => {
                let packed = self.bytes()?;
                let len = self.bytes()?;
                decompress(self.take(packed)?, len)
            }
        }
    }
}

/// Unpacks LZF: runs of bytes as they are, and copies of what came before. `len` is how long the text must become.
fn decompress(packed: &[u8], len: usize) -> Option<Vec<u8>> {
    // Each byte stands for less than this many, so a small payload cannot ask for much memory.
    const MAX_RATIO: usize = 264;
    if len > MAX_TEXT || len > packed.len().saturating_mul(MAX_RATIO) {
        return None;
    }
    let mut reader = Reader(packed);
    let mut text = Vec::with_capacity(len);
    while !reader.0.is_empty() {
        let control = usize::from(reader.take(1)?[0]);
        if control < 32 {
            text.extend_from_slice(reader.take(control + 1)?);
        } else {
            let mut count = control >> 5;
            if count == 7 {
                count += usize::from(reader.take(1)?[0]);
            }
            let back = (control & 31) << 8 | usize::from(reader.take(1)?[0]);
            let start = text.len().checked_sub(back + 1)?;
            for at in start..start + count + 2 {
                text.push(text[at]);
            }
        }
        if text.len() > len {
            return None;
        }
    }
    (text.len() == len).then_some(text)
}

/// CRC-64 with the polynomial of Jones, reflected, as Redis uses it.
pub fn crc64(bytes: &[u8]) -> u64 {
    const TABLE: [u64; 256] = crc64_table();
    bytes.iter().fold(0, |crc: u64, &byte| {
        TABLE[usize::from(crc as u8 ^ byte)] ^ (crc >> 8)
    })
}

const fn crc64_table() -> [u64; 256] {
    const REFLECTED: u64 = 0xad93_d235_94c9_35a9_u64.reverse_bits();
    let mut table = [0; 256];
    let mut index = 0;
    while index < 256 {
        let mut crc = index as u64;
        let mut bit = 0;
        while bit < 8 {
            crc = if crc & 1 == 1 {
                (crc >> 1) ^ REFLECTED
            } else {
                crc >> 1
            };
            bit += 1;
        }
        table[index] = crc;
        index += 1;
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_checksum_is_that_of_redis() {
        assert_eq!(crc64(b"123456789"), 0xe9c6_d914_c4b8_d9ca);
    }

    #[test]
    fn texts_come_back() {
        let codes: Vec<Vec<u8>> = [0, 1, 63, 64, 16383, 16384, 70000]
            .into_iter()
            .map(|len| vec![b'x'; len])
            .collect();
        let payload = write(codes.iter().map(Vec::as_slice));
        assert_eq!(read(&payload), Ok(codes));
        assert_eq!(read(&write(std::iter::empty())), Ok(Vec::new()));
    }

    #[test]
    fn a_payload_that_is_cut_anywhere_is_refused() {
        let payload = write([b"some code".as_slice(), b"more"].into_iter());
        for len in 0..payload.len() {
            assert_eq!(read(&payload[..len]), Err(Fault::Footer), "{len}");
        }
        // A right checksum does not make the rest whole.
        let body = &payload[..payload.len() - FOOTER];
        for len in 1..body.len() {
            let mut cut = body[..len].to_vec();
            cut.extend_from_slice(&VERSION.to_le_bytes());
            cut.extend_from_slice(&crc64(&cut).to_le_bytes());
            let whole = len == 11;
            assert_eq!(read(&cut).is_ok(), whole, "{len}");
        }
    }

    #[test]
    fn compressed_texts_are_read() {
        assert_eq!(decompress(b"\x00a\x80\x00", 7), Some(b"aaaaaaa".to_vec()));
        assert_eq!(decompress(b"\x01ab\x20\x01", 5), Some(b"ababa".to_vec()));
        for (packed, len) in [
            (b"\x00a\x80\x00".as_slice(), 8),
            (b"\x00a\x80\x00", 6),
            (b"\x00a\x80\x01", 7),
            (b"\x05a", 6),
            (b"\xe0", 300),
            (b"\x00a", usize::MAX),
        ] {
            assert_eq!(decompress(packed, len), None, "{packed:?} {len}");
        }
    }
}
