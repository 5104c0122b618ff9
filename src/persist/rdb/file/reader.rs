//! [`Reader`]: the records of a file, one after the other.

use std::io::Read;

use super::{Access, FIRST_SUMMED, HEAD_BYTES, Key, MAGIC, MAGIC_VALKEY, Record};
use crate::persist::rdb::input::Input;
use crate::persist::rdb::read::{module_name, read_value};
use crate::persist::rdb::source::{self, Source};
use crate::persist::rdb::{Error, VERSION_VALKEY, kind, opcode};
use crate::store::db::EncodingLimits;
use crate::store::entry::{Entry, NEVER, NewValue};

/// Rooms for names and texts are kept up to this size.
const MAX_ROOM_BYTES: usize = 64 << 10;

/// The values of which a module's data consists, each behind such a number.
mod module {
    pub(super) const END: u64 = 0;
    pub(super) const SIGNED: u64 = 1;
    pub(super) const UNSIGNED: u64 = 2;
    pub(super) const FLOAT: u64 = 3;
    pub(super) const DOUBLE: u64 = 4;
    pub(super) const STRING: u64 = 5;
}

/// An iterator of a file's records. It ends behind the file's last byte, or with the first error.
#[derive(Debug)]
pub struct Reader<R> {
    input: Input<source::Reader<R>>,
    limits: EncodingLimits,
    /// Whether the checksum is compared (`rdbchecksum`).
    check_sum: bool,
    done: bool,
    /// Room for a key's name, and for the text of a string.
    name: Vec<u8>,
    text: Vec<u8>,
}

impl<R: Read> Reader<R> {
    /// Reads the beginning of a file, whose values are to take the forms that `limits` ask for.
    ///
    /// # Errors
    /// If it is no dump file, or of a later version.
    pub fn new(inner: R, limits: EncodingLimits, check_sum: bool) -> Result<Self, Error> {
        let mut source = source::Reader::new(inner);
        let head = source.bytes(HEAD_BYTES).map_err(|error| match error {
            Error::CutOff => Error::NoDump,
            other => other,
        })?;
        let digits = head
            .strip_prefix(MAGIC)
            .or_else(|| head.strip_prefix(MAGIC_VALKEY))
            .and_then(|digits| std::str::from_utf8(digits).ok())
            .filter(|digits| digits.bytes().all(|digit| digit.is_ascii_digit()));
        let version = digits
            .and_then(|digits| digits.parse().ok())
            .ok_or(Error::NoDump)?;
        if !(1..=VERSION_VALKEY).contains(&version) {
            return Err(Error::Version(version));
        }
        Ok(Reader {
            input: Input::new(source, version),
            limits,
            check_sum,
            done: false,
            name: Vec::new(),
            text: Vec::new(),
        })
    }

    /// The version of the file.
    pub fn version(&self) -> u16 {
        self.input.version
    }

    /// How many bytes of the file were read.
    pub fn position(&self) -> u64 {
        self.input.source.position()
    }

    /// What follows the file in the input, once the last record was read: the rest that is in memory, and the input.
    pub fn into_rest(self) -> (Vec<u8>, R) {
        let (inner, rest) = self.input.source.into_parts();
        (rest, inner)
    }

