# make setup, make demo, make test: all that a new reader needs. `make help` lists the rest.
PYTHON ?= python3
VENV ?= .venv
# More pytest options: make test PYTEST_ARGS="--junitxml=report.xml"
PYTEST_ARGS ?=
WORKERS ?= 2
# A file stays on one worker: else each of them builds and compiles what its tests share. The files
# come in the order of tests/conftest.py, not by their number of tests.
XDIST := -n $(WORKERS) --dist loadfile --no-loadscope-reorder
EXTRAS ?= cell,test

BIN := $(VENV)/bin

.DEFAULT_GOAL := help
.PHONY: help setup demo test test-peers sanitize check bench clean
.PHONY: check-lint check-format check-types check-layers check-structure check-ledger
# Matplotlib wants a folder that it can write, also where the home folder cannot be written.
export MPLCONFIGDIR ?= $(CURDIR)/.cache/matplotlib

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: $(VENV)/.installed ## make the virtual environment and install gradion in it

$(VENV)/.installed: pyproject.toml
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --editable '.[$(EXTRAS)]'
	touch $@

demo: setup ## fit a cell to a measured discharge and write a report
	$(BIN)/gradion fit examples/enertech/fit.toml

test: setup ## fast tier: all but the markers peers and slow; at most 10 minutes
	$(BIN)/python -m pytest $(XDIST) -m "not peers and not slow" $(PYTEST_ARGS)

test-peers: $(VENV)/.installed-peers ## the tests that run outside programs live
	PYBAMM_DISABLE_TELEMETRY=true $(BIN)/python -m pytest -m peers $(PYTEST_ARGS)

$(VENV)/.installed-peers: $(VENV)/.installed
	$(BIN)/python -m pip install --quiet --editable '.[$(EXTRAS),peers]'
	touch $@

sanitize: setup ## the tests of native code under AddressSanitizer and UBSan; needs g++
	$(BIN)/python tools/sanitize.py tests/native -q $(XDIST) $(PYTEST_ARGS)

check: check-lint check-format check-types check-layers check-structure check-ledger ## all checks that run no test

check-lint: setup
	$(BIN)/ruff check .

check-format: setup
	$(BIN)/ruff format --check .

check-types: setup
	$(BIN)/mypy

check-layers: setup
	$(BIN)/lint-imports

check-structure: setup
	$(BIN)/python tools/check_structure.py

check-ledger: setup
	$(BIN)/python tools/check_ledger.py --static

bench: setup ## run the benchmarks and print their tables
	for file in benchmarks/*.py; do $(BIN)/python "$$file" || exit 1; done

clean: ## remove what the commands made, the virtual environment excepted
	rm -rf build dist out .ci/out .cache .mypy_cache .pytest_cache .ruff_cache .hypothesis .import_linter_cache
	find src tests tools -name __pycache__ -type d -prune -exec rm -rf {} +
