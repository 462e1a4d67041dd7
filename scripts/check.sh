#!/usr/bin/env bash
# Format, lints and types, all of them even after one fails. Shaders are checked by build.rs, on every cargo run.
source "$(dirname "${BASH_SOURCE[0]}")/toolchain.sh"

failed=()
check() {
  local name=$1
  shift
  say "check: $name"
  "$@" || failed+=("$name")
}

check 'format (cargo fmt --all mends it)' cargo fmt --all --check
# The tests' own build: `scripts/test.sh` runs what this compiles.
check 'lints, host' with_lints cargo test --quiet --no-run
check 'lints, grammars, host' with_lints cargo test --quiet --no-run --package pagelm-grammar
# What the package is built from, without making code of it again.
lint_wasm() { # lint_wasm VARIANT [RUSTC-FLAGS...]
  wasm_variant=$1
  shift
  with_lints wasm_cargo rustc --quiet --release --lib --crate-type cdylib -- -Zno-codegen -Zno-link "$@"
}
check "lints, $wasm_target" lint_wasm baseline
check "lints, $wasm_target, relaxed SIMD" lint_wasm baseline -C target-feature=+relaxed-simd
check "lints, $wasm_target, threads" lint_wasm threads
lint_grammar() {
  wasm_variant=baseline
  with_lints wasm_cargo rustc --quiet --release --package pagelm-grammar --lib --crate-type cdylib -- -Zno-codegen -Zno-link
}
check "lints, $wasm_target, grammars" lint_grammar
check 'types of scripts, server and pages' npx --no-install tsc --project tsconfig.json
check 'types of the browser tests' npx --no-install tsc --project tests/browser/tsconfig.json
check 'types of the bundlers' npx --no-install tsc --project tests/bundlers/tsconfig.check.json
check 'types of the package' npm --prefix pkg run --silent check

if ((${#failed[@]})); then
  die "check failed: $(printf '%s; ' "${failed[@]}")see above"
fi
say 'check: all good'
