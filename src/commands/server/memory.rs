//! MEMORY, and the figures about memory that INFO shows too ([`MemoryFigures`]).

use std::borrow::Cow;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::command::{
    Arg, Args, CommandError, CommandResult, CommandSpec, Context, Flags, Group, KeyFlags, KeySpec,
};
use crate::instance::clients::ClientHandle;
use crate::observe::process;
use crate::resp::Request;
use crate::store::alloc;

/// Bytes that the keyspace's table takes for a key, on the average of its states of growth: a slot is 8 bytes and a tag,
/// and about three of four are in use.
const TABLE_BYTES_A_KEY: usize = 12;
/// Parts of a collection that MEMORY USAGE looks at unless told otherwise.
const DEFAULT_SAMPLES: i64 = 5;

/// Where the memory is. All figures are bytes, but for `keys`.
#[derive(Clone, Debug, Default)]
pub(super) struct MemoryFigures {
    /// Allocated now.
    pub used: usize,
    /// The most that was allocated at a time.
    pub peak: usize,
    /// In RAM, as the system sees it.
    pub resident: usize,
    /// Allocated when the server was ready, its data set empty.
    pub startup: usize,
    /// Buffers of clients.
    pub clients: usize,
    /// EVAL's scripts and their interpreter.
    pub scripts: usize,
    /// Functions and their interpreter.
    pub functions: usize,
    /// The tables of the databases that have keys, by their numbers.
    pub tables: Vec<(usize, usize)>,
    /// Keys in all databases.
    pub keys: usize,
}

impl MemoryFigures {
    /// The figures as they are now.
    pub(super) fn take(context: &Context<'_>) -> Self {
        let instance = context.instance;
        let used = alloc::used_bytes();
        instance
            .stats
            .peak_memory
            .fetch_max(used, Ordering::Relaxed);
        let scripts = &instance.scripts.figures;
        let sum = |figures: [&AtomicUsize; 2]| {
            figures
                .iter()
                .map(|figure| figure.load(Ordering::Relaxed))
                .sum()
        };
        let mut figures = MemoryFigures {
            scripts: sum([&scripts.eval_vm_bytes, &scripts.eval_bytes]),
            functions: sum([&scripts.function_vm_bytes, &scripts.function_bytes]),
            used,
            peak: instance.stats.peak_memory.load(Ordering::Relaxed),
            resident: process::resident_bytes(),
            startup: instance.startup_bytes.load(Ordering::Relaxed),
            ..MemoryFigures::default()
        };
        instance
            .clients
            .for_each(|client| figures.clients += client_bytes(client));
        for index in 0..context.db.databases() {
            let keys = context.db.keyspace(index).len();
            if keys > 0 {
                figures.keys += keys;
                figures.tables.push((index, keys * TABLE_BYTES_A_KEY));
            }
        }
        figures
    }

    /// What is not the users' data: the server as it starts, clients, tables.
    pub(super) fn overhead(&self) -> usize {
        let tables: usize = self.tables.iter().map(|(_, bytes)| bytes).sum();
        self.startup + self.clients + self.scripts + self.functions + tables
    }

    /// The users' data.
    pub(super) fn dataset(&self) -> usize {
        self.used.saturating_sub(self.overhead())
    }

    /// The data's share of what was allocated since the start, in percent.
    pub(super) fn dataset_percent(&self) -> f64 {
        percent(self.dataset(), self.used.saturating_sub(self.startup))
    }

    /// What is used of the peak, in percent.
    pub(super) fn peak_percent(&self) -> f64 {
        percent(self.used, self.peak)
    }

    /// RAM for each byte allocated.
    pub(super) fn fragmentation(&self) -> f64 {
        self.resident as f64 / self.used.max(1) as f64
    }

    /// RAM beyond what is allocated; negative where a part is not in RAM.
    pub(super) fn fragmentation_bytes(&self) -> i64 {
        self.resident as i64 - self.used as i64
    }
}

