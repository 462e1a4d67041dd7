//! The beginning of a file, up to the end of its header.

use super::fit::{Fits, Room, Wanted, fits};
use super::load::LoadOptions;
use crate::error::{Error, ErrorKind, Result};
use crate::gguf::{Header, Parsed, Parts};
use crate::kernels::footprint::Footprint;
use crate::model::Config;

/// Positions that are made room for unless the caller says otherwise, or the model's own limit if that is less.
pub const DEFAULT_CONTEXT: usize = 2048;

/// Takes a file from its first byte on until its header is complete.
#[derive(Debug)]
pub struct Opening {
    /// Of the first file until the header is complete, then of all.
    pub(super) file_bytes: u64,
    parts: Parts,
    /// What came so far.
    pub(super) held: Vec<u8>,
    /// Parse again when this many bytes are there.
    parse_at: u64,
    pub(super) header: Option<Header>,
}

impl Opening {
    /// Of a file of `file_bytes` bytes, the first one if there are several.
    pub fn new(file_bytes: u64) -> Self {
        Self { file_bytes, parts: Parts::default(), held: Vec::new(), parse_at: 0, header: None }
    }

    /// Takes the first bytes of the next file of the model, which has `bytes` bytes; see [`Parts::add`].
    ///
    /// # Errors
    /// Those of [`Parts::add`].
    pub fn add_part(&mut self, prefix: &[u8], bytes: u64) -> Result<Option<u64>> {
        self.parts.add(prefix, bytes)
    }

    /// Takes the next bytes. `true` exactly once: when the header is complete. It does not look at every piece, but an empty
    /// one makes it look at what there is.
    ///
    /// # Errors
    /// Those of [`Header::parse`] and of [`Parts::join`].
    pub fn push(&mut self, bytes: &[u8]) -> Result<bool> {
        self.held.extend_from_slice(bytes);
        let have = self.held.len() as u64;
        if self.header.is_some() || (have < self.parse_at.min(self.file_bytes) && !bytes.is_empty()) {
            return Ok(false);
        }
        match Header::parse(&self.held, self.file_bytes)? {
            Parsed::Complete(header) => {
                let (header, bytes) = std::mem::take(&mut self.parts).join(header, self.file_bytes)?;
                (self.header, self.file_bytes) = (Some(header), bytes);
                Ok(true)
            }
            Parsed::NeedMore(bytes) => {
                // growing by a share keeps the work linear however small the pieces are
                self.parse_at = bytes.max(have + have / 2);
                Ok(false)
            }
        }
    }

    /// The header.
    ///
    /// # Errors
    /// `Internal` before it is complete.
    pub fn header(&self) -> Result<&Header> {
        self.header.as_ref().ok_or_else(|| Error::new(ErrorKind::Internal, "the header is not complete"))
    }

    /// The model's configuration and how many positions are to be made room for.
    ///
    /// # Errors
    /// As [`Self::header`]; `UnsupportedArchitecture`, `InvalidModel`; `InvalidArgument` for the options.
    pub fn check(&self, options: &LoadOptions) -> Result<(Config, usize)> {
        let config = Config::from_header(self.header()?)?;
        let context = match options.context {
            None => config.context.min(DEFAULT_CONTEXT),
            Some(wanted) if (1..=config.context).contains(&wanted) => wanted,
            Some(wanted) => {
                let detail = format!("contextLength is {wanted}; 1 to {} are allowed for this model", config.context);
                return Err(Error::new(ErrorKind::InvalidArgument, detail));
            }
        };
        Ok((config, context))
    }

    /// What each backend needs of a device with this `room`, and whether that fits; `cpu` counts for the CPU.
    ///
    /// # Errors
    /// As [`Self::check`].
    pub fn fits(&self, options: &LoadOptions, room: Room, cpu: &mut impl Footprint) -> Result<Fits> {
        let (config, context) = self.check(options)?;
        let wanted =
            Wanted { header: self.header()?, config: &config, context, kv: options.kv, file_bytes: self.file_bytes };
        fits(wanted, room, cpu)
    }
}
