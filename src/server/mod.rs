//! The running server: start, listeners, I/O threads, the gate, background work, shutdown.
//!
//! [`Server::bind`] takes the addresses, [`Server::run`] serves until a shutdown is asked for by a signal or by
//! SHUTDOWN. The program in `src/bin/ruddle.rs` reads the configuration and calls both.

pub mod busy;
pub mod clock;
pub mod connection;
pub mod cron;
pub mod dispatch;
pub mod io_threads;
pub mod listener;
pub mod migrate;
pub mod pending;
pub mod postman;
pub mod prefetch;
pub mod rebind;
pub mod shutdown;
pub mod startup;

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use parking_lot::Mutex;
use tokio::net::UnixListener;
use tokio::task::JoinHandle;

use crate::command::Registry;
use crate::config::{Config, Param, SystemHost};
use crate::instance::attention::ENDING;
use crate::instance::{Instance, Rebind, aof, limits, random_id};
use crate::store::alloc;
use crate::store::db::Db;
use io_threads::IoThreads;
use listener::{Addresses, ListenError, Listeners, accept_unix};
use rebind::{Rebinder, accept_all};
use shutdown::{Outcome, Signals};

/// A server whose addresses are bound.
pub struct Server {
    instance: Arc<Instance>,
    db: Arc<Mutex<Db>>,
    listeners: Listeners,
}

/// What a server is started with beside its configuration.
#[derive(Debug, Default)]
pub struct StartOptions {
    /// The path of the configuration file.
    pub config_file: Option<std::path::PathBuf>,
    /// The path of the program.
    pub executable: String,
    /// Commands that have another name, or with an empty one none: pairs of the name and the new one.
    pub renames: Vec<(Vec<u8>, Vec<u8>)>,
    /// Keys the hash and all randomness; drawn from the system's randomness where it is not given.
    pub seed: Option<u64>,
}

impl Server {
    /// Binds the addresses of `config` and prepares an empty data set.
    pub fn bind(mut config: Config, options: StartOptions) -> Result<Self, ListenError> {
        fit_clients(&mut config);
        let listeners = Listeners::bind(&config)?;
        let registry = Registry::new(crate::commands::all(), &options.renames);
        let mut db = Db::new(config.databases(), options.seed);
        db.keeps_expired = config.import_mode();
        db.access = crate::commands::generic::object::access_policy(&config);
        db.limits = crate::commands::generic::object::encoding_limits(&config);
        let run_id = random_id(&mut db.rng);
        let mut instance = Instance::new(config, registry, run_id);
        instance.change_replication_id(&mut db.rng);
        instance.config_file = options.config_file;
        instance.executable = options.executable;
        if let Some(address) = listeners.addresses().first() {
            *instance.port.get_mut() = address.port();
        }
        instance.follow(&mut db);
        Ok(Server {
            instance: instance.share(),
            db: Arc::new(Mutex::new(db)),
            listeners,
        })
    }

    /// The TCP addresses that are listened on.
    pub fn addresses(&self) -> Vec<SocketAddr> {
        self.listeners.addresses()
    }

    /// The server's shared state.
    pub fn instance(&self) -> &Arc<Instance> {
        &self.instance
    }

