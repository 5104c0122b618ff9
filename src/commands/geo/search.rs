//! Members within a shape: GEOSEARCH, GEOSEARCHSTORE, and the older GEORADIUS and GEORADIUSBYMEMBER.
//!
//! A search goes through the scores of the at most nine cells that cover its shape and keeps what is within it. The
//! index is cloned out of the keyspace, which costs a counter; so the destination may be the source.

use super::cell::Cell;
use super::read::position_of;
use super::shape::{Position, Shape};
use super::{
    LATITUDE, LONGITUDE, UNIT, parse_number, parse_position, parse_unit, read_index,
    reply_distance, reply_position,
};
use crate::command::{
    Arg, ArgKind, Args, CommandError, CommandResult, CommandSpec, Context, Flags, Group, Handler,
    KeyFlags, KeySpec,
};
use crate::commands::sorted_set::{limits, remove, reply_member, settle};
use crate::resp::Request;
use crate::store::encoding::flat::Item;
use crate::store::entry::{NewValue, Object};
use crate::store::journal::Events;
use crate::store::member::{Member, Word};
use crate::store::types::sorted_set::{ScoreBound, SortedSet};

const COST: &str = "O(N+log(M)), N being the number of members in the cells that cover the shape and M the size of the index.";
const UPPER_CASE_UNITS: (&str, &str) = ("7.0.0", "Takes the names of units in upper case.");
const RADIUS_HISTORY: &[(&str, &str)] = &[
    ("6.2.0", "Added the `ANY` option of `COUNT`."),
    UPPER_CASE_UNITS,
];

const SOURCE: KeySpec = KeySpec::at(1, KeyFlags::RO.with(KeyFlags::ACCESS));
const STORED: KeyFlags = KeyFlags::OW.with(KeyFlags::UPDATE);

const RADIUS: Arg = Arg::new("radius", ArgKind::Double);
const WITHCOORD: Arg = Arg::token("withcoord", "WITHCOORD").optional();
const WITHDIST: Arg = Arg::token("withdist", "WITHDIST").optional();
const WITHHASH: Arg = Arg::token("withhash", "WITHHASH").optional();
const COUNT: Arg = Arg::integer("count").with_token("COUNT");
const ANY: Arg = Arg::token("any", "ANY").optional();
const COUNT_BLOCK: Arg = Arg::block("count-block", const { &[COUNT, ANY] }).optional();
const COUNT_BLOCK_DATED: Arg =
    Arg::block("count-block", const { &[COUNT, ANY.since("6.2.0")] }).optional();
const ORDER: Arg = Arg::one_of(
    "order",
    const { &[Arg::token("asc", "ASC"), Arg::token("desc", "DESC")] },
)
.optional();
const STORE: Arg = Arg::one_of(
    "store",
    const {
        &[
            Arg::key("storekey", 1).with_token("STORE").display("key"),
            Arg::key("storedistkey", 2)
                .with_token("STOREDIST")
                .display("key"),
        ]
    },
)
.optional();
const FROM: Arg = Arg::one_of(
    "from",
    const {
        &[
            Arg::string("member").with_token("FROMMEMBER"),
            Arg::block("fromlonlat", const { &[LONGITUDE, LATITUDE] }).with_token("FROMLONLAT"),
        ]
    },
);
const BY: Arg = Arg::one_of(
    "by",
    const {
        &[
            Arg::block("circle", const { &[RADIUS.with_token("BYRADIUS"), UNIT] }),
            Arg::block(
                "box",
                const {
                    &[
                        Arg::new("width", ArgKind::Double).with_token("BYBOX"),
                        Arg::new("height", ArgKind::Double),
                        UNIT,
                    ]
                },
            ),
        ]
    },
);

/// One of the four commands that search within a radius.
const fn radius_command(name: &'static str, handler: Handler) -> CommandSpec {
    CommandSpec::new(name, Group::Geo, handler).history(RADIUS_HISTORY)
}

