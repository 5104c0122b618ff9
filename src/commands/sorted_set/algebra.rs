//! Several sets at once: ZUNION, ZINTER, ZDIFF, their forms that store the result, and ZINTERCARD. The inputs may be
//! sets too.

use super::{Shape, WITHSCORES, limits, store};
use crate::command::{
    Arg, Args, CommandError, CommandResult, CommandSpec, Context, Flags, Group, Handler, KeyFlags,
    KeySpec,
};
use crate::resp::Request;
use crate::store::encoding::flat::Item;
use crate::store::entry::{Object, Value};
use crate::store::member::{Member, Word};
use crate::store::types::sorted_set::combine::{
    Aggregate, Input, Source, difference, intersection, union,
};
use crate::store::types::sorted_set::{SortedSet, sort};
use crate::text::double;

const UNION_COST: &str =
    "O(N+M*log(M)), N being the size of all sets together and M that of the result.";
const INTERSECTION_COST: &str = "O(N*K+M*log(M)), N being the size of the smallest set, K the number of sets and M the size of the result.";
const DIFFERENCE_COST: &str = "O(N*K+M*log(M)), N being the size of the first set, K the number of sets and M the size of the result.";

const AGGREGATES: &[Arg] = &[
    Arg::token("sum", "SUM"),
    Arg::token("min", "MIN"),
    Arg::token("max", "MAX"),
];
const WEIGHTS: Arg = Arg::integer("weight")
    .with_token("WEIGHTS")
    .optional()
    .multiple();
const AGGREGATE: Arg = Arg::one_of("aggregate", AGGREGATES)
    .with_token("AGGREGATE")
    .optional();

/// A command that answers a result.
const fn reader(
    name: &'static str,
    handler: Handler,
    summary: &'static str,
    cost: &'static str,
) -> CommandSpec {
    CommandSpec::new(name, Group::SortedSet, handler)
        .doc(summary, "6.2.0", cost)
        .arity(-3)
        .flags(&[Flags::READONLY])
        .keys(const { &[KeySpec::counted(1, 1, KeyFlags::RO.with(KeyFlags::ACCESS))] })
        .args(
            const {
                &[
                    Arg::integer("numkeys"),
                    Arg::key("key", 0).multiple(),
                    WEIGHTS,
                    AGGREGATE,
                    WITHSCORES,
                ]
            },
        )
}

/// A command that stores a result under its first key.
const fn storer(
    name: &'static str,
    handler: Handler,
    summary: &'static str,
    since: &'static str,
    cost: &'static str,
) -> CommandSpec {
    CommandSpec::new(name, Group::SortedSet, handler)
        .doc(summary, since, cost)
        .arity(-4)
        .flags(&[Flags::WRITE, Flags::DENYOOM])
        .keys(
            const {
                &[
                    KeySpec::at(1, KeyFlags::OW.with(KeyFlags::UPDATE)),
                    KeySpec::counted(2, 1, KeyFlags::RO.with(KeyFlags::ACCESS)),
                ]
            },
        )
        .args(
            const {
                &[
                    Arg::key("destination", 0),
                    Arg::integer("numkeys"),
                    Arg::key("key", 1).multiple(),
                    WEIGHTS,
                    AGGREGATE,
                ]
            },
        )
}

/// `ZUNION numkeys key [key ...] [WEIGHTS weight [weight ...]] [AGGREGATE SUM | MIN | MAX] [WITHSCORES]`
pub static ZUNION: CommandSpec = reader(
    "ZUNION",
    zunion,
    "Answers the members that any of several sorted sets has.",
    UNION_COST,
);

fn zunion(context: &mut Context<'_>, request: Request<'_>) -> CommandResult {
    answer(context, request, Operation::Union)
}

/// `ZUNIONSTORE destination numkeys key [key ...] [WEIGHTS weight [weight ...]] [AGGREGATE SUM | MIN | MAX]`
pub static ZUNIONSTORE: CommandSpec = storer(
    "ZUNIONSTORE",
    zunionstore,
    "Stores the sorted set of the members that any of several sorted sets has.",
    "2.0.0",
    UNION_COST,
);

