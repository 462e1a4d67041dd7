//! Which kernels the CPU backend uses in this build, by name.

use super::thrown;
use crate::error::{Error, ErrorKind};
use wasm_bindgen::prelude::{JsValue, wasm_bindgen};

/// What the CPU runs, for `model.info.device`.
pub(super) const DEVICE: &str =
    if cfg!(target_feature = "relaxed-simd") { "WebAssembly relaxed SIMD" } else { "WebAssembly SIMD128" };

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
        supported()
            .iter()
            .filter_map(|form| NAMES.iter().find(|(_, known)| known == form))
            .map(|(name, _)| *name)
            .collect()
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

/// The fastest that compute correctly here.
#[cfg(feature = "gpu")]
pub(super) fn fastest() -> &'static str {
    forms::all().first().copied().unwrap_or_default()
}

/// Uses the fastest from now on: a build that runs on the GPU was not told which to use.
#[cfg(feature = "gpu")]
pub(super) fn set_fastest() {
    forms::set(fastest());
}

/// The kernels that compute correctly here, the fastest first. All of them give the same numbers.
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
