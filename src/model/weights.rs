//! Which tensors a model has, and the ids under which a backend holds them.

use super::config::Config;
use crate::error::{Error, ErrorKind, Result};
use crate::gguf::Header;
use crate::kernels::{Backend, BufferId, MatrixId, Rope, VectorId};
use std::collections::HashMap;

/// What a tensor is to the forward pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    /// A weight matrix (rows, cols).
    Matrix(usize, usize),
    /// A vector that the backend holds in f32.
    Vector(usize),
    /// Divisors of the rotary frequencies: goes into the rope table.
    RopeFactors(usize),
}

/// One block's weights.
#[derive(Clone, Debug)]
pub struct Layer {
    /// (width): norm before attention.
    pub attn_norm: VectorId,
    /// (heads * head_dim, width): queries.
    pub attn_q: MatrixId,
    /// (kv_heads * head_dim, width): keys.
    pub attn_k: MatrixId,
    /// (kv_heads * head_dim, width): values.
    pub attn_v: MatrixId,
    /// (width, heads * head_dim): output projection.
    pub attn_output: MatrixId,
    /// (width): norm before the feed-forward.
    pub ffn_norm: VectorId,
    /// (hidden, width): gate.
    pub ffn_gate: MatrixId,
    /// (hidden, width): up.
    pub ffn_up: MatrixId,
    /// (width, hidden): down.
    pub ffn_down: MatrixId,
}

/// Buffers that a pass works in; all have one row a token.
#[derive(Clone, Debug)]
pub struct Activations {
    /// (rows, width): the residual stream.
    pub x: BufferId,
    /// (rows, width): x after a norm.
    pub normed: BufferId,
    /// (rows, heads * head_dim).
    pub q: BufferId,
    /// (rows, kv_heads * head_dim).
    pub k: BufferId,
    /// (rows, kv_heads * head_dim).
    pub v: BufferId,
    /// (rows, heads * head_dim): what attention gives.
    pub mixed: BufferId,
    /// (rows, width): what a sub-block adds to x.
    pub delta: BufferId,
    /// (rows, hidden).
    pub gate: BufferId,
    /// (rows, hidden).
    pub up: BufferId,
    /// (SCORE_ROWS, vocabulary).
    pub logits: BufferId,
}

/// A loaded model: its shape, and the ids of everything that the backend holds.
#[derive(Clone, Debug)]
pub struct Model {
    /// The shape.
    pub config: Config,
    /// Positions that the cache and the rope table have room for.
    pub context: usize,
    /// (vocabulary, width).
    pub token_embd: MatrixId,
    /// (width).
    pub output_norm: VectorId,
    /// (vocabulary, width); the embedding table where the file has no output of its own.
    pub output: MatrixId,
    /// The blocks.
    pub layers: Vec<Layer>,
    /// Rotary embedding.
    pub rope: Rope,
    /// Work space.
    pub buffers: Activations,
}

/// Every tensor that a model of this shape may have: name, role, and whether it must be there.
pub(super) fn expected(c: &Config) -> HashMap<String, (Role, bool)> {
    let mut all = HashMap::new();
    let mut add = |name: String, role: Role, required: bool| {
        all.insert(name, (role, required));
    };
    add("token_embd.weight".into(), Role::Matrix(c.vocabulary, c.width), true);
    add("output_norm.weight".into(), Role::Vector(c.width), true);
    add("output.weight".into(), Role::Matrix(c.vocabulary, c.width), false);
    add("rope_freqs.weight".into(), Role::RopeFactors(c.rope_dims / 2), false);
    for l in 0..c.layers {
        let mut add = |name: &str, role| add(format!("blk.{l}.{name}.weight"), role, true);
        add("attn_norm", Role::Vector(c.width));
        add("attn_q", Role::Matrix(c.q_width(), c.width));
        add("attn_k", Role::Matrix(c.kv_width(), c.width));
        add("attn_v", Role::Matrix(c.kv_width(), c.width));
        add("attn_output", Role::Matrix(c.width, c.q_width()));
        add("ffn_norm", Role::Vector(c.width));
        add("ffn_gate", Role::Matrix(c.hidden, c.width));
        add("ffn_up", Role::Matrix(c.hidden, c.width));
        add("ffn_down", Role::Matrix(c.width, c.hidden));
    }
    all
}

