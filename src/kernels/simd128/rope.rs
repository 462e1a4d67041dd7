use super::lanes::{load, store};
use crate::kernels::RopeKind;
use crate::kernels::cpu::Kernels;
use crate::kernels::reference::Scalar;
use core::arch::wasm32::*;

/// Rotates one head by `angles` (dims / 2, 2): cosine, sine.
pub(super) fn rope(head: &mut [f32], kind: RopeKind, angles: &[f32]) {
    match kind {
        // whole vectors of both halves
        RopeKind::Neox if angles.len().is_multiple_of(8) => halves(&mut head[..angles.len()], angles),
        RopeKind::Norm if angles.len().is_multiple_of(4) => pairs(&mut head[..angles.len()], angles),
        _ => Scalar::rope(head, kind, angles),
    }
}

/// Elements i and i + n/2 together.
fn halves(x: &mut [f32], angles: &[f32]) {
    let (low, high) = x.split_at_mut(angles.len() / 2);
    for i in (0..low.len()).step_by(4) {
        let (first, second) = (load(angles, 2 * i), load(angles, 2 * i + 4));
        let cos = i32x4_shuffle::<0, 2, 4, 6>(first, second);
        let sin = i32x4_shuffle::<1, 3, 5, 7>(first, second);
        let (a, b) = (load(low, i), load(high, i));
        store(low, i, f32x4_sub(f32x4_mul(a, cos), f32x4_mul(b, sin)));
        store(high, i, f32x4_add(f32x4_mul(a, sin), f32x4_mul(b, cos)));
    }
}

/// Elements 2i and 2i + 1 together.
fn pairs(x: &mut [f32], angles: &[f32]) {
    let signs = f32x4(-1.0, 1.0, -1.0, 1.0);
    for i in (0..x.len()).step_by(4) {
        let (a, angles) = (load(x, i), load(angles, i));
        let cos = i32x4_shuffle::<0, 0, 2, 2>(angles, angles);
        let sin = f32x4_mul(i32x4_shuffle::<1, 1, 3, 3>(angles, angles), signs);
        let swapped = i32x4_shuffle::<1, 0, 3, 2>(a, a);
        store(x, i, f32x4_add(f32x4_mul(a, cos), f32x4_mul(swapped, sin)));
    }
}
