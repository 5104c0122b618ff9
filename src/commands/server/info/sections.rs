//! The sections of INFO: each writes its fields as they are now.
//!
//! Fields of what this server does not do (modules, clusters, defragmentation) are there with the value that says so,
//! because clients expect the field. Those of forks are about the snapshots that take their place.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::{MemoryFigures, Page};
use crate::command::Context;
use crate::config::Param;
use crate::instance::pubsub::Kind;
use crate::instance::{REDIS_VERSION, RUDDLE_VERSION, loading, saving};
use crate::observe::process::{self, human_bytes};
use crate::script::engine::Figures;
use crate::store::db::Keyspace;
use crate::store::entry::NEVER;

/// The average TTL of a database is taken from so many keys. Keys come in the order of their keyed hashes, so the first
/// ones are as good as any.
const TTL_SAMPLES: usize = 128;
const SECONDS_A_DAY: u64 = 24 * 3600;

pub(super) fn server(page: &mut Page, context: &Context<'_>) {
    let instance = context.instance;
    let config = instance.config();
    let uptime_s = instance.started.elapsed().as_secs();
    let now_us = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default()
        .as_micros();
    page.fields([
        ("redis_version", REDIS_VERSION),
        ("redis_git_sha1", "00000000"),
        ("redis_git_dirty", "0"),
        ("redis_build_id", "0"),
        ("ruddle_version", RUDDLE_VERSION),
        ("redis_mode", "standalone"),
        ("os", process::system_name()),
    ]);
    page.field("arch_bits", usize::BITS);
    page.fields([
        ("monotonic_clock", "POSIX clock_gettime"),
        ("multiplexing_api", "epoll"),
        ("atomicvar_api", "rust-core"),
    ]);
    page.field("gcc_version", "0.0.0");
    page.field("process_id", std::process::id());
    page.field("process_supervised", "no");
    page.field("run_id", instance.run_id.as_str());
    let port = instance.port.load(Ordering::Relaxed);
    page.field("tcp_port", port);
    page.field("server_time_usec", now_us);
    page.field("uptime_in_seconds", uptime_s);
    page.field("uptime_in_days", uptime_s / SECONDS_A_DAY);
    page.field("hz", config.hz());
    page.field("configured_hz", config.hz());
    page.field("lru_clock", context.db.access_clock());
    page.field("executable", instance.executable.as_str());
    page.field(
        "config_file",
        instance
            .config_file
            .as_ref()
            .map_or_else(String::new, |path| path.display().to_string()),
    );
    page.field("io_threads_active", u8::from(config.io_threads() > 1));
    let binds = config
        .bind()
        .iter()
        .map(|address| format!(",bind={}", String::from_utf8_lossy(address)));
    if port != 0 {
        page.field(
            "listener0",
            format_args!("name=tcp{},port={}", binds.collect::<String>(), port),
        );
    }
    if let Some(path) = config.unixsocket() {
        let number = u8::from(port != 0);
        page.line(format_args!(
            "listener{number}:name=unix,bind={}",
            String::from_utf8_lossy(path)
        ));
    }
}

pub(super) fn clients(page: &mut Page, context: &Context<'_>) {
    let (mut connected, mut blocked, mut max_input, mut max_output) = (0, 0, 0, 0);
    context.instance.clients.for_each(|client| {
        let figures = &client.figures;
        connected += 1;
        max_input = max_input.max(figures.query_bytes.load(Ordering::Relaxed));
        max_output = max_output.max(figures.output_bytes.load(Ordering::Relaxed));
        blocked += usize::from(client.is_parked());
    });
    let watches = context.instance.watches();
    let (watching, watched) = (watches.clients(), watches.keys());
    drop(watches);
    let waiters = context.instance.waiters();
    page.fields([
        ("connected_clients", connected),
        ("cluster_connections", 0),
        (
            "maxclients",
            context.instance.config().maxclients() as usize,
        ),
        ("client_recent_max_input_buffer", max_input),
        ("client_recent_max_output_buffer", max_output),
        ("blocked_clients", blocked),
        ("tracking_clients", context.instance.tracking().clients()),
        ("pubsub_clients", context.instance.pubsub().client_count()),
        ("watching_clients", watching),
        ("clients_in_timeout_table", waiters.deadlines()),
        ("total_watched_keys", watched),
        ("total_blocking_keys", waiters.keys()),
        ("total_blocking_keys_on_nokey", waiters.keys_on_loss()),
    ]);
}

