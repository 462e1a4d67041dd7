//! The operations, each on slices that it takes out of the backend's memory.

use super::pool;
use super::{Buffer, Cpu, Kernels, LayerCache, Stack, ensure, mismatch, reserved, zeroed};
use crate::error::Result;
use crate::kernels::{
    Activation, Attention, Backend, BufferId, CacheShape, KvType, MatrixId, PassKey, Rope, Step, VectorId,
};
use crate::quant::TensorType;

impl<K: Kernels> Backend for Cpu<K> {
    const PANEL_ROWS: usize = K::PANEL_ROWS;
    const KV_TYPES: &'static [KvType] = K::KV_TYPES;

    fn max_rows(&self) -> usize {
        K::MAX_ROWS
    }

    fn create_matrix(&mut self, label: &str, ty: TensorType, rows: usize, cols: usize) -> Result<MatrixId> {
        self.create_experts(label, ty, 1, rows, cols)
    }

    fn create_experts(
        &mut self,
        _label: &str,
        ty: TensorType,
        experts: usize,
        rows: usize,
        cols: usize,
    ) -> Result<MatrixId> {
        let each = (0..experts).map(|_| K::create_matrix(ty, rows, cols)).collect::<Result<_>>()?;
        self.matrices.push(Stack { rows, each });
        Ok(MatrixId(self.matrices.len() - 1))
    }

    fn write_rows(&mut self, matrix: MatrixId, first_row: usize, bytes: &[u8]) -> Result<()> {
        let stack = self.matrices.get_mut(matrix.0).ok_or_else(|| mismatch("matrix id"))?;
        let (index, row) = (first_row / stack.rows.max(1), first_row % stack.rows.max(1));
        K::write_rows(stack.each.get_mut(index).ok_or_else(|| mismatch("expert"))?, row, bytes, &self.pool)
    }

    fn create_vector(&mut self, _label: &str, values: &[f32]) -> Result<VectorId> {
        let mut v = zeroed(values.len() as u64, "a vector")?;
        v.copy_from_slice(values);
        self.vectors.push(v);
        Ok(VectorId(self.vectors.len() - 1))
    }

    fn create_buffer(&mut self, label: &str, rows: usize, width: usize) -> Result<BufferId> {
        self.buffers.push(Buffer { width, data: zeroed(rows as u64 * width as u64, label)? });
        Ok(BufferId(self.buffers.len() - 1))
    }

    fn create_cache(&mut self, context: usize, layers: &[CacheShape], kv: KvType) -> Result<()> {
        let kv = KvType::choose(Some(kv), K::KV_TYPES)?;
        let layer = |shape: &CacheShape| {
            Ok(match *shape {
                CacheShape::KeysValues { heads, head_dim, .. } => {
                    LayerCache::KeysValues { heads, head_dim, cache: K::create_cache(context, heads, head_dim, kv)? }
                }
                CacheShape::Rows(width) => LayerCache::Rows {
                    width,
                    rows: reserved(context as u64 * width as u64, "the rows of a convolution")?,
                },
            })
        };
        self.layers = layers.iter().map(layer).collect::<Result<_>>()?;
        self.context = context;
        Ok(())
    }

    fn bytes(&self) -> u64 {
        let floats = self.vectors.iter().map(Vec::capacity).sum::<usize>()
            + self.buffers.iter().map(|b| b.data.capacity()).sum::<usize>();
        let cached = |layer: &LayerCache<K::Cache>| match layer {
            LayerCache::KeysValues { cache, .. } => K::cache_bytes(cache),
            LayerCache::Rows { rows, .. } => rows.capacity() as u64 * 4,
        };
        let matrices = self.matrices.iter().flat_map(|s| &s.each).map(K::bytes);
        matrices.chain(self.layers.iter().map(cached)).sum::<u64>() + floats as u64 * 4
    }

    async fn flush(&mut self) -> Result<()> {
        Ok(())
    }

