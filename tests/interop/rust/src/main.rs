//! The `redis` crate against the server under test, in RESP2 and RESP3: its blocking connection, its multiplexed
//! one, and its connection manager. `../run` builds and starts it.

mod blocking;
mod multiplexed;
mod server;

use anyhow::{Result, ensure};
use redis::{Client, ErrorKind, RedisError, RedisResult, ServerErrorKind};

use server::Server;

fn main() -> Result<()> {
    let mut server = Server::start(&[])?;
    for protocol in [2, 3] {
        blocking::run(&mut server, protocol);
        multiplexed::run(&mut server, protocol)?;
    }
    drop(server);
    let locked = Server::start(&["--requirepass", "secret"])?;
    for protocol in [2, 3] {
        server::check(&format!("redis crate: RESP{protocol}: password"), || {
            password(&locked, protocol)
        });
    }
    println!("end");
    Ok(())
}

/// A client of database 0, or of another one with its number (and password) in `path`.
fn client_of(server: &Server, credentials: &str, path: &str, protocol: u8) -> RedisResult<Client> {
    let port = server.port;
    Client::open(format!(
        "redis://{credentials}127.0.0.1:{port}/{path}?protocol=resp{protocol}"
    ))
}

fn password(server: &Server, protocol: u8) -> Result<()> {
    for credentials in [":secret@", "default:secret@"] {
        let mut connection = client_of(server, credentials, "", protocol)?.get_connection()?;
        let pong: String = redis::cmd("PING").query(&mut connection)?;
        ensure!(pong == "PONG");
    }
    let wrong = client_of(server, ":guess@", "", protocol)?.get_connection();
    let error = wrong.err().expect("a wrong password must be refused");
    // The crate has a kind of its own for AUTH's refusal, but passes on that of HELLO with AUTH.
    let is_refused =
        error.kind() == ErrorKind::AuthenticationFailed || error.code() == Some("WRONGPASS");
    ensure!(is_refused, "{error:?}");
    let missing = client_of(server, "", "", protocol)?.get_connection();
    let refused =
        missing.and_then(|mut connection| redis::cmd("PING").query::<String>(&mut connection));
    let error = refused.expect_err("a missing password must be refused");
    ensure!(error.to_string().contains("uthenticat"), "{error}");
    Ok(())
}

/// Commands that fail, with the code of each error and a part of its text.
const FAILURES: &[(&[&str], &str, &str)] = &[
    (
        &["LPUSH", "string", "a"],
        "WRONGTYPE",
        "wrong kind of value",
    ),
    (&["GET", "list"], "WRONGTYPE", "wrong kind of value"),
    (
        &["GET"],
        "ERR",
        "wrong number of arguments for 'get' command",
    ),
    (&["NOSUCH", "a"], "ERR", "unknown command 'NOSUCH'"),
    (
        &["INCR", "string"],
        "ERR",
        "value is not an integer or out of range",
    ),
    (&["SET", "k", "v", "NX", "XX"], "ERR", "syntax error"),
    (&["RENAME", "none", "other"], "ERR", "no such key"),
    (&["LSET", "list", "9", "a"], "ERR", "index out of range"),
];

/// Fails unless the error is the server's, with this code and this part in its text.
fn expect_error(error: &RedisError, code: &str, part: &str) -> Result<()> {
    let kind = if code == "ERR" {
        ErrorKind::Server(ServerErrorKind::ResponseError)
    } else {
        ErrorKind::Extension
    };
    ensure!(
        error.kind() == kind && error.code() == Some(code),
        "{error:?}"
    );
    ensure!(error.to_string().contains(part), "{part} is not in {error}");
    Ok(())
}

/// Every byte value, once.
fn all_bytes() -> Vec<u8> {
    (0..=u8::MAX).collect()
}

/// A value of 1 MiB in which no byte is like its neighbours for long, the same in each run.
fn megabyte() -> Vec<u8> {
    let mut generator = fastrand::Rng::with_seed(1);
    std::iter::repeat_with(|| generator.u8(..))
        .take(1 << 20)
        .collect()
}
