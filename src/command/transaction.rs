//! The transaction of one client: the commands that it has queued since MULTI, until EXEC or DISCARD.
//!
//! Life cycle: [`Transaction::begin`] opens it, the gate puts commands in with [`Transaction::push`] or marks it as failed
//! where one is refused, EXEC takes the [`Queue`] out and gives it back when its commands have run. The queue's room is kept
//! for the next transaction, so that small ones allocate nothing.

use super::flags::Flags;
use super::registry::{Command, Registry};
use crate::instance::Instance;
use crate::resp::request::Span;
use crate::resp::{CommandQueue, Request};

/// A queue that has grown beyond this many bytes is given back after its transaction.
const KEPT_BYTES: usize = 16 * 1024;
/// The least that `client-query-buffer-limit` can be: below it there is nothing to compare.
const UNLIMITED_BYTES: usize = 1024 * 1024;
/// The words of a queue lie in one buffer, which must stay below what a [`Span`] can name.
const MAX_BYTES: usize = 1 << 31;

/// Commands with what the registry knows of each.
#[derive(Clone, Debug, Default)]
pub struct Queue {
    requests: CommandQueue,
    commands: Vec<u32>,
}

impl Queue {
    /// How many commands there are.
    pub fn len(&self) -> usize {
        self.commands.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.commands.is_empty()
    }

    /// The command at `index`, and its request.
    pub fn get<'q>(
        &'q self,
        registry: &'q Registry,
        index: usize,
    ) -> Option<(&'q Command, Request<'q>)> {
        let command = registry.by_id(*self.commands.get(index)? as usize)?;
        Some((command, self.requests.get(index)))
    }
}

/// A client's transaction, if it has opened one.
#[derive(Clone, Debug)]
pub struct Transaction {
    open: bool,
    failed: bool,
    /// Bytes that the watched keys take; 0 when there are none.
    watched_bytes: usize,
    flags: Flags,
    /// Bytes that the queued commands take.
    bytes: usize,
    /// There from the first command on that the client has ever queued.
    queue: Option<Box<Queue>>,
}

impl Default for Transaction {
    fn default() -> Self {
        Transaction {
            open: false,
            failed: false,
            watched_bytes: 0,
            flags: Flags::NONE,
            bytes: 0,
            queue: None,
        }
    }
}

impl Transaction {
    /// Whether commands are queued instead of being run.
    #[inline]
    pub fn is_open(&self) -> bool {
        self.open
    }

    /// MULTI.
    pub fn begin(&mut self) {
        self.open = true;
    }

    /// Notes that a command was refused: EXEC will run none.
    pub fn fail(&mut self) {
        self.failed = self.open;
    }

    /// Whether a command was refused.
    pub fn has_failed(&self) -> bool {
        self.failed
    }

    /// Whether the client has watched keys for this transaction or its next one.
    pub fn watches(&self) -> bool {
        self.watched_bytes > 0
    }

    /// Notes that the client watches keys, which take so many bytes more.
    pub fn watch(&mut self, bytes: usize) {
        self.watched_bytes += bytes;
    }

    /// Notes that the client watches no key any more.
    pub fn unwatch(&mut self) {
        self.watched_bytes = 0;
    }

    /// The flags that any of the queued commands has.
    pub fn flags(&self) -> Flags {
        self.flags
    }

    /// Bytes that the queued commands and the watched keys take.
    pub fn bytes(&self) -> usize {
        self.bytes + self.watched_bytes
    }

    /// How many commands are queued.
    pub fn len(&self) -> usize {
        self.queue.as_ref().map_or(0, |queue| queue.len())
    }

    /// Whether nothing is queued.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether the commands and the watched keys take more than the configuration lets a client keep here.
    #[inline]
    pub fn is_too_large(&self, instance: &Instance) -> bool {
        self.bytes() > UNLIMITED_BYTES && {
            let limit_bytes = instance.config().client_query_buffer_limit_bytes();
            self.bytes() > limit_bytes.min(MAX_BYTES)
        }
    }

    /// Queues a command, which has such flags on this request. After a failure nothing is kept: it would not run.
    pub fn push(&mut self, command: &Command, flags: Flags, request: Request<'_>) {
        if self.failed {
            return;
        }
        let queue = self.queue.get_or_insert_default();
        queue.requests.push(request);
        queue.commands.push(command.id as u32);
        self.flags = self.flags | flags;
        self.bytes += bytes_of(request);
    }

    /// Takes the queue out, to be run and [given back](Transaction::end). The transaction stays open meanwhile.
    pub fn take(&mut self) -> Box<Queue> {
        self.queue.take().unwrap_or_default()
    }

    /// Ends the transaction and keeps the room of its queue.
    pub fn end(&mut self, queue: Box<Queue>) {
        self.queue = Some(queue);
        self.close();
    }

    /// Ends the transaction and forgets what was queued. Keys stay watched.
    pub fn close(&mut self) {
        self.open = false;
        self.failed = false;
        self.flags = Flags::NONE;
        let large = self.bytes > KEPT_BYTES;
        self.bytes = 0;
        if let Some(queue) = &mut self.queue {
            queue.requests.clear(KEPT_BYTES);
            queue.commands.clear();
            if large {
                self.queue = None;
            }
        }
    }
}

/// What a request takes in a queue.
fn bytes_of(request: Request<'_>) -> usize {
    let words: usize = request.iter_from(0).map(<[u8]>::len).sum();
    words + request.len() * size_of::<Span>() + size_of::<usize>() + size_of::<u32>()
}
