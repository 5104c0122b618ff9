//! A server without sockets: a data set whose log is kept, clients that go through the gate, and the repetition of what was
//! logged on another data set.

use std::path::Path;
use std::sync::Arc;

use bytes::BytesMut;
use ruddle::command::replay::Replay;
use ruddle::command::session::Parked;
use ruddle::command::{Registry, Session};
use ruddle::config::Config;
use ruddle::instance::Instance;
use ruddle::instance::clients::Endpoint;
use ruddle::replication::log::Taken;
use ruddle::resp::{CommandQueue, Reply};
use ruddle::server::dispatch::Gate;
use ruddle::store::db::{Db, EncodingLimits};
use ruddle::store::effects::Effects;
use ruddle::text::words;

/// A command's words.
pub(crate) type Words = Vec<Vec<u8>>;

/// When a data set begins, in Unix milliseconds: later than now, as the gate looks at the clock before it wakes somebody.
pub(crate) const START_MS: u64 = 4_000_000_000_000;
/// Databases of a data set.
pub(crate) const DATABASES: usize = 4;

/// The limits of the encodings: so high that what tests make stays small, and so low that it does not.
pub(crate) const PROFILES: &[EncodingLimits] = &[
    EncodingLimits {
        list_max_listpack_size: -2,
        set_max_intset_entries: 512,
        set_max_listpack_entries: 128,
        set_max_listpack_value: 64,
        hash_max_listpack_entries: 512,
        hash_max_listpack_value: 64,
        zset_max_listpack_entries: 128,
        zset_max_listpack_value: 64,
        stream_node_max_bytes: 4096,
        stream_node_max_entries: 100,
    },
    EncodingLimits {
        list_max_listpack_size: 3,
        set_max_intset_entries: 4,
        set_max_listpack_entries: 6,
        set_max_listpack_value: 12,
        hash_max_listpack_entries: 4,
        hash_max_listpack_value: 12,
        zset_max_listpack_entries: 4,
        zset_max_listpack_value: 12,
        stream_node_max_bytes: 4096,
        stream_node_max_entries: 3,
    },
];

/// The words of a line, which may be quoted.
pub(crate) fn words(line: &str) -> Words {
    words::split(line.as_bytes()).unwrap_or_else(|_| panic!("the quotes of {line}"))
}

/// Words as a line, quoted where they must be.
pub(crate) fn line(words: &Words) -> String {
    let quoted = words.iter().map(|word| {
        let plain = !word.is_empty()
            && word
                .iter()
                .all(|byte| byte.is_ascii_graphic() && !b"\"'\\".contains(byte));
        let text = if plain {
            word.clone()
        } else {
            words::quote(word)
        };
        String::from_utf8_lossy(&text).into_owned()
    });
    quoted.collect::<Vec<_>>().join(" ")
}

/// A data set with its clients.
pub(crate) struct Server {
    instance: Arc<Instance>,
    pub(crate) db: Db,
    now_ms: u64,
    clients: Vec<Session>,
    /// All that was logged.
    log: Vec<Words>,
}

/// Names that the configuration gives to commands: for [`Server::with_renames`].
pub(crate) type Renames<'a> = &'a [(&'a str, &'a str)];

fn instance(renames: Renames<'_>) -> Arc<Instance> {
    let pair = |&(from, to): &(&str, &str)| (from.as_bytes().to_vec(), to.as_bytes().to_vec());
    let renames: Vec<_> = renames.iter().map(pair).collect();
    let registry = Registry::new(ruddle::commands::all(), &renames);
    Instance::new(Config::new(Path::new("/")), registry, "0".repeat(40)).share()
}

impl Server {
    /// An empty data set with so many clients.
    pub(crate) fn new(clients: usize, seed: u64, limits: EncodingLimits) -> Server {
        Server::with_renames(clients, seed, limits, &[])
    }

    /// As [`Server::new`], with other names for commands.
    pub(crate) fn with_renames(
        clients: usize,
        seed: u64,
        limits: EncodingLimits,
        renames: Renames<'_>,
    ) -> Server {
        let instance = instance(renames);
        let mut db = Db::new(DATABASES, Some(seed));
        db.limits = limits;
        db.effects = Effects::kept();
        db.set_clock(START_MS);
        let client = |_| {
            let endpoint = Endpoint {
                addr: "a:1".into(),
                local_addr: "b:2".into(),
                unix: false,
                fd: 0,
                is_plain: false,
                io_thread: 0,
            };
            let registered = instance.clients.register(endpoint, 0, clients);
            let registration = registered.expect("there is room for all");
            let session = Session::new(Arc::clone(registration.handle()), true);
            // The client stays until the instance goes.
            std::mem::forget(registration);
            session
        };
        Server {
            clients: (0..clients).map(client).collect(),
            instance,
            db,
            now_ms: START_MS,
            log: Vec::new(),
        }
    }

