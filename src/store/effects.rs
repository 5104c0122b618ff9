//! What the commands under way do to the data set, as commands that repeat it: SPOP as SREM, EXPIRE as PEXPIREAT, a script as
//! what it has written. From here it goes to the one log of writes.
//!
//! Life cycle: whoever runs commands opens a unit (a client's command, a transaction, a script), and each command within it,
//! with [`Effects::enter`]. While a command runs, its handler may say what is to be repeated in its place
//! ([`Effects::say`], [`Effects::say_nothing`]); a key that expires is said to be deleted by the data set itself.
//! [`Effects::leave`] adds the command as it came where its handler has said nothing, and tells when the unit is over. Its
//! effects are then taken to the log, all of them or, after a failure, none.
//!
//! While nobody keeps a log, `on` is false, and a write costs one comparison.

use super::db::DbIndex;
use super::encoding::flat::Item;

/// Who is to get an effect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Readers(u8);

impl Readers {
    /// Nobody.
    pub const NONE: Readers = Readers(0);
    /// The append-only file.
    pub const FILE: Readers = Readers(1);
    /// Replicas.
    pub const REPLICAS: Readers = Readers(2);
    /// Both.
    pub const ALL: Readers = Readers(3);

    /// Those who are in both.
    pub fn and(self, other: Readers) -> Readers {
        Readers(self.0 & other.0)
    }

    /// Whether all of `other` are among them.
    pub fn has(self, other: Readers) -> bool {
        self.0 & other.0 == other.0
    }
}

/// Where a command's words end, and where it is to run.
#[derive(Clone, Copy, Debug)]
struct Effect {
    index: DbIndex,
    words_end: usize,
    readers: Readers,
}

/// What [`Effects::enter`] has found, for [`Effects::leave`].
#[derive(Clone, Copy, Debug)]
pub struct Entered {
    said: bool,
    dirty: u64,
    withheld: u8,
}

/// The effects of the unit under way.
#[derive(Debug, Default)]
pub struct Effects {
    /// Whether anybody keeps a log.
    pub on: bool,
    /// Whom the effects of the script under way are not for.
    withheld: u8,
    depth: u32,
    /// Whether the command under way has said what is to be repeated.
    said: bool,
    bytes: Vec<u8>,
    /// Where each word ends in `bytes`.
    words: Vec<usize>,
    effects: Vec<Effect>,
}

/// Room that is kept for the next unit.
const KEPT_BYTES: usize = 64 * 1024;

impl Effects {
    /// Those of a data set whose log somebody keeps.
    pub fn kept() -> Self {
        Effects {
            on: true,
            ..Effects::default()
        }
    }

    /// Begins a command, and with the outermost one a unit; `dirty` counts the changes of the data set.
    #[inline]
    pub fn enter(&mut self, dirty: u64) -> Entered {
        self.depth += 1;
        Entered {
            said: std::mem::take(&mut self.said),
            dirty,
            withheld: self.withheld,
        }
    }

