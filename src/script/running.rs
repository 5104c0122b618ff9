//! The script that runs, as all others see it: whether it makes them wait for too long, what it is, and the wish that
//! it may end.
//!
//! A script runs under the data set's lock. Once it has run for `busy-reply-threshold` it says so here
//! ([`Running::set_busy`]); from then on other connections do not wait for the lock but answer that the server is busy,
//! and serve the few commands that need no data: SCRIPT KILL and FUNCTION KILL among them, which leave their wish here.
//! The script's hook looks for it.

use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use tokio::sync::Notify;

use crate::command::CommandError;
use crate::resp::CommandQueue;

/// What kind of script it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// One of EVAL's.
    Eval = 1,
    /// A function.
    Function = 2,
}

/// The script that makes others wait.
#[derive(Debug)]
pub struct Slow {
    /// Its hash, or the function's name.
    pub name: String,
    /// The command that has called it.
    pub command: CommandQueue,
    /// When it began.
    pub started: Instant,
}

/// What is known of the script that runs.
#[derive(Debug, Default)]
pub struct Running {
    /// The [`Kind`] of the script that has run for too long, or 0.
    busy: AtomicU8,
    /// Whether it has written, so that it cannot be stopped without leaving half of its work.
    wrote: AtomicBool,
    killed: AtomicBool,
    slow: Mutex<Option<Slow>>,
    ended: Notify,
}

impl Running {
    /// The kind of the script that has run for too long, if one has.
    #[inline]
    pub fn busy(&self) -> Option<Kind> {
        match self.busy.load(Ordering::Acquire) {
            0 => None,
            1 => Some(Kind::Eval),
            _ => Some(Kind::Function),
        }
    }

    /// Says that the script has run for too long; others are answered from now on.
    pub fn set_busy(&self, kind: Kind, slow: Slow, wrote: bool) {
        *self.slow() = Some(slow);
        self.killed.store(false, Ordering::Relaxed);
        self.wrote.store(wrote, Ordering::Relaxed);
        self.busy.store(kind as u8, Ordering::Release);
    }

    /// Says that the script that was busy has written.
    pub fn set_wrote(&self) {
        self.wrote.store(true, Ordering::SeqCst);
    }

    /// Whether somebody wants the script to end.
    pub fn is_killed(&self) -> bool {
        self.killed.load(Ordering::SeqCst)
    }

    /// Says that the script that was busy is over.
    pub fn set_over(&self) {
        self.busy.store(0, Ordering::Release);
        self.killed.store(false, Ordering::Relaxed);
        *self.slow() = None;
        self.ended.notify_waiters();
    }

    /// Resolves when no script has run for too long, or one that had is over.
    pub async fn over(&self) {
        let ended = self.ended.notified();
        if self.busy().is_some() {
            ended.await;
        }
    }

    /// The script that makes others wait.
    pub fn slow(&self) -> MutexGuard<'_, Option<Slow>> {
        self.slow.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Wishes that the script that is busy may end; `kind` is the kind that the one who wishes means.
    ///
    /// # Errors
    /// There is none, it is of the other kind, or it has written.
    pub fn kill(&self, kind: Kind) -> Result<(), CommandError> {
        let Some(running) = self.busy() else {
            return Err(CommandError::NotBusy);
        };
        if self.wrote.load(Ordering::SeqCst) {
            return Err(CommandError::Unkillable);
        }
        if running != kind {
            return Err(CommandError::Busy(running));
        }
        self.killed.store(true, Ordering::SeqCst);
        Ok(())
    }
}
