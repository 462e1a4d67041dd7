"""usage: python onnx_from_gguf.py MODEL.gguf FOLDER [KEY=VALUE...]: a GGUF file as the ONNX graph that onnxruntime.mjs measures.

Transformers reads and dequantises the file, and the model builder of onnxruntime-genai makes the graph for WebGPU, so that it is
built the way its makers build theirs: 4 bits in blocks of 32 for the matrices, 8 for the table of tokens, which is the matrix of
the logits too (a Q4_1 file has the same split, but a minimum in each block, where the builder's default is symmetric), 32-bit
activations, logits of the last position only. KEY=VALUE are options of the builder that go before these, but for question=TEXT.

Then onnxruntime answers a question with the graph on the CPU, and transformers with the dequantised weights: both are printed.
Needs the PyPI packages torch, transformers, accelerate, gguf, onnxruntime and onnxruntime-genai. (A script called
onnx.py or onnx_model.py would be taken for modules of those names.)
"""

import subprocess
import sys
import tempfile
from pathlib import Path

import numpy
import onnxruntime
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

OPTIONS = {
    "use_webgpu_fp32": "true",  # a software adapter may have no shader-f16
    "prune_lm_head": "true",
    "algo_config": "rtn",
    "op_types_to_quantize": "MatMul/Gather",
    "shared_embeddings": "true",
    "matmul_mixed_precision": "last_matmul:int8",
}
# What transformers 5 says of Gemma 3's two rotary embeddings the builder (0.18) looks for where transformers 4 had it.
BUILDER = """
import runpy
from transformers import AutoConfig

read = AutoConfig.from_pretrained

def from_pretrained(*args, **kwargs):
    config = read(*args, **kwargs)
    rope = getattr(config, "rope_parameters", None) or {}
    if "sliding_attention" in rope:
        config.rope_theta = rope["full_attention"]["rope_theta"]
        config.rope_local_base_freq = rope["sliding_attention"]["rope_theta"]
        config.rope_parameters = {"rope_type": "default", "rope_theta": config.rope_theta}
    return config

AutoConfig.from_pretrained = from_pretrained
runpy.run_module("onnxruntime_genai.models.builder", run_name="__main__", alter_sys=True)
"""
QUESTION = "<|im_start|>user\nWhat is the capital of France?<|im_end|>\n<|im_start|>assistant\n"


def dequantised(path, folder):
    """Writes the file's model as transformers keeps models, and gives back it and its tokenizer."""
    tokenizer = AutoTokenizer.from_pretrained(path.parent, gguf_file=path.name)
    read = AutoModelForCausalLM.from_pretrained(path.parent, gguf_file=path.name, dtype=torch.float32)
    config = read.config.__class__.from_dict({k: v for k, v in read.config.to_dict().items() if k != "quantization_config"})
    model = AutoModelForCausalLM.from_config(config)  # the one that was read refuses to be saved
    model.load_state_dict(read.state_dict())
    model.tie_weights()
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return model.eval(), tokenizer


def build(source, target, options):
    builder = [sys.executable, "-c", BUILDER, "-p", "int4", "-e", "webgpu", "-i", source, "-o", target]
    pairs = [f"{key}={value}" for key, value in options.items()]
    with tempfile.TemporaryDirectory() as cache:
        subprocess.run([*builder, "-c", cache, "--extra_options", *pairs], check=True, stdout=sys.stderr, cwd=cache)


def greedy(session, config, ids, count):
    """The ids that follow: token by token, with a cache that grows."""
    shape = (1, config.num_key_value_heads, 0, config.head_dim)
    past = {i.name: numpy.zeros(shape, numpy.float32) for i in session.get_inputs() if i.name.startswith("past")}
    names = [o.name for o in session.get_outputs()]
    given, said, length = list(ids), [], 0
    for _ in range(count):
        length += len(given)
        feeds = {"input_ids": [given], "attention_mask": [[1] * length]}
        out = session.run(None, {**{k: numpy.array(v, numpy.int64) for k, v in feeds.items()}, **past})
        result = dict(zip(names, out, strict=True))
        past = {name: result[name.replace("past_key_values", "present")] for name in past}
        given = [int(result["logits"][0, -1].argmax())]
        said += given
    return said


def main():
    path, target = Path(sys.argv[1]).resolve(), Path(sys.argv[2]).resolve()
    options = {**OPTIONS, **dict(pair.split("=", 1) for pair in sys.argv[3:])}
    question = options.pop("question", QUESTION)
    with tempfile.TemporaryDirectory() as source:
        model, tokenizer = dequantised(path, source)
        build(source, target, {key: value for key, value in options.items() if value != ""})
    ids = tokenizer(question)["input_ids"]
    session = onnxruntime.InferenceSession(target / "model.onnx", providers=["CPUExecutionProvider"])
    try:
        by_graph = repr(tokenizer.decode(greedy(session, model.config, ids, 24)))
    except Exception as why:  # the norms of queries and keys are inside attention, for WebGPU and CUDA only
        by_graph = str(why).splitlines()[0]
    by_weights = model.generate(torch.tensor([ids]), max_new_tokens=24, do_sample=False)[0, len(ids):].tolist()
    print("onnxruntime, CPU:", by_graph)
    print("transformers, dequantised:", repr(tokenizer.decode(by_weights)))


main()
