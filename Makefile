# Needs only make and Python 3.11; every target brings the environment up to date first.
.DEFAULT_GOAL := help
SHELL := /bin/sh
PY := .venv/bin/python
BENCH_PY := .venv-bench/bin/python
# Two at a time: with more, tests that start processes run into their time limits on two cores.
PYTEST = -m pytest -n 2 --dist worksteal -m "not system"

.PHONY: help run test test-system check lint types contracts coverage bench soak docs ui mutation format lock clean env env-bench

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "  make %-12s %s\n", $$1, $$2}' Makefile

run: ## start the gateway in front of a demo API, with the dashboard
	@scripts/bootstrap runtime
	.venv/bin/lukhas demo

test: env ## run every test that needs no root
	$(PY) $(PYTEST)

test-system: env ## install nginx, wrk, chromium, prometheus ... (as root) and run the tests that need them
	@scripts/install-system
	@# 5 is pytest's code for "nothing selected"
	@$(PY) -m pytest -m system || { [ $$? -eq 5 ] && echo "no test is marked system"; }

check: lint types contracts coverage ## everything a change must pass

lint: env ## style and formatting
	$(PY) -m ruff check .
	$(PY) -m ruff format --check .

types: env ## mypy --strict
	$(PY) -m mypy --strict src tests benchmarks

contracts: env ## who may import whom
	.venv/bin/lint-imports --no-logo

coverage: env ## the tests of `make test`, with the coverage gates
	$(PY) -m coverage erase
	$(PY) -m coverage run $(PYTEST)
	$(PY) -m coverage combine --quiet
	$(PY) scripts/coverage-gate

bench: env-bench ## print the measured numbers, with those of the peers
	$(BENCH_PY) -m benchmarks $(ARGS)

soak: env ## ten minutes of mixed load on the gateway; fails on errors, growth, stuck connections
	$(PY) -m benchmarks.soak $(ARGS)

docs: env ## run every example of README.md and docs/
	$(PY) -m pytest tests/docs

ui: ## build the dashboard from ui/ into the package (needs node)
	@scripts/build-ui

mutation: env ## mutation score of the pure decisions (long)
	.venv/bin/mutmut run
	.venv/bin/mutmut results

format: env ## rewrite the sources in the house format
	$(PY) -m ruff check --fix .
	$(PY) -m ruff format .

lock: env ## take up changed dependencies of pyproject.toml into the locks
	scripts/lock $(ARGS)

clean: ## remove environments and everything the tools wrote
	rm -rf .venv .venv-bench .coverage .coverage.* .hypothesis .import_linter_cache .mypy_cache \
		.pytest_cache .ruff_cache build dist htmlcov mutants ui/node_modules
	find src tests benchmarks -name __pycache__ -type d -prune -exec rm -rf {} + 2>/dev/null || true

env:
	@scripts/bootstrap

env-bench:
	@scripts/bootstrap bench
