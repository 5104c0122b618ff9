//! Which words of a command are secrets: they are replaced wherever a command is shown to others than its client (slow
//! log, MONITOR).
//!
//! To add a command that takes a secret, add it to [`is_secret`].

use super::registry::Command;
use crate::config::Spec;
use crate::resp::Request;

/// What stands in the place of a secret.
pub const REDACTED: &[u8] = b"(redacted)";

/// The words of `request`, secrets replaced.
pub fn shown<'r>(
    command: &Command,
    request: Request<'r>,
) -> impl ExactSizeIterator<Item = &'r [u8]> {
    request.iter_from(0).enumerate().map(move |(index, word)| {
        if is_secret(&command.full_name, request, index) {
            REDACTED
        } else {
            word
        }
    })
}

fn is_secret(full_name: &str, request: Request<'_>, index: usize) -> bool {
    match full_name {
        "auth" => index > 0,
        "acl|setuser" => index > 1,
        "config|set" => index > 2 && index % 2 == 1 && Spec::is_sensitive(request.get(index - 1)),
        "hello" => follows(request, index, b"AUTH", 2, 2),
        "migrate" => {
            follows(request, index, b"AUTH", 1, 6) || follows(request, index, b"AUTH2", 2, 6)
        }
        _ => false,
    }
}

/// Whether the word at `index` is one of the `count` words behind `option`, which stands at `from` or later.
fn follows(request: Request<'_>, index: usize, option: &[u8], count: usize, from: usize) -> bool {
    let first = index.saturating_sub(count).max(from);
    (first..index).any(|at| request.get(at).eq_ignore_ascii_case(option))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::resp::request::Span;

    fn secrets(full_name: &str, line: &str) -> String {
        let mut spans = Vec::new();
        let mut at = 0;
        for word in line.split(' ') {
            spans.push(Span::new(at, word.len()));
            at += word.len() + 1;
        }
        let request = Request::new(line.as_bytes(), &spans, &[]);
        let word = |index| {
            if is_secret(full_name, request, index) {
                "*"
            } else {
                line.split(' ').nth(index).unwrap_or("")
            }
        };
        (0..spans.len()).map(word).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn passwords_are_secret_and_nothing_else_is() {
        for (name, line, shown) in [
            ("auth", "AUTH user pw", "AUTH * *"),
            (
                "hello",
                "HELLO 3 AUTH user pw SETNAME x",
                "HELLO 3 AUTH * * SETNAME x",
            ),
            (
                "config|set",
                "config set requirepass pw maxmemory 1 masterauth pw",
                "config set requirepass * maxmemory 1 masterauth *",
            ),
            ("acl|setuser", "acl setuser u >pw", "acl setuser * *"),
            (
                "migrate",
                "migrate h 1 auth 0 9 AUTH pw KEYS a",
                "migrate h 1 auth 0 9 AUTH * KEYS a",
            ),
            (
                "migrate",
                "migrate h 1 k 0 9 auth2 u pw",
                "migrate h 1 k 0 9 auth2 * *",
            ),
            ("set", "set auth pw", "set auth pw"),
        ] {
            assert_eq!(secrets(name, line), shown);
        }
    }
}
