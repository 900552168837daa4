# `make demo` and `make test` build their own environment in .venv from nothing.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed

ULTRALYTICS_LOWEST := 8.4.0

.PHONY: demo test test-slow test-offline test-ultralytics fuzz bench bench-dpmesh bench-refine lint docs dist constraints clean mutants

$(STAMP): pyproject.toml
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --quiet -e ".[test,lint,train]"
	touch $(STAMP)

demo: $(STAMP)
	$(BIN)/dpmesh-video demo --output out

test: $(STAMP)
	$(BIN)/python -m pytest -n auto --dist worksteal

test-slow: $(STAMP)
	$(BIN)/python -m pytest -m slow

# Damaged and hostile files, others every time: EXAMPLES of each kind for whole commands, five times as many for the
# readers alone. Each case takes up to two seconds of a core.
EXAMPLES ?= 100
fuzz: $(STAMP)
	DPMESH_FUZZ_RANDOM=1 DPMESH_FUZZ_EXAMPLES=$(EXAMPLES) $(BIN)/python -m pytest -m slow tests/fuzz -n auto

# The suite with hosts and foreign programs forbidden, in every process that it starts too.
test-offline: $(STAMP)
	DPMESH_OFFLINE=1 $(BIN)/python -m pytest

# The detector's tests with the lowest Ultralytics that pyproject.toml lets in, laid before the installed one.
test-ultralytics: $(STAMP)
	rm -rf $(VENV)/ultralytics-lowest
	$(BIN)/python -m pip install --quiet --no-deps --target $(VENV)/ultralytics-lowest ultralytics==$(ULTRALYTICS_LOWEST)
	PYTHONPATH=$(VENV)/ultralytics-lowest $(BIN)/python -m pytest tests/trackers/test_detector.py \
		tests/trackers/test_pose_checkpoint.py tests/trackers/test_weights.py

bench-dpmesh: $(STAMP)
	$(BIN)/dpmesh-video bench network

bench-refine: $(STAMP)
	$(BIN)/dpmesh-video bench refinement
	$(BIN)/dpmesh-video bench refine-memory

# Small changes of the core, for BUDGET_S seconds: how many of them does no test notice? (tests/mutants/run.py)
BUDGET_S ?= 600
SEED ?= 0
mutants: $(STAMP)
	nice -n 19 $(BIN)/python tests/mutants/run.py --budget-s $(BUDGET_S) --seed $(SEED) $(MODULES)

# The demo clip with the bundled models, and a real clip of three people with YOLOv8n-pose where the test data lie.
DATA := $(DPMESH_TEST_DATA)/data
bench: $(STAMP)
	$(BIN)/dpmesh-video bench line
	test -z "$(DPMESH_TEST_DATA)" || $(BIN)/dpmesh-video bench line --clip $(DATA)/videos/intel_store-aisle-detection.gif \
		--detector $(DATA)/weights/yolov8n-pose-dequant.pt --long-s 0

lint: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/mypy

# The documentation as a site, in site/; a broken link is an error.
docs: $(STAMP)
	$(BIN)/python -m pip install --quiet -e ".[docs]"
	$(BIN)/python docs/import_graph.py --write docs/architecture.md
	$(BIN)/python -m mkdocs build

# An sdist, and the wheel that is built from it.
dist: $(STAMP)
	rm -rf build dist
	$(BIN)/python -m pip install --quiet build
	$(BIN)/python -m build --outdir dist

# The versions in .venv, as the set that is known to work: after `make clean test`.
constraints: $(STAMP)
	{ echo "# Versions that passed the test suite together, on Linux x86-64 with Python 3.11. Made by: make constraints"; \
	  $(BIN)/python -m pip freeze --all --exclude pip --exclude-editable --exclude build --exclude pyproject_hooks; } > constraints.txt

clean:
	rm -rf $(VENV) out site
