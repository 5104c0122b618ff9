"""redis-py's asyncio client: many tasks at once in transactions, subscriptions, queues, streams, scripts and locks."""

import asyncio

import redis.asyncio
from redis.exceptions import LockError, ResponseError, WatchError

from harness import eq
from suite import HOST, PORT, end, run_checks

LIBRARY = """#!lua name=counters
redis.register_function('next_of', function(keys) return redis.call('INCR', keys[1]) end)
"""


def client_of(protocol=3, **options):
    return redis.asyncio.Redis(
        host=HOST, port=PORT, protocol=protocol, decode_responses=True, socket_timeout=20, **options
    )


async def wait_until(what, condition, seconds=10):
    """Polls until the condition holds and returns its value."""
    async with asyncio.timeout(seconds):
        while not (value := await condition()):
            await asyncio.sleep(0.002)
        return value


async def wait_for_blocked(client, count):
    async def is_reached():
        return (await client.info("clients"))["blocked_clients"] == count

    await wait_until("blocked clients", is_reached)


async def raises(kind, part, awaitable):
    try:
        result = await awaitable
    except kind as error:
        assert part in str(error), error
        return
    raise AssertionError(f"no error, but {result!r}")


async def pipelines(client):
    async with client.pipeline(transaction=True) as batch:
        eq(await batch.set("a", 1).incr("a").hset("h", "f", "v").hgetall("h").execute(), [True, 2, 1, {"f": "v"}])
    async with client.pipeline(transaction=False) as batch:
        for number in range(1000):
            batch.rpush("l", number)
        eq(await batch.execute(), list(range(1, 1001)))


async def watch_and_retry(client):
    async def add(pipe):
        value = int(await pipe.get("n") or 0)
        pipe.multi()
        pipe.set("n", value + 1)

    await asyncio.gather(*(client.transaction(add, "n") for _ in range(50)))
    eq(await client.get("n"), "50")
    async with client.pipeline() as batch:
        await batch.watch("n")
        await client.set("n", 1)
        batch.multi()
        batch.incr("n")
        await raises(WatchError, "changed", batch.execute())


async def subscribers(client):
    async def subscriber(number):
        async with client.pubsub(ignore_subscribe_messages=True) as subscription:
            await subscription.subscribe("all", f"own:{number}")
            await subscription.psubscribe("pattern:*")
            texts = []
            async for message in subscription.listen():
                texts.append(message["data"])
                if message["data"] == "stop":
                    return texts

    tasks = [asyncio.create_task(subscriber(number)) for number in range(20)]

    async def are_there():
        return await client.pubsub_numsub("all", "own:19") == [("all", 20), ("own:19", 1)] and await client.publish(
            "pattern:probe", "probe"
        ) == 20

    await wait_until("all subscribers", are_there)
    eq(await client.publish("all", "for all"), 20)
    for number in range(20):
        eq(await client.publish(f"own:{number}", f"for {number}"), 1)
    eq(await client.publish("pattern:end", "stop"), 20)
    for number, texts in enumerate(await asyncio.gather(*tasks)):
        eq([text for text in texts if text != "probe"], ["for all", f"for {number}", "stop"])


async def queue_of_many_workers(client):
    async def worker():
        taken = []
        async with client_of() as own:
            while (job := (await own.blpop(["urgent", "jobs"], timeout=20))[1]) != "stop":
                taken.append(job)
            return taken

    tasks = [asyncio.create_task(worker()) for _ in range(50)]
    await wait_for_blocked(client, 50)
    await asyncio.gather(*(client.rpush("jobs", *range(start, start + 10)) for start in range(0, 500, 10)))
    await client.rpush("jobs", *["stop"] * 50)
    jobs = [int(job) for taken in await asyncio.gather(*tasks) for job in taken]
    eq(sorted(jobs), list(range(500)))


async def cancelled_while_blocked(client):
    """A client that goes away while it waits takes no element with it."""
    async with client_of() as own:
        task = asyncio.create_task(own.blpop("l", timeout=20))
        await wait_for_blocked(client, 1)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
    await wait_for_blocked(client, 0)
    await client.rpush("l", "kept")
    eq(await client.lpop("l"), "kept")


async def chain_of_moves(client):
    """An element that wakes a mover wakes in turn who waits for where it is moved."""

    async def move(source, destination):
        async with client_of() as own:
            return await own.blmove(source, destination, timeout=20)

    tasks = [asyncio.create_task(move(f"l{step}", f"l{step + 1}")) for step in range(10)]
    await wait_for_blocked(client, 10)
    await client.rpush("l0", "element")
    eq(await asyncio.gather(*tasks), ["element"] * 10)
    eq(await client.lrange("l10", 0, -1), ["element"])


async def stream_workers(client):
    await client.xgroup_create("s", "g", id="$", mkstream=True)
    done = []

    async def worker(name):
        async with client_of() as own:
            while len(done) < 100:
                reply = await own.xreadgroup("g", name, {"s": ">"}, count=3, block=100)
                for _, entries in reply.items() if isinstance(reply, dict) else reply or []:
                    nested = entries and isinstance(entries[0], list) and isinstance(entries[0][0], (list, tuple))
                    for number, fields in entries[0] if nested else entries:
                        await own.xack("s", "g", number)
                        done.append(int(fields["n"]))

    workers = [asyncio.create_task(worker(f"w{number}")) for number in range(5)]
    for number in range(100):
        await client.xadd("s", {"n": number})
    await asyncio.wait_for(asyncio.gather(*workers), 20)
    eq(sorted(done), list(range(100)))
    eq((await client.xpending("s", "g"))["pending"], 0)


async def scripts_and_functions(client):
    take = client.register_script("""
        local have = tonumber(redis.call('GET', KEYS[1]) or ARGV[1])
        if have < 1 then return 0 end
        redis.call('SET', KEYS[1], have - 1)
        return 1""")
    taken = await asyncio.gather(*(take(keys=["tokens"], args=[10]) for _ in range(30)))
    eq(sum(taken), 10)
    await client.function_load(LIBRARY, replace=True)
    eq(sorted(await asyncio.gather(*(client.fcall("next_of", 1, "c") for _ in range(20)))), list(range(1, 21)))
    await client.function_flush()
    await raises(ResponseError, "not found", client.fcall("next_of", 1, "c"))


async def locks(client):
    holders = []

    async def hold():
        async with client.lock("lock", timeout=20, sleep=0.001):
            holders.append(len(holders))
            await client.set("holders", len(holders))
            eq(await client.get("holders"), str(len(holders)))

    await asyncio.gather(*(hold() for _ in range(10)))
    eq(len(holders), 10)
    await raises(LockError, "unlocked", client.lock("lock").release())


async def scans(client):
    await client.mset({f"k:{number}": number for number in range(1000)})
    eq(len({key async for key in client.scan_iter("k:*", count=50)}), 1000)


CHECKS = [
    pipelines, watch_and_retry, subscribers, queue_of_many_workers, cancelled_while_blocked, chain_of_moves,
    stream_workers, scripts_and_functions, locks, scans,
]  # fmt: skip

if __name__ == "__main__":
    for protocol in (2, 3):

        def with_client(check):
            async def body():
                async with client_of(protocol) as client:
                    await check(client)

            asyncio.run(body())

        run_checks(CHECKS, f"RESP{protocol}: ", with_client)
    end()
