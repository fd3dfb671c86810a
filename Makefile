# Thin: CMake builds, tests/run tests.  `make help` lists what there is.

export HOME := $(or $(HOME),$(shell getent passwd $$(id -u) | cut -d: -f6))
export CMAKE_C_COMPILER_LAUNCHER := ccache

PREFIX ?= /usr/local
LIBRARY = $(shell ldd build/release/walberg | awk '/libduckdb/ { print $$3 }')

.PHONY: build install setup test test-long fuzz bench demo docs format clean help

build: setup ## the program, at build/walberg (default)
	@cmake --preset release >/dev/null
	@ninja -C build/release walberg
	@ln -sfn release/walberg build/walberg

install: ## what "make" built, for every user: PREFIX/bin/walberg (PREFIX=/usr/local)
	@test -x build/release/walberg || { echo 'nothing is built; run "make" first' >&2; exit 1; }
	@install -D -t $(DESTDIR)$(PREFIX)/lib/walberg build/release/walberg
	@install -D -m 644 -t $(DESTDIR)$(PREFIX)/lib/walberg $(LIBRARY)
	@install -d $(DESTDIR)$(PREFIX)/bin
	@ln -sfn ../lib/walberg/walberg $(DESTDIR)$(PREFIX)/bin/walberg

setup: ## install what is missing to build, run and try
	@tools/setup

test: ## all tests, in their short form (at most 15 minutes on two cores)
	@tools/setup tests
	@tests/run

test-long: ## all tests, in full length
	@tools/setup tests
	@tests/run --long

fuzz: ## each fuzz target for FUZZ_SECONDS (60); fails on a crash
	@tools/setup tests
	@tests/fuzz

bench: build ## the measurements of bench/
	@tools/setup tests
	@bench/run $(BENCH)

demo: build ## a private PostgreSQL with a shop, and its lake (DEMO_SECONDS=20 ends by itself)
	@demo/run

docs: build ## the references that are made from the program's tables
	@build/walberg --help=configuration >docs/configuration.md

format: ## clang-format on every C source
	@tools/setup tests
	@git ls-files -co --exclude-standard '*.c' '*.h' | xargs clang-format -i

clean: ## remove build/
	@rm -rf build

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' Makefile
