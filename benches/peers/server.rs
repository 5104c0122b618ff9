//! Servers under measurement: found, started on a port of their own, mostly with persistence off, sampled, and killed when
//! dropped.
//!
//! To add a peer, add its program's name to [`PEERS`]. What is read of a process comes from Linux: its
//! CPU clock (all its threads, also those that have ended) and `/proc/PID/status`.

use std::fs::{self, File};
use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use nix::time::{ClockId, clock_gettime};
use nix::unistd::Pid;

use crate::client::Client;

/// Programs that are compared with, where they are on PATH. The limits are against the first of them.
const PEERS: &[&str] = &["redis-server", "valkey-server"];

/// How long a server may take until it answers PING.
const START_TIMEOUT: Duration = Duration::from_secs(10);
/// The same where it loads a large data set first.
const LOAD_TIMEOUT: Duration = Duration::from_secs(120);

/// A server program.
#[derive(Debug)]
pub(crate) struct Program {
    /// Name in the report.
    pub(crate) name: String,
    /// The executable file.
    pub(crate) path: PathBuf,
    /// Version as the program tells it.
    pub(crate) version: String,
    /// Whether the limits are stated against this one.
    pub(crate) is_reference: bool,
}

impl Program {
    /// Ruddle first, then every peer on PATH. The environment's RUDDLE_BIN replaces the binary that cargo built.
    pub(crate) fn find_all() -> Result<Vec<Program>> {
        let ruddle =
            std::env::var_os("RUDDLE_BIN").unwrap_or_else(|| env!("CARGO_BIN_EXE_ruddle").into());
        let mut programs = vec![Program::new("ruddle", PathBuf::from(ruddle))?];
        for name in PEERS {
            if let Some(path) = on_path(name) {
                programs.push(Program::new(name, path)?);
            }
        }
        Ok(programs)
    }

    fn new(name: &str, path: PathBuf) -> Result<Program> {
        let output = Command::new(&path).arg("--version").output();
        let output = output.with_context(|| format!("{} --version", path.display()))?;
        let text = String::from_utf8_lossy(&output.stdout);
        Ok(Program {
            name: name.to_owned(),
            path,
            version: version_in(&text),
            is_reference: name == PEERS[0],
        })
    }

    /// Starts the program with persistence off and waits for its first PONG.
    pub(crate) fn start(&self) -> Result<Server> {
        self.start_with(Persistence::Off)
    }

    /// The same with such persistence.
    pub(crate) fn start_with(&self, persistence: Persistence) -> Result<Server> {
        Server::start(self, persistence)
    }
}

/// What a server writes of its own accord.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Persistence {
    /// Nothing.
    Off,
    /// An append-only file, synced each second, rewritten when that is asked for.
    AppendOnly,
}

impl Persistence {
    /// The parameters that say so, for every server.
    fn arguments(self) -> &'static [&'static str] {
        match self {
            Persistence::Off => &["--save", "", "--appendonly", "no"],
            Persistence::AppendOnly => &[
                "--save",
                "",
                "--appendonly",
                "yes",
                "--appendfsync",
                "everysec",
                "--auto-aof-rewrite-percentage",
                "0",
            ],
        }
    }
}

/// The version number in what `--version` printed: `Redis server v=7.0.15 sha=...` or `ruddle 0.1.0`.
fn version_in(text: &str) -> String {
    let word = text
        .split_whitespace()
        .find_map(|word| word.strip_prefix("v="));
    let word = word.or_else(|| {
        text.split_whitespace()
            .find(|word| word.starts_with(|c: char| c.is_ascii_digit()))
    });
    word.unwrap_or("of unknown version").to_owned()
}

/// The first executable of this name on PATH.
pub(crate) fn on_path(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path)
        .map(|folder| folder.join(name))
        .find(|file| file.is_file())
}

/// A running server.
#[derive(Debug)]
pub(crate) struct Server {
    /// Its TCP port on 127.0.0.1.
    pub(crate) port: u16,
    /// From the start of the process to its first PONG.
    pub(crate) time_to_pong: Duration,
    process: Child,
    cpu_clock: ClockId,
    folder: PathBuf,
    program: PathBuf,
    persistence: Persistence,
}

