"""redis-py, the synchronous client, in RESP2 and RESP3."""

import random
import threading

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from harness import ALL_BYTES, HOST, Server, contains, eq, is_ruddle, megabyte, raises, wait_until


def run(report):
    with Server() as server:
        for protocol in (2, 3):
            for function in [
                connect, pipeline, pipeline_with_errors, binary, errors, strings, string_options, integers, lists,
                list_positions, keys, expiry, deadlines, scan, databases, client_commands, config, info, server_commands,
                many_clients, unix_socket, reconnect,
            ]:  # fmt: skip
                name = f"redis-py: RESP{protocol}: {function.__name__.replace('_', ' ')}"
                report.check(name, on_empty_server, function, server, protocol)
        if is_ruddle():
            report.check("redis-py: library name", on_empty_server, library_name, server, 3)
    with Server("--requirepass", "secret") as server:
        for protocol in (2, 3):
            report.check(f"redis-py: RESP{protocol}: password", password, server, protocol)


def client_of(server, protocol, **options):
    """A client that tells of each lost connection instead of trying again by itself."""
    options.setdefault("retry", Retry(NoBackoff(), 0))
    return redis.Redis(host=HOST, port=server.port, protocol=protocol, socket_timeout=20, **options)


def on_empty_server(function, server, protocol):
    with client_of(server, protocol) as client:
        client.flushall()
        function(client, server, protocol)


def connect(client, _server, protocol):
    eq(client.ping(), True)
    eq(client.echo("hello"), b"hello")
    eq(client.client_info()["resp"], str(protocol))


def pipeline(client, _server, _protocol):
    batch = client.pipeline(transaction=False)
    for number in range(1000):
        batch.set(f"key:{number}", number)
        batch.get(f"key:{number}")
    replies = batch.execute()
    eq(replies[0::2], [True] * 1000)
    eq(replies[1::2], [str(number).encode() for number in range(1000)])


def pipeline_with_errors(client, _server, _protocol):
    batch = client.pipeline(transaction=False)
    batch.set("a", "text").incr("a").get("a")
    replies = batch.execute(raise_on_error=False)
    eq((replies[0], replies[2]), (True, b"text"))
    eq(type(replies[1]), redis.ResponseError)
    contains(str(replies[1]), "not an integer")


def binary(client, _server, _protocol):
    value = megabyte()
    for key, data in {b"all": ALL_BYTES, ALL_BYTES: b"", b"\0\r\n": b"\r\n", b"large": value}.items():
        client.set(key, data)
        eq(client.get(key), data)
    eq(client.getrange("large", 1000, 1999), value[1000:2000])
    client.rpush("list", ALL_BYTES, b"", value)
    eq(client.lrange("list", 0, -1), [ALL_BYTES, b"", value])
    eq(sorted(client.keys()), sorted([b"all", ALL_BYTES, b"\0\r\n", b"large", b"list"]))


def errors(client, _server, _protocol):
    client.set("string", "text")
    client.rpush("list", "a")
    for part, *command in [
        ("WRONGTYPE", "LPUSH", "string", "a"),
        ("WRONGTYPE", "GET", "list"),
        ("wrong number of arguments for 'get' command", "GET"),
        ("wrong number of arguments for 'set' command", "SET", "k"),
        ("unknown command 'NOSUCH'", "NOSUCH", "a"),
        ("unknown subcommand", "CLIENT", "NOSUCH"),
        ("value is not an integer or out of range", "INCR", "string"),
        ("value is not a valid float", "INCRBYFLOAT", "string", "1"),
        ("syntax error", "SET", "k", "v", "NX", "XX"),
        ("invalid expire time in 'set' command", "SET", "k", "v", "PX", "-1"),
        ("no such key", "RENAME", "none", "other"),
        ("no such key", "LSET", "none", "0", "a"),
        ("index out of range", "LSET", "list", "9", "a"),
        ("DB index is out of range", "SELECT", "16"),
        ("invalid cursor", "SCAN", "x"),
        ("offset is out of range", "SETRANGE", "string", "-1", "a"),
        ("string exceeds maximum allowed size", "SETRANGE", "string", "536870912", "a"),
        ("increment or decrement would overflow", "INCRBY", "number", "9223372036854775807"),
    ]:
        client.set("number", 1)
        raises(redis.ResponseError, part, client.execute_command, *command)
    eq(client.get("string"), b"text")


