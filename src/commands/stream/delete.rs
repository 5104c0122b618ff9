//! Deleting entries: XDEL, XDELEX, and XACKDEL, which acknowledges them first.

use super::add::{REFERENCE_ARGS, parse_references};
use super::ids::parse_id;
use super::{changed_by, groups_changed, node_limit, stream_mut};
use crate::command::{
    Arg, Args, CommandError, CommandResult, CommandSpec, Context, Flags, Group, KeyFlags, KeySpec,
};
use crate::resp::Request;
use crate::store::journal::Events;
use crate::store::types::stream::{NodeLimit, References, Stream, StreamId};

/// Nothing there that could be acknowledged or deleted.
const MISSING: i64 = -1;
/// The entry is deleted.
const DELETED: i64 = 1;
/// The entry stays, because a group needs it yet.
const NEEDED: i64 = 2;

const IDS: Arg = Arg::block(
    "ids",
    &[Arg::integer("numids"), Arg::string("id").multiple()],
)
.with_token("IDS");

/// `XDEL key id [id ...]`
pub static XDEL: CommandSpec = CommandSpec::new("XDEL", Group::Stream, xdel)
    .doc(
        "Deletes entries of a stream.",
        "5.0.0",
        "O(log(N)) for each entry, N being the length of the stream.",
    )
    .arity(-3)
    .flags(&[Flags::WRITE, Flags::FAST])
    .keys(&[KeySpec::at(1, KeyFlags::RW.with(KeyFlags::DELETE))])
    .args(&[Arg::key("key", 0), Arg::string("ID").multiple()]);

fn xdel(context: &mut Context<'_>, request: Request<'_>) -> CommandResult {
    let (key, index, limit) = (request.get(1), context.index(), node_limit(context));
    let Some(mut slot) = context.db.write(index, key) else {
        context.reply.count(0);
        return Ok(());
    };
    let stream = stream_mut(&mut slot)?;
    for id in request.iter_from(2) {
        parse_id(id)?;
    }
    let mut deleted = 0;
    for id in request.iter_from(2) {
        deleted += usize::from(stream.delete(parse_id(id)?, limit));
    }
    drop(slot);
    changed_by(context, key, deleted);
    if deleted > 0 {
        context.event(Events::STREAM, "xdel", key);
    }
    context.reply.count(deleted);
    Ok(())
}

/// `XDELEX key [KEEPREF | DELREF | ACKED] IDS numids id [id ...]`
pub static XDELEX: CommandSpec = CommandSpec::new("XDELEX", Group::Stream, xdelex)
    .doc(
        "Deletes entries of a stream, with regard to the groups that refer to them.",
        "8.2.0",
        "O(log(N)) for each entry, N being the length of the stream.",
    )
    .arity(-5)
    .flags(&[Flags::WRITE, Flags::FAST])
    .keys(&[KeySpec::at(1, KeyFlags::RW.with(KeyFlags::DELETE))])
    .args(&[
        Arg::key("key", 0),
        Arg::one_of("condition", REFERENCE_ARGS).optional(),
        IDS,
    ]);

fn xdelex(context: &mut Context<'_>, request: Request<'_>) -> CommandResult {
    let (key, index, limit) = (request.get(1), context.index(), node_limit(context));
    let mut slot = context.db.write(index, key);
    let stream = match &mut slot {
        Some(slot) => Some(stream_mut(slot)?),
        None => None,
    };
    let chosen = Chosen::parse(request, 2)?;
    let reply = &mut context.reply;
    reply.array(chosen.count);
    let (mut changes, mut deleted) = (0, false);
    match stream {
        None => (0..chosen.count).for_each(|_| reply.integer(MISSING)),
        Some(stream) => {
            for id in chosen.ids(request) {
                let (outcome, changed) = if stream.log().contains(id) {
                    let outcome = delete(stream, id, chosen.references, limit);
                    (outcome, outcome == DELETED)
                } else {
                    // What groups hold of an entry that is gone already goes too.
                    let deletes = chosen.references == References::Delete;
                    (MISSING, deletes && stream.drop_references(id))
                };
                reply.integer(outcome);
                changes += usize::from(changed);
                deleted |= outcome == DELETED;
            }
        }
    }
    drop(slot);
    if deleted {
        changed_by(context, key, changes);
        context.event(Events::STREAM, "xdel", key);
    } else {
        groups_changed(context, changes);
    }
    Ok(())
}

