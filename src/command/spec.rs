//! What the server knows of a command: everything that COMMAND, COMMAND DOCS, key extraction, the gate, ACL
//! categories and the CLI's hints are derived from.
//!
//! A spec stands above its handler as a `static`, built by the `const` methods here, and is named once in its
//! family's list. Facts (arity, flags, key specs, since, complexity) are those of Redis 8.2 and Valkey 9.1.

use super::context::Context;
use super::error::CommandResult;
use super::flags::{Categories, Flags, Group};
use super::keys::{self, KeyAt, KeyFinder, KeyFlags, KeySpec, Misfit};
use crate::instance::Instance;
use crate::resp::Request;

/// The code of a command: parses its arguments, changes the data set, writes its reply.
pub type Handler = fn(&mut Context<'_>, Request<'_>) -> CommandResult;

/// Tells which flags hold for a request, of which the spec's are given: those of a script come from its own head.
pub type FlagsFinder = fn(&Instance, Request<'_>, Flags) -> Flags;

/// A command, or a subcommand of one.
#[derive(Debug)]
pub struct CommandSpec {
    /// The name in upper case; of a subcommand its own word alone.
    pub name: &'static str,
    /// One sentence.
    pub summary: &'static str,
    /// The version of Redis (or Valkey) that brought it.
    pub since: &'static str,
    /// Where the documentation lists it.
    pub group: Group,
    /// Its cost, in words.
    pub complexity: &'static str,
    /// Number of words with the name; negative for a minimum.
    pub arity: i16,
    /// What it does and where it is allowed.
    pub flags: Flags,
    /// ACL categories beyond those that follow from group and flags.
    pub categories: Categories,
    /// Where its keys are.
    pub keys: &'static [KeySpec],
    /// The grammar of its arguments.
    pub args: &'static [Arg],
    /// Changes since it was introduced: version and what changed.
    pub history: &'static [(&'static str, &'static str)],
    /// Hints for clients that route or cache.
    pub tips: &'static [&'static str],
    /// Since when it is deprecated, and what replaces it.
    pub deprecated: Option<(&'static str, &'static str)>,
    /// Subcommands of a container.
    pub subcommands: &'static [&'static CommandSpec],
    /// Its code; a container's answers for a missing or unknown subcommand.
    pub handler: Handler,
    /// The word that names an element of the collection under its first key, if there is one: it is fetched ahead.
    pub element: Option<u16>,
    /// The score that this element gets, if it gets one: the places of the old and the new one are fetched ahead.
    pub score: Option<NewScore>,
    /// Finds the keys where the key specs cannot.
    pub key_finder: Option<KeyFinder>,
    /// Tells which flags hold for a request, where that depends on the request.
    pub flags_on: Option<FlagsFinder>,
    /// Whether the group gives it its ACL category.
    pub category_of_group: bool,
    /// Whether it is for the server's own use or its developers', and not for applications.
    pub internal: bool,
}

/// The score that a command gives an element of a sorted set, by the word that says it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NewScore {
    /// The word at this index.
    At(u16),
    /// The present score and the word at this index.
    IncreasedBy(u16),
}

impl CommandSpec {
    /// A command of which only the name, the group and the code are known yet.
    pub const fn new(name: &'static str, group: Group, handler: Handler) -> Self {
        CommandSpec {
            name,
            summary: "",
            since: "",
            group,
            complexity: "",
            arity: 0,
            flags: Flags::NONE,
            categories: Categories::NONE,
            keys: &[],
            args: &[],
            history: &[],
            tips: &[],
            deprecated: None,
            subcommands: &[],
            handler,
            element: None,
            score: None,
            key_finder: None,
            flags_on: None,
            category_of_group: true,
            internal: false,
        }
    }

    /// Summary, first version and complexity.
    pub const fn doc(
        mut self,
        summary: &'static str,
        since: &'static str,
        complexity: &'static str,
    ) -> Self {
        self.summary = summary;
        self.since = since;
        self.complexity = complexity;
        self
    }

    /// Number of words with the name (for a subcommand with both names); negative for a minimum.
    pub const fn arity(mut self, arity: i16) -> Self {
        self.arity = arity;
        self
    }

    /// Adds flags.
    pub const fn flags(mut self, flags: &[Flags]) -> Self {
        let mut at = 0;
        while at < flags.len() {
            self.flags = self.flags.with(flags[at]);
            at += 1;
        }
        self
    }

