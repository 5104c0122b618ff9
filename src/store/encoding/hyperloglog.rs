//! HyperLogLogs: sets counted approximately in at most 12 KiB, in Redis's own representation.
//!
//! A HyperLogLog is a byte string, and the same bytes for the same elements as Redis's, so that either server reads
//! what the other wrote. Layout:
//!
//! | bytes | what |
//! |---|---|
//! | 4 | `HYLL` |
//! | 1 | 0 for dense, 1 for sparse |
//! | 3 | unused |
//! | 8 | the last count, little-endian; the highest bit says that it is out of date |
//! | n | the 16384 registers |
//!
//! A dense one has 6 bits for each register, from the lowest bit of the first byte on: 12288 bytes. A sparse one has a
//! sequence of runs, see [`Run`]; it becomes dense when it grows beyond a limit or a register beyond 32. Which runs
//! stand for given registers depends on their history, so [`set_sparse`] splits and joins them just as Redis does.
//!
//! An element is hashed with MurmurHash64A; 14 bits of the hash choose a register, and the register keeps the longest
//! sequence of zeros (with the one behind it) seen in the other 50. The estimate is that of Otmar Ertl, "New
//! cardinality estimation algorithms for HyperLogLog sketches", arXiv:1702.01284, as in Redis since 5.0.

use std::ops::Range;

/// Registers of a HyperLogLog.
pub const REGISTERS: usize = 1 << INDEX_BITS;
/// Length of a dense one, in bytes.
pub const DENSE_LEN: usize = HEADER_LEN + REGISTERS * REGISTER_BITS / 8;
const INDEX_BITS: u32 = 14;
const REGISTER_BITS: usize = 6;
const REGISTER_MAX: u8 = (1 << REGISTER_BITS) - 1;
/// Bits of the hash that do not choose the register.
const RANK_BITS: u32 = u64::BITS - INDEX_BITS;

const MAGIC: &[u8] = b"HYLL";
const HEADER_LEN: usize = 16;
const ENCODING_AT: usize = 4;
const COUNT: Range<usize> = 8..16;
/// In the last byte of the header: the count is out of date.
const STALE: u8 = 1 << 7;
const DENSE: u8 = 0;
const SPARSE: u8 = 1;

/// The longest run of zeros in one byte.
const SHORT_ZEROS: usize = 64;
/// The largest register that a run can hold.
const RUN_VALUE_MAX: u8 = 32;
/// The longest run of registers that are not zero.
const RUN_LEN_MAX: usize = 4;
/// Runs that are looked at for joining, from the one before a change on.
const JOIN_RUNS: usize = 5;

/// The runs do not make up the registers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Corrupted;

/// How the registers are laid out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Encoding {
    /// Six bits each.
    Dense,
    /// Runs.
    Sparse,
}

/// A run of registers in a sparse one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Run {
    /// `00nnnnnn`: n + 1 zeros.
    Zeros(usize),
    /// `01nnnnnn nnnnnnnn`: n + 1 zeros.
    ManyZeros(usize),
    /// `1vvvvvnn`: n + 1 registers of value v + 1.
    Values {
        /// The value of each.
        value: u8,
        /// How many.
        len: usize,
    },
}

impl Run {
    /// The run that `bytes` begin with, if they hold a whole one.
    fn read(bytes: &[u8]) -> Option<Run> {
        match *bytes {
            [byte, ..] if byte & 0x80 != 0 => Some(Run::Values {
                value: (byte >> 2 & 0x1f) + 1,
                len: usize::from(byte & 3) + 1,
            }),
            [byte, low, ..] if byte & 0x40 != 0 => Some(Run::ManyZeros(
                (usize::from(byte & 0x3f) << 8 | usize::from(low)) + 1,
            )),
            [byte, ..] if byte & 0x40 == 0 => Some(Run::Zeros(usize::from(byte) + 1)),
            _ => None,
        }
    }

    /// How many registers it stands for.
    pub fn len(self) -> usize {
        match self {
            Run::Zeros(len) | Run::ManyZeros(len) | Run::Values { len, .. } => len,
        }
    }

    /// Never: a run stands for a register at least.
    pub fn is_empty(self) -> bool {
        self.len() == 0
    }

    /// The value of its registers.
    fn value(self) -> u8 {
        match self {
            Run::Values { value, .. } => value,
            _ => 0,
        }
    }

    /// Length in bytes.
    fn size(self) -> usize {
        if matches!(self, Run::ManyZeros(_)) {
            2
        } else {
            1
        }
    }

