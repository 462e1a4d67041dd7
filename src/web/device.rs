//! What is known of the device that the page runs on.

use super::options::read;
use crate::engine::Room;
use crate::kernels::cpu::CpuFootprint;
use crate::kernels::footprint::BufferLimits;
use crate::kernels::simd128::Simd128;
use serde::Deserialize;
use wasm_bindgen::prelude::JsValue;
#[cfg(feature = "gpu")]
use wasm_bindgen::prelude::wasm_bindgen;

#[cfg(feature = "gpu")]
#[wasm_bindgen]
extern "C" {
    #[wasm_bindgen(js_namespace = performance)]
    fn now() -> f64;
    #[wasm_bindgen(js_name = setTimeout)]
    fn set_timeout(job: &js_sys::Function, ms: i32) -> JsValue;
}

/// Milliseconds since the worker began.
#[cfg(feature = "gpu")]
pub(super) fn clock() -> f64 {
    now()
}

/// Lets the event loop run.
#[cfg(feature = "gpu")]
pub(super) fn pause() -> crate::kernels::gpu::Pause {
    let promise = js_sys::Promise::new(&mut |resolve, _| {
        set_timeout(&resolve, 1);
    });
    Box::pin(async move {
        let _ = wasm_bindgen_futures::JsFuture::from(promise).await; // it is never rejected
    })
}

/// Counts for the CPU.
pub(super) type Footprint = CpuFootprint<Simd128>;

/// What is asked of a WebGPU adapter's `limits`.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Adapter {
    max_buffer_size: u64,
    max_storage_buffer_binding_size: u64,
}

/// Bytes of WebAssembly's memory now.
pub(super) fn heap() -> u64 {
    core::arch::wasm32::memory_size::<0>() as u64 * (64 << 10)
}

/// `adapter`: an [`Adapter`], or undefined.
pub(super) fn room(heap: u64, adapter: JsValue) -> Result<Room, JsValue> {
    if adapter.is_undefined() {
        return Ok(Room { heap, gpu: None });
    }
    let a: Adapter = read(adapter)?;
    let limits = BufferLimits { size: a.max_buffer_size, binding: a.max_storage_buffer_binding_size };
    Ok(Room { heap, gpu: Some(limits) })
}
