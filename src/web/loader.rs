//! Loads a model from a stream of bytes.

use super::device;
use super::engine::{Any, Engine, object};
#[cfg(feature = "gpu")]
use super::options::WebgpuOptions;
use super::options::{BackendName, LoaderOptions, read};
use super::{Cpu, thrown};
#[cfg(feature = "gpu")]
use crate::engine::{Calibrated, Work, calibrate, cpu_speed};
use crate::engine::{EngineLoader, LoadOptions};
use crate::error::{Error, ErrorKind};
#[cfg(feature = "gpu")]
use crate::kernels::gpu::{Options, Precision};
use js_sys::Uint8Array;
use js_sys::WebAssembly::Memory;
use wasm_bindgen::JsCast;
use wasm_bindgen::prelude::{JsValue, wasm_bindgen};

/// The most that may be staged: a file is read in smaller pieces.
const MOST_STAGED: usize = 16 << 20;

#[allow(clippy::large_enum_variant)] // there is one
enum Loading {
    Cpu(EngineLoader<Cpu>),
    #[cfg(feature = "gpu")]
    Gpu(EngineLoader<super::Gpu>, GpuState),
}

/// The device, from when it is tested until the model is given to it.
#[cfg(feature = "gpu")]
struct GpuState {
    options: WebgpuOptions,
    tested: Option<super::Gpu>,
    name: String,
}

/// What was measured, in bytes of weights a second; the CPU's is of one thread.
#[cfg(feature = "gpu")]
#[derive(serde::Serialize)]
struct TuningObject {
    split: bool,
    prefill: &'static str,
    webgpu: f64,
    cpu: f64,
    ms: f64,
    compiling: f64,
}

/// Takes a GGUF file piece by piece; see `pkg/src/engine.ts`.
#[wasm_bindgen]
pub struct Loader {
    loading: Loading,
    /// Bytes of memory before this model.
    heap: u64,
    /// What [`Loader::stage`] gave out.
    staged: Vec<u8>,
}