fn percent(part: usize, whole: usize) -> f64 {
    if whole == 0 {
        0.0
    } else {
        part as f64 * 100.0 / whole as f64
    }
}

fn client_bytes(client: &ClientHandle) -> usize {
    let figures = &client.figures;
    let buffers = [
        &figures.query_bytes,
        &figures.query_free_bytes,
        &figures.output_buffer_bytes,
        &figures.argument_bytes,
    ];
    let output = client.waiting_output();
    size_of::<ClientHandle>()
        + output.uncounted_bytes
        + output.counted_bytes
        + buffers
            .iter()
            .map(|bytes| bytes.load(Ordering::Relaxed))
            .sum::<usize>()
}

/// MEMORY subcommand ...
pub static MEMORY: CommandSpec = CommandSpec::new("MEMORY", Group::Server, super::container)
    .doc(
        "Answers where the memory is.",
        "4.0.0",
        "Depends on the subcommand.",
    )
    .arity(-2)
    .subcommands(&[&DOCTOR, &HELP, &MALLOC_STATS, &PURGE, &STATS, &USAGE]);

const FROM_ALL_SHARDS: &[&str] = &[
    "nondeterministic_output",
    "request_policy:all_shards",
    "response_policy:special",
];

/// MEMORY USAGE key [SAMPLES count]
static USAGE: CommandSpec = CommandSpec::new("USAGE", Group::Server, usage)
    .doc(
        "Estimates the bytes that a key and its value take.",
        "4.0.0",
        "O(N), N being the number of samples.",
    )
    .arity(-3)
    .flags(&[Flags::READONLY])
    .keys(&[KeySpec::at(2, KeyFlags::RO)])
    .args(&[
        Arg::key("key", 0),
        Arg::integer("count").with_token("SAMPLES").optional(),
    ]);

fn usage(context: &mut Context<'_>, request: Request<'_>) -> CommandResult {
    let mut args = Args::new(request, 3);
    let mut samples = DEFAULT_SAMPLES;
    while !args.is_empty() {
        if !args.keyword("SAMPLES") {
            return Err(CommandError::Syntax);
        }
        samples = args.integer()?;
        if samples < 0 {
            return Err(CommandError::Syntax);
        }
    }
    let samples = usize::try_from(samples).unwrap_or(usize::MAX);
    // As it lies there: the look changes neither access clock nor statistics, and an expired key still takes memory.
    let keyspace = context.db.keyspace(context.session.db);
    match keyspace.table().get(request.get(2)) {
        Some(entry) => context
            .reply
            .count(entry.memory_bytes(samples) + TABLE_BYTES_A_KEY),
        None => context.reply.null(),
    }
    Ok(())
}

/// MEMORY STATS
static STATS: CommandSpec = CommandSpec::new("STATS", Group::Server, stats)
    .doc(
        "Answers what the memory is used for.",
        "4.0.0",
        "O(N) for N clients.",
    )
    .arity(2)
    .tips(FROM_ALL_SHARDS);

/// A figure of MEMORY STATS.
enum Figure {
    Count(usize),
    Difference(i64),
    Ratio(f64),
    /// Bytes of a database's table.
    Table(usize),
}

fn stats(context: &mut Context<'_>, _request: Request<'_>) -> CommandResult {
    let figures = MemoryFigures::take(context);
    let named = name_figures(&figures);
    let reply = &mut context.reply;
    reply.map(named.len());
    for (name, figure) in named {
        reply.text(&name);
        match figure {
            Figure::Count(count) => reply.count(count),
            Figure::Difference(difference) => reply.integer(difference),
            Figure::Ratio(ratio) => reply.double(ratio),
            Figure::Table(bytes) => {
                reply.map(3);
                for (name, bytes) in [("main", bytes), ("expires", 0), ("slot-to-keys", 0)] {
                    reply.text(&format!("overhead.hashtable.{name}"));
                    reply.count(bytes);
                }
            }
        }
    }
    Ok(())
}

/// The figures under Redis's names and in its order. The allocator is not asked: what it holds is taken to be what is in
/// RAM.
fn name_figures(figures: &MemoryFigures) -> Vec<(Cow<'static, str>, Figure)> {
    use Figure::{Count, Difference, Ratio, Table};
    let grown = figures.used.saturating_sub(figures.startup);
    let (ratio, difference) = (figures.fragmentation(), figures.fragmentation_bytes());
    let head = [
        ("peak.allocated", Count(figures.peak)),
        ("total.allocated", Count(figures.used)),
        ("startup.allocated", Count(figures.startup)),
        ("replication.backlog", Count(0)),
        ("clients.slaves", Count(0)),
        ("clients.normal", Count(figures.clients)),
        ("cluster.links", Count(0)),
        ("aof.buffer", Count(0)),
        ("lua.caches", Count(figures.scripts)),
        ("functions.caches", Count(figures.functions)),
    ];
    let tail = [
        ("overhead.total", Count(figures.overhead())),
        ("keys.count", Count(figures.keys)),
        (
            "keys.bytes-per-key",
            Count(grown.checked_div(figures.keys).unwrap_or(0)),
        ),
        ("dataset.bytes", Count(figures.dataset())),
        ("dataset.percentage", Ratio(figures.dataset_percent())),
        ("peak.percentage", Ratio(figures.peak_percent())),
        ("allocator.allocated", Count(figures.used)),
        ("allocator.active", Count(figures.resident)),
        ("allocator.resident", Count(figures.resident)),
        ("allocator-fragmentation.ratio", Ratio(ratio)),
        ("allocator-fragmentation.bytes", Difference(difference)),
        ("allocator-rss.ratio", Ratio(1.0)),
        ("allocator-rss.bytes", Difference(0)),
        ("rss-overhead.ratio", Ratio(1.0)),
        ("rss-overhead.bytes", Difference(0)),
        ("fragmentation", Ratio(ratio)),
        ("fragmentation.bytes", Difference(difference)),
    ];
    let named = |(name, figure)| (Cow::Borrowed(name), figure);
    let tables = figures
        .tables
        .iter()
        .map(|(index, bytes)| (Cow::Owned(format!("db.{index}")), Table(*bytes)));
    head.into_iter()
        .map(named)
        .chain(tables)
        .chain(tail.into_iter().map(named))
        .collect()
}

/// MEMORY DOCTOR
static DOCTOR: CommandSpec = CommandSpec::new("DOCTOR", Group::Server, doctor)
    .doc(
        "Says what is noticeable about the memory.",
        "4.0.0",
        "O(N) for N clients.",
    )
    .arity(2)
    .tips(FROM_ALL_SHARDS);

/// Below this nothing can be said.
const TOO_LITTLE_BYTES: usize = 5 << 20;
/// Differences below this do not matter.
const NOTEWORTHY_BYTES: i64 = 10 << 20;
/// Buffers of a client that are large, on the average of all.
const LARGE_CLIENT_BYTES: usize = 200 << 10;

fn doctor(context: &mut Context<'_>, _request: Request<'_>) -> CommandResult {
    let figures = MemoryFigures::take(context);
    let clients = context.instance.clients.len().max(1);
    context
        .reply
        .verbatim("txt", diagnose(&figures, clients).as_bytes());
    Ok(())
}

fn diagnose(figures: &MemoryFigures, clients: usize) -> String {
    if figures.used < TOO_LITTLE_BYTES {
        return "There is next to no data in this server, so there is nothing to be said about its memory.\n".to_owned();
    }
    let mut findings = Vec::new();
    if figures.peak as f64 / figures.used as f64 > 1.5 {
        findings.push(
            "Peak memory: at some time more than one and a half times of what is in use now was in use. The allocator \
             may keep what it had then and use it again.",
        );
    }
    if figures.fragmentation() > 1.4 && figures.fragmentation_bytes() > NOTEWORTHY_BYTES {
        findings.push(
            "Fragmentation: far more memory is in RAM than is allocated. After a peak that is harmless; else the sizes \
             of values change in a way that leaves gaps.",
        );
    }
    if figures.clients / clients > LARGE_CLIENT_BYTES {
        findings.push(
            "Clients: their buffers take more than 200 kB on average. CLIENT LIST shows whose do; large replies that \
             are read slowly, and long pipelines, are the usual reason.",
        );
    }
    if findings.is_empty() {
        return "Nothing noticeable about the memory.\n".to_owned();
    }
    findings
        .iter()
        .map(|finding| format!(" * {finding}\n\n"))
        .collect()
}

