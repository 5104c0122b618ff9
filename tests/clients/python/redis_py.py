"""redis-py at what applications do with it: transactions, subscriptions, queues, streams, scripts, locks, its cache."""

import threading
import time

import redis
from redis.cache import CacheConfig
from redis.exceptions import LockError, LockNotOwnedError, NoScriptError, ResponseError, WatchError

from harness import contains, eq, raises, wait_until
from suite import HOST, PORT, end, run_checks, since

PROTOCOLS = (2, 3)
LIBRARY = """#!lua name=shop
redis.register_function('sell', function(keys, args)
    local left = redis.call('DECRBY', keys[1], args[1])
    if left < 0 then
        redis.call('INCRBY', keys[1], args[1])
        return redis.error_reply('SOLD out')
    end
    return left
end)
redis.register_function{function_name='stock', callback=function(keys)
    return tonumber(redis.call('GET', keys[1]))
end, flags={'no-writes'}}
"""


def client_of(protocol=3, **options):
    return redis.Redis(host=HOST, port=PORT, protocol=protocol, decode_responses=True, socket_timeout=20, **options)


def in_thread(body):
    """Starts the body; the returned function waits for its result, or raises what it has raised."""
    outcome = {}

    def run():
        try:
            outcome["result"] = body()
        except Exception as error:  # Raised again where the result is asked for.
            outcome["error"] = error

    thread = threading.Thread(target=run, daemon=True)
    thread.start()

    def result():
        thread.join(20)
        if "error" in outcome:
            raise outcome["error"]
        return outcome["result"]

    return result


def wait_for_blocked(client, count):
    wait_until(f"{count} blocked clients", lambda: client.info("clients")["blocked_clients"] == count)


def transaction_pipelines(client):
    with client.pipeline() as batch:
        eq(batch.set("a", 1).incr("a").rpush("l", "x", "y").lrange("l", 0, -1).execute(), [True, 2, 2, ["x", "y"]])
        batch.set("a", "text").incr("a").set("after", "done")
        raises(ResponseError, "not an integer", batch.execute)
        eq(client.get("after"), "done")
        batch.set("b", 1).execute_command("GET")
        raises(ResponseError, "wrong number of arguments", batch.execute)
        eq(client.get("b"), None)
        replies = batch.set("a", "text").incr("a").get("a").execute(raise_on_error=False)
        eq([replies[0], type(replies[1]), replies[2]], [True, ResponseError, "text"])


def watch_and_retry(client):
    client.set("balance", 0)
    retries = []

    def add_hundred():
        with client_of() as own, own.pipeline() as batch:
            for _ in range(100):
                while True:
                    try:
                        batch.watch("balance")
                        balance = int(batch.get("balance"))
                        batch.multi()
                        batch.set("balance", balance + 1).execute()
                        break
                    except WatchError:
                        retries.append(1)

    for result in [in_thread(add_hundred) for _ in range(4)]:
        result()
    eq(client.get("balance"), "400")


def watched_keys(client):
    def conflict(change, expected):
        client.set("k", "1")
        with client.pipeline() as batch:
            batch.watch("k")
            change()
            batch.multi()
            batch.set("changed", "1")
            if expected:
                raises(WatchError, "changed", batch.execute)
            else:
                eq(batch.execute(), [True])

    conflict(lambda: client.set("k", "2"), True)
    conflict(lambda: client.delete("k"), True)
    conflict(lambda: client.expire("k", 100), True)
    conflict(lambda: client.flushdb(), True)
    conflict(lambda: client.get("k"), False)
    conflict(lambda: client.set("other", "2"), False)
    client.set("n", 1)
    eq(client.transaction(lambda pipe: (pipe.get("n"), pipe.multi(), pipe.incr("n")), "n"), [2])


