//! What a backend has asked of its device, counted where it is asked. Without a GPU at hand this is what speed is judged
//! by; `tests/browser/counters.test.mjs` counts the same from outside.

use super::Gpu;

/// Work handed to the device.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Passes that programs were recorded for.
    pub recorded: u64,
    /// Command encoders and compute passes: one a [`crate::kernels::Backend::pass`], or as many as it is cut into.
    pub passes: u64,
    /// Dispatches in those passes.
    pub dispatches: u64,
    /// Submits: one a compute pass, one a readback of rows, and one a wait for uploads; a token that a pass finds is copied in its own.
    pub submits: u64,
    /// Bytes written from the host: weights, parameters and steps.
    pub bytes_written: u64,
    /// Bytes copied back to the host.
    pub bytes_read: u64,
    /// Bytes of packed weights that the dispatches read: whole matrices of products, of the embedding table a row a token,
    /// of experts those that are used.
    pub weight_bytes: u64,
}

impl Counters {
    /// What was done since `earlier`.
    pub fn since(&self, earlier: &Self) -> Self {
        Self {
            recorded: self.recorded - earlier.recorded,
            passes: self.passes - earlier.passes,
            dispatches: self.dispatches - earlier.dispatches,
            submits: self.submits - earlier.submits,
            bytes_written: self.bytes_written - earlier.bytes_written,
            bytes_read: self.bytes_read - earlier.bytes_read,
            weight_bytes: self.weight_bytes - earlier.weight_bytes,
        }
    }
}

impl Gpu {
    /// Counts what another backend has asked of the same device, such as its self-test.
    pub fn count(&mut self, other: Counters) {
        let Counters { recorded, passes, dispatches, submits, bytes_written, bytes_read, weight_bytes } = other;
        let own = &mut self.counters;
        own.recorded += recorded;
        own.passes += passes;
        own.dispatches += dispatches;
        own.submits += submits;
        own.bytes_written += bytes_written;
        own.bytes_read += bytes_read;
        own.weight_bytes += weight_bytes;
    }

    /// What was done since the backend was made.
    pub fn counters(&self) -> Counters {
        self.counters
    }

    /// What was done since the latest pass began, that pass included.
    pub fn step_counters(&self) -> Counters {
        self.counters.since(&self.before_step)
    }
}
