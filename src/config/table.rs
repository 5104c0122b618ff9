//! The table of all configuration parameters: one row for each.
//!
//! A row is `Variant "name" => type(default, ...)` with what else holds of it; [`super::spec`] has the words. Names,
//! defaults and bounds are Redis 7.0.15's (`CONFIG GET *` compares equal, and a test says so), but for the port and the
//! number of I/O threads. To add a parameter, add its row; when something reads it, a getter in [`super::getters`].
//!
//! `.accepted_only()` marks the parameters that are stored and answered but change nothing yet: no getter exists for
//! them, which a test checks, so nothing can read them. Take the marker away with the getter that you add.

use super::choices::{
    AppendFsync, LogLevel, MaxmemoryPolicy, ProtectedAction, PubsubDefault, ShutdownFlags,
    Supervised,
};
use super::rules;
use super::spec::{
    Name, Spec, Special, choice, flag, flags, int, memory, memory_or_percent, octal, special, text,
    unset,
};

const I32: i64 = i32::MAX as i64;
const U32: i64 = u32::MAX as i64;
const I64: i64 = i64::MAX;
/// The bit pattern of the greatest `u64`.
const U64: i64 = -1;
const MIB: i64 = 1024 * 1024;
const GIB: i64 = 1024 * MIB;

/// The refusal that clients and test suites know, and take as a sign to go without.
const NO_DEFRAG: &str = "Active defragmentation cannot be enabled: it requires a Redis server compiled with a modified \
    Jemalloc like the one shipped by default with the Redis source distribution";

const FACILITIES: &[Name] = &[
    ("user", 0),
    ("local0", 1),
    ("local1", 2),
    ("local2", 3),
    ("local3", 4),
    ("local4", 5),
    ("local5", 6),
    ("local6", 7),
    ("local7", 8),
];
const DISKLESS_LOAD: &[Name] = &[("disabled", 0), ("on-empty-db", 1), ("swapdb", 2)];
const OOM_SCORE_ADJ: &[Name] = &[("no", 0), ("yes", 1), ("relative", 1), ("absolute", 2)];
const SANITIZE: &[Name] = &[("no", 0), ("yes", 1), ("clients", 2)];
const ENDPOINT_TYPES: &[Name] = &[("ip", 0), ("hostname", 1), ("unknown-endpoint", 2)];
const PROPAGATION_ERRORS: &[Name] = &[("ignore", 0), ("panic", 1), ("panic-on-replicas", 2)];
const TLS_AUTH: &[Name] = &[("no", 0), ("yes", 1), ("optional", 2)];
const RDB_VERSION_CHECK: &[Name] = &[("strict", 0), ("relaxed", 1)];
const LOG_FORMATS: &[Name] = &[("legacy", 0), ("logfmt", 1)];
const LOG_TIMESTAMPS: &[Name] = &[("legacy", 0), ("iso8601", 1), ("milliseconds", 2)];

