//! How fast the WGSL backend runs the operations of a model, without one: weights are zeros of the right shape and type.
//! `cargo test --test gpu_speed -- --ignored --nocapture`
#![cfg(all(not(target_arch = "wasm32"), feature = "gpu"))]

use std::time::Instant;

use pagelm::Result;
use pagelm::kernels::gpu::{Gpu, Options, Tiling};
use pagelm::kernels::{
    Activation, Attend, Attention, Backend, BufferId, CacheShape, Head, KvType, MatrixId, PassKey, Rope, RopeKind,
    Sampling, Step, VectorId,
};
use pagelm::quant::TensorType;
use pollster::block_on;

/// SmolLM2-135M.
const LAYERS: usize = 30;
const HIDDEN: usize = 576;
const FFN: usize = 1536;
const HEADS: usize = 9;
const KV_HEADS: usize = 3;
const HEAD_DIM: usize = 64;
const VOCABULARY: usize = 49152;
const CONTEXT: usize = 512;

struct Model {
    table: MatrixId,
    /// q, k, v, o, gate, up, down
    layers: Vec<[MatrixId; 7]>,
    norm: VectorId,
    rope: Rope,
    /// x, normed, q, k, v, attended, gate, up, logits
    buffers: [BufferId; 9],
}

fn model(b: &mut Gpu) -> Result<Model> {
    let ty = |name: &str| TensorType::from_name(name).expect("a type");
    let kv = KV_HEADS * HEAD_DIM;
    let shapes =
        [(HIDDEN, HIDDEN), (kv, HIDDEN), (kv, HIDDEN), (HIDDEN, HIDDEN), (FFN, HIDDEN), (FFN, HIDDEN), (HIDDEN, FFN)];
    let mut layers = Vec::new();
    for _ in 0..LAYERS {
        let mut layer = [MatrixId(0); 7];
        for (slot, (rows, cols)) in layer.iter_mut().zip(shapes) {
            *slot = b.create_matrix("w", ty("Q4_1"), rows, cols)?;
        }
        layers.push(layer);
    }
    b.create_cache(
        CONTEXT,
        &[CacheShape::KeysValues { heads: KV_HEADS, head_dim: HEAD_DIM, window: None }; LAYERS],
        KvType::F32,
    )?;
    let rows = b.max_rows();
    let mut buffer = |rows, width| b.create_buffer("x", rows, width);
    let buffers = [
        buffer(rows, HIDDEN)?,
        buffer(rows, HIDDEN)?,
        buffer(rows, HIDDEN)?,
        buffer(rows, kv)?,
        buffer(rows, kv)?,
        buffer(rows, HIDDEN)?,
        buffer(rows, FFN)?,
        buffer(rows, FFN)?,
        buffer(1, VOCABULARY)?,
    ];
    Ok(Model {
        table: b.create_matrix("table", ty("Q8_0"), VOCABULARY, HIDDEN)?,
        layers,
        norm: b.create_vector("norm", &[1.0; HIDDEN])?,
        rope: Rope {
            kind: RopeKind::Norm,
            dims: HEAD_DIM,
            table: b.create_vector("rope", &[1.0; CONTEXT * HEAD_DIM])?,
        },
        buffers,
    })
}

fn forward(b: &mut Gpu, m: &Model, n: usize) -> Result<()> {
    let [x, normed, q, k, v, attended, gate, up, logits] = m.buffers;
    let a =
        Attention { heads: HEADS, kv_heads: KV_HEADS, head_dim: HEAD_DIM, scale: 0.125, window: None, soft_cap: None };
    b.embed(n, m.table, x)?;
    for (layer, &[wq, wk, wv, wo, w_gate, w_up, w_down]) in m.layers.iter().enumerate() {
        b.rms_norm(n, x, 0, m.norm, 1e-5, normed)?;
        b.matmul(n, wq, normed, q)?;
        b.matmul(n, wk, normed, k)?;
        b.matmul(n, wv, normed, v)?;
        b.rope(n, q, HEADS, HEAD_DIM, m.rope)?;
        b.rope(n, k, KV_HEADS, HEAD_DIM, m.rope)?;
        b.store_kv(n, layer, k, v)?;
        b.attention(n, layer, q, a, attended)?;
        b.matmul(n, wo, attended, normed)?;
        b.add(n, x, normed)?;
        b.rms_norm(n, x, 0, m.norm, 1e-5, normed)?;
        b.matmul(n, w_gate, normed, gate)?;
        b.matmul(n, w_up, normed, up)?;
        b.gated(n, gate, up, Activation::Silu)?;
        b.matmul(n, w_down, gate, normed)?;
        b.add(n, x, normed)?;
    }
    b.rms_norm(1, x, n - 1, m.norm, 1e-5, normed)?;
    b.matmul(1, m.table, normed, logits)?;
    b.argmax(logits)
}

/// Seconds a pass of n rows takes, the best of several.
fn seconds(b: &mut Gpu, m: &Model, n: usize, position: usize) -> f64 {
    let key = PassKey { rows: n, head: Head::Argmax };
    let tokens = vec![1; n];
    let mut best = f64::INFINITY;
    for _ in 0..4 {
        let start = Instant::now();
        b.pass(Step { tokens: &tokens, position }, key, &mut |b| forward(b, m, n)).expect("a pass");
        block_on(b.read_found()).expect("a readback");
        best = best.min(start.elapsed().as_secs_f64());
    }
    best
}

