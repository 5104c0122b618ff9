//! The connected clients as others see them: for CLIENT LIST and KILL, for limits, and for messages to them.
//!
//! Life cycle: a connection registers with [`Clients::register`] and holds the handle in its session; the
//! registration ends when the connection's [`Registration`] is dropped.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::BytesMut;
use tokio::sync::Notify;
use tokio::sync::futures::Notified;

use super::mail::{Mail, Socket};
use super::outbox::{Letter, Outbox, Run};
use super::output::{OutputClass, OutputLimits, SoftClock, UNCOUNTED_BYTES};
use super::pubsub::Kind;
use super::tracking::Marks;
use crate::resp::Blob;

/// A client that has been idle for longer gives its read buffer back.
pub const IDLE_BUFFER_MS: u64 = 2000;
/// A read buffer beyond this is made small again when less than half of it is needed.
const GROWN_QUERY_BYTES: usize = 32 * 1024;

/// What a client has told about itself.
#[derive(Clone, Debug, Default)]
pub struct ClientNames {
    /// CLIENT SETNAME.
    pub name: Vec<u8>,
    /// CLIENT SETINFO lib-name.
    pub lib_name: Vec<u8>,
    /// CLIENT SETINFO lib-ver.
    pub lib_version: Vec<u8>,
    /// The user as whom it has authenticated.
    pub user: Vec<u8>,
}

/// Figures of a connection that others may look at; each is set by the connection itself, after a batch.
#[derive(Debug, Default)]
pub struct ClientFigures {
    /// Unix milliseconds of the last command.
    pub last_command_ms: AtomicU64,
    /// The selected database.
    pub db: AtomicU32,
    /// The id of the last command, plus one.
    pub last_command: AtomicUsize,
    /// Bytes in the read buffer that are not executed yet.
    pub query_bytes: AtomicUsize,
    /// Room in the read buffer beyond that.
    pub query_free_bytes: AtomicUsize,
    /// The most bytes that were in the read buffer since somebody last took this figure.
    pub query_peak_bytes: AtomicUsize,
    /// Room in the write buffer.
    pub output_buffer_bytes: AtomicUsize,
    /// Bytes that wait in the write buffer.
    pub output_bytes: AtomicUsize,
    /// The most bytes that have waited in the write buffer.
    pub output_peak_bytes: AtomicUsize,
    /// Large values that wait beside the write buffer.
    pub output_values: AtomicUsize,
    /// Their bytes.
    pub output_value_bytes: AtomicUsize,
    /// Memory of arguments that have not arrived whole.
    pub argument_bytes: AtomicUsize,
    /// The commands queued in its transaction, plus one; 0 while none is open.
    pub queued: AtomicUsize,
    /// Bytes that these, and the keys that it watches, take.
    pub queued_bytes: AtomicUsize,
    /// Keys that it watches.
    pub watched: AtomicUsize,
    /// Whether one of the keys that it watched has changed. Read and written under the data set's lock.
    pub touched: AtomicBool,
    /// 2 or 3.
    pub protocol: AtomicU32,
    /// Commands executed.
    pub commands: AtomicU64,
    /// Bytes read.
    pub input_total: AtomicU64,
    /// Bytes written.
    pub output_total: AtomicU64,
}

/// How many subscriptions of each kind a client has; changed under the lock of the subscriptions.
#[derive(Debug, Default)]
pub struct Subscriptions {
    counts: [AtomicUsize; Kind::ALL.len()],
    any: AtomicBool,
}

impl Subscriptions {
    /// How many there are of `kind`.
    pub fn count(&self, kind: Kind) -> usize {
        self.counts[kind as usize].load(Ordering::Relaxed)
    }

    /// Whether there is any.
    #[inline]
    pub fn any(&self) -> bool {
        self.any.load(Ordering::Relaxed)
    }

    /// Says how many there are of `kind` now.
    pub(super) fn set(&self, kind: Kind, count: usize) {
        self.counts[kind as usize].store(count, Ordering::Relaxed);
        let any = Kind::ALL.into_iter().any(|kind| self.count(kind) > 0);
        self.any.store(any, Ordering::Relaxed);
    }
}

/// Output that waits for a client, as CLIENT LIST counts it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct WaitingOutput {
    /// All bytes where they are so few that they may always wait (`obl`).
    pub uncounted_bytes: usize,
    /// All bytes where they are more (`omem`), which is what the limits are about.
    pub counted_bytes: usize,
    /// The pieces that those would be in (`oll`).
    pub pieces: usize,
}

