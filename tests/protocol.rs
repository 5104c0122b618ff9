//! The protocol over the wire: faults and what follows them, limits before authentication, inline commands, and streams
//! that come in pieces.

mod common;

use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};
use std::time::Duration;

use common::{Server, encode};

/// A server that answers later fails its test.
const PATIENCE: Duration = Duration::from_secs(20);
/// The longest line that may hold a length or an inline command.
const MAX_LINE: usize = 64 * 1024;

fn open(server: &Server) -> TcpStream {
    let stream = TcpStream::connect(("127.0.0.1", server.port)).expect("the server listens");
    stream
        .set_read_timeout(Some(PATIENCE))
        .expect("the limit is not zero");
    stream.set_nodelay(true).expect("the stream is open");
    stream
}

/// All that comes until the server closes the connection.
fn rest(mut stream: TcpStream) -> Vec<u8> {
    let mut answer = Vec::new();
    // A server that closes with input unread resets the connection, after what it has written.
    if let Err(error) = stream.read_to_end(&mut answer) {
        assert_eq!(
            error.kind(),
            std::io::ErrorKind::ConnectionReset,
            "the server does not close the connection"
        );
    }
    answer
}

/// What the server answers to `bytes` before it closes the connection on its own.
fn until_closed(server: &Server, bytes: &[u8]) -> String {
    let mut stream = open(server);
    stream.write_all(bytes).expect("the server reads");
    rest(stream).escape_ascii().to_string()
}

/// What the server answers to `pieces`, which it gets one by one, and to the end of the stream.
fn answers<'a>(server: &Server, pieces: impl IntoIterator<Item = &'a [u8]>) -> String {
    let mut stream = open(server);
    for piece in pieces {
        stream.write_all(piece).expect("the server reads");
    }
    stream
        .shutdown(Shutdown::Write)
        .expect("the stream is open");
    rest(stream).escape_ascii().to_string()
}

#[test]
fn faults_are_answered_and_end_the_connection() {
    let server = Server::start(&[]);
    let endless = "1".repeat(MAX_LINE + 1);
    for (bytes, text) in [
        (endless.as_str(), "too big inline request"),
        ("SET \"a\r\n", "unbalanced quotes in request"),
        (
            "set \"\"\"test-key\"\"\" test-value\r\n",
            "unbalanced quotes in request",
        ),
        (&format!("*{endless}"), "too big mbulk count string"),
        ("*\r\n", "invalid multibulk length"),
        ("*x\r\n", "invalid multibulk length"),
        ("*3000000000\r\n", "invalid multibulk length"),
        (&format!("*1\r\n${endless}"), "too big bulk count string"),
        (
            "*3\r\n$3\r\nSET\r\n$1\r\nx\r\nfooz\r\n",
            "expected \\'$\\', got \\'f\\'",
        ),
        ("*1\r\n\r\n", "expected \\'$\\', got \\' \\'"),
        ("*1\r\n*1\r\n", "expected \\'$\\', got \\'*\\'"),
        (
            "*3\r\n$3\r\nSET\r\n$1\r\nx\r\n$-10\r\n",
            "invalid bulk length",
        ),
        (
            "*3\r\n$3\r\nSET\r\n$1\r\nx\r\n$2000000000\r\n",
            "invalid bulk length",
        ),
        (
            "*3\r\n$3\r\nSET\r\n$1\r\nx\r\n$blabla\r\n",
            "invalid bulk length",
        ),
        ("*1\r\n$536870913\r\n", "invalid bulk length"),
    ] {
        let error = format!("-ERR Protocol error: {text}\\r\\n");
        assert_eq!(
            until_closed(&server, bytes.as_bytes()),
            error,
            "{bytes:.40}"
        );
        let before = format!("PING\r\n{bytes}");
        assert_eq!(
            until_closed(&server, before.as_bytes()),
            format!("+PONG\\r\\n{error}"),
            "{before:.40}"
        );
    }
    assert_eq!(
        until_closed(&server, b"*1\r\n\xff\r\n"),
        "-ERR Protocol error: expected \\'$\\', got \\'\\xff\\'\\r\\n"
    );
}

#[test]
fn nothing_runs_behind_a_fault() {
    let server = Server::start(&[]);
    let faulty = b"SET before 1\r\n*x\r\nSET behind 1\r\n*1\r\n$4\r\nPING\r\n";
    assert_eq!(
        until_closed(&server, faulty),
        "+OK\\r\\n-ERR Protocol error: invalid multibulk length\\r\\n"
    );
    assert_eq!(
        answers(&server, [b"MGET before behind\r\n".as_slice()]),
        "*2\\r\\n$1\\r\\n1\\r\\n$-1\\r\\n"
    );
}

#[test]
fn the_error_of_a_fault_is_the_same_in_resp3() {
    let server = Server::start(&[]);
    let answer = until_closed(&server, b"HELLO 3\r\n*x\r\n");
    assert!(
        answer.starts_with("%7")
            && answer.ends_with("-ERR Protocol error: invalid multibulk length\\r\\n"),
        "{answer}"
    );
}

