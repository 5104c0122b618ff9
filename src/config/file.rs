//! Loading a configuration: a file, standard input and the command line's parameters, one after the other as one text.
//!
//! Format: a directive with its words on each line (see [`crate::text::words`] for quoting), `#` at the start of a line for a
//! comment, names in any case. `include` is loaded where it stands, with its lines counted on their own. Directives
//! about commands, users and modules are kept as they stand, with their lines, for the layers that know those.

use super::error::{LoadError, LoadErrorKind, LoadRefusal, ValueError, system_text};
use super::{Config, Host, Param, Spec, Value, path_of};
use crate::text::words::{self, Unbalanced};

/// How deeply files may include each other.
const INCLUDE_DEPTH_LIMIT: usize = 16;
/// Accepted for the sake of old files, each with one word, and without any effect.
const DEPRECATED: [&[u8]; 3] = [
    b"list-max-ziplist-entries",
    b"list-max-ziplist-value",
    b"lua-replicate-commands",
];

/// Where a configuration comes from. Later parts override earlier ones.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sources {
    /// The path of a file.
    pub file: Option<Vec<u8>>,
    /// Whether to read standard input.
    pub stdin: bool,
    /// Lines from the command line; `None` when it is empty.
    pub options: Option<Vec<u8>>,
}

/// A directive that this layer hands on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Directive {
    /// The number of its line, from 1.
    pub line: usize,
    /// The line without the white space around it.
    pub text: Vec<u8>,
    /// Its words after the first.
    pub words: Vec<Vec<u8>>,
}

/// What a configuration says.
#[derive(Clone, Debug, PartialEq)]
pub struct Loaded {
    /// The parameters.
    pub config: Config,
    /// `rename-command`, each with the old and the new name.
    pub rename_commands: Vec<Directive>,
    /// `user`, each with a name and its rules.
    pub users: Vec<Directive>,
    /// `loadmodule`, each with a path and its arguments.
    pub load_modules: Vec<Directive>,
    /// Parameters of modules: those with a dot in their name, which is the first of the words here.
    pub module_parameters: Vec<Directive>,
}

impl Directive {
    /// The report that this directive is refused, by a layer that knows what it is about.
    pub fn refuse(&self, version: &str, reason: impl Into<String>) -> LoadError {
        LoadError {
            version: version.to_owned(),
            kind: LoadErrorKind::Line {
                number: self.line,
                text: self.text.clone(),
                reason: LoadRefusal::Other(reason.into()),
            },
        }
    }
}

/// Loads a configuration, starting from the defaults; `version` is named in the report of an error.
pub fn load(sources: &Sources, version: &str, host: &mut dyn Host) -> Result<Loaded, LoadError> {
    let dir = host.current_dir().unwrap_or_default();
    let mut loader = Loader {
        loaded: Loaded {
            config: Config::new(&dir),
            rename_commands: Vec::new(),
            users: Vec::new(),
            load_modules: Vec::new(),
            module_parameters: Vec::new(),
        },
        host,
        save_loaded: false,
    };
    match loader.load(sources) {
        Ok(()) => Ok(loader.loaded),
        Err(kind) => Err(LoadError {
            version: version.to_owned(),
            kind,
        }),
    }
}

struct Loader<'h> {
    loaded: Loaded,
    host: &'h mut dyn Host,
    /// Lines of `save` add up, but the first one replaces the defaults.
    save_loaded: bool,
}

/// Why a line fails: by itself, or in the file that it includes.
enum Failure {
    Line(LoadRefusal),
    Included(LoadErrorKind),
}

impl From<LoadRefusal> for Failure {
    fn from(refusal: LoadRefusal) -> Failure {
        Failure::Line(refusal)
    }
}

impl From<ValueError> for Failure {
    fn from(error: ValueError) -> Failure {
        Failure::Line(LoadRefusal::Value(error))
    }
}

