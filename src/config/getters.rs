//! Typed access to the parameters that the server reads.
//!
//! A parameter with a getter is not marked `.accepted_only()` in [`super::table`], and the other way round; a test
//! compares the two. Reading is one index into a vector; still, what a hot path needs it copies when the
//! configuration changes.

use super::choices::{
    AppendFsync, LogLevel, MaxmemoryPolicy, NotifyFlags, OutputLimit, ProtectedAction,
    PubsubDefault, ReplicaOf, SavePoint, ShutdownFlags, Supervised,
};
use super::{Config, Param, Value};

macro_rules! getters {
    (
        flags { $($(#[$fdoc:meta])* $flag:ident => $fparam:ident;)* }
        numbers { $($(#[$ndoc:meta])* $number:ident: $kind:ty => $nparam:ident;)* }
        choices { $($(#[$cdoc:meta])* $choice:ident: $enum:ty => $cparam:ident;)* }
        texts { $($(#[$tdoc:meta])* $text:ident => $tparam:ident;)* }
        others { $($oparam:ident,)* }
    ) => {
        impl Config {
            $($(#[$fdoc])* pub fn $flag(&self) -> bool { self.flag(Param::$fparam) })*
            $($(#[$ndoc])* pub fn $number(&self) -> $kind { self.number(Param::$nparam) as $kind })*
            $($(#[$cdoc])* pub fn $choice(&self) -> $enum { <$enum>::from_code(self.number(Param::$cparam)) })*
            $($(#[$tdoc])* pub fn $text(&self) -> Option<&[u8]> { self.text(Param::$tparam) })*
        }

        /// The parameters that have a getter.
        #[cfg(test)]
        pub(super) const READ: &[Param] = &[
            $(Param::$fparam,)* $(Param::$nparam,)* $(Param::$cparam,)* $(Param::$tparam,)* $(Param::$oparam,)*
        ];
    };
}

getters! {
    flags {
        /// Refuse clients from elsewhere while there is neither a password nor an address to bind.
        protected_mode => ProtectedMode;
        /// Detach from the terminal.
        daemonize => Daemonize;
        /// Print the banner even when the log is no terminal.
        always_show_logo => AlwaysShowLogo;
        /// Keep an append-only file.
        appendonly => Appendonly;
        /// Sync a base of the append-only file in steps while it is written.
        aof_rewrite_incremental_fsync => AofRewriteIncrementalFsync;
        /// Do not sync the append-only file while it is rewritten or the data set saved.
        no_appendfsync_on_rewrite => NoAppendfsyncOnRewrite;
        /// Cut an append-only file that ends within a command.
        aof_load_truncated => AofLoadTruncated;
        /// Write bases of the append-only file as dump files.
        aof_use_rdb_preamble => AofUseRdbPreamble;
        /// Note in the append-only file when its commands happened.
        aof_timestamp_enabled => AofTimestampEnabled;
        /// Keep the files that a rewrite of the append-only file has made superfluous.
        aof_disable_auto_gc => AofDisableAutoGc;
        /// Compress strings in snapshots.
        rdbcompression => Rdbcompression;
        /// End a snapshot with a checksum.
        rdbchecksum => Rdbchecksum;
        /// Refuse writes after a background save has failed.
        stop_writes_on_bgsave_error => StopWritesOnBgsaveError;
        /// Keep a histogram of latencies for each command.
        latency_tracking => LatencyTracking;
        /// Free evicted values in the background.
        lazyfree_lazy_eviction => LazyfreeLazyEviction;
        /// Free expired values in the background.
        lazyfree_lazy_expire => LazyfreeLazyExpire;
        /// Free overwritten values in the background.
        lazyfree_lazy_server_del => LazyfreeLazyServerDel;
        /// Let DEL do as UNLINK does.
        lazyfree_lazy_user_del => LazyfreeLazyUserDel;
        /// Let FLUSHALL and FLUSHDB be asynchronous unless told otherwise.
        lazyfree_lazy_user_flush => LazyfreeLazyUserFlush;
        /// Leave keys whose time is over where they are: another server's data is being copied here.
        import_mode => ImportMode;
        /// Be a cluster's node.
        cluster_enabled => ClusterEnabled;
    }
    numbers {
        /// TCP port; 0 for none.
        port: u16 => Port;
        /// How many databases there are.
        databases: usize => Databases;
        /// How many threads serve connections.
        io_threads: usize => IoThreads;
        /// Length of the listening socket's queue.
        tcp_backlog: u32 => TcpBacklog;
        /// Seconds between keep-alive probes; 0 for none.
        tcp_keepalive_s: u32 => TcpKeepalive;
        /// Seconds after which an idle client is disconnected; 0 for never.
        timeout_s: u64 => Timeout;
        /// The most clients at a time.
        maxclients: u32 => Maxclients;
        /// Mode of the Unix socket's file; 0 leaves the system's.
        unixsocketperm: u32 => Unixsocketperm;
        /// Bytes of memory beyond which keys are evicted or writes refused; 0 for no limit.
        maxmemory_bytes: u64 => Maxmemory;
        /// Keys looked at to find one to evict.
        maxmemory_samples: usize => MaxmemorySamples;
        /// How slowly the counter of accesses saturates.
        lfu_log_factor: u32 => LfuLogFactor;
        /// Minutes after which the counter of accesses loses one.
        lfu_decay_time_min: u32 => LfuDecayTime;
        /// How often a second background work is looked at.
        hz: u32 => Hz;
        /// From 1 to 10: how much time the search for expired keys may take.
        active_expire_effort: u32 => ActiveExpireEffort;
        /// Greatest list in one flat buffer: entries, or -1 to -5 for 4 to 64 kB.
        list_max_listpack_size: i32 => ListMaxListpackSize;
        /// Nodes at each end of a list that are not compressed; 0 for no compression.
        list_compress_depth: i32 => ListCompressDepth;
        /// Most fields of a hash in a flat buffer.
        hash_max_listpack_entries: usize => HashMaxListpackEntries;
        /// Longest field or value, in bytes, of a hash in a flat buffer.
        hash_max_listpack_value: usize => HashMaxListpackValue;
        /// Most members of a set of integers in a flat array.
        set_max_intset_entries: usize => SetMaxIntsetEntries;
        /// Most members of a set in a flat buffer.
        set_max_listpack_entries: usize => SetMaxListpackEntries;
        /// Longest member, in bytes, of a set in a flat buffer.
        set_max_listpack_value: usize => SetMaxListpackValue;
        /// Most members of a sorted set in a flat buffer.
        zset_max_listpack_entries: usize => ZsetMaxListpackEntries;
        /// Longest member, in bytes, of a sorted set in a flat buffer.
        zset_max_listpack_value: usize => ZsetMaxListpackValue;
        /// Greatest HyperLogLog in its sparse form, in bytes.
        hll_sparse_max_bytes: usize => HllSparseMaxBytes;
        /// Greatest node of a stream, in bytes; 0 for no limit.
        stream_node_max_bytes: usize => StreamNodeMaxBytes;
        /// Most entries in a node of a stream; 0 for no limit.
        stream_node_max_entries: usize => StreamNodeMaxEntries;
        /// Longest argument of a request, in bytes.
        proto_max_bulk_len: usize => ProtoMaxBulkLen;
        /// Most bytes of requests that may wait for one client.
        client_query_buffer_limit_bytes: usize => ClientQueryBufferLimit;
        /// Most memory of all clients together, in bytes; a negative number is a percentage of `maxmemory`, 0 no limit.
        maxmemory_clients: i64 => MaxmemoryClients;
        /// Microseconds from which a command counts as slow; negative for never.
        slowlog_log_slower_than_us: i64 => SlowlogLogSlowerThan;
        /// Entries that the slow log keeps.
        slowlog_max_len: usize => SlowlogMaxLen;
        /// Milliseconds from which an event is a latency spike; 0 for never.
        latency_monitor_threshold_ms: u64 => LatencyMonitorThreshold;
        /// Milliseconds after which a script makes the server answer that it is busy.
        busy_reply_threshold_ms: u64 => BusyReplyThreshold;
        /// Microseconds to wait after each key that is saved, for tests; a negative number is how many keys there are on
        /// average to one microsecond.
        rdb_key_save_delay_us: i64 => RdbKeySaveDelay;
        /// The same after each key that is loaded.
        key_load_delay_us: i64 => KeyLoadDelay;
        /// Seconds to wait for replicas before exiting.
        shutdown_timeout_s: u64 => ShutdownTimeout;
        /// Entries that the log of refused access keeps.
        acllog_max_len: usize => AcllogMaxLen;
        /// By how many percent the append-only file grows before it is rewritten; 0 for never.
        auto_aof_rewrite_percentage: u32 => AutoAofRewritePercentage;
        /// Bytes below which the append-only file is not rewritten by itself.
        auto_aof_rewrite_min_size_bytes: u64 => AutoAofRewriteMinSize;
        /// Most keys remembered for client-side caching; 0 for no limit.
        tracking_table_max_keys: usize => TrackingTableMaxKeys;
    }
    choices {
        /// How much is logged.
        loglevel: LogLevel => Loglevel;
        /// What is evicted.
        maxmemory_policy: MaxmemoryPolicy => MaxmemoryPolicy;
        /// When the append-only file is flushed.
        appendfsync: AppendFsync => Appendfsync;
        /// Who started the process.
        supervised: Supervised => Supervised;
        /// Who may set protected parameters.
        enable_protected_configs: ProtectedAction => EnableProtectedConfigs;
        /// Who may use DEBUG.
        enable_debug_command: ProtectedAction => EnableDebugCommand;
        /// Who may load modules.
        enable_module_command: ProtectedAction => EnableModuleCommand;
        /// The channels of a new user.
        acl_pubsub_default: PubsubDefault => AclPubsubDefault;
    }
    texts {
        /// Path of the Unix socket.
        unixsocket => Unixsocket;
        /// File for the process id.
        pidfile => Pidfile;
        /// File for the log; standard output when there is none.
        logfile => Logfile;
        /// Name of the snapshot file in the working directory.
        dbfilename => Dbfilename;
        /// First part of the names of the append-only files.
        appendfilename => Appendfilename;
        /// Directory of the append-only files in the working directory.
        appenddirname => Appenddirname;
        /// Password of the default user.
        requirepass => Requirepass;
        /// File of users.
        aclfile => Aclfile;
        /// Address from which connections are made.
        bind_source_addr => BindSourceAddr;
        /// The working directory.
        dir => Dir;
    }
    others {
        Save,
        ClientOutputBufferLimit,
        NotifyKeyspaceEvents,
        Bind,
        Replicaof,
        LatencyTrackingInfoPercentiles,
        ShutdownOnSigint,
        ShutdownOnSigterm,
    }
}

impl Config {
    /// When to save; empty for never.
    pub fn save_points(&self) -> &[SavePoint] {
        match self.value(Param::Save) {
            Value::Save(points) => points,
            _ => &[],
        }
    }

    /// Limits of output, indexed by [`super::choices::ClientClass`].
    pub fn client_output_buffer_limits(&self) -> [OutputLimit; 3] {
        match self.value(Param::ClientOutputBufferLimit) {
            Value::OutputLimits(limits) => *limits,
            _ => Default::default(),
        }
    }

    /// Which keyspace events are published.
    pub fn notify_keyspace_events(&self) -> NotifyFlags {
        match self.value(Param::NotifyKeyspaceEvents) {
            Value::NotifyEvents(events) => *events,
            _ => NotifyFlags::default(),
        }
    }

    /// Addresses to listen on; `-` before one means that it may be missing, `*` and `::*` mean all of IPv4 and IPv6.
    pub fn bind(&self) -> &[Box<[u8]>] {
        match self.value(Param::Bind) {
            Value::Bind(addresses) => addresses,
            _ => &[],
        }
    }

    /// The primary that this server copies.
    pub fn replicaof(&self) -> Option<&ReplicaOf> {
        match self.value(Param::Replicaof) {
            Value::ReplicaOf(primary) => primary.as_deref(),
            _ => None,
        }
    }

    /// The percentiles of latency that INFO shows.
    pub fn latency_tracking_info_percentiles(&self) -> &[f64] {
        match self.value(Param::LatencyTrackingInfoPercentiles) {
            Value::Percentiles(percentiles) => percentiles,
            _ => &[],
        }
    }

    /// How SIGINT shuts down.
    pub fn shutdown_on_sigint(&self) -> ShutdownFlags {
        ShutdownFlags(self.number(Param::ShutdownOnSigint))
    }

    /// How SIGTERM shuts down.
    pub fn shutdown_on_sigterm(&self) -> ShutdownFlags {
        ShutdownFlags(self.number(Param::ShutdownOnSigterm))
    }

    fn flag(&self, param: Param) -> bool {
        matches!(self.value(param), Value::Flag(true))
    }

    fn number(&self, param: Param) -> i64 {
        match self.value(param) {
            Value::Number(number) => *number,
            _ => 0,
        }
    }

    /// `None` when it is not set or empty.
    fn text(&self, param: Param) -> Option<&[u8]> {
        match self.value(param) {
            Value::Text(text) => text.as_deref().filter(|text| !text.is_empty()),
            _ => None,
        }
    }
}