pub(super) fn memory(page: &mut Page, context: &Context<'_>) {
    let figures = MemoryFigures::take(context);
    sized(page, "used_memory", figures.used);
    sized(page, "used_memory_rss", figures.resident);
    sized(page, "used_memory_peak", figures.peak);
    page.field(
        "used_memory_peak_perc",
        format_args!("{:.2}%", figures.peak_percent()),
    );
    page.field("used_memory_overhead", figures.overhead());
    page.field("used_memory_startup", figures.startup);
    page.field("used_memory_dataset", figures.dataset());
    page.field(
        "used_memory_dataset_perc",
        format_args!("{:.2}%", figures.dataset_percent()),
    );
    page.field("allocator_allocated", figures.used);
    page.fields([
        ("allocator_active", figures.resident),
        ("allocator_resident", figures.resident),
    ]);
    sized(page, "total_system_memory", process::machine_bytes());
    scripts(page, &context.instance.scripts.figures);
    let config = context.instance.config();
    sized(
        page,
        "maxmemory",
        usize::try_from(config.maxmemory_bytes()).unwrap_or(usize::MAX),
    );
    page.field(
        "maxmemory_policy",
        &*String::from_utf8_lossy(&config.format(Param::MaxmemoryPolicy)),
    );
    memory_ratios(page, &figures);
    page.fields([
        ("mem_not_counted_for_evict", 0),
        ("mem_replication_backlog", 0),
        ("mem_total_replication_buffers", 0),
        ("mem_clients_slaves", 0),
        ("mem_clients_normal", figures.clients),
        ("mem_cluster_links", 0),
        ("mem_aof_buffer", 0),
    ]);
    page.field("mem_allocator", "mimalloc");
    page.field("active_defrag_running", 0);
    page.field(
        "lazyfree_pending_objects",
        context.instance.reclaimer.pending(),
    );
    page.field("lazyfreed_objects", context.instance.reclaimer.reclaimed());
}

/// A field of bytes, and what a person reads.
fn sized(page: &mut Page, name: &str, bytes: usize) {
    page.field(name, bytes);
    page.line(format_args!("{name}_human:{}", human_bytes(bytes)));
}

/// What scripts and functions take.
fn scripts(page: &mut Page, figures: &Figures) {
    let of = |figure: &AtomicUsize| figure.load(Ordering::Relaxed);
    let (eval_vm, function_vm) = (of(&figures.eval_vm_bytes), of(&figures.function_vm_bytes));
    let (eval, functions) = (of(&figures.eval_bytes), of(&figures.function_bytes));
    page.fields([
        ("used_memory_lua", eval_vm),
        ("used_memory_vm_eval", eval_vm),
    ]);
    page.field("used_memory_lua_human", human_bytes(eval_vm));
    page.fields([
        ("used_memory_scripts_eval", eval),
        ("number_of_cached_scripts", of(&figures.scripts)),
        ("number_of_functions", of(&figures.functions)),
        ("number_of_libraries", of(&figures.libraries)),
        ("used_memory_vm_functions", function_vm),
    ]);
    sized(page, "used_memory_vm_total", eval_vm + function_vm);
    page.field("used_memory_functions", functions);
    sized(page, "used_memory_scripts", eval + functions);
}

/// The allocator is not asked, so all that is in RAM and not allocated counts as its fragmentation.
fn memory_ratios(page: &mut Page, figures: &MemoryFigures) {
    let (ratio, bytes) = (figures.fragmentation(), figures.fragmentation_bytes());
    for (name, ratio, bytes) in [
        ("allocator_frag", ratio, bytes),
        ("allocator_rss", 1.0, 0),
        ("rss_overhead", 1.0, 0),
        ("mem_fragmentation", ratio, bytes),
    ] {
        page.line(format_args!("{name}_ratio:{ratio:.2}"));
        page.line(format_args!("{name}_bytes:{bytes}"));
    }
}

