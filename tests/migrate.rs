//! MIGRATE over the wire: between two servers, and against targets that this test plays itself, which answer when it
//! suits the test: so it is known what happens while keys are on their way.
//!
//! Against a real Redis, in both directions, it is tested by tests/interop/python/migrate.py.

mod common;

use std::io::{BufRead, BufReader, ErrorKind, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use common::{Connection, Reply, Server, check, check_reply, info_field};
use socket2::SockRef;

/// What the played target waits for takes longer than this only if it does not come.
const PATIENCE: Duration = Duration::from_secs(30);

/// Sends a MIGRATE to the local port, `rest` being what comes behind host and port.
fn migrate(connection: &mut Connection, port: u16, rest: &str) -> String {
    connection
        .run(&format!("MIGRATE 127.0.0.1 {port} {rest}"))
        .to_string()
}

/// As [`migrate`], without waiting for the answer.
fn begin(connection: &mut Connection, port: u16, rest: &str) {
    connection.send(format!("MIGRATE 127.0.0.1 {port} {rest}\r\n").as_bytes());
}

#[track_caller]
fn check_answer(connection: &mut Connection, want: &str) {
    let reply = connection.read();
    check_reply(connection, "MIGRATE", &reply, want);
}

/// A target that the test plays.
struct Target {
    listener: TcpListener,
    port: u16,
}

impl Target {
    fn new() -> Target {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port is free");
        SockRef::from(&listener)
            .set_read_timeout(Some(PATIENCE))
            .expect("the time limit is not zero");
        let port = listener
            .local_addr()
            .expect("a bound socket has an address")
            .port();
        Target { listener, port }
    }

    /// Waits for a connection.
    #[track_caller]
    fn accept(&self) -> Talk {
        let (stream, _) = self.listener.accept().expect("a connection comes");
        stream
            .set_read_timeout(Some(PATIENCE))
            .expect("the time limit is not zero");
        Talk(BufReader::new(stream))
    }

    /// Waits for a connection and grants it database 0.
    #[track_caller]
    fn enter(&self) -> Talk {
        let mut talk = self.accept();
        talk.expect("SELECT 0");
        talk.answer("+OK");
        talk
    }
}

/// A connection of the played target.
struct Talk(BufReader<TcpStream>);

impl Talk {
    fn line(&mut self) -> String {
        let mut line = String::new();
        self.0.read_line(&mut line).expect("a line comes");
        line.trim_end().to_owned()
    }

    /// Reads a command.
    fn request(&mut self) -> Vec<Vec<u8>> {
        let count = |line: String| line[1..].parse::<usize>().expect("a length is a number");
        let words = count(self.line());
        let read_word = |_| {
            let mut word = vec![0; count(self.line()) + 2];
            self.0.read_exact(&mut word).expect("a word comes");
            word.truncate(word.len() - 2);
            word
        };
        (0..words).map(read_word).collect()
    }

    /// Reads a command and compares it with these words; `*` stands for any word.
    #[track_caller]
    fn expect(&mut self, words: &str) -> Vec<Vec<u8>> {
        let request = self.request();
        let shown = |word: &Vec<u8>| String::from_utf8_lossy(word).into_owned();
        let got: Vec<_> = request.iter().map(shown).collect();
        let want: Vec<_> = words.split(' ').collect();
        let fits = |(got, want): (&String, &&str)| *want == "*" || got == want;
        assert!(
            got.len() == want.len() && got.iter().zip(&want).all(fits),
            "{got:?} instead of {words:?}"
        );
        request
    }

    fn answer(&mut self, line: &str) {
        let line = format!("{line}\r\n");
        self.0
            .get_mut()
            .write_all(line.as_bytes())
            .expect("the other side reads");
    }

    /// Waits for the other side to close.
    fn is_closed(&mut self) -> bool {
        match self.0.fill_buf() {
            Ok(bytes) => bytes.is_empty(),
            Err(error) => error.kind() == ErrorKind::ConnectionReset,
        }
    }
}

/// A key of each type, as the command that makes it.
const KEYS_OF_ALL_TYPES: &[&str] = &[
    "SET string value",
    "SET integer 12345",
    "SETRANGE long 3000000 end",
    "RPUSH list a b 3",
    "SADD integers 1 2 3",
    "SADD set a b c",
    "HSET hash f v g w",
    "ZADD sorted 1 a 2.5 b",
    "PFADD hll a b c",
    "XADD stream 1-1 f v",
];

fn make_keys_of_all_types(connection: &mut Connection) -> Vec<&'static str> {
    for line in KEYS_OF_ALL_TYPES {
        connection.run(line);
    }
    connection.run("XGROUP CREATE stream group 0");
    connection.run("XREADGROUP GROUP group consumer STREAMS stream >");
    connection.run(
        "EVAL \"for i = 1, 5000 do redis.call('RPUSH', KEYS[1], 'element ' .. i) end\" 1 large",
    );
    let names = KEYS_OF_ALL_TYPES
        .iter()
        .filter_map(|line| line.split(' ').nth(1));
    names.chain(["large"]).collect()
}

