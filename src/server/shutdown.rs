//! Shutting down: SIGTERM, SIGINT and SHUTDOWN let every connection finish its batch; a second signal does not wait.

use std::time::Duration;

use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::instance::Instance;

/// Connections have so long to finish their batch; a peer that does not read cannot keep the server alive.
const DRAIN_LIMIT: Duration = Duration::from_secs(5);

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

    /// Waits until a shutdown is asked for.
    pub async fn wait(&mut self, instance: &Instance) {
        tokio::select! {
            _ = instance.shutdown_requested() => {}
            name = self.next() => tracing::warn!("Received {name} scheduling shutdown..."),
        }
        tracing::warn!("User requested shutdown...");
    }

    /// Closes every connection after its batch and waits until all are gone, or until a second signal says: now.
    pub async fn drain(&mut self, instance: &Instance) -> Outcome {
        tokio::select! {
            () = drain(instance) => Outcome::Graceful,
            _ = self.next() => {
                tracing::warn!("You insist... exiting now.");
                Outcome::Forced
            }
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
