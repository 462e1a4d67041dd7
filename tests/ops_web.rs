//! What `tests/browser/ops.test.mjs` runs in browsers, by wasm-bindgen's test runner; nothing on the host.

#[cfg(target_arch = "wasm32")]
mod measured;
#[cfg(target_arch = "wasm32")]
mod ops;
#[cfg(target_arch = "wasm32")]
#[path = "ops/web.rs"]
mod web;

fn main() {}
