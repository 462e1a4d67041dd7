//! The vocabulary, for the module that knows grammars (`grammar/` beside this crate).

use super::Engine;
use crate::error::Result;
use crate::kernels::Backend;
use crate::tokenizer::Tokenizer;

/// Of a length: the token is a mark and no text.
const MARK: u32 = 1 << 31;

impl<B: Backend> Engine<B> {
    /// All tokens, as `grammar/src/vocabulary.rs` reads them: words of 32 bits, little-endian, are their number, the number of those
    /// that end a generation, the ids of these, and the length of each token's text, with the highest bit set for marks; then follow
    /// the texts.
    ///
    /// # Errors
    /// As [`Self::tokenizer`].
    pub fn packed_vocabulary(&self) -> Result<Vec<u8>> {
        pack(self.tokenizer()?)
    }
}

fn pack(tokenizer: &Tokenizer) -> Result<Vec<u8>> {
    let count = tokenizer.vocabulary_size() as u32;
    let ends: Vec<u32> = tokenizer.end_of_generation().filter(|&id| id < count).collect();
    let (mut lengths, mut texts) = (Vec::with_capacity(count as usize), Vec::new());
    for id in 0..count {
        let text = tokenizer.piece(id)?;
        let is_mark = tokenizer.is_control(id) || ends.binary_search(&id).is_ok();
        lengths.push(text.len() as u32 | if is_mark { MARK } else { 0 });
        texts.extend_from_slice(text);
    }
    let mut packed: Vec<u8> =
        [count, ends.len() as u32].into_iter().chain(ends).chain(lengths).flat_map(u32::to_le_bytes).collect();
    packed.append(&mut texts);
    Ok(packed)
}
