//! What must hold of some texts beyond being texts: the rules that rows of the table name.

/// The longest host name, plus one.
const HOST_NAME_LIMIT: usize = 256;
const TITLE_VARIABLES: [&[u8]; 7] = [
    b"title",
    b"listen-addr",
    b"server-mode",
    b"port",
    b"tls-port",
    b"unixsocket",
    b"config-file",
];
/// The variables that may well expand to nothing, so that a title of them alone is none.
const MAYBE_EMPTY: [&[u8]; 3] = [b"title", b"unixsocket", b"config-file"];

pub(super) fn db_file_name(name: &[u8]) -> Result<(), &'static str> {
    ensure(
        is_base_name(name),
        "dbfilename can't be a path, just a filename",
    )
}

pub(super) fn aof_file_name(name: &[u8]) -> Result<(), &'static str> {
    ensure(!name.is_empty(), "appendfilename can't be empty")?;
    ensure(
        is_base_name(name),
        "appendfilename can't be a path, just a filename",
    )
}

pub(super) fn aof_dir_name(name: &[u8]) -> Result<(), &'static str> {
    ensure(!name.is_empty(), "appenddirname can't be empty")?;
    ensure(
        is_base_name(name),
        "appenddirname can't be a path, just a dirname",
    )
}

pub(super) fn host_name(name: &[u8]) -> Result<(), &'static str> {
    ensure(
        name.len() < HOST_NAME_LIMIT,
        "Hostnames must be less than 256 characters",
    )?;
    ensure(
        name.iter()
            .all(|&byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'.'),
        "Hostnames may only contain alphanumeric characters, hyphens or dots",
    )
}

pub(super) fn node_name(name: &[u8]) -> Result<(), &'static str> {
    ensure(
        name.iter()
            .all(|&byte| byte.is_ascii_graphic() && !b"\"'#,:;<=>?@[]\\`{|}".contains(&byte)),
        "Announced human node name contained invalid character",
    )
}

/// A process title with `{variables}`, where `{{` stands for a brace; it must come to something.
pub(super) fn title_template(template: &[u8]) -> Result<(), &'static str> {
    ensure(
        expands_to_something(template) == Some(true),
        "template format is invalid or contains unknown variables",
    )
}

/// `None` for a malformed template.
fn expands_to_something(template: &[u8]) -> Option<bool> {
    let mut rest = template;
    let mut something = false;
    while let Some(open) = rest.iter().position(|&byte| byte == b'{') {
        something |= rest[..open].iter().any(|&byte| byte != b' ');
        rest = &rest[open + 1..];
        if rest.first() == Some(&b'{') {
            rest = &rest[1..];
            something = true;
            continue;
        }
        let close = rest.iter().position(|&byte| byte == b'}')?;
        let variable = &rest[..close];
        if !TITLE_VARIABLES.contains(&variable) {
            return None;
        }
        something |= !MAYBE_EMPTY.contains(&variable);
        rest = &rest[close + 1..];
    }
    Some(something || rest.iter().any(|&byte| byte != b' '))
}

fn is_base_name(name: &[u8]) -> bool {
    !name.contains(&b'/') && !name.contains(&b'\\')
}

fn ensure(holds: bool, reason: &'static str) -> Result<(), &'static str> {
    if holds { Ok(()) } else { Err(reason) }
}

/// I/O threads when the user names no number: one for each two processors (clients need some too, and threads that wait for
/// each other's batches only cost CPU time), but no more than pay for themselves while all of
/// them take turns at one data set.
pub(super) fn io_threads() -> i64 {
    const MOST: usize = 4;
    let processors = std::thread::available_parallelism().map_or(1, |count| count.get());
    (processors / 2).clamp(1, MOST) as i64
}
