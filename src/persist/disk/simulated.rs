//! [`SimulatedDisk`]: a file system in memory for tests, whose calls can be made to fail, and whose power can be cut.
//!
//! After [`SimulatedDisk::cut_power`] there is what was synced: of a file the bytes at its last sync, of a directory the names
//! at its last sync. What a sync of a file has failed to bring to the disk no later sync brings there, as the system holds it
//! for written: zeros stand in its place.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::io::{self, Cursor, Read};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use super::{Disk, DiskFile};

/// What happens at the call that is made to fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failure {
    /// It does nothing.
    Fails,
    /// A write writes half of its bytes, and the call after it fails; other calls fail.
    Tears,
}

/// A file system in memory.
#[derive(Clone, Debug, Default)]
pub struct SimulatedDisk(Arc<Mutex<State>>, Arc<Condvar>);

#[derive(Debug, Default)]
struct State {
    names: BTreeMap<PathBuf, Arc<Mutex<Content>>>,
    synced_names: BTreeMap<PathBuf, Arc<Mutex<Content>>>,
    /// Calls that change something, so far.
    calls: u64,
    /// The call that fails.
    failing: Option<(u64, Failure)>,
    /// Whether syncs fail.
    syncs_fail: bool,
    creations_fail: bool,
    /// Whether renaming waits.
    holds_renames: bool,
    /// How many wait for that.
    held: usize,
    /// Bytes that can still be written, where there is a limit.
    room: Option<usize>,
}

#[derive(Clone, Debug, Default)]
struct Content {
    bytes: Vec<u8>,
    synced: Vec<u8>,
    /// What syncs have failed to bring to the disk.
    lost: Vec<Range<usize>>,
}

impl Content {
    fn sync(&mut self) {
        self.synced.clone_from(&self.bytes);
        for lost in &self.lost {
            let end = lost.end.min(self.synced.len());
            self.synced[lost.start.min(end)..end].fill(0);
        }
    }

    fn lose(&mut self) {
        self.lost.push(self.synced.len()..self.bytes.len());
    }
}

#[derive(Debug)]
struct SimulatedFile {
    content: Arc<Mutex<Content>>,
    disk: SimulatedDisk,
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn failed() -> io::Error {
    io::Error::other("the simulated disk fails")
}

impl SimulatedDisk {
    /// How many calls have changed something.
    pub fn calls(&self) -> u64 {
        locked(&self.0).calls
    }

    /// Makes the call of that number fail, counted from the beginning.
    pub fn fail_at(&self, call: u64, failure: Failure) {
        locked(&self.0).failing = Some((call, failure));
    }

    /// Makes syncs of files fail, or succeed again.
    pub fn fail_syncs(&self, fail: bool) {
        locked(&self.0).syncs_fail = fail;
    }

    /// Makes the creation of files fail, or succeed again.
    pub fn fail_creations(&self, fail: bool) {
        locked(&self.0).creations_fail = fail;
    }

    /// Has whoever renames a file wait, or go on.
    pub fn hold_renames(&self, hold: bool) {
        locked(&self.0).holds_renames = hold;
        self.1.notify_all();
    }

    /// Waits until somebody waits in renaming.
    pub fn wait_for_rename(&self) {
        let waited = self.1.wait_while(locked(&self.0), |state| state.held == 0);
        drop(waited);
    }

    /// Leaves room for so many bytes, or for any number.
    pub fn set_room(&self, bytes: Option<usize>) {
        locked(&self.0).room = bytes;
    }

    /// The bytes of a file, if it is there.
    pub fn bytes(&self, path: impl AsRef<Path>) -> Option<Vec<u8>> {
        let state = locked(&self.0);
        let content = state.names.get(path.as_ref())?;
        Some(locked(content).bytes.clone())
    }

    /// Puts a file there, synced.
    pub fn put(&self, path: impl Into<PathBuf>, bytes: &[u8]) {
        let content = Arc::new(Mutex::new(Content {
            bytes: bytes.to_vec(),
            synced: bytes.to_vec(),
            lost: Vec::new(),
        }));
        let path = path.into();
        let mut state = locked(&self.0);
        state
            .synced_names
            .insert(path.clone(), Arc::clone(&content));
        state.names.insert(path, content);
    }

