# Everything from a bare machine: Python 3.11 or 3.12 with venv and pip, and make. `make` alone lists the targets.

SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
.PHONY: help demo up test lint faults long bench bench-design bench-limits docs clean distclean
# One thread of linear algebra: more of them wait for one another on a busy machine.
export OPENBLAS_NUM_THREADS ?= 1

FITS := import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 13))
# The newest Python that fits; PYTHON=/path/to/python chooses another.
PYTHON ?= $(shell for name in python3.12 python3.11 python3; do \
  "$$name" -c '$(FITS)' 2>/dev/null && { command -v "$$name"; break; }; done)
VENV := .venv
BIN := $(VENV)/bin
RUN := $(VENV)/.installed
DEV := $(VENV)/.installed-dev
QUICK := $(VENV)/.start-recorded
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check

help:
	@echo "make demo          run four experiments on real parts, then leave the console up (EXIT=1 ends instead)"
	@echo "make up            start everything on this machine, without the demonstration"
	@echo "make test          the whole suite, on a real Kafka and Redis"
	@echo "make lint          ruff, mypy and import-linter"
	@echo "make faults        the long runs with killed and frozen processes"
	@echo "make long          what else takes long: 200 000 paths a design, 10 000 random lives, hundreds of archives at once"
	@echo "make bench         the side-by-side benchmarks"
	@echo "make bench-design  the speed of designs, characteristics and folds, beside what they must reach"
	@echo "make bench-limits  take-over, backlogs, commands, rebalances, idling, beside what they must reach"
	@echo "make docs          write the generated parts of the documentation again"
	@echo "make clean         remove caches and the data of the local stack; archives stay"
	@echo "make distclean     remove the virtual environment too"

demo: $(RUN)
	@exec $(BIN)/python -m waldstream demo $(if $(filter 1 yes true,$(EXIT)),--exit)

up: $(RUN)
	@exec $(BIN)/python -m waldstream up

test: $(QUICK)
	$(BIN)/python -m pytest -m "not faults" -n auto --dist loadgroup $(ARGS)

lint: $(DEV)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

faults: $(QUICK)
	@$(BIN)/python -m tests.faults $(ARGS)

long: $(QUICK)
	$(BIN)/python -m pytest -m faults tests --ignore=tests/faults $(ARGS)

bench: $(DEV)
	$(BIN)/python -m waldstream bench $(ARGS)

bench-limits: $(DEV)
	@$(BIN)/python -m stack $(BIN)/python -m bench.limits {kafka} $(ARGS)

bench-design: $(DEV)
	@$(BIN)/python -m bench.design $(ARGS)

docs: $(RUN)
	$(BIN)/python -m waldstream.documentation

# Each stamp is newer than pyproject.toml once what that file asks for is installed.
$(RUN): pyproject.toml
	@test -n "$(PYTHON)" && "$(PYTHON)" -c '$(FITS)' 2>/dev/null \
	  || { echo "Python 3.11 or 3.12 is needed and was not found; give one with PYTHON=/path/to/python" >&2; exit 1; }
	@test -x $(BIN)/python || "$(PYTHON)" -m venv $(VENV) \
	  || { rm -rf $(VENV); echo "no virtual environment could be made; on Debian and Ubuntu: apt install python3-venv" >&2; exit 1; }
	@echo "installing what waldstream needs into $(VENV) (once; a minute or two)"
	@$(PIP) --editable .
	@touch $@

$(DEV): $(RUN)
	@echo "installing the tools for tests and lint into $(VENV) (once)"
	@$(PIP) --editable '.[dev]'
	@touch $@

# The suites start some hundred brokers: each in half the time.
$(QUICK): $(DEV)
	@echo "recording the start of a broker (once)"
	@$(BIN)/python -m stack.recording || echo "none could be made: brokers start without it" >&2
	@touch $@

clean:
	rm -rf .waldstream .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache dist
	find . -name __pycache__ -type d -not -path './$(VENV)/*' -prune -exec rm -rf {} +

distclean: clean
	rm -rf $(VENV)
