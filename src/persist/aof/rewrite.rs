//! [`Rewriter`]: a data set as the commands that make it, as a base has it that is no dump file.
//!
//! Large collections are made by several commands of [`ITEMS_PER_COMMAND`] elements each. What commands cannot say is lost, as in
//! Redis: when a consumer of a stream was last seen, and that an entry is pending which the stream has no more.

use std::io::{self, Write};

use crate::store::encoding::flat::Item;
use crate::store::entry::{Entry, NEVER, Object, Value};
use crate::store::types::hash::Hash;
use crate::store::types::stream::id::IdText;
use crate::store::types::stream::{Group, Stream, StreamId};
use crate::text::double;

/// The most elements of one command.
pub const ITEMS_PER_COMMAND: usize = 64;

/// Writes commands to `W`, which should be buffered.
#[derive(Debug)]
pub struct Rewriter<W> {
    inner: W,
    bytes: u64,
}

impl<W: Write> Rewriter<W> {
    /// Writes to `inner`.
    pub fn new(inner: W) -> Self {
        Rewriter { inner, bytes: 0 }
    }

    /// How many bytes were written.
    pub fn position(&self) -> u64 {
        self.bytes
    }

    /// Gives back what was written to.
    pub fn into_inner(self) -> W {
        self.inner
    }

    /// Writes when what follows happened, in Unix seconds.
    pub fn time(&mut self, unix_s: u64) -> io::Result<()> {
        self.raw(format!("#TS:{unix_s}\r\n").as_bytes())
    }

    /// Writes a library of functions by its code.
    pub fn function(&mut self, code: &[u8]) -> io::Result<()> {
        self.command(&[b"FUNCTION", b"LOAD", code])
    }

    /// Says in which database the following keys are.
    pub fn database(&mut self, index: usize) -> io::Result<()> {
        self.command(&[b"SELECT", itoa::Buffer::new().format(index).as_bytes()])
    }

    /// Writes a key with its value and its deadline.
    pub fn key(&mut self, entry: &Entry) -> io::Result<()> {
        let key = entry.key();
        match entry.value() {
            Value::Int(value) => {
                let value = itoa::Buffer::new().format(value).to_owned();
                self.command(&[b"SET", key, value.as_bytes()])?;
            }
            Value::Inline(value) => self.command(&[b"SET", key, value])?,
            Value::Object(object) => self.object(key, object)?,
        }
        if entry.deadline_ms() != NEVER {
            let mut digits = itoa::Buffer::new();
            let deadline = digits.format(entry.deadline_ms()).as_bytes();
            self.command(&[b"PEXPIREAT", key, deadline])?;
        }
        Ok(())
    }

    fn object(&mut self, key: &[u8], object: &Object) -> io::Result<()> {
        let mut digits = itoa::Buffer::new();
        match object {
            Object::String(text) => self.command(&[b"SET", key, text]),
            Object::List(list) => {
                let mut left = list.len();
                for (at, element) in list.iter().enumerate() {
                    self.begin_part(b"RPUSH", key, at, &mut left, 1)?;
                    self.word(element.text(&mut digits))?;
                }
                Ok(())
            }
            Object::Set(set) => {
                let mut left = set.len();
                for (at, member) in set.iter().enumerate() {
                    self.begin_part(b"SADD", key, at, &mut left, 1)?;
                    self.item(member)?;
                }
                Ok(())
            }
            Object::SortedSet(set) => {
                let mut left = set.len();
                let mut score_text = double::Buffer::new();
                for (at, (member, score)) in set.iter().enumerate() {
                    self.begin_part(b"ZADD", key, at, &mut left, 2)?;
                    self.word(score_text.format(score).as_bytes())?;
                    self.item(member)?;
                }
                Ok(())
            }
            Object::Hash(hash) => self.hash(key, hash),
            Object::Stream(stream) => self.stream(key, stream),
        }
    }

    /// Begins the next command of a collection where the element at `at` needs one, which takes `words` words.
    fn begin_part(
        &mut self,
        name: &[u8],
        key: &[u8],
        at: usize,
        left: &mut usize,
        words: usize,
    ) -> io::Result<()> {
        if !at.is_multiple_of(ITEMS_PER_COMMAND) {
            return Ok(());
        }
        let items = ITEMS_PER_COMMAND.min(*left);
        *left -= items;
        self.head(2 + items * words)?;
        self.word(name)?;
        self.word(key)
    }

    fn hash(&mut self, key: &[u8], hash: &Hash) -> io::Result<()> {
        let mut left = hash.len();
        for (at, field) in hash.iter().enumerate() {
            self.begin_part(b"HSET", key, at, &mut left, 2)?;
            self.item(field.name)?;
            self.item(field.value)?;
        }
        if hash.earliest_deadline_ms() == NEVER {
            return Ok(());
        }
        for field in hash.iter().filter(|field| field.deadline_ms != NEVER) {
            let mut digits = itoa::Buffer::new();
            let deadline = digits.format(field.deadline_ms).as_bytes();
            let (mut room, fields) = (itoa::Buffer::new(), b"FIELDS".as_slice());
            let name = field.name.text(&mut room);
            self.command(&[b"HPEXPIREAT", key, deadline, fields, b"1", name])?;
        }
        Ok(())
    }

