//! SORT, SORT_RO: the elements of a list, a set or a sorted set in order.
//!
//! The elements are compared as numbers or (ALPHA) as texts: themselves, or the values that a pattern (BY) leads to from
//! each. What is answered or stored (STORE) are the elements, or the values that other patterns (GET) lead to.
//!
//! The source is cloned out of the keyspace, which costs a counter; so the elements are borrowed from it while other keys
//! are read, and the destination may be the source. Values that are read to compare are kept by reference where they
//! are long strings and copied where not; what is copied is bounded ([`MAX_COPIED_BYTES`]), for a list of a few
//! megabytes can lead to the same value a million times.
//!
//! To add an option, read it in [`Options::parse`], and in [`keys_of_sort`] if words follow it.

use std::cmp::Ordering;
use std::ops::Range;
use std::sync::Arc;

use crate::command::session::Place;
use crate::command::{
    Arg, ArgKind, Args, Begin, Categories, CommandError, CommandResult, CommandSpec, Context, Find,
    Flags, Group, KeyAt, KeyFlags, KeySpec, Misfit,
};
use crate::resp::{Reply, Request};
use crate::store::db::{Db, DbIndex};
use crate::store::encoding::flat::Item;
use crate::store::entry::{NewValue, Object, Value};
use crate::store::journal::Events;
use crate::store::tree::End;
use crate::store::types::list::{self, Element, Fill, List};
use crate::store::types::set::Set;
use crate::store::types::sorted_set::SortedSet;
use crate::text::double;

/// The most bytes that are copied to compare, to answer or to store.
const MAX_COPIED_BYTES: usize = 512 << 20;
const TOO_MANY_BYTES: CommandError =
    CommandError::fixed("ERR the values that the patterns of SORT lead to are too large");
const NOT_DOUBLES: CommandError =
    CommandError::fixed("ERR One or more scores can't be converted into double");

const COST: &str = "O(N+M*log(M)), N being the number of elements and M that of the elements answered; O(N) without \
    sorting.";
const BY: Arg = Arg {
    key_spec: Some(1),
    ..Arg::new("by-pattern", ArgKind::Pattern)
        .with_token("BY")
        .display("pattern")
        .optional()
};
const LIMIT: Arg = Arg::block(
    "limit",
    const { &[Arg::integer("offset"), Arg::integer("count")] },
)
.with_token("LIMIT")
.optional();
const GET: Arg = Arg {
    key_spec: Some(1),
    ..Arg::new("get-pattern", ArgKind::Pattern)
        .with_token("GET")
        .display("pattern")
        .optional()
        .multiple_token()
};
const ORDER: Arg = Arg::one_of(
    "order",
    const { &[Arg::token("asc", "ASC"), Arg::token("desc", "DESC")] },
)
.optional();
const SORTING: Arg = Arg::token("sorting", "ALPHA").optional();

const SOURCE: KeySpec = KeySpec::at(1, KeyFlags::RO.with(KeyFlags::ACCESS));
const PATTERNS: KeySpec = unknown(KeyFlags::RO.with(KeyFlags::ACCESS))
    .notes("The keys of BY and GET: they depend on the elements.");
const DESTINATION: KeySpec = unknown(KeyFlags::OW.with(KeyFlags::UPDATE))
    .notes("The key of STORE, which may stand anywhere among the options.");

const fn unknown(flags: KeyFlags) -> KeySpec {
    KeySpec {
        begin: Begin::Unknown,
        find: Find::Unknown,
        ..KeySpec::at(0, flags)
    }
}

const CATEGORIES: &[Categories] = &[
    Categories::SET,
    Categories::SORTEDSET,
    Categories::LIST,
    Categories::DANGEROUS,
];

/// `SORT key [BY pattern] [LIMIT offset count] [GET pattern ...] [ASC | DESC] [ALPHA] [STORE destination]`
pub static SORT: CommandSpec = CommandSpec::new("SORT", Group::Generic, sort)
    .doc(
        "Answers or stores the elements of a list, a set or a sorted set in order, or values that belong to them.",
        "1.0.0",
        COST,
    )
    .arity(-2)
    .flags(&[Flags::WRITE, Flags::DENYOOM])
    .categories(CATEGORIES)
    .without_group_category()
    .keys(&[SOURCE, PATTERNS, DESTINATION])
    .key_finder(keys_of_sort)
    .args(&[
        Arg::key("key", 0),
        BY,
        LIMIT,
        GET,
        ORDER,
        SORTING,
        Arg::key("destination", 2).with_token("STORE").optional(),
    ]);

