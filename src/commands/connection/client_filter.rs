//! Which clients CLIENT LIST shows and CLIENT KILL closes.

use std::sync::Arc;

use super::auth::DEFAULT_USER;
use crate::command::{Args, CommandError, Context};
use crate::instance::clients::ClientHandle;

/// What a client is, as the TYPE filters name it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum ClientType {
    Normal,
    Primary,
    Replica,
    PubSub,
}

impl ClientType {
    fn by_name(name: &[u8]) -> Result<Self, CommandError> {
        [
            ("normal", ClientType::Normal),
            ("master", ClientType::Primary),
            ("replica", ClientType::Replica),
            ("slave", ClientType::Replica),
            ("pubsub", ClientType::PubSub),
        ]
        .into_iter()
        .find_map(|(known, kind)| name.eq_ignore_ascii_case(known.as_bytes()).then_some(kind))
        .ok_or_else(|| {
            CommandError::err(format_args!(
                "Unknown client type '{}'",
                String::from_utf8_lossy(name)
            ))
        })
    }

    /// The type of `client`.
    fn of(client: &ClientHandle) -> Self {
        if client.subscriptions.any() {
            ClientType::PubSub
        } else {
            ClientType::Normal
        }
    }
}

/// The clients that CLIENT LIST's arguments choose.
pub(super) fn listed(
    context: &Context<'_>,
    mut args: Args<'_>,
) -> Result<Vec<Arc<ClientHandle>>, CommandError> {
    let clients = &context.instance.clients;
    if args.is_empty() {
        return Ok(clients.list());
    }
    if args.remaining() == 2 && args.keyword("TYPE") {
        let wanted = ClientType::by_name(args.bytes()?)?;
        return Ok(clients
            .list()
            .into_iter()
            .filter(|client| ClientType::of(client) == wanted)
            .collect());
    }
    if args.remaining() < 2 || !args.keyword("ID") {
        return Err(CommandError::Syntax);
    }
    let mut found = Vec::new();
    while !args.is_empty() {
        let id = args
            .integer()
            .map_err(|_| CommandError::fixed("ERR Invalid client ID"))?;
        found.extend(u64::try_from(id).ok().and_then(|id| clients.get(id)));
    }
    Ok(found)
}

/// The conditions of CLIENT KILL, all of which must hold.
#[derive(Debug)]
pub(super) struct Filter<'a> {
    id: Option<u64>,
    kind: Option<ClientType>,
    user: Option<&'a [u8]>,
    address: Option<&'a [u8]>,
    local_address: Option<&'a [u8]>,
    min_age_s: u64,
    skip_own: bool,
}

impl<'a> Filter<'a> {
    /// Clients from `address`, the own one included: CLIENT KILL's old form.
    pub(super) fn by_address(address: &'a [u8]) -> Self {
        Filter {
            address: Some(address),
            skip_own: false,
            ..Filter::all()
        }
    }

    fn all() -> Self {
        Filter {
            id: None,
            kind: None,
            user: None,
            address: None,
            local_address: None,
            min_age_s: 0,
            skip_own: true,
        }
    }

    /// Reads pairs of an option and its value.
    pub(super) fn parse(mut args: Args<'a>) -> Result<Self, CommandError> {
        let mut filter = Filter::all();
        while !args.is_empty() {
            let (option, value) = (args.bytes()?, args.bytes()?);
            filter.set(&option.to_ascii_uppercase(), value)?;
        }
        Ok(filter)
    }

    fn set(&mut self, option: &[u8], value: &'a [u8]) -> Result<(), CommandError> {
        let number = || crate::text::number::parse_i64(value);
        let positive = |number: i64| u64::try_from(number).ok().filter(|&number| number > 0);
        match option {
            b"ID" => {
                let id = number().and_then(positive);
                self.id = Some(id.ok_or(CommandError::fixed(
                    "ERR client-id should be greater than 0",
                ))?);
            }
            b"MAXAGE" => {
                let age_s = number().ok_or(CommandError::fixed(
                    "ERR maxage is not an integer or out of range",
                ))?;
                self.min_age_s = positive(age_s)
                    .ok_or(CommandError::fixed("ERR maxage should be greater than 0"))?;
            }
            b"TYPE" => self.kind = Some(ClientType::by_name(value)?),
            b"USER" if value == DEFAULT_USER => self.user = Some(value),
            b"USER" => {
                let name = String::from_utf8_lossy(value);
                return Err(CommandError::err(format_args!("No such user '{name}'")));
            }
            b"ADDR" => self.address = Some(value),
            b"LADDR" => self.local_address = Some(value),
            b"SKIPME" if value.eq_ignore_ascii_case(b"YES") => self.skip_own = true,
            b"SKIPME" if value.eq_ignore_ascii_case(b"NO") => self.skip_own = false,
            _ => return Err(CommandError::Syntax),
        }
        Ok(())
    }

    /// Whether `client` is meant, asked by the client of number `own` at a time in Unix milliseconds.
    pub(super) fn matches(&self, client: &ClientHandle, own: u64, now_ms: u64) -> bool {
        let age_s = (now_ms / 1000).saturating_sub(client.connected_ms / 1000);
        self.id.is_none_or(|id| id == client.id)
            && self.kind.is_none_or(|kind| kind == ClientType::of(client))
            && self.user.is_none_or(|user| user == client.names().user)
            && self
                .address
                .is_none_or(|address| address == client.addr.as_bytes())
            && self
                .local_address
                .is_none_or(|address| address == client.local_addr.as_bytes())
            && age_s >= self.min_age_s
            && !(self.skip_own && client.id == own)
    }
}
