//! The adapter and the device, and how their failures become errors.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Waker};

use futures_channel::oneshot;

use super::extensions::{self, Extensions, Precision};
use super::pace::{Rates, SLOWEST};
use super::variants::{Flavour, Overrides, Pipeline, VARIANTS, Variant, variant, variants_of};
use crate::error::{Error, ErrorKind, Result};

/// The largest buffer for a chunk of weights: what WebGPU guarantees of a storage binding.
pub(super) const MAX_CHUNK_BYTES: u64 = 128 << 20;

/// How a matrix product is divided among invocations.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Tiling {
    /// On software adapters `Large`; on hardware `Split` for matrices with few rows, `Small` for others: see
    /// [`Device::split_below`].
    #[default]
    Auto,
    /// Many rows an invocation: few invocations, which read the activations as rarely as possible. Software adapters
    /// have few lanes to fill, and every read costs them as much as a multiplication.
    Large,
    /// One row an invocation, to fill a GPU.
    Small,
    /// In matrix-vector products several invocations share a row, at the price of a barrier; else as `Small`.
    Split,
}

/// Below this many rows, one invocation a row leaves a large GPU idle. What is measured says it better.
const SPLIT_BELOW_ROWS: usize = 4096;

/// Workgroups of a single token's attention: some for each core of a large GPU.
pub(super) const HARDWARE_GROUPS: u32 = 64;
/// A software adapter has few cores, and pays for workgroups that turn out not to be needed.
const SOFTWARE_GROUPS: u32 = 4;

/// How a [`Device`] is requested and used.
#[derive(Clone, Debug)]
pub struct Options {
    /// Rows a pass takes at most, 1 ..= 4096: the prefill block.
    pub max_rows: usize,
    /// Bytes a chunk of a weight matrix takes at most; the device's own limit and 128 MiB apply as well. A chunk is never
    /// smaller than one panel.
    pub chunk_bytes: u64,
    /// Keep to WebGPU's default limits even if the adapter has more.
    pub default_limits: bool,
    /// Workgroups along the first dimension of a grid at most; the device's own limit applies as well.
    pub max_grid: u32,
    /// How matrix products are divided.
    pub tiling: Tiling,
    /// Workgroups that a single token's attention may be divided among behind a long context, or `None` for what suits the adapter.
    pub attention_groups: Option<u32>,
    /// What a prompt's blocks are multiplied in, or `None` for what [`Device::set_precision`] says, f32 until then.
    pub precision: Option<Precision>,
    /// Whether subgroups may be used.
    pub subgroups: bool,
    /// Tokens that are decoded at most before it is known what the first of them is; 0 for none.
    pub max_ahead: usize,
    /// Positions that keys and values have room for at first, but no more than the context; what is too little doubles.
    pub first_positions: usize,
    /// Milliseconds that a submit should take; infinite for passes that are never cut.
    pub submit_ms: f64,
    /// Milliseconds since some point in time.
    pub clock: fn() -> f64,
    /// Lets other work run for a moment; of use only in a page, where waiting blocks nothing.
    pub pause: fn() -> Pause,
}

/// Is ready after a moment.
pub type Pause = Pin<Box<dyn Future<Output = ()>>>;

/// Time that passes only where the standard library has it: a page has to name its own.
#[cfg(target_arch = "wasm32")]
fn clock() -> f64 {
    0.0
}

#[cfg(not(target_arch = "wasm32"))]
fn clock() -> f64 {
    static START: std::sync::OnceLock<std::time::Instant> = std::sync::OnceLock::new();
    START.get_or_init(std::time::Instant::now).elapsed().as_secs_f64() * 1e3
}

impl Default for Options {
    fn default() -> Self {
        Self {
            max_rows: 64,
            chunk_bytes: MAX_CHUNK_BYTES,
            default_limits: false,
            max_grid: u32::MAX,
            tiling: Tiling::Auto,
            attention_groups: None,
            precision: None,
            subgroups: true,
            max_ahead: 8,
            first_positions: 512,
            submit_ms: 50.0,
            clock,
            pause: || Box::pin(std::future::ready(())),
        }
    }
}

/// What an adapter says of itself, for people and for bug reports. Browsers may leave fields empty.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AdapterDescription {
    /// The device's name or description.
    pub name: String,
    /// PCI vendor and device numbers in hexadecimal, if known.
    pub vendor: String,
    /// The driver and its version, if known.
    pub driver: String,
    /// The API below: `"vulkan"`, `"webgpu"`.
    pub backend: String,
    /// Whether the CPU does the work: a fallback adapter.
    pub is_software: bool,
}

