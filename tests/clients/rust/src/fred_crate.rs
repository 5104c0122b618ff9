//! The `fred` crate, in RESP2 and RESP3.

use std::collections::HashMap;

use anyhow::{Result, ensure};
use fred::clients::Client;
use fred::prelude::*;
use fred::types::RespVersion;
use fred::types::lists::LMoveDirection;
use fred::types::scripts::{Library, Script};
use fred::types::streams::XReadResponse;
use futures_util::future::try_join_all;

use crate::LIBRARY;
use crate::check::{check, wait_until};

/// A way to make clients of one protocol.
#[derive(Clone)]
struct Setting {
    config: Config,
}

impl Setting {
    async fn connect(&self) -> Result<Client> {
        let mut builder = Builder::from_config(self.config.clone());
        builder.with_connection_config(|config| config.max_command_attempts = 1);
        let client = builder.build()?;
        client.init().await?;
        Ok(client)
    }
}

/// Runs all checks.
pub async fn run(url: &str) -> Result<()> {
    macro_rules! run {
        ($protocol:expr, $($name:ident),*) => {
            $(
                let name = format!("{:?}: {}", $protocol, stringify!($name).replace('_', " "));
                let mut config = Config::from_url(url)?;
                config.version = $protocol;
                let setting = Setting { config };
                let client = setting.connect().await?;
                let () = client.flushall(false).await?;
                check(name, $name(setting, client)).await;
            )*
        };
    }
    for protocol in [RespVersion::RESP2, RespVersion::RESP3] {
        run!(
            protocol.clone(),
            pipelines_and_transactions,
            watched_keys,
            subscriptions,
            sharded_subscriptions,
            blocking_pops,
            stream_groups,
            scripts,
            functions,
            pool
        );
    }
    run!(RespVersion::RESP3, tracking);
    Ok(())
}

async fn wait_for_blocked(client: &Client, count: u32) -> Result<()> {
    wait_until("blocked clients", async || {
        let info: String = client.info(Some(fred::types::InfoKind::Clients)).await?;
        Ok(info.contains(&format!("blocked_clients:{count}\r\n")))
    })
    .await
}

async fn pipelines_and_transactions(_: Setting, client: Client) -> Result<()> {
    let batch = client.pipeline();
    for number in 0..500 {
        let () = batch.rpush("l", number).await?;
    }
    ensure!(batch.all::<Vec<i64>>().await? == (1..=500).collect::<Vec<_>>());
    let transaction = client.multi();
    let () = transaction.set("n", 1, None, None, false).await?;
    let () = transaction.incr("n").await?;
    let () = transaction.get("n").await?;
    let (_, sum, text): (String, i64, String) = transaction.exec(true).await?;
    ensure!(sum == 2 && text == "2");
    let transaction = client.multi();
    let () = transaction.set("n", "text", None, None, false).await?;
    let () = transaction.incr("n").await?;
    let error = transaction.exec::<Value>(true).await;
    let error = error.expect_err("text is no number");
    ensure!(error.details().contains("not an integer"), "{error}");
    ensure!(client.get::<String, _>("n").await? == "text");
    Ok(())
}

/// WATCH belongs to the connection, of which this client has one alone.
async fn watched_keys(setting: Setting, client: Client) -> Result<()> {
    let watch = fred::cmd!("WATCH");
    for is_changed in [true, false] {
        let () = client.custom(watch.clone(), vec!["n"]).await?;
        if is_changed {
            let () = setting.connect().await?.incr("n").await?;
        }
        let transaction = client.multi();
        let () = transaction.set("n", 10, None, None, false).await?;
        let result: Value = transaction.exec(true).await?;
        ensure!(result.is_null() == is_changed, "{result:?}");
    }
    ensure!(client.get::<i64, _>("n").await? == 10);
    Ok(())
}

async fn subscriptions(setting: Setting, client: Client) -> Result<()> {
    let subscriber = Builder::from_config(setting.config).build_subscriber_client()?;
    subscriber.init().await?;
    let mut messages = subscriber.message_rx();
    subscriber.subscribe("news").await?;
    subscriber.psubscribe("n?ws*").await?;
    wait_until("both subscriptions", async || {
        let channels: HashMap<String, i64> = client.pubsub_numsub("news").await?;
        Ok(channels["news"] == 1 && client.pubsub_numpat::<i64>().await? == 1)
    })
    .await?;
    ensure!(client.publish::<i64, _, _>("news", "first").await? == 2);
    ensure!(client.publish::<i64, _, _>("newspaper", "second").await? == 1);
    let mut heard = Vec::new();
    for _ in 0..3 {
        let message = messages.recv().await?;
        let text: String = message.value.convert()?;
        heard.push(format!("{:?} {} {text}", message.kind, message.channel));
    }
    heard.sort();
    let expected = [
        "Message news first",
        "PMessage news first",
        "PMessage newspaper second",
    ];
    ensure!(heard == expected, "{heard:?}");
    subscriber.unsubscribe_all().await?;
    wait_until("no subscriber", async || {
        Ok(client.publish::<i64, _, _>("news", "nobody").await? == 0)
    })
    .await?;
    subscriber.quit().await?;
    Ok(())
}

