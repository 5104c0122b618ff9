//! Shutting down: SIGTERM, SIGINT and SHUTDOWN save the data set where that is configured, and let every connection finish
//! its batch; a second signal does not wait. Where saving fails, the server goes on.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::signal::unix::{Signal, SignalKind, signal};

use super::busy;
use crate::instance::{Instance, ShutdownRequest, ending, saving};
use crate::store::db::Db;

/// Connections have so long to finish their batch; a peer that does not read cannot keep the server alive.
const DRAIN_LIMIT: Duration = Duration::from_secs(5);

/// A shutdown that has to wait looks again so often.
const REST_STEP: Duration = Duration::from_millis(2);

/// They have so long when one of them is in a script that does not end.
const BUSY_DRAIN_LIMIT: Duration = Duration::from_millis(200);

/// How the server came to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Connections were given the time to finish.
    Graceful,
    /// A second signal came: the process is to end at once, with failure.
    Forced,
    /// The data set could not be loaded, or nobody knows what of it is on the disk.
    Failed,
}

/// The signals that ask for a shutdown. From [`Signals::listen`] on they no longer end the process by themselves, so
/// that comes before the server says that it is ready.
#[derive(Debug)]
pub struct Signals(Option<(Signal, Signal)>);

impl Signals {
    /// Begins to listen. Where that cannot be, only SHUTDOWN ends the server in order.
    pub fn listen() -> Self {
        let terminate = signal(SignalKind::terminate());
        let interrupt = signal(SignalKind::interrupt());
        if terminate.is_err() || interrupt.is_err() {
            tracing::warn!("Signals cannot be handled; only SHUTDOWN ends this server in order");
        }
        Signals(terminate.ok().zip(interrupt.ok()))
    }

    /// Waits until a shutdown is asked for and the data set is ready for it. One that fails for that, or is called off, is
    /// over, and the waiting goes on.
    pub async fn wait(&mut self, db: &Arc<Mutex<Db>>, instance: &Arc<Instance>) -> Outcome {
        loop {
            let name = tokio::select! {
                // SHUTDOWN has prepared it.
                _ = instance.shutdown_requested() => return Outcome::Graceful,
                name = self.next() => name,
            };
            tracing::warn!("Received {name} scheduling shutdown...");
            if !is_kept(instance).await {
                continue;
            }
            let request = request_of(name, instance);
            let (db, shared) = (Arc::clone(db), Arc::clone(instance));
            let preparing = tokio::task::spawn_blocking(move || prepare(&db, &shared, request));
            tokio::select! {
                prepared = preparing => if prepared.unwrap_or(false) {
                    return Outcome::Graceful;
                },
                _ = self.next() => {
                    saving::abandon(instance);
                    return insist();
                }
            }
        }
    }

    /// Closes every connection after its batch and waits until all are gone, or until a second signal says: now.
    pub async fn drain(&mut self, instance: &Instance) -> Outcome {
        tokio::select! {
            () = drain(instance) => Outcome::Graceful,
            _ = self.next() => insist(),
        }
    }

    /// The name of the next signal; never ready where signals cannot be listened to.
    async fn next(&mut self) -> &'static str {
        let Some((terminate, interrupt)) = &mut self.0 else {
            return std::future::pending().await;
        };
        tokio::select! {
            () = received(terminate) => "SIGTERM",
            () = received(interrupt) => "SIGINT",
        }
    }
}

fn insist() -> Outcome {
    tracing::warn!("You insist... exiting now.");
    Outcome::Forced
}

/// What a signal asks for.
fn request_of(name: &str, instance: &Instance) -> ShutdownRequest {
    let config = instance.config();
    ShutdownRequest::of_signal(match name {
        "SIGINT" => config.shutdown_on_sigint(),
        _ => config.shutdown_on_sigterm(),
    })
}

/// Waits while periodic work rests, to which a shutdown by a signal belongs; false if it is called off meanwhile.
async fn is_kept(instance: &Instance) -> bool {
    instance.shutdown_pending.store(true, Ordering::Relaxed);
    while instance.cron_rests() {
        if !instance.shutdown_pending.load(Ordering::Relaxed) {
            return false;
        }
        tokio::time::sleep(REST_STEP).await;
    }
    instance.shutdown_pending.swap(false, Ordering::Relaxed)
}

/// Readies the data set for the end, as [`ending::prepare`]. A script that runs for too long is ended where it can be; where
/// it cannot, it is waited for if the data set is to be saved.
fn prepare(db: &Mutex<Db>, instance: &Instance, request: ShutdownRequest) -> bool {
    loop {
        if let Some(mut db) = busy::lock(db, instance) {
            return ending::prepare(&mut db, instance, request);
        }
        let running = &instance.scripts.running;
        let killed = running.busy().map(|kind| running.kill(kind));
        if matches!(killed, Some(Err(_))) && !ending::saves(instance, request) {
            tracing::warn!("User requested shutdown...");
            return true;
        }
        std::thread::sleep(REST_STEP);
    }
}

async fn received(signal: &mut Signal) {
    if signal.recv().await.is_none() {
        std::future::pending::<()>().await;
    }
}

/// Closes every connection after its batch and waits until all are gone.
async fn drain(instance: &Instance) {
    for client in instance.clients.list() {
        client.kill();
    }
    let running = &instance.scripts.running;
    let limit = match running.busy().map(|kind| running.kill(kind)) {
        // A script that has written is not ended, and its client cannot be waited for.
        Some(Err(_)) => BUSY_DRAIN_LIMIT,
        _ => DRAIN_LIMIT,
    };
    if tokio::time::timeout(limit, instance.clients.all_gone())
        .await
        .is_err()
    {
        tracing::warn!(
            "{} clients did not finish in time; closing them",
            instance.clients.len()
        );
    }
}
