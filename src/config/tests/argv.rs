//! The command line, compared with what the real server makes of the same arguments.

use crate::config::argv::{Action, command, parse};
use crate::config::file::Sources;
use proptest::prelude::*;

fn parse_all(args: &[&str]) -> Action {
    let args: Vec<Vec<u8>> = args.iter().map(|arg| arg.as_bytes().to_vec()).collect();
    parse(&args)
}

fn run(file: Option<&str>, stdin: bool, options: &str) -> Action {
    Action::Run(Sources {
        file: file.map(|path| path.as_bytes().to_vec()),
        stdin,
        options: Some(options.into()),
    })
}

#[test]
fn what_stands_alone_is_recognised() {
    let cases: &[(&[&str], Action)] = &[
        (&[], Action::Run(Sources::default())),
        (&["-v"], Action::Version),
        (&["--version", "x"], Action::Version),
        (&["-h"], Action::Help),
        (&["--help"], Action::Help),
        (&["--test-memory", "100"], Action::TestMemory(Some(100))),
        (&["--test-memory"], Action::TestMemory(None)),
        (&["--test-memory", "1", "2"], Action::TestMemory(None)),
        (&["--check-system"], Action::CheckSystem),
    ];
    for (args, action) in cases {
        assert_eq!(parse_all(args), *action, "{args:?}");
    }
}

#[test]
fn parameters_become_lines() {
    let cases: &[(&[&str], Action)] = &[
        (&["a.conf"], run(Some("a.conf"), false, "")),
        (&["-"], run(None, true, "")),
        (&["a.conf", "-"], run(Some("a.conf"), true, "")),
        (
            &["a.conf", "-", "--port", "1"],
            run(Some("a.conf"), false, "\"-\" \nport \"1\" "),
        ),
        (&["-", "--port", "1"], run(None, true, "port \"1\" ")),
        (&["--port", "1", "-"], run(None, true, "port \"1\" ")),
        (&["--port", "7", "8"], run(None, false, "port \"7\" \"8\" ")),
        (&["--port"], run(None, false, "port ")),
        (
            &["--timeout", "--port", "3"],
            run(None, false, "timeout \"--port\" \"3\" "),
        ),
        (
            &["--requirepass", "--x", "--timeout", "a"],
            run(None, false, "requirepass \"--x\" \ntimeout \"a\" "),
        ),
        (
            &["--save", "--timeout", "1"],
            run(None, false, "save \"\"\ntimeout \"1\" "),
        ),
        (
            &["--timeout", "1", "--save"],
            run(None, false, "timeout \"1\" \nsave \"\""),
        ),
        (&["--save", ""], run(None, false, "save \"\" ")),
        (
            &["--save", "60", "1"],
            run(None, false, "save \"60\" \"1\" "),
        ),
        (
            &["--sentinel", "--port", "1"],
            run(None, false, "sentinel \nport \"1\" "),
        ),
        (
            &["--timeout 1", "--port", "2"],
            run(None, false, "timeout 1 \nport \"2\" "),
        ),
        (
            &["--timeout 'q", "1"],
            run(None, false, "timeout 'q \"1\" "),
        ),
        (
            &["--replicaof", "127.0.0.1", "8888"],
            run(None, false, "replicaof \"127.0.0.1\" \"8888\" "),
        ),
        (
            &["--requirepass", "a\"\n"],
            run(None, false, "requirepass \"a\\\"\\n\" "),
        ),
    ];
    for (args, action) in cases {
        assert_eq!(parse_all(args), *action, "{args:?}");
    }
}

#[test]
fn help_names_the_usage_and_every_parameter() {
    let mut command = command("1.2.3");
    command.clone().debug_assert();
    let help = command.render_help().to_string();
    for text in [
        "Usage: ruddle [/path/to/redis.conf]",
        "--test-memory",
        "maxmemory",
        "hash-max-listpack-entries",
    ] {
        assert!(help.contains(text), "{text} is not in:\n{help}");
    }
    assert!(help.lines().all(|line| line.len() <= 100), "{help}");
    assert_eq!(command.render_version(), "ruddle 1.2.3\n");
}

proptest! {
    #[test]
    fn no_arguments_make_parsing_panic(args in proptest::collection::vec("(-|--)?[a-z\"' ]{0,6}", 0..6)) {
        let args: Vec<&str> = args.iter().map(String::as_str).collect();
        parse_all(&args);
    }
}
