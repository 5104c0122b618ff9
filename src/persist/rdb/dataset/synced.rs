//! Writing a file that is synced as it grows, by a thread beside the one that writes: at the end little is left to wait for,
//! and the system never holds much that it will have to write at once.

use std::io::{self, Write};
use std::sync::Arc;
use std::sync::mpsc::{SyncSender, sync_channel};

use crate::persist::disk::DiskFile;

/// It is synced after so many bytes, if the sync before is over.
const SYNC_BYTES: usize = 8 * 1024 * 1024;

/// Has `work` write a file, and syncs it. What is not synced counts as not written.
pub(super) fn write(
    file: &Arc<dyn DiskFile>,
    work: impl FnOnce(&mut SyncedWriter) -> io::Result<()>,
) -> io::Result<()> {
    std::thread::scope(|scope| {
        let (ask, asked) = sync_channel::<()>(1);
        let mut writer = SyncedWriter {
            file: Arc::clone(file),
            unsynced: 0,
            ask,
        };
        // A thread that is not to be had is no loss but of time.
        let syncing = std::thread::Builder::new()
            .name("sync".to_owned())
            .spawn_scoped(scope, move || {
                asked.into_iter().try_for_each(|()| file.sync())
            });
        let written = work(&mut writer);
        drop(writer);
        let synced = match syncing {
            // The system tells of a failure once: a later sync may succeed without these bytes.
            Ok(syncing) => syncing
                .join()
                .unwrap_or_else(|_| Err(io::Error::other("the syncing thread has panicked"))),
            Err(_) => Ok(()),
        };
        written.and(synced)?;
        file.sync()
    })
}

/// What is written to.
pub(super) struct SyncedWriter {
    file: Arc<dyn DiskFile>,
    unsynced: usize,
    ask: SyncSender<()>,
}

impl Write for SyncedWriter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.file.write(bytes)?;
        self.unsynced += written;
        if self.unsynced >= SYNC_BYTES && self.ask.try_send(()).is_ok() {
            self.unsynced = 0;
        }
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
