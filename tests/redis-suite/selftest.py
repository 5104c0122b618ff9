#!/usr/bin/env python3
"""Tests of the runner's own parts: sources, output, kept lists. Run by .ci/run before the suite."""
import os
import sys
import tempfile
import time
import unittest
from collections import Counter

import harness
import processes
import results
import source


class Sources(unittest.TestCase):
    """The machine's apt entries, as source entries of this release alone."""

    def test_deb822(self):
        text = '\n'.join((
            '# The distribution', 'Types: deb deb-src', 'URIs: http://archive.test/debian',
            'Suites: bookworm bookworm-updates trixie', 'Components: main', 'Signed-By:',
            ' -----BEGIN', ' .', ' key', '', 'Types: deb', 'URIs: http://vendor.test',
            'Suites: nodistro', 'Components: main', '', 'Types: deb', 'Suites: bookworm',
            'Enabled: no', ''))
        self.assertEqual(source.deb822_as_source(text, 'bookworm'), '\n'.join((
            'types: deb-src', 'uris: http://archive.test/debian', 'suites: bookworm bookworm-updates',
            'components: main', 'signed-by: ', ' -----BEGIN', ' .', ' key', '')))

    def test_one_line(self):
        text = '\n'.join((
            'deb [signed-by=/k arch=amd64] http://archive.test/debian bookworm main contrib',
            '# deb http://archive.test/debian bookworm main',
            'deb-src http://archive.test/debian bookworm main',
            'deb http://vendor.test/apt vendor-bookworm main',
            'deb http://archive.test/security bookworm-security main', ''))
        self.assertEqual(source.one_line_as_source(text, 'bookworm'), '\n'.join((
            'deb-src [signed-by=/k arch=amd64] http://archive.test/debian bookworm main contrib',
            'deb-src http://archive.test/security bookworm-security main', '')))

    def test_a_damaged_tarball_is_refused(self):
        with tempfile.NamedTemporaryFile() as f:
            f.write(b'not the tarball')
            f.flush()
            with self.assertRaisesRegex(source.SourceError, 'SHA-256'):
                source.verify(f.name)


class Output(unittest.TestCase):
    """What the suite prints, as results."""

    def parse(self, *lines):
        result = harness.Result('unit/sample')
        harness.parse('\r\n'.join(lines), result)
        return result

    def test_verdicts(self):
        result = self.parse(
            '[ready]: 77', '[testing]: a', '[ok]: a (3 ms)', '[ok]: with [ok] and (1 ms) in it (2 ms)',
            '[err]: b in tests/unit/sample.tcl', 'Expected 1', '[skip]: c', '[ignore]: d: large-memory',
            "[err]: I/O error reading reply", '[1/1 done]: unit/sample (2 seconds)',
            '*** [err]: b in tests/unit/sample.tcl')
        self.assertEqual(result.ok, ['a', 'with [ok] and (1 ms) in it'])
        self.assertEqual(result.err, ['b', '(outside a test) I/O error reading reply'])
        self.assertEqual((result.skipped, result.aborted), (2, ''))

    def test_aborts(self):
        self.assertEqual(self.parse('[ok]: a (3 ms)').aborted, 'incomplete')
        raised = self.parse('[exception]: Executing test client: no such key', '[1/1 done]: x')
        self.assertEqual((raised.aborted, raised.detail[:9]), ('exception', 'Executing'))
        hung = self.parse('[TIMEOUT]: clients state report follows.',
                          '*** [TIMEOUT]: BLPOP waits in tests/unit/sample.tcl')
        self.assertEqual((hung.aborted, hung.detail), ('hang', 'BLPOP waits'))


