//! Single members of an index: GEOPOS, GEOHASH, GEODIST.

use super::cell::{Cell, geohash};
use super::shape::{Position, distance};
use super::{UNITS, parse_unit, read_index, reply_distance, reply_position};
use crate::command::{
    Arg, Args, CommandError, CommandResult, CommandSpec, Context, Flags, Group, KeyFlags, KeySpec,
};
use crate::resp::Request;
use crate::store::types::sorted_set::SortedSet;

const KEY: &[KeySpec] = &[KeySpec::at(1, KeyFlags::RO.with(KeyFlags::ACCESS))];
const MEMBERS: &[Arg] = &[
    Arg::key("key", 0),
    Arg::string("member").multiple().optional(),
];
const COST: &str = "O(1) for each member.";

/// Where a member is.
pub(super) fn position_of(set: &SortedSet, member: &[u8]) -> Option<Position> {
    set.score(member)
        .map(|score| Cell::of_score(score).middle())
}

/// `GEOPOS key [member ...]`
pub static GEOPOS: CommandSpec = CommandSpec::new("GEOPOS", Group::Geo, geopos)
    .doc(
        "Answers the longitudes and latitudes of members of a geographic index.",
        "3.2.0",
        COST,
    )
    .arity(-2)
    .flags(&[Flags::READONLY])
    .keys(KEY)
    .args(MEMBERS);

fn geopos(context: &mut Context<'_>, request: Request<'_>) -> CommandResult {
    let set = read_index(context, request.get(1))?;
    let members = request.iter_from(2);
    context.reply.array(members.len());
    for member in members {
        match set.as_ref().and_then(|set| position_of(set, member)) {
            Some(position) => reply_position(&mut context.reply, position),
            None => context.reply.null_array(),
        }
    }
    Ok(())
}

/// `GEOHASH key [member ...]`
pub static GEOHASH: CommandSpec = CommandSpec::new("GEOHASH", Group::Geo, geohash_command)
    .doc(
        "Answers the positions of members of a geographic index as standard geohashes.",
        "3.2.0",
        COST,
    )
    .arity(-2)
    .flags(&[Flags::READONLY])
    .keys(KEY)
    .args(MEMBERS);

fn geohash_command(context: &mut Context<'_>, request: Request<'_>) -> CommandResult {
    let set = read_index(context, request.get(1))?;
    let members = request.iter_from(2);
    context.reply.array(members.len());
    for member in members {
        match set.as_ref().and_then(|set| position_of(set, member)) {
            Some(position) => context.reply.bulk(&geohash(position)),
            None => context.reply.null(),
        }
    }
    Ok(())
}

/// `GEODIST key member1 member2 [M | KM | FT | MI]`
pub static GEODIST: CommandSpec = CommandSpec::new("GEODIST", Group::Geo, geodist)
    .doc(
        "Answers the distance between two members of a geographic index.",
        "3.2.0",
        "O(1)",
    )
    .arity(-4)
    .flags(&[Flags::READONLY])
    .keys(KEY)
    .args(&[
        Arg::key("key", 0),
        Arg::string("member1"),
        Arg::string("member2"),
        Arg::one_of("unit", UNITS).optional(),
    ]);

fn geodist(context: &mut Context<'_>, request: Request<'_>) -> CommandResult {
    let mut args = Args::new(request, 4);
    let unit = match args.remaining() {
        0 => 1.0,
        1 => parse_unit(&mut args)?,
        _ => return Err(CommandError::Syntax),
    };
    let set = read_index(context, request.get(1))?;
    let ends = set.as_ref().and_then(|set| {
        let position = |index| position_of(set, request.get(index));
        Some((position(2)?, position(3)?))
    });
    match ends {
        Some((one, other)) => reply_distance(&mut context.reply, distance(one, other) / unit),
        None => context.reply.null(),
    }
    Ok(())
}
