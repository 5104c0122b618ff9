//! A connection to another server, over which keys go: RESTORE, and what must come before.
//!
//! Parcels are sent in lots, whose answers are read before the next lot is written. So neither side can wait for the other
//! to read, and what waits to be sent is no more than a lot, or one value. Each step has its own time: the peer may be slow
//! without end as long as something moves.
//!
//! What the peer answers is read up to a bound, and is nothing but "yes", "no" with a reason, or no answer at all.

use std::future::Future;
use std::io;
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;

use crate::instance::migrations::{Content, Order, Parcel, Target};
use crate::persist::rdb::payload;
use crate::server::clock;
use crate::store::entry::{Entry, NEVER};
use crate::text::number::parse_i64;

/// A lot ends when it has so many parcels, whose answers then wait in the peer's and the system's buffers.
const LOT_PARCELS: usize = 256;
/// A lot ends when it has so many bytes.
const LOT_BYTES: usize = 1 << 20;
/// So much is written at a time, within the time that is given for a step.
const CHUNK_BYTES: usize = 64 * 1024;
/// The longest answer that is read.
const MAX_LINE_BYTES: u64 = 4096;

/// A connection to a target.
pub(super) struct Link {
    stream: BufReader<TcpStream>,
    /// The database that is selected there, if that is known.
    database: Option<i64>,
}

/// Why a connection is of no use any more.
pub(super) enum Broken {
    /// There is none.
    Connecting,
    /// The peer does not take what is written.
    Writing {
        /// Whether it is merely too slow.
        timed_out: bool,
    },
    /// The peer's answers do not come, or are none.
    Reading {
        /// Whether they are merely too late.
        timed_out: bool,
    },
    /// The peer does not let this server in, or has no such database: this error.
    Refused(Vec<u8>),
}

/// An answer: yes, or no with the text of the error.
type Answer = Result<(), Vec<u8>>;

impl Link {
    /// Opens a connection.
    pub(super) async fn open(target: &Target, timeout: Duration) -> Result<Link, Broken> {
        let host = std::str::from_utf8(&target.host).map_err(|_| Broken::Connecting)?;
        let port = parse_i64(&target.port).and_then(|port| u16::try_from(port).ok());
        let port = port.ok_or(Broken::Connecting)?;
        let stream = match within(timeout, TcpStream::connect((host, port))).await {
            Ok(stream) => stream,
            // To Redis such a connection is there, and breaks when it is written to.
            Err(Some(io::ErrorKind::ConnectionRefused)) => {
                return Err(Broken::Writing { timed_out: false });
            }
            Err(_) => return Err(Broken::Connecting),
        };
        // Without it what is sent is merely late.
        let _ = stream.set_nodelay(true);
        Ok(Link {
            stream: BufReader::new(stream),
            database: None,
        })
    }

    /// Whether nothing has been said that was not asked for: else the next answer would be taken for another's.
    pub(super) fn is_quiet(&self) -> bool {
        self.stream.buffer().is_empty()
    }

    /// Sends parcels to the order's database and notes which have arrived. What the target refuses does not keep the others
    /// from being sent; the first error is answered.
    pub(super) async fn deliver(
        &mut self,
        order: &Order,
        parcels: &mut [Parcel],
        compress: bool,
    ) -> Result<Option<Vec<u8>>, Broken> {
        self.enter(order).await?;
        let mut refusal = None;
        let (mut lot, mut sent) = (Vec::new(), Vec::new());
        let mut next = 0;
        while next < parcels.len() {
            lot.clear();
            sent.clear();
            while next < parcels.len() && sent.len() < LOT_PARCELS && lot.len() < LOT_BYTES {
                if pack(&mut lot, &parcels[next].content, compress).await {
                    sent.push(next);
                }
                next += 1;
            }
            self.write(&lot, order.timeout).await?;
            for &at in &sent {
                match self.answer(order.timeout).await? {
                    Ok(()) => parcels[at].has_arrived = true,
                    Err(line) => {
                        refusal.get_or_insert(line);
                    }
                }
            }
        }
        if refusal.is_some() {
            // Whatever the reason: the database is selected anew next time.
            self.database = None;
        }
        Ok(refusal)
    }

