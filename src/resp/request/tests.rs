//! The parser on whole buffers: commands, limits, faults. (Where a stream is cut is the codec's test.)

use super::*;

const UNAUTHENTICATED: Limits = Limits {
    max_query: usize::MAX,
    max_bulk: 512 * 1024 * 1024,
    unauthenticated: true,
};

/// What a parser finds in `bytes`: each command as its words with `|` between, and the fault if there is one.
fn parse(bytes: &[u8], limits: Limits) -> Vec<String> {
    let mut buffer = BytesMut::from(bytes);
    let mut parser = Parser::default();
    let mut found = Vec::new();
    loop {
        match parser.parse(&mut buffer, limits) {
            Ok(0) => return found,
            Ok(commands) => {
                for index in 0..commands {
                    let request = parser.request(&buffer, index);
                    let words: Vec<_> = request
                        .iter_from(0)
                        .map(<[u8]>::escape_ascii)
                        .map(|word| word.to_string())
                        .collect();
                    found.push(words.join("|"));
                }
                let taken = parser.finish_batch();
                let _ = buffer.split_to(taken);
            }
            Err(fault) => {
                found.push(fault.wire_text().escape_ascii().to_string());
                return found;
            }
        }
    }
}

#[test]
fn commands_of_both_kinds_are_found() {
    let cases: &[(&str, &[&str])] = &[
        ("", &[]),
        ("*1\r\n$4\r\nPING\r\n", &["PING"]),
        ("*2\r\n$3\r\nGET\r\n$0\r\n\r\n", &["GET|"]),
        ("*2\r\n$3\r\nGET\r\n$2\r\n\r\n\r\n", &["GET|\\r\\n"]),
        ("PING\r\nPING\n", &["PING", "PING"]),
        ("  GET \t a  \r\n", &["GET|a"]),
        ("\r\n\n \r\n*0\r\n*-1\r\nPING\r\n", &["PING"]),
        (
            "SET a \"b \\x41\\n\\\"\" 'c \\'d'\r\n",
            &["SET|a|b A\\n\\\"|c \\'d"],
        ),
        ("GET \"\"\r\n", &["GET|"]),
        (
            "*1\r\n$4\r\nPING\r\nPING\r\n*1\r\n$4\r\nPING\r\n",
            &["PING", "PING", "PING"],
        ),
        ("*1\r\n$4\r\nPIN", &[]),
        ("PING", &[]),
    ];
    for (bytes, want) in cases {
        assert_eq!(
            parse(bytes.as_bytes(), Limits::default()),
            *want,
            "{bytes:?}"
        );
    }
}

/// Each fault, and that the commands before it are found first.
#[test]
fn faults_have_the_texts_of_redis() {
    let endless = "1".repeat(MAX_INLINE + 1);
    let cases = [
        (endless.clone(), "too big inline request"),
        ("SET \"a\r\n".to_owned(), "unbalanced quotes in request"),
        (
            "SET \"\"\"a\"\"\" b\r\n".to_owned(),
            "unbalanced quotes in request",
        ),
        ("SET 'a'b\r\n".to_owned(), "unbalanced quotes in request"),
        (format!("*{endless}"), "too big mbulk count string"),
        ("*\r\n".to_owned(), "invalid multibulk length"),
        ("*x\r\n".to_owned(), "invalid multibulk length"),
        ("*01\r\n".to_owned(), "invalid multibulk length"),
        ("* 1\r\n".to_owned(), "invalid multibulk length"),
        ("*2147483648\r\n".to_owned(), "invalid multibulk length"),
        (format!("*1\r\n{endless}"), "too big bulk count string"),
        ("*1\r\nfoo\r\n".to_owned(), "expected \\'$\\', got \\'f\\'"),
        ("*1\r\n\r\n".to_owned(), "expected \\'$\\', got \\'\\r\\'"),
        ("*1\r\n$\r\n".to_owned(), "invalid bulk length"),
        ("*1\r\n$-1\r\n".to_owned(), "invalid bulk length"),
        ("*1\r\n$+1\r\n".to_owned(), "invalid bulk length"),
        ("*1\r\n$536870913\r\n".to_owned(), "invalid bulk length"),
        (
            "*1\r\n$99999999999999999999\r\n".to_owned(),
            "invalid bulk length",
        ),
        (
            "*2\r\n$1\r\na\r\n+1\r\n".to_owned(),
            "expected \\'$\\', got \\'+\\'",
        ),
    ];
    for (bytes, text) in cases {
        let want = format!("ERR Protocol error: {text}");
        assert_eq!(
            parse(bytes.as_bytes(), Limits::default()),
            [want.as_str()],
            "{bytes:.40}"
        );
        let after = format!("PING\r\n{bytes}");
        assert_eq!(
            parse(after.as_bytes(), Limits::default()),
            ["PING", &want],
            "{after:.40}"
        );
    }
    assert_eq!(
        parse(b"*1\r\n\xffx\r\n", Limits::default()),
        ["ERR Protocol error: expected \\'$\\', got \\'\\xff\\'"]
    );
}

