//! COMMAND DOCS: a command's documentation, from which clients make their help.

use super::write_words;
use crate::command::{Arg, ArgKind, Command, CommandSpec};
use crate::resp::Reply;

/// Answers a map of names to the documentation of `commands`.
pub(super) fn write(commands: &[&Command], reply: &mut Reply<'_>) {
    reply.map(commands.len());
    for command in commands {
        reply.text(&command.full_name);
        write_command(command, reply);
    }
}

fn write_command(command: &Command, reply: &mut Reply<'_>) {
    let spec = command.spec;
    let texts = [
        ("summary", spec.summary),
        ("since", spec.since),
        ("group", spec.group.name()),
        ("complexity", spec.complexity),
    ];
    let texts = texts.iter().filter(|(_, text)| !text.is_empty());
    let optional = [
        spec.deprecated.is_some() || spec.internal,
        spec.deprecated.is_some(),
        spec.deprecated.is_some(),
        !spec.history.is_empty(),
        !spec.args.is_empty(),
        !command.subcommands.is_empty(),
    ];
    let optional = optional.into_iter();
    reply.map(texts.clone().count() + optional.filter(|present| *present).count());
    for (name, text) in texts {
        reply.text(name);
        reply.text(text);
    }
    write_doc_flags(spec, reply);
    write_history(spec, reply);
    if !spec.args.is_empty() {
        reply.text("arguments");
        write_args(spec.args, reply);
    }
    if !command.subcommands.is_empty() {
        reply.text("subcommands");
        write(&command.subcommands.iter().collect::<Vec<_>>(), reply);
    }
}

fn write_doc_flags(spec: &CommandSpec, reply: &mut Reply<'_>) {
    let flags = [
        (spec.deprecated.is_some(), "deprecated"),
        (spec.internal, "syscmd"),
    ];
    let flags = flags
        .into_iter()
        .filter_map(|(is, name)| is.then_some(name));
    if flags.clone().next().is_some() {
        reply.text("doc_flags");
        write_words(reply, flags);
    }
    if let Some((since, replaced_by)) = spec.deprecated {
        reply.text("deprecated_since");
        reply.text(since);
        reply.text("replaced_by");
        reply.text(replaced_by);
    }
}

fn write_history(spec: &CommandSpec, reply: &mut Reply<'_>) {
    if spec.history.is_empty() {
        return;
    }
    reply.text("history");
    reply.set(spec.history.len());
    for (version, change) in spec.history {
        reply.array(2);
        reply.text(version);
        reply.text(change);
    }
}

fn write_args(args: &[Arg], reply: &mut Reply<'_>) {
    reply.array(args.len());
    args.iter().for_each(|arg| write_arg(arg, reply));
}

fn write_arg(arg: &Arg, reply: &mut Reply<'_>) {
    let nested = matches!(arg.kind, ArgKind::OneOf | ArgKind::Block);
    let texts = [
        ("token", arg.token),
        ("since", arg.since),
        ("deprecated_since", arg.deprecated_since),
    ];
    let flags = [
        (arg.optional, "optional"),
        (arg.multiple, "multiple"),
        (arg.multiple_token, "multiple_token"),
    ];
    let flags = flags
        .into_iter()
        .filter_map(|(is, name)| is.then_some(name));
    let has_flags = flags.clone().next().is_some();
    // Either the arguments within or the text to show for the one that it is.
    let pairs = 3
        + texts.iter().filter(|(_, text)| text.is_some()).count()
        + usize::from(arg.key_spec.is_some())
        + usize::from(has_flags);
    reply.map(pairs);
    reply.text("name");
    reply.text(arg.name);
    reply.text("type");
    reply.text(arg.kind.name());
    if !nested {
        reply.text("display_text");
        reply.text(arg.display.unwrap_or(arg.name));
    }
    if let Some(index) = arg.key_spec {
        reply.text("key_spec_index");
        reply.integer(index.into());
    }
    for (name, text) in texts {
        if let Some(text) = text {
            reply.text(name);
            reply.text(text);
        }
    }
    if has_flags {
        reply.text("flags");
        write_words(reply, flags);
    }
    if nested {
        reply.text("arguments");
        write_args(arg.args, reply);
    }
}
