//! SCAN: going through a keyspace in steps.
//!
//! The cursor is a position in the order of the keys' hashes, as [`crate::store::table`] defines it, so there is nothing to
//! keep between two calls: a key that is there during a whole iteration is answered exactly once, however the
//! keyspace grows or shrinks meanwhile.

use bytes::BytesMut;

use crate::command::{
    Arg, ArgKind, Args, CommandError, CommandResult, CommandSpec, Context, Flags, Group,
};
use crate::resp::{Reply, Request};
use crate::store::db::{EntryRef, type_name};
use crate::text::number::parse_u64;
use crate::text::pattern;

/// How many keys a call looks at when it is not told.
const DEFAULT_COUNT: usize = 10;
/// A call takes at most so many steps for each key that it is to look at: ranges without keys count too.
const STEPS_PER_KEY: usize = 10;

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
    let mut cursor = parse_u64(request.get(1)).ok_or(CommandError::InvalidCursor)?;
    let options = Options::parse(Args::new(request, 2))?;
    let index = context.index();
    // The cursor and the number of keys come before them.
    let (mut keys, mut blobs) = (BytesMut::new(), Vec::new());
    let mut found = Reply::new(&mut keys, &mut blobs, context.reply.protocol());
    let (mut looked_at, mut count) = (0, 0);
    for _ in 0..=options.count.saturating_mul(STEPS_PER_KEY) {
        cursor = context.db.scan(index, cursor, &mut |entry| {
            looked_at += 1;
            if options.accept(entry) {
                count += 1;
                found.bulk(entry.key());
            }
        });
        if cursor == 0 || looked_at >= options.count {
            break;
        }
    }
    context.reply.array(2);
    context.reply.text(itoa::Buffer::new().format(cursor));
    context.reply.array(count);
    context.reply.raw(&keys);
    Ok(())
}

/// What SCAN is asked for.
struct Options<'a> {
    count: usize,
    pattern: Option<&'a [u8]>,
    /// In any case. One that no value has is no error: it finds nothing.
    type_name: Option<&'a [u8]>,
}

impl<'a> Options<'a> {
    fn parse(mut args: Args<'a>) -> Result<Self, CommandError> {
        let mut options = Options {
            count: DEFAULT_COUNT,
            pattern: None,
            type_name: None,
        };
        while !args.is_empty() {
            if args.keyword("COUNT") {
                let count = args.integer()?;
                options.count = usize::try_from(count)
                    .ok()
                    .filter(|&count| count > 0)
                    .ok_or(CommandError::Syntax)?;
            } else if args.keyword("MATCH") {
                options.pattern = Some(args.bytes()?).filter(|pattern| *pattern != b"*");
            } else if args.keyword("TYPE") {
                options.type_name = Some(args.bytes()?);
            } else {
                return Err(CommandError::Syntax);
            }
        }
        Ok(options)
    }

    fn accept(&self, entry: EntryRef<'_>) -> bool {
        self.pattern
            .is_none_or(|pattern| pattern::matches(pattern, entry.key()))
            && self.type_name.is_none_or(|name| {
                type_name(entry.value())
                    .as_bytes()
                    .eq_ignore_ascii_case(name)
            })
    }
}
