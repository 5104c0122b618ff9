//! What one running server shares beside the data set: configuration, clients, counters, the request to shut down.
//!
//! Everything here is behind its own short lock or an atomic, and is taken after the data set's lock, never before.

pub mod aof;
pub mod attention;
pub mod clients;
pub mod ending;
pub mod limits;
pub mod loading;
pub mod mail;
pub mod migrations;
pub mod monitors;
pub mod news;
mod outbox;
pub mod output;
pub mod pause;
pub mod pubsub;
pub mod reclaim;
pub mod saving;
pub mod stats;
pub mod tracking;
pub mod waiters;
pub mod watches;

use std::sync::atomic::{AtomicBool, AtomicU16, AtomicU64, AtomicUsize, Ordering};
use std::sync::{
    Arc, Mutex, MutexGuard, OnceLock, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard, Weak,
};
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use tokio::sync::Notify;
use tokio::sync::futures::Notified;

use crate::command::reads::ReadTracking;
use crate::command::transaction::Transaction;
use crate::command::{Registry, Session};
use crate::config::Config;
use crate::observe::slowlog::SlowLog;
use crate::persist::disk::{Disk, SystemDisk};
use crate::replication::log::Log;
use crate::script::engine::Scripts;
use crate::store::db::{Db, DbIndex};
use crate::store::journal::Events;
use attention::Attention;
use clients::Clients;
use loading::Loading;
use migrations::Migrations;
use monitors::Monitors;
use pause::Pause;
use pubsub::PubSub;
use reclaim::Reclaimer;
use saving::Saving;
use stats::Stats;
use tracking::Tracking;
use waiters::Waiters;
use watches::Watches;

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

/// Listens on the TCP addresses that a configuration names, in place of those before; where that fails, with the
/// reason, nothing has changed.
pub type Rebind = Box<dyn Fn(&Config) -> Result<(), String> + Send + Sync>;

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
    pub port: AtomicU16,
    /// The path of the program.
    pub executable: String,
    /// Whether the expiry sweep runs (DEBUG SET-ACTIVE-EXPIRE).
    pub active_expire: AtomicBool,
    /// Whether RESTORE takes payloads whatever their checksums (DEBUG SET-SKIP-CHECKSUM-VALIDATION).
    pub skip_checksums: AtomicBool,
    config_version: AtomicU64,
    /// Drops what is large away from the data set's lock.
    pub reclaimer: Reclaimer,
    /// Commands that were slow.
    pub slow_log: SlowLog,
    /// Whether periodic work rests (DEBUG PAUSE-CRON).
    pub cron_paused: AtomicBool,
    /// Bytes in use when the server was ready and its data set empty.
    pub startup_bytes: AtomicUsize,
    /// Saves of the data set.
    pub saving: Saving,
    /// The loading of the data set.
    pub loading: Loading,
    /// Whether a signal has asked for a shutdown that has not begun.
    pub shutdown_pending: AtomicBool,
    /// What every command has to look at.
    pub attention: Attention,
    /// Scripts and functions.
    pub scripts: Scripts,
    /// The log of writes.
    pub log: Log,
    /// The append-only file.
    pub aof: aof::Aof,
    /// The file system that the data set's files lie in.
    pub disk: Arc<dyn Disk>,
    itself: OnceLock<Weak<Instance>>,
    waiters: Mutex<Waiters>,
    watches: Mutex<Watches>,
    tracking: Mutex<Tracking>,
    pubsub: Mutex<PubSub>,
    monitors: Mutex<Monitors>,
    migrations: Mutex<Migrations>,
    migration_sent: Notify,
    pause: Mutex<Pause>,
    pause_changed: Notify,
    pause_ended: Notify,
    deadline_changed: Notify,
    rebind: OnceLock<Rebind>,
    replication_id: Mutex<String>,
    config: RwLock<Config>,
    shutdown: Mutex<Option<ShutdownRequest>>,
    shutdown_requested: Notify,
    config_changed: Notify,
}

