//! CONFIG over the wire: reading, changing with effect, refusals, and the file.
//!
//! Tables were compared with redis-server 7.0.15 (`TEST_SERVER=redis-server cargo test --test config_command`).

mod common;

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use common::{Connection, Reply, Server, check, check_fresh};

/// A state that does not come within this time fails its test.
const PATIENCE: Duration = Duration::from_secs(20);

/// A directory of its own for a test, removed at the end.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Folder {
        let path = Path::new(env!("CARGO_TARGET_TMPDIR"))
            .join(format!("config-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&path).expect("the build's directory is writable");
        Folder(path)
    }

    fn file(&self, name: &str, text: &str) -> String {
        let path = self.0.join(name);
        std::fs::write(&path, text).expect("the folder is writable");
        path.to_str().expect("the path is UTF-8").to_owned()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// A server with a configuration file, which comes before all options: the harness has no such form.
struct FileServer {
    child: Child,
    stream: TcpStream,
}

impl FileServer {
    fn start(path: &str, options: &[&str]) -> FileServer {
        let free = TcpListener::bind("127.0.0.1:0").expect("a port is free");
        let port = free
            .local_addr()
            .expect("a bound socket has an address")
            .port();
        drop(free);
        let program = std::env::var("TEST_SERVER")
            .unwrap_or_else(|_| env!("CARGO_BIN_EXE_ruddle").to_owned());
        let child = Command::new(program)
            .args([path, "--port", &port.to_string(), "--save", ""])
            .args(options)
            .stdout(Stdio::null())
            .spawn()
            .expect("the server's program can be run");
        let start = Instant::now();
        let stream = loop {
            match TcpStream::connect(("127.0.0.1", port)) {
                Ok(stream) => break stream,
                Err(error) => assert!(start.elapsed() < PATIENCE, "no server: {error}"),
            }
            std::thread::yield_now();
        };
        stream
            .set_read_timeout(Some(PATIENCE))
            .expect("the limit is not zero");
        FileServer { child, stream }
    }

    /// Sends a line and compares the bytes of the reply, line ends written as spaces.
    fn ask(&mut self, line: &str, want: &str) {
        self.stream
            .write_all(format!("{line}\r\n").as_bytes())
            .expect("the server reads");
        let mut reply = vec![0; want.len() + want.split(' ').count() + 1];
        self.stream.read_exact(&mut reply).expect("a reply comes");
        let reply = String::from_utf8(reply).expect("the reply is text");
        assert_eq!(
            reply.trim_end().replace("\r\n", " "),
            want,
            "reply to {line}"
        );
    }
}

impl Drop for FileServer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn value(connection: &mut Connection, name: &str) -> String {
    match connection.command(&["CONFIG", "GET", name]) {
        Reply::Array(pair) => match &pair[..] {
            [_, Reply::Bulk(value)] => String::from_utf8_lossy(value).into_owned(),
            other => panic!("{other:?} is no pair"),
        },
        other => panic!("{other} is no array"),
    }
}

#[test]
fn parameters_are_read_by_name_and_by_pattern() {
    check_fresh(
        &[
            "--maxmemory",
            "1mb",
            "--requirepass",
            "",
            "--lua-time-limit",
            "77",
        ],
        &[
            (
                "CONFIG GET maxmemory",
                "[\"maxmemory\", \"1048576\"] // %{\"maxmemory\": \"1048576\"}",
            ),
            (
                "CONFIG GET MaxMemory",
                "[\"MaxMemory\", \"1048576\"] // %{\"MaxMemory\": \"1048576\"}",
            ),
            ("CONFIG GET missing", "[] // %{}"),
            ("CONFIG GET missing*", "[] // %{}"),
            (
                "CONFIG GET maxmemory maxmemory",
                "[\"maxmemory\", \"1048576\"] // %{\"maxmemory\": \"1048576\"}",
            ),
            (
                "CONFIG GET MAXMEMOR[Y]*-P*",
                "[\"maxmemory-policy\", \"noeviction\"] // %{\"maxmemory-policy\": \"noeviction\"}",
            ),
            (
                "CONFIG GET lua-time-limi?",
                "[\"lua-time-limit\", \"77\"] // %{\"lua-time-limit\": \"77\"}",
            ),
            ("CONFIG GET key-load-del?y", "[] // %{}"),
            (
                "CONFIG GET key-load-delay",
                "[\"key-load-delay\", \"0\"] // %{\"key-load-delay\": \"0\"}",
            ),
            (
                "CONFIG GET",
                "-ERR wrong number of arguments for 'config|get' command",
            ),
            (
                "CONFIG",
                "-ERR wrong number of arguments for 'config' command",
            ),
            (
                "CONFIG foo",
                "-ERR unknown subcommand 'foo'. Try CONFIG HELP.",
            ),
        ],
    );
}

#[test]
fn refused_changes_change_nothing() {
    check_fresh(
        &[],
        &[
            (
                "CONFIG SET a",
                "-ERR wrong number of arguments for 'config|set' command",
            ),
            ("CONFIG SET maxmemory 1 b", "-ERR syntax error"),
            (
                "CONFIG SET foo bar",
                "-ERR Unknown option or number of arguments for CONFIG SET - 'foo'",
            ),
            (
                "CONFIG SET databases 3",
                "-ERR CONFIG SET failed (possibly related to argument 'databases') - can't set immutable config",
            ),
            (
                "CONFIG SET dir /",
                "-ERR CONFIG SET failed (possibly related to argument 'dir') - can't set protected config",
            ),
            (
                "CONFIG SET maxmemory 5 maxmemory 6",
                "-ERR CONFIG SET failed (possibly related to argument 'maxmemory') - duplicate parameter",
            ),
            (
                "CONFIG SET maxmemory 5 appendonly maybe",
                "-ERR CONFIG SET failed (possibly related to argument 'appendonly') - argument must be 'yes' or 'no'",
            ),
            (
                "CONFIG SET maxmemory 5 port 70000",
                "-ERR CONFIG SET failed (possibly related to argument 'port') - argument must be between 0 and 65535 inclusive",
            ),
            (
                "CONFIG GET maxmemory",
                "[\"maxmemory\", \"0\"] // %{\"maxmemory\": \"0\"}",
            ),
            ("CONFIG SET maxmemory 5 hash-max-ziplist-entries 7", "+OK"),
            (
                "CONFIG GET maxmemory",
                "[\"maxmemory\", \"5\"] // %{\"maxmemory\": \"5\"}",
            ),
            (
                "CONFIG GET hash-max-listpack-entries",
                "[\"hash-max-listpack-entries\", \"7\"] // %{\"hash-max-listpack-entries\": \"7\"}",
            ),
        ],
    );
}

/// What cannot be put into effect takes the other parameters of the command with it.
#[test]
fn a_failure_to_take_effect_takes_all_back() {
    let server = Server::start(&["--slowlog-max-len", "3"]);
    let mut client = server.connect();
    let refusal = "-ERR CONFIG SET failed (possibly related to argument 'bind') - Failed to bind to specified addresses.";
    check(
        &mut client,
        "CONFIG SET slowlog-max-len 9 bind 192.0.2.1 slowlog-log-slower-than 0",
        refusal,
    );
    assert_eq!(value(&mut client, "slowlog-max-len"), "3");
    assert_eq!(value(&mut client, "slowlog-log-slower-than"), "10000");
    check(&mut client, "SLOWLOG LEN", ":0");
    check(&mut server.connect(), "PING", "+PONG");
}

#[test]
fn the_port_can_be_changed_and_an_occupied_one_is_refused() {
    let mut server = Server::start(&[]);
    let mut client = server.connect();
    let occupied = TcpListener::bind("127.0.0.1:0").expect("a port is free");
    let port = |listener: &TcpListener| {
        let address = listener.local_addr();
        address.expect("a bound socket has an address").port()
    };
    let taken = port(&occupied);
    let refusal = "-ERR CONFIG SET failed (possibly related to argument 'port') - \
        Unable to listen on this port. Check server logs.";
    check(&mut client, &format!("CONFIG SET port {taken}"), refusal);
    assert_eq!(value(&mut client, "port"), server.port.to_string());
    check(&mut server.connect(), "PING", "+PONG");
    let free = TcpListener::bind("127.0.0.1:0").expect("a port is free");
    let (old, new) = (server.port, port(&free));
    drop(free);
    check(&mut client, &format!("CONFIG SET port {new}"), "+OK");
    assert!(TcpStream::connect(("127.0.0.1", old)).is_err());
    server.port = new;
    check(&mut server.connect(), "PING", "+PONG");
    check(&mut client, "CONFIG SET bind '127.0.0.1 -::1'", "+OK");
    check(&mut server.connect(), "PING", "+PONG");
    check(&mut client, "CONFIG SET bind '* -::*'", "+OK");
    check(&mut server.connect(), "PING", "+PONG");
}

#[test]
fn protected_parameters_can_be_allowed() {
    let folder = Folder::new("protected");
    let path = folder.0.to_str().expect("the path is UTF-8");
    for who in ["yes", "local"] {
        let server = Server::start(&["--enable-protected-configs", who]);
        let mut client = server.connect();
        check(
            &mut client,
            &format!("CONFIG SET dir {path} dbfilename x.rdb"),
            "+OK",
        );
        assert_eq!(value(&mut client, "dir"), path);
        let refusal = "-ERR CONFIG SET failed (possibly related to argument 'dir') - No such file or directory";
        check(&mut client, "CONFIG SET dir /nonexistent/x", refusal);
    }
}

#[test]
fn changes_take_effect_at_once() {
    let server = Server::start(&[]);
    let mut client = server.connect();
    // The form of lists.
    check(&mut client, "RPUSH small a b c", ":3");
    check(&mut client, "CONFIG SET list-max-listpack-size 2", "+OK");
    check(&mut client, "RPUSH large a b c", ":3");
    check(&mut client, "OBJECT ENCODING large", "\"quicklist\"");
    // The limit of clients.
    check(&mut client, "CONFIG SET maxclients 1", "+OK");
    assert_eq!(
        server.connect().read().to_string(),
        "-ERR max number of clients reached"
    );
    check(&mut client, "CONFIG SET maxclients 100", "+OK");
    // The password: who is in stays in.
    check(&mut client, "CONFIG SET requirepass secret", "+OK");
    check(&mut client, "PING", "+PONG");
    let mut other = server.connect();
    check(&mut other, "PING", "-NOAUTH Authentication required.");
    check(&mut other, "AUTH secret", "+OK");
    check(&mut other, "PING", "+PONG");
    check(&mut client, "CONFIG SET requirepass ''", "+OK");
    check(&mut server.connect(), "PING", "+PONG");
    // The slow log.
    check(&mut client, "CONFIG SET slowlog-log-slower-than 0", "+OK");
    check(&mut client, "SLOWLOG RESET", "+OK");
    check(&mut client, "SLOWLOG LEN", ":1");
}

#[test]
fn every_parameter_can_be_set_to_what_it_is() {
    let server = Server::start(&[]);
    let mut client = server.connect();
    let Reply::Array(words) = client.run("CONFIG GET *") else {
        panic!("CONFIG GET answers an array")
    };
    assert!(words.len() > 300, "{}", words.len());
    for pair in words.chunks(2) {
        let [Reply::Bulk(name), Reply::Bulk(value)] = pair else {
            panic!("{pair:?} is no pair")
        };
        let reply = client
            .command(&[&b"CONFIG"[..], b"SET", name, value])
            .to_string();
        let refused = ["can't set immutable config", "can't set protected config"];
        assert!(
            reply == "+OK" || refused.iter().any(|reason| reply.contains(reason)),
            "{pair:?}: {reply}"
        );
    }
}

#[test]
fn rewriting_needs_a_file() {
    check_fresh(
        &[],
        &[(
            "CONFIG REWRITE",
            "-ERR The server is running without a config file",
        )],
    );
}

#[test]
fn the_file_is_rewritten_with_its_comments_and_read_again() {
    let folder = Folder::new("rewrite");
    let text = "# Kept.\nmaxmemory 1mb\n\nslowlog-max-len 7\nlua-time-limit 9\n";
    let path = folder.file("redis.conf", text);
    let mut server = FileServer::start(&path, &["--hz", "50"]);
    server.ask(
        "CONFIG SET maxmemory 2mb slowlog-max-len 128 tcp-keepalive 60",
        "+OK",
    );
    server.ask("CONFIG REWRITE", "+OK");
    drop(server);
    let rewritten = std::fs::read_to_string(&path).expect("the file is there");
    assert!(
        rewritten.starts_with("# Kept.\nmaxmemory 2mb\n"),
        "{rewritten}"
    );
    for line in ["tcp-keepalive 60", "hz 50", "# Generated by CONFIG REWRITE"] {
        assert!(
            rewritten.lines().any(|known| known == line),
            "no {line} in {rewritten}"
        );
    }
    let names: Vec<_> = std::fs::read_dir(&folder.0)
        .expect("the folder is there")
        .collect();
    assert_eq!(names.len(), 1, "nothing is left beside the file: {names:?}");
    let mut server = FileServer::start(&path, &[]);
    server.ask("CONFIG GET maxmemory", "*2 $9 maxmemory $7 2097152");
    server.ask("CONFIG GET hz", "*2 $2 hz $2 50");
    server.ask(
        "CONFIG GET busy-reply-threshold",
        "*2 $20 busy-reply-threshold $1 9",
    );
    drop(server);
}
