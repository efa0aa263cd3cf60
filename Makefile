# Every verb makes what it needs: an environment in .venv, and in it the extras of pyproject.toml at the versions of
# constraints.txt. A stamp an extra, so that `make demo` never waits for the benchmark's peers, and nothing is installed
# twice. ARGS reach the tool behind a verb: make test ARGS="-k journal".

.DEFAULT_GOAL := help
.NOTPARALLEL:
.DELETE_ON_ERROR:

PYTHON ?= $(shell python3.11 -c '' 2>/dev/null && echo python3.11 || echo python3)
ARGS ?=
# How many processes share the tests; 0 runs them all in one, where a debugger can stop.
JOBS ?= auto

ENV := .venv
BIN := $(ENV)/bin
MADE := $(ENV)/.made

.PHONY: setup demo test soak bench lint ruff format types imports tables docs clean distclean help

help: ## list the verbs
	@sed -n 's/^\([a-z]*\):.*## /  make \1#/p' $(MAKEFILE_LIST) | awk -F'#' '{ printf "%-18s %s\n", $$1, $$2 }'

setup: $(MADE)/dev ## make .venv with all that tests and lint need

demo: $(MADE)/demo ## train a policy on CartPole, record everything it says, show the run
	$(BIN)/asynclog demo $(ARGS)

test: $(MADE)/dev ## the tests, with branch coverage of the training process and of the recorder
	$(BIN)/python -m pytest -n $(JOBS) --dist worksteal --cov --cov-report=term:skip-covered $(ARGS)

soak: $(MADE)/dev ## kill and stop training processes, recorders and consumers: ARGS="--training 100 --recorder 50 --both 50 --consumers 10"
	$(BIN)/python -m tests.crash.soak $(ARGS)

bench: $(MADE)/bench ## time and size, beside a reference and its peers
	$(BIN)/python -m bench $(ARGS)

lint: ruff format types imports ## all that can be told without running: style, types, layers

ruff: $(MADE)/dev
	$(BIN)/ruff check .

format: $(MADE)/dev
	$(BIN)/ruff format --check .

types: $(MADE)/dev
	$(BIN)/mypy --strict asynclog

imports: $(MADE)/dev
	$(BIN)/lint-imports

tables: $(MADE)/dev ## write the tables of docs/reference/destinations.md and config.md anew, from what tests hold them to
	$(BIN)/python -m tests.integration.destinations.table
	$(BIN)/python -m tests.unit.config.reference

docs: $(MADE)/docs ## build the documentation into .site; a broken link is an error
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --config-file .mkdocs.yml

clean: ## remove what the verbs made, except .venv and recorded runs
	rm -rf .site .coverage .coverage.* .coverage-html .pytest_cache .hypothesis .mypy_cache .ruff_cache .import_linter_cache dist
	find asynclog bench docs tests -name __pycache__ -type d -prune -exec rm -rf {} +

distclean: clean ## the same, and .venv
	rm -rf $(ENV)

$(MADE)/venv:
	$(PYTHON) -m venv $(ENV)
	@mkdir -p $(MADE)
	@touch $@

$(MADE)/%: pyproject.toml constraints.txt | $(MADE)/venv
	@echo "installing what '$*' needs into $(ENV); the first time takes minutes"
	@$(BIN)/python -m pip install -qq --disable-pip-version-check -c constraints.txt -e '.[$*]'
	@touch $@
