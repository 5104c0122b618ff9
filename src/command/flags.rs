//! The flags, ACL categories and groups of commands, with the names that COMMAND INFO and ACL CAT give them.

/// A set of command flags.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Flags(u32);

/// Declares the members of a bit set with their names on the wire.
macro_rules! bit_names {
    ($type:ident, $int:ty, $table:ident, $($(#[$doc:meta])* $name:ident = $bit:expr, $text:expr;)*) => {
        impl $type {
            $($(#[$doc])* pub const $name: $type = $type(1 << $bit);)*

            /// The empty set.
            pub const NONE: $type = $type(0);

            /// This set with the members of `other`.
            pub const fn with(self, other: $type) -> $type {
                $type(self.0 | other.0)
            }

            /// This set without the members of `other`.
            pub const fn without(self, other: $type) -> $type {
                $type(self.0 & !other.0)
            }

            /// Whether every member of `other` is in this set.
            pub const fn has(self, other: $type) -> bool {
                self.0 & other.0 == other.0
            }

            /// Whether this set is empty.
            pub const fn is_empty(self) -> bool {
                self.0 == 0
            }

            /// The names of the members, in the order in which Redis lists them.
            pub fn names(self) -> impl Iterator<Item = &'static str> + Clone {
                $table.iter().filter(move |(member, _)| self.has(*member)).map(|(_, name)| *name)
            }

            /// The member called `name`, without regard to case.
            pub fn by_name(name: &[u8]) -> Option<$type> {
                $table.iter().find(|(_, text)| text.as_bytes().eq_ignore_ascii_case(name)).map(|(member, _)| *member)
            }
        }

        impl std::ops::BitOr for $type {
            type Output = $type;
            fn bitor(self, other: $type) -> $type {
                self.with(other)
            }
        }

        static $table: &[($type, &str)] = &[$(($type::$name, $text),)*];
    };
}

bit_names! { Flags, u32, FLAG_NAMES,
    /// Changes the data set.
    WRITE = 0, "write";
    /// Reads the data set and does not change it.
    READONLY = 1, "readonly";
    /// Refused when the memory limit is reached and nothing can be evicted.
    DENYOOM = 2, "denyoom";
    /// Belongs to a module.
    MODULE = 3, "module";
    /// An administrator's command.
    ADMIN = 4, "admin";
    /// Has to do with publish and subscribe.
    PUBSUB = 5, "pubsub";
    /// Not allowed in scripts.
    NOSCRIPT = 6, "noscript";
    /// May block the client.
    BLOCKING = 7, "blocking";
    /// Allowed while the data set is being loaded.
    LOADING = 8, "loading";
    /// Allowed on a replica that has lost its primary.
    STALE = 9, "stale";
    /// Not shown by MONITOR.
    SKIP_MONITOR = 10, "skip_monitor";
    /// Not kept by the slow log.
    SKIP_SLOWLOG = 11, "skip_slowlog";
    /// Needs no ASKING on a cluster's importing node.
    ASKING = 12, "asking";
    /// Runs in constant or logarithmic time.
    FAST = 13, "fast";
    /// Allowed before authentication.
    NO_AUTH = 14, "no_auth";
    /// May be replicated although it reads.
    MAY_REPLICATE = 15, "may_replicate";
    /// Not used for a module's own calls.
    NO_MANDATORY_KEYS = 16, "no_mandatory_keys";
    /// Not allowed while the data set is loaded asynchronously.
    NO_ASYNC_LOADING = 17, "no_async_loading";
    /// Not allowed in MULTI.
    NO_MULTI = 18, "no_multi";
    /// Keys cannot be told from the key specs alone.
    MOVABLEKEYS = 19, "movablekeys";
    /// Allowed while a script runs too long.
    ALLOW_BUSY = 20, "allow_busy";
}

impl Flags {
    /// Refused unless a parameter of the configuration allows it. COMMAND INFO does not show it.
    pub const PROTECTED: Flags = Flags(1 << 31);
    /// Runs at once while a transaction is open, instead of being queued. COMMAND INFO does not show it.
    pub const NOT_QUEUED: Flags = Flags(1 << 30);
}

/// A set of ACL categories.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Categories(u32);

bit_names! { Categories, u32, CATEGORY_NAMES,
    /// Touches any key.
    KEYSPACE = 0, "keyspace";
    /// Reads values.
    READ = 1, "read";
    /// Changes values.
    WRITE = 2, "write";
    /// Works on sets.
    SET = 3, "set";
    /// Works on sorted sets.
    SORTEDSET = 4, "sortedset";
    /// Works on lists.
    LIST = 5, "list";
    /// Works on hashes.
    HASH = 6, "hash";
    /// Works on strings.
    STRING = 7, "string";
    /// Works on bitmaps.
    BITMAP = 8, "bitmap";
    /// Works on HyperLogLogs.
    HYPERLOGLOG = 9, "hyperloglog";
    /// Works on geographic indexes.
    GEO = 10, "geo";
    /// Works on streams.
    STREAM = 11, "stream";
    /// Publishes and subscribes.
    PUBSUB = 12, "pubsub";
    /// For administrators.
    ADMIN = 13, "admin";
    /// Constant or logarithmic time.
    FAST = 14, "fast";
    /// Anything else.
    SLOW = 15, "slow";
    /// May block.
    BLOCKING = 16, "blocking";
    /// Can do harm.
    DANGEROUS = 17, "dangerous";
    /// About the connection.
    CONNECTION = 18, "connection";
    /// Transactions.
    TRANSACTION = 19, "transaction";
    /// Scripts and functions.
    SCRIPTING = 20, "scripting";
}

/// The group under which the documentation lists a command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Group {
    /// Any key.
    Generic,
    /// Strings.
    String,
    /// Lists.
    List,
    /// Sets.
    Set,
    /// Sorted sets.
    SortedSet,
    /// Hashes.
    Hash,
    /// Bitmaps.
    Bitmap,
    /// HyperLogLogs.
    HyperLogLog,
    /// Geographic indexes.
    Geo,
    /// Streams.
    Stream,
    /// Publish and subscribe.
    PubSub,
    /// Transactions.
    Transactions,
    /// Connections.
    Connection,
    /// The server itself.
    Server,
    /// Scripts and functions.
    Scripting,
    /// The cluster.
    Cluster,
}

impl Group {
    /// The name in COMMAND DOCS.
    pub fn name(self) -> &'static str {
        match self {
            Group::Generic => "generic",
            Group::String => "string",
            Group::List => "list",
            Group::Set => "set",
            Group::SortedSet => "sorted-set",
            Group::Hash => "hash",
            Group::Bitmap => "bitmap",
            Group::HyperLogLog => "hyperloglog",
            Group::Geo => "geo",
            Group::Stream => "stream",
            Group::PubSub => "pubsub",
            Group::Transactions => "transactions",
            Group::Connection => "connection",
            Group::Server => "server",
            Group::Scripting => "scripting",
            Group::Cluster => "cluster",
        }
    }

    /// The ACL category that a group's commands with keys belong to.
    pub const fn category(self) -> Categories {
        match self {
            Group::Generic => Categories::KEYSPACE,
            Group::String => Categories::STRING,
            Group::List => Categories::LIST,
            Group::Set => Categories::SET,
            Group::SortedSet => Categories::SORTEDSET,
            Group::Hash => Categories::HASH,
            Group::Bitmap => Categories::BITMAP,
            Group::HyperLogLog => Categories::HYPERLOGLOG,
            Group::Geo => Categories::GEO,
            Group::Stream => Categories::STREAM,
            Group::PubSub => Categories::PUBSUB,
            Group::Transactions => Categories::TRANSACTION,
            Group::Connection => Categories::CONNECTION,
            Group::Server | Group::Cluster => Categories::NONE,
            Group::Scripting => Categories::SCRIPTING,
        }
    }
}
