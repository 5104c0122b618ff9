//! A cursor over a command's arguments that reads them as types.

use std::sync::Arc;

use super::error::CommandError;
use crate::resp::Request;
use crate::text::number::parse_i64;

/// The arguments of a command, read one after the other.
#[derive(Clone, Copy)]
pub struct Args<'a> {
    request: Request<'a>,
    at: usize,
}

impl<'a> Args<'a> {
    /// The arguments of `request` behind its first `skip` words.
    pub fn new(request: Request<'a>, skip: usize) -> Self {
        Args { request, at: skip }
    }

    /// How many are left.
    pub fn remaining(&self) -> usize {
        self.request.len().saturating_sub(self.at)
    }

    /// Whether none is left.
    pub fn is_empty(&self) -> bool {
        self.remaining() == 0
    }

    /// The next one; a syntax error if there is none.
    pub fn bytes(&mut self) -> Result<&'a [u8], CommandError> {
        if self.is_empty() {
            return Err(CommandError::Syntax);
        }
        self.at += 1;
        Ok(self.request.get(self.at - 1))
    }

    /// The next one without taking it.
    pub fn peek(&self) -> Option<&'a [u8]> {
        (!self.is_empty()).then(|| self.request.get(self.at))
    }

    /// The next one, with the buffer of its own in which it may have arrived.
    pub fn value(&mut self) -> Result<(&'a [u8], Option<&'a Arc<Vec<u8>>>), CommandError> {
        let bytes = self.bytes()?;
        Ok((bytes, self.request.shared(self.at - 1)))
    }

    /// The next one as an integer.
    pub fn integer(&mut self) -> Result<i64, CommandError> {
        parse_i64(self.bytes()?).ok_or(CommandError::NotInteger)
    }

    /// Takes the next one if it is this word (in upper case here; any case there).
    pub fn keyword(&mut self, word: &str) -> bool {
        let is = self
            .peek()
            .is_some_and(|next| next.eq_ignore_ascii_case(word.as_bytes()));
        self.at += usize::from(is);
        is
    }

    /// All that are left.
    pub fn rest(&self) -> impl ExactSizeIterator<Item = &'a [u8]> + Clone + use<'a> {
        self.request.iter_from(self.at)
    }

    /// A syntax error if any is left.
    pub fn finish(&self) -> Result<(), CommandError> {
        if self.is_empty() {
            Ok(())
        } else {
            Err(CommandError::Syntax)
        }
    }
}
