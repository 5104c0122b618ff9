//! One connection: reads batches of commands, executes each batch under one lock, writes the replies.
//!
//! Life cycle: accepted by a listener, registered among the clients, then the loop in [`Connection::run`]
//! until the peer leaves, breaks the protocol, is killed, or the server shuts down. The data set's lock is
//! held in [`Connection::execute_batch`] alone, which does not await.

use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::task::Poll;

use bytes::{Buf, BytesMut};
use futures_util::StreamExt;
use parking_lot::Mutex;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::sync::futures::Notified;
use tokio_util::codec::Framed;

use super::busy;
use super::clock;
use super::dispatch::Gate;
use super::pending::{publish_pending, raise, write_pending};
use super::prefetch;
use crate::command::Session;
use crate::command::session::Parked;
use crate::instance::aof::writer;
use crate::instance::attention::{BROADCASTS, ENDING, FILE_FAILS};
use crate::instance::clients::{ClientHandle, IDLE_BUFFER_MS, Registration};
use crate::instance::mail::{PostBox, Receiver};
use crate::instance::output::UNCOUNTED_BYTES;
use crate::instance::{Instance, tracking};
use crate::resp::codec::{Decoded, READ_BUFFER, RespCodec};
use crate::resp::{Blob, Limits, ProtocolError, Reply};
use crate::store::db::Db;

/// Replies that wait for the socket beyond this end the batch: they are written before more commands run.
const MAX_PENDING_REPLIES: usize = 1024 * 1024;
/// A write buffer that has grown beyond this is given back when it is empty.
const MAX_IDLE_WRITE_BUFFER: usize = 256 * 1024;

/// Room for each read while a client is parked.
const PARKED_READ: usize = 4096;

/// A client's connection over a stream of any kind.
pub struct Connection<'a, S> {
    framed: Framed<S, RespCodec>,
    blobs: Vec<Blob>,
    session: Session,
    db: &'a Mutex<Db>,
    instance: &'a Instance,
    /// Where its thread's postman finds listeners.
    post_box: &'a PostBox,
    limits: Limits,
    /// The time of the last batch, in Unix milliseconds.
    now_ms: u64,
    /// The offset in the log behind the last write that a reply may tell of as the client's own.
    own_end: u64,
    /// The version of the configuration that `limits` are of.
    config_version: u64,
}

/// Whether the connection goes on.
enum Next {
    Continue,
    Close,
}

impl<'a, S: AsyncRead + AsyncWrite + Unpin> Connection<'a, S> {
    /// A connection over `stream` for a registered client.
    pub fn new(
        stream: S,
        registration: &Registration<'a>,
        db: &'a Mutex<Db>,
        instance: &'a Instance,
        post_box: &'a PostBox,
    ) -> Self {
        let session = Session::new(
            Arc::clone(registration.handle()),
            instance.config().requirepass().is_none(),
        );
        let limits = limits(instance, !session.authenticated);
        let connection = Connection {
            framed: Framed::with_capacity(stream, RespCodec::new(limits), READ_BUFFER),
            blobs: Vec::new(),
            session,
            db,
            instance,
            post_box,
            limits,
            now_ms: clock::unix_ms(),
            own_end: 0,
            config_version: instance.config_version(),
        };
        connection.publish_figures(0, 0);
        connection
    }

    /// Serves the client to its end.
    pub async fn run(mut self) {
        let outcome = self.serve().await;
        if let Err(error) = outcome {
            tracing::debug!("Client {} closed: {error}", self.session.handle.addr);
        }
        if self.session.awaits_shutdown {
            // Who sees the connection end may rely on the server's addresses being free.
            while !self.session.handle.is_killed() {
                self.session.handle.woken().await;
            }
        }
        self.session.handle.set_leaving();
        if self.instance.scripts.running.busy().is_some() && !self.session.awaits_shutdown {
            // The script may take long, and the peer is not to wait for its end.
            let _ = self.framed.get_mut().shutdown().await;
        }
        let Connection {
            db,
            instance,
            session,
            ..
        } = &mut self;
        busy::when_free(db, instance, |db| instance.forget_client(db, session)).await;
        // A peer that is told why should get to read it.
        let _ = self.framed.get_mut().shutdown().await;
    }

