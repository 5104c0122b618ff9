//! What can be wrong with a configuration, and the texts that say so: they are Redis's, for tools compare them.

use std::fmt;
use std::io;

use super::spec::{Name, Notation};

/// Why a value is refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ValueError {
    /// Neither `yes` nor `no`.
    NotYesNo,
    /// Not a number in this notation.
    NotANumber(Notation),
    /// Beyond the bounds, which are inclusive.
    OutOfRange {
        /// The least value.
        min: i128,
        /// The greatest value.
        max: i128,
        /// How the bounds are shown.
        notation: Notation,
    },
    /// Above so many percent.
    PercentTooLarge(i64),
    /// None of these names.
    NotOneOf(&'static [Name]),
    /// Too few words or too many.
    WrongNumberOfArguments,
    /// A rule of this parameter alone.
    Rule(&'static str),
    /// The operating system refused it.
    System(String),
}

impl ValueError {
    /// What the operating system says, without the number that Rust appends.
    pub(super) fn system(error: &io::Error) -> ValueError {
        ValueError::System(system_text(error))
    }
}

impl fmt::Display for ValueError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ValueError::NotYesNo => f.write_str("argument must be 'yes' or 'no'"),
            ValueError::NotANumber(notation) => f.write_str(match notation {
                Notation::Decimal => "argument couldn't be parsed into an integer",
                Notation::Memory => "argument must be a memory value",
                Notation::MemoryOrPercent => "argument must be a memory or percent value",
                Notation::Octal => "argument couldn't be parsed as an octal number",
            }),
            ValueError::OutOfRange {
                min,
                max,
                notation: Notation::Octal,
            } => write!(f, "argument must be between {min:o} and {max:o} inclusive"),
            ValueError::OutOfRange { min, max, .. } => {
                write!(f, "argument must be between {min} and {max} inclusive")
            }
            ValueError::PercentTooLarge(most) => {
                write!(f, "percentage argument must be less or equal to {most}")
            }
            ValueError::NotOneOf(names) => {
                let names: Vec<_> = names.iter().map(|(name, _)| *name).collect();
                let names = names.join(", ");
                write!(f, "argument(s) must be one of the following: {names}")
            }
            ValueError::WrongNumberOfArguments => f.write_str("wrong number of arguments"),
            ValueError::Rule(reason) => f.write_str(reason),
            ValueError::System(reason) => f.write_str(reason),
        }
    }
}

impl std::error::Error for ValueError {}

/// Why `CONFIG SET` is refused. Nothing was changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ConfigSetError {
    /// The data set is being loaded: the reply is the `LOADING` error, not one of this file's.
    Loading,
    /// No parameter has this name.
    Unknown(Vec<u8>),
    /// This parameter can not be set so.
    Refused {
        /// Its name: as the user wrote it, or for a refused value in its normal case.
        name: Vec<u8>,
        /// Why.
        reason: SetRefusal,
    },
}

/// Why one parameter is not set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SetRefusal {
    /// It can be set only when the server starts.
    Immutable,
    /// `enable-protected-configs` does not let this client set it.
    Protected,
    /// It was named twice.
    Duplicate,
    /// Its value is wrong.
    Value(ValueError),
    /// The server could not put it into effect, for this reason.
    Apply(String),
}

impl ConfigSetError {
    /// A refusal by the part of the server that puts a parameter into effect.
    pub fn apply(name: &str, reason: impl Into<String>) -> ConfigSetError {
        ConfigSetError::Refused {
            name: name.into(),
            reason: SetRefusal::Apply(reason.into()),
        }
    }

    /// The text of the reply, without its `ERR `; it repeats bytes of the request.
    pub fn message(&self) -> Vec<u8> {
        match self {
            ConfigSetError::Loading => b"Redis is loading the dataset in memory".to_vec(),
            ConfigSetError::Unknown(name) => [
                &b"Unknown option or number of arguments for CONFIG SET - '"[..],
                name,
                b"'",
            ]
            .concat(),
            ConfigSetError::Refused { name, reason } => [
                &b"CONFIG SET failed (possibly related to argument '"[..],
                name,
                b"') - ",
                reason.to_string().as_bytes(),
            ]
            .concat(),
        }
    }
}

