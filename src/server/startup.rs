//! Loading the data set while the listeners answer already: the append-only file where there is to be one, else the dump.

use std::sync::Arc;

use parking_lot::Mutex;
use tokio::sync::oneshot;

use crate::instance::{Instance, aof, loading, saving};
use crate::store::db::Db;

/// Whether the data set was loaded, once that is known.
pub type Outcome = oneshot::Receiver<bool>;

/// Begins to load the data set, on a thread of its own; nothing if there is no file. A first append-only file is begun at once:
/// nobody who connects meanwhile is told to come back later.
pub fn begin(db: &Arc<Mutex<Db>>, instance: &Arc<Instance>) -> std::io::Result<Option<Outcome>> {
    let appends = instance.config().appendonly();
    let path = saving::path(&instance.config());
    if !appends && matches!(instance.disk.len(&path), Ok(None)) {
        return Ok(None);
    }
    instance.loading.begin(instance);
    let (tell, outcome) = oneshot::channel();
    let (db, instance) = (Arc::clone(db), Arc::clone(instance));
    let fresh = db.lock().empty_copy();
    let is_first = appends && aof::load::is_nothing(&instance);
    let load = move || {
        let finished = if appends {
            aof::open::load_and_open(&instance, fresh).map(|loaded| {
                loading::let_in(&instance, &mut db.lock(), loaded);
            })
        } else {
            let loaded = loading::load_beside(&instance, fresh).and_then(|(loaded, functions)| {
                loading::finish(&instance, &mut db.lock(), loaded, &functions)
            });
            // Of the append-only file the last line says why.
            loaded.inspect_err(|_| {
                tracing::warn!("Fatal error loading the DB, check server logs. Exiting.");
            })
        };
        // Where nobody waits for it the process is at its end.
        let _ = tell.send(finished.is_ok());
    };
    if is_first {
        load();
        return Ok(Some(outcome));
    }
    std::thread::Builder::new()
        .name("startup".to_owned())
        .spawn(load)?;
    Ok(Some(outcome))
}
