# `make demo` and `make test` are all a newcomer needs. Both make the virtual environment from the hashed lock first.
PYTHON ?= python3
BIN := .venv/bin

.DEFAULT_GOAL := help
.PHONY: help demo test soak native check-native bench bench-differs check static docs lock format clean

help: ## list what can be made
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 16

demo: .venv/runtime ## install and run registry, gateway and demo backends (Ctrl-C stops them)
	@exec $(BIN)/weighbridge up $(ARGS)

test: .venv/dev ## install what tests need and run all of them, on real PostgreSQL and Valkey
	$(BIN)/pytest $(ARGS)

soak: .venv/dev ## knock the gateway over: everything around it fails under load (about ten minutes)
	$(BIN)/pytest -m soak tests/soak $(ARGS)

native: .venv/dev ## compile the gateway's hot modules into a copy at build/native (optional; needs a C compiler)
	@command -v cc >/dev/null || { apt-get update -qq && apt-get install -y -qq --no-install-recommends gcc libc6-dev; }
	$(BIN)/python -m gateway.native build/native

check-native: native ## the gateway's tests on the compiled copy
	cp -r tests docs README.md build/native
	cd build/native && ../../$(BIN)/python -c "from gateway import connection as c; assert not c.__file__.endswith('.py'), c.__file__"
	cd build/native && ../../$(BIN)/python -m pytest $(ARGS) tests/unit/gateway tests/unit/policies/traffic tests/contract/test_counters.py \
	  tests/contract/test_policies.py tests/integration

bench: native ## measure the gateway beside nginx and HAProxy (installs them from Debian packages)
	@command -v wrk haproxy nginx >/dev/null || { apt-get update -qq && apt-get install -y -qq --no-install-recommends wrk haproxy nginx-light; }
	$(BIN)/python -m tests.bench.gateway $(ARGS)
	$(BIN)/python -m tests.bench.scenarios

bench-differs: .venv/dev ## measure our differ beside those on PyPI and npm (needs node and npm; under ten minutes)
	@command -v npm >/dev/null || { echo 'npm is not installed: the differs from npm need it' >&2; exit 2; }
	$(BIN)/python -m tests.bench.differs $(ARGS)

check: static test ## exactly what CI runs

static: .venv/dev ## format, lint, types, layers, what the compiler asks for
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache
	$(BIN)/python -m gateway.native --check
	$(BIN)/hadolint docker/Dockerfile

format: .venv/dev ## rewrite the source in the one format
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

docs: .venv/dev ## write the generated pages
	$(BIN)/python docs/generate.py

lock: ## resolve the dependencies anew, with hashes and without index addresses (needs uv)
	uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header --no-annotate \
	  pyproject.toml requirements/build.in -o requirements/runtime.txt
	uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header --no-annotate \
	  pyproject.toml requirements/build.in --group pyproject.toml:dev -c requirements/runtime.txt -o requirements/dev.txt

clean: ## remove the virtual environment, the demo's data and every cache
	rm -rf .venv .weighbridge .mypy_cache .ruff_cache .hypothesis

# A stamp per lock file: an interrupted install leaves no stamp, so the next make repeats it. The dev lock contains the
# runtime lock at the same versions.
.venv/pyvenv.cfg:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo 'Weighbridge needs Python 3.11 or newer: make demo PYTHON=python3.12' >&2; exit 2; }
	$(PYTHON) -m venv .venv

.venv/runtime: requirements/runtime.txt pyproject.toml | .venv/pyvenv.cfg
	@test -f .venv/dev || { echo 'installing from requirements/runtime.txt (about a minute)'; \
	  $(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/runtime.txt; }
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@

.venv/dev: requirements/dev.txt pyproject.toml | .venv/pyvenv.cfg
	@echo 'installing from requirements/dev.txt (about a minute)'
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/dev.txt
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@
