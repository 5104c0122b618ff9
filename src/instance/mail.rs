//! The short way of messages: from the batch that has put them out to the sockets of clients that do nothing but wait.
//!
//! Life cycle: a connection that waits, with nothing to be written, [offers](Socket::offer) its socket. While a batch runs,
//! under the data set's lock, the clients that it has put something out for are collected here instead of being woken. When the
//! lock is free, its connection [sends](Mail::deliver) what they get: no task is woken for a message that its peer has room for.
//!
//! * Who was blocked is written to at once: it gets one answer.
//! * Listeners come into the [`PostBox`] of the I/O thread, which its postman empties when all connections that are ready have
//!   had their turn: what several batches have put out goes with one write.
//!
//! A client whose socket is not offered, or full, is woken as ever. What is put out outside of batches wakes its client at once.

use std::collections::VecDeque;
use std::io::IoSlice;
use std::os::fd::RawFd;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use nix::sys::socket::{MsgFlags, send, sendmsg};
use tokio::sync::Notify;

use super::clients::ClientHandle;

/// Room for so many clients is kept from batch to batch.
const KEPT_RECEIVERS: usize = 1024;
/// So many listeners are written to before those whose commands have arrived meanwhile are served.
const SLICE: usize = 32;
/// Where so much is written to them it goes on at once: more to write at a time would gain nothing, and take memory.
const LARGE_SLICE_BYTES: usize = SLICE * 4096;

/// The connection has its socket for itself.
const OWN: u8 = 0;
/// Whoever has a message for the client may borrow it.
const OFFERED: u8 = 1;
/// Somebody writes to it.
const BORROWED: u8 = 2;

/// A connection's socket, as far as others may write to it.
#[derive(Debug)]
pub struct Socket {
    /// None where what is written does not go to a socket as it is.
    fd: Option<RawFd>,
    state: AtomicU8,
}

impl Socket {
    /// A socket without blocking that its connection has for itself.
    pub fn new(fd: Option<RawFd>) -> Self {
        Socket {
            fd,
            state: AtomicU8::new(OWN),
        }
    }

    /// Lets others write until the offer is dropped. For the connection alone, while it has nothing to be written.
    pub fn offer(&self) -> Offer<'_> {
        self.state.store(OFFERED, Ordering::Release);
        Offer(self)
    }

    /// The socket, if it is offered.
    fn borrow(&self) -> Option<Borrowed<'_>> {
        let fd = self.fd?;
        let change = (Ordering::Acquire, Ordering::Relaxed);
        self.state
            .compare_exchange(OFFERED, BORROWED, change.0, change.1)
            .ok()?;
        Some(Borrowed { socket: self, fd })
    }
}

/// A socket that is offered. When this is dropped nobody else writes any more.
#[derive(Debug)]
pub struct Offer<'a>(&'a Socket);

impl Drop for Offer<'_> {
    fn drop(&mut self) {
        let state = &self.0.state;
        while state
            .compare_exchange(OFFERED, OWN, Ordering::Acquire, Ordering::Relaxed)
            .is_err()
        {
            // Another thread is about to write what the socket takes without waiting.
            std::thread::yield_now();
        }
    }
}

/// A socket that others write to meanwhile; it stays open that long.
struct Borrowed<'a> {
    socket: &'a Socket,
    fd: RawFd,
}

impl Borrowed<'_> {
    /// Writes as much as the peer has room for; what goes wrong, its connection will find out.
    fn write(&self, parts: &[IoSlice<'_>]) -> usize {
        let flags = MsgFlags::MSG_DONTWAIT;
        let written = match parts {
            [bytes] => send(self.fd, bytes, flags),
            parts => sendmsg::<()>(self.fd, parts, &[], flags, None),
        };
        written.unwrap_or(0)
    }
}

impl Drop for Borrowed<'_> {
    fn drop(&mut self) {
        self.socket.state.store(OFFERED, Ordering::Release);
    }
}

/// The clients that a batch has put something out for.
#[derive(Debug, Default)]
pub struct Mail {
    /// Whether a batch runs that will deliver. Set under the data set's lock.
    collects: AtomicBool,
    has_any: AtomicBool,
    receivers: Mutex<Vec<Receiver>>,
    /// Bytes of messages that were written, or taken by connections to be written, outside of their batches.
    written: AtomicU64,
    /// How often the answer to who gets a message, and in which form, has changed but for subscriptions.
    audience: AtomicU64,
}

