//! The server family over the wire: figures, the data set as a whole, DEBUG, the slow log, and the server's end.
//!
//! Tables were compared with redis-server 7.0.15 (`TEST_SERVER=redis-server cargo test --test server`), and hold for
//! both where nothing else is said.

mod common;

use std::io::Read;
use std::net::{TcpListener, TcpStream};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use common::{Connection, Reply, Server, check, check_fresh};

/// A state that does not come within this time fails its test.
const PATIENCE: Duration = Duration::from_secs(20);
const DEBUG: &[&str] = &["--enable-debug-command", "yes"];

/// Whether the tests run against another server, whose own figures differ.
fn is_foreign() -> bool {
    std::env::var_os("TEST_SERVER").is_some()
}

/// The text of a bulk or verbatim reply.
fn text(reply: Reply) -> String {
    match reply {
        Reply::Bulk(bytes) | Reply::Verbatim(bytes) => {
            String::from_utf8(bytes).expect("the text is UTF-8")
        }
        other => panic!("{other} is no text"),
    }
}

fn integer(reply: Reply) -> i64 {
    match reply {
        Reply::Integer(value) => value,
        other => panic!("{other} is no integer"),
    }
}

fn array(reply: Reply) -> Vec<Reply> {
    match reply {
        Reply::Array(replies) => replies,
        other => panic!("{other} is no array"),
    }
}

/// The value of a field of INFO.
fn field(connection: &mut Connection, name: &str) -> String {
    let info = text(connection.run("INFO everything"));
    let value = info
        .lines()
        .find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
    value
        .unwrap_or_else(|| panic!("no field {name} in {info}"))
        .to_owned()
}

/// Asks until the answer is as wanted; what it waits for is done by another thread of the server.
fn wait_for(what: &str, mut holds: impl FnMut() -> bool) {
    let start = Instant::now();
    while !holds() {
        assert!(start.elapsed() < PATIENCE, "waited in vain until {what}");
        std::thread::yield_now();
    }
}

#[test]
fn databases_are_counted_flushed_and_swapped() {
    check_fresh(
        &[],
        &[
            ("DBSIZE", ":0"),
            (
                "DBSIZE x",
                "-ERR wrong number of arguments for 'dbsize' command",
            ),
            ("MSET a 1 b 2", "+OK"),
            ("DBSIZE", ":2"),
            ("SELECT 3", "+OK"),
            ("SET c 3", "+OK"),
            ("SWAPDB 0 3", "+OK"),
            ("DBSIZE", ":2"),
            ("GET a", "\"1\""),
            ("SWAPDB 3 3", "+OK"),
            ("SWAPDB a b", "-ERR invalid first DB index"),
            ("SWAPDB 0 b", "-ERR invalid second DB index"),
            ("SWAPDB 0 99999999999", "-ERR invalid second DB index"),
            ("SWAPDB 0 16", "-ERR DB index is out of range"),
            ("SWAPDB -1 0", "-ERR DB index is out of range"),
            ("FLUSHDB", "+OK"),
            ("DBSIZE", ":0"),
            ("SELECT 0", "+OK"),
            ("DBSIZE", ":1"),
            ("FLUSHDB ASYNC", "+OK"),
            ("FLUSHDB sync", "+OK"),
            ("FLUSHDB later", "-ERR syntax error"),
            ("FLUSHALL later", "-ERR syntax error"),
            ("FLUSHALL SYNC SYNC", "-ERR syntax error"),
            ("SET a 1", "+OK"),
            ("FLUSHALL async", "+OK"),
            ("DBSIZE", ":0"),
        ],
    );
}

