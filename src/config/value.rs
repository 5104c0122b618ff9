//! Values: reading one from words, and its normal form, which `CONFIG GET` answers.

use std::sync::Arc;

use super::choices::{ClientClass, NotifyFlags, OutputLimit, ReplicaOf, SavePoint};
use super::error::ValueError;
use super::spec::{Kind, Name, Notation, Spec, Special};
use crate::text::words::until_nul;

/// The most addresses that `bind` takes.
const BIND_LIMIT: usize = 16;
/// A smaller replication backlog is silently raised to this.
pub(super) const BACKLOG_MIN_BYTES: i64 = 16 * 1024;
const HZ_RANGE: std::ops::RangeInclusive<i64> = 1..=500;

/// The value of one parameter; its variant follows from the parameter's [`Kind`].
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// Of a flag.
    Flag(bool),
    /// Of a number, a choice (its code) or flags (their union). Unsigned numbers are stored by their bit pattern,
    /// percentages as negative numbers.
    Number(i64),
    /// Of a text, or the directory; `None` when it is not set.
    Text(Option<Arc<[u8]>>),
    /// Of `save`.
    Save(Arc<[SavePoint]>),
    /// Of `client-output-buffer-limit`, in the order of [`ClientClass::ALL`].
    OutputLimits([OutputLimit; 3]),
    /// Of `oom-score-adj-values`.
    OomScores([i32; 3]),
    /// Of `notify-keyspace-events`.
    NotifyEvents(NotifyFlags),
    /// Of `bind`.
    Bind(Arc<[Box<[u8]>]>),
    /// Of `replicaof`; `None` for a primary.
    ReplicaOf(Option<Arc<ReplicaOf>>),
    /// Of `latency-tracking-info-percentiles`.
    Percentiles(Arc<[f64]>),
}

impl Value {
    /// What a parameter has when nothing sets it. The directory's is empty here; the configuration asks the machine.
    pub fn default_of(spec: &Spec) -> Value {
        match spec.kind {
            Kind::Flag { default, .. } => Value::Flag(default),
            Kind::Number { default, .. } => {
                Value::Number(spec.default_from.map_or(default, |number| number()))
            }
            Kind::Text { default, .. } => Value::Text(default.map(|text| text.as_bytes().into())),
            Kind::Choice { default, .. } | Kind::Flags { default, .. } => Value::Number(default),
            Kind::Special(special) => default_of_special(special),
        }
    }

    /// Reads a value from its words. `before` is what the parameter has; it shows in those that are set in part.
    pub fn parse(spec: &Spec, words: &[&[u8]], before: &Value) -> Result<Value, ValueError> {
        match spec.kind {
            Kind::Flag { refuse_yes, .. } => parse_flag(single(words)?, refuse_yes),
            Kind::Number {
                min,
                max,
                unsigned,
                notation,
                ..
            } => parse_number(single(words)?, notation, unsigned, min, max).map(Value::Number),
            Kind::Text {
                default,
                binary,
                rule,
            } => {
                let word = single(words)?;
                let text = if binary { word } else { until_nul(word) };
                rule.map_or(Ok(()), |rule| rule(text))
                    .map_err(ValueError::Rule)?;
                let set = default.is_some() || !text.is_empty();
                Ok(Value::Text(set.then(|| text.into())))
            }
            Kind::Choice { names, .. } => code_of(names, single(words)?).map(Value::Number),
            Kind::Flags { names, rule, .. } => parse_flags(names, rule, words),
            Kind::Special(special) => parse_special(special, words, before),
        }
    }

    /// The normal form, from which [`Value::parse`] reads the same value.
    pub fn format(&self, spec: &Spec) -> Vec<u8> {
        match self {
            Value::Flag(on) => if *on { "yes" } else { "no" }.into(),
            Value::Number(number) => format_number(*number, spec).into(),
            Value::Text(text) => text.as_deref().unwrap_or_default().to_vec(),
            Value::Save(points) => join(points.iter().map(format_save_point)),
            Value::OutputLimits(limits) => {
                join(ClientClass::ALL.iter().zip(limits).map(|(class, limit)| {
                    let OutputLimit {
                        hard_bytes,
                        soft_bytes,
                        soft_seconds,
                    } = limit;
                    let class = class.as_str();
                    format!("{class} {hard_bytes} {soft_bytes} {soft_seconds}")
                }))
            }
            Value::OomScores(scores) => join(scores.iter().map(i32::to_string)),
            Value::NotifyEvents(events) => events.letters().into(),
            Value::Bind(addresses) => addresses.join(&b' '),
            Value::ReplicaOf(None) => Vec::new(),
            Value::ReplicaOf(Some(primary)) => {
                [&primary.host[..], format!(" {}", primary.port).as_bytes()].concat()
            }
            Value::Percentiles(percentiles) => join(percentiles.iter().map(format_percentile)),
        }
    }
}

