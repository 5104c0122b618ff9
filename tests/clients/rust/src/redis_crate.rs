//! The `redis` crate, in RESP2 and RESP3.

use anyhow::{Result, ensure};
use futures_util::future::{join_all, try_join_all};
use futures_util::{Stream, stream::poll_fn};
use redis::aio::{MultiplexedConnection, transaction_async};
use redis::caching::CacheConfig;
use redis::streams::{StreamReadOptions, StreamReadReply};
use redis::{
    AsyncCommands, AsyncConnectionConfig, Client, Commands, Direction, Msg, Pipeline, PushInfo,
    PushKind, Script, Value,
};
use tokio::sync::mpsc;

use crate::LIBRARY;
use crate::check::{check, wait_until};

/// What each check gets: a connection to an empty server, and the way to make others.
struct Setting {
    client: Client,
    connection: MultiplexedConnection,
}

impl Setting {
    async fn new(url: &str, protocol: u8) -> Result<Setting> {
        let client = Client::open(format!("{url}/?protocol=resp{protocol}"))?;
        let mut connection = connect(&client).await?;
        let () = connection.flushall().await?;
        Ok(Setting { client, connection })
    }

    async fn wait_for_blocked(&mut self, count: u64) -> Result<()> {
        let connection = &mut self.connection;
        wait_until("blocked clients", async || {
            let info: redis::InfoDict = redis::cmd("INFO").query_async(connection).await?;
            Ok(info.get::<u64>("blocked_clients") == Some(count))
        })
        .await
    }
}

/// A connection that waits for replies for as long as a blocking command may take.
async fn connect(client: &Client) -> Result<MultiplexedConnection> {
    let config = AsyncConnectionConfig::new().set_response_timeout(None);
    Ok(client
        .get_multiplexed_async_connection_with_config(&config)
        .await?)
}

/// Runs all checks.
pub async fn run(url: &str) -> Result<()> {
    macro_rules! run {
        ($protocol:expr, $($name:ident),*) => {
            $(
                let name = format!("RESP{}: {}", $protocol, stringify!($name).replace('_', " "));
                let setting = Setting::new(url, $protocol).await?;
                check(name, $name(setting)).await;
            )*
        };
    }
    for protocol in [2, 3] {
        run!(
            protocol,
            transactions,
            watch_and_retry,
            blocking_transaction,
            subscriptions,
            blocking_pops,
            stream_groups,
            scripts,
            functions
        );
    }
    run!(3, pushes, client_side_cache);
    Ok(())
}

async fn transactions(mut setting: Setting) -> Result<()> {
    let connection = &mut setting.connection;
    let (first, list): (i64, Vec<String>) = Pipeline::new()
        .atomic()
        .set("n", 1)
        .ignore()
        .incr("n", 1)
        .rpush("l", &["a", "b"])
        .ignore()
        .lrange("l", 0, -1)
        .query_async(connection)
        .await?;
    ensure!(first == 2 && list == ["a", "b"]);
    let failed = Pipeline::new()
        .atomic()
        .set("n", "text")
        .incr("n", 1)
        .set("after", 1)
        .query_async::<Value>(connection)
        .await;
    let error = failed.expect_err("text is no number");
    ensure!(error.to_string().contains("not an integer"), "{error}");
    ensure!(connection.exists::<_, bool>("after").await?);
    let refused = Pipeline::new()
        .atomic()
        .set("never", 1)
        .cmd("GET")
        .query_async::<Value>(connection)
        .await;
    let error = refused.expect_err("GET wants a key");
    ensure!(
        error.to_string().contains("wrong number of arguments")
            || error.code() == Some("EXECABORT"),
        "{error}"
    );
    ensure!(!connection.exists::<_, bool>("never").await?);
    Ok(())
}

async fn watch_and_retry(mut setting: Setting) -> Result<()> {
    let add = async |client: Client| -> Result<()> {
        let connection = connect(&client).await?;
        let (_,): (i64,) = transaction_async(connection, &["n"], async |mut own, mut batch| {
            let value: Option<i64> = own.get("n").await?;
            batch.set("n", value.unwrap_or(0) + 1).ignore().get("n");
            batch.query_async(&mut own).await
        })
        .await?;
        Ok(())
    };
    try_join_all((0..20).map(|_| add(setting.client.clone()))).await?;
    ensure!(setting.connection.get::<_, i64>("n").await? == 20);
    Ok(())
}

