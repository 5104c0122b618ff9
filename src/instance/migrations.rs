//! Keys on their way to other servers: MIGRATE.
//!
//! Life cycle: `commands::generic::migrate` takes the entries of its keys, each of which is a snapshot as long as it is
//! shared, and hands a [`Migration`] over ([`Instance::send_migration`]). The server's carrier (`server::migrate`) takes it out
//! ([`Instance::next_migration`]), talks with the target without the data set's lock, and gives it back under the lock,
//! with what has arrived. There keys that are still what was sent are deleted, and the others are sent again.
//!
//! A key is moved by one migration at a time: what another one finds gone it would take for deleted, and have the target
//! delete it too. So a migration claims its keys, and one that wants a key of another's waits for that one's end.
//!
//! Nothing here needs a limit of its own: a client has one migration at a time, and its keys came in one request.

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use super::Instance;
use crate::command::Session;
use crate::store::db::DbIndex;
use crate::store::entry::Entry;

/// Where keys go, and as whom. Connections are kept by it, so that nobody uses one that another's password has opened.
#[derive(Clone, PartialEq, Eq)]
pub struct Target {
    /// A name or an address, as the client has sent it.
    pub host: Vec<u8>,
    /// The port, as the client has sent it.
    pub port: Vec<u8>,
    /// With what to authenticate there: a password, or a user's name and a password.
    pub credentials: Vec<Vec<u8>>,
}

/// What MIGRATE was asked to do.
pub struct Order {
    /// The other server.
    pub target: Target,
    /// The database there.
    pub database: i64,
    /// The longest time without progress: for connecting, for each write and for each answer.
    pub timeout: Duration,
    /// Whether the keys stay here.
    pub copy: bool,
    /// Whether keys that are there already are overwritten.
    pub replace: bool,
    /// The keys, each once.
    pub keys: Vec<Vec<u8>>,
}

/// What one command at the target is about.
pub enum Content {
    /// A value to be made there.
    Value {
        /// The key with its value and deadline.
        entry: Entry,
        /// Whether one that is there is overwritten.
        replace: bool,
    },
    /// A key to be deleted there: it was deleted here after it had arrived.
    Deletion(Vec<u8>),
}

/// One thing that is sent.
pub struct Parcel {
    /// What is sent.
    pub content: Content,
    /// Whether the target has said that it has it.
    pub has_arrived: bool,
}

/// Why not everything has arrived.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Failure {
    /// There is no connection to the target.
    Connecting,
    /// It does not take what is written.
    Writing,
    /// Its answers do not come, or are none.
    Reading,
    /// It answered with this error, the first one of several.
    Refused(Vec<u8>),
}

/// A MIGRATE that is under way.
pub struct Migration {
    /// The client's state as its command saw it. The client may leave meanwhile.
    pub session: Session,
    /// The number of its command.
    pub command: usize,
    /// What it was asked to do.
    pub order: Arc<Order>,
    /// What is sent in this round.
    pub parcels: Vec<Parcel>,
    /// How many rounds there have been.
    pub rounds: u32,
    /// Whether a key has been moved.
    pub has_moved: bool,
    /// The first failure.
    pub failure: Option<Failure>,
}

/// The migrations of a server.
#[derive(Default)]
pub struct Migrations {
    /// Keys that a migration moves, by their database.
    claimed: HashMap<DbIndex, HashSet<Vec<u8>>>,
    /// Those that wait until others have let go of their keys, in the order in which they came.
    waiting: VecDeque<Migration>,
    /// Those that are to be carried.
    outgoing: VecDeque<Migration>,
    /// Connections that are kept open for the next migration. The carrier counts them for INFO.
    pub cached_connections: usize,
}

impl Migrations {
    /// Claims a migration's keys; false, and nothing is claimed, if another one moves one of them.
    pub fn claim(&mut self, index: DbIndex, keys: &[Vec<u8>]) -> bool {
        claim(&mut self.claimed, index, keys)
    }

    /// Gives claimed keys up.
    pub fn release(&mut self, index: DbIndex, keys: &[Vec<u8>]) {
        if let Some(claimed) = self.claimed.get_mut(&index) {
            for key in keys {
                claimed.remove(key);
            }
            if claimed.is_empty() {
                self.claimed.remove(&index);
            }
        }
    }

    /// Keeps one that could not claim its keys until it can.
    pub fn postpone(&mut self, migration: Migration) {
        self.waiting.push_back(migration);
    }

