"""redis-benchmark of the distribution: each of its own tests that needs strings and lists alone."""

import re
import subprocess

from harness import HOST, Server, contains, eq

# Names for -t, and the titles under which each reports.
TESTS = {
    "ping_inline": ["PING_INLINE"],
    "ping_mbulk": ["PING_MBULK"],
    "set": ["SET"],
    "get": ["GET"],
    "incr": ["INCR"],
    "lpush": ["LPUSH"],
    "rpush": ["RPUSH"],
    "lpop": ["LPOP"],
    "rpop": ["RPOP"],
    "lrange": [f"LRANGE_{count} (first {count} elements)" for count in (100, 300, 500, 600)],
    "mset": ["MSET (10 keys)"],
}
REQUESTS = "2000"


def run(report):
    with Server() as server:
        for test, titles in TESTS.items():
            report.check(f"redis-benchmark: {test}", own_test, server, test, titles)
        for function in [
            pipelined, unix_socket, resp3, random_keys_and_size, new_connection_each, database, threads, csv, own_command,
        ]:  # fmt: skip
            report.check(f"redis-benchmark: {function.__name__.replace('_', ' ')}", function, server)
    with Server("--requirepass", "secret") as server:
        report.check("redis-benchmark: password", password, server)


def benchmark(*arguments, address):
    """Runs it to its end and returns its output; a request that fails is told on either stream."""
    command = ["redis-benchmark", *address, "-n", REQUESTS, *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=50, stdin=subprocess.DEVNULL)
    output = done.stdout + done.stderr
    eq((done.returncode, output if "rror" in output else ""), (0, ""))
    return output


def tcp(server):
    return ["-h", HOST, "-p", str(server.port)]


def rates(output):
    """Requests a second, by title."""
    pattern = r"^(.+?): ([0-9.]+) requests per second"
    lines = output.replace("\r", "\n")
    return {title.strip(): float(rate) for title, rate in re.findall(pattern, lines, re.MULTILINE)}


def has_rates(output, titles):
    found = rates(output)
    for title in titles:
        if not found.get(title):
            raise AssertionError(f"no rate of {title} in {output!r}")


def own_test(server, test, titles):
    has_rates(benchmark("-q", "-t", test, address=tcp(server)), titles)


def pipelined(server):
    has_rates(benchmark("-q", "-P", "16", "-t", "set,get,lpush,mset", address=tcp(server)), ["SET", "GET", "LPUSH"])


def unix_socket(server):
    output = benchmark("-q", "-P", "4", "-t", "set,get,ping_mbulk", address=["-s", server.unix_socket])
    has_rates(output, ["SET", "GET", "PING_MBULK"])


def resp3(server):
    has_rates(benchmark("-3", "-q", "-t", "get,lrange_100", address=tcp(server)), ["GET"])


def random_keys_and_size(server):
    has_rates(benchmark("-q", "-r", "1000", "-d", "5000", "-t", "set,get", address=tcp(server)), ["SET", "GET"])


def new_connection_each(server):
    has_rates(benchmark("-q", "-k", "0", "-t", "ping_mbulk", address=tcp(server)), ["PING_MBULK"])


def database(server):
    has_rates(benchmark("-q", "--dbnum", "9", "-t", "set", address=tcp(server)), ["SET"])


def threads(server):
    has_rates(benchmark("-q", "--threads", "2", "-t", "set,get", address=tcp(server)), ["SET", "GET"])


def csv(server):
    output = benchmark("--csv", "-t", "set", address=tcp(server))
    contains(output, '"test","rps","avg_latency_ms"')
    contains(output, '"SET",')


def own_command(server):
    output = benchmark("-q", "-r", "100", "APPEND", "key:__rand_int__", "x", address=tcp(server))
    has_rates(output, ["APPEND key:__rand_int__ x"])


def password(server):
    has_rates(benchmark("-q", "-a", "secret", "-t", "set,get", address=tcp(server)), ["SET", "GET"])
