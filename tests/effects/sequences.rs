//! Random sequences of commands, by several clients while time passes; what was logged is repeated on an empty data set, by
//! another clock and with other randomness, and must give the same data.
//!
//! A sequence that does not is shrunk to a short one and shown.

use fastrand::Rng;
use ruddle::persist::rdb::payload;
use ruddle::store::entry::Entry;
use ruddle::text::number::parse_i64;

use crate::generate::Generator;
use crate::grammar::{self, Command};
use crate::server::{PROFILES, Server, Words, line, words};
use crate::state;

/// Clients of a data set.
const CLIENTS: usize = 3;
/// Commands of a sequence.
const LENGTH: usize = 100;
/// Sequences without being asked for more.
const SEQUENCES: u64 = 200;

/// A moment of the generator that is near: before it lie all the relative ones.
const FUTURE_MS: u64 = 4_070_908_800_000;

/// One step.
#[derive(Clone, Debug)]
enum Step {
    Run(usize, Words),
    /// So many milliseconds pass.
    Wait(u64),
    /// What is due goes.
    Sweep,
}

impl std::fmt::Display for Step {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Step::Run(client, words) => write!(f, "{client}: {}", line(words)),
            Step::Wait(ms) => write!(f, "+{ms}"),
            Step::Sweep => f.write_str("sweep"),
        }
    }
}

/// Steps, and what they run on.
#[derive(Clone, Debug)]
struct Sequence {
    seed: u64,
    profile: usize,
    steps: Vec<Step>,
}

/// Whether a form of a command is tried: none that takes all memory.
pub(crate) fn admissible(words: &Words) -> bool {
    let name = words[0].to_ascii_uppercase();
    let mut numbers = words.iter().filter_map(|word| parse_i64(word));
    match name.as_slice() {
        b"SETBIT" | b"SETRANGE" | b"BITFIELD" | b"BITFIELD_RO" | b"GETBIT" => {
            !numbers.any(|number| (100_000..10_000_000_000).contains(&number))
        }
        b"SRANDMEMBER" | b"HRANDFIELD" | b"ZRANDMEMBER" => !numbers.any(|number| number < -1000),
        _ => true,
    }
}

fn sequence(commands: &[Command], seed: u64) -> Sequence {
    let made = Generator::new(commands.iter().collect(), seed).sequence(LENGTH);
    let mut rng = Rng::with_seed(seed);
    let mut steps = Vec::new();
    if made.resp3 {
        let hello = words("HELLO 3");
        steps.extend((0..CLIENTS).map(|client| Step::Run(client, hello.clone())));
    }
    let focus = FOCUSES[rng.usize(..FOCUSES.len())];
    let mut commands = made.commands.into_iter();
    while let Some(command) = commands.next() {
        match rng.u8(..20) {
            0 => steps.push(Step::Wait([1, 10, 700][rng.usize(..3)])),
            1 => steps.push(Step::Wait([1500, 101_000, 5_100_000][rng.usize(..3)])),
            2 => steps.push(Step::Sweep),
            _ => {}
        }
        match rng.u8(..20) {
            0..=7 => push(&mut steps, special(&mut rng, focus), &mut rng),
            8 => push(
                &mut steps,
                script(&command, &special(&mut rng, focus)),
                &mut rng,
            ),
            9 => {
                let client = rng.usize(..CLIENTS);
                let queued = commands.by_ref().take(rng.usize(..4));
                let all = [words("MULTI"), special(&mut rng, focus), command];
                let all = all.into_iter().chain(queued).chain([words("EXEC")]);
                steps.extend(all.map(|words| Step::Run(client, words)));
            }
            _ => push(&mut steps, command, &mut rng),
        }
    }
    Sequence {
        seed,
        profile: made.profile,
        steps,
    }
}

/// Adds a command of any client; client 0 never waits, so that the others can be served.
fn push(steps: &mut Vec<Step>, words: Words, rng: &mut Rng) {
    let may_wait = words[0].to_ascii_uppercase().starts_with(b"B")
        || words.iter().any(|word| word.eq_ignore_ascii_case(b"BLOCK"));
    let client = if may_wait {
        rng.usize(1..CLIENTS)
    } else {
        rng.usize(..CLIENTS)
    };
    steps.push(Step::Run(client, words));
}

/// A script that calls two commands.
fn script(first: &Words, second: &Words) -> Words {
    let text = "redis.pcall(unpack(ARGV, 1, tonumber(KEYS[1]))) \
                return redis.pcall(unpack(ARGV, KEYS[1] + 1, #ARGV))";
    let mut script = words("EVAL");
    script.extend([text.as_bytes().to_vec(), b"1".to_vec()]);
    script.push(first.len().to_string().into_bytes());
    script.extend(first.iter().chain(second).cloned());
    script
}

