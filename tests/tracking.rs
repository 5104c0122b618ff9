//! Client-side caching over the wire: CLIENT TRACKING and its kin, and who is told of which changes.
//!
//! A test is a scene of several clients, a line each step:
//!
//! | step | meaning |
//! |---|---|
//! | `3a: GET k -> "v"` | client `3a`, which speaks RESP3 (`2...` speaks RESP2), sends a command and reads this reply |
//! | `3a < >["invalidate", ["k"]]` | client `3a` reads this message |
//! | `3a > BLPOP k 0` | client `3a` sends a command |
//! | `2b ~ text` | client `2b` asks INFO until the text is in it |
//! | `3a !` | client `3a` closes its connection |
//!
//! A client connects when it is first named, and `<2b>` stands for the number of client `2b`. A message that should not
//! come is found by the next reply, in whose place it is read.

mod common;

use std::collections::HashMap;

use common::{Connection, Server};

/// Plays a scene on a new server.
#[track_caller]
fn play(scene: &str) {
    let server = Server::start(&[]);
    let mut clients: HashMap<String, (Connection, String)> = HashMap::new();
    for step in scene.lines().map(str::trim).filter(|step| !step.is_empty()) {
        let named = step.split(['<', '>']).skip(1).step_by(2);
        let others = named.filter(|name| name.starts_with(['2', '3']));
        let name = step.split([':', ' ']).next().unwrap_or(step);
        for name in others.chain([name]) {
            let connect = || connect(&server, name);
            clients.entry(name.to_owned()).or_insert_with(connect);
        }
        let mut step_text = step.to_owned();
        for (name, (_, id)) in &clients {
            step_text = step_text.replace(&format!("<{name}>"), id);
        }
        let (connection, _) = clients.get_mut(name).expect("the client has connected");
        let rest = step_text[name.len()..].trim_start();
        if let Some(want) = rest.strip_prefix("< ") {
            assert_eq!(connection.read().to_string(), want, "{step}");
        } else if let Some((line, want)) = rest
            .strip_prefix(": ")
            .and_then(|rest| rest.split_once(" -> "))
        {
            assert_eq!(connection.run(line).to_string(), want, "{step}");
        } else if let Some(line) = rest.strip_prefix("> ") {
            let words: Vec<&str> = line.split(' ').collect();
            connection.send(&common::encode(&words));
        } else if let Some(text) = rest.strip_prefix("~ ") {
            while !connection.run("INFO").to_string().contains(text) {}
        } else {
            assert_eq!(rest, "!", "no step: {step}");
            clients.remove(name);
        }
    }
}

fn connect(server: &Server, name: &str) -> (Connection, String) {
    let mut connection = if name.starts_with('3') {
        server.connect_resp3()
    } else {
        server.connect()
    };
    let id = connection.run("CLIENT ID").to_string();
    (connection, id.trim_start_matches(':').to_owned())
}

const SWITCHED_BCAST: &str = "-ERR You can't switch BCAST mode on/off before disabling tracking for this client, and \
                              then re-enabling it with a different mode.";
const SWITCHED_OPT: &str = "-ERR You can't switch OPTIN/OPTOUT mode before disabling tracking for this client, and \
                            then re-enabling it with a different mode.";
const CACHING: &str = "-ERR CLIENT CACHING can be called only when the client is in tracking mode with OPTIN or \
                       OPTOUT mode enabled";

