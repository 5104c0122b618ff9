//! What the tests over the wire share: a server of their own, connections, and replies as readable text.
//!
//! A test starts a [`Server`], which is the built program on a free port and dies with its owner, and talks to it
//! by [`Connection`]s. [`check`] sends a line of words as redis-cli takes them and compares the reply with its text:
//!
//! | reply | text |
//! |---|---|
//! | simple string, error, integer | `+OK`, `-ERR what`, `:12` |
//! | bulk string | `"text"`, with redis-cli's escapes |
//! | null, null array, RESP3's null | `$-1`, `*-1`, `_` |
//! | array, set, push, map | `["a", :1]`, `~["a"]`, `>["a"]`, `%{"a": :1}` |
//! | boolean, double, big number, verbatim string | `#t`, `,1.5`, `(12`, `=txt:text` |
//!
//! A text is written as RESP2 has it. On a RESP3 connection its nulls are understood as `_`; where more differs, the
//! two texts stand side by side as `RESP2 // RESP3`.
//!
//! With `TEST_SERVER` set to the path of another server the same tests run against that one, which is how the
//! expected replies are compared with those of Redis.

// Each test program includes this module as its own and uses a part of it.
#![allow(dead_code, unreachable_pub)]

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

/// A reply that takes longer fails its test.
const REPLY_TIMEOUT: Duration = Duration::from_secs(60);
/// Another program may take the free port between its choice and its use; so many ports are tried.
const PORT_TRIES: usize = 5;

/// A directory of its own, removed with all that is in it.
#[derive(Debug)]
pub struct Folder(pub PathBuf);