def strings(client, _server, _protocol):
    eq(client.mset({"a": 1, "b": "two"}), True)
    eq(client.msetnx({"b": 1, "c": 1}), False)
    eq(client.mget("a", "none", "b"), [b"1", None, b"two"])
    eq(client.append("b", " three"), 9)
    eq(client.strlen("b"), 9)
    eq(client.getrange("b", -5, -1), b"three")
    eq(client.substr("b", 0, 2), b"two")
    eq(client.setrange("b", 12, "end"), 15)
    eq(client.get("b"), b"two three\0\0\0end")
    eq(client.getset("a", "new"), b"1")
    eq(client.getdel("a"), b"new")
    eq(client.exists("a"), 0)
    eq(client.setnx("b", "x"), False)
    eq(client.setex("d", 100, "v"), True)
    eq(client.psetex("e", 100_000, "v"), True)
    eq(client.mget("d", "e"), [b"v", b"v"])


def string_options(client, _server, _protocol):
    eq(client.set("a", 1, nx=True), True)
    eq(client.set("a", 2, nx=True), None)
    eq(client.set("none", 2, xx=True), None)
    eq(client.set("a", 3, get=True), b"1")
    eq(client.set("new", 3, get=True), None)
    client.set("a", 4, ex=100)
    client.set("a", 5, keepttl=True)
    eq(client.ttl("a"), 100)
    client.set("a", 6)
    eq(client.ttl("a"), -1)
    client.set("a", 7, px=100_000)
    eq(client.getex("a", persist=True), b"7")
    eq(client.ttl("a"), -1)
    eq(client.getex("a", ex=50), b"7")
    eq(client.ttl("a"), 50)
    client.set("a", 8, exat=4_000_000_000)
    eq(client.expiretime("a"), 4_000_000_000)


def integers(client, _server, _protocol):
    eq(client.incr("n"), 1)
    eq(client.incrby("n", 41), 42)
    eq(client.decr("n"), 41)
    eq(client.decrby("n", 43), -2)
    eq(client.incrbyfloat("f", 0.1), 0.1)
    eq(float(client.incrbyfloat("f", 2)), 2.1)
    client.set("n", 9_223_372_036_854_775_806)
    eq(client.incr("n"), 9_223_372_036_854_775_807)
    raises(redis.ResponseError, "overflow", client.incr, "n")
    eq(client.get("n"), b"9223372036854775807")


def lists(client, _server, _protocol):
    eq(client.rpush("l", "b", "c"), 2)
    eq(client.lpush("l", "a"), 3)
    eq(client.rpushx("none", "x"), 0)
    eq(client.lpushx("l", "0"), 4)
    eq(client.lrange("l", 0, -1), [b"0", b"a", b"b", b"c"])
    eq(client.llen("l"), 4)
    eq(client.lindex("l", -1), b"c")
    eq(client.lset("l", 0, "z"), True)
    eq(client.linsert("l", "after", "a", "a2"), 5)
    eq(client.linsert("l", "before", "none", "x"), -1)
    eq(client.lrem("l", 1, "b"), 1)
    eq(client.ltrim("l", 1, 2), True)
    eq(client.lrange("l", 0, -1), [b"a", b"a2"])
    eq(client.lpop("l"), b"a")
    eq(client.rpop("l", 5), [b"a2"])
    eq(client.exists("l"), 0)
    eq(client.lpop("l"), None)
    numbers = list(range(20_000))
    client.rpush("long", *numbers)
    eq(client.lrange("long", 0, -1), [str(number).encode() for number in numbers])
    eq(client.lindex("long", 12_345), b"12345")


def list_positions(client, _server, _protocol):
    client.rpush("l", *"abcabcabc")
    eq(client.lpos("l", "b"), 1)
    eq(client.lpos("l", "b", rank=-1), 7)
    eq(client.lpos("l", "b", count=0), [1, 4, 7])
    eq(client.lpos("l", "x"), None)
    eq(client.lmove("l", "other", "LEFT", "RIGHT"), b"a")
    eq(client.rpoplpush("l", "other"), b"c")
    eq(client.lrange("other", 0, -1), [b"c", b"a"])
    eq(client.lmpop(2, "none", "other", direction="LEFT", count=5), [b"other", [b"c", b"a"]])
    eq(client.lmpop(1, "none", direction="LEFT"), None)


