//! SCAN: going through a keyspace in steps.
//!
//! The cursor is a position in the order of the keys' hashes, as [`crate::store::table`] defines it, so there is nothing to
//! keep between two calls: a key that is there during a whole iteration is answered exactly once, however the
//! keyspace grows or shrinks meanwhile.

use crate::command::{Arg, ArgKind, Args, CommandResult, CommandSpec, Context, Flags, Group};
use crate::commands::scan_options::{ScanOptions, parse_cursor};
use crate::resp::Request;
use crate::store::db::type_name;

/// SCAN cursor [MATCH pattern] [COUNT count] [TYPE type]
pub static SCAN: CommandSpec = CommandSpec::new("SCAN", Group::Generic, scan)
    .doc(
        "Answers some of the keys and a cursor with which to go on.",
        "2.8.0",
        "O(1) a call; O(N) for a whole iteration, N being the number of keys in the database.",
    )
    .arity(-2)
    .flags(&[Flags::READONLY])
    .args(&[
        Arg::integer("cursor"),
        Arg::new("pattern", ArgKind::Pattern)
            .with_token("MATCH")
            .optional(),
        Arg::integer("count").with_token("COUNT").optional(),
        Arg::string("type")
            .with_token("TYPE")
            .optional()
            .since("6.0.0"),
    ])
    .history(&[("6.0.0", "Added the `TYPE` option.")])
    .tips(&[
        "nondeterministic_output",
        "request_policy:special",
        "response_policy:special",
    ]);

fn scan(context: &mut Context<'_>, request: Request<'_>) -> CommandResult {
    let cursor = parse_cursor(request, 1)?;
    // In any case. One that no value has is no error: it finds nothing.
    let mut wanted_type = None;
    let options = ScanOptions::parse(Args::new(request, 2), |args| {
        let is_type = args.keyword("TYPE");
        if is_type {
            wanted_type = Some(args.bytes()?);
        }
        Ok(is_type)
    })?;
    let Context {
        db, session, reply, ..
    } = context;
    options.answer(reply, cursor, |cursor, found| {
        db.scan(session.db, cursor, &mut |entry| {
            found.look();
            let is_of_type = wanted_type.is_none_or(|name| {
                type_name(entry.value())
                    .as_bytes()
                    .eq_ignore_ascii_case(name)
            });
            if is_of_type && options.accepts(entry.key()) {
                found.bulk(entry.key());
            }
        })
    });
    Ok(())
}
