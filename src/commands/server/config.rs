//! CONFIG: reading, changing and writing back the configuration.
//!
//! [`crate::config`] knows the parameters and checks their values; here a change is put into effect ([`apply`]). A
//! parameter that is copied somewhere for speed, or that takes some action, has its arm there; all others are read where
//! they are needed.

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use crate::command::session::Place;
use crate::command::{Arg, CommandError, CommandResult, CommandSpec, Context, Flags, Group};
use crate::config::error::system_text;
use crate::config::{
    ChangeSet, Config, ConfigSetError, Param, SetContext, Spec, SystemHost, rewrite,
};
use crate::instance::aof::switch;
use crate::instance::pause;
use crate::instance::{Instance, events_wanted, limits, tracking};
use crate::observe::log;
use crate::resp::Request;
use crate::store::db::{Db, KeyspaceStats};
use crate::text::pattern;

/// CONFIG subcommand ...
pub static CONFIG: CommandSpec = CommandSpec::new("CONFIG", Group::Server, super::container)
    .doc(
        "Reads and changes the configuration.",
        "2.0.0",
        "Depends on the subcommand.",
    )
    .arity(-2)
    .subcommands(&[&GET, &HELP, &RESETSTAT, &REWRITE, &SET]);

const ADMIN: &[Flags] = &[Flags::ADMIN, Flags::NOSCRIPT, Flags::LOADING, Flags::STALE];
const ON_ALL_NODES: &[&str] = &["request_policy:all_nodes", "response_policy:all_succeeded"];

/// CONFIG GET parameter [parameter ...]
static GET: CommandSpec = CommandSpec::new("GET", Group::Server, get)
    .doc(
        "Answers the values of the parameters whose names match.",
        "2.0.0",
        "O(N) for N names and patterns.",
    )
    .arity(-3)
    .flags(ADMIN)
    .args(&[Arg::string("parameter").multiple()])
    .history(&[("7.0.0", "Several names and patterns at once.")]);

fn get(context: &mut Context<'_>, request: Request<'_>) -> CommandResult {
    let patterns: Vec<&[u8]> = request.iter_from(2).collect();
    let found = context.instance.config().get(&patterns, pattern::matches);
    context.reply.map(found.len());
    for (name, value) in found {
        context.reply.bulk(&name);
        context.reply.bulk(&value);
    }
    Ok(())
}

/// CONFIG SET parameter value [parameter value ...]
static SET: CommandSpec = CommandSpec::new("SET", Group::Server, set)
    .doc(
        "Changes parameters: all of them or, where one is refused, none.",
        "2.0.0",
        "O(N) for N parameters.",
    )
    .arity(-4)
    .flags(ADMIN)
    .args(&[Arg::block("data", &[Arg::string("parameter"), Arg::string("value")]).multiple()])
    .history(&[("7.0.0", "Several parameters at once.")])
    .tips(ON_ALL_NODES);

fn set(context: &mut Context<'_>, request: Request<'_>) -> CommandResult {
    if !request.len().is_multiple_of(2) {
        return Err(CommandError::Syntax);
    }
    let pairs: Vec<(&[u8], &[u8])> = (2..request.len())
        .step_by(2)
        .map(|at| (request.get(at), request.get(at + 1)))
        .collect();
    let instance = context.instance;
    let mut config = instance.config_mut();
    let protected_allowed = config
        .enable_protected_configs()
        .allows(context.session.handle.is_local());
    let mut host = SystemHost;
    let mut conditions = SetContext {
        protected_allowed,
        loading: instance.loading.is_loading(),
        host: &mut host,
    };
    let changes = config.set_many(&pairs, &mut conditions).map_err(refusal)?;
    if let Err((param, reason)) = apply(&config, &changes, instance, context.db) {
        config.undo(&changes, &mut host);
        // What was in effect before a failure is so again.
        let _ = apply(&config, &changes, instance, context.db);
        return Err(refusal(ConfigSetError::apply(Spec::of(param).name, reason)));
    }
    drop(config);
    // Those who end with it, or hold what it needs, look at the configuration themselves.
    if changes.changed.contains(&Param::AofDisableAutoGc)
        && !instance.config().aof_disable_auto_gc()
    {
        instance.aof.remove_history();
    }
    if changes.changed.contains(&Param::Appendonly) && !switch_file(context) {
        let mut config = instance.config_mut();
        config.undo(&changes, &mut host);
        let _ = apply(&config, &changes, instance, context.db);
        let name = Spec::of(Param::Appendonly).name;
        return Err(refusal(ConfigSetError::apply(name, AOF.to_owned())));
    }
    instance.announce_config();
    if tracking::needs_trim(instance) {
        tracking::trim(instance, context.db, Some(context.session.id()));
    }
    context.reply.ok();
    Ok(())
}

