//! Any bytes, in pieces of any size, through the decoder of requests.
//!
//! Beyond not crashing, three things must hold: where the network cuts the stream makes no
//! difference to what is decoded; the decoder never frees bytes that it was not given; and what
//! it decoded, encoded again, decodes to the same commands. To extend: the input's first three
//! bytes choose the limits and the sizes of the pieces, everything after them is the stream, in
//! which one byte stands for a long run, so that a short input reaches the large arguments.
#![no_main]

use bytes::{Buf, BufMut, BytesMut};
use libfuzzer_sys::fuzz_target;
use ruddle::resp::{Decoded, Limits, ProtocolError, RespCodec};
use tokio_util::codec::Decoder;

/// Below the length limits of lines, which depend on how much of an endless line has arrived.
const MAX_STREAM: usize = 60_000;
/// The byte of the input that stands for a run of [`RUN_BYTES`] bytes in the stream.
const RUN: u8 = 0xff;
/// A quarter of the length from which on the decoder gathers an argument outside its buffer.
const RUN_BYTES: usize = 8 * 1024;

/// What a stream decodes to: the commands, and the fault that ended it.
#[derive(Debug, PartialEq, Default)]
struct Outcome {
    commands: Vec<Vec<Vec<u8>>>,
    fault: Option<ProtocolError>,
}

/// The part of a stream that a part of an input stands for.
fn expand(input: &[u8]) -> Vec<u8> {
    let mut stream = Vec::new();
    for &byte in input {
        let len = if byte == RUN { RUN_BYTES } else { 1 };
        stream.resize(stream.len() + len, byte);
    }
    stream
}

/// Feeds the stream in pieces, of as many bytes of the input as `sizes` says in turn, and decodes
/// all there is after each.
fn decode(input: &[u8], limits: Limits, sizes: [usize; 2]) -> Outcome {
    let mut codec = RespCodec::new(limits);
    let mut buffer = BytesMut::new();
    let mut outcome = Outcome::default();
    let (mut rest, mut turn) = (input, 0);
    while !rest.is_empty() && outcome.fault.is_none() {
        let (piece, later) = rest.split_at(sizes[turn % 2].min(rest.len()));
        (rest, turn) = (later, turn + 1);
        let expanded = expand(piece);
        let mut bytes = expanded.as_slice();
        // As a connection reads on after `Decoded::Large`; other turns leave it to the read buffer.
        while turn % 3 == 0 && codec.wanted() > 0 && !bytes.is_empty() {
            let read = codec.read_wanted(|room| {
                let count = room.remaining_mut().min(bytes.len());
                let (head, tail) = bytes.split_at(count);
                room.put_slice(head);
                bytes = tail;
                count
            });
            assert!(read > Some(0), "what is wanted has room");
        }
        buffer.extend_from_slice(bytes);
        drain(&mut codec, &mut buffer, &mut outcome);
    }
    outcome
}

/// Decodes batches until the buffer holds no complete command.
fn drain(codec: &mut RespCodec, buffer: &mut BytesMut, outcome: &mut Outcome) {
    while let Some(decoded) = codec
        .decode(buffer)
        .expect("decoding does no input or output")
    {
        match decoded {
            Decoded::Batch(count) => {
                assert!(count > 0, "an empty batch would make the connection spin");
                for index in 0..count {
                    let request = codec.request(buffer, index);
                    outcome
                        .commands
                        .push(request.iter_from(0).map(<[u8]>::to_vec).collect());
                }
                let taken = codec.finish_batch();
                assert!(
                    taken <= buffer.len(),
                    "{taken} bytes taken of {}",
                    buffer.len()
                );
                buffer.advance(taken);
            }
            Decoded::Large | Decoded::TooMuch => return,
            Decoded::Fault(fault) => {
                outcome.fault = Some(fault);
                return;
            }
        }
    }
}

/// The commands as a client would send them.
fn encode(commands: &[Vec<Vec<u8>>]) -> Vec<u8> {
    let mut out = Vec::new();
    for command in commands {
        out.extend_from_slice(format!("*{}\r\n", command.len()).as_bytes());
        for argument in command {
            out.extend_from_slice(format!("${}\r\n", argument.len()).as_bytes());
            out.extend_from_slice(argument);
            out.extend_from_slice(b"\r\n");
        }
    }
    out
}

fuzz_target!(|input: &[u8]| {
    let [flags, first, second, rest @ ..] = input else {
        return;
    };
    if expand(rest).len() > MAX_STREAM {
        return;
    }
    let mut limits = Limits {
        unauthenticated: flags & 1 == 1,
        ..Limits::default()
    };
    if flags & 2 != 0 {
        limits.max_bulk = 64;
    }
    let whole = decode(rest, limits, [usize::MAX; 2]);
    let pieces = decode(
        rest,
        limits,
        [first, second].map(|size| usize::from(*size) + 1),
    );
    assert_eq!(whole, pieces, "where the stream is cut must not matter");

    // Inline commands may have more or longer words than an array may before authentication.
    let mut again = Outcome::default();
    let mut buffer = BytesMut::from(&encode(&whole.commands)[..]);
    drain(
        &mut RespCodec::new(Limits::default()),
        &mut buffer,
        &mut again,
    );
    assert_eq!(
        again.commands, whole.commands,
        "encoding must be undone by decoding"
    );
    assert_eq!(again.fault, None);
});
