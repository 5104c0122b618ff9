"""redis-py's asyncio client, in RESP2 and RESP3: what differs from the synchronous one."""

import asyncio

import redis.asyncio
from redis.backoff import NoBackoff

from harness import ALL_BYTES, HOST, Server, contains, eq, megabyte


def run(report):
    with Server() as server:
        for protocol in (2, 3):
            for function in [connect, pipeline, binary, errors, lists, scan, concurrent, cancelled, unix_socket, reconnect]:
                name = f"redis-py asyncio: RESP{protocol}: {function.__name__.replace('_', ' ')}"
                report.check(name, on_empty_server, function, server, protocol)
    with Server("--requirepass", "secret") as server:
        for protocol in (2, 3):
            report.check(f"redis-py asyncio: RESP{protocol}: password", asyncio_run, password, server, protocol)


def asyncio_run(function, *arguments):
    asyncio.run(function(*arguments))


def client_of(server, protocol, **options):
    options.setdefault("retry", redis.asyncio.retry.Retry(NoBackoff(), 0))
    return redis.asyncio.Redis(host=HOST, port=server.port, protocol=protocol, socket_timeout=20, **options)


def on_empty_server(function, server, protocol):
    async def body():
        async with client_of(server, protocol) as client:
            await client.flushall()
            await function(client, server, protocol)

    asyncio.run(body())


async def raises(kind, part, awaitable):
    """Fails unless awaiting it raises this kind of error."""
    try:
        result = await awaitable
    except kind as error:
        contains(str(error), part)
    else:
        raise AssertionError(f"no error, but {result!r}")


async def connect(client, _server, protocol):
    eq(await client.ping(), True)
    eq((await client.client_info())["resp"], str(protocol))


async def pipeline(client, _server, _protocol):
    async with client.pipeline(transaction=False) as batch:
        for number in range(1000):
            batch.rpush("list", number)
            batch.lindex("list", -1)
        replies = await batch.execute()
    eq(replies[0::2], list(range(1, 1001)))
    eq(replies[1::2], [str(number).encode() for number in range(1000)])


async def binary(client, _server, _protocol):
    value = megabyte()
    await client.mset({b"all": ALL_BYTES, ALL_BYTES: value})
    eq(await client.mget(b"all", ALL_BYTES), [ALL_BYTES, value])


async def errors(client, _server, _protocol):
    await client.set("string", "text")
    for part, *command in [
        ("WRONGTYPE", "LPUSH", "string", "a"),
        ("wrong number of arguments for 'get' command", "GET"),
        ("unknown command 'NOSUCH'", "NOSUCH"),
        ("value is not an integer or out of range", "INCR", "string"),
    ]:
        await raises(redis.ResponseError, part, client.execute_command(*command))
    eq(await client.get("string"), b"text")


async def lists(client, _server, _protocol):
    eq(await client.rpush("l", *"abc"), 3)
    eq(await client.lmove("l", "l", "LEFT", "RIGHT"), b"a")
    eq(await client.lrange("l", 0, -1), [b"b", b"c", b"a"])
    eq(await client.lpop("l", 2), [b"b", b"c"])


async def scan(client, _server, _protocol):
    expected = {f"scan:{number}".encode() for number in range(10_000)}
    await client.mset(dict.fromkeys(expected, 1))
    eq({key async for key in client.scan_iter(count=777)}, expected)


async def concurrent(client, _server, _protocol):
    """Many tasks over the pool's connections, each sees its own replies."""
    for _ in range(10):
        replies = await asyncio.gather(*(client.echo(str(number)) for number in range(50)))
        eq(replies, [str(number).encode() for number in range(50)])
        await asyncio.gather(*(client.incr("count") for _ in range(50)))
    eq(await client.get("count"), b"500")


async def cancelled(client, _server, _protocol):
    """Calls that are given up leave no reply for the next one."""
    await client.set("large", megabyte())
    for _ in range(20):
        call = asyncio.ensure_future(client.get("large"))
        await asyncio.sleep(0)
        call.cancel()
        await asyncio.gather(call, return_exceptions=True)
        eq(await client.echo("mine"), b"mine")


async def unix_socket(_client, server, protocol):
    async with redis.asyncio.Redis(unix_socket_path=server.unix_socket, protocol=protocol) as client:
        eq(await client.set("k", ALL_BYTES), True)
        eq(await client.get("k"), ALL_BYTES)


async def reconnect(client, server, protocol):
    await client.set("k", 1)
    server.kill()
    await raises(redis.ConnectionError, "", client.get("k"))
    server.start()
    eq(await client.get("k"), None)
    eq((await client.client_info())["resp"], str(protocol))


async def password(server, protocol):
    async with client_of(server, protocol, password="secret") as client:
        eq(await client.ping(), True)
    async with client_of(server, protocol, password="guess") as client:
        await raises(redis.AuthenticationError, "invalid username-password pair", client.ping())
    async with client_of(server, protocol) as client:
        await raises(redis.AuthenticationError, "", client.ping())
