//! Which clients CLIENT LIST shows and CLIENT KILL closes.
//!
//! To add a filter, add a `Property`, its option in `property` and `is_option`, and its argument in
//! [`super::client_list`].

use std::collections::HashSet;
use std::mem::discriminant;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::auth::DEFAULT_USER;
use super::client_line;
use crate::command::{Args, CommandError, Context};
use crate::instance::clients::ClientHandle;
use crate::text::number::parse_i64;

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
            ("primary", ClientType::Primary),
            ("replica", ClientType::Replica),
            ("slave", ClientType::Replica),
            ("pubsub", ClientType::PubSub),
        ]
        .into_iter()
        .find_map(|(known, kind)| name.eq_ignore_ascii_case(known.as_bytes()).then_some(kind))
        .ok_or_else(|| CommandError::quoting("Unknown client type '", name, "'"))
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
    args: Args<'_>,
) -> Result<Vec<Arc<ClientHandle>>, CommandError> {
    let clients = &context.instance.clients;
    if args.is_empty() {
        return Ok(clients.list());
    }
    if args.remaining() == 1 {
        return Err(CommandError::Syntax);
    }
    let filter = Filter::of_list(context, args)?;
    let found = match filter.only_ids() {
        // In the order in which they were asked for, and as often.
        Some(ids) => ids.iter().filter_map(|&id| clients.get(id)).collect(),
        None => clients.list(),
    };
    Ok(found
        .into_iter()
        .filter(|client| filter.matches(client, context))
        .collect())
}

/// Numbers of clients.
#[derive(Debug, Default)]
struct Ids {
    /// As they were given, which may be several times.
    ordered: Vec<u64>,
    known: HashSet<u64>,
}

impl Ids {
    fn push(&mut self, id: u64) {
        self.ordered.push(id);
        self.known.insert(id);
    }
}

