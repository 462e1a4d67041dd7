#!/usr/bin/env bash
# The crate -> pkg/dist/wasm/{pagelm,pagelm_relaxed,pagelm_threads}{.js,_bg.wasm,*.d.ts}, grammar/ -> pkg/dist/wasm/pagelm_grammar.wasm
#   scripts/build-wasm.sh [VARIANT...]    all of toolchain.sh's, and grammar, without any
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
  # LLVM has optimised already: -O3 here is as fast, takes four times as long and is larger once compressed. Ends of blocks that are
  # alike are one, which is 2.7 KB of brotli and leaves loops as they are.
  npx --no-install wasm-opt -O1 --rse --code-folding --duplicate-function-elimination --strip-debug --strip-producers "${features[@]}" "$file" -o "$file.opt"
  mv "$file.opt" "$file"
  say "build: $file, $before bytes before wasm-opt, $(wc -c <"$file") after; $SECONDS s"
}

# What pkg/src/grammar.ts calls; the library brings an interface for C, which would be kept without this.
grammar_exports=(memory reserve room room_bytes vocabulary start mask accept)

grammar() {
  local roots file=$out/pagelm_grammar.wasm
  wasm_variant=baseline
  say "build: wasm, grammar, with $(scripts/toolchain.sh)"
  wasm_cargo rustc --release --package pagelm-grammar --lib --crate-type cdylib
  roots=$(for name in "${grammar_exports[@]}"; do printf '{"name":"%s","export":"%s","root":true},' "$name" "$name"; done)
  mkdir -p "$out"
  echo "[${roots%,}]" >"$file.roots"
  npx --no-install wasm-metadce "${wasm_opt_features[@]}" --graph-file "$file.roots" \
    "$(wasm_target_dir)/$wasm_target/release/pagelm_grammar.wasm" -o "$file.cut" >/dev/null
  # fetched more often than run long: small rather than quick
  npx --no-install wasm-opt -Os --strip-debug --strip-producers "${wasm_opt_features[@]}" "$file.cut" -o "$file"
  rm "$file.roots" "$file.cut"
  say "build: $file, $(wc -c <"$file") bytes; $SECONDS s"
}

variants=("$@")
((${#variants[@]})) || variants=("${wasm_variants[@]}" grammar)
# The ends of a build, link-time optimisation and wasm-opt, take one core each: what shares no objects runs side by side.
# A failure ends the script with its own status, but not before what runs beside it has ended, too.
jobs=()
trap wait EXIT
for variant in "${variants[@]}"; do
  # not `compile && optimise`: in such a list the first error inside compile would not end it
  [[ $variant != threads ]] || { { compile threads; optimise threads; } & jobs+=($!); }
done
for variant in "${variants[@]}"; do
  case $variant in
    threads) continue ;;
    grammar) grammar; continue ;;
  esac
  compile "$variant"
  optimise "$variant" & jobs+=($!)
done
for job in "${jobs[@]}"; do
  wait "$job"
done
