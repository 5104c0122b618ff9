//! The table of what each command puts into the log.

use std::collections::BTreeSet;

use ruddle::command::{Command, Flags};

use crate::server::{PROFILES, START_MS, Server, line, words};
use crate::state;

mod rows;

use rows::ROWS;

/// Commands that run before another, the other, and what is logged of it. Lines are separated by bars. A line may begin
/// with the number of the client that sends it, `1: GET k`, and `+500` lets so many milliseconds pass.
type Row = (&'static str, &'static str, &'static str);

fn lines(text: &str) -> impl Iterator<Item = &str> {
    text.split(" | ").filter(|line| !line.is_empty())
}

/// Commands that need another server as well, with the tests of what they do.
const ELSEWHERE: &[(&str, &str)] = &[("migrate", "tests/migrate")];

/// A line with its times in full: `@10` is ten milliseconds after the beginning, and may begin the id of an entry.
fn timed(text: &str) -> String {
    let word = |word: &str| match word.strip_prefix('@') {
        Some(time) => {
            let (ms, rest) = time.split_at(time.find('-').unwrap_or(time.len()));
            let ms: u64 = ms.parse().expect("a time in milliseconds");
            format!("{}{rest}", START_MS + ms)
        }
        None => word.to_owned(),
    };
    text.split(' ').map(word).collect::<Vec<_>>().join(" ")
}

/// A data set of which the log stands in database 0.
fn server() -> Server {
    let mut server = Server::new(3, 1, PROFILES[0]);
    server.run_line("FLUSHALL");
    server.take_log();
    server
}

#[test]
fn each_command_is_logged_as_what_repeats_it() {
    let mut faults = Vec::new();
    for &(before, command, want) in ROWS {
        let mut server = server();
        for line in lines(before) {
            let answer = server.run_line(&timed(line));
            assert!(!answer.starts_with('-'), "{line} answers {answer}");
        }
        server.take_log();
        let mut answers = Vec::new();
        for line in lines(command) {
            answers.push(server.run_line(&timed(line)));
        }
        let logged: Vec<String> = server.take_log().iter().map(line).collect();
        let wanted: Vec<String> = lines(want).map(timed).collect();
        if logged != wanted {
            faults.push(format!(
                "{before} > {command}\n  want {}\n   got {}\n  answered {answers:?}",
                wanted.join(" | "),
                logged.join(" | ")
            ));
        }
        let repeated = server.repeated().map(|db| state::of(&db, 0));
        let here = state::of(&server.db, 0);
        if repeated.as_ref() != Ok(&here) {
            faults.push(format!(
                "{before} > {command}\n  data {here:?}\n  repeated {repeated:?}"
            ));
        }
    }
    assert!(faults.is_empty(), "\n{}", faults.join("\n\n"));
}

#[test]
fn commands_that_have_another_name_are_logged_under_their_own() {
    let renames = [
        ("RPUSH", "put"),
        ("XGROUP", "xg"),
        ("FLUSHDB", "fl"),
        ("LPOP", ""),
    ];
    let mut server = Server::with_renames(3, 1, PROFILES[0], &renames);
    for text in ["fl", "put l a", "xg CREATE x g $ MKSTREAM", "BLPOP l 0"] {
        let answer = server.run_line(text);
        assert!(!answer.starts_with('-'), "{text} answers {answer}");
    }
    let logged: Vec<String> = server.take_log().iter().map(line).collect();
    let want = [
        "SELECT 0",
        "FLUSHDB",
        "rpush l a",
        "xgroup CREATE x g $ MKSTREAM",
        "LPOP l",
    ];
    assert_eq!(logged, want);
    let repeated = server.repeated().map(|db| state::of(&db, 0));
    assert_eq!(repeated, Ok(state::of(&server.db, 0)));
}

#[test]
fn every_command_that_writes_has_a_row() {
    let server = server();
    let name = |text: &str| {
        let text = text.split_once(": ").map_or(text, |(_, text)| text);
        let words = words(text);
        let mut queue = ruddle::resp::CommandQueue::default();
        words.iter().for_each(|word| queue.push_word(word));
        queue.end_command();
        let command = server.registry().resolve(queue.get(0));
        command.map(|command| command.full_name.clone())
    };
    let mut tested = BTreeSet::new();
    for (_, command, _) in ROWS {
        tested.extend(lines(command).filter_map(name));
    }
    let writes = |command: &&Command| {
        let flags = command.spec.flags;
        flags.has(Flags::WRITE) || flags.has(Flags::MAY_REPLICATE)
    };
    let missing: Vec<&str> = server
        .registry()
        .iter_all()
        .filter(writes)
        .map(|command| command.full_name.as_str())
        .filter(|name| !tested.contains(*name))
        .filter(|name| ELSEWHERE.iter().all(|(known, _)| known != name))
        .collect();
    assert!(missing.is_empty(), "no row for {missing:?}");
}
