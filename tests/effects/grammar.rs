//! The commands with their arguments, as the registry has them, for the generator.

use ruddle::command::{self, ArgKind, Group, Registry};

/// The type of an argument.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    String,
    Integer,
    Double,
    Key,
    Pattern,
    UnixTime,
    PureToken,
    OneOf,
    Block,
}

/// An argument of a command.
#[derive(Clone, Debug)]
pub(crate) struct Arg {
    pub(crate) name: String,
    pub(crate) kind: Kind,
    pub(crate) token: Option<String>,
    pub(crate) optional: bool,
    pub(crate) multiple: bool,
    pub(crate) multiple_token: bool,
    pub(crate) parts: Vec<Arg>,
}

impl Arg {
    fn of(arg: &command::Arg) -> Arg {
        Arg {
            name: arg.name.to_owned(),
            kind: match arg.kind {
                ArgKind::String => Kind::String,
                ArgKind::Integer => Kind::Integer,
                ArgKind::Double => Kind::Double,
                ArgKind::Key => Kind::Key,
                ArgKind::Pattern => Kind::Pattern,
                ArgKind::UnixTime => Kind::UnixTime,
                ArgKind::PureToken => Kind::PureToken,
                ArgKind::OneOf => Kind::OneOf,
                ArgKind::Block => Kind::Block,
            },
            token: arg.token.map(str::to_owned),
            optional: arg.optional,
            multiple: arg.multiple,
            multiple_token: arg.multiple_token,
            parts: arg.args.iter().map(Arg::of).collect(),
        }
    }
}

/// A command, or a subcommand.
#[derive(Clone, Debug)]
pub(crate) struct Command {
    /// Its name in capitals: one word, or two.
    pub(crate) words: Vec<String>,
    pub(crate) group: String,
    flags: Vec<&'static str>,
    pub(crate) args: Vec<Arg>,
}

impl Command {
    fn of(command: &command::Command) -> Command {
        let words = command.full_name.split('|').map(str::to_ascii_uppercase);
        Command {
            words: words.collect(),
            group: command.spec.group.name().to_owned(),
            flags: command.spec.flags.names().collect(),
            args: command.spec.args.iter().map(Arg::of).collect(),
        }
    }

    /// Its name in one: `GET`, `OBJECT ENCODING`.
    pub(crate) fn name(&self) -> String {
        self.words.join(" ")
    }

    /// Whether it has a flag.
    pub(crate) fn has(&self, flag: &str) -> bool {
        self.flags.contains(&flag)
    }
}

/// Commands on data that are not tried: they talk to other servers, or take long.
const LEFT_OUT: &[&str] = &["MIGRATE", "PFSELFTEST", "WAIT", "WAITAOF"];

/// The commands on data.
pub(crate) fn read(registry: &Registry) -> Vec<Command> {
    let on_data = |command: &&command::Command| match command.spec.group {
        Group::PubSub | Group::Scripting | Group::Cluster | Group::Transactions => false,
        Group::Connection => command.spec.name == "SELECT",
        Group::Server => ["FLUSHALL", "FLUSHDB", "SWAPDB"].contains(&command.spec.name),
        _ => command.subcommands.is_empty() && !LEFT_OUT.contains(&command.spec.name),
    };
    let commands = registry.iter_all().filter(on_data);
    commands.map(Command::of).collect()
}
