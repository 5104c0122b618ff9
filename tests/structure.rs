//! Holds the structure that `docs/ARCHITECTURE.md` describes, by reading the source as text.
//!
//! What it holds: which layer may not name which ([`LAYERS`]), where `unsafe` and ending the
//! process are allowed, how long files and functions may get, and that every file says at its
//! head what it is for. Where a rule is to be broken for a reason, the reason is entered in
//! [`LONG_FILES`] or [`LONG_FUNCTIONS`]; an entry that is no longer needed is an error too, so
//! that the tables tell the truth.

use std::fs;
use std::path::{Path, PathBuf};

/// Lines that a file may have.
const MAX_FILE_LINES: usize = 1000;
/// Lines that a function may have, from `fn` to its closing brace.
const MAX_FUNCTION_LINES: usize = 70;

/// What a layer may not name.
struct Layer {
    /// The folder below `src/`.
    folder: &'static str,
    /// Other crates.
    crates: &'static [&'static str],
    /// Modules of this crate.
    modules: &'static [&'static str],
}

/// The layers from the inside out; those that are not listed are free.
const LAYERS: &[Layer] = &[
    Layer {
        folder: "text",
        crates: &["tokio", "tokio_util", "bytes"],
        modules: &[
            "store", "resp", "command", "commands", "config", "instance", "observe", "server",
            "client",
        ],
    },
    Layer {
        folder: "store",
        crates: &["tokio", "tokio_util", "bytes", "clap"],
        modules: &[
            "resp", "command", "commands", "config", "instance", "observe", "server", "client",
        ],
    },
    Layer {
        folder: "resp",
        crates: &["tokio"],
        modules: &[
            "store", "command", "commands", "config", "instance", "observe", "server", "client",
            "script",
        ],
    },
    Layer {
        folder: "config",
        crates: &["tokio", "tokio_util"],
        modules: &["commands", "server", "client"],
    },
    Layer {
        folder: "persist",
        crates: &["tokio", "tokio_util", "bytes", "clap"],
        modules: &[
            "resp", "command", "commands", "config", "instance", "observe", "server", "client",
            "script",
        ],
    },
    Layer {
        folder: "replication",
        crates: &["tokio", "tokio_util", "bytes", "clap"],
        modules: &[
            "resp", "command", "commands", "config", "instance", "observe", "server", "client",
            "script",
        ],
    },
    Layer {
        folder: "client",
        crates: &["tokio", "tokio_util", "bytes", "clap"],
        modules: &[
            "store", "command", "commands", "config", "instance", "observe", "server",
        ],
    },
    Layer {
        folder: "command",
        crates: &["tokio", "tokio_util"],
        modules: &["commands", "server", "client"],
    },
    Layer {
        folder: "commands",
        crates: &["tokio", "tokio_util"],
        modules: &["server", "client"],
    },
];

/// An exception to a rule on length: where, and why it is better long.
struct Exception {
    /// The file, and for a function `file::function`.
    place: &'static str,
    /// Why.
    reason: &'static str,
}

/// Files that may be longer than [`MAX_FILE_LINES`].
const LONG_FILES: &[Exception] = &[];

/// Functions that may be longer than [`MAX_FUNCTION_LINES`].
const LONG_FUNCTIONS: &[Exception] = &[];

/// Files outside of the store that may have `unsafe`.
const UNSAFE_FILES: &[Exception] = &[
    Exception {
        place: "src/script/ffi.rs",
        reason: "Lua's C interface: by mlua's own an EVAL of one INCR takes a quarter more, and cjson three times as long",
    },
    Exception {
        place: "src/script/ffi/library.rs",
        reason: "Lua's C interface: by mlua's own `string.match` took 16 times as long as in Redis, now 1.2 times, and `bit.band` 5.7 and 1.4",
    },
];

/// A source file: its path from the package's root, its text, and its text without comments,
/// strings and characters.
struct Source {
    path: String,
    text: String,
    code: String,
}

impl Source {
    fn new(path: &str, text: &str) -> Self {
        Source {
            path: path.to_owned(),
            text: text.to_owned(),
            code: code_only(text),
        }
    }
}

#[test]
fn layers_name_only_what_lies_further_in() {
    report(sources(&["src"]).iter().flat_map(forbidden_names));
}

