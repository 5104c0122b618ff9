//! What others have put out for a client, until it is taken to be written: the [`Outbox`], and the [`Run`]s in it that many
//! clients' outboxes share.
//!
//! A channel's messages go to all of its subscribers. Instead of a copy of each message for each of them there is one run of
//! messages: it is attached to the outbox of every subscriber when its first message comes, and what comes next is added to the
//! run alone. It ends when the first of them takes its outbox's content, or is put out anything else; from then on nothing is
//! added, and the next message begins another run. So a run always ends where the outboxes that have it end, and the order of a
//! client's messages stays what it was.

use std::io::IoSlice;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::{Buf, Bytes, BytesMut};

use super::output::UNCOUNTED_BYTES;
use crate::resp::Blob;

/// An outbox that has grown beyond this is given back when it is empty.
const MAX_IDLE_BYTES: usize = 16 * 1024;
/// A run does not grow beyond what may always wait for a client: the limits are looked at when it is attached.
const MAX_RUN_BYTES: usize = UNCOUNTED_BYTES;
/// So many runs may wait in an outbox; with more, what waits is copied into its own buffer.
const MAX_RUNS: usize = 8;

/// Messages that lie in the outboxes of several clients. See the module's head.
#[derive(Debug)]
pub(super) struct Run(Mutex<Content>);

#[derive(Debug)]
enum Content {
    Open(BytesMut),
    Closed(Bytes),
}

impl Run {
    /// A run that begins with this message.
    pub(super) fn new(message: &[u8]) -> Arc<Run> {
        Arc::new(Run(Mutex::new(Content::Open(BytesMut::from(message)))))
    }

    /// Adds a message; false if nothing is added to this run any more.
    pub(super) fn append(&self, message: &[u8]) -> bool {
        match &mut *self.content() {
            Content::Open(bytes) if bytes.len() + message.len() <= MAX_RUN_BYTES => {
                bytes.extend_from_slice(message);
                true
            }
            _ => false,
        }
    }

    /// What is in it; nothing is added from now on.
    fn close(&self) -> Bytes {
        let mut content = self.content();
        match &mut *content {
            Content::Closed(bytes) => bytes.clone(),
            Content::Open(bytes) => {
                let bytes = std::mem::take(bytes).freeze();
                *content = Content::Closed(bytes.clone());
                bytes
            }
        }
    }

    fn len(&self) -> usize {
        match &*self.content() {
            Content::Open(bytes) => bytes.len(),
            Content::Closed(bytes) => bytes.len(),
        }
    }

    fn content(&self) -> MutexGuard<'_, Content> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What waits for a client.
#[derive(Debug, Default)]
pub(super) struct Outbox {
    bytes: BytesMut,
    /// Large values, which are not copied, with their places in `bytes`.
    blobs: Vec<Blob>,
    /// What comes after `bytes`.
    runs: Vec<Arc<Run>>,
    /// Bytes of all that, but for what the last run has grown by since it was attached.
    counted: usize,
    /// How long the last run was then.
    last_counted: usize,
}

impl Outbox {
    /// Puts a message behind all others.
    pub(super) fn push(&mut self, message: &[u8], blobs: &[Blob]) {
        if !self.runs.is_empty() {
            self.copy_runs();
        }
        let start = self.bytes.len();
        self.bytes.extend_from_slice(message);
        self.counted += message.len();
        for blob in blobs {
            self.counted += blob.bytes.len();
            self.blobs.push(Blob {
                at: blob.at + start,
                bytes: Arc::clone(&blob.bytes),
            });
        }
    }

    /// Puts a run that has just begun, with so many bytes, behind all messages.
    pub(super) fn attach(&mut self, run: &Arc<Run>, bytes: usize) {
        self.settle();
        if self.runs.len() == MAX_RUNS {
            self.copy_runs();
        }
        self.runs.push(Arc::clone(run));
        self.counted += bytes;
        self.last_counted = bytes;
    }

    /// Ends the last run and counts all of it.
    fn settle(&mut self) {
        if let Some(last) = self.runs.last() {
            let len = last.close().len();
            self.counted += len - self.last_counted;
            self.last_counted = len;
        }
    }

