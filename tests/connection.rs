//! The connection family over the wire: greeting, authentication, CLIENT, and what the gate refuses.

mod common;

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use common::{Connection, Reply, Server, check, encode};

/// A state that does not come within this time fails its test.
const PATIENCE: Duration = Duration::from_secs(20);

/// Runs a table of commands and replies in RESP2 and in RESP3, each on one connection.
#[track_caller]
fn check_both(server: &Server, table: &[(&str, &str)]) {
    for mut connection in [server.connect(), server.connect_resp3()] {
        for (line, want) in table {
            check(&mut connection, line, want);
        }
    }
}

/// Asks until the answer is as wanted; what it waits for is done by another task of the server.
fn wait_for(what: &str, mut holds: impl FnMut() -> bool) {
    let start = Instant::now();
    while !holds() {
        assert!(start.elapsed() < PATIENCE, "waited in vain until {what}");
        std::thread::yield_now();
    }
}

/// The text of a bulk or verbatim reply.
fn text(reply: Reply) -> String {
    match reply {
        Reply::Bulk(bytes) | Reply::Verbatim(bytes) => {
            String::from_utf8(bytes).expect("the text is UTF-8")
        }
        other => panic!("{other} is no text"),
    }
}

fn integer(reply: Reply) -> i64 {
    match reply {
        Reply::Integer(value) => value,
        other => panic!("{other} is no integer"),
    }
}

/// The value of a field in a line of CLIENT LIST.
fn field<'a>(line: &'a str, name: &str) -> &'a str {
    let mut fields = line
        .trim_end()
        .split(' ')
        .map(|field| field.split_once('=').expect("a field has a value"));
    fields
        .find(|(known, _)| *known == name)
        .unwrap_or_else(|| panic!("no field {name} in {line}"))
        .1
}

/// Sends bytes to a new connection and returns all that comes until the server closes it.
fn until_closed(server: &Server, bytes: &[u8]) -> String {
    let mut stream = TcpStream::connect(("127.0.0.1", server.port)).expect("the server listens");
    stream
        .set_read_timeout(Some(PATIENCE))
        .expect("the limit is not zero");
    stream.write_all(bytes).expect("the server reads");
    let mut answer = Vec::new();
    // A server that closes with input unread resets the connection, after what it has written.
    if let Err(error) = stream.read_to_end(&mut answer) {
        assert_eq!(
            error.kind(),
            std::io::ErrorKind::ConnectionReset,
            "the server does not close the connection"
        );
    }
    String::from_utf8_lossy(&answer).into_owned()
}

#[test]
fn greetings_are_answered() {
    let server = Server::start(&[]);
    check_both(
        &server,
        &[
            ("PING", "+PONG"),
            ("ping hello", "\"hello\""),
            ("PING \"\"", "\"\""),
            (
                "PING a b",
                "-ERR wrong number of arguments for 'ping' command",
            ),
            ("ECHO \"a\\r\\nb\"", "\"a\\r\\nb\""),
            ("ECHO", "-ERR wrong number of arguments for 'echo' command"),
            (
                "ECHO a b",
                "-ERR wrong number of arguments for 'echo' command",
            ),
            ("SELECT 15", "+OK"),
            ("SELECT 0", "+OK"),
            ("SELECT 16", "-ERR DB index is out of range"),
            ("SELECT -1", "-ERR DB index is out of range"),
            ("SELECT x", "-ERR value is not an integer or out of range"),
            ("SELECT 01", "-ERR value is not an integer or out of range"),
            (
                "SELECT 2147483648",
                "-ERR value is out of range, value must between -2147483648 and 2147483647",
            ),
        ],
    );
}

#[test]
fn select_gives_each_connection_its_database() {
    let server = Server::start(&["--databases", "4"]);
    let (mut one, mut other) = (server.connect(), server.connect());
    check(&mut one, "SELECT 3", "+OK");
    check(&mut one, "SET key there", "+OK");
    check(&mut other, "GET key", "$-1");
    check(&mut other, "SELECT 4", "-ERR DB index is out of range");
    check(&mut other, "SELECT 3", "+OK");
    check(&mut other, "GET key", "\"there\"");
}

