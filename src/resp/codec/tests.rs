//! The codec on streams: where a stream is cut makes no difference, and a fault ends it.

use bytes::BufMut;

use super::*;

/// Everything that a stream decodes to when it arrives in `pieces`.
#[derive(Debug, Default, PartialEq)]
struct Outcome {
    commands: Vec<Vec<Vec<u8>>>,
    fault: Option<ProtocolError>,
}

fn decode<'a>(pieces: impl IntoIterator<Item = &'a [u8]>) -> Outcome {
    decode_by(pieces, false)
}

/// As [`decode`]; what large arguments want is read `straight` into them.
fn decode_by<'a>(pieces: impl IntoIterator<Item = &'a [u8]>, straight: bool) -> Outcome {
    let mut codec = RespCodec::new(Limits::default());
    let mut buffer = BytesMut::new();
    let mut outcome = Outcome::default();
    for mut piece in pieces {
        while straight && codec.wanted() > 0 && !piece.is_empty() {
            let read = codec.read_wanted(|room| {
                let count = room.remaining_mut().min(piece.len());
                let (head, tail) = piece.split_at(count);
                room.put_slice(head);
                piece = tail;
                count
            });
            assert!(read > Some(0), "there is room for what is wanted");
        }
        buffer.extend_from_slice(piece);
        while let Some(decoded) = codec.decode(&mut buffer).expect("decoding does no I/O") {
            match decoded {
                Decoded::Large => {
                    assert!(codec.wanted() >= READ_STRAIGHT);
                    break;
                }
                Decoded::Batch(commands) => {
                    assert_eq!(commands, codec.batch_len());
                    let words = |index| {
                        codec
                            .request(&buffer, index)
                            .iter_from(0)
                            .map(<[u8]>::to_vec)
                            .collect()
                    };
                    outcome.commands.extend((0..commands).map(words));
                    let taken = codec.finish_batch();
                    buffer.advance(taken);
                }
                Decoded::TooMuch => panic!("nothing here is beyond the limits"),
                Decoded::Fault(fault) => {
                    assert_eq!(outcome.fault, None, "a stream has one fault");
                    outcome.fault = Some(fault);
                }
            }
        }
    }
    outcome
}

/// A pipeline with every form of a request and a value that is gathered outside the buffer.
fn pipeline() -> (Vec<u8>, std::ops::Range<usize>) {
    let mut stream =
        b"*1\r\n$4\r\nPING\r\n*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$2\r\n\r\n\r\nPING\r\n\r\n*0\r\n"
            .to_vec();
    stream.extend_from_slice(b"SET k \"a \\x41 'b\" 'c d'\n*2\r\n$3\r\nGET\r\n$0\r\n\r\n*-1\r\n*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$40000\r\n");
    let from = stream.len();
    stream.resize(from + 40_000, b'v');
    let value = from..stream.len();
    stream.extend_from_slice(
        b"\r\n*2\r\n$4\r\nECHO\r\n$3\r\nabc\r\n\r\n*1\r\n$4\r\nPING\r\n\nPING last\r\n",
    );
    (stream, value)
}

#[test]
fn a_cut_at_any_byte_makes_no_difference() {
    let (stream, value) = pipeline();
    let whole = decode([stream.as_slice()]);
    assert_eq!((whole.commands.len(), whole.fault), (9, None));
    assert_eq!(whole.commands[5][2].len(), 40_000);
    for cut in 0..stream.len() {
        // Within the large value one byte is like another; some of them are enough.
        let inside = value.start + 3 < cut && cut + 3 < value.end;
        if !inside || cut % 1009 == 0 {
            let (head, tail) = stream.split_at(cut);
            assert_eq!(decode([head, tail]), whole, "cut at {cut}");
            assert_eq!(decode_by([head, tail], true), whole, "cut at {cut}");
        }
    }
}

#[test]
fn pieces_of_any_size_make_no_difference() {
    let (stream, _) = pipeline();
    let whole = decode([stream.as_slice()]);
    for size in [1, 2, 3, 7, 100, 4096, 16 * 1024] {
        assert_eq!(decode(stream.chunks(size)), whole, "pieces of {size}");
        let straight = decode_by(stream.chunks(size), true);
        assert_eq!(straight, whole, "pieces of {size}");
    }
}

#[test]
fn two_large_values_in_pieces_stay_apart() {
    let value = |byte: u8| vec![byte; 50_000];
    let mut stream = Vec::new();
    for byte in [b'a', b'b'] {
        stream.extend_from_slice(b"*3\r\n$4\r\nMSET\r\n$50000\r\n");
        stream.extend_from_slice(&value(byte));
        stream.extend_from_slice(b"\r\n$50000\r\n");
        stream.extend_from_slice(&value(byte + 2));
        stream.extend_from_slice(b"\r\n");
    }
    for size in [1000, 16 * 1024, 60_000, 250_000] {
        let outcome = decode(stream.chunks(size));
        let values: Vec<_> = outcome
            .commands
            .iter()
            .map(|words| (words[1].clone(), words[2].clone()))
            .collect();
        assert_eq!(
            values,
            [(value(b'a'), value(b'c')), (value(b'b'), value(b'd'))],
            "pieces of {size}"
        );
    }
}

#[test]
fn nothing_is_read_behind_a_fault() {
    let stream = b"PING\r\n*1\r\nx\r\nPING\r\n";
    for size in 1..=stream.len() {
        let outcome = decode(stream.chunks(size));
        assert_eq!(outcome.commands, [[b"PING"]], "pieces of {size}");
        assert_eq!(
            outcome.fault,
            Some(ProtocolError::ExpectedDollar(b'x')),
            "pieces of {size}"
        );
    }
}