#[test]
fn options_that_do_not_go_together_are_refused() {
    common::check_fresh(
        &[],
        &[
            (
                "CLIENT TRACKING",
                "-ERR wrong number of arguments for 'client|tracking' command",
            ),
            ("CLIENT TRACKING MAYBE", "-ERR syntax error"),
            ("CLIENT TRACKING ON NOW", "-ERR syntax error"),
            ("CLIENT TRACKING ON PREFIX", "-ERR syntax error"),
            ("CLIENT TRACKING ON REDIRECT", "-ERR syntax error"),
            (
                "CLIENT TRACKING ON REDIRECT x",
                "-ERR value is not an integer or out of range",
            ),
            (
                "CLIENT TRACKING ON REDIRECT 0",
                "-ERR The client ID you want redirect to does not exist",
            ),
            (
                "CLIENT TRACKING OFF REDIRECT -1",
                "-ERR The client ID you want redirect to does not exist",
            ),
            (
                "CLIENT TRACKING ON PREFIX a",
                "-ERR PREFIX option requires BCAST mode to be enabled",
            ),
            (
                "CLIENT TRACKING ON BCAST OPTIN",
                "-ERR OPTIN and OPTOUT are not compatible with BCAST",
            ),
            (
                "CLIENT TRACKING ON OPTIN OPTOUT",
                "-ERR You can't specify both OPTIN mode and OPTOUT mode",
            ),
            ("CLIENT CACHING YES", CACHING),
            ("CLIENT TRACKING on noloop", "+OK"),
            ("CLIENT TRACKING ON BCAST", SWITCHED_BCAST),
            ("CLIENT CACHING MAYBE", "-ERR syntax error"),
            (
                "CLIENT CACHING yes",
                "-ERR CLIENT CACHING YES is only valid when tracking is enabled in OPTIN mode.",
            ),
            (
                "CLIENT CACHING no",
                "-ERR CLIENT CACHING NO is only valid when tracking is enabled in OPTOUT mode.",
            ),
            ("CLIENT TRACKING ON OPTIN", "+OK"),
            ("CLIENT TRACKING ON OPTOUT", SWITCHED_OPT),
            ("CLIENT CACHING YES", "+OK"),
            ("CLIENT TRACKING ON", "+OK"),
            ("CLIENT TRACKING ON OPTOUT", "+OK"),
            ("CLIENT TRACKING ON OPTIN", SWITCHED_OPT),
            ("CLIENT TRACKING OFF PREFIX b", "+OK"),
            ("CLIENT TRACKING OFF", "+OK"),
        ],
    );
}

#[test]
fn prefixes_that_overlap_are_refused() {
    const TAIL: &str = "Prefixes for a single client must not overlap.";
    common::check_fresh(
        &[],
        &[
            (
                "CLIENT TRACKING ON BCAST PREFIX foobar PREFIX foo",
                &format!(
                    "-ERR Prefix 'foobar' overlaps with another provided prefix 'foo'. {TAIL}"
                ),
            ),
            ("CLIENT TRACKING ON BCAST PREFIX foo PREFIX bar", "+OK"),
            ("CLIENT TRACKING ON", SWITCHED_BCAST),
            (
                "CLIENT TRACKING ON BCAST PREFIX fo",
                &format!("-ERR Prefix 'fo' overlaps with an existing prefix 'foo'. {TAIL}"),
            ),
            (
                "CLIENT TRACKING ON BCAST PREFIX foo",
                &format!("-ERR Prefix 'foo' overlaps with an existing prefix 'foo'. {TAIL}"),
            ),
            ("CLIENT TRACKING ON BCAST PREFIX q", "+OK"),
        ],
    );
}