pub(super) fn format_save_point(point: &SavePoint) -> String {
    format!("{} {}", point.seconds, point.changes)
}

/// Bytes in the largest unit that divides them, as a file has them.
pub(super) fn format_memory(bytes: u64) -> String {
    for (shift, unit) in [(30, "gb"), (20, "mb"), (10, "kb")] {
        if bytes != 0 && bytes.trailing_zeros() >= shift {
            return format!("{}{unit}", bytes >> shift);
        }
    }
    bytes.to_string()
}

/// A frequency out of range is taken as a wish and brought into it, as Redis does.
pub(super) fn clamp_hz(hz: i64) -> i64 {
    hz.clamp(*HZ_RANGE.start(), *HZ_RANGE.end())
}

fn default_of_special(special: Special) -> Value {
    let point = |seconds, changes| SavePoint { seconds, changes };
    let limit = |hard_bytes, soft_bytes| OutputLimit {
        hard_bytes,
        soft_bytes,
        soft_seconds: 60,
    };
    match special {
        Special::Dir => Value::Text(None),
        Special::Save => Value::Save([point(3600, 1), point(300, 100), point(60, 10_000)].into()),
        Special::OutputLimits => Value::OutputLimits([
            OutputLimit::default(),
            limit(256 << 20, 64 << 20),
            limit(32 << 20, 8 << 20),
        ]),
        Special::OomScores => Value::OomScores([0, 200, 800]),
        Special::NotifyEvents => Value::NotifyEvents(NotifyFlags::default()),
        Special::Bind => Value::Bind([b"*"[..].into(), b"-::*"[..].into()].into()),
        Special::ReplicaOf => Value::ReplicaOf(None),
        Special::Percentiles => Value::Percentiles([50.0, 99.0, 99.9].into()),
    }
}

fn parse_flag(word: &[u8], refuse_yes: Option<&'static str>) -> Result<Value, ValueError> {
    if word.eq_ignore_ascii_case(b"no") {
        return Ok(Value::Flag(false));
    }
    if !word.eq_ignore_ascii_case(b"yes") {
        return Err(ValueError::NotYesNo);
    }
    match refuse_yes {
        Some(reason) => Err(ValueError::Rule(reason)),
        None => Ok(Value::Flag(true)),
    }
}

fn parse_number(
    word: &[u8],
    notation: Notation,
    unsigned: bool,
    min: i64,
    max: i64,
) -> Result<i64, ValueError> {
    let number = match notation {
        Notation::Decimal => parse_canonical(word),
        Notation::Octal => parse_octal(until_nul(word)),
        Notation::Memory => parse_memory(until_nul(word)).map(|bytes| bytes as i64),
        Notation::MemoryOrPercent => parse_memory(until_nul(word))
            .map(|bytes| bytes as i64)
            .or_else(|| parse_percent(word)),
    };
    let number = number.ok_or(ValueError::NotANumber(notation))?;
    let wide = |number: i64| match unsigned {
        true => i128::from(number as u64),
        false => i128::from(number),
    };
    if notation == Notation::MemoryOrPercent && number < 0 {
        let fits = number >= min;
        return if fits {
            Ok(number)
        } else {
            Err(ValueError::PercentTooLarge(-min))
        };
    }
    if !(wide(min)..=wide(max)).contains(&wide(number)) {
        return Err(ValueError::OutOfRange {
            min: wide(min),
            max: wide(max),
            notation,
        });
    }
    Ok(number)
}

/// An integer without leading zeros, plus sign or spaces: only what printing it gives back.
fn parse_canonical(word: &[u8]) -> Option<i64> {
    let text = std::str::from_utf8(word).ok()?;
    let number: i64 = text.parse().ok()?;
    (number.to_string() == text).then_some(number)
}

/// Bytes with an optional unit. No digits at all count as zero and what does not fit in 64 bits saturates, then wraps
/// with its unit: Redis accepts both, so existing files may have them.
pub(crate) fn parse_memory(word: &[u8]) -> Option<u64> {
    let digits = word.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let (digits, unit) = word.split_at(digits);
    const LONGEST: usize = 127;
    if digits.len() > LONGEST {
        return None;
    }
    let unit: u64 = match unit.to_ascii_lowercase().as_slice() {
        b"" | b"b" => 1,
        b"k" => 1000,
        b"kb" => 1 << 10,
        b"m" => 1_000_000,
        b"mb" => 1 << 20,
        b"g" => 1_000_000_000,
        b"gb" => 1 << 30,
        _ => return None,
    };
    let number = digits.iter().fold(0u64, |number, digit| {
        number
            .saturating_mul(10)
            .saturating_add(u64::from(digit - b'0'))
    });
    Some(number.wrapping_mul(unit))
}

