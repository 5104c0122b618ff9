//! Fields at random: HRANDFIELD.

use std::collections::HashSet;

use super::{hash_of, read, reply_item};
use crate::command::{
    Arg, Args, CommandError, CommandResult, CommandSpec, Context, Flags, Group, KeyFlags, KeySpec,
};
use crate::resp::{Protocol, Reply, Request};
use crate::store::encoding::flat::Item;
use crate::store::types::hash::{Field, Hash};

/// An answer with repetitions, which a few bytes can ask for, grows no larger than this.
const MAX_REPEATED_BYTES: usize = 512 << 20;
/// A field takes so many bytes of a reply at least.
const MIN_REPLY_BYTES: u64 = 6;
/// Different fields are drawn one by one as long as at most one in so many is wanted; else all are gone through.
const DRAW_UP_TO_ONE_IN: usize = 3;

/// `HRANDFIELD key [count [WITHVALUES]]`
pub static HRANDFIELD: CommandSpec = CommandSpec::new("HRANDFIELD", Group::Hash, hrandfield)
    .doc(
        "Answers fields of a hash at random; with a negative count the same one possibly more than once.",
        "6.2.0",
        "O(N), N being the number of fields answered.",
    )
    .arity(-2)
    .flags(&[Flags::READONLY])
    .keys(&[KeySpec::at(1, KeyFlags::RO.with(KeyFlags::ACCESS))])
    .args(&[
        Arg::key("key", 0),
        Arg::block(
            "options",
            &[
                Arg::integer("count"),
                Arg::token("withvalues", "WITHVALUES").optional(),
            ],
        )
        .optional(),
    ])
    .tips(&["nondeterministic_output"]);

/// The one negative number without a positive counterpart has no meaning as a count.
const COUNT_OUT_OF_RANGE: CommandError = CommandError::fixed(
    "ERR value is out of range, value must between -9223372036854775807 and 9223372036854775807",
);

fn hrandfield(context: &mut Context<'_>, request: Request<'_>) -> CommandResult {
    let mut args = Args::new(request, 2);
    let mut count = None;
    let mut with_values = false;
    if !args.is_empty() {
        let wanted = args.integer()?;
        if wanted == i64::MIN {
            return Err(COUNT_OUT_OF_RANGE);
        }
        if !args.is_empty() {
            with_values = args.keyword("WITHVALUES");
            // Twice as many are answered as are asked for, and that is to have a number too.
            if !with_values || !args.is_empty() {
                return Err(CommandError::Syntax);
            } else if wanted.unsigned_abs() > i64::MAX as u64 / 2 {
                return Err(CommandError::OutOfRange);
            }
        }
        count = Some(wanted);
    }
    let Context {
        db, session, reply, ..
    } = context;
    // So that as a rule every field that is drawn is a living one.
    db.expire_fields(session.db, request.get(1));
    let (now_ms, mut rng) = (db.now_ms(), db.rng.fork());
    let entry = db.read(session.db, request.get(1));
    let hash = match entry {
        Some(entry) => Some(hash_of(entry.value())?),
        None => None,
    };
    let sample = Sample::of(hash, now_ms);
    let mut answer = Answer { reply, with_values };
    match count {
        None => match sample.draw(&mut rng) {
            Some(field) => reply_item(answer.reply, field.name),
            None => answer.reply.null(),
        },
        Some(count) if count < 0 => repeated(&mut answer, &sample, count.unsigned_abs(), &mut rng)
            .inspect_err(|_| {
                session
                    .handle
                    .close_if_answer_is_too_long(MAX_REPEATED_BYTES)
            })?,
        Some(count) => different(&mut answer, &sample, count as u64, &mut rng),
    }
    Ok(())
}

