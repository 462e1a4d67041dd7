//! Token ids to text, one at a time, without ever splitting a character.

use super::Tokenizer;
use crate::Result;

/// Turns a stream of token ids into text.
///
/// A token of byte-level BPE may end inside a UTF-8 character; its bytes wait here for the rest. Bytes that cannot
/// become a character give U+FFFD, once for each maximal invalid part, exactly as [`String::from_utf8_lossy`] on the
/// whole.
#[derive(Clone, Debug)]
pub struct Detokenizer {
    show_control: bool,
    /// Nothing has been pushed yet, and the stream is a text from its start.
    is_at_start: bool,
    /// The start of a character, at most 3 bytes.
    pending: Vec<u8>,
}

impl Detokenizer {
    /// A stream that continues a text, such as a generation after its prompt. With `show_control` off, control tokens
    /// give no text.
    pub fn new(show_control: bool) -> Self {
        Self { show_control, is_at_start: false, pending: Vec::new() }
    }

    /// A stream that is a text from its start: where `encode` puts a space in front of a text, that space is left out,
    /// as [`Tokenizer::decode`] does.
    pub fn at_start(show_control: bool) -> Self {
        Self { is_at_start: true, ..Self::new(show_control) }
    }

    /// The text that `id` of `tokenizer` completes, possibly none.
    ///
    /// # Errors
    /// [`crate::ErrorKind::InvalidArgument`] if `id` is not below the vocabulary's size; nothing is lost then.
    pub fn push(&mut self, tokenizer: &Tokenizer, id: u32) -> Result<String> {
        let piece = tokenizer.piece_for(id, self.show_control, self.is_at_start)?;
        self.is_at_start = false;
        self.pending.extend_from_slice(piece);
        Ok(take_complete(&mut self.pending))
    }

    /// The end: an unfinished character becomes U+FFFD.
    pub fn finish(&mut self) -> String {
        let text = String::from_utf8_lossy(&self.pending).into_owned();
        self.pending.clear();
        text
    }
}

/// Takes the text at the front of `bytes` and leaves only what may be the start of a character.
fn take_complete(bytes: &mut Vec<u8>) -> String {
    let mut text = String::new();
    let mut left = 0;
    for chunk in bytes.utf8_chunks() {
        text.push_str(chunk.valid());
        let invalid = chunk.invalid();
        let is_last = chunk_end(bytes, invalid);
        if is_last && may_continue(invalid) {
            left = invalid.len();
        } else if !invalid.is_empty() {
            text.push(char::REPLACEMENT_CHARACTER);
        }
    }
    bytes.drain(..bytes.len() - left);
    text
}

/// Whether `part` is the end of `bytes` (it is a slice of them).
fn chunk_end(bytes: &[u8], part: &[u8]) -> bool {
    part.as_ptr_range().end == bytes.as_ptr_range().end
}

/// Whether an invalid part is only too short: more bytes could make it a character.
fn may_continue(part: &[u8]) -> bool {
    std::str::from_utf8(part).is_err_and(|error| error.error_len().is_none())
}