#[test]
fn unsafe_is_where_it_belongs() {
    report(sources(&["src"]).iter().filter_map(misplaced_unsafe));
}

#[test]
fn only_programs_end_the_process() {
    report(sources(&["src"]).iter().filter_map(misplaced_exit));
}

#[test]
fn every_file_says_what_it_is_for() {
    report(everything().iter().filter_map(missing_head));
}

#[test]
fn no_test_is_switched_off() {
    report(everything().iter().filter_map(ignored_test));
}

#[test]
fn files_are_short() {
    let long = everything().iter().filter_map(long_file).collect();
    report(against(long, LONG_FILES));
}

#[test]
fn functions_are_short() {
    let long = everything().iter().flat_map(long_functions).collect();
    report(against(long, LONG_FUNCTIONS));
}

/// Fails with all the faults found, so that one run shows them all.
fn report(faults: impl IntoIterator<Item = String>) {
    let faults: Vec<String> = faults.into_iter().collect();
    assert!(faults.is_empty(), "\n{}\n", faults.join("\n"));
}

fn everything() -> Vec<Source> {
    sources(&["src", "tests", "benches", "fuzz/fuzz_targets"])
}

/// All Rust files below the folders, which may be missing but for `src`.
fn sources(folders: &[&str]) -> Vec<Source> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut pending: Vec<PathBuf> = folders.iter().map(|folder| root.join(folder)).collect();
    let mut found = Vec::new();
    while let Some(folder) = pending.pop() {
        for entry in fs::read_dir(&folder).into_iter().flatten() {
            let path = entry.expect("a folder of the package can be listed").path();
            let hidden = ["target", "node_modules", ".venv"]
                .iter()
                .any(|name| path.ends_with(name));
            if path.is_dir() && !hidden {
                pending.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let text = fs::read_to_string(&path).expect("a source file is readable text");
                let relative = path
                    .strip_prefix(root)
                    .expect("it was found below the root");
                let relative = relative
                    .to_str()
                    .expect("our names are ASCII")
                    .replace('\\', "/");
                found.push(Source::new(&relative, &text));
            }
        }
    }
    assert!(
        found.iter().any(|source| source.path == "src/lib.rs"),
        "no sources were found"
    );
    found.sort_by(|a, b| a.path.cmp(&b.path));
    found
}

/// Every name in a layer's file that its layer may not use.
fn forbidden_names(source: &Source) -> Vec<String> {
    let mut faults = Vec::new();
    let Some(layer) = LAYERS.iter().find(|layer| {
        let folder = format!("src/{}", layer.folder);
        source.path.starts_with(&format!("{folder}/")) || source.path == format!("{folder}.rs")
    }) else {
        return faults;
    };
    for name in layer.crates {
        if words(&source.code)
            .any(|(at, word)| word == *name && source.code[at + word.len()..].starts_with("::"))
        {
            faults.push(format!(
                "{}: {} must not use the crate `{name}`",
                source.path, layer.folder
            ));
        }
    }
    let used = modules_used(&source.code, module_depth(&source.path));
    for name in layer.modules {
        if used.iter().any(|module| module == name) {
            faults.push(format!(
                "{}: {} must not use `crate::{name}`",
                source.path, layer.folder
            ));
        }
    }
    faults
}

/// How many times `super` leads from a file's module to the crate's root.
fn module_depth(path: &str) -> usize {
    let inside = path.trim_start_matches("src/").trim_end_matches(".rs");
    inside.trim_end_matches("/mod").split('/').count()
}

/// The crate's modules that the code names: as `crate::m`, `crate::{m::.., n}`, or by climbing
/// from its own module, so deep below the root, to the root as `super::super::m`.
fn modules_used(code: &str, depth: usize) -> Vec<String> {
    let climb = "super::".repeat(depth);
    let mut used = Vec::new();
    for root in ["crate::", "ruddle::", &climb] {
        for (at, _) in code.match_indices(root) {
            let rest = &code[at + root.len()..];
            if let Some(group) = rest.strip_prefix('{') {
                used.extend(heads_of_group(group));
            } else {
                used.extend(words(rest).next().map(|(_, word)| word.to_owned()));
            }
        }
    }
    used
}

