//! The load cases: redis-benchmark against each server in turn, and the server's CPU time for each operation.

use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use crate::client::key_name;
use crate::exchange::Exchange;
use crate::options::{Case, LARGE_ZSET, Plan};
use crate::server::{Program, Server, on_path};

/// Size of the values under load.
pub(crate) const VALUE_BYTES: usize = 64;

/// Connections of the load generator.
pub(crate) const CLIENTS: u32 = 50;

/// One run of one case against one server.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Run {
    /// Requests answered in a second.
    pub(crate) requests_per_second: f64,
    /// Median latency of a request in milliseconds, as its client saw it.
    pub(crate) p50_ms: f64,
    /// 99th percentile of the latency in milliseconds.
    pub(crate) p99_ms: f64,
    /// The slowest request in milliseconds.
    pub(crate) max_ms: f64,
    /// CPU time of the server for each operation, in microseconds.
    pub(crate) cpu_us: f64,
}

/// All runs of one case: `runs[server][round]`.
#[derive(Debug)]
pub(crate) struct CaseRuns {
    /// The load.
    pub(crate) case: &'static Case,
    /// The outer index is the server's, in the order of the programs; a server that lacks the command has no runs.
    pub(crate) runs: Vec<Vec<Run>>,
}

/// Runs every case of the plan. The servers take turns within a round, so that a drift of the machine meets them
/// alike, and each round begins with another one.
pub(crate) fn measure(programs: &[Program], plan: &Plan) -> Result<Vec<CaseRuns>> {
    let benchmark = on_path("redis-benchmark").or_else(|| on_path("valkey-benchmark"));
    let benchmark = benchmark
        .context("redis-benchmark is not on PATH (Debian's package redis-tools has it)")?;
    let servers = programs
        .iter()
        .map(Program::start)
        .collect::<Result<Vec<_>>>()?;
    for server in &servers {
        fill_strings(server, "key:", plan.keys, &[b'x'; VALUE_BYTES])?;
    }
    let mut results = Vec::new();
    for &case in &plan.cases {
        let mut runs = vec![Vec::new(); servers.len()];
        for round in 0..plan.rounds as usize {
            for turn in 0..servers.len() {
                let index = (round + turn) % servers.len();
                eprintln!(
                    "{}: round {} of {}, {}",
                    case.name(),
                    round + 1,
                    plan.rounds,
                    programs[index].name
                );
                let server = &servers[index];
                if !server.connect()?.knows(case.needs())? {
                    eprintln!(
                        "{}: {} has no {}",
                        case.name(),
                        programs[index].name,
                        case.needs()
                    );
                    continue;
                }
                prepare(server, case, plan, round == 0)?;
                runs[index].push(match case.exchange {
                    Some(exchange) => run_exchange(exchange, server, case, plan)?,
                    None => run(&benchmark, server, case, plan)?,
                });
            }
        }
        results.push(CaseRuns { case, runs });
    }
    Ok(results)
}

/// Sets `count` keys of this prefix, each once.
fn fill_strings(server: &Server, prefix: &str, count: u64, value: &[u8]) -> Result<()> {
    server.connect()?.load(count, 1, |client, number| {
        client.push(&[b"SET", key_name(prefix, number).as_bytes(), value]);
    })
}

/// Brings the data into the state that the case's runs start from, beyond the keyspace that is always there: every
/// counter exists, so that no run pays for creating them; the list is empty, or long enough for every LPOP.
fn prepare(server: &Server, case: &Case, plan: &Plan, is_first: bool) -> Result<()> {
    match case.command {
        "incr" | "eval" | "multi" if is_first => fill_strings(server, "counter:", plan.keys, b"0"),
        "lpush" => fill_list(server, 0),
        "lrange-100" if is_first => fill_list(server, 100_000),
        "sadd" | "hset" | "xadd" => forget(server),
        "zadd" if is_first => fill_sorted_set(server, LARGE_ZSET, plan.keys),
        "lpop" => fill_list(
            server,
            plan.requests(case) + u64::from(CLIENTS * case.pipeline),
        ),
        _ => Ok(()),
    }
}

/// Makes redis-benchmark's list anew, with this many elements.
fn fill_list(server: &Server, elements: u64) -> Result<()> {
    let mut client = server.connect()?;
    client.load(1, 1, |client, _| client.push(&[b"DEL", b"mylist"]))?;
    client.load(elements, 1, |client, _| {
        client.push(&[b"RPUSH", b"mylist", &[b'x'; VALUE_BYTES]]);
    })
}

