//! Geographic indexes: positions on the earth in sorted sets.
//!
//! A member's score is the cell (`cell`) of the finest grid that it is in, so an index is a sorted set like any other,
//! and a position comes back as the middle of its cell, less than a metre away. [`add`] puts members in, [`read`] looks
//! at single ones, [`search`] finds those in a shape (`shape`). To add a kind of shape, give it its bounds and its test there
//! and its words in [`search`].

pub mod add;
mod cell;
pub mod read;
pub mod search;
mod shape;

use crate::command::{Arg, ArgKind, Args, CommandError, CommandSpec, Context};
use crate::commands::sorted_set::zset_of;
use crate::resp::{Protocol, Reply};
use crate::store::types::sorted_set::SortedSet;
use crate::text::double;
use cell::{MAX_LATITUDE, MAX_LONGITUDE};
use shape::Position;

/// The family's commands.
pub static COMMANDS: &[&CommandSpec] = &[
    &add::GEOADD,
    &read::GEODIST,
    &read::GEOHASH,
    &read::GEOPOS,
    &search::GEORADIUS,
    &search::GEORADIUSBYMEMBER,
    &search::GEORADIUSBYMEMBER_RO,
    &search::GEORADIUS_RO,
    &search::GEOSEARCH,
    &search::GEOSEARCHSTORE,
];

const UNITS: &[Arg] = &[
    Arg::token("m", "m"),
    Arg::token("km", "km"),
    Arg::token("ft", "ft"),
    Arg::token("mi", "mi"),
];
const UNIT: Arg = Arg::one_of("unit", UNITS);
const LONGITUDE: Arg = Arg::new("longitude", ArgKind::Double);
const LATITUDE: Arg = Arg::new("latitude", ArgKind::Double);

const UNKNOWN_UNIT: CommandError =
    CommandError::fixed("ERR unsupported unit provided. please use M, KM, FT, MI");

/// Reads a unit, as the number of metres that it has.
fn parse_unit(args: &mut Args<'_>) -> Result<f64, CommandError> {
    let word = args.bytes()?;
    [("M", 1.0), ("KM", 1000.0), ("FT", 0.3048), ("MI", 1609.34)]
        .into_iter()
        .find_map(|(unit, metres)| word.eq_ignore_ascii_case(unit.as_bytes()).then_some(metres))
        .ok_or(UNKNOWN_UNIT)
}

/// Reads a number; `error` is for what is none.
fn parse_number(args: &mut Args<'_>, error: CommandError) -> Result<f64, CommandError> {
    double::parse(args.bytes()?)
        .filter(|number| !number.is_nan())
        .ok_or(error)
}

/// Reads longitude and latitude.
fn parse_position(args: &mut Args<'_>) -> Result<Position, CommandError> {
    let position = Position {
        longitude: parse_number(args, CommandError::NotFloat)?,
        latitude: parse_number(args, CommandError::NotFloat)?,
    };
    let Position {
        longitude,
        latitude,
    } = position;
    if longitude.abs() > MAX_LONGITUDE || latitude.abs() > MAX_LATITUDE {
        return Err(CommandError::err(format_args!(
            "invalid longitude,latitude pair {longitude:.6},{latitude:.6}"
        )));
    }
    Ok(position)
}

/// The index under `key`, if there is one.
fn read_index(context: &mut Context<'_>, key: &[u8]) -> Result<Option<SortedSet>, CommandError> {
    match context.read(key) {
        Some(entry) => Ok(Some(zset_of(entry.value())?.clone())),
        None => Ok(None),
    }
}

/// Answers a distance with four digits behind the point.
fn reply_distance(reply: &mut Reply<'_>, distance: f64) {
    const PARTS: f64 = 10_000.0;
    let parts = (distance * PARTS).round_ties_even();
    reply.text(&format!("{:.4}", parts / PARTS));
}

/// Answers a position as a pair of numbers.
fn reply_position(reply: &mut Reply<'_>, position: Position) {
    reply.array(2);
    for degrees in [position.longitude, position.latitude] {
        let text = degrees_text(degrees);
        match reply.protocol() {
            Protocol::Resp2 => reply.text(&text),
            Protocol::Resp3 => reply.raw(format!(",{text}\r\n").as_bytes()),
        }
    }
}

/// Seventeen digits behind the point at most, without zeros at the end.
fn degrees_text(degrees: f64) -> String {
    let mut text = format!("{degrees:.17}");
    text.truncate(text.trim_end_matches('0').trim_end_matches('.').len());
    if text == "-0" {
        text.remove(0);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn degrees_have_the_digits_of_c() {
        for (degrees, want) in [
            (13.361_389_338_970_184, "13.36138933897018433"),
            (0.0, "0"),
            (-0.0, "0"),
            (-180.0, "-180"),
            (0.5, "0.5"),
            // The eighteenth digit is a five, and the seventeenth even.
            (1.0 / 262_144.0, "0.00000381469726562"),
            (3.0 / 262_144.0, "0.00001144409179688"),
        ] {
            assert_eq!(degrees_text(degrees), want);
        }
    }
}
