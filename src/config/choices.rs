//! The typed forms of enumerated parameters and of those with a syntax of their own.
//!
//! A new enumerated parameter that something reads gets its enum here, a row in [`super::table`] and a getter in
//! [`super::getters`].

use super::spec::Name;

macro_rules! choices {
    ($($(#[$meta:meta])* $kind:ident { $($(#[$vmeta:meta])* $variant:ident = $name:literal,)+ })+) => {$(
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum $kind { $($(#[$vmeta])* $variant,)+ }

        impl $kind {
            /// Each name with its code, in the order in which an error lists them.
            pub const NAMES: &'static [Name] = &[$(($name, $kind::$variant as i64),)+];
            const ALL: &'static [$kind] = &[$($kind::$variant,)+];

            /// The name in a configuration file.
            pub fn as_str(self) -> &'static str {
                Self::NAMES[self as usize].0
            }

            /// The value with this code, which comes from [`Self::NAMES`].
            pub(super) fn from_code(code: i64) -> Self {
                usize::try_from(code).ok().and_then(|code| Self::ALL.get(code)).copied().unwrap_or(Self::ALL[0])
            }
        }
    )+};
}

choices! {
    /// How much is logged; each level includes those below it.
    LogLevel {
        /// What only a developer wants.
        Debug = "debug",
        /// Rarely useful information.
        Verbose = "verbose",
        /// What an operator wants to know.
        Notice = "notice",
        /// Only what is important or critical.
        Warning = "warning",
        /// Nothing at all.
        Nothing = "nothing",
    }
    /// What is removed to make room when `maxmemory` is reached.
    MaxmemoryPolicy {
        /// The least recently used key among those with a time to live.
        VolatileLru = "volatile-lru",
        /// The least frequently used key among those with a time to live.
        VolatileLfu = "volatile-lfu",
        /// Any key with a time to live.
        VolatileRandom = "volatile-random",
        /// The key nearest to its deadline.
        VolatileTtl = "volatile-ttl",
        /// The least recently used key.
        AllkeysLru = "allkeys-lru",
        /// The least frequently used key.
        AllkeysLfu = "allkeys-lfu",
        /// Any key.
        AllkeysRandom = "allkeys-random",
        /// Nothing: writes are refused.
        Noeviction = "noeviction",
    }
    /// When the append-only file is flushed to the disk.
    AppendFsync {
        /// Once a second.
        Everysec = "everysec",
        /// Before a write is acknowledged.
        Always = "always",
        /// When the system sees fit.
        No = "no",
    }
    /// Who may use a dangerous feature.
    ProtectedAction {
        /// Nobody.
        No = "no",
        /// Everybody.
        Yes = "yes",
        /// Clients on this machine.
        Local = "local",
    }
    /// The channels that a new user may use.
    PubsubDefault {
        /// All of them.
        AllChannels = "allchannels",
        /// None.
        ResetChannels = "resetchannels",
    }
    /// Who started the process and wants to know when it is ready.
    Supervised {
        /// Upstart.
        Upstart = "upstart",
        /// systemd, by its notification socket.
        Systemd = "systemd",
        /// Whichever the environment shows.
        Auto = "auto",
        /// Nobody.
        No = "no",
    }
}

impl ProtectedAction {
    /// Whether a client may do it; `is_local` says that it is connected from this machine.
    pub fn allows(self, is_local: bool) -> bool {
        match self {
            ProtectedAction::No => false,
            ProtectedAction::Yes => true,
            ProtectedAction::Local => is_local,
        }
    }
}

/// What `SHUTDOWN` options a signal stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ShutdownFlags(pub(super) i64);

impl ShutdownFlags {
    pub(super) const SAVE: i64 = 1;
    pub(super) const NOSAVE: i64 = 2;
    pub(super) const NOW: i64 = 4;
    pub(super) const FORCE: i64 = 8;
    pub(super) const NAMES: &'static [Name] = &[
        ("default", 0),
        ("save", Self::SAVE),
        ("nosave", Self::NOSAVE),
        ("now", Self::NOW),
        ("force", Self::FORCE),
    ];

    /// Save even when no save point is configured.
    pub fn save(self) -> bool {
        self.0 & Self::SAVE != 0
    }

    /// Do not save even when save points are configured.
    pub fn nosave(self) -> bool {
        self.0 & Self::NOSAVE != 0
    }

    /// Do not wait for replicas.
    pub fn now(self) -> bool {
        self.0 & Self::NOW != 0
    }

    /// Exit even when something fails.
    pub fn force(self) -> bool {
        self.0 & Self::FORCE != 0
    }

    pub(super) fn check(code: i64) -> Result<(), &'static str> {
        if ShutdownFlags(code).save() && ShutdownFlags(code).nosave() {
            return Err("shutdown options SAVE and NOSAVE can't be used simultaneously");
        }
        Ok(())
    }
}

/// Save after `seconds` when there were at least `changes`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SavePoint {
    /// Seconds since the last save; at least 1.
    pub seconds: i64,
    /// Changes since the last save.
    pub changes: i64,
}

/// The classes of clients that have an output limit of their own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClientClass {
    /// Every other client.
    Normal,
    /// A replica.
    Replica,
    /// A client with a subscription.
    Pubsub,
}

impl ClientClass {
    /// All classes, in the order of their limits.
    pub const ALL: [ClientClass; 3] = [
        ClientClass::Normal,
        ClientClass::Replica,
        ClientClass::Pubsub,
    ];

    /// The name that `CONFIG GET` answers; the older word for a replica is kept, for tools compare it.
    pub fn as_str(self) -> &'static str {
        match self {
            ClientClass::Normal => "normal",
            ClientClass::Replica => "slave",
            ClientClass::Pubsub => "pubsub",
        }
    }

    pub(super) fn parse(word: &[u8]) -> Option<ClientClass> {
        if word.eq_ignore_ascii_case(b"replica") {
            return Some(ClientClass::Replica);
        }
        ClientClass::ALL
            .into_iter()
            .find(|class| word.eq_ignore_ascii_case(class.as_str().as_bytes()))
    }
}

/// How much output may wait for a client before it is disconnected; 0 means no limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct OutputLimit {
    /// Disconnected at once beyond this.
    pub hard_bytes: u64,
    /// Disconnected when it is beyond this for `soft_seconds`.
    pub soft_bytes: u64,
    /// Seconds that the soft limit may be exceeded.
    pub soft_seconds: i64,
}

/// The classes of keyspace events that are published, and in which of the two forms.
pub use crate::store::journal::Events as NotifyFlags;

/// The primary that this server copies.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReplicaOf {
    /// Its address or name.
    pub host: Vec<u8>,
    /// Its port.
    pub port: u16,
}
