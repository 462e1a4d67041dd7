//! Streams a GGUF file into a backend, tensor by tensor, holding at most one panel of rows.

use super::config::Config;
use super::forward::forward;
use super::rope::{Factors, Rotary};
use super::session::Session;
use super::tensors::{Role, roles, stacks};
use super::weights::{Activations, Ropes, Uploaded};
use crate::error::{Error, ErrorKind, Result};
use crate::gguf::{Header, TensorInfo};
use crate::kernels::{Backend, KvType, MatrixId, Rope};
use crate::quant::{dequantize, tensor_scale};
use std::collections::VecDeque;

/// Takes the bytes after the header in file order and leaves a [`Session`].
pub struct Loader<B: Backend> {
    backend: B,
    config: Config,
    context: usize,
    buffers: Activations,
    tensors: Vec<(TensorInfo, Role)>, // in the order of their data
    /// What of each tensor's rows is still to be filled.
    pieces: Vec<VecDeque<Piece>>,
    uploaded: Uploaded,
    factors: Factors,
    /// Offset in the file of the next byte to come.
    position: u64,
    /// Index of the tensor that is being filled.
    current: usize,
    /// Bytes of the current tensor that do not make a panel yet.
    pending: Vec<u8>,
}

/// Rows of a tensor that go to a matrix one after the other. A fused tensor has a piece for each of its matrices, experts
/// one for each of them.
#[derive(Clone, Copy, Debug)]
struct Piece {
    matrix: MatrixId,
    first_row: usize,
    rows: usize,
}

impl<B: Backend> Loader<B> {
    /// Makes everything that the data of `header` will fill; the next byte pushed is that at `position` of the file.
    /// `context` positions are made room for, with keys and values in type `kv`.
    ///
    /// # Errors
    /// `InvalidModel` or `UnsupportedArchitecture` if tensors and configuration do not match; those of the backend: what is
    /// too large is found before the weights are fetched.
    pub fn new(
        mut backend: B,
        header: Header,
        config: Config,
        context: usize,
        kv: KvType,
        position: u64,
    ) -> Result<Self> {
        let roles = roles(&header, &config)?;
        // the metadata is not needed any more: its memory is used again
        let Header { tensors, metadata, .. } = header;
        drop(metadata);
        let tensors: Vec<_> = tensors.into_iter().zip(roles).collect();
        backend.create_cache(context, &config.cache(), kv)?;
        let rows = backend.max_rows();
        let buffers = Activations::create(rows, &config, |rows, parts| backend.create_buffers(rows, parts))?;
        backend.create_sampler(config.vocabulary, context)?;
        let mut uploaded = Uploaded::default();
        for stack in stacks(tensors.iter().map(|(tensor, role)| (tensor, role))) {
            let parts: Vec<_> = stack.parts.iter().map(|(name, ty, rows)| (name.as_str(), *ty, *rows)).collect();
            let made = backend.create_stack(&parts, stack.cols)?;
            uploaded.matrices.extend(stack.parts.into_iter().map(|(name, ..)| name).zip(made));
        }
        let pieces =
            tensors.iter().map(|(t, role)| begin(&mut backend, &mut uploaded, t, role)).collect::<Result<_>>()?;
        Ok(Self {
            buffers,
            backend,
            config,
            context,
            position,
            tensors,
            pieces,
            uploaded,
            factors: Factors::default(),
            current: 0,
            pending: Vec::new(),
        })
    }

    /// The backend, to wait for its uploads.
    pub fn backend(&mut self) -> &mut B {
        &mut self.backend
    }

