//! A server that takes part: its process, its two connections (RESP2 and RESP3), and its replies as they came.
//!
//! Life cycle: [`Peer::start`] runs the program on a free port. [`Peer::send`] writes commands in one go,
//! [`Peer::receive`] reads their replies; two calls, so that both servers work at the same time. A server that closes
//! the connection, or does not answer in time, yields [`Reply::Lost`] and is started anew before the next commands.

use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;
use std::time::Duration;

use crate::common::{Server, encode};

/// A command: its name and its arguments.
pub(crate) type Words = Vec<Vec<u8>>;

/// A reply that takes longer counts as none.
const REPLY_TIMEOUT: Duration = Duration::from_secs(20);
/// What a reply may be nested and how long it may say it is: a bound on what a wrong server can do.
const MAX_DEPTH: usize = 32;
const MAX_LENGTH: usize = 1 << 26;

/// What both servers are started with: DEBUG for the digests, all databases that commands may name.
const OPTIONS: &[&str] = &[
    "--enable-debug-command",
    "yes",
    "--databases",
    "16",
    "--appendonly",
    "no",
];

/// The limits of the encodings in each profile; a parameter that a server does not have is left out.
pub(crate) const PROFILES: &[&[(&str, &str)]] = &[
    &[
        ("hash-max-listpack-entries", "512"),
        ("hash-max-listpack-value", "64"),
        ("list-max-listpack-size", "-2"),
        ("set-max-intset-entries", "512"),
        ("set-max-listpack-entries", "128"),
        ("set-max-listpack-value", "64"),
        ("zset-max-listpack-entries", "128"),
        ("zset-max-listpack-value", "64"),
        ("stream-node-max-entries", "100"),
        ("stream-node-max-bytes", "4096"),
        ("hll-sparse-max-bytes", "3000"),
    ],
    &[
        ("hash-max-listpack-entries", "4"),
        ("hash-max-listpack-value", "12"),
        ("list-max-listpack-size", "3"),
        ("set-max-intset-entries", "4"),
        ("set-max-listpack-entries", "6"),
        ("set-max-listpack-value", "12"),
        ("zset-max-listpack-entries", "4"),
        ("zset-max-listpack-value", "12"),
        ("stream-node-max-entries", "3"),
        ("stream-node-max-bytes", "4096"),
        ("hll-sparse-max-bytes", "60"),
    ],
    &[
        ("hash-max-listpack-entries", "0"),
        ("hash-max-listpack-value", "0"),
        ("list-max-listpack-size", "1"),
        ("set-max-intset-entries", "0"),
        ("set-max-listpack-entries", "0"),
        ("set-max-listpack-value", "0"),
        ("zset-max-listpack-entries", "0"),
        ("zset-max-listpack-value", "0"),
        ("stream-node-max-entries", "1"),
        ("stream-node-max-bytes", "64"),
        ("hll-sparse-max-bytes", "0"),
    ],
];

/// A reply, with its type byte, so that no two forms of the same are taken for equal.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Reply {
    /// A line: simple string, error, integer, double, boolean, big number, and the nulls `$-1`, `*-1` and `_`.
    Line(u8, Vec<u8>),
    /// Bulk or verbatim string, or bulk error.
    Bulk(u8, Vec<u8>),
    /// Array, set or push; a map with keys and values in turn.
    Group(u8, Vec<Reply>),
    /// There is none, and why.
    Lost(String),
}

impl std::fmt::Display for Reply {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let lossy = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        match self {
            Reply::Line(kind, text) => write!(f, "{}{}", char::from(*kind), lossy(text)),
            Reply::Bulk(kind, text) => {
                let sign = if *kind == b'$' {
                    ' '
                } else {
                    char::from(*kind)
                };
                let quoted = lossy(&ruddle::text::words::quote(text));
                write!(f, "{}", format!("{sign}{quoted}").trim_start())
            }
            Reply::Group(kind, parts) => {
                let texts: Vec<String> = parts.iter().map(Reply::to_string).collect();
                write!(f, "{}[{}]", char::from(*kind), texts.join(", "))
            }
            Reply::Lost(why) => write!(f, "(no reply: {why})"),
        }
    }
}

/// A running server and the connections to it.
pub(crate) struct Peer {
    program: String,
    /// Ends with it.
    _server: Server,
    connections: [BufReader<TcpStream>; 2],
    /// The parameters of [`PROFILES`] that it has.
    parameters: Vec<&'static str>,
    lost: bool,
}

