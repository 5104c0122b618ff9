//! Geographic indexes over the wire, in RESP2 and RESP3.
//!
//! The tables' replies are those of Redis 7.0.15; `TEST_SERVER=/path/to/redis-server` runs them against it.

mod common;

use common::{Reply, Server, check_fresh};

const SYNTAX: &str = "-ERR syntax error";
const NO_MEMBER: &str = "-ERR could not decode requested zset member";
const ANY: &str = "-ERR the ANY argument requires COUNT argument";

/// Arguments under which no sorted set is small.
const LARGE: &[&str] = &["--zset-max-listpack-entries", "0"];

/// Runs a table on an index of four towns and a member that is no position, in both encodings and both protocols.
#[track_caller]
fn check_index(table: &[(&str, &str)]) {
    const ADD: (&str, &str) = (
        "GEOADD g 13.361389 38.115556 Palermo 15.087269 37.502669 Catania 13.583333 37.316667 Agrigento \
         12.758489 38.788135 edge1 17.241510 38.788135 edge2",
        ":5",
    );
    let table: Vec<_> = [ADD].iter().chain(table).copied().collect();
    for args in [&[], LARGE] {
        check_fresh(args, &table);
    }
}

#[test]
fn members_are_added_and_moved() {
    check_index(&[
        ("TYPE g", "+zset"),
        (
            "ZSCORE g Palermo",
            r#""3479099956230698" // ,3479099956230698"#,
        ),
        ("GEOADD g 13.361389 38.115556 Palermo 1 1 new", ":1"),
        ("GEOADD g CH 2 2 new 3 3 newer", ":2"),
        ("GEOADD g NX 4 4 new", ":0"),
        ("GEOADD g NX CH 4 4 new 5 5 newest", ":1"),
        ("GEOADD g XX CH 6 6 new 7 7 none", ":1"),
        ("ZCARD g", ":8"),
        ("GEOADD none XX 1 1 a", ":0"),
        ("EXISTS none", ":0"),
        (
            "GEOPOS g new",
            r#"[["6.00000232458114624", "6.00000055693963219"]] // [[,6.00000232458114624, ,6.00000055693963219]]"#,
        ),
    ]);
}

#[test]
fn what_is_no_position_is_refused() {
    const FLOAT: &str = "-ERR value is not a valid float";
    check_fresh(
        &[],
        &[
            (
                "GEOADD g 181 1 a",
                "-ERR invalid longitude,latitude pair 181.000000,1.000000",
            ),
            (
                "GEOADD g 1 1 a 1 -86 b",
                "-ERR invalid longitude,latitude pair 1.000000,-86.000000",
            ),
            (
                "GEOADD g inf 1 a",
                "-ERR invalid longitude,latitude pair inf,1.000000",
            ),
            ("EXISTS g", ":0"),
            ("GEOADD g nan 1 a", FLOAT),
            ("GEOADD g 1 x a", FLOAT),
            ("GEOADD g GT 1 1 a 2", SYNTAX),
            ("GEOADD g GT 1 a", FLOAT),
            ("GEOADD g NX XX 1 1 a", SYNTAX),
            ("GEOADD g NX CH NX", SYNTAX),
            ("GEOADD g 1 1 a 2", SYNTAX),
            (
                "GEOADD g 1 1",
                "-ERR wrong number of arguments for 'geoadd' command",
            ),
            ("GEOADD g 180 85.05112878 a -180 -85.05112878 b", ":2"),
            ("SET t text", "+OK"),
            (
                "GEOADD t 1 1 a",
                "-WRONGTYPE Operation against a key holding the wrong kind of value",
            ),
        ],
    );
}

