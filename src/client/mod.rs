//! A client of this server and its kin: one connection, one command at a time, blocking.
//!
//! Life cycle: [`Connection::connect`] opens a socket to an [`Address`]; [`Connection::send`] writes a command as an
//! array of bulk strings, [`Connection::read`] waits for one [`Reply`], [`Connection::command`] does both. After an
//! error the connection's place in the stream is lost, so it is to be dropped. [`mod@format`] turns a reply into text
//! for people or for programs.
//!
//! A server is not trusted: what it sends is read within [`Limits`] and fails with a [`ClientError`]. A further type
//! of reply goes to [`reply`] (how it is read) and [`mod@format`] (how it is shown).

pub mod format;
pub mod reply;

use std::fmt;
use std::io::{self, BufReader, Read, Write};
use std::net::TcpStream;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;

pub use reply::{Limits, Reply, Violation};

/// Where a server listens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Address {
    /// A host's name or IP address, and a port.
    Tcp(String, u16),
    /// The path of a Unix socket.
    Unix(PathBuf),
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Address::Tcp(host, port) if host.contains(':') => write!(f, "[{host}]:{port}"),
            Address::Tcp(host, port) => write!(f, "{host}:{port}"),
            Address::Unix(path) => path.display().fmt(f),
        }
    }
}

/// Why there is no reply.
#[derive(Debug)]
pub enum ClientError {
    /// The socket failed.
    Io(io::Error),
    /// The server closed the connection, before or within a reply.
    Closed,
    /// The server sent what is no reply, or none within the limits.
    Protocol(Violation),
}

impl fmt::Display for ClientError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ClientError::Io(error) => error.fmt(f),
            ClientError::Closed => f.write_str("Server closed the connection"),
            ClientError::Protocol(violation) => write!(f, "Protocol error, {violation}"),
        }
    }
}

impl std::error::Error for ClientError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            ClientError::Io(error) => Some(error),
            ClientError::Closed | ClientError::Protocol(_) => None,
        }
    }
}

impl From<io::Error> for ClientError {
    fn from(error: io::Error) -> Self {
        ClientError::Io(error)
    }
}

/// A connection to a server.
pub struct Connection {
    stream: BufReader<Stream>,
    limits: Limits,
}

impl Connection {
    /// Opens a connection; a host with several addresses is tried at each of them.
    pub fn connect(address: &Address) -> io::Result<Connection> {
        let stream = match address {
            Address::Tcp(host, port) => {
                let stream = TcpStream::connect((host.as_str(), *port))?;
                stream.set_nodelay(true)?;
                Stream::Tcp(stream)
            }
            Address::Unix(path) => Stream::Unix(UnixStream::connect(path)?),
        };
        Ok(Connection {
            stream: BufReader::new(stream),
            limits: Limits::default(),
        })
    }

    /// Sets what a reply may cost from now on.
    pub fn set_limits(&mut self, limits: Limits) {
        self.limits = limits;
    }

    /// Sends a command: its name and its arguments.
    pub fn send(&mut self, words: &[impl AsRef<[u8]>]) -> Result<(), ClientError> {
        Ok(self.stream.get_mut().write_all(&encode(words))?)
    }

    /// Waits for one reply, which may be a push that answers nothing.
    pub fn read(&mut self) -> Result<Reply, ClientError> {
        reply::read(&mut self.stream, self.limits)
    }

    /// Sends a command and waits for one reply.
    pub fn command(&mut self, words: &[impl AsRef<[u8]>]) -> Result<Reply, ClientError> {
        self.send(words)?;
        self.read()
    }
}

/// A command as it goes over the wire: an array of bulk strings.
pub fn encode(words: &[impl AsRef<[u8]>]) -> Vec<u8> {
    let mut bytes = format!("*{}\r\n", words.len()).into_bytes();
    for word in words {
        let word = word.as_ref();
        bytes.extend_from_slice(format!("${}\r\n", word.len()).as_bytes());
        bytes.extend_from_slice(word);
        bytes.extend_from_slice(b"\r\n");
    }
    bytes
}

enum Stream {
    Tcp(TcpStream),
    Unix(UnixStream),
}

impl Read for Stream {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Stream::Tcp(stream) => stream.read(buffer),
            Stream::Unix(stream) => stream.read(buffer),
        }
    }
}

impl Write for Stream {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Stream::Tcp(stream) => stream.write(bytes),
            Stream::Unix(stream) => stream.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Stream::Tcp(stream) => stream.flush(),
            Stream::Unix(stream) => stream.flush(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_are_arrays_of_bulk_strings() {
        assert_eq!(
            encode(&[&b"SET"[..], b"k\r\n", b""]),
            b"*3\r\n$3\r\nSET\r\n$3\r\nk\r\n\r\n$0\r\n\r\n"
        );
    }

    #[test]
    fn addresses_are_shown_as_redis_cli_shows_them() {
        let cases = [
            (Address::Tcp("localhost".into(), 6380), "localhost:6380"),
            (Address::Tcp("::1".into(), 6380), "[::1]:6380"),
            (Address::Unix("/run/ruddle.sock".into()), "/run/ruddle.sock"),
        ];
        for (address, text) in cases {
            assert_eq!(address.to_string(), text);
        }
    }
}