/// `XACKDEL key group [KEEPREF | DELREF | ACKED] IDS numids id [id ...]`
pub static XACKDEL: CommandSpec = CommandSpec::new("XACKDEL", Group::Stream, xackdel)
    .doc(
        "Acknowledges entries for a group and deletes them, with regard to the other groups that refer to them.",
        "8.2.0",
        "O(log(N)) for each entry, N being the length of the stream.",
    )
    .arity(-6)
    .flags(&[Flags::WRITE, Flags::FAST])
    .keys(&[KeySpec::at(
        1,
        KeyFlags::RW.with(KeyFlags::UPDATE).with(KeyFlags::DELETE),
    )])
    .args(&[
        Arg::key("key", 0),
        Arg::string("group"),
        Arg::one_of("condition", REFERENCE_ARGS).optional(),
        IDS,
    ]);

fn xackdel(context: &mut Context<'_>, request: Request<'_>) -> CommandResult {
    let (key, index, limit) = (request.get(1), context.index(), node_limit(context));
    let group = request.get(2);
    let mut slot = context.db.write(index, key);
    let mut stream = match &mut slot {
        Some(slot) => Some(stream_mut(slot)?),
        None => None,
    };
    let chosen = Chosen::parse(request, 3)?;
    let reply = &mut context.reply;
    reply.array(chosen.count);
    let (mut changes, mut deleted) = (0, false);
    for id in chosen.ids(request) {
        let acked = stream
            .as_deref_mut()
            .is_some_and(|stream| ack(stream, group, id));
        let outcome = match &mut stream {
            Some(stream) if acked => {
                let was_there = stream.log().contains(id);
                let outcome = delete(stream, id, chosen.references, limit);
                deleted |= was_there && !stream.log().contains(id);
                outcome
            }
            _ => MISSING,
        };
        reply.integer(outcome);
        changes += usize::from(outcome != MISSING);
    }
    drop(slot);
    if deleted {
        changed_by(context, key, changes);
        context.event(Events::STREAM, "xdel", key);
    } else {
        groups_changed(context, changes);
    }
    Ok(())
}

/// Acknowledges an entry; false if it was not pending in the group, or there is none of that name.
fn ack(stream: &mut Stream, group: &[u8], id: StreamId) -> bool {
    let group = stream.group_mut(group);
    group.is_some_and(|(_, group)| group.ack(id))
}

/// Deletes an entry that may be gone already, as far as the groups allow.
fn delete(stream: &mut Stream, id: StreamId, references: References, limit: NodeLimit) -> i64 {
    match references {
        References::Keep => {}
        References::Delete => {
            stream.drop_references(id);
        }
        References::Acked if stream.is_referenced(id) => return NEEDED,
        References::Acked => {}
    }
    stream.delete(id, limit);
    DELETED
}

const NUMIDS_BELOW_ONE: CommandError =
    CommandError::fixed("ERR Number of IDs must be a positive integer");
const NUMIDS_DIFFER: CommandError =
    CommandError::fixed("ERR The `numids` parameter must match the number of arguments");

/// The entries that XDELEX and XACKDEL are about.
struct Chosen {
    references: References,
    /// Index of the first id.
    first: usize,
    count: usize,
}

impl Chosen {
    /// Reads the words from `at` on; the ids are all valid afterwards.
    fn parse(request: Request<'_>, at: usize) -> Result<Chosen, CommandError> {
        let (mut references, mut ids) = (None, None);
        let mut args = Args::new(request, at);
        while let Some(word) = args.peek() {
            if ids.is_none() && args.remaining() > 1 && args.keyword("IDS") {
                let count = args.integer().ok().filter(|count| *count > 0);
                let count = count.ok_or(NUMIDS_BELOW_ONE)?;
                let first = request.len() - args.remaining();
                let count = usize::try_from(count).unwrap_or(usize::MAX);
                if count > args.remaining() {
                    return Err(NUMIDS_DIFFER);
                }
                for _ in 0..count {
                    parse_id(args.bytes()?)?;
                }
                ids = Some((first, count));
            } else if let Some(found) = parse_references(word)
                && references.is_none()
            {
                args.bytes()?;
                references = Some(found);
            } else {
                return Err(CommandError::Syntax);
            }
        }
        let (first, count) = ids.ok_or(CommandError::Syntax)?;
        Ok(Chosen {
            references: references.unwrap_or_default(),
            first,
            count,
        })
    }

    fn ids(&self, request: Request<'_>) -> impl Iterator<Item = StreamId> {
        let ids = request.iter_from(self.first).take(self.count);
        ids.map(|id| parse_id(id).unwrap_or_default())
    }
}
