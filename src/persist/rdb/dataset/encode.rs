//! Encoding a large database on two threads, for one that sums and writes.
//!
//! The encoders take parts of the table in turns and fill pieces with keys; in which order these come does not matter to the
//! format. A heavy value is not encoded into a piece, which would hold all of it once more, but handed over as it is.

use std::io::{self, Write};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Mutex, PoisonError};

use super::Form;
use crate::persist::rdb::file::{Writer, write_key};
use crate::persist::rdb::output::Output;
use crate::store::db::{EntryRef, Keyspace};
use crate::store::entry::Entry;
use crate::store::table::{HashSeed, Part, Parts};

const ENCODERS: usize = 2;
/// A piece of so many bytes is handed over.
const PIECE_BYTES: usize = 128 * 1024;
/// Pieces that may wait to be written.
const WAITING: usize = 4;

/// What an encoder hands over.
enum Made {
    /// So many keys, encoded.
    Piece(Vec<u8>, usize),
    /// A key whose value is heavy.
    Heavy(Entry),
}

/// What the encoders share.
struct Work {
    parts: Mutex<Parts<Entry, HashSeed>>,
    form: Form,
}

impl Work {
    fn next_part(&self) -> Option<Part<Entry>> {
        let mut parts = self.parts.lock().unwrap_or_else(PoisonError::into_inner);
        parts.next()
    }
}

/// Writes the keys of a database; `each_key` is called after each.
pub(super) fn write<W: Write>(
    writer: &mut Writer<W>,
    keyspace: Keyspace,
    form: Form,
    each_key: &mut impl FnMut() -> io::Result<()>,
) -> io::Result<()> {
    let work = Work {
        parts: Mutex::new(keyspace.into_parts()),
        form,
    };
    std::thread::scope(|scope| {
        let (to_write, made) = sync_channel(WAITING);
        for _ in 0..ENCODERS {
            let (work, to_write) = (&work, to_write.clone());
            std::thread::Builder::new()
                .name("encode".to_owned())
                .spawn_scoped(scope, move || Encoder::new(work, to_write).run())?;
        }
        drop(to_write);
        // Where it fails, its end of the channel is dropped, by which the encoders see that nobody is left.
        write_all(writer, made, form, each_key)
    })
}

fn write_all<W: Write>(
    writer: &mut Writer<W>,
    made: Receiver<io::Result<Made>>,
    form: Form,
    each_key: &mut impl FnMut() -> io::Result<()>,
) -> io::Result<()> {
    for made in made {
        match made? {
            Made::Piece(bytes, keys) => {
                writer.written_keys(&bytes)?;
                (0..keys).try_for_each(|_| each_key())?;
            }
            Made::Heavy(entry) => {
                let access = form.access(&entry);
                writer.key(entry.key(), entry.value(), entry.deadline_ms(), access)?;
                each_key()?;
            }
        }
    }
    Ok(())
}

struct Encoder<'a> {
    work: &'a Work,
    output: Output<Vec<u8>>,
    keys: usize,
    to_write: SyncSender<io::Result<Made>>,
}

/// Nobody writes any more.
struct Gone;

impl<'a> Encoder<'a> {
    fn new(work: &'a Work, to_write: SyncSender<io::Result<Made>>) -> Self {
        Encoder {
            work,
            output: Output::new(Vec::with_capacity(PIECE_BYTES), work.form.compress),
            keys: 0,
            to_write,
        }
    }

    fn run(mut self) {
        while let Some(part) = self.work.next_part() {
            if part.try_for_each(|entry| self.encode(entry)).is_err() {
                return;
            }
        }
        // Nobody to take the last piece wants it.
        let _ = self.hand_over();
    }

    fn encode(&mut self, entry: EntryRef<'_>) -> Result<(), Gone> {
        if entry.is_heavy() {
            let made = Made::Heavy(Entry::clone(&entry));
            return self.to_write.send(Ok(made)).map_err(|_| Gone);
        }
        let access = self.work.form.access(&entry);
        let encoded = write_key(
            &mut self.output,
            entry.key(),
            entry.value(),
            entry.deadline_ms(),
            access,
        );
        if let Err(error) = encoded {
            // The one who writes tells it, and ends.
            let _ = self.to_write.send(Err(error));
            return Err(Gone);
        }
        self.keys += 1;
        if self.output.inner.len() < PIECE_BYTES {
            return Ok(());
        }
        self.hand_over()
    }

    fn hand_over(&mut self) -> Result<(), Gone> {
        let room = Vec::with_capacity(PIECE_BYTES + PIECE_BYTES / 4);
        let piece = std::mem::replace(&mut self.output.inner, room);
        let keys = std::mem::take(&mut self.keys);
        self.to_write
            .send(Ok(Made::Piece(piece, keys)))
            .map_err(|_| Gone)
    }
}
