"""Computes the numbers of a tiny llama model anew, and compares them with, or writes them to, its expected.json.

    pip install gguf==0.19.0 xllamacpp==2026.10.11549 numpy
    python tests/goldens/regenerate.py tests/goldens/tiny/*            # compares; fails above the tolerance
    python tests/goldens/regenerate.py --write tests/goldens/tiny/*    # writes

An argument is a folder with model.gguf and expected.json; of the latter the prompts are taken. llama.cpp (in xllamacpp)
runs the file as it is and a copy dequantised to float32; numpy runs a float64 pass over the same float32 weights.
"""
import argparse
import json
import os
import sys
import tempfile
from pathlib import Path

import gguf
import numpy as np

GREEDY_TOKENS = 16
CONTEXT = 512
# stored numbers are rounded to 6 decimals; float32 sums may be added in another order on another CPU
TOLERANCE = {"f64": 2e-6, "f32": 2e-4, "native": 0.5}


def read(path):
    """The metadata, and the weights dequantised to float32 and widened: name -> (rows, cols) or (len)."""
    reader = gguf.GGUFReader(path)
    fields = {key: field.contents() for key, field in reader.fields.items() if not key.startswith("tokenizer.")}
    if fields["general.architecture"] != "llama":
        sys.exit(f"{path}: the architecture is {fields['general.architecture']}; only llama is written down here")
    weights = {t.name: gguf.dequantize(t.data, t.tensor_type).reshape([int(d) for d in reversed(t.shape)]) for t in reader.tensors}
    return reader, fields, weights