async fn sharded_subscriptions(setting: Setting, client: Client) -> Result<()> {
    let subscriber = setting.connect().await?;
    let mut messages = subscriber.message_rx();
    subscriber.ssubscribe("shard").await?;
    wait_until("the subscriber", async || {
        Ok(client.spublish::<i64, _, _>("shard", "text").await? == 1)
    })
    .await?;
    let message = messages.recv().await?;
    ensure!(message.channel == "shard" && message.value.convert::<String>()? == "text");
    subscriber.quit().await?;
    Ok(())
}

async fn blocking_pops(setting: Setting, client: Client) -> Result<()> {
    let own = setting.connect().await?;
    let waiting = tokio::spawn(async move {
        let popped: (String, String) = own.blpop(vec!["a", "b"], 10.0).await?;
        let (left, right) = (LMoveDirection::Left, LMoveDirection::Right);
        let moved: String = own.blmove("b", "c", left, right, 10.0).await?;
        let scored: (String, String, f64) = own.bzpopmin("z", 10.0).await?;
        Ok::<_, Error>((popped, moved, scored))
    });
    wait_for_blocked(&client, 1).await?;
    let () = client.rpush("b", vec!["1", "2"]).await?;
    wait_for_blocked(&client, 1).await?;
    let () = client
        .zadd("z", None, None, false, false, (1.5, "member"))
        .await?;
    let (popped, moved, scored) = waiting.await??;
    ensure!(popped == ("b".to_owned(), "1".to_owned()) && moved == "2");
    ensure!(scored == ("z".to_owned(), "member".to_owned(), 1.5));
    Ok(())
}

async fn stream_groups(setting: Setting, client: Client) -> Result<()> {
    let () = client.xgroup_create("s", "g", "$", true).await?;
    let own = setting.connect().await?;
    let waiting = tokio::spawn(async move {
        own.xreadgroup_map::<String, String, String, String, _, _, _, _>(
            "g",
            "me",
            Some(5),
            Some(10_000),
            false,
            "s",
            ">",
        )
        .await
    });
    wait_for_blocked(&client, 1).await?;
    let id: String = client
        .xadd("s", false, None, "*", ("field", "value"))
        .await?;
    let reply: XReadResponse<String, String, String, String> = waiting.await??;
    let fields = HashMap::from([("field".to_owned(), "value".to_owned())]);
    ensure!(reply["s"] == [(id.clone(), fields)]);
    ensure!(client.xack::<i64, _, _, _>("s", "g", id).await? == 1);
    Ok(())
}

async fn scripts(_: Setting, client: Client) -> Result<()> {
    let script = Script::from_lua("return {KEYS[1], ARGV[1], redis.call('INCR', KEYS[1])}");
    script.load(&client).await?;
    let result: (String, String, i64) = script.evalsha(&client, "n", "text").await?;
    ensure!(result == ("n".to_owned(), "text".to_owned(), 1));
    client.script_flush(false).await?;
    let result: (String, String, i64) = script.evalsha_with_reload(&client, "n", "text").await?;
    ensure!(result.2 == 2);
    let failed = client.eval::<Value, _, _, _>("error('my error')", Vec::<String>::new(), ());
    let error = failed.await.expect_err("the script raises an error");
    ensure!(error.details().contains("my error"), "{error}");
    Ok(())
}

async fn functions(_: Setting, client: Client) -> Result<()> {
    let () = client.function_flush(false).await?;
    let library = Library::from_code(&client, LIBRARY).await?;
    let add = library
        .functions()
        .get("add")
        .expect("it is in the library");
    ensure!(add.fcall::<i64, _, _, _>(&client, "n", 5).await? == 5);
    let dump: Value = client.function_dump().await?;
    let () = client.function_delete("counters").await?;
    let () = client
        .function_restore(
            dump.into_bytes().expect("a dump is bytes"),
            fred::types::scripts::FnPolicy::Append,
        )
        .await?;
    ensure!(add.fcall::<i64, _, _, _>(&client, "n", 5).await? == 10);
    let () = client.function_flush(false).await?;
    Ok(())
}

async fn pool(setting: Setting, client: Client) -> Result<()> {
    let pool = Builder::from_config(setting.config).build_pool(4)?;
    pool.init().await?;
    try_join_all((0..200).map(|_| pool.incr::<i64, _>("n"))).await?;
    ensure!(client.get::<i64, _>("n").await? == 200);
    pool.quit().await?;
    Ok(())
}

/// Keys that were read are named when another client changes them.
async fn tracking(setting: Setting, client: Client) -> Result<()> {
    let own = setting.connect().await?;
    let mut invalidations = own.invalidation_rx();
    own.start_tracking(None, false, false, false, false).await?;
    ensure!(own.get::<Option<String>, _>("k").await?.is_none());
    let () = client.set("other", 1, None, None, false).await?;
    let () = client.set("k", 1, None, None, false).await?;
    let invalidation = invalidations.recv().await?;
    let keys: Vec<_> = invalidation
        .keys
        .iter()
        .map(|key| key.as_str_lossy())
        .collect();
    ensure!(keys == ["k"], "{keys:?}");
    own.stop_tracking().await?;
    Ok(())
}
