#!/usr/bin/env bash
# pkg/src/*.ts -> docs/api/, the reference of every entry point. Fails on a comment that links to nothing.
#   scripts/build-docs.sh [TYPEDOC-FLAGS...]    such as --out FOLDER
source "$(dirname "${BASH_SOURCE[0]}")/say.sh"

cd docs/reference
if [[ ! node_modules/.package-lock.json -nt package-lock.json ]]; then
  say "docs: npm ci in docs/reference/"
  npm ci --ignore-scripts || die "npm ci failed in docs/reference/; check the registry that 'npm config get registry' names"
  touch node_modules/.package-lock.json
fi
# the types of libraries that an entry point is made for
[[ -d ../../pkg/node_modules ]] || npm --prefix ../../pkg ci --ignore-scripts
node_modules/.bin/typedoc --logLevel Warn "$@"
(($#)) || say "docs: docs/api/index.html"