/// The first failure that no call could return, or the loss of the device; everything after it is in doubt, so it stays.
type Failure = Arc<Mutex<Option<(ErrorKind, String)>>>;

/// By variant and the bits of its overrides.
type Pipelines = HashMap<(&'static str, Vec<u64>), Rc<Pipeline>>;

/// The error that was met inside, once that is known.
type PendingScope = Pin<Box<dyn Future<Output = Option<wgpu::Error>>>>;

/// A device with its compiled pipelines; see [`super::Gpu::on`].
pub struct Device {
    pub(super) adapter: AdapterDescription,
    pub(super) options: Options,
    pub(super) device: wgpu::Device,
    pub(super) queue: wgpu::Queue,
    pub(super) limits: wgpu::Limits,
    /// How long work takes; see [`super::pace`].
    pub(super) rates: Cell<Rates>,
    /// What it has and may use.
    extensions: Extensions,
    precision: Cell<Precision>,
    /// Of fewer rows, matrix-vector products are split; none of the tilings of hardware on software.
    split_below: Cell<Option<usize>>,
    pipelines: RefCell<Pipelines>,
    /// Bytes of the buffers that were made and not destroyed.
    buffer_bytes: Cell<u64>,
    failure: Failure,
    /// Error scopes whose result has not arrived; only browsers need time for it.
    pending: RefCell<Vec<PendingScope>>,
    /// Those of pipelines: browsers say nothing of errors before they have compiled.
    compiling: RefCell<Vec<PendingScope>>,
}

impl Device {
    /// Requests the browser's adapter, or a Vulkan adapter natively, and a device on it.
    ///
    /// # Errors
    /// [`ErrorKind::GpuUnavailable`] if there is no adapter, or none with WebGPU's default limits;
    /// [`ErrorKind::InvalidArgument`] for an option that cannot be honoured.
    pub async fn request(mut options: Options) -> Result<Self> {
        if !(1..=4096).contains(&options.max_rows) || options.max_grid == 0 {
            let (rows, grid) = (options.max_rows, options.max_grid);
            let detail = format!("max_rows is {rows} and must be 1 to 4096; max_grid is {grid} and must not be 0");
            return Err(Error::new(ErrorKind::InvalidArgument, detail));
        }
        let adapter = request_adapter().await?;
        let description = describe(&adapter.get_info());
        let required_limits = required_limits(&adapter.limits(), options.default_limits);
        let required_features = extensions::wanted(&adapter);
        let label = Some("pagelm");
        let descriptor = wgpu::DeviceDescriptor { label, required_limits, required_features, ..Default::default() };
        let (device, queue) = adapter.request_device(&descriptor).await.map_err(|e| {
            let detail = format!("{} gives no device: {e}", description.name);
            Error::new(ErrorKind::GpuUnavailable, detail)
        })?;
        let mut extensions = extensions::found(&device);
        extensions.subgroups &= options.subgroups;
        let precision = options.precision.unwrap_or_default();
        extensions.check(precision, &description.name)?;
        let limits = device.limits();
        let binding = limits.max_storage_buffer_binding_size.min(limits.max_buffer_size);
        options.chunk_bytes = options.chunk_bytes.min(MAX_CHUNK_BYTES).min(binding);
        options.max_grid = options.max_grid.min(limits.max_compute_workgroups_per_dimension);
        Ok(Self {
            split_below: Cell::new((!description.is_software).then_some(SPLIT_BELOW_ROWS)),
            adapter: description,
            extensions,
            precision: Cell::new(precision),
            options,
            failure: watch(&device),
            device,
            queue,
            limits,
            rates: Cell::new([SLOWEST; 2]),
            pipelines: RefCell::default(),
            buffer_bytes: Cell::default(),
            pending: RefCell::default(),
            compiling: RefCell::default(),
        })
    }

    /// The compiled variant; compiles it if this is the first use.
    pub(super) fn pipeline(&self, variant: &'static Variant, overrides: &Overrides) -> Result<Rc<Pipeline>> {
        let key = (variant.name, overrides.iter().map(|o| o.1.to_bits()).collect());
        if let Some(found) = self.pipelines.borrow().get(&key) {
            return Ok(found.clone());
        }
        let make = |device: &wgpu::Device| Pipeline::new(device, variant, overrides);
        let made = Rc::new(self.scoped_in(&self.compiling, make)?);
        self.pipelines.borrow_mut().insert(key, made.clone());
        Ok(made)
    }

    /// How many pipelines are not compiled yet.
    pub(super) fn compiling(&self) -> Result<usize> {
        let mut context = Context::from_waker(Waker::noop());
        let mut compiling = self.compiling.borrow_mut();
        compiling.retain_mut(|scope| match scope.as_mut().poll(&mut context) {
            Poll::Pending => true,
            Poll::Ready(error) => {
                error.iter().for_each(|error| keep(&self.failure, error));
                false
            }
        });
        self.check().map(|()| compiling.len())
    }

    /// From now on products are divided as on hardware: [`Tiling::Split`] for matrices with fewer rows than this, else
    /// [`Tiling::Small`]. Passes that are recorded stay as they are.
    pub fn split_below(&self, rows: usize) {
        self.split_below.set(Some(rows));
    }

    /// How a product with a matrix of so many rows is divided; never `Auto`.
    pub(super) fn tiling(&self, rows: usize) -> Tiling {
        match (self.options.tiling, self.split_below.get()) {
            (Tiling::Auto, None) => Tiling::Large,
            (Tiling::Auto, Some(below)) if rows < below => Tiling::Split,
            (Tiling::Auto, Some(_)) => Tiling::Small,
            (chosen, _) => chosen,
        }
    }

    /// Workgroups that a single token's attention may be divided among.
    pub(super) fn attention_groups(&self) -> u32 {
        let suited = if self.adapter.is_software { SOFTWARE_GROUPS } else { HARDWARE_GROUPS };
        self.options.attention_groups.unwrap_or(suited)
    }

    /// What the device has beyond core WGSL and may use.
    pub fn extensions(&self) -> Extensions {
        self.extensions
    }

    /// What a prompt's blocks are multiplied in.
    pub fn precision(&self) -> Precision {
        self.precision.get()
    }

    /// From now on a prompt's blocks are multiplied in this, unless the options say in what. Passes that are recorded stay as they are.
    ///
    /// # Errors
    /// [`ErrorKind::GpuUnavailable`] if the device does not have it.
    pub fn set_precision(&self, precision: Precision) -> Result<()> {
        self.extensions.check(precision, &self.adapter.name)?;
        self.precision.set(self.options.precision.unwrap_or(precision));
        Ok(())
    }

    /// Drops the pipelines that were made to measure how blocks are multiplied in another precision.
    pub fn forget_other_precisions(&self) {
        let flavour = self.precision.get().flavour();
        let is_of_blocks = |v: &Variant| v.op == "narrow" || v.constant("COLS").is_ok_and(|cols| cols > 1);
        let is_needed = |v: &Variant| v.flavour == flavour || !is_of_blocks(v);
        self.pipelines.borrow_mut().retain(|key, _| VARIANTS.iter().any(|v| v.name == key.0 && is_needed(v)));
    }

    /// The variant of an op that has one in core WGSL, and maybe one with subgroups.
    pub(super) fn variant(&self, op: &str, format: &str) -> Result<&'static Variant> {
        let with_subgroups = || variants_of(op, format).find(|v| v.flavour == Flavour::Subgroups);
        match self.extensions.subgroups.then(with_subgroups).flatten() {
            Some(found) => Ok(found),
            None => variant(op, format),
        }
    }

    /// Milliseconds, by the clock of its options.
    pub fn now(&self) -> f64 {
        (self.options.clock)()
    }

    /// How many variants were compiled so far.
    pub fn pipelines(&self) -> usize {
        self.pipelines.borrow().len()
    }

    /// Compiles every variant that the device has the features for, whatever a model needs; gives their number.
    ///
    /// # Errors
    /// [`ErrorKind::GpuFailure`] for the first that the device's compiler refuses.
    pub async fn compile_every_variant(&self) -> Result<usize> {
        let mut count = 0;
        for variant in VARIANTS.iter().filter(|v| self.extensions.has(v.flavour)) {
            self.scoped(|device| Pipeline::new(device, variant, &Overrides::new()))?;
            self.settle().await?;
            count += 1;
        }
        Ok(count)
    }

    /// Makes a zeroed buffer that can be bound as a whole.
    pub(super) fn create_buffer(&self, label: &str, bytes: u64, usage: wgpu::BufferUsages) -> Result<wgpu::Buffer> {
        self.check_bindable(label, bytes)?;
        let size = buffer_bytes(bytes);
        let descriptor = wgpu::BufferDescriptor { label: Some(label), size, usage, mapped_at_creation: false };
        let made = self.scoped(|device| device.create_buffer(&descriptor))?;
        self.buffer_bytes.set(self.buffer_bytes.get() + size);
        Ok(made)
    }

    /// Refuses bytes that the device does not bind as a whole.
    pub(super) fn check_bindable(&self, label: &str, bytes: u64) -> Result<()> {
        let limit = self.limits.max_storage_buffer_binding_size.min(self.limits.max_buffer_size);
        if bytes > limit {
            let detail = format!("{label} needs {bytes} bytes in one buffer; this device binds at most {limit}");
            return Err(Error::new(ErrorKind::OutOfMemory, detail));
        }
        Ok(())
    }

    /// Makes zeroed buffers of these labels and bytes, or none of them if there is no memory for all, once that is known. Nothing else
    /// is the worse for it.
    pub(super) async fn try_create_buffers(
        &self,
        wanted: &[(&str, u64)],
        usage: wgpu::BufferUsages,
    ) -> Result<Option<Vec<wgpu::Buffer>>> {
        let make = |device: &wgpu::Device| {
            let memory = device.push_error_scope(wgpu::ErrorFilter::OutOfMemory);
            let make = |&(label, bytes): &(&str, u64)| {
                let size = buffer_bytes(bytes);
                device.create_buffer(&wgpu::BufferDescriptor {
                    label: Some(label),
                    size,
                    usage,
                    mapped_at_creation: false,
                })
            };
            (wanted.iter().map(make).collect::<Vec<_>>(), memory.pop())
        };
        let (made, refused) = self.scoped(make)?;
        if refused.await.is_some() {
            made.iter().for_each(wgpu::Buffer::destroy);
            return Ok(None);
        }
        let bytes: u64 = made.iter().map(wgpu::Buffer::size).sum();
        self.buffer_bytes.set(self.buffer_bytes.get() + bytes);
        self.check().map(|()| Some(made))
    }

    /// Gives a buffer's memory back once submitted work is done with it.
    pub(super) fn destroy(&self, buffer: &wgpu::Buffer) {
        buffer.destroy();
        self.buffer_bytes.set(self.buffer_bytes.get().saturating_sub(buffer.size()));
    }

    /// Bytes of all buffers that there are now.
    pub fn buffer_bytes(&self) -> u64 {
        self.buffer_bytes.get()
    }

    /// Runs `f` inside error scopes. Where their results come at once, so does the error; else with the next readback.
    pub(super) fn scoped<T>(&self, f: impl FnOnce(&wgpu::Device) -> T) -> Result<T> {
        self.scoped_in(&self.pending, f)
    }

    /// The same, with a place for results that do not come at once.
    fn scoped_in<T>(&self, pending: &RefCell<Vec<PendingScope>>, f: impl FnOnce(&wgpu::Device) -> T) -> Result<T> {
        let internal = self.device.push_error_scope(wgpu::ErrorFilter::Internal);
        let memory = self.device.push_error_scope(wgpu::ErrorFilter::OutOfMemory);
        let validation = self.device.push_error_scope(wgpu::ErrorFilter::Validation);
        let made = f(&self.device);
        let (validation, memory, internal) = (validation.pop(), memory.pop(), internal.pop());
        let mut scope: PendingScope = Box::pin(async {
            let (first, second) = (validation.await, memory.await);
            first.or(second).or(internal.await)
        });
        match scope.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(error) => error.iter().for_each(|error| keep(&self.failure, error)),
            Poll::Pending => pending.borrow_mut().push(scope),
        }
        self.check()?;
        Ok(made)
    }

    /// Waits for the results of all error scopes so far.
    pub(super) async fn settle(&self) -> Result<()> {
        self.settle_all(self.compiling.take()).await?;
        self.settle_all(self.pending.take()).await
    }

    async fn settle_all(&self, scopes: Vec<PendingScope>) -> Result<()> {
        for scope in scopes {
            if let Some(error) = scope.await {
                keep(&self.failure, &error);
            }
        }
        self.check()
    }

    /// The failure that has been seen, if any.
    pub(super) fn check(&self) -> Result<()> {
        match &*self.failure.lock().unwrap_or_else(PoisonError::into_inner) {
            None => Ok(()),
            Some((kind, detail)) => Err(Error::new(*kind, detail.clone())),
        }
    }

    /// Waits until everything handed to the queue so far is done, but not for pipelines.
    pub(super) async fn finish(&self) -> Result<()> {
        let (sender, done) = oneshot::channel();
        // writes are handed over with the next submit
        self.queue.submit([]);
        self.queue.on_submitted_work_done(move || {
            let _ = sender.send(());
        });
        self.wait()?;
        done.await.map_err(|_| self.lost())?;
        self.settle_all(self.pending.take()).await
    }

    /// Natively, blocks until the queue is done, which runs the callbacks; in a page the event loop runs them.
    pub(super) fn wait(&self) -> Result<()> {
        if cfg!(target_arch = "wasm32") {
            return Ok(());
        }
        let polled = self.device.poll(wgpu::PollType::wait_indefinitely());
        polled
            .map(|_| ())
            .map_err(|e| Error::new(ErrorKind::GpuFailure, "waiting for the device failed").with_source(e))
    }

    /// The error for a callback that never came: what is known, or that the device is gone.
    pub(super) fn lost(&self) -> Error {
        let unknown = || Error::new(ErrorKind::DeviceLost, "the device dropped a request; load the model again");
        self.check().err().unwrap_or_else(unknown)
    }
}

