//! [`Input`]: lengths, strings and numbers read from a [`Source`].

use super::source::Source;
use super::{Error, lzf};

/// A reader of the parts that a dump is made of.
#[derive(Debug)]
pub struct Input<S> {
    /// Where the bytes come from.
    pub source: S,
    /// The version of the dump.
    pub version: u16,
}

/// What a length can be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Length {
    Bytes(u64),
    /// A string in another form.
    Form(u8),
}

/// The forms of strings.
const INT_8: u8 = 0;
const INT_16: u8 = 1;
const INT_32: u8 = 2;
const PACKED: u8 = 3;

impl<S: Source> Input<S> {
    /// A reader of a dump of this version.
    pub fn new(source: S, version: u16) -> Self {
        Input { source, version }
    }

    /// So many bytes as an array.
    fn array<const N: usize>(&mut self) -> Result<[u8; N], Error> {
        let bytes = self.source.bytes(N)?;
        bytes.try_into().map_err(|_| Error::CutOff)
    }

    /// One byte.
    #[inline]
    pub fn byte(&mut self) -> Result<u8, Error> {
        Ok(self.array::<1>()?[0])
    }

    /// Four bytes, little-endian.
    pub fn i32(&mut self) -> Result<i32, Error> {
        Ok(i32::from_le_bytes(self.array()?))
    }

    /// Eight bytes, little-endian: a time in Unix milliseconds.
    pub fn i64(&mut self) -> Result<i64, Error> {
        Ok(i64::from_le_bytes(self.array()?))
    }

    /// Eight bytes, big-endian: half of an entry's id.
    pub fn u64_big_endian(&mut self) -> Result<u64, Error> {
        Ok(u64::from_be_bytes(self.array()?))
    }

    /// A double in eight bytes, little-endian.
    pub fn double(&mut self) -> Result<f64, Error> {
        Ok(f64::from_le_bytes(self.array()?))
    }

    /// A double as its text behind a byte of length, or one of three lengths that stand for what is no number.
    pub fn double_text(&mut self) -> Result<f64, Error> {
        match self.byte()? {
            253 => Ok(f64::NAN),
            254 => Ok(f64::INFINITY),
            255 => Ok(f64::NEG_INFINITY),
            len => {
                let text = self.source.bytes(usize::from(len))?;
                crate::text::double::parse(text).ok_or(Error::Corrupt("a score is no number"))
            }
        }
    }

    #[inline]
    fn length(&mut self) -> Result<Length, Error> {
        let first = self.byte()?;
        let low = u64::from(first & 0x3f);
        Ok(match (first >> 6, first) {
            (0, _) => Length::Bytes(low),
            (1, _) => Length::Bytes(low << 8 | u64::from(self.byte()?)),
            (_, 0x80) => Length::Bytes(u32::from_be_bytes(self.array()?).into()),
            (_, 0x81) => Length::Bytes(u64::from_be_bytes(self.array()?)),
            (3, _) => Length::Form(first & 0x3f),
            _ => return Err(Error::Corrupt("a length that is none")),
        })
    }

    /// A length, or a number that is stored as one.
    #[inline]
    pub fn number(&mut self) -> Result<u64, Error> {
        match self.length()? {
            Length::Bytes(number) => Ok(number),
            Length::Form(_) => Err(Error::Corrupt("a string in the place of a number")),
        }
    }

    /// A number of elements, of which there must be some.
    pub fn count(&mut self) -> Result<u64, Error> {
        match self.number()? {
            0 => Err(Error::Empty),
            count => Ok(count),
        }
    }

    fn size(&mut self) -> Result<usize, Error> {
        usize::try_from(self.number()?).map_err(|_| Error::CutOff)
    }

    /// A string, in the place of what `out` held.
    pub fn string_into(&mut self, out: &mut Vec<u8>) -> Result<(), Error> {
        if let Some(number) = self.text_into(out)? {
            out.clear();
            out.extend_from_slice(itoa::Buffer::new().format(number).as_bytes());
        }
        Ok(())
    }

    /// A string, in the place of what `out` held, or the integer that it is stored as.
    #[inline]
    pub fn text_into(&mut self, out: &mut Vec<u8>) -> Result<Option<i32>, Error> {
        match self.length()? {
            Length::Bytes(len) => {
                let len = usize::try_from(len).map_err(|_| Error::CutOff)?;
                let bytes = self.source.bytes(len)?;
                out.clear();
                out.extend_from_slice(bytes);
                Ok(None)
            }
            Length::Form(PACKED) => self.unpack_into(out).map(|()| None),
            Length::Form(INT_8) => Ok(Some((self.byte()? as i8).into())),
            Length::Form(INT_16) => Ok(Some(i16::from_le_bytes(self.array()?).into())),
            Length::Form(INT_32) => self.i32().map(Some),
            Length::Form(_) => Err(Error::Corrupt("a string in an unknown form")),
        }
    }

    fn unpack_into(&mut self, out: &mut Vec<u8>) -> Result<(), Error> {
        let (packed_len, len) = (self.size()?, self.size()?);
        let packed = self.source.bytes(packed_len)?;
        if lzf::unpack(packed, len, out) {
            Ok(())
        } else {
            Err(Error::Corrupt("Invalid LZF compressed string"))
        }
    }

    /// A string of its own.
    pub fn string(&mut self) -> Result<Vec<u8>, Error> {
        let mut bytes = Vec::new();
        self.string_into(&mut bytes)?;
        Ok(bytes)
    }

    /// Goes over a string.
    pub fn skip_string(&mut self) -> Result<(), Error> {
        let len = match self.length()? {
            Length::Bytes(len) => usize::try_from(len).map_err(|_| Error::CutOff)?,
            Length::Form(PACKED) => {
                let packed_len = self.size()?;
                self.number()?;
                packed_len
            }
            Length::Form(INT_8) => 1,
            Length::Form(INT_16) => 2,
            Length::Form(INT_32) => 4,
            Length::Form(_) => return Err(Error::Corrupt("a string in an unknown form")),
        };
        self.source.bytes(len).map(|_| ())
    }
}
