//! The errors that commands answer, with Redis's words for each: the one place for the wire's texts.
//!
//! (What is wrong with the protocol itself is [`crate::resp::ProtocolError`].)

use std::borrow::Cow;
use std::fmt;

use crate::script::running::Kind;
use crate::text::words::until_nul;

/// What a handler returns: its reply is written, or there is an error to write.
pub type CommandResult = Result<(), CommandError>;

/// An error reply.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CommandError {
    /// The key holds a value of another type.
    WrongType,
    /// Options that do not fit together or are not known.
    Syntax,
    /// An argument, or a value, that is no integer of 64 bits.
    NotInteger,
    /// An argument, or a value, that is no floating-point number.
    NotFloat,
    /// A result beyond the range of 64 bits.
    Overflow,
    /// A floating-point result that is not a finite number.
    NanOrInfinity,
    /// An index outside the list.
    IndexOutOfRange,
    /// The key is not there.
    NoSuchKey,
    /// A value that must be positive.
    MustBePositive,
    /// A value out of the given range.
    OutOfRange,
    /// A number of a database that does not exist.
    DbIndexOutOfRange,
    /// A number of a database that is no number.
    InvalidDbIndex,
    /// A cursor that is no number.
    InvalidCursor,
    /// A string that would be longer than `proto-max-bulk-len`.
    StringTooLong,
    /// Source and destination are the same.
    SameObject,
    /// The client has to authenticate first.
    NoAuth,
    /// A wrong user name or password.
    WrongPass,
    /// A password is given, and none is set.
    NoPasswordSet,
    /// An expiry that is not positive or too far away, for the command of that name.
    InvalidExpire(&'static str),
    /// Too many or too few words for the command of that name (in lower case, `config|get`).
    WrongArity(String),
    /// A client that is subscribed to something may not use the command of that name (in lower case) in RESP2.
    Subscribed(String),
    /// No such command; the words after it, quoted and cut as Redis does, are part of the text.
    UnknownCommand {
        /// The name as it was sent, cut at 128 bytes.
        name: Vec<u8>,
        /// The quoted words.
        args: Vec<u8>,
    },
    /// No such subcommand: the subcommand as it was sent, and the container's name in upper case.
    UnknownSubcommand {
        /// The subcommand as it was sent, cut at 128 bytes.
        name: Vec<u8>,
        /// The container.
        container: &'static str,
    },
    /// A command that the configuration does not let this client use; its name in upper case.
    Protected(&'static str),
    /// No such form of a command that has no subcommands of its own: the first word, and the command's name.
    UnknownForm {
        /// The word as it was sent, cut at 128 bytes.
        word: Vec<u8>,
        /// The command's name in upper case.
        command: &'static str,
    },
    /// The append-only file cannot be written; what the system says.
    FileFails(String),
    /// The data set is being loaded.
    Loading,
    /// The data set cannot be saved, and so may not change.
    Unsaved,
    /// The same, for a script that may write and is not begun.
    UnsavedScript,
    /// An error that the log tells about.
    Unexplained,
    /// A script of that kind has run for so long that nothing else is answered.
    Busy(Kind),
    /// No script runs that could be stopped.
    NotBusy,
    /// The script that runs has written, and is not stopped for that.
    Unkillable,
    /// No script has that hash.
    NoScript,
    /// Any other text that quotes the request, with its code in front.
    Quoting(Vec<u8>),
    /// Any other text, with its code in front (`ERR ...`).
    Other(Cow<'static, str>),
}

impl CommandError {
    /// An error with the code ERR.
    pub fn err(text: impl fmt::Display) -> Self {
        CommandError::Other(Cow::Owned(format!("ERR {text}")))
    }

    /// An error with the code ERR that quotes a word of the request, byte for byte up to a zero byte.
    pub fn quoting(before: &str, word: &[u8], after: &str) -> Self {
        let (before, after) = (before.as_bytes(), after.as_bytes());
        CommandError::Quoting([b"ERR ", before, until_nul(word), after].concat())
    }

    /// An error whose whole text is known.
    pub const fn fixed(text: &'static str) -> Self {
        CommandError::Other(Cow::Borrowed(text))
    }

    /// The whole line as it goes over the wire, without `-` and line end.
    pub fn wire_text(&self) -> Cow<'_, [u8]> {
        let text = match self {
            Self::WrongType => "WRONGTYPE Operation against a key holding the wrong kind of value",
            Self::Syntax => "ERR syntax error",
            Self::NotInteger => "ERR value is not an integer or out of range",
            Self::NotFloat => "ERR value is not a valid float",
            Self::Overflow => "ERR increment or decrement would overflow",
            Self::NanOrInfinity => "ERR increment would produce NaN or Infinity",
            Self::IndexOutOfRange => "ERR index out of range",
            Self::NoSuchKey => "ERR no such key",
            Self::MustBePositive => "ERR value is out of range, must be positive",
            Self::OutOfRange => "ERR value is out of range",
            Self::DbIndexOutOfRange => "ERR DB index is out of range",
            Self::InvalidDbIndex => "ERR invalid DB index",
            Self::InvalidCursor => "ERR invalid cursor",
            Self::StringTooLong => "ERR string exceeds maximum allowed size (proto-max-bulk-len)",
            Self::SameObject => "ERR source and destination objects are the same",
            Self::NoAuth => "NOAUTH Authentication required.",
            Self::WrongPass => "WRONGPASS invalid username-password pair or user is disabled.",
            Self::NoPasswordSet => {
                "ERR AUTH <password> called without any password configured for the default user. \
                 Are you sure your configuration is correct?"
            }
            Self::Loading => "LOADING Redis is loading the dataset in memory",
            Self::Unsaved => {
                "MISCONF Redis is configured to save RDB snapshots, but it's currently unable to persist to disk. \
                 Commands that may modify the data set are disabled, because this instance is configured to report \
                 errors during writes if RDB snapshotting fails (stop-writes-on-bgsave-error option). Please check the \
                 Redis logs for details about the RDB error."
            }
            Self::UnsavedScript => {
                "MISCONF Redis is configured to save RDB snapshots, but it's currently unable to persist to disk. \
                 Writable scripts are blocked. Use 'no-writes' flag for read only scripts."
            }
            Self::Unexplained => "ERR",
            Self::Busy(Kind::Eval) => {
                "BUSY Redis is busy running a script. You can only call SCRIPT KILL or SHUTDOWN NOSAVE."
            }
            Self::Busy(Kind::Function) => {
                "BUSY Redis is busy running a script. You can only call FUNCTION KILL or SHUTDOWN NOSAVE."
            }
            Self::NotBusy => "NOTBUSY No scripts in execution right now.",
            Self::Unkillable => {
                "UNKILLABLE Sorry the script already executed write commands against the dataset. You can either wait \
                 the script termination or kill the server in a hard way using the SHUTDOWN NOSAVE command."
            }
            Self::NoScript => "NOSCRIPT No matching script. Please use EVAL.",
            Self::Quoting(text) => return Cow::Borrowed(text),
            Self::Other(text) => text,
            composed => return Cow::Owned(composed.composed_text()),
        };
        Cow::Borrowed(text.as_bytes())
    }

    /// The text of an error that names something of its request.
    fn composed_text(&self) -> Vec<u8> {
        match self {
            Self::InvalidExpire(name) => {
                format!("ERR invalid expire time in '{name}' command").into_bytes()
            }
            Self::WrongArity(name) => {
                format!("ERR wrong number of arguments for '{name}' command").into_bytes()
            }
            Self::Subscribed(name) => format!(
                "ERR Can't execute '{name}': only (P|S)SUBSCRIBE / (P|S)UNSUBSCRIBE / PING / QUIT / RESET are allowed \
                 in this context"
            )
            .into_bytes(),
            Self::UnknownCommand { name, args } => {
                let head: &[u8] = b"ERR unknown command '";
                [head, name, b"', with args beginning with: ", args].concat()
            }
            Self::UnknownSubcommand { name, container } => {
                let head: &[u8] = b"ERR unknown subcommand '";
                [head, name, b"'. Try ", container.as_bytes(), b" HELP."].concat()
            }
            Self::UnknownForm { word, command } => {
                let head: &[u8] = b"ERR unknown subcommand or wrong number of arguments for '";
                [head, word, b"'. Try ", command.as_bytes(), b" HELP."].concat()
            }
            Self::Protected(name) => protected_text(name).into_bytes(),
            Self::FileFails(text) => {
                format!("MISCONF Errors writing to the AOF file: {text}").into_bytes()
            }
            _ => Vec::new(),
        }
    }

    /// The code: the first word of the text.
    pub fn code(&self) -> String {
        let text = self.wire_text();
        let end = text
            .iter()
            .position(|&byte| byte == b' ')
            .unwrap_or(text.len());
        String::from_utf8_lossy(&text[..end]).into_owned()
    }
}

fn protected_text(name: &str) -> String {
    let option = name.to_ascii_lowercase();
    format!(
        "ERR {name} command not allowed. If the enable-{option}-command option is set to \"local\", you can run it \
         from a local connection, otherwise you need to set this option in the configuration file, and then restart \
         the server."
    )
}

impl fmt::Display for CommandError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&String::from_utf8_lossy(&self.wire_text()))
    }
}

impl std::error::Error for CommandError {}
