//! Which tensors a model of a configuration has, and what each is to the forward pass.

use super::architecture::{Norms, QkNorm};
use super::config::{Config, Mixing};
use crate::error::{Error, ErrorKind, Result};
use crate::gguf::{Header, TensorInfo};
use crate::quant::TensorType;
use std::collections::HashMap;

/// What a tensor is to the forward pass.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Role {
    /// Weight matrices of `cols` columns below each other: name and rows of each.
    Matrices(Vec<(String, usize)>, usize),
    /// A weight matrix (rows, cols) for each expert.
    Experts(usize, usize, usize),
    /// A vector that the backend holds in f32.
    Vector(usize),
    /// Taps of a convolution (width, taps): a vector for the backend.
    Taps(usize, usize),
    /// One number that a matrix's product is multiplied with.
    Scale,
    /// Divisors of the rotary frequencies: go into the rope table.
    RopeFactors(usize),
}

impl Role {
    /// GGUF's dimensions of such a tensor, fastest first.
    fn dims(&self) -> Vec<u64> {
        let dims = match self {
            Self::Matrices(parts, cols) => vec![*cols, parts.iter().map(|p| p.1).sum()],
            Self::Experts(experts, rows, cols) => vec![*cols, *rows, *experts],
            Self::Vector(len) | Self::RopeFactors(len) => vec![*len],
            Self::Taps(width, taps) => vec![*taps, *width],
            Self::Scale => vec![1],
        };
        dims.into_iter().map(|d| d as u64).collect()
    }

    /// Whether a tensor has the shape; trailing ones do not count.
    fn fits(&self, tensor: &TensorInfo) -> bool {
        let significant = |dims: &[u64]| dims.iter().rposition(|&d| d != 1).map_or(0, |last| last + 1);
        let want = self.dims();
        want[..significant(&want)] == tensor.dims[..significant(&tensor.dims)]
    }
}

/// Matrices of a block that are multiplied with the same input, in the order in which the pass takes them.
const TOGETHER: &[&[&str]] = &[&["attn_q", "attn_k", "attn_v"], &["ffn_gate", "ffn_up"]];

/// Matrices of one width that are made together, with their types and rows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Stack {
    pub(super) cols: usize,
    pub(super) parts: Vec<(String, TensorType, usize)>,
}

/// All matrices of the tensors that have no experts, those of a kind together.
pub(super) fn stacks<'a>(tensors: impl Iterator<Item = (&'a TensorInfo, &'a Role)>) -> Vec<Stack> {
    let mut all = Vec::new();
    for (tensor, role) in tensors {
        if let Role::Matrices(parts, cols) = role {
            let alone =
                |(name, rows): &(String, usize)| Stack { cols: *cols, parts: vec![(name.clone(), tensor.ty, *rows)] };
            all.extend(parts.iter().map(alone));
        }
    }
    let place = |stack: &Stack| stack.parts.first().and_then(|(name, ..)| place_together(name));
    // a stable order: by block, kind and place, what stands alone first
    all.sort_by_cached_key(place);
    let mut stacks: Vec<Stack> = Vec::new();
    for next in all {
        let kind = place(&next).map(|(block, kind, _)| (block, kind));
        let last = stacks.last_mut().filter(|last| {
            let same_kind = kind.is_some() && place(last).map(|(block, kind, _)| (block, kind)) == kind;
            same_kind && last.cols == next.cols
        });
        match last {
            Some(last) => last.parts.extend(next.parts),
            None => stacks.push(next),
        }
    }
    stacks
}

/// The block of a matrix that others are made together with, which of [`TOGETHER`] it belongs to, and where in it.
fn place_together(name: &str) -> Option<(usize, usize, usize)> {
    let (block, name) = name.strip_prefix("blk.")?.strip_suffix(".weight")?.split_once('.')?;
    let in_kind = |(kind, names): (usize, &&[&str])| Some((kind, names.iter().position(|n| *n == name)?));
    let (kind, at) = TOGETHER.iter().enumerate().find_map(in_kind)?;
    Some((block.parse().ok()?, kind, at))
}

/// Every tensor that a model may have: its role, and whether it must be there.
#[derive(Default)]
struct Expected(HashMap<String, (Role, bool)>);

impl Expected {
    fn add(&mut self, name: impl Into<String>, role: Role, required: bool) {
        self.0.insert(name.into(), (role, required));
    }

    fn matrix(&mut self, name: &str, rows: usize, cols: usize, required: bool) {
        self.add(name, Role::Matrices(vec![(name.to_owned(), rows)], cols), required);
    }

    fn norm(&mut self, name: &str, len: usize) {
        self.add(format!("{name}.weight"), Role::Vector(len), true);
    }

    /// A matrix with what may come with it: a bias, and the scale of its product.
    fn linear(&mut self, name: &str, rows: usize, cols: usize, bias: bool) {
        self.matrix(&format!("{name}.weight"), rows, cols, true);
        self.add(format!("{name}.bias"), Role::Vector(rows), bias);
        self.add(format!("{name}.scale"), Role::Scale, false);
    }

    /// One tensor that holds the rows of several matrices of block `l`.
    fn fused(&mut self, l: usize, name: &str, parts: &[(&str, usize)], cols: usize) {
        let parts = parts.iter().map(|(part, rows)| (format!("blk.{l}.{part}.weight"), *rows)).collect();
        self.add(format!("blk.{l}.{name}.weight"), Role::Matrices(parts, cols), true);
    }
}

