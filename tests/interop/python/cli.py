"""redis-cli of the distribution: its output formats, its modes, and how it signs in."""

import json
import os
import pty
import re
import select
import subprocess
import time

from harness import HOST, Server, contains, eq, megabyte, wait_until

# Arguments and what redis-cli prints for people (--no-raw), in RESP2; the data stays from line to line.
FORMATTED = [
    (["PING"], "PONG"),
    (["PING", "hello world"], '"hello world"'),
    (["SET", "greeting", "hello world"], "OK"),
    (["GET", "greeting"], '"hello world"'),
    (["GET", "none"], "(nil)"),
    (["STRLEN", "greeting"], "(integer) 11"),
    (["GETRANGE", "greeting", "-5", "-1"], '"world"'),
    (["SET", "greeting", "x", "NX"], "(nil)"),
    (["SET", "greeting", "x", "XX", "GET"], '"hello world"'),
    (["INCRBYFLOAT", "f", "1.5"], '"1.5"'),
    (["RPUSH", "l", "a", "b", "c"], "(integer) 3"),
    (["LRANGE", "l", "0", "-1"], '1) "a"\n2) "b"\n3) "c"'),
    (["LRANGE", "none", "0", "-1"], "(empty array)"),
    (["LPOS", "l", "c"], "(integer) 2"),
    (["LMPOP", "1", "l", "LEFT", "COUNT", "2"], '1) "l"\n2) 1) "a"\n   2) "b"'),
    (["MGET", "greeting", "none"], '1) "x"\n2) (nil)'),
    (["TYPE", "l"], "list"),
    (["EXPIRE", "l", "100"], "(integer) 1"),
    (["TTL", "l"], "(integer) 100"),
    (["OBJECT", "ENCODING", "greeting"], '"embstr"'),
    (["DEL", "l", "f", "none"], "(integer) 2"),
    (["KEYS", "*"], '1) "greeting"'),
    (["GET"], "(error) ERR wrong number of arguments for 'get' command"),
    (["NOSUCH", "a"], "(error) ERR unknown command 'NOSUCH', with args beginning with: 'a' "),
    (["LPUSH", "greeting", "x"], "(error) WRONGTYPE Operation against a key holding the wrong kind of value"),
    (["SET", "k", "v", "EX", "soon"], "(error) ERR value is not an integer or out of range"),
    (["CONFIG", "GET", "maxclients"], '1) "maxclients"\n2) "10000"'),
    (["DBSIZE"], "(integer) 1"),
]


def run(report):
    with Server() as server:
        for arguments, expected in FORMATTED:
            report.check(f"redis-cli: {' '.join(arguments)}", formatted, server, arguments, expected)
        for function in [
            raw_output, csv_and_json, resp3, standard_input_as_argument, commands_on_standard_input, exit_status,
            repeat, database, unix_socket, uri, binary_and_large, pipe_mode, pipe_mode_with_errors, scan, big_keys,
            memory_of_keys, latency, stat, interactive, client_list, info, shutdown,
        ]:  # fmt: skip
            report.check(f"redis-cli: {function.__name__.replace('_', ' ')}", function, server)
            if server.process.poll() is not None:
                server.start()
    with Server("--requirepass", "secret") as server:
        report.check("redis-cli: password", password, server)


def cli(server, *arguments, address=None, environment=None, **options):
    """Runs redis-cli and returns what it did; a byte string is what comes to its standard input."""
    command = ["redis-cli", *(address or ["-h", HOST, "-p", str(server.port)]), *arguments]
    environment = {**os.environ, **(environment or {})}
    options.setdefault("input", b"")
    return subprocess.run(command, capture_output=True, timeout=30, env=environment, **options)


def text(server, *arguments, **options):
    """What redis-cli prints, without the last end of line."""
    return cli(server, *arguments, **options).stdout.decode().removesuffix("\n")


def formatted(server, arguments, expected):
    # redis-cli ends its errors with a line of their own, and some versions with an empty one more.
    eq(text(server, "--no-raw", *arguments).rstrip("\n"), expected)


def raw_output(server):
    cli(server, "RPUSH", "raw", "a b", "c\nd")
    eq(text(server, "LRANGE", "raw", "0", "-1"), "a b\nc\nd")
    eq(text(server, "-d", "; ", "LRANGE", "raw", "0", "-1"), "a b; c\nd")
    eq(text(server, "--quoted-input", "ECHO", r'"\x41\n"'), "A\n")


def csv_and_json(server):
    cli(server, "RPUSH", "csv", "a", "b,c")
    eq(text(server, "--csv", "LRANGE", "csv", "0", "-1"), '"a","b,c"')
    eq(json.loads(text(server, "--json", "LRANGE", "csv", "0", "-1")), ["a", "b,c"])
    eq(json.loads(text(server, "--json", "CONFIG", "GET", "maxclients")), {"maxclients": "10000"})


