# Every chore is one target; `make help` lists them. A virtual environment is made and filled when a target needs it.

# Where the virtual environment lies. Running as root with a checkout under a root-only home, name a folder that other
# accounts can read (VENV=/opt/emdr-venv): PostgreSQL refuses to run as root.
VENV ?= .venv
# Arguments handed on to the command: make serve ARGS="--port 9000".
ARGS ?=

PY := $(VENV)/bin/python
PIP := $(PY) -m pip --disable-pip-version-check --quiet
# Every dependency, build tools included, is pinned with its hash; nothing else is fetched.
INSTALL_LOCK := $(PIP) install --require-hashes --no-deps -r
INSTALL_SELF := $(PIP) install --no-deps --no-build-isolation --no-index -e .
CODE := $(wildcard emdr_stream training benchmarks notebooks tests)
SERVE_READY := $(VENV)/.serve-ready
DEV_READY := $(VENV)/.dev-ready
# Two workers, each with whole files and stores of its own; ARGS="-n 0" is one after the other, for a debugger.
TWO_AT_A_TIME := -n 2 --max-worker-restart 0
# Where no timeout gets through (a hang outside of Python), the stacks are written and the run ends.
NO_HANG := -o faulthandler_timeout=400 -o faulthandler_exit_on_timeout=true
# A public model that webcam frames need: fetched, because it is not ours to ship.
LANDMARKER := $(VENV)/share/emdr-stream/face_landmarker.task

.DEFAULT_GOAL := help
.PHONY: help setup serve test verify fmt check bench docs train notebooks lock

help: ## list the targets
	@sed -n 's/^\([a-z]*\):.*## \(.*\)/  make \1|\2/p' Makefile | awk -F'|' '{ printf "%-17s%s\n", $$1, $$2 }'

setup: $(DEV_READY) $(LANDMARKER) ## install everything for work on the code

serve: $(SERVE_READY) $(LANDMARKER) ## start the service (ARGS="--port 9000")
	$(PY) -m emdr_stream serve $(ARGS)

test: check docs $(LANDMARKER) ## lint, types, import contracts and every test that takes minutes at most
	$(PY) -m tests.chromium
	$(PY) -m tests.prometheus
	$(PY) -m pytest -m "not slow and not alone" $(TWO_AT_A_TIME) $(NO_HANG) $(ARGS) || [ $$? -eq 5 ]
	$(PY) -m pytest -m "not slow and alone" $(NO_HANG) $(ARGS) || [ $$? -eq 5 ]

verify: $(DEV_READY) $(LANDMARKER) ## the long fault, fuzz and soak runs, before a release
	HYPOTHESIS_PROFILE=verify $(PY) -m pytest --timeout=1800 $(ARGS)

fmt: $(DEV_READY) ## format the code and mend what can be mended
	$(PY) -m ruff format .
	$(PY) -m ruff check --fix .

check: $(DEV_READY) ## lint, formatting, types and import contracts, without a test
	$(PY) -m ruff check .
	$(PY) -m ruff format --check .
	$(PY) -m mypy $(CODE)
	$(VENV)/bin/lint-imports

bench: $(DEV_READY) ## run the benchmarks (ARGS="--help")
	$(PY) -m benchmarks $(ARGS)

docs: $(DEV_READY) ## run the examples in docstrings and pages
	$(PY) -m pytest -q --doctest-modules --doctest-glob='*.md' emdr_stream $(wildcard README.md docs) || [ $$? -eq 5 ]

train: $(DEV_READY) ## train the models, check their gates, write them to models/
	$(PY) -m training $(ARGS)

notebooks: $(DEV_READY) $(LANDMARKER) ## execute the notebooks, write them as pages to build/notebooks (ARGS="04 --size small")
	$(PY) -m notebooks $(ARGS)

# The extra `expression-training` is in no lock: it would bring torch, whose index gives CUDA builds of gigabytes.
lock: $(DEV_READY) ## compile the lock files from pyproject.toml (ARGS=--upgrade for newer versions)
	$(call compile,requirements-dev.lock,--extra webcam --extra training --extra export --group dev)
	$(call compile,requirements.lock,--extra webcam -c requirements-dev.lock)
	$(call compile,requirements-core.lock,-c requirements-dev.lock)

compile = $(PY) -m uv pip compile pyproject.toml --quiet --universal --python-version 3.11 --generate-hashes \
	--no-header --no-annotate --group build $(2) --output-file $(1) $(ARGS)

# The first Python that is new enough, runs, and can make virtual environments.
$(PY):
	@for python in python3.13 python3.12 python3.11 python3 python; do \
		if $$python -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then \
			echo "making $(VENV) with $$($$python --version)"; \
			$$python -m venv --clear "$(VENV)" && exit 0; \
			echo "cannot write $(VENV): name a folder of your own, e.g. make VENV=~/emdr-venv" >&2; exit 1; \
		fi; \
	done; \
	echo "no Python 3.11 or newer with venv found: install python3.11 and python3.11-venv (or newer)" >&2; exit 1

$(SERVE_READY): requirements.lock pyproject.toml | $(PY)
	@echo "installing the service into $(VENV)"
	@$(INSTALL_LOCK) requirements.lock
	@$(INSTALL_SELF)
	@touch $@

$(DEV_READY): requirements-dev.lock pyproject.toml | $(PY)
	@echo "installing the service and the tools for work on it into $(VENV)"
	@$(INSTALL_LOCK) requirements-dev.lock
	@$(INSTALL_SELF)
	@touch $(SERVE_READY) $@

# It is no reason not to start: everything but webcam frames works without. The next make tries again.
$(LANDMARKER): | $(SERVE_READY)
	@$(PY) -m emdr_stream models fetch || echo "no webcam frames until '$(PY) -m emdr_stream models fetch' succeeds" >&2
