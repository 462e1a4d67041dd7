//! A loaded model, for JavaScript.

use super::{Cpu, options, thrown};
use crate::chat::{Pieces, ToolCall};
use crate::engine::{Engine as Core, Event, Info, Reason, TokenEvent};
use crate::error::{Error, ErrorKind};
use crate::kernels::KvType;
use serde::Serialize;
use wasm_bindgen::prelude::{JsValue, wasm_bindgen};

/// An engine on one of the backends.
#[allow(clippy::large_enum_variant)] // there is one, and it is not moved while it works
pub(super) enum Any {
    Cpu(Core<Cpu>),
    #[cfg(feature = "gpu")]
    Gpu(Core<super::Gpu>, String),
}

/// Runs the same expression on whichever engine it is.
macro_rules! on {
    ($any:expr, $engine:ident => $body:expr) => {
        match $any {
            Any::Cpu($engine) => $body,
            #[cfg(feature = "gpu")]
            Any::Gpu($engine, _) => $body,
        }
    };
}

/// A model that talks; see `pkg/src/engine.ts`.
#[wasm_bindgen]
pub struct Engine {
    any: Any,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct InfoObject<'a> {
    #[serde(flatten)]
    info: &'a Info,
    backend: &'static str,
    device: &'a str,
    kernels: &'static str,
    threads: usize,
    kv_cache_type: KvType,
    memory_bytes: u64,
    webgpu: Option<WebgpuObject>,
}

/// How WebGPU is used; `null` on the CPU.
#[derive(Serialize)]
struct WebgpuObject {
    prefill: &'static str,
    subgroups: bool,
}

/// Work of the GPU; `null` on the CPU.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct CountersObject {
    total: WorkObject,
    step: WorkObject,
    pipelines: usize,
    buffer_bytes: u64,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct WorkObject {
    passes: u64,
    dispatches: u64,
    submits: u64,
    bytes_written: u64,
    bytes_read: u64,
    weight_bytes: u64,
}

