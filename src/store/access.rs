//! What an entry remembers of its uses, in 24 bits: when the last one was, or how often there were any.
//!
//! | policy | bits 8 to 23 | bits 0 to 7 |
//! |---|---|---|
//! | [`AccessPolicy::Lru`] | the last use in Unix seconds, all 24 bits of it | |
//! | [`AccessPolicy::Lfu`] | the last use in Unix minutes | a counter that grows like the logarithm of the uses |
//!
//! Both go around (after 194 and 45 days). After a change of the policy what was noted under the other one is read wrongly
//! until the key is used again, as in Redis, whose layouts and rules these are: they show in OBJECT IDLETIME and
//! OBJECT FREQ, and decide what eviction takes first.

/// Bits that are kept.
const CLOCK_MASK: u32 = 0x00ff_ffff;
/// The bits of the minutes.
const MINUTES_MASK: u32 = 0xffff;
/// The counter of a new key, so that it is not the first to be evicted.
const NEW_COUNTER: u32 = 5;
/// The counter grows no further.
const MAX_COUNTER: u32 = 255;

/// Which of the two is noted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum AccessPolicy {
    /// The time of the last use.
    #[default]
    Lru,
    /// The frequency of uses.
    Lfu {
        /// `lfu-log-factor`: the larger, the more uses the counter takes to grow.
        log_factor: u32,
        /// `lfu-decay-time`: the counter falls by one after so many minutes without use; 0 for never.
        decay_time_min: u32,
    },
}

impl AccessPolicy {
    /// What is noted for a key that is made now.
    #[inline]
    pub fn made(self, now_ms: u64) -> u32 {
        match self {
            AccessPolicy::Lru => seconds(now_ms),
            AccessPolicy::Lfu { .. } => minutes(now_ms) << 8 | NEW_COUNTER,
        }
    }

    /// What is noted for a use now of a key for which `before` was.
    #[inline]
    pub fn used(self, before: u32, now_ms: u64, rng: &mut fastrand::Rng) -> u32 {
        match self {
            AccessPolicy::Lru => seconds(now_ms),
            AccessPolicy::Lfu { log_factor, .. } => {
                let counter = self.frequency(before, now_ms);
                minutes(now_ms) << 8 | grown(counter, log_factor, rng)
            }
        }
    }

    /// What is noted for a key that is moved now: its frequency goes with it.
    pub fn moved(self, before: u32, now_ms: u64) -> u32 {
        match self {
            AccessPolicy::Lfu { .. } if before != 0 => before,
            _ => self.made(now_ms),
        }
    }

    /// What is noted for a key that was last used `idle_s` seconds ago; nothing if frequencies are noted.
    pub fn idle_for(self, idle_s: u64, now_ms: u64) -> Option<u32> {
        match self {
            AccessPolicy::Lru => {
                let ago_ms = idle_s.saturating_mul(1000);
                Some(seconds(now_ms.saturating_sub(ago_ms)))
            }
            AccessPolicy::Lfu { .. } => None,
        }
    }

    /// What is noted for a key whose counter is `counter` now; nothing if times are noted.
    pub fn used_often(self, counter: u8, now_ms: u64) -> Option<u32> {
        match self {
            AccessPolicy::Lru => None,
            AccessPolicy::Lfu { .. } => Some(minutes(now_ms) << 8 | u32::from(counter)),
        }
    }

    /// The counter of a key, less what it has lost since its last use.
    pub fn frequency(self, noted: u32, now_ms: u64) -> u32 {
        let idle_min = minutes(now_ms).wrapping_sub(noted >> 8) & MINUTES_MASK;
        let decay_time_min = match self {
            AccessPolicy::Lru => 0,
            AccessPolicy::Lfu { decay_time_min, .. } => decay_time_min,
        };
        let lost = idle_min.checked_div(decay_time_min).unwrap_or(0);
        (noted & MAX_COUNTER).saturating_sub(lost)
    }
}

