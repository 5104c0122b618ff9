//! Tests of outboxes: runs that several share, and what each client gets, against a model.

use bytes::BytesMut;
use proptest::collection::vec;
use proptest::prelude::*;

use super::*;
use crate::instance::clients::{ClientHandle, Clients, Endpoint};
use crate::instance::pubsub::{Kind, Payload, PubSub};

const CHANNELS: [&[u8]; 2] = [b"one", b"two"];

fn client(clients: &Clients) -> Arc<ClientHandle> {
    let registration = clients.register(Endpoint::default(), 0, usize::MAX);
    Arc::clone(registration.expect("there is room").handle())
}

fn publish(pubsub: &mut PubSub, channel: &[u8], text: &[u8]) -> usize {
    let payload = Payload {
        bytes: text,
        shared: None,
    };
    pubsub.publish(channel, payload)
}

/// The message as a client that speaks `version` gets it.
fn message(version: u32, channel: &[u8], text: &[u8]) -> Vec<u8> {
    let kind = if version == 3 { '>' } else { '*' };
    let head = format!("{kind}3\r\n$7\r\nmessage\r\n${}\r\n", channel.len());
    let len = format!("\r\n${}\r\n", text.len());
    [head.as_bytes(), channel, len.as_bytes(), text, b"\r\n"].concat()
}

fn taken(client: &ClientHandle) -> Vec<u8> {
    let (mut out, mut blobs) = (BytesMut::new(), Vec::new());
    client.take_messages(&mut out, &mut blobs);
    assert!(!client.has_messages() && client.outbox_len() == 0);
    out.to_vec()
}

/// What a letter's parts are, one after the other.
fn text_of(letter: &Letter) -> Vec<u8> {
    let mut text = Vec::new();
    letter.write(|parts| {
        parts.iter().for_each(|part| text.extend_from_slice(part));
        0
    });
    text
}

#[test]
fn messages_of_a_channel_lie_in_all_outboxes_and_nowhere_else() {
    let (clients, mut pubsub) = (Clients::default(), PubSub::default());
    let listeners: Vec<_> = (0..5).map(|_| client(&clients)).collect();
    for listener in &listeners {
        pubsub.subscribe(Kind::Channel, b"one", listener);
    }
    assert_eq!(publish(&mut pubsub, b"one", b"a"), 5);
    assert_eq!(publish(&mut pubsub, b"one", b"b"), 5);
    let both = [message(2, b"one", b"a"), message(2, b"one", b"b")].concat();
    let letters: Vec<_> = listeners
        .iter()
        .map(|it| it.take_plain_messages().expect("there are no large values"))
        .collect();
    for letter in &letters {
        assert!(letter.bytes.is_empty());
        assert!(Arc::ptr_eq(&letter.runs[0], &letters[0].runs[0]));
        assert_eq!(text_of(letter), both);
    }
    // What comes after somebody has begun to write is in none of the letters.
    publish(&mut pubsub, b"one", b"c");
    assert_eq!(text_of(&letters[4]), both);
    for (at, (letter, listener)) in letters.into_iter().zip(&listeners).enumerate() {
        let written = both.len() - at;
        assert_eq!(listener.put_back(letter, written), at == 0);
        let want = [&both[written..], &message(2, b"one", b"c")].concat();
        assert_eq!(listener.outbox_len(), want.len());
        assert_eq!(taken(listener), want);
    }
}

#[test]
fn nothing_is_added_to_a_letter_that_was_taken_and_not_yet_written() {
    let (clients, mut pubsub) = (Clients::default(), PubSub::default());
    let listeners: Vec<_> = (0..4).map(|_| client(&clients)).collect();
    for listener in &listeners {
        pubsub.subscribe(Kind::Channel, b"one", listener);
    }
    publish(&mut pubsub, b"one", b"a");
    let letter = listeners[0]
        .take_plain_messages()
        .expect("there is no large value");
    listeners[0].post(b"between");
    publish(&mut pubsub, b"one", b"b");
    assert_eq!(text_of(&letter), message(2, b"one", b"a"));
    assert!(listeners[0].put_back(letter, message(2, b"one", b"a").len()));
    let rest = [b"between".as_slice(), &message(2, b"one", b"b")].concat();
    assert_eq!(taken(&listeners[0]), rest);
}

#[test]
fn a_run_ends_before_more_than_may_always_wait_is_uncounted() {
    let (clients, mut pubsub) = (Clients::default(), PubSub::default());
    let listeners: Vec<_> = (0..4).map(|_| client(&clients)).collect();
    for listener in &listeners {
        pubsub.subscribe(Kind::Channel, b"one", listener);
    }
    let text = [b'x'; 1000];
    let len = message(2, b"one", &text).len();
    for sent in 1..200 {
        publish(&mut pubsub, b"one", &text);
        let waiting = listeners[3].waiting_output();
        let counted = waiting.counted_bytes + waiting.uncounted_bytes;
        assert!(sent * len - counted <= MAX_RUN_BYTES, "{sent}: {counted}");
        assert_eq!(listeners[3].outbox_len(), sent * len);
    }
    assert_eq!(taken(&listeners[3]), message(2, b"one", &text).repeat(199));
}