#[test]
fn changes_are_counted_and_flushing_all_forgets_them_where_saving_is_on() {
    let server = Server::start(&["--dbfilename", "changes.rdb"]);
    let mut client = server.connect();
    let dirty = |client: &mut Connection| field(client, "rdb_changes_since_last_save");
    check(&mut client, "MSET a 1 b 2", "+OK");
    check(&mut client, "FLUSHALL", "+OK");
    assert_eq!(dirty(&mut client), "4");
    check(&mut client, "FLUSHALL", "+OK");
    check(&mut client, "SWAPDB 0 1", "+OK");
    assert_eq!(dirty(&mut client), "5");
    check(&mut client, "CONFIG SET save '3600 1'", "+OK");
    check(&mut client, "SET a 1", "+OK");
    check(&mut client, "FLUSHDB", "+OK");
    assert_eq!(dirty(&mut client), "7");
    check(&mut client, "FLUSHALL", "+OK");
    assert_eq!(dirty(&mut client), "0");
}

#[test]
fn flushed_memory_is_given_back_off_the_path_of_commands() {
    let server = Server::start(DEBUG);
    let mut client = server.connect();
    let used = |client: &mut Connection| {
        field(client, "used_memory")
            .parse::<u64>()
            .expect("a number")
    };
    let before = used(&mut client);
    check(&mut client, "DEBUG POPULATE 20000 key 100", "+OK");
    assert!(used(&mut client) > before + 2_000_000);
    check(&mut client, "FLUSHALL ASYNC", "+OK");
    wait_for("the memory is free", || {
        used(&mut client) < before + 500_000
    });
    wait_for("all is dropped", || {
        field(&mut client, "lazyfree_pending_objects") == "0"
    });
}

#[test]
fn debug_is_refused_unless_the_configuration_allows_it() {
    let refusal = "-ERR DEBUG command not allowed. If the enable-debug-command option is set to \"local\", you can run it \
        from a local connection, otherwise you need to set this option in the configuration file, and then restart the \
        server.";
    check_fresh(
        &[],
        &[
            ("DEBUG SLEEP 0", refusal),
            ("DEBUG HELP", refusal),
            (
                "DEBUG",
                "-ERR wrong number of arguments for 'debug' command",
            ),
        ],
    );
    check_fresh(
        &["--enable-debug-command", "local"],
        &[("DEBUG SLEEP 0", "+OK")],
    );
}

#[test]
fn debug_tells_how_a_table_is_filled() {
    let server = Server::start(DEBUG);
    let mut client = server.connect();
    let head = "Hash table 0 stats (main hash table):\n";
    let none = format!("{head}No stats available for empty dictionaries\n");
    let nothing = format!("[Dictionary HT]\n{none}[Expires HT]\n{none}");
    assert_eq!(text(client.run("DEBUG HTSTATS 0 full")), nothing);
    client.run("CONFIG SET set-max-listpack-entries 0");
    client.run("SADD one member");
    let full = text(client.run("DEBUG HTSTATS-KEY one FULL"));
    for line in [
        " table size: 1\n number of elements: 1\n",
        " different slots: 1\n max chain length: 1\n avg chain length (counted): 1.00\n",
        " Chain length distribution:\n   1: 1 (100.00%)\n",
    ] {
        assert!(full.contains(line), "{line} in {full}");
    }
    client.run("DEBUG POPULATE 1000");
    let short = text(client.run("DEBUG HTSTATS 0"));
    assert!(short.contains("number of elements: 1001\n"), "{short}");
    assert!(!short.contains("chain"), "{short}");
    let full = text(client.run("DEBUG HTSTATS 0 full"));
    assert!(full.contains(" max chain length: "), "{full}");
}

