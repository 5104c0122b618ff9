//! Functions over the wire: loading, listing and deleting libraries, calling their functions, and dumps.
//!
//! The tables' replies are those of Redis 7.0.15; `TEST_SERVER=/path/to/redis-server` runs them against it.

mod common;

use std::time::{Duration, Instant};

use ruddle::script::load;

use common::{Connection, Reply, Server, check, check_fresh, encode};

/// A library whose function `f` answers `value`.
fn library(name: &str, function: &str, value: i64) -> String {
    format!(
        "#!lua name={name}\nredis.register_function('{function}', function() return {value} end)"
    )
}

/// The line that loads such a library.
fn load_line(name: &str, function: &str, value: i64) -> String {
    format!("FUNCTION LOAD {}", quoted(&library(name, function, value)))
}

fn quoted(text: &str) -> String {
    String::from_utf8(ruddle::text::words::quote(text.as_bytes())).expect("quoting leaves text")
}

/// The error of a library whose code fails.
fn registering(text: &str) -> String {
    format!("-ERR Error registering functions: ERR {text}")
}

/// Runs a table in which lines that begin with `#!` are libraries to be loaded.
#[track_caller]
fn check_libraries(table: &[(&str, &str)]) {
    let lines: Vec<(String, &str)> = table
        .iter()
        .map(|(line, want)| {
            let is_library = line.starts_with("#!");
            let line = if is_library {
                format!("FUNCTION LOAD {}", quoted(line))
            } else {
                (*line).to_owned()
            };
            (line, *want)
        })
        .collect();
    let lines: Vec<(&str, &str)> = lines
        .iter()
        .map(|(line, want)| (line.as_str(), *want))
        .collect();
    check_fresh(&[], &lines);
}

