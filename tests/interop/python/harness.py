"""What every suite shares: servers that it starts, and checks that it counts.

A suite is a module with a function ``run(report)``. It hands named functions to ``report.check``; what a function
raises is its failure. Each check is bounded in time, so that a server that never answers fails instead of hanging.
"""

import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import traceback
from contextlib import contextmanager

HOST = "127.0.0.1"
START_TIMEOUT_S = 10
CHECK_TIMEOUT_S = 60
# Below the ports that the system gives to outgoing connections: a restarted server finds its own still free.
PORTS = range(20_000, 30_000)


class Report:
    """Counts checks and prints a line for each."""

    def __init__(self):
        self.passed = 0
        self.failed = 0

    def check(self, name, function, *arguments):
        """Runs one check and prints how it ended."""
        try:
            with time_limit(CHECK_TIMEOUT_S):
                function(*arguments)
        except Exception as error:  # Whatever a client raises is the check's result.
            self.fail(name, describe(error))
        else:
            self.ok(name)

    def ok(self, name):
        self.passed += 1
        print(f"ok   {name}", flush=True)

    def fail(self, name, reason):
        self.failed += 1
        print(f"FAIL {name} -- {reason}", flush=True)


def describe(error):
    """The error on one line, with the suite's own line from which it came."""
    line = "?"
    suites = os.path.dirname(os.path.abspath(sys.argv[0]))
    for frame in traceback.extract_tb(error.__traceback__):
        folder, file = os.path.split(os.path.abspath(frame.filename))
        if folder == suites and file not in ("harness.py", "suite.py"):
            line = f"{file}:{frame.lineno}"
    text = " ".join(str(error).split())
    return f"{line}: {type(error).__name__}: {text[:600]}"


@contextmanager
def time_limit(seconds):
    """Raises TimeoutError in the main thread when the time is over."""

    def expire(_signal, _frame):
        raise TimeoutError(f"not done after {seconds} s")

    previous = signal.signal(signal.SIGALRM, expire)
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, previous)


def eq(actual, expected):
    """Fails unless both are equal and, but for integers as booleans, of the same type."""
    if actual != expected or isinstance(actual, str) != isinstance(expected, str):
        raise AssertionError(f"got {shorten(actual)}, expected {shorten(expected)}")


def contains(text, part):
    """Fails unless ``part`` is in ``text``."""
    if part not in text:
        raise AssertionError(f"{shorten(part)} is not in {shorten(text)}")


def shorten(value):
    text = repr(value)
    return text if len(text) <= 300 else f"{text[:200]} ... ({len(text)} characters)"


def raises(kinds, part, function, *arguments, **options):
    """Fails unless the call raises one of these kinds, with this part in its text."""
    try:
        result = function(*arguments, **options)
    except kinds as error:
        contains(str(error), part)
        return error
    raise AssertionError(f"no error, but {shorten(result)}")


def wait_until(what, condition, seconds=START_TIMEOUT_S):
    """Polls until the condition holds and returns its value."""
    deadline = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            raise TimeoutError(f"{what}: not within {seconds} s")
        time.sleep(0.002)


def server_program():
    return os.environ["RUDDLE_BIN"]


def is_ruddle():
    """Whether the server under test is Ruddle, and not the real one that the suites are checked against."""
    if server_program().startswith("redis://"):
        return False
    output = subprocess.run([server_program(), "--version"], capture_output=True, text=True, check=True, timeout=10)
    return output.stdout.lower().startswith("ruddle")


class Server:
    """A server of its own port, Unix socket and folder; stopped at the end of its ``with`` block.

    It is the one under test, unless another program is named.
    """

    # What is started, where that is not the server under test.
    program = None

    def __init__(self, *options, program=None):
        self.program = program or self.program or server_program()
        self.options = options
        self.folder = tempfile.mkdtemp(prefix="ruddle-interop-")
        self.unix_socket = os.path.join(self.folder, "s")
        self.port = free_port()
        self.password = options[options.index("--requirepass") + 1] if "--requirepass" in options else None
        self.process = None

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        self.kill()
        shutil.rmtree(self.folder, ignore_errors=True)

    def start(self):
        """Starts the process on the server's own port and waits until it answers."""
        log_path = os.path.join(self.folder, "log")
        command = [self.program, "--port", str(self.port), "--bind", HOST, "--unixsocket", self.unix_socket]
        command += ["--save", "", "--appendonly", "no", "--dir", self.folder, *self.options]
        with open(log_path, "ab") as log:
            self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        try:
            wait_until("the server's first answer", self._answers)
        except (TimeoutError, ChildProcessError) as error:
            self.kill()
            with open(log_path, encoding="utf-8", errors="replace") as log:
                sys.exit(f"cannot start {' '.join(command)}: {error}\n{log.read()}")

    def _answers(self):
        if self.process.poll() is not None:
            raise ChildProcessError(f"exit status {self.process.returncode}")
        try:
            with socket.create_connection((HOST, self.port), timeout=1) as connection:
                connection.sendall(b"PING\r\n")
                return connection.recv(64)[:5] in (b"+PONG", b"-NOAU")
        except OSError:
            return False

    def kill(self):
        """Ends the process at once; it has no time to say good-bye to its clients."""
        if self.process:
            self.process.kill()
            self.process.wait()

    def connect(self):
        """A plain TCP connection, with a time limit on each read."""
        connection = socket.create_connection((HOST, self.port), timeout=10)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return connection


def free_port():
    """A port on which nothing listens."""
    for port in random.sample(PORTS, 100):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((HOST, port))
                return port
            except OSError:
                continue
    sys.exit("no free port")


ALL_BYTES = bytes(range(256))


def megabyte():
    """A value of 1 MiB in which no byte is like its neighbours for long, the same in each run."""
    return random.Random(1).randbytes(1 << 20)