#[test]
fn keys_of_all_types_arrive_as_they_were() {
    let (here, there) = (Server::start(&[]), Server::start(&[]));
    let (mut source, mut target) = (here.connect(), there.connect());
    check(&mut target, "SELECT 9", "+OK");
    let names = make_keys_of_all_types(&mut source);
    let dump = |connection: &mut Connection, key: &str| connection.run(&format!("DUMP {key}"));
    let made: Vec<Reply> = names.iter().map(|key| dump(&mut source, key)).collect();
    for (key, made) in names.iter().zip(made) {
        let answer = migrate(&mut source, there.port, &format!("{key} 9 10000"));
        assert_eq!(answer, "+OK", "{key}");
        assert_eq!(dump(&mut target, key), made, "{key}");
        check(&mut source, &format!("EXISTS {key}"), ":0");
    }
    check(&mut source, "DBSIZE", ":0");
    check(&mut source, "DBSIZE", ":0");
}

#[test]
fn what_is_wrong_is_said() {
    let (here, there) = (Server::start(&[]), Server::start(&[]));
    let mut target = there.connect();
    for mut source in [here.connect(), here.connect_resp3()] {
        check(&mut source, "SET k v", "+OK");
        check(&mut target, "FLUSHALL", "+OK");
        for (rest, want) in [
            (
                "k 0",
                "-ERR wrong number of arguments for 'migrate' command",
            ),
            ("k x y BAD", "-ERR syntax error"),
            ("k x y AUTH", "-ERR syntax error"),
            ("k x y AUTH2 name", "-ERR syntax error"),
            (
                "k x y KEYS a",
                "-ERR When using MIGRATE KEYS option, the key argument must be set to the empty string",
            ),
            ("k x 100", "-ERR value is not an integer or out of range"),
            ("k 0 x", "-ERR value is not an integer or out of range"),
            ("none x 100", "-ERR value is not an integer or out of range"),
            ("none 0 100", "+NOKEY"),
            ("\"\" 0 100", "+NOKEY"),
            ("\"\" 0 100 KEYS", "+NOKEY"),
            ("\"\" 0 100 COPY KEYS none nothing", "+NOKEY"),
            (
                "k 99 0",
                "-ERR Target instance replied with error: ERR DB index is out of range",
            ),
            (
                "k 0 -1 AUTH pw",
                "-ERR Target instance replied with error: ERR AUTH <password> called without any password configured \
                 for the default user. Are you sure your configuration is correct?",
            ),
        ] {
            assert_eq!(migrate(&mut source, there.port, rest), want, "{rest}");
        }
        check(&mut target, "DBSIZE", ":0");
        check(&mut source, "EXISTS k", ":1");
    }
}

#[test]
fn a_target_that_is_not_there_is_an_error() {
    let server = Server::start(&[]);
    let mut source = server.connect();
    check(&mut source, "SET k v", "+OK");
    let closed = Target::new().port;
    assert_eq!(
        migrate(&mut source, closed, "k 0 5000"),
        "-IOERR error or timeout writing to target instance"
    );
    let unknown = "-IOERR error or timeout connecting to the client";
    for words in [
        "host.invalid 6379",
        "127.0.0.1 port",
        "127.0.0.1 65536",
        r#""\xff" 1"#,
    ] {
        check(&mut source, &format!("MIGRATE {words} k 0 5000"), unknown);
    }
    check(&mut source, "GET k", "\"v\"");
}

/// Runs commands at one server and the other. `TO` is host and port of the second.
#[track_caller]
fn play(here: &Server, there: &Server, table: &[(&str, &str, &str)]) {
    let (mut source, mut target) = (here.connect(), there.connect());
    let to = format!("127.0.0.1 {}", there.port);
    for (at, line, want) in table {
        let connection = if *at == "here" {
            &mut source
        } else {
            &mut target
        };
        check(connection, &line.replace("TO", &to), want);
    }
}