#[test]
fn debug_refuses_unknown_forms_and_wrong_values() {
    let unknown = |word: &str| {
        format!(
            "-ERR unknown subcommand or wrong number of arguments for '{word}'. Try DEBUG HELP."
        )
    };
    let (foo, sleep, buffer) = (unknown("foo"), unknown("sleep"), unknown("REPLYBUFFER"));
    check_fresh(
        DEBUG,
        &[
            ("DEBUG foo", &foo),
            ("DEBUG sleep", &sleep),
            ("DEBUG OBJECT missing", "-ERR no such key"),
            ("DEBUG HTSTATS 99", "-ERR Out of range database"),
            (
                "DEBUG HTSTATS x",
                "-ERR value is not an integer or out of range",
            ),
            ("DEBUG HTSTATS-KEY missing", "-ERR no such key"),
            ("SET s text", "+OK"),
            (
                "DEBUG HTSTATS-KEY s",
                "-ERR The value stored at the specified key is not represented using an hash table",
            ),
            ("DEBUG LISTPACK s", "-ERR Not a listpack encoded object."),
            ("DEBUG QUICKLIST s", "-ERR Not a quicklist encoded object."),
            (
                "DEBUG POPULATE x",
                "-ERR value is out of range, must be positive",
            ),
            (
                "DEBUG POPULATE -1",
                "-ERR value is out of range, must be positive",
            ),
            (
                "DEBUG QUICKLIST-PACKED-THRESHOLD 5gb",
                "-ERR argument must be a memory value bigger than 1 and smaller than 4gb",
            ),
            ("DEBUG QUICKLIST-PACKED-THRESHOLD 100b", "+OK"),
            ("DEBUG REPLYBUFFER foo bar", &buffer),
            (
                "DEBUG REPLYBUFFER peak-reset-time x",
                "-ERR value is not an integer or out of range",
            ),
            ("DEBUG REPLYBUFFER peak-reset-time never", "+OK"),
            (
                "DEBUG RELOAD foo",
                "-ERR DEBUG RELOAD only supports the MERGE, NOFLUSH and NOSAVE options.",
            ),
            ("DEBUG ERROR 'CODE text'", "-CODE text"),
            ("DEBUG LOG hello", "+OK"),
            ("DEBUG CHANGE-REPL-ID", "+OK"),
            ("DEBUG PAUSE-CRON 1", "+OK"),
            ("DEBUG PAUSE-CRON 0", "+OK"),
            ("DEBUG SET-DISABLE-DENY-SCRIPTS 1", "+OK"),
        ],
    );
}

#[test]
fn debug_protocol_answers_each_type() {
    check_fresh(
        DEBUG,
        &[
            ("DEBUG PROTOCOL string", "\"Hello World\""),
            ("DEBUG PROTOCOL integer", ":12345"),
            ("DEBUG PROTOCOL double", "\"3.141\" // ,3.141"),
            (
                "DEBUG PROTOCOL bignum",
                "\"1234567999999999999999999999999999999\" // (1234567999999999999999999999999999999",
            ),
            ("DEBUG PROTOCOL null", "$-1"),
            ("DEBUG PROTOCOL array", "[:0, :1, :2]"),
            ("DEBUG PROTOCOL set", "[:0, :1, :2] // ~[:0, :1, :2]"),
            (
                "DEBUG PROTOCOL map",
                "[:0, :0, :1, :1, :2, :0] // %{:0: #f, :1: #t, :2: #f}",
            ),
            ("DEBUG PROTOCOL true", ":1 // #t"),
            ("DEBUG PROTOCOL false", ":0 // #f"),
            (
                "DEBUG PROTOCOL verbatim",
                "\"This is a verbatim\\nstring\" // =txt:This is a verbatim\nstring",
            ),
            (
                "DEBUG PROTOCOL other",
                "-ERR Wrong protocol type name. Please use one of the following: \
                 string|integer|double|bignum|null|array|set|map|attrib|push|verbatim|true|false",
            ),
        ],
    );
    let server = Server::start(DEBUG);
    let mut client = server.connect();
    check(
        &mut client,
        "DEBUG PROTOCOL push",
        "-ERR RESP2 is not supported by this command",
    );
    check(
        &mut client,
        "DEBUG PROTOCOL attrib",
        "\"Some real reply following the attribute\"",
    );
    let mut client = server.connect_resp3();
    check(
        &mut client,
        "DEBUG PROTOCOL push",
        ">[\"server-cpu-usage\", :42]",
    );
    assert_eq!(
        client.read().to_string(),
        "\"Some real reply following the push reply\""
    );
}

