//! Keyspace notifications: which events commands have, in which order, in which class.
//!
//! A table's row is a line of commands, run on an empty data set, with the events that follow from them: each with its
//! key, and the database where it is not 0.

mod common;

use common::{Connection, Reply, Server};

type Row = (&'static str, &'static str);

/// A server whose events of these classes are heard.
struct Ear {
    server: Server,
    actor: Connection,
    listener: Connection,
}

impl Ear {
    fn new(classes: &str) -> Ear {
        let server = Server::start(&[
            "--notify-keyspace-events",
            classes,
            "--enable-debug-command",
            "yes",
        ]);
        let (actor, mut listener) = (server.connect(), server.connect());
        listener.run("PSUBSCRIBE __key*");
        listener.run("SUBSCRIBE end");
        Ear {
            server,
            actor,
            listener,
        }
    }

    /// What is heard up to now: channels and messages, those of keyevent channels as `event key@database`.
    fn heard(&mut self) -> Vec<String> {
        let told = self.server.connect().run("PUBLISH end now");
        assert_eq!(told.to_string(), ":1");
        let mut heard = Vec::new();
        loop {
            let Reply::Array(words) = self.listener.read() else {
                panic!("a message is an array");
            };
            let word = |at: usize| match words.get(at) {
                Some(Reply::Bulk(bytes)) => String::from_utf8_lossy(bytes).into_owned(),
                other => panic!("a message has no such word: {other:?}"),
            };
            if word(0) == "message" {
                return heard;
            }
            heard.push(shown(&word(2), &word(3)));
        }
    }

    #[track_caller]
    fn check(&mut self, table: &[Row]) {
        for (line, want) in table {
            self.actor.run("FLUSHALL");
            self.heard();
            for command in line.split("; ") {
                self.actor.run(command);
            }
            assert_eq!(self.heard().join(", "), *want, "{line}");
        }
    }
}

fn shown(channel: &str, message: &str) -> String {
    let Some((database, event)) = channel
        .strip_prefix("__keyevent@")
        .and_then(|rest| rest.split_once("__:"))
    else {
        return format!("{channel} {message}");
    };
    match database {
        "0" => format!("{event} {message}"),
        other => format!("{event} {message}@{other}"),
    }
}

/// Whether the server under test is this one, which knows more than Redis 7.0.
fn is_own() -> bool {
    std::env::var_os("TEST_SERVER").is_none()
}

#[test]
fn every_change_has_its_events() {
    let mut ear = Ear::new("EAn");
    for table in [STRINGS, LISTS, SETS, SORTED_SETS, HASHES, STREAMS, NESTED] {
        ear.check(table);
    }
    if is_own() {
        ear.check(NEWER_STREAMS);
    }
}

#[test]
fn a_key_that_is_looked_for_in_vain_is_an_event() {
    Ear::new("Em").check(MISSES);
}

#[test]
fn a_value_that_gives_way_is_an_event() {
    if is_own() {
        Ear::new("Eoc$g").check(OVERWRITTEN);
    }
}

#[test]
fn fields_with_deadlines_have_events() {
    if is_own() {
        Ear::new("EA").check(FIELD_DEADLINES);
    }
}

#[test]
fn only_the_classes_asked_for_are_published() {
    for (classes, want) in [
        ("", ""),
        ("A", ""),
        ("E", ""),
        ("El", "lpush l, lpop l"),
        ("Eg", "del l, expire s"),
        ("E$", "set s, incrby s"),
        ("Kl", "__keyspace@0__:l lpush, __keyspace@0__:l lpop"),
        (
            "KEg",
            "__keyspace@0__:l del, del l, __keyspace@0__:s expire, expire s",
        ),
        ("En", "new l, new s"),
        ("Exez", ""),
    ] {
        let row = "LPUSH l x; LPOP l; SET s 1; INCR s; EXPIRE s 100";
        Ear::new(classes).check(&[(row, want)]);
    }
}

#[test]
fn config_set_begins_and_ends_it() {
    let mut ear = Ear::new("");
    ear.check(&[("SET a 1", "")]);
    ear.actor.run("CONFIG SET notify-keyspace-events E$");
    ear.check(&[("SET a 1", "set a")]);
    ear.actor.run("CONFIG SET notify-keyspace-events ''");
    ear.check(&[("SET a 1", "")]);
}

