//! [`Writer`]: a file written record by record.

use std::io::{self, Write};

use super::{Access, MAGIC};
use crate::persist::rdb::opcode;
use crate::persist::rdb::output::Output;
use crate::persist::rdb::write::{kind_of, write_value};
use crate::store::crc64;
use crate::store::entry::{NEVER, Value};

/// Bytes that are written at once.
const PIECE_BYTES: usize = 64 << 10;

/// A file that is being written. It is not complete before [`Writer::finish`].
#[derive(Debug)]
pub struct Writer<W: Write> {
    output: Output<Summed<W>>,
}

impl<W: Write> Writer<W> {
    /// Begins a file of this version, which must know the kinds of all values that will come
    /// ([`crate::persist::rdb::write::version_of`]). Strings are packed if `compress` says so, and the checksum is left
    /// out unless `check_sum` does.
    pub fn new(inner: W, version: u16, compress: bool, check_sum: bool) -> io::Result<Self> {
        let summed = Summed {
            inner,
            piece: Vec::with_capacity(PIECE_BYTES),
            crc: check_sum.then_some(0),
            flushed: 0,
        };
        let mut output = Output::new(summed, compress);
        output.raw(MAGIC)?;
        output.raw(format!("{version:04}").as_bytes())?;
        Ok(Writer { output })
    }

    /// How many bytes there are.
    pub fn position(&self) -> u64 {
        let summed = &self.output.inner;
        summed.flushed + summed.piece.len() as u64
    }

    /// Writes a name and a value about the file.
    pub fn aux(&mut self, name: &[u8], value: &[u8]) -> io::Result<()> {
        self.output.byte(opcode::AUX)?;
        self.output.string(name)?;
        self.output.string(value)
    }

    /// Writes the code of a library of functions.
    pub fn function(&mut self, code: &[u8]) -> io::Result<()> {
        self.output.byte(opcode::FUNCTION)?;
        self.output.string(code)
    }

    /// Begins the keys of a database, and says how many they will be, and how many of them with deadlines.
    pub fn database(&mut self, index: u64, keys: u64, deadlines: u64) -> io::Result<()> {
        self.output.byte(opcode::DATABASE)?;
        self.output.number(index)?;
        self.output.byte(opcode::SIZES)?;
        self.output.number(keys)?;
        self.output.number(deadlines)
    }

    /// Writes a key as [`write_key`] does.
    pub fn key(
        &mut self,
        name: &[u8],
        value: Value<'_>,
        deadline_ms: u64,
        access: Option<Access>,
    ) -> io::Result<()> {
        write_key(&mut self.output, name, value, deadline_ms, access)
    }

    /// Writes keys that [`write_key`] has written elsewhere.
    pub fn written_keys(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.output.raw(bytes)
    }

    /// Writes the end, and gives back what was written to.
    pub fn finish(mut self) -> io::Result<W> {
        self.output.byte(opcode::END)?;
        let summed = &mut self.output.inner;
        summed.flush_piece()?;
        // Without a checksum a zero stands in its place.
        let checksum = summed.crc.unwrap_or(0);
        summed.inner.write_all(&checksum.to_le_bytes())?;
        Ok(self.output.inner.inner)
    }
}

/// Writes a key; `deadline_ms` is [`NEVER`] for one that does not expire.
pub fn write_key<W: Write>(
    output: &mut Output<W>,
    name: &[u8],
    value: Value<'_>,
    deadline_ms: u64,
    access: Option<Access>,
) -> io::Result<()> {
    if deadline_ms != NEVER {
        output.byte(opcode::DEADLINE_MS)?;
        output.time_ms(deadline_ms)?;
    }
    match access {
        Some(Access::IdleS(idle_s)) => {
            output.byte(opcode::IDLE)?;
            output.number(idle_s)?;
        }
        Some(Access::Frequency(counter)) => output.raw(&[opcode::FREQUENCY, counter])?,
        None => {}
    }
    output.byte(kind_of(value))?;
    output.string(name)?;
    write_value(output, value)
}

/// What goes to `inner` in large pieces, and into the checksum.
#[derive(Debug)]
struct Summed<W: Write> {
    inner: W,
    piece: Vec<u8>,
    crc: Option<u64>,
    flushed: u64,
}

impl<W: Write> Summed<W> {
    fn flush_piece(&mut self) -> io::Result<()> {
        if let Some(crc) = &mut self.crc {
            *crc = crc64::update(*crc, &self.piece);
        }
        self.inner.write_all(&self.piece)?;
        self.flushed += self.piece.len() as u64;
        self.piece.clear();
        Ok(())
    }

    /// Writes what is more than the piece has room for.
    #[cold]
    fn write_over(&mut self, mut bytes: &[u8]) -> io::Result<()> {
        while !bytes.is_empty() {
            let written = self.write(bytes)?;
            bytes = &bytes[written..];
        }
        Ok(())
    }
}

impl<W: Write> Write for Summed<W> {
    #[inline]
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let room = PIECE_BYTES - self.piece.len();
        let bytes = &bytes[..bytes.len().min(room)];
        self.piece.extend_from_slice(bytes);
        if self.piece.len() == PIECE_BYTES {
            self.flush_piece()?;
        }
        Ok(bytes.len())
    }

    #[inline]
    fn write_all(&mut self, bytes: &[u8]) -> io::Result<()> {
        if bytes.len() < PIECE_BYTES - self.piece.len() {
            self.piece.extend_from_slice(bytes);
            return Ok(());
        }
        self.write_over(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.flush_piece()?;
        self.inner.flush()
    }
}
