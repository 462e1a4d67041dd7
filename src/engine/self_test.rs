//! Whether a device computes what it should: some hundred numbers beside the reference's, before a model is given to it.

use crate::error::{Error, ErrorKind, Result};
use crate::kernels::reference::Reference;
use crate::kernels::{Backend, Head, MatrixId, PassKey, Step};
use crate::quant::{TensorType, dequantize};
use crate::sampling::SplitMix64;

/// One block of the longest.
const COLS: usize = 256;
/// More than a panel, and not whole ones.
const ROWS: usize = 80;
/// Tokens at a time: as many as the widest product takes.
const TOKENS: usize = 8;
/// Of the largest weight in a block.
const ORDINARY: std::ops::Range<f32> = 0.1..10.0;

/// Computes embeddings from a table of type `embedding`, their norms, and the products of these with a matrix of type `matrix`,
/// for several tokens and for one, on `backend` and on the reference. `limit`: how far a number may be off, as a fraction of the largest.
///
/// # Errors
/// `GpuFailure` with the first number that is wrong; those of the backend.
pub async fn self_test<B: Backend>(
    backend: &mut B,
    embedding: TensorType,
    matrix: TensorType,
    limit: f32,
) -> Result<()> {
    let expected = products(&mut Reference::new(), embedding, matrix).await?;
    let got = products(backend, embedding, matrix).await?;
    let largest = expected.iter().fold(0.0f32, |most, v| most.max(v.abs()));
    let is_right = |(e, g): (&f32, &f32)| (e - g).abs() <= limit * largest; // no NaN is
    match expected.iter().zip(&got).position(|pair| !is_right(pair)) {
        None if got.len() == expected.len() && largest > 0.0 => Ok(()),
        found => {
            let (name, at) = (matrix.name, found.unwrap_or(0));
            let detail = format!(
                "the device computes wrong numbers: product {at} of {} with {name} is {:?} instead of {:?}; update the \
                 browser or the graphics driver, or use the CPU",
                expected.len(),
                got.get(at),
                expected.get(at),
            );
            Err(Error::new(ErrorKind::GpuFailure, detail))
        }
    }
}

/// (TOKENS, ROWS): the first row is of a token alone, the others are of tokens together.
async fn products<B: Backend>(b: &mut B, embedding: TensorType, matrix: TensorType) -> Result<Vec<f32>> {
    let mut random = SplitMix64::new(1);
    let table = upload(b, "table.weight", embedding, TOKENS + 1, &mut random)?;
    let matrix = upload(b, "matrix.weight", matrix, ROWS, &mut random)?;
    let weights: Vec<f32> = (0..COLS).map(|_| 0.5 + random.next_unit() as f32).collect();
    let norm = b.create_vector("norm", &weights)?;
    let x = b.create_buffer("x", TOKENS, COLS)?;
    let normed = b.create_buffer("normed", TOKENS, COLS)?;
    let out = b.create_buffer("out", TOKENS, ROWS)?;
    let together: Vec<u32> = (0..TOKENS as u32).collect();
    for tokens in [&together[..], &[TOKENS as u32]] {
        let n = tokens.len();
        b.pass(Step { tokens, position: 0 }, PassKey { rows: n, head: Head::None }, &mut |b| {
            b.embed(n, table, x)?;
            b.rms_norm(n, x, 0, norm, 1e-5, normed)?;
            b.matmul(n, matrix, normed, out)
        })?;
    }
    b.read(out, TOKENS).await // one readback, since Firefox takes 100 ms for each
}

fn upload<B: Backend>(
    b: &mut B,
    label: &str,
    ty: TensorType,
    rows: usize,
    random: &mut SplitMix64,
) -> Result<MatrixId> {
    let matrix = b.create_matrix(label, ty, rows, COLS)?;
    b.write_rows(matrix, 0, &blocks(ty, rows * COLS, random)?)?;
    Ok(matrix)
}

/// Random blocks of `count` weights in all, without those whose scales make no ordinary numbers.
pub(super) fn blocks(ty: TensorType, count: usize, random: &mut SplitMix64) -> Result<Vec<u8>> {
    let mut block = vec![0; ty.block_bytes];
    let mut weights = vec![0.0f32; ty.block_len];
    let mut bytes = Vec::with_capacity(count / ty.block_len * ty.block_bytes);
    while bytes.len() < count / ty.block_len * ty.block_bytes {
        block.fill_with(|| random.next_u64() as u8);
        dequantize(ty, &block, &mut weights)?;
        let largest = weights.iter().fold(0.0f32, |most, w| most.max(w.abs()));
        if weights.iter().all(|w| w.is_finite()) && ORDINARY.contains(&largest) {
            bytes.extend_from_slice(&block);
        }
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::quant::TYPES;
    use pollster::block_on;

    #[test]
    fn there_are_blocks_of_every_type() {
        for ty in TYPES.iter().map(|info| TensorType::from_id(info.id).unwrap()) {
            block_on(self_test(&mut Reference::new(), ty, ty, 0.0)).unwrap();
        }
    }

    #[test]
    #[cfg(feature = "gpu")]
    fn a_device_passes() {
        use crate::kernels::gpu::{Device, Gpu, Options, Precision};
        let device = match block_on(Device::request(Options::default())) {
            Ok(device) => std::rc::Rc::new(device),
            Err(e) if std::env::var_os("PAGELM_ALLOW_NO_GPU").is_some() => {
                println!("SKIPPED, PAGELM_ALLOW_NO_GPU is set: {e}");
                return;
            }
            Err(e) => panic!("{e}; install a Vulkan driver such as mesa-vulkan-drivers"),
        };
        // one of each kind of scales; tests/ops has all types
        for ty in
            ["F32", "BF16", "Q4_1", "Q4_K", "Q6_K", "MXFP4", "IQ4_NL"].map(|name| TensorType::from_name(name).unwrap())
        {
            for precision in Precision::ALL.into_iter().filter(|&p| device.extensions().allow(p)) {
                device.set_precision(precision).unwrap();
                block_on(self_test(&mut Gpu::on(device.clone()).unwrap(), ty, ty, precision.tolerance())).unwrap();
            }
        }
    }
}