    fn pass(&mut self, step: Step<'_>, key: PassKey, record: &mut dyn FnMut(&mut Self) -> Result<()>) -> Result<()> {
        ensure(step.tokens.len() == key.rows && (1..=K::MAX_ROWS).contains(&key.rows), "step")?;
        ensure(step.position + key.rows <= self.context || self.layers.is_empty(), "position")?;
        self.tokens.clear();
        self.tokens.extend_from_slice(step.tokens);
        self.position = step.position;
        self.pool.begin(key.rows);
        let done = record(self);
        self.pool.end();
        done
    }

    fn embed(&mut self, n: usize, table: MatrixId, out: BufferId) -> Result<()> {
        self.write(out, n, |this, width, out| {
            let table = this.matrix(table)?;
            let (rows, cols) = K::shape(table);
            ensure(cols == width && n <= this.tokens.len(), "embed")?;
            for (&token, out) in this.tokens.iter().zip(out.chunks_exact_mut(width)) {
                ensure((token as usize) < rows, "embed token")?;
                K::embed(table, token as usize, out);
            }
            Ok(())
        })
    }

    fn rms_norm(
        &mut self,
        n: usize,
        x: BufferId,
        first: usize,
        weight: VectorId,
        eps: f32,
        out: BufferId,
    ) -> Result<()> {
        self.write(out, n, |this, width, out| {
            let (x, weight) = (this.rows(x, first, n)?, this.vector(weight)?);
            ensure(weight.len() == width && x.len() == out.len(), "rms_norm")?;
            pool::rows(&this.pool, out, width, &|row, out| {
                K::rms_norm(&x[row * width..][..width], weight, eps, out);
            });
            Ok(())
        })
    }

    fn norm_heads(&mut self, n: usize, x: BufferId, weight: VectorId, eps: f32) -> Result<()> {
        self.write(x, n, |this, width, x| {
            let weight = this.vector(weight)?;
            ensure(!weight.is_empty() && width.is_multiple_of(weight.len()), "norm_heads")?;
            pool::rows(&this.pool, x, width, &|_, x| K::norm_heads(x, weight, eps));
            Ok(())
        })
    }

    fn matmul(&mut self, n: usize, w: MatrixId, x: BufferId, out: BufferId) -> Result<()> {
        self.matmuls(n, &[(w, out)], x)
    }

    fn matmuls(&mut self, n: usize, products: &[(MatrixId, BufferId)], x: BufferId) -> Result<()> {
        products.iter().try_for_each(|&(w, _)| self.prepare(n, w, x))?;
        let ids: Vec<BufferId> = products.iter().map(|&(_, out)| out).collect();
        self.write_all(n, &ids, |this, outs| {
            let x = this.rows(x, 0, n)?;
            let mut pairs = Vec::with_capacity(outs.len());
            for (&(w, _), (width, out)) in products.iter().zip(outs) {
                let w = this.matrix(w)?;
                ensure(K::shape(w) == (*width, x.len() / n) && n <= K::MAX_ROWS, "matmul")?;
                pairs.push((w, &mut **out));
            }
            pool::matmuls::<K>(&this.pool, n, &mut pairs, x, &this.input);
            Ok(())
        })
    }

    fn matmul_gated(
        &mut self,
        n: usize,
        [gate, up]: [MatrixId; 2],
        x: BufferId,
        activation: Activation,
        out: BufferId,
        spare: BufferId,
    ) -> Result<()> {
        self.prepare(n, gate, x)?;
        self.prepare(n, up, x)?;
        self.write_all(n, &[out, spare], |this, outs| {
            let (gate, up, x) = (this.matrix(gate)?, this.matrix(up)?, this.rows(x, 0, n)?);
            let [(width, out), (spare_width, spare)] = outs else { return Err(mismatch("matmul_gated")) };
            let shape = (*width, x.len() / n);
            ensure(K::shape(gate) == shape && K::shape(up) == shape && n <= K::MAX_ROWS, "matmul_gated")?;
            ensure(spare_width == width, "matmul_gated spare")?;
            pool::matmul_gated::<K>(&this.pool, n, [(gate, out), (up, spare)], (x, &this.input), activation);
            Ok(())
        })
    }

