# Every command works from a fresh clone and needs only make, Python 3.11+ and a package index.
SHELL := /bin/bash
.DEFAULT_GOAL := help
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
# Nothing here phones home.
export DO_NOT_TRACK := 1
export DBT_SEND_ANONYMOUS_USAGE_STATS := false
export GX_ANALYTICS_ENABLED := false
export PYTHONPATH := $(CURDIR)

.PHONY: help setup demo up down status test unit lint soak bench docs lock clean

help: ## List the commands
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-8s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: $(STAMP) ## Make the environment in .venv/

$(STAMP): requirements.txt requirements-uv.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
		|| { echo "error: Python 3.11 or newer is needed; name one with make PYTHON=python3.11"; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --require-hashes -r requirements-uv.txt
	$(BIN)/uv pip sync --quiet --python $(BIN)/python --require-hashes requirements.txt
	@touch $(STAMP)

demo: setup ## Run the whole pipeline on simulated platforms and sum it up
	@$(BIN)/python -m local demo

up: setup ## Keep the local stack running, with the Airflow UI and the schedules on
	@$(BIN)/python -m local up

down: ## Stop the local stack; loses nothing
	@test ! -x $(BIN)/python || $(BIN)/python -m local down

status: ## Say what of the local stack runs
	@test ! -x $(BIN)/python || $(BIN)/python -m local status

test: lint ## Run the whole test suite
	$(BIN)/python -m pytest -n 2 --dist loadfile

unit: setup ## Run only the tests without a database or a server
	$(BIN)/python -m pytest -m unit -n 2 --dist loadfile

lint: setup ## Check style, types, SQL and the lock file
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/sqlfluff lint dbt_project --config dbt_project/.sqlfluff

soak: setup ## Fuzz half a million bodies, kill thousands of extractions, stop databases; an hour or two
	FUZZ_EXAMPLES=500000 $(BIN)/python -m pytest -s tests/extractors/test_fuzz.py tests/extractors/test_fuzz_readers.py
	HISTORIES=2000 HISTORIES_SEED=$$RANDOM $(BIN)/python -m pytest -s tests/warehouse/test_histories.py
	$(BIN)/python -m tests.crashes --kills 2000 --stops 100 --minutes 60

bench: setup ## Run the benchmarks; writes benchmarks/results/
	$(BIN)/python -m benchmarks

docs: setup ## Generate the documentation that is generated
	$(BIN)/python -m docs
	$(BIN)/python -m docs.site

lock: setup ## Resolve requirements.in anew, with hashes and without index addresses
	$(BIN)/uv pip compile --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-annotate \
		--no-header --quiet requirements.in -o requirements.txt
	$(BIN)/uv pip compile --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-annotate \
		--no-header --quiet benchmarks/peers/requirements.in -o benchmarks/peers/requirements.txt
	grep -A 99 '^uv==' requirements.txt | sed '1,/[^\\]$$/!d' > requirements-uv.txt

clean: down ## Remove the state of the local stack
	@test ! -x $(BIN)/python || $(BIN)/python -m local clean
	rm -rf .local dbt_project/target dbt_project/logs
