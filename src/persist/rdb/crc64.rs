//! The checksum of dump files and payloads: CRC-64 with the polynomial of David T. Jones, bits reflected, from 0, without a
//! final complement, as Redis has it (`crc64.c`; the check value of `123456789` is `e9c6d914c4b8d9ca`).
//!
//! Every byte of a file goes through it on the thread that reads or writes the file, so it is computed by the processor's
//! carry-less multiplication where there is one: tables of eight bytes at a time take a tenth of all that loading takes.

use crc_fast::{CrcAlgorithm, Digest};

/// The checksum of what `crc` is the checksum of (0 for nothing) followed by `bytes`.
pub fn update(crc: u64, bytes: &[u8]) -> u64 {
    let mut digest = Digest::new_with_init_state(CrcAlgorithm::Crc64Redis, crc);
    digest.update(bytes);
    digest.finalize()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The definition, bit by bit.
    fn defined(crc: u64, bytes: &[u8]) -> u64 {
        const POLYNOMIAL: u64 = 0x95ac_9329_ac4b_c9b5;
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
        for len in (0..300).chain([1000, 1023, 1024, 1025, 2999, 3000]) {
            let bytes = &bytes[..len];
            let whole = defined(0, bytes);
            assert_eq!(update(0, bytes), whole, "{len}");
            for cut in [0, 1, len / 3, len / 2, len] {
                let (left, right) = bytes.split_at(cut.min(len));
                assert_eq!(update(update(0, left), right), whole, "{len} at {cut}");
            }
        }
    }
}
