"""The suite's source: the distribution's Redis tarball, fetched once and unpacked.

The tarball comes from the source package `redis` of the release in use. What names the
archive is the machine's own apt configuration: its `deb` entries for this release are
rewritten as `deb-src` into a private apt state under the target folder, so neither the
machine's sources nor its package lists change, and no root is needed. To move to another
version of the suite, change VERSION and SHA256 and make reference.tsv anew.
"""
import glob
import hashlib
import os
import re
import shutil
import subprocess

VERSION = '7.0.15'
# Of redis_7.0.15.orig.tar.gz, as Debian 12 and Ubuntu 24.04 ship it.
SHA256 = '4b1dc4ee6d622a09fff9c6777191209750fb5e5a725ef78ea012d6eef4c22982'
TARBALL = 'redis_%s.orig.tar.gz' % VERSION


class SourceError(Exception):
    """The source cannot be had; the message says what was tried."""


def release_codename(path='/etc/os-release'):
    """The release's code name ('bookworm'), by which its archive suites are known."""
    try:
        with open(path) as f:
            found = re.search(r'^VERSION_CODENAME="?([a-z]+)"?\s*$', f.read(), re.M)
    except OSError:
        found = None
    if not found:
        raise SourceError('no VERSION_CODENAME in ' + path + ': not a Debian-like system')
    return found.group(1)


def of_release(suite, codename):
    """Whether an archive suite belongs to the release (not to some vendor's archive)."""
    return suite in (codename, codename + '-updates', codename + '-security')


def deb822_as_source(text, codename):
    """The stanzas of a .sources file that serve this release, as deb-src stanzas."""
    out = []
    for stanza in re.split(r'\n\s*\n', text):
        fields, name = {}, None
        for line in stanza.split('\n'):
            if line.startswith('#') or not line.strip():
                continue
            if line[0] in ' \t' and name:
                fields[name] += '\n' + line
            elif ':' in line:
                name, value = line.split(':', 1)
                name = name.strip().lower()
                fields[name] = value.strip()
        if 'deb' not in fields.get('types', '').split() or fields.get('enabled', 'yes') == 'no':
            continue
        suites = [s for s in fields.get('suites', '').split() if of_release(s, codename)]
        if suites:
            fields.update(types='deb-src', suites=' '.join(suites))
            out.append('\n'.join('%s: %s' % item for item in fields.items()))
    return '\n\n'.join(out) + '\n' if out else ''


def one_line_as_source(text, codename):
    """The lines of a .list file that serve this release, as deb-src lines."""
    out = []
    for line in text.split('\n'):
        m = re.match(r'\s*deb\s+((?:\[[^\]]*\]\s+)?)(\S+)\s+(\S+)\s+(.*)$', line)
        if m and of_release(m.group(3), codename):
            out.append('deb-src %s%s %s %s' % m.groups())
    return '\n'.join(out) + '\n' if out else ''


def write_private_sources(folder, codename, etc='/etc/apt'):
    """Write the machine's archives as source archives into folder; their number."""
    written = 0
    files = glob.glob(etc + '/sources.list') + glob.glob(etc + '/sources.list.d/*')
    for path in sorted(files):
        rewrite = deb822_as_source if path.endswith('.sources') else one_line_as_source
        if not path.endswith(('.list', '.sources')):
            continue
        with open(path, errors='replace') as f:
            text = rewrite(f.read(), codename)
        if text:
            with open(os.path.join(folder, os.path.basename(path)), 'w') as f:
                f.write(text)
            written += 1
    return written


def download(cache):
    """Let apt fetch the source package into cache, with a state of its own."""
    if not shutil.which('apt-get'):
        raise SourceError('no apt-get here: set RUDDLE_REDIS_SUITE_TARBALL to a copy of ' + TARBALL)
    state = os.path.join(cache, 'apt')
    shutil.rmtree(state, ignore_errors=True)
    for sub in ('parts', 'lists/partial', 'archives/partial', 'fetch'):
        os.makedirs(os.path.join(state, sub))
    try:
        if not write_private_sources(state + '/parts', release_codename()):
            raise SourceError("apt's sources name no archive of this release")
        options = []
        for name, value in (
                ('Dir::Etc::sourcelist', '/dev/null'), ('Dir::Etc::sourceparts', state + '/parts'),
                ('Dir::State::lists', state + '/lists'), ('Dir::Cache', state),
                ('Dir::Cache::archives', state + '/archives'),
                ('APT::Sandbox::User', 'root'), ('Acquire::Languages', 'none'),
                ('Acquire::Retries', '3')):
            options += ['-o', name + '=' + value]
        for action in (['update', '-q'], ['source', '-q', '--download-only', 'redis']):
            subprocess.run(['apt-get'] + options + action, cwd=state + '/fetch', check=True,
                           timeout=300, stdin=subprocess.DEVNULL)
        got = glob.glob(state + '/fetch/*.orig.tar.gz')
        if [os.path.basename(p) for p in got] != [TARBALL]:
            raise SourceError('this release has not %s but %s' % (TARBALL, got))
        os.replace(got[0], os.path.join(cache, TARBALL))
    except (subprocess.SubprocessError, OSError) as e:
        raise SourceError('fetching the source package failed: %s' % e) from e
    finally:
        shutil.rmtree(state, ignore_errors=True)


def verify(path):
    """Refuse a tarball that is not, byte for byte, the one the counts were made with."""
    digest = hashlib.sha256()
    try:
        with open(path, 'rb') as f:
            for block in iter(lambda: f.read(1 << 20), b''):
                digest.update(block)
    except OSError as e:
        raise SourceError('cannot read the tarball: %s' % e) from e
    if digest.hexdigest() != SHA256:
        raise SourceError('%s is not %s: its SHA-256 is %s' % (path, TARBALL, digest.hexdigest()))


def obtain(cache):
    """The folder of the unpacked suite below cache, fetched and unpacked where missing."""
    os.makedirs(cache, exist_ok=True)
    tarball = os.environ.get('RUDDLE_REDIS_SUITE_TARBALL')
    if not tarball:
        tarball = os.path.join(cache, TARBALL)
        if not os.path.exists(tarball):
            download(cache)
    verify(tarball)
    tree = os.path.join(cache, 'redis-' + VERSION)
    if not os.path.isdir(tree):
        fresh = tree + '.unpacking'
        shutil.rmtree(fresh, ignore_errors=True)
        os.mkdir(fresh)
        subprocess.run(['tar', '-xzf', os.path.abspath(tarball), '-C', fresh], check=True)
        os.rename(os.path.join(fresh, 'redis-' + VERSION), tree)
        os.rmdir(fresh)
    return tree