    /// Lets the backend compile what passes are made of while the weights arrive; see [`Backend::warm`].
    ///
    /// # Errors
    /// Those of the backend.
    pub fn warm(&mut self) -> Result<()> {
        let Self { backend, config, context, buffers, tensors, uploaded, .. } = self;
        backend.warm(&mut |b, keys| {
            for (TensorInfo { name, ty, .. }, role) in tensors.iter() {
                let len = match role {
                    Role::Vector(len) => *len,
                    Role::Taps(width, taps) => width * taps,
                    _ => {
                        if matches!(role, Role::Scale) || ty.trailer_bytes > 0 {
                            uploaded.scale(name, 1.0); // whatever it will be
                        }
                        continue;
                    }
                };
                uploaded.vectors.insert(name.clone(), b.stand_in(len));
            }
            let mut rope = |rotary: Rotary| {
                let table = b.stand_in(context.saturating_mul(rotary.dims));
                Rope { kind: config.architecture.rope, dims: rotary.dims, table }
            };
            let ropes =
                Ropes { global: rope(config.rotary), local: rope(config.local_rotary.unwrap_or(config.rotary)) };
            let model = uploaded.model(config.clone(), *context, ropes, buffers.clone());
            uploaded.vectors.clear();
            let model = model?;
            keys.iter().try_for_each(|key| forward(b, &model, key.rows, key.head))
        })
    }

    /// Takes the next bytes of the file, any number of them.
    ///
    /// # Errors
    /// Those of the backend; a tensor that cannot be placed.
    pub fn push(&mut self, mut bytes: &[u8]) -> Result<()> {
        while !bytes.is_empty() && self.current < self.tensors.len() {
            let (tensor, role) = self.tensors[self.current].clone();
            if self.position < tensor.offset {
                // padding between tensors
                let skip = (tensor.offset - self.position).min(bytes.len() as u64) as usize;
                self.position += skip as u64;
                bytes = &bytes[skip..];
                continue;
            }
            let left = tensor.offset + tensor.bytes - self.position;
            let (take, rest) = bytes.split_at(left.min(bytes.len() as u64) as usize);
            self.position += take.len() as u64;
            bytes = rest;
            let complete = take.len() as u64 == left;
            match role {
                Role::Matrices(..) | Role::Experts(..) => self.fill_matrices(&tensor, take, complete)?,
                Role::Vector(_) | Role::Taps(..) | Role::Scale | Role::RopeFactors(_) => {
                    self.fill_values(&tensor, &role, take, complete)?;
                }
            }
            if complete {
                self.current += 1;
            }
        }
        self.position += bytes.len() as u64;
        Ok(())
    }

    fn fill_values(&mut self, tensor: &TensorInfo, role: &Role, bytes: &[u8], complete: bool) -> Result<()> {
        self.pending.extend_from_slice(bytes);
        if !complete {
            return Ok(());
        }
        let mut values = vec![0.0; tensor.len() as usize];
        dequantize(tensor.ty, &self.pending, &mut values)?;
        self.pending.clear();
        match role {
            Role::RopeFactors(_) => match tensor.name.as_str() {
                "rope_factors_long.weight" => self.factors.long = Some(values),
                "rope_factors_short.weight" => self.factors.short = Some(values),
                _ => self.factors.always = Some(values),
            },
            Role::Scale => self.uploaded.scale(&tensor.name, values[0]),
            _ => {
                let id = self.backend.create_vector(&tensor.name, &values)?;
                self.uploaded.vectors.insert(tensor.name.clone(), id);
            }
        }
        Ok(())
    }

    fn fill_matrices(&mut self, t: &TensorInfo, mut bytes: &[u8], complete: bool) -> Result<()> {
        // rows are whole blocks: checked with the directory
        let row_bytes = ((t.bytes - t.ty.trailer_bytes) / (t.len() / t.dims[0])) as usize;
        let mut pieces = self.pieces.get_mut(self.current).map(std::mem::take).unwrap_or_default();
        while let (Some(piece), false) = (pieces.front_mut(), bytes.is_empty()) {
            let left = (piece.rows as u64 * row_bytes as u64) - self.pending.len() as u64;
            let (take, rest) = bytes.split_at(left.min(bytes.len() as u64) as usize);
            self.fill_piece(piece, row_bytes, take)?;
            bytes = rest;
            if piece.rows == 0 {
                pieces.pop_front();
            }
        }
        if let Some(left) = self.pieces.get_mut(self.current) {
            *left = pieces;
        }
        // behind the rows is what the type's trailer holds
        self.pending.extend_from_slice(bytes);
        if complete && t.ty.trailer_bytes > 0 {
            self.uploaded.scale(&t.name, tensor_scale(&self.pending)?);
        }
        if complete {
            self.pending.clear();
        }
        Ok(())
    }