fn zunionstore(context: &mut Context<'_>, request: Request<'_>) -> CommandResult {
    store_result(context, request, Operation::Union, "zunionstore")
}

/// `ZINTER numkeys key [key ...] [WEIGHTS weight [weight ...]] [AGGREGATE SUM | MIN | MAX] [WITHSCORES]`
pub static ZINTER: CommandSpec = reader(
    "ZINTER",
    zinter,
    "Answers the members that all of several sorted sets have.",
    INTERSECTION_COST,
);

fn zinter(context: &mut Context<'_>, request: Request<'_>) -> CommandResult {
    answer(context, request, Operation::Intersection)
}

/// `ZINTERSTORE destination numkeys key [key ...] [WEIGHTS weight [weight ...]] [AGGREGATE SUM | MIN | MAX]`
pub static ZINTERSTORE: CommandSpec = storer(
    "ZINTERSTORE",
    zinterstore,
    "Stores the sorted set of the members that all of several sorted sets have.",
    "2.0.0",
    INTERSECTION_COST,
);

fn zinterstore(context: &mut Context<'_>, request: Request<'_>) -> CommandResult {
    store_result(context, request, Operation::Intersection, "zinterstore")
}

/// `ZDIFF numkeys key [key ...] [WITHSCORES]`
pub static ZDIFF: CommandSpec = reader(
    "ZDIFF",
    zdiff,
    "Answers the members of the first of several sorted sets that none of the others has.",
    DIFFERENCE_COST,
)
.args(&[
    Arg::integer("numkeys"),
    Arg::key("key", 0).multiple(),
    WITHSCORES,
]);

fn zdiff(context: &mut Context<'_>, request: Request<'_>) -> CommandResult {
    answer(context, request, Operation::Difference)
}

/// `ZDIFFSTORE destination numkeys key [key ...]`
pub static ZDIFFSTORE: CommandSpec = storer(
    "ZDIFFSTORE",
    zdiffstore,
    "Stores the sorted set of the members of the first sorted set that none of the others has.",
    "6.2.0",
    DIFFERENCE_COST,
)
.args(&[
    Arg::key("destination", 0),
    Arg::integer("numkeys"),
    Arg::key("key", 1).multiple(),
]);

fn zdiffstore(context: &mut Context<'_>, request: Request<'_>) -> CommandResult {
    store_result(context, request, Operation::Difference, "zdiffstore")
}

/// `ZINTERCARD numkeys key [key ...] [LIMIT limit]`
pub static ZINTERCARD: CommandSpec = CommandSpec::new("ZINTERCARD", Group::SortedSet, zintercard)
    .doc(
        "Answers how many members several sorted sets have in common.",
        "7.0.0",
        "O(N*K), N being the size of the smallest set and K the number of sets.",
    )
    .arity(-3)
    .flags(&[Flags::READONLY])
    .keys(&[KeySpec::counted(1, 1, KeyFlags::RO.with(KeyFlags::ACCESS))])
    .args(&[
        Arg::integer("numkeys"),
        Arg::key("key", 0).multiple(),
        Arg::integer("limit").with_token("LIMIT").optional(),
    ]);

fn zintercard(context: &mut Context<'_>, request: Request<'_>) -> CommandResult {
    let mut query = Query::parse(context, request, 1, Operation::Cardinality)?;
    let mut count = 0;
    intersection(&mut query.inputs, query.aggregate, |_, _| {
        count += 1;
        count != query.limit
    });
    context.reply.count(count);
    Ok(())
}

/// What is made of the inputs.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Operation {
    Union,
    Intersection,
    Difference,
    Cardinality,
}

const WEIGHT_NOT_FLOAT: CommandError = CommandError::fixed("ERR weight value is not a float");
const LIMIT_NEGATIVE: CommandError = CommandError::fixed("ERR LIMIT can't be negative");

/// A request's inputs and options.
struct Query {
    inputs: Vec<Input>,
    aggregate: Aggregate,
    with_scores: bool,
    /// 0 for none.
    limit: usize,
}

