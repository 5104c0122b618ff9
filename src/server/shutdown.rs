//! Shutting down: SIGTERM, SIGINT and SHUTDOWN let every connection finish its batch; a second signal does not wait.

use std::time::Duration;

use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::instance::Instance;

/// Connections have so long to finish their batch; a peer that does not read cannot keep the server alive.
const DRAIN_LIMIT: Duration = Duration::from_secs(5);

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

    /// Waits until a shutdown is asked for. A second signal after that ends the process at once, with failure.
    pub async fn wait(self, instance: &Instance) {
        let Some((mut terminate, mut interrupt)) = self.0 else {
            instance.shutdown_requested().await;
            return;
        };
        tokio::select! {
            _ = instance.shutdown_requested() => {}
            () = received(&mut terminate) => tracing::warn!("Received SIGTERM scheduling shutdown..."),
            () = received(&mut interrupt) => tracing::warn!("Received SIGINT scheduling shutdown..."),
        }
        tracing::warn!("User requested shutdown...");
        // From here on a further signal means: now.
        tokio::spawn(async move {
            tokio::select! {
                () = received(&mut terminate) => {}
                () = received(&mut interrupt) => {}
            }
            tracing::warn!("You insist... exiting now.");
            std::process::exit(1);
        });
    }
}

async fn received(signal: &mut Signal) {
    if signal.recv().await.is_none() {
        std::future::pending::<()>().await;
    }
}

/// Closes every connection after its batch and waits until all are gone.
pub async fn drain(instance: &Instance) {
    for client in instance.clients.list() {
        client.kill();
    }
    if tokio::time::timeout(DRAIN_LIMIT, instance.clients.all_gone())
        .await
        .is_err()
    {
        tracing::warn!(
            "{} clients did not finish in time; closing them",
            instance.clients.len()
        );
    }
}
