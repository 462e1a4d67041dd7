//! What JavaScript calls (`pkg/src/grammar.ts`). By hand rather than by wasm-bindgen, whose glue would be part of every page's first
//! download, and holds on to one instance: one that a grammar has stopped, by a panic or its stack's end, is thrown away.
//!
//! Everything larger than a number goes through one room in this module's memory, whose place and size are asked for. A function
//! gives one of the numbers below; of an error the room then has the sentence.
#![allow(unsafe_code)] // for the names of the functions alone

use std::cell::RefCell;

use crate::{Error, ErrorKind, Grammar, Grammars, Kind, Result};

const DONE: u32 = 0;
const INVALID: u32 = 1;
const LIMIT: u32 = 2;
/// Of [`mask`]: the answer is complete.
const COMPLETE: u32 = 3;

#[derive(Default)]
struct State {
    room: Vec<u8>,
    grammars: Option<Grammars>,
    grammar: Option<Grammar>,
}

thread_local! {
    static STATE: RefCell<State> = RefCell::default();
}

/// Runs `job`; what is thrown away in the middle of it is not called again.
fn run(job: impl FnOnce(&mut State) -> Result<u32>) -> u32 {
    STATE.with_borrow_mut(|state| match job(state) {
        Ok(status) => status,
        Err(Error { kind, message }) => {
            state.room = message.into_bytes();
            match kind {
                ErrorKind::Invalid => INVALID,
                ErrorKind::Limit => LIMIT,
            }
        }
    })
}

fn missing(what: &str) -> Error {
    Error { kind: ErrorKind::Invalid, message: format!("there is no {what}") }
}

/// Makes room for so many bytes.
// SAFETY: no other function has this name
#[unsafe(no_mangle)]
pub extern "C" fn reserve(bytes: usize) {
    STATE.with_borrow_mut(|state| {
        state.room.clear();
        state.room.resize(bytes, 0);
    });
}

/// Where the room is.
// SAFETY: no other function has this name
#[unsafe(no_mangle)]
pub extern "C" fn room() -> *const u8 {
    STATE.with_borrow(|state| state.room.as_ptr())
}

/// How many bytes are in it.
// SAFETY: no other function has this name
#[unsafe(no_mangle)]
pub extern "C" fn room_bytes() -> usize {
    STATE.with_borrow(|state| state.room.len())
}

/// Takes the room for a vocabulary.
// SAFETY: no other function has this name
#[unsafe(no_mangle)]
pub extern "C" fn vocabulary() -> u32 {
    run(|state| {
        let packed = std::mem::take(&mut state.room);
        state.grammars = Some(Grammars::new(&packed)?);
        Ok(DONE)
    })
}

/// Takes the room for a grammar: 0 is a JSON schema, 1 a regular expression, everything else Lark.
// SAFETY: no other function has this name
#[unsafe(no_mangle)]
pub extern "C" fn start(kind: u32) -> u32 {
    run(|state| {
        let kind = match kind {
            0 => Kind::JsonSchema,
            1 => Kind::Regex,
            _ => Kind::Lark,
        };
        state.grammar = None; // its memory is free before the next one's is needed
        let text = String::from_utf8(std::mem::take(&mut state.room)).map_err(|_| missing("text in UTF-8"))?;
        let grammars = state.grammars.as_ref().ok_or_else(|| missing("vocabulary"))?;
        state.grammar = Some(grammars.start(kind, &text)?);
        Ok(DONE)
    })
}

/// Writes the mask of the tokens that may follow, in words of 32 bits.
// SAFETY: no other function has this name
#[unsafe(no_mangle)]
pub extern "C" fn mask() -> u32 {
    run(|state| {
        let Some(words) = state.grammar.as_mut().ok_or_else(|| missing("grammar"))?.mask()? else {
            return Ok(COMPLETE);
        };
        state.room.clear();
        state.room.extend(words.into_iter().flat_map(u32::to_le_bytes));
        Ok(DONE)
    })
}

/// Goes on with a token.
// SAFETY: no other function has this name
#[unsafe(no_mangle)]
pub extern "C" fn accept(id: u32) -> u32 {
    run(|state| state.grammar.as_mut().ok_or_else(|| missing("grammar"))?.accept(id).map(|()| DONE))
}
