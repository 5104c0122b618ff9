//! MIGRATE: keys to another server, each deleted here once it is there.
//!
//! The handler takes the entries of its keys and parks its client; what is done with them from there on, and why a key
//! is moved by one client at a time, is told in [`crate::instance::migrations`]. The second half of the work is here
//! too: [`carried`] looks at each key that has arrived, under the data set's lock.
//!
//! Other clients go on meanwhile, so a key may have changed when its value arrives. Whoever writes to it gets an entry of
//! his own, as the one that is sent is shared; so a key that still holds that entry is unchanged, and is deleted. A changed
//! one is sent again, a deleted one is deleted there. A key that changes each time stays here, with an error.
//!
//! Because others go on, MIGRATE is refused in transactions and scripts, in which nobody else may see anything.

use std::collections::HashSet;
use std::time::{Duration, Instant};

use bytes::BytesMut;

use crate::command::call;
use crate::command::session::Place;
use crate::command::{
    Arg, Args, Categories, CommandError, CommandResult, CommandSpec, Context, Flags, Group, KeyAt,
    KeyFlags, KeySpec, Misfit, Session, waiting,
};
use crate::command::{Begin, Find};
use crate::instance::Instance;
use crate::instance::migrations::{Content, Failure, Migration, Order, Parcel, Target};
use crate::instance::waiters::{NO_DEADLINE, Wait, WaitsFor};
use crate::resp::{CommandQueue, Reply, Request};
use crate::store::db::Db;
use crate::store::entry::Entry;
use crate::store::journal::Events;

/// A key that has changed each of so many times that it was sent stays here.
const MAX_ROUNDS: u32 = 8;

/// The timeout in place of one that is not positive.
const DEFAULT_TIMEOUT_MS: u64 = 1000;

/// Where the one key is, and where the options begin.
const KEY_AT: usize = 3;
const OPTIONS_AT: usize = 6;

const KEY: KeySpec = KeySpec::at(
    KEY_AT as u16,
    KeyFlags::RW.with(KeyFlags::ACCESS).with(KeyFlags::DELETE),
);

/// Looked for from the end: incomplete, as a key may be called `KEYS` too.
const KEYS: KeySpec = KeySpec {
    flags: KEY.flags.with(KeyFlags::INCOMPLETE),
    begin: Begin::Keyword("KEYS", -2),
    find: Find::Range {
        last: -1,
        step: 1,
        limit: 0,
    },
    notes: None,
};

/// `MIGRATE host port key|"" destination-db timeout [COPY] [REPLACE] [AUTH password | AUTH2 username password]
/// [KEYS key ...]`
pub static MIGRATE: CommandSpec = CommandSpec::new("MIGRATE", Group::Generic, migrate)
    .doc(
        "Moves keys to another server: each is deleted here when it has arrived there.",
        "2.6.0",
        "O(N) for values of N bytes, here and there, and the time that it takes to send them.",
    )
    .arity(-6)
    .flags(&[Flags::WRITE, Flags::NO_MULTI, Flags::NOSCRIPT])
    .categories(&[Categories::KEYSPACE, Categories::DANGEROUS])
    .keys(&[KEY, KEYS])
    .key_finder(keys_of_migrate)
    .args(&[
        Arg::string("host"),
        Arg::integer("port"),
        Arg::one_of(
            "key-selector",
            &[Arg::key("key", 0), Arg::token("empty-string", "")],
        ),
        Arg::integer("destination-db"),
        Arg::integer("timeout"),
        Arg::token("copy", "COPY").optional().since("3.0.0"),
        Arg::token("replace", "REPLACE").optional().since("3.0.0"),
        Arg::one_of(
            "authentication",
            &[
                Arg::string("auth")
                    .with_token("AUTH")
                    .optional()
                    .since("4.0.7"),
                Arg::block("auth2", &[Arg::string("username"), Arg::string("password")])
                    .with_token("AUTH2")
                    .optional()
                    .since("6.0.0"),
            ],
        )
        .optional(),
        Arg::key("keys", 1)
            .with_token("KEYS")
            .optional()
            .multiple()
            .since("3.0.6"),
    ])
    .history(&[
        ("3.0.0", "`COPY` and `REPLACE`."),
        ("3.0.6", "`KEYS`."),
        ("4.0.7", "`AUTH`."),
        ("6.0.0", "`AUTH2`."),
    ])
    .tips(&["nondeterministic_output"]);

fn migrate(context: &mut Context<'_>, request: Request<'_>) -> CommandResult {
    let since = Instant::now();
    let order = parse(request)?;
    let session = Session {
        place: Place::Waking,
        ..context.session.clone()
    };
    let migration = Migration::new(session, context.command.id, order);
    if begin(context, migration) {
        context.block(|_| Wait {
            request: CommandQueue::of(request),
            keys: 0..0,
            on: WaitsFor::Peer(since),
            deadline_ms: NO_DEADLINE,
            // Nobody ends the wait for a peer but its answer.
            in_vain: |reply| reply.null(),
        });
    } else {
        context.reply.simple("NOKEY");
    }
    Ok(())
}