/// Removes what the runs of the cases before have made of a collection, and waits until it is gone.
fn forget(server: &Server) -> Result<()> {
    server.connect()?.load(1, 1, |client, _| {
        client.push(&[b"DEL", b"myset", b"myhash", b"mystream"]);
    })
}

/// A sorted set with members `elem:` and a number, each with a score that has no relation to it.
pub(crate) fn fill_sorted_set(server: &Server, key: &str, members: u64) -> Result<()> {
    server.connect()?.load(members, 1, |client, number| {
        let score = scattered(number).to_string();
        let member = key_name("elem:", number);
        client.push(&[b"ZADD", key.as_bytes(), score.as_bytes(), member.as_bytes()]);
    })
}

/// A number below 2^40 that looks random and is the same each time (Fibonacci hashing).
pub(crate) fn scattered(number: u64) -> u64 {
    number.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 24
}

/// One run of a load of the generator's own.
fn run_exchange(exchange: Exchange, server: &Server, case: &Case, plan: &Plan) -> Result<Run> {
    let requests = plan.requests(case);
    let cpu_before = server.cpu_time()?;
    let started = Instant::now();
    let mut round_trips_ms = exchange(server, requests, case.pipeline.into(), plan.keys)?;
    let elapsed = started.elapsed();
    let cpu = server.cpu_time()? - cpu_before;
    round_trips_ms.sort_unstable_by(f64::total_cmp);
    let at = |share: f64| round_trips_ms[((round_trips_ms.len() - 1) as f64 * share) as usize];
    Ok(Run {
        requests_per_second: requests as f64 / elapsed.as_secs_f64(),
        p50_ms: at(0.5),
        p99_ms: at(0.99),
        max_ms: at(1.0),
        cpu_us: cpu.as_secs_f64() * 1e6 / requests as f64,
    })
}

/// One run of redis-benchmark, with the server's CPU clock read before and after.
fn run(benchmark: &std::path::Path, server: &Server, case: &Case, plan: &Plan) -> Result<Run> {
    let requests = plan.requests(case);
    let mut command = Command::new(benchmark);
    command.args(["-h", "127.0.0.1", "--csv"]);
    if case.words.is_empty() {
        command.args(["-t", case.command]);
    }
    for (option, value) in [
        ("-p", u64::from(server.port)),
        ("-c", u64::from(CLIENTS)),
        ("-P", u64::from(case.pipeline)),
        ("-n", requests),
        ("-r", plan.keys),
        ("-d", VALUE_BYTES as u64),
    ] {
        command.arg(option).arg(value.to_string());
    }
    command.args(case.words);
    let cpu_before = server.cpu_time()?;
    let output = command.output().context("cannot run redis-benchmark")?;
    let cpu = server.cpu_time()? - cpu_before;
    let text = String::from_utf8_lossy(&output.stdout);
    if !output.status.success() {
        bail!(
            "redis-benchmark failed: {text}{}",
            String::from_utf8_lossy(&output.stderr)
        );
    }
    parse_csv(&text, cpu, requests)
        .with_context(|| format!("unexpected output of redis-benchmark: {text}"))
}

/// Reads the line of figures below the line of headings, from the end: the first field, the test's name, may hold commas.
fn parse_csv(text: &str, cpu: Duration, requests: u64) -> Result<Run> {
    let mut lines = text
        .lines()
        .skip_while(|line| !line.starts_with("\"test\""));
    let (headings, figures) = lines.next().zip(lines.next()).context("no figures")?;
    let figure = |heading: &str| -> Result<f64> {
        let mut columns = headings.rsplit(',').zip(figures.rsplit(','));
        let column = columns.find(|(name, _)| name.trim_matches('"') == heading);
        let (_, value) = column.with_context(|| format!("no column {heading}"))?;
        Ok(value.trim_matches('"').parse()?)
    };
    Ok(Run {
        requests_per_second: figure("rps")?,
        p50_ms: figure("p50_latency_ms")?,
        p99_ms: figure("p99_latency_ms")?,
        max_ms: figure("max_latency_ms")?,
        cpu_us: cpu.as_secs_f64() * 1e6 / requests as f64,
    })
}
