//! The command table against itself and against the facts of Redis 8.2 and Valkey 9.1 in `tests/data/commands.tsv`:
//! whatever a command's spec says is compared here, so that a new command cannot be half described.
//!
//! Where a command differs for a reason, the reason is entered in one of the tables of exceptions below; an entry that is
//! no longer needed is a fault too.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use ruddle::command::{Arg, ArgKind, CommandSpec, Flags, KeyFlags, KeyRange, Registry};

/// A command, or a subcommand with its container's name in front.
struct Entry {
    name: String,
    /// How many words the name has.
    words: usize,
    spec: &'static CommandSpec,
}

/// A deviation from a rule, and why it is right.
struct Exception {
    name: &'static str,
    #[allow(dead_code, reason = "for the reader")]
    reason: &'static str,
}

/// Commands that write without naming keys, or that write though they count as readers.
const KEYLESS_WRITERS: &[Exception] = &[
    Exception {
        name: "PFCOUNT",
        reason: "reads, and lets the string remember what it has counted",
    },
    Exception {
        name: "FLUSHALL",
        reason: "changes all databases as a whole",
    },
    Exception {
        name: "FLUSHDB",
        reason: "changes a database as a whole",
    },
    Exception {
        name: "SWAPDB",
        reason: "changes two databases as a whole",
    },
    Exception {
        name: "EVAL",
        reason: "what it calls may write its keys",
    },
    Exception {
        name: "EVALSHA",
        reason: "what it calls may write its keys",
    },
    Exception {
        name: "FCALL",
        reason: "what it calls may write its keys",
    },
    Exception {
        name: "FUNCTION DELETE",
        reason: "changes the functions, which are no keys",
    },
    Exception {
        name: "FUNCTION FLUSH",
        reason: "changes the functions, which are no keys",
    },
    Exception {
        name: "FUNCTION LOAD",
        reason: "changes the functions, which are no keys",
    },
    Exception {
        name: "FUNCTION RESTORE",
        reason: "changes the functions, which are no keys",
    },
    Exception {
        name: "XREADGROUP",
        reason: "changes a group and reads the entries: Redis names its keys as read",
    },
];

/// Commands whose arity is looser than their grammar, or whose words have no grammar.
const LOOSE_ARITY: &[Exception] = &[
    Exception {
        name: "SCRIPT DEBUG",
        reason: "takes what it then refuses, as Valkey does",
    },
    Exception {
        name: "DEBUG",
        reason: "has forms of its own, which change and are no interface",
    },
    Exception {
        name: "QUIT",
        reason: "takes any words and ignores them, as Redis does",
    },
];

/// Commands about which a fact differs from the table's.
const OTHER_FACTS: &[Exception] = &[
    Exception {
        name: "EXEC",
        reason: "its flag is called skip_slowlog, as Redis has it, and skip_commandlog by Valkey",
    },
    Exception {
        name: "MIGRATE",
        reason: "refused in transactions and scripts, in which nobody else may run while it waits for its target",
    },
    Exception {
        name: "DELEX",
        reason: "of Redis 8.4: compare and delete as its clients know it",
    },
    Exception {
        name: "DIGEST",
        reason: "of Redis 8.4: what DELEX and SET compare with",
    },
];

fn entries() -> Vec<Entry> {
    let mut entries = Vec::new();
    for spec in ruddle::commands::all() {
        entries.push(Entry {
            name: spec.name.to_owned(),
            words: 1,
            spec,
        });
        for subcommand in spec.subcommands {
            let name = format!("{} {}", spec.name, subcommand.name);
            entries.push(Entry {
                name,
                words: 2,
                spec: subcommand,
            });
        }
    }
    entries
}

/// Fails with all the faults found, so that one run shows them all.
fn report(faults: Vec<String>) {
    assert!(faults.is_empty(), "\n{}\n", faults.join("\n"));
}

/// Checks a rule on every command: a fault without an exception, and an exception without a fault.
fn hold(exceptions: &[Exception], fault: impl Fn(&Entry) -> Option<String>) {
    let mut faults = Vec::new();
    for entry in entries() {
        let excepted = exceptions
            .iter()
            .any(|exception| exception.name == entry.name);
        match fault(&entry) {
            Some(fault) if !excepted => faults.push(format!("{}: {fault}", entry.name)),
            None if excepted => faults.push(format!("{}: needs no exception any more", entry.name)),
            _ => {}
        }
    }
    report(faults);
}

