//! The list family over the wire: each command in RESP2 and RESP3, in both encodings, and long random sequences of
//! commands against a model.
//!
//! The tables' replies are those of Redis 7.0.15; `TEST_SERVER=/path/to/redis-server` runs them against it.

mod common;

use std::collections::{HashMap, VecDeque};

use common::{Connection, Reply, Server, check_fresh, encode};

/// Arguments under which lists of more than three elements are trees of many chunks.
const TINY_CHUNKS: &[&str] = &["--list-max-listpack-size", "3"];
/// Arguments for the limits under which the tables run: the default, a small number of elements, a size in bytes.
const LIMITS: &[&[&str]] = &[&[], TINY_CHUNKS, &["--list-max-listpack-size", "-1"]];

/// Runs a table in both encodings and both protocols.
#[track_caller]
fn check_lists(table: &[(&str, &str)]) {
    for args in LIMITS {
        check_fresh(args, table);
    }
}

#[test]
fn pushes_put_elements_at_the_ends() {
    check_lists(&[
        ("LPUSH l a", ":1"),
        ("LPUSH l b c", ":3"),
        ("RPUSH l 1 2 3", ":6"),
        ("LRANGE l 0 -1", r#"["c", "b", "a", "1", "2", "3"]"#),
        ("RPUSH l \"\"", ":7"),
        ("RPUSH l \"\\x00\\xff\\r\\n\"", ":8"),
        ("LRANGE l -3 -1", r#"["3", "", "\x00\xff\r\n"]"#),
        ("LPUSHX l x y", ":10"),
        ("RPUSHX l z", ":11"),
        ("LRANGE l 0 2", r#"["y", "x", "c"]"#),
        ("LINDEX l -1", r#""z""#),
        ("LPUSHX none x", ":0"),
        ("RPUSHX none x y", ":0"),
        ("LLEN none", ":0"),
    ]);
}

#[test]
fn numbers_come_back_as_they_were_written() {
    check_lists(&[
        (
            "RPUSH l 0 -1 127 128 4096 -4097 32768 8388608 2147483648 9223372036854775807 -9223372036854775808",
            ":11",
        ),
        ("RPUSH l 007 -0 +1 1.0 9223372036854775808 \" 1\"", ":17"),
        (
            "LRANGE l 0 -1",
            r#"["0", "-1", "127", "128", "4096", "-4097", "32768", "8388608", "2147483648", "9223372036854775807", "-9223372036854775808", "007", "-0", "+1", "1.0", "9223372036854775808", " 1"]"#,
        ),
        ("LPOP l", r#""0""#),
        ("LPOS l 7", "$-1"),
        ("LPOS l 007", ":10"),
        ("LPOS l 4096", ":3"),
        ("LREM l 0 1", ":0"),
        ("RPOP l", r#"" 1""#),
    ]);
}

#[test]
fn pops_take_from_the_ends_and_remove_what_is_empty() {
    check_lists(&[
        ("RPUSH l a b c d e f g", ":7"),
        ("LPOP l", r#""a""#),
        ("RPOP l", r#""g""#),
        ("LPOP l 2", r#"["b", "c"]"#),
        ("RPOP l 2", r#"["f", "e"]"#),
        ("LPOP l 0", "[]"),
        ("RPOP l 0", "[]"),
        ("LLEN l", ":1"),
        ("LPOP l 100", r#"["d"]"#),
        ("LLEN l", ":0"),
        ("LPUSHX l x", ":0"),
        ("LPOP l", "$-1"),
        ("RPOP l", "$-1"),
        ("LPOP l 1", "*-1"),
        ("RPOP l 0", "*-1"),
        ("RPUSH l a", ":1"),
        ("RPOP l", r#""a""#),
        ("RPUSHX l x", ":0"),
        ("RPUSH l a b c d e f g h", ":8"),
        (
            "RPOP l 9223372036854775807",
            r#"["h", "g", "f", "e", "d", "c", "b", "a"]"#,
        ),
        ("LRANGE l 0 -1", "[]"),
    ]);
}

#[test]
fn pops_refuse_bad_counts() {
    const BAD: &str = "-ERR value is out of range, must be positive";
    check_lists(&[
        ("LPOP l -1", BAD),
        ("RPUSH l a b", ":2"),
        ("LPOP l -1", BAD),
        ("RPOP l x", BAD),
        ("LPOP l 1.5", BAD),
        ("RPOP l 9223372036854775808", BAD),
        (
            "LPOP l 1 2",
            "-ERR wrong number of arguments for 'lpop' command",
        ),
        (
            "RPOP l 1 2",
            "-ERR wrong number of arguments for 'rpop' command",
        ),
        ("LPOP", "-ERR wrong number of arguments for 'lpop' command"),
        ("LRANGE l 0 -1", r#"["a", "b"]"#),
    ]);
}

#[test]
fn indexes_and_ranges_count_from_both_ends() {
    check_lists(&[
        ("RPUSH l 0 1 2 3 4 5 6 7 8 9", ":10"),
        ("LLEN l", ":10"),
        ("LINDEX l 0", r#""0""#),
        ("LINDEX l 9", r#""9""#),
        ("LINDEX l -1", r#""9""#),
        ("LINDEX l -10", r#""0""#),
        ("LINDEX l 10", "$-1"),
        ("LINDEX l -11", "$-1"),
        ("LINDEX l -9223372036854775808", "$-1"),
        ("LINDEX l 9223372036854775807", "$-1"),
        ("LRANGE l 1 3", r#"["1", "2", "3"]"#),
        ("LRANGE l -3 -2", r#"["7", "8"]"#),
        ("LRANGE l 8 100", r#"["8", "9"]"#),
        ("LRANGE l -100 1", r#"["0", "1"]"#),
        ("LRANGE l 3 2", "[]"),
        ("LRANGE l 10 12", "[]"),
        ("LRANGE l 0 -11", "[]"),
        ("LRANGE l -1 -2", "[]"),
        ("LRANGE l 9223372036854775807 -1", "[]"),
        ("LRANGE l -9223372036854775808 0", r#"["0"]"#),
        ("LRANGE none 0 -1", "[]"),
        ("LINDEX none 0", "$-1"),
    ]);
}

#[test]
fn reads_refuse_bad_indexes() {
    const NO_INTEGER: &str = "-ERR value is not an integer or out of range";
    check_lists(&[
        ("LRANGE none a b", NO_INTEGER),
        ("LRANGE none 0 1.5", NO_INTEGER),
        ("LINDEX none x", "$-1"),
        ("RPUSH l a", ":1"),
        ("LINDEX l x", NO_INTEGER),
        ("LINDEX l 01", NO_INTEGER),
        ("LRANGE l 0 9223372036854775808", NO_INTEGER),
    ]);
}

#[test]
fn lset_replaces_an_element() {
    check_lists(&[
        ("LSET none 0 x", "-ERR no such key"),
        ("LSET none x x", "-ERR no such key"),
        ("RPUSH l a b c d e", ":5"),
        ("LSET l 0 A", "+OK"),
        ("LSET l -1 12345678", "+OK"),
        ("LSET l 2 \"\"", "+OK"),
        ("LRANGE l 0 -1", r#"["A", "b", "", "d", "12345678"]"#),
        ("LSET l 5 x", "-ERR index out of range"),
        ("LSET l -6 x", "-ERR index out of range"),
        ("LSET l x x", "-ERR value is not an integer or out of range"),
        ("LRANGE l 0 -1", r#"["A", "b", "", "d", "12345678"]"#),
    ]);
}

#[test]
fn linsert_puts_an_element_beside_another() {
    check_lists(&[
        ("LINSERT none BEFORE a x", ":0"),
        ("RPUSH l a b c d a", ":5"),
        ("LINSERT l before a x", ":6"),
        ("LINSERT l AFTER d 12", ":7"),
        ("LINSERT l AFTER a y", ":8"),
        ("LINSERT l BEFORE none x", ":-1"),
        (
            "LRANGE l 0 -1",
            r#"["x", "a", "y", "b", "c", "d", "12", "a"]"#,
        ),
        ("LINSERT l AFTER 12 13", ":9"),
        ("LINSERT l BESIDE a x", "-ERR syntax error"),
        ("LINSERT none BESIDE a x", "-ERR syntax error"),
        ("LLEN l", ":9"),
    ]);
}

#[test]
fn lrem_removes_equal_elements() {
    check_lists(&[
        ("LREM none 0 a", ":0"),
        ("RPUSH l a b a 1 a b 1 a", ":8"),
        ("LREM l 1 a", ":1"),
        ("LREM l -1 a", ":1"),
        ("LRANGE l 0 -1", r#"["b", "a", "1", "a", "b", "1"]"#),
        ("LREM l 0 1", ":2"),
        ("LREM l 5 x", ":0"),
        ("LREM l -2 b", ":2"),
        ("LREM l x b", "-ERR value is not an integer or out of range"),
        (
            "LREM none x b",
            "-ERR value is not an integer or out of range",
        ),
        ("LRANGE l 0 -1", r#"["a", "a"]"#),
        ("LREM l -9223372036854775808 a", ":2"),
        ("LPUSHX l x", ":0"),
    ]);
}

#[test]
fn ltrim_keeps_a_range() {
    check_lists(&[
        ("LTRIM none 0 1", "+OK"),
        (
            "LTRIM none x 1",
            "-ERR value is not an integer or out of range",
        ),
        ("RPUSH l 0 1 2 3 4 5 6 7 8 9", ":10"),
        ("LTRIM l 1 -2", "+OK"),
        ("LTRIM l 0 100", "+OK"),
        ("LTRIM l -100 5", "+OK"),
        ("LRANGE l 0 -1", r#"["1", "2", "3", "4", "5", "6"]"#),
        (
            "LTRIM l 0 x",
            "-ERR value is not an integer or out of range",
        ),
        ("LTRIM l 2 3", "+OK"),
        ("LRANGE l 0 -1", r#"["3", "4"]"#),
        ("LTRIM l 2 1", "+OK"),
        ("LPUSHX l x", ":0"),
        ("RPUSH l a b", ":2"),
        ("LTRIM l 5 9", "+OK"),
        ("LPUSHX l x", ":0"),
    ]);
}

#[test]
fn lpos_finds_matches_by_rank_and_count() {
    check_lists(&[
        ("RPUSH l a b c 1 2 3 c c", ":8"),
        ("LPOS l a", ":0"),
        ("LPOS l c", ":2"),
        ("LPOS l 3", ":5"),
        ("LPOS l x", "$-1"),
        ("LPOS l c RANK 1", ":2"),
        ("LPOS l c RANK 2", ":6"),
        ("LPOS l c rank 4", "$-1"),
        ("LPOS l c RANK -1", ":7"),
        ("LPOS l c RANK -2", ":6"),
        ("LPOS l c COUNT 0", "[:2, :6, :7]"),
        ("LPOS l c COUNT 1", "[:2]"),
        ("LPOS l c COUNT 2", "[:2, :6]"),
        ("LPOS l c COUNT 100 RANK 2", "[:6, :7]"),
        ("LPOS l c COUNT 0 RANK -1", "[:7, :6, :2]"),
        ("LPOS l c COUNT 2 RANK -2", "[:6, :2]"),
        ("LPOS l x COUNT 0", "[]"),
        ("LPOS l c MAXLEN 2", "$-1"),
        ("LPOS l c MAXLEN 3", ":2"),
        ("LPOS l c COUNT 0 MAXLEN 7", "[:2, :6]"),
        ("LPOS l c COUNT 0 MAXLEN 7 RANK -1", "[:7, :6, :2]"),
        ("LPOS l a RANK -1 MAXLEN 7", "$-1"),
        ("LPOS l c COUNT 0 MAXLEN 0", "[:2, :6, :7]"),
        ("LPOS l c RANK 9223372036854775807", "$-1"),
        ("LPOS none a", "$-1"),
        ("LPOS none a COUNT 0", "[]"),
    ]);
}

#[test]
fn lpos_refuses_bad_options() {
    const ZERO: &str = "-ERR RANK can't be zero: use 1 to start from the first match, 2 from the second ... \
                        or use negative to start from the end of the list";
    check_lists(&[
        ("RPUSH l a", ":1"),
        ("LPOS l a RANK 0", ZERO),
        ("LPOS none a RANK 0", ZERO),
        (
            "LPOS l a RANK x",
            "-ERR value is not an integer or out of range",
        ),
        ("LPOS l a COUNT -1", "-ERR COUNT can't be negative"),
        ("LPOS l a COUNT x", "-ERR COUNT can't be negative"),
        ("LPOS l a MAXLEN -1", "-ERR MAXLEN can't be negative"),
        ("LPOS l a MAXLEN 1.5", "-ERR MAXLEN can't be negative"),
        ("LPOS l a RANK", "-ERR syntax error"),
        ("LPOS l a COUNT 1 MAXLEN", "-ERR syntax error"),
        ("LPOS l a FIRST 1", "-ERR syntax error"),
    ]);
}

#[test]
fn lmove_moves_between_ends() {
    check_lists(&[
        ("RPUSH a 1 2 3 4 5", ":5"),
        ("LMOVE a b LEFT RIGHT", r#""1""#),
        ("LMOVE a b left left", r#""2""#),
        ("LMOVE a b RIGHT LEFT", r#""5""#),
        ("LMOVE a b RIGHT RIGHT", r#""4""#),
        ("LRANGE a 0 -1", r#"["3"]"#),
        ("LRANGE b 0 -1", r#"["5", "2", "1", "4"]"#),
        ("RPOPLPUSH a b", r#""3""#),
        ("LPUSHX a x", ":0"),
        ("RPOPLPUSH a b", "$-1"),
        ("LMOVE a b LEFT LEFT", "$-1"),
        ("LMOVE a b LEFT DOWN", "-ERR syntax error"),
        ("LMOVE b a UP LEFT", "-ERR syntax error"),
        ("LRANGE b 0 -1", r#"["3", "5", "2", "1", "4"]"#),
    ]);
}

#[test]
fn lmove_within_a_list_rotates_it() {
    check_lists(&[
        ("RPUSH l a b c d 5", ":5"),
        ("LMOVE l l LEFT RIGHT", r#""a""#),
        ("LRANGE l 0 -1", r#"["b", "c", "d", "5", "a"]"#),
        ("LMOVE l l RIGHT LEFT", r#""a""#),
        ("RPOPLPUSH l l", r#""5""#),
        ("LRANGE l 0 -1", r#"["5", "a", "b", "c", "d"]"#),
        ("LMOVE l l LEFT LEFT", r#""5""#),
        ("LMOVE l l RIGHT RIGHT", r#""d""#),
        ("LRANGE l 0 -1", r#"["5", "a", "b", "c", "d"]"#),
        ("RPUSH one x", ":1"),
        ("RPOPLPUSH one one", r#""x""#),
        ("LMOVE one one LEFT RIGHT", r#""x""#),
        ("LRANGE one 0 -1", r#"["x"]"#),
    ]);
}

#[test]
fn lmpop_takes_from_the_first_list_that_is_there() {
    check_lists(&[
        ("LMPOP 1 none LEFT", "*-1"),
        ("LMPOP 2 none nothing RIGHT COUNT 2", "*-1"),
        ("RPUSH a 1 2 3 4 5", ":5"),
        ("RPUSH b x y", ":2"),
        ("LMPOP 1 a LEFT", r#"["a", ["1"]]"#),
        ("LMPOP 1 a right count 2", r#"["a", ["5", "4"]]"#),
        ("LMPOP 3 none b a LEFT COUNT 100", r#"["b", ["x", "y"]]"#),
        ("LPUSHX b x", ":0"),
        ("LMPOP 3 none b a RIGHT", r#"["a", ["3"]]"#),
        ("LMPOP 2 b a LEFT COUNT 1", r#"["a", ["2"]]"#),
        ("LMPOP 2 b a LEFT COUNT 1", "*-1"),
    ]);
}

#[test]
fn lmpop_refuses_bad_arguments() {
    const NUMKEYS: &str = "-ERR numkeys should be greater than 0";
    const COUNT: &str = "-ERR count should be greater than 0";
    check_lists(&[
        ("RPUSH a 1 2", ":2"),
        ("LMPOP 0 a LEFT", NUMKEYS),
        ("LMPOP -1 a LEFT", NUMKEYS),
        ("LMPOP x a LEFT", NUMKEYS),
        ("LMPOP 2 a LEFT", "-ERR syntax error"),
        ("LMPOP 3 a LEFT", "-ERR syntax error"),
        ("LMPOP 1000 a LEFT", "-ERR syntax error"),
        ("LMPOP 1 a UP", "-ERR syntax error"),
        ("LMPOP 1 a LEFT COUNT", "-ERR syntax error"),
        ("LMPOP 1 a LEFT COUNT 0", COUNT),
        ("LMPOP 1 a LEFT COUNT -1", COUNT),
        ("LMPOP 1 a LEFT COUNT x", COUNT),
        ("LMPOP 1 a LEFT COUNT 1 COUNT 1", "-ERR syntax error"),
        ("LMPOP 1 a LEFT 1", "-ERR syntax error"),
        (
            "LMPOP 1 a",
            "-ERR wrong number of arguments for 'lmpop' command",
        ),
        ("LRANGE a 0 -1", r#"["1", "2"]"#),
    ]);
}

#[test]
fn other_types_are_refused_and_stay() {
    const WRONG: &str = "-WRONGTYPE Operation against a key holding the wrong kind of value";
    let mut table = vec![
        ("SET s text", "+OK"),
        ("SET n 12", "+OK"),
        ("RPUSH l a", ":1"),
    ];
    for line in [
        "LPUSH s x",
        "RPUSH n x",
        "LPUSHX s x",
        "RPUSHX s x",
        "LPOP s",
        "RPOP s",
        "LPOP s 0",
        "RPOP n 2",
        "LLEN s",
        "LINDEX s 0",
        "LINDEX s x",
        "LSET s 0 x",
        "LSET s x x",
        "LINSERT s BEFORE t x",
        "LRANGE s 0 -1",
        "LTRIM s 0 0",
        "LREM s 0 t",
        "LPOS s t",
        "LMOVE s l LEFT LEFT",
        "LMOVE l s LEFT LEFT",
        "LMOVE s s LEFT LEFT",
        "RPOPLPUSH l s",
        "RPOPLPUSH n l",
        "LMPOP 1 s LEFT",
        "LMPOP 3 none s l LEFT",
        "GET l",
        "INCR l",
    ] {
        table.push((line, WRONG));
    }
    table.extend([
        ("LMOVE none s LEFT LEFT", "$-1"),
        ("LMPOP 2 l s LEFT", r#"["l", ["a"]]"#),
        ("GET s", r#""text""#),
        ("GET n", r#""12""#),
        ("SET l text", "+OK"),
        ("RPUSH l x", WRONG),
    ]);
    check_fresh(&[], &table);
}

#[test]
fn wrong_arity_is_refused() {
    let mut lines = Vec::new();
    for (name, words) in [
        ("LPUSH", 2),
        ("RPUSH", 2),
        ("LPUSHX", 2),
        ("RPUSHX", 2),
        ("RPOP", 1),
        ("LLEN", 3),
        ("LINDEX", 2),
        ("LINDEX", 4),
        ("LSET", 3),
        ("LINSERT", 4),
        ("LINSERT", 6),
        ("LRANGE", 3),
        ("LRANGE", 5),
        ("LTRIM", 3),
        ("LREM", 3),
        ("LPOS", 2),
        ("LMOVE", 4),
        ("RPOPLPUSH", 2),
        ("RPOPLPUSH", 4),
        ("LMPOP", 3),
    ] {
        let line = format!("{name}{}", " x".repeat(words - 1));
        let name = name.to_ascii_lowercase();
        let want = format!("-ERR wrong number of arguments for '{name}' command");
        lines.push((line, want));
    }
    let table: Vec<(&str, &str)> = lines
        .iter()
        .map(|(line, want)| (line.as_str(), want.as_str()))
        .collect();
    check_fresh(&[], &table);
}

#[test]
fn a_time_to_live_stays_with_its_list() {
    check_fresh(
        &[],
        &[
            ("RPUSH l a b c", ":3"),
            ("EXPIRE l 1000", ":1"),
            ("RPUSH l d", ":4"),
            ("LPOP l", r#""a""#),
            ("LMOVE l l LEFT RIGHT", r#""b""#),
            ("TTL l", ":1000"),
            ("LPOP l 10", r#"["c", "d", "b"]"#),
            ("RPUSH l a", ":1"),
            ("TTL l", ":-1"),
            ("RPUSH past a", ":1"),
            ("PEXPIREAT past 1", ":1"),
            ("RPUSH past b", ":1"),
            ("LRANGE past 0 -1", r#"["b"]"#),
        ],
    );
}

/// Elements so large that they live by themselves, are gathered outside the read buffer on their way in, and are
/// written from where they lie on their way out.
#[test]
fn large_elements_pass_through_unchanged() {
    let element = |seed: u8, len: usize| -> Vec<u8> {
        (0..len)
            .map(|at| seed.wrapping_add((at % 251) as u8))
            .collect()
    };
    let sizes = [4096, 8191, 8193, 16_383, 16_385, 40_000, 1_000_000];
    for args in LIMITS {
        let server = Server::start(args);
        let mut connection = server.connect();
        let mut elements = VecDeque::new();
        for (seed, &len) in sizes.iter().enumerate() {
            let value = element(seed as u8, len);
            let reply = connection.command(&[b"RPUSH".as_slice(), b"l", b"small", &value]);
            assert_eq!(reply, Reply::Integer(2 * seed as i64 + 2));
            elements.extend([b"small".to_vec(), value]);
        }
        let all = |elements: &VecDeque<Vec<u8>>| {
            Reply::Array(elements.iter().cloned().map(Reply::Bulk).collect())
        };
        assert_eq!(connection.run("LRANGE l 0 -1"), all(&elements));
        let position = connection.command(&[b"LPOS".as_slice(), b"l", &elements[11]]);
        assert_eq!(position, Reply::Integer(11));
        elements[3] = element(99, 100_000);
        let set = connection.command(&[b"LSET".as_slice(), b"l", b"3", &elements[3]]);
        assert_eq!(set, Reply::Simple("OK".to_owned()));
        assert_eq!(
            connection.run("LMOVE l l RIGHT LEFT"),
            Reply::Bulk(elements[13].clone())
        );
        elements.rotate_right(1);
        assert_eq!(
            connection.run("LINDEX l 4"),
            Reply::Bulk(elements[4].clone())
        );
        assert_eq!(connection.run("LRANGE l 0 -1"), all(&elements));
        assert_eq!(
            connection.run("LMOVE l other LEFT RIGHT"),
            Reply::Bulk(elements[0].clone())
        );
        assert_eq!(
            connection.run("LPOP other"),
            Reply::Bulk(elements[0].clone())
        );
        elements.pop_front();
        assert_eq!(connection.run("LPOP l 100"), all(&elements));
        assert_eq!(connection.run("LLEN l"), Reply::Integer(0));
    }
}

/// The keys of the random sequences: few, so that commands meet lists that are there, gone, or their own source.
const KEYS: [&str; 3] = ["a", "b", "c"];
/// Commands in a random sequence.
const STEPS: usize = 3000;
/// So many of them go in one write, as a pipeline.
const PIPELINE: usize = 100;

#[test]
fn random_sequences_agree_with_a_model() {
    for (seed, args) in LIMITS
        .iter()
        .chain([&["--list-max-listpack-size", "1"].as_slice()])
        .enumerate()
    {
        let server = Server::start(args);
        let mut connections = [server.connect(), server.connect()];
        let mut rng = fastrand::Rng::with_seed(seed as u64);
        let mut model = Model::default();
        for step in 0..STEPS / PIPELINE {
            run_pipeline(&mut connections[step % 2], &mut model, &mut rng);
        }
    }
}

/// Sends random commands in one write and compares their replies with the model's, and then all lists.
fn run_pipeline(connection: &mut Connection, model: &mut Model, rng: &mut fastrand::Rng) {
    let commands: Vec<Vec<Vec<u8>>> = (0..PIPELINE)
        .map(|_| random_command(rng))
        .chain(KEYS.map(|key| words(&["LRANGE", key, "0", "-1"])))
        .collect();
    let bytes: Vec<u8> = commands
        .iter()
        .flat_map(|command| encode(command))
        .collect();
    connection.send(&bytes);
    for command in commands {
        let want = model.run(&command);
        let got = connection.read();
        assert!(
            got == want,
            "{} answered {got} and not {want}",
            Reply::Array(command.into_iter().map(Reply::Bulk).collect())
        );
    }
}

fn words(words: &[&str]) -> Vec<Vec<u8>> {
    words.iter().map(|word| word.as_bytes().to_vec()).collect()
}

fn random_command(rng: &mut fastrand::Rng) -> Vec<Vec<u8>> {
    let [key, other] = [(); 2].map(|()| KEYS[rng.usize(..KEYS.len())]);
    let index = |rng: &mut fastrand::Rng| rng.i64(-12..12).to_string();
    let end = |rng: &mut fastrand::Rng| if rng.bool() { "LEFT" } else { "RIGHT" };
    let count = rng.u32(..5).to_string();
    match rng.u32(..100) {
        kind @ 0..=39 => {
            let name = ["LPUSH", "RPUSH", "RPUSH", "LPUSHX"][kind as usize % 4];
            let mut command = words(&[name, key]);
            command.extend((0..rng.usize(1..6)).map(|_| random_element(rng)));
            command
        }
        kind @ 40..=57 => words(&[["LPOP", "RPOP"][kind as usize % 2], key]),
        kind @ 58..=65 => words(&[["LPOP", "RPOP"][kind as usize % 2], key, &count]),
        66..=69 => words(&["LMOVE", key, other, end(rng), end(rng)]),
        70..=71 => words(&["RPOPLPUSH", key, other]),
        72..=73 => words(&[
            "LMPOP",
            "2",
            key,
            other,
            end(rng),
            "COUNT",
            &(rng.u32(1..4)).to_string(),
        ]),
        74..=77 => words(&["LINDEX", key, &index(rng)]),
        78..=81 => words(&["LRANGE", key, &index(rng), &index(rng)]),
        82..=86 => {
            let mut command = words(&["LSET", key, &index(rng)]);
            command.push(random_element(rng));
            command
        }
        87..=90 => {
            let side = if rng.bool() { "BEFORE" } else { "AFTER" };
            let mut command = words(&["LINSERT", key, side]);
            command.extend([random_element(rng), random_element(rng)]);
            command
        }
        91..=94 => {
            let mut command = words(&["LREM", key, &rng.i64(-2..3).to_string()]);
            command.push(random_element(rng));
            command
        }
        95 => words(&[
            "LTRIM",
            key,
            &rng.i64(-40..6).to_string(),
            &rng.i64(-6..40).to_string(),
        ]),
        96..=98 => {
            let mut command = words(&["LPOS", key]);
            command.push(random_element(rng));
            let rank = [-2, -1, 1, 2][rng.usize(..4)].to_string();
            command.extend(words(&[
                "RANK",
                &rank,
                "COUNT",
                &count,
                "MAXLEN",
                &rng.u32(..30).to_string(),
            ]));
            command
        }
        _ => words(&["LLEN", key]),
    }
}

/// Few different small elements, so that searches find some, and now and then a large one.
fn random_element(rng: &mut fastrand::Rng) -> Vec<u8> {
    match rng.u32(..40) {
        0 => vec![b'x'; rng.usize(..3) * 3000 + 50],
        1 => vec![b'y'; 40_000],
        2..=4 => vec![b'z'; rng.usize(..3) * 40],
        5..=15 => rng.i64(-3..4).to_string().into_bytes(),
        16..=20 => [i64::MIN, 127, 128, 70_000][rng.usize(..4)]
            .to_string()
            .into_bytes(),
        _ => vec![b'a' + rng.u8(..6)],
    }
}

/// What the commands mean, on plain deques.
#[derive(Default)]
struct Model(HashMap<String, VecDeque<Vec<u8>>>);

impl Model {
    fn run(&mut self, command: &[Vec<u8>]) -> Reply {
        let text = |at: usize| String::from_utf8_lossy(&command[at]).into_owned();
        let key = text(if command[0] == b"LMPOP" { 2 } else { 1 });
        let reply = match text(0).as_str() {
            name @ ("LPUSH" | "RPUSH" | "LPUSHX") => self.push(name, &key, &command[2..]),
            name @ ("LPOP" | "RPOP") if command.len() == 2 => {
                let front = name == "LPOP";
                pop(self.list(&key), front).map_or(Reply::Null("$-1"), Reply::Bulk)
            }
            name @ ("LPOP" | "RPOP") => self.pop_some(&key, name == "LPOP", number(&command[2])),
            "LMOVE" => self.transfer(&key, &text(2), text(3) == "LEFT", text(4) == "LEFT"),
            "RPOPLPUSH" => self.transfer(&key, &text(2), false, true),
            "LMPOP" => {
                let found = [key, text(3)]
                    .into_iter()
                    .find(|key| !self.list(key).is_empty());
                match found {
                    Some(key) => {
                        let elements = self.pop_some(&key, text(4) == "LEFT", number(&command[6]));
                        Reply::Array(vec![Reply::Bulk(key.into_bytes()), elements])
                    }
                    None => Reply::Null("*-1"),
                }
            }
            _ => read_or_edit(self.list(&key), command),
        };
        self.0.retain(|_, list| !list.is_empty());
        reply
    }

    fn list(&mut self, key: &str) -> &mut VecDeque<Vec<u8>> {
        self.0.entry(key.to_owned()).or_default()
    }

    fn push(&mut self, name: &str, key: &str, elements: &[Vec<u8>]) -> Reply {
        let list = self.list(key);
        if name != "LPUSHX" || !list.is_empty() {
            for element in elements {
                push(list, name != "RPUSH", element.clone());
            }
        }
        Reply::Integer(list.len() as i64)
    }

    fn pop_some(&mut self, key: &str, front: bool, count: i64) -> Reply {
        let list = self.list(key);
        if list.is_empty() {
            return Reply::Null("*-1");
        }
        Reply::Array(
            (0..count)
                .map_while(|_| pop(list, front))
                .map(Reply::Bulk)
                .collect(),
        )
    }

    fn transfer(
        &mut self,
        source: &str,
        destination: &str,
        from_front: bool,
        to_front: bool,
    ) -> Reply {
        let Some(element) = pop(self.list(source), from_front) else {
            return Reply::Null("$-1");
        };
        push(self.list(destination), to_front, element.clone());
        Reply::Bulk(element)
    }
}

fn push(list: &mut VecDeque<Vec<u8>>, front: bool, element: Vec<u8>) {
    if front {
        list.push_front(element)
    } else {
        list.push_back(element)
    }
}

fn pop(list: &mut VecDeque<Vec<u8>>, front: bool) -> Option<Vec<u8>> {
    if front {
        list.pop_front()
    } else {
        list.pop_back()
    }
}

fn number(word: &[u8]) -> i64 {
    String::from_utf8_lossy(word)
        .parse()
        .expect("the random commands hold numbers here")
}

/// The commands on one list that do not move elements.
fn read_or_edit(list: &mut VecDeque<Vec<u8>>, command: &[Vec<u8>]) -> Reply {
    let len = list.len() as i64;
    let place = |word: &[u8]| {
        let index = number(word);
        if index < 0 { index + len } else { index }
    };
    let position = |index: i64| {
        usize::try_from(index)
            .ok()
            .filter(|&index| index < len as usize)
    };
    let ok = || Reply::Simple("OK".to_owned());
    match command[0].as_slice() {
        b"LLEN" => Reply::Integer(len),
        b"LINDEX" => position(place(&command[2]))
            .map_or(Reply::Null("$-1"), |at| Reply::Bulk(list[at].clone())),
        b"LRANGE" => {
            let (start, stop) = (place(&command[2]).max(0), place(&command[3]));
            Reply::Array(
                (start..=stop)
                    .map_while(|at| position(at).map(|at| Reply::Bulk(list[at].clone())))
                    .collect(),
            )
        }
        b"LTRIM" => {
            let (start, stop) = (place(&command[2]).max(0), place(&command[3]));
            let kept = (start..=stop)
                .map_while(|at| position(at).map(|at| list[at].clone()))
                .collect();
            *list = kept;
            ok()
        }
        b"LSET" if len == 0 => Reply::Error("ERR no such key".to_owned()),
        b"LSET" => match position(place(&command[2])) {
            Some(at) => {
                list[at] = command[3].clone();
                ok()
            }
            None => Reply::Error("ERR index out of range".to_owned()),
        },
        b"LINSERT" if len == 0 => Reply::Integer(0),
        b"LINSERT" => match list.iter().position(|element| *element == command[3]) {
            Some(at) => {
                list.insert(at + usize::from(command[2] == b"AFTER"), command[4].clone());
                Reply::Integer(len + 1)
            }
            None => Reply::Integer(-1),
        },
        b"LREM" => Reply::Integer(remove_equal(list, number(&command[2]), &command[3])),
        b"LPOS" => Reply::Array(
            positions(list, command)
                .into_iter()
                .map(|at| Reply::Integer(at as i64))
                .collect(),
        ),
        name => panic!("the model does not know {}", String::from_utf8_lossy(name)),
    }
}

fn remove_equal(list: &mut VecDeque<Vec<u8>>, count: i64, element: &[u8]) -> i64 {
    let mut matches: Vec<usize> = (0..list.len()).filter(|&at| list[at] == element).collect();
    if count >= 0 {
        matches.reverse();
    }
    // What is to go is now at the end, but for the order in which it goes.
    let keep = if count == 0 {
        0
    } else {
        matches.len().saturating_sub(count.unsigned_abs() as usize)
    };
    let mut gone = matches.split_off(keep);
    gone.sort_unstable_by(|a, b| b.cmp(a));
    for &at in &gone {
        list.remove(at);
    }
    gone.len() as i64
}

/// LPOS key element RANK rank COUNT count MAXLEN len
fn positions(list: &VecDeque<Vec<u8>>, command: &[Vec<u8>]) -> Vec<usize> {
    let [rank, count, max_compared] = [4, 6, 8].map(|at| number(&command[at]));
    let unlimited = |limit: i64| {
        if limit == 0 {
            usize::MAX
        } else {
            limit as usize
        }
    };
    let order: Vec<usize> = if rank < 0 {
        (0..list.len()).rev().collect()
    } else {
        (0..list.len()).collect()
    };
    order
        .into_iter()
        .take(unlimited(max_compared))
        .filter(|&at| list[at] == command[2])
        .skip(rank.unsigned_abs() as usize - 1)
        .take(unlimited(count))
        .collect()
}
