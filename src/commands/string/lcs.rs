//! LCS: the longest common subsequence of two strings.
//!
//! Redis fills the textbook table of lengths `L(i, j)` and walks back through it, up where `L(i-1, j) > L(i, j-1)` and
//! else to the left; which of several answers comes out depends on that rule, so it is kept. The table is not: within a
//! row a length grows by 0 or 1 from one place to the next, so a row is a vector of bits, and a whole row is made from
//! the one above with an addition of long integers (Crochemore, Iliopoulos, Pinzon and Reid, "A fast and practical
//! bit-vector algorithm for the longest common subsequence problem", 2001). That is 1/32 of the memory and 1/64 of the
//! steps. The limit on the product of the lengths is Redis's own all the same, so that both refuse the same strings.

use super::Str;
use crate::command::{
    Arg, Args, CommandError, CommandResult, CommandSpec, Context, Flags, Group, KeyFlags, KeySpec,
};
use crate::resp::Request;

/// Bytes that Redis takes for one place of its table.
const PLACE_BYTES: u64 = 4;
/// Bits of a word of a row.
const WORD: usize = u64::BITS as usize;

/// `LCS key1 key2 [LEN] [IDX] [MINMATCHLEN min-match-len] [WITHMATCHLEN]`
pub static LCS: CommandSpec = CommandSpec::new("LCS", Group::String, lcs)
    .doc(
        "Answers the longest common subsequence of the strings stored at two keys.",
        "7.0.0",
        "O(N*M), N and M being the lengths of the strings.",
    )
    .arity(-3)
    .flags(&[Flags::READONLY])
    .keys(&[KeySpec::range(1, 1, 1, KeyFlags::RO.with(KeyFlags::ACCESS))])
    .args(&[
        Arg::key("key1", 0),
        Arg::key("key2", 0),
        Arg::token("len", "LEN").optional(),
        Arg::token("idx", "IDX").optional(),
        Arg::integer("min-match-len")
            .with_token("MINMATCHLEN")
            .optional(),
        Arg::token("withmatchlen", "WITHMATCHLEN").optional(),
    ]);

#[derive(Debug, Default)]
struct Options {
    len: bool,
    idx: bool,
    min_match_len: usize,
    with_match_len: bool,
}

impl Options {
    fn parse(mut args: Args<'_>) -> Result<Self, CommandError> {
        let mut options = Options::default();
        while !args.is_empty() {
            if args.keyword("IDX") {
                options.idx = true;
            } else if args.keyword("LEN") {
                options.len = true;
            } else if args.keyword("WITHMATCHLEN") {
                options.with_match_len = true;
            } else if args.keyword("MINMATCHLEN") {
                options.min_match_len = args.integer()?.max(0) as usize;
            } else {
                return Err(CommandError::Syntax);
            }
        }
        if options.len && options.idx {
            return Err(CommandError::fixed(
                "ERR If you want both the length and indexes, please just use IDX.",
            ));
        }
        Ok(options)
    }
}

fn lcs(context: &mut Context<'_>, request: Request<'_>) -> CommandResult {
    let a = string_at(context, request.get(1));
    let b = string_at(context, request.get(2));
    let (a, b) = (a?, b?);
    let options = Options::parse(Args::new(request, 3))?;
    check_size(context, a.len() as u64, b.len() as u64)?;
    if options.len {
        context.reply.count(Rows::new(&a, &b, false).len());
        return Ok(());
    }
    let rows = Rows::new(&a, &b, true);
    let (text, matches) = walk_back(&rows, &a, &b);
    if options.idx {
        reply_matches(context, &options, text.len(), &matches);
    } else {
        context.reply.bulk(&text);
    }
    Ok(())
}

/// A copy of the string at `key`, because two are needed at once; empty where there is none.
fn string_at(context: &mut Context<'_>, key: &[u8]) -> Result<Vec<u8>, CommandError> {
    match context.read(key).map(|entry| Str::of(entry.value())) {
        Some(Ok(text)) => Ok(text.bytes(&mut itoa::Buffer::new()).to_vec()),
        Some(Err(_)) => Err(CommandError::fixed(
            "ERR The specified keys must contain string values",
        )),
        None => Ok(Vec::new()),
    }
}

fn check_size(context: &Context<'_>, a: u64, b: u64) -> CommandResult {
    let longest = u64::from(u32::MAX) - 1;
    if a >= longest || b >= longest {
        return Err(CommandError::fixed("ERR String too long for LCS"));
    }
    let limit = context.instance.config().proto_max_bulk_len() as u64;
    if (a + 1).saturating_mul(b + 1).saturating_mul(PLACE_BYTES) > limit {
        return Err(CommandError::fixed(
            "ERR Insufficient memory, transient memory for LCS exceeds proto-max-bulk-len",
        ));
    }
    Ok(())
}

