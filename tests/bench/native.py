"""usage: python native.py MODEL.gguf THREADS CONTEXT: llama.cpp itself, by the PyPI package xllamacpp, at the service of bench.mjs.

Reads a JSON line {prompt, maxTokens} for each measurement and writes one: {prompt, promptMs, decoded, decodeMs}. The first line
that it writes says that the model is loaded.
"""

import json
import sys
import time

import xllamacpp

model, threads, context = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
params = xllamacpp.CommonParams()
params.model.path = model
params.n_ctx = context
params.cpuparams.n_threads = threads
params.cpuparams_batch.n_threads = threads
start = time.monotonic()
server = xllamacpp.Server(params)
print(json.dumps({"loadMs": (time.monotonic() - start) * 1000}), flush=True)

for line in sys.stdin:
    asked = json.loads(line)
    request = {"prompt": asked["prompt"], "n_predict": asked["maxTokens"], "temperature": 0}
    timings = server.handle_completions({**request, "ignore_eos": True, "cache_prompt": False})["timings"]
    answer = {"prompt": timings["prompt_n"], "promptMs": timings["prompt_ms"]}
    print(json.dumps({**answer, "decoded": timings["predicted_n"], "decodeMs": timings["predicted_ms"]}), flush=True)