    async fn serve(&mut self) -> io::Result<()> {
        let handle = Arc::clone(&self.session.handle);
        // Kept across batches: to register anew for each would cost more than a small command.
        let mut woken = std::pin::pin!(handle.woken());
        loop {
            let offer = handle.is_listener().then(|| handle.socket.offer());
            let decoded = tokio::select! {
                biased;
                decoded = self.next() => decoded,
                () = woken.as_mut() => {
                    drop(offer);
                    woken.set(handle.woken());
                    if handle.is_killed() {
                        return Ok(());
                    }
                    if handle.is_asked_to_trim() {
                        self.trim();
                    }
                    self.take_messages(&handle);
                    self.flush().await?;
                    continue;
                }
            };
            drop(offer);
            let next = match decoded {
                None => return Ok(()),
                Some(Err(error)) => return Err(error),
                // `next` has read it.
                Some(Ok(Decoded::Large)) => continue,
                Some(Ok(Decoded::TooMuch)) => {
                    self.publish_incomplete();
                    self.session.close_for_query(self.instance);
                    return Ok(());
                }
                Some(Ok(Decoded::Batch(_))) => self.run_batch(&handle, woken.as_mut()).await?,
                Some(Ok(Decoded::Fault(fault))) => self.answer_fault(fault).await?,
            };
            if matches!(next, Next::Close) || handle.is_killed() {
                return Ok(());
            }
        }
    }

    /// What has come next: commands, a fault of the peer, or more than it may send.
    async fn next(&mut self) -> Option<io::Result<Decoded>> {
        loop {
            let decoded = poll_fn(|context| {
                let polled = self.framed.poll_next_unpin(context);
                if polled.is_pending() && self.holds_incomplete() {
                    self.publish_incomplete();
                }
                polled
            });
            match decoded.await {
                Some(Ok(found @ (Decoded::Large | Decoded::TooMuch))) => {
                    // The limits are those of the last batch, which may be long ago.
                    self.follow_limits();
                    if self
                        .framed
                        .codec()
                        .is_too_much(self.framed.read_buffer().len())
                    {
                        return Some(Ok(Decoded::TooMuch));
                    }
                    if found == Decoded::Large {
                        match self.read_large().await {
                            Ok(true) => {}
                            Ok(false) => return None,
                            Err(error) => return Some(Err(error)),
                        }
                    }
                }
                other => return other,
            }
        }
    }

    /// Whether something has come of a command that has not come whole.
    #[inline]
    fn holds_incomplete(&self) -> bool {
        !self.framed.read_buffer().is_empty() || self.framed.codec().argument_bytes() > 0
    }