    /// Ends a command. One that has changed something and has not said what is to be repeated is repeated as it came, by its
    /// words, where `repeats` says that it can be. Whether the unit is over is answered.
    pub fn leave<'w>(
        &mut self,
        entered: Entered,
        dirty: u64,
        index: DbIndex,
        request: Option<impl Iterator<Item = &'w [u8]>>,
    ) -> bool {
        if !self.said
            && dirty != entered.dirty
            && let Some(words) = request
        {
            self.say(index, words);
        }
        (self.said, self.withheld) = (entered.said, entered.withheld);
        self.depth -= 1;
        self.depth == 0
    }

    /// Whether a unit was left without its end, as a command has panicked: what it has done so far is one of its own, and
    /// the next one begins anew.
    #[inline]
    pub fn recover(&mut self) -> bool {
        if self.depth == 0 {
            return false;
        }
        (self.depth, self.said, self.withheld) = (0, false, 0);
        true
    }

    /// Whether a command is under way.
    pub fn is_within(&self) -> bool {
        self.depth > 0
    }

    /// Says that the command under way is to be repeated by these words, after what it has said before.
    pub fn say<'w>(&mut self, index: DbIndex, words: impl IntoIterator<Item = &'w [u8]>) {
        if !self.on {
            return;
        }
        self.words(words);
        self.end(index);
    }

    /// Says one word of a command, which [`Effects::end`] ends.
    pub fn word(&mut self, word: &[u8]) -> &mut Self {
        self.bytes.extend_from_slice(word);
        self.words.push(self.bytes.len());
        self
    }

    /// Says several words.
    pub fn words<'w>(&mut self, words: impl IntoIterator<Item = &'w [u8]>) -> &mut Self {
        for word in words {
            self.word(word);
        }
        self
    }

    /// A place for words that a handler finds while it has a value borrowed, and says once it has given it back.
    #[inline]
    pub fn notes(&self) -> Noted {
        Noted {
            on: self.on,
            kept: None,
        }
    }

    /// Says a number as a word.
    pub fn number(&mut self, number: impl itoa::Integer) -> &mut Self {
        self.word(itoa::Buffer::new().format(number).as_bytes())
    }

    /// Ends the command of the words since the last one; without words there is none.
    pub fn end(&mut self, index: DbIndex) {
        self.said = true;
        self.push(index);
    }

    fn push(&mut self, index: DbIndex) {
        let words_start = self.effects.last().map_or(0, |last| last.words_end);
        let words_end = self.words.len();
        if words_end > words_start {
            let readers = Readers(Readers::ALL.0 & !self.withheld);
            self.effects.push(Effect {
                index,
                words_end,
                readers,
            });
        }
    }

    /// Says that nothing of the command under way is to be repeated, beside what it says itself.
    pub fn say_nothing(&mut self) {
        self.said = true;
    }

    /// Says that a key has gone because its time had come: whatever the command under way says, that was before it.
    #[cold]
    pub fn expired(&mut self, index: DbIndex, key: &[u8]) {
        if self.on {
            self.word(b"DEL");
            self.word(key);
            self.push(index);
        }
    }

    /// Says that a field of a hash has gone because its time had come.
    #[cold]
    pub fn field_expired(&mut self, index: DbIndex, key: &[u8], field: &[u8]) {
        if self.on {
            self.word(b"HDEL");
            self.word(key);
            self.word(field);
            self.push(index);
        }
    }

    /// Chooses who gets what is said from now on, until the script ends that chooses (`redis.set_repl`).
    pub fn set_readers(&mut self, readers: Readers) {
        self.withheld = Readers::ALL.0 & !readers.0;
    }

    /// Whether there is nothing to be repeated.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.effects.is_empty()
    }

    /// How many commands there are.
    pub fn len(&self) -> usize {
        self.effects.len()
    }

    /// The commands in order: where each runs, who gets it, its words.
    pub fn iter(&self) -> impl Iterator<Item = (DbIndex, Readers, Words<'_>)> {
        let mut words_start = 0_usize;
        self.effects.iter().map(move |effect| {
            let start = words_start
                .checked_sub(1)
                .map_or(0, |before| self.words[before]);
            let words = Words {
                bytes: &self.bytes,
                ends: &self.words[words_start..effect.words_end],
                start,
            };
            words_start = effect.words_end;
            (effect.index, effect.readers, words)
        })
    }

    /// Forgets all commands, once they are in the log.
    pub fn clear(&mut self) {
        self.effects.clear();
        self.words.clear();
        self.bytes.clear();
        if self.bytes.capacity() > KEPT_BYTES {
            self.bytes = Vec::new();
        }
        if self.words.capacity() > KEPT_BYTES / size_of::<usize>() {
            (self.words, self.effects) = (Vec::new(), Vec::new());
        }
    }
}

/// Words that are kept until they can be said ([`Effects::notes`]); none while nobody keeps a log.
#[derive(Debug)]
pub struct Noted {
    on: bool,
    /// There from the first word on, so that a place without any costs nothing.
    kept: Option<Box<Kept>>,
}

#[derive(Debug, Default)]
struct Kept {
    bytes: Vec<u8>,
    ends: Vec<usize>,
}

impl Noted {
    /// Keeps a word.
    #[inline]
    pub fn word(&mut self, word: &[u8]) {
        if self.on {
            let kept = self.kept.get_or_insert_default();
            kept.bytes.extend_from_slice(word);
            kept.ends.push(kept.bytes.len());
        }
    }

    /// Keeps an element's text.
    #[inline]
    pub fn item(&mut self, item: Item<'_>) {
        if self.on {
            self.word(item.text(&mut itoa::Buffer::new()));
        }
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.ends().len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.kept.is_none()
    }

    fn bytes(&self) -> &[u8] {
        self.kept.as_ref().map_or(&[], |kept| &kept.bytes)
    }

    fn ends(&self) -> &[usize] {
        self.kept.as_ref().map_or(&[], |kept| &kept.ends)
    }

    /// All of them.
    pub fn iter(&self) -> Words<'_> {
        Words {
            bytes: self.bytes(),
            ends: self.ends(),
            start: 0,
        }
    }

    /// All of them, at most so many at once.
    pub fn chunks(&self, most: usize) -> impl Iterator<Item = Words<'_>> {
        let (bytes, mut start) = (self.bytes(), 0);
        self.ends().chunks(most).map(move |ends| {
            let words = Words { bytes, ends, start };
            start = ends.last().copied().unwrap_or_default();
            words
        })
    }
}

/// The words of one command.
#[derive(Clone, Debug)]
pub struct Words<'a> {
    bytes: &'a [u8],
    ends: &'a [usize],
    start: usize,
}

impl<'a> Iterator for Words<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        let (end, rest) = self.ends.split_first()?;
        let word = &self.bytes[self.start..*end];
        (self.start, self.ends) = (*end, rest);
        Some(word)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.ends.len(), Some(self.ends.len()))
    }
}

impl ExactSizeIterator for Words<'_> {}

#[cfg(test)]
mod tests {
    use super::*;

    fn leave(effects: &mut Effects, entered: Entered, dirty: u64, line: &str) -> bool {
        let words = line.split_ascii_whitespace().map(str::as_bytes);
        effects.leave(entered, dirty, 0, Some(words))
    }

