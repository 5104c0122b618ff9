//! `client-query-buffer-limit`: a client that sends more than may wait to be executed is disconnected, and what waits is shown.

mod common;

use std::io::Write;
use std::net::TcpStream;

use common::{Connection, Reply, Server, check, encode, info_field, wait_until};

/// The limit of the servers here.
const LIMIT: usize = 1024 * 1024;

fn start(args: &[&str]) -> Server {
    Server::start(&[&["--client-query-buffer-limit", "1mb"], args].concat())
}

/// A field of the line that CLIENT LIST has for the client of that name; nothing if there is no such client.
fn field_of(connection: &mut Connection, name: &str, field: &str) -> Option<usize> {
    let Reply::Bulk(text) = connection.run("CLIENT LIST") else {
        panic!("CLIENT LIST answers text");
    };
    let text = String::from_utf8(text).expect("the names are text");
    let named = format!(" name={name} ");
    let line = text.lines().find(|line| line.contains(&named))?;
    let word = line.split(' ').find_map(|word| word.strip_prefix(field));
    let value = word.and_then(|word| word.strip_prefix('=')?.parse().ok());
    Some(value.expect("the field is a number"))
}

fn disconnections(connection: &mut Connection) -> String {
    info_field(
        connection,
        "stats",
        "client_query_buffer_limit_disconnections",
    )
}

/// A client of that name.
fn named(server: &Server, name: &str) -> Connection {
    let mut connection = server.connect();
    check(&mut connection, &format!("CLIENT SETNAME {name}"), "+OK");
    connection
}

/// Sends `first` on a connection of its own and then `more` again and again; answers how many bytes the server has taken when it
/// closes the connection.
fn taken(server: &Server, first: &[u8], more: &[u8]) -> usize {
    let mut stream = TcpStream::connect(("127.0.0.1", server.port)).expect("the server listens");
    let mut bytes = 0;
    for piece in std::iter::once(first).chain(std::iter::repeat(more)) {
        if stream.write_all(piece).is_err() {
            break;
        }
        bytes += piece.len();
        assert!(bytes < 64 * LIMIT, "the server takes all");
    }
    bytes
}

#[test]
fn what_has_come_of_a_command_is_bounded() {
    let server = start(&[]);
    let mut admin = server.connect();
    let head = b"*1000000\r\n$3\r\nDEL\r\n";
    let many = b"$1\r\nx\r\n".repeat(1000);
    let large = [
        b"$100000\r\n".to_vec(),
        vec![b'x'; 100_000],
        b"\r\n".to_vec(),
    ]
    .concat();
    for (number, more) in [many, large].iter().enumerate() {
        // What is on its way when the server closes is more than it reads.
        let bytes = taken(&server, head, more);
        assert!(bytes > LIMIT - more.len(), "{bytes} bytes taken");
        wait_until("the client is counted", || {
            disconnections(&mut admin) == (number + 1).to_string()
        });
    }
    let mut client = server.connect();
    client.send(b"*2\r\n$4\r\nECHO\r\n$1100000\r\n");
    assert!(client.is_closed(), "it has announced too much");
    assert_eq!(disconnections(&mut admin), "3");
    let mut client = server.connect();
    let value = "x".repeat(LIMIT - 1000);
    for _ in 0..3 {
        let echo = client.command(&["ECHO", &value]);
        assert_eq!(echo, Reply::Bulk(value.clone().into_bytes()));
    }
    assert_eq!(disconnections(&mut admin), "3");
}

