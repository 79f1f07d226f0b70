# Everything a person does with a clone. Each target works on a fresh one.
PYTHON ?= python3
VENV   ?= .venv
BIN    := $(VENV)/bin
WORKERS ?= 2

.PHONY: run test test-terminals check starters bench cars-into-sneakers clean

run: $(VENV)/.installed
	@$(BIN)/tarmac

test: $(VENV)/.installed-dev
	$(BIN)/python -m pytest -n $(WORKERS) --cov --cov-report=term

# kitty, xterm and tmux of Debian 13, in a root folder of their own: needs root and debootstrap.
test-terminals: $(VENV)/.installed-dev
	TARMAC_REQUIRE_TERMINALS=1 $(BIN)/python -m pytest -m newer

check: $(VENV)/.installed-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

starters: $(VENV)/.installed-dev
	$(BIN)/python -m core.ml.starters

bench: $(VENV)/.installed-dev
	$(BIN)/python -m tests.bench

# Trains twice (150 steps a minute on one core of an AMD EPYC) and writes a film of it. STEPS=300 is a quick look.
STEPS ?= 4500
cars-into-sneakers: $(VENV)/.installed
	$(BIN)/python docs/cars_into_sneakers.py --steps $(STEPS)

clean:
	rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache

$(VENV)/bin/python:
	$(PYTHON) -m venv $(VENV)

$(VENV)/.installed: pyproject.toml constraints.txt | $(VENV)/bin/python
	$(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt -e .
	@touch $@

$(VENV)/.installed-dev: pyproject.toml constraints.txt | $(VENV)/bin/python
	$(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev]'
	@touch $@ $(VENV)/.installed
