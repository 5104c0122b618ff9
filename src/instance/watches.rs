//! The keys that clients watch for their transactions.

use crate::store::db::DbIndex;

/// Who watches which keys.
#[derive(Debug, Default)]
pub struct Watches {}

impl Watches {
    /// Whether nothing is watched.
    pub fn is_empty(&self) -> bool {
        true
    }

    /// Says that `key` has changed: the transactions of those who watch it will fail.
    pub fn key_changed(&mut self, _index: DbIndex, _key: &[u8]) {}
}
