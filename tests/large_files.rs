//! A file over 4 GiB: the same numbers as the small file it is made from.

use pagelm::gguf::{Header, Parsed};
use pagelm::kernels::KvType;
use pagelm::kernels::reference::Reference;
use pagelm::model::{Config, Loader};
use pollster::block_on;

const MODEL: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/goldens/tiny/llama-bpe-q4_0-ropefreqs-tied/model.gguf");
const CONTEXT: usize = 16;
const TOKENS: [u32; 4] = [3, 1, 4, 1];

fn parse(file: &[u8]) -> Header {
    match Header::parse(file, file.len() as u64).unwrap() {
        Parsed::Complete(header) => header,
        Parsed::NeedMore(bytes) => panic!("{bytes} bytes are wanted"),
    }
}

fn loader(header: Header) -> Loader<Reference> {
    let (config, start) = (Config::from_header(&header).unwrap(), header.data_offset);
    Loader::new(Reference::new(), header, config, CONTEXT, KvType::F32, start).unwrap()
}

fn scores(loader: Loader<Reference>) -> Vec<f32> {
    block_on(loader.finish().unwrap().score(&TOKENS)).unwrap()
}

#[test]
fn a_gap_that_crosses_four_gib() {
    let file = std::fs::read(MODEL).unwrap();
    let mut plain = loader(parse(&file));
    plain.push(&file[parse(&file).data_offset as usize..]).unwrap();
    let plain = scores(plain);
    assert!(plain.iter().all(|v| v.is_finite()) && plain.len() == TOKENS.len() - 1);

    let (gap, mut header) = (5u64 << 30, parse(&file));
    let middle = header.tensors.len() / 2;
    let (start, cut) = (header.data_offset as usize, header.tensors[middle].offset as usize);
    header.tensors[middle..].iter_mut().for_each(|t| t.offset += gap);
    let mut far = loader(header);
    far.push(&file[start..cut]).unwrap();
    let nothing = vec![0xff; 16 << 20];
    (0..gap / nothing.len() as u64).for_each(|_| far.push(&nothing).unwrap());
    far.push(&file[cut..]).unwrap();
    assert_eq!(scores(far), plain);
}
