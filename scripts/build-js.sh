#!/usr/bin/env bash
# pkg/src/*.ts -> pkg/dist/*.js and their types
source "$(dirname "${BASH_SOURCE[0]}")/say.sh"

cd pkg
if [[ ! node_modules/.package-lock.json -nt package-lock.json ]]; then
  say "build: npm ci in pkg/"
  npm ci || die "npm ci failed in pkg/; check the registry that 'npm config get registry' names"
  mkdir -p node_modules && touch node_modules/.package-lock.json
fi
say "build: npm run build in pkg/"
npm run --silent build
