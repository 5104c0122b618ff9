//! Sequences of commands from a seed: by the grammar, with values that make commands meet, and now and then wrong.
//!
//! A sequence prefers one group of commands together with those for keys of any type, or takes them all. What
//! [`known::admissible`] refuses is not sent.

use fastrand::Rng;

use crate::grammar::{Arg, Command, Kind};
use crate::known;
use crate::peer::{PROFILES, Words};
use crate::values::{self, Place, Range};

/// What is sent to both servers.
#[derive(Clone, Debug)]
pub(crate) struct Sequence {
    pub resp3: bool,
    /// The limits of the encodings, an index of [`PROFILES`].
    pub(crate) profile: usize,
    pub(crate) commands: Vec<Words>,
}

/// An optional argument is given so often, in percent.
const OPTION_PERCENT: u8 = 35;
/// A command is spoiled so often, in percent.
const SPOIL_PERCENT: u8 = 12;
/// What fills a list that repeats.
const MOST_REPETITIONS: usize = 4;

/// Makes sequences of some commands.
pub(crate) struct Generator<'t> {
    commands: Vec<&'t Command>,
    rng: Rng,
    /// The first part of the next ids of streams.
    clock: u64,
    /// How many keys were announced, for the arguments that follow them.
    announced: Option<usize>,
    range: Range,
}

impl<'t> Generator<'t> {
    /// For these commands, which are not empty, from this seed.
    pub(crate) fn new(commands: Vec<&'t Command>, seed: u64) -> Self {
        Generator {
            commands,
            rng: Rng::with_seed(seed),
            clock: 1,
            announced: None,
            range: Range::Index,
        }
    }

    /// A sequence of so many commands.
    pub(crate) fn sequence(&mut self, length: usize) -> Sequence {
        let resp3 = self.rng.bool();
        let profile = self.rng.usize(..PROFILES.len());
        let focus = self.focus();
        let commands = (0..length).map(|_| self.command(focus)).collect();
        Sequence {
            resp3,
            profile,
            commands,
        }
    }

