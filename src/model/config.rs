//! What the forward pass needs to know: the architecture's row, and GGUF metadata (key names: ggml's `docs/gguf.md`).

use super::architecture::{Architecture, Mixtures, Windows};
use super::keys::{Keys, invalid, unsupported};
use super::rope::{Rotary, original_context};
use crate::error::Result;
use crate::gguf::Header;
use crate::kernels::{Activation, Attention, CacheShape};

/// Ceilings on shapes: far above every model that fits a page, low enough that products stay in 64 bits.
const MAX_LAYERS: u64 = 1 << 10;
const MAX_WIDTH: u64 = 1 << 17;
const MAX_HEADS: u64 = 1 << 10;
pub(super) const MAX_CONTEXT: u64 = 1 << 24;
const MAX_VOCABULARY: u64 = 1 << 22;
/// The widest head that the attention kernels take.
const MAX_HEAD_DIM: u64 = 256;
/// The largest published mixtures have 512 experts, of which 22 are used.
const MAX_EXPERTS: u64 = 1 << 10;
const MAX_EXPERTS_USED: u64 = 1 << 6;
/// The insides of several experts lie in one row, and kernels read whole blocks of it.
const EXPERT_ALIGN: usize = 32;
/// Published convolutions have 3 or 4 taps.
const MAX_TAPS: u64 = 1 << 6;

/// How tokens of a layer see each other.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Mixing {
    /// Attention.
    Attention {
        /// How many positions a token sees, itself included.
        window: Option<usize>,
        /// How queries and keys rotate.
        rotation: Rotation,
    },
    /// A causal convolution over a few positions.
    ShortConv,
}

/// Which rotary embedding a layer has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rotation {
    /// None.
    None,
    /// That of layers without a window.
    Global,
    /// That of layers with one.
    Local,
}

/// The shape of a mixture of experts (Shazeer et al. 2017, arXiv 1701.06538).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Experts {
    /// How many there are.
    pub count: usize,
    /// How many of them a token goes through.
    pub used: usize,
    /// Width of an expert's inside.
    pub hidden: usize,
}

/// The shape of a model.
#[derive(Clone, Debug, PartialEq)]
pub struct Config {
    /// Its row in the table of architectures.
    pub architecture: &'static Architecture,
    /// Blocks.
    pub layers: usize,
    /// Width of the residual stream.
    pub width: usize,
    /// Width of the feed-forward's inside.
    pub hidden: usize,
    /// Tokens.
    pub vocabulary: usize,
    /// The longest context it was trained for.
    pub context: usize,
    /// The context it was trained for before its rotary scaling.
    pub original_context: usize,
    /// Heads, their size and the cap of scores; each layer has its window.
    pub attention: Attention,
    /// How tokens of each layer see each other.
    pub mixing: Vec<Mixing>,
    /// Added under the root of every RMS norm.
    pub norm_epsilon: f32,
    /// What the feed-forward's gate goes through.
    pub activation: Activation,
    /// Rotary embedding of layers without a window.
    pub rotary: Rotary,
    /// That of layers with one, if it differs.
    pub local_rotary: Option<Rotary>,
    /// Multiplies embeddings.
    pub embedding_scale: Option<f32>,
    /// Multiplies what attention and feed-forward add to the stream.
    pub residual_scale: Option<f32>,
    /// Multiplies logits.
    pub logit_scale: Option<f32>,
    /// Logits l become cap * tanh(l / cap).
    pub logit_cap: Option<f32>,
    /// The feed-forward is a mixture.
    pub experts: Option<Experts>,
    /// Positions that a short convolution sees.
    pub taps: usize,
}

impl Config {
    /// Reads the configuration.
    ///
    /// # Errors
    /// `UnsupportedArchitecture` by name with the list of those that are; `InvalidModel` for missing or absurd keys.
    pub fn from_header(header: &Header) -> Result<Self> {
        let metadata = &header.metadata;
        let name = metadata
            .str("general.architecture")?
            .ok_or_else(|| invalid("the metadata key general.architecture is missing".to_owned()))?;
        let architecture = Architecture::find(name)?;
        let keys = Keys { metadata, architecture: name };
        let layers = keys.required("block_count", MAX_LAYERS)?;
        let width = keys.required("embedding_length", MAX_WIDTH)?;
        let context = keys.required("context_length", MAX_CONTEXT)?;
        let attention = attention(&keys, architecture, layers, width)?;
        let epsilon = keys.positive("attention.layer_norm_rms_epsilon")?;
        let original_context = original_context(&keys, context)?;
        let rotary = Rotary::read(&keys, rope_dims(&keys, attention.head_dim)?, original_context)?;
        let local_rotary = architecture.windows.map_or(Ok(None), |w| local_rotary(&keys, w, rotary))?;
        let experts = experts(&keys, architecture, layers)?;
        let hidden = keys.uniform("feed_forward_length", layers, MAX_WIDTH)?;
        let caps = architecture.soft_caps.unwrap_or((0.0, 0.0));
        Ok(Self {
            layers,
            width,
            hidden: hidden.or(experts.map(|e| e.hidden)).ok_or_else(|| keys.missing("feed_forward_length"))?,
            vocabulary: vocabulary(header)?,
            context,
            original_context,
            mixing: mixing(&keys, architecture, layers, local_rotary.is_some())?,
            attention,
            norm_epsilon: epsilon.ok_or_else(|| keys.missing("attention.layer_norm_rms_epsilon"))? as f32,
            activation: activation(&keys, architecture)?,
            rotary,
            local_rotary,
            embedding_scale: match keys.factor("embedding_scale")? {
                None if architecture.root_width => Some((width as f64).sqrt() as f32),
                scale => scale.map(|s| s as f32),
            },
            residual_scale: keys.factor("residual_scale")?.map(|s| s as f32),
            logit_scale: keys.factor("logit_scale")?.map(|s| (1.0 / s) as f32),
            logit_cap: cap(&keys, "final_logit_softcapping", caps.1)?,
            experts,
            taps: if architecture.short_conv { keys.required("shortconv.l_cache", MAX_TAPS)? } else { 0 },
            architecture,
        })
    }