    /// Adds ACL categories that do not follow from group and flags.
    pub const fn categories(mut self, categories: &[Categories]) -> Self {
        let mut at = 0;
        while at < categories.len() {
            self.categories = self.categories.with(categories[at]);
            at += 1;
        }
        self
    }

    /// Where the keys are.
    pub const fn keys(mut self, keys: &'static [KeySpec]) -> Self {
        self.keys = keys;
        self
    }

    /// The grammar of the arguments.
    pub const fn args(mut self, args: &'static [Arg]) -> Self {
        self.args = args;
        self
    }

    /// What changed in which version.
    pub const fn history(mut self, history: &'static [(&'static str, &'static str)]) -> Self {
        self.history = history;
        self
    }

    /// Hints for clients.
    pub const fn tips(mut self, tips: &'static [&'static str]) -> Self {
        self.tips = tips;
        self
    }

    /// The word at `index` names an element of the collection under its key.
    pub const fn element_at(mut self, index: u16) -> Self {
        self.element = Some(index);
        self
    }

    /// The score that the element gets.
    pub const fn score(mut self, score: NewScore) -> Self {
        self.score = Some(score);
        self
    }

    /// Deprecated since a version, replaced by something.
    pub const fn deprecated(mut self, since: &'static str, replaced_by: &'static str) -> Self {
        self.deprecated = Some((since, replaced_by));
        self
    }

    /// The subcommands of a container.
    pub const fn subcommands(mut self, subcommands: &'static [&'static CommandSpec]) -> Self {
        self.subcommands = subcommands;
        self
    }

    /// Finds the keys of requests for which the key specs do not suffice.
    pub const fn key_finder(mut self, finder: KeyFinder) -> Self {
        self.key_finder = Some(finder);
        self
    }

    /// Finds the flags of requests of which not all have the same.
    pub const fn flags_on(mut self, finder: FlagsFinder) -> Self {
        self.flags_on = Some(finder);
        self
    }

    /// Is for the server's own use or its developers'.
    pub const fn internal(mut self) -> Self {
        self.internal = true;
        self
    }

    /// Is not in the ACL category of its group.
    pub const fn without_group_category(mut self) -> Self {
        self.category_of_group = false;
        self
    }

    /// Whether its requests can have keys.
    pub fn has_keys(&self) -> bool {
        self.key_finder.is_some()
            || self
                .keys
                .iter()
                .any(|keys| !keys.flags.has(KeyFlags::NOT_KEY))
    }

    /// The keys of a request. Where what is done with a key depends on options, or a spec does not fit, the command's
    /// own finder tells.
    pub fn find_keys(&self, request: Request<'_>) -> Result<Vec<KeyAt>, Misfit> {
        let variable = self
            .keys
            .iter()
            .any(|keys| keys.flags.has(KeyFlags::VARIABLE_FLAGS));
        match self.key_finder {
            Some(find) if variable => find(request),
            Some(find) => keys::by_specs(self.keys, request).or_else(|Misfit| find(request)),
            None => keys::by_specs(self.keys, request),
        }
    }

    /// Whether `words` words, names included, are as many as this command takes.
    #[inline]
    pub const fn accepts(&self, words: usize) -> bool {
        if self.arity >= 0 {
            words == self.arity as usize
        } else {
            words >= self.arity.unsigned_abs() as usize
        }
    }

    /// All ACL categories: the declared ones and those that follow from group and flags.
    pub const fn acl_categories(&self) -> Categories {
        let mut all = self.categories;
        // A container does nothing itself, so its group says nothing about it.
        if self.category_of_group && self.subcommands.is_empty() {
            all = all.with(self.group.category());
        }
        let flags = self.flags;
        if flags.has(Flags::WRITE) {
            all = all.with(Categories::WRITE);
        }
        if flags.has(Flags::READONLY) && !matches!(self.group, Group::Scripting) {
            all = all.with(Categories::READ);
        }
        if flags.has(Flags::ADMIN) {
            all = all.with(Categories::ADMIN).with(Categories::DANGEROUS);
        }
        if flags.has(Flags::PUBSUB) {
            all = all.with(Categories::PUBSUB);
        }
        if flags.has(Flags::BLOCKING) {
            all = all.with(Categories::BLOCKING);
        }
        all.with(if flags.has(Flags::FAST) {
            Categories::FAST
        } else {
            Categories::SLOW
        })
    }

    /// The subcommand called `name`, without regard to case.
    pub fn subcommand(&self, name: &[u8]) -> Option<&'static CommandSpec> {
        self.subcommands
            .iter()
            .copied()
            .find(|sub| sub.name.as_bytes().eq_ignore_ascii_case(name))
    }
}

