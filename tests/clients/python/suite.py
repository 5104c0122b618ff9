"""What the suites of Python share besides ``harness`` of tests/interop: where the server is, and how checks are run."""

import functools
import os
import subprocess
import sys

import redis

from harness import Report, wait_until

URL = os.environ["CLIENTS_URL"]
HOST, PORT = URL.removeprefix("redis://").split(":")
PORT = int(PORT)
LOGS = os.environ["CLIENTS_LOGS"]


def since(version):
    """Marks a check of something that the library does only with this version of the server, or a newer one."""

    def mark(function):
        function.since = version
        return function

    return mark


@functools.cache
def server_version():
    with redis.Redis(host=HOST, port=PORT) as client:
        return tuple(int(part) for part in client.info("server")["redis_version"].split("."))


def run_checks(checks, prefix="", invoke=lambda check: check(), keep_data=False):
    """Runs each function on an empty server, through ``invoke``."""
    report = Report()
    for check in checks:
        name = prefix + check.__name__.replace("_", " ")
        needed = getattr(check, "since", (0,))
        if server_version() < needed:
            print(f"n/a  {name} -- needs version {'.'.join(map(str, needed))}", flush=True)
            continue
        if not keep_data:
            with redis.Redis(host=HOST, port=PORT) as client:
                client.flushall()
        report.check(name, invoke, check)


def end():
    """The suite is through; threads that a library keeps running do not hold it up."""
    print("end", flush=True)
    sys.stdout.flush()
    os._exit(0)


def start_process(name, command, **options):
    """A process of the library's own, which prints into a file of its name. It ends with the suite."""
    with open(os.path.join(LOGS, f"{name}.log"), "ab") as log:
        return subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, **options)


__all__ = ["HOST", "LOGS", "PORT", "URL", "end", "run_checks", "server_version", "since", "start_process", "wait_until"]