#[test]
fn a_function_is_called_with_keys_and_arguments() {
    check_libraries(&[
        ("FCALL f 0", "-ERR Function not found"),
        (
            "#!lua name=lib\nlocal function f(keys, args) return {keys, args, redis.call('incr', 'n')} end\n\
             redis.register_function('f', f)",
            "\"lib\"",
        ),
        ("FCALL f 1 k a b", r#"[["k"], ["a", "b"], :1]"#),
        ("FCALL F 0", "[[], [], :2]"),
        ("FCALL f x", "-ERR Bad number of keys provided"),
        ("FCALL f -1", "-ERR Number of keys can't be negative"),
        (
            "FCALL f 1",
            "-ERR Number of keys can't be greater than number of args",
        ),
        (
            "FCALL_RO f 0",
            "-ERR Can not execute a script with write flag using *_ro command.",
        ),
    ]);
}

#[test]
fn what_a_library_registers_is_checked() {
    let bad_library = format!("-ERR {}", load::BAD_NAME);
    check_libraries(&[
        (
            "return 1",
            "-ERR unknown command 'return', with args beginning with: '1' ",
        ),
        ("FUNCTION LOAD x", "-ERR Missing library metadata"),
        ("#!lua name=a", "-ERR Invalid library metadata"),
        ("#!lua\n", "-ERR Library name was not given"),
        (
            "#!lua name=a b=c\n",
            "-ERR Invalid metadata value given: b=c",
        ),
        ("#!lua name=a-b\n", &bad_library),
        ("#!basic name=a\n", "-ERR Engine 'basic' not found"),
        ("#!lua name=a\n", "-ERR No functions registered"),
        (
            "#!lua name=a\n+",
            "-ERR Error compiling function: user_function:2: unexpected symbol near '+'",
        ),
        (
            "#!lua name=a\nerror('boo')",
            &registering(
                "user_function:2: Script attempted to access nonexistent global variable 'error'",
            ),
        ),
        (
            "#!lua name=a\nx = 1",
            &registering("user_function:2: Attempt to modify a readonly table"),
        ),
        (
            "#!lua name=a\nredis.call('get', 'x')",
            &registering(
                "user_function:2: Script attempted to access nonexistent global variable 'call'",
            ),
        ),
        (
            "#!lua name=a\nmath.abs(1)",
            &registering(
                "user_function:2: Script attempted to access nonexistent global variable 'math'",
            ),
        ),
    ]);
}

#[test]
fn what_is_registered_is_checked() {
    let bad_name = registering(load::BAD_NAME);
    check_libraries(&[
        (
            "#!lua name=a\nredis.register_function()",
            &registering("wrong number of arguments to redis.register_function"),
        ),
        (
            "#!lua name=a\nredis.register_function('f', 1)",
            &registering("second argument to redis.register_function must be a function"),
        ),
        (
            "#!lua name=a\nredis.register_function({}, function() end)",
            &registering("first argument to redis.register_function must be a string"),
        ),
        (
            "#!lua name=a\nredis.register_function('f-g', function() end)",
            &bad_name,
        ),
        (
            "#!lua name=a\nlocal f = function() end redis.register_function('f', f) redis.register_function('f', f)",
            &registering("Function already exists in the library"),
        ),
        (
            "#!lua name=a\nredis.register_function{function_name = 'f'}",
            &registering("redis.register_function must get a callback argument"),
        ),
        (
            "#!lua name=a\nredis.register_function{callback = function() end}",
            &registering("redis.register_function must get a function name argument"),
        ),
        (
            "#!lua name=a\nredis.register_function{function_name = 'f', callback = function() end, flags = {'x'}}",
            &registering("unknown flag given"),
        ),
        (
            "#!lua name=a\nredis.register_function{function_name = 'f', callback = function() end, x = 1}",
            &registering("unknown argument given to redis.register_function"),
        ),
        ("FUNCTION LIST", "[]"),
    ]);
}

#[test]
fn a_library_that_cannot_be_loaded_changes_nothing() {
    let (a, again) = (load_line("a", "f", 1), load_line("a", "f", 2));
    let replace = again.replacen("LOAD", "LOAD REPLACE", 1);
    let b = load_line("b", "f", 3);
    check_fresh(
        &[],
        &[
            (&a, "\"a\""),
            (&again, "-ERR Library 'a' already exists"),
            (&b, "-ERR Function f already exists"),
            (
                "FUNCTION LOAD REPLACE \"#!lua name=a\\nerror('x')\"",
                "-ERR Error registering functions: ERR user_function:2: Script attempted to access nonexistent global variable \
                 'error'",
            ),
            ("FCALL f 0", ":1"),
            (&replace, "\"a\""),
            ("FCALL f 0", ":2"),
            ("FUNCTION LOAD x y", "-ERR Unknown option given: x"),
            ("FUNCTION DELETE b", "-ERR Library not found"),
            ("FUNCTION DELETE a", "+OK"),
            ("FCALL f 0", "-ERR Function not found"),
            (&b, "\"b\""),
            (
                "FUNCTION FLUSH x",
                "-ERR FUNCTION FLUSH only supports SYNC|ASYNC option",
            ),
            ("FUNCTION FLUSH ASYNC", "+OK"),
            ("FUNCTION LIST", "[]"),
            (
                "FUNCTION KILL",
                "-NOTBUSY No scripts in execution right now.",
            ),
        ],
    );
}

#[test]
fn libraries_are_listed() {
    check_libraries(&[
        (
            "#!lua name=Lib\nredis.register_function{function_name = 'f', callback = function() end, \
             flags = {'no-writes', 'allow-oom'}, description = 'it'}",
            "\"Lib\"",
        ),
        (
            "FUNCTION LIST",
            "[[\"library_name\", \"Lib\", \"engine\", \"LUA\", \"functions\", [[\"name\", \"f\", \"description\", \"it\", \
             \"flags\", [+no-writes, +allow-oom]]]]] // [%{\"library_name\": \"Lib\", \"engine\": \"LUA\", \"functions\": \
             [%{\"name\": \"f\", \"description\": \"it\", \"flags\": ~[+no-writes, +allow-oom]}]}]",
        ),
        ("FUNCTION LIST LIBRARYNAME x*", "[]"),
        (
            "FUNCTION LIST LIBRARYNAME",
            "-ERR library name argument was not given",
        ),
        ("FUNCTION LIST x", "-ERR Unknown argument x"),
        (
            "FUNCTION STATS",
            "[\"running_script\", $-1, \"engines\", [\"LUA\", [\"libraries_count\", :1, \"functions_count\", :1]]] // \
             %{\"running_script\": _, \"engines\": %{\"LUA\": %{\"libraries_count\": :1, \"functions_count\": :1}}}",
        ),
        ("FCALL_RO f 0", "$-1"),
    ]);
}

#[test]
fn functions_see_what_scripts_see() {
    check_libraries(&[
        (
            "#!lua name=lib\nlocal count = 0\n\
             redis.register_function('count', function() count = count + 1 return count end)\n\
             redis.register_function('global', function() x = 1 end)\n\
             redis.register_function('missing', function() return x end)\n\
             redis.register_function('keys', function() return KEYS end)\n\
             redis.register_function('late', function() redis.register_function('a', redis.call) end)\n\
             redis.register_function('abs', function() return math.abs(-1) end)",
            "\"lib\"",
        ),
        ("FCALL count 0", ":1"),
        ("FCALL count 0", ":2"),
        ("FCALL abs 0", ":1"),
        (
            "FCALL global 0",
            "-ERR user_function:4: Attempt to modify a readonly table script: global, on @user_function:4.",
        ),
        (
            "FCALL missing 0",
            "-ERR user_function:5: Script attempted to access nonexistent global variable 'x' script: missing, on \
             @user_function:5.",
        ),
        (
            "FCALL keys 0",
            "-ERR user_function:6: Script attempted to access nonexistent global variable 'KEYS' script: keys, on \
             @user_function:6.",
        ),
        (
            "FCALL late 0",
            "-ERR user_function:7: attempt to call field 'register_function' (a nil value) script: late, on \
             @user_function:7.",
        ),
    ]);
}

/// The payload of FUNCTION DUMP.
fn dump(client: &mut Connection) -> Vec<u8> {
    match client.run("FUNCTION DUMP") {
        Reply::Bulk(payload) => payload,
        other => panic!("no payload but {other}"),
    }
}

#[test]
fn dumps_come_back() {
    let server = Server::start(&[]);
    let mut client = server.connect();
    client.run(&load_line("a", "f", 1));
    // Redis compresses a longer text.
    let text = library("b", "g", 2) + &"\n-- again and again".repeat(50);
    client.command(&["FUNCTION", "LOAD", &text]);
    let payload = dump(&mut client);
    let restore = |client: &mut Connection, policy: &str| {
        let words: [&[u8]; 4] = [b"FUNCTION", b"RESTORE", &payload, policy.as_bytes()];
        client.command(&words).to_string()
    };
    let reply = restore(&mut client, "APPEND");
    assert!(reply.ends_with(" already exists"), "{reply}");
    assert_eq!(
        restore(&mut client, "x"),
        "-ERR Wrong restore policy given, value should be either FLUSH, APPEND or REPLACE."
    );
    check(
        &mut client,
        &load_line("a", "f", 3).replacen("LOAD", "LOAD REPLACE", 1),
        "\"a\"",
    );
    check(&mut client, "FUNCTION DELETE b", "+OK");
    check(&mut client, &load_line("c", "g", 4), "\"c\"");
    assert_eq!(
        restore(&mut client, "REPLACE"),
        "-ERR Function g already exists"
    );
    check(&mut client, "FCALL f 0", ":3");
    check(&mut client, "FCALL g 0", ":4");
    assert_eq!(restore(&mut client, "FLUSH"), "+OK");
    for (line, want) in [
        ("FCALL f 0", ":1"),
        ("FCALL g 0", ":2"),
        ("FUNCTION FLUSH", "+OK"),
        (
            "FUNCTION RESTORE x",
            "-ERR DUMP payload version or checksum are wrong",
        ),
    ] {
        check(&mut client, line, want);
    }
    assert_eq!(restore(&mut client, "append"), "+OK");
    check(&mut client, "FCALL g 0", ":2");
}

#[test]
fn a_dump_is_read_by_redis_and_back() {
    const REDIS: &str = "/usr/bin/redis-server";
    if !std::path::Path::new(REDIS).exists() || std::env::var_os("TEST_SERVER").is_some() {
        return;
    }
    let (own, redis) = (Server::start(&[]), Server::start_program(REDIS, &[]));
    let (mut own, mut redis) = (own.connect(), redis.connect());
    let text = library("lib", "f", 7) + &"\n-- again and again".repeat(50);
    {
        let (from, to) = (&mut own, &mut redis);
        from.command(&["FUNCTION", "LOAD", &text]);
        let payload = dump(from);
        let words: [&[u8]; 3] = [b"FUNCTION", b"RESTORE", &payload];
        assert_eq!(to.command(&words).to_string(), "+OK");
        check(to, "FCALL f 0", ":7");
    }
    own.run("FUNCTION FLUSH");
    let payload = dump(&mut redis);
    let words: [&[u8]; 3] = [b"FUNCTION", b"RESTORE", &payload];
    assert_eq!(own.command(&words).to_string(), "+OK");
    check(&mut own, "FCALL f 0", ":7");
}

#[test]
fn a_function_that_takes_long_can_be_ended() {
    let server = Server::start(&["--busy-reply-threshold", "20"]);
    let (mut caller, mut other) = (server.connect(), server.connect());
    let text = "#!lua name=lib\nredis.register_function('f', function() while true do end end)";
    caller.command(&["FUNCTION", "LOAD", text]);
    caller.send(&encode(&["FCALL", "f", "1", "key", "arg"]));
    let busy =
        "-BUSY Redis is busy running a script. You can only call FUNCTION KILL or SHUTDOWN NOSAVE.";
    let start = Instant::now();
    while other.run("PING").to_string() != busy {
        assert!(
            start.elapsed() < Duration::from_secs(20),
            "the server does not become busy"
        );
    }
    let stats = other.run("FUNCTION STATS").to_string();
    let head = "[\"running_script\", [\"name\", \"f\", \"command\", [\"FCALL\", \"f\", \"1\", \"key\", \"arg\"], \"duration_ms\"";
    assert!(stats.starts_with(head), "{stats}");
    check(&mut other, "SCRIPT KILL", busy);
    check(&mut other, "FUNCTION KILL", "+OK");
    let reply = caller.read().to_string();
    assert!(reply.starts_with("-ERR Script killed by user"), "{reply}");
    check(&mut caller, "PING", "+PONG");
}

#[test]
fn a_library_may_not_load_for_ever() {
    let server = Server::start(&[]);
    let mut client = server.connect();
    for body in ["while true do end", "while true do local s = '' end"] {
        let reply = client.command(&["FUNCTION", "LOAD", &format!("#!lua name=a\n{body}")]);
        assert_eq!(
            reply.to_string(),
            "-ERR Error registering functions: ERR FUNCTION LOAD timeout"
        );
    }
    check(&mut client, &load_line("a", "f", 1), "\"a\"");
    check(&mut client, "FCALL f 0", ":1");
}
