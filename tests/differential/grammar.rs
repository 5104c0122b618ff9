//! The commands that both servers know, with their arguments, as the servers themselves describe them.
//!
//! [`read`] asks for COMMAND and COMMAND DOCS. The grammar is that of the reference, so that what the other server has
//! beyond it is not tried; a command that one of the two lacks is left out.

use std::collections::{HashMap, HashSet};

use crate::peer::{Peer, Reply, words};

/// The type of an argument.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    String,
    Integer,
    Double,
    Key,
    Pattern,
    UnixTime,
    /// Its token is all of it.
    PureToken,
    /// One of its parts.
    OneOf,
    /// All of its parts.
    Block,
}

/// An argument of a command.
#[derive(Clone, Debug)]
pub(crate) struct Arg {
    pub(crate) name: String,
    pub(crate) kind: Kind,
    /// The word in front of it.
    pub(crate) token: Option<String>,
    pub(crate) optional: bool,
    pub(crate) multiple: bool,
    /// The token stands before each repetition.
    pub(crate) multiple_token: bool,
    pub(crate) parts: Vec<Arg>,
}

/// A command, or a subcommand.
#[derive(Clone, Debug)]
pub(crate) struct Command {
    /// Its name in capitals: one word, or two.
    pub(crate) words: Vec<String>,
    /// `string`, `sorted-set` and so on.
    pub(crate) group: String,
    pub(crate) flags: Vec<String>,
    pub(crate) tips: Vec<String>,
    pub(crate) args: Vec<Arg>,
}

impl Command {
    /// Its name in one: `GET`, `OBJECT ENCODING`.
    pub(crate) fn name(&self) -> String {
        self.words.join(" ")
    }

    /// Whether the server says so of it.
    pub(crate) fn has(&self, flag: &str) -> bool {
        self.flags.iter().any(|found| found == flag)
    }

    /// Whether the server gives this hint about its replies.
    pub(crate) fn tip(&self, tip: &str) -> bool {
        self.tips.iter().any(|found| found == tip)
    }
}

/// The commands that both know, in the order of their names.
pub(crate) fn read(reference: &mut Peer, subject: &mut Peer) -> Vec<Command> {
    let known: HashSet<String> = names(subject).into_keys().collect();
    let docs = reference.ask(false, &[words("COMMAND DOCS")]).remove(0);
    let info = names(reference);
    let mut found = Vec::new();
    for (name, entry) in pairs(&docs) {
        collect(&text(name), entry, &mut found);
    }
    found.retain(|command| known.contains(&command.name()));
    for command in &mut found {
        if let Some((flags, tips)) = info.get(&command.name()) {
            command.flags.clone_from(flags);
            command.tips.clone_from(tips);
        }
    }
    found.sort_by_key(Command::name);
    found
}

/// Every command of a server by name, subcommands too, with flags and tips.
fn names(peer: &mut Peer) -> HashMap<String, (Vec<String>, Vec<String>)> {
    let mut found = HashMap::new();
    let mut pending = peer.ask(false, &[words("COMMAND")]);
    while let Some(reply) = pending.pop() {
        let Reply::Group(_, parts) = reply else {
            continue;
        };
        // A command's entry begins with its name; what else is nested here are lists of such entries.
        match parts.first() {
            Some(Reply::Bulk(_, name)) => {
                let name = capitals(&String::from_utf8_lossy(name)).join(" ");
                let list = |at: usize| parts.get(at).map(texts).unwrap_or_default();
                found.insert(name, (list(2), list(7)));
                pending.extend(parts.get(9).cloned());
            }
            _ => pending.extend(parts),
        }
    }
    found
}

fn capitals(name: &str) -> Vec<String> {
    name.split('|').map(str::to_ascii_uppercase).collect()
}

/// Enters a command, and each of its subcommands.
fn collect(name: &str, entry: &Reply, found: &mut Vec<Command>) {
    let subcommands = field(entry, "subcommands");
    for (name, entry) in subcommands.into_iter().flat_map(pairs) {
        collect(&text(name), entry, found);
    }
    found.push(Command {
        words: capitals(name),
        group: field(entry, "group").map(text).unwrap_or_default(),
        flags: Vec::new(),
        tips: Vec::new(),
        args: args(field(entry, "arguments")),
    });
}

fn args(list: Option<&Reply>) -> Vec<Arg> {
    match list {
        Some(Reply::Group(_, entries)) => entries.iter().map(arg).collect(),
        _ => Vec::new(),
    }
}

fn arg(entry: &Reply) -> Arg {
    let flags = field(entry, "flags").map(texts).unwrap_or_default();
    let has = |flag: &str| flags.iter().any(|found| found == flag);
    let kind = field(entry, "type").map(text).unwrap_or_default();
    Arg {
        name: field(entry, "name").map(text).unwrap_or_default(),
        kind: match kind.as_str() {
            "integer" => Kind::Integer,
            "double" => Kind::Double,
            "key" => Kind::Key,
            "pattern" => Kind::Pattern,
            "unix-time" => Kind::UnixTime,
            "pure-token" => Kind::PureToken,
            "oneof" => Kind::OneOf,
            "block" => Kind::Block,
            _ => Kind::String,
        },
        token: field(entry, "token").map(text),
        optional: has("optional"),
        multiple: has("multiple"),
        multiple_token: has("multiple_token"),
        parts: args(field(entry, "arguments")),
    }
}

/// The pairs of a map as RESP2 has it.
fn pairs(reply: &Reply) -> impl Iterator<Item = (&Reply, &Reply)> {
    let parts = match reply {
        Reply::Group(_, parts) => parts.as_slice(),
        _ => &[],
    };
    parts.chunks_exact(2).map(|pair| (&pair[0], &pair[1]))
}

fn field<'r>(map: &'r Reply, name: &str) -> Option<&'r Reply> {
    pairs(map)
        .find(|(key, _)| text(key) == name)
        .map(|(_, value)| value)
}

fn text(reply: &Reply) -> String {
    match reply {
        Reply::Bulk(_, text) | Reply::Line(_, text) => String::from_utf8_lossy(text).into_owned(),
        _ => String::new(),
    }
}

fn texts(list: &Reply) -> Vec<String> {
    match list {
        Reply::Group(_, parts) => parts.iter().map(text).collect(),
        _ => Vec::new(),
    }
}