macro_rules! params {
    ($($variant:ident $name:literal => $spec:expr;)+) => {
        /// A parameter; its number is its place in the table.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[repr(u16)]
        pub enum Param { $(#[doc = concat!("`", $name, "`")] $variant,)+ }

        impl Param {
            /// All parameters in the order of the table.
            pub const ALL: &'static [Param] = &[$(Param::$variant,)+];
        }

        pub(super) static TABLE: &[Spec] = &[$($spec.named($name),)+];
    };
}

params! {
    // Yes or no.
    Rdbchecksum "rdbchecksum" => flag(true).immutable();
    Daemonize "daemonize" => flag(false).immutable();
    IoThreadsDoReads "io-threads-do-reads" => flag(false).immutable().accepted_only();
    AlwaysShowLogo "always-show-logo" => flag(false).immutable();
    ProtectedMode "protected-mode" => flag(true);
    Rdbcompression "rdbcompression" => flag(true);
    RdbDelSyncFiles "rdb-del-sync-files" => flag(false).accepted_only();
    Activerehashing "activerehashing" => flag(true).accepted_only();
    StopWritesOnBgsaveError "stop-writes-on-bgsave-error" => flag(true);
    SetProcTitle "set-proc-title" => flag(true).immutable().accepted_only();
    DynamicHz "dynamic-hz" => flag(true).accepted_only();
    LazyfreeLazyEviction "lazyfree-lazy-eviction" => flag(false);
    LazyfreeLazyExpire "lazyfree-lazy-expire" => flag(false);
    ImportMode "import-mode" => flag(false).hidden();
    LazyfreeLazyServerDel "lazyfree-lazy-server-del" => flag(false);
    LazyfreeLazyUserDel "lazyfree-lazy-user-del" => flag(false);
    LazyfreeLazyUserFlush "lazyfree-lazy-user-flush" => flag(false);
    ReplDisableTcpNodelay "repl-disable-tcp-nodelay" => flag(false).accepted_only();
    ReplDisklessSync "repl-diskless-sync" => flag(true).accepted_only();
    AofRewriteIncrementalFsync "aof-rewrite-incremental-fsync" => flag(true);
    NoAppendfsyncOnRewrite "no-appendfsync-on-rewrite" => flag(false);
    ClusterRequireFullCoverage "cluster-require-full-coverage" => flag(true).accepted_only();
    RdbSaveIncrementalFsync "rdb-save-incremental-fsync" => flag(true).accepted_only();
    AofLoadTruncated "aof-load-truncated" => flag(true);
    AofUseRdbPreamble "aof-use-rdb-preamble" => flag(true);
    AofTimestampEnabled "aof-timestamp-enabled" => flag(false);
    ClusterReplicaNoFailover "cluster-replica-no-failover" => flag(false).aka(&["cluster-slave-no-failover"]).accepted_only();
    ReplicaLazyFlush "replica-lazy-flush" => flag(false).aka(&["slave-lazy-flush"]).accepted_only();
    ReplicaServeStaleData "replica-serve-stale-data" => flag(true).aka(&["slave-serve-stale-data"]).accepted_only();
    ReplicaReadOnly "replica-read-only" => flag(true).aka(&["slave-read-only"]).accepted_only();
    ReplicaIgnoreMaxmemory "replica-ignore-maxmemory" => flag(true).aka(&["slave-ignore-maxmemory"]).accepted_only();
    JemallocBgThread "jemalloc-bg-thread" => flag(true).accepted_only();
    Activedefrag "activedefrag" => flag(false).refuse_yes(NO_DEFRAG).accepted_only();
    SyslogEnabled "syslog-enabled" => flag(false).immutable().accepted_only();
    ClusterEnabled "cluster-enabled" => flag(false).immutable();
    Appendonly "appendonly" => flag(false).deny_loading();
    ClusterAllowReadsWhenDown "cluster-allow-reads-when-down" => flag(false).accepted_only();
    ClusterAllowPubsubshardWhenDown "cluster-allow-pubsubshard-when-down" => flag(true).accepted_only();
    CrashLogEnabled "crash-log-enabled" => flag(true).accepted_only();
    CrashMemcheckEnabled "crash-memcheck-enabled" => flag(true).accepted_only();
    UseExitOnPanic "use-exit-on-panic" => flag(false).hidden().accepted_only();
    DisableThp "disable-thp" => flag(true).immutable().accepted_only();
    ClusterAllowReplicaMigration "cluster-allow-replica-migration" => flag(true).accepted_only();
    ReplicaAnnounced "replica-announced" => flag(true).accepted_only();
    LatencyTracking "latency-tracking" => flag(true);
    AofDisableAutoGc "aof-disable-auto-gc" => flag(false);
    ReplicaIgnoreDiskWriteErrors "replica-ignore-disk-write-errors" => flag(false).accepted_only();
    TlsCluster "tls-cluster" => flag(false).accepted_only();
    TlsReplication "tls-replication" => flag(false).accepted_only();
    TlsPreferServerCiphers "tls-prefer-server-ciphers" => flag(false).accepted_only();
    TlsSessionCaching "tls-session-caching" => flag(true).accepted_only();
    // Texts.
    Aclfile "aclfile" => text("").immutable();
    Unixsocket "unixsocket" => unset().immutable();
    Pidfile "pidfile" => unset().immutable();
    ReplicaAnnounceIp "replica-announce-ip" => unset().aka(&["slave-announce-ip"]).accepted_only();
    Masteruser "masteruser" => unset().also(&["primaryuser"]).sensitive().accepted_only();
    ClusterAnnounceIp "cluster-announce-ip" => unset().accepted_only();
    ClusterConfigFile "cluster-config-file" => text("nodes.conf").immutable().accepted_only();
    ClusterAnnounceHostname "cluster-announce-hostname" => unset().rule(rules::host_name).accepted_only();
    SyslogIdent "syslog-ident" => text("redis").immutable().accepted_only();
    Dbfilename "dbfilename" => text("dump.rdb").rule(rules::db_file_name).protected();
    Appendfilename "appendfilename" => text("appendonly.aof").rule(rules::aof_file_name).immutable();
    Appenddirname "appenddirname" => text("appendonlydir").rule(rules::aof_dir_name).immutable();
    ServerCpulist "server_cpulist" => unset().also(&["server-cpulist"]).immutable().accepted_only();
    BioCpulist "bio_cpulist" => unset().also(&["bio-cpulist"]).immutable().accepted_only();
    AofRewriteCpulist "aof_rewrite_cpulist" => unset().also(&["aof-rewrite-cpulist"]).immutable().accepted_only();
    BgsaveCpulist "bgsave_cpulist" => unset().also(&["bgsave-cpulist"]).immutable().accepted_only();
    IgnoreWarnings "ignore-warnings" => text("").accepted_only();
    ProcTitleTemplate "proc-title-template" => text("{title} {listen-addr} {server-mode}").rule(rules::title_template).accepted_only();
    BindSourceAddr "bind-source-addr" => unset();
    Logfile "logfile" => text("").immutable();
    Masterauth "masterauth" => unset().binary().also(&["primaryauth"]).sensitive().accepted_only();
    Requirepass "requirepass" => unset().binary().sensitive();
    TlsCertFile "tls-cert-file" => unset().volatile().accepted_only();
    TlsKeyFile "tls-key-file" => unset().volatile().accepted_only();
    TlsKeyFilePass "tls-key-file-pass" => unset().accepted_only();
    TlsClientCertFile "tls-client-cert-file" => unset().volatile().accepted_only();
    TlsClientKeyFile "tls-client-key-file" => unset().volatile().accepted_only();
    TlsClientKeyFilePass "tls-client-key-file-pass" => unset().accepted_only();
    TlsDhParamsFile "tls-dh-params-file" => unset().volatile().accepted_only();
    TlsCaCertFile "tls-ca-cert-file" => unset().volatile().accepted_only();
    TlsCaCertDir "tls-ca-cert-dir" => unset().volatile().accepted_only();
    TlsProtocols "tls-protocols" => unset().accepted_only();
    TlsCiphers "tls-ciphers" => unset().accepted_only();
    TlsCiphersuites "tls-ciphersuites" => unset().accepted_only();
    // Names from a list.
    Supervised "supervised" => choice(Supervised::NAMES, Supervised::No as i64).immutable();
    SyslogFacility "syslog-facility" => choice(FACILITIES, 1).immutable().accepted_only();
    ReplDisklessLoad "repl-diskless-load" => choice(DISKLESS_LOAD, 0).deny_loading().accepted_only();
    Loglevel "loglevel" => choice(LogLevel::NAMES, LogLevel::Notice as i64);
    MaxmemoryPolicy "maxmemory-policy" => choice(MaxmemoryPolicy::NAMES, MaxmemoryPolicy::Noeviction as i64);
    Appendfsync "appendfsync" => choice(AppendFsync::NAMES, AppendFsync::Everysec as i64);
    OomScoreAdj "oom-score-adj" => choice(OOM_SCORE_ADJ, 0).accepted_only();
    AclPubsubDefault "acl-pubsub-default" => choice(PubsubDefault::NAMES, PubsubDefault::ResetChannels as i64);
    SanitizeDumpPayload "sanitize-dump-payload" => choice(SANITIZE, 0).accepted_only();
    EnableProtectedConfigs "enable-protected-configs" => choice(ProtectedAction::NAMES, ProtectedAction::No as i64).immutable();
    EnableDebugCommand "enable-debug-command" => choice(ProtectedAction::NAMES, ProtectedAction::No as i64).immutable();
    EnableModuleCommand "enable-module-command" => choice(ProtectedAction::NAMES, ProtectedAction::No as i64).immutable();
    ClusterPreferredEndpointType "cluster-preferred-endpoint-type" => choice(ENDPOINT_TYPES, 0).accepted_only();
    PropagationErrorBehavior "propagation-error-behavior" => choice(PROPAGATION_ERRORS, 0).accepted_only();
    ShutdownOnSigint "shutdown-on-sigint" => flags(ShutdownFlags::NAMES, 0, ShutdownFlags::check);
    ShutdownOnSigterm "shutdown-on-sigterm" => flags(ShutdownFlags::NAMES, 0, ShutdownFlags::check);
    TlsAuthClients "tls-auth-clients" => choice(TLS_AUTH, 1).accepted_only();
    // Numbers.
    Databases "databases" => int(16, 1, I32).immutable();
    Port "port" => int(6380, 0, 65_535);
    IoThreads "io-threads" => int(1, 1, 128).default_from(rules::io_threads).immutable();
    AutoAofRewritePercentage "auto-aof-rewrite-percentage" => int(100, 0, I32);
    ClusterReplicaValidityFactor "cluster-replica-validity-factor" => int(10, 0, I32).aka(&["cluster-slave-validity-factor"]).accepted_only();
    ListMaxListpackSize "list-max-listpack-size" => int(-2, -I32 - 1, I32).aka(&["list-max-ziplist-size"]);
    TcpKeepalive "tcp-keepalive" => int(300, 0, I32);
    ClusterMigrationBarrier "cluster-migration-barrier" => int(1, 0, I32).accepted_only();
    ActiveDefragCycleMin "active-defrag-cycle-min" => int(1, 1, 99).accepted_only();
    ActiveDefragCycleMax "active-defrag-cycle-max" => int(25, 1, 99).accepted_only();
    ActiveDefragThresholdLower "active-defrag-threshold-lower" => int(10, 0, 1000).accepted_only();
    ActiveDefragThresholdUpper "active-defrag-threshold-upper" => int(100, 0, 1000).accepted_only();
    LfuLogFactor "lfu-log-factor" => int(10, 0, I32);
    LfuDecayTime "lfu-decay-time" => int(1, 0, I32);
    ReplicaPriority "replica-priority" => int(100, 0, I32).aka(&["slave-priority"]).accepted_only();
    ReplDisklessSyncDelay "repl-diskless-sync-delay" => int(5, 0, I32).accepted_only();
    MaxmemorySamples "maxmemory-samples" => int(5, 1, I32);
    MaxmemoryEvictionTenacity "maxmemory-eviction-tenacity" => int(10, 0, 100).accepted_only();
    Timeout "timeout" => int(0, 0, I32);
    ReplicaAnnouncePort "replica-announce-port" => int(0, 0, 65_535).aka(&["slave-announce-port"]).accepted_only();
    TcpBacklog "tcp-backlog" => int(511, 0, I32).immutable();
    ClusterPort "cluster-port" => int(0, 0, 65_535).immutable().accepted_only();
    ClusterAnnounceBusPort "cluster-announce-bus-port" => int(0, 0, 65_535).accepted_only();
    ClusterAnnouncePort "cluster-announce-port" => int(0, 0, 65_535).accepted_only();
    ClusterAnnounceTlsPort "cluster-announce-tls-port" => int(0, 0, 65_535).accepted_only();
    ReplTimeout "repl-timeout" => int(60, 1, I32).accepted_only();
    ReplPingReplicaPeriod "repl-ping-replica-period" => int(10, 1, I32).aka(&["repl-ping-slave-period"]).accepted_only();
    ListCompressDepth "list-compress-depth" => int(0, 0, I32);
    RdbKeySaveDelay "rdb-key-save-delay" => int(0, -I32 - 1, I32).hidden();
    KeyLoadDelay "key-load-delay" => int(0, -I32 - 1, I32).hidden();
    ActiveExpireEffort "active-expire-effort" => int(1, 1, 10);
    Hz "hz" => int(10, 0, I32);
    MinReplicasToWrite "min-replicas-to-write" => int(0, 0, I32).aka(&["min-slaves-to-write"]).accepted_only();
    MinReplicasMaxLag "min-replicas-max-lag" => int(10, 0, I32).aka(&["min-slaves-max-lag"]).accepted_only();
    WatchdogPeriod "watchdog-period" => int(0, 0, I32).hidden().accepted_only();
    ShutdownTimeout "shutdown-timeout" => int(10, 0, I32);
    ReplDisklessSyncMaxReplicas "repl-diskless-sync-max-replicas" => int(0, 0, I32).accepted_only();
    Maxclients "maxclients" => int(10_000, 1, U32).unsigned();
    Unixsocketperm "unixsocketperm" => octal(0, 0, 0o777).immutable();
    SocketMarkId "socket-mark-id" => int(0, 0, U32).unsigned().immutable().accepted_only();
    ActiveDefragMaxScanFields "active-defrag-max-scan-fields" => int(1000, 1, I64).accepted_only();
    SlowlogMaxLen "slowlog-max-len" => int(128, 0, I64).also(&["commandlog-slow-execution-max-len"]);
    AcllogMaxLen "acllog-max-len" => int(128, 0, I64);
    BusyReplyThreshold "busy-reply-threshold" => int(5000, 0, I64).aka(&["lua-time-limit"]);
    ClusterNodeTimeout "cluster-node-timeout" => int(15_000, 0, I64).accepted_only();
    SlowlogLogSlowerThan "slowlog-log-slower-than" => int(10_000, -1, I64).also(&["commandlog-execution-slower-than"]);
    LatencyMonitorThreshold "latency-monitor-threshold" => int(0, 0, I64);
    ProtoMaxBulkLen "proto-max-bulk-len" => memory(512 * MIB, MIB, I64);
    StreamNodeMaxEntries "stream-node-max-entries" => int(100, 0, I64);
    ReplBacklogSize "repl-backlog-size" => memory(MIB, 1, I64).accepted_only();
    Maxmemory "maxmemory" => memory(0, 0, U64).unsigned();
    ClusterLinkSendbufLimit "cluster-link-sendbuf-limit" => memory(0, 0, U64).unsigned().accepted_only();
    HashMaxListpackEntries "hash-max-listpack-entries" => int(512, 0, I64).unsigned().aka(&["hash-max-ziplist-entries"]);
    SetMaxIntsetEntries "set-max-intset-entries" => int(512, 0, I64).unsigned();
    ZsetMaxListpackEntries "zset-max-listpack-entries" => int(128, 0, I64).unsigned().aka(&["zset-max-ziplist-entries"]);
    ActiveDefragIgnoreBytes "active-defrag-ignore-bytes" => memory(100 * MIB, 1, I64).unsigned().accepted_only();
    HashMaxListpackValue "hash-max-listpack-value" => memory(64, 0, I64).unsigned().aka(&["hash-max-ziplist-value"]);
    StreamNodeMaxBytes "stream-node-max-bytes" => memory(4096, 0, I64).unsigned();
    ZsetMaxListpackValue "zset-max-listpack-value" => memory(64, 0, I64).unsigned().aka(&["zset-max-ziplist-value"]);
    HllSparseMaxBytes "hll-sparse-max-bytes" => memory(3000, 0, I64).unsigned();
    TrackingTableMaxKeys "tracking-table-max-keys" => int(1_000_000, 0, I64).unsigned();
    ClientQueryBufferLimit "client-query-buffer-limit" => memory(GIB, MIB, I64).unsigned();
    MaxmemoryClients "maxmemory-clients" => memory_or_percent(0, -100, I64);
    ReplBacklogTtl "repl-backlog-ttl" => int(3600, 0, I64).accepted_only();
    AutoAofRewriteMinSize "auto-aof-rewrite-min-size" => memory(64 * MIB, 0, I64);
    LoadingProcessEventsIntervalBytes "loading-process-events-interval-bytes" => int(2 * MIB, 1024, I32).hidden().accepted_only();
    TlsPort "tls-port" => int(0, 0, 65_535).accepted_only();
    TlsSessionCacheSize "tls-session-cache-size" => int(20_480, 0, I32).accepted_only();
    TlsSessionCacheTimeout "tls-session-cache-timeout" => int(300, 0, I32).accepted_only();
    // Syntaxes of their own.
    Dir "dir" => special(Special::Dir).protected().deny_loading();
    Save "save" => special(Special::Save);
    ClientOutputBufferLimit "client-output-buffer-limit" => special(Special::OutputLimits);
    OomScoreAdjValues "oom-score-adj-values" => special(Special::OomScores).accepted_only();
    NotifyKeyspaceEvents "notify-keyspace-events" => special(Special::NotifyEvents);
    Bind "bind" => special(Special::Bind);
    Replicaof "replicaof" => special(Special::ReplicaOf).aka(&["slaveof"]).also(&["primaryof"]).immutable();
    LatencyTrackingInfoPercentiles "latency-tracking-info-percentiles" => special(Special::Percentiles);
    // Newer than the parameters above: brought by later servers, and set by their clients and tools. Those that can
    // not be set at run time are hidden, for tools set whatever a pattern shows them.
    SetMaxListpackEntries "set-max-listpack-entries" => int(128, 0, I64).unsigned();
    SetMaxListpackValue "set-max-listpack-value" => int(64, 0, I64).unsigned();
    LocaleCollate "locale-collate" => text("").accepted_only();
    ClusterAnnounceHumanNodename "cluster-announce-human-nodename" => unset().rule(rules::node_name).accepted_only();
    HideUserDataFromLog "hide-user-data-from-log" => flag(false).accepted_only();
    MaxNewConnectionsPerCycle "max-new-connections-per-cycle" => int(10, 1, 1000).unsigned().accepted_only();
    MaxNewTlsConnectionsPerCycle "max-new-tls-connections-per-cycle" => int(1, 1, 1000).unsigned().accepted_only();
    ReplicaFullSyncBufferLimit "replica-full-sync-buffer-limit" => memory(0, 0, U64).unsigned().accepted_only();
    Lookahead "lookahead" => int(16, 1, I32).unsigned().accepted_only();
    PrefetchBatchMaxSize "prefetch-batch-max-size" => int(16, 0, 128).accepted_only();
    ExtendedRedisCompatibility "extended-redis-compatibility" => flag(false).accepted_only();
    AvailabilityZone "availability-zone" => text("").accepted_only();
    DualChannelReplicationEnabled "dual-channel-replication-enabled" => flag(false).accepted_only();
    RdbVersionCheck "rdb-version-check" => choice(RDB_VERSION_CHECK, 0).accepted_only();
    LogFormat "log-format" => choice(LOG_FORMATS, 0).accepted_only();
    LogTimestampFormat "log-timestamp-format" => choice(LOG_TIMESTAMPS, 0).accepted_only();
    CommandlogRequestLargerThan "commandlog-request-larger-than" => int(MIB, -1, I64).accepted_only();
    CommandlogLargeRequestMaxLen "commandlog-large-request-max-len" => int(128, 0, I64).accepted_only();
    CommandlogReplyLargerThan "commandlog-reply-larger-than" => int(MIB, -1, I64).accepted_only();
    CommandlogLargeReplyMaxLen "commandlog-large-reply-max-len" => int(128, 0, I64).accepted_only();
    ClusterManualFailoverTimeout "cluster-manual-failover-timeout" => int(5000, 1, I32).accepted_only();
    ClusterDatabases "cluster-databases" => int(1, 1, I32).immutable().hidden().accepted_only();
    ClusterSlotStatsEnabled "cluster-slot-stats-enabled" => flag(false).accepted_only();
    ClientDefaultResp "client-default-resp" => int(2, 2, 3).unsigned().immutable().hidden().accepted_only();
}