/// The first word of each path in `a::b, c::{d, e}, f}`, a group whose opening brace is gone.
fn heads_of_group(group: &str) -> Vec<String> {
    let mut heads = Vec::new();
    let (mut depth, mut start) = (0, 0);
    for (at, c) in group.char_indices() {
        match c {
            '{' => depth += 1,
            '}' if depth > 0 => depth -= 1,
            ',' | '}' if depth == 0 => {
                heads.extend(
                    words(&group[start..at])
                        .next()
                        .map(|(_, word)| word.to_owned()),
                );
                start = at + 1;
                if c == '}' {
                    break;
                }
            }
            _ => {}
        }
    }
    heads
}

fn misplaced_unsafe(source: &Source) -> Option<String> {
    let may = |exception: &Exception| exception.place == source.path;
    let found = !source.path.starts_with("src/store/")
        && !UNSAFE_FILES.iter().any(may)
        && words(&source.code).any(|(_, word)| word == "unsafe");
    found.then(|| {
        format!(
            "{}: `unsafe` belongs in src/store/, or the file among UNSAFE_FILES",
            source.path
        )
    })
}

fn misplaced_exit(source: &Source) -> Option<String> {
    (source.code.contains("process::exit") && !source.path.starts_with("src/bin/")).then(|| {
        format!(
            "{}: only a program in src/bin/ ends the process",
            source.path
        )
    })
}

fn missing_head(source: &Source) -> Option<String> {
    (!source.text.starts_with("//!")).then(|| {
        format!(
            "{}: its first line is not a `//!` that says what it is for",
            source.path
        )
    })
}

fn ignored_test(source: &Source) -> Option<String> {
    source.code.contains("#[ignore").then(|| {
        format!(
            "{}: a test is ignored; what needs a peer is a target of its own",
            source.path
        )
    })
}

/// The file's path and lines, if it has too many.
fn long_file(source: &Source) -> Option<(String, usize)> {
    let lines = source.text.lines().count();
    (lines > MAX_FILE_LINES).then(|| (source.path.clone(), lines))
}

/// `file::function` and lines of each function that has too many.
fn long_functions(source: &Source) -> Vec<(String, usize)> {
    functions(&source.code)
        .into_iter()
        .filter(|(_, lines)| *lines > MAX_FUNCTION_LINES)
        .map(|(name, lines)| (format!("{}::{name}", source.path), lines))
        .collect()
}

/// Name and lines of every function with a body.
fn functions(code: &str) -> Vec<(String, usize)> {
    let mut found = Vec::new();
    let mut tokens = words(code).peekable();
    while let Some((at, word)) = tokens.next() {
        // `fn(u8)` is a type: no name follows it on the spot.
        let Some((name_at, name)) = tokens.peek().filter(|_| word == "fn") else {
            continue;
        };
        let between = &code[at + word.len()..*name_at];
        if between.trim().is_empty()
            && let Some(len) = body_end(&code[*name_at..])
        {
            let lines = code[at..name_at + len].lines().count();
            found.push(((*name).to_owned(), lines));
        }
    }
    found
}

/// The length of a function from its name to the brace that closes its body; none if it has no body.
fn body_end(code: &str) -> Option<usize> {
    let (mut brackets, mut braces) = (0, 0);
    for (at, c) in code.char_indices() {
        match c {
            '(' | '[' => brackets += 1,
            ')' | ']' => brackets -= 1,
            // `[u8; 4]` in the signature has a semicolon within brackets.
            ';' if brackets == 0 && braces == 0 => return None,
            '{' => braces += 1,
            '}' if braces == 1 && brackets == 0 => return Some(at + 1),
            '}' => braces -= 1,
            _ => {}
        }
    }
    None
}

/// The faults that are left of a list of overlong places once the exceptions are taken into account.
fn against(long: Vec<(String, usize)>, exceptions: &[Exception]) -> Vec<String> {
    let allowed = |place: &str| exceptions.iter().any(|exception| exception.place == place);
    let mut faults: Vec<String> = long
        .iter()
        .filter(|(place, _)| !allowed(place))
        .map(|(place, lines)| format!("{place}: {lines} lines are too many"))
        .collect();
    for exception in exceptions {
        if !long.iter().any(|(place, _)| place == exception.place) {
            faults.push(format!(
                "{}: the exception is no longer needed",
                exception.place
            ));
        }
        if exception.reason.len() < 20 {
            faults.push(format!(
                "{}: the exception gives no reason",
                exception.place
            ));
        }
    }
    faults
}

