//! The hot path allocates nothing: a counting allocator watches a batch go through the codec and the gate.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::path::Path;
use std::sync::Arc;

use bytes::{Buf, BytesMut};
use ruddle::command::{Registry, Session};
use ruddle::config::Config;
use ruddle::instance::Instance;
use ruddle::instance::clients::Endpoint;
use ruddle::resp::{Decoded, Reply, RespCodec};
use ruddle::server::dispatch::Gate;
use ruddle::store::db::Db;
use tokio_util::codec::Decoder;

thread_local! {
    static ALLOCATIONS: Cell<usize> = const { Cell::new(0) };
}

/// Counts the allocations of each thread.
struct Watching;

// SAFETY: every call goes to the system's allocator unchanged.
unsafe impl GlobalAlloc for Watching {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let _ = ALLOCATIONS.try_with(|count| count.set(count.get() + 1));
        // SAFETY: the caller's promise is passed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        // SAFETY: the caller's promise is passed on.
        unsafe { System.dealloc(block, layout) }
    }

    unsafe fn realloc(&self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        let _ = ALLOCATIONS.try_with(|count| count.set(count.get() + 1));
        // SAFETY: the caller's promise is passed on.
        unsafe { System.realloc(block, layout, size) }
    }
}

#[global_allocator]
static ALLOCATOR: Watching = Watching;

/// A client without a socket.
struct Client<'a> {
    instance: &'a Instance,
    db: Db,
    session: Session,
    codec: RespCodec,
    input: BytesMut,
    output: BytesMut,
}

impl Client<'_> {
    /// Sends requests and returns the replies and how many allocations they took.
    fn send(&mut self, requests: &str) -> (String, usize) {
        self.input.extend_from_slice(requests.as_bytes());
        self.output.clear();
        let before = ALLOCATIONS.get();
        let mut blobs = Vec::new();
        while let Ok(Some(Decoded::Batch(commands))) = self.codec.decode(&mut self.input) {
            for index in 0..commands {
                let reply = Reply::new(&mut self.output, &mut blobs, self.session.protocol);
                let mut gate = Gate {
                    db: &mut self.db,
                    session: &mut self.session,
                    instance: self.instance,
                };
                gate.execute(self.codec.request(&self.input, index), None, reply);
            }
            let taken = self.codec.finish_batch();
            self.input.advance(taken);
        }
        let allocations = ALLOCATIONS.get() - before;
        (
            String::from_utf8_lossy(&self.output).into_owned(),
            allocations,
        )
    }
}

