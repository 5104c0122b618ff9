//! MULTI, EXEC, DISCARD, WATCH and UNWATCH over the wire.

mod common;

use common::{Server, check, check_fresh};

#[test]
fn commands_are_queued_and_run_together() {
    check_fresh(
        &[],
        &[
            ("MULTI", "+OK"),
            ("SET a 1", "+QUEUED"),
            ("INCR a", "+QUEUED"),
            ("GET missing", "+QUEUED"),
            ("LPUSH a x", "+QUEUED"),
            ("MGET a missing", "+QUEUED"),
            (
                "EXEC",
                "[+OK, :2, $-1, -WRONGTYPE Operation against a key holding the wrong kind of value, [\"2\", $-1]] \
                 // [+OK, :2, _, -WRONGTYPE Operation against a key holding the wrong kind of value, [\"2\", _]]",
            ),
            ("GET a", "\"2\""),
            ("MULTI", "+OK"),
            ("EXEC", "[]"),
            ("MULTI", "+OK"),
            ("SELECT 1", "+QUEUED"),
            ("SET a one", "+QUEUED"),
            ("EXEC", "[+OK, +OK]"),
            ("GET a", "\"one\""),
            ("MULTI", "+OK"),
            ("HELLO 4", "+QUEUED"),
            ("ECHO still", "+QUEUED"),
            ("EXEC", "[-NOPROTO unsupported protocol version, \"still\"]"),
        ],
    );
}

#[test]
fn misuse_is_an_error_that_keeps_the_transaction() {
    check_fresh(
        &[],
        &[
            ("EXEC", "-ERR EXEC without MULTI"),
            ("DISCARD", "-ERR DISCARD without MULTI"),
            ("MULTI", "+OK"),
            ("MULTI", "-ERR MULTI calls can not be nested"),
            ("WATCH a", "-ERR WATCH inside MULTI is not allowed"),
            ("UNWATCH", "+QUEUED"),
            ("EXEC", "[+OK]"),
            ("MULTI", "+OK"),
            ("SET a 1", "+QUEUED"),
            ("DISCARD", "+OK"),
            ("GET a", "$-1"),
            ("UNWATCH", "+OK"),
        ],
    );
}

#[test]
fn an_error_while_queueing_aborts() {
    const ABORTED: &str = "-EXECABORT Transaction discarded because of previous errors.";
    check_fresh(
        &[],
        &[
            ("MULTI", "+OK"),
            ("SET a 1", "+QUEUED"),
            ("SET a", "-ERR wrong number of arguments for 'set' command"),
            ("SET a 2", "+QUEUED"),
            ("EXEC", ABORTED),
            ("GET a", "$-1"),
            ("MULTI", "+OK"),
            (
                "NOSUCH x",
                "-ERR unknown command 'NOSUCH', with args beginning with: 'x' ",
            ),
            ("EXEC", ABORTED),
            ("MULTI", "+OK"),
            (
                "CLIENT NOSUCH",
                "-ERR unknown subcommand 'NOSUCH'. Try CLIENT HELP.",
            ),
            ("EXEC", ABORTED),
            ("MULTI", "+OK"),
            ("SHUTDOWN", "-ERR Command not allowed inside a transaction"),
            ("DISCARD", "+OK"),
            (
                "EXEC x",
                "-EXECABORT Transaction discarded because of: wrong number of arguments for 'exec' command",
            ),
            ("MULTI", "+OK"),
            (
                "EXEC x",
                "-EXECABORT Transaction discarded because of: wrong number of arguments for 'exec' command",
            ),
            ("EXEC", "-ERR EXEC without MULTI"),
        ],
    );
}

#[test]
fn a_watched_key_that_changes_fails_the_transaction() {
    // What is done to the key between WATCH and EXEC, by the same client, and whether the transaction runs.
    let cases: &[(&[&str], bool)] = &[
        (&[], true),
        (&["SET other 1"], true),
        (&["GET k"], true),
        (&["SET k 2"], false),
        (&["APPEND k x"], false),
        (&["EXPIRE k 100"], false),
        (&["DEL k"], false),
        (&["DEL other"], true),
        (&["RENAME k other"], false),
        (&["COPY k other", "COPY other k REPLACE"], false),
        (&["SET k 2", "UNWATCH"], true),
        (&["SELECT 1", "SET k 2", "SELECT 0"], true),
        (&["FLUSHDB"], false),
        (&["FLUSHALL"], false),
        (&["SELECT 1", "FLUSHDB", "SELECT 0"], true),
        (&["SWAPDB 0 1"], false),
        (&["SWAPDB 1 2"], true),
        (&["MULTI", "SET k 2", "EXEC", "WATCH k"], true),
        (&["MULTI", "SET k 2", "DISCARD"], true),
        (&["SET k 2", "MULTI", "DISCARD"], true),
        (&["SET k 2", "WATCH other"], false),
    ];
    let server = Server::start(&[]);
    for mut connection in [server.connect(), server.connect_resp3()] {
        for (commands, runs) in cases {
            for line in ["FLUSHALL", "SET k 1", "WATCH k"] {
                check(&mut connection, line, "+OK");
            }
            for line in *commands {
                connection.run(line);
            }
            check(&mut connection, "MULTI", "+OK");
            check(&mut connection, "PING", "+QUEUED");
            check(
                &mut connection,
                "EXEC",
                if *runs { "[+PONG]" } else { "*-1" },
            );
        }
    }
}
