//! The running server: start, listeners, I/O threads, the gate, background work, shutdown.
//!
//! [`Server::bind`] takes the addresses, [`Server::run`] serves until a shutdown is asked for by a signal or by
//! SHUTDOWN. The program in `src/bin/ruddle.rs` reads the configuration and calls both.

pub mod clock;
pub mod connection;
pub mod cron;
pub mod dispatch;
pub mod io_threads;
pub mod listener;
pub mod shutdown;

use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use crate::command::Registry;
use crate::config::Config;
use crate::instance::Instance;
use crate::store::db::Db;
use io_threads::IoThreads;
use listener::{ListenError, Listeners};

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
    pub fn bind(config: Config, options: StartOptions) -> Result<Self, ListenError> {
        let listeners = Listeners::bind(&config)?;
        let registry = Registry::new(crate::commands::all(), &options.renames);
        let mut db = Db::new(config.databases(), options.seed);
        db.limits.list_max_listpack_size = config.list_max_listpack_size();
        let run_id = random_hex(40, &mut db.rng);
        let mut instance = Instance::new(config, registry, run_id);
        instance.config_file = options.config_file;
        instance.executable = options.executable;
        if let Some(address) = listeners.addresses().first() {
            instance.port = address.port();
        }
        Ok(Server {
            instance: Arc::new(instance),
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
    pub async fn run(self) -> io::Result<shutdown::Outcome> {
        let Server {
            instance,
            db,
            listeners,
        } = self;
        let unix_path = listeners.unix_path().cloned();
        let threads = Arc::new(IoThreads::start(
            instance.config().io_threads(),
            &db,
            &instance,
        )?);
        let mut tasks = listeners.start(&threads)?;
        tasks.push(tokio::spawn(cron::sweep_expired(
            Arc::clone(&db),
            Arc::clone(&instance),
        )));
        tasks.push(tokio::spawn(cron::close_idle_clients(Arc::clone(
            &instance,
        ))));
        tasks.push(tokio::spawn(cron::sample_rates(Arc::clone(&instance))));
        tracing::info!("Ready to accept connections");
        if let Some(path) = &unix_path {
            tracing::info!(
                "The server is now ready to accept connections at {}",
                path.display()
            );
        }
        let outcome = shutdown::wait(&instance).await;
        for task in tasks {
            task.abort();
        }
        if outcome == shutdown::Outcome::Graceful {
            shutdown::drain(&instance).await;
        }
        if let Some(path) = unix_path {
            tracing::info!("Removing the unix socket file.");
            let _ = std::fs::remove_file(path);
        }
        Ok(outcome)
    }
}

/// `digits` random hexadecimal digits.
fn random_hex(digits: usize, rng: &mut fastrand::Rng) -> String {
    (0..digits)
        .map(|_| char::from_digit(rng.u32(0..16), 16).unwrap_or('0'))
        .collect()
}
