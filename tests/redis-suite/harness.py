"""Running units of the suite against a server binary, and reading what the suite prints.

Life cycle of a run: `Suite` finds the units of an unpacked source tree; `scratch` makes a
private copy of the tree in which src/redis-server is the binary under test; `preflight`
starts that once as the suite would, since a server that lacks a line the suite waits for
costs two minutes at each start; `run_unit` runs one unit file and `parse` reads its output.
"""
import fnmatch
import glob
import os
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import time

import processes

GROUPS = {'unit': 'unit/*', 'type': 'unit/type/*', 'integration': 'integration/*'}
HELPERS = ('redis-cli', 'redis-benchmark', 'redis-check-rdb', 'redis-check-aof', 'redis-sentinel')
PORT_COUNT = 2000
# How a line of a unit is named that is left out, beside tests: what stands outside of tests and fails ends the unit.
LINE = 'line: '


class UnknownUnit(Exception):
    """A name or pattern that no unit of the suite matches."""


class Suite:
    """The suite in an unpacked source tree."""

    def __init__(self, root):
        self.root = os.path.abspath(root)
        self.tests = os.path.join(self.root, 'tests')

    def units(self):
        """Names of all units ('unit/type/string'), groups in the order of GROUPS."""
        return [os.path.relpath(f, self.tests)[:-len('.tcl')]
                for pattern in GROUPS.values()
                for f in sorted(glob.glob(os.path.join(self.tests, pattern + '.tcl')))]

    def pick(self, words):
        """The units that names, patterns, groups and 'all' choose; a leading '-' leaves out."""
        known, chosen, dropped = self.units(), [], set()
        for word in words:
            name = word.lstrip('-')
            patterns = list(GROUPS.values()) if name == 'all' else [GROUPS.get(name, name)]
            # A '*' must not cross a slash: unit/* is not unit/type/string.
            got = [u for p in patterns for u in known
                   if u.count('/') == p.count('/') and fnmatch.fnmatchcase(u, p)]
            if not got:
                raise UnknownUnit('no such unit: ' + word)
            if word.startswith('-'):
                dropped.update(got)
            else:
                chosen += [u for u in got if u not in chosen]
        return [u for u in chosen if u not in dropped]

    def scratch(self, server):
        """A private tree: links to everything, tests/ copied, the binary put in."""
        top = tempfile.mkdtemp(prefix='ruddle-redis-suite.')
        for entry in os.listdir(self.root):
            if entry not in ('src', 'tests'):
                os.symlink(os.path.join(self.root, entry), os.path.join(top, entry))
        shutil.copytree(self.tests, os.path.join(top, 'tests'))
        os.makedirs(os.path.join(top, 'tests', 'tmp'), exist_ok=True)
        src = os.path.join(top, 'src')
        os.mkdir(src)
        for entry in os.listdir(os.path.join(self.root, 'src')):
            os.symlink(os.path.join(self.root, 'src', entry), os.path.join(src, entry))
        os.symlink(os.path.abspath(server), os.path.join(src, 'redis-server'))
        for helper in HELPERS:
            program = shutil.which(helper)
            if program:
                os.symlink(program, os.path.join(src, helper))
        return top


class Result:
    """What one run of one unit printed."""

    def __init__(self, unit):
        self.unit = unit
        self.ok, self.err = [], []  # names of tests, in the order in which they ended
        self.skipped = 0            # left out by our list or by the suite's own tags
        self.aborted = ''           # '', 'exception', 'hang', 'timeout' or 'incomplete'
        self.detail = ''            # the abort's cause, as the suite tells it
        self.seconds = 0.0


EVENT = re.compile(r'\[(ok|err|skip|ignore|exception|TIMEOUT|\d+/\d+ done)\]: ?(.*)$')


def parse(text, result):
    """Read the suite's output into result."""
    done = False
    for line in text.replace('\r', '').split('\n'):
        hung = re.match(r'\*\*\* \[TIMEOUT\]: (.*) in \S+$', line)
        if hung:
            result.detail = hung.group(1)
        event = None if line.startswith('*** ') else EVENT.search(line)
        if not event:
            continue
        kind, data = event.groups()
        if kind == 'ok':
            result.ok.append(re.sub(r' \(\d+ ms\)$', '', data))
        elif kind == 'err':
            test = re.match(r'(.*) in tests/\S+\.tcl$', data)
            result.err.append(test.group(1) if test else '(outside a test) ' + data[:120])
        elif kind in ('skip', 'ignore'):
            result.skipped += 1
        elif kind == 'exception':
            result.aborted, result.detail = 'exception', data[:200]
        elif kind == 'TIMEOUT':
            result.aborted = 'hang'
        else:
            done = True
    if not done and not result.aborted:
        result.aborted = 'incomplete'


