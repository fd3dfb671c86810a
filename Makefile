# Thin: CMake builds, tests/run tests, deploy/ runs the stack.  `make help` lists what there is.

export HOME := $(or $(HOME),$(shell getent passwd $$(id -u) | cut -d: -f6))
export CMAKE_C_COMPILER_LAUNCHER := ccache

PREFIX ?= /usr/local
PROGRAM = build/release/walberg
LIBRARY = $(shell ldd $(PROGRAM) | awk '/libduckdb/ { print $$3 }')

# The form of the stack: that which is up, else docker where a container engine answers, else native.
FORM ?= $(or $(shell sed -n 's/^FORM=//p' "$${STACK_DIR:-.stack}/ports" 2>/dev/null),$\
	$(shell docker info >/dev/null 2>&1 && echo docker || echo native))
STACK_native = deploy/stack
STACK_docker = deploy/containers
STACK = $(or $(STACK_$(FORM)),$(error FORM=$(FORM) is neither native nor docker))

.DEFAULT_GOAL := program
.PHONY: program install setup test test-long fuzz bench demo docs format help build up down ps logs \
	restart init-minio verify-cdc test-cdc monitor-kafka sample-data clean

##@ walberg

program: setup ## the program, at build/walberg (what "make" makes)
	@cmake --preset release >/dev/null
	@ninja -C build/release walberg
	@ln -sfn release/walberg build/walberg

install: ## what "make" built, for every user: PREFIX/bin/walberg (PREFIX=/usr/local)
	@test -x $(PROGRAM) || { echo 'nothing is built; run "make" first' >&2; exit 1; }
	@install -D $(PROGRAM) $(DESTDIR)$(PREFIX)/lib/walberg/walberg
	@install -D -m 644 -t $(DESTDIR)$(PREFIX)/lib/walberg $(LIBRARY)
	@install -d $(DESTDIR)$(PREFIX)/bin
	@ln -sfn ../lib/walberg/walberg $(DESTDIR)$(PREFIX)/bin/walberg

setup: ## install what is missing to build, run and try
	@tools/setup

test: ## all tests, in their short form (at most 15 minutes on two cores)
	@tools/setup tests
	@tests/run

test-long: ## all tests, in full length
	@tools/setup long
	@tests/run --long

fuzz: ## each fuzz target for FUZZ_SECONDS (60); fails on a crash
	@tools/setup tests
	@tests/fuzz

bench: program ## the measurements of bench/
	@tools/setup tests
	@bench/run $(BENCH)

demo: program ## a private PostgreSQL with a shop, and its lake (DEMO_SECONDS=20 ends by itself)
	@demo/run

docs: program ## the references that are made from the program's tables
	@build/walberg --help=configuration >docs/configuration.md
	@build/walberg --help=metrics >docs/metrics.md

format: ## clang-format on every C source
	@tools/setup tests
	@git ls-files -co --exclude-standard '*.c' '*.h' | xargs clang-format -i

##@ the stack: PostgreSQL, Kafka, Flink, MinIO and walberg (FORM=native or docker)

build: ## everything that the stack runs: walberg and the servers, or their images
	@$(STACK) build

up: ## start it, and wait until it answers; the addresses are then in .stack/env
	@$(STACK) up

down: ## stop it; the data stay
	@$(STACK) down

ps: ## what runs, where, and with how much memory
	@$(STACK) ps

logs: ## the end of every service's log; logs-NAME is one's
	@$(STACK) logs

logs-%:
	@$(STACK) logs $*

restart: ## stop and start it; restart-NAME is one service
	@$(STACK) restart

restart-%:
	@$(STACK) restart $*

init-minio: ## make MinIO's buckets where they are missing
	@STACK=$(STACK) scripts/init-minio

sample-data: ## load the sample shop (scripts/init-db.sql); may be repeated
	@STACK=$(STACK) scripts/sample-data

verify-cdc: ## whether changes can flow: wal_level, publication, slot, lag, tables
	@STACK=$(STACK) scripts/verify-cdc.sh

test-cdc: ## change a row, and see the changes arrive in the lake
	@STACK=$(STACK) scripts/test-cdc

monitor-kafka: ## the decoded changes as they come; Ctrl-C ends it
	@STACK=$(STACK) scripts/monitor-kafka.sh

clean: ## stop the stack and remove its data, and build/
	@$(STACK) clean
	@rm -rf build

##@

help: ## this list
	@awk -F ':.*## ' '/^##@ ./ { print substr($$0, 5) ":" } \
		/^[a-z-]+:.*## / { printf "  make %-14s %s\n", $$1, $$2 }' Makefile