#[test]
fn a_large_echo_comes_back_whole() {
    let server = Server::start(&[]);
    let message = vec![b'x'; 100_000];
    assert_eq!(
        server.connect().command(&[b"ECHO".as_slice(), &message]),
        Reply::Bulk(message)
    );
}

#[test]
fn quit_answers_and_closes_and_runs_nothing_behind_it() {
    let server = Server::start(&[]);
    let set = encode(&["SET", "key", &"x".repeat(20_000)]);
    for tail in [b"".as_slice(), b"SET key value\r\n", &set] {
        assert_eq!(
            until_closed(&server, &[b"QUIT\r\n", tail].concat()),
            "+OK\r\n"
        );
        assert_eq!(
            until_closed(&server, &[b"PING\r\nQUIT ignored words\r\n", tail].concat()),
            "+PONG\r\n+OK\r\n"
        );
    }
    check(&mut server.connect(), "GET key", "$-1");
}

#[test]
fn hello_chooses_the_protocol() {
    let server = Server::start(&[]);
    let mut connection = server.connect();
    let id = integer(connection.run("CLIENT ID"));
    let Reply::Array(flat) = connection.run("HELLO 2") else {
        panic!("RESP2 has no maps")
    };
    assert_eq!(flat.len(), 14);
    let Reply::Map(pairs) = connection.run("HELLO 3 SETNAME me") else {
        panic!("RESP3 has maps")
    };
    let texts: Vec<_> = pairs
        .iter()
        .map(|(key, value)| format!("{key} {value}"))
        .collect();
    assert_eq!(texts[0], "\"server\" \"redis\"");
    assert!(texts[1].starts_with("\"version\" "), "{}", texts[1]);
    let rest = [
        "\"proto\" :3".to_owned(),
        format!("\"id\" :{id}"),
        "\"mode\" \"standalone\"".to_owned(),
        "\"role\" \"master\"".to_owned(),
        "\"modules\" []".to_owned(),
    ];
    assert_eq!(texts[2..], rest);
    check(&mut connection, "GET none", "_");
    check(&mut connection, "CLIENT GETNAME", "\"me\"");
    assert!(
        matches!(connection.run("HELLO"), Reply::Map(_)),
        "HELLO alone keeps the version"
    );
    assert!(
        matches!(connection.run("HELLO 2"), Reply::Array(_)),
        "HELLO 2 goes back"
    );
    check(&mut connection, "GET none", "$-1");
}

#[test]
fn hello_refuses_what_it_does_not_know() {
    let server = Server::start(&[]);
    check_both(
        &server,
        &[
            ("HELLO 1", "-NOPROTO unsupported protocol version"),
            ("HELLO 4", "-NOPROTO unsupported protocol version"),
            (
                "HELLO x",
                "-ERR Protocol version is not an integer or out of range",
            ),
            ("HELLO 3 WHAT", "-ERR Syntax error in HELLO option 'WHAT'"),
            (
                "HELLO 3 AUTH me",
                "-ERR Syntax error in HELLO option 'AUTH'",
            ),
            (
                "HELLO 3 SETNAME",
                "-ERR Syntax error in HELLO option 'SETNAME'",
            ),
            (
                "HELLO 3 SETNAME \"a b\"",
                "-ERR Client names cannot contain spaces, newlines or special characters.",
            ),
            (
                "HELLO 3 AUTH nobody secret",
                "-WRONGPASS invalid username-password pair or user is disabled.",
            ),
        ],
    );
}

#[test]
fn without_a_password_everybody_is_in() {
    let server = Server::start(&[]);
    check_both(
        &server,
        &[
            (
                "AUTH secret",
                "-ERR AUTH <password> called without any password configured for the default user. Are you sure your \
                 configuration is correct?",
            ),
            ("AUTH default anything", "+OK"),
            (
                "AUTH nobody secret",
                "-WRONGPASS invalid username-password pair or user is disabled.",
            ),
            ("AUTH a b c", "-ERR syntax error"),
            ("AUTH", "-ERR wrong number of arguments for 'auth' command"),
            ("GET key", "$-1"),
        ],
    );
}

const NO_AUTH: &str = "-NOAUTH Authentication required.";
const WRONG_PASS: &str = "-WRONGPASS invalid username-password pair or user is disabled.";

