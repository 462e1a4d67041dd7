#!/usr/bin/env bash
# tests/bench/kernels.rs -> DIRECTORY/kernels.js and kernels_bg.wasm, of the variant that PAGELM_VARIANT names
#   scripts/build-kernels.sh DIRECTORY
source "$(dirname "${BASH_SOURCE[0]}")/toolchain.sh"
source scripts/wasm-bindgen.sh

bindgen=$(wasm_bindgen_program)
[[ -n $bindgen ]] || die "wasm-bindgen $(wasm_bindgen_version) is missing; run 'make setup'"
features=(--enable-simd --enable-relaxed-simd --enable-bulk-memory --enable-bulk-memory-opt
  --enable-nontrapping-float-to-int --enable-sign-ext --enable-mutable-globals --enable-reference-types
  --enable-multivalue --enable-call-indirect-overlong)

wasm_cargo build --release --no-default-features --example kernels
"$bindgen" --target web --out-dir "$1" --out-name kernels "$(wasm_target_dir)/$wasm_target/release/examples/kernels.wasm"
# as the package is optimised: -O3 puts several loops into one function, and GEMVs lose up to a third
npx --no-install wasm-opt -O1 --strip-debug "${features[@]}" "$1/kernels_bg.wasm" -o "$1/kernels_bg.wasm.opt"
mv "$1/kernels_bg.wasm.opt" "$1/kernels_bg.wasm"