#[test]
fn expiry_is_an_event_whether_seen_or_swept() {
    let mut ear = Ear::new("Ex");
    ear.actor.run("DEBUG SET-ACTIVE-EXPIRE 0");
    ear.actor.run("SET seen 1 PX 1");
    while ear.actor.run("EXISTS seen") != Reply::Integer(0) {}
    assert_eq!(ear.heard(), ["expired seen"]);
    ear.actor.run("DEBUG SET-ACTIVE-EXPIRE 1");
    ear.actor.run("SET swept 1 PX 1");
    let message = ear.listener.read().to_string();
    assert_eq!(
        message,
        r#"["pmessage", "__key*", "__keyevent@0__:expired", "swept"]"#
    );
}

#[test]
fn the_letters_have_a_normal_form() {
    let server = Server::start(&[]);
    let mut connection = server.connect();
    let mut table = vec![
        ("gKE", "gKE"),
        ("$lshzxeKE", "$lshzxeKE"),
        ("KA", "AK"),
        ("nKEm", "nKEm"),
        ("AnKE", "AKE"),
        ("", ""),
    ];
    if is_own() {
        table.extend([("coE", "ocE"), ("AcoK", "AK"), ("mncoK", "nocKm")]);
    }
    for (letters, want) in table {
        connection.run(&format!("CONFIG SET notify-keyspace-events '{letters}'"));
        let answer = connection.run("CONFIG GET notify-keyspace-events");
        let want = format!(r#"["notify-keyspace-events", "{want}"]"#);
        assert_eq!(answer.to_string(), want, "{letters}");
    }
}

const STRINGS: &[Row] = &[
    (
        "SET a 1; SET a 2; SET a 3 EX 100; SET a 4 KEEPTTL; SET a 5 GET; SET a 6 NX; SET b 1 XX; SET b 1 PXAT 1",
        "new a, set a, set a, set a, expire a, set a, set a, new b, set b, expire b",
    ),
    (
        "SETNX a 1; SETNX a 2; SETEX a 10 1; PSETEX a 10000 1; GETSET a 2; GETSET b 1",
        "new a, set a, set a, expire a, set a, expire a, set a, new b, set b",
    ),
    (
        "APPEND a x; APPEND a y; APPEND a ''; SETRANGE a 1 zz; SETRANGE a 1 ''; SETRANGE b 0 ''; SETRANGE b 3 x",
        "new a, append a, append a, append a, setrange a, new b, setrange b",
    ),
    (
        "INCR a; DECR a; INCRBY a 5; DECRBY a 5; INCRBYFLOAT a 1.5; GETRANGE a 0 -1; STRLEN a",
        "new a, incrby a, incrby a, incrby a, incrby a, incrbyfloat a",
    ),
    (
        "MSET a 1 b 2 a 3; MSETNX a 1 c 2; MSETNX c 1 d 2",
        "new a, set a, new b, set b, set a, new c, set c, new d, set d",
    ),
    (
        "SET a 1; GETDEL a; GETDEL a; SET a 1; GETEX a; GETEX a EX 100; GETEX a PERSIST; GETEX a PERSIST; GETEX a EXAT 1",
        "new a, set a, del a, new a, set a, expire a, persist a, del a",
    ),
    (
        "SETBIT a 7 1; SETBIT a 7 1; SETBIT a 100 0; SETBIT b 0 0; BITFIELD a SET u8 0 255; BITFIELD a GET u8 0; BITFIELD a SET u8 0 255; BITFIELD c INCRBY u8 8 1",
        "new a, setbit a, setbit a, new b, setbit b, setbit a, new c, setbit c",
    ),
    (
        "SET a foo; BITOP AND c a b; BITOP NOT c a; BITOP AND c x y; BITOP AND c x y",
        "new a, set a, new c, set c, set c, del c",
    ),
    (
        "PFADD a x y; PFADD a x; PFADD b; PFADD b; PFCOUNT a; PFMERGE c a b; PFMERGE c",
        "new a, pfadd a, new b, pfadd b, new c, pfadd c, pfadd c",
    ),
    (
        "DEL a; SET a 1; SET b 1; DEL a b c; SET a 1; UNLINK a b; SET a 1; TOUCH a; EXISTS a; TYPE a; OBJECT ENCODING a",
        "new a, set a, new b, set b, del a, del b, new a, set a, del a, new a, set a",
    ),
    (
        "SET a 1; RENAME a b; SET c 1; RENAME b c; RENAME c c; RENAMENX c d; SET e 1; RENAMENX d e",
        "new a, set a, new b, rename_from a, rename_to b, new c, set c, new c, rename_from b, rename_to c, new d, rename_from c, rename_to d, new e, set e",
    ),
    (
        "SET a 1; COPY a b; COPY a b; COPY a b REPLACE; COPY a b DB 1; COPY a b DB 1 REPLACE",
        "new a, set a, new b, copy_to b, new b, copy_to b, new b@1, copy_to b@1, new b@1, copy_to b@1",
    ),
    (
        "SET a 1; MOVE a 1; SET a 1; MOVE a 1; MOVE z 1; SELECT 1; DEL a; SELECT 0",
        "new a, set a, new a@1, move_from a, move_to a@1, new a, set a, del a@1",
    ),
    (
        "SET a 1; EXPIRE a 100; EXPIRE a 50 GT; PEXPIRE a 100000; EXPIREAT a 9999999999; PEXPIREAT a 9999999999999; PERSIST a; PERSIST a; EXPIRE z 10; EXPIRE a -1; SET a 1; PEXPIREAT a 1",
        "new a, set a, expire a, expire a, expire a, expire a, persist a, del a, new a, set a, del a",
    ),
    (
        "SET a 1; HSET b f 1; LPUSH a x; INCR b; HSET a f v; FLUSHALL; SET a 1; SWAPDB 0 1; SWAPDB 0 1",
        "new a, set a, new b, hset b, new a, set a",
    ),
    (
        "SET s 1; SADD t 1; SUNIONSTORE s t; SET t 1; RENAME s t; MSET t 1; LPUSH l 1; COPY l t REPLACE",
        "new s, set s, new t, sadd t, sunionstore s, set t, new t, rename_from s, rename_to t, set t, new l, lpush l, new t, copy_to t",
    ),
];

const LISTS: &[Row] = &[
    (
        "LPUSH a 1 2; RPUSH a 3; LPUSHX a 4; RPUSHX a 5; LPUSHX b 1; LLEN a; LPOP a; RPOP a 2; LPOP a 0; LPOP b; LPOP a 10",
        "new a, lpush a, rpush a, lpush a, rpush a, lpop a, rpop a, lpop a, del a",
    ),
    (
        "RPUSH a 1 2 3 2; LSET a 0 9; LINSERT a BEFORE 9 8; LINSERT a AFTER 7 8; LREM a 0 7; LREM a 1 2; LTRIM a 0 -1; LTRIM a 1 2; LREM a 0 3; LTRIM a 5 6",
        "new a, rpush a, lset a, linsert a, lrem a, ltrim a, ltrim a, lrem a, ltrim a, del a",
    ),
    (
        "RPUSH a 1 2; LMOVE a b LEFT RIGHT; LMOVE a a RIGHT LEFT; RPOPLPUSH a b; RPOPLPUSH a b; LMOVE b c RIGHT RIGHT",
        "new a, rpush a, new b, rpush b, lpop a, lpush a, rpop a, lpush b, rpop a, del a, new c, rpush c, rpop b",
    ),
    (
        "RPUSH a 1 2; LMPOP 2 b a LEFT; LMPOP 1 a RIGHT COUNT 5; RPUSH a 1; BLPOP a 0; RPUSH a 1; BRPOP a 0",
        "new a, rpush a, lpop a, rpop a, del a, new a, rpush a, lpop a, del a, new a, rpush a, rpop a, del a",
    ),
    (
        "RPUSH a 3 1 2; SORT a STORE b; SORT a STORE b; SORT z STORE b; SORT z STORE b; SORT a",
        "new a, rpush a, new b, sortstore b, sortstore b, del b",
    ),
];

const SETS: &[Row] = &[
    (
        "SADD a 1 2; SADD a 1; SADD a x; SREM a 9; SREM a 1; SREM a 2 x; SREM a 1",
        "new a, sadd a, sadd a, srem a, srem a, del a",
    ),
    (
        "SADD a 1 2; SADD b 1; SMOVE a b 1; SMOVE a b 9; SMOVE a c 2; SMOVE c c 2; SADD a 5; SMOVE a a 5",
        "new a, sadd a, new b, sadd b, srem a, srem a, del a, new c, sadd c, new a, sadd a",
    ),
    (
        "SADD a 1 2 3; SPOP a; SPOP a 0; SPOP a 1; SPOP a 5; SPOP a; SADD a 1; SPOP a; SADD a 1 2; SPOP a 2",
        "new a, sadd a, spop a, spop a, spop a, del a, new a, sadd a, spop a, del a, new a, sadd a, spop a, del a",
    ),
    (
        "SADD a 1 2; SADD b 2 3; SINTERSTORE c a b; SINTERSTORE c a b; SUNIONSTORE c a b; SDIFFSTORE c a b; SDIFFSTORE c z a; SDIFFSTORE c z a; SINTERSTORE c z a; SINTERSTORE a a z; SUNIONSTORE c x y",
        "new a, sadd a, new b, sadd b, new c, sinterstore c, sinterstore c, sunionstore c, sdiffstore c, del c, del a",
    ),
];

const SORTED_SETS: &[Row] = &[
    (
        "ZADD a 1 x; ZADD a 1 x; ZADD a 2 x; ZADD a XX 3 y; ZADD a NX 3 x; ZADD b XX 1 x; ZINCRBY a 1 x; ZADD a INCR 1 x; ZINCRBY c 1 x; ZADD a NX INCR 5 x; ZINCRBY a 0 x",
        "new a, zadd a, zadd a, zincr a, zincr a, new c, zincr c",
    ),
    (
        "ZADD a 1 a 2 b 3 c 4 d; ZREM a z; ZREM a a; ZREMRANGEBYRANK a 0 0; ZREMRANGEBYSCORE a 3 3; ZREMRANGEBYSCORE a 100 200; ZREM a d; ZADD a 0 a 0 b; ZREMRANGEBYLEX a [a [a; ZREMRANGEBYRANK a 0 -1; ZADD a 0 a; ZREMRANGEBYSCORE a 0 0",
        "new a, zadd a, zrem a, zremrangebyrank a, zremrangebyscore a, zrem a, del a, new a, zadd a, zremrangebylex a, zremrangebyrank a, del a, new a, zadd a, zremrangebyscore a, del a",
    ),
    (
        "ZADD a 1 a 2 b 3 c; ZPOPMIN a; ZPOPMAX a 1; ZPOPMIN a 0; ZPOPMIN a 5; ZPOPMIN a; ZADD a 1 a 2 b; ZMPOP 2 z a MIN; ZMPOP 1 a MAX COUNT 5; ZMPOP 1 a MIN",
        "new a, zadd a, zpopmin a, zpopmax a, zpopmin a, del a, new a, zadd a, zpopmin a, zpopmax a, del a",
    ),
    (
        "ZADD a 1 x 2 y; ZADD b 1 y 2 z; ZUNIONSTORE c 2 a b; ZINTERSTORE c 2 a b; ZDIFFSTORE c 2 a b; ZINTERSTORE c 2 a q; ZINTERSTORE c 2 a q; ZRANGESTORE c a 0 -1; ZRANGESTORE c a 5 6; ZRANGESTORE c a 5 6",
        "new a, zadd a, new b, zadd b, new c, zunionstore c, zinterstore c, zdiffstore c, del c, new c, zrangestore c, del c",
    ),
    (
        "GEOADD a 1 1 x; GEOADD a 1 1 x; GEOADD a CH 2 2 x; GEOSEARCHSTORE b a FROMLONLAT 2 2 BYRADIUS 10 km; GEOSEARCHSTORE b a FROMLONLAT 50 50 BYRADIUS 1 m; GEORADIUS a 2 2 10 km STORE b; GEORADIUS a 50 50 1 m STORE b; GEORADIUS z 50 50 1 m STORE b; GEORADIUS a 2 2 10 km STORE b; GEORADIUS z 50 50 1 m STORE b; GEORADIUSBYMEMBER a x 10 km STOREDIST b",
        "new a, zadd a, zadd a, new b, geosearchstore b, del b, new b, georadiusstore b, del b, new b, georadiusstore b, del b, new b, georadiusstore b",
    ),
];

const HASHES: &[Row] = &[(
    "HSET a f 1; HSET a f 1; HMSET a g 2 h 3; HSETNX a f 1; HSETNX a i 1; HINCRBY a n 1; HINCRBYFLOAT a n 1.5; HDEL a z; HDEL a f; HDEL a g h i n; HDEL a f; HINCRBY b n 1; HSETNX c f 1",
    "new a, hset a, hset a, hset a, hset a, hincrby a, hincrbyfloat a, hdel a, hdel a, del a, new b, hincrby b, new c, hset c",
)];

const STREAMS: &[Row] = &[
    (
        "XADD a 1-1 f v; XADD a 2-1 f v; XADD a MAXLEN 1 3-1 f v; XADD a MAXLEN 5 4-1 f v; XADD b NOMKSTREAM 1-1 f v; XDEL a 9-9; XDEL a 3-1; XTRIM a MAXLEN 5; XTRIM a MAXLEN 0; XSETID a 9-1",
        "new a, xadd a, xadd a, xadd a, xtrim a, xadd a, xdel a, xtrim a, xsetid a",
    ),
    (
        "XGROUP CREATE a g $ MKSTREAM; XGROUP CREATE a h $; XGROUP CREATE a h $; XGROUP SETID a g 0; XGROUP CREATECONSUMER a g c; XGROUP CREATECONSUMER a g c; XADD a 1-1 f v; XREADGROUP GROUP g d STREAMS a >; XACK a g 1-1; XGROUP DELCONSUMER a g c; XGROUP DELCONSUMER a g c; XGROUP DESTROY a h; XGROUP DESTROY a h",
        "new a, xgroup-create a, xgroup-create a, xgroup-setid a, xgroup-createconsumer a, xadd a, xgroup-createconsumer a, xgroup-delconsumer a, xgroup-destroy a",
    ),
    (
        "XADD a 1-1 f v; XGROUP CREATE a g 0; XREADGROUP GROUP g c STREAMS a >; XCLAIM a g d 0 1-1; XCLAIM a g d 0 1-1; XAUTOCLAIM a g e 0 0; XAUTOCLAIM a g e 0 0; XDEL a 1-1; XREADGROUP GROUP g h STREAMS a 0",
        "new a, xadd a, xgroup-create a, xgroup-createconsumer a, xgroup-createconsumer a, xgroup-createconsumer a, xdel a, xgroup-createconsumer a",
    ),
];

/// Of entries that were gone, or stay, there is nothing to tell.
const NEWER_STREAMS: &[Row] = &[(
    "XADD a 1-1 f v; XADD a 2-1 f v; XADD a 3-1 f v; XGROUP CREATE a g 0; XGROUP CREATE a h 0; XREADGROUP GROUP g c STREAMS a >; XREADGROUP GROUP h c STREAMS a >; XACKDEL a g ACKED IDS 1 1-1; XDEL a 1-1; XACKDEL a h KEEPREF IDS 1 1-1; XDEL a 2-1; XDELEX a DELREF IDS 1 2-1; XACKDEL a g DELREF IDS 1 3-1; XDELEX a IDS 1 3-1",
    "new a, xadd a, xadd a, xadd a, xgroup-create a, xgroup-create a, xgroup-createconsumer a, xgroup-createconsumer a, xdel a, xdel a, xdel a",
)];

/// Commands that wait, and those that are run by others.
const NESTED: &[Row] = &[
    (
        "RPUSH a 1 2 3; BLMOVE a b LEFT RIGHT 0; BRPOPLPUSH a b 0; BLMPOP 0 2 z b LEFT COUNT 5; BLMPOP 0 1 a RIGHT",
        "new a, rpush a, new b, rpush b, lpop a, lpush b, rpop a, lpop b, del b, rpop a, del a",
    ),
    (
        "ZADD a 1 x 2 y 3 z; BZPOPMIN a 0; BZPOPMAX a 0; BZMPOP 0 2 q a MIN COUNT 3",
        "new a, zadd a, zpopmin a, zpopmax a, zpopmin a, del a",
    ),
    (
        "MULTI; SET a 1; INCR a; DEL a; EXEC",
        "new a, set a, incrby a, del a",
    ),
    (
        "EVAL \"redis.call('set',KEYS[1],1) redis.call('del',KEYS[1])\" 1 a",
        "new a, set a, del a",
    ),
];

const MISSES: &[Row] = &[
    (
        "GET a; STRLEN a; GETRANGE a 0 1; MGET a b; EXISTS a b; TTL a; TYPE a; OBJECT ENCODING a; TOUCH a; EXPIRETIME a",
        "keymiss a, keymiss a, keymiss a, keymiss a, keymiss b, keymiss a, keymiss b, keymiss a, keymiss a, keymiss a, keymiss a",
    ),
    (
        "SET a 1 GET; DEL a; GETSET a 1; DEL a; GETDEL a; GETEX a; SET a 1 XX; SETNX a 1; APPEND b x; INCR c; SETRANGE d 0 x",
        "keymiss a, keymiss a, keymiss a, keymiss a",
    ),
    (
        "LRANGE a 0 1; LLEN a; LPOS a x; LINDEX a 0; LPUSHX a 1; LPOP a; LMPOP 1 a LEFT; LSET a 0 x; LINSERT a BEFORE x y; LTRIM a 0 1; LREM a 0 x; LMOVE a b LEFT LEFT; RPOPLPUSH a b; BLPOP a 0.01",
        "keymiss a, keymiss a, keymiss a, keymiss a",
    ),
    (
        "SMEMBERS a; SCARD a; SISMEMBER a x; SMISMEMBER a x; SINTER a b; SUNION a b; SDIFF a b; SINTERCARD 2 a b; SRANDMEMBER a; SRANDMEMBER a 2; SPOP a; SPOP a 2; SREM a x; SMOVE a b x; SUNIONSTORE c a b; SINTERSTORE c a b; SDIFFSTORE c a b; SSCAN a 0",
        "keymiss a, keymiss a, keymiss a, keymiss a, keymiss a, keymiss b, keymiss a, keymiss b, keymiss a, keymiss b, keymiss a, keymiss b, keymiss a, keymiss a, keymiss a, keymiss b, keymiss a, keymiss b, keymiss a, keymiss b, keymiss a",
    ),
    (
        "HGET a f; HGETALL a; HLEN a; HEXISTS a f; HSTRLEN a f; HMGET a f; HKEYS a; HVALS a; HRANDFIELD a; HRANDFIELD a 1; HDEL a f; HSCAN a 0; HINCRBY b f 1; HSETNX c f 1",
        "keymiss a, keymiss a, keymiss a, keymiss a, keymiss a, keymiss a, keymiss a, keymiss a, keymiss a, keymiss a, keymiss a",
    ),
    (
        "ZSCORE a x; ZCARD a; ZRANGE a 0 1; ZRANK a x; ZCOUNT a 0 1; ZLEXCOUNT a - +; ZMSCORE a x; ZUNION 2 a b; ZINTER 2 a b; ZDIFF 2 a b; ZINTERCARD 2 a b; ZRANDMEMBER a; ZRANDMEMBER a 1; ZREM a x; ZPOPMIN a; ZMPOP 1 a MIN; ZUNIONSTORE c 2 a b; ZRANGESTORE c a 0 1; ZREMRANGEBYRANK a 0 1; ZSCAN a 0; ZRANGEBYSCORE a 0 1; ZREVRANGE a 0 1",
        "keymiss a, keymiss a, keymiss a, keymiss a, keymiss a, keymiss a, keymiss a, keymiss a, keymiss b, keymiss a, keymiss b, keymiss a, keymiss b, keymiss a, keymiss b, keymiss a, keymiss a, keymiss a, keymiss b, keymiss a, keymiss a, keymiss a, keymiss a",
    ),
    (
        "XLEN a; XRANGE a - +; XINFO STREAM a; XPENDING a g; XDEL a 1-1; XTRIM a MAXLEN 1; XACK a g 1-1; XREADGROUP GROUP g c STREAMS a >; XGROUP CREATE a g $; XCLAIM a g c 0 1-1; XADD a NOMKSTREAM 1-1 f v",
        "keymiss a, keymiss a, keymiss a, keymiss a, keymiss a, keymiss a, keymiss a",
    ),
    (
        "GETBIT a 0; BITCOUNT a; BITPOS a 1; BITFIELD a GET u8 0; BITFIELD_RO a GET u8 0; BITOP AND c a b; BITFIELD a SET u8 0 0; SETBIT b 0 0; PFCOUNT d; PFCOUNT d e; PFMERGE f d; PFADD g; GEOPOS h x; GEODIST h x y; GEOHASH h x; GEOSEARCH h FROMLONLAT 1 1 BYRADIUS 1 m; SORT i; SORT_RO i; LCS i j; SUBSTR i 0 1; GEORADIUS h 1 1 1 m",
        "keymiss a, keymiss a, keymiss a, keymiss a, keymiss a, keymiss a, keymiss b, keymiss d, keymiss d, keymiss e, keymiss f, keymiss d, keymiss h, keymiss h, keymiss h, keymiss h, keymiss i, keymiss i, keymiss i, keymiss j, keymiss i, keymiss h",
    ),
    (
        "RENAME a b; RENAMENX a b; COPY a b; MOVE a 1; DEL a; UNLINK a; EXPIRE a 1; PERSIST a; PTTL a; RANDOMKEY; KEYS *; SCAN 0; OBJECT FREQ a; OBJECT IDLETIME a; MEMORY USAGE a; PEXPIRETIME a; DEBUG OBJECT a",
        "keymiss a, keymiss a, keymiss a",
    ),
    (
        "SORT a BY w_* GET z_* GET #; RPUSH l 1; SORT l BY w_* GET z_*->f; SORT l GET z_*",
        "keymiss a, keymiss w_1, keymiss z_1, keymiss z_1",
    ),
];

/// Not published by Redis 7.0.
const OVERWRITTEN: &[Row] = &[
    (
        "SET a 1; SET a 2; SETEX a 10 3; GETSET a 4; MSET a 5; SETNX b 1; APPEND a x; INCR b",
        "set a, overwritten a, set a, overwritten a, set a, expire a, overwritten a, set a, overwritten a, set a, set b, append a, incrby b",
    ),
    (
        "SADD s 1; SET s 1; SADD t 1; SUNIONSTORE s t; RPUSH l 1; SORT l STORE s; BITOP NOT s x; BITOP NOT s a",
        "overwritten s, type_changed s, set s, overwritten s, type_changed s, overwritten s, type_changed s, del s",
    ),
    (
        "SET a 1; SADD b 1; RENAME a b; SADD c 1; COPY b c REPLACE; SET d 1 NX; SET d 2 XX",
        "set a, rename_from a, rename_to b, overwritten b, type_changed b, copy_to c, overwritten c, type_changed c, set d, overwritten d, set d",
    ),
];

/// Commands that Redis 7.0 does not have.
const FIELD_DEADLINES: &[Row] = &[
    (
        "HSET h f 1 g 2; HEXPIRE h 100 FIELDS 1 f; HPERSIST h FIELDS 1 f; HPERSIST h FIELDS 1 f; HEXPIRE h 100 XX FIELDS 1 f",
        "hset h, hexpire h, hpersist h",
    ),
    (
        "HSET h f 1 g 2; HPEXPIREAT h 1 FIELDS 1 f; HPEXPIREAT h 1 FIELDS 2 f g",
        "hset h, hdel h, hdel h, del h",
    ),
    (
        "HSETEX h EX 100 FIELDS 1 f v; HSETEX h FIELDS 1 g v; HGETEX h PERSIST FIELDS 1 f; HGETEX h EX 100 FIELDS 1 f; HGETEX h FIELDS 1 f",
        "hset h, hexpire h, hset h, hpersist h, hexpire h",
    ),
    (
        "HSET h f 1 g 2; HGETDEL h FIELDS 1 f; HGETDEL h FIELDS 1 f; HGETDEL h FIELDS 1 g",
        "hset h, hdel h, hdel h, del h",
    ),
];
