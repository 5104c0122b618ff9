//! `CONFIG SET`: values in and out for each type, and the refusals of the real server word for word.

use super::{FakeHost, defaults, get};
use crate::config::error::SetRefusal;
use crate::config::{ChangeSet, Config, ConfigSetError, Param, SetContext};
use proptest::prelude::*;

fn set(config: &mut Config, pairs: &[(&str, &str)]) -> Result<ChangeSet, ConfigSetError> {
    set_on(config, pairs, &mut FakeHost::new(), true, false)
}

fn set_on(
    config: &mut Config,
    pairs: &[(&str, &str)],
    host: &mut FakeHost,
    protected_allowed: bool,
    loading: bool,
) -> Result<ChangeSet, ConfigSetError> {
    let pairs: Vec<_> = pairs
        .iter()
        .map(|(name, value)| (name.as_bytes(), value.as_bytes()))
        .collect();
    let mut context = SetContext {
        protected_allowed,
        loading,
        host,
    };
    config.set_many(&pairs, &mut context)
}

/// A parameter, what is set, and what is answered.
const NORMAL_FORMS: &[(&str, &str, &str)] = &[
    ("appendonly", "YES", "yes"),
    ("timeout", "17", "17"),
    ("list-max-listpack-size", "-5", "-5"),
    ("maxmemory", "", "0"),
    ("maxmemory", "10", "10"),
    ("maxmemory", "10b", "10"),
    ("maxmemory", "1k", "1000"),
    ("maxmemory", "1Kb", "1024"),
    ("maxmemory", "2m", "2000000"),
    ("maxmemory", "2mb", "2097152"),
    ("maxmemory", "1g", "1000000000"),
    ("maxmemory", "1GB", "1073741824"),
    ("maxmemory", "18446744073709551615", "18446744073709551615"),
    ("maxmemory-clients", "5%", "5%"),
    ("maxmemory-clients", "1mb", "1048576"),
    ("maxclients", "4294967295", "4294967295"),
    ("hz", "1000", "500"),
    ("hz", "0", "1"),
    ("repl-backlog-size", "1", "16384"),
    ("loglevel", "VERBOSE", "verbose"),
    ("oom-score-adj", "relative", "yes"),
    ("shutdown-on-sigterm", "force now save", "save now force"),
    ("shutdown-on-sigterm", "default", "default"),
    ("save", "900 1 60 10", "900 1 60 10"),
    ("save", "", ""),
    (
        "client-output-buffer-limit",
        "replica 1mb 2kb 9 pubsub 1 2 3",
        "normal 0 0 0 slave 1048576 2048 9 pubsub 1 2 3",
    ),
    ("notify-keyspace-events", "mKxg", "gxKm"),
    ("notify-keyspace-events", "g$lshzxetdn", "A"),
    ("notify-keyspace-events", "KEA", "AKE"),
    ("notify-keyspace-events", "", ""),
    ("oom-score-adj-values", "1 2 -3", "1 2 -3"),
    (
        "latency-tracking-info-percentiles",
        "1.50 0 100",
        "1.5 0 100",
    ),
    ("latency-tracking-info-percentiles", "", ""),
    ("bind", "127.0.0.1 ::1", "127.0.0.1 ::1"),
    ("bind", "", ""),
    ("proc-title-template", "{{", "{{"),
    ("proc-title-template", "{port}", "{port}"),
    ("requirepass", "a\0b", "a\0b"),
    ("requirepass", "", ""),
    ("masteruser", "a\0b", "a"),
    ("hash-max-ziplist-entries", "7", "7"),
    ("dir", "data", "/data"),
];

#[test]
fn values_are_answered_in_their_normal_form() {
    for &(name, value, normal) in NORMAL_FORMS {
        let mut config = defaults();
        set(&mut config, &[(name, value)])
            .unwrap_or_else(|error| panic!("{name} {value:?}: {error}"));
        assert_eq!(get(&config, name), normal, "{name} {value:?}");
    }
}

/// What is set, and the reply's text.
type Refusal = (&'static [(&'static str, &'static str)], &'static str);

