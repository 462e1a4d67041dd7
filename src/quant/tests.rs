//! Dequantised values are bit-equal to ggml's.

use super::*;

/// Types with codes; the three others are F32, F16 and BF16.
const QUANTISED: usize = 26;

/// A vector of `tests/goldens/quants`.
struct Golden {
    ty: TensorType,
    blocks: Vec<u8>,
    /// What is behind the blocks, 1 for types that have nothing there.
    scale: f32,
    /// The values that scale and blocks stand for.
    values: Vec<f32>,
}

impl Golden {
    fn of(ty: TensorType) -> Self {
        let read = |extension: &str| {
            let path = format!("{}/tests/goldens/quants/{}.{extension}", env!("CARGO_MANIFEST_DIR"), ty.name);
            std::fs::read(&path).unwrap_or_else(|e| panic!("{path}: {e}"))
        };
        let values: Vec<_> = read("f32").as_chunks::<4>().0.iter().map(|b| f32::from_le_bytes(*b)).collect();
        let mut blocks = read("bin");
        assert!(!values.is_empty());
        assert_eq!(ty.tensor_bytes(values.len() as u64), Some(blocks.len() as u64), "{}", ty.name);
        let trailer = blocks.split_off(blocks.len() - ty.trailer_bytes as usize);
        let scale = if trailer.is_empty() { 1.0 } else { tensor_scale(&trailer).unwrap() };
        Self { ty, blocks, scale, values }
    }

    /// Elements that differ in value; +0 and -0 are equal, NaN is never right.
    fn differences(&self, blocks: &[u8], want: &[f32]) -> usize {
        let mut have = vec![f32::NAN; want.len()];
        dequantize(self.ty, blocks, &mut have).unwrap();
        have.iter().zip(want).filter(|(h, w)| self.scale * **h != **w).count()
    }
}

#[test]
fn every_type_equals_its_golden() {
    for info in TYPES {
        let golden = Golden::of(TensorType::from_id(info.id).unwrap());
        assert_eq!(golden.differences(&golden.blocks, &golden.values), 0, "{}", info.name);
    }
}

/// Types with codes.
fn quantised() -> impl Iterator<Item = (TensorType, Codes)> {
    TYPES.iter().filter_map(|info| match info.form {
        Form::Codes(codes) => Some((TensorType(info), codes)),
        _ => None,
    })
}

/// The positions in a block for which no golden block changes its values when `change` is applied there.
fn unnoticed(ty: TensorType, positions: usize, change: impl Fn(&mut [u8], usize)) -> Vec<usize> {
    let golden = Golden::of(ty);
    let (len, size) = (ty.block_len, ty.block_bytes);
    let blocks: Vec<_> = golden.blocks.chunks_exact(size).zip(golden.values.chunks_exact(len)).collect();
    let noticed = |at: usize| {
        blocks.iter().any(|(bytes, want)| {
            let mut bytes = bytes.to_vec();
            change(&mut bytes, at);
            golden.differences(&bytes, want) > 0
        })
    };
    (0..positions).filter(|&at| !noticed(at)).collect()
}

#[test]
fn the_comparison_notices_a_swapped_nibble() {
    let mut types = 0;
    for (ty, _) in quantised() {
        let missed = unnoticed(ty, ty.block_bytes, |bytes, at| bytes[at] = bytes[at].rotate_left(4));
        assert!(missed.is_empty(), "{}: bytes {missed:?}", ty.name);
        types += 1;
    }
    assert_eq!(types, QUANTISED);
}

/// The lowest bits of scales among them.
#[test]
fn the_comparison_notices_every_bit() {
    let mut types = 0;
    for (ty, _) in quantised() {
        let missed = unnoticed(ty, 8 * ty.block_bytes, |bytes, at| bytes[at / 8] ^= 1 << (at % 8));
        // the format has no sign there, and readers ignore what takes its place
        let ignored: &[usize] = if ty.name == "NVFP4" { &[7, 15, 23, 31] } else { &[] };
        assert_eq!(missed, ignored, "{}", ty.name);
        types += 1;
    }
    assert_eq!(types, QUANTISED);
}

