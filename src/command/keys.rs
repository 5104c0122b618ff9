//! Key specs: where a command's keys are among its words, as Redis describes it to clients.
//!
//! A spec says where to begin ([`Begin`]) and how to find the keys from there ([`Find`]). The server uses the same
//! specs for COMMAND GETKEYS, permissions and prefetching that it shows in COMMAND INFO.

use std::iter::StepBy;
use std::ops::Range;

use crate::resp::Request;
use crate::text::number::parse_i64;

/// What a command does with the keys of one spec; the names are those of COMMAND INFO.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeyFlags(u16);

impl KeyFlags {
    /// Reads the value.
    pub const RO: KeyFlags = KeyFlags(1);
    /// Reads and changes the value.
    pub const RW: KeyFlags = KeyFlags(1 << 1);
    /// Overwrites the value without reading it.
    pub const OW: KeyFlags = KeyFlags(1 << 2);
    /// Removes the key.
    pub const RM: KeyFlags = KeyFlags(1 << 3);
    /// Returns or copies the user's data.
    pub const ACCESS: KeyFlags = KeyFlags(1 << 4);
    /// Changes data depending on what is there.
    pub const UPDATE: KeyFlags = KeyFlags(1 << 5);
    /// Adds data.
    pub const INSERT: KeyFlags = KeyFlags(1 << 6);
    /// Removes data.
    pub const DELETE: KeyFlags = KeyFlags(1 << 7);
    /// Not a key, but routed like one.
    pub const NOT_KEY: KeyFlags = KeyFlags(1 << 8);
    /// May find some keys only.
    pub const INCOMPLETE: KeyFlags = KeyFlags(1 << 9);
    /// The flags depend on the arguments.
    pub const VARIABLE_FLAGS: KeyFlags = KeyFlags(1 << 10);

    const NAMES: [(KeyFlags, &'static str); 11] = [
        (Self::RO, "RO"),
        (Self::RW, "RW"),
        (Self::OW, "OW"),
        (Self::RM, "RM"),
        (Self::ACCESS, "access"),
        (Self::UPDATE, "update"),
        (Self::INSERT, "insert"),
        (Self::DELETE, "delete"),
        (Self::NOT_KEY, "not_key"),
        (Self::INCOMPLETE, "incomplete"),
        (Self::VARIABLE_FLAGS, "variable_flags"),
    ];

    /// Both sets together.
    pub const fn with(self, other: KeyFlags) -> KeyFlags {
        KeyFlags(self.0 | other.0)
    }

    /// Whether every member of `other` is in this set.
    pub const fn has(self, other: KeyFlags) -> bool {
        self.0 & other.0 == other.0
    }

    /// The names of the members.
    pub fn names(self) -> impl Iterator<Item = &'static str> + Clone {
        Self::NAMES
            .into_iter()
            .filter(move |(member, _)| self.has(*member))
            .map(|(_, name)| name)
    }
}

impl std::ops::BitOr for KeyFlags {
    type Output = KeyFlags;
    fn bitor(self, other: KeyFlags) -> KeyFlags {
        self.with(other)
    }
}

/// Where the search for keys begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Begin {
    /// At a word of this index (the command's name is 0).
    Index(u16),
    /// After a word, looked for from an index on (from the end backwards if negative).
    Keyword(&'static str, i16),
    /// Nowhere that can be told.
    Unknown,
}

/// How the keys are found from the beginning on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Find {
    /// Up to the word `last` (relative; negative counts from the command's end), every `step`-th word;
    /// with `limit` above 1 only the first so-manieth part of the rest.
    Range {
        /// Last word, relative to the beginning, or from the command's end if negative.
        last: i16,
        /// Distance from key to key.
        step: u16,
        /// Divisor for the rest of the words; 0 and 1 mean all.
        limit: u16,
    },
    /// A word holds the number of keys.
    KeyNum {
        /// Where the number is, relative to the beginning.
        number: u16,
        /// Where the first key is, relative to the beginning.
        first: u16,
        /// Distance from key to key.
        step: u16,
    },
    /// Nothing that can be told.
    Unknown,
}

