# Everything a newcomer and the checks need; `make help` lists it.
PORT ?= 8765
DATA ?= ./data
# What `make test` runs: files, folders, single tests.
TESTS ?=
UV ?= $(shell command -v uv 2>/dev/null)
BIN := .venv/bin

.DEFAULT_GOAL := help
.PHONY: help setup setup-dev demo test coverage anywhere matrix kill-loop kill-points lost-commits lost-replies crowds pair simulate \
	simulate-long check format bench diagrams translations lock clean

help: ## list the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /\1|/' | awk -F'|' '{printf "  make %-13s %s\n", $$1, $$2}'

setup: ## install the run-time dependencies into .venv (PYTHON=python3.12 selects the Python, UV= avoids uv)
	@tools/setup run

setup-dev: ## the same, with the tools of tests and checks
	@tools/setup dev

demo: setup ## a working panel with a sandbox provider (PORT=8765 DATA=./data)
	@$(BIN)/opensmm demo --port $(PORT) --data "$(DATA)"

test: setup-dev ## run all tests, or some (TESTS="tests/domain tests/wire")
	@$(BIN)/python -m pytest -q -n logical --dist worksteal $(TESTS)

coverage: setup-dev ## branch coverage of domain, wire and actions; fails below 95 % (TESTS= as above)
	@mkdir -p build/coverage
	@$(BIN)/coverage erase
	@$(BIN)/coverage run -m pytest -q -n logical --dist worksteal $(TESTS)
	@$(BIN)/coverage combine --quiet
	@$(BIN)/coverage json --quiet -o build/coverage/report.json
	@$(BIN)/coverage report
	@$(BIN)/python -m tools.branch_coverage build/coverage/report.json

anywhere: setup-dev ## set up, test and run the demo in different places (FULL=1: the whole suite in each)
	@$(BIN)/python -m tests.anywhere $(if $(FULL),--full) $(PLACES)

PYTHONS ?= 3.11 3.12 3.13
matrix: setup-dev ## `make check` and some tests on each installed Python of PYTHONS (3.11 3.12 3.13)
	@$(BIN)/python -m tests.anywhere --jobs 1 $(addprefix check-,$(PYTHONS))

check: setup-dev ## format, lint and types
	@$(BIN)/python -m ruff format --check .
	@$(BIN)/python -m ruff check .
	@$(BIN)/python -m mypy
	@$(BIN)/python -m mypy tests

format: setup-dev ## format the code
	@$(BIN)/python -m ruff check --fix-only --quiet .
	@$(BIN)/python -m ruff format .

KILLS ?= 1000
kill-loop: setup-dev ## kill the processes of a demo at random, KILLS times (1000)
	@OPENSMM_TEST_KILLS=$(KILLS) $(BIN)/python -m pytest -q -s tests/faults/test_kill_loop.py

kill-points: setup-dev ## kill and freeze a worker at each labelled point, with each behaviour of the provider (9 min)
	@OPENSMM_TEST_KILL_POINTS=all $(BIN)/python -m pytest -q tests/faults/test_kill_points.py

CUTS ?= 10000
lost-commits: setup-dev ## cut the database connection at a COMMIT, CUTS times (10000)
	@OPENSMM_TEST_CUTS=$(CUTS) $(BIN)/python -m pytest -q -s tests/faults/test_lost_commits.py -k however_many

TIMES ?= 100
crowds: setup-dev ## 10,000 concurrent orders with funds for 1,000, TIMES times (100)
	@OPENSMM_TEST_CROWDS=$(TIMES) $(BIN)/python -m pytest -q -s tests/faults/test_crowds.py -k ten_thousand

ORDERS ?= 10000
pair: setup-dev ## two panels, one the other's provider, ORDERS orders (10000) at each of four fault levels
	@OPENSMM_TEST_PAIR=$(ORDERS) $(BIN)/python -m pytest -q -s tests/pair/test_pair.py

LOST ?= 10000
lost-replies: setup-dev ## lose or garble the answers to LOST orders (10000), and count what evidence settles
	@OPENSMM_TEST_LOST=$(LOST) $(BIN)/python -m pytest -q -s tests/faults/test_lost_replies.py

SEEDS ?= 100
EVENTS ?= 10000
SECONDS ?= 60
simulate: setup-dev ## simulate bad customers, lying providers and dying workers (SEEDS=100 EVENTS=10000 SECONDS=60 MUTATIONS=1)
	@$(BIN)/python -m tests.simulation --seeds $(SEEDS) --events $(EVENTS) --seconds $(SECONDS) $(if $(MUTATIONS),--mutations)

simulate-long: setup-dev ## the same with a hundred million events, about an hour on two cores
	@$(BIN)/python -m tests.simulation --first 1000 --seeds 10000 --events $(EVENTS)

bench: setup ## measure the speed (bench.json and docs/performance.md)
	@$(BIN)/opensmm bench

diagrams: setup-dev ## draw the state machines of docs/architecture.md from the tables in the code
	@$(BIN)/python -m tools.state_diagrams

translations: setup-dev ## update the translation catalogues from the sources
	@$(BIN)/python tools/translations

lock: ## write requirements.txt and requirements-dev.txt again from their .in files (needs uv)
	@for lock in requirements requirements-dev; do \
		$(UV) pip compile --quiet --universal --generate-hashes --no-header --no-annotate --python-version 3.11 \
			$$lock.in -o $$lock.txt || exit 1; \
	done

clean: ## remove everything that was generated, except the data
	@rm -rf .venv .mypy_cache .pytest_cache .ruff_cache .hypothesis build src/*.egg-info
