//! What is wrong with the append-only file: while it cannot be written or synced, writes are refused. It is tried again each
//! second. When it can be written, all is as before; after a sync that has failed a new base is needed as well ([`super::sync`]).

use std::time::{Duration, Instant};

use super::files::WriteError;
use super::{Aof, Busy, locked};
use crate::config::error::system_text;
use crate::instance::Instance;
use crate::instance::attention::FILE_FAILS;

/// An error that lasts is logged no more often than this.
const LOG_PERIOD: Duration = Duration::from_secs(30);

/// The errors that last.
#[derive(Debug, Default)]
pub(super) struct Trouble {
    write: Option<String>,
    sync: Option<String>,
    /// Whether the manifest does not name the file that is written, as it could not be written itself.
    manifest: bool,
    failed_syncs: u64,
    logged: Option<Instant>,
}

impl Trouble {
    /// Whether it is time to log an error.
    fn is_to_be_logged(&mut self) -> bool {
        let is_due = self.logged.is_none_or(|at| at.elapsed() > LOG_PERIOD);
        if is_due {
            self.logged = Some(Instant::now());
        }
        is_due
    }
}

impl Aof {
    /// What the last write or sync has failed with; nothing if it has not.
    pub fn error(&self) -> Option<String> {
        let trouble = locked(&self.trouble);
        let manifest = trouble
            .manifest
            .then(|| "the manifest cannot be written".to_owned());
        let of_file = trouble.write.clone().or_else(|| trouble.sync.clone());
        of_file.or(manifest)
    }

    /// Whether the last write or sync has failed.
    pub fn is_failing(&self) -> bool {
        let trouble = locked(&self.trouble);
        trouble.write.is_some() || trouble.sync.is_some() || trouble.manifest
    }

    pub(super) fn write_failed(&self, instance: &Instance, error: &WriteError) {
        let mut trouble = locked(&self.trouble);
        let text = system_text(&error.source);
        if trouble.is_to_be_logged() {
            match error.short {
                None => tracing::warn!("Error writing to the AOF file: {text}"),
                Some((written, expected)) => tracing::warn!(
                    "Short write while writing to the AOF file: (nwritten={written}, expected={expected})"
                ),
            }
            if let Some(error) = &error.left_over {
                tracing::warn!(
                    "Could not remove short write from the append-only file. ftruncate: {}",
                    system_text(error)
                );
            }
        }
        let is_new = trouble.write.replace(text).is_none();
        drop(trouble);
        self.set_busy(Busy::FAILING);
        instance.attention.raise(FILE_FAILS);
        if is_new {
            // Who has no write under way waits no longer.
            self.moved.notify_waiters();
        }
    }

    pub(super) fn write_succeeded(&self, instance: &Instance) {
        let mut trouble = locked(&self.trouble);
        if trouble.write.take().is_none() {
            return;
        }
        tracing::warn!("AOF write error looks solved, the server can write again.");
        self.end(instance, trouble);
    }

    /// Notes that the manifest cannot be written, which is in the log already.
    pub(super) fn manifest_failed(&self, instance: &Instance) {
        let is_new = !std::mem::replace(&mut locked(&self.trouble).manifest, true);
        instance.attention.raise(FILE_FAILS);
        if is_new {
            // Who has no write under way waits no longer.
            self.moved.notify_waiters();
        }
    }

    pub(super) fn manifest_written(&self, instance: &Instance) {
        let mut trouble = locked(&self.trouble);
        if std::mem::take(&mut trouble.manifest) {
            tracing::warn!("The AOF manifest can be written again.");
            self.end(instance, trouble);
        }
    }

    /// Notes that a sync has failed; false where the append-only file was turned off meanwhile, as nobody would end that trouble.
    pub(super) fn sync_failed(&self, instance: &Instance, error: &std::io::Error) -> bool {
        let mut trouble = locked(&self.trouble);
        if !self.is_on() {
            return false;
        }
        let text = system_text(error);
        let is_to_be_logged = trouble.is_to_be_logged() || trouble.sync.is_none();
        if self.holds_replies() {
            tracing::warn!(
                "Can't persist AOF for fsync error when the AOF fsync policy is 'always': {text}. Exiting..."
            );
        } else if is_to_be_logged {
            tracing::warn!("Fail to fsync the AOF file: {text}");
        }
        trouble.sync = Some(text);
        trouble.failed_syncs += 1;
        self.set_broken(true);
        instance.attention.raise(FILE_FAILS);
        true
    }

    /// How many syncs have failed so far.
    pub(super) fn failed_syncs(&self) -> u64 {
        locked(&self.trouble).failed_syncs
    }

    /// Ends the trouble with syncs, as a base is there that was begun when `failed_syncs` of them had failed; whether that can be:
    /// another one may have failed since.
    pub(super) fn mend(&self, instance: &Instance, failed_syncs: u64) -> bool {
        let mut trouble = locked(&self.trouble);
        if trouble.failed_syncs != failed_syncs {
            return false;
        }
        if trouble.sync.take().is_some() {
            tracing::warn!("AOF fsync error looks solved, the server can write again.");
        }
        self.set_broken(false);
        self.end(instance, trouble);
        true
    }

    fn end(&self, instance: &Instance, mut trouble: std::sync::MutexGuard<'_, Trouble>) {
        if trouble.write.is_none() {
            self.clear_busy(Busy::FAILING);
            if trouble.sync.is_none() && !trouble.manifest {
                trouble.logged = None;
                instance.attention.lower(FILE_FAILS);
            }
        }
    }

    /// Forgets the errors of a file that is written no more.
    pub(super) fn forget_trouble(&self, instance: &Instance) {
        let mut trouble = locked(&self.trouble);
        *trouble = Trouble {
            failed_syncs: trouble.failed_syncs,
            ..Trouble::default()
        };
        self.set_broken(false);
        self.clear_busy(Busy::FAILING);
        instance.attention.lower(FILE_FAILS);
    }
}
