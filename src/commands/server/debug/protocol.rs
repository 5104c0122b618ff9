//! DEBUG PROTOCOL: one reply of each type, for tests of clients.

use crate::command::{CommandError, CommandResult, Context};
use crate::resp::{Protocol, Request};

/// A number with a fraction, and nothing else.
#[expect(clippy::approx_constant, reason = "clients compare these three digits")]
const SOME_DOUBLE: f64 = 3.141;

pub(super) fn protocol(context: &mut Context<'_>, request: Request<'_>) -> CommandResult {
    let reply = &mut context.reply;
    let numbers =
        |reply: &mut crate::resp::Reply<'_>| (0..3).for_each(|number| reply.integer(number));
    match request.get(2).to_ascii_lowercase().as_slice() {
        b"string" => reply.text("Hello World"),
        b"integer" => reply.integer(12345),
        b"double" => reply.double(SOME_DOUBLE),
        b"bignum" => reply.big_number("1234567999999999999999999999999999999"),
        b"null" => reply.null(),
        b"array" => {
            reply.array(3);
            numbers(reply);
        }
        b"set" => {
            reply.set(3);
            numbers(reply);
        }
        b"map" => {
            reply.map(3);
            for number in 0..3 {
                reply.integer(number);
                reply.boolean(number == 1);
            }
        }
        b"attrib" => {
            if reply.protocol() == Protocol::Resp3 {
                reply.attribute(1);
                reply.text("key-popularity");
                reply.array(2);
                reply.text("key:123");
                reply.integer(90);
            }
            reply.text("Some real reply following the attribute");
        }
        b"push" => {
            if reply.protocol() == Protocol::Resp2 {
                return Err(CommandError::fixed(
                    "ERR RESP2 is not supported by this command",
                ));
            }
            reply.push(2);
            reply.text("server-cpu-usage");
            reply.integer(42);
            // A push is no answer, and clients wait for one.
            reply.text("Some real reply following the push reply");
        }
        b"verbatim" => reply.verbatim("txt", b"This is a verbatim\nstring"),
        b"true" => reply.boolean(true),
        b"false" => reply.boolean(false),
        _ => {
            return Err(CommandError::fixed(
                "ERR Wrong protocol type name. Please use one of the following: \
                 string|integer|double|bignum|null|array|set|map|attrib|push|verbatim|true|false",
            ));
        }
    }
    Ok(())
}