/// Turns the append-only file on or off, as is configured now; false if that cannot be.
fn switch_file(context: &mut Context<'_>) -> bool {
    let Context {
        db,
        instance,
        session,
        ..
    } = context;
    if !instance.config().appendonly() {
        switch::turn_off(db, instance);
        return true;
    }
    let may_begin = session.place == Place::Client && !instance.saving.is_running();
    switch::turn_on(db, instance, may_begin).is_ok()
}

/// The parameter that could not be put into effect, and why.
type Failure = (Param, String);

/// Puts the parameters of `changes` into effect with the values that `config` has.
fn apply(
    config: &Config,
    changes: &ChangeSet,
    instance: &Instance,
    db: &mut Db,
) -> Result<(), Failure> {
    for &param in &changes.changed {
        match param {
            Param::Port | Param::Bind => {
                let reason = if param == Param::Port { PORT } else { BIND };
                instance
                    .rebind(config)
                    .map_err(|_| (param, reason.to_owned()))?;
            }
            Param::TlsPort => return Err((param, PORT.to_owned())),
            Param::Maxclients => make_room(config.maxclients()).map_err(|text| (param, text))?,
            Param::Appendfsync => instance.aof.set_policy(config.appendfsync()),
            Param::AofTimestampEnabled => instance.log.note_time(config.aof_timestamp_enabled()),
            Param::Loglevel => log::set_level(config.loglevel()),
            Param::SlowlogLogSlowerThan | Param::SlowlogMaxLen => instance.slow_log.configure(
                config.slowlog_log_slower_than_us(),
                config.slowlog_max_len(),
            ),
            Param::NotifyKeyspaceEvents => {
                db.journal.events = events_wanted(config.notify_keyspace_events());
            }
            Param::ClientOutputBufferLimit => instance
                .clients
                .output_limits
                .configure(config.client_output_buffer_limits()),
            Param::ImportMode => pause::keep_expired(db, instance, config.import_mode()),
            Param::Save | Param::StopWritesOnBgsaveError => {
                instance.saving.show_trouble(config, &instance.attention);
            }
            Param::MaxmemoryPolicy | Param::LfuLogFactor | Param::LfuDecayTime => {
                db.access = crate::commands::generic::object::access_policy(config);
            }
            Param::ListMaxListpackSize
            | Param::SetMaxIntsetEntries
            | Param::SetMaxListpackEntries
            | Param::SetMaxListpackValue
            | Param::HashMaxListpackEntries
            | Param::HashMaxListpackValue
            | Param::ZsetMaxListpackEntries
            | Param::ZsetMaxListpackValue
            | Param::StreamNodeMaxBytes
            | Param::StreamNodeMaxEntries => {
                db.limits = crate::commands::generic::object::encoding_limits(config);
            }
            _ => {}
        }
    }
    Ok(())
}

const PORT: &str = "Unable to listen on this port. Check server logs.";
const BIND: &str = "Failed to bind to specified addresses.";
const AOF: &str = "Unable to turn on AOF. Check server logs.";

fn make_room(clients: u32) -> Result<(), String> {
    let room = limits::make_room_for_clients(clients.into());
    if room >= clients.into() {
        return Ok(());
    }
    Err(format!(
        "The operating system is not able to handle the specified number of clients, try with {room}"
    ))
}