/// `GEORADIUS key longitude latitude radius unit [WITHCOORD] [WITHDIST] [WITHHASH] [COUNT count [ANY]] [ASC | DESC]
/// [STORE key | STOREDIST key]`
pub static GEORADIUS: CommandSpec = radius_command("GEORADIUS", |context, request| {
    by_coordinates(context, request, Stores::Keyed)
})
.doc(
    "Answers or stores the members within a distance from a position.",
    "3.2.0",
    COST,
)
.arity(-6)
.flags(&[Flags::WRITE, Flags::DENYOOM])
.keys(&[
    SOURCE,
    KeySpec::after("STORE", 6, STORED),
    KeySpec::after("STOREDIST", 6, STORED),
])
.args(&[
    Arg::key("key", 0),
    LONGITUDE,
    LATITUDE,
    RADIUS,
    UNIT,
    WITHCOORD,
    WITHDIST,
    WITHHASH,
    COUNT_BLOCK_DATED,
    ORDER,
    STORE,
])
.deprecated(
    "6.2.0",
    "`GEOSEARCH` and `GEOSEARCHSTORE` with the `BYRADIUS` argument",
);

/// `GEORADIUS_RO key longitude latitude radius unit [WITHCOORD] [WITHDIST] [WITHHASH] [COUNT count [ANY]] [ASC | DESC]`
pub static GEORADIUS_RO: CommandSpec = radius_command("GEORADIUS_RO", |context, request| {
    by_coordinates(context, request, Stores::Never)
})
.doc(
    "Answers the members within a distance from a position.",
    "3.2.10",
    COST,
)
.arity(-6)
.flags(&[Flags::READONLY])
.keys(&[SOURCE])
.args(&[
    Arg::key("key", 0),
    LONGITUDE,
    LATITUDE,
    RADIUS,
    UNIT,
    WITHCOORD,
    WITHDIST,
    WITHHASH,
    COUNT_BLOCK_DATED,
    ORDER,
])
.deprecated("6.2.0", "`GEOSEARCH` with the `BYRADIUS` argument");

/// `GEORADIUSBYMEMBER key member radius unit [WITHCOORD] [WITHDIST] [WITHHASH] [COUNT count [ANY]] [ASC | DESC]
/// [STORE key | STOREDIST key]`
pub static GEORADIUSBYMEMBER: CommandSpec =
    radius_command("GEORADIUSBYMEMBER", |context, request| {
        by_member(context, request, Stores::Keyed)
    })
    .doc(
        "Answers or stores the members within a distance from a member.",
        "3.2.0",
        COST,
    )
    .arity(-5)
    .flags(&[Flags::WRITE, Flags::DENYOOM])
    .keys(&[
        SOURCE,
        KeySpec::after("STORE", 5, STORED),
        KeySpec::after("STOREDIST", 5, STORED),
    ])
    .args(&[
        Arg::key("key", 0),
        Arg::string("member"),
        RADIUS,
        UNIT,
        WITHCOORD,
        WITHDIST,
        WITHHASH,
        COUNT_BLOCK,
        ORDER,
        STORE,
    ])
    .deprecated(
        "6.2.0",
        "`GEOSEARCH` and `GEOSEARCHSTORE` with the `BYRADIUS` and `FROMMEMBER` arguments",
    );

/// `GEORADIUSBYMEMBER_RO key member radius unit [WITHCOORD] [WITHDIST] [WITHHASH] [COUNT count [ANY]] [ASC | DESC]`
pub static GEORADIUSBYMEMBER_RO: CommandSpec =
    radius_command("GEORADIUSBYMEMBER_RO", |context, request| {
        by_member(context, request, Stores::Never)
    })
    .doc(
        "Answers the members within a distance from a member.",
        "3.2.10",
        COST,
    )
    .arity(-5)
    .flags(&[Flags::READONLY])
    .keys(&[SOURCE])
    .args(&[
        Arg::key("key", 0),
        Arg::string("member"),
        RADIUS,
        UNIT,
        WITHCOORD,
        WITHDIST,
        WITHHASH,
        COUNT_BLOCK,
        ORDER,
    ])
    .deprecated(
        "6.2.0",
        "`GEOSEARCH` with the `BYRADIUS` and `FROMMEMBER` arguments",
    );

/// `GEOSEARCH key FROMMEMBER member | FROMLONLAT longitude latitude BYRADIUS radius unit | BYBOX width height unit
/// [ASC | DESC] [COUNT count [ANY]] [WITHCOORD] [WITHDIST] [WITHHASH]`
pub static GEOSEARCH: CommandSpec = CommandSpec::new("GEOSEARCH", Group::Geo, geosearch)
    .doc(
        "Answers the members within a circle or a box around a position or a member.",
        "6.2.0",
        COST,
    )
    .arity(-7)
    .flags(&[Flags::READONLY])
    .keys(&[SOURCE])
    .args(&[
        Arg::key("key", 0),
        FROM,
        BY,
        ORDER,
        COUNT_BLOCK,
        WITHCOORD,
        WITHDIST,
        WITHHASH,
    ])
    .history(&[UPPER_CASE_UNITS]);