class Llama:
    """The forward pass in float64, as plainly as it can be written."""

    def __init__(self, fields, weights):
        key = lambda name, default=None: fields.get(f"llama.{name}", default)
        self.w = {name: np.asarray(tensor, np.float64) for name, tensor in weights.items()}
        self.layers, self.heads = key("block_count"), key("attention.head_count")
        self.kv_heads = key("attention.head_count_kv", self.heads)
        self.head_dim = key("attention.key_length", key("embedding_length") // self.heads)
        self.experts_used, self.margin = key("expert_used_count", 0), np.inf
        self.epsilon = float(np.float32(key("attention.layer_norm_rms_epsilon")))
        dims = key("rope.dimension_count", self.head_dim)
        if key("rope.scaling.type", "none") not in ("none", "linear"):
            sys.exit("only linear rope scaling is written down here")
        divisor = key("rope.scaling.factor", 1.0) if key("rope.scaling.type") == "linear" else 1.0
        self.rope = key("rope.freq_base", 10000.0) ** (-np.arange(0, dims, 2) / dims) / divisor
        if "rope_freqs.weight" in self.w:
            self.rope = self.rope / self.w["rope_freqs.weight"]

    def norm(self, x, name):
        return x / np.sqrt((x * x).mean(-1, keepdims=True) + self.epsilon) * self.w[f"{name}.weight"]

    def product(self, x, name):
        return x @ self.w[f"{name}.weight"].T

    def rotate(self, x):  # (tokens, heads, head_dim): neighbours rotate together
        angle = np.arange(len(x))[:, None, None] * self.rope
        n = 2 * len(self.rope)
        even, odd = x[..., 0:n:2], x[..., 1:n:2]
        out = x.copy()
        out[..., 0:n:2] = even * np.cos(angle) - odd * np.sin(angle)
        out[..., 1:n:2] = even * np.sin(angle) + odd * np.cos(angle)
        return out

    def attention(self, x, block):
        n, group = len(x), self.heads // self.kv_heads
        split = lambda name, heads: self.product(x, f"{block}.{name}").reshape(n, heads, self.head_dim)
        q, k = self.rotate(split("attn_q", self.heads)), self.rotate(split("attn_k", self.kv_heads))
        v = split("attn_v", self.kv_heads).repeat(group, axis=1)
        scores = np.einsum("qhd,khd->hqk", q, k.repeat(group, axis=1)) / np.sqrt(self.head_dim)
        scores[:, ~np.tri(n, dtype=bool)] = -np.inf
        p = np.exp(scores - scores.max(-1, keepdims=True))
        p /= p.sum(-1, keepdims=True)
        return self.product(np.einsum("hqk,khd->qhd", p, v).reshape(n, -1), f"{block}.attn_output")

    def mixture(self, x, block):
        """The softmax is over the chosen experts only (Jiang et al. 2024, arXiv 2401.04088)."""
        logits = self.product(x, f"{block}.ffn_gate_inp")
        order = np.argsort(-logits, kind="stable")
        out, used = np.zeros_like(x), self.experts_used
        for i, row in enumerate(x):
            weights = np.exp(logits[i, order[i, :used]] - logits[i].max())
            self.margin = min(self.margin, logits[i, order[i, used - 1]] - logits[i, order[i, used]])
            for expert, weight in zip(order[i], weights / weights.sum()):
                gate, up, down = (self.w[f"{block}.ffn_{name}_exps.weight"][expert] for name in ("gate", "up", "down"))
                inside = gate @ row
                out[i] += weight * (down @ (inside / (1 + np.exp(-inside)) * (up @ row)))
        return out

    def feed_forward(self, x, block):
        if f"{block}.ffn_gate_inp.weight" in self.w:
            return self.mixture(x, block)
        gate = self.product(x, f"{block}.ffn_gate")
        return self.product(gate / (1 + np.exp(-gate)) * self.product(x, f"{block}.ffn_up"), f"{block}.ffn_down")

    def logprobs(self, tokens):
        """(tokens, vocabulary): log-probabilities of the token after each."""
        x = self.w["token_embd.weight"][tokens]
        for layer in range(self.layers):
            block = f"blk.{layer}"
            x = x + self.attention(self.norm(x, f"{block}.attn_norm"), block)
            x = x + self.feed_forward(self.norm(x, f"{block}.ffn_norm"), block)
        output = "output" if "output.weight" in self.w else "token_embd"
        logits = self.product(self.norm(x, "output_norm"), output)
        logits -= logits.max(-1, keepdims=True)
        return logits - np.log(np.exp(logits).sum(-1, keepdims=True))


def write_f32(reader, weights, path):
    """The same model with all weights in float32."""
    writer = gguf.GGUFWriter(path, "llama")
    for key, field in reader.fields.items():
        if key.startswith("GGUF.") or key == "general.architecture":
            continue
        kind = field.types[0]
        writer.add_key_value(key, field.contents(), kind, field.types[-1] if kind == gguf.GGUFValueType.ARRAY else None)
    for name, tensor in weights.items():
        writer.add_tensor(name, np.ascontiguousarray(tensor, np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


class Native:
    """llama.cpp on the CPU: cache of float32, no flash attention, one thread, no repacked weights, one batch."""

    def __init__(self, path, tokens):
        import xllamacpp

        params = xllamacpp.CommonParams()
        params.model.path = str(path)
        params.n_ctx = params.n_batch = params.n_ubatch = CONTEXT
        params.n_parallel = 1
        params.cpuparams.n_threads = params.cpuparams_batch.n_threads = 1
        params.cache_type_k = params.cache_type_v = xllamacpp.ggml_type.GGML_TYPE_F32
        params.flash_attn_type = xllamacpp.llama_flash_attn_type.LLAMA_FLASH_ATTN_TYPE_DISABLED
        params.no_extra_bufts = True
        params.warmup = False
        params.n_gpu_layers = 0
        params.verbosity = -1
        self.vocabulary, self.server = len(tokens), xllamacpp.Server(params)
        # The reported distribution is that of the raw logits, whatever is chosen. A token that ends a text or is part
        # of a character comes without it: a letter is forced instead.
        self.letter = next(i for i, token in enumerate(tokens) if len(token) == 1 and token.isascii() and token.isalpha())

    def logprobs(self, tokens):
        request = {"prompt": tokens, "n_predict": 1, "temperature": 0, "cache_prompt": False,
                   "n_probs": self.vocabulary, "post_sampling_probs": False, "logit_bias": [[self.letter, 1000]]}
        top = self.server.handle_completions(request)["choices"][0]["logprobs"]["content"][0]["top_logprobs"]
        out = np.full(self.vocabulary, np.nan)
        for entry in top:
            out[entry["id"]] = entry["logprob"]
        if np.isnan(out).any():
            sys.exit(f"llama.cpp gave {len(top)} of {self.vocabulary} log-probabilities")
        return out

    def token_logprobs(self, tokens):
        return np.array([self.logprobs(tokens[:i])[tokens[i]] for i in range(1, len(tokens))])

    def greedy(self, tokens):
        ids, gaps = [], []
        for _ in range(GREEDY_TOKENS):
            row = self.logprobs(tokens + ids)
            second, best = np.sort(row)[-2:]
            ids.append(int(row.argmax()))
            gaps.append(best - second)
        return ids, gaps


def compute(folder):
    """Every number of expected.json that this script knows, by prompt."""
    reader, fields, weights = read(folder / "model.gguf")
    tokens = reader.fields["tokenizer.ggml.tokens"].contents()
    double, native = Llama(fields, weights), Native(folder / "model.gguf", tokens)
    with tempfile.TemporaryDirectory() as scratch:
        path = os.path.join(scratch, "f32.gguf")
        write_f32(reader, weights, path)
        single = Native(path, tokens)
    for prompt in json.loads((folder / "expected.json").read_text())["prompts"]:
        ids = prompt["tokens"]
        numbers = {"logprobs_f64": double.logprobs(ids)[-1]}
        for suffix, model in (("", native), ("_f32", single)):
            numbers[f"logprobs{suffix}"] = model.logprobs(ids)
            numbers[f"token_logprobs{suffix}"] = model.token_logprobs(ids)
            numbers[f"greedy{suffix}"], numbers[f"greedy_gap{suffix}"] = model.greedy(ids)
        yield prompt["name"], numbers


def compare(stored, numbers):
    """The largest difference to what is stored, by kind."""
    worst = {}
    for key, values in numbers.items():
        if key.startswith("greedy") and "gap" not in key:
            if stored[key] != values:
                sys.exit(f"{key} differs: {stored[key]} is stored, {values} was computed")
            continue
        kind = "f64" if key.endswith("f64") else "f32" if key.endswith("f32") else "native"
        error = np.abs(np.asarray(stored[key]) - np.asarray(values)).max(initial=0)
        if not error <= TOLERANCE[kind]:  # so that NaN fails
            sys.exit(f"{key} differs by {error}; {TOLERANCE[kind]} is allowed")
        worst[kind] = max(worst.get(kind, 0), float(error))
    return worst


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--write", action="store_true", help="write the numbers instead of comparing them")
    parser.add_argument("folders", nargs="+", type=Path)
    args = parser.parse_args()
    for folder in args.folders:
        path = folder / "expected.json"
        expected = json.loads(path.read_text())
        stored = {prompt["name"]: prompt for prompt in expected["prompts"]}
        worst = {}
        for name, numbers in compute(folder):
            if args.write:
                for key, values in numbers.items():
                    stored[name][key] = values if key in ("greedy", "greedy_f32") else [round(float(v), 6) for v in values]
            else:
                for kind, error in compare(stored[name], numbers).items():
                    worst[kind] = max(worst.get(kind, 0), error)
        if args.write:
            path.write_text(json.dumps(expected) + "\n")
        print(folder.name, "written" if args.write else {kind: f"{error:.1e}" for kind, error in worst.items()})


if __name__ == "__main__":
    main()
