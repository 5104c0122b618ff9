"""The protocol itself: exact bytes over a plain socket, whole, cut at every byte, and broken."""

import random
import socket

from harness import ALL_BYTES, Server, contains, eq, megabyte, wait_until

WRONGTYPE = b"-WRONGTYPE Operation against a key holding the wrong kind of value\r\n"

# Requests and the exact replies to them, in RESP2, on an empty database.
CONVERSATION = [
    (b"PING\r\n", b"+PONG\r\n"),
    (b"*1\r\n$4\r\nPING\r\n", b"+PONG\r\n"),
    (b"*2\r\n$4\r\nPING\r\n$5\r\nhello\r\n", b"$5\r\nhello\r\n"),
    (b"*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$5\r\nvalue\r\n", b"+OK\r\n"),
    (b"*2\r\n$3\r\nGET\r\n$1\r\nk\r\n", b"$5\r\nvalue\r\n"),
    (b"*2\r\n$3\r\nget\r\n$1\r\nk\r\n", b"$5\r\nvalue\r\n"),
    (b"*2\r\n$3\r\nGET\r\n$4\r\nnone\r\n", b"$-1\r\n"),
    (b"*3\r\n$3\r\nSET\r\n$5\r\na\r\nb\0\r\n$0\r\n\r\n", b"+OK\r\n"),
    (b"*2\r\n$3\r\nGET\r\n$5\r\na\r\nb\0\r\n", b"$0\r\n\r\n"),
    (b"*2\r\n$4\r\nINCR\r\n$1\r\nn\r\n", b":1\r\n"),
    (b"*2\r\n$4\r\nINCR\r\n$1\r\nk\r\n", b"-ERR value is not an integer or out of range\r\n"),
    (b"*4\r\n$5\r\nRPUSH\r\n$1\r\nl\r\n$1\r\na\r\n$2\r\n\r\n\r\n", b":2\r\n"),
    (b"LRANGE l 0 -1\r\n", b"*2\r\n$1\r\na\r\n$2\r\n\r\n\r\n"),
    (b"*2\r\n$3\r\nGET\r\n$1\r\nl\r\n", WRONGTYPE),
    (b"LPUSH k x\r\n", WRONGTYPE),
    (b"MGET k none l n\r\n", b"*4\r\n$5\r\nvalue\r\n$-1\r\n$-1\r\n$1\r\n1\r\n"),
    (b"LRANGE none 0 -1\r\n", b"*0\r\n"),
    (b"\r\n", b""),
    (b"*0\r\n", b""),
    (b"*-1\r\n", b""),
    (b"PING\n", b"+PONG\r\n"),
    (b'set "q k" "a\\x41\\n\\"b\\""\r\n', b"+OK\r\n"),
    (b"get 'q k'\r\n", b'$6\r\naA\n"b"\r\n'),
    (b"  echo   spaced  \r\n", b"$6\r\nspaced\r\n"),
    (b"GET\r\n", b"-ERR wrong number of arguments for 'get' command\r\n"),
    (b"CLIENT SETNAME\r\n", b"-ERR wrong number of arguments for 'client|setname' command\r\n"),
    (b"NoSuch a 'b c'\r\n", b"-ERR unknown command 'NoSuch', with args beginning with: 'a' 'b c' \r\n"),
    (b"SET k v EX\r\n", b"-ERR syntax error\r\n"),
    (b"SET k v EX 0\r\n", b"-ERR invalid expire time in 'set' command\r\n"),
    (b"SELECT 99\r\n", b"-ERR DB index is out of range\r\n"),
    (b"HELLO 4\r\n", b"-NOPROTO unsupported protocol version\r\n"),
]