fn geosearch(context: &mut Context<'_>, request: Request<'_>) -> CommandResult {
    let set = read_index(context, request.get(1))?;
    let mut search = Search::new(Form::Named);
    search.parse(Args::new(request, 2), set.as_ref())?;
    search.check_names(request.get(0))?;
    run(context, set, search)
}

/// `GEOSEARCHSTORE destination source FROMMEMBER member | FROMLONLAT longitude latitude BYRADIUS radius unit | BYBOX width
/// height unit [ASC | DESC] [COUNT count [ANY]] [STOREDIST]`
pub static GEOSEARCHSTORE: CommandSpec =
    CommandSpec::new("GEOSEARCHSTORE", Group::Geo, geosearchstore)
        .doc(
            "Stores the members within a circle or a box around a position or a member.",
            "6.2.0",
            COST,
        )
        .arity(-8)
        .flags(&[Flags::WRITE, Flags::DENYOOM])
        .keys(&[
            KeySpec::at(1, STORED),
            KeySpec::at(2, KeyFlags::RO.with(KeyFlags::ACCESS)),
        ])
        .args(&[
            Arg::key("destination", 0),
            Arg::key("source", 1),
            FROM,
            BY,
            ORDER,
            COUNT_BLOCK,
            Arg::token("storedist", "STOREDIST").optional(),
        ])
        .history(&[UPPER_CASE_UNITS]);

fn geosearchstore(context: &mut Context<'_>, request: Request<'_>) -> CommandResult {
    let set = read_index(context, request.get(2))?;
    let mut search = Search::new(Form::NamedStore);
    search.store = Some(request.get(1));
    search.parse(Args::new(request, 3), set.as_ref())?;
    search.check_names(request.get(0))?;
    run(context, set, search)
}

/// Whether a command of the older kind can store what it finds.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Stores {
    Never,
    Keyed,
}

fn by_coordinates(
    context: &mut Context<'_>,
    request: Request<'_>,
    stores: Stores,
) -> CommandResult {
    let set = read_index(context, request.get(1))?;
    let mut args = Args::new(request, 2);
    let mut search = Search::new(Form::Radius(stores));
    search.centre = Some(parse_position(&mut args)?);
    search.parse_circle(&mut args)?;
    search.parse(args, set.as_ref())?;
    run(context, set, search)
}

fn by_member(context: &mut Context<'_>, request: Request<'_>, stores: Stores) -> CommandResult {
    let set = read_index(context, request.get(1))?;
    let mut search = Search::new(Form::Radius(stores));
    // Without an index Redis does not look at radius and unit.
    if let Some(set) = &set {
        search.centre = Some(position_of(set, request.get(2)).ok_or(NO_POSITION)?);
        search.parse_circle(&mut Args::new(request, 3))?;
    }
    search.parse(Args::new(request, 5), set.as_ref())?;
    run(context, set, search)
}

const NO_POSITION: CommandError = CommandError::fixed("ERR could not decode requested zset member");
const NO_RADIUS: CommandError = CommandError::fixed("ERR need numeric radius");
const NEGATIVE_RADIUS: CommandError = CommandError::fixed("ERR radius cannot be negative");
const NO_WIDTH: CommandError = CommandError::fixed("ERR need numeric width");
const NO_HEIGHT: CommandError = CommandError::fixed("ERR need numeric height");
const NEGATIVE_BOX: CommandError = CommandError::fixed("ERR height or width cannot be negative");
const COUNT_BELOW_ONE: CommandError = CommandError::fixed("ERR COUNT must be > 0");
const ANY_WITHOUT_COUNT: CommandError =
    CommandError::fixed("ERR the ANY argument requires COUNT argument");

/// How the place is given, and whether and how something is stored.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Form {
    /// In front of the options; STORE and STOREDIST take a key.
    Radius(Stores),
    /// By options; nothing is stored.
    Named,
    /// By options; STOREDIST says what is stored.
    NamedStore,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum From {
    Member,
    Position,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Order {
    Ascending,
    Descending,
}

/// What is asked for.
struct Search<'a> {
    form: Form,
    /// How the centre was given by options.
    from: Option<From>,
    /// None where it would be a member of an index that is not there.
    centre: Option<Position>,
    shape: Option<Shape>,
    /// Metres in the unit of the answer.
    unit: f64,
    with_distance: bool,
    with_score: bool,
    with_position: bool,
    order: Option<Order>,
    count: Option<usize>,
    any: bool,
    store: Option<&'a [u8]>,
    store_distance: bool,
}