/// Checks the file's tensors against the configuration: all that are needed, none that would be ignored.
///
/// # Errors
/// `InvalidModel` for a missing tensor or a wrong shape; `UnsupportedArchitecture` for one with no place in the pass.
pub(super) fn roles(header: &Header, config: &Config) -> Result<Vec<Role>> {
    let mut expected = expected(config);
    let mut roles = Vec::new();
    for tensor in &header.tensors {
        let (role, _) = expected.remove(&tensor.name).ok_or_else(|| {
            let detail =
                format!("the tensor {} has no place in the {} architecture here", tensor.name, config.architecture);
            Error::new(ErrorKind::UnsupportedArchitecture, detail)
        })?;
        let fits = match role {
            Role::Matrix(rows, cols) => tensor.matrix_shape()? == (rows, cols),
            Role::Vector(len) | Role::RopeFactors(len) => tensor.len() == len as u64,
        };
        if !fits {
            let detail = format!("tensor {} has the shape {:?}; {role:?} is needed", tensor.name, tensor.dims);
            return Err(Error::new(ErrorKind::InvalidModel, detail));
        }
        roles.push(role);
    }
    let mut missing: Vec<_> = expected.into_iter().filter(|(_, (_, required))| *required).map(|(n, _)| n).collect();
    missing.sort();
    match missing.first() {
        None => Ok(roles),
        Some(name) => Err(Error::new(
            ErrorKind::InvalidModel,
            format!("{} tensors are missing, the first is {name}", missing.len()),
        )),
    }
}

/// Ids of the tensors that were uploaded, by name.
#[derive(Default)]
pub(super) struct Uploaded {
    pub(super) matrices: HashMap<String, MatrixId>,
    pub(super) vectors: HashMap<String, VectorId>,
}

impl Uploaded {
    fn matrix(&self, name: &str) -> Result<MatrixId> {
        self.matrices.get(name).copied().ok_or_else(|| missing(name))
    }

    fn vector(&self, name: &str) -> Result<VectorId> {
        self.vectors.get(name).copied().ok_or_else(|| missing(name))
    }

    pub(super) fn layer(&self, l: usize) -> Result<Layer> {
        let matrix = |name: &str| self.matrix(&format!("blk.{l}.{name}.weight"));
        let vector = |name: &str| self.vector(&format!("blk.{l}.{name}.weight"));
        Ok(Layer {
            attn_norm: vector("attn_norm")?,
            attn_q: matrix("attn_q")?,
            attn_k: matrix("attn_k")?,
            attn_v: matrix("attn_v")?,
            attn_output: matrix("attn_output")?,
            ffn_norm: vector("ffn_norm")?,
            ffn_gate: matrix("ffn_gate")?,
            ffn_up: matrix("ffn_up")?,
            ffn_down: matrix("ffn_down")?,
        })
    }

    pub(super) fn model(&self, config: Config, context: usize, rope: Rope, buffers: Activations) -> Result<Model> {
        let token_embd = self.matrix("token_embd.weight")?;
        Ok(Model {
            context,
            token_embd,
            output_norm: self.vector("output_norm.weight")?,
            output: self.matrix("output.weight").unwrap_or(token_embd),
            layers: (0..config.layers).map(|l| self.layer(l)).collect::<Result<_>>()?,
            rope,
            buffers,
            config,
        })
    }
}

fn missing(name: &str) -> Error {
    Error::new(ErrorKind::Internal, format!("the tensor {name} was not uploaded"))
}

impl Activations {
    pub(super) fn create<B: Backend>(backend: &mut B, c: &Config) -> Result<Self> {
        let rows = backend.max_rows();
        let mut buffer = |label, rows, width| backend.create_buffer(label, rows, width);
        Ok(Self {
            x: buffer("x", rows, c.width)?,
            normed: buffer("normed", rows, c.width)?,
            q: buffer("q", rows, c.q_width())?,
            k: buffer("k", rows, c.kv_width())?,
            v: buffer("v", rows, c.kv_width())?,
            mixed: buffer("mixed", rows, c.q_width())?,
            delta: buffer("delta", rows, c.width)?,
            gate: buffer("gate", rows, c.hidden)?,
            up: buffer("up", rows, c.hidden)?,
            logits: buffer("logits", super::SCORE_ROWS, c.vocabulary)?,
        })
    }
}
