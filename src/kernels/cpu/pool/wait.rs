//! Waiting for a word to change.

use std::sync::atomic::AtomicU32;

/// How often a word is looked at before its change is waited for: some tens of microseconds, more than there is between
/// two operations, less than waking costs.
#[cfg(not(test))]
pub(super) const SPINS: u32 = 20_000;
/// In tests both ways have to be taken.
#[cfg(test)]
pub(super) const SPINS: u32 = 100;

#[cfg(all(target_arch = "wasm32", target_feature = "atomics"))]
mod platform {
    use super::AtomicU32;
    use core::arch::wasm32::{memory_atomic_notify, memory_atomic_wait32};

    pub(in super::super) fn wait(word: &AtomicU32, value: u32, timeout_ns: i64) -> bool {
        // SAFETY: a u32 in shared memory, aligned
        unsafe { memory_atomic_wait32(word.as_ptr().cast(), value as i32, timeout_ns) != 2 }
    }

    pub(in super::super) fn notify_all(word: &AtomicU32) {
        // SAFETY: as above
        unsafe { memory_atomic_notify(word.as_ptr().cast(), u32::MAX) };
    }
}

/// Without a futex that every system has: for tests, and for native tools.
#[cfg(not(target_arch = "wasm32"))]
mod platform {
    use super::AtomicU32;
    use std::sync::atomic::Ordering::SeqCst;
    use std::time::{Duration, Instant};

    pub(in super::super) fn wait(word: &AtomicU32, value: u32, timeout_ns: i64) -> bool {
        let limit = u64::try_from(timeout_ns).map(|ns| Instant::now() + Duration::from_nanos(ns)).ok();
        while word.load(SeqCst) == value {
            if limit.is_some_and(|limit| Instant::now() > limit) {
                return false;
            }
            std::thread::sleep(Duration::from_micros(20));
        }
        true
    }

    pub(in super::super) fn notify_all(_word: &AtomicU32) {}
}

/// There is one thread: a pool has no helpers, and nobody to wait for.
#[cfg(all(target_arch = "wasm32", not(target_feature = "atomics")))]
mod platform {
    use super::AtomicU32;

    pub(in super::super) fn wait(_word: &AtomicU32, _value: u32, _timeout_ns: i64) -> bool {
        true
    }

    pub(in super::super) fn notify_all(_word: &AtomicU32) {}
}

/// Waits until `word` is not `value`, or somebody notified, or `timeout_ns` have passed, if it is not negative; false in
/// the last case.
pub(super) use platform::wait;

/// Wakes all that wait for `word`.
pub(super) use platform::notify_all;
