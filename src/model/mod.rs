//! The model: configuration read from GGUF, weights, and the one forward pass over a [`crate::kernels::Backend`].
//!
//! Architectures differ by data ([`Config`]), not by a copy of [`forward()`].

mod config;
mod forward;
mod loader;
mod session;
mod weights;

pub use config::Config;
pub use forward::forward;
pub use loader::Loader;
pub use session::{SCORE_ROWS, Session};
pub use weights::{Activations, Layer, Model};
