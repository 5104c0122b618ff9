//! The postman of an I/O thread: writes to listeners what the thread's connections have put out for them.
//!
//! He is woken by the first batch that has something for a listener, and so runs after the connections that were ready with it.
//! As long as others come and put out more he lets them, for a moment: each write costs as much as the batches of several
//! publishers. Between slices of listeners the connections that have become ready are served, and what they put out goes with
//! what waits.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::instance::Instance;
use crate::instance::aof::writer;
use crate::instance::mail::{Left, PostBox};

/// So many large slices are written before others are served. To write more at a time would gain nothing.
const LARGE_SLICES: u32 = 8;

/// So long the first message may wait for others to go with it, while they come.
const PATIENCE: Duration = Duration::from_micros(500);
/// Who gets so much already waits for no more: what a longer write would save is little.
const ENOUGH_BYTES: usize = 16 * 1024;

/// Lets the connections that are ready put out what they have, no longer than `patience` but once.
async fn let_others_come(post_box: &PostBox, patience: Duration) {
    let since = Instant::now();
    let mut before = post_box.load();
    loop {
        tokio::task::yield_now().await;
        let load = post_box.load();
        if load == before || load.first_bytes > ENOUGH_BYTES || since.elapsed() > patience {
            return;
        }
        before = load;
    }
}

/// Empties `post_box` for ever.
pub async fn run(post_box: Arc<PostBox>, instance: Arc<Instance>) {
    let mut slice = Vec::new();
    loop {
        post_box.called().await;
        let_others_come(&post_box, PATIENCE).await;
        let mut at_once = 0;
        loop {
            let mail = &instance.clients.mail;
            let left = post_box.deliver_some(mail, &mut slice, || writer::lets_out(&instance));
            at_once = if left == Left::Now { at_once + 1 } else { 0 };
            match left {
                Left::Nothing => break,
                Left::Now if at_once < LARGE_SLICES => {}
                Left::Now | Left::Later => {
                    at_once = 0;
                    tokio::task::yield_now().await;
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::Ordering;

    use super::*;
    use crate::instance::clients::{ClientHandle, Clients, Endpoint};

    fn listener(clients: &Clients) -> Arc<ClientHandle> {
        let registration = clients.register(Endpoint::default(), 0, usize::MAX);
        let handle = Arc::clone(registration.expect("there is room").handle());
        handle.monitors.store(true, Ordering::Relaxed);
        handle
    }

    /// A batch that posts `message` to `client`.
    fn post(clients: &Clients, post_box: &PostBox, client: &Arc<ClientHandle>, message: &[u8]) {
        clients.mail.collect();
        client.post(message);
        let receivers = clients.mail.take();
        clients.mail.deliver(receivers, post_box, || true);
    }

    /// How many of ten messages, one a turn of the runtime, the postman lets come.
    async fn let_come(patience: Duration, message: &[u8]) -> usize {
        let (clients, post_box) = (Clients::default(), PostBox::default());
        let client = listener(&clients);
        post(&clients, &post_box, &client, message);
        let others = async {
            for _ in 0..10 {
                post(&clients, &post_box, &client, message);
                tokio::task::yield_now().await;
            }
            std::future::pending::<()>().await;
        };
        tokio::select! {
            biased;
            () = others => unreachable!("it does not end"),
            () = let_others_come(&post_box, patience) => {}
        }
        post_box.load().first_bytes / message.len() - 1
    }

    #[tokio::test]
    async fn the_postman_waits_while_others_come_and_not_for_long() {
        assert_eq!(let_come(Duration::MAX, b"message").await, 10);
        assert!(let_come(Duration::ZERO, b"message").await <= 2);
        // Who gets this much waits for no more.
        assert!(let_come(Duration::MAX, &[b'x'; ENOUGH_BYTES]).await <= 2);
    }
}