/// What a buffer for so many bytes takes: a binding is never empty, and sizes are whole words.
pub(super) fn buffer_bytes(bytes: u64) -> u64 {
    bytes.max(16).checked_next_multiple_of(4).unwrap_or(u64::MAX)
}

async fn request_adapter() -> Result<wgpu::Adapter> {
    let backends = wgpu::Backends::BROWSER_WEBGPU | wgpu::Backends::VULKAN;
    let descriptor = wgpu::InstanceDescriptor { backends, ..wgpu::InstanceDescriptor::new_without_display_handle() };
    let options =
        wgpu::RequestAdapterOptions { power_preference: wgpu::PowerPreference::HighPerformance, ..Default::default() };
    wgpu::Instance::new(descriptor).request_adapter(&options).await.map_err(|e| {
        Error::new(ErrorKind::GpuUnavailable, format!("there is no WebGPU adapter ({e}); use the CPU backend"))
    })
}

/// WebGPU's defaults, with room for larger buffers where the adapter has it.
fn required_limits(adapter: &wgpu::Limits, default_limits: bool) -> wgpu::Limits {
    let mut limits = wgpu::Limits::default();
    if !default_limits {
        limits.max_buffer_size = adapter.max_buffer_size;
        limits.max_storage_buffer_binding_size = adapter.max_storage_buffer_binding_size;
    }
    limits
}

