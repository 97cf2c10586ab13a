# `make demo` and `make test` each work alone on a fresh clone: both first bring `make setup`.

PYTHON ?= python3
BIN := .venv/bin
STAMP := .venv/.locked
KERNELS := .venv/.kernels
SOURCES := $(shell find connectors engine operators schemas -name '*.py')

.DEFAULT_GOAL := help
.PHONY: help setup tools demo test test-fast test-kafka kafka lint types check-fast check docs bench lock clean

help: ## list the targets
	@sed -n 's/^\([a-z-]*\):[^#]*## \(.*\)/  make \1	\2/p' $(MAKEFILE_LIST) | expand -t 20

setup: $(KERNELS) ## make .venv with all that is locked, and compile; PYTHON=python3.12 to choose one

$(KERNELS): $(STAMP) $(SOURCES)
	$(BIN)/python -m tapeflow.flows.cli.build_kernels
	touch $@

$(STAMP): requirements.lock pyproject.toml
	$(PYTHON) -c 'import sys; v = sys.version_info[:2]; assert (3, 11) <= v < (3, 13), "Tapeflow needs Python 3.11 or 3.12: make setup PYTHON=python3.12"'
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	$(BIN)/python -m compileall -q schemas engine operators connectors flows strategies tapeflow
	touch $@

tools: ## install what some tests use: a browser, tmux, promtool (Debian, as root); without them these are skipped
	@missing=; for each in chromium tmux promtool; do command -v $$each >/dev/null || missing="$$missing $$each"; done; \
	test -z "$$missing" || { test "$$(id -u)" = 0 && command -v apt-get >/dev/null \
		&& apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends \
			chromium fonts-dejavu-core tmux prometheus >/dev/null; } \
	|| echo "make tools: could not install$$missing: tests that use them are skipped"

demo: setup ## trade a synthetic market of three venues through an embedded Kafka
	$(BIN)/tapeflow demo

test: test-fast ## run all tests
	$(BIN)/python -m pytest -m "slow or kafka"

test-fast: setup ## run the tests that take seconds, on two cores
	$(BIN)/python -m pytest -m "not slow and not kafka" -n 2 --dist worksteal

test-kafka: setup ## run the tests against a real Kafka
	$(BIN)/python -m pytest -m kafka -rs

kafka: setup ## start Apache Kafka on 127.0.0.1:9092, from Maven Central jars: no Docker
	$(BIN)/python -m bench.real_kafka.broker

lint: setup ## check format and style
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .

types: setup ## check types
	$(BIN)/mypy

check-fast: lint types test-fast ## check everything that takes seconds, before a commit

check: lint types test ## check everything, as CI does

docs: setup ## write docs/reference/ from the code
	$(BIN)/python -m docs.generate

bench: setup ## measure a replay of a million records
	$(BIN)/python -m bench.replay

lock: ## write requirements.lock after a change of pyproject.toml; needs uv
	uv pip compile pyproject.toml --extra fast --extra see --extra dev --universal --generate-hashes --python-version 3.11 \
		--no-header --no-emit-index-url --output-file requirements.lock

clean: ## delete .venv and what was built
	rm -rf .venv build *.egg-info engine/kernels.so
