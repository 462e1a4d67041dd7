use super::exp::exp;
use super::lanes::{load, store};
use crate::kernels::Activation;
use core::arch::wasm32::*;

/// gate = activation(gate) * up.
pub(super) fn gated(gate: &mut [f32], up: &[f32], activation: Activation) {
    match activation {
        Activation::Identity => multiply(gate, up, |x| x),
        Activation::Silu => multiply(gate, up, silu),
        Activation::GeluTanh => multiply(gate, up, gelu_tanh),
        Activation::ReluSquared => multiply(gate, up, relu_squared),
    }
}

#[inline(always)]
fn multiply(gate: &mut [f32], up: &[f32], activate: impl Fn(v128) -> v128) {
    let vectors = gate.len() / 4 * 4;
    for i in (0..vectors).step_by(4) {
        let y = f32x4_mul(activate(load(gate, i)), load(up, i));
        store(gate, i, y);
    }
    for (g, u) in gate[vectors..].iter_mut().zip(&up[vectors..]) {
        *g = f32x4_extract_lane::<0>(activate(f32x4_splat(*g))) * u;
    }
}

#[inline(always)]
fn silu(x: v128) -> v128 {
    f32x4_div(x, f32x4_add(f32x4_splat(1.0), exp(f32x4_neg(x))))
}

/// x / (1 + exp(-2 y)), which is x / 2 * (1 + tanh(y)) without 1 - 1 for large negative y.
#[inline(always)]
fn gelu_tanh(x: v128) -> v128 {
    const ROOT_8_OVER_PI: f32 = 1.595_769;
    let cubic = f32x4_mul(f32x4_mul(x, x), f32x4_mul(x, f32x4_splat(0.044715)));
    let twice = f32x4_mul(f32x4_splat(ROOT_8_OVER_PI), f32x4_add(x, cubic));
    f32x4_div(x, f32x4_add(f32x4_splat(1.0), exp(f32x4_neg(twice))))
}

/// Of two operands pmax keeps the first when one is NaN.
#[inline(always)]
fn relu_squared(x: v128) -> v128 {
    let positive = f32x4_pmax(x, f32x4_splat(0.0));
    f32x4_mul(positive, positive)
}
