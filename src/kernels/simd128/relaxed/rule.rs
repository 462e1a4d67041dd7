//! What turns a type's codes into operands, and how many products 16 bits hold.

use super::super::lanes::{Line, line};
use super::formats::Map;
use crate::quant::{Codes, Scales, Values};

/// How a matrix's codes become operands and its numbers scales.
pub(super) struct Rule {
    pub(super) map: Map,
    /// What operands have in addition to the values that they stand for.
    pub(super) zero: i16,
    /// What the number that scales are multiples of is multiplied by.
    pub(super) unit: f32,
}

impl Rule {
    /// `signed` if operands of 8 bits are the values themselves.
    pub(super) fn of(codes: Codes, signed: bool) -> Self {
        let zero = zero(codes);
        let operand = |code: usize| codes.values.of(code as u8) + i32::from(zero);
        let table = |f: &dyn Fn(usize) -> i32| line(&Line(std::array::from_fn(|code| f(code) as u8)));
        let is_split = largest(codes) > 127;
        let low = if is_split { table(&|code| operand(code) & 15) } else { table(&operand) };
        let map = Map {
            low,
            high: table(&|code| operand(code) >> 4 & 15),
            signed: table(&|code| codes.values.of(code as u8)),
        };
        let unit = match codes.scales {
            Scales::Super { shift } => 1.0 / (1u32 << shift) as f32,
            Scales::Half | Scales::Bf16 => 1.0,
        };
        Self { map, zero: if is_split && signed { 0 } else { zero }, unit }
    }
}

/// What is added to values so that none is negative.
fn zero(codes: Codes) -> i16 {
    match codes.values {
        Values::Linear(zero) => i16::from(zero),
        // a sum of 8 bits is split in halves, whatever it is
        Values::Table(table) => table.iter().map(|v| -i16::from(*v)).fold(0, i16::max),
    }
}

/// The largest operand.
pub(super) fn largest(codes: Codes) -> i32 {
    let values = (0..1u16 << codes.bits).map(|code| codes.values.of(code as u8) + i32::from(zero(codes)));
    values.fold(0, i32::max)
}

/// How many products of four columns may be added in 16 bits, as far as kernels tell them apart: two columns share a lane, an
/// activation is at most 127.
pub(super) fn depth(codes: Codes) -> usize {
    let largest = match largest(codes) {
        // two halves, of 15 at most
        128.. => 15,
        whole => whole,
    };
    match i32::from(i16::MAX) / (2 * 127 * largest.max(1)) {
        8.. => 8,
        4.. => 4,
        2.. => 2,
        _ => 1,
    }
}