/// A client that a batch has put something out for.
#[derive(Debug)]
pub struct Receiver {
    client: Arc<ClientHandle>,
    /// Whether it was blocked then; what it waited for is what was put out.
    was_blocked: bool,
}

impl Mail {
    /// A batch begins that will [deliver](Mail::deliver) what it has [taken](Mail::take). Called under the data set's lock.
    #[inline]
    pub fn collect(&self) {
        self.collects.store(true, Ordering::Relaxed);
    }

    /// Takes `client` for the batch that runs; false if it is to be woken instead.
    pub(super) fn takes(&self, client: &Arc<ClientHandle>) -> bool {
        if !self.collects.load(Ordering::Relaxed) {
            return false;
        }
        let mut receivers = self.receivers();
        receivers.push(Receiver {
            client: Arc::clone(client),
            was_blocked: client.is_parked(),
        });
        // Changed by who has the receivers: beside a script that is busy others take them too.
        self.has_any.store(true, Ordering::Relaxed);
        true
    }

    /// Ends the collection and answers whom it has brought. Called under the data set's lock.
    #[inline]
    pub fn take(&self) -> Vec<Receiver> {
        self.collects.store(false, Ordering::Relaxed);
        if !self.has_any.load(Ordering::Relaxed) {
            return Vec::new();
        }
        let mut receivers = self.receivers();
        self.has_any.store(false, Ordering::Relaxed);
        std::mem::take(&mut *receivers)
    }

    /// Wakes all, as the batch that runs will not end soon, or was none that collects.
    pub fn wake_all(&self) {
        self.take().iter().for_each(|it| it.client.wake());
    }

    /// Writes to those of a batch's receivers that were blocked, gives listeners to `post_box`, and wakes the others. `lets_out`
    /// says whether a message may go out now; it is asked when it was taken. True if nobody who was blocked had to be woken.
    pub fn deliver(
        &self,
        mut receivers: Vec<Receiver>,
        post_box: &PostBox,
        lets_out: impl Fn() -> bool,
    ) -> bool {
        let mut all = true;
        let mut has_listeners = false;
        for Receiver {
            client,
            was_blocked,
        } in receivers.drain(..)
        {
            if !client.has_messages() {
                // Its own batch has taken them.
                continue;
            }
            if was_blocked {
                match client.write_messages(&lets_out) {
                    Some(bytes) => self.count(bytes),
                    None => {
                        client.wake();
                        all = false;
                    }
                }
            } else if client.is_listener() {
                post_box.waiting().push_back(client);
                has_listeners = true;
            } else {
                client.wake();
            }
        }
        if has_listeners {
            post_box.called.notify_one();
        }
        if receivers.capacity() <= KEPT_RECEIVERS {
            let mut kept = self.receivers();
            if kept.capacity() == 0 {
                *kept = receivers;
            }
        }
        all
    }

    /// Says that a client was killed, or speaks another protocol version.
    pub(super) fn audience_changes(&self) {
        self.audience.fetch_add(1, Ordering::Release);
    }

    /// A number that is another one after each such change.
    pub(super) fn audience(&self) -> u64 {
        self.audience.load(Ordering::Acquire)
    }

    /// Counts bytes of messages that were written outside of batches.
    pub fn count(&self, bytes: usize) {
        self.written.fetch_add(bytes as u64, Ordering::Relaxed);
    }

    /// How many were counted.
    pub fn written(&self) -> u64 {
        self.written.load(Ordering::Relaxed)
    }

    /// Begins to count anew.
    pub fn reset_written(&self) {
        self.written.store(0, Ordering::Relaxed);
    }

    fn receivers(&self) -> MutexGuard<'_, Vec<Receiver>> {
        self.receivers
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

/// The listeners that the batches of one I/O thread have put something out for.
#[derive(Debug, Default)]
pub struct PostBox {
    waiting: Mutex<VecDeque<Arc<ClientHandle>>>,
    called: Notify,
}

/// What waits in a post box.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Load {
    /// Listeners.
    pub listeners: usize,
    /// Bytes of messages for the one that has waited longest.
    pub first_bytes: usize,
}

/// What is left to be done after some listeners were written to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Left {
    /// Nothing.
    Nothing,
    /// Others are to be written to, when those whose commands have arrived were served.
    Later,
    /// Others are to be written to.
    Now,
}

