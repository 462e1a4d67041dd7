//! Tokens that passes found, the likeliest or drawn, on their way to the host. A pass copies its own to a buffer of its
//! own, which is mapped at once, so that several can be on their way.

use std::collections::VecDeque;

use futures_channel::oneshot;

use super::{BEST_BYTES, Gpu, internal};
use crate::error::Result;

/// Passes that are handed over ahead, until more turn out to be needed.
const AHEAD: usize = 2;

type Mapped = std::result::Result<(), wgpu::BufferAsyncError>;

/// A copy that is being mapped.
struct Finding {
    buffer: wgpu::Buffer,
    mapped: oneshot::Receiver<Mapped>,
    /// What came of it, once that is known.
    outcome: Option<Mapped>,
}

impl Finding {
    /// Whether it can be read without waiting.
    fn is_ready(&mut self) -> bool {
        if self.outcome.is_none() {
            self.outcome = self.mapped.try_recv().ok().flatten();
        }
        self.outcome.is_some()
    }
}

/// Copies in the order of their passes.
pub(super) struct Findings {
    pending: VecDeque<Finding>,
    /// Buffers that are not in use.
    pub(super) free: Vec<wgpu::Buffer>,
    /// How many passes should be handed over ahead.
    pub(super) ahead: usize,
    max_ahead: usize,
}

impl Findings {
    pub(super) fn new(max_ahead: usize) -> Self {
        Self { pending: VecDeque::new(), free: Vec::new(), ahead: AHEAD.min(max_ahead), max_ahead }
    }

    /// Forgets all copies, and gives the buffers: one that is mapped is of no use any more.
    pub(super) fn drain(&mut self) -> impl Iterator<Item = wgpu::Buffer> {
        self.pending.drain(..).map(|finding| finding.buffer)
    }
}

impl Gpu {
    /// A buffer to copy what a pass finds to.
    pub(super) fn found_buffer(&mut self) -> Result<wgpu::Buffer> {
        match self.found.free.pop() {
            Some(free) => Ok(free),
            None => self.readable("found", BEST_BYTES),
        }
    }

    /// Begins to bring a copy to the host; the pass that makes it has been submitted.
    pub(super) fn expect_found(&mut self, buffer: wgpu::Buffer) {
        let (sender, mapped) = oneshot::channel();
        buffer.map_async(wgpu::MapMode::Read, 0..BEST_BYTES, move |outcome| {
            let _ = sender.send(outcome);
        });
        self.found.pending.push_back(Finding { buffer, mapped, outcome: None });
    }

    /// What the first pass found that has not been read.
    ///
    /// Firefox looks for mapped buffers every 100 ms. If everything that is on its way arrives together with what is waited
    /// for, the device has had nothing to do, and more is handed over from then on.
    pub(super) async fn read_best(&mut self) -> Result<(u32, f32)> {
        let mut finding = self.found.pending.pop_front().ok_or_else(|| internal("no pass has found a token"))?;
        let waited = !finding.is_ready();
        let outcome = match finding.outcome.take() {
            Some(outcome) => outcome,
            None => {
                self.device.wait()?;
                // a loss of the device also ends the map: what is known of it says more
                finding.mapped.await.map_err(|_| self.device.lost())?
            }
        };
        if waited
            && self.found.pending.len() >= self.found.ahead
            && self.found.pending.iter_mut().all(Finding::is_ready)
        {
            self.found.ahead = (self.found.ahead + 1).min(self.found.max_ahead);
        }
        let words = self.take_words(&finding.buffer, BEST_BYTES, outcome).await?;
        self.found.free.push(finding.buffer);
        match words.as_slice() {
            &[index, value] => Ok((index, f32::from_bits(value))),
            other => Err(internal(format!("{} words of a token", other.len()))),
        }
    }
}
