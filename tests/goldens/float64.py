"""Makes two tiny models that llama.cpp has no numbers for, and computes them in float64: gemma (the first one) and
bitnet-b1.58, Microsoft's name for BitNet with a squared ReLU.

    pip install gguf==0.19.0 numpy
    python tests/goldens/float64.py            # compares
    python tests/goldens/float64.py --write    # writes

The pass is held to llama.cpp first: it has to reproduce the numbers of models of the same families (KNOWN) that were made
with it, so that what is left to get wrong is one line each: the activation, and which norms there are.
"""
import argparse
import json
import sys
from pathlib import Path

import gguf
import numpy as np

TINY = Path(__file__).parent / "tiny"
KNOWN = ["bitnet-tq2_0", "gemma2-q5_1", "gemma3-q4_0-window8"]
GREEDY_TOKENS = 16
CLEAR_GAP = 0.12
LENGTHS = [1, 5, 33, 70, 130]
TOLERANCE = 2e-6  # stored numbers are rounded to 6 decimals
NEOX_ONLY = ("bitnet", "bitnet-b1.58", "gemma", "gemma2", "gemma3")

ACTIVATIONS = {
    "silu": lambda x: x / (1 + np.exp(-x)),
    "gelu": lambda x: x / 2 * (1 + np.tanh(np.sqrt(2 / np.pi) * (x + 0.044715 * x**3))),
    "relu2": lambda x: np.maximum(x, 0) ** 2,
}


