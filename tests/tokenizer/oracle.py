"""llama.cpp's tokenizer, for tests/tokenizer_oracle.rs: a line of JSON in, a line of JSON out.

    pip install gguf==0.19.0 xllamacpp==2026.10.11549 numpy
    python tests/tokenizer/oracle.py FILE.gguf [--set KEY=VALUE...]

FILE may have no tensors: of it only the vocabulary is taken, and written into a model of one layer that llama.cpp
can load. --set replaces a string of the metadata, such as tokenizer.ggml.pre.

in   {"content": text, "add_special": bool, "parse_special": bool}
out  {"tokens": [{"id": number, "piece": text or bytes}]}; the first line is {"ready": true}
"""
import argparse
import http.client
import json
import os
import sys
import tempfile
import urllib.parse

import gguf
import numpy as np

WIDTH = 32
ARRAY = gguf.GGUFValueType.ARRAY
# keys of the file that must not describe another model
PREFIXES = ("tokenizer.", "general.name")


def write_model(source, path, changes):
    reader = gguf.GGUFReader(source)
    writer = gguf.GGUFWriter(path, "llama")
    for key, field in reader.fields.items():
        if key.startswith(PREFIXES) and key not in changes and key != "tokenizer.chat_template":
            kind = field.types[0]
            writer.add_key_value(key, field.contents(), kind, field.types[-1] if kind == ARRAY else None)
    for key, value in changes.items():
        writer.add_string(key, value)
    for key, value in {"block_count": 1, "context_length": 64, "embedding_length": WIDTH, "feed_forward_length": WIDTH,
                       "attention.head_count": 1, "attention.head_count_kv": 1}.items():
        writer.add_uint32(f"llama.{key}", value)
    writer.add_float32("llama.attention.layer_norm_rms_epsilon", 1e-5)
    matrix, norm = np.zeros((WIDTH, WIDTH), np.float32), np.ones(WIDTH, np.float32)
    tokens = len(reader.fields["tokenizer.ggml.tokens"].data)
    writer.add_tensor("token_embd.weight", np.zeros((tokens, WIDTH), np.float16))
    writer.add_tensor("output_norm.weight", norm)
    for name in ("attn_norm", "ffn_norm"):
        writer.add_tensor(f"blk.0.{name}.weight", norm)
    for name in ("attn_q", "attn_k", "attn_v", "attn_output", "ffn_gate", "ffn_up", "ffn_down"):
        writer.add_tensor(f"blk.0.{name}.weight", matrix)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def serve(path):
    import xllamacpp

    params = xllamacpp.CommonParams()
    params.model.path = path
    params.n_ctx = 64
    params.n_parallel = 1
    params.warmup = False
    params.port = 0
    params.verbosity = -1
    params.cpuparams.n_threads = 1
    return xllamacpp.Server(params)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("file")
    parser.add_argument("--set", action="append", default=[])
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "model.gguf")
        write_model(args.file, path, dict(change.split("=", 1) for change in args.set))
        # what the server logs must not end up between the answers
        answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
        os.dup2(2, 1)
        server = serve(path)
        address = urllib.parse.urlparse(server.listening_address)
        connection = http.client.HTTPConnection(address.hostname, address.port)
        print(json.dumps({"ready": True}), file=answers, flush=True)
        for line in sys.stdin:
            body = json.dumps({**json.loads(line), "with_pieces": True})
            connection.request("POST", "/tokenize", body, {"Content-Type": "application/json"})
            print(json.dumps(json.loads(connection.getresponse().read())), file=answers, flush=True)
        os._exit(0)  # the server's threads are not worth waiting for


main()