/// Seconds since the last use that [`AccessPolicy::Lru`] has noted.
pub fn idle_s(noted: u32, now_ms: u64) -> u32 {
    seconds(now_ms).wrapping_sub(noted) & CLOCK_MASK
}

/// The chance to grow falls with the counter's height above that of a new key.
#[cold]
fn grown(counter: u32, log_factor: u32, rng: &mut fastrand::Rng) -> u32 {
    let height = f64::from(counter.saturating_sub(NEW_COUNTER));
    let chance = 1.0 / (height * f64::from(log_factor) + 1.0);
    counter + u32::from(counter < MAX_COUNTER && rng.f64() < chance)
}

#[inline]
fn seconds(now_ms: u64) -> u32 {
    (now_ms / 1000) as u32 & CLOCK_MASK
}

fn minutes(now_ms: u64) -> u32 {
    (now_ms / 60_000) as u32 & MINUTES_MASK
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE_MS: u64 = 60_000;
    const NOW_MS: u64 = 1_700_000_000_000;

    fn lfu(log_factor: u32, decay_time_min: u32) -> AccessPolicy {
        AccessPolicy::Lfu {
            log_factor,
            decay_time_min,
        }
    }

    #[test]
    fn idle_time_is_right_when_the_clock_has_gone_around() {
        let around_ms = (u64::from(CLOCK_MASK) + 1) * 1000;
        for (made_ms, now_ms, want_s) in [
            (NOW_MS, NOW_MS, 0),
            (NOW_MS, NOW_MS + 7000, 7),
            (around_ms - 3000, around_ms + 4000, 7),
        ] {
            assert_eq!(
                idle_s(AccessPolicy::Lru.made(made_ms), now_ms),
                want_s,
                "{made_ms} {now_ms}"
            );
        }
    }

    #[test]
    fn a_counter_grows_with_every_use_at_factor_zero_and_stops_at_its_limit() {
        let mut rng = fastrand::Rng::with_seed(1);
        let policy = lfu(0, 1);
        let mut noted = policy.made(NOW_MS);
        assert_eq!(policy.frequency(noted, NOW_MS), 5);
        for want in (6..=255).chain([255, 255]) {
            noted = policy.used(noted, NOW_MS, &mut rng);
            assert_eq!(policy.frequency(noted, NOW_MS), want);
        }
    }

    #[test]
    fn a_counter_grows_like_the_logarithm_of_the_uses() {
        let mut rng = fastrand::Rng::with_seed(2);
        let policy = lfu(10, 1);
        let mut noted = policy.made(NOW_MS);
        let mut frequency_after = |uses: usize| {
            for _ in 0..uses {
                noted = policy.used(noted, NOW_MS, &mut rng);
            }
            policy.frequency(noted, NOW_MS)
        };
        assert!((6..=16).contains(&frequency_after(100)));
        assert!((15..=23).contains(&frequency_after(900)));
        assert!((120..=170).contains(&frequency_after(99_000)));
    }

    #[test]
    fn a_counter_falls_with_the_minutes_without_use() {
        let policy = lfu(0, 2);
        let noted = policy.made(NOW_MS);
        for (minutes, want) in [(0, 5), (1, 5), (2, 4), (7, 2), (10, 0), (60, 0)] {
            assert_eq!(
                policy.frequency(noted, NOW_MS + minutes * MINUTE_MS),
                want,
                "{minutes}"
            );
        }
        assert_eq!(lfu(0, 0).frequency(noted, NOW_MS + 60 * MINUTE_MS), 5);
    }

    #[test]
    fn a_frequency_moves_with_its_key() {
        let policy = lfu(0, 1);
        assert_eq!(
            policy.moved(policy.made(NOW_MS) + 3, NOW_MS),
            policy.made(NOW_MS) + 3
        );
        assert_eq!(policy.moved(0, NOW_MS), policy.made(NOW_MS));
        assert_eq!(
            AccessPolicy::Lru.moved(12, NOW_MS),
            AccessPolicy::Lru.made(NOW_MS)
        );
    }
}