    /// The first of those that wait that can have its keys now; they are claimed.
    pub fn next_free(&mut self) -> Option<Migration> {
        let claimed = &mut self.claimed;
        let at = self
            .waiting
            .iter()
            .position(|migration| claim(claimed, migration.session.db, &migration.order.keys))?;
        self.waiting.remove(at)
    }
}

fn claim(
    claimed: &mut HashMap<DbIndex, HashSet<Vec<u8>>>,
    index: DbIndex,
    keys: &[Vec<u8>],
) -> bool {
    let claimed = claimed.entry(index).or_default();
    if keys.iter().any(|key| claimed.contains(key)) {
        return false;
    }
    claimed.extend(keys.iter().cloned());
    true
}

impl Migration {
    /// One that begins.
    pub fn new(session: Session, command: usize, order: Order) -> Self {
        Migration {
            session,
            command,
            order: Arc::new(order),
            parcels: Vec::new(),
            rounds: 0,
            has_moved: false,
            failure: None,
        }
    }
}

impl Parcel {
    /// One that is to be sent.
    pub fn new(content: Content) -> Self {
        Parcel {
            content,
            has_arrived: false,
        }
    }
}

impl Instance {
    /// Has a migration's parcels carried to its target.
    pub fn send_migration(&self, migration: Migration) {
        self.migrations().outgoing.push_back(migration);
        self.migration_sent.notify_one();
    }

    /// Resolves with the next migration that is to be carried. There is one carrier.
    pub async fn next_migration(&self) -> Migration {
        loop {
            let next = self.migrations().outgoing.pop_front();
            if let Some(migration) = next {
                return migration;
            }
            self.migration_sent.notified().await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::instance::clients::{Clients, Endpoint};

    fn migration(clients: &Clients, db: DbIndex, keys: &[&str]) -> Migration {
        let endpoint = Endpoint {
            addr: String::new(),
            local_addr: String::new(),
            unix: false,
            fd: 0,
            is_plain: false,
            io_thread: 0,
        };
        let registration = clients.register(endpoint, 0, 100);
        let handle = Arc::clone(registration.as_ref().expect("there is room").handle());
        let session = Session {
            db,
            ..Session::new(handle, true)
        };
        let order = Order {
            target: Target {
                host: Vec::new(),
                port: Vec::new(),
                credentials: Vec::new(),
            },
            database: 0,
            timeout: Duration::ZERO,
            copy: false,
            replace: false,
            keys: keys.iter().map(|key| key.as_bytes().to_vec()).collect(),
        };
        Migration::new(session, 0, order)
    }

    fn keys(keys: &[&str]) -> Vec<Vec<u8>> {
        keys.iter().map(|key| key.as_bytes().to_vec()).collect()
    }

    #[test]
    fn all_keys_are_claimed_or_none() {
        let mut migrations = Migrations::default();
        assert!(migrations.claim(0, &keys(&["a", "b"])));
        assert!(!migrations.claim(0, &keys(&["c", "b"])));
        assert!(
            migrations.claim(1, &keys(&["a", "b"])),
            "in another database"
        );
        assert!(migrations.claim(0, &keys(&["c"])));
        migrations.release(0, &keys(&["a", "b"]));
        assert!(!migrations.claim(0, &keys(&["b", "c"])));
        assert!(migrations.claim(0, &keys(&["b"])));
        migrations.release(0, &keys(&["b", "c"]));
        migrations.release(1, &keys(&["a", "b"]));
        assert!(migrations.claimed.is_empty());
    }

    #[test]
    fn those_who_wait_go_when_all_their_keys_are_free() {
        let clients = Clients::default();
        let mut migrations = Migrations::default();
        assert!(migrations.claim(0, &keys(&["a", "b"])));
        for names in [&["a", "b"][..], &["b", "c"], &["c"]] {
            migrations.postpone(migration(&clients, 0, names));
        }
        let mut next = || {
            let next = migrations.next_free();
            let keys = next.map(|next| next.order.keys.clone());
            if keys.is_none() {
                migrations.release(0, &[b"b".to_vec()]);
            }
            keys
        };
        assert_eq!(
            next(),
            Some(keys(&["c"])),
            "it came last, and has to wait for nobody"
        );
        assert_eq!(next(), None);
        assert_eq!(next(), None, "b is free, but neither a nor c is");
    }
}
