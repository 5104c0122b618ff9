//! COMMAND: what the server's commands are, told from their specs (`info.rs` for their facts, `docs.rs` for their
//! documentation).
//!
//! A new fact about commands is added to [`CommandSpec`] and, where clients are to see it, to one of the two modules.

mod docs;
mod info;

use crate::command::{
    Arg, ArgKind, Args, Categories, Command, CommandError, CommandResult, CommandSpec, Context,
    Flags, Group, KeyAt, Misfit,
};
use crate::resp::{Reply, Request};
use crate::text::pattern;

/// The family's commands.
pub static COMMANDS: &[&CommandSpec] = &[&COMMAND];

const FLAGS: &[Flags] = &[Flags::LOADING, Flags::STALE];
const CATEGORIES: &[Categories] = &[Categories::CONNECTION];
const UNORDERED: &[&str] = &["nondeterministic_output_order"];

/// `COMMAND [subcommand ...]`
pub static COMMAND: CommandSpec = CommandSpec::new("COMMAND", Group::Server, all)
    .doc(
        "Answers the facts of all commands.",
        "2.8.13",
        "O(N), N being the commands",
    )
    .arity(-1)
    .flags(FLAGS)
    .categories(CATEGORIES)
    .tips(UNORDERED)
    .subcommands(&[
        &COUNT,
        &DOCS,
        &GETKEYS,
        &GETKEYSANDFLAGS,
        &HELP,
        &INFO,
        &LIST,
    ]);

fn all(context: &mut Context<'_>, _request: Request<'_>) -> CommandResult {
    let commands = context.instance.registry.iter();
    context.reply.array(commands.len());
    commands.for_each(|command| info::write(command, &mut context.reply));
    Ok(())
}

const fn subcommand(name: &'static str, handler: crate::command::Handler) -> CommandSpec {
    CommandSpec::new(name, Group::Server, handler)
        .flags(FLAGS)
        .categories(CATEGORIES)
}

static COUNT: CommandSpec = subcommand("COUNT", count)
    .doc("Answers how many commands there are.", "2.8.13", "O(1)")
    .arity(2);

fn count(context: &mut Context<'_>, _request: Request<'_>) -> CommandResult {
    context.reply.count(context.instance.registry.iter().len());
    Ok(())
}

static HELP: CommandSpec = subcommand("HELP", help)
    .doc("Lists the subcommands.", "5.0.0", "O(1)")
    .arity(2);

fn help(context: &mut Context<'_>, _request: Request<'_>) -> CommandResult {
    context.help(
        "COMMAND",
        &[
            "(no subcommand)",
            "    The facts of all commands.",
            "COUNT",
            "    How many commands there are.",
            "DOCS [<command-name> ...]",
            "    The documentation of some commands, or of all.",
            "GETKEYS <full-command>",
            "    The keys in a command with its arguments.",
            "GETKEYSANDFLAGS <full-command>",
            "    The keys in a command with its arguments, and what it does with each.",
            "INFO [<command-name> ...]",
            "    The facts of some commands, or of all.",
            "LIST [FILTERBY (MODULE <name> | ACLCAT <category> | PATTERN <pattern>)]",
            "    The names of the commands and subcommands.",
        ],
    );
    Ok(())
}

const NAMES: &[Arg] = &[Arg::string("command-name").optional().multiple()];

static INFO: CommandSpec = subcommand("INFO", info)
    .doc(
        "Answers the facts of commands.",
        "2.8.13",
        "O(N), N being the commands asked for",
    )
    .arity(-2)
    .args(NAMES)
    .history(&[("7.0.0", "Without a name it answers for all commands.")])
    .tips(UNORDERED);

fn info(context: &mut Context<'_>, request: Request<'_>) -> CommandResult {
    if request.len() == 2 {
        return all(context, request);
    }
    let names = request.iter_from(2);
    context.reply.array(names.len());
    for name in names {
        match context.instance.registry.find_full(name) {
            Some(command) => info::write(command, &mut context.reply),
            None => context.reply.null(),
        }
    }
    Ok(())
}

static DOCS: CommandSpec = subcommand("DOCS", docs)
    .doc(
        "Answers the documentation of commands.",
        "7.0.0",
        "O(N), N being the commands asked for",
    )
    .arity(-2)
    .args(NAMES)
    .tips(UNORDERED);

fn docs(context: &mut Context<'_>, request: Request<'_>) -> CommandResult {
    let registry = &context.instance.registry;
    let commands: Vec<&Command> = if request.len() == 2 {
        registry.iter().collect()
    } else {
        request
            .iter_from(2)
            .filter_map(|name| registry.find_full(name))
            .collect()
    };
    docs::write(&commands, &mut context.reply);
    Ok(())
}