impl<'a> Search<'a> {
    fn new(form: Form) -> Self {
        Search {
            form,
            from: None,
            centre: None,
            shape: None,
            unit: 1.0,
            with_distance: false,
            with_score: false,
            with_position: false,
            order: None,
            count: None,
            any: false,
            store: None,
            store_distance: false,
        }
    }

    /// Reads the options.
    fn parse(&mut self, mut args: Args<'a>, set: Option<&SortedSet>) -> CommandResult {
        while !args.is_empty() {
            if args.keyword("WITHDIST") {
                self.with_distance = true;
            } else if args.keyword("WITHHASH") {
                self.with_score = true;
            } else if args.keyword("WITHCOORD") {
                self.with_position = true;
            } else if args.keyword("ANY") {
                self.any = true;
            } else if args.keyword("ASC") {
                self.order = Some(Order::Ascending);
            } else if args.keyword("DESC") {
                self.order = Some(Order::Descending);
            } else if args.keyword("COUNT") {
                let count = args.integer()?;
                let count = usize::try_from(count).ok().filter(|&count| count > 0);
                self.count = Some(count.ok_or(COUNT_BELOW_ONE)?);
            } else if !self.parse_of_form(&mut args, set)? {
                return Err(CommandError::Syntax);
            }
        }
        self.check()
    }

    /// Reads an option that not all forms have; false if there is none.
    fn parse_of_form(
        &mut self,
        args: &mut Args<'a>,
        set: Option<&SortedSet>,
    ) -> Result<bool, CommandError> {
        match self.form {
            Form::Radius(Stores::Never) => return Ok(false),
            Form::Radius(Stores::Keyed) => {
                self.store_distance = args.keyword("STOREDIST");
                if !self.store_distance && !args.keyword("STORE") {
                    return Ok(false);
                }
                self.store = Some(args.bytes()?);
                return Ok(true);
            }
            Form::NamedStore if args.keyword("STOREDIST") => {
                self.store_distance = true;
                return Ok(true);
            }
            Form::Named | Form::NamedStore => {}
        }
        let room = |words: usize| args.remaining() > words;
        let (one, two, three) = (room(1), room(2), room(3));
        if one && self.from != Some(From::Position) && args.keyword("FROMMEMBER") {
            self.from = Some(From::Member);
            let member = args.bytes()?;
            if let Some(set) = set {
                self.centre = Some(position_of(set, member).ok_or(NO_POSITION)?);
            }
        } else if two && self.from != Some(From::Member) && args.keyword("FROMLONLAT") {
            self.centre = Some(parse_position(args)?);
            self.from = Some(From::Position);
        } else if two && !matches!(self.shape, Some(Shape::Box { .. })) && args.keyword("BYRADIUS")
        {
            self.parse_circle(args)?;
        } else if three
            && !matches!(self.shape, Some(Shape::Circle { .. }))
            && args.keyword("BYBOX")
        {
            self.parse_box(args)?;
        } else {
            return Ok(false);
        }
        Ok(true)
    }

    fn parse_circle(&mut self, args: &mut Args<'_>) -> CommandResult {
        let radius = parse_number(args, NO_RADIUS)?;
        if radius < 0.0 {
            return Err(NEGATIVE_RADIUS);
        }
        self.unit = parse_unit(args)?;
        self.shape = Some(Shape::Circle {
            radius: radius * self.unit,
        });
        Ok(())
    }

    fn parse_box(&mut self, args: &mut Args<'_>) -> CommandResult {
        let width = parse_number(args, NO_WIDTH)?;
        let height = parse_number(args, NO_HEIGHT)?;
        if width < 0.0 || height < 0.0 {
            return Err(NEGATIVE_BOX);
        }
        self.unit = parse_unit(args)?;
        self.shape = Some(Shape::Box {
            width: width * self.unit,
            height: height * self.unit,
        });
        Ok(())
    }

    /// Looks for options that do not go together.
    fn check(&self) -> CommandResult {
        let with = self.with_distance || self.with_score || self.with_position;
        if self.store.is_some() && with {
            let what = match self.form {
                Form::NamedStore => "GEOSEARCHSTORE",
                _ => "STORE option in GEORADIUS",
            };
            return Err(CommandError::err(format_args!(
                "{what} is not compatible with WITHDIST, WITHHASH and WITHCOORD options"
            )));
        }
        // The forms with names have more to ask for first.
        match self.form {
            Form::Radius(_) => self.check_any(),
            _ => Ok(()),
        }
    }

