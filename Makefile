.PHONY: run test quick
PYTHON ?= python3
BIN := .venv/bin

run: .venv/installed
	$(BIN)/streamlit run app.py

test: .venv/installed-dev
	$(BIN)/ruff check .
	$(BIN)/python -m pytest -n 2

quick: .venv/installed-dev
	$(BIN)/python -m pytest -n 2 -m "not slow"

.venv/installed: requirements.txt
	@echo 'Installing the packages into .venv: a few minutes, 2 GB, once.'
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements.txt
	touch $@

.venv/installed-dev: requirements-dev.txt .venv/installed
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements-dev.txt
	touch $@
