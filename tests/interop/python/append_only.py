"""Append-only files exchanged with the real server: what one of the two writes, the other loads, and ``redis-check-aof`` accepts."""

import os
import re
import shutil
import subprocess

import harness
from harness import Server, contains, eq, is_ruddle
from snapshots import (
    OPTIONS,
    REAL_SERVER,
    RealServer,
    client_of,
    collections,
    deadlines,
    describe,
    functions,
    large_collections,
    streams,
    strings,
)

REAL_CHECKER = "redis-check-aof"
FOLDER = "appendonlydir"
FIRST = "appendonly.aof.1.incr.aof"
WITH = [*OPTIONS, "--appendonly", "yes", "--appendfsync", "always"]


def run(report):
    if not is_ruddle() or not shutil.which(REAL_SERVER):
        return
    ways = ((Server, RealServer, "loaded by Redis"), (RealServer, Server, "loaded from Redis"))
    for fill in [strings, collections, large_collections, streams, deadlines, functions]:
        for giver, taker, way in ways:
            for state, options in STATES.items():
                name = f"append-only file: {fill.__name__.replace('_', ' ')}, {state}, {way}"
                report.check(name, exchange, fill, giver, taker, state != "as written", options)
    report.check("append-only file: cut at a time by redis-check-aof", cut_at_a_time)
    report.check("append-only file: one that ends too early is mended by redis-check-aof", mended)


STATES = {
    "as written": [],
    "with times": ["--aof-timestamp-enabled", "yes"],
    "rewritten as a dump": ["--aof-use-rdb-preamble", "yes"],
    "rewritten as commands": ["--aof-use-rdb-preamble", "no"],
}


def exchange(fill, giver, taker, rewrites, options):
    """Has one server write what ``fill`` makes, and another one load it."""
    with giver(*WITH, *options) as first, taker(*WITH) as second:
        with client_of(first) as client:
            fill(client)
            if fill is streams:
                # Commands cannot say that an entry is pending which is deleted.
                client.xack("stream", "group", "8-1")
            if rewrites:
                client.bgrewriteaof()
                wait_for_rewrite(client)
            client.set("afterwards", 1)
            before = describe(client)
        first.kill()
        check_files(first)
        second.kill()
        shutil.rmtree(os.path.join(second.folder, FOLDER))
        shutil.copytree(os.path.join(first.folder, FOLDER), os.path.join(second.folder, FOLDER))
        second.start()
        with client_of(second) as client:
            wait_for_load(client)
            eq(describe(client), before)


def manifest(server):
    return os.path.join(server.folder, FOLDER, "appendonly.aof.manifest")


def check_files(server):
    checked = subprocess.run([REAL_CHECKER, manifest(server)], capture_output=True, text=True, check=False, timeout=30)
    contains(checked.stdout, "All AOF files and manifest are valid")


def wait_for_rewrite(client):
    harness.wait_until("the rewrite ends", lambda: client.info("persistence")["aof_rewrite_in_progress"] == 0)


def wait_for_load(client):
    harness.wait_until("the files are loaded", lambda: client.info("persistence")["loading"] == 0)


def cut_at_a_time():
    with Server(*WITH, "--aof-timestamp-enabled", "yes") as server:
        path = os.path.join(server.folder, FOLDER, FIRST)
        with client_of(server) as client:
            client.set("first", 1)
            harness.wait_until("the second changes", lambda: client.incr("later") and len(times(path)) > 1)
        server.kill()
        command = [REAL_CHECKER, "--truncate-to-timestamp", times(path)[0], manifest(server)]
        subprocess.run(command, capture_output=True, check=True, timeout=30)
        eq(len(times(path)), 1)
        server.start()
        with client_of(server) as client:
            wait_for_load(client)
            eq(client.get("first"), b"1")


def times(path):
    with open(path, "rb") as file:
        return [found.decode() for found in re.findall(rb"#TS:(\d+)\r\n", file.read())]


def mended():
    with Server(*WITH, "--aof-load-truncated", "no") as server:
        path = os.path.join(server.folder, FOLDER, FIRST)
        with client_of(server) as client:
            client.set("first", 1)
            client.set("second", 2)
        server.kill()
        os.truncate(path, os.path.getsize(path) - 3)
        subprocess.run([REAL_CHECKER, "--fix", manifest(server)], input=b"y\n", capture_output=True, check=True, timeout=30)
        server.start()
        with client_of(server) as client:
            wait_for_load(client)
            eq(client.mget("first", "second"), [b"1", None])