    /// Reads the rest of a large argument into its own buffer, without a detour by the read buffer; false if the peer has
    /// left. What was read stays with the codec when this is dropped.
    async fn read_large(&mut self) -> io::Result<bool> {
        while self.framed.codec().wanted() > 0 {
            let read = poll_fn(|context| {
                // Framed lends its codec and its stream one at a time.
                let framed = &mut self.framed;
                let mut codec = std::mem::take(framed.codec_mut());
                let polled = codec.read_wanted(|room| {
                    std::pin::pin!(framed.get_mut().read_buf(room)).poll(context)
                });
                *framed.codec_mut() = codec;
                let polled = polled.unwrap_or(Poll::Ready(Ok(0)));
                if polled.is_pending() {
                    self.publish_incomplete();
                }
                polled
            });
            if read.await? == 0 {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Executes the batch in the read buffer, in parts where its replies grow large.
    async fn run_batch<'n>(
        &mut self,
        handle: &'n ClientHandle,
        mut woken: Pin<&mut Notified<'n>>,
    ) -> io::Result<Next> {
        let commands = self.framed.codec().batch_len();
        self.publish_query(self.framed.read_buffer().len());
        let mut done = 0;
        while done < commands && !self.session.close_after_reply && !self.session.handle.is_killed()
        {
            done = self.execute_batch(done);
            if self.session.handle.is_killed() {
                // Its replies go with it.
                return Ok(Next::Close);
            }
            if std::mem::take(&mut self.session.has_woken) {
                // Those who were blocked get what they waited for before the one who brought it has its answer.
                tokio::task::yield_now().await;
            }
            self.flush().await?;
            if self.session.parked != Parked::No {
                self.publish_state();
                if !self.wait_unparked(done, handle, woken.as_mut()).await? {
                    return Ok(Next::Close);
                }
            }
        }
        let taken = self.framed.codec_mut().finish_batch();
        let buffer = self.framed.read_buffer_mut();
        buffer.advance(taken);
        if buffer.is_empty() {
            // Takes the front of the buffer into use again; no allocation while its room suffices.
            buffer.reserve(READ_BUFFER);
        }
        self.publish_figures(taken, done);
        self.follow_limits();
        Ok(if self.session.close_after_reply {
            Next::Close
        } else {
            Next::Continue
        })
    }

    /// Waits until the client is woken, while its outbox is written and what it sends is read, as far as it may send that
    /// ahead; false if it is to close. `done` commands of the batch in the read buffer have been executed.
    ///
    /// `woken` is the one listener that the connection has: a second one could miss what the first is told.
    async fn wait_unparked<'n>(
        &mut self,
        done: usize,
        handle: &'n ClientHandle,
        mut woken: Pin<&mut Notified<'n>>,
    ) -> io::Result<bool> {
        let executed = self.framed.codec().bytes_before(done);
        self.publish_ahead(executed);
        while handle.is_parked() {
            let framed = &mut self.framed;
            // The buffer grows as what comes needs it; the batch's places in it stay true.
            let mut arrived = std::mem::take(framed.read_buffer_mut());
            arrived.reserve(PARKED_READ);
            let offer = handle.socket.offer();
            let read = tokio::select! {
                biased;
                () = woken.as_mut() => None,
                read = framed.get_mut().read_buf(&mut arrived) => Some(read),
            };
            drop(offer);
            *framed.read_buffer_mut() = arrived;
            match read {
                Some(Ok(0)) => return Ok(false),
                Some(Ok(_)) => {
                    self.follow_limits();
                    let ahead = self.publish_ahead(executed);
                    if self.limits.allow(ahead, 0) {
                        continue;
                    }
                    self.session.close_for_query(self.instance);
                    return Ok(false);
                }
                Some(Err(error)) => return Err(error),
                None => woken.set(handle.woken()),
            }
            if handle.is_killed() {
                return Ok(false);
            }
            self.take_messages(handle);
            self.flush().await?;
        }
        self.session.parked = Parked::No;
        // What woke it may have come before its answer was looked for.
        self.take_messages(handle);
        self.flush().await?;
        Ok(true)
    }

    /// Executes commands from the one at `from` on under one lock; returns how many of the batch are done.
    fn execute_batch(&mut self, from: usize) -> usize {
        // The read buffer is only looked at and the write buffer only written; Framed lends one at a time.
        let mut out = std::mem::take(self.framed.write_buffer_mut());
        let codec = self.framed.codec();
        let buffer = self.framed.read_buffer();
        let commands = codec.batch_len();
        let pending = out.len();
        let Some(mut db) = busy::lock(self.db, self.instance) else {
            *self.framed.write_buffer_mut() = out;
            return self.execute_busy(from);
        };
        if is_over(self.instance, &mut self.session) {
            *self.framed.write_buffer_mut() = out;
            return from;
        }
        self.now_ms = begin_batch(&mut db, &self.session, self.instance);
        let log_end = self.instance.log.end();
        self.session.handle.take_messages(&mut out, &mut self.blobs);
        if out.len() > pending {
            self.own_end = log_end;
        }
        let mut gate = Gate {
            db: &mut db,
            session: &mut self.session,
            instance: self.instance,
        };
        let mut at = from;
        let mut found = [None; prefetch::WINDOW];
        while at < commands && !gate.session.stops() {
            let ahead = (at - from) % prefetch::WINDOW;
            if ahead == 0 && commands - at > 1 {
                let window = at..commands.min(at + prefetch::WINDOW);
                let requests = window.map(|index| codec.request(buffer, index));
                found = prefetch::look_ahead(&gate, requests);
            }
            let reply = Reply::new(&mut out, &mut self.blobs, gate.session.protocol);
            gate.execute(codec.request(buffer, at), found[ahead].take(), reply);
            if gate.session.parked == Parked::Postponed {
                break;
            }
            at += 1;
            if out.len() > MAX_PENDING_REPLIES || !self.blobs.is_empty() {
                break;
            }
        }
        let new_end = self.instance.log.end();
        if new_end != log_end {
            self.own_end = new_end;
        }
        if self.session.close_after_reply {
            self.session.handle.set_leaving();
        }
        if self.instance.attention.has(BROADCASTS) {
            tracking::broadcast(self.instance);
            self.session.handle.take_messages(&mut out, &mut self.blobs);
        }
        count_batch(self.instance, out.len() - pending, &self.blobs);
        if at == commands {
            (self.instance.stats.net_input).add(codec.batch_bytes() as u64);
        }
        let receivers = self.instance.clients.mail.take();
        drop(db);
        *self.framed.write_buffer_mut() = out;
        if !receivers.is_empty() {
            self.deliver(receivers);
        }
        at
    }

    /// Takes what others have put out for the client, which has nothing to be written.
    fn take_messages(&mut self, handle: &ClientHandle) {
        let buffer = self.framed.write_buffer_mut();
        handle.take_messages(buffer, &mut self.blobs);
        let values: usize = self.blobs.iter().map(|blob| blob.bytes.len()).sum();
        let bytes = buffer.len() + values;
        self.instance.clients.mail.count(bytes);
        if bytes > 0 && !self.instance.attention.has(FILE_FAILS) {
            // It may be what somebody's write has given to this client.
            self.own_end = self.instance.log.end();
        }
    }

    /// Sends what the batch has put out for others.
    fn deliver(&mut self, receivers: Vec<Receiver>) {
        let instance = self.instance;
        let mail = &instance.clients.mail;
        let has_woken = !mail.deliver(receivers, self.post_box, || writer::lets_out(instance));
        // Who is written to already need not be waited for.
        self.session.has_woken &= has_woken;
    }

    /// Executes one command beside a script that has the data set for too long; returns how many of the batch are done.
    #[cold]
    fn execute_busy(&mut self, from: usize) -> usize {
        let Some(kind) = self.instance.scripts.running.busy() else {
            return from;
        };
        self.now_ms = clock::unix_ms();
        let mut out = std::mem::take(self.framed.write_buffer_mut());
        self.session.handle.take_messages(&mut out, &mut self.blobs);
        let mut gate = Gate {
            db: &mut busy::stand_in(self.instance, self.now_ms),
            session: &mut self.session,
            instance: self.instance,
        };
        let request = self.framed.codec().request(self.framed.read_buffer(), from);
        let reply = Reply::new(&mut out, &mut self.blobs, gate.session.protocol);
        gate.execute_busy(kind, request, reply);
        // Nothing has collected for it but what other batch there may be.
        self.instance.clients.mail.wake_all();
        *self.framed.write_buffer_mut() = out;
        from + 1
    }

    /// Writes everything that waits, large values from where they lie, unless the client is killed meanwhile; more than
    /// the configuration lets wait is not begun with.
    async fn flush(&mut self) -> io::Result<()> {
        let Connection {
            framed,
            blobs,
            session,
            instance,
            own_end,
            ..
        } = self;
        let handle = &session.handle;
        if instance.aof.is_on() {
            let has_reply = !framed.write_buffer().is_empty() || !blobs.is_empty();
            log_first(instance, handle, has_reply.then_some(*own_end)).await?;
        }
        let bytes = publish_pending(&handle.figures, framed.write_buffer().len(), blobs);
        if bytes > UNCOUNTED_BYTES && handle.close_if_output_is_too_much() {
            return Err(io::ErrorKind::ConnectionAborted.into());
        }
        // Framed lends its stream and its buffer one at a time.
        let mut buffer = std::mem::take(framed.write_buffer_mut());
        tokio::select! {
            biased;
            written = write_pending(framed.get_mut(), &buffer, blobs, &handle.figures) => written?,
            // A peer that reads nothing must not keep the connection alive.
            () = handle.closed() => return Err(io::ErrorKind::ConnectionAborted.into()),
        }
        blobs.clear();
        publish_pending(&handle.figures, 0, &[]);
        add(&handle.figures.output_total, bytes);
        buffer.clear();
        if buffer.capacity() <= MAX_IDLE_WRITE_BUFFER {
            *framed.write_buffer_mut() = buffer;
        }
        Ok(())
    }

    async fn answer_fault(&mut self, fault: ProtocolError) -> io::Result<Next> {
        tracing::debug!(
            "Protocol error ({fault}) from client: {}",
            self.session.handle.addr
        );
        self.instance.stats.count_error("ERR");
        Reply::new(
            self.framed.write_buffer_mut(),
            &mut self.blobs,
            self.session.protocol,
        )
        .error(&fault.wire_text());
        self.flush().await?;
        Ok(Next::Close)
    }

    /// Gives the read buffer back while the client is idle; makes one that has grown small again where little is read.
    fn trim(&mut self) {
        let idle_ms = clock::unix_ms().saturating_sub(self.now_ms);
        let buffer = self.framed.read_buffer_mut();
        if !buffer.is_empty() {
            return;
        }
        let room = if idle_ms > IDLE_BUFFER_MS {
            0
        } else {
            READ_BUFFER
        };
        if buffer.capacity() > room {
            *buffer = BytesMut::with_capacity(room);
        }
        self.session
            .handle
            .figures
            .query_free_bytes
            .store(room, Ordering::Relaxed);
    }

    /// Lifts the smaller limits for unauthenticated clients once the client has authenticated (and back on RESET), and
    /// follows the configuration.
    fn follow_limits(&mut self) {
        let unauthenticated = self.session.needs_authentication(self.instance);
        let config_version = self.instance.config_version();
        if self.limits.unauthenticated != unauthenticated || self.config_version != config_version {
            self.config_version = config_version;
            self.limits = limits(self.instance, unauthenticated);
            self.framed.codec_mut().set_limits(self.limits);
        }
    }

    /// Tells others how much the client has sent that is not executed.
    fn publish_query(&self, bytes: usize) {
        let figures = &self.session.handle.figures;
        figures.query_bytes.store(bytes, Ordering::Relaxed);
        raise(&figures.query_peak_bytes, bytes);
    }

    /// Tells others what has come of a command that has not come whole.
    #[cold]
    fn publish_incomplete(&self) {
        let figures = &self.session.handle.figures;
        let buffer = self.framed.read_buffer();
        self.publish_query(buffer.len());
        figures
            .query_free_bytes
            .store(buffer.capacity() - buffer.len(), Ordering::Relaxed);
        figures
            .argument_bytes
            .store(self.framed.codec().argument_bytes(), Ordering::Relaxed);
    }

    /// Tells others what a parked client has sent ahead, which is answered: all of the read buffer but for the first
    /// `executed` bytes.
    fn publish_ahead(&self, executed: usize) -> usize {
        let figures = &self.session.handle.figures;
        let buffer = self.framed.read_buffer();
        let ahead = buffer.len() - executed;
        self.publish_query(ahead);
        figures
            .query_free_bytes
            .store(buffer.capacity() - ahead, Ordering::Relaxed);
        ahead
    }

    fn publish_figures(&self, input: usize, commands: usize) {
        let figures = &self.session.handle.figures;
        let buffer = self.framed.read_buffer();
        let set = |figure: &AtomicUsize, value| figure.store(value, Ordering::Relaxed);
        set(&figures.query_bytes, buffer.len());
        set(&figures.query_free_bytes, buffer.capacity() - buffer.len());
        set(
            &figures.output_buffer_bytes,
            self.framed.write_buffer().capacity(),
        );
        set(
            &figures.argument_bytes,
            self.framed.codec().argument_bytes(),
        );
        add(&figures.commands, commands);
        add(&figures.input_total, input);
        self.publish_state();
    }

    /// Tells others the time of the last command and what the client has chosen.
    fn publish_state(&self) {
        let figures = &self.session.handle.figures;
        figures
            .last_command_ms
            .store(self.now_ms, Ordering::Relaxed);
        figures.db.store(self.session.db as u32, Ordering::Relaxed);
    }
}

/// What a client may send, by the configuration.
fn limits(instance: &Instance, unauthenticated: bool) -> Limits {
    let config = instance.config();
    Limits {
        max_bulk: config.proto_max_bulk_len() as i64,
        max_query: config.client_query_buffer_limit_bytes(),
        unauthenticated,
    }
}

/// Counts a batch, and what its commands have answered: so many bytes beside large values. The commands have counted
/// themselves.
#[inline]
fn count_batch(instance: &Instance, bytes: usize, blobs: &[Blob]) {
    let stats = &instance.stats;
    stats.batches.add(1);
    let large: usize = blobs.iter().map(|blob| blob.bytes.len()).sum();
    stats.net_output.add((bytes + large) as u64);
}

/// Prepares the data set for a batch of a client; answers the time of the batch in Unix milliseconds.
#[inline]
fn begin_batch(db: &mut Db, session: &Session, instance: &Instance) -> u64 {
    let now_ms = clock::unix_ms();
    db.set_clock(now_ms);
    if db.effects.recover() {
        instance.log.append(&mut db.effects, true, now_ms);
    }
    instance.clients.mail.collect();
    db.no_touch = session.no_touch;
    db.sees_expired = session.import_source;
    now_ms
}

/// Has what the log holds by now written to the append-only file, before replies that may tell of it go out, if there are any.
/// They wait for the client's own writes, which stand before the offset given here, and with `always` until all that they may
/// tell of is on the disk.
#[cold]
async fn log_first(
    instance: &Instance,
    handle: &ClientHandle,
    replies_after: Option<u64>,
) -> io::Result<()> {
    let aof = &instance.aof;
    let is_written =
        (!aof.holds_replies() || replies_after.is_none()) && writer::write_out(instance);
    let Some(own_end) = replies_after else {
        return Ok(());
    };
    if is_written {
        return Ok(());
    }
    let end = instance.log.end();
    let holds = aof.holds_replies();
    if holds && !aof.may_show(end) {
        // Others whose commands have arrived get to write them first: one sync serves all.
        tokio::task::yield_now().await;
    }
    if holds && aof.may_show(end) {
        return Ok(());
    }
    tokio::select! {
        biased;
        () = wait_for_log(instance, end, own_end) => Ok(()),
        () = handle.closed() => Err(io::ErrorKind::ConnectionAborted.into()),
    }
}

/// Waits until replies may go out by the policy, which may change meanwhile.
async fn wait_for_log(instance: &Instance, end: u64, own_end: u64) {
    let aof = &instance.aof;
    loop {
        if aof.holds_replies() {
            aof.show_up_to(end, own_end, instance).await;
            if aof.holds_replies() {
                return;
            }
        } else {
            if writer::write_out(instance) {
                return;
            }
            aof.written_up_to(own_end).await;
            if !aof.holds_replies() {
                return;
            }
        }
    }
}

/// Closes a client whose batch comes after the data set was saved for the last time: it is not to be acknowledged.
#[inline]
fn is_over(instance: &Instance, session: &mut Session) -> bool {
    let is_over = instance.attention.has(ENDING);
    session.close_after_reply |= is_over;
    is_over
}

/// Adds to a figure that only its connection changes.
fn add(total: &AtomicU64, by: usize) {
    total.store(total.load(Ordering::Relaxed) + by as u64, Ordering::Relaxed);
}

/// Reads nothing and writes one error line, for a peer that is not let in.
pub async fn refuse<S: AsyncWrite + Unpin>(mut stream: S, line: &str) {
    // The peer may be gone already; it is refused either way.
    let _ = stream.write_all(line.as_bytes()).await;
    let _ = Pin::new(&mut stream).shutdown().await;
}