/// The same data has the same digest in every server.
#[test]
fn digests_are_those_of_redis() {
    // A server that saves for DEBUG RELOAD does not leave its file to other tests.
    check_fresh(
        &[
            "--enable-debug-command",
            "yes",
            "--dbfilename",
            "digests.rdb",
        ],
        &[
            ("FLUSHALL", "+OK"),
            ("DEBUG DIGEST", "+0000000000000000000000000000000000000000"),
            ("SET a 1", "+OK"),
            ("DEBUG DIGEST", "+943d800368fb9c0e951138f1bc0e313ac769d91f"),
            (
                "DEBUG DIGEST-VALUE a missing",
                "[+b4fc66738120fba0b5aa500ab5c2bf89cea1c5da, +0000000000000000000000000000000000000000]",
            ),
            ("RPUSH list one 2 -3 ''", ":4"),
            (
                "DEBUG DIGEST-VALUE list",
                "[+2dab3e15914f103cc5afd0dedf2d6d9aff92ea2e]",
            ),
            ("EXPIRE a 1000", ":1"),
            ("SET text 'some text'", "+OK"),
            ("SELECT 3", "+OK"),
            ("SETEX b 100 value", "+OK"),
            ("DEBUG DIGEST", "+5ef01bab16bd478b5e092926fc267f37b89fad4b"),
            ("DEBUG RELOAD", "+OK"),
            ("DEBUG DIGEST", "+5ef01bab16bd478b5e092926fc267f37b89fad4b"),
        ],
    );
}

#[test]
fn populate_makes_strings_where_there_are_none() {
    check_fresh(
        DEBUG,
        &[
            ("SET key:1 kept", "+OK"),
            ("DEBUG POPULATE 3", "+OK"),
            (
                "MGET key:0 key:1 key:2 key:3",
                "[\"value:0\", \"kept\", \"value:2\", $-1]",
            ),
            ("DEBUG POPULATE 2 p 12", "+OK"),
            ("GET p:1", "\"value:1\\x00\\x00\\x00\\x00\\x00\""),
            ("DEBUG POPULATE 1 q 3", "+OK"),
            ("GET q:0", "\"val\""),
            ("DBSIZE", ":6"),
        ],
    );
}

#[test]
fn debug_object_tells_how_a_value_is_stored() {
    let server = Server::start(DEBUG);
    let mut client = server.connect();
    for (value, want) in [
        ("1", "int serializedlength:2"),
        ("-129", "int serializedlength:3"),
        ("32768", "int serializedlength:5"),
        ("2147483648", "int serializedlength:11"),
        ("abc", "embstr serializedlength:4"),
        ("012345678901234567890", "embstr serializedlength:"),
    ] {
        check(&mut client, &format!("SET key {value}"), "+OK");
        let line = client.run("DEBUG OBJECT key").to_string();
        assert!(line.starts_with("+Value at:0x"), "{line}");
        assert!(
            line.contains(&format!(" encoding:{want}")),
            "{value}: {line}"
        );
        assert!(line.ends_with(" lru_seconds_idle:0"), "{line}");
    }
    // A change in place leaves the value where it is.
    check(&mut client, "SET n 20000", "+OK");
    let place = |client: &mut Connection| {
        let line = client.run("DEBUG OBJECT n").to_string();
        line.split(' ').nth(1).map(str::to_owned)
    };
    let before = place(&mut client);
    check(&mut client, "INCR n", ":20001");
    assert_eq!(place(&mut client), before);
}

#[test]
fn a_sleeping_server_answers_nobody() {
    let server = Server::start(DEBUG);
    let (mut sleeper, mut other) = (server.connect(), server.connect());
    check(&mut other, "PING", "+PONG");
    let start = Instant::now();
    sleeper.send(b"DEBUG SLEEP 0.3\r\n");
    // The other one's command may still come before; then the next one waits.
    while start.elapsed() < Duration::from_millis(300) {
        check(&mut other, "GET a", "$-1");
    }
    assert_eq!(sleeper.read().to_string(), "+OK");
    check(&mut other, "DEBUG SLEEP 0.000001", "+OK");
}