pub(super) fn persistence(page: &mut Page, context: &Context<'_>) {
    let loading = context.instance.loading.figures();
    saves(page, context, &loading);
    append_only_file(page, context);
    page.fields([
        ("module_fork_in_progress", 0),
        ("module_fork_last_cow_size", 0),
    ]);
    append_only_sizes(page, context);
    if loading.is_loading {
        loading_progress(page, &loading);
    }
}

/// The append-only file, whether there is one or not.
fn append_only_file(page: &mut Page, context: &Context<'_>) {
    let aof = &context.instance.aof;
    let (file, rewrites) = (aof.figures(&context.instance.log), aof.rewrite_figures());
    let status = |is_ok| if is_ok { "ok" } else { "err" };
    page.fields([
        ("aof_enabled", i64::from(file.is_enabled)),
        ("aof_rewrite_in_progress", i64::from(rewrites.is_running)),
        ("aof_rewrite_scheduled", i64::from(rewrites.is_scheduled)),
        ("aof_last_rewrite_time_sec", rewrites.last_took_s),
        ("aof_current_rewrite_time_sec", rewrites.current_s),
    ]);
    page.field("aof_last_bgrewrite_status", status(rewrites.is_last_ok));
    page.fields([
        ("aof_rewrites", rewrites.rewrites),
        ("aof_rewrites_consecutive_failures", rewrites.failures),
    ]);
    page.field("aof_last_write_status", status(file.is_write_ok));
    page.field("aof_last_cow_size", 0);
}

/// What is shown of an append-only file where there is one.
fn append_only_sizes(page: &mut Page, context: &Context<'_>) {
    let aof = &context.instance.aof;
    let file = aof.figures(&context.instance.log);
    if !file.is_enabled {
        return;
    }
    page.fields([
        ("aof_current_size", file.current_size),
        ("aof_base_size", file.base_size),
        (
            "aof_pending_rewrite",
            u64::from(aof.rewrite_figures().is_scheduled),
        ),
        ("aof_buffer_length", file.buffered),
        ("aof_pending_bio_fsync", u64::from(file.is_syncing)),
        ("aof_delayed_fsync", file.delayed_syncs),
    ]);
}

/// Snapshots. Where Redis says what a fork has copied, this is by how much memory has grown meanwhile.
fn saves(page: &mut Page, context: &Context<'_>, loading: &loading::Figures) {
    let saves = context.instance.saving.figures();
    let running = saves.running;
    let of = |figure: fn(&saving::Running) -> u64| running.as_ref().map_or(0, figure);
    let (keys_done, keys_total) = (of(|save| save.keys_done), of(|save| save.keys_total));
    page.fields([
        ("loading", u64::from(loading.is_loading)),
        ("async_loading", 0),
        ("current_cow_peak", of(|save| save.peak_growth_bytes)),
        ("current_cow_size", of(|save| save.growth_bytes)),
        ("current_cow_size_age", 0),
    ]);
    let percent = keys_done as f64 * 100.0 / keys_total.max(1) as f64;
    page.field("current_fork_perc", format_args!("{percent:.2}"));
    page.fields([
        ("current_save_keys_processed", keys_done),
        ("current_save_keys_total", keys_total),
        ("rdb_changes_since_last_save", context.db.dirty),
        ("rdb_bgsave_in_progress", u64::from(running.is_some())),
        ("rdb_last_save_time", saves.last_save_s),
    ]);
    let status = if saves.is_last_ok { "ok" } else { "err" };
    page.field("rdb_last_bgsave_status", status);
    page.field("rdb_last_bgsave_time_sec", saves.last_took_s);
    let current_s = running.map_or(-1, |save| save.seconds.cast_signed());
    page.field("rdb_current_bgsave_time_sec", current_s);
    page.fields([
        ("rdb_saves", saves.saves),
        ("rdb_last_cow_size", saves.last_growth_bytes),
        ("rdb_last_load_keys_expired", loading.keys_expired),
        ("rdb_last_load_keys_loaded", loading.keys_loaded),
    ]);
}

/// How far the loading is.
fn loading_progress(page: &mut Page, loading: &loading::Figures) {
    page.fields([
        ("loading_start_time", loading.started_s),
        ("loading_total_bytes", loading.total_bytes),
        ("loading_rdb_used_mem", loading.used_mem),
        ("loading_loaded_bytes", loading.loaded_bytes),
    ]);
    page.field(
        "loading_loaded_perc",
        format_args!("{:.2}", loading.percent()),
    );
    page.field("loading_eta_seconds", loading.eta_s());
}