impl PostBox {
    /// Resolves when there may be somebody.
    pub async fn called(&self) {
        self.called.notified().await;
    }

    /// What waits: it changes where a batch puts out more.
    pub fn load(&self) -> Load {
        let waiting = self.waiting();
        let first = waiting.front();
        Load {
            listeners: waiting.len(),
            first_bytes: first.map_or(0, |client| client.outbox_len()),
        }
    }

    /// Writes to the first ones, as [`Mail::deliver`] does, whose `mail` counts it. `slice` is room that is kept.
    pub fn deliver_some(
        &self,
        mail: &Mail,
        slice: &mut Vec<Arc<ClientHandle>>,
        lets_out: impl Fn() -> bool,
    ) -> Left {
        let is_last = {
            let mut waiting = self.waiting();
            while slice.len() < SLICE {
                match waiting.pop_front() {
                    Some(client) if client.has_messages() => slice.push(client),
                    Some(_) => {}
                    None => break,
                }
            }
            waiting.is_empty()
        };
        let mut bytes = 0;
        for client in slice.drain(..) {
            match client.write_messages(&lets_out) {
                Some(written) => bytes += written,
                None => client.wake(),
            }
        }
        mail.count(bytes);
        match (is_last, bytes >= LARGE_SLICE_BYTES) {
            (true, _) => Left::Nothing,
            (false, true) => Left::Now,
            (false, false) => Left::Later,
        }
    }

    fn waiting(&self) -> MutexGuard<'_, VecDeque<Arc<ClientHandle>>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl ClientHandle {
    /// Writes what waits in the outbox to the client's socket, and answers the bytes; none where that has to be left to its
    /// connection.
    fn write_messages(&self, lets_out: impl Fn() -> bool) -> Option<usize> {
        if !self.has_messages() {
            return Some(0);
        }
        let socket = self.socket.borrow()?;
        let letter = self.take_plain_messages()?;
        // Asked only now: what others have put out a moment ago is among them.
        let written = if lets_out() {
            letter.write(|parts| socket.write(parts))
        } else {
            0
        };
        self.put_back(letter, written).then_some(written)
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read;
    use std::os::fd::AsRawFd;
    use std::os::unix::net::{UnixDatagram, UnixStream};

    use bytes::BytesMut;

    use super::*;
    use crate::instance::clients::{Clients, Endpoint};
    use crate::resp::Blob;

    /// A client whose connection has this socket.
    fn client(clients: &Clients, socket: &impl AsRawFd) -> Arc<ClientHandle> {
        let endpoint = Endpoint {
            addr: String::new(),
            local_addr: String::new(),
            unix: true,
            fd: socket.as_raw_fd(),
            is_plain: true,
            io_thread: 0,
        };
        let registration = clients.register(endpoint, 0, usize::MAX);
        Arc::clone(registration.expect("there is room").handle())
    }

    /// A client with a socket without blocking, and its peer.
    fn connected(clients: &Clients) -> (UnixStream, UnixStream, Arc<ClientHandle>) {
        let (own, peer) = UnixStream::pair().expect("there are sockets");
        own.set_nonblocking(true).expect("it is a socket");
        let handle = client(clients, &own);
        (own, peer, handle)
    }

    /// Clients whose sockets keep what is written at a time apart, and listen, with their peers.
    fn listeners(clients: &Clients, count: usize) -> Vec<(UnixDatagram, Arc<ClientHandle>)> {
        let connected = (0..count).map(|_| {
            let (own, peer) = UnixDatagram::pair().expect("there are sockets");
            own.set_nonblocking(true).expect("it is a socket");
            peer.set_nonblocking(true).expect("it is a socket");
            let handle = client(clients, &own);
            handle.monitors.store(true, Ordering::Relaxed);
            // As long as the process: the handle knows its number alone.
            std::mem::forget(own);
            (peer, handle)
        });
        connected.collect()
    }

    /// What was written at a time.
    fn received(peer: &UnixDatagram) -> Vec<Vec<u8>> {
        let mut buffer = vec![0; 1 << 16];
        let mut pieces = Vec::new();
        while let Ok(len) = peer.recv(&mut buffer) {
            pieces.push(buffer[..len].to_vec());
        }
        pieces
    }

    /// A batch that posts `message` to all of these.
    fn batch<'a>(
        clients: &Clients,
        post_box: &PostBox,
        receivers: impl IntoIterator<Item = &'a Arc<ClientHandle>>,
        message: &[u8],
    ) {
        clients.mail.collect();
        for client in receivers {
            client.post(message);
        }
        let receivers = clients.mail.take();
        assert!(clients.mail.deliver(receivers, post_box, || true));
    }