    pub(crate) fn registry(&self) -> &Registry {
        &self.instance.registry
    }

    /// Lets time pass.
    pub(crate) fn wait(&mut self, ms: u64) {
        self.now_ms += ms;
    }

    /// Has a client run a command, and returns its answer: nothing if it is blocked, in which or before which case.
    pub(crate) fn run(&mut self, client: usize, words: &Words) -> String {
        let session = &mut self.clients[client];
        if session.handle.is_parked() {
            return String::new();
        }
        session.parked = Parked::No;
        session
            .handle
            .take_messages(&mut BytesMut::new(), &mut Vec::new());
        let mut queue = CommandQueue::default();
        words.iter().for_each(|word| queue.push_word(word));
        queue.end_command();
        let (mut out, mut blobs) = (BytesMut::new(), Vec::new());
        let reply = Reply::new(&mut out, &mut blobs, session.protocol);
        self.db.set_clock(self.now_ms);
        let mut gate = Gate {
            db: &mut self.db,
            session,
            instance: &self.instance,
        };
        gate.execute(queue.get(0), None, reply);
        String::from_utf8_lossy(&out).into_owned()
    }

    /// As [`Server::run`]: `1: SET k v` is for client 1, `SET k v` for client 0, and `+500` lets so many milliseconds pass.
    pub(crate) fn run_line(&mut self, text: &str) -> String {
        if let Some(ms) = text.strip_prefix('+') {
            self.wait(ms.parse().expect("milliseconds"));
            return String::new();
        }
        let (client, text) = text.split_once(": ").unwrap_or(("0", text));
        self.run(client.parse().expect("a client"), &words(text))
    }

    /// Has the sweep delete what is due.
    pub(crate) fn sweep(&mut self) {
        self.db.set_clock(self.now_ms);
        for index in 0..DATABASES {
            while self.db.sweep(index, 16) {}
        }
        let log = &self.instance.log;
        log.append(&mut self.db.effects, false, self.now_ms);
    }

    /// What was logged since the last call.
    pub(crate) fn take_log(&mut self) -> Vec<Words> {
        let mut taken = Taken::default();
        self.instance.log.take(&mut taken);
        let commands = parse(&taken.bytes);
        self.log.extend_from_slice(&commands);
        commands
    }

    /// All that was logged, repeated on an empty data set, long after.
    ///
    /// # Errors
    /// What is wrong with the log.
    pub(crate) fn repeated(&mut self) -> Result<Db, String> {
        self.take_log();
        // With names of its own, and without those that the log needs most.
        let instance = instance(&[("SET", "DEL"), ("DEL", ""), ("MULTI", ""), ("SELECT", "s")]);
        let mut db = Db::new(DATABASES, Some(987_654_321));
        db.limits = self.db.limits;
        let mut replay = Replay::new(&instance);
        for command in &self.log {
            let mut queue = CommandQueue::default();
            command.iter().for_each(|word| queue.push_word(word));
            queue.end_command();
            let long_after_ms = self.now_ms + 100_000_000_000;
            let before = replay.failed();
            replay
                .run(&mut db, queue.get(0), long_after_ms)
                .map_err(|error| error.to_string())?;
            if replay.failed() > before {
                return Err(format!("an error is the answer to {}", line(command)));
            }
        }
        match replay.is_within_transaction() {
            true => Err("the end of a transaction is missing".to_owned()),
            false => Ok(db),
        }
    }

    /// All that was logged, as text.
    pub(crate) fn log_text(&self) -> String {
        self.log.iter().map(line).collect::<Vec<_>>().join("\n")
    }
}

/// The commands of a log's bytes.
fn parse(bytes: &[u8]) -> Vec<Words> {
    let mut rest = bytes;
    let mut commands = Vec::new();
    while !rest.is_empty() {
        let count = number(&mut rest, b'*');
        let word = |rest: &mut &[u8]| {
            let length = number(rest, b'$');
            let word = rest[..length].to_vec();
            *rest = &rest[length + 2..];
            word
        };
        commands.push((0..count).map(|_| word(&mut rest)).collect());
    }
    commands
}

fn number(rest: &mut &[u8], kind: u8) -> usize {
    assert_eq!(rest[0], kind);
    let end = rest.iter().position(|&byte| byte == b'\r');
    let end = end.expect("a line has an end");
    let text = std::str::from_utf8(&rest[1..end]).expect("a number is text");
    *rest = &rest[end + 2..];
    text.parse().expect("it is a number")
}