    /// A disk with what there is after the power was cut.
    pub fn cut_power(&self) -> SimulatedDisk {
        let state = locked(&self.0);
        SimulatedDisk::with(&state.synced_names, |content| &content.synced)
    }

    /// A disk with what there is after the process has ended.
    pub fn end_process(&self) -> SimulatedDisk {
        let state = locked(&self.0);
        SimulatedDisk::with(&state.names, |content| &content.bytes)
    }

    fn with(
        names: &BTreeMap<PathBuf, Arc<Mutex<Content>>>,
        bytes: fn(&Content) -> &Vec<u8>,
    ) -> SimulatedDisk {
        let disk = SimulatedDisk::default();
        for (path, content) in names {
            disk.put(path.clone(), bytes(&locked(content)));
        }
        disk
    }

    /// Counts a call that changes something; an error where it is to fail.
    fn call(&self) -> Result<MutexGuard<'_, State>, (io::Error, Failure)> {
        let mut state = locked(&self.0);
        state.calls += 1;
        match state.failing {
            Some((call, failure)) if call == state.calls => Err((failed(), failure)),
            _ => Ok(state),
        }
    }

    fn fail_next(&self) {
        let mut state = locked(&self.0);
        state.failing = Some((state.calls + 1, Failure::Fails));
    }

    fn file(&self, content: Arc<Mutex<Content>>) -> Arc<dyn DiskFile> {
        Arc::new(SimulatedFile {
            content,
            disk: self.clone(),
        })
    }
}

impl DiskFile for SimulatedFile {
    fn write(&self, bytes: &[u8]) -> io::Result<usize> {
        let mut written = bytes.len();
        match self.disk.call() {
            Ok(mut state) => {
                if let Some(room) = &mut state.room {
                    written = written.min(*room);
                    *room -= written;
                }
                if written == 0 {
                    return Err(io::ErrorKind::StorageFull.into());
                }
            }
            Err((_, Failure::Tears)) if written > 1 => {
                self.disk.fail_next();
                written /= 2;
            }
            Err((error, _)) => return Err(error),
        }
        locked(&self.content)
            .bytes
            .extend_from_slice(&bytes[..written]);
        Ok(written)
    }

    fn sync(&self) -> io::Result<()> {
        let called = self.disk.call().map_err(|(error, _)| error);
        let mut content = locked(&self.content);
        if !called.as_ref().is_ok_and(|state| !state.syncs_fail) {
            content.lose();
            return called.and(Err(failed()));
        }
        content.sync();
        Ok(())
    }

    fn truncate(&self, len: u64) -> io::Result<()> {
        let _state = self.disk.call().map_err(|(error, _)| error)?;
        let len = usize::try_from(len).map_err(io::Error::other)?;
        let mut content = locked(&self.content);
        content.bytes.truncate(len);
        // What is written there anew is another matter.
        for lost in &mut content.lost {
            lost.end = lost.end.min(len);
        }
        Ok(())
    }
}

impl Disk for SimulatedDisk {
    fn open(&self, path: &Path) -> io::Result<Box<dyn Read + Send>> {
        let bytes = self.bytes(path).ok_or(io::ErrorKind::NotFound)?;
        Ok(Box::new(Cursor::new(bytes)))
    }

    fn create(&self, path: &Path) -> io::Result<Arc<dyn DiskFile>> {
        let mut state = self.call().map_err(|(error, _)| error)?;
        if state.creations_fail {
            return Err(failed());
        }
        let content = Arc::<Mutex<Content>>::default();
        state.names.insert(path.to_owned(), Arc::clone(&content));
        drop(state);
        Ok(self.file(content))
    }

    fn append(&self, path: &Path) -> io::Result<Arc<dyn DiskFile>> {
        let mut state = self.call().map_err(|(error, _)| error)?;
        let content = Arc::clone(state.names.entry(path.to_owned()).or_default());
        drop(state);
        Ok(self.file(content))
    }

