# Two commands: `make book` and `make test`. `make help` lists the rest.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
SITE   := $(VENV)/.installed-site
ALL    := $(VENV)/.installed-all
UV     := $(BIN)/uv --quiet
# Downloads show their progress to whoever looks.
SYNC   := $(BIN)/uv $(shell test -t 2 || echo --quiet) pip sync --compile-bytecode --require-hashes
COMPILE := $(UV) pip compile --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-annotate --no-header

export PIP_DISABLE_PIP_VERSION_CHECK := 1
export VIRTUAL_ENV := $(abspath $(VENV))
# What was asked for, also in a make that this one calls.
export GOAL ?= $(MAKECMDGOALS)
# uv does not read pip's configuration: a mirror that is set there is passed on.
MIRROR = if [ -z "$$UV_DEFAULT_INDEX" ]; then \
	  mirror=$$($(BIN)/python -m pip config get global.index-url 2>/dev/null) && export UV_DEFAULT_INDEX="$$mirror"; fi

.DEFAULT_GOAL := help
.PHONY: help book test verify graders serve lock upgrade site-environment environment clean
.DELETE_ON_ERROR:

help:  ## list the targets
	@awk 'BEGIN {FS = ":.*## "} /^[a-z-]+:.*## / {printf "  make %-16s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

book: site-environment  ## build the book in both languages (executes what is stale) into _build/site
	@if ! $(BIN)/aibook run --list-stale; then $(MAKE) --no-print-directory environment && $(BIN)/aibook run; fi
	@$(BIN)/aibook site

# One thread each: two workers whose torch takes two threads wait for each other on two cores. In `verify` the notebooks
# in Colab's packages and those in the book's own (two at once) share the cores.
test: environment  ## pass every test, the notebooks in their `smoke` profile (about 15 minutes)
	@OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 --dist worksteal

verify: environment  ## execute the whole book in `laptop`, hold each record against its band, and try every grader
	@OMP_NUM_THREADS=1 $(BIN)/python -m pytest -m "verify or graders" -n 2 --dist loadfile

graders: environment  ## the part of it that tries known answers and mutants of every lab (about 8 minutes)
	@OMP_NUM_THREADS=1 $(BIN)/python -m pytest -m graders -n 2

serve: site-environment  ## show the built book in a browser
	@$(BIN)/aibook serve

# -- the environment ---------------------------------------------------------------------------------------------------
# Stamps keep a second call from installing again; the full environment also serves the site.
site-environment:
	@$(MAKE) --silent --no-print-directory $$(if [ -e $(ALL) ]; then echo $(ALL); else echo $(SITE); fi)
environment: $(ALL)  ## install everything (about 7 GB, most of it torch)
	@$(BIN)/aibook detectron2

$(BIN)/uv: | requirements.txt
	@command -v $(PYTHON) >/dev/null || \
	  { echo "There is no $(PYTHON) here; the book needs Python 3.11 or newer." \
	    "If it has another name: make $(GOAL) PYTHON=python3.12"; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "The book needs Python 3.11 or newer; $(PYTHON) is older. Try: make $(GOAL) PYTHON=python3.12"; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || \
	  { echo "Python's venv module is missing. On Debian and Ubuntu: sudo apt install python3-venv"; exit 1; }
	@echo "Creating $(VENV) …"
	@$(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet "$$(grep -oE '^uv==[0-9.]+' requirements.txt)"

$(SITE): requirements-site.txt pyproject.toml | $(BIN)/uv
	@echo "Installing what building the site needs (about 300 MB) …"
	@$(MIRROR); $(SYNC) requirements-site.txt
	@$(UV) pip install --no-deps --no-build-isolation --editable .
	@rm -f $(ALL) && touch $(SITE)

$(ALL): requirements.txt pyproject.toml | $(BIN)/uv
	@echo "Installing everything (about 7 GB once; most of it torch) …"
	@$(MIRROR); $(SYNC) requirements.txt
	@$(UV) pip install --no-deps --no-build-isolation --editable .
	@touch $(SITE) $(ALL)

lock: | $(BIN)/uv  ## resolve pyproject.toml's groups into the lock, keeping versions that still fit
	@$(COMPILE) --group site --group book --group dev --output-file requirements.txt
	@$(COMPILE) --group site --constraint requirements.txt --output-file requirements-site.txt

upgrade: | $(BIN)/uv  ## resolve the lock anew to the newest versions
	@$(COMPILE) --upgrade --group site --group book --group dev --output-file requirements.txt
	@$(COMPILE) --upgrade --group site --constraint requirements.txt --output-file requirements-site.txt

clean:  ## remove what was built (not the environment, not the data cache)
	@rm -rf _build .pytest_cache .ruff_cache