    /// The run of `len` zeros that takes the least bytes.
    fn zeros(len: usize) -> Run {
        if len > SHORT_ZEROS {
            Run::ManyZeros(len)
        } else {
            Run::Zeros(len)
        }
    }

    /// Its bytes; only the first [`Run::size`] count.
    fn bytes(self) -> [u8; 2] {
        let less_one = self.len() - 1;
        match self {
            Run::Zeros(_) => [less_one as u8, 0],
            Run::ManyZeros(_) => [0x40 | (less_one >> 8) as u8, less_one as u8],
            Run::Values { value, .. } => [0x80 | (value - 1) << 2 | less_one as u8, 0],
        }
    }
}

/// An empty one, sparse.
pub fn new() -> Vec<u8> {
    let mut bytes = Vec::with_capacity(HEADER_LEN + 2);
    bytes.extend_from_slice(MAGIC);
    bytes.push(SPARSE);
    bytes.resize(HEADER_LEN, 0);
    bytes.extend_from_slice(&Run::ManyZeros(REGISTERS).bytes());
    bytes
}

/// Whether `bytes` begin as a HyperLogLog does and, if dense, have its length. Runs are checked when they are read.
pub fn is_valid(bytes: &[u8]) -> bool {
    bytes.len() >= HEADER_LEN
        && bytes.starts_with(MAGIC)
        && match bytes[ENCODING_AT] {
            DENSE => bytes.len() == DENSE_LEN,
            encoding => encoding == SPARSE,
        }
}

/// The encoding of a valid one.
pub fn encoding(bytes: &[u8]) -> Encoding {
    if bytes[ENCODING_AT] == DENSE {
        Encoding::Dense
    } else {
        Encoding::Sparse
    }
}

/// The count that a valid one remembers, unless it has changed since.
pub fn remembered_count(bytes: &[u8]) -> Option<u64> {
    let count = u64::from_le_bytes(bytes[COUNT].try_into().ok()?);
    (count >> 63 == 0).then_some(count)
}

/// Makes a valid one remember its count.
pub fn remember_count(bytes: &mut [u8], count: u64) {
    bytes[COUNT].copy_from_slice(&count.to_le_bytes());
}

/// Makes a valid one forget its count, because it has changed.
pub fn forget_count(bytes: &mut [u8]) {
    bytes[COUNT.end - 1] |= STALE;
}

/// What an element does to a HyperLogLog: a register is at least `rank`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mark {
    index: usize,
    rank: u8,
}

impl Mark {
    /// The mark of `element`.
    #[inline]
    pub fn of(element: &[u8]) -> Mark {
        let hash = murmur64(element, SEED);
        // The bit above all others ends the zeros at the latest.
        let rest = hash >> INDEX_BITS | 1 << RANK_BITS;
        Mark {
            index: hash as usize & (REGISTERS - 1),
            rank: rest.trailing_zeros() as u8 + 1,
        }
    }

    /// Whether a valid HyperLogLog would change by it.
    pub fn is_new_to(self, bytes: &[u8]) -> Result<bool, Corrupted> {
        let value = match encoding(bytes) {
            Encoding::Dense => dense_register(bytes, self.index),
            Encoding::Sparse => Place::of(bytes, self.index)?.run.value(),
        };
        Ok(value < self.rank)
    }

    /// Puts it into a valid HyperLogLog, which may become dense if as a sparse one it would grow beyond
    /// `sparse_max_bytes`; false if nothing changes. The remembered count is left to the caller.
    pub fn put(self, bytes: &mut Vec<u8>, sparse_max_bytes: usize) -> Result<bool, Corrupted> {
        if encoding(bytes) == Encoding::Sparse {
            match set_sparse(bytes, self, sparse_max_bytes)? {
                Sparse::Same => return Ok(false),
                Sparse::Changed => return Ok(true),
                Sparse::NoRoom => make_dense(bytes)?,
            };
        }
        Ok(set_dense(bytes, self))
    }
}

/// Makes a valid one dense; false if it was.
pub fn make_dense(bytes: &mut Vec<u8>) -> Result<bool, Corrupted> {
    if encoding(bytes) == Encoding::Dense {
        return Ok(false);
    }
    let mut dense = vec![0; DENSE_LEN];
    dense[..HEADER_LEN].copy_from_slice(&bytes[..HEADER_LEN]);
    dense[ENCODING_AT] = DENSE;
    each_run(bytes, |index, run| {
        let rank = run.value();
        if rank > 0 {
            for index in index..index + run.len() {
                set_dense(&mut dense, Mark { index, rank });
            }
        }
    })?;
    *bytes = dense;
    Ok(true)
}

