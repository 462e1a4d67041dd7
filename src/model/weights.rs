//! The ids under which a backend holds a model's weights and work space.

use super::config::{Config, Mixing, Rotation};
use crate::error::{Error, ErrorKind, Result};
use crate::kernels::{Attention, BufferId, MatrixId, Rope, VectorId};
use std::collections::HashMap;

/// x @ Wᵀ, times a scale, plus a bias.
#[derive(Clone, Copy, Debug)]
pub struct Linear {
    /// W (rows, cols).
    pub weight: MatrixId,
    /// Multiplies the product.
    pub scale: Option<f32>,
    /// (rows).
    pub bias: Option<VectorId>,
}

impl Linear {
    /// Whether there is nothing but the matrix.
    pub fn is_plain(&self) -> bool {
        self.scale.is_none() && self.bias.is_none()
    }
}

/// One attention's weights.
#[derive(Clone, Debug)]
pub struct AttentionWeights {
    /// (heads * head_dim, width): queries.
    pub q: Linear,
    /// (kv_heads * head_dim, width): keys.
    pub k: Linear,
    /// (kv_heads * head_dim, width): values.
    pub v: Linear,
    /// Norm of queries: of each head or of the row, by its length.
    pub q_norm: Option<VectorId>,
    /// Norm of keys.
    pub k_norm: Option<VectorId>,
    /// Rotary embedding.
    pub rope: Option<Rope>,
    /// Heads, window and cap.
    pub shape: Attention,
    /// (heads * head_dim): norm of what the heads give.
    pub sub_norm: Option<VectorId>,
    /// (width, heads * head_dim): output projection.
    pub output: Linear,
}

/// One short convolution's weights (LFM2, arXiv 2511.23404).
#[derive(Clone, Debug)]
pub struct ShortConv {
    /// (width, width): what the input is multiplied with.
    pub gate_in: MatrixId,
    /// (width, width): what the output is multiplied with.
    pub gate_out: MatrixId,
    /// (width, width): the input.
    pub value: MatrixId,
    /// (width, taps).
    pub taps: VectorId,
    /// (width, width): output projection.
    pub output: Linear,
}

/// How tokens of a block see each other.
#[derive(Clone, Debug)]
pub enum Mixer {
    /// By attention.
    Attention(AttentionWeights),
    /// By a convolution over a few positions.
    ShortConv(ShortConv),
}

/// A gated feed-forward.
#[derive(Clone, Debug)]
pub struct Dense {
    /// (hidden, width).
    pub gate: Linear,
    /// (hidden, width).
    pub up: Linear,
    /// (hidden): norm of the inside.
    pub sub_norm: Option<VectorId>,
    /// (width, hidden).
    pub down: Linear,
}

/// A mixture of gated feed-forwards.
#[derive(Clone, Debug)]
pub struct Mixture {
    /// (experts, width): logits by which experts are chosen.
    pub router: MatrixId,
    /// (experts, hidden, width).
    pub gate: MatrixId,
    /// (experts, hidden, width).
    pub up: MatrixId,
    /// (experts, width, hidden).
    pub down: MatrixId,
}

/// What each token goes through by itself.
#[derive(Clone, Debug)]
pub enum FeedForward {
    /// The same weights for all.
    Dense(Dense),
    /// Some of many experts.
    Mixture(Mixture),
}

/// One block's weights. Norms are (width), where the architecture has them.
#[derive(Clone, Debug)]
pub struct Layer {
    /// Norm before attention.
    pub attn_norm: Option<VectorId>,
    /// Attention, or what stands in its place.
    pub mixer: Mixer,
    /// Norm of what attention adds.
    pub attn_post_norm: Option<VectorId>,
    /// Norm before the feed-forward.
    pub ffn_norm: Option<VectorId>,
    /// The feed-forward.
    pub feed_forward: FeedForward,
    /// Norm of what the feed-forward adds.
    pub ffn_post_norm: Option<VectorId>,
}