/// The number of the client that stands for a file.
const OF_FILE: u64 = u64::MAX;

/// One client, as others see it.
#[derive(Debug)]
pub struct ClientHandle {
    /// The client's number: unique and growing.
    pub id: u64,
    /// The peer's address, `ip:port`, or the socket's path and `:0`.
    pub addr: String,
    /// The server's own end.
    pub local_addr: String,
    /// Whether it came by a Unix socket.
    pub unix: bool,
    /// The socket's file descriptor, for CLIENT LIST.
    pub fd: i32,
    /// The number of the I/O thread that serves it.
    pub io_thread: usize,
    /// Unix milliseconds of the connection.
    pub connected_ms: u64,
    /// Never to be dropped for memory (CLIENT NO-EVICT).
    pub no_evict: AtomicBool,
    /// It copies another server's data here (CLIENT IMPORT-SOURCE).
    pub import_source: AtomicBool,
    /// It is shown all commands (MONITOR).
    pub monitors: AtomicBool,
    /// Its reads leave the access clocks alone (CLIENT NO-TOUCH).
    pub no_touch: AtomicBool,
    /// Figures for others.
    pub figures: ClientFigures,
    /// Whether the client is told of changes of keys.
    pub tracking: Marks,
    names: Mutex<ClientNames>,
    killed: AtomicBool,
    killing: Notify,
    trim_asked: AtomicBool,
    parked: AtomicBool,
    /// What it is subscribed to.
    pub subscriptions: Subscriptions,
    leaving: AtomicBool,
    has_messages: AtomicBool,
    outbox: Mutex<Outbox>,
    /// Bytes in the outbox, large values included.
    outbox_bytes: AtomicUsize,
    /// Large values in the outbox.
    outbox_values: AtomicUsize,
    limits: Arc<OutputLimits>,
    soft_clock: SoftClock,
    wake: Notify,
    /// What others may write to while the connection waits.
    pub socket: Socket,
    mail: Arc<Mail>,
}

impl ClientHandle {
    fn new(
        id: u64,
        endpoint: Endpoint,
        now_ms: u64,
        limits: Arc<OutputLimits>,
        mail: Arc<Mail>,
    ) -> Self {
        let handle = ClientHandle {
            id,
            addr: endpoint.addr,
            local_addr: endpoint.local_addr,
            unix: endpoint.unix,
            fd: endpoint.fd,
            io_thread: endpoint.io_thread,
            connected_ms: now_ms,
            no_evict: AtomicBool::new(false),
            import_source: AtomicBool::new(false),
            monitors: AtomicBool::new(false),
            no_touch: AtomicBool::new(false),
            figures: ClientFigures {
                protocol: AtomicU32::new(2),
                ..ClientFigures::default()
            },
            names: Mutex::new(ClientNames {
                user: b"default".to_vec(),
                ..ClientNames::default()
            }),
            killed: AtomicBool::new(false),
            killing: Notify::new(),
            trim_asked: AtomicBool::new(false),
            parked: AtomicBool::new(false),
            subscriptions: Subscriptions::default(),
            leaving: AtomicBool::new(false),
            tracking: Marks::default(),
            has_messages: AtomicBool::new(false),
            outbox: Mutex::default(),
            outbox_bytes: AtomicUsize::new(0),
            outbox_values: AtomicUsize::new(0),
            limits,
            soft_clock: SoftClock::default(),
            wake: Notify::new(),
            socket: Socket::new(endpoint.is_plain.then_some(endpoint.fd)),
            mail,
        };
        handle
            .figures
            .last_command_ms
            .store(now_ms, Ordering::Relaxed);
        handle
    }

    /// The client of commands that nobody has sent: they are read from a file. It is not among the connected ones.
    pub fn of_file() -> Arc<Self> {
        let endpoint = Endpoint::default();
        let (limits, mail) = (Arc::default(), Arc::default());
        Arc::new(ClientHandle::new(OF_FILE, endpoint, 0, limits, mail))
    }

    /// Whether it is [`ClientHandle::of_file`].
    pub fn is_of_file(&self) -> bool {
        self.id == OF_FILE
    }

    /// What the client has told about itself.
    pub fn names(&self) -> MutexGuard<'_, ClientNames> {
        self.names.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether the client is on this machine: connected by a Unix socket or from a loopback address.
    pub fn is_local(&self) -> bool {
        let is_loopback = |addr: std::net::SocketAddr| addr.ip().to_canonical().is_loopback();
        self.unix || self.addr.parse().is_ok_and(is_loopback)
    }

