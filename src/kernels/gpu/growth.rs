//! Room for keys and values, which grows with what is stored: it begins with [`Options::first_positions`] and doubles up to the
//! context. Layers move into larger buffers in the queue's order, so that passes under way are done with the old ones.
//!
//! [`Options::first_positions`]: super::Options::first_positions

use super::memory::{CACHE_USAGE, Cache, Layout};
use super::{Gpu, internal};
use crate::error::{Error, ErrorKind, Result};

/// Bytes of new buffers after which the old ones are given back before the next layers move, so that both are never there of a large
/// cache; each time waits for an answer of the device.
const MOVED_AT_ONCE: u64 = 64 << 20;

impl Gpu {
    /// Makes room for the first `positions` positions, or for the context.
    pub(super) async fn make_room(&mut self, positions: usize) -> Result<()> {
        let Some(cache) = self.cache.as_ref().filter(|cache| positions.min(cache.context) > cache.room()) else {
            return Ok(());
        };
        if self.unfinished.is_some() {
            return Err(internal("a cache that grows in the middle of a pass"));
        }
        let room = cache.doubled(positions);
        loop {
            let moving = self.cache()?.moving(room);
            if moving.is_empty() {
                return Ok(());
            }
            self.move_layers(&moving).await?;
        }
    }

    /// Gives layers these layouts.
    async fn move_layers(&mut self, moving: &[(usize, Layout)]) -> Result<()> {
        let mut wanted = Vec::new();
        for &(layer, layout) in moving {
            let bytes = layout.bytes().ok_or_else(|| internal("a cache that was counted overflows"))?;
            let labels =
                if self.cache()?.layer(layer)?.values.is_some() { &["cache.k", "cache.v"][..] } else { &["cache.k"] };
            wanted.extend(labels.iter().map(|&label| (label, bytes)));
        }
        let Some(made) = self.device.try_create_buffers(&wanted, CACHE_USAGE).await? else {
            return Err(self.no_room(moving));
        };
        // programs are bound to what goes
        self.forget_programs();
        let cache = self.cache.as_mut().ok_or_else(|| internal("there is no cache"))?;
        let before = cache.bytes();
        let mut encoder = self.device.device.create_command_encoder(&Default::default());
        let (mut made, mut old) = (made.into_iter(), Vec::new());
        for &(layer, layout) in moving {
            let layer = cache.layers.get_mut(layer).ok_or_else(|| internal(format!("no cache for layer {layer}")))?;
            layer.layout = layout;
            for (kept, larger) in [Some(&mut layer.keys), layer.values.as_mut()].into_iter().flatten().zip(&mut made) {
                encoder.copy_buffer_to_buffer(kept, 0, &larger, 0, kept.size());
                old.push(std::mem::replace(kept, larger));
            }
        }
        self.bytes = self.bytes - before + cache.bytes();
        self.device.queue.submit([encoder.finish()]);
        self.counters.submits += 1;
        old.iter().for_each(|buffer| self.device.destroy(buffer));
        self.device.check()
    }

    fn no_room(&self, moving: &[(usize, Layout)]) -> Error {
        let Some((cache, (_, layout))) = self.cache.as_ref().zip(moving.first()) else {
            return internal("there is no cache");
        };
        let (positions, room, now) = (layout.positions, cache.room(), cache.bytes());
        let needed = cache.bytes_of(positions);
        let detail = format!(
            "the device has no memory for keys and values of {positions} positions: they need {needed} bytes, of which there are {now}, \
             with room for {room} positions; shorten the text, or load the model with another kvCacheType or a file of fewer bits a weight"
        );
        Error::new(ErrorKind::OutOfMemory, detail)
    }
}

impl Cache {
    /// Positions to make room for, so that there is some for so many.
    fn doubled(&self, positions: usize) -> usize {
        let mut room = self.room().max(1);
        while room < positions.min(self.context) {
            room = room.saturating_mul(2);
        }
        room.min(self.context)
    }

    /// Layers that have less than this room, with the layouts that they are to have: as many as move at once.
    fn moving(&self, room: usize) -> Vec<(usize, Layout)> {
        let grown = self.layers.iter().map(|layer| layer.layout.with(room)).enumerate();
        let mut bytes = 0;
        grown
            .filter(|(layer, grown)| grown.positions > self.layers[*layer].layout.positions)
            .take_while(|(_, grown)| {
                let fits = bytes < MOVED_AT_ONCE;
                bytes += 2 * grown.bytes().unwrap_or(0);
                fits
            })
            .collect()
    }

    /// Bytes that it has with room for so many positions.
    fn bytes_of(&self, positions: usize) -> u64 {
        let layer = |layer: &super::memory::LayerCache| {
            let buffers = 1 + u64::from(layer.values.is_some());
            buffers * layer.layout.with(positions).bytes().unwrap_or(0)
        };
        self.layers.iter().map(layer).sum()
    }
}