    fn rope(&mut self, n: usize, x: BufferId, heads: usize, head_dim: usize, rope: Rope) -> Result<()> {
        self.write(x, n, |this, width, x| {
            let table = this.vector(rope.table)?;
            ensure(width == heads * head_dim && rope.dims <= head_dim, "rope")?;
            let angles = table.get(this.position * rope.dims..(this.position + n) * rope.dims);
            let angles = angles.ok_or_else(|| mismatch("rope table"))?;
            pool::rows(&this.pool, x, width, &|row, x| {
                let angles = &angles[row * rope.dims..][..rope.dims];
                x.chunks_exact_mut(head_dim).for_each(|head| K::rope(head, rope.kind, angles));
            });
            Ok(())
        })
    }

    fn store_kv(&mut self, n: usize, layer: usize, k: BufferId, v: BufferId) -> Result<()> {
        let position = self.position;
        let mut layers = std::mem::take(&mut self.layers);
        let rows = self.rows(k, 0, n).and_then(|k| Ok((k, self.rows(v, 0, n)?)));
        let stored = rows.and_then(|(k, v)| {
            let Some(LayerCache::KeysValues { heads, head_dim, cache }) = layers.get_mut(layer) else {
                return Err(mismatch("layer"));
            };
            let len = n * *heads * *head_dim;
            ensure(k.len() == len && v.len() == len && K::positions(cache) >= position, "store")?;
            K::store_kv(cache, position, k, v);
            Ok(())
        });
        self.layers = layers;
        stored
    }

    fn attention(&mut self, n: usize, layer: usize, q: BufferId, a: Attention, out: BufferId) -> Result<()> {
        self.write(out, n, |this, width, out| {
            let (q, layer) = (this.rows(q, 0, n)?, this.layer(layer)?);
            let LayerCache::KeysValues { heads, head_dim, cache } = layer else { return Err(mismatch("layer")) };
            ensure(q.len() == out.len() && width == a.heads * a.head_dim, "attention")?;
            ensure((*heads, *head_dim) == (a.kv_heads, a.head_dim), "attention cache")?;
            ensure(K::positions(cache) >= this.position + n, "attention position")?;
            ensure(a.heads.is_multiple_of(a.kv_heads) && a.window != Some(0), "attention heads")?;
            K::attention(q, cache, this.position, a, &this.pool, out);
            Ok(())
        })
    }

    fn gated(&mut self, n: usize, gate: BufferId, up: BufferId, activation: Activation) -> Result<()> {
        self.write(gate, n, |this, width, gate| {
            let up = this.rows(up, 0, n)?;
            ensure(up.len() == gate.len(), "gated")?;
            pool::rows(&this.pool, gate, width, &|row, gate| K::gated(gate, &up[row * width..][..width], activation));
            Ok(())
        })
    }

    fn add(&mut self, n: usize, x: BufferId, y: BufferId) -> Result<()> {
        self.write(x, n, |this, _, x| {
            let y = this.rows(y, 0, n)?;
            ensure(y.len() == x.len(), "add")?;
            K::add(x, y);
            Ok(())
        })
    }

    fn add_bias(&mut self, n: usize, x: BufferId, bias: VectorId) -> Result<()> {
        self.write(x, n, |this, width, x| {
            let bias = this.vector(bias)?;
            ensure(bias.len() == width, "add_bias")?;
            for row in x.chunks_exact_mut(width) {
                K::add(row, bias);
            }
            Ok(())
        })
    }

    fn scale(&mut self, n: usize, x: BufferId, factor: f32) -> Result<()> {
        self.write(x, n, |_, _, x| {
            K::scale(x, factor);
            Ok(())
        })
    }

    fn soft_cap(&mut self, n: usize, x: BufferId, cap: f32) -> Result<()> {
        self.write(x, n, |_, _, x| {
            K::soft_cap(x, cap);
            Ok(())
        })
    }

