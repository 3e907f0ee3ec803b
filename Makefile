# From a bare clone: `make book` builds the pages, `make test` runs every check. Each installs what it needs into .venv.
PYTHON ?= python3
BIN := .venv/bin
FOR_BOOK := .venv/book
FOR_KEEPING := .venv/keep
READY := .venv/installed
NOTEBOOKS := $(sort $(wildcard notebooks/*.ipynb))
CODE := $(wildcard conftest.py statesdiff tests tools benchmarks book/_ext notebooks)
PAGE := _build/html/index.html

.PHONY: book pdf epub test lab notebooks rehearse clean

# The doctrees of a failed build go: a second build would read them and not repeat the warnings.
BUILD = $(BIN)/jupyter-book build . -q -W -n --keep-going >/dev/null || { rm -rf _build/.doctrees; exit 1; }

book: $(FOR_BOOK)
	@echo "Building the book ..."
	@$(BUILD)
	@echo "The book is built. Open $(CURDIR)/$(PAGE)"

# Made from the built pages; the second build links the file from the first page.
pdf epub: book $(FOR_KEEPING)
	@PYTHONPATH=tools $(BIN)/python -m keep $@
	@$(BUILD)

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
	rm -rf .venv _build dist *.egg-info .pytest_cache .ruff_cache .hypothesis .coverage .coverage.*
	find . -name __pycache__ -prune -exec rm -rf {} +

# The book shows stored outputs, so its pages need no PyTorch: 50 MB, where everything is hundreds, or thousands.
# pip first: a recent one knows groups. What is not compiled now is when it is used, and most of this never is.
INSTALL = $(BIN)/python -m pip install --quiet --constraint requirements.txt

$(FOR_BOOK): requirements.txt pyproject.toml
	@$(PYTHON) -c 'import sys; v = sys.version_info[:2]; (3, 10) <= v <= (3, 13) or sys.exit( \
	  "statesdiff needs Python 3.10 to 3.13; $(PYTHON) is %d.%d. Name another: make PYTHON=python3.12" % v)'
	@echo "Installing what the book needs into .venv (once) ..."
	@$(PYTHON) -m venv .venv
	@$(BIN)/python -m pip install --quiet --upgrade pip
	@$(INSTALL) --no-compile --group book
	@touch $@

$(FOR_KEEPING): $(FOR_BOOK)
	@$(INSTALL) --no-compile --group keep
	@touch $@

$(READY): $(FOR_BOOK)
	@echo "Installing everything into .venv (once, a minute or two) ..."
	@$(BIN)/python -m pip install --quiet -r requirements.txt
	@PYTHONWARNINGS=ignore $(BIN)/python -m pip install --quiet --no-deps --no-build-isolation -e .
	@touch $@
