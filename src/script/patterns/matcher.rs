//! Matching a Lua pattern at one place of a text.
//!
//! The matcher of Lua calls itself for what follows a repetition or a parenthesis, so that a long pattern overflows the
//! stack of its thread. Here the ways not yet tried are kept in a list: each item of a pattern adds at most one, so the
//! list is no longer than the pattern.

/// Captures that a pattern may have.
const MAX_CAPTURES: usize = 32;

/// What is wrong with a pattern, as errors say it.
pub(super) type Fault = &'static str;

/// What a pair of parentheses found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Length {
    /// So many bytes.
    Bytes(usize),
    /// It stands for the place alone.
    Position,
    /// It is not closed yet.
    Unfinished,
}

/// A capture as a script is given it.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Capture<'t> {
    Text(&'t [u8]),
    /// Counted from 1.
    Position(usize),
}

/// A way to go on that was not taken yet, or what is to be undone on the way back to one.
enum Choice {
    /// Go on there: offsets in the text and in the pattern.
    Resume(usize, usize),
    /// A repetition took so many bytes from the first offset on; try with one less. The pattern goes on at the second.
    Fewer(usize, usize, usize),
    /// A repetition took what lies before the offset; try with one more byte. Item and end of the item.
    More(usize, usize, usize),
    /// The last capture was opened.
    Opened,
    /// This capture was closed.
    Closed(usize),
}

/// A pattern, a text, and the captures of the last match.
pub(super) struct Matcher<'t> {
    text: &'t [u8],
    pattern: &'t [u8],
    captures: Vec<(usize, Length)>,
    choices: Vec<Choice>,
    steps: usize,
    /// All steps so far.
    #[cfg(test)]
    pub(super) taken: u64,
    why_to_end: &'t dyn Fn() -> Option<Fault>,
}

/// After so many steps a matcher asks whether it is to go on.
const STEPS: usize = 1 << 16;

impl<'t> Matcher<'t> {
    /// The pattern ends at its first zero byte. `why_to_end` is asked now and then, as some patterns take for ever.
    pub(super) fn new(
        text: &'t [u8],
        pattern: &'t [u8],
        why_to_end: &'t dyn Fn() -> Option<Fault>,
    ) -> Self {
        let end = pattern.iter().position(|&byte| byte == 0);
        Matcher {
            text,
            pattern: &pattern[..end.unwrap_or(pattern.len())],
            captures: Vec::new(),
            choices: Vec::new(),
            // It is asked at the first step too: many short matches may come in a row.
            steps: STEPS - 1,
            #[cfg(test)]
            taken: 0,
            why_to_end,
        }
    }

    /// Takes the mark off that ties a pattern to the beginning; whether there was one.
    pub(super) fn take_anchor(&mut self) -> bool {
        match self.pattern.strip_prefix(b"^") {
            Some(rest) => {
                self.pattern = rest;
                true
            }
            None => false,
        }
    }

    /// Where a match ends that begins at `start`.
    pub(super) fn find(&mut self, start: usize) -> Result<Option<usize>, Fault> {
        self.captures.clear();
        self.choices.clear();
        let (mut at, mut item) = (start, 0);
        loop {
            self.spend(1)?;
            match self.step(at, item)? {
                Step::Done => return Ok(Some(at)),
                Step::Go(next_at, next_item) => (at, item) = (next_at, next_item),
                Step::Fail => match self.back()? {
                    Some(resumed) => (at, item) = resumed,
                    None => return Ok(None),
                },
            }
        }
    }