def publish_to_a_thread(client):
    received = []
    subscription = client.pubsub()
    subscription.subscribe(**{"news": received.append})
    subscription.psubscribe(**{"news.*": received.append})
    thread = subscription.run_in_thread(sleep_time=0.02, daemon=True)
    wait_until("the channel", lambda: client.pubsub_numsub("news") == [("news", 1)])
    wait_until("the pattern", lambda: client.pubsub_numpat() == 1)
    eq(client.publish("news", "first"), 1)
    eq(client.publish("news.local", "second"), 1)
    eq(client.publish("other", "none"), 0)
    wait_until("both messages", lambda: len(received) == 2)
    eq(received[0], {"type": "message", "pattern": None, "channel": "news", "data": "first"})
    eq(received[1], {"type": "pmessage", "pattern": "news.*", "channel": "news.local", "data": "second"})
    eq(client.pubsub_channels("n*"), ["news"])
    thread.stop()
    thread.join(10)
    wait_until("no subscriber", lambda: client.pubsub_channels() == [])


def publish_in_order(client):
    subscription = client.pubsub(ignore_subscribe_messages=True)
    subscription.subscribe("numbers")
    eq(subscription.get_message(timeout=10), None)
    batch = client.pipeline(transaction=False)
    for number in range(2000):
        batch.publish("numbers", number)
    eq(batch.execute(), [1] * 2000)
    numbers = [int(next(subscription.listen())["data"]) for _ in range(2000)]
    eq(numbers, list(range(2000)))
    if client.get_connection_kwargs()["protocol"] == 2:  # In RESP3 it is no message, but a reply.
        subscription.ping("are you there")
        eq(subscription.get_message(timeout=10)["data"], "are you there")
    subscription.unsubscribe()
    wait_until("the end", lambda: subscription.get_message(timeout=1) is None and not subscription.subscribed)
    subscription.close()


def sharded_subscription(client):
    subscription = client.pubsub()
    subscription.ssubscribe("shard")
    eq(subscription.get_message(timeout=10)["type"], "ssubscribe")
    eq(client.spublish("shard", "text"), 1)
    message = subscription.get_message(timeout=10)
    eq([message["type"], message["data"]], ["smessage", "text"])
    eq(client.publish("shard", "text"), 0)
    eq(client.pubsub_shardchannels(), ["shard"])
    subscription.close()


def keyspace_events(client):
    client.config_set("notify-keyspace-events", "KEA")
    try:
        subscription = client.pubsub(ignore_subscribe_messages=True)
        subscription.psubscribe("__keyevent@0__:*")
        eq(subscription.get_message(timeout=10), None)
        client.set("k", 1, px=20)
        client.rpush("l", "a")
        client.lpop("l")
        events = [next(subscription.listen()) for _ in range(6)]
        names = [(event["channel"].removeprefix("__keyevent@0__:"), event["data"]) for event in events]
        eq(sorted(names), sorted([
            ("set", "k"), ("expire", "k"), ("rpush", "l"), ("lpop", "l"), ("del", "l"), ("expired", "k"),
        ]))  # fmt: skip
        subscription.close()
    finally:
        client.config_set("notify-keyspace-events", "")


def blocking_pops(client):
    def blocked(call):
        def body():
            with client_of() as own:
                return call(own)

        result = in_thread(body)
        wait_for_blocked(client, 1)
        return result

    result = blocked(lambda own: own.blpop(["first", "second"], 20))
    client.rpush("second", "a", "b")
    eq(list(result()), ["second", "a"])
    eq(list(client.brpop("second", 1)), ["second", "b"])
    result = blocked(lambda own: own.blmove("from", "to", 20, "RIGHT", "LEFT"))
    client.rpush("from", "a", "b")
    eq(result(), "b")
    eq(client.lrange("to", 0, -1), ["b"])
    result = blocked(lambda own: own.bzpopmin("scores", 20))
    client.zadd("scores", {"two": 2, "one": 1})
    eq(list(result()), ["scores", "one", 1.0])
    result = blocked(lambda own: own.blmpop(20, 2, "x", "y", direction="LEFT", count=2))
    client.rpush("y", "1", "2", "3")
    eq(result(), ["y", ["1", "2"]])
    began = time.monotonic()
    eq(client.blpop("none", 0.05), None)
    assert 0.045 <= time.monotonic() - began < 2, time.monotonic() - began


