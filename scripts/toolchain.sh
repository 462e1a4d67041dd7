#!/usr/bin/env bash
# Picks the Rust toolchain that builds for wasm32: rustup's, when its wasm32-unknown-unknown target is installed,
# else Debian's packages, which build the standard library from source because Debian ships none for wasm32.
# PAGELM_TOOLCHAIN=rustup or =debian decides instead.
#
#   scripts/toolchain.sh             says which one it is; fails when there is none
#   source scripts/toolchain.sh      gives wasm_toolchain, wasm_cargo, wasm_target_dir and with_lints
#
# The crate is built three times, for what a browser may or may not have. PAGELM_VARIANT says for which:
#   baseline   SIMD128: every browser that there is
#   relaxed    and relaxed SIMD
#   threads    and shared memory: pages that are cross-origin isolated. Without the GPU backend, which needs no threads.
source "$(dirname "${BASH_SOURCE[0]}")/say.sh"

wasm_target=wasm32-unknown-unknown
# the baseline after the relaxed one, which leaves its objects in the same place: the operations in browsers are made of the baseline's
wasm_variants=(relaxed baseline threads)
wasm_variant=${PAGELM_VARIANT:-baseline}
debian_rust_packages=(rustc-web cargo-web rust-web-src rust-web-llvm libstd-rust-web-dev lld-22)
# what those packages leave behind
debian_rust_proofs=(/usr/bin/rustc /usr/bin/cargo /usr/lib/rustlib/src/rust/library/std/Cargo.toml /usr/lib/llvm-22/bin/wasm-ld)

has_rustup_target() {
  command -v rustup >/dev/null && rustup target list --installed 2>/dev/null | grep -qx "$wasm_target"
}

has_debian_rust() {
  local proof
  for proof in "${debian_rust_proofs[@]}"; do
    [[ -e $proof ]] || return 1
  done
}

# prints rustup, debian or nothing
wasm_toolchain() {
  if [[ -n ${PAGELM_TOOLCHAIN:-} ]]; then
    [[ $PAGELM_TOOLCHAIN =~ ^(rustup|debian)$ ]] || die "PAGELM_TOOLCHAIN is '$PAGELM_TOOLCHAIN'; it can be rustup or debian"
    echo "$PAGELM_TOOLCHAIN"
  elif has_rustup_target; then
    echo rustup
  elif has_debian_rust; then
    echo debian
  fi
}

# where the variant's objects go: the baseline and the relaxed build share what only the crate itself differs in
wasm_target_dir() {
  case $wasm_variant in
    baseline | relaxed) echo "${CARGO_TARGET_DIR:-target}" ;;
    *) echo "${CARGO_TARGET_DIR:-target}/$wasm_variant" ;;
  esac
}

wasm_rustflags() {
  case $wasm_variant in
    baseline | relaxed) echo "-C target-feature=+simd128" ;;
    threads)
      # a shared memory has to name its maximum: all that 32 bits can address
      printf -- '-C target-feature=+simd128,+relaxed-simd,+atomics,+bulk-memory,+mutable-globals'
      printf -- ' -C link-arg=%s' --shared-memory --import-memory --max-memory=4294967296 \
        --export=__wasm_init_tls --export=__tls_size --export=__tls_align --export=__tls_base ;;
    *) die "PAGELM_VARIANT is '$wasm_variant'; it can be ${wasm_variants[*]}" ;;
  esac
}

# with_lints CARGO-COMMAND...: the crate itself goes through clippy, which compiles as well. `cargo clippy` would check every
# dependency and the standard library first, beside what the builds have of them already: most of a fresh machine's time.
with_lints() { RUSTC_WORKSPACE_WRAPPER=clippy-driver CLIPPY_ARGS=-Dwarnings "$@"; }

# wasm_cargo COMMAND ARGS...: cargo for wasm32, with the target, the flags and the features of the variant added
wasm_cargo() {
  local command=$1 toolchain flags
  shift
  toolchain=$(wasm_toolchain)
  flags="${RUSTFLAGS:+$RUSTFLAGS }$(wasm_rustflags)" || exit 1
  set -- --target "$wasm_target" --target-dir "$(wasm_target_dir)" "$@"
  case $wasm_variant in
    threads) set -- --no-default-features "$@" ;;
    # Only the crate itself uses these instructions: the standard library and the dependencies are the baseline's.
    relaxed) set -- -Zprofile-rustflags --config 'profile.release.package.pagelm.rustflags = ["-Ctarget-feature=+relaxed-simd"]' "$@" ;;
  esac
  case $toolchain in
    rustup)
      # the standard library that rustup brings knows no threads on this target
      [[ $wasm_variant != threads ]] || set -- -Zbuild-std=std,panic_abort "$@"
      RUSTC_BOOTSTRAP=1 RUSTFLAGS=$flags cargo "$command" "$@" ;;
    debian)
      # RUSTC_BOOTSTRAP: -Zbuild-std on a stable compiler. Absolute paths: a rustup proxy may come first in PATH.
      PATH=/usr/lib/llvm-22/bin:/usr/bin:$PATH CARGO=/usr/bin/cargo RUSTC=/usr/bin/rustc RUSTC_BOOTSTRAP=1 \
        RUSTFLAGS="$flags -C linker=wasm-ld" \
        /usr/bin/cargo "$command" -Zbuild-std=std,panic_abort "$@" ;;
    *)
      die "no Rust toolchain that builds for $wasm_target; run 'make setup'" ;;
  esac
}

if [[ ${BASH_SOURCE[0]} == "$0" ]]; then
  case $(wasm_toolchain) in
    rustup) echo "rustup: $(rustc --version), target $wasm_target" ;;
    debian) echo "Debian: $(/usr/bin/rustc --version), standard library from source" ;;
    *) die "no Rust toolchain that builds for $wasm_target; run 'make setup'" ;;
  esac
fi
