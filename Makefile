# make test, make demo, make docs, make fuzz: each makes the virtual environment on first use.
PYTHON ?= python3
BIN := .venv/bin
READY := .venv/ready
DOCS_READY := .venv/docs-ready

FUZZ := --inputs 10000 --fits 100 --kills 200 --disks 100 --names 50 --hostile 62

.PHONY: test test-slow fuzz demo docs docs-links dist format clean

$(READY): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python >= 3.11 is needed; say which: make PYTHON=python3.11 $(MAKECMDGOALS)")'
	$(PYTHON) -m venv .venv
	$(BIN)/pip install -q -U "pip>=26"
	$(BIN)/pip install -q -c constraints.txt "setuptools>=77" wheel torch numpy
	$(BIN)/pip install -q --no-build-isolation -c constraints.txt -e ".[dev,scatter]"
	$(BIN)/python -c "import torch, torch_scatter, torch_geometric"
	@touch $@

test: $(READY)
	$(BIN)/ruff format --check -q .
	$(BIN)/ruff check -q .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache
	$(BIN)/pytest -n 2 --dist worksteal -m "not slow"

test-slow: $(READY)
	$(BIN)/pytest -m slow

fuzz: $(READY)
	$(BIN)/python tests/fuzz/run.py $(FUZZ)

demo: $(READY)
	rm -rf demo
	mkdir -p demo
	$(BIN)/synapsnet simulate demo/population.h5 --bins 20000
	$(BIN)/synapsnet fit demo/population.h5 --out demo/run --preset fast --epochs 8
	$(BIN)/synapsnet evaluate demo/run
	$(BIN)/synapsnet connectivity demo/run --out demo/results --significance --fdr 0.05
	$(BIN)/synapsnet figures demo/run --out demo/results
	$(BIN)/synapsnet report demo/run --out demo/report
	@echo "The connectivity (npz, graphml), the edges that mean something (csv) and figures (png) lie in demo/results;"
	@echo "open demo/report/index.html in a browser."

$(DOCS_READY): $(READY)
	$(BIN)/pip install -q --no-build-isolation -c constraints.txt -e ".[docs]"
	@touch $@

docs: $(DOCS_READY)
	$(BIN)/sphinx-build -W -n -j auto -b html docs docs/_build/html
	@echo "Open docs/_build/html/index.html in a browser."

docs-links: docs
	$(BIN)/sphinx-build -n -b linkcheck docs docs/_build/linkcheck

dist: $(READY)
	rm -rf dist
	$(BIN)/python -m build --no-isolation

format: $(READY)
	$(BIN)/ruff format -q .
	$(BIN)/ruff check -q --fix .

clean:
	rm -rf .venv demo dist build fuzz-faults docs/_build docs/generated .mypy_cache .ruff_cache .pytest_cache