def keys(client, _server, _protocol):
    client.mset({"a": 1, "b": 2, "other": "x" * 100})
    client.rpush("l", 1)
    eq(client.exists("a", "b", "none", "a"), 3)
    eq([client.type(key) for key in ("a", "l", "none")], [b"string", b"list", b"none"])
    eq([client.object("ENCODING", key) for key in ("a", "other")], [b"int", b"raw"])
    eq(client.rename("a", "a2"), True)
    eq(client.renamenx("a2", "b"), False)
    eq(client.copy("b", "b2"), True)
    eq(client.copy("b", "other"), False)
    eq(client.copy("b", "other", replace=True), True)
    eq(client.touch("b", "b2", "none"), 2)
    eq(sorted(client.keys("b*")), [b"b", b"b2"])
    eq(client.randomkey() in (b"a2", b"b", b"b2", b"other", b"l"), True)
    eq(client.delete("a2", "none"), 1)
    eq(client.unlink("b", "b2"), 2)
    eq(client.dbsize(), 2)
    eq(client.move("l", 5), True)
    eq(client.flushdb(), True)
    eq(client.dbsize(), 0)


def expiry(client, _server, _protocol):
    client.set("a", 1)
    eq((client.ttl("a"), client.pttl("a"), client.ttl("none")), (-1, -1, -2))
    eq(client.expire("a", 100), True)
    eq(client.expire("a", 50, gt=True), False)
    eq(client.expire("a", 50, lt=True), True)
    eq(client.expire("a", 60, nx=True), False)
    eq(client.expire("a", 60, xx=True), True)
    eq(client.persist("a"), True)
    eq(client.persist("a"), False)
    eq(client.pexpireat("a", 4_000_000_000_000), True)
    eq(client.pexpiretime("a"), 4_000_000_000_000)
    eq(client.expireat("a", 1), True)
    eq(client.exists("a"), 0)


def deadlines(client, _server, _protocol):
    """Keys go when their time has come: when they are asked for, and when nobody asks."""
    client.set("short", 1, px=1)
    wait_until("the end of the key", lambda: client.get("short") is None)
    batch = client.pipeline(transaction=False)
    for number in range(2000):
        batch.set(f"short:{number}", 1, px=1 + number % 50)
    batch.set("long", 1, ex=1000)
    batch.execute()
    wait_until("the sweep", lambda: client.dbsize() == 1)
    eq(client.keys(), [b"long"])


def scan(client, _server, _protocol):
    expected = {f"scan:{number}".encode() for number in range(10_000)}
    batch = client.pipeline(transaction=False)
    for key in expected:
        batch.set(key, 1)
    batch.rpush("a list", 1)
    batch.execute()
    eq(set(client.scan_iter()), expected | {b"a list"})
    eq(set(client.scan_iter(count=1000)), expected | {b"a list"})
    eq(set(client.scan_iter(match="scan:12?4")), {key for key in expected if len(key) == 9 and key[5:7] == b"12" and key.endswith(b"4")})
    eq(list(client.scan_iter(_type="list")), [b"a list"])
    cursor, first = client.scan(count=10)
    client.delete(*random.Random(4).sample(sorted(expected), 5000))
    rest = set(first)
    while cursor:
        cursor, found = client.scan(cursor, count=500)
        rest.update(found)
    eq(set(client.keys()) - rest, set())


def databases(client, server, protocol):
    client.set("k", "0")
    with client_of(server, protocol, db=9) as other:
        other.set("k", "9")
        eq(other.client_info()["db"], 9)
        eq(client.get("k"), b"0")
        client.swapdb(0, 9)
        eq((client.get("k"), other.get("k")), (b"9", b"0"))
        eq(client.copy("k", "copied", destination_db=9), True)
        eq(other.get("copied"), b"9")


