//! What SCAN, SSCAN, HSCAN and ZSCAN share: cursor, options, bounds on the work of a call, and the reply's shape.
//!
//! A cursor is a position in a table of [`crate::store::table`], and 0 both begins and ends an iteration. A collection
//! small enough to be without a table is answered whole, with cursor 0. To add an option that one of the commands has
//! for itself, read it in the closure that it gives to [`ScanOptions::parse`]; one that all have belongs here.

use bytes::BytesMut;

use crate::command::{Args, CommandError};
use crate::resp::{Reply, Request};
use crate::text::number::parse_u64;
use crate::text::pattern;

/// How many elements a call looks at when it is not told.
const DEFAULT_COUNT: usize = 10;
/// A call takes at most so many steps for each element that it is to look at: ranges without elements count too.
const STEPS_PER_ELEMENT: usize = 10;

/// The options that all of the commands have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ScanOptions<'a> {
    /// COUNT: a call ends once it has looked at so many elements; at least 1.
    pub count: usize,
    /// MATCH: only elements that match are answered. A pattern that matches everything is none.
    pub pattern: Option<&'a [u8]>,
}

/// Reads the cursor at `index` of a request.
pub fn parse_cursor(request: Request<'_>, index: usize) -> Result<u64, CommandError> {
    parse_u64(request.get(index)).ok_or(CommandError::InvalidCursor)
}

impl<'a> ScanOptions<'a> {
    /// Reads all of `args`. Words that are not known here are offered to `own`, which reads an option of the command
    /// itself and tells whether there was one.
    pub fn parse(
        mut args: Args<'a>,
        mut own: impl FnMut(&mut Args<'a>) -> Result<bool, CommandError>,
    ) -> Result<Self, CommandError> {
        let mut options = ScanOptions {
            count: DEFAULT_COUNT,
            pattern: None,
        };
        while !args.is_empty() {
            if args.keyword("COUNT") {
                let count = args.integer()?;
                options.count = usize::try_from(count)
                    .ok()
                    .filter(|&count| count > 0)
                    .ok_or(CommandError::Syntax)?;
            } else if args.keyword("MATCH") {
                options.pattern = Some(args.bytes()?).filter(|pattern| *pattern != b"*");
            } else if !own(&mut args)? {
                return Err(CommandError::Syntax);
            }
        }
        Ok(options)
    }

    /// Whether the pattern, if there is one, matches `text`.
    #[inline]
    pub fn accepts(&self, text: &[u8]) -> bool {
        self.pattern
            .is_none_or(|pattern| pattern::matches(pattern, text))
    }

    /// Goes on from `cursor` in steps until enough elements have been looked at, and answers the next cursor with what
    /// was found. `step` visits the range at a cursor and returns the next cursor.
    pub fn answer(
        &self,
        reply: &mut Reply<'_>,
        mut cursor: u64,
        mut step: impl FnMut(u64, &mut Found<'_>) -> u64,
    ) {
        // The cursor and the number of elements come before them.
        let (mut out, mut blobs) = (BytesMut::new(), Vec::new());
        let mut found = Found {
            reply: Reply::new(&mut out, &mut blobs, reply.protocol()),
            looked_at: 0,
            replies: 0,
        };
        for _ in 0..=self.count.saturating_mul(STEPS_PER_ELEMENT) {
            cursor = step(cursor, &mut found);
            if cursor == 0 || found.looked_at >= self.count {
                break;
            }
        }
        let replies = found.replies;
        reply.array(2);
        reply.text(itoa::Buffer::new().format(cursor));
        reply.array(replies);
        reply.raw(&out);
    }
}

/// What a call has found so far.
pub struct Found<'r> {
    reply: Reply<'r>,
    looked_at: usize,
    replies: usize,
}

impl Found<'_> {
    /// Counts an element that was looked at, whether it is answered or not.
    #[inline]
    pub fn look(&mut self) {
        self.looked_at += 1;
    }

    /// Answers a bulk string: an element, a field, its value, a score.
    #[inline]
    pub fn bulk(&mut self, bytes: &[u8]) {
        self.reply.bulk(bytes);
        self.replies += 1;
    }
}
