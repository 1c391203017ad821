# Everything runs in .venv, which `make venv` builds with the versions of constraints.txt.
PYTHON ?= python3
BIN := .venv/bin
PIP := $(BIN)/python -m pip --quiet --disable-pip-version-check
STAMP := .venv/.installed

.DEFAULT_GOAL := help
.PHONY: help venv run test check bench schema clean

help:  ## show these lines
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "%-8s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

venv: $(STAMP)  ## set up .venv

$(STAMP): pyproject.toml constraints.txt
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv
	@echo "installing the pinned packages into .venv (a few minutes)"
	@$(PIP) install torch==2.13.0 -c constraints.txt
	@$(PIP) install -e '.[images,timeseries,3d,text,bases,serve,dev]' -c constraints.txt
	@touch $@

run: $(STAMP)  ## make the dataset of recipes/segmentation.yaml in runs/segmentation
	@$(BIN)/synthgen run recipes/segmentation.yaml

test: $(STAMP)  ## all tests but those that need a GPU
	@$(BIN)/python -m pytest -n auto --dist worksteal -m 'not gpu'

check: $(STAMP)  ## style, types, layers, tests
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports
	@$(BIN)/python -m pytest -n auto --dist worksteal -m 'not gpu'

bench: $(STAMP)  ## the measurements that the README quotes
	@for bench in benchmarks/[a-z]*.py; do \
		echo "== $$bench"; $(BIN)/python "$$bench" || [ $$? = 2 ] || exit 1; \
	done  # 2: the data of that measurement is not here

schema: $(STAMP)  ## write docs/recipe.schema.json anew
	@$(BIN)/synthgen schema --output docs/recipe.schema.json

clean:  ## remove caches and builds; runs/ and .venv stay
	@rm -rf build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache
	@find synthgen tests benchmarks -name __pycache__ -type d -prune -exec rm -rf {} +
