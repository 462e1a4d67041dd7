#!/usr/bin/env bash
# Every test, in stages, and one line that counts them all: "N passed, N failed". A stage that runs no test, or
# that ends badly without naming a failed test, counts as one failure.
#   scripts/test.sh [STAGE...]    names of stages, all of them without any
source "$(dirname "${BASH_SOURCE[0]}")/say.sh"

passed=0 failed=0 skipped=0
summary=()
out=tests/out
mkdir -p "$out"

# sums a column of every "test result:" line of cargo, or of node's summary
count() { # count FILE WORD
  sed -nE "s/^test result: .* ([0-9]+) $2[;,].*/\1/p; s/^(# |ℹ )$3 ([0-9]+)$/\2/p" "$1" | awk '{ sum += $1 } END { print sum + 0 }'
}

stage() { # stage NAME COMMAND...
  local name=$1 log="$out/$1.log" status=0 p f s start=$SECONDS
  shift
  if ((${#wanted[@]})) && [[ " ${wanted[*]} " != *" $name "* ]]; then
    return
  fi
  printf '\n=== %s: %s\n' "$name" "$*"
  "$@" 2>&1 | tee "$log" || status=$?
  p=$(count "$log" passed pass)
  f=$(count "$log" failed fail)
  s=$(($(count "$log" ignored skipped)))
  if ((status != 0 && f == 0)); then
    echo "$name: ended with status $status and no failed test"
    f=1
  elif ((p + f == 0)); then
    echo "$name: ran no test"
    f=1
  fi
  passed=$((passed + p)) failed=$((failed + f)) skipped=$((skipped + s))
  summary+=("$(printf '%-10s %5d passed %4d failed %4d skipped  %4d s' "$name" "$p" "$f" "$s" $((SECONDS - start)))")
}

wanted=("$@")
# the same Chromium for all; a missing one is a failure, never a skipped test
CHROMIUM=$(node scripts/browser.mjs)
export CHROMIUM PAGELM_CHROMIUM=$CHROMIUM PAGELM_REQUIRE_BROWSER=1
stage rust cargo test --no-fail-fast
stage server node --test --test-reporter=spec tests/server/*.test.mjs
stage package npm --prefix pkg test
stage ops node --test --test-reporter=spec --test-concurrency=1 tests/ops/*.test.mjs
# one at a time: they share two cores, and timing is part of what some of them check
stage browser node --test --test-reporter=spec --test-concurrency=1 tests/browser/*.test.mjs
stage page node --test --test-reporter=spec www/test/*.test.mjs

echo
((${#summary[@]})) || die "no stage is called ${wanted[*]}; there are rust, server, package, ops, browser and page"
printf '%s\n' "${summary[@]}"
echo
echo "$passed passed, $failed failed, $skipped skipped"
((failed == 0))