def resp3(server):
    eq(text(server, "-3", "--no-raw", "CONFIG", "GET", "maxclients"), '1# "maxclients" => "10000"')
    eq(text(server, "-3", "--no-raw", "GET", "none"), "(nil)")
    contains(text(server, "-3", "--no-raw", "HELLO"), '"proto" => (integer) 3')
    contains(text(server, "-3", "CLIENT", "INFO"), "resp=3")
    contains(text(server, "-2", "CLIENT", "INFO"), "resp=2")


def standard_input_as_argument(server):
    eq(text(server, "-x", "SET", "x", input=b"a\0b\n"), "OK")
    eq(cli(server, "GET", "x").stdout, b"a\0b\n\n")
    eq(text(server, "-X", "TAG", "SET", "TAG", "v", input=b"by tag"), "OK")
    eq(text(server, "GET", "by tag"), "v")


def commands_on_standard_input(server):
    lines = b'SET lines "1 2"\nGET lines\n\nINCR counter\nNOSUCH\nECHO after\n'
    output = text(server, input=lines)
    contains(output, "OK\n1 2\n")
    contains(output, "\n1\n")
    contains(output, "ERR unknown command 'NOSUCH'")
    contains(output, "after")


def exit_status(server):
    eq(cli(server, "-e", "GET", "none").returncode, 0)
    eq(cli(server, "-e", "GET").returncode, 1)
    dead = cli(server, "PING", address=["-h", HOST, "-p", "1"])
    eq(dead.returncode, 1)
    contains(dead.stderr, b"Connection refused")


def repeat(server):
    cli(server, "DEL", "repeated")
    eq(text(server, "-r", "5", "-i", "0.001", "INCR", "repeated"), "1\n2\n3\n4\n5")


def database(server):
    eq(text(server, "-n", "7", "SET", "only in 7", "1"), "OK")
    eq(text(server, "EXISTS", "only in 7"), "0")
    contains(text(server, "INFO", "keyspace"), "db7:keys=1,")
    output = cli(server, "-n", "99", "PING")
    contains(output.stdout + output.stderr, b"DB index is out of range")


def unix_socket(server):
    eq(text(server, "PING", address=["-s", server.unix_socket]), "PONG")
    contains(text(server, "CLIENT", "INFO", address=["-s", server.unix_socket]), f"{server.unix_socket}:0")


def uri(server):
    eq(text(server, "SET", "via uri", "1", address=["-u", f"redis://{HOST}:{server.port}/2"]), "OK")
    eq(text(server, "-n", "2", "GET", "via uri"), "1")


def binary_and_large(server):
    value = megabyte()
    eq(text(server, "-x", "SET", "large", input=value), "OK")
    eq(cli(server, "GET", "large").stdout, value + b"\n")
    eq(text(server, "STRLEN", "large"), str(len(value)))


def resp(*arguments):
    """A request as an array of bulk strings."""
    parts = [b"*%d\r\n" % len(arguments)]
    parts += [b"$%d\r\n%s\r\n" % (len(argument), argument) for argument in arguments]
    return b"".join(parts)


def pipe_mode(server):
    cli(server, "-n", "0", "FLUSHALL")
    requests = b"".join(resp(b"SET", b"pipe:%d" % number, b"v" * (number % 300)) for number in range(20_000))
    contains(text(server, "--pipe", input=requests), "errors: 0, replies: 20000")
    eq(text(server, "DBSIZE"), "20000")


def pipe_mode_with_errors(server):
    requests = resp(b"SET", b"s", b"v") + resp(b"LPUSH", b"s", b"v") + resp(b"NOSUCH") + b"SET inline 1\r\n"
    output = cli(server, "--pipe", input=requests)
    contains(output.stdout + output.stderr, b"errors: 2, replies: 4")


def scan(server):
    fill(server, 5_000)
    eq(sorted(text(server, "--scan").split("\n")), sorted([f"scan:{number}" for number in range(5_000)]))
    eq(sorted(text(server, "--scan", "--pattern", "scan:123?").split("\n")), [f"scan:123{digit}" for digit in range(10)])


def fill(server, count):
    requests = b"".join(resp(b"SET", b"scan:%d" % number, b"v") for number in range(count))
    contains(text(server, "--pipe", input=resp(b"FLUSHALL") + requests), f"errors: 0, replies: {count + 1}")