/// Every tensor that a model of this shape may have.
fn expected(c: &Config) -> HashMap<String, (Role, bool)> {
    let mut all = Expected::default();
    all.matrix("token_embd.weight", c.vocabulary, c.width, true);
    all.norm(c.architecture.output_norm, c.width);
    all.matrix("output.weight", c.vocabulary, c.width, false);
    for name in ["rope_freqs", "rope_factors_long", "rope_factors_short"] {
        all.add(format!("{name}.weight"), Role::RopeFactors(c.rotary.dims / 2), false);
    }
    for (l, mixing) in c.mixing.iter().enumerate() {
        norms(&mut all, c, l);
        match mixing {
            Mixing::Attention { .. } => attention(&mut all, c, l),
            Mixing::ShortConv => short_conv(&mut all, c, l),
        }
        match c.experts {
            None => feed_forward(&mut all, c, l),
            Some(_) => experts(&mut all, c, l),
        }
    }
    all.0
}

fn norms(all: &mut Expected, c: &Config, l: usize) {
    let before: &[&str] = &["attn_norm", "ffn_norm"];
    let after: &[&str] = &["post_attention_norm", "post_ffw_norm"];
    let names = match c.architecture.norms {
        Norms::Before => before.to_vec(),
        Norms::After => after.to_vec(),
        Norms::Around => [before, after].concat(),
    };
    for name in names {
        all.norm(&format!("blk.{l}.{name}"), c.width);
    }
}

fn attention(all: &mut Expected, c: &Config, l: usize) {
    let (q, kv, heads) = (c.q_width(), c.kv_width(), c.attention);
    if c.architecture.fused {
        all.fused(l, "attn_qkv", &[("attn_q", q), ("attn_k", kv), ("attn_v", kv)], c.width);
    } else {
        for (name, rows) in [("attn_q", q), ("attn_k", kv), ("attn_v", kv)] {
            all.linear(&format!("blk.{l}.{name}"), rows, c.width, c.architecture.qkv_bias);
        }
    }
    let lengths = match c.architecture.qk_norm {
        QkNorm::None => None,
        QkNorm::Head => Some((heads.head_dim, heads.head_dim)),
        QkNorm::Row => Some((q, kv)),
    };
    if let Some((q, k)) = lengths {
        all.norm(&format!("blk.{l}.attn_q_norm"), q);
        all.norm(&format!("blk.{l}.attn_k_norm"), k);
    }
    if c.architecture.sub_norms {
        all.norm(&format!("blk.{l}.attn_sub_norm"), q);
    }
    all.linear(&format!("blk.{l}.attn_output"), c.width, q, false);
}

fn short_conv(all: &mut Expected, c: &Config, l: usize) {
    let parts = ["shortconv.gate_in", "shortconv.gate_out", "shortconv.value"].map(|name| (name, c.width));
    all.fused(l, "shortconv.in_proj", &parts, c.width);
    all.add(format!("blk.{l}.shortconv.conv.weight"), Role::Taps(c.width, c.taps), true);
    all.linear(&format!("blk.{l}.shortconv.out_proj"), c.width, c.width, false);
}

fn feed_forward(all: &mut Expected, c: &Config, l: usize) {
    if c.architecture.fused {
        all.fused(l, "ffn_up", &[("ffn_gate", c.hidden), ("ffn_up", c.hidden)], c.width);
    } else {
        all.linear(&format!("blk.{l}.ffn_gate"), c.hidden, c.width, false);
        all.linear(&format!("blk.{l}.ffn_up"), c.hidden, c.width, false);
    }
    if c.architecture.sub_norms {
        all.norm(&format!("blk.{l}.ffn_sub_norm"), c.hidden);
    }
    all.linear(&format!("blk.{l}.ffn_down"), c.width, c.hidden, false);
}

fn experts(all: &mut Expected, c: &Config, l: usize) {
    let Some(e) = c.experts else { return };
    all.matrix(&format!("blk.{l}.ffn_gate_inp.weight"), e.count, c.width, true);
    let shapes = [("gate", e.hidden, c.width), ("up", e.hidden, c.width), ("down", c.width, e.hidden)];
    for (name, rows, cols) in shapes {
        all.add(format!("blk.{l}.ffn_{name}_exps.weight"), Role::Experts(e.count, rows, cols), true);
    }
}

/// A scale behind a tensor multiplies the product of its matrix: of one that could have such a scale as a tensor.
fn scales_have_a_place(header: &Header, expected: &HashMap<String, (Role, bool)>) -> Result<()> {
    let has_place = |t: &TensorInfo| {
        let name = t.name.strip_suffix(".weight");
        name.is_some_and(|name| expected.contains_key(&format!("{name}.scale")))
    };
    match header.tensors.iter().find(|t| t.ty.trailer_bytes > 0 && !has_place(t)) {
        None => Ok(()),
        Some(t) => Err(Error::new(
            ErrorKind::UnsupportedType,
            format!("{} cannot be of type {}, which has a scale for the whole tensor", t.name, t.ty.name),
        )),
    }
}

/// Checks the file's tensors against the configuration: all that are needed, none that would be ignored.
///
/// # Errors
/// `InvalidModel` for a missing tensor or a wrong shape; `UnsupportedArchitecture` for one with no place in the pass.
pub(super) fn roles(header: &Header, config: &Config) -> Result<Vec<Role>> {
    let mut expected = expected(config);
    scales_have_a_place(header, &expected)?;
    let mut roles = Vec::new();
    for tensor in &header.tensors {
        let (role, _) = expected.remove(&tensor.name).ok_or_else(|| {
            let (name, architecture) = (&tensor.name, config.architecture.name);
            let detail = format!("the tensor {name} has no place in the {architecture} architecture here");
            Error::new(ErrorKind::UnsupportedArchitecture, detail)
        })?;
        if !role.fits(tensor) {
            let (name, have, want) = (&tensor.name, &tensor.dims, role.dims());
            let detail = format!("tensor {name} has the shape {have:?}; {want:?} is needed");
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
