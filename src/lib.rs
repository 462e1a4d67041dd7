//! A language model in the page: quantized GGUF weights, dequantise-and-multiply as WGSL compute shaders over
//! WebGPU, and a SIMD128 CPU path when there is no GPU.
//!
//! The floors, bottom up; a module uses only those above it in this list:
//!
//! - [`error`]: the one error type
//! - [`gguf`]: bytes to header, metadata and tensor directory; [`quant`]: block formats and their scalar meaning
//! - [`kernels`]: the [`kernels::Backend`] trait and its reference, SIMD128 and WGSL implementations
//! - [`model`]: configuration, weights and the one forward pass
//! - [`tokenizer`], [`chat`], [`sampling`]: text to tokens and back
//! - [`engine`]: a loaded model that generates; `web`: the JavaScript bindings, the only wasm-bindgen code
#![deny(unsafe_code)]
#![warn(missing_docs)]
// how a thread sleeps; only the build with threads has it, and that one needs an unstable standard library anyway
#![cfg_attr(all(target_arch = "wasm32", target_feature = "atomics"), feature(stdarch_wasm_atomic_wait))]

pub mod chat;
pub mod engine;
pub mod error;
pub mod gguf;
pub mod kernels;
pub mod model;
pub mod quant;
pub mod sampling;
pub mod tokenizer;
#[cfg(target_arch = "wasm32")]
mod web;

pub use error::{Error, ErrorKind, Result};
