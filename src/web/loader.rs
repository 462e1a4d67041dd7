//! Loads a model from a stream of bytes.

use super::device;
use super::engine::{Any, Engine, object};
use super::options::{BackendName, LoaderOptions, read};
use super::{Cpu, thrown};
use crate::engine::{EngineLoader, LoadOptions};
#[cfg(not(feature = "gpu"))]
use crate::error::{Error, ErrorKind};
use wasm_bindgen::prelude::{JsValue, wasm_bindgen};

#[allow(clippy::large_enum_variant)] // there is one
enum Loading {
    Cpu(EngineLoader<Cpu>),
    #[cfg(feature = "gpu")]
    Gpu(EngineLoader<super::Gpu>, String),
}

/// Takes a GGUF file piece by piece; see `pkg/src/engine.ts`.
#[wasm_bindgen]
pub struct Loader {
    loading: Loading,
    /// Bytes of memory before this model.
    heap: u64,
}

#[wasm_bindgen]
impl Loader {
    /// `options`: `{ backend, contextLength?, chatTemplate?, fileBytes }`.
    #[wasm_bindgen(constructor)]
    pub fn new(options: JsValue) -> Result<Loader, JsValue> {
        let o: LoaderOptions = read(options)?;
        let load = LoadOptions { context: o.context_length, chat_template: o.chat_template };
        let loading = match o.backend {
            BackendName::Cpu => Loading::Cpu(EngineLoader::new(o.file_bytes, load)),
            #[cfg(feature = "gpu")]
            BackendName::Webgpu => Loading::Gpu(EngineLoader::new(o.file_bytes, load), String::new()),
            #[cfg(not(feature = "gpu"))]
            BackendName::Webgpu => return Err(thrown(no_gpu())),
        };
        Ok(Loader { loading, heap: device::heap() })
    }

    /// Takes the first bytes of the model's next file, which has `bytes` bytes. 0, or how many of its bytes are needed.
    #[wasm_bindgen(js_name = addPart)]
    pub fn add_part(&mut self, prefix: &[u8], bytes: f64) -> Result<f64, JsValue> {
        let bytes = bytes as u64; // a size of JavaScript's: below 2^53
        let needed = match &mut self.loading {
            Loading::Cpu(l) => l.add_part(prefix, bytes),
            #[cfg(feature = "gpu")]
            Loading::Gpu(l, _) => l.add_part(prefix, bytes),
        };
        Ok(needed.map_err(thrown)?.unwrap_or(0) as f64)
    }

    /// Takes the next bytes; true exactly once, when the header is complete and `prepare` is due.
    pub fn push(&mut self, bytes: &[u8]) -> Result<bool, JsValue> {
        match &mut self.loading {
            Loading::Cpu(l) => l.push(bytes),
            #[cfg(feature = "gpu")]
            Loading::Gpu(l, _) => l.push(bytes),
        }
        .map_err(thrown)
    }

    /// Whether the model fits, once the header is complete. `adapter`: the limits of WebGPU's, if there is one.
    pub fn fits(&self, adapter: JsValue) -> Result<JsValue, JsValue> {
        let room = device::room(self.heap, adapter)?;
        let cpu = &mut device::Footprint::default();
        let fits = match &self.loading {
            Loading::Cpu(l) => l.fits(room, cpu),
            #[cfg(feature = "gpu")]
            Loading::Gpu(l, _) => l.fits(room, cpu),
        };
        object(&fits.map_err(thrown)?)
    }

    /// Checks the model, gets the device, allocates.
    pub async fn prepare(&mut self) -> Result<(), JsValue> {
        match &mut self.loading {
            Loading::Cpu(l) => l.prepare(super::threads::cpu()).await,
            #[cfg(feature = "gpu")]
            Loading::Gpu(l, device) => {
                l.check().map_err(thrown)?; // before a device is asked for
                let gpu = super::Gpu::new(crate::kernels::gpu::Options::default()).await.map_err(thrown)?;
                *device = super::engine::device_name(gpu.adapter_info());
                l.prepare(gpu).await
            }
        }
        .map_err(thrown)
    }

    /// Waits until the uploads so far are done.
    pub async fn flush(&mut self) -> Result<(), JsValue> {
        match &mut self.loading {
            Loading::Cpu(l) => l.flush().await,
            #[cfg(feature = "gpu")]
            Loading::Gpu(l, _) => l.flush().await,
        }
        .map_err(thrown)
    }

    /// The end of the file: gives the engine.
    pub async fn finish(self) -> Result<Engine, JsValue> {
        let any = match self.loading {
            Loading::Cpu(l) => Any::Cpu(l.finish().await.map_err(thrown)?),
            #[cfg(feature = "gpu")]
            Loading::Gpu(l, device) => Any::Gpu(l.finish().await.map_err(thrown)?, device),
        };
        Ok(Engine::new(any))
    }
}

#[cfg(not(feature = "gpu"))]
fn no_gpu() -> Error {
    Error::new(ErrorKind::GpuUnavailable, "this build has no WebGPU backend; use the CPU")
}