/// Each identifier or keyword of the code, with the offset at which it starts.
fn words(code: &str) -> impl Iterator<Item = (usize, &str)> {
    let inside = |c: char| c == '_' || c.is_alphanumeric();
    code.match_indices(inside)
        .filter(move |(at, _)| !code[..*at].ends_with(inside))
        .map(move |(at, _)| {
            let rest = &code[at..];
            (at, &rest[..rest.find(|c| !inside(c)).unwrap_or(rest.len())])
        })
}

/// The text with comments, strings and characters blanked out, lines kept where they were.
fn code_only(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        let skipped = match c {
            '/' => comment_len(rest),
            '"' => quoted_len(rest, '"'),
            '\'' => character_len(rest),
            'r' | 'b' if !out.ends_with(|c: char| c == '_' || c.is_alphanumeric()) => {
                raw_string_len(rest)
            }
            _ => 0,
        };
        let (gone, kept) = rest.split_at(skipped);
        out.extend(gone.chars().map(|c| if c == '\n' { '\n' } else { ' ' }));
        if skipped == 0 {
            out.push(c);
            rest = &kept[c.len_utf8()..];
        } else {
            rest = kept;
        }
    }
    out
}

/// The length of the comment that the text begins with, or 0. Block comments nest.
fn comment_len(text: &str) -> usize {
    if text.starts_with("//") {
        return text.find('\n').unwrap_or(text.len());
    }
    if !text.starts_with("/*") {
        return 0;
    }
    let (mut depth, mut at) = (0, 0);
    while at < text.len() {
        let rest = &text.as_bytes()[at..];
        if rest.starts_with(b"/*") {
            (depth, at) = (depth + 1, at + 2);
        } else if rest.starts_with(b"*/") {
            (depth, at) = (depth - 1, at + 2);
            if depth == 0 {
                return at;
            }
        } else {
            at += 1;
        }
    }
    text.len()
}

/// The length of what the text's first character quotes, both quotes included.
fn quoted_len(text: &str, quote: char) -> usize {
    let mut escaped = false;
    for (at, c) in text.char_indices().skip(1) {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            _ if c == quote => return at + 1,
            _ => {}
        }
    }
    text.len()
}

/// The length of the character that the text begins with, or 0 where it begins with a lifetime.
fn character_len(text: &str) -> usize {
    let mut chars = text.chars().skip(1);
    match (chars.next(), chars.next()) {
        (Some('\\'), _) | (Some(_), Some('\'')) => quoted_len(text, '\''),
        _ => 0,
    }
}

/// The length of the raw string (`r"`, `r#"`, `br##"`) that the text begins with, or 0.
fn raw_string_len(text: &str) -> usize {
    let Some(after) = text.strip_prefix("br").or_else(|| text.strip_prefix('r')) else {
        return 0;
    };
    let hashes = after.len() - after.trim_start_matches('#').len();
    if !after[hashes..].starts_with('"') {
        return 0;
    }
    let end = format!("\"{}", "#".repeat(hashes));
    let body = text.len() - after.len() + hashes + 1;
    text[body..]
        .find(&end)
        .map_or(text.len(), |at| body + at + end.len())
}

// The rules themselves are tested on samples: a rule that finds nothing anywhere holds nothing.

#[test]
fn comments_strings_and_characters_are_no_code() {
    let sample = concat!(
        "a // tokio::x\n/* b /* tokio */ c */ d \"tokio::\\\" {\" e\n",
        "r#\"x\"{\"# f br\"\\\" g '{' h '\\'' i<'life> b'\"' b\"}\" j"
    );
    let code = code_only(sample);
    let left: Vec<&str> = code.split_whitespace().collect();
    assert_eq!(
        left,
        ["a", "d", "e", "f", "g", "h", "i<'life>", "b", "b", "j"]
    );
    assert_eq!(code.lines().count(), sample.lines().count());
}

