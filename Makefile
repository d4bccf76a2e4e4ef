PYTHON ?= python3
BIN := .venv/bin

.PHONY: help serve test check format bench docs clean

help: ## this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "make %-8s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

serve: .venv/.serve ## install into .venv and run the server on the embedded default
	$(BIN)/hubbub serve

test: .venv/.test ## install what the tests need and run them all
	$(BIN)/pytest

check: .venv/.check ## format, lint and types, and that the generated docs are up to date
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/python -m docs.generate --check

format: .venv/.check ## let ruff format and mend what it can
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

bench: .venv/.test ## measure the speed, each figure beside a reference of the same run
	$(BIN)/python -m bench

docs: .venv/.test ## write the generated pages anew
	$(BIN)/python -m docs.generate

clean: ## remove what the other targets made
	rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .hypothesis *.egg-info tests/contract/sdk/node_modules

.venv/.pip:
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --upgrade pip
	touch $@

.venv/.serve: .venv/.pip pyproject.toml
	$(BIN)/python -m pip install --quiet --editable .
	touch $@

.venv/.test: .venv/.serve pyproject.toml
	$(BIN)/python -m pip install --quiet --editable '.[postgres]' --group test
	touch $@

.venv/.check: .venv/.test pyproject.toml
	$(BIN)/python -m pip install --quiet --group check
	touch $@
