//! What arguments are filled with, by type and name: where the grammar says no more than "string", the commands want
//! scores, stream ids, ranges, names of few keys, so that something happens between them.
//!
//! An argument that the table of [`by_name`] does not know gets a value of its type. What a new command needs goes
//! there.

use fastrand::Rng;

use crate::grammar::{Arg, Kind};

/// A moment that does not come while this test is used, in seconds: 2099.
const FUTURE_S: &str = "4070908800";
const FUTURE_MS: &str = "4070908800000";

/// The keys, by the group of commands that prefer them. There are few, so that commands meet.
const KEYS: &[(&str, &[&str])] = &[
    ("string", &["str1", "str2", "str3"]),
    ("bitmap", &["bit1", "bit2", "str1"]),
    ("hyperloglog", &["hll1", "hll2", "hll3"]),
    ("list", &["list1", "list2", "list3"]),
    ("set", &["set1", "set2", "set3"]),
    ("hash", &["hash1", "hash2"]),
    ("sorted-set", &["zset1", "zset2", "zset3", "set1"]),
    ("geo", &["geo1", "geo2"]),
    ("stream", &["xs1", "xs2"]),
];

/// Sorted sets whose scores are all 0; see `known`.
const LEX_KEYS: &[&str] = &["lex1", "lex1", "lex2"];

const SMALL: &[&str] = &[
    "0", "1", "2", "3", "5", "-1", "-2", "-3", "10", "100", "-100",
];
const COUNTS: &[&str] = &["1", "2", "3", "5", "10", "100", "0", "-1", "-3"];
const CARDINALS: &[&str] = &["0", "1", "2", "3", "5", "10", "100", "-1"];
const STEPS: &[&str] = &[
    "1",
    "-1",
    "2",
    "10",
    "-7",
    "100",
    "0",
    "9223372036854775807",
    "-9223372036854775808",
    "9223372036854775800",
];
const NUMBERS: &[&str] = &[
    "1",
    "2",
    "3",
    "10",
    "-5",
    "0",
    "255",
    "256",
    "-129",
    "32768",
    "100000",
    "2147483648",
    "9223372036854775807",
    "-9223372036854775808",
    "9223372036854775808",
    "007",
    "+3",
    "-0",
    " 4",
];
const DOUBLES: &[&str] = &[
    "0",
    "1",
    "2",
    "3",
    "-1",
    "1.5",
    "-2.25",
    "0.1",
    "3.0",
    "1e3",
    "1e-7",
    "1e21",
    "17179869184",
    "-0",
    "0.30000000000000004",
    "123456789.125",
    "9007199254740993",
    "5e-324",
    "1.7976931348623157e308",
];
const SCORES: &[&str] = &[
    "0", "1", "2", "3", "4", "5", "-1", "1.5", "2.5", "-0.5", "0.1", "1e10", "inf", "-inf", "+inf",
    "3.14159", "1e-5", "100", "-0",
];
const BOUNDS: &[&str] = &[
    "-inf", "+inf", "0", "1", "2", "3", "(1", "(2", "(3", "5", "(5", "1.5", "(1.5", "inf", "(-inf",
    "-1", "100",
];
const LEX_BOUNDS: &[&str] = &[
    "-", "+", "[a", "[b", "(b", "[m1", "(m1", "[m3", "(m5", "[", "(", "[zz",
];
const MEMBERS: &[&str] = &[
    "a", "b", "c", "m1", "m2", "m3", "m4", "m5", "m6", "m7", "m8", "m9",
];
const FIELDS: &[&str] = &["f1", "f2", "f3", "f4", "f5", "f6", "f7", "1", "2", ""];
const PATTERNS: &[&str] = &[
    "*",
    "m*",
    "f?",
    "s*",
    "*1",
    "[a-c]",
    "[^a]*",
    "k",
    "",
    "*[0-9]",
    "str?",
    "\\*",
    "[sx]*[12]",
    "h??l*",
];
const SORT_PATTERNS: &[&str] = &[
    "*",
    "nosort",
    "str*",
    "hash*->f1",
    "hash1->*",
    "#",
    "list*",
    "*->",
    "f*",
];
const TYPES: &[&str] = &[
    "string", "list", "set", "hash", "zset", "stream", "STRING", "none",
];
const BIT_OPERATIONS: &[&str] = &["AND", "OR", "XOR", "NOT", "and", "not"];
const INTEGER_TYPES: &[&str] = &[
    "u1", "u2", "u4", "u8", "u16", "u32", "u63", "i1", "i2", "i5", "i8", "i16", "i32", "i64",
    "u64", "i65", "i0", "8", "u08",
];
const BIT_OFFSETS: &[&str] = &[
    "0", "1", "2", "3", "7", "8", "9", "15", "16", "31", "63", "64", "100", "200", "-1",
];
const FIELD_OFFSETS: &[&str] = &[
    "0", "1", "4", "7", "8", "13", "64", "100", "#0", "#1", "#2", "#5", "-1", "#-1",
];
const BYTE_OFFSETS: &[&str] = &["0", "1", "2", "3", "5", "8", "20", "40", "-1"];
const INDEXES: &[&str] = &[
    "0", "1", "2", "3", "4", "-1", "-2", "-3", "-4", "5", "7", "100", "-100", "-5",
];
const DATABASES: &[&str] = &["0", "0", "0", "1", "2", "15", "16", "-1"];
const SECONDS: &[&str] = &[
    "100",
    "1000",
    "100000",
    "5000",
    "0",
    "-1",
    "9223372036854775807",
    "9223372036854775",
];
const MILLISECONDS: &[&str] = &[
    "100000",
    "1000000",
    "5000000",
    "0",
    "-1",
    "9223372036854775807",
];
const MOMENTS_S: &[&str] = &[
    FUTURE_S,
    FUTURE_S,
    "4070908900",
    "1",
    "0",
    "-1",
    "9223372036854775807",
];
const MOMENTS_MS: &[&str] = &[
    FUTURE_MS,
    FUTURE_MS,
    "4070908900123",
    "1",
    "0",
    "-1",
    "9223372036854775807",
];
const IDLE_TIMES: &[&str] = &["0", "0", "0", "100000000", "-1"];
const DISTANCES: &[&str] = &[
    "0", "1", "100", "500", "2000", "20000", "1.5", "166.2742", "1e7", "-1",
];
const LONGITUDES: &[&str] = &[
    "13.361389",
    "15.087269",
    "0",
    "-122.4",
    "179.99",
    "-180",
    "2.35",
    "12.5",
    "181",
    "-0.00001",
];
const LATITUDES: &[&str] = &[
    "38.115556",
    "37.502669",
    "0",
    "37.8",
    "-85.05",
    "85.05",
    "48.86",
    "41.9",
    "86",
    "0.00001",
];
const GROUPS: &[&str] = &["g1", "g1", "g1", "g2"];
const CONSUMERS: &[&str] = &["c1", "c1", "c2", "c3"];
const BITS: &[&str] = &["0", "1", "1", "2", "-1"];