#[test]
fn stopping_the_sweep_keeps_expired_keys_until_they_are_touched() {
    let server = Server::start(&["--enable-debug-command", "yes", "--hz", "100"]);
    let mut client = server.connect();
    check(&mut client, "DEBUG SET-ACTIVE-EXPIRE 0", "+OK");
    check(&mut client, "MSET a 1 b 2", "+OK");
    check(&mut client, "PEXPIRE a 1", ":1");
    check(&mut client, "PEXPIRE b 1", ":1");
    wait_for("a has expired", || client.run("GET a").to_string() == "$-1");
    check(&mut client, "DBSIZE", ":1");
    check(&mut client, "DEBUG SET-ACTIVE-EXPIRE 1", "+OK");
    wait_for("b is swept away", || integer(client.run("DBSIZE")) == 0);
}

#[test]
fn info_has_the_sections_that_are_asked_for() {
    let server = Server::start(&[]);
    let mut client = server.connect();
    let mut titles = |request: &str| {
        let info = text(client.run(request));
        let titles: Vec<&str> = info
            .lines()
            .filter_map(|line| line.strip_prefix("# "))
            .collect();
        titles.join(" ")
    };
    let default = "Server Clients Memory Persistence Stats Replication CPU Modules Errorstats Cluster Keyspace";
    let all = "Server Clients Memory Persistence Stats Replication CPU Modules Commandstats Errorstats Latencystats Cluster \
               Keyspace";
    for (request, want) in [
        ("INFO", default),
        ("INFO default", default),
        ("INFO EVERYTHING", all),
        ("INFO cpu", "CPU"),
        ("INFO keyspace CPU keyspace", "CPU Keyspace"),
        ("INFO cpu default", default),
        ("INFO unknown", ""),
        ("INFO unknown cluster", "Cluster"),
        ("INFO commandstats", "Commandstats"),
    ] {
        assert_eq!(titles(request), want, "{request}");
    }
    let info = text(client.run("INFO cpu cluster"));
    assert!(
        info.starts_with("# CPU\r\n")
            && info.ends_with("\r\n\r\n# Cluster\r\ncluster_enabled:0\r\n"),
        "{info:?}"
    );
    let verbatim = server.connect_resp3().run("INFO cluster");
    assert_eq!(
        verbatim,
        Reply::Verbatim(b"txt:# Cluster\r\ncluster_enabled:0\r\n".to_vec())
    );
}

/// The fields that redis-py, redis_exporter, redis-benchmark and Redis's own tests read by name.
#[test]
fn info_has_the_fields_that_clients_read() {
    let server = Server::start(&[]);
    let mut client = server.connect();
    let info = text(client.run("INFO everything"));
    let names: Vec<&str> = info
        .lines()
        .filter_map(|line| Some(line.split_once(':')?.0))
        .collect();
    let wanted = "redis_version redis_mode os arch_bits process_id run_id tcp_port uptime_in_seconds hz executable \
        config_file io_threads_active connected_clients maxclients blocked_clients used_memory used_memory_human \
        used_memory_rss used_memory_peak used_memory_overhead used_memory_startup used_memory_dataset \
        used_memory_dataset_perc total_system_memory maxmemory maxmemory_policy mem_fragmentation_ratio mem_allocator \
        allocator_frag_ratio mem_not_counted_for_evict lazyfree_pending_objects loading async_loading \
        rdb_changes_since_last_save rdb_bgsave_in_progress rdb_last_save_time rdb_last_bgsave_status aof_enabled \
        aof_rewrite_in_progress aof_rewrite_scheduled aof_last_bgrewrite_status aof_last_write_status \
        total_connections_received total_commands_processed instantaneous_ops_per_sec total_net_input_bytes \
        total_net_output_bytes instantaneous_input_kbps rejected_connections sync_full sync_partial_ok expired_keys \
        expired_stale_perc evicted_keys keyspace_hits keyspace_misses pubsub_channels latest_fork_usec total_forks \
        total_error_replies role connected_slaves master_failover_state master_replid master_replid2 master_repl_offset \
        second_repl_offset repl_backlog_active repl_backlog_size used_cpu_sys used_cpu_user used_cpu_sys_children \
        used_cpu_user_main_thread cluster_enabled";
    for name in wanted.split_ascii_whitespace() {
        assert!(names.contains(&name), "no {name} in {info}");
    }
    assert_eq!(field(&mut client, "tcp_port"), server.port.to_string());
    assert_eq!(field(&mut client, "role"), "master");
    assert_eq!(field(&mut client, "master_replid").len(), 40);
    if !is_foreign() {
        assert_eq!(
            field(&mut client, "redis_version"),
            ruddle::instance::REDIS_VERSION
        );
        assert_eq!(
            field(&mut client, "ruddle_version"),
            ruddle::instance::RUDDLE_VERSION
        );
    }
}