const BUSY: &str =
    "-ERR Target instance replied with error: BUSYKEY Target key name already exists.";

#[test]
fn copies_stay_and_keys_are_replaced_only_where_that_is_asked_for() {
    let (here, there) = (Server::start(&[]), Server::start(&[]));
    let table = [
        ("here", "MSET a 1 b 2 c 3", "+OK"),
        ("here", "MIGRATE TO a 0 9000 copy", "+OK"),
        ("here", "GET a", "\"1\""),
        ("there", "GET a", "\"1\""),
        ("here", "SET a changed", "+OK"),
        ("here", "MIGRATE TO a 0 9000", BUSY),
        ("here", "MIGRATE TO a 0 9000 COPY", BUSY),
        ("there", "GET a", "\"1\""),
        // What the target does not refuse is moved all the same.
        ("here", "MIGRATE TO \"\" 0 9000 KEYS b a c none", BUSY),
        ("here", "KEYS *", "[\"a\"]"),
        ("there", "MGET b a c", "[\"2\", \"1\", \"3\"]"),
        // A key that is named twice is moved once.
        (
            "here",
            "MIGRATE TO \"\" 0 9000 replace KEYS a none a",
            "+OK",
        ),
        ("there", "GET a", "\"changed\""),
        ("here", "SET a again", "+OK"),
        ("there", "DEL a", ":1"),
        ("here", "MIGRATE TO \"\" 0 9000 KEYS a a", "+OK"),
        ("there", "GET a", "\"again\""),
        ("here", "DBSIZE", ":0"),
    ];
    play(&here, &there, &table);
}

#[test]
fn the_target_wants_its_password() {
    let here = Server::start(&[]);
    let there = Server::start(&["--requirepass", "secret"]);
    let refused = |text: &str| format!("-ERR Target instance replied with error: {text}");
    let no_auth = refused("NOAUTH Authentication required.");
    let wrong = refused("WRONGPASS invalid username-password pair or user is disabled.");
    let table = [
        ("here", "MSET a 1 b 2", "+OK"),
        ("here", "MIGRATE TO a 0 9000", no_auth.as_str()),
        ("here", "MIGRATE TO a 0 9000 AUTH wrong", &wrong),
        ("here", "MIGRATE TO a 0 9000 AUTH2 nobody secret", &wrong),
        ("here", "MIGRATE TO a 0 9000 AUTH secret", "+OK"),
        // The connection that was let in is no other's.
        ("here", "MIGRATE TO b 0 9000", &no_auth),
        ("here", "MIGRATE TO b 0 9000 AUTH2 default secret", "+OK"),
        ("there", "AUTH secret", "+OK"),
        ("there", "DBSIZE", ":2"),
        ("here", "SET b again", "+OK"),
        ("there", "CONFIG SET requirepass other", "+OK"),
        ("here", "MIGRATE TO b 0 9000 AUTH secret REPLACE", &wrong),
        ("here", "DBSIZE", ":1"),
    ];
    play(&here, &there, &table);
}

#[test]
fn deadlines_go_with_their_keys() {
    let (here, there) = (Server::start(&[]), Server::start(&[]));
    let table = [
        ("here", "SET a 1 PX 1000000", "+OK"),
        ("here", "SET b 2", "+OK"),
        ("here", "HSET h f v g w", ":2"),
        ("here", "HPEXPIRE h 1000000 FIELDS 1 f", "[:1]"),
        ("here", "MIGRATE TO \"\" 0 9000 KEYS a b h", "+OK"),
        ("there", "PTTL b", ":-1"),
        ("there", "PEXPIRE a 1000000 GT", ":1"),
        ("there", "PEXPIRE a 900000 LT", ":1"),
        ("there", "HPERSIST h FIELDS 2 f g", "[:1, :-1]"),
    ];
    play(&here, &there, &table);
}

