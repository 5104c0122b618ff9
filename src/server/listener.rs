//! Binding and accepting: TCP on IPv4 and IPv6, Unix sockets.
//!
//! A listener only accepts; the socket goes to one of the I/O threads, which keeps it.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::sync::Arc;

use socket2::{Domain, Protocol, Socket, Type};
use tokio::net::{TcpListener, UnixListener};

use super::io_threads::{Accepted, IoThreads};
use crate::config::Config;

/// A listening socket could not be had.
#[derive(Debug)]
pub struct ListenError {
    /// What was to be listened on, as the log names it.
    pub what: String,
    /// The system's error.
    pub source: io::Error,
}

/// Sockets that listen, not accepting yet.
#[derive(Debug, Default)]
pub struct Listeners {
    tcp: Vec<std::net::TcpListener>,
    unix: Option<(std::os::unix::net::UnixListener, PathBuf)>,
}

/// One address of the `bind` parameter: a leading `-` makes it optional, `*` and `::*` mean all addresses.
fn parse_bind(address: &str) -> Option<(IpAddr, bool)> {
    let (address, optional) = match address.strip_prefix('-') {
        Some(rest) => (rest, true),
        None => (address, false),
    };
    let ip = match address {
        "*" => IpAddr::V4(Ipv4Addr::UNSPECIFIED),
        "::*" => IpAddr::V6(Ipv6Addr::UNSPECIFIED),
        "localhost" => IpAddr::V4(Ipv4Addr::LOCALHOST),
        other => other.parse().ok()?,
    };
    Some((ip, optional))
}

fn listen_on(address: SocketAddr, backlog: i32) -> io::Result<std::net::TcpListener> {
    let socket = Socket::new(
        Domain::for_address(address),
        Type::STREAM,
        Some(Protocol::TCP),
    )?;
    socket.set_reuse_address(true)?;
    if address.is_ipv6() {
        socket.set_only_v6(true)?;
    }
    socket.bind(&address.into())?;
    socket.listen(backlog)?;
    socket.set_nonblocking(true)?;
    Ok(socket.into())
}

/// Whether an optional address may be passed over for this error: the machine does not have it.
fn is_unavailable(error: &io::Error) -> bool {
    use nix::errno::Errno;
    let absent = [
        Errno::EADDRNOTAVAIL,
        Errno::EAFNOSUPPORT,
        Errno::EPROTONOSUPPORT,
        Errno::ESOCKTNOSUPPORT,
        Errno::EPFNOSUPPORT,
    ];
    error
        .raw_os_error()
        .is_some_and(|code| absent.iter().any(|known| *known as i32 == code))
}

impl Listeners {
    /// Binds everything that the configuration names.
    pub fn bind(config: &Config) -> Result<Self, ListenError> {
        let mut listeners = Listeners {
            tcp: bind_tcp(&Addresses::of(config))?,
            unix: None,
        };
        if let Some(path) = config.unixsocket() {
            let path = PathBuf::from(std::ffi::OsStr::from_bytes(path));
            let fail = |source| ListenError {
                what: format!("Unix socket {}", path.display()),
                source,
            };
            // A socket file left by a killed server would make the bind fail.
            let _ = std::fs::remove_file(&path);
            let listener = std::os::unix::net::UnixListener::bind(&path).map_err(fail)?;
            listener.set_nonblocking(true).map_err(fail)?;
            if config.unixsocketperm() != 0 {
                let mode = std::fs::Permissions::from_mode(config.unixsocketperm());
                std::fs::set_permissions(&path, mode).map_err(fail)?;
            }
            listeners.unix = Some((listener, path));
        }
        Ok(listeners)
    }

    /// The TCP addresses that are listened on (with the real port where 0 was asked for).
    pub fn addresses(&self) -> Vec<SocketAddr> {
        self.tcp
            .iter()
            .filter_map(|listener| listener.local_addr().ok())
            .collect()
    }

