//! What hostile metadata and tensors give: a typed error each, that names what is wrong.

use super::config::{Config, Mixing, Rotation};
use super::rope::{Factors, Rotary};
use super::tensors::roles;
use super::weights::Mixer;
use super::{Loader, Session};
use crate::ErrorKind;
use crate::gguf::{Array, Header, Metadata, TensorInfo, Value};
use crate::kernels::KvType;
use crate::kernels::reference::Reference;
use crate::quant::TensorType;

type Pairs = Vec<(&'static str, Value)>;

fn tensor(name: &str, dims: &[u64]) -> TensorInfo {
    let ty = TensorType::from_name("F32").unwrap();
    TensorInfo { name: name.to_owned(), ty, dims: dims.to_vec(), offset: 0, bytes: 4 * dims.iter().product::<u64>() }
}

/// A model of four layers, with more keys or other values; keys are without the architecture's name.
fn header(architecture: &str, changes: &Pairs) -> Header {
    let mut pairs: Pairs = vec![
        ("block_count", Value::U64(4)),
        ("embedding_length", Value::U64(64)),
        ("context_length", Value::U64(512)),
        ("feed_forward_length", Value::U64(96)),
        ("attention.head_count", Value::U64(4)),
        ("attention.head_count_kv", Value::U64(2)),
        ("attention.layer_norm_rms_epsilon", Value::F64(1e-5)),
    ];
    pairs.retain(|(key, _)| changes.iter().all(|(other, _)| key != other));
    let mut all: Vec<_> =
        pairs.iter().chain(changes).map(|(k, v)| (format!("{architecture}.{k}"), v.clone())).collect();
    all.push(("general.architecture".to_owned(), Value::String(architecture.to_owned())));
    let tensors = vec![tensor("token_embd.weight", &[64, 100])];
    Header { version: 3, metadata: Metadata::from_pairs(all), tensors, data_offset: 0 }
}

fn config(architecture: &str, changes: Pairs) -> Config {
    Config::from_header(&header(architecture, &changes)).unwrap()
}

fn fails(architecture: &str, changes: Pairs, kind: ErrorKind, needle: &str) {
    let error = Config::from_header(&header(architecture, &changes)).expect_err(needle);
    assert_eq!(error.kind(), kind, "{error}");
    assert!(error.detail().contains(needle), "{error} does not say {needle:?}");
}

fn integers(values: &[i64]) -> Value {
    Value::Array(Array::Integers(values.to_vec()))
}

fn text(value: &str) -> Value {
    Value::String(value.to_owned())
}

#[test]
fn an_unknown_architecture_is_named_beside_those_that_are_known() {
    fails(
        "mamba",
        vec![],
        ErrorKind::UnsupportedArchitecture,
        "\"mamba\" is not supported; supported are llama, qwen2",
    );
}

#[test]
fn absurd_counts_are_refused() {
    use ErrorKind::{InvalidModel, UnsupportedArchitecture};
    fails("llama", vec![("attention.head_count", Value::U64(0))], InvalidModel, "is 0");
    fails("llama", vec![("attention.head_count", Value::U64(1 << 40))], InvalidModel, "at most 1024");
    fails("llama", vec![("attention.head_count_kv", integers(&[2, 2]))], InvalidModel, "2 elements for 4 layers");
    fails("llama", vec![("attention.head_count_kv", integers(&[2, 2, -1, 2]))], InvalidModel, "the element -1");
    fails("llama", vec![("attention.head_count_kv", integers(&[2, 0, 2, 2]))], InvalidModel, "is 0 in layer 1");
    fails("llama", vec![("attention.head_count_kv", integers(&[2, 4, 2, 2]))], UnsupportedArchitecture, "differs");
    fails("llama", vec![("attention.key_length", Value::U64(258))], InvalidModel, "at most 256");
    fails("llama", vec![("rope.dimension_count", Value::U64(18))], InvalidModel, "at most 16");
    fails("qwen3", vec![("expert_count", Value::U64(8))], UnsupportedArchitecture, "mixtures of experts");
    fails("llama", vec![("expert_count", Value::U64(8))], InvalidModel, "expert_used_count is missing");
    fails("qwen3moe", vec![], InvalidModel, "expert_count is missing");
    let experts = |used, hidden| {
        vec![
            ("expert_count", Value::U64(8)),
            ("expert_used_count", Value::U64(used)),
            ("expert_feed_forward_length", Value::U64(hidden)),
        ]
    };
    fails("qwen3moe", experts(9, 64), InvalidModel, "9 of 8 experts");
    fails("qwen3moe", experts(2, 33), UnsupportedArchitecture, "multiples of 32");
    assert!(config("qwen3moe", experts(8, 64)).experts.is_some());
    let mixtral = config("llama", vec![("expert_count", Value::U64(8)), ("expert_used_count", Value::U64(2))]);
    assert_eq!(mixtral.experts.map(|e| (e.count, e.used, e.hidden)), Some((8, 2, mixtral.hidden)));
    let scaled = [experts(8, 64), vec![("expert_weights_scale", Value::F64(2.5))]].concat();
    fails("qwen3moe", scaled, UnsupportedArchitecture, "weights of experts");
    fails("lfm2", vec![("shortconv.l_cache", Value::U64(65))], InvalidModel, "at most 64");
    fails("gemma3", vec![("attention.sliding_window_pattern", integers(&[1]))], InvalidModel, "1 elements");
    fails("gemma3", vec![("attention.sliding_window_pattern", integers(&[1, 0, 2, 0]))], InvalidModel, "element 2");
}

#[test]
fn numbers_that_the_pass_could_not_use_are_refused() {
    use ErrorKind::{InvalidModel, UnsupportedArchitecture};
    let number = |key, value| vec![(key, Value::F64(value))];
    fails("llama", number("rope.freq_base", -1.0), InvalidModel, "must be positive");
    fails("llama", number("rope.freq_base", f64::NAN), InvalidModel, "must be finite");
    fails("llama", number("rope.scaling.factor", -4.0), InvalidModel, "must be positive");
    fails("granite", number("logit_scale", f64::INFINITY), InvalidModel, "must be finite");
    fails("gemma2", number("final_logit_softcapping", -1.0), InvalidModel, "must not be negative");
    fails("llama", vec![("rope.scaling.type", text("magic"))], UnsupportedArchitecture, "linear, yarn and longrope");
    fails("bitnet", vec![("hidden_activation", text("mish"))], UnsupportedArchitecture, "silu, relu2");
    let mut yarn = number("rope.freq_base", 1.0);
    yarn.push(("rope.scaling.type", text("yarn")));
    fails("qwen2", yarn, InvalidModel, "more than 1");
}

fn windows(config: &Config) -> Vec<Option<usize>> {
    let window = |m: &Mixing| match m {
        Mixing::Attention { window, .. } => *window,
        Mixing::ShortConv => None,
    };
    config.mixing.iter().map(window).collect()
}

#[test]
fn windows_follow_the_file_and_then_the_architecture() {
    let pattern = "attention.sliding_window_pattern";
    assert_eq!(windows(&config("gemma2", vec![])), [Some(4096), None, Some(4096), None]);
    let length = ("attention.sliding_window", Value::U64(8));
    assert_eq!(windows(&config("gemma3", vec![length.clone()])), [Some(8); 4]);
    assert_eq!(windows(&config("gemma3", vec![])), [None; 4]);
    assert_eq!(windows(&config("olmo2", vec![length.clone()])), [Some(8), Some(8), Some(8), None]);
    assert_eq!(windows(&config("gemma3", vec![length.clone(), (pattern, Value::U64(1))])), [None; 4]);
    let flags = vec![length.clone(), (pattern, integers(&[0, 1, 0, 0]))];
    assert_eq!(windows(&config("gemma3", flags)), [None, Some(8), None, None]);
    // as in llama.cpp
    assert_eq!(windows(&config("phi3", vec![length])), [None; 4]);
}

#[test]
fn some_layers_do_not_rotate_or_do_not_attend() {
    let unrotated = |m: &Mixing| matches!(m, Mixing::Attention { rotation: Rotation::None, .. });
    let smollm3 = config("smollm3", vec![]);
    assert_eq!(smollm3.mixing.iter().map(unrotated).collect::<Vec<_>>(), [false, false, false, true]);
    let changes = vec![("attention.head_count_kv", integers(&[0, 2, 0, 2])), ("shortconv.l_cache", Value::U64(3))];
    let lfm2 = config("lfm2", changes);
    assert_eq!(lfm2.mixing.iter().map(|m| *m == Mixing::ShortConv).collect::<Vec<_>>(), [true, false, true, false]);
    assert_eq!(lfm2.attention.kv_heads, 2);
}

#[test]
fn rope_factors_are_chosen_by_the_context() {
    let factors = Factors { always: None, long: Some(vec![2.0; 8]), short: Some(vec![1.0; 8]) };
    assert_eq!(factors.choose(4096, 4096).unwrap(), Some(&[1.0; 8][..]));
    assert_eq!(factors.choose(4097, 4096).unwrap(), Some(&[2.0; 8][..]));
    let only_short = Factors { long: None, ..factors };
    assert!(only_short.choose(4097, 4096).unwrap_err().detail().contains("rope_factors_long"));
    let rotary = Rotary { dims: 16, base: 1e4, divisor: 1.0, yarn: None, magnitude: 1.0 };
    assert_eq!(rotary.table(3, None).unwrap().len(), 48);
    for bad in [&[1.0; 7][..], &[0.0; 8], &[f32::NAN; 8], &[-1.0; 8]] {
        assert_eq!(rotary.table(3, Some(bad)).unwrap_err().kind(), ErrorKind::InvalidModel);
    }
}

#[test]
fn tensors_that_do_not_fit_are_named() {
    let refuse = |architecture: &str, tensors: Vec<TensorInfo>, needle: &str| {
        let mut header = header(architecture, &vec![]);
        let config = Config::from_header(&header).unwrap();
        header.tensors.extend(tensors);
        let error = roles(&header, &config).expect_err(needle);
        assert!(error.detail().contains(needle), "{error} does not say {needle:?}");
    };
    refuse("llama", vec![], "37 tensors are missing, the first is blk.0.attn_k.weight");
    refuse("llama", vec![tensor("blk.0.attn_q_norm.weight", &[16])], "no place in the llama architecture");
    refuse("llama", vec![tensor("blk.0.attn_q.weight", &[64, 32])], "[64, 32]; [64, 64] is needed");
    refuse("llama", vec![tensor("blk.0.attn_q.weight", &[64, 64, 2])], "[64, 64, 2]; [64, 64] is needed");
    refuse("phi3", vec![tensor("blk.0.attn_qkv.weight", &[64, 64])], "[64, 64]; [64, 128] is needed");
    refuse("bitnet", vec![tensor("blk.0.attn_q.scale", &[2])], "[2]; [1] is needed");
}

/// A bitnet model of one layer whose matrices are I2_S with the scale 0.5, and whose queries have a scale of 3 as well; all
/// else is zeros. Pushed in pieces of `piece` bytes.
fn load_i2_s(scale: f32, piece: usize) -> crate::Result<Session<Reference>> {
    let changes = vec![
        ("block_count", Value::U64(1)),
        ("embedding_length", Value::U64(128)),
        ("feed_forward_length", Value::U64(128)),
    ];
    let mut header = header("bitnet", &changes);
    header.tensors[0].dims = vec![128, 100];
    for name in ["output_norm", "blk.0.attn_norm", "blk.0.attn_sub_norm", "blk.0.ffn_norm", "blk.0.ffn_sub_norm"] {
        header.tensors.push(tensor(&format!("{name}.weight"), &[128]));
    }
    header.tensors.push(tensor("blk.0.attn_q.scale", &[1]));
    for (name, rows) in [("attn_q", 128), ("attn_k", 64), ("attn_v", 64), ("attn_output", 128)] {
        header.tensors.push(tensor(&format!("blk.0.{name}.weight"), &[128, rows]));
    }
    for name in ["ffn_gate", "ffn_up", "ffn_down"] {
        header.tensors.push(tensor(&format!("blk.0.{name}.weight"), &[128, 128]));
    }
    let mut data = Vec::new();
    for t in &mut header.tensors {
        if t.dims.len() == 2 && t.name.starts_with("blk") {
            t.ty = TensorType::from_name("I2_S").unwrap();
        }
        t.offset = data.len() as u64;
        t.bytes = t.ty.tensor_bytes(t.len()).unwrap();
        let trailer = data.len() + (t.bytes - t.ty.trailer_bytes) as usize;
        data.resize(data.len() + t.bytes as usize, 0);
        if t.ty.trailer_bytes > 0 {
            data[trailer..trailer + 4].copy_from_slice(&scale.to_le_bytes());
        }
        if t.name.ends_with(".scale") {
            data[t.offset as usize..].copy_from_slice(&3f32.to_le_bytes());
        }
    }
    let config = Config::from_header(&header)?;
    let mut loader = Loader::new(Reference::new(), header, config, 8, KvType::F32, 0)?;
    data.chunks(piece).try_for_each(|bytes| loader.push(bytes))?;
    loader.finish()
}

#[test]
fn a_scale_behind_a_tensor_multiplies_its_product() {
    for piece in [7, 32, 4096, 1 << 20] {
        let session = load_i2_s(0.5, piece).unwrap();
        let Mixer::Attention(w) = &session.model().layers[0].mixer else { panic!("bitnet attends") };
        assert_eq!((w.q.scale, w.k.scale, w.output.scale), (Some(1.5), Some(0.5), Some(0.5)));
    }
    assert_eq!(load_i2_s(f32::NAN, 99).err().map(|e| e.kind()), Some(ErrorKind::InvalidModel));
    // a table of embeddings is not multiplied
    let mut header = header("bitnet", &vec![]);
    let config = Config::from_header(&header).unwrap();
    header.tensors[0].ty = TensorType::from_name("I2_S").unwrap();
    assert_eq!(roles(&header, &config).unwrap_err().kind(), ErrorKind::UnsupportedType);
}
