//! What the operating system knows of this process and its machine, for INFO and MEMORY.
//!
//! Each figure is read when it is asked for, but for those that do not change; where the system does not tell, it is 0 or
//! empty.

use std::fs::{self, File};
use std::os::unix::fs::FileExt;
use std::sync::OnceLock;
use std::time::Duration;

use nix::sys::resource::{Usage, UsageWho, getrusage};
use nix::sys::time::TimeVal;
use nix::unistd::{SysconfVar, sysconf};

/// Time on the processor.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CpuTime {
    /// In the kernel.
    pub system: Duration,
    /// Outside of it.
    pub user: Duration,
}

/// Processor time of the whole process.
pub fn own_cpu_time() -> CpuTime {
    cpu_time(UsageWho::RUSAGE_SELF)
}

/// Processor time of the calling thread.
pub fn thread_cpu_time() -> CpuTime {
    #[cfg(any(target_os = "linux", target_os = "freebsd", target_os = "openbsd"))]
    return cpu_time(UsageWho::RUSAGE_THREAD);
    #[cfg(not(any(target_os = "linux", target_os = "freebsd", target_os = "openbsd")))]
    return own_cpu_time();
}

/// Processor time of children that have ended.
pub fn children_cpu_time() -> CpuTime {
    cpu_time(UsageWho::RUSAGE_CHILDREN)
}

fn cpu_time(who: UsageWho) -> CpuTime {
    let part = |time: TimeVal| {
        let micros = u32::try_from(time.tv_usec()).unwrap_or(0);
        Duration::new(u64::try_from(time.tv_sec()).unwrap_or(0), micros * 1000)
    };
    let of = |usage: Usage| CpuTime {
        system: part(usage.system_time()),
        user: part(usage.user_time()),
    };
    getrusage(who).map_or_else(|_| CpuTime::default(), of)
}

/// Bytes of memory that are in RAM.
pub fn resident_bytes() -> usize {
    // Opening takes longer than reading, and monitoring asks often.
    static PAGES: OnceLock<File> = OnceLock::new();
    let mut line = [0; 128];
    if PAGES.get().is_none()
        && let Ok(file) = File::open("/proc/self/statm")
    {
        // Somebody else may have opened it meanwhile.
        let _ = PAGES.set(file);
    }
    let bytes = PAGES.get().and_then(|file| file.read_at(&mut line, 0).ok());
    let pages = std::str::from_utf8(&line[..bytes.unwrap_or(0)])
        .ok()
        .and_then(|text| {
            // Size and resident pages come first.
            text.split_ascii_whitespace().nth(1)?.parse::<usize>().ok()
        });
    let page_bytes = sysconf(SysconfVar::PAGE_SIZE)
        .ok()
        .flatten()
        .and_then(|bytes| usize::try_from(bytes).ok());
    pages.unwrap_or(0) * page_bytes.unwrap_or(4096)
}

/// Bytes of RAM that the machine has, as it was asked first.
pub fn machine_bytes() -> usize {
    static BYTES: OnceLock<usize> = OnceLock::new();
    *BYTES.get_or_init(|| {
        let text = fs::read_to_string("/proc/meminfo").unwrap_or_default();
        let line = text.lines().find_map(|line| line.strip_prefix("MemTotal:"));
        let kib = line.and_then(|line| line.split_ascii_whitespace().next()?.parse::<usize>().ok());
        kib.unwrap_or(0) * 1024
    })
}

/// The operating system's name, its release, and the machine's architecture, which do not change under a process.
pub fn system_name() -> &'static str {
    static NAME: OnceLock<String> = OnceLock::new();
    NAME.get_or_init(|| match nix::sys::utsname::uname() {
        Ok(name) => [name.sysname(), name.release(), name.machine()]
            .map(|part| part.to_string_lossy().into_owned())
            .join(" "),
        Err(_) => String::new(),
    })
}

/// A number of bytes as people read it: `912B`, `1.50K`, `3.00G`.
pub fn human_bytes(bytes: usize) -> String {
    const UNITS: [char; 5] = ['K', 'M', 'G', 'T', 'P'];
    let mut value = bytes as f64;
    let mut unit = None;
    for next in UNITS {
        if value < 1024.0 {
            break;
        }
        value /= 1024.0;
        unit = Some(next);
    }
    match unit {
        None => format!("{bytes}B"),
        Some(unit) => format!("{value:.2}{unit}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_shown_with_the_unit_that_fits() {
        for (bytes, text) in [
            (0, "0B"),
            (1023, "1023B"),
            (1024, "1.00K"),
            (941_200, "919.14K"),
            (7_139_328, "6.81M"),
            (25_276_510_208, "23.54G"),
            (1 << 40, "1.00T"),
        ] {
            assert_eq!(human_bytes(bytes), text);
        }
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn this_process_has_memory_and_the_machine_more() {
        let (resident, machine) = (resident_bytes(), machine_bytes());
        assert!(
            resident > 0 && resident < machine,
            "{resident} of {machine}"
        );
        assert!(system_name().starts_with("Linux "), "{}", system_name());
    }
}
