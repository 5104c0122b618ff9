//! What is left out, and what is different on purpose, each with its reason.
//!
//! [`EXCLUDED`] names commands that are not tried at all, [`admissible`] refuses single forms of those that are, and
//! [`DIFFERENCES`] excuses pairs of replies. A difference that is not here is a fault.

use ruddle::text::number::parse_i64;

use crate::compare;
use crate::peer::{Reply, Words};

/// Commands that are not tried; a name alone stands for its subcommands too.
struct Excluded {
    commands: &'static [&'static str],
    reason: &'static str,
}

const EXCLUDED: &[Excluded] = &[
    Excluded {
        commands: &[
            "SHUTDOWN",
            "DEBUG",
            "CONFIG",
            "MODULE",
            "MIGRATE",
            "ACL",
            "FAILOVER",
            "LATENCY",
            "LOLWUT",
            "MEMORY",
            "SAVE",
            "BGSAVE",
            "BGREWRITEAOF",
            "PFSELFTEST",
            "PFDEBUG",
        ],
        reason: "They end or change the server itself, or look at what it is made of.",
    },
    Excluded {
        commands: &[
            "INFO",
            "TIME",
            "LASTSAVE",
            "SLOWLOG",
            "ROLE",
            "COMMAND",
            "RESTORE-ASKING",
        ],
        reason: "They tell of the server and not of the data; COMMAND has a test of its own.",
    },
    Excluded {
        commands: &[
            "REPLICAOF",
            "SLAVEOF",
            "SYNC",
            "PSYNC",
            "REPLCONF",
            "WAIT",
            "WAITAOF",
            "CLUSTER",
            "ASKING",
            "READONLY",
            "READWRITE",
        ],
        reason: "They need more servers than one.",
    },
    Excluded {
        commands: &["CLIENT", "HELLO", "AUTH", "RESET", "QUIT", "MONITOR"],
        reason: "They change or end the connection, and what they answer is each server's own.",
    },
    Excluded {
        commands: &[
            "SUBSCRIBE",
            "PSUBSCRIBE",
            "SSUBSCRIBE",
            "UNSUBSCRIBE",
            "PUNSUBSCRIBE",
            "SUNSUBSCRIBE",
            "PUBLISH",
            "SPUBLISH",
            "PUBSUB",
        ],
        reason: "They need more connections than one.",
    },
    Excluded {
        commands: &["MULTI", "EXEC", "DISCARD", "WATCH", "UNWATCH"],
        reason: "Transactions and blocking have tests of their own, and would leave the rest of a sequence without effect.",
    },
    Excluded {
        commands: &[
            "BLPOP",
            "BRPOP",
            "BLMOVE",
            "BRPOPLPUSH",
            "BLMPOP",
            "BZPOPMIN",
            "BZPOPMAX",
            "BZMPOP",
        ],
        reason: "They wait where there is nothing.",
    },
    Excluded {
        commands: &[
            "EVAL",
            "EVAL_RO",
            "EVALSHA",
            "EVALSHA_RO",
            "SCRIPT",
            "FUNCTION",
            "FCALL",
            "FCALL_RO",
        ],
        reason: "A script is no argument that could be made up.",
    },
    Excluded {
        commands: &["DUMP", "RESTORE"],
        reason: "The format has a version, which is each server's own.",
    },
];

/// All the same a part of what is tried: they look at the key specs of every other command.
const INCLUDED: &[&str] = &["COMMAND GETKEYS", "COMMAND GETKEYSANDFLAGS"];

/// Why this command is not tried, if it is not.
pub(crate) fn excluded(name: &str) -> Option<&'static str> {
    if INCLUDED.contains(&name) {
        return None;
    }
    let container = name.split(' ').next().unwrap_or(name);
    EXCLUDED
        .iter()
        .find(|entry| entry.commands.contains(&name) || entry.commands.contains(&container))
        .map(|entry| entry.reason)
}

