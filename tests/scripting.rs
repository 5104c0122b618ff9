//! Scripts over the wire: what they return and what they see, the commands that they call, their errors, and scripts that
//! take long.
//!
//! The tables' replies are those of Redis 7.0.15; `TEST_SERVER=/path/to/redis-server` runs them against it. What is newer
//! is left out there.

mod common;

use std::time::{Duration, Instant};

use common::{Connection, Reply, Server, check, check_all, check_fresh, wait_until};

/// A state that does not come about in this time fails its test.
const PATIENCE: Duration = Duration::from_secs(20);

/// Whether the tests run against another server.
fn is_other_server() -> bool {
    std::env::var_os("TEST_SERVER").is_some()
}

/// The error of a script's own, with the place that Redis gives.
fn error(script: &str, text: &str) -> String {
    let sha = ruddle::script::cache::sha1_hex(script.as_bytes());
    format!("-{text} script: {sha}, on @user_script:1.")
}

#[test]
fn values_become_replies() {
    check_fresh(
        &[],
        &[
            ("EVAL 'return 1' 0", ":1"),
            ("EVAL 'return -2.99' 0", ":-2"),
            ("EVAL 'return 2.99' 0", ":2"),
            ("EVAL 'return \"a\\0b\"' 0", r#""a\x00b""#),
            ("EVAL 'return true' 0", ":1"),
            ("EVAL 'return false' 0", "$-1"),
            ("EVAL 'return nil' 0", "$-1"),
            ("EVAL 'return' 0", "$-1"),
            ("EVAL 'return function() end' 0", "$-1"),
            ("EVAL 'return {}' 0", "[]"),
            (
                "EVAL 'return {1, 2.5, \"x\", {3, {}}, false, true, nil, 4}' 0",
                r#"[:1, :2, "x", [:3, []], $-1, :1]"#,
            ),
            ("EVAL 'return {1, x = 2, 3}' 0", "[:1, :3]"),
            ("EVAL 'return {ok = \"fine\"}' 0", "+fine"),
            ("EVAL 'return {ok = \"a\\r\\nb\"}' 0", "+a  b"),
            ("EVAL 'return {err = \"MY own\"}' 0", "-MY own"),
            ("EVAL 'return {double = 1.5}' 0", r#""1.5" // ,1.5"#),
            ("EVAL 'return {big_number = \"12\"}' 0", r#""12" // (12"#),
            (
                "EVAL 'return {verbatim_string = {format = \"txt\", string = \"x\"}}' 0",
                r#""x" // =txt:x"#,
            ),
            (
                "EVAL 'return {map = {a = 1}}' 0",
                r#"["a", :1] // %{"a": :1}"#,
            ),
            ("EVAL 'return {set = {a = true}}' 0", r#"["a"] // ~["a"]"#),
            ("EVAL 'redis.setresp(3) return true' 0", ":1 // #t"),
            ("EVAL 'redis.setresp(3) return false' 0", ":0 // #f"),
            ("EVAL 'return redis.status_reply(\"fine\")' 0", "+fine"),
            ("EVAL 'return redis.error_reply(\"MY own\")' 0", "-MY own"),
            ("EVAL 'return redis.error_reply(\"-MY own\")' 0", "-MY own"),
            ("EVAL 'return redis.error_reply(\"own\")' 0", "-ERR own"),
            (
                "EVAL 'return redis.error_reply(1)' 0",
                "-ERR wrong number or type of arguments",
            ),
        ],
    );
}

/// Whatever came before: plain answers, large ones, errors and arrays are made into values in different ways.
#[test]
fn answers_of_all_kinds_follow_each_other() {
    let script = "local got, large = {}, ('x'):rep(100000) \
                  for at = 1, 2 do \
                  for _, call in ipairs({{'set', 'k', 'a\\\\r\\\\nb'}, {'get', 'k'}, {'incr', 'n'}, {'incr', 'k'}, {'get', 'n'}, \
                  {'get', 'none'}, {'ping'}, {'mget', 'k', 'none'}, {'set', 'e', ''}, {'get', 'e'}, {{}}, {}, \
                  {'set', 'l', large}, {'get', 'l'}, {'strlen', 'l'}, \
                  {'rpush', 'q', '1', '2', '3'}, {'rpop', 'q', '1'}}) do \
                  got[#got + 1] = redis.pcall(unpack(call)) if got[#got] == large then got[#got] = 'large' end end end \
                  return got";
    let once = |number: u32| {
        format!(
            "+OK, \"a\\r\\nb\", :{number}, -ERR value is not an integer or out of range, \"{number}\", $-1, +PONG, \
             [\"a\\r\\nb\", $-1], +OK, \"\", -ERR Lua redis lib command arguments must be strings or integers, \
             -ERR Please specify at least one argument for this redis lib call, +OK, \"large\", :100000, \
             :{}, [\"3\"]",
            2 * number + 1
        )
    };
    check_fresh(
        &[],
        &[(
            &format!("EVAL \"{script}\" 0"),
            &format!("[{}, {}]", once(1), once(2)),
        )],
    );
}

#[test]
fn replies_become_values() {
    check_fresh(
        &[],
        &[
            ("SET s x", "+OK"),
            ("RPUSH l a b", ":2"),
            ("HSET h f v", ":1"),
            ("SADD set m", ":1"),
            ("ZADD z 1.5 m", ":1"),
            (
                "EVAL 'return type(redis.call(\"get\", \"no\"))' 0",
                r#""boolean""#,
            ),
            ("EVAL 'return redis.call(\"get\", KEYS[1])' 1 s", r#""x""#),
            ("EVAL 'return redis.call(\"set\", \"s\", \"y\")' 0", "+OK"),
            (
                "EVAL 'return redis.call(\"set\", \"s\", \"y\").ok' 0",
                r#""OK""#,
            ),
            (
                "EVAL 'return #redis.call(\"lrange\", \"l\", 0, -1)' 0",
                ":2",
            ),
            ("EVAL 'return redis.call(\"incr\", \"n\") + 1' 0", ":2"),
            (
                "EVAL 'return redis.call(\"hgetall\", \"h\")[2]' 0",
                r#""v""#,
            ),
            (
                "EVAL 'redis.setresp(3) return redis.call(\"hgetall\", \"h\").map.f' 0",
                r#""v""#,
            ),
            (
                "EVAL 'redis.setresp(3) return redis.call(\"smembers\", \"set\").set.m' 0",
                ":1 // #t",
            ),
            (
                "EVAL 'redis.setresp(3) return tostring(redis.call(\"zscore\", \"z\", \"m\").double)' 0",
                r#""1.5""#,
            ),
            (
                "EVAL 'redis.setresp(3) return tostring(redis.call(\"get\", \"no\"))' 0",
                r#""nil""#,
            ),
            (
                "EVAL 'return redis.pcall(\"incr\", \"s\").err' 0",
                r#""ERR value is not an integer or out of range""#,
            ),
            (
                "EVAL 'redis.call(\"select\", 3) redis.call(\"set\", \"s\", 3)' 0",
                "$-1",
            ),
            ("GET s", r#""y""#),
        ],
    );
}

#[test]
fn numbers_become_words_as_they_are() {
    check_fresh(
        &[],
        &[
            ("EVAL 'return redis.call(\"echo\", 1)' 0", r#""1""#),
            ("EVAL 'return redis.call(\"echo\", -0.5)' 0", r#""-0.5""#),
            (
                "EVAL 'return redis.call(\"echo\", 2^53)' 0",
                r#""9007199254740992""#,
            ),
            ("EVAL 'return redis.call(\"echo\", 1e20)' 0", r#""1e+20""#),
            ("EVAL 'return redis.call(\"echo\", 1/0)' 0", r#""inf""#),
        ],
    );
    if is_other_server() {
        return;
    }
    // Since Redis 7.2: the shortest digits.
    check_fresh(
        &[],
        &[
            ("EVAL 'return redis.call(\"echo\", 0.1)' 0", r#""0.1""#),
            ("EVAL 'return redis.call(\"echo\", -0.0)' 0", r#""0""#),
            (
                "EVAL 'return redis.call(\"echo\", 1e17)' 0",
                r#""100000000000000000""#,
            ),
            (
                "EVAL 'return redis.call(\"echo\", 12345678901234567890)' 0",
                r#""12345678901234567000""#,
            ),
        ],
    );
}

#[test]
fn keys_and_arguments_are_given() {
    check_fresh(
        &[],
        &[
            (
                "EVAL 'return {KEYS[1], KEYS[2], ARGV[1], #KEYS, #ARGV}' 2 a b \"\\x00\"",
                r#"["a", "b", "\x00", :2, :1]"#,
            ),
            (
                "EVAL 'return 1' x",
                "-ERR value is not an integer or out of range",
            ),
            (
                "EVAL 'return 1' -1",
                "-ERR Number of keys can't be negative",
            ),
            (
                "EVAL 'return 1' 2 a",
                "-ERR Number of keys can't be greater than number of args",
            ),
            ("EVAL 'KEYS[1] = \"x\" return KEYS[1]' 1 a", r#""x""#),
            ("EVAL 'return KEYS[1]' 0", "$-1"),
            (
                "EVAL x",
                "-ERR wrong number of arguments for 'eval' command",
            ),
        ],
    );
}

/// Scripts that fail, and the texts of their errors.
const FAILING: &[(&str, &str)] = &[
    ("error(\"boo\")", "ERR user_script:1: boo"),
    ("error({err = \"MY own\"})", "MY own"),
    (
        "return x",
        "ERR user_script:1: Script attempted to access nonexistent global variable 'x'",
    ),
    (
        "x = 1",
        "ERR user_script:1: Attempt to modify a readonly table",
    ),
    (
        "redis.call(\"nope\")",
        "ERR Unknown Redis command called from script",
    ),
    (
        "redis.call(\"get\")",
        "ERR Wrong number of args calling Redis command from script",
    ),
    (
        "redis.call(\"eval\", \"return 1\", 0)",
        "ERR This Redis command is not allowed from script",
    ),
    (
        "redis.call()",
        "ERR Please specify at least one argument for this redis lib call",
    ),
    (
        "redis.call({})",
        "ERR Lua redis lib command arguments must be strings or integers",
    ),
    (
        "coroutine.wrap(function() error(\"x\") end)()",
        "ERR user_script:1: user_script:1: x",
    ),
    (
        "coroutine.wrap(function() redis.call(\"nope\") end)()",
        "ERR Unknown Redis command called from script",
    ),
    ("redis.setresp(4)", "ERR RESP version must be 2 or 3."),
    (
        "redis.log(1)",
        "ERR redis.log() requires two arguments or more.",
    ),
    ("redis.log(9, 1)", "ERR Invalid debug level."),
    (
        "redis.set_repl(8)",
        "ERR Invalid replication flags. Use REPL_AOF, REPL_REPLICA, REPL_ALL or REPL_NONE.",
    ),
    (
        "redis.acl_check_cmd(\"nope\")",
        "ERR Invalid command passed to redis.acl_check_cmd()",
    ),
];

#[test]
fn errors_say_where_they_happened() {
    let lines: Vec<(String, String)> = FAILING
        .iter()
        .map(|(script, text)| (format!("EVAL '{script}' 0"), error(script, text)))
        .collect();
    let table: Vec<(&str, &str)> = lines
        .iter()
        .map(|(line, want)| (line.as_str(), want.as_str()))
        .collect();
    check_fresh(&[], &table);
    check_fresh(
        &[],
        &[
            (
                "EVAL 'return +' 0",
                "-ERR Error compiling script (new function): user_script:1: unexpected symbol near '+'",
            ),
            ("EVAL 'return select(2, pcall(error, \"a\"))' 0", r#""a""#),
            (
                "EVAL 'return select(2, pcall(redis.call, \"nope\"))' 0",
                r#""ERR Unknown Redis command called from script""#,
            ),
        ],
    );
}

#[test]
fn the_table_redis_has_what_scripts_rely_on() {
    check_fresh(
        &[],
        &[
            (
                "EVAL 'return redis.sha1hex(\"\")' 0",
                r#""da39a3ee5e6b4b0d3255bfef95601890afd80709""#,
            ),
            ("EVAL 'return redis.acl_check_cmd(\"get\", \"x\")' 0", ":1"),
            ("EVAL 'return redis.replicate_commands()' 0", ":1"),
            ("EVAL 'redis.set_repl(redis.REPL_ALL)' 0", "$-1"),
            ("EVAL 'redis.log(redis.LOG_DEBUG, \"a\", 1)' 0", "$-1"),
            ("EVAL 'return redis.breakpoint()' 0", "$-1"),
            (
                "EVAL 'return {redis.LOG_DEBUG, redis.LOG_WARNING}' 0",
                "[:0, :3]",
            ),
            ("EVAL 'return type(redis.REDIS_VERSION)' 0", r#""string""#),
            (
                "EVAL 'return type(redis.REDIS_VERSION_NUM)' 0",
                r#""number""#,
            ),
            ("EVAL 'return cjson.encode({1})' 0", r#""[1]""#),
        ],
    );
    if !is_other_server() {
        check_fresh(
            &[],
            &[("EVAL 'return server.call(\"echo\", \"x\")' 0", r#""x""#)],
        );
    }
}

#[test]
fn declared_flags_hold() {
    check_fresh(
        &[],
        &[
            ("EVAL \"#!lua\\nreturn redis.call('set', 'k', 1)\" 0", "+OK"),
            (
                "EVAL \"#!lua flags=no-writes,allow-stale\\nreturn redis.call('get', 'k')\" 0",
                "\"1\"",
            ),
            (
                "EVAL \"#!lua flags=no-writes\\nreturn redis.pcall('set', 'k', 1).err\" 0",
                "\"ERR Write commands are not allowed from read-only scripts.\"",
            ),
            (
                "EVAL_RO \"#!lua\\nreturn 1\" 0",
                "-ERR Can not execute a script with write flag using *_ro command.",
            ),
            ("EVAL_RO \"return redis.call('get', 'k')\" 0", "\"1\""),
            (
                "EVAL_RO \"return redis.pcall('set', 'k', 1).err\" 0",
                "\"ERR Write commands are not allowed from read-only scripts.\"",
            ),
            (
                "EVAL \"#!luax\\nreturn 1\" 0",
                "-ERR Unexpected engine in script shebang: #!luax",
            ),
            ("EVAL \"#!lua\" 0", "-ERR Invalid script shebang"),
            (
                "EVAL \"#!lua flags=x\\n\" 0",
                "-ERR Unexpected flag in script shebang: x",
            ),
        ],
    );
}

#[test]
fn scripts_are_kept_by_their_hashes() {
    const SHA: &str = "4ca238f611c9d0ae4e9a75a5dbac22aedc379801";
    let upper = SHA.to_ascii_uppercase();
    let evalsha = format!("EVALSHA {SHA} 0");
    let evalsha_upper = format!("EVALSHA {upper} 0");
    let exists = format!("SCRIPT EXISTS {SHA} x {upper}");
    let sha = format!("\"{SHA}\"");
    let evalsha_ro = format!("EVALSHA_RO {SHA} 0");
    let unknown = "-NOSCRIPT No matching script. Please use EVAL.";
    check_fresh(
        &[],
        &[
            (&evalsha, unknown),
            ("EVALSHA x 9", unknown),
            ("SCRIPT LOAD 'return 5'", &sha),
            (&evalsha, ":5"),
            (&evalsha_upper, ":5"),
            (&evalsha_ro, ":5"),
            (&exists, "[:1, :0, :1]"),
            (
                "SCRIPT FLUSH x",
                "-ERR SCRIPT FLUSH only support SYNC|ASYNC option",
            ),
            ("SCRIPT FLUSH SYNC", "+OK"),
            (&evalsha, unknown),
            ("EVAL 'return 5' 0", ":5"),
            (&evalsha, ":5"),
            ("SCRIPT FLUSH ASYNC", "+OK"),
            (&exists, "[:0, :0, :0]"),
            ("SCRIPT KILL", "-NOTBUSY No scripts in execution right now."),
            (
                "SCRIPT LOAD +",
                "-ERR Error compiling script (new function): user_script:1: unexpected symbol near '+'",
            ),
        ],
    );
    if !is_other_server() {
        let show = format!("SCRIPT SHOW {SHA}");
        check_fresh(
            &[],
            &[
                (&show, unknown),
                ("SCRIPT LOAD 'return 5'", &sha),
                (&show, "\"return 5\""),
                ("SCRIPT DEBUG NO", "+OK"),
            ],
        );
    }
}

#[test]
fn only_so_many_scripts_of_eval_are_kept() {
    if is_other_server() {
        return;
    }
    let server = Server::start(&[]);
    let mut client = server.connect();
    let sha = ruddle::script::cache::sha1_hex(b"return 'kept'");
    check(
        &mut client,
        "SCRIPT LOAD \"return 'kept'\"",
        &format!("\"{sha}\""),
    );
    for number in 0..600 {
        let line = format!("EVAL 'return {number}' 0");
        check(&mut client, &line, &format!(":{number}"));
    }
    let info = client.run("INFO").to_string();
    assert!(info.contains("number_of_cached_scripts:501"), "{info}");
    assert!(info.contains("evicted_scripts:100"), "{info}");
    check(&mut client, &format!("EVALSHA {sha} 0"), "\"kept\"");
}

#[test]
fn a_result_that_contains_itself_ends() {
    if is_other_server() {
        // Redis nests such a result deeper than this test's reader goes.
        return;
    }
    let server = Server::start(&[]);
    let mut client = server.connect();
    let reply = client.run("EVAL 'local a = {} a[1] = a return a' 0");
    assert!(matches!(reply, Reply::Array(_)), "{reply}");
    assert!(reply.to_string().contains("-ERR reached lua stack limit"));
    check(&mut client, "PING", "+PONG");
}

#[test]
fn errors_are_counted_once() {
    let server = Server::start(&[]);
    let mut client = server.connect();
    client.run("EVAL 'return redis.call(\"select\", 99)' 0");
    let info = client.run("INFO everything").to_string();
    for want in [
        "errorstat_ERR:count=1",
        "total_error_replies:1",
        "cmdstat_select:calls=1,",
        "cmdstat_eval:calls=1,",
    ] {
        assert!(info.contains(want), "{want} in {info}");
    }
}

#[test]
fn a_script_that_answers_an_error_has_failed_whoever_made_the_error() {
    let server = Server::start(&[]);
    let mut client = server.connect();
    // What the script does, and how often the server counts it as failed, and errors in all.
    for (body, failed, errors) in [
        ("return redis.call(\"select\", 99)", 1, 1),
        ("return redis.pcall(\"select\", 99)", 1, 1),
        ("return {1, redis.pcall(\"nosuch\")}", 1, 1),
        ("return redis.call(\"nosuch\")", 1, 1),
        ("return {err = \"MY own\"}", 1, 1),
        ("error(\"x\")", 1, 1),
        ("redis.pcall(\"select\", 99) return 1", 0, 1),
        ("return 1", 0, 0),
    ] {
        client.run("CONFIG RESETSTAT");
        client.run(&format!("EVAL '{body}' 0"));
        let info = client.run("INFO everything").to_string();
        let mut lines = info.split("\\r\\n");
        let counts = lines.find(|line| line.starts_with("cmdstat_eval:"));
        let counts = counts.expect("it was called");
        let want = format!("rejected_calls=0,failed_calls={failed}");
        assert!(counts.ends_with(&want), "{body}: {counts}");
        let want = format!("total_error_replies:{errors}\\r\\n");
        assert!(info.contains(&want), "{body}");
    }
}

/// Waits until commands are answered with BUSY, or are not any more.
fn wait_for_busy(client: &mut Connection, busy: bool) {
    let start = Instant::now();
    loop {
        let is_busy = client.run("PING").to_string().starts_with("-BUSY");
        if is_busy == busy {
            return;
        }
        assert!(
            start.elapsed() < PATIENCE,
            "the server does not become busy: {busy}"
        );
        std::thread::yield_now();
    }
}

const LIMIT: &[&str] = &["--busy-reply-threshold", "20"];

#[test]
fn a_script_that_takes_long_can_be_ended() {
    let server = Server::start(LIMIT);
    let (mut caller, mut other) = (server.connect(), server.connect());
    // Redis does not end the last ones.
    let count = if is_other_server() { 2 } else { usize::MAX };
    let scripts = [
        "while true do end",
        "while true do pcall(function() while true do end end) end",
        "local function deep() pcall(deep) while true do end end deep()",
        "local c = coroutine.wrap(function() while true do pcall(function() while true do end end) end end) \
         while true do pcall(c) end",
        "while true do pcall(redis.call, 'get', 'x') end",
        "return string.find(string.rep('a', 300000), string.rep('a?', 300000) .. 'b')",
        "local s = ('a'):rep(1500) while true do pcall(string.find, s, 'a*b') end",
        "return string.find('[b' .. ('a'):rep(1990), '%b[ba*a*a*a*]')",
        "for w in string.gmatch(('^'):rep(4000), '^^*^*x') do end",
        "while true do xpcall(function() while true do end end, function() while true do end end) end",
        "local t = {} for i = 1, 40 do t = {t, t} end return cjson.encode(t)",
    ];
    for script in scripts.into_iter().take(count) {
        caller.send(&common::encode(&["EVAL", script, "0"]));
        wait_for_busy(&mut other, true);
        check(
            &mut other,
            "GET x",
            "-BUSY Redis is busy running a script. You can only call SCRIPT KILL or SHUTDOWN NOSAVE.",
        );
        let mut leaving = server.connect();
        check(&mut leaving, "QUIT", "+OK");
        assert!(leaving.is_closed());
        // Those who come now are served too.
        check(
            &mut server.connect(),
            "HELLO x",
            "-ERR Protocol version is not an integer or out of range",
        );
        check(
            &mut other,
            "FUNCTION KILL",
            "-BUSY Redis is busy running a script. You can only call SCRIPT KILL or SHUTDOWN NOSAVE.",
        );
        check(&mut other, "SCRIPT KILL", "+OK");
        let reply = caller.read().to_string();
        assert!(
            reply.starts_with("-ERR Script killed by user with SCRIPT KILL"),
            "{script}: {reply}"
        );
        wait_for_busy(&mut other, false);
    }
    check(&mut other, "SET x 1", "+OK");
    check(
        &mut caller,
        "EVAL 'return redis.call(\"get\", \"x\")' 0",
        "\"1\"",
    );
}

#[test]
fn a_script_that_has_written_is_not_ended() {
    let server = Server::start(LIMIT);
    let (mut caller, mut other) = (server.connect(), server.connect());
    let script = "redis.call('set', 'x', 1) local i = 0 while i < 3e7 do i = i + 1 end return i";
    caller.send(&common::encode(&["EVAL", script, "0"]));
    wait_for_busy(&mut other, true);
    check(&mut other, "MULTI", "+OK");
    let reply = other.run("SCRIPT KILL").to_string();
    assert!(
        reply.starts_with('+') || reply.starts_with("-UNKILLABLE"),
        "{reply}"
    );
    check(&mut other, "DISCARD", "+OK");
    check(&mut caller, "GET x", ":30000000");
    assert_eq!(caller.read().to_string(), "\"1\"");
    wait_for_busy(&mut other, false);
}

#[test]
fn an_answer_to_be_skipped_is_skipped_while_a_script_runs_too() {
    let server = Server::start(LIMIT);
    let (mut caller, mut other, mut third) = (server.connect(), server.connect(), server.connect());
    other.send(b"CLIENT REPLY SKIP\r\n");
    wait_until("it has been executed", || {
        third
            .run("CLIENT LIST")
            .to_string()
            .contains("cmd=client|reply")
    });
    caller.send(&common::encode(&["EVAL", "while true do end", "0"]));
    wait_for_busy(&mut third, true);
    other.send(b"GET skipped\r\n");
    check(&mut other, "QUIT", "+OK");
    check(&mut third, "SCRIPT KILL", "+OK");
}

#[test]
fn what_a_transaction_misses_while_a_script_runs_fails_it() {
    let server = Server::start(LIMIT);
    let (mut caller, mut other) = (server.connect(), server.connect());
    check(&mut other, "MULTI", "+OK");
    caller.send(&common::encode(&["EVAL", "while true do end", "0"]));
    let mut third = server.connect();
    wait_for_busy(&mut third, true);
    let reply = other.run("SET x 1").to_string();
    assert!(reply.starts_with("-BUSY"), "{reply}");
    check(&mut third, "SCRIPT KILL", "+OK");
    wait_for_busy(&mut third, false);
    let reply = other.run("EXEC").to_string();
    assert!(reply.starts_with("-EXECABORT"), "{reply}");
    check(&mut other, "GET x", "$-1");
}

#[test]
fn scripts_run_in_transactions() {
    let server = Server::start(&[]);
    check_all(
        &server,
        &[
            ("MULTI", "+OK"),
            ("EVAL 'return redis.call(\"incr\", KEYS[1])' 1 n", "+QUEUED"),
            ("INCR n", "+QUEUED"),
            ("EVAL 'return redis.call(\"nope\")' 0", "+QUEUED"),
            (
                "EXEC",
                &format!(
                    "[:1, :2, {}]",
                    error(
                        "return redis.call(\"nope\")",
                        "ERR Unknown Redis command called from script",
                    )
                ),
            ),
        ],
    );
}

#[test]
fn subcommands_are_listed() {
    let server = Server::start(&[]);
    let mut client = server.connect();
    for line in ["SCRIPT HELP", "FUNCTION HELP"] {
        let help = client.run(line).to_string();
        assert!(help.contains("KILL") && help.contains("HELP"), "{help}");
    }
}

#[test]
fn what_scripts_leave_behind_is_collected_in_time() {
    const LIMIT_BYTES: u64 = 110 * 1024;
    let server = Server::start(&[]);
    let mut client = server.connect();
    let run = common::encode(&["EVAL", "return redis.call('incr', KEYS[1])", "1", "x"]);
    for round in 1..=20 {
        client.send(&run.repeat(500));
        for _ in 0..500 {
            client.read();
        }
        let bytes = common::info_field(&mut client, "memory", "used_memory_lua");
        let bytes: u64 = bytes.parse().expect("it is a number");
        assert!(bytes < LIMIT_BYTES, "{bytes} bytes after {round} rounds");
    }
}

/// What a library leaves behind has finalizers, which the collector calls in the middle of whatever is being made.
#[test]
fn values_are_made_only_where_finalizers_have_room() {
    if std::env::var("TEST_SERVER").is_ok() {
        // It is about this server's libraries.
        return;
    }
    let server = Server::start(&["--io-threads", "2"]);
    let mut connection = server.connect();
    let script = r#"
        local text = '[' .. ('{"a":"b"},'):rep(3000) .. '1]'
        local packed = cmsgpack.pack(cjson.decode(text))
        for i = 1, 500 do redis.call('RPUSH', 'l', i) end
        local function deep(use)
            local ok, result = pcall(deep, use)
            if ok then return result end
            -- Where no further call has room, and one level after the other above that.
            use()
            return 'made'
        end
        local outcomes = {}
        for _, use in ipairs({
            function() return cjson.decode(text) end,
            function() return cmsgpack.unpack(packed) end,
            function() return cjson.encode(cjson.decode(text)) end,
            function() return redis.call('LRANGE', 'l', 0, -1) end,
        }) do
            for i = 1, 5 do
                for j = 1, 1000 do cjson.new() end
                outcomes[#outcomes + 1] = deep(use)
            end
        end
        return table.concat(outcomes)"#;
    let made = connection.command(&["EVAL", script, "0"]).to_string();
    assert_eq!(made, format!("{:?}", "made".repeat(20)));
    // Nothing is locked for good, on this thread and on the other.
    for mut other in [server.connect(), server.connect(), connection] {
        let answer = other.command(&["EVAL", "return #cjson.decode('[1,2,3]')", "0"]);
        assert_eq!(answer.to_string(), ":3");
    }
}