fn describe(info: &wgpu::AdapterInfo) -> AdapterDescription {
    let known = info.vendor != 0 || info.device != 0;
    let backend = match info.backend {
        wgpu::Backend::BrowserWebGpu => "webgpu".to_owned(),
        other => other.to_str().to_owned(),
    };
    AdapterDescription {
        name: info.name.clone(),
        vendor: if known { format!("{:04x}:{:04x}", info.vendor, info.device) } else { String::new() },
        driver: format!("{} {}", info.driver, info.driver_info).trim().to_owned(),
        backend,
        is_software: info.device_type == wgpu::DeviceType::Cpu,
    }
}

/// Catches what no error scope does: errors of replayed passes, and the loss of the device.
fn watch(device: &wgpu::Device) -> Failure {
    let failure = Failure::default();
    let on_error = failure.clone();
    device.on_uncaptured_error(Arc::new(move |error| keep(&on_error, &error)));
    let on_loss = failure.clone();
    device.set_device_lost_callback(move |reason, message| {
        let detail = format!("the device was lost ({reason:?}): {message}; load the model again");
        // it is the cause of what may have been noticed before it
        *on_loss.lock().unwrap_or_else(PoisonError::into_inner) = Some((ErrorKind::DeviceLost, detail));
    });
    failure
}

fn keep(failure: &Failure, error: &wgpu::Error) {
    let kind = match error {
        wgpu::Error::OutOfMemory { .. } => ErrorKind::OutOfMemory,
        _ => ErrorKind::GpuFailure,
    };
    keep_first(failure, kind, error.to_string());
}

fn keep_first(failure: &Failure, kind: ErrorKind, detail: String) {
    failure.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert((kind, detail));
}