/// MEMORY MALLOC-STATS
static MALLOC_STATS: CommandSpec = CommandSpec::new("MALLOC-STATS", Group::Server, malloc_stats)
    .doc(
        "Answers the allocator's own report, where it has one.",
        "4.0.0",
        "Depends on the allocator.",
    )
    .arity(2)
    .flags(&[Flags::LOADING])
    .tips(FROM_ALL_SHARDS);

fn malloc_stats(context: &mut Context<'_>, _request: Request<'_>) -> CommandResult {
    context
        .reply
        .text("Stats not supported for the current allocator");
    Ok(())
}

/// MEMORY PURGE
static PURGE: CommandSpec = CommandSpec::new("PURGE", Group::Server, purge)
    .doc(
        "Asks the allocator to give unused memory back, where that needs asking.",
        "4.0.0",
        "Depends on the allocator.",
    )
    .arity(2)
    .flags(&[Flags::LOADING])
    .tips(&["request_policy:all_shards", "response_policy:all_succeeded"]);

/// The allocator gives memory back on its own, some milliseconds after it is free.
fn purge(context: &mut Context<'_>, _request: Request<'_>) -> CommandResult {
    context.reply.ok();
    Ok(())
}

/// MEMORY HELP
static HELP: CommandSpec = CommandSpec::new("HELP", Group::Server, help)
    .doc("Lists the subcommands.", "4.0.0", "O(1)")
    .arity(2)
    .flags(&[Flags::LOADING, Flags::STALE]);

fn help(context: &mut Context<'_>, _request: Request<'_>) -> CommandResult {
    context.help(
        "MEMORY",
        &[
            "DOCTOR",
            "    Say what is noticeable about the memory.",
            "MALLOC-STATS",
            "    Answer the allocator's own report.",
            "PURGE",
            "    Have the allocator give unused memory back.",
            "STATS",
            "    Answer what the memory is used for.",
            "USAGE <key> [SAMPLES <count>]",
            "    Estimate the bytes that a key and its value take, from <count> parts of the value",
            "    (5 by default, 0 for all).",
        ],
    );
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_doctor_names_what_is_noticeable() {
        let healthy = MemoryFigures {
            used: 100 << 20,
            peak: 110 << 20,
            resident: 120 << 20,
            ..Default::default()
        };
        let says = |figures: MemoryFigures| diagnose(&figures, 2);
        assert!(says(MemoryFigures::default()).contains("next to no data"));
        assert!(says(healthy.clone()).contains("Nothing noticeable"));
        assert!(
            says(MemoryFigures {
                peak: 200 << 20,
                ..healthy.clone()
            })
            .contains("Peak memory")
        );
        assert!(
            says(MemoryFigures {
                resident: 150 << 20,
                ..healthy.clone()
            })
            .contains("Fragmentation")
        );
        assert!(
            says(MemoryFigures {
                clients: 1 << 20,
                ..healthy
            })
            .contains("Clients")
        );
    }

    #[test]
    fn figures_add_up() {
        let figures = MemoryFigures {
            used: 1000,
            startup: 200,
            clients: 100,
            tables: vec![(0, 50), (3, 50)],
            ..Default::default()
        };
        assert_eq!((figures.overhead(), figures.dataset()), (400, 600));
        assert_eq!(figures.dataset_percent(), 75.0);
    }
}
