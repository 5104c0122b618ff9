//! Keys as such: DEL and UNLINK, EXISTS, TOUCH, TYPE, KEYS, RANDOMKEY.

use crate::command::{
    Arg, ArgKind, Categories, CommandResult, CommandSpec, Context, Flags, Group, KeyFlags, KeySpec,
};
use crate::resp::Request;
use crate::store::db::type_name;
use crate::store::journal::Events;
use crate::text::pattern;

/// Every word is a key, and clients that shard may split the command and add the answers up.
const ALL_KEYS: &[Arg] = &[Arg::key("key", 0).multiple()];
const SUMMED: &[&str] = &["request_policy:multi_shard", "response_policy:agg_sum"];

/// DEL key [key ...]
pub static DEL: CommandSpec = CommandSpec::new("DEL", Group::Generic, del)
    .doc(
        "Deletes keys and answers how many there were.",
        "1.0.0",
        "O(N), N being the number of keys; a large value's memory is given back in the background.",
    )
    .arity(-2)
    .flags(&[Flags::WRITE])
    .keys(&[KeySpec::range(
        1,
        -1,
        1,
        KeyFlags::RM.with(KeyFlags::DELETE),
    )])
    .args(ALL_KEYS)
    .tips(SUMMED);

/// UNLINK key [key ...]
pub static UNLINK: CommandSpec = CommandSpec::new("UNLINK", Group::Generic, del)
    .doc(
        "Deletes keys and answers how many there were; their memory is given back in the background.",
        "4.0.0",
        "O(N), N being the number of keys, whatever the size of their values.",
    )
    .arity(-2)
    .flags(&[Flags::WRITE, Flags::FAST])
    .keys(&[KeySpec::range(1, -1, 1, KeyFlags::RM.with(KeyFlags::DELETE))])
    .args(ALL_KEYS)
    .tips(SUMMED);

/// DEL and UNLINK are the same: either leaves what takes long to the background, and neither what does not.
fn del(context: &mut Context<'_>, request: Request<'_>) -> CommandResult {
    let index = context.index();
    let mut deleted = 0;
    for key in request.iter_from(1) {
        if let Some(entry) = context.db.delete(index, key) {
            context.discard(entry);
            context.changed(key);
            context.event(Events::GENERIC, "del", key);
            deleted += 1;
        }
    }
    context.reply.count(deleted);
    Ok(())
}

/// EXISTS key [key ...]
pub static EXISTS: CommandSpec = CommandSpec::new("EXISTS", Group::Generic, exists)
    .doc(
        "Answers how many of the given keys exist; a key given twice counts twice.",
        "1.0.0",
        "O(N), N being the number of keys.",
    )
    .arity(-2)
    .flags(&[Flags::READONLY, Flags::FAST])
    .keys(&[KeySpec::range(1, -1, 1, KeyFlags::RO)])
    .args(ALL_KEYS)
    .history(&[("3.0.3", "Takes several keys.")])
    .tips(SUMMED);

fn exists(context: &mut Context<'_>, request: Request<'_>) -> CommandResult {
    let index = context.index();
    let found = request
        .iter_from(1)
        .filter(|key| context.db.inspect(index, key).is_some())
        .count();
    context.reply.count(found);
    Ok(())
}

/// TOUCH key [key ...]
pub static TOUCH: CommandSpec = CommandSpec::new("TOUCH", Group::Generic, touch)
    .doc(
        "Marks keys as used just now and answers how many of them exist.",
        "3.2.1",
        "O(N), N being the number of keys.",
    )
    .arity(-2)
    .flags(&[Flags::READONLY, Flags::FAST])
    .keys(&[KeySpec::range(1, -1, 1, KeyFlags::RO)])
    .args(ALL_KEYS)
    .tips(SUMMED);

