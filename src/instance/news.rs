//! Tells those whom it concerns what the journal has: clients that watch keys, wait for them, cache them, or subscribe
//! to events.
//!
//! To tell somebody new, add a listener here, and to [`Instance::follow`] when the journal must be kept for it.

use std::sync::Arc;

use super::Instance;
use super::clients::ClientHandle;
use crate::store::db::Db;
use crate::store::journal::What;

/// Takes everything out of the journal and tells it. `actor` is the client whose command did it; expiry has none.
#[cold]
pub fn tell(db: &mut Db, instance: &Instance, actor: Option<&Arc<ClientHandle>>) {
    let news = db.journal.take();
    let current = actor.map(|actor| actor.id);
    for (index, key, what) in news.iter() {
        match what {
            What::Changed | What::Removed => {
                let by = current.filter(|_| what == What::Changed);
                instance.watches().key_changed(index, key, what);
                instance.tracking().key_changed(key, by, current);
                if instance.waiters().key_changed(index, key) {
                    instance.attention.raise(super::attention::READY_KEYS);
                }
            }
            What::Event(class, name) => {
                super::pubsub::publish_event(instance, index, key, class, name);
            }
        }
    }
    instance.tracking().ask_for_attention(instance);
    db.journal.reuse(news);
}
