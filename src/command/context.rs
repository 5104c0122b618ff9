//! What a handler works with: the data set, its client, the server's shared state, and the reply.

use std::sync::Arc;

use super::args::Args;
use super::error::CommandError;
use super::registry::Command;
use super::session::Session;
use crate::instance::Instance;
use crate::resp::{Reply, Request};
use crate::store::db::{Db, DbIndex, EntryRef, type_name};
use crate::store::effects::Effects;
use crate::store::entry::{Entry, NEVER, NewValue};
use crate::store::journal::{Events, What};

/// The surroundings of a command that runs. A handler sees no socket: a script, a transaction or a
/// replica's stream can stand where the client is.
pub struct Context<'a> {
    /// The data set, locked.
    pub db: &'a mut Db,
    /// The client on whose behalf the command runs.
    pub session: &'a mut Session,
    /// What the server shares beside the data set.
    pub instance: &'a Instance,
    /// Where the answer goes.
    pub reply: Reply<'a>,
    /// The command that runs (of a container, its subcommand).
    pub command: &'a Command,
}

impl<'a> Context<'a> {
    /// The surroundings of another command that runs within this one: from a transaction's queue, from a script.
    pub fn nested<'n>(&'n mut self, command: &'n Command) -> Context<'n>
    where
        'a: 'n,
    {
        Context {
            db: self.db,
            session: self.session,
            instance: self.instance,
            reply: self.reply.reborrow(),
            command,
        }
    }

    /// The number of the client's database.
    #[inline]
    pub fn index(&self) -> DbIndex {
        self.session.db
    }

