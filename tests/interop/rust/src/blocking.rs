//! The blocking connection.

use std::collections::{HashMap, HashSet};

use anyhow::{Result, bail, ensure};
use redis::{
    Commands, Connection, ConnectionLike, Direction, ExistenceCheck, Expiry, LposOptions, Pipeline,
    SetExpiry, SetOptions, Value,
};

use crate::server::{Server, check, wait_until};
use crate::{FAILURES, all_bytes, client_of, expect_error, megabyte};

type Body = fn(&mut Connection, &mut Server, u8) -> Result<()>;

const CHECKS: &[(&str, Body)] = &[
    ("connect", connect),
    ("pipeline", pipeline),
    ("binary", binary),
    ("errors", errors),
    ("strings", strings),
    ("lists", lists),
    ("keys", keys),
    ("expiry", expiry),
    ("scan", scan),
    ("databases", databases),
    ("client commands", client_commands),
    ("config and info", config_and_info),
    ("unix socket", unix_socket),
    ("reconnect", reconnect),
];

/// Runs every check on an empty server.
pub fn run(server: &mut Server, protocol: u8) {
    for (name, body) in CHECKS {
        check(&format!("redis crate: RESP{protocol}: {name}"), || {
            let mut connection = client_of(server, "", "", protocol)?.get_connection()?;
            let () = connection.flushall()?;
            body(&mut connection, server, protocol)
        });
    }
}

fn connect(connection: &mut Connection, _: &mut Server, protocol: u8) -> Result<()> {
    ensure!(connection.ping::<String>()? == "PONG");
    let info: String = redis::cmd("CLIENT").arg("INFO").query(connection)?;
    ensure!(info.contains(&format!("resp={protocol}")), "{info}");
    Ok(())
}

fn pipeline(connection: &mut Connection, _: &mut Server, _: u8) -> Result<()> {
    let mut batch = Pipeline::new();
    for number in 0..1000 {
        batch
            .set(format!("key:{number}"), number)
            .ignore()
            .get(format!("key:{number}"));
    }
    let replies: Vec<i64> = batch.query(connection)?;
    ensure!(replies == (0..1000).collect::<Vec<_>>());
    let broken = Pipeline::new()
        .set("a", "text")
        .incr("a", 1)
        .get("a")
        .query::<Vec<Value>>(connection);
    ensure!(
        broken
            .expect_err("text is no number")
            .to_string()
            .contains("not an integer")
    );
    ensure!(connection.get::<_, String>("a")? == "text");
    Ok(())
}

fn binary(connection: &mut Connection, _: &mut Server, _: u8) -> Result<()> {
    let value = megabyte();
    for (key, data) in [
        (b"all".to_vec(), all_bytes()),
        (all_bytes(), Vec::new()),
        (b"large".to_vec(), value),
    ] {
        let () = connection.set(&key, &data)?;
        ensure!(connection.get::<_, Vec<u8>>(&key)? == data);
        let () = connection.rpush("list", &data)?;
    }
    let elements: Vec<Vec<u8>> = connection.lrange("list", 0, -1)?;
    ensure!(elements == [all_bytes(), Vec::new(), megabyte()]);
    Ok(())
}

fn errors(connection: &mut Connection, _: &mut Server, _: u8) -> Result<()> {
    let () = connection.set("string", "text")?;
    let () = connection.rpush("list", "a")?;
    for (command, code, part) in FAILURES {
        let mut call = redis::cmd(command[0]);
        match call.arg(&command[1..]).query::<Value>(connection) {
            Ok(value) => bail!("{command:?} gave {value:?}"),
            Err(error) => expect_error(&error, code, part)?,
        }
    }
    ensure!(connection.get::<_, String>("string")? == "text");
    Ok(())
}

fn strings(connection: &mut Connection, _: &mut Server, _: u8) -> Result<()> {
    let () = connection.mset(&[("a", "1"), ("b", "two")])?;
    let values: Vec<Option<String>> = connection.mget(&["a", "none", "b"])?;
    ensure!(values == [Some("1".to_owned()), None, Some("two".to_owned())]);
    let only_new = SetOptions::default().conditional_set(ExistenceCheck::NX);
    ensure!(
        connection
            .set_options::<_, _, Option<String>>("a", "2", only_new)?
            .is_none()
    );
    let with_old = SetOptions::default()
        .get(true)
        .with_expiration(SetExpiry::EX(100));
    ensure!(connection.set_options::<_, _, String>("a", "3", with_old)? == "1");
    ensure!(connection.incr::<_, _, i64>("a", 39)? == 42);
    ensure!((connection.incr::<_, _, f64>("a", 0.5)? - 42.5).abs() < 1e-9);
    ensure!(connection.append::<_, _, usize>("b", " three")? == 9);
    ensure!(connection.getrange::<_, String>("b", -5, -1)? == "three");
    ensure!(connection.get_del::<_, String>("b")? == "two three");
    ensure!(connection.get::<_, Option<String>>("b")?.is_none());
    Ok(())
}

fn lists(connection: &mut Connection, _: &mut Server, _: u8) -> Result<()> {
    ensure!(connection.rpush::<_, _, usize>("l", &["a", "b", "c"])? == 3);
    ensure!(connection.linsert_before::<_, _, _, isize>("l", "a", "0")? == 4);
    ensure!(connection.lrange::<_, Vec<String>>("l", 0, -1)? == ["0", "a", "b", "c"]);
    let position: Option<usize> = connection.lpos("l", "b", LposOptions::default())?;
    ensure!(position == Some(2));
    ensure!(
        connection.lmove::<_, _, String>("l", "other", Direction::Left, Direction::Right)? == "0"
    );
    ensure!(connection.lpop::<_, Vec<String>>("l", std::num::NonZeroUsize::new(2))? == ["a", "b"]);
    let popped: Option<(String, Vec<String>)> = connection.lmpop(1, "l", Direction::Right, 9)?;
    ensure!(popped == Some(("l".to_owned(), vec!["c".to_owned()])));
    ensure!(connection.rpop::<_, Option<String>>("l", None)?.is_none());
    Ok(())
}

