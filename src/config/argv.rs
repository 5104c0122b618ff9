//! The command line: `[file|-] [--parameter value ...]... [-]`.
//!
//! Its grammar is Redis's, which no general parser of options has: a parameter takes all words up to the next one that
//! begins with `--`, but the first of them whatever it is, so that a password may begin with dashes; a word may hold
//! name and value. The parameters become lines of a configuration, loaded after the file, so that errors in them are
//! reported as errors in a file are. [`command`] describes all this for `--help`.

use super::file::Sources;
use super::spec::Spec;
use super::table::Param;
use crate::text::words;

/// What the command line asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Load this configuration and serve. A path is as it was given: the caller makes it absolute before `dir` moves
    /// the process elsewhere.
    Run(Sources),
    /// Print the usage.
    Help,
    /// Print the version.
    Version,
    /// Test so many megabytes of memory; `None` when the number is missing, which is an error.
    TestMemory(Option<u64>),
    /// Check the system's settings.
    CheckSystem,
}

/// Reads the arguments without the program's name.
pub fn parse(args: &[Vec<u8>]) -> Action {
    match args.first().map(Vec::as_slice) {
        None => return Action::Run(Sources::default()),
        Some(b"-v" | b"--version") => return Action::Version,
        Some(b"-h" | b"--help") => return Action::Help,
        Some(b"--check-system") => return Action::CheckSystem,
        Some(b"--test-memory") => return Action::TestMemory(megabytes(&args[1..])),
        Some(_) => {}
    }
    let file = args.first().filter(|arg| !arg.starts_with(b"-")).cloned();
    let rest = &args[usize::from(file.is_some())..];
    let stdin_first = file.is_none();
    let (stdin, options) = lines_of(rest, stdin_first);
    Action::Run(Sources {
        file,
        stdin,
        options: Some(options),
    })
}

/// The program's usage for `--help`: its text and its parameters come from the table. It is never used to parse.
pub fn command(version: &'static str) -> clap::Command {
    let parameters = Param::ALL.iter().map(|&param| Spec::of(param));
    let shown = parameters.filter(|spec| !spec.hidden).map(|spec| spec.name);
    clap::Command::new("ruddle")
        .version(version)
        .about("A Redis-compatible in-memory server")
        .override_usage(
            "ruddle [/path/to/redis.conf] [--parameter value ...]... [-]\n       \
             ruddle - [--parameter value ...]...   (configuration from standard input)\n       \
             ruddle --test-memory <megabytes>\n       \
             ruddle --check-system",
        )
        .disable_version_flag(true)
        .arg(
            clap::Arg::new("version")
                .short('v')
                .long("version")
                .action(clap::ArgAction::Version)
                .help("Print version"),
        )
        .arg(
            clap::Arg::new("arguments")
                .value_name("ARGUMENTS")
                .num_args(0..)
                .trailing_var_arg(true)
                .allow_hyphen_values(true)
                .help("A configuration file or -, then parameters, each as --name value"),
        )
        .after_help(format!(
            "Examples:\n  \
             ruddle\n  \
             ruddle --port 7777 --maxmemory 100mb --save ''\n  \
             ruddle /etc/redis.conf --loglevel verbose\n  \
             echo 'maxmemory 128mb' | ruddle -\n\n\
             Parameters:\n{}",
            fill(shown)
        ))
}

/// Puts words into lines that fit a terminal.
fn fill(words: impl Iterator<Item = &'static str>) -> String {
    const WIDTH: usize = 78;
    let mut lines = vec![String::from(" ")];
    for word in words {
        let last = lines.len() - 1;
        if lines[last].len() + word.len() >= WIDTH {
            lines.push(format!("  {word}"));
        } else {
            lines[last].extend([" ", word]);
        }
    }
    lines.join("\n")
}

fn megabytes(args: &[Vec<u8>]) -> Option<u64> {
    match args {
        [number] => std::str::from_utf8(number).ok()?.parse().ok(),
        _ => None,
    }
}

/// Turns parameters into the lines of a configuration; answers also whether a lone `-`, first or last, asks for
/// standard input.
fn lines_of(args: &[Vec<u8>], stdin_first: bool) -> (bool, Vec<u8>) {
    let mut stdin = false;
    let mut lines = Vec::new();
    let mut wants_value = false;
    for (index, arg) in args.iter().enumerate() {
        let next = args.get(index + 1);
        let at_end = (index == 0 && stdin_first) || next.is_none();
        if arg == b"-" && at_end {
            stdin = true;
        } else if !wants_value && let Some(name) = arg.strip_prefix(b"--") {
            if !lines.is_empty() {
                lines.push(b'\n');
            }
            lines.extend(name);
            lines.push(b' ');
            wants_value = words::split(arg).is_ok_and(|words| words.len() == 1);
            if wants_value && stands_alone(arg, next) {
                lines.extend(if arg.eq_ignore_ascii_case(b"--save") {
                    &b"\"\""[..]
                } else {
                    b""
                });
                wants_value = false;
            }
        } else {
            lines.extend(words::quote(arg));
            lines.push(b' ');
            wants_value = false;
        }
    }
    (stdin, lines)
}

/// `--save` without a value means none, for programs that build a command line from an empty list; `--sentinel` never
/// has one.
fn stands_alone(arg: &[u8], next: Option<&Vec<u8>>) -> bool {
    let may = arg.eq_ignore_ascii_case(b"--save") || arg.eq_ignore_ascii_case(b"--sentinel");
    may && next.is_none_or(|next| next.starts_with(b"--"))
}
