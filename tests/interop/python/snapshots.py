"""Snapshots exchanged with the real server: what one of the two saves, the other loads, and ``redis-check-rdb`` accepts."""

import os
import pathlib
import shutil
import subprocess

import redis

import harness
from harness import HOST, Server, contains, eq, is_ruddle

REAL_SERVER = "redis-server"
REAL_CHECKER = "redis-check-rdb"
OPTIONS = ["--enable-debug-command", "yes"]
LIBRARY = "#!lua name=lib\nredis.register_function('seven', function() return 7 end)"
GOLDEN = pathlib.Path(__file__).resolve().parents[2] / "fixtures" / "rdb" / "files"
FAR_MS = 4_102_444_800_123


class RealServer(Server):
    """The server that snapshots are exchanged with."""

    program = REAL_SERVER


def run(report):
    if not is_ruddle() or not shutil.which(REAL_SERVER):
        return
    for fill in [strings, collections, large_collections, streams, deadlines, functions]:
        for compression in ("yes", "no"):
            for giver, taker, way in ((Server, RealServer, "loaded by Redis"), (RealServer, Server, "loaded from Redis")):
                name = f"snapshots: {fill.__name__.replace('_', ' ')}, compression {compression}, {way}"
                report.check(name, exchange, fill, giver, taker, "--rdbcompression", compression)
    for file in sorted(GOLDEN.glob("*.rdb")):
        report.check(f"snapshots: {file.stem} by way of Ruddle to Redis", pass_on, file)
    report.check("snapshots: a hash with deadlines of fields is not loaded by Redis 7.0, and said so", newer_version)


def exchange(fill, giver, taker, *options):
    """Has one server save what ``fill`` makes, and another one load it."""
    with giver(*OPTIONS, *options) as first, taker(*OPTIONS, *options) as second:
        with client_of(first) as client:
            fill(client)
            before = describe(client)
            client.save()
        give(first, second)
        with client_of(second) as client:
            eq(describe(client), before)


def pass_on(file):
    """Loads a file of some version, and has Redis load what is saved of it, less what Redis 7.0 does not know."""
    with Server(*OPTIONS) as first, RealServer(*OPTIONS) as second:
        first.kill()
        shutil.copy(file, os.path.join(first.folder, "dump.rdb"))
        first.start()
        with client_of(first) as client:
            for key in client.scan_iter("hash-expiry*"):
                client.delete(key)
            before = digests(client)
            if not before:
                raise AssertionError("there are no keys")
            client.save()
        give(first, second)
        with client_of(second) as client:
            eq(digests(client), before)


def digests(client):
    """Each key of each database with the digest of its value and its deadline."""
    found = []
    for database in range(16):
        client.select(database)
        for key in sorted(client.scan_iter(count=1000)):
            (digest,) = client.execute_command("DEBUG", "DIGEST-VALUE", key)
            found.append((database, key, digest, client.pexpiretime(key)))
    return found


def give(giver, taker):
    """Restarts a server on the snapshot of another, which the checker must accept."""
    snapshot = os.path.join(giver.folder, "dump.rdb")
    if shutil.which(REAL_CHECKER):
        checked = subprocess.run([REAL_CHECKER, snapshot], capture_output=True, text=True, check=False, timeout=30)
        contains(checked.stdout, "RDB looks OK!")
    taker.kill()
    shutil.copy(snapshot, taker.folder)
    taker.start()
    with client_of(taker) as client:
        harness.wait_until("the snapshot is loaded", lambda: client.info("persistence")["loading"] == 0)


def client_of(server):
    return redis.Redis(host=HOST, port=server.port, socket_timeout=20)


def describe(client):
    """The digest of all data, and what it leaves out."""
    described = [client.execute_command("DEBUG", "DIGEST"), client.dbsize()]
    for key in sorted(client.scan_iter(count=1000)):
        described.append((key, client.pexpiretime(key), client.object("encoding", key)))
    if client.exists("stream"):
        described += [client.xinfo_groups("stream"), client.xpending("stream", "group")]
    return [*described, client.function_list(withcode=True)]


def strings(client):
    for number in (0, -1, 127, 32768, -40000, 1 << 31, -(1 << 40)):
        client.set(f"int:{number}", number)
    client.set("text", "some words")
    client.set("packed", "abcdefgh" * 1000)
    client.set("binary", harness.ALL_BYTES)
    client.set("large", harness.megabyte())
    client.set("empty", "")


def collections(client):
    client.rpush("list", "a", 2, -3, "", "x" * 300)
    client.sadd("integers", 1, 2, 70_000, 9_000_000_000)
    client.hset("hash", mapping={"field": "value", "number": 7})
    client.zadd("zset", {"a": 1, "b": 2.5, "c": float("-inf"), "d": 1e300})


def large_collections(client):
    numbers = range(2000)
    client.rpush("list", *(f"element-{number}" for number in numbers))
    client.sadd("set", *(f"member-{number}" for number in numbers))
    client.sadd("integers", *numbers)
    client.hset("hash", mapping={f"field-{number}": number for number in numbers})
    client.zadd("zset", {f"member-{number}": number / 7 for number in numbers})


def streams(client):
    for number in range(300):
        client.xadd("stream", {"field": "value", "number": number}, id=f"{number + 1}-1")
    client.xgroup_create("stream", "group", "5-1")
    client.xreadgroup("group", "alice", {"stream": ">"}, count=10)
    client.xack("stream", "group", "7-1")
    client.xdel("stream", "8-1", "300-1")


def deadlines(client):
    for database in (0, 5):
        client.select(database)
        client.set("lasting", 1)
        client.set("timed", 1, pxat=FAR_MS)
        client.rpush("list", "a")
        client.pexpireat("list", FAR_MS + database)
    client.select(0)


def functions(client):
    client.function_load(LIBRARY)
    client.set("key", 1)


def newer_version():
    with Server(*OPTIONS) as server:
        with client_of(server) as client:
            client.hset("hash", "field", "value")
            client.execute_command("HPEXPIREAT", "hash", FAR_MS, "FIELDS", 1, "field")
            client.save()
        command = [REAL_SERVER, "--port", str(harness.free_port()), "--dir", server.folder]
        refused = subprocess.run(command, capture_output=True, text=True, check=False, timeout=30)
        eq(refused.returncode, 1)
        contains(refused.stdout, "Can't handle RDB format version 12")
