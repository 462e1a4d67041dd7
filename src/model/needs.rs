//! What a model takes on a backend, from its header.

use super::config::Config;
use super::rope::Rotary;
use super::tensors::{Role, roles, stacks};
use super::weights::Activations;
use crate::error::Result;
use crate::gguf::Header;
use crate::kernels::footprint::{Footprint, Size};
use crate::kernels::{BufferId, KvType};

/// Bytes that [`crate::kernels::Backend::bytes`] counts of a loaded model whose cache is full.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Needs {
    /// Weights as packed.
    pub weights: Size,
    /// Keys and values: of the whole context, or as much of it as windows need.
    pub cache: Size,
    /// Activations, logits, what sampling needs, and the tables of rotary angles.
    pub work: Size,
}

impl Needs {
    /// Of the model of `header` with room for `context` positions, keys and values in type `kv`.
    ///
    /// # Errors
    /// Those of the tensors' roles (`InvalidModel`, `UnsupportedArchitecture`) and of [`Footprint::matrices`].
    pub fn of(header: &Header, config: &Config, context: usize, kv: KvType, on: &mut impl Footprint) -> Result<Self> {
        let roles = roles(header, config)?;
        let sizes = header.tensors.iter().zip(&roles).map(|(tensor, role)| match role {
            // counted below, in their stacks
            Role::Matrices(..) => Ok(Size::default()),
            Role::Experts(experts, rows, cols) => on.matrices(tensor.ty, *experts, *rows, *cols),
            Role::Vector(len) => Ok(on.vector(*len)),
            Role::Taps(width, taps) => Ok(on.vector(width * taps)),
            // a scale becomes a number of the pass, factors become the table of angles
            Role::Scale | Role::RopeFactors(_) => Ok(Size::default()),
        });
        let mut weights = sizes.sum::<Result<Size>>()?;
        for stack in stacks(header.tensors.iter().zip(&roles)) {
            let parts: Vec<_> = stack.parts.iter().map(|(_, ty, rows)| (*ty, *rows)).collect();
            weights += on.stack(&parts, stack.cols)?;
        }
        Ok(Self { weights, ..Self::default() }.with_context(config, context, kv, on))
    }

    /// The same weights with room for `context` positions.
    pub fn with_context(self, config: &Config, context: usize, kv: KvType, on: &impl Footprint) -> Self {
        let mut work = Size::default();
        let count = |rows, parts: &[(&str, usize)]| {
            let widths: Vec<_> = parts.iter().map(|(_, width)| *width).collect();
            work += on.buffers(rows, &widths);
            Ok(vec![BufferId(0); parts.len()])
        };
        let counted = Activations::create(on.max_rows(), config, count);
        debug_assert!(counted.is_ok(), "counting cannot fail");
        let angles = |rotary: &Rotary| on.vector(context.saturating_mul(rotary.dims));
        work += angles(&config.rotary) + config.local_rotary.as_ref().map_or_else(Size::default, angles);
        work += on.sampler(config.vocabulary, context);
        work += on.attention(&config.cache());
        Self { cache: on.cache(context, &config.cache(), kv), work, ..self }
    }

    /// All together.
    pub fn all(self) -> Size {
        self.weights + self.cache + self.work
    }
}
