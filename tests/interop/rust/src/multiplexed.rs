//! The connection that many tasks share, and the manager that renews it.

use std::time::Duration;

use anyhow::{Result, bail, ensure};
use futures_util::future::try_join_all;
use redis::aio::{ConnectionManager, ConnectionManagerConfig, MultiplexedConnection};
use redis::{AsyncCommands, Pipeline, Value};

use crate::server::{Server, check};
use crate::{FAILURES, all_bytes, client_of, expect_error, megabyte};

/// Runs every check on an empty server.
pub fn run(server: &mut Server, protocol: u8) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let connect = |server: &Server| -> Result<MultiplexedConnection> {
        runtime.block_on(async {
            let client = client_of(server, "", "", protocol)?;
            let mut connection = client.get_multiplexed_async_connection().await?;
            let () = connection.flushall().await?;
            Ok(connection)
        })
    };
    let title = |name: &str| format!("redis crate, multiplexed: RESP{protocol}: {name}");
    check(&title("connect"), || {
        runtime.block_on(connected(connect(server)?, protocol))
    });
    check(&title("many tasks"), || {
        runtime.block_on(many_tasks(connect(server)?))
    });
    check(&title("pipeline"), || {
        runtime.block_on(pipeline(connect(server)?))
    });
    check(&title("binary"), || {
        runtime.block_on(binary(connect(server)?))
    });
    check(&title("errors"), || {
        runtime.block_on(errors(connect(server)?))
    });
    check(&title("reconnect"), || {
        runtime.block_on(reconnect(server, protocol))
    });
    Ok(())
}

async fn connected(mut connection: MultiplexedConnection, protocol: u8) -> Result<()> {
    let info: String = redis::cmd("CLIENT")
        .arg("INFO")
        .query_async(&mut connection)
        .await?;
    ensure!(info.contains(&format!("resp={protocol}")), "{info}");
    Ok(())
}

/// Calls of many tasks travel over one connection; each gets its own reply.
async fn many_tasks(connection: MultiplexedConnection) -> Result<()> {
    let calls = (0..1000_u32).map(|number| {
        let mut connection = connection.clone();
        async move {
            let () = connection.set(number, number * 7).await?;
            let () = connection.incr("count", 1).await?;
            connection.get::<_, u32>(number).await
        }
    });
    let replies = try_join_all(calls).await?;
    ensure!(replies == (0..1000).map(|number| number * 7).collect::<Vec<_>>());
    ensure!(connection.clone().get::<_, u32>("count").await? == 1000);
    Ok(())
}

async fn pipeline(mut connection: MultiplexedConnection) -> Result<()> {
    let mut batch = Pipeline::new();
    for number in 0..1000 {
        batch.rpush("list", number).ignore().lindex("list", -1);
    }
    let replies: Vec<u32> = batch.query_async(&mut connection).await?;
    ensure!(replies == (0..1000).collect::<Vec<_>>());
    Ok(())
}

async fn binary(mut connection: MultiplexedConnection) -> Result<()> {
    let () = connection
        .mset(&[(b"all".to_vec(), all_bytes()), (all_bytes(), megabyte())])
        .await?;
    let values: (Vec<u8>, Vec<u8>) = connection.mget(&[b"all".to_vec(), all_bytes()]).await?;
    ensure!(values == (all_bytes(), megabyte()));
    Ok(())
}

async fn errors(mut connection: MultiplexedConnection) -> Result<()> {
    let () = connection.set("string", "text").await?;
    let () = connection.rpush("list", "a").await?;
    for (command, code, part) in FAILURES {
        let mut call = redis::cmd(command[0]);
        match call
            .arg(&command[1..])
            .query_async::<Value>(&mut connection)
            .await
        {
            Ok(value) => bail!("{command:?} gave {value:?}"),
            Err(error) => expect_error(&error, code, part)?,
        }
    }
    Ok(())
}

/// The manager connects again by itself; calls fail only while there is no server.
async fn reconnect(server: &mut Server, protocol: u8) -> Result<()> {
    let config = ConnectionManagerConfig::new()
        .set_min_delay(Duration::from_millis(5))
        .set_number_of_retries(1);
    let client = client_of(server, "", "", protocol)?;
    let mut manager = ConnectionManager::new_with_config(client, config).await?;
    let () = manager.set("k", "1").await?;
    server.kill()?;
    ensure!(manager.get::<_, Value>("k").await.is_err());
    server.restart()?;
    for _ in 0..1000 {
        if let Ok(value) = manager.get::<_, Option<String>>("k").await {
            ensure!(value.is_none());
            return Ok(());
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    bail!("the manager does not come back")
}
