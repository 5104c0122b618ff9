//! Syncing what was written, and what of the log counts as being on the disk.
//!
//! A sync that fails is told once: the system holds what it could not write for written, and the next sync succeeds without it.
//! So after a failure nothing of that file counts any more, however often it is synced. Writes are refused, the file is synced each
//! second to see whether the disk works again, and once it does a rewrite begins ([`super::rewrite`]). Its base has all that came
//! before its mark, and what follows is in a new file: when it is committed, and no further sync has failed, all is well
//! ([`Aof::base_counts`]). An append-only file that was just turned on counts from its first base on in the same way.

use std::io;
use std::sync::atomic::Ordering;

use super::{Aof, State, locked};
use crate::config::choices::AppendFsync;
use crate::instance::Instance;
use crate::persist::disk::DiskFile;

/// What was true when the log went on in the file beside which a base is to be.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Turned {
    /// The offset in the log behind all that the base has.
    pub(super) offset: u64,
    /// How many syncs had failed.
    pub(super) failed_syncs: u64,
}

impl Aof {
    /// The offset in the log up to which all is on the disk; none before the first base is there.
    pub fn durable(&self) -> Option<u64> {
        let is_counted = self.state() != State::Waiting;
        is_counted.then(|| self.durable.load(Ordering::Acquire))
    }

    /// Up to where files were synced, whether that counts or not.
    pub(super) fn synced_up_to(&self) -> u64 {
        let [durable, hidden] = [&self.durable, &self.hidden];
        durable
            .load(Ordering::Acquire)
            .max(hidden.load(Ordering::Acquire))
    }

    /// Whether a sync has failed, and no base was written since.
    pub(super) fn is_broken(&self) -> bool {
        self.is_broken.load(Ordering::Acquire)
    }

    pub(super) fn set_broken(&self, is_broken: bool) {
        self.is_broken.store(is_broken, Ordering::Release);
    }

    /// Syncs a file that has the log up to `end`, of which what comes before it is in files that were synced.
    ///
    /// # Errors
    /// It fails, which is noted, and with `always` is the end.
    pub(super) fn sync(
        &self,
        instance: &Instance,
        file: &dyn DiskFile,
        end: u64,
    ) -> io::Result<()> {
        // Who syncs next would be told of success.
        let _syncing = locked(&self.syncing);
        let synced = file.sync();
        match &synced {
            Ok(()) if self.is_broken() => {
                self.publish_synced(end);
                self.schedule_mending();
            }
            Ok(()) => self.publish_synced(end),
            Err(error) => self.note_failure(instance, error),
        }
        synced
    }

    /// Syncs a file that does not count yet. A failure does.
    pub(super) fn sync_uncounted(&self, instance: &Instance, file: &dyn DiskFile) {
        let _syncing = locked(&self.syncing);
        if let Err(error) = file.sync() {
            self.note_failure(instance, &error);
        }
    }

    fn note_failure(&self, instance: &Instance, error: &io::Error) {
        if self.sync_failed(instance, error) && self.policy() == AppendFsync::Always {
            self.lose();
        }
    }

    /// Notes that files were synced up to an offset.
    pub(super) fn publish_synced(&self, offset: u64) {
        let is_broken = self.is_broken();
        if is_broken || self.state() == State::Waiting {
            self.hidden.fetch_max(offset, Ordering::AcqRel);
        } else {
            self.publish_durable(offset);
        }
        if !is_broken {
            self.show(offset);
        }
    }

    fn publish_durable(&self, offset: u64) {
        self.durable.fetch_max(offset, Ordering::AcqRel);
        if self.sync_wanted.load(Ordering::Acquire) {
            self.synced.notify_one();
        }
    }

    /// Notes that a base is there, beside which the log went on as `turned` says.
    pub(super) fn base_counts(&self, instance: &Instance, turned: Turned) {
        if self.is_broken() && !self.mend(instance, turned.failed_syncs) {
            return;
        }
        let offset = turned.offset.max(self.hidden.load(Ordering::Acquire));
        self.publish_durable(offset);
        self.show(offset);
    }
}
