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

check 'format (cargo fmt mends it)' cargo fmt --check
check 'lints, host' cargo clippy --quiet --all-targets -- -D warnings
check "lints, $wasm_target" wasm_clippy --quiet --lib --test ops_web -- -D warnings
# what differs in the third build, relaxed SIMD without threads, is in these two as well
check "lints, $wasm_target with threads" env PAGELM_VARIANT=threads bash -c 'source scripts/toolchain.sh && wasm_clippy --quiet --lib -- -D warnings'
check 'types of scripts, server and pages' npx --no-install tsc --project tsconfig.json
check 'types of the browser tests' npx --no-install tsc --project tests/browser/tsconfig.json
check 'types of the bundlers' npx --no-install tsc --project tests/bundlers/tsconfig.json
check 'types of the package' npm --prefix pkg run --silent check

if ((${#failed[@]})); then
  die "check failed: $(printf '%s; ' "${failed[@]}")see above"
fi
say 'check: all good'
