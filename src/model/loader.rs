//! Streams a GGUF file into a backend, tensor by tensor, holding at most one panel of rows.

use super::config::Config;
use super::session::Session;
use super::weights::{Activations, Role, Uploaded, roles};
use crate::error::{Error, ErrorKind, Result};
use crate::gguf::{Header, TensorInfo};
use crate::kernels::{Backend, MatrixId, Rope};
use crate::quant::dequantize;

/// Takes the bytes after the header in file order and leaves a [`Session`].
pub struct Loader<B: Backend> {
    backend: B,
    config: Config,
    context: usize,
    buffers: Activations,
    tensors: Vec<(TensorInfo, Role)>, // in the order of their data
    uploaded: Uploaded,
    rope_factors: Option<Vec<f32>>,
    /// Offset in the file of the next byte to come.
    position: u64,
    /// Index of the tensor that is being filled, and the matrix made for it.
    current: usize,
    matrix: Option<MatrixId>,
    rows_done: usize,
    /// Bytes of the current tensor that do not make a panel yet.
    pending: Vec<u8>,
}

impl<B: Backend> Loader<B> {
    /// Prepares for the data of `header`; the next byte pushed is that at `position` of the file. `context` positions
    /// are made room for.
    ///
    /// # Errors
    /// `InvalidModel` or `UnsupportedArchitecture` if tensors and configuration do not match.
    pub fn new(mut backend: B, header: Header, config: Config, context: usize, position: u64) -> Result<Self> {
        let roles = roles(&header, &config)?;
        if let Some(t) = header.tensors.iter().find(|t| t.ty.trailer_bytes > 0) {
            // refused rather than loaded without its scale
            let detail = format!("{}: tensors of type {} can be read, but not yet run", t.name, t.ty.name);
            return Err(Error::new(ErrorKind::UnsupportedType, detail));
        }
        // first what does not depend on the weights: what is too large is found before they are fetched
        backend.create_cache(config.layers, context, config.kv_width())?;
        let buffers = Activations::create(&mut backend, &config)?;
        Ok(Self {
            buffers,
            backend,
            config,
            context,
            position,
            tensors: header.tensors.into_iter().zip(roles).collect(),
            uploaded: Uploaded::default(),
            rope_factors: None,
            current: 0,
            matrix: None,
            rows_done: 0,
            pending: Vec::new(),
        })
    }

    /// The backend, to wait for its uploads.
    pub fn backend(&mut self) -> &mut B {
        &mut self.backend
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
                Role::Matrix(rows, cols) => self.fill_matrix(&tensor, rows, cols, take, complete)?,
                Role::Vector(_) | Role::RopeFactors(_) => self.fill_vector(&tensor, role, take, complete)?,
            }
            if complete {
                (self.current, self.matrix, self.rows_done) = (self.current + 1, None, 0);
            }
        }
        self.position += bytes.len() as u64;
        Ok(())
    }

    fn fill_vector(&mut self, tensor: &TensorInfo, role: Role, bytes: &[u8], complete: bool) -> Result<()> {
        self.pending.extend_from_slice(bytes);
        if !complete {
            return Ok(());
        }
        let mut values = vec![0.0; tensor.len() as usize];
        dequantize(tensor.ty, &self.pending, &mut values)?;
        self.pending.clear();
        if role == Role::RopeFactors(values.len()) {
            self.rope_factors = Some(values);
        } else {
            let id = self.backend.create_vector(&tensor.name, &values)?;
            self.uploaded.vectors.insert(tensor.name.clone(), id);
        }
        Ok(())
    }

    fn fill_matrix(&mut self, t: &TensorInfo, rows: usize, cols: usize, bytes: &[u8], complete: bool) -> Result<()> {
        let matrix = match self.matrix {
            Some(matrix) => matrix,
            None => self.backend.create_matrix(&t.name, t.ty, rows, cols)?,
        };
        self.matrix = Some(matrix);
        self.uploaded.matrices.insert(t.name.clone(), matrix);
        let panel = (t.bytes / rows as u64) as usize * B::PANEL_ROWS;
        // first what makes the pending bytes a panel, then whole panels straight from the input, then the rest waits
        let fill = if self.pending.is_empty() { 0 } else { (panel - self.pending.len()).min(bytes.len()) };
        self.pending.extend_from_slice(&bytes[..fill]);
        if self.pending.len() == panel {
            let pending = std::mem::take(&mut self.pending);
            self.write(matrix, t, rows, &pending)?;
            self.pending = pending;
            self.pending.clear();
        }
        let rest = &bytes[fill..];
        let (whole, tail) = rest.split_at(rest.len() / panel * panel);
        if !whole.is_empty() {
            self.write(matrix, t, rows, whole)?;
        }
        self.pending.extend_from_slice(tail);
        if complete && !self.pending.is_empty() {
            let pending = std::mem::take(&mut self.pending);
            self.write(matrix, t, rows, &pending)?;
        }
        Ok(())
    }

    fn write(&mut self, matrix: MatrixId, t: &TensorInfo, rows: usize, bytes: &[u8]) -> Result<()> {
        self.backend.write_rows(matrix, self.rows_done, bytes)?;
        self.rows_done += bytes.len() / (t.bytes / rows as u64) as usize;
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
        let c = &self.config;
        let table = c.rope_table(self.context, self.rope_factors.as_deref())?;
        let table = self.backend.create_vector("rope", &table)?;
        let rope = Rope { kind: c.rope_kind, dims: c.rope_dims, table };
        let model = self.uploaded.model(self.config, self.context, rope, self.buffers)?;
        Ok(Session::new(self.backend, model))
    }
}
