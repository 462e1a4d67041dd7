//! A model's tokens, on their way from the engine's memory to this module's.
//!
//! Words are 32 bits, little-endian: the number of tokens, the number of those that end an answer, the ids of these, then for each
//! token its length in bytes, with the highest bit set if it is a mark and no text, and then the bytes of all of them. The engine
//! writes it (`src/engine/vocabulary.rs` of the crate beside this one).

use std::sync::Arc;

use llguidance::toktrie::{ApproximateTokEnv, TokEnv, TokRxInfo, TokTrie, TokenId};

use crate::{Result, invalid, limit};

/// Of a length: the token is a mark.
const MARK: u32 = 1 << 31;

/// The library counts tokens in 24 bits.
const MAX_TOKENS: usize = (1 << 24) - 2;

/// The library's tree has a node for each byte at most, and counts them in 22 bits. The 262,144 tokens of Gemma have 1.9 MB.
const MAX_BYTES: usize = (1 << 22) - 2;

/// Longer tokens are left out; the library's tree takes 1,024 levels.
const MAX_TOKEN_BYTES: usize = 512;

/// Tokens and those that end an answer.
pub(crate) struct Vocabulary {
    tokens: Vec<Vec<u8>>,
    ends: Vec<TokenId>,
}

/// Packs tokens, of which `ends` end an answer and are no text.
pub fn pack(tokens: &[&[u8]], ends: &[u32]) -> Vec<u8> {
    let mark = |id: usize| if ends.contains(&(id as u32)) { MARK } else { 0 };
    let counts = [tokens.len() as u32, ends.len() as u32];
    let lengths = tokens.iter().enumerate().map(|(id, token)| token.len() as u32 | mark(id));
    let words = counts.into_iter().chain(ends.iter().copied()).chain(lengths);
    words.flat_map(u32::to_le_bytes).chain(tokens.iter().flat_map(|token| token.iter().copied())).collect()
}

pub(crate) fn unpack(packed: &[u8]) -> Result<Vocabulary> {
    let mut rest = packed;
    let (count, end_count) = (word(&mut rest)? as usize, word(&mut rest)? as usize);
    if count > MAX_TOKENS {
        return Err(limit(format!("a vocabulary of {count} tokens; grammars can work on {MAX_TOKENS}")));
    }
    let ends: Vec<TokenId> = (0..end_count.min(packed.len())).map(|_| word(&mut rest)).collect::<Result<_>>()?;
    if let Some(id) = ends.iter().find(|&&id| id as usize >= count) {
        return Err(invalid(format!("token {id} ends an answer, but there are only {count}")));
    }
    let lengths: Vec<u32> = (0..count.min(packed.len())).map(|_| word(&mut rest)).collect::<Result<_>>()?;
    if rest.len() > MAX_BYTES {
        return Err(limit(format!("a vocabulary of {} bytes; grammars can work on {MAX_BYTES}", rest.len())));
    }
    let mut tokens = Vec::with_capacity(lengths.len());
    for length in lengths {
        let (token, behind) = rest.split_at_checked((length & !MARK) as usize).ok_or_else(too_short)?;
        rest = behind;
        tokens.push(match token.len() {
            0 => Vec::new(),
            n if n > MAX_TOKEN_BYTES => Vec::new(),
            _ if length & MARK != 0 => [&[TokTrie::SPECIAL_TOKEN_MARKER], token].concat(),
            _ => token.to_vec(),
        });
    }
    Ok(Vocabulary { tokens, ends })
}

fn word(bytes: &mut &[u8]) -> Result<u32> {
    let (word, rest) = bytes.split_first_chunk::<4>().ok_or_else(too_short)?;
    *bytes = rest;
    Ok(u32::from_le_bytes(*word))
}

fn too_short() -> crate::Error {
    invalid("a vocabulary that ends too early".to_owned())
}

/// What the library works on. It cuts text into tokens for no purpose of ours, so any way does.
pub(crate) fn environment(Vocabulary { tokens, ends }: Vocabulary) -> TokEnv {
    // of a vocabulary without an end the library knows by a number that is no token
    let end = ends.first().copied().unwrap_or(TokenId::MAX);
    let trie = TokTrie::from(&TokRxInfo::new(tokens.len() as u32, end), &tokens);
    let trie = if ends.len() > 1 { trie.with_eos_tokens(&ends) } else { trie };
    Arc::new(ApproximateTokEnv::new(trie))
}
