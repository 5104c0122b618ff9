//! How checks are counted; the lines are those that `../../driver.py` reads.

use std::fmt::Display;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};

const CHECK_TIMEOUT: Duration = Duration::from_secs(20);
const WAIT_TIMEOUT: Duration = Duration::from_secs(10);

/// Prints how the check ended, which may take only so long.
pub async fn check(name: impl Display, body: impl Future<Output = Result<()>>) {
    match tokio::time::timeout(CHECK_TIMEOUT, body).await {
        Ok(Ok(())) => println!("ok   {name}"),
        Ok(Err(error)) => {
            let reason = format!("{error:#}").replace(['\r', '\n'], " ");
            println!("FAIL {name} -- {reason}");
        }
        Err(_) => println!("FAIL {name} -- not done after {CHECK_TIMEOUT:?}"),
    }
}

/// Polls until the condition holds.
pub async fn wait_until(
    what: &str,
    mut condition: impl AsyncFnMut() -> Result<bool>,
) -> Result<()> {
    let deadline = Instant::now() + WAIT_TIMEOUT;
    while !condition().await? {
        if Instant::now() > deadline {
            bail!("{what}: not within {WAIT_TIMEOUT:?}");
        }
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    Ok(())
}