/// Buffers that a pass works in; all have one row a token.
#[derive(Clone, Debug)]
pub struct Activations {
    /// (rows, width): the residual stream.
    pub x: BufferId,
    /// (rows, width): x after a norm.
    pub normed: BufferId,
    /// (rows, heads * head_dim), then (rows, kv_heads * head_dim) twice: queries, keys and values.
    pub qkv: [BufferId; 3],
    /// (rows, heads * head_dim): what attention gives.
    pub mixed: BufferId,
    /// (rows, width): what a sub-block adds to x.
    pub delta: BufferId,
    /// (rows, hidden), or (rows, used, hidden) of experts.
    pub gate: BufferId,
    /// As `gate`.
    pub up: BufferId,
    /// For mixtures.
    pub experts: Option<ExpertActivations>,
    /// (rows, width) twice: input and gate of a short convolution.
    pub conv: Option<[BufferId; 2]>,
    /// (SCORE_ROWS, vocabulary).
    pub logits: BufferId,
}

/// Buffers of a mixture of experts.
#[derive(Clone, Copy, Debug)]
pub struct ExpertActivations {
    /// (rows, experts): logits by which experts are chosen.
    pub logits: BufferId,
    /// (rows, 2 * used): which experts, and their weights.
    pub routes: BufferId,
    /// (rows, used, width): what each chosen expert gives.
    pub out: BufferId,
}

/// A loaded model: its shape, and the ids of everything that the backend holds.
#[derive(Clone, Debug)]
pub struct Model {
    /// The shape.
    pub config: Config,
    /// Positions that the cache and the rope tables have room for.
    pub context: usize,
    /// (vocabulary, width).
    pub token_embd: MatrixId,
    /// (width).
    pub output_norm: VectorId,
    /// (vocabulary, width); the embedding table where the file has no output of its own.
    pub output: MatrixId,
    /// The blocks.
    pub layers: Vec<Layer>,
    /// Work space.
    pub buffers: Activations,
}

/// The rotary embeddings that were uploaded.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ropes {
    pub(super) global: Rope,
    pub(super) local: Rope,
}

/// Ids of the tensors that were uploaded, by name.
#[derive(Default)]
pub(super) struct Uploaded {
    pub(super) matrices: HashMap<String, MatrixId>,
    pub(super) vectors: HashMap<String, VectorId>,
    /// By the matrix's name without what follows the last dot.
    pub(super) scales: HashMap<String, f32>,
}

impl Uploaded {
    /// Notes what the product of a matrix is multiplied with: a scale of its own, a trailer, or both.
    pub(super) fn scale(&mut self, tensor: &str, by: f32) {
        let matrix = tensor.trim_end_matches(".weight").trim_end_matches(".scale");
        *self.scales.entry(matrix.to_owned()).or_insert(1.0) *= by;
    }

    fn matrix(&self, name: &str) -> Result<MatrixId> {
        self.matrices.get(&format!("{name}.weight")).copied().ok_or_else(|| missing(name))
    }

    fn vector(&self, name: &str) -> Result<VectorId> {
        self.optional(name).ok_or_else(|| missing(name))
    }

    /// What the architecture or the file does not have is `None`: [`super::tensors::roles`] has seen that all else is there.
    fn optional(&self, name: &str) -> Option<VectorId> {
        self.vectors.get(&format!("{name}.weight")).copied()
    }

    fn linear(&self, name: &str) -> Result<Linear> {
        Ok(Linear {
            weight: self.matrix(name)?,
            scale: self.scales.get(name).copied(),
            bias: self.vectors.get(&format!("{name}.bias")).copied(),
        })
    }

    fn layer(&self, l: usize, c: &Config, ropes: Ropes) -> Result<Layer> {
        let norm = |name: &str| self.optional(&format!("blk.{l}.{name}"));
        Ok(Layer {
            attn_norm: norm("attn_norm"),
            mixer: match c.mixing[l] {
                Mixing::Attention { window, rotation } => {
                    let rope = match rotation {
                        Rotation::None => None,
                        Rotation::Global => Some(ropes.global),
                        Rotation::Local => Some(ropes.local),
                    };
                    Mixer::Attention(self.attention(l, Attention { window, ..c.attention }, rope)?)
                }
                Mixing::ShortConv => Mixer::ShortConv(self.short_conv(l)?),
            },
            attn_post_norm: norm("post_attention_norm"),
            ffn_norm: norm("ffn_norm"),
            feed_forward: match c.experts {
                None => FeedForward::Dense(self.dense(l)?),
                Some(_) => FeedForward::Mixture(self.mixture(l)?),
            },
            ffn_post_norm: norm("post_ffw_norm"),
        })
    }