    /// What has been left to the connection.
    fn left(handle: &ClientHandle) -> (Vec<u8>, Vec<usize>) {
        let (mut out, mut blobs) = (BytesMut::new(), Vec::new());
        handle.take_messages(&mut out, &mut blobs);
        (out.to_vec(), blobs.iter().map(|blob| blob.at).collect())
    }

    fn read(peer: &mut UnixStream, len: usize) -> Vec<u8> {
        let mut bytes = vec![0; len];
        peer.read_exact(&mut bytes).expect("so much was written");
        bytes
    }

    #[test]
    fn a_batch_writes_to_clients_that_are_blocked() {
        let (clients, post_box) = (Clients::default(), PostBox::default());
        let (_own, mut peer, handle) = connected(&clients);
        handle.set_parked(true);
        let offer = handle.socket.offer();
        clients.mail.collect();
        handle.post(b"one ");
        handle.post(b"two");
        handle.set_parked(false);
        let receivers = clients.mail.take();
        assert_eq!(receivers.len(), 1);
        assert!(clients.mail.deliver(receivers, &post_box, || true));
        assert_eq!(read(&mut peer, 7), b"one two");
        assert!(!handle.has_messages());
        assert_eq!(handle.figures.output_total.load(Ordering::Relaxed), 7);
        assert_eq!(clients.mail.written(), 7);
        drop(offer);
        handle.set_parked(true);
        clients.mail.collect();
        handle.post(b"three");
        let receivers = clients.mail.take();
        assert!(
            !clients.mail.deliver(receivers, &post_box, || true),
            "not offered"
        );
        assert_eq!(left(&handle).0, b"three");
        let _offer = handle.socket.offer();
        clients.mail.collect();
        handle.post(b"four");
        let receivers = clients.mail.take();
        assert!(!clients.mail.deliver(receivers, &post_box, || false));
        assert_eq!(left(&handle).0, b"four");
    }

    #[test]
    fn what_several_batches_put_out_for_a_listener_is_written_at_once() {
        let (clients, post_box) = (Clients::default(), PostBox::default());
        let listeners = listeners(&clients, SLICE + 1);
        let offers: Vec<_> = listeners.iter().map(|(_, it)| it.socket.offer()).collect();
        let handles = || listeners.iter().map(|(_, handle)| handle);
        batch(&clients, &post_box, handles(), b"one ");
        batch(&clients, &post_box, handles(), b"two");
        let mut slice = Vec::new();
        assert_eq!(
            post_box.deliver_some(&clients.mail, &mut slice, || true),
            Left::Later
        );
        let (last, first) = listeners.split_last().expect("there are some");
        for (peer, _) in first {
            assert_eq!(received(peer), [b"one two"]);
        }
        assert!(received(&last.0).is_empty());
        // What comes between slices goes with what waits.
        batch(&clients, &post_box, handles(), b"!");
        assert_eq!(
            post_box.deliver_some(&clients.mail, &mut slice, || true),
            Left::Later
        );
        assert_eq!(received(&last.0), [b"one two!"]);
        assert_eq!(
            post_box.deliver_some(&clients.mail, &mut slice, || true),
            Left::Nothing
        );
        assert!(handles().all(|handle| !handle.has_messages()));
        drop(offers);
        batch(&clients, &post_box, handles(), b"left");
        while post_box.deliver_some(&clients.mail, &mut slice, || true) != Left::Nothing {}
        assert!(handles().all(|handle| left(handle).0 == b"left"));
    }

