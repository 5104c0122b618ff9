//! The carrier of MIGRATE: sends keys to other servers, beside everything else and without the data set's lock.
//!
//! Life cycle: [`carry_migrations`] is one task on the main runtime. It takes each migration that is sent, gives it a
//! connection that is there already or has a new one opened, and lets both go on as a task of their own. What comes back
//! is settled here, under the lock, by `commands::generic::migrate`; the connection is kept for the next one.

mod link;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::busy;
use super::clock;
use crate::command::{Flags, waiting};
use crate::commands::generic::migrate;
use crate::instance::attention::{ENDING, READY_KEYS};
use crate::instance::migrations::{Failure, Migration, Order, Parcel, Target};
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
    let (mut tasks, mut under_way) = (JoinSet::new(), HashMap::new());
    loop {
        let mut arrived = None;
        tokio::select! {
            mut migration = instance.next_migration() => {
                let order = Arc::clone(&migration.order);
                let parcels = std::mem::take(&mut migration.parcels);
                let link = links.take(&order.target);
                let compress = instance.config().rdbcompression();
                let task = tasks.spawn(carry(link, order, parcels, compress));
                under_way.insert(task.id(), migration);
            }
            Some(done) = tasks.join_next_with_id() => {
                let (id, carried) = match done {
                    Ok((id, carried)) => (id, carried),
                    Err(error) => {
                        tracing::error!("Carrying keys to another server: {error}");
                        (error.id(), Carried::failed())
                    }
                };
                arrived = under_way.remove(&id).map(|mut migration| {
                    if let Some(link) = carried.link {
                        links.keep(migration.order.target.clone(), link);
                    }
                    migration.parcels = carried.parcels;
                    migration.failure = migration.failure.take().or(carried.failure);
                    migration
                });
            }
            () = tokio::time::sleep(IDLE_TICK), if !links.0.is_empty() => {}
        }
        links.close_idle(Instant::now());
        instance.migrations().cached_connections = links.0.len();
        if let Some(migration) = arrived {
            settle(&db, &instance, migration).await;
        }
    }
}

/// What has come of carrying parcels.
struct Carried {
    /// The connection, if it can be used again.
    link: Option<Link>,
    parcels: Vec<Parcel>,
    failure: Option<Failure>,
}

impl Carried {
    /// What is known when its task has failed: nothing, so that all keys stay.
    fn failed() -> Self {
        Carried {
            link: None,
            parcels: Vec::new(),
            failure: Some(Failure::Reading),
        }
    }
}

/// Brings parcels to their target. A connection that fails at once is replaced by another, once: the peer may have closed it
/// while it rested.
async fn carry(
    mut link: Option<Link>,
    order: Arc<Order>,
    mut parcels: Vec<Parcel>,
    compress: bool,
) -> Carried {
    let mut may_retry = true;
    let failure = loop {
        let opened = match link.take() {
            Some(link) => Ok(link),
            None => Link::open(&order.target, order.timeout).await,
        };
        let outcome = match opened {
            Ok(opened) => {
                let link = link.insert(opened);
                link.deliver(&order, &mut parcels, compress).await
            }
            Err(broken) => Err(broken),
        };
        let broken = match outcome {
            Ok(refusal) => break refusal.map(Failure::Refused),
            Err(broken) => broken,
        };
        link = None;
        may_retry &= !parcels.iter().any(|parcel| parcel.has_arrived);
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
    Carried {
        link: link.filter(Link::is_quiet),
        parcels,
        failure,
    }
}

/// Has what came back settled, when no script has the data set and clients may write.
async fn settle(db: &Mutex<Db>, instance: &Instance, migration: Migration) {
    let mut migration = Some(migration);
    while migration.is_some() {
        let end_of_pause = instance.end_of_pause();
        busy::when_free(db, instance, |db| {
            if instance.attention.has(ENDING) {
                // The data set was saved for the last time, with the keys in it: nobody is told that they are gone.
                migration = None;
            } else if !instance.pause().holds(Flags::WRITE) {
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