#[test]
fn a_forbidden_name_is_found_however_it_is_written() {
    for (path, code) in [
        ("src/store/db.rs", "use tokio::sync::Mutex;"),
        ("src/store/types/list.rs", "fn f(b: bytes::Bytes) {}"),
        ("src/store/db.rs", "use crate::{text::number, resp::Reply};"),
        (
            "src/store/db.rs",
            "use crate::{text::{number, words}, server};",
        ),
        ("src/store/db.rs", "let x = super::super::server::now();"),
        ("src/resp/codec.rs", "use crate::store::Db;"),
        ("src/commands/string/mod.rs", "tokio::spawn(f)"),
        ("src/commands/list.rs", "use crate::server::Hub;"),
        ("src/config/mod.rs", "use crate::commands::TABLE;"),
        ("src/text/words.rs", "use crate::store::Db;"),
        ("src/store.rs", "use crate::resp::Reply;"),
    ] {
        assert_eq!(
            forbidden_names(&Source::new(path, code)).len(),
            1,
            "{path}: {code}"
        );
    }
    for (path, code) in [
        (
            "src/store/db.rs",
            "// tokio::sync is not used here\nuse crate::{text::number, store::{server_time}};",
        ),
        (
            "src/store/db.rs",
            "let tokio = my_bytes::from(crate::server_time);",
        ),
        (
            "src/commands/connection/line.rs",
            "use super::client; use super::super::server;",
        ),
        (
            "src/resp/codec.rs",
            "use bytes::BytesMut; use tokio_util::codec::Decoder;",
        ),
        (
            "src/server/mod.rs",
            "use tokio::net; use crate::{store, resp, commands};",
        ),
    ] {
        assert_eq!(
            forbidden_names(&Source::new(path, code)),
            Vec::<String>::new(),
            "{path}: {code}"
        );
    }
}

#[test]
fn unsafe_exits_heads_and_ignored_tests_are_found() {
    let outside = Source::new(
        "src/server/a.rs",
        "fn f() { unsafe { g() }; std::process::exit(1) }",
    );
    assert!(misplaced_unsafe(&outside).is_some());
    assert!(misplaced_exit(&outside).is_some());
    assert!(missing_head(&outside).is_some());
    assert!(
        ignored_test(&Source::new(
            "tests/a.rs",
            "#[test]\n#[ignore = \"slow\"]\nfn f() {}"
        ))
        .is_some()
    );
    let store = Source::new("src/store/a.rs", "//! Head.\nfn f() { unsafe { g() } }");
    assert!(misplaced_unsafe(&store).is_none());
    assert!(missing_head(&store).is_none());
    let lint = Source::new(
        "src/bin/a.rs",
        "//! Head.\n#![deny(unsafe_code)]\nfn main() { std::process::exit(1) }",
    );
    assert!(misplaced_unsafe(&lint).is_none());
    assert!(misplaced_exit(&lint).is_none());
}

#[test]
fn functions_are_measured_from_name_to_brace() {
    let code = concat!(
        "trait T { fn none(a: [u8; 2]); }\n",
        "fn one() -> [u8; 2] { [0; 2] }\n",
        "type F = fn(u8) -> u8;\n",
        "impl T {\n    fn four<'a>(\n        a: &'a str,\n    ) {\n        if a { b(|| { 1 }) } }\n}\n",
    );
    let expected = [("one".to_owned(), 1), ("four".to_owned(), 4)];
    assert_eq!(functions(&code_only(code)), expected);
}

#[test]
fn lengths_are_held_and_exceptions_must_be_needed() {
    let body = "    g();\n".repeat(MAX_FUNCTION_LINES - 1);
    let fits = Source::new("src/a.rs", &format!("fn f() {{\n{}}}\n", &body[9..]));
    let long = Source::new("src/a.rs", &format!("fn f() {{\n{body}}}\n"));
    assert_eq!(long_functions(&fits), []);
    assert_eq!(
        long_functions(&long),
        [("src/a.rs::f".to_owned(), MAX_FUNCTION_LINES + 1)]
    );
    assert!(long_file(&long).is_none());
    assert!(long_file(&Source::new("src/b.rs", &"\n".repeat(MAX_FILE_LINES + 1))).is_some());

    let exception = |place, reason| [Exception { place, reason }];
    let found = vec![("src/a.rs::f".to_owned(), 99)];
    let reason = "One table, which reads best in one piece.";
    assert_eq!(against(found.clone(), &[]).len(), 1);
    assert_eq!(
        against(found.clone(), &exception("src/a.rs::f", reason)).len(),
        0
    );
    assert_eq!(
        against(found.clone(), &exception("src/a.rs::f", "")).len(),
        1
    );
    assert_eq!(against(found, &exception("src/a.rs::g", reason)).len(), 2);
}
