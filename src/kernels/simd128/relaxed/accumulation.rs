//! The two relaxed dot instructions, and which of them an engine is quick with.
//!
//! Both multiply signed bytes `a` by bytes `b` whose top bit is clear. The i16 form adds two products a lane and is one
//! instruction on x86; the i32 form adds four and is one instruction where the processor has such a dot product (ARM's
//! `sdot`, x86's VNNI), and three or more elsewhere. With the top bit of `b` set, results differ between engines.

use core::arch::wasm32::*;
use std::sync::atomic::{AtomicU8, Ordering};

/// How the products of a group of weights are added up. All give the same integers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Accumulation {
    /// `i16x8.relaxed_dot_i8x16_i7x16_s`, as many as 16 bits hold, then widened.
    Short,
    /// `i32x4.relaxed_dot_i8x16_i7x16_add_s`.
    Long,
    /// The same where it takes both operands as signed bytes, which saves the halving of 8-bit weights.
    LongSigned,
}

static CHOICE: AtomicU8 = AtomicU8::new(0);

/// The accumulation that products use: [`Accumulation::Short`] until another is set.
pub fn accumulation() -> Accumulation {
    match CHOICE.load(Ordering::Relaxed) {
        0 => Accumulation::Short,
        1 => Accumulation::Long,
        _ => Accumulation::LongSigned,
    }
}

/// Sets the accumulation of all products from now on. Forms that [`supported`] does not give compute wrong numbers.
pub fn set_accumulation(choice: Accumulation) {
    CHOICE.store(choice as u8, Ordering::Relaxed);
}

/// The forms that this engine computes as this module expects, the fastest first: asked of the instructions themselves, with
/// operands where engines are known to differ.
///
/// What the i32 form makes of operands that it promises nothing for says what it is made of: signed or unsigned bytes are one
/// instruction of the processor (`sdot`, `vpdpbssd`; `vpdpbusd`); where pairs of products saturate at 16 bits it is
/// x86's three (`vpmaddubsw`, `vpmaddwd`, `vpaddd`), of which the i16 form is the first alone.
pub fn supported() -> Vec<Accumulation> {
    let probe = |a: i8, b: i8| {
        // what the compiler knows it computes itself, by its own rules
        let (a, b) = (core::hint::black_box(i8x16_splat(a)), core::hint::black_box(i8x16_splat(b)));
        let short = i16x8_extract_lane::<0>(i16x8_relaxed_dot_i8x16_i7x16(a, b));
        let long =
            i32x4_extract_lane::<0>(i32x4_relaxed_dot_i8x16_i7x16_add(a, b, core::hint::black_box(i32x4_splat(5))));
        (i32::from(short), long)
    };
    let pairs = [(127, 127), (-127, 127), (-1, 1), (3, 124)];
    let exact = |a: i8, b: i8| i32::from(a) * i32::from(b);
    let is_signed = |&(a, b): &(i8, i8)| probe(a, b).1 == 4 * exact(a, b) + 5;
    let is_unsigned = |&(a, b): &(i8, i8)| probe(a, b).1 == 4 * i32::from(a) * i32::from(b as u8) + 5;
    let mut forms = Vec::new();
    if pairs.iter().all(|&(a, b)| probe(a, b).0 == 2 * exact(a, b)) {
        forms.push(Accumulation::Short);
    }
    if pairs.iter().all(is_signed) {
        let beyond = [(127, -128), (-127, -128), (-127, -1), (127, -127)];
        let is_one_instruction = beyond.iter().all(is_unsigned);
        forms.insert(if is_one_instruction { 0 } else { forms.len() }, Accumulation::Long);
        if beyond.iter().all(is_signed) {
            forms.insert(0, Accumulation::LongSigned);
        }
    }
    forms
}

/// A form as the products are written over it.
pub(super) trait Accumulate {
    /// Whether weights may be signed bytes.
    const SIGNED: bool;
    /// How many products of four columns are added before [`Accumulate::flush`], of a group that has `group` and may add
    /// `depth` in 16 bits.
    fn unit(depth: usize, group: usize) -> usize;
    /// t + a · w.
    fn next(t: v128, a: v128, w: v128) -> v128;
    /// acc + scale * t; `scale` has 16-bit lanes, two equal ones for each row.
    fn flush(acc: v128, t: v128, scale: v128) -> v128;
}

/// As many turns as any loop over vectors has, which the compiler must not know: what it writes out it also puts in another order,
/// all products of a sum before those of the next, and then more is needed at once than there are registers.
#[derive(Clone, Copy)]
pub(super) struct Turns(pub(super) usize);

impl Turns {
    #[inline(always)]
    pub(super) fn new() -> Self {
        Self(core::hint::black_box(usize::MAX))
    }
}

/// [`Accumulation::Short`].
pub(super) struct Short;

impl Accumulate for Short {
    const SIGNED: bool = false;

    #[inline(always)]
    fn unit(depth: usize, group: usize) -> usize {
        depth.min(group)
    }

    #[inline(always)]
    fn next(t: v128, a: v128, w: v128) -> v128 {
        i16x8_add(t, i16x8_relaxed_dot_i8x16_i7x16(a, w))
    }

    #[inline(always)]
    fn flush(acc: v128, t: v128, scale: v128) -> v128 {
        // adds the two lanes of a row and multiplies in one
        i32x4_add(acc, i32x4_dot_i16x8(t, scale))
    }
}

/// [`Accumulation::Long`] and [`Accumulation::LongSigned`].
pub(super) struct Long<const SIGNED: bool>;

impl<const SIGNED: bool> Accumulate for Long<SIGNED> {
    const SIGNED: bool = SIGNED;

    #[inline(always)]
    fn unit(_depth: usize, group: usize) -> usize {
        group
    }

    #[inline(always)]
    fn next(t: v128, a: v128, w: v128) -> v128 {
        i32x4_relaxed_dot_i8x16_i7x16_add(a, w, t)
    }

    #[inline(always)]
    fn flush(acc: v128, t: v128, scale: v128) -> v128 {
        i32x4_add(acc, i32x4_mul(t, i32x4_shr(scale, 16)))
    }
}
