//! Operations divided among the threads of a pool.
//!
//! Kernels promise to write nothing but what belongs to the panels or groups that they are given (see
//! [`Kernels::matmul`]); that is what makes handles to one output in several threads sound.

use super::super::{Kernels, Output};
use super::Pool;
use crate::kernels::Attention;

/// Below this many multiplications an operation is over before the others have heard of it.
const LEAST_WORK: usize = 1 << 14;

/// A pointer that may go to another thread.
struct Shared<T>(T);

// SAFETY: for pointers to disjoint parts of a buffer that the caller of `Pool::run` borrows for the time of the call
unsafe impl<T> Sync for Shared<T> {}

impl<T> Shared<T> {
    fn get(&self) -> &T {
        &self.0
    }
}

/// out (n, rows) = x (n, cols) @ Wᵀ, panels divided among the threads; see [`Kernels::matmul`].
pub(in super::super) fn matmul<K: Kernels>(
    pool: &Pool,
    w: &K::Matrix,
    n: usize,
    x: &[f32],
    input: &K::Input,
    out: &mut [f32],
) {
    let (rows, cols) = K::shape(w);
    let mut whole = Output::new(out, rows);
    if n * rows * cols < LEAST_WORK {
        return K::matmul(w, n, x, input, 0..K::panels(w), &mut whole);
    }
    let whole = Shared(whole);
    pool.run(n, K::panels(w), &|panels| {
        // SAFETY: a kernel asks for the rows of its own panels, and no panel is given to two threads
        let mut out = unsafe { whole.get().share() };
        K::matmul(w, n, x, input, panels, &mut out);
    });
}

/// out (n, heads * head_dim) = attention, query groups divided among the threads; see [`Kernels::attention`].
pub(in super::super) fn attention<K: Kernels>(
    pool: &Pool,
    n: usize,
    q: &[f32],
    (cache, position): (&K::Cache, usize),
    a: Attention,
    out: &mut [f32],
) {
    let groups = n * a.kv_heads;
    let mut whole = Output::new(out, a.heads * a.head_dim);
    if q.len() * (position + n) < LEAST_WORK {
        return K::attention(q, cache, position, a, 0..groups, &mut whole);
    }
    let whole = Shared(whole);
    pool.run(n, groups, &|groups| {
        // SAFETY: a kernel asks for the heads of its own groups, and no group is given to two threads
        let mut out = unsafe { whole.get().share() };
        K::attention(q, cache, position, a, groups, &mut out);
    });
}

/// Calls `work` with each row of out (n, width) and its number, rows divided among the threads.
pub(in super::super) fn rows(pool: &Pool, out: &mut [f32], width: usize, work: &(dyn Fn(usize, &mut [f32]) + Sync)) {
    let n = out.len().checked_div(width).unwrap_or(0);
    if n <= 1 || out.len() < LEAST_WORK / 4 {
        out.chunks_exact_mut(width.max(1)).enumerate().for_each(|(row, out)| work(row, out));
        return;
    }
    let whole = Shared(Output::new(out, width));
    pool.run(n, n, &|range| {
        // SAFETY: every row is in the range of one thread
        let mut out = unsafe { whole.get().share() };
        range.for_each(|row| work(row, out.part(row, 0..width)));
    });
}
