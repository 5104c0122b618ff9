//! [`Manifest`]: the list of the files that make an append-only file.
//!
//! Each line is pairs of a word and its value: `file` and a name, quoted where it needs be, `seq` and a number above 0,
//! `type` and a letter. Pairs of other words are skipped, as later versions may add some; so are lines that begin with `#`.
//! The errors are Redis's.

use std::fmt;

use crate::text::words;

/// The longest line, with its end: a name of 255 bytes, the most that file systems have, fits with four characters for each.
/// Redis reads no more than 1024.
const MAX_LINE_BYTES: usize = 1100;
/// The highest number that is read, beyond which there is room to count on.
const MAX_SEQ: i64 = i64::MAX / 2;
/// A manifest that is longer is not read.
pub const MAX_BYTES: u64 = 16 * 1024 * 1024;

/// What a file is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// The data set as it was at some time.
    Base,
    /// What a newer base has made superfluous.
    History,
    /// What came after the base.
    Increment,
}

impl Kind {
    fn of_letter(letter: u8) -> Option<Kind> {
        match letter {
            b'b' => Some(Kind::Base),
            b'h' => Some(Kind::History),
            b'i' => Some(Kind::Increment),
            _ => None,
        }
    }

    fn letter(self) -> char {
        match self {
            Kind::Base => 'b',
            Kind::History => 'h',
            Kind::Increment => 'i',
        }
    }
}

/// One of the files.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part {
    /// Its name in the directory.
    pub name: Vec<u8>,
    /// Its number: bases and increments are counted each for themselves.
    pub seq: i64,
}

/// How a base is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BaseForm {
    /// As a dump file.
    Rdb,
    /// As commands.
    Commands,
}

/// The files of an append-only file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Manifest {
    /// What is read first.
    pub base: Option<Part>,
    /// What is to be removed.
    pub history: Vec<Part>,
    /// What is read after the base, in this order; the last one is written.
    pub increments: Vec<Part>,
    base_seq: i64,
    increment_seq: i64,
}

/// Why a manifest is not one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// There is no line.
    Empty,
    /// A line is too long, or has no end.
    LongLine,
    /// A line is not made of pairs, or one that must be there is missing.
    Format,
    /// A name leads out of the directory.
    Path,
    /// There are two bases.
    SecondBase,
    /// An increment's number is not above that of the one before.
    Order,
    /// A type is not known.
    Type,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Fault::Empty => "Found an empty AOF manifest",
            Fault::LongLine => "The AOF manifest file contains too long line",
            Fault::Format => "Invalid AOF manifest file format",
            Fault::Path => "File can't be a path, just a filename",
            Fault::SecondBase => "Found duplicate base file information",
            Fault::Order => "Found a non-monotonic sequence number",
            Fault::Type => "Unknown AOF file type",
        })
    }
}

/// A fault and where it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ManifestError {
    /// What is wrong.
    pub fault: Fault,
    /// The number of the line, from 1 on.
    pub line_number: usize,
    /// The line, where it could be read.
    pub line: Option<Vec<u8>>,
}

impl fmt::Display for ManifestError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(line) = &self.line {
            let (number, line) = (self.line_number, String::from_utf8_lossy(line));
            write!(f, "at line {number}, '{line}': ")?;
        }
        self.fault.fmt(f)
    }
}

impl std::error::Error for ManifestError {}

impl Manifest {
    /// Reads a manifest.
    pub fn parse(bytes: &[u8]) -> Result<Manifest, ManifestError> {
        let mut manifest = Manifest::default();
        if bytes.is_empty() {
            return Err(ManifestError {
                fault: Fault::Empty,
                line_number: 0,
                line: None,
            });
        }
        for (index, line) in bytes.split_inclusive(|&byte| byte == b'\n').enumerate() {
            if line.starts_with(b"#") {
                continue;
            }
            let fail = |fault, line: Option<&[u8]>| ManifestError {
                fault,
                line_number: index + 1,
                line: line.map(<[u8]>::to_vec),
            };
            if line.len() > MAX_LINE_BYTES || !line.ends_with(b"\n") {
                return Err(fail(Fault::LongLine, None));
            }
            let line = words::trim(words::until_nul(line));
            let added = parse_line(line).and_then(|(kind, part)| manifest.add(kind, part));
            added.map_err(|fault| fail(fault, Some(line)))?;
        }
        Ok(manifest)
    }

