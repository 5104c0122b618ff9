//! The two servers side by side: a sequence is run on both, and the first difference is what comes of it.
//!
//! A trial empties both, sets the encodings' limits, sends the sequence, and then holds the data sets against each
//! other: the keys of every database, and of each key type, expiry, encoding, digest and content. At last each value is
//! restored from the other server's dump (`exchange`).

use crate::compare;
use crate::generate::Sequence;
use crate::grammar::{self, Command};
use crate::known::{self, Seen};
use crate::peer::{Peer, Reply, Words, words};

const DATABASES: usize = 16;

/// The first command that the servers answer differently.
#[derive(Clone, Debug)]
pub(crate) struct Finding {
    /// Its place in the sequence; none for a look at the data afterwards.
    pub(crate) at: Option<usize>,
    /// The name of the command.
    pub(crate) name: String,
    pub(crate) command: Words,
    pub(crate) reference: Reply,
    pub(crate) subject: Reply,
}

impl Finding {
    /// What findings of the same cause have in common, most likely.
    pub(crate) fn signature(&self) -> (bool, &str, String) {
        let kind = match &self.subject {
            Reply::Line(b'-', text) => String::from_utf8_lossy(text).chars().take(24).collect(),
            Reply::Line(kind, _) | Reply::Bulk(kind, _) | Reply::Group(kind, _) => {
                char::from(*kind).to_string()
            }
            Reply::Lost(_) => "lost".to_owned(),
        };
        (self.at.is_some(), &self.name, kind)
    }
}

/// Both servers and the commands that they share.
pub(crate) struct Arena {
    pub(crate) reference: Peer,
    pub(crate) subject: Peer,
    /// The commands that both know.
    pub(crate) table: Vec<Command>,
    /// The sequence that is on trial has a SORT.
    sorts: bool,
    /// How often a difference was excused, by its reason.
    pub(crate) excused: std::collections::BTreeMap<&'static str, u64>,
}

impl Arena {
    /// Starts both programs.
    pub(crate) fn new(reference: &str, subject: &str) -> Arena {
        let (mut reference, mut subject) = (Peer::start(reference), Peer::start(subject));
        let table = grammar::read(&mut reference, &mut subject);
        Arena {
            reference,
            subject,
            table,
            sorts: false,
            excused: Default::default(),
        }
    }

    /// Runs the sequence on both.
    pub(crate) fn trial(&mut self, sequence: &Sequence) -> Option<Finding> {
        let setup = [words("FLUSHALL"), words("SELECT 0")];
        let reference = [&setup[..], &[self.reference.configure(sequence.profile)]].concat();
        let subject = [&setup[..], &[self.subject.configure(sequence.profile)]].concat();
        let head = reference.len();
        self.sorts = sequence.commands.iter().any(known::is_sort);
        let resp3 = sequence.resp3;
        self.reference
            .send(resp3, &[&reference[..], &sequence.commands].concat());
        self.subject
            .send(resp3, &[&subject[..], &sequence.commands].concat());
        let count = head + sequence.commands.len();
        let mut replies = [
            self.reference.receive(resp3, count),
            self.subject.receive(resp3, count),
        ];
        for replies in &mut replies {
            let setup: Vec<Reply> = replies.drain(..head.min(replies.len())).collect();
            let fine = |reply: &Reply| reply.to_string() == "+OK";
            assert!(
                setup.len() == head && setup.iter().all(fine),
                "the servers cannot be set up: {setup:?}"
            );
        }
        let [reference, subject] = replies;
        match self.first_difference(&sequence.commands, &reference, &subject) {
            Some((at, finding)) => Some(Finding {
                at: Some(at),
                ..finding
            }),
            None => self.data_difference(resp3),
        }
    }

