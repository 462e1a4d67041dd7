//! The forward pass, once, in model order.

use super::weights::Model;
use crate::error::Result;
use crate::kernels::{Backend, Head};

/// Runs the step's `n` tokens through the model; afterwards the cache holds their keys and values, and `head` says
/// what is left in `logits` (row 0 for the last token, or all rows) or for `read_argmax`.
///
/// The llama block (Touvron et al. 2023, arXiv 2302.13971): pre-norms, rotary grouped-query attention, SwiGLU.
///
/// # Errors
/// Those of the backend's operations.
pub fn forward<B: Backend>(b: &mut B, m: &Model, n: usize, head: Head) -> Result<()> {
    let (c, a) = (&m.config, &m.buffers);
    let (heads, kv_heads, head_dim) = (c.attention.heads, c.attention.kv_heads, c.attention.head_dim);
    // x = one embedding row a token
    b.embed(n, m.token_embd, a.x)?;
    for (l, layer) in m.layers.iter().enumerate() {
        // queries, keys and values of the normed stream
        b.rms_norm(n, a.x, 0, layer.attn_norm, c.norm_epsilon, a.normed)?;
        b.matmul(n, layer.attn_q, a.normed, a.q)?;
        b.matmul(n, layer.attn_k, a.normed, a.k)?;
        b.matmul(n, layer.attn_v, a.normed, a.v)?;
        // positions enter by rotation
        b.rope(n, a.q, heads, head_dim, m.rope)?;
        b.rope(n, a.k, kv_heads, head_dim, m.rope)?;
        // attend to everything so far
        b.store_kv(n, l, a.k, a.v)?;
        b.attention(n, l, a.q, c.attention, a.mixed)?;
        b.matmul(n, layer.attn_output, a.mixed, a.delta)?;
        b.add(n, a.x, a.delta)?;
        // gated feed-forward
        b.rms_norm(n, a.x, 0, layer.ffn_norm, c.norm_epsilon, a.normed)?;
        b.matmul(n, layer.ffn_gate, a.normed, a.gate)?;
        b.matmul(n, layer.ffn_up, a.normed, a.up)?;
        b.silu_mul(n, a.gate, a.up)?;
        b.matmul(n, layer.ffn_down, a.gate, a.delta)?;
        b.add(n, a.x, a.delta)?;
    }
    // logits, only of the rows that are wanted
    let (first, rows) = match head {
        Head::None => return Ok(()),
        Head::Last | Head::Argmax => (n - 1, 1),
        Head::All => (0, n),
    };
    b.rms_norm(rows, a.x, first, m.output_norm, c.norm_epsilon, a.normed)?;
    b.matmul(rows, m.output, a.normed, a.logits)?;
    if head == Head::Argmax { b.argmax(a.logits) } else { Ok(()) }
}
