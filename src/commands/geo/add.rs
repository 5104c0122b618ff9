//! GEOADD: members with their positions.

use std::convert::Infallible;

use super::cell::{Cell, MAX_STEP};
use super::{LATITUDE, LONGITUDE, parse_position};
use crate::command::{
    Arg, Args, CommandError, CommandResult, CommandSpec, Context, Flags, Group, KeyFlags, KeySpec,
};
use crate::commands::sorted_set::{create, limits, settle, zset_mut};
use crate::resp::Request;
use crate::store::journal::Events;
use crate::store::types::sorted_set::{Change, Limits, SortedSet};

/// `GEOADD key [NX | XX] [CH] longitude latitude member [longitude latitude member ...]`
pub static GEOADD: CommandSpec = CommandSpec::new("GEOADD", Group::Geo, geoadd)
    .doc(
        "Adds members to a geographic index or moves them; a missing key counts as an empty index.",
        "3.2.0",
        "O(log(N)) for each member, N being the size of the index.",
    )
    .arity(-5)
    .flags(&[Flags::WRITE, Flags::DENYOOM])
    .keys(&[KeySpec::at(1, KeyFlags::RW.with(KeyFlags::UPDATE))])
    .args(&[
        Arg::key("key", 0),
        Arg::one_of(
            "condition",
            &[Arg::token("nx", "NX"), Arg::token("xx", "XX")],
        )
        .optional()
        .since("6.2.0"),
        Arg::token("change", "CH").optional().since("6.2.0"),
        Arg::block("data", &[LONGITUDE, LATITUDE, Arg::string("member")]).multiple(),
    ])
    .history(&[("6.2.0", "Added the `CH`, `NX` and `XX` options.")]);

#[derive(Clone, Copy, Default)]
struct Options {
    only_new: bool,
    only_existing: bool,
    count_changes: bool,
}

fn geoadd(context: &mut Context<'_>, request: Request<'_>) -> CommandResult {
    let mut args = Args::new(request, 2);
    let mut options = Options::default();
    loop {
        if args.keyword("NX") {
            options.only_new = true;
        } else if args.keyword("XX") {
            options.only_existing = true;
        } else if args.keyword("CH") {
            options.count_changes = true;
        } else {
            break;
        }
    }
    if args.is_empty()
        || !args.remaining().is_multiple_of(3)
        || (options.only_new && options.only_existing)
    {
        return Err(CommandError::Syntax);
    }
    // All or nothing: the positions are looked at before the first member is added.
    let first = request.len() - args.remaining();
    while !args.is_empty() {
        parse_position(&mut args)?;
        args.bytes()?;
    }
    let (key, index, limits) = (request.get(1), context.index(), limits(context));
    let args = Args::new(request, first);
    let (mut added, mut moved) = (0, 0);
    let mut count = |change| match change {
        Change::Added => added += 1,
        Change::Updated => moved += 1,
        Change::None => {}
    };
    if let Some(mut slot) = context.db.write(index, key) {
        add_all(zset_mut(&mut slot)?, args, options, limits, &mut count)?;
    } else if !options.only_existing {
        let mut set = SortedSet::for_member(request.get(first + 2).len(), limits);
        add_all(&mut set, args, options, limits, &mut count)?;
        create(context, key, set);
    }
    if added + moved > 0 {
        settle(context, key, false, added + moved);
        context.event(Events::ZSET, "zadd", key);
    }
    let counted = if options.count_changes { moved } else { 0 };
    context.reply.count(added + counted);
    Ok(())
}

fn add_all(
    set: &mut SortedSet,
    mut args: Args<'_>,
    options: Options,
    limits: Limits,
    count: &mut dyn FnMut(Change),
) -> CommandResult {
    while !args.is_empty() {
        let score = Cell::at(parse_position(&mut args)?, MAX_STEP).score();
        let decide = |old: Option<f64>| {
            let refused = match old {
                Some(_) => options.only_new,
                None => options.only_existing,
            };
            Ok::<_, Infallible>((!refused).then_some(score))
        };
        let Ok(change) = set.upsert(args.bytes()?, limits, decide);
        count(change);
    }
    Ok(())
}