    /// Reads `key` in the client's database: counts a hit or a miss and sets the access clock.
    #[inline]
    pub fn read(&mut self, key: &[u8]) -> Option<EntryRef<'_>> {
        self.db.read(self.session.db, key)
    }

    /// Looks at `key` without a trace.
    #[inline]
    pub fn peek(&mut self, key: &[u8]) -> Option<EntryRef<'_>> {
        self.db.peek(self.session.db, key)
    }

    /// Stores a value under `key` in the client's database.
    #[inline]
    pub fn set(&mut self, key: &[u8], value: NewValue<'_>, deadline_ms: u64) {
        self.db.set(self.session.db, key, value, deadline_ms);
    }

    /// Says that `key` of the client's database has changed. Every handler that changes a key calls it once a key.
    #[inline]
    pub fn changed(&mut self, key: &[u8]) {
        self.db.changed(self.session.db, key);
    }

    /// Says that the command is to be repeated by the words that `say` puts together, in place of its own. Said again, that
    /// is one command more. Costs a comparison while nobody keeps a log.
    #[inline]
    pub fn repeat(&mut self, say: impl FnOnce(&mut Effects)) {
        if self.db.effects.on {
            say(&mut self.db.effects);
            self.db.effects.end(self.session.db);
        }
    }

    /// As [`Context::repeat`], by these words.
    #[inline]
    pub fn repeat_as(&mut self, words: &[&[u8]]) {
        self.db.effects.say(self.session.db, words.iter().copied());
    }

    /// Says that the command is to be repeated as what it did to the deadline of `key`; one in the past has deleted it.
    pub fn repeat_deadline(&mut self, key: &[u8], deadline_ms: u64, gone: bool) {
        self.repeat(|effects| {
            if gone {
                effects.word(b"DEL").word(key);
            } else {
                effects.word(b"PEXPIREAT").word(key).number(deadline_ms);
            }
        });
    }

    /// Publishes an event of `key` of the client's database to those who follow such events. Handlers call it after
    /// [`Context::changed`].
    #[inline]
    pub fn event(&mut self, class: Events, name: &'static str, key: &[u8]) {
        self.db.journal.event(self.session.db, key, class, name);
    }

    /// Publishes that `key` was looked for in vain, by a command that would have changed its value.
    pub fn missed(&mut self, key: &[u8]) {
        self.event(Events::KEY_MISS, "keymiss", key);
    }

    /// As [`Context::event`], of a change that may have taken the last of a collection, and the key with it.
    #[inline]
    pub fn event_and_end(&mut self, class: Events, name: &'static str, key: &[u8], gone: bool) {
        self.event(class, name, key);
        if gone {
            self.event(Events::GENERIC, "del", key);
        }
    }

    /// Stores a value in place of whatever `key` holds, as a command does that does not look at it: that is an event.
    #[inline]
    pub fn overwrite(&mut self, key: &[u8], value: NewValue<'_>, deadline_ms: u64) {
        if self.db.journal.events.intersects(Events::REPLACED) {
            let old = self.db.peek(self.session.db, key);
            let old = old.map(|entry| type_name(entry.value()));
            let new = value.type_name();
            self.set(key, value, deadline_ms);
            return self.overwritten(key, old, new);
        }
        self.set(key, value, deadline_ms);
    }

    /// As [`Context::overwrite`], for a value that stays for ever; a heavy old one goes where nobody has to wait for it.
    pub fn replace(&mut self, key: &[u8], value: NewValue<'_>) {
        let old = self.db.delete(self.session.db, key);
        let old_type = old.as_ref().map(|entry| type_name(entry.value()));
        let new_type = value.type_name();
        self.db
            .put(self.session.db, key, value, NEVER, old.is_none());
        self.overwritten(key, old_type, new_type);
        if let Some(old) = old {
            self.discard(old);
        }
    }

    /// Publishes that a value of type `old`, if there was one, has given way to one of type `new`.
    pub fn overwritten(&mut self, key: &[u8], old: Option<&str>, new: &str) {
        self.overwritten_in(self.session.db, key, old, new);
    }

    /// As [`Context::overwritten`], in a database that need not be the client's.
    pub fn overwritten_in(&mut self, index: DbIndex, key: &[u8], old: Option<&str>, new: &str) {
        let Some(old) = old else {
            return;
        };
        self.event_in(index, Events::OVERWRITTEN, "overwritten", key);
        if old != new {
            self.event_in(index, Events::TYPE_CHANGED, "type_changed", key);
        }
    }

    /// As [`Context::event`], in a database that need not be the client's.
    pub fn event_in(&mut self, index: DbIndex, class: Events, name: &'static str, key: &[u8]) {
        self.db.journal.event(index, key, class, name);
    }

    /// Says that one change, which counts once, has changed a key in each of two places (RENAME, MOVE).
    pub fn changed_both(&mut self, from: (DbIndex, &[u8]), to: (DbIndex, &[u8])) {
        self.db.changed(from.0, from.1);
        self.db.journal.note(to.0, to.1, What::Changed);
    }

    /// Says that `key` of a database that need not be the client's has changed (COPY).
    pub fn changed_in(&mut self, index: DbIndex, key: &[u8]) {
        self.db.changed(index, key);
    }

    /// Drops an entry that was taken out of the data set: a heavy one where nobody has to wait for that.
    pub fn discard(&self, entry: Entry) {
        if entry.is_heavy() {
            self.instance.reclaim(entry);
        }
    }

    /// The time in Unix milliseconds, the same for the whole command.
    #[inline]
    pub fn now_ms(&self) -> u64 {
        self.db.now_ms()
    }

    /// As [`Context::now_ms`], also while commands of the past are repeated, when that is before every deadline.
    #[inline]
    pub fn present_ms(&self) -> u64 {
        self.db.present_ms()
    }

    /// The error for a wrong number of words of the command that runs.
    pub fn wrong_arity(&self) -> CommandError {
        CommandError::WrongArity(self.command.full_name.clone())
    }

    /// Answers a container's HELP: its usage lines below a head, and HELP itself.
    pub fn help(&mut self, container: &str, lines: &[&str]) {
        const TAIL: [&str; 2] = ["HELP", "    Print this help."];
        self.reply.array(lines.len() + 1 + TAIL.len());
        self.reply.simple(&format!(
            "{container} <subcommand> [<arg> [value] [opt] ...]. Subcommands are:"
        ));
        for line in lines.iter().chain(&TAIL) {
            self.reply.simple(line);
        }
    }
}

/// An argument as a value to be stored: one that arrived in a buffer of its own is kept without a copy.
pub fn value_argument<'a>(request: Request<'a>, index: usize) -> NewValue<'a> {
    NewValue::from_argument(request.get(index), request.shared(index))
}

/// The value that `args` stands at, as [`value_argument`] gives it.
pub fn next_value<'a>(args: &mut Args<'a>) -> Result<NewValue<'a>, CommandError> {
    let (bytes, shared): (_, Option<&Arc<Vec<u8>>>) = args.value()?;
    Ok(NewValue::from_argument(bytes, shared))
}
