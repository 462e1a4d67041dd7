//! Real models against llama.cpp on float32 weights, and float64.

use super::compare::*;
use crate::measured::Measured;
use pagelm::kernels::{Backend, KvType};
use pollster::block_on;

/// A model that `make model` fetches.
pub struct Real {
    /// As the tables print it.
    pub name: &'static str,
    /// Of its numbers in `tests/goldens/real`.
    pub golden: &'static str,
    pub file: &'static str,
    /// An environment variable that names a copy elsewhere.
    pub variable: &'static str,
    /// Type of keys and values; `None` for the backend's choice.
    pub kv: Option<KvType>,
    /// Largest difference of a score to float64: these models' layers and tokens add up more than tiny ones do.
    pub limit: f64,
    /// Largest difference of a log-probability to llama.cpp's on float32 weights.
    pub limit_llama_cpp: f64,
}

pub const SMOLLM2: Real = Real {
    name: "SmolLM2 135M",
    golden: "smollm2-135m",
    file: "SmolLM2-135M-Instruct.Q4_1.gguf",
    variable: "PAGELM_MODEL",
    kv: Some(KvType::F32),
    limit: 0.002,
    limit_llama_cpp: 0.002,
};
pub const GEMMA: Real = Real {
    name: "Gemma 3 270M",
    golden: "gemma-3-270m",
    file: "gemma-3-270m.Q4_K_M.gguf",
    variable: "PAGELM_MODEL_GEMMA",
    kv: Some(KvType::F32),
    limit: 0.002,
    limit_llama_cpp: GELU_TABLE,
};

/// How much of it is compared.
pub struct Work {
    /// Which prompts.
    pub prompts: &'static [usize],
    /// Greedy ids of each.
    pub ids: usize,
    /// Tokens of the first passage.
    pub passage: usize,
}

impl Real {
    fn bytes(&self) -> Vec<u8> {
        let path = std::env::var(self.variable)
            .unwrap_or_else(|_| format!("{}/models/{}", env!("CARGO_MANIFEST_DIR"), self.file));
        std::fs::read(&path).unwrap_or_else(|e| panic!("{path}: {e}; run `make model`"))
    }

    /// Tokenizes, generates and scores; adds what it found to `measured`.
    pub fn check<B: Backend>(&self, backend: B, work: &Work, measured: &mut Measured) {
        let mut engine = load_with(backend, &self.bytes(), self.kv);
        let expected = json(&format!("tests/goldens/real/{}.json", self.golden));
        let (mut likely, mut held) = (Difference::default(), 0);
        for &at in work.prompts {
            let prompt = &expected["prompts"][at];
            let (start, text) = (ids(&prompt["tokens"]), prompt["text"].as_str().unwrap());
            assert_eq!(engine.tokenizer().unwrap().encode(text, true, true).unwrap(), start, "{text:?}");
            let all = log_softmax(&block_on(engine.logits(&start)).unwrap());
            let top = prompt["first_top10_f32"].as_array().unwrap();
            let have: Vec<f64> = top.iter().map(|t| all[t[0].as_u64().unwrap() as usize]).collect();
            likely.add(&have, &top.iter().map(|t| t[1].as_f64().unwrap()).collect::<Vec<_>>());
            let want = ids(&prompt["greedy_f32"]);
            let sure = determined(&floats(&prompt["greedy_gap_f32"]), work.ids);
            assert_eq!(greedy(&mut engine, &start, work.ids)[..sure], want[..sure], "after {text:?}");
            held += sure;
        }
        let first = &expected["passages"][0];
        let (tokens, want) = (ids(&first["tokens"]), floats(&first["token_logprobs_f64"]));
        let mut scored = Difference::default();
        scored.add(&scores(&mut engine, &tokens[..work.passage]), &want[..work.passage - 1]);
        let found = [("logits", likely), ("scores", scored), ("greedy", Difference { worst: 0.0, count: held })];
        for (what, Difference { worst, count }) in found {
            println!("{}, {what}: worst difference {worst:.1e} of {count}", self.name);
            measured.add(self.name, what, worst, count);
        }
        assert!(held >= 5 * work.prompts.len(), "{}: the references determine only {held} ids", self.name);
        assert!(likely.worst <= self.limit_llama_cpp, "{}: worst difference {}", self.name, likely.worst);
        assert!(scored.worst <= self.limit, "{}: worst difference of a score {}", self.name, scored.worst);
    }
}