impl Loader<'_> {
    fn load(&mut self, sources: &Sources) -> Result<(), LoadErrorKind> {
        let mut text = match &sources.file {
            Some(path) => self.read(path)?,
            None => Vec::new(),
        };
        if sources.stdin {
            let stdin = self.host.read_stdin();
            text.extend(stdin.map_err(|error| unreadable(b"-", &error))?);
        }
        if let Some(options) = &sources.options {
            text.push(b'\n');
            text.extend(options);
        }
        self.load_text(&text, 0)
    }

    /// A pattern stands for all files that match it, which may be none; a plain path must be there.
    fn read(&mut self, path: &[u8]) -> Result<Vec<u8>, LoadErrorKind> {
        let has_wildcard = path.iter().any(|byte| b"*?[".contains(byte));
        let paths = match std::str::from_utf8(path) {
            Ok(pattern) if has_wildcard => self.host.matching_files(pattern),
            _ => vec![path_of(path).to_owned()],
        };
        let mut text = Vec::new();
        for path in paths {
            use std::os::unix::ffi::OsStrExt;
            let content = self.host.read(&path);
            text.extend(content.map_err(|error| unreadable(path.as_os_str().as_bytes(), &error))?);
        }
        Ok(text)
    }

    fn load_text(&mut self, text: &[u8], depth: usize) -> Result<(), LoadErrorKind> {
        for (index, line) in text.split(|&byte| byte == b'\n').enumerate() {
            let directive = Directive {
                line: index + 1,
                text: words::trim(line).to_vec(),
                words: Vec::new(),
            };
            if directive.text.is_empty() || directive.text.starts_with(b"#") {
                continue;
            }
            let (number, text) = (directive.line, directive.text.clone());
            self.load_line(directive, depth)
                .map_err(|failure| match failure {
                    Failure::Included(kind) => kind,
                    Failure::Line(reason) => LoadErrorKind::Line {
                        number,
                        text,
                        reason,
                    },
                })?;
        }
        self.check_whole().map_err(LoadErrorKind::Whole)
    }

    fn load_line(&mut self, mut directive: Directive, depth: usize) -> Result<(), Failure> {
        let mut words = words::split(&directive.text)
            .map_err(|Unbalanced| LoadRefusal::UnbalancedQuotes)?
            .into_iter();
        let Some(name) = words.next() else {
            return Ok(());
        };
        directive.words = words.collect();
        if let Some((param, _)) = Spec::find(&name) {
            return Ok(self.set(param, &directive.words)?);
        }
        let name = name.to_ascii_lowercase();
        match (name.as_slice(), directive.words.len()) {
            (deprecated, 1) if DEPRECATED.contains(&deprecated) => {}
            (b"include", 1) => return self.include(&directive.words[0], depth + 1),
            (b"rename-command", 2) => self.loaded.rename_commands.push(directive),
            (b"user", 1..) => self.loaded.users.push(directive),
            (b"loadmodule", 1..) => self.loaded.load_modules.push(directive),
            (dotted, 0) if dotted.contains(&b'.') => {
                return Err(LoadRefusal::ModuleConfigWithoutValue.into());
            }
            (dotted, _) if dotted.contains(&b'.') => {
                directive.words.insert(0, name);
                self.loaded.module_parameters.push(directive);
            }
            (b"sentinel", 0) => {}
            (b"sentinel", _) => return Err(LoadRefusal::Sentinel.into()),
            _ => return Err(LoadRefusal::BadDirective.into()),
        }
        Ok(())
    }

    fn include(&mut self, path: &[u8], depth: usize) -> Result<(), Failure> {
        if depth > INCLUDE_DEPTH_LIMIT {
            return Err(LoadRefusal::IncludeTooDeep.into());
        }
        let text = self.read(path).map_err(Failure::Included)?;
        self.load_text(&text, depth).map_err(Failure::Included)
    }

    /// One word alone is split again where several are taken, so that `--bind "a b"` works; only an empty one is not,
    /// for it stands for an empty list.
    fn set(&mut self, param: Param, words: &[Vec<u8>]) -> Result<(), LoadRefusal> {
        let again = match words {
            [word] if Spec::of(param).takes_many_words() && !word.is_empty() => {
                Some(words::split(word).map_err(|Unbalanced| LoadRefusal::UnbalancedQuotes)?)
            }
            _ => None,
        };
        let words = again.as_deref().unwrap_or(words);
        let words: Vec<&[u8]> = words.iter().map(Vec::as_slice).collect();
        let before = self.loaded.config.value(param).clone();
        self.loaded
            .config
            .assign(param, &words, self.host)
            .map_err(LoadRefusal::Value)?;
        if param == Param::Save {
            self.add_save_points(before, words == [b""]);
        }
        Ok(())
    }

    fn add_save_points(&mut self, before: Value, forget: bool) {
        let adds = self.save_loaded && !forget;
        self.save_loaded = true;
        if let (true, Value::Save(earlier), Value::Save(later)) =
            (adds, before, self.loaded.config.value(Param::Save))
        {
            let points = earlier.iter().chain(later.iter()).copied().collect();
            self.loaded.config.put(Param::Save, Value::Save(points));
        }
    }

    /// What can be said only when all lines are known; for an included file at its end.
    fn check_whole(&mut self) -> Result<(), LoadRefusal> {
        let config = &self.loaded.config;
        if let Some(path) = config.logfile() {
            self.host
                .check_appendable(path_of(path))
                .map_err(|error| LoadRefusal::LogFile(system_text(&error)))?;
        }
        if config.cluster_enabled() && config.replicaof().is_some() {
            return Err(LoadRefusal::ReplicaOfInCluster);
        }
        Ok(())
    }
}

fn unreadable(path: &[u8], error: &std::io::Error) -> LoadErrorKind {
    LoadErrorKind::Unreadable {
        path: path.to_vec(),
        reason: system_text(error),
    }
}
