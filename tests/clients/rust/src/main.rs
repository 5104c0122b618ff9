//! The crates `redis` and `fred` at what applications do with them: transactions, subscriptions, blocking commands,
//! streams, scripts, functions and client-side caches. `../../driver.py` starts it with the name of the crate.

mod check;
mod fred_crate;
mod redis_crate;

use anyhow::{Context, Result, bail};

/// A library of functions for both crates' tests.
const LIBRARY: &str = "#!lua name=counters
redis.register_function('add', function(keys, args)
    return redis.call('INCRBY', keys[1], args[1])
end)";

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    let url = std::env::var("CLIENTS_URL").context("CLIENTS_URL is not set")?;
    match std::env::args().nth(1).as_deref() {
        Some("redis") => redis_crate::run(&url).await?,
        Some("fred") => fred_crate::run(&url).await?,
        other => bail!("no such crate: {other:?}"),
    }
    println!("end");
    Ok(())
}