/// Where some of a command's keys are.
#[derive(Clone, Copy, Debug)]
pub struct KeySpec {
    /// What is done with them.
    pub flags: KeyFlags,
    /// Where the search begins.
    pub begin: Begin,
    /// How they are found.
    pub find: Find,
    /// A remark for the reader of COMMAND INFO.
    pub notes: Option<&'static str>,
}

impl KeySpec {
    /// One key at a fixed place.
    pub const fn at(index: u16, flags: KeyFlags) -> Self {
        KeySpec::range(index, 0, 1, flags)
    }

    /// Keys from a fixed place up to `last`, every `step` words.
    pub const fn range(index: u16, last: i16, step: u16, flags: KeyFlags) -> Self {
        KeySpec {
            flags,
            begin: Begin::Index(index),
            find: Find::Range {
                last,
                step,
                limit: 0,
            },
            notes: None,
        }
    }

    /// Keys behind a word with their number.
    pub const fn counted(index: u16, first: u16, flags: KeyFlags) -> Self {
        KeySpec {
            flags,
            begin: Begin::Index(index),
            find: Find::KeyNum {
                number: 0,
                first,
                step: 1,
            },
            notes: None,
        }
    }

    /// One key behind a word.
    pub const fn after(word: &'static str, from: i16, flags: KeyFlags) -> Self {
        KeySpec {
            flags,
            begin: Begin::Keyword(word, from),
            find: Find::Range {
                last: 0,
                step: 1,
                limit: 0,
            },
            notes: None,
        }
    }

    /// With a remark.
    pub const fn notes(mut self, notes: &'static str) -> Self {
        self.notes = Some(notes);
        self
    }

    /// The indexes of the keys in `request`: none where the spec's word is not there, [`Misfit`] where the request cannot
    /// be one of the command's.
    pub fn positions(&self, request: Request<'_>) -> Result<StepBy<Range<usize>>, Misfit> {
        let words = request.len();
        let Some(begin) = self.beginning(request)? else {
            return Ok((0..0).step_by(1));
        };
        let (first, last, step) = match self.find {
            Find::Range { last, step, limit } => (
                begin,
                range_end(begin, words, last, limit).ok_or(Misfit)?,
                step,
            ),
            Find::KeyNum {
                number,
                first,
                step,
            } => {
                let at = begin + usize::from(number);
                let count = (at < words).then(|| parse_i64(request.get(at))).flatten();
                let count = count
                    .and_then(|count| usize::try_from(count).ok())
                    .ok_or(Misfit)?;
                let first = begin + usize::from(first);
                let between = count.min(words).checked_sub(1).ok_or(Misfit)?;
                (first, first + between * usize::from(step), step)
            }
            Find::Unknown => return Err(Misfit),
        };
        if last >= words || last < first {
            return Err(Misfit);
        }
        Ok((first..last + 1).step_by(usize::from(step.max(1))))
    }

    fn beginning(&self, request: Request<'_>) -> Result<Option<usize>, Misfit> {
        let words = request.len();
        match self.begin {
            Begin::Index(index) => Ok(Some(usize::from(index))),
            Begin::Keyword(word, from) => {
                // The word can neither be the command's name nor, having keys behind it, the last one.
                let is_word = |at: &usize| request.get(*at).eq_ignore_ascii_case(word.as_bytes());
                let found = if from > 0 {
                    (usize::from(from.unsigned_abs())..words.saturating_sub(1)).find(is_word)
                } else {
                    (2..=words.saturating_sub(usize::from(from.unsigned_abs())))
                        .rev()
                        .find(is_word)
                };
                Ok(found.map(|at| at + 1))
            }
            Begin::Unknown => Err(Misfit),
        }
    }
}

fn range_end(begin: usize, words: usize, last: i16, limit: u16) -> Option<usize> {
    let back = usize::from(last.unsigned_abs());
    if last >= 0 {
        return Some(begin + back);
    }
    let span = words.checked_sub(begin)? / usize::from(limit.max(1));
    (begin + span).checked_sub(back)
}

/// A request that does not fit the key specs: no command's valid form has its keys there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Misfit;

/// A key of a request: the index of its word, and what the command does with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeyAt {
    /// The index of the word.
    pub index: usize,
    /// What is done with the key.
    pub flags: KeyFlags,
}