class Lists(unittest.TestCase):
    """Expected tests against passed ones."""

    def test_a_loss_is_what_no_run_passed(self):
        expected = Counter(a=2, b=1, c=1)
        self.assertEqual(results.losses(expected, Counter(a=1, b=1)), ['a', 'c'])
        self.assertEqual(results.losses(expected, Counter(a=1, b=1), Counter(a=2, c=1)), [])
        self.assertEqual(results.losses(expected), ['a', 'a', 'b', 'c'])

    def test_the_list_reads_as_it_was_written(self):
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, 'expected.tsv')
            expected = {'unit/b': Counter({'x - y': 2}), 'unit/a': Counter({'#1 first': 1})}
            results.write_expected(path, expected)
            self.assertEqual(results.read_expected(path), expected)
            with open(path, 'a', encoding='utf-8') as f:
                f.write('unit/a\n')
            with self.assertRaisesRegex(ValueError, r'expected\.tsv:6'):
                results.read_expected(path)

    def test_a_test_is_left_out_for_a_reason_alone(self):
        with tempfile.NamedTemporaryFile('w') as f:
            f.write('unit/a\tblocks\twaits for BLPOP\n')
            f.flush()
            self.assertEqual(results.read_reasons(f.name), {'unit/a': ['blocks']})
            f.write('unit/a\tother\t \n')
            f.flush()
            with self.assertRaises(ValueError):
                results.read_reasons(f.name)

    def test_what_fails_is_known_by_name_or_by_pattern(self):
        result = harness.Result('unit/a')
        result.err = ['SCAN (1)', 'SCAN [x', 'other']
        self.assertEqual(results.unknown(result, ['/^SCAN \\(', 'SCAN [x']), ['other'])
        self.assertEqual(results.unknown(result, []), result.err)

    def test_a_line_is_left_out_wherever_it_stands_alone(self):
        with tempfile.TemporaryDirectory() as top:
            os.makedirs(os.path.join(top, 'tests', 'unit'))
            path = os.path.join(top, 'tests', 'unit', 'a.tcl')
            with open(path, 'w', encoding='utf-8') as f:
                f.write('r one\n    r one\nr one two\n')
            for _ in range(2):
                harness.leave_out_lines(top, 'unit/a', ['r one'])
            with open(path, encoding='utf-8') as f:
                self.assertEqual(f.read(), '# left out\n# left out\nr one two\n')

    def test_kept_lists_are_well_formed(self):
        here = os.path.dirname(os.path.abspath(__file__))
        reference = results.read_reference(os.path.join(here, 'reference.tsv'))
        expected = results.read_expected(os.path.join(here, 'expected.tsv'))
        results.read_reasons(os.path.join(here, 'skip.tsv'))
        known = results.read_reasons(os.path.join(here, 'known.tsv'))
        for unit, tests in expected.items():
            self.assertLessEqual(sum(tests.values()), reference[unit][0], unit)
            both = [t for t in tests if any(results.names(entry, t) for entry in known[unit])]
            self.assertEqual(both, [], 'it passes, and is known to fail')


class Processes(unittest.TestCase):
    """A run ends what is its own."""

    def test_left_over_processes_end_with_the_run(self):
        with tempfile.TemporaryDirectory() as tree, tempfile.TemporaryDirectory() as logs:
            # A grandchild with a session of its own, which holds the terminal: as a server may.
            script = 'setsid sleep 300 & echo printed'
            begin = time.monotonic()
            text, timed_out = processes.run_on_terminal(
                ['sh', '-c', script], dict(os.environ), tree, 20, os.path.join(logs, 'log'))
            self.assertEqual((text.strip(), timed_out), ('printed', False))
            self.assertEqual(processes.of_session_or_tree(-1, tree), [])
            self.assertLess(time.monotonic() - begin, 15)

    def test_two_runs_have_two_ranges_of_ports(self):
        first, lock = processes.claim_ports()
        second, other = processes.claim_ports()
        self.assertGreaterEqual(abs(first - second), harness.PORT_COUNT)
        lock.close()
        other.close()


if __name__ == '__main__':
    unittest.main(argv=[sys.argv[0], '-q'])