/// Whether this form of the command may be sent: none that waits, that is random or depends on the moment and then
/// changes the data, or that would take all memory.
pub(crate) fn admissible(words: &Words) -> bool {
    let name = words[0].to_ascii_uppercase();
    let numbers = || words.iter().filter_map(|word| parse_i64(word));
    let has = |word: &[u8]| words.iter().any(|found| found.eq_ignore_ascii_case(word));
    let at = |index: usize| words.get(index).and_then(|word| parse_i64(word));
    let starts =
        |index: usize, start: &[u8]| words.get(index).is_some_and(|word| word.starts_with(start));
    match name.as_slice() {
        _ if has(b"BYLEX")
            || name.ends_with(b"LEX")
            || has(b"lex1")
            || has(b"lex2")
            || name == b"ZLEXCOUNT" =>
        {
            keeps_lex_order(&name, words)
        }
        // A place is made of a score that is none in a way that C leaves open, and so only if all of these are places.
        b"ZADD" | b"ZINCRBY" if has(b"-0") && !starts(1, b"zset") => false,
        b"ZADD" | b"ZINCRBY" => !starts(1, b"geo") || words.iter().all(|word| !is_infinite(word)),
        _ if name.starts_with(b"GEO") => {
            (1..words.len()).all(|at| !starts(at, b"zset") && !starts(at, b"set"))
        }
        // How much goes by `~` depends on where the nodes end, in which Redis keeps what was deleted until all is.
        b"XADD" => !has(b"*") && !has(b"~"),
        b"XTRIM" => !has(b"~"),
        b"XREAD" | b"XREADGROUP" => !has(b"BLOCK"),
        b"SPOP" => at(2).is_some_and(|count| !(1..1000).contains(&count)),
        b"SETBIT" | b"SETRANGE" | b"BITFIELD" | b"BITFIELD_RO" | b"GETBIT" => {
            !numbers().any(|number| (100_000..10_000_000_000).contains(&number))
        }
        // With a negative count they answer so many.
        b"SRANDMEMBER" | b"HRANDFIELD" | b"ZRANDMEMBER" => !numbers().any(|number| number < -1000),
        // A deadline must be so far away that nothing expires while a sequence runs.
        b"PEXPIRE" | b"PSETEX" => !soon(at(2), 50_000),
        b"EXPIRE" | b"SETEX" => !soon(at(2), 50),
        // Nor may a value be set that is due already: until a server deletes it, it counts as a key.
        b"SET" | b"GETEX" => {
            let limits = [
                ("EX", 50),
                ("PX", 50_000),
                ("EXAT", 4_000_000_000),
                ("PXAT", 4_000_000_000_000),
            ];
            !words.windows(2).any(|pair| {
                let limit = limits
                    .iter()
                    .find(|(token, _)| pair[0].eq_ignore_ascii_case(token.as_bytes()));
                limit.is_some_and(|(_, least)| soon(parse_i64(&pair[1]), *least))
            })
        }
        // A part of what is not sorted is any part.
        // What SORT makes large keeps a negative zero that a small sorted set loses, so the two are kept apart.
        b"SORT" | b"SORT_RO" if starts(1, b"zset") => false,
        b"SORT" | b"SORT_RO" => {
            !is_unsorted(words) || !(has(b"LIMIT") || has(b"ALPHA") && has(b"STORE"))
        }
        // What was pending so long is a matter of milliseconds.
        b"XCLAIM" | b"XAUTOCLAIM" => !soon(at(4), 60_000),
        b"XPENDING" => {
            let idle = words
                .iter()
                .position(|word| word.eq_ignore_ascii_case(b"IDLE"));
            !soon(idle.and_then(|idle| at(idle + 1)), 60_000)
        }
        _ => true,
    }
}

/// Ranges by lexicographic order are defined for members of one score alone: with others, what Redis finds is a matter
/// of its skip list's random levels. So they are asked of the keys `lex1` and `lex2`, and all scores in these are 0.
fn keeps_lex_order(name: &[u8], words: &Words) -> bool {
    const ALLOWED: &[&[u8]] = &[
        b"DEL",
        b"UNLINK",
        b"TYPE",
        b"TTL",
        b"EXPIRE",
        b"EXISTS",
        b"MOVE",
        b"ZCARD",
        b"ZREM",
        b"ZSCORE",
        b"ZMSCORE",
        b"ZRANK",
        b"ZREVRANK",
        b"ZPOPMIN",
        b"ZPOPMAX",
        b"ZRANGE",
        b"ZREVRANGE",
        b"ZSCAN",
        b"ZRANDMEMBER",
        b"ZLEXCOUNT",
        b"ZRANGEBYLEX",
        b"ZREVRANGEBYLEX",
        b"ZREMRANGEBYLEX",
    ];
    let is_lex = |at: usize| {
        words
            .get(at)
            .is_some_and(|key| key == b"lex1" || key == b"lex2")
    };
    let conditions: [&[u8]; 3] = [b"NX", b"XX", b"CH"];
    let pairs = words
        .iter()
        .skip(2)
        .skip_while(|word| conditions.contains(&word.as_slice()));
    match name {
        b"ZADD" => {
            let scores: Vec<_> = pairs.step_by(2).collect();
            is_lex(1) && scores.iter().all(|score| *score == b"0")
        }
        b"ZRANGESTORE" => is_lex(1) && is_lex(2),
        _ => is_lex(1) && ALLOWED.contains(&name),
    }
}