    fn short_conv(&mut self, n: usize, layer: usize, x: BufferId, taps: VectorId, out: BufferId) -> Result<()> {
        self.store_rows(n, layer, x)?;
        self.write(out, n, |this, width, out| {
            let (cache, taps) = (this.layer(layer)?, this.vector(taps)?);
            let LayerCache::Rows { width: cached, rows } = cache else { return Err(mismatch("layer")) };
            ensure(*cached == width && !taps.is_empty() && taps.len().is_multiple_of(width), "short_conv")?;
            for (i, out) in out.chunks_exact_mut(width).enumerate() {
                K::short_conv(&rows[..(this.position + i + 1) * width], taps, out);
            }
            Ok(())
        })
    }

    fn route(&mut self, n: usize, logits: BufferId, routes: BufferId) -> Result<()> {
        self.write(routes, n, |this, width, routes| {
            let logits = this.rows(logits, 0, n)?;
            let experts = logits.len() / n;
            ensure(width.is_multiple_of(2) && (2..=2 * experts).contains(&width), "route")?;
            for (logits, routes) in logits.chunks_exact(experts).zip(routes.chunks_exact_mut(width)) {
                K::route(logits, routes);
            }
            Ok(())
        })
    }

    fn matmul_experts(&mut self, n: usize, w: MatrixId, x: BufferId, routes: BufferId, out: BufferId) -> Result<()> {
        let mut input = std::mem::take(&mut self.input);
        self.prepared = None;
        let done = self.write(out, n, |this, width, out| {
            let stack = this.matrices.get(w.0).ok_or_else(|| mismatch("matrix id"))?;
            let (x, routes) = (this.rows(x, 0, n)?, this.rows(routes, 0, n)?);
            let cols = stack.each.first().map_or(0, |m| K::shape(m).1);
            let (used, x_width) = (routes.len() / n / 2, x.len() / n);
            ensure(width == used * stack.rows && cols > 0, "matmul_experts")?;
            ensure(x_width == cols || x_width == used * cols, "matmul_experts input")?;
            for (i, routes) in routes.chunks_exact(2 * used).enumerate() {
                for (s, &expert) in routes[..used].iter().enumerate() {
                    let from = i * x_width + if x_width == cols { 0 } else { s * cols };
                    let expert = stack.each.get(expert as usize).ok_or_else(|| mismatch("expert"))?;
                    let (x, to) = (&x[from..from + cols], i * width + s * stack.rows);
                    if s == 0 || x_width != cols {
                        K::forget(&mut input);
                        K::prepare(expert, 1, x, &mut input, &this.pool);
                    }
                    let out = &mut out[to..to + stack.rows];
                    pool::matmuls::<K>(&this.pool, 1, &mut [(expert, out)], x, &input);
                }
            }
            Ok(())
        });
        self.input = input;
        done
    }

    fn mix_experts(&mut self, n: usize, x: BufferId, routes: BufferId, out: BufferId) -> Result<()> {
        self.write(out, n, |this, width, out| {
            let (x, routes) = (this.rows(x, 0, n)?, this.rows(routes, 0, n)?);
            let used = routes.len() / n / 2;
            ensure(used > 0 && x.len() == used * out.len(), "mix_experts")?;
            for (i, out) in out.chunks_exact_mut(width).enumerate() {
                let weights = &routes[(2 * i + 1) * used..(2 * i + 2) * used];
                K::mix_experts(&x[i * used * width..(i + 1) * used * width], weights, out);
            }
            Ok(())
        })
    }

    fn argmax(&mut self, x: BufferId) -> Result<()> {
        let row = self.rows(x, 0, 1)?;
        let best = K::argmax(row);
        self.best = (best as u32, row.get(best).copied().unwrap_or(f32::NAN));
        Ok(())
    }

    async fn read(&mut self, x: BufferId, n: usize) -> Result<Vec<f32>> {
        Ok(self.rows(x, 0, n)?.to_vec())
    }

    async fn read_found(&mut self) -> Result<(u32, f32)> {
        Ok(self.best)
    }
}