/// The estimate of how many elements a valid one has seen.
pub fn count(bytes: &[u8]) -> Result<u64, Corrupted> {
    let mut histogram = Histogram::default();
    match encoding(bytes) {
        Encoding::Dense => each_dense(bytes, |_, value| histogram.add(value, 1)),
        Encoding::Sparse => each_run(bytes, |_, run| histogram.add(run.value(), run.len()))?,
    }
    Ok(histogram.estimate())
}

/// The runs of a sparse one, up to the end or to what is no run.
pub fn runs(bytes: &[u8]) -> impl Iterator<Item = Run> {
    let mut rest = bytes.get(HEADER_LEN..).unwrap_or_default();
    std::iter::from_fn(move || {
        let run = Run::read(rest)?;
        rest = &rest[run.size()..];
        Some(run)
    })
}

/// The largest values of the registers of several HyperLogLogs: their union.
pub struct Registers(Box<[u8; REGISTERS]>);

impl Default for Registers {
    fn default() -> Self {
        Registers(Box::new([0; REGISTERS]))
    }
}

impl Registers {
    /// Adds those of a valid one.
    pub fn merge(&mut self, bytes: &[u8]) -> Result<(), Corrupted> {
        match encoding(bytes) {
            Encoding::Dense => each_dense(bytes, |index, value| {
                let most = &mut self.0[index];
                *most = value.max(*most);
            }),
            Encoding::Sparse => each_run(bytes, |index, run| {
                if run.value() > 0 {
                    for most in &mut self.0[index..index + run.len()] {
                        *most = run.value().max(*most);
                    }
                }
            })?,
        }
        Ok(())
    }

    /// The estimate of how many elements the union has.
    pub fn count(&self) -> u64 {
        let mut histogram = Histogram::default();
        // Most registers of small ones are zero.
        for eight in self.0.chunks_exact(8) {
            if eight.iter().fold(0, |any, &value| any | value) == 0 {
                histogram.add(0, 8);
            } else {
                eight.iter().for_each(|&value| histogram.add(value, 1));
            }
        }
        histogram.estimate()
    }

    /// Puts them into a valid one, register after register, and makes it forget its count. With `dense` it becomes
    /// dense first, else when it would grow beyond `sparse_max_bytes`.
    pub fn put(
        &self,
        bytes: &mut Vec<u8>,
        dense: bool,
        sparse_max_bytes: usize,
    ) -> Result<(), Corrupted> {
        if dense {
            make_dense(bytes)?;
        }
        for (index, &rank) in self.0.iter().enumerate() {
            if rank > 0 {
                Mark { index, rank }.put(bytes, sparse_max_bytes)?;
            }
        }
        forget_count(bytes);
        Ok(())
    }

    /// The values, in the order of the registers.
    pub fn values(&self) -> &[u8; REGISTERS] {
        &self.0
    }
}

/// Calls `visit` with the index of the first register of each run; an error if the runs are not one for each register.
fn each_run(bytes: &[u8], mut visit: impl FnMut(usize, Run)) -> Result<(), Corrupted> {
    let (mut index, mut size) = (0, HEADER_LEN);
    for run in runs(bytes) {
        if index + run.len() > REGISTERS {
            return Err(Corrupted);
        }
        visit(index, run);
        index += run.len();
        size += run.size();
    }
    if index == REGISTERS && size == bytes.len() {
        Ok(())
    } else {
        Err(Corrupted)
    }
}

/// Calls `visit` with every register of a dense one.
fn each_dense(bytes: &[u8], mut visit: impl FnMut(usize, u8)) {
    // Four registers lie in three bytes.
    for (group, lot) in bytes[HEADER_LEN..].chunks_exact(3).enumerate() {
        let lot = u32::from_le_bytes([lot[0], lot[1], lot[2], 0]);
        for within in 0..4 {
            let value = (lot >> (within * REGISTER_BITS)) as u8 & REGISTER_MAX;
            visit(group * 4 + within, value);
        }
    }
}

/// Where register `index` is in a dense one: the byte of its lowest bit, and that bit.
fn dense_place(index: usize) -> (usize, usize) {
    let bit = index * REGISTER_BITS;
    (HEADER_LEN + bit / 8, bit % 8)
}