#[test]
fn many_keys_go_in_one_command() {
    const KEYS: usize = 3000;
    let (here, there) = (Server::start(&[]), Server::start(&[]));
    let (mut source, mut target) = (here.connect(), there.connect());
    let names: Vec<String> = (0..KEYS).map(|number| format!("key:{number}")).collect();
    let pairs = names.iter().map(|name| format!("{name} value"));
    let pairs: Vec<String> = pairs.collect();
    check(&mut source, &format!("MSET {}", pairs.join(" ")), "+OK");
    let rest = format!("\"\" 0 9000 KEYS {}", names.join(" "));
    assert_eq!(migrate(&mut source, there.port, &rest), "+OK");
    check(&mut source, "DBSIZE", ":0");
    check(&mut target, "DBSIZE", &format!(":{KEYS}"));
}

#[test]
fn a_server_can_be_its_own_target() {
    let server = Server::start(&[]);
    let table = [
        ("here", "SET k v", "+OK"),
        ("here", "MIGRATE TO k 1 9000", "+OK"),
        ("here", "EXISTS k", ":0"),
        ("there", "SELECT 1", "+OK"),
        ("there", "GET k", "\"v\""),
        // To where it is already: what arrives is another value than was sent, each time.
        ("here", "SET k w", "+OK"),
        ("here", "MIGRATE TO k 0 9000", BUSY),
        (
            "here",
            "MIGRATE TO k 0 9000 REPLACE",
            "-IOERR 1 keys changed each of the 8 times that they were sent to the target instance, and are still here",
        ),
        ("here", "GET k", "\"w\""),
    ];
    play(&server, &server, &table);
}

#[test]
fn transactions_and_scripts_cannot_wait_for_another_server() {
    let (here, there) = (Server::start(&[]), Server::start(&[]));
    let table = [
        ("here", "SET k v", "+OK"),
        ("here", "MULTI", "+OK"),
        (
            "here",
            "MIGRATE TO k 0 9000",
            "-ERR Command not allowed inside a transaction",
        ),
        (
            "here",
            "EXEC",
            "-EXECABORT Transaction discarded because of previous errors.",
        ),
        ("there", "DBSIZE", ":0"),
    ];
    play(&here, &there, &table);
    let line = format!(
        "EVAL \"return redis.pcall('MIGRATE', '127.0.0.1', '{}', KEYS[1], 0, 9000)\" 1 k",
        there.port
    );
    let answer = here.connect().run(&line).to_string();
    let want = "-ERR This Redis command is not allowed from script";
    assert!(answer.starts_with(want), "{answer}");
}

#[test]
fn others_are_served_while_a_target_is_silent_and_its_time_runs_out() {
    let (server, target) = (Server::start(&[]), Target::new());
    let (mut source, mut other) = (server.connect(), server.connect());
    check(&mut source, "SET k v", "+OK");
    begin(&mut source, target.port, "k 0 60000");
    let mut talk = target.enter();
    talk.expect("RESTORE k 0 *");
    // The target has it and says nothing; whoever closes first is taken at his word.
    check(&mut other, "GET k", "\"v\"");
    check(&mut other, "SET other v", "+OK");
    drop(talk);
    let mut again = target.enter();
    again.expect("RESTORE k 0 *");
    drop(again);
    check_answer(
        &mut source,
        "-IOERR error or timeout reading to target instance",
    );
    begin(&mut source, target.port, "k 0 50");
    let mut talk = target.accept();
    talk.expect("SELECT 0");
    check_answer(
        &mut source,
        "-IOERR error or timeout reading to target instance",
    );
    assert!(talk.is_closed());
    check(&mut other, "GET k", "\"v\"");
}

#[test]
fn the_time_for_which_a_target_is_waited_for_is_the_commands() {
    let (server, target) = (Server::start(&[]), Target::new());
    let mut source = server.connect();
    check(&mut source, "SET k v", "+OK");
    begin(&mut source, target.port, "k 0 50 AUTH secret");
    let silent = target.accept();
    check_answer(
        &mut source,
        "-IOERR error or timeout reading to target instance",
    );
    drop(silent);
    let Reply::Array(log) = source.run("SLOWLOG GET 1") else {
        panic!("the log is an array");
    };
    let Some(Reply::Array(entry)) = log.first() else {
        panic!("it is in the slow log");
    };
    assert!(matches!(entry[2], Reply::Integer(50_000..)), "{}", entry[2]);
    let words = entry[3].to_string();
    assert!(words.ends_with("\"AUTH\", \"(redacted)\"]"), "{words}");
    let stats = info_field(&mut source, "commandstats", "cmdstat_migrate");
    let took = stats
        .split(',')
        .find_map(|part| part.strip_prefix("usec="))
        .and_then(|took| took.parse::<u64>().ok());
    assert!(took >= Some(50_000), "{stats}");
}