/// The fields of which some are to be drawn.
enum Sample<'a> {
    /// All of a hash.
    Whole(&'a Hash),
    /// Those of a hash that have not expired, where there are others too.
    Living(Vec<Field<'a>>),
}

impl<'a> Sample<'a> {
    fn of(hash: Option<&'a Hash>, now_ms: u64) -> Self {
        match hash {
            Some(hash) if read::living(hash, now_ms) == hash.len() => Sample::Whole(hash),
            Some(hash) => {
                Sample::Living(hash.iter().filter(|field| field.lives_at(now_ms)).collect())
            }
            None => Sample::Living(Vec::new()),
        }
    }

    fn len(&self) -> usize {
        match self {
            Sample::Whole(hash) => hash.len(),
            Sample::Living(fields) => fields.len(),
        }
    }

    fn draw(&self, rng: &mut fastrand::Rng) -> Option<Field<'a>> {
        match self {
            Sample::Whole(hash) => hash.random(rng),
            Sample::Living(fields) => rng.choice(fields).copied(),
        }
    }

    fn all(&self) -> Vec<Field<'a>> {
        match self {
            Sample::Whole(hash) => hash.iter().collect(),
            Sample::Living(fields) => fields.clone(),
        }
    }
}

/// Where fields are answered.
struct Answer<'r, 'b> {
    reply: &'r mut Reply<'b>,
    with_values: bool,
}

impl Answer<'_, '_> {
    fn is_nested(&self) -> bool {
        self.with_values && self.reply.protocol() == Protocol::Resp3
    }

    fn head(&mut self, fields: usize) {
        let flat = self.with_values && !self.is_nested();
        self.reply.array(if flat { fields * 2 } else { fields });
    }

    fn field(&mut self, field: Field<'_>) {
        if self.is_nested() {
            self.reply.array(2);
        }
        reply_item(self.reply, field.name);
        if self.with_values {
            reply_item(self.reply, field.value);
        }
    }
}

/// Answers exactly so many fields, each drawn from all.
fn repeated(
    answer: &mut Answer<'_, '_>,
    sample: &Sample<'_>,
    count: u64,
    rng: &mut fastrand::Rng,
) -> CommandResult {
    if sample.len() == 0 {
        answer.reply.array(0);
        return Ok(());
    }
    if count > MAX_REPEATED_BYTES as u64 / MIN_REPLY_BYTES {
        return Err(CommandError::OutOfRange);
    }
    answer.head(count as usize);
    let most = answer.reply.mark().0 + MAX_REPEATED_BYTES;
    // A small hash would be gone through for each of them.
    let fields = match sample {
        Sample::Whole(hash) if hash.listpack_entries().is_some() => {
            Sample::Living(hash.iter().collect())
        }
        Sample::Whole(hash) => Sample::Whole(hash),
        Sample::Living(fields) => Sample::Living(fields.clone()),
    };
    for _ in 0..count {
        if answer.reply.mark().0 > most {
            return Err(CommandError::OutOfRange);
        }
        if let Some(field) = fields.draw(rng) {
            answer.field(field);
        }
    }
    Ok(())
}

/// Answers so many different fields, or all.
fn different(
    answer: &mut Answer<'_, '_>,
    sample: &Sample<'_>,
    count: u64,
    rng: &mut fastrand::Rng,
) {
    let len = sample.len();
    let count = usize::try_from(count).map_or(len, |count| count.min(len));
    answer.head(count);
    let is_small = matches!(sample, Sample::Whole(hash) if hash.listpack_entries().is_some());
    if count < len && count.saturating_mul(DRAW_UP_TO_ONE_IN) <= len && !is_small {
        let mut drawn = HashSet::with_capacity(count);
        while drawn.len() < count {
            let Some(field) = sample.draw(rng) else {
                return;
            };
            if drawn.insert(place(field.name)) {
                answer.field(field);
            }
        }
        return;
    }
    let mut fields = sample.all();
    // The first `count` of a shuffle that is stopped there.
    for at in 0..count {
        if count < len {
            fields.swap(at, rng.usize(at..len));
        }
        answer.field(fields[at]);
    }
}

/// What tells the fields of a table apart: where their names lie. (Integers are in small hashes only.)
fn place(name: Item<'_>) -> (usize, usize) {
    match name {
        Item::Bytes(bytes) => (bytes.as_ptr().addr(), bytes.len()),
        Item::Int(value) => (value as usize, usize::MAX),
    }
}
