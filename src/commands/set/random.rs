//! Members at random: SPOP, SRANDMEMBER.

use super::{limits, remove, reply_item, set_mut, set_of, settle};
use crate::command::{
    Arg, Args, CommandError, CommandResult, CommandSpec, Context, Flags, Group, KeyFlags, KeySpec,
};
use crate::resp::Request;
use crate::store::effects::Noted;
use crate::store::journal::Events;

/// An answer with repetitions, which a few bytes can ask for, grows no larger than this.
const MAX_REPEATED_BYTES: usize = 512 << 20;

/// An SREM that stands for a SPOP has no more members, so that it stays a command of ordinary size.
const REPEATED_MEMBERS: usize = 1024;

/// `SPOP key [count]`
pub static SPOP: CommandSpec = CommandSpec::new("SPOP", Group::Set, spop)
    .doc(
        "Removes members of a set at random and answers them; an empty set goes.",
        "1.0.0",
        "O(1) without a count, else O(N), N being the count.",
    )
    .arity(-2)
    .flags(&[Flags::WRITE, Flags::FAST])
    .keys(&[KeySpec::at(
        1,
        KeyFlags::RW.with(KeyFlags::ACCESS).with(KeyFlags::DELETE),
    )])
    .args(&[
        Arg::key("key", 0),
        Arg::integer("count").optional().since("3.2.0"),
    ])
    .history(&[("3.2.0", "Takes a `count`.")])
    .tips(&["nondeterministic_output"]);

fn spop(context: &mut Context<'_>, request: Request<'_>) -> CommandResult {
    let key = request.get(1);
    match request.len() {
        2 => pop_one(context, key),
        3 => {
            let count = Args::new(request, 2)
                .integer()
                .ok()
                .and_then(|count| usize::try_from(count).ok())
                .ok_or(CommandError::MustBePositive)?;
            pop_some(context, key, count)
        }
        _ => Err(CommandError::Syntax),
    }
}

fn pop_one(context: &mut Context<'_>, key: &[u8]) -> CommandResult {
    let Context {
        db, session, reply, ..
    } = context;
    let (mut rng, mut popped) = (db.rng.fork(), db.effects.notes());
    let Some(mut slot) = db.write(session.db, key) else {
        reply.null();
        return Ok(());
    };
    let set = set_mut(&mut slot)?;
    set.pop(&mut rng, |item| {
        reply_item(reply, item);
        popped.item(item);
    });
    let empty = set.is_empty();
    drop(slot);
    settle(context, key, empty, 1);
    context.event_and_end(Events::SET, "spop", key, empty);
    repeat_removal(context, key, &popped);
    Ok(())
}

fn pop_some(context: &mut Context<'_>, key: &[u8], count: usize) -> CommandResult {
    let limits = limits(context);
    let Context {
        db, session, reply, ..
    } = context;
    let (mut rng, mut popped) = (db.rng.fork(), db.effects.notes());
    let Some(mut slot) = db.write(session.db, key) else {
        reply.set(0);
        return Ok(());
    };
    let set = set_mut(&mut slot)?;
    let count = count.min(set.len());
    reply.set(count);
    if count == 0 {
        return Ok(());
    }
    let empty = count == set.len();
    if empty {
        // The set goes as a whole, where nobody waits for it.
        set.iter().for_each(|item| reply_item(reply, item));
    } else {
        set.pop_some(count, &mut rng, limits, |item| {
            reply_item(reply, item);
            popped.item(item);
        });
    }
    drop(slot);
    if empty {
        remove(context, key);
        context.repeat_as(&[b"DEL", key]);
    } else {
        repeat_removal(context, key, &popped);
    }
    settle(context, key, false, count);
    context.event_and_end(Events::SET, "spop", key, empty);
    Ok(())
}

/// Has SPOP repeated as the removal of what it has removed.
fn repeat_removal(context: &mut Context<'_>, key: &[u8], popped: &Noted) {
    for members in popped.chunks(REPEATED_MEMBERS) {
        context.repeat(|effects| {
            effects.word(b"SREM").word(key).words(members);
        });
    }
}

/// `SRANDMEMBER key [count]`
pub static SRANDMEMBER: CommandSpec = CommandSpec::new("SRANDMEMBER", Group::Set, srandmember)
    .doc(
        "Answers members of a set at random; with a negative count the same one possibly more than once.",
        "1.0.0",
        "O(1) without a count, else O(N), N being the absolute value of the count.",
    )
    .arity(-2)
    .flags(&[Flags::READONLY])
    .keys(&[KeySpec::at(1, KeyFlags::RO.with(KeyFlags::ACCESS))])
    .args(&[
        Arg::key("key", 0),
        Arg::integer("count").optional().since("2.6.0"),
    ])
    .history(&[("2.6.0", "Takes a `count`.")])
    .tips(&["nondeterministic_output"]);

/// The one negative number without a positive counterpart has no meaning as a count.
const COUNT_OUT_OF_RANGE: CommandError = CommandError::fixed(
    "ERR value is out of range, value must between -9223372036854775807 and 9223372036854775807",
);

fn srandmember(context: &mut Context<'_>, request: Request<'_>) -> CommandResult {
    let key = request.get(1);
    match request.len() {
        2 => {
            let Context {
                db, session, reply, ..
            } = context;
            let mut rng = db.rng.fork();
            let member = match db.read(session.db, key) {
                Some(entry) => set_of(entry.value())?.random(&mut rng),
                None => None,
            };
            match member {
                Some(item) => reply_item(reply, item),
                None => reply.null(),
            }
            Ok(())
        }
        3 => match Args::new(request, 2).integer()? {
            i64::MIN => Err(COUNT_OUT_OF_RANGE),
            count if count < 0 => repeated(context, key, count.unsigned_abs()),
            count => different(context, key, count as u64),
        },
        _ => Err(CommandError::Syntax),
    }
}

/// Answers so many different members, or all.
fn different(context: &mut Context<'_>, key: &[u8], count: u64) -> CommandResult {
    let Context {
        db, session, reply, ..
    } = context;
    let mut rng = db.rng.fork();
    let Some(entry) = db.read(session.db, key) else {
        reply.array(0);
        return Ok(());
    };
    let set = set_of(entry.value())?;
    let count = usize::try_from(count).map_or(set.len(), |count| count.min(set.len()));
    reply.array(count);
    set.sample(count, &mut rng, |item| reply_item(reply, item));
    Ok(())
}

/// Answers exactly so many members, each drawn from all.
fn repeated(context: &mut Context<'_>, key: &[u8], count: u64) -> CommandResult {
    let Context {
        db, session, reply, ..
    } = context;
    let mut rng = db.rng.fork();
    let Some(entry) = db.read(session.db, key) else {
        reply.array(0);
        return Ok(());
    };
    let set = set_of(entry.value())?;
    // A member takes six bytes at least.
    if count > MAX_REPEATED_BYTES as u64 / 6 {
        session
            .handle
            .close_if_answer_is_too_long(MAX_REPEATED_BYTES);
        return Err(CommandError::OutOfRange);
    }
    reply.array(count as usize);
    let (mut left, most) = (count, reply.mark().0 + MAX_REPEATED_BYTES);
    set.draw(&mut rng, |item| {
        reply_item(reply, item);
        left -= 1;
        left > 0 && reply.mark().0 < most
    });
    if left > 0 {
        session
            .handle
            .close_if_answer_is_too_long(MAX_REPEATED_BYTES);
        return Err(CommandError::OutOfRange);
    }
    Ok(())
}
