//! The table tests itself, and is compared with `CONFIG GET *` of the real server.

use std::collections::{BTreeMap, BTreeSet};

use super::{defaults, get, simple_match};
use crate::config::getters::READ;
use crate::config::spec::Kind;
use crate::config::{Config, Param, Spec, Value};

/// What a fresh Redis 7.0.15 answers, with its default port, in the foreground, on no file and no socket.
const REDIS_7: &str = include_str!("../testdata/redis-7.0.15-config-get.tsv");

/// Where this server differs, and why.
const DIFFERENT: &[(&str, &str)] = &[
    ("port", "it runs beside the real one"),
    (
        "io-threads",
        "threads are this server's normal way to serve",
    ),
    ("dir", "it is where the test runs"),
];

/// Parameters of later servers.
const NEWER: &[&str] = &[
    "set-max-listpack-entries",
    "set-max-listpack-value",
    "locale-collate",
    "cluster-announce-human-nodename",
    "hide-user-data-from-log",
    "max-new-connections-per-cycle",
    "max-new-tls-connections-per-cycle",
    "replica-full-sync-buffer-limit",
    "lookahead",
    "prefetch-batch-max-size",
    "extended-redis-compatibility",
    "availability-zone",
    "dual-channel-replication-enabled",
    "rdb-version-check",
    "log-format",
    "log-timestamp-format",
    "commandlog-request-larger-than",
    "commandlog-large-request-max-len",
    "commandlog-reply-larger-than",
    "commandlog-large-reply-max-len",
    "cluster-manual-failover-timeout",
    "cluster-slot-stats-enabled",
];

fn all(config: &Config) -> BTreeMap<String, String> {
    let text = |bytes| String::from_utf8(bytes).unwrap();
    let found = config.get(&[b"*"], simple_match);
    found
        .into_iter()
        .map(|(name, value)| (text(name), text(value)))
        .collect()
}

#[test]
fn defaults_are_those_of_redis() {
    let mut ours = all(&defaults());
    for line in REDIS_7.lines() {
        let (name, theirs) = line.split_once('\t').unwrap();
        let ours = ours.remove(name);
        if !DIFFERENT.iter().any(|(different, _)| *different == name) {
            assert_eq!(ours.as_deref(), Some(theirs), "{name}");
        }
    }
    let newer: BTreeSet<_> = ours.keys().map(String::as_str).collect();
    assert_eq!(newer, NEWER.iter().copied().collect());
}

#[test]
fn what_differs_from_redis_has_the_value_meant() {
    assert_eq!(get(&defaults(), "port"), "6380");
    assert_eq!(get(&defaults(), "dir"), "/");
    assert!((1..=4).contains(&defaults().io_threads()));
}

#[test]
fn names_are_unique_and_lead_to_their_parameter() {
    let mut seen = BTreeSet::new();
    for &param in Param::ALL {
        for name in Spec::of(param).all_names() {
            assert!(seen.insert(name), "{name} is there twice");
            assert_eq!(name, name.to_ascii_lowercase());
            let shouted = name.to_ascii_uppercase();
            assert_eq!(Spec::find(shouted.as_bytes()), Some((param, name)));
        }
    }
}

#[test]
fn every_default_is_read_from_its_normal_form() {
    for &param in Param::ALL {
        let spec = Spec::of(param);
        let value = Value::default_of(spec);
        let text = value.format(spec);
        let words: Vec<&[u8]> = match spec.takes_many_words() {
            true if text.is_empty() => vec![b""],
            true => text.split(|&byte| byte == b' ').collect(),
            false => vec![&text],
        };
        let read = Value::parse(spec, &words, &value);
        match (param, read) {
            // These have no form for what they are by default: nowhere, and nobody's replica.
            (Param::Dir, _) => {}
            (Param::Replicaof, read) => assert!(read.is_err()),
            (_, read) => assert_eq!(read.as_ref(), Ok(&value), "{}", spec.name),
        }
    }
}

#[test]
fn a_parameter_is_marked_accepted_only_if_nothing_can_read_it() {
    for &param in Param::ALL {
        let spec = Spec::of(param);
        assert_eq!(spec.accepted_only, !READ.contains(&param), "{}", spec.name);
    }
}

#[test]
fn choices_have_a_name_for_their_default() {
    for &param in Param::ALL {
        let spec = Spec::of(param);
        if let Kind::Choice { names, default } | Kind::Flags { names, default, .. } = spec.kind {
            assert!(
                names.iter().any(|(_, code)| *code == default),
                "{}",
                spec.name
            );
        }
    }
}

#[test]
fn getters_have_the_types_of_the_server() {
    use crate::config::choices::*;
    let config = defaults();
    assert_eq!(config.port(), 6380);
    assert_eq!(config.databases(), 16);
    assert_eq!(config.list_max_listpack_size(), -2);
    assert_eq!(config.maxmemory_policy(), MaxmemoryPolicy::Noeviction);
    assert_eq!(config.loglevel(), LogLevel::Notice);
    assert_eq!(config.requirepass(), None);
    assert_eq!(config.dbfilename(), Some(&b"dump.rdb"[..]));
    assert_eq!(config.bind().len(), 2);
    assert_eq!(config.save_points().len(), 3);
    assert_eq!(config.proto_max_bulk_len(), 512 << 20);
    let limits = config.client_output_buffer_limits();
    assert_eq!(limits[ClientClass::Pubsub as usize].hard_bytes, 32 << 20);
    assert!(!config.shutdown_on_sigterm().save());
    assert!(config.protected_mode());
    assert!(config.enable_debug_command() == ProtectedAction::No);
}

#[test]
fn get_finds_names_and_patterns_once_each() {
    let names = |patterns: &[&str]| -> Vec<String> {
        let patterns: Vec<_> = patterns.iter().map(|pattern| pattern.as_bytes()).collect();
        let found = defaults().get(&patterns, simple_match);
        found
            .into_iter()
            .map(|(name, _)| String::from_utf8(name).unwrap())
            .collect()
    };
    assert_eq!(names(&["PORT"]), ["PORT"]);
    assert_eq!(names(&["TIME*", "timeout"]), ["timeout"]);
    assert_eq!(names(&["timeout", "time*"]), ["timeout"]);
    assert_eq!(names(&["HZ", "hz"]), ["HZ"]);
    assert_eq!(
        names(&["hash-max-z*"]),
        ["hash-max-ziplist-entries", "hash-max-ziplist-value"]
    );
    assert_eq!(names(&["watchdog-period"]), ["watchdog-period"]);
    assert_eq!(
        names(&["watchdog-period*", "nothing", "server-cpulist*"]),
        [""; 0]
    );
    assert_eq!(
        names(&["server-cpulist", "primaryuser"]),
        ["server-cpulist", "primaryuser"]
    );
}

#[test]
fn secrets_are_known_by_all_their_names() {
    for name in ["requirepass", "MASTERAUTH", "masteruser", "primaryauth"] {
        assert!(Spec::is_sensitive(name.as_bytes()), "{name}");
    }
    assert!(!Spec::is_sensitive(b"port"));
}