#[test]
fn limits_are_exact() {
    let small = Limits {
        max_bulk: 3,
        unauthenticated: false,
        ..Limits::default()
    };
    assert_eq!(parse(b"*1\r\n$3\r\nabc\r\n", small), ["abc"]);
    assert_eq!(
        parse(b"*1\r\n$4\r\nabcd\r\n", small),
        ["ERR Protocol error: invalid bulk length"]
    );
    assert_eq!(parse(b"*2147483647\r\n", Limits::default()), [""; 0]);
    let longest = format!("{}\r\n", "a".repeat(MAX_INLINE - 1));
    assert_eq!(parse(longest.as_bytes(), Limits::default()).len(), 1);
}

#[test]
fn before_authentication_less_is_allowed() {
    let words = |count: usize| format!("*{count}\r\n{}", "$1\r\na\r\n".repeat(count));
    assert_eq!(parse(words(10).as_bytes(), UNAUTHENTICATED).len(), 1);
    assert_eq!(
        parse(words(11).as_bytes(), UNAUTHENTICATED),
        ["ERR Protocol error: unauthenticated multibulk length"]
    );
    let long = |len: usize| format!("*1\r\n${len}\r\n{}\r\n", "a".repeat(len));
    assert_eq!(parse(long(16384).as_bytes(), UNAUTHENTICATED).len(), 1);
    assert_eq!(
        parse(long(16385).as_bytes(), UNAUTHENTICATED),
        ["ERR Protocol error: unauthenticated bulk length"]
    );
}

/// A client may authenticate and go on without waiting for the answer.
#[test]
fn the_smaller_limits_are_asked_for_again_behind_a_batch() {
    let eleven = format!("*11\r\n{}", "$1\r\na\r\n".repeat(11));
    let long = format!("*2\r\n$1\r\na\r\n$20000\r\n{}\r\n", "b".repeat(20_000));
    for command in [eleven, long] {
        let mut buffer = BytesMut::from(format!("AUTH x\r\n{command}PING\r\n").as_bytes());
        let mut parser = Parser::default();
        assert_eq!(
            parser.parse(&mut buffer, UNAUTHENTICATED),
            Ok(1),
            "{command:.20}"
        );
        let taken = parser.finish_batch();
        let _ = buffer.split_to(taken);
        let mut refused = buffer.clone();
        assert_eq!(
            parser.parse(&mut buffer, Limits::default()),
            Ok(2),
            "{command:.20}"
        );
        assert_eq!(parser.request(&buffer, 1).get(0), b"PING");
        let fault = Parser::default().parse(&mut refused, UNAUTHENTICATED);
        assert!(fault.is_err(), "{command:.20}");
    }
}

#[test]
fn a_batch_is_bounded() {
    let pipeline = "*1\r\n$4\r\nPING\r\n".repeat(MAX_BATCH + 5);
    let mut buffer = BytesMut::from(pipeline.as_bytes());
    let mut parser = Parser::default();
    assert_eq!(parser.parse(&mut buffer, Limits::default()), Ok(MAX_BATCH));
    let taken = parser.finish_batch();
    let _ = buffer.split_to(taken);
    assert_eq!(parser.parse(&mut buffer, Limits::default()), Ok(5));
}

#[test]
fn a_large_argument_that_comes_in_pieces_has_a_buffer_of_its_own() {
    let value = vec![b'v'; LARGE_ARGUMENT];
    let head = format!("*3\r\n$3\r\nSET\r\n$1\r\nk\r\n${LARGE_ARGUMENT}\r\n");
    let mut buffer = BytesMut::from(head.as_bytes());
    let mut parser = Parser::default();
    assert_eq!(parser.parse(&mut buffer, Limits::default()), Ok(0));
    buffer.extend_from_slice(&value[..100]);
    assert_eq!(parser.parse(&mut buffer, Limits::default()), Ok(0));
    assert_eq!(parser.wanted(), LARGE_ARGUMENT - 100);
    assert!(parser.argument_bytes() >= 100);
    buffer.extend_from_slice(&value[100..]);
    buffer.extend_from_slice(b"\r\nPING\r\n");
    assert_eq!(parser.parse(&mut buffer, Limits::default()), Ok(2));
    let request = parser.request(&buffer, 0);
    assert_eq!(
        request.shared(2).map(|shared| shared.as_slice()),
        Some(value.as_slice())
    );
    assert_eq!(
        (request.get(0), request.shared(0)),
        (b"SET".as_slice(), None)
    );
    assert_eq!(parser.request(&buffer, 1).get(0), b"PING");
    let taken = parser.finish_batch();
    assert_eq!((taken, parser.argument_bytes()), (buffer.len(), 0));
}

#[test]
fn a_request_shows_its_words() {
    let spans = [Span::new(0, 3), Span::new(4, 1)];
    let request = Request::new(b"GET a", &spans, &[]);
    assert_eq!((request.len(), request.is_empty()), (2, false));
    assert_eq!(request.iter_from(1).collect::<Vec<_>>(), [b"a"]);
    assert_eq!(request.iter_from(9).len(), 0);
    assert_eq!(request.skip(1).get(0), b"a");
    assert!(request.skip(5).is_empty());
    assert_eq!(format!("{request:?}"), "[\"GET\", \"a\"]");
}