#[test]
fn names_are_unique_and_in_upper_case() {
    let mut seen = BTreeSet::new();
    hold(&[], |entry| {
        let upper = entry.spec.name == entry.spec.name.to_ascii_uppercase();
        (!upper).then(|| "not in upper case".to_owned())
    });
    let twice = entries()
        .into_iter()
        .map(|entry| entry.name)
        .filter(|name| !seen.insert(name.clone()));
    report(twice.map(|name| format!("{name}: there twice")).collect());
}

#[test]
fn every_command_is_documented() {
    hold(&[], |entry| {
        let spec = entry.spec;
        let sentence = |text: &str| text.ends_with('.') && text.len() > 1;
        let is_version = |text: &str| version(text).is_some();
        if !sentence(spec.summary) {
            return Some(format!("the summary {:?} is no sentence", spec.summary));
        }
        if spec.complexity.is_empty() {
            return Some("no complexity".to_owned());
        }
        if !is_version(spec.since) || spec.deprecated.is_some_and(|(since, _)| !is_version(since)) {
            return Some(format!("{:?} is no version", spec.since));
        }
        let mut versions: Vec<_> = spec
            .history
            .iter()
            .map(|(since, _)| version(since))
            .collect();
        versions.insert(0, version(spec.since));
        if !versions.is_sorted() || !spec.history.iter().all(|(_, change)| sentence(change)) {
            return Some("a history that is not in order or no sentences".to_owned());
        }
        None
    });
}

fn version(text: &str) -> Option<Vec<u32>> {
    let parts: Option<Vec<u32>> = text.split('.').map(|part| part.parse().ok()).collect();
    parts.filter(|parts| parts.len() == 3)
}

/// How many words arguments take: the least, and the most if there is a bound.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Words {
    least: usize,
    most: Option<usize>,
}

impl Words {
    const NONE: Words = Words {
        least: 0,
        most: Some(0),
    };
    const ONE: Words = Words {
        least: 1,
        most: Some(1),
    };

    fn and(self, other: Words) -> Words {
        let most = self.most.zip(other.most).map(|(one, two)| one + two);
        Words {
            least: self.least + other.least,
            most,
        }
    }

    fn or(self, other: Words) -> Words {
        let most = self.most.zip(other.most).map(|(one, two)| one.max(two));
        Words {
            least: self.least.min(other.least),
            most,
        }
    }

    fn of_all(args: &[Arg]) -> Words {
        args.iter().map(Words::of).fold(Words::NONE, Words::and)
    }

    fn of(arg: &Arg) -> Words {
        let words = Words::of_present(arg);
        Words {
            least: if arg.optional { 0 } else { words.least },
            most: words.most.filter(|_| !arg.multiple),
        }
    }

    /// Of an argument that is there: one of several is, even where each of them is called optional.
    fn of_present(arg: &Arg) -> Words {
        let value = match arg.kind {
            ArgKind::PureToken => return Words::ONE,
            ArgKind::OneOf => arg
                .args
                .iter()
                .map(Words::of_present)
                .reduce(Words::or)
                .unwrap_or(Words::NONE),
            ArgKind::Block => Words::of_all(arg.args),
            _ => Words::ONE,
        };
        if arg.token.is_some() {
            value.and(Words::ONE)
        } else {
            value
        }
    }
}

#[test]
fn arity_agrees_with_the_grammar() {
    hold(LOOSE_ARITY, |entry| {
        if !entry.spec.subcommands.is_empty() {
            return None;
        }
        let grammar = Words::of_all(entry.spec.args);
        let arity = usize::from(entry.spec.arity.unsigned_abs()).checked_sub(entry.words);
        let agrees = if entry.spec.arity > 0 {
            arity == Some(grammar.least) && arity == grammar.most
        } else {
            arity == Some(grammar.least) && grammar.most != arity
        };
        (!agrees).then(|| {
            format!(
                "arity {}, but the arguments are {grammar:?} words",
                entry.spec.arity
            )
        })
    });
}

