//! The I/O threads: each is a tokio runtime of its own, and a connection stays on the thread that it was given.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::os::fd::AsRawFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use socket2::{SockRef, TcpKeepalive};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, UnixStream};
use tokio::runtime::Runtime;

use super::clock;
use super::connection::{Connection, refuse};
use super::postman;
use crate::instance::Instance;
use crate::instance::clients::Endpoint;
use crate::instance::mail::PostBox;
use crate::store::db::Db;

const MAX_CLIENTS_REACHED: &str = "-ERR max number of clients reached\r\n";
const PROTECTED: &str = "-DENIED Ruddle is running in protected mode because protected mode is enabled and no \
password is set for the default user. In this mode connections are only accepted from the loopback interface. \
If you want to connect from external computers, set a password (requirepass), or turn protected mode off \
(CONFIG SET protected-mode no, or --protected-mode no).\r\n";

/// A socket that a listener has accepted.
#[derive(Debug)]
pub enum Accepted {
    /// Over TCP.
    Tcp(std::net::TcpStream),
    /// Over a Unix socket.
    Unix(std::os::unix::net::UnixStream),
}

/// The threads that serve connections.
pub struct IoThreads {
    /// Of one thread each. The kind that can have several, because a script that runs for long gives its thread's other
    /// connections away to a new one.
    threads: Vec<(Runtime, Arc<PostBox>)>,
    next: AtomicUsize,
    db: Arc<Mutex<Db>>,
    instance: Arc<Instance>,
}

impl IoThreads {
    /// Starts `count` threads that serve connections on `db`.
    pub fn start(count: usize, db: &Arc<Mutex<Db>>, instance: &Arc<Instance>) -> io::Result<Self> {
        let start = |number: usize| {
            let mut builder = tokio::runtime::Builder::new_multi_thread();
            builder
                .worker_threads(1)
                .thread_name(format!("io-{number}"))
                .enable_io();
            // Who came first is served first; by default the task that was woken last runs first.
            #[cfg(tokio_unstable)]
            builder.disable_lifo_slot();
            let runtime = builder.build()?;
            let post_box = Arc::new(PostBox::default());
            runtime.spawn(postman::run(Arc::clone(&post_box), Arc::clone(instance)));
            Ok((runtime, post_box))
        };
        Ok(IoThreads {
            threads: (0..count.max(1)).map(start).collect::<io::Result<_>>()?,
            next: AtomicUsize::new(0),
            db: Arc::clone(db),
            instance: Arc::clone(instance),
        })
    }

    /// Gives a socket to the thread whose turn it is.
    pub fn serve(&self, stream: Accepted) {
        let turn = self.next.fetch_add(1, Ordering::Relaxed) % self.threads.len();
        let (db, instance) = (Arc::clone(&self.db), Arc::clone(&self.instance));
        let (runtime, post_box) = &self.threads[turn];
        let post_box = Arc::clone(post_box);
        runtime.spawn(async move {
            if let Err(error) = serve_one(stream, turn, &db, &instance, &post_box).await {
                tracing::debug!("Setting up a client connection: {error}");
            }
        });
    }
}

impl Drop for IoThreads {
    fn drop(&mut self) {
        for (runtime, _) in self.threads.drain(..) {
            // To wait for its end is not allowed where this may be dropped; its clients are gone anyway.
            runtime.shutdown_background();
        }
    }
}

async fn serve_one(
    accepted: Accepted,
    io_thread: usize,
    db: &Mutex<Db>,
    instance: &Instance,
    post_box: &PostBox,
) -> io::Result<()> {
    match accepted {
        Accepted::Tcp(stream) => {
            // Errors of these calls mean that the peer has gone.
            let (peer, local) = (stream.peer_addr()?, stream.local_addr()?);
            stream.set_nodelay(true)?;
            let keepalive_s = u64::from(instance.config().tcp_keepalive_s());
            if keepalive_s > 0 {
                let interval = Duration::from_secs((keepalive_s / 3).max(1));
                let keepalive = TcpKeepalive::new()
                    .with_time(Duration::from_secs(keepalive_s))
                    .with_interval(interval)
                    .with_retries(3);
                SockRef::from(&stream).set_tcp_keepalive(&keepalive)?;
            }
            let fd = stream.as_raw_fd();
            let stream = TcpStream::from_std(stream)?;
            if is_denied(peer, instance) {
                refuse(stream, PROTECTED).await;
                return Ok(());
            }
            let endpoint = Endpoint {
                addr: peer.to_string(),
                local_addr: local.to_string(),
                unix: false,
                fd,
                is_plain: true,
                io_thread,
            };
            serve(stream, endpoint, db, instance, post_box).await;
        }
        Accepted::Unix(stream) => {
            let path = instance
                .config()
                .unixsocket()
                .map_or_else(String::new, |path| {
                    String::from_utf8_lossy(path).into_owned()
                });
            let fd = stream.as_raw_fd();
            let name = format!("{path}:0");
            let endpoint = Endpoint {
                addr: name.clone(),
                local_addr: name,
                unix: true,
                fd,
                is_plain: true,
                io_thread,
            };
            let stream = UnixStream::from_std(stream)?;
            serve(stream, endpoint, db, instance, post_box).await;
        }
    }
    Ok(())
}

/// Protected mode: without a password only this machine may connect.
fn is_denied(peer: SocketAddr, instance: &Instance) -> bool {
    let local = match peer.ip() {
        IpAddr::V6(ip) => {
            ip.is_loopback() || ip.to_ipv4_mapped().is_some_and(|ip| ip.is_loopback())
        }
        IpAddr::V4(ip) => ip.is_loopback(),
    };
    if local {
        return false;
    }
    let config = instance.config();
    config.protected_mode() && config.requirepass().is_none()
}

async fn serve<S: AsyncRead + AsyncWrite + Unpin>(
    stream: S,
    endpoint: Endpoint,
    db: &Mutex<Db>,
    instance: &Instance,
    post_box: &PostBox,
) {
    let max_clients = instance.config().maxclients() as usize;
    instance.stats.connections.fetch_add(1, Ordering::Relaxed);
    match instance
        .clients
        .register(endpoint, clock::unix_ms(), max_clients)
    {
        Some(registration) => {
            Connection::new(stream, &registration, db, instance, post_box)
                .run()
                .await
        }
        None => {
            instance
                .stats
                .rejected_connections
                .fetch_add(1, Ordering::Relaxed);
            refuse(stream, MAX_CLIENTS_REACHED).await;
        }
    }
}