    /// Makes the connection close: now if it is idle or waits for its peer to read, else when its batch is done. False if it was
    /// to close already.
    pub fn kill(&self) -> bool {
        let is_first = !self.killed.swap(true, Ordering::AcqRel);
        self.mail.audience_changes();
        self.wake.notify_one();
        self.killing.notify_one();
        is_first
    }

    /// Resolves when the connection is to close; for the connection alone.
    pub async fn closed(&self) {
        while !self.is_killed() {
            self.killing.notified().await;
        }
    }

    /// Has the connection give back what it does not need of its read buffer; to be called now and then.
    pub fn tidy(&self, now_ms: u64) {
        let figures = &self.figures;
        let room = figures.query_free_bytes.load(Ordering::Relaxed);
        let idle_ms = now_ms.saturating_sub(figures.last_command_ms.load(Ordering::Relaxed));
        let peak = figures.query_peak_bytes.swap(0, Ordering::Relaxed);
        if (room > 0 && idle_ms > IDLE_BUFFER_MS) || (room > GROWN_QUERY_BYTES && peak < room / 2) {
            self.ask_to_trim();
        }
    }

    /// Asks the connection to give back the buffers that it does not need.
    fn ask_to_trim(&self) {
        self.trim_asked.store(true, Ordering::Release);
        self.wake.notify_one();
    }

    /// Whether that was asked since the last call.
    pub fn is_asked_to_trim(&self) -> bool {
        self.trim_asked.load(Ordering::Acquire) && self.trim_asked.swap(false, Ordering::AcqRel)
    }

    /// Whether the connection is to close.
    pub fn is_killed(&self) -> bool {
        self.killed.load(Ordering::Acquire)
    }

    /// Says that the connection will end once its replies are written. Called under the data set's lock.
    pub fn set_leaving(&self) {
        self.leaving.store(true, Ordering::Release);
    }

    /// Whether messages to the client would come too late.
    pub fn is_gone(&self) -> bool {
        self.leaving.load(Ordering::Acquire) || self.is_killed()
    }

    /// Puts an encoded message into the client's outbox. Called under the data set's lock, which gives the order.
    pub fn post(self: &Arc<Self>, message: &[u8]) {
        self.post_shared(message, &[]);
    }

    /// As [`ClientHandle::post`], for a message with large values.
    pub fn post_reply(self: &Arc<Self>, message: &[u8], blobs: Vec<Blob>) {
        self.post_shared(message, &blobs);
    }

    /// As [`ClientHandle::post`], for a message to several clients. False if this one takes nothing any more: it is to
    /// close, now perhaps because this message would have been too much.
    pub fn post_shared(self: &Arc<Self>, message: &[u8], blobs: &[Blob]) -> bool {
        self.put_out(|outbox| outbox.push(message, blobs))
    }

    /// As [`ClientHandle::post_shared`], for a run that has just begun, with so many bytes.
    pub(super) fn attach(self: &Arc<Self>, run: &Arc<Run>, bytes: usize) -> bool {
        self.put_out(|outbox| outbox.attach(run, bytes))
    }

    #[inline]
    fn put_out(self: &Arc<Self>, put: impl FnOnce(&mut Outbox)) -> bool {
        if self.is_killed() {
            return false;
        }
        let mut outbox = self.outbox();
        put(&mut outbox);
        let bytes = outbox.counted();
        self.show_outbox(&outbox);
        let was_waiting = self.has_messages();
        if !was_waiting {
            self.has_messages.store(true, Ordering::Release);
        }
        drop(outbox);
        if bytes > UNCOUNTED_BYTES && self.close_if_output_is_too_much() {
            return false;
        }
        if !was_waiting && !self.mail.takes(self) {
            self.wake();
        }
        true
    }

    /// Shows how much is in the outbox, which the caller has.
    fn show_outbox(&self, outbox: &Outbox) {
        self.outbox_bytes.store(outbox.counted(), Ordering::Relaxed);
        self.outbox_values.store(outbox.values(), Ordering::Relaxed);
    }

    /// Has the connection look at its outbox.
    pub(super) fn wake(&self) {
        self.wake.notify_one();
    }

