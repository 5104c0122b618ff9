//! Distances on the earth, the shapes that are searched, and the cells that cover them.
//!
//! All that decides about a digit or a member is Redis's (`geohash_helper.c`): the haversine formula on a sphere of its
//! radius, the estimate of the step from the radius, and which of the nine cells are left out.

use super::cell::{Cell, MAX_STEP};

/// The quadratic mean radius of the earth, in metres.
const EARTH_RADIUS_M: f64 = 6_372_797.560_856;
/// Half the width of the Mercator projection, in metres.
const MERCATOR_MAX_M: f64 = 20_037_726.37;

/// A position on the earth, in degrees.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Position {
    pub(super) longitude: f64,
    pub(super) latitude: f64,
}

/// The distance between two positions that differ in their latitudes alone, in metres.
fn distance_of_latitudes(one: f64, other: f64) -> f64 {
    EARTH_RADIUS_M * (radians(other) - radians(one)).abs()
}

/// The distance between two positions, in metres.
pub(super) fn distance(one: Position, other: Position) -> f64 {
    let (longitude1, longitude2) = (radians(one.longitude), radians(other.longitude));
    let v = ((longitude2 - longitude1) / 2.0).sin();
    if v == 0.0 {
        return distance_of_latitudes(one.latitude, other.latitude);
    }
    let (latitude1, latitude2) = (radians(one.latitude), radians(other.latitude));
    let u = ((latitude2 - latitude1) / 2.0).sin();
    // The order of the operations decides about the last digit.
    let a = u * u + latitude1.cos() * latitude2.cos() * v * v;
    2.0 * EARTH_RADIUS_M * a.sqrt().asin()
}

/// Radians in a degree. Multiplying by it is not quite what [`f64::to_radians`] may do.
const RADIANS: f64 = std::f64::consts::PI / 180.0;

fn radians(degrees: f64) -> f64 {
    degrees * RADIANS
}

fn degrees(radians: f64) -> f64 {
    radians / RADIANS
}

/// What is searched around a position; all lengths in metres.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Shape {
    /// All within a radius.
    Circle {
        /// The radius.
        radius: f64,
    },
    /// All within a box along the parallels and meridians.
    Box {
        /// From its western to its eastern edge.
        width: f64,
        /// From its southern to its northern edge.
        height: f64,
    },
}

impl Shape {
    /// The distance of a position from the centre, if the position is within the shape.
    pub(super) fn distance_within(self, centre: Position, position: Position) -> Option<f64> {
        match self {
            Shape::Circle { radius } => {
                let distance = distance(centre, position);
                // What can not be compared counts as near, as in Redis.
                if distance > radius {
                    return None;
                }
                Some(distance)
            }
            Shape::Box { width, height } => {
                if distance_of_latitudes(position.latitude, centre.latitude) > height / 2.0 {
                    return None;
                }
                let same_parallel = Position {
                    longitude: centre.longitude,
                    latitude: position.latitude,
                };
                if self::distance(position, same_parallel) > width / 2.0 {
                    return None;
                }
                Some(distance(centre, position))
            }
        }
    }

    /// The cells that cover the shape around a position, its own first. None of them is there twice but where the
    /// shape covers half of the earth.
    pub(super) fn cells(self, centre: Position) -> Vec<Cell> {
        let bounds = self.bounds(centre);
        let mut cell = Cell::at(centre, self.step(centre.latitude));
        // Near the edge of its cell a shape can reach beyond the next one.
        let is_short = cell.neighbour(0, 1).area().north < bounds.north
            || cell.neighbour(0, -1).area().south > bounds.south
            || cell.neighbour(1, 0).area().east < bounds.east
            || cell.neighbour(-1, 0).area().west > bounds.west;
        let mut step = self.step(centre.latitude);
        if step > 1 && is_short {
            step -= 1;
            cell = Cell::at(centre, step);
        }
        // Neighbours on a side where the cell itself reaches beyond the shape are not needed.
        let area = cell.area();
        let needs = |east: i32, north: i32| {
            step < 2
                || !(north < 0 && area.south < bounds.south
                    || north > 0 && area.north > bounds.north
                    || east < 0 && area.west < bounds.west
                    || east > 0 && area.east > bounds.east)
        };
        // The order decides which members ANY finds.
        const AROUND: [(i32, i32); 8] = [
            (0, 1),
            (0, -1),
            (1, 0),
            (-1, 0),
            (1, 1),
            (-1, 1),
            (1, -1),
            (-1, -1),
        ];
        let mut around: Vec<Cell> = AROUND
            .into_iter()
            .filter(|&(east, north)| needs(east, north))
            .map(|(east, north)| cell.neighbour(east, north))
            .collect();
        // In a grid of two columns the eastern neighbour is the western one.
        around.dedup();
        around.insert(0, cell);
        around
    }

