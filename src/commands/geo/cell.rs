//! Cells of the geohash grid: a position as one number, so that what lies near on the earth is near in a sorted set.
//!
//! **Algorithm** (Redis, `geohash.c`, after G. M. Morton's order and G. Niemeyer's geohash). The ranges of longitude and
//! latitude are halved `step` times; which halves a position is in makes one bit each time. The bits of both are
//! interleaved, longitude first, so that the cell of a smaller step is a prefix of those within it. Members have the 52
//! bits of step 26 as their score, which a double holds exactly.
//!
//! The latitudes end at 85 degrees, where the square of the Mercator projection does. Standard geohashes, those of 11
//! characters that GEOHASH answers, go up to 90 degrees and are calculated anew.

use super::shape::Position;

/// The step of the cells that members are in.
pub(super) const MAX_STEP: u32 = 26;
/// Bits of a score.
const SCORE_BITS: u32 = 2 * MAX_STEP;

/// The outermost longitude, in degrees.
pub(super) const MAX_LONGITUDE: f64 = 180.0;
/// The outermost latitude, in degrees: EPSG:3857 ends there.
pub(super) const MAX_LATITUDE: f64 = 85.05112878;
/// The outermost latitude of standard geohashes, in degrees.
const STANDARD_MAX_LATITUDE: f64 = 90.0;

/// The bits of longitude, in the odd places.
const LONGITUDE_BITS: u64 = 0xaaaa_aaaa_aaaa_aaaa;
/// The bits of latitude, in the even places.
const LATITUDE_BITS: u64 = 0x5555_5555_5555_5555;

/// The digits of a standard geohash.
const DIGITS: &[u8; 32] = b"0123456789bcdefghjkmnpqrstuvwxyz";
/// Characters of a standard geohash, and how many of them the bits fill.
const GEOHASH_LEN: usize = 11;
const GEOHASH_FILLED: usize = 10;

/// A cell of the grid.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Cell {
    bits: u64,
    /// How often the ranges have been halved: 1 to [`MAX_STEP`].
    step: u32,
}

/// The ranges of a cell, in degrees.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Area {
    pub(super) west: f64,
    pub(super) east: f64,
    pub(super) south: f64,
    pub(super) north: f64,
}

impl Cell {
    /// The cell that a position is in.
    pub(super) fn at(position: Position, step: u32) -> Cell {
        Cell::within(position, MAX_LATITUDE, step)
    }

    fn within(position: Position, max_latitude: f64, step: u32) -> Cell {
        let cells = (1u64 << step) as f64;
        let share = |value: f64, max: f64| ((value + max) / (max + max) * cells) as u32;
        let latitude = spread(share(position.latitude, max_latitude));
        let longitude = spread(share(position.longitude, MAX_LONGITUDE));
        Cell {
            bits: latitude | longitude << 1,
            step,
        }
    }

    /// The cell that is a member's score.
    pub(super) fn of_score(score: f64) -> Cell {
        // A sorted set may hold any scores. A negative one is taken as the processor's conversion leaves it in Redis.
        let bits = if score < 0.0 {
            score as i64 as u64
        } else {
            score as u64
        };
        Cell {
            bits,
            step: MAX_STEP,
        }
    }

    /// The score that the cell is, if it is one of the smallest.
    pub(super) fn score(self) -> f64 {
        self.first_score() as f64
    }

    fn first_score(self) -> u64 {
        self.bits << (SCORE_BITS - 2 * self.step)
    }

    /// The scores of all that lies in the cell: from the first up to, and without, the second.
    pub(super) fn scores(self) -> (f64, f64) {
        let next = Cell {
            bits: self.bits + 1,
            ..self
        };
        (self.first_score() as f64, next.first_score() as f64)
    }

    /// What the cell covers.
    pub(super) fn area(self) -> Area {
        let cells = (1u64 << self.step) as f64;
        let line = |index: u32, max: f64| -max + (f64::from(index) / cells) * (max + max);
        let (latitude, longitude) = (gather(self.bits), gather(self.bits >> 1));
        Area {
            west: line(longitude, MAX_LONGITUDE),
            east: line(longitude.wrapping_add(1), MAX_LONGITUDE),
            south: line(latitude, MAX_LATITUDE),
            north: line(latitude.wrapping_add(1), MAX_LATITUDE),
        }
    }

    /// The middle of the cell: the position that a member's score stands for.
    pub(super) fn middle(self) -> Position {
        let area = self.area();
        Position {
            longitude: ((area.west + area.east) / 2.0).clamp(-MAX_LONGITUDE, MAX_LONGITUDE),
            latitude: ((area.south + area.north) / 2.0).clamp(-MAX_LATITUDE, MAX_LATITUDE),
        }
    }

