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
    let (mut packed, mut texts) = (Vec::new(), Vec::new());
    let mut write = |word: u32| packed.extend_from_slice(&word.to_le_bytes());
    write(count);
    write(ends.len() as u32);
    ends.iter().for_each(|&id| write(id));
    for id in 0..count {
        let text = tokenizer.piece(id)?;
        let is_mark = tokenizer.is_control(id) || ends.contains(&id);
        write(text.len() as u32 | if is_mark { MARK } else { 0 });
        texts.extend_from_slice(text);
    }
    packed.append(&mut texts);
    Ok(packed)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tokenizer::Vocabulary;

    #[test]
    fn marks_and_ends_are_told_from_text() {
        let tokens = ["h", "i", "hi", "Ġh", "<mark>", "<end>"].map(String::from).to_vec();
        let vocabulary = Vocabulary {
            model: "gpt2".into(),
            pre: "gpt-2".into(),
            tokens: tokens.into(),
            token_types: vec![1, 1, 1, 1, 3, 1].into(),
            merges: vec!["h i".into()].into(),
            eos: Some(5),
            ..Default::default()
        };
        let packed = pack(&Tokenizer::new(vocabulary).unwrap()).unwrap();
        let (words, texts) = packed.split_at(4 * 9);
        let words: Vec<u32> = words.as_chunks().0.iter().map(|word| u32::from_le_bytes(*word)).collect();
        assert_eq!(words, [6, 1, 5, 1, 1, 2, 2, 6 | MARK, 5 | MARK]);
        assert_eq!(texts, b"hihi h<mark><end>");
    }
}
