# Everything here works from a clean clone: the first target that needs it makes .venv.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PYTEST_OPTIONS ?= -n 2 -q

.PHONY: demo test lint clean

$(VENV)/.ready: pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --upgrade "pip>=25.1"
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable . --group dev
	touch $@

demo: $(VENV)/.ready
	$(BIN)/python docs/examples/flights/demo.py

test: $(VENV)/.ready
	$(BIN)/python -m pytest $(PYTEST_OPTIONS)

lint: $(VENV)/.ready
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/pyright --pythonpath $(BIN)/python
	PYTHONPATH=. $(BIN)/lint-imports

clean:
	rm -rf $(VENV) build dist *.egg-info