/// The blocking connection's own form of a transaction.
async fn blocking_transaction(mut setting: Setting) -> Result<()> {
    let client = setting.client.clone();
    let value: (i64,) = tokio::task::spawn_blocking(move || -> Result<(i64,)> {
        let mut connection = client.get_connection()?;
        let mut tries = 0;
        Ok(redis::transaction(
            &mut connection,
            &["n"],
            |own, batch| {
                tries += 1;
                if tries == 1 {
                    // Someone else changes the key between WATCH and EXEC.
                    let () = client.get_connection()?.set("n", 41)?;
                }
                let value: Option<i64> = own.get("n")?;
                batch
                    .set("n", value.unwrap_or(0) + 1)
                    .ignore()
                    .get("n")
                    .query(own)
            },
        )?)
    })
    .await??;
    ensure!(value == (42,), "{value:?}");
    ensure!(setting.connection.get::<_, i64>("n").await? == 42);
    Ok(())
}

/// The next message of a subscription.
async fn next<T>(mut stream: impl Stream<Item = T> + Unpin) -> Option<T> {
    std::future::poll_fn(|context| std::pin::Pin::new(&mut stream).poll_next(context)).await
}

async fn subscriptions(mut setting: Setting) -> Result<()> {
    let mut subscriber = setting.client.get_async_pubsub().await?;
    subscriber.subscribe("news").await?;
    subscriber.psubscribe("n?ws*").await?;
    let connection = &mut setting.connection;
    ensure!(connection.publish::<_, _, i64>("news", "first").await? == 2);
    ensure!(
        connection
            .publish::<_, _, i64>("newspaper", "second")
            .await?
            == 1
    );
    let mut heard = Vec::new();
    {
        let mut messages = subscriber.on_message();
        for _ in 0..3 {
            let message: Msg = next(&mut messages).await.expect("the connection is open");
            heard.push((
                message.get_channel_name().to_owned(),
                message.get_pattern::<Option<String>>()?,
                message.get_payload::<String>()?,
            ));
        }
    }
    let expected = [
        ("news", None, "first"),
        ("news", Some("n?ws*"), "first"),
        ("newspaper", Some("n?ws*"), "second"),
    ];
    let expected = expected.map(|(channel, pattern, text)| {
        let pattern = pattern.map(str::to_owned);
        (channel.to_owned(), pattern, text.to_owned())
    });
    ensure!(heard == expected, "{heard:?}");
    subscriber.unsubscribe("news").await?;
    subscriber.punsubscribe("n?ws*").await?;
    ensure!(connection.publish::<_, _, i64>("news", "nobody").await? == 0);
    Ok(())
}

async fn blocking_pops(mut setting: Setting) -> Result<()> {
    let mut own = connect(&setting.client).await?;
    let waiting = tokio::spawn(async move {
        let popped: [String; 2] = own.blpop(&["a", "b"], 10.0).await?;
        let moved: String = own
            .blmove("b", "c", Direction::Left, Direction::Right, 10.0)
            .await?;
        let scored: (String, String, f64) = own.bzpopmin("z", 10.0).await?;
        let none: Option<[String; 2]> = own.brpop("none", 0.02).await?;
        Ok::<_, redis::RedisError>((popped, moved, scored, none))
    });
    setting.wait_for_blocked(1).await?;
    let () = setting.connection.rpush("b", &["1", "2"]).await?;
    setting.wait_for_blocked(1).await?;
    let () = setting.connection.zadd("z", "member", 1.5).await?;
    let (popped, moved, scored, none) = waiting.await??;
    ensure!(popped == ["b", "1"] && moved == "2" && none.is_none());
    ensure!(scored == ("z".to_owned(), "member".to_owned(), 1.5));
    Ok(())
}