#[test]
fn with_a_password_nothing_is_answered_before_it() {
    let server = Server::start(&["--requirepass", "secret"]);
    let mut connection = server.connect();
    for (line, want) in [
        ("PING", NO_AUTH),
        ("GET key", NO_AUTH),
        ("CLIENT ID", NO_AUTH),
        ("COMMAND", NO_AUTH),
        ("GET", "-ERR wrong number of arguments for 'get' command"),
        (
            "NOSUCH a",
            "-ERR unknown command 'NOSUCH', with args beginning with: 'a' ",
        ),
        (
            "HELLO 3",
            "-NOAUTH HELLO must be called with the client already authenticated, otherwise the HELLO <proto> AUTH \
             <user> <pass> option can be used to authenticate the client and select the RESP protocol version at the \
             same time",
        ),
        ("HELLO 3 AUTH default wrong", WRONG_PASS),
        ("AUTH wrong", WRONG_PASS),
        ("AUTH secret2", WRONG_PASS),
        ("AUTH \"\"", WRONG_PASS),
        ("AUTH nobody secret", WRONG_PASS),
        ("PING", NO_AUTH),
        ("AUTH secret", "+OK"),
        ("PING", "+PONG"),
        ("AUTH wrong", WRONG_PASS),
        ("PING", "+PONG"),
        ("RESET", "+RESET"),
        ("PING", NO_AUTH),
        ("AUTH default secret", "+OK"),
        ("PING", "+PONG"),
    ] {
        check(&mut connection, line, want);
    }
    let mut greeted = server.connect();
    assert!(matches!(
        greeted.run("HELLO 3 AUTH default secret SETNAME me"),
        Reply::Map(_)
    ));
    check(&mut greeted, "CLIENT GETNAME", "\"me\"");
    assert_eq!(until_closed(&server, b"QUIT\r\n"), "+OK\r\n");
}

#[test]
fn a_password_may_hold_any_byte() {
    let path = std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join("binary-password.conf");
    std::fs::write(&path, "requirepass \"a\\x00b\\xff\"\n")
        .expect("the folder for temporary files is there");
    let server = Server::start(&["--include", path.to_str().expect("the path is UTF-8")]);
    let mut connection = server.connect();
    check(&mut connection, "AUTH \"a\"", WRONG_PASS);
    check(&mut connection, "AUTH \"a\\x00c\\xff\"", WRONG_PASS);
    check(&mut connection, "AUTH \"a\\x00b\\xff\"", "+OK");
}

#[test]
fn reset_makes_a_connection_new() {
    let server = Server::start(&[]);
    let mut connection = server.connect_resp3();
    for (line, want) in [
        ("CLIENT SETNAME me", "+OK"),
        ("SELECT 3", "+OK"),
        ("SET key value", "+OK"),
    ] {
        check(&mut connection, line, want);
    }
    connection.send(&encode(&["CLIENT", "REPLY", "OFF"]));
    check(&mut connection, "RESET", "+RESET");
    let line = text(connection.run("CLIENT INFO"));
    let state = ["name", "db", "resp", "flags"].map(|name| field(&line, name));
    assert_eq!(state, ["", "0", "2", "N"]);
    // The second text is not for this connection any more, although it began in RESP3.
    assert_eq!(connection.run("GET key"), Reply::Null("$-1"));
    check(
        &mut connection,
        "RESET now",
        "-ERR wrong number of arguments for 'reset' command",
    );
}