#[test]
fn the_state_is_told() {
    let info = |flags: &str, redirect: &str, prefixes: &str| {
        format!("%{{\"flags\": ~[{flags}], \"redirect\": :{redirect}, \"prefixes\": [{prefixes}]}}")
    };
    let steps = [
        ("OFF", info("\"off\"", "-1", "")),
        ("ON", info("\"on\"", "0", "")),
        (
            "ON NOLOOP OPTIN",
            info("\"on\", \"optin\", \"noloop\"", "0", ""),
        ),
        ("ON", info("\"on\"", "0", "")),
        ("ON REDIRECT <2b>", info("\"on\"", "<2b>", "")),
        ("OFF", info("\"off\"", "-1", "")),
        ("ON OPTOUT", info("\"on\", \"optout\"", "0", "")),
        ("OFF", info("\"off\"", "-1", "")),
        ("ON BCAST", info("\"on\", \"bcast\"", "0", "\"\"")),
        ("OFF", info("\"off\"", "-1", "")),
    ];
    let scene: String = steps
        .iter()
        .map(|(options, info)| {
            format!("3a: CLIENT TRACKING {options} -> +OK\n3a: CLIENT TRACKINGINFO -> {info}\n")
        })
        .collect();
    play(&scene);
    play(&format!(
        "3a: CLIENT GETREDIR -> :-1
         3a: CLIENT TRACKING ON REDIRECT <2b> -> +OK
         3a: CLIENT GETREDIR -> :<2b>
         3a: CLIENT TRACKING ON -> +OK
         3a: CLIENT GETREDIR -> :0
         3a: CLIENT TRACKING OFF -> +OK
         3a: CLIENT TRACKING ON BCAST PREFIX b PREFIX a -> +OK
         3a: CLIENT TRACKINGINFO -> {}
         3a: CLIENT TRACKING OFF -> +OK
         3a: CLIENT TRACKING ON OPTIN -> +OK
         3a: CLIENT CACHING YES -> +OK
         3a: CLIENT TRACKINGINFO -> {}
         3a: PING -> +PONG
         3a: CLIENT TRACKINGINFO -> {}
         3a: RESET -> +RESET
         3a: CLIENT TRACKINGINFO -> [\"flags\", [\"off\"], \"redirect\", :-1, \"prefixes\", []]",
        info("\"on\", \"bcast\"", "0", "\"a\", \"b\""),
        info("\"on\", \"optin\", \"caching-yes\"", "0", ""),
        info("\"on\", \"optin\"", "0", ""),
    ));
}

#[test]
fn the_first_change_of_a_key_that_was_read_is_told() {
    play(
        r#"
        3a: CLIENT TRACKING ON -> +OK
        2b: MSET k 1 l 2 -> +OK
        3a: GET k -> "1"
        3a: MGET k l missing -> ["1", "2", _]
        2b: SET other 1 -> +OK
        2b: SET k 2 -> +OK
        3a < >["invalidate", ["k"]]
        2b: SET k 3 -> +OK
        2b: DEL l missing -> :1
        3a < >["invalidate", ["l"]]
        2b: SET missing x -> +OK
        3a < >["invalidate", ["missing"]]
        3a: GET k -> "3"
        3a: CLIENT TRACKING OFF -> +OK
        2b: SET k 4 -> +OK
        3a: PING -> +PONG
        "#,
    );
}

#[test]
fn a_protocol_without_pushes_is_told_nothing() {
    play(
        r#"
        2a: CLIENT TRACKING ON -> +OK
        2a: GET k -> $-1
        2b: SET k 2 -> +OK
        2a: PING -> +PONG
        2a: SUBSCRIBE c -> ["subscribe", "c", :1]
        2b: SET k 2 -> +OK
        2a: PING -> ["pong", ""]
        "#,
    );
}

#[test]
fn own_changes_are_told_behind_the_answer() {
    play(
        r#"
        3a: CLIENT TRACKING ON -> +OK
        3a: HSET h f 1 -> :1
        3a: HGET h f -> "1"
        3a: HDEL h f -> :1
        3a < >["invalidate", ["h"]]
        3a: GET k -> _
        3a: MSET k 1 l 1 -> +OK
        3a < >["invalidate", ["k"]]
        3a: GET k -> "1"
        3a: PEXPIREAT k 1 -> :1
        3a < >["invalidate", ["k"]]
        3a: FLUSHALL -> +OK
        3a < >["invalidate", _]
        "#,
    );
    play(
        r#"
        3a: CLIENT TRACKING ON NOLOOP -> +OK
        3a: MGET k l -> [_, _]
        3a: SET k 1 -> +OK
        2b: SET l 1 -> +OK
        3a < >["invalidate", ["l"]]
        2b: SET k 1 -> +OK
        3a: GET k -> "1"
        "#,
    );
}

#[test]
fn messages_come_though_answers_are_unwanted() {
    let server = Server::start(&[]);
    let mut client = server.connect_resp3();
    client.run("CLIENT TRACKING ON");
    client.run("GET k");
    client.send(&common::encode(&["CLIENT", "REPLY", "OFF"]));
    client.send(&common::encode(&["SET", "k", "1"]));
    assert_eq!(client.read().to_string(), r#">["invalidate", ["k"]]"#);
    common::check(&mut client, "CLIENT REPLY ON", "+OK");
}

#[test]
fn a_transaction_is_answered_before_its_changes_are_told() {
    play(
        r#"
        3a: CLIENT TRACKING ON -> +OK
        3a: MGET a b -> [_, _]
        3a: MULTI -> +OK
        3a: INCR a -> +QUEUED
        3a: GET b -> +QUEUED
        3a: GET c -> +QUEUED
        3a: FLUSHDB -> +QUEUED
        3a: EXEC -> [:1, _, _, +OK]
        3a < >["invalidate", ["a"]]
        3a < >["invalidate", _]
        3a: CLIENT TRACKING OFF -> +OK
        3a: CLIENT TRACKING ON BCAST PREFIX a PREFIX b -> +OK
        2b: MULTI -> +OK
        2b: MSET a1 1 a2 2 -> +QUEUED
        2b: MSET b1 1 c 2 -> +QUEUED
        2b: EXEC -> [+OK, +OK]
        3a < >["invalidate", ["a1", "a2"]]
        3a < >["invalidate", ["b1"]]
        "#,
    );
    play(
        r#"
        3a: CLIENT TRACKING ON OPTIN -> +OK
        3a: CLIENT CACHING YES -> +OK
        3a: MULTI -> +OK
        3a: GET a -> +QUEUED
        3a: GET b -> +QUEUED
        3a: EXEC -> [_, _]
        3a: GET c -> _
        2b: MSET c 1 b 1 a 1 -> +OK
        3a < >["invalidate", ["b"]]
        3a < >["invalidate", ["a"]]
        3a: PING -> +PONG
        "#,
    );
}

#[test]
fn what_a_script_reads_its_client_has_read() {
    play(
        r#"
        3a: CLIENT TRACKING ON -> +OK
        3a: EVAL "redis.call('SET', 'x', '1')" 1 k -> _
        2b: MSET k 1 x 1 -> +OK
        3a: EVAL "return redis.call('GET', 'x')" 1 k -> "1"
        2b: SET k 1 -> +OK
        3a < >["invalidate", ["k"]]
        3a: EVAL_RO "return redis.call('GET', 'k')" 1 k -> "1"
        3a: EVAL "return redis.call('INCR', 'k')" 1 k -> :2
        3a < >["invalidate", ["k"]]
        3a: PING -> +PONG
        "#,
    );
}

#[test]
fn a_client_that_has_waited_gets_its_answer_first() {
    play(
        r#"
        2b: RPUSH to x -> :1
        3a: CLIENT TRACKING ON -> +OK
        3a: LRANGE to 0 -1 -> ["x"]
        3a > BLMOVE from to LEFT LEFT 0
        2b ~ blocked_clients:1
        2b: RPUSH from y -> :1
        3a < "y"
        3a < >["invalidate", ["to"]]
        "#,
    );
}

#[test]
fn opting_in_and_out_holds_for_one_command() {
    play(
        r#"
        3a: CLIENT TRACKING ON OPTIN -> +OK
        3a: GET k -> _
        3a: CLIENT CACHING YES -> +OK
        3a: CLIENT GETNAME -> _
        3a: GET l -> _
        3a: GET m -> _
        2b: MSET k 1 l 1 m 1 -> +OK
        3a < >["invalidate", ["l"]]
        3a: PING -> +PONG
        3a: CLIENT CACHING YES -> +OK
        3a: CLIENT CACHING -> -ERR wrong number of arguments for 'client|caching' command
        3a: GET k -> "1"
        3a: CLIENT CACHING YES -> +OK
        3a: GET -> -ERR wrong number of arguments for 'get' command
        3a: GET l -> "1"
        3a: CLIENT CACHING YES -> +OK
        3a: MULTI -> +OK
        3a: GET -> -ERR wrong number of arguments for 'get' command
        3a: DISCARD -> +OK
        3a: GET m -> "1"
        2b: MSET k 1 l 1 m 1 -> +OK
        3a < >["invalidate", ["k"]]
        3a: PING -> +PONG
        3a: CLIENT TRACKING OFF -> +OK
        3a: CLIENT TRACKING ON OPTOUT -> +OK
        3a: CLIENT CACHING NO -> +OK
        3a: GET k -> "1"
        3a: GET l -> "1"
        2b: MSET k 1 l 1 -> +OK
        3a < >["invalidate", ["l"]]
        3a: PING -> +PONG
        "#,
    );
}

#[test]
fn prefixes_are_told_all_changes_at_once() {
    play(
        r#"
        3a: CLIENT TRACKING ON BCAST -> +OK
        2b: MSET c 1 a 2 b 3 -> +OK
        3a < >["invalidate", ["a", "b", "c"]]
        3a: SET own 1 -> +OK
        3a < >["invalidate", ["own"]]
        3a: CLIENT TRACKING OFF -> +OK
        3a: CLIENT TRACKING ON BCAST PREFIX x: PREFIX y: NOLOOP -> +OK
        2b: MSET y:1 1 x:1 2 x: 3 z:1 4 x 5 -> +OK
        3a < >["invalidate", ["x:", "x:1"]]
        3a < >["invalidate", ["y:1"]]
        3a: SET x:1 1 -> +OK
        3a: GET z:1 -> "4"
        2b: SET z:1 1 -> +OK
        3a: CLIENT TRACKING ON BCAST PREFIX z: -> +OK
        2b: SET z:1 1 -> +OK
        3a < >["invalidate", ["z:1"]]
        3a: SET x:1 1 -> +OK
        3a < >["invalidate", ["x:1"]]
        3c: CLIENT TRACKING ON BCAST PREFIX x: -> +OK
        2b: DEL x:1 -> :1
        3a < >["invalidate", ["x:1"]]
        3c < >["invalidate", ["x:1"]]
        3a !
        2b: SET x:1 1 -> +OK
        3c < >["invalidate", ["x:1"]]
        3c: CLIENT TRACKING OFF -> +OK
        2b: SET x:1 1 -> +OK
        3c: PING -> +PONG
        "#,
    );
}

#[test]
fn another_client_is_told_instead() {
    play(
        r#"
        2b: SUBSCRIBE __redis__:invalidate -> ["subscribe", "__redis__:invalidate", :1]
        2a: CLIENT TRACKING ON REDIRECT <2b> -> +OK
        2a: GET k -> $-1
        2a: SET k 1 -> +OK
        2b < ["message", "__redis__:invalidate", ["k"]]
        2a: FLUSHDB -> +OK
        2b < ["message", "__redis__:invalidate", $-1]
        3c: CLIENT TRACKING ON BCAST REDIRECT <2b> -> +OK
        2a: MSET k 1 l 1 -> +OK
        2b < ["message", "__redis__:invalidate", ["k", "l"]]
        3c: CLIENT TRACKING ON BCAST REDIRECT <3d> -> +OK
        2a: DEL k -> :1
        3d < >["invalidate", ["k"]]
        3d: CLIENT TRACKING ON REDIRECT <3d> -> +OK
        3d: GET k -> _
        3c: CLIENT TRACKING OFF -> +OK
        3d: SET k 1 -> +OK
        3d < >["invalidate", ["k"]]
        "#,
    );
    // One that is not subscribed to anything cannot be told in RESP2.
    play(
        r#"
        2a: CLIENT TRACKING ON REDIRECT <2b> -> +OK
        2a: GET k -> $-1
        2a: SET k 1 -> +OK
        2b: PING -> +PONG
        "#,
    );
}

#[test]
fn a_client_hears_that_the_other_one_has_gone() {
    play(
        r#"
        3a: CLIENT TRACKING ON REDIRECT <2b> -> +OK
        3a: MGET k l -> [_, _]
        2b: QUIT -> +OK
        2c: MSET k 1 l 1 -> +OK
        3a < >["tracking-redir-broken", :<2b>]
        3a < >["tracking-redir-broken", :<2b>]
        3a: CLIENT TRACKINGINFO -> %{"flags": ~["on", "broken_redirect"], "redirect": :<2b>, "prefixes": []}
        3a: CLIENT TRACKING ON -> +OK
        3a: CLIENT TRACKINGINFO -> %{"flags": ~["on"], "redirect": :0, "prefixes": []}
        3a: CLIENT TRACKING ON REDIRECT <2b> -> -ERR The client ID you want redirect to does not exist
        3a: CLIENT TRACKING ON REDIRECT <2d> -> +OK
        3a: GET k -> "1"
        2c: CLIENT KILL ID <2d> -> :1
        2c: SET k 2 -> +OK
        3a < >["tracking-redir-broken", :<2d>]
        "#,
    );
}

#[test]
fn expired_keys_are_told_whether_they_are_swept_or_found() {
    play(
        r#"
        3a: CLIENT TRACKING ON BCAST NOLOOP -> +OK
        3a: SET k 1 PX 1 -> +OK
        3a < >["invalidate", ["k"]]
        3a: PING -> +PONG
        "#,
    );
    let server = Server::start(&["--enable-debug-command", "yes"]);
    let (mut tracker, mut other) = (server.connect_resp3(), server.connect());
    common::check(&mut other, "DEBUG SET-ACTIVE-EXPIRE 0", "+OK");
    common::check(&mut tracker, "CLIENT TRACKING ON", "+OK");
    read_with_a_deadline(&mut tracker, &mut other);
    let mut values = common::Reply::Null("_");
    // Until its time is over the key is read as before; then the message follows the answer.
    while values.to_string() != "[\"1\", _]" {
        values = tracker.run("MGET l k");
    }
    assert_eq!(tracker.read().to_string(), ">[\"invalidate\", [\"k\"]]");
    common::check(&mut other, "SET k 2", "+OK");
    assert_eq!(
        tracker.read().to_string(),
        ">[\"invalidate\", [\"k\"]]",
        "it was read as missing"
    );
}

/// Has `tracker` read k while it has a deadline that `other` gave it. Where the deadline comes before the read, which nobody
/// is told of, it is tried again with a later one.
fn read_with_a_deadline(tracker: &mut common::Connection, other: &mut common::Connection) {
    let mut after_ms = 2;
    loop {
        common::check(other, "MSET k 1 l 1", "+OK");
        common::check(tracker, "MGET k l", "[\"1\", \"1\"]");
        common::check(other, &format!("PEXPIRE k {after_ms}"), ":1");
        assert_eq!(tracker.read().to_string(), ">[\"invalidate\", [\"k\"]]");
        if tracker.run("MGET k l").to_string() == "[\"1\", \"1\"]" {
            return;
        }
        // What was read as missing, and l with it, is told of when it is written again.
        after_ms *= 2;
        common::check(other, "MSET k 1 l 1", "+OK");
        tracker.read();
        tracker.read();
    }
}

#[test]
fn everybody_who_tracks_is_told_of_a_flush() {
    for flush in ["FLUSHALL", "FLUSHDB ASYNC", "FLUSHDB SYNC"] {
        play(&format!(
            r#"
            3a: CLIENT TRACKING ON -> +OK
            3b: CLIENT TRACKING ON BCAST PREFIX x -> +OK
            3c: GET k -> _
            3a: GET k -> _
            2d: {flush} -> +OK
            3a < >["invalidate", _]
            3b < >["invalidate", _]
            2d: SET k 1 -> +OK
            3a: PING -> +PONG
            3c: PING -> +PONG
            "#
        ));
    }
}

#[test]
fn the_table_forgets_keys_beyond_its_limit_and_says_so() {
    let server = Server::start(&["--tracking-table-max-keys", "20"]);
    let (mut reader, mut other) = (server.connect_resp3(), server.connect());
    common::check(
        &mut reader,
        "CLIENT TRACKING ON REDIRECT 0",
        "-ERR The client ID you want redirect to does not exist",
    );
    common::check(&mut reader, "CLIENT TRACKING ON", "+OK");
    let keys: Vec<String> = (0..60).map(|number| format!("k{number}")).collect();
    let words: Vec<&str> = std::iter::once("MGET")
        .chain(keys.iter().map(String::as_str))
        .collect();
    reader.command(&words);
    let mut told: Vec<String> = (0..40).map(|_| reader.read().to_string()).collect();
    told.sort();
    told.dedup();
    assert_eq!(told.len(), 40, "each key is told once");
    common::check(&mut other, "CONFIG SET tracking-table-max-keys 1", "+OK");
    for _ in 0..19 {
        told.push(reader.read().to_string());
    }
    let info = other.run("INFO stats").to_string();
    assert!(info.contains("tracking_total_keys:1"), "{info}");
    reader.command(&words[..2]);
    common::check(&mut other, "CONFIG SET tracking-table-max-keys 0", "+OK");
    let info = other.run("INFO stats").to_string();
    let total = info
        .split("tracking_total_keys:")
        .nth(1)
        .expect("it is told");
    assert!(total.starts_with(['1', '2']), "no limit: {total}");
}

#[test]
fn info_and_client_list_tell_of_it() {
    let server = Server::start(&[]);
    let mut clients: Vec<Connection> = (0..3).map(|_| server.connect_resp3()).collect();
    let ids: Vec<String> = clients
        .iter_mut()
        .map(|client| client.run("CLIENT ID").to_string().replace(':', ""))
        .collect();
    common::check(&mut clients[0], "CLIENT TRACKING ON", "+OK");
    common::check(
        &mut clients[1],
        &format!(
            "CLIENT TRACKING ON BCAST PREFIX a PREFIX b REDIRECT {}",
            ids[2]
        ),
        "+OK",
    );
    common::check(&mut clients[0], "MGET x y", "[$-1, $-1]");
    let mut watcher = server.connect();
    let info = watcher.run("INFO").to_string();
    for field in [
        "tracking_clients:2",
        "tracking_total_keys:2",
        "tracking_total_items:2",
        "tracking_total_prefixes:2",
    ] {
        assert!(info.contains(&format!("{field}\\r\\n")), "{field}");
    }
    let mut line = |id: &str| watcher.run(&format!("CLIENT LIST ID {id}")).to_string();
    assert!(line(&ids[0]).contains("flags=t ") && line(&ids[0]).contains("redir=0 "));
    let second = line(&ids[1]);
    assert!(second.contains("flags=tB ") && second.contains(&format!("redir={} ", ids[2])));
    assert!(line(&ids[2]).contains("flags=N ") && line(&ids[2]).contains("redir=-1 "));
    common::check(&mut clients[2], "QUIT", "+OK");
    common::check(&mut clients[0], "SET a1 1", "+OK");
    assert_eq!(
        clients[1].read().to_string(),
        format!(">[\"tracking-redir-broken\", :{}]", ids[2])
    );
    assert!(line(&ids[1]).contains("flags=tRB "));
}

#[test]
fn every_reading_command_is_noted_and_no_writing_one() {
    let reads = [
        "STRLEN k",
        "EXISTS k",
        "TYPE k",
        "TTL k",
        "LLEN k",
        "SMEMBERS k",
        "HGETALL k",
        "ZCARD k",
        "XLEN k",
        "OBJECT ENCODING k",
        "SORT_RO k",
        "SINTERCARD 1 k",
        "XREAD STREAMS k 0",
        "GEOSEARCH k FROMLONLAT 1 1 BYRADIUS 1 m",
        "LCS a k",
    ];
    let server = Server::start(&[]);
    let mut client = server.connect_resp3();
    let mut other = server.connect();
    common::check(&mut client, "CLIENT TRACKING ON", "+OK");
    for read in reads {
        client.run(read);
        common::check(&mut other, "SET k v", "+OK");
        let told = client.read().to_string();
        assert_eq!(told, ">[\"invalidate\", [\"k\"]]", "{read}");
        common::check(&mut other, "DEL k", ":1");
    }
    for write in [
        "GETDEL k",
        "INCR k",
        "GETEX k",
        "GETSET k 5",
        "SET k 6 GET",
        "DBSIZE",
    ] {
        client.run(write);
    }
    common::check(&mut other, "SET k v", "+OK");
    common::check(&mut client, "PING", "+PONG");
}

#[test]
fn prefixes_without_number_are_checked_in_time() {
    let server = Server::start(&[]);
    let mut client = server.connect_resp3();
    let mut words: Vec<String> = ["CLIENT", "TRACKING", "ON", "BCAST"]
        .map(str::to_owned)
        .into();
    for number in 0..10_000 {
        words.extend(["PREFIX".to_owned(), format!("{number:06}")]);
    }
    assert_eq!(client.command(&words).to_string(), "+OK");
    words.truncate(6);
    words[5] = "009999x".to_owned();
    let refusal = client.command(&words).to_string();
    assert!(refusal.contains("an existing prefix '009999'"), "{refusal}");
    let mut other = server.connect();
    common::check(&mut other, "SET 001234:1 x", "+OK");
    assert_eq!(
        client.read().to_string(),
        ">[\"invalidate\", [\"001234:1\"]]"
    );
}
