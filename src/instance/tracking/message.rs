//! The messages of tracking, as their clients' protocol versions have them.

use std::sync::atomic::Ordering;

use bytes::BytesMut;

use crate::instance::clients::ClientHandle;
use crate::resp::{Protocol, Reply};

/// The channel on which RESP2 clients hear that keys of another client have changed.
const CHANNEL: &str = "__redis__:invalidate";

/// What a client is told of keys.
#[derive(Clone, Copy, Debug)]
pub(super) enum Keys<'a> {
    /// All keys may have changed.
    All,
    /// One has.
    One(&'a [u8]),
    /// Those of an array that is encoded already.
    Encoded(&'a [u8]),
}

/// An array of keys.
pub(super) fn encode<'a>(keys: impl ExactSizeIterator<Item = &'a [u8]>) -> BytesMut {
    written(Protocol::Resp2, |reply| {
        reply.array(keys.len());
        keys.for_each(|key| reply.bulk(key));
    })
}

/// The message to `client` that these keys are not what they were; `None` where it has no way to get it: RESP2 knows
/// messages to subscribers alone, and then from another client's tracking.
pub(super) fn invalidation(
    client: &ClientHandle,
    redirected: bool,
    keys: Keys<'_>,
) -> Option<BytesMut> {
    let protocol = protocol_of(client);
    if protocol == Protocol::Resp2 && !(redirected && client.subscriptions.any()) {
        return None;
    }
    Some(written(protocol, |reply| {
        match protocol {
            Protocol::Resp3 => {
                reply.push(2);
                reply.text("invalidate");
            }
            Protocol::Resp2 => {
                reply.push(3);
                reply.text("message");
                reply.text(CHANNEL);
            }
        }
        match keys {
            Keys::All => reply.null(),
            Keys::One(key) => {
                reply.array(1);
                reply.bulk(key);
            }
            Keys::Encoded(array) => reply.raw(array),
        }
    }))
}

/// The message that the client `target`, which was to get the invalidations for `client`, has gone; RESP3 alone has it.
pub(super) fn redirection_broken(client: &ClientHandle, target: u64) -> Option<BytesMut> {
    let protocol = protocol_of(client);
    (protocol == Protocol::Resp3).then(|| {
        written(protocol, |reply| {
            reply.push(2);
            reply.text("tracking-redir-broken");
            reply.integer(target as i64);
        })
    })
}

fn written(protocol: Protocol, write: impl FnOnce(&mut Reply<'_>)) -> BytesMut {
    let (mut out, mut blobs) = (BytesMut::new(), Vec::new());
    write(&mut Reply::new(&mut out, &mut blobs, protocol));
    out
}

fn protocol_of(client: &ClientHandle) -> Protocol {
    if client.figures.protocol.load(Ordering::Relaxed) == 3 {
        Protocol::Resp3
    } else {
        Protocol::Resp2
    }
}
