//! Channels, patterns and shard channels with their subscribers, and the messages to them.

use super::Instance;
use crate::store::db::DbIndex;
use crate::store::journal::Events;

/// Who is subscribed to what.
#[derive(Debug, Default)]
pub struct PubSub {}

/// Publishes an event of a key, as `notify-keyspace-events` says.
pub fn publish_event(
    _instance: &Instance,
    _index: DbIndex,
    _key: &[u8],
    _class: Events,
    _name: &'static str,
) {
}