/// How the range of a sorted set is bounded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Range {
    Index,
    Score,
    Lex,
}

/// Where an argument stands.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Place<'a> {
    /// The name of the command, in capitals.
    pub(crate) command: &'a str,
    /// The group of the command.
    pub(crate) group: &'a str,
    /// What the bounds of this command are.
    pub(crate) range: Range,
    /// The first part of the ids that were last given to a stream.
    pub(crate) clock: u64,
}

/// A value for this argument.
pub(crate) fn value(rng: &mut Rng, place: Place<'_>, arg: &Arg) -> Vec<u8> {
    if arg.kind == Kind::Key {
        if place.group == "sorted-set" && place.range == Range::Lex {
            return one(rng, LEX_KEYS);
        }
        return key(rng, place.group);
    }
    if let Some(value) = by_name(rng, place, arg) {
        return value;
    }
    match arg.kind {
        Kind::Integer => one(rng, SMALL),
        Kind::Double => one(rng, DOUBLES),
        Kind::UnixTime => one(rng, MOMENTS_S),
        Kind::Pattern if place.command.starts_with("SORT") => one(rng, SORT_PATTERNS),
        Kind::Pattern => one(rng, PATTERNS),
        _ => text(rng),
    }
}

/// A key, most often one that commands of this group prefer.
pub(crate) fn key(rng: &mut Rng, group: &str) -> Vec<u8> {
    let own = KEYS.iter().find(|(name, _)| *name == group);
    match own {
        Some((_, keys)) if rng.u8(..100) < 88 => one(rng, keys),
        _ => {
            let (_, keys) = KEYS[rng.usize(..KEYS.len())];
            one(rng, keys)
        }
    }
}

/// A value of no use to most commands, or at a limit of what they take.
pub(crate) fn junk(rng: &mut Rng) -> Vec<u8> {
    const JUNK: &[&str] = &[
        "",
        "abc",
        "-1",
        "0",
        "1.5",
        "nan",
        "-nan",
        "inf",
        "9223372036854775807",
        "9223372036854775808",
        "-9223372036854775808",
        "1 ",
        "0x10",
        "1e400",
        "(",
        "*",
        "COUNT",
        "LIMIT",
        "WITHSCORES",
        "GET",
        "NX",
        "STORE",
        "é",
    ];
    one(rng, JUNK)
}