pub(super) fn stats(page: &mut Page, context: &Context<'_>) {
    let stats = &context.instance.stats;
    let messages = context.instance.clients.mail.written();
    let keys = context.db.stats;
    let load = |counter: &std::sync::atomic::AtomicU64| counter.load(Ordering::Relaxed);
    let rate = |hundredths: u64| format!("{}.{:02}", hundredths / 100, hundredths % 100);
    page.fields([
        ("total_connections_received", load(&stats.connections)),
        ("total_commands_processed", stats.commands_processed()),
        ("instantaneous_ops_per_sec", load(&stats.ops_per_second)),
        ("total_net_input_bytes", stats.net_input.get()),
        ("total_net_output_bytes", stats.net_output.get() + messages),
        ("total_net_repl_input_bytes", 0),
        ("total_net_repl_output_bytes", 0),
    ]);
    page.fields([
        ("instantaneous_input_kbps", rate(load(&stats.input_rate))),
        ("instantaneous_output_kbps", rate(load(&stats.output_rate))),
        ("instantaneous_input_repl_kbps", rate(0)),
        ("instantaneous_output_repl_kbps", rate(0)),
    ]);
    page.fields([
        ("rejected_connections", load(&stats.rejected_connections)),
        ("sync_full", 0),
        ("sync_partial_ok", 0),
        ("sync_partial_err", 0),
        ("expired_subkeys", keys.expired_fields),
        ("expired_keys", keys.expired),
    ]);
    page.field(
        "expired_stale_perc",
        format_args!("{:.2}", keys.expired_stale_percent),
    );
    page.fields([
        (
            "expired_time_cap_reached_count",
            keys.expire_time_cap_reached,
        ),
        (
            "expire_cycle_cpu_milliseconds",
            load(&stats.sweep_us) / 1000,
        ),
        ("evicted_keys", 0),
        ("evicted_clients", 0),
        (
            "evicted_scripts",
            load(&context.instance.scripts.figures.evicted),
        ),
        ("total_eviction_exceeded_time", 0),
        ("current_eviction_exceeded_time", 0),
        ("keyspace_hits", keys.hits),
        ("keyspace_misses", keys.misses),
    ]);
    stats_of_other_parts(page, context);
}

fn stats_of_other_parts(page: &mut Page, context: &Context<'_>) {
    let instance = context.instance;
    let stats = &instance.stats;
    let topics = |kind| instance.pubsub().topic_count(kind) as u64;
    let disconnections = &instance.clients.output_limits.disconnections;
    let tracking = instance.tracking();
    let cached_connections = instance.migrations().cached_connections as u64;
    page.fields([
        ("pubsub_channels", topics(Kind::Channel)),
        ("pubsub_patterns", topics(Kind::Pattern)),
        ("pubsubshard_channels", topics(Kind::Shard)),
        (
            "latest_fork_usec",
            stats.snapshot_us.load(Ordering::Relaxed),
        ),
        ("total_forks", stats.snapshots.get()),
        ("migrate_cached_sockets", cached_connections),
        ("slave_expires_tracked_keys", 0),
        ("active_defrag_hits", 0),
        ("active_defrag_misses", 0),
        ("active_defrag_key_hits", 0),
        ("active_defrag_key_misses", 0),
        ("total_active_defrag_time", 0),
        ("current_active_defrag_time", 0),
        ("tracking_total_keys", tracking.keys() as u64),
        ("tracking_total_items", tracking.items() as u64),
        ("tracking_total_prefixes", tracking.prefixes() as u64),
        ("unexpected_error_replies", 0),
        ("total_error_replies", stats.error_replies.get()),
        ("dump_payload_sanitizations", 0),
        // A batch is what one read brings, and its replies go out by one write.
        ("total_reads_processed", stats.batches.get()),
        ("total_writes_processed", stats.batches.get()),
        ("io_threaded_reads_processed", stats.batches.get()),
        ("io_threaded_writes_processed", stats.batches.get()),
        (
            "client_query_buffer_limit_disconnections",
            stats.query_limit_disconnections.load(Ordering::Relaxed),
        ),
        (
            "client_output_buffer_limit_disconnections",
            disconnections.load(Ordering::Relaxed),
        ),
        ("reply_buffer_shrinks", 0),
        ("reply_buffer_expands", 0),
    ]);
}

