//! Runs `ruddle-cli` against a server: options, input, output, exit codes.

mod common;

use std::io::{Read, Write};
use std::net::TcpListener;
use std::process::{Command, Output, Stdio};

use common::Server;

/// What a run printed, and the code that it left with.
#[derive(Debug, PartialEq, Eq)]
struct Run {
    out: String,
    err: String,
    code: Option<i32>,
}

/// Runs the client with these arguments and this input.
fn run(args: &[&str], variables: &[(&str, &str)], input: &str) -> Run {
    let mut child = Command::new(env!("CARGO_BIN_EXE_ruddle-cli"))
        .args(args)
        .env_remove("REDISCLI_AUTH")
        .envs(variables.iter().copied())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the client can be run");
    let mut stdin = child.stdin.take().expect("the input is piped");
    // A client that does not read its input may have left already.
    let _ = stdin.write_all(input.as_bytes());
    drop(stdin);
    let Output {
        status,
        stdout,
        stderr,
    } = child.wait_with_output().expect("the client ends");
    Run {
        out: String::from_utf8_lossy(&stdout).into_owned(),
        err: String::from_utf8_lossy(&stderr).into_owned(),
        code: status.code(),
    }
}

/// Runs the client against the server.
fn cli(server: &Server, args: &[&str], input: &str) -> Run {
    let port = server.port.to_string();
    run(&[&["-p", &port], args].concat(), &[], input)
}

fn printed(out: &str) -> Run {
    Run {
        out: out.to_owned(),
        err: String::new(),
        code: Some(0),
    }
}

#[test]
fn a_command_of_the_arguments_is_answered() {
    let server = Server::start(&[]);
    let cases: &[(&[&str], &str, &str)] = &[
        (&["ping"], "", "PONG\n"),
        (&["set", "k", "a \"b\""], "", "OK\n"),
        (&["get", "k"], "", "a \"b\"\n"),
        (&["--no-raw", "get", "k"], "", "\"a \\\"b\\\"\"\n"),
        (&["--no-raw", "get", "none"], "", "(nil)\n"),
        (&["get", "none"], "", "\n"),
        (&["--no-raw", "incrby", "n", "-3"], "", "(integer) -3\n"),
        (&["-x", "set", "page"], "a\n b\n", "OK\n"),
        (&["--no-raw", "get", "page"], "", "\"a\\n b\\n\"\n"),
        (&["-r", "3", "incr", "hits"], "", "1\n2\n3\n"),
        (&["-r", "2", "-i", "0.001", "incr", "hits"], "", "4\n5\n"),
        (&["-r", "0", "incr", "hits"], "", ""),
        (&["-n", "3", "set", "there", "1"], "", "OK\n"),
        (&["-n", "3", "dbsize"], "", "1\n"),
        (
            &["-n", "3", "--raw", "--no-raw", "dbsize"],
            "",
            "(integer) 1\n",
        ),
        (&["--no-raw", "--raw", "get", "page"], "", "a\n b\n\n"),
        (&["-3", "--no-raw", "get", "none"], "", "(nil)\n"),
        (&["rpush", "l", "a", "b"], "", "2\n"),
        (&["lrange", "l", "0", "-1"], "", "a\nb\n"),
        (
            &["--no-raw", "lrange", "l", "0", "-1"],
            "",
            "1) \"a\"\n2) \"b\"\n",
        ),
        (
            &["--no-raw", "lrange", "none", "0", "-1"],
            "",
            "(empty array)\n",
        ),
    ];
    for (args, input, out) in cases {
        assert_eq!(cli(&server, args, input), printed(out), "{args:?}");
    }
}

#[test]
fn lines_of_the_input_are_commands() {
    let server = Server::start(&[]);
    let input = concat!(
        "set a \"x\\ny\"\n",
        "\n",
        "get a\r\n",
        "get \"a\n",
        "3 incr n\n",
        "0 incr n\n",
        "select 2\n",
        "dbsize\n",
        "nonsense\n",
        "EXIT\n",
        "ping\n",
    );
    let out = concat!(
        "OK\n",
        "\"x\\ny\"\n",
        "Invalid argument(s)\n",
        "(integer) 1\n(integer) 2\n(integer) 3\n",
        "Invalid repeat count\n",
        "OK\n",
        "(integer) 0\n",
        "(error) ERR unknown command 'nonsense', with args beginning with: \n",
    );
    assert_eq!(cli(&server, &["--no-raw"], input), printed(out));
    // The last line may lack its line break.
    assert_eq!(cli(&server, &[], "ping\necho x"), printed("PONG\nx\n"));
}

#[test]
fn maps_and_sets_are_shown_as_such() {
    let server = Server::start(&[]);
    let hello = cli(&server, &["-3", "--no-raw", "hello"], "");
    assert!(hello.out.starts_with("1# \"server\" => \""), "{hello:?}");
    assert!(
        hello.out.contains("\n3# \"proto\" => (integer) 3\n"),
        "{hello:?}"
    );
    let hello = cli(&server, &["-2", "--no-raw", "hello"], "");
    assert!(hello.out.contains("\n 6) (integer) 2\n"), "{hello:?}");
}

#[test]
fn texts_are_not_quoted() {
    let server = Server::start(&[]);
    let info = cli(&server, &["--no-raw", "info", "server"], "");
    assert!(info.out.starts_with("# Server\r\n"), "{info:?}");
    let clients = cli(&server, &["--no-raw", "CLIENT", "LIST"], "");
    assert!(clients.out.starts_with("id="), "{clients:?}");
}

