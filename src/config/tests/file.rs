//! Loading: a file with everything in it, and the reports of the real server word for word.

use super::{FakeHost, get};
use crate::config::LoadError;
use crate::config::file::{Loaded, Sources, load};
use proptest::prelude::*;

fn load_file(host: FakeHost) -> Result<Loaded, LoadError> {
    load_on(&mut { host }, "")
}

fn load_on(host: &mut FakeHost, options: &str) -> Result<Loaded, LoadError> {
    let sources = Sources {
        file: Some(b"main.conf".to_vec()),
        stdin: false,
        options: (!options.is_empty()).then(|| options.into()),
    };
    load(&sources, "7.0.15", host)
}

const EVERYTHING: &str = r#"
# A comment, and parameters in any case and with any white space.
PORT 7000
	timeout   30	
bind 127.0.0.1 -::1
requirepass "with \"quotes\" \x41\n"
logfile '/data/it\'s.log'
maxmemory 100mb
save 900 1
save 300 10 60 10000
slave-read-only no
hash-max-ziplist-entries 99
client-output-buffer-limit normal 1mb 0 0
client-output-buffer-limit replica 2mb 1mb 10
oom-score-adj-values 1 2 3
notify-keyspace-events Ex
unixsocketperm 700
shutdown-on-sigterm nosave now
replicaof 10.0.0.1 6379
list-max-ziplist-value 64
dir /data
include conf.d/*.conf
include nothing-*.conf
rename-command CONFIG ""
user alice on nopass ~* +@all
user bob off
loadmodule /lib/a.so x y
search.timeout 5 s
"#;

#[test]
fn a_file_with_everything_is_loaded() {
    let mut host = FakeHost::new()
        .with_file("/main.conf", EVERYTHING)
        .with_file("/data/conf.d/1.conf", "maxclients 77\nsave 5 5")
        .with_file("/data/conf.d/2.conf", "\nmaxclients 78\r\n");
    let loaded = load_on(&mut host, "timeout \"31\"\ndatabases \"4\" ").unwrap();
    let expected = [
        ("port", "7000"),
        ("timeout", "31"),
        ("databases", "4"),
        ("bind", "127.0.0.1 -::1"),
        ("requirepass", "with \"quotes\" A\n"),
        ("logfile", "/data/it's.log"),
        ("maxmemory", "104857600"),
        ("save", "900 1 300 10 60 10000 5 5"),
        ("replica-read-only", "no"),
        ("hash-max-listpack-entries", "99"),
        (
            "client-output-buffer-limit",
            "normal 1048576 0 0 slave 2097152 1048576 10 pubsub 33554432 8388608 60",
        ),
        ("oom-score-adj-values", "1 2 3"),
        ("notify-keyspace-events", "xE"),
        ("unixsocketperm", "700"),
        ("shutdown-on-sigterm", "nosave now"),
        ("slaveof", "10.0.0.1 6379"),
        ("dir", "/data"),
        ("maxclients", "78"),
    ];
    for (name, value) in expected {
        assert_eq!(get(&loaded.config, name), value, "{name}");
    }
    assert_eq!(loaded.config.unixsocketperm(), 0o700);
    let words = |directives: &[crate::config::file::Directive]| -> Vec<(usize, String)> {
        let line = |words: &[Vec<u8>]| String::from_utf8(words.join(&b'|')).unwrap();
        directives
            .iter()
            .map(|directive| (directive.line, line(&directive.words)))
            .collect()
    };
    assert_eq!(words(&loaded.rename_commands), [(24, "CONFIG|".to_owned())]);
    assert_eq!(
        words(&loaded.users),
        [
            (25, "alice|on|nopass|~*|+@all".to_owned()),
            (26, "bob|off".to_owned())
        ]
    );
    assert_eq!(
        words(&loaded.load_modules),
        [(27, "/lib/a.so|x|y".to_owned())]
    );
    assert_eq!(
        words(&loaded.module_parameters),
        [(28, "search.timeout|5|s".to_owned())]
    );
    let report = loaded.rename_commands[0].refuse("7.0.15", "No such command in rename-command");
    assert_eq!(
        report.to_string(),
        "\n*** FATAL CONFIG FILE ERROR (Redis 7.0.15) ***\nReading the configuration file, at line 24\n\
         >>> 'rename-command CONFIG \"\"'\nNo such command in rename-command"
    );
}

#[test]
fn lists_in_one_word_are_split_and_an_empty_one_empties() {
    let cases = [
        ("bind \"127.0.0.1 ::1\"", "bind", "127.0.0.1 ::1"),
        ("bind \"\"", "bind", ""),
        ("bind", "bind", ""),
        ("save \"\"", "save", ""),
        ("save", "save", ""),
        ("save 1 2\nsave \"\"", "save", ""),
        ("save 1 2\nsave \"\"\nsave 3 4", "save", "3 4"),
        ("save '10 20 30 40'", "save", "10 20 30 40"),
        ("replicaof no one", "replicaof", ""),
    ];
    for (text, name, value) in &cases {
        let loaded = load_file(FakeHost::new().with_file("/main.conf", text)).unwrap();
        assert_eq!(get(&loaded.config, name), *value, "{text}");
    }
}

#[test]
fn sources_are_read_in_order_and_the_last_wins() {
    let mut host = FakeHost::new()
        .with_file("/main.conf", "timeout 1\nhz 11\nport 1")
        .with_stdin("\ntimeout 2\nhz 12");
    let sources = Sources {
        file: Some(b"/main.conf".to_vec()),
        stdin: true,
        options: Some(b"timeout 3".to_vec()),
    };
    let config = load(&sources, "7.0.15", &mut host).unwrap().config;
    assert_eq!((config.timeout_s(), config.hz(), config.port()), (3, 12, 1));
}

/// A file, the line that is wrong in it, what is shown of that, and the reason.
const REPORTS: &[(&str, usize, &str, &str)] = &[
    (
        "foo bar\n",
        1,
        "foo bar",
        "Bad directive or wrong number of arguments",
    ),
    ("\n#x\nport\n", 3, "port", "wrong number of arguments"),
    ("port 1 2", 1, "port 1 2", "wrong number of arguments"),
    (
        "port x\n",
        1,
        "port x",
        "argument couldn't be parsed into an integer",
    ),
    (
        "timeout \"a\n",
        1,
        "timeout \"a",
        "Unbalanced quotes in configuration line",
    ),
    ("save 1\n", 1, "save 1", "Invalid save parameters"),
    (
        "sentinel a b",
        1,
        "sentinel a b",
        "sentinel directive while not in sentinel mode",
    ),
    ("a.b\n", 1, "a.b", "Module config specified without value"),
    ("replicaof a x\n", 1, "replicaof a x", "Invalid master port"),
    (
        "replicaof a\n",
        1,
        "replicaof a",
        "wrong number of arguments",
    ),
    ("dir /none\n", 1, "dir /none", "No such file or directory"),
    (
        "unixsocketperm 888",
        1,
        "unixsocketperm 888",
        "argument couldn't be parsed as an octal number",
    ),
    (
        "unixsocketperm 1000",
        1,
        "unixsocketperm 1000",
        "argument must be between 0 and 777 inclusive",
    ),
    (
        "appendfilename \"\"",
        1,
        "appendfilename \"\"",
        "appendfilename can't be empty",
    ),
    (
        "appenddirname a/b",
        1,
        "appenddirname a/b",
        "appenddirname can't be a path, just a dirname",
    ),
    (
        "  FOO  \"b\\x41\" \r\n",
        1,
        "FOO  \"b\\x41\"",
        "Bad directive or wrong number of arguments",
    ),
    (
        "hash-max-ziplist-value q",
        1,
        "hash-max-ziplist-value q",
        "argument must be a memory value",
    ),
    (
        "user",
        1,
        "user",
        "Bad directive or wrong number of arguments",
    ),
    (
        "loadmodule",
        1,
        "loadmodule",
        "Bad directive or wrong number of arguments",
    ),
    (
        "include",
        1,
        "include",
        "Bad directive or wrong number of arguments",
    ),
    (
        "list-max-ziplist-value",
        1,
        "list-max-ziplist-value",
        "Bad directive or wrong number of arguments",
    ),
    (
        "include sub\nfoo",
        2,
        "baz 1",
        "Bad directive or wrong number of arguments",
    ),
    (
        "include loop",
        1,
        "include loop",
        "include directives nested too deeply",
    ),
];

#[test]
fn reports_are_those_of_redis() {
    for &(text, line, shown, reason) in REPORTS {
        let host = FakeHost::new()
            .with_file("/main.conf", text)
            .with_file("/sub", "\nbaz 1\n")
            .with_file("/loop", "include loop");
        let error = load_file(host).expect_err(text);
        assert_eq!(
            error.to_string(),
            format!(
                "\n*** FATAL CONFIG FILE ERROR (Redis 7.0.15) ***\n\
                 Reading the configuration file, at line {line}\n>>> '{shown}'\n{reason}"
            )
        );
    }
}

#[test]
fn what_no_line_is_to_blame_for_names_none() {
    let cases = [
        (
            "logfile /nonexist/x",
            "Can't open the log file: No such file or directory",
        ),
        (
            "cluster-enabled yes\nreplicaof a 1",
            "replicaof directive not allowed in cluster mode",
        ),
    ];
    for (text, reason) in cases {
        let error = load_file(FakeHost::new().with_file("/main.conf", text)).expect_err(text);
        let report = format!("\n*** FATAL CONFIG FILE ERROR (Redis 7.0.15) ***\n{reason}");
        assert_eq!(error.to_string(), report);
    }
}

#[test]
fn files_that_are_missing_are_named() {
    let included = FakeHost::new().with_file("/main.conf", "include /tmp/none.conf");
    let text = load_file(included).unwrap_err().to_string();
    assert_eq!(
        text,
        "Fatal error, can't open config file '/tmp/none.conf': No such file or directory"
    );
    let text = load_file(FakeHost::new()).unwrap_err().to_string();
    assert_eq!(
        text,
        "Fatal error, can't open config file 'main.conf': No such file or directory"
    );
}

#[test]
fn lines_of_the_command_line_are_counted_after_the_file() {
    let mut host = FakeHost::new().with_file("/main.conf", "port 7\n");
    let error = load_on(&mut host, "save \"\" \nmaxmemory \"1q\" \ntimeout \"3\" ").unwrap_err();
    assert_eq!(
        error.to_string(),
        "\n*** FATAL CONFIG FILE ERROR (Redis 7.0.15) ***\nReading the configuration file, at line 4\n\
         >>> 'maxmemory \"1q\"'\nargument must be a memory value"
    );
}

proptest! {
    #[test]
    fn no_bytes_make_loading_panic(bytes in proptest::collection::vec(any::<u8>(), 0..256)) {
        let mut host = FakeHost::new();
        host.files.insert("/main.conf".into(), bytes);
        let _ = load_on(&mut host, "");
    }

    #[test]
    fn no_words_make_loading_panic(text in r#"((save|bind|include|dir|user|port|maxmemory|replicaof|x\.y) ?["' a-z0-9*\[\]\\%-]{0,12}\n){0,6}"#) {
        let mut host = FakeHost::new();
        host.files.insert("/main.conf".into(), text.into());
        let _ = load_on(&mut host, "");
    }
}
