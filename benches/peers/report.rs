//! The report: Markdown tables as docs/BENCHMARKS.md holds them, each figure beside its limit.

use std::fmt::Write as _;

use crate::background::{self, Background, Work};
use crate::exchange::HandOvers;
use crate::footprint::{FILLS, INSERT_BATCH, Inserts, Start};
use crate::growth::Growth;
use crate::load::{CLIENTS, CaseRuns, Run, VALUE_BYTES};
use crate::options::Plan;
use crate::server::{Program, machine};
use crate::snapshots::Snapshots;

/// Milliseconds from the start of the process to its first PONG.
const START_LIMIT_MS: f64 = 5.0;
/// Resident bytes of the idle server.
const IDLE_LIMIT_BYTES: f64 = 6e6;
/// Milliseconds of the slowest batch while the keyspace grows.
const INSERT_LIMIT_MS: f64 = 2.0;

/// Milliseconds by which work in the background may lengthen a light client's longest wait.
const MORE_WAIT_LIMIT_MS: f64 = 2.0;

/// The text of the report, and how many limits it saw missed.
#[derive(Debug, Default)]
pub(crate) struct Report {
    /// Markdown.
    pub(crate) text: String,
    /// Figures beyond their limit.
    pub(crate) misses: u32,
    /// Parts that could not be measured.
    pub(crate) failures: u32,
}

impl Report {
    /// Adds a line.
    fn line(&mut self, line: &str) {
        self.text.push_str(line);
        self.text.push('\n');
    }

