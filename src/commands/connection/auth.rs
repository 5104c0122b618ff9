//! AUTH and HELLO: who the client is and which protocol version it speaks.
//!
//! There is one user, `default`, whose password is `requirepass`; without one every password is right, as Redis has it
//! for a user with `nopass`.

use super::check_name;
use crate::command::{Arg, Args, CommandError, CommandResult, CommandSpec, Context, Flags, Group};
use crate::instance::REDIS_VERSION;
use crate::resp::{Protocol, Request};
use crate::text::number::parse_i64;

/// The only user.
pub(super) const DEFAULT_USER: &[u8] = b"default";
/// Nobody has a longer password; a longer one is refused without being compared. (What a client can send before it has
/// authenticated is shorter still.)
const MAX_PASSWORD_BYTES: usize = 64 * 1024;

const HANDSHAKE_FLAGS: &[Flags] = &[
    Flags::NOSCRIPT,
    Flags::LOADING,
    Flags::STALE,
    Flags::FAST,
    Flags::NO_AUTH,
    Flags::ALLOW_BUSY,
];

/// `AUTH [username] password`
pub static AUTH: CommandSpec = CommandSpec::new("AUTH", Group::Connection, auth)
    .doc(
        "Says who the client is, and proves it by a password.",
        "1.0.0",
        "O(N), N being the passwords that the user has",
    )
    .arity(-2)
    .flags(HANDSHAKE_FLAGS)
    .args(&[
        Arg::string("username").optional().since("6.0.0"),
        Arg::string("password"),
    ])
    .history(&[("6.0.0", "A user's name may stand before the password.")]);

fn auth(context: &mut Context<'_>, request: Request<'_>) -> CommandResult {
    match request.len() {
        2 if context.instance.config().requirepass().is_none() => {
            return Err(CommandError::NoPasswordSet);
        }
        2 => authenticate(context, DEFAULT_USER, request.get(1))?,
        3 => authenticate(context, request.get(1), request.get(2))?,
        _ => return Err(CommandError::Syntax),
    }
    context.reply.ok();
    Ok(())
}

const HELLO_AUTH: &[Arg] = &[Arg::string("username"), Arg::string("password")];
const HELLO_ARGUMENTS: &[Arg] = &[
    Arg::integer("protover"),
    Arg::block("auth", HELLO_AUTH).with_token("AUTH").optional(),
    Arg::string("clientname").with_token("SETNAME").optional(),
];

/// `HELLO [protover [AUTH username password] [SETNAME clientname]]`
pub static HELLO: CommandSpec = CommandSpec::new("HELLO", Group::Connection, hello)
    .doc(
        "Chooses the protocol version, and tells what the server is.",
        "6.0.0",
        "O(1)",
    )
    .arity(-1)
    .flags(HANDSHAKE_FLAGS)
    .args(&[Arg::block("arguments", HELLO_ARGUMENTS).optional()])
    .history(&[(
        "6.2.0",
        "The version may be left out, to learn the connection's present state.",
    )]);

/// What HELLO asks for.
#[derive(Debug, Default)]
struct Greeting<'a> {
    protocol: Option<Protocol>,
    credentials: Option<(&'a [u8], &'a [u8])>,
    name: Option<&'a [u8]>,
}

impl<'a> Greeting<'a> {
    fn parse(mut args: Args<'a>) -> Result<Self, CommandError> {
        let mut greeting = Greeting::default();
        if !args.is_empty() {
            greeting.protocol = Some(protocol(args.bytes()?)?);
        }
        while let Some(option) = args.peek() {
            if args.remaining() >= 3 && args.keyword("AUTH") {
                greeting.credentials = Some((args.bytes()?, args.bytes()?));
            } else if args.remaining() >= 2 && args.keyword("SETNAME") {
                let name = args.bytes()?;
                check_name(name)?;
                greeting.name = Some(name);
            } else {
                return Err(CommandError::quoting(
                    "Syntax error in HELLO option '",
                    option,
                    "'",
                ));
            }
        }
        Ok(greeting)
    }
}

