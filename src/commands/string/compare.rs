//! Compare and set, compare and delete: the conditions IFEQ, IFNE, IFDEQ and IFDNE, which SET takes too, DELEX, DIGEST,
//! and Valkey's DELIFEQ.
//!
//! A client that has read a string changes or deletes it only if nobody has changed it since. It says what it has read
//! either by the string itself or by its digest, which is XXH3 of 64 bits in 16 hexadecimal digits.

use super::Str;
use crate::command::{
    Arg, Args, CommandError, CommandResult, CommandSpec, Context, Flags, Group, KeyAt, KeyFlags,
    KeySpec, Misfit,
};
use crate::resp::Request;
use crate::store::journal::Events;

/// Length of a digest's text.
const DIGEST_LEN: usize = 16;

/// What a string is compared with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Comparison<'a> {
    Equal(&'a [u8]),
    NotEqual(&'a [u8]),
    DigestEqual(&'a [u8]),
    DigestNotEqual(&'a [u8]),
}

impl<'a> Comparison<'a> {
    /// Reads a comparison if `args` stand at one.
    pub(super) fn parse(args: &mut Args<'a>) -> Result<Option<Self>, CommandError> {
        let known: [(_, fn(&'a [u8]) -> Self); 4] = [
            ("IFEQ", Comparison::Equal),
            ("IFNE", Comparison::NotEqual),
            ("IFDEQ", Comparison::DigestEqual),
            ("IFDNE", Comparison::DigestNotEqual),
        ];
        let Some((_, comparison)) = known.into_iter().find(|(word, _)| args.keyword(word)) else {
            return Ok(None);
        };
        Ok(Some(comparison(args.bytes()?)))
    }

    /// An error if it is with a digest that is none.
    pub(super) fn check(self) -> CommandResult {
        match self {
            Comparison::DigestEqual(digest) | Comparison::DigestNotEqual(digest)
                if digest.len() != DIGEST_LEN =>
            {
                Err(CommandError::fixed(
                    "ERR must be exactly 16 hexadecimal characters",
                ))
            }
            _ => Ok(()),
        }
    }

    /// Whether it holds for a string.
    pub(super) fn holds(self, text: Str<'_>) -> bool {
        let mut digits = itoa::Buffer::new();
        let bytes = text.bytes(&mut digits);
        match self {
            Comparison::Equal(want) => bytes == want,
            Comparison::NotEqual(other) => bytes != other,
            Comparison::DigestEqual(want) => digest(bytes).eq_ignore_ascii_case(want),
            Comparison::DigestNotEqual(other) => !digest(bytes).eq_ignore_ascii_case(other),
        }
    }

    /// Whether it holds where there is no string.
    pub(super) fn holds_for_nothing(self) -> bool {
        matches!(
            self,
            Comparison::NotEqual(_) | Comparison::DigestNotEqual(_)
        )
    }
}

/// The digest of a string, as lower-case hexadecimal digits.
fn digest(bytes: &[u8]) -> [u8; DIGEST_LEN] {
    let hash = twox_hash::XxHash3_64::oneshot(bytes);
    std::array::from_fn(|at| {
        let nibble = hash >> (4 * (DIGEST_LEN - 1 - at)) & 0xf;
        b"0123456789abcdef"[nibble as usize]
    })
}

/// DIGEST key
pub static DIGEST: CommandSpec = CommandSpec::new("DIGEST", Group::String, digest_command)
    .doc(
        "Answers the digest of the string stored at a key, in hexadecimal.",
        "8.4.0",
        "O(N), N being the length of the string.",
    )
    .arity(2)
    .flags(&[Flags::READONLY, Flags::FAST])
    .keys(&[KeySpec::at(1, KeyFlags::RO.with(KeyFlags::ACCESS))])
    .args(&[Arg::key("key", 0)]);

fn digest_command(context: &mut Context<'_>, request: Request<'_>) -> CommandResult {
    let text = match context.read(request.get(1)) {
        Some(entry) => {
            let text = Str::of(entry.value())?;
            Some(digest(text.bytes(&mut itoa::Buffer::new())))
        }
        None => None,
    };
    match text {
        Some(text) => context.reply.bulk(&text),
        None => context.reply.null(),
    }
    Ok(())
}

const CONDITIONS: &[Arg] = &[
    Arg::string("ifeq-value").with_token("IFEQ"),
    Arg::string("ifne-value").with_token("IFNE"),
    Arg::string("ifdeq-digest").with_token("IFDEQ"),
    Arg::string("ifdne-digest").with_token("IFDNE"),
];

/// DELEX key [IFEQ value | IFNE value | IFDEQ digest | IFDNE digest]
pub static DELEX: CommandSpec = CommandSpec::new("DELEX", Group::String, delex)
    .doc(
        "Deletes a key, if a comparison of the string that it holds allows it.",
        "8.4.0",
        "O(1) with IFEQ and IFNE, O(N) with digests, N being the length of the string.",
    )
    .arity(-2)
    .flags(&[Flags::WRITE, Flags::FAST])
    .keys(&[KeySpec::at(
        1,
        KeyFlags::RW
            .with(KeyFlags::DELETE)
            .with(KeyFlags::VARIABLE_FLAGS),
    )])
    .key_finder(delex_key)
    .args(&[
        Arg::key("key", 0),
        Arg::one_of("condition", CONDITIONS).optional(),
    ]);

/// Without a condition the value is not read.
fn delex_key(request: Request<'_>) -> Result<Vec<KeyAt>, Misfit> {
    let reads = if request.len() > 2 {
        KeyFlags::RW
    } else {
        KeyFlags::RM
    };
    Ok(vec![KeyAt {
        index: 1,
        flags: reads | KeyFlags::DELETE,
    }])
}

fn delex(context: &mut Context<'_>, request: Request<'_>) -> CommandResult {
    if !matches!(request.len(), 2 | 4) {
        return Err(context.wrong_arity());
    }
    let comparison = Comparison::parse(&mut Args::new(request, 2))?;
    if comparison.is_none() && request.len() > 2 {
        return Err(CommandError::fixed(
            "ERR Invalid condition. Use IFEQ, IFNE, IFDEQ, or IFDNE",
        ));
    }
    delete_if(context, request.get(1), comparison)
}

/// DELIFEQ key value
pub static DELIFEQ: CommandSpec = CommandSpec::new("DELIFEQ", Group::String, delifeq)
    .doc(
        "Deletes a key if it holds exactly the given string.",
        "9.0.0",
        "O(1)",
    )
    .arity(3)
    .flags(&[Flags::WRITE, Flags::FAST])
    .keys(&[KeySpec::at(1, KeyFlags::RM.with(KeyFlags::DELETE))])
    .args(&[Arg::key("key", 0), Arg::string("value")]);

fn delifeq(context: &mut Context<'_>, request: Request<'_>) -> CommandResult {
    let comparison = Comparison::Equal(request.get(2));
    delete_if(context, request.get(1), Some(comparison))
}

/// Deletes a key if the comparison holds for its string, and answers whether it was deleted.
fn delete_if(
    context: &mut Context<'_>,
    key: &[u8],
    comparison: Option<Comparison<'_>>,
) -> CommandResult {
    let index = context.index();
    let holds = match (context.db.peek(index, key), comparison) {
        (None, _) => false,
        (Some(_), None) => true,
        (Some(entry), Some(comparison)) => {
            comparison.check()?;
            comparison.holds(Str::of(entry.value())?)
        }
    };
    if holds && let Some(entry) = context.db.remove(index, key) {
        context.discard(entry);
        context.changed(key);
        context.event(Events::GENERIC, "del", key);
        context.repeat_as(&[b"DEL", key]);
    }
    context.reply.flag(holds);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digests_are_those_of_redis() {
        // From Redis's documentation of DIGEST, and from its issue about zeros in front.
        let cases = [
            ("Hello world", "b6acb9d84a38ff74"),
            (
                "v8lf0c11xh8ymlqztfd3eeq16kfn4sspw7fqmnuuq3k3t75em5wdizgcdw7uc26nnf961u2jkfzkjytls2kwlj7626sd",
                "00006c38adf31777",
            ),
        ];
        for (text, want) in cases {
            assert_eq!(digest(text.as_bytes()), want.as_bytes(), "{text}");
        }
    }

    #[test]
    fn a_digest_is_compared_without_regard_to_case() {
        let text = Str::Bytes(b"Hello world");
        for (digest, equal) in [
            ("b6acb9d84a38ff74", true),
            ("B6ACB9D84A38FF74", true),
            ("b6acb9d84a38ff75", false),
            ("no digest at all", false),
        ] {
            let digest = digest.as_bytes();
            assert_eq!(Comparison::DigestEqual(digest).holds(text), equal);
            assert_eq!(Comparison::DigestNotEqual(digest).holds(text), !equal);
        }
    }
}
