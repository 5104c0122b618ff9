//! MONITOR: the clients that are shown every command as it is run.
//!
//! While there are any, [`MONITORS`] is raised, and `command::call` gives each command to [`show`]: after it has run, and a
//! script before, so that its calls stand below it. What waits for a monitor that does not read is limited as for a
//! subscriber.

use std::io::Write;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{SystemTime, UNIX_EPOCH};

use super::attention::MONITORS;
use super::clients::ClientHandle;
use crate::command::session::Place;
use crate::command::{Context, Flags, redact};
use crate::resp::Request;
use crate::text::words::quote;

/// The clients that monitor, in the order in which they began.
#[derive(Debug, Default)]
pub struct Monitors {
    clients: Vec<Arc<ClientHandle>>,
}

impl Monitors {
    /// Adds a client.
    pub fn add(&mut self, handle: &Arc<ClientHandle>) {
        handle.monitors.store(true, Ordering::Relaxed);
        self.clients.push(Arc::clone(handle));
    }

    /// Takes a client out; true if none is left.
    pub fn forget(&mut self, handle: &ClientHandle) -> bool {
        handle.monitors.store(false, Ordering::Relaxed);
        self.clients.retain(|client| client.id != handle.id);
        self.clients.is_empty()
    }
}

/// Shows a command to the monitors. It is called before and after it has run: scripts are shown before.
#[cold]
pub fn show(context: &Context<'_>, request: Request<'_>, has_run: bool) {
    let flags = context.command.spec.flags;
    let is_script = flags.has(Flags::SKIP_MONITOR);
    // One that was blocked has been shown when it came.
    let repeats = context.session.place == Place::Waking;
    if flags.has(Flags::ADMIN) || is_script == has_run || repeats {
        return;
    }
    let line = line(context, request);
    // The answer to QUIT is the last thing that its client is sent.
    let session = &context.session;
    let leaving = session.close_after_reply.then_some(session.id());
    let mut monitors = context.instance.monitors();
    monitors
        .clients
        .retain(|client| leaving == Some(client.id) || client.post_shared(&line, &[]));
    if monitors.clients.is_empty() {
        context.instance.attention.lower(MONITORS);
    }
}

/// The line of a command: time, database and client, and the words.
fn line(context: &Context<'_>, request: Request<'_>) -> Vec<u8> {
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    let (session, handle) = (&context.session, &context.session.handle);
    let from = match session.place {
        Place::Script => "lua".to_owned(),
        _ if handle.unix => {
            let path = handle.addr.strip_suffix(":0").unwrap_or(&handle.addr);
            format!("unix:{path}")
        }
        _ => handle.addr.clone(),
    };
    let mut line = Vec::with_capacity(64);
    write!(
        line,
        "+{}.{:06} [{} {from}]",
        now.as_secs(),
        now.subsec_micros(),
        session.db
    )
    .expect("writing into a vector does not fail");
    for word in redact::shown(context.command, request) {
        line.push(b' ');
        line.extend_from_slice(&quote(word));
    }
    line.extend_from_slice(b"\r\n");
    line
}