#[test]
fn client_names_and_libraries() {
    let server = Server::start(&[]);
    const BAD_NAME: &str =
        "-ERR Client names cannot contain spaces, newlines or special characters.";
    check_both(
        &server,
        &[
            ("CLIENT GETNAME", "$-1"),
            ("CLIENT SETNAME first", "+OK"),
            ("client getname", "\"first\""),
            ("CLIENT SETNAME \"a b\"", BAD_NAME),
            ("CLIENT SETNAME \"a\\nb\"", BAD_NAME),
            ("CLIENT SETNAME \"\\xc3\\xa9\"", BAD_NAME),
            ("CLIENT GETNAME", "\"first\""),
            ("CLIENT SETNAME \"\"", "+OK"),
            ("CLIENT GETNAME", "$-1"),
            ("CLIENT GETREDIR", ":-1"),
            ("CLIENT NO-EVICT ON", "+OK"),
            ("CLIENT NO-EVICT off", "+OK"),
            ("CLIENT NO-EVICT what", "-ERR syntax error"),
            ("CLIENT UNBLOCK 99", ":0"),
            ("CLIENT UNBLOCK 99 TIMEOUT", ":0"),
            ("CLIENT UNBLOCK 99 error", ":0"),
            (
                "CLIENT UNBLOCK x",
                "-ERR value is not an integer or out of range",
            ),
            (
                "CLIENT UNBLOCK 99 what",
                "-ERR CLIENT UNBLOCK reason should be TIMEOUT or ERROR",
            ),
            (
                "CLIENT UNBLOCK 99 ERROR more",
                "-ERR unknown subcommand or wrong number of arguments for 'UNBLOCK'. Try CLIENT HELP.",
            ),
            (
                "CLIENT TRACKINGINFO",
                "[\"flags\", [\"off\"], \"redirect\", :-1, \"prefixes\", []] // \
                 %{\"flags\": ~[\"off\"], \"redirect\": :-1, \"prefixes\": []}",
            ),
        ],
    );
}

#[test]
fn client_subcommands_of_redis_8() {
    let server = Server::start(&[]);
    check_both(
        &server,
        &[
            ("CLIENT SETINFO LIB-NAME lib", "+OK"),
            ("CLIENT SETINFO lib-ver 1.2", "+OK"),
            (
                "CLIENT SETINFO lib-ver \"1 2\"",
                "-ERR lib-ver cannot contain spaces, newlines or special characters.",
            ),
            ("CLIENT SETINFO what 1", "-ERR Unrecognized option 'what'"),
            ("CLIENT NO-TOUCH on", "+OK"),
            ("CLIENT NO-TOUCH OFF", "+OK"),
            ("CLIENT NO-TOUCH what", "-ERR syntax error"),
            (
                "CLIENT KILL MAXAGE x",
                "-ERR maxage is not an integer or out of range",
            ),
            (
                "CLIENT KILL MAXAGE 0",
                "-ERR maxage should be greater than 0",
            ),
            ("CLIENT KILL MAXAGE 100000", ":0"),
        ],
    );
    let mut connection = server.connect();
    check(&mut connection, "CLIENT SETINFO lib-name lib", "+OK");
    check(&mut connection, "CLIENT NO-TOUCH on", "+OK");
    check(&mut connection, "CLIENT NO-EVICT on", "+OK");
    let line = text(connection.run("CLIENT INFO"));
    assert_eq!(
        ["lib-name", "lib-ver", "flags"].map(|name| field(&line, name)),
        ["lib", "", "eT"]
    );
    check(&mut connection, "RESET", "+RESET");
    let line = text(connection.run("CLIENT INFO"));
    assert_eq!(
        ["lib-name", "flags"].map(|name| field(&line, name)),
        ["lib", "N"]
    );
}

#[test]
fn client_info_tells_the_state_of_the_command_under_way() {
    let server = Server::start(&[]);
    let mut connection = server.connect_resp3();
    // All in one batch, so nothing of it has been published when CLIENT INFO runs.
    connection.send(b"SELECT 7\r\nCLIENT SETNAME me\r\nCLIENT INFO\r\n");
    assert_eq!(
        [connection.read(), connection.read()].map(|reply| reply.to_string()),
        ["+OK", "+OK"]
    );
    let line = text(connection.read());
    let line = line
        .strip_prefix("txt:")
        .expect("the text is verbatim")
        .to_owned();
    assert!(
        line.ends_with('\n') && !line.trim_end().contains('\n'),
        "{line:?}"
    );
    let id = integer(connection.run("CLIENT ID")).to_string();
    let port = format!("127.0.0.1:{}", server.port);
    for (name, want) in [
        ("id", id.as_str()),
        ("laddr", &port),
        ("name", "me"),
        ("age", "0"),
        ("idle", "0"),
        ("flags", "N"),
        ("db", "7"),
        ("sub", "0"),
        ("psub", "0"),
        ("ssub", "0"),
        ("multi", "-1"),
        ("qbuf", "42"),
        ("argv-mem", "10"),
        ("multi-mem", "0"),
        ("oll", "0"),
        ("omem", "0"),
        ("events", "r"),
        ("cmd", "client|info"),
        ("user", "default"),
        ("redir", "-1"),
        ("resp", "3"),
    ] {
        // A slow machine may need a second from connecting to here.
        if name != "age" || field(&line, name) != "1" {
            assert_eq!(field(&line, name), want, "{name} in {line}");
        }
    }
}

