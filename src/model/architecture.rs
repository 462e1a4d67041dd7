//! The table of architectures: what distinguishes them and is not in the metadata.

use crate::error::{Error, ErrorKind, Result};
use crate::kernels::{Activation, RopeKind};

/// Where a block's RMS norms are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Norms {
    /// Of what goes into attention and feed-forward (llama).
    Before,
    /// Of what comes out of them (OLMo 2, arXiv 2501.00656).
    After,
    /// Both (Gemma 2, arXiv 2408.00118).
    Around,
}

/// Whether queries and keys are normed before they rotate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum QkNorm {
    /// They are not.
    None,
    /// Every head by itself, all with one weight.
    Head,
    /// All heads of a row together.
    Row,
}

/// What a layer's window is when the file does not say.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Windows {
    /// Every how many layers one sees everything: the last of each run.
    pub period: usize,
    /// Positions; without them a file that names no window has none.
    pub length: Option<usize>,
    /// The rotary base of windowed layers; that of the others if there is none.
    pub base: Option<f64>,
    /// Whether rope scaling applies to windowed layers.
    pub scaled: bool,
}

/// Whether the feed-forward is a mixture of experts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mixtures {
    /// It is not.
    Never,
    /// If the file has a number of experts, each as wide as the feed-forward would be (Mixtral, arXiv 2401.04088).
    Sometimes,
    /// It is, with a width of their own.
    Always,
}

/// One row of the table.
#[derive(Debug, PartialEq)]
pub struct Architecture {
    /// `general.architecture`.
    pub name: &'static str,
    /// Which elements rotate together in files of this architecture.
    pub rope: RopeKind,
    /// Every so many layers, the last of each run has no rotary embedding.
    pub unrotated_period: Option<usize>,
    /// Where the norms are.
    pub norms: Norms,
    /// Norms of queries and keys.
    pub qk_norm: QkNorm,
    /// Whether attention's and the feed-forward's inside are normed before their last matrix.
    pub sub_norms: bool,
    /// What the feed-forward's gate goes through; `hidden_activation` may say otherwise.
    pub activation: Activation,
    /// Sliding windows.
    pub windows: Option<Windows>,
    /// Whether queries, keys and values must have biases. Anywhere else a bias is added where the file has one.
    pub qkv_bias: bool,
    /// Whether one tensor holds queries, keys and values, and one gate and up.
    pub fused: bool,
    /// Whether embeddings are multiplied by the root of their width.
    pub root_width: bool,
    /// Layers of the one model whose attention is scaled by the root of width / heads instead of the head's size.
    pub rescaled_layers: Option<usize>,
    /// Caps of scores and logits when the file does not say.
    pub soft_caps: Option<(f64, f64)>,
    /// Mixtures of experts, weighted by the softmax of those that are chosen.
    pub experts: Mixtures,
    /// Whether layers without key/value heads are short convolutions.
    pub short_conv: bool,
    /// What the final norm is called.
    pub output_norm: &'static str,
}

/// Touvron et al. 2023 (arXiv 2302.13971); what the others are told apart from.
const LLAMA: Architecture = Architecture {
    name: "llama",
    rope: RopeKind::Norm,
    unrotated_period: None,
    norms: Norms::Before,
    qk_norm: QkNorm::None,
    sub_norms: false,
    activation: Activation::Silu,
    windows: None,
    qkv_bias: false,
    fused: false,
    root_width: false,
    rescaled_layers: None,
    soft_caps: None,
    experts: Mixtures::Never,
    short_conv: false,
    output_norm: "output_norm",
};

/// Gemma Team 2024 (arXiv 2403.08295).
const GEMMA: Architecture =
    Architecture { name: "gemma", rope: RopeKind::Neox, activation: Activation::GeluTanh, root_width: true, ..LLAMA };

/// Every architecture that is supported. What is not in a row is as in llama, or in the file's metadata; the choices are
/// those of llama.cpp's `src/models` and `llama_model_rope_type`.
static ARCHITECTURES: &[Architecture] = &[
    // Mistral too, and Mixtral
    Architecture { experts: Mixtures::Sometimes, ..LLAMA },
    Architecture { name: "qwen2", rope: RopeKind::Neox, qkv_bias: true, ..LLAMA },
    Architecture { name: "qwen3", rope: RopeKind::Neox, qk_norm: QkNorm::Head, ..LLAMA },
    // its four scales are metadata
    Architecture { name: "granite", ..LLAMA },
    Architecture {
        name: "gemma3",
        qk_norm: QkNorm::Head,
        norms: Norms::Around,
        windows: Some(Windows { period: 6, length: None, base: Some(10_000.0), scaled: false }),
        rescaled_layers: Some(62),
        ..GEMMA
    },
    Architecture {
        name: "gemma2",
        norms: Norms::Around,
        windows: Some(Windows { period: 2, length: Some(4096), base: None, scaled: true }),
        rescaled_layers: Some(46),
        soft_caps: Some((50.0, 30.0)),
        ..GEMMA
    },
    Architecture { name: "phi3", rope: RopeKind::Neox, fused: true, ..LLAMA },
    // windows are those of OLMo 3
    Architecture {
        name: "olmo2",
        rope: RopeKind::Neox,
        norms: Norms::After,
        qk_norm: QkNorm::Row,
        windows: Some(Windows { period: 4, length: None, base: None, scaled: false }),
        ..LLAMA
    },
    Architecture { name: "smollm3", unrotated_period: Some(4), ..LLAMA },
    Architecture { name: "bitnet", rope: RopeKind::Neox, sub_norms: true, ..LLAMA },
    Architecture { name: "qwen3moe", rope: RopeKind::Neox, qk_norm: QkNorm::Head, experts: Mixtures::Always, ..LLAMA },
    Architecture {
        name: "lfm2",
        rope: RopeKind::Neox,
        qk_norm: QkNorm::Head,
        short_conv: true,
        output_norm: "token_embd_norm",
        ..LLAMA
    },
    GEMMA,
    // what Microsoft's own converter calls BitNet b1.58 2B4T (arXiv 2504.12285)
    Architecture {
        name: "bitnet-b1.58",
        rope: RopeKind::Neox,
        sub_norms: true,
        activation: Activation::ReluSquared,
        ..LLAMA
    },
];

impl Architecture {
    /// The names of all that are supported.
    pub fn names() -> impl Iterator<Item = &'static str> {
        ARCHITECTURES.iter().map(|a| a.name)
    }

    /// The row of `name`.
    ///
    /// # Errors
    /// `UnsupportedArchitecture` with the list of those that are supported.
    pub fn find(name: &str) -> Result<&'static Self> {
        ARCHITECTURES.iter().find(|a| a.name == name).ok_or_else(|| {
            let known: Vec<_> = Self::names().collect();
            let detail = format!("the architecture {name:?} is not supported; supported are {}", known.join(", "));
            Error::new(ErrorKind::UnsupportedArchitecture, detail)
        })
    }
}