#[test]
fn arguments_are_well_formed() {
    fn fault(spec: &CommandSpec, args: &[Arg]) -> Option<String> {
        args.iter().find_map(|arg| {
            let nested = matches!(arg.kind, ArgKind::OneOf | ArgKind::Block);
            if nested == arg.args.is_empty() {
                return Some(format!(
                    "{}: a kind that does not go with what is within",
                    arg.name
                ));
            }
            if arg.kind == ArgKind::PureToken && arg.token.is_none() {
                return Some(format!("{}: a token without its word", arg.name));
            }
            if arg.kind == ArgKind::Key
                && arg
                    .key_spec
                    .is_none_or(|index| usize::from(index) >= spec.keys.len())
            {
                return Some(format!("{}: a key that no key spec finds", arg.name));
            }
            fault(spec, arg.args)
        })
    }
    hold(&[], |entry| fault(entry.spec, entry.spec.args));
}

#[test]
fn writers_declare_the_keys_that_they_write() {
    hold(KEYLESS_WRITERS, |entry| {
        let spec = entry.spec;
        let written = |flags: KeyFlags| {
            [KeyFlags::RW, KeyFlags::OW, KeyFlags::RM]
                .into_iter()
                .any(|kind| flags.has(kind))
        };
        let writes = spec.keys.iter().any(|keys| written(keys.flags));
        match (
            spec.flags.has(Flags::WRITE),
            spec.flags.has(Flags::READONLY),
        ) {
            (true, true) => Some("both a writer and a reader".to_owned()),
            (true, false) if !writes => Some("writes no key".to_owned()),
            (false, _) if writes => Some("writes keys without the flag".to_owned()),
            _ => None,
        }
    });
}

#[test]
fn every_key_spec_says_what_is_done() {
    hold(&[], |entry| {
        let kinds = [KeyFlags::RO, KeyFlags::RW, KeyFlags::OW, KeyFlags::RM];
        let vague = entry.spec.keys.iter().find(|keys| {
            let named = kinds
                .into_iter()
                .filter(|kind| keys.flags.has(*kind))
                .count();
            named != 1 && !keys.flags.has(KeyFlags::NOT_KEY)
        });
        vague.map(|keys| {
            format!("{keys:?} is not one of reading, changing, overwriting and removing")
        })
    });
}

/// The columns of the table of facts that are compared, as they stand there.
#[derive(Debug, PartialEq, Eq)]
struct Facts {
    group: String,
    since: String,
    arity: String,
    keys: String,
    flags: String,
    categories: String,
}

fn known_facts() -> BTreeMap<String, Facts> {
    let table =
        fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/commands.tsv"));
    let table = table.expect("the table of facts is there");
    let rows = table.lines().skip(1).map(|line| {
        let columns: Vec<String> = line.split('\t').map(str::to_owned).collect();
        let [name, group, since, _where, arity, keys, flags, categories] = columns
            .try_into()
            .unwrap_or_else(|_| panic!("{line:?} has not eight columns"));
        (
            name,
            Facts {
                group,
                since,
                arity,
                keys,
                flags,
                categories,
            },
        )
    });
    rows.collect()
}

fn facts_of(spec: &CommandSpec) -> Facts {
    let range = KeyRange::of(spec.keys);
    let movable = if range.movable {
        Flags::MOVABLEKEYS
    } else {
        Flags::NONE
    };
    // Redis shows neither of these.
    let hidden: BTreeSet<_> = [Flags::MAY_REPLICATE]
        .into_iter()
        .flat_map(Flags::names)
        .collect();
    let flags: BTreeSet<_> = (spec.flags | movable)
        .names()
        .filter(|name| !hidden.contains(name))
        .collect();
    let categories: BTreeSet<_> = spec
        .acl_categories()
        .names()
        .map(|name| format!("@{name}"))
        .collect();
    let flags: Vec<_> = flags.into_iter().collect();
    Facts {
        group: spec.group.name().to_owned(),
        since: spec.since.to_owned(),
        arity: spec.arity.to_string(),
        keys: format!("{},{},{}", range.first, range.last, range.step),
        flags: if flags.is_empty() {
            "-".to_owned()
        } else {
            flags.join(" ")
        },
        categories: categories.into_iter().collect::<Vec<_>>().join(" "),
    }
}

