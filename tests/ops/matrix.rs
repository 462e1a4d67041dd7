//! Bodies of the operations on weight matrices.

use super::sequence::{fill, fills, read};
use super::{
    BUFFER_ROWS, Case, Inputs, Output, Part, ROW_COUNTS, Sabotage, Weight, assert_untouched, data, ids, pass, table,
    upload, write,
};
use pagelm::Result;
use pagelm::kernels::{Activation, Backend, BufferId, MatrixId};
use pagelm::quant::TensorType;

/// Multiplies with each row count; every time the output starts with other values, which must stay past row n.
pub(super) async fn matmul<B: Backend>(b: &mut B, case: &Case, w: Weight) -> Result<Output> {
    let mut bytes = data::weights(case.seed, w, case.magnitude);
    if case.sabotage == Sabotage::SwapNibble {
        data::swap_nibble(&mut bytes, w);
    }
    let matrix = upload(b, "w", w, &bytes)?;
    let before = data::values(case.seed + 1, BUFFER_ROWS, w.rows, 1.0);
    let inputs = table(b, w.cols, &data::values(case.seed + 2, BUFFER_ROWS, w.cols, 1.0))?;
    let sentinels = table(b, w.rows, &before)?;
    let x = b.create_buffer("x", BUFFER_ROWS, w.cols)?;
    let out = b.create_buffer("out", BUFFER_ROWS, w.rows)?;
    let all = ids(0, BUFFER_ROWS);
    let mut values = Vec::new();
    for &n in ROW_COUNTS {
        pass(b, Part::Fill, &all, 0, |b| {
            b.embed(BUFFER_ROWS, inputs, x)?;
            b.embed(BUFFER_ROWS, sentinels, out)
        })?;
        pass(b, Part::Act, &all[..n], 0, |b| b.matmul(n, matrix, x, out))?;
        let read = if case.sabotage == Sabotage::ReadWrongBuffer { x } else { out };
        let mut got = b.read(read, BUFFER_ROWS).await?;
        if case.sabotage == Sabotage::None {
            assert_untouched(&got[n * w.rows..], &before[n * w.rows..]);
        }
        got.truncate(n * w.rows);
        values.extend(got);
    }
    Ok(Output { values, width: w.rows })
}

/// All products of three matrices, side by side, then one of them by itself: it is a matrix like any other. Every output starts with
/// other values, which must stay past row n.
pub(super) async fn stack<B: Backend>(
    b: &mut B,
    case: &Case,
    w: Weight,
    [second, third]: [(TensorType, usize); 2],
) -> Result<Output> {
    let parts = [("a", w.ty, w.rows), ("b", second.0, second.1), ("c", third.0, third.1)];
    let matrices = b.create_stack(&parts, w.cols)?;
    for (seed, (&matrix, (_, ty, rows))) in (case.seed..).zip(matrices.iter().zip(parts)) {
        let bytes = data::weights(seed, Weight { ty, rows, ..w }, case.magnitude);
        write(b, matrix, 0, bytes.len() / rows, &bytes)?;
    }
    let inputs = table(b, w.cols, &data::values(case.seed + 9, BUFFER_ROWS, w.cols, 1.0))?;
    let x = b.create_buffer("x", BUFFER_ROWS, w.cols)?;
    let outs = b.create_buffers(BUFFER_ROWS, &parts.map(|(label, _, rows)| (label, rows)))?;
    let products: Vec<_> = matrices.iter().copied().zip(outs.iter().copied()).collect();
    let mut filled = Vec::new();
    for (seed, (&out, (_, _, rows))) in (case.seed + 20..).zip(outs.iter().zip(parts)) {
        filled.push(fills(b, seed, rows, 1.0, out)?);
    }
    let mut values = Vec::new();
    for &n in ROW_COUNTS {
        fill(b, &filled)?;
        pass(b, Part::Act, &ids(0, n), 0, |b| {
            b.embed(n, inputs, x)?;
            b.matmuls(n, &products, x)
        })?;
        for (out, (_, _, rows)) in filled.iter().zip(parts) {
            values.extend(read(b, out, n, rows).await?);
        }
    }
    // those that are not multiplied keep all rows
    let written = [0, 2, 2];
    fill(b, &filled)?;
    pass(b, Part::Alone, &ids(1, 2), 0, |b| {
        b.embed(2, inputs, x)?;
        b.matmuls(2, &products[1..], x)?;
        b.matmul(2, matrices[1], x, outs[1])
    })?;
    for ((out, (_, _, rows)), n) in filled.iter().zip(parts).zip(written) {
        values.extend(read(b, out, n, rows).await?);
    }
    Ok(Output { values, width: 1 })
}