/// Calls `test` with a client of an empty data set.
fn with_client(test: impl FnOnce(&mut Client<'_>)) {
    let config = Config::new(Path::new("/"));
    let registry = Registry::new(ruddle::commands::all(), &[]);
    let instance = Instance::new(config, registry, "0".repeat(40));
    let endpoint = Endpoint {
        addr: "a:1".into(),
        local_addr: "b:2".into(),
        unix: false,
        fd: 0,
        is_plain: false,
        io_thread: 0,
    };
    let registration = instance
        .clients
        .register(endpoint, 0, 10)
        .expect("there is room for one client");
    let session = Session::new(Arc::clone(registration.handle()), true);
    let mut client = Client {
        instance: &instance,
        db: Db::new(16, Some(1)),
        session,
        codec: RespCodec::default(),
        input: BytesMut::with_capacity(64 * 1024),
        output: BytesMut::with_capacity(64 * 1024),
    };
    test(&mut client);
}

#[test]
fn get_set_incr_and_ping_do_not_allocate() {
    with_client(strings_do_not_allocate);
}

fn strings_do_not_allocate(client: &mut Client<'_>) {
    let get = "*2\r\n$3\r\nGET\r\n$3\r\nkey\r\n";
    let set = |value: &str| format!("*3\r\n$3\r\nSET\r\n$3\r\nkey\r\n$5\r\n{value}\r\n");
    let incr = "*2\r\n$4\r\nINCR\r\n$1\r\nn\r\n";
    let ping = "*1\r\n$4\r\nPING\r\n";
    // The first round may allocate: the key's entry, the codec's tables.
    client.send(&format!("{}{get}{incr}{ping}", set("hello")).repeat(50));
    let cases = [
        (get.to_owned(), "$5\r\nhello\r\n"),
        (set("world"), "+OK\r\n"),
        (get.to_owned(), "$5\r\nworld\r\n"),
        (incr.to_owned(), ":51\r\n"),
        (ping.to_owned(), "+PONG\r\n"),
    ];
    for (request, want) in cases {
        assert_eq!(client.send(&request), (want.to_owned(), 0), "{request:?}");
    }
    let (_, allocations) = client.send(&format!("{}{get}{incr}{ping}", set("again")).repeat(50));
    assert_eq!(allocations, 0, "a batch of two hundred commands");
}

#[test]
fn a_hash_whose_values_are_read_and_overwritten_does_not_allocate() {
    with_client(|client| {
        let get = "*3\r\n$4\r\nHGET\r\n$1\r\nh\r\n$2\r\nf1\r\n";
        let set = "*4\r\n$4\r\nHSET\r\n$1\r\nh\r\n$2\r\nf1\r\n$5\r\nhello\r\n";
        let add = "*4\r\n$7\r\nHINCRBY\r\n$1\r\nh\r\n$2\r\nf2\r\n$1\r\n0\r\n";
        let all = "*2\r\n$7\r\nHGETALL\r\n$1\r\nh\r\n";
        // The hash as one block, and, beyond the limit, as a table.
        for fields in [20, 600] {
            for number in 0..fields {
                let name = format!("f{number}");
                client.send(&format!(
                    "*4\r\n$4\r\nHSET\r\n$1\r\nh\r\n${}\r\n{name}\r\n$3\r\n100\r\n",
                    name.len()
                ));
            }
            let round = format!("{set}{get}{add}{all}");
            client.send(&round);
            assert_eq!(client.send(get), ("$5\r\nhello\r\n".to_owned(), 0));
            assert_eq!(client.send(add), (":100\r\n".to_owned(), 0));
            assert_eq!(
                client.send(&round).1,
                0,
                "HSET to HGETALL of {fields} fields"
            );
        }
    });
}

#[test]
fn a_list_that_is_read_or_used_as_a_queue_does_not_allocate() {
    with_client(|client| {
        let push = "*3\r\n$5\r\nLPUSH\r\n$1\r\nl\r\n$2\r\nab\r\n";
        let pop = "*2\r\n$4\r\nLPOP\r\n$1\r\nl\r\n";
        let range = "*4\r\n$6\r\nLRANGE\r\n$1\r\nl\r\n$1\r\n0\r\n$2\r\n99\r\n";
        // The list as one buffer, and as a tree of many chunks.
        for elements in [200, 20_000] {
            client.send(&push.repeat(elements));
            client.send(&format!("{push}{pop}{range}"));
            let (reply, allocations) = client.send(range);
            assert_eq!(reply, format!("*100\r\n{}", "$2\r\nab\r\n".repeat(100)));
            assert_eq!(allocations, 0, "LRANGE of {elements} elements");
            let (_, allocations) = client.send(&format!("{push}{pop}").repeat(100));
            assert_eq!(allocations, 0, "a hundred times LPUSH and LPOP");
        }
    });
}

#[test]
fn a_small_transaction_does_not_allocate() {
    with_client(|client| {
        let multi = "*1\r\n$5\r\nMULTI\r\n";
        let set = "*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$5\r\nhello\r\n";
        let get = "*2\r\n$3\r\nGET\r\n$1\r\nk\r\n";
        let exec = "*1\r\n$4\r\nEXEC\r\n";
        let round = format!("{multi}{}{exec}", format!("{set}{get}").repeat(5));
        // Some batches, lest buffers grow while it counts: a batch may arrive in parts.
        for _ in 0..20 {
            client.send(&round.repeat(20));
        }
        let queued = "+QUEUED\r\n".repeat(10);
        let answers = "+OK\r\n$5\r\nhello\r\n".repeat(5);
        let want = format!("+OK\r\n{queued}*10\r\n{answers}");
        assert_eq!(client.send(&round), (want, 0));
        assert_eq!(client.send(&round.repeat(20)).1, 0, "twenty transactions");
    });
}

#[test]
fn a_stream_allocates_its_chunks_alone() {
    with_client(|client| {
        let add = "*7\r\n$4\r\nXADD\r\n$1\r\ns\r\n$1\r\n*\r\n$1\r\na\r\n$2\r\n12\r\n$1\r\nb\r\n$5\r\nhello\r\n";
        let range =
            "*6\r\n$6\r\nXRANGE\r\n$1\r\ns\r\n$1\r\n-\r\n$1\r\n+\r\n$5\r\nCOUNT\r\n$2\r\n10\r\n";
        let read = "*6\r\n$5\r\nXREAD\r\n$5\r\nCOUNT\r\n$2\r\n10\r\n$7\r\nSTREAMS\r\n$1\r\ns\r\n$1\r\n0\r\n";
        // Some batches, lest the codec's and the output's buffers grow while it counts.
        for _ in 0..20 {
            client.send(&add.repeat(250));
        }
        let (_, allocations) = client.send(&add.repeat(1000));
        // A thousand entries are ten chunks of a hundred: node and buffer, the buffer's last size, a list of nodes.
        assert!(
            allocations <= 40,
            "{allocations} allocations for 1000 entries"
        );
        client.send(&format!("{range}{read}"));
        for request in [range, read] {
            let (reply, allocations) = client.send(request);
            assert!(reply.contains("hello"));
            assert_eq!(allocations, 0, "{request:?}");
        }
    });
}

#[test]
fn a_sorted_set_is_read_and_scores_are_changed_without_allocations() {
    with_client(|client| {
        let request = |words: &[&str]| {
            let words = words
                .iter()
                .map(|word| format!("${}\r\n{word}\r\n", word.len()));
            format!("*{}\r\n{}", words.len(), words.collect::<String>())
        };
        // The set as one buffer, and as table and tree.
        for members in [100, 5000] {
            for number in 0..members {
                let member = format!("m{number}");
                client.send(&request(&["ZADD", "z", &number.to_string(), &member]));
            }
            let cases = [
                (vec!["ZSCORE", "z", "m50"], "$2\r\n50\r\n"),
                (vec!["ZRANK", "z", "m50"], ":50\r\n"),
                (vec!["ZCOUNT", "z", "(10", "20"], ":10\r\n"),
                (vec!["ZADD", "z", "50.5", "m50"], ":0\r\n"),
                (vec!["ZINCRBY", "z", "-0.5", "m50"], "$2\r\n50\r\n"),
                (
                    vec!["ZRANGE", "z", "50", "51", "WITHSCORES"],
                    "*4\r\n$3\r\nm50\r\n$2\r\n50\r\n$3\r\nm51\r\n$2\r\n51\r\n",
                ),
            ];
            for (words, _) in &cases {
                client.send(&request(words));
            }
            for (words, want) in &cases {
                let got = client.send(&request(words));
                assert_eq!(got, ((*want).to_owned(), 0), "{words:?} of {members}");
            }
        }
    });
}