    fn attention(&self, l: usize, shape: Attention, rope: Option<Rope>) -> Result<AttentionWeights> {
        let name = |name: &str| format!("blk.{l}.{name}");
        Ok(AttentionWeights {
            q: self.linear(&name("attn_q"))?,
            k: self.linear(&name("attn_k"))?,
            v: self.linear(&name("attn_v"))?,
            q_norm: self.optional(&name("attn_q_norm")),
            k_norm: self.optional(&name("attn_k_norm")),
            rope,
            shape,
            sub_norm: self.optional(&name("attn_sub_norm")),
            output: self.linear(&name("attn_output"))?,
        })
    }

    fn short_conv(&self, l: usize) -> Result<ShortConv> {
        let name = |name: &str| format!("blk.{l}.shortconv.{name}");
        Ok(ShortConv {
            gate_in: self.matrix(&name("gate_in"))?,
            gate_out: self.matrix(&name("gate_out"))?,
            value: self.matrix(&name("value"))?,
            taps: self.vector(&name("conv"))?,
            output: self.linear(&name("out_proj"))?,
        })
    }

    fn dense(&self, l: usize) -> Result<Dense> {
        let name = |name: &str| format!("blk.{l}.ffn_{name}");
        Ok(Dense {
            gate: self.linear(&name("gate"))?,
            up: self.linear(&name("up"))?,
            sub_norm: self.optional(&name("sub_norm")),
            down: self.linear(&name("down"))?,
        })
    }

    fn mixture(&self, l: usize) -> Result<Mixture> {
        let matrix = |name: &str| self.matrix(&format!("blk.{l}.ffn_{name}"));
        Ok(Mixture {
            router: matrix("gate_inp")?,
            gate: matrix("gate_exps")?,
            up: matrix("up_exps")?,
            down: matrix("down_exps")?,
        })
    }

    pub(super) fn model(&self, config: Config, context: usize, ropes: Ropes, buffers: Activations) -> Result<Model> {
        let token_embd = self.matrix("token_embd")?;
        Ok(Model {
            context,
            token_embd,
            output_norm: self.vector(config.architecture.output_norm)?,
            output: self.matrix("output").unwrap_or(token_embd),
            layers: (0..config.layers).map(|l| self.layer(l, &config, ropes)).collect::<Result<_>>()?,
            buffers,
            config,
        })
    }
}

fn missing(name: &str) -> Error {
    Error::new(ErrorKind::Internal, format!("the tensor {name} was not uploaded"))
}

impl Activations {
    /// For passes of at most `rows`; `create` makes buffers of some rows that are used together, of these labels and widths, or
    /// only counts them.
    pub(super) fn create(
        rows: usize,
        c: &Config,
        mut create: impl FnMut(usize, &[(&str, usize)]) -> Result<Vec<BufferId>>,
    ) -> Result<Self> {
        let few = || Error::new(ErrorKind::Internal, "fewer buffers than were asked for");
        let parts = [("q", c.q_width()), ("k", c.kv_width()), ("v", c.kv_width())];
        let qkv = create(rows, &parts)?.try_into().map_err(|_| few())?;
        let mut one = |label: &str, rows, width| create(rows, &[(label, width)])?.pop().ok_or_else(few);
        let logits = one("logits", super::SCORE_ROWS, c.vocabulary)?;
        let mut buffer = |label: &str, width| one(label, rows, width);
        let inside = c.experts.map_or(c.hidden, |e| e.used * e.hidden);
        let experts = match c.experts {
            None => None,
            Some(e) => Some(ExpertActivations {
                logits: buffer("router", e.count)?,
                routes: buffer("routes", 2 * e.used)?,
                out: buffer("experts", e.used * c.width)?,
            }),
        };
        let conv = c.mixing.contains(&Mixing::ShortConv);
        Ok(Self {
            x: buffer("x", c.width)?,
            normed: buffer("normed", c.width)?,
            qkv,
            mixed: buffer("mixed", c.q_width())?,
            delta: buffer("delta", c.width)?,
            gate: buffer("gate", inside)?,
            up: buffer("up", inside)?,
            experts,
            conv: if conv { Some([buffer("conv", c.width)?, buffer("conv_gate", c.width)?]) } else { None },
            logits,
        })
    }
}