    /// Width of keys and values of one layer.
    pub fn kv_width(&self) -> usize {
        self.attention.kv_heads * self.attention.head_dim
    }

    /// Width of queries of one layer.
    pub fn q_width(&self) -> usize {
        self.attention.heads * self.attention.head_dim
    }

    /// What the cache holds of each layer.
    pub fn cache(&self) -> Vec<CacheShape> {
        let shape = |mixing: &Mixing| match mixing {
            Mixing::Attention { window, .. } => CacheShape::KeysValues {
                heads: self.attention.kv_heads,
                head_dim: self.attention.head_dim,
                window: *window,
            },
            Mixing::ShortConv => CacheShape::Rows(self.width),
        };
        self.mixing.iter().map(shape).collect()
    }
}

fn attention(keys: &Keys<'_>, architecture: &Architecture, layers: usize, width: usize) -> Result<Attention> {
    let missing = || keys.missing("attention.head_count");
    let heads = keys.uniform("attention.head_count", layers, MAX_HEADS)?.ok_or_else(missing)?;
    let kv_heads = keys.uniform("attention.head_count_kv", layers, MAX_HEADS)?.unwrap_or(heads);
    let head_dim = keys.optional("attention.key_length", MAX_HEAD_DIM)?.unwrap_or(width / heads);
    let value_dim = keys.optional("attention.value_length", MAX_HEAD_DIM)?.unwrap_or(head_dim);
    let name = architecture.name;
    if heads % kv_heads != 0 {
        return Err(invalid(format!("{name}: {heads} query heads are not whole groups of {kv_heads} key/value heads")));
    }
    if value_dim != head_dim {
        return Err(invalid(format!("{name}: keys of {head_dim} and values of {value_dim} elements differ")));
    }
    if head_dim == 0 || head_dim % 2 != 0 || head_dim as u64 > MAX_HEAD_DIM {
        return Err(invalid(format!(
            "{name}: heads of {head_dim} elements; even and at most {MAX_HEAD_DIM} is needed"
        )));
    }
    let divided = if architecture.rescaled_layers == Some(layers) { width / heads } else { head_dim };
    let scale = keys.factor("attention.scale")?.map_or(1.0 / (divided as f32).sqrt(), |s| s as f32);
    let soft_cap = cap(keys, "attn_logit_softcapping", architecture.soft_caps.map_or(0.0, |c| c.0))?;
    Ok(Attention { heads, kv_heads, head_dim, scale, window: None, soft_cap })
}

fn rope_dims(keys: &Keys<'_>, head_dim: usize) -> Result<usize> {
    let dims = keys.optional("rope.dimension_count", MAX_HEAD_DIM)?.unwrap_or(head_dim);
    if dims > head_dim || dims % 2 != 0 {
        let key = keys.key("rope.dimension_count");
        return Err(invalid(format!("{key} is {dims}; even and at most {head_dim} is needed")));
    }
    Ok(dims)
}

/// A soft cap; 0 means none.
fn cap(keys: &Keys<'_>, name: &str, default: f64) -> Result<Option<f32>> {
    match keys.number(name)?.unwrap_or(default) {
        0.0 => Ok(None),
        v if v > 0.0 => Ok(Some(v as f32)),
        v => Err(invalid(format!("{} is {v}; it must not be negative", keys.key(name)))),
    }
}

fn activation(keys: &Keys<'_>, architecture: &Architecture) -> Result<Activation> {
    match keys.str("hidden_activation")? {
        None => Ok(architecture.activation),
        Some("silu" | "swiglu") => Ok(Activation::Silu),
        Some("relu2") => Ok(Activation::ReluSquared),
        Some("gelu_pytorch_tanh") => Ok(Activation::GeluTanh),
        Some(other) => {
            let key = keys.key("hidden_activation");
            Err(unsupported(format!("{key} is {other:?}; supported are silu, relu2 and gelu_pytorch_tanh")))
        }
    }
}