const FILTERS: &[Arg] = &[
    Arg::string("module-name").with_token("MODULE"),
    Arg::string("category").with_token("ACLCAT"),
    Arg::new("pattern", ArgKind::Pattern).with_token("PATTERN"),
];

static LIST: CommandSpec = subcommand("LIST", list)
    .doc(
        "Answers the names of commands.",
        "7.0.0",
        "O(N), N being the commands",
    )
    .arity(-2)
    .args(&[Arg::one_of("filterby", FILTERS)
        .with_token("FILTERBY")
        .optional()])
    .tips(UNORDERED);

/// Which names COMMAND LIST gives.
enum ListFilter<'a> {
    All,
    /// A module's commands; there are no modules.
    Module,
    Category(Option<Categories>),
    Pattern(&'a [u8]),
}

impl<'a> ListFilter<'a> {
    fn parse(mut args: Args<'a>) -> Result<Self, CommandError> {
        if args.is_empty() {
            return Ok(ListFilter::All);
        }
        if args.remaining() != 3 || !args.keyword("FILTERBY") {
            return Err(CommandError::Syntax);
        }
        if args.keyword("MODULE") {
            Ok(ListFilter::Module)
        } else if args.keyword("ACLCAT") {
            Ok(ListFilter::Category(Categories::by_name(args.bytes()?)))
        } else if args.keyword("PATTERN") {
            Ok(ListFilter::Pattern(args.bytes()?))
        } else {
            Err(CommandError::Syntax)
        }
    }

    fn takes(&self, command: &Command) -> bool {
        match self {
            ListFilter::All => true,
            ListFilter::Module => false,
            ListFilter::Category(category) => {
                category.is_some_and(|category| command.spec.acl_categories().has(category))
            }
            ListFilter::Pattern(wanted) => {
                pattern::matches_ignoring_case(wanted, command.full_name.as_bytes())
            }
        }
    }
}

fn list(context: &mut Context<'_>, request: Request<'_>) -> CommandResult {
    let filter = ListFilter::parse(Args::new(request, 2))?;
    let found = context
        .instance
        .registry
        .iter_all()
        .filter(|command| filter.takes(command));
    context.reply.array(found.clone().count());
    found.for_each(|command| context.reply.text(&command.full_name));
    Ok(())
}

const FULL_COMMAND: &[Arg] = &[
    Arg::string("command"),
    Arg::string("arg").optional().multiple(),
];

static GETKEYS: CommandSpec = subcommand("GETKEYS", getkeys)
    .doc(
        "Answers the keys in a command.",
        "2.8.13",
        "O(N), N being the command's arguments",
    )
    .arity(-3)
    .args(FULL_COMMAND);

fn getkeys(context: &mut Context<'_>, request: Request<'_>) -> CommandResult {
    let full = request.skip(2);
    let keys = keys_of(context, full)?;
    context.reply.array(keys.len());
    keys.iter()
        .for_each(|key| context.reply.bulk(full.get(key.index)));
    Ok(())
}

static GETKEYSANDFLAGS: CommandSpec = subcommand("GETKEYSANDFLAGS", getkeysandflags)
    .doc(
        "Answers the keys in a command and what it does with each.",
        "7.0.0",
        "O(N), N being the command's arguments",
    )
    .arity(-3)
    .args(FULL_COMMAND);

fn getkeysandflags(context: &mut Context<'_>, request: Request<'_>) -> CommandResult {
    let full = request.skip(2);
    let keys = keys_of(context, full)?;
    context.reply.array(keys.len());
    for key in keys {
        context.reply.array(2);
        context.reply.bulk(full.get(key.index));
        write_words(&mut context.reply, key.flags.names());
    }
    Ok(())
}

/// The keys of `full`, a request as a client would send it.
fn keys_of(context: &Context<'_>, full: Request<'_>) -> Result<Vec<KeyAt>, CommandError> {
    let command = context.instance.registry.resolve(full);
    let spec = command
        .ok_or(CommandError::fixed("ERR Invalid command specified"))?
        .spec;
    if !spec.has_keys() {
        return Err(CommandError::fixed("ERR The command has no key arguments"));
    }
    if !spec.accepts(full.len()) {
        return Err(CommandError::fixed(
            "ERR Invalid number of arguments specified for command",
        ));
    }
    match spec.find_keys(full) {
        Ok(keys) if !keys.is_empty() => Ok(keys),
        Ok(_) | Err(Misfit) if spec.flags.has(Flags::NO_MANDATORY_KEYS) => Ok(Vec::new()),
        Ok(_) | Err(Misfit) => Err(CommandError::fixed(
            "ERR Invalid arguments specified for command",
        )),
    }
}

/// Answers words as a set of simple strings.
fn write_words(reply: &mut Reply<'_>, words: impl Iterator<Item = &'static str> + Clone) {
    reply.set(words.clone().count());
    words.for_each(|word| reply.simple(word));
}
