//! The forward pass, once, in model order. Architectures differ in which of its steps there are.

use super::weights::{AttentionWeights, Dense, FeedForward, Linear, Mixer, Mixture, Model, ShortConv};
use crate::error::{Error, ErrorKind, Result};
use crate::kernels::{Activation, Attend, Backend, BufferId, Head, Joint, VectorId};

/// Runs the step's `n` tokens through the model; afterwards the cache holds what later tokens need of them, and `head` says
/// what is left in `logits` (row 0 for the last token, or all rows) or for `read_found`.
///
/// # Errors
/// Those of the backend's operations.
pub fn forward<B: Backend>(b: &mut B, m: &Model, n: usize, head: Head) -> Result<()> {
    let (c, a) = (&m.config, &m.buffers);
    // x = one embedding row a token
    match c.embedding_scale {
        Some(factor) => b.embed_scaled(n, m.token_embd, factor, a.x)?,
        None => b.embed(n, m.token_embd, a.x)?,
    }
    // logits are wanted of these rows only: first, count
    let wanted = match head {
        Head::None => None,
        Head::Last | Head::Argmax | Head::Sample => Some((n - 1, 1)),
        Head::All => Some((0, n)),
    };
    let all = Some((0, n));
    let mut input = a.x;
    if let Some(norm) = m.layers.first().and_then(|layer| layer.attn_norm) {
        b.rms_norm(n, a.x, 0, norm, c.norm_epsilon, a.normed)?;
        input = a.normed;
    }
    for (l, layer) in m.layers.iter().enumerate() {
        // tokens see those before them
        match &layer.mixer {
            Mixer::Attention(w) => attention(b, m, n, l, w, input)?,
            Mixer::ShortConv(w) => short_conv(b, m, n, l, w, input)?,
        }
        input = join(b, m, all, layer.attn_post_norm, layer.ffn_norm)?;
        // each token by itself
        match &layer.feed_forward {
            FeedForward::Dense(w) => feed_forward(b, m, n, w, input)?,
            FeedForward::Mixture(w) => mixture(b, m, n, w, input)?,
        }
        let (rows, next_norm) = match m.layers.get(l + 1) {
            Some(next) => (all, next.attn_norm),
            None => (wanted, Some(m.output_norm)),
        };
        input = join(b, m, rows, layer.ffn_post_norm, next_norm)?;
    }
    let Some((_, rows)) = wanted else { return Ok(()) };
    b.matmul(rows, m.output, input, a.logits)?;
    if let Some(factor) = c.logit_scale {
        b.scale(rows, a.logits, factor)?;
    }
    if let Some(cap) = c.logit_cap {
        b.soft_cap(rows, a.logits, cap)?;
    }
    match head {
        Head::Argmax => b.argmax(a.logits),
        Head::Sample => b.sample(n, a.logits),
        _ => Ok(()),
    }
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
    let [q, k, v] = a.qkv;
    linears(b, n, [(&w.q, q), (&w.k, k), (&w.v, v)], input)?;
    // positions enter by rotation; attend
    let attend = Attend { q_norm: w.q_norm, k_norm: w.k_norm, eps, rope: w.rope, shape: w.shape };
    b.attend(n, l, a.qkv, attend, a.mixed)?;
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
    if w.gate.is_plain() && w.up.is_plain() {
        b.matmul_gated(n, [w.gate.weight, w.up.weight], input, c.activation, a.gate, a.up)?;
    } else {
        linears(b, n, [(&w.gate, a.gate), (&w.up, a.up)], input)?;
        b.gated(n, a.gate, a.up, c.activation)?;
    }
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

/// x += delta, normed and scaled where the architecture does, in `rows`: first and count. Gives what comes next reads: x, or
/// its norm from row 0 on.
fn join<B: Backend>(
    b: &mut B,
    m: &Model,
    rows: Option<(usize, usize)>,
    post_norm: Option<VectorId>,
    next_norm: Option<VectorId>,
) -> Result<BufferId> {
    let (c, a) = (&m.config, &m.buffers);
    if let Some((first, n)) = rows {
        let joint = Joint { post_norm, scale: c.residual_scale, next_norm, eps: c.norm_epsilon };
        b.add_norm(n, first, a.x, a.delta, joint, a.normed)?;
    }
    Ok(if next_norm.is_some() { a.normed } else { a.x })
}

/// out = x @ Wᵀ, scaled and with a bias where the file has them.
fn linear<B: Backend>(b: &mut B, n: usize, w: &Linear, x: BufferId, out: BufferId) -> Result<()> {
    linears(b, n, [(w, out)], x)
}

/// The same for several matrices and their outputs.
fn linears<B: Backend, const N: usize>(
    b: &mut B,
    n: usize,
    products: [(&Linear, BufferId); N],
    x: BufferId,
) -> Result<()> {
    b.matmuls(n, &products.map(|(w, out)| (w.weight, out)), x)?;
    for (w, out) in products {
        if let Some(factor) = w.scale {
            b.scale(n, out, factor)?;
        }
        if let Some(bias) = w.bias {
            b.add_bias(n, out, bias)?;
        }
    }
    Ok(())
}