    /// The output that waits for the client.
    pub fn waiting_output(&self) -> WaitingOutput {
        let of = |figure: &AtomicUsize| figure.load(Ordering::Relaxed);
        let figures = &self.figures;
        let values = of(&figures.output_values) + of(&self.outbox_values);
        let total =
            of(&figures.output_bytes) + of(&figures.output_value_bytes) + of(&self.outbox_bytes);
        if total <= UNCOUNTED_BYTES {
            return WaitingOutput {
                uncounted_bytes: total,
                ..WaitingOutput::default()
            };
        }
        WaitingOutput {
            uncounted_bytes: 0,
            counted_bytes: total,
            pieces: total.div_ceil(UNCOUNTED_BYTES).max(values),
        }
    }

    /// Makes the connection close if more output waits for the client than the configuration allows; whether it does.
    #[inline]
    pub fn close_if_output_is_too_much(&self) -> bool {
        let counted_bytes = self.waiting_output().counted_bytes;
        let class = self.output_class();
        let exceeded = self.limits.exceeded(class, counted_bytes, &self.soft_clock);
        if exceeded {
            self.close_for_output(counted_bytes);
        }
        exceeded
    }

    /// Makes the connection close if an answer of so many bytes, which was not written, is more than may wait.
    pub fn close_if_answer_is_too_long(&self, bytes: usize) {
        if self.limits.forbids(self.output_class(), bytes) {
            self.close_for_output(bytes);
        }
    }

    /// Whether the client is there to be sent messages: it is subscribed to something, or monitors.
    #[inline]
    pub fn is_listener(&self) -> bool {
        self.subscriptions.any() || self.monitors.load(Ordering::Relaxed)
    }

    fn output_class(&self) -> OutputClass {
        // Redis does not limit monitors, which read no slower than they are fed until they do.
        if self.is_listener() {
            OutputClass::PubSub
        } else {
            OutputClass::Normal
        }
    }

    #[cold]
    fn close_for_output(&self, counted_bytes: usize) {
        // The connection and the timer may both have come to this.
        if !self.kill() {
            return;
        }
        tracing::warn!(
            "Client id={} addr={} name={} sub={} psub={} ssub={} omem={counted_bytes} scheduled to be closed ASAP for \
             overcoming of output buffer limits.",
            self.id,
            self.addr,
            String::from_utf8_lossy(&self.names().name),
            self.subscriptions.count(Kind::Channel),
            self.subscriptions.count(Kind::Pattern),
            self.subscriptions.count(Kind::Shard),
        );
        self.limits.disconnections.fetch_add(1, Ordering::Relaxed);
        self.empty_outbox();
    }

    /// Drops what waits in the outbox: nobody will get it.
    fn empty_outbox(&self) {
        let mut outbox = self.outbox();
        *outbox = Outbox::default();
        self.show_outbox(&outbox);
    }

    /// The byte with which a push begins in the protocol version that the client speaks.
    #[inline]
    pub fn push_byte(&self) -> u8 {
        if self.figures.protocol.load(Ordering::Relaxed) == 3 {
            b'>'
        } else {
            b'*'
        }
    }

    /// A number that is another one after any client was killed or speaks another protocol version.
    pub(super) fn audience(&self) -> u64 {
        self.mail.audience()
    }

    /// Says which protocol version the client speaks.
    pub fn set_protocol(&self, version: u32) {
        if self.figures.protocol.swap(version, Ordering::Relaxed) != version {
            self.mail.audience_changes();
        }
    }

    /// Bytes in the outbox.
    pub(super) fn outbox_len(&self) -> usize {
        self.outbox().len()
    }

    /// Whether there is something in the outbox.
    #[inline]
    pub fn has_messages(&self) -> bool {
        self.has_messages.load(Ordering::Acquire)
    }

    /// Moves the outbox's content to the end of `out` and `blobs`.
    pub fn take_messages(&self, out: &mut BytesMut, blobs: &mut Vec<Blob>) {
        if !self.has_messages() {
            return;
        }
        let mut outbox = self.outbox();
        self.has_messages.store(false, Ordering::Release);
        outbox.take(out, blobs);
        self.show_outbox(&outbox);
    }

    /// Takes the outbox's content, to be written and [put back](ClientHandle::put_back); nothing if there are large values
    /// in it. For whoever has the client's socket.
    pub(super) fn take_plain_messages(&self) -> Option<Letter> {
        let mut outbox = self.outbox();
        let letter = outbox.take_plain()?;
        self.has_messages.store(false, Ordering::Release);
        self.show_outbox(&outbox);
        Some(letter)
    }

