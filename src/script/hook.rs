//! Looking at a script while it runs: whether it takes too long, and whether it is to end.
//!
//! Lua calls the hook every so many instructions. Past `busy-reply-threshold` others are told ([`Running::set_busy`])
//! and the thread's other connections go on elsewhere, while the script goes on here. When somebody wants it to end, the
//! hook raises an error, and again at every line from then on: no `pcall` can keep such a script alive.
//!
//! [`Running::set_busy`]: super::running::Running::set_busy

use std::sync::mpsc;
use std::time::{Duration, Instant};

use mlua::debug::DebugEvent;
use mlua::{HookTriggers, Lua, Result, Value, VmState};
use parking_lot::MutexGuard;
use tokio::runtime::{Handle, RuntimeFlavor};

use super::convert;
use super::ffi::library;
use super::host::{Host, State};
use super::raise;
use super::running::{Kind, Slow};

/// Instructions between two looks at the clock.
const INSTRUCTIONS: u32 = 100_000;
/// So long may loading a library take.
const LOAD_LIMIT: Duration = Duration::from_millis(500);
/// So long another thread may take to go on with the connections of this one.
const HAND_OVER_LIMIT: Duration = Duration::from_secs(1);

/// Has `lua` call the hook every so many instructions; also to be called after it has ended a script.
///
/// # Errors
/// Out of memory.
pub fn install(lua: &Lua, host: &Host) -> Result<()> {
    library::set_ending(false);
    lua.set_app_data(Watched(host.clone()));
    watch(
        lua,
        host,
        HookTriggers::new().every_nth_instruction(INSTRUCTIONS),
    )
}

fn watch(lua: &Lua, host: &Host, triggers: HookTriggers) -> Result<()> {
    let host = host.clone();
    // One that is there already would keep its triggers.
    lua.remove_global_hook();
    lua.set_global_hook(triggers, move |lua, place| {
        let Some(end) = look(host.state()) else {
            return Ok(VmState::Continue);
        };
        if place.event() != DebugEvent::Line {
            // Each coroutine has its own triggers; this one's are the old ones yet.
            watch(lua, &host, HookTriggers::EVERY_LINE)?;
        }
        if place.source().source.as_deref() == Some(raise::INTERNAL_SOURCE) {
            // The sandbox's own functions are left alone: what they have caught is on its way to the script.
            return Ok(VmState::Continue);
        }
        Err(end_of(lua, end)?)
    })
}

/// Why a script ends.
const KILLED: &str = "Script killed by user with SCRIPT KILL...";
const LOAD_TIMEOUT: &str = "FUNCTION LOAD timeout";

/// The error that ends a script, for this reason.
///
/// # Errors
/// Out of memory.
pub fn end_of(lua: &Lua, text: &str) -> Result<mlua::Error> {
    let table = convert::error_table(lua, text.as_bytes())?;
    Ok(raise::throw(Value::Table(table)))
}

/// The error that ends a script which somebody wants to end.
///
/// # Errors
/// Out of memory.
pub fn killed(lua: &Lua) -> Result<mlua::Error> {
    end_of(lua, KILLED)
}

/// Who watches over an interpreter's scripts.
struct Watched(Host);

/// For functions that may take long without executing an instruction: does now and then what the hook does. Why the script is to
/// end, if so; that the function ends is enough, for the hook sees to the script.
pub fn why_to_end(lua: &Lua) -> Option<&'static str> {
    let watched = lua.app_data_ref::<Watched>()?;
    look(watched.0.try_state()?)
}

/// Looks at what runs; answers why it is to end, if so.
fn look(mut state: MutexGuard<'_, State>) -> Option<&'static str> {
    if let Some(load) = &mut state.load {
        let is_over = load.started.elapsed() >= LOAD_LIMIT;
        return alarmed(&mut state, is_over, LOAD_TIMEOUT);
    }
    let run = state.run.as_mut()?;
    let started = *run.started.get_or_insert_with(Instant::now);
    if !run.busy {
        let threshold_ms = run.instance.config().busy_reply_threshold_ms();
        if threshold_ms == 0 || started.elapsed() < Duration::from_millis(threshold_ms) {
            return None;
        }
        become_busy(&mut state, started);
        drop(state);
        hand_over_connections();
        return None;
    }
    let is_killed = run.instance.scripts.running.is_killed();
    alarmed(&mut state, is_killed, KILLED)
}

/// Answers why the script is to end, if it is, and has all that takes its time hear of it.
fn alarmed(state: &mut State, is_to_end: bool, why: &'static str) -> Option<&'static str> {
    if is_to_end {
        state.alarm = true;
        library::set_ending(true);
    }
    is_to_end.then_some(why)
}

fn become_busy(state: &mut State, started: Instant) {
    let State { run, caller, .. } = state;
    let Some(run) = run else {
        return;
    };
    let killer = match run.kind {
        Kind::Eval => "SCRIPT KILL",
        Kind::Function => "FUNCTION KILL",
    };
    tracing::warn!(
        "Slow script detected: still in execution after {} milliseconds. You can try killing the script using the \
         {killer} command. Script name is: {}.",
        started.elapsed().as_millis(),
        run.name
    );
    run.busy = true;
    let slow = Slow {
        name: run.name.to_string(),
        command: caller.clone(),
        started,
    };
    // Messages do not wait for the end of the script.
    run.instance.clients.mail.wake_all();
    run.instance
        .scripts
        .running
        .set_busy(run.kind, slow, run.wrote);
}

/// Has another thread go on with the other connections of this thread, which stays with the script.
fn hand_over_connections() {
    let Ok(runtime) = Handle::try_current() else {
        return;
    };
    if runtime.runtime_flavor() != RuntimeFlavor::MultiThread {
        return;
    }
    tokio::task::block_in_place(|| {
        // The work would come back here if nobody had taken it over by the end of this.
        let (taken, is_taken) = mpsc::channel();
        runtime.spawn(async move {
            // If nobody waits any longer, nobody needs to know.
            let _ = taken.send(());
        });
        if is_taken.recv_timeout(HAND_OVER_LIMIT).is_err() {
            tracing::warn!("No thread takes over the connections of a slow script's thread");
        }
    });
}
