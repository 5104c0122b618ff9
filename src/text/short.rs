//! Comparing short byte strings: most names and keys are shorter than what a call of the C library's `memcmp` costs.

/// Whether two byte strings are the same.
#[inline]
pub fn same(left: &[u8], right: &[u8]) -> bool {
    left.len() == right.len()
        && match left.len() {
            4..8 => ends::<4>(left) == ends::<4>(right),
            8..=16 => ends::<8>(left) == ends::<8>(right),
            _ => left == right,
        }
}

/// The first and the last `N` bytes, which overlap in a string that is shorter than both.
#[inline]
fn ends<const N: usize>(text: &[u8]) -> (Option<&[u8; N]>, Option<&[u8; N]>) {
    (text.first_chunk(), text.last_chunk())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strings_of_any_length_differ_in_any_byte() {
        let text: Vec<u8> = (0..40).collect();
        for len in 0..text.len() {
            let text = &text[..len];
            let copy = text.to_vec();
            assert!(same(text, &copy));
            for at in 0..len {
                let mut other = text.to_vec();
                other[at] ^= 0x20;
                assert!(!same(text, &other), "byte {at} of {len}");
                assert!(!same(text, &text[..at]));
            }
        }
    }
}
