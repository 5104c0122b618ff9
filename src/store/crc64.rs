//! The checksum of dump files and payloads: CRC-64 with the polynomial of David T. Jones, bits reflected, from 0, without a
//! final complement, as Redis has it (`crc64.c`; the check value of `123456789` is `e9c6d914c4b8d9ca`).
//!
//! Every byte of a file goes through it on the thread that reads or writes the file, so it is computed by the processor's
//! carry-less multiplication where there is one: tables of eight bytes at a time take a tenth of all that loading takes.
//! It lies here because only the store may ask the processor for what not every processor has.
//!
//! A checksum is what remains of the bytes, taken as a polynomial, divided by the [`POLYNOMIAL`]. Sixteen bytes that lie n
//! bits before the end have the same remainder as their products with the remainders of x^(n+64) and x^n: so a run of
//! blocks is *folded* into its last block, and what is left, sixteen bytes and less than sixteen behind them, goes through
//! the tables. (Intel's white paper "Fast CRC Computation for Generic Polynomials Using PCLMULQDQ Instruction" derives it.)

/// The polynomial, bits reflected: the lowest bit is the coefficient of x^63.
const POLYNOMIAL: u64 = 0x95ac_9329_ac4b_c9b5;

/// Shorter pieces gain nothing by folding.
const FOLDED_FROM: usize = 64;

/// Remainders of each byte with 0 to 7 zero bytes behind it.
static TABLES: [[u64; 256]; 8] = tables();

/// The checksum of what `crc` is the checksum of (0 for nothing) followed by `bytes`.
pub fn update(crc: u64, bytes: &[u8]) -> u64 {
    if bytes.len() >= FOLDED_FROM
        && let Some((block, rest)) = fold::folded(crc, bytes)
    {
        return update_by_table(update_by_table(0, &block), rest);
    }
    update_by_table(crc, bytes)
}

fn update_by_table(mut crc: u64, bytes: &[u8]) -> u64 {
    let (words, rest) = bytes.as_chunks::<8>();
    for word in words {
        let mixed = (crc ^ u64::from_le_bytes(*word)).to_le_bytes();
        crc = mixed
            .iter()
            .zip(TABLES.iter().rev())
            .fold(0, |crc, (&byte, table)| crc ^ table[usize::from(byte)]);
    }
    rest.iter().fold(crc, |crc, &byte| {
        (crc >> 8) ^ TABLES[0][usize::from(crc.to_le_bytes()[0] ^ byte)]
    })
}

/// The polynomial multiplied by x, modulo the polynomial of the checksum.
const fn times_x(polynomial: u64) -> u64 {
    (polynomial >> 1) ^ (POLYNOMIAL & (polynomial & 1).wrapping_neg())
}

const fn tables() -> [[u64; 256]; 8] {
    let mut tables = [[0; 256]; 8];
    let mut byte = 0;
    while byte < 256 {
        let mut crc = byte as u64;
        let mut bit = 0;
        while bit < 8 {
            crc = times_x(crc);
            bit += 1;
        }
        tables[0][byte] = crc;
        byte += 1;
    }
    let mut zeros = 1;
    while zeros < 8 {
        let mut byte = 0;
        while byte < 256 {
            let crc: u64 = tables[zeros - 1][byte];
            tables[zeros][byte] = (crc >> 8) ^ tables[0][(crc & 0xff) as usize];
            byte += 1;
        }
        zeros += 1;
    }
    tables
}

/// Folding, on processors with a carry-less multiplication that this knows to use.
#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
mod fold {
    #[cfg(target_arch = "aarch64")]
    use arm::{folded_onto, from_bytes, to_bytes};
    #[cfg(target_arch = "x86_64")]
    use intel::{folded_onto, from_bytes, to_bytes};

    use super::times_x;

    /// Blocks that are folded side by side, since a multiplication takes several steps, of which each can be another's.
    const LANES: usize = 8;

    /// What the two halves of a block are multiplied by when it is moved by so many bits.
    #[derive(Clone, Copy)]
    struct Move {
        first: u64,
        second: u64,
    }

    impl Move {
        /// The product of two reflected polynomials comes out multiplied by x: so the powers are less by one.
        const fn by(bits: u32) -> Move {
            Move {
                first: power(bits + 63),
                second: power(bits - 1),
            }
        }
    }

    /// x to the power of `exponent`, modulo the polynomial of the checksum.
    const fn power(exponent: u32) -> u64 {
        let mut power = 1 << 63;
        let mut at = 0;
        while at < exponent {
            power = times_x(power);
            at += 1;
        }
        power
    }

    const BY_ONE: Move = Move::by(128);
    const BY_ALL: Move = Move::by(128 * LANES as u32);

    /// All whole blocks of `bytes` folded into one, with `crc` in front of them, and the bytes behind them; nothing where the
    /// processor cannot, or there is no block.
    pub(super) fn folded(crc: u64, bytes: &[u8]) -> Option<([u8; 16], &[u8])> {
        let (blocks, rest) = bytes.as_chunks::<16>();
        if blocks.is_empty() || !is_possible() {
            return None;
        }
        // SAFETY: the processor has the instructions, as `is_possible` has asked.
        Some((unsafe { fold(crc, blocks) }, rest))
    }

