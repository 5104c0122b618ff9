"""What keeps a run of the suite apart from everything else on the machine.

The suite starts servers that outlive the test that started them, so a run owns a session
and a scratch tree, and `sweep` ends what belongs to either, and nothing else.
"""
import os
import pty
import select
import signal
import socket
import subprocess
import time
import tty


class NoPorts(Exception):
    """Every range of ports is in use."""


def of_session_or_tree(session, tree):
    """Ids of the processes in the session, or working inside the scratch tree."""
    found = []
    for pid in os.listdir('/proc'):
        if not pid.isdigit() or int(pid) == os.getpid():
            continue
        try:
            with open('/proc/%s/stat' % pid) as f:
                stat = f.read()
            # The command's name may hold anything, a parenthesis too: fields start after the last.
            fields = stat[stat.rindex(')') + 2:].split()
            cwd = os.readlink('/proc/%s/cwd' % pid)
        except (OSError, ValueError):
            continue
        inside = cwd == tree or cwd.startswith(tree + '/')
        if fields[0] != 'Z' and (int(fields[3]) == session or inside):
            found.append(int(pid))
    return found


def sweep(session, tree):
    """End what is left of a run: asked for two seconds, then killed."""
    for sig, seconds in ((signal.SIGTERM, 2.0), (signal.SIGKILL, 5.0)):
        end = time.monotonic() + seconds
        pids = of_session_or_tree(session, tree)
        for pid in pids:
            try:
                os.kill(pid, sig)
            except OSError:
                pass
        while pids and time.monotonic() < end:
            time.sleep(0.05)
            pids = of_session_or_tree(session, tree)
        if not pids:
            return


def claim_ports(count=2000):
    """The first of `count` ports that no other run uses, and the lock that says so.

    Two runs with one range stop each other's servers. The lock is the name of an abstract
    socket, which is gone with this process, however it ends.
    """
    for base in range(21111, 31111, count + 100):
        lock = socket.socket(socket.AF_UNIX)
        try:
            lock.bind('\0ruddle-redis-suite-ports-%d' % base)
        except OSError:
            lock.close()
            continue
        # The suite's own control port: taken where somebody runs the suite by hand.
        with socket.socket() as probe:
            if probe.connect_ex(('127.0.0.1', base - 32)) != 0:
                return base, lock
        lock.close()
    raise NoPorts('no free range of ports: too many runs at once')


def run_on_terminal(cmd, env, cwd, limit_seconds, log_path):
    """Run cmd with a terminal as its output; its text, and whether it ran out of time.

    tclsh writes line by line to a terminal alone; to a pipe, what it had printed when a
    unit was given up would be lost in its buffer.
    """
    master, slave = pty.openpty()
    tty.setraw(slave)
    proc = subprocess.Popen(cmd, cwd=cwd, env=env, stdin=subprocess.DEVNULL,
                            stdout=slave, stderr=slave, start_new_session=True)
    os.close(slave)
    chunks, end, exited_at, timed_out = [], time.monotonic() + limit_seconds, None, False
    try:
        with open(log_path, 'wb') as log:
            while True:
                now = time.monotonic()
                if now > end:
                    timed_out = True
                    break
                if proc.poll() is not None:
                    exited_at = exited_at or now
                    if now - exited_at > 2:  # a process that was left over holds the terminal
                        break
                if not select.select([master], [], [], 0.5)[0]:
                    if exited_at:
                        break
                    continue
                try:
                    data = os.read(master, 65536)
                except OSError:  # the last holder of the other end closed it
                    break
                if not data:
                    break
                chunks.append(data)
                log.write(data)
    finally:
        sweep(proc.pid, cwd)
        try:
            proc.wait(timeout=5)
        except subprocess.TimeoutExpired:
            pass
        os.close(master)
    return b''.join(chunks).decode('utf-8', 'replace'), timed_out