def waiters_are_served_in_turn(client):
    """Ten workers take each of a hundred jobs once, and all of them."""

    def worker():
        taken = []
        with client_of() as own:
            while (job := own.blpop("jobs", 20)[1]) != "stop":
                taken.append(int(job))
        return taken

    results = [in_thread(worker) for _ in range(10)]
    wait_for_blocked(client, 10)
    client.rpush("jobs", *range(100), *["stop"] * 10)
    eq(sorted(job for result in results for job in result()), list(range(100)))


def unblock(client):
    name = "sleeper"

    def body():
        with client_of(client_name=name) as own:
            return own.blpop("none", 20)

    result = in_thread(body)
    wait_for_blocked(client, 1)
    number = next(int(entry["id"]) for entry in client.client_list() if entry["name"] == name)
    eq(client.client_unblock(number, error=True), 1)
    raises(ResponseError, "UNBLOCKED", result)


def pairs(reply):
    """Stream entries as a list, whichever protocol they came in."""
    streams = reply.items() if isinstance(reply, dict) else reply
    return [(name, [tuple(entry) for entry in flat(entries)]) for name, entries in streams]


def flat(entries):
    """redis-py keeps RESP3's entries of one stream in one more list."""
    is_nested = entries and isinstance(entries[0], list) and isinstance(entries[0][0], (list, tuple))
    return entries[0] if is_nested else entries


def stream_groups(client):
    eq(client.xgroup_create("s", "group", id="0", mkstream=True), True)
    raises(ResponseError, "BUSYGROUP", client.xgroup_create, "s", "group")

    def consume():
        with client_of() as own:
            return own.xreadgroup("group", "one", {"s": ">"}, count=2, block=20_000)

    result = in_thread(consume)
    wait_for_blocked(client, 1)
    first = client.xadd("s", {"n": "1"})
    eq(pairs(result()), [("s", [(first, {"n": "1"})])])
    second = client.xadd("s", {"n": "2"}, maxlen=100, approximate=True)
    eq(pairs(client.xreadgroup("group", "two", {"s": ">"})), [("s", [(second, {"n": "2"})])])
    eq([entry["consumer"] for entry in client.xpending_range("s", "group", "-", "+", 10)], ["one", "two"])
    claimed = client.xautoclaim("s", "group", "two", min_idle_time=0)
    eq([entry[0] for entry in claimed[1]], [first, second])
    eq(client.xack("s", "group", first, second), 2)
    eq(client.xpending("s", "group")["pending"], 0)
    eq(client.xinfo_groups("s")[0]["last-delivered-id"], second)
    raises(ResponseError, "NOGROUP", client.xreadgroup, "missing", "one", {"s": ">"})


def stream_readers(client):
    """Blocked readers all see an entry, since reading a stream takes nothing from it."""

    def read():
        with client_of() as own:
            return own.xread({"a": "$", "b": "$"}, block=20_000)

    results = [in_thread(read) for _ in range(3)]
    wait_for_blocked(client, 3)
    entry = client.xadd("b", {"f": "v"})
    for result in results:
        eq(pairs(result()), [("b", [(entry, {"f": "v"})])])


def scripts(client):
    multiply = client.register_script("return redis.call('GET', KEYS[1]) * ARGV[1]")
    client.set("n", 6)
    eq(multiply(keys=["n"], args=[7]), 42)
    client.script_flush()
    eq(client.script_exists(multiply.sha), [False])
    eq(multiply(keys=["n"], args=[2]), 12)
    raises(NoScriptError, "No matching script", client.evalsha, "0" * 40, 0)
    with client.pipeline() as batch:
        client.script_flush()
        multiply(keys=["n"], args=[3], client=batch)
        eq(batch.get("n").execute(), [18, "6"])
    table = "return {1, 'two', {3, {ok='four'}}, cjson.encode({five=5}), false, 'unreached'}"
    eq(client.eval(table, 0), [1, "two", [3, "four"], '{"five":5}', None, "unreached"])
    raises(ResponseError, "mine", client.eval, "return redis.error_reply('ERR mine')", 0)
    raises(ResponseError, "script: ", client.eval, "error('oh')", 0)
    eq(client.eval("return redis.pcall('GET').err ~= nil and 1 or 0", 0), 1)
    write = "return redis.call('SET', KEYS[1], 1)"
    raises(ResponseError, "rite commands are not allowed", client.eval_ro, write, 1, "n")


