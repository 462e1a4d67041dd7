//! Reads the header of a file.

use super::device;
use super::engine::object;
use super::options::{InspectorOptions, read};
use super::thrown;
use crate::engine::{self, LoadOptions};
use wasm_bindgen::prelude::{JsValue, wasm_bindgen};

/// Takes the beginning of a GGUF file piece by piece; see `pkg/src/engine.ts`.
#[wasm_bindgen]
pub struct Inspector {
    inspector: engine::Inspector,
    /// Bytes of memory before this file.
    heap: u64,
}

#[wasm_bindgen]
impl Inspector {
    /// `options`: `{ contextLength?, kvCacheType?, chatTemplate?, fileBytes }`.
    #[wasm_bindgen(constructor)]
    pub fn new(options: JsValue) -> Result<Inspector, JsValue> {
        let o: InspectorOptions = read(options)?;
        let load = LoadOptions { context: o.context_length, kv: o.kv_cache_type, chat_template: o.chat_template };
        Ok(Inspector { inspector: engine::Inspector::new(o.file_bytes, load), heap: device::heap() })
    }

    /// As the loader's `addPart`.
    #[wasm_bindgen(js_name = addPart)]
    pub fn add_part(&mut self, prefix: &[u8], bytes: f64) -> Result<f64, JsValue> {
        let needed = self.inspector.add_part(prefix, bytes as u64).map_err(thrown)?;
        Ok(needed.unwrap_or(0) as f64)
    }

    /// Takes the next bytes; true exactly once, when they are enough.
    pub fn push(&mut self, bytes: &[u8]) -> Result<bool, JsValue> {
        self.inspector.push(bytes).map_err(thrown)
    }

    /// What is in the file. `adapter`: the limits of WebGPU's, if there is one.
    pub fn report(&self, adapter: JsValue) -> Result<JsValue, JsValue> {
        let room = device::room(self.heap, adapter)?;
        object(&self.inspector.report(room, &mut device::Footprint::default()).map_err(thrown)?)
    }
}
