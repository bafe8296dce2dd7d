# Everything runs from a fresh clone: the environment is made on demand in .venv.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

.PHONY: help demo test test-unit test-integration test-compat test-cloud-long test-crash test-fuzz test-systemd fuzz soak soak-cloud lint bench bench-systemd deb generate clean

help: ## Show what can be made
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 20

$(VENV)/.run: pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check -e .
	@touch $@

$(VENV)/.dev: pyproject.toml $(VENV)/.run
	$(BIN)/pip install --quiet --disable-pip-version-check -e '.[dev]'
	@touch $@

demo: $(VENV)/.run ## Run two components in a private runtime for a few seconds, then clear up
	@sh docs/examples/demo.sh $(BIN)/ggl

test: lint test-unit test-integration ## Run every check and every test

lint: $(VENV)/.dev ## Style, types and the direction of imports
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache

test-unit: $(VENV)/.dev ## The tests of single packages
	$(BIN)/python -m pytest tests/unit

test-integration: $(VENV)/.dev ## The tests with real daemons, sockets and components
	$(BIN)/python -m pytest -n auto --dist loadfile tests/integration

test-crash: $(VENV)/.dev ## Deployments that are killed at every step, in every way (minutes)
	$(BIN)/python -m pytest -n auto tests/crash

test-compat: $(VENV)/.dev ## Every IPC operation through every client library (needs node and npm)
	$(BIN)/python -m pytest tests/compat

test-cloud-long: $(VENV)/.dev ## The connection to AWS is lost for a minute at every stage of a deployment (two hours)
	GGL_OUTAGE_SECONDS=60 $(BIN)/python -m pytest -o faulthandler_timeout=900 tests/integration/test_cloud_chaos.py

test-fuzz: $(VENV)/.dev ## Short runs of the IPC fuzzer and of the soak
	$(BIN)/python -m pytest tests/fuzz tests/soak

test-systemd: $(VENV)/.dev ## The tests on systemd, in sandboxes or on this machine (root; says so where there is none)
	$(BIN)/python -m tests.system.run

fuzz: $(VENV)/.dev ## A million broken frames against a running bridge (minutes)
	$(BIN)/python -m tests.fuzz

soak: $(VENV)/.dev ## Half an hour of messages through the bridge, with everything counted
	$(BIN)/python -m tests.soak

soak-cloud: $(VENV)/.dev ## An hour of a bad connection to AWS, with everything counted
	$(BIN)/python -m tests.soak.cloud

bench: $(VENV)/.dev ## Measure; prints a table (needs a C compiler)
	$(BIN)/python -m tests.bench

bench-systemd: $(VENV)/.dev ## Measure on systemd, in a sandbox or on this machine; prints tables
	$(BIN)/python -m tests.bench.systemd

deb: ## Build the Debian package in dist/ (says which of Debian's packages that needs)
	@packaging/debian/build.sh $(DEB_VERSION)

generate: $(VENV)/.dev ## Write completions, man page and command reference anew
	$(BIN)/python -m gglcli.generate

clean: ## Remove the environment and what tools left
	rm -rf $(VENV) build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis
