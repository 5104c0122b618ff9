//! The flags that a script declares of itself, and the first line (`#!lua flags=no-writes`) in which it does.

use crate::command::Flags;
use crate::text::words;

/// What a script declares.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ScriptFlags(u8);

impl ScriptFlags {
    /// It writes nothing (`no-writes`).
    pub const NO_WRITES: ScriptFlags = ScriptFlags(1);
    /// It may run when memory is short (`allow-oom`).
    pub const ALLOW_OOM: ScriptFlags = ScriptFlags(1 << 1);
    /// It may run on a replica that has lost its primary (`allow-stale`).
    pub const ALLOW_STALE: ScriptFlags = ScriptFlags(1 << 2);
    /// It must not run in a cluster (`no-cluster`).
    pub const NO_CLUSTER: ScriptFlags = ScriptFlags(1 << 3);
    /// Its keys may lie in several slots (`allow-cross-slot-keys`).
    pub const ALLOW_CROSS_SLOT: ScriptFlags = ScriptFlags(1 << 4);
    /// It declares nothing at all: its commands are judged one by one, as before there were flags.
    pub const UNDECLARED: ScriptFlags = ScriptFlags(1 << 5);

    const NAMES: [(ScriptFlags, &'static str); 5] = [
        (Self::NO_WRITES, "no-writes"),
        (Self::ALLOW_OOM, "allow-oom"),
        (Self::ALLOW_STALE, "allow-stale"),
        (Self::NO_CLUSTER, "no-cluster"),
        (Self::ALLOW_CROSS_SLOT, "allow-cross-slot-keys"),
    ];

    /// Whether every member of `other` is in this set.
    pub fn has(self, other: ScriptFlags) -> bool {
        self.0 & other.0 == other.0
    }

    /// Adds the members of `other`.
    pub fn add(&mut self, other: ScriptFlags) {
        self.0 |= other.0;
    }

    /// The flag of that name.
    pub fn by_name(name: &[u8]) -> Option<ScriptFlags> {
        Self::NAMES
            .iter()
            .find(|(_, known)| known.as_bytes() == name)
            .map(|(flag, _)| *flag)
    }

    /// The flags of a command that calls such a script: what the script declares counts, and not what it might do.
    pub fn of_command(self, flags: Flags) -> Flags {
        if self.has(Self::UNDECLARED) {
            return flags;
        }
        let might = Flags::STALE | Flags::DENYOOM | Flags::WRITE | Flags::MAY_REPLICATE;
        let mut flags = flags.without(might);
        if !self.has(Self::NO_WRITES) {
            flags = flags | Flags::WRITE;
            if !self.has(Self::ALLOW_OOM) {
                flags = flags | Flags::DENYOOM;
            }
        }
        if self.has(Self::ALLOW_STALE) {
            flags = flags | Flags::STALE;
        }
        flags
    }

    /// The names of the declared flags.
    pub fn names(self) -> impl Iterator<Item = &'static str> + Clone {
        Self::NAMES
            .into_iter()
            .filter(move |(flag, _)| self.has(*flag))
            .map(|(_, name)| name)
    }
}

/// Splits a script for EVAL into what its first line declares and the code; the code keeps the line's end, so that
/// the lines keep their numbers.
///
/// # Errors
/// The text for the client, without code.
pub fn split(body: &[u8]) -> Result<(ScriptFlags, &[u8]), Vec<u8>> {
    if !body.starts_with(b"#!") {
        return Ok((ScriptFlags::UNDECLARED, body));
    }
    let (head, code) = first_line(body).ok_or(b"Invalid script shebang".as_slice())?;
    let words = words::split(head).unwrap_or_default();
    let Some((engine, options)) = words.split_first() else {
        return Err(b"Invalid engine in script shebang".to_vec());
    };
    if engine != b"#!lua" {
        return Err(quoting("Unexpected engine in script shebang: ", engine));
    }
    let mut flags = ScriptFlags::default();
    for option in options {
        let Some(names) = option.strip_prefix(b"flags=") else {
            return Err(quoting("Unknown lua shebang option: ", option));
        };
        if names.is_empty() {
            continue;
        }
        for name in names.split(|&byte| byte == b',') {
            let flag = ScriptFlags::by_name(name)
                .ok_or_else(|| quoting("Unexpected flag in script shebang: ", name))?;
            flags.add(flag);
        }
    }
    Ok((flags, code))
}

