# `make run` and `make test` need Python 3.11+ and make, and fetch the rest by themselves.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

.PHONY: run test check bench soak translations lock clean

run: .make/run
	@$(BIN)/consent-tokens serve

test: .make/test .make/system check
	$(BIN)/python -m pytest -n auto --dist worksteal

check: .make/test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/deptry .
	$(BIN)/interrogate consent_tokens
	$(BIN)/vulture
	$(BIN)/djlint --lint consent_tokens/web/templates --quiet

translations: .make/test
	$(BIN)/pybabel compile --directory consent_tokens/web/translations

bench: .make/test .make/system
	$(BIN)/python -m tests.bench

soak: .make/test .make/system
	$(BIN)/python -m tests.bench.soak

lock: .make/test
	PATH="$(CURDIR)/$(BIN):$$PATH" scripts/lock

clean:
	rm -rf $(VENV) .make

.make/run: requirements/run.txt pyproject.toml
	@scripts/install "$(PYTHON)" $(VENV) requirements/run.txt
	@mkdir -p .make && touch $@

.make/test: requirements/test.txt pyproject.toml
	@scripts/install "$(PYTHON)" $(VENV) requirements/test.txt
	@mkdir -p .make && touch .make/run $@

.make/system: scripts/system-packages tests/interop/smsc/package-lock.json
	@scripts/system-packages
	@mkdir -p .make && touch $@