fn touch(context: &mut Context<'_>, request: Request<'_>) -> CommandResult {
    let index = context.index();
    // CLIENT NO-TOUCH is about what reads do as a side effect; here it is the purpose.
    let no_touch = std::mem::replace(&mut context.db.no_touch, false);
    let found = request
        .iter_from(1)
        .filter(|key| context.db.read(index, key).is_some())
        .count();
    context.db.no_touch = no_touch;
    context.reply.count(found);
    Ok(())
}

/// TYPE key
pub static TYPE: CommandSpec = CommandSpec::new("TYPE", Group::Generic, type_of)
    .doc(
        "Answers the type of the value stored at a key, or none.",
        "1.0.0",
        "O(1)",
    )
    .arity(2)
    .flags(&[Flags::READONLY, Flags::FAST])
    .keys(&[KeySpec::at(1, KeyFlags::RO)])
    .args(&[Arg::key("key", 0)]);

fn type_of(context: &mut Context<'_>, request: Request<'_>) -> CommandResult {
    let index = context.index();
    let name = context
        .db
        .inspect(index, request.get(1))
        .map_or("none", |entry| type_name(entry.value()));
    context.reply.simple(name);
    Ok(())
}

/// KEYS pattern
pub static KEYS: CommandSpec = CommandSpec::new("KEYS", Group::Generic, keys)
    .doc(
        "Answers all keys whose names match a pattern.",
        "1.0.0",
        "O(N), N being the number of keys in the database; nothing else runs meanwhile, so prefer SCAN.",
    )
    .arity(2)
    .flags(&[Flags::READONLY])
    .categories(&[Categories::DANGEROUS])
    .args(&[Arg::new("pattern", ArgKind::Pattern)])
    .tips(&["request_policy:all_shards", "nondeterministic_output_order"]);

fn keys(context: &mut Context<'_>, request: Request<'_>) -> CommandResult {
    let wanted = request.get(1);
    let (index, now_ms) = (context.index(), context.now_ms());
    let Context { db, reply, .. } = context;
    // The number of keys comes before them, so they are found first and written after.
    let found: Vec<&[u8]> = db
        .keyspace(index)
        .iter()
        .filter(|entry| entry.deadline_ms() > now_ms)
        .map(|entry| entry.key())
        .filter(|key| wanted == b"*" || pattern::matches(wanted, key))
        .collect();
    reply.array(found.len());
    for key in found {
        reply.bulk(key);
    }
    Ok(())
}

/// RANDOMKEY
pub static RANDOMKEY: CommandSpec = CommandSpec::new("RANDOMKEY", Group::Generic, randomkey)
    .doc(
        "Answers the name of a key chosen at random.",
        "1.0.0",
        "O(1)",
    )
    .arity(1)
    .flags(&[Flags::READONLY])
    .tips(&[
        "request_policy:all_shards",
        "response_policy:special",
        "nondeterministic_output",
    ]);

fn randomkey(context: &mut Context<'_>, _request: Request<'_>) -> CommandResult {
    let index = context.index();
    match context.db.random_key(index) {
        Some(key) => context.reply.bulk(&key),
        None => context.reply.null(),
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use crate::store::entry::{Entry, NEVER, NewValue, Object};
    use crate::store::tree::End;
    use crate::store::types::list::{Fill, List};

    #[test]
    fn what_takes_long_to_drop_is_left_to_the_background() {
        let is_heavy = |value: NewValue<'_>| Entry::new(b"key", value, NEVER).is_heavy();
        let string = |bytes| NewValue::Object(Object::String(Arc::new(vec![0; bytes])));
        let list = |elements| {
            let mut list = List::new();
            for _ in 0..elements {
                list.push(End::Back, [b'x'; 1000].as_slice(), Fill::default());
            }
            NewValue::Object(Object::List(list))
        };
        for (value, want) in [
            (NewValue::Int(1), false),
            (NewValue::Text(b"text"), false),
            (string(100_000), false),
            (string(1 << 20), true),
            (list(3), false),
            (list(100), false),
            (list(2000), true),
        ] {
            let what: String = format!("{value:?}").chars().take(60).collect();
            assert_eq!(is_heavy(value), want, "{what}");
        }
    }
}
