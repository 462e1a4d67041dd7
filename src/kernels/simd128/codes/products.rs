//! Matrix products over packed panels, one loop nest for all formats.

use super::super::activation::Quantized;
use super::super::lanes::{Line, load, splat_pair, store};
use super::super::{BLOCK, PANEL};
use super::formats::{self, Map};
use super::scales::{self, Scales};
use core::arch::wasm32::*;

/// Column pairs of a block.
const PAIRS: usize = BLOCK / 2;

/// The codes of a block by column pair, for both quads.
type Unpacked = [[v128; 2]; PAIRS];

/// Lines of a block.
const fn block_lines<C: formats::Format, S: scales::Format>() -> usize {
    S::LINES + C::LINES
}

/// Lines of a head and the blocks that share it.
pub(super) const fn super_lines<C: formats::Format, S: scales::Format>() -> usize {
    S::HEAD + S::BLOCKS * block_lines::<C, S>()
}

/// sums (8) = one row of activations against one panel: reads the packed codes once, in order.
// never inlined: one loop nest a function is what the browser's compiler allocates registers for best
#[inline(never)]
pub(super) fn gemv<C: formats::Format, S: scales::Format>(panel: &[Line], x: &Quantized, map: Map, sums: &mut [f32]) {
    let mut acc = [f32x4_splat(0.0); 2];
    let (groups, _) = x.q.as_chunks::<BLOCK>();
    let supers = panel.chunks_exact(super_lines::<C, S>()).zip(groups.chunks_exact(S::BLOCKS));
    let supers = supers.zip(x.scales.chunks_exact(S::BLOCKS).zip(x.sums.chunks_exact(S::BLOCKS)));
    for ((lines, groups), (x_scales, x_sums)) in supers {
        let head = S::head(lines);
        let blocks = lines[S::HEAD..].chunks_exact(block_lines::<C, S>()).zip(groups);
        for ((lines, q), (x_scale, x_sums)) in blocks.zip(x_scales.iter().zip(x_sums)) {
            let scales = S::scales(head, lines);
            let dots = dot::<C, S>(&lines[S::LINES..], q, map);
            for (group, dots) in dots.iter().enumerate().take(S::GROUPS) {
                let sum = sum_of::<S>(x_sums, group);
                for (quad, (acc, dot)) in acc.iter_mut().zip(dots).enumerate() {
                    *acc = scaled::<S>(*acc, *dot, &scales, (group, quad), *x_scale, sum);
                }
            }
        }
    }
    store(sums, 0, acc[0]);
    store(sums, 4, acc[1]);
}

/// sums (n, 8) += `n` rows of activations against one panel: each block is unpacked once and stays in the first cache.
#[inline(never)]
pub(super) fn gemm<C: formats::Format, S: scales::Format>(
    panel: &[Line],
    n: usize,
    x: &Quantized,
    map: Map,
    sums: &mut [f32],
) {
    for (s, lines) in panel.chunks_exact(super_lines::<C, S>()).enumerate() {
        let head = S::head(lines);
        for (b, lines) in lines[S::HEAD..].chunks_exact(block_lines::<C, S>()).enumerate() {
            let codes = unpack::<C>(&lines[S::LINES..], map);
            let scales = S::scales(head, lines);
            let block = s * S::BLOCKS + b;
            if S::GROUPS == 1 {
                multiply::<S, PAIRS>(&codes, &scales, n, x, block, sums);
            } else {
                multiply::<S, { PAIRS / 2 }>(&codes, &scales, n, x, block, sums);
            }
        }
    }
}

/// Adds one block's products for all rows of activations, in groups of N column pairs.
#[inline(always)]
fn multiply<S: scales::Format, const N: usize>(
    codes: &Unpacked,
    scales: &Scales,
    n: usize,
    x: &Quantized,
    block: usize,
    sums: &mut [f32],
) {
    let (groups, _) = x.q.as_chunks::<BLOCK>();
    let blocks = groups.len() / n;
    let at = |row: usize| row * blocks + block;
    for (group, codes) in codes.as_chunks::<N>().0.iter().enumerate() {
        let first = 2 * N * group;
        let mut row = 0;
        while row + 4 <= n {
            let dots = tile(codes, first, [0, 1, 2, 3].map(|i| &groups[at(row + i)]));
            for (i, dots) in dots.iter().enumerate() {
                let sum = sum_of::<S>(&x.sums[at(row + i)], group);
                accumulate::<S>(sums, row + i, *dots, scales, group, x.scales[at(row + i)], sum);
            }
            row += 4;
        }
        for row in row..n {
            let [dots] = tile(codes, first, [&groups[at(row)]]);
            accumulate::<S>(sums, row, dots, scales, group, x.scales[at(row)], sum_of::<S>(&x.sums[at(row)], group));
        }
    }
}