    fn add(&mut self, kind: Kind, part: Part) -> Result<(), Fault> {
        match kind {
            Kind::Base if self.base.is_some() => return Err(Fault::SecondBase),
            Kind::Base => {
                self.base_seq = part.seq;
                self.base = Some(part);
            }
            Kind::History => self.history.push(part),
            Kind::Increment if part.seq <= self.increment_seq => return Err(Fault::Order),
            Kind::Increment => {
                self.increment_seq = part.seq;
                self.increments.push(part);
            }
        }
        Ok(())
    }

    /// The manifest as it is written.
    pub fn print(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        let base = self.base.iter().map(|part| (Kind::Base, part));
        let history = self.history.iter().map(|part| (Kind::History, part));
        let increments = self.increments.iter().map(|part| (Kind::Increment, part));
        for (kind, part) in base.chain(history).chain(increments) {
            bytes.extend(b"file ");
            if needs_quotes(&part.name) {
                bytes.extend(words::quote(&part.name));
            } else {
                bytes.extend(&part.name);
            }
            bytes.extend(format!(" seq {} type {}\n", part.seq, kind.letter()).into_bytes());
        }
        bytes
    }

    /// Whether there is nothing to be read.
    pub fn is_empty(&self) -> bool {
        self.base.is_none() && self.increments.is_empty()
    }

    /// The files that make the data set, in the order in which they are read.
    pub fn read_order(&self) -> impl Iterator<Item = &Part> {
        self.base.iter().chain(&self.increments)
    }

    /// Gives no number from now on that one of these files has by its name: they are of a manifest that is gone.
    pub fn count_past<'n>(&mut self, prefix: &[u8], names: impl Iterator<Item = &'n [u8]>) {
        for name in names {
            let rest = name
                .strip_prefix(prefix)
                .and_then(|rest| rest.strip_prefix(b"."));
            let Some(rest) = rest else {
                continue;
            };
            let seq = leading_number(rest).min(MAX_SEQ);
            if rest.ends_with(b".incr.aof") {
                self.increment_seq = self.increment_seq.max(seq);
            } else if rest.ends_with(b".base.rdb") || rest.ends_with(b".base.aof") {
                self.base_seq = self.base_seq.max(seq);
            }
        }
    }

    /// Takes a file of that name, which is written already, as the base; the one before becomes history.
    pub fn adopt_base(&mut self, name: &[u8]) {
        self.history.splice(0..0, self.base.take());
        self.base_seq += 1;
        self.base = Some(Part {
            name: name.to_vec(),
            seq: self.base_seq,
        });
    }

    /// Adds a base, named after `prefix`, and returns its name; the one before becomes history.
    pub fn add_base(&mut self, prefix: &[u8], form: BaseForm) -> Vec<u8> {
        let end = match form {
            BaseForm::Rdb => "rdb",
            BaseForm::Commands => "aof",
        };
        let name_of = |seq| [prefix, format!(".{seq}.base.{end}").as_bytes()].concat();
        while self.is_history(&name_of(self.base_seq + 1)) {
            self.base_seq += 1;
        }
        let name = name_of(self.base_seq + 1);
        self.adopt_base(&name);
        name
    }

    /// Adds an increment, named after `prefix`, and returns its name.
    pub fn add_increment(&mut self, prefix: &[u8]) -> Vec<u8> {
        let name_of = |seq| [prefix, format!(".{seq}.incr.aof").as_bytes()].concat();
        while self.is_history(&name_of(self.increment_seq + 1)) {
            self.increment_seq += 1;
        }
        self.increment_seq += 1;
        let part = Part {
            name: name_of(self.increment_seq),
            seq: self.increment_seq,
        };
        let name = part.name.clone();
        self.increments.push(part);
        name
    }

    /// Whether a file of that name is to be removed. Where no increment is left, nothing else tells which numbers were given.
    fn is_history(&self, name: &[u8]) -> bool {
        self.history.iter().any(|part| part.name == name)
    }

    /// Makes history of the increments that a new base has made superfluous: all but the last `kept` ones.
    pub fn retire_increments(&mut self, kept: usize) {
        let retired = self.increments.len().saturating_sub(kept);
        self.history.splice(0..0, self.increments.drain(..retired));
    }
}

