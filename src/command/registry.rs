//! The registry: finds a command by its name.
//!
//! It is built once at start from the families' lists (and the configuration's `rename-command`), and then only
//! read. The look-up is on the hot path of every command: a small open-addressing table over the folded
//! name, no allocation.

use super::flags::{Flags, Group};
use super::keys::{Begin, Find, KeyRange};
use super::spec::CommandSpec;
use crate::instance::Instance;
use crate::resp::Request;
use crate::text::folded::Folded;

/// A command as the server runs it.
#[derive(Debug)]
pub struct Command {
    /// What is known of it.
    pub spec: &'static CommandSpec,
    /// The name in lower case, of a subcommand with its container's: `config|get`.
    pub full_name: String,
    /// Its index in the counters of commands.
    pub id: usize,
    /// The word that is its only or first key if it has any, where that can be told at once: what is fetched ahead.
    pub first_key: Option<u16>,
    /// Subcommands.
    pub subcommands: Vec<Command>,
}

impl Command {
    fn new(spec: &'static CommandSpec, parent: Option<&str>, next_id: &mut usize) -> Self {
        let own = spec.name.to_ascii_lowercase();
        let full_name = parent.map_or_else(|| own.clone(), |parent| format!("{parent}|{own}"));
        let id = *next_id;
        *next_id += 1;
        let first_key = spec.keys.first().and_then(|keys| {
            let Begin::Index(index) = keys.begin else {
                return None;
            };
            match keys.find {
                Find::Range { .. } => Some(index),
                // Where the number of keys is 0 some other word stands there, which does no harm.
                Find::KeyNum { first, .. } => Some(index + first),
                _ => None,
            }
        });
        let subcommands = spec
            .subcommands
            .iter()
            .map(|sub| Command::new(sub, Some(&own), next_id))
            .collect();
        Command {
            spec,
            full_name,
            id,
            first_key,
            subcommands,
        }
    }

    /// The subcommand called `name`, without regard to case.
    pub fn subcommand(&self, name: &[u8]) -> Option<&Command> {
        self.subcommands
            .iter()
            .find(|sub| sub.spec.name.as_bytes().eq_ignore_ascii_case(name))
    }

    /// The flags that hold for this request: a script's own may make it a reader.
    #[inline]
    pub fn flags_on(&self, instance: &Instance, request: Request<'_>) -> Flags {
        match self.spec.flags_on {
            None => self.spec.flags,
            Some(flags_on) => flags_on(instance, request, self.spec.flags),
        }
    }

    /// Whether what the command has changed can be had again by the same words. A script is what its commands have done.
    #[inline]
    pub fn is_repeated(&self) -> bool {
        let flags = self.spec.flags;
        let may = flags.has(Flags::MAY_REPLICATE) && self.spec.group != Group::Scripting;
        flags.has(Flags::WRITE) || may
    }

    /// The word by which it, or its container, is called where it has its own name.
    pub fn first_word(&self) -> &[u8] {
        let name = self.full_name.as_bytes();
        name.split(|&byte| byte == b'|').next().unwrap_or_default()
    }

    /// The flags as COMMAND INFO shows them, those included that follow from the key specs.
    pub fn flags(&self) -> Flags {
        if KeyRange::of(self.spec.keys).movable {
            self.spec.flags | Flags::MOVABLEKEYS
        } else {
            self.spec.flags
        }
    }
}

/// All commands of a server.
#[derive(Debug)]
pub struct Registry {
    commands: Vec<(Vec<u8>, Command)>,
    /// Their names, folded.
    folded: Vec<Folded>,
    /// Index into `commands` plus one, 0 for an empty place; its length is a power of two.
    slots: Vec<u16>,
    /// By the ids of the commands where each is: its index in `commands`, and the one among its subcommands plus one.
    places: Vec<Option<(u16, u16)>>,
    /// All commands under their own names, where the configuration gives some another one.
    originals: Option<Box<Registry>>,
}

