//! Files of unusual layout that are right all the same.

use super::*;

fn strings(of: &[&[u8]]) -> Vec<u8> {
    let mut out = [&8u32.to_le_bytes()[..], &(of.len() as u64).to_le_bytes()].concat();
    of.iter().for_each(|s| out.extend(string(s)));
    out
}

#[test]
fn large_strings_and_arrays_in_any_order() {
    let template = "é".repeat(500_000);
    let words: Vec<String> = (0..100_000).map(|i| format!("t{i}")).collect();
    let words: Vec<&[u8]> = words.iter().map(|w| w.as_bytes()).collect();
    let numbers: Vec<u8> = (0..100_000u32).flat_map(|i| i.to_le_bytes()).collect();
    let numbers = [&4u32.to_le_bytes()[..], &100_000u64.to_le_bytes(), &numbers].concat();
    // the architecture comes last, after what belongs to it
    let file = Builder::default()
        .pair("tokenizer.chat_template", 8, &string(template.as_bytes()))
        .pair("tokenizer.ggml.token_type", 9, &numbers)
        .pair("llama.block_count", 10, &7u64.to_le_bytes())
        .pair("tokenizer.ggml.tokens", 9, &strings(&words))
        .pair("empty", 9, &strings(&[]))
        .pair("", 8, &string(b""))
        .pair("general.architecture", 8, &string(b"llama"))
        .tensor("a", &[4], 0, 0)
        .data(16)
        .build();
    let header = parse(&file).unwrap();
    assert_eq!(header.metadata.str("tokenizer.chat_template").unwrap(), Some(template.as_str()));
    assert_eq!(header.metadata.strings("tokenizer.ggml.tokens").unwrap().unwrap()[99_999], "t99999");
    assert_eq!(header.metadata.integers("tokenizer.ggml.token_type").unwrap().unwrap()[99_999], 99_999);
    assert_eq!(header.metadata.u64("llama.block_count").unwrap(), Some(7));
    assert_eq!(header.metadata.strings("empty").unwrap(), Some(&[][..]));
}

#[test]
fn data_in_any_order_with_gaps_between() {
    let file =
        Builder::default().tensor("last", &[4], 0, 4096).tensor("first", &[4], 0, 64).tensor("middle", &[8], 0, 1024);
    let header = parse(&file.data(8192).build()).unwrap();
    let names: Vec<_> = header.tensors.iter().map(|t| (t.name.as_str(), t.offset - header.data_offset)).collect();
    assert_eq!(names, [("first", 64), ("middle", 1024), ("last", 4096)]);
}

#[test]
fn alignments() {
    for alignment in [8u32, 16, 64, 128, 4096, 65_536] {
        let builder = |offset| {
            Builder::default().pair("general.alignment", 4, &alignment.to_le_bytes()).tensor("a", &[2], 0, offset)
        };
        let file = builder(0).data(2 * 65_536).build();
        let header = parse(&file).unwrap();
        assert!(header.data_offset.is_multiple_of(alignment.into()), "{alignment}");
        let file = builder(u64::from(alignment)).data(3 * 65_536).build();
        assert_eq!(parse(&file).unwrap().tensors[0].offset % u64::from(alignment), 0);
        let file = builder(u64::from(alignment) / 2).data(2 * 65_536).build();
        fails(&file, ErrorKind::InvalidGguf, "multiple of");
    }
}

#[test]
fn offsets_above_four_gib() {
    let far = 6u64 << 30;
    let file = Builder::default().tensor("a", &[4], 0, 0).tensor("b", &[4], 0, far).build();
    let bytes = file.len() as u64 + far + 16;
    let Parsed::Complete(header) = Header::parse(&file, bytes).unwrap() else { panic!("the header is there") };
    assert_eq!(header.tensor("b").unwrap().offset, header.data_offset + far);
    assert!(Header::parse(&file, bytes - 1).unwrap_err().detail().contains("outside the file"));
}