#[test]
fn an_error_reply_is_a_failure_only_where_asked() {
    let server = Server::start(&[]);
    let text = "ERR wrong number of arguments for 'get' command\n";
    assert_eq!(cli(&server, &["get"], ""), printed(&format!("{text}\n")));
    let failure = Run {
        out: String::new(),
        err: text.to_owned(),
        code: Some(1),
    };
    assert_eq!(cli(&server, &["-e", "get"], ""), failure);
}

#[test]
fn a_password_comes_from_the_option_or_the_environment() {
    let server = Server::start(&["--requirepass", "secret"]);
    let port = server.port.to_string();
    let refused = cli(&server, &["ping"], "");
    assert!(refused.out.starts_with("NOAUTH"), "{refused:?}");
    let variable = [("REDISCLI_AUTH", "secret")];
    let known = run(&["-p", &port, "ping"], &variable, "");
    assert_eq!(known, printed("PONG\n"));
    let warned = cli(&server, &["-a", "secret", "ping"], "");
    assert_eq!((warned.out.as_str(), warned.code), ("PONG\n", Some(0)));
    assert!(warned.err.starts_with("Warning"), "{warned:?}");
    let args = [
        "-a",
        "secret",
        "--no-auth-warning",
        "--user",
        "default",
        "ping",
    ];
    assert_eq!(cli(&server, &args, ""), printed("PONG\n"));
    let wrong = cli(&server, &["--no-auth-warning", "-a", "no", "ping"], "");
    assert!(wrong.err.starts_with("AUTH failed: WRONGPASS"), "{wrong:?}");
}

#[test]
fn a_unix_socket_is_an_address_too() {
    let path = format!(
        "{}/cli-{}.sock",
        env!("CARGO_TARGET_TMPDIR"),
        std::process::id()
    );
    let _server = Server::start(&["--unixsocket", &path]);
    assert_eq!(run(&["-s", &path, "ping"], &[], ""), printed("PONG\n"));
}

#[test]
fn what_can_not_be_reached_is_a_failure() {
    let nowhere = run(&["-s", "/nowhere/at.sock", "ping"], &[], "");
    let failure = Run {
        out: String::new(),
        err: "Could not connect to Redis at /nowhere/at.sock: No such file or directory\n".into(),
        code: Some(1),
    };
    assert_eq!(nowhere, failure);
    assert_eq!(run(&["-s", "/nowhere/at.sock"], &[], "ping\n"), failure);
}

#[test]
fn a_database_that_is_not_there_gets_no_commands() {
    let server = Server::start(&[]);
    let run = cli(&server, &["-n", "99", "set", "a", "1"], "");
    assert_eq!((run.out.as_str(), run.code), ("", Some(1)));
    assert!(run.err.starts_with("SELECT 99 failed: ERR"), "{run:?}");
    assert_eq!(cli(&server, &["dbsize"], ""), printed("0\n"));
}

#[test]
fn the_servers_leaving_is_no_failure_of_shutdown_alone() {
    let server = Server::start(&[]);
    assert_eq!(cli(&server, &["shutdown", "nosave"], ""), printed(""));
    let gone = cli(&server, &["ping"], "");
    assert_eq!(gone.code, Some(1), "{gone:?}");
}

/// Runs `ping` against a peer that answers its first connection with these bytes and closes it.
fn answered_with(bytes: &'static [u8]) -> Run {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port is free");
    let port = listener.local_addr().expect("it is bound").port();
    let peer = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().expect("the client connects");
        let mut request = [0; b"*1\r\n$4\r\nping\r\n".len()];
        stream.read_exact(&mut request).expect("it sends a command");
        stream.write_all(bytes).expect("it reads the answer");
    });
    let run = run(&["-p", &port.to_string(), "--no-raw", "ping"], &[], "");
    peer.join().expect("the peer was asked");
    run
}

#[test]
fn a_peer_is_not_trusted() {
    let cases: &[(&'static [u8], &str)] = &[
        (b"", "Server closed the connection"),
        (b"$9\r\nabc", "Server closed the connection"),
        (
            b"HTTP/1.1 400\r\n",
            "Protocol error, got \"H\" as reply type byte",
        ),
        (
            b"*9223372036854775807\r\n",
            "Protocol error, a reply is too large",
        ),
    ];
    for (bytes, text) in cases {
        let failure = Run {
            out: String::new(),
            err: format!("Error: {text}\n"),
            code: Some(1),
        };
        assert_eq!(answered_with(bytes), failure);
    }
}

#[test]
fn a_push_is_no_reply() {
    let run = answered_with(b">2\r\n+invalidate\r\n*0\r\n+PONG\r\n");
    assert_eq!(run, printed("PONG\n"));
}

#[test]
fn help_and_version_are_printed() {
    let help = run(&["--help"], &[], "");
    assert_eq!(help.code, Some(0));
    for option in [
        "-h, --host",
        "-p, --port",
        "-n, --db",
        "--no-raw",
        "-x",
        "-3",
    ] {
        assert!(help.out.contains(option), "{option} in {}", help.out);
    }
    let version = format!("ruddle-cli {}\n", env!("CARGO_PKG_VERSION"));
    assert_eq!(run(&["--version"], &[], ""), printed(&version));
    assert_eq!(run(&["--nonsense"], &[], "").code, Some(2));
}