impl Server {
    fn start(program: &Program, persistence: Persistence) -> Result<Server> {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let serial = COUNT.fetch_add(1, Ordering::Relaxed);
        let folder =
            std::env::temp_dir().join(format!("ruddle-peers-{}-{serial}", std::process::id()));
        fs::create_dir_all(&folder)?;
        let port = free_port()?;
        let started = Instant::now();
        let process = spawn(&program.path, port, &folder, persistence)?;
        let cpu_clock = ClockId::pid_cpu_clock_id(Pid::from_raw(process.id().cast_signed()))?;
        let mut server = Server {
            port,
            time_to_pong: Duration::ZERO,
            process,
            cpu_clock,
            folder,
            program: program.path.clone(),
            persistence,
        };
        server
            .wait_for_pong(started, START_TIMEOUT)
            .with_context(|| format!("{} did not start", program.path.display()))?;
        Ok(server)
    }

    /// Kills the process and starts it again where its files are. The time to its PONG then includes loading them.
    pub(crate) fn restart(&mut self) -> Result<()> {
        self.process.kill()?;
        self.process.wait()?;
        let started = Instant::now();
        self.process = spawn(&self.program, self.port, &self.folder, self.persistence)?;
        let pid = Pid::from_raw(self.process.id().cast_signed());
        self.cpu_clock = ClockId::pid_cpu_clock_id(pid)?;
        self.wait_for_pong(started, LOAD_TIMEOUT)
    }

    /// Tries until the server answers. The pause is far below what is measured, and leaves the cores to the server.
    fn wait_for_pong(&mut self, started: Instant, limit: Duration) -> Result<()> {
        loop {
            if Client::connect(self.port)
                .and_then(|mut client| client.ping())
                .is_ok()
            {
                self.time_to_pong = started.elapsed();
                return Ok(());
            }
            let exited = self.process.try_wait()?;
            if exited.is_some() || started.elapsed() > limit {
                let log = fs::read_to_string(self.folder.join("log")).unwrap_or_default();
                bail!(
                    "no PONG on port {} (exit: {exited:?}); its output was:\n{log}",
                    self.port
                );
            }
            std::thread::sleep(Duration::from_micros(50));
        }
    }

    /// User and system time of all threads so far.
    pub(crate) fn cpu_time(&self) -> Result<Duration> {
        Ok(clock_gettime(self.cpu_clock)?.into())
    }

    /// Resident memory in bytes.
    pub(crate) fn resident_bytes(&self) -> Result<u64> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.process.id()))?;
        let line = status
            .lines()
            .find_map(|line| line.strip_prefix("VmRSS:"))
            .context("no VmRSS")?;
        let kib = line
            .trim()
            .strip_suffix(" kB")
            .context("VmRSS is not in kB")?;
        Ok(kib.trim().parse::<u64>()? * 1024)
    }

    /// A connection to it.
    pub(crate) fn connect(&self) -> Result<Client> {
        Client::connect(self.port)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Nothing is left to save, and a failure here has nobody to tell: the process is gone already.
        let _ = self.process.kill();
        let _ = self.process.wait();
        let _ = fs::remove_dir_all(&self.folder);
    }
}

/// Starts a program; it loads what is in the folder.
fn spawn(program: &Path, port: u16, folder: &Path, persistence: Persistence) -> Result<Child> {
    let log = File::create(folder.join("log"))?;
    Command::new(program)
        .args(["--port", &port.to_string(), "--bind", "127.0.0.1"])
        .args(persistence.arguments())
        .arg("--dir")
        .arg(folder)
        .stdin(Stdio::null())
        .stdout(log.try_clone()?)
        .stderr(log)
        .spawn()
        .with_context(|| format!("cannot start {}", program.display()))
}

/// A port that the system says is free.
fn free_port() -> Result<u16> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?
        .local_addr()?
        .port())
}

/// Where the measurements were taken: processor, cores, memory and kernel.
pub(crate) fn machine() -> String {
    let field = |file: &str, name: &str| {
        let text = fs::read_to_string(Path::new("/proc").join(file)).unwrap_or_default();
        let value = text
            .lines()
            .find(|line| line.starts_with(name))
            .and_then(|line| line.split_once(':'));
        value.map_or_else(
            || "unknown".to_owned(),
            |(_, value)| value.trim().to_owned(),
        )
    };
    let memory_kib = field("meminfo", "MemTotal")
        .trim_end_matches(" kB")
        .parse::<u64>()
        .unwrap_or(0);
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    let memory_gib = memory_kib.div_ceil(1024 * 1024);
    format!(
        "{}, {cores} cores, {memory_gib} GiB, Linux {}",
        field("cpuinfo", "model name"),
        kernel.trim()
    )
}
