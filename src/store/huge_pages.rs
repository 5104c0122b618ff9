//! Huge pages for the parts of the heap that are full.
//!
//! A look-up touches two places at random in the heap; with pages of 4 KiB both miss the TLB, which costs as much as
//! the cache misses themselves. Huge pages from the start would make an idle server large and waste what lies
//! between objects, so the server asks for them afterwards (`MADV_COLLAPSE`, Linux 6.1), and only for ranges of 2 MiB
//! whose pages are all in use. Redis warns of huge pages because of fork; this server never forks.
//!
//! Nor does a heap that a file is loaded into get them as it grows: where memory is in pieces the kernel puts it together first,
//! while the server waits, and that took longer than the faults of small pages.
//!
//! Elsewhere than on Linux, and where the kernel refuses, nothing happens.

use std::collections::HashSet;
use std::time::Duration;

/// The size of a huge page.
const HUGE: usize = 2 * 1024 * 1024;
/// The size of a page.
const PAGE: usize = 4096;
/// Pages of a huge page that must be in use before it is asked for: all, so that no memory is added.
const MIN_RESIDENT: usize = HUGE / PAGE;

/// Collapses full ranges, a few at a time, and remembers which are done.
#[derive(Debug, Default)]
pub struct Collapser {
    done: HashSet<usize>,
    /// Set when the kernel has said that it will not.
    refused: bool,
    /// How long to wait after each.
    pause: Duration,
}

impl Collapser {
    /// One that waits so long after each range: meanwhile those get at their pages who have found them gone. The kernel lets the
    /// one who collapses, as long as it comes again at once, go first for several milliseconds.
    pub fn pausing(pause: Duration) -> Self {
        Collapser {
            pause,
            ..Collapser::default()
        }
    }

    /// Forgets what is done; call it when memory has been given back, since its ranges fall apart then.
    pub fn forget(&mut self) {
        self.done.clear();
    }

    /// Looks through the process's anonymous memory and collapses at most `limit` full ranges; returns how many.
    pub fn step(&mut self, limit: usize) -> usize {
        if self.refused {
            return 0;
        }
        let mut collapsed = 0;
        for (start, end) in anonymous_ranges() {
            let mut at = start.next_multiple_of(HUGE);
            while at + HUGE <= end && collapsed < limit {
                if !self.done.contains(&at) && system::is_full(at) {
                    if !system::collapse(at) {
                        self.refused = true;
                        return collapsed;
                    }
                    self.done.insert(at);
                    collapsed += 1;
                    std::thread::sleep(self.pause);
                }
                at += HUGE;
            }
        }
        collapsed
    }
}

/// The private, writable, nameless mappings of this process.
fn anonymous_ranges() -> Vec<(usize, usize)> {
    let maps = std::fs::read_to_string("/proc/self/maps").unwrap_or_default();
    maps.lines().filter_map(parse_anonymous).collect()
}

/// The range of a line of `/proc/self/maps`, if it is anonymous memory.
fn parse_anonymous(line: &str) -> Option<(usize, usize)> {
    let mut fields = line.split_ascii_whitespace();
    let (range, mode) = (fields.next()?, fields.next()?);
    let inode = fields.nth(2)?;
    if mode != "rw-p" || inode != "0" || fields.next().is_some() {
        return None;
    }
    let (start, end) = range.split_once('-')?;
    Some((
        usize::from_str_radix(start, 16).ok()?,
        usize::from_str_radix(end, 16).ok()?,
    ))
}

#[cfg(target_os = "linux")]
mod system {
    use super::{HUGE, MIN_RESIDENT, PAGE};
    use nix::libc;

    /// Whether nearly all pages of the range are in memory.
    pub(super) fn is_full(start: usize) -> bool {
        let mut pages = [0u8; HUGE / PAGE];
        // SAFETY: mincore writes a byte a page into the array, which has that many, and reads nothing at `start`; a
        // range that is gone meanwhile is an error.
        let failed =
            unsafe { libc::mincore(start as *mut libc::c_void, HUGE, pages.as_mut_ptr()) } != 0;
        !failed && pages.iter().filter(|page| **page & 1 != 0).count() >= MIN_RESIDENT
    }

    /// Asks for a huge page; false where the kernel does not know how, or may not.
    pub(super) fn collapse(start: usize) -> bool {
        // SAFETY: collapsing changes how memory is mapped and nothing of its content.
        let failed =
            unsafe { libc::madvise(start as *mut libc::c_void, HUGE, libc::MADV_COLLAPSE) } != 0;
        // Anything else (no huge page free just now, the range gone) concerns this range alone.
        !(failed && std::io::Error::last_os_error().raw_os_error() == Some(libc::EINVAL))
    }

    /// Lets the process have huge pages, which the allocator forbids at its start.
    pub(super) fn permit() -> bool {
        nix::sys::prctl::set_thp_disable(false).is_ok()
    }
}

#[cfg(not(target_os = "linux"))]
mod system {
    pub(super) fn is_full(_start: usize) -> bool {
        false
    }

    pub(super) fn collapse(_start: usize) -> bool {
        false
    }

    pub(super) fn permit() -> bool {
        false
    }
}

/// Lets the process have huge pages; false where that cannot be.
pub fn permit() -> bool {
    system::permit()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_anonymous_memory_is_taken() {
        let cases = [
            (
                "7f0000000000-7f0040000000 rw-p 00000000 00:00 0 ",
                Some((0x7f00_0000_0000, 0x7f00_4000_0000)),
            ),
            ("7f0000000000-7f0040000000 r--p 00000000 00:00 0 ", None),
            (
                "55d000000000-55d000021000 rw-p 00000000 00:00 0                          [heap]",
                None,
            ),
            (
                "7f0000000000-7f0000001000 rw-p 00001000 08:01 1234 /usr/lib/libc.so.6",
                None,
            ),
            ("nonsense", None),
        ];
        for (line, want) in cases {
            assert_eq!(parse_anonymous(line), want, "{line}");
        }
    }

    #[test]
    #[cfg(all(target_os = "linux", not(miri)))]
    fn full_ranges_are_found_and_their_content_stays() {
        let mut block = vec![7u8; 4 * HUGE];
        let start = (block.as_ptr() as usize).next_multiple_of(HUGE);
        assert!(system::is_full(start));
        // Whether the kernel grants it depends on the machine; the content must be the same either way.
        Collapser::default().step(100);
        block[3 * HUGE] = 8;
        assert!(
            block
                .iter()
                .enumerate()
                .all(|(at, byte)| *byte == if at == 3 * HUGE { 8 } else { 7 })
        );
    }
}