# Requests after which the server says what is wrong and closes the connection.
PROTOCOL_ERRORS = {
    "a count that is no number": (b"*x\r\n", b"-ERR Protocol error: invalid multibulk length\r\n"),
    "a count too large": (b"*2000000000000\r\n", b"-ERR Protocol error: invalid multibulk length\r\n"),
    "no dollar": (b"*1\r\n+PING\r\n", b"-ERR Protocol error: expected '$', got '+'\r\n"),
    "a negative length": (b"*1\r\n$-5\r\n", b"-ERR Protocol error: invalid bulk length\r\n"),
    "a length too large": (b"*1\r\n$999999999999\r\n", b"-ERR Protocol error: invalid bulk length\r\n"),
    "an open quote": (b'GET "k\r\n', b"-ERR Protocol error: unbalanced quotes in request\r\n"),
    "text after a quote": (b'GET "k"x\r\n', b"-ERR Protocol error: unbalanced quotes in request\r\n"),
    "an endless inline request": (b"a" * 70_000, b"-ERR Protocol error: too big inline request\r\n"),
    "an endless count": (b"*" + b"1" * 70_000, b"-ERR Protocol error: too big mbulk count string\r\n"),
    "an endless length": (b"*1\r\n$" + b"1" * 70_000, b"-ERR Protocol error: too big bulk count string\r\n"),
}

UNAUTHENTICATED_ERRORS = {
    "a count too large": (b"*11\r\n", b"-ERR Protocol error: unauthenticated multibulk length\r\n"),
    "a length too large": (b"*2\r\n$3\r\nGET\r\n$16385\r\n", b"-ERR Protocol error: unauthenticated bulk length\r\n"),
}


def run(report):
    with Server() as server:
        conversation(report, server)
        for name, (request, reply) in PROTOCOL_ERRORS.items():
            report.check(f"raw: protocol error: {name}", closes_after, server, request, reply)
        for function in [large_value, resp3, quit_closes, half_closed, reset, garbage_costs_the_sender_alone]:
            report.check(f"raw: {function.__name__.replace('_', ' ')}", function, server)
    with Server("--requirepass", "secret") as server:
        for name, (request, reply) in UNAUTHENTICATED_ERRORS.items():
            report.check(f"raw: before authentication: {name}", closes_after, server, request, reply)
        report.check("raw: password", password, server)


def conversation(report, server):
    """The same requests, delivered in three ways."""
    for request, reply in CONVERSATION:
        report.check(f"raw: {request[:60]!r}", one_request, server, request, reply)
    requests = b"".join(request for request, _ in CONVERSATION)
    report.check("raw: all requests in one write", deliver, server, [requests])
    report.check("raw: byte by byte", deliver, server, [bytes([byte]) for byte in requests])
    report.check("raw: cut at random", deliver, server, random_cuts(requests))


def random_cuts(requests):
    chance = random.Random(2)
    cuts = sorted(chance.sample(range(len(requests)), 40))
    return [requests[start:end] for start, end in zip([0, *cuts], [*cuts, len(requests)])]


def one_request(server, request, reply):
    """Each request on a connection of its own, so that a failure names the request. The data stays."""
    if request == CONVERSATION[0][0]:
        exchange(server, b"FLUSHALL\r\n", b"+OK\r\n")
    exchange(server, request, reply)


def exchange(server, request, reply):
    with server.connect() as connection:
        connection.sendall(request + b"ECHO end\r\n")
        receive(connection, reply + b"$3\r\nend\r\n")


def deliver(server, parts):
    """Sends the parts one by one and expects the replies to all."""
    exchange(server, b"FLUSHALL\r\n", b"+OK\r\n")
    with server.connect() as connection:
        for part in parts:
            connection.sendall(part)
        receive(connection, b"".join(reply for _, reply in CONVERSATION))


def receive(connection, expected):
    """Reads as many bytes as are expected, and compares."""
    received = b""
    while len(received) < len(expected):
        part = connection.recv(1 << 20)
        if not part:
            break
        received += part
    eq(received, expected)


def receive_to_end(connection):
    received = b""
    while part := connection.recv(1 << 16):
        received += part
    return received


def closes_after(server, request, reply):
    """The server may close while the rest of a long request is still on its way."""
    with server.connect() as connection:
        try:
            connection.sendall(request)
        except (BrokenPipeError, ConnectionResetError):
            pass
        received = b""
        try:
            while part := connection.recv(1 << 16):
                received += part
        except ConnectionResetError:
            pass
        eq(received, reply)


