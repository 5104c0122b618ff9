//! Client-side caching: which clients are told when keys change that they may have in a cache of their own.

use std::sync::Arc;

use super::clients::ClientHandle;

/// Who is told of which keys.
#[derive(Debug, Default)]
pub struct Tracking {}

impl Tracking {
    /// Whether nobody is to be told.
    pub fn is_empty(&self) -> bool {
        true
    }

    /// Says that `key` has changed, by a command of `by` if it was one.
    pub fn key_changed(&mut self, _key: &[u8], _by: Option<&Arc<ClientHandle>>) {}
}
