//! Which kernels the CPU backend uses in this build, by name, and something to time them with.

use super::thrown;
use crate::error::{Error, ErrorKind, Result};
use crate::kernels::cpu::pool::Pool;
use crate::kernels::cpu::{Kernels, Output};
use crate::kernels::simd128::Simd128;
use crate::quant::TensorType;
use wasm_bindgen::prelude::{JsValue, wasm_bindgen};

/// What the CPU runs, for `model.info.device`.
pub(super) const DEVICE: &str =
    if cfg!(target_feature = "relaxed-simd") { "WebAssembly relaxed SIMD" } else { "WebAssembly SIMD128" };

/// Shape of the matrix that is timed: its panels are unpacked as those of a model are, and it stays in the cache.
const ROWS: usize = 64;
const COLS: usize = 512;

#[cfg(target_feature = "relaxed-simd")]
mod forms {
    use crate::kernels::simd128::relaxed::{Accumulation, accumulation, set_accumulation, supported};

    const NAMES: [(&str, Accumulation); 3] = [
        ("relaxed-i16", Accumulation::Short),
        ("relaxed-i32", Accumulation::Long),
        ("relaxed-i32-signed", Accumulation::LongSigned),
    ];

    pub(super) fn current() -> &'static str {
        NAMES.iter().find(|(_, form)| *form == accumulation()).map_or("", |(name, _)| name)
    }

    pub(super) fn all() -> Vec<&'static str> {
        let supported = supported();
        NAMES.iter().filter(|(_, form)| supported.contains(form)).map(|(name, _)| *name).collect()
    }

    pub(super) fn set(name: &str) -> bool {
        let form = NAMES.iter().find(|(known, form)| *known == name && supported().contains(form));
        form.map(|(_, form)| set_accumulation(*form)).is_some()
    }
}

#[cfg(not(target_feature = "relaxed-simd"))]
mod forms {
    pub(super) fn current() -> &'static str {
        "baseline"
    }

    pub(super) fn all() -> Vec<&'static str> {
        vec![current()]
    }

    pub(super) fn set(name: &str) -> bool {
        name == current()
    }
}

/// The kernels in use.
pub(super) fn current() -> &'static str {
    forms::current()
}

/// The kernels that compute correctly here, the most portable first. All of them give the same numbers.
#[wasm_bindgen(js_name = kernelForms)]
pub fn kernel_forms() -> Vec<String> {
    forms::all().into_iter().map(str::to_owned).collect()
}

/// Uses these from now on.
#[wasm_bindgen(js_name = setKernels)]
pub fn set_kernels(name: &str) -> std::result::Result<(), JsValue> {
    if forms::set(name) {
        return Ok(());
    }
    Err(thrown(Error::new(ErrorKind::InvalidArgument, format!("kernels {name} do not compute correctly here"))))
}

/// Multiplies `rounds` times, for the caller to time: a matrix of 4-bit weights by one row.
#[wasm_bindgen(js_name = exerciseKernels)]
pub fn exercise_kernels(rounds: usize) -> std::result::Result<(), JsValue> {
    exercise(rounds).map_err(thrown)
}

fn exercise(rounds: usize) -> Result<()> {
    let missing = || Error::new(ErrorKind::Internal, "there is no type Q4_0");
    let ty = TensorType::from_name("Q4_0").ok_or_else(missing)?;
    let mut matrix = Simd128::create_matrix(ty, ROWS, COLS)?;
    let bytes = vec![0x11; ROWS * COLS / ty.block_len * ty.block_bytes];
    Simd128::write_rows(&mut matrix, 0, &bytes, &Pool::default())?;
    let x: Vec<f32> = (0..COLS).map(|i| (i % 7) as f32 - 3.0).collect();
    let mut input = Default::default();
    Simd128::prepare(&matrix, 1, &x, &mut input);
    let mut out = vec![0.0; ROWS];
    for _ in 0..rounds {
        Simd128::matmul(&matrix, 1, &x, &input, 0..Simd128::panels(&matrix), &mut Output::new(&mut out, ROWS));
    }
    std::hint::black_box(&out);
    Ok(())
}
