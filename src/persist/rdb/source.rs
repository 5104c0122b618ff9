//! [`Source`]: where the bytes of a dump come from, a slice or a file.

use std::io::{ErrorKind, Read};

use super::Error;
use crate::store::crc64;

/// A file is read in pieces of so many bytes.
const PIECE_BYTES: usize = 64 << 10;

/// Bytes that are read once from the front to the end.
pub trait Source {
    /// The next `len` bytes. A length that the input does not have costs no more memory than the input.
    fn bytes(&mut self, len: usize) -> Result<&[u8], Error>;
}

impl Source for &[u8] {
    fn bytes(&mut self, len: usize) -> Result<&[u8], Error> {
        let (bytes, rest) = self.split_at_checked(len).ok_or(Error::CutOff)?;
        *self = rest;
        Ok(bytes)
    }
}

/// A source that reads a file or socket, and knows the checksum of what was taken from it.
#[derive(Debug)]
pub struct Reader<R> {
    inner: R,
    /// What was read is between `start` and `end`; the rest is room.
    buffer: Vec<u8>,
    start: usize,
    end: usize,
    /// Where the bytes begin that were taken and are not in the checksum yet.
    summed: usize,
    crc: u64,
    /// Bytes in front of the buffer.
    dropped: u64,
}

impl<R: Read> Reader<R> {
    /// A source of what `inner` has.
    pub fn new(inner: R) -> Self {
        Reader {
            inner,
            buffer: vec![0; PIECE_BYTES],
            start: 0,
            end: 0,
            summed: 0,
            crc: 0,
            dropped: 0,
        }
    }

    /// How many bytes were taken.
    pub fn position(&self) -> u64 {
        self.dropped + self.start as u64
    }

    /// The checksum of all that was taken.
    pub fn checksum(&mut self) -> u64 {
        self.crc = crc64::update(self.crc, &self.buffer[self.summed..self.start]);
        self.summed = self.start;
        self.crc
    }

    /// Gives the input back, with what was read from it and not taken.
    pub fn into_parts(self) -> (R, Vec<u8>) {
        (self.inner, self.buffer[self.start..self.end].to_vec())
    }

    /// Reads until `len` bytes are there to be taken.
    #[cold]
    fn fill(&mut self, len: usize) -> Result<(), Error> {
        self.checksum();
        self.buffer.copy_within(self.start..self.end, 0);
        self.dropped += self.start as u64;
        self.end -= self.start;
        (self.start, self.summed) = (0, 0);
        while self.end < len {
            if self.end == self.buffer.len() {
                // The buffer grows with what has come, not with what was promised.
                let room = len.min(2 * self.end);
                self.buffer.resize(room, 0);
            }
            match self.inner.read(&mut self.buffer[self.end..]) {
                Ok(0) => return Err(Error::CutOff),
                Ok(count) => self.end += count,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }
}

impl<R: Read> Source for Reader<R> {
    #[inline]
    fn bytes(&mut self, len: usize) -> Result<&[u8], Error> {
        if self.end - self.start < len {
            self.fill(len)?;
        }
        self.start += len;
        Ok(&self.buffer[self.start - len..self.start])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reader_hands_out_what_the_file_has_and_sums_it() {
        let bytes: Vec<u8> = (0..300_000u32).map(|number| (number * 7) as u8).collect();
        let mut reader = Reader::new(bytes.as_slice());
        let mut at = 0;
        for len in [0, 1, 8, 70_000, 3, 150_000, 12] {
            assert_eq!(
                reader.bytes(len).expect("it is there"),
                &bytes[at..at + len]
            );
            at += len;
            assert_eq!(reader.position(), at as u64);
            assert_eq!(reader.checksum(), crc64::update(0, &bytes[..at]));
        }
        assert!(matches!(reader.bytes(1 << 40), Err(Error::CutOff)));
    }
}
