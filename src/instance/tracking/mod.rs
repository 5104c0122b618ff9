//! Client-side caching: which clients are told when keys change that they may have in a cache of their own.
//!
//! Life cycle: CLIENT TRACKING makes a client a [`Tracker`]. In broadcasting mode it follows prefixes ([`prefixes`]); else
//! the keys that it reads are remembered ([`keys`]; `command::reads` finds them) and forgotten once it was told that they
//! have changed. What happens to keys comes from the journal ([`Tracking::key_changed`]). A message to another client goes
//! into its outbox at once; one to the client whose command is under way waits for that command's answer
//! ([`deliver_own`]); broadcasts wait for the end of the batch ([`broadcast`]). Everything here is done under the data
//! set's lock, which gives the order.

mod keys;
mod message;
mod prefixes;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU8, Ordering};

use bytes::BytesMut;

use super::Instance;
use super::attention::{BROADCASTS, OWN_INVALIDATIONS};
use super::clients::ClientHandle;
use crate::store::db::Db;
use keys::ReadKeys;
use message::Keys;
use prefixes::Prefixes;
pub use prefixes::{Overlap, find_overlap};

/// Keys that are forgotten at a time while there are too many; more each time that this was not enough.
const TRIM_STEP: usize = 100;

/// Of which keys a client is told.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Mode {
    /// Those that it has read.
    #[default]
    Reads,
    /// Those that it has read right after CLIENT CACHING YES.
    OptIn,
    /// Those that it has read, but for reads right after CLIENT CACHING NO.
    OptOut,
    /// Those that begin with its prefixes.
    Broadcast,
}

/// What CLIENT TRACKING ON asks for.
#[derive(Clone, Debug, Default)]
pub struct Wish<'a> {
    /// Of which keys.
    pub mode: Mode,
    /// Whether it is not told of its own changes.
    pub noloop: bool,
    /// The client that is told in its place.
    pub redirect: Option<Arc<ClientHandle>>,
    /// More prefixes; none stands for the empty one.
    pub prefixes: Vec<&'a [u8]>,
}

/// A client that is told of changes.
#[derive(Debug)]
pub struct Tracker {
    handle: Arc<ClientHandle>,
    redirect: Option<Arc<ClientHandle>>,
    /// Of which keys.
    pub mode: Mode,
    /// Whether it is not told of its own changes.
    pub noloop: bool,
    /// What it follows in broadcasting mode.
    pub prefixes: BTreeSet<Vec<u8>>,
}

/// What others can see of a client's tracking.
#[derive(Debug)]
pub struct Marks {
    flags: AtomicU8,
    redirect: AtomicI64,
}

impl Marks {
    /// What [`Marks::redirect`] answers for a client that does not track.
    pub const OFF: i64 = -1;
    const ON: u8 = 1;
    const BROADCAST: u8 = 1 << 1;
    const BROKEN: u8 = 1 << 2;

    /// Whether the client tracks.
    pub fn is_on(&self) -> bool {
        self.has(Self::ON)
    }

    /// Whether it follows prefixes.
    pub fn broadcasts(&self) -> bool {
        self.has(Self::BROADCAST)
    }

    /// Whether the client that was to be told in its place has gone.
    pub fn is_broken(&self) -> bool {
        self.has(Self::BROKEN)
    }

    /// The number of the client that is told in its place: 0 for none, [`Marks::OFF`] if it does not track.
    pub fn redirect(&self) -> i64 {
        self.redirect.load(Ordering::Relaxed)
    }

    fn has(&self, flag: u8) -> bool {
        self.flags.load(Ordering::Relaxed) & flag != 0
    }

    fn set(&self, flags: u8, redirect: i64) {
        self.flags.store(flags, Ordering::Relaxed);
        self.redirect.store(redirect, Ordering::Relaxed);
    }
}

impl Default for Marks {
    fn default() -> Self {
        Marks {
            flags: AtomicU8::new(0),
            redirect: AtomicI64::new(Self::OFF),
        }
    }
}

/// Who is told of which keys.
#[derive(Debug, Default)]
pub struct Tracking {
    trackers: BTreeMap<u64, Tracker>,
    read: ReadKeys,
    prefixes: Prefixes,
    /// What goes to the client whose command is under way, behind the answer.
    own: Vec<(Arc<ClientHandle>, BytesMut)>,
    /// How often in a row there were too many keys still after a trim.
    vain_trims: usize,
}