#[wasm_bindgen]
impl Loader {
    /// `options`: `{ backend, contextLength?, kvCacheType?, chatTemplate?, fileBytes, webgpu? }`.
    #[wasm_bindgen(constructor)]
    pub fn new(options: JsValue) -> Result<Loader, JsValue> {
        let o: LoaderOptions = read(options)?;
        let load = LoadOptions { context: o.context_length, kv: o.kv_cache_type, chat_template: o.chat_template };
        let loading = match o.backend {
            BackendName::Cpu => Loading::Cpu(EngineLoader::new(o.file_bytes, load)),
            #[cfg(feature = "gpu")]
            BackendName::Webgpu => {
                let state = GpuState { options: o.webgpu, tested: None, name: String::new() };
                Loading::Gpu(EngineLoader::new(o.file_bytes, load), state)
            }
            #[cfg(not(feature = "gpu"))]
            BackendName::Webgpu => return Err(thrown(no_gpu())),
        };
        Ok(Loader { loading, heap: device::heap(), staged: Vec::new() })
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

    /// A view on `bytes` bytes of memory, to be filled and given to `pushStaged`.
    pub fn stage(&mut self, bytes: usize) -> Result<Uint8Array, JsValue> {
        if bytes > MOST_STAGED {
            return Err(thrown(Error::new(
                ErrorKind::Internal,
                format!("{bytes} bytes at once, {MOST_STAGED} at most"),
            )));
        }
        self.staged.resize(bytes, 0);
        let memory: Memory = wasm_bindgen::memory().unchecked_into();
        let address = self.staged.as_ptr() as u32; // 32-bit memory
        Ok(Uint8Array::new_with_byte_offset_and_length(&memory.buffer(), address, bytes as u32))
    }

    /// `push` of the first `bytes` bytes of what `stage` gave.
    #[wasm_bindgen(js_name = pushStaged)]
    pub fn push_staged(&mut self, bytes: usize) -> Result<bool, JsValue> {
        let staged = std::mem::take(&mut self.staged);
        let done = match staged.get(..bytes) {
            Some(bytes) => self.push(bytes),
            None => Err(thrown(Error::new(ErrorKind::Internal, format!("{bytes} bytes of {} staged", staged.len())))),
        };
        self.staged = staged;
        done
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

    /// What a measurement of `tune` holds for, beside the adapter: this version and its kernels, and the model's main matrices.
    /// Undefined on the CPU.
    #[wasm_bindgen(js_name = tuningKey)]
    pub fn tuning_key(&self) -> Result<Option<String>, JsValue> {
        match &self.loading {
            Loading::Cpu(_) => Ok(None),
            #[cfg(feature = "gpu")]
            Loading::Gpu(l, _) => {
                let kernels = super::kernels::fastest();
                let key =
                    |w: Work| format!("{} {kernels} {} {}x{}", env!("CARGO_PKG_VERSION"), w.ty.name, w.hidden, w.width);
                Ok(l.work().map_err(thrown)?.map(key))
            }
        }
    }

    /// Gets the device and tests it. Products are then divided as `split` says, and a prompt's are in `prefill`; if `split` says nothing,
    /// all ways are measured, and the CPU, too. Undefined if nothing was measured.
    pub async fn tune(&mut self, split: Option<bool>, prefill: Option<String>) -> Result<JsValue, JsValue> {
        match &mut self.loading {
            Loading::Cpu(_) => {
                let _ = (split, prefill); // the build without WebGPU has no other use of them
                Ok(JsValue::UNDEFINED)
            }
            #[cfg(feature = "gpu")]
            Loading::Gpu(l, state) => {
                let mut gpu = open(l, state).await.map_err(thrown)?;
                let tuned = match (l.work().map_err(thrown)?, split) {
                    (Some(work), Some(split)) => {
                        work.apply(gpu.device(), split);
                        // the device may have lost what it had
                        let precision = prefill.as_deref().and_then(Precision::from_name).unwrap_or_default();
                        let _ = gpu.device().set_precision(precision);
                        None
                    }
                    (Some(work), None) => measure(&mut gpu, work).await.map_err(thrown)?,
                    (None, _) => None,
                };
                test_precision(l, &mut gpu).await.map_err(thrown)?;
                state.tested = Some(gpu);
                tuned.map_or(Ok(JsValue::UNDEFINED), |tuned| object(&tuned))
            }
        }
    }

    /// Checks the model, gets the device and tests it, allocates.
    pub async fn prepare(&mut self) -> Result<(), JsValue> {
        match &mut self.loading {
            Loading::Cpu(l) => l.prepare(super::threads::cpu()).await,
            #[cfg(feature = "gpu")]
            Loading::Gpu(l, state) => {
                let gpu = open(l, state).await.map_err(thrown)?;
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

    /// How many shaders are still being compiled.
    pub fn compiling(&mut self) -> Result<usize, JsValue> {
        match &mut self.loading {
            Loading::Cpu(_) => Ok(0),
            #[cfg(feature = "gpu")]
            Loading::Gpu(l, _) => l.compiling().map_err(thrown),
        }
    }

    /// The end of the file: gives the engine.
    pub async fn finish(self) -> Result<Engine, JsValue> {
        let any = match self.loading {
            Loading::Cpu(l) => Any::Cpu(l.finish().await.map_err(thrown)?),
            #[cfg(feature = "gpu")]
            Loading::Gpu(l, state) => Any::Gpu(l.finish().await.map_err(thrown)?, state.name),
        };
        Ok(Engine::new(any))
    }
}

/// A device that has passed the test.
#[cfg(feature = "gpu")]
async fn open(l: &EngineLoader<super::Gpu>, state: &mut GpuState) -> crate::error::Result<super::Gpu> {
    if let Some(tested) = state.tested.take() {
        return Ok(tested);
    }
    l.check()?; // before a device is asked for
    let precision = state.options.prefill.as_deref().map(|name| {
        let unknown = || Error::new(ErrorKind::InvalidArgument, format!("\"{name}\" is no precision of prefill"));
        Precision::from_name(name).ok_or_else(unknown)
    });
    let options = Options {
        clock: device::clock,
        pause: device::pause,
        precision: precision.transpose()?,
        subgroups: state.options.subgroups.unwrap_or(true),
        ..Default::default()
    };
    let mut gpu = super::Gpu::new(options).await?;
    test(l, &mut gpu).await?;
    state.name = super::engine::device_name(gpu.adapter_info());
    Ok(gpu)
}

/// Refuses a device that computes wrong numbers.
#[cfg(feature = "gpu")]
async fn test(l: &EngineLoader<super::Gpu>, gpu: &mut super::Gpu) -> crate::error::Result<()> {
    let mut tested = super::Gpu::on(gpu.device().clone())?;
    let tolerance = gpu.device().precision().tolerance();
    let outcome = l.self_test(&mut tested, tolerance).await;
    gpu.count(tested.counters());
    outcome
}

/// Gives up a precision that was measured to be the fastest if its numbers are wrong.
#[cfg(feature = "gpu")]
async fn test_precision(l: &EngineLoader<super::Gpu>, gpu: &mut super::Gpu) -> crate::error::Result<()> {
    if gpu.device().precision() == Precision::F32 || test(l, gpu).await.is_ok() {
        return Ok(());
    }
    gpu.device().set_precision(Precision::F32)
}

#[cfg(feature = "gpu")]
async fn measure(gpu: &mut super::Gpu, work: Work) -> crate::error::Result<Option<TuningObject>> {
    let begun = device::clock();
    let (calibrated, counters) = calibrate(gpu.device(), work).await?;
    gpu.count(counters);
    let Some(Calibrated { split, precision, speed, compiling, .. }) = calibrated else { return Ok(None) };
    super::kernels::set_fastest();
    let cpu = cpu_speed(&mut Cpu::new(), work, device::clock)?;
    let ms = device::clock() - begun - compiling;
    Ok(Some(TuningObject { split, prefill: precision.name(), webgpu: 1e3 * speed, cpu: 1e3 * cpu, ms, compiling }))
}

#[cfg(not(feature = "gpu"))]
fn no_gpu() -> Error {
    Error::new(ErrorKind::GpuUnavailable, "this build has no WebGPU backend; use the CPU")
}