fn refusal(error: ConfigSetError) -> CommandError {
    let code = if error == ConfigSetError::Loading {
        "LOADING"
    } else {
        "ERR"
    };
    let message = error.message();
    CommandError::Quoting([code.as_bytes(), b" ", &message].concat())
}

/// CONFIG RESETSTAT
static RESETSTAT: CommandSpec = CommandSpec::new("RESETSTAT", Group::Server, resetstat)
    .doc(
        "Sets the counters that INFO shows back to zero.",
        "2.0.0",
        "O(1)",
    )
    .arity(2)
    .flags(ADMIN)
    .tips(ON_ALL_NODES);

fn resetstat(context: &mut Context<'_>, _request: Request<'_>) -> CommandResult {
    context.instance.stats.reset();
    context.instance.clients.mail.reset_written();
    context.instance.reclaimer.reset();
    context.instance.aof.reset_stats();
    context.instance.saving.reset_stats();
    context.db.stats = KeyspaceStats::default();
    context.reply.ok();
    Ok(())
}

/// CONFIG REWRITE
static REWRITE: CommandSpec = CommandSpec::new("REWRITE", Group::Server, rewrite_command)
    .doc(
        "Brings the configuration file up to date with the parameters in effect.",
        "2.8.0",
        "O(1)",
    )
    .arity(2)
    .flags(ADMIN)
    .tips(ON_ALL_NODES);

fn rewrite_command(context: &mut Context<'_>, _request: Request<'_>) -> CommandResult {
    let Some(path) = &context.instance.config_file else {
        return Err(CommandError::fixed(
            "ERR The server is running without a config file",
        ));
    };
    match rewrite_file(path, &context.instance.config(), false) {
        Ok(()) => {
            tracing::warn!("CONFIG REWRITE executed with success.");
            context.reply.ok();
            Ok(())
        }
        Err(error) => {
            tracing::warn!("CONFIG REWRITE failed: {error}");
            Err(CommandError::err(format_args!(
                "Rewriting config file: {}",
                system_text(&error)
            )))
        }
    }
}

/// Rewrites the file at `path`: a new one is written beside it, synchronised, and put into its place, so that whatever
/// happens there is one whole file.
pub(super) fn rewrite_file(path: &Path, config: &Config, force_all: bool) -> io::Result<()> {
    let old = match std::fs::read(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
        read => read?,
    };
    let text = rewrite::rewrite(&old, config, force_all);
    let mut beside = path.as_os_str().to_owned();
    beside.push(format!("-{}.tmp", std::process::id()));
    let beside = PathBuf::from(beside);
    let written =
        write_synchronised(&beside, &text, path).and_then(|()| std::fs::rename(&beside, path));
    if written.is_err() {
        // The error is answered; the remains are of no use.
        let _ = std::fs::remove_file(&beside);
    }
    written?;
    match path.parent() {
        // The renaming itself is on the disk when the directory is.
        Some(directory) => std::fs::File::open(directory)?.sync_all(),
        None => Ok(()),
    }
}

/// Writes a file with the permissions of `model`.
fn write_synchronised(path: &Path, text: &[u8], model: &Path) -> io::Result<()> {
    let mut file = std::fs::File::create(path)?;
    if let Ok(metadata) = std::fs::metadata(model) {
        file.set_permissions(metadata.permissions())?;
    }
    file.write_all(text)?;
    file.sync_all()
}

/// CONFIG HELP
static HELP: CommandSpec = CommandSpec::new("HELP", Group::Server, help)
    .doc("Lists the subcommands.", "5.0.0", "O(1)")
    .arity(2)
    .flags(&[Flags::LOADING, Flags::STALE]);

fn help(context: &mut Context<'_>, _request: Request<'_>) -> CommandResult {
    context.help(
        "CONFIG",
        &[
            "GET <pattern> [<pattern> ...]",
            "    Answer the parameters whose names match, with their values.",
            "SET <parameter> <value> [<parameter> <value> ...]",
            "    Change parameters, all of them or none.",
            "RESETSTAT",
            "    Set the counters of INFO back to zero.",
            "REWRITE",
            "    Bring the configuration file up to date.",
        ],
    );
    Ok(())
}