#[test]
fn an_unfinished_command_is_dropped_at_the_end() {
    let mut codec = RespCodec::new(Limits::default());
    let mut buffer = BytesMut::from(&b"PING\r\n*1\r\n$4\r\nPI"[..]);
    assert_eq!(
        codec.decode_eof(&mut buffer).expect("no I/O"),
        Some(Decoded::Batch(1))
    );
    let taken = codec.finish_batch();
    buffer.advance(taken);
    assert_eq!(codec.decode_eof(&mut buffer).expect("no I/O"), None);
    assert!(buffer.is_empty());
}

#[test]
fn garbage_never_panics() {
    use proptest::prelude::*;
    let bytes = prop_oneof![
        any::<u8>(),
        prop::sample::select(b"*$\r\n-0123456789\"'\\ \0".to_vec())
    ];
    let stream = prop::collection::vec(bytes, 0..200);
    proptest!(|(stream in stream, size in 1usize..40)| {
        prop_assert_eq!(decode(stream.chunks(size)), decode([stream.as_slice()]));
    });
}

#[test]
fn a_value_of_megabytes_is_read_straight_into_its_own_buffer() {
    let value: Vec<u8> = (0..5_000_000u32).map(|at| (at / 1024) as u8).collect();
    let mut stream = b"*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$5000000\r\n".to_vec();
    stream.extend_from_slice(&value);
    stream.extend_from_slice(b"\r\n");
    for size in [READ_BUFFER, 1_000_000, stream.len()] {
        let outcome = decode_by(stream.chunks(size), true);
        assert_eq!(outcome.fault, None);
        assert_eq!(outcome.commands.len(), 1, "pieces of {size}");
        assert!(outcome.commands[0][2] == value);
    }
}

/// Whether what is in the buffer is too much for a codec with that limit.
fn is_refused(stream: &[u8], max_query: usize, unauthenticated: bool) -> bool {
    let mut codec = RespCodec::new(Limits {
        max_query,
        unauthenticated,
        ..Limits::default()
    });
    let mut buffer = BytesMut::from(stream);
    let decoded = codec.decode(&mut buffer).expect("decoding does no I/O");
    decoded == Some(Decoded::TooMuch)
}

#[test]
fn what_has_come_of_a_command_and_what_it_announces_is_bounded() {
    const MIB: usize = 1024 * 1024;
    let small = [b"*100000\r\n".to_vec(), b"$1\r\nx\r\n".repeat(50_000)].concat();
    assert!(!is_refused(&small, small.len(), false));
    assert!(is_refused(&small, small.len() - 1, false));
    let announced = b"*2\r\n$4\r\nECHO\r\n$1100000\r\nx";
    assert!(!is_refused(announced, 2 * MIB, false));
    assert!(is_refused(announced, MIB, false));
    let line = vec![b'x'; 3000];
    assert!(!is_refused(&line, 3000, true));
    assert!(is_refused(&line, 2999, true));
    let complete = b"*1\r\n$4\r\nPING\r\n".repeat(100);
    assert!(!is_refused(&complete, 1000, false), "it is executed first");
}

#[test]
fn large_arguments_that_have_come_whole_count_until_their_command_has() {
    let argument = [b"$50000\r\n".to_vec(), vec![b'x'; 50_000], b"\r\n".to_vec()].concat();
    let limits = Limits {
        max_query: 170_000,
        ..Limits::default()
    };
    let mut codec = RespCodec::new(limits);
    let mut buffer = BytesMut::new();
    // Each comes in two pieces, so that it is held beside the buffer.
    let mut push = |codec: &mut RespCodec, bytes: &[u8]| {
        let mut last = None;
        for piece in bytes.chunks(40_000) {
            buffer.extend_from_slice(piece);
            last = codec.decode(&mut buffer).expect("decoding does no I/O");
        }
        if let Some(Decoded::Batch(_)) = last {
            let taken = codec.finish_batch();
            buffer.advance(taken);
        }
        last
    };
    for _ in 0..3 {
        assert_eq!(push(&mut codec, b"*4\r\n$4\r\nMSET\r\n"), None);
        for number in 1..=3 {
            let complete = (number == 3).then_some(Decoded::Batch(1));
            assert_eq!(push(&mut codec, &argument), complete, "argument {number}");
        }
        assert_eq!(codec.argument_bytes(), 0, "the next command begins anew");
    }
    assert_eq!(push(&mut codec, b"*9\r\n"), None);
    assert_eq!(push(&mut codec, &argument.repeat(3)), None);
    assert_eq!(codec.argument_bytes(), 150_000);
    assert_eq!(push(&mut codec, b"$30000\r\n"), None);
    assert_eq!(push(&mut codec, &[b'x'; 20_000]), Some(Decoded::TooMuch));
}

#[test]
fn bytes_before_a_command_are_those_of_the_commands_before_it() {
    let mut codec = RespCodec::default();
    let mut buffer =
        BytesMut::from(&b"*1\r\n$4\r\nPING\r\n*2\r\n$4\r\nECHO\r\n$0\r\n\r\nPING\r\n*1\r\n"[..]);
    let decoded = codec.decode(&mut buffer).expect("decoding does no I/O");
    assert_eq!(decoded, Some(Decoded::Batch(3)));
    let before: Vec<usize> = (0..=3).map(|index| codec.bytes_before(index)).collect();
    assert_eq!(
        before,
        [0, 14, 34, 34],
        "an inline command's words are elsewhere"
    );
}