fn protocol(version: &[u8]) -> Result<Protocol, CommandError> {
    match parse_i64(version) {
        Some(2) => Ok(Protocol::Resp2),
        Some(3) => Ok(Protocol::Resp3),
        Some(_) => Err(CommandError::fixed("NOPROTO unsupported protocol version")),
        None => Err(CommandError::fixed(
            "ERR Protocol version is not an integer or out of range",
        )),
    }
}

fn hello(context: &mut Context<'_>, request: Request<'_>) -> CommandResult {
    let greeting = Greeting::parse(Args::new(request, 1))?;
    if let Some((user, password)) = greeting.credentials {
        authenticate(context, user, password)?;
    }
    if context.session.needs_authentication(context.instance) {
        return Err(CommandError::fixed(
            "NOAUTH HELLO must be called with the client already authenticated, otherwise the HELLO <proto> AUTH \
             <user> <pass> option can be used to authenticate the client and select the RESP protocol version at the \
             same time",
        ));
    }
    if let Some(name) = greeting.name {
        context.session.handle.names().name = name.to_vec();
    }
    if let Some(protocol) = greeting.protocol {
        context.session.set_protocol(protocol);
        context.reply.set_protocol(protocol);
    }
    introduce(context);
    Ok(())
}

fn introduce(context: &mut Context<'_>) {
    let (id, protocol) = (context.session.id(), context.session.protocol);
    let reply = &mut context.reply;
    reply.map(7);
    for (name, value) in [("server", "redis"), ("version", REDIS_VERSION)] {
        reply.text(name);
        reply.text(value);
    }
    reply.text("proto");
    reply.integer(if protocol == Protocol::Resp3 { 3 } else { 2 });
    reply.text("id");
    reply.integer(id as i64);
    for (name, value) in [("mode", "standalone"), ("role", "master")] {
        reply.text(name);
        reply.text(value);
    }
    reply.text("modules");
    reply.array(0);
}

/// Makes the client `user` if the password is right.
fn authenticate(context: &mut Context<'_>, user: &[u8], password: &[u8]) -> CommandResult {
    let right = match context.instance.config().requirepass() {
        Some(secret) => password.len() <= MAX_PASSWORD_BYTES && same_secret(password, secret),
        None => true,
    };
    if user != DEFAULT_USER || !right {
        return Err(CommandError::WrongPass);
    }
    context.session.authenticated = true;
    context.session.handle.names().user = user.to_vec();
    Ok(())
}

/// Makes the client what it was when it connected.
pub(super) fn deauthenticate(context: &mut Context<'_>) {
    context.session.authenticated = context.instance.config().requirepass().is_none();
    context.session.handle.names().user = DEFAULT_USER.to_vec();
}

/// Whether two secrets are the same, in a time that tells nothing of the second one but its length's equality.
fn same_secret(given: &[u8], secret: &[u8]) -> bool {
    let mut difference = given.len() ^ secret.len();
    for (at, byte) in given.iter().enumerate() {
        // Wrapping around keeps the count of steps a matter of what the peer has sent alone.
        let expected = secret
            .get(at % secret.len().max(1))
            .copied()
            .unwrap_or_default();
        difference |= usize::from(std::hint::black_box(byte ^ expected));
    }
    difference == 0
}

#[cfg(test)]
mod tests {
    use super::same_secret;

    #[test]
    fn secrets_are_the_same_only_byte_for_byte() {
        for (given, secret, same) in [
            ("", "", true),
            ("a", "a", true),
            ("secret", "secret", true),
            ("secret\0x", "secret\0x", true),
            ("", "a", false),
            ("a", "", false),
            ("aa", "a", false),
            ("a", "aa", false),
            ("secreT", "secret", false),
            ("secret\0y", "secret\0x", false),
        ] {
            assert_eq!(
                same_secret(given.as_bytes(), secret.as_bytes()),
                same,
                "{given:?} {secret:?}"
            );
        }
    }
}