    #[test]
    fn who_has_taken_its_messages_itself_is_not_written_to() {
        let (clients, post_box) = (Clients::default(), PostBox::default());
        let listeners = listeners(&clients, 2);
        let (peer, handle) = &listeners[0];
        let _offer = handle.socket.offer();
        clients.mail.collect();
        for _ in 0..3 {
            handle.post(b"own");
            assert_eq!(left(handle).0, b"own");
        }
        clients
            .mail
            .deliver(clients.mail.take(), &post_box, || true);
        assert!(post_box.waiting().is_empty());
        // Those who have taken theirs while they waited are passed over, and take nobody's place in a slice.
        let _offer = listeners[1].1.socket.offer();
        for _ in 0..SLICE {
            batch(&clients, &post_box, [handle], b"taken");
            assert_eq!(left(handle).0, b"taken");
        }
        batch(&clients, &post_box, [&listeners[1].1], b"message");
        let done = post_box.deliver_some(&clients.mail, &mut Vec::new(), || true);
        assert_eq!(done, Left::Nothing);
        assert!(received(peer).is_empty());
        assert_eq!(received(&listeners[1].0), [b"message"]);
    }

    #[test]
    fn what_must_not_go_out_yet_is_left_to_the_connection() {
        let (clients, post_box) = (Clients::default(), PostBox::default());
        let listeners = listeners(&clients, 1);
        let (peer, handle) = &listeners[0];
        let _offer = handle.socket.offer();
        batch(&clients, &post_box, [handle], b"message");
        post_box.deliver_some(&clients.mail, &mut Vec::new(), || false);
        assert!(received(peer).is_empty());
        assert_eq!(left(handle).0, b"message");
    }

    #[test]
    fn where_listeners_are_written_much_nobody_comes_in_between() {
        let (clients, post_box) = (Clients::default(), PostBox::default());
        let listeners = listeners(&clients, SLICE + 1);
        let _offers: Vec<_> = listeners.iter().map(|(_, it)| it.socket.offer()).collect();
        let handles = listeners.iter().map(|(_, handle)| handle);
        batch(&clients, &post_box, handles, &[b'x'; 4096]);
        assert_eq!(
            post_box.deliver_some(&clients.mail, &mut Vec::new(), || true),
            Left::Now
        );
        assert_eq!(
            post_box.deliver_some(&clients.mail, &mut Vec::new(), || true),
            Left::Nothing
        );
        assert!(
            listeners
                .iter()
                .all(|(peer, _)| received(peer) == [[b'x'; 4096]])
        );
    }

    #[test]
    fn what_a_full_socket_does_not_take_is_left_in_order() {
        let (clients, post_box) = (Clients::default(), PostBox::default());
        let (_own, mut peer, handle) = connected(&clients);
        handle.set_parked(true);
        let offer = handle.socket.offer();
        let large: Vec<u8> = (0..8u32 << 20).map(|at| (at / 1024) as u8).collect();
        clients.mail.collect();
        handle.post(&large);
        assert!(
            !clients
                .mail
                .deliver(clients.mail.take(), &post_box, || true)
        );
        let waiting = handle.waiting_output().counted_bytes;
        assert!(waiting > 0 && waiting < large.len(), "{waiting}");
        let blob = Blob {
            at: 1,
            bytes: Arc::new(b"value".to_vec()),
        };
        handle.post_reply(b"()", vec![blob]);
        drop(offer);
        let (rest, blobs) = left(&handle);
        assert_eq!(blobs, [rest.len() - 1]);
        let mut all = read(&mut peer, large.len() + 2 - rest.len());
        all.extend(rest);
        assert_eq!(all.split_off(large.len()), b"()");
        assert!(all == large);
    }

    #[test]
    fn what_is_put_out_outside_of_batches_or_in_long_ones_is_not_collected() {
        let clients = Clients::default();
        let (_own, _peer, handle) = connected(&clients);
        handle.post(b"before");
        assert!(clients.mail.take().is_empty());
        left(&handle);
        clients.mail.collect();
        handle.post(b"during");
        clients.mail.wake_all();
        left(&handle);
        handle.post(b"after");
        assert!(clients.mail.take().is_empty());
    }

    #[test]
    fn an_offer_ends_when_nobody_writes_any_more() {
        let socket = Socket::new(Some(-1));
        assert!(socket.borrow().is_none());
        let offer = socket.offer();
        let borrowed = socket.borrow().expect("it is offered");
        assert!(socket.borrow().is_none());
        let ended = AtomicBool::new(false);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                drop(offer);
                assert!(ended.load(Ordering::SeqCst));
            });
            ended.store(true, Ordering::SeqCst);
            drop(borrowed);
        });
        assert!(socket.borrow().is_none());
        assert!(Socket::new(None).borrow().is_none());
    }
}