    /// Puts back what is left of messages that were taken to be written, in front of what has come since; true if
    /// nothing is left.
    pub(super) fn put_back(&self, letter: Letter, written: usize) -> bool {
        let total = &self.figures.output_total;
        // Only the holder of the socket changes it.
        let sum = total.load(Ordering::Relaxed) + written as u64;
        total.store(sum, Ordering::Relaxed);
        let mut outbox = self.outbox();
        let all = outbox.put_back(letter, written);
        if !all {
            self.has_messages.store(true, Ordering::Release);
            self.show_outbox(&outbox);
        }
        all
    }

    /// Says whether the client's commands have to wait until it is woken. Called under the data set's lock.
    pub fn set_parked(&self, parked: bool) {
        self.parked.store(parked, Ordering::Release);
        if !parked {
            self.wake.notify_one();
        }
    }

    /// Whether the client's commands have to wait.
    pub fn is_parked(&self) -> bool {
        self.parked.load(Ordering::Acquire)
    }

    /// Resolves when the client is killed, has messages, or is asked to trim its buffers.
    pub fn woken(&self) -> Notified<'_> {
        self.wake.notified()
    }

    fn outbox(&self) -> MutexGuard<'_, Outbox> {
        self.outbox.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What a new connection is known by.
#[derive(Debug, Default)]
pub struct Endpoint {
    /// The peer's address.
    pub addr: String,
    /// The server's own end.
    pub local_addr: String,
    /// Whether it came by a Unix socket.
    pub unix: bool,
    /// The socket's file descriptor.
    pub fd: i32,
    /// Whether what is written goes to that socket as it is.
    pub is_plain: bool,
    /// The number of the I/O thread that serves it.
    pub io_thread: usize,
}

/// The registry of clients.
#[derive(Debug, Default)]
pub struct Clients {
    connected: Mutex<BTreeMap<u64, Arc<ClientHandle>>>,
    last_id: AtomicU64,
    empty: Notify,
    /// How much output may wait for each.
    pub output_limits: Arc<OutputLimits>,
    /// Those whom the batch under way has put something out for.
    pub mail: Arc<Mail>,
}

/// A client's place in the registry; dropping it gives the place up.
#[derive(Debug)]
pub struct Registration<'a> {
    clients: &'a Clients,
    handle: Arc<ClientHandle>,
}

impl Clients {
    /// Registers a connection, or refuses it where there are `max` already.
    pub fn register(
        &self,
        endpoint: Endpoint,
        now_ms: u64,
        max: usize,
    ) -> Option<Registration<'_>> {
        let mut connected = self.lock();
        if connected.len() >= max {
            return None;
        }
        let id = self.last_id.fetch_add(1, Ordering::Relaxed) + 1;
        let limits = Arc::clone(&self.output_limits);
        let mail = Arc::clone(&self.mail);
        let handle = Arc::new(ClientHandle::new(id, endpoint, now_ms, limits, mail));
        connected.insert(id, Arc::clone(&handle));
        Some(Registration {
            clients: self,
            handle,
        })
    }

    /// All clients, the oldest first.
    pub fn list(&self) -> Vec<Arc<ClientHandle>> {
        self.lock().values().cloned().collect()
    }

    /// The client with that number.
    pub fn get(&self, id: u64) -> Option<Arc<ClientHandle>> {
        self.lock().get(&id).cloned()
    }

    /// Closes a client's connection: for everybody else it is gone at once.
    pub fn kill(&self, client: &ClientHandle) {
        self.lock().remove(&client.id);
        client.kill();
    }

    /// Calls `visit` with each client, the oldest first, while the registry is locked.
    pub fn for_each(&self, visit: impl FnMut(&Arc<ClientHandle>)) {
        self.lock().values().for_each(visit);
    }

    /// How many clients are connected.
    pub fn len(&self) -> usize {
        self.lock().len()
    }

    /// Whether no client is connected.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Resolves when the last client has gone.
    pub async fn all_gone(&self) {
        loop {
            let gone = self.empty.notified();
            if self.is_empty() {
                return;
            }
            gone.await;
        }
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<u64, Arc<ClientHandle>>> {
        self.connected
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

impl Registration<'_> {
    /// The client's handle.
    pub fn handle(&self) -> &Arc<ClientHandle> {
        &self.handle
    }
}

impl Drop for Registration<'_> {
    fn drop(&mut self) {
        let mut connected = self.clients.lock();
        connected.remove(&self.handle.id);
        if connected.is_empty() {
            self.clients.empty.notify_waiters();
        }
    }
}
