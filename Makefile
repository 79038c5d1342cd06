# Billing Desk. `make run` starts it, `make test` proves it; `make help` lists the rest.
# All paths are relative, so that a checkout may lie in a directory with spaces.

VENV := .venv
PY := $(VENV)/bin/python
PIP := $(PY) -m pip --disable-pip-version-check --quiet
ARGS ?=
PYTEST_ARGS ?=
.DEFAULT_GOAL := help
.PHONY: help setup setup-dev run test check torture docs texts clean
.SUFFIXES:

help:
	@echo "make run      install what is needed and start Billing Desk (ARGS='--port 8600 --no-browser')"
	@echo "make setup    the virtual environment in $(VENV) and its packages"
	@echo "make test     make check, then every test"
	@echo "make check    ruff, mypy, import-linter, sqlfluff"
	@echo "make torture  the full dose of the tests that hurt"
	@echo "make docs     write docs/settings.md from the settings"
	@echo "make texts    bring the catalogues of translations in step with the source"
	@echo "make clean    remove the virtual environment and caches (never .billing)"

# The interpreter must run, be 3.11-3.13, and be able to make a virtual environment.
define find_python
for candidate in "$${PYTHON:-}" python3.13 python3.12 python3.11 python3; do \
	test -n "$$candidate" || continue; \
	"$$candidate" -c 'import sys, venv, ensurepip; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' >/dev/null 2>&1 \
	&& { python="$$candidate"; break; }; \
done; \
test -n "$${python:-}" || { \
	echo "Billing Desk needs Python 3.11, 3.12 or 3.13 with its venv module, and found none on PATH." >&2; \
	echo "On Debian or Ubuntu: sudo apt-get install python3 python3-venv. Elsewhere: python.org. Or name one: make setup PYTHON=/path/to/python3" >&2; \
	exit 1; }
endef

$(VENV)/.made:
	@$(find_python); \
	echo "Making the virtual environment in $(VENV) with $$("$$python" --version)"; \
	rm -rf $(VENV) && "$$python" -m venv $(VENV) && touch $@

# A virtual environment whose interpreter went away is made again.
ifneq ($(wildcard $(VENV)/.made),)
ifneq ($(shell $(PY) -c 'print(1)' 2>/dev/null),1)
$(shell rm -f $(VENV)/.made)
endif
endif

# What is installed is one lock at a time: the development lock holds everything of the other one.
$(VENV)/.packages: $(VENV)/.made requirements.lock
	@echo "Installing packages (requirements.lock)"
	@$(PIP) install --require-hashes -r requirements.lock
	@touch $@

$(VENV)/.packages-dev: $(VENV)/.made requirements-dev.lock
	@echo "Installing packages (requirements-dev.lock)"
	@$(PIP) install --require-hashes -r requirements-dev.lock
	@touch $@

$(VENV)/.project: $(VENV)/.made pyproject.toml | $(VENV)/.packages
	@$(PIP) install --no-deps --no-build-isolation -e .
	@touch $@

setup: $(VENV)/.packages $(VENV)/.project

setup-dev: $(VENV)/.packages-dev $(VENV)/.packages $(VENV)/.project

run: setup
	@exec $(PY) -m billing_core.cli up --until-parent-ends $(ARGS)

check: setup-dev
	$(PY) -m ruff check .
	$(PY) -m ruff format --check .
	$(PY) -m mypy
	$(PY) -c 'from importlinter.cli import lint_imports_command; lint_imports_command()'
	$(PY) -m sqlfluff lint --processes 2 --disable-progress-bar queries

test: setup-dev check
	@$(PY) tests/browser/chromium.py
	$(PY) -m pytest -n 2 $(PYTEST_ARGS)

torture: setup-dev
	$(PY) -m pytest -n 2 -m torture $(PYTEST_ARGS)

docs: setup
	$(PY) -m billing_core.cli settings-page > docs/settings.md

texts: setup
	$(PY) -m billing_core.locale

clean:
	rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache dist
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