    fn stream(&mut self, key: &[u8], stream: &Stream) -> io::Result<()> {
        let mut room: IdText = [0; 41];
        for entry in stream.log().iter_from(0) {
            self.head(3 + 2 * entry.pairs())?;
            for word in [b"XADD".as_slice(), key, entry.id.text(&mut room)] {
                self.word(word)?;
            }
            for (field, value) in entry.fields() {
                self.item(field)?;
                self.item(value)?;
            }
        }
        if stream.is_empty() {
            // A stream without entries is made by one that is dropped at once.
            self.command(&[b"XADD", key, b"MAXLEN", b"0", b"0-1", b"x", b"y"])?;
        }
        let (last, deleted) = (
            stream.last_id().to_string(),
            stream.max_deleted_id().to_string(),
        );
        let added = stream.entries_added().to_string();
        self.command(&[
            b"XSETID",
            key,
            last.as_bytes(),
            b"ENTRIESADDED",
            added.as_bytes(),
            b"MAXDELETEDID",
            deleted.as_bytes(),
        ])?;
        stream.groups().try_for_each(|group| self.group(key, group))
    }

    fn group(&mut self, key: &[u8], group: &Group) -> io::Result<()> {
        let (last, read) = (group.last_id.to_string(), group.entries_read.unwrap_or(-1));
        let read = read.to_string();
        let words: [&[u8]; 7] = [
            b"XGROUP",
            b"CREATE",
            key,
            group.name(),
            last.as_bytes(),
            b"ENTRIESREAD",
            read.as_bytes(),
        ];
        self.command(&words)?;
        for consumer in group.consumers() {
            if consumer.pending().is_empty() {
                let name = consumer.name();
                self.command(&[b"XGROUP", b"CREATECONSUMER", key, group.name(), name])?;
            }
            for id in consumer.pending().iter() {
                self.delivery(key, group, id)?;
            }
        }
        Ok(())
    }

    fn delivery(&mut self, key: &[u8], group: &Group, id: StreamId) -> io::Result<()> {
        let Some(delivery) = group.pending().get(id) else {
            return Ok(());
        };
        let consumer = group.consumer(delivery.consumer).name();
        let (id, time, count) = (id.to_string(), delivery.time_ms, delivery.count);
        let (time, count) = (time.to_string(), count.to_string());
        self.command(&[
            b"XCLAIM",
            key,
            group.name(),
            consumer,
            b"0",
            id.as_bytes(),
            b"TIME",
            time.as_bytes(),
            b"RETRYCOUNT",
            count.as_bytes(),
            b"JUSTID",
            b"FORCE",
        ])
    }

    fn command(&mut self, words: &[&[u8]]) -> io::Result<()> {
        self.head(words.len())?;
        words.iter().try_for_each(|word| self.word(word))
    }

    fn item(&mut self, item: Item<'_>) -> io::Result<()> {
        self.word(item.text(&mut itoa::Buffer::new()))
    }

    fn head(&mut self, words: usize) -> io::Result<()> {
        self.length(b'*', words)
    }

    fn word(&mut self, word: &[u8]) -> io::Result<()> {
        self.length(b'$', word.len())?;
        self.raw(word)?;
        self.raw(b"\r\n")
    }

    fn length(&mut self, kind: u8, length: usize) -> io::Result<()> {
        let mut digits = itoa::Buffer::new();
        self.raw(&[kind])?;
        self.raw(digits.format(length).as_bytes())?;
        self.raw(b"\r\n")
    }

    fn raw(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.bytes += bytes.len() as u64;
        self.inner.write_all(bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::persist::aof::reader::Reader;
    use crate::persist::rdb::file::{Reader as Dump, Record};
    use crate::store::db::{Db, EncodingLimits};

    const GOLDEN: &[u8] = include_bytes!("../../../tests/fixtures/rdb/redis-7.0.rdb");

    /// The commands that make the keys of the golden file.
    fn commands() -> Vec<Vec<String>> {
        let mut db = Db::new(1, Some(1));
        let records = Dump::new(GOLDEN, EncodingLimits::default(), true).expect("it is a dump");
        for record in records {
            if let Record::Key(key) = record.expect("it is whole") {
                db.insert(0, key.entry);
            }
        }
        let mut rewriter = Rewriter::new(Vec::new());
        rewriter.time(1_700_000_000).expect("a vector takes it");
        rewriter
            .function(b"#!lua name=lib")
            .expect("a vector takes it");
        rewriter.database(0).expect("a vector takes it");
        for entry in db.keyspace(0).iter() {
            rewriter.key(&entry).expect("a vector takes it");
        }
        let position = rewriter.position();
        let bytes = rewriter.into_inner();
        assert_eq!(position, bytes.len() as u64);
        let mut reader = Reader::new(bytes.as_slice(), 0);
        let mut commands = Vec::new();
        while reader.read_command().expect("it is well formed") {
            let words = reader.words().iter().map(String::from_utf8_lossy);
            commands.push(words.map(|word| word.into_owned()).collect());
        }
        commands
    }

    #[test]
    fn every_type_is_made_by_commands_that_are_not_too_long() {
        let commands = commands();
        assert_eq!(commands[0], ["FUNCTION", "LOAD", "#!lua name=lib"]);
        assert_eq!(commands[1], ["SELECT", "0"]);
        let names: std::collections::BTreeSet<&str> =
            commands.iter().map(|words| words[0].as_str()).collect();
        for name in [
            "SET",
            "RPUSH",
            "SADD",
            "ZADD",
            "HSET",
            "XADD",
            "XSETID",
            "XGROUP",
            "XCLAIM",
            "PEXPIREAT",
        ] {
            assert!(names.contains(name), "no {name} in {names:?}");
        }
        let collections = ["RPUSH", "SADD", "ZADD", "HSET"];
        for words in commands
            .iter()
            .filter(|words| collections.contains(&words[0].as_str()))
        {
            assert!(words.len() <= 2 + 2 * ITEMS_PER_COMMAND);
        }
    }
}
