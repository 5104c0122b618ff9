//! [`Files`]: the increment that is written, and what of the log is on its way there.
//!
//! What is taken out of the log is written by one call where that succeeds, so that a file ends with a whole unit. After a
//! write that was cut short the file is cut back to where it ended before, and the same bytes are tried again.

use std::io;
use std::sync::Arc;

use crate::persist::disk::DiskFile;
use crate::replication::log::{Log, Mark, Taken};

/// A buffer of more bytes is not kept when it was written.
const KEPT_BYTES: usize = 1024 * 1024;

/// How far the log was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Progress {
    /// Up to its end.
    Done,
    /// Up to the mark of this number, behind which another file begins. It stops there until [`Files::pass_mark`].
    Turn(u64),
}

/// Why the log is not written on.
#[derive(Debug)]
pub(super) struct WriteError {
    /// What the system says.
    pub(super) source: io::Error,
    /// Where some bytes were written: how many, of how many.
    pub(super) short: Option<(usize, usize)>,
    /// Why they could not be taken back, if so.
    pub(super) left_over: Option<io::Error>,
}

/// What is written, and where to.
#[derive(Debug, Default)]
pub(super) struct Files {
    current: Option<Current>,
    taken: Taken,
    /// Bytes of `taken` that went into `chunk`.
    at: usize,
    /// Marks of `taken` that were heeded.
    heeded: usize,
    /// What is written next, with annotations.
    chunk: Vec<u8>,
    /// Bytes of it that are in the file already, because they could not be taken back.
    chunk_done: usize,
    /// The offset in the log behind it.
    chunk_end: u64,
    written: u64,
}

#[derive(Debug)]
struct Current {
    file: Arc<dyn DiskFile>,
    len: u64,
}

impl Files {
    /// Writes what comes behind the offset `start` of the log into `file`, which has `len` bytes.
    pub(super) fn open(file: Arc<dyn DiskFile>, len: u64, start: u64) -> Self {
        Files {
            current: Some(Current { file, len }),
            written: start,
            ..Files::default()
        }
    }

    /// Writes nothing before a mark says so.
    pub(super) fn waiting(start: u64) -> Self {
        Files {
            written: start,
            ..Files::default()
        }
    }

    /// The offset in the log up to which all is in files.
    pub(super) fn written(&self) -> u64 {
        self.written
    }

    /// The bytes of the file that is written.
    pub(super) fn len(&self) -> u64 {
        self.current.as_ref().map_or(0, |current| current.len)
    }

    /// The file that is written.
    pub(super) fn current(&self) -> Option<Arc<dyn DiskFile>> {
        Some(Arc::clone(&self.current.as_ref()?.file))
    }

    /// Goes on in another, empty file; without one, what comes is dropped.
    pub(super) fn turn_to(&mut self, file: Option<Arc<dyn DiskFile>>) {
        self.current = file.map(|file| Current { file, len: 0 });
        self.chunk_done = 0;
    }

    /// As [`Files::turn_to`], for a file that has `len` bytes already.
    pub(super) fn turn_to_begun(&mut self, file: Arc<dyn DiskFile>, len: u64) {
        self.turn_to(None);
        self.current = Some(Current { file, len });
    }

    /// The number of the mark at which [`Files::advance`] has stopped, if it has.
    pub(super) fn turn(&self) -> Option<u64> {
        match self.taken.marks.get(self.heeded) {
            Some(&(offset, Mark::File(number)))
                if self.chunk.is_empty() && offset == self.taken.start + self.at as u64 =>
            {
                Some(number)
            }
            _ => None,
        }
    }

    /// Goes on behind the mark at which [`Files::advance`] has stopped.
    pub(super) fn pass_mark(&mut self) {
        self.heeded += 1;
    }

    /// Writes what is in the log, up to its end or a mark.
    pub(super) fn advance(&mut self, log: &Log) -> Result<Progress, WriteError> {
        loop {
            self.write_chunk()?;
            if let Some(number) = self.turn() {
                return Ok(Progress::Turn(number));
            }
            if !self.next_chunk() {
                log.take(&mut self.taken);
                (self.at, self.heeded) = (0, 0);
                if self.taken.is_empty() {
                    return Ok(Progress::Done);
                }
            }
        }
    }

