#!/usr/bin/env bash
# The crate -> pkg/dist/wasm/{pagelm.js, pagelm_bg.wasm, *.d.ts}
source "$(dirname "${BASH_SOURCE[0]}")/toolchain.sh"
source scripts/wasm-bindgen.sh

out=pkg/dist/wasm
bindgen=$(wasm_bindgen_program)
[[ -n $bindgen ]] || die "wasm-bindgen $(wasm_bindgen_version) is missing; run 'make setup'"

say "build: wasm with $(scripts/toolchain.sh)"
wasm_cargo build --release --lib
"$bindgen" --target web --out-dir "$out" --out-name pagelm \
  "${CARGO_TARGET_DIR:-target}/$wasm_target/release/pagelm.wasm"

# The features that rustc's wasm32 target and +simd128 turn on: wasm-opt refuses what it is not told of.
say "build: wasm-opt"
before=$(wc -c <"$out/pagelm_bg.wasm")
npx --no-install wasm-opt -O3 --strip-debug --strip-producers \
  --enable-simd --enable-bulk-memory --enable-bulk-memory-opt --enable-nontrapping-float-to-int --enable-sign-ext \
  --enable-mutable-globals --enable-reference-types --enable-multivalue --enable-call-indirect-overlong \
  "$out/pagelm_bg.wasm" -o "$out/pagelm_bg.wasm.opt"
mv "$out/pagelm_bg.wasm.opt" "$out/pagelm_bg.wasm"
say "build: $out/pagelm_bg.wasm, $before bytes before wasm-opt, $(wc -c <"$out/pagelm_bg.wasm") after"