    /// The step at which the cells around are as large as the shape, or larger.
    fn step(self, latitude: f64) -> u32 {
        let mut range_m = match self {
            Shape::Circle { radius } => radius,
            Shape::Box { width, height } => {
                ((width / 2.0) * (width / 2.0) + (height / 2.0) * (height / 2.0)).sqrt()
            }
        };
        if range_m == 0.0 {
            return MAX_STEP;
        }
        let mut step: i32 = 1;
        while range_m < MERCATOR_MAX_M {
            range_m *= 2.0;
            step += 1;
        }
        step -= 2;
        // Cells are narrow towards the poles.
        step -= i32::from(latitude.abs() > 66.0) + i32::from(latitude.abs() > 80.0);
        step.clamp(1, MAX_STEP as i32) as u32
    }

    /// The smallest ranges of longitude and latitude that hold the shape.
    fn bounds(self, centre: Position) -> super::cell::Area {
        let (width, height) = match self {
            Shape::Circle { radius } => (radius, radius),
            Shape::Box { width, height } => (width / 2.0, height / 2.0),
        };
        let Position {
            longitude,
            latitude,
        } = centre;
        let by_latitude = degrees(height / EARTH_RADIUS_M);
        // The parallel that is nearer to the pole is the shorter one, so more degrees make up the same length.
        let edge = if latitude < 0.0 {
            latitude - by_latitude
        } else {
            latitude + by_latitude
        };
        let by_longitude = degrees(width / EARTH_RADIUS_M / radians(edge).cos());
        super::cell::Area {
            west: longitude - by_longitude,
            east: longitude + by_longitude,
            south: latitude - by_latitude,
            north: latitude + by_latitude,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn distances_are_those_of_redis() {
        let palermo = Position {
            longitude: 13.361389338970184,
            latitude: 38.1155563954963,
        };
        let catania = Position {
            longitude: 15.087267458438873,
            latitude: 37.50266842333162,
        };
        assert_eq!(format!("{:.4}", distance(palermo, catania)), "166274.1516");
        assert_eq!(distance(palermo, palermo), 0.0);
    }

    fn position() -> impl Strategy<Value = Position> {
        (-180.0f64..180.0, -85.0f64..85.0).prop_map(|(longitude, latitude)| Position {
            longitude,
            latitude,
        })
    }

    fn shape() -> impl Strategy<Value = Shape> {
        let length = prop_oneof![
            Just(0.0),
            0.0f64..10.0,
            0.0f64..1e5,
            0.0f64..5e6,
            Just(f64::INFINITY),
            Just(f64::MAX)
        ];
        prop_oneof![
            length.clone().prop_map(|radius| Shape::Circle { radius }),
            (length.clone(), length).prop_map(|(width, height)| Shape::Box { width, height }),
        ]
    }

    proptest! {
        #[test]
        fn a_shape_is_covered_by_at_most_nine_cells(shape in shape(), centre in position()) {
            let cells = shape.cells(centre);
            prop_assert!((1..=9).contains(&cells.len()));
            let (first, end) = cells[0].scores();
            prop_assert!((first..end).contains(&Cell::at(centre, MAX_STEP).score()));
        }

        /// Away from the poles and the date line, where Redis too leaves something out.
        #[test]
        fn what_is_within_a_circle_is_within_its_cells(
            longitude in -90.0f64..90.0, latitude in -60.0f64..60.0, radius in 1.0f64..1e6, east in -1.0f64..1.0, north in -1.0f64..1.0,
        ) {
            let centre = Position { longitude, latitude };
            let shape = Shape::Circle { radius };
            let around = shape.bounds(centre);
            let position = Position {
                longitude: longitude + (around.east - longitude) * east,
                latitude: latitude + (around.north - latitude) * north,
            };
            let score = Cell::at(position, MAX_STEP).score();
            if shape.distance_within(centre, position).is_some() {
                let mut ranges = shape.cells(centre).into_iter().map(Cell::scores);
                prop_assert!(ranges.any(|(first, end)| (first..end).contains(&score)));
            }
        }
    }
}