#[test]
fn info_counts_what_happens_and_resetstat_forgets_it() {
    let server = Server::start(&[]);
    let mut client = server.connect();
    for (line, want) in [
        ("SET a 1", "+OK"),
        ("GET a", "\"1\""),
        ("GET b", "$-1"),
        ("GET", "-ERR wrong number of arguments for 'get' command"),
        (
            "INCR a x",
            "-ERR wrong number of arguments for 'incr' command",
        ),
        (
            "LPUSH a x",
            "-WRONGTYPE Operation against a key holding the wrong kind of value",
        ),
        (
            "CONFIG GET port port",
            &format!("[\"port\", \"{}\"]", server.port),
        ),
        ("SETEX c 100 x", "+OK"),
    ] {
        check(&mut client, line, want);
    }
    for (name, want) in [
        ("keyspace_hits", "1"),
        ("keyspace_misses", "1"),
        ("total_error_replies", "3"),
        ("errorstat_ERR", "count=2"),
        ("errorstat_WRONGTYPE", "count=1"),
        ("connected_clients", "1"),
    ] {
        assert_eq!(field(&mut client, name), want, "{name}");
    }
    for (name, start, end) in [
        ("cmdstat_get", "calls=2", "rejected_calls=1,failed_calls=0"),
        (
            "cmdstat_lpush",
            "calls=1",
            "rejected_calls=0,failed_calls=1",
        ),
        (
            "cmdstat_config|get",
            "calls=1",
            "rejected_calls=0,failed_calls=0",
        ),
        ("db0", "keys=2,expires=1,avg_ttl=", ""),
    ] {
        let value = field(&mut client, name);
        assert!(
            value.starts_with(start) && value.ends_with(end),
            "{name} {value}"
        );
    }
    check(&mut client, "CONFIG RESETSTAT", "+OK");
    let info = text(client.run("INFO everything"));
    for gone in [
        "errorstat_",
        "cmdstat_get:",
        "keyspace_hits:1",
        "total_error_replies:3",
    ] {
        assert!(!info.contains(gone), "{gone} in {info}");
    }
    check(
        &mut client,
        "CONFIG RESETSTAT x",
        "-ERR wrong number of arguments for 'config|resetstat' command",
    );
}

#[test]
fn the_slow_log_keeps_commands_that_took_long() {
    let server = Server::start(&[
        "--enable-debug-command",
        "yes",
        "--slowlog-log-slower-than",
        "50000",
    ]);
    let mut client = server.connect();
    for (line, want) in [
        ("SLOWLOG LEN", ":0"),
        ("SLOWLOG GET", "[]"),
        ("CLIENT SETNAME me", "+OK"),
        ("PING", "+PONG"),
        ("DEBUG SLEEP 0.06", "+OK"),
        ("SLOWLOG LEN", ":1"),
    ] {
        check(&mut client, line, want);
    }
    let mut entries = array(client.run("SLOWLOG GET"));
    let entry = array(entries.remove(0));
    assert_eq!(entry.len(), 6);
    assert_eq!(entry[0], Reply::Integer(0));
    assert!(integer(entry[2].clone()) >= 60_000, "{}", entry[2]);
    assert_eq!(entry[3].to_string(), "[\"DEBUG\", \"SLEEP\", \"0.06\"]");
    assert!(text(entry[4].clone()).starts_with("127.0.0.1:"));
    assert_eq!(entry[5].to_string(), "\"me\"");
    for (line, want) in [
        ("SLOWLOG RESET", "+OK"),
        ("SLOWLOG LEN", ":0"),
        (
            "SLOWLOG GET x",
            "-ERR count should be greater than or equal to -1",
        ),
        (
            "SLOWLOG GET -2",
            "-ERR count should be greater than or equal to -1",
        ),
        ("SLOWLOG GET -1", "[]"),
        (
            "SLOWLOG foo",
            "-ERR unknown subcommand 'foo'. Try SLOWLOG HELP.",
        ),
        (
            "SLOWLOG",
            "-ERR wrong number of arguments for 'slowlog' command",
        ),
    ] {
        check(&mut client, line, want);
    }
}