fn parse(request: Request<'_>) -> Result<Order, CommandError> {
    let (mut copy, mut replace, mut credentials) = (false, false, Vec::new());
    let mut named = KEY_AT..KEY_AT + 1;
    let mut args = Args::new(request, OPTIONS_AT);
    while !args.is_empty() {
        if args.keyword("COPY") {
            copy = true;
        } else if args.keyword("REPLACE") {
            replace = true;
        } else if args.keyword("AUTH") {
            credentials = vec![args.bytes()?.to_vec()];
        } else if args.keyword("AUTH2") {
            credentials = vec![args.bytes()?.to_vec(), args.bytes()?.to_vec()];
        } else if args.keyword("KEYS") {
            if !request.get(KEY_AT).is_empty() {
                return Err(CommandError::err(
                    "When using MIGRATE KEYS option, the key argument must be set to the empty string",
                ));
            }
            named = request.len() - args.remaining()..request.len();
            break;
        } else {
            return Err(CommandError::Syntax);
        }
    }
    // What is wrong with the timeout is said first.
    let timeout_ms = Args::new(request, 5).integer()?;
    let timeout_ms = u64::try_from(timeout_ms)
        .ok()
        .filter(|&timeout_ms| timeout_ms > 0);
    // A key that is named twice is there once.
    let mut seen = HashSet::new();
    Ok(Order {
        database: Args::new(request, 4).integer()?,
        target: Target {
            host: request.get(1).to_vec(),
            port: request.get(2).to_vec(),
            credentials,
        },
        timeout: Duration::from_millis(timeout_ms.unwrap_or(DEFAULT_TIMEOUT_MS)),
        copy,
        replace,
        keys: named
            .map(|index| request.get(index))
            .filter(|key| seen.insert(*key))
            .map(<[u8]>::to_vec)
            .collect(),
    })
}

/// Where the keys of a request are, by the rules of [`parse`].
fn keys_of_migrate(request: Request<'_>) -> Result<Vec<KeyAt>, Misfit> {
    let flags = KEY.flags;
    if request.len() < OPTIONS_AT {
        return Err(Misfit);
    }
    let mut index = OPTIONS_AT;
    while index < request.len() {
        let is = |word: &[u8]| request.get(index).eq_ignore_ascii_case(word);
        if is(b"KEYS") {
            let keys = index + 1..request.len();
            if !request.get(KEY_AT).is_empty() || keys.is_empty() {
                return Err(Misfit);
            }
            return Ok(keys.map(|index| KeyAt { index, flags }).collect());
        }
        index += 1 + usize::from(is(b"AUTH")) + 2 * usize::from(is(b"AUTH2"));
    }
    let index = KEY_AT;
    Ok(vec![KeyAt { index, flags }])
}

/// Sends a migration on its way, or keeps it until its keys are no other's; false if none of its keys is there.
fn begin(context: &mut Context<'_>, migration: Migration) -> bool {
    let mut migrations = context.instance.migrations();
    let order = &migration.order;
    if !order.copy && !migrations.claim(context.session.db, &order.keys) {
        migrations.postpone(migration);
        return true;
    }
    drop(migrations);
    depart(context, migration)
}

/// Takes the entries of a migration's keys, which are its own now, and has them carried; false if there are none.
fn depart(context: &mut Context<'_>, mut migration: Migration) -> bool {
    let (order, index) = (&migration.order, context.index());
    for key in &order.keys {
        if let Some(entry) = context.db.read(index, key) {
            migration.parcels.push(Parcel::new(Content::Value {
                entry: Entry::clone(&entry),
                replace: order.replace,
            }));
        }
    }
    let is_any = !migration.parcels.is_empty();
    if is_any {
        context.instance.send_migration(migration);
    } else {
        release(context.instance, &migration);
    }
    is_any
}

fn release(instance: &Instance, migration: &Migration) {
    let order = &migration.order;
    if !order.copy {
        let mut migrations = instance.migrations();
        migrations.release(migration.session.db, &order.keys);
    }
}

/// Goes on with a migration when its parcels have been carried: keys that have arrived and are unchanged are deleted; where
/// something is left to be sent it goes out again, else the client is answered and its keys are others' to move.
pub fn carried(db: &mut Db, instance: &Instance, mut migration: Migration) {
    migration.rounds += 1;
    let (session, command) = (migration.session.clone(), migration.command);
    let again = with_context(db, instance, session, command, |context| {
        take_stock(context, &mut migration)
    });
    let may_go_on = matches!(migration.failure, None | Some(Failure::Refused(_)));
    if !again.is_empty() && may_go_on && migration.rounds < MAX_ROUNDS {
        migration.parcels = again;
        return instance.send_migration(migration);
    }
    end(db, instance, &migration, again.len());
    release(instance, &migration);
    depart_freed(db, instance);
}

