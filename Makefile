# Everything a newcomer and the checks need; `make help` lists it.
PORT ?= 8765
DATA ?= ./data
PYTHON ?= python3
UV ?= $(shell command -v uv 2>/dev/null)
BIN := .venv/bin
READY := .venv/ready

.DEFAULT_GOAL := help
.PHONY: help setup demo test kill-loop kill-points lost-commits lost-replies crowds pair simulate simulate-long check format bench lock clean

help: ## what can be made
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /\1|/' | awk -F'|' '{printf "  make %-13s %s\n", $$1, $$2}'

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
	@$(BIN)/pytest -q -n logical --dist worksteal

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

kill-points: setup ## kill and freeze a worker at each labelled point, whatever the provider does (9 min)
	@OPENSMM_TEST_KILL_POINTS=all $(BIN)/pytest -q tests/faults/test_kill_points.py

CUTS ?= 10000
lost-commits: setup ## cut the database off at a COMMIT, CUTS times (10000)
	@OPENSMM_TEST_CUTS=$(CUTS) $(BIN)/pytest -q -s tests/faults/test_lost_commits.py -k however_many

TIMES ?= 100
crowds: setup ## 10,000 orders at once with funds for 1,000, TIMES times (100)
	@OPENSMM_TEST_CROWDS=$(TIMES) $(BIN)/pytest -q -s tests/faults/test_crowds.py -k ten_thousand

ORDERS ?= 10000
pair: setup ## two panels, one the other's provider, ORDERS orders (10000) in each of four weathers
	@OPENSMM_TEST_PAIR=$(ORDERS) $(BIN)/pytest -q -s tests/pair/test_pair.py

LOST ?= 10000
lost-replies: setup ## lose or garble the answers to LOST orders (10000), and count what evidence makes of them
	@OPENSMM_TEST_LOST=$(LOST) $(BIN)/pytest -q -s tests/faults/test_lost_replies.py

SEEDS ?= 100
EVENTS ?= 10000
SECONDS ?= 60
simulate: setup ## simulate bad customers, lying providers and dying workers (SEEDS=100 EVENTS=10000 SECONDS=60 MUTATIONS=1)
	@$(BIN)/python -m tests.simulation --seeds $(SEEDS) --events $(EVENTS) --seconds $(SECONDS) $(if $(MUTATIONS),--mutations)

simulate-long: setup ## the same with a hundred million events, about an hour on two cores
	@$(BIN)/python -m tests.simulation --first 1000 --seeds 10000 --events $(EVENTS)

bench: setup ## measure the speed (bench.json and docs/performance.md)
	@$(BIN)/opensmm bench

lock: ## make requirements.txt from requirements.in again (needs uv)
	@$(UV) pip compile --quiet --universal --generate-hashes --no-header --no-annotate --python-version 3.11 \
		requirements.in -o requirements.txt

clean: ## remove what was made, except the data
	@rm -rf .venv .mypy_cache .pytest_cache .ruff_cache .hypothesis build src/*.egg-info