#[test]
fn a_low_threshold_times_quick_commands_too_and_secrets_are_not_kept() {
    let server = Server::start(&[]);
    let mut client = server.connect();
    check(
        &mut client,
        "CONFIG SET slowlog-log-slower-than 0 slowlog-max-len 4",
        "+OK",
    );
    check(&mut client, "SLOWLOG RESET", "+OK");
    check(&mut client, "GET a", "$-1");
    check(
        &mut client,
        "CONFIG SET masterauth secret maxmemory 0",
        "+OK",
    );
    client.run(&format!("LPUSH l {}", "x ".repeat(40)));
    client.run(&format!("SET k {}", "y".repeat(200)));
    check(&mut client, "CONFIG SET slowlog-log-slower-than -1", "+OK");
    let words: Vec<String> = array(client.run("SLOWLOG GET -1"))
        .into_iter()
        .map(|entry| array(entry)[3].to_string())
        .collect();
    let long = format!(
        "[\"SET\", \"k\", \"{}... (72 more bytes)\"]",
        "y".repeat(128)
    );
    assert_eq!(words[0], long);
    assert!(
        words[1].starts_with("[\"LPUSH\", \"l\", \"x\","),
        "{}",
        words[1]
    );
    assert!(
        words[1].ends_with("\"x\", \"... (11 more arguments)\"]"),
        "{}",
        words[1]
    );
    assert_eq!(
        words[2],
        "[\"CONFIG\", \"SET\", \"masterauth\", \"(redacted)\", \"maxmemory\", \"0\"]"
    );
    assert_eq!(words[3], "[\"GET\", \"a\"]");
    assert_eq!(words.len(), 4);
}

#[test]
fn memory_is_accounted_for() {
    check_fresh(
        &[],
        &[
            ("MEMORY USAGE missing", "$-1"),
            ("SET a 1", "+OK"),
            ("MEMORY USAGE a SAMPLES -1", "-ERR syntax error"),
            (
                "MEMORY USAGE a SAMPLES x",
                "-ERR value is not an integer or out of range",
            ),
            ("MEMORY USAGE a SAMPLES", "-ERR syntax error"),
            ("MEMORY USAGE a other", "-ERR syntax error"),
            (
                "MEMORY foo",
                "-ERR unknown subcommand 'foo'. Try MEMORY HELP.",
            ),
            (
                "MEMORY",
                "-ERR wrong number of arguments for 'memory' command",
            ),
            ("MEMORY PURGE", "+OK"),
            (
                "MEMORY MALLOC-STATS more",
                "-ERR wrong number of arguments for 'memory|malloc-stats' command",
            ),
        ],
    );
    let server = Server::start(&[]);
    let mut client = server.connect_resp3();
    check(&mut client, "SET short x", "+OK");
    check(
        &mut client,
        &format!("SET long {}", "x".repeat(100_000)),
        "+OK",
    );
    let usage = |client: &mut Connection, key: &str| {
        integer(client.run(&format!("MEMORY USAGE {key} SAMPLES 0")))
    };
    assert!((20..200).contains(&usage(&mut client, "short")));
    assert!((100_000..140_000).contains(&usage(&mut client, "long")));
    let Reply::Map(stats) = client.run("MEMORY STATS") else {
        panic!("STATS is a map in RESP3")
    };
    let names: Vec<String> = stats.into_iter().map(|(name, _)| text(name)).collect();
    for name in [
        "peak.allocated",
        "total.allocated",
        "db.0",
        "keys.count",
        "dataset.bytes",
        "fragmentation.bytes",
    ] {
        assert!(
            names.iter().any(|known| known == name),
            "no {name} in {names:?}"
        );
    }
    assert_eq!(names.len(), 28);
    assert!(!text(client.run("MEMORY DOCTOR")).is_empty());
}

