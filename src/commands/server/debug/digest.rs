//! DEBUG DIGEST and DIGEST-VALUE: a digest of the data that does not depend on how it is stored, so that two servers, or
//! one before and after a restart, can be compared. The digests are those of Redis for the same data.
//!
//! **Algorithm** (Redis, `debug.c`). A digest is 20 bytes, at first 0. *Adding* data exclusive-ors its SHA-1 into it, so
//! that order does not matter; *mixing* adds and then replaces the digest by its own SHA-1, so that it does. A value
//! begins by mixing its type's number as four bytes; a string is then mixed, a list's elements one after the other; an
//! expiry of whatever time adds a fixed text. A key's digest mixes the key, then the value. The data set's digest mixes
//! each database's number before it adds the digests of its keys.
//!
//! A new type of value needs its arm in [`mix_value`]: sets add their members; hashes and sorted sets add one digest for
//! each pair, which mixes both parts (a score printed with 17 digits).

use sha1::{Digest as _, Sha1};

use crate::command::{CommandResult, Context};
use crate::resp::Request;
use crate::store::entry::{Entry, NEVER, Object, Value};
use crate::store::types::stream::Stream;
use crate::text::double;

/// What stands for an expiry, whatever its time.
const EXPIRY: &[u8] = b"!!expire!!";
/// What stands for the expiry of a field.
const FIELD_EXPIRY: &[u8] = b"!!hexpire!!";

/// Redis's numbers of the types.
const STRING: u32 = 0;
const LIST: u32 = 1;
const SET: u32 = 2;
const SORTED_SET: u32 = 3;
const HASH: u32 = 4;
const STREAM: u32 = 6;

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Digest([u8; 20]);

impl Digest {
    /// Adds data; the order of additions does not matter.
    fn add(&mut self, data: &[u8]) {
        self.xor(Digest(Sha1::digest(data).into()));
    }

    /// Mixes data in; the order does matter.
    fn mix(&mut self, data: &[u8]) {
        self.add(data);
        self.0 = Sha1::digest(self.0).into();
    }

    fn xor(&mut self, other: Digest) {
        self.0
            .iter_mut()
            .zip(other.0)
            .for_each(|(byte, other)| *byte ^= other);
    }

    fn hex(self) -> String {
        self.0.iter().map(|byte| format!("{byte:02x}")).collect()
    }
}

pub(super) fn digest(context: &mut Context<'_>, _request: Request<'_>) -> CommandResult {
    let mut all = Digest::default();
    for index in 0..context.db.databases() {
        let keyspace = context.db.keyspace(index);
        if keyspace.is_empty() {
            continue;
        }
        all.mix(&(index as u32).to_be_bytes());
        for entry in keyspace.iter() {
            let mut one = Digest::default();
            one.mix(Entry::key(&entry));
            mix_value(&mut one, &entry);
            // The digests of the keys are added as they are, which makes their order indifferent.
            all.add(&one.0);
        }
    }
    context.reply.simple(&all.hex());
    Ok(())
}

pub(super) fn digest_value(context: &mut Context<'_>, request: Request<'_>) -> CommandResult {
    let table = context.db.keyspace(context.session.db).table();
    context.reply.array(request.len() - 2);
    for key in request.iter_from(2) {
        let mut digest = Digest::default();
        // An expired key counts until it is deleted.
        if let Some(entry) = table.get(key) {
            mix_value(&mut digest, &entry);
        }
        context.reply.simple(&digest.hex());
    }
    Ok(())
}

fn mix_value(digest: &mut Digest, entry: &Entry) {
    let mut digits = itoa::Buffer::new();
    let mut head = |number: u32| digest.mix(&number.to_be_bytes());
    match entry.value() {
        Value::Int(number) => {
            head(STRING);
            digest.mix(digits.format(number).as_bytes());
        }
        Value::Inline(bytes) => {
            head(STRING);
            digest.mix(bytes);
        }
        Value::Object(Object::String(bytes)) => {
            head(STRING);
            digest.mix(bytes);
        }
        Value::Object(Object::List(list)) => {
            head(LIST);
            for element in list.iter() {
                digest.mix(element.text(&mut digits));
            }
        }
        Value::Object(Object::Set(set)) => {
            head(SET);
            for member in set.iter() {
                digest.add(member.text(&mut digits));
            }
        }
        Value::Object(Object::Hash(hash)) => {
            head(HASH);
            for field in hash.iter() {
                let mut pair = Digest::default();
                pair.mix(field.name.text(&mut digits));
                pair.mix(field.value.text(&mut digits));
                if field.deadline_ms != NEVER {
                    pair.add(FIELD_EXPIRY);
                }
                digest.add(&pair.0);
            }
        }
        Value::Object(Object::SortedSet(set)) => {
            head(SORTED_SET);
            for (member, score) in set.iter() {
                let mut pair = Digest::default();
                pair.mix(member.text(&mut digits));
                pair.mix(double::seventeen_digits(score).as_bytes());
                digest.add(&pair.0);
            }
        }
        Value::Object(Object::Stream(stream)) => {
            head(STREAM);
            mix_stream(digest, stream);
        }
    }
    if entry.deadline_ms() != NEVER {
        digest.add(EXPIRY);
    }
}

/// A stream's entries are mixed one after the other: the id as `ms.seq`, then fields and values.
fn mix_stream(digest: &mut Digest, stream: &Stream) {
    let mut digits = itoa::Buffer::new();
    for entry in stream.log().iter_from(0) {
        digest.mix(format!("{}.{}", entry.id.ms, entry.id.seq).as_bytes());
        for (field, value) in entry.fields() {
            digest.mix(field.text(&mut digits));
            digest.mix(value.text(&mut digits));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::entry::NewValue;

    /// Compared with redis-server 7.0.15.
    #[test]
    fn values_have_the_digests_that_redis_gives_them() {
        let digest_of = |value, deadline_ms| {
            let mut digest = Digest::default();
            mix_value(&mut digest, &Entry::new(b"a", value, deadline_ms));
            digest.hex()
        };
        assert_eq!(
            digest_of(NewValue::Int(1), NEVER),
            "b4fc66738120fba0b5aa500ab5c2bf89cea1c5da"
        );
        assert_eq!(
            digest_of(NewValue::Text(b"1"), NEVER),
            digest_of(NewValue::Int(1), NEVER)
        );
        assert_ne!(
            digest_of(NewValue::Int(1), 99),
            digest_of(NewValue::Int(1), NEVER)
        );
        assert_eq!(
            digest_of(NewValue::Int(1), 99),
            digest_of(NewValue::Int(1), 98)
        );
    }
}
