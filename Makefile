# Everything a developer runs. `make demo` and `make test` need only Python >= 3.11, git and make.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
export PYTHONDONTWRITEBYTECODE :=
export UV_CACHE_DIR ?= $(CURDIR)/.cache/uv
# Trust what the machine trusts: behind a company proxy its own authority signs.
export UV_SYSTEM_CERTS ?= true

PIN := UV_CUSTOM_COMPILE_COMMAND='make lock' ../$(BIN)/uv pip compile --quiet --universal --python-version 3.11 \
	--generate-hashes --no-emit-index-url --upgrade

# What the console is built from, so that a change of it is built by whatever needs Moat.
WEB := $(shell find web -name node_modules -prune -o -type f -print)

.PHONY: help setup console demo test check format bench bench-evals bench-traces bench-guards bench-console lock clean

help: ## show this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 12

setup: $(VENV)/.ready $(VENV)/.console ## install Moat and its tools into .venv

$(VENV)/.ready: requirements/dev.txt pyproject.toml
	@echo "Setting up .venv (once)"
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/uv.txt
	@VIRTUAL_ENV=$(CURDIR)/$(VENV) $(BIN)/uv pip sync --quiet --compile-bytecode --require-hashes requirements/dev.txt
	@VIRTUAL_ENV=$(CURDIR)/$(VENV) $(BIN)/uv pip install --quiet --no-deps --editable .
	@touch $@

# Node of the machine, or from PyPI: the build finds it in .venv.
$(VENV)/.console: $(VENV)/.ready hatch_build.py requirements/node.txt $(WEB)
	@$(BIN)/python hatch_build.py node || VIRTUAL_ENV=$(CURDIR)/$(VENV) $(BIN)/uv pip install --quiet --require-hashes -r requirements/node.txt
	@$(BIN)/python hatch_build.py
	@touch $@

console: setup ## build the console from web/ where it changed

demo: setup ## run a team's first hour and leave the server up (ARGS=--once: run it and exit)
	@$(BIN)/python examples/first_hour.py $(ARGS)

test: setup ## all tests but those of `check`; the rooms that decide need 90 % of their branches
	@$(BIN)/python -m tests.run $(ARGS)

check: setup ## format, lint, types, floors, the console's own checks, house rules, docs (`make test` runs what pages show)
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports
	@$(BIN)/python hatch_build.py check test
	@$(BIN)/pytest -q -p no:cacheprovider --numprocesses auto tests/house tests/docs --ignore tests/docs/test_snippets.py

format: setup ## write the format and the fixable lint
	@$(BIN)/ruff format .
	@$(BIN)/ruff check --fix .

bench: setup ## the gateway against nginx, LiteLLM and Portkey, side by side
	@$(BIN)/python -m bench $(ARGS)

bench-evals: setup ## the eval runner beside promptfoo and Inspect
	@$(BIN)/python -m bench.evals $(ARGS)

bench-traces: setup ## the trace store beside Phoenix and MLflow, and all its numbers beside their goals
	@$(BIN)/python -m bench.traces $(ARGS)

bench-console: setup ## how soon each page of the console is there at a million spans, in Chromium
	@$(BIN)/python -m bench.console $(ARGS)

bench-guards: setup ## what guards cost, and how well they find, on the texts in the repository
	@$(BIN)/python -m bench.guards.run $(ARGS)

lock: setup ## pin all dependencies by hash into requirements/
	@cd requirements && $(PIN) uv.in -o uv.txt && $(PIN) node.in -o node.txt && $(PIN) ../pyproject.toml --group ../pyproject.toml:dev -o dev.txt

clean: ## remove what the targets above made
	rm -rf $(VENV) .cache artifacts demo web/node_modules src/moat/console/built .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
