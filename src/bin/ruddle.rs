//! The server's program: reads the configuration, opens the log, serves.

use std::os::unix::ffi::OsStringExt;
use std::process::ExitCode;

use anyhow::Context;
use ruddle::config::argv::{self, Action};
use ruddle::config::file::{self, Loaded, Sources};
use ruddle::config::{Config, SystemHost};
use ruddle::instance::{REDIS_VERSION, RUDDLE_VERSION};
use ruddle::observe::log::{self, LogSettings};
use ruddle::server::shutdown::Outcome;
use ruddle::server::{Server, StartOptions};
use ruddle::store::alloc::{Counting, Mimalloc};

#[global_allocator]
static ALLOCATOR: Counting<Mimalloc> = Counting(Mimalloc);

fn main() -> ExitCode {
    let args: Vec<Vec<u8>> = std::env::args_os()
        .skip(1)
        .map(OsStringExt::into_vec)
        .collect();
    match argv::parse(&args) {
        Action::Run(sources) => start(sources),
        Action::Help => print(&argv::command(RUDDLE_VERSION).render_help().to_string()),
        Action::Version => print(&format!(
            "Ruddle server v={RUDDLE_VERSION} (Redis server v={REDIS_VERSION}) malloc=mimalloc bits={}\n",
            usize::BITS
        )),
        Action::CheckSystem => print(
            "[system] nothing to check: Ruddle never forks, so overcommit and huge pages do not matter\n",
        ),
        Action::TestMemory(_) => {
            eprintln!("Testing memory is the task of a tool of its own, such as memtester.");
            ExitCode::FAILURE
        }
    }
}

fn print(text: &str) -> ExitCode {
    print!("{text}");
    ExitCode::SUCCESS
}

fn start(mut sources: Sources) -> ExitCode {
    // The configuration may change the directory, so the file's path is made absolute first.
    let config_file = sources
        .file
        .as_ref()
        .and_then(|path| std::path::absolute(std::ffi::OsString::from_vec(path.clone())).ok());
    if sources.file.is_none() && sources.options.is_none() && !sources.stdin {
        sources.options = Some(Vec::new());
    }
    let loaded = match file::load(&sources, REDIS_VERSION, &mut SystemHost) {
        Ok(loaded) => loaded,
        Err(error) => {
            eprintln!("{error}");
            return ExitCode::FAILURE;
        }
    };
    match serve(loaded, config_file) {
        Ok(code) => code,
        Err(error) => {
            tracing::warn!("{error:#}");
            ExitCode::FAILURE
        }
    }
}

fn serve(loaded: Loaded, config_file: Option<std::path::PathBuf>) -> anyhow::Result<ExitCode> {
    open_log(&loaded.config)?;
    announce(&loaded.config, config_file.is_some());
    let renames = loaded
        .rename_commands
        .iter()
        .map(|directive| match directive.words.as_slice() {
            [from, to] => (from.clone(), to.clone()),
            _ => (Vec::new(), Vec::new()),
        });
    let options = StartOptions {
        config_file,
        executable: std::env::current_exe()
            .map_or_else(|_| String::new(), |path| path.display().to_string()),
        renames: renames.collect(),
        seed: None,
    };
    let pidfile = loaded
        .config
        .pidfile()
        .map(|path| String::from_utf8_lossy(path).into_owned());
    let port = loaded.config.port();
    let server = match Server::bind(loaded.config, options) {
        Ok(server) => server,
        Err(error) => {
            tracing::warn!(
                "Warning: Could not create server TCP listening socket {}: bind: {}",
                error.what,
                error.source
            );
            anyhow::bail!("Failed listening on port {port} (TCP), aborting.");
        }
    };
    if let Some(path) = &pidfile
        && let Err(error) = std::fs::write(path, format!("{}\n", std::process::id()))
    {
        tracing::warn!("Failed to write PID file: {error}");
    }
    log::set_role(log::Role::Primary);
    tracing::warn!("Server initialized");
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("starting the runtime")?;
    let outcome = runtime.block_on(server.run()).context("serving")?;
    // A save that was not waited for may still be at it.
    runtime.shutdown_background();
    if outcome != Outcome::Graceful {
        return Ok(ExitCode::FAILURE);
    }
    if let Some(path) = &pidfile {
        tracing::info!("Removing the pid file.");
        let _ = std::fs::remove_file(path);
    }
    tracing::warn!("Ruddle is now ready to exit, bye bye...");
    Ok(ExitCode::SUCCESS)
}

fn open_log(config: &Config) -> anyhow::Result<()> {
    let file = config
        .logfile()
        .map(|path| std::path::PathBuf::from(std::ffi::OsString::from_vec(path.to_vec())));
    log::init(&LogSettings {
        level: config.loglevel(),
        file,
    })?;
    Ok(())
}

/// The lines that Redis prints when it starts, which tools and its test suite wait for.
fn announce(config: &Config, has_file: bool) {
    let pid = std::process::id();
    tracing::warn!("oO0OoO0OoO0Oo Ruddle is starting oO0OoO0OoO0Oo");
    tracing::warn!(
        "Ruddle version={RUDDLE_VERSION}, Redis version={REDIS_VERSION}, bits={}, pid={pid}, just started",
        usize::BITS
    );
    if has_file {
        tracing::warn!("Configuration loaded");
    } else {
        tracing::warn!("Warning: no config file specified, using the default config.");
    }
    if config.daemonize() {
        tracing::warn!(
            "daemonize is set, but Ruddle stays in the foreground; leave the background to systemd or a shell"
        );
    }
    if config.always_show_logo() || std::io::IsTerminal::is_terminal(&std::io::stdout()) {
        log::raw(&format!(
            "\n      ___  Ruddle {RUDDLE_VERSION}\n     /  /  standalone, {}-bit\n    /--/   Port: {}\n   /  /    PID: {pid}\n\n",
            usize::BITS,
            config.port(),
        ));
    } else {
        tracing::warn!("Running mode=standalone, port={}.", config.port());
    }
}
