//! [`Output`]: lengths, strings and numbers written in their shortest form.

use std::io::{self, Write};

use super::lzf::Packer;
use crate::text::number::parse_i64;

/// Shorter strings are not packed, as it would not save anything.
const MIN_PACKED: usize = 21;
/// Longer texts are no integers of 32 bits.
const MAX_INTEGER_TEXT: usize = 11;
/// A packed string must save so many bytes.
const MIN_SAVED: usize = 4;

/// A writer of the parts that a dump is made of.
#[derive(Debug)]
pub struct Output<W> {
    /// Where the bytes go.
    pub inner: W,
    /// Whether strings are packed (`rdbcompression`).
    compress: bool,
    packer: Packer,
    packed: Vec<u8>,
}

impl<W: Write> Output<W> {
    /// A writer to `inner`, which packs strings if `compress` says so.
    pub fn new(inner: W, compress: bool) -> Self {
        Output {
            inner,
            compress,
            packer: Packer::default(),
            packed: Vec::new(),
        }
    }

    /// Bytes as they are.
    pub fn raw(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.inner.write_all(bytes)
    }

    /// One byte.
    pub fn byte(&mut self, byte: u8) -> io::Result<()> {
        self.raw(&[byte])
    }

    /// Eight bytes, little-endian: a time in Unix milliseconds.
    pub fn time_ms(&mut self, ms: u64) -> io::Result<()> {
        self.raw(&ms.to_le_bytes())
    }

    /// A double in eight bytes, little-endian.
    pub fn double(&mut self, value: f64) -> io::Result<()> {
        self.raw(&value.to_le_bytes())
    }

    /// A length, or a number that is stored as one.
    pub fn number(&mut self, number: u64) -> io::Result<()> {
        match number {
            0..0x40 => self.byte(number as u8),
            0x40..0x4000 => self.raw(&(number as u16 | 0x4000).to_be_bytes()),
            0x4000..0x1_0000_0000 => {
                self.byte(0x80)?;
                self.raw(&(number as u32).to_be_bytes())
            }
            _ => {
                self.byte(0x81)?;
                self.raw(&number.to_be_bytes())
            }
        }
    }

    /// An integer as a string.
    pub fn integer(&mut self, value: i64) -> io::Result<()> {
        let le = value.to_le_bytes();
        match value {
            -0x80..=0x7f => self.raw(&[0xc0, le[0]]),
            -0x8000..=0x7fff => self.raw(&[0xc1, le[0], le[1]]),
            -0x8000_0000..=0x7fff_ffff => self.raw(&[0xc2, le[0], le[1], le[2], le[3]]),
            _ => self.plain(itoa::Buffer::new().format(value).as_bytes()),
        }
    }

    /// A string: an integer where it is the text of one, packed where that pays.
    pub fn string(&mut self, bytes: &[u8]) -> io::Result<()> {
        if bytes.len() <= MAX_INTEGER_TEXT
            && let Some(value) = parse_i64(bytes)
        {
            return self.integer(value);
        }
        if self.compress && bytes.len() >= MIN_PACKED {
            self.packed.clear();
            let most = bytes.len() - MIN_SAVED;
            if self.packer.pack(bytes, most, &mut self.packed) {
                self.byte(0xc3)?;
                self.number(self.packed.len() as u64)?;
                self.number(bytes.len() as u64)?;
                return self.inner.write_all(&self.packed);
            }
        }
        self.plain(bytes)
    }

    fn plain(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.number(bytes.len() as u64)?;
        self.raw(bytes)
    }
}
