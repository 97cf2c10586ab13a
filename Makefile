# `make demo` and `make test` each work alone on a fresh clone: both first bring `make setup`.

PYTHON ?= python3
BIN := .venv/bin
STAMP := .venv/.locked

.PHONY: setup demo test test-fast kafka test-kafka check lint types bench lock clean

setup: $(STAMP)

$(STAMP): requirements.lock pyproject.toml
	$(PYTHON) -c 'import sys; v = sys.version_info[:2]; assert (3, 11) <= v < (3, 13), "Tapeflow needs Python 3.11 or 3.12: make setup PYTHON=python3.12"'
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	touch $@

demo: setup
	$(BIN)/tapeflow demo

test: setup
	$(BIN)/python -m pytest -m "not slow and not kafka"
	$(BIN)/python -m pytest -m "slow or kafka"

kafka: setup  # one Apache Kafka broker on 127.0.0.1:9092, from Maven Central jars: no Docker
	$(BIN)/python -m bench.real_kafka.broker

test-kafka: setup
	$(BIN)/python -m pytest -m kafka -rs

test-fast: setup
	$(BIN)/python -m pytest -m "not slow and not kafka"

lint: setup
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .

types: setup
	$(BIN)/mypy

check: lint types test

bench: setup
	$(BIN)/python -m bench.replay

lock:  # after a change of pyproject.toml; needs uv
	uv pip compile pyproject.toml --extra fast --extra dev --universal --generate-hashes --python-version 3.11 \
		--no-header --no-emit-index-url --output-file requirements.lock

clean:
	rm -rf .venv build *.egg-info
