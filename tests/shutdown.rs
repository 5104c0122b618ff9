//! The end of the server by signals: in order after one, at once after two, with every address free again.

mod common;

use std::io::{BufRead, BufReader, Lines, Read, Write};
use std::net::TcpStream;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::Arc;

use common::Folder;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

/// A server whose log the test reads.
struct Logged {
    child: Child,
    log: Lines<BufReader<ChildStdout>>,
    port: u16,
    folder: Arc<Folder>,
}

impl Logged {
    fn start(args: &[&str]) -> Logged {
        let port = common::free_port();
        let folder = Arc::new(Folder::new());
        let mut child = Command::new(env!("CARGO_BIN_EXE_ruddle"))
            .args(["--port", &port.to_string(), "--save", ""])
            .args(args)
            .current_dir(&folder.0)
            .stdout(Stdio::piped())
            .spawn()
            .expect("the server's program can be run");
        let output = child.stdout.take().expect("the output is piped");
        let mut server = Logged {
            child,
            log: BufReader::new(output).lines(),
            port,
            folder,
        };
        server.wait_for("Ready to accept connections");
        server
    }

    /// Reads the log up to a line that contains `text`.
    fn wait_for(&mut self, text: &str) {
        let found = self
            .log
            .by_ref()
            .map_while(Result::ok)
            .any(|line| line.contains(text));
        assert!(found, "the log ended without {text:?}");
    }

    fn signal(&self, signal: Signal) {
        let pid = Pid::from_raw(self.child.id().cast_signed());
        kill(pid, signal).expect("the server is there");
    }

    /// How often its main thread, which has periodic work and signals, has had nothing to do.
    fn rests_of_main_thread(&self) -> u64 {
        let pid = self.child.id();
        let status = std::fs::read_to_string(format!("/proc/{pid}/task/{pid}/status"))
            .expect("the server is there");
        let rests = status
            .lines()
            .find_map(|line| line.strip_prefix("voluntary_ctxt_switches:"));
        let rests = rests.and_then(|rests| rests.trim().parse().ok());
        rests.expect("the system counts them")
    }

    /// Its exit status, once its log has ended.
    fn exit_code(mut self) -> Option<i32> {
        let rest = self.log.by_ref().count();
        assert!(rest < 1000, "a few last lines");
        let status = self
            .child
            .wait()
            .expect("the server's exit can be waited for");
        status.code()
    }
}

#[test]
fn one_signal_ends_it_in_order() {
    for signal in [Signal::SIGTERM, Signal::SIGINT] {
        let mut server = Logged::start(&[]);
        let idle = TcpStream::connect(("127.0.0.1", server.port)).expect("the server listens");
        server.signal(signal);
        server.wait_for(&format!(
            "Received {} scheduling shutdown...",
            signal.as_str()
        ));
        server.wait_for("bye bye");
        let port = server.port;
        assert_eq!(server.exit_code(), Some(0), "{signal}");
        assert!(TcpStream::connect(("127.0.0.1", port)).is_err());
        drop(idle);
    }
}

/// A save that takes long holds up the first signal, and not the second, which leaves no half a file.
#[test]
fn a_second_signal_ends_a_save() {
    let delay = ["--rdb-key-save-delay", "100000000", "--hz", "500"];
    let mut server = Logged::start(&[&["--save", "3600 1"], &delay[..]].concat());
    let mut client = TcpStream::connect(("127.0.0.1", server.port)).expect("the server listens");
    client
        .write_all(b"SET key value\r\n")
        .expect("the server reads");
    let mut answer = [0; 5];
    client.read_exact(&mut answer).expect("the server answers");
    server.signal(Signal::SIGTERM);
    server.wait_for("Saving the final RDB snapshot before exiting.");
    let folder = Arc::clone(&server.folder);
    let has_begun = || {
        std::fs::read_dir(&folder.0)
            .expect("it is there")
            .next()
            .is_some()
    };
    while !has_begun() {
        std::thread::yield_now();
    }
    // Periodic work that wants the data set comes in between, and must not hold up the signal.
    let rests = server.rests_of_main_thread();
    while server.rests_of_main_thread() < rests + 100 {
        std::thread::yield_now();
    }
    server.signal(Signal::SIGTERM);
    server.wait_for("You insist... exiting now.");
    assert_eq!(server.exit_code(), Some(1));
    let left = std::fs::read_dir(&folder.0).expect("it is there").count();
    assert_eq!(left, 0, "no temporary file is left");
}

/// A command that takes long holds up the first signal, and not the second.
#[test]
fn a_second_signal_does_not_wait() {
    let mut server = Logged::start(&["--io-threads", "2", "--enable-debug-command", "yes"]);
    let connect = || TcpStream::connect(("127.0.0.1", server.port)).expect("the server listens");
    let (mut told, mut busy) = (connect(), connect());
    told.write_all(b"SUBSCRIBE started\r\n")
        .expect("the server reads");
    wait_for_bytes(&mut told, b":1\r\n");
    busy.write_all(b"MULTI\r\nPUBLISH started x\r\nDEBUG SLEEP 4\r\nEXEC\r\n")
        .expect("the server reads");
    // The other thread tells it while the sleep is under way.
    wait_for_bytes(&mut told, b"x\r\n");
    server.signal(Signal::SIGTERM);
    server.wait_for("Received SIGTERM scheduling shutdown...");
    server.signal(Signal::SIGTERM);
    server.wait_for("You insist... exiting now.");
    assert_eq!(server.exit_code(), Some(1));
}

/// Reads until what has come ends with `end`.
fn wait_for_bytes(stream: &mut TcpStream, end: &[u8]) {
    let mut read = Vec::new();
    while !read.ends_with(end) {
        let mut byte = [0];
        stream.read_exact(&mut byte).expect("the server answers");
        read.push(byte[0]);
    }
}