#[test]
fn client_list_has_the_fields_of_redis_in_their_order() {
    let server = Server::start(&[]);
    let line = text(server.connect().run("CLIENT LIST"));
    let names: Vec<_> = line
        .trim_end()
        .split(' ')
        .map(|field| field.split('=').next().expect("a name"))
        .collect();
    assert_eq!(
        names.join(" "),
        "id addr laddr fd name age idle flags db sub psub ssub multi watch qbuf qbuf-free argv-mem multi-mem rbs rbp obl \
         oll omem tot-mem events cmd user redir resp lib-name lib-ver io-thread tot-net-in tot-net-out tot-cmds"
    );
}

#[test]
fn client_list_shows_whom_it_is_asked_for() {
    let server = Server::start(&[]);
    let (mut one, mut other) = (server.connect(), server.connect());
    let ids = [&mut one, &mut other].map(|connection| integer(connection.run("CLIENT ID")));
    let oldest_first = [ids[0].min(ids[1]), ids[0].max(ids[1])];
    check(&mut other, "SELECT 2", "+OK");
    let listed = |line: &str, asking: &mut Connection| {
        let list = text(asking.run(line));
        list.lines()
            .map(|line| field(line, "id").parse().expect("a number"))
            .collect::<Vec<i64>>()
    };
    assert_eq!(listed("CLIENT LIST", &mut one), oldest_first);
    assert_eq!(listed("CLIENT LIST TYPE normal", &mut one), oldest_first);
    for kind in ["master", "replica", "slave", "PUBSUB"] {
        assert_eq!(
            listed(&format!("CLIENT LIST TYPE {kind}"), &mut one),
            [0i64; 0],
            "{kind}"
        );
    }
    assert_eq!(
        listed(
            &format!("CLIENT LIST ID {} 999 {}", ids[1], ids[0]),
            &mut one
        ),
        [ids[1], ids[0]]
    );
    let line = format!("CLIENT LIST ID {}", ids[1]);
    wait_for("the other client's figures are published", || {
        field(&text(one.run(&line)), "db") == "2"
    });
    assert_eq!(field(&text(one.run(&line)), "cmd"), "select");
    check_both(
        &server,
        &[
            ("CLIENT LIST TYPE what", "-ERR Unknown client type 'what'"),
            ("CLIENT LIST TYPE", "-ERR syntax error"),
            ("CLIENT LIST what", "-ERR syntax error"),
            ("CLIENT LIST ID", "-ERR syntax error"),
            ("CLIENT LIST ID x", "-ERR Invalid client ID"),
            ("CLIENT LIST ID 1 x", "-ERR Invalid client ID"),
        ],
    );
}

#[test]
fn client_kill_refuses_what_makes_no_sense() {
    let server = Server::start(&[]);
    check_both(
        &server,
        &[
            (
                "CLIENT KILL",
                "-ERR wrong number of arguments for 'client|kill' command",
            ),
            ("CLIENT KILL 1.2.3.4:5", "-ERR No such client"),
            ("CLIENT KILL ID 10 what", "-ERR syntax error"),
            ("CLIENT KILL ID", "-ERR No such client"),
            (
                "CLIENT KILL ID x",
                "-ERR client-id should be greater than 0",
            ),
            (
                "CLIENT KILL ID 0",
                "-ERR client-id should be greater than 0",
            ),
            (
                "CLIENT KILL ID -1",
                "-ERR client-id should be greater than 0",
            ),
            ("CLIENT KILL TYPE what", "-ERR Unknown client type 'what'"),
            ("CLIENT KILL USER nobody", "-ERR No such user 'nobody'"),
            ("CLIENT KILL SKIPME maybe", "-ERR syntax error"),
            ("CLIENT KILL WHAT ever", "-ERR syntax error"),
            ("CLIENT KILL ID 999", ":0"),
            ("CLIENT KILL TYPE replica", ":0"),
            ("CLIENT KILL TYPE pubsub SKIPME no", ":0"),
            ("CLIENT KILL ADDR 1.2.3.4:5 ID 1", ":0"),
        ],
    );
}