/// What the generator seldom or never makes, as no other server could be asked to do the same: what is random, what depends
/// on the moment, what waits; and what must meet to have an effect.
const SPECIAL: &[&str] = &[
    "PEXPIRE {key} {ms}",
    "EXPIRE {key} 3 {condition}",
    "SET {string} {member} PX {ms}",
    "GETEX {string} PX {ms}",
    "INCRBYFLOAT {string} 0.1",
    "APPEND {string} x",
    "SETRANGE {string} 2 x",
    "SADD {set} a b c m1 m2 m3 7 8 9",
    "SPOP {set}",
    "SPOP {set} 3",
    "SREM {set} {member}",
    "SUNIONSTORE {set} {set} {set}",
    "HSET {hash} {field} 1 {field} 2",
    "HPEXPIRE {hash} {ms} FIELDS 2 {field} {field}",
    "HEXPIRE {hash} 3 {condition} FIELDS 1 {field}",
    "HSETEX {hash} PX {ms} FIELDS 1 {field} 3",
    "HSETEX {hash} KEEPTTL FIELDS 1 {field} 4",
    "HGETEX {hash} PX {ms} FIELDS 1 {field}",
    "HGETDEL {hash} FIELDS 2 {field} {field}",
    "HINCRBY {hash} {field} 1",
    "HINCRBYFLOAT {hash} {field} 0.5",
    "HPERSIST {hash} FIELDS 2 {field} {field}",
    "HDEL {hash} {field}",
    "HGET {hash} {field}",
    "RPUSH {list} a b c",
    "BLPOP {list} {list} 0",
    "BRPOP {list} 0",
    "BLMOVE {list} {list} LEFT RIGHT 0",
    "BRPOPLPUSH {list} {list} 0",
    "BLMPOP 0 2 {list} {list} RIGHT COUNT 2",
    "ZADD {zset} 1 a 2 b 3 c",
    "BZPOPMIN {zset} 0",
    "BZPOPMAX {zset} 0",
    "BZMPOP 0 1 {zset} MIN COUNT 2",
    "ZMPOP 2 {zset} {zset} MAX COUNT 2",
    "XADD {stream} * f v",
    "XADD {stream} * f v g w",
    "XADD {stream} {references} MAXLEN ~ 3 * f v",
    "XADD {stream} {references} MINID ~ 5 LIMIT 4 * f v",
    "XADD {stream} {references} MAXLEN 4 * f v",
    "XTRIM {stream} MAXLEN ~ 3 {references}",
    "XTRIM {stream} MAXLEN 5 {references}",
    "XGROUP CREATE {stream} {group} 0 MKSTREAM",
    "XGROUP CREATE {stream} {group} $",
    "XGROUP SETID {stream} {group} 0",
    "XREADGROUP GROUP {group} {consumer} COUNT 2 STREAMS {stream} >",
    "XREADGROUP GROUP {group} {consumer} STREAMS {stream} {stream} > >",
    "XREADGROUP GROUP {group} {consumer} STREAMS {stream} 0",
    "XREADGROUP GROUP {group} {consumer} NOACK STREAMS {stream} >",
    "XREADGROUP GROUP {group} {consumer} BLOCK 0 STREAMS {stream} >",
    "XAUTOCLAIM {stream} {group} {consumer} {ms} 0 COUNT 2",
    "XAUTOCLAIM {stream} {group} {consumer} 0 0 JUSTID",
    "XDEL {stream} {id}",
    "XDELEX {stream} {references} IDS 1 {id}",
    "XACKDEL {stream} {group} {references} IDS 1 {id}",
    "XACK {stream} {group} {id}",
    "XCLAIM {stream} {group} {consumer} {ms} {id} RETRYCOUNT 3",
    "XCLAIM {stream} {group} {consumer} 0 {id} IDLE {ms} FORCE",
    "XCLAIM {stream} {group} {consumer} 0 {id} LASTID {id}",
    "XGROUP DELCONSUMER {stream} {group} {consumer}",
    "CLIENT UNBLOCK {client}",
    "RANDOMKEY",
    "SCAN 0 COUNT 100",
    "BITFIELD {string} OVERFLOW FAIL SET u8 200 300",
    "RESTORE {key} {ms} payload REPLACE",
    "DEL {key}",
    "PERSIST {key}",
    "RENAME {key} {key}",
    "COPY {key} {key} REPLACE",
    "MOVE {key} 1",
];

/// What most of a sequence's special commands are about, so that they meet.
const FOCUSES: &[&str] = &[
    "{stream}", "{stream}", "{hash}", "{list}", "{set}", "{zset}", "{string}", "",
];

fn special(rng: &mut Rng, focus: &str) -> Words {
    let template = loop {
        let one = SPECIAL[rng.usize(..SPECIAL.len())];
        if one.contains(focus) || rng.u8(..10) == 0 {
            break one;
        }
    };
    let mut text = String::new();
    for part in template.split(' ') {
        text += filling(rng, part);
        text.push(' ');
    }
    words(&text)
}

