#!/usr/bin/env bash
# Installs what is missing, and only that: scripts/setup.sh [node] [build] [check] [browser] [model] [test] [bundlers]
#   node     node modules
#   build    these, a Rust toolchain for wasm32, wasm-bindgen
#   check    cargo fmt and cargo clippy
#   browser  Chromium
#   model    pip, while the default model is not there
#   test     the other browsers and a software Vulkan driver
#   bundlers what tests/bundlers builds apps with
# With nothing missing it takes about a second.
source "$(dirname "${BASH_SOURCE[0]}")/toolchain.sh"
source scripts/wasm-bindgen.sh

has() { command -v "$1" >/dev/null; }

# as_root COMMAND...: false where there is no way to become root
as_root() {
  if ((EUID == 0)); then "$@"; elif has sudo; then sudo "$@"; else return 1; fi
}

# The lists of a fresh machine are empty, and those of an old one name versions that are gone.
apt_updated=
apt_update() {
  if [[ -z $apt_updated ]]; then
    as_root apt-get update -q >&2 || die "apt-get update failed; run it as root, check this machine's package sources, then run 'make setup' again"
    apt_updated=yes
  fi
}

apt_offers() {
  has apt-get || return 1
  [[ -n $(apt-cache show "$1" 2>/dev/null) ]] || { apt_update && [[ -n $(apt-cache show "$1" 2>/dev/null) ]]; }
}

# apt_install WHAT-FOR PACKAGES...
apt_install() {
  local purpose=$1
  shift
  has apt-get || die "$purpose is missing and this machine has no apt-get; install what Debian calls: $*"
  say "setup: $purpose is missing: apt-get install $*"
  apt_update
  as_root env DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends "$@" >&2 \
    || die "apt-get could not install $*; install them by hand, then run 'make setup' again"
}

setup_node() {
  { has node && has npm; } || apt_install "Node.js" nodejs npm
  node -e 'const [a, b] = process.versions.node.split(".").map(Number); process.exit(a > 20 || (a === 20 && b >= 19) ? 0 : 1)' \
    || die "Node.js $(node --version) is too old; install 20.19 or newer"
  if [[ ! node_modules/.package-lock.json -nt package-lock.json ]]; then
    say "setup: npm ci"
    PUPPETEER_SKIP_DOWNLOAD=1 npm ci >&2 || die "npm ci failed; check the registry that 'npm config get registry' names"
    touch node_modules/.package-lock.json
  fi
}

setup_rust() {
  if [[ -z $(wasm_toolchain) ]]; then
    # On Debian the packages come from the machine's own sources; rustup downloads from its own host.
    if apt_offers rust-web-src; then
      apt_install "a Rust toolchain for $wasm_target" "${debian_rust_packages[@]}"
    elif has rustup; then
      say "setup: rustup target add $wasm_target"
      rustup target add "$wasm_target" >&2 || die "rustup could not add the target $wasm_target; check its network"
    else
      apt_install "a Rust toolchain for $wasm_target" "${debian_rust_packages[@]}"
    fi
  fi
  # the build with threads makes a standard library with them
  if [[ $(wasm_toolchain) == rustup ]] && ! rustup component list --installed | grep -qx rust-src; then
    say "setup: rustup component add rust-src"
    rustup component add rust-src >&2 || die "rustup could not add rust-src; check its network"
  fi
  has cargo || die "there is a toolchain for $wasm_target but no cargo in PATH; add it to PATH"
}

# The command line tool has to be of the crate's own version.
setup_wasm_bindgen() {
  local version
  version=$(wasm_bindgen_version)
  if [[ -z $(wasm_bindgen_program) ]]; then
    say "setup: wasm-bindgen-cli $version (a few minutes, once)"
    # not --locked: its lock file pins crates that a mirror may not carry
    cargo install wasm-bindgen-cli --version "$version" --root target/tools >&2 \
      || die "cargo install wasm-bindgen-cli --version $version failed; its own message is above"
  fi
}

setup_check() {
  local missing=()
  cargo fmt --version >/dev/null 2>&1 || missing+=(rustfmt)
  cargo clippy --version >/dev/null 2>&1 || missing+=(clippy)
  if ((${#missing[@]})); then
    if has rustup && [[ $(command -v cargo) != /usr/bin/cargo ]]; then
      say "setup: rustup component add ${missing[*]}"
      rustup component add "${missing[@]}" >&2 || die "rustup could not add ${missing[*]}; check its network"
    else
      apt_install "${missing[*]}" rustfmt-web rust-web-clippy
    fi
  fi
  if [[ $(wasm_toolchain) == debian && ! -x /usr/bin/cargo-clippy ]]; then
    apt_install "clippy for $wasm_target" rust-web-clippy
  fi
}

setup_browser() {
  node scripts/browser.mjs >/dev/null 2>&1 || apt_install Chromium chromium
}

setup_model() {
  compgen -G 'models/*.verified' >/dev/null || python3 -m pip --version >/dev/null 2>&1 || apt_install pip python3-pip
}

setup_test() {
  local packages=()
  has firefox-esr || has firefox || packages+=(firefox-esr)
  has WebKitWebDriver || packages+=(webkit2gtk-driver)
  has Xvfb || packages+=(xvfb)
  # any Vulkan driver will do: a real one, or Mesa's software one
  compgen -G '/usr/share/vulkan/icd.d/*.json' >/dev/null || packages+=(mesa-vulkan-drivers)
  compgen -G '/usr/lib/*/libvulkan.so.1' >/dev/null || packages+=(libvulkan1)
  if ((${#packages[@]})); then
    apt_install "what the tests drive" "${packages[@]}"
  fi
}

# Their install scripts compile what they have ready-made anyway.
setup_bundlers() {
  local folder=tests/bundlers
  if [[ ! $folder/node_modules/.package-lock.json -nt $folder/package-lock.json ]]; then
    say "setup: npm ci in $folder"
    npm --prefix "$folder" ci --ignore-scripts >&2 || die "npm ci failed in $folder; check the registry that 'npm config get registry' names"
    touch "$folder/node_modules/.package-lock.json"
  fi
}

for part in "${@:-build}"; do
  case $part in
    node) setup_node ;;
    build) setup_node; setup_rust; setup_wasm_bindgen ;;
    check) setup_check ;;
    browser) setup_browser ;;
    model) setup_model ;;
    test) setup_test ;;
    bundlers) setup_node; setup_bundlers ;;
    *) die "setup.sh does not know '$part'; it can be node, build, check, browser, model, test or bundlers" ;;
  esac
done
