# Everything here works from a clean clone: the first target that needs it makes .venv.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PYTEST_OPTIONS ?= -n 2 --dist worksteal -q

.PHONY: bench changelog demo fuzz test test-engines test-faults test-flights test-guards test-lowest test-schedules lint clean

# What the package itself needs; then what its tests and checks need.
$(VENV)/.installed: pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --upgrade "pip>=25.1"
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable .
	touch $@

$(VENV)/.ready: $(VENV)/.installed
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable . --group dev
	touch $@

# As many flights as this machine does in two minutes. All 336,776: make demo FLIGHTS=all
demo: $(VENV)/.installed
	$(BIN)/python docs/examples/flights/demo.py $(if $(FLIGHTS),--rows=$(FLIGHTS))

# All tests on the embedded Valkey, then the runtime's on a Redis 7 or newer, if one is on PATH.
test: $(VENV)/.ready
	$(BIN)/python -m pytest $(PYTEST_OPTIONS)
	$(BIN)/python tests/servers/lane.py --pytest="$(PYTEST_OPTIONS)"

# The runtime's tests on all servers of a folder, as in "make test-engines ENGINES=/opt/servers"; writes their table.
test-engines: $(VENV)/.ready
	$(BIN)/python tests/servers/lane.py $(ENGINES) --table=docs/reference/engines.md --pytest="$(PYTEST_OPTIONS)"

# All tests with the lowest versions that pyproject.toml allows, in an environment of their own. The plugin of anyio, which
# nothing here uses, is too old there for pytest.
test-lowest: .venv-lowest/.ready
	PYTEST_ADDOPTS="-p no:anyio" .venv-lowest/bin/python -m pytest $(PYTEST_OPTIONS)

.venv-lowest/.ready: pyproject.toml tests/repository/lowest_versions.py
	$(PYTHON) -m venv .venv-lowest
	.venv-lowest/bin/python tests/repository/lowest_versions.py > .venv-lowest/lowest.txt
	.venv-lowest/bin/python -m pip install --quiet --disable-pip-version-check --upgrade "pip>=25.1"
	.venv-lowest/bin/python -m pip install --quiet --disable-pip-version-check -c .venv-lowest/lowest.txt --editable . --group dev
	touch $@

# All 336,776 flights through a chain of ten migrations, forward, back to zero and forward again.
test-flights: $(VENV)/.ready
	FLIGHTS=336776 $(BIN)/python -m pytest -q tests/acceptance/test_flights.py

# 500 drawn schedules of each of three seeds: who goes next is drawn, everything is compared after each round trip.
test-schedules: $(VENV)/.ready
	SCHEDULES=500 SEEDS="1 2 3" $(BIN)/python -m pytest $(PYTEST_OPTIONS) tests/simulation

# What befalls real servers, networks and processes, beside live writers; writes the table of what was lost: nothing.
# Another server than the embedded one: make test-faults SERVER=/opt/redis-7.0/bin/redis-server
test-faults: $(VENV)/.ready
	$(BIN)/python tests/fault_injection/lane.py $(if $(SERVER),--server=$(SERVER)) --table=docs/reference/faults.md --pytest="$(PYTEST_OPTIONS)"

# A place of its own for the libraries that we are compared with: with redis-om come stubs that hide redis-py's types.
.venv-bench/.ready: pyproject.toml
	$(PYTHON) -m venv .venv-bench
	.venv-bench/bin/python -m pip install --quiet --disable-pip-version-check --upgrade "pip>=25.1"
	.venv-bench/bin/python -m pip install --quiet --disable-pip-version-check --editable ".[bench]"
	touch $@

# A million drawn inputs, each bounded, ten minutes at most: stored values, type text, what lies at the engine's own keys,
# members of indexes, settings, flags, answer files. Writes the table of counts. Less: make fuzz INPUTS=10000 SEED=7
fuzz: $(VENV)/.ready
	$(BIN)/python -m tests.fuzz --seconds=600 $(if $(INPUTS),--inputs=$(INPUTS)) $(if $(SEED),--seed=$(SEED)) \
	  $(if $(INPUTS),,--page=docs/explanation/proof.md)

# Takes each guard and each write of the Lua scripts away in turn, and tells which of them no test needs; an hour or more.
# Some scripts: make test-guards SCRIPTS=migrations/lua/rename_key.lua
test-guards: $(VENV)/.ready
	$(BIN)/python -m tests.repository.sweep_scripts $(SCRIPTS)

# Ours and its yardsticks in turn. All of it, half an hour on a quiet machine, writes the tables and plots of the
# documentation. Less writes nothing: make bench CASES="insert select", make bench SCALE=small, and JSON=values.json.
bench: .venv-bench/.ready
	.venv-bench/bin/python -m tests.benchmarks $(CASES) $(if $(SCALE),--scale=$(SCALE)) $(if $(JSON),--json=$(JSON)) \
	  $(if $(CASES)$(SCALE),,--page=docs/reference/speed.md --headlines=README.md)

# Makes CHANGELOG.md of all fragments in docs/changelog.d, which stay until there is a release.
changelog: $(VENV)/.ready
	printf '# Changes\n\n<!-- scriv-insert-here -->\n' > CHANGELOG.md
	$(BIN)/scriv collect --keep --no-edit --no-add --version=Unreleased
	sed -i 's|](../|](docs/|g' CHANGELOG.md

lint: $(VENV)/.ready
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/pyright --pythonpath $(BIN)/python
	PYTHONPATH=. $(BIN)/lint-imports

clean:
	rm -rf $(VENV) .venv-bench .venv-lowest build dist *.egg-info