impl fmt::Display for ConfigSetError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&String::from_utf8_lossy(&self.message()))
    }
}

impl std::error::Error for ConfigSetError {}

impl fmt::Display for SetRefusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            SetRefusal::Immutable => f.write_str("can't set immutable config"),
            SetRefusal::Protected => f.write_str("can't set protected config"),
            SetRefusal::Duplicate => f.write_str("duplicate parameter"),
            SetRefusal::Value(error) => error.fmt(f),
            SetRefusal::Apply(reason) => f.write_str(reason),
        }
    }
}

/// Why a configuration can not be loaded. Its `Display` is the report that Redis prints on standard error, but for
/// [`LoadErrorKind::Unreadable`], which is a line for the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LoadError {
    /// The version that the report names.
    pub version: String,
    /// What is wrong.
    pub kind: LoadErrorKind,
}

/// What is wrong with a configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LoadErrorKind {
    /// A line is wrong. Lines of the command line are numbered after those of the file.
    Line {
        /// Its number, from 1.
        number: usize,
        /// The line without the white space around it.
        text: Vec<u8>,
        /// Why.
        reason: LoadRefusal,
    },
    /// Every line is right, but not all of them together.
    Whole(LoadRefusal),
    /// A file can not be read.
    Unreadable {
        /// Its path as it was given.
        path: Vec<u8>,
        /// What the operating system says.
        reason: String,
    },
}

/// Why a line, or a whole configuration, is refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LoadRefusal {
    /// The quotes do not match.
    UnbalancedQuotes,
    /// No such directive, or not with so many words.
    BadDirective,
    /// A directive got too few words or too many, or a wrong value.
    Value(ValueError),
    /// A module's parameter stands alone.
    ModuleConfigWithoutValue,
    /// A directive for Sentinel, which this is not.
    Sentinel,
    /// Files include each other too deeply.
    IncludeTooDeep,
    /// The log file can not be opened.
    LogFile(String),
    /// A cluster's node can not be told to be a replica here.
    ReplicaOfInCluster,
    /// A reason found by a later layer, which knows commands or users.
    Other(String),
}

impl fmt::Display for LoadRefusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            LoadRefusal::UnbalancedQuotes => f.write_str("Unbalanced quotes in configuration line"),
            LoadRefusal::BadDirective => f.write_str("Bad directive or wrong number of arguments"),
            LoadRefusal::Value(error) => error.fmt(f),
            LoadRefusal::ModuleConfigWithoutValue => {
                f.write_str("Module config specified without value")
            }
            LoadRefusal::Sentinel => f.write_str("sentinel directive while not in sentinel mode"),
            LoadRefusal::IncludeTooDeep => f.write_str("include directives nested too deeply"),
            LoadRefusal::LogFile(reason) => write!(f, "Can't open the log file: {reason}"),
            LoadRefusal::ReplicaOfInCluster => {
                f.write_str("replicaof directive not allowed in cluster mode")
            }
            LoadRefusal::Other(reason) => f.write_str(reason),
        }
    }
}

impl fmt::Display for LoadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let reason = match &self.kind {
            LoadErrorKind::Unreadable { path, reason } => {
                let path = String::from_utf8_lossy(path);
                return write!(f, "Fatal error, can't open config file '{path}': {reason}");
            }
            LoadErrorKind::Line { reason, .. } | LoadErrorKind::Whole(reason) => reason,
        };
        let version = &self.version;
        write!(f, "\n*** FATAL CONFIG FILE ERROR (Redis {version}) ***\n")?;
        if let LoadErrorKind::Line { number, text, .. } = &self.kind {
            let text = String::from_utf8_lossy(text);
            write!(
                f,
                "Reading the configuration file, at line {number}\n>>> '{text}'\n"
            )?;
        }
        reason.fmt(f)
    }
}

impl std::error::Error for LoadError {}

/// The operating system's own words: Rust appends ` (os error N)` to them.
pub(crate) fn system_text(error: &io::Error) -> String {
    let text = error.to_string();
    match text.split_once(" (os error ") {
        Some((words, _)) => words.to_owned(),
        None => text,
    }
}