#[cfg(feature = "gpu")]
impl From<crate::kernels::gpu::Counters> for WorkObject {
    fn from(c: crate::kernels::gpu::Counters) -> Self {
        let crate::kernels::gpu::Counters {
            passes, dispatches, submits, bytes_written, bytes_read, weight_bytes, ..
        } = c;
        Self { passes, dispatches, submits, bytes_written, bytes_read, weight_bytes }
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct StartedObject {
    prompt_tokens: usize,
    cached_tokens: usize,
}

#[derive(Serialize)]
struct RestObject {
    reasoning: String,
    text: String,
    calls: Vec<CallObject>,
}

#[derive(Serialize)]
struct CallObject {
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<String>,
    name: String,
    arguments: String,
}

impl From<ToolCall> for CallObject {
    fn from(ToolCall { id, name, arguments }: ToolCall) -> Self {
        Self { id, name, arguments }
    }
}

impl From<Pieces> for RestObject {
    fn from(Pieces { reasoning, text, calls }: Pieces) -> Self {
        Self { reasoning, text, calls: calls.into_iter().map(CallObject::from).collect() }
    }
}

#[derive(Serialize)]
struct TopObject {
    token: u32,
    logprob: f64,
}

#[derive(Serialize)]
struct LogprobObject {
    logprob: f64,
    top: Vec<TopObject>,
}

#[derive(Serialize)]
#[serde(tag = "type", rename_all = "lowercase")]
enum StepObject {
    Prefill {
        done: usize,
        total: usize,
    },
    Token {
        token: u32,
        reasoning: String,
        text: String,
        calls: Vec<CallObject>,
        #[serde(skip_serializing_if = "Option::is_none")]
        logprob: Option<LogprobObject>,
        #[serde(rename = "isConstrained", skip_serializing_if = "std::ops::Not::not")]
        is_constrained: bool,
    },
    Finish {
        reason: &'static str,
        #[serde(flatten)]
        rest: RestObject,
    },
}

impl From<Event> for StepObject {
    fn from(event: Event) -> Self {
        match event {
            Event::Prefill { done, total } => Self::Prefill { done, total },
            Event::Token(TokenEvent { id, reasoning, text, calls, logprob, top_logprobs, is_constrained }) => {
                let top = top_logprobs.into_iter().map(|t| TopObject { token: t.id, logprob: t.logprob }).collect();
                Self::Token {
                    token: id,
                    reasoning,
                    text,
                    calls: calls.into_iter().map(CallObject::from).collect(),
                    logprob: logprob.map(|logprob| LogprobObject { logprob, top }),
                    is_constrained,
                }
            }
            Event::Finish { reason, rest } => {
                let reason = match reason {
                    Reason::Stop => "stop",
                    Reason::Length => "length",
                };
                Self::Finish { reason, rest: rest.into() }
            }
        }
    }
}

/// As a plain JavaScript object.
pub(super) fn object(value: &impl Serialize) -> Result<JsValue, JsValue> {
    value
        .serialize(&serde_wasm_bindgen::Serializer::json_compatible())
        .map_err(|e| thrown(Error::new(ErrorKind::Internal, e.to_string())))
}

/// What `model.info.device` says.
#[cfg(feature = "gpu")]
pub(super) fn device_name(adapter: &crate::kernels::gpu::AdapterDescription) -> String {
    let parts = [&adapter.name, &adapter.vendor, &adapter.driver];
    let known: Vec<&str> = parts.into_iter().map(String::as_str).filter(|p| !p.is_empty()).collect();
    let name = if known.is_empty() { "a GPU that does not say its name".to_owned() } else { known.join(", ") };
    if adapter.is_software { format!("{name} (software)") } else { name }
}

impl Engine {
    pub(super) fn new(any: Any) -> Self {
        Self { any }
    }
}

#[wasm_bindgen]
impl Engine {
    /// What was loaded, and where it runs.
    pub fn info(&self) -> Result<JsValue, JsValue> {
        let (backend, device, kernels, threads) = match &self.any {
            Any::Cpu(_) => ("cpu", super::kernels::DEVICE, super::kernels::current(), super::threads::count()),
            #[cfg(feature = "gpu")]
            Any::Gpu(_, device) => ("webgpu", device.as_str(), "wgsl", 1),
        };
        let webgpu = match &self.any {
            Any::Cpu(_) => None,
            #[cfg(feature = "gpu")]
            Any::Gpu(e, _) => {
                let device = e.backend().device();
                Some(WebgpuObject { prefill: device.precision().name(), subgroups: device.extensions().subgroups })
            }
        };
        let (info, kv_cache_type, memory_bytes) = on!(&self.any, e => (e.info(), e.kv_type(), e.bytes()));
        object(&InfoObject { info, backend, device, kernels, threads, kv_cache_type, memory_bytes, webgpu })
    }

    /// What the GPU has been asked to do; null on the CPU.
    pub fn counters(&self) -> Result<JsValue, JsValue> {
        let counters: Option<CountersObject> = match &self.any {
            Any::Cpu(_) => None,
            #[cfg(feature = "gpu")]
            Any::Gpu(e, _) => {
                let gpu = e.backend();
                Some(CountersObject {
                    total: gpu.counters().into(),
                    step: gpu.step_counters().into(),
                    pipelines: gpu.device().pipelines(),
                    buffer_bytes: gpu.device().buffer_bytes(),
                })
            }
        };
        object(&counters)
    }

    /// Text to ids.
    pub fn tokenize(&self, text: &str, add_special: bool, parse_special: bool) -> Result<Vec<u32>, JsValue> {
        let tokenizer = on!(&self.any, e => e.tokenizer()).map_err(thrown)?;
        tokenizer.encode(text, add_special, parse_special).map_err(thrown)
    }

    /// Ids to text, control tokens shown.
    pub fn detokenize(&self, tokens: &[u32]) -> Result<String, JsValue> {
        let tokenizer = on!(&self.any, e => e.tokenizer()).map_err(thrown)?;
        // a model may have more embeddings than the tokenizer has tokens; those have no text here as in a generation
        let known: Vec<u32> =
            tokens.iter().copied().filter(|&id| (id as usize) < tokenizer.vocabulary_size()).collect();
        tokenizer.decode(&known, true).map_err(thrown)
    }

    /// The prompt of a conversation; both arguments are JSON.
    #[wasm_bindgen(js_name = applyChatTemplate)]
    pub fn apply_chat_template(&self, messages: &str, options: &str) -> Result<String, JsValue> {
        let (messages, options) = options::render(messages, options).map_err(thrown)?;
        on!(&self.any, e => e.apply_chat_template(&messages, &options)).map_err(thrown)
    }

    /// Begins a generation.
    pub fn start(&mut self, prompt: &[u32], options: JsValue) -> Result<JsValue, JsValue> {
        let options = options::generate(options)?;
        let started = on!(&mut self.any, e => e.start(prompt, options)).map_err(thrown)?;
        object(&StartedObject { prompt_tokens: started.prompt_tokens, cached_tokens: started.cached_tokens })
    }

    /// All tokens, for the module of grammars.
    #[wasm_bindgen(js_name = packedVocabulary)]
    pub fn packed_vocabulary(&self) -> Result<Vec<u8>, JsValue> {
        on!(&self.any, e => e.packed_vocabulary()).map_err(thrown)
    }

    /// What a constrained generation may say next.
    pub fn allow(&mut self, words: &[u32]) -> Result<(), JsValue> {
        on!(&mut self.any, e => e.allow(words)).map_err(thrown)
    }

    /// Takes the tokens of a generation that another engine began.
    pub fn replay(&mut self, generated: &[u32]) -> Result<(), JsValue> {
        on!(&mut self.any, e => e.replay(generated)).map_err(thrown)
    }

    /// One block of the prompt, or one token.
    pub async fn step(&mut self) -> Result<JsValue, JsValue> {
        let event = on!(&mut self.any, e => e.step().await).map_err(thrown)?;
        object(&StepObject::from(event))
    }

    /// Ends the generation; gives what was held back.
    pub fn stop(&mut self) -> Result<JsValue, JsValue> {
        let rest = on!(&mut self.any, e => e.stop());
        object(&RestObject::from(rest))
    }

    /// Logits (vocabulary) after the tokens.
    pub async fn logits(&mut self, tokens: Vec<u32>) -> Result<Vec<f32>, JsValue> {
        on!(&mut self.any, e => e.logits(&tokens).await).map_err(thrown)
    }

    /// Log-probabilities (tokens - 1) of each token but the first.
    pub async fn score(&mut self, tokens: Vec<u32>) -> Result<Vec<f32>, JsValue> {
        on!(&mut self.any, e => e.score(&tokens).await).map_err(thrown)
    }
}