class Pass:
    def __init__(self, path):
        reader = gguf.GGUFReader(path)
        fields = {k: f.contents() for k, f in reader.fields.items() if not k.startswith("tokenizer.")}
        self.name = fields["general.architecture"]
        if self.name not in NEOX_ONLY:
            sys.exit(f"{self.name} is not written down here")
        key = lambda name, default=None: fields.get(f"{self.name}.{name}", default)
        shape = lambda t: [int(d) for d in reversed(t.shape)]
        self.w = {t.name: np.asarray(gguf.dequantize(t.data, t.tensor_type), np.float64).reshape(shape(t)) for t in reader.tensors}
        self.layers, self.width, self.heads = key("block_count"), key("embedding_length"), key("attention.head_count")
        self.kv_heads = key("attention.head_count_kv", self.heads)
        self.head_dim = key("attention.key_length", self.width // self.heads)
        self.epsilon = float(np.float32(key("attention.layer_norm_rms_epsilon")))
        self.is_gemma = self.name.startswith("gemma")
        self.activation = "gelu" if self.is_gemma else "relu2" if self.name == "bitnet-b1.58" else "silu"
        base = key("rope.freq_base", 10000.0)
        period = {"gemma2": 2, "gemma3": 6}.get(self.name)
        self.windows = [key("attention.sliding_window") if period and l % period < period - 1 else None for l in range(self.layers)]
        self.bases = [10000.0 if self.name == "gemma3" and w else base for w in self.windows]
        self.caps = (key("attn_logit_softcapping"), key("final_logit_softcapping"))

    def norm(self, x, name):
        """Norms that the model does not have do nothing."""
        weight = self.w.get(f"{name}.weight")
        return x if weight is None else x / np.sqrt((x * x).mean(-1, keepdims=True) + self.epsilon) * weight

    def product(self, x, name):
        return x @ self.w[f"{name}.weight"].T * self.w.get(f"{name}.scale", 1.0)

    def rotate(self, x, base):  # (tokens, heads, head_dim): halves rotate together
        half = self.head_dim // 2
        angles = np.arange(len(x))[:, None] * base ** (-np.arange(half) / half)
        cos, sin = np.cos(angles)[:, None], np.sin(angles)[:, None]
        a, b = x[..., :half], x[..., half:]
        return np.concatenate([a * cos - b * sin, a * sin + b * cos], -1)

    def attention(self, x, l):
        at = f"blk.{l}.attn_"
        heads = lambda name, count: self.product(x, at + name).reshape(len(x), count, self.head_dim)
        q = self.rotate(self.norm(heads("q", self.heads), at + "q_norm"), self.bases[l])
        k = self.rotate(self.norm(heads("k", self.kv_heads), at + "k_norm"), self.bases[l])
        k, v = (np.repeat(t, self.heads // self.kv_heads, 1) for t in (k, heads("v", self.kv_heads)))
        scores = np.einsum("qhd,khd->hqk", q, k) / np.sqrt(self.head_dim)
        scores = scores if self.caps[0] is None else self.caps[0] * np.tanh(scores / self.caps[0])
        distance = np.arange(len(x))[:, None] - np.arange(len(x))
        hidden = (distance < 0) | (distance >= (self.windows[l] or len(x)))
        weights = np.exp(np.where(hidden, -np.inf, scores - scores.max(-1, keepdims=True)))
        mixed = np.einsum("hqk,khd->qhd", weights / weights.sum(-1, keepdims=True), v).reshape(len(x), -1)
        return self.product(self.norm(mixed, at + "sub_norm"), at + "output")

    def feed_forward(self, x, l):
        inside = ACTIVATIONS[self.activation](self.product(x, f"blk.{l}.ffn_gate")) * self.product(x, f"blk.{l}.ffn_up")
        return self.product(self.norm(inside, f"blk.{l}.ffn_sub_norm"), f"blk.{l}.ffn_down")

    def logprobs(self, tokens):
        x = self.w["token_embd.weight"][tokens] * (np.sqrt(self.width) if self.is_gemma else 1)
        for l in range(self.layers):
            x = x + self.norm(self.attention(self.norm(x, f"blk.{l}.attn_norm"), l), f"blk.{l}.post_attention_norm")
            x = x + self.norm(self.feed_forward(self.norm(x, f"blk.{l}.ffn_norm"), l), f"blk.{l}.post_ffw_norm")
        logits = self.norm(x, "output_norm") @ self.w["token_embd.weight"].T
        logits = logits if self.caps[1] is None else self.caps[1] * np.tanh(logits / self.caps[1])
        logits -= logits.max(-1, keepdims=True)
        return logits - np.log(np.exp(logits).sum(-1, keepdims=True))


def copy_fields(reader, writer, old, new, dropped):
    """The metadata of another architecture's file."""
    for name, field in reader.fields.items():
        if name.startswith("GGUF.") or name == "general.architecture" or name.removeprefix(f"{old}.") in dropped:
            continue
        name = name.replace(f"{old}.", f"{new}.", 1) if name.startswith(f"{old}.") else name
        is_array = field.types[0] == gguf.GGUFValueType.ARRAY
        writer.add_key_value(name, field.contents(), field.types[0], field.types[-1] if is_array else None)


def write(path, source, architecture, tensors, dropped=()):
    path.parent.mkdir(exist_ok=True)
    reader = gguf.GGUFReader(source)
    writer = gguf.GGUFWriter(path, architecture)
    copy_fields(reader, writer, reader.fields["general.architecture"].contents(), architecture, dropped)
    for name, data, kind in tensors:
        writer.add_tensor(name, data, raw_dtype=kind)
    for step in (writer.write_header_to_file, writer.write_kv_data_to_file, writer.write_tensors_to_file, writer.close):
        step()


def make_bitnet(path):
    """The tensors of bitnet-tq2_0, and the scales that a converter may leave beside ternary weights."""
    source = TINY / "bitnet-tq2_0/model.gguf"
    tensors = [(t.name, t.data, t.tensor_type) for t in gguf.GGUFReader(source).tensors]
    names = ["attn_q", "attn_k", "attn_v", "attn_output", "ffn_gate", "ffn_up", "ffn_down"]
    scales = [(f"blk.0.{name}.scale", np.array([0.75 + i / 8], np.float32), None) for i, name in enumerate(names)]
    write(path, source, "bitnet-b1.58", tensors + scales)


def make_gemma(path):
    """The tensors of gemma2-q5_1 without its norms after attention and feed-forward, its caps and its windows."""
    source = TINY / "gemma2-q5_1/model.gguf"
    tensors = [(t.name, t.data, t.tensor_type) for t in gguf.GGUFReader(source).tensors if ".post_" not in t.name]
    write(path, source, "gemma", tensors, ["attn_logit_softcapping", "final_logit_softcapping", "attention.sliding_window"])


def numbers(model, tokens):
    """Of a prompt what expected.json holds."""
    rounded = lambda values: [round(float(v), 6) for v in values]
    all_ = model.logprobs(tokens)
    greedy, gaps = [], []
    for _ in range(GREEDY_TOKENS):
        last = model.logprobs(tokens + greedy)[-1]
        second, best = np.argsort(last)[-2:]
        greedy.append(int(best))
        gaps.append(last[best] - last[second])
    scores = [all_[i, t] for i, t in enumerate(tokens[1:])]
    return {"tokens": tokens, "logprobs_f64": rounded(all_[-1]), "token_logprobs_f64": rounded(scores),
            "greedy_f64": greedy, "greedy_gap_f64": rounded(gaps)}


def expected(path):
    """Numbers for random prompts whose greedy ids are all determined."""
    model, rng = Pass(path), np.random.default_rng(1)
    vocabulary = len(model.w["token_embd.weight"])
    prompts = []
    for length in LENGTHS:
        while True:
            candidate = numbers(model, rng.integers(3, vocabulary, length).tolist())
            if min(candidate["greedy_gap_f64"]) > CLEAR_GAP:
                prompts.append({"name": f"len{length}", **candidate})
                break
    reader = gguf.GGUFReader(path)
    kinds = [t.tensor_type.name for t in reader.tensors]
    tokenizer = {"model": reader.fields["tokenizer.ggml.model"].contents()}
    return {"n_vocab": vocabulary, "tensor_types": {k: kinds.count(k) for k in kinds}, "tokenizer": tokenizer, "prompts": prompts}


def difference(model, prompts):
    worst = [np.abs(model.logprobs(p["tokens"])[-1] - p["logprobs_f64"]).max() for p in prompts]
    return max(worst) if worst and np.isfinite(worst).all() else np.inf


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--write", action="store_true")
    arguments = parser.parse_args()
    load = lambda name: json.loads((TINY / name / "expected.json").read_text())["prompts"]
    made = {"bitnet-b1.58-tq2_0-scales": make_bitnet, "gemma-q5_1": make_gemma}
    failed = False
    for name in KNOWN:
        worst = difference(Pass(TINY / name / "model.gguf"), load(name))
        print(f"{name}: {worst:.2e} from numbers that were made with llama.cpp")
        failed |= not worst <= TOLERANCE
    for name, make in made.items():
        if arguments.write:
            make(TINY / name / "model.gguf")
            (TINY / name / "expected.json").write_text(json.dumps(expected(TINY / name / "model.gguf")))
        worst = difference(Pass(TINY / name / "model.gguf"), load(name))
        print(f"{name}: {worst:.2e}, smallest gap {min(min(p['greedy_gap_f64']) for p in load(name)):.3f}")
        failed |= not worst <= TOLERANCE
    sys.exit(failed)


main()