    fn first_difference(
        &mut self,
        commands: &[Words],
        reference: &[Reply],
        subject: &[Reply],
    ) -> Option<(usize, Finding)> {
        for (at, (command, (reference, subject))) in commands
            .iter()
            .zip(reference.iter().zip(subject))
            .enumerate()
        {
            if compare::same(&self.table, command, reference, subject) {
                continue;
            }
            let name = compare::find(&self.table, command).map_or_else(
                || String::from_utf8_lossy(&command[0]).into_owned(),
                Command::name,
            );
            let seen = Seen {
                name: &name,
                reference,
                subject,
                sorts: self.sorts,
                same: &|a, b| compare::same(&self.table, command, a, b),
            };
            if let Some(excuse) = known::excuse(&seen) {
                *self.excused.entry(excuse.reason).or_default() += 1;
                continue;
            }
            let finding = Finding {
                at: None,
                command: command.clone(),
                reference: reference.clone(),
                subject: subject.clone(),
                name,
            };
            return Some((at, finding));
        }
        None
    }

    /// The first difference between the data sets.
    fn data_difference(&mut self, resp3: bool) -> Option<Finding> {
        let listing: Vec<Words> = (0..DATABASES)
            .flat_map(|index| [words(&format!("SELECT {index}")), words("KEYS *")])
            .collect();
        let listed = self.look(resp3, &listing)?;
        let listed = match listed {
            Ok(replies) => replies,
            Err(finding) => return Some(finding),
        };
        let mut looks = Vec::new();
        let mut types = Vec::new();
        let mut all_keys = Vec::new();
        for (index, keys) in listed.iter().skip(1).step_by(2).enumerate() {
            let mut keys = strings(keys);
            keys.sort();
            all_keys.push((index, keys.clone()));
            if !keys.is_empty() {
                looks.push(words(&format!("SELECT {index}")));
            }
            for key in keys {
                types.push(looks.len());
                looks.extend(
                    ["TYPE", "PTTL", "OBJECT ENCODING", "DEBUG DIGEST-VALUE"]
                        .map(|look| on(look, &key)),
                );
            }
        }
        let found = match self.look(resp3, &looks)? {
            Ok(replies) => replies,
            Err(finding) => return Some(finding),
        };
        let mut contents = Vec::new();
        for (at, look) in looks.iter().enumerate() {
            if types.contains(&at) {
                contents.extend(content(&found[at].to_string(), &look[1]));
            } else if look[0] == b"SELECT" {
                contents.push(look.clone());
            }
        }
        if let Some(Err(finding)) = self.look(resp3, &contents) {
            return Some(finding);
        }
        all_keys.retain(|(_, keys)| !keys.is_empty());
        all_keys
            .into_iter()
            .find_map(|(index, keys)| self.exchange(resp3, index, &keys))
    }

    /// Sends the looks to both: the reference's replies, or the first that differ; none if nothing is to be asked.
    pub(crate) fn look(
        &mut self,
        resp3: bool,
        looks: &[Words],
    ) -> Option<Result<Vec<Reply>, Finding>> {
        if looks.is_empty() {
            return None;
        }
        self.reference.send(resp3, looks);
        self.subject.send(resp3, looks);
        let reference = self.reference.receive(resp3, looks.len());
        let subject = self.subject.receive(resp3, looks.len());
        Some(match self.first_difference(looks, &reference, &subject) {
            Some((_, finding)) => Err(finding),
            None => Ok(reference),
        })
    }
}

fn on(look: &str, key: &[u8]) -> Words {
    let mut command = words(look);
    command.push(key.to_vec());
    command
}

/// What shows the whole of a value of this type.
fn content(kind: &str, key: &[u8]) -> Option<Words> {
    let (look, tail) = match kind {
        "+string" => ("GET", ""),
        "+list" => ("LRANGE", "0 -1"),
        "+set" => ("SMEMBERS", ""),
        "+hash" => ("HGETALL", ""),
        "+zset" => ("ZRANGE", "0 -1 WITHSCORES"),
        "+stream" => {
            return Some(
                [
                    words("XINFO STREAM"),
                    vec![key.to_vec()],
                    words("FULL COUNT 0"),
                ]
                .concat(),
            );
        }
        _ => return None,
    };
    let mut command = on(look, key);
    if !tail.is_empty() {
        command.extend(words(tail));
    }
    Some(command)
}

fn strings(reply: &Reply) -> Vec<Vec<u8>> {
    let Reply::Group(_, parts) = reply else {
        return Vec::new();
    };
    parts
        .iter()
        .filter_map(|part| match part {
            Reply::Bulk(_, text) => Some(text.clone()),
            _ => None,
        })
        .collect()
}
