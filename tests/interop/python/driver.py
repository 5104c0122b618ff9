"""Runs every suite and prints the total; ``../run`` prepares what this needs and starts it.

To add a suite, add its module to PYTHON_SUITES or its command to EXTERNAL_SUITES. An external suite prints lines as
``harness.Report`` does, and last of all ``end``: without that line it counts as failed, however it ended.
"""

import importlib
import os
import shutil
import subprocess
import sys
import threading

from harness import Report

PYTHON_SUITES = ["raw", "nc", "cli", "benchmark", "migrate", "redis_py", "redis_py_asyncio", "snapshots", "append_only"]
EXTERNAL_SUITES = {
    "node_redis": ["node", "node/node_redis.mjs"],
    "ioredis": ["node", "node/ioredis.mjs"],
    "redis_rs": [os.path.join(os.environ["INTEROP_FOLDER"], "cargo", "debug", "ruddle-interop")],
}
PEERS = ["redis-server", "redis-cli", "redis-benchmark", "nc", "bash", "node"]
SUITE_TIMEOUT_S = 300


def run_external(report, name, command):
    """Passes the suite's lines on and counts them."""
    with subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True) as process:
        limit = threading.Timer(SUITE_TIMEOUT_S, process.kill)
        limit.start()
        ended = False
        for line in process.stdout:
            line = line.rstrip("\n")
            if line.startswith("ok   "):
                report.ok(line[5:])
            elif line.startswith("FAIL "):
                name_of_check, _, reason = line[5:].partition(" -- ")
                report.fail(name_of_check, reason)
            ended = line == "end"
        limit.cancel()
    if not ended:
        report.fail(f"{name}: suite", f"ended early, with status {process.returncode}")


def main(wanted):
    missing = [peer for peer in PEERS if not shutil.which(peer)]
    if missing:
        sys.exit(f"missing peers: {', '.join(missing)}")
    suites = [*PYTHON_SUITES, *EXTERNAL_SUITES]
    unknown = [name for name in wanted if name not in suites]
    if unknown:
        sys.exit(f"no such suite: {', '.join(unknown)}; there are {', '.join(suites)}")
    report = Report()
    for name in wanted or suites:
        if name in EXTERNAL_SUITES:
            run_external(report, name, EXTERNAL_SUITES[name])
        else:
            importlib.import_module(name).run(report)
    print(f"{report.passed} passed, {report.failed} failed", flush=True)
    return 1 if report.failed or not report.passed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
