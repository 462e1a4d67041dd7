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

name_of() { if [[ $1 == baseline ]]; then echo pagelm; else echo "pagelm_$1"; fi; }

compile() { # compile VARIANT
  local name
  wasm_variant=$1 name=$(name_of "$1")
  say "build: wasm, $1, with $(scripts/toolchain.sh)"
  if [[ $1 == relaxed ]]; then
    # Only the crate itself uses these instructions: the standard library and the dependencies are the baseline's.
    wasm_variant=baseline
    wasm_cargo rustc --release --lib --crate-type cdylib -- -C target-feature=+relaxed-simd
  else
    wasm_cargo rustc --release --lib --crate-type cdylib
  fi
  "$bindgen" --target web --omit-default-module-path --out-dir "$out" --out-name "$name" "$(wasm_target_dir)/$wasm_target/release/pagelm.wasm"
}

optimise() { # optimise VARIANT
  local features=("${wasm_opt_features[@]}") before file
  file=$out/$(name_of "$1")_bg.wasm
  case $1 in
    relaxed) features+=(--enable-relaxed-simd) ;;
    threads) features+=(--enable-relaxed-simd --enable-threads) ;;
  esac
  before=$(wc -c <"$file")
  # LLVM has optimised already: -O3 here is as fast, takes four times as long and is larger once compressed
  npx --no-install wasm-opt -O1 --strip-debug --strip-producers "${features[@]}" "$file" -o "$file.opt"
  mv "$file.opt" "$file"
  say "build: $file, $before bytes before wasm-opt, $(wc -c <"$file") after; $SECONDS s"
}

variants=("$@")
((${#variants[@]})) || variants=("${wasm_variants[@]}")
# The ends of a build, link-time optimisation and wasm-opt, take one core each: what shares no objects runs side by side.
# A failure ends the script with its own status, but not before what runs beside it has ended, too.
jobs=()
trap wait EXIT
for variant in "${variants[@]}"; do
  # not `compile && optimise`: in such a list the first error inside compile would not end it
  [[ $variant != threads ]] || { { compile threads; optimise threads; } & jobs+=($!); }
done
for variant in "${variants[@]}"; do
  [[ $variant != threads ]] || continue
  compile "$variant"
  optimise "$variant" & jobs+=($!)
done
for job in "${jobs[@]}"; do
  wait "$job"
done
