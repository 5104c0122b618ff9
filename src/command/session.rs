//! The state of one client, as its commands see it. The connection owns it; nobody else touches it.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::reads::ReadTracking;
use super::transaction::Transaction;
use crate::instance::Instance;
use crate::instance::clients::ClientHandle;
use crate::resp::Protocol;
use crate::store::db::DbIndex;

/// What CLIENT REPLY has chosen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ReplyMode {
    /// Every command is answered.
    #[default]
    On,
    /// Nothing is answered.
    Off,
    /// The next command is not answered.
    SkipNext,
    /// The command under way is not answered; then [`ReplyMode::On`] again.
    Skip,
}

impl ReplyMode {
    /// Whether the command under way is answered.
    pub fn answers(self) -> bool {
        matches!(self, ReplyMode::On | ReplyMode::SkipNext)
    }
}

/// Where the command under way comes from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Place {
    /// From the client.
    #[default]
    Client,
    /// From the queue of a transaction.
    Transaction,
    /// From a script or a function.
    Script,
    /// From the client, who was blocked in it and is about to be woken.
    Waking,
}

/// Why a client's further commands have to wait.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Parked {
    /// They need not.
    #[default]
    No,
    /// The last command waits for its keys.
    Blocked,
    /// The next command was not let in, and is to be tried again when the client is woken (CLIENT PAUSE).
    Postponed,
}

/// One client's state.
#[derive(Clone, Debug)]
pub struct Session {
    /// What other clients can see and do: the entry in the registry of clients.
    pub handle: Arc<ClientHandle>,
    /// The number of the selected database.
    pub db: DbIndex,
    /// The protocol version.
    pub protocol: Protocol,
    /// Whether the client has authenticated, or need not.
    pub authenticated: bool,
    /// Whether replies are sent.
    pub reply_mode: ReplyMode,
    /// Whether the client's reads leave the access clocks alone.
    pub no_touch: bool,
    /// Whether it copies another server's data here, and sees keys whose time is over.
    pub import_source: bool,
    /// Where the command under way comes from.
    pub place: Place,
    /// Whether further commands have to wait.
    pub parked: Parked,
    /// Whether the client's commands have woken others, who are to be written to first.
    pub has_woken: bool,
    /// The commands queued since MULTI.
    pub transaction: Transaction,
    /// Whether its reads are remembered.
    pub tracking: ReadTracking,
    /// Whether the connection closes once its replies are written.
    pub close_after_reply: bool,
    /// Whether the client has asked for a shutdown, and its connection stays until that is far enough.
    pub awaits_shutdown: bool,
}

impl Session {
    /// The session of a client that has just connected.
    pub fn new(handle: Arc<ClientHandle>, authenticated: bool) -> Self {
        Session {
            handle,
            db: 0,
            protocol: Protocol::default(),
            authenticated,
            reply_mode: ReplyMode::default(),
            no_touch: false,
            import_source: false,
            place: Place::default(),
            parked: Parked::default(),
            has_woken: false,
            transaction: Transaction::default(),
            tracking: ReadTracking::default(),
            close_after_reply: false,
            awaits_shutdown: false,
        }
    }

    /// The session of a script that the client has called: in the client's database, in RESP2 until the script chooses.
    pub fn for_script(&self) -> Self {
        Session {
            handle: Arc::clone(&self.handle),
            db: self.db,
            protocol: Protocol::Resp2,
            authenticated: self.authenticated,
            reply_mode: ReplyMode::On,
            no_touch: self.no_touch,
            import_source: self.import_source,
            place: Place::Script,
            parked: Parked::No,
            has_woken: false,
            transaction: Transaction::default(),
            tracking: self.tracking,
            close_after_reply: false,
            awaits_shutdown: false,
        }
    }

    /// The client's number.
    pub fn id(&self) -> u64 {
        self.handle.id
    }

    /// Notes that the client's next command is under way.
    #[inline]
    pub fn begin_command(&mut self) {
        if self.reply_mode == ReplyMode::SkipNext {
            self.reply_mode = ReplyMode::Skip;
        }
    }

    /// Whether no further command of the client may run now.
    #[inline]
    pub fn stops(&self) -> bool {
        self.close_after_reply || self.parked != Parked::No
    }

    /// Whether the client may do nothing before it has authenticated. A password that is taken away again lets those in
    /// who have not.
    #[inline]
    pub fn needs_authentication(&self, instance: &Instance) -> bool {
        !self.authenticated && instance.config().requirepass().is_some()
    }

    /// Shows others the state of the transaction.
    pub fn show_transaction(&self) {
        let figures = &self.handle.figures;
        let transaction = &self.transaction;
        let commands = if transaction.is_open() {
            transaction.len() + 1
        } else {
            0
        };
        figures.queued.store(commands, Ordering::Relaxed);
        figures
            .queued_bytes
            .store(transaction.bytes(), Ordering::Relaxed);
    }

    /// Closes a client that has sent, or queued, more than `client-query-buffer-limit`, with all that it has.
    #[cold]
    pub fn close_for_query(&mut self, instance: &Instance) {
        let (handle, transaction) = (&self.handle, &self.transaction);
        let of = |figure: &AtomicUsize| figure.load(Ordering::Relaxed);
        tracing::warn!(
            "Closing client that reached max query buffer length: id={} addr={} laddr={} name={} multi={} watch={} qbuf={} \
             argv-mem={} multi-mem={}",
            handle.id,
            handle.addr,
            handle.local_addr,
            String::from_utf8_lossy(&handle.names().name),
            transaction.len(),
            of(&handle.figures.watched),
            of(&handle.figures.query_bytes),
            of(&handle.figures.argument_bytes),
            transaction.bytes(),
        );
        let disconnections = &instance.stats.query_limit_disconnections;
        disconnections.fetch_add(1, Ordering::Relaxed);
        // What follows in the same batch must not run.
        self.close_after_reply = true;
        handle.kill();
    }

    /// Speaks another version of the protocol from now on; those who send messages see it at once.
    pub fn set_protocol(&mut self, protocol: Protocol) {
        self.protocol = protocol;
        let version = if protocol == Protocol::Resp3 { 3 } else { 2 };
        self.handle.set_protocol(version);
    }

    /// CLIENT NO-EVICT.
    pub fn set_no_evict(&mut self, on: bool) {
        self.handle.no_evict.store(on, Ordering::Relaxed);
    }

    /// CLIENT NO-TOUCH.
    pub fn set_no_touch(&mut self, on: bool) {
        self.no_touch = on;
        self.handle.no_touch.store(on, Ordering::Relaxed);
    }
}