    /// `OK` or `MISS` for a figure that must not be above its limit.
    fn verdict(&mut self, figure: f64, limit: f64) -> &'static str {
        if figure <= limit {
            return "OK";
        }
        self.misses += 1;
        "**MISS**"
    }

    /// Says why a part has no tables.
    pub(crate) fn failure(&mut self, error: &anyhow::Error) {
        self.failures += 1;
        self.line(&format!("\n**Not measured:** {error:#}"));
    }

    /// Which machine, which servers, which command.
    pub(crate) fn heading(&mut self, programs: &[Program]) {
        let arguments: Vec<_> = std::env::args()
            .skip(1)
            .filter(|argument| argument != "--bench")
            .collect();
        let versions: Vec<_> = programs
            .iter()
            .map(|program| format!("{} {}", program.name, program.version))
            .collect();
        let separator = if arguments.is_empty() { "" } else { " -- " };
        self.line(&format!(
            "* Command: `cargo bench --bench peers{separator}{}`",
            arguments.join(" ")
        ));
        self.line(&format!(
            "* Machine: {}; servers and load generator on the same cores",
            machine()
        ));
        self.line(&format!(
            "* Servers: {}; each with its defaults, persistence off",
            versions.join(", ")
        ));
        if programs.len() == 1 {
            self.line("* No peer is on PATH: there is nothing to compare with.");
        }
    }

    /// A line for each case and server.
    pub(crate) fn load(&mut self, programs: &[Program], plan: &Plan, results: &[CaseRuns]) {
        self.line("\n### Load\n");
        self.line(&format!(
            "redis-benchmark, {CLIENTS} clients, {} keys, {VALUE_BYTES}-byte values, {} interleaved rounds. \
             Throughput, p50, p99 and CPU time are medians over the rounds, max is the slowest request of all. \
             The ratio is Ruddle's CPU time for each operation by the peer's, the median of the rounds' ratios \
             (lowest to highest in brackets).\n",
            plan.keys, plan.rounds
        ));
        self.line("| Case-pipeline | Server | Requests/s | p50 ms | p99 ms | max ms | CPU µs/op | Ratio | Limit | |");
        self.line("|---|---|--:|--:|--:|--:|--:|--:|--:|---|");
        for result in results {
            for (index, program) in programs.iter().enumerate() {
                let limit = result.case.limit.filter(|_| program.is_reference);
                if result.runs[index].is_empty() {
                    self.lacking(result, program, index == 0);
                    continue;
                }
                let ratio = if index == 0 || result.runs[0].is_empty() {
                    String::new()
                } else {
                    self.ratio(result, index, limit)
                };
                let ratio = if ratio.is_empty() { "| | |" } else { &ratio };
                let figures = figures(&result.runs[index]);
                self.line(&format!(
                    "| {} | {} | {figures} | {ratio}",
                    result.case.name(),
                    program.name
                ));
            }
        }
    }

    /// The line of a server that lacks a case's command; where it is Ruddle, its limit is missed.
    fn lacking(&mut self, result: &CaseRuns, program: &Program, is_own: bool) {
        let case = result.case;
        let is_missed = is_own && case.limit.is_some();
        self.misses += u32::from(is_missed);
        self.line(&format!(
            "| {} | {} | has no {} | | | | | | | {} |",
            case.name(),
            program.name,
            case.needs().to_uppercase(),
            if is_missed { "**MISS**" } else { "" }
        ));
    }

    /// The latency of handing an element to a client that waits; Ruddle's may be that of the reference at the most.
    pub(crate) fn hand_overs(&mut self, programs: &[Program], hand_overs: &HandOvers) {
        self.line("\n### Hand-over\n");
        self.line(&format!(
            "From RPUSH to the answer of another client's BLPOP, to and fro between two clients: wall time of one of {}, in \
             microseconds, the servers in turns. A server without the command has no figure.\n",
            hand_overs.count
        ));
        self.figure_heading("Figure", programs);
        let reference = programs
            .iter()
            .position(|program| program.is_reference)
            .and_then(|index| hand_overs.median_us[index]);
        let figures: Vec<f64> = hand_overs
            .median_us
            .iter()
            .map(|median_us| median_us.unwrap_or(f64::NAN))
            .collect();
        let show = |us: f64| {
            if us.is_nan() {
                "has no BLPOP".to_owned()
            } else {
                format!("{us:.1}")
            }
        };
        self.figure_line("RPUSH to BLPOP, median", &figures, show, reference);
    }

    /// The last three cells of a peer's line.
    fn ratio(&mut self, result: &CaseRuns, peer: usize, limit: Option<f64>) -> String {
        let pairs = result.runs[0].iter().zip(&result.runs[peer]);
        let mut ratios: Vec<f64> = pairs
            .map(|(own, other)| own.cpu_us / other.cpu_us)
            .collect();
        ratios.sort_unstable_by(f64::total_cmp);
        let ratio = median(&ratios);
        let range = match ratios[..] {
            [lowest, .., highest] => format!(" ({lowest:.2} to {highest:.2})"),
            _ => String::new(),
        };
        match limit {
            Some(limit) => format!(
                "{ratio:.2}{range} | {limit:.2} | {} |",
                self.verdict(ratio, limit)
            ),
            None => format!("{ratio:.2}{range} | | |"),
        }
    }

    /// A line for each fill.
    pub(crate) fn memory(&mut self, programs: &[Program], keys: u64, bytes: &[Vec<f64>]) {
        self.line("\n### Memory\n");
        self.line(&format!(
            "Growth of resident memory for each of {keys} elements, in bytes: keys of 16 bytes, or elements of one collection.\n"
        ));
        self.figure_heading("Element", programs);
        for (fill, bytes) in FILLS.iter().zip(bytes) {
            self.figure_line(
                fill.name,
                bytes,
                |bytes| format!("{bytes:.1}"),
                Some(fill.limit_bytes),
            );
        }
    }

    /// Ruddle's reads by position at growing sizes.
    pub(crate) fn growth(&mut self, sizes: &[u64], growth: &[Growth]) {
        self.line("\n### Reads by position\n");
        self.line(
            "CPU time of Ruddle for a read in the middle of one collection, in microseconds, 100 commands a round trip: \
             it may grow with the logarithm of the size, no faster.\n",
        );
        let names: Vec<_> = sizes.iter().map(u64::to_string).collect();
        self.line(&format!("| Elements | {} |", names.join(" | ")));
        self.line(&format!("|---|{}", "--:|".repeat(sizes.len())));
        for read in growth {
            let cells: Vec<_> = read.cpu_us.iter().map(|us| format!("{us:.3}")).collect();
            self.line(&format!("| {} | {} |", read.name, cells.join(" | ")));
        }
    }

    /// Start-up and idle memory.
    pub(crate) fn start(&mut self, programs: &[Program], starts: &[Start]) {
        self.line("\n### Start\n");
        self.figure_heading("Figure", programs);
        let pongs: Vec<_> = starts.iter().map(|start| start.pong_ms).collect();
        let pong_name = "start of the process to first PONG, ms (median)";
        self.figure_line(
            pong_name,
            &pongs,
            |ms| format!("{ms:.2}"),
            Some(START_LIMIT_MS),
        );
        let sizes: Vec<_> = starts.iter().map(|start| start.idle_bytes).collect();
        let size_name = "resident memory when idle, MB";
        self.figure_line(
            size_name,
            &sizes,
            |bytes| format!("{:.2}", bytes / 1e6),
            Some(IDLE_LIMIT_BYTES),
        );
    }

    /// The slowest batches of a growing keyspace.
    pub(crate) fn inserts(
        &mut self,
        programs: &[Program],
        plan: &Plan,
        keys: u64,
        inserts: &[Inserts],
    ) {
        self.line("\n### Slowest operations\n");
        self.line(&format!(
            "{keys} new keys with {VALUE_BYTES}-byte values over one connection, {INSERT_BATCH} commands a round trip, \
             the least of {} runs for each figure. A slowest round trip holds what else the machine did meanwhile; \
             CPU time is the server's own.\n",
            plan.insert_runs
        ));
        self.figure_heading("Round trip, ms", programs);
        let mut line = |name, limit, of: fn(&Inserts) -> f64| {
            let figures: Vec<_> = inserts.iter().map(of).collect();
            self.figure_line(name, &figures, |ms| format!("{ms:.3}"), limit);
        };
        line("commands above 2 ms (slow log), number", None, |inserts| {
            inserts.slow_commands as f64
        });
        line("median", None, |inserts| inserts.median_ms);
        line("p99.9", None, |inserts| inserts.p999_ms);
        line("slowest", Some(INSERT_LIMIT_MS), |inserts| inserts.worst_ms);
        line(
            "most CPU time of the server",
            Some(INSERT_LIMIT_MS),
            |inserts| inserts.worst_cpu_ms,
        );
    }

    /// Saving and loading. The limits are against the first peer.
    pub(crate) fn saves(
        &mut self,
        programs: &[Program],
        plan: &Plan,
        keys: u64,
        saves: &[Snapshots],
    ) {
        self.line("\n### Snapshots\n");
        self.line(&format!(
            "{keys} keys with {VALUE_BYTES}-byte values; medians of {} interleaved rounds for SAVE and loading. A light client \
             reads a key every half millisecond while another one writes 50,000 random keys a second; what comes on top is \
             how far resident memory grows, or what a fork has copied.\n",
            plan.save_rounds
        ));
        self.figure_heading("Figure", programs);
        let reference = programs.iter().position(|program| program.is_reference);
        let of_reference =
            |of: fn(&Snapshots) -> f64, share: f64| reference.map(|at| of(&saves[at]) * share);
        let mut line = |name, limit, of: fn(&Snapshots) -> f64| {
            let figures: Vec<_> = saves.iter().map(of).collect();
            self.figure_line(name, &figures, |figure| format!("{figure:.2}"), limit);
        };
        let (save, load): (fn(&Snapshots) -> f64, fn(&Snapshots) -> f64) =
            (|saves| saves.save_s, |saves| saves.load_s);
        line("SAVE, s", of_reference(save, 0.5), save);
        line(
            "start with loading to the first PONG, s",
            of_reference(load, 0.5),
            load,
        );
        line("CPU time of SAVE, s", None, |saves| saves.save_cpu_s);
        line("CPU time of start and loading, s", None, |saves| {
            saves.load_cpu_s
        });
        let background: Vec<_> = saves.iter().map(|saves| &saves.background).collect();
        self.background(&background::SAVE, &background);
    }

    /// What a rewrite of the append-only file costs.
    pub(crate) fn rewrites(&mut self, programs: &[Program], keys: u64, rewrites: &[Background]) {
        self.line("\n### Rewriting the append-only file\n");
        self.line(&format!(
            "{keys} keys with {VALUE_BYTES}-byte values, `appendonly yes`, `appendfsync everysec`, one rewrite; the clients are those \
             of the snapshots.\n"
        ));
        self.figure_heading("Figure", programs);
        let rewrites: Vec<_> = rewrites.iter().collect();
        self.background(&background::REWRITE, &rewrites);
    }

    /// The lines that work in the background has in its table.
    fn background(&mut self, work: &Work, servers: &[&Background]) {
        let command = work.command;
        let mut line = |name: String, limit, of: fn(&Background) -> f64| {
            let figures: Vec<_> = servers.iter().map(|server| of(server)).collect();
            self.figure_line(&name, &figures, |figure| format!("{figure:.2}"), limit);
        };
        line(format!("{command} under writes, s"), None, |figures| {
            figures.took_s
        });
        line(
            "light client's longest wait under writes, ms".to_owned(),
            None,
            |figures| figures.calm_worst_ms,
        );
        let (calm_ms, data_bytes) = (servers[0].calm_worst_ms, servers[0].data_bytes);
        line(
            format!("the same during {command}, ms"),
            Some(calm_ms + MORE_WAIT_LIMIT_MS),
            |figures| figures.busy_worst_ms,
        );
        line("data set, MB".to_owned(), None, |figures| {
            figures.data_bytes / 1e6
        });
        line(
            format!("on top during {command}, MB"),
            Some(data_bytes / 1e7),
            |figures| figures.extra_bytes / 1e6,
        );
    }

    /// The head of a table with a column for each server.
    fn figure_heading(&mut self, title: &str, programs: &[Program]) {
        let names: Vec<_> = programs
            .iter()
            .map(|program| program.name.as_str())
            .collect();
        self.line(&format!("| {title} | {} | Limit | |", names.join(" | ")));
        self.line(&format!("|---|{}--:|---|", "--:|".repeat(programs.len())));
    }

    /// A line of such a table. The limit is Ruddle's, the first server's.
    fn figure_line(
        &mut self,
        name: &str,
        figures: &[f64],
        show: impl Fn(f64) -> String,
        limit: Option<f64>,
    ) {
        let mut line = format!("| {name} |");
        for &figure in figures {
            // Writing to a String cannot fail.
            let _ = write!(line, " {} |", show(figure));
        }
        let Some(limit) = limit else {
            return self.line(&format!("{line} | |"));
        };
        let verdict = self.verdict(figures[0], limit);
        self.line(&format!("{line} {} | {verdict} |", show(limit)));
    }
}

/// The cells of a server's runs: throughput, latency, CPU time.
fn figures(runs: &[Run]) -> String {
    let median_of = |of: fn(&Run) -> f64| median(&runs.iter().map(of).collect::<Vec<_>>());
    let max_ms = runs.iter().map(|run| run.max_ms).fold(0.0, f64::max);
    let (p50_ms, p99_ms) = (median_of(|run| run.p50_ms), median_of(|run| run.p99_ms));
    let (rate, cpu_us) = (
        median_of(|run| run.requests_per_second),
        median_of(|run| run.cpu_us),
    );
    format!("{rate:.0} | {p50_ms:.2} | {p99_ms:.2} | {max_ms:.1} | {cpu_us:.3}")
}

/// The middle of the figures, or the mean of the two in the middle.
pub(crate) fn median(figures: &[f64]) -> f64 {
    let mut sorted = figures.to_vec();
    sorted.sort_unstable_by(f64::total_cmp);
    match sorted.len() {
        0 => f64::NAN,
        count if count % 2 == 1 => sorted[count / 2],
        count => f64::midpoint(sorted[count / 2 - 1], sorted[count / 2]),
    }
}