impl Query {
    /// Reads the number of keys at `at` and all that follows, and fetches the inputs; Redis looks at the keys before the
    /// options.
    fn parse(
        context: &mut Context<'_>,
        request: Request<'_>,
        at: usize,
        operation: Operation,
    ) -> Result<Query, CommandError> {
        let mut args = Args::new(request, at);
        let keys = args.integer()?;
        if keys < 1 {
            let name = &context.command.full_name;
            let text = format!("at least 1 input key is needed for '{name}' command");
            return Err(CommandError::err(text));
        }
        let keys = usize::try_from(keys)
            .ok()
            .filter(|&keys| keys <= args.remaining())
            .ok_or(CommandError::Syntax)?;
        let inputs = request
            .iter_from(at + 1)
            .take(keys)
            .map(|key| read_input(context, key));
        let mut query = Query {
            inputs: inputs.collect::<Result<_, _>>()?,
            aggregate: Aggregate::Sum,
            with_scores: false,
            limit: 0,
        };
        let mut args = Args::new(request, at + 1 + keys);
        while !args.is_empty() {
            query.option(&mut args, operation, at > 1)?;
        }
        Ok(query)
    }

    fn option(&mut self, args: &mut Args<'_>, operation: Operation, stores: bool) -> CommandResult {
        let left = args.remaining();
        let combines = matches!(operation, Operation::Union | Operation::Intersection);
        let counts = operation == Operation::Cardinality;
        if combines && left > self.inputs.len() && args.keyword("WEIGHTS") {
            for input in &mut self.inputs {
                input.weight = double::parse(args.bytes()?)
                    .filter(|weight| !weight.is_nan())
                    .ok_or(WEIGHT_NOT_FLOAT)?;
            }
        } else if combines && left > 1 && args.keyword("AGGREGATE") {
            self.aggregate = if args.keyword("SUM") {
                Aggregate::Sum
            } else if args.keyword("MIN") {
                Aggregate::Min
            } else if args.keyword("MAX") {
                Aggregate::Max
            } else {
                return Err(CommandError::Syntax);
            };
        } else if !stores && !counts && args.keyword("WITHSCORES") {
            self.with_scores = true;
        } else if counts && left > 1 && args.keyword("LIMIT") {
            let limit = args.integer().ok().and_then(|n| usize::try_from(n).ok());
            self.limit = limit.ok_or(LIMIT_NEGATIVE)?;
        } else {
            return Err(CommandError::Syntax);
        }
        Ok(())
    }

    /// The members of the result, in no order.
    fn run(&mut self, operation: Operation) -> Vec<Member> {
        match operation {
            Operation::Union => union(&mut self.inputs, self.aggregate),
            Operation::Difference => difference(&mut self.inputs),
            Operation::Intersection | Operation::Cardinality => {
                let mut members = Vec::new();
                intersection(&mut self.inputs, self.aggregate, |member, score| {
                    members.push(Member::new(member, &[], Word::Score(score)));
                    true
                });
                members
            }
        }
    }
}

/// The set or sorted set under `key`, if there is one; an error for another type.
fn read_input(context: &mut Context<'_>, key: &[u8]) -> Result<Input, CommandError> {
    let source = match context.read(key) {
        Some(entry) => Some(match entry.value() {
            Value::Object(Object::SortedSet(set)) => Source::Sorted(set.clone()),
            Value::Object(Object::Set(set)) => Source::Plain(set.clone()),
            _ => return Err(CommandError::WrongType),
        }),
        None => None,
    };
    Ok(Input {
        source,
        weight: 1.0,
    })
}

fn answer(context: &mut Context<'_>, request: Request<'_>, operation: Operation) -> CommandResult {
    let mut query = Query::parse(context, request, 1, operation)?;
    let mut members = query.run(operation);
    sort(&mut members);
    let reply = &mut context.reply;
    let shape = Shape::of(reply, query.with_scores);
    shape.head(reply, members.len());
    for member in &members {
        shape.element(reply, Item::Bytes(member.key()), member.score());
    }
    Ok(())
}

fn store_result(
    context: &mut Context<'_>,
    request: Request<'_>,
    operation: Operation,
    event: &'static str,
) -> CommandResult {
    let mut query = Query::parse(context, request, 2, operation)?;
    let members = query.run(operation);
    drop(query);
    let result = SortedSet::from_members(members, limits(context));
    store(context, request.get(1), result, event);
    Ok(())
}
