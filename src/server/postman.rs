//! The postman of an I/O thread: writes to listeners what the thread's connections have put out for them.
//!
//! He is woken by the first batch that has something for a listener, and so runs after the connections that were ready with it.
//! Between slices of listeners the connections that have become ready are served, and what they put out goes with what waits.

use std::sync::Arc;

use crate::instance::Instance;
use crate::instance::aof::writer;
use crate::instance::mail::{Left, PostBox};

/// So many large slices are written before others are served. To write more at a time would gain nothing.
const LARGE_SLICES: u32 = 8;

/// Empties `post_box` for ever.
pub async fn run(post_box: Arc<PostBox>, instance: Arc<Instance>) {
    let mut slice = Vec::new();
    loop {
        post_box.called().await;
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