    #[cold]
    fn copy_runs(&mut self) {
        self.settle();
        for run in self.runs.drain(..) {
            self.bytes.extend_from_slice(&run.close());
        }
    }

    /// Bytes that wait, as far as they are counted: what is added to the last run is when the next one comes.
    pub(super) fn counted(&self) -> usize {
        self.counted
    }

    /// Bytes that wait.
    pub(super) fn len(&self) -> usize {
        let grown = self
            .runs
            .last()
            .map_or(0, |run| run.len() - self.last_counted);
        self.counted + grown
    }

    /// Large values that wait.
    pub(super) fn values(&self) -> usize {
        self.blobs.len()
    }

    /// Moves all to the end of `out` and `blobs`.
    pub(super) fn take(&mut self, out: &mut BytesMut, blobs: &mut Vec<Blob>) {
        let start = out.len();
        if start == 0 {
            // The buffers change places, and nothing is copied.
            std::mem::swap(&mut self.bytes, out);
        } else {
            out.extend_from_slice(&self.bytes);
        }
        blobs.extend(self.blobs.drain(..).map(|blob| Blob {
            at: blob.at + start,
            ..blob
        }));
        for run in self.runs.drain(..) {
            out.extend_from_slice(&run.close());
        }
        self.counted = 0;
        self.bytes.clear();
        if self.bytes.capacity() > MAX_IDLE_BYTES {
            self.bytes = BytesMut::new();
        }
    }

    /// Takes all; nothing if there are large values in it. What comes from now on is not in it, whoever brings it.
    pub(super) fn take_plain(&mut self) -> Option<Letter> {
        if !self.blobs.is_empty() {
            return None;
        }
        // Another thread may put out something else before the letter is written, and then go on with the run.
        if let Some(last) = self.runs.last() {
            last.close();
        }
        self.counted = 0;
        Some(Letter {
            bytes: std::mem::take(&mut self.bytes),
            runs: std::mem::take(&mut self.runs),
        })
    }

    /// Puts back what is left of a letter after its first `written` bytes, in front of what has come since; true if nothing is.
    pub(super) fn put_back(&mut self, letter: Letter, written: usize) -> bool {
        let Letter {
            mut bytes,
            mut runs,
        } = letter;
        let mut gone = written.min(bytes.len());
        bytes.advance(gone);
        for run in runs.drain(..) {
            let content = run.close();
            let rest = content.get(written - gone..).unwrap_or_default();
            bytes.extend_from_slice(rest);
            gone += content.len() - rest.len();
        }
        if self.runs.capacity() == 0 {
            self.runs = runs;
        }
        let left = bytes.len();
        if left > 0 {
            bytes.extend_from_slice(&self.bytes);
            for blob in &mut self.blobs {
                blob.at += left;
            }
            self.bytes = bytes;
            self.counted += left;
        } else if self.bytes.capacity() == 0 && bytes.capacity() <= MAX_IDLE_BYTES {
            bytes.clear();
            self.bytes = bytes;
        }
        left == 0
    }
}

/// What was taken from an outbox to be written.
#[derive(Debug)]
pub(super) struct Letter {
    bytes: BytesMut,
    runs: Vec<Arc<Run>>,
}

impl Letter {
    /// Calls `write` with the letter's parts, as few as there are, and answers what it does.
    pub(super) fn write(&self, write: impl FnOnce(&[IoSlice<'_>]) -> usize) -> usize {
        if let ([], [run]) = (&*self.bytes, &*self.runs) {
            return write(&[IoSlice::new(&run.close())]);
        }
        if self.runs.is_empty() {
            return write(&[IoSlice::new(&self.bytes)]);
        }
        let runs: Vec<Bytes> = self.runs.iter().map(|run| run.close()).collect();
        let mut parts = vec![IoSlice::new(&self.bytes)];
        parts.extend(runs.iter().map(|run| IoSlice::new(run)));
        write(&parts)
    }
}

#[cfg(test)]
mod tests;