/// What a client may have or be.
#[derive(Debug)]
enum Property<'a> {
    Id(Ids),
    Type(ClientType),
    User(&'a [u8]),
    Address(&'a [u8]),
    LocalAddress(&'a [u8]),
    Ip(&'a [u8]),
    Name(&'a [u8]),
    LibName(&'a [u8]),
    LibVersion(&'a [u8]),
    Flags(&'a [u8]),
    Capabilities(&'a [u8]),
    Db(usize),
}

/// A property that the clients in question have, or have not.
#[derive(Debug)]
struct Condition<'a> {
    property: Property<'a>,
    wanted: bool,
}

/// The conditions of CLIENT LIST and KILL, all of which must hold.
#[derive(Debug)]
pub(super) struct Filter<'a> {
    conditions: Vec<Condition<'a>>,
    min_age_s: u64,
    min_idle_s: u64,
    skip_own: bool,
    /// Whether numbers of clients that cannot be are errors (CLIENT KILL), or find nothing.
    strict_ids: bool,
}

impl<'a> Filter<'a> {
    fn new(skip_own: bool, strict_ids: bool) -> Self {
        Filter {
            conditions: Vec::new(),
            min_age_s: 0,
            min_idle_s: 0,
            skip_own,
            strict_ids,
        }
    }

    /// Clients from `address`, the own one included: CLIENT KILL's old form.
    pub(super) fn by_address(address: &'a [u8]) -> Self {
        let mut filter = Filter::new(false, true);
        filter.add(Property::Address(address), true);
        filter
    }

    /// What CLIENT KILL's options choose.
    pub(super) fn of_kill(context: &Context<'_>, args: Args<'a>) -> Result<Self, CommandError> {
        Filter::new(true, true).parsed(context, args)
    }

    fn of_list(context: &Context<'_>, args: Args<'a>) -> Result<Self, CommandError> {
        Filter::new(false, false).parsed(context, args)
    }

    /// Reads pairs of an option and its value. Where an option comes twice, the last one holds.
    fn parsed(mut self, context: &Context<'_>, mut args: Args<'a>) -> Result<Self, CommandError> {
        while !args.is_empty() {
            let option = args.bytes()?.to_ascii_uppercase();
            let (option, wanted) = match option.strip_prefix(b"NOT-") {
                Some(option) => (option, false),
                None => (option.as_slice(), true),
            };
            if option == b"ID" {
                let ids = self.ids(&mut args)?;
                self.add(Property::Id(ids), wanted);
                continue;
            }
            let value = args.bytes()?;
            match property(context, option, value, wanted)? {
                Some(property) => self.add(property, wanted),
                None if wanted => self.set(option, value)?,
                None => return Err(CommandError::Syntax),
            }
        }
        Ok(self)
    }

    fn add(&mut self, property: Property<'a>, wanted: bool) {
        let kind = discriminant(&property);
        self.conditions
            .retain(|other| other.wanted != wanted || discriminant(&other.property) != kind);
        self.conditions.push(Condition { property, wanted });
    }

    /// Reads numbers of clients, at least one, up to a word that is none.
    fn ids(&self, args: &mut Args<'a>) -> Result<Ids, CommandError> {
        const NOT_POSITIVE: CommandError =
            CommandError::fixed("ERR client-id should be greater than 0");
        const NO_ID: CommandError = CommandError::fixed("ERR Invalid client ID");
        let mut ids = Ids::default();
        let first = args.peek().ok_or(CommandError::Syntax)?;
        if parse_i64(first).is_none() {
            return Err(if self.strict_ids { NOT_POSITIVE } else { NO_ID });
        }
        while let Some(number) = args.peek().and_then(parse_i64) {
            match u64::try_from(number) {
                Ok(id) if id > 0 => ids.push(id),
                _ if self.strict_ids => return Err(NOT_POSITIVE),
                _ => {}
            }
            args.bytes()?;
        }
        let ends_in_option = args.peek().is_none_or(is_option);
        if !ends_in_option && !self.strict_ids {
            return Err(NO_ID);
        }
        Ok(ids)
    }

    /// Reads the options that are no property.
    fn set(&mut self, option: &[u8], value: &[u8]) -> Result<(), CommandError> {
        match option {
            b"MAXAGE" => self.min_age_s = seconds("maxage", value)?,
            b"IDLE" => self.min_idle_s = seconds("idle", value)?,
            b"SKIPME" if value.eq_ignore_ascii_case(b"YES") => self.skip_own = true,
            b"SKIPME" if value.eq_ignore_ascii_case(b"NO") => self.skip_own = false,
            _ => return Err(CommandError::Syntax),
        }
        Ok(())
    }

    /// The numbers, if nothing but these is asked for.
    fn only_ids(&self) -> Option<&[u64]> {
        match self.conditions.as_slice() {
            [
                Condition {
                    property: Property::Id(ids),
                    wanted: true,
                },
            ] => Some(&ids.ordered),
            _ => None,
        }
    }

    /// Whether `client` is meant, asked by the client of `context`.
    pub(super) fn matches(&self, client: &ClientHandle, context: &Context<'_>) -> bool {
        let own = client.id == context.session.id();
        let seconds_since = |ms: u64| (context.now_ms() / 1000).saturating_sub(ms / 1000);
        let idle_s = if own {
            0
        } else {
            seconds_since(client.figures.last_command_ms.load(Ordering::Relaxed))
        };
        let met = |condition: &Condition<'_>| {
            condition.property.is_of(client, context) == condition.wanted
        };
        seconds_since(client.connected_ms) >= self.min_age_s
            && idle_s >= self.min_idle_s
            && !(self.skip_own && own)
            && self.conditions.iter().all(met)
    }
}

/// The words behind which a list of numbers ends.
fn is_option(word: &[u8]) -> bool {
    const OPTIONS: [&str; 15] = [
        "ID", "TYPE", "USER", "ADDR", "LADDR", "IP", "NAME", "LIB-NAME", "LIB-VER", "FLAGS",
        "CAPA", "DB", "MAXAGE", "IDLE", "SKIPME",
    ];
    let word = word.to_ascii_uppercase();
    let word = word.strip_prefix(b"NOT-").unwrap_or(&word);
    OPTIONS.iter().any(|option| option.as_bytes() == word)
}

fn seconds(option: &str, value: &[u8]) -> Result<u64, CommandError> {
    let number = parse_i64(value).ok_or_else(|| {
        CommandError::err(format_args!("{option} is not an integer or out of range"))
    })?;
    u64::try_from(number)
        .ok()
        .filter(|&seconds| seconds > 0)
        .ok_or_else(|| CommandError::err(format_args!("{option} should be greater than 0")))
}

/// The property that an option and its value name; `None` if the option is about something else.
fn property<'a>(
    context: &Context<'_>,
    option: &[u8],
    value: &'a [u8],
    wanted: bool,
) -> Result<Option<Property<'a>>, CommandError> {
    Ok(Some(match option {
        b"TYPE" => Property::Type(ClientType::by_name(value)?),
        b"USER" if value == DEFAULT_USER => Property::User(value),
        b"USER" => return Err(CommandError::quoting("No such user '", value, "'")),
        b"ADDR" => Property::Address(value),
        b"LADDR" => Property::LocalAddress(value),
        b"IP" => Property::Ip(value),
        b"NAME" => Property::Name(value),
        b"LIB-NAME" => Property::LibName(value),
        b"LIB-VER" => Property::LibVersion(value),
        b"FLAGS" => Property::Flags(letters("flags", "FLAGS", LETTERS, value, wanted)?),
        b"CAPA" => Property::Capabilities(letters("capa", "CAPA", CAPABILITIES, value, wanted)?),
        b"DB" => Property::Db(database(context, value)?),
        _ => return Ok(None),
    }))
}

/// The letters of the field `flags`.
const LETTERS: &[u8] = b"OSMPxbtRBdcuAUreTIN";
/// What a client may say that it can do: `r`, follow a redirection. No client has said so.
const CAPABILITIES: &[u8] = b"r";

fn letters<'a>(
    what: &str,
    option: &str,
    known: &[u8],
    value: &'a [u8],
    wanted: bool,
) -> Result<&'a [u8], CommandError> {
    if value.iter().all(|letter| known.contains(letter)) {
        return Ok(value);
    }
    let filter = if wanted {
        "provided".to_owned()
    } else {
        format!("NOT-{option}")
    };
    let head = format!("ERR Unknown {what} found in the {filter} filter: ");
    Err(CommandError::Quoting([head.as_bytes(), value].concat()))
}

fn database(context: &Context<'_>, value: &[u8]) -> Result<usize, CommandError> {
    let number = parse_i64(value)
        .and_then(|number| i32::try_from(number).ok())
        .ok_or(CommandError::fixed(
            "ERR DB is not an integer or out of range",
        ))?;
    let databases = context.db.databases();
    usize::try_from(number)
        .ok()
        .filter(|&index| index < databases)
        .ok_or_else(|| {
            CommandError::err(format_args!(
                "DB number should be between 0 and {}",
                databases - 1
            ))
        })
}

impl Property<'_> {
    /// Whether `client` has it, asked by the client of `context`.
    fn is_of(&self, client: &ClientHandle, context: &Context<'_>) -> bool {
        match self {
            Property::Id(ids) => ids.known.contains(&client.id),
            Property::Type(kind) => *kind == ClientType::of(client),
            Property::User(user) => client.names().user == *user,
            Property::Address(address) => client.addr.as_bytes() == *address,
            Property::LocalAddress(address) => client.local_addr.as_bytes() == *address,
            Property::Ip(ip) => comes_from(client, ip),
            Property::Name(name) => !name.is_empty() && client.names().name == *name,
            Property::LibName(name) => !name.is_empty() && client.names().lib_name == *name,
            Property::LibVersion(version) => {
                !version.is_empty() && client.names().lib_version == *version
            }
            Property::Flags(letters) => {
                let flags = client_line::flags(client);
                letters
                    .iter()
                    .all(|letter| flags.as_bytes().contains(letter))
            }
            Property::Capabilities(letters) => letters.is_empty(),
            Property::Db(index) if client.id == context.session.id() => {
                context.session.db == *index
            }
            Property::Db(index) => client.figures.db.load(Ordering::Relaxed) as usize == *index,
        }
    }
}

/// Whether a client's address is one of that host.
fn comes_from(client: &ClientHandle, ip: &[u8]) -> bool {
    let Some((host, _)) = client.addr.rsplit_once(':').filter(|_| !client.unix) else {
        return false;
    };
    let host = host.strip_prefix('[').unwrap_or(host);
    host.strip_suffix(']').unwrap_or(host).as_bytes() == ip
}
