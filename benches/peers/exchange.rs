//! Loads that redis-benchmark does not know: a message to many subscribers, a transaction, and the hand-over of an element
//! from one client to another that waits for it.
//!
//! All connections are the load generator's own and are served in turn by one thread, so that nothing but the server
//! decides when an answer comes. To add such a load to the load cases, name its function in `options::CASES`.

use std::time::Instant;

use anyhow::{Result, bail};

use crate::client::{Client, key_name};
use crate::load::{CLIENTS, VALUE_BYTES, scattered};
use crate::report::median;
use crate::server::{Program, Server};

/// Subscribers of the channel.
const SUBSCRIBERS: usize = 100;
const CHANNEL: &[u8] = b"news";
/// The array's head; the length and the text of three words.
const MESSAGE_LINES: u64 = 7;

/// Commands between MULTI and EXEC.
const COMMANDS: u64 = 10;

/// Puts a server under so many requests, `pipeline` at once, on so many keys; answers the milliseconds of each round trip.
pub(crate) type Exchange = fn(&Server, requests: u64, pipeline: u64, keys: u64) -> Result<Vec<f64>>;

/// Publishes to a channel with a hundred subscribers from as many clients as redis-benchmark has, which wait for their answers
/// alone. A round trip is that of all of them.
pub(crate) fn publish(
    server: &Server,
    requests: u64,
    pipeline: u64,
    _keys: u64,
) -> Result<Vec<f64>> {
    let subscribers = subscribe(server)?;
    let publishers: Result<Vec<_>> = (0..CLIENTS).map(|_| server.connect()).collect();
    let mut publishers = publishers?;
    let rounds = requests.div_ceil(pipeline * u64::from(CLIENTS));
    let messages = rounds * pipeline * u64::from(CLIENTS);
    std::thread::scope(|scope| {
        let reading = scope.spawn(move || read_all(subscribers, messages));
        let mut round_trips_ms = Vec::new();
        for _ in 0..rounds {
            let sent = Instant::now();
            for publisher in &mut publishers {
                push_messages(publisher, pipeline);
                publisher.flush()?;
            }
            for publisher in &mut publishers {
                publisher.expect_ok(pipeline)?;
            }
            round_trips_ms.push(sent.elapsed().as_secs_f64() * 1e3);
        }
        match reading.join() {
            Ok(outcome) => outcome.map(|()| round_trips_ms),
            Err(panic) => std::panic::resume_unwind(panic),
        }
    })
}

/// Publishes to a channel with a hundred subscribers from one client, which goes on when all of them have read the messages: the
/// server can put nothing together.
pub(crate) fn publish_in_step(
    server: &Server,
    requests: u64,
    pipeline: u64,
    _keys: u64,
) -> Result<Vec<f64>> {
    let mut subscribers = subscribe(server)?;
    let mut publisher = server.connect()?;
    let mut round_trips_ms = Vec::new();
    for _ in 0..requests.div_ceil(pipeline) {
        push_messages(&mut publisher, pipeline);
        let sent = Instant::now();
        publisher.flush()?;
        publisher.expect_ok(pipeline)?;
        for subscriber in &mut subscribers {
            subscriber.expect_lines(pipeline * MESSAGE_LINES)?;
        }
        round_trips_ms.push(sent.elapsed().as_secs_f64() * 1e3);
    }
    Ok(round_trips_ms)
}

fn push_messages(publisher: &mut Client, count: u64) {
    for _ in 0..count {
        publisher.push(&[b"PUBLISH", CHANNEL, &[b'x'; VALUE_BYTES]]);
    }
}

fn subscribe(server: &Server) -> Result<Vec<Client>> {
    let subscribers = (0..SUBSCRIBERS).map(|_| {
        let mut subscriber = server.connect()?;
        subscriber.push(&[b"SUBSCRIBE", CHANNEL]);
        subscriber.flush()?;
        // The array's head; the length and the text of two words; the count.
        subscriber.expect_lines(6)?;
        Ok(subscriber)
    });
    subscribers.collect()
}

/// Reads `messages` from each subscriber, as they come.
fn read_all(mut subscribers: Vec<Client>, messages: u64) -> Result<()> {
    let message = [b'x'; VALUE_BYTES];
    let words: [&[u8]; 3] = [b"message", CHANNEL, &message];
    let head = format!("*{}\r\n", words.len()).len();
    let word = |word: &&[u8]| format!("${}\r\n", word.len()).len() + word.len() + 2;
    let bytes = head + words.iter().map(word).sum::<usize>();
    let mut left = vec![messages * bytes as u64; subscribers.len()];
    while left.iter().any(|&left| left > 0) {
        for (subscriber, left) in subscribers.iter_mut().zip(&mut left) {
            if *left > 0 {
                *left -= subscriber.read_some(*left)?;
            }
        }
    }
    Ok(())
}