/// `n%` as `-n`.
fn parse_percent(word: &[u8]) -> Option<i64> {
    let percent = parse_canonical(word.strip_suffix(b"%")?)?;
    (percent >= 0).then_some(-percent)
}

fn parse_octal(word: &[u8]) -> Option<i64> {
    if word.is_empty() {
        return Some(0);
    }
    let text = std::str::from_utf8(word.trim_ascii_start()).ok()?;
    i64::from_str_radix(text, 8).ok()
}

/// As C's `strtoll` with the whole word used up, which Redis asks of words within lists: nothing at all is zero, and
/// what does not fit saturates.
fn parse_lenient(word: &[u8]) -> Option<i64> {
    let word = until_nul(word);
    if word.is_empty() {
        return Some(0);
    }
    let number = word.trim_ascii_start();
    let (negative, digits) = match number {
        [b'-', digits @ ..] => (true, digits),
        [b'+', digits @ ..] | digits => (false, digits),
    };
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let number = digits.iter().fold(0i64, |number, digit| {
        let digit = i64::from(digit - b'0');
        let number = number.saturating_mul(10);
        if negative {
            number.saturating_sub(digit)
        } else {
            number.saturating_add(digit)
        }
    });
    Some(number)
}

fn code_of(names: &'static [Name], word: &[u8]) -> Result<i64, ValueError> {
    let word = until_nul(word);
    names
        .iter()
        .find(|(name, _)| name.as_bytes().eq_ignore_ascii_case(word))
        .map(|(_, code)| *code)
        .ok_or(ValueError::NotOneOf(names))
}

fn parse_flags(
    names: &'static [Name],
    rule: fn(i64) -> Result<(), &'static str>,
    words: &[&[u8]],
) -> Result<Value, ValueError> {
    if words.is_empty() {
        return Err(ValueError::NotOneOf(names));
    }
    let union = words
        .iter()
        .try_fold(0, |union, word| Ok(union | code_of(names, word)?))?;
    rule(union).map_err(ValueError::Rule)?;
    Ok(Value::Number(union))
}

fn parse_special(special: Special, words: &[&[u8]], before: &Value) -> Result<Value, ValueError> {
    match special {
        Special::Dir => Ok(Value::Text(Some(until_nul(single(words)?).into()))),
        Special::Save => parse_save(words),
        Special::OutputLimits => parse_output_limits(words, before),
        Special::OomScores => parse_oom_scores(words),
        Special::NotifyEvents => NotifyFlags::parse(until_nul(single(words)?))
            .map(Value::NotifyEvents)
            .ok_or(ValueError::Rule(
                "Invalid event class character. Use 'Ag$lshzxeKEtmdn'.",
            )),
        Special::Bind => {
            let addresses = unless_blank(words);
            if addresses.len() > BIND_LIMIT {
                return Err(ValueError::Rule("Too many bind addresses specified."));
            }
            let addresses = addresses.iter().map(|word| until_nul(word).into());
            Ok(Value::Bind(addresses.collect()))
        }
        Special::ReplicaOf => parse_replica_of(words),
        Special::Percentiles => parse_percentiles(words),
    }
}

fn parse_save(words: &[&[u8]]) -> Result<Value, ValueError> {
    let (pairs, odd) = unless_blank(words).as_chunks::<2>();
    let points: Option<Arc<[SavePoint]>> = pairs
        .iter()
        .map(|[seconds, changes]| {
            let point = SavePoint {
                seconds: parse_lenient(seconds)?,
                changes: parse_lenient(changes)?,
            };
            (point.seconds >= 1 && point.changes >= 0).then_some(point)
        })
        .collect();
    points
        .filter(|_| odd.is_empty())
        .map(Value::Save)
        .ok_or(ValueError::Rule("Invalid save parameters"))
}

fn parse_output_limits(words: &[&[u8]], before: &Value) -> Result<Value, ValueError> {
    let (limits, odd) = words.as_chunks::<4>();
    if !odd.is_empty() {
        return Err(ValueError::Rule(
            "Wrong number of arguments in buffer limit configuration.",
        ));
    }
    let mut values = match before {
        Value::OutputLimits(limits) => *limits,
        _ => Default::default(),
    };
    for [class, hard, soft, seconds] in limits {
        let class = ClientClass::parse(until_nul(class)).ok_or(ValueError::Rule(
            "Invalid client class specified in buffer limit configuration.",
        ))?;
        let limit = parse_output_limit(hard, soft, seconds).ok_or(ValueError::Rule(
            "Error in hard, soft or soft_seconds setting in buffer limit configuration.",
        ))?;
        values[class as usize] = limit;
    }
    Ok(Value::OutputLimits(values))
}

