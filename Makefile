# `make` alone lists the targets; a target's line of help stands behind its ##.

PYTHON := .venv/bin/python
# The bundled server programs and the kernels must never see a virtual environment of another, and
# a Python that keeps nothing compiled compiles two hundred modules for each command.
unexport VIRTUAL_ENV PYTHONHOME PYTHONPATH PYTHONDONTWRITEBYTECODE

# The plugin for notebooks takes a second and a half to load; the tests that use it start it themselves.
PYTEST := $(PYTHON) -m pytest -p no:nbval

# What `make test` leaves to the other targets: tests/README.md lists which target runs what.
APART := chaos or browser or cluster or bench or long
# Of that, what is not even looked into: four processes would each load its libraries.
ELSEWHERE := $(addprefix --ignore=tests/, browser cluster bench/test_bench.py)

# What another PostgreSQL than the embedded one is asked for.
SHARE := $(addprefix tests/engine/test_, apply.py poolers.py sessions.py drift.py lease.py \
	database_errors.py failover.py preflight.py)

.DEFAULT_GOAL := help
.PHONY: help setup demo test test-rest test-system-postgres test-wheel-postgres test-all test-chaos test-browser lint lab docs reference bench bench-quick bench-shapes bench-tables bench-10m bench-ocr bench-scale lock clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / { printf "make %-20s %s\n", $$1, $$2 }' Makefile

setup: ## make .venv from the lock file, and install system parts that are missing
	@scripts/setup

demo: setup ## all three jobs on invented data: dry run, apply, verify, run again, undo, evidence
	@$(PYTHON) -m backfill demo

# Four processes for two cores: a part of the tests' time is waiting, for locks, signals and ends.
test: setup ## every promise on a real server, four processes (some: make test ARGS="-k lease tests/engine")
	@scripts/system-packages pgbouncer
	$(PYTEST) -n 4 --dist worksteal $(ELSEWHERE) -m "not ($(APART))" $(ARGS)

test-rest: setup ## what takes long or starts clusters: Dask, benchmarks at a tiny size, the demo twice
	@scripts/system-packages shells
	$(PYTEST) -n 2 --dist worksteal -m "cluster or bench or long" $(ARGS)

test-all: test test-system-postgres test-wheel-postgres test-rest test-chaos test-browser ## every test there is

test-system-postgres: setup ## a share of the database tests on the system's PostgreSQL (Debian: 15)
	@scripts/system-packages pgbouncer
	@scripts/system-packages postgresql
	BACKFILL_PG_BIN=$$(ls -d /usr/lib/postgresql/*/bin | tail -n 1) $(PYTEST) -q $(SHARE) $(ARGS)

test-wheel-postgres: setup ## the same share on a third version, from a wheel where there is one (16)
	@scripts/system-packages pgbouncer
	@programs=$$(scripts/wheel-postgres) || exit 1; [ -z "$$programs" ] || \
		BACKFILL_PG_BIN=$$programs $(PYTEST) -q -n 2 --dist worksteal $(SHARE) $(ARGS)

test-chaos: setup ## kills, faults, two writers, tampering: every case of backfill selftest --chaos
	@scripts/system-packages pgbouncer
	$(PYTEST) tests/chaos $(ARGS)

test-browser: setup ## the notebooks and pages in a real Chromium; screenshots go to artefacts/
	@scripts/system-packages chromium
	$(PYTEST) tests/browser $(ARGS)

lint: setup ## ruff check, ruff format --check and mypy --strict
	$(PYTHON) -m ruff check .
	$(PYTHON) -m ruff format --check .
	$(PYTHON) -m mypy

lab: setup ## open JupyterLab on copies of the notebooks of your own
	@$(PYTHON) -m backfill lab

docs: setup ## the documentation as a site in site/, searchable without a network
	@NO_MKDOCS_2_WARNING=1 $(PYTHON) -m mkdocs build --strict --quiet
	@echo "Open site/index.html"

reference: setup ## renew docs/reference.md from the code
	$(PYTHON) -m tests.reference docs/reference.md

bench: setup ## our way beside what a user would write, and beside the bound: up to a million rows
	@scripts/system-packages pgbouncer
	$(PYTHON) -m tests.bench $(ARGS)

bench-quick: setup ## the same for 100,000 rows, in about six minutes
	@scripts/system-packages pgbouncer
	$(PYTHON) -m tests.bench --rows 100000 --rounds 1 --screenshots 4 $(ARGS)

bench-tables: setup ## what tables of other shapes cost beside the events, and how fast repair reads
	$(PYTHON) -m tests.bench --groups tables --rows 300000 --rounds 2 $(ARGS)

bench-10m: setup ## ten million rows: reading, writing and a whole run, beside 100,000 (half an hour)
	$(PYTHON) -m tests.bench --rows 100000 10000000 --rounds 1 --groups writing reading whole \
		--only bound auto DuckDB $(ARGS)

bench-ocr: setup ## print how exactly and how fast invented screenshots are read
	$(PYTHON) -m tests.bench.ocr $(ARGS)

bench-scale: setup ## what processes and a Dask cluster of two workers here cost and gain
	$(PYTHON) -m tests.bench.scale $(ARGS)

bench-shapes: setup ## what a table's order, indexes, room and triggers cost a run
	$(PYTHON) -m tests.bench --groups shapes --rows 300000 --rounds 1 $(ARGS)

lock: ## renew requirements.lock from pyproject.toml
	@scripts/lock

clean: ## delete .venv, caches and the embedded database; runs/ stays
	@if [ -d .embedded ] && [ -x $(PYTHON) ]; then $(PYTHON) -m backfill db reset; fi
	rm -rf .venv .embedded .cache .mypy_cache .ruff_cache .pytest_cache .hypothesis build dist
	rm -rf lib/*.egg-info
	find lib tests -type d -name __pycache__ -prune -exec rm -rf {} +
