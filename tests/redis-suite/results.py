"""The kept lists: what is expected to pass, what is left out and why, the denominators.

expected.tsv   unit, test: the tests that pass with this server; a loss fails the check
known.tsv      unit, test, reason: tests that fail, and why they may
skip.tsv       unit, test, reason: tests that are not started, because with a command that is
               not there yet they stall their unit or spoil the tests after them
reference.tsv  unit, tests, seconds: what Redis's own server passes, and how long it takes

A name may stand more than once in a unit: the suite loops over encodings without saying so
in every name. So sets of tests are counters of names.
"""
import re
from collections import Counter, defaultdict


def rows(path, columns):
    """The rows of a kept list, comments and empty lines left out."""
    with open(path, encoding='utf-8') as f:
        for number, line in enumerate(f, 1):
            line = line.rstrip('\n')
            if not line or line.startswith('#'):
                continue
            fields = line.split('\t')
            if len(fields) != columns:
                raise ValueError('%s:%d: %d columns, not %d' % (path, number, len(fields), columns))
            yield fields


def read_expected(path):
    """Unit -> counter of the names of tests that are expected to pass."""
    expected = defaultdict(Counter)
    for unit, test in rows(path, 2):
        expected[unit][test] += 1
    return expected


def write_expected(path, expected):
    """Write the list in one order, so that a change of it reads as a change of tests."""
    with open(path, 'w', encoding='utf-8') as f:
        f.write('# Tests of Redis\'s own suite that pass with this server: unit, test.\n')
        f.write('# Written by `tests/redis-suite/run --record`; `--check` fails on the loss of one.\n')
        for unit in sorted(expected):
            for test in sorted(expected[unit].elements()):
                f.write('%s\t%s\n' % (unit, test))


def read_reasons(path):
    """Unit -> names of tests that are not to be started, or are known to fail, each there for a reason."""
    tests = defaultdict(list)
    for unit, test, reason in rows(path, 3):
        if not reason.strip():
            raise ValueError('%s: no reason for %s: %s' % (path, unit, test))
        tests[unit].append(test)
    return tests


def names(entry, test):
    """Whether an entry of such a list, a name or / and a regular expression, names the test."""
    if entry.startswith('/'):
        return re.search(entry[1:], test) is not None
    return entry == test


def unknown(result, known):
    """The tests of a result that failed although no entry of the unit names them."""
    return [test for test in result.err if not any(names(entry, test) for entry in known)]


def read_reference(path):
    """Unit -> (tests that Redis's own server passes, seconds that takes)."""
    return {unit: (int(tests), int(seconds)) for unit, tests, seconds in rows(path, 3)}


def passed(result):
    """The counter of tests that passed in a result; a tab in a name would break the lists."""
    return Counter(name.replace('\t', ' ') for name in result.ok)


def losses(expected, *runs):
    """The expected tests of a unit that no run passed (each run a counter), sorted."""
    best = Counter()
    for run in runs:
        best |= run
    return sorted((expected - best).elements())
