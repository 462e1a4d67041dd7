//! Operations divided among the threads of a pool.
//!
//! Kernels promise to write nothing but what belongs to the panels or groups that they are given (see
//! [`Kernels::matmul`]); that is what makes handles to one output in several threads sound.

use super::super::{Kernels, Output};
use super::Pool;
use crate::kernels::{Activation, Attention};
use std::ops::Range;

/// Below this many multiplications an operation is over before the others have heard of it.
const LEAST_WORK: usize = 1 << 14;

/// Panels that are not divided: kernels take two at a time.
const UNIT: usize = 2;

/// A pointer that may go to another thread.
struct Shared<T>(T);

// SAFETY: for pointers to disjoint parts of a buffer that the caller of `Pool::run` borrows for the time of the call
unsafe impl<T> Sync for Shared<T> {}

impl<T> Shared<T> {
    fn get(&self) -> &T {
        &self.0
    }
}

/// A product of an operation: W and out (n, rows).
pub(in super::super) type Product<'a, M> = (&'a M, &'a mut [f32]);

/// Each out (n, rows) = x (n, cols) @ its Wᵀ, all panels divided among the threads; see [`Kernels::matmul`].
pub(in super::super) fn matmuls<K: Kernels>(
    pool: &Pool,
    n: usize,
    products: &mut [Product<'_, K::Matrix>],
    x: &[f32],
    input: &K::Input,
) {
    let mut wholes = Vec::with_capacity(products.len());
    let mut panels = 0;
    for (w, out) in products {
        let first = panels;
        panels += K::panels(w);
        wholes.push((&**w, first..panels, Shared(Output::new(out, K::shape(w).0))));
    }
    let work = |units: Range<usize>| {
        for (w, all, whole) in &wholes {
            let own = all.start.max(units.start * UNIT)..all.end.min(units.end * UNIT);
            if !own.is_empty() {
                // SAFETY: a kernel asks for the rows of its own panels, and no panel is given to two threads
                let mut out = unsafe { whole.get().share() };
                K::matmul(w, n, x, input, own.start - all.start..own.end - all.start, &mut out);
            }
        }
    };
    let units = panels.div_ceil(UNIT);
    if panels * K::PANEL_ROWS * x.len() < LEAST_WORK { work(0..units) } else { pool.run(n, units, &work) }
}

/// gate (n, rows) = activation(x (n, cols) @ Gᵀ) * (x @ Uᵀ) of two matrices of one shape, panels divided among the threads; `up`
/// (n, rows) is left with x @ Uᵀ.
pub(in super::super) fn matmul_gated<K: Kernels>(
    pool: &Pool,
    n: usize,
    [(g, gate), (u, up)]: [Product<'_, K::Matrix>; 2],
    (x, input): (&[f32], &K::Input),
    activation: Activation,
) {
    let rows = K::shape(g).0;
    let (gate, up) = (Shared(Output::new(gate, rows)), Shared(Output::new(up, rows)));
    let work = |units: Range<usize>| {
        let panels = units.start * UNIT..K::panels(g).min(units.end * UNIT);
        // SAFETY: a kernel asks for the rows of its own panels, and no panel is given to two threads
        let (mut gate, mut up) = unsafe { (gate.get().share(), up.get().share()) };
        K::matmul(g, n, x, input, panels.clone(), &mut gate);
        K::matmul(u, n, x, input, panels.clone(), &mut up);
        let columns = panels.start * K::PANEL_ROWS..rows.min(panels.end * K::PANEL_ROWS);
        for row in 0..n {
            K::gated(gate.part(row, columns.clone()), up.part(row, columns.clone()), activation);
        }
    };
    let units = K::panels(g).div_ceil(UNIT);
    if 2 * rows * x.len() < LEAST_WORK { work(0..units) } else { pool.run(n, units, &work) }
}

/// Calls `work` with ranges of an attention's query groups (see [`Kernels::attention`]), divided among the threads, and with where to
/// write what belongs to them: all of out (n, heads * head_dim), of an attention whose first row is at `position`.
pub(in crate::kernels) fn groups(
    pool: &Pool,
    n: usize,
    position: usize,
    a: Attention,
    out: &mut [f32],
    work: &(dyn Fn(Range<usize>, &mut Output<'_>) + Sync),
) {
    let (groups, elements) = (n * a.kv_heads, out.len());
    let mut whole = Output::new(out, a.heads * a.head_dim);
    if elements * (position + n) < LEAST_WORK {
        return work(0..groups, &mut whole);
    }
    let whole = Shared(whole);
    pool.run(n, groups, &|groups| {
        // SAFETY: a kernel asks for the heads of its own groups, and no group is given to two threads
        let mut out = unsafe { whole.get().share() };
        work(groups, &mut out);
    });
}

impl Pool {
    /// Calls `work` with each of a single row's `items`, divided among the threads; `products` is how many multiplications they are in all.
    pub fn items<T: Send>(&self, products: usize, items: &mut [T], work: &(dyn Fn(&mut T) + Sync)) {
        if products < LEAST_WORK {
            return items.iter_mut().for_each(work);
        }
        let start = Shared(items.as_mut_ptr());
        self.run(1, items.len(), &|range| {
            for i in range {
                // SAFETY: there are that many items, and every item is in the range of one thread
                work(unsafe { &mut *start.get().add(i) });
            }
        });
    }
}

/// Calls `work` with each row of out (n, width) and its number, rows divided among the threads.
pub(in crate::kernels) fn rows<T: Send>(
    pool: &Pool,
    out: &mut [T],
    width: usize,
    work: &(dyn Fn(usize, &mut [T]) + Sync),
) {
    let n = out.len().checked_div(width).unwrap_or(0);
    if n <= 1 || size_of_val(out) < LEAST_WORK {
        out.chunks_exact_mut(width.max(1)).enumerate().for_each(|(row, out)| work(row, out));
        return;
    }
    let start = Shared(out.as_mut_ptr());
    pool.run(n, n, &|range| {
        for row in range {
            // SAFETY: there are n rows, and every row is in the range of one thread
            work(row, unsafe { std::slice::from_raw_parts_mut(start.get().add(row * width), width) });
        }
    });
}