#[test]
fn time_role_and_lolwut_answer() {
    let server = Server::start(&[]);
    let mut client = server.connect();
    check(&mut client, "ROLE", "[\"master\", :0, []]");
    check(
        &mut client,
        "ROLE x",
        "-ERR wrong number of arguments for 'role' command",
    );
    let seconds = |client: &mut Connection| {
        let parts = array(client.run("TIME"))
            .into_iter()
            .map(text)
            .collect::<Vec<_>>();
        assert!(parts[1].parse::<u32>().expect("microseconds are a number") < 1_000_000);
        parts[0].parse::<i64>().expect("seconds are a number")
    };
    let now_s = seconds(&mut client);
    assert!((now_s - 10..=now_s).contains(&integer(client.run("LASTSAVE"))));
    check(
        &mut client,
        "LOLWUT VERSION x",
        "-ERR value is not an integer or out of range",
    );
    for line in ["LOLWUT", "LOLWUT VERSION 5 1 1 1", "LOLWUT 5 6 7 8"] {
        let drawing = text(client.run(line));
        let version = field(&mut client, "redis_version");
        assert!(
            drawing.ends_with(&format!("Redis ver. {version}\n")),
            "{drawing}"
        );
    }
}

#[test]
fn containers_have_help() {
    let server = Server::start(DEBUG);
    let mut client = server.connect();
    for container in ["CONFIG", "MEMORY", "SLOWLOG", "DEBUG"] {
        let help = array(client.run(&format!("{container} HELP")));
        let first = help[0].to_string();
        assert!(
            first.starts_with(&format!("+{container} <subcommand>")),
            "{first}"
        );
        assert!(help.len() > 8, "{help:?}");
    }
}

#[test]
fn shutdown_refuses_what_contradicts() {
    check_fresh(
        &[],
        &[
            ("SHUTDOWN NOSAVE SAVE", "-ERR syntax error"),
            ("SHUTDOWN later", "-ERR syntax error"),
            ("SHUTDOWN ABORT NOW", "-ERR syntax error"),
            ("SHUTDOWN ABORT", "-ERR No shutdown in progress."),
            ("PING", "+PONG"),
        ],
    );
}

/// Who sees the connection end can start another server on the port.
#[test]
fn shutdown_says_nothing_ends_the_connection_when_the_port_is_free_and_succeeds() {
    let program =
        std::env::var("TEST_SERVER").unwrap_or_else(|_| env!("CARGO_BIN_EXE_ruddle").to_owned());
    for command in ["SHUTDOWN NOSAVE\r\nPING\r\n", "SHUTDOWN NOW FORCE\r\n"] {
        let free = TcpListener::bind("127.0.0.1:0").expect("a port is free");
        let port = free
            .local_addr()
            .expect("a bound socket has an address")
            .port();
        drop(free);
        let mut child = Command::new(&program)
            .args(["--port", &port.to_string(), "--save", ""])
            .stdout(Stdio::null())
            .spawn()
            .expect("the server's program can be run");
        let mut stream = None;
        wait_for("the server accepts connections", || {
            stream = TcpStream::connect(("127.0.0.1", port)).ok();
            stream.is_some()
        });
        let mut stream = stream.expect("there is a connection");
        stream
            .set_read_timeout(Some(PATIENCE))
            .expect("the limit is not zero");
        std::io::Write::write_all(&mut stream, command.as_bytes()).expect("the server reads");
        let mut answer = Vec::new();
        // Input that the server has not read resets the connection.
        let _ = stream.read_to_end(&mut answer);
        assert_eq!(answer, b"", "{command:?} has no answer");
        assert!(
            TcpStream::connect(("127.0.0.1", port)).is_err(),
            "nobody listens any more"
        );
        let status = child.wait().expect("the server's exit can be waited for");
        assert!(status.success(), "{status}");
    }
}