#[test]
fn a_peer_that_takes_nothing_is_given_up() {
    let (server, target) = (Server::start(&[]), Target::new());
    let mut source = server.connect();
    // More than the buffers between the two hold.
    check(&mut source, "SETRANGE k 30000000 end", ":30000003");
    check(&mut source, "CONFIG SET rdbcompression no", "+OK");
    begin(&mut source, target.port, "k 0 100");
    let _talk = target.enter();
    check_answer(
        &mut source,
        "-IOERR error or timeout writing to target instance",
    );
    check(&mut source, "STRLEN k", ":30000003");
}

#[test]
fn what_is_no_answer_is_no_yes() {
    let (server, target) = (Server::start(&[]), Target::new());
    let mut source = server.connect();
    check(&mut source, "SET k v", "+OK");
    let endless = "+".repeat(10_000);
    for nonsense in ["$2", "HTTP/1.1 400 Bad Request", "", endless.as_str()] {
        begin(&mut source, target.port, "k 0 60000");
        for _ in 0..2 {
            let mut talk = target.enter();
            talk.expect("RESTORE k 0 *");
            talk.answer(nonsense);
        }
        check_answer(
            &mut source,
            "-IOERR error or timeout reading to target instance",
        );
    }
    check(&mut source, "GET k", "\"v\"");
}

#[test]
fn a_key_that_changes_on_its_way_is_sent_again() {
    let (server, target) = (Server::start(&[]), Target::new());
    let (mut source, mut other) = (server.connect(), server.connect());
    // What makes the key, what happens meanwhile, its deadline, and what is sent then.
    for (make, change, then) in [
        ("SET k 1", "INCR k", "RESTORE k 0 * REPLACE"),
        ("SET k value", "APPEND k more", "RESTORE k 0 * REPLACE"),
        ("SET k value", "SET k other", "RESTORE k 0 * REPLACE"),
        ("RPUSH k a b", "LPOP k", "RESTORE k 0 * REPLACE"),
        ("HSET k f v", "HSET k f w", "RESTORE k 0 * REPLACE"),
        ("XADD k 1-1 f v", "XADD k 2-1 f v", "RESTORE k 0 * REPLACE"),
        ("SET k v", "EXPIRE k 1000", "RESTORE k * * REPLACE"),
        ("SET k v EX 1000", "PERSIST k", "RESTORE k 0 * REPLACE"),
    ] {
        other.run(make);
        begin(&mut source, target.port, "k 0 60000");
        let mut talk = target.enter();
        talk.expect("RESTORE k * *");
        assert!(!matches!(other.run(change), Reply::Error(_)), "{change}");
        let dump = other.run("DUMP k");
        talk.answer("+OK");
        let sent = talk.expect(then);
        assert_eq!(Reply::Bulk(sent[3].clone()), dump, "{change}");
        talk.answer("+OK");
        check_answer(&mut source, "+OK");
        check(&mut other, "EXISTS k", ":0");
        // The next one begins with a connection of its own.
        drop(talk);
    }
}

#[test]
fn a_key_that_is_deleted_on_its_way_is_deleted_there() {
    let (server, target) = (Server::start(&[]), Target::new());
    let (mut source, mut other) = (server.connect(), server.connect());
    for deletion in ["DEL k", "FLUSHALL", "RENAME k other", "SWAPDB 0 1"] {
        check(&mut other, "FLUSHALL", "+OK");
        check(&mut other, "SET k v", "+OK");
        begin(&mut source, target.port, "k 0 60000");
        let mut talk = target.enter();
        talk.expect("RESTORE k 0 *");
        other.run(deletion);
        talk.answer("+OK");
        talk.expect("DEL k");
        talk.answer(":1");
        check_answer(&mut source, "+NOKEY");
    }
    // One that has come back when it is deleted there goes there again.
    check(&mut other, "SET k v", "+OK");
    begin(&mut source, target.port, "k 0 60000");
    let mut talk = target.enter();
    talk.expect("RESTORE k 0 *");
    check(&mut other, "DEL k", ":1");
    talk.answer("+OK");
    talk.expect("DEL k");
    check(&mut other, "SET k back", "+OK");
    talk.answer(":1");
    talk.expect("RESTORE k 0 * REPLACE");
    talk.answer("+OK");
    check_answer(&mut source, "+OK");
    check(&mut other, "EXISTS k", ":0");
}