def leave_out_lines(top, unit, lines):
    """Make comments of these lines in the scratch copy of the unit."""
    path = os.path.join(top, 'tests', unit + '.tcl')
    with open(path, encoding='utf-8', errors='surrogateescape') as f:
        text = f.read()
    for line in lines:
        text = re.sub('^[ \t]*' + re.escape(line) + '$', '# left out', text, flags=re.M)
    with open(path, 'w', encoding='utf-8', errors='surrogateescape') as f:
        f.write(text)


def run_unit(top, unit, logs, limit_seconds, stall_seconds, base_port, skip=()):
    """Run one unit in the scratch tree `top`.

    The suite's --durable switch is on: an error reply that a test did not expect fails that
    test, not the whole unit. `stall_seconds` without a finished test end the unit as a hang.
    """
    start = time.monotonic()
    result = Result(unit)
    tmp = os.path.join(top, 'tests', 'tmp')
    shutil.rmtree(tmp, ignore_errors=True)
    os.makedirs(tmp)
    env = {k: v for k, v in os.environ.items() if not k.startswith(('REDIS', 'RUDDLE_'))}
    env.update(TERM='dumb', LC_ALL='C.UTF-8')
    cmd = ['tclsh', 'tests/test_helper.tcl', '--clients', '1', '--single', unit, '--durable',
           '--timeout', str(stall_seconds), '--dont-clean',
           '--baseport', str(base_port), '--portcount', str(PORT_COUNT)]
    leave_out_lines(top, unit, [name[len(LINE):] for name in skip if name.startswith(LINE)])
    for name in skip:
        if not name.startswith(LINE):
            cmd += ['--skiptest', name]
    log = os.path.join(logs, unit.replace('/', '.') + '.log')
    text, timed_out = processes.run_on_terminal(cmd, env, top, limit_seconds, log)
    parse(text, result)
    if timed_out:
        result.aborted = 'timeout'
    result.seconds = time.monotonic() - start
    return result


def answers_ping(port):
    """Whether a server on the port answers PING, with an error or not."""
    try:
        with socket.create_connection(('127.0.0.1', port), timeout=1) as s:
            s.settimeout(1)
            s.sendall(b'*1\r\n$4\r\nPING\r\n')
            return s.recv(64)[:1] in (b'+', b'-')
    except OSError:
        return False


def preflight(suite, top, port):
    """Start the binary once with the suite's default file; the list of what it lacks."""
    work = os.path.join(top, 'tests', 'tmp', 'preflight')
    os.makedirs(work)
    conf = os.path.join(work, 'conf')
    with open(os.path.join(suite.tests, 'assets', 'default.conf')) as f:
        lines = [l for l in f if l.strip() and l.split()[0] not in ('port', 'dir')]
    with open(conf, 'w') as f:
        f.writelines(lines)
        f.write('\nport %d\ndir %s\nunixsocket %s/socket\n' % (port, work, work))
    printed_path = os.path.join(work, 'stdout')
    with open(printed_path, 'wb') as out:
        proc = subprocess.Popen([os.path.join(top, 'src', 'redis-server'), conf], cwd=top,
                                stdin=subprocess.DEVNULL, stdout=out, stderr=out,
                                start_new_session=True)
    missing, end = [], time.monotonic() + 15

    def printed():
        with open(printed_path, errors='replace') as f:
            return f.read()

    def expect(what, holds):
        while not holds() and time.monotonic() < end and proc.poll() is None:
            time.sleep(0.05)
        if not holds():
            missing.append(what)

    expect('on standard output, " PID: %d" and later "Server initialized"' % proc.pid,
           lambda: re.search(r' PID: %d.*Server initialized' % proc.pid, printed(), re.S))
    expect('on standard output, "Ready to accept"', lambda: 'Ready to accept' in printed())
    expect('an answer to PING', lambda: answers_ping(port))
    expect('a socket file at the unixsocket path', lambda: os.path.exists(work + '/socket'))
    if proc.poll() is not None:
        missing.append('it ended by itself, with status %d' % proc.returncode)
    else:
        os.kill(proc.pid, signal.SIGTERM)
        try:
            proc.wait(timeout=10)
        except subprocess.TimeoutExpired:
            missing.append('it did not end within 10 seconds of SIGTERM')
    processes.sweep(proc.pid, work)
    if missing:
        missing += ['the last lines it wrote:'] + printed().strip().split('\n')[-5:]
    shutil.rmtree(work, ignore_errors=True)
    return missing
