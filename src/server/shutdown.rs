//! Shutting down: SIGTERM, SIGINT and SHUTDOWN let every connection finish its batch; a second signal does not wait.

use std::time::Duration;

use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::instance::Instance;

/// How the server came to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Connections were given the time to finish.
    Graceful,
    /// A second signal came: exit at once, with failure.
    Forced,
}

/// Connections have so long to finish their batch; a peer that does not read cannot keep the server alive.
const DRAIN_LIMIT: Duration = Duration::from_secs(5);

/// Waits until a shutdown is asked for.
pub async fn wait(instance: &Instance) -> Outcome {
    let (Ok(mut terminate), Ok(mut interrupt)) = (
        signal(SignalKind::terminate()),
        signal(SignalKind::interrupt()),
    ) else {
        tracing::warn!("Signals cannot be handled; only SHUTDOWN ends this server in order");
        instance.shutdown_requested().await;
        return Outcome::Graceful;
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
        force_exit();
    });
    Outcome::Graceful
}

async fn received(signal: &mut Signal) {
    if signal.recv().await.is_none() {
        std::future::pending::<()>().await;
    }
}

/// Ends the process by the default action of the signal, which nobody can hold up.
fn force_exit() {
    let _ = nix::sys::signal::raise(nix::sys::signal::Signal::SIGKILL);
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