    fn len(&self, path: &Path) -> io::Result<Option<u64>> {
        let state = locked(&self.0);
        let content = state.names.get(path);
        Ok(content.map(|content| locked(content).bytes.len() as u64))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        let mut state = self.call().map_err(|(error, _)| error)?;
        state.held += 1;
        self.1.notify_all();
        let waited = self.1.wait_while(state, |state| state.holds_renames);
        state = waited.unwrap_or_else(PoisonError::into_inner);
        state.held -= 1;
        let content = state.names.remove(from).ok_or(io::ErrorKind::NotFound)?;
        state.names.insert(to.to_owned(), content);
        Ok(())
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        let mut state = self.call().map_err(|(error, _)| error)?;
        let removed = state.names.remove(path);
        removed.map(drop).ok_or(io::ErrorKind::NotFound.into())
    }

    fn create_dir(&self, _path: &Path) -> io::Result<()> {
        self.call().map(drop).map_err(|(error, _)| error)
    }

    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        let mut state = self.call().map_err(|(error, _)| error)?;
        let is_inside = |name: &Path| name.parent() == Some(path);
        state.synced_names.retain(|name, _| !is_inside(name));
        let names: Vec<_> = state
            .names
            .iter()
            .filter(|(name, _)| is_inside(name))
            .map(|(name, content)| (name.clone(), Arc::clone(content)))
            .collect();
        state.synced_names.extend(names);
        Ok(())
    }

    fn list(&self, path: &Path) -> io::Result<Vec<OsString>> {
        let state = locked(&self.0);
        let inside = state
            .names
            .keys()
            .filter(|name| name.parent() == Some(path));
        Ok(inside
            .filter_map(|name| name.file_name().map(ToOwned::to_owned))
            .collect())
    }
}

#[cfg(test)]
mod tests {
    use super::super::write_all;
    use super::*;

    #[test]
    fn what_was_not_synced_is_gone_with_the_power() {
        let disk = SimulatedDisk::default();
        let (a, b) = (Path::new("d/a"), Path::new("d/b"));
        let file = disk.create(a).expect("it can be made");
        write_all(&*file, b"one").expect("it can be written");
        file.sync().expect("it can be synced");
        write_all(&*file, b"two").expect("it can be written");
        assert_eq!(disk.cut_power().bytes(a), None);
        disk.sync_dir(Path::new("d")).expect("it can be synced");
        assert_eq!(disk.cut_power().bytes(a).as_deref(), Some(&b"one"[..]));
        disk.rename(a, b).expect("it can be renamed");
        assert_eq!(disk.bytes(b).as_deref(), Some(&b"onetwo"[..]));
        assert_eq!(disk.cut_power().bytes(b), None);
    }

    #[test]
    fn what_a_sync_has_failed_to_bring_to_the_disk_no_later_one_does() {
        let disk = SimulatedDisk::default();
        let path = Path::new("d/a");
        disk.put(path, b"one");
        let file = disk.append(path).expect("it is there");
        write_all(&*file, b"two").expect("it can be written");
        disk.fail_syncs(true);
        assert!(file.sync().is_err());
        disk.fail_syncs(false);
        write_all(&*file, b"three").expect("it can be written");
        file.sync().expect("it can be synced");
        let there = disk.cut_power().bytes(path);
        assert_eq!(there.as_deref(), Some(&b"one\0\0\0three"[..]));
        assert_eq!(disk.bytes(path).as_deref(), Some(&b"onetwothree"[..]));
    }

    #[test]
    fn a_call_fails_or_tears_where_it_is_told_to() {
        let disk = SimulatedDisk::default();
        let file = disk.create(Path::new("a")).expect("it can be made");
        disk.fail_at(2, Failure::Tears);
        assert!(write_all(&*file, b"12345678").is_err());
        assert_eq!(disk.bytes("a").as_deref(), Some(&b"1234"[..]));
        file.truncate(2).expect("only one call tears");
        disk.set_room(Some(3));
        assert_eq!(file.write(b"abcdef").expect("there is room for some"), 3);
        assert!(file.write(b"d").is_err());
        assert_eq!(disk.bytes("a").as_deref(), Some(&b"12abc"[..]));
    }
}