#[test]
fn client_kill_closes_whom_it_is_told_to() {
    let server = Server::start(&[]);
    let mut killer = server.connect();
    let own = text(killer.run("CLIENT INFO"));
    for form in [
        "ID {id}",
        "ADDR {addr}",
        "{addr}",
        "LADDR {laddr} TYPE normal USER default SKIPME yes",
    ] {
        let mut victim = server.connect();
        let line = text(victim.run("CLIENT INFO"));
        let form = form
            .replace("{id}", field(&line, "id"))
            .replace("{addr}", field(&line, "addr"))
            .replace("{laddr}", field(&line, "laddr"));
        let want = if form.contains(' ') { ":1" } else { "+OK" };
        check(&mut killer, &format!("CLIENT KILL {form}"), want);
        assert_eq!(
            text(killer.run("CLIENT LIST")).lines().count(),
            1,
            "the killed client is gone at once"
        );
        assert!(victim.is_closed(), "{form}");
    }
    assert_eq!(
        field(&text(killer.run("CLIENT INFO")), "id"),
        field(&own, "id")
    );
}

#[test]
fn a_client_that_kills_itself_hears_of_it() {
    let server = Server::start(&[]);
    let mut one = server.connect();
    let line = text(one.run("CLIENT INFO"));
    one.send(format!("CLIENT KILL {}\r\nPING\r\n", field(&line, "addr")).as_bytes());
    assert_eq!(one.read().to_string(), "+OK");
    assert!(one.is_closed(), "what follows is not run");
    let (mut two, mut three) = (server.connect(), server.connect());
    check(&mut three, "PING", "+PONG");
    wait_for("the first client is gone", || {
        text(two.run("CLIENT LIST")).lines().count() == 2
    });
    check(&mut two, "CLIENT KILL SKIPME no", ":2");
    assert!(two.is_closed() && three.is_closed());
}

#[test]
fn a_client_that_reads_nothing_can_be_killed() {
    let server = Server::start(&[]);
    let mut deaf = server.connect();
    let id = integer(deaf.run("CLIENT ID"));
    let value = vec![b'x'; 1024 * 1024];
    assert_eq!(
        deaf.command(&[b"SET".as_slice(), b"key", &value])
            .to_string(),
        "+OK"
    );
    deaf.send("GET key\r\n".repeat(64).as_bytes());
    let mut other = server.connect();
    let line = format!("CLIENT LIST ID {id}");
    wait_for("the replies wait for their reader", || {
        field(&text(other.run(&line)), "events") == "rw"
    });
    check(&mut other, &format!("CLIENT KILL ID {id}"), ":1");
    assert!(
        deaf.drains_to_the_end() < 64 * value.len(),
        "the connection was closed before all was written"
    );
}

#[test]
fn client_reply_chooses_what_is_answered() {
    let server = Server::start(&[]);
    for (sent, want) in [
        (
            "CLIENT REPLY OFF|PING 1|NOSUCH|CLIENT REPLY SKIP|PING 2|CLIENT REPLY ON|PING 3",
            "+OK \"3\"",
        ),
        ("CLIENT REPLY SKIP|PING 1|PING 2", "\"2\""),
        ("CLIENT REPLY SKIP|NOSUCH|PING 2", "\"2\""),
        ("CLIENT REPLY SKIP|CLIENT REPLY SKIP|PING 1|PING 2", "\"2\""),
        ("CLIENT REPLY SKIP|CLIENT REPLY ON|PING 1", "+OK \"1\""),
        ("CLIENT REPLY what|PING 1", "-ERR syntax error \"1\""),
        ("CLIENT REPLY SKIP|CLIENT REPLY what|PING 1", "\"1\""),
        // What is under way is not answered, whatever it does.
        ("CLIENT REPLY SKIP|RESET|PING 1", "\"1\""),
        ("CLIENT REPLY SKIP|PING 1|RESET|PING 2", "+RESET \"2\""),
        ("CLIENT REPLY OFF|PING 1|RESET|PING 2", "+RESET \"2\""),
    ] {
        let mut connection = server.connect();
        connection.send(format!("{}\r\nPING end\r\n", sent.replace('|', "\r\n")).as_bytes());
        let mut answers = Vec::new();
        loop {
            match connection.read().to_string() {
                end if end == "\"end\"" => break,
                answer => answers.push(answer),
            }
        }
        assert_eq!(answers.join(" "), want, "{sent}");
    }
}