/// Transactions that increment ten random counters, each sent by one write, from as many clients as redis-benchmark has.
pub(crate) fn transactions(
    server: &Server,
    requests: u64,
    pipeline: u64,
    keys: u64,
) -> Result<Vec<f64>> {
    let clients: Result<Vec<_>> = (0..CLIENTS).map(|_| server.connect()).collect();
    let mut clients = clients?;
    let mut round_trips_ms = Vec::new();
    let mut number = 0;
    for _ in 0..requests.div_ceil(pipeline * u64::from(CLIENTS)) {
        let sent = Instant::now();
        for client in &mut clients {
            for _ in 0..pipeline {
                client.push(&[b"MULTI"]);
                for _ in 0..COMMANDS {
                    let counter = key_name("counter:", scattered(number) % keys);
                    client.push(&[b"INCR", counter.as_bytes()]);
                    number += 1;
                }
                client.push(&[b"EXEC"]);
            }
            client.flush()?;
        }
        for client in &mut clients {
            // MULTI's answer, one for each command that is queued, the array's head, and its elements.
            client.expect_lines(pipeline * (2 + 2 * COMMANDS))?;
        }
        round_trips_ms.push(sent.elapsed().as_secs_f64() * 1e3);
    }
    Ok(round_trips_ms)
}

/// Hand-overs that one server makes before it is another one's turn.
const HAND_OVERS: u32 = 2_000;

/// Two clients that hand an element to and fro by blocking pops.
struct Pair {
    first: Client,
    second: Client,
}

impl Pair {
    fn connect(server: &Server) -> Result<Pair> {
        let mut pair = Pair {
            first: server.connect()?,
            second: server.connect()?,
        };
        pair.second.push(&[b"BLPOP", b"there", b"0"]);
        pair.second.flush()?;
        Ok(pair)
    }

    /// One hand-over to the second client, which waits, and one back to the first, which waits by then; the microseconds
    /// that each of the two took on average.
    fn round_trip(&mut self) -> Result<f64> {
        let sent = Instant::now();
        hand_over(&mut self.first, &mut self.second, b"there", b"back")?;
        hand_over(&mut self.second, &mut self.first, b"back", b"there")?;
        Ok(sent.elapsed().as_secs_f64() * 1e6 / 2.0)
    }
}

/// `from` pushes an element for `to`, who waits for it, and by the same write begins to wait for one itself.
fn hand_over(from: &mut Client, to: &mut Client, list: &[u8], own_list: &[u8]) -> Result<()> {
    from.push(&[b"RPUSH", list, b"element"]);
    from.push(&[b"BLPOP", own_list, b"0"]);
    from.flush()?;
    // The array's head; the length and the text of two words.
    to.expect_lines(5)?;
    from.expect_ok(1)
}

/// The hand-overs of all servers.
#[derive(Debug)]
pub(crate) struct HandOvers {
    /// The median for each server in microseconds, or `None` where it has no such command.
    pub(crate) median_us: Vec<Option<f64>>,
    /// How many each median is of.
    pub(crate) count: u32,
}

/// Measures hand-overs in turns of some thousand.
pub(crate) fn hand_overs(programs: &[Program], rounds: u32) -> Result<HandOvers> {
    let servers: Result<Vec<_>> = programs.iter().map(Program::start).collect();
    let servers = servers?;
    let mut pairs = Vec::new();
    for server in &servers {
        let knows = server.connect()?.knows("BLPOP")?;
        pairs.push(knows.then(|| Pair::connect(server)).transpose()?);
    }
    let mut all_us = vec![Vec::new(); servers.len()];
    for round in 0..rounds as usize {
        eprintln!("hand-over: round {} of {rounds}", round + 1);
        for turn in 0..servers.len() {
            let index = (round + turn) % servers.len();
            let Some(pair) = &mut pairs[index] else {
                continue;
            };
            for _ in 0..HAND_OVERS / 2 {
                all_us[index].push(pair.round_trip()?);
            }
        }
    }
    if all_us.iter().all(Vec::is_empty) {
        bail!("no server has BLPOP");
    }
    let median_us = all_us
        .iter()
        .map(|us| (!us.is_empty()).then(|| median(us)))
        .collect();
    Ok(HandOvers {
        median_us,
        count: rounds * HAND_OVERS,
    })
}