fn parse_line(line: &[u8]) -> Result<(Kind, Part), Fault> {
    let words = words::split(line).map_err(|_| Fault::Format)?;
    if words.len() < 6 || words.len() % 2 != 0 {
        return Err(Fault::Format);
    }
    let (mut name, mut seq, mut letter) = (None, 0, None);
    for pair in words.chunks_exact(2) {
        let value = words::until_nul(&pair[1]);
        match pair[0].to_ascii_lowercase().as_slice() {
            b"file" if value.contains(&b'/') => return Err(Fault::Path),
            b"file" => name = Some(value.to_vec()),
            b"seq" => seq = leading_number(value),
            b"type" => letter = value.first().copied(),
            _ => {}
        }
    }
    match (name, letter) {
        // A name that is empty, or one of the two that every directory has, is that of no file.
        (Some(name), _) if matches!(name.as_slice(), b"" | b"." | b"..") => Err(Fault::Format),
        (Some(name), Some(letter)) if (1..=MAX_SEQ).contains(&seq) => {
            let kind = Kind::of_letter(letter).ok_or(Fault::Type)?;
            Ok((kind, Part { name, seq }))
        }
        _ => Err(Fault::Format),
    }
}

/// The number at the beginning of a text, as C's `atoll` reads it; 0 for none.
fn leading_number(text: &[u8]) -> i64 {
    let (negative, digits) = match text {
        [b'-', digits @ ..] => (true, digits),
        [b'+', digits @ ..] | digits => (false, digits),
    };
    let digits = digits.iter().take_while(|byte| byte.is_ascii_digit());
    let value = digits.fold(0_i64, |value, digit| {
        value
            .saturating_mul(10)
            .saturating_add(i64::from(digit - b'0'))
    });
    if negative { -value } else { value }
}

