//! The filters that CLIENT LIST and CLIENT KILL have in common.

mod common;

use common::{Connection, Reply, Server, check, check_fresh};

/// The numbers of the clients that CLIENT LIST shows for a filter.
fn listed(connection: &mut Connection, filter: &str) -> Vec<String> {
    let text = match connection.run(&format!("CLIENT LIST {filter}")) {
        Reply::Bulk(bytes) | Reply::Verbatim(bytes) => String::from_utf8_lossy(&bytes).into_owned(),
        other => panic!("CLIENT LIST {filter} answered {other}"),
    };
    let id = |line: &str| {
        let start = line.find("id=").expect("a line begins with a number") + 3;
        line[start..].split(' ').next().unwrap_or("").to_owned()
    };
    text.lines()
        .filter(|line| !line.is_empty())
        .map(id)
        .collect()
}

/// The fields of a connection's own line.
fn own_fields(connection: &mut Connection) -> Vec<(String, String)> {
    let text = connection.run("CLIENT INFO").to_string();
    text.trim_matches('"')
        .split(' ')
        .filter_map(|field| field.split_once('='))
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect()
}

fn value(fields: &[(String, String)], name: &str) -> String {
    let field = fields.iter().find(|(known, _)| known == name);
    field.expect("the field is there").1.clone()
}

/// A connection with something to filter by.
fn worker(server: &Server) -> Connection {
    let mut connection = server.connect();
    for line in [
        "CLIENT SETNAME worker",
        "CLIENT SETINFO LIB-NAME lib",
        "CLIENT SETINFO LIB-VER 1.2",
        "SELECT 2",
        "CLIENT NO-TOUCH ON",
        "WATCH k",
        "MULTI",
        // What a client does shows when it comes again.
        "DISCARD",
        "MULTI",
    ] {
        connection.run(line);
    }
    connection
}

#[test]
fn each_filter_chooses_and_excludes() {
    if std::env::var("TEST_SERVER").is_ok() {
        // These are filters of Valkey 9.
        return;
    }
    let server = Server::start(&[]);
    let mut asking = server.connect();
    let mut other = worker(&server);
    let own = own_fields(&mut asking);
    let own_id = value(&own, "id");
    let other_id = listed(&mut asking, "NAME worker").concat();
    let other_line = asking
        .run(&format!("CLIENT LIST ID {other_id}"))
        .to_string();
    let other_address = other_line
        .split(' ')
        .find_map(|field| field.strip_prefix("addr="))
        .expect("the address is shown");
    // A filter, and whether it chooses the asking client and the other one; its negation chooses the rest.
    let cases = [
        (format!("ID {own_id}"), true, false),
        (format!("ID {own_id} {other_id} 999"), true, true),
        (format!("ADDR {other_address}"), false, true),
        (format!("LADDR {}", value(&own, "laddr")), true, true),
        ("IP 127.0.0.1".to_owned(), true, true),
        ("IP 127.0.0.2".to_owned(), false, false),
        ("TYPE normal".to_owned(), true, true),
        ("TYPE pubsub".to_owned(), false, false),
        ("USER default".to_owned(), true, true),
        ("NAME worker".to_owned(), false, true),
        ("NAME work".to_owned(), false, false),
        ("LIB-NAME lib".to_owned(), false, true),
        ("LIB-VER 1.2".to_owned(), false, true),
        ("DB 2".to_owned(), false, true),
        ("DB 0".to_owned(), true, false),
        ("FLAGS xT".to_owned(), false, true),
        ("FLAGS xP".to_owned(), false, false),
        ("FLAGS N".to_owned(), true, false),
        ("CAPA r".to_owned(), false, false),
    ];
    for (filter, own, others) in cases {
        let mut chosen = Vec::new();
        let mut rest = Vec::new();
        for (id, is) in [(&own_id, own), (&other_id, others)] {
            if is { &mut chosen } else { &mut rest }.push(id.clone());
        }
        assert_eq!(listed(&mut asking, &filter), chosen, "{filter}");
        assert_eq!(
            listed(&mut asking, &format!("NOT-{filter}")),
            rest,
            "NOT-{filter}"
        );
    }
    for (filter, want) in [
        ("SKIPME yes", vec![other_id.clone()]),
        ("SKIPME no NOT-NAME worker", vec![own_id.clone()]),
        ("NAME worker NOT-DB 2", vec![]),
        ("NAME nobody NAME worker", vec![other_id.clone()]),
        ("MAXAGE 100000", vec![]),
        ("IDLE 100000", vec![]),
        (&format!("ID {own_id} {other_id} DB 2"), vec![other_id]),
    ] {
        assert_eq!(listed(&mut asking, filter), want, "{filter}");
    }
    check(&mut asking, "CLIENT KILL NOT-FLAGS x", ":0");
    check(&mut asking, "CLIENT KILL FLAGS x NOT-NAME worker", ":0");
    check(&mut asking, "CLIENT KILL FLAGS x NAME worker", ":1");
    assert!(other.is_closed());
}