/// Every output starts with other values, which must stay past row n.
pub(super) async fn gated<B: Backend>(
    b: &mut B,
    case: &Case,
    w: Weight,
    up: TensorType,
    activation: Activation,
) -> Result<Output> {
    let matrices = b.create_stack(&[("gate", w.ty, w.rows), ("up", up, w.rows)], w.cols)?;
    for (seed, (&matrix, ty)) in (case.seed..).zip(matrices.iter().zip([w.ty, up])) {
        let bytes = data::weights(seed, Weight { ty, ..w }, if seed == case.seed { case.magnitude } else { 1.0 });
        write(b, matrix, 0, bytes.len() / w.rows, &bytes)?;
    }
    let before = data::values(case.seed + 8, BUFFER_ROWS, w.rows, 1.0);
    let inputs = table(b, w.cols, &data::values(case.seed + 9, BUFFER_ROWS, w.cols, 1.0))?;
    let sentinels = table(b, w.rows, &before)?;
    let [x, out, spare] = [w.cols, w.rows, w.rows].map(|width| b.create_buffer("buffer", BUFFER_ROWS, width));
    let (x, out, spare) = (x?, out?, spare?);
    let pair = [matrices[0], matrices[1]];
    let mut values = Vec::new();
    for &n in ROW_COUNTS {
        pass(b, Part::Fill, &ids(0, BUFFER_ROWS), 0, |b| {
            b.embed(BUFFER_ROWS, inputs, x)?;
            b.embed(BUFFER_ROWS, sentinels, out)
        })?;
        pass(b, Part::Act, &ids(0, n), 0, |b| b.matmul_gated(n, pair, x, activation, out, spare))?;
        let mut got = b.read(out, BUFFER_ROWS).await?;
        assert_untouched(&got[n * w.rows..], &before[n * w.rows..]);
        got.truncate(n * w.rows);
        values.extend(got);
    }
    Ok(Output { values, width: w.rows })
}

/// Multiplies each row alone, then the same rows in batches, which must agree in every bit: a model that takes in a
/// prompt in batches then computes just what it would token by token.
pub(super) async fn alone<B: Backend>(b: &mut B, case: &Case, w: Weight) -> Result<Output> {
    let matrix = upload(b, "w", w, &data::weights(case.seed, w, case.magnitude))?;
    let inputs = table(b, w.cols, &data::values(case.seed + 1, BUFFER_ROWS, w.cols, 1.0))?;
    let x = b.create_buffer("x", BUFFER_ROWS, w.cols)?;
    let out = b.create_buffer("out", BUFFER_ROWS, w.rows)?;
    let most = ROW_COUNTS.iter().copied().max().unwrap_or_default();
    let mut values = Vec::new();
    for row in 0..most {
        values.extend(multiply(b, &ids(row, 1), inputs, matrix, x, out).await?);
    }
    for &n in ROW_COUNTS {
        let got = multiply(b, &ids(0, n), inputs, matrix, x, out).await?;
        let differs = values.iter().zip(&got).position(|(alone, got)| alone.to_bits() != got.to_bits());
        assert_eq!(differs, None, "{w:?}: the first element of the batch of {n} that differs from its row alone");
    }
    Ok(Output { values, width: w.rows })
}

/// The rows of `inputs` that `tokens` name, times the matrix.
pub(super) async fn multiply<B: Backend>(
    b: &mut B,
    tokens: &[u32],
    inputs: MatrixId,
    matrix: MatrixId,
    x: BufferId,
    out: BufferId,
) -> Result<Vec<f32>> {
    let n = tokens.len();
    pass(b, Part::Act, tokens, 0, |b| {
        b.embed(n, inputs, x)?;
        b.matmul(n, matrix, x, out)
    })?;
    b.read(out, n).await
}

/// Multiplies activations that are not ordinary. A row with one that is not finite gives nothing but such outputs,
/// which ones stand for; a zero would be one that got lost.
pub(super) async fn extreme<B: Backend>(b: &mut B, case: &Case, w: Weight, inputs: Inputs) -> Result<Output> {
    const ROWS: usize = 6;
    let matrix = upload(b, "w", w, &data::weights(case.seed, w, case.magnitude))?;
    let table = table(b, w.cols, &data::extreme(case.seed + 1, ROWS, w.cols, inputs))?;
    let x = b.create_buffer("x", ROWS, w.cols)?;
    let out = b.create_buffer("out", ROWS, w.rows)?;
    let mut values = Vec::new();
    for n in [1, ROWS] {
        let mut got = multiply(b, &ids(0, n), table, matrix, x, out).await?;
        for row in got.chunks_exact_mut(w.rows).step_by(2) {
            match inputs {
                Inputs::Nan => row.iter_mut().for_each(|v| *v = f32::from(v.is_nan())),
                Inputs::Infinite => row.iter_mut().for_each(|v| *v = f32::from(!v.is_finite())),
                _ => {}
            }
        }
        values.extend(got);
    }
    Ok(Output { values, width: w.rows })
}

/// Gathers the first row, the last and some between, some twice, as they are and scaled.
pub(super) async fn embed<B: Backend>(b: &mut B, case: &Case, w: Weight) -> Result<Output> {
    let matrix = upload(b, "table", w, &data::weights(case.seed, w, case.magnitude))?;
    let before = data::values(case.seed + 1, BUFFER_ROWS, w.cols, 1.0);
    let sentinels = table(b, w.cols, &before)?;
    let out = b.create_buffer("out", BUFFER_ROWS, w.cols)?;
    let mut rng = data::Rng(case.seed + 2);
    let last = (w.rows - 1) as u32;
    let mut values = Vec::new();
    for (n, factor) in [(1, None), (2, Some(25.25)), (9, None), (9, None), (8, Some(-0.1))] {
        let mut tokens: Vec<u32> = (0..n).map(|_| (rng.bits() % w.rows as u64) as u32).collect();
        tokens[0] = if values.is_empty() { 0 } else { last };
        pass(b, Part::Fill, &ids(0, BUFFER_ROWS), 0, |b| b.embed(BUFFER_ROWS, sentinels, out))?;
        pass(b, Part::Act, &tokens, 0, |b| match factor {
            Some(factor) => b.embed_scaled(n, matrix, factor, out),
            None => b.embed(n, matrix, out),
        })?;
        let mut got = b.read(out, BUFFER_ROWS).await?;
        assert_untouched(&got[n * w.cols..], &before[n * w.cols..]);
        got.truncate(n * w.cols);
        values.extend(got);
    }
    Ok(Output { values, width: w.cols })
}