/// Whether a name would not come back from the manifest as it is.
fn needs_quotes(name: &[u8]) -> bool {
    let plain = |byte: &u8| byte.is_ascii_graphic() && !matches!(byte, b'\\' | b'"' | b'\'');
    name.is_empty() || !name.iter().all(plain)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const TEXT: &str = "file a.2.base.rdb seq 2 type b\nfile a.1.incr.aof seq 1 type h\n\
                        file a.4.incr.aof seq 4 type i\nfile a.5.incr.aof seq 5 type i\n";

    fn names(parts: &[Part]) -> Vec<&str> {
        let name = |part: &'_ Part| std::str::from_utf8(&part.name).map(str::len);
        assert!(parts.iter().all(|part| name(part).is_ok()));
        parts
            .iter()
            .filter_map(|part| std::str::from_utf8(&part.name).ok())
            .collect()
    }

    #[test]
    fn a_manifest_is_read_and_written_as_redis_does() {
        let manifest = Manifest::parse(TEXT.as_bytes()).expect("it is well formed");
        let base = manifest.base.as_ref().expect("it has one");
        assert_eq!(
            (base.name.as_slice(), base.seq),
            (b"a.2.base.rdb".as_slice(), 2)
        );
        assert_eq!(names(&manifest.history), ["a.1.incr.aof"]);
        assert_eq!(
            names(&manifest.increments),
            ["a.4.incr.aof", "a.5.incr.aof"]
        );
        assert_eq!(manifest.print(), TEXT.as_bytes());
        let odd = "# a remark of any length\nSEQ 7x TYPE base FILE \"a b\" later words\n";
        let manifest = Manifest::parse(odd.as_bytes()).expect("it is well formed");
        assert_eq!(manifest.print(), b"file \"a b\" seq 7 type b\n");
    }

    #[test]
    fn what_is_no_manifest_is_refused_with_its_line() {
        let long = format!("file {} seq 1 type i\n", "x".repeat(MAX_LINE_BYTES));
        for (text, want) in [
            ("", "Found an empty AOF manifest"),
            (&long, "The AOF manifest file contains too long line"),
            (
                "file a seq 1 type i",
                "The AOF manifest file contains too long line",
            ),
            ("\n", "at line 1, '': Invalid AOF manifest file format"),
            (
                "file a seq 1\n",
                "at line 1, 'file a seq 1': Invalid AOF manifest file format",
            ),
            (
                "file a seq 1 type b\nfile b seq 2 type b\n",
                "at line 2, 'file b seq 2 type b': Found duplicate base file information",
            ),
            (
                "file a seq 0 type b\n",
                "at line 1, 'file a seq 0 type b': Invalid AOF manifest file format",
            ),
            (
                "file a seq 9223372036854775807 type i\n",
                "at line 1, 'file a seq 9223372036854775807 type i': Invalid AOF manifest file format",
            ),
            (
                "file ../a seq 1 type b\n",
                "at line 1, 'file ../a seq 1 type b': File can't be a path, just a filename",
            ),
            (
                "file .. seq 1 type b\n",
                "at line 1, 'file .. seq 1 type b': Invalid AOF manifest file format",
            ),
            (
                "file a seq 2 type i\nfile b seq 2 type i\n",
                "at line 2, 'file b seq 2 type i': Found a non-monotonic sequence number",
            ),
            (
                "file a seq 1 type x\n",
                "at line 1, 'file a seq 1 type x': Unknown AOF file type",
            ),
            (
                "file \"a seq 1 type x\n",
                "at line 1, 'file \"a seq 1 type x': Invalid AOF manifest file format",
            ),
        ] {
            let error = Manifest::parse(text.as_bytes()).expect_err("it is refused");
            assert_eq!(error.to_string(), want);
        }
    }

    #[test]
    fn a_rewrite_makes_history_of_what_was_there() {
        let mut manifest = Manifest::default();
        manifest.add_base(b"f", BaseForm::Commands);
        manifest.add_increment(b"f");
        manifest.add_increment(b"f");
        manifest.add_base(b"f", BaseForm::Rdb);
        manifest.retire_increments(1);
        let want = "file f.2.base.rdb seq 2 type b\nfile f.1.incr.aof seq 1 type h\n\
                    file f.1.base.aof seq 1 type h\nfile f.2.incr.aof seq 2 type i\n";
        assert_eq!(String::from_utf8_lossy(&manifest.print()), want);
        assert_eq!(manifest.read_order().count(), 2);
        let again = Manifest::parse(&manifest.print()).expect("it is well formed");
        assert_eq!(again, manifest);
    }

    #[test]
    fn no_name_is_given_that_a_file_without_a_manifest_has() {
        let names = [
            "f.7.incr.aof",
            "f.3.base.aof",
            "f.x.base.rdb",
            "g.9.incr.aof",
            "f.manifest",
            "f",
            "f.99999999999999999999.incr",
            "f.-5.base.rdb",
        ];
        let mut manifest = Manifest::default();
        manifest.count_past(b"f", names.iter().map(|name| name.as_bytes()));
        assert_eq!(manifest.add_increment(b"f"), b"f.8.incr.aof");
        assert_eq!(manifest.add_base(b"f", BaseForm::Rdb), b"f.4.base.rdb");
    }

    #[test]
    fn no_name_is_given_that_a_file_of_the_history_has() {
        let text = "file f.3.base.rdb seq 3 type b\nfile f.1.incr.aof seq 1 type h\n\
                    file f.4.base.rdb seq 4 type h\nfile f.2.incr.aof seq 2 type h\n";
        let mut manifest = Manifest::parse(text.as_bytes()).expect("it is well formed");
        assert_eq!(manifest.add_increment(b"f"), b"f.3.incr.aof");
        assert_eq!(manifest.add_base(b"f", BaseForm::Rdb), b"f.5.base.rdb");
        assert_eq!(manifest.base.as_ref().map(|base| base.seq), Some(5));
    }

    proptest! {
        #[test]
        fn any_name_comes_back(name in "[^\\x00/]{1,20}", seq in 1..=MAX_SEQ) {
            prop_assume!(name != "." && name != "..");
            let part = Part { name: name.into_bytes(), seq };
            let manifest = Manifest {
                increments: vec![part],
                increment_seq: seq,
                ..Manifest::default()
            };
            prop_assert_eq!(Manifest::parse(&manifest.print()), Ok(manifest));
        }

        #[test]
        fn any_bytes_are_read_to_an_end(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            if let Ok(manifest) = Manifest::parse(&bytes)
                && manifest != Manifest::default()
            {
                prop_assert_eq!(Manifest::parse(&manifest.print()), Ok(manifest));
            }
        }
    }
}
