//! The local time zone, for the log's lines, by the rules that POSIX and the C library have for the variable TZ.
//!
//! Reading the one file that holds the zone takes microseconds. A library that knows zones by their names goes through
//! the whole zone database for it, which took a third of the time from the start of the server to its first answer.

use std::path::{Path, PathBuf};

use jiff::tz::TimeZone;

/// Where the system's own zone is.
const SYSTEM: &str = "/etc/localtime";
/// Where zones lie by name.
const DATABASE: &str = "/usr/share/zoneinfo";

/// The zone of this process. Without a readable one it is UTC, as for a C program.
pub fn local() -> TimeZone {
    let variable = std::env::var("TZ").ok();
    zone(variable.as_deref(), |path| std::fs::read(path).ok())
}

/// The zone that TZ names: unset for the system's, empty for UTC, `:NAME`, `NAME` or a path for a file, else a rule
/// such as `CET-1CEST,M3.5.0,M10.5.0/3`.
fn zone(variable: Option<&str>, read: impl Fn(&Path) -> Option<Vec<u8>>) -> TimeZone {
    let from_file = |path: &Path| TimeZone::tzif("local", &read(path)?).ok();
    let found = match variable.map(|text| text.trim_start_matches(':')) {
        None => from_file(Path::new(SYSTEM)),
        Some("") => None,
        Some(name) => {
            let path: PathBuf = Path::new(DATABASE).join(name);
            from_file(&path).or_else(|| TimeZone::posix(name).ok())
        }
    };
    found.unwrap_or(TimeZone::UTC)
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;

    /// The smallest file of a zone without changes: version 2, one type, and a rule behind the data.
    fn file(rule: &str) -> Vec<u8> {
        let block = |bytes: &mut Vec<u8>| {
            bytes.extend_from_slice(b"TZif2");
            bytes.extend_from_slice(&[0; 15]);
            // Counts: UT indicators, standard indicators, leap seconds, transitions, types, characters.
            for count in [0u32, 0, 0, 0, 1, 4] {
                bytes.extend_from_slice(&count.to_be_bytes());
            }
            bytes.extend_from_slice(&[0, 0, 0, 0, 0, 0]);
            bytes.extend_from_slice(b"UTC\0");
        };
        let mut bytes = Vec::new();
        block(&mut bytes);
        block(&mut bytes);
        bytes.extend_from_slice(format!("\n{rule}\n").as_bytes());
        bytes
    }

    #[test]
    fn the_variable_is_read_as_c_programs_read_it() {
        let read = |path: &Path| match path.to_str() {
            Some("/etc/localtime") => Some(file("<+03>-3")),
            Some("/usr/share/zoneinfo/Some/Where") => Some(file("<+05>-5")),
            Some("/my/zone") => Some(file("<+07>-7")),
            Some("/usr/share/zoneinfo/Broken") => Some(b"TZif2".to_vec()),
            _ => None,
        };
        let cases = [
            (None, 3),
            (Some(""), 0),
            (Some(":"), 0),
            (Some("Some/Where"), 5),
            (Some(":Some/Where"), 5),
            (Some("/my/zone"), 7),
            (Some("XYZ-9"), 9),
            (Some("No/Where"), 0),
            (Some("Broken"), 0),
        ];
        let now = Timestamp::from_second(1_795_359_662).expect("a time of this century");
        for (variable, hours) in cases {
            let offset = zone(variable, read).to_offset(now);
            assert_eq!(offset.seconds(), hours * 3600, "{variable:?}");
        }
        assert_eq!(zone(None, |_| None), TimeZone::UTC);
    }
}