    /// The text of a match.
    pub(super) fn whole(&self, start: usize, end: usize) -> &'t [u8] {
        &self.text[start..end]
    }

    /// How many values a match gives: its captures, or the whole if it has none.
    pub(super) fn count(&self) -> usize {
        self.captures.len().max(1)
    }

    /// How many captures there are.
    pub(super) fn captured(&self) -> usize {
        self.captures.len()
    }

    /// Capture `index`, counted from 0; the first is the whole match where there are none.
    pub(super) fn capture(
        &self,
        index: usize,
        start: usize,
        end: usize,
    ) -> Result<Capture<'t>, Fault> {
        match self.captures.get(index) {
            Some(&(at, Length::Bytes(length))) => Ok(Capture::Text(&self.text[at..at + length])),
            Some(&(at, Length::Position)) => Ok(Capture::Position(at + 1)),
            Some((_, Length::Unfinished)) => Err("unfinished capture"),
            None if index == 0 => Ok(Capture::Text(&self.text[start..end])),
            None => Err("invalid capture index"),
        }
    }

    /// Counts steps, and the bytes that a step looks at beside its first; asks now and then whether to go on.
    fn spend(&mut self, steps: usize) -> Result<(), Fault> {
        self.steps += steps;
        #[cfg(test)]
        {
            self.taken += steps as u64;
        }
        if self.steps >= STEPS {
            self.steps = 0;
            return (self.why_to_end)().map_or(Ok(()), Err);
        }
        Ok(())
    }

    /// The pattern's byte there; 0 behind its end.
    fn letter(&self, item: usize) -> u8 {
        self.pattern.get(item).copied().unwrap_or(0)
    }

    /// Matches the item there, at that place of the text.
    fn step(&mut self, at: usize, item: usize) -> Result<Step, Fault> {
        match (self.letter(item), self.letter(item + 1)) {
            (0, _) => Ok(Step::Done),
            (b'(', b')') => self.open(at, item + 2, Length::Position),
            (b'(', _) => self.open(at, item + 1, Length::Unfinished),
            (b')', _) => self.close(at, item + 1),
            (b'$', 0) => Ok(match at == self.text.len() {
                true => Step::Go(at, item + 1),
                false => Step::Fail,
            }),
            (b'%', b'b') => self.balance(at, item + 2),
            (b'%', b'f') => self.frontier(at, item + 2),
            (b'%', digit @ b'0'..=b'9') => self.repeat_capture(at, item + 2, digit),
            _ => self.single(at, item),
        }
    }

    /// The next way that was not taken.
    fn back(&mut self) -> Result<Option<(usize, usize)>, Fault> {
        while let Some(choice) = self.choices.pop() {
            match choice {
                Choice::Resume(at, item) => return Ok(Some((at, item))),
                Choice::Fewer(_, 0, _) => (),
                Choice::Fewer(at, count, item) => {
                    self.choices.push(Choice::Fewer(at, count - 1, item));
                    return Ok(Some((at + count - 1, item)));
                }
                Choice::More(at, item, end) => {
                    if self.is_single(at, item, end) {
                        self.choices.push(Choice::More(at + 1, item, end));
                        return Ok(Some((at + 1, end + 1)));
                    }
                }
                Choice::Opened => {
                    self.captures.pop();
                }
                Choice::Closed(index) => self.captures[index].1 = Length::Unfinished,
            }
        }
        Ok(None)
    }

    fn open(&mut self, at: usize, item: usize, length: Length) -> Result<Step, Fault> {
        if self.captures.len() >= MAX_CAPTURES {
            return Err("too many captures");
        }
        self.captures.push((at, length));
        self.choices.push(Choice::Opened);
        Ok(Step::Go(at, item))
    }

    fn close(&mut self, at: usize, item: usize) -> Result<Step, Fault> {
        let open = self
            .captures
            .iter()
            .rposition(|(_, length)| *length == Length::Unfinished);
        let index = open.ok_or("invalid pattern capture")?;
        let (start, length) = &mut self.captures[index];
        *length = Length::Bytes(at - *start);
        self.choices.push(Choice::Closed(index));
        Ok(Step::Go(at, item))
    }

    /// `%b` and two bytes: from the first to the second that closes it.
    fn balance(&mut self, at: usize, item: usize) -> Result<Step, Fault> {
        let (open, close) = (self.letter(item), self.letter(item + 1));
        if open == 0 || close == 0 {
            return Err("unbalanced pattern");
        }
        if self.text.get(at) != Some(&open) {
            return Ok(Step::Fail);
        }
        let mut depth = 1_usize;
        let rest = &self.text[at + 1..];
        let end = rest.iter().position(|&byte| {
            if byte == close {
                depth -= 1;
            } else if byte == open {
                depth += 1;
            }
            depth == 0
        });
        self.spend(end.unwrap_or(rest.len()))?;
        Ok(end.map_or(Step::Fail, |end| Step::Go(at + end + 2, item + 2)))
    }

    /// `%f` and a set: a place behind a byte that is not in the set and before one that is.
    fn frontier(&self, at: usize, item: usize) -> Result<Step, Fault> {
        if self.letter(item) != b'[' {
            return Err("missing '[' after '%f' in pattern");
        }
        let end = self.item_end(item)?;
        let before = match at {
            0 => 0,
            _ => self.text[at - 1],
        };
        let behind = self.text.get(at).copied().unwrap_or(0);
        let is_frontier =
            !self.is_in_set(before, item, end - 1) && self.is_in_set(behind, item, end - 1);
        Ok(match is_frontier {
            true => Step::Go(at, end),
            false => Step::Fail,
        })
    }

    /// `%1`: what a capture found, once more.
    fn repeat_capture(&mut self, at: usize, item: usize, digit: u8) -> Result<Step, Fault> {
        let index = usize::from(digit).checked_sub(usize::from(b'1'));
        let captured = index.and_then(|index| self.captures.get(index));
        let found = match captured {
            None | Some((_, Length::Unfinished)) => return Err("invalid capture index"),
            Some((_, Length::Position)) => return Ok(Step::Fail),
            Some(&(start, Length::Bytes(length))) => &self.text[start..start + length],
        };
        let len = found.len();
        let is_there = self.text[at..].starts_with(found);
        self.spend(len)?;
        Ok(match is_there {
            true => Step::Go(at + len, item),
            false => Step::Fail,
        })
    }

    /// A byte or set, with what says how often.
    fn single(&mut self, at: usize, item: usize) -> Result<Step, Fault> {
        let end = self.item_end(item)?;
        let is_here = self.is_single(at, item, end);
        match self.letter(end) {
            b'?' => {
                if !is_here {
                    return Ok(Step::Go(at, end + 1));
                }
                self.choices.push(Choice::Resume(at, end + 1));
                Ok(Step::Go(at + 1, end + 1))
            }
            b'*' => self.longest(at, item, end),
            b'+' if is_here => self.longest(at + 1, item, end),
            b'-' => {
                self.choices.push(Choice::More(at, item, end));
                Ok(Step::Go(at, end + 1))
            }
            b'+' => Ok(Step::Fail),
            _ if is_here => Ok(Step::Go(at + 1, end)),
            _ => Ok(Step::Fail),
        }
    }

    /// As many as there are, then fewer.
    fn longest(&mut self, at: usize, item: usize, end: usize) -> Result<Step, Fault> {
        let mut count = 0;
        while self.is_single(at + count, item, end) {
            count += 1;
        }
        if count > 0 {
            self.choices.push(Choice::Fewer(at, count, end + 1));
        }
        self.spend(count)?;
        Ok(Step::Go(at + count, end + 1))
    }

    /// Where the item ends that begins there: a byte, a class, or a set.
    fn item_end(&self, item: usize) -> Result<usize, Fault> {
        match self.letter(item) {
            b'%' if self.letter(item + 1) == 0 => Err("malformed pattern (ends with '%')"),
            b'%' => Ok(item + 2),
            b'[' => {
                let mut at = item + 1;
                if self.letter(at) == b'^' {
                    at += 1;
                }
                // The first byte belongs to the set whatever it is.
                loop {
                    match self.letter(at) {
                        0 => return Err("malformed pattern (missing ']')"),
                        b'%' if self.letter(at + 1) != 0 => at += 2,
                        _ => at += 1,
                    }
                    if self.letter(at) == b']' {
                        return Ok(at + 1);
                    }
                }
            }
            _ => Ok(item + 1),
        }
    }

    /// Whether the text's byte there is what the item from `item` to `end` stands for.
    fn is_single(&self, at: usize, item: usize, end: usize) -> bool {
        let Some(&byte) = self.text.get(at) else {
            return false;
        };
        match self.letter(item) {
            b'.' => true,
            b'%' => is_in_class(byte, self.letter(item + 1)),
            b'[' => self.is_in_set(byte, item, end - 1),
            letter => letter == byte,
        }
    }

    /// Whether a byte is in the set between two brackets at these places.
    fn is_in_set(&self, byte: u8, open: usize, close: usize) -> bool {
        let is_inverted = self.letter(open + 1) == b'^';
        let mut at = open + 1 + usize::from(is_inverted);
        while at < close {
            let letter = self.letter(at);
            let is_found = if letter == b'%' {
                at += 1;
                is_in_class(byte, self.letter(at))
            } else if self.letter(at + 1) == b'-' && at + 2 < close {
                at += 2;
                (letter..=self.letter(at)).contains(&byte)
            } else {
                letter == byte
            };
            if is_found {
                return !is_inverted;
            }
            at += 1;
        }
        is_inverted
    }
}

/// What matching one item comes to.
enum Step {
    /// The pattern is at its end.
    Done,
    /// Go on at these places of the text and of the pattern.
    Go(usize, usize),
    /// It does not match.
    Fail,
}

/// Whether a byte is in the class of that letter, a capital for all others; any other letter stands for itself.
fn is_in_class(byte: u8, class: u8) -> bool {
    let is_in = match class.to_ascii_lowercase() {
        b'a' => byte.is_ascii_alphabetic(),
        b'c' => byte.is_ascii_control(),
        b'd' => byte.is_ascii_digit(),
        b'l' => byte.is_ascii_lowercase(),
        b'p' => byte.is_ascii_punctuation(),
        b's' => matches!(byte, b' ' | 9..=13),
        b'u' => byte.is_ascii_uppercase(),
        b'w' => byte.is_ascii_alphanumeric(),
        b'x' => byte.is_ascii_hexdigit(),
        b'z' => byte == 0,
        _ => return class == byte,
    };
    is_in != class.is_ascii_uppercase()
}
