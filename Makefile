# `make run` and `make test` need Python 3.11+ and make, and fetch the rest by themselves.
#   make check       lint, types, import contracts: under a minute
#   make test-fast   the quick tests on SQLite: no PostgreSQL, no other processes, no browser
#   make test        check, then every test; with COVERAGE=1 also prints the coverage
#   make test-all    every test, each on both databases: an hour
#   make faults      the tests of kills, crashes and races, with more of each, and every browser
PYTHON ?= python3
COVERAGE ?=
VENV := .venv
BIN := $(VENV)/bin
CHECKS := mypy lint-imports djlint ruff-check ruff-format deptry interrogate vulture
PYTEST := $(BIN)/python -m pytest -n auto --dist worksteal

.PHONY: run test test-fast test-all check $(CHECKS) faults mutation bench bench-quick soak translations lock upgrade clean measure-inbound

run: .make/run
	@$(BIN)/consent-tokens serve

# Measuring is an option: the tracer of Python 3.11 adds half to the time of the tests. Hypothesis's
# profile "ci" sets no deadline, which the tracer would make some tests miss.
test: .make/test .make/system check
	$(PYTEST) $(if $(COVERAGE),--cov --cov-report= --hypothesis-profile=ci)
	$(if $(COVERAGE),@echo "coverage: $$($(BIN)/coverage report --format=total) % of the lines of consent_tokens")

# `make test` runs every second test of a file on SQLite, the others on PostgreSQL.
test-all: .make/test .make/system check
	CASES=all FAULTS=all BROWSER=all $(PYTEST)

test-fast: .make/test
	$(PYTEST) -m "not processes and not browser and not postgres and not slow"

# Two at a time.
check: .make/test
	@$(MAKE) --no-print-directory --output-sync --jobs=2 $(CHECKS)

mypy lint-imports vulture:
	$(BIN)/$@
ruff-check:
	$(BIN)/ruff check .
ruff-format:
	$(BIN)/ruff format --check .
deptry:
	$(BIN)/deptry .
interrogate:
	$(BIN)/interrogate consent_tokens
djlint:
	$(BIN)/djlint --lint consent_tokens/web/templates --quiet

mutation: .make/test
	$(BIN)/python -m tests.mutation

# Brings new texts of code and templates into the catalogues, drops unused ones, and compiles them.
translations: .make/test
	$(BIN)/pybabel -q extract --mapping-file babel.cfg --no-location --output-file .make/messages.pot .
	$(BIN)/pybabel -q update --input-file .make/messages.pot --output-dir consent_tokens/translations \
		--no-wrap --no-fuzzy-matching --ignore-obsolete --ignore-pot-creation-date
	$(BIN)/pybabel -q compile --directory consent_tokens/translations

# TEXTS is a folder of en.txt, zh.txt, fr.txt, es.txt, de.txt: public texts, one a line (docs/inbound.md).
measure-inbound: .make/test
	$(BIN)/python -m tests.inbound.measure $(TEXTS)

# What the suite does in small: kills and crashes, more often; a thousand revocations that race; the
# pages in each language at each width.
faults: .make/test .make/system
	FAULTS=all BROWSER=all $(PYTEST) tests/faults tests/stories/test_in_a_browser.py \
		tests/interop/test_smpp_carriers.py \
		tests/promises/test_03_revocation_is_at_once_and_for_good.py

bench: .make/test .make/system
	$(BIN)/python -m tests.bench --json docs/images/bench.json
	$(BIN)/python -m tests.bench.chart docs/images/bench.json docs/images/bench.svg

# four minutes, for those who change the way of a message
bench-quick: .make/test .make/system
	$(BIN)/python -m tests.bench --quick

soak: .make/test .make/system
	$(BIN)/python -m tests.bench.soak

# `lock` writes the lock files after a change of pyproject.toml; `upgrade` also moves every pin to its
# newest release.
lock: .make/test
	PATH="$(CURDIR)/$(BIN):$$PATH" scripts/lock

upgrade: .make/test
	PATH="$(CURDIR)/$(BIN):$$PATH" scripts/lock --upgrade

clean:
	rm -rf $(VENV) .make

.make/run: requirements/run.txt requirements/build.txt pyproject.toml
	@scripts/install "$(PYTHON)" $(VENV) requirements/run.txt
	@mkdir -p .make && touch $@

.make/test: requirements/test.txt requirements/build.txt pyproject.toml
	@scripts/install "$(PYTHON)" $(VENV) requirements/test.txt
	@mkdir -p .make && touch .make/run $@

.make/system: scripts/system-packages tests/interop/smsc/package-lock.json
	@scripts/system-packages
	@mkdir -p .make && touch $@
