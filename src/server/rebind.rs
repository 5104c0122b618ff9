//! Listening on other TCP addresses while the server runs (CONFIG SET port, CONFIG SET bind).
//!
//! Life cycle: [`accept_all`] is a task that accepts on the sockets that it is given until it is given others. The
//! [`Rebinder`] has a second handle of each socket. To change the addresses it stops the sockets, which makes their
//! addresses free (new ones often overlap the old, as one address and all of them do), binds the new ones, and hands
//! them to the task. If that fails, the old sockets, which have kept their addresses, listen again.

use std::net::TcpListener;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use socket2::SockRef;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::task::JoinSet;

use super::io_threads::IoThreads;
use super::listener::{ListenError, accept_tcp, bind_tcp};
use crate::config::Config;

/// Changes the addresses of a running server.
#[derive(Debug)]
pub struct Rebinder {
    listening: Mutex<Listening>,
    hand_over: UnboundedSender<Vec<TcpListener>>,
}

/// What is listened on.
#[derive(Debug)]
struct Listening {
    port: u16,
    bind: Vec<Box<[u8]>>,
    sockets: Vec<TcpListener>,
}

/// Sockets for [`accept_all`], the first of them at once.
pub type Handed = UnboundedReceiver<Vec<TcpListener>>;

impl Rebinder {
    /// For a server that listens on `sockets`, as `config` says. The sockets go the way that later ones go.
    pub fn new(sockets: Vec<TcpListener>, config: &Config) -> std::io::Result<(Rebinder, Handed)> {
        let (hand_over, handed) = unbounded_channel();
        let listening = Listening {
            port: config.port(),
            bind: config.bind().to_vec(),
            sockets: clone_all(&sockets)?,
        };
        let rebinder = Rebinder {
            listening: Mutex::new(listening),
            hand_over,
        };
        rebinder.give(sockets);
        Ok((rebinder, handed))
    }

    /// Listens on what `config` says, if that is something else than now. Connections stay as they are.
    pub fn rebind(&self, config: &Config) -> Result<(), ListenError> {
        let mut listening = self.listening();
        if listening.port == config.port() && listening.bind == config.bind() {
            return Ok(());
        }
        stop(&listening.sockets);
        let bound = bind_tcp(config).and_then(|sockets| {
            let clones = clone_all(&sockets).map_err(|source| ListenError {
                what: "a copy".to_owned(),
                source,
            })?;
            Ok((sockets, clones))
        });
        match bound {
            Ok((sockets, clones)) => {
                listening.port = config.port();
                listening.bind = config.bind().to_vec();
                listening.sockets = clones;
                self.give(sockets);
                Ok(())
            }
            Err(error) => {
                for socket in &listening.sockets {
                    let backlog = i32::try_from(config.tcp_backlog()).unwrap_or(i32::MAX);
                    if let Err(error) = SockRef::from(socket).listen(backlog) {
                        tracing::warn!("Listening again after a failure: {error}");
                    }
                }
                Err(error)
            }
        }
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