def large_value(server):
    value = megabyte()
    request = b"*3\r\n$3\r\nSET\r\n$3\r\nbig\r\n$%d\r\n%s\r\n" % (len(value), value)
    with server.connect() as connection:
        connection.sendall(request + b"GET big\r\n")
        receive(connection, b"+OK\r\n$%d\r\n%s\r\n" % (len(value), value))
        connection.sendall(b"*2\r\n$4\r\nECHO\r\n$256\r\n" + ALL_BYTES + b"\r\n")
        receive(connection, b"$256\r\n" + ALL_BYTES + b"\r\n")


def resp3(server):
    with server.connect() as connection:
        connection.sendall(b"HELLO 3\r\n")
        greeting = connection.recv(1 << 16)
        eq(greeting[:1], b"%")
        for part in (b"$6\r\nserver\r\n", b"$5\r\nproto\r\n:3\r\n", b"$4\r\nrole\r\n$6\r\nmaster\r\n"):
            contains(greeting, part)
        connection.sendall(b"GET none\r\nCONFIG GET port\r\n")
        port = str(server.port).encode()
        receive(connection, b"_\r\n%%1\r\n$4\r\nport\r\n$%d\r\n%s\r\n" % (len(port), port))
        connection.sendall(b"HELLO 2\r\nGET none\r\n")
        eq(wait_for_end(connection, b"$-1\r\n")[:1], b"*")


def wait_for_end(connection, end):
    received = b""
    while not received.endswith(end):
        part = connection.recv(1 << 16)
        if not part:
            raise AssertionError(f"the connection was closed after {received!r}")
        received += part
    return received


def quit_closes(server):
    with server.connect() as connection:
        connection.sendall(b"SET q 1\r\nQUIT\r\nSET q 2\r\n")
        eq(receive_to_end(connection), b"+OK\r\n+OK\r\n")
    exchange(server, b"GET q\r\n", b"$1\r\n1\r\n")


def half_closed(server):
    """What a client sent before it closed its side is executed."""
    with server.connect() as connection:
        connection.sendall(b"SET half 1\r\n" * 100)
        connection.shutdown(socket.SHUT_WR)
        contains(b"+OK\r\n" * 100, receive_to_end(connection))

    def is_set():
        with server.connect() as other:
            other.sendall(b"GET half\r\n")
            return other.recv(64) == b"$1\r\n1\r\n"

    wait_until("the half closed client's SET", is_set)


def reset(server):
    with server.connect() as connection:
        connection.sendall(b"SELECT 3\r\nCLIENT SETNAME me\r\nRESET\r\nCLIENT GETNAME\r\n")
        receive(connection, b"+OK\r\n+OK\r\n+RESET\r\n$-1\r\n")


def garbage_costs_the_sender_alone(server):
    chance = random.Random(3)
    with server.connect() as bystander:
        for _ in range(50):
            with server.connect() as connection:
                try:
                    connection.sendall(chance.randbytes(chance.randrange(1, 65_536)))
                except (BrokenPipeError, ConnectionResetError):
                    pass
            bystander.sendall(b"ECHO here\r\n")
            receive(bystander, b"$4\r\nhere\r\n")


def password(server):
    no_auth = b"-NOAUTH Authentication required.\r\n"
    wrong = b"-WRONGPASS invalid username-password pair or user is disabled.\r\n"
    with server.connect() as connection:
        connection.sendall(b"GET k\r\nAUTH guess\r\nAUTH secret\r\nPING\r\nAUTH default secret\r\n")
        receive(connection, no_auth + wrong + b"+OK\r\n+PONG\r\n+OK\r\n")
    with server.connect() as connection:
        connection.sendall(b"HELLO 2\r\n")
        eq(wait_for_end(connection, b"\r\n")[:46], b"-NOAUTH HELLO must be called with the client a")
        connection.sendall(b"HELLO 2 AUTH default secret SETNAME me\r\nCLIENT GETNAME\r\n")
        contains(wait_for_end(connection, b"$2\r\nme\r\n"), b"$5\r\nproto\r\n:2\r\n")