fn sort(context: &mut Context<'_>, request: Request<'_>) -> CommandResult {
    let options = Options::parse(Args::new(request, 2), true)?;
    run(context, request.get(1), options)
}

/// `SORT_RO key [BY pattern] [LIMIT offset count] [GET pattern ...] [ASC | DESC] [ALPHA]`
pub static SORT_RO: CommandSpec = CommandSpec::new("SORT_RO", Group::Generic, sort_ro)
    .doc(
        "Answers the elements of a list, a set or a sorted set in order, or values that belong to them.",
        "7.0.0",
        COST,
    )
    .arity(-2)
    .flags(&[Flags::READONLY])
    .categories(CATEGORIES)
    .without_group_category()
    .keys(&[SOURCE, PATTERNS])
    .key_finder(keys_of_sort_ro)
    .args(&[Arg::key("key", 0), BY, LIMIT, GET, ORDER, SORTING]);

fn sort_ro(context: &mut Context<'_>, request: Request<'_>) -> CommandResult {
    let options = Options::parse(Args::new(request, 2), false)?;
    run(context, request.get(1), options)
}

/// The source, and the last destination. Words behind options that take some are no options.
fn keys_of_sort(request: Request<'_>) -> Result<Vec<KeyAt>, Misfit> {
    let mut keys = keys_of_sort_ro(request)?;
    let mut destination = None;
    let mut index = 2;
    while index < request.len() {
        let is = |word: &str| request.get(index).eq_ignore_ascii_case(word.as_bytes());
        if is("STORE") && index + 1 < request.len() {
            destination = Some(KeyAt {
                index: index + 1,
                flags: DESTINATION.flags,
            });
        }
        index += 1 + usize::from(is("BY") || is("GET")) + 2 * usize::from(is("LIMIT"));
    }
    keys.extend(destination);
    Ok(keys)
}

fn keys_of_sort_ro(request: Request<'_>) -> Result<Vec<KeyAt>, Misfit> {
    let index = 1;
    let flags = SOURCE.flags;
    (request.len() > index)
        .then(|| vec![KeyAt { index, flags }])
        .ok_or(Misfit)
}

/// What is asked for.
struct Options<'a> {
    by: Option<Pattern<'a>>,
    /// BY was given a pattern that is the same for all elements, so that there is nothing to sort by.
    unsorted: bool,
    gets: Vec<Pattern<'a>>,
    offset: i64,
    /// Negative for all.
    count: i64,
    descending: bool,
    alpha: bool,
    store: Option<&'a [u8]>,
}

impl<'a> Options<'a> {
    fn parse(mut args: Args<'a>, may_store: bool) -> Result<Self, CommandError> {
        let mut options = Options {
            by: None,
            unsorted: false,
            gets: Vec::new(),
            offset: 0,
            count: -1,
            descending: false,
            alpha: false,
            store: None,
        };
        while !args.is_empty() {
            if args.keyword("ASC") {
                options.descending = false;
            } else if args.keyword("DESC") {
                options.descending = true;
            } else if args.keyword("ALPHA") {
                options.alpha = true;
            } else if args.keyword("LIMIT") {
                if args.remaining() < 2 {
                    return Err(CommandError::Syntax);
                }
                (options.offset, options.count) = (args.integer()?, args.integer()?);
            } else if may_store && args.keyword("STORE") {
                options.store = Some(args.bytes()?);
            } else if args.keyword("BY") {
                let pattern = Pattern::parse(args.bytes()?);
                options.unsorted |= matches!(pattern, Pattern::Element | Pattern::Nothing);
                options.by = Some(pattern);
            } else if args.keyword("GET") {
                options.gets.push(Pattern::parse(args.bytes()?));
            } else {
                return Err(CommandError::Syntax);
            }
        }
        Ok(options)
    }

    /// The elements that are wanted of `len`.
    fn window(&self, len: usize) -> Range<usize> {
        let start = usize::try_from(self.offset.max(0)).map_or(len, |offset| offset.min(len));
        let count = usize::try_from(self.count).unwrap_or(len);
        start..start.saturating_add(count).min(len)
    }
}

/// What leads from an element to a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Pattern<'a> {
    /// `#`: to the element itself.
    Element,
    /// A text without an asterisk: to nothing.
    Nothing,
    /// To a key, which has the element in the place of the asterisk, or to a field of the hash there.
    Key {
        prefix: &'a [u8],
        suffix: &'a [u8],
        field: Option<&'a [u8]>,
    },
}