async fn stream_groups(mut setting: Setting) -> Result<()> {
    let () = setting
        .connection
        .xgroup_create_mkstream("s", "g", "$")
        .await?;
    let workers = (0..2).map(|number| {
        let client = setting.client.clone();
        tokio::spawn(async move {
            let options = StreamReadOptions::default()
                .group("g", format!("worker{number}"))
                .count(1)
                .block(10_000);
            let mut own = connect(&client).await?;
            let reply: Option<StreamReadReply> =
                own.xread_options(&["s"], &[">"], &options).await?;
            let entry = reply.expect("an entry comes").keys.remove(0).ids.remove(0);
            ensure!(own.xack::<_, _, _, i64>("s", "g", &[&entry.id]).await? == 1);
            Ok(entry.get::<i64>("n").expect("the field is there"))
        })
    });
    let workers: Vec<_> = workers.collect();
    setting.wait_for_blocked(2).await?;
    for number in 1..=2 {
        let _: String = setting.connection.xadd("s", "*", &[("n", number)]).await?;
    }
    let mut numbers = Vec::new();
    for worker in join_all(workers).await {
        numbers.push(worker??);
    }
    numbers.sort_unstable();
    ensure!(numbers == [1, 2]);
    let pending: redis::streams::StreamPendingReply = setting.connection.xpending("s", "g").await?;
    ensure!(pending.count() == 0);
    Ok(())
}

async fn scripts(mut setting: Setting) -> Result<()> {
    let connection = &mut setting.connection;
    let script = Script::new(
        "redis.call('HSET', KEYS[1], 'f', ARGV[1])
         return {redis.call('HGET', KEYS[1], 'f'), #ARGV, {1, 2}}",
    );
    let () = redis::cmd("SCRIPT")
        .arg("FLUSH")
        .query_async(connection)
        .await?;
    for _ in 0..2 {
        let result: (String, i64, Vec<i64>) = script
            .key("h")
            .arg("value")
            .invoke_async(connection)
            .await?;
        ensure!(result == ("value".to_owned(), 1, vec![1, 2]));
    }
    let error = Script::new("return redis.error_reply('MINE is this')")
        .invoke_async::<_, Value>(connection)
        .await
        .expect_err("the script returns an error");
    ensure!(error.code() == Some("MINE"), "{error}");
    Ok(())
}

async fn functions(mut setting: Setting) -> Result<()> {
    let connection = &mut setting.connection;
    let name: String = redis::cmd("FUNCTION")
        .arg(&["LOAD", "REPLACE", LIBRARY])
        .query_async(connection)
        .await?;
    ensure!(name == "counters");
    let mut call = redis::cmd("FCALL");
    let sum: i64 = call
        .arg("add")
        .arg(1)
        .arg("n")
        .arg(5)
        .query_async(connection)
        .await?;
    ensure!(sum == 5);
    let () = redis::cmd("FUNCTION")
        .arg(&["DELETE", "counters"])
        .query_async(connection)
        .await?;
    Ok(())
}

/// In RESP3 one connection takes both replies and messages.
async fn pushes(mut setting: Setting) -> Result<()> {
    let (sender, mut receiver) = mpsc::unbounded_channel::<PushInfo>();
    let config = AsyncConnectionConfig::new().set_push_sender(sender);
    let mut own = setting
        .client
        .get_multiplexed_async_connection_with_config(&config)
        .await?;
    own.subscribe("news").await?;
    ensure!(own.publish::<_, _, i64>("news", "to myself").await? == 1);
    ensure!(
        setting
            .connection
            .publish::<_, _, i64>("news", "from another")
            .await?
            == 1
    );
    let mut texts = Vec::new();
    let mut stream = poll_fn(|context| receiver.poll_recv(context));
    while texts.len() < 2 {
        let push = next(&mut stream).await.expect("the connection is open");
        if push.kind == PushKind::Message {
            texts.push(redis::from_redis_value::<String>(push.data[1].clone())?);
        }
    }
    ensure!(texts == ["to myself", "from another"]);
    ensure!(own.get::<_, Option<String>>("none").await?.is_none());
    Ok(())
}

async fn client_side_cache(mut setting: Setting) -> Result<()> {
    let config = AsyncConnectionConfig::new().set_cache_config(CacheConfig::new());
    let mut cached = setting
        .client
        .get_multiplexed_async_connection_with_config(&config)
        .await?;
    let () = setting.connection.set("k", "1").await?;
    for _ in 0..10 {
        ensure!(cached.get::<_, String>("k").await? == "1");
    }
    let statistics = cached.get_cache_statistics().expect("it has a cache");
    ensure!(statistics.hit == 9 && statistics.miss == 1);
    let () = setting.connection.set("k", "2").await?;
    wait_until("the new value", async || {
        Ok(cached.get::<_, String>("k").await? == "2")
    })
    .await
}