    fn check_any(&self) -> CommandResult {
        if self.any && self.count.is_none() {
            return Err(ANY_WITHOUT_COUNT);
        }
        Ok(())
    }

    /// Looks whether centre and shape were named; `command` is its name as it was sent.
    fn check_names(&self, command: &[u8]) -> CommandResult {
        let missing = if self.from.is_none() {
            "exactly one of FROMMEMBER or FROMLONLAT"
        } else if self.shape.is_none() {
            "exactly one of BYRADIUS and BYBOX"
        } else {
            return self.check_any();
        };
        let command = String::from_utf8_lossy(command);
        Err(CommandError::err(format_args!(
            "{missing} can be specified for {command}"
        )))
    }
}

/// A member that was found.
struct Point<'a> {
    member: Item<'a>,
    score: f64,
    position: Position,
    /// From the centre, in metres.
    distance: f64,
}

fn run(context: &mut Context<'_>, set: Option<SortedSet>, search: Search<'_>) -> CommandResult {
    let mut points = match (&set, search.centre, search.shape) {
        (Some(set), Some(centre), Some(shape)) => {
            let limit = search.count.filter(|_| search.any);
            find(set, centre, shape, limit.unwrap_or(usize::MAX))
        }
        _ => Vec::new(),
    };
    // The first so many are the nearest, unless any are good enough.
    let order = match search.order {
        None if search.count.is_some() && !search.any => Some(Order::Ascending),
        order => order,
    };
    match order {
        Some(Order::Ascending) => points.sort_by(|a, b| a.distance.total_cmp(&b.distance)),
        Some(Order::Descending) => points.sort_by(|a, b| b.distance.total_cmp(&a.distance)),
        None => {}
    }
    points.truncate(search.count.unwrap_or(usize::MAX));
    match search.store {
        Some(key) => store(context, key, &points, &search),
        None => answer(context, &points, &search),
    }
    Ok(())
}

/// The members within a shape, up to `limit` of them.
fn find(set: &SortedSet, centre: Position, shape: Shape, limit: usize) -> Vec<Point<'_>> {
    let mut points = Vec::new();
    for cell in shape.cells(centre) {
        let (first, end) = cell.scores();
        let range = set.score_range(ScoreBound::Included(first), ScoreBound::Excluded(end));
        for (member, score) in set.range(range, false) {
            let position = Cell::of_score(score).middle();
            if let Some(distance) = shape.distance_within(centre, position) {
                points.push(Point {
                    member,
                    score,
                    position,
                    distance,
                });
                if points.len() >= limit {
                    return points;
                }
            }
        }
    }
    points
}

fn answer(context: &mut Context<'_>, points: &[Point<'_>], search: &Search<'_>) {
    let reply = &mut context.reply;
    let extras = usize::from(search.with_distance)
        + usize::from(search.with_score)
        + usize::from(search.with_position);
    reply.array(points.len());
    for point in points {
        if extras > 0 {
            reply.array(1 + extras);
        }
        reply_member(reply, point.member);
        if search.with_distance {
            reply_distance(reply, point.distance / search.unit);
        }
        if search.with_score {
            reply.integer(point.score as i64);
        }
        if search.with_position {
            reply_position(reply, point.position);
        }
    }
}

/// Puts a sorted set of what was found in the place of whatever is there.
fn store(context: &mut Context<'_>, key: &[u8], points: &[Point<'_>], search: &Search<'_>) {
    let mut digits = itoa::Buffer::new();
    let mut members = Vec::with_capacity(points.len());
    for point in points {
        let score = if search.store_distance {
            point.distance / search.unit
        } else {
            point.score
        };
        members.push(Member::new(
            point.member.text(&mut digits),
            &[],
            Word::Score(score),
        ));
    }
    if !members.is_empty() {
        let set = SortedSet::from_members(members, limits(context));
        context.replace(key, NewValue::Object(Object::SortedSet(set)));
        settle(context, key, false, points.len());
        let event = match search.form {
            Form::NamedStore => "geosearchstore",
            _ => "georadiusstore",
        };
        context.event(Events::ZSET, event, key);
    } else if remove(context, key) {
        context.changed(key);
        context.event(Events::GENERIC, "del", key);
    }
    context.reply.count(points.len());
}