    /// Readies what stands before the next mark of a file; false if there is nothing.
    fn next_chunk(&mut self) -> bool {
        let Files {
            taken, at, chunk, ..
        } = self;
        let is_whole = *at == 0 && taken.marks.is_empty();
        if is_whole {
            self.chunk_end = taken.end();
            *at = taken.bytes.len();
            std::mem::swap(chunk, &mut taken.bytes);
            // The place stays, and with it what was taken counts as used up.
            taken.start += *at as u64;
            *at = 0;
            return !chunk.is_empty();
        }
        let start = *at;
        let place = |offset: u64| (offset - taken.start) as usize;
        while let Some(&(offset, mark)) = taken.marks.get(self.heeded) {
            chunk.extend_from_slice(&taken.bytes[*at..place(offset)]);
            *at = place(offset);
            let Mark::Time(unix_s) = mark else {
                break;
            };
            chunk.extend_from_slice(format!("#TS:{unix_s}\r\n").as_bytes());
            self.heeded += 1;
        }
        if self.heeded == taken.marks.len() {
            chunk.extend_from_slice(&taken.bytes[*at..]);
            *at = taken.bytes.len();
        }
        self.chunk_end = taken.start + *at as u64;
        *at > start
    }

    fn write_chunk(&mut self) -> Result<(), WriteError> {
        if self.chunk.is_empty() {
            return Ok(());
        }
        if let Some(current) = &mut self.current {
            let left = &self.chunk[self.chunk_done..];
            let (done, error) = write(&*current.file, left);
            if let Some(source) = error {
                let expected = left.len();
                let short = (done > 0).then_some((done, expected));
                let cut = short.map_or(Ok(()), |_| current.file.truncate(current.len));
                if cut.is_err() {
                    self.chunk_done += done;
                    current.len += done as u64;
                }
                return Err(WriteError {
                    source,
                    short,
                    left_over: cut.err(),
                });
            }
            current.len += done as u64;
        }
        self.written = self.chunk_end;
        self.chunk_done = 0;
        self.chunk.clear();
        if self.chunk.capacity() > KEPT_BYTES {
            self.chunk = Vec::new();
        }
        Ok(())
    }
}