#[test]
fn a_key_that_never_rests_stays() {
    let (server, target) = (Server::start(&[]), Target::new());
    let (mut source, mut other) = (server.connect(), server.connect());
    check(&mut other, "MSET busy 0 quiet 0", "+OK");
    begin(&mut source, target.port, "\"\" 0 60000 KEYS busy quiet");
    let mut talk = target.enter();
    talk.expect("RESTORE busy 0 *");
    talk.expect("RESTORE quiet 0 *");
    talk.answer("+OK");
    check(&mut other, "INCR busy", ":1");
    talk.answer("+OK");
    for round in 2..=8 {
        talk.expect("RESTORE busy 0 * REPLACE");
        check(&mut other, "INCR busy", &format!(":{round}"));
        talk.answer("+OK");
    }
    check_answer(
        &mut source,
        "-IOERR 1 keys changed each of the 8 times that they were sent to the target instance, and are still here",
    );
    check(&mut other, "MGET busy quiet", "[\"8\", $-1]");
}

#[test]
fn no_write_is_lost_or_doubled_while_keys_move() {
    const PUSHES: usize = 3000;
    const MOVERS: usize = 2;
    let (here, there) = (Server::start(&[]), Server::start(&[]));
    let is_done = AtomicBool::new(false);
    let moved = AtomicUsize::new(0);
    let move_keys = |mover: usize| {
        let (mut source, mut target) = (here.connect(), there.connect());
        // Each mover has a database of its own there.
        check(&mut target, &format!("SELECT {mover}"), "+OK");
        loop {
            let is_last = is_done.load(Ordering::Acquire);
            match migrate(&mut source, there.port, &format!("k {mover} 60000")).as_str() {
                "+OK" => {
                    let number = moved.fetch_add(1, Ordering::Relaxed);
                    check(&mut target, &format!("RENAME k {number}"), "+OK");
                }
                // What has arrived is old, and the key is still here.
                error if error.starts_with("-IOERR 1 keys changed") => {
                    check(&mut target, "DEL k", ":1");
                }
                "+NOKEY" if is_last => return,
                answer => assert_eq!(answer, "+NOKEY"),
            }
        }
    };
    std::thread::scope(|scope| {
        for mover in 0..MOVERS {
            scope.spawn(move || move_keys(mover));
        }
        let mut writer = here.connect();
        for number in 0..PUSHES {
            let pushed = writer.run(&format!("RPUSH k {number}"));
            assert!(matches!(pushed, Reply::Integer(_)), "{pushed}");
        }
        is_done.store(true, Ordering::Release);
    });
    let mut arrived = Vec::new();
    let mut target = there.connect();
    for mover in 0..MOVERS {
        check(&mut target, &format!("SELECT {mover}"), "+OK");
        for key in strings(target.run("KEYS *")) {
            arrived.extend(strings(target.run(&format!("LRANGE {key} 0 -1"))));
        }
    }
    check(&mut here.connect(), "DBSIZE", ":0");
    let mut numbers: Vec<usize> = arrived
        .iter()
        .map(|number| number.parse().expect("numbers were pushed"))
        .collect();
    numbers.sort_unstable();
    let all: Vec<usize> = (0..PUSHES).collect();
    assert!(numbers == all, "{} of {PUSHES} arrived", numbers.len());
}

/// The elements of an array of texts.
fn strings(reply: Reply) -> Vec<String> {
    let Reply::Array(elements) = reply else {
        panic!("{reply} is no array");
    };
    let text = |element: &Reply| match element {
        Reply::Bulk(bytes) => String::from_utf8_lossy(bytes).into_owned(),
        other => panic!("{other} is no text"),
    };
    elements.iter().map(text).collect()
}

#[test]
fn a_copy_is_sent_once_whatever_happens_meanwhile() {
    let (server, target) = (Server::start(&[]), Target::new());
    let (mut source, mut other) = (server.connect(), server.connect());
    check(&mut other, "SET k 1", "+OK");
    let dump = other.run("DUMP k");
    begin(&mut source, target.port, "k 0 60000 COPY");
    let mut talk = target.enter();
    check(&mut other, "INCR k", ":2");
    let sent = talk.expect("RESTORE k 0 *");
    assert_eq!(Reply::Bulk(sent[3].clone()), dump);
    talk.answer("+OK");
    check_answer(&mut source, "+OK");
    check(&mut other, "GET k", "\"2\"");
}