const REFUSALS: &[Refusal] = &[
    (
        &[("foo", "bar")],
        "Unknown option or number of arguments for CONFIG SET - 'foo'",
    ),
    (
        &[("Foo", "bar"), ("daemonize", "no")],
        "Unknown option or number of arguments for CONFIG SET - 'Foo'",
    ),
    (
        &[("DAEMONIZE", "yes")],
        "CONFIG SET failed (possibly related to argument 'DAEMONIZE') - can't set immutable config",
    ),
    (
        &[("replicaof", "a 1")],
        "CONFIG SET failed (possibly related to argument 'replicaof') - can't set immutable config",
    ),
    (
        &[("timeout", "1"), ("TIMEOUT", "2")],
        "CONFIG SET failed (possibly related to argument 'TIMEOUT') - duplicate parameter",
    ),
    (
        &[("appendonly", "maybe")],
        "CONFIG SET failed (possibly related to argument 'appendonly') - argument must be 'yes' or 'no'",
    ),
    (
        &[("timeout", "abc")],
        "CONFIG SET failed (possibly related to argument 'timeout') - argument couldn't be parsed into an integer",
    ),
    (
        &[("timeout", "01")],
        "CONFIG SET failed (possibly related to argument 'timeout') - argument couldn't be parsed into an integer",
    ),
    (
        &[("port", "70000")],
        "CONFIG SET failed (possibly related to argument 'port') - argument must be between 0 and 65535 inclusive",
    ),
    (
        &[("maxclients", "-1")],
        "CONFIG SET failed (possibly related to argument 'maxclients') - argument must be between 1 and 4294967295 inclusive",
    ),
    (
        &[("hash-max-listpack-entries", "-1")],
        "CONFIG SET failed (possibly related to argument 'hash-max-listpack-entries') - argument must be between 0 and 9223372036854775807 inclusive",
    ),
    (
        &[("list-max-listpack-size", "99999999999")],
        "CONFIG SET failed (possibly related to argument 'list-max-listpack-size') - argument must be between -2147483648 and 2147483647 inclusive",
    ),
    (
        &[("proto-max-bulk-len", "1")],
        "CONFIG SET failed (possibly related to argument 'proto-max-bulk-len') - argument must be between 1048576 and 9223372036854775807 inclusive",
    ),
    (
        &[("maxmemory", "-1")],
        "CONFIG SET failed (possibly related to argument 'maxmemory') - argument must be a memory value",
    ),
    (
        &[("maxmemory", "1x")],
        "CONFIG SET failed (possibly related to argument 'maxmemory') - argument must be a memory value",
    ),
    (
        &[("HASH-max-ziplist-value", "abc")],
        "CONFIG SET failed (possibly related to argument 'hash-max-ziplist-value') - argument must be a memory value",
    ),
    (
        &[("maxmemory-clients", "-1")],
        "CONFIG SET failed (possibly related to argument 'maxmemory-clients') - argument must be a memory or percent value",
    ),
    (
        &[("maxmemory-clients", "101%")],
        "CONFIG SET failed (possibly related to argument 'maxmemory-clients') - percentage argument must be less or equal to 100",
    ),
    (
        &[("maxmemory-policy", "foo")],
        "CONFIG SET failed (possibly related to argument 'maxmemory-policy') - argument(s) must be one of the following: volatile-lru, volatile-lfu, volatile-random, volatile-ttl, allkeys-lru, allkeys-lfu, allkeys-random, noeviction",
    ),
    (
        &[("shutdown-on-sigterm", "")],
        "CONFIG SET failed (possibly related to argument 'shutdown-on-sigterm') - argument(s) must be one of the following: default, save, nosave, now, force",
    ),
    (
        &[("shutdown-on-sigterm", "save nosave")],
        "CONFIG SET failed (possibly related to argument 'shutdown-on-sigterm') - shutdown options SAVE and NOSAVE can't be used simultaneously",
    ),
    (
        &[("save", "3600  1")],
        "CONFIG SET failed (possibly related to argument 'save') - Invalid save parameters",
    ),
    (
        &[("save", "900 1 300")],
        "CONFIG SET failed (possibly related to argument 'save') - Invalid save parameters",
    ),
    (
        &[("save", "0 1")],
        "CONFIG SET failed (possibly related to argument 'save') - Invalid save parameters",
    ),
    (
        &[("client-output-buffer-limit", "slave 1 2")],
        "CONFIG SET failed (possibly related to argument 'client-output-buffer-limit') - Wrong number of arguments in buffer limit configuration.",
    ),
    (
        &[("client-output-buffer-limit", "master 1 2 3")],
        "CONFIG SET failed (possibly related to argument 'client-output-buffer-limit') - Invalid client class specified in buffer limit configuration.",
    ),
    (
        &[("client-output-buffer-limit", "replica 1mb 2kb x")],
        "CONFIG SET failed (possibly related to argument 'client-output-buffer-limit') - Error in hard, soft or soft_seconds setting in buffer limit configuration.",
    ),
    (
        &[("notify-keyspace-events", "KEAq")],
        "CONFIG SET failed (possibly related to argument 'notify-keyspace-events') - Invalid event class character. Use 'Ag$lshzxeKEtmdn'.",
    ),
    (
        &[("oom-score-adj-values", "1 2")],
        "CONFIG SET failed (possibly related to argument 'oom-score-adj-values') - wrong number of arguments",
    ),
    (
        &[("oom-score-adj-values", "1 2 3000")],
        "CONFIG SET failed (possibly related to argument 'oom-score-adj-values') - Invalid oom-score-adj-values, elements must be between -2000 and 2000.",
    ),
    (
        &[("latency-tracking-info-percentiles", "50 foo")],
        "CONFIG SET failed (possibly related to argument 'latency-tracking-info-percentiles') - Invalid latency-tracking-info-percentiles parameters",
    ),
    (
        &[("latency-tracking-info-percentiles", "50 101")],
        "CONFIG SET failed (possibly related to argument 'latency-tracking-info-percentiles') - latency-tracking-info-percentiles parameters should sit between [0.0,100.0]",
    ),
    (
        &[("bind", "1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17")],
        "CONFIG SET failed (possibly related to argument 'bind') - Too many bind addresses specified.",
    ),
    (
        &[("proc-title-template", "{title}")],
        "CONFIG SET failed (possibly related to argument 'proc-title-template') - template format is invalid or contains unknown variables",
    ),
    (
        &[("proc-title-template", "{foo} x")],
        "CONFIG SET failed (possibly related to argument 'proc-title-template') - template format is invalid or contains unknown variables",
    ),
    (
        &[("proc-title-template", "x {")],
        "CONFIG SET failed (possibly related to argument 'proc-title-template') - template format is invalid or contains unknown variables",
    ),
    (
        &[("activedefrag", "yes")],
        "CONFIG SET failed (possibly related to argument 'activedefrag') - Active defragmentation cannot be enabled: it requires a Redis server compiled with a modified Jemalloc like the one shipped by default with the Redis source distribution",
    ),
    (
        &[("cluster-announce-hostname", "a b")],
        "CONFIG SET failed (possibly related to argument 'cluster-announce-hostname') - Hostnames may only contain alphanumeric characters, hyphens or dots",
    ),
    (
        &[("dir", "/none")],
        "CONFIG SET failed (possibly related to argument 'dir') - No such file or directory",
    ),
    (
        &[("dbfilename", "a/b")],
        "CONFIG SET failed (possibly related to argument 'dbfilename') - dbfilename can't be a path, just a filename",
    ),
];

