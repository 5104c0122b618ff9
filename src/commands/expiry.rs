//! Expiry times as arguments: EX, PX, EXAT, PXAT of the string commands and the four forms of EXPIRE.
//!
//! Whatever the form, the data set knows one: a deadline in Unix milliseconds.

use crate::command::CommandError;

/// How an expiry time is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// Seconds from now.
    Seconds,
    /// Milliseconds from now.
    Milliseconds,
    /// Unix seconds.
    UnixSeconds,
    /// Unix milliseconds.
    UnixMilliseconds,
}

impl Unit {
    /// The unit that one of the words EX, PX, EXAT and PXAT stands for.
    pub fn by_word(word: &[u8]) -> Option<Unit> {
        [
            ("EX", Unit::Seconds),
            ("PX", Unit::Milliseconds),
            ("EXAT", Unit::UnixSeconds),
            ("PXAT", Unit::UnixMilliseconds),
        ]
        .into_iter()
        .find_map(|(known, unit)| word.eq_ignore_ascii_case(known.as_bytes()).then_some(unit))
    }

    /// The deadline in Unix milliseconds, possibly in the past; an error for `command` where it does not fit.
    pub fn deadline_ms(
        self,
        value: i64,
        now_ms: u64,
        command: &'static str,
    ) -> Result<i64, CommandError> {
        let invalid = CommandError::InvalidExpire(command);
        let ms = match self {
            Unit::Seconds | Unit::UnixSeconds => value.checked_mul(1000).ok_or(invalid.clone())?,
            Unit::Milliseconds | Unit::UnixMilliseconds => value,
        };
        match self {
            Unit::Seconds | Unit::Milliseconds => ms.checked_add(now_ms as i64).ok_or(invalid),
            Unit::UnixSeconds | Unit::UnixMilliseconds => Ok(ms),
        }
    }

    /// As [`Unit::deadline_ms`] for commands that take positive times only.
    pub fn positive_deadline_ms(
        self,
        value: i64,
        now_ms: u64,
        command: &'static str,
    ) -> Result<u64, CommandError> {
        if value <= 0 {
            return Err(CommandError::InvalidExpire(command));
        }
        let deadline = self.deadline_ms(value, now_ms, command)?;
        u64::try_from(deadline).map_err(|_| CommandError::InvalidExpire(command))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn deadlines_that_overflow_are_refused() {
        let now_ms = 1_700_000_000_000;
        assert_eq!(
            Unit::Seconds.positive_deadline_ms(10, now_ms, "set"),
            Ok(now_ms + 10_000)
        );
        assert_eq!(
            Unit::UnixSeconds.positive_deadline_ms(10, now_ms, "set"),
            Ok(10_000)
        );
        assert_eq!(
            Unit::Milliseconds.deadline_ms(-1, now_ms, "expire"),
            Ok(now_ms as i64 - 1)
        );
        for (unit, value) in [
            (Unit::Seconds, i64::MAX / 999),
            (Unit::Milliseconds, i64::MAX),
            (Unit::Seconds, 0),
            (Unit::Seconds, -5),
        ] {
            assert_eq!(
                unit.positive_deadline_ms(value, now_ms, "set"),
                Err(CommandError::InvalidExpire("set")),
                "{value}"
            );
        }
    }
}
