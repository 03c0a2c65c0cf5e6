# Everything a newcomer and the checks need; `make help` lists it.
PORT ?= 8765
DATA ?= ./data
PYTHON ?= python3
UV ?= $(shell command -v uv 2>/dev/null)
BIN := .venv/bin
READY := .venv/ready

.DEFAULT_GOAL := help
.PHONY: help setup demo test kill-loop check format bench lock clean

help: ## what can be made
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /\1|/' | awk -F'|' '{printf "  make %-10s %s\n", $$1, $$2}'

setup: $(READY) ## install everything into .venv (nothing is done where it is up to date)

$(READY): requirements.txt pyproject.toml
ifeq ($(UV),)
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "OpenSMM needs Python 3.11 or newer; set PYTHON=...")'
	@test -x $(BIN)/pip || { echo "setup: making .venv"; $(PYTHON) -m venv --clear .venv; }
	@echo "setup: installing the locked dependencies with pip (about half a minute)"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.txt
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
else
	@test -x $(BIN)/python || { echo "setup: making .venv"; $(UV) venv --quiet --python '>=3.11' .venv; }
	@echo "setup: installing the locked dependencies with uv"
	@$(UV) pip sync --quiet --python $(BIN)/python --require-hashes requirements.txt
	@$(UV) pip install --quiet --python $(BIN)/python --no-deps --no-build-isolation -e .
endif
	@touch $@
	@echo "setup: ready, $(BIN)/opensmm"

demo: setup ## a working panel with a sandbox provider (PORT=8765 DATA=./data)
	@$(BIN)/opensmm demo --port $(PORT) --data $(DATA)

test: setup ## run the tests
	@$(BIN)/pytest -q

check: setup ## format, lint and types
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/mypy
	@$(BIN)/mypy tests

format: setup ## put the code into its format
	@$(BIN)/ruff check --fix-only --quiet .
	@$(BIN)/ruff format .

KILLS ?= 1000
kill-loop: setup ## kill the processes of a demo at random, KILLS times (1000)
	@OPENSMM_TEST_KILLS=$(KILLS) $(BIN)/pytest -q -s tests/faults/test_kill_loop.py

bench: setup ## measure the speed (bench.json and docs/performance.md)
	@$(BIN)/opensmm bench

lock: ## make requirements.txt from requirements.in again (needs uv)
	@$(UV) pip compile --quiet --universal --generate-hashes --no-header --no-annotate --python-version 3.11 \
		requirements.in -o requirements.txt

clean: ## remove what was made, except the data
	@rm -rf .venv .mypy_cache .pytest_cache .ruff_cache .hypothesis build src/*.egg-info