/// What stands for a part of [`SPECIAL`].
fn filling<'t>(rng: &mut Rng, part: &'t str) -> &'t str {
    let any: &[&str] = match part {
        "{key}" => &[
            "str1", "str2", "hash1", "set1", "zset1", "list1", "xs1", "hll1",
        ],
        "{string}" => &["str1", "str2"],
        "{set}" => &["set1", "set2", "set3"],
        "{hash}" => &["hash1", "hash2"],
        "{list}" => &["list1", "list2"],
        "{zset}" => &["zset1", "zset2"],
        "{stream}" => &["xs1", "xs2"],
        "{field}" => &["f1", "f2", "f3", "f4"],
        "{member}" => &["a", "b", "m1", "7"],
        "{group}" => &["g1", "g2"],
        "{consumer}" => &["c1", "c2"],
        "{client}" => &["1", "2", "3"],
        "{ms}" => &["1", "5", "600", "1000", "100000"],
        "{condition}" => &["NX", "XX", "GT", "LT"],
        "{references}" => &["KEEPREF", "DELREF", "ACKED"],
        "{id}" => &[
            "1-0",
            "1-1",
            "2-0",
            "2-1",
            "3-0",
            "4070908790000-0",
            "4070908790000-1",
            "4070908790001-0",
        ],
        _ => return part,
    };
    any[rng.usize(..any.len())]
}

/// The words of RESTORE with the payload of a key that is there.
fn with_payload(server: &Server, words: &Words) -> Words {
    let mut words = words.clone();
    if words[0].eq_ignore_ascii_case(b"RESTORE") && words.len() > 3 {
        let entries = server.db.keyspace(0).iter();
        let key = |entry: &ruddle::store::db::EntryRef<'_>| Entry::key(entry).to_vec();
        if let Some(entry) = entries.min_by_key(key) {
            words[3] = payload::encode(entry.value(), false);
        }
    }
    words
}

/// What differs after a sequence, if anything does.
fn trial(sequence: &Sequence) -> Option<String> {
    let mut server = Server::new(CLIENTS, sequence.seed, PROFILES[sequence.profile]);
    server.wait(FUTURE_MS - crate::server::START_MS - 10_000);
    for step in &sequence.steps {
        match step {
            Step::Run(client, words) => {
                let words = with_payload(&server, words);
                server.run(*client, &words);
            }
            Step::Wait(ms) => server.wait(*ms),
            Step::Sweep => server.sweep(),
        }
    }
    let repeated = match server.repeated() {
        Ok(repeated) => state::of(&repeated, 0),
        Err(fault) => return Some(format!("{fault}, in the log:\n{}", server.log_text())),
    };
    let done = state::of(&server.db, 0);
    if done == repeated {
        return None;
    }
    let mut text = String::new();
    for key in done.keys().chain(repeated.keys()) {
        let (one, other) = (done.get(key), repeated.get(key));
        if one != other {
            text = format!("{key:?}\n done     {one:?}\n repeated {other:?}\n");
        }
    }
    Some(format!("{text}in the log:\n{}", server.log_text()))
}

/// Takes steps away as long as something differs.
fn shrunk(mut sequence: Sequence) -> Sequence {
    let mut run = sequence.steps.len().div_ceil(2);
    loop {
        let mut at = 0;
        let mut any = false;
        while at < sequence.steps.len() {
            let mut shorter = sequence.clone();
            shorter.steps.drain(at..(at + run).min(shorter.steps.len()));
            if trial(&shorter).is_some() {
                sequence = shorter;
                any = true;
            } else {
                at += run;
            }
        }
        match run {
            1 if !any => return sequence,
            1 => {}
            _ => run /= 2,
        }
    }
}

fn number(variable: &str, default: u64) -> u64 {
    std::env::var(variable).map_or(default, |text| text.parse().expect("a number"))
}

#[test]
fn what_was_logged_repeats_what_was_done() {
    let commands = grammar::read(Server::new(1, 0, PROFILES[0]).registry());
    let first = number("EFFECTS_SEED", 1);
    let mut faults = Vec::new();
    for seed in first..first + number("EFFECTS_SEQUENCES", SEQUENCES) {
        let sequence = sequence(&commands, seed);
        if trial(&sequence).is_none() {
            continue;
        }
        let short = shrunk(sequence);
        let difference = trial(&short).expect("what is left differs");
        let steps: Vec<String> = short.steps.iter().map(Step::to_string).collect();
        faults.push(format!(
            "EFFECTS_SEED={seed} EFFECTS_SEQUENCES=1, limits {}:\n{}\n{difference}",
            short.profile,
            steps.join("\n")
        ));
        if faults.len() == 5 {
            break;
        }
    }
    assert!(faults.is_empty(), "\n{}", faults.join("\n\n"));
}