def client_commands(client, server, protocol):
    with client_of(server, protocol, client_name="by option") as named:
        raises(redis.ResponseError, "Client names cannot contain spaces", named.ping)
    with client_of(server, protocol, client_name="other", single_connection_client=True) as other:
        eq(client.client_setname("me"), True)
        eq(client.client_getname() in ("me", b"me"), True)
        eq({"me", "other"} <= {entry["name"] for entry in client.client_list()}, True)
        number = other.client_id()
        eq([entry["name"] for entry in client.client_list(client_id=[number])], ["other"])
        eq(client.client_info()["id"], client.client_id())
        eq(client.client_no_evict("on") in (True, b"OK", "OK"), True)
        eq(client.client_kill_filter(_id=number), 1)
        raises(redis.ConnectionError, "", other.execute_command, "PING")


def config(client, server, _protocol):
    eq(client.config_get("port"), {"port": str(server.port)})
    eq(client.config_get("maxmemory*")["maxmemory-policy"], "noeviction")
    eq(client.config_get("save", "appendonly"), {"save": "", "appendonly": "no"})
    eq(client.config_set("timeout", 77), True)
    eq(client.config_get("timeout"), {"timeout": "77"})
    eq(client.config_set("timeout", 0), True)
    raises(redis.ResponseError, "", client.config_set, "nosuch", 1)
    eq(client.config_resetstat(), True)


def info(client, server, _protocol):
    client.set("k", 1, ex=1000)
    everything = client.info()
    eq((everything["tcp_port"], everything["role"], everything["loading"]), (server.port, "master", 0))
    for field in ("redis_version", "uptime_in_seconds", "connected_clients", "used_memory", "total_commands_processed"):
        contains(everything, field)
    keyspace = client.info("keyspace")["db0"]
    eq((keyspace["keys"], keyspace["expires"]), (1, 1))
    eq("used_memory" in client.info("clients"), False)
    contains(client.info("commandstats"), "cmdstat_set")


def server_commands(client, _server, _protocol):
    seconds, microseconds = client.time()
    eq(seconds > 1_600_000_000 and 0 <= microseconds < 1_000_000, True)
    eq(client.role()[0] in ("master", b"master"), True)
    eq(client.command_count() > 50, True)
    contains(client.command(), "get")
    eq(client.command_getkeys("MSET", "a", 1, "b", 2) in (["a", "b"], [b"a", b"b"]), True)
    client.set("k", "v" * 1000)
    eq(client.memory_usage("k") >= 1000, True)
    contains(str(client.lolwut()).lower(), "ver")
    eq(client.wait(0, 1), 0)


def many_clients(client, server, protocol):
    """Fifty threads count together; nothing is lost."""
    failures = []

    def count():
        try:
            with client_of(server, protocol) as own:
                for _ in range(100):
                    own.incr("count")
                    own.rpush("elements", "x")
        except redis.RedisError as error:
            failures.append(error)

    threads = [threading.Thread(target=count) for _ in range(50)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    eq(failures, [])
    eq((client.get("count"), client.llen("elements")), (b"5000", 5000))


def unix_socket(_client, server, protocol):
    with redis.Redis(unix_socket_path=server.unix_socket, protocol=protocol) as client:
        eq(client.set("k", ALL_BYTES), True)
        eq(client.get("k"), ALL_BYTES)
        contains(client.client_info()["addr"], server.unix_socket)


def reconnect(client, server, protocol):
    """Without a server a call fails; with one again, the same client works, in its protocol."""
    client.set("k", 1)
    server.kill()
    raises(redis.ConnectionError, "", client.get, "k")
    raises(redis.ConnectionError, "", client.get, "k")
    server.start()
    eq(client.get("k"), None)
    eq(client.set("k", 2), True)
    eq(client.client_info()["resp"], str(protocol))


def library_name(client, _server, _protocol):
    """What clients say of themselves at the start (Redis 7.2) is shown."""
    entry = client.client_info()
    contains(entry["lib-name"], "redis-py")
    eq(entry["lib-ver"].split(".")[0], redis.__version__.split(".")[0])


def password(server, protocol):
    with client_of(server, protocol, password="secret") as client:
        eq(client.ping(), True)
        eq(client.config_get("requirepass"), {"requirepass": "secret"})
    with client_of(server, protocol, username="default", password="secret") as client:
        eq(client.ping(), True)
    with client_of(server, protocol, password="guess") as client:
        raises(redis.AuthenticationError, "invalid username-password pair", client.ping)
    with client_of(server, protocol) as client:
        raises(redis.AuthenticationError, "", client.ping)
