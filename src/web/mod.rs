//! The JavaScript bindings: the only code that knows wasm-bindgen. `pkg/src/engine.ts` describes the same surface.
//!
//! Everything here runs in one worker. A failure is thrown as an `Error` with the stable `code` of its kind.

mod device;
mod engine;
mod hasher;
mod inspector;
mod kernels;
mod loader;
mod options;
mod threads;

use crate::error::Error;
use wasm_bindgen::JsValue;

#[cfg(feature = "gpu")]
type Gpu = crate::kernels::gpu::Gpu;
type Cpu = crate::kernels::simd128::Simd;

/// The error as JavaScript sees it.
fn thrown(error: Error) -> JsValue {
    let mut message = error.detail().to_owned();
    let mut source = std::error::Error::source(&error);
    while let Some(cause) = source {
        message.push_str(&format!(" ({cause})"));
        source = cause.source();
    }
    let js = js_sys::Error::new(&message);
    // INVARIANT: setting a property of a fresh object cannot fail
    let _ = js_sys::Reflect::set(&js, &"code".into(), &error.kind().code().into());
    js.into()
}
