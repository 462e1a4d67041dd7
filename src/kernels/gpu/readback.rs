//! Copies back to the host. Nothing here blocks in a page: the event loop runs the callbacks.

use futures_channel::oneshot;

use super::Gpu;
use crate::error::{Error, ErrorKind, Result};
use crate::kernels::BufferId;

impl Gpu {
    pub(super) async fn read_rows(&mut self, x: BufferId, n: usize) -> Result<Vec<f32>> {
        let source = self.activation(x, n)?;
        let (width, stride, buffer) = (source.width, source.stride, source.buffer.clone());
        let columns = source.offset..source.offset + width;
        let words = self.read_words(&buffer, n * stride).await?;
        let mut values = Vec::with_capacity(n * width);
        for row in words.chunks_exact(stride) {
            values.extend(row[columns.clone()].iter().map(|&w| f32::from_bits(w)));
        }
        Ok(values)
    }

    /// The first `count` words of `buffer` after the passes so far.
    async fn read_words(&mut self, buffer: &wgpu::Buffer, count: usize) -> Result<Vec<u32>> {
        let bytes = 4 * count as u64;
        let staging = self.staging(bytes)?;
        let mut encoder = self.device.device.create_command_encoder(&Default::default());
        encoder.copy_buffer_to_buffer(buffer, 0, &staging, 0, bytes);
        self.device.queue.submit([encoder.finish()]);
        self.counters.submits += 1;
        let words = self.map_words(&staging, bytes).await?;
        self.staging = Some(staging);
        Ok(words)
    }

    /// Maps the first `bytes` of a buffer, copies them and unmaps it.
    async fn map_words(&mut self, buffer: &wgpu::Buffer, bytes: u64) -> Result<Vec<u32>> {
        let (sender, mapped) = oneshot::channel();
        buffer.map_async(wgpu::MapMode::Read, 0..bytes, move |outcome| {
            let _ = sender.send(outcome);
        });
        self.device.wait()?;
        // a loss of the device also ends the map: what is known of it says more
        let outcome = mapped.await.map_err(|_| self.device.lost())?;
        self.take_words(buffer, bytes, outcome).await
    }

    /// The first `bytes` of a buffer that was mapped with this outcome, which is then unmapped.
    pub(super) async fn take_words(
        &mut self,
        buffer: &wgpu::Buffer,
        bytes: u64,
        outcome: std::result::Result<(), wgpu::BufferAsyncError>,
    ) -> Result<Vec<u32>> {
        self.counters.bytes_read += bytes;
        self.device.settle().await?;
        outcome.map_err(|e| gone("a readback failed; load the model again", e))?;
        let view =
            buffer.get_mapped_range(0..bytes).map_err(|e| gone("a readback has no bytes; load the model again", e))?;
        let words = view.as_chunks::<4>().0.iter().map(|b| u32::from_le_bytes(*b)).collect();
        drop(view);
        buffer.unmap();
        Ok(words)
    }

    /// Takes the staging buffer, or a larger one. It is put back after use; a readback that was cancelled keeps it.
    fn staging(&mut self, bytes: u64) -> Result<wgpu::Buffer> {
        match self.staging.take() {
            Some(found) if found.size() >= bytes => return Ok(found),
            Some(small) => self.device.destroy(&small),
            None => {}
        }
        self.readable("staging", bytes)
    }

    pub(super) fn readable(&self, label: &str, bytes: u64) -> Result<wgpu::Buffer> {
        let usage = wgpu::BufferUsages::MAP_READ | wgpu::BufferUsages::COPY_DST;
        self.device.create_buffer(label, bytes, usage)
    }
}

/// Nothing was wrong with the request, so the device is gone, although it may not have said so yet.
fn gone(what: &str, source: impl std::error::Error + Send + Sync + 'static) -> Error {
    Error::new(ErrorKind::DeviceLost, what).with_source(source)
}