def big_keys(server):
    fill(server, 500)
    cli(server, "SETRANGE", "biggest", "9999", "x")
    cli(server, "RPUSH", "a list", "1", "2", "3")
    output = text(server, "--bigkeys")
    contains(output, "Sampled 502 keys in the keyspace!")
    matches(output, r"Biggest string found \W*biggest\W* has 10000 bytes")
    matches(output, r"Biggest +list found \W*a list\W* has 3 items")


def matches(output, pattern):
    """Versions of redis-cli put other quotes around a key."""
    if not re.search(pattern, output):
        raise AssertionError(f"{pattern!r} does not match {output!r}")


def memory_of_keys(server):
    fill(server, 500)
    cli(server, "SETRANGE", "biggest", "99999", "x")
    output = text(server, "--memkeys")
    contains(output, "Sampled 501 keys in the keyspace!")
    matches(output, r"Biggest string found \W*biggest\W* has \d{6} bytes")


def latency(server):
    """Not on a terminal, redis-cli samples for a second and prints: least, most, average, number of samples."""
    figures = text(server, "--latency").split()
    eq(len(figures), 4)
    if int(figures[3]) < 10:
        raise AssertionError(f"{figures[3]} samples in a second")


def stat(server):
    """It prints a line of INFO's figures at each interval, without end."""
    command = ["redis-cli", "-p", str(server.port), "-i", "0.01", "--stat"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        lines = [process.stdout.readline() for _ in range(5)]
        process.kill()
    contains(lines[1], "keys")
    for line in lines[2:]:
        keys, memory, clients = line.split()[:3]
        int(keys), int(clients)
        if memory[-1] not in "BKMG":
            raise AssertionError(f"no amount of memory in {line!r}")


def interactive(server):
    """On a terminal it loads the server's command table, shows hints and the selected database."""
    main, terminal = pty.openpty()
    environment = {**os.environ, "TERM": "dumb", "HOME": server.folder}
    command = ["redis-cli", "-p", str(server.port)]
    with subprocess.Popen(command, stdin=terminal, stdout=terminal, stderr=terminal, env=environment) as process:
        os.close(terminal)
        try:
            read_until(main, f"{HOST}:{server.port}> ")
            os.write(main, b"SELECT 3\r")
            read_until(main, f"{HOST}:{server.port}[3]> ")
            os.write(main, b'SET typed "by hand"\r')
            read_until(main, "OK\r\n")
            os.write(main, b"GET typed\r")
            read_until(main, '"by hand"\r\n')
            os.write(main, b"help GETRANGE\r")
            shown = read_until(main, "since:")
            for part in ("GETRANGE", "key start end", "summary:"):
                contains(shown, part)
            os.write(main, b"quit\r")
            eq(process.wait(timeout=10), 0)
        finally:
            process.kill()
            os.close(main)


def read_until(terminal, part, seconds=15):
    shown = ""
    deadline = time.monotonic() + seconds
    while part not in shown:
        ready, _, _ = select.select([terminal], [], [], max(0, deadline - time.monotonic()))
        if not ready:
            raise AssertionError(f"{part!r} did not appear in {shown!r}")
        shown += os.read(terminal, 1 << 16).decode(errors="replace")
    return shown


def client_list(server):
    line = text(server, "CLIENT", "LIST")
    for field in ("id=", f"laddr={HOST}:{server.port}", "fd=", "name=", "age=", "idle=", "flags=N", "db=0", "cmd=client|list"):
        contains(line, field)


def info(server):
    sections = text(server, "INFO")
    for part in ("# Server", "redis_version:", f"tcp_port:{server.port}", "# Clients", "# Memory", "# Stats", "# Keyspace"):
        contains(sections, part)


def shutdown(server):
    """The server ends with status 0, and redis-cli says that it is gone."""
    cli(server, "SHUTDOWN", "NOSAVE")
    wait_until("the end of the process", lambda: server.process.poll() is not None)
    eq(server.process.returncode, 0)
    contains(cli(server, "PING").stderr, b"Connection refused")


def password(server):
    contains(text(server, "GET", "k"), "NOAUTH Authentication required.")
    eq(text(server, "-a", "secret", "PING"), "PONG")
    eq(text(server, "--user", "default", "--pass", "secret", "PING"), "PONG")
    eq(text(server, "PING", environment={"REDISCLI_AUTH": "secret"}), "PONG")
    eq(text(server, "-3", "-a", "secret", "PING"), "PONG")
    eq(text(server, "PING", address=["-u", f"redis://default:secret@{HOST}:{server.port}"]), "PONG")
    wrong = cli(server, "-a", "guess", "PING")
    contains(wrong.stdout + wrong.stderr, b"WRONGPASS invalid username-password pair or user is disabled.")
    contains(wrong.stdout + wrong.stderr, b"NOAUTH")
