//! The last part of a trial: every value goes over to the other server, as DUMP has it, and must be the same there.
//!
//! Each server restores the other's payload of a key beside its own key; then both must have the same digest. So every
//! sequence is a test of both directions of the dump format as well.

use crate::arena::{Arena, Finding};
use crate::peer::{Peer, Reply, Words, words};

/// What is put behind a key's name for the other server's value.
const MARK: &[u8] = b"~restored";

impl Arena {
    /// The first key of the database that does not survive the exchange. The keys lose their deadlines.
    pub(crate) fn exchange(
        &mut self,
        resp3: bool,
        index: usize,
        keys: &[Vec<u8>],
    ) -> Option<Finding> {
        let ask = |verb: &'static str| {
            keys.iter()
                .map(move |key| [words(verb), vec![key.clone()]].concat())
        };
        let dumps: Vec<Words> = [words(&format!("SELECT {index}"))]
            .into_iter()
            .chain(ask("PERSIST"))
            .chain(ask("DUMP"))
            .collect();
        self.reference.send(resp3, &dumps);
        self.subject.send(resp3, &dumps);
        let from_reference = self.reference.receive(resp3, dumps.len());
        let from_subject = self.subject.receive(resp3, dumps.len());
        let restores = |replies: &[Reply]| -> Vec<Words> {
            let payloads = replies.iter().skip(1 + keys.len());
            payloads
                .zip(keys)
                .map(|(reply, key)| restore(key, reply))
                .collect()
        };
        let (to_subject, to_reference) = (restores(&from_reference), restores(&from_subject));
        self.reference.send(resp3, &to_reference);
        self.subject.send(resp3, &to_subject);
        let at_reference = self.reference.receive(resp3, keys.len());
        let at_subject = self.subject.receive(resp3, keys.len());
        for (at, key) in keys.iter().enumerate() {
            let at_home = digests(&mut self.reference, resp3, key);
            let abroad = digests(&mut self.subject, resp3, key);
            let [reference_lost, subject_lost] = [&at_home, &abroad].map(|own| own[0] != own[1]);
            let is_lost =
                reference_lost != subject_lost || (reference_lost && at_home[1] != abroad[1]);
            let taken = |reply: &Reply| reply.to_string() == "+OK";
            if is_lost || !taken(&at_reference[at]) || !taken(&at_subject[at]) {
                return Some(Finding {
                    at: None,
                    name: "RESTORE".to_owned(),
                    command: to_subject[at].clone(),
                    reference: at_reference[at].clone(),
                    subject: at_subject[at].clone(),
                });
            }
        }
        self.look(resp3, &looks(keys))?.err()
    }
}

/// The digests of a key's value and of the one that came from the other server. They are the same but where the small form
/// of a value keeps less than the large one, in both servers: a sorted set's score of -0 becomes 0.
fn digests(side: &mut Peer, resp3: bool, key: &[u8]) -> [String; 2] {
    [key.to_vec(), marked(key)].map(|key| {
        side.send(resp3, &[[words("DEBUG DIGEST-VALUE"), vec![key]].concat()]);
        side.receive(resp3, 1)[0].to_string()
    })
}

/// What both must say of the values that came from the other: groups of streams are in no digest.
fn looks(keys: &[Vec<u8>]) -> Vec<Words> {
    keys.iter()
        .map(|key| {
            [
                words("XINFO STREAM"),
                vec![marked(key)],
                words("FULL COUNT 0"),
            ]
            .concat()
        })
        .collect()
}

fn marked(key: &[u8]) -> Vec<u8> {
    [key, MARK].concat()
}

fn restore(key: &[u8], dump: &Reply) -> Words {
    let payload = match dump {
        Reply::Bulk(_, payload) => payload.clone(),
        _ => Vec::new(),
    };
    vec![
        b"RESTORE".to_vec(),
        marked(key),
        b"0".to_vec(),
        payload,
        b"REPLACE".to_vec(),
    ]
}
