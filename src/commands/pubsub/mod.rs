//! Publish and subscribe: who listens ([`subscribe`]), messages ([`publish`]), and who is there ([`introspect`]).
//!
//! The subscriptions are kept in [`crate::instance::pubsub`]. A client that is subscribed to something gets messages at
//! any time, so in RESP2 the gate lets it do little else. To add a command, write its spec and its handler in the file of
//! its kind and name it in [`COMMANDS`].

pub mod introspect;
pub mod publish;
pub mod subscribe;

use crate::command::CommandSpec;

/// The family's commands.
pub static COMMANDS: &[&CommandSpec] = &[
    &subscribe::PSUBSCRIBE,
    &publish::PUBLISH,
    &introspect::PUBSUB,
    &subscribe::PUNSUBSCRIBE,
    &publish::SPUBLISH,
    &subscribe::SSUBSCRIBE,
    &subscribe::SUBSCRIBE,
    &subscribe::SUNSUBSCRIBE,
    &subscribe::UNSUBSCRIBE,
];