/// Writes as much as can be; how much that was, and why it was not all.
fn write(file: &dyn DiskFile, bytes: &[u8]) -> (usize, Option<io::Error>) {
    let mut done = 0;
    while done < bytes.len() {
        match file.write(&bytes[done..]) {
            Ok(0) => return (done, Some(io::ErrorKind::WriteZero.into())),
            Ok(written) => done += written,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return (done, Some(error)),
        }
    }
    (done, None)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    use crate::persist::disk::Disk;
    use crate::persist::disk::simulated::{Failure, SimulatedDisk};
    use crate::store::effects::Effects;

    const SELECT: &str = "*2\r\n$6\r\nSELECT\r\n$1\r\n0\r\n";

    fn append(log: &Log, word: &str, now_s: u64) {
        let mut effects = Effects::kept();
        effects.say(0, [word.as_bytes()]);
        log.append(&mut effects, true, now_s * 1000);
    }

    fn command(word: &str) -> String {
        format!("*1\r\n${}\r\n{word}\r\n", word.len())
    }

    fn open(disk: &SimulatedDisk, path: &str) -> Files {
        Files::open(disk.create(Path::new(path)).expect("it can be made"), 0, 0)
    }

    fn text(disk: &SimulatedDisk, path: &str) -> String {
        String::from_utf8(disk.bytes(path).expect("it is there")).expect("it is text")
    }

    #[test]
    fn what_is_in_the_log_is_written_once() {
        let (disk, log) = (SimulatedDisk::default(), Log::default());
        let mut files = open(&disk, "a");
        for word in ["one", "two"] {
            append(&log, word, 0);
            assert_eq!(files.advance(&log).expect("nothing fails"), Progress::Done);
            assert_eq!(files.written(), log.end());
        }
        assert_eq!(files.advance(&log).expect("nothing fails"), Progress::Done);
        assert_eq!(
            text(&disk, "a"),
            format!("{SELECT}{}{}", command("one"), command("two"))
        );
        assert_eq!(files.len(), text(&disk, "a").len() as u64);
    }

    #[test]
    fn a_mark_ends_a_file_and_times_stand_before_what_they_are_of() {
        let (disk, log) = (SimulatedDisk::default(), Log::default());
        log.note_time(true);
        let mut files = open(&disk, "a");
        append(&log, "one", 5);
        append(&log, "two", 5);
        append(&log, "three", 6);
        log.mark(Mark::File(7));
        log.mark(Mark::File(8));
        append(&log, "four", 6);
        assert_eq!(
            files.advance(&log).expect("nothing fails"),
            Progress::Turn(7)
        );
        assert_eq!(
            files.advance(&log).expect("nothing fails"),
            Progress::Turn(7)
        );
        files.pass_mark();
        assert_eq!(
            files.advance(&log).expect("nothing fails"),
            Progress::Turn(8)
        );
        files.pass_mark();
        files.turn_to(Some(disk.create(Path::new("b")).expect("it can be made")));
        assert_eq!(files.advance(&log).expect("nothing fails"), Progress::Done);
        assert_eq!(files.written(), log.end());
        let [one, two, three, four] = ["one", "two", "three", "four"].map(command);
        let first = format!("#TS:5\r\n{SELECT}{one}{two}#TS:6\r\n{three}");
        assert_eq!(text(&disk, "a"), first);
        assert_eq!(text(&disk, "b"), format!("#TS:6\r\n{SELECT}{four}"));
    }

    #[test]
    fn what_comes_before_there_is_a_file_is_dropped() {
        let (disk, log) = (SimulatedDisk::default(), Log::default());
        append(&log, "old", 0);
        let mut files = Files::waiting(0);
        assert_eq!(files.advance(&log).expect("nothing fails"), Progress::Done);
        log.mark(Mark::File(1));
        append(&log, "new", 0);
        assert_eq!(
            files.advance(&log).expect("nothing fails"),
            Progress::Turn(1)
        );
        files.pass_mark();
        files.turn_to(Some(disk.create(Path::new("a")).expect("it can be made")));
        assert_eq!(files.advance(&log).expect("nothing fails"), Progress::Done);
        assert_eq!(text(&disk, "a"), format!("{SELECT}{}", command("new")));
    }

    #[test]
    fn a_write_that_fails_leaves_whole_commands_and_is_tried_again() {
        let want = format!("{SELECT}{}{}", command("one"), command("two"));
        for (failing, failure) in [(3, Failure::Fails), (3, Failure::Tears)] {
            let (disk, log) = (SimulatedDisk::default(), Log::default());
            let mut files = open(&disk, "a");
            append(&log, "one", 0);
            files.advance(&log).expect("nothing fails yet");
            let whole = text(&disk, "a");
            append(&log, "two", 0);
            disk.fail_at(failing, failure);
            let error = files.advance(&log).expect_err("it fails");
            assert_eq!(error.short.is_some(), failure == Failure::Tears);
            assert!(error.left_over.is_none());
            assert_eq!(text(&disk, "a"), whole);
            assert!(files.written() < log.end());
            files.advance(&log).expect("it fails only once");
            assert_eq!(text(&disk, "a"), want);
        }
    }

    #[test]
    fn what_cannot_be_taken_back_is_gone_on_with() {
        let (disk, log) = (SimulatedDisk::default(), Log::default());
        let mut files = open(&disk, "a");
        append(&log, "one", 0);
        disk.set_room(Some(10));
        // The write that is cut short, the one that fails, and the cut that would take it back.
        disk.fail_at(4, Failure::Fails);
        let error = files.advance(&log).expect_err("there is no room");
        assert!(error.left_over.is_some());
        assert_eq!((files.len(), files.written()), (10, 0));
        disk.set_room(None);
        files.advance(&log).expect("there is room");
        assert_eq!(text(&disk, "a"), format!("{SELECT}{}", command("one")));
        assert_eq!(files.written(), log.end());
    }
}
