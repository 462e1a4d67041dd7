# pagelm's commands; `make` alone lists them. Everything a target needs and does not find, it installs.
SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
# cargo uses all cores itself, and the browser tests measure time
.NOTPARALLEL:

# what a target takes from the command line or the environment, passed on unread by the shell
ask: export PROMPT := $(value PROMPT)
export PORT BACKEND MODEL MAX_TOKENS
shapes: export SHAPES := $(value SHAPES)

# folders are listed too: theirs is the only time stamp that changes when a file is removed
wasm := pkg/dist/wasm/pagelm_bg.wasm
js := pkg/dist/index.js
wasm_sources := Cargo.toml Cargo.lock build.rs scripts/build-wasm.sh scripts/toolchain.sh $(shell find src shaders grammar)
js_sources := $(wildcard pkg/*.json) pkg/bundle.mjs $(shell find pkg/src)

.PHONY: help setup build model defaultmodel demo site ask check test test-all crash bench lighthouse shapes docs size clean distclean

help: ## list the targets
	@sed -nE 's/^([a-z-]+):.*## (.*)/make \1\t\2/p' $(MAKEFILE_LIST) | expand -t 18

setup: ## install whatever is missing for all of the others
	@scripts/setup.sh build check browser model test bundlers
	@echo "setup: everything is there; wasm by $$(scripts/toolchain.sh)"

build: ## the npm package in pkg/, ready to import from pkg/dist/index.js
	@scripts/setup.sh build
	@$(MAKE) --no-print-directory --silent $(js)
	@echo "build: pkg/ is up to date"

$(wasm): $(wasm_sources)
	@scripts/build-wasm.sh
	@touch $@

$(js): $(js_sources) scripts/build-js.sh $(wasm)
	@scripts/build-js.sh
	@touch $@

model: defaultmodel ## the default model and another that tests need (253 MB), in models/
	@node scripts/model.mjs gemma-3-270m

defaultmodel:
	@scripts/setup.sh node model
	@node scripts/model.mjs

demo: build defaultmodel ## serve the chat page (PORT=8080, or the next free one)
	@node scripts/demo.mjs

site: build $(if $(MODEL),defaultmodel) ## the chat page as plain files for any static host, in site/; MODEL=1: with the default model in it
	@scripts/setup.sh node
	@node scripts/site.mjs $(if $(MODEL),--model)

ask: build defaultmodel ## one question in a headless Chromium: PROMPT="..." [BACKEND=auto|webgpu|cpu] [MODEL=file.gguf] [MAX_TOKENS=512]
	@scripts/setup.sh browser
	@node scripts/ask.mjs

check: build ## format, lints, types
	@scripts/setup.sh check bundlers
	@scripts/check.sh

test: check model ## everything: the checks, then every test on the host and in the browsers
	@scripts/setup.sh browser test bundlers
	@scripts/test.sh

test-all: test ## the same, and the app built with every bundler
	@CHROMIUM=$$(node scripts/browser.mjs) PAGELM_REQUIRE_BROWSER=1 node tests/bundlers/run.mjs

crash: build ## kill the browser while it stores a model (KILLS=50)
	@scripts/setup.sh browser
	@PAGELM_KILLS=$(or $(KILLS),50) node --test --test-reporter=spec tests/browser/crash.test.mjs

bench: build defaultmodel ## measure speed
	@scripts/setup.sh browser
	@node tests/bench/bench.mjs

lighthouse: build ## hold the chat app against Lighthouse, as a phone and as a desktop; fails below 95
	@scripts/setup.sh browser
	@node tests/lighthouse/run.mjs

shapes: build ## models of whole sizes with random weights: memory, or why they are refused; SHAPES="qwen3-4b:Q8_0 --backends=cpu"
	@scripts/setup.sh browser
	@node tests/shapes/run.mjs $$SHAPES

docs: ## the reference of the package's API, in docs/api
	@scripts/setup.sh node
	@scripts/build-docs.sh

size: build ## what a page downloads for a first chat and for each entry point, against the budgets
	@node scripts/size.mjs

clean: ## remove what was built; keep the model and the tools
	rm -rf pkg/build pkg/dist site docs/api tests/out tests/bundlers/out $(or $(CARGO_TARGET_DIR),target/{release,debug,tmp,relaxed,threads,wasm32-unknown-unknown,x86_64-unknown-linux-gnu})

distclean: clean ## remove everything that was downloaded or installed here as well
	rm -rf target models node_modules pkg/node_modules tests/{bundlers,lighthouse}/node_modules docs/reference/node_modules