#[test]
#[ignore = "a measurement"]
fn smollm2_135m() {
    for tiling in [Tiling::Large, Tiling::Small, Tiling::Split] {
        let mut b = block_on(Gpu::new(Options { tiling, ..Options::default() })).expect("a device");
        let m = model(&mut b).expect("a model");
        let decode = seconds(&mut b, &m, 1, 100);
        let far = seconds(&mut b, &m, 1, 500);
        let (small, block) = (seconds(&mut b, &m, 4, 100), seconds(&mut b, &m, 64, 100));
        println!("{:?}, tiling {tiling:?}", b.adapter_info());
        println!(
            "decode {:.1} tok/s at 100, {:.1} at 500; prefill {:.1} tok/s in fours, {:.1} in 64s",
            1.0 / decode,
            1.0 / far,
            4.0 / small,
            64.0 / block
        );
        println!("{:?}, {} MB", b.counters(), b.bytes() / 1_000_000);
    }
}

/// A single token's attention in the shapes of SmolLM2-135M, Gemma 3 270M and Qwen3 0.6B, and a block's.
#[test]
#[ignore = "a measurement"]
fn attention() {
    const LAYERS: usize = 8;
    const BEHIND: usize = 2048;
    for (heads, kv_heads, head_dim) in [(9, 3, 64), (4, 1, 256), (16, 8, 128)] {
        let mut b = block_on(Gpu::new(Options::default())).expect("a device");
        let layer = CacheShape::KeysValues { heads: kv_heads, head_dim, window: None };
        b.create_cache(BEHIND, &[layer; LAYERS], KvType::F16).expect("a cache");
        block_on(b.reserve(BEHIND)).expect("room");
        let rows = b.max_rows();
        let parts = [("q", heads * head_dim), ("k", kv_heads * head_dim), ("v", kv_heads * head_dim)];
        let qkv: [BufferId; 3] = b.create_buffers(rows, &parts).expect("buffers").try_into().expect("three");
        let out = b.create_buffer("out", rows, heads * head_dim).expect("a buffer");
        let shape = Attention { heads, kv_heads, head_dim, scale: 0.125, window: None, soft_cap: None };
        let a = Attend { q_norm: None, k_norm: None, eps: 1e-5, rope: None, shape };
        let mut milliseconds = |position: usize, n: usize| {
            let mut best = f64::INFINITY;
            for _ in 0..8 {
                let start = Instant::now();
                let record =
                    &mut |b: &mut Gpu| (0..LAYERS).try_for_each(|layer| b.attend(n, layer, qkv, a, out).map(drop));
                b.pass(Step { tokens: &vec![1; n], position }, PassKey { rows: n, head: Head::Last }, record)
                    .expect("a pass");
                block_on(b.flush()).expect("the end");
                best = best.min(1e3 * start.elapsed().as_secs_f64());
            }
            best / LAYERS as f64
        };
        let [near, far, block] = [(32, 1), (1900, 1), (1900, 64)].map(|(position, n)| milliseconds(position, n));
        println!(
            "{heads} heads of {head_dim}, {kv_heads} of keys: {near:.2} ms behind 32, {far:.2} behind 1900, {block:.1} of 64 rows"
        );
    }
}

/// The likeliest of so many logits, one that is drawn, and all of them read back.
#[test]
#[ignore = "a measurement"]
fn choosing_a_token() {
    for vocabulary in [49_152, 151_936, 262_144] {
        let mut b = block_on(Gpu::new(Options::default())).expect("a device");
        b.create_cache(CONTEXT, &[], KvType::F32).expect("a cache");
        b.create_sampler(vocabulary, CONTEXT).expect("a sampler");
        let values: Vec<f32> = (0..vocabulary).map(|i| ((i * 7919) % 10_007) as f32 / 800.0).collect();
        let values = b.create_vector("values", &values).expect("logits");
        let logits = b.create_buffer("logits", 1, vocabulary).expect("a buffer");
        let how = Sampling {
            biases: Vec::new(),
            window: 64,
            repetition_penalty: 1.1,
            presence_penalty: 0.0,
            frequency_penalty: 0.0,
            top_k: 40,
            top_p: 0.95,
            min_p: 0.0,
            temperature: 0.8,
            constrained: false,
        };
        assert!(b.begin_sampling(&how, &[1; 64]).expect("options"));
        let mut milliseconds = |head| {
            let mut best = f64::INFINITY;
            for _ in 0..8 {
                b.set_unit(0.5);
                let start = Instant::now();
                let record = &mut |b: &mut Gpu| {
                    b.scale(1, logits, 0.0)?;
                    b.add_bias(1, logits, values)?;
                    match head {
                        Head::Argmax => b.argmax(logits),
                        Head::Sample => b.sample(1, logits),
                        _ => Ok(()),
                    }
                };
                b.pass(Step { tokens: &[1], position: 64 }, PassKey { rows: 1, head }, record).expect("a pass");
                match head {
                    Head::Last => drop(block_on(b.read(logits, 1)).expect("logits")),
                    _ => drop(block_on(b.read_found()).expect("a token")),
                }
                best = best.min(1e3 * start.elapsed().as_secs_f64());
            }
            best
        };
        let [argmax, sample, read] = [Head::Argmax, Head::Sample, Head::Last].map(&mut milliseconds);
        println!("{vocabulary} logits: argmax {argmax:.2} ms, sample {sample:.2} ms, read back {read:.2} ms");
    }
}