#[test]
fn refusals_have_the_texts_of_redis_and_change_nothing() {
    for &(pairs, text) in REFUSALS {
        let mut config = defaults();
        let error = set(&mut config, pairs).expect_err(text);
        assert_eq!(error.to_string(), text);
        assert_eq!(config, defaults(), "{text}");
    }
}

#[test]
fn all_are_set_or_none() {
    let mut config = defaults();
    let mut host = FakeHost::new();
    let pairs = [
        ("dir", "/data"),
        ("timeout", "99"),
        ("hz", "20"),
        ("maxmemory", "x"),
    ];
    let error = set_on(&mut config, &pairs, &mut host, true, false).unwrap_err();
    assert_eq!(
        error.to_string(),
        "CONFIG SET failed (possibly related to argument 'maxmemory') - argument must be a memory value"
    );
    assert_eq!(config, defaults());
    assert_eq!(host.dir.to_str(), Some("/"));
}

#[test]
fn protected_parameters_need_permission() {
    for (name, value) in [("dir", "/data"), ("dbfilename", "x.rdb")] {
        let mut config = defaults();
        let error = set_on(
            &mut config,
            &[(name, value)],
            &mut FakeHost::new(),
            false,
            false,
        )
        .unwrap_err();
        let refused = ConfigSetError::Refused {
            name: name.into(),
            reason: SetRefusal::Protected,
        };
        assert_eq!(error, refused);
        assert_eq!(
            error.to_string(),
            format!(
                "CONFIG SET failed (possibly related to argument '{name}') - can't set protected config"
            )
        );
    }
}

