//! In place of the crate `instant`, which is no longer maintained and asks JavaScript for the time: llguidance takes times for its
//! statistics alone, which nobody reads here, and a module without imports can be started again at will.
#![forbid(unsafe_code)]

use std::time::Duration;

/// A moment, the same always.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Instant;

impl Instant {
    /// Now.
    pub fn now() -> Self {
        Self
    }

    /// No time.
    pub fn elapsed(&self) -> Duration {
        Duration::ZERO
    }
}

impl std::ops::Sub for Instant {
    type Output = Duration;

    fn sub(self, _: Self) -> Duration {
        Duration::ZERO
    }
}
