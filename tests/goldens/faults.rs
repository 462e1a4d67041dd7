//! Faults that are planted in a model's file must be noticed by the comparison and the limits that models are held to.

use super::compare::*;
use pagelm::gguf::{Header, Parsed, TensorInfo};
use pagelm::kernels::Backend;

/// What is wrong with a file.
#[derive(Clone, Copy, Debug)]
pub enum Fault {
    /// The value of a metadata key.
    Float(&'static str, f32),
    /// The same, a count.
    Count(&'static str, u32),
    /// The halves of one byte of the block in the middle of a tensor change places: the first of them that differ, from
    /// this byte of the block on.
    Nibble(&'static str, usize),
    /// The lowest bit of this byte of every block of a tensor: of a scale, 1 in 1024 to 1 in 2048.
    Bit(&'static str, usize),
}
use Fault::{Bit, Count, Float, Nibble};

/// A model and its fault.
pub type Planted = (&'static str, Fault);

/// Faults of each kind that a kernel or a loader can have: codes, scales, angles, windows.
pub const KINDS: &[Planted] = &[
    ("llama-bpe-q4_0-ropefreqs-tied", Nibble("blk.1.ffn_down.weight", 2)),
    ("llama-bpe-q4_0-ropefreqs-tied", Bit("blk.0.attn_v.weight", 0)),
    ("gemma3-q4_0-window8", Float("gemma3.rope.freq_base", 1_010_000.0)),
    ("gemma3-q4_0-window8", Count("gemma3.attention.sliding_window", 9)),
    ("gemma2-q5_1", Count("gemma2.attention.sliding_window", 15)),
];

/// More of them: one key a model, each a line of the pass that would otherwise go unnoticed, and other types.
pub const MORE: &[Planted] = &[
    ("llama-bpe-q4_0-ropefreqs-tied", Float("llama.rope.freq_base", 505_000.0)),
    ("llama-bpe-q4_1-ropelinear", Float("llama.rope.scaling.factor", 4.04)),
    ("llama-bpe-q4_1-ropelinear", Nibble("blk.0.ffn_down.weight", 4)),
    ("llama-bpe-q4_1-ropelinear", Bit("token_embd.weight", 0)),
    ("llama-bpe-q4_k_m-untied", Nibble("blk.0.ffn_gate.weight", 16)),
    ("llama-bpe-q4_k_m-untied", Bit("blk.0.ffn_gate.weight", 0)),
    ("qwen2-q8_0-bias", Bit("blk.0.attn_v.weight", 0)),
    ("qwen2-q5_0-yarn-tied", Float("qwen2.rope.scaling.factor", 4.04)),
    ("phi4mini-q6_k-short", Float("phi3.rope.scaling.attn_factor", 1.2)),
    ("granite-bf16", Float("granite.embedding_scale", 4.04)),
    ("granite-bf16", Float("granite.residual_scale", 0.91)),
    ("granite-bf16", Float("granite.attention.scale", 0.21)),
    ("granite-bf16", Float("granite.logit_scale", 0.61)),
    ("gemma2-q5_1", Float("gemma2.attn_logit_softcapping", 0.0)),
    ("gemma2-q5_1", Float("gemma2.final_logit_softcapping", 0.0)),
    ("olmo2-iq4_nl-window", Count("olmo2.attention.sliding_window", 11)),
    // the other factors
    ("phi4mini-q6_k-long", Count("phi3.rope.scaling.original_context_length", 4096)),
    ("qwen3moe-mxfp4", Count("qwen3moe.expert_used_count", 3)),
];

impl Fault {
    /// Changes the file.
    fn plant(self, file: &mut [u8]) {
        match self {
            Float(key, value) => put(file, key, value.to_le_bytes()),
            Count(key, value) => put(file, key, value.to_le_bytes()),
            Nibble(name, byte) => blocks(file, name, |block, is_middle| {
                if is_middle {
                    let code = block[byte..].iter_mut().find(|b| **b >> 4 != **b & 15).expect("two codes");
                    *code = code.rotate_left(4);
                }
            }),
            Bit(name, byte) => blocks(file, name, |block, _| block[byte] ^= 1),
        }
    }
}

/// Replaces the four bytes of a key's value.
fn put(file: &mut [u8], key: &str, value: [u8; 4]) {
    let at = file.windows(key.len()).position(|w| w == key.as_bytes()).expect(key) + key.len() + 4;
    assert_ne!(file[at..at + 4], value, "{key}");
    file[at..at + 4].copy_from_slice(&value);
}

/// Changes the blocks of a tensor; the change is told which one is in the middle.
fn blocks(file: &mut [u8], name: &str, change: impl Fn(&mut [u8], bool)) {
    let TensorInfo { ty, offset, bytes, .. } = match Header::parse(file, file.len() as u64).unwrap() {
        Parsed::Complete(header) => header.tensor(name).expect(name).clone(),
        Parsed::NeedMore(more) => panic!("the file ends before byte {more}"),
    };
    let tensor = &mut file[offset as usize..(offset + bytes) as usize];
    let middle = tensor.len() / ty.block_bytes / 2;
    for (at, block) in tensor.chunks_exact_mut(ty.block_bytes).enumerate() {
        change(block, at == middle);
    }
}

/// Fails unless the limits of both classes notice the fault: that of f32, and the wider one of quantised products.
pub fn check<B: Backend>(backend: B, (name, fault): Planted) {
    let mut file = tiny(name);
    fault.plant(&mut file);
    let (exact, scored) = differences(name, &mut load(backend, &file));
    println!("{name}, {fault:?}: {:.4}, of scores {:.4}", exact.worst, scored.worst);
    let least = exact.worst.min(scored.worst);
    assert!(least > TINY_F32.max(TINY_QUANTISED), "{name}: {fault:?} is not noticed: {least}");
}