#[test]
fn what_a_blocked_client_sends_ahead_is_bounded() {
    let server = start(&[]);
    let mut admin = server.connect();
    let ahead = b"*1\r\n$4\r\nPING\r\n".repeat(1000);
    let mut client = named(&server, "blocked");
    // The wait begins within a batch, whose commands before it count no more.
    let first = [
        encode(&["ECHO", &"x".repeat(10_000)]),
        encode(&["BLPOP", "k", "0"]),
        encode(&["INCR", "n"]),
    ]
    .concat();
    client.send(&first);
    client.read();
    let incr = encode(&["INCR", "n"]).len();
    wait_until("its wait is shown", || {
        field_of(&mut admin, "blocked", "qbuf") == Some(incr)
    });
    let times = (LIMIT - incr) / ahead.len();
    (0..times).for_each(|_| client.send(&ahead));
    wait_until("all is shown", || {
        field_of(&mut admin, "blocked", "qbuf") == Some(incr + times * ahead.len())
    });
    check(&mut admin, "RPUSH k v", ":1");
    assert_eq!(client.read().to_string(), "[\"k\", \"v\"]");
    assert_eq!(client.read(), Reply::Integer(1));
    (0..times * 1000).for_each(|_| assert_eq!(client.read().to_string(), "+PONG"));
    assert_eq!(disconnections(&mut admin), "0");

    let blpop = encode(&["BLPOP", "k", "0"]);
    let bytes = taken(&server, &blpop, &ahead);
    assert!(bytes > LIMIT, "{bytes} bytes taken");
    wait_until("the client is counted", || {
        disconnections(&mut admin) == "1"
    });
    check(&mut admin, "CLIENT PAUSE 1000000 WRITE", "+OK");
    let bytes = taken(&server, &encode(&["INCR", "n"]), &ahead);
    assert!(bytes > LIMIT, "{bytes} bytes taken");
    wait_until("the client is counted", || {
        disconnections(&mut admin) == "2"
    });
    check(&mut admin, "CLIENT UNPAUSE", "+OK");
    check(&mut admin, "GET n", "\"1\"");
}

#[test]
fn who_has_not_authenticated_may_send_a_megabyte() {
    let server = Server::start(&["--requirepass", "secret"]);
    let mut admin = server.connect();
    check(&mut admin, "AUTH secret", "+OK");
    check(&mut admin, "CLIENT PAUSE 1000000 ALL", "+OK");
    let ahead = b"*1\r\n$4\r\nPING\r\n".repeat(1000);
    let bytes = taken(&server, &encode(&["AUTH", "secret"]), &ahead);
    assert!(bytes > LIMIT - ahead.len(), "{bytes} bytes taken");
}

#[test]
fn the_limit_follows_the_configuration() {
    let server = start(&[]);
    // None of them has a batch executed between the change and what it sends.
    let (mut admin, mut large, mut small) = (
        server.connect(),
        named(&server, "large"),
        named(&server, "small"),
    );
    let value = "x".repeat(3 * LIMIT);
    check(
        &mut admin,
        "CONFIG SET client-query-buffer-limit 4mb",
        "+OK",
    );
    let echo = large.command(&["ECHO", &value]);
    assert_eq!(echo, Reply::Bulk(value.into_bytes()));
    check(
        &mut admin,
        "CONFIG SET client-query-buffer-limit 2mb",
        "+OK",
    );
    large.send(b"*2\r\n$4\r\nECHO\r\n$3000000\r\n");
    assert!(large.is_closed());
    small.send(b"*2\r\n$4\r\nECHO\r\n$1500000\r\n");
    wait_until("it is read", || {
        field_of(&mut admin, "small", "argv-mem") > Some(0)
    });
    assert_eq!(disconnections(&mut admin), "1");
}

#[test]
fn what_has_come_of_a_command_is_shown() {
    let server = Server::start(&[]);
    let mut admin = server.connect();
    let clients = |admin: &mut Connection| -> usize {
        let bytes = info_field(admin, "memory", "mem_clients_normal");
        bytes.parse().expect("the field is a number")
    };
    let mut client = named(&server, "slow");
    let before = clients(&mut admin);
    let total = field_of(&mut admin, "slow", "tot-mem").expect("the client is there");
    let head = b"*3\r\n$4\r\nMSET\r\n$100000\r\n";
    client.send(head);
    client.send(&[b'x'; 60_000]);
    let shown = |admin: &mut Connection| {
        ["qbuf", "argv-mem"].map(|field| field_of(admin, "slow", field).expect("it is there"))
    };
    wait_until("a part of a large argument is shown", || {
        let [query, arguments] = shown(&mut admin);
        query == head.len() && arguments >= 60_000
    });
    assert!(clients(&mut admin) > before + 50_000);
    assert!(field_of(&mut admin, "slow", "tot-mem") > Some(total + 50_000));
    client.send(&[b'x'; 40_000]);
    client.send(b"\r\n$3\r\nab");
    wait_until("the rest of a command is shown", || {
        let [query, arguments] = shown(&mut admin);
        query == head.len() + 8 && arguments >= 100_000
    });
    client.send(b"c\r\n");
    assert_eq!(client.read().to_string(), "+OK");
    wait_until("nothing is left", || shown(&mut admin) == [0, 0]);
    client.send(b"PI");
    wait_until("a part of a line is shown", || shown(&mut admin) == [2, 0]);
    client.send(b"NG\r\n");
    assert_eq!(client.read().to_string(), "+PONG");
}
