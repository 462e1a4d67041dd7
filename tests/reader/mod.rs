use pagelm::tokenizer::Vocabulary;
struct R<'a>(&'a [u8], usize);
impl<'a> R<'a> {
    fn n(&mut self, n: usize) -> &'a [u8] {
        self.1 += n;
        &self.0[self.1 - n..self.1]
    }
    fn u32(&mut self) -> u32 {
        u32::from_le_bytes(self.n(4).try_into().unwrap())
    }
    fn u64(&mut self) -> u64 {
        u64::from_le_bytes(self.n(8).try_into().unwrap())
    }
    fn s(&mut self) -> String {
        let n = self.u64() as usize;
        String::from_utf8(self.n(n).to_vec()).unwrap()
    }
    fn scalar(&mut self, t: u32) -> i64 {
        match t {
            0 | 1 | 7 => self.n(1)[0] as i64,
            2 | 3 => {
                self.n(2);
                0
            }
            4 | 5 | 6 => self.u32() as i32 as i64,
            _ => self.u64() as i64,
        }
    }
}
pub fn vocabulary(b: &[u8]) -> Vocabulary {
    let mut r = R(b, 16);
    let n = r.u64();
    let mut v = Vocabulary::default();
    for _ in 0..n {
        let k = r.s();
        let t = r.u32();
        let (mut ss, mut is, mut i, mut s) = (vec![], vec![], 0, String::new());
        match t {
            8 => s = r.s(),
            9 => {
                let t = r.u32();
                let n = r.u64();
                for _ in 0..n {
                    if t == 8 { ss.push(r.s()) } else { is.push(r.scalar(t)) }
                }
            }
            t => i = r.scalar(t),
        }
        match k.strip_prefix("tokenizer.ggml.").unwrap_or("") {
            "model" => v.model = s,
            "pre" => v.pre = s,
            "tokens" => v.tokens = ss,
            "merges" => v.merges = ss,
            "token_type" => v.token_types = is.iter().map(|&i| i as i32).collect(),
            "bos_token_id" => v.bos = Some(i as u32),
            "eos_token_id" => v.eos = Some(i as u32),
            "eot_token_id" => v.eot = Some(i as u32),
            "add_bos_token" => v.add_bos = Some(i != 0),
            "add_eos_token" => v.add_eos = Some(i != 0),
            _ => {}
        }
    }
    v
}