impl<'a> Pattern<'a> {
    fn parse(text: &'a [u8]) -> Self {
        if text == b"#" {
            return Pattern::Element;
        }
        let Some(at) = text.iter().position(|&byte| byte == b'*') else {
            return Pattern::Nothing;
        };
        let (prefix, rest) = (&text[..at], &text[at + 1..]);
        // An arrow with nothing behind it is a part of the key.
        let arrow = rest.windows(2).position(|two| two == b"->");
        match arrow.filter(|arrow| arrow + 2 < rest.len()) {
            Some(arrow) => Pattern::Key {
                prefix,
                suffix: &rest[..arrow],
                field: Some(&rest[arrow + 2..]),
            },
            None => Pattern::Key {
                prefix,
                suffix: rest,
                field: None,
            },
        }
    }
}

/// Reads values by patterns.
struct Reader<'c> {
    db: &'c mut Db,
    index: DbIndex,
    /// The key under way, kept for its buffer.
    key: Vec<u8>,
}

impl Reader<'_> {
    /// Hands the value that `pattern` leads to from `item` to `read`; nothing if there is none, or one of another type.
    fn read<R>(
        &mut self,
        pattern: Pattern<'_>,
        item: Item<'_>,
        read: impl FnOnce(Option<Element<'_>>) -> R,
    ) -> R {
        let (prefix, suffix, field) = match pattern {
            Pattern::Element => return read(Some(element_of(item))),
            Pattern::Nothing => return read(None),
            Pattern::Key {
                prefix,
                suffix,
                field,
            } => (prefix, suffix, field),
        };
        self.key.clear();
        self.key.extend_from_slice(prefix);
        item.write_to(&mut self.key);
        self.key.extend_from_slice(suffix);
        let now_ms = self.db.now_ms();
        let value = self
            .db
            .read(self.index, &self.key)
            .map(|entry| entry.value());
        read(match (value, field) {
            (Some(Value::Object(Object::Hash(hash))), Some(field)) => {
                hash.get(field, now_ms).map(element_of)
            }
            (Some(Value::Int(number)), None) => Some(Element::Int(number)),
            (Some(Value::Inline(bytes)), None) => Some(Element::Bytes(bytes)),
            (Some(Value::Object(Object::String(bytes))), None) => Some(Element::Shared(bytes)),
            _ => None,
        })
    }
}

fn element_of(item: Item<'_>) -> Element<'_> {
    match item {
        Item::Bytes(bytes) => Element::Bytes(bytes),
        Item::Int(number) => Element::Int(number),
    }
}

/// What is sorted.
enum Source {
    List(List),
    Set(Set),
    SortedSet(SortedSet),
    Missing,
}

impl Source {
    fn read(context: &mut Context<'_>, key: &[u8]) -> Result<Source, CommandError> {
        Ok(match context.read(key).map(|entry| entry.value()) {
            None => Source::Missing,
            Some(Value::Object(Object::List(list))) => Source::List(list.clone()),
            Some(Value::Object(Object::Set(set))) => Source::Set(set.clone()),
            Some(Value::Object(Object::SortedSet(set))) => Source::SortedSet(set.clone()),
            Some(_) => return Err(CommandError::WrongType),
        })
    }

    fn len(&self) -> usize {
        match self {
            Source::List(list) => list.len(),
            Source::Set(set) => set.len(),
            Source::SortedSet(set) => set.len(),
            Source::Missing => 0,
        }
    }

    /// The elements of a range of the source's own order, which a set has none of, from its end if `backwards`.
    fn items(&self, range: Range<usize>, backwards: bool) -> Vec<Item<'_>> {
        let (start, count) = (range.start, range.len());
        let item = |element| match element {
            Element::Bytes(bytes) => Item::Bytes(bytes),
            Element::Shared(bytes) => Item::Bytes(bytes),
            Element::Int(number) => Item::Int(number),
        };
        match self {
            Source::Missing => Vec::new(),
            Source::Set(set) => set.iter().skip(start).take(count).collect(),
            Source::List(list) if backwards => {
                let elements = list.iter_back_from(list.len() - start);
                elements.take(count).map(item).collect()
            }
            Source::List(list) => list.range(range).map(item).collect(),
            Source::SortedSet(set) => {
                let range = if backwards {
                    set.len() - range.end..set.len() - start
                } else {
                    range
                };
                set.range(range, backwards).map(|(item, _)| item).collect()
            }
        }
    }
}

