//! The differential test: the same random commands to Ruddle and to Redis, and every difference is a fault.
//!
//! ```text
//! cargo test --test differential -- [--seed S] [--sequences N] [--length L] [--families set,hash] [--commands LPOS,LREM]
//! ```
//!
//! It needs a redis-server of 7.0: the one on PATH, or that of `REDIS_SERVER_BIN`; without one it fails. What is tested
//! is the program that cargo built, or that of `RUDDLE_BIN`; with redis-server there it tests itself, and must find nothing.
//!
//! **Life cycle.** `grammar` reads from both servers which commands they share and what their arguments are; `generate`
//! makes a sequence from each seed, with values from `values`; `arena` runs it on both (`peer`), compares each reply
//! and at the end all the data (`compare`); `shrink` looks for the shortest sequence that still differs. What is not
//! tried, and what differs on purpose, is in `known`. A command that lands in both servers is covered without a change
//! here, unless its arguments want values that `values` does not know.

#[path = "../common/mod.rs"]
mod common;

mod arena;
mod compare;
mod exchange;
mod generate;
mod grammar;
mod known;
mod peer;
mod shrink;
mod values;

use std::collections::BTreeMap;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use arena::{Arena, Finding};
use clap::Parser;
use generate::{Generator, Sequence};
use grammar::Command;

/// Compares the replies of two servers to random commands.
#[derive(Parser)]
struct Options {
    /// The seed of the first sequence; each further one has the next number.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// How many sequences.
    #[arg(long, default_value_t = 2000)]
    sequences: u64,
    /// The time after which no further sequence is begun.
    #[arg(long, default_value_t = 3600)]
    seconds: u64,
    /// Commands of a sequence.
    #[arg(long, default_value_t = 60)]
    length: usize,
    /// The groups of commands to take, as COMMAND DOCS has them (zset for sorted-set); all without it.
    #[arg(long, value_delimiter = ',')]
    families: Vec<String>,
    /// The commands to take, of these families.
    #[arg(long, value_delimiter = ',')]
    commands: Vec<String>,
    /// After so many different findings it is enough.
    #[arg(long, default_value_t = 8)]
    findings: usize,
}

fn main() -> ExitCode {
    let options = Options::parse();
    let reference = std::env::var("REDIS_SERVER_BIN").unwrap_or_else(|_| "redis-server".to_owned());
    let subject =
        std::env::var("RUDDLE_BIN").unwrap_or_else(|_| env!("CARGO_BIN_EXE_ruddle").to_owned());
    println!("differential: {subject} against {reference}");
    let mut arena = Arena::new(&reference, &subject);
    let table = arena.table.clone();
    let commands: Vec<&Command> = table
        .iter()
        .filter(|command| is_chosen(command, &options))
        .collect();
    if commands.is_empty() {
        eprintln!("differential: there is no such command that both servers know");
        return ExitCode::FAILURE;
    }
    println!("commands: {}", names(&commands).join(", "));
    let findings = run(&mut arena, &commands, &options);
    for (reason, count) in &arena.excused {
        println!("excused {count} times: {reason}");
    }
    if findings == 0 {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

fn is_chosen(command: &Command, options: &Options) -> bool {
    let container =
        command.args.is_empty() && ["OBJECT", "XINFO", "XGROUP"].contains(&command.name().as_str());
    let is = |wanted: &String| wanted.eq_ignore_ascii_case(&command.name());
    let family = |wanted: &String| {
        let wanted = if wanted == "zset" {
            "sorted-set"
        } else {
            wanted
        };
        wanted.eq_ignore_ascii_case(&command.group)
    };
    !container
        && known::excluded(&command.name()).is_none()
        && (options.families.is_empty() || options.families.iter().any(family))
        && (options.commands.is_empty() || options.commands.iter().any(is))
}

fn names(commands: &[&Command]) -> Vec<String> {
    commands.iter().map(|command| command.name()).collect()
}

/// Runs all sequences; how many different findings there were.
fn run(arena: &mut Arena, commands: &[&Command], options: &Options) -> usize {
    let begin = Instant::now();
    let mut found: BTreeMap<(bool, String, String), u64> = BTreeMap::new();
    let mut done = 0;
    for seed in (options.seed..).take(usize::try_from(options.sequences).unwrap_or(usize::MAX)) {
        if begin.elapsed() > Duration::from_secs(options.seconds) || found.len() >= options.findings
        {
            break;
        }
        done += 1;
        let sequence = Generator::new(commands.to_vec(), seed).sequence(options.length);
        let Some(finding) = arena.trial(&sequence) else {
            continue;
        };
        let (replied, name, kind) = finding.signature();
        let times = found.entry((replied, name.to_owned(), kind)).or_default();
        *times += 1;
        if *times == 1 {
            let (sequence, finding) = shrink::shrink(arena, sequence, finding);
            report(seed, options, &sequence, &finding);
        }
    }
    let seconds = begin.elapsed().as_secs();
    println!(
        "{done} sequences of {} commands in {seconds} s, {} differences",
        options.length,
        found.len()
    );
    for ((_, name, kind), times) in &found {
        println!("  {name} ({kind}): {times} sequences");
    }
    found.len()
}

fn report(seed: u64, options: &Options, sequence: &Sequence, finding: &Finding) {
    let line = |words: &peer::Words| -> String {
        let quoted = words.iter().map(|word| {
            let plain = !word.is_empty()
                && word
                    .iter()
                    .all(|byte| byte.is_ascii_graphic() && !b"\"'\\".contains(byte));
            let text = if plain {
                word.clone()
            } else {
                ruddle::text::words::quote(word)
            };
            String::from_utf8_lossy(&text).into_owned()
        });
        quoted.collect::<Vec<_>>().join(" ")
    };
    let protocol = if sequence.resp3 { 3 } else { 2 };
    println!(
        "\nDIFFERENCE, seed {seed}, RESP{protocol}, limits of the encodings: profile {}",
        sequence.profile
    );
    for (at, command) in sequence.commands.iter().enumerate() {
        let mark = if finding.at == Some(at) { ">" } else { " " };
        println!("{mark} {}", line(command));
    }
    if finding.at.is_none() {
        println!("> {} (afterwards)", line(&finding.command));
    }
    println!(
        "    reference: {}\n    subject:   {}",
        finding.reference, finding.subject
    );
    let only = |name: &str, list: &[String]| match list {
        [] => String::new(),
        list => format!(" --{name} {}", list.join(",")),
    };
    println!(
        "    again: cargo test --test differential -- --seed {seed} --sequences 1 --length {}{}{}\n",
        options.length,
        only("families", &options.families),
        only("commands", &options.commands)
    );
}