/// A block as an unpack function must not count on finding it.
fn dirty() -> Block {
    Block {
        codes: [0xff; MAX_BLOCK],
        scales: [f32::NAN; MAX_BLOCK / MIN_GROUP],
        mins: [f32::NAN; MAX_BLOCK / MIN_GROUP],
        d: f32::NAN,
        d_min: f32::NAN,
        group_scales: [-99; MAX_BLOCK / MIN_GROUP],
        group_mins: [99; MAX_BLOCK / MIN_GROUP],
    }
}

/// What is wrong with an unpacked block, or nothing.
fn flaw(ty: TensorType, codes: Codes, block: &Block) -> Option<String> {
    for &code in &block.codes[..ty.block_len] {
        let unused = u32::from(code) >> codes.bits != 0
            || codes.bits == 3 && matches!(codes.values, Values::Table(t) if t[code as usize] == 0);
        if unused {
            return Some(format!("code {code}"));
        }
    }
    let is_half = |x: f32| !x.is_finite() || half::f16::from_f32(x).to_f32() == x;
    let same = |have: f32, want: f64| have == want as f32 || have.is_nan() && want.is_nan();
    for g in 0..ty.block_len / codes.group {
        let (scale, min) = (block.scales[g], block.mins[g]);
        let (n, m) = (f64::from(block.group_scales[g]), f64::from(block.group_mins[g]));
        let exact = match codes.scales {
            Scales::Half => is_half(scale) && is_half(min),
            Scales::Bf16 => scale.to_bits() & 0xffff == 0,
            Scales::Super { shift } => {
                is_half(block.d)
                    && is_half(block.d_min)
                    && same(scale, f64::from(block.d) * n / f64::from(1 << shift))
                    && same(min, -(f64::from(block.d_min) * m))
            }
        };
        let no_min = codes.has_min
            || min == 0.0 && (block.d_min == 0.0 && m == 0.0 || !matches!(codes.scales, Scales::Super { .. }));
        if !exact || !no_min {
            return Some(format!("group {g}: {scale} {min} of {} {n} {} {m}", block.d, block.d_min));
        }
    }
    None
}

#[test]
fn codes_and_scales_are_what_the_form_says() {
    let mut state = 1u64;
    for (ty, codes) in quantised() {
        let mut bytes = Golden::of(ty).blocks;
        for _ in 0..500 * ty.block_bytes {
            state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
            bytes.push((state >> 56) as u8);
        }
        for bytes in bytes.chunks_exact(ty.block_bytes) {
            let mut block = dirty();
            (ty.unpack)(bytes, &mut block);
            assert_eq!(flaw(ty, codes, &block), None, "{}", ty.name);
        }
    }
}

#[test]
fn flaws_are_found() {
    let flawed = |name: &str, at: fn(&mut Block)| {
        let ty = TensorType::from_name(name).unwrap();
        let Form::Codes(codes) = ty.form else { panic!("{name}") };
        let mut block = dirty();
        (ty.unpack)(&Golden::of(ty).blocks[..ty.block_bytes], &mut block);
        at(&mut block);
        flaw(ty, codes, &block).is_some()
    };
    assert!(flawed("Q4_0", |b| b.codes[31] = 16) && flawed("IQ2_S", |b| b.codes[255] = 7));
    assert!(
        flawed("Q5_1", |b| b.mins[0] = 1.0 + f32::EPSILON) && flawed("MXFP4", |b| b.scales[0] = 1.0 + f32::EPSILON)
    );
    assert!(flawed("Q4_K", |b| b.group_mins[7] ^= 1) && flawed("Q6_K", |b| b.group_scales[15] ^= 1));
    assert!(flawed("Q4_0", |b| b.mins[0] = 1.0) && flawed("Q6_K", |b| b.d_min = 1.0));
    assert!(!flawed("Q4_K", |_| ()));
}

/// The goldens look up some of the entries; the hashes are of all, as little-endian `u16`, of the grids of gguf 0.19.0.
#[test]
fn every_entry_of_the_grids_is_ggmls() {
    use sha2::{Digest, Sha256};
    let hash = |entries: &[u16]| {
        let bytes: Vec<u8> = entries.iter().flat_map(|e| e.to_le_bytes()).collect();
        Sha256::digest(bytes)[..8].iter().map(|b| format!("{b:02x}")).collect::<String>()
    };
    assert_eq!(hash(grids::IQ2_XXS.entries()), "915952ebc4af8ddb");
    assert_eq!(hash(grids::IQ2_XS.entries()), "f66435966ca8d64e");
    assert_eq!(hash(grids::IQ2_S.entries()), "e6e75e121b65e8af");
    assert_eq!(hash(grids::IQ3_XXS.entries()), "c9678803c61b2210");
    assert_eq!(hash(grids::IQ3_S.entries()), "353274c58dd7d8dc");
    assert_eq!(hash(grids::IQ1.entries()), "e9ffebfc997ad602");
}

