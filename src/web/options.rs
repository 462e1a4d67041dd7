//! Options as they come from JavaScript. Unknown names are errors.

use super::thrown;
use crate::chat::RenderOptions;
use crate::engine::GenerateOptions;
use crate::error::{Error, ErrorKind, Result};
use crate::kernels::KvType;
use crate::sampling::SamplingOptions;
use serde::{Deserialize, de::DeserializeOwned};
use wasm_bindgen::JsValue;

/// Which backend a model is loaded for.
#[derive(Clone, Copy, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub(super) enum BackendName {
    Webgpu,
    Cpu,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct LoaderOptions {
    pub(super) backend: BackendName,
    pub(super) context_length: Option<usize>,
    pub(super) kv_cache_type: Option<KvType>,
    pub(super) chat_template: Option<String>,
    pub(super) file_bytes: u64,
    #[cfg(feature = "gpu")]
    #[serde(default)]
    pub(super) webgpu: WebgpuOptions,
}

/// How WebGPU is used.
#[cfg(feature = "gpu")]
#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct WebgpuOptions {
    /// What a prompt's blocks are multiplied in; absent: what is measured.
    pub(super) prefill: Option<String>,
    /// Absent: where the browser has them.
    pub(super) subgroups: Option<bool>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct InspectorOptions {
    pub(super) context_length: Option<usize>,
    pub(super) kv_cache_type: Option<KvType>,
    pub(super) chat_template: Option<String>,
    pub(super) file_bytes: u64,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
struct Generate {
    max_tokens: Option<usize>,
    temperature: Option<f32>,
    top_k: Option<usize>,
    top_p: Option<f32>,
    min_p: Option<f32>,
    repetition_penalty: Option<f32>,
    presence_penalty: Option<f32>,
    frequency_penalty: Option<f32>,
    seed: Option<u64>,
    stop: Vec<String>,
    logit_bias: Vec<(u32, f32)>,
    logprobs: Option<usize>,
    ignore_eos: bool,
    chat_prompt: Option<String>,
    /// JSON.
    tools: Option<String>,
    constrained: bool,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
struct Render {
    add_generation_prompt: Option<bool>,
    tools: Option<serde_json::Value>,
    now: Option<f64>,
    variables: serde_json::Map<String, serde_json::Value>,
}

/// Reads an object; undefined and null are an empty one.
pub(super) fn read<T: DeserializeOwned>(value: JsValue) -> std::result::Result<T, JsValue> {
    let value = if value.is_null() || value.is_undefined() { js_sys::Object::new().into() } else { value };
    serde_wasm_bindgen::from_value(value).map_err(|e| thrown(Error::new(ErrorKind::InvalidArgument, e.to_string())))
}

pub(super) fn generate(value: JsValue) -> std::result::Result<GenerateOptions, JsValue> {
    let o: Generate = read(value)?;
    let tools = o.tools.as_deref().map(serde_json::from_str).transpose();
    let tools =
        tools.map_err(|e| thrown(Error::new(ErrorKind::InvalidArgument, format!("tools are not JSON: {e}"))))?;
    let d = SamplingOptions::default();
    Ok(GenerateOptions {
        sampling: SamplingOptions {
            temperature: o.temperature.unwrap_or(d.temperature),
            top_k: o.top_k.unwrap_or(d.top_k),
            top_p: o.top_p.unwrap_or(d.top_p),
            min_p: o.min_p.unwrap_or(d.min_p),
            repetition_penalty: o.repetition_penalty.unwrap_or(d.repetition_penalty),
            presence_penalty: o.presence_penalty.unwrap_or(d.presence_penalty),
            frequency_penalty: o.frequency_penalty.unwrap_or(d.frequency_penalty),
            penalty_last_n: d.penalty_last_n,
            seed: o.seed.unwrap_or(d.seed),
            logit_bias: o.logit_bias,
            top_logprobs: o.logprobs,
        },
        max_tokens: o.max_tokens,
        stop: o.stop,
        ignore_eos: o.ignore_eos,
        chat_prompt: o.chat_prompt,
        tools,
        constrained: o.constrained,
    })
}

/// Messages and options of a template, both JSON.
pub(super) fn render(messages: &str, options: &str) -> Result<(serde_json::Value, RenderOptions)> {
    let bad = |what: &str, e: serde_json::Error| {
        Error::new(ErrorKind::InvalidArgument, format!("{what} are not what is expected: {e}"))
    };
    let messages = serde_json::from_str(messages).map_err(|e| bad("messages", e))?;
    let o: Render = serde_json::from_str(options).map_err(|e| bad("template options", e))?;
    let options = RenderOptions {
        add_generation_prompt: o.add_generation_prompt.unwrap_or(true),
        tools: o.tools.filter(|t| !t.is_null()),
        now: o.now.map(|n| n as i64),
        extra: o.variables,
    };
    Ok((messages, options))
}
