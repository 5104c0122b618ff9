"""Keys that move between the server under test and a real redis-server, in both directions, by MIGRATE."""

import socket
from functools import partial

from cli import text
from harness import HOST, Server, contains, eq

# Keys of every type and form that both servers have, as the commands that make them.
KEYS = {
    "string": [("SET", "string", "value")],
    "integer": [("SET", "integer", "-123456789")],
    "long": [("SETRANGE", "long", "2000000", "end")],
    "list": [("RPUSH", "list", "a", "b", "7")],
    "integers": [("SADD", "integers", "1", "-2", "30000000000")],
    "set": [("SADD", "set", "a", "b", "c")],
    "hash": [("HSET", "hash", "f", "v", "g", "w")],
    "sorted": [("ZADD", "sorted", "1", "a", "-2.5", "b", "inf", "c")],
    "hll": [("PFADD", "hll", "a", "b", "c")],
    "stream": [
        ("XADD", "stream", "1-1", "f", "v"),
        ("XADD", "stream", "2-1", "g", "w"),
        ("XDEL", "stream", "1-1"),
        ("XGROUP", "CREATE", "stream", "group", "0"),
        ("XREADGROUP", "GROUP", "group", "me", "STREAMS", "stream", ">"),
    ],
    "large-list": [("RPUSH", "large-list", *map(str, range(3000)))],
    "large-set": [("SADD", "large-set", *(f"member {number}" for number in range(3000)))],
    "large-hash": [("HSET", "large-hash", *(f"word {number}" for number in range(3000)))],
    "large-sorted": [("ZADD", "large-sorted", *map(str, range(3000)))],
}
BUSY = "ERR Target instance replied with error: BUSYKEY Target key name already exists."
REFUSED = "ERR Target instance replied with error: WRONGPASS invalid username-password pair or user is disabled."
UNREACHABLE = "IOERR error or timeout writing to target instance"
SILENT = "IOERR error or timeout reading to target instance"
CHECKS = ["every_type", "deadline", "many", "busy", "copy", "password", "nobody_there", "silence"]


def run(report):
    debug = ("--enable-debug-command", "yes")
    with Server(*debug) as tested, Server(*debug, program="redis-server") as redis:
        for name, source, target in [("to Redis", tested, redis), ("from Redis", redis, tested)]:
            for check in CHECKS:
                title = f"migrate: {name}: {check.replace('_', ' ')}"
                report.check(title, on_empty_servers, globals()[check], source, target)


def on_empty_servers(check, source, target):
    for server in [source, target]:
        eq(text(server, "FLUSHALL"), "OK")
    check(partial(text, source), partial(text, target), target.port)


def migrate(source, port, key, *options, timeout=9000):
    return source("MIGRATE", HOST, str(port), key, "0", str(timeout), *options).strip()


def every_type(source, target, port):
    for key, commands in KEYS.items():
        for command in commands:
            source(*command)
        digest = source("DEBUG", "DIGEST-VALUE", key)
        eq(migrate(source, port, key), "OK")
        eq((key, target("DEBUG", "DIGEST-VALUE", key)), (key, digest))
    eq(source("DBSIZE"), "0")
    contains(target("XINFO", "GROUPS", "stream"), "pending\n1")


def deadline(source, target, port):
    source("SET", "k", "v", "PX", "1000000")
    eq(migrate(source, port, "k"), "OK")
    left_ms = int(target("PTTL", "k"))
    eq(900_000 < left_ms <= 1_000_000, True)


def many(source, target, port):
    keys = [f"key:{number}" for number in range(1000)]
    source("MSET", *(word for key in keys for word in (key, "value")))
    eq(migrate(source, port, "", "KEYS", *keys, "none"), "OK")
    eq((source("DBSIZE"), target("DBSIZE")), ("0", "1000"))


def busy(source, target, port):
    source("SET", "k", "here")
    target("SET", "k", "there")
    eq(migrate(source, port, "k"), BUSY)
    eq((source("GET", "k"), target("GET", "k")), ("here", "there"))
    eq(migrate(source, port, "k", "REPLACE"), "OK")
    eq((source("EXISTS", "k"), target("GET", "k")), ("0", "here"))


def copy(source, target, port):
    source("SET", "k", "v")
    eq(migrate(source, port, "k", "COPY"), "OK")
    eq((source("GET", "k"), target("GET", "k")), ("v", "v"))
    eq(migrate(source, port, "none", "COPY"), "NOKEY")


def password(source, target, port):
    source("SET", "k", "v")
    eq(target("CONFIG", "SET", "requirepass", "secret"), "OK")
    try:
        eq(migrate(source, port, "k", "AUTH", "wrong"), REFUSED)
        eq(migrate(source, port, "k", "AUTH2", "default", "wrong"), REFUSED)
        eq(source("GET", "k"), "v")
        # Redis may have sent the value on a connection that was let in before.
        eq(migrate(source, port, "k", "AUTH2", "default", "secret", "REPLACE"), "OK")
        source("SET", "k", "w")
        eq(migrate(source, port, "k", "AUTH", "secret", "REPLACE"), "OK")
    finally:
        target("-a", "secret", "--no-auth-warning", "CONFIG", "SET", "requirepass", "")
    eq((source("EXISTS", "k"), target("GET", "k")), ("0", "w"))


def nobody_there(source, _target, _port):
    source("SET", "k", "v")
    with socket.create_server((HOST, 0)) as listener:
        port = listener.getsockname()[1]
    eq(migrate(source, port, "k"), UNREACHABLE)
    eq(source("GET", "k"), "v")


def silence(source, _target, _port):
    """The system takes the connection, and nobody ever answers."""
    source("SET", "k", "v")
    with socket.create_server((HOST, 0)) as listener:
        eq(migrate(source, listener.getsockname()[1], "k", timeout=50), SILENT)
    eq(source("GET", "k"), "v")
