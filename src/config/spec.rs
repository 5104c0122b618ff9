//! What one configuration parameter is: its names, its type with bounds and default, and who may
//! change it when.
//!
//! The rows themselves are in [`super::table`]. A new *type* of parameter needs a [`Kind`] here,
//! its parsing and normal form in [`super::value`], and its line in [`super::rewrite`].

use super::table::{Param, TABLE};

/// A named code of an enumerated parameter.
pub type Name = (&'static str, i64);

/// How a number is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Notation {
    /// A canonical decimal integer.
    Decimal,
    /// Bytes, with an optional unit: `100`, `100k` (1000), `100kb` (1024), `m`, `mb`, `g`, `gb`.
    Memory,
    /// Bytes as above, or `n%`, which is stored as `-n`.
    MemoryOrPercent,
    /// An octal number, as file modes are written.
    Octal,
}

/// The parameters whose syntax no general type covers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Special {
    /// `dir`: the working directory, changed as soon as it is set.
    Dir,
    /// `save`: pairs of seconds and changes; lines of a file add up.
    Save,
    /// `client-output-buffer-limit`: class, hard bytes, soft bytes, soft seconds; classes not named keep theirs.
    OutputLimits,
    /// `oom-score-adj-values`: three integers.
    OomScores,
    /// `notify-keyspace-events`: a string of event class letters.
    NotifyEvents,
    /// `bind`: addresses, or none.
    Bind,
    /// `replicaof`: host and port, or `no one`.
    ReplicaOf,
    /// `latency-tracking-info-percentiles`: numbers from 0 to 100, or none.
    Percentiles,
}

/// A check of a text value beyond its type; the error is the reason shown to the user.
pub type TextRule = fn(&[u8]) -> Result<(), &'static str>;

/// The type of a parameter, with its bounds and its default.
#[derive(Clone, Copy, Debug)]
pub enum Kind {
    /// `yes` or `no`.
    Flag {
        /// The value when nothing sets it.
        default: bool,
        /// The reason to refuse `yes`, for what this server can not do.
        refuse_yes: Option<&'static str>,
    },
    /// A number from `min` to `max` inclusive.
    Number {
        /// The least value; the least percentage is written as a negative number.
        min: i64,
        /// The greatest value; for unsigned ones the bit pattern of a `u64`.
        max: i64,
        /// The value when nothing sets it.
        default: i64,
        /// Whether the bounds and the value are compared as `u64`.
        unsigned: bool,
        /// How it is written.
        notation: Notation,
    },
    /// Bytes.
    Text {
        /// The value when nothing sets it; `None` means not set at all, so that no line of a file stands for it.
        default: Option<&'static str>,
        /// Whether the value may hold NUL bytes; others end at the first one.
        binary: bool,
        /// What else must hold.
        rule: Option<TextRule>,
    },
    /// One of several names.
    Choice {
        /// The names in the order in which an error lists them. Two names may share a code; the first is the normal form.
        names: &'static [Name],
        /// The code when nothing sets it.
        default: i64,
    },
    /// Several names at once, whose codes are or-ed.
    Flags {
        /// The names in the order in which the normal form lists them.
        names: &'static [Name],
        /// The codes when nothing sets it.
        default: i64,
        /// What else must hold of the union.
        rule: fn(i64) -> Result<(), &'static str>,
    },
    /// One of those with a syntax of their own.
    Special(Special),
}

/// One row of the table: a parameter and all that is known of it.
#[derive(Clone, Copy, Debug)]
pub struct Spec {
    /// The name that `CONFIG REWRITE` writes.
    pub name: &'static str,
    /// Other names, answered by `CONFIG GET` with a pattern like the first one.
    pub aliases: &'static [&'static str],
    /// Other names that later servers brought; patterns do not find them, so that tools which set all that they
    /// see meet no surprise.
    pub quiet_aliases: &'static [&'static str],
    /// Its type.
    pub kind: Kind,
    /// For a number whose default depends on the machine: what gives it.
    pub default_from: Option<fn() -> i64>,
    /// Refused by `CONFIG SET`.
    pub immutable: bool,
    /// Refused by `CONFIG SET` unless `enable-protected-configs` allows it.
    pub protected: bool,
    /// Answered by `CONFIG GET` for its exact name only.
    pub hidden: bool,
    /// Its value must not appear in logs, `MONITOR` or the slow log.
    pub sensitive: bool,
    /// Refused while the data set is being loaded.
    pub deny_loading: bool,
    /// Setting the value that it has already is a change: the file that it names may have changed.
    pub volatile: bool,
    /// Stored and answered, but read by nothing in this server yet.
    pub accepted_only: bool,
}