/// The sum of a group's activations, of the two that are kept for 16 each.
#[inline(always)]
fn sum_of<S: scales::Format>(sums: &[f32; 2], group: usize) -> f32 {
    if S::GROUPS == 1 { sums[0] + sums[1] } else { sums[group] }
}

/// acc + scale of the weights * scale of the activations * dot, and + min * Σ activations.
#[inline(always)]
fn scaled<S: scales::Format>(
    acc: v128,
    dot: v128,
    scales: &Scales,
    (group, quad): (usize, usize),
    x_scale: f32,
    sum: f32,
) -> v128 {
    let product = f32x4_mul(f32x4_convert_i32x4(dot), f32x4_splat(x_scale));
    let acc = f32x4_add(acc, f32x4_mul(product, scales.scale[group][quad]));
    if S::MIN { f32x4_add(acc, f32x4_mul(scales.min[group][quad], f32x4_splat(sum))) } else { acc }
}

#[inline(always)]
fn accumulate<S: scales::Format>(
    sums: &mut [f32],
    row: usize,
    dots: [v128; 2],
    scales: &Scales,
    group: usize,
    x_scale: f32,
    sum: f32,
) {
    for (quad, dot) in dots.into_iter().enumerate() {
        let at = row * PANEL + 4 * quad;
        let acc = scaled::<S>(load(sums, at), dot, scales, (group, quad), x_scale, sum);
        store(sums, at, acc);
    }
}

/// The codes of a block in column order.
#[inline(always)]
fn unpack<C: formats::Format>(lines: &[Line], map: Map) -> Unpacked {
    let mut out = [[i16x8_splat(0); 2]; PAIRS];
    let mut to = out.iter_mut();
    for step in 0..C::STEPS {
        for (a, b) in C::step(lines, 0, step, map).into_iter().zip(C::step(lines, 1, step, map)) {
            if let Some(to) = to.next() {
                *to = [a, b];
            }
        }
    }
    out
}

/// Integer dots of one block of activations with 8 rows, by group and quad.
#[inline(always)]
fn dot<C: formats::Format, S: scales::Format>(lines: &[Line], q: &[i16; BLOCK], map: Map) -> [[v128; 2]; 2] {
    let mut acc = [[i32x4_splat(0); 2]; 2];
    let mut column = 0;
    for step in 0..C::STEPS {
        for (w0, w1) in C::step(lines, 0, step, map).into_iter().zip(C::step(lines, 1, step, map)) {
            let a = splat_pair(q, column);
            let group = column * S::GROUPS / BLOCK;
            acc[group][0] = i32x4_add(acc[group][0], i32x4_dot_i16x8(a, w0));
            acc[group][1] = i32x4_add(acc[group][1], i32x4_dot_i16x8(a, w1));
            column += 2;
        }
    }
    acc
}

/// Integer dots of M rows of activations, from column `first` on, with N column pairs of 8 rows of weights.
#[inline(always)]
fn tile<const M: usize, const N: usize>(codes: &[[v128; 2]; N], first: usize, q: [&[i16; BLOCK]; M]) -> [[v128; 2]; M] {
    let mut acc = [[i32x4_splat(0); 2]; M];
    for (j, w) in codes.iter().enumerate() {
        for (acc, q) in acc.iter_mut().zip(q) {
            let a = splat_pair(q, first + 2 * j);
            acc[0] = i32x4_add(acc[0], i32x4_dot_i16x8(a, w[0]));
            acc[1] = i32x4_add(acc[1], i32x4_dot_i16x8(a, w[1]));
        }
    }
    acc
}
