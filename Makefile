# Everything works from a clean clone with Python 3.11 or newer: the virtual environment is made on first use,
# and made up to date when requirements*.txt change.

PORT ?= 5000
export PORT

NEW_ENOUGH := 'import sys; sys.exit(sys.version_info < (3, 11))'
PYTHON ?= $(shell for p in python3.13 python3.12 python3.11 python3 python; do \
	command -v $$p >/dev/null 2>&1 && $$p -c $(NEW_ENOUGH) 2>/dev/null && echo $$p && break; done)
BIN := .venv/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check

SEED ?= 1
OPERATIONS ?= 400
CALLERS ?= 30

.PHONY: help run test quick lint fmt bench bad-day freeze-schema
.DEFAULT_GOAL := help

help: ## this list
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 16

run: .venv/.run ## bring up the whole gateway and a phone in the browser; PORT=5001 chooses the port
	@exec $(BIN)/python -m gateway.laptop.supervisor

test: .venv/.dev ## all tests, on two processes
	$(BIN)/pytest -n 2 --dist loadfile

quick: .venv/.dev ## the tests of the inner loop: no random walks, no browser
	$(BIN)/pytest -n 2 --dist loadfile -m "not slow"

lint: .venv/.dev ## ruff, mypy, and the import contracts
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

fmt: .venv/.dev ## rewrite the code in the house's format
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: .venv/.dev ## the figures of benchmarks/, each beside its floor
	@for each in benchmarks/[a-z]*.py; do $(BIN)/python -m benchmarks.$$(basename $$each .py) || exit 1; done

bad-day: .venv/.dev ## callers, kills, forgeries and an M-Pesa with moods, then every check; SEED=7 chooses the day
	@exec $(BIN)/python -m tests.badday --seed $(SEED) --operations $(OPERATIONS) --callers $(CALLERS)

freeze-schema: .venv/.run ## until the first release: write schema.sql into the first revision
	$(BIN)/python -m migrations.freeze

.venv/bin/python:
	@test -n "$(PYTHON)" || { echo "Python 3.11 or newer is needed, and was not found on the PATH."; exit 1; }
	$(PYTHON) -m venv .venv

.venv/.run: requirements.txt | .venv/bin/python
	@echo "Installing what the gateway needs into .venv ..."
	@$(PIP) -r requirements.txt
	@touch $@

.venv/.dev: requirements-dev.txt requirements.txt | .venv/bin/python
	@echo "Installing what tests and linters need into .venv ..."
	@$(PIP) -r requirements-dev.txt
	@touch $@ .venv/.run