pub(super) fn replication(page: &mut Page, context: &Context<'_>) {
    page.field("role", "master");
    page.field("connected_slaves", 0);
    page.field("master_failover_state", "no-failover");
    page.field("master_replid", context.instance.replication_id());
    page.field("master_replid2", format_args!("{:040}", 0));
    page.fields([
        ("master_repl_offset", 0),
        ("second_repl_offset", -1),
        ("repl_backlog_active", 0),
    ]);
    let backlog = context.instance.config().format(Param::ReplBacklogSize);
    page.field("repl_backlog_size", &*String::from_utf8_lossy(&backlog));
    page.fields([
        ("repl_backlog_first_byte_offset", 0),
        ("repl_backlog_histlen", 0),
    ]);
}

pub(super) fn cpu(page: &mut Page, _context: &Context<'_>) {
    let (own, children, thread) = (
        process::own_cpu_time(),
        process::children_cpu_time(),
        process::thread_cpu_time(),
    );
    let seconds = |time: Duration| format!("{}.{:06}", time.as_secs(), time.subsec_micros());
    page.fields([
        ("used_cpu_sys", seconds(own.system)),
        ("used_cpu_user", seconds(own.user)),
        ("used_cpu_sys_children", seconds(children.system)),
        ("used_cpu_user_children", seconds(children.user)),
        ("used_cpu_sys_main_thread", seconds(thread.system)),
        ("used_cpu_user_main_thread", seconds(thread.user)),
    ]);
}

pub(super) fn command_stats(page: &mut Page, context: &Context<'_>) {
    let instance = context.instance;
    for command in instance.registry.iter_all() {
        let counters = &instance.stats.commands[command.id];
        let (calls, rejected, failed) = (
            counters.calls.get(),
            counters.rejected.get(),
            counters.failed.get(),
        );
        if calls + rejected + failed == 0 {
            continue;
        }
        let microseconds = counters.nanoseconds.get() / 1000;
        let each = microseconds as f64 / calls.max(1) as f64;
        page.field(
            &format!("cmdstat_{}", command.full_name),
            format_args!(
                "calls={calls},usec={microseconds},usec_per_call={each:.2},rejected_calls={rejected},failed_calls={failed}"
            ),
        );
    }
}

pub(super) fn error_stats(page: &mut Page, context: &Context<'_>) {
    for (code, count) in context.instance.stats.errors().iter() {
        page.field(&format!("errorstat_{code}"), format_args!("count={count}"));
    }
}

pub(super) fn cluster(page: &mut Page, _context: &Context<'_>) {
    page.field("cluster_enabled", 0);
}

pub(super) fn keyspace(page: &mut Page, context: &Context<'_>) {
    for index in 0..context.db.databases() {
        let keyspace = context.db.keyspace(index);
        if keyspace.is_empty() {
            continue;
        }
        let (keys, expires) = (keyspace.len(), keyspace.expires());
        let ttl_ms = average_ttl_ms(keyspace, context.now_ms());
        page.field(
            &format!("db{index}"),
            format_args!(
                "keys={keys},expires={expires},avg_ttl={ttl_ms},subexpiry={}",
                keyspace.hashes_with_deadlines()
            ),
        );
    }
}

/// The average time to live of the keys that have a deadline, from a sample; 0 if there are none in it.
fn average_ttl_ms(keyspace: &Keyspace, now_ms: u64) -> u64 {
    if keyspace.expires() == 0 {
        return 0;
    }
    let deadlines = keyspace
        .iter()
        .take(TTL_SAMPLES)
        .map(|entry| entry.deadline_ms())
        .filter(|&at| at != NEVER);
    let (count, sum) = deadlines.fold((0u64, 0u64), |(count, sum), at| {
        (count + 1, sum.saturating_add(at.saturating_sub(now_ms)))
    });
    sum.checked_div(count).unwrap_or(0)
}
