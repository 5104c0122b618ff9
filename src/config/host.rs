//! What the configuration asks of the machine: files, the working directory, standard input. A trait, so that tests can
//! stage any of it.

use std::fs;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

/// The machine as the configuration sees it.
pub trait Host {
    /// The content of a file.
    fn read(&mut self, path: &Path) -> io::Result<Vec<u8>>;
    /// The files that match a shell pattern, sorted; none when the pattern is malformed.
    fn matching_files(&mut self, pattern: &str) -> Vec<PathBuf>;
    /// Everything from standard input.
    fn read_stdin(&mut self) -> io::Result<Vec<u8>>;
    /// Changes the working directory, from which all relative paths start.
    fn change_dir(&mut self, path: &Path) -> io::Result<()>;
    /// The working directory.
    fn current_dir(&mut self) -> io::Result<PathBuf>;
    /// Whether a file can be appended to; creates it when it is missing.
    fn check_appendable(&mut self, path: &Path) -> io::Result<()>;
}

/// The real machine.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemHost;

impl Host for SystemHost {
    fn read(&mut self, path: &Path) -> io::Result<Vec<u8>> {
        fs::read(path)
    }

    fn matching_files(&mut self, pattern: &str) -> Vec<PathBuf> {
        // As the shell does: a star stands neither for a slash nor for the dot of a hidden file.
        let options = glob::MatchOptions {
            case_sensitive: true,
            require_literal_separator: true,
            require_literal_leading_dot: true,
        };
        let files = glob::glob_with(pattern, options).into_iter().flatten();
        files.filter_map(Result::ok).collect()
    }

    fn read_stdin(&mut self) -> io::Result<Vec<u8>> {
        let mut text = Vec::new();
        io::stdin().lock().read_to_end(&mut text)?;
        Ok(text)
    }

    fn change_dir(&mut self, path: &Path) -> io::Result<()> {
        std::env::set_current_dir(path)
    }

    fn current_dir(&mut self) -> io::Result<PathBuf> {
        std::env::current_dir()
    }

    fn check_appendable(&mut self, path: &Path) -> io::Result<()> {
        fs::OpenOptions::new()
            .append(true)
            .create(true)
            .open(path)
            .map(drop)
    }
}