    /// The path of the Unix socket.
    pub fn unix_path(&self) -> Option<&PathBuf> {
        self.unix.as_ref().map(|(_, path)| path)
    }

    /// The TCP sockets, and the Unix socket.
    pub fn into_sockets(
        self,
    ) -> (
        Vec<std::net::TcpListener>,
        Option<std::os::unix::net::UnixListener>,
    ) {
        (self.tcp, self.unix.map(|(listener, _)| listener))
    }
}

/// What is listened on by TCP.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Addresses {
    /// The port; 0 for none.
    port: u16,
    /// Addresses as the `bind` parameter has them.
    bind: Vec<Box<[u8]>>,
    /// Length of the sockets' queues.
    backlog: u32,
}

impl Addresses {
    /// The addresses that `config` names.
    pub fn of(config: &Config) -> Self {
        Addresses {
            port: config.port(),
            bind: config.bind().to_vec(),
            backlog: config.tcp_backlog(),
        }
    }
}

/// Sockets that listen on the port, on each of the addresses.
pub fn bind_tcp(addresses: &Addresses) -> Result<Vec<std::net::TcpListener>, ListenError> {
    let mut sockets = Vec::new();
    let port = addresses.port;
    if port == 0 {
        return Ok(sockets);
    }
    let backlog = i32::try_from(addresses.backlog).unwrap_or(i32::MAX);
    for address in &addresses.bind {
        let address = String::from_utf8_lossy(address);
        let name = format!("{address}:{port}");
        let Some((ip, optional)) = parse_bind(&address) else {
            let source = io::Error::new(io::ErrorKind::InvalidInput, "Name or service not known");
            return Err(ListenError { what: name, source });
        };
        match listen_on(SocketAddr::new(ip, port), backlog) {
            Ok(listener) => sockets.push(listener),
            Err(error) if optional && is_unavailable(&error) => {}
            Err(source) => return Err(ListenError { what: name, source }),
        }
    }
    Ok(sockets)
}

/// Accepts on a TCP socket and gives the connections to the I/O threads, without end.
pub async fn accept_tcp(listener: TcpListener, threads: Arc<IoThreads>) {
    loop {
        let accepted = listener
            .accept()
            .await
            .and_then(|(stream, _)| stream.into_std());
        hand_over(accepted.map(Accepted::Tcp), &threads).await;
    }
}

/// As [`accept_tcp`] for a Unix socket.
pub async fn accept_unix(listener: UnixListener, threads: Arc<IoThreads>) {
    loop {
        let accepted = listener
            .accept()
            .await
            .and_then(|(stream, _)| stream.into_std());
        hand_over(accepted.map(Accepted::Unix), &threads).await;
    }
}

async fn hand_over(accepted: io::Result<Accepted>, threads: &IoThreads) {
    match accepted {
        Ok(stream) => threads.serve(stream),
        Err(error) => {
            // A socket that was stopped says so until its task is; that is no news.
            if error.kind() != io::ErrorKind::InvalidInput {
                tracing::warn!("Accepting client connection: {error}");
            }
            // Out of descriptors, most likely: trying again at once would only burn the CPU.
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bind_addresses_are_read_with_their_marks() {
        assert_eq!(
            parse_bind("*"),
            Some((IpAddr::V4(Ipv4Addr::UNSPECIFIED), false))
        );
        assert_eq!(
            parse_bind("-::*"),
            Some((IpAddr::V6(Ipv6Addr::UNSPECIFIED), true))
        );
        assert_eq!(
            parse_bind("127.0.0.1"),
            Some((IpAddr::V4(Ipv4Addr::LOCALHOST), false))
        );
        assert_eq!(
            parse_bind("-::1"),
            Some((IpAddr::V6(Ipv6Addr::LOCALHOST), true))
        );
        assert_eq!(parse_bind("nonsense"), None);
    }
}