impl Peer {
    /// Runs the program and connects; panics if it cannot be run, as then there is nothing to test.
    pub(crate) fn start(program: &str) -> Peer {
        let server = Server::start_program(program, OPTIONS);
        let connections = [open(&server), open(&server)];
        let mut peer = Peer {
            program: program.to_owned(),
            _server: server,
            connections,
            parameters: Vec::new(),
            lost: false,
        };
        let hello = peer.ask(true, &[words("HELLO 3")]);
        assert!(
            matches!(hello[0], Reply::Group(b'%', _)),
            "{program} answers HELLO 3 with {}",
            hello[0]
        );
        // What is due must not go while one server is asked and the other not yet.
        let expiry = peer.ask(false, &[words("DEBUG SET-ACTIVE-EXPIRE 0")]);
        assert_eq!(expiry[0].to_string(), "+OK", "{program} without expiry");
        peer.parameters = PROFILES[0].iter().map(|(name, _)| *name).collect();
        let known = |name: &&str| {
            let get = words(&format!("CONFIG GET {name}"));
            matches!(&peer.ask(false, &[get])[0], Reply::Group(_, pair) if !pair.is_empty())
        };
        peer.parameters = PROFILES[0]
            .iter()
            .map(|(name, _)| *name)
            .filter(known)
            .collect();
        peer
    }

    /// The CONFIG SET that puts the limits of this profile into force.
    pub(crate) fn configure(&self, profile: usize) -> Words {
        let mut command = words("CONFIG SET");
        for (name, value) in PROFILES[profile] {
            if self.parameters.contains(name) {
                command.extend([name.as_bytes().to_vec(), value.as_bytes().to_vec()]);
            }
        }
        command
    }

    /// Sends commands on one of the connections; a server that was lost is started again first.
    pub(crate) fn send(&mut self, resp3: bool, commands: &[Words]) {
        if self.lost {
            let program = self.program.clone();
            *self = Peer::start(&program);
        }
        let bytes: Vec<u8> = commands.iter().flat_map(|words| encode(words)).collect();
        let stream = self.connections[usize::from(resp3)].get_mut();
        // That it cannot be written to shows when the replies are read.
        let _ = stream.write_all(&bytes);
    }

    /// Reads so many replies; if the server is lost, the last is [`Reply::Lost`] and there may be fewer.
    pub(crate) fn receive(&mut self, resp3: bool, count: usize) -> Vec<Reply> {
        let mut replies = Vec::with_capacity(count);
        for _ in 0..count {
            match read(&mut self.connections[usize::from(resp3)], MAX_DEPTH) {
                Ok(reply) => replies.push(reply),
                Err(why) => {
                    self.lost = true;
                    replies.push(Reply::Lost(why));
                    break;
                }
            }
        }
        replies
    }

    /// Sends commands and reads their replies.
    pub(crate) fn ask(&mut self, resp3: bool, commands: &[Words]) -> Vec<Reply> {
        self.send(resp3, commands);
        self.receive(resp3, commands.len())
    }
}

/// The words of a line without quotes.
pub(crate) fn words(line: &str) -> Words {
    line.split(' ')
        .map(|word| word.as_bytes().to_vec())
        .collect()
}

fn open(server: &Server) -> BufReader<TcpStream> {
    let stream = TcpStream::connect(("127.0.0.1", server.port)).expect("the server listens");
    stream
        .set_read_timeout(Some(REPLY_TIMEOUT))
        .and_then(|()| stream.set_write_timeout(Some(REPLY_TIMEOUT)))
        .and_then(|()| stream.set_nodelay(true))
        .expect("the stream is open and the time limit is not zero");
    BufReader::new(stream)
}

fn read(source: &mut impl BufRead, depth: usize) -> Result<Reply, String> {
    let mut line = Vec::new();
    source
        .read_until(b'\n', &mut line)
        .map_err(|error| error.to_string())?;
    if !line.ends_with(b"\r\n") || line.len() < 3 {
        return Err(format!(
            "the connection ends with \"{}\"",
            line.escape_ascii()
        ));
    }
    line.truncate(line.len() - 2);
    let kind = line.remove(0);
    if line == b"-1" && matches!(kind, b'$' | b'*') {
        return Ok(Reply::Line(kind, line));
    }
    match kind {
        b'+' | b'-' | b':' | b',' | b'#' | b'(' | b'_' => Ok(Reply::Line(kind, line)),
        b'$' | b'=' | b'!' => {
            let mut text = vec![0; length(&line)? + 2];
            source
                .read_exact(&mut text)
                .map_err(|error| error.to_string())?;
            if !text.ends_with(b"\r\n") {
                return Err("a string is longer than it says".to_owned());
            }
            text.truncate(text.len() - 2);
            Ok(Reply::Bulk(kind, text))
        }
        b'*' | b'~' | b'>' | b'%' => {
            let deeper = depth.checked_sub(1).ok_or("the reply is nested too deep")?;
            let count = length(&line)? * if kind == b'%' { 2 } else { 1 };
            let parts: Result<_, _> = (0..count).map(|_| read(source, deeper)).collect();
            Ok(Reply::Group(kind, parts?))
        }
        _ => Err(format!("no reply begins with byte {kind}")),
    }
}

fn length(text: &[u8]) -> Result<usize, String> {
    let number = ruddle::text::number::parse_i64(text);
    number
        .and_then(|number| usize::try_from(number).ok())
        .filter(|number| *number <= MAX_LENGTH)
        .ok_or_else(|| format!("bad length \"{}\"", text.escape_ascii()))
}
