//! What a device may do beyond core WGSL, and how it is asked for.

use super::variants::Flavour;
use crate::error::{Error, ErrorKind, Result};

/// What the rows of a prompt's blocks are multiplied in with weights in codes. Sums of blocks of 32 are f32 in any case, and so
/// are products of a single row.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Precision {
    /// As they were computed.
    #[default]
    F32,
    /// Halves, by the largest of their block; needs `shader-f16`.
    F16,
    /// 8 bits, by the largest of their block, as on the CPU; needs `packed_4x8_integer_dot_product`.
    Int8,
}

impl Precision {
    /// All of them, the exact one first.
    pub const ALL: [Self; 3] = [Self::F32, Self::F16, Self::Int8];

    /// As options and `model.info` name it.
    pub fn name(self) -> &'static str {
        match self {
            Self::F32 => "f32",
            Self::F16 => "f16",
            Self::Int8 => "int8",
        }
    }

    /// The one of that name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|p| p.name() == name)
    }

    /// How far a sum of products may be off, as a fraction of the largest of a matrix's: 24 bits, 11, 8.
    pub fn tolerance(self) -> f32 {
        match self {
            Self::F32 => 1e-5,
            Self::F16 => 2e-3,
            Self::Int8 => 2e-2,
        }
    }

    pub(super) fn flavour(self) -> Flavour {
        match self {
            Self::F32 => Flavour::Core,
            Self::F16 => Flavour::F16,
            Self::Int8 => Flavour::Int8,
        }
    }
}

/// What a device has beyond core WGSL.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Extensions {
    /// Arithmetic in halves: `shader-f16`.
    pub f16: bool,
    /// Products of four integers of 8 bits in a word: `packed_4x8_integer_dot_product`.
    pub int8: bool,
    /// Sums over the invocations that run together: `subgroups`, and the language feature `subgroup_id`.
    pub subgroups: bool,
}

impl Extensions {
    /// Whether it has what such products need.
    pub fn allow(self, precision: Precision) -> bool {
        self.has(precision.flavour())
    }

    pub(super) fn has(self, flavour: Flavour) -> bool {
        match flavour {
            Flavour::Core => true,
            Flavour::F16 => self.f16,
            Flavour::Int8 => self.int8,
            Flavour::Subgroups => self.subgroups,
        }
    }

    /// Refuses a precision that is not to be had.
    pub(super) fn check(self, precision: Precision, adapter: &str) -> Result<()> {
        if self.allow(precision) {
            return Ok(());
        }
        let detail = format!("{adapter} has no {} products; leave the precision to what is measured", precision.name());
        Err(Error::new(ErrorKind::GpuUnavailable, detail))
    }
}

/// What to ask an adapter for.
pub(super) fn wanted(adapter: &wgpu::Adapter) -> wgpu::Features {
    adapter.features() & (wgpu::Features::SHADER_F16 | wgpu::Features::SUBGROUP)
}

/// What a device has: wgpu translates all of it, language features included.
#[cfg(not(target_arch = "wasm32"))]
pub(super) fn found(device: &wgpu::Device) -> Extensions {
    let features = device.features();
    Extensions {
        f16: features.contains(wgpu::Features::SHADER_F16),
        int8: true,
        subgroups: features.contains(wgpu::Features::SUBGROUP),
    }
}

/// What a device has. wgpu does not know of subgroups in browsers: whoever loads the module makes `requestDevice` ask for them
/// (`pkg/src/subgroups.ts`).
#[cfg(target_arch = "wasm32")]
pub(super) fn found(device: &wgpu::Device) -> Extensions {
    let has = |set: Option<JsValue>, name: &str| {
        let asked = set.and_then(|set| get(&set, "has")?.dyn_into::<Function>().ok()?.call1(&set, &name.into()).ok());
        asked.is_some_and(|answer| answer.is_truthy())
    };
    let features = || device.as_webgpu().and_then(|device| get(device.as_ref(), "features"));
    let language = || get(&get(&get(&js_sys::global(), "navigator")?, "gpu")?, "wgslLanguageFeatures");
    Extensions {
        f16: has(features(), "shader-f16"),
        int8: has(language(), "packed_4x8_integer_dot_product"),
        subgroups: has(features(), "subgroups") && has(language(), "subgroup_id"),
    }
}

#[cfg(target_arch = "wasm32")]
use js_sys::Function;
#[cfg(target_arch = "wasm32")]
use wasm_bindgen::{JsCast, JsValue};

#[cfg(target_arch = "wasm32")]
fn get(of: &JsValue, name: &str) -> Option<JsValue> {
    js_sys::Reflect::get(of, &name.into()).ok().filter(|value| !value.is_undefined())
}
