# make run       set up, then run the quick case: two feeders of a city, four ways, on the same day
# make test      set up, then all checks and tests
# make bench     set up, then the figures of speed and quality, beside peers measured in the same run
# make bench-coordination   set up, then agreement beside central solvers on days where all limits bind (writes docs/benchmarks.md)
# make days      set up, then every day the figures are measured on (hours; goes on where it was stopped)
# make rehearsal a day of a district as processes (24 minutes), beside the same plans made in one process
# make kills     kill -9 of a hundred random cells of a district of processes
# make campaign  set up, then the long tests (marked slow), and all others with new draws
# make web       bundle the page of the operator's view into the package (needs node and npm)
# make screens   take the pictures of its screens that are in docs/img/screens (needs node, npm and chromium)
# make lock      take the newest versions that pyproject.toml allows, and write them down
# make clean     remove what make made
#
# Needs python3 >= 3.11 (with its venv module) and make, nothing else. Another Python: make run PYTHON=python3.12

PYTHON ?= python3
VENV ?= .venv
WORKERS ?= 2
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check
CORE := $(VENV)/.core-is-installed
DEV := $(VENV)/.dev-is-installed
NODE := web/node_modules/.package-lock.json

# Matrices are small and many; threads inside each product cost more than they give.
export OPENBLAS_NUM_THREADS ?= 1
export OMP_NUM_THREADS ?= 1

.PHONY: help setup setup-dev run test lint types floors tests bench bench-coordination days rehearsal kills campaign web screens lock clean node-if-there-is-one

help:
	@sed -n '/^# make/s/^# //p' Makefile

run: $(CORE)
	$(BIN)/archipel run district

test: lint types floors tests

lint: $(DEV)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(DEV)
	$(BIN)/mypy

floors: $(DEV)
	$(BIN)/lint-imports

tests: $(DEV) node-if-there-is-one
	$(BIN)/pytest -m "not slow" -n $(WORKERS) --dist worksteal

campaign: $(DEV)
	$(BIN)/pytest -m slow --hypothesis-profile=new
	$(BIN)/pytest -m "not slow" -n $(WORKERS) --dist worksteal --hypothesis-profile=new

days: $(DEV)
	$(BIN)/python -m benchmarks.days

rehearsal: $(DEV)
	$(BIN)/archipel up district --start 2016-06-09T00:00 --armed --factor 60 --hours 24 --wait
	$(BIN)/python -m benchmarks.rehearsal runs/up

kills: $(DEV)
	$(BIN)/archipel up district --armed --factor 60
	$(BIN)/python -m benchmarks.kills runs/up --kills 100

bench: $(DEV)
	$(BIN)/python -m benchmarks

# what was measured is kept in runs/coordination; longer: make bench-coordination HOW=--full
bench-coordination: $(DEV)
	$(BIN)/python -m benchmarks.coordination $(HOW)

web: $(NODE)
	cd web && npm run --silent build

screens: $(DEV) $(NODE)
	$(BIN)/python -m tests.browser.pictures

# The page's tests are left out, and say so, where there is no node; everything else is tested all the same.
node-if-there-is-one:
	@command -v npm >/dev/null || { echo "no npm here: tests of the page in a browser are left out" >&2; exit 0; }; \
	  $(MAKE) --no-print-directory $(NODE) || echo "npm ci failed: tests of the page in a browser are left out" >&2

$(NODE): web/package-lock.json
	@command -v npm >/dev/null || { echo "this needs node and npm; on Debian and Ubuntu: apt install nodejs npm" >&2; exit 1; }
	cd web && npm ci --silent
	@touch $@

setup: $(CORE)

setup-dev: $(DEV)

$(CORE): requirements/core.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	  echo "archipel needs Python 3.11 or newer; found: $$($(PYTHON) --version 2>&1)." >&2; \
	  echo "Name another one, for instance: make run PYTHON=python3.12" >&2; exit 1; }
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV) || { rm -rf $(VENV); \
	  echo "$(PYTHON) could not make a virtual environment; on Debian and Ubuntu: apt install python3-venv" >&2; exit 1; }
	$(PIP) install --quiet -r requirements/core.lock
	$(PIP) install --quiet --no-deps --editable .
	@touch $@

$(DEV): $(CORE) requirements/dev.lock
	$(PIP) install --quiet -r requirements/core.lock -r requirements/dev.lock
	@touch $@

lock:
	$(PYTHON) -m venv build/lock
	build/lock/bin/python -m pip install --quiet --editable .
	build/lock/bin/python -m pip freeze --exclude-editable > requirements/core.lock
	build/lock/bin/python -m pip install --quiet --editable ".[dev]"
	build/lock/bin/python -m pip freeze --exclude-editable | grep -vxFf requirements/core.lock > requirements/dev.lock
	rm -rf build/lock

clean:
	rm -rf $(VENV) web/node_modules .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache build dist
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
