//! What to measure: the command line, and the table of load cases with their limits.
//!
//! To add a load case, add a line to [`CASES`]; its command is a name that redis-benchmark's `-t` knows, or it has words
//! of its own, and `load::prepare` sets up the data that it needs.

use clap::Parser;

use crate::exchange::{self, Exchange};

/// Ruddle beside the Redis-compatible servers of this machine, under the same load.
#[derive(Debug, Parser)]
#[command(name = "peers", bin_name = "cargo bench --bench peers --")]
pub(crate) struct Options {
    /// Interleaved rounds of each load case
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=1000))]
    rounds: Option<u32>,
    /// Load cases to run, such as get-100,set-16 (all by default)
    #[arg(long, value_delimiter = ',', value_parser = case_named)]
    cases: Vec<&'static Case>,
    /// Keys loaded before the load cases, and the range of their random keys; keys that are saved, loaded and rewritten
    #[arg(long, value_parser = clap::value_parser!(u64).range(1..=100_000_000))]
    keys: Option<u64>,
    /// Requests of each run of each load case, instead of the case's own number
    #[arg(long, value_parser = clap::value_parser!(u64).range(1000..=1_000_000_000))]
    requests: Option<u64>,
    /// Fewer rounds, requests and keys: a look at the trend in under 90 seconds
    #[arg(long)]
    quick: bool,
    /// Run the load cases, and nothing that is not also asked for
    #[arg(long)]
    only_load: bool,
    /// Measure resident memory a key, and nothing that is not also asked for
    #[arg(long)]
    only_memory: bool,
    /// Measure how reads by position slow down with size, and nothing that is not also asked for
    #[arg(long)]
    only_growth: bool,
    /// Measure how fast an element gets to a client that waits for it, and nothing that is not also asked for
    #[arg(long)]
    only_hand_over: bool,
    /// Measure start-up and idle memory, and nothing that is not also asked for
    #[arg(long)]
    only_start: bool,
    /// Measure the slowest batch of an ever growing keyspace, and nothing that is not also asked for
    #[arg(long)]
    only_insert: bool,
    /// Measure saving, loading and rewriting the append-only file, and nothing that is not also asked for
    #[arg(long)]
    only_save: bool,
    /// Exit with status 1 when a limit is missed
    #[arg(long)]
    pub(crate) assert: bool,
    /// Given by `cargo bench`; without it (`cargo test --benches`) nothing is measured
    #[arg(long, hide = true)]
    pub(crate) bench: bool,
}

/// The options with every default filled in.
#[derive(Debug)]
pub(crate) struct Plan {
    /// Load cases, in the order of the report; empty when they are not asked for.
    pub(crate) cases: Vec<&'static Case>,
    /// Interleaved rounds of each load case.
    pub(crate) rounds: u32,
    /// Size of the keyspace under load.
    pub(crate) keys: u64,
    /// Requests of one run, instead of each case's own.
    requests: Option<u64>,
    /// Divides each case's own number of requests.
    request_divisor: u64,
    /// Keys written to measure memory, unless that is not asked for.
    pub(crate) memory_keys: Option<u64>,
    /// Sizes of the collections that are read by position, unless that is not asked for.
    pub(crate) growth_sizes: &'static [u64],
    /// Turns of each server at handing elements over, unless that is not asked for.
    pub(crate) hand_over_rounds: Option<u32>,
    /// Starts to take the median of, unless that is not asked for.
    pub(crate) start_samples: Option<u32>,
    /// Keys inserted while the slowest batch is looked for, unless that is not asked for.
    pub(crate) insert_keys: Option<u64>,
    /// How often that is done.
    pub(crate) insert_runs: u32,
    /// Keys that are saved, loaded and rewritten, unless that is not asked for.
    pub(crate) save_keys: Option<u64>,
    /// Saves and loads to take the median of.
    pub(crate) save_rounds: u32,
}

impl Options {
    /// Fills in the defaults.
    pub(crate) fn plan(&self) -> Plan {
        let all = !(self.only_load
            || self.only_memory
            || self.only_growth
            || self.only_hand_over
            || self.only_start
            || self.only_insert
            || self.only_save);
        let cases = match (all || self.only_load, self.cases.is_empty()) {
            (false, _) => Vec::new(),
            (true, true) => CASES.iter().collect(),
            (true, false) => self.cases.clone(),
        };
        Plan {
            cases,
            rounds: self.rounds.unwrap_or(if self.quick { 2 } else { 5 }),
            keys: self.keys.unwrap_or(1_000_000),
            requests: self.requests,
            request_divisor: if self.quick { 4 } else { 1 },
            memory_keys: (all || self.only_memory).then_some(1_000_000),
            growth_sizes: match (all || self.only_growth, self.quick) {
                (false, _) => &[],
                (true, true) => &[10_000, 1_000_000],
                (true, false) => &[10_000, 100_000, 1_000_000, 10_000_000],
            },
            hand_over_rounds: (all || self.only_hand_over).then_some(if self.quick {
                4
            } else {
                20
            }),
            start_samples: (all || self.only_start).then_some(if self.quick { 7 } else { 21 }),
            insert_keys: (all || self.only_insert).then_some(if self.quick {
                2_000_000
            } else {
                5_000_000
            }),
            insert_runs: if self.quick { 1 } else { 2 },
            save_keys: (all || self.only_save).then_some(self.keys.unwrap_or(if self.quick {
                500_000
            } else {
                5_000_000
            })),
            save_rounds: if self.quick { 2 } else { 3 },
        }
    }
}