fn reply_matches(context: &mut Context<'_>, options: &Options, len: usize, matches: &[Match]) {
    let long_enough = |found: &&Match| found.len >= options.min_match_len;
    let reply = &mut context.reply;
    reply.map(2);
    reply.bulk(b"matches");
    reply.array(matches.iter().filter(long_enough).count());
    for found in matches.iter().filter(long_enough) {
        reply.array(2 + usize::from(options.with_match_len));
        for start in [found.a, found.b] {
            reply.array(2);
            reply.count(start);
            reply.count(start + found.len - 1);
        }
        if options.with_match_len {
            reply.count(found.len);
        }
    }
    reply.bulk(b"len");
    reply.count(len);
}

/// A stretch that both strings have and that the subsequence takes as a whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Match {
    /// Where it begins in the first string.
    a: usize,
    /// Where it begins in the second one.
    b: usize,
    len: usize,
}

/// Rows of the table of lengths: row `i` is for the first `i` bytes of the first string. Bit `j` of a row says that
/// `L(i, j+1)` is `L(i, j) + 1`.
struct Rows {
    /// Words of a row.
    width: usize,
    /// All rows from row 1 on, or the last one alone.
    bits: Vec<u64>,
}

impl Rows {
    /// The rows for two strings, all of them or only the last.
    fn new(a: &[u8], b: &[u8], all: bool) -> Rows {
        let width = b.len().div_ceil(WORD);
        let places = Places::new(a, b, width);
        // In the algorithm's own sense a bit is 0 where the length grows.
        let mut row = vec![u64::MAX; width];
        let mut bits = Vec::with_capacity(if all { width * a.len() } else { width });
        for &byte in a {
            next_row(&mut row, places.of(byte));
            if all {
                bits.extend(row.iter().map(|word| !word));
            }
        }
        if !all {
            bits.extend(row.iter().map(|word| !word));
        }
        let rows = Rows { width, bits };
        rows.without_rest(b.len())
    }

    /// Clears the bits of each row behind its last place, which the carries of the addition have left there.
    fn without_rest(mut self, len: usize) -> Rows {
        if !len.is_multiple_of(WORD) {
            let used = (1 << (len % WORD)) - 1;
            for last in self
                .bits
                .iter_mut()
                .skip(self.width - 1)
                .step_by(self.width)
            {
                *last &= used;
            }
        }
        self
    }

    /// Row `i`; row 0 has no bit.
    fn row(&self, i: usize) -> &[u64] {
        match i.checked_sub(1) {
            Some(above) => &self.bits[above * self.width..i * self.width],
            None => &[],
        }
    }

    /// Bit `j` of row `i`.
    fn grows(&self, i: usize, j: usize) -> bool {
        let word = self.row(i).get(j / WORD);
        word.is_some_and(|word| word >> (j % WORD) & 1 == 1)
    }

    /// `L(i, j)`.
    fn length(&self, i: usize, j: usize) -> usize {
        let row = self.row(i);
        let whole = j / WORD;
        let ones = |words: &[u64]| words.iter().map(|word| word.count_ones() as usize).sum();
        let before: usize = ones(&row[..whole.min(row.len())]);
        let part = row
            .get(whole)
            .map_or(0, |word| word & ((1 << (j % WORD)) - 1));
        before + part.count_ones() as usize
    }

    /// The bits of the last row: the length of the longest common subsequence.
    fn len(&self) -> usize {
        let start = self.bits.len().saturating_sub(self.width);
        let words = self.bits[start..].iter();
        words.map(|word| word.count_ones() as usize).sum()
    }
}

/// For each byte of one string the places in the other where it stands, as a row of bits.
struct Places {
    width: usize,
    /// Index of a byte's row; only the bytes that are asked for have one.
    rows: [u16; 256],
    bits: Vec<u64>,
}

impl Places {
    const NONE: u16 = u16::MAX;

    fn new(a: &[u8], b: &[u8], width: usize) -> Places {
        let mut rows = [Self::NONE; 256];
        let mut count = 0;
        for &byte in a {
            let row = &mut rows[usize::from(byte)];
            if *row == Self::NONE {
                *row = count;
                count += 1;
            }
        }
        let mut bits = vec![0; usize::from(count) * width];
        for (at, &byte) in b.iter().enumerate() {
            let row = rows[usize::from(byte)];
            if row != Self::NONE {
                bits[usize::from(row) * width + at / WORD] |= 1 << (at % WORD);
            }
        }
        Places { width, rows, bits }
    }