fn keys(connection: &mut Connection, _: &mut Server, _: u8) -> Result<()> {
    let () = connection.mset(&[("a", "1"), ("b", "text")])?;
    ensure!(connection.exists::<_, usize>(&["a", "b", "none"])? == 2);
    ensure!(connection.object_encoding::<_, String>("a")? == "int");
    let () = connection.rename("a", "c")?;
    let copied: bool = redis::cmd("COPY").arg(&["b", "d"]).query(connection)?;
    ensure!(copied);
    let mut found: Vec<String> = connection.keys("*")?;
    found.sort();
    ensure!(found == ["b", "c", "d"]);
    ensure!(connection.unlink::<_, usize>(&["b", "c", "none"])? == 2);
    let () = connection.flushdb()?;
    ensure!(connection.exists::<_, usize>("d")? == 0);
    Ok(())
}

fn expiry(connection: &mut Connection, _: &mut Server, _: u8) -> Result<()> {
    let () = connection.set_ex("a", "1", 100)?;
    ensure!(connection.ttl::<_, i64>("a")? == 100);
    ensure!(connection.persist::<_, bool>("a")?);
    ensure!(connection.pexpire_at::<_, bool>("a", 4_000_000_000_000)?);
    ensure!(connection.expire_time::<_, i64>("a")? == 4_000_000_000);
    ensure!(connection.get_ex::<_, String>("a", Expiry::PERSIST)? == "1");
    ensure!(connection.pttl::<_, i64>("a")? == -1);
    let () = connection.pset_ex("short", "1", 1)?;
    wait_until("the end of the key", || {
        Ok(connection.get::<_, Option<String>>("short")?.is_none())
    })
}

fn scan(connection: &mut Connection, _: &mut Server, _: u8) -> Result<()> {
    let expected: HashSet<String> = (0..10_000).map(|number| format!("scan:{number}")).collect();
    let pairs: Vec<_> = expected.iter().map(|key| (key, 1)).collect();
    let () = connection.mset(&pairs)?;
    let found: HashSet<String> = connection.scan()?.collect::<Result<_, _>>()?;
    ensure!(found == expected);
    let found: HashSet<String> = connection
        .scan_match("scan:123?")?
        .collect::<Result<_, _>>()?;
    ensure!(found.len() == 10);
    Ok(())
}

fn databases(connection: &mut Connection, server: &mut Server, protocol: u8) -> Result<()> {
    let () = connection.set("k", "0")?;
    let mut other = client_of(server, "", "9", protocol)?.get_connection()?;
    let () = other.set("k", "9")?;
    ensure!(connection.get::<_, String>("k")? == "0");
    let () = redis::cmd("SELECT").arg(9).query(connection)?;
    ensure!(connection.get::<_, String>("k")? == "9");
    Ok(())
}

fn client_commands(connection: &mut Connection, _: &mut Server, _: u8) -> Result<()> {
    let () = connection.client_setname("me")?;
    ensure!(connection.client_getname::<String>()? == "me");
    let number: i64 = connection.client_id()?;
    let list: String = redis::cmd("CLIENT").arg("LIST").query(connection)?;
    ensure!(
        list.lines()
            .any(|line| line.starts_with(&format!("id={number} ")) && line.contains(" name=me ")),
        "{list}"
    );
    Ok(())
}

fn config_and_info(connection: &mut Connection, server: &mut Server, _: u8) -> Result<()> {
    let port: HashMap<String, String> = redis::cmd("CONFIG")
        .arg("GET")
        .arg("port")
        .query(connection)?;
    ensure!(port == HashMap::from([("port".to_owned(), server.port.to_string())]));
    let () = redis::cmd("CONFIG")
        .arg("SET")
        .arg("timeout")
        .arg(0)
        .query(connection)?;
    let info: redis::InfoDict = redis::cmd("INFO").query(connection)?;
    ensure!(info.get::<u16>("tcp_port") == Some(server.port));
    ensure!(info.get::<String>("role").as_deref() == Some("master"));
    ensure!(info.get::<u64>("used_memory") > Some(0));
    Ok(())
}

fn unix_socket(_: &mut Connection, server: &mut Server, protocol: u8) -> Result<()> {
    let path = server.unix_socket.display();
    let client = redis::Client::open(format!("redis+unix://{path}?protocol=resp{protocol}"))?;
    let mut connection = client.get_connection()?;
    let () = connection.set("k", all_bytes())?;
    ensure!(connection.get::<_, Vec<u8>>("k")? == all_bytes());
    Ok(())
}

fn reconnect(connection: &mut Connection, server: &mut Server, protocol: u8) -> Result<()> {
    let () = connection.set("k", "1")?;
    server.kill()?;
    let error = connection
        .get::<_, Value>("k")
        .expect_err("the server is gone");
    ensure!(
        error.is_io_error() || error.is_connection_dropped(),
        "{error:?}"
    );
    ensure!(!connection.is_open());
    ensure!(
        client_of(server, "", "", protocol)?
            .get_connection()
            .is_err()
    );
    server.restart()?;
    let mut again = client_of(server, "", "", protocol)?.get_connection()?;
    ensure!(again.get::<_, Option<String>>("k")?.is_none());
    Ok(())
}
