//! The threads of a CPU backend. The worker that has the model starts others on the same module and memory; each calls
//! [`help`], which it does not come back from.

use super::Cpu;
use crate::kernels::cpu::pool::{Pool, Shared};
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use wasm_bindgen::prelude::wasm_bindgen;

/// What the threads have in common: there is one model in a memory.
static SHARED: Shared = Shared::new();
/// Threads of the backend, the worker that has it included.
static COUNT: AtomicUsize = AtomicUsize::new(1);

/// A backend on all threads.
pub(super) fn cpu() -> Cpu {
    let mut cpu = Cpu::new();
    if count() > 1 {
        cpu.set_pool(Pool::new(&SHARED, count(), lost));
    }
    cpu
}

pub(super) fn count() -> usize {
    COUNT.load(Relaxed)
}

/// How many threads a backend has that is made from now on; the others have called `help`, or are about to.
#[wasm_bindgen(js_name = setThreads)]
pub fn set_threads(count: usize) {
    COUNT.store(count, Relaxed);
}

/// This module, compiled, for other workers.
#[wasm_bindgen(js_name = compiledModule)]
pub fn compiled_module() -> wasm_bindgen::JsValue {
    wasm_bindgen::module()
}

/// How many of them share the work of a single token, at most.
#[wasm_bindgen(js_name = setRowThreads)]
pub fn set_row_threads(count: u32) {
    SHARED.set_row_threads(count);
}

/// The life of another thread: it does not return.
#[cfg(target_feature = "atomics")]
#[wasm_bindgen]
pub fn help() {
    SHARED.help();
}

/// Says that a thread ended for an error.
#[cfg(target_feature = "atomics")]
#[wasm_bindgen(js_name = helpFailed)]
pub fn help_failed() {
    SHARED.fail();
}

/// The engine cannot go on, nor clean up: other threads may still use what it holds. The page hears of it as of any error
/// that nobody caught, and ends the worker.
fn lost() -> ! {
    wasm_bindgen::throw_str("a thread of the engine has ended or does not answer")
}
