"""Runs every suite, each as a process of its own with a server of its own; ``run`` prepares what this needs.

A suite is a command in SUITES. It finds the server at CLIENTS_URL and has the folder CLIENTS_LOGS for what its
processes print. It prints a line ``ok   NAME``, ``FAIL NAME -- REASON`` or ``n/a  NAME -- REASON`` for each test, and
``end`` last of all: without that line it counts as failed, however it ended. ``n/a`` is for what a library does only
with a newer server; no test is n/a on Ruddle. All that a suite has started ends with it, since it is a process group.
To add a library, add its suite to SUITES, and its version to the file that ``run`` installs from.
"""

import os
import shutil
import signal
import subprocess
import sys
import threading
import time
import urllib.parse

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "interop", "python"))
from harness import HOST, Server, is_ruddle  # noqa: E402  the path is set just above

FOLDER = os.environ["INTEROP_FOLDER"]
LOGS = os.path.join(FOLDER, "logs")
# The command and the seconds that it may take.
SUITES = {
    "redis_py": ([sys.executable, "python/redis_py.py"], 60),
    "redis_py_asyncio": ([sys.executable, "python/redis_py_asyncio.py"], 60),
    "pottery": ([sys.executable, "python/pottery_locks.py"], 60),
    "celery": ([sys.executable, "python/celery_queue.py"], 90),
    "rq": ([sys.executable, "python/rq_queue.py"], 90),
    "node_redis": (["node", "node/node_redis.mjs"], 60),
    "ioredis": (["node", "node/ioredis.mjs"], 60),
    "bullmq": (["node", "node/bullmq.mjs"], 90),
    "rate_limiter": (["node", "node/rate_limiter.mjs"], 60),
    "socket_io": (["node", "node/socket_io.mjs"], 60),
    "redis_rs": ([os.path.join(FOLDER, "cargo", "debug", "ruddle-clients"), "redis"], 60),
    "fred": ([os.path.join(FOLDER, "cargo", "debug", "ruddle-clients"), "fred"], 60),
}
LOG_TAIL_BYTES = 4000


class RunningServer:
    """A server that someone else has started, emptied for the suite."""

    def __init__(self, url):
        parts = urllib.parse.urlsplit(url)
        self.host, self.port = parts.hostname or HOST, parts.port or 6379

    def __enter__(self):
        import redis

        with redis.Redis(host=self.host, port=self.port) as client:
            client.flushall()
            client.script_flush()
            client.function_flush()
        return self

    def __exit__(self, *_):
        pass


class Run:
    """One suite's run: its lines, passed on and counted."""

    def __init__(self, name):
        self.name = name
        self.logs = os.path.join(LOGS, name)
        self.passed, self.failed, self.not_offered = 0, 0, 0
        shutil.rmtree(self.logs, ignore_errors=True)
        os.makedirs(self.logs)

    def fail(self, reason):
        self.failed += 1
        print(f"FAIL {self.name} -- {reason}", flush=True)

    def execute(self, server):
        command, limit_s = SUITES[self.name]
        url = f"redis://{getattr(server, 'host', HOST)}:{server.port}"
        environment = os.environ | {
            "CLIENTS_URL": url,
            "CLIENTS_LOGS": self.logs,
            "PYTHONPATH": os.path.join(HERE, "..", "interop", "python"),
        }
        with open(os.path.join(self.logs, "suite.log"), "ab") as log:
            process = subprocess.Popen(
                command, cwd=HERE, env=environment, start_new_session=True, text=True,
                stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=log,
            )  # fmt: skip
        limit = threading.Timer(limit_s, end_group, [process])
        limit.start()
        ended = False
        for line in process.stdout:
            ended = self.count(line.rstrip("\n")) or ended
            if ended:
                break
        limit.cancel()
        end_group(process)
        status = process.wait()
        if not ended:
            self.fail(f"the suite ended early, with status {status}, or was ended after {limit_s} s")

    def count(self, line):
        """Counts the line; whether it is the last one."""
        if line == "end":
            return True
        kinds = {"ok   ": "passed", "FAIL ": "failed", "n/a  ": "not_offered"}
        kind = kinds.get(line[:5])
        if kind:
            setattr(self, kind, getattr(self, kind) + 1)
            print(f"{line[:5]}{self.name}: {line[5:]}", flush=True)
        return False

    def show_logs(self):
        """What the suite's processes printed last."""
        for file in sorted(os.listdir(self.logs)):
            with open(os.path.join(self.logs, file), encoding="utf-8", errors="replace") as log:
                text = log.read()[-LOG_TAIL_BYTES:].strip()
            if text:
                print(f"---- {self.name}/{file}\n{text}", flush=True)


def end_group(process):
    """Ends the suite and all that it has started."""
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        pass


def main(wanted):
    unknown = [name for name in wanted if name not in SUITES]
    if unknown:
        sys.exit(f"no such suite: {', '.join(unknown)}; there are {', '.join(SUITES)}")
    address = os.environ["RUDDLE_BIN"]
    is_url = address.startswith("redis://")
    runs = []
    for name in wanted or SUITES:
        began = time.monotonic()
        run = Run(name)
        with RunningServer(address) if is_url else Server() as server:
            run.execute(server)
            if not is_url:
                shutil.copy(os.path.join(server.folder, "log"), os.path.join(run.logs, "server.log"))
                if server.process.poll() is not None:
                    run.fail(f"the server ended, with status {server.process.returncode}")
        if run.failed or not run.passed:
            run.show_logs()
        print(f"     {name}: {time.monotonic() - began:.1f} s", flush=True)
        runs.append(run)
    failed = sum(run.failed for run in runs)
    not_offered = sum(run.not_offered for run in runs)
    print(f"{sum(run.passed for run in runs)} passed, {failed} failed, {not_offered} need a newer server", flush=True)
    is_complete = not failed and all(run.passed for run in runs)
    return 0 if is_complete and (is_url or not is_ruddle() or not not_offered) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
