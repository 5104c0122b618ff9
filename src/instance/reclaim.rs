//! Dropping what is large away from the data set's lock: UNLINK, DEL, FLUSHALL and whatever else lets go of much at once.
//!
//! Life cycle: the first garbage starts a thread, which drops what comes through its channel, one piece after the
//! other, and ends when the [`Reclaimer`] is gone and the channel empty. The channel needs no limit of its own: all
//! that is ever in it are pieces that were large enough to be worth handing over, and so no more than what
//! memory held before.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, OnceLock};

/// What is handed over, and how many objects INFO counts it as.
type Piece = (usize, Box<dyn Send>);

/// The figures that INFO shows.
#[derive(Debug, Default)]
struct Figures {
    pending: AtomicUsize,
    reclaimed: AtomicUsize,
}

/// The way to the thread that drops large things.
#[derive(Debug, Default)]
pub struct Reclaimer {
    figures: Arc<Figures>,
    /// `None` inside where the thread could not be started.
    queue: OnceLock<Option<Sender<Piece>>>,
}

impl Reclaimer {
    /// Hands over garbage that consists of so many objects of the data set. Returns at once; where there is no
    /// thread to be had, the garbage is dropped here.
    pub fn hand_over(&self, objects: usize, garbage: impl Send + 'static) {
        let Some(queue) = self.queue.get_or_init(|| start(&self.figures)) else {
            return;
        };
        self.figures.pending.fetch_add(objects, Ordering::Relaxed);
        if queue.send((objects, Box::new(garbage))).is_err() {
            // The thread is gone, and the garbage with the error that came back.
            self.figures.pending.fetch_sub(objects, Ordering::Relaxed);
        }
    }

    /// Objects that are handed over and not dropped yet.
    pub fn pending(&self) -> usize {
        self.figures.pending.load(Ordering::Acquire)
    }

    /// Objects dropped since the start or the last [`Reclaimer::reset`].
    pub fn reclaimed(&self) -> usize {
        self.figures.reclaimed.load(Ordering::Relaxed)
    }

    /// CONFIG RESETSTAT.
    pub fn reset(&self) {
        self.figures.reclaimed.store(0, Ordering::Relaxed);
    }
}

fn start(figures: &Arc<Figures>) -> Option<Sender<Piece>> {
    let (sender, receiver) = channel::<Piece>();
    let figures = Arc::clone(figures);
    let reclaim = move || {
        for (objects, garbage) in receiver {
            drop(garbage);
            figures.reclaimed.fetch_add(objects, Ordering::Relaxed);
            figures.pending.fetch_sub(objects, Ordering::Release);
        }
    };
    match std::thread::Builder::new()
        .name("reclaim".to_owned())
        .spawn(reclaim)
    {
        Ok(_) => Some(sender),
        Err(error) => {
            tracing::warn!("No thread for reclaiming memory, it is done in place: {error}");
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Witness(Sender<std::thread::ThreadId>);

    impl Drop for Witness {
        fn drop(&mut self) {
            let _ = self.0.send(std::thread::current().id());
        }
    }

    #[test]
    fn garbage_is_dropped_on_another_thread_and_counted() {
        let (sender, receiver) = channel();
        let reclaimer = Reclaimer::default();
        reclaimer.hand_over(1, Witness(sender.clone()));
        reclaimer.hand_over(7, Witness(sender));
        for _ in 0..2 {
            let by = receiver
                .recv()
                .expect("a witness reports from where it is dropped");
            assert_ne!(by, std::thread::current().id());
        }
        while reclaimer.pending() > 0 {
            std::thread::yield_now();
        }
        assert_eq!(reclaimer.reclaimed(), 8);
        reclaimer.reset();
        assert_eq!(reclaimer.reclaimed(), 0);
    }
}