#[test]
fn unknown_commands_are_quoted_back() {
    let server = Server::start(&[]);
    let long = "x".repeat(200);
    let cut = "x".repeat(128);
    check_both(
        &server,
        &[
            (
                "NoSuch",
                "-ERR unknown command 'NoSuch', with args beginning with: ",
            ),
            (
                "nosuch a \"b c\"",
                "-ERR unknown command 'nosuch', with args beginning with: 'a' 'b c' ",
            ),
            (
                "nosuch \"a\\r\\nb\"",
                "-ERR unknown command 'nosuch', with args beginning with: 'a  b' ",
            ),
            (
                "\"no\\x00such\" \"a\\x00b\" c",
                "-ERR unknown command 'no', with args beginning with: 'a' 'c' ",
            ),
            (
                &long,
                &format!("-ERR unknown command '{cut}', with args beginning with: "),
            ),
            (
                &format!("nosuch {long} more"),
                &format!("-ERR unknown command 'nosuch', with args beginning with: '{cut}' "),
            ),
            (
                &format!("nosuch {} {long} more", &long[..120]),
                &format!(
                    "-ERR unknown command 'nosuch', with args beginning with: '{}' '{}' ",
                    &long[..120],
                    &long[..5]
                ),
            ),
            (
                "CLIENT",
                "-ERR wrong number of arguments for 'client' command",
            ),
            (
                "CLIENT nosuch",
                "-ERR unknown subcommand 'nosuch'. Try CLIENT HELP.",
            ),
            (
                "client \"no\\x00such\" a",
                "-ERR unknown subcommand 'no'. Try CLIENT HELP.",
            ),
            (
                &format!("command {long}"),
                &format!("-ERR unknown subcommand '{cut}'. Try COMMAND HELP."),
            ),
            (
                "CLIENT ID x",
                "-ERR wrong number of arguments for 'client|id' command",
            ),
            (
                "client getname x",
                "-ERR wrong number of arguments for 'client|getname' command",
            ),
            ("get", "-ERR wrong number of arguments for 'get' command"),
        ],
    );
}

#[test]
fn http_requests_are_cut_off() {
    let server = Server::start(&[]);
    for request in [
        "POST / HTTP/1.1\r\n",
        "PING\r\npost /x\r\nPING\r\n",
        "GET / HTTP/1.1\r\nHost: here\r\nSET key x\r\n",
    ] {
        assert_eq!(until_closed(&server, request.as_bytes()), "", "{request}");
    }
    check(&mut server.connect(), "GET key", "$-1");
}

#[test]
fn client_help_names_every_subcommand() {
    let server = Server::start(&[]);
    let mut connection = server.connect();
    for (container, subcommands) in [
        (
            "CLIENT",
            "GETNAME GETREDIR ID INFO KILL LIST NO-EVICT NO-TOUCH REPLY SETINFO SETNAME TRACKINGINFO UNBLOCK HELP",
        ),
        (
            "COMMAND",
            "COUNT DOCS GETKEYS GETKEYSANDFLAGS INFO LIST HELP",
        ),
    ] {
        let Reply::Array(lines) = connection.run(&format!("{container} HELP")) else {
            panic!("HELP is a list")
        };
        let lines: Vec<_> = lines.iter().map(Reply::to_string).collect();
        assert_eq!(
            lines[0],
            format!("+{container} <subcommand> [<arg> [value] [opt] ...]. Subcommands are:")
        );
        for subcommand in subcommands.split(' ') {
            let described = |line: &String| line[1..].split(' ').next() == Some(subcommand);
            assert!(lines[1..].iter().any(described), "{container} {subcommand}");
        }
    }
}