fn run(context: &mut Context<'_>, key: &[u8], mut options: Options<'_>) -> CommandResult {
    let source = Source::read(context, key)?;
    let must_agree = options.store.is_some() || context.session.place == Place::Script;
    if options.unsorted && must_agree && matches!(source, Source::Set(_)) {
        // What is stored, or a script goes on with, must not depend on the order in which a set happens to lie, which a
        // replica need not share.
        (options.unsorted, options.alpha, options.by) = (false, true, None);
    }
    let len = source.len();
    let window = options.window(len);
    let items = if options.unsorted {
        source.items(window, options.descending)
    } else {
        let items = source.items(0..len, false);
        sorted(context, items, &options, window)?
    };
    match options.store {
        Some(destination) => store(context, destination, &items, &options),
        None => answer(context, &items, &options),
    }
}

/// What an element is compared by.
enum Weight {
    Score(f64),
    /// The text of a value; nothing, where there is no value, comes first.
    Text(Option<Arc<Vec<u8>>>),
    /// The element's own text.
    Own,
}

struct Weighted<'a> {
    item: Item<'a>,
    weight: Weight,
}

impl Weighted<'_> {
    fn compare(&self, other: &Self) -> Ordering {
        match (&self.weight, &other.weight) {
            (Weight::Text(one), Weight::Text(other)) => one.cmp(other),
            (Weight::Score(one), Weight::Score(two)) => one
                .partial_cmp(two)
                .filter(|order| order.is_ne())
                .unwrap_or_else(|| compare_texts(self.item, other.item)),
            _ => compare_texts(self.item, other.item),
        }
    }
}

fn compare_texts(one: Item<'_>, other: Item<'_>) -> Ordering {
    let (mut digits, mut other_digits) = (itoa::Buffer::new(), itoa::Buffer::new());
    one.text(&mut digits).cmp(other.text(&mut other_digits))
}

/// The elements of a window of the order that is asked for.
fn sorted<'a>(
    context: &mut Context<'_>,
    items: Vec<Item<'a>>,
    options: &Options<'_>,
    window: Range<usize>,
) -> Result<Vec<Item<'a>>, CommandError> {
    let mut weighted = weigh(context, items, options)?;
    let compare = |one: &Weighted<'_>, other: &Weighted<'_>| {
        let order = one.compare(other);
        if options.descending {
            order.reverse()
        } else {
            order
        }
    };
    // Elements that a value of theirs makes equal stay in order; all others that are equal are the same.
    let may_mix = options.by.is_none() || !options.alpha;
    if may_mix && window.end < weighted.len() {
        weighted.select_nth_unstable_by(window.end, compare);
        weighted.truncate(window.end);
    }
    weighted.sort_by(compare);
    let items = weighted.into_iter().map(|weighted| weighted.item);
    Ok(items.skip(window.start).take(window.len()).collect())
}

fn weigh<'a>(
    context: &mut Context<'_>,
    items: Vec<Item<'a>>,
    options: &Options<'_>,
) -> Result<Vec<Weighted<'a>>, CommandError> {
    let mut reader = Reader {
        index: context.session.db,
        db: &mut *context.db,
        key: Vec::new(),
    };
    let mut copied = 0;
    let mut weighted = Vec::with_capacity(items.len());
    for item in items {
        let weight = match (options.by, options.alpha) {
            (None, true) => Weight::Own,
            (None, false) => Weight::Score(score_of(element_of(item)).ok_or(NOT_DOUBLES)?),
            (Some(by), true) => Weight::Text(reader.read(by, item, |value| {
                value.map(|value| keep(value, &mut copied))
            })),
            (Some(by), false) => {
                let score = reader.read(by, item, |value| value.map_or(Some(0.0), score_of));
                Weight::Score(score.ok_or(NOT_DOUBLES)?)
            }
        };
        if copied > MAX_COPIED_BYTES {
            return Err(TOO_MANY_BYTES);
        }
        weighted.push(Weighted { item, weight });
    }
    Ok(weighted)
}

/// A value for as long as it is compared.
fn keep(value: Element<'_>, copied: &mut usize) -> Arc<Vec<u8>> {
    match value {
        Element::Shared(bytes) => Arc::clone(bytes),
        other => {
            *copied += other.len();
            Arc::new(other.to_vec())
        }
    }
}

/// The number that a text is to C's strtod; nothing for one that is out of range.
fn score_of(value: Element<'_>) -> Option<f64> {
    let text = match value {
        Element::Int(number) => return Some(number as f64),
        Element::Bytes(bytes) => bytes,
        Element::Shared(bytes) => bytes,
    };
    double::parse_in_range(text)
}

