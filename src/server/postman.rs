//! The postman of an I/O thread: writes to listeners what the thread's connections have put out for them.
//!
//! He is woken by the first batch that has something for a listener, and so runs after the connections that were ready with it.
//! Between slices of listeners the connections that have become ready are served, and what they put out goes with what waits.

use std::sync::Arc;

use crate::instance::Instance;
use crate::instance::aof::writer;
use crate::instance::mail::{Left, PostBox};

/// Empties `post_box` for ever.
pub async fn run(post_box: Arc<PostBox>, instance: Arc<Instance>) {
    let mut slice = Vec::new();
    loop {
        post_box.called().await;
        loop {
            if instance.aof.is_on() {
                // What messages tell of goes before them into the append-only file.
                writer::write_out(&instance);
            }
            match post_box.deliver_some(&mut slice) {
                Left::Nothing => break,
                Left::Now => {}
                Left::Later => tokio::task::yield_now().await,
            }
        }
    }
}
