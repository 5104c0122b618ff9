//! The line that CLIENT LIST and CLIENT INFO give for a client; its fields are those of Redis 8.2, in their order.
//!
//! A client's figures are published by its connection after each batch of commands. The client that asks is in the middle
//! of one, so for it the fields that its commands change come from its session and its request.

use std::fmt::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};

use crate::command::Context;
use crate::instance::clients::{ClientHandle, ClientNames};
use crate::instance::pubsub::Kind;
use crate::resp::{Protocol, Request};

/// The lines of `clients`.
pub(super) fn list(
    context: &Context<'_>,
    request: Request<'_>,
    clients: Vec<Arc<ClientHandle>>,
) -> Vec<u8> {
    let lines = Lines::new(context, request);
    let mut text = Vec::new();
    for client in clients {
        lines.append(&client, &mut text);
    }
    text
}

/// What a client that asks knows better than its published figures.
struct Own {
    id: u64,
    db: usize,
    version: u32,
    argument_bytes: usize,
}

/// Writes lines about clients.
pub(super) struct Lines<'a> {
    commands: Vec<&'a str>,
    now_ms: u64,
    own: Own,
}

impl<'a> Lines<'a> {
    /// For the client and the request of `context`.
    pub(super) fn new(context: &Context<'a>, request: Request<'_>) -> Self {
        let session = &context.session;
        let own = Own {
            id: session.id(),
            db: session.db,
            version: if session.protocol == Protocol::Resp3 {
                3
            } else {
                2
            },
            argument_bytes: request.iter_from(0).map(<[u8]>::len).sum(),
        };
        Lines {
            commands: context.instance.registry.names(),
            now_ms: context.now_ms(),
            own,
        }
    }

    /// Appends the line of `client`.
    pub(super) fn append(&self, client: &ClientHandle, text: &mut Vec<u8>) {
        let names = client.names().clone();
        let mut line = String::with_capacity(400);
        self.identity(client, &names, &mut line)
            .and_then(|()| self.state(client, &mut line))
            .and_then(|()| self.buffers(client, &names, &mut line))
            .and_then(|()| self.command(client, &names, &mut line))
            .expect("writing into a string does not fail");
        text.extend_from_slice(line.as_bytes());
        text.push(b'\n');
    }

    fn identity(
        &self,
        client: &ClientHandle,
        names: &ClientNames,
        line: &mut String,
    ) -> std::fmt::Result {
        let seconds_since = |ms: u64| (self.now_ms / 1000).saturating_sub(ms / 1000);
        let idle_s = if client.id == self.own.id {
            0
        } else {
            seconds_since(client.figures.last_command_ms.load(Ordering::Relaxed))
        };
        write!(
            line,
            "id={} addr={} laddr={} fd={} name={} age={} idle={idle_s}",
            client.id,
            client.addr,
            client.local_addr,
            client.fd,
            text(&names.name),
            seconds_since(client.connected_ms),
        )
    }

    fn state(&self, client: &ClientHandle, line: &mut String) -> std::fmt::Result {
        let own = client.id == self.own.id;
        let db = if own {
            self.own.db
        } else {
            client.figures.db.load(Ordering::Relaxed) as usize
        };
        let [sub, psub, ssub] = Kind::ALL.map(|kind| client.subscriptions.count(kind));
        write!(
            line,
            " flags={} db={db} sub={sub} psub={psub} ssub={ssub}",
            flags(client)
        )?;
        let multi = client.figures.queued.load(Ordering::Relaxed) as i64 - 1;
        let watched = client.figures.watched.load(Ordering::Relaxed);
        write!(line, " multi={multi} watch={watched}")
    }

    fn buffers(
        &self,
        client: &ClientHandle,
        names: &ClientNames,
        line: &mut String,
    ) -> std::fmt::Result {
        let figures = &client.figures;
        let of = |figure: &AtomicUsize| figure.load(Ordering::Relaxed);
        let own = client.id == self.own.id;
        let arguments = if own {
            self.own.argument_bytes
        } else {
            of(&figures.argument_bytes)
        };
        let (query, query_free) = (of(&figures.query_bytes), of(&figures.query_free_bytes));
        let queued = of(&figures.queued_bytes);
        let replies = of(&figures.output_buffer_bytes);
        let output = client.waiting_output();
        let names_bytes =
            names.name.len() + names.lib_name.len() + names.lib_version.len() + names.user.len();
        let total = size_of::<ClientHandle>()
            + client.addr.len()
            + client.local_addr.len()
            + names_bytes
            + query
            + query_free
            + arguments
            + queued
            + replies
            + output.counted_bytes;
        write!(
            line,
            " qbuf={query} qbuf-free={query_free} argv-mem={arguments} multi-mem={queued} rbs={replies}"
        )?;
        write!(
            line,
            " rbp={} obl={} oll={} omem={}",
            of(&figures.output_peak_bytes),
            output.uncounted_bytes,
            output.pieces,
            output.counted_bytes
        )?;
        write!(
            line,
            " tot-mem={total} events={}",
            if output.uncounted_bytes + output.counted_bytes > 0 {
                "rw"
            } else {
                "r"
            }
        )
    }

    fn command(
        &self,
        client: &ClientHandle,
        names: &ClientNames,
        line: &mut String,
    ) -> std::fmt::Result {
        let figures = &client.figures;
        let last = figures.last_command.load(Ordering::Relaxed).checked_sub(1);
        let command = last
            .and_then(|id| self.commands.get(id))
            .filter(|name| !name.is_empty())
            .unwrap_or(&"NULL");
        let own = client.id == self.own.id;
        let version = if own {
            self.own.version
        } else {
            figures.protocol.load(Ordering::Relaxed)
        };
        write!(
            line,
            " cmd={command} user={} redir={} resp={version}",
            text(&names.user),
            client.tracking.redirect()
        )?;
        write!(
            line,
            " lib-name={} lib-ver={}",
            text(&names.lib_name),
            text(&names.lib_version)
        )?;
        let total = |figure: &AtomicU64| figure.load(Ordering::Relaxed);
        write!(
            line,
            " io-thread={} tot-net-in={} tot-net-out={} tot-cmds={}",
            client.io_thread,
            total(&figures.input_total),
            total(&figures.output_total),
            total(&figures.commands)
        )
    }
}

/// The letters that stand for a client's state, `N` for none of them.
pub(super) fn flags(client: &ClientHandle) -> String {
    let of = |flag: &AtomicBool| flag.load(Ordering::Relaxed);
    let figures = &client.figures;
    let letters = [
        (of(&client.monitors), 'O'),
        (client.subscriptions.any(), 'P'),
        (figures.queued.load(Ordering::Relaxed) > 0, 'x'),
        (client.is_parked(), 'b'),
        (client.tracking.is_on(), 't'),
        (client.tracking.is_broken(), 'R'),
        (client.tracking.broadcasts(), 'B'),
        (of(&figures.touched), 'd'),
        (client.is_killed(), 'A'),
        (client.unix, 'U'),
        (of(&client.no_evict), 'e'),
        (of(&client.no_touch), 'T'),
        (of(&client.import_source), 'I'),
    ];
    let flags: String = letters
        .into_iter()
        .filter_map(|(is, letter)| is.then_some(letter))
        .collect();
    if flags.is_empty() {
        "N".to_owned()
    } else {
        flags
    }
}

fn text(bytes: &[u8]) -> std::borrow::Cow<'_, str> {
    String::from_utf8_lossy(bytes)
}