fn answer(context: &mut Context<'_>, items: &[Item<'_>], options: &Options<'_>) -> CommandResult {
    let Context {
        db, session, reply, ..
    } = context;
    let most = reply.mark().0.saturating_add(MAX_COPIED_BYTES);
    reply.array(items.len() * options.gets.len().max(1));
    let mut reader = Reader {
        db,
        index: session.db,
        key: Vec::new(),
    };
    for &item in items {
        if options.gets.is_empty() {
            reply_value(reply, Some(element_of(item)));
        }
        for &get in &options.gets {
            reader.read(get, item, |value| reply_value(reply, value));
            if reply.mark().0 > most {
                return Err(TOO_MANY_BYTES);
            }
        }
    }
    Ok(())
}

fn reply_value(reply: &mut Reply<'_>, value: Option<Element<'_>>) {
    match value {
        None => reply.null(),
        Some(Element::Int(number)) => reply.bulk_integer(number),
        Some(Element::Bytes(bytes)) => reply.bulk(bytes),
        Some(Element::Shared(bytes)) => reply.shared(bytes),
    }
}

/// Puts a list of the elements, or of the values that belong to them, in the place of whatever is there.
fn store(
    context: &mut Context<'_>,
    destination: &[u8],
    items: &[Item<'_>],
    options: &Options<'_>,
) -> CommandResult {
    let fill = Fill(context.db.limits.list_max_listpack_size);
    let mut reader = Reader {
        index: context.session.db,
        db: &mut *context.db,
        key: Vec::new(),
    };
    let (mut list, mut copied) = (List::new(), 0);
    let mut push = |value: Option<Element<'_>>| {
        // What is missing is stored as an empty text.
        let value = value.unwrap_or(Element::Bytes(&[]));
        if !matches!(value, Element::Shared(_)) {
            copied += value.len();
        }
        list.push(End::Back, list::Value::from(value), fill);
        copied <= MAX_COPIED_BYTES
    };
    for &item in items {
        if options.gets.is_empty() {
            // These are no more than the source has.
            push(Some(element_of(item)));
        }
        for &get in &options.gets {
            if !reader.read(get, item, &mut push) {
                return Err(TOO_MANY_BYTES);
            }
        }
    }
    let len = list.len();
    let dirty = context.db.dirty;
    if len > 0 {
        context.replace(destination, NewValue::Object(Object::List(list)));
        context.changed(destination);
        // Redis counts the elements.
        context.db.dirty = dirty + len as u64;
        context.event(Events::LIST, "sortstore", destination);
    } else if let Some(entry) = context.db.delete(context.session.db, destination) {
        context.changed(destination);
        context.event(Events::GENERIC, "del", destination);
        context.discard(entry);
    }
    context.reply.count(len);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_are_taken_apart() {
        let key = |prefix: &'static str, suffix: &'static str, field: Option<&'static str>| {
            Pattern::Key {
                prefix: prefix.as_bytes(),
                suffix: suffix.as_bytes(),
                field: field.map(str::as_bytes),
            }
        };
        for (text, want) in [
            ("#", Pattern::Element),
            ("", Pattern::Nothing),
            ("nosort", Pattern::Nothing),
            ("h->f", Pattern::Nothing),
            ("*", key("", "", None)),
            ("w_*", key("w_", "", None)),
            ("a*b*c", key("a", "b*c", None)),
            ("a*b->f", key("a", "b", Some("f"))),
            ("a->*b->f->g", key("a->", "b", Some("f->g"))),
            ("a*->", key("a", "->", None)),
            ("a*-> ", key("a", "", Some(" "))),
        ] {
            assert_eq!(Pattern::parse(text.as_bytes()), want, "{text}");
        }
    }

    #[test]
    fn windows_lie_within_the_source() {
        let window = |offset, count, len| {
            let mut options = match Options::parse(Args::new(Request::new(b"", &[], &[]), 0), true)
            {
                Ok(options) => options,
                Err(error) => panic!("no option is {error}"),
            };
            (options.offset, options.count) = (offset, count);
            options.window(len)
        };
        for (offset, count, len, want) in [
            (0, -1, 5, 0..5),
            (1, 2, 5, 1..3),
            (3, 9, 5, 3..5),
            (-3, 2, 5, 0..2),
            (5, 1, 5, 5..5),
            (9, -1, 5, 5..5),
            (2, 0, 5, 2..2),
            (i64::MIN, i64::MIN, 5, 0..5),
            (i64::MAX, i64::MAX, 5, 5..5),
            (1, i64::MAX, 5, 1..5),
            (0, 1, 0, 0..0),
        ] {
            assert_eq!(window(offset, count, len), want, "{offset} {count} {len}");
        }
    }
}
