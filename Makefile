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

# The portraits learn cars, the cars learn sneakers (150 steps a minute on one core of an AMD EPYC), and a film shows it.
# A training that was broken off goes on when it is started again, and so does a quick look (STEPS=300) with more STEPS.
STEPS ?= 4500
SIZE  ?= 64
BASE  ?= starter/portraits
FILM  ?= cars-into-sneakers.mp4
cars-into-sneakers: $(VENV)/.installed
	$(call learn,portraits-into-cars,starter/cars,$(BASE))
	$(call learn,cars-into-sneakers,starter/sneakers,portraits-into-cars)
	$(BIN)/tarmac runs film portraits-into-cars cars-into-sneakers --out "$(FILM)"

# $(call learn,RUN,DATASET,BASE): the run, begun, gone on with, or found finished. Scores at both ends are enough.
define learn
	if $(BIN)/tarmac runs show $(1) >/dev/null 2>&1; then \
		$(BIN)/tarmac runs extend $(1) --steps $(STEPS) >/dev/null 2>&1; \
		$(BIN)/tarmac runs resume $(1) >/dev/null 2>&1; $(BIN)/tarmac runs attach $(1); \
	else \
		$(BIN)/tarmac datasets prepare $(2) --size $(SIZE) && \
		$(BIN)/tarmac train image --name $(1) --dataset $(2) --base "$(3)" --size $(SIZE) --no-mirror --steps $(STEPS) \
			--sample-every $$((($(STEPS) + 29) / 30)) --score-every $(STEPS) --watch; \
	fi
endef

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
