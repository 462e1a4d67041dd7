//! What the forward pass needs to know, read from GGUF metadata (key names: ggml's `docs/gguf.md`).

use crate::error::{Error, ErrorKind, Result};
use crate::gguf::{Header, Metadata};
use crate::kernels::{Attention, RopeKind};

/// One row of the table of architectures.
struct Architecture {
    /// `general.architecture`.
    name: &'static str,
    /// Which elements rotate together in files of this architecture.
    rope: RopeKind,
}

const ARCHITECTURES: &[Architecture] = &[Architecture { name: "llama", rope: RopeKind::Norm }];

/// Ceilings on shapes: far above every model that fits a page, low enough that products stay in 64 bits.
const MAX_LAYERS: u64 = 1 << 10;
const MAX_WIDTH: u64 = 1 << 17;
const MAX_HEADS: u64 = 1 << 10;
const MAX_CONTEXT: u64 = 1 << 24;
const MAX_VOCABULARY: u64 = 1 << 22;
/// The widest head that the attention kernels take.
const MAX_HEAD_DIM: u64 = 256;

/// The shape of a model.
#[derive(Clone, Debug, PartialEq)]
pub struct Config {
    /// `general.architecture`.
    pub architecture: String,
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
    /// Heads and their size.
    pub attention: Attention,
    /// Added under the root of every RMS norm.
    pub norm_epsilon: f32,
    /// Which elements of a head rotate together.
    pub rope_kind: RopeKind,
    /// How many leading elements of a head rotate.
    pub rope_dims: usize,
    /// Base of the rotary frequencies.
    pub rope_base: f64,
    /// Positions are divided by this (linear rope scaling); 1 for none.
    pub rope_divisor: f64,
}

struct Reader<'a> {
    metadata: &'a Metadata,
    architecture: &'a str,
}

fn invalid(detail: String) -> Error {
    Error::new(ErrorKind::InvalidModel, detail)
}