#[test]
fn the_facts_are_those_of_redis_and_valkey() {
    let known = known_facts();
    hold(OTHER_FACTS, |entry| {
        let own = facts_of(entry.spec);
        match known.get(&entry.name) {
            None => Some("neither Redis nor Valkey knows it".to_owned()),
            Some(facts) if *facts != own => {
                Some(format!("\n  is       {own:?}\n  should be {facts:?}"))
            }
            Some(_) => None,
        }
    });
}

/// A command counts as tested when a test names it; its replies are that test's business.
#[test]
fn every_command_has_a_test() {
    let mut text = String::new();
    read_tests(
        &Path::new(env!("CARGO_MANIFEST_DIR")).join("tests"),
        &mut text,
    );
    let text = text.to_ascii_uppercase();
    hold(&[], |entry| {
        (!names(&text, &entry.name)).then(|| "in no file of tests/".to_owned())
    });
}

/// Appends the sources of the tests below `folder`, but for this file, which names exceptions, and for lists of data.
fn read_tests(folder: &Path, text: &mut String) {
    for file in fs::read_dir(folder).expect("the tests are there") {
        let path = file.expect("a folder can be read").path();
        if path.is_dir() {
            read_tests(&path, text);
        } else if path
            .extension()
            .is_some_and(|is| is == "rs" || is == "py" || is == "mjs")
            && !path.ends_with(file!())
        {
            text.push_str(&fs::read_to_string(&path).expect("a test is text"));
        }
    }
}

/// Whether `name` stands in `text` between characters that no name has.
fn names(text: &str, name: &str) -> bool {
    let part_of_name = |byte: Option<&u8>| {
        byte.is_some_and(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(byte))
    };
    let bytes = text.as_bytes();
    text.match_indices(name).any(|(at, _)| {
        let before = at.checked_sub(1).and_then(|before| bytes.get(before));
        !part_of_name(before) && !part_of_name(bytes.get(at + name.len()))
    })
}

fn registry(renames: &[(&str, &str)]) -> Registry {
    let renames: Vec<_> = renames
        .iter()
        .map(|(from, to)| (from.as_bytes().to_vec(), to.as_bytes().to_vec()))
        .collect();
    Registry::new(ruddle::commands::all(), &renames)
}

fn full_name<'a>(registry: &'a Registry, name: &str) -> Option<&'a str> {
    registry
        .find_full(name.as_bytes())
        .map(|command| command.full_name.as_str())
}

#[test]
fn every_command_is_found_in_any_case() {
    let registry = registry(&[]);
    for command in registry.iter() {
        let name = command.spec.name;
        for written in [name.to_ascii_lowercase(), name.to_ascii_uppercase()] {
            assert_eq!(
                registry.find(written.as_bytes()).map(|found| found.id),
                Some(command.id),
                "{written}"
            );
        }
    }
    for unknown in ["", "g", "gett", "get\0", "get ", "client id"] {
        assert!(registry.find(unknown.as_bytes()).is_none(), "{unknown:?}");
    }
}

#[test]
fn ids_are_dense_and_name_their_commands() {
    let registry = registry(&[]);
    let names = registry.names();
    let mut ids: Vec<_> = registry.iter_all().map(|command| command.id).collect();
    ids.sort_unstable();
    assert_eq!(ids, (0..registry.ids()).collect::<Vec<_>>());
    assert!(
        registry
            .iter_all()
            .all(|command| names[command.id] == command.full_name)
    );
}

#[test]
fn subcommands_are_found_by_their_full_names() {
    let registry = registry(&[]);
    for (name, found) in [
        ("get", Some("get")),
        ("CLIENT", Some("client")),
        ("Client|Id", Some("client|id")),
        ("client|", None),
        ("client|nosuch", None),
        ("get|key", None),
        ("client|id|more", None),
        ("|", None),
    ] {
        assert_eq!(full_name(&registry, name), found, "{name}");
    }
}

#[test]
fn a_renamed_command_answers_to_its_new_name_alone() {
    let registry = registry(&[("GET", "Fetch"), ("ping", "")]);
    assert_eq!(full_name(&registry, "fetch"), Some("get"));
    assert_eq!(
        (full_name(&registry, "get"), full_name(&registry, "ping")),
        (None, None)
    );
    assert_eq!(registry.iter().len() + 1, ruddle::commands::all().count());
}
