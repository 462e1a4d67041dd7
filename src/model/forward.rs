//! The forward pass, once, in model order. Architectures differ in which of its steps there are.

use super::weights::{AttentionWeights, Dense, FeedForward, Linear, Mixer, Mixture, Model, ShortConv};
use crate::error::{Error, ErrorKind, Result};
use crate::kernels::{Activation, Backend, BufferId, Head, VectorId};

/// Runs the step's `n` tokens through the model; afterwards the cache holds what later tokens need of them, and `head` says
/// what is left in `logits` (row 0 for the last token, or all rows) or for `read_argmax`.
///
/// # Errors
/// Those of the backend's operations.
pub fn forward<B: Backend>(b: &mut B, m: &Model, n: usize, head: Head) -> Result<()> {
    let (c, a) = (&m.config, &m.buffers);
    // x = one embedding row a token
    b.embed(n, m.token_embd, a.x)?;
    if let Some(factor) = c.embedding_scale {
        b.scale(n, a.x, factor)?;
    }
    for (l, layer) in m.layers.iter().enumerate() {
        // tokens see those before them
        let input = normed(b, m, n, layer.attn_norm)?;
        match &layer.mixer {
            Mixer::Attention(w) => attention(b, m, n, l, w, input)?,
            Mixer::ShortConv(w) => short_conv(b, m, n, l, w, input)?,
        }
        join(b, m, n, layer.attn_post_norm)?;
        // each token by itself
        let input = normed(b, m, n, layer.ffn_norm)?;
        match &layer.feed_forward {
            FeedForward::Dense(w) => feed_forward(b, m, n, w, input)?,
            FeedForward::Mixture(w) => mixture(b, m, n, w, input)?,
        }
        join(b, m, n, layer.ffn_post_norm)?;
    }
    // logits, only of the rows that are wanted
    let (first, rows) = match head {
        Head::None => return Ok(()),
        Head::Last | Head::Argmax => (n - 1, 1),
        Head::All => (0, n),
    };
    b.rms_norm(rows, a.x, first, m.output_norm, c.norm_epsilon, a.normed)?;
    b.matmul(rows, m.output, a.normed, a.logits)?;
    if let Some(factor) = c.logit_scale {
        b.scale(rows, a.logits, factor)?;
    }
    if let Some(cap) = c.logit_cap {
        b.soft_cap(rows, a.logits, cap)?;
    }
    if head == Head::Argmax { b.argmax(a.logits) } else { Ok(()) }
}

/// delta = grouped-query attention of `input` over everything that it may see so far.
fn attention<B: Backend>(
    b: &mut B,
    m: &Model,
    n: usize,
    l: usize,
    w: &AttentionWeights,
    input: BufferId,
) -> Result<()> {
    let (a, eps) = (&m.buffers, m.config.norm_epsilon);
    // queries, keys and values
    linear(b, n, &w.q, input, a.q)?;
    linear(b, n, &w.k, input, a.k)?;
    linear(b, n, &w.v, input, a.v)?;
    if let Some(norm) = w.q_norm {
        b.norm_heads(n, a.q, norm, eps)?;
    }
    if let Some(norm) = w.k_norm {
        b.norm_heads(n, a.k, norm, eps)?;
    }
    // positions enter by rotation
    if let Some(rope) = w.rope {
        b.rope(n, a.q, w.shape.heads, w.shape.head_dim, rope)?;
        b.rope(n, a.k, w.shape.kv_heads, w.shape.head_dim, rope)?;
    }
    // attend
    b.store_kv(n, l, a.k, a.v)?;
    b.attention(n, l, a.q, w.shape, a.mixed)?;
    if let Some(norm) = w.sub_norm {
        b.norm_heads(n, a.mixed, norm, eps)?;
    }
    linear(b, n, &w.output, a.mixed, a.delta)
}

/// delta = gate_out * conv(gate_in * value), projected; all four of `input`.
fn short_conv<B: Backend>(b: &mut B, m: &Model, n: usize, l: usize, w: &ShortConv, input: BufferId) -> Result<()> {
    let (a, missing) = (&m.buffers, || Error::new(ErrorKind::Internal, "no buffers for short convolutions"));
    let [value, gate] = a.conv.ok_or_else(missing)?;
    b.matmul(n, w.value, input, value)?;
    b.matmul(n, w.gate_in, input, gate)?;
    b.gated(n, value, gate, Activation::Identity)?;
    b.short_conv(n, l, value, w.taps, a.delta)?;
    b.matmul(n, w.gate_out, input, gate)?;
    b.gated(n, gate, a.delta, Activation::Identity)?;
    linear(b, n, &w.output, gate, a.delta)
}

/// delta = down(activation(gate) * up).
fn feed_forward<B: Backend>(b: &mut B, m: &Model, n: usize, w: &Dense, input: BufferId) -> Result<()> {
    let (c, a) = (&m.config, &m.buffers);
    linear(b, n, &w.gate, input, a.gate)?;
    linear(b, n, &w.up, input, a.up)?;
    b.gated(n, a.gate, a.up, c.activation)?;
    if let Some(norm) = w.sub_norm {
        b.norm_heads(n, a.gate, norm, c.norm_epsilon)?;
    }
    linear(b, n, &w.down, a.gate, a.delta)
}

/// delta = the feed-forwards of the chosen experts, mixed.
fn mixture<B: Backend>(b: &mut B, m: &Model, n: usize, w: &Mixture, input: BufferId) -> Result<()> {
    let (c, a, missing) = (&m.config, &m.buffers, || Error::new(ErrorKind::Internal, "no buffers for experts"));
    let e = a.experts.ok_or_else(missing)?;
    // which experts, and how much of each
    b.matmul(n, w.router, input, e.logits)?;
    b.route(n, e.logits, e.routes)?;
    // their feed-forwards
    b.matmul_experts(n, w.gate, input, e.routes, a.gate)?;
    b.matmul_experts(n, w.up, input, e.routes, a.up)?;
    b.gated(n, a.gate, a.up, c.activation)?;
    b.matmul_experts(n, w.down, a.gate, e.routes, e.out)?;
    b.mix_experts(n, e.out, e.routes, a.delta)
}

/// The stream as a sub-block reads it: normed where the architecture norms it there.
fn normed<B: Backend>(b: &mut B, m: &Model, n: usize, norm: Option<VectorId>) -> Result<BufferId> {
    let a = &m.buffers;
    let Some(norm) = norm else { return Ok(a.x) };
    b.rms_norm(n, a.x, 0, norm, m.config.norm_epsilon, a.normed)?;
    Ok(a.normed)
}

/// x += delta, normed and scaled where the architecture does.
fn join<B: Backend>(b: &mut B, m: &Model, n: usize, norm: Option<VectorId>) -> Result<()> {
    let (c, a) = (&m.config, &m.buffers);
    if let Some(norm) = norm {
        b.norm_heads(n, a.delta, norm, c.norm_epsilon)?;
    }
    if let Some(factor) = c.residual_scale {
        b.scale(n, a.delta, factor)?;
    }
    b.add(n, a.x, a.delta)
}

/// out = x @ Wᵀ, scaled and with a bias where the file has them.
fn linear<B: Backend>(b: &mut B, n: usize, w: &Linear, x: BufferId, out: BufferId) -> Result<()> {
    b.matmul(n, w.weight, x, out)?;
    if let Some(factor) = w.scale {
        b.scale(n, out, factor)?;
    }
    if let Some(bias) = w.bias {
        b.add_bias(n, out, bias)?;
    }
    Ok(())
}