/// Finds the keys where specs cannot tell: options that change what is done with a key, or that hide one.
pub type KeyFinder = fn(Request<'_>) -> Result<Vec<KeyAt>, Misfit>;

/// The keys of `request` by `specs`, those left out that are no real keys; an incomplete spec finds nothing.
pub fn by_specs(specs: &[KeySpec], request: Request<'_>) -> Result<Vec<KeyAt>, Misfit> {
    let mut keys = Vec::new();
    for spec in specs
        .iter()
        .filter(|spec| !spec.flags.has(KeyFlags::NOT_KEY))
    {
        keys.extend(spec.positions(request)?.map(|index| KeyAt {
            index,
            flags: spec.flags,
        }));
        if spec.flags.has(KeyFlags::INCOMPLETE) {
            return Err(Misfit);
        }
    }
    Ok(keys)
}

/// The keys as clients older than key specs know them: a first word, a last (from the end if negative), a step.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct KeyRange {
    /// Index of the first key; 0 if there is none.
    pub first: i32,
    /// Index of the last one; negative counts from the end.
    pub last: i32,
    /// Distance from one to the next.
    pub step: i32,
    /// Whether there may be keys that this range does not tell.
    pub movable: bool,
}

impl KeyRange {
    /// The range that `specs` amount to: one range spec as it is, else the run of adjoining ranges of step 1.
    pub fn of(specs: &[KeySpec]) -> KeyRange {
        let incomplete = |spec: &KeySpec| spec.flags.has(KeyFlags::INCOMPLETE);
        let absolute =
            |first: u16, last: i16| i32::from(last) + if last >= 0 { i32::from(first) } else { 0 };
        if let [spec] = specs
            && let (Begin::Index(first), Find::Range { last, step, .. }) = (spec.begin, spec.find)
        {
            let (last, first) = (absolute(first, last), i32::from(first));
            return KeyRange {
                first,
                last,
                step: i32::from(step),
                movable: incomplete(spec),
            };
        }
        let mut range = KeyRange::default();
        for spec in specs {
            match (spec.begin, spec.find) {
                (Begin::Index(first), Find::Range { last, step: 1, .. })
                    if range.first == 0 || range.last == i32::from(first) - 1 =>
                {
                    range.movable |= incomplete(spec);
                    range.first = if range.first == 0 {
                        i32::from(first)
                    } else {
                        range.first
                    };
                    // A last word counted from the end is behind every other one.
                    range.last = (range.last as u32).max(absolute(first, last) as u32) as i32;
                    range.step = 1;
                }
                _ => range.movable = true,
            }
        }
        range
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::resp::request::Span;

    /// The keys that `specs` find in a line of words, or `misfit`.
    fn keys(specs: &[KeySpec], line: &str) -> String {
        let mut spans = Vec::new();
        let mut at = 0;
        for word in line.split(' ') {
            spans.push(Span::new(at, word.len()));
            at += word.len() + 1;
        }
        let request = Request::new(line.as_bytes(), &spans, &[]);
        match by_specs(specs, request) {
            Ok(keys) => {
                let words: Vec<_> = keys
                    .iter()
                    .map(|key| String::from_utf8_lossy(request.get(key.index)))
                    .collect();
                words.join(" ")
            }
            Err(Misfit) => "misfit".to_owned(),
        }
    }

    const READ: KeyFlags = KeyFlags::RO;

    #[test]
    fn ranges_find_their_keys() {
        for (spec, line, want) in [
            (KeySpec::at(1, READ), "GET a", "a"),
            (KeySpec::at(1, READ), "GET", "misfit"),
            (KeySpec::range(1, 1, 1, READ), "LMOVE a b LEFT", "a b"),
            (KeySpec::range(1, -1, 1, READ), "DEL a b c", "a b c"),
            (KeySpec::range(1, -1, 2, READ), "MSET a 1 b 2", "a b"),
            (KeySpec::range(1, -2, 1, READ), "BLPOP a b 0", "a b"),
            (KeySpec::range(1, -2, 1, READ), "BLPOP 0", "misfit"),
        ] {
            assert_eq!(keys(&[spec], line), want, "{line}");
        }
        let half = Find::Range {
            last: -1,
            step: 1,
            limit: 2,
        };
        let streams = KeySpec {
            find: half,
            ..KeySpec::after("STREAMS", 1, READ)
        };
        for (line, want) in [
            ("XREAD COUNT 2 STREAMS a b 0 0", "a b"),
            ("XREAD streams a 0", "a"),
            ("XREAD STREAMS", ""),
            ("XREAD COUNT 2", ""),
        ] {
            assert_eq!(keys(&[streams], line), want, "{line}");
        }
    }

    #[test]
    fn counts_and_words_find_their_keys() {
        let counted = KeySpec::counted(2, 1, READ);
        for (line, want) in [
            ("EVAL script 2 a b arg", "a b"),
            ("EVAL script 0 arg", "misfit"),
            ("EVAL script 3 a b", "misfit"),
            ("EVAL script -1 a", "misfit"),
            ("EVAL script x a", "misfit"),
            ("EVAL script 9223372036854775807 a", "misfit"),
            ("EVAL script", "misfit"),
        ] {
            assert_eq!(keys(&[counted], line), want, "{line}");
        }
        let from_the_end = KeySpec {
            find: Find::Range {
                last: -1,
                step: 1,
                limit: 0,
            },
            ..KeySpec::after("KEYS", -2, READ)
        };
        for (line, want) in [
            ("MIGRATE host 1 x 0 9 KEYS a b", "a b"),
            ("MIGRATE host 1 KEYS 0 9 KEYS a", "a"),
            ("MIGRATE host 1 x 0 9 KEYS", ""),
            ("MIGRATE host", ""),
        ] {
            assert_eq!(keys(&[from_the_end], line), want, "{line}");
        }
    }

    #[test]
    fn counted_keys_may_have_values_between_them() {
        let find = Find::KeyNum {
            number: 0,
            first: 1,
            step: 2,
        };
        let pairs = KeySpec {
            find,
            ..KeySpec::at(1, READ)
        };
        assert_eq!(keys(&[pairs], "MSETEX 2 a 1 b 2 NX"), "a b");
        assert_eq!(keys(&[pairs], "MSETEX 3 a 1 b 2"), "misfit");
    }

    #[test]
    fn what_is_no_key_is_left_out_and_incomplete_specs_find_nothing() {
        let specs = [
            KeySpec::at(1, READ | KeyFlags::NOT_KEY),
            KeySpec::at(2, READ),
        ];
        assert_eq!(keys(&specs, "X a b"), "b");
        assert_eq!(
            keys(&[KeySpec::at(1, READ | KeyFlags::INCOMPLETE)], "X a"),
            "misfit"
        );
        let unknown = KeySpec {
            begin: Begin::Unknown,
            ..KeySpec::at(1, READ)
        };
        assert_eq!(keys(&[unknown], "X a"), "misfit");
    }

    #[test]
    fn older_clients_are_told_one_range() {
        let counted = KeySpec::counted(2, 1, READ);
        let range = |first, last, step, movable| KeyRange {
            first,
            last,
            step,
            movable,
        };
        for (specs, want) in [
            (vec![], range(0, 0, 0, false)),
            (vec![KeySpec::at(1, READ)], range(1, 1, 1, false)),
            (vec![KeySpec::range(1, -1, 2, READ)], range(1, -1, 2, false)),
            (
                vec![KeySpec::at(1, READ | KeyFlags::INCOMPLETE)],
                range(1, 1, 1, true),
            ),
            (
                vec![KeySpec::at(1, READ), KeySpec::at(2, READ)],
                range(1, 2, 1, false),
            ),
            (
                vec![KeySpec::at(2, READ), KeySpec::range(3, -1, 1, READ)],
                range(2, -1, 1, false),
            ),
            (
                vec![KeySpec::at(1, READ), KeySpec::at(3, READ)],
                range(1, 1, 1, true),
            ),
            (vec![KeySpec::at(1, READ), counted], range(1, 1, 1, true)),
            (vec![counted], range(0, 0, 0, true)),
        ] {
            assert_eq!(KeyRange::of(&specs), want, "{specs:?}");
        }
    }
}
