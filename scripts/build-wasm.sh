#!/usr/bin/env bash
# The crate -> pkg/dist/wasm/{pagelm,pagelm_relaxed,pagelm_threads}{.js,_bg.wasm,*.d.ts}
#   scripts/build-wasm.sh [VARIANT...]    all of toolchain.sh's without any
source "$(dirname "${BASH_SOURCE[0]}")/toolchain.sh"
source scripts/wasm-bindgen.sh

out=pkg/dist/wasm
bindgen=$(wasm_bindgen_program)
[[ -n $bindgen ]] || die "wasm-bindgen $(wasm_bindgen_version) is missing; run 'make setup'"

# The features that rustc's wasm32 target and the variant's flags turn on: wasm-opt refuses what it is not told of.
wasm_opt_features=(
  --enable-simd --enable-bulk-memory --enable-bulk-memory-opt --enable-nontrapping-float-to-int --enable-sign-ext
  --enable-mutable-globals --enable-reference-types --enable-multivalue --enable-call-indirect-overlong
)

build() { # build VARIANT
  wasm_variant=$1
  local name=pagelm features=("${wasm_opt_features[@]}") file before start=$SECONDS
  case $1 in
    relaxed) name=pagelm_relaxed features+=(--enable-relaxed-simd) ;;
    threads) name=pagelm_threads features+=(--enable-relaxed-simd --enable-threads) ;;
  esac
  file=$out/${name}_bg.wasm

  say "build: wasm, $1, with $(scripts/toolchain.sh)"
  wasm_cargo build --release --lib
  "$bindgen" --target web --omit-default-module-path --out-dir "$out" --out-name "$name" "$(wasm_target_dir)/$wasm_target/release/pagelm.wasm"
  before=$(wc -c <"$file")
  npx --no-install wasm-opt -O3 --strip-debug --strip-producers "${features[@]}" "$file" -o "$file.opt"
  mv "$file.opt" "$file"
  say "build: $file, $before bytes before wasm-opt, $(wc -c <"$file") after; $((SECONDS - start)) s"
}

variants=("$@")
((${#variants[@]})) || variants=("${wasm_variants[@]}")
for variant in "${variants[@]}"; do
  build "$variant"
done