#[test]
fn values_are_checked() {
    if std::env::var("TEST_SERVER").is_ok() {
        return;
    }
    check_fresh(
        &["--databases", "4"],
        &[
            (
                "CLIENT LIST MAXAGE x",
                "-ERR maxage is not an integer or out of range",
            ),
            (
                "CLIENT LIST IDLE x",
                "-ERR idle is not an integer or out of range",
            ),
            ("CLIENT LIST IDLE 0", "-ERR idle should be greater than 0"),
            (
                "CLIENT LIST DB x",
                "-ERR DB is not an integer or out of range",
            ),
            (
                "CLIENT LIST DB 4",
                "-ERR DB number should be between 0 and 3",
            ),
            (
                "CLIENT LIST NOT-DB -1",
                "-ERR DB number should be between 0 and 3",
            ),
            (
                "CLIENT LIST FLAGS xZ",
                "-ERR Unknown flags found in the provided filter: xZ",
            ),
            (
                "CLIENT KILL NOT-FLAGS Z",
                "-ERR Unknown flags found in the NOT-FLAGS filter: Z",
            ),
            (
                "CLIENT LIST CAPA x",
                "-ERR Unknown capa found in the provided filter: x",
            ),
            ("CLIENT LIST SKIPME maybe", "-ERR syntax error"),
            ("CLIENT LIST NOT-SKIPME yes", "-ERR syntax error"),
            ("CLIENT LIST NOT-IDLE 1", "-ERR syntax error"),
            ("CLIENT LIST NAME", "-ERR syntax error"),
            ("CLIENT LIST NAME x ID", "-ERR syntax error"),
            (
                "CLIENT LIST ID 1 TYPE what",
                "-ERR Unknown client type 'what'",
            ),
            ("CLIENT LIST NOT-USER nobody", "-ERR No such user 'nobody'"),
        ],
    );
}

#[test]
fn an_import_source_sees_keys_whose_time_is_over() {
    if std::env::var("TEST_SERVER").is_ok() {
        // This is of Valkey 8.1.
        return;
    }
    let server = Server::start(&[]);
    let (mut source, mut client) = (server.connect(), server.connect());
    let refused = "-ERR Server is not in import mode";
    for (line, want) in [
        ("CLIENT IMPORT-SOURCE ON", refused),
        ("CLIENT IMPORT-SOURCE what", refused),
        ("CLIENT IMPORT-SOURCE OFF", "+OK"),
        ("CONFIG SET import-mode yes", "+OK"),
        ("CLIENT IMPORT-SOURCE what", "-ERR syntax error"),
        ("CLIENT IMPORT-SOURCE ON", "+OK"),
        ("SET n 1 PX 1", "+OK"),
    ] {
        check(&mut source, line, want);
    }
    let start = std::time::Instant::now();
    while client.run("GET n").to_string() != "$-1" {
        assert!(start.elapsed().as_secs() < 10, "it does not expire");
    }
    check(&mut source, "INCR n", ":2");
    check(&mut client, "GET n", "$-1");
    assert_eq!(listed(&mut client, "FLAGS I").len(), 1);
    check(&mut source, "RESET", "+RESET");
    check(&mut source, "GET n", "$-1");
    check(&mut source, "DBSIZE", ":1");
    check(&mut source, "CONFIG SET import-mode no", "+OK");
    check(&mut source, "GET n", "$-1");
    check(&mut source, "DBSIZE", ":0");
}