/// The two bytes in which a register of a dense one can lie; the last one lies in one.
fn dense_pair(bytes: &[u8], at: usize) -> u16 {
    u16::from_le_bytes([bytes[at], bytes.get(at + 1).copied().unwrap_or(0)])
}

fn dense_register(bytes: &[u8], index: usize) -> u8 {
    let (at, shift) = dense_place(index);
    (dense_pair(bytes, at) >> shift) as u8 & REGISTER_MAX
}

/// Puts a mark into a dense one; false if nothing changes.
fn set_dense(bytes: &mut [u8], mark: Mark) -> bool {
    if dense_register(bytes, mark.index) >= mark.rank {
        return false;
    }
    let (at, shift) = dense_place(mark.index);
    let others = dense_pair(bytes, at) & !(u16::from(REGISTER_MAX) << shift);
    let [low, high] = (others | u16::from(mark.rank) << shift).to_le_bytes();
    bytes[at] = low;
    if let Some(second) = bytes.get_mut(at + 1) {
        *second = high;
    }
    true
}

/// Where a register is in a sparse one.
struct Place {
    /// Where the run before its run begins, or its own if that is the first.
    before: usize,
    /// Where its run begins.
    at: usize,
    run: Run,
    /// The index of the first register of the run.
    first: usize,
}

impl Place {
    /// The place of register `index`. Every element that is added to a sparse one comes through here.
    fn of(bytes: &[u8], index: usize) -> Result<Place, Corrupted> {
        let (mut before, mut at, mut first) = (HEADER_LEN, HEADER_LEN, 0);
        loop {
            let rest = bytes.get(at..).ok_or(Corrupted)?;
            if let Some(len) = rest.first_chunk().and_then(registers_of_eight)
                && first + len <= index
            {
                at += 8;
                first += len;
                before = at - 1;
                continue;
            }
            let run = Run::read(rest).ok_or(Corrupted)?;
            if index < first + run.len() {
                return Ok(Place {
                    before,
                    at,
                    run,
                    first,
                });
            }
            before = at;
            at += run.size();
            first += run.len();
        }
    }
}

/// How many registers eight runs of one byte stand for; `None` if a run of two bytes is among them. All eight are
/// reckoned at once, because most of the time that an addition takes is spent in passing runs.
#[inline]
fn registers_of_eight(runs: &[u8; 8]) -> Option<usize> {
    const ONES: u64 = u64::from_ne_bytes([1; 8]);
    const EVEN: u64 = 0x00ff_00ff_00ff_00ff;
    let word = u64::from_le_bytes(*runs);
    let values = word >> 7 & ONES;
    if word >> 6 & ONES & !values != 0 {
        return None;
    }
    // The bits of the length: six of a run of zeros, two of a run of values.
    let lens = (word & (0x3f * ONES - 0x3c * values)) + ONES;
    let pairs = (lens & EVEN) + (lens >> 8 & EVEN);
    Some((pairs.wrapping_mul(0x0001_0001_0001_0001) >> 48) as usize)
}

/// What came of a mark for a sparse one.
enum Sparse {
    Same,
    Changed,
    /// It has to become dense first.
    NoRoom,
}

/// Puts a mark into a sparse one: its run is split in up to three, then neighbours are joined where they can be.
fn set_sparse(bytes: &mut Vec<u8>, mark: Mark, max_bytes: usize) -> Result<Sparse, Corrupted> {
    if mark.rank > RUN_VALUE_MAX {
        return Ok(Sparse::NoRoom);
    }
    let place = Place::of(bytes, mark.index)?;
    let value = place.run.value();
    if value >= mark.rank {
        return Ok(Sparse::Same);
    }
    let part = |len| match value {
        0 => Run::zeros(len),
        value => Run::Values { value, len },
    };
    let ahead = mark.index - place.first;
    let behind = place.run.len() - ahead - 1;
    let own = Run::Values {
        value: mark.rank,
        len: 1,
    };
    // Two bytes of zeros, the register, two bytes of zeros.
    let (mut new, mut len) = ([0; 5], 0);
    let parts = [
        (ahead > 0).then(|| part(ahead)),
        Some(own),
        (behind > 0).then(|| part(behind)),
    ];
    for run in parts.into_iter().flatten() {
        new[len..len + run.size()].copy_from_slice(&run.bytes()[..run.size()]);
        len += run.size();
    }
    let old_len = place.run.size();
    if len > old_len && bytes.len() + len - old_len > max_bytes {
        return Ok(Sparse::NoRoom);
    }
    bytes.splice(place.at..place.at + old_len, new[..len].iter().copied());
    join(bytes, place.before);
    Ok(Sparse::Changed)
}