    /// Authenticates, each time, as the password may be another one by now, and selects the database where it is not
    /// selected. Nothing is sent before both are granted: a value must not get into a database that was not meant.
    async fn enter(&mut self, order: &Order) -> Result<(), Broken> {
        let credentials = &order.target.credentials;
        if !credentials.is_empty() {
            let mut words: Vec<&[u8]> = vec![b"AUTH"];
            words.extend(credentials.iter().map(Vec::as_slice));
            self.ask(&words, order.timeout).await?;
        }
        if self.database != Some(order.database) {
            let database = order.database.to_string();
            self.ask(&[b"SELECT", database.as_bytes()], order.timeout)
                .await?;
            self.database = Some(order.database);
        }
        Ok(())
    }

    async fn ask(&mut self, words: &[&[u8]], timeout: Duration) -> Result<(), Broken> {
        let mut request = Vec::new();
        append(&mut request, words);
        self.write(&request, timeout).await?;
        self.answer(timeout).await?.map_err(Broken::Refused)
    }

    async fn write(&mut self, bytes: &[u8], timeout: Duration) -> Result<(), Broken> {
        for chunk in bytes.chunks(CHUNK_BYTES) {
            within(timeout, self.stream.write_all(chunk))
                .await
                .map_err(|kind| Broken::Writing {
                    timed_out: kind.is_none(),
                })?;
        }
        Ok(())
    }

    async fn answer(&mut self, timeout: Duration) -> Result<Answer, Broken> {
        let mut line = Vec::new();
        let mut bounded = (&mut self.stream).take(MAX_LINE_BYTES);
        let read = within(timeout, bounded.read_until(b'\n', &mut line)).await;
        read.map_err(|kind| Broken::Reading {
            timed_out: kind.is_none(),
        })?;
        match line
            .strip_suffix(b"\r\n")
            .and_then(|line| line.split_first())
        {
            Some((b'+' | b':', _)) => Ok(Ok(())),
            Some((b'-', text)) => Ok(Err(text.to_vec())),
            _ => Err(Broken::Reading { timed_out: false }),
        }
    }
}

/// What comes of `work` in time; else the kind of its error, or none when its time is over.
async fn within<T>(
    timeout: Duration,
    work: impl Future<Output = io::Result<T>>,
) -> Result<T, Option<io::ErrorKind>> {
    match tokio::time::timeout(timeout, work).await {
        Ok(done) => done.map_err(|error| Some(error.kind())),
        Err(_) => Err(None),
    }
}

/// Puts a parcel's command behind the others of its lot; false if there is nothing to send, as the key's time is over.
async fn pack(lot: &mut Vec<u8>, content: &Content, compress: bool) -> bool {
    let (entry, replace) = match content {
        Content::Deletion(key) => {
            append(lot, &[b"DEL", key]);
            return true;
        }
        Content::Value { entry, replace } => (entry, *replace),
    };
    let left_ms = match entry.deadline_ms() {
        NEVER => 0,
        deadline_ms => match deadline_ms.checked_sub(clock::unix_ms()) {
            None | Some(0) => return false,
            Some(left_ms) => left_ms,
        },
    };
    let payload = payload_of(entry, compress).await;
    let (key, left) = (entry.key(), left_ms.to_string());
    let words: [&[u8]; 5] = [b"RESTORE", key, left.as_bytes(), &payload, b"REPLACE"];
    append(lot, &words[..4 + usize::from(replace)]);
    true
}

/// The payload of a value; of a large one it is made where nobody waits.
async fn payload_of(entry: &Entry, compress: bool) -> Vec<u8> {
    if !entry.is_heavy() {
        return payload::encode(entry.value(), compress);
    }
    let shared = entry.clone();
    let made = tokio::task::spawn_blocking(move || payload::encode(shared.value(), compress));
    // Only a server that ends has no thread for it.
    made.await
        .unwrap_or_else(|_| payload::encode(entry.value(), compress))
}

/// Puts a command, its name and its arguments, behind others.
fn append(commands: &mut Vec<u8>, words: &[&[u8]]) {
    commands.extend(format!("*{}\r\n", words.len()).into_bytes());
    for word in words {
        commands.extend(format!("${}\r\n", word.len()).into_bytes());
        commands.extend_from_slice(word);
        commands.extend_from_slice(b"\r\n");
    }
}
