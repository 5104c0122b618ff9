//! COMMAND over the wire: facts, documentation, lists of names and the keys of full commands.

mod common;

use common::{Connection, Reply, Server, check};

/// Runs a table of commands and replies in RESP2 and in RESP3.
#[track_caller]
fn check_both(server: &Server, table: &[(&str, &str)]) {
    for mut connection in [server.connect(), server.connect_resp3()] {
        for (line, want) in table {
            check(&mut connection, line, want);
        }
    }
}

fn array(reply: Reply) -> Vec<Reply> {
    match reply {
        Reply::Array(replies) => replies,
        other => panic!("{other} is no array"),
    }
}

#[test]
fn command_info_tells_the_facts() {
    let server = Server::start(&[]);
    check_both(
        &server,
        &[
            (
                "COMMAND INFO get",
                "[[\"get\", :2, [+readonly, +fast], :1, :1, :1, [+@read, +@string, +@fast], [], [[\"flags\", [+RO, \
                 +access], \"begin_search\", [\"type\", \"index\", \"spec\", [\"index\", :1]], \"find_keys\", [\"type\", \
                 \"range\", \"spec\", [\"lastkey\", :0, \"keystep\", :1, \"limit\", :0]]]], []]] // \
                 [[\"get\", :2, ~[+readonly, +fast], :1, :1, :1, ~[+@read, +@string, +@fast], ~[], ~[%{\"flags\": \
                 ~[+RO, +access], \"begin_search\": %{\"type\": \"index\", \"spec\": %{\"index\": :1}}, \"find_keys\": \
                 %{\"type\": \"range\", \"spec\": %{\"lastkey\": :0, \"keystep\": :1, \"limit\": :0}}}], ~[]]]",
            ),
            (
                "COMMAND INFO MSET",
                "[[\"mset\", :-3, [+write, +denyoom], :1, :-1, :2, [+@write, +@string, +@slow], \
                 [\"request_policy:multi_shard\", \"response_policy:all_succeeded\"], [[\"flags\", [+OW, +update], \
                 \"begin_search\", [\"type\", \"index\", \"spec\", [\"index\", :1]], \"find_keys\", [\"type\", \"range\", \
                 \"spec\", [\"lastkey\", :-1, \"keystep\", :2, \"limit\", :0]]]], []]] // \
                 [[\"mset\", :-3, ~[+write, +denyoom], :1, :-1, :2, ~[+@write, +@string, +@slow], \
                 ~[\"request_policy:multi_shard\", \"response_policy:all_succeeded\"], ~[%{\"flags\": ~[+OW, +update], \
                 \"begin_search\": %{\"type\": \"index\", \"spec\": %{\"index\": :1}}, \"find_keys\": %{\"type\": \
                 \"range\", \"spec\": %{\"lastkey\": :-1, \"keystep\": :2, \"limit\": :0}}}], ~[]]]",
            ),
            (
                "COMMAND INFO client|help nosuch get|key client|help|more client|nosuch",
                "[[\"client|help\", :2, [+loading, +stale], :0, :0, :0, [+@slow, +@connection], [], [], []], $-1, $-1, \
                 $-1, $-1] // \
                 [[\"client|help\", :2, ~[+loading, +stale], :0, :0, :0, ~[+@slow, +@connection], ~[], ~[], ~[]], _, _, \
                 _, _]",
            ),
        ],
    );
}

#[test]
fn containers_hold_the_facts_of_their_subcommands() {
    let server = Server::start(&[]);
    let mut connection = server.connect_resp3();
    let mut info = array(connection.run("COMMAND INFO client"));
    let client = array(info.remove(0));
    assert_eq!(
        client[..2],
        [Reply::Bulk(b"client".to_vec()), Reply::Integer(-2)]
    );
    let mut alone = array(connection.run("COMMAND INFO client|kill"));
    assert!(array(client[9].clone()).contains(&alone.remove(0)));
}

#[test]
fn all_ways_to_ask_for_all_commands_agree() {
    let server = Server::start(&[]);
    let mut connection = server.connect();
    let Reply::Integer(count) = connection.run("COMMAND COUNT") else {
        panic!("a count is an integer")
    };
    let all = array(connection.run("COMMAND"));
    assert_eq!(all.len() as i64, count);
    assert_eq!(all, array(connection.run("COMMAND INFO")));
    assert_eq!(
        array(connection.run("COMMAND DOCS")).len() as i64,
        2 * count
    );
    let names = |list: Vec<Reply>| {
        list.iter()
            .map(|name| name.to_string().replace('"', ""))
            .collect::<Vec<_>>()
    };
    let mut listed = names(array(connection.run("COMMAND LIST")));
    listed.sort();
    let mut told = Vec::new();
    for command in &all {
        let facts = array(command.clone());
        told.push(facts[0].clone());
        told.extend(
            array(facts[9].clone())
                .into_iter()
                .map(|subcommand| array(subcommand).remove(0)),
        );
    }
    let mut told = names(told);
    told.sort();
    assert_eq!(listed, told);
}