#[test]
fn a_key_is_moved_by_one_client_at_a_time() {
    let (server, target) = (Server::start(&[]), Target::new());
    let (mut one, mut two, mut other) = (server.connect(), server.connect(), server.connect());
    let waiting = |other: &mut Connection, count: usize| {
        while !other
            .run("INFO clients")
            .to_string()
            .contains(&format!("blocked_clients:{count}"))
        {}
    };
    for (first, last) in [("+OK", "+NOKEY"), ("-ERR no", "+OK")] {
        check(&mut other, "MSET k v l w", "+OK");
        begin(&mut one, target.port, "k 0 60000");
        let mut talk = target.enter();
        talk.expect("RESTORE k 0 *");
        begin(&mut two, target.port, "\"\" 0 60000 REPLACE KEYS k none");
        waiting(&mut other, 2);
        // Another key, and a copy, need not wait.
        for rest in ["l 0 60000", "k 0 60000 COPY"] {
            let mut third = server.connect();
            begin(&mut third, target.port, rest);
            let mut talk = target.enter();
            talk.expect(&format!("RESTORE {} 0 *", &rest[..1]));
            talk.answer("-ERR this is for another test");
            check_answer(
                &mut third,
                "-ERR Target instance replied with error: ERR this is for another test",
            );
        }
        talk.answer(first);
        if first == "+OK" {
            check_answer(&mut one, "+OK");
        } else {
            check_answer(&mut one, "-ERR Target instance replied with error: ERR no");
            // The connection is the second's now, and its database is asked for again.
            talk.expect("SELECT 0");
            talk.answer("+OK");
            talk.expect("RESTORE k 0 * REPLACE");
            talk.answer("+OK");
        }
        check_answer(&mut two, last);
        check(&mut other, "KEYS *", "[\"l\"]");
    }
}

#[test]
fn nobody_ends_the_wait_and_who_leaves_has_moved_his_keys() {
    let (server, target) = (Server::start(&[]), Target::new());
    let (mut source, mut other) = (server.connect(), server.connect());
    let Reply::Integer(id) = source.run("CLIENT ID") else {
        panic!("a client has a number");
    };
    check(&mut other, "SET k v", "+OK");
    begin(&mut source, target.port, "k 0 60000");
    let mut talk = target.enter();
    talk.expect("RESTORE k 0 *");
    check(&mut other, &format!("CLIENT UNBLOCK {id}"), ":0");
    check(&mut other, &format!("CLIENT UNBLOCK {id} ERROR"), ":0");
    check(&mut other, &format!("CLIENT KILL ID {id}"), ":1");
    assert!(source.is_closed());
    talk.answer("+OK");
    while other.run("EXISTS k") != Reply::Integer(0) {}
}

#[test]
fn nothing_is_deleted_while_clients_must_not_write() {
    let (server, target) = (Server::start(&[]), Target::new());
    let (mut source, mut other) = (server.connect(), server.connect());
    check(&mut other, "SET k v", "+OK");
    begin(&mut source, target.port, "k 0 60000");
    let mut talk = target.enter();
    talk.expect("RESTORE k 0 *");
    check(&mut other, "CLIENT PAUSE 100000 WRITE", "+OK");
    talk.answer("+OK");
    // The answer has been read when its connection is kept.
    while !other
        .run("INFO stats")
        .to_string()
        .contains("migrate_cached_sockets:1")
    {}
    check(&mut other, "EXISTS k", ":1");
    check(&mut other, "CLIENT UNPAUSE", "+OK");
    check_answer(&mut source, "+OK");
    check(&mut other, "EXISTS k", ":0");
}

