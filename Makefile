# Each target brings what it needs: a virtual environment in .venv with the pinned packages.
# uv is used when it is there, plain pip otherwise.  PYTHON=… names another interpreter.

PYTHON ?= python3
VENV   ?= .venv
BIN    := $(VENV)/bin
UV     := $(shell command -v uv 2>/dev/null)

.PHONY: help demo test check bench bench-scale chaos pages serve docs audit fuzz

help:  ## list the targets
	@grep -hE '^[a-z-]+:.*  ## ' $(MAKEFILE_LIST) | sed -E 's/:.*  ## /\t/' | expand -t 13

demo: $(VENV)/.run  ## take real studies through the whole pipeline, into ./sendit-demo
	$(BIN)/sendit demo

serve: $(VENV)/.run  ## run watcher, workers and status page here, until interrupted
	$(BIN)/sendit serve

check: $(VENV)/.dev  ## format, lint, types, imports, spelling; changes nothing
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/codespell

test: check $(VENV)/emulators/.made  ## check, then the whole test suite (installs missing servers when it may)
	$(BIN)/python -m tests.support.system
	$(BIN)/python -m pytest -n 2 --cov --cov-report=term $(TESTS)

bench: $(VENV)/.dev $(VENV)/peers/.made $(VENV)/emulators/.made  ## measure cp, the engine, the pipeline, other tools, and sending (BENCH="--quick")
	$(BIN)/python -m benchmarks $(BENCH)
	$(BIN)/python -m benchmarks.cloud $(filter --quick,$(BENCH))
	PYTHONPATH=src:. $(BIN)/python -m benchmarks.ledger
	$(BIN)/python -m tests.support.system
	$(BIN)/python -m benchmarks.delivery $(filter --quick,$(BENCH)) $(DELIVERY)

bench-scale: $(VENV)/.dev  ## ask a database of a million images what is asked all day (SCALE="--images 100000")
	$(BIN)/python -m tests.support.system
	$(BIN)/python -m benchmarks.scale $(SCALE)

chaos: $(VENV)/.dev  ## the whole crash matrix, and on until 1,000 workers were killed (CHAOS="--kills 100")
	$(BIN)/python -m tests.support.system
	PYTHONPATH=src:. $(BIN)/python -m tests.e2e.matrix $(CHAOS)

pages: $(VENV)/.dev  ## time the pages with 100,000 batches in SQLite and PostgreSQL (PAGES="--quick")
	$(BIN)/python -m benchmarks.pages $(PAGES)

audit: $(VENV)/.dev  ## plant identifiers, de-identify, count what is left (AUDIT="--help")
	$(BIN)/python -m benchmarks.audit $(AUDIT)

fuzz: $(VENV)/.dev  ## spoil files at random and see how the engine ends (FUZZ="--seconds 3600")
	PYTHONPATH=src:. $(BIN)/python -m tests.deid.fuzz $(FUZZ)

docs: $(VENV)/.dev  ## check the links of the documentation and run its examples
	$(BIN)/python -m pytest tests/docs

$(VENV)/.run: requirements/run.txt pyproject.toml
$(VENV)/.dev: requirements/dev.txt pyproject.toml
$(VENV)/.run $(VENV)/.dev:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "sendit needs Python 3.11 or newer")'
ifdef UV
	test -d $(VENV) || $(UV) venv -q --python $(PYTHON) $(VENV)
	$(UV) pip install -q --python $(BIN)/python --require-hashes -r $<
	$(UV) pip install -q --python $(BIN)/python --no-deps -e .
else
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install -q --require-hashes -r $<
	$(BIN)/python -m pip install -q --no-deps -e .
endif
	@touch $@

# Environments of their own: other tools to measure, and servers that stand for cloud stores.
$(VENV)/peers/.made $(VENV)/emulators/.made: $(VENV)/%/.made: requirements/%.txt $(VENV)/.dev
ifdef UV
	test -d $(VENV)/$* || $(UV) venv -q --python $(PYTHON) $(VENV)/$*
	$(UV) pip install -q --python $(VENV)/$*/bin/python --require-hashes -r $<
else
	$(PYTHON) -m venv $(VENV)/$*
	$(VENV)/$*/bin/python -m pip install -q --require-hashes -r $<
endif
	@touch $@