impl Registry {
    /// The registry of the commands in `specs`, under the names that `renames` gives them: pairs of a name and a new
    /// one, an empty new one hides the command.
    pub fn new(
        specs: impl IntoIterator<Item = &'static CommandSpec>,
        renames: &[(Vec<u8>, Vec<u8>)],
    ) -> Self {
        let specs: Vec<&'static CommandSpec> = specs.into_iter().collect();
        let originals = || Box::new(Registry::new(specs.iter().copied(), &[]));
        let originals = (!renames.is_empty()).then(originals);
        let mut ids = 0;
        let mut commands = Vec::new();
        for spec in specs {
            let command = Command::new(spec, None, &mut ids);
            let renamed = renames
                .iter()
                .find(|(from, _)| from.eq_ignore_ascii_case(spec.name.as_bytes()));
            match renamed {
                Some((_, to)) if to.is_empty() => {}
                Some((_, to)) => commands.push((to.to_ascii_lowercase(), command)),
                None => commands.push((command.full_name.clone().into_bytes(), command)),
            }
        }
        let folded: Vec<Folded> = commands.iter().map(|(name, _)| Folded::of(name)).collect();
        let mut slots = vec![0u16; (commands.len() * 4).next_power_of_two()];
        let mask = slots.len() - 1;
        for (index, name) in folded.iter().enumerate() {
            let mut at = first_slot(*name) & mask;
            while slots[at] != 0 {
                at = (at + 1) & mask;
            }
            slots[at] = index as u16 + 1;
        }
        let places = places(&commands, ids);
        Registry {
            commands,
            folded,
            slots,
            places,
            originals,
        }
    }

    /// The commands under their own names, which the log of writes has, whatever the configuration calls them.
    #[inline]
    pub fn originals(&self) -> &Registry {
        self.originals.as_deref().unwrap_or(self)
    }

    /// Whether the configuration has given a command another name.
    #[inline]
    pub fn renames(&self) -> bool {
        self.originals.is_some()
    }

    /// The command or subcommand with that id, unless the configuration hides it.
    #[inline]
    pub fn by_id(&self, id: usize) -> Option<&Command> {
        let (command, subcommand) = (*self.places.get(id)?)?;
        let (_, command) = &self.commands[usize::from(command)];
        match usize::from(subcommand).checked_sub(1) {
            None => Some(command),
            Some(subcommand) => command.subcommands.get(subcommand),
        }
    }

    /// The command called `name`, without regard to case.
    #[inline]
    pub fn find(&self, name: &[u8]) -> Option<&Command> {
        let mask = self.slots.len() - 1;
        let wanted = Folded::of(name);
        let mut at = first_slot(wanted) & mask;
        loop {
            let index = usize::from(self.slots[at]).checked_sub(1)?;
            if self.folded[index] == wanted {
                let (known, command) = &self.commands[index];
                if wanted.is_whole() || known.eq_ignore_ascii_case(name) {
                    return Some(command);
                }
            }
            at = (at + 1) & mask;
        }
    }

    /// All commands, without their subcommands.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &Command> + Clone {
        self.commands.iter().map(|(_, command)| command)
    }

    /// All commands and subcommands.
    pub fn iter_all(&self) -> impl Iterator<Item = &Command> + Clone {
        self.iter()
            .flat_map(|command| std::iter::once(command).chain(&command.subcommands))
    }

    /// The command or subcommand that the first words of `request` name.
    pub fn resolve(&self, request: Request<'_>) -> Option<&Command> {
        let command = self.find(request.get(0))?;
        if command.subcommands.is_empty() || request.len() < 2 {
            return Some(command);
        }
        command.subcommand(request.get(1))
    }

    /// The command of a name as COMMAND INFO takes it: `get`, `config|set`.
    pub fn find_full(&self, name: &[u8]) -> Option<&Command> {
        let mut words = name.split(|&byte| byte == b'|');
        let command = self.find(words.next()?)?;
        match (words.next(), words.next()) {
            (None, _) => Some(command),
            (Some(sub), None) => command.subcommand(sub),
            _ => None,
        }
    }

    /// The full names by the ids of the commands; empty for a command that the configuration hides.
    pub fn names(&self) -> Vec<&str> {
        let mut names = vec![""; self.ids()];
        for command in self.iter_all() {
            names[command.id] = &command.full_name;
        }
        names
    }

    /// How many ids of commands there are: the length of a table of counters.
    pub fn ids(&self) -> usize {
        self.places.len()
    }
}

/// Where the command of each id is.
fn places(commands: &[(Vec<u8>, Command)], ids: usize) -> Vec<Option<(u16, u16)>> {
    let mut places = vec![None; ids];
    for (at, (_, command)) in commands.iter().enumerate() {
        places[command.id] = Some((at as u16, 0));
        for (sub_at, subcommand) in command.subcommands.iter().enumerate() {
            places[subcommand.id] = Some((at as u16, sub_at as u16 + 1));
        }
    }
    places
}

/// Where the search for a name begins, before it is cut to the table's size.
#[inline]
fn first_slot(name: Folded) -> usize {
    (name.hash() >> 32) as usize
}
