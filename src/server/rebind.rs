//! Listening on other TCP addresses while the server runs (CONFIG SET port, CONFIG SET bind).
//!
//! Life cycle: [`accept_all`] is a task that accepts on the sockets that it is given until it is given others. The
//! [`Rebinder`] has a second handle of each socket. To change the addresses it stops the sockets, which makes their
//! addresses free (new ones often overlap the old, as one address and all of them do), binds the new ones, and hands
//! them to the task. If that fails, it binds the old addresses again.
//!
//! A socket that was stopped is never made to listen again: to tokio its end is final, and an accept that has to wait
//! after that would spin.

use std::net::TcpListener;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use socket2::SockRef;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::task::JoinSet;

use super::io_threads::IoThreads;
use super::listener::{Addresses, ListenError, accept_tcp, bind_tcp};

/// Changes the addresses of a running server.
#[derive(Debug)]
pub struct Rebinder {
    listening: Mutex<Listening>,
    hand_over: UnboundedSender<Vec<TcpListener>>,
}

/// What is listened on.
#[derive(Debug)]
struct Listening {
    addresses: Addresses,
    sockets: Vec<TcpListener>,
}

/// Sockets for [`accept_all`], the first of them at once.
pub type Handed = UnboundedReceiver<Vec<TcpListener>>;

impl Rebinder {
    /// For a server that listens on `sockets`, bound to `addresses`. The sockets go the way that later ones go.
    pub fn new(
        sockets: Vec<TcpListener>,
        addresses: Addresses,
    ) -> std::io::Result<(Rebinder, Handed)> {
        let (hand_over, handed) = unbounded_channel();
        let listening = Listening {
            addresses,
            sockets: clone_all(&sockets)?,
        };
        let rebinder = Rebinder {
            listening: Mutex::new(listening),
            hand_over,
        };
        rebinder.give(sockets);
        Ok((rebinder, handed))
    }

    /// Listens on these addresses, if they are others than now. Connections stay as they are.
    pub fn rebind(&self, addresses: Addresses) -> Result<(), ListenError> {
        let mut listening = self.listening();
        if listening.addresses == addresses {
            return Ok(());
        }
        stop(&listening.sockets);
        let outcome = self.listen(&mut listening, addresses);
        if outcome.is_err() {
            let before = listening.addresses.clone();
            if let Err(error) = self.listen(&mut listening, before) {
                let ListenError { what, source } = error;
                tracing::error!("Nobody can connect any more: listening again on {what}: {source}");
            }
        }
        outcome
    }

    fn listen(&self, listening: &mut Listening, addresses: Addresses) -> Result<(), ListenError> {
        let sockets = bind_tcp(&addresses)?;
        let clones = clone_all(&sockets).map_err(|source| ListenError {
            what: "a second handle".to_owned(),
            source,
        })?;
        *listening = Listening {
            addresses,
            sockets: clones,
        };
        self.give(sockets);
        Ok(())
    }

    /// Stops listening, at once and for good: whoever connects is refused, and the addresses are free.
    pub fn stop(&self) {
        stop(&self.listening().sockets);
    }

    fn give(&self, sockets: Vec<TcpListener>) {
        // The task ends only when the server does; then nobody is to be accepted.
        let _ = self.hand_over.send(sockets);
    }

    fn listening(&self) -> MutexGuard<'_, Listening> {
        self.listening
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

fn clone_all(sockets: &[TcpListener]) -> std::io::Result<Vec<TcpListener>> {
    sockets.iter().map(TcpListener::try_clone).collect()
}

fn stop(sockets: &[TcpListener]) {
    for socket in sockets {
        // It fails for a socket that does not listen any more, which is what is wanted.
        let _ = SockRef::from(socket).shutdown(std::net::Shutdown::Both);
    }
}

/// Accepts on the sockets that were handed over last.
pub async fn accept_all(mut handed: Handed, threads: Arc<IoThreads>) {
    let mut tasks = JoinSet::new();
    while let Some(sockets) = handed.recv().await {
        tasks.shutdown().await;
        for socket in sockets {
            match tokio::net::TcpListener::from_std(socket) {
                Ok(listener) => {
                    tasks.spawn(accept_tcp(listener, Arc::clone(&threads)));
                }
                Err(error) => tracing::warn!("A listening socket cannot be used: {error}"),
            }
        }
    }
}
