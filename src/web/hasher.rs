//! SHA-256 of a stream.

use sha2::{Digest, Sha256};
use std::fmt::Write;
use wasm_bindgen::prelude::wasm_bindgen;

/// SHA-256 of the bytes so far.
#[wasm_bindgen]
#[derive(Default)]
pub struct Hasher {
    state: Sha256,
}

#[wasm_bindgen]
impl Hasher {
    /// Of nothing.
    #[wasm_bindgen(constructor)]
    pub fn new() -> Self {
        Self::default()
    }

    /// Appends.
    pub fn update(&mut self, bytes: &[u8]) {
        self.state.update(bytes);
    }

    /// 64 lower-case digits; more may be appended afterwards.
    pub fn hex(&self) -> String {
        self.state.clone().finalize().iter().fold(String::with_capacity(64), |mut hex, byte| {
            let _ = write!(hex, "{byte:02x}"); // INVARIANT: writing to a String cannot fail
            hex
        })
    }
}
