"""Requests made with nothing but printf and nc, as the README shows them."""

import subprocess

from harness import HOST, Server, eq

LINES = {
    "PING": (r"PING\r\nQUIT\r\n", b"+PONG\r\n+OK\r\n"),
    "inline commands": (r"SET greeting \"hello world\"\r\nGET greeting\r\nQUIT\r\n", b"+OK\r\n$11\r\nhello world\r\n+OK\r\n"),
    "RESP arrays": (
        r"*3\r\n\$3\r\nSET\r\n\$1\r\na\r\n\$1\r\n1\r\n*2\r\n\$4\r\nINCR\r\n\$1\r\na\r\n*1\r\n\$4\r\nQUIT\r\n",
        b"+OK\r\n:2\r\n+OK\r\n",
    ),
    "an error": (r"NOSUCH\r\nQUIT\r\n", b"-ERR unknown command 'NOSUCH', with args beginning with: \r\n+OK\r\n"),
    "a list": (r"RPUSH l a b\r\nLRANGE l 0 -1\r\nQUIT\r\n", b":2\r\n*2\r\n$1\r\na\r\n$1\r\nb\r\n+OK\r\n"),
}


def run(report):
    with Server() as server:
        for name, (line, reply) in LINES.items():
            report.check(f"nc: {name}", through_nc, server, line, reply)


def through_nc(server, line, reply):
    """QUIT ends the connection, so that every variant of nc comes back."""
    script = f'printf "{line}" | nc {HOST} {server.port}'
    output = subprocess.run(["bash", "-c", script], capture_output=True, check=True, timeout=20)
    eq(output.stdout, reply)
