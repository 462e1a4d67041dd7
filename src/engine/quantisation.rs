//! What people call the quantisation of a file.

use crate::error::Result;
use crate::gguf::Header;
use crate::quant::TensorType;
use std::collections::{BTreeMap, HashMap};

/// Names of `general.file_type` (llama.cpp's `llama_ftype`), where files of it hold tensors of more than one type.
const MIXES: &[(u64, &str)] = &[
    (10, "Q2_K"),
    (11, "Q3_K_S"),
    (12, "Q3_K_M"),
    (13, "Q3_K_L"),
    (14, "Q4_K_S"),
    (15, "Q4_K_M"),
    (16, "Q5_K_S"),
    (17, "Q5_K_M"),
    (18, "Q6_K"),
    (19, "IQ2_XXS"),
    (20, "IQ2_XS"),
    (21, "Q2_K_S"),
    (22, "IQ3_XS"),
    (23, "IQ3_XXS"),
    (24, "IQ1_S"),
    (25, "IQ4_NL"),
    (26, "IQ3_S"),
    (27, "IQ3_M"),
    (28, "IQ2_S"),
    (29, "IQ2_M"),
    (30, "IQ4_XS"),
    (31, "IQ1_M"),
    (36, "TQ1_0"),
    (37, "TQ2_0"),
];

/// The type of most weights in matrices of layers.
pub(super) fn main_type(header: &Header) -> Option<TensorType> {
    let mut weights: BTreeMap<u32, u64> = BTreeMap::new();
    for tensor in header.tensors.iter().filter(|t| t.dims.len() == 2 && t.name.starts_with("blk.")) {
        *weights.entry(tensor.ty.id).or_default() += tensor.len();
    }
    let (id, _) = weights.into_iter().max_by_key(|(_, count)| *count)?;
    TensorType::from_id(id).ok()
}

/// The file's own name for its mix, if it has tensors of the type in that name or of one near it; else the type that holds
/// most weights.
///
/// # Errors
/// `InvalidModel` if `general.file_type` is no number.
pub(super) fn quantisation(header: &Header) -> Result<String> {
    let mut weights: HashMap<&str, u64> = HashMap::new();
    for tensor in &header.tensors {
        *weights.entry(tensor.ty.name).or_default() += tensor.len();
    }
    let most = weights.iter().max_by_key(|(name, count)| (**count, **name)).map_or("", |(name, _)| *name);
    let claimed = header.metadata.u64("general.file_type")?;
    let mix = MIXES.iter().find(|(id, _)| Some(*id) == claimed).map(|(_, name)| *name);
    // IQ3_XS, IQ3_M and IQ2_M are mixes of their neighbours
    let is_there = |mix: &str| {
        weights.keys().any(|ty| mix.starts_with(ty) || (mix.starts_with("IQ") && mix.get(..3) == ty.get(..3)))
    };
    Ok(mix.filter(|mix| is_there(mix)).unwrap_or(most).to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gguf::{Metadata, TensorInfo, Value};

    fn named(file_type: Option<u64>, tensors: &[(&str, u64)]) -> String {
        let pairs = file_type.map(|id| ("general.file_type".to_owned(), Value::U64(id)));
        let tensors = tensors.iter().map(|&(ty, len)| TensorInfo {
            name: String::new(),
            ty: TensorType::from_name(ty).unwrap(),
            dims: vec![len],
            offset: 0,
            bytes: 0,
        });
        let (metadata, tensors) = (Metadata::from_pairs(pairs), tensors.collect());
        quantisation(&Header { version: 3, metadata, tensors, data_offset: 0 }).unwrap()
    }

    #[test]
    fn a_mix_has_the_name_of_its_file_type() {
        assert_eq!(named(Some(15), &[("Q4_K", 512), ("Q6_K", 256)]), "Q4_K_M");
        assert_eq!(named(Some(15), &[("Q5_0", 512), ("Q4_K", 256)]), "Q4_K_M");
        assert_eq!(named(Some(27), &[("IQ3_S", 512)]), "IQ3_M");
        assert_eq!(named(Some(37), &[("TQ2_0", 512), ("Q6_K", 256)]), "TQ2_0");
    }

    #[test]
    fn without_one_or_with_a_wrong_one_it_is_the_type_of_most_weights() {
        assert_eq!(named(None, &[("Q4_K", 512), ("F32", 600)]), "F32");
        assert_eq!(named(Some(15), &[("Q8_0", 512)]), "Q8_0");
        // 40 is I2_S to Microsoft and Q1_0 to ggml
        assert_eq!(named(Some(40), &[("I2_S", 512), ("F16", 256)]), "I2_S");
        assert_eq!(named(Some(u64::MAX), &[]), "");
    }
}
