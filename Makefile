# Plain `make` lists what there is. Works with GNU make 3.81 (macOS) and newer.
.DEFAULT_GOAL := help
SHELL := /bin/sh
.SUFFIXES:
MAKEFLAGS += --no-print-directory

BIN := .venv/bin
ONCE := $(BIN)/python scripts/once.py
PYTHON_CODE := src tests scripts bench migrations
PIP := $(BIN)/python -m pip --disable-pip-version-check --no-input
UV_LOCK := $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-strip-extras \
	--no-header --no-emit-index-url --no-emit-find-links

.PHONY: help install run test check format lock audit clean screenshots bench venv python-packages python-dev web-packages web

help: ## Show this list
	@echo "OneTake: record once, serve everywhere."
	@echo
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' Makefile
	@echo
	@echo "New here? make run, then open the address it prints."

install: python-packages web ## Set everything up: virtual environment, packages, web page

run: install ## Start the whole platform in the foreground (Ctrl-C stops it)
	@exec $(BIN)/onetake serve

test: install python-dev ## Run all tests: web, Python, and browser tests where a Chromium is found
	@$(BIN)/python -m scripts.run_tests

check: install python-dev ## Lint, types, import direction, generated files, own rules
	@$(BIN)/python -m scripts.run_checks

format: python-dev ## Rewrite the Python code in the agreed form
	@$(BIN)/ruff check --fix-only --quiet . && $(BIN)/ruff format $(PYTHON_CODE)

lock: python-dev ## Renew the lock files within the bounds of pyproject.toml and package.json
	@$(UV_LOCK) --upgrade pyproject.toml --output-file requirements.lock
	@$(UV_LOCK) --upgrade pyproject.toml --extra dev --output-file requirements-dev.lock
	@$(UV_LOCK) --upgrade --group build --output-file requirements-build.lock
	@cd web && npm update --no-audit --no-fund

screenshots: install python-dev ## Take the pictures of the documentation anew
	@$(BIN)/python -m scripts.screenshots

bench: install python-dev ## Run the measurements of bench/, one after the other (minutes)
	@for file in bench/bench_*.py; do \
		echo; echo "== $$file"; $(BIN)/python -m "bench.$$(basename "$$file" .py)" || exit 1; done

audit: install python-dev ## Ask the public lists whether a locked package has a known hole (needs the network)
	@$(BIN)/pip-audit --require-hashes --disable-pip --requirement requirements.lock
	@cd web && npm audit --omit=dev

clean: ## Remove everything that can be made again (never the data folder)
	@rm -rf .venv .stamps .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache \
		dist build src/onetake/webui web/node_modules web/dist test-results .coverage*
	@find src tests scripts bench migrations -name __pycache__ -type d -prune -exec rm -rf {} +

venv:
	@test -x $(BIN)/python || { python=$$(scripts/need.sh python) && "$$python" -m venv .venv; }

python-packages: venv
	@$(ONCE) python-packages --out $(BIN)/pip requirements.lock requirements-build.lock -- \
		$(PIP) install --quiet --require-hashes -r requirements.lock -r requirements-build.lock
	@$(ONCE) onetake --out $(BIN)/onetake pyproject.toml requirements.lock -- \
		$(PIP) install --quiet --no-deps --no-build-isolation --editable .

python-dev: python-packages
	@$(ONCE) python-dev requirements-dev.lock -- $(PIP) install --quiet --require-hashes -r requirements-dev.lock

web-packages: venv
	@$(ONCE) web-packages --out web/node_modules web/package.json web/package-lock.json -- \
		sh -c 'npm=$$(scripts/need.sh npm) && cd web && "$$npm" ci --no-audit --no-fund --loglevel=error'

web: web-packages
	@$(ONCE) web --out src/onetake/webui/index.html web -- \
		sh -c 'npm=$$(scripts/need.sh npm) && cd web && "$$npm" run --silent build'