/// Whether the order of what SORT answers is left open: it is told not to sort, by a pattern in which nothing is
/// replaced, or to sort by texts, which may be equal or missing.
pub(crate) fn is_unsorted(words: &Words) -> bool {
    let alpha = words.iter().any(|word| word.eq_ignore_ascii_case(b"ALPHA"));
    let mut pairs = words.windows(2);
    pairs.any(|pair| pair[0].eq_ignore_ascii_case(b"BY") && (alpha || !pair[1].contains(&b'*')))
}

/// Whether this is a SORT.
pub(crate) fn is_sort(words: &Words) -> bool {
    let name = words[0].to_ascii_uppercase();
    name == b"SORT" || name == b"SORT_RO"
}

fn is_infinite(word: &[u8]) -> bool {
    double(word).is_some_and(f64::is_infinite)
}

fn soon(number: Option<i64>, least: i64) -> bool {
    number.is_some_and(|number| (1..least).contains(&number))
}

/// A command and the two replies to it that differ.
pub(crate) struct Seen<'a> {
    /// The command's name, in capitals; a subcommand's after a space.
    pub(crate) name: &'a str,
    pub(crate) reference: &'a Reply,
    pub(crate) subject: &'a Reply,
    /// The sequence has a SORT.
    pub(crate) sorts: bool,
    /// Whether two replies to it say the same.
    pub(crate) same: &'a dyn Fn(&Reply, &Reply) -> bool,
}