#[test]
fn the_table_is_what_is_claimed() {
    assert_eq!((TYPES.len(), quantised().count()), (QUANTISED + 3, QUANTISED));
    let mut ids: Vec<_> = TYPES.iter().map(|t| t.id).chain(KNOWN.iter().map(|k| k.0)).collect();
    ids.sort_unstable();
    assert!(ids.windows(2).all(|w| w[0] < w[1]), "{ids:?}");
    for (ty, codes) in quantised() {
        let fits = ty.block_len <= MAX_BLOCK && ty.block_len.is_multiple_of(codes.group) && codes.group >= MIN_GROUP;
        assert!(fits && [2, 3, 4, 5, 6, 8].contains(&codes.bits), "{}", ty.name);
    }
}

#[test]
fn wrong_lengths_are_refused() {
    let ty = TensorType::from_name("Q4_0").unwrap();
    assert!(dequantize(ty, &[0; 17], &mut [0.0; 32]).is_err());
    assert!(dequantize(ty, &[0; 18], &mut [0.0; 31]).is_err());
    assert_eq!(ty.bytes_of(33), None);
    assert_eq!(ty.bytes_of(64), Some(36));
}

/// The scale of a block of `name` whose bytes are all `b`, in double precision.
fn scale_of(name: &str, b: u8) -> f64 {
    let ty = TensorType::from_name(name).unwrap();
    let mut block = dirty();
    (ty.unpack)(&vec![b; ty.block_bytes], &mut block);
    f64::from(block.scales[0])
}

/// The goldens have some of the 256 scales. Written as the formats are, with powers instead of bits.
#[test]
fn every_small_float_is_half_of_what_its_format_says() {
    for b in 0..=255u8 {
        assert_eq!(scale_of("MXFP4", b), 2f64.powi(i32::from(b) - 127) / 2.0, "e8m0 {b}");
        let (exponent, mantissa) = (i32::from(b >> 3 & 15), f64::from(b & 7) / 8.0);
        let ue4m3 = match (b, exponent) {
            (127, _) => 0.0,
            (_, 0) => mantissa * 2f64.powi(-6),
            _ => (1.0 + mantissa) * 2f64.powi(exponent - 7),
        };
        assert_eq!(scale_of("NVFP4", b), ue4m3 / 2.0, "ue4m3 {b}");
    }
}

/// Each 2-bit field by itself, in the lowest byte and in the highest; all other bytes are 0x55, four zeros.
#[test]
fn i2_s_has_its_first_weights_in_the_top_bits() {
    let ty = TensorType::from_name("I2_S").unwrap();
    for (field, shift) in [6, 4, 2, 0].into_iter().enumerate() {
        for byte in [0, 31] {
            for (code, value) in [-1.0, 0.0, 1.0, 0.0].into_iter().enumerate() {
                let (mut bytes, mut out) = ([0x55; 32], [f32::NAN; 128]);
                bytes[byte] = 0x55 & !(3 << shift) | (code as u8) << shift;
                dequantize(ty, &bytes, &mut out).unwrap();
                let mut want = [0.0; 128];
                want[32 * field + byte] = value;
                assert_eq!(out, want, "field {field}, byte {byte}, code {code}");
            }
        }
    }
}

#[test]
fn the_scale_of_a_tensor_is_finite() {
    assert_eq!(tensor_scale(&[0, 0, 0x20, 0xc0, 9, 9]).unwrap(), -2.5);
    for scale in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
        assert_eq!(tensor_scale(&scale.to_le_bytes()).unwrap_err().kind(), ErrorKind::InvalidModel);
    }
    assert_eq!(tensor_scale(&[0; 3]).unwrap_err().kind(), ErrorKind::Internal);
}

#[test]
fn unknown_types_are_named() {
    let error = TensorType::from_id(31).unwrap_err();
    assert_eq!(error.kind(), crate::ErrorKind::UnsupportedType);
    assert!(error.detail().contains("Q4_0_4_4") && error.detail().contains("Q8_0"), "{error}");
}
