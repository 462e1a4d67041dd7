//! Dequantised values are bit-equal to ggml's.

use super::*;

/// The vectors of `tests/goldens/quants`: raw blocks and the f32 values they stand for.
fn golden(name: &str, extension: &str) -> Vec<u8> {
    let path = format!("{}/tests/goldens/quants/{name}.{extension}", env!("CARGO_MANIFEST_DIR"));
    std::fs::read(&path).unwrap_or_else(|e| panic!("{path}: {e}"))
}

/// Elements that differ in value; +0 and -0 are equal, NaN is never right.
fn differences(ty: TensorType, bytes: &[u8], want: &[u8]) -> usize {
    let want: Vec<f32> = want.as_chunks::<4>().0.iter().map(|b| f32::from_le_bytes(*b)).collect();
    let mut have = vec![f32::NAN; want.len()];
    dequantize(ty, bytes, &mut have).unwrap();
    assert!(!want.is_empty());
    have.iter().zip(&want).filter(|(h, w)| h != w).count()
}

#[test]
fn every_type_equals_its_golden() {
    for info in TYPES {
        let ty = TensorType::from_id(info.id).unwrap();
        assert_eq!(differences(ty, &golden(ty.name, "bin"), &golden(ty.name, "f32")), 0, "{}", ty.name);
    }
}

#[test]
fn the_comparison_notices_a_swapped_nibble() {
    for name in ["Q4_0", "Q4_1", "Q8_0"] {
        let ty = TensorType::from_name(name).unwrap();
        let mut bytes = golden(name, "bin");
        // In random bits some bytes are palindromes; swap a whole block.
        let at = bytes.len() - 16;
        for b in &mut bytes[at..] {
            *b = b.rotate_left(4);
        }
        assert!(differences(ty, &bytes, &golden(name, "f32")) > 8, "{name}");
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

#[test]
fn unknown_types_are_named() {
    let error = TensorType::from_id(31).unwrap_err();
    assert_eq!(error.kind(), crate::ErrorKind::UnsupportedType);
    assert!(error.detail().contains("Q4_0_4_4") && error.detail().contains("Q8_0"), "{error}");
}