#[test]
fn what_loading_forbids_is_refused_as_loading() {
    let mut config = defaults();
    let error = set_on(
        &mut config,
        &[("appendonly", "yes")],
        &mut FakeHost::new(),
        true,
        true,
    );
    assert_eq!(error, Err(ConfigSetError::Loading));
    let other = set_on(
        &mut config,
        &[("timeout", "3")],
        &mut FakeHost::new(),
        true,
        true,
    );
    assert!(other.is_ok());
}

#[test]
fn changes_name_what_differs_and_can_be_taken_back() {
    let mut config = defaults();
    let mut host = FakeHost::new();
    let pairs = [
        ("timeout", "0"),
        ("maxclients", "50"),
        ("dir", "/data"),
        ("tls-cert-file", ""),
    ];
    let changes = set_on(&mut config, &pairs, &mut host, true, false).unwrap();
    assert_eq!(
        changes.changed,
        [Param::Maxclients, Param::Dir, Param::TlsCertFile]
    );
    assert!(changes.contains(Param::Dir) && !changes.contains(Param::Timeout));
    config.undo(&changes, &mut host);
    assert_eq!(config, defaults());
    assert_eq!(host.dir.to_str(), Some("/"));
    let error = ConfigSetError::apply("bind", "Failed to bind to specified addresses.");
    assert_eq!(
        error.to_string(),
        "CONFIG SET failed (possibly related to argument 'bind') - Failed to bind to specified addresses."
    );
}

#[test]
fn an_alias_beside_its_name_is_no_repetition_and_the_last_wins() {
    let mut config = defaults();
    let pairs = [
        ("hash-max-ziplist-entries", "1"),
        ("hash-max-listpack-entries", "2"),
    ];
    let changes = set(&mut config, &pairs).unwrap();
    assert_eq!(changes.changed, [Param::HashMaxListpackEntries]);
    assert_eq!(config.hash_max_listpack_entries(), 2);
}

#[test]
fn the_name_of_a_refusal_may_be_any_bytes() {
    let mut host = FakeHost::new();
    let mut context = SetContext {
        protected_allowed: false,
        loading: false,
        host: &mut host,
    };
    let error = defaults()
        .set_many(&[(b"\xff", b"")], &mut context)
        .unwrap_err();
    let text = b"Unknown option or number of arguments for CONFIG SET - '\xff'";
    assert_eq!(error.message(), text);
}

proptest! {
    /// Whatever is set, in any parameter: it is refused, or its normal form is a fixed point.
    #[test]
    fn normal_forms_are_fixed_points(
        index in 0..Param::ALL.len(),
        value in prop_oneof![
            "[0-9]{1,20}(b|k|mb|%)?",
            "-?[0-9a-z ]{0,12}",
            "[Ag$lshzxeKEtmdn]{0,6}",
            "(normal|replica|pubsub) [0-9]{1,3}kb [0-9]{1,9} [0-9]{1,3}",
        ],
    ) {
        let spec = crate::config::Spec::of(Param::ALL[index]);
        let mut config = defaults();
        if set(&mut config, &[(spec.name, &value)]).is_ok() {
            let normal = get(&config, spec.name);
            let again = set(&mut config, &[(spec.name, &normal)]);
            prop_assert!(again.is_ok(), "{} {:?}", spec.name, normal);
            prop_assert_eq!(get(&config, spec.name), normal);
        }
    }
}