#[test]
fn a_line_may_be_as_long_as_the_limit() {
    let server = Server::start(&[]);
    let longest = format!("ECHO {}\r\n", "a".repeat(MAX_LINE - 7));
    assert_eq!(
        answers(&server, [longest.as_bytes()]).len(),
        "$65529\\r\\n\\r\\n".len() + MAX_LINE - 7
    );
}

#[test]
fn requests_without_words_are_skipped() {
    let server = Server::start(&[]);
    for nothing in [
        "\r\n",
        "\n",
        "  \r\n",
        "*0\r\n",
        "*-10\r\n",
        "\r\n\r\n*0\r\n\n",
    ] {
        let bytes = format!("{nothing}PING\r\n{nothing}*1\r\n$4\r\nPING\r\n");
        assert_eq!(
            answers(&server, [bytes.as_bytes()]),
            "+PONG\\r\\n+PONG\\r\\n",
            "{nothing:?}"
        );
    }
}

#[test]
fn inline_commands_are_split_and_unquoted() {
    let server = Server::start(&[]);
    for (line, want) in [
        ("ECHO plain", "plain"),
        ("  echo \t plain  ", "plain"),
        ("ECHO \"two words\"", "two words"),
        ("ECHO 'two words'", "two words"),
        ("ECHO \"\"", ""),
        ("ECHO ''", ""),
        ("ECHO \"\\x41\\n\\r\\t\\\"\\\\\"", "A\n\r\t\"\\"),
        ("ECHO \"\\a\\b\\q\"", "\x07\x08q"),
        ("ECHO 'it\\'s \\n'", "it's \\n"),
        ("ECHO a\"b c\"", "ab c"),
        ("\"ECHO\" a", "a"),
    ] {
        let reply = format!("${}\r\n{want}\r\n", want.len());
        let reply = reply.as_bytes().escape_ascii().to_string();
        for end in ["\r\n", "\n"] {
            let line = format!("{line}{end}");
            assert_eq!(answers(&server, [line.as_bytes()]), reply, "{line}");
        }
    }
}

#[test]
fn errors_quote_a_request_byte_for_byte() {
    let server = Server::start(&[]);
    let words = |words: &[&[u8]]| encode(words);
    for (request, want) in [
        (
            words(&[b"HELLO", b"3", b"\xff"]),
            &b"-ERR Syntax error in HELLO option '\xff'"[..],
        ),
        (
            words(&[b"HELLO", b"3", b"a\0b"]),
            b"-ERR Syntax error in HELLO option 'a'",
        ),
        (
            words(&[b"CLIENT", b"LIST", b"TYPE", b"\xc3"]),
            b"-ERR Unknown client type '\xc3'",
        ),
        (
            words(&[b"CONFIG", b"SET", b"\xe9", b"1"]),
            b"-ERR Unknown option or number of arguments for CONFIG SET - '\xe9'",
        ),
        (
            words(&[b"EXPIRE", b"k", b"1", b"\xfe"]),
            b"-ERR Unsupported option \xfe",
        ),
        (
            words(&[b"EVAL", b"return \xe9", b"0"]),
            b"-ERR Error compiling script (new function): user_script:1: unexpected symbol near '\xe9'",
        ),
        (
            words(&[b"EVAL", b"\x1bLua", b"0"]),
            b"-ERR Error compiling script (new function): user_script:1: unexpected symbol near 'char(27)'",
        ),
        (
            words(&[b"FUNCTION", b"LOAD", b"#!lua name=x\n\xff()"]),
            b"-ERR Error compiling function: user_function:2: unexpected symbol near '\xff'",
        ),
    ] {
        let want = [want, b"\r\n"].concat().escape_ascii().to_string();
        assert_eq!(answers(&server, [&request[..]]), want);
    }
}

const NO_AUTH: &str = "-NOAUTH Authentication required.\\r\\n";

#[test]
fn who_has_not_authenticated_may_send_little() {
    let server = Server::start(&["--requirepass", "secret"]);
    let words = |count: usize| encode(&vec!["a"; count]);
    let long = |len: usize| encode(&["PING", &"a".repeat(len)]);
    let too_many = "-ERR Protocol error: unauthenticated multibulk length\\r\\n";
    let too_long = "-ERR Protocol error: unauthenticated bulk length\\r\\n";
    assert_eq!(until_closed(&server, b"*100\r\n"), too_many);
    assert_eq!(until_closed(&server, &words(11)), too_many);
    assert_eq!(until_closed(&server, b"*1\r\n$100000000\r\n"), too_long);
    assert_eq!(until_closed(&server, &long(16385)), too_long);
    assert!(answers(&server, [words(10).as_slice()]).starts_with("-ERR unknown command"));
    assert_eq!(answers(&server, [long(16384).as_slice()]), NO_AUTH);
    let auth = |password| encode(&["AUTH", password]);
    let long_echo = format!("$20000\\r\\n{}\\r\\n", "a".repeat(20_000));
    // All of it at once: the limits are lifted by the command in front, and by it alone.
    assert_eq!(
        answers(
            &server,
            [[auth("secret"), long(20_000)].concat().as_slice()]
        ),
        format!("+OK\\r\\n{long_echo}")
    );
    let many = encode(&[&["MGET"], ["a"; 12].as_slice()].concat());
    let nulls = "$-1\\r\\n".repeat(12);
    assert_eq!(
        answers(
            &server,
            [[auth("secret"), many.clone()].concat().as_slice()]
        ),
        format!("+OK\\r\\n*12\\r\\n{nulls}")
    );
    let wrong = "-WRONGPASS invalid username-password pair or user is disabled.\\r\\n";
    assert_eq!(
        until_closed(&server, &[auth("wrong"), many].concat()),
        format!("{wrong}{too_many}")
    );
}