/// The kind of an argument in a command's grammar.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ArgKind {
    /// Any string.
    String,
    /// An integer.
    Integer,
    /// A floating-point number.
    Double,
    /// A key.
    Key,
    /// A pattern.
    Pattern,
    /// A time in Unix seconds or milliseconds.
    UnixTime,
    /// A word that stands for itself.
    PureToken,
    /// One of the arguments within.
    OneOf,
    /// All of the arguments within.
    Block,
}

impl ArgKind {
    /// The name in COMMAND DOCS.
    pub fn name(self) -> &'static str {
        match self {
            ArgKind::String => "string",
            ArgKind::Integer => "integer",
            ArgKind::Double => "double",
            ArgKind::Key => "key",
            ArgKind::Pattern => "pattern",
            ArgKind::UnixTime => "unix-time",
            ArgKind::PureToken => "pure-token",
            ArgKind::OneOf => "oneof",
            ArgKind::Block => "block",
        }
    }
}

/// An argument in a command's grammar.
#[derive(Clone, Copy, Debug)]
pub struct Arg {
    /// Its name.
    pub name: &'static str,
    /// Its kind.
    pub kind: ArgKind,
    /// The word that introduces it, if any.
    pub token: Option<&'static str>,
    /// For a key: the index of its key spec.
    pub key_spec: Option<u8>,
    /// The version that brought it, where later than the command.
    pub since: Option<&'static str>,
    /// The version that deprecated it.
    pub deprecated_since: Option<&'static str>,
    /// The name to show instead of its own.
    pub display: Option<&'static str>,
    /// Whether it may be left out.
    pub optional: bool,
    /// Whether it may be repeated.
    pub multiple: bool,
    /// Whether its token is repeated with it.
    pub multiple_token: bool,
    /// The arguments within.
    pub args: &'static [Arg],
}

impl Arg {
    /// An argument of the given kind.
    pub const fn new(name: &'static str, kind: ArgKind) -> Self {
        Arg {
            name,
            kind,
            token: None,
            key_spec: None,
            since: None,
            deprecated_since: None,
            display: None,
            optional: false,
            multiple: false,
            multiple_token: false,
            args: &[],
        }
    }

    /// A key, found by the key spec of that index.
    pub const fn key(name: &'static str, key_spec: u8) -> Self {
        let mut arg = Arg::new(name, ArgKind::Key);
        arg.key_spec = Some(key_spec);
        arg
    }

    /// A string.
    pub const fn string(name: &'static str) -> Self {
        Arg::new(name, ArgKind::String)
    }

    /// An integer.
    pub const fn integer(name: &'static str) -> Self {
        Arg::new(name, ArgKind::Integer)
    }

    /// A word that stands for itself.
    pub const fn token(name: &'static str, token: &'static str) -> Self {
        let mut arg = Arg::new(name, ArgKind::PureToken);
        arg.token = Some(token);
        arg
    }

    /// One of several arguments.
    pub const fn one_of(name: &'static str, args: &'static [Arg]) -> Self {
        let mut arg = Arg::new(name, ArgKind::OneOf);
        arg.args = args;
        arg
    }

    /// Several arguments in a row.
    pub const fn block(name: &'static str, args: &'static [Arg]) -> Self {
        let mut arg = Arg::new(name, ArgKind::Block);
        arg.args = args;
        arg
    }

    /// Introduced by a word.
    pub const fn with_token(mut self, token: &'static str) -> Self {
        self.token = Some(token);
        self
    }

    /// May be left out.
    pub const fn optional(mut self) -> Self {
        self.optional = true;
        self
    }

    /// May be repeated.
    pub const fn multiple(mut self) -> Self {
        self.multiple = true;
        self
    }

    /// May be repeated, each time with its token.
    pub const fn multiple_token(mut self) -> Self {
        self.multiple = true;
        self.multiple_token = true;
        self
    }

    /// Newer than the command.
    pub const fn since(mut self, version: &'static str) -> Self {
        self.since = Some(version);
        self
    }

    /// Deprecated since a version.
    pub const fn deprecated_since(mut self, version: &'static str) -> Self {
        self.deprecated_since = Some(version);
        self
    }

    /// Shown under another name.
    pub const fn display(mut self, name: &'static str) -> Self {
        self.display = Some(name);
        self
    }
}