/// Joins runs of the same value that are next to each other, from the one at `at` on.
fn join(bytes: &mut Vec<u8>, mut at: usize) {
    for _ in 0..JOIN_RUNS {
        let Some(run) = bytes.get(at..).and_then(Run::read) else {
            return;
        };
        let next = Run::read(&bytes[at + run.size()..]);
        match (run, next) {
            (
                Run::Values { value, len },
                Some(Run::Values {
                    value: same,
                    len: more,
                }),
            ) if value == same && len + more <= RUN_LEN_MAX => {
                let len = len + more;
                bytes[at] = Run::Values { value, len }.bytes()[0];
                bytes.remove(at + 1);
                // The joined run may be joined again.
            }
            _ => at += run.size(),
        }
    }
}

/// How many registers have which value.
struct Histogram([u32; REGISTER_MAX as usize + 1]);

impl Default for Histogram {
    fn default() -> Self {
        Histogram([0; REGISTER_MAX as usize + 1])
    }
}

impl Histogram {
    #[inline]
    fn add(&mut self, value: u8, registers: usize) {
        self.0[usize::from(value & REGISTER_MAX)] += registers as u32;
    }

    /// The estimate by Ertl's formula, rounded half away from zero.
    fn estimate(&self) -> u64 {
        // 1 / (2 ln 2), with the digits that Redis has for it.
        const ALPHA: f64 = 0.721_347_520_444_481_7;
        let all = REGISTERS as f64;
        let top = RANK_BITS as usize + 1;
        let mut sum = all * tau((all - f64::from(self.0[top])) / all);
        for &registers in self.0[1..top].iter().rev() {
            sum = (sum + f64::from(registers)) * 0.5;
        }
        sum += all * sigma(f64::from(self.0[0]) / all);
        let estimate = (ALPHA * all * all / sum).round();
        if estimate.is_finite() {
            estimate as u64
        } else {
            // No elements lead to such registers, but bytes from a peer may. C's conversion gives this number there,
            // which as a remembered count is one out of date.
            1 << 63
        }
    }
}

/// The part of the estimate that comes from registers of zero.
fn sigma(mut x: f64) -> f64 {
    if x == 1.0 {
        return f64::INFINITY;
    }
    let (mut weight, mut sum) = (1.0, x);
    loop {
        let before = sum;
        x *= x;
        sum += x * weight;
        weight += weight;
        if sum == before {
            return sum;
        }
    }
}

/// The part of the estimate that comes from registers of the largest value.
fn tau(mut x: f64) -> f64 {
    if x == 0.0 || x == 1.0 {
        return 0.0;
    }
    let (mut weight, mut sum) = (1.0, 1.0 - x);
    loop {
        let before = sum;
        x = x.sqrt();
        weight *= 0.5;
        sum -= (1.0 - x) * (1.0 - x) * weight;
        if sum == before {
            return sum / 3.0;
        }
    }
}

/// The seed of Redis's HyperLogLogs.
const SEED: u64 = 0xadc8_3b19;

/// MurmurHash2 for 64-bit machines (MurmurHash64A, Austin Appleby, public domain), reading little-endian.
fn murmur64(bytes: &[u8], seed: u64) -> u64 {
    const MULTIPLIER: u64 = 0xc6a4_a793_5bd1_e995;
    const SHIFT: u32 = 47;
    let (words, rest) = bytes.as_chunks::<8>();
    let mut hash = seed ^ (bytes.len() as u64).wrapping_mul(MULTIPLIER);
    for word in words {
        let mut word = u64::from_le_bytes(*word).wrapping_mul(MULTIPLIER);
        word = (word ^ word >> SHIFT).wrapping_mul(MULTIPLIER);
        hash = (hash ^ word).wrapping_mul(MULTIPLIER);
    }
    if !rest.is_empty() {
        let mut last = [0; 8];
        last[..rest.len()].copy_from_slice(rest);
        hash = (hash ^ u64::from_le_bytes(last)).wrapping_mul(MULTIPLIER);
    }
    hash = (hash ^ hash >> SHIFT).wrapping_mul(MULTIPLIER);
    hash ^ hash >> SHIFT
}

#[cfg(test)]
mod tests;