fn parse_output_limit(hard: &[u8], soft: &[u8], seconds: &[u8]) -> Option<OutputLimit> {
    let soft_seconds = parse_lenient(seconds).filter(|seconds| *seconds >= 0)?;
    Some(OutputLimit {
        hard_bytes: parse_memory(until_nul(hard))?,
        soft_bytes: parse_memory(until_nul(soft))?,
        soft_seconds,
    })
}

fn parse_oom_scores(words: &[&[u8]]) -> Result<Value, ValueError> {
    let words: &[&[u8]; 3] = words
        .try_into()
        .map_err(|_| ValueError::WrongNumberOfArguments)?;
    let mut scores = [0; 3];
    for (score, word) in scores.iter_mut().zip(words) {
        *score = parse_lenient(word)
            .and_then(|score| i32::try_from(score).ok())
            .filter(|score| (-2000..=2000).contains(score))
            .ok_or(ValueError::Rule(
                "Invalid oom-score-adj-values, elements must be between -2000 and 2000.",
            ))?;
    }
    Ok(Value::OomScores(scores))
}

fn parse_replica_of(words: &[&[u8]]) -> Result<Value, ValueError> {
    let [host, port] = words else {
        return Err(ValueError::WrongNumberOfArguments);
    };
    if host.eq_ignore_ascii_case(b"no") && port.eq_ignore_ascii_case(b"one") {
        return Ok(Value::ReplicaOf(None));
    }
    let port = parse_lenient(port)
        .and_then(|port| u16::try_from(port).ok())
        .ok_or(ValueError::Rule("Invalid master port"))?;
    let host = until_nul(host).to_vec();
    Ok(Value::ReplicaOf(Some(Arc::new(ReplicaOf { host, port }))))
}

fn parse_percentiles(words: &[&[u8]]) -> Result<Value, ValueError> {
    unless_blank(words)
        .iter()
        .map(|word| parse_percentile(word))
        .collect::<Result<Arc<[f64]>, _>>()
        .map(Value::Percentiles)
}

fn parse_percentile(word: &[u8]) -> Result<f64, ValueError> {
    let number = std::str::from_utf8(word)
        .ok()
        .and_then(|text| text.parse::<f64>().ok())
        .filter(|number| !number.is_nan())
        .ok_or(ValueError::Rule(
            "Invalid latency-tracking-info-percentiles parameters",
        ))?;
    if !(0.0..=100.0).contains(&number) {
        return Err(ValueError::Rule(
            "latency-tracking-info-percentiles parameters should sit between [0.0,100.0]",
        ));
    }
    Ok(number)
}

fn format_number(number: i64, spec: &Spec) -> String {
    match spec.kind {
        Kind::Choice { names, .. } => name_of(names, number).unwrap_or_default().to_owned(),
        Kind::Flags { names, .. } => name_of(names, number).map_or_else(
            || {
                let on = names
                    .iter()
                    .filter(|(_, bit)| *bit != 0 && number & bit == *bit);
                on.map(|(name, _)| *name).collect::<Vec<_>>().join(" ")
            },
            str::to_owned,
        ),
        Kind::Number { notation, .. } => match notation {
            Notation::MemoryOrPercent if number < 0 => format!("{}%", number.unsigned_abs()),
            Notation::Memory | Notation::MemoryOrPercent => (number as u64).to_string(),
            Notation::Octal => format!("{number:o}"),
            Notation::Decimal => number.to_string(),
        },
        _ => number.to_string(),
    }
}

fn name_of(names: &'static [Name], code: i64) -> Option<&'static str> {
    names
        .iter()
        .find(|(_, known)| *known == code)
        .map(|(name, _)| *name)
}

/// Six digits after the point at most, and no zeros at the end.
fn format_percentile(percentile: &f64) -> String {
    let digits = format!("{percentile:.6}");
    digits
        .trim_end_matches('0')
        .trim_end_matches('.')
        .to_owned()
}

/// One word that is empty stands for none in lists.
fn unless_blank<'w, 'a>(words: &'w [&'a [u8]]) -> &'w [&'a [u8]] {
    match words {
        [[]] => &[],
        _ => words,
    }
}

fn single<'a>(words: &[&'a [u8]]) -> Result<&'a [u8], ValueError> {
    match words {
        [word] => Ok(word),
        _ => Err(ValueError::WrongNumberOfArguments),
    }
}

fn join(words: impl Iterator<Item = String>) -> Vec<u8> {
    words.collect::<Vec<_>>().join(" ").into()
}