#[test]
fn single_members_are_looked_at() {
    check_index(&[
        (
            "GEOPOS g Palermo none Catania",
            r#"[["13.36138933897018433", "38.11555639549629859"], *-1, ["15.08726745843887329", "37.50266842333162032"]] // [[,13.36138933897018433, ,38.11555639549629859], _, [,15.08726745843887329, ,37.50266842333162032]]"#,
        ),
        ("GEOPOS g", "[]"),
        ("GEOPOS none a b", "[*-1, *-1]"),
        (
            "GEOHASH g Palermo none Catania",
            r#"["sqc8b49rny0", $-1, "sqdtr74hyu0"]"#,
        ),
        ("GEOHASH none a", "[$-1]"),
        ("GEOHASH none", "[]"),
        ("GEODIST g Palermo Catania", r#""166274.1516""#),
        ("GEODIST g Palermo Catania km", r#""166.2742""#),
        ("GEODIST g Palermo Catania MI", r#""103.3182""#),
        ("GEODIST g Palermo Catania ft", r#""545518.8700""#),
        ("GEODIST g Palermo Palermo", r#""0.0000""#),
        ("GEODIST g Palermo none", "$-1"),
        ("GEODIST none a b", "$-1"),
        (
            "GEODIST none a b x",
            "-ERR unsupported unit provided. please use M, KM, FT, MI",
        ),
        ("GEODIST g a b m m", "-ERR syntax error"),
        ("ZADD g -1 below 1e300 above", ":2"),
        ("GEOHASH g below", r#"["bp05b5048p0"]"#),
    ]);
}

#[test]
fn circles_are_searched() {
    check_index(&[
        (
            "GEOSEARCH g FROMLONLAT 15 37 BYRADIUS 200 km ASC",
            r#"["Catania", "Agrigento", "Palermo"]"#,
        ),
        (
            "GEOSEARCH g FROMLONLAT 15 37 BYRADIUS 200 km DESC COUNT 2 WITHDIST",
            r#"[["Palermo", "190.4424"], ["Agrigento", "130.4235"]]"#,
        ),
        (
            "GEOSEARCH g BYRADIUS 60 mi FROMMEMBER Agrigento WITHHASH WITHDIST ASC",
            r#"[["Agrigento", "0.0000", :3479030013248308], ["Palermo", "56.5311", :3479099956230698]]"#,
        ),
        (
            "GEOSEARCH g FROMLONLAT 15 37 BYRADIUS 60 km WITHCOORD",
            r#"[["Catania", ["15.08726745843887329", "37.50266842333162032"]]] // [["Catania", [,15.08726745843887329, ,37.50266842333162032]]]"#,
        ),
        ("GEOSEARCH g FROMLONLAT 15 37 BYRADIUS 0 km", "[]"),
        ("GEOSEARCH g FROMMEMBER edge1 BYRADIUS 0 m", r#"["edge1"]"#),
        (
            "GEOSEARCH g FROMLONLAT 15 37 BYRADIUS 1e9 km COUNT 1 ANY",
            r#"["Agrigento"]"#,
        ),
        ("GEOSEARCH none FROMMEMBER a BYRADIUS 1 km WITHDIST", "[]"),
        (
            "GEORADIUS g 15 37 200 km WITHDIST ASC COUNT 1",
            r#"[["Catania", "56.4413"]]"#,
        ),
        ("GEORADIUS_RO g 15 37 100 km", r#"["Catania"]"#),
        (
            "GEORADIUSBYMEMBER g Agrigento 100 km DESC",
            r#"["Palermo", "Agrigento"]"#,
        ),
        (
            "GEORADIUSBYMEMBER_RO g Agrigento 100 km ASC",
            r#"["Agrigento", "Palermo"]"#,
        ),
        ("GEORADIUSBYMEMBER none a x y", "[]"),
        ("GEORADIUSBYMEMBER none a x y STORE d", ":0"),
    ]);
}

#[test]
fn boxes_are_searched() {
    check_index(&[
        (
            "GEOSEARCH g FROMLONLAT 15 37 BYBOX 400 400 km ASC WITHDIST",
            r#"[["Catania", "56.4413"], ["Agrigento", "130.4235"], ["Palermo", "190.4424"], ["edge2", "279.7403"], ["edge1", "279.7405"]]"#,
        ),
        (
            "GEOSEARCH g FROMMEMBER Palermo BYBOX 50 300 km ASC",
            r#"["Palermo", "Agrigento"]"#,
        ),
        (
            "GEOSEARCH g FROMMEMBER Palermo BYBOX 0 0 m BYBOX 1 1 m",
            r#"["Palermo"]"#,
        ),
        ("GEOADD date 179.9 10 east -179.9 10 west 0 10 far", ":3"),
        (
            "GEOSEARCH date FROMLONLAT 179.95 10 BYBOX 100 100 km ASC",
            r#"["east", "west"]"#,
        ),
    ]);
}

#[test]
fn results_are_stored() {
    check_index(&[
        (
            "GEOSEARCHSTORE d g FROMLONLAT 15 37 BYRADIUS 200 km ASC COUNT 2",
            ":2",
        ),
        (
            "ZRANGE d 0 -1 WITHSCORES",
            r#"["Agrigento", "3479030013248308", "Catania", "3479447370796909"] // [["Agrigento", ,3479030013248308], ["Catania", ,3479447370796909]]"#,
        ),
        (
            "GEOSEARCHSTORE d g FROMMEMBER Catania BYBOX 10 10 m STOREDIST",
            ":1",
        ),
        (
            "ZRANGE d 0 -1 WITHSCORES",
            r#"["Catania", "0"] // [["Catania", ,0]]"#,
        ),
        ("GEORADIUS g 15 37 200 km STORE d", ":3"),
        ("ZRANGE d 0 -1", r#"["Agrigento", "Palermo", "Catania"]"#),
        ("GEORADIUS g 15 37 200 km STORE d STOREDIST e", ":3"),
        ("ZRANGE e 0 -1", r#"["Catania", "Agrigento", "Palermo"]"#),
        ("GEORADIUSBYMEMBER g Palermo 1 m STORE g", ":1"),
        ("ZRANGE g 0 -1", r#"["Palermo"]"#),
        ("GEORADIUS g 0 0 1 m STORE e", ":0"),
        ("EXISTS e", ":0"),
        ("GEOSEARCHSTORE d none FROMMEMBER a BYRADIUS 1 m", ":0"),
        ("EXISTS d", ":0"),
        ("SET d text", "+OK"),
        ("GEORADIUSBYMEMBER g Palermo 1 m STOREDIST d", ":1"),
        ("TYPE d", "+zset"),
    ]);
}

#[test]
fn searches_that_make_no_sense_are_refused() {
    const UNIT: &str = "-ERR unsupported unit provided. please use M, KM, FT, MI";
    check_index(&[
        ("GEORADIUS g 1 1 x km", "-ERR need numeric radius"),
        ("GEORADIUS g 1 1 -1 km", "-ERR radius cannot be negative"),
        ("GEORADIUS g 1 1 1 miles", UNIT),
        ("GEORADIUS g 1 1 1 km COUNT 0", "-ERR COUNT must be > 0"),
        (
            "GEORADIUS g 1 1 1 km COUNT x",
            "-ERR value is not an integer or out of range",
        ),
        ("GEORADIUS g 1 1 1 km COUNT", SYNTAX),
        ("GEORADIUS g 1 1 1 km ANY", ANY),
        ("GEORADIUS g 1 1 1 km STORE", SYNTAX),
        ("GEORADIUS g 1 1 1 km BYBOX 1 1 m", SYNTAX),
        ("GEORADIUS_RO g 1 1 1 km STORE d", SYNTAX),
        ("GEORADIUSBYMEMBER g none 1 km", NO_MEMBER),
        ("GEORADIUSBYMEMBER_RO g Palermo 1 km STOREDIST d", SYNTAX),
        (
            "GEORADIUS g 1 1 1 km WITHDIST STORE d",
            "-ERR STORE option in GEORADIUS is not compatible with WITHDIST, WITHHASH and WITHCOORD options",
        ),
        (
            "GEOSEARCHSTORE d g FROMLONLAT 1 1 BYRADIUS 1 m WITHHASH",
            "-ERR GEOSEARCHSTORE is not compatible with WITHDIST, WITHHASH and WITHCOORD options",
        ),
    ]);
}

#[test]
fn places_that_are_not_named_once_are_refused() {
    check_index(&[
        ("GEOSEARCH g FROMLONLAT 1 1 BYRADIUS 1 m STOREDIST", SYNTAX),
        (
            "GEOSEARCH g FROMLONLAT 1 1 FROMMEMBER Palermo BYRADIUS 1 m",
            SYNTAX,
        ),
        (
            "GEOSEARCH g FROMMEMBER Palermo BYRADIUS 1 m BYBOX 1 1 m",
            SYNTAX,
        ),
        ("GEOSEARCH g FROMMEMBER Palermo BYBOX 1 1", SYNTAX),
        (
            "GEOSEARCH g BYRADIUS 1 m ASC ASC",
            "-ERR exactly one of FROMMEMBER or FROMLONLAT can be specified for GEOSEARCH",
        ),
        (
            "geosearch g FROMLONLAT 1 1 ASC ASC",
            "-ERR exactly one of BYRADIUS and BYBOX can be specified for geosearch",
        ),
        ("GEOSEARCH g FROMMEMBER none BYRADIUS 1 m", NO_MEMBER),
        ("GEOSEARCH g FROMMEMBER Palermo BYRADIUS 1 m ANY", ANY),
        (
            "GEOSEARCH g FROMMEMBER Palermo BYBOX x 1 m",
            "-ERR need numeric width",
        ),
        (
            "GEOSEARCH g FROMMEMBER Palermo BYBOX 1 x m",
            "-ERR need numeric height",
        ),
        (
            "GEOSEARCH g FROMMEMBER Palermo BYBOX 1 -1 m",
            "-ERR height or width cannot be negative",
        ),
        ("SET t text", "+OK"),
        (
            "GEORADIUS t x y z",
            "-ERR wrong number of arguments for 'georadius' command",
        ),
        (
            "GEORADIUS t x y z a",
            "-WRONGTYPE Operation against a key holding the wrong kind of value",
        ),
        (
            "COMMAND GETKEYS GEORADIUS g 1 1 1 km STORE d",
            r#"["g", "d"]"#,
        ),
        (
            "COMMAND GETKEYS GEORADIUSBYMEMBER g m 1 km STOREDIST d",
            r#"["g", "d"]"#,
        ),
    ]);
}

/// The haversine distance, written down anew.
fn distance_km(one: (f64, f64), other: (f64, f64)) -> f64 {
    let [(x1, y1), (x2, y2)] = [one, other].map(|(x, y)| (x.to_radians(), y.to_radians()));
    let (u, v) = (((y2 - y1) / 2.0).sin(), ((x2 - x1) / 2.0).sin());
    2.0 * 6_372.797_560_856 * (u * u + y1.cos() * y2.cos() * v * v).sqrt().asin()
}

#[test]
fn searches_find_what_going_through_all_finds() {
    let server = Server::start(&[]);
    let mut connection = server.connect();
    let mut rng = fastrand::Rng::with_seed(4);
    let mut draw = |limit: f64| (rng.f64() * 2.0 - 1.0) * limit;
    let places: Vec<(f64, f64)> = (0..3000).map(|_| (draw(170.0), draw(70.0))).collect();
    let mut words = vec!["GEOADD".to_owned(), "g".to_owned()];
    for (index, (longitude, latitude)) in places.iter().enumerate() {
        words.extend([
            longitude.to_string(),
            latitude.to_string(),
            index.to_string(),
        ]);
    }
    assert_eq!(connection.command(&words), Reply::Integer(3000));
    for radius_km in [1.0, 30.0, 200.0, 900.0, 2500.0] {
        let centre = (draw(100.0), draw(50.0));
        let line = format!(
            "GEOSEARCH g FROMLONLAT {} {} BYRADIUS {radius_km} km",
            centre.0, centre.1
        );
        let Reply::Array(found) = connection.run(&line) else {
            panic!("{line} answers an array");
        };
        let mut found: Vec<String> = found.iter().map(Reply::to_string).collect();
        let mut want: Vec<String> = (0..places.len())
            .filter(|&index| distance_km(centre, places[index]) <= radius_km)
            .map(|index| format!("\"{index}\""))
            .collect();
        found.sort();
        want.sort();
        assert_eq!(found, want, "{line}");
    }
}
