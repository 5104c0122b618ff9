//! COMMAND INFO: a command's facts, in ten elements.

use super::write_words;
use crate::command::{Begin, Command, Find, Flags, KeyRange, KeySpec};
use crate::resp::Reply;

/// Answers the facts of `command`, those of its subcommands within.
pub(super) fn write(command: &Command, reply: &mut Reply<'_>) {
    let spec = command.spec;
    let keys = KeyRange::of(spec.keys);
    reply.array(10);
    reply.text(&command.full_name);
    reply.integer(spec.arity.into());
    // Redis keeps the permission to replicate to itself.
    let hidden = Flags::MAY_REPLICATE.names().next();
    write_words(
        reply,
        command
            .flags()
            .names()
            .filter(move |name| Some(*name) != hidden),
    );
    for number in [keys.first, keys.last, keys.step] {
        reply.integer(number.into());
    }
    let categories = spec.acl_categories().names();
    reply.set(categories.clone().count());
    categories.for_each(|name| reply.simple(&format!("@{name}")));
    reply.set(spec.tips.len());
    spec.tips.iter().for_each(|tip| reply.text(tip));
    reply.set(spec.keys.len());
    spec.keys
        .iter()
        .for_each(|keys| write_key_spec(keys, reply));
    if command.subcommands.is_empty() {
        reply.set(0);
    } else {
        reply.array(command.subcommands.len());
        command
            .subcommands
            .iter()
            .for_each(|subcommand| write(subcommand, reply));
    }
}

fn write_key_spec(keys: &KeySpec, reply: &mut Reply<'_>) {
    reply.map(3 + usize::from(keys.notes.is_some()));
    if let Some(notes) = keys.notes {
        reply.text("notes");
        reply.text(notes);
    }
    reply.text("flags");
    write_words(reply, keys.flags.names());
    reply.text("begin_search");
    write_begin(keys.begin, reply);
    reply.text("find_keys");
    write_find(keys.find, reply);
}

fn write_begin(begin: Begin, reply: &mut Reply<'_>) {
    match begin {
        Begin::Index(index) => {
            write_head("index", 1, reply);
            write_numbers(&[("index", index.into())], reply);
        }
        Begin::Keyword(word, from) => {
            write_head("keyword", 2, reply);
            reply.text("keyword");
            reply.text(word);
            write_numbers(&[("startfrom", from.into())], reply);
        }
        Begin::Unknown => write_head("unknown", 0, reply),
    }
}

fn write_find(find: Find, reply: &mut Reply<'_>) {
    match find {
        Find::Range { last, step, limit } => {
            write_head("range", 3, reply);
            write_numbers(
                &[
                    ("lastkey", last.into()),
                    ("keystep", step.into()),
                    ("limit", limit.into()),
                ],
                reply,
            );
        }
        Find::KeyNum {
            number,
            first,
            step,
        } => {
            write_head("keynum", 3, reply);
            write_numbers(
                &[
                    ("keynumidx", number.into()),
                    ("firstkey", first.into()),
                    ("keystep", step.into()),
                ],
                reply,
            );
        }
        Find::Unknown => write_head("unknown", 0, reply),
    }
}

/// The type of a part of a key spec, and the head of the map that describes it.
fn write_head(kind: &str, pairs: usize, reply: &mut Reply<'_>) {
    reply.map(2);
    reply.text("type");
    reply.text(kind);
    reply.text("spec");
    reply.map(pairs);
}

fn write_numbers(numbers: &[(&str, i64)], reply: &mut Reply<'_>) {
    for (name, number) in numbers {
        reply.text(name);
        reply.integer(*number);
    }
}