/// Sends those on their way that have waited for keys that are free now.
fn depart_freed(db: &mut Db, instance: &Instance) {
    loop {
        let next = instance.migrations().next_free();
        let Some(next) = next else {
            return;
        };
        let (session, command) = (next.session.clone(), next.command);
        let id = session.id();
        let has_departed = with_context(db, instance, session, command, |context| {
            depart(context, next)
        });
        if !has_departed {
            waiting::end_wait(db, instance, id, |_, reply| {
                reply.simple("NOKEY");
                Ok(())
            });
        }
    }
}

/// Deletes what has been moved, and answers what is to be sent again.
fn take_stock(context: &mut Context<'_>, migration: &mut Migration) -> Vec<Parcel> {
    let mut again = Vec::new();
    for parcel in std::mem::take(&mut migration.parcels) {
        let Parcel {
            content,
            has_arrived,
        } = parcel;
        if has_arrived {
            match settle(context, &content, migration.order.copy) {
                Settled::Moved => migration.has_moved = true,
                Settled::Gone => {}
                Settled::Again(content) => again.push(Parcel::new(content)),
            }
        }
        if let Content::Value { entry, .. } = content {
            // It may be the last reference by now.
            context.discard(entry);
        }
    }
    again
}

/// What has become of a key that has arrived.
enum Settled {
    /// It is there, and not here, but for a copy.
    Moved,
    /// It is in neither place.
    Gone,
    /// It has changed here since it was sent.
    Again(Content),
}

fn settle(context: &mut Context<'_>, content: &Content, copy: bool) -> Settled {
    let (key, sent) = match content {
        Content::Value { .. } if copy => return Settled::Moved,
        Content::Value { entry, .. } => (entry.key(), Some(entry)),
        Content::Deletion(key) => (key.as_slice(), None),
    };
    let now_ms = context.now_ms();
    let here = context.peek(key).map(|here| Entry::clone(&here));
    match (here, sent) {
        (Some(here), Some(sent)) if here.is_same(sent) => {
            delete(context, key);
            Settled::Moved
        }
        (Some(entry), _) => Settled::Again(Content::Value {
            entry,
            replace: true,
        }),
        // Its time is over there too.
        (None, Some(sent)) if sent.deadline_ms() <= now_ms => Settled::Moved,
        (None, Some(_)) => Settled::Again(Content::Deletion(key.to_vec())),
        (None, None) => Settled::Gone,
    }
}

fn delete(context: &mut Context<'_>, key: &[u8]) {
    if let Some(entry) = context.db.delete(context.session.db, key) {
        context.discard(entry);
        context.changed(key);
        context.repeat_as(&[b"DEL", key]);
        context.event(Events::GENERIC, "del", key);
    }
}

/// Answers the client, if it is still there. `unsettled` keys have changed each time that they were sent.
fn end(db: &mut Db, instance: &Instance, migration: &Migration, unsettled: usize) {
    let answer = match &migration.failure {
        Some(failure) => Err(error_of(failure)),
        None if unsettled > 0 => Err(CommandError::Quoting(
            format!(
                "IOERR {unsettled} keys changed each of the {MAX_ROUNDS} times that they were sent to the target \
                 instance, and are still here"
            )
            .into_bytes(),
        )),
        None if migration.has_moved => Ok("OK"),
        // Others have deleted the keys meanwhile, here, and so they are deleted there.
        None => Ok("NOKEY"),
    };
    waiting::end_wait(db, instance, migration.session.id(), |_, reply| {
        reply.simple(answer?);
        Ok(())
    });
}

fn error_of(failure: &Failure) -> CommandError {
    match failure {
        Failure::Connecting => {
            CommandError::fixed("IOERR error or timeout connecting to the client")
        }
        Failure::Writing => {
            CommandError::fixed("IOERR error or timeout writing to target instance")
        }
        Failure::Reading => {
            CommandError::fixed("IOERR error or timeout reading to target instance")
        }
        Failure::Refused(line) => {
            let head: &[u8] = b"ERR Target instance replied with error: ";
            CommandError::Quoting([head, line].concat())
        }
    }
}

/// Does something on behalf of a client whose command has been handled before, and tells whom it concerns.
fn with_context<R>(
    db: &mut Db,
    instance: &Instance,
    mut session: Session,
    command: usize,
    work: impl FnOnce(&mut Context<'_>) -> R,
) -> R {
    let command = instance
        .registry
        .by_id(command)
        .expect("the number is that of the command that was run");
    // What is answered goes another way.
    let (mut out, mut blobs) = (BytesMut::new(), Vec::new());
    let reply = Reply::new(&mut out, &mut blobs, session.protocol);
    db.no_touch = session.no_touch;
    let mut context = Context {
        db,
        session: &mut session,
        instance,
        reply,
        command,
    };
    call::finish(&mut context, work)
}