impl Spec {
    /// The row of a parameter.
    pub fn of(param: Param) -> &'static Spec {
        &TABLE[param as usize]
    }

    /// Finds a parameter by any of its names in any case; answers the name that matched, in its normal case.
    pub fn find(name: &[u8]) -> Option<(Param, &'static str)> {
        Param::ALL.iter().find_map(|&param| {
            let spec = Spec::of(param);
            spec.all_names()
                .find(|known| known.as_bytes().eq_ignore_ascii_case(name))
                .map(|known| (param, known))
        })
    }

    /// Whether the value of the parameter of this name is a secret, so that a command that sets it must be redacted
    /// wherever it is shown.
    pub fn is_sensitive(name: &[u8]) -> bool {
        Spec::find(name).is_some_and(|(param, _)| Spec::of(param).sensitive)
    }

    /// Every name of the parameter, the primary one first.
    pub fn all_names(&self) -> impl Iterator<Item = &'static str> {
        std::iter::once(self.name)
            .chain(self.aliases.iter().copied())
            .chain(self.quiet_aliases.iter().copied())
    }

    /// The names that a pattern finds: none for a hidden parameter.
    pub fn listed_names(&self) -> impl Iterator<Item = &'static str> {
        let names = std::iter::once(self.name).chain(self.aliases.iter().copied());
        names.take(if self.hidden { 0 } else { usize::MAX })
    }

    /// Whether it takes several words in a file, and a value with spaces in `CONFIG SET`.
    pub fn takes_many_words(&self) -> bool {
        match self.kind {
            Kind::Flags { .. } => true,
            Kind::Special(special) => !matches!(special, Special::Dir | Special::NotifyEvents),
            _ => false,
        }
    }

    /// The primary name is given by the table's macro.
    pub(super) const fn named(self, name: &'static str) -> Spec {
        Spec { name, ..self }
    }

    pub(super) const fn aka(self, aliases: &'static [&'static str]) -> Spec {
        Spec { aliases, ..self }
    }

    pub(super) const fn also(self, quiet_aliases: &'static [&'static str]) -> Spec {
        Spec {
            quiet_aliases,
            ..self
        }
    }

    pub(super) const fn immutable(self) -> Spec {
        Spec {
            immutable: true,
            ..self
        }
    }

    pub(super) const fn protected(self) -> Spec {
        Spec {
            protected: true,
            ..self
        }
    }

    pub(super) const fn hidden(self) -> Spec {
        Spec {
            hidden: true,
            ..self
        }
    }

    pub(super) const fn sensitive(self) -> Spec {
        Spec {
            sensitive: true,
            ..self
        }
    }

    pub(super) const fn deny_loading(self) -> Spec {
        Spec {
            deny_loading: true,
            ..self
        }
    }

    pub(super) const fn volatile(self) -> Spec {
        Spec {
            volatile: true,
            ..self
        }
    }

    pub(super) const fn accepted_only(self) -> Spec {
        Spec {
            accepted_only: true,
            ..self
        }
    }

    /// Takes a number's default from the machine.
    pub(super) const fn default_from(self, number: fn() -> i64) -> Spec {
        Spec {
            default_from: Some(number),
            ..self
        }
    }

    /// Compares and answers as `u64`.
    pub(super) const fn unsigned(mut self) -> Spec {
        if let Kind::Number { unsigned, .. } = &mut self.kind {
            *unsigned = true;
        }
        self
    }

    /// Adds a rule to a text.
    pub(super) const fn rule(mut self, check: TextRule) -> Spec {
        if let Kind::Text { rule, .. } = &mut self.kind {
            *rule = Some(check);
        }
        self
    }

    /// Lets a text hold any byte.
    pub(super) const fn binary(mut self) -> Spec {
        if let Kind::Text { binary, .. } = &mut self.kind {
            *binary = true;
        }
        self
    }

    /// Refuses `yes` for a flag, with the reason.
    pub(super) const fn refuse_yes(mut self, reason: &'static str) -> Spec {
        if let Kind::Flag { refuse_yes, .. } = &mut self.kind {
            *refuse_yes = Some(reason);
        }
        self
    }
}

const fn row(kind: Kind) -> Spec {
    Spec {
        name: "",
        aliases: &[],
        quiet_aliases: &[],
        kind,
        default_from: None,
        immutable: false,
        protected: false,
        hidden: false,
        sensitive: false,
        deny_loading: false,
        volatile: false,
        accepted_only: false,
    }
}

pub(super) const fn flag(default: bool) -> Spec {
    row(Kind::Flag {
        default,
        refuse_yes: None,
    })
}

const fn number(notation: Notation, default: i64, min: i64, max: i64) -> Spec {
    row(Kind::Number {
        min,
        max,
        default,
        unsigned: false,
        notation,
    })
}

pub(super) const fn int(default: i64, min: i64, max: i64) -> Spec {
    number(Notation::Decimal, default, min, max)
}

pub(super) const fn octal(default: i64, min: i64, max: i64) -> Spec {
    number(Notation::Octal, default, min, max).unsigned()
}

pub(super) const fn memory(default: i64, min: i64, max: i64) -> Spec {
    number(Notation::Memory, default, min, max)
}

pub(super) const fn memory_or_percent(default: i64, min: i64, max: i64) -> Spec {
    number(Notation::MemoryOrPercent, default, min, max)
}

/// A text that is empty, or has its default, when it is not set.
pub(super) const fn text(default: &'static str) -> Spec {
    row(Kind::Text {
        default: Some(default),
        binary: false,
        rule: None,
    })
}

/// A text for which empty means not set.
pub(super) const fn unset() -> Spec {
    row(Kind::Text {
        default: None,
        binary: false,
        rule: None,
    })
}

pub(super) const fn choice(names: &'static [Name], default: i64) -> Spec {
    row(Kind::Choice { names, default })
}

pub(super) const fn flags(
    names: &'static [Name],
    default: i64,
    rule: fn(i64) -> Result<(), &'static str>,
) -> Spec {
    row(Kind::Flags {
        names,
        default,
        rule,
    })
}

pub(super) const fn special(special: Special) -> Spec {
    row(Kind::Special(special))
}