impl Instance {
    /// The state of a server that starts with `config`.
    pub fn new(config: Config, registry: Registry, run_id: String) -> Self {
        let stats = Stats::new(registry.ids());
        let slow_log = SlowLog::new(
            config.slowlog_log_slower_than_us(),
            config.slowlog_max_len(),
        );
        let clients = Clients::default();
        clients
            .output_limits
            .configure(config.client_output_buffer_limits());
        Instance {
            registry,
            clients,
            stats,
            started: Instant::now(),
            run_id,
            config_file: None,
            port: AtomicU16::new(0),
            executable: String::new(),
            active_expire: AtomicBool::new(true),
            skip_checksums: AtomicBool::new(false),
            config_version: AtomicU64::new(0),
            reclaimer: Reclaimer::default(),
            slow_log,
            cron_paused: AtomicBool::new(false),
            startup_bytes: AtomicUsize::new(0),
            disk: Arc::new(SystemDisk),
            saving: Saving::new(unix_ms() / 1000),
            loading: Loading::default(),
            shutdown_pending: AtomicBool::new(false),
            attention: Attention::default(),
            scripts: Scripts::default(),
            log: Log::default(),
            aof: aof::Aof::default(),
            itself: OnceLock::new(),
            waiters: Mutex::default(),
            watches: Mutex::default(),
            tracking: Mutex::default(),
            pubsub: Mutex::default(),
            monitors: Mutex::default(),
            migrations: Mutex::default(),
            migration_sent: Notify::new(),
            pause: Mutex::default(),
            pause_changed: Notify::new(),
            pause_ended: Notify::new(),
            deadline_changed: Notify::new(),
            rebind: OnceLock::new(),
            replication_id: Mutex::new(String::new()),
            config: RwLock::new(config),
            shutdown: Mutex::new(None),
            shutdown_requested: Notify::new(),
            config_changed: Notify::new(),
        }
    }

    /// This state where it is shared: scripts hold on to it while they run.
    pub fn share(self) -> Arc<Self> {
        let shared = Arc::new(self);
        // It is new, and so has not been told before.
        let _ = shared.itself.set(Arc::downgrade(&shared));
        shared
    }

    /// The owner of this state that others may become; none before [`Instance::share`].
    pub fn shared(&self) -> Option<Arc<Self>> {
        self.itself.get()?.upgrade()
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
        self.config_version.fetch_add(1, Ordering::Release);
        self.config_changed.notify_waiters();
    }

    /// A number that another one replaces at each change of the configuration.
    #[inline]
    pub fn config_version(&self) -> u64 {
        self.config_version.load(Ordering::Acquire)
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

    /// Whether periodic work rests.
    pub fn cron_rests(&self) -> bool {
        self.cron_paused.load(Ordering::Relaxed)
    }

    /// Says how the addresses are changed; once, by the server that listens.
    pub fn set_rebind(&self, rebind: Rebind) {
        // A second one would be another server's, which has an instance of its own.
        let _ = self.rebind.set(rebind);
    }

    /// Listens on the TCP addresses of `config` from now on. An error changes nothing.
    pub fn rebind(&self, config: &Config) -> Result<(), String> {
        let Some(rebind) = self.rebind.get() else {
            return Err("this server does not listen".to_owned());
        };
        rebind(config)?;
        self.port.store(config.port(), Ordering::Relaxed);
        Ok(())
    }

    /// The clients that wait in a blocking command.
    pub fn waiters(&self) -> MutexGuard<'_, Waiters> {
        locked(&self.waiters)
    }