    /// Serves until a shutdown is asked for, and shuts down. Call within a tokio runtime.
    pub async fn run(self) -> io::Result<Outcome> {
        let Server {
            instance,
            db,
            listeners,
        } = self;
        let mut signals = Signals::listen();
        let unix_path = listeners.unix_path().cloned();
        if aof::open::find(&instance).is_err() {
            return Ok(Outcome::Failed);
        }
        let threads = Arc::new(IoThreads::start(
            instance.config().io_threads(),
            &db,
            &instance,
        )?);
        let (sockets, unix) = listeners.into_sockets();
        let (rebinder, handed) = Rebinder::new(sockets, Addresses::of(&instance.config()))?;
        let rebinder = Arc::new(rebinder);
        let mut tasks = vec![tokio::spawn(accept_all(handed, Arc::clone(&threads)))];
        if let Some(unix) = unix {
            let unix = UnixListener::from_std(unix)?;
            tasks.push(tokio::spawn(accept_unix(unix, Arc::clone(&threads))));
        }
        instance.set_rebind(rebind_with(Arc::clone(&rebinder)));
        tasks.extend(cron::start(&db, &instance));
        instance
            .startup_bytes
            .store(alloc::used_bytes(), Ordering::Relaxed);
        // No client is served before the first await, and so none before this.
        let loading = startup::begin(&db, &instance)?;
        let ending = serve(&db, &instance, &mut signals, loading, unix_path.as_deref()).await;
        // The addresses are free before any client is told.
        rebinder.stop();
        tasks.iter().for_each(JoinHandle::abort);
        for task in tasks {
            // Its end by abortion is no news.
            let _ = task.await;
        }
        let mut outcome = match ending {
            Outcome::Graceful => signals.drain(&instance).await,
            at_once => at_once,
        };
        if outcome == Outcome::Graceful {
            // Whoever is still there is not to be acknowledged what comes too late for the file.
            instance.attention.raise(ENDING);
            instance.aof.close(&instance);
            if instance.aof.is_lost() {
                outcome = Outcome::Failed;
            }
        }
        if let Some(path) = unix_path {
            remove_socket(&path, outcome);
        }
        Ok(outcome)
    }
}

fn remove_socket(path: &std::path::Path, outcome: Outcome) {
    // The last line of a server that has failed says why.
    if outcome != Outcome::Failed {
        tracing::info!("Removing the unix socket file.");
    }
    let _ = std::fs::remove_file(path);
}

/// Waits until the server is to end: as somebody has asked for that, or as it cannot go on.
async fn serve(
    db: &Arc<Mutex<Db>>,
    instance: &Arc<Instance>,
    signals: &mut Signals,
    mut loading: Option<startup::Outcome>,
    unix_path: Option<&std::path::Path>,
) -> Outcome {
    if loading.is_none() {
        announce(unix_path);
    }
    loop {
        tokio::select! {
            ending = signals.wait(db, instance) => return ending,
            is_loaded = loaded(&mut loading) => match is_loaded {
                true => announce(unix_path),
                false => return Outcome::Failed,
            },
            () = instance.aof.lost() => return Outcome::Failed,
        }
    }
}

/// Waits for the end of the loading, if there is any, and tells whether it succeeded.
async fn loaded(loading: &mut Option<startup::Outcome>) -> bool {
    match loading {
        Some(outcome) => {
            // A thread that says nothing has panicked.
            let is_loaded = outcome.await.unwrap_or(false);
            *loading = None;
            is_loaded
        }
        None => std::future::pending().await,
    }
}

/// Says that clients are served.
fn announce(unix_path: Option<&std::path::Path>) {
    tracing::info!("Ready to accept connections");
    if let Some(path) = unix_path {
        tracing::info!(
            "The server is now ready to accept connections at {}",
            path.display()
        );
    }
}

/// What CONFIG SET calls to change the addresses.
fn rebind_with(rebinder: Arc<Rebinder>) -> Rebind {
    Box::new(move |config| {
        rebinder.rebind(Addresses::of(config)).map_err(|error| {
            let ListenError { what, source } = error;
            tracing::warn!("Could not create server TCP listening socket {what}: bind: {source}");
            source.to_string()
        })
    })
}

/// Raises the limit of open files for `maxclients`, or lowers that to what the system allows.
fn fit_clients(config: &mut Config) {
    let wanted = u64::from(config.maxclients());
    let room = limits::make_room_for_clients(wanted);
    if room < wanted {
        tracing::warn!(
            "The system's limit of open files leaves room for {room} clients, not for {wanted}: maxclients is {room}. \
             See 'ulimit -n'."
        );
        let room = room.to_string();
        // The number is in the parameter's range.
        let _ = config.assign(Param::Maxclients, &[room.as_bytes()], &mut SystemHost);
    }
}