/// A pipeline with every form of a request, and what it is answered.
fn pipeline() -> (Vec<u8>, String) {
    let large = "v".repeat(40_000);
    let mut bytes = Vec::new();
    let mut want = String::new();
    for (request, reply) in [
        (encode(&["PING"]), "+PONG\\r\\n"),
        (encode(&["SET", "k", "\r\n"]), "+OK\\r\\n"),
        (b"GET k\r\n\r\n*0\r\n".to_vec(), "$2\\r\\n\\r\\n\\r\\n"),
        (b"ECHO \"a \\x41\"\n".to_vec(), "$3\\r\\na A\\r\\n"),
        (
            encode(&["NOSUCH", ""]),
            "-ERR unknown command \\'NOSUCH\\', with args beginning with: \\'\\' \\r\\n",
        ),
        (encode(&["SET", "large", &large]), "+OK\\r\\n"),
        (encode(&["STRLEN", "large"]), ":40000\\r\\n"),
        (
            encode(&["GET", "large"]),
            &format!("$40000\\r\\n{large}\\r\\n"),
        ),
        (encode(&["PING", "last"]), "$4\\r\\nlast\\r\\n"),
    ] {
        bytes.extend_from_slice(&request);
        want.push_str(reply);
    }
    (bytes, want)
}

#[test]
fn a_stream_may_be_cut_at_any_byte() {
    let server = Server::start(&[]);
    let (bytes, want) = pipeline();
    assert_eq!(answers(&server, [bytes.as_slice()]), want);
    let value = bytes.len() - 40_120..bytes.len() - 120;
    for cut in 1..bytes.len() {
        // Within the large value one byte is like another; some of them are enough.
        if !value.contains(&cut) || cut % 5003 == 0 {
            let (head, tail) = bytes.split_at(cut);
            assert_eq!(answers(&server, [head, tail]), want, "cut at {cut}");
        }
    }
}

#[test]
fn a_stream_may_come_in_small_pieces() {
    let server = Server::start(&[]);
    let (bytes, want) = pipeline();
    for size in [1, 3, 1000, 20_000] {
        // One byte at a time is enough for the part without the large value.
        let bytes = if size < 1000 {
            &bytes[..120]
        } else {
            &bytes[..]
        };
        let whole = answers(&server, [bytes]);
        assert!(want.starts_with(&whole), "{whole}");
        assert_eq!(
            answers(&server, bytes.chunks(size)),
            whole,
            "pieces of {size}"
        );
    }
}

#[test]
fn a_long_pipeline_is_answered_in_order() {
    let server = Server::start(&[]);
    let numbers = 0..20_000;
    let sent: Vec<u8> = numbers
        .clone()
        .flat_map(|number| encode(&["ECHO", &number.to_string()]))
        .collect();
    let mut stream = open(&server);
    let mut writer = stream.try_clone().expect("the stream can be shared");
    let sender = std::thread::spawn(move || {
        writer.write_all(&sent).expect("the server reads");
        writer
            .shutdown(Shutdown::Write)
            .expect("the stream is open");
    });
    let mut got = String::new();
    stream
        .read_to_string(&mut got)
        .expect("the replies are text");
    sender.join().expect("the sender ends");
    let want: String = numbers
        .map(|number| number.to_string())
        .map(|text| format!("${}\r\n{text}\r\n", text.len()))
        .collect();
    assert!(
        got == want,
        "{} bytes of replies, not {}",
        got.len(),
        want.len()
    );
}

#[test]
fn garbage_costs_its_sender_alone() {
    let server = Server::start(&[]);
    let mut random = fastrand::Rng::with_seed(7);
    let mut bystander = server.connect();
    for round in 0..50 {
        let alphabet: &[u8] = if round % 2 == 0 {
            b"*$\r\n-19\"' aPING"
        } else {
            &[0, 255, b'\n', b'*', b'$', 13, 128]
        };
        let garbage: Vec<u8> = (0..random.usize(1..4000))
            .map(|_| alphabet[random.usize(0..alphabet.len())])
            .collect();
        let mut stream = open(&server);
        // The server may have closed the connection before it has read all of it.
        let sent = stream
            .write_all(&garbage)
            .and_then(|()| stream.shutdown(Shutdown::Write));
        if sent.is_ok() {
            let answer = rest(stream);
            assert!(
                answer.is_empty() || b"-+$*:".contains(&answer[0]),
                "{}",
                answer.escape_ascii()
            );
        }
        assert_eq!(bystander.run("PING").to_string(), "+PONG");
    }
}