fn experts(keys: &Keys<'_>, architecture: &Architecture, layers: usize) -> Result<Option<Experts>> {
    let count = keys.or_zero("expert_count", MAX_EXPERTS)?.unwrap_or(0);
    match (architecture.experts, count) {
        (Mixtures::Never | Mixtures::Sometimes, 0) => return Ok(None),
        (Mixtures::Always, 0) => return Err(keys.missing("expert_count")),
        (Mixtures::Never, n) => {
            let key = keys.key("expert_count");
            return Err(unsupported(format!(
                "{key} is {n}; mixtures of experts are not supported in this architecture"
            )));
        }
        (Mixtures::Sometimes | Mixtures::Always, _) => {}
    }
    let used = keys.required("expert_used_count", MAX_EXPERTS_USED)?;
    if used > count {
        return Err(invalid(format!("{} is {used} of {count} experts", keys.key("expert_used_count"))));
    }
    let name =
        if architecture.experts == Mixtures::Always { "expert_feed_forward_length" } else { "feed_forward_length" };
    let hidden = keys.uniform(name, layers, MAX_WIDTH)?.ok_or_else(|| keys.missing(name))?;
    if hidden % EXPERT_ALIGN != 0 {
        let key = keys.key(name);
        return Err(unsupported(format!("{key} is {hidden}; multiples of {EXPERT_ALIGN} are supported")));
    }
    if let Some(scale) = keys.factor("expert_weights_scale")?.filter(|&scale| scale != 1.0) {
        let key = keys.key("expert_weights_scale");
        return Err(unsupported(format!("{key} is {scale}; weights of experts are not scaled here")));
    }
    Ok(Some(Experts { count, used, hidden }))
}

/// The embedding of windowed layers, if it is not that of the others.
fn local_rotary(keys: &Keys<'_>, windows: Windows, global: Rotary) -> Result<Option<Rotary>> {
    let base = keys.positive("rope.freq_base_swa")?.or(windows.base).unwrap_or(global.base);
    let local = if windows.scaled {
        Rotary { base, ..global }
    } else {
        Rotary { base, divisor: 1.0, yarn: None, magnitude: 1.0, dims: global.dims }
    };
    Ok(Some(local).filter(|&local| local != global))
}

fn mixing(keys: &Keys<'_>, architecture: &Architecture, layers: usize, local: bool) -> Result<Vec<Mixing>> {
    let windows = windows(keys, architecture, layers)?;
    let kv_heads = keys.per_layer("attention.head_count_kv", layers, MAX_HEADS)?.unwrap_or_default();
    let mut all = Vec::new();
    for (l, window) in windows.into_iter().enumerate() {
        let unrotated = architecture.unrotated_period.is_some_and(|period| (l + 1) % period == 0);
        let rotation = match window {
            _ if unrotated => Rotation::None,
            Some(_) if local => Rotation::Local,
            _ => Rotation::Global,
        };
        all.push(match kv_heads.get(l) {
            Some(0) if architecture.short_conv => Mixing::ShortConv,
            Some(0) => return Err(invalid(format!("{} is 0 in layer {l}", keys.key("attention.head_count_kv")))),
            _ => Mixing::Attention { window, rotation },
        });
    }
    Ok(all)
}

/// Each layer's window.
fn windows(keys: &Keys<'_>, architecture: &Architecture, layers: usize) -> Result<Vec<Option<usize>>> {
    const PATTERN: &str = "attention.sliding_window_pattern";
    // architectures without windows here have them in some files, and llama.cpp does not use them either
    let Some(rule) = architecture.windows else { return Ok(vec![None; layers]) };
    let length = keys.or_zero("attention.sliding_window", MAX_CONTEXT)?.or(rule.length).filter(|&w| w > 0);
    if keys.is_array(PATTERN) {
        let flags = keys.per_layer(PATTERN, layers, 1)?.unwrap_or_default();
        return Ok(flags.into_iter().map(|flag| length.filter(|_| flag == 1)).collect());
    }
    // 0 gives every layer a window, 1 none
    let period = keys.or_zero(PATTERN, MAX_LAYERS)?.unwrap_or(rule.period);
    let is_windowed = |l: usize| period == 0 || l % period < period - 1;
    Ok((0..layers).map(|l| length.filter(|_| is_windowed(l))).collect())
}

/// The embedding table says how many tokens there are; metadata may leave it out.
fn vocabulary(header: &Header) -> Result<usize> {
    let table = header
        .tensor("token_embd.weight")
        .ok_or_else(|| invalid("the tensor token_embd.weight is missing: not a language model".to_owned()))?;
    let (rows, _) = table.matrix_shape()?;
    if rows as u64 > MAX_VOCABULARY {
        return Err(invalid(format!("a vocabulary of {rows} tokens; the limit is {MAX_VOCABULARY}")));
    }
    Ok(rows)
}