#[test]
fn those_who_follow_a_key_learn_that_it_has_gone() {
    let here = Server::start(&["--notify-keyspace-events", "KEA"]);
    let there = Server::start(&[]);
    let (mut source, mut subscriber) = (here.connect(), here.connect());
    let (mut watcher, mut reader) = (here.connect(), here.connect());
    let mut cacher = here.connect_resp3();
    check(&mut source, "XADD stream 1-1 f v", "\"1-1\"");
    check(&mut source, "XGROUP CREATE stream group $", "+OK");
    subscriber.run("SUBSCRIBE __keyevent@0__:del");
    check(&mut watcher, "WATCH stream", "+OK");
    check(&mut cacher, "CLIENT TRACKING ON", "+OK");
    check(&mut cacher, "EXISTS stream", ":1");
    reader.send(b"XREADGROUP GROUP group me BLOCK 0 STREAMS stream >\r\n");
    while !source
        .run("INFO clients")
        .to_string()
        .contains("blocked_clients:1")
    {}
    assert_eq!(migrate(&mut source, there.port, "stream 0 9000"), "+OK");
    assert_eq!(
        subscriber.read().to_string(),
        "[\"message\", \"__keyevent@0__:del\", \"stream\"]"
    );
    assert_eq!(cacher.read().to_string(), ">[\"invalidate\", [\"stream\"]]");
    let lost = reader.read().to_string();
    assert!(lost.starts_with("-NOGROUP"), "{lost}");
    check(&mut watcher, "MULTI", "+OK");
    check(&mut watcher, "EXEC", "*-1");
}

#[test]
fn what_was_moved_is_not_there_again_after_a_restart() {
    let log = ["--appendonly", "yes", "--appendfsync", "always"];
    let (here, there) = (Server::start(&log), Server::start(&log));
    let table = [
        ("here", "MSET a 1 b 2 c 3 d 4", "+OK"),
        ("here", "MIGRATE TO \"\" 0 9000 KEYS a b", "+OK"),
        ("here", "MIGRATE TO c 0 9000 COPY", "+OK"),
        ("here", "SET a again", "+OK"),
        ("here", "MIGRATE TO \"\" 0 9000 KEYS a d", BUSY),
    ];
    play(&here, &there, &table);
    let (here, there) = (here.kill_and_restart(&log), there.kill_and_restart(&log));
    let table = [
        ("here", "MGET a b c d", "[\"again\", $-1, \"3\", $-1]"),
        ("there", "MGET a b c d", "[\"1\", \"2\", \"3\", \"4\"]"),
    ];
    play(&here, &there, &table);
}

#[test]
fn connections_are_kept_and_replaced_when_they_break() {
    let (server, target) = (Server::start(&[]), Target::new());
    let mut source = server.connect();
    let cached = |source: &mut Connection, count: usize| {
        let info = source.run("INFO stats").to_string();
        assert!(info.contains(&format!("migrate_cached_sockets:{count}")));
    };
    let mut talk = None;
    for database in ["0", "0", "3"] {
        check(&mut source, "SET k v", "+OK");
        begin(&mut source, target.port, &format!("k {database} 60000"));
        let is_new = talk.is_none();
        let talk = talk.get_or_insert_with(|| target.accept());
        if is_new || database == "3" {
            talk.expect(&format!("SELECT {database}"));
            talk.answer("+OK");
        }
        talk.expect("RESTORE k 0 *");
        talk.answer("+OK");
        check_answer(&mut source, "+OK");
        cached(&mut source, 1);
    }
    // One that has closed it meanwhile is called again.
    drop(talk);
    check(&mut source, "SET k v", "+OK");
    begin(&mut source, target.port, "k 0 60000");
    let mut talk = target.enter();
    talk.expect("RESTORE k 0 *");
    talk.answer("+OK");
    check_answer(&mut source, "+OK");
    check(&mut source, "DBSIZE", ":0");
    cached(&mut source, 1);
    // One that says more than it is asked is not asked again.
    check(&mut source, "SET k v", "+OK");
    begin(&mut source, target.port, "k 0 60000");
    talk.expect("RESTORE k 0 *");
    talk.answer("+OK\r\n+OK");
    check_answer(&mut source, "+OK");
    cached(&mut source, 0);
}

#[test]
fn the_keys_are_told_to_those_who_route() {
    let server = Server::start(&[]);
    let mut client = server.connect();
    let invalid = "-ERR Invalid arguments specified for command";
    for (words, want) in [
        ("h 1 k 0 9", "[\"k\"]"),
        ("h 1 k 0 9 COPY AUTH KEYS", "[\"k\"]"),
        ("h 1 \"\" 0 9 KEYS a b", "[\"a\", \"b\"]"),
        ("h 1 \"\" 0 9 AUTH2 keys keys keys keys", "[\"keys\"]"),
        ("h 1 k 0 9 KEYS a", invalid),
        ("h 1 \"\" 0 9 KEYS", invalid),
    ] {
        check(
            &mut client,
            &format!("COMMAND GETKEYS MIGRATE {words}"),
            want,
        );
    }
}