/// A difference that is intended.
pub(crate) struct Difference {
    pub(crate) reason: &'static str,
    applies: fn(&Seen<'_>) -> bool,
}

const DIFFERENCES: &[Difference] = &[
    Difference {
        reason: "What HELP says is each server's own words.",
        applies: |seen| seen.name.ends_with(" HELP"),
    },
    Difference {
        reason: "COMMAND GETKEYS takes a command without arguments since 7.2; 7.0 refuses its arity.",
        applies: |seen| {
            seen.name.starts_with("COMMAND GETKEYS")
                && error(seen.reference).is_some_and(|text| {
                    text.starts_with("ERR wrong number of arguments for 'command|getkeys")
                })
        },
    },
    Difference {
        reason: "COMMAND GETKEYS may be asked about a command that is not there yet.",
        applies: |seen| {
            seen.name.starts_with("COMMAND GETKEYS")
                && error(seen.subject).is_some_and(|text| text == "ERR Invalid command specified")
        },
    },
    Difference {
        reason: "Flags of keys were corrected after 7.0; tests/command_table.rs holds them.",
        applies: |seen| {
            let keys = |reply: &Reply| -> Option<Vec<Reply>> {
                let Reply::Group(_, rows) = reply else {
                    return None;
                };
                let key = |row: &Reply| match row {
                    Reply::Group(_, row) => row.first().cloned(),
                    _ => None,
                };
                rows.iter().map(key).collect()
            };
            let found = keys(seen.reference);
            seen.name == "COMMAND GETKEYSANDFLAGS" && found.is_some() && found == keys(seen.subject)
        },
    },
    Difference {
        reason: "ZRANK and ZREVRANK take WITHSCORE since 7.2; 7.0 refuses their arity.",
        applies: |seen| {
            let asked = seen.name.starts_with("COMMAND GETKEYS") && error(seen.subject).is_none();
            let refused = error(seen.reference).unwrap_or_default();
            ["ZRANK", "ZREVRANK"].contains(&seen.name)
                && refused.contains("wrong number of arguments")
                || asked && refused.starts_with("ERR Invalid number of arguments")
        },
    },
    Difference {
        reason: "What XREAD says of keys without ids has other words since 7.4.",
        applies: |seen| {
            let unbalanced =
                |reply| error(reply).is_some_and(|text| text.starts_with("ERR Unbalanced "));
            unbalanced(seen.reference) && unbalanced(seen.subject)
        },
    },
    Difference {
        reason: "Since 7.2 a stream tells when a consumer was active, XCLAIM makes one even if it claims nothing, and a \
            group's lag is known more often; how many nodes a stream has is each server's own.",
        applies: |seen| match (seen.name, seen.reference, seen.subject) {
            ("XGROUP CREATECONSUMER", reference, subject) => {
                is_integer(reference, b"1") && is_integer(subject, b"0")
            }
            (name, reference, subject) => {
                name.starts_with("XINFO")
                    && compare::idle(&stripped(reference), &stripped(subject), false)
            }
        },
    },
    Difference {
        reason: "LPOS refuses the one RANK that cannot be negated since 7.2; 7.0 takes it.",
        applies: |seen| {
            let refused = "ERR value is out of range, value must between -9223372036854775807";
            seen.name == "LPOS" && error(seen.subject).is_some_and(|text| text.starts_with(refused))
        },
    },
    Difference {
        reason: "A cursor that is empty or negative is refused since 7.2; 7.0 reads it as C's strtoul does.",
        applies: |seen| error(seen.subject).is_some_and(|text| text == "ERR invalid cursor"),
    },
    Difference {
        reason: "SORT turns a small sorted set into a large one in Redis; here a reader changes nothing.",
        applies: |seen| {
            let encodings = [&b"skiplist"[..], b"listpack"];
            seen.sorts && seen.name == "OBJECT ENCODING" && texts(seen) == Some(encodings)
        },
    },
    Difference {
        reason: "Doubles are written with as few digits as tell them apart since 7.2; 7.0 writes 17.",
        applies: |seen| {
            has_long_double(seen.reference)
                && (seen.same)(&shortened(seen.reference), &shortened(seen.subject))
        },
    },
];

/// Why these replies may differ, if they may.
pub(crate) fn excuse(seen: &Seen<'_>) -> Option<&'static Difference> {
    DIFFERENCES.iter().find(|entry| (entry.applies)(seen))
}

/// A reply of XINFO without what 7.0 does not tell, or tells otherwise.
fn stripped(reply: &Reply) -> Reply {
    const DROPPED: [&[u8]; 5] = [
        b"active-time",
        b"inactive",
        b"lag",
        b"radix-tree-keys",
        b"radix-tree-nodes",
    ];
    let Reply::Group(kind, parts) = reply else {
        return reply.clone();
    };
    let mut kept = Vec::new();
    let mut parts = parts.iter().filter(|part| !is_idle_consumer(part));
    while let Some(part) = parts.next() {
        match part {
            Reply::Bulk(_, name) if DROPPED.contains(&name.as_slice()) => drop(parts.next()),
            // A number here counts consumers; with FULL their list stands here.
            Reply::Bulk(_, name) if name == b"consumers" => {
                kept.extend(
                    parts
                        .next()
                        .filter(|next| matches!(next, Reply::Group(..)))
                        .map(stripped),
                );
            }
            _ => kept.push(stripped(part)),
        }
    }
    Reply::Group(*kind, kept)
}

/// Whether this describes a consumer for which nothing is pending.
fn is_idle_consumer(reply: &Reply) -> bool {
    let Reply::Group(_, parts) = reply else {
        return false;
    };
    let is = |at: usize, name: &[u8]| matches!(parts.get(at), Some(Reply::Bulk(_, text)) if text == name);
    let nothing = |at: usize| {
        parts
            .get(at + 1)
            .is_some_and(|count| is_integer(count, b"0"))
    };
    let pending =
        (2..parts.len()).any(|at| (is(at, b"pending") || is(at, b"pel-count")) && nothing(at));
    is(0, b"name") && (is(2, b"pending") || is(2, b"seen-time")) && pending
}

fn is_integer(reply: &Reply, digits: &[u8]) -> bool {
    matches!(reply, Reply::Line(b':', text) if text == digits)
}

fn error(reply: &Reply) -> Option<String> {
    match reply {
        Reply::Line(b'-', text) => Some(String::from_utf8_lossy(text).into_owned()),
        _ => None,
    }
}

/// Both replies, if they are strings.
fn texts<'a>(seen: &Seen<'a>) -> Option<[&'a [u8]; 2]> {
    match (seen.reference, seen.subject) {
        (Reply::Bulk(b'$', reference), Reply::Bulk(b'$', subject)) => Some([reference, subject]),
        _ => None,
    }
}

/// The value of a text of so many digits that 7.0 wrote a double here.
fn long_double(text: &[u8]) -> Option<f64> {
    let mantissa = text.iter().take_while(|byte| **byte != b'e');
    let digits = mantissa.filter(|byte| byte.is_ascii_digit()).count();
    double(text).filter(|_| digits >= 16)
}

fn double(text: &[u8]) -> Option<f64> {
    std::str::from_utf8(text).ok()?.parse().ok()
}

fn has_long_double(reply: &Reply) -> bool {
    match reply {
        Reply::Group(_, parts) => parts.iter().any(has_long_double),
        Reply::Bulk(b'$', text) | Reply::Line(b',', text) => long_double(text).is_some(),
        _ => false,
    }
}

/// The reply with all doubles in one form.
fn shortened(reply: &Reply) -> Reply {
    let short = |text: &Vec<u8>| {
        let number = double(text)
            .filter(|_| text.contains(&b'.') || text.contains(&b'e') || text.len() > 15);
        number.map_or_else(|| text.clone(), |number| format!("{number:e}").into_bytes())
    };
    match reply {
        Reply::Group(kind, parts) => Reply::Group(*kind, parts.iter().map(shortened).collect()),
        Reply::Bulk(b'$', text) => Reply::Bulk(b'$', short(text)),
        Reply::Line(b',', text) => Reply::Line(b',', short(text)),
        other => other.clone(),
    }
}