#[test]
fn command_list_filters_names() {
    let server = Server::start(&[]);
    check_both(
        &server,
        &[
            ("COMMAND LIST FILTERBY PATTERN GET", "[\"get\"]"),
            ("COMMAND LIST FILTERBY pattern g?t", "[\"get\"]"),
            ("COMMAND LIST FILTERBY PATTERN nosuch*", "[]"),
            (
                "COMMAND LIST FILTERBY PATTERN client|getn*",
                "[\"client|getname\"]",
            ),
            ("COMMAND LIST FILTERBY ACLCAT nosuch", "[]"),
            ("COMMAND LIST FILTERBY MODULE nosuch", "[]"),
            ("COMMAND LIST what", "-ERR syntax error"),
            ("COMMAND LIST FILTERBY", "-ERR syntax error"),
            ("COMMAND LIST FILTERBY PATTERN", "-ERR syntax error"),
            ("COMMAND LIST FILTERBY what nosuch", "-ERR syntax error"),
            ("COMMAND LIST FILTERBY PATTERN a b", "-ERR syntax error"),
        ],
    );
    let mut connection = server.connect();
    let listed = |connection: &mut Connection, category: &str| {
        let names = array(connection.run(&format!("COMMAND LIST FILTERBY ACLCAT {category}")));
        names.iter().map(Reply::to_string).collect::<Vec<_>>()
    };
    let fast = listed(&mut connection, "Connection");
    for (name, there) in [
        ("\"auth\"", true),
        ("\"client|kill\"", true),
        ("\"client\"", false),
        ("\"get\"", false),
    ] {
        assert_eq!(fast.iter().any(|listed| listed == name), there, "{name}");
    }
}

#[test]
fn command_getkeys_finds_the_keys() {
    let server = Server::start(&[]);
    check_both(
        &server,
        &[
            ("COMMAND GETKEYS GET a", "[\"a\"]"),
            ("COMMAND GETKEYS mset a 1 b 2", "[\"a\", \"b\"]"),
            ("COMMAND GETKEYS MGET a b a", "[\"a\", \"b\", \"a\"]"),
            ("COMMAND GETKEYS SET a b EX 10", "[\"a\"]"),
            (
                "COMMAND GETKEYSANDFLAGS SET a b",
                "[[\"a\", [+OW, +update]]] // [[\"a\", ~[+OW, +update]]]",
            ),
            (
                "COMMAND GETKEYSANDFLAGS SET a b EX 10 get",
                "[[\"a\", [+RW, +access, +update]]] // [[\"a\", ~[+RW, +access, +update]]]",
            ),
            (
                "COMMAND GETKEYSANDFLAGS MSET a 1 b 2",
                "[[\"a\", [+OW, +update]], [\"b\", [+OW, +update]]] // [[\"a\", ~[+OW, +update]], [\"b\", ~[+OW, \
                 +update]]]",
            ),
            ("COMMAND GETKEYS nosuch a", "-ERR Invalid command specified"),
            (
                "COMMAND GETKEYS client nosuch",
                "-ERR Invalid command specified",
            ),
            (
                "COMMAND GETKEYS PING a",
                "-ERR The command has no key arguments",
            ),
            (
                "COMMAND GETKEYS CLIENT ID",
                "-ERR The command has no key arguments",
            ),
            (
                "COMMAND GETKEYS GET a b",
                "-ERR Invalid number of arguments specified for command",
            ),
            (
                "COMMAND GETKEYSANDFLAGS SET a",
                "-ERR Invalid number of arguments specified for command",
            ),
            (
                "COMMAND GETKEYS",
                "-ERR wrong number of arguments for 'command|getkeys' command",
            ),
            (
                "COMMAND COUNT x",
                "-ERR wrong number of arguments for 'command|count' command",
            ),
        ],
    );
}

