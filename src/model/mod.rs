//! The model: configuration read from GGUF, weights, and the one forward pass over a [`crate::kernels::Backend`].
//!
//! Architectures differ by data (a row of [`Architecture`]s and the [`Config`]), not by a copy of [`forward()`].

mod architecture;
mod config;
mod forward;
mod keys;
mod loader;
mod needs;
mod rope;
mod session;
mod tensors;
mod weights;

pub use architecture::{Architecture, Mixtures, Norms, QkNorm, Windows};
pub use config::{Config, Experts, Mixing, Rotation};
pub use forward::forward;
pub use loader::Loader;
pub use needs::Needs;
pub use rope::{Rotary, Yarn};
pub use session::{SCORE_ROWS, Session};
pub use weights::{
    Activations, AttentionWeights, Dense, ExpertActivations, FeedForward, Layer, Linear, Mixer, Mixture, Model,
    ShortConv,
};

#[cfg(test)]
mod tests;
