# `make demo` and `make test` build their own environment in .venv from nothing.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed

.PHONY: demo test test-slow bench bench-dpmesh bench-refine lint clean

$(STAMP): pyproject.toml
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --quiet -e ".[test,lint,train]"
	touch $(STAMP)

demo: $(STAMP)
	$(BIN)/dpmesh-video demo --output out

test: $(STAMP)
	$(BIN)/python -m pytest

test-slow: $(STAMP)
	$(BIN)/python -m pytest -m slow

bench-dpmesh: $(STAMP)
	$(BIN)/python -m dpmesh.bench

bench-refine: $(STAMP)
	$(BIN)/python -m refine.bench
	$(BIN)/python -m pipeline.bench refine-memory

bench: $(STAMP)
	$(BIN)/python -m pipeline.bench

lint: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/mypy

clean:
	rm -rf $(VENV) out