    /// The next record; none at the end, whose checksum has been compared then.
    fn record(&mut self) -> Result<Option<Record>, Error> {
        let input = &mut self.input;
        let (mut deadline_ms, mut access) = (NEVER, None);
        loop {
            match input.byte()? {
                opcode::DEADLINE_MS => deadline_ms = deadline(input.i64()?),
                opcode::DEADLINE_S => deadline_ms = deadline(i64::from(input.i32()?) * 1000),
                opcode::IDLE => access = Some(Access::IdleS(input.number()?)),
                opcode::FREQUENCY => access = Some(Access::Frequency(input.byte()?)),
                opcode::SLOT_INFO => {
                    for _ in 0..3 {
                        input.number()?;
                    }
                }
                opcode::SLOT_IMPORT => skip_slot_import(input)?,
                opcode::AUX => return Ok(Some(Record::Aux(input.string()?, input.string()?))),
                opcode::DATABASE => return Ok(Some(Record::Database(input.number()?))),
                opcode::SIZES => {
                    return Ok(Some(Record::Sizes(input.number()?, input.number()?)));
                }
                opcode::FUNCTION => return Ok(Some(Record::Function(input.string()?))),
                opcode::FUNCTION_OLD => {
                    return Err(Error::Corrupt("Pre-release function format not supported"));
                }
                opcode::MODULE_AUX => return skip_module_aux(input).map(Some),
                opcode::END => {
                    self.end()?;
                    return Ok(None);
                }
                kind => return self.key(kind, deadline_ms, access).map(Some),
            }
        }
    }

    fn key(&mut self, kind: u8, deadline_ms: u64, access: Option<Access>) -> Result<Record, Error> {
        // What is no kind may be a record of a later version: it is not to be read as a name.
        if !(kind::STRING..=kind::HASH_LISTPACK_DEADLINES).contains(&kind) {
            return Err(Error::Unknown(kind));
        }
        self.input.string_into(&mut self.name)?;
        let entry = match self.entry(kind, deadline_ms) {
            Err(Error::Empty) => return Ok(Record::Empty(std::mem::take(&mut self.name))),
            other => other?,
        };
        // What one long string took is not kept for all that follow.
        [&mut self.name, &mut self.text]
            .into_iter()
            .filter(|room| room.capacity() > MAX_ROOM_BYTES)
            .for_each(|room| *room = Vec::new());
        Ok(Record::Key(Key { entry, access }))
    }

    /// Reads the value of the key whose name was read. Strings take no memory but the entry's own.
    fn entry(&mut self, kind: u8, deadline_ms: u64) -> Result<Entry, Error> {
        if kind != kind::STRING {
            let value = read_value(&mut self.input, kind, &self.limits)?;
            return Ok(value.into_entry(&self.name, deadline_ms));
        }
        let value = match self.input.text_into(&mut self.text)? {
            Some(number) => NewValue::Int(number.into()),
            None => NewValue::String(&self.text),
        };
        Ok(Entry::new(&self.name, value, deadline_ms))
    }

    fn end(&mut self) -> Result<(), Error> {
        if self.input.version < FIRST_SUMMED {
            return Ok(());
        }
        let own = self.input.source.checksum();
        let noted = self.input.i64()? as u64;
        if self.check_sum && noted != 0 && noted != own {
            return Err(Error::Checksum);
        }
        Ok(())
    }
}

/// A deadline in the past of the calendar is one that has come.
fn deadline(ms: i64) -> u64 {
    u64::try_from(ms).unwrap_or(0)
}

/// Goes over which slots a node was taking over: a name, and how many ranges, each from one slot to another.
fn skip_slot_import<S: Source>(input: &mut Input<S>) -> Result<(), Error> {
    input.skip_string()?;
    for _ in 0..input.number()? {
        input.number()?;
        input.number()?;
    }
    Ok(())
}

/// Goes over what a module kept beside the keys.
fn skip_module_aux<S: Source>(input: &mut Input<S>) -> Result<Record, Error> {
    let name = module_name(input.number()?);
    loop {
        match input.number()? {
            module::END => return Ok(Record::ModuleAux(name)),
            module::SIGNED | module::UNSIGNED => {
                input.number()?;
            }
            module::FLOAT => {
                input.i32()?;
            }
            module::DOUBLE => {
                input.i64()?;
            }
            module::STRING => input.skip_string()?,
            _ => return Err(Error::Corrupt("a module's data is not well formed")),
        }
    }
}

impl<R: Read> Iterator for Reader<R> {
    type Item = Result<Record, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.done {
            return None;
        }
        let record = self.record().transpose();
        self.done = !matches!(record, Some(Ok(_)));
        record
    }
}
