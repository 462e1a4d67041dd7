//! What the header of a file says, without its weights.

use super::fit::{Fits, Room};
use super::load::{Info, LoadOptions, Text};
use super::opening::Opening;
use crate::error::Result;
use crate::gguf::Header;
use crate::kernels::footprint::Footprint;
use serde::Serialize;
use std::collections::BTreeMap;

/// What there is to know of a model before it is fetched.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Inspection {
    /// What [`super::Engine::info`] would say; its context is the one asked for.
    #[serde(flatten)]
    pub info: Info,
    /// The longest context that the model was made for.
    pub max_context_length: usize,
    /// Weights of each tensor type.
    pub types: BTreeMap<&'static str, u64>,
    /// The chat template of the file or the options.
    pub template: Option<String>,
    /// Why it cannot be used, if it cannot.
    pub template_error: Option<String>,
    /// What each backend needs, and whether that fits.
    pub backends: Fits,
}

/// Takes the beginning of a GGUF file and tells what is in it.
#[derive(Debug)]
pub struct Inspector {
    opening: Opening,
    options: LoadOptions,
}

impl Inspector {
    /// Of a file of `file_bytes` bytes.
    pub fn new(file_bytes: u64, options: LoadOptions) -> Self {
        Self { opening: Opening::new(file_bytes), options }
    }

    /// As [`super::EngineLoader::add_part`].
    ///
    /// # Errors
    /// The same.
    pub fn add_part(&mut self, prefix: &[u8], bytes: u64) -> Result<Option<u64>> {
        self.opening.add_part(prefix, bytes)
    }

    /// As [`Opening::push`].
    ///
    /// # Errors
    /// Those of [`Opening::push`].
    pub fn push(&mut self, bytes: &[u8]) -> Result<bool> {
        self.opening.push(bytes)
    }

    /// What is in the file, and whether a device with this `room` could load it; `cpu` counts for the CPU.
    ///
    /// # Errors
    /// As [`super::EngineLoader::check`].
    pub fn report(&self, room: Room, cpu: &mut impl Footprint) -> Result<Inspection> {
        let (config, context) = self.opening.check(&self.options)?;
        let backends = self.opening.fits(&self.options, room, cpu)?;
        let header = self.opening.header()?;
        let text = Text::of(&header.metadata, &config, &self.options);
        let own = header.metadata.str("tokenizer.chat_template")?;
        Ok(Inspection {
            info: text.describe(header, &config, context, self.opening.file_bytes)?,
            max_context_length: config.context,
            types: types(header),
            template: self.options.chat_template.clone().or(own.map(str::to_owned)),
            template_error: text.template.err().map(|e| e.to_string()),
            backends,
        })
    }
}

fn types(header: &Header) -> BTreeMap<&'static str, u64> {
    let mut types = BTreeMap::new();
    for tensor in &header.tensors {
        *types.entry(tensor.ty.name).or_default() += tensor.len();
    }
    types
}