impl Folder {
    /// A new, empty one.
    pub fn new() -> Folder {
        static NUMBER: AtomicUsize = AtomicUsize::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let path = Path::new(env!("CARGO_TARGET_TMPDIR"))
            .join(format!("server-{}-{number}", std::process::id()));
        // One of the same name is what a process that was killed has left.
        let _ = std::fs::remove_dir_all(&path);
        std::fs::create_dir_all(&path).expect("the target folder can be written");
        Folder(path)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // What it has not removed is overwritten by a later one of the name.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// A running server in a directory of its own, killed on drop.
pub struct Server {
    child: Child,
    /// The TCP port that it listens on.
    pub port: u16,
    /// Where its files lie.
    pub folder: Arc<Folder>,
}

impl Server {
    /// Starts a server with these arguments beside port and `--save ''`, and waits until it accepts connections.
    pub fn start(args: &[&str]) -> Server {
        Server::start_program(&program(), args)
    }

    /// Starts this program as [`Server::start`] does.
    pub fn start_program(program: &str, args: &[&str]) -> Server {
        Server::start_in(&Arc::new(Folder::new()), program, args)
    }

    /// Starts this program as [`Server::start`] does, in a directory in which another one may have left files.
    pub fn start_in(folder: &Arc<Folder>, program: &str, args: &[&str]) -> Server {
        for _ in 0..PORT_TRIES {
            let port = free_port();
            let mut child = spawn(program, port, args, folder);
            if wait_until_ready(&mut child) {
                return Server {
                    child,
                    port,
                    folder: Arc::clone(folder),
                };
            }
            let status = child.wait().expect("the server's exit can be waited for");
            assert!(
                !status.success(),
                "the server left before it accepted connections"
            );
        }
        panic!("{program} does not start with {args:?}");
    }

    /// Starts this program in a directory in which another one has left files that take long to load, and waits until it
    /// loads them.
    pub fn start_unready(folder: &Arc<Folder>, program: &str, args: &[&str]) -> Server {
        let port = free_port();
        let mut child = spawn(program, port, args, folder);
        let log = child.stdout.take().expect("the output is piped");
        assert!(waits_for_line(log, "Loading RDB"), "it loads something");
        Server {
            child,
            port,
            folder: Arc::clone(folder),
        }
    }

    /// Kills it as a power cut would, and starts one with these arguments where its files are.
    pub fn kill_and_restart(self, args: &[&str]) -> Server {
        let folder = Arc::clone(&self.folder);
        drop(self);
        Server::start_in(&folder, &program(), args)
    }

    /// The number of its process.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Its exit status, once it has ended.
    pub fn wait(mut self) -> std::process::ExitStatus {
        self.child
            .wait()
            .expect("the server's exit can be waited for")
    }

    /// A new connection in RESP2.
    pub fn connect(&self) -> Connection {
        let stream = TcpStream::connect(("127.0.0.1", self.port)).expect("the server listens");
        stream
            .set_read_timeout(Some(REPLY_TIMEOUT))
            .expect("the time limit is not zero");
        stream.set_nodelay(true).expect("the stream is open");
        Connection {
            stream: BufReader::new(stream),
            resp3: false,
        }
    }

    /// A new connection in RESP3.
    pub fn connect_resp3(&self) -> Connection {
        let mut connection = self.connect();
        let hello = connection.run("HELLO 3");
        assert!(matches!(hello, Reply::Map(_)), "HELLO 3 answered {hello}");
        connection.resp3 = true;
        connection
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have left already; then there is nothing to kill.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The path of the server under test.
pub fn program() -> String {
    std::env::var("TEST_SERVER").unwrap_or_else(|_| env!("CARGO_BIN_EXE_ruddle").to_owned())
}

/// A port that nobody listens on.
pub fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port is free");
    listener
        .local_addr()
        .expect("a bound socket has an address")
        .port()
}

fn spawn(program: &str, port: u16, args: &[&str], folder: &Folder) -> Child {
    let mut command = Command::new(program);
    command
        .args(["--port", &port.to_string(), "--save", ""])
        .args(args)
        .current_dir(&folder.0)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null());
    loop {
        match command.spawn() {
            // A script that was just written is open, for a moment, in every process that other tests begin meanwhile.
            Err(error) if error.kind() == io::ErrorKind::ExecutableFileBusy => {
                std::thread::yield_now();
            }
            spawned => {
                return spawned.unwrap_or_else(|error| panic!("{program} cannot be run: {error}"));
            }
        }
    }
}

/// Reads the log up to the line that says so.
fn wait_until_ready(child: &mut Child) -> bool {
    let log = child.stdout.take().expect("the output is piped");
    waits_for_line(log, "Ready to accept connections")
}

/// Reads the log up to a line with this text, and leaves the rest to a thread that reads it away.
fn waits_for_line(log: ChildStdout, text: &str) -> bool {
    let mut log = BufReader::new(log);
    let mut line = String::new();
    while log.read_line(&mut line).is_ok_and(|bytes| bytes > 0) {
        if line.contains(text) {
            std::thread::spawn(move || std::io::copy(&mut log, &mut std::io::sink()));
            return true;
        }
        line.clear();
    }
    false
}

/// A client's connection.
pub struct Connection {
    stream: BufReader<TcpStream>,
    resp3: bool,
}

impl Connection {
    /// Sends a command and reads its reply.
    pub fn command(&mut self, words: &[impl AsRef<[u8]>]) -> Reply {
        self.send(&encode(words));
        self.read()
    }

    /// Sends a line of words, quoted as redis-cli has it, and reads the reply.
    pub fn run(&mut self, line: &str) -> Reply {
        let words = ruddle::text::words::split(line.as_bytes()).expect("the line's quotes match");
        self.command(&words)
    }

    /// Sends bytes as they are.
    pub fn send(&mut self, bytes: &[u8]) {
        self.stream
            .get_mut()
            .write_all(bytes)
            .expect("the server reads");
    }

    /// Reads one reply.
    pub fn read(&mut self) -> Reply {
        let line = self.read_line();
        let text = line[1..].to_owned();
        let len = || text.parse::<i64>().expect("a length is a number");
        match line.as_bytes()[0] {
            b'+' => Reply::Simple(text),
            b'-' => Reply::Error(text),
            b':' => Reply::Integer(text.parse().expect("an integer is a number")),
            b'$' if text == "-1" => Reply::Null("$-1"),
            b'*' if text == "-1" => Reply::Null("*-1"),
            b'_' => Reply::Null("_"),
            b'$' => Reply::Bulk(self.read_bytes(len())),
            b'=' => Reply::Verbatim(self.read_bytes(len())),
            b'*' => Reply::Array(self.read_all(len())),
            b'~' => Reply::Set(self.read_all(len())),
            b'>' => Reply::Push(self.read_all(len())),
            b'%' => Reply::Map((0..len()).map(|_| (self.read(), self.read())).collect()),
            b'#' | b',' | b'(' => Reply::Scalar(line),
            _ => panic!("no reply begins like {line:?}"),
        }
    }

    /// Waits for the server to close the connection; false if it sends something instead.
    pub fn is_closed(&mut self) -> bool {
        match self.stream.fill_buf() {
            Ok(bytes) => bytes.is_empty(),
            Err(error) => error.kind() == std::io::ErrorKind::ConnectionReset,
        }
    }

    /// Reads until the server closes the connection, and tells how many bytes there were.
    pub fn drains_to_the_end(&mut self) -> usize {
        let mut bytes = Vec::new();
        // A server that closes with input unread resets the connection.
        match self.stream.read_to_end(&mut bytes) {
            Ok(count) => count,
            Err(error) => {
                assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset);
                bytes.len()
            }
        }
    }

    fn read_all(&mut self, len: i64) -> Vec<Reply> {
        (0..len).map(|_| self.read()).collect()
    }

    fn read_line(&mut self) -> String {
        let mut line = String::new();
        self.stream.read_line(&mut line).expect("a reply comes");
        assert!(
            line.len() > 2 && line.ends_with("\r\n"),
            "cut-off reply {line:?}"
        );
        line.truncate(line.len() - 2);
        line
    }

    fn read_bytes(&mut self, len: i64) -> Vec<u8> {
        let len = usize::try_from(len).expect("a length is not negative");
        let mut bytes = vec![0; len + 2];
        self.stream.read_exact(&mut bytes).expect("a reply comes");
        assert!(
            bytes.ends_with(b"\r\n"),
            "a bulk string is longer than it says"
        );
        bytes.truncate(len);
        bytes
    }
}

/// A command as it goes over the wire.
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

/// A reply.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reply {
    /// `+`
    Simple(String),
    /// `-`, without it
    Error(String),
    /// `:`
    Integer(i64),
    /// `$`
    Bulk(Vec<u8>),
    /// `=`, with the format in front
    Verbatim(Vec<u8>),
    /// One of the three nulls, as its line.
    Null(&'static str),
    /// A boolean, double or big number, as its line.
    Scalar(String),
    /// `*`
    Array(Vec<Reply>),
    /// `~`
    Set(Vec<Reply>),
    /// `>`
    Push(Vec<Reply>),
    /// `%`
    Map(Vec<(Reply, Reply)>),
}

impl std::fmt::Display for Reply {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let quoted =
            |bytes: &[u8]| String::from_utf8_lossy(&ruddle::text::words::quote(bytes)).into_owned();
        let joined = |replies: &[Reply]| {
            let texts: Vec<String> = replies.iter().map(Reply::to_string).collect();
            texts.join(", ")
        };
        match self {
            Reply::Simple(text) => write!(f, "+{text}"),
            Reply::Error(text) => write!(f, "-{text}"),
            Reply::Integer(value) => write!(f, ":{value}"),
            Reply::Bulk(bytes) => f.write_str(&quoted(bytes)),
            Reply::Verbatim(bytes) => write!(f, "={}", String::from_utf8_lossy(bytes)),
            Reply::Null(line) => f.write_str(line),
            Reply::Scalar(line) => f.write_str(line),
            Reply::Array(replies) => write!(f, "[{}]", joined(replies)),
            Reply::Set(replies) => write!(f, "~[{}]", joined(replies)),
            Reply::Push(replies) => write!(f, ">[{}]", joined(replies)),
            Reply::Map(pairs) => {
                let texts: Vec<String> = pairs
                    .iter()
                    .map(|(key, value)| format!("{key}: {value}"))
                    .collect();
                write!(f, "%{{{}}}", texts.join(", "))
            }
        }
    }
}

