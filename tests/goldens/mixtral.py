"""Makes the tiny model llama-bpe-q5_0-experts, Mixtral's kind of mixture, with prompts; regenerate.py computes its numbers.

    pip install gguf==0.19.0 numpy
    python tests/goldens/mixtral.py
    python tests/goldens/regenerate.py --write tests/goldens/tiny/llama-bpe-q5_0-experts
"""
import json
from pathlib import Path

import gguf
import numpy as np

from regenerate import GREEDY_TOKENS, Llama, read

TINY = Path(__file__).parent / "tiny"
SOURCE = TINY / "llama-bpe-q4_1-ropelinear/model.gguf"
FOLDER = TINY / "llama-bpe-q5_0-experts"
EXPERTS, USED, HIDDEN = 4, 2, 96
OWN = ("general.architecture", "general.alignment", "llama.feed_forward_length")
LENGTHS = [1, 5, 33, 70, 130]
# best to second-best token, and the last expert that is chosen to the first that is not: more than rounding
CLEAR_GAP, CLEAR_MARGIN = 0.12, 0.002


def tensors(reader, rng):
    """The source's, with experts for its feed-forward."""
    quantised = gguf.GGMLQuantizationType.Q5_0
    for t in reader.tensors:
        if ".ffn_gate" not in t.name and ".ffn_up" not in t.name and ".ffn_down" not in t.name:
            yield t.name, t.data, t.tensor_type
    width = reader.fields["llama.embedding_length"].contents()
    for l in range(reader.fields["llama.block_count"].contents()):
        yield f"blk.{l}.ffn_gate_inp.weight", rng.normal(0, 1, (EXPERTS, width)).astype(np.float32), None
        for name, rows, cols in (("gate", HIDDEN, width), ("up", HIDDEN, width), ("down", width, HIDDEN)):
            weights = rng.normal(0, 1.5 / np.sqrt(cols), (EXPERTS, rows, cols)).astype(np.float32)
            yield f"blk.{l}.ffn_{name}_exps.weight", gguf.quantize(weights, quantised), quantised


def write_model(path, rng):
    reader = gguf.GGUFReader(SOURCE)
    writer = gguf.GGUFWriter(path, "llama")
    for key, field in reader.fields.items():
        if not key.startswith("GGUF.") and key not in OWN:
            is_array = field.types[0] == gguf.GGUFValueType.ARRAY
            writer.add_key_value(key, field.contents(), field.types[0], field.types[-1] if is_array else None)
    writer.add_uint32("llama.feed_forward_length", HIDDEN)
    writer.add_uint32("llama.expert_count", EXPERTS)
    writer.add_uint32("llama.expert_used_count", USED)
    for name, data, kind in tensors(reader, rng):
        writer.add_tensor(name, data, raw_dtype=kind)
    for step in (writer.write_header_to_file, writer.write_kv_data_to_file, writer.write_tensors_to_file, writer.close):
        step()


def is_determined(model, tokens):
    """Whether rounding can change neither the greedy ids nor the experts."""
    model.margin = np.inf
    for _ in range(GREEDY_TOKENS):
        last = model.logprobs(tokens)[-1]
        second, best = np.argsort(last)[-2:]
        if last[best] - last[second] < CLEAR_GAP or model.margin < CLEAR_MARGIN:
            return False
        tokens = tokens + [int(best)]
    return True


def main():
    rng = np.random.default_rng(7)
    FOLDER.mkdir(exist_ok=True)
    write_model(FOLDER / "model.gguf", rng)
    reader, fields, weights = read(FOLDER / "model.gguf")
    model, prompts = Llama(fields, weights), []
    vocabulary = len(weights["token_embd.weight"])
    for length in LENGTHS:
        while not is_determined(model, tokens := rng.integers(3, vocabulary, length).tolist()):
            pass
        prompts.append({"name": f"len{length}", "tokens": tokens})
    kinds = [t.tensor_type.name for t in reader.tensors]
    tokenizer = {"model": reader.fields["tokenizer.ggml.model"].contents()}
    expected = {"n_vocab": vocabulary, "tensor_types": {k: kinds.count(k) for k in kinds}, "tokenizer": tokenizer, "prompts": prompts}
    (FOLDER / "expected.json").write_text(json.dumps(expected) + "\n")


main()