    /// The group that the sequence prefers, if any.
    fn focus(&mut self) -> Option<&'t str> {
        let one = self.rng.choice(&self.commands)?;
        let common = matches!(one.group.as_str(), "generic" | "connection" | "server");
        (!common).then_some(one.group.as_str())
    }

    fn command(&mut self, focus: Option<&str>) -> Words {
        loop {
            let command = self.choose(focus);
            let mut words = self.valid(command);
            if self.percent(SPOIL_PERCENT) {
                self.spoil(&mut words, command.words.len());
            }
            if known::admissible(&words) {
                return words;
            }
        }
    }

    /// A command by weight: those that put something in come often, those that empty databases seldom.
    fn choose(&mut self, focus: Option<&str>) -> &'t Command {
        loop {
            let command = *self
                .rng
                .choice(&self.commands)
                .expect("some are chosen from");
            let wanted = focus.is_none_or(|group| command.group == group) || self.percent(12);
            let weight = match command.words[0].as_str() {
                "FLUSHALL" | "FLUSHDB" | "SWAPDB" | "SELECT" => 2,
                "DEL" | "UNLINK" | "RENAME" | "MOVE" => 15,
                _ if command.has("denyoom") => 100,
                _ => 40,
            };
            if wanted && self.percent(weight) {
                return command;
            }
        }
    }

    fn valid(&mut self, command: &Command) -> Words {
        let name = command.name();
        self.clock += u64::from(name == "XADD" && self.rng.bool());
        self.announced = None;
        self.range = match self.rng.u8(..3) {
            _ if name.contains("BYSCORE") || name == "ZCOUNT" => Range::Score,
            _ if name.contains("LEX") => Range::Lex,
            _ if name.contains("BYRANK") || name == "ZREVRANGE" => Range::Index,
            0 => Range::Index,
            1 => Range::Score,
            _ => Range::Lex,
        };
        let mut words: Words = command
            .words
            .iter()
            .map(|word| word.clone().into_bytes())
            .collect();
        if name.starts_with("COMMAND GETKEYS") {
            let inner = *self
                .rng
                .choice(&self.commands)
                .expect("some are chosen from");
            // One level is enough: what is asked about may be a command that is refused itself.
            if !inner.name().starts_with("COMMAND") {
                words.extend(self.valid(inner));
            }
            return words;
        }
        self.list(&command.args, (&name, &command.group), &mut words);
        words
    }

    /// A list of arguments, with options at times in another order.
    fn list(&mut self, args: &[Arg], command: (&str, &str), words: &mut Words) {
        let mut pieces: Vec<(bool, Words)> = Vec::new();
        for (at, arg) in args.iter().enumerate() {
            if arg.optional && !self.takes(arg, command.0) {
                continue;
            }
            let mut piece = Words::new();
            let next = args.get(at + 1);
            if arg.name == "numkeys" && next.is_some_and(|next| next.multiple) {
                let count = self.rng.usize(1..=3);
                self.announced = Some(count);
                piece.push(count.to_string().into_bytes());
            } else {
                self.repeated(arg, command, &mut piece);
            }
            pieces.push((arg.optional && arg.kind != Kind::Key, piece));
        }
        if self.percent(20) {
            let first = pieces.iter().position(|(option, _)| *option);
            let run = first.map_or(0, |first| {
                pieces[first..]
                    .iter()
                    .take_while(|(option, _)| *option)
                    .count()
            });
            if let Some(first) = first {
                self.rng.shuffle(&mut pieces[first..first + run]);
            }
        }
        words.extend(pieces.into_iter().flat_map(|(_, piece)| piece));
    }

    fn takes(&mut self, arg: &Arg, command: &str) -> bool {
        match (arg.name.as_str(), self.range) {
            // How ZRANGE is bounded follows from the bounds that it got.
            ("sortby", Range::Index) => self.percent(5),
            ("sortby", _) => self.percent(95),
            // It is random without a count that takes all.
            ("count", _) if command == "SPOP" => true,
            _ => self.percent(OPTION_PERCENT),
        }
    }

    fn repeated(&mut self, arg: &Arg, command: (&str, &str), words: &mut Words) {
        let follows = arg.kind == Kind::Key || matches!(arg.name.as_str(), "weight" | "id");
        let count = match (arg.multiple, self.announced) {
            (false, _) => 1,
            (true, Some(count)) if follows && self.rng.u8(..20) > 0 => count,
            (true, _) => self.rng.usize(1..=MOST_REPETITIONS),
        };
        // XREAD's ids are as many as its keys.
        if arg.multiple && arg.kind == Kind::Key {
            self.announced = Some(count);
        }
        for turn in 0..count {
            let token = arg.token.as_deref().filter(|token| !token.is_empty());
            if let Some(token) = token
                && (turn == 0 || arg.multiple_token)
            {
                words.push(self.cased(token));
            }
            self.once(arg, command, words);
        }
    }

    /// The argument itself, its token being there.
    fn once(&mut self, arg: &Arg, command: (&str, &str), words: &mut Words) {
        match arg.kind {
            Kind::PureToken => {}
            Kind::Block => self.list(&arg.parts, command, words),
            Kind::OneOf => {
                let fitting = match (arg.name.as_str(), self.range) {
                    ("sortby", Range::Score) => 0,
                    ("sortby", Range::Lex) => 1,
                    _ => self.rng.usize(..arg.parts.len()),
                };
                self.repeated(&arg.parts[fitting], command, words);
            }
            _ => {
                let place = Place {
                    command: command.0,
                    group: command.1,
                    range: self.range,
                    clock: self.clock,
                };
                let value = if command.0 == "SPOP" && arg.name == "count" {
                    b"1000".to_vec()
                } else {
                    values::value(&mut self.rng, place, arg)
                };
                words.push(value);
            }
        }
    }

    fn cased(&mut self, token: &str) -> Vec<u8> {
        match self.rng.u8(..20) {
            0 => token.to_ascii_lowercase().into_bytes(),
            _ => token.as_bytes().to_vec(),
        }
    }

    /// Makes a command wrong, or nearly: words are lost, doubled, swapped, replaced, added.
    fn spoil(&mut self, words: &mut Words, name_words: usize) {
        let at = self.rng.usize(name_words..=words.len());
        let junk = values::junk(&mut self.rng);
        match self.rng.u8(..6) {
            _ if at == words.len() => words.push(junk),
            0 => drop(words.remove(at)),
            1 => words.insert(at, words[at].clone()),
            2 => {
                let other = self.rng.usize(name_words..words.len());
                words.swap(at, other);
            }
            3 => words.truncate(at),
            _ => words[at] = junk,
        }
    }

    fn percent(&mut self, percent: u8) -> bool {
        self.rng.u8(..100) < percent
    }
}
