//! A single value on its way to another server: what DUMP answers and RESTORE takes.
//!
//! A payload is the kind of the value in one byte, the value, and a footer: the version in two bytes and the checksum of all
//! in front of it in eight, both little-endian.

use super::input::Input;
use super::output::Output;
use super::read::{Loaded, read_value};
use super::write::{kind_of, version_of, write_value};
use super::{Error, VERSION_VALKEY};
use crate::store::crc64;
use crate::store::db::EncodingLimits;
use crate::store::entry::Value;

const VERSION_BYTES: usize = 2;
const CHECKSUM_BYTES: usize = 8;

/// Why a payload is refused.
#[derive(Debug)]
pub enum Refused {
    /// The version is a later one, or the checksum another.
    Footer,
    /// The value is not well formed, or of an unknown kind.
    Value(Error),
}

impl From<Error> for Refused {
    fn from(error: Error) -> Self {
        Refused::Value(error)
    }
}

/// The payload of a value, with strings packed if `compress` says so.
pub fn encode(value: Value<'_>, compress: bool) -> Vec<u8> {
    let mut output = Output::new(Vec::new(), compress);
    output.inner.push(kind_of(value));
    write_value(&mut output, value)
        .expect("a vector takes what it is given, and values fit the format");
    seal(output.inner, version_of(value))
}

/// Puts the footer behind kind and value.
pub fn seal(mut body: Vec<u8>, version: u16) -> Vec<u8> {
    body.extend(version.to_le_bytes());
    let checksum = crc64::update(0, &body);
    body.extend(checksum.to_le_bytes());
    body
}

/// The value of a payload. Whether the checksum is looked at is the caller's choice.
pub fn decode(payload: &[u8], limits: &EncodingLimits, check_sum: bool) -> Result<Loaded, Refused> {
    let (summed, checksum) = payload
        .split_last_chunk::<CHECKSUM_BYTES>()
        .ok_or(Refused::Footer)?;
    let (body, version) = summed
        .split_last_chunk::<VERSION_BYTES>()
        .ok_or(Refused::Footer)?;
    let version = u16::from_le_bytes(*version);
    let is_right = !check_sum || crc64::update(0, summed) == u64::from_le_bytes(*checksum);
    if version > VERSION_VALKEY || !is_right {
        return Err(Refused::Footer);
    }
    let mut input = Input::new(body, version);
    let kind = input.byte()?;
    let value = read_value(&mut input, kind, limits)?;
    if !input.source.is_empty() {
        return Err(Refused::Value(Error::Corrupt(
            "there is more behind the value",
        )));
    }
    Ok(value)
}