    /// First what makes the pending bytes a panel or ends the piece, then whole panels straight from `bytes`; the rest
    /// waits.
    fn fill_piece(&mut self, piece: &mut Piece, row_bytes: usize, mut bytes: &[u8]) -> Result<()> {
        while !bytes.is_empty() {
            let panel = row_bytes * piece.rows.min(B::PANEL_ROWS);
            let whole = bytes.len() / panel * panel;
            if self.pending.is_empty() && whole > 0 {
                self.write(piece, row_bytes, &bytes[..whole])?;
                bytes = &bytes[whole..];
                continue;
            }
            let fill = (panel - self.pending.len()).min(bytes.len());
            self.pending.extend_from_slice(&bytes[..fill]);
            bytes = &bytes[fill..];
            if self.pending.len() == panel {
                let pending = std::mem::take(&mut self.pending);
                self.write(piece, row_bytes, &pending)?;
                self.pending = pending;
                self.pending.clear();
            }
        }
        Ok(())
    }

    fn write(&mut self, piece: &mut Piece, row_bytes: usize, bytes: &[u8]) -> Result<()> {
        self.backend.write_rows(piece.matrix, piece.first_row, bytes)?;
        let rows = bytes.len() / row_bytes;
        (piece.first_row, piece.rows) = (piece.first_row + rows, piece.rows - rows);
        Ok(())
    }

    /// The end of the file.
    ///
    /// # Errors
    /// `InvalidGguf` if bytes are missing; `OutOfMemory`.
    pub fn finish(mut self) -> Result<Session<B>> {
        if let Some((tensor, _)) = self.tensors.get(self.current) {
            let end = self.tensors.iter().map(|(t, _)| t.offset + t.bytes).max().unwrap_or(0);
            let detail = format!("the file ended at byte {} of {end}, inside {}", self.position, tensor.name);
            return Err(Error::new(ErrorKind::InvalidGguf, detail));
        }
        let ropes = self.ropes()?;
        let model = self.uploaded.model(self.config, self.context, ropes, self.buffers)?;
        Ok(Session::new(self.backend, model))
    }

    fn ropes(&mut self) -> Result<Ropes> {
        let c = &self.config;
        let kind = c.architecture.rope;
        let factors = self.factors.choose(self.context, c.original_context)?;
        let mut rope = |rotary: &Rotary, factors| {
            let table = self.backend.create_vector("rope", &rotary.table(self.context, factors)?)?;
            Ok(Rope { kind, dims: rotary.dims, table })
        };
        let global = rope(&c.rotary, factors)?;
        let local = c.local_rotary.map_or(Ok(global), |local| rope(&local, None))?;
        Ok(Ropes { global, local })
    }
}

/// Makes the experts of a tensor, and says where its rows go.
fn begin<B: Backend>(backend: &mut B, to: &mut Uploaded, t: &TensorInfo, role: &Role) -> Result<VecDeque<Piece>> {
    let mut pieces = VecDeque::new();
    match role {
        Role::Experts(experts, rows, cols) => {
            let matrix = backend.create_experts(&t.name, t.ty, *experts, *rows, *cols)?;
            to.matrices.insert(t.name.clone(), matrix);
            pieces.extend((0..*experts).map(|e| Piece { matrix, first_row: e * rows, rows: *rows }));
        }
        Role::Matrices(parts, _) => {
            for (name, rows) in parts {
                let missing = || Error::new(ErrorKind::Internal, format!("the matrix {name} was not made"));
                let matrix = to.matrices.get(name).copied().ok_or_else(missing)?;
                pieces.push_back(Piece { matrix, first_row: 0, rows: *rows });
            }
        }
        Role::Vector(_) | Role::Taps(..) | Role::Scale | Role::RopeFactors(_) => {}
    }
    Ok(pieces)
}