    fn is_possible() -> bool {
        #[cfg(target_arch = "x86_64")]
        return is_x86_feature_detected!("pclmulqdq");
        #[cfg(target_arch = "aarch64")]
        return std::arch::is_aarch64_feature_detected!("aes");
    }

    /// `blocks` has one at least.
    #[cfg_attr(target_arch = "x86_64", target_feature(enable = "pclmulqdq"))]
    #[cfg_attr(target_arch = "aarch64", target_feature(enable = "aes"))]
    fn fold(crc: u64, blocks: &[[u8; 16]]) -> [u8; 16] {
        let mut first = blocks[0];
        let start = crc.to_le_bytes();
        first
            .iter_mut()
            .zip(start)
            .for_each(|(byte, start)| *byte ^= start);
        let (rows, _) = blocks.as_chunks::<LANES>();
        let (mut sum, mut done) = (from_bytes(&first), 1);
        if let Some((row, rows)) = rows.split_first() {
            let mut lanes = [sum; LANES];
            for (lane, block) in lanes.iter_mut().zip(row).skip(1) {
                *lane = from_bytes(block);
            }
            for row in rows {
                for (lane, block) in lanes.iter_mut().zip(row) {
                    *lane = folded_onto(*lane, BY_ALL, from_bytes(block));
                }
            }
            sum = lanes[0];
            for lane in &lanes[1..] {
                sum = folded_onto(sum, BY_ONE, *lane);
            }
            done = LANES * (rows.len() + 1);
        }
        for block in &blocks[done..] {
            sum = folded_onto(sum, BY_ONE, from_bytes(block));
        }
        to_bytes(sum)
    }

    #[cfg(target_arch = "x86_64")]
    mod intel {
        use std::arch::x86_64::{
            __m128i, _mm_clmulepi64_si128, _mm_cvtsi128_si64, _mm_set_epi64x, _mm_unpackhi_epi64,
            _mm_xor_si128,
        };

        use super::Move;

        #[inline]
        #[target_feature(enable = "pclmulqdq")]
        pub(super) fn from_bytes(bytes: &[u8; 16]) -> __m128i {
            let both = u128::from_le_bytes(*bytes);
            _mm_set_epi64x((both >> 64) as i64, both as i64)
        }

        #[inline]
        #[target_feature(enable = "pclmulqdq")]
        pub(super) fn to_bytes(block: __m128i) -> [u8; 16] {
            let first = _mm_cvtsi128_si64(block) as u64;
            let second = _mm_cvtsi128_si64(_mm_unpackhi_epi64(block, block)) as u64;
            (u128::from(second) << 64 | u128::from(first)).to_le_bytes()
        }

        /// `block` moved, and `other` added.
        #[inline]
        #[target_feature(enable = "pclmulqdq")]
        pub(super) fn folded_onto(block: __m128i, by: Move, other: __m128i) -> __m128i {
            let by = _mm_set_epi64x(by.second as i64, by.first as i64);
            let first = _mm_clmulepi64_si128::<0x00>(block, by);
            let second = _mm_clmulepi64_si128::<0x11>(block, by);
            _mm_xor_si128(_mm_xor_si128(first, second), other)
        }
    }

    #[cfg(target_arch = "aarch64")]
    mod arm {
        use std::arch::aarch64::vmull_p64;

        use super::Move;

        #[inline]
        #[target_feature(enable = "aes")]
        pub(super) fn from_bytes(bytes: &[u8; 16]) -> u128 {
            u128::from_le_bytes(*bytes)
        }

        #[inline]
        #[target_feature(enable = "aes")]
        pub(super) fn to_bytes(block: u128) -> [u8; 16] {
            block.to_le_bytes()
        }

        /// `block` moved, and `other` added.
        #[inline]
        #[target_feature(enable = "aes")]
        pub(super) fn folded_onto(block: u128, by: Move, other: u128) -> u128 {
            vmull_p64(block as u64, by.first) ^ vmull_p64((block >> 64) as u64, by.second) ^ other
        }
    }
}

/// Elsewhere the tables do it.
#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
mod fold {
    pub(super) fn folded(_crc: u64, _bytes: &[u8]) -> Option<([u8; 16], &[u8])> {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The definition, bit by bit.
    fn defined(crc: u64, bytes: &[u8]) -> u64 {
        bytes.iter().fold(crc, |crc, &byte| {
            (0..8).fold(crc ^ u64::from(byte), |crc, _| {
                (crc >> 1) ^ (POLYNOMIAL & (crc & 1).wrapping_neg())
            })
        })
    }

    #[test]
    fn the_check_value_is_that_of_the_polynomial() {
        assert_eq!(update(0, b"123456789"), 0xe9c6_d914_c4b8_d9ca);
    }

    #[test]
    fn bytes_of_any_length_in_pieces_have_the_checksum_of_the_definition() {
        let bytes: Vec<u8> = (0..3000u32).map(|byte| ((byte * 37) >> 3) as u8).collect();
        for len in (0..600).chain([1000, 1023, 1024, 1025, 2999, 3000]) {
            let bytes = &bytes[..len];
            let whole = defined(0, bytes);
            assert_eq!(update(0, bytes), whole, "{len}");
            assert_eq!(update_by_table(0, bytes), whole, "{len} by tables");
            for cut in [0, 1, len / 3, len / 2, len] {
                let (left, right) = bytes.split_at(cut.min(len));
                assert_eq!(update(update(0, left), right), whole, "{len} at {cut}");
            }
        }
    }
}