    fn of(&self, byte: u8) -> &[u64] {
        let start = usize::from(self.rows[usize::from(byte)]) * self.width;
        &self.bits[start..start + self.width]
    }
}

/// Makes of a row the next one, `places` being where the next byte stands: V' = (V + (V & P)) | (V & !P).
fn next_row(row: &mut [u64], places: &[u64]) {
    let mut carry = false;
    for (word, &places) in row.iter_mut().zip(places) {
        let (sum, first) = word.overflowing_add(*word & places);
        let (sum, second) = sum.overflowing_add(u64::from(carry));
        carry = first || second;
        *word = sum | (*word & !places);
    }
}

/// The subsequence, and the stretches that it is made of, the last one first.
fn walk_back(rows: &Rows, a: &[u8], b: &[u8]) -> (Vec<u8>, Vec<Match>) {
    let (mut i, mut j) = (a.len(), b.len());
    let mut text = Vec::new();
    let mut matches = Vec::new();
    let mut open: Option<Match> = None;
    // The lengths at (i, j) and at the place above it.
    let (mut here, mut above) = (rows.length(i, j), rows.length(i.saturating_sub(1), j));
    while i > 0 && j > 0 {
        let equal = a[i - 1] == b[j - 1];
        let left = here - usize::from(rows.grows(i, j - 1));
        let above_left = above - usize::from(rows.grows(i - 1, j - 1));
        if equal {
            (i, j) = (i - 1, j - 1);
            text.push(a[i]);
            open = Some(Match {
                a: i,
                b: j,
                len: open.map_or(1, |open| open.len + 1),
            });
        }
        // A stretch ends where the strings differ, or with one of them.
        if !equal || i == 0 || j == 0 {
            matches.extend(open.take());
        }
        (here, above) = if equal {
            (above_left, rows.length(i.saturating_sub(1), j))
        } else if above > left {
            i -= 1;
            (above, rows.length(i.saturating_sub(1), j))
        } else {
            j -= 1;
            (left, above_left)
        };
    }
    text.reverse();
    (text, matches)
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    /// The textbook's table and the walk through it as Redis has it.
    fn by_the_book(a: &[u8], b: &[u8]) -> (Vec<u8>, Vec<Match>) {
        let mut table = vec![vec![0usize; b.len() + 1]; a.len() + 1];
        for i in 1..=a.len() {
            for j in 1..=b.len() {
                table[i][j] = if a[i - 1] == b[j - 1] {
                    table[i - 1][j - 1] + 1
                } else {
                    table[i - 1][j].max(table[i][j - 1])
                };
            }
        }
        let (mut i, mut j, mut text, mut pairs) = (a.len(), b.len(), Vec::new(), Vec::new());
        while i > 0 && j > 0 {
            if a[i - 1] == b[j - 1] {
                (i, j) = (i - 1, j - 1);
                text.insert(0, a[i]);
                pairs.push((i, j));
            } else if table[i - 1][j] > table[i][j - 1] {
                i -= 1;
            } else {
                j -= 1;
            }
        }
        let mut matches: Vec<Match> = Vec::new();
        for (a, b) in pairs {
            match matches.last_mut() {
                Some(last) if (last.a, last.b) == (a + 1, b + 1) => {
                    *last = Match {
                        a,
                        b,
                        len: last.len + 1,
                    };
                }
                _ => matches.push(Match { a, b, len: 1 }),
            }
        }
        (text, matches)
    }

    proptest! {
        #[test]
        fn rows_of_bits_give_what_the_table_gives(
            a in vec(b'a'..=b'd', 0..150),
            b in vec(b'a'..=b'e', 0..150),
        ) {
            let (text, matches) = by_the_book(&a, &b);
            prop_assert_eq!(Rows::new(&a, &b, false).len(), text.len());
            let rows = Rows::new(&a, &b, true);
            prop_assert_eq!(walk_back(&rows, &a, &b), (text, matches));
        }
    }

    #[test]
    fn an_empty_string_has_nothing_in_common() {
        for (a, b) in [("", ""), ("abc", ""), ("", "abc")] {
            let (a, b) = (a.as_bytes(), b.as_bytes());
            assert_eq!(Rows::new(a, b, false).len(), 0);
            let rows = Rows::new(a, b, true);
            assert_eq!(walk_back(&rows, a, b), (Vec::new(), Vec::new()));
        }
    }
}
