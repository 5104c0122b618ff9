//! Single bits: GETBIT and SETBIT.

use super::parse_offset;
use crate::command::{
    Arg, Args, CommandError, CommandResult, CommandSpec, Context, Flags, Group, KeyFlags, KeySpec,
};
use crate::commands::string::{Str, edit};
use crate::resp::Request;
use crate::store::journal::Events;

const VALUE: CommandError = CommandError::fixed("ERR bit is not an integer or out of range");

/// GETBIT key offset
pub static GETBIT: CommandSpec = CommandSpec::new("GETBIT", Group::Bitmap, getbit)
    .doc(
        "Answers the bit at an offset of the string stored at a key.",
        "2.2.0",
        "O(1)",
    )
    .arity(3)
    .flags(&[Flags::READONLY, Flags::FAST])
    .keys(&[KeySpec::at(1, KeyFlags::RO.with(KeyFlags::ACCESS))])
    .args(&[Arg::key("key", 0), Arg::integer("offset")]);

fn getbit(context: &mut Context<'_>, request: Request<'_>) -> CommandResult {
    let offset = parse_offset(context, request.get(2), None)?;
    let set = match context.read(request.get(1)) {
        Some(entry) => {
            let text = Str::of(entry.value())?;
            let mut digits = itoa::Buffer::new();
            let byte = text.bytes(&mut digits).get((offset / 8) as usize);
            byte.is_some_and(|byte| byte & mask(offset) != 0)
        }
        None => false,
    };
    context.reply.flag(set);
    Ok(())
}

/// SETBIT key offset value
pub static SETBIT: CommandSpec = CommandSpec::new("SETBIT", Group::Bitmap, setbit)
    .doc(
        "Sets or clears the bit at an offset of the string stored at a key, which grows as needed, and answers what \
         the bit was.",
        "2.2.0",
        "O(1)",
    )
    .arity(4)
    .flags(&[Flags::WRITE, Flags::DENYOOM])
    .keys(&[KeySpec::at(
        1,
        KeyFlags::RW.with(KeyFlags::ACCESS).with(KeyFlags::UPDATE),
    )])
    .args(&[
        Arg::key("key", 0),
        Arg::integer("offset"),
        Arg::integer("value"),
    ]);

fn setbit(context: &mut Context<'_>, request: Request<'_>) -> CommandResult {
    let key = request.get(1);
    let offset = parse_offset(context, request.get(2), None)?;
    let set = match Args::new(request, 3).integer() {
        Ok(value @ 0..=1) => value == 1,
        _ => return Err(VALUE),
    };
    let at = (offset / 8) as usize;
    let (was, grown) = edit(context, key, at + 1, |bytes, grown| {
        let byte = &mut bytes[at];
        let was = *byte & mask(offset) != 0;
        if set {
            *byte |= mask(offset);
        } else {
            *byte &= !mask(offset);
        }
        (was, grown)
    })?;
    if grown || was != set {
        context.changed(key);
        context.event(Events::STRING, "setbit", key);
    }
    context.reply.flag(was);
    Ok(())
}

/// The bit of its byte that an offset means.
fn mask(offset: u64) -> u8 {
    0x80 >> (offset % 8)
}
