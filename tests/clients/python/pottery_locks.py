"""Pottery: Redlock over three servers, synchronous and asyncio, and what the library builds on one of them.

Where the server under test is one that already runs, three of its databases stand for the three servers.
"""

import asyncio
import threading
import time
from contextlib import ExitStack

import redis
import redis.asyncio
from pottery import (
    AIORedlock, BloomFilter, ExtendUnlockedLock, NextID, QuorumIsImpossible, RedisCounter, RedisDeque, RedisDict,
    RedisList, RedisSet, RedisSimpleQueue, Redlock, ReleaseUnlockedLock, redis_cache, synchronize,
)  # fmt: skip
from redis.backoff import NoBackoff

from harness import Server, eq, raises, server_program
from suite import HOST, PORT, end, run_checks

servers = []
# The port and the database of each.
places = [(PORT, 0), (PORT, 1), (PORT, 2)]


def masters(module=redis):
    options = {"host": HOST, "socket_timeout": 10, "retry": module.retry.Retry(NoBackoff(), 0)}
    return {module.Redis(port=port, db=database, **options) for port, database in places}


def one():
    return redis.Redis(host=HOST, port=places[0][0], db=3, socket_timeout=10)


def lock_is_exclusive():
    first = Redlock(key="printer", masters=masters(), auto_release_time=20)
    second = Redlock(key="printer", masters=masters(), auto_release_time=20)
    assert first.acquire()
    eq(second.acquire(blocking=False), False)
    assert 19 < first.locked() <= 20
    eq(second.locked(), 0)
    raises(ReleaseUnlockedLock, "printer", second.release)
    first.extend()
    first.release()
    eq(first.locked(), 0)
    assert second.acquire()
    second.release()
    raises(ExtendUnlockedLock, "printer", second.extend)


def lock_ends_by_itself():
    """Whoever waits for the lock gets it when its time is over."""
    assert Redlock(key="short", masters=masters(), auto_release_time=0.2).acquire()
    with Redlock(key="short", masters=masters(), auto_release_time=20) as waiting:
        assert waiting.locked()


def threads_take_turns():
    turns, inside = [], []

    @synchronize(key="turn", masters=masters(), auto_release_time=20)
    def turn(number):
        inside.append(number)
        eq(len(inside), 1)
        time.sleep(0.005)
        inside.remove(number)
        turns.append(number)

    threads = [threading.Thread(target=turn, args=[number]) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    eq(sorted(turns), list(range(6)))


def asyncio_lock():
    async def body():
        clients = masters(redis.asyncio)
        first = AIORedlock(key="printer", masters=clients, auto_release_time=20)
        second = AIORedlock(key="printer", masters=clients, auto_release_time=20)
        async with first:
            eq(await second.acquire(blocking=False), False)
            await first.extend()
            assert await first.locked() > 19
        async with second:
            eq(await first.locked(), 0)
        for client in clients:
            await client.aclose()

    asyncio.run(body())


def collections():
    client = one()
    stock = RedisDict({"apples": 3}, redis=client, key="dict")
    stock["pears"] = 4
    eq(stock.pop("apples"), 3)
    eq(dict(stock), {"pears": 4})
    eq(sorted(RedisSet([1, 2, 2, 3], redis=client, key="set")), [1, 2, 3])
    numbers = RedisList([1, 2, 3, 4], redis=client, key="list")
    numbers[1:3] = [20, 30]
    del numbers[0]
    eq(list(numbers), [20, 30, 4])
    deque = RedisDeque(maxlen=3, redis=client, key="deque")
    deque.extend([1, 2, 3, 4])
    deque.rotate(1)
    eq(list(deque), [4, 2, 3])
    eq(RedisCounter("abracadabra", redis=client, key="counter").most_common(2), [("a", 5), ("b", 2)])
    queue = RedisSimpleQueue(redis=client, key="queue")
    queue.put("job")
    eq([queue.qsize(), queue.get(timeout=5), queue.empty()], [1, "job", True])
    flags = BloomFilter(["a", "b"], num_elements=100, false_positives=0.001, redis=client, key="bloom")
    eq(["a" in flags, "c" in flags], [True, False])


def cached_calls():
    calls = []

    @redis_cache(redis=one(), key="cache", timeout=100)
    def square(number):
        calls.append(number)
        return number * number

    eq([square(3), square(3), square(4)], [9, 9, 16])
    eq(calls, [3, 4])


def distinct_ids():
    ids = NextID(key="ids", masters=masters())
    eq([next(ids) for _ in range(5)], [1, 2, 3, 4, 5])


def a_lost_server():
    """Two of three servers are enough for a lock, one is not."""
    clients = masters()
    servers[0].kill()
    lock = Redlock(key="printer", masters=clients, auto_release_time=20)
    assert lock.acquire(blocking=False)
    lock.release()
    servers[1].kill()
    raises(QuorumIsImpossible, "printer", lock.acquire, blocking=False, raise_on_redis_errors=True)


CHECKS = [
    lock_is_exclusive, lock_ends_by_itself, threads_take_turns, asyncio_lock, collections, cached_calls, distinct_ids,
]  # fmt: skip

if __name__ == "__main__":
    with ExitStack() as stack:
        if server_program().startswith("redis://"):
            run_checks(CHECKS)
        else:
            servers.extend(stack.enter_context(Server()) for _ in range(3))
            places = [(server.port, 0) for server in servers]
            run_checks([*CHECKS, a_lost_server])
    end()