impl Plan {
    /// Requests of one run of `case`.
    pub(crate) fn requests(&self, case: &Case) -> u64 {
        self.requests
            .unwrap_or(case.requests / self.request_divisor)
    }
}

/// A load that every server is put under.
#[derive(Debug)]
pub(crate) struct Case {
    /// The name of the load: that of redis-benchmark's own test, unless there are `words`.
    pub(crate) command: &'static str,
    /// The command's words, where redis-benchmark has no such test; it puts random numbers for `__rand_int__`.
    pub(crate) words: &'static [&'static str],
    /// What puts the server under load, where redis-benchmark cannot.
    pub(crate) exchange: Option<Exchange>,
    /// Commands sent at once by each client.
    pub(crate) pipeline: u32,
    /// Requests of one run: about two seconds' worth.
    pub(crate) requests: u64,
    /// The most that Ruddle may use of Redis's CPU time for each operation.
    pub(crate) limit: Option<f64>,
}

impl Case {
    /// The same case with words of its own.
    const fn sends(self, words: &'static [&'static str]) -> Case {
        Case { words, ..self }
    }

    /// The same case with a load of the generator's own.
    const fn by(self, exchange: Exchange) -> Case {
        Case {
            exchange: Some(exchange),
            ..self
        }
    }

    /// The command that a server must have.
    pub(crate) fn needs(&self) -> &'static str {
        match (self.command, self.words.first()) {
            (_, Some(word)) => word,
            ("ping_mbulk", None) => "PING",
            ("publish-in-step", None) => "PUBLISH",
            (command, None) => command,
        }
    }

    /// Name in the report and for `--cases`.
    pub(crate) fn name(&self) -> String {
        format!("{}-{}", self.command, self.pipeline)
    }
}

/// Every load case, in the order of the report.
pub(crate) const CASES: &[Case] = &[
    case("get", 100, 2_000_000, Some(0.30)),
    case("get", 16, 1_000_000, Some(0.60)),
    case("get", 1, 200_000, Some(0.95)),
    case("set", 100, 1_500_000, Some(0.40)),
    case("set", 16, 1_000_000, Some(0.60)),
    case("set", 1, 200_000, Some(0.95)),
    case("incr", 16, 1_000_000, Some(0.60)),
    case("mset", 16, 150_000, Some(0.60)),
    case("lpush", 16, 1_000_000, Some(0.70)),
    case("lpop", 16, 1_000_000, Some(0.70)),
    case("ping_mbulk", 16, 1_000_000, None),
    case("sadd", 16, 1_000_000, Some(0.65)),
    case("hset", 16, 1_000_000, Some(0.65)),
    case("xadd", 16, 1_000_000, Some(0.65)).sends(&["XADD", "mystream", "*", "field", "value"]),
    case("zadd", 16, 500_000, Some(0.35)).sends(&[
        "ZADD",
        LARGE_ZSET,
        "__rand_int__",
        "elem:__rand_int__",
    ]),
    case("lrange-100", 16, 200_000, Some(0.60)).sends(&["LRANGE", "mylist", "0", "99"]),
    case("eval", 16, 500_000, Some(0.80)).sends(&[
        "EVAL",
        "return redis.call('INCR', KEYS[1])",
        "1",
        "counter:__rand_int__",
    ]),
    case("publish", 16, 100_000, Some(0.70)).by(exchange::publish),
    case("publish", 1, 50_000, Some(0.70)).by(exchange::publish),
    case("publish-in-step", 16, 30_000, Some(0.70)).by(exchange::publish_in_step),
    case("multi", 1, 100_000, Some(0.70)).by(exchange::transactions),
];

/// The sorted set of as many members as there are keys, to which the `zadd` case adds.
pub(crate) const LARGE_ZSET: &str = "largezset";

/// A shorthand that keeps the table one line a case.
const fn case(command: &'static str, pipeline: u32, requests: u64, limit: Option<f64>) -> Case {
    Case {
        command,
        words: &[],
        exchange: None,
        pipeline,
        requests,
        limit,
    }
}

/// Finds the case of an element of `--cases`.
fn case_named(name: &str) -> Result<&'static Case, String> {
    CASES
        .iter()
        .find(|case| case.name() == name)
        .ok_or_else(|| {
            let names: Vec<_> = CASES.iter().map(Case::name).collect();
            format!("no such load case; there are {}", names.join(", "))
        })
}