/// What the first line of a library says of it.
#[derive(Debug, PartialEq, Eq)]
pub struct LibraryHead<'a> {
    /// The language.
    pub engine: Vec<u8>,
    /// The library's name.
    pub name: Vec<u8>,
    /// What follows the first line, its end included.
    pub code: &'a [u8],
}

/// Reads the first line of a library.
///
/// # Errors
/// The text for the client, without code.
pub fn library_head(library: &[u8]) -> Result<LibraryHead<'_>, Vec<u8>> {
    const INVALID: &[u8] = b"Invalid library metadata";
    if !library.starts_with(b"#!") {
        return Err(b"Missing library metadata".to_vec());
    }
    let (head, code) = first_line(library).ok_or(INVALID)?;
    let words = words::split(head).map_err(|_| INVALID)?;
    let (engine, options) = words.split_first().ok_or(INVALID)?;
    let mut name: Option<Vec<u8>> = None;
    for option in options {
        if option.len() < 5 || !option[..5].eq_ignore_ascii_case(b"name=") {
            return Err(quoting("Invalid metadata value given: ", option));
        }
        if name.replace(option[5..].to_vec()).is_some() {
            let text = "Invalid metadata value, name argument was given multiple times";
            return Err(text.into());
        }
    }
    Ok(LibraryHead {
        engine: engine[2..].to_vec(),
        name: name.ok_or(b"Library name was not given".as_slice())?,
        code,
    })
}

/// The first line without its end, and the rest with it. A NUL ends the text, as it does to Redis here.
fn first_line(text: &[u8]) -> Option<(&[u8], &[u8])> {
    let end = words::until_nul(text)
        .iter()
        .position(|&byte| byte == b'\n')?;
    Some(text.split_at(end))
}

fn quoting(text: &str, word: &[u8]) -> Vec<u8> {
    [text.as_bytes(), words::until_nul(word)].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_first_line_declares_flags() {
        let both = {
            let mut flags = ScriptFlags::NO_WRITES;
            flags.add(ScriptFlags::ALLOW_STALE);
            flags
        };
        for (body, want) in [
            ("return 1", Ok((ScriptFlags::UNDECLARED, "return 1"))),
            ("#!lua\nx", Ok((ScriptFlags::default(), "\nx"))),
            ("#!lua flags=\nx", Ok((ScriptFlags::default(), "\nx"))),
            ("#!lua flags=no-writes,allow-stale\n", Ok((both, "\n"))),
            ("#!lua", Err("Invalid script shebang")),
            (
                "#!not-lua\n",
                Err("Unexpected engine in script shebang: #!not-lua"),
            ),
            (
                "#!lua badger=data\n",
                Err("Unknown lua shebang option: badger=data"),
            ),
            (
                "#!lua flags=no-writes,what\n",
                Err("Unexpected flag in script shebang: what"),
            ),
            ("#!lua \"\n", Err("Invalid engine in script shebang")),
        ] {
            let got = split(body.as_bytes());
            let want = want
                .map(|(flags, code)| (flags, code.as_bytes()))
                .map_err(|text| text.as_bytes().to_vec());
            assert_eq!(got, want, "{body}");
        }
    }

    #[test]
    fn a_library_says_its_engine_and_name() {
        for (library, want) in [
            ("#!lua name=x\ncode", Ok(("lua", "x", "\ncode"))),
            ("#!LUA NAME=x\n", Ok(("LUA", "x", "\n"))),
            ("code", Err("Missing library metadata")),
            ("#!lua name=x", Err("Invalid library metadata")),
            ("#!lua name=\"\n", Err("Invalid library metadata")),
            ("#!lua\n", Err("Library name was not given")),
            (
                "#!lua name=a name=b\n",
                Err("Invalid metadata value, name argument was given multiple times"),
            ),
            (
                "#!lua name=a foo=bar\n",
                Err("Invalid metadata value given: foo=bar"),
            ),
        ] {
            let got = library_head(library.as_bytes());
            let want = want
                .map(|(engine, name, code)| LibraryHead {
                    engine: engine.into(),
                    name: name.into(),
                    code: code.as_bytes(),
                })
                .map_err(|text: &str| text.as_bytes().to_vec());
            assert_eq!(got, want, "{library}");
        }
    }
}
