# The front of the build: CMakePresets.json, tools/ and bench/ do the work. `make help` lists the targets.
PREFIX ?= /usr/local
JOBS ?= $(shell nproc)
PYTHON := build/venv/bin/python

.NOTPARALLEL:
.SUFFIXES:
.DEFAULT_GOAL := all

.PHONY: help
help: ## list the targets
	@sed -n 's/^\([a-z][a-z-]*\):[^#]*## /\1\t/p' $(MAKEFILE_LIST) | while IFS='	' read -r name text; do \
		printf '  %-16s %s\n' "$$name" "$$text"; done

.PHONY: setup
setup: ## install and fetch what building and checking need (apt, pip, npm, cargo); says what it does
	tools/setup

.PHONY: prepare
prepare:
	tools/third-party
	tools/engine

.PHONY: all
all: prepare ## build the program (build/bin/codeanatomy) and the library (build/lib), optimized
	cmake --preset release >/dev/null
	cmake --build --preset release -j $(JOBS)

.PHONY: dev
dev: prepare ## build with AddressSanitizer and UndefinedBehaviorSanitizer, warnings as errors (build/dev)
	cmake --preset dev >/dev/null
	cmake --build --preset dev -j $(JOBS)

.PHONY: engine
engine: ## build the Rust shim alone (build/engine); 20 minutes once a machine
	tools/engine

.PHONY: demo
demo: ## on a fresh machine: set up, build, read Django, answer a question about it
	tools/demo

.PHONY: check
check: ## set up, build, run every static check and every test; the last line counts them
	tools/check

.PHONY: check-static
check-static: ## the static checks alone: all of the check-* that follow
	tools/check static

.PHONY: check-format check-tidy check-clippy check-rustfmt check-ruff check-pyright check-shell check-layers check-banned hdr-check
check-format: ## layout of C files (clang-format)
	tools/check format
check-tidy: ## clang-tidy; files that passed before are not looked at again
	tools/check tidy
check-clippy: ## clippy over shim/, warnings denied
	tools/check clippy
check-rustfmt: ## layout of Rust files
	tools/check rustfmt
check-ruff: ## ruff over Python files: lint and layout
	tools/check ruff
check-pyright: ## pyright over Python files
	tools/check pyright
check-shell: ## shellcheck over shell scripts
	tools/check shell
check-layers: ## the layer law of cmake/rooms.cmake, by includes and by symbols
	tools/check layers
check-banned: ## functions and habits that STYLE.md rules out
	tools/check banned
hdr-check: ## every header compiles alone
	tools/check headers

.PHONY: check-shim
check-shim: ## the Rust tests of shim/tests: what the engine's crates do without ours
	tools/check shim

.PHONY: check-unit
check-unit: ## the C unit tests, with sanitizers
	tools/check unit

.PHONY: check-data
check-data: ## the tests in Python: slt, corpus, cli, oracle, determinism
	tools/check data

.PHONY: format
format: ## lay out C, Rust and Python files
	find src include cli worker python shim/include tools tests examples bench -name '*.[ch]' -exec clang-format-14 -i {} +
	cargo fmt --manifest-path shim/Cargo.toml
	$(PYTHON) -m ruff format --config tools/ruff.toml .

.PHONY: fuzz
fuzz: prepare ## build the fuzz targets of tests/fuzz (build/fuzz/fuzz)
	cmake --preset fuzz >/dev/null
	cmake --build --preset fuzz -j $(JOBS)

.PHONY: cov
cov: prepare ## line coverage of the unit tests
	cmake --preset cov >/dev/null
	cmake --build --preset cov -j $(JOBS)
	find build/cov -name '*.gcda' -delete # counts of another build or run
	ctest --preset cov
	$(PYTHON) -m gcovr --root . --object-directory build/cov --filter src/ --print-summary build/cov

.PHONY: bench
bench: all ## speed and memory on requests, django and sympy, with the floor, and of large catalogs; one JSON line a result
	tools/python-env >/dev/null
	CODEANATOMY=$(CURDIR)/build/bin/codeanatomy CA_SOURCE_DIR=$(CURDIR) CA_BUILD_DIR=$(CURDIR)/build \
		CA_CORPORA="$$(tools/corpora)" $(PYTHON) bench/run.py
	CODEANATOMY=$(CURDIR)/build/bin/codeanatomy CA_CORPORA="$$(tools/corpora)" $(PYTHON) bench/catalog.py

.PHONY: install
install: all ## install program, library, headers and pkg-config file under PREFIX (default /usr/local); DESTDIR is honoured
	cmake --install build/release --prefix $(PREFIX) --strip

.PHONY: lock
lock: ## pin the Python packages of tools/requirements/test.in anew
	python3 -m venv build/lock
	build/lock/bin/python -m pip install --quiet pip-tools
	cd tools/requirements && ../../build/lock/bin/pip-compile --quiet --generate-hashes --strip-extras --upgrade \
		--no-emit-index-url --no-emit-find-links --no-annotate --no-header --output-file test.txt test.in

.PHONY: clean
clean: ## remove build/; the cache outside the checkout stays
	rm -rf build