impl Tracking {
    /// Whether nobody is to be told.
    pub fn is_empty(&self) -> bool {
        self.trackers.is_empty()
    }

    /// How many clients are told.
    pub fn clients(&self) -> usize {
        self.trackers.len()
    }

    /// How many keys are remembered.
    pub fn keys(&self) -> usize {
        self.read.len()
    }

    /// How many pairs of a key and a client that has read it are remembered.
    pub fn items(&self) -> usize {
        self.read.items()
    }

    /// How many prefixes are followed.
    pub fn prefixes(&self) -> usize {
        self.prefixes.len()
    }

    /// What a client has asked for, if it tracks.
    pub fn get(&self, id: u64) -> Option<&Tracker> {
        self.trackers.get(&id)
    }

    /// Tells a client of changes from now on. One that tracks already keeps its prefixes.
    pub fn enable(&mut self, handle: &Arc<ClientHandle>, wish: Wish<'_>) {
        let id = handle.id;
        let mut flags = Marks::ON;
        let mut own = match self.trackers.remove(&id) {
            Some(before) => before.prefixes,
            None => BTreeSet::new(),
        };
        if wish.mode == Mode::Broadcast {
            flags |= Marks::BROADCAST;
            let everything: &[&[u8]] = &[b""];
            let wanted = if wish.prefixes.is_empty() {
                everything
            } else {
                &wish.prefixes
            };
            for prefix in wanted {
                self.prefixes.follow(prefix, id);
                own.insert(prefix.to_vec());
            }
        }
        let redirect = wish.redirect.as_ref().map_or(0, |target| target.id as i64);
        handle.tracking.set(flags, redirect);
        let tracker = Tracker {
            handle: Arc::clone(handle),
            redirect: wish.redirect,
            mode: wish.mode,
            noloop: wish.noloop,
            prefixes: own,
        };
        self.trackers.insert(id, tracker);
    }

    /// Tells a client no more. What it has read is forgotten when it changes, or with the last client.
    fn disable(&mut self, handle: &ClientHandle) -> Option<ReadKeys> {
        let tracker = self.trackers.remove(&handle.id)?;
        for prefix in &tracker.prefixes {
            self.prefixes.leave(prefix, handle.id);
        }
        handle.tracking.set(0, Marks::OFF);
        self.is_empty().then(|| std::mem::take(&mut self.read))
    }

    /// Remembers that a client has read `key`.
    pub fn remember(&mut self, key: &[u8], reader: u64) {
        self.read.add(key, reader);
    }

    /// Says that `key` has changed, by a command of `by` if it was one, while `current` runs one.
    pub fn key_changed(&mut self, key: &[u8], by: Option<u64>, current: Option<u64>) {
        self.prefixes.note(key, by);
        for reader in self.read.take(key) {
            let noloop = |tracker: &Tracker| tracker.noloop;
            if current != Some(reader) || !self.trackers.get(&reader).is_some_and(noloop) {
                self.invalidate(reader, key, current);
            }
        }
    }

    /// Tells a client that has read `key`, unless it has left or asked for something else meanwhile.
    fn invalidate(&mut self, reader: u64, key: &[u8], current: Option<u64>) {
        let tracker = self.trackers.get(&reader);
        if let Some(tracker) = tracker.filter(|tracker| tracker.mode != Mode::Broadcast) {
            tell(tracker, Keys::One(key), current, &mut self.own);
        }
    }

    /// Forgets random keys, with a word to those who have read them, while there are more than `max_keys`; 0 is no limit.
    /// A table that is far too full takes several calls.
    fn trim(&mut self, max_keys: usize, rng: &mut fastrand::Rng, current: Option<u64>) {
        let mut left = TRIM_STEP * (self.vain_trims + 1);
        while max_keys != 0 && self.read.len() > max_keys {
            if left == 0 {
                self.vain_trims += 1;
                return;
            }
            left -= 1;
            let Some((key, readers)) = self.read.take_random(rng) else {
                break;
            };
            for reader in readers {
                self.invalidate(reader, &key, current);
            }
        }
        self.vain_trims = 0;
    }

