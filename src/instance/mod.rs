//! What one running server shares beside the data set: configuration, clients, counters, the request to shut down.
//!
//! Everything here is behind its own short lock or an atomic, and is taken after the data set's lock, never before.

pub mod clients;
pub mod reclaim;
pub mod stats;

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::time::Instant;

use tokio::sync::Notify;

use crate::command::Registry;
use crate::config::Config;
use clients::Clients;
use reclaim::Reclaimer;
use stats::Stats;

/// The version of Redis whose behaviour and commands the server offers; clients decide by it what they may send.
pub const REDIS_VERSION: &str = "8.2.0";
/// The server's own version.
pub const RUDDLE_VERSION: &str = env!("CARGO_PKG_VERSION");

/// How SHUTDOWN was asked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ShutdownRequest {
    /// Do not wait for replicas.
    pub now: bool,
    /// Exit even if saving fails.
    pub force: bool,
    /// Save, do not save, or what the configuration says.
    pub save: Option<bool>,
}

/// The shared state of one server.
pub struct Instance {
    /// The commands.
    pub registry: Registry,
    /// The connected clients.
    pub clients: Clients,
    /// Counters.
    pub stats: Stats,
    /// When the server started.
    pub started: Instant,
    /// 40 hexadecimal digits that name this run.
    pub run_id: String,
    /// The path of the configuration file, if there is one.
    pub config_file: Option<std::path::PathBuf>,
    /// The TCP port that is listened on; 0 for none.
    pub port: u16,
    /// The path of the program.
    pub executable: String,
    /// Whether the expiry sweep runs (DEBUG SET-ACTIVE-EXPIRE).
    pub active_expire: AtomicBool,
    /// Drops what is large away from the data set's lock.
    pub reclaimer: Reclaimer,
    config: RwLock<Config>,
    shutdown: Mutex<Option<ShutdownRequest>>,
    shutdown_requested: Notify,
    config_changed: Notify,
}

impl Instance {
    /// The state of a server that starts with `config`.
    pub fn new(config: Config, registry: Registry, run_id: String) -> Self {
        let stats = Stats::new(registry.ids());
        Instance {
            registry,
            clients: Clients::default(),
            stats,
            started: Instant::now(),
            run_id,
            config_file: None,
            port: 0,
            executable: String::new(),
            active_expire: AtomicBool::new(true),
            reclaimer: Reclaimer::default(),
            config: RwLock::new(config),
            shutdown: Mutex::new(None),
            shutdown_requested: Notify::new(),
            config_changed: Notify::new(),
        }
    }

    /// The configuration, to be read for a moment.
    pub fn config(&self) -> RwLockReadGuard<'_, Config> {
        self.config.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// The configuration, to be changed; call [`Instance::announce_config`] after.
    pub fn config_mut(&self) -> RwLockWriteGuard<'_, Config> {
        self.config.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// Wakes whoever follows changes of the configuration.
    pub fn announce_config(&self) {
        self.config_changed.notify_waiters();
    }

    /// Resolves at the next change of the configuration.
    pub async fn config_changed(&self) {
        self.config_changed.notified().await;
    }

    /// Asks the server to shut down.
    pub fn request_shutdown(&self, request: ShutdownRequest) {
        *self.shutdown_slot() = Some(request);
        self.shutdown_requested.notify_one();
    }

    /// Resolves when a shutdown is asked for.
    pub async fn shutdown_requested(&self) -> ShutdownRequest {
        loop {
            if let Some(request) = *self.shutdown_slot() {
                return request;
            }
            self.shutdown_requested.notified().await;
        }
    }

    fn shutdown_slot(&self) -> MutexGuard<'_, Option<ShutdownRequest>> {
        self.shutdown.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether the expiry sweep runs.
    pub fn sweeps(&self) -> bool {
        self.active_expire.load(Ordering::Relaxed)
    }

    /// Drops `garbage`, one object of the data set, away from the caller, who may hold the data set's lock.
    pub fn reclaim(&self, garbage: impl Send + 'static) {
        self.reclaimer.hand_over(1, garbage);
    }
}
