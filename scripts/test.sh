#!/usr/bin/env bash
# Every test, in stages, and one line that counts them all: "N passed, N failed". A stage that runs no test, or
# that ends badly without naming a failed test, counts as one failure.
#   scripts/test.sh [STAGE...]    names of stages, all of them without any
# A stage that passed is not run again while nothing has changed that any stage depends on: the files of the project,
# the model, the browsers and the compiler. FORCE=1 runs it all the same.
source "$(dirname "${BASH_SOURCE[0]}")/toolchain.sh"

passed=0 failed=0 skipped=0
summary=() broken=()
out=tests/out
mkdir -p "$out"

# sums a column of every "test result:" line of cargo, or of node's summary
count() { # count FILE WORD
  sed -nE "s/^test result: .* ([0-9]+) $2[;,].*/\1/p; s/^(# |ℹ )$3 ([0-9]+)$/\2/p" "$1" | awk '{ sum += $1 } END { print sum + 0 }'
}

# one hash of all that a test's outcome can depend on; papers are left out
fingerprint() {
  {
    git ls-files --cached --others --exclude-standard -z -- ':!*.md' ':!docs/*.png' |
      while IFS= read -rd '' file; do [[ -f $file ]] && printf '%s\0' "$file"; done | xargs -0 sha256sum
    cat models/*.verified 2>/dev/null || true
    cargo --version
    node --version
    "$CHROMIUM" --version 2>/dev/null || true
    firefox-esr --version 2>/dev/null || true
    command -v WebKitWebDriver || true
  } | sha256sum | cut -d' ' -f1
}

stage() { # stage NAME COMMAND...
  local name=$1 log="$out/$1.log" proof="$out/$1.passed" status=0 p f s start=$SECONDS
  shift
  if ((${#wanted[@]})) && [[ " ${wanted[*]} " != *" $name "* ]]; then
    return
  fi
  printf '\n=== %s: %s\n' "$name" "$*"
  if [[ -z ${FORCE:-} && -f $proof ]] && read -r print p s <"$proof" && [[ $print == "$inputs" ]]; then
    echo "not run again: $p tests passed and nothing has changed since (FORCE=1 runs them)"
    passed=$((passed + p)) skipped=$((skipped + s))
    summary+=("$(printf '%-10s %5d passed, unchanged' "$name" "$p")")
    return
  fi
  rm -rf "$proof" "$out/measured/$name"
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
  ((f)) || echo "$inputs $p $s" >"$proof"
  ((f)) && broken+=("$name")
  passed=$((passed + p)) failed=$((failed + f)) skipped=$((skipped + s))
  summary+=("$(printf '%-10s %5d passed %4d failed %4d skipped  %4d s' "$name" "$p" "$f" "$s" $((SECONDS - start)))")
}

wanted=("$@")
# the same Chromium for all; a missing one is a failure, never a skipped test
CHROMIUM=$(node scripts/browser.mjs)
export CHROMIUM PAGELM_CHROMIUM=$CHROMIUM PAGELM_REQUIRE_BROWSER=1
inputs=$(fingerprint)
# compiled with lints, as `make check` has it already
stage rust with_lints cargo test --no-fail-fast
stage grammar with_lints cargo test --no-fail-fast --package pagelm-grammar
stage server node --test --test-reporter=spec tests/server/*.test.mjs
stage package npm --prefix pkg test
stage release node --test --test-reporter=spec tests/release/*.test.mjs
# two files at a time: most of them wait for one core, or for a server that misbehaves
stage browser node --test --test-reporter=spec --test-concurrency=2 tests/ops/*.test.mjs tests/browser/*.test.mjs
stage bundlers node tests/bundlers/run.mjs --quick
stage page node --test --test-reporter=spec --test-concurrency=2 www/test/*.test.mjs

echo
# what all stages together measured, in one table; a cell that is missing is a failure
if ((${#wanted[@]} == 0)) && ! node scripts/table.mjs | tee "$out/table.txt"; then
  failed=$((failed + 1))
  summary+=('table         is not complete')
fi
# what failed and why, once more, at the end where it is looked for
for name in "${broken[@]}"; do
  printf '=== %s: what failed\n' "$name"
  sed -nE '/^✖ failing tests:/,$p; /^failures:/,$p' "$out/$name.log" | head -60
done
((${#summary[@]})) || die "no stage is called ${wanted[*]}; there are rust, grammar, server, package, release, browser, bundlers and page"
printf '%s\n' "${summary[@]}"
echo
echo "$passed passed, $failed failed, $skipped skipped"
((failed == 0))
