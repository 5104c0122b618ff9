//! All that is in a data set, as text that is the same for equal data however it is stored: by database and key, deadlines
//! of keys and fields, streams with their past, groups and what is pending.
//!
//! When consumers were last seen is left out: those who only look again leave no trace in the log.

use std::collections::BTreeMap;

use itoa::Buffer;
use ruddle::store::db::Db;
use ruddle::store::entry::{Entry, NEVER, Object, Value};
use ruddle::store::types::stream::{Group, Stream, StreamId};

use crate::server::DATABASES;

/// The data by database and key; those that have a key whose time is over are gone.
pub(crate) type State = BTreeMap<(usize, String), String>;

/// What is in `db` and will be there at `now_ms`.
pub(crate) fn of(db: &Db, now_ms: u64) -> State {
    let mut state = State::new();
    for index in 0..DATABASES {
        for entry in db.keyspace(index).iter() {
            if entry.deadline_ms() <= now_ms {
                continue;
            }
            let key = Entry::key(&entry).escape_ascii().to_string();
            let mut text = value(entry.value(), now_ms);
            if entry.deadline_ms() != NEVER {
                text += &format!(" until {}", entry.deadline_ms());
            }
            if !text.is_empty() {
                state.insert((index, key), text);
            }
        }
    }
    state
}

fn quoted(bytes: &[u8]) -> String {
    format!("\"{}\"", bytes.escape_ascii())
}

/// A value; nothing if all of it is over.
fn value(value: Value<'_>, now_ms: u64) -> String {
    let digits = &mut Buffer::new();
    match value {
        Value::Int(number) => quoted(digits.format(number).as_bytes()),
        Value::Inline(bytes) => quoted(bytes),
        Value::Object(Object::String(bytes)) => quoted(bytes),
        Value::Object(Object::List(list)) => {
            let texts = list.iter().map(|element| quoted(element.text(digits)));
            format!("list {}", texts.collect::<Vec<_>>().join(" "))
        }
        Value::Object(Object::Set(set)) => {
            let texts = set.iter().map(|member| quoted(member.text(digits)));
            format!("set {}", sorted(texts.collect()))
        }
        Value::Object(Object::SortedSet(set)) => {
            let texts = set.iter().map(|(member, score)| {
                let bits = score.to_bits();
                format!("{}={score}/{bits:x}", quoted(member.text(digits)))
            });
            format!("zset {}", texts.collect::<Vec<_>>().join(" "))
        }
        Value::Object(Object::Hash(hash)) => {
            let mut texts = Vec::new();
            for field in hash.iter().filter(|field| field.lives_at(now_ms)) {
                let mut text = quoted(field.name.text(digits));
                text += &format!("={}", quoted(field.value.text(digits)));
                if field.deadline_ms != NEVER {
                    text += &format!(" until {}", field.deadline_ms);
                }
                texts.push(text);
            }
            if texts.is_empty() {
                return String::new();
            }
            format!("hash {}", sorted(texts))
        }
        Value::Object(Object::Stream(it)) => stream(it),
    }
}

fn sorted(mut texts: Vec<String>) -> String {
    texts.sort();
    texts.join(" ")
}

fn id(id: StreamId) -> String {
    format!("{}-{}", id.ms, id.seq)
}

fn stream(stream: &Stream) -> String {
    let mut text = format!(
        "stream last {} deleted {} added {}",
        id(stream.last_id()),
        id(stream.max_deleted_id()),
        stream.entries_added()
    );
    let digits = &mut Buffer::new();
    for entry in stream.log().iter_from(0) {
        text += &format!("\n  {}", id(entry.id));
        for (field, value) in entry.fields() {
            text += &format!(" {}", quoted(field.text(digits)));
            text += &format!("={}", quoted(value.text(digits)));
        }
    }
    stream.groups().for_each(|it| text += &group(it));
    text
}

fn group(group: &Group) -> String {
    let mut text = format!(
        "\n  group {} at {} read {:?}",
        quoted(group.name()),
        id(group.last_id),
        group.entries_read
    );
    for consumer in group.consumers() {
        text += &format!("\n    consumer {}:", quoted(consumer.name()));
        for pending in consumer.pending().iter() {
            text += &format!(" {}", id(pending));
        }
    }
    for delivery in group.pending().iter() {
        let consumer = group.consumer(delivery.consumer);
        text += &format!(
            "\n    {} for {} at {}, {} times",
            id(delivery.id),
            quoted(consumer.name()),
            delivery.time_ms,
            delivery.count
        );
    }
    text
}