    /// The cell so many columns to the east and rows to the north (1, 0 or -1 each). The grid has no edges: behind the
    /// last comes the first.
    pub(super) fn neighbour(self, east: i32, north: i32) -> Cell {
        let longitude = self.moved(LONGITUDE_BITS, LATITUDE_BITS, east);
        let latitude = self.moved(LATITUDE_BITS, LONGITUDE_BITS, north);
        Cell {
            bits: longitude | latitude,
            step: self.step,
        }
    }

    /// The bits of `mask` counted up or down by one. The others are filled so that the carry goes through them.
    ///
    /// The outermost longitude and latitude make a bit too many, which stays where nothing is moved.
    fn moved(self, mask: u64, others: u64, by: i32) -> u64 {
        let own = self.bits & mask;
        let shift = 64 - 2 * self.step;
        let (mask, others) = (mask >> shift, others >> shift);
        let one = others + 1;
        match by {
            0 => own,
            1.. => own.wrapping_add(one) & mask,
            _ => (own | others).wrapping_sub(one) & mask,
        }
    }
}

/// Puts the bits of a number in the even places.
fn spread(value: u32) -> u64 {
    let mut bits = u64::from(value);
    for (shift, mask) in [
        (16, 0x0000_ffff_0000_ffff),
        (8, 0x00ff_00ff_00ff_00ff),
        (4, 0x0f0f_0f0f_0f0f_0f0f),
        (2, 0x3333_3333_3333_3333),
        (1, LATITUDE_BITS),
    ] {
        bits = (bits | bits << shift) & mask;
    }
    bits
}

/// Reads the bits in the even places.
fn gather(bits: u64) -> u32 {
    let mut bits = bits & LATITUDE_BITS;
    for (shift, mask) in [
        (1, 0x3333_3333_3333_3333),
        (2, 0x0f0f_0f0f_0f0f_0f0f),
        (4, 0x00ff_00ff_00ff_00ff),
        (8, 0x0000_ffff_0000_ffff),
        (16, 0x0000_0000_ffff_ffff),
    ] {
        bits = (bits | bits >> shift) & mask;
    }
    bits as u32
}

/// The standard geohash of a position. Its last character would need more bits than there are, and is 0 always.
pub(super) fn geohash(position: Position) -> [u8; GEOHASH_LEN] {
    let bits = Cell::within(position, STANDARD_MAX_LATITUDE, MAX_STEP).bits;
    let mut text = [DIGITS[0]; GEOHASH_LEN];
    for (index, character) in text.iter_mut().take(GEOHASH_FILLED).enumerate() {
        let shift = SCORE_BITS as usize - 5 * (index + 1);
        *character = DIGITS[(bits >> shift) as usize & 0x1f];
    }
    text
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const PALERMO: Position = Position {
        longitude: 13.361389,
        latitude: 38.115556,
    };

    #[test]
    fn a_position_has_the_score_and_geohash_that_redis_gives_it() {
        let cell = Cell::at(PALERMO, MAX_STEP);
        assert_eq!(cell.score(), 3_479_099_956_230_698.0);
        assert_eq!(Cell::of_score(cell.score()), cell);
        let middle = cell.middle();
        assert_eq!(middle.longitude, 13.361_389_338_970_184);
        assert_eq!(middle.latitude, 38.115_556_395_496_3);
        assert_eq!(&geohash(middle), b"sqc8b49rny0");
    }

    #[test]
    fn the_scores_of_a_cell_are_those_within_it() {
        for step in 1..=MAX_STEP {
            let (first, end) = Cell::at(PALERMO, step).scores();
            assert!(
                (first..end).contains(&Cell::at(PALERMO, MAX_STEP).score()),
                "{step}"
            );
        }
    }

    proptest! {
        #[test]
        fn spreading_and_gathering_undo_each_other(value in any::<u32>()) {
            prop_assert_eq!(gather(spread(value)), value);
        }

        #[test]
        fn any_score_is_a_position(bits in any::<u64>()) {
            let middle = Cell::of_score(f64::from_bits(bits)).middle();
            prop_assert!(middle.longitude.abs() <= MAX_LONGITUDE && middle.latitude.abs() <= MAX_LATITUDE);
        }

        #[test]
        fn neighbours_adjoin_and_have_the_cell_as_theirs(
            longitude in -179.0f64..179.0, latitude in -80.0f64..80.0, step in 9u32..=26,
            east in -1i32..=1, north in -1i32..=1,
        ) {
            let cell = Cell::at(Position { longitude, latitude }, step);
            let next = cell.neighbour(east, north);
            prop_assert_eq!(next.neighbour(-east, -north), cell);
            let (area, other) = (cell.area(), next.area());
            prop_assert!(area.west <= longitude && longitude <= area.east);
            let (edge, its_edge) = match east {
                1 => (area.east, other.west),
                0 => (area.west, other.west),
                _ => (area.west, other.east),
            };
            prop_assert_eq!(edge, its_edge);
            let (edge, its_edge) = match north {
                1 => (area.north, other.south),
                0 => (area.south, other.south),
                _ => (area.south, other.north),
            };
            prop_assert_eq!(edge, its_edge);
        }
    }
}
