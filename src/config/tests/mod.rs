//! Tests of the configuration as a whole, against values and texts of Redis 7.0.15.

mod argv;
mod file;
mod rewrite;
mod set;
mod table;

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

use super::{Config, Host};

/// A machine in memory: its files, its directories, and where it is.
struct FakeHost {
    files: BTreeMap<PathBuf, Vec<u8>>,
    stdin: Vec<u8>,
    dirs: Vec<PathBuf>,
    dir: PathBuf,
}

impl FakeHost {
    fn new() -> FakeHost {
        FakeHost {
            files: BTreeMap::new(),
            stdin: Vec::new(),
            dirs: vec!["/".into(), "/data".into()],
            dir: "/".into(),
        }
    }

    fn with_file(mut self, path: &str, text: &str) -> FakeHost {
        self.files.insert(path.into(), text.into());
        self
    }

    fn with_stdin(mut self, text: &str) -> FakeHost {
        self.stdin = text.into();
        self
    }
}

fn missing() -> io::Error {
    io::Error::from_raw_os_error(2)
}

impl Host for FakeHost {
    fn read(&mut self, path: &Path) -> io::Result<Vec<u8>> {
        self.files
            .get(&self.dir.join(path))
            .cloned()
            .ok_or_else(missing)
    }

    fn matching_files(&mut self, pattern: &str) -> Vec<PathBuf> {
        let pattern = self.dir.join(pattern);
        let Ok(pattern) = glob::Pattern::new(&pattern.to_string_lossy()) else {
            return Vec::new();
        };
        let files = self.files.keys().filter(|path| pattern.matches_path(path));
        files.cloned().collect()
    }

    fn read_stdin(&mut self) -> io::Result<Vec<u8>> {
        Ok(self.stdin.clone())
    }

    fn change_dir(&mut self, path: &Path) -> io::Result<()> {
        let dir = self.dir.join(path);
        if !self.dirs.contains(&dir) {
            return Err(missing());
        }
        self.dir = dir;
        Ok(())
    }

    fn current_dir(&mut self) -> io::Result<PathBuf> {
        Ok(self.dir.clone())
    }

    fn check_appendable(&mut self, path: &Path) -> io::Result<()> {
        let path = self.dir.join(path);
        let parent = path.parent().unwrap_or(Path::new("/"));
        self.dirs
            .iter()
            .any(|dir| dir == parent)
            .then_some(())
            .ok_or_else(missing)
    }
}

fn defaults() -> Config {
    Config::new(Path::new("/"))
}

/// Stands in for the matcher of the keyspace: a star at either end is all that these tests need.
fn simple_match(pattern: &[u8], text: &[u8]) -> bool {
    match pattern {
        [b'*'] => true,
        [start @ .., b'*'] => text.starts_with(start),
        [b'*', end @ ..] => text.ends_with(end),
        _ => pattern == text,
    }
}

fn get(config: &Config, name: &str) -> String {
    let found = config.get(&[name.as_bytes()], simple_match);
    let (_, value) = found.into_iter().next().unwrap_or_default();
    String::from_utf8(value).unwrap()
}
