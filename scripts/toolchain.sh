#!/usr/bin/env bash
# Picks the Rust toolchain that builds for wasm32: rustup's, when its wasm32-unknown-unknown target is installed,
# else Debian's packages, which build the standard library from source because Debian ships none for wasm32.
# PAGELM_TOOLCHAIN=rustup or =debian decides instead.
#
#   scripts/toolchain.sh             says which one it is; fails when there is none
#   source scripts/toolchain.sh      gives wasm_toolchain, wasm_cargo and wasm_clippy
source "$(dirname "${BASH_SOURCE[0]}")/say.sh"

wasm_target=wasm32-unknown-unknown
wasm_rustflags="-C target-feature=+simd128"
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

# wasm_cargo COMMAND ARGS...: cargo for wasm32, with the target and the flags added
wasm_cargo() { wasm_run cargo "$@"; }
wasm_clippy() { wasm_run cargo-clippy clippy "$@"; }

wasm_run() {
  local program=$1 command=$2 toolchain
  shift 2
  toolchain=$(wasm_toolchain)
  case $toolchain in
    rustup)
      RUSTFLAGS="${RUSTFLAGS:+$RUSTFLAGS }$wasm_rustflags" cargo "$command" --target "$wasm_target" "$@" ;;
    debian)
      # RUSTC_BOOTSTRAP: -Zbuild-std on a stable compiler. Absolute paths: a rustup proxy may come first in PATH.
      PATH=/usr/lib/llvm-22/bin:$PATH CARGO=/usr/bin/cargo RUSTC=/usr/bin/rustc RUSTC_BOOTSTRAP=1 \
        RUSTFLAGS="${RUSTFLAGS:+$RUSTFLAGS }$wasm_rustflags -C linker=wasm-ld" \
        "/usr/bin/$program" "$command" --target "$wasm_target" -Zbuild-std=std,panic_abort "$@" ;;
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
