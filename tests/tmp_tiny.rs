mod reader;
use pagelm::tokenizer::Tokenizer;
#[test] fn tiny() {
    for e in std::fs::read_dir("/work/shared/goldens/tiny").unwrap() {
        let p = e.unwrap().path(); if !p.is_dir() { continue; }
        let v = reader::vocabulary(&std::fs::read(p.join("model.gguf")).unwrap());
        let pre = v.pre.clone();
        let t = match Tokenizer::new(v) { Ok(t) => t, Err(e) => { println!("{} {}", p.display(), e); continue } };
        let x: serde_json::Value = serde_json::from_slice(&std::fs::read(p.join("expected.json")).unwrap()).unwrap();
        let (mut n, mut bad) = (0, 0);
        for s in x["tokenizer"]["samples"].as_array().unwrap() {
            let ids: Vec<u32> = s["ids"].as_array().unwrap().iter().map(|i| i.as_u64().unwrap() as u32).collect();
            let got = t.encode(s["text"].as_str().unwrap(), s["add_special"] == true, s["parse_special"] == true).unwrap();
            n += 1; if got != ids { bad += 1; println!("{s} {got:?}"); }
            let pieces: Vec<u8> = ids.iter().flat_map(|&i| t.piece(i).unwrap().to_vec()).collect();
            if s["pieces"].as_str().is_some_and(|p| p.as_bytes() != pieces) { bad += 1; println!("pieces {s} {:?}", String::from_utf8_lossy(&pieces)); }
        }
        println!("{} {pre} n={n} bad={bad}", p.display());
    }
}
