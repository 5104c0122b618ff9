//! The carrier of MIGRATE: sends keys to other servers, beside everything else and without the data set's lock.
//!
//! Life cycle: [`carry_migrations`] is one task on the main runtime. It takes each migration that is sent, gives it a
//! connection that is there already or has a new one opened, and lets both go on as a task of their own. What comes back
//! is settled here, under the lock, by `commands::generic::migrate`; the connection is kept for the next one.

mod link;

use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::busy;
use super::clock;
use crate::command::{Flags, waiting};
use crate::commands::generic::migrate;
use crate::instance::attention::READY_KEYS;
use crate::instance::migrations::{Failure, Migration, Target};
use crate::instance::{Instance, tracking};
use crate::store::db::Db;
use link::{Broken, Link};

/// So many connections are kept at the most.
const MAX_LINKS: usize = 64;
/// A connection is closed when it has not been used for so long.
const IDLE_LIMIT: Duration = Duration::from_secs(10);
/// How often that is looked at.
const IDLE_TICK: Duration = Duration::from_secs(1);

/// Connections that nobody uses now, the one that has rested longest first.
#[derive(Default)]
struct Links(Vec<(Target, Instant, Link)>);

impl Links {
    /// A connection to the target, if there is one.
    fn take(&mut self, target: &Target) -> Option<Link> {
        let at = self.0.iter().rposition(|(to, ..)| to == target)?;
        Some(self.0.remove(at).2)
    }

    fn keep(&mut self, target: Target, link: Link) {
        if self.0.len() == MAX_LINKS {
            self.0.remove(0);
        }
        self.0.push((target, Instant::now(), link));
    }

    fn close_idle(&mut self, now: Instant) {
        self.0
            .retain(|(_, since, _)| now.duration_since(*since) <= IDLE_LIMIT);
    }
}

/// Carries migrations, for as long as the server runs.
pub async fn carry_migrations(db: Arc<Mutex<Db>>, instance: Arc<Instance>) {
    let mut links = Links::default();
    let mut under_way = JoinSet::new();
    loop {
        let mut arrived = None;
        tokio::select! {
            migration = instance.next_migration() => {
                let link = links.take(&migration.order.target);
                let compress = instance.config().rdbcompression();
                under_way.spawn(carry(link, migration, compress));
            }
            Some(done) = under_way.join_next() => match done {
                Ok((link, migration)) => {
                    if let Some(link) = link {
                        links.keep(migration.order.target.clone(), link);
                    }
                    arrived = Some(migration);
                }
                Err(error) => tracing::error!("A migration has come to nothing: {error}"),
            },
            () = tokio::time::sleep(IDLE_TICK), if !links.0.is_empty() => {}
        }
        links.close_idle(Instant::now());
        instance.migrations().cached_connections = links.0.len();
        if let Some(migration) = arrived {
            settle(&db, &instance, migration).await;
        }
    }
}

/// Brings a migration's parcels to their target. A connection that fails at once is replaced by another, once: the peer
/// may have closed it while it rested.
async fn carry(
    mut link: Option<Link>,
    mut migration: Migration,
    compress: bool,
) -> (Option<Link>, Migration) {
    let mut may_retry = true;
    let failure = loop {
        let (order, parcels) = (&migration.order, &mut migration.parcels);
        let opened = match link.take() {
            Some(link) => Ok(link),
            None => Link::open(&order.target, order.timeout).await,
        };
        let outcome = match opened {
            Ok(opened) => link.insert(opened).deliver(order, parcels, compress).await,
            Err(broken) => Err(broken),
        };
        let broken = match outcome {
            Ok(None) => break None,
            Ok(Some(line)) => break Some(Failure::Refused(line)),
            Err(broken) => broken,
        };
        link = None;
        let has_begun = parcels.iter().any(|parcel| parcel.has_arrived);
        may_retry &= !has_begun;
        match broken {
            Broken::Refused(line) => break Some(Failure::Refused(line)),
            Broken::Connecting => break Some(Failure::Connecting),
            Broken::Writing { timed_out } if timed_out || !may_retry => {
                break Some(Failure::Writing);
            }
            Broken::Reading { timed_out } if timed_out || !may_retry => {
                break Some(Failure::Reading);
            }
            Broken::Writing { .. } | Broken::Reading { .. } => may_retry = false,
        }
    };
    migration.failure = migration.failure.take().or(failure);
    (link, migration)
}

/// Has what came back settled, when no script has the data set and clients may write.
async fn settle(db: &Mutex<Db>, instance: &Instance, migration: Migration) {
    let mut migration = Some(migration);
    while migration.is_some() {
        let end_of_pause = instance.end_of_pause();
        busy::when_free(db, instance, |db| {
            if !instance.pause().holds(Flags::WRITE) {
                db.set_clock(clock::unix_ms());
                if let Some(migration) = migration.take() {
                    migrate::carried(db, instance, migration);
                }
                if instance.attention.has(READY_KEYS) {
                    waiting::serve(db, instance);
                }
                tracking::broadcast(instance);
            }
        })
        .await;
        if migration.is_some() {
            end_of_pause.await;
        }
    }
}