impl Reader<'_> {
    fn key(&self, name: &str) -> String {
        format!("{}.{name}", self.architecture)
    }

    fn optional(&self, name: &str, most: u64) -> Result<Option<usize>> {
        let key = self.key(name);
        match self.metadata.u64(&key)? {
            Some(v) if v == 0 || v > most => Err(invalid(format!("{key} is {v}; 1 to {most} are allowed"))),
            v => Ok(v.map(|v| v as usize)),
        }
    }

    fn required(&self, name: &str, most: u64) -> Result<usize> {
        self.optional(name, most)?.ok_or_else(|| invalid(format!("the metadata key {} is missing", self.key(name))))
    }

    fn positive(&self, name: &str) -> Result<Option<f64>> {
        let key = self.key(name);
        match self.metadata.f64(&key)? {
            Some(v) if !(v.is_finite() && v > 0.0) => Err(invalid(format!("{key} is {v}; it must be positive"))),
            v => Ok(v),
        }
    }

    /// The divisor of positions.
    fn rope_divisor(&self) -> Result<f64> {
        let key = self.key("rope.scaling.type");
        match self.metadata.str(&key)? {
            Some("none") => Ok(1.0),
            // no type means linear, and old files call the factor scale_linear
            None | Some("linear") => {
                let factor = self.positive("rope.scaling.factor")?;
                Ok(factor.or(self.positive("rope.scale_linear")?).unwrap_or(1.0))
            }
            Some(other) => Err(Error::new(
                ErrorKind::UnsupportedArchitecture,
                format!("{key} is {other:?}; supported are \"none\" and \"linear\""),
            )),
        }
    }
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
        let architecture = ARCHITECTURES.iter().find(|a| a.name == name).ok_or_else(|| {
            let known: Vec<_> = ARCHITECTURES.iter().map(|a| a.name).collect();
            let detail = format!("the architecture {name:?} is not supported; supported are {}", known.join(", "));
            Error::new(ErrorKind::UnsupportedArchitecture, detail)
        })?;
        let reader = Reader { metadata, architecture: name };
        reader.refuse_experts()?;
        let width = reader.required("embedding_length", MAX_WIDTH)?;
        let attention = reader.attention(width)?;
        let epsilon = reader.positive("attention.layer_norm_rms_epsilon")?;
        let epsilon = epsilon.ok_or_else(|| invalid(format!("{name}.attention.layer_norm_rms_epsilon is missing")))?;
        let rope_dims = reader.optional("rope.dimension_count", MAX_HEAD_DIM)?.unwrap_or(attention.head_dim);
        if rope_dims > attention.head_dim || rope_dims % 2 != 0 {
            let head_dim = attention.head_dim;
            return Err(invalid(format!(
                "{name}.rope.dimension_count is {rope_dims}; even and at most {head_dim} is needed"
            )));
        }
        Ok(Self {
            layers: reader.required("block_count", MAX_LAYERS)?,
            width,
            hidden: reader.required("feed_forward_length", MAX_WIDTH)?,
            vocabulary: vocabulary(header)?,
            context: reader.required("context_length", MAX_CONTEXT)?,
            attention,
            norm_epsilon: epsilon as f32,
            rope_kind: architecture.rope,
            rope_dims,
            rope_base: reader.positive("rope.freq_base")?.unwrap_or(10_000.0),
            rope_divisor: reader.rope_divisor()?,
            architecture: name.to_owned(),
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

    /// The (context, rope_dims / 2, 2) table of cosines and sines for positions 0 .. `context`.
    ///
    /// Angle i of position p is p / divisor * base^(-2i / dims) / factors\[i\]. Computed in f64, rounded once, so that
    /// every backend rotates by the same numbers whatever its sine is worth.
    pub fn rope_table(&self, context: usize, factors: Option<&[f32]>) -> Result<Vec<f32>> {
        let half = self.rope_dims / 2;
        if let Some(f) = factors
            && (f.len() != half || f.iter().any(|f| !(f.is_finite() && *f > 0.0)))
        {
            return Err(invalid(format!("rope_freqs.weight has {} factors; {half} positive ones are needed", f.len())));
        }
        let frequency = |i: usize| {
            let exponent = -2.0 * i as f64 / self.rope_dims as f64;
            self.rope_base.powf(exponent) / self.rope_divisor / f64::from(factors.map_or(1.0, |f| f[i]))
        };
        let frequencies: Vec<f64> = (0..half).map(frequency).collect();
        let mut table = crate::kernels::cpu::zeroed(context as u64 * self.rope_dims as u64, "the rope table")?;
        for (p, row) in table.chunks_exact_mut(self.rope_dims).enumerate() {
            for (pair, f) in row.as_chunks_mut::<2>().0.iter_mut().zip(&frequencies) {
                let (sin, cos) = (p as f64 * f).sin_cos();
                *pair = [cos as f32, sin as f32];
            }
        }
        Ok(table)
    }
}

impl Reader<'_> {
    fn attention(&self, width: usize) -> Result<Attention> {
        let heads = self.required("attention.head_count", MAX_HEADS)?;
        let kv_heads = self.optional("attention.head_count_kv", MAX_HEADS)?.unwrap_or(heads);
        let head_dim = self.optional("attention.key_length", MAX_HEAD_DIM)?.unwrap_or(width / heads);
        let value_dim = self.optional("attention.value_length", MAX_HEAD_DIM)?.unwrap_or(head_dim);
        let name = self.architecture;
        if heads % kv_heads != 0 {
            return Err(invalid(format!(
                "{name}: {heads} query heads are not whole groups of {kv_heads} key/value heads"
            )));
        }
        if value_dim != head_dim {
            return Err(invalid(format!("{name}: keys of {head_dim} and values of {value_dim} elements differ")));
        }
        if head_dim == 0 || head_dim % 2 != 0 || head_dim as u64 > MAX_HEAD_DIM {
            return Err(invalid(format!(
                "{name}: heads of {head_dim} elements; even and at most {MAX_HEAD_DIM} is needed"
            )));
        }
        Ok(Attention { heads, kv_heads, head_dim, scale: 1.0 / (head_dim as f32).sqrt() })
    }

    fn refuse_experts(&self) -> Result<()> {
        let key = self.key("expert_count");
        match self.metadata.u64(&key)? {
            None | Some(0) => Ok(()),
            Some(n) => Err(Error::new(
                ErrorKind::UnsupportedArchitecture,
                format!("{key} is {n}; mixtures of experts are not supported"),
            )),
        }
    }
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
