# Sourced: which wasm-bindgen. Its version is stated once, by the crate in Cargo.lock.
wasm_bindgen_version() {
  awk '$0 == "name = \"wasm-bindgen\"" { getline; gsub(/version = |"/, ""); print; exit }' Cargo.lock
}

# prints the program of that version; nothing when there is none
wasm_bindgen_program() {
  local version candidate
  version=$(wasm_bindgen_version)
  [[ -n $version ]] || die "Cargo.lock names no wasm-bindgen; restore it with 'git checkout Cargo.lock'"
  for candidate in wasm-bindgen target/tools/bin/wasm-bindgen; do
    if [[ $("$candidate" --version 2>/dev/null) == "wasm-bindgen $version" ]]; then
      echo "$candidate"
      return
    fi
  done
}
