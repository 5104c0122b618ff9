//! Strings changed where they lie: what SETRANGE, APPEND, SETBIT, BITFIELD and the HyperLogLogs have in common.
//!
//! A long string has a buffer of its own, which grows in steps; a short one lies in its entry and
//! is changed there as long as its length stays. Either is copied first if a snapshot or a reply under way shares it.

use std::sync::Arc;

use super::Str;
use crate::command::{CommandError, Context};
use crate::store::entry::{MAX_INLINE, NEVER, NewValue, Object};

const MIB: usize = 1 << 20;
/// The most room that a string is given beyond its length when it grows.
const MAX_SPARE: usize = 16 * MIB;

/// Lets `change` work on the string at `key`, made at least `min_len` bytes long with zeros at its end; a missing key
/// counts as empty. `change` is told whether the string was made longer, and its result is returned. Fails if another
/// type is there. The deadline stays; to say that the key has changed is left to the caller.
pub(crate) fn edit<R>(
    context: &mut Context<'_>,
    key: &[u8],
    min_len: usize,
    change: impl FnOnce(&mut [u8], bool) -> R,
) -> Result<R, CommandError> {
    let index = context.index();
    let Some(mut slot) = context.db.write(index, key) else {
        let grown = min_len > 0;
        return Ok(rebuild(context, key, (b"", min_len, NEVER), |bytes| {
            change(bytes, grown)
        }));
    };
    let text = Str::of(slot.value())?;
    let (len, is_long) = (text.len(), matches!(text, Str::Shared(_)));
    if is_long && let Some(Object::String(shared)) = slot.object_mut() {
        if len < min_len {
            grow(shared, min_len);
        }
        let bytes: &mut Vec<u8> = Arc::make_mut(shared);
        return Ok(change(bytes, len < min_len));
    }
    if len >= min_len
        && let Some(bytes) = slot.inline_mut()
    {
        return Ok(change(bytes, false));
    }
    // The text is copied because its entry is about to be replaced.
    let deadline_ms = slot.deadline_ms();
    let mut short = [0; MAX_INLINE];
    let mut digits = itoa::Buffer::new();
    let text = Str::of(slot.value())?;
    short[..len].copy_from_slice(text.bytes(&mut digits));
    drop(slot);
    let form = (&short[..len], min_len.max(len), deadline_ms);
    Ok(rebuild(context, key, form, |bytes| {
        change(bytes, len < min_len)
    }))
}

/// Makes a long string `len` bytes long, which is more than it is, with room for more: as much again while it is short, and little
/// in proportion when it is long, for that room counts as memory in use.
fn grow(shared: &mut Arc<Vec<u8>>, len: usize) {
    let spare = if len < MIB {
        len
    } else {
        (len / 8).clamp(MIB, MAX_SPARE)
    };
    match Arc::get_mut(shared) {
        Some(bytes) => {
            if bytes.capacity() < len {
                bytes.reserve_exact(len + spare - bytes.len());
            }
            bytes.resize(len, 0);
        }
        None => {
            let mut bytes = Vec::with_capacity(len + spare);
            bytes.extend_from_slice(shared);
            bytes.resize(len, 0);
            *shared = Arc::new(bytes);
        }
    }
}

/// Stores a new string: the given bytes, made that long, with that deadline, and changed.
fn rebuild<R>(
    context: &mut Context<'_>,
    key: &[u8],
    (bytes, len, deadline_ms): (&[u8], usize, u64),
    change: impl FnOnce(&mut [u8]) -> R,
) -> R {
    if len > MAX_INLINE {
        // Zeroed by the allocator: the pages of a huge bitmap come into being when they are written.
        let mut long = vec![0; len];
        long[..bytes.len()].copy_from_slice(bytes);
        let result = change(&mut long);
        set_bytes(context, key, long, deadline_ms);
        return result;
    }
    let mut short = [0; MAX_INLINE];
    short[..bytes.len()].copy_from_slice(bytes);
    let result = change(&mut short[..len]);
    context.set(key, NewValue::Raw(&short[..len]), deadline_ms);
    result
}

/// Stores bytes that are the result of a change, so that OBJECT ENCODING calls them raw.
pub(crate) fn set_bytes(context: &mut Context<'_>, key: &[u8], bytes: Vec<u8>, deadline_ms: u64) {
    if bytes.len() > MAX_INLINE {
        let object = Object::String(Arc::new(bytes));
        context.set(key, NewValue::Object(object), deadline_ms);
    } else {
        context.set(key, NewValue::Raw(&bytes), deadline_ms);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_string_that_grows_gets_room_in_measure() {
        for (len, most) in [
            (100, 202),
            (MIB - 1, 2 * MIB),
            (64 * MIB, 73 * MIB),
            (200 * MIB, 217 * MIB),
        ] {
            let mut shared = Arc::new(vec![7; len]);
            grow(&mut shared, len + 1);
            assert_eq!(
                (shared.len(), shared[len - 1], shared[len]),
                (len + 1, 7, 0)
            );
            assert!(shared.capacity() <= most, "{len}: {}", shared.capacity());
            let capacity = shared.capacity();
            grow(&mut shared, len + 2);
            assert_eq!(shared.capacity(), capacity, "there was room");
        }
        let snapshot = Arc::new(vec![7; 1000]);
        let mut shared = Arc::clone(&snapshot);
        grow(&mut shared, 1001);
        assert_eq!((snapshot.len(), shared.len(), shared[999]), (1000, 1001, 7));
        assert!(shared.capacity() > 1001);
    }
}