/// Sends `line` and compares the text of the reply with `want`. See the module's head for both.
#[track_caller]
pub fn check(connection: &mut Connection, line: &str, want: &str) {
    let reply = connection.run(line);
    check_reply(connection, line, &reply, want);
}

/// Compares the text of a reply with `want`, as [`check`] does.
#[track_caller]
pub fn check_reply(connection: &Connection, line: &str, reply: &Reply, want: &str) {
    let want = match want.split_once(" // ") {
        Some((_, resp3)) if connection.resp3 => resp3.to_owned(),
        Some((resp2, _)) => resp2.to_owned(),
        None if connection.resp3 => want.replace("$-1", "_").replace("*-1", "_"),
        None => want.to_owned(),
    };
    assert_eq!(reply.to_string(), want, "reply to {line}");
}

/// Runs a table of commands and replies in RESP2 and, on a data set that is empty again, in RESP3.
#[track_caller]
pub fn check_all(server: &Server, table: &[(&str, &str)]) {
    for mut connection in [server.connect(), server.connect_resp3()] {
        check(&mut connection, "FLUSHALL", "+OK");
        for (line, want) in table {
            check(&mut connection, line, want);
        }
    }
}

/// Runs a table of commands and replies in RESP2 and in RESP3, each against a new server with these arguments.
#[track_caller]
pub fn check_fresh(args: &[&str], table: &[(&str, &str)]) {
    for resp3 in [false, true] {
        let server = Server::start(args);
        let mut connection = if resp3 {
            server.connect_resp3()
        } else {
            server.connect()
        };
        for (line, want) in table {
            check(&mut connection, line, want);
        }
    }
}

/// So long a state may take to come: a busy disk can take half a minute to sync a file.
pub const PATIENCE: Duration = Duration::from_secs(120);

/// Waits for a state.
#[track_caller]
pub fn wait_until(what: &str, mut holds: impl FnMut() -> bool) {
    let start = Instant::now();
    while !holds() {
        assert!(start.elapsed() < PATIENCE, "in vain: {what}");
        std::thread::yield_now();
    }
}

/// A field of a section of INFO; `none` where there is no such field.
pub fn info_field(client: &mut Connection, section: &str, name: &str) -> String {
    let text = match client.run(&format!("INFO {section}")) {
        Reply::Bulk(text) | Reply::Verbatim(text) => String::from_utf8_lossy(&text).into_owned(),
        other => panic!("INFO answered {other}"),
    };
    let found = text
        .lines()
        .find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
    found.map_or_else(|| "none".to_owned(), str::to_owned)
}
