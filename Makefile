# From a bare clone: `make book` builds the pages, `make test` runs every check. Both install into .venv first.
PYTHON ?= python3
BIN := .venv/bin
READY := .venv/installed
NOTEBOOKS := $(sort $(wildcard notebooks/*.ipynb))
CODE := $(wildcard conftest.py statesdiff tests tools benchmarks book/_ext notebooks)
PAGE := _build/html/index.html

.PHONY: book test lab notebooks rehearse clean

# The doctrees of a failed build go: a second build would read them and not repeat the warnings.
book: $(READY)
	@echo "Building the book ..."
	@$(BIN)/jupyter-book build . -q -W -n --keep-going >/dev/null || { rm -rf _build/.doctrees; exit 1; }
	@echo "The book is built. Open $(CURDIR)/$(PAGE)"

# Whole files go to two workers, in order: the slow ones come early, and a notebook keeps its kernel.
WORKERS ?= 2
PYTEST = $(BIN)/python -m pytest -n $(WORKERS) --dist loadfile --no-loadscope-reorder

# One thread each: two workers with two threads each would wait for one another.
test: export OMP_NUM_THREADS = 1
test: $(READY)
	$(BIN)/ruff check $(CODE)
	$(BIN)/ruff format --check $(CODE)
	$(PYTEST) --cov=statesdiff --cov-report=term-missing:skip-covered --cov-fail-under=95
	$(if $(NOTEBOOKS),$(PYTEST) --nbval-lax --nbval-cell-timeout=300 $(NOTEBOOKS))

lab: $(READY)
	$(BIN)/jupyter lab --notebook-dir=notebooks

notebooks: $(READY)
	$(BIN)/python tools/run_notebooks.py

# The ways in, tried for real; environments are kept in .rehearse. PARTS and CHAPTERS choose: make rehearse PARTS=hub
rehearse:
	@$(PYTHON) tools/rehearse.py $(PARTS) $(if $(CHAPTERS),--chapters $(CHAPTERS))

clean:
	rm -rf .venv _build *.egg-info .pytest_cache .ruff_cache .hypothesis .coverage .coverage.*
	find . -name __pycache__ -prune -exec rm -rf {} +

# pip first: a recent one installs a third faster than those that come with older Pythons.
$(READY): requirements.txt pyproject.toml
	@$(PYTHON) -c 'import sys; v = sys.version_info[:2]; (3, 10) <= v <= (3, 13) or sys.exit( \
	  "statesdiff needs Python 3.10 to 3.13; $(PYTHON) is %d.%d. Name another: make PYTHON=python3.12" % v)'
	@echo "Installing into .venv (once, a minute or two) ..."
	@$(PYTHON) -m venv .venv
	@$(BIN)/python -m pip install --quiet --upgrade pip
	@$(BIN)/python -m pip install --quiet -r requirements.txt
	@PYTHONWARNINGS=ignore $(BIN)/python -m pip install --quiet --no-deps --no-build-isolation -e .
	@touch $@
