//! Bodies of the operations on mixtures of experts.

use super::{BUFFER_ROWS, Case, Output, Part, ROW_COUNTS, Weight, assert_untouched, data, ids, pass, table, write};
use pagelm::Result;
use pagelm::kernels::{Backend, BufferId};

/// A buffer filled with `values`, and what fills it.
struct Input {
    values: Vec<f32>,
    table: pagelm::kernels::MatrixId,
    buffer: BufferId,
}

fn input<B: Backend>(b: &mut B, width: usize, values: Vec<f32>) -> Result<Input> {
    let (table, buffer) = (table(b, width, &values)?, b.create_buffer("input", BUFFER_ROWS, width)?);
    Ok(Input { values, table, buffer })
}

/// Runs `act` on the first n rows for each row count, and reads what it left in `out`, (rows, width).
async fn run<B: Backend>(
    b: &mut B,
    inputs: &[&Input],
    out: &Input,
    mut act: impl FnMut(&mut B, usize) -> Result<()>,
) -> Result<Output> {
    let width = out.values.len() / BUFFER_ROWS;
    let mut values = Vec::new();
    for &n in ROW_COUNTS {
        pass(b, Part::Fill, &ids(0, BUFFER_ROWS), 0, |b| {
            inputs.iter().chain([&out]).try_for_each(|i| b.embed(BUFFER_ROWS, i.table, i.buffer))
        })?;
        pass(b, Part::Act, &ids(0, n), 0, |b| act(b, n))?;
        let got = b.read(out.buffer, BUFFER_ROWS).await?;
        assert_untouched(&got[n * width..], &out.values[n * width..]);
        values.extend(&got[..n * width]);
    }
    Ok(Output { values, width })
}

/// Logits with a row of ties: row 2 is zero.
pub(super) async fn route<B: Backend>(b: &mut B, case: &Case, experts: usize, used: usize) -> Result<Output> {
    let logits = data::values(case.seed, BUFFER_ROWS, experts, case.magnitude);
    let logits = input(b, experts, logits)?;
    let out = data::values(case.seed + 1, BUFFER_ROWS, 2 * used, 1.0);
    let out = input(b, 2 * used, out)?;
    run(b, &[&logits], &out, |b, n| b.route(n, logits.buffer, out.buffer)).await
}

/// Rows of routes: expert ids that differ from row to row, first and last among them, then weights.
fn routes(seed: u64, experts: usize, used: usize) -> Vec<f32> {
    let weights = data::values(seed, BUFFER_ROWS, used, 1.0);
    let ids = |row: usize| (0..used).map(move |s| ((row * 5 + s * 3 + experts - 1) % experts) as f32);
    (0..BUFFER_ROWS).flat_map(|row| ids(row).chain(weights[row * used..(row + 1) * used].to_vec())).collect()
}

pub(super) async fn matmul<B: Backend>(
    b: &mut B,
    case: &Case,
    each: Weight,
    experts: usize,
    (used, own): (usize, bool),
) -> Result<Output> {
    let bytes = data::weights(case.seed, Weight { rows: experts * each.rows, ..each }, case.magnitude);
    let matrix = b.create_experts("experts", each.ty, experts, each.rows, each.cols)?;
    let row_bytes = bytes.len() / experts / each.rows;
    for (e, bytes) in bytes.chunks(row_bytes * each.rows).enumerate() {
        write(b, matrix, e * each.rows, row_bytes, bytes)?;
    }
    let x_width = each.cols * if own { used } else { 1 };
    let x = data::values(case.seed + 1, BUFFER_ROWS, x_width, 1.0);
    let x = input(b, x_width, x)?;
    let routes = input(b, 2 * used, routes(case.seed + 2, experts, used))?;
    let out = data::values(case.seed + 3, BUFFER_ROWS, used * each.rows, 1.0);
    let out = input(b, used * each.rows, out)?;
    run(b, &[&x, &routes], &out, |b, n| b.matmul_experts(n, matrix, x.buffer, routes.buffer, out.buffer)).await
}

pub(super) async fn mix<B: Backend>(b: &mut B, case: &Case, width: usize, used: usize) -> Result<Output> {
    let x = data::values(case.seed, BUFFER_ROWS, used * width, case.magnitude);
    let x = input(b, used * width, x)?;
    let routes = input(b, 2 * used, routes(case.seed + 2, 8, used))?;
    let out = data::values(case.seed + 3, BUFFER_ROWS, width, 1.0);
    let out = input(b, width, out)?;
    run(b, &[&x, &routes], &out, |b, n| b.mix_experts(n, x.buffer, routes.buffer, out.buffer)).await
}