    fn lines(effects: &Effects) -> Vec<String> {
        let line = |(index, _, words): (DbIndex, Readers, Words<'_>)| {
            let words: Vec<_> = words.map(String::from_utf8_lossy).collect();
            format!("{index}: {}", words.join(" "))
        };
        effects.iter().map(line).collect()
    }

    #[test]
    fn a_command_that_changes_something_is_repeated_as_it_came() {
        let mut effects = Effects::kept();
        let entered = effects.enter(7);
        assert!(leave(&mut effects, entered, 7, "SETNX k v"));
        assert!(effects.is_empty(), "nothing has changed");
        let entered = effects.enter(7);
        assert!(leave(&mut effects, entered, 8, "SET k v"));
        assert_eq!(lines(&effects), ["0: SET k v"]);
        effects.clear();
        assert!(effects.is_empty() && lines(&effects).is_empty());
    }

    #[test]
    fn what_a_handler_says_stands_in_the_place_of_its_command() {
        let mut effects = Effects::kept();
        let entered = effects.enter(0);
        effects.expired(3, b"old");
        effects.say(1, [b"SREM".as_slice(), b"k", b"", b"m"]);
        assert!(leave(&mut effects, entered, 1, "SPOP k"));
        assert_eq!(lines(&effects), ["3: DEL old", "1: SREM k  m"]);
        let entered = effects.enter(1);
        effects.say_nothing();
        leave(&mut effects, entered, 2, "SPOP k");
        assert_eq!(effects.len(), 2);
    }

    #[test]
    fn what_has_expired_does_not_stand_for_the_command() {
        let mut effects = Effects::kept();
        let entered = effects.enter(0);
        effects.expired(0, b"k");
        effects.field_expired(0, b"h", b"f");
        leave(&mut effects, entered, 1, "SETNX k v");
        let want = ["0: DEL k", "0: HDEL h f", "0: SETNX k v"];
        assert_eq!(lines(&effects), want);
    }

    #[test]
    fn a_unit_ends_with_its_outermost_command() {
        let mut effects = Effects::kept();
        let script = effects.enter(0);
        let inner = effects.enter(0);
        effects.say_nothing();
        assert!(!leave(&mut effects, inner, 1, "SPOP k"));
        let inner = effects.enter(1);
        assert!(!leave(&mut effects, inner, 2, "INCR k"));
        assert!(effects.is_within());
        let none = None::<std::iter::Empty<&[u8]>>;
        assert!(effects.leave(script, 2, 0, none));
        assert_eq!(lines(&effects), ["0: INCR k"]);
    }

    #[test]
    fn a_script_can_choose_who_gets_its_effects() {
        let mut effects = Effects::kept();
        effects.set_readers(Readers::NONE);
        effects.say(0, [b"SET".as_slice(), b"a", b"1"]);
        effects.set_readers(Readers::REPLICAS);
        effects.say(0, [b"SET".as_slice(), b"b", b"1"]);
        effects.set_readers(Readers::ALL);
        effects.say(0, [b"SET".as_slice(), b"c", b"1"]);
        let readers: Vec<_> = effects.iter().map(|(_, readers, _)| readers).collect();
        assert_eq!(readers, [Readers::NONE, Readers::REPLICAS, Readers::ALL]);
    }

    #[test]
    fn what_a_script_has_chosen_ends_with_it() {
        let mut effects = Effects::kept();
        let script = effects.enter(0);
        effects.set_readers(Readers::FILE);
        for line in ["SET a 1", "SET b 1"] {
            let inner = effects.enter(0);
            leave(&mut effects, inner, 1, line);
        }
        let none = None::<std::iter::Empty<&[u8]>>;
        effects.leave(script, 2, 0, none);
        let next = effects.enter(2);
        leave(&mut effects, next, 3, "SET c 1");
        let readers: Vec<_> = effects.iter().map(|(_, readers, _)| readers).collect();
        assert_eq!(readers, [Readers::FILE, Readers::FILE, Readers::ALL]);
    }

    #[test]
    fn words_are_kept_until_they_can_be_said() {
        let mut effects = Effects::kept();
        let mut noted = effects.notes();
        for number in 0..5 {
            noted.item(Item::Int(number));
        }
        noted.word(b"");
        assert_eq!((noted.len(), noted.is_empty()), (6, false));
        for words in noted.chunks(4) {
            effects.say(0, words);
        }
        effects.number(-7).words(noted.iter().skip(4));
        effects.end(2);
        assert_eq!(lines(&effects), ["0: 0 1 2 3", "0: 4 ", "2: -7 4 "]);
        effects.on = false;
        let mut noted = effects.notes();
        noted.word(b"word");
        assert!(noted.is_empty() && noted.chunks(4).next().is_none());
    }

    #[test]
    fn nothing_is_kept_while_nobody_keeps_a_log() {
        let mut effects = Effects::default();
        effects.say(0, [b"SET".as_slice(), b"c", b"1"]);
        effects.expired(0, b"k");
        assert!(effects.is_empty());
    }
}
