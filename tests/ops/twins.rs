//! The products of relaxed SIMD against their scalar twin, bit for bit, on inputs that come nearest to overflowing: for every
//! type, in every form that the engine has.

use super::Weight;
use super::data;
use pagelm::kernels::simd128::relaxed::{Accumulation, accumulation, set_accumulation, supported, twin};
use pagelm::quant::{Form, TYPES, TensorType};

/// A panel and a part of one, and more columns than are unpacked together.
const ROWS: usize = 11;
const COLS: usize = 2304;
/// A tile and one row.
const MOST: usize = 5;

/// What the codes of all weights are made of.
#[derive(Clone, Copy, Debug)]
enum Codes {
    Random,
    /// This byte everywhere but in scales.
    All(u8),
}

/// Runs `test` with each form; gives back what was set before, even if it fails.
pub fn in_every_form(mut test: impl FnMut(Accumulation) -> Result<usize, String>) -> Result<usize, String> {
    let before = accumulation();
    let mut done = Ok(0);
    for form in supported() {
        set_accumulation(form);
        done = done.and_then(|so_far| test(form).map_err(|why| format!("{form:?}: {why}")).map(|n| so_far + n));
    }
    set_accumulation(before);
    done
}

/// How many values were equal.
///
/// # Errors
/// The first that was not.
pub fn run() -> Result<usize, String> {
    let forms = supported();
    if !forms.contains(&Accumulation::Short) {
        return Err(format!("the i16 form is portable, but this engine has only {forms:?}"));
    }
    in_every_form(|_| TYPES.iter().filter(|t| matches!(t.form, Form::Codes(_))).map(|t| one(t.name)).sum())
}

fn one(name: &str) -> Result<usize, String> {
    let ty = TensorType::from_name(name).ok_or("a type")?;
    let mut equal = 0;
    let bytes = [0, 255, 128, 127].map(Codes::All);
    for codes in [Codes::Random].into_iter().chain(bytes) {
        let bytes = weights(ty, codes);
        let x = activations();
        for (first, n) in (0..MOST).map(|row| (row, 1)).chain([(0, MOST)]) {
            let x = &x[first * COLS..(first + n) * COLS];
            let (got, expected) = twin::products(ty, ROWS, &bytes, n, x).map_err(|e| e.to_string())?;
            let differs = got.iter().zip(&expected).position(|(g, e)| g.to_bits() != e.to_bits() || !g.is_finite());
            if let Some(at) = differs {
                return Err(format!(
                    "{name}, {codes:?}, row {first} of {n}: {} at {at}, its twin {}",
                    got[at], expected[at]
                ));
            }
            equal += got.len();
        }
    }
    Ok(equal)
}

/// Random blocks, or blocks of one byte but for their scales.
fn weights(ty: TensorType, codes: Codes) -> Vec<u8> {
    let w = Weight { ty, rows: ROWS, cols: COLS };
    match codes {
        Codes::Random => data::weights(3, w, 2.0),
        Codes::All(byte) => data::uniform(w, byte, 1.0),
    }
}

/// All of the largest magnitude: positive, negative, in turn, by halves of 16, and random.
fn activations() -> Vec<f32> {
    let mut rng = data::Rng(5);
    let sign = |row: usize, k: usize| match row {
        0 => false,
        1 => true,
        2 => k % 2 == 1,
        _ => k / 16 % 2 == 1,
    };
    let value = |i: usize| match (i / COLS, i % COLS) {
        (4, _) => rng.unit() * 3.0,
        (row, k) => {
            if sign(row, k) {
                -127.0
            } else {
                127.0
            }
        }
    };
    (0..MOST * COLS).map(value).collect()
}