    /// The keys that are watched for transactions.
    pub fn watches(&self) -> MutexGuard<'_, Watches> {
        locked(&self.watches)
    }

    /// Who caches which keys.
    pub fn tracking(&self) -> MutexGuard<'_, Tracking> {
        locked(&self.tracking)
    }

    /// The subscriptions.
    pub fn pubsub(&self) -> MutexGuard<'_, PubSub> {
        locked(&self.pubsub)
    }

    /// The clients that are shown all commands.
    pub fn monitors(&self) -> MutexGuard<'_, Monitors> {
        locked(&self.monitors)
    }

    /// The migrations of keys to other servers.
    pub fn migrations(&self) -> MutexGuard<'_, Migrations> {
        locked(&self.migrations)
    }

    /// The pause of clients.
    pub fn pause(&self) -> MutexGuard<'_, Pause> {
        locked(&self.pause)
    }

    /// Says that the end of the pause may be another.
    pub fn announce_pause(&self) {
        self.pause_changed.notify_one();
    }

    /// Resolves when the end of the pause may be another.
    pub async fn pause_changed(&self) {
        self.pause_changed.notified().await;
    }

    /// Says that the pause has ended.
    pub fn announce_end_of_pause(&self) {
        self.announce_pause();
        self.pause_ended.notify_waiters();
    }

    /// Resolves at the next end of a pause from this call on.
    pub fn end_of_pause(&self) -> Notified<'_> {
        self.pause_ended.notified()
    }

    /// Says that all keys of a database may have changed: it was emptied, or exchanged with another.
    pub fn database_changed(&self, index: DbIndex) {
        if self.waiters().database_changed(index) {
            self.attention.raise(attention::READY_KEYS);
        }
    }

    /// Has the data set's journal kept for those who follow keys now, and the timer look at the deadlines again. To be
    /// called, under the data set's lock, when somebody has begun or ceased to follow, to wait or to subscribe.
    pub fn follow(&self, db: &mut Db) {
        let waiters = self.waiters();
        let earlier = waiters.needs_earlier_timer();
        if !waiters.has_ready() {
            self.attention.lower(attention::READY_KEYS);
        }
        db.journal.follows_changes =
            !(waiters.is_empty() && self.watches().is_empty() && self.tracking().is_empty());
        drop(waiters);
        db.journal.events = events_wanted(self.config().notify_keyspace_events());
        if earlier {
            self.deadline_changed.notify_one();
        }
    }

    /// Resolves when the first deadline of a blocked client may be another.
    pub async fn deadline_changed(&self) {
        self.deadline_changed.notified().await;
    }

    /// Forgets all that a client has begun: it is leaving, or starts anew.
    pub fn forget_client(&self, db: &mut Db, session: &mut Session) {
        let id = session.id();
        {
            let mut waiters = self.waiters();
            if let Some(waiter) = waiters.take(id) {
                waiters.forget(&waiter);
            }
        }
        if session.handle.monitors.load(Ordering::Relaxed)
            && self.monitors().forget(&session.handle)
        {
            self.attention.lower(attention::MONITORS);
        }
        self.pause().forget(id);
        session.import_source = false;
        session.handle.import_source.store(false, Ordering::Relaxed);
        self.watches().forget(id);
        session.transaction = Transaction::default();
        session
            .handle
            .figures
            .touched
            .store(false, Ordering::Relaxed);
        session.show_transaction();
        tracking::disable(self, &session.handle);
        session.tracking = ReadTracking::default();
        if session.handle.subscriptions.any() {
            self.pubsub().forget(&session.handle);
        }
        session.handle.set_parked(false);
        self.follow(db);
    }

    /// The 40 hexadecimal digits that name the history of this data set to replicas.
    pub fn replication_id(&self) -> String {
        self.replication_id
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// Starts another history, which no replica can continue.
    pub fn change_replication_id(&self, rng: &mut fastrand::Rng) {
        *self
            .replication_id
            .lock()
            .unwrap_or_else(PoisonError::into_inner) = random_id(rng);
    }
}

/// Milliseconds since 1970-01-01 UTC; 0 if the machine's clock stands before that.
#[inline]
pub fn unix_ms() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |elapsed| elapsed.as_millis() as u64)
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The classes of events that are published at all under this setting of `notify-keyspace-events`.
pub fn events_wanted(events: Events) -> Events {
    if events.contains(Events::KEYSPACE) || events.contains(Events::KEYEVENT) {
        events
    } else {
        Events::default()
    }
}

/// 40 random hexadecimal digits, as runs and histories are named.
pub fn random_id(rng: &mut fastrand::Rng) -> String {
    (0..40)
        .map(|_| char::from_digit(rng.u32(0..16), 16).unwrap_or('0'))
        .collect()
}
