//! Models in several files: what joins, and what does not belong together.

use super::*;

const COUNT: u64 = 3;

/// Part `number` (from 0) with its tensors, as gguf-split writes it.
fn part(number: u16, count: u16, tensors: i32, names: &[&str]) -> Vec<u8> {
    let start = if number == 0 { good_pairs() } else { Builder::default() };
    let mut part = start.pair("split.no", 2, &number.to_le_bytes()).pair("split.count", 2, &count.to_le_bytes()).pair(
        "split.tensors.count",
        5,
        &tensors.to_le_bytes(),
    );
    for (i, name) in names.iter().enumerate() {
        part = part.tensor(name, &[8], 0, 32 * i as u64);
    }
    part.data(32 * names.len()).build()
}

fn good_pairs() -> Builder {
    Builder::default().pair("general.architecture", 8, &string(b"llama"))
}

fn three() -> [Vec<u8>; 3] {
    [part(0, 3, 3, &[]), part(1, 3, 3, &["a", "b"]), part(2, 3, 3, &["c"])]
}

fn join(files: &[Vec<u8>]) -> Result<(Header, u64)> {
    let mut parts = Parts::default();
    for file in &files[1..] {
        assert_eq!(parts.add(file, file.len() as u64)?, None);
    }
    parts.join(parse(&files[0])?, files[0].len() as u64)
}

fn refuses(files: &[Vec<u8>], needle: &str) {
    let error = join(files).expect_err(needle);
    assert_eq!(error.kind(), ErrorKind::InvalidModel, "{error}");
    assert!(error.detail().contains(needle), "{error} does not say {needle:?}");
}

#[test]
fn parts_lie_end_to_end() {
    let files = three();
    let (header, bytes) = join(&files).unwrap();
    assert_eq!(bytes, files.iter().map(|f| f.len() as u64).sum::<u64>());
    assert_eq!(header.metadata.str("general.architecture").unwrap(), Some("llama"));
    let whole = files.concat();
    let ends: Vec<u64> = files
        .iter()
        .scan(0, |end, f| {
            *end += f.len() as u64;
            Some(*end)
        })
        .collect();
    let offset = |name| header.tensor(name).unwrap().offset;
    assert_eq!(COUNT as usize, header.tensors.len());
    assert_eq!((offset("b") + 32, offset("c") + 32), (ends[1], ends[2]));
    assert_eq!(offset("a") + 32, offset("b"));
    assert!(header.tensors.is_sorted_by_key(|t| t.offset) && offset("c") + 32 <= whole.len() as u64);
}

#[test]
fn one_file_is_a_model_of_one_part() {
    let file = good().build();
    let (header, bytes) = join(std::slice::from_ref(&file)).unwrap();
    assert_eq!((header.tensors.len(), bytes), (2, file.len() as u64));
    assert!(join(&[part(0, 1, 1, &["a"])]).is_ok());
    assert!(join(&[part(0, 0, 1, &["a"])]).is_ok());
}

#[test]
fn what_is_not_all_of_one_model_in_order_is_refused() {
    let [a, b, c] = three();
    let files = |parts: &[&Vec<u8>]| parts.iter().map(|&p| p.clone()).collect::<Vec<_>>();
    refuses(&files(&[&a]), "has 3 parts");
    refuses(&files(&[&a, &b]), "2 were given");
    refuses(&files(&[&a, &c, &b]), "given as part 2 says that it is part 3 of 3");
    refuses(&files(&[&b, &a, &c]), "given as part 2 says that it is part 1 of 3");
    refuses(&files(&[&b]), "given as part 1 says that it is part 2 of 3");
    refuses(&files(&[&a, &b, &b]), "each once");
    refuses(&files(&[&good().build(), &b, &c]), "has 1 part");
    refuses(&[a.clone(), b.clone(), good().build()], "given as part 3 says that it is part 1 of 1");
    refuses(&[a.clone(), b.clone(), part(2, 4, 3, &["c"])], "of 4 parts");
    refuses(&[a.clone(), b.clone(), part(2, 3, 9, &["c"])], "of 9 tensors");
    refuses(&[a.clone(), b.clone(), part(2, 3, 3, &["b"])], "\"b\" of part 3 is in an earlier part");
    refuses(&[a.clone(), b, part(2, 3, 3, &["c", "d"])], "4 tensors, but split.tensors.count is 3");
}

#[test]
fn a_part_may_need_more_bytes_and_a_bad_one_is_named() {
    let [a, b, _] = three();
    let mut parts = Parts::default();
    let mut len = 0;
    while let Some(needed) = parts.add(&b[..len], b.len() as u64).unwrap() {
        assert!(needed > len as u64 && needed <= b.len() as u64, "{len}: {needed}");
        len += 1;
    }
    assert!(len > 150 && len < b.len() - 64, "complete after {len} of {}", b.len());
    let error = parts.add(b"GGML\x03\0\0\0aaaaaaaaaaaaaaaaaaaaaaaa", 32).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidGguf);
    assert!(error.detail().contains("part 3"), "{error}");
    let mut wrong = a;
    wrong[4..8].copy_from_slice(&3u32.swap_bytes().to_le_bytes());
    let error = parts.add(&wrong, wrong.len() as u64).unwrap_err();
    assert!(error.detail().contains("part 3") && error.detail().contains("big-endian"), "{error}");
}

#[test]
fn counts_of_parts_are_limited() {
    let error = join(&[part(0, u16::MAX, 1, &["a"])]).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::LimitExceeded, "{error}");
    let mut parts = Parts::default();
    let error = (1..=limits::MAX_PARTS as u16).find_map(|n| {
        let file = part(n, 1000, 3, &[]);
        parts.add(&file, file.len() as u64).err()
    });
    assert_eq!(error.unwrap().kind(), ErrorKind::LimitExceeded);
}

#[test]
fn sizes_of_parts_cannot_overflow() {
    let [a, b, c] = three();
    let mut parts = Parts::default();
    assert_eq!(parts.add(&b, u64::MAX / 2).unwrap(), None);
    assert_eq!(parts.add(&c, u64::MAX / 2).unwrap(), None);
    assert_eq!(parts.join(parse(&a).unwrap(), a.len() as u64).unwrap_err().kind(), ErrorKind::LimitExceeded);
}