/// Any text: short and long, numbers, bytes that are no text.
fn text(rng: &mut Rng) -> Vec<u8> {
    match rng.u8(..12) {
        0..=4 => one(rng, MEMBERS),
        5..=7 => rng.i32(-20..=40).to_string().into_bytes(),
        8 => one(rng, NUMBERS),
        9 => one(rng, DOUBLES),
        10 => {
            let length = [0, 1, 11, 12, 13, 44, 45, 63, 64, 65, 90][rng.usize(..11)];
            (0..length).map(|_| rng.u8(b'a'..=b'd')).collect()
        }
        _ => (0..rng.usize(..6)).map(|_| rng.u8(..)).collect(),
    }
}

fn by_name(rng: &mut Rng, place: Place<'_>, arg: &Arg) -> Option<Vec<u8>> {
    let stream = place.group == "stream";
    let list: &[&str] = match arg.name.as_str() {
        "start" | "end" if stream => return Some(stream_bound(rng, place)),
        "id" | "last-id" | "max_deleted_entry_id" => return Some(stream_id(rng, place)),
        "threshold" if rng.bool() => return Some(stream_id(rng, place)),
        "threshold" | "limit" | "len" | "num-matches" => CARDINALS,
        "start" | "stop" | "min" | "max" if place.group == "sorted-set" => bounds(place.range),
        "start" | "stop" | "end" | "index" if place.command != "SELECT" => INDEXES,
        "index" | "index1" | "index2" | "db" | "destination-db" => DATABASES,
        "count" => COUNTS,
        "cursor" => &["0", "0", "0", "0", "7"],
        "seconds" => SECONDS,
        "milliseconds" => MILLISECONDS,
        "unix-time-milliseconds" => MOMENTS_MS,
        "min-idle-time" | "ms" => IDLE_TIMES,
        "offset" if place.command == "SETRANGE" => BYTE_OFFSETS,
        "offset" if place.command.ends_with("BIT") => BIT_OFFSETS,
        "offset" if place.command.starts_with("BITFIELD") => FIELD_OFFSETS,
        "value" if place.command == "SETBIT" => BITS,
        "bit" => BITS,
        "encoding" => INTEGER_TYPES,
        "operation" => BIT_OPERATIONS,
        "increment" | "decrement" if arg.kind == Kind::Integer && rng.bool() => STEPS,
        "score" if place.range == Range::Lex => &["0"],
        "score" => SCORES,
        "longitude" => LONGITUDES,
        "latitude" => LATITUDES,
        "radius" | "width" | "height" => DISTANCES,
        "type" => TYPES,
        "field" if !stream && rng.u8(..10) > 0 => FIELDS,
        "member" | "member1" | "member2" if place.group == "geo" => &MEMBERS[..6],
        "group" | "groupname" => GROUPS,
        "consumer" | "consumername" => CONSUMERS,
        _ => return None,
    };
    Some(one(rng, list))
}

fn bounds(range: Range) -> &'static [&'static str] {
    match range {
        Range::Index => INDEXES,
        Range::Score => BOUNDS,
        Range::Lex => LEX_BOUNDS,
    }
}

fn stream_bound(rng: &mut Rng, place: Place<'_>) -> Vec<u8> {
    match rng.u8(..6) {
        0 | 1 => b"-".to_vec(),
        2 | 3 => b"+".to_vec(),
        4 => [b"(".to_vec(), stream_id(rng, place)].concat(),
        _ => stream_id(rng, place),
    }
}

/// An id of a stream: new ones for XADD most often, elsewhere those that may be there.
fn stream_id(rng: &mut Rng, place: Place<'_>) -> Vec<u8> {
    let clock = place.clock;
    let ahead = place.command == "XADD" && rng.u8(..10) > 0;
    let known = if ahead { clock } else { rng.u64(..=clock) };
    let reading = place.command.starts_with("XREAD") || place.command.starts_with("XGROUP");
    match rng.u8(..12) {
        0 => format!("{known}"),
        1 if ahead => format!("{known}-*"),
        1 => "0-0".to_owned(),
        2 | 3 if reading => "$".to_owned(),
        4..=7 if place.command == "XREADGROUP" => ">".to_owned(),
        4..=6 if reading => "0".to_owned(),
        _ => format!("{known}-{}", rng.u8(..3)),
    }
    .into_bytes()
}

fn one(rng: &mut Rng, list: &[&str]) -> Vec<u8> {
    list[rng.usize(..list.len())].as_bytes().to_vec()
}
