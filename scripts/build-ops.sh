#!/usr/bin/env bash
# Builds tests/ops_web.rs for wasm32, as PAGELM_VARIANT says (see toolchain.sh), and prints two lines: the file, and the program that serves it to a browser.
source "$(dirname "${BASH_SOURCE[0]}")/toolchain.sh"
source scripts/wasm-bindgen.sh

bindgen=$(wasm_bindgen_program)
[[ -n $bindgen ]] || die "no wasm-bindgen of version $(wasm_bindgen_version) was found; run 'make setup'"
runner=$(command -v "$bindgen-test-runner") || die "$bindgen has no $bindgen-test-runner beside it; remove it and run 'make setup'"
# cargo writes one JSON object a line; the one of the test names its executable. Thin link-time optimisation takes a third of
# the time of the profile's, and the kernels are compiled as for the package.
wasm=$(wasm_cargo rustc --release --test ops_web --message-format=json-render-diagnostics -- -C lto=thin -C codegen-units=4 \
  | sed -nE 's/.*"executable":"([^"]*ops_web[^"]*\.wasm)".*/\1/p' | tail -n 1)
[[ -n $wasm ]] || die "cargo named no WebAssembly file for tests/ops_web.rs; its own messages are above"
printf '%s\n' "$wasm" "$(realpath "$runner")"