#[test]
fn command_docs_tell_the_grammar() {
    let server = Server::start(&[]);
    check_both(
        &server,
        &[
            ("COMMAND DOCS nosuch", "[] // %{}"),
            (
                "COMMAND DOCS nosuch PING",
                "[\"ping\", [\"summary\", \"Answers PONG, or the message that it was given.\", \"since\", \"1.0.0\", \
                 \"group\", \"connection\", \"complexity\", \"O(1)\", \"arguments\", [[\"name\", \"message\", \"type\", \
                 \"string\", \"display_text\", \"message\", \"flags\", [+optional]]]]] // \
                 %{\"ping\": %{\"summary\": \"Answers PONG, or the message that it was given.\", \"since\": \"1.0.0\", \
                 \"group\": \"connection\", \"complexity\": \"O(1)\", \"arguments\": [%{\"name\": \"message\", \"type\": \
                 \"string\", \"display_text\": \"message\", \"flags\": ~[+optional]}]}}",
            ),
            (
                "COMMAND DOCS quit",
                "[\"quit\", [\"summary\", \"Answers once more and ends the connection.\", \"since\", \"1.0.0\", \"group\", \"connection\", \
                 \"complexity\", \"O(1)\", \"doc_flags\", [+deprecated], \"deprecated_since\", \"7.2.0\", \
                 \"replaced_by\", \"just closing the connection\"]] // \
                 %{\"quit\": %{\"summary\": \"Answers once more and ends the connection.\", \"since\": \"1.0.0\", \"group\": \
                 \"connection\", \"complexity\": \"O(1)\", \"doc_flags\": ~[+deprecated], \"deprecated_since\": \
                 \"7.2.0\", \"replaced_by\": \"just closing the connection\"}}",
            ),
            (
                "COMMAND DOCS client|reply",
                "[\"client|reply\", [\"summary\", \"Chooses whether commands are answered.\", \"since\", \"3.2.0\", \
                 \"group\", \"connection\", \"complexity\", \"O(1)\", \"arguments\", [[\"name\", \"action\", \"type\", \
                 \"oneof\", \"arguments\", [[\"name\", \"on\", \"type\", \"pure-token\", \"display_text\", \"on\", \
                 \"token\", \"ON\"], [\"name\", \"off\", \"type\", \"pure-token\", \"display_text\", \"off\", \"token\", \
                 \"OFF\"], [\"name\", \"skip\", \"type\", \"pure-token\", \"display_text\", \"skip\", \"token\", \
                 \"SKIP\"]]]]]] // \
                 %{\"client|reply\": %{\"summary\": \"Chooses whether commands are answered.\", \"since\": \"3.2.0\", \
                 \"group\": \"connection\", \"complexity\": \"O(1)\", \"arguments\": [%{\"name\": \"action\", \"type\": \
                 \"oneof\", \"arguments\": [%{\"name\": \"on\", \"type\": \"pure-token\", \"display_text\": \"on\", \
                 \"token\": \"ON\"}, %{\"name\": \"off\", \"type\": \"pure-token\", \"display_text\": \"off\", \"token\": \
                 \"OFF\"}, %{\"name\": \"skip\", \"type\": \"pure-token\", \"display_text\": \"skip\", \"token\": \
                 \"SKIP\"}]}]}}",
            ),
        ],
    );
}

#[test]
fn command_docs_tell_history_keys_and_subcommands() {
    let server = Server::start(&[]);
    let mut connection = server.connect_resp3();
    for (name, parts) in [
        (
            "auth",
            vec![
                "\"history\": ~[[\"6.0.0\", \"A user's name may stand before the password.\"]]",
                "{\"name\": \"username\", \"type\": \"string\", \"display_text\": \"username\", \"since\": \"6.0.0\", \
                 \"flags\": ~[+optional]}",
            ],
        ),
        (
            "get",
            vec![
                "{\"name\": \"key\", \"type\": \"key\", \"display_text\": \"key\", \"key_spec_index\": :0}",
            ],
        ),
        (
            "client",
            vec!["\"subcommands\": %{", "\"client|getname\": %{\"summary\": "],
        ),
        (
            "client|kill",
            vec![
                "\"display_text\": \"ip:port\", \"deprecated_since\": \"2.8.12\"",
                "\"name\": \"new-format\", \"type\": \"oneof\", \"flags\": ~[+multiple], \"arguments\": [",
            ],
        ),
        (
            "hello",
            vec![
                "{\"name\": \"auth\", \"type\": \"block\", \"token\": \"AUTH\", \"flags\": ~[+optional], \"arguments\": [",
            ],
        ),
    ] {
        let docs = connection.run(&format!("COMMAND DOCS {name}")).to_string();
        for part in parts {
            assert!(docs.contains(part), "{part} is not in {docs}");
        }
    }
}

#[test]
fn renamed_commands_keep_their_facts() {
    let path = std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join("renamed-commands.conf");
    std::fs::write(
        &path,
        "rename-command GET fetch\nrename-command ECHO \"\"\n",
    )
    .expect("the folder is there");
    let server = Server::start(&["--include", path.to_str().expect("the path is UTF-8")]);
    let mut connection = server.connect();
    for (line, want) in [
        (
            "GET a",
            "-ERR unknown command 'GET', with args beginning with: 'a' ",
        ),
        (
            "ECHO a",
            "-ERR unknown command 'ECHO', with args beginning with: 'a' ",
        ),
        ("Fetch a", "$-1"),
        ("COMMAND INFO get echo", "[$-1, $-1]"),
        ("COMMAND GETKEYS FETCH a", "[\"a\"]"),
        ("COMMAND LIST FILTERBY PATTERN get", "[\"get\"]"),
        ("COMMAND LIST FILTERBY PATTERN echo", "[]"),
    ] {
        check(&mut connection, line, want);
    }
    assert_eq!(
        array(array(connection.run("COMMAND INFO fetch")).remove(0))[0],
        Reply::Bulk(b"get".to_vec())
    );
}