    /// Tells everybody that all keys may have changed; what was remembered is the caller's to drop.
    fn all_changed(&mut self, current: Option<u64>) -> ReadKeys {
        for tracker in self.trackers.values() {
            tell(tracker, Keys::All, current, &mut self.own);
        }
        std::mem::take(&mut self.read)
    }

    /// Tells of the keys that have changed below prefixes.
    fn broadcast(&mut self) {
        for (changed, clients) in self.prefixes.take_changes() {
            let all = message::encode(changed.keys().map(Vec::as_slice));
            for tracker in clients.iter().filter_map(|id| self.trackers.get(id)) {
                let id = Some(tracker.handle.id);
                if !(tracker.noloop && changed.values().any(|by| *by == id)) {
                    tell(tracker, Keys::Encoded(&all), None, &mut self.own);
                    continue;
                }
                let others: Vec<&[u8]> = changed
                    .iter()
                    .filter(|(_, by)| **by != id)
                    .map(|(key, _)| key.as_slice())
                    .collect();
                if !others.is_empty() {
                    let array = message::encode(others.into_iter());
                    tell(tracker, Keys::Encoded(&array), None, &mut self.own);
                }
            }
        }
    }

    /// Has the gate and the connections do what is left to do.
    pub fn ask_for_attention(&self, instance: &Instance) {
        if !self.own.is_empty() {
            instance.attention.raise(OWN_INVALIDATIONS);
        }
        if self.prefixes.has_changes() {
            instance.attention.raise(BROADCASTS);
        }
    }
}

/// Tells a tracker, or the client that stands for it; a message to the client `current`, whose command is under way, goes
/// to `own`.
fn tell(
    tracker: &Tracker,
    keys: Keys<'_>,
    current: Option<u64>,
    own: &mut Vec<(Arc<ClientHandle>, BytesMut)>,
) {
    let (client, message) = match &tracker.redirect {
        Some(target) if target.is_gone() => {
            tracker
                .handle
                .tracking
                .flags
                .fetch_or(Marks::BROKEN, Ordering::Relaxed);
            let message = message::redirection_broken(&tracker.handle, target.id);
            (&tracker.handle, message)
        }
        Some(target) => (target, message::invalidation(target, true, keys)),
        None => {
            let message = message::invalidation(&tracker.handle, false, keys);
            (&tracker.handle, message)
        }
    };
    match message {
        Some(message) if current == Some(client.id) => own.push((Arc::clone(client), message)),
        Some(message) => client.post(&message),
        None => {}
    }
}

/// Tells a client of changes no more. To be followed by [`Instance::follow`].
pub fn disable(instance: &Instance, handle: &ClientHandle) {
    let unneeded = instance.tracking().disable(handle);
    if let Some(unneeded) = unneeded.filter(|keys| keys.len() > 0) {
        instance.reclaim(unneeded);
    }
}

/// Says that keys without number have gone, by a command of `current`: all who track are told so.
pub fn all_changed(instance: &Instance, current: u64) {
    let mut tracking = instance.tracking();
    if tracking.is_empty() {
        return;
    }
    let unneeded = tracking.all_changed(Some(current));
    tracking.ask_for_attention(instance);
    drop(tracking);
    instance.reclaim(unneeded);
}

/// Brings the number of remembered keys nearer to `tracking-table-max-keys`, if there are more.
pub fn trim(instance: &Instance, db: &mut Db, current: Option<u64>) {
    let max_keys = instance.config().tracking_table_max_keys();
    let mut tracking = instance.tracking();
    tracking.trim(max_keys, &mut db.rng, current);
    tracking.ask_for_attention(instance);
}

/// Whether [`trim`] has something to do.
pub fn needs_trim(instance: &Instance) -> bool {
    let max_keys = instance.config().tracking_table_max_keys();
    max_keys != 0 && instance.tracking().keys() > max_keys
}

/// Sends what waited for the answer of the command under way.
#[cold]
pub fn deliver_own(instance: &Instance) {
    instance.attention.lower(OWN_INVALIDATIONS);
    let own = std::mem::take(&mut instance.tracking().own);
    for (client, message) in own {
        client.post(&message);
    }
}

/// Tells those who follow prefixes what has changed; to be called at the end of a batch.
#[cold]
pub fn broadcast(instance: &Instance) {
    instance.attention.lower(BROADCASTS);
    instance.tracking().broadcast();
}