#[test]
fn who_is_killed_is_no_receiver_any_more() {
    let (clients, mut pubsub) = (Clients::default(), PubSub::default());
    let listeners: Vec<_> = (0..4).map(|_| client(&clients)).collect();
    for listener in &listeners {
        pubsub.subscribe(Kind::Channel, b"one", listener);
    }
    assert_eq!(publish(&mut pubsub, b"one", b"a"), 4);
    listeners[1].kill();
    assert_eq!(publish(&mut pubsub, b"one", b"b"), 3);
    assert_eq!(taken(&listeners[1]), message(2, b"one", b"a"));
}

/// Something that happens to one of the clients.
#[derive(Clone, Debug)]
enum Step {
    Publish(usize, u8),
    PublishLarge(usize),
    Post(usize, u8),
    Take(usize),
    /// Written are so many hundredths of the letter, while something is published on a channel.
    Write(usize, usize, Option<usize>),
    Subscribe(usize, usize),
    Unsubscribe(usize, usize),
    Speak(usize, u32),
}

const CLIENTS: usize = 6;

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let (who, channel) = (0..CLIENTS, 0..CHANNELS.len());
    let step = prop_oneof![
        6 => (channel.clone(), any::<u8>()).prop_map(|(at, text)| Step::Publish(at, text)),
        1 => channel.clone().prop_map(Step::PublishLarge),
        1 => (who.clone(), any::<u8>()).prop_map(|(at, text)| Step::Post(at, text)),
        1 => who.clone().prop_map(Step::Take),
        2 => (who.clone(), 0..=100usize, proptest::option::of(channel.clone()))
            .prop_map(|(at, part, channel)| Step::Write(at, part, channel)),
        1 => (who.clone(), channel.clone()).prop_map(|(at, channel)| Step::Subscribe(at, channel)),
        1 => (who.clone(), channel).prop_map(|(at, channel)| Step::Unsubscribe(at, channel)),
        1 => (who, 2..=3u32).prop_map(|(at, version)| Step::Speak(at, version)),
    ];
    vec(step, 1..120)
}

/// A client beside what it should have got.
struct Listener {
    handle: Arc<ClientHandle>,
    channels: [bool; CHANNELS.len()],
    version: u32,
    sent: Vec<u8>,
    received: Vec<u8>,
}

fn publish_to_all(pubsub: &mut PubSub, listeners: &mut [Listener], channel: usize, text: &[u8]) {
    let mut receivers = 0;
    for listener in listeners.iter_mut().filter(|it| it.channels[channel]) {
        let message = message(listener.version, CHANNELS[channel], text);
        listener.sent.extend(message);
        receivers += 1;
    }
    assert_eq!(publish(pubsub, CHANNELS[channel], text), receivers);
}

fn run(pubsub: &mut PubSub, listeners: &mut [Listener], step: Step) {
    match step {
        Step::Publish(channel, text) => publish_to_all(pubsub, listeners, channel, &[text]),
        Step::PublishLarge(channel) => {
            publish_to_all(pubsub, listeners, channel, &[b'x'; MAX_RUN_BYTES / 2]);
        }
        Step::Post(at, text) => {
            listeners[at].sent.push(text);
            listeners[at].handle.post(&[text]);
        }
        Step::Take(at) => {
            let listener = &mut listeners[at];
            listener.received.extend(taken(&listener.handle));
        }
        Step::Write(at, part, channel) => {
            let letter = listeners[at].handle.take_plain_messages();
            let letter = letter.expect("there are no large values");
            let text = text_of(&letter);
            if let Some(channel) = channel {
                publish_to_all(pubsub, listeners, channel, b"meanwhile");
            }
            let written = text.len() * part / 100;
            let listener = &mut listeners[at];
            listener.received.extend(&text[..written]);
            let all = listener.handle.put_back(letter, written);
            assert_eq!(all, written == text.len());
        }
        Step::Subscribe(at, channel) => {
            listeners[at].channels[channel] = true;
            pubsub.subscribe(Kind::Channel, CHANNELS[channel], &listeners[at].handle);
        }
        Step::Unsubscribe(at, channel) => {
            listeners[at].channels[channel] = false;
            pubsub.unsubscribe(Kind::Channel, CHANNELS[channel], &listeners[at].handle);
        }
        Step::Speak(at, version) => {
            listeners[at].version = version;
            listeners[at].handle.set_protocol(version);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn each_client_gets_its_messages_in_their_order(steps in steps()) {
        let (clients, mut pubsub) = (Clients::default(), PubSub::default());
        let mut listeners: Vec<_> = (0..CLIENTS)
            .map(|_| Listener {
                handle: client(&clients),
                channels: [true; CHANNELS.len()],
                version: 2,
                sent: Vec::new(),
                received: Vec::new(),
            })
            .collect();
        for listener in &listeners {
            for channel in CHANNELS {
                pubsub.subscribe(Kind::Channel, channel, &listener.handle);
            }
        }
        for step in steps {
            run(&mut pubsub, &mut listeners, step);
            for listener in &listeners {
                let waiting = listener.sent.len() - listener.received.len();
                prop_assert_eq!(listener.handle.outbox_len(), waiting);
                prop_assert_eq!(listener.handle.has_messages(), waiting > 0);
            }
        }
        for listener in &mut listeners {
            listener.received.extend(taken(&listener.handle));
            prop_assert!(listener.received == listener.sent);
        }
    }
}