def functions(client):
    client.function_flush()
    eq(client.function_load(LIBRARY), "shop")
    raises(ResponseError, "already exists", client.function_load, LIBRARY)
    eq(client.function_load(LIBRARY, replace=True), "shop")
    client.set("apples", 5)
    eq(client.fcall("sell", 1, "apples", 3), 2)
    raises(ResponseError, "SOLD out", client.fcall, "sell", 1, "apples", 3)
    eq(client.fcall_ro("stock", 1, "apples"), 2)
    raises(ResponseError, "write flag", client.fcall_ro, "sell", 1, "apples", 1)
    dump = redis.Redis(host=HOST, port=PORT).function_dump()
    contains(str(client.function_list()), "stock")
    eq(client.function_delete("shop"), True)
    raises(ResponseError, "Function not found", client.fcall, "stock", 1, "apples")
    client.function_restore(dump)
    eq(client.fcall("stock", 1, "apples"), 2)
    client.function_flush()


def locks(client):
    with client.lock("lock", timeout=20) as lock:
        assert lock.owned() and lock.locked()
        eq(client.lock("lock", timeout=20).acquire(blocking=False), False)
        eq(lock.extend(30, replace_ttl=True), True)
        assert 29_000 < client.pttl("lock") <= 30_000
        eq(lock.reacquire(), True)
        waiting = in_thread(lambda: client_of().lock("lock", timeout=20, sleep=0.01).acquire(blocking_timeout=20))
    eq(waiting(), True)
    raises(LockError, "unlocked", lock.release)
    stolen = client.lock("stolen", timeout=20)
    stolen.acquire()
    client.set("stolen", "someone else")
    raises(LockNotOwnedError, "no longer owned", stolen.release)


def scans(client):
    client.mset({f"key:{number}": number for number in range(3000)})
    client.sadd("key:set", *range(1000))
    client.hset("key:hash", mapping={f"f{number}": number for number in range(1000)})
    client.zadd("key:zset", {f"m{number}": number for number in range(1000)})
    eq(len(set(client.scan_iter("key:*", count=100))), 3003)
    eq(list(client.scan_iter("*", _type="hash")), ["key:hash"])
    eq({int(member) for member in client.sscan_iter("key:set")}, set(range(1000)))
    eq(dict(client.hscan_iter("key:hash", match="f99?")), {f"f{number}": str(number) for number in range(990, 1000)})
    eq(dict(client.zscan_iter("key:zset"))["m7"], 7.0)


def monitor(client):
    with client.monitor() as watching:
        client.set("seen", "by monitor")
        seen = watching.next_command()
        while "by monitor" not in seen["command"]:
            seen = watching.next_command()
        eq([seen["db"], seen["command"].split()[0].upper()], [0, "SET"])


@since((7, 4))
def client_side_cache():
    with client_of(cache_config=CacheConfig()) as cached, client_of() as other:
        other.set("k", "1")
        eq([cached.get("k"), cached.get("k")], ["1", "1"])
        eq(len(cached.get_cache().collection), 1)
        before = other.info("commandstats")["cmdstat_get"]["calls"]
        for _ in range(100):
            eq(cached.get("k"), "1")
        eq(other.info("commandstats")["cmdstat_get"]["calls"], before)
        other.set("k", "2")
        wait_until("the new value", lambda: cached.get("k") == "2")
        other.flushall()
        wait_until("no value", lambda: cached.get("k") is None)


CHECKS = [
    transaction_pipelines, watch_and_retry, watched_keys, publish_to_a_thread, publish_in_order, sharded_subscription,
    keyspace_events, blocking_pops, waiters_are_served_in_turn, unblock, stream_groups, stream_readers, scripts,
    functions, locks, scans, monitor,
]  # fmt: skip

if __name__ == "__main__":
    for protocol in PROTOCOLS:

        def with_client(check):
            with client_of(protocol) as client:
                check(client)

        run_checks(CHECKS, f"RESP{protocol}: ", with_client)
    run_checks([client_side_cache])
    end()
