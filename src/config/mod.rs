//! The server's configuration: every parameter typed, from a file, the command line, or `CONFIG SET`.
//!
//! * [`table`] declares the parameters, [`spec`] says what a declaration can say, [`choices`] and `rules` have its parts.
//! * [`Config`] holds a value for each parameter; [`getters`] gives those that the server reads their types.
//! * [`mod@file`] loads a configuration, [`argv`] reads the command line, [`set`] is `CONFIG SET`, [`rewrite`] is
//!   `CONFIG REWRITE`; [`error`] has the texts of all refusals.
//!
//! Life cycle: [`argv::parse`] says what to load, [`mod@file`] builds a [`Config`] from it, and the server keeps that.
//! `CONFIG SET` changes it by [`Config::set_many`], whose [`set::ChangeSet`] names what the server then has to put into
//! effect; when that fails it gives the set back to [`Config::undo`]. A clone is a snapshot that other threads may keep:
//! it copies one small value for each parameter.
//!
//! To add a parameter, add a row to [`table`]; when something reads it, add a getter. This layer knows nothing of
//! commands, sockets or users: directives about those are handed on as they stand.

pub mod argv;
pub mod choices;
pub mod error;
pub mod file;
pub mod getters;
pub mod host;
pub mod rewrite;
mod rules;
pub mod set;
pub mod spec;
pub mod table;
pub mod value;

use std::collections::HashSet;
use std::path::Path;

pub use self::error::{ConfigSetError, LoadError};
pub use self::host::{Host, SystemHost};
pub use self::set::{ChangeSet, SetContext};
pub use self::spec::Spec;
pub use self::table::Param;
pub use self::value::Value;

/// A value for every parameter.
#[derive(Clone, Debug, PartialEq)]
pub struct Config {
    /// Indexed by [`Param`].
    values: Vec<Value>,
}

/// Matches a text with a glob-style pattern.
pub type Matcher = fn(pattern: &[u8], text: &[u8]) -> bool;

impl Config {
    /// The defaults, for a process that works in `dir`.
    pub fn new(dir: &Path) -> Config {
        let values = Param::ALL
            .iter()
            .map(|&param| Value::default_of(Spec::of(param)))
            .collect();
        let mut config = Config { values };
        config.put(Param::Dir, dir_value(dir));
        config
    }

    /// The value of a parameter.
    pub fn value(&self, param: Param) -> &Value {
        &self.values[param as usize]
    }

    /// The normal form of a parameter's value, as `CONFIG GET` answers it.
    pub fn format(&self, param: Param) -> Vec<u8> {
        self.value(param).format(Spec::of(param))
    }

    /// `CONFIG GET`: names and values of all parameters that any of the names or patterns finds, each once. A plain
    /// name is answered as it was asked for and finds hidden parameters too; patterns match in any case. `matches`
    /// is given patterns and names in lower case.
    pub fn get(&self, patterns: &[&[u8]], matches: Matcher) -> Vec<(Vec<u8>, Vec<u8>)> {
        let mut seen = HashSet::new();
        let mut found = Vec::new();
        for pattern in patterns {
            if !pattern.iter().any(|byte| b"[*?".contains(byte)) {
                if let Some((param, name)) = Spec::find(pattern)
                    && seen.insert(name)
                {
                    found.push((pattern.to_vec(), self.format(param)));
                }
                continue;
            }
            let pattern = pattern.to_ascii_lowercase();
            for &param in Param::ALL {
                for name in Spec::of(param).listed_names() {
                    if matches(&pattern, name.as_bytes()) && seen.insert(name) {
                        found.push((name.into(), self.format(param)));
                    }
                }
            }
        }
        found
    }

    /// Sets a parameter at start-up or from within the server, where its being immutable does not matter. A
    /// directory is entered at once.
    pub fn assign(
        &mut self,
        param: Param,
        words: &[&[u8]],
        host: &mut dyn Host,
    ) -> Result<(), error::ValueError> {
        let value = Value::parse(Spec::of(param), words, self.value(param))?;
        let value = match (param, value) {
            (Param::Dir, Value::Text(path)) => {
                enter_dir(path.as_deref().unwrap_or_default(), host)?
            }
            (Param::Hz, Value::Number(hz)) => Value::Number(value::clamp_hz(hz)),
            (Param::ReplBacklogSize, Value::Number(bytes)) => {
                Value::Number(bytes.max(value::BACKLOG_MIN_BYTES))
            }
            (_, value) => value,
        };
        self.put(param, value);
        Ok(())
    }

    fn put(&mut self, param: Param, value: Value) {
        self.values[param as usize] = value;
    }
}

fn enter_dir(path: &[u8], host: &mut dyn Host) -> Result<Value, error::ValueError> {
    host.change_dir(path_of(path))
        .and_then(|()| host.current_dir())
        .map(|dir| dir_value(&dir))
        .map_err(|error| error::ValueError::system(&error))
}

fn dir_value(dir: &Path) -> Value {
    use std::os::unix::ffi::OsStrExt;
    Value::Text(Some(dir.as_os_str().as_bytes().into()))
}

/// Paths are bytes, as the system has them.
fn path_of(bytes: &[u8]) -> &Path {
    use std::os::unix::ffi::OsStrExt;
    Path::new(std::ffi::OsStr::from_bytes(bytes))
}

#[cfg(test)]
mod tests;
